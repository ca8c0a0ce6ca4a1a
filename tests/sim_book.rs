//! What is known of the orders in the simulated Gateway: its book, what arrived, how fills are told, and to whom.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;
#[path = "support/gateway.rs"]
mod support;

use std::time::Duration;

use support::{AAPL, book_order, client, gateway, kinds, limit, names, next_id, status, with};
use twsmux::{
    protocol::layout::Record,
    record,
    sim::{
        Answered, ArrivalKind, Commissions, Rejection,
        client::{ApiClient, PATIENCE, Received, order},
    },
    wire::frame,
};

at_versions!(
    the_book_shows_orders_and_executions_of_everybody,
    what_arrives_is_recorded_in_order_with_what_became_of_it,
    what_is_refused_before_it_is_an_order_is_recorded_too,
    a_client_can_be_away_between_two_fills_of_one_order,
    commission_reports_can_come_first_or_late,
    every_id_that_was_seen_is_used_up,
    a_master_client_hears_everybody_under_their_own_ids,
);

fn the_book_shows_orders_and_executions_of_everybody(version: u16) {
    let gateway = gateway(|c| c.fill_size = 6.0);
    let mut one = client(&gateway, version, 1);
    let mut two = client(&gateway, version, 2);
    assert!(gateway.book_orders().is_empty() && gateway.book_executions().is_empty());
    one.send("placeOrder", &with(limit(7, "260.0"), &[("orderRef", "bought")])).unwrap();
    one.find("Filled", |m| status(m, 7, "Filled")).unwrap();
    two.send("placeOrder", &with(limit(3, "100.5"), &[("transmit", "0"), ("ocaGroup", "g")])).unwrap();
    let stop = with(order(4, "AAPL", "SELL", 2, "STP", ""), &[("auxPrice", "50.0"), ("parentId", "3")]);
    two.send("placeOrder", &with(stop, &[("transmit", "0")])).unwrap();
    two.fence().unwrap();
    gateway.drive(|g, now| g.place_manual_order(now, AAPL, false, 5.0, 900.0)).unwrap();

    let filled = book_order(&gateway, 1, 7);
    assert_eq!(
        (filled.order_ref.as_str(), filled.action.as_str(), filled.order_type.as_str()),
        ("bought", "BUY", "LMT")
    );
    assert_eq!((filled.account.as_str(), filled.symbol.as_str()), ("DU9000001", "AAPL"));
    assert_eq!(
        (filled.limit, filled.quantity, filled.filled, filled.remaining),
        (Some(260.0), 10.0, 10.0, 0.0)
    );
    assert_eq!(
        (filled.status, filled.completed_status.as_str(), filled.average),
        ("Filled", "Filled Size: 10", 250.01)
    );
    assert!(filled.over && !filled.working && !filled.held && !filled.manual);
    let parent = book_order(&gateway, 2, 3);
    assert!(parent.held && !parent.over && !parent.working);
    assert_eq!((parent.oca_group.as_str(), parent.parent), ("g", 0));
    let child = book_order(&gateway, 2, 4);
    assert_eq!((child.parent, child.stop, child.limit), (3, Some(50.0), None));
    assert!(child.perm_id > parent.perm_id && parent.perm_id > filled.perm_id);
    let manual = book_order(&gateway, 0, 0);
    assert!(manual.manual && manual.working);

    let [first, second] = &gateway.book_executions()[..] else { panic!("{:?}", gateway.book_executions()) };
    assert_eq!((first.client_id, first.order_id, first.perm_id), (1, 7, filled.perm_id));
    assert_eq!((first.quantity, first.price, first.cumulative), (6.0, 250.01, 6.0));
    assert_eq!((second.quantity, second.cumulative), (4.0, 10.0));
    assert_eq!((second.order_ref.as_str(), second.buy), ("bought", true));
    assert_ne!(first.exec_id, second.exec_id);
}

fn what_arrives_is_recorded_in_order_with_what_became_of_it(version: u16) {
    use Answered::{Accepted, Ignored, Refused};
    use ArrivalKind::{Cancel, Exercise, GlobalCancel, Modify, Place, WhatIf};
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version, 1);
    let mut place = |values: Record| one.send("placeOrder", &values).unwrap();
    place(with(limit(1, "100.0"), &[("orderRef", "a")]));
    place(with(limit(1, "101.0"), &[("orderRef", "a"), ("totalQuantity", "20")]));
    place(with(limit(2, "100.0"), &[("whatIf", "1")]));
    place(with(limit(3, "100.0"), &[("symbol", "NOSUCH")]));
    place(with(limit(4, "100.0"), &[("tif", "FOK")]));
    place(limit(2, "100.0"));
    one.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    one.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    one.send("cancelOrder", &record! { orderId: 77 }).unwrap();
    one.send("placeOrder", &limit(1, "102.0")).unwrap();
    one.send(
        "exerciseOptions",
        &record! { id: 5, symbol: "AAPL", secType: "STK", exchange: "SMART", exerciseQuantity: 1 },
    )
    .unwrap();
    one.send("placeOrder", &order(6, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    one.find("Filled", |m| status(m, 6, "Filled")).unwrap();
    one.send("placeOrder", &order(6, "AAPL", "BUY", 2, "MKT", "")).unwrap();
    one.send("reqGlobalCancel", &Record::new()).unwrap();
    one.fence().unwrap();
    gateway.mute(true);
    one.send("placeOrder", &limit(8, "100.0")).unwrap();
    assert!(gateway.wait_for(PATIENCE, |g| g.arrivals().len() == 15));
    let arrivals = gateway.arrivals();
    let want = [
        (1, Place, Accepted),
        (1, Modify, Accepted),
        (2, WhatIf, Accepted),
        (3, Place, Refused(200)),
        (4, Place, Refused(201)),
        (2, Place, Refused(103)),
        (1, Cancel, Accepted),
        (1, Cancel, Refused(10148)),
        (77, Cancel, Refused(10147)),
        (1, Modify, Refused(103)),
        (5, Exercise, Refused(322)),
        (6, Place, Accepted),
        (6, Modify, Ignored),
        (-1, GlobalCancel, Accepted),
        (8, Place, Ignored),
    ];
    assert_eq!(kinds(&arrivals), want);
    assert!(arrivals.iter().all(|a| (a.client_id, a.connection) == (1, 1)));
    assert!(arrivals.is_sorted_by_key(|a| a.time));
    assert_eq!((arrivals[1].limit, arrivals[1].quantity), (Some(101.0), 20.0));
    assert_eq!((arrivals[0].order_ref.as_str(), arrivals[6].order_ref.as_str()), ("a", "a"));
}

fn what_is_refused_before_it_is_an_order_is_recorded_too(version: u16) {
    use Answered::Refused;
    use ArrivalKind::{Cancel, Place};
    let gateway = gateway(|c| c.read_only = true);
    let mut one = client(&gateway, version, 1);
    one.send("placeOrder", &limit(1, "100.0")).unwrap();
    one.expect_error(1, 321).unwrap();
    gateway.configure(|c| {
        c.read_only = false;
        c.messages_per_second = Some(0);
    });
    one.send("cancelOrder", &record! { orderId: 2 }).unwrap();
    one.expect_error(-1, 100).unwrap();
    assert_eq!(kinds(&gateway.arrivals()), [(1, Place, Refused(321)), (2, Cancel, Refused(100))]);
}

#[test]
fn an_order_that_cannot_be_read_is_recorded_under_its_id() {
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, 176, 1);
    let mut bytes = bytes::BytesMut::new();
    frame::put(b"3\x0077\x00", &mut bytes);
    one.send_raw(&bytes).unwrap();
    one.expect_error(77, 320).unwrap();
    assert_eq!(kinds(&gateway.arrivals()), [(77, ArrivalKind::Place, Answered::Refused(320))]);
}

fn a_client_can_be_away_between_two_fills_of_one_order(version: u16) {
    let gateway = gateway(|c| {
        c.fill_size = 4.0;
        c.part_delay = Some(Duration::from_secs(3600));
    });
    let mut one = client(&gateway, version, 1);
    one.send("placeOrder", &limit(1, "260.0")).unwrap();
    let messages = one.until("commissionAndFeesReport").unwrap();
    assert_eq!(
        names(&messages)[2..],
        ["execDetails", "openOrder", "orderStatus", "commissionAndFeesReport"],
        "a part is told once, with its state"
    );
    let part = &messages[4];
    assert!(status(part, 1, "Submitted"), "{}", part.line());
    assert_eq!((part.text("filled"), part.text("remaining")), ("4", "6"));
    assert_eq!((part.float("avgFillPrice"), part.float("lastFillPrice")), (250.01, 250.01));
    drop(one);
    assert!(gateway.wait(PATIENCE, |s| s.open == 0).is_ok());
    // The market comes nearer, but the next part is not due.
    gateway.set_price(AAPL, 240.0);
    let next = |g: &twsmux::sim::gateway::Gateway| g.next_deadline().map(|t| t.0);
    assert!(gateway.drive(|g, _| next(g)) > Some(3_000_000_000), "only the next part is due");
    assert!(gateway.fill_now(1, 1));
    let order = book_order(&gateway, 1, 1);
    assert_eq!((order.status, order.filled, order.remaining), ("Submitted", 8.0, 2.0));
    assert!((order.average - 245.01).abs() < 1e-9);

    let mut one = ApiClient::open(gateway.address(), version, 1).unwrap();
    let shown = one.transcript.iter().find(|m| status(m, 1, "Submitted")).unwrap();
    assert_eq!((shown.text("filled"), shown.text("remaining")), ("8", "2"));
    assert!(gateway.fill_now(1, 1));
    one.find("the rest", |m| status(m, 1, "Filled") && m.text("filled") == "10").unwrap();
    assert!(!gateway.fill_now(1, 1) && !gateway.fill_now(1, 2));
    let sums: Vec<_> = gateway.book_executions().iter().map(|e| e.cumulative).collect();
    assert_eq!(sums, [4.0, 8.0, 10.0]);
}

fn commission_reports_can_come_first_or_late(version: u16) {
    let gateway = gateway(|c| c.commissions = Commissions::Before);
    let mut one = client(&gateway, version, 1);
    one.send("placeOrder", &order(1, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    one.find("the end", |m| m.name == "openOrder" && m.float("commission") == 1.0).unwrap();
    let first = one.transcript.iter().position(|m| m.name == "commissionAndFeesReport").unwrap();
    let (report, execution) = (&one.transcript[first], &one.transcript[first + 1]);
    assert_eq!(execution.name, "execDetails");
    assert_eq!(report.text("execId"), execution.text("execId"));
    one.fence().unwrap();

    gateway.configure(|c| c.commissions = Commissions::Late(Duration::from_secs(3600)));
    one.send("placeOrder", &order(2, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    one.find("Filled", |m| status(m, 2, "Filled")).unwrap();
    let query = one.ask("reqExecutions", &record! { reqId: 9 }, "execDetailsEnd").unwrap();
    let known = ["execDetails", "execDetails", "commissionAndFeesReport", "execDetailsEnd"];
    assert_eq!(names(&query), known, "the second commission is not known yet");

    gateway.configure(|c| c.commissions = Commissions::Late(Duration::from_millis(1)));
    one.send("placeOrder", &order(3, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    let execution = one.expect("execDetails").unwrap();
    let late = one.until("commissionAndFeesReport").unwrap();
    let pair = ["openOrder", "orderStatus"];
    assert_eq!(names(&late), [&pair[..], &pair, &["commissionAndFeesReport"]].concat());
    assert_eq!((late[0].text("status"), late[2].text("status")), ("Filled", "Filled"));
    assert_ne!(late[0].float("commission"), 1.0);
    assert_eq!(late[2].float("commission"), 1.0);
    assert_eq!(late[4].text("execId"), execution.text("execId"));
    let query = one.ask("reqExecutions", &record! { reqId: 9 }, "execDetailsEnd").unwrap();
    assert_eq!(names(&query).iter().filter(|n| **n == "commissionAndFeesReport").count(), 2);
}

fn every_id_that_was_seen_is_used_up(version: u16) {
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version, 1);
    gateway.reject_next(1, Rejection::Error { code: 10_289, text: "No".into() });
    one.send("placeOrder", &limit(3, "100.0")).unwrap();
    one.expect_error(3, 10_289).unwrap();
    one.send("placeOrder", &with(limit(5, "100.0"), &[("whatIf", "1")])).unwrap();
    one.send("placeOrder", &with(limit(7, "100.0"), &[("transmit", "0")])).unwrap();
    one.send("placeOrder", &limit(9, "100.0")).unwrap();
    one.send("reqGlobalCancel", &Record::new()).unwrap();
    one.expect_error(7, 202).unwrap();
    one.expect_error(7, 161).unwrap();
    one.expect_error(9, 202).unwrap();
    assert_eq!(next_id(&mut one), 10);
    // Below the next id, used or skipped, there is nothing but live orders.
    for id in 1..=9 {
        one.send("placeOrder", &limit(id, "100.0")).unwrap();
        one.expect_error(id.into(), 103).unwrap();
    }
    for (id, code) in [(7, 10_148), (9, 10_148), (3, 10_147), (5, 10_147)] {
        one.send("cancelOrder", &record! { orderId: id }).unwrap();
        one.expect_error(id, code).unwrap();
    }
    // The discarded order is named on every global cancel, the one that was cancelled is not.
    for _ in 0..2 {
        one.send("reqGlobalCancel", &Record::new()).unwrap();
        let messages = one.fence().unwrap();
        assert_eq!(names(&messages), ["error", "managedAccounts"]);
        assert_eq!((messages[0].int("id"), messages[0].int("errorCode")), (7, 161));
    }
    assert_eq!(next_id(&mut one), 10);
}

fn a_master_client_hears_everybody_under_their_own_ids(version: u16) {
    let gateway = gateway(|c| {
        c.master_client_id = Some(77);
        c.fill_size = 4.0;
    });
    let mut one = client(&gateway, version, 1);
    let mut two = client(&gateway, version, 2);
    let mut master = client(&gateway, version, 77);
    for (owner, id) in [(&mut one, 1), (&mut two, 2)] {
        owner.send("placeOrder", &limit(1, "260.0")).unwrap();
        owner.find("Filled", |m| status(m, 1, "Filled")).unwrap();
        owner.fence().unwrap();
        let heard = |m: &Received| (m.name, m.payload.clone());
        let own: Vec<_> =
            owner.transcript.iter().filter(|m| m.name != "managedAccounts").map(heard).collect();
        master.transcript.clear();
        master.fence().unwrap();
        let theirs: Vec<_> =
            master.transcript.iter().filter(|m| m.name != "managedAccounts").map(heard).collect();
        assert_eq!(theirs, own, "the very same messages");
        assert_eq!(own.iter().filter(|(name, _)| *name == "execDetails").count(), 3);
        assert_eq!(own.iter().filter(|(name, _)| *name == "commissionAndFeesReport").count(), 3);
        for m in master.transcript.iter().filter(|m| m.name == "execDetails" || m.name == "orderStatus") {
            assert_eq!((m.int("orderId"), m.int("clientId")), (1, id));
        }
    }
    assert_eq!(one.fence().unwrap().len(), 1, "others hear of their own orders only");
}
