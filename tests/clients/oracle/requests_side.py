"""Requests: what a library sends at one version, transcoded to another, against what it sends there itself."""

import re

import calls
import differences
import frames
from libraries import flat

# Each library's versions of the comparison: both ends, and every version at which the form of some request changes much.
VERSIONS = {
    "ibapi-stable": [100, 110, 125, 140, 150, 157, 163, 169, 170, 176, 178, 187, 192, 193, 199, 200, 201, 203, 206, 208, 213, 218, 222, 225, 226],
    "ibapi": [100, 102, 111, 125, 140, 145, 151, 157],
    "ib_insync": [157, 158, 163, 170, 176],
    "ib_async": [157, 163, 170, 176, 177, 178],
    "stoqey": [100, 110, 125, 145, 157, 170, 176, 178, 187, 193],
}
# To and from these every version is compared; of the rest, neighbours.
HUBS = {176, 226}
# Where a library does not go, and the official client says what is right.
BEYOND = {176, 200, 203, 226}
OFFICIAL = "ibapi-stable"
# A refusal names what would be lost, each with its value in brackets.
NAMED = re.compile(r"(\w+) \([^()]*\)")


def pairs(versions, hubs, every_pair):
    """The ordered pairs of versions that are compared."""
    found = []
    for at, source in enumerate(versions):
        for to, target in enumerate(versions):
            if source != target and (every_pair or source in hubs or target in hubs or abs(at - to) == 1):
                found.append((source, target))
    return found


class Requests:
    """The comparison of one library's requests; `official` knows the protobuf classes."""

    def __init__(self, table, transcoder, official, wanted):
        self.table = table
        self.transcoder = transcoder
        self.official = official
        self.calls = [call for call in calls.CALLS if wanted(call[1])]
        self.flattened = {}
        self.theirs = {}

    def encode(self, name, library):
        versions = VERSIONS[name]
        rows = library.ask(op="encode", calls=self.calls, versions=versions)
        self.theirs[name] = {
            (call[0], version): said for call, row in zip(self.calls, rows) for version, said in zip(versions, row)
        }
        self.table.frames += sum(len(said.get("frames", [])) for said in self.theirs[name].values())

    def compare(self, name, every_pair):
        """The library against itself at another version, and against the official client where it does not go."""
        versions = VERSIONS[name]
        jobs = []
        for source, target in pairs(versions, HUBS, every_pair):
            jobs += [(name, name, call, source, target) for call in self.calls]
        if name != OFFICIAL and OFFICIAL in self.theirs:
            beyond = [version for version in VERSIONS[OFFICIAL] if version > versions[-1] and version in BEYOND]
            jobs += [(name, OFFICIAL, call, versions[-1], target) for target in beyond for call in self.calls]
        self.run(jobs)

    def run(self, jobs):
        ready = []
        for name, other, call, source, target in jobs:
            ours, theirs = self.theirs[name][call[0], source], self.theirs[other][call[0], target]
            if "frames" in ours and "absent" not in theirs:
                ready.append((name, other, call, source, target, ours["frames"], theirs))
        self.transcoder.transcode("request", [(s, t, frame) for _, _, _, s, t, sent, _ in ready for frame in sent])
        doubtful = []
        for name, other, call, source, target, sent, theirs in ready:
            self.table.comparisons += 1
            label = name if name == other else f"{name}>{other}"
            note = self.judge(label, call, source, target, sent, theirs)
            if note:
                doubtful.append((label, call, source, target, *note))
        self.explain(doubtful)

    def judge(self, label, call, source, target, sent, theirs):
        """Counts what is different as a whole; hands back (expected, found) where fields have to be compared."""
        name, method, _ = call
        variant = name.partition("/")[2] or "-"

        def count(kind, example):
            self.table.add("request", label, method, variant, kind, source, target, example)

        payloads = []
        for frame in sent:
            answer = self.transcoder.answer("request", source, target, frame)
            if answer.get("error") == "no such request":
                return count("not known yet", answer["error"])
            if "error" in answer:
                return count("unreadable", answer["error"])
            if "refused" in answer:
                if "refused" not in theirs:
                    for named in NAMED.findall(answer["refused"]) or [answer["refused"]]:
                        self.table.add("request", label, method, named, "refused", source, target, f"{name}: {answer['refused']}")
                return None
            payloads += answer["payloads"]
        if "refused" in theirs:
            words = str(theirs["refused"][1]).strip().rpartition("upgraded.")[2].rpartition(": ")[2].strip()
            return self.table.add("request", label, method, words, "not refused", source, target, f"{name}: {theirs['refused']}")
        if len(payloads) != len(theirs["frames"]):
            return count("number of frames", f"{len(payloads)} instead of {len(theirs['frames'])}")
        if payloads == theirs["frames"]:
            return None
        return theirs["frames"][0], payloads[0]

    def explain(self, doubtful):
        """Compares field by field what is not the same byte for byte."""
        proto, text = set(), set()
        for _, _, _, target, expected, found in doubtful:
            for payload in (expected, found):
                (proto if frames.identify(payload, target)[1] else text).add((target, payload))
        unknown = sorted({payload for _, payload in proto} - self.flattened.keys())
        leaves = self.official.ask(op="flatten", frames=unknown, names=frames.REQUEST_MESSAGES)
        self.flattened.update(zip(unknown, leaves))
        self.transcoder.decode("request", sorted(text))
        known = {}
        for label, call, source, target, expected, found in doubtful:
            key = (target, expected, found)
            if key not in known:
                known[key] = self.fields(target, expected, found)
            for field, kind, left, right in known[key]:
                example = f"{call[0]} expected {left!r} found {right!r}"
                self.table.add("request", label, call[1], field, kind, source, target, example)

    def fields(self, version, expected, found):
        forms = [frames.identify(payload, version) for payload in (expected, found)]
        if forms[0] != forms[1]:
            return [["-", "form", forms[0], forms[1]]]
        leaves = []
        for payload in (expected, found):
            if forms[0][1]:
                known = self.flattened[payload]
                leaves.append({"no class": payload} if known is None else known)
                continue
            told = self.transcoder.message("request", version, payload)
            if "error" in told:
                return [["-", "unreadable", told["error"], payload]]
            leaves.append(dict(flat(told["fields"])))
        return differences.compare(*leaves) or [["-", "bytes", expected, found]]
