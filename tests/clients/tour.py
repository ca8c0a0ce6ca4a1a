"""What the Python drivers share: the command line, the transcript, bounded waits and a reader of raw text frames.

A driver goes through named steps. Each leaves its facts in the transcript, a single JSON object that is printed on
standard output as one line when the tour ends, well or not. Facts that may differ from run to run for good reasons
(prices, counts of ticks, what other clients did) stand under the key `volatile`; numbers that are ids stand under
`req_id` and `order_id`. Everything else of two runs can be compared as it is.

Only the standard library is used, so that this file works in each library's own environment.
"""

import argparse
import json
import os
import struct
import sys
import threading
import time

# Codes that a tour may meet without having failed: farm notices, warnings on orders and on market data, the answer to
# an unsubscribe, and the confirmation of a cancel. Anything else that was not asked for ends the tour.
HARMLESS = {202, 399, 2100, 2103, 2104, 2105, 2106, 2107, 2108, 2119, 2157, 2158, 2109, 2110, 2137, 10167}

TOURS = ("full", "connect", "stream", "hang", "place-and-exit", "place-and-rest", "come-back", "rejected", "outage", "unknown-fate")

# A day and an hour that lie in the past, so that the bars of a historical request are the same in every run.
HISTORY_END = "20260105 16:00:00 US/Eastern"

UNKNOWN_SYMBOL = "NOSUCH"
RESTING_PRICE = 1.0
MODIFIED_PRICE = 1.25
SUMMARY_TAGS = "NetLiquidation,TotalCashValue,BuyingPower"
RESTING = ("Submitted", "PreSubmitted")


class TourFailed(Exception):
    """A step did not show what it had to show; the text says which and what."""


def arguments(description):
    """The command line that every driver has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--client-id", type=int, default=1)
    parser.add_argument("--tour", choices=TOURS, default="full")
    parser.add_argument("--start-order-id", type=int, default=0, help="first order id, instead of nextValidId")
    parser.add_argument("--quantity", type=int, default=0, help="order quantity (default: 100 + client id)")
    parser.add_argument("--symbol", default="AAPL")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds that a single wait may take")
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds that the whole tour may take")
    parser.add_argument("--meet", default="", help="directory in which the parties of one run leave their marks")
    parser.add_argument("--parties", type=int, default=1, help="how many clients meet there")
    args = parser.parse_args()
    args.quantity = args.quantity or 100 + args.client_id
    return args


class Tour:
    """The state of one tour: its transcript, and the means to wait and to check."""

    def __init__(self, library, version, args):
        self.args = args
        self.order_ref = f"twsmux-{args.client_id}"
        self.current = "start"
        self.awaited = ""
        self.transcript = {
            "library": library,
            "library_version": version,
            "client_id": args.client_id,
            "tour": args.tour,
            "ok": False,
            "failure": None,
            "server_version": None,
            "next_valid_id": None,
            "accounts": [],
            "steps": [],
            "errors": [],
            "strangers": [],
        }
        # Reasons to give up at once, put here by callbacks: a closed connection, an exception inside the library.
        self.broken = []
        self._said = threading.Lock()
        self._watch = threading.Timer(args.deadline, self._overdue)
        self._watch.daemon = True
        self._watch.start()

    # Facts

    def step(self, name, **facts):
        """Notes what a step has shown."""
        self.transcript["steps"].append({"step": name, **facts})

    def begin(self, name):
        """Names the step in hand, for the messages of failed waits and checks."""
        self.current = name

    def error(self, request_id, code, text):
        """Notes an error message that the library handed over."""
        self.transcript["errors"].append({"id": request_id, "code": code, "text": str(text)[:300]})

    def errors(self, request_id=None, code=None):
        """The errors so far, by id or code."""
        return [
            e
            for e in list(self.transcript["errors"])
            if (request_id is None or e["id"] == request_id) and (code is None or e["code"] == code)
        ]

    def stranger(self, what, **facts):
        """Notes something that was not for this client."""
        if len(self.transcript["strangers"]) < 50:
            self.transcript["strangers"].append({"what": what, "during": self.current, **facts})

    # Checks and waits

    def check(self, condition, what):
        """Fails the tour when the condition does not hold."""
        if not condition:
            raise TourFailed(f"{self.current}: {what}")

    def _poll(self, condition, what, until):
        if condition():
            return True
        if self.broken:
            raise TourFailed(f"{self.current}: {self.broken[0]}, while waiting for {what}")
        if time.monotonic() >= until:
            recent = [(e["id"], e["code"], e["text"][:80]) for e in self.transcript["errors"][-3:]]
            raise TourFailed(f"{self.current}: waited in vain for {what}; the last errors were {recent}")
        return False

    def wait(self, condition, what, seconds=None):
        """Waits until the condition holds; for drivers whose library runs in a thread."""
        self.awaited = what
        until = time.monotonic() + (seconds or self.args.patience)
        while not self._poll(condition, what, until):
            time.sleep(0.01)

    async def wait_async(self, condition, what, seconds=None):
        """The same inside an event loop."""
        import asyncio

        self.awaited = what
        until = time.monotonic() + (seconds or self.args.patience)
        while not self._poll(condition, what, until):
            await asyncio.sleep(0.01)

    def _marks(self, place):
        directory = self._leave_mark(place)
        failed = os.path.join(self.args.meet, "failed")

        def complete():
            self.check(not os.path.isdir(failed), f"another client failed, no use in waiting at '{place}'")
            return len(os.listdir(directory)) >= self.args.parties

        return complete

    def _leave_mark(self, place):
        directory = os.path.join(self.args.meet, place)
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, str(self.args.client_id)), "w", encoding="ascii"):
            pass
        return directory

    def meet(self, place):
        """Waits until every party of the run has come as far as this, so that all of them overlap."""
        if self.args.meet:
            self.wait(self._marks(place), f"{self.args.parties} clients at '{place}'", self.args.deadline)

    async def meet_async(self, place):
        """The same inside an event loop."""
        if self.args.meet:
            await self.wait_async(self._marks(place), f"{self.args.parties} clients at '{place}'", self.args.deadline)

    def only_harmless_errors(self, allowed=()):
        """Fails when an error came that nothing in the tour explains. `allowed` holds pairs of id and code."""
        odd = [
            e
            for e in self.transcript["errors"]
            if e["code"] not in HARMLESS and (e["id"], e["code"]) not in set(allowed)
        ]
        self.check(not odd, f"unexpected errors {odd[:5]}")

    # The end

    def _say(self):
        if self._said.acquire(blocking=False):
            if self.args.meet and not self.transcript["ok"]:
                self._leave_mark("failed")
            sys.stdout.write(json.dumps(self.transcript, sort_keys=True) + "\n")
            sys.stdout.flush()

    def _overdue(self):
        self.transcript["failure"] = (
            f"{self.current}: the tour took more than {self.args.deadline:g} s, last waiting for {self.awaited}"
        )
        self._say()
        os._exit(1)

    def finish(self, failure=None):
        """Prints the transcript and ends the process. Never returns: a library's threads cannot hold it up."""
        self._watch.cancel()
        if failure is None and self.transcript["strangers"]:
            failure = f"{len(self.transcript['strangers'])} messages were not for this client"
        self.transcript["failure"] = failure
        self.transcript["ok"] = failure is None
        self._say()
        os._exit(0 if failure is None else 1)

    def hang(self):
        """For the tour that ends only by a signal: prints the transcript while the connection goes on."""
        self._watch.cancel()
        self.transcript["ok"] = True
        self._say()


class FrameTap:
    """Reads the raw bytes that a library receives (server versions 157 to 200) and keeps, for each message that bears
    an id, the message number and its fields. A second opinion, independent of the library's own reading."""

    # Message number -> index of the request id among the fields. The layouts are those of versions 157 to 178.
    REQUEST_ID = {
        1: 2, 2: 2, 12: 2, 13: 2, 18: 2, 20: 2, 45: 2, 46: 2, 50: 2, 51: 2, 52: 2, 55: 2, 57: 2, 58: 2, 63: 2, 64: 2, 67: 2, 68: 2,
        71: 2, 72: 2, 73: 2, 74: 2, 17: 1, 21: 1, 75: 1, 76: 1, 77: 1, 79: 1, 81: 1, 82: 1, 84: 1, 86: 1, 87: 1, 88: 1,
        89: 1, 90: 1, 94: 1, 95: 1, 96: 1, 97: 1, 98: 1, 99: 1, 103: 1, 104: 1, 105: 1, 106: 1, 107: 1,
    }

    def __init__(self):
        self.buffer = b""
        self.version = None
        self.request_ids = {}  # request id -> set of message numbers
        self.open_orders = []  # (order id, quantity, limit price, order ref, client id)
        self.statuses = []  # (order id, status, client id)
        self.executions = []  # (request id, order id, exec id, shares, client id, order ref)
        self.commissions = []  # exec id
        self.errors = []  # (id, code)
        self.next_ids = []

    def feed(self, data):
        self.buffer += data
        while len(self.buffer) >= 4:
            (length,) = struct.unpack(">I", self.buffer[:4])
            if len(self.buffer) < 4 + length:
                return
            payload, self.buffer = self.buffer[4 : 4 + length], self.buffer[4 + length :]
            fields = payload.decode(errors="backslashreplace").split("\0")[:-1]
            if self.version is None and len(fields) == 2:
                self.version = int(fields[0])
            elif fields:
                self._message(int(fields[0]), fields)

    def _message(self, number, f):
        if number == 10 or number == 18:
            index = 1 if self.version >= 164 else 2
        else:
            index = self.REQUEST_ID.get(number)
        if index is not None:
            self.request_ids.setdefault(int(f[index]), set()).add(number)
        elif number == 5:
            self.open_orders.append((int(f[1]), float(f[14]), float(f[16] or 0), f[23], int(f[24])))
        elif number == 3:
            self.statuses.append((int(f[1]), f[2], int(f[9])))
        elif number == 11:
            self.executions.append((int(f[1]), int(f[2]), f[14], float(f[19]), int(f[22]), f[26]))
        elif number == 59:
            self.commissions.append(f[2])
        elif number == 4:
            self.errors.append((int(f[2]), int(f[3])))
        elif number == 9:
            self.next_ids.append(int(f[2]))


def same_quantity(left, right):
    """Quantities come as integers, floats or decimals, by library and version."""
    return abs(float(left) - float(right)) < 1e-9
