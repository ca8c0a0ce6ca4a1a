//! The steps of the tours, and the tours made of them.
//!
//! Request ids are the library's: it counts them from 1 500 000 000 and tells them for most requests. Order ids count
//! from nextValidId, so that several clients that run at once use the same numbers for different things.

mod data;
mod orders;

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
