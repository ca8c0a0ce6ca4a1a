//! The steps of the tours, and the tours made of them.
//!
//! Request ids are the library's: it counts them from 1 500 000 000 and tells them for most requests. Order ids count
//! from nextValidId, so that several clients that run at once use the same numbers for different things.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use ibapi::Error;
use ibapi::accounts::types::{AccountGroup, AccountId};
use ibapi::accounts::{AccountSummaryResult, AccountUpdate, PositionUpdate};
use ibapi::client::blocking::{Client, NoticeStream, Subscription};
use ibapi::contracts::Contract;
use ibapi::contracts::tick_types::TickType;
use ibapi::market_data::TradingHours;
use ibapi::market_data::historical::{BarSize, ToDuration, WhatToShow};
use ibapi::market_data::realtime::TickTypes;
use ibapi::orders::{
    Action, CancelOrder, CommissionReport, Execution, ExecutionFilter, Executions, Order, OrderData,
    OrderStatus, OrderStatusKind, OrderUpdate, Orders, PlaceOrder, order_builder,
};
use ibapi::subscriptions::SubscriptionItem;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::complaints;
use crate::tour::{Outcome, Tour, same};

/// 2026-01-05 16:00 in New York: it lies in the past, so that the bars are the same in every run.
const HISTORY_END: i64 = 1_767_646_800;
const FIRST_REQUEST_ID: i32 = 1_500_000_000;
const UNKNOWN_SYMBOL: &str = "NOSUCH";
const RESTING_PRICE: f64 = 1.0;
const MODIFIED_PRICE: f64 = 1.25;
const SUMMARY_TAGS: [&str; 3] = ["BuyingPower", "NetLiquidation", "TotalCashValue"];

/// What the library's stream of order updates has brought.
#[derive(Default)]
struct Updates {
    statuses: Vec<OrderStatus>,
    executions: Vec<Execution>,
    commissions: BTreeMap<String, CommissionReport>,
}

impl Updates {
    fn take(&mut self, item: SubscriptionItem<OrderUpdate>) {
        match item {
            SubscriptionItem::Data(OrderUpdate::OrderStatus(status)) => self.statuses.push(status),
            SubscriptionItem::Data(OrderUpdate::ExecutionData(data)) => self.executions.push(data.execution),
            SubscriptionItem::Data(OrderUpdate::CommissionReport(report)) => {
                self.commissions.insert(report.execution_id.clone(), report);
            }
            SubscriptionItem::Data(OrderUpdate::OpenOrder(_) | OrderUpdate::OrderBound(_)) => {}
            SubscriptionItem::Notice(_) => {}
        }
    }

    fn status(&self, order_id: i32, kind: OrderStatusKind) -> Option<&OrderStatus> {
        self.statuses.iter().find(|s| s.order_id == order_id && s.status == kind)
    }

    fn fills(&self, order_id: i32) -> Vec<&Execution> {
        self.executions.iter().filter(|e| e.order_id == order_id).collect()
    }
}

pub struct Driver<'a> {
    tour: &'a Tour,
    client: Client,
    notices: NoticeStream,
    stream: Subscription<OrderUpdate>,
    updates: Updates,
    accounts: Vec<String>,
    stock: Contract,
    started: Instant,
    next_order: i32,
    own_orders: BTreeSet<i32>,
    last_request: i32,
    allowed_errors: Vec<(i32, i32)>,
    foreign_shown: usize,
}

impl<'a> Driver<'a> {
    pub fn connect(tour: &'a Tour) -> Outcome<Self> {
        let started = Instant::now();
        tour.begin("connect");
        let what = "the library's connect, with nextValidId and managedAccounts";
        tour.await_for(what);
        // A lost connection ends the tour: the library's reconnecting would hide it.
        let builder = Client::builder()
            .address(format!("{}:{}", tour.args.host, tour.args.port))
            .client_id(tour.args.client_id)
            .max_reconnect_attempts(0)
            .one_shot_timeout(tour.args.patience);
        let (sender, receiver) = channel();
        thread::spawn(move || sender.send(builder.connect_with_notice_stream()));
        let connected = receiver.recv_timeout(tour.args.patience);
        tour.tap(|tap| tap.open());
        let (client, notices) = tour.answer(connected.unwrap_or(Err(Error::Timeout)), what)?;
        let stream = tour.answer(client.order_update_stream(), "the stream of order updates")?;
        complaints::forget_early_orders();

        let accounts = client.handshake_managed_accounts().to_vec();
        tour.check(!accounts.is_empty(), || "no managed account came".into())?;
        let first = client.next_order_id();
        tour.set("accounts", json!(accounts));
        tour.set("server_version", json!(client.server_version()));
        tour.set("next_valid_id", json!(first));
        tour.check(client.connection_time().is_some(), || {
            "the server's clock and time zone were not read".into()
        })?;
        tour.step("connect", json!({"accounts": accounts}));
        let start = tour.args.start_order_id;
        Ok(Self {
            stock: Contract::stock(tour.args.symbol.as_str()).build(),
            tour,
            client,
            notices,
            stream,
            updates: Updates::default(),
            accounts,
            started,
            next_order: if start == 0 { first } else { start },
            own_orders: BTreeSet::new(),
            last_request: FIRST_REQUEST_ID - 1,
            allowed_errors: Vec::new(),
            foreign_shown: 0,
        })
    }

    fn patience(&self) -> Duration {
        self.tour.args.patience
    }

    fn me(&self) -> i32 {
        self.tour.args.client_id
    }

    fn quantity(&self) -> f64 {
        self.tour.args.quantity.into()
    }

    /// Notes a request id in use. The library gives them out one after the other.
    fn request(&mut self, id: Option<i32>) -> Outcome<i32> {
        let Some(id) = id else { return self.tour.failed("the library told no request id") };
        self.last_request = self.last_request.max(id);
        Ok(id)
    }

    fn new_order_id(&mut self) -> i32 {
        let id = self.next_order;
        self.next_order += 1;
        self.own_orders.insert(id);
        id
    }

    fn order(&self, price: Option<f64>) -> Order {
        let order = match price {
            Some(price) => order_builder::limit_order(Action::Buy, self.quantity(), price),
            None => order_builder::market_order(Action::Buy, self.quantity()),
        };
        Order { order_ref: self.tour.order_ref.clone(), account: self.accounts[0].clone(), ..order }
    }

    // Steps

    fn account(&mut self) -> Outcome {
        let tour = self.tour;
        let patience = self.patience();
        let known = |account: &String| self.accounts.contains(account);

        tour.begin("positions");
        let what = "the positions with their end";
        let positions = tour.answer(self.client.positions(), what)?;
        let mut symbols = Vec::new();
        let mut strange = Vec::new();
        tour.read(positions.timeout_iter(patience), what, |item| match item {
            SubscriptionItem::Data(PositionUpdate::Position(position)) => {
                symbols.push(position.contract.symbol.to_string());
                strange.extend(Some(position.account).filter(|account| !known(account)));
                false
            }
            SubscriptionItem::Data(PositionUpdate::PositionEnd) => true,
            SubscriptionItem::Notice(_) => false,
        })?;
        positions.cancel();
        tour.check(strange.is_empty(), || format!("positions of foreign accounts {strange:?}"))?;
        symbols.sort();
        tour.step("positions", json!({"volatile": {"symbols": symbols}}));

        tour.begin("account updates");
        let what = "account updates with their end";
        let account = AccountId(self.accounts[0].clone());
        let values = tour.answer(self.client.account_updates(&account), what)?;
        let mut tags = BTreeSet::new();
        let mut strange = Vec::new();
        tour.read(values.timeout_iter(patience), what, |item| match item {
            SubscriptionItem::Data(AccountUpdate::AccountValue(value)) => {
                tags.insert(value.key);
                strange.extend(value.account.filter(|name| *name != account.0));
                false
            }
            SubscriptionItem::Data(AccountUpdate::End) => true,
            SubscriptionItem::Data(_) | SubscriptionItem::Notice(_) => false,
        })?;
        values.cancel();
        tour.check(!tags.is_empty(), || "no account values".into())?;
        tour.check(strange.is_empty(), || format!("values of foreign accounts {strange:?}"))?;
        tour.step("account updates", json!({"tags": tags}));

        tour.begin("account summary");
        let what = "the account summary with its end";
        let summary =
            tour.answer(self.client.account_summary(&AccountGroup("All".into()), &SUMMARY_TAGS), what)?;
        let mut tags = BTreeSet::new();
        let mut strange = Vec::new();
        tour.read(summary.timeout_iter(patience), what, |item| match item {
            SubscriptionItem::Data(AccountSummaryResult::Summary(row)) => {
                tags.insert(row.tag);
                strange.extend(Some(row.account).filter(|account| !known(account)));
                false
            }
            SubscriptionItem::Data(AccountSummaryResult::End) => true,
            SubscriptionItem::Notice(_) => false,
        })?;
        summary.cancel();
        tour.check(tags.iter().eq(SUMMARY_TAGS.iter()), || format!("the summary has the tags {tags:?}"))?;
        tour.check(strange.is_empty(), || format!("the summary has the foreign accounts {strange:?}"))?;
        let request = self.request(summary.request_id())?;
        tour.step("account summary", json!({"req_id": request, "tags": tags}));
        Ok(())
    }

    fn contracts(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("contract details");
        for contract in [self.stock.clone(), euro()] {
            let what = format!("the contract details of {}", contract.symbol);
            tour.await_for(&what);
            let rows = tour.answer(self.client.contract_details_stream(&contract).subscribe(), &what)?;
            let request = self.request(rows.request_id())?;
            let rows = tour.answer(rows.collect_to_end_within(self.patience()), &what)?;
            let Some(details) = rows.first() else { return tour.failed(format!("{what} are none")) };
            let found = &details.contract;
            let asked = format!("{} {}", contract.symbol, contract.security_type);
            let got = format!("{} {}", found.symbol, found.security_type);
            tour.check(asked == got, || format!("asked for {asked}, got {got}"))?;
            tour.check(found.contract_id > 0, || "a contract without conId".into())?;
            tour.step(
                "contract details",
                json!({
                    "req_id": request,
                    "asked": asked,
                    "con_id": found.contract_id,
                    "local_symbol": found.local_symbol,
                    "long_name": details.long_name,
                    "min_tick": details.min_tick,
                    "rows": rows.len(),
                }),
            );
        }

        tour.begin("unknown contract");
        let what = "the refusal of an unknown contract";
        let unknown = Contract::stock(UNKNOWN_SYMBOL).build();
        let rows = tour.answer(self.client.contract_details_stream(&unknown).subscribe(), what)?;
        let request = self.request(rows.request_id())?;
        let code = tour.refusal(rows.timeout_iter(self.patience()), what)?;
        tour.check(code == 200, || format!("an unknown contract drew {code}"))?;
        self.allowed_errors.push((request, code));
        tour.step("unknown contract", json!({"req_id": request, "code": code}));
        Ok(())
    }

    fn stream(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("market data stream");
        let symbol = self.stock.symbol.to_string();
        let what = format!("bid, ask and last of {symbol}");
        let ticks = tour.answer(self.client.market_data(&self.stock).subscribe(), &what)?;
        let request = self.request(ticks.request_id())?;
        let mut prices = BTreeMap::new();
        let mut first = 0;
        tour.read(ticks.timeout_iter(self.patience()), &what, |item| {
            if let Some((kind, price)) = price_of(item) {
                first += 1;
                prices.insert(kind, price);
            }
            [TickType::Bid, TickType::Ask, TickType::Last]
                .iter()
                .all(|kind| prices.contains_key(&(*kind as i32)))
        })?;
        let mut more = 0;
        tour.read(ticks.timeout_iter(self.patience()), &format!("three more prices of {symbol}"), |item| {
            more += i32::from(price_of(item).is_some());
            more >= 3
        })?;
        ticks.cancel();
        let (bid, ask) = (prices[&(TickType::Bid as i32)], prices[&(TickType::Ask as i32)]);
        tour.check(prices.values().all(|price| *price > 0.0), || format!("odd prices {prices:?}"))?;
        tour.step(
            "market data stream",
            json!({
                "req_id": request,
                "symbol": symbol,
                "bid_ask_last": true,
                "volatile": {"bid": bid, "ask": ask, "first_ticks": first},
            }),
        );
        Ok(())
    }

    fn snapshot(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("market data snapshot");
        let what = "the snapshot of EUR.USD with its end";
        let contract = euro();
        let ticks = tour.answer(self.client.market_data(&contract).snapshot().subscribe(), what)?;
        let request = self.request(ticks.request_id())?;
        let mut prices = BTreeMap::new();
        tour.read(ticks.timeout_iter(self.patience()), what, |item| match item {
            SubscriptionItem::Data(TickTypes::SnapshotEnd) => true,
            item => {
                prices.extend(price_of(item));
                false
            }
        })?;
        let both = [TickType::Bid, TickType::Ask].map(|kind| prices.get(&(kind as i32)).copied());
        let [Some(bid), Some(_)] = both else {
            return tour.failed(format!("a snapshot without bid and ask: {prices:?}"));
        };
        tour.check(0.2 < bid && bid < 5.0, || format!("the price {bid} is not one of EUR.USD"))?;
        tour.step("market data snapshot", json!({"req_id": request, "symbol": "EUR.USD", "bid_ask": true}));
        Ok(())
    }

    /// The library does not tell the id of this request. It lies between those of the requests before and after.
    fn history(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("historical bars");
        let what = "historical bars with their end";
        tour.await_for(what);
        let end = OffsetDateTime::from_unix_timestamp(HISTORY_END).expect("a time within range");
        let asked = self.client.historical_data(&self.stock, BarSize::Min30).what_to_show(WhatToShow::Trades);
        let asked = asked.trading_hours(TradingHours::Regular).ending(end).duration(1.days());
        let bars = tour.answer(asked.fetch(), what)?.bars;
        self.last_request += 1;
        tour.check(!bars.is_empty(), || "no historical bars".into())?;
        tour.check(bars.windows(2).all(|two| two[0].date < two[1].date), || {
            "historical bars are not in order, or double".into()
        })?;
        let sound = |low: f64, price: f64, high: f64| low <= price && price <= high;
        tour.check(
            bars.iter().all(|b| sound(b.low, b.open, b.high) && sound(b.low, b.close, b.high)),
            || "a bar out of range".into(),
        )?;
        let rows: Vec<Value> =
            bars.iter().map(|b| json!([b.date.to_string(), b.open, b.high, b.low, b.close])).collect();
        tour.step("historical bars", json!({"bars": rows}));
        Ok(())
    }

    /// Places an order, or modifies it, and reads its own subscription until it comes back with the price and rests.
    fn send_limit(&mut self, order_id: i32, price: f64, what: &str) -> Outcome<OrderData> {
        let tour = self.tour;
        let order = self.order(Some(price));
        let events = tour.answer(self.client.place_order(order_id, &self.stock, &order), what)?;
        let mut echo = None;
        let mut rests = false;
        tour.read(events.timeout_iter(self.patience()), what, |item| {
            match item {
                SubscriptionItem::Data(PlaceOrder::OpenOrder(data))
                    if data.order.limit_price == Some(price) =>
                {
                    echo = Some(data);
                }
                SubscriptionItem::Data(PlaceOrder::OrderStatus(status)) => {
                    rests = rests || is_resting(&status.status)
                }
                _ => {}
            }
            rests && echo.is_some()
        })?;
        echo.map_or_else(|| tour.failed(format!("no {what}")), Ok)
    }

    /// A limit order far from the market: it rests.
    fn place_resting(&mut self) -> Outcome<i32> {
        let tour = self.tour;
        tour.begin("place a resting order");
        let order_id = self.new_order_id();
        let echo = self.send_limit(order_id, RESTING_PRICE, &format!("order {order_id} to rest"))?;
        let order = &echo.order;
        tour.check(echo.order_id == order_id, || format!("order {order_id} came back as {}", echo.order_id))?;
        tour.check(order.order_ref == tour.order_ref, || {
            format!("order {order_id} came back with orderRef {:?}", order.order_ref)
        })?;
        tour.check(same(order.total_quantity, self.quantity()), || {
            format!("order {order_id} came back with quantity {}", order.total_quantity)
        })?;
        tour.check(order.perm_id > 0, || "the order has no permId".into())?;
        tour.step(
            "place a resting order",
            json!({"order_id": order_id, "client_id": order.client_id, "status": "resting"}),
        );
        Ok(order_id)
    }

    fn modify(&mut self, order_id: i32) -> Outcome {
        self.tour.begin("modify the resting order");
        let what = format!("order {order_id} to come back with price {MODIFIED_PRICE}");
        self.send_limit(order_id, MODIFIED_PRICE, &what)?;
        self.tour.step("modify the resting order", json!({"order_id": order_id, "price": MODIFIED_PRICE}));
        Ok(())
    }

    /// The orders of a list that ends.
    fn list(&self, answer: Result<Subscription<Orders>, Error>, what: &str) -> Outcome<Vec<OrderData>> {
        self.tour.await_for(what);
        let rows = self.tour.answer(answer, what)?.collect_to_end_within(self.patience());
        let orders = self.tour.answer(rows, what)?.into_iter().filter_map(|row| match row {
            Orders::OrderData(data) => Some(data),
            Orders::OrderStatus(_) => None,
        });
        Ok(orders.collect())
    }

    fn open_orders(&mut self, order_id: i32) -> Outcome {
        let tour = self.tour;
        tour.begin("open orders");
        let found = self.list(self.client.open_orders(), "the open orders with their end")?;
        let ids: BTreeSet<i32> = found.iter().map(|data| data.order_id).collect();
        let clients: BTreeSet<i32> = found.iter().map(|data| data.order.client_id).collect();
        tour.check(ids.iter().eq([&order_id]), || {
            format!("open orders are {ids:?}, expected only {order_id}")
        })?;
        tour.check(clients.iter().eq([&self.me()]), || format!("open orders of clients {clients:?}"))?;
        tour.step("open orders", json!({"order_id": order_id, "rows": ids.len()}));
        Ok(())
    }

    fn all_open_orders(&mut self, order_id: i32) -> Outcome {
        let tour = self.tour;
        tour.begin("all open orders");
        let found = self.list(self.client.all_open_orders(), "all open orders with their end")?;
        let (own, foreign): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|data| data.order.client_id == self.me());
        let mine: BTreeSet<i32> = own.iter().map(|data| data.order_id).collect();
        tour.check(mine.iter().eq([&order_id]), || format!("own orders among all open ones: {mine:?}"))?;
        let others: BTreeSet<i32> = foreign.iter().map(|data| data.order.client_id).collect();
        tour.step("all open orders", json!({"order_id": order_id, "volatile": {"others": others}}));
        self.foreign_shown = self.foreign_orders();
        Ok(())
    }

    fn send_cancel(&self, order_id: i32, what: &str) -> Outcome<Subscription<CancelOrder>> {
        self.tour.answer(self.client.cancel_order(order_id, ""), what)
    }

    fn cancel(&mut self, order_id: i32) -> Outcome {
        let tour = self.tour;
        tour.begin("cancel the resting order");
        let what = format!("order {order_id} to be cancelled, with 202");
        let answers = self.send_cancel(order_id, &what)?;
        let (mut cancelled, mut confirmed) = (false, false);
        tour.read(answers.timeout_iter(self.patience()), &what, |item| {
            match item {
                SubscriptionItem::Data(CancelOrder::OrderStatus(status)) => {
                    cancelled = cancelled || status.status == OrderStatusKind::Cancelled;
                }
                SubscriptionItem::Notice(notice) => confirmed = confirmed || notice.code == 202,
            }
            cancelled && confirmed
        })?;
        let fills =
            tour.tap(|tap| tap.executions.iter().any(|e| e.request_id == -1 && e.order_id == order_id));
        tour.check(!fills, || "the cancelled order has fills".into())?;
        tour.step(
            "cancel the resting order",
            json!({"order_id": order_id, "status": "Cancelled", "code": 202}),
        );
        Ok(())
    }

    /// Sent without a subscription of its own: what becomes of it is told by the stream of all order updates.
    fn market_order(&mut self) -> Outcome<i32> {
        let tour = self.tour;
        tour.begin("market order");
        let quantity = self.quantity();
        let order_id = self.new_order_id();
        let what =
            format!("order {order_id} to fill, with executions over {quantity} and a commission for each");
        tour.answer(self.client.submit_order(order_id, &self.stock, &self.order(None)), &what)?;
        let updates = &mut self.updates;
        tour.read(self.stream.timeout_iter(tour.args.patience), &what, |item| {
            updates.take(item);
            let fills = updates.fills(order_id);
            updates.status(order_id, OrderStatusKind::Filled).is_some()
                && same(fills.iter().map(|e| e.shares).sum(), quantity)
                && fills.iter().all(|e| updates.commissions.contains_key(&e.execution_id))
        })?;

        let fills = self.updates.fills(order_id);
        for e in &fills {
            tour.check(e.client_id == self.me(), || format!("a fill of client {}", e.client_id))?;
            tour.check(e.order_reference == tour.order_ref, || {
                format!("a fill with orderRef {:?}", e.order_reference)
            })?;
            tour.check(self.accounts.contains(&e.account_number), || {
                format!("a fill of {}", e.account_number)
            })?;
            let fee = self.updates.commissions[&e.execution_id].commission;
            tour.check(e.price > 0.0 && fee > 0.0, || "a fill without price or fee".into())?;
        }
        let Some(filled) = self.updates.status(order_id, OrderStatusKind::Filled) else {
            return tour.failed(format!("order {order_id} has no status Filled"));
        };
        tour.check(same(filled.filled, quantity) && same(filled.remaining, 0.0), || {
            format!("filled {}, left {}", filled.filled, filled.remaining)
        })?;
        tour.step(
            "market order",
            json!({
                "order_id": order_id,
                "client_id": self.me(),
                "status": "Filled",
                "filled": quantity,
                "side": fills[0].side.as_str(),
                "fee_currency": self.updates.commissions[&fills[0].execution_id].currency,
                "volatile": {"fills": fills.len(), "price": filled.average_fill_price},
            }),
        );
        Ok(order_id)
    }

    /// The executions that a filter lets through, and the id of the request.
    fn ask_executions(&mut self, filter: ExecutionFilter, what: &str) -> Outcome<(i32, Vec<Execution>)> {
        let tour = self.tour;
        tour.await_for(what);
        let rows = tour.answer(self.client.executions(filter), what)?;
        let request = self.request(rows.request_id())?;
        let rows = tour.answer(rows.collect_to_end_within(self.patience()), what)?;
        let executions = rows.into_iter().filter_map(|row| match row {
            Executions::ExecutionData(data) => Some(data.execution),
            Executions::CommissionReport(_) => None,
        });
        Ok((request, executions.collect()))
    }

    fn executions(&mut self, order_id: i32) -> Outcome {
        let tour = self.tour;
        let me = self.me();
        tour.begin("executions of this client");
        let filter = ExecutionFilter { client_id: Some(me), ..Default::default() };
        let (request, found) = self.ask_executions(filter, "own executions with their end")?;
        let odd: Vec<(i32, i32)> =
            found.iter().filter(|e| e.client_id != me).map(|e| (e.client_id, e.order_id)).collect();
        tour.check(odd.is_empty(), || format!("asked for own executions, got those of {odd:?}"))?;
        let shares: f64 = found.iter().filter(|e| e.order_id == order_id).map(|e| e.shares).sum();
        tour.check(same(shares, self.quantity()), || format!("own executions sum up to {shares}"))?;
        tour.step(
            "executions of this client",
            json!({"req_id": request, "order_id": order_id, "shares": shares}),
        );

        tour.begin("executions of everybody");
        let (request, found) =
            self.ask_executions(ExecutionFilter::default(), "all executions with their end")?;
        let (own, foreign): (Vec<_>, Vec<_>) = found.into_iter().partition(|e| e.client_id == me);
        let own: Vec<_> = own.into_iter().filter(|e| e.order_id == order_id).collect();
        let shares: f64 = own.iter().map(|e| e.shares).sum();
        tour.check(same(shares, self.quantity()), || format!("own executions among all sum up to {shares}"))?;
        tour.check(own.iter().all(|e| e.order_reference == tour.order_ref), || {
            "an own execution with another orderRef".into()
        })?;
        let others: BTreeSet<i32> = foreign.iter().map(|e| e.client_id).collect();
        tour.step(
            "executions of everybody",
            json!({"req_id": request, "order_id": order_id, "shares": shares, "volatile": {"others": others}}),
        );
        Ok(())
    }

    fn completed(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("completed orders");
        let found = self.list(self.client.completed_orders(false), "the completed orders with their end")?;
        let (own, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|data| data.order.order_ref == tour.order_ref);
        let mut own: Vec<String> = own.iter().map(|data| data.order_state.status.to_string()).collect();
        own.sort();
        tour.check(own == ["Cancelled", "Filled"], || format!("own completed orders are {own:?}"))?;
        tour.step("completed orders", json!({"own": own, "volatile": {"others": others.len()}}));
        Ok(())
    }

    fn clock_and_ids(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("current time");
        tour.await_for("the current time");
        let now = tour.answer(self.client.server_time(), "the current time")?;
        tour.check(now.year() >= 2020, || format!("the clock says {now}"))?;
        tour.step("current time", json!({"answered": true, "volatile": {"time": now.unix_timestamp()}}));

        tour.begin("next valid id");
        tour.await_for("the answer to reqIds");
        let value = tour.answer(self.client.next_valid_order_id(), "the answer to reqIds")?;
        let first = tour.get("next_valid_id").as_i64().unwrap_or_default();
        tour.check(i64::from(value) >= first, || format!("the next id went back from {first} to {value}"))?;
        tour.step("next valid id", json!({"volatile": {"value": value}}));
        Ok(())
    }

    // What was not for this client

    /// How many messages about orders of other clients came. Only the answer about all open orders may bring any.
    fn foreign_orders(&self) -> usize {
        let me = self.me();
        self.tour.tap(|tap| {
            tap.open_orders.iter().filter(|o| o.client_id != me).count()
                + tap.statuses.iter().filter(|s| s.client_id != me).count()
        })
    }

    /// Holds every message that came against the ids that this client has used.
    fn strangers(&self) {
        let (me, order_ref) = (self.me(), &self.tour.order_ref);
        let used = FIRST_REQUEST_ID..=self.last_request;
        let own = |order_id: i32| self.own_orders.contains(&order_id);
        let found = self.tour.tap(|tap| {
            let mut found = Vec::new();
            for (id, message) in tap.requests.iter().filter(|(id, _)| !used.contains(id)) {
                found.push(("request id", json!({"req_id": id, "message": message})));
            }
            for o in tap.open_orders.iter().filter(|o| o.client_id == me) {
                if !own(o.order_id) || o.order_ref != *order_ref {
                    found.push(("open order", json!({"order_id": o.order_id, "order_ref": o.order_ref})));
                }
            }
            for s in tap.statuses.iter().filter(|s| s.client_id == me && !own(s.order_id)) {
                found.push(("order status", json!({"order_id": s.order_id, "status": s.status})));
            }
            for e in &tap.executions {
                let live = e.request_id == -1;
                let misdirected = if live { e.client_id != me } else { !used.contains(&e.request_id) };
                let unknown = e.client_id == me && (!own(e.order_id) || e.order_ref != *order_ref);
                if misdirected || unknown {
                    let facts =
                        json!({"req_id": e.request_id, "order_id": e.order_id, "client": e.client_id});
                    found.push(("execution", facts));
                }
            }
            let executed: BTreeSet<&String> = tap.executions.iter().map(|e| &e.exec_id).collect();
            for id in tap.commissions.iter().filter(|id| !executed.contains(id)) {
                found.push(("commission", json!({"execution": id})));
            }
            for e in tap.errors.iter().filter(|e| e.id != -1 && !used.contains(&e.id) && !own(e.id)) {
                found.push(("error", json!({"req_id": e.id, "code": e.code})));
            }
            found
        });
        for (what, facts) in found {
            self.tour.stranger(what, facts);
        }
    }

    fn leave(&mut self, complete: bool) -> Outcome {
        let tour = self.tour;
        tour.begin("disconnect");
        self.strangers();
        let late = self.foreign_orders() - self.foreign_shown;
        if late > 0 {
            tour.stranger("orders of other clients that were not asked for", json!({"count": late}));
        }
        if complete {
            tour.only_harmless_errors(&self.allowed_errors)?;
        }
        let unreadable = tour.tap(|tap| tap.unreadable.clone());
        tour.check(unreadable.is_empty(), || format!("not to be read was {unreadable:?}"))?;
        let complaints = complaints::found();
        tour.check(complaints.is_empty(), || format!("the library complained {complaints:?}"))?;
        tour.check(self.client.is_connected(), || "the connection was closed".into())?;
        self.client.disconnect();
        tour.step("disconnect", json!({}));
        Ok(())
    }

    // Tours

    pub fn run(&mut self) -> Outcome {
        match self.tour.args.tour.as_str() {
            "full" => self.full(),
            "connect" => self.only_connect(),
            "stream" => self.only_stream(),
            "hang" => self.hang(),
            "place-and-rest" => self.place_and_rest(),
            "place-and-exit" => self.place_and_exit(),
            "come-back" => self.come_back(),
            "rejected" => self.rejected(),
            "outage" => self.outage(),
            other => self.tour.failed(format!("there is no tour {other}")),
        }?;
        let seconds = (self.started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        self.tour.step("end", json!({"volatile": {"seconds": seconds}}));
        Ok(())
    }

    fn full(&mut self) -> Outcome {
        self.tour.meet("connected")?;
        self.account()?;
        self.contracts()?;
        self.stream()?;
        self.snapshot()?;
        self.history()?;
        self.tour.meet("trading")?;
        let resting = self.place_resting()?;
        self.open_orders(resting)?;
        self.modify(resting)?;
        let foreign = self.foreign_orders();
        if foreign > 0 {
            let what = "orders of other clients before all open orders were asked for";
            self.tour.stranger(what, json!({"count": foreign}));
        }
        self.all_open_orders(resting)?;
        self.cancel(resting)?;
        let filled = self.market_order()?;
        self.executions(filled)?;
        self.completed()?;
        self.clock_and_ids()?;
        self.tour.meet("leaving")?;
        self.leave(true)
    }

    fn only_connect(&mut self) -> Outcome {
        self.tour.meet("connected")?;
        self.leave(true)
    }

    fn only_stream(&mut self) -> Outcome {
        self.tour.meet("connected")?;
        self.stream()?;
        self.leave(true)
    }

    fn hang(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("hang");
        let ticks = tour.answer(self.client.market_data(&self.stock).subscribe(), "a price")?;
        let request = self.request(ticks.request_id())?;
        tour.read(ticks.timeout_iter(self.patience()), "a price", |item| price_of(item).is_some())?;
        tour.step("hang", json!({"req_id": request}));
        tour.hang()
    }

    fn place_and_rest(&mut self) -> Outcome {
        self.place_resting()?;
        self.leave(true)
    }

    /// The order is written and the socket closed at once: what a script does that trades and ends.
    fn place_and_exit(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("place and exit");
        let order_id = self.new_order_id();
        let order = self.order(Some(RESTING_PRICE));
        tour.answer(self.client.submit_order(order_id, &self.stock, &order), "the order to be written")?;
        self.client.disconnect();
        tour.step("place and exit", json!({"order_id": order_id}));
        Ok(())
    }

    /// Finds the order that an earlier tour under this client id left behind, and cancels it.
    fn come_back(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("come back");
        let found = self.list(self.client.open_orders(), "the open orders with their end")?;
        let found: BTreeMap<i32, Order> = found.into_iter().map(|data| (data.order_id, data.order)).collect();
        let references: Vec<&String> = found.values().map(|order| &order.order_ref).collect();
        tour.check(references == [&tour.order_ref], || {
            format!("the open orders found have the references {references:?}")
        })?;
        for (order_id, order) in &found {
            let quantity = order.total_quantity;
            tour.check(same(quantity, self.quantity()), || format!("its quantity is {quantity}"))?;
            tour.check(*order_id < self.next_order, || {
                format!("order {order_id} is not below nextValidId {}", self.next_order)
            })?;
            self.own_orders.insert(*order_id);
            tour.step("come back", json!({"order_id": order_id, "rows": found.len()}));
            self.cancel(*order_id)?;
        }
        self.leave(true)
    }

    /// Orders and cancels that are refused, and what comes back.
    fn rejected(&mut self) -> Outcome {
        let tour = self.tour;
        let patience = self.patience();
        tour.begin("order for an unknown contract");
        let order_id = self.new_order_id();
        let what = format!("the refusal of order {order_id}");
        let unknown = Contract::stock(UNKNOWN_SYMBOL).build();
        let events =
            tour.answer(self.client.place_order(order_id, &unknown, &self.order(Some(1.0))), &what)?;
        let code = tour.refusal(events.timeout_iter(patience), &what)?;
        tour.step("order for an unknown contract", json!({"order_id": order_id, "codes": [code]}));

        let resting = self.place_resting()?;
        tour.begin("refused modify");
        let what = format!("the refusal of the modify of order {resting}");
        let order = Order { order_type: "NONSENSE".into(), ..self.order(Some(1.0)) };
        let events = tour.answer(self.client.place_order(resting, &self.stock, &order), &what)?;
        let code = tour.refusal(events.timeout_iter(patience), &what)?;
        tour.step("refused modify", json!({"order_id": resting, "codes": [code]}));
        self.cancel(resting)?;

        tour.begin("cancel of an unknown order");
        let unknown = self.new_order_id();
        let what = "the refusal of the cancel";
        let code = tour.refusal(self.send_cancel(unknown, what)?.timeout_iter(patience), what)?;
        tour.check(code == 10147, || format!("the cancel of an unknown order drew {code}"))?;
        tour.step("cancel of an unknown order", json!({"order_id": unknown, "codes": [code]}));
        self.leave(false)
    }

    /// The Gateway goes away while an order rests; a modify and a cancel are then refused.
    fn outage(&mut self) -> Outcome {
        let tour = self.tour;
        let patience = self.patience();
        let order_id = self.place_resting()?;
        tour.meet("resting")?;
        tour.begin("outage");
        tour.wait("1100", Duration::from_secs(60), || {
            tour.check(self.client.is_connected(), || "the connection was closed".into())?;
            Ok(std::iter::from_fn(|| self.notices.try_next()).any(|notice| notice.code == 1100))
        })?;
        let what = "the refusal of the modify";
        let order = self.order(Some(MODIFIED_PRICE));
        let events = tour.answer(self.client.place_order(order_id, &self.stock, &order), what)?;
        let code = tour.refusal(events.timeout_iter(patience), what)?;
        tour.step("modify while the Gateway is away", json!({"order_id": order_id, "codes": [code]}));
        let what = "the refusal of the cancel";
        let code = tour.refusal(self.send_cancel(order_id, what)?.timeout_iter(patience), what)?;
        tour.step("cancel while the Gateway is away", json!({"order_id": order_id, "codes": [code]}));
        self.leave(false)
    }
}

fn euro() -> Contract {
    Contract::forex("EUR", "USD").build()
}

fn is_resting(status: &OrderStatusKind) -> bool {
    matches!(status, OrderStatusKind::Submitted | OrderStatusKind::PreSubmitted)
}

/// Kind and price of a tick that bears a price.
fn price_of(item: SubscriptionItem<TickTypes>) -> Option<(i32, f64)> {
    match item {
        SubscriptionItem::Data(TickTypes::Price(tick)) => Some((tick.tick_type as i32, tick.price)),
        SubscriptionItem::Data(TickTypes::PriceSize(tick)) => Some((tick.price_tick_type as i32, tick.price)),
        _ => None,
    }
}
