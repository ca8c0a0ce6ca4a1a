"""The tours with ib_async and with ib_insync, which offer the same interface.

The library is used as it comes. Two things look on from outside: an observer of the raw bytes that it receives (the
`hasData` event of its connection), which tells messages that were not for this client even where the library itself
would pass over them in silence, and a log handler, which tells what the library complained about.
"""

import asyncio
import importlib
import logging
import time

import tour as shared
from tour import RESTING, FrameTap, Tour, TourFailed, arguments, same_quantity


class Complaints(logging.Handler):
    """Keeps what the library logs about itself: exceptions while it decodes, requests that timed out."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.found = []

    def emit(self, record):
        text = record.getMessage()
        if record.exc_info or "timed out" in text:
            cause = f": {record.exc_info[1]!r}" if record.exc_info else ""
            self.found.append(text[:300] + cause)


class IbTour:
    def __init__(self, lib, tour):
        self.lib = lib
        self.tour = tour
        self.args = tour.args
        self.tap = FrameTap()
        self.complaints = Complaints()
        logging.getLogger(lib.__name__).addHandler(self.complaints)
        logging.getLogger("eventkit").addHandler(self.complaints)
        self.ib = lib.IB()
        self.ib.client.conn.hasData += self.tap.feed
        self.ib.errorEvent += self._on_error
        self.ib.disconnectedEvent += self._on_disconnected
        self.stock = lib.Stock(self.args.symbol, "SMART", "USD")
        self.leaving = False
        self.first_id = None
        self.ranges = []  # of ids that the library has used: it counts request ids and order ids together
        self.own_orders = {}  # order id -> quantity
        self.allowed_errors = []
        self.foreign_shown = 0

    def _on_error(self, request_id, code, text, _contract):
        self.tour.error(request_id, code, text)

    def _on_disconnected(self):
        if not self.leaving:
            self.tour.broken.append("the connection was closed")

    async def bounded(self, awaitable, what, seconds=None):
        """Awaits an answer of the library for a limited time."""
        self.tour.awaited = what
        seconds = seconds or self.args.patience
        try:
            return await asyncio.wait_for(awaitable, seconds)
        except asyncio.TimeoutError:
            raise TourFailed(f"{self.tour.current}: waited {seconds:g} s in vain for {what}") from None
        except ConnectionError as error:
            raise TourFailed(f"{self.tour.current}: {error!r} while waiting for {what}") from None

    async def wait(self, condition, what, seconds=None):
        await self.tour.wait_async(condition, what, seconds)

    # Steps

    async def connect(self):
        tour = self.tour
        tour.begin("connect")
        try:
            await self.bounded(
                self.ib.connectAsync(self.args.host, self.args.port, self.args.client_id, timeout=self.args.patience),
                "the library's connect with its first requests",
                self.args.patience * 3,
            )
        except TourFailed:
            raise
        except Exception as error:  # the library lets many kinds through here
            seen = [(e["id"], e["code"], e["text"]) for e in tour.transcript["errors"]]
            raise TourFailed(f"connect: {error!r}; errors seen {seen}") from None
        self.first_id = self.tap.next_ids[0]
        accounts = self.ib.managedAccounts()
        tour.check(accounts and all(accounts), "no managed account came")
        tour.transcript["accounts"] = accounts
        tour.transcript["server_version"] = self.ib.client.serverVersion()
        tour.transcript["next_valid_id"] = self.tap.next_ids[0]
        tour.check(not self.complaints.found, "the library complained")
        values = self.ib.accountValues()
        strange = {v.account for v in values} - set(accounts)
        tour.check(values and not strange, f"account values missing or of other accounts {strange}")
        tour.step(
            "connect",
            accounts=accounts,
            value_tags=sorted({v.tag for v in values}),
            volatile={"positions": sorted(p.contract.symbol for p in self.ib.positions())},
        )

    async def account(self):
        tour = self.tour
        tour.begin("account summary")
        summary = await self.bounded(self.ib.accountSummaryAsync(), "the account summary")
        tour.check(summary, "the account summary was empty")
        tags = {v.tag for v in summary}
        tour.check("NetLiquidation" in tags, f"no NetLiquidation among {sorted(tags)[:5]}")
        own = set(self.ib.managedAccounts()) | {"All"}
        tour.check({v.account for v in summary} <= own, "the summary has a foreign account")
        tour.step("account summary", tags=sorted(tags))
        tour.begin("positions")
        positions = await self.bounded(self.ib.reqPositionsAsync(), "the positions with their end")
        tour.step("positions", volatile={"symbols": sorted(p.contract.symbol for p in positions)})

    async def contracts(self):
        tour = self.tour
        tour.begin("contract details")
        for contract in (self.stock, self.lib.Forex("EURUSD")):
            details = await self.bounded(
                self.ib.reqContractDetailsAsync(contract), f"the contract details of {contract.symbol}"
            )
            tour.check(len(details) >= 1, f"no contract details of {contract.symbol}")
            found = details[0].contract
            tour.check(
                found.symbol == contract.symbol and found.secType == contract.secType,
                f"asked for {contract.symbol} {contract.secType}, got {found.symbol} {found.secType}",
            )
            tour.check(found.conId > 0, "a contract without conId")
            tour.step(
                "contract details",
                asked=f"{contract.symbol} {contract.secType}",
                con_id=found.conId,
                local_symbol=found.localSymbol,
                long_name=details[0].longName,
                min_tick=details[0].minTick,
                rows=len(details),
            )
        tour.begin("unknown contract")
        before = len(tour.errors(code=200))
        unknown = self.lib.Stock(shared.UNKNOWN_SYMBOL, "SMART", "USD")
        details = await self.bounded(self.ib.reqContractDetailsAsync(unknown), "the refusal of an unknown contract")
        tour.check(not details, "an unknown contract had details")
        refused = tour.errors(code=200)[before:]
        tour.check(len(refused) == 1, f"expected one error 200, saw {refused}")
        self.allowed_errors.append((refused[0]["id"], 200))
        tour.step("unknown contract", req_id=refused[0]["id"], code=200)

    async def qualify(self, contract):
        """ib_async takes a contract for a subscription only once its conId is known."""
        tour = self.tour
        tour.begin("qualify a contract")
        await self.bounded(self.ib.qualifyContractsAsync(contract), f"the conId of {contract.symbol}")
        tour.check(contract.conId > 0, f"{contract.symbol} could not be qualified")

    async def stream(self):
        tour = self.tour
        await self.qualify(self.stock)
        tour.begin("market data stream")
        contract = self.stock
        ticker = self.ib.reqMktData(contract, "", False, False)

        def image():
            return ticker.bid > 0 and ticker.ask > 0 and ticker.last > 0

        await self.wait(image, f"bid, ask and last of {contract.symbol}")
        count = len(ticker.ticks)
        updates = []
        ticker.updateEvent += lambda t: updates.append(1)
        await self.wait(lambda: len(updates) >= 3, f"three more updates of {contract.symbol}")
        # Bid and ask are told one after the other, so they may be crossed for a moment, but not by much.
        tour.check(ticker.bid <= ticker.ask * 1.01, f"bid {ticker.bid} above ask {ticker.ask}")
        self.ib.cancelMktData(contract)
        await asyncio.sleep(0.3)
        updates.clear()
        await asyncio.sleep(0.7)
        tour.step(
            "market data stream",
            symbol=contract.symbol,
            bid_ask_last=True,
            volatile={"bid": ticker.bid, "ask": ticker.ask, "first_ticks": count, "late": len(updates)},
        )

    async def snapshot(self):
        tour = self.tour
        euro = self.lib.Forex("EURUSD")
        await self.qualify(euro)
        tour.begin("market data snapshot")
        tickers = await self.bounded(self.ib.reqTickersAsync(euro), "the snapshot of EUR.USD and its end")
        ticker = tickers[0]
        tour.check(ticker.bid > 0 and ticker.ask > 0, f"a snapshot without prices: {ticker.bid} {ticker.ask}")
        tour.check(0.2 < ticker.bid < 5, f"the price {ticker.bid} is not one of EUR.USD")
        tour.step("market data snapshot", symbol="EUR.USD", bid_ask=True)

    async def history(self):
        tour = self.tour
        tour.begin("historical bars")
        bars = await self.bounded(
            self.ib.reqHistoricalDataAsync(
                self.stock, shared.HISTORY_END, "1 D", "30 mins", "TRADES", useRTH=True, formatDate=1
            ),
            "historical bars with their end",
        )
        tour.check(len(bars) > 0, "no historical bars")
        dates = [bar.date for bar in bars]
        tour.check(dates == sorted(set(dates)), "historical bars are not in order, or double")
        tour.check(all(b.low <= b.open <= b.high and b.low <= b.close <= b.high for b in bars), "a bar out of range")
        tour.step("historical bars", bars=[[str(b.date), b.open, b.high, b.low, b.close] for b in bars])

    def skip_ids(self):
        """From here on the library counts from the id that the command line asks for."""
        if self.args.start_order_id:
            self.ranges.append(range(self.first_id, self.ib.client.getReqId()))
            self.ib.client.updateReqId(self.args.start_order_id)
            self.first_id = self.args.start_order_id

    def used(self, number):
        return any(number in ids for ids in self.ranges)

    def statuses(self, order_id):
        return [status for (number, status, _) in self.tap.statuses if number == order_id]

    def echoes(self, order_id):
        return [o for o in self.tap.open_orders if o[0] == order_id and o[4] == self.args.client_id]

    async def place_resting(self):
        """A limit order far from the market: it rests."""
        tour, lib = self.tour, self.lib
        tour.begin("place a resting order")
        quantity = self.args.quantity
        order = lib.LimitOrder(
            "BUY",
            quantity,
            shared.RESTING_PRICE,
            tif="DAY",
            orderRef=tour.order_ref,
            account=self.ib.managedAccounts()[0],
        )
        trade = self.ib.placeOrder(self.stock, order)
        order_id = trade.order.orderId
        self.own_orders[order_id] = quantity
        await self.wait(
            lambda: self.echoes(order_id) and any(s in RESTING for s in self.statuses(order_id)),
            f"order {order_id} to rest",
        )
        echo = self.echoes(order_id)[-1]
        tour.check(echo[3] == tour.order_ref, f"order {order_id} came back with orderRef {echo[3]!r}")
        tour.check(same_quantity(echo[1], quantity), f"order {order_id} came back with quantity {echo[1]}")
        tour.check(same_quantity(echo[2], shared.RESTING_PRICE), f"order {order_id} came back with price {echo[2]}")
        tour.check(trade.order.permId > 0, "the order has no permId")
        tour.check(not trade.isDone(), f"the resting order reads as {trade.orderStatus.status}")
        tour.step("place a resting order", order_id=order_id, client_id=trade.order.clientId, status="resting")
        return trade

    async def open_orders(self, trade):
        tour = self.tour
        tour.begin("open orders")
        order_id = trade.order.orderId
        found = await self.bounded(self.ib.reqOpenOrdersAsync(), "the open orders with their end")
        ids = sorted({t.order.orderId for t in found})
        tour.check(ids == [order_id], f"open orders are {ids}, expected only {order_id}")
        tour.check(
            all(t.order.clientId == self.args.client_id for t in found),
            f"open orders of other clients: {[t.order.clientId for t in found]}",
        )
        tour.step("open orders", order_id=order_id, rows=len(ids))

    async def all_open_orders(self, trade):
        tour = self.tour
        tour.begin("all open orders")
        found = await self.bounded(self.ib.reqAllOpenOrdersAsync(), "all open orders with their end")
        mine = [t.order.orderId for t in found if t.order.clientId == self.args.client_id]
        tour.check(set(mine) == {trade.order.orderId}, f"own orders among all open ones: {mine}")
        foreign = [t.order.clientId for t in found if t.order.clientId != self.args.client_id]
        tour.step("all open orders", order_id=trade.order.orderId, volatile={"others": sorted(foreign)})
        self.foreign_shown = self.foreign_orders()

    async def modify(self, trade):
        tour = self.tour
        tour.begin("modify the resting order")
        order_id = trade.order.orderId
        seen = len(self.echoes(order_id))
        trade.order.lmtPrice = shared.MODIFIED_PRICE
        again = self.ib.placeOrder(self.stock, trade.order)
        tour.check(again is trade, "the library took the modify for a new order")
        await self.wait(
            lambda: any(same_quantity(e[2], shared.MODIFIED_PRICE) for e in self.echoes(order_id)[seen:]),
            f"order {order_id} to come back with price {shared.MODIFIED_PRICE}",
        )
        tour.check(not trade.isDone(), f"the modified order reads as {trade.orderStatus.status}")
        tour.step("modify the resting order", order_id=order_id, price=shared.MODIFIED_PRICE)

    async def cancel(self, trade):
        tour = self.tour
        tour.begin("cancel the resting order")
        order_id = trade.order.orderId
        self.ib.cancelOrder(trade.order)
        await self.wait(
            lambda: trade.orderStatus.status == "Cancelled" and tour.errors(order_id, 202),
            f"order {order_id} to be cancelled, with 202",
        )
        tour.check("Cancelled" in self.statuses(order_id), "no order status said Cancelled")
        tour.check(same_quantity(trade.filled(), 0), "the cancelled order has fills")
        tour.step("cancel the resting order", order_id=order_id, status="Cancelled", code=202)

    async def market_order(self):
        tour, lib = self.tour, self.lib
        tour.begin("market order")
        quantity = self.args.quantity
        order = lib.MarketOrder(
            "BUY", quantity, tif="DAY", orderRef=tour.order_ref, account=self.ib.managedAccounts()[0]
        )
        trade = self.ib.placeOrder(self.stock, order)
        order_id = trade.order.orderId
        self.own_orders[order_id] = quantity
        await self.wait(lambda: trade.orderStatus.status == "Filled", f"order {order_id} to fill")
        await self.wait(lambda: same_quantity(trade.filled(), quantity), f"executions over {quantity}")
        await self.wait(
            lambda: all(f.commissionReport.execId == f.execution.execId for f in trade.fills),
            f"the commission of every execution of order {order_id}",
        )
        tour.check(same_quantity(trade.remaining(), 0), f"{trade.remaining()} remain of a filled order")
        for fill in trade.fills:
            execution = fill.execution
            tour.check(execution.clientId == self.args.client_id, f"a fill of client {execution.clientId}")
            tour.check(execution.orderId == order_id, f"a fill of order {execution.orderId}")
            tour.check(execution.orderRef == tour.order_ref, f"a fill with orderRef {execution.orderRef!r}")
            tour.check(execution.acctNumber in self.ib.managedAccounts(), f"a fill of {execution.acctNumber}")
            tour.check(execution.price > 0 and fill.commissionReport.commission > 0, "a fill without price or fee")
        tour.step(
            "market order",
            order_id=order_id,
            client_id=self.args.client_id,
            status="Filled",
            filled=float(trade.filled()),
            side=trade.fills[0].execution.side,
            fee_currency=trade.fills[0].commissionReport.currency,
            volatile={"fills": len(trade.fills), "price": trade.orderStatus.avgFillPrice},
        )
        return trade

    async def executions(self, trade):
        tour, lib = self.tour, self.lib
        tour.begin("executions of this client")
        fills = await self.bounded(
            self.ib.reqExecutionsAsync(lib.ExecutionFilter(clientId=self.args.client_id)), "own executions with their end"
        )
        odd = [(f.execution.clientId, f.execution.orderId) for f in fills if f.execution.clientId != self.args.client_id]
        tour.check(not odd, f"asked for own executions, got those of {odd}")
        own = [f for f in fills if f.execution.orderId == trade.order.orderId]
        total = sum(float(f.execution.shares) for f in own)
        tour.check(same_quantity(total, self.args.quantity), f"own executions sum up to {total}")
        tour.step("executions of this client", order_id=trade.order.orderId, shares=total)
        tour.begin("executions of everybody")
        fills = await self.bounded(self.ib.reqExecutionsAsync(), "all executions with their end")
        own = [f for f in fills if (f.execution.clientId, f.execution.orderId) == (self.args.client_id, trade.order.orderId)]
        total = sum(float(f.execution.shares) for f in own)
        tour.check(same_quantity(total, self.args.quantity), f"own executions among all sum up to {total}")
        tour.check(all(f.execution.orderRef == tour.order_ref for f in own), "an own execution with another orderRef")
        others = sorted({f.execution.clientId for f in fills} - {self.args.client_id})
        tour.step("executions of everybody", order_id=trade.order.orderId, shares=total, volatile={"others": others})

    async def completed(self):
        tour = self.tour
        tour.begin("completed orders")
        trades = await self.bounded(self.ib.reqCompletedOrdersAsync(False), "the completed orders with their end")
        own = sorted(t.orderStatus.status for t in trades if t.order.orderRef == tour.order_ref)
        tour.check(own == ["Cancelled", "Filled"], f"own completed orders are {own}")
        others = sum(1 for t in trades if t.order.orderRef != tour.order_ref)
        tour.step("completed orders", own=own, volatile={"others": others})

    async def clock_and_ids(self):
        tour = self.tour
        tour.begin("current time")
        now = await self.bounded(self.ib.reqCurrentTimeAsync(), "the current time")
        tour.check(now.year >= 2020, f"the clock says {now}")
        tour.step("current time", answered=True, volatile={"time": str(now)})
        tour.begin("next valid id")
        seen = len(self.tap.next_ids)
        self.ib.client.reqIds(1)
        await self.wait(lambda: len(self.tap.next_ids) > seen, "the answer to reqIds")
        value = self.tap.next_ids[-1]
        first = tour.transcript["next_valid_id"]
        tour.check(value >= first, f"the next id went back from {first} to {value}")
        tour.step("next valid id", volatile={"value": value})

    def strangers(self):
        """Holds every raw message against the ids that this client has used."""
        tour, me = self.tour, self.args.client_id
        self.ranges.append(range(self.first_id, self.ib.client.getReqId()))
        for request_id, numbers in sorted(self.tap.request_ids.items()):
            if not self.used(request_id):
                tour.stranger("request id", req_id=request_id, messages=sorted(numbers))
        for order_id, _, _, reference, client in self.tap.open_orders:
            if client == me and (order_id not in self.own_orders or reference != tour.order_ref):
                tour.stranger("open order", order_id=order_id, order_ref=reference)
        for order_id, status, client in self.tap.statuses:
            if client == me and order_id not in self.own_orders:
                tour.stranger("order status", order_id=order_id, status=status)
        executed = {e[2] for e in self.tap.executions}
        for request_id, order_id, _, _, client, reference in self.tap.executions:
            live = request_id == -1
            if live and client != me or client == me and (order_id not in self.own_orders or reference != tour.order_ref):
                tour.stranger("execution", req_id=request_id, order_id=order_id, client=client)
            if not live and not self.used(request_id):
                tour.stranger("execution", req_id=request_id, order_id=order_id, client=client)
        for execution_id in self.tap.commissions:
            if execution_id not in executed:
                tour.stranger("commission", execution=execution_id)
        for request_id, code in self.tap.errors:
            if request_id != -1 and not self.used(request_id):
                tour.stranger("error", req_id=request_id, code=code)

    def foreign_orders(self):
        """How many messages about orders of other clients came. Only the answer about all open orders may bring any."""
        me = self.args.client_id
        return len([o for o in self.tap.open_orders if o[4] != me]) + len([s for s in self.tap.statuses if s[2] != me])

    async def leave(self, complete=True):
        tour = self.tour
        tour.begin("disconnect")
        self.strangers()
        late = self.foreign_orders() - self.foreign_shown
        if late:
            tour.stranger("orders of other clients that were not asked for", count=late)
        tour.check(not self.complaints.found, "the library complained")
        if complete:
            tour.only_harmless_errors(self.allowed_errors)
        self.leaving = True
        self.ib.disconnect()
        await asyncio.sleep(0.05)
        tour.step("disconnect")

    # Tours

    async def full(self):
        await self.connect()
        await self.tour.meet_async("connected")
        await self.account()
        await self.contracts()
        await self.stream()
        await self.snapshot()
        await self.history()
        await self.tour.meet_async("trading")
        self.skip_ids()
        trade = await self.place_resting()
        await self.open_orders(trade)
        await self.modify(trade)
        foreign = self.foreign_orders()
        if foreign:
            self.tour.stranger("orders of other clients before all open orders were asked for", count=foreign)
        await self.all_open_orders(trade)
        await self.cancel(trade)
        filled = await self.market_order()
        await self.executions(filled)
        await self.completed()
        await self.clock_and_ids()
        await self.tour.meet_async("leaving")
        await self.leave()

    async def only_connect(self):
        await self.connect()
        await self.tour.meet_async("connected")
        await self.leave()

    async def only_stream(self):
        await self.connect()
        await self.tour.meet_async("connected")
        await self.stream()
        await self.leave()

    async def place_and_rest(self):
        await self.connect()
        await self.place_resting()
        await self.leave()

    async def place_and_exit(self):
        """The order is written and the socket closed at once: what a script does that trades and ends."""
        await self.connect()
        self.tour.begin("place and exit")
        order = self.lib.LimitOrder(
            "BUY", self.args.quantity, shared.RESTING_PRICE, tif="DAY", orderRef=self.tour.order_ref
        )
        trade = self.ib.placeOrder(self.stock, order)
        self.leaving = True
        self.ib.disconnect()
        await asyncio.sleep(0.05)
        self.tour.step("place and exit", order_id=trade.order.orderId)

    async def come_back(self):
        """Finds the order that an earlier tour under this client id left behind, and cancels it."""
        await self.connect()
        self.tour.begin("come back")
        trades = self.ib.openTrades()
        own = [t for t in trades if t.order.clientId == self.args.client_id]
        references = [t.order.orderRef for t in own]
        self.tour.check(references == [self.tour.order_ref], f"the open orders found have the references {references}")
        order = own[0].order
        self.tour.check(same_quantity(order.totalQuantity, self.args.quantity), f"its quantity is {order.totalQuantity}")
        self.own_orders[order.orderId] = self.args.quantity
        self.tour.check(order.orderId < self.first_id, f"order {order.orderId} is not below nextValidId {self.first_id}")
        self.ranges.append(range(order.orderId, order.orderId + 1))
        self.tour.step("come back", order_id=order.orderId, rows=len(own))
        await self.cancel(own[0])
        await self.leave()

    async def hang(self):
        await self.connect()
        await self.qualify(self.stock)
        self.tour.begin("hang")
        ticker = self.ib.reqMktData(self.stock, "", False, False)
        await self.wait(lambda: ticker.bid > 0, "a bid")
        self.tour.step("hang")
        self.tour.hang()
        while True:
            await asyncio.sleep(3600)

    async def rejected(self):
        """Orders and cancels that are refused, and what the library makes of each."""
        tour, lib = self.tour, self.lib
        await self.connect()
        tour.begin("order for an unknown contract")
        order = lib.LimitOrder("BUY", self.args.quantity, 1.0, tif="DAY", orderRef=tour.order_ref)
        trade = self.ib.placeOrder(lib.Stock(shared.UNKNOWN_SYMBOL, "SMART", "USD"), order)
        order_id = trade.order.orderId
        self.own_orders[order_id] = self.args.quantity
        await self.wait(lambda: tour.errors(order_id), f"the refusal of order {order_id}")
        codes = [e["code"] for e in tour.errors(order_id)]
        tour.check(trade.isDone(), f"the refused order reads as {trade.orderStatus.status} after {codes}")
        tour.step("order for an unknown contract", order_id=order_id, codes=codes, status=trade.orderStatus.status)

        resting = await self.place_resting()
        tour.begin("refused modify")
        order_id = resting.order.orderId
        resting.order.orderType = "NONSENSE"
        self.ib.placeOrder(self.stock, resting.order)
        resting.order.orderType = "LMT"
        await self.wait(lambda: tour.errors(order_id), f"the refusal of the modify of order {order_id}")
        codes = [e["code"] for e in tour.errors(order_id)]
        # ib_insync takes 321 for the end of the order and ib_async does not, whatever lies between them and the Gateway.
        tour.step("refused modify", order_id=order_id, codes=codes, done=resting.isDone())
        await self.cancel(resting)

        tour.begin("cancel of an unknown order")
        unknown = lib.LimitOrder("BUY", 1, 1.0)
        unknown.orderId = self.ib.client.getReqId()
        unknown.clientId = self.args.client_id
        self.ib.cancelOrder(unknown)
        await self.wait(lambda: tour.errors(unknown.orderId), "the refusal of the cancel")
        codes = [e["code"] for e in tour.errors(unknown.orderId)]
        tour.check(codes == [10147], f"the cancel of an unknown order drew {codes}")
        tour.step("cancel of an unknown order", order_id=unknown.orderId, codes=codes)
        await self.leave(complete=False)

    async def outage(self):
        """The Gateway goes away while an order rests. A modify and a cancel are then refused, and the library must go
        on to hold the order for a live one."""
        tour = self.tour
        await self.connect()
        trade = await self.place_resting()
        order_id = trade.order.orderId
        await tour.meet_async("resting")
        tour.begin("outage")
        await self.wait(lambda: tour.errors(-1, 1100), "1100", 60)
        trade.order.lmtPrice = shared.MODIFIED_PRICE
        self.ib.placeOrder(self.stock, trade.order)
        await self.wait(lambda: tour.errors(order_id), "the refusal of the modify")
        tour.step(
            "modify while the Gateway is away",
            order_id=order_id,
            codes=[e["code"] for e in tour.errors(order_id)],
            done=trade.isDone(),
            volatile={"status": trade.orderStatus.status},
        )
        tour.check(not trade.isDone(), f"after the refused modify the order reads as {trade.orderStatus.status}")
        seen = len(tour.errors(order_id))
        self.ib.cancelOrder(trade.order)
        await self.wait(lambda: len(tour.errors(order_id)) > seen, "the refusal of the cancel")
        tour.step(
            "cancel while the Gateway is away",
            order_id=order_id,
            codes=[e["code"] for e in tour.errors(order_id)[seen:]],
            done=trade.isDone(),
            volatile={"status": trade.orderStatus.status},
        )
        tour.check(not trade.isDone(), f"after the refused cancel the order reads as {trade.orderStatus.status}")
        await self.leave(complete=False)

    def stays_open(self, trade, after):
        self.tour.check(not trade.isDone(), f"after {after} the order reads as {trade.orderStatus.status}")

    async def link_is_back(self, seen):
        """Waits for the end of an outage: 1101 or 1102, one more than those seen before."""
        await self.wait(lambda: self.times_back() > seen, "1101 or 1102", 60)

    def times_back(self):
        return len(self.tour.errors(-1, 1101)) + len(self.tour.errors(-1, 1102))

    async def place_into_a_cut(self, place):
        """An order whose connection to the Gateway is cut right after it was sent. What became of it is unknown then, to
        twsmux as well, and the library must not take it for dead."""
        tour = self.tour
        await tour.meet_async(f"{place}: the cut is planned")
        tour.begin(f"an order into a cut, {place}")
        order = self.lib.LimitOrder(
            "BUY",
            self.args.quantity,
            shared.RESTING_PRICE,
            tif="DAY",
            orderRef=tour.order_ref,
            account=self.ib.managedAccounts()[0],
        )
        trade = self.ib.placeOrder(self.stock, order)
        order_id = trade.order.orderId
        self.own_orders[order_id] = self.args.quantity
        await self.wait(lambda: tour.errors(order_id), f"word that the fate of order {order_id} is unknown")
        codes = [e["code"] for e in tour.errors(order_id)]
        tour.check(codes == [399], f"an order of unknown fate drew {codes}")
        self.stays_open(trade, "399")
        tour.step(f"an order into a cut, {place}", order_id=order_id, codes=codes, done=trade.isDone())
        back = self.times_back()
        await tour.meet_async(f"{place}: told")
        await self.link_is_back(back)
        return trade

    async def watch(self):
        """Quotes and bars that are kept up to date. Returns what waits until both go on, without any doing of the
        program."""
        await self.qualify(self.stock)
        ticker = self.ib.reqMktData(self.stock, "", False, False)
        bars = await self.bounded(
            self.ib.reqHistoricalDataAsync(
                self.stock, "", "1 D", "5 mins", "TRADES", useRTH=False, formatDate=1, keepUpToDate=True
            ),
            "bars with their end",
        )
        quotes, updates = [], []
        ticker.updateEvent += lambda t: quotes.append(1)
        bars.updateEvent += lambda b, new: updates.append(1)

        async def goes_on():
            quotes.clear()
            updates.clear()
            await self.wait(lambda: len(quotes) >= 3, "quotes to go on", 60)
            await self.wait(lambda: len(updates) >= 1, "bars to go on", 60)
            dates = [bar.date for bar in bars]
            self.tour.check(dates == sorted(set(dates)), "bars that go on are not in order, or double")
            self.tour.step("what is watched goes on", volatile={"bars": len(bars)})

        return goes_on

    async def unknown_fate(self):
        """A modification that is refused while the Gateway is away, and orders of which nobody knows whether they arrived:
        one that did, one that did not. Each trade stays open until what became of it is known. What is watched goes on
        after each outage."""
        tour = self.tour
        await self.connect()
        goes_on = await self.watch()
        await goes_on()
        resting = await self.place_resting()
        order_id = resting.order.orderId
        await tour.meet_async("the Gateway goes")
        tour.begin("a modify while the Gateway is away")
        await self.wait(lambda: tour.errors(-1, 1100), "1100", 60)
        resting.order.lmtPrice = shared.MODIFIED_PRICE
        self.ib.placeOrder(self.stock, resting.order)
        await self.wait(lambda: tour.errors(order_id), "the refusal of the modify")
        codes = [e["code"] for e in tour.errors(order_id)]
        self.stays_open(resting, f"a modify refused with {codes}")
        tour.step("a modify while the Gateway is away", order_id=order_id, codes=codes, done=resting.isDone())
        back = self.times_back()
        await tour.meet_async("the Gateway comes")
        await self.link_is_back(back)
        await goes_on()
        found = await self.bounded(self.ib.reqOpenOrdersAsync(), "the open orders with their end")
        tour.check([t.order.orderId for t in found] == [order_id], f"open orders are {[t.order.orderId for t in found]}")
        tour.check(resting.orderStatus.status in RESTING, f"the order reads as {resting.orderStatus.status} afterwards")
        price = resting.order.lmtPrice
        tour.check(same_quantity(price, shared.RESTING_PRICE), f"the refused price {price} stands in the order")
        tour.step("the refused modify is resolved", order_id=order_id, price=price, status="resting")

        arrived = await self.place_into_a_cut("it arrived")
        order_id = arrived.order.orderId
        # Nobody asks: the status comes by itself.
        await self.wait(lambda: any(s in RESTING for s in self.statuses(order_id)), f"the status of order {order_id}")
        await self.wait(lambda: arrived.orderStatus.status in RESTING, f"order {order_id} to rest for the library")
        tour.check(arrived.order.permId > 0, "the order has no permId")
        tour.step("an order that arrived is resolved", order_id=order_id, status="resting")

        lost = await self.place_into_a_cut("it is lost")
        await goes_on()
        found = await self.bounded(self.ib.reqOpenOrdersAsync(), "the open orders with their end")
        ids = sorted(t.order.orderId for t in found)
        tour.check(ids == sorted([resting.order.orderId, order_id]), f"open orders are {ids}")
        # That no list has it is no proof; whoever wants to be sure cancels it.
        self.stays_open(lost, "the link came back without it")
        order_id = lost.order.orderId
        self.ib.cancelOrder(lost.order)
        await self.wait(lambda: tour.errors(order_id, 10147), "10147 for an order that never arrived")
        codes = [e["code"] for e in tour.errors(order_id)]
        tour.check(codes == [399, 10147], f"the lost order drew {codes}")
        await self.wait(lost.isDone, "the lost order to be over for the library")
        tour.step("an order that is lost is resolved", order_id=order_id, codes=codes, done=lost.isDone())
        for trade in (resting, arrived):
            await self.cancel(trade)
        await self.leave(complete=False)

    async def run(self):
        started = time.monotonic()
        await {
            "full": self.full,
            "connect": self.only_connect,
            "stream": self.only_stream,
            "place-and-rest": self.place_and_rest,
            "place-and-exit": self.place_and_exit,
            "come-back": self.come_back,
            "hang": self.hang,
            "rejected": self.rejected,
            "outage": self.outage,
            "unknown-fate": self.unknown_fate,
        }[self.args.tour]()
        self.tour.step("end", volatile={"seconds": round(time.monotonic() - started, 2)})


def main(name):
    """Runs the tour that the command line names, with the library of this name."""
    args = arguments(f"Tours of an API server with {name}.")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # ib_insync asks for the loop while it is imported
    lib = importlib.import_module(name)
    tour = Tour(name, lib.__version__, args)
    driver = IbTour(lib, tour)
    failure = None
    try:
        loop.run_until_complete(driver.run())
    except TourFailed as error:
        failure = str(error)
    except Exception as error:
        failure = f"{tour.current}: {error!r}"
    if failure and driver.complaints.found:
        failure += f"; the library complained: {driver.complaints.found[:3]}"
    tour.finish(failure)
