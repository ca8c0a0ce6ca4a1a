//! Orders through the whole way: ids, ownership, what-ifs, brackets, fills, and what others may see.

mod support;

use support::{PATIENCE, mux_for, sim, wait_until};
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::{ApiClient, order};

fn open(address: std::net::SocketAddr, id: i32) -> ApiClient {
    let mut c = ApiClient::open(address, 176, id).expect("started");
    c.patience = PATIENCE;
    c.expect_error(-1, 2158).expect("farm notices");
    c
}

fn status(c: &mut ApiClient, order_id: i64, wanted: &str) {
    c.find(&format!("{order_id} {wanted}"), |m| {
        m.name == "orderStatus" && m.int("orderId") == order_id && m.text("status") == wanted
    })
    .unwrap();
}

fn at_work(c: &mut ApiClient, order_id: i64) {
    c.find(&format!("{order_id} at work"), |m| m.name == "orderStatus" && m.int("orderId") == order_id)
        .unwrap();
}

#[test]
fn a_what_if_is_answered_once_and_is_no_order_afterwards() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut c = open(mux.listen, 4);
    let mut what_if = order(1, "AAPL", "BUY", 100, "MKT", "");
    what_if.set("whatIf", 1);
    c.send("placeOrder", &what_if).unwrap();
    let answer = c.expect("openOrder").unwrap();
    assert_eq!((answer.int("orderId"), answer.int("clientId")), (1, 4));
    assert!(answer.float("initMarginAfter") > 0.0, "{}", answer.line());
    c.ask("reqOpenOrders", &Record::new(), "openOrderEnd").unwrap();
    drop(c);
    wait_until("the client to be forgotten", || mux.status("/clients") == serde_json::json!([]));
    let mut again = ApiClient::dial(mux.listen).unwrap();
    again.greet(100, 176, "").unwrap();
    again.start(4).unwrap();
    again.exactly("managedAccounts").expect("no live order to be shown");
}

#[test]
fn two_clients_with_equal_order_ids_own_their_orders() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let (mut a, mut b) = (open(mux.listen, 1), open(mux.listen, 2));
    a.send("placeOrder", &order(5, "AAPL", "BUY", 7, "LMT", "1.0")).unwrap();
    b.send("placeOrder", &order(5, "MSFT", "BUY", 9, "LMT", "2.0")).unwrap();
    let of = |c: &mut ApiClient| {
        let m = c.expect("openOrder").unwrap();
        (m.text("symbol").to_owned(), m.int("orderId"), m.int("clientId"))
    };
    assert_eq!(of(&mut a), ("AAPL".into(), 5, 1));
    assert_eq!(of(&mut b), ("MSFT".into(), 5, 2));
    // Own orders only for the one, everybody's for the other, each with its owner's ids.
    let own = a.ask("reqOpenOrders", &Record::new(), "openOrderEnd").unwrap();
    assert!(own.iter().filter(|m| m.name == "openOrder").all(|m| m.text("symbol") == "AAPL"));
    let all = b.ask("reqAllOpenOrders", &Record::new(), "openOrderEnd").unwrap();
    let mut seen: Vec<_> = all
        .iter()
        .filter(|m| m.name == "openOrder")
        .map(|m| (m.text("symbol").to_owned(), m.int("orderId"), m.int("clientId")))
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, [("AAPL".to_owned(), 5, 1), ("MSFT".to_owned(), 5, 2)]);
    // Nobody cancels another's: there is no such order among its own.
    b.send("cancelOrder", &record! { orderId: 6 }).unwrap();
    b.expect_error(6, 10147).unwrap();
    b.send("cancelOrder", &record! { orderId: 5 }).unwrap();
    status(&mut b, 5, "Cancelled");
    assert!(!a.fence().unwrap().iter().any(|m| m.text("status") == "Cancelled"), "the other order lives");
    assert_eq!(gateway.stats().orders_placed, 2);
}

#[test]
fn a_bracket_keeps_its_family_in_the_owners_ids() {
    let gateway = sim(|c| c.first_order_id = 1000);
    let mux = mux_for(&gateway, &[]);
    let mut other = open(mux.listen, 8);
    other.send("placeOrder", &order(2000, "SPY", "BUY", 1, "LMT", "1.0")).unwrap();
    at_work(&mut other, 2000);
    let mut c = open(mux.listen, 9);
    let mut parent = order(3000, "AAPL", "BUY", 10, "LMT", "1.0");
    parent.set("transmit", 0);
    let mut target = order(3001, "AAPL", "SELL", 10, "LMT", "900");
    target.set("transmit", 0).set("parentId", 3000);
    let mut stop = order(3002, "AAPL", "SELL", 10, "STP", "");
    stop.set("auxPrice", "0.5").set("parentId", 3000);
    for part in [&parent, &target, &stop] {
        c.send("placeOrder", part).unwrap();
    }
    for child in [3001, 3002] {
        let shown = c.find("a child", |m| m.name == "openOrder" && m.int("orderId") == child).unwrap();
        assert_eq!((shown.int("parentId"), shown.int("clientId")), (3000, 9), "{}", shown.line());
    }
    c.send("cancelOrder", &record! { orderId: 3000 }).unwrap();
    let mut ended = std::collections::BTreeSet::new();
    while ended.len() < 3 {
        let m = c
            .find("the end of the family", |m| m.name == "orderStatus" && m.text("status") == "Cancelled")
            .unwrap();
        assert!(m.int("orderId") == 3000 || m.int("parentId") == 3000, "{}", m.line());
        ended.insert(m.int("orderId"));
    }
    assert_eq!(ended.into_iter().collect::<Vec<_>>(), [3000, 3001, 3002]);
    let mut orphan = order(3003, "AAPL", "SELL", 1, "LMT", "900");
    orphan.set("parentId", 77);
    c.send("placeOrder", &orphan).unwrap();
    assert!(c.expect_error(3003, 201).unwrap().text("errorMsg").contains("77"));
}

#[test]
fn a_fill_and_its_commission_reach_the_owner_and_queries_reach_the_asker() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let (mut a, mut b) = (open(mux.listen, 1), open(mux.listen, 2));
    a.send("placeOrder", &order(1, "AAPL", "BUY", 3, "MKT", "")).unwrap();
    let fill = a.expect("execDetails").unwrap();
    assert_eq!((fill.int("reqId"), fill.int("orderId"), fill.int("clientId")), (-1, 1, 1));
    let report = a.expect("commissionAndFeesReport").unwrap();
    assert_eq!(report.text("execId"), fill.text("execId"));
    assert!(b.fence().unwrap().iter().all(|m| m.name == "managedAccounts"), "a stranger sees nothing of it");
    // Another client asks: everybody's, or by owner.
    let all = b.ask("reqExecutions", &record! { reqId: 5 }, "execDetailsEnd").unwrap();
    let seen: Vec<_> = all.iter().filter(|m| m.name == "execDetails").collect();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].int("reqId"), seen[0].int("orderId"), seen[0].int("clientId")), (5, 1, 1));
    assert_eq!(all.iter().filter(|m| m.name == "commissionAndFeesReport").count(), 1);
    let own = b.ask("reqExecutions", &record! { reqId: 6, clientId: 2 }, "execDetailsEnd").unwrap();
    assert_eq!(own.len(), 1, "client 2 has none: {own:?}");
    assert!(
        a.fence().unwrap().iter().all(|m| m.name != "commissionAndFeesReport"),
        "answers to b are not a's"
    );
}

#[test]
fn an_order_id_below_one_that_was_used_is_refused_as_by_the_gateway() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut c = open(mux.listen, 1);
    c.send("placeOrder", &order(10, "AAPL", "BUY", 3, "LMT", "1.0")).unwrap();
    at_work(&mut c, 10);
    c.send("placeOrder", &order(9, "AAPL", "BUY", 3, "LMT", "1.0")).unwrap();
    c.expect_error(9, 103).unwrap();
    c.send("reqIds", &record! { numIds: 1 }).unwrap();
    assert_eq!(c.expect("nextValidId").unwrap().int("orderId"), 11);
    assert_eq!(gateway.stats().orders_placed, 1);
}

#[test]
fn a_manual_order_that_client_0_bound_can_be_changed_and_cancelled_by_it_under_its_negative_id() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let (mut zero, mut other) = (open(mux.listen, 0), open(mux.listen, 1));
    zero.send("reqAutoOpenOrders", &record! { autoBind: 1 }).unwrap();
    zero.fence().unwrap();
    for n in 1..=2 {
        let placed = gateway.drive(|g, now| {
            let aapl = g.con_id_of("AAPL").expect("it is there");
            g.place_manual_order(now, aapl, true, 5.0, 1.0)
        });
        assert!(placed.is_some());
        let id = zero.expect("openOrder").unwrap().int("orderId");
        assert_eq!(id, -n, "bound under a negative id");
        zero.send("cancelOrder", &record! { orderId: id }).unwrap();
        status(&mut zero, id, "Cancelled");
        zero.expect_error(id, 202).unwrap();
    }
    assert!(other.fence().unwrap().iter().all(|m| m.name == "managedAccounts"), "nobody else hears of it");
}
