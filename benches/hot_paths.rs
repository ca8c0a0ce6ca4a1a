//! Wall time of what happens per frame. `cargo bench`. Compare runs of one session only.

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;

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

const VERSION: u16 = 176;

fn payload(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out[frame::PREFIX..].to_vec()
}

fn answer(id: u32, values: &[(&'static str, &str)]) -> Vec<u8> {
    let mut record = Record::new();
    for (name, value) in values {
        record.set(name, value);
    }
    let message = &response(id).expect("a declared message").message;
    payload(|out| put_text(message, VERSION, &record, out))
}

fn ask(id: u32, values: &[(&'static str, &str)]) -> Vec<u8> {
    let mut record = Record::new();
    for (name, value) in values {
        record.set(name, value);
    }
    let message = &request(id).expect("a declared message").message;
    payload(|out| put_text(message, VERSION, &record, out))
}

/// A core with a ready upstream and `clients` ready clients.
fn ready_core(clients: u32) -> (Core, Vec<ClientKey>, LinkId) {
    let config = Config { messages_per_second: None, ..Config::default() };
    let (mut core, now, link) = (Core::new(config), Time::ZERO, LinkId(1));
    let tell = |core: &mut Core, input: Input<'_>| {
        let mut actions = Actions::default();
        core.handle(now, input, &mut actions);
        actions.list
    };
    assert!(tell(&mut core, Input::Tick).contains(&Action::Look { link }));
    tell(&mut core, Input::Looked { link, zombies: Some(Zombies::default()) });
    tell(&mut core, Input::UpstreamConnected { link });
    tell(
        &mut core,
        Input::UpstreamHello { link, hello: ServerHello { version: VERSION, time: "now".into() } },
    );
    tell(&mut core, Input::UpstreamFrame { link, payload: b"15\x001\0DU1\0" });
    tell(&mut core, Input::UpstreamFrame { link, payload: b"9\x001\x001\0" });
    assert!(core.ready());
    let keys: Vec<_> = (0..clients).map(|slot| ClientKey { slot, generation: 0 }).collect();
    for client in &keys {
        let client = *client;
        tell(&mut core, Input::ClientConnected { client, peer: "bench".into(), certificate: None });
        let hello = ClientHello { min: 100, max: VERSION, options: String::new() };
        tell(&mut core, Input::ClientHello { client, hello });
        let start = format!("71\x002\0{}\0\0", client.slot + 1);
        tell(&mut core, Input::ClientFrame { client, payload: start.as_bytes() });
        tell(
            &mut core,
            Input::ClientFrame { client, payload: &ask(1, &[("reqId", "7"), ("symbol", "AAPL")]) },
        );
    }
    drain(&mut core, &keys);
    (core, keys, link)
}

fn drain(core: &mut Core, keys: &[ClientKey]) {
    for key in keys {
        let n = core.output(*key).len();
        core.consume_output(Time::ZERO, *key, n, &mut Actions::default());
    }
    let n = core.upstream_output().len();
    core.consume_upstream_output(Time::ZERO, n, &mut Actions::default());
}

/// The upstream request id of the first client's subscription: ids count up from the middle of the range.
const FIRST_UP: i64 = 1 << 30;

fn hot_paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("per frame");
    group.throughput(Throughput::Elements(1));

    let up = FIRST_UP.to_string();
    let tick = answer(1, &[("reqId", &up), ("tickType", "1"), ("price", "227.31"), ("size", "400")]);
    group.bench_function("route a tick", |b| {
        let (mut core, keys, link) = ready_core(1);
        let mut actions = Actions::default();
        b.iter(|| {
            core.handle(Time::ZERO, Input::UpstreamFrame { link, payload: black_box(&tick) }, &mut actions);
            actions.dirty.clear();
            let n = core.output(keys[0]).len();
            assert!(n > 0, "the tick is routed");
            core.consume_output(Time::ZERO, keys[0], n, &mut actions);
        });
    });

    let order = ask(
        3,
        &[("orderId", "7"), ("symbol", "AAPL"), ("secType", "STK"), ("action", "BUY"), ("orderType", "LMT")],
    );
    let dialect = Dialect::new(VERSION);
    group.bench_function("check and patch an order", |b| {
        let mut out = BytesMut::with_capacity(4096);
        b.iter(|| {
            let message = text::message(black_box(&order), VERSION).expect("well formed");
            let shape = dialect.request(message.id).expect("placeOrder");
            shape.check(&message).expect("well formed");
            out.clear();
            shape
                .patch(&message, &[(Role::OrderId, 1234), (Role::ParentOrderId, 0)], &mut out)
                .expect("patched");
            black_box(&out);
        });
    });

    let row = answer(61, &[("account", "DU1"), ("conId", "265598"), ("symbol", "AAPL"), ("position", "100")]);
    group.throughput(Throughput::Elements(20));
    group.bench_function("fan a position out to 20", |b| {
        let (mut core, keys, link) = ready_core(20);
        let mut actions = Actions::default();
        for client in &keys {
            core.handle(
                Time::ZERO,
                Input::ClientFrame { client: *client, payload: &ask(61, &[]) },
                &mut actions,
            );
        }
        drain(&mut core, &keys);
        b.iter(|| {
            core.handle(Time::ZERO, Input::UpstreamFrame { link, payload: black_box(&row) }, &mut actions);
            actions.dirty.clear();
            drain(&mut core, &keys);
        });
    });
    group.finish();
}

/// A tick and a stock order, as the Gateway shows them.
fn shown() -> [(&'static str, u32, Record); 2] {
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

/// What a frame of the Gateway costs on its way to a client of another version, its ids replaced.
fn translate(c: &mut Criterion) {
    let mut group = c.benchmark_group("translate");
    group.throughput(Throughput::Elements(1));
    let ways = [
        ("ids only", 176, 176),
        ("text to text", 176, 157),
        ("protobuf to text", 226, 176),
        ("text to protobuf", 176, 226),
    ];
    for (way, from, to) in ways {
        let (from, to) = (Arc::new(Dialect::new(from)), Arc::new(Dialect::new(to)));
        let translation = Translation::new(from.clone(), to);
        for (what, id, values) in shown() {
            let mut given = BytesMut::new();
            from.response(id).expect("a declared message").compose(&values, &mut given);
            let subject = Subject::default();
            let edits = [(Role::ReqId, 7), (Role::OrderId, 7), (Role::ClientId, 1)];
            group.bench_function(format!("{what}, {way}"), |b| {
                let mut out = BytesMut::with_capacity(4096);
                b.iter(|| {
                    let message = text::message(black_box(&given), from.version()).expect("well formed");
                    out.clear();
                    let there = translation.response(&message, &edits, &subject, &mut out);
                    assert_eq!(there, Ok(true));
                    black_box(&out);
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, hot_paths, translate);
criterion_main!(benches);
