"""The trader with ib_async and with ib_insync, which offer the same interface.

The journal is kept from the raw bytes that the library receives, since it passes over some messages in silence. What the
library itself makes of them is told beside it: the orders that it holds for open.
"""

import asyncio
import importlib
import logging
import sys

from trader import SYMBOL, Frames, Trader, arguments


class Complaints(logging.Handler):
    """Exceptions inside the library, while it reads what it was sent."""

    def __init__(self, trader):
        super().__init__(logging.ERROR)
        self.trader = trader

    def emit(self, record):
        if record.exc_info and not isinstance(record.exc_info[1], (ConnectionError, asyncio.TimeoutError)):
            self.trader.violation(f"the library raised {record.exc_info[1]!r}: {record.getMessage()[:200]}")


class Desk:
    def __init__(self, lib, trader):
        self.lib = lib
        self.trader = trader
        self.args = trader.args
        self.frames = None
        for name in (lib.__name__, "eventkit"):
            logger = logging.getLogger(name)
            logger.addHandler(Complaints(trader))
            logger.propagate = False
        self.ib = lib.IB()
        self.ib.client.conn.hasData.connect(lambda data: self.frames.feed(data))
        self.stock = lib.Stock(SYMBOL, "SMART", "USD")
        self.asking = []

    async def connect(self):
        self.frames = Frames(self.trader)
        # It asks for open and completed orders and executions by itself.
        await self.ib.connectAsync(self.args.host, self.args.port, self.args.client_id, timeout=8)

    def connected(self):
        return self.ib.isConnected()

    def close(self):
        self.ib.disconnect()

    def pump(self):
        pass

    def library_orders(self):
        return sorted(t.order.orderId for t in self.ib.openTrades() if t.order.clientId == self.args.client_id)

    def holds_for_done(self, order):
        trade = self._trade(order)
        return trade is not None and trade.isDone()

    def start_ids_at(self, number):
        # The library counts request ids and order ids together.
        self.ib.client.updateReqId(number)

    def new_order_id(self):
        return self.ib.client.getReqId()

    def _trade(self, order):
        return self.ib.wrapper.trades.get((self.args.client_id, order.order_id))

    def place(self, order):
        self.ib.placeOrder(
            self.stock,
            self.lib.Order(
                orderId=order.order_id,
                action=order.action,
                orderType=order.kind,
                totalQuantity=order.quantity,
                **({"lmtPrice": order.limit} if order.kind == "LMT" else {}),
                **({"auxPrice": order.stop} if order.kind == "STP" else {}),
                tif="DAY",
                orderRef=order.ref,
                parentId=order.parent,
                transmit=order.transmit,
                account=self.ib.managedAccounts()[0],
            ),
        )

    def modify(self, order, limit):
        # The library's own object, as a user would: after a new start it is the one that openOrder made.
        trade = self._trade(order)
        if trade is None or trade.isDone():
            return False
        trade.order.lmtPrice = limit
        trade.order.transmit = True
        self.ib.placeOrder(trade.contract, trade.order)
        return True

    def cancel(self, order):
        trade = self._trade(order)
        if trade is None or trade.isDone():
            return False
        self.ib.cancelOrder(trade.order)
        return True

    def _ask(self, awaitable):
        async def bounded():
            try:
                await asyncio.wait_for(awaitable, 10)
            except (asyncio.TimeoutError, ConnectionError):
                pass  # the trader looks for the end marker itself

        self.asking = [task for task in self.asking if not task.done()]
        self.asking.append(asyncio.ensure_future(bounded()))

    def ask_open_orders(self):
        self._ask(self.ib.reqOpenOrdersAsync())

    def ask_executions(self):
        self._ask(self.ib.reqExecutionsAsync(self.lib.ExecutionFilter(clientId=self.args.client_id)))

    def ask_completed(self):
        self._ask(self.ib.reqCompletedOrdersAsync(False))


if __name__ == "__main__":
    name = sys.argv.pop(1)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # ib_insync asks for the loop while it is imported
    trader = Trader(name, arguments(f"A trader with {name}: ib_async or ib_insync, the first argument."))
    trader.run(Desk(importlib.import_module(name), trader), loop)
