"""The written reasons for differences that are not mistakes of the tables: `reasons.tsv`.

One line a reason: side, library, message, field, kind, from, to, reason. `*` stands for any text within a column; a
version column holds `*`, `N`, `N..M`, `<N` or `>=N`, and `~N` in `from` says that one of the two versions is below N and the
other is not. `|` stands between alternatives. A difference has the first reason that fits it.
"""

import functools
import os
import re

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reasons.tsv")


@functools.lru_cache(maxsize=None)
def pattern(text):
    alternatives = text.split("|")
    return re.compile("|".join(".*".join(re.escape(part) for part in one.split("*")) for one in alternatives))


@functools.lru_cache(maxsize=None)
def covers(text, version):
    """Whether a version column covers a version."""
    if text == "*":
        return True
    if text.startswith("<"):
        return version < int(text[1:])
    if text.startswith(">="):
        return version >= int(text[2:])
    low, _, high = text.partition("..")
    return int(low) <= version <= int(high or low)


def between(source_text, target_text, source, target):
    """Whether the two version columns cover a way from one version to another."""
    if source_text.startswith("~"):
        border = int(source_text[1:])
        return (source < border) != (target < border) and covers(target_text, target)
    return covers(source_text, source) and covers(target_text, target)


class Reasons:
    """The reasons, and which of them were of use."""

    def __init__(self, path=PATH):
        self.rows = []
        self.used = set()
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\n")
                if not line or line.startswith("#") or line.startswith("side\t"):
                    continue
                columns = line.split("\t")
                if len(columns) != 8:
                    raise SystemExit(f"{path}:{number}: {len(columns)} columns, not 8")
                self.rows.append((number, columns))
        self.found = {}
        self.candidates = {}

    def find(self, side, library, message, field, kind, source, target):
        """The text of the first reason that fits, or None."""
        key = (side, library, message, field, kind, source, target)
        if key not in self.found:
            self.found[key] = self.search(*key)
        row = self.found[key]
        if row is None:
            return None
        self.used.add(row[0])
        return row[1][7]

    def search(self, *key):
        what = key[:5]
        if what not in self.candidates:
            self.candidates[what] = [
                row for row in self.rows if all(pattern(text).fullmatch(value) for text, value in zip(row[1], what))
            ]
        return next((row for row in self.candidates[what] if between(*row[1][5:7], *key[5:])), None)

    def stale(self):
        """The reasons that no difference needed. The order of a map is another one in every run."""
        return [
            (number, "\t".join(columns))
            for number, columns in self.rows
            if number not in self.used and columns[4] not in ("order", "bytes")
        ]
