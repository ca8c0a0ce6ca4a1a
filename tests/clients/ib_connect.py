"""A program that connects with ib_async or ib_insync as most do, with the library's own patience, and says what it then
holds.

    ib_connect.py ib_async --port PORT --client-id N

It is driven by lines on its standard input and answers each with one line of JSON:

    connect   connect; how long that took, when each end marker came, of what the library complained, and what it holds
    trade     one order that fills, one that is cancelled, one that rests
    fill      one order that fills
    leave     disconnect and end

What it holds are the positions, the portfolio and the values of the account, executions with their commissions, open and
completed orders, each under a name that is the same for everybody, so that what two programs hold can be compared.
"""

import argparse
import asyncio
import importlib
import json
import logging
import os
import sys
import threading
import time

from ib_tour import Complaints
from tour import HARMLESS, RESTING_PRICE, FrameTap

SYMBOL = "AAPL"
PATIENCE = 40.0  # for orders, which a slow server takes its time for
COMMISSION_TIME = 2.0


class TimedTap(FrameTap):
    """Keeps when the end of each list came, in seconds from a beginning; the end of open orders also comes by itself, for a
    client that has some."""

    ENDS = {
        53: "open orders",
        54: "account updates",
        55: "executions",
        62: "positions",
        74: "account updates multi",
        102: "completed orders",
    }

    def __init__(self):
        super().__init__()
        self.start = time.monotonic()
        self.ends = {}

    def _message(self, number, f):
        if number in self.ENDS:
            self.ends.setdefault(self.ENDS[number], []).append(round(time.monotonic() - self.start, 2))
        super()._message(number, f)


class Client:
    def __init__(self, lib, args):
        self.lib = lib
        self.args = args
        self.ib = lib.IB()
        self.tap = TimedTap()
        self.complaints = Complaints()
        for name in (lib.__name__, "eventkit"):
            logging.getLogger(name).addHandler(self.complaints)
        self.ib.client.conn.hasData += self.tap.feed
        self.errors = []
        self.ib.errorEvent += lambda req_id, code, text, _: self.errors.append([req_id, code, str(text)[:200]])
        self.stock = lib.Stock(SYMBOL, "SMART", "USD")
        self.placed = {}  # reference -> order id

    async def until(self, condition, what, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds:g} s in vain for {what}; errors {self.errors[-3:]}")
            await asyncio.sleep(0.01)

    # What it is told to do

    async def connect(self):
        self.tap.start = time.monotonic()
        failure = None
        try:
            await self.ib.connectAsync(self.args.host, self.args.port, self.args.client_id)
        except Exception as error:  # the library lets many kinds through here
            failure = repr(error)
        seconds = round(time.monotonic() - self.tap.start, 2)
        try:
            # They follow the executions, and nothing says that they are all there.
            await self.until(self._commissions_are_known, "commissions", COMMISSION_TIME)
        except TimeoutError:
            pass
        return {
            "seconds": seconds,
            "failure": failure,
            "ends": self.tap.ends,
            "complaints": self.complaints.found,
            "errors": [e for e in self.errors if e[1] not in HARMLESS],
            "held": self.held(),
        }

    async def trade(self):
        await self.fill()
        cancelled = self._place(self.lib.LimitOrder, RESTING_PRICE)
        await self.until(lambda: self._rests(cancelled), "an order to rest")
        self.ib.cancelOrder(cancelled.order)
        await self.until(lambda: cancelled.orderStatus.status == "Cancelled", "an order to be cancelled")
        resting = self._place(self.lib.LimitOrder, RESTING_PRICE)
        await self.until(lambda: self._rests(resting), "an order to rest")
        return {"placed": self.placed}

    async def fill(self):
        trade = self._place(self.lib.MarketOrder)
        quantity = trade.order.totalQuantity
        await self.until(lambda: trade.orderStatus.status == "Filled" and trade.filled() == quantity, "an order to fill")
        await self.until(self._commissions_are_known, "commissions")
        return {"placed": self.placed}

    async def leave(self):
        self.ib.disconnect()
        await asyncio.sleep(0)
        return {}

    def _place(self, kind, *price):
        ref = f"twsmux-{self.args.client_id}-{len(self.placed) + 1}"
        order = kind(
            "BUY",
            100 + self.args.client_id,
            *price,
            tif="DAY",
            orderRef=ref,
            account=self.ib.managedAccounts()[0],
        )
        trade = self.ib.placeOrder(self.stock, order)
        self.placed[ref] = trade.order.orderId
        return trade

    def _rests(self, trade):
        return trade.orderStatus.status in ("Submitted", "PreSubmitted")

    def _commissions_are_known(self):
        return all(f.commissionReport.execId == f.execution.execId for f in self.ib.fills())

    # What it holds

    def held(self):
        ib = self.ib
        trades = ib.trades()
        done = [t for t in trades if t.isDone()]
        return {
            "positions": {
                f"{p.account} {p.contract.conId}": [p.contract.symbol, p.position, p.avgCost] for p in ib.positions()
            },
            "portfolio": {
                f"{p.account} {p.contract.conId}": [
                    *[p.contract.symbol, p.position, p.marketPrice, p.marketValue],
                    *[p.averageCost, p.unrealizedPNL, p.realizedPNL],
                ]
                for p in ib.portfolio()
            },
            "account values": {f"{v.account} {v.tag} {v.currency} {v.modelCode}": v.value for v in ib.accountValues()},
            "executions": {f.execution.execId: self._execution(f) for f in ib.fills()},
            "open orders": {t.order.orderRef: self._order(t) for t in trades if not t.isDone()},
            "completed orders": {t.order.orderRef: self._completed(t) for t in done},
        }

    @staticmethod
    def _execution(fill):
        e, c = fill.execution, fill.commissionReport
        return {
            "perm_id": e.permId,
            "client_id": e.clientId,
            "order_id": e.orderId,
            "order_ref": e.orderRef,
            "account": e.acctNumber,
            "con_id": fill.contract.conId,
            "side": e.side,
            "quantity": e.shares,
            "price": e.price,
            "cumulative": e.cumQty,
            "average": e.avgPrice,
            "time": str(e.time),
            "commission": [c.execId, c.commission, c.currency, c.realizedPNL],
        }

    @staticmethod
    def _order(trade):
        o, s = trade.order, trade.orderStatus
        return {
            "client_id": o.clientId,
            "order_id": o.orderId,
            "perm_id": o.permId,
            "account": o.account,
            "con_id": trade.contract.conId,
            "action": o.action,
            "order_type": o.orderType,
            "quantity": float(o.totalQuantity),
            "limit": o.lmtPrice,
            "status": s.status,
            "filled": s.filled,
            "remaining": s.remaining,
        }

    @staticmethod
    def _completed(trade):
        o = trade.order
        return {
            "perm_id": o.permId,
            "account": o.account,
            "con_id": trade.contract.conId,
            "action": o.action,
            "order_type": o.orderType,
            "quantity": float(o.totalQuantity),
            "filled": float(o.filledQuantity),
            "status": trade.orderStatus.status,
        }


def say(**words):
    sys.stdout.write(json.dumps(words, sort_keys=True) + "\n")
    sys.stdout.flush()


async def obey(client):
    """Does what the lines of the standard input say, until one of them is to leave."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue()

    def listen():
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line.strip())
        loop.call_soon_threadsafe(lines.put_nowait, "leave")

    threading.Thread(target=listen, daemon=True).start()
    say(did="start")
    while True:
        line = await lines.get()
        say(did=line, **await getattr(client, line)())
        if line == "leave":
            return


def main():
    name = sys.argv.pop(1)
    parser = argparse.ArgumentParser(description="Connects with ib_async or ib_insync, the first argument.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--client-id", type=int, required=True)
    args = parser.parse_args()
    # What the library says as it goes is kept with the other output.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # ib_insync asks for the loop while it is imported
    client = Client(importlib.import_module(name), args)
    try:
        loop.run_until_complete(obey(client))
    except BaseException as error:
        say(failure=f"{name} as client {args.client_id}: {error!r}")
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
