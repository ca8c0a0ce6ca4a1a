//! The state machine by itself: equal runs, hostile input, and nothing on the wire that the tables cannot read.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::{
    protocol::{
        self,
        model::{Layout, Node},
    },
    sim::{
        client::{order, put_request, stock},
        config::Drip,
    },
    wire::{
        frame::FrameBuffer,
        handshake::{ClientHello, ServerHello},
        text,
    },
};

/// A gateway with started sessions of some versions.
fn started(config: SimConfig, versions: &[u16]) -> (Gateway, Vec<ConnId>) {
    let mut gateway = Gateway::new(config);
    let conns = versions.iter().enumerate().map(|(client_id, version)| {
        let conn = gateway.accepted(Time::ZERO);
        let mut bytes = BytesMut::new();
        ClientHello { min: *version, max: *version, options: String::new() }.put(&mut bytes);
        put_request("startApi", *version, &record! { clientId: client_id }, &mut bytes);
        gateway.handle(Time::ZERO, conn, Input::Bytes(&bytes));
        conn
    });
    let conns = conns.collect();
    (gateway, conns)
}

fn send(gateway: &mut Gateway, now: Time, conn: ConnId, version: u16, name: &str, values: &Record) {
    let mut bytes = BytesMut::new();
    put_request(name, version, values, &mut bytes);
    gateway.handle(now, conn, Input::Bytes(&bytes));
}

/// A minute of everything that moves.
fn script(seed: u64) -> Vec<(u64, Bytes)> {
    let (mut gateway, conns) = started(SimConfig { seed, ..SimConfig::default() }, &[176, 157]);
    let mut now = Time::ZERO;
    for (n, conn) in conns.iter().enumerate() {
        let version = [176, 157][n];
        let mut quotes = stock("AAPL");
        quotes.set("reqId", 1);
        send(&mut gateway, now, *conn, version, "reqMktData", &quotes);
        quotes.set("reqId", 2).set("tickType", "AllLast");
        send(&mut gateway, now, *conn, version, "reqTickByTickData", &quotes);
        send(&mut gateway, now, *conn, version, "placeOrder", &order(1, "AAPL", "BUY", 10, "MKT", ""));
        send(&mut gateway, now, *conn, version, "placeOrder", &order(2, "MSFT", "BUY", 10, "LMT", "1.0"));
        send(&mut gateway, now, *conn, version, "reqPnL", &record! { reqId: 3, account: "DU9000001" });
    }
    let mut sent = Vec::new();
    while now < Time::ZERO + Duration::from_secs(60) {
        now = gateway.next_deadline().expect("something is always due");
        gateway.advance(now);
        for output in gateway.outputs() {
            if let Output::Send(conn, bytes) = output {
                sent.push((conn.0, bytes));
            }
        }
    }
    sent
}

#[test]
fn the_same_seed_and_the_same_input_give_the_same_bytes() {
    let one = script(1);
    assert!(one.len() > 400);
    assert_eq!(one, script(1));
    assert_ne!(one, script(2));
}

/// What one session with quotes is sent within a second, piece by piece with its time, while `during` may interfere at
/// every step.
fn pieces(config: SimConfig, mut during: impl FnMut(&mut Gateway, Time)) -> Vec<(Time, Bytes)> {
    let (mut gateway, conns) = started(config, &[176]);
    let mut quotes = stock("AAPL");
    quotes.set("reqId", 1);
    send(&mut gateway, Time::ZERO, conns[0], 176, "reqMktData", &quotes);
    let (mut now, mut sent) = (Time::ZERO, Vec::new());
    while now < Time::ZERO + Duration::from_secs(1) {
        during(&mut gateway, now);
        for output in gateway.outputs() {
            if let Output::Send(_, bytes) = output {
                sent.push((now, bytes));
            }
        }
        now = gateway.next_deadline().expect("quotes go on");
        gateway.advance(now);
    }
    sent
}

fn dripping(seed: u64) -> SimConfig {
    let drip = Some(Drip { most: 3, pause: Duration::from_micros(20) });
    SimConfig { seed, drip, ..SimConfig::default() }
}

#[test]
fn drips_are_the_same_bytes_in_small_pieces_with_pauses() {
    let whole = pieces(SimConfig::default(), |_, _| {});
    let dripped = pieces(dripping(1), |_, _| {});
    let joined = |pieces: &[(Time, Bytes)]| pieces.iter().flat_map(|(_, b)| b.to_vec()).collect::<Vec<u8>>();
    assert_eq!(joined(&whole), joined(&dripped));
    for size in 1..=3 {
        assert!(dripped.iter().filter(|(_, piece)| piece.len() == size).count() > 50, "pieces of {size}");
    }
    assert!(dripped.iter().all(|(_, piece)| piece.len() <= 3));
    let pause = Duration::from_micros(20);
    assert!(dripped.windows(2).all(|two| two[1].0.since(two[0].0) >= pause), "a pause between any two");
    assert_eq!(dripped, pieces(dripping(1), |_, _| {}), "the seed says how they are cut");
    let sizes = |pieces: &[(Time, Bytes)]| pieces.iter().map(|(_, b)| b.len()).collect::<Vec<_>>();
    assert_ne!(
        sizes(&dripped)[..50],
        sizes(&pieces(dripping(2), |_, _| {}))[..50],
        "and another one otherwise"
    );
    // It can begin and end in the middle, with nothing lost or moved.
    let third = Time::ZERO + Duration::from_millis(300);
    let two_thirds = Time::ZERO + Duration::from_millis(600);
    let middle = pieces(SimConfig::default(), |g, now| {
        let on = (third..two_thirds).contains(&now);
        if g.config().drip.is_some() != on {
            g.set_drip(now, dripping(1).drip.filter(|_| on));
        }
    });
    assert_eq!(joined(&whole), joined(&middle));
    assert!(middle.len() > whole.len() + 20);
}

#[test]
fn what_is_held_back_leaves_later_in_one_piece_and_in_its_place() {
    let joined = |pieces: &[(Time, Bytes)]| pieces.iter().flat_map(|(_, b)| b.to_vec()).collect::<Vec<u8>>();
    let whole = pieces(SimConfig::default(), |_, _| {});
    let (from, to) = (Time::ZERO + Duration::from_millis(100), Time::ZERO + Duration::from_millis(700));
    for config in [SimConfig::default(), dripping(1)] {
        let held = pieces(config, |g, now| g.hold_back(now, (from..to).contains(&now)));
        assert!(held.iter().all(|(at, _)| !(from..to).contains(at)), "nothing leaves");
        assert_eq!(joined(&whole), joined(&held));
    }
}

#[test]
fn a_connection_that_is_closed_in_order_gets_what_drips_and_one_that_is_reset_does_not() {
    for (how, held, gets) in
        [(Close::Graceful, false, true), (Close::Reset, false, false), (Close::Graceful, true, false)]
    {
        let (mut gateway, conns) = started(dripping(1), &[176]);
        let before: usize = gateway.outputs().iter().map(|o| matches!(o, Output::Send(..)) as usize).sum();
        assert_eq!(before, 1, "the first piece");
        gateway.hold_back(Time::ZERO, held);
        let waits = gateway.unsent();
        assert!(waits > 100);
        assert!(gateway.close_client(Time::ZERO, 0, how));
        let outputs = gateway.outputs();
        let sent: usize = outputs.iter().map(|o| if let Output::Send(_, b) = o { b.len() } else { 0 }).sum();
        assert_eq!(sent, if gets { waits } else { 0 }, "{how:?}, held: {held}");
        assert!(matches!(outputs.last(), Some(Output::Close(conn, _)) if *conn == conns[0]));
        assert_eq!(gateway.unsent(), 0);
    }
}

#[test]
fn a_subscription_does_not_change_because_others_have_one_too() {
    let sent = script(1);
    let of = |conn: u64| sent.iter().filter(|(c, _)| *c == conn).count();
    assert_eq!(of(1), of(2));
}

fn field_names(layout: Layout, names: &mut Vec<&'static str>, counts: &mut Vec<&'static str>) {
    for node in layout {
        match node {
            Node::One(f) => names.push(f.name),
            Node::Group(body) | Node::If { body, .. } => field_names(body, names, counts),
            Node::Repeat { count, .. } | Node::Conditions { count } => counts.push(count.name),
        }
    }
}

const VALUES: [&str; 36] = [
    "",
    "0",
    "1",
    "2",
    "3",
    "7",
    "-1",
    "100.5",
    "250.0",
    "1e308",
    "nan",
    "inf",
    "2147483647",
    "9223372036854775807",
    "1.7976931348623157E308",
    "AAPL",
    "MSFT",
    "STK",
    "OPT",
    "BAG",
    "SMART",
    "ISLAND",
    "USD",
    "265598",
    "MKT",
    "LMT",
    "STP",
    "BUY",
    "SELL",
    "TRADES",
    "1 D",
    "1 min",
    "20261123 10:00:00",
    "BidAsk",
    "All",
    "NetLiquidation",
];

/// A request whose fields hold likely and unlikely values.
fn request(which: usize, picks: &[u16]) -> (&'static str, Record) {
    let decl = &protocol::requests()[which % protocol::requests().len()];
    let (mut names, mut counts) = (Vec::new(), Vec::new());
    field_names(decl.message.text.unwrap_or_default(), &mut names, &mut counts);
    // Half of all requests are sound but for a few fields.
    let mut values =
        if picks[0].is_multiple_of(2) { order(3, "AAPL", "BUY", 1, "MKT", "") } else { Record::new() };
    let spoiled = if picks[0].is_multiple_of(2) { 3 } else { names.len() };
    for (i, name) in names.iter().enumerate() {
        let pick = picks[(i + 1) % picks.len()] as usize + i;
        if spoiled == names.len() || pick % names.len() < spoiled {
            values.set(name, VALUES[pick % VALUES.len()]);
        }
    }
    values.set("version", 1).set("reqId", picks[1] % 5).set("orderId", picks[1] % 9).set("id", picks[2] % 9);
    (decl.message.name, values)
}

/// Requests of one connection in one read.
fn at_once(version: u16, requests: &[(&str, Record)]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for (name, values) in requests {
        put_request(name, version, values, &mut bytes);
    }
    bytes
}

#[test]
fn a_cut_takes_back_what_was_not_handed_out_and_touches_nobody_else() {
    let (mut gateway, conns) = started(SimConfig::default(), &[176, 176]);
    let order = |id| ("placeOrder", order(id, "AAPL", "BUY", 1, "LMT", "1.0"));
    gateway.outputs();
    gateway.cut_at_order(Cut::AfterProcessing, 3);
    // The answer to the first order is an output already when the connection is cut.
    gateway.handle(Time::ZERO, conns[0], Input::Bytes(&at_once(176, &[order(1)])));
    gateway.broadcast_raw(Time::ZERO, b"raw");
    gateway.handle(Time::ZERO, conns[1], Input::Bytes(&at_once(176, &[order(1)])));
    gateway.handle(Time::ZERO, conns[0], Input::Bytes(&at_once(176, &[order(2), order(3)])));
    let outputs = gateway.outputs();
    let sent = |conn| outputs.iter().any(|o| matches!(o, Output::Send(to, _) if *to == conn));
    let closed =
        |conn, how| outputs.iter().any(|o| matches!(o, Output::Close(c, h) if (*c, *h) == (conn, how)));
    assert!(!sent(conns[0]) && closed(conns[0], Close::Reset));
    assert!(sent(conns[1]) && !closed(conns[1], Close::Reset));
    assert_eq!(gateway.book_orders().len(), 3);
    assert_eq!(gateway.stats().open, 1);
}

#[test]
fn a_restart_resets_every_connection_and_frees_a_wedged_listener() {
    let config = SimConfig { strict_startapi: true, ..SimConfig::default() };
    let (mut gateway, conns) = started(config, &[176, 157]);
    let early = gateway.accepted(Time::ZERO);
    let mut bytes = BytesMut::new();
    ClientHello { min: 176, max: 176, options: String::new() }.put(&mut bytes);
    put_request("reqIds", 176, &record! { numIds: 1 }, &mut bytes);
    gateway.handle(Time::ZERO, early, Input::Bytes(&bytes));
    assert!(gateway.is_blocked());
    gateway.outputs();
    gateway.restart(Time::ZERO, &Restart::default());
    assert!(!gateway.is_blocked());
    let outputs = gateway.outputs();
    for conn in [conns[0], conns[1], early] {
        assert!(outputs.iter().any(|o| matches!(o, Output::Close(c, Close::Reset) if *c == conn)));
    }
    assert_eq!(gateway.stats().open, 0);
}

#[test]
fn of_too_many_arrivals_the_oldest_are_dropped_and_counted() {
    let config = SimConfig { messages_per_second: None, ..SimConfig::default() };
    let (mut gateway, conns) = started(config, &[176]);
    gateway.set_mute(true);
    let total = crate::limits::MAX_SIM_ARRIVALS as i32 + 3;
    for chunk in (0..total).collect::<Vec<_>>().chunks(1000) {
        let mut bytes = BytesMut::new();
        for id in chunk {
            put_request("cancelOrder", 176, &record! { orderId: id }, &mut bytes);
        }
        gateway.handle(Time::ZERO, conns[0], Input::Bytes(&bytes));
    }
    let arrivals = gateway.arrivals();
    assert_eq!((arrivals.len(), gateway.stats().arrivals_dropped), (crate::limits::MAX_SIM_ARRIVALS, 3));
    assert_eq!((arrivals[0].order_id, arrivals[arrivals.len() - 1].order_id), (3, total - 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_asked_the_answers_can_be_read(
        version in 100u16..=LATEST,
        requests in proptest::collection::vec(
            (0usize..120, proptest::collection::vec(any::<u16>(), 40), 0u64..2_000_000), 1..60),
    ) {
        let config = SimConfig { messages_per_second: None, max_version: LATEST, ..SimConfig::default() };
        let (mut gateway, conns) = started(config, &[version]);
        let mut now = Time::ZERO;
        let mut buffer = FrameBuffer::default();
        let mut hello = false;
        for (which, picks, pause) in requests {
            let (name, values) = request(which, &picks);
            let known = protocol::requests().iter().find(|r| r.message.name == name).unwrap();
            if known.message.since <= version {
                send(&mut gateway, now, conns[0], version, name, &values);
            }
            now = now + Duration::from_micros(pause);
            gateway.advance(now);
            for output in gateway.outputs() {
                if let Output::Send(_, bytes) = output {
                    buffer.extend(&bytes);
                }
            }
            while let Some(payload) = buffer.next(crate::limits::MAX_FRAME).unwrap() {
                if !std::mem::replace(&mut hello, true) {
                    ServerHello::parse(&payload).unwrap();
                    continue;
                }
                let message = text::message(&payload, version).unwrap();
                let response = dialect(version).response(message.id).expect("a known message");
                prop_assert_eq!(message.form, response.form());
                let read = response.record(&message, Form::Text);
                prop_assert!(read.is_ok(), "{} at {version}: {read:?}", response.message.name);
                prop_assert!(read.unwrap().unknown().is_empty());
            }
        }
    }

    #[test]
    fn no_bytes_harm_it(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..20)) {
        let (mut gateway, _) = started(SimConfig::default(), &[176]);
        let fresh = gateway.accepted(Time::ZERO);
        let good = gateway.accepted(Time::ZERO);
        let mut bytes = BytesMut::new();
        ClientHello { min: 100, max: 176, options: String::new() }.put(&mut bytes);
        gateway.handle(Time::ZERO, good, Input::Bytes(&bytes));
        for chunk in &chunks {
            gateway.handle(Time::ZERO, fresh, Input::Bytes(chunk));
            let mut framed = BytesMut::new();
            crate::wire::frame::put(chunk, &mut framed);
            gateway.handle(Time::ZERO, good, Input::Bytes(&framed));
        }
        prop_assert_eq!(gateway.stats().handshakes_completed, 1);
    }
}
