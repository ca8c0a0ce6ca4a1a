//! Hostile clients: whatever they send or do not send, well-behaved clients beside them see what they would see
//! without them, and nothing of theirs goes upstream.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use support::{Mux, PATIENCE, distinct, mux_for, script, sim, wait_until};
use twsmux::protocol::layout::Record;
use twsmux::sim::SimHandle;
use twsmux::sim::client::{ApiClient, ClientError};

/// Bytes that look random, the same in every run.
fn noise(seed: u64, n: usize) -> Vec<u8> {
    let mut x = seed | 1;
    std::iter::repeat_with(|| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 24) as u8
    })
    .take(n)
    .collect()
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes()[..], payload].concat()
}

/// What hostile clients do, one call each. Sockets that stay open are given back.
fn attack(address: SocketAddr, n: u64) -> Vec<TcpStream> {
    let open = || TcpStream::connect(address).expect("twsmux accepts");
    let greeting = || [&b"API\0"[..], &frame(b"v100..176")].concat();
    let started = || ApiClient::open(address, 176, 5000 + n as i32).expect("started");
    let kept = |c: &ApiClient| c.stream().try_clone().expect("kept");
    match n % 10 {
        0 => {
            let mut s = open();
            let _ = s.write_all(&noise(n, 3000));
            vec![s]
        }
        1 => {
            let mut s = open();
            let _ = s.write_all(&[b"API\0".as_slice(), &[0xFF; 4], &noise(n, 500)].concat());
            vec![s]
        }
        2 => {
            let mut s = open();
            let _ = s.write_all(&greeting()[..7]);
            vec![s]
        }
        3 => vec![open()],
        4 => {
            let mut s = open();
            let _ = s.write_all(&greeting());
            let _ = s.write_all(&frame(b"9\x008\x001\0")); // a request before startApi
            vec![s]
        }
        5 => {
            let mut c = started();
            let _ = c.send_raw(&frame(&noise(n, 200)));
            let _ = c.send_raw(&frame(b"3\x00half an order\0"));
            let _ = c.send_raw(&frame(b"4\x00x\0y\0"));
            let _ = c.send_raw(&frame(b"999\x001\0"));
            let _ = c.send_raw(&frame(b"1\x0011\x001\0")); // a market data request that ends too early
            vec![kept(&c)]
        }
        6 => {
            let mut c = started();
            let _ = c.send_raw(&[0x7F, 0xFF, 0xFF, 0xFF, b'1']);
            vec![kept(&c)]
        }
        7 => {
            let mut c = started();
            let _ = c.send_raw(&[0, 0, 0, 90, b'3', 0, b'1']); // a frame that never ends
            vec![kept(&c)]
        }
        8 => {
            let mut s = open();
            let _ = s.write_all(b"66\0"); // a client from before v100
            vec![s]
        }
        _ => {
            let mut c = started();
            let _ = c.send_raw(&[&frame(b"71\x002\x001\0\0")[..], &[0, 0, 0, 0]].concat());
            vec![kept(&c)]
        }
    }
}

fn nothing_went_upstream(gateway: &SimHandle, before: &twsmux::sim::Stats) {
    let now = gateway.stats();
    assert_eq!(now.malformed, 0, "{}", now.last_malformed);
    assert_eq!(now.by_id, before.by_id, "only what the well-behaved client asked for");
    assert_eq!(now.accepted, 1);
}

/// Runs the script on a fresh Gateway; `beside` gets the address of twsmux and runs at the same time.
fn run(beside: impl FnOnce(&Mux) + Send) -> (Vec<String>, twsmux::sim::Stats, SimHandle) {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let lines = std::thread::scope(|scope| {
        let other = scope.spawn(|| beside(&mux));
        let lines = script(mux.listen, 3);
        other.join().expect("the attack went on");
        lines
    });
    // The cancel of the positions is on its way when the script ends.
    gateway.wait(PATIENCE, |s| s.count(64) == 1).expect("the last request of the script arrives");
    let stats = gateway.stats();
    (lines, stats, gateway)
}

#[test]
fn well_behaved_clients_see_what_they_see_without_hostile_ones() {
    let (alone, stats, _) = run(|_| {});
    let (beside, _, gateway) = run(|mux| {
        let mut kept = Vec::new();
        for n in 0..200 {
            kept.extend(attack(mux.listen, n));
        }
    });
    assert_eq!(distinct(&beside), distinct(&alone));
    // The clock probe is twsmux's own and depends on the time of day, not on clients.
    let mut stats = stats;
    stats.by_id.insert(49, gateway.stats().count(49));
    nothing_went_upstream(&gateway, &stats);
}

#[test]
fn a_slow_drip_beside_a_thousand_connects_harms_nobody() {
    let (alone, stats, _) = run(|_| {});
    let (beside, _, gateway) = run(|mux| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut s = TcpStream::connect(mux.listen).expect("accepted");
                for byte in b"API\0\0\0\0\x09v100..176".iter().cycle().take(13) {
                    if stop.load(Ordering::Relaxed) || s.write_all(&[*byte]).is_err() {
                        return;
                    }
                }
            });
            let mut kept = Vec::new();
            for _ in 0..1000 {
                kept.push(TcpStream::connect(mux.listen).expect("accepted"));
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
    assert_eq!(distinct(&beside), distinct(&alone));
    let mut stats = stats;
    stats.by_id.insert(49, gateway.stats().count(49));
    nothing_went_upstream(&gateway, &stats);
}

#[test]
fn each_kind_of_bad_request_is_answered_to_its_sender() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut bystander = ApiClient::open(mux.listen, 176, 1).unwrap();
    bystander.expect_error(-1, 2158).unwrap();
    let mut bad = ApiClient::open(mux.listen, 176, 2).unwrap();
    bad.send_raw(&frame(b"999\x001\0")).unwrap();
    assert!(bad.expect_error(-1, 320).unwrap().text("errorMsg").contains("999"));
    bad.send_raw(&frame(b"1\x0011\x0017\0AAPL\0")).unwrap();
    assert!(bad.expect_error(17, 320).unwrap().text("errorMsg").contains("reqMktData"));
    bad.send_raw(&frame(b"no message id at all")).unwrap();
    bad.expect_error(-1, 320).unwrap();
    bad.send_raw(&frame(b"108\x001\0")).unwrap();
    assert!(bad.expect_error(-1, 503).unwrap().text("errorMsg").contains("176"));
    // It is still served.
    bad.ask("reqManagedAccts", &Record::new(), "managedAccounts").unwrap();
    // Framing that is lost ends the connection, with the reason.
    bad.send_raw(&[0x7F, 0xFF, 0xFF, 0xFF]).unwrap();
    assert!(bad.expect_error(-1, 507).unwrap().text("errorMsg").contains("limit"));
    bad.expect_closed().unwrap();
    let seen = bystander.fence().unwrap();
    assert_eq!(seen.len(), 1, "the bystander sees its own answer only: {seen:?}");
}

#[test]
fn a_client_from_before_v100_and_a_web_browser_are_closed_without_a_word() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    for first in [&b"66\0"[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00"] {
        let mut s = TcpStream::connect(mux.listen).unwrap();
        s.set_read_timeout(Some(PATIENCE)).unwrap();
        s.write_all(first).unwrap();
        let mut answer = Vec::new();
        // FIN or RST: both are an end without an answer.
        let _ = s.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    }
    wait_until("twsmux to have forgotten them", || mux.status("/clients") == serde_json::json!([]));
}

#[test]
fn a_client_that_never_reads_is_told_and_closed_and_others_go_on() {
    let gateway = sim(|c| c.scanner_parameters_size = 4 << 20);
    let mux = mux_for(&gateway, &["--messages-per-second", "unlimited", "--slow-client-time", "2"]);
    let mut deaf = ApiClient::open(mux.listen, 176, 1).unwrap();
    let mut other = ApiClient::open(mux.listen, 176, 2).unwrap();
    // Far more than the limit of what is held for one client: most of it ends with an error.
    for _ in 0..20 {
        deaf.send("reqScannerParameters", &Record::new()).unwrap();
    }
    mux.wait_log("wait to be read by this client");
    other.ask("reqMarketRule", &twsmux::record! { marketRuleId: 26 }, "marketRule").unwrap();
    // When it reads at last it finds whole frames, and the reason if there was room for it.
    let end = loop {
        match deaf.receive() {
            Ok(m) if m.name == "error" && m.text("errorMsg").contains("wait to be read") => break "told",
            Ok(_) => {}
            Err(ClientError::Closed { .. } | ClientError::Io(_)) => break "closed",
            Err(error) => panic!("{error}"),
        }
    };
    println!("the deaf client was {end}");
    wait_until("only the other client to be left", || mux.status("/clients/1").is_null());
    assert_eq!(gateway.stats().accepted, 1);
}
