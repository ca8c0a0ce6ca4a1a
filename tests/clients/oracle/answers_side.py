"""Answers: what a library tells its user of a frame, against what it tells of the same frame transcoded to another version."""

import differences
import frames
import samples
from requests_side import pairs

NEWEST = 226
VERSIONS = {
    "ibapi-stable": [100, 110, 115, 119, 125, 128, 133, 137, 140, 150, 157, 163, 169, 170, 176, 178, 187, 193, 194, 195, 196, 200, 201, 203, 206, 208, 211, 213, 222, 226],
    "ibapi": [100, 110, 125, 140, 150, 157],
    "ib_insync": [157, 163, 170, 176],
    "ib_async": [157, 163, 170, 176, 178],
    "stoqey": [157, 163, 170, 176, 178, 187, 193],  # it loses its place in open orders of 102 to 144
}
HUBS = {157, 226}
# Of recorded frames, so many of each message and recording are enough.
ENOUGH = 8


def kind_of_tick(callbacks):
    """The type of a tick that is not told, as a reason for that is one for its type."""
    types = [str(leaves["tickType"]) for _, leaves in callbacks if isinstance(leaves, dict) and "tickType" in leaves]
    return f" {types[0]}" if types else ""


class Answers:
    """The comparison of one library's callbacks."""

    def __init__(self, table, transcoder, wanted):
        self.table = table
        self.transcoder = transcoder
        self.wanted = wanted
        self.sources = []  # (where, version, payload)
        self.heard = {}

    def collect(self, official, seed):
        """Frames of the newest version by the official classes, the same at every other version, and recordings."""
        made = [(f"{name} {variant}", payload) for name, variant, payload in official.ask(op="samples", seed=seed)]
        made = [one for one in made if self.wanted(frames.answer_name(one[1], NEWEST))]
        self.sources = [(where, NEWEST, payload) for where, payload in made]
        versions = sorted({version for some in VERSIONS.values() for version in some} - {NEWEST})
        self.transcoder.transcode("response", [(NEWEST, version, payload) for version in versions for _, payload in made])
        for version in versions:
            for where, payload in made:
                for older in self.transcoder.answer("response", NEWEST, version, payload).get("payloads", []):
                    self.sources.append((where, version, older))
        plain = [(name, text.replace("|", "\0").encode().hex()) for name, text in samples.TEXT.items()]
        plain = [one for one in plain if self.wanted(frames.answer_name(one[1], samples.TEXT_VERSION))]
        self.sources += [(where, samples.TEXT_VERSION, payload) for where, payload in plain]
        others = [version for version in [*versions, NEWEST] if version != samples.TEXT_VERSION]
        self.transcoder.transcode("response", [(samples.TEXT_VERSION, version, payload) for version in others for _, payload in plain])
        for version in others:
            for where, payload in plain:
                found = self.transcoder.answer("response", samples.TEXT_VERSION, version, payload).get("payloads", [])
                self.sources += [(where, version, one) for one in found]
        seen = {}
        for where, version, payload in [*frames.recordings(), *frames.captures()]:
            name = frames.answer_name(payload, version)
            kept = seen.setdefault((where, name), set())
            if self.wanted(name) and payload not in kept and len(kept) < ENOUGH:
                kept.add(payload)
                self.sources.append((where, version, payload))
        self.table.frames += len(self.sources)

    def listen(self, name, library, wanted):
        new = list(dict.fromkeys((version, payload) for version, payload in wanted if (name, version, payload) not in self.heard))
        for at in range(0, len(new), 4000):
            part = new[at : at + 4000]
            for key, told in zip(part, library.ask(op="decode", frames=part)):
                self.heard[(name, *key)] = [(callback, dict(leaves)) for callback, leaves in told]

    def compare(self, name, library, every_pair):
        versions = VERSIONS[name]
        targets = {}
        for source, target in pairs(versions, HUBS, every_pair):
            targets.setdefault(source, []).append(target)
        jobs = [
            (where, source, target, payload)
            for where, source, payload in self.sources
            if versions[0] <= source <= versions[-1]
            for target in targets.get(source, versions)
            if target != source
        ]
        self.transcoder.transcode("response", [(source, target, payload) for _, source, target, payload in jobs])
        wanted = []
        for _, source, target, payload in jobs:
            wanted.append((source, payload))
            wanted += [(target, one) for one in self.transcoder.answer("response", source, target, payload).get("payloads", [])]
        self.listen(name, library, wanted)
        known = {}
        for where, source, target, payload in jobs:
            self.table.comparisons += 1
            message = frames.answer_name(payload, source)
            answer = self.transcoder.answer("response", source, target, payload)
            if "payloads" not in answer:
                self.table.add("answer", name, message, "-", "unreadable", source, target, f"{where}: {answer}")
                continue
            key = (source, target, payload, *answer["payloads"])
            expected = self.heard[(name, source, payload)]
            found = [one for part in answer["payloads"] for one in self.heard[(name, target, part)]]
            if key not in known:
                known[key] = differences.compare_callbacks(expected, found)
            for callback, _ in found:
                if callback.startswith(("exception", "fields left over")):
                    self.table.add("answer", name, message, callback, "not readable", source, target, where)
            for field, kind, left, right in known[key]:
                if kind == "no callback":
                    field += kind_of_tick(expected)
                example = f"{where} expected {left!r} found {right!r}"
                self.table.add("answer", name, message, field, kind, source, target, example)
