//! Clients that do not read, beside clients that do, through real sockets. The Gateway's ticks are numbered by the test, so
//! that each one that is missing, comes twice or comes too late is seen.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::BytesMut;
use support::{Mux, PATIENCE, mux_for, sim, wait_for, wait_until};
use twsmux::record;
use twsmux::sim::SimHandle;
use twsmux::sim::client::{ApiClient, ClientError, Received, stock};
use twsmux::wire::frame;

/// Types of the test's ticks; the simulated Gateway has no such ones.
const KINDS: [i64; 3] = [9001, 9002, 9003];
/// Ticks that are sent at once.
const BATCH: u64 = 3000;
const CONFLATE_ABOVE: u64 = 64 << 10;
const MAX_OUTBOX: u64 = 1 << 20;

/// A Gateway whose own market stands still, and twsmux with a small budget for each client.
fn start(slow_client_time: &str) -> (SimHandle, Mux) {
    let gateway = sim(|c| c.tick_interval = std::time::Duration::from_secs(3600));
    let (above, most) = (CONFLATE_ABOVE.to_string(), MAX_OUTBOX.to_string());
    let flags = [
        "--conflate-above-bytes",
        &above,
        "--max-outbox-bytes",
        &most,
        "--slow-client-time",
        slow_client_time,
    ];
    let mux = mux_for(&gateway, &flags);
    (gateway, mux)
}

/// A client with the line that all share.
fn subscriber(mux: &Mux, id: i32) -> ApiClient {
    let mut c = ApiClient::open(mux.listen, 176, id).expect("started");
    c.patience = PATIENCE;
    let mut ask = stock("AAPL");
    ask.set("reqId", 7);
    c.send("reqMktData", &ask).expect("sent");
    c.expect("tickReqParams").expect("the line begins");
    c
}

/// The upstream id of the line.
fn line(mux: &Mux, sharers: usize) -> i64 {
    wait_for("all to share the line", || {
        let line = mux.status("/lines/0");
        let all = line["sharers"].as_array().is_some_and(|s| s.len() == sharers);
        all.then(|| line["upstream_id"].as_i64().expect("an id"))
    })
}

/// The Gateway sends the ticks with these numbers.
fn send(gateway: &SimHandle, up: i64, numbers: std::ops::Range<u64>) {
    let mut out = BytesMut::new();
    for n in numbers {
        let kind = KINDS[n as usize % KINDS.len()];
        frame::put(format!("1\x006\x00{up}\x00{kind}\x00{n}\x001\x000\x00").as_bytes(), &mut out);
    }
    gateway.send_raw(&out);
}

/// The number of one of the test's ticks.
fn number(m: &Received) -> Option<u64> {
    (m.name == "tickPrice" && KINDS.contains(&m.int("tickType"))).then(|| m.float("price") as u64)
}

fn client(mux: &Mux, id: i64) -> serde_json::Value {
    let clients = mux.status("/clients");
    let find = |clients: &[serde_json::Value]| clients.iter().find(|c| c["client_id"] == id).cloned();
    clients.as_array().and_then(|c| find(c)).unwrap_or_default()
}

/// Reads until told to stop; how many of the test's ticks came, each exactly once and in order.
fn reads_all(mut c: ApiClient, got: &AtomicU64, total: &AtomicU64, done: &AtomicBool) {
    loop {
        let n = got.load(Ordering::Relaxed);
        if done.load(Ordering::Relaxed) && n == total.load(Ordering::Relaxed) {
            return;
        }
        c.patience = std::time::Duration::from_millis(200);
        match c.receive() {
            Ok(m) => {
                if let Some(tick) = number(&m) {
                    assert_eq!(tick, n, "no tick is missing or comes twice");
                    got.store(n + 1, Ordering::Relaxed);
                }
            }
            Err(ClientError::Timeout { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        c.transcript.clear();
    }
}

#[test]
fn one_of_ten_that_never_reads_is_conflated_told_and_closed_and_the_others_lose_nothing() {
    let (gateway, mux) = start("3");
    let readers: Vec<ApiClient> = (1..10).map(|id| subscriber(&mux, id)).collect();
    let mut deaf = subscriber(&mux, 10);
    let up = line(&mux, 10);
    let got: Vec<AtomicU64> = readers.iter().map(|_| AtomicU64::new(0)).collect();
    let (total, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut most_unread = 0;
    let mut was_conflated = false;
    std::thread::scope(|scope| {
        for (c, got) in readers.into_iter().zip(&got) {
            let (total, done) = (&total, &done);
            scope.spawn(move || reads_all(c, got, total, done));
        }
        // As fast as the nine read, for as long as it takes.
        let deadline = std::time::Instant::now() + 3 * PATIENCE;
        let batch = || {
            let n = total.load(Ordering::Relaxed);
            total.store(n + BATCH, Ordering::Relaxed);
            send(&gateway, up, n..n + BATCH);
            wait_until("the nine to read", || got.iter().all(|g| g.load(Ordering::Relaxed) >= n + BATCH));
        };
        let gone = loop {
            batch();
            let it = client(&mux, 10);
            if it.is_null() {
                break true;
            }
            was_conflated |= it["conflated"].as_u64() > Some(0);
            most_unread = most_unread.max(it["outbox_bytes"].as_u64().expect("a number"));
            if std::time::Instant::now() > deadline {
                break false;
            }
        };
        if gone {
            batch();
        }
        done.store(true, Ordering::Relaxed);
        assert!(gone, "it is closed");
    });
    let total = total.load(Ordering::Relaxed);
    println!("{total} ticks to each of the nine; at most {most_unread} bytes waited for the tenth");
    assert!(was_conflated, "{}", mux.page("/metrics"));
    // One more frame, the last words, and the latest of each tick.
    assert!(most_unread <= CONFLATE_ABOVE + 4096, "{most_unread} bytes");
    assert!(mux.log().contains("it has read nothing for 3 s"));
    let metrics = mux.page("/metrics");
    assert!(metrics.contains("twsmux_client_disconnects_total{reason=\"slow\"} 1"), "{metrics}");
    // What it finds when it reads at last: whole frames, numbers that rise, then the end.
    let mut last = None;
    let mut told = false;
    loop {
        match deaf.receive() {
            Ok(m) => {
                told |= m.name == "error" && m.text("errorMsg").contains("wait to be read by this client");
                if let Some(n) = number(&m) {
                    assert!(last.is_none_or(|last| last < n), "{n} after {last:?}");
                    last = Some(n);
                }
            }
            Err(ClientError::Closed { .. } | ClientError::Io(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(told, "its last words wait in the system until it reads");
    assert_eq!(gateway.stats().accepted, 1);
    assert_eq!(gateway.stats().malformed, 0);
}

#[test]
fn one_that_reads_on_has_the_latest_values_and_then_every_tick() {
    let (gateway, mux) = start("25");
    let mut slow = subscriber(&mux, 1);
    let good = subscriber(&mux, 2);
    let up = line(&mux, 2);
    let (got, total, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| reads_all(good, &got, &total, &done));
        let mut sent = 0;
        let mut batch = || {
            total.store(sent + BATCH, Ordering::Relaxed);
            send(&gateway, up, sent..sent + BATCH);
            sent += BATCH;
            wait_until("the other one to read", || got.load(Ordering::Relaxed) >= sent);
            sent
        };
        let mut sent = 0;
        wait_until("the slow one to be conflated", || {
            sent = batch();
            client(&mux, 1)["conflated"].as_u64() > Some(BATCH)
        });
        let mut latest = [None; KINDS.len()];
        let mut read = 0;
        // What it gets rises for each kind of tick, and ends with the latest of each.
        let mut read_until = |c: &mut ApiClient, sent: u64| {
            let wanted = [3, 2, 1].map(|back| Some(sent - back));
            loop {
                let m = c.receive().expect("more to read");
                assert_ne!(m.name, "error", "{}", m.line());
                let Some(n) = number(&m) else { continue };
                let kind = &mut latest[n as usize % KINDS.len()];
                assert!(*kind < Some(n), "{n} after {kind:?}");
                *kind = Some(n);
                read += 1;
                if wanted.iter().all(|w| latest.contains(w)) {
                    return read;
                }
            }
        };
        let read = read_until(&mut slow, sent);
        assert!(read < sent, "{read} of {sent}");
        wait_until("nothing to wait any more", || client(&mux, 1)["outbox_bytes"] == 0);
        // In step with the Gateway it misses nothing.
        for _ in 0..10 {
            let before = total.load(Ordering::Relaxed);
            send(&gateway, up, before..before + 10);
            total.store(before + 10, Ordering::Relaxed);
            let mut next = before;
            while next < before + 10 {
                if let Some(n) = number(&slow.receive().expect("a tick")) {
                    assert_eq!(n, next);
                    next += 1;
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        println!("the slow one got {read} of the first {sent} ticks");
    });
    let _ = slow.ask("reqMarketRule", &record! { marketRuleId: 26 }, "marketRule").expect("it is served");
}
