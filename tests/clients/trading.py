"""What traders (trader.py) were told, held against the book of the simulated Gateway.

`Gateway` speaks the control protocol of `twsmux sim --control`. `audit` compares the transcript of one trader with the
book; it returns what is wrong, in words, and nothing when all is well.
"""

import collections
import json
import socket

OVER = {"Filled", "Cancelled", "ApiCancelled", "Inactive"}


class Gateway:
    """The control connection of a simulated Gateway: one line of JSON there, one back."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.lines = self.socket.makefile("rw", encoding="utf-8")

    def __call__(self, command, **arguments):
        self.lines.write(json.dumps({"command": command} | arguments) + "\n")
        self.lines.flush()
        answer = json.loads(self.lines.readline())
        if "error" in answer:
            raise RuntimeError(f"the simulated Gateway refuses {command}: {answer['error']}")
        return answer

    def close(self):
        self.lines.close()
        self.socket.close()


class Book:
    """The simulated Gateway's book at one moment, by the reference that each order bears."""

    def __init__(self, gateway):
        self.orders = {}
        self.problems = []
        for order in gateway("orders")["orders"]:
            if order["order_ref"] in self.orders:
                self.problems.append(f"{order['order_ref']} is in the book twice")
            self.orders[order["order_ref"]] = order
        self.executions = collections.defaultdict(dict)
        for execution in gateway("executions")["executions"]:
            self.executions[execution["order_ref"]][execution["exec_id"]] = execution["quantity"]
        self.arrivals = collections.defaultdict(list)
        for arrival in gateway("arrivals")["arrivals"]:
            self.arrivals[arrival["order_ref"]].append(arrival)

    def check_ids(self):
        """No upstream order id was ever used for two orders (I4), and no order was sent twice (I5)."""
        used = collections.defaultdict(set)
        for ref, arrivals in self.arrivals.items():
            for arrival in arrivals:
                if arrival["kind"] in ("place", "modify"):
                    used[arrival["client_id"], arrival["order_id"]].add(ref)
            placed = sum(a["kind"] == "place" for a in arrivals)
            if placed > 1:
                self.problems.append(f"{ref} arrived {placed} times as a new order")
        shared = {order_id: refs for order_id, refs in used.items() if len(refs) > 1}
        if shared:
            self.problems.append(f"upstream order ids that were used for several orders: {shared}")
        return self.problems

    def executed(self, ref):
        return self.executions.get(ref, {})

    def working(self, prefix):
        return {ref for ref, o in self.orders.items() if o["working"] and ref.startswith(prefix)}


def is_part_of(part, whole):
    """Whether `part` is `whole` with some left out, in the same order."""
    rest = iter(whole)
    return all(any(one == other for other in rest) for one in part)


def audit(transcript, book):
    """What is wrong with what one trader was told, while nothing moves. Words, each beginning with the order."""
    prefix = f"{transcript['library']}-{transcript['client_id']}-"
    orders = transcript["orders"]
    problems = [f"{prefix}: {violation}" for violation in transcript["violations"]]

    # The list of open orders is the working part of the book: same orders, same quantities, same limits.
    live = {ref: (quantity, limit) for ref, quantity, limit in transcript["live"]}
    working = book.working(prefix)
    for ref in sorted(working - set(live)):
        problems.append(f"{ref} works at the Gateway and is not among the open orders told: {described(orders, ref)}")
    for ref in sorted(set(live) - working):
        known = book.orders.get(ref)
        problems.append(f"{ref} is told as open and is {known['status'] if known else 'nowhere'} at the Gateway")
    for ref in sorted(working & set(live)):
        known = book.orders[ref]
        there = (known["quantity"], (known["limit"] or 0.0) if known["order_type"] == "LMT" else 0.0)
        if tuple(live[ref]) != there:
            problems.append(f"{ref} is told with quantity and limit {live[ref]} and has {there} at the Gateway")

    # What the library itself holds for open: every order that works, whatever errors it drew meanwhile.
    if transcript["library_orders"] is not None:
        held = set(transcript["library_orders"])
        for ref in sorted(working):
            if ref in orders and orders[ref]["order_id"] not in held:
                problems.append(f"{ref} works at the Gateway, and its library holds it for done: {described(orders, ref)}")

    for ref, known in book.orders.items():
        if ref.startswith(prefix) and ref not in orders:
            problems.append(f"{ref} is in the book and was never sent")
    for ref, order in orders.items():
        parent = order["parent"] or order["order_id"]
        family = [o for o in orders.values() if parent in (o["order_id"], o["parent"])]
        problems += [f"{ref} {what}: {described(orders, ref)}" for what in audit_order(ref, order, family, book)]
    return problems


def audit_order(ref, order, family, book):
    """What is wrong with one order of a trader."""
    wrong = []
    status, filled = order["status"], order["filled"]
    if order["gap"] and status not in OVER:
        # Told when nobody could hear it, as by the Gateway itself; then the answers have to say it.
        status, filled = order["completed"] or status, sum(entry[0] for entry in order["executions"].values())
    known = book.orders.get(ref)
    arrivals = book.arrivals.get(ref, [])
    if known is None or known["held"]:
        # It did not get there, or waits there for one of its family that will not come: its owner was told something,
        # or its connection ended and nobody but itself has heard of it. What arrived has left twsmux, which therefore
        # knows of it, after a restart as well. Of an order that waits the Gateway itself says nothing: the rest of its
        # family drew errors, or was not sent any more when the connection broke.
        waits = known is not None and (order["broken"] or any(o["errors"] for o in family if o is not order))
        unheard = order["broken"] and not arrivals
        if not order["errors"] and not unheard and not waits:
            place = "waits at the Gateway" if known else "is not at the Gateway"
            wrong.append(f"{place}, arrived {len(arrivals)} times, and nothing was told about it")
        if status and status not in OVER:
            wrong.append(f"is not at work at the Gateway and is told as {status}")
    elif known["over"]:
        if status not in OVER:
            wrong.append(f"is {known['status']} at the Gateway, which its owner was not told")
        # A refused order is Inactive at the Gateway, and some hear of it by an error alone.
        if known["status"] in ("Filled", "Cancelled") and order["completed"] != known["status"]:
            wrong.append(f"is {known['status']} and reads {order['completed']!r} among the completed orders")
        if known["status"] == "Filled" and status != "Filled":
            wrong.append("is Filled at the Gateway and not for its owner")
    elif status in OVER:
        wrong.append(f"works at the Gateway ({known['status']}) and was told as over")
    if known is not None and known["filled"] != filled:
        wrong.append(f"has filled {known['filled']:g} at the Gateway, not what its owner was told last")

    # Executions: each was told, under its id, with its quantity.
    there = book.executed(ref)
    told = {exec_id: entry[0] for exec_id, entry in order["executions"].items()}
    if missing := sorted(set(there) - set(told)):
        wrong.append(f"has executions that were not told: {missing}")
    if strange := sorted(set(told) - set(there)):
        wrong.append(f"was told executions that are not in the book: {strange}")
    if odd := [e for e in set(told) & set(there) if told[e] != there[e]]:
        wrong.append(f"was told other quantities of {odd}")

    # What arrived, in the order in which it was sent: the order, its modifications, its cancel (I7).
    kinds = [a["kind"] for a in arrivals]
    if kinds != sorted(kinds, key=["place", "modify", "cancel"].index):
        wrong.append(f"arrived in the order {kinds}")
    limits = [a["limit"] or 0.0 for a in arrivals if a["kind"] != "cancel"]
    if not is_part_of(limits, order["limits"]):
        wrong.append(f"arrived with the limits {limits}, sent were {order['limits']}")
    if kinds and kinds[0] != "place":
        wrong.append(f"arrived in the order {kinds}, without the order itself")
    return wrong


def described(orders, ref):
    """An order as its trader knows it, in a few words."""
    o = orders.get(ref)
    if o is None:
        return "unknown to its owner"
    words = [f"id {o['order_id']}", o["action"], f"{o['quantity']:g}", o["kind"], f"told {o['status'] or 'nothing'}"]
    words += [f"filled {o['filled']:g} in {len(o['executions'])}", f"errors {o['errors']}"]
    return ", ".join(words + ["its connection broke before anything was told"] * o["broken"] + ["gap"] * o["gap"] + ["cancelled"] * o["cancelled"])


def tally(transcripts):
    """How much happened: a run in which little did shows little."""
    orders = [o for t in transcripts for o in t["orders"].values()]
    codes = collections.Counter(c for o in orders for c in o["errors"])
    return {
        "orders": len(orders),
        "filled": sum(o["status"] == "Filled" for o in orders),
        "cancelled": sum(o["status"] == "Cancelled" for o in orders),
        "modifications": sum(len(o["limits"]) - 1 for o in orders),
        "executions": sum(len(o["executions"]) for o in orders),
        "reached or not, unknown to the trader": sum(o["broken"] for o in orders),
        "ended in the gap of a connection": sum(o["gap"] and o["status"] not in OVER and bool(o["completed"]) for o in orders),
        "executions told again after a break": sum(len(t["told_again"]) for t in transcripts),
        "errors": dict(sorted(codes.items())),
        "connections": sum(t["connections"] for t in transcripts),
    }
