"""The tours with the official Python client, `ibapi`: version 9.81 and the current one alike.

Request ids are counted from 1 in every client and order ids from nextValidId, so that several clients that run at once
use the same numbers for different things.
"""

import importlib.metadata
import threading
import time
from collections import defaultdict

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper

import tour as shared
from tour import RESTING, Tour, TourFailed, arguments, same_quantity

try:
    from ibapi.order_cancel import OrderCancel
except ImportError:  # 9.81 cancels by id alone
    OrderCancel = None

# Callback -> whether its first argument is a request id.
CALLBACKS = {
    "tickPrice": True,
    "tickSize": True,
    "tickString": True,
    "tickGeneric": True,
    "tickOptionComputation": True,
    "tickSnapshotEnd": True,
    "tickReqParams": True,
    "marketDataType": True,
    "historicalData": True,
    "historicalDataEnd": True,
    "historicalDataUpdate": True,
    "contractDetails": True,
    "bondContractDetails": True,
    "contractDetailsEnd": True,
    "execDetailsEnd": True,
    "accountSummary": True,
    "accountSummaryEnd": True,
    "realtimeBar": True,
    "tickByTickAllLast": True,
    "tickByTickBidAsk": True,
    "tickByTickMidPoint": True,
    "updateMktDepth": True,
    "updateMktDepthL2": True,
    "accountUpdateMulti": True,
    "accountUpdateMultiEnd": True,
    "positionMulti": True,
    "positionMultiEnd": True,
    "pnl": True,
    "pnlSingle": True,
    "symbolSamples": True,
    "securityDefinitionOptionParameter": True,
    "securityDefinitionOptionParameterEnd": True,
    "headTimestamp": True,
    "scannerData": True,
    "scannerDataEnd": True,
    "historicalTicks": True,
    "historicalTicksBidAsk": True,
    "historicalTicksLast": True,
    "openOrder": False,
    "openOrderEnd": False,
    "orderStatus": False,
    "execDetails": False,
    "commissionReport": False,
    "commissionAndFeesReport": False,
    "completedOrder": False,
    "completedOrdersEnd": False,
    "position": False,
    "positionEnd": False,
    "updateAccountValue": False,
    "updatePortfolio": False,
    "updateAccountTime": False,
    "accountDownloadEnd": False,
    "managedAccounts": False,
    "nextValidId": False,
    "currentTime": False,
    "connectAck": False,
}


class App(EWrapper, EClient):
    """Keeps every callback with its arguments, and holds those that bear an id against the ids in use."""

    def __init__(self, tour):
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.tour = tour
        self.seen = defaultdict(list)
        self.request_ids = set()
        self.order_ids = set()
        self.asked_for_all = False
        self.leaving = False

    def arrived(self, name, has_request_id, args):
        self.seen[name].append(args)
        if has_request_id and args[0] not in self.request_ids:
            self.tour.stranger(name, req_id=args[0])

    def error(self, request_id, *args):
        # (code, text), later (code, text, json), later still (time, code, text, json)
        code, text = (args[0], args[1]) if isinstance(args[1], str) else (args[1], args[2])
        self.tour.error(request_id, code, text)
        if request_id != -1 and request_id not in self.request_ids and request_id not in self.order_ids:
            self.tour.stranger("error", req_id=request_id, code=code)

    def connectionClosed(self):
        if not self.leaving:
            self.tour.broken.append("the connection was closed")


def _recorder(name, has_request_id):
    def method(self, *args):
        self.arrived(name, has_request_id, args)

    method.__name__ = name
    return method


for _name, _has_request_id in CALLBACKS.items():
    setattr(App, _name, _recorder(_name, _has_request_id))


def stock(symbol):
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = symbol, "STK", "SMART", "USD"
    return contract


def euro():
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = "EUR", "CASH", "IDEALPRO", "USD"
    return contract


class IbapiTour:
    def __init__(self, tour):
        self.tour = tour
        self.args = tour.args
        self.app = App(tour)
        self.seen = self.app.seen
        self.next_request = 1
        self.next_order = None
        self.stock = stock(self.args.symbol)
        self.allowed_errors = []
        self.foreign_shown = 0

    def request(self):
        number = self.next_request
        self.next_request += 1
        self.app.request_ids.add(number)
        return number

    def wait(self, condition, what, seconds=None):
        self.tour.wait(condition, what, seconds)

    def wait_end(self, name, request_id, what):
        """Waits for an end marker; an error under the same id ends the wait with a failure."""

        def ended():
            refused = [e for e in self.tour.errors(request_id) if e["code"] not in shared.HARMLESS]
            self.tour.check(not refused, f"{what} was refused: {refused}")
            return any(args[0] == request_id for args in list(self.seen[name]))

        self.wait(ended, f"{name} of {what}")

    def rows(self, name, request_id):
        return [args for args in list(self.seen[name]) if args[0] == request_id]

    def order(self, kind, price=None):
        order = Order()
        order.action, order.orderType, order.totalQuantity, order.tif = "BUY", kind, self.args.quantity, "DAY"
        order.orderRef = self.tour.order_ref
        if self.tour.transcript["accounts"]:
            order.account = self.tour.transcript["accounts"][0]
        if price is not None:
            order.lmtPrice = price
        if OrderCancel is None:
            order.eTradeOnly = order.firmQuoteOnly = False  # true by default in 9.81, and long refused by servers
        return order

    def new_order_id(self):
        number = self.next_order
        self.next_order += 1
        self.app.order_ids.add(number)
        return number

    def send_cancel(self, order_id):
        if OrderCancel is None:
            self.app.cancelOrder(order_id)
        else:
            self.app.cancelOrder(order_id, OrderCancel())

    # Steps

    def connect(self):
        tour, app = self.tour, self.app
        tour.begin("connect")

        def work():
            try:
                app.connect(self.args.host, self.args.port, self.args.client_id)
                if not app.isConnected():
                    tour.broken.append("the server ended the handshake")
                app.run()
                if not app.leaving:
                    tour.broken.append("the library's message loop ended")
            except Exception as error:
                tour.broken.append(f"the library raised {error!r}")

        threading.Thread(target=work, daemon=True).start()
        self.wait(lambda: self.seen["nextValidId"] and self.seen["managedAccounts"], "nextValidId and managedAccounts")
        first = self.seen["nextValidId"][0][0]
        self.next_order = self.args.start_order_id or first
        accounts = [a for a in self.seen["managedAccounts"][0][0].split(",") if a]
        tour.check(accounts, "no managed account came")
        tour.transcript["accounts"] = accounts
        tour.transcript["server_version"] = app.serverVersion()
        tour.transcript["next_valid_id"] = first
        tour.step("connect", accounts=accounts)

    def account(self):
        tour, app = self.tour, self.app
        account = tour.transcript["accounts"][0]
        tour.begin("positions")
        app.reqPositions()
        self.wait(lambda: self.seen["positionEnd"], "the positions with their end")
        odd = {p[0] for p in self.seen["position"]} - set(tour.transcript["accounts"])
        tour.check(not odd, f"positions of foreign accounts {odd}")
        tour.step("positions", volatile={"symbols": sorted(p[1].symbol for p in self.seen["position"])})
        app.cancelPositions()

        tour.begin("account updates")
        app.reqAccountUpdates(True, account)
        self.wait(lambda: (account,) in self.seen["accountDownloadEnd"], "accountDownloadEnd")
        values = list(self.seen["updateAccountValue"])
        tour.check(values, "no account values")
        odd = {v[3] for v in values} - {account}
        tour.check(not odd, f"values of foreign accounts {odd}")
        tour.step("account updates", tags=sorted({v[0] for v in values}))
        app.reqAccountUpdates(False, account)

        tour.begin("account summary")
        request = self.request()
        app.reqAccountSummary(request, "All", shared.SUMMARY_TAGS)
        self.wait_end("accountSummaryEnd", request, "the account summary")
        rows = self.rows("accountSummary", request)
        tags = sorted({r[2] for r in rows})
        tour.check(tags == sorted(shared.SUMMARY_TAGS.split(",")), f"the summary has the tags {tags}")
        tour.check({r[1] for r in rows} <= set(tour.transcript["accounts"]), "the summary has a foreign account")
        tour.step("account summary", req_id=request, tags=tags)
        app.cancelAccountSummary(request)

    def contracts(self):
        tour, app = self.tour, self.app
        tour.begin("contract details")
        for contract in (self.stock, euro()):
            request = self.request()
            app.reqContractDetails(request, contract)
            self.wait_end("contractDetailsEnd", request, f"the contract details of {contract.symbol}")
            rows = self.rows("contractDetails", request)
            tour.check(rows, f"no contract details of {contract.symbol}")
            details = rows[0][1]
            found = details.contract
            tour.check(
                found.symbol == contract.symbol and found.secType == contract.secType,
                f"asked for {contract.symbol} {contract.secType}, got {found.symbol} {found.secType}",
            )
            tour.check(found.conId > 0, "a contract without conId")
            tour.step(
                "contract details",
                req_id=request,
                asked=f"{contract.symbol} {contract.secType}",
                con_id=found.conId,
                local_symbol=found.localSymbol,
                long_name=details.longName,
                min_tick=float(details.minTick),
                rows=len(rows),
            )
        tour.begin("unknown contract")
        request = self.request()
        app.reqContractDetails(request, stock(shared.UNKNOWN_SYMBOL))
        self.wait(lambda: tour.errors(request), "the refusal of an unknown contract")
        codes = [e["code"] for e in tour.errors(request)]
        tour.check(codes == [200], f"an unknown contract drew {codes}")
        tour.check(not self.rows("contractDetails", request), "an unknown contract had details")
        self.allowed_errors.append((request, 200))
        tour.step("unknown contract", req_id=request, code=200)

    def stream(self):
        tour, app = self.tour, self.app
        tour.begin("market data stream")
        request = self.request()
        app.reqMktData(request, self.stock, "", False, False, [])

        def prices():
            return {args[1]: args[2] for args in self.rows("tickPrice", request)}

        self.wait(lambda: {1, 2, 4} <= set(prices()), f"bid, ask and last of {self.stock.symbol}")
        first = len(self.rows("tickPrice", request))
        self.wait(lambda: len(self.rows("tickPrice", request)) >= first + 3, f"three more prices of {self.stock.symbol}")
        image = prices()
        tour.check(0 < image[1] and 0 < image[2] and 0 < image[4], f"odd prices {image}")
        app.cancelMktData(request)
        time.sleep(0.3)
        before = len(self.rows("tickPrice", request))
        time.sleep(0.7)
        late = len(self.rows("tickPrice", request)) - before
        tour.step(
            "market data stream",
            req_id=request,
            symbol=self.stock.symbol,
            bid_ask_last=True,
            volatile={"bid": image[1], "ask": image[2], "first_ticks": first, "late": late},
        )

    def snapshot(self):
        tour, app = self.tour, self.app
        tour.begin("market data snapshot")
        request = self.request()
        app.reqMktData(request, euro(), "", True, False, [])
        self.wait_end("tickSnapshotEnd", request, "the snapshot of EUR.USD")
        prices = {args[1]: args[2] for args in self.rows("tickPrice", request)}
        tour.check(1 in prices and 2 in prices, f"a snapshot without bid and ask: {prices}")
        tour.check(0.2 < prices[1] < 5, f"the price {prices[1]} is not one of EUR.USD")
        tour.step("market data snapshot", req_id=request, symbol="EUR.USD", bid_ask=True)

    def history(self):
        tour, app = self.tour, self.app
        tour.begin("historical bars")
        request = self.request()
        app.reqHistoricalData(
            request, self.stock, shared.HISTORY_END, "1 D", "30 mins", "TRADES", 1, 1, False, []
        )
        self.wait_end("historicalDataEnd", request, "historical bars")
        bars = [args[1] for args in self.rows("historicalData", request)]
        tour.check(bars, "no historical bars")
        dates = [bar.date for bar in bars]
        tour.check(dates == sorted(set(dates)), "historical bars are not in order, or double")
        tour.check(all(b.low <= b.open <= b.high and b.low <= b.close <= b.high for b in bars), "a bar out of range")
        tour.step("historical bars", req_id=request, bars=[[b.date, b.open, b.high, b.low, b.close] for b in bars])

    def statuses(self, order_id, client=None):
        client = self.args.client_id if client is None else client
        return [args[1] for args in list(self.seen["orderStatus"]) if args[0] == order_id and args[8] == client]

    def echoes(self, order_id):
        return [
            args
            for args in list(self.seen["openOrder"])
            if args[0] == order_id and args[2].clientId == self.args.client_id
        ]

    def place_resting(self):
        """A limit order far from the market: it rests."""
        tour = self.tour
        tour.begin("place a resting order")
        order_id = self.new_order_id()
        self.app.placeOrder(order_id, self.stock, self.order("LMT", shared.RESTING_PRICE))
        self.wait(
            lambda: self.echoes(order_id) and any(s in RESTING for s in self.statuses(order_id)),
            f"order {order_id} to rest",
        )
        echo = self.echoes(order_id)[-1][2]
        tour.check(echo.orderRef == tour.order_ref, f"order {order_id} came back with orderRef {echo.orderRef!r}")
        tour.check(
            same_quantity(echo.totalQuantity, self.args.quantity),
            f"order {order_id} came back with quantity {echo.totalQuantity}",
        )
        tour.check(
            same_quantity(echo.lmtPrice, shared.RESTING_PRICE), f"order {order_id} came back with price {echo.lmtPrice}"
        )
        tour.check(echo.permId > 0, "the order has no permId")
        tour.step("place a resting order", order_id=order_id, client_id=echo.clientId, status="resting")
        return order_id

    def open_orders(self, order_id):
        tour, app = self.tour, self.app
        tour.begin("open orders")
        ends, first = len(self.seen["openOrderEnd"]), len(self.seen["openOrder"])
        app.reqOpenOrders()
        self.wait(lambda: len(self.seen["openOrderEnd"]) > ends, "the open orders with their end")
        found = self.seen["openOrder"][first:]
        ids = sorted({args[0] for args in found})
        tour.check(ids == [order_id], f"open orders are {ids}, expected only {order_id}")
        clients = {args[2].clientId for args in found}
        tour.check(clients == {self.args.client_id}, f"open orders of clients {clients}")
        tour.step("open orders", order_id=order_id, rows=len(ids))

    def all_open_orders(self, order_id):
        tour, app = self.tour, self.app
        tour.begin("all open orders")
        ends, first = len(self.seen["openOrderEnd"]), len(self.seen["openOrder"])
        app.reqAllOpenOrders()
        self.wait(lambda: len(self.seen["openOrderEnd"]) > ends, "all open orders with their end")
        found = self.seen["openOrder"][first:]
        mine = {args[0] for args in found if args[2].clientId == self.args.client_id}
        tour.check(mine == {order_id}, f"own orders among all open ones: {sorted(mine)}")
        others = sorted({args[2].clientId for args in found} - {self.args.client_id})
        tour.step("all open orders", order_id=order_id, volatile={"others": others})
        self.foreign_shown = len(self.foreign_orders())

    def modify(self, order_id):
        tour = self.tour
        tour.begin("modify the resting order")
        seen = len(self.echoes(order_id))
        self.app.placeOrder(order_id, self.stock, self.order("LMT", shared.MODIFIED_PRICE))
        self.wait(
            lambda: any(same_quantity(e[2].lmtPrice, shared.MODIFIED_PRICE) for e in self.echoes(order_id)[seen:]),
            f"order {order_id} to come back with price {shared.MODIFIED_PRICE}",
        )
        tour.step("modify the resting order", order_id=order_id, price=shared.MODIFIED_PRICE)

    def cancel(self, order_id):
        tour = self.tour
        tour.begin("cancel the resting order")
        self.send_cancel(order_id)
        self.wait(
            lambda: "Cancelled" in self.statuses(order_id) and tour.errors(order_id, 202),
            f"order {order_id} to be cancelled, with 202",
        )
        tour.check(
            not any(args[2].orderId == order_id and args[0] == -1 for args in self.seen["execDetails"]),
            "the cancelled order has fills",
        )
        tour.step("cancel the resting order", order_id=order_id, status="Cancelled", code=202)

    def commissions(self):
        """execId -> report; the callback has another name in later versions, and the fee another field."""
        reports = {}
        for (report,) in list(self.seen["commissionReport"]) + list(self.seen["commissionAndFeesReport"]):
            fee = report.commission if hasattr(report, "commission") else report.commissionAndFees
            reports[report.execId] = (fee, report.currency)
        return reports

    def market_order(self):
        tour = self.tour
        tour.begin("market order")
        quantity = self.args.quantity
        order_id = self.new_order_id()
        self.app.placeOrder(order_id, self.stock, self.order("MKT"))
        self.wait(lambda: "Filled" in self.statuses(order_id), f"order {order_id} to fill")

        def fills():
            live = [args[2] for args in list(self.seen["execDetails"]) if args[0] == -1]
            return {e.execId: e for e in live if e.orderId == order_id}

        self.wait(
            lambda: same_quantity(sum(float(e.shares) for e in fills().values()), quantity),
            f"executions over {quantity}",
        )
        self.wait(lambda: set(fills()) <= set(self.commissions()), f"the commission of every execution of {order_id}")
        for execution in fills().values():
            tour.check(execution.clientId == self.args.client_id, f"a fill of client {execution.clientId}")
            tour.check(execution.orderRef == tour.order_ref, f"a fill with orderRef {execution.orderRef!r}")
            tour.check(execution.acctNumber in tour.transcript["accounts"], f"a fill of {execution.acctNumber}")
            tour.check(execution.price > 0 and self.commissions()[execution.execId][0] > 0, "a fill without price or fee")
        filled = [args for args in self.seen["orderStatus"] if args[0] == order_id and args[1] == "Filled"][-1]
        tour.check(same_quantity(filled[2], quantity) and same_quantity(filled[3], 0), f"filled {filled[2]}, left {filled[3]}")
        one = next(iter(fills().values()))
        tour.step(
            "market order",
            order_id=order_id,
            client_id=self.args.client_id,
            status="Filled",
            filled=float(quantity),
            side=one.side,
            fee_currency=self.commissions()[one.execId][1],
            volatile={"fills": len(fills()), "price": float(filled[4])},
        )
        return order_id

    def executions(self, order_id):
        tour, app = self.tour, self.app
        me = self.args.client_id
        tour.begin("executions of this client")
        request = self.request()
        only_mine = ExecutionFilter()
        only_mine.clientId = me
        app.reqExecutions(request, only_mine)
        self.wait_end("execDetailsEnd", request, "own executions")
        found = [args[2] for args in self.rows("execDetails", request)]
        odd = [(e.clientId, e.orderId) for e in found if e.clientId != me]
        tour.check(not odd, f"asked for own executions, got those of {odd}")
        total = sum(float(e.shares) for e in found if e.orderId == order_id)
        tour.check(same_quantity(total, self.args.quantity), f"own executions sum up to {total}")
        tour.step("executions of this client", req_id=request, order_id=order_id, shares=total)

        tour.begin("executions of everybody")
        request = self.request()
        app.reqExecutions(request, ExecutionFilter())
        self.wait_end("execDetailsEnd", request, "all executions")
        found = [args[2] for args in self.rows("execDetails", request)]
        own = [e for e in found if (e.clientId, e.orderId) == (me, order_id)]
        total = sum(float(e.shares) for e in own)
        tour.check(same_quantity(total, self.args.quantity), f"own executions among all sum up to {total}")
        tour.check(all(e.orderRef == tour.order_ref for e in own), "an own execution with another orderRef")
        others = sorted({e.clientId for e in found} - {me})
        tour.step(
            "executions of everybody", req_id=request, order_id=order_id, shares=total, volatile={"others": others}
        )

    def completed(self):
        tour, app = self.tour, self.app
        tour.begin("completed orders")
        app.reqCompletedOrders(False)
        self.wait(lambda: self.seen["completedOrdersEnd"], "the completed orders with their end")
        rows = self.seen["completedOrder"]
        own = sorted(args[2].status for args in rows if args[1].orderRef == tour.order_ref)
        tour.check(own == ["Cancelled", "Filled"], f"own completed orders are {own}")
        tour.step("completed orders", own=own, volatile={"others": len(rows) - len(own)})

    def clock_and_ids(self):
        tour, app = self.tour, self.app
        tour.begin("current time")
        app.reqCurrentTime()
        self.wait(lambda: self.seen["currentTime"], "the current time")
        now = self.seen["currentTime"][0][0]
        tour.check(now > 1_577_836_800, f"the clock says {now}")
        tour.step("current time", answered=True, volatile={"time": now})
        tour.begin("next valid id")
        seen = len(self.seen["nextValidId"])
        app.reqIds(1)
        self.wait(lambda: len(self.seen["nextValidId"]) > seen, "the answer to reqIds")
        value, first = self.seen["nextValidId"][-1][0], tour.transcript["next_valid_id"]
        tour.check(value >= first, f"the next id went back from {first} to {value}")
        tour.step("next valid id", volatile={"value": value})

    def foreign_orders(self):
        """The ids in messages about orders of other clients. Only the answer about all open orders may bring any."""
        me = self.args.client_id
        return [a[0] for a in self.seen["openOrder"] if a[2].clientId != me] + [
            a[0] for a in self.seen["orderStatus"] if a[8] != me
        ]

    def strangers(self):
        tour, app, me = self.tour, self.app, self.args.client_id
        for order_id, _, order, _ in self.seen["openOrder"]:
            if order.clientId == me and (order_id not in app.order_ids or order.orderRef != tour.order_ref):
                tour.stranger("open order", order_id=order_id, order_ref=order.orderRef)
        for args in self.seen["orderStatus"]:
            if args[8] == me and args[0] not in app.order_ids:
                tour.stranger("order status", order_id=args[0], status=args[1])
        executed = set()
        for request_id, _, execution in self.seen["execDetails"]:
            executed.add(execution.execId)
            own = execution.clientId == me
            foreign_live = request_id == -1 and not own
            unknown = own and (execution.orderId not in app.order_ids or execution.orderRef != tour.order_ref)
            if foreign_live or unknown or request_id != -1 and request_id not in app.request_ids:
                tour.stranger("execution", req_id=request_id, order_id=execution.orderId, client=execution.clientId)
        for execution_id in self.commissions():
            if execution_id not in executed:
                tour.stranger("commission", execution=execution_id)

    def leave(self, complete=True):
        tour, app = self.tour, self.app
        tour.begin("disconnect")
        self.strangers()
        late = self.foreign_orders()[self.foreign_shown :]
        if late:
            tour.stranger("orders of other clients that were not asked for", orders=late[:10])
        if complete:
            tour.only_harmless_errors(self.allowed_errors)
        tour.check(not tour.broken, f"the connection broke: {tour.broken[:1]}")
        app.leaving = True
        app.disconnect()
        tour.step("disconnect")

    # Tours

    def full(self):
        self.connect()
        self.tour.meet("connected")
        self.account()
        self.contracts()
        self.stream()
        self.snapshot()
        self.history()
        self.tour.meet("trading")
        order_id = self.place_resting()
        self.open_orders(order_id)
        self.modify(order_id)
        foreign = self.foreign_orders()
        if foreign:
            self.tour.stranger("orders of other clients before all open orders were asked for", orders=foreign[:10])
        self.all_open_orders(order_id)
        self.cancel(order_id)
        filled = self.market_order()
        self.executions(filled)
        self.completed()
        self.clock_and_ids()
        self.tour.meet("leaving")
        self.leave()

    def only_connect(self):
        self.connect()
        self.tour.meet("connected")
        self.leave()

    def only_stream(self):
        self.connect()
        self.tour.meet("connected")
        self.stream()
        self.leave()

    def place_and_rest(self):
        self.connect()
        self.place_resting()
        self.leave()

    def place_and_exit(self):
        """The order is written and the socket closed at once: what a script does that trades and ends."""
        self.connect()
        self.tour.begin("place and exit")
        order_id = self.new_order_id()
        self.app.placeOrder(order_id, self.stock, self.order("LMT", shared.RESTING_PRICE))
        self.app.leaving = True
        self.app.disconnect()
        self.tour.step("place and exit", order_id=order_id)

    def come_back(self):
        """Finds the order that an earlier tour under this client id left behind, and cancels it."""
        tour, app = self.tour, self.app
        self.connect()
        tour.begin("come back")
        app.reqOpenOrders()
        self.wait(lambda: self.seen["openOrderEnd"], "the open orders with their end")
        found = {args[0]: args[2] for args in self.seen["openOrder"]}
        references = [order.orderRef for order in found.values()]
        tour.check(references == [tour.order_ref], f"the open orders found have the references {references}")
        ((order_id, order),) = found.items()
        tour.check(same_quantity(order.totalQuantity, self.args.quantity), f"its quantity is {order.totalQuantity}")
        tour.check(order_id < self.next_order, f"order {order_id} is not below nextValidId {self.next_order}")
        app.order_ids.add(order_id)
        tour.step("come back", order_id=order_id, rows=len(found))
        self.cancel(order_id)
        self.leave()

    def hang(self):
        self.connect()
        self.tour.begin("hang")
        request = self.request()
        self.app.reqMktData(request, self.stock, "", False, False, [])
        self.wait(lambda: self.rows("tickPrice", request), "a price")
        self.tour.step("hang", req_id=request)
        self.tour.hang()
        while True:
            time.sleep(3600)

    def rejected(self):
        """Orders and cancels that are refused, and what comes back."""
        tour, app = self.tour, self.app
        self.connect()
        tour.begin("order for an unknown contract")
        order_id = self.new_order_id()
        app.placeOrder(order_id, stock(shared.UNKNOWN_SYMBOL), self.order("LMT", 1.0))
        self.wait(lambda: tour.errors(order_id), f"the refusal of order {order_id}")
        tour.step("order for an unknown contract", order_id=order_id, codes=[e["code"] for e in tour.errors(order_id)])

        resting = self.place_resting()
        tour.begin("refused modify")
        app.placeOrder(resting, self.stock, self.order("NONSENSE", 1.0))
        self.wait(lambda: tour.errors(resting), f"the refusal of the modify of order {resting}")
        tour.step("refused modify", order_id=resting, codes=[e["code"] for e in tour.errors(resting)])
        self.cancel(resting)

        tour.begin("cancel of an unknown order")
        unknown = self.new_order_id()
        self.send_cancel(unknown)
        self.wait(lambda: tour.errors(unknown), "the refusal of the cancel")
        codes = [e["code"] for e in tour.errors(unknown)]
        tour.check(codes == [10147], f"the cancel of an unknown order drew {codes}")
        tour.step("cancel of an unknown order", order_id=unknown, codes=codes)
        self.leave(complete=False)

    def outage(self):
        """The Gateway goes away while an order rests; a modify and a cancel are then refused."""
        tour = self.tour
        self.connect()
        order_id = self.place_resting()
        tour.meet("resting")
        tour.begin("outage")
        self.wait(lambda: tour.errors(-1, 1100), "1100", 60)
        self.app.placeOrder(order_id, self.stock, self.order("LMT", shared.MODIFIED_PRICE))
        self.wait(lambda: tour.errors(order_id), "the refusal of the modify")
        codes = [e["code"] for e in tour.errors(order_id)]
        tour.step("modify while the Gateway is away", order_id=order_id, codes=codes)
        seen = len(codes)
        self.send_cancel(order_id)
        self.wait(lambda: len(tour.errors(order_id)) > seen, "the refusal of the cancel")
        codes = [e["code"] for e in tour.errors(order_id)[seen:]]
        tour.step("cancel while the Gateway is away", order_id=order_id, codes=codes)
        self.leave(complete=False)

    def run(self):
        started = time.monotonic()
        {
            "full": self.full,
            "connect": self.only_connect,
            "stream": self.only_stream,
            "place-and-rest": self.place_and_rest,
            "place-and-exit": self.place_and_exit,
            "come-back": self.come_back,
            "hang": self.hang,
            "rejected": self.rejected,
            "outage": self.outage,
        }[self.args.tour]()
        self.tour.step("end", volatile={"seconds": round(time.monotonic() - started, 2)})


def installed():
    """Name and version of the package that is imported as `ibapi` here."""
    for name in ("ibapi-stable", "ibapi"):
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "ibapi", "unknown"


def main():
    args = arguments("Tours of an API server with the official Python client.")
    tour = Tour(*installed(), args)
    failure = None
    try:
        IbapiTour(tour).run()
    except TourFailed as error:
        failure = str(error)
    except Exception as error:
        failure = f"{tour.current}: {error!r}"
    tour.finish(failure)


if __name__ == "__main__":
    main()
