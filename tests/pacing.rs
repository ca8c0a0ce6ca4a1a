//! Ten clients that ask for everything at once, on real sockets: the Gateway's limit holds, nothing is lost, everybody gets
//! an equal share, and orders do not wait behind them.
//!
//! `core_behaviour/pacing.rs` says the same to the message, in virtual time.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use support::{Mux, mux_for, sim, wait_for};
use twsmux::sim::client::{ApiClient, order, stock};

const CLIENTS: usize = 10;
const EACH: usize = 500;
const LIMIT: u32 = 250;
/// Shares are compared from when so many wait until only so many do: who comes first may have the first second for himself.
const FROM: usize = 4500;
const TO: usize = 2500;

/// What one run has shown.
struct Seen {
    most_in_a_second: u32,
    /// What has left of each client between [`FROM`] and [`TO`].
    shares: Vec<usize>,
    /// Answers that were there when the last order was confirmed.
    answers_at_last_order: usize,
}

/// What waits of each client, in the first picture in which no more than `most` wait in all.
fn queued_when(mux: &Mux, most: usize) -> Vec<usize> {
    wait_for("requests to leave", || {
        let clients = mux.status("/clients");
        let asking = clients.as_array()?.iter().filter(|c| c["client_id"] != 99);
        let queued: Vec<usize> = asking.map(|c| c["queued"].as_u64().expect("a number") as usize).collect();
        let sum: usize = queued.iter().sum();
        (sum > 0 && sum <= most).then_some(queued)
    })
}

fn blast() -> Seen {
    let gateway = sim(|c| c.messages_per_second = None);
    let mux = mux_for(&gateway, &["--messages-per-second", &LIMIT.to_string()]);
    let total = Arc::new(AtomicUsize::new(0));
    let clients: Vec<ApiClient> =
        (1..=CLIENTS).map(|id| ApiClient::open(mux.listen, 176, id as i32).expect("a connection")).collect();
    let all_there = Arc::new(Barrier::new(CLIENTS));
    let asking: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(n, mut c)| {
            let all_there = all_there.clone();
            let total = total.clone();
            std::thread::spawn(move || {
                all_there.wait();
                for id in 1..=EACH {
                    let mut ask = stock(&format!("NONE{n}X{id}"));
                    ask.set("reqId", id);
                    c.send("reqContractDetails", &ask).expect("a socket");
                }
                // Each is answered under its id, in the order of asking.
                for id in 1..=EACH {
                    c.expect_error(id as i64, 200).expect("an answer");
                    total.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut trader = ApiClient::open(mux.listen, 176, 99).expect("a connection");
    let first = 1;
    for n in 0..20 {
        let id = first + n;
        trader.send("placeOrder", &order(id, "AAPL", "BUY", 1, "LMT", "1")).expect("a socket");
        trader
            .find("orderStatus", |m| m.int("id") == i64::from(id) || m.int("orderId") == i64::from(id))
            .expect("it works");
    }
    let answers_at_last_order = total.load(Ordering::Relaxed);
    let (before, after) = (queued_when(&mux, FROM), queued_when(&mux, TO));
    for client in asking {
        client.join().expect("every request of every client is answered");
    }
    let stats = gateway.stats();
    assert_eq!(stats.count(9), (CLIENTS * EACH) as u64, "none is lost, none leaves twice");
    assert_eq!((stats.accepted, stats.malformed), (1, 0));
    Seen {
        most_in_a_second: stats.most_in_a_second,
        shares: before.iter().zip(&after).map(|(before, after)| before - after).collect(),
        answers_at_last_order,
    }
}

/// A machine that stops for a while lets a simulator read in one second what came in two. What twsmux does wrong, it does
/// every time.
#[test]
fn ten_clients_blast_five_hundred_requests_each() {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let run = blast();
        let (least, most) = (*run.shares.iter().min().unwrap(), *run.shares.iter().max().unwrap());
        let words = format!(
            "{} in a second, shares from {least} to {most}, {} answers when the last order was confirmed",
            run.most_in_a_second, run.answers_at_last_order
        );
        println!("{words}");
        seen.push(words);
        let limit_holds = run.most_in_a_second <= LIMIT;
        let is_fair = most * 10 <= least * 11;
        let orders_first = run.answers_at_last_order < CLIENTS * EACH / 2;
        if limit_holds && is_fair && orders_first {
            return;
        }
    }
    panic!("three times out of three:\n{}", seen.join("\n"));
}
