"""A trader that speaks the text protocol itself, at server version 176: no library, nothing but a socket."""

import asyncio
import struct

from trader import SYMBOL, Frames, Trader, arguments

LIBRARY = "scripted"
VERSION = 176


class Desk:
    def __init__(self, trader):
        self.trader = trader
        self.args = trader.args
        self.writer = None
        self.reading = None
        self.frames = None
        self.next_order = 0

    async def connect(self):
        self.frames = Frames(self.trader)
        reader, self.writer = await asyncio.open_connection(self.args.host, self.args.port)
        offer = f"v{VERSION}..{VERSION}".encode()
        self.writer.write(b"API\0" + struct.pack(">I", len(offer)) + offer)
        self.reading = asyncio.ensure_future(self._read(reader))
        for what, come in (
            ("the version", lambda: self.frames.version),
            ("the accounts", lambda: self.frames.accounts),
        ):
            if not await self.trader.until(lambda: come() or self.reading.done(), 8) or not come():
                raise ConnectionError(f"{what} did not come")
            if what == "the version":
                self._send(71, 2, self.args.client_id, "")

    async def _read(self, reader):
        while data := await reader.read(65536):
            self.frames.feed(data)

    def connected(self):
        if self.reading and self.reading.done() and not self.reading.cancelled() and self.reading.exception():
            error = self.reading.exception()
            if not isinstance(error, OSError):
                raise error
        return bool(self.writer) and not self.reading.done()

    def close(self):
        if self.writer:
            self.writer.close()
            self.writer = None
        if self.reading:
            self.reading.cancel()

    def pump(self):
        pass

    def library_orders(self):
        return None

    def holds_for_done(self, order):
        return False

    def start_ids_at(self, number):
        self.next_order = max(self.next_order, number)

    def new_order_id(self):
        self.next_order += 1
        return self.next_order - 1

    def _send(self, *fields):
        payload = "".join(f"{field}\0" for field in fields).encode()
        self.writer.write(struct.pack(">I", len(payload)) + payload)

    def _order(self, order, limit, transmit):
        none = [""]
        self._send(
            *[3, order.order_id, 0, SYMBOL, "STK", "", 0, "", "", "SMART", "", "USD", "", "", "", ""],
            *[order.action, f"{order.quantity:g}", order.kind, limit if order.kind == "LMT" else ""],
            *[order.stop if order.kind == "STP" else "", "DAY", "", self.frames.accounts[0], "", 0, order.ref],
            *[int(transmit), order.parent, 0, 0, 0, 0, 0, 0],
            # shares allocation to exempt code
            *["", 0, "", "", "", "", "", "", "", 0, "", -1],
            # OCA type to the auxiliary price of a delta neutral order
            *[0, "", "", 0, "", "", 0, 0, "", 0, "", "", "", "", "", 0, "", "", "", ""],
            # continuous update, reference price, trailing, scale, its table, times, hedge
            *[0, "", "", "", "", "", "", "", "", "", ""],
            # SMART routing, clearing, not held, delta neutral contract, algorithm, what-if, options, solicited, random
            *[0, "", "", 0, 0, "", "", 0, "", 0, 0, 0],
            # conditions, adjusted orders, operator, tier, cash, MiFID, hedge price, OMS, discretion, price management
            *[0, "", "", "", "", "", "", 0, "", "", "", "", "", "", "", "", 0, 0, 0, ""],
            # duration, post to ATS, cancel the parent, override, manual time
            *[*none * 2, 0, *none * 2],
        )

    def place(self, order):
        self._order(order, order.limit, order.transmit)

    def modify(self, order, limit):
        self._order(order, limit, True)
        return True

    def cancel(self, order):
        self._send(4, 1, order.order_id, "")
        return True

    def ask_open_orders(self):
        self._send(5, 1)

    def ask_executions(self):
        # Without a filter: everybody's come, and one's own among them.
        self._send(7, 3, 1, 0, "", "", "", "", "", "")

    def ask_completed(self):
        self._send(99, 0)


if __name__ == "__main__":
    trader = Trader(LIBRARY, arguments("A trader without a library."))
    trader.run(Desk(trader))
