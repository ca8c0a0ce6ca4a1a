//! A core in its steady state, and frames for it: what criterion, the instruction counts and the test that nothing is
//! allocated share.
#![allow(dead_code)] // each of them uses a part

use std::sync::Arc;

use bytes::BytesMut;
use twsmux::core::io::{Action, Actions, Input, Zombies};
use twsmux::core::{Config, Core};
use twsmux::ids::{ClientKey, LinkId};
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout::{Record, put_text};
use twsmux::protocol::meaning::Subject;
use twsmux::protocol::model::Role;
use twsmux::protocol::transcode::Translation;
use twsmux::protocol::{request, response};
use twsmux::record;
use twsmux::time::Time;
use twsmux::wire::handshake::{ClientHello, ServerHello};
use twsmux::wire::{frame, text};

/// Server version of both sides.
pub const VERSION: u16 = 176;

/// The payload of a frame.
pub fn payload(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out[frame::PREFIX..].to_vec()
}

/// A message of the Gateway.
pub fn answer(id: u32, values: &[(&'static str, &str)]) -> Vec<u8> {
    let mut record = Record::new();
    for (name, value) in values {
        record.set(name, value);
    }
    let message = &response(id).expect("a declared message").message;
    payload(|out| put_text(message, VERSION, &record, out))
}

/// A message of a client.
pub fn ask(id: u32, values: &[(&'static str, &str)]) -> Vec<u8> {
    let mut record = Record::new();
    for (name, value) in values {
        record.set(name, value);
    }
    let message = &request(id).expect("a declared message").message;
    payload(|out| put_text(message, VERSION, &record, out))
}

/// A core with a ready upstream and `clients` ready clients, which share the line of one instrument.
pub fn ready_core(clients: u32) -> (Core, Vec<ClientKey>, LinkId) {
    let config = Config { messages_per_second: None, ..Config::default() };
    let (mut core, link) = (Core::new(config), LinkId(1));
    assert!(tell(&mut core, Input::Tick).contains(&Action::Look { link }));
    tell(&mut core, Input::Looked { link, zombies: Some(Zombies::default()) });
    tell(&mut core, Input::UpstreamConnected { link });
    drain(&mut core, &[]); // the greeting, which is no frame
    let hello = ServerHello { version: VERSION, time: "now".into() };
    tell(&mut core, Input::UpstreamHello { link, hello });
    tell(&mut core, Input::UpstreamFrame { link, payload: b"15\x001\0DU1\0" });
    tell(&mut core, Input::UpstreamFrame { link, payload: b"9\x001\x001\0" });
    // What it asks for when its journal is empty: open orders, executions, completed orders, each when the last is there.
    for _ in 0..10 {
        let asked = core.upstream_output().to_vec();
        drain(&mut core, &[]);
        let mut asked = &asked[..];
        while let Ok(Some((payload, rest))) = frame::split(asked, twsmux::limits::MAX_FRAME) {
            asked = rest;
            let Ok(message) = text::message(payload, VERSION) else { continue };
            let end = match message.id {
                16 => b"53\x001\0".to_vec(),
                7 => format!("55\x001\0{}\0", text::int(message.body, 2).expect("a request id")).into_bytes(),
                99 => b"102\0".to_vec(),
                _ => continue,
            };
            tell(&mut core, Input::UpstreamFrame { link, payload: &end });
        }
    }
    assert!(core.ready());
    let keys: Vec<_> = (0..clients).map(|slot| ClientKey { slot, generation: 0 }).collect();
    for client in &keys {
        let client = *client;
        tell(&mut core, Input::ClientConnected { client, peer: "bench".into(), certificate: None });
        let hello = ClientHello { min: 100, max: VERSION, options: String::new() };
        tell(&mut core, Input::ClientHello { client, hello });
        let start = format!("71\x002\0{}\0\0", client.slot + 1);
        tell(&mut core, Input::ClientFrame { client, payload: start.as_bytes() });
        let subscribe = ask(1, &[("reqId", "7"), ("symbol", "AAPL")]);
        tell(&mut core, Input::ClientFrame { client, payload: &subscribe });
    }
    drain(&mut core, &keys);
    (core, keys, link)
}

/// Tells the core something whose consequences are of the disk or the log: the disk is quick.
fn tell(core: &mut Core, input: Input<'_>) -> Vec<Action> {
    let mut actions = Actions::default();
    core.handle(Time::ZERO, input, &mut actions);
    let mut seen = 0;
    let journaled = |list: &[Action]| {
        let seqs = list.iter().filter_map(|action| match action {
            Action::Journal { seq, .. } => Some(*seq),
            _ => None,
        });
        seqs.max()
    };
    while let Some(upto) = journaled(&actions.list[seen..]) {
        seen = actions.list.len();
        core.handle(Time::ZERO, Input::Journaled { upto, sync_us: 1 }, &mut actions);
    }
    actions.list
}

/// All sockets take everything.
pub fn drain(core: &mut Core, keys: &[ClientKey]) {
    for key in keys {
        let n = core.output(*key).len();
        core.consume_output(Time::ZERO, *key, n, &mut Actions::default());
    }
    let n = core.upstream_output().len();
    core.consume_upstream_output(Time::ZERO, n, &mut Actions::default());
}

/// The upstream request id of the first subscription: ids count up from the middle of the range, and twsmux's own question
/// about executions has the first one.
const FIRST_UP: i64 = (1 << 30) + 1;

/// A tick and a stock order, as the Gateway shows them.
pub fn shown() -> [(&'static str, u32, Record); 2] {
    let tick = record! { reqId: FIRST_UP, tickType: 1, price: "227.31", size: "400", attrMask: 1 };
    let order = record! {
        orderId: 7, conId: 265598, symbol: "AAPL", secType: "STK", exchange: "SMART", currency: "USD",
        localSymbol: "AAPL", tradingClass: "NMS", action: "BUY", totalQuantity: 100, orderType: "LMT",
        lmtPrice: "227.31", auxPrice: "0.0", tif: "GTC", account: "DU9000001", orderRef: "strategy-1",
        clientId: 1, permId: 900_000_506, ocaType: 3, trailStopPrice: "228.31", clearingIntent: "IB",
        status: "PreSubmitted", usePriceMgmtAlgo: 1, submitter: "user-1",
    };
    [("tick", 1, tick), ("open order", 5, order)]
}

/// A core that routes a tick to each of its clients.
pub struct Ticking {
    core: Core,
    keys: Vec<ClientKey>,
    link: LinkId,
    /// A frame.
    tick: Vec<u8>,
    actions: Actions,
}

impl Ticking {
    /// So many clients share one line.
    pub fn new(clients: u32) -> Ticking {
        let (core, keys, link) = ready_core(clients);
        let up = FIRST_UP.to_string();
        let tick = answer(1, &[("reqId", &up), ("tickType", "1"), ("price", "227.31"), ("size", "400")]);
        let mut framed = BytesMut::new();
        frame::put(&tick, &mut framed);
        Ticking { core, keys, link, tick: framed.to_vec(), actions: Actions::default() }
    }

    /// One tick comes and is written to everybody.
    pub fn tick(&mut self) {
        let taken = self.core.hear_ticks(Time::ZERO, self.link, &self.tick, &mut self.actions);
        assert_eq!(taken, self.tick.len(), "it goes the short way");
        self.written();
    }

    /// Likewise, the way that all other messages go.
    pub fn tick_the_long_way(&mut self) {
        let input = Input::UpstreamFrame { link: self.link, payload: &self.tick[frame::PREFIX..] };
        self.core.handle(Time::ZERO, input, &mut self.actions);
        self.written();
    }

    fn written(&mut self) {
        assert_eq!(self.actions.dirty.len(), self.keys.len(), "all are told");
        self.actions.dirty.clear();
        for key in &self.keys {
            let n = self.core.output(*key).len();
            self.core.consume_output(Time::ZERO, *key, n, &mut self.actions);
        }
    }
}

/// A client's order on its way to the Gateway.
pub struct Patching {
    dialect: Dialect,
    order: Vec<u8>,
    out: BytesMut,
}

impl Patching {
    /// A limit order for a stock.
    pub fn new() -> Patching {
        let values = [
            ("orderId", "7"),
            ("symbol", "AAPL"),
            ("secType", "STK"),
            ("action", "BUY"),
            ("orderType", "LMT"),
        ];
        Patching {
            dialect: Dialect::new(VERSION),
            order: ask(3, &values),
            out: BytesMut::with_capacity(4096),
        }
    }

    /// Checks it and replaces its ids.
    pub fn patch(&mut self) -> &[u8] {
        let message = text::message(&self.order, VERSION).expect("well formed");
        let shape = self.dialect.request(message.id).expect("placeOrder");
        shape.check(&message).expect("well formed");
        self.out.clear();
        let edits = [(Role::OrderId, 1234), (Role::ParentOrderId, 0)];
        shape.patch(&message, &edits, &mut self.out).expect("patched");
        &self.out
    }
}

/// A message of the Gateway on its way to a client of another version.
pub struct Translating {
    translation: Translation,
    given: BytesMut,
    out: BytesMut,
}

impl Translating {
    /// Message `id` with some values, from one version to another.
    pub fn new(id: u32, values: &Record, from: u16, to: u16) -> Translating {
        let (from, to) = (Arc::new(Dialect::new(from)), Arc::new(Dialect::new(to)));
        let mut given = BytesMut::new();
        from.response(id).expect("a declared message").compose(values, &mut given);
        Translating { translation: Translation::new(from, to), given, out: BytesMut::with_capacity(4096) }
    }

    /// Translates it, its ids replaced.
    pub fn translate(&mut self) -> &[u8] {
        let edits = [(Role::ReqId, 7), (Role::OrderId, 7), (Role::ClientId, 1)];
        let message = text::message(&self.given, self.translation.from().version()).expect("well formed");
        self.out.clear();
        let there = self.translation.response(&message, &edits, &Subject::default(), &mut self.out);
        assert_eq!(there, Ok(true));
        &self.out
    }
}

/// Requests for contract details, each for another contract, and their answers.
pub struct Asking {
    core: Core,
    keys: Vec<ClientKey>,
    link: LinkId,
    actions: Actions,
    n: i64,
}

impl Asking {
    /// One client.
    pub fn new() -> Asking {
        let (core, keys, link) = ready_core(1);
        Asking { core, keys, link, actions: Actions::default(), n: 0 }
    }

    /// A request is sent and answered.
    pub fn round_trip(&mut self) {
        self.n += 1;
        let (req, contract) = ((100 + self.n).to_string(), (5_000_000 + self.n).to_string());
        let wants = ask(9, &[("reqId", &req), ("conId", &contract), ("symbol", "AAPL"), ("secType", "STK")]);
        self.tell(Some(self.keys[0]), &wants);
        let up = (FIRST_UP + self.n).to_string();
        let row = answer(10, &[("reqId", &up), ("conId", &contract), ("symbol", "AAPL"), ("secType", "STK")]);
        self.tell(None, &row);
        self.tell(None, &answer(52, &[("reqId", &up)]));
        assert!(!self.core.output(self.keys[0]).is_empty(), "it is answered");
        drain(&mut self.core, &self.keys);
    }

    fn tell(&mut self, from: Option<ClientKey>, payload: &[u8]) {
        let input = match from {
            Some(client) => Input::ClientFrame { client, payload },
            None => Input::UpstreamFrame { link: self.link, payload },
        };
        self.core.handle(Time::ZERO, input, &mut self.actions);
        self.actions.dirty.clear();
        self.actions.list.clear();
        let n = self.core.upstream_output().len();
        self.core.consume_upstream_output(Time::ZERO, n, &mut self.actions);
    }
}
