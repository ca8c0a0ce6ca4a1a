"""How two flat forms of the same thing differ, and the words for it.

    spelling   the same number written in another way, `0` and `0.0`, true and 1
    unset      both say that there is no value, each with its own sentinel: empty, absent, 2147483647, 1.797e308
    default    one has no value, the other has the zero that stands for it: 0, false, an empty message or list
    order      the same rows of a list in another order
    missing    expected a value, found none
    extra      found a value that was not expected
    value      two different values
"""

import functools
import re

UNSET_NUMBERS = {2147483647.0, 9223372036854775807.0, 1.7976931348623157e308, 170141183460469231731687303715884105727.0}
INDEX = re.compile(r"\[\d+\]")
ABSENT = None


@functools.lru_cache(maxsize=1 << 16)
def number(value):
    """The value as a number, None when it is none."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, str):
        if value in ("true", "false"):
            return float(value == "true")
        if value in ("Infinity", "Infinite"):
            return float("inf")
        try:
            return float(value)
        except ValueError:
            return None
    return None


def is_unset(value):
    return value is None or value == "" or number(value) in UNSET_NUMBERS


def is_zero(value):
    return value in ("row", "message", "NoneItem") or number(value) == 0.0


def kind_of(expected, found):
    """The word for the difference of two leaves, None when there is none."""
    if type(expected) is type(found) and expected == found:
        return None
    if is_unset(expected) and is_unset(found):
        return "unset"
    left, right = number(expected), number(found)
    if left is not None and left == right:
        return "spelling"
    if left is None and isinstance(expected, str) and isinstance(found, str) and expected.endswith(";"):
        if sorted(expected.split(";")) == sorted(found.split(";")):
            return "order"
    if is_unset(expected):
        return "default" if is_zero(found) else "extra"
    if is_unset(found):
        return "default" if is_zero(expected) else "missing"
    return "value"


def general(path):
    """The path without the numbers of rows."""
    return INDEX.sub("[]", path)


def lists(leaves, wanted):
    """The rows of the outermost lists at some paths: path -> rows, each a tuple of what it holds."""
    found = {}
    for path, value in leaves.items():
        at = "[" in path and INDEX.search(path)
        if at and path[: at.start()] in wanted:
            rows = found.setdefault(path[: at.start()], {})
            rows.setdefault(at.group(), []).append((path[at.end():], str(number(value)) if number(value) is not None else str(value)))
    return {path: [tuple(sorted(row)) for row in rows.values()] for path, rows in found.items()}


def compare(expected, found):
    """All differences of two flat forms: [field, kind, expected, found]."""
    expected, found = dict(expected), dict(found)
    if expected == found:
        return []
    differing = [path for path in {**expected, **found} if kind_of(expected.get(path), found.get(path))]
    out = []
    wanted = {path[: path.index("[")] for path in differing if "[" in path}
    if wanted:
        left, right = lists(expected, wanted), lists(found, wanted)
        for path in left.keys() & right.keys():
            if left[path] != right[path] and sorted(left[path]) == sorted(right[path]):
                out.append([f"{general(path)}[]", "order", "", ""])
                differing = [one for one in differing if not one.startswith(f"{path}[")]
    for path in differing:
        left, right = expected.get(path), found.get(path)
        out.append([general(path), kind_of(left, right), left, right])
    return out


def compare_callbacks(expected, found):
    """All differences of two sequences of callbacks; fields are written `callback.path`."""
    if expected == found:
        return []
    out = []
    if [name for name, _ in expected] != [name for name, _ in found]:
        names = {name for name, _ in expected} | {name for name, _ in found}
        for name in sorted(names):
            more = sum(one[0] == name for one in expected) - sum(one[0] == name for one in found)
            if more:
                out.append([name, "no callback" if more > 0 else "more callbacks", str(abs(more)), ""])
    seen = {}
    for name, leaves in found:
        seen.setdefault(name, []).append(leaves)
    for name, leaves in expected:
        if seen.get(name):
            out += [[f"{name}.{field}", *rest] for field, *rest in compare(leaves, seen[name].pop(0))]
    return out
