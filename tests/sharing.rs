//! What exists once upstream and is shared by clients: account summaries, positions, account updates.

mod support;

use support::{PATIENCE, mux_for, sim, wait_until};
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::{ApiClient, stock};

fn summary(c: &mut ApiClient, id: i32, tags: &str) -> Vec<String> {
    let ask = record! { reqId: id, groupName: "All", tags: tags };
    let rows = c.ask("reqAccountSummary", &ask, "accountSummaryEnd").expect("a summary");
    assert!(rows.iter().all(|m| !m.name.starts_with("accountSummary") || m.int("reqId") == i64::from(id)));
    rows.iter().filter(|m| m.name == "accountSummary").map(|m| m.text("tag").to_owned()).collect()
}

#[test]
fn ten_clients_share_two_account_summaries() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &["--messages-per-second", "unlimited"]);
    let tags = ["NetLiquidation,BuyingPower", "TotalCashValue"];
    let mut clients: Vec<ApiClient> =
        (1..=10).map(|id| ApiClient::open(mux.listen, 176, id).unwrap()).collect();
    for c in &mut clients {
        // The same ids in every client; twice the same subject under two ids is not merged into one for the client.
        assert_eq!(summary(c, 1, tags[0]), ["BuyingPower", "NetLiquidation"]);
        assert_eq!(summary(c, 2, tags[1]), ["TotalCashValue"]);
        c.send("reqAccountSummary", &record! { reqId: 3, groupName: "All", tags: "Leverage" }).unwrap();
        c.expect_error(3, 322).expect("a third one is refused as the Gateway refuses it");
    }
    assert_eq!(gateway.stats().count(62), 2, "two upstream");
    for c in &mut clients[1..] {
        c.send("cancelAccountSummary", &record! { reqId: 1 }).unwrap();
        c.fence().unwrap();
    }
    assert_eq!(gateway.stats().count(63), 0, "somebody still shares it");
    clients[0].send("cancelAccountSummary", &record! { reqId: 1 }).unwrap();
    gateway.wait(PATIENCE, |s| s.count(63) == 1).expect("the last one ends it");
    drop(clients);
    gateway.wait(PATIENCE, |s| s.count(63) == 2).expect("a disconnect ends the rest");
}

#[test]
fn positions_and_account_updates_are_subscribed_once_and_late_joiners_get_the_image() {
    let gateway = sim(|c| c.accounts = vec!["DU1".into(), "DU2".into()]);
    let mux = mux_for(&gateway, &[]);
    let mut images = Vec::new();
    let mut clients: Vec<ApiClient> =
        (1..=3).map(|id| ApiClient::open(mux.listen, 176, id).unwrap()).collect();
    for c in &mut clients {
        let positions = c.ask("reqPositions", &Record::new(), "positionEnd").unwrap();
        let updates = record! { subscribe: 1, acctCode: "DU1" };
        let values = c.ask("reqAccountUpdates", &updates, "accountDownloadEnd").unwrap();
        let count =
            |rows: &[twsmux::sim::client::Received], name| rows.iter().filter(|m| m.name == name).count();
        images.push((
            count(&positions, "position"),
            count(&values, "updateAccountValue"),
            count(&values, "updatePortfolio"),
        ));
    }
    assert!(images[0].0 > 0 && images[0].1 > 0, "{images:?}");
    assert_eq!(images[1..], [images[0], images[0]], "the same image for everybody");
    assert_eq!((gateway.stats().count(61), gateway.stats().count(6)), (1, 1), "one subscription each");

    let mut other = ApiClient::open(mux.listen, 176, 9).unwrap();
    other.send("reqAccountUpdates", &record! { subscribe: 1, acctCode: "DU2" }).unwrap();
    other.expect_error(-1, 2101).expect("the slot has another account");
    assert_eq!(gateway.stats().count(6), 1);

    clients[0].send("reqAccountUpdates", &record! { subscribe: 0, acctCode: "DU1" }).unwrap();
    clients[0].expect_error(-1, 2100).expect("as the Gateway says it");
    assert_eq!(gateway.stats().count(6), 1, "others are still subscribed");
    drop(clients);
    gateway.wait(PATIENCE, |s| s.count(6) == 2 && s.count(64) == 1).expect("the last ones gone, both end");
    other
        .ask("reqAccountUpdates", &record! { subscribe: 1, acctCode: "DU2" }, "accountDownloadEnd")
        .expect("now the slot is free");
}

#[test]
fn an_account_that_does_not_exist_takes_nobodys_place() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut first = ApiClient::open(mux.listen, 176, 1).unwrap();
    first.send("reqAccountUpdates", &record! { subscribe: 1, acctCode: "NOSUCH" }).unwrap();
    first.expect_error(-1, 321).expect("refused to its asker");
    let mut second = ApiClient::open(mux.listen, 176, 2).unwrap();
    second
        .ask("reqAccountUpdates", &record! { subscribe: 1, acctCode: "" }, "accountDownloadEnd")
        .expect("the slot is free");
    assert_eq!(gateway.stats().count(6), 1, "only what can be answered was forwarded");
}

#[test]
fn a_hundred_clients_on_ten_contracts_use_ten_lines_and_get_every_tick_under_their_own_ids() {
    const CLIENTS: i32 = 100;
    const CONTRACTS: i32 = 10;
    let gateway = sim(|c| {
        c.generated_symbols = 100;
        c.tick_interval = std::time::Duration::from_millis(100);
    });
    let mux = mux_for(&gateway, &["--messages-per-second", "unlimited"]);
    let ask = |c: &mut ApiClient, client: i32| {
        for n in 0..CONTRACTS {
            let mut values = stock(&format!("SYM{:04}", n + 1));
            // Ids of their own, and in every client others.
            values
                .set("reqId", client * 100 + n)
                .set("genericTickList", if client % 2 == 0 { "233,236" } else { "236,233" });
            c.send("reqMktData", &values).unwrap();
        }
    };
    let mut clients: Vec<ApiClient> = (1..CLIENTS)
        .map(|client| {
            let mut c = ApiClient::open(mux.listen, if client % 3 == 0 { 157 } else { 176 }, client).unwrap();
            c.patience = PATIENCE;
            ask(&mut c, client);
            c
        })
        .collect();
    // Everybody hears of everything, under no ids but its own.
    for (at, c) in clients.iter_mut().enumerate() {
        let base = (at as i64 + 1) * 100;
        let mut heard = std::collections::BTreeSet::new();
        while heard.len() < CONTRACTS as usize {
            let tick = c.expect("tickPrice").expect("a tick");
            assert!((base..base + i64::from(CONTRACTS)).contains(&tick.int("reqId")), "{}", tick.line());
            heard.insert(tick.int("reqId"));
        }
    }
    assert_eq!(gateway.stats().count(1), u64::from(CONTRACTS as u32), "one request for each contract");
    assert_eq!(gateway.stats().lines, u64::from(CONTRACTS as u32));
    // Somebody who joins late has the whole image before the answer to what it asks next.
    let mut late = ApiClient::open(mux.listen, 176, CLIENTS).unwrap();
    late.patience = PATIENCE;
    late.transcript.clear();
    ask(&mut late, CLIENTS);
    late.fence().unwrap();
    let of = |c: &ApiClient, id: i64, name: &str| {
        let types = c.transcript.iter().filter(|m| m.name == name && m.int("reqId") == id);
        // A trade (RTVolume) is no state: only those that happen from now on are told.
        let types = types.map(|m| m.values.int("tickType").unwrap_or(0));
        types.filter(|t| *t != 48).collect::<std::collections::BTreeSet<_>>()
    };
    for n in 0..i64::from(CONTRACTS) {
        let first = &clients[0];
        for name in ["tickPrice", "tickSize", "tickString", "tickGeneric", "tickReqParams", "marketDataType"]
        {
            let (known, image) = (of(first, 100 + n, name), of(&late, i64::from(CLIENTS) * 100 + n, name));
            assert!(known.is_subset(&image), "contract {n}: {name} {image:?} lacks some of {known:?}");
        }
    }
    wait_until("the status page", || mux.status("/line_sharers") == i64::from(CLIENTS * CONTRACTS));
    assert_eq!(mux.status("/lines_total"), i64::from(CONTRACTS));
    assert_eq!(mux.status("/lines/0/sharers").as_array().map(Vec::len), Some(CLIENTS as usize));
    // The first one goes: nobody else notices. All go: nothing is left.
    drop(clients.remove(0));
    clients[0].fence().unwrap();
    clients[0].expect("tickPrice").expect("it goes on");
    assert_eq!(gateway.stats().lines, u64::from(CONTRACTS as u32));
    drop((clients, late));
    gateway.wait(PATIENCE, |s| s.lines == 0).expect("no line is left");
    assert_eq!(gateway.stats().count(2), u64::from(CONTRACTS as u32), "each was cancelled once");
}
