//! Accounts of the simulated Gateway: updates, summaries, positions, profit and loss.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;

use std::time::Duration;

use twsmux::{
    protocol::layout::Record,
    record,
    sim::{
        self, LATEST, SimConfig, SimHandle,
        client::{ApiClient, Received, order},
    },
};

const ACCOUNT: &str = "DU9000001";
const MSFT: i64 = 272_093;

fn gateway(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config =
        SimConfig { max_version: LATEST, fill_delay: Duration::from_millis(2), ..SimConfig::default() };
    change(&mut config);
    sim::spawn(config).expect("the simulated Gateway starts")
}

fn client(gateway: &SimHandle, version: u16, id: i32) -> ApiClient {
    let mut client = ApiClient::open(gateway.address(), version, id).unwrap();
    client.fence().unwrap();
    client.transcript.clear();
    client
}

fn names(messages: &[Received]) -> Vec<&'static str> {
    messages.iter().map(|m| m.name).collect()
}

fn subscribe(account: &str) -> Record {
    record! { subscribe: true, acctCode: account }
}

at_versions!(
    account_updates_are_values_then_positions_with_their_times_then_the_end,
    leaving_account_updates_is_answered_by_2100_and_ends_them,
    a_second_account_is_refused_while_another_client_follows_the_first,
    a_summary_is_sorted_by_tag_and_the_third_is_too_many,
    a_doubled_summary_has_two_ends_and_a_refresh_none,
    the_ledger_of_a_currency_is_part_of_a_summary,
    positions_are_an_image_and_then_changes,
    positions_and_values_come_by_request_id_as_well,
    profit_and_loss_is_told_at_once_and_again,
);

fn account_updates_are_values_then_positions_with_their_times_then_the_end(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    let rows = client.ask("reqAccountUpdates", &subscribe(""), "accountDownloadEnd").unwrap();
    let keys: Vec<_> =
        rows.iter().filter(|m| m.name == "updateAccountValue").map(|m| m.text("key").to_owned()).collect();
    assert!(keys.len() > 20 && keys.is_sorted(), "{keys:?}");
    let from = keys.len();
    let want = [
        "updatePortfolio",
        "updateAccountTime",
        "updatePortfolio",
        "updateAccountTime",
        "updateAccountTime",
        "accountDownloadEnd",
    ];
    assert_eq!(names(&rows[from..]), want);
    client.send("placeOrder", &order(1, "MSFT", "BUY", 10, "MKT", "")).unwrap();
    let row = client.expect("updatePortfolio").unwrap();
    assert_eq!((row.int("conId"), row.text("position"), row.text("accountName")), (MSFT, "110", ACCOUNT));
    client.find("the cash", |m| m.text("key") == "CashBalance").unwrap();
}

fn leaving_account_updates_is_answered_by_2100_and_ends_them(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    client.ask("reqAccountUpdates", &subscribe(ACCOUNT), "accountDownloadEnd").unwrap();
    client.send("reqAccountUpdates", &record! { subscribe: false, acctCode: ACCOUNT }).unwrap();
    client.expect_error(-1, 2100).unwrap();
    client.send("placeOrder", &order(1, "MSFT", "BUY", 10, "MKT", "")).unwrap();
    client.expect("commissionAndFeesReport").unwrap();
    let rest = client.fence().unwrap();
    assert!(!rest.iter().any(|m| m.name == "updatePortfolio"));
}

fn a_second_account_is_refused_while_another_client_follows_the_first(version: u16) {
    let gateway = gateway(|c| c.accounts = vec!["DU1".into(), "DU2".into()]);
    let mut one = client(&gateway, version, 1);
    let mut two = client(&gateway, version, 2);
    one.ask("reqAccountUpdates", &subscribe("DU1"), "accountDownloadEnd").unwrap();
    two.send("reqAccountUpdates", &subscribe("DU2")).unwrap();
    two.expect_error(-1, 2101).unwrap();
    two.ask("reqAccountUpdates", &subscribe("DU1"), "accountDownloadEnd").unwrap();
    drop(two);
    gateway.wait(Duration::from_secs(10), |s| s.open == 1).unwrap();
    // One's own second account replaces the first.
    one.send("reqAccountUpdates", &subscribe("DU2")).unwrap();
    one.expect_error(-1, 2100).unwrap();
    assert_eq!(one.expect("accountDownloadEnd").unwrap().text("accountName"), "DU2");
    one.send("reqAccountUpdates", &subscribe("")).unwrap();
    one.expect_error(-1, 321).unwrap();
}

fn a_summary_is_sorted_by_tag_and_the_third_is_too_many(version: u16) {
    let gateway = gateway(|c| c.accounts = vec!["DU1".into(), "DU2".into()]);
    let mut client = client(&gateway, version, 1);
    let request =
        |id: i32| record! { reqId: id, groupName: "All", tags: "TotalCashValue,AccountType,NetLiquidation" };
    let rows = client.ask("reqAccountSummary", &request(1), "accountSummaryEnd").unwrap();
    let tags: Vec<_> = rows[..rows.len() - 1].iter().map(|m| (m.text("account"), m.text("tag"))).collect();
    let one = |account| ["AccountType", "NetLiquidation", "TotalCashValue"].map(|tag| (account, tag));
    assert_eq!(tags, [one("DU1"), one("DU2")].concat());
    client.ask("reqAccountSummary", &request(2), "accountSummaryEnd").unwrap();
    client.send("reqAccountSummary", &request(3)).unwrap();
    client.expect_error(3, 322).unwrap();
    client.send("cancelAccountSummary", &record! { reqId: 1 }).unwrap();
    client.ask("reqAccountSummary", &request(3), "accountSummaryEnd").unwrap();
}

fn a_doubled_summary_has_two_ends_and_a_refresh_none(version: u16) {
    let gateway = gateway(|c| {
        c.double_summary = true;
        c.summary_interval = Duration::from_millis(30);
    });
    let mut client = client(&gateway, version, 1);
    let request = record! { reqId: 1, groupName: "All", tags: "NetLiquidation" };
    client.send("reqAccountSummary", &request).unwrap();
    let first: Vec<_> = (0..5).map(|_| client.receive().unwrap().name).collect();
    let want =
        ["accountSummary", "accountSummaryEnd", "accountSummary", "accountSummaryEnd", "accountSummary"];
    assert_eq!(first, want);
}

fn the_ledger_of_a_currency_is_part_of_a_summary(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    for (id, tags, currencies) in [(1, "$LEDGER", "BASE"), (2, "$LEDGER:USD", "USD")] {
        let request = record! { reqId: id, groupName: "All", tags: tags };
        let rows = client.ask("reqAccountSummary", &request, "accountSummaryEnd").unwrap();
        assert!(rows.len() > 5);
        assert!(rows[..rows.len() - 1].iter().all(|m| m.text("currency") == currencies));
    }
}

fn positions_are_an_image_and_then_changes(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    let rows = client.ask("reqPositions", &Record::new(), "positionEnd").unwrap();
    assert_eq!(names(&rows), ["position", "position", "positionEnd"]);
    client.send("placeOrder", &order(1, "MSFT", "SELL", 100, "MKT", "")).unwrap();
    let closed = client.find("the position", |m| m.name == "position" && m.int("conId") == MSFT).unwrap();
    assert_eq!((closed.text("position"), closed.float("avgCost")), ("0", 0.0));
    client.send("cancelPositions", &Record::new()).unwrap();
    client.send("placeOrder", &order(2, "MSFT", "BUY", 100, "MKT", "")).unwrap();
    client
        .find("the second fill", |m| {
            m.name == "orderStatus" && m.int("orderId") == 2 && m.text("remaining") == "0"
        })
        .unwrap();
    client.expect("commissionAndFeesReport").unwrap();
    assert!(!client.fence().unwrap().iter().any(|m| m.name == "position"));
}

fn positions_and_values_come_by_request_id_as_well(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    let of =
        |id: i32, model: &str| record! { reqId: id, account: ACCOUNT, modelCode: model, ledgerAndNLV: true };
    let rows = client.ask("reqPositionsMulti", &of(1, ""), "positionMultiEnd").unwrap();
    assert_eq!(names(&rows), ["positionMulti", "positionMulti", "positionMultiEnd"]);
    let rows = client.ask("reqPositionsMulti", &of(2, "M"), "positionMultiEnd").unwrap();
    assert_eq!(names(&rows), ["positionMultiEnd"], "an empty model");
    let rows = client.ask("reqAccountUpdatesMulti", &of(3, ""), "accountUpdateMultiEnd").unwrap();
    assert!(rows.iter().any(|m| m.text("key") == "NetLiquidation"));
    assert!(!rows.iter().any(|m| m.text("key") == "AccountType"), "only the ledger was asked for");
    client.send("placeOrder", &order(1, "MSFT", "BUY", 1, "MKT", "")).unwrap();
    let changed = client.expect("positionMulti").unwrap();
    assert_eq!((changed.int("reqId"), changed.text("position")), (1, "101"));
}

fn profit_and_loss_is_told_at_once_and_again(version: u16) {
    let gateway = gateway(|c| c.pnl_interval = Duration::from_millis(5));
    let mut client = client(&gateway, version, 1);
    client.send("reqPnL", &record! { reqId: 1, account: ACCOUNT }).unwrap();
    let first = client.expect("pnl").unwrap();
    assert_eq!((first.float("unrealizedPnL"), first.float("realizedPnL")), (2000.0, 0.0));
    client.send("reqPnLSingle", &record! { reqId: 2, account: ACCOUNT, conId: MSFT }).unwrap();
    let single = client.expect("pnlSingle").unwrap();
    assert_eq!(single.text("position"), "100");
    assert!(matches!(single.text("realizedPnL"), "" | "1.7976931348623157E308"));
    gateway.set_price(MSFT, 500.0);
    client.find("the gain", |m| m.name == "pnl" && m.float("unrealizedPnL") == 11_000.0).unwrap();
    client.send("cancelPnL", &record! { reqId: 1 }).unwrap();
    client.fence().unwrap();
    client.expect("pnlSingle").unwrap();
    client.expect("pnlSingle").unwrap();
    assert!(!client.fence().unwrap().iter().any(|m| m.name == "pnl"));
}
