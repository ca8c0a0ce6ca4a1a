//! The short way of ticks does what the long way does: two worlds in which the same happens, one without it.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use twsmux::core::Limits;
use twsmux::wire::proto;

use crate::support::ease::world;
use crate::support::{Frame, World, record, response_payload};

#[derive(Clone, Debug)]
enum Op {
    /// A client subscribes to a contract, as a snapshot or not; everybody uses the same few ids.
    Ask {
        who: usize,
        id: u8,
        symbol: usize,
        snapshot: bool,
    },
    Cancel {
        who: usize,
        id: u8,
    },
    /// A tick of a request, counted back from the last one that went to the Gateway.
    Tick {
        message: u16,
        request: usize,
        row: u8,
        value: u16,
    },
    /// Ticks that come together: each as above.
    Burst(Vec<(u16, usize, u8, u16)>),
    /// A tick whose numbers are not written as usual: what comes before its request, and its row.
    Odd {
        before: String,
        request: usize,
        row: String,
    },
    /// A terminal error, after which some requests go on.
    Fails {
        request: usize,
    },
    News {
        words: usize,
    },
    Read {
        who: usize,
        bytes: usize,
    },
    Leave {
        who: usize,
    },
    /// The link is lost, and comes back.
    Lose,
}

const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "IBM"];
/// Two like the Gateway, one before it.
const CLIENTS: usize = 3;

/// A message, a request, a row and a value; few rows, so that values replace each other.
fn tick(rows: u8) -> impl Strategy<Value = (u16, usize, u8, u16)> {
    (prop::sample::select(vec![1u16, 2, 45, 46, 58]), 0usize..4, 0..rows, any::<u16>())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..CLIENTS, 1u8..5, 0..SYMBOLS.len(), prop::bool::weighted(0.2))
            .prop_map(|(who, id, symbol, snapshot)| Op::Ask { who, id, symbol, snapshot }),
        1 => (0..CLIENTS, 1u8..5).prop_map(|(who, id)| Op::Cancel { who, id }),
        20 => tick(6).prop_map(|(message, request, row, value)| Op::Tick { message, request, row, value }),
        // Mostly of one request after the other.
        5 => prop::collection::vec((0usize..3, prop::collection::vec(tick(3), 1..50)), 1..4).prop_map(|runs| {
            let of = |(of, run): (usize, Vec<_>)| run.into_iter().map(move |(m, other, row, value)| {
                (m, if value % 20 == 0 { other } else { of }, row, value)
            });
            Op::Burst(runs.into_iter().flat_map(of).collect())
        }),
        3 => ("0{0,2}[26]\0\\+?0{0,1}", 0usize..4, "[-+]?[0-9]{1,10}")
            .prop_map(|(before, request, row)| Op::Odd { before, request, row }),
        1 => (0usize..4).prop_map(|request| Op::Fails { request }),
        1 => (1usize..3000).prop_map(|words| Op::News { words }),
        3 => (0..CLIENTS, 0usize..3000).prop_map(|(who, bytes)| Op::Read { who, bytes }),
        1 => (0..CLIENTS).prop_map(|who| Op::Leave { who }),
        1 => Just(Op::Lose),
    ]
}

/// A tickPrice in protobuf that can be read and is not written as usual.
fn odd_proto(req_id: i64, how: usize) -> Vec<u8> {
    let mut out = BytesMut::from(&201u32.to_be_bytes()[..]);
    let odd_number = |out: &mut BytesMut, number: u8| {
        out.extend_from_slice(&[number << 3]);
        let mut packed = BytesMut::new();
        proto::put_varint(req_id as u64, &mut packed);
        *packed.last_mut().expect("not empty") |= 0x80;
        out.extend_from_slice(&packed);
        out.extend_from_slice(&[0]);
    };
    match how % 6 {
        0 => {
            proto::put_int(2, 3, &mut out);
            proto::put_int(1, req_id, &mut out);
        }
        1 => {
            proto::put_int(1, 5, &mut out);
            proto::put_int(1, req_id, &mut out);
            proto::put_int(2, 3, &mut out);
        }
        2 => proto::put_int(1, req_id, &mut out),
        3 => {
            odd_number(&mut out, 1);
            proto::put_int(2, 3, &mut out);
        }
        4 => {
            proto::put_int(1, req_id, &mut out);
            proto::put_int(2, -1, &mut out);
        }
        _ => {
            proto::put_int(1, req_id, &mut out);
            proto::put_int(2, 2, &mut out);
            proto::put_int(2, 3, &mut out);
        }
    }
    proto::put_double(3, 1.5, &mut out);
    out.to_vec()
}

/// A tick of the Gateway.
fn payload(version: u16, message: u16, up: &str, row: u8, value: u16) -> Bytes {
    let (row, value) = (row.to_string(), value.to_string());
    let all = [
        ("reqId", up),
        ("tickType", &row),
        ("price", &value),
        ("size", "1"),
        ("value", &value),
        ("marketDataType", "1"),
    ];
    response_payload(version, message, &record(&all[..if message == 58 { 1 } else { 5 }]))
}

/// A world with clients that are behind soon, and who they are now.
struct Side {
    w: World,
    clients: Vec<usize>,
    next_client: i32,
    /// The upstream ids of requests, in the order in which they went.
    asked: Vec<String>,
}

impl Side {
    fn new(version: u16, short_way: bool) -> Side {
        let limits = Limits { outbox: 64 << 10, conflate_above: 2000, ..Limits::default() };
        let mut w = world(|c| {
            c.limits = limits;
            c.messages_per_second = None;
            c.max_server_version = version;
        });
        w.short_way = short_way;
        w.link_up(version);
        let mut side = Side { w, clients: Vec::new(), next_client: 1, asked: Vec::new() };
        (0..CLIENTS).for_each(|n| side.join(n));
        side
    }

    fn join(&mut self, place: usize) {
        let version = if place == 2 { 157 } else { self.w.version };
        let who = self.w.starting(100, version);
        self.w.start(who, self.next_client);
        self.next_client += 1;
        self.w.request(who, 12, &[]);
        match place < self.clients.len() {
            true => self.clients[place] = who,
            false => self.clients.push(who),
        }
    }

    /// The upstream id of a request; that of nobody before there is one.
    fn up(&self, request: usize) -> String {
        self.asked.iter().rev().nth(request).cloned().unwrap_or("77".into())
    }

    /// What everybody got by a payload of the Gateway.
    fn hears(&mut self, payload: &[u8]) -> Vec<(usize, Frame)> {
        let told = self.w.gateway_sends(payload).to;
        self.w.check();
        told
    }

    /// What everybody got by it.
    fn act(&mut self, n: usize, op: &Op) -> Vec<(usize, Frame)> {
        // Who did not read for long was closed.
        for place in 0..self.clients.len() {
            if !self.w.peers[self.clients[place]].open {
                self.join(place);
            }
        }
        let up = match op {
            Op::Tick { request, .. } | Op::Odd { request, .. } | Op::Fails { request } => self.up(*request),
            _ => String::new(),
        };
        let w = &mut self.w;
        let outcome = match op {
            Op::Ask { who, id, symbol, snapshot } => {
                let id = id.to_string();
                let values = [
                    ("reqId", &id[..]),
                    ("symbol", SYMBOLS[*symbol]),
                    ("secType", "CASH"),
                    ("exchange", "SMART"),
                    ("snapshot", if *snapshot { "1" } else { "0" }),
                ];
                w.request(self.clients[*who], 1, &values)
            }
            Op::Cancel { who, id } => w.request(self.clients[*who], 2, &[("reqId", &id.to_string())]),
            Op::Tick { message, row, value, .. } => {
                let payload = payload(w.version, *message, &up, *row, *value);
                w.gateway_sends(&payload)
            }
            Op::Burst(ticks) => {
                let payload = |(message, request, row, value): &(u16, usize, u8, u16)| {
                    payload(self.w.version, *message, &self.up(*request), *row, *value)
                };
                let payloads: Vec<Bytes> = ticks.iter().map(payload).collect();
                let payloads: Vec<&[u8]> = payloads.iter().map(|p| &p[..]).collect();
                let mut told = self.w.gateway_sends_all(&payloads).to;
                self.w.check();
                // Who gets several at once gets them before others get theirs.
                told.sort_by_key(|(who, _)| *who);
                return told;
            }
            Op::Odd { before, row, .. } => {
                let body = format!("{before}{up}\0{row}\x001.5\x002\x000\0").into_bytes();
                if w.version >= 206 {
                    return self.hears(&odd_proto(up.parse().expect("a number"), before.len() + row.len()));
                }
                let id: &[u8] = match (w.version < 201, before.len() % 2 == 0) {
                    (true, true) => b"1\0",
                    (true, false) => b"001\0",
                    (false, _) => &[0, 0, 0, 1],
                };
                return self.hears(&[id, &body].concat());
            }
            Op::Fails { .. } => w.say_error(up.parse().expect("a number"), 354, "no"),
            Op::News { words } => {
                let id = (n + 1).to_string();
                w.say(14, &[("msgId", &id), ("message", &"n".repeat(*words))])
            }
            Op::Read { who, bytes } => {
                w.read(self.clients[*who], *bytes);
                Default::default()
            }
            Op::Leave { who } => {
                let outcome = w.gone(self.clients[*who], twsmux::core::io::Gone::Eof);
                self.join(*who);
                outcome
            }
            Op::Lose => {
                let outcome = w.lose();
                w.link_up(w.version);
                outcome
            }
        };
        self.w.gateway_reads(usize::MAX);
        let asked = self.w.up.drain(..).filter(|f| f.id == 1);
        self.asked.extend(asked.map(|f| f.request().get("reqId").unwrap_or_default().to_owned()));
        self.w.check();
        outcome.to
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_short_way_and_the_long_way_lead_to_the_same(
        version in prop::sample::select(vec![176u16, 203, 226]),
        ops in prop::collection::vec(op(), 0..200),
    ) {
        let (mut short, mut long) = (Side::new(version, true), Side::new(version, false));
        for (n, op) in ops.iter().enumerate() {
            let told = short.act(n, op);
            prop_assert_eq!(&told, &long.act(n, op), "what {:?} led to", op);
            let stats = |side: &Side| format!("{:?}", side.w.core.stats);
            prop_assert_eq!(stats(&short), stats(&long), "counters after {:?}", op);
        }
        // Whoever joins now is told how things stand.
        for place in 0..CLIENTS {
            for symbol in 0..SYMBOLS.len() {
                let op = Op::Ask { who: place, id: 10 + symbol as u8, symbol, snapshot: false };
                prop_assert_eq!(short.act(ops.len(), &op), long.act(ops.len(), &op));
            }
        }
        prop_assert_eq!(long.w.short_ways, 0);
    }
}

/// What the comparison above compares is there: ticks go the short way, and stop to when somebody has not read.
#[test]
fn a_tick_goes_the_short_way_until_somebody_is_behind() {
    for version in [176, 203, 226] {
        goes_the_short_way(version);
    }
}

fn goes_the_short_way(version: u16) {
    let mut side = Side::new(version, true);
    side.act(0, &Op::Ask { who: 0, id: 1, symbol: 0, snapshot: false });
    side.act(0, &Op::Ask { who: 1, id: 1, symbol: 0, snapshot: false });
    let tick = Op::Tick { message: 1, request: 0, row: 1, value: 7 };
    assert_eq!(side.act(0, &tick).len(), 2);
    assert_eq!(side.w.short_ways, 1);
    side.act(0, &Op::News { words: 3000 });
    side.act(0, &tick);
    assert_eq!(side.w.short_ways, 1);
    for who in 0..CLIENTS {
        side.act(0, &Op::Read { who, bytes: usize::MAX });
    }
    side.act(0, &tick);
    assert_eq!(side.w.short_ways, 2);
}
