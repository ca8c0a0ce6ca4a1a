"""Collects differences, gives each its written reason, and prints the comparison table."""


class Table:
    """Counts of differences by what differs; `without` are those that no reason covers."""

    def __init__(self, reasons, log=None):
        self.reasons = reasons
        self.log = log
        self.rows = {}
        self.frames = 0
        self.comparisons = 0

    def add(self, side, library, message, field, kind, source, target, example):
        reason = self.reasons.find(side, library, message, field, kind, source, target)
        if self.log:
            print(side, library, message, field, kind, source, target, example, reason or "", sep="\t", file=self.log)
        row = self.rows.setdefault((side, library, message, field, kind, reason or ""), [0, 999, 0, 999, 0, example])
        row[0] += 1
        row[1], row[2] = min(row[1], source), max(row[2], source)
        row[3], row[4] = min(row[3], target), max(row[4], target)

    def total(self, reasoned):
        return sum(row[0] for key, row in self.rows.items() if bool(key[5]) == reasoned)

    def show(self, everything, stale_matters):
        """Prints the table and what is wrong with it; true when nothing is."""
        lines = sorted(self.rows.items())
        if everything:
            for key, row in lines:
                if key[5]:
                    print(line(key, row) + f"  {key[5]}")
        bad = [(key, row) for key, row in lines if not key[5]]
        if bad:
            print(f"\nWITHOUT A REASON: {len(bad)} kinds")
            for key, row in bad:
                print(line(key, row) + f"  e.g. {row[5]}")
        stale = self.reasons.stale() if stale_matters else []
        for number, text in stale:
            print(f"STALE: reasons.tsv:{number} covers nothing: {text}")
        print(
            f"\n{self.frames} frames, {self.comparisons} comparisons, {self.total(True)} differences with reason, "
            f"{self.total(False)} without"
        )
        return not bad and not stale


def line(key, row):
    side, library, message, field, kind, _ = key
    count, low, high, target_low, target_high, _ = row
    return f"{side:8}{library:13}{message:28}{field:48}{kind:12}{low}..{high} -> {target_low}..{target_high}  x{count}"
