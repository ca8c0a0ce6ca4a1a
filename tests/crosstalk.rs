//! Fifty clients with the same request ids and the same order ids, a hundred thousand frames, each checked for its
//! owner. No limit on rates on either side.

mod support;

use std::net::SocketAddr;

use support::{PATIENCE, mux_for, sim};
use twsmux::record;
use twsmux::sim::client::{ApiClient, Received, order, stock};

const CLIENTS: i32 = 50;
const IDS: i32 = 100;
const FRAMES: usize = 100_000;
/// Contract rounds: each gives two frames for each id and client.
const ROUNDS: i32 = 9;

/// The symbol that only this client asks for under this id in this round.
fn symbol(client: i32, id: i32, round: i32) -> String {
    let n = (client * 7919 + id * 31 + round * 17) % 1000;
    format!("SYM{:04}", n + 1)
}

fn reference(client: i32, id: i32) -> String {
    format!("owner-{client}-{id}")
}

/// Checks one frame: everything in it that names an owner must name this client.
fn owned(client: i32, round: i32, m: &Received) {
    match m.name {
        "contractDetails" => {
            assert_eq!(
                m.text("symbol"),
                symbol(client, m.int("reqId") as i32, round),
                "client {client}: {}",
                m.line()
            )
        }
        "contractDetailsEnd" => assert!((1..=i64::from(IDS)).contains(&m.int("reqId")), "{}", m.line()),
        "openOrder" => {
            assert_eq!(
                m.text("orderRef"),
                reference(client, m.int("orderId") as i32),
                "client {client}: {}",
                m.line()
            );
            assert_eq!(m.int("clientId"), i64::from(client), "{}", m.line());
        }
        "orderStatus" | "execDetails" => {
            assert_eq!(m.int("clientId"), i64::from(client), "{}", m.line());
            assert!((1..=i64::from(IDS)).contains(&m.int("orderId")), "{}", m.line());
        }
        "error" | "managedAccounts" | "nextValidId" | "commissionAndFeesReport" => {}
        other => panic!("client {client} never asked for {other}: {}", m.line()),
    }
}

/// One client's work. Returns how many frames it got.
fn work(address: SocketAddr, client: i32) -> usize {
    let mut c = ApiClient::open(address, 176, client).expect("started");
    c.patience = PATIENCE;
    let mut frames = 0;
    let mut count = |c: &mut ApiClient, round: i32| {
        for m in c.transcript.drain(..) {
            owned(client, round, &m);
            frames += 1;
        }
    };
    count(&mut c, 0);
    for round in 0..ROUNDS {
        for id in 1..=IDS {
            let mut ask = stock(&symbol(client, id, round));
            ask.set("reqId", id);
            c.send("reqContractDetails", &ask).expect("sent");
        }
        let mut ended = std::collections::BTreeSet::new();
        while ended.len() < IDS as usize {
            let end = c.expect("contractDetailsEnd").expect("an answer");
            assert!(ended.insert(end.int("reqId")), "client {client}: a second end for {}", end.int("reqId"));
        }
        let details = c.transcript.iter().filter(|m| m.name == "contractDetails").count();
        assert_eq!(details, IDS as usize, "client {client}: one contract for each id");
        count(&mut c, round);
    }
    for id in 1..=IDS {
        let mut place = order(id, "AAPL", "BUY", 1, "LMT", "1.0");
        place.set("orderRef", reference(client, id));
        c.send("placeOrder", &place).expect("sent");
    }
    // One that has not left would be cancelled before the Gateway ever sees it.
    let mut at_work = std::collections::BTreeSet::new();
    while at_work.len() < IDS as usize {
        at_work.insert(c.expect("openOrder").expect("an order at work").int("orderId"));
    }
    for id in 1..=IDS {
        c.send("cancelOrder", &record! { orderId: id }).expect("sent");
    }
    let mut cancelled = 0;
    while cancelled < IDS {
        let m = c.find("a cancelled order", |m| m.name == "orderStatus").expect("its fate");
        cancelled += i32::from(m.text("status") == "Cancelled");
    }
    count(&mut c, 0);
    frames
}

#[test]
fn a_hundred_thousand_frames_reach_their_owners() {
    let gateway = sim(|c| c.generated_symbols = 1000);
    let mux = mux_for(&gateway, &["--messages-per-second", "unlimited"]);
    let frames: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (1..=CLIENTS)
            .map(|client| {
                let address = mux.listen;
                scope.spawn(move || work(address, client))
            })
            .collect();
        clients.into_iter().map(|c| c.join().expect("this client saw nothing strange")).sum()
    });
    println!("{frames} frames to {CLIENTS} clients, each its owner's");
    assert!(frames >= FRAMES, "{frames} frames");
    let stats = gateway.stats();
    assert_eq!(stats.accepted, 1);
    assert_eq!(stats.malformed, 0, "{}", stats.last_malformed);
    assert_eq!(stats.orders_placed, (CLIENTS * IDS) as u64, "every order once");
}
