//! A tour: one API client asks for everything that there is to ask, and what it is sent is kept step by step.
//!
//! **The clock of the simulated Gateway stands still; the tour moves it.** So nothing comes that was not asked for or let
//! through by a step, and two tours of two Gateways of the same seed see the same numbers and the same times.
//!
//! A step ends when everything is there that it draws: behind every step the client asks for something that nobody else
//! asks for and no cache knows, once in the line of its orders and once beside it.

pub mod compare;
pub mod differences;
pub mod others;

mod accounts;
mod history;
mod market;
mod orders;
mod reference;
mod session;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use differences::Tag;
use twsmux::protocol::layout::Record;
use twsmux::protocol::model::Request;
use twsmux::record;
use twsmux::sim::client::{ApiClient, Received, stock};
use twsmux::sim::{SimConfig, SimHandle};
use twsmux::time::Time;
use twsmux::wire::{frame, handshake::ServerHello};

use crate::support::{self, PATIENCE};

/// The account in which the tour trades, and which others look at.
pub const ACCOUNT: &str = "DU9000001";
/// An account in which nobody trades.
pub const QUIET: &str = "DU9000002";
/// The account in which the others trade.
pub const OTHERS: &str = "DU9000003";

/// Time between two updates of quotes, books and single ticks.
pub const TICK: Duration = Duration::from_millis(250);
/// From a marketable order to its fill.
pub const FILL: Duration = Duration::from_millis(20);
/// From a working order to the repetition of its state.
pub const REPEAT: Duration = Duration::from_millis(50);

/// A simulated Gateway whose clock is moved by the tour.
pub struct Stage {
    /// The Gateway.
    pub sim: SimHandle,
    now: Cell<Time>,
}

impl Stage {
    /// A Gateway at a server version in which nothing has happened yet.
    pub fn new(version: u16) -> Stage {
        let sim = support::sim(|c| {
            *c = SimConfig {
                max_version: version,
                accounts: [ACCOUNT, QUIET, OTHERS].map(String::from).to_vec(),
                tick_interval: TICK,
                fill_delay: FILL,
                // twsmux asks for the clock by its own, which does not stand still.
                clock_gap: Duration::ZERO,
                // Limits of a connection are shared by all who are behind twsmux.
                market_data_lines: 1000,
                depth_lines: 100,
                tick_by_tick_lines: 100,
                scanner_parameters_size: 10_000,
                generated_symbols: 60,
                ..c.clone()
            };
        });
        let stage = Stage { sim, now: Cell::new(Time::ZERO) };
        // Real time never gets that far.
        stage.pass(Duration::from_secs(86_400));
        stage
    }

    /// Moves its clock.
    pub fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
        self.sim.drive(|gateway, _| gateway.advance(self.now.get()));
    }
}

/// Where a tour goes.
pub struct Place<'a> {
    /// The Gateway, or twsmux before it.
    pub address: SocketAddr,
    /// How many connections of this client id have ended there.
    pub ended: &'a dyn Fn(i32) -> usize,
    /// Waits until what the Gateway has said is known there.
    pub settle: &'a dyn Fn(),
    /// Is told of each step.
    pub step: &'a dyn Fn(),
}

/// Who makes the tour.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// Its client id.
    pub client_id: i32,
    /// The server version that it speaks.
    pub version: u16,
    /// That of the Gateway behind twsmux.
    pub gateway: u16,
}

/// What a client was sent in one step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it did.
    pub title: String,
    /// What it was sent.
    pub messages: Vec<Received>,
    /// Whether the order of messages that have nothing to do with each other means something.
    pub ordered: bool,
    /// Whether orders are listed in it, what is known of them included.
    pub is_list: bool,
    /// What must differ in this step.
    pub tags: Vec<Tag>,
}

/// The step that was made last, or none where the version does not have the request.
pub struct Made<'a>(Option<&'a mut Step>);

impl Made<'_> {
    /// Orders are listed in the step.
    fn lists(mut self) -> Self {
        if let Some(step) = &mut self.0 {
            step.is_list = true;
        }
        self
    }

    /// Streams move in no meaningful order in it.
    fn mixed(mut self) -> Self {
        if let Some(step) = &mut self.0 {
            step.ordered = false;
        }
        self
    }

    /// The step must differ.
    pub fn differs(self, tag: Tag) -> Self {
        self.differs_if(true, tag)
    }

    /// Likewise, on a condition.
    pub fn differs_if(mut self, condition: bool, tag: Tag) -> Self {
        if let Some(step) = self.0.as_mut().filter(|_| condition) {
            step.tags.push(tag);
        }
        self
    }
}

/// What came of a tour.
pub struct Seen {
    /// The answer to its first greeting.
    pub hello: ServerHello,
    /// Its steps.
    pub steps: Vec<Step>,
    /// The requests that were sent.
    pub sent: BTreeSet<&'static str>,
}

/// A client on its tour.
pub struct Tour<'a> {
    client: ApiClient,
    hello: ServerHello,
    stage: &'a Stage,
    place: Place<'a>,
    who: Who,
    steps: Vec<Step>,
    sent: BTreeSet<&'static str>,
    next_id: i32,
    next_order: i32,
    fences: i32,
}

/// The whole tour.
pub fn tour(stage: &Stage, place: Place<'_>, who: Who) -> Seen {
    let mut t = Tour::start(stage, place, who);
    t.session();
    t.market();
    t.reference();
    t.history();
    t.accounts();
    t.orders();
    Seen { hello: t.hello, steps: t.steps, sent: t.sent }
}

impl<'a> Tour<'a> {
    fn start(stage: &'a Stage, place: Place<'a>, who: Who) -> Tour<'a> {
        let (client, hello) = connect(place.address, who);
        let (steps, sent) = (Vec::new(), BTreeSet::from(["startApi"]));
        let mut tour = Tour {
            client,
            hello,
            stage,
            place,
            who,
            steps,
            sent,
            // Order ids are low: errors carry either.
            next_id: 1000,
            next_order: 0,
            fences: 0,
        };
        tour.close("start");
        let next =
            tour.steps[0].messages.iter().find(|m| m.name == "nextValidId").expect("the next order id");
        tour.next_order = next.int("orderId") as i32;
        tour
    }

    /// Ends the connection and connects again. `meanwhile`: what happens in between.
    fn start_again(&mut self, title: &str, meanwhile: impl FnOnce(&Stage)) -> Made<'_> {
        let ended = || (self.place.ended)(self.who.client_id);
        let before = ended();
        self.client.stream().shutdown(Shutdown::Both).expect("a socket");
        support::wait_until("the end of the connection", || ended() > before);
        meanwhile(self.stage);
        (self.place.settle)();
        self.client = connect(self.place.address, self.who).0;
        self.close(title)
    }

    /// A request id that was not used before.
    fn id(&mut self) -> i32 {
        self.next_id += 1;
        self.next_id
    }

    /// An order id that was not used before.
    fn order_id(&mut self) -> i32 {
        self.next_order += 1;
        self.next_order - 1
    }

    /// Whether errors have a time.
    fn is_timed(&self) -> bool {
        self.who.version.min(self.who.gateway) >= 194
    }

    /// Whether the version has a request.
    fn has(&self, name: &str) -> bool {
        exists(name, self.who.version)
    }

    /// Waits until everything that was sent before was carried out and its answers are here.
    fn fence(&mut self) {
        self.fences += 1;
        let (id, symbol) = (1_000_000 + 2 * self.fences, format!("FENCE{}", self.fences));
        let c = &mut self.client;
        c.send("reqExecutions", &record! { reqId: id, symbol: &symbol }).expect("a socket");
        let is_end = |m: &Received| m.name == "execDetailsEnd" && m.int("reqId") == i64::from(id);
        c.find("the end of the fence's executions", is_end).expect("a fence");
        let unknown = with(id + 1, stock(&symbol));
        c.send("reqContractDetails", &unknown).expect("a socket");
        c.expect_error((id + 1).into(), 200).expect("a fence");
    }

    /// Ends a step.
    fn close(&mut self, title: &str) -> Made<'_> {
        self.fence();
        let is_fence = |m: &Received| m.int("reqId").max(m.int("id")) >= 1_000_000;
        let messages = self.client.transcript.iter().filter(|m| !is_fence(m)).cloned().collect();
        self.client.transcript.clear();
        (self.place.step)();
        self.steps.push(Step {
            title: title.into(),
            messages,
            ordered: true,
            is_list: false,
            tags: Vec::new(),
        });
        Made(self.steps.last_mut())
    }

    fn send(&mut self, name: &'static str, values: &Record) {
        self.client.send(name, values).expect("a socket");
        self.sent.insert(name);
    }

    /// A step with one request, of whose answer the fence is proof enough.
    fn say(&mut self, title: &str, name: &'static str, values: Record) -> Made<'_> {
        if !self.has(name) {
            return Made(None);
        }
        self.send(name, &values);
        self.close(title)
    }

    /// A step with one request whose answer takes its time: until a message that fits.
    fn ask_until(
        &mut self,
        title: &str,
        name: &'static str,
        values: Record,
        fits: impl Fn(&Received) -> bool,
    ) -> Made<'_> {
        if !self.has(name) {
            return Made(None);
        }
        self.send(name, &values);
        self.client.find(title, fits).unwrap_or_else(|e| panic!("{title}: {e}"));
        self.close(title)
    }

    /// Likewise, until a message of this name.
    fn ask(&mut self, title: &str, name: &'static str, values: Record, end: &str) -> Made<'_> {
        self.ask_until(title, name, values, |m| m.name == end)
    }

    /// Likewise, until an error of this code, whatever its id.
    fn ask_wrongly(&mut self, title: &str, name: &'static str, values: Record, code: i64) -> Made<'_> {
        self.ask_until(title, name, values, |m| m.name == "error" && m.int("errorCode") == code)
    }

    /// A step with several requests at once, and a message of each of these names. Left out where the version lacks one.
    fn burst(&mut self, title: &str, requests: &[(&'static str, Record)], ends: &[&str]) -> Made<'_> {
        if !requests.iter().all(|(name, _)| self.has(name)) {
            return Made(None);
        }
        for (name, values) in requests {
            self.send(name, values);
        }
        for end in ends {
            self.client.expect(end).unwrap_or_else(|e| panic!("{title}: {e}"));
        }
        self.close(title)
    }

    /// A step in which the tour sends bytes: the payload of a frame. It draws an error.
    fn say_raw(&mut self, title: &str, payload: &[u8], codes: &[i64]) -> Made<'_> {
        let mut out = BytesMut::new();
        frame::put_with(&mut out, |out| out.extend_from_slice(payload));
        self.client.send_raw(&out).expect("a socket");
        let fits = |m: &Received| m.name == "error" && codes.contains(&m.int("errorCode"));
        self.client.find(title, fits).unwrap_or_else(|e| panic!("{title}: {e}"));
        self.close(title)
    }

    /// A step in which nothing happens but that time passes. Streams move in no meaningful order.
    fn pass(&mut self, title: &str, time: Duration) -> Made<'_> {
        self.pass_times(title, time, 1)
    }

    /// Likewise, some times.
    fn pass_times(&mut self, title: &str, time: Duration, times: u32) -> Made<'_> {
        for _ in 0..times {
            self.stage.pass(time);
        }
        self.close(title).mixed()
    }

    /// A step in which something happens at the Gateway.
    fn happens(&mut self, title: &str, what: impl FnOnce(&SimHandle)) -> Made<'_> {
        what(&self.stage.sim);
        self.close(title)
    }
}

/// Whether a server version has a request.
pub fn exists(name: &str, version: u16) -> bool {
    let named = |r: &&Request| r.message.name == name;
    let request = twsmux::protocol::requests().iter().find(named);
    request.unwrap_or_else(|| panic!("there is no request {name}")).message.since <= version
}

/// A client that has its first messages, and the answer to its greeting.
fn connect(address: SocketAddr, who: Who) -> (ApiClient, ServerHello) {
    let mut c = ApiClient::dial(address).expect("a connection");
    c.patience = PATIENCE;
    let hello = c.greet(who.version, who.version, "").expect("an answer to the greeting");
    c.start(who.client_id).expect("a socket");
    c.expect("nextValidId").expect("the next order id");
    (c, hello)
}

/// The values of a request with its id.
pub fn with(id: i32, mut values: Record) -> Record {
    values.set("reqId", id);
    values
}

/// Values with more of them, which count where both have one.
pub fn and(mut values: Record, more: &Record) -> Record {
    for (name, value) in more.iter() {
        values.set(name, value);
    }
    for (count, rows) in more.repeats() {
        for row in rows {
            values.push(count, row.clone());
        }
    }
    values
}

/// An option on AAPL.
pub fn option(strike: &str, right: &str) -> Record {
    record! {
        symbol: "AAPL", secType: "OPT", lastTradeDateOrContractMonth: "20261218", strike: strike, right: right,
        multiplier: "100", exchange: "SMART", currency: "USD",
    }
}

/// A future.
pub fn future() -> Record {
    record! {
        symbol: "ES", secType: "FUT", lastTradeDateOrContractMonth: "20261218", exchange: "CME", currency: "USD",
    }
}

/// A pair of currencies.
pub fn currencies() -> Record {
    record! { symbol: "EUR", secType: "CASH", exchange: "IDEALPRO", currency: "USD" }
}

/// A bond, of which there are no quotes.
pub fn bond() -> Record {
    record! { symbol: "US-T", secType: "BOND", exchange: "SMART", currency: "USD" }
}
