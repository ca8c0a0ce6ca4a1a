#!/usr/bin/env python3
"""The comparison table: real client libraries against the transcoder, at every version they speak.

    python3 tests/clients/oracle/compare.py --binary target/debug/examples/transcode [--only TEXT] [--every-pair]

Requests: a library encodes a call at one version; transcoded to another version it must be what the library encodes
there itself, and refused where the library refuses. Answers: a frame and its transcoded form, each decoded by the
library at its version, must give the same callbacks. Every difference needs a line in `reasons.tsv`, every line there
a difference; otherwise the exit status is 1.
"""

import argparse
import sys
import time

from answers_side import Answers
from processes import Transcoder, library
from reasons import Reasons
from requests_side import OFFICIAL, VERSIONS, Requests
from table import Table


def main():
    parser = argparse.ArgumentParser(description="Compares real client libraries with the transcoder.")
    parser.add_argument("--binary", required=True, help="the example program `transcode`")
    parser.add_argument("--only", default="", help="only messages whose name contains this text, or `requests` or `answers`")
    parser.add_argument("--library", action="append", help="only this library, may be given again")
    parser.add_argument("--every-pair", action="store_true", help="all ordered pairs of versions, which takes some minutes")
    parser.add_argument("--seed", type=int, default=1, help="of the made answers")
    parser.add_argument("--quiet", action="store_true", help="only what has no reason")
    parser.add_argument("--log", type=argparse.FileType("w"), help="a file for every single difference, tab-separated")
    args = parser.parse_args()

    start = time.monotonic()
    table = Table(Reasons(), args.log)
    transcoder = Transcoder(args.binary)
    names = [name for name in VERSIONS if not args.library or name in args.library]
    libraries = {name: library(name) for name in dict.fromkeys([OFFICIAL, *names])}
    part = args.only if args.only in ("requests", "answers") else ""

    def wanted(message):
        return part or args.only.lower() in message.lower()

    if part != "answers":
        side = Requests(table, transcoder, libraries[OFFICIAL], wanted)
        for name in dict.fromkeys([OFFICIAL, *names]):
            side.encode(name, libraries[name])
        for name in names:
            side.compare(name, args.every_pair)
    if part != "requests":
        side = Answers(table, transcoder, wanted)
        side.collect(libraries[OFFICIAL], args.seed)
        for name in names:
            side.compare(name, libraries[name], args.every_pair)
    for one in [transcoder, *libraries.values()]:
        one.end()
    whole = not args.only and not args.library
    good = table.show(everything=not args.quiet, stale_matters=whole)
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
