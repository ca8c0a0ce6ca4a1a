"""What the traders share: programs that trade without a pause, through restarts of everything around them.

A tour (tour.py) goes through its steps once. A trader does what comes to its mind, from a seed: orders that rest and
orders that fill, brackets, modifications, cancels. It keeps a journal of what it sent and of what it was told, and
comes back when its connection breaks. What it should have been told, only the Gateway's book knows: `trading.py`
compares the two.

It is driven by lines on its standard input, and answers those of `settle` and `leave` with one line of JSON:

    trade     go on trading
    settle    stop, wait until nothing moves any more, ask for open orders, executions and completed orders, say all
    leave     disconnect at once, whatever is under way, write the journal to its file, and end

Only the standard library is used, so that this file works in each library's own environment.
"""

import argparse
import asyncio
import collections
import dataclasses
import json
import os
import random
import struct
import sys
import threading
import time

SYMBOL = "AAPL"
MARKET = 250.0  # its price at the simulated Gateway, around which orders are placed

OVER = {"Filled", "Cancelled", "ApiCancelled", "Inactive"}
LINK_LOST, LINK_BACK = 1100, {1101, 1102}
NOT_CONNECTED = 504

# Seconds: between two acts, for one answer, for coming back, without any event before all is said to be quiet.
PACE = (0.1, 0.35)
ANSWER_TIME = 6.0
PATIENCE = 45.0
QUIET = 0.5
# Seconds after an act within which its consequences are told, with some to spare.
CONSEQUENCES = 5.0
# Orders that a trader lets rest before it rather cancels some.
ENOUGH_ORDERS = 20


@dataclasses.dataclass
class Order:
    """An order as its trader knows it."""

    number: int
    order_id: int
    ref: str
    action: str
    kind: str
    quantity: float
    limit: float = 0.0
    stop: float = 0.0
    parent: int = 0
    transmit: bool = True
    # What was sent: the limit price of the order and of each modification, in order, and whether a cancel was.
    limits: list = dataclasses.field(default_factory=list)
    cancelled: bool = False
    # What was told.
    status: str = ""
    filled: float = 0.0
    executions: dict = dataclasses.field(default_factory=dict)  # exec id -> [quantity, told live, told in answers]
    errors: list = dataclasses.field(default_factory=list)  # codes
    completed: str = ""  # its status in a list of completed orders
    heard: bool = False
    # The connection ended before anything was heard of it: whether it arrived is not known to the trader.
    broken: bool = False
    # The connection ended right after something was done with it: what was told just then may have come to nobody. What
    # became of it is told again where it is asked for.
    gap: bool = False

    def is_live(self):
        return self.heard and bool(self.status) and self.status not in OVER


class Trader:
    """The trader itself, whatever library it trades with. `desk` is what each library's driver has to offer:

    connect (a coroutine, raises when it cannot), close, connected; new_order_id, start_ids_at; place, modify, cancel;
    ask_open_orders, ask_executions, ask_completed; pump (let callbacks of other threads come); library_orders (order
    ids that the library itself holds for open, None where it holds nothing); holds_for_done (an order).
    """

    def __init__(self, library, args):
        self.library = library
        self.args = args
        self.client_id = args.client_id
        self.orders = {}  # order id -> Order
        self.violations = []
        self.errors = []  # those that were about no order
        self.connections = 0
        self.settled = 0
        self.link_up = True
        self.unsure = True  # something may have happened that was not heard of: ask
        self.open_answer = None  # order ids in the answer to reqOpenOrders, while it is under way and after
        self.ended = set()
        self.last_event = time.monotonic()
        self.dead_in_library = set()
        self.told_live = {}  # exec id -> connection and time at which it was first told as live
        self.told_again = []
        self.connection_end = 0.0
        self.touched = {}  # order id -> when something was last done with it
        self.commands = collections.deque()
        self.trading = False
        self.rng = random.Random(f"{args.seed}-{args.client_id}-{args.chapter}")
        self.desk = None
        if args.journal and os.path.exists(args.journal):
            self._remember()

    # ---- what the trader is told ----

    def _event(self):
        self.last_event = time.monotonic()

    def violation(self, what):
        if len(self.violations) < 50:
            self.violations.append(what)

    def _own(self, order_id, client, ref, what):
        """The order of an event, if it is one's own; anything else has no business here."""
        self._event()
        order = self.orders.get(order_id)
        if client != self.client_id or order is None or ref not in (None, order.ref):
            self.violation(f"{what} of order {order_id} of client {client} with the reference {ref!r}")
            return None
        order.heard = True
        return order

    def _is_at(self, order, status, what):
        if order.status in OVER and status not in OVER:
            self.violation(f"{order.ref} was {order.status} and is {status} again in {what}")
        order.status = status
        if status in OVER and self.open_answer is not None and "open orders" not in self.ended:
            # What is over is no part of the answer: it came by itself while the answer was awaited.
            self.open_answer.pop(order.order_id, None)

    def open_order(self, order_id, client, ref, quantity, limit, status):
        order = self._own(order_id, client, ref, "openOrder")
        if order is None:
            return
        order.quantity, order.limit = float(quantity), float(limit)
        self._is_at(order, status, "openOrder")
        if status not in OVER and self.open_answer is not None and "open orders" not in self.ended:
            self.open_answer[order_id] = [order.ref, order.quantity, order.limit]

    def order_status(self, order_id, client, status, filled):
        order = self._own(order_id, client, None, "orderStatus")
        if order is None:
            return
        self._is_at(order, status, "orderStatus")
        if float(filled) < order.filled:
            self.violation(f"{order.ref} had filled {order.filled:g} and now {float(filled):g}")
        order.filled = float(filled)

    def execution(self, request, order_id, client, exec_id, quantity, ref):
        if request != -1 and client != self.client_id:
            self._event()  # an answer without a filter has everybody's
            return
        order = self._own(order_id, client, ref, "execution")
        if order is None:
            return
        entry = order.executions.setdefault(exec_id, [float(quantity), 0, 0])
        entry[1 if request == -1 else 2] += 1
        if request != -1:
            return
        before = self.told_live.setdefault(exec_id, (self.connections, time.monotonic()))
        if entry[1] == 1:
            return
        # A twsmux that is killed may not have written down what it has just told, and rather tells it again.
        connection, when = before
        if connection < self.connections and when > self.connection_end - CONSEQUENCES:
            self.told_again.append(exec_id)
        else:
            self.violation(f"execution {exec_id} of {order.ref} was told twice as live")

    def completed_order(self, ref, status):
        self._event()
        for order in self.orders.values():
            if order.ref == ref:
                order.completed = status

    def end(self, what):
        self._event()
        self.ended.add(what)

    def next_id(self, number):
        self._event()
        # What the server never heard of cannot be held against it.
        used = [o.order_id for o in self.orders.values() if o.heard]
        if used and number <= max(used):
            self.violation(f"nextValidId is {number}, and order id {max(used)} was in use")

    def error(self, number, code, text):
        self._event()
        if code == LINK_LOST:
            self.link_up = False
        elif code in LINK_BACK:
            self.link_up = self.unsure = True
        order = self.orders.get(number)
        if order is None:
            if len(self.errors) < 500:
                self.errors.append([number, code, str(text)[:160]])
            return
        order.errors.append(code)
        if code == NOT_CONNECTED:
            return  # the library itself says so; the server has never heard of the order
        order.heard = True
        if code == 201 and len(order.limits) == 1:
            self._is_at(order, "Inactive", "error 201")

    def look_at_the_library(self):
        """No order that lives, as far as was told, may be dead for the library: a trader would place it again."""
        for order in self.orders.values():
            if order.is_live() and order.order_id not in self.dead_in_library and self.desk.holds_for_done(order):
                self.dead_in_library.add(order.order_id)
                self.violation(f"{order.ref} is {order.status} and its library holds it for done, errors {order.errors}")

    # ---- what the trader does ----

    def _new(self, action, kind, quantity, limit=0.0, stop=0.0, parent=0, transmit=True):
        number = 1 + len(self.orders)
        order = Order(
            number=number,
            order_id=self.desk.new_order_id(),
            ref=f"{self.library}-{self.client_id}-{number}",
            action=action,
            kind=kind,
            quantity=float(quantity),
            limit=round(limit, 2),
            stop=round(stop, 2),
            parent=parent,
            transmit=transmit,
        )
        order.limits.append(order.limit)
        # Before it is sent: some libraries answer for the server while it is.
        self.orders[order.order_id] = order
        self.touched[order.order_id] = time.monotonic()
        self.desk.place(order)
        return order

    def _away_from_market(self, action):
        return MARKET * (self.rng.uniform(0.82, 0.97) if action == "BUY" else self.rng.uniform(1.03, 1.2))

    def _rest(self):
        action = self.rng.choice(["BUY", "BUY", "SELL"])
        self._new(action, "LMT", self.rng.randint(1, 9), self._away_from_market(action))

    def _fill(self):
        action = self.rng.choice(["BUY", "SELL"])
        if self.rng.random() < 0.5:
            self._new(action, "MKT", self.rng.randint(1, 9))
        else:
            self._new(action, "LMT", self.rng.randint(1, 9), MARKET * (1.05 if action == "BUY" else 0.95))

    def _bracket(self):
        quantity = self.rng.randint(1, 9)
        entry = MARKET * self.rng.choice([1.05, 0.93, 0.88])
        parent = self._new("BUY", "LMT", quantity, entry, transmit=False).order_id
        self._new("SELL", "LMT", quantity, MARKET * self.rng.uniform(1.06, 1.2), parent=parent, transmit=False)
        self._new("SELL", "STP", quantity, stop=MARKET * self.rng.uniform(0.7, 0.87), parent=parent)

    def _modify(self, order):
        limit = round(self._away_from_market(order.action), 2)
        if self.desk.modify(order, limit):
            order.limits.append(limit)
            self.touched[order.order_id] = time.monotonic()

    def _cancel(self, order):
        if self.desk.cancel(order):
            order.cancelled = True
            self.touched[order.order_id] = time.monotonic()

    def act(self):
        """One thing that comes to the trader's mind."""
        live = [o for o in self.orders.values() if o.is_live()]
        # An order whose cancel was refused may be cancelled again, but is not changed any more.
        to_cancel = [o for o in live if not o.cancelled or o.errors[-1:] == [399]]
        to_modify = [o for o in live if not o.cancelled and o.kind == "LMT"]
        draw = self.rng.random()
        if len(to_cancel) > ENOUGH_ORDERS:
            draw = min(draw, 0.99) * 0.45 + 0.55
        if draw < 0.28:
            self._rest()
        elif draw < 0.43:
            self._fill()
        elif draw < 0.53:
            self._bracket()
        elif draw < 0.8 and to_modify:
            self._modify(self.rng.choice(to_modify))
        elif to_cancel:
            self._cancel(self.rng.choice(to_cancel))

    # ---- coming back, and asking ----

    async def until(self, condition, seconds):
        end = time.monotonic() + seconds
        while True:
            self.desk.pump()
            if condition():
                return True
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.01)

    def connection_ended(self):
        self.connection_end = time.monotonic()
        recently = self.connection_end - CONSEQUENCES
        for order in self.orders.values():
            order.broken |= not order.heard
            order.gap |= order.status not in OVER and self.touched.get(order.order_id, 0) > recently

    async def come_back(self):
        """Connects again, with patience: twsmux may be down, and the Gateway behind it as well."""
        self.connection_ended()
        end = time.monotonic() + PATIENCE
        why = None
        while time.monotonic() < end:
            try:
                await self.desk.connect()
                self.connections += 1
                self.link_up = self.unsure = True
                self.desk.start_ids_at(max([self.args.start_order_id - 1, *self.orders]) + 1)
                return
            except Exception as error:  # the libraries let many kinds through here
                why = repr(error)
                self.desk.close()
                await asyncio.sleep(0.2)
        raise TimeoutError(f"could not connect for {PATIENCE:g} s; at last {why}; errors {self.errors[-3:]}")

    async def _ask(self, what, ask):
        self.ended.discard(what)
        try:
            ask()
        except Exception as error:  # a connection that has just broken
            self.errors.append([-1, 0, f"{what}: {error!r}"])
            return False
        await self.until(
            lambda: what in self.ended or not self.desk.connected() or not self.link_up, ANSWER_TIME
        )
        return what in self.ended

    async def ask(self):
        """Open orders, executions, completed orders; whether all of it was answered."""
        self.open_answer = {}
        self.unsure = False
        for what, ask in (
            ("open orders", self.desk.ask_open_orders),
            ("executions", self.desk.ask_executions),
            ("completed orders", self.desk.ask_completed),
        ):
            if not await self._ask(what, ask):
                self.unsure = True
                return False
        return not self.unsure

    async def quiet(self):
        await self.until(lambda: time.monotonic() - self.last_event > QUIET or not self.desk.connected(), 10)

    async def settle(self):
        end = time.monotonic() + PATIENCE
        await self.quiet()
        while True:
            if not self.desk.connected():
                await self.come_back()
            if await self.ask():
                # What the answers have set off, and what twsmux finds out meanwhile.
                await self.quiet()
                if self.desk.connected() and not self.unsure:
                    break
            if time.monotonic() > end:
                raise TimeoutError(f"no complete answers for {PATIENCE:g} s; errors {self.errors[-5:]}")
            await asyncio.sleep(0.1)
        self.settled += 1
        self.say(settled=self.settled)

    def say(self, **more):
        orders = {o.ref: dataclasses.asdict(o) for o in self.orders.values()}
        told = {
            "library": self.library,
            "client_id": self.client_id,
            "connections": self.connections,
            "live": list((self.open_answer or {}).values()),
            "library_orders": self.desk.library_orders() if self.desk else None,
            "orders": orders,
            "errors": self.errors,
            "violations": self.violations,
            "told_again": self.told_again,
        }
        sys.stdout.write(json.dumps(told | more, sort_keys=True) + "\n")
        sys.stdout.flush()

    def leave(self):
        self.desk.close()
        self.connection_ended()
        with open(self.args.journal, "w", encoding="utf-8") as file:
            kept = [dataclasses.asdict(o) for o in self.orders.values()]
            json.dump({"orders": kept, "violations": self.violations, "errors": self.errors}, file)
        self.say(left=True)

    def _remember(self):
        with open(self.args.journal, encoding="utf-8") as file:
            kept = json.load(file)
        self.orders = {o["order_id"]: Order(**o) for o in kept["orders"]}
        self.violations, self.errors = kept["violations"], kept["errors"]

    # ---- the loop ----

    def _listen(self):
        for line in sys.stdin:
            self.commands.append(line.strip())
        self.commands.append("leave")

    async def work(self):
        threading.Thread(target=self._listen, daemon=True).start()
        await self.come_back()
        next_act = next_look = 0.0
        while True:
            self.desk.pump()
            command = self.commands.popleft() if self.commands else None
            if command == "leave":
                return self.leave()
            if command == "settle":
                self.trading = False
                await self.settle()
            if command == "trade":
                self.trading = True
            if not self.desk.connected():
                await self.come_back()
            elif self.unsure and self.link_up:
                await self.ask()
            now = time.monotonic()
            if now >= next_look:
                next_look = now + 0.05
                self.look_at_the_library()
            if self.trading and now >= next_act and self.desk.connected():
                next_act = now + self.rng.uniform(*PACE)
                try:
                    self.act()
                except (ConnectionError, OSError):
                    pass  # the connection has broken under it; the next turn sees that
            await asyncio.sleep(0.01)

    def run(self, desk, loop=None):
        """Trades until told to leave, and ends the process: a library's threads cannot hold it up."""
        self.desk = desk
        try:
            (loop.run_until_complete if loop else asyncio.run)(self.work())
        except BaseException as error:
            self.say(failure=f"{self.library} as client {self.client_id}: {error!r}")
            os._exit(1)
        os._exit(0)


def arguments(description):
    """The command line that every trader has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--client-id", type=int, required=True)
    parser.add_argument("--start-order-id", type=int, default=1000, help="first order id, if nextValidId is not above it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chapter", type=int, default=0, help="which life of this trader it is; goes into the seed")
    parser.add_argument("--journal", default="", help="file of its journal, read at the start if it is there")
    return parser.parse_args()


class Frames:
    """Tells a trader what the text frames of a server say (versions 157 to 176, whose layouts are the same here)."""

    def __init__(self, trader):
        self.trader = trader
        self.buffer = b""
        self.version = None
        self.accounts = None

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
        trader = self.trader
        if number == 5:
            # The status is where only numbers and flags surround it; no other field holds one of these words.
            words = OVER | {"Submitted", "PreSubmitted", "PendingCancel", "PendingSubmit"}
            status = next(v for v in f[60:] if v in words)
            trader.open_order(int(f[1]), int(f[24]), f[23], f[14], f[16] or 0, status)
        elif number == 3:
            trader.order_status(int(f[1]), int(f[9]), f[2], f[3])
        elif number == 11:
            trader.execution(int(f[1]), int(f[2]), int(f[22]), f[14], f[19], f[26])
        elif number == 4:
            trader.error(int(f[2]), int(f[3]), f[4])
        elif number == 9:
            trader.next_id(int(f[2]))
        elif number == 15:
            self.accounts = f[2].split(",")
        elif number == 101:
            trader.completed_order(f[22], next(v for v in f[60:] if v in OVER))
        else:
            ends = {53: "open orders", 55: "executions", 102: "completed orders"}
            if number in ends:
                trader.end(ends[number])
