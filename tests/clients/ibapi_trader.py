"""The trader with the official Python client, `ibapi`: version 9.81 and the current one alike.

The library calls back in a thread of its own; what it says is handed to the trader in the trader's thread, in order.
"""

import queue
import threading

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper

from trader import SYMBOL, Trader, arguments

try:
    from ibapi.order_cancel import OrderCancel
except ImportError:  # 9.81 cancels by id alone
    OrderCancel = None

FIRST_REQUEST = 1_000_000  # above all order ids: an error carries one number for both


class App(EWrapper, EClient):
    """One connection; its callbacks as things to be done by the trader."""

    def __init__(self, trader):
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.trader = trader
        self.said = queue.SimpleQueue()
        self.accounts = None
        self.next = None
        self.over = False

    def work(self, host, port, client_id):
        try:
            self.connect(host, port, client_id)
            if self.isConnected():
                self.run()
        except Exception as error:
            self.said.put((self.trader.violation, f"the library raised {error!r}"))
        self.over = True

    def connectionClosed(self):
        self.over = True

    def nextValidId(self, orderId):
        self.next = orderId
        self.said.put((self.trader.next_id, orderId))

    def managedAccounts(self, accountsList):
        self.accounts = accountsList.split(",")

    def error(self, request_id, *args):
        # (code, text), later (code, text, json), later still (time, code, text, json)
        code, text = (args[0], args[1]) if isinstance(args[1], str) else (args[1], args[2])
        self.said.put((self.trader.error, request_id, code, text))

    def openOrder(self, orderId, contract, order, orderState):
        limit = 0 if order.orderType != "LMT" else order.lmtPrice
        self.said.put(
            (self.trader.open_order, orderId, order.clientId, order.orderRef, order.totalQuantity, limit, orderState.status)
        )

    def orderStatus(self, orderId, status, filled, *args):
        self.said.put((self.trader.order_status, orderId, args[5], status, filled))

    def execDetails(self, reqId, contract, execution):
        e = execution
        self.said.put((self.trader.execution, reqId, e.orderId, e.clientId, e.execId, e.shares, e.orderRef))

    def completedOrder(self, contract, order, orderState):
        self.said.put((self.trader.completed_order, order.orderRef, orderState.status))

    def openOrderEnd(self):
        self.said.put((self.trader.end, "open orders"))

    def execDetailsEnd(self, reqId):
        self.said.put((self.trader.end, "executions"))

    def completedOrdersEnd(self):
        self.said.put((self.trader.end, "completed orders"))


class Desk:
    def __init__(self, trader):
        self.trader = trader
        self.args = trader.args
        self.app = None
        self.next_order = 0
        self.next_request = FIRST_REQUEST
        self.stock = Contract()
        self.stock.symbol, self.stock.secType = SYMBOL, "STK"
        self.stock.exchange, self.stock.currency = "SMART", "USD"

    async def connect(self):
        app = self.app = App(self.trader)
        where = (self.args.host, self.args.port, self.args.client_id)
        threading.Thread(target=app.work, args=where, daemon=True).start()
        await self.trader.until(lambda: app.over or app.next and app.accounts, 8)
        if app.over or not (app.next and app.accounts):
            raise ConnectionError("the accounts and the next id did not come")

    def connected(self):
        return self.app is not None and not self.app.over

    def close(self):
        if self.app:
            try:
                self.app.disconnect()
            except Exception:
                pass  # it was not connected
            self.app.over = True

    def pump(self):
        while self.app and not self.app.said.empty():
            what, *arguments = self.app.said.get()
            what(*arguments)

    def library_orders(self):
        return None

    def holds_for_done(self, order):
        return False

    def start_ids_at(self, number):
        self.next_order = max(self.next_order, number)

    def new_order_id(self):
        self.next_order += 1
        return self.next_order - 1

    def _send(self, order, limit, transmit):
        o = Order()
        o.action, o.orderType, o.totalQuantity, o.tif = order.action, order.kind, order.quantity, "DAY"
        if order.kind == "LMT":
            o.lmtPrice = limit
        if order.kind == "STP":
            o.auxPrice = order.stop
        o.orderRef, o.parentId, o.transmit = order.ref, order.parent, transmit
        o.account = self.app.accounts[0]
        if OrderCancel is None:
            o.eTradeOnly = o.firmQuoteOnly = False  # true by default in 9.81, and long refused by servers
        self.app.placeOrder(order.order_id, self.stock, o)

    def place(self, order):
        self._send(order, order.limit, order.transmit)

    def modify(self, order, limit):
        self._send(order, limit, True)
        return True

    def cancel(self, order):
        if OrderCancel is None:
            self.app.cancelOrder(order.order_id)
        else:
            self.app.cancelOrder(order.order_id, OrderCancel())
        return True

    def ask_open_orders(self):
        self.app.reqOpenOrders()

    def ask_executions(self):
        only_mine = ExecutionFilter()
        only_mine.clientId = self.args.client_id
        self.next_request += 1
        self.app.reqExecutions(self.next_request, only_mine)

    def ask_completed(self):
        self.app.reqCompletedOrders(False)


def library():
    """`ibapi` is the name under which both are imported; only the current one has cancels with a description."""
    return "ibapi" if OrderCancel is None else "ibapi-stable"


if __name__ == "__main__":
    trader = Trader(library(), arguments("A trader with the official Python client."))
    trader.run(Desk(trader))
