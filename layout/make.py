#!/usr/bin/env python3
"""Writes layout/hot.ld: which functions a message passes, in the order in which it passes them.

    make.py BINARY KIT        (./dev layout builds both)
    make.py --check BINARY    whether the list fits the binary

The benchmark kit runs its scenarios once, with twsmux under callgrind. A function counts as passed when it was called often;
they are listed as the calls go, from the event loop on, one scenario after the other. The hash in a symbol is left out, so that the list
depends on names and not on who builds with what; names that several functions have, as generic ones do, come behind those that are
one function's.
"""
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
# What comes first is packed best. A round trip meets cold caches most.
RUNS = [
    ("round-trip", "text"),
    ("orders", "text"),
    ("instruments", "text"),
    ("connect", "text"),
    ("round-trip", "protobuf"),
    ("round-trip", "transcoded"),
    ("fan-out", "transcoded"),
]
# Fewer calls in a run are no message's.
OFTEN = 100
# Not a message's either: lines of the log.
OTHERS = re.compile(r"tracing|nu_ansi_term|core\.\.fmt")
# Bytes that the functions of one name may have: most of them are not passed.
MOST_OF_ONE_NAME = 20_000
# Where a message comes in.
ROOT = re.compile(r"6events4Loop3run")

HEAD = """/* The functions that a message passes, next to each other in the order in which it passes them. A message runs through most of this
   code once, after everybody else had the caches: what is fetched in a row is there sooner than what is strewn over megabytes.
   Made by ./dev layout; docs/performance.md has what it does. A name that is gone, or a linker that does not read this, costs speed
   alone. */
SECTIONS
{
  .text.hot :
  {
"""
TAIL = """  }
}
INSERT BEFORE .text;
"""


def profile(files):
    """Calls per function, and whom each calls, in the order of its lines."""
    calls, callees = collections.Counter(), collections.defaultdict(dict)
    for file in files:
        names, fn, callee = {}, None, None
        for line in open(file, errors="replace"):
            m = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?$", line)
            if m:
                if m.group(3):
                    # A recursion is the same function.
                    names[m.group(2)] = re.sub(r"'\d+$", "", m.group(3))
                name = names[m.group(2)]
                if m.group(1) == "fn":
                    fn = name
                else:
                    callee = name
            elif line.startswith("calls="):
                times = int(line[6:].split()[0])
                calls[callee] += times
                edges = callees[fn]
                edges[callee] = edges.get(callee, 0) + times
    return calls, callees


def passed(calls, callees):
    """The functions that were called often, callers before those whom they call."""
    order, seen = [], set()

    def visit(name):
        stack = [name]
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            order.append(name)
            often = [callee for callee, times in callees[name].items() if times >= OFTEN]
            stack.extend(reversed(often))

    roots = [name for name in callees if ROOT.search(name)]
    if not roots:
        sys.exit("the event loop is in no profile: is the binary stripped, or the run too short?")
    for root in roots:
        visit(root)  # what is passed before the loop runs, or by other threads, is no message's
    # The loop itself is called once.
    return [name for name in order if calls[name] >= OFTEN or name in roots]


HASH = re.compile(r"17h[0-9a-f]{16}E.*$")


def rust_names(names):
    return [HASH.sub("", name) for name in names if name.startswith("_ZN") and not OTHERS.search(name)]


def run(binary, kit, scenario, form):
    with tempfile.TemporaryDirectory() as scratch:
        wrapper = pathlib.Path(scratch, "twsmux")
        out = pathlib.Path(scratch, "calls")
        # The kit ends it by SIGKILL: what it has written by then counts.
        wrapper.write_text(
            "#!/bin/sh\n"
            "exec valgrind --tool=callgrind --demangle=no --dump-every-bb=3000000"
            f' --callgrind-out-file={out}.%p {binary} "$@"\n'
        )
        wrapper.chmod(0o755)
        command = [kit, "--bench", "--rounds", "1", "--only", scenario, "--form", form]
        command += ["--binary", wrapper, "--json", os.devnull]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        files = [file for file in pathlib.Path(scratch).glob("calls.*") if file.stat().st_size]
        if not files:
            sys.exit(f"{scenario} ({form}): callgrind wrote nothing")
        return profile(sorted(files))


def functions(binary):
    """How many functions have a name, and how many bytes they are together."""
    count, size = collections.Counter(), collections.Counter()
    for line in subprocess.run(["nm", "-S", binary], check=True, capture_output=True, text=True).stdout.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in "tT":
            name = HASH.sub("", fields[3])
            count[name] += 1
            size[name] += int(fields[1], 16)
    return count, size


def check(binary):
    listed = re.findall(r"\*\(\.text\.(.*)17h\*\)", (HERE / "hot.ld").read_text())
    count, _ = functions(binary)
    there = sum(name in count for name in listed)
    print(f"layout: {there} of {len(listed)} functions that a message passes are in {binary}")
    if there < 0.9 * len(listed):
        sys.exit("layout/hot.ld is out of date: ./dev layout writes it anew")


def main():
    if sys.argv[1] == "--check":
        return check(sys.argv[2])
    binary, kit = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    count, size = functions(binary)
    listed = {}
    for scenario, form in RUNS:
        names = rust_names(passed(*run(binary, kit, scenario, form)))
        new = [name for name in dict.fromkeys(names) if name not in listed]
        listed.update((name, f"{scenario}, {form}") for name in new)
        print(f"{scenario}, {form}: {len(new)} more functions")
    ones = [name for name in listed if count[name] == 1]
    several = [name for name in listed if count[name] > 1 and size[name] <= MOST_OF_ONE_NAME]
    lines = [f"    *(.text.{name}17h*)\n" for name in ones + several]
    (HERE / "hot.ld").write_text(HEAD + "".join(lines) + TAIL)
    print(f"layout/hot.ld: {len(ones)} functions, and {len(several)} names of several")


main()
