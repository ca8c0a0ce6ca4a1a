//! What exists once upstream and is shared by clients: account summaries, positions, account updates.

mod support;

use support::{PATIENCE, mux_for, sim};
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::ApiClient;

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
