//! What a test sees of the orders in the simulated Gateway, and the faults that it can make around them.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;

use std::{net::TcpStream, time::Duration};

use twsmux::{
    protocol::layout::Record,
    record,
    sim::{
        self, Answered, Arrival, ArrivalKind, BookOrder, Commissions, Cut, LATEST, NextId, OrderFaults,
        RejectRule, Rejection, Restart, SimConfig, SimHandle,
        client::{ApiClient, PATIENCE, Received, order, put_request},
    },
};

const AAPL: i64 = 265_598;

fn gateway(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config = SimConfig {
        max_version: LATEST,
        fill_delay: Duration::from_millis(2),
        global_cancel_delay: Duration::from_millis(10),
        repeats: 0,
        ..SimConfig::default()
    };
    change(&mut config);
    sim::spawn(config).expect("the simulated Gateway starts")
}

fn client(gateway: &SimHandle, version: u16, id: i32) -> ApiClient {
    let mut client = ApiClient::open(gateway.address(), version, id).unwrap();
    client.fence().unwrap();
    client.transcript.clear();
    client
}

fn with(mut values: Record, more: &[(&'static str, &str)]) -> Record {
    for (name, value) in more {
        values.set(name, value);
    }
    values
}

fn limit(id: i32, price: &str) -> Record {
    order(id, "AAPL", "BUY", 10, "LMT", price)
}

fn status(m: &Received, id: i64, word: &str) -> bool {
    m.name == "orderStatus" && m.int("orderId") == id && m.text("status") == word
}

fn book_order(gateway: &SimHandle, client_id: i32, order_id: i32) -> BookOrder {
    let found =
        gateway.book_orders().into_iter().find(|o| (o.client_id, o.order_id) == (client_id, order_id));
    found.unwrap_or_else(|| panic!("no order {order_id} of client {client_id}: {:#?}", gateway.book_orders()))
}

at_versions!(
    the_book_shows_orders_and_executions_of_everybody,
    what_arrives_is_recorded_in_order_with_what_became_of_it,
    an_order_can_be_lost_with_its_connection,
    an_order_can_be_taken_in_without_an_answer,
    a_restart_keeps_what_the_gateway_knows,
    after_a_rolled_back_order_id_old_ids_are_taken_again_but_not_those_in_the_book,
    a_restart_can_forget_orders_and_executions,
    a_client_can_be_away_between_two_fills_of_one_order,
    commission_reports_can_come_first_or_late,
    orders_are_refused_on_demand,
    a_refused_change_leaves_the_order_as_it_was,
    every_id_that_was_seen_is_used_up,
    a_bracket_dies_with_a_parent_that_is_refused,
    a_master_client_hears_everybody_under_their_own_ids,
    chance_depends_on_the_order_alone,
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

fn kinds(arrivals: &[Arrival]) -> Vec<(i32, ArrivalKind, Answered)> {
    arrivals.iter().map(|a| (a.order_id, a.kind, a.answered)).collect()
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

/// Requests as one piece of bytes, so that they are read together.
fn together(version: u16, requests: &[(&str, Record)]) -> bytes::BytesMut {
    let mut bytes = bytes::BytesMut::new();
    for (name, values) in requests {
        put_request(name, version, values, &mut bytes);
    }
    bytes
}

fn an_order_can_be_lost_with_its_connection(version: u16) {
    use Answered::{Accepted, Lost};
    use ArrivalKind::{Cancel, Place};
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version, 1);
    let mut two = client(&gateway, version, 2);
    gateway.cut_at_order(Cut::BeforeProcessing, 3);
    two.send("placeOrder", &limit(1, "90.0")).unwrap();
    two.expect("orderStatus").unwrap();
    let requests = [
        ("placeOrder", limit(1, "100.0")),
        ("placeOrder", with(limit(2, "100.0"), &[("orderRef", "lost")])),
        ("cancelOrder", record! { orderId: 1 }),
        ("placeOrder", limit(3, "100.0")),
    ];
    one.send_raw(&together(version, &requests)).unwrap();
    let got = one.expect_closed().unwrap();
    assert!(got.is_empty(), "the answers of the first order were still queued: {got:?}");
    assert_eq!(
        kinds(&gateway.arrivals()),
        [(1, Place, Accepted), (1, Place, Accepted), (2, Place, Lost), (1, Cancel, Lost), (3, Place, Lost)]
    );
    assert_eq!(gateway.arrivals()[2].order_ref, "lost");
    assert_eq!((gateway.book_orders().len(), gateway.stats().cuts), (2, 1));
    two.fence().unwrap();
    // The id was not used up: nobody saw it.
    let mut again = ApiClient::open(gateway.address(), version, 1).unwrap();
    again.send("placeOrder", &limit(2, "100.0")).unwrap();
    again.find("the order", |m| status(m, 2, "Submitted")).unwrap();
}

fn an_order_can_be_taken_in_without_an_answer(version: u16) {
    use Answered::{Accepted, Lost};
    use ArrivalKind::{Cancel, Place};
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version, 1);
    gateway.cut_at_order(Cut::AfterProcessing, 1);
    gateway.cut_at_cancel(Cut::AfterProcessing, 1);
    one.send_raw(&together(version, &[("placeOrder", limit(1, "100.0")), ("placeOrder", limit(2, "100.0"))]))
        .unwrap();
    assert!(one.expect_closed().unwrap().is_empty());
    assert_eq!(kinds(&gateway.arrivals()), [(1, Place, Accepted), (2, Place, Lost)]);
    assert_eq!(gateway.book_orders().len(), 1);
    assert!(book_order(&gateway, 1, 1).working);

    let mut again = ApiClient::open(gateway.address(), version, 1).unwrap();
    assert!(again.transcript.iter().any(|m| status(m, 1, "Submitted")), "the start push tells of it");
    again.fence().unwrap();
    again.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    assert!(again.expect_closed().unwrap().is_empty());
    assert_eq!(kinds(&gateway.arrivals())[2..], [(1, Cancel, Accepted)]);
    assert_eq!((book_order(&gateway, 1, 1).status, gateway.stats().cuts), ("Cancelled", 2));
}

fn next_id(client: &mut ApiClient) -> i64 {
    let answer = client.ask("reqIds", &record! { numIds: 1 }, "nextValidId").unwrap();
    answer.last().unwrap().int("orderId")
}

/// Client 1 with a filled, a cancelled, a held, and two working orders under the ids 1 to 5.
fn with_some_orders(gateway: &SimHandle, version: u16) -> ApiClient {
    let mut one = client(gateway, version, 1);
    one.send("placeOrder", &order(1, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    one.expect("commissionAndFeesReport").unwrap();
    one.send("placeOrder", &limit(2, "100.0")).unwrap();
    one.send("cancelOrder", &record! { orderId: 2 }).unwrap();
    one.expect_error(2, 202).unwrap();
    one.send("placeOrder", &with(limit(3, "100.0"), &[("transmit", "0")])).unwrap();
    one.send("placeOrder", &limit(4, "100.0")).unwrap();
    one.send("placeOrder", &limit(5, "100.0")).unwrap();
    one.find("the last one", |m| status(m, 5, "Submitted")).unwrap();
    one
}

fn a_restart_keeps_what_the_gateway_knows(version: u16) {
    let gateway = gateway(|_| {});
    let mut one = with_some_orders(&gateway, version);
    let (orders, executions) = (gateway.book_orders(), gateway.book_executions());
    gateway.restart_with(&Restart { stay_down: true, ..Restart::default() }).unwrap();
    one.expect_closed().unwrap();
    assert!(TcpStream::connect(gateway.address()).is_err(), "it is down");
    gateway.accept_connections().unwrap();
    let mut one = ApiClient::open(gateway.address(), version, 1).unwrap();
    assert_eq!((gateway.book_orders(), gateway.book_executions()), (orders, executions));
    assert_eq!(next_id(&mut one), 6);
    let shown: Vec<_> =
        one.transcript.iter().filter(|m| m.name == "openOrder").map(|m| m.int("orderId")).collect();
    assert_eq!(shown, [4, 5], "those that work, without being asked for");
}

fn after_a_rolled_back_order_id_old_ids_are_taken_again_but_not_those_in_the_book(version: u16) {
    let gateway = gateway(|_| {});
    with_some_orders(&gateway, version);
    let next_order_ids = [(1, NextId::BackBy(5)), (9, NextId::To(40))].into();
    gateway.restart_with(&Restart { next_order_ids, forget_held: true, ..Restart::default() }).unwrap();
    let mut one = client(&gateway, version, 1);
    assert_eq!(next_id(&mut one), 1);
    for id in [1, 2] {
        one.send("placeOrder", &limit(id, "90.0")).unwrap();
        one.expect_error(id.into(), 103).unwrap();
    }
    assert_eq!(next_id(&mut one), 1, "an id that was refused as a duplicate is not used");
    // The id of the forgotten order is free again, that of a working one still means this order.
    one.send("placeOrder", &limit(3, "90.0")).unwrap();
    one.find("the new order", |m| status(m, 3, "Submitted")).unwrap();
    assert_eq!(next_id(&mut one), 4);
    one.send("placeOrder", &limit(4, "91.0")).unwrap();
    one.find("the change", |m| m.float("lmtPrice") == 91.0).unwrap();
    one.send("placeOrder", &with(limit(5, "91.0"), &[("action", "SELL")])).unwrap();
    one.expect_error(5, 105).unwrap();
    assert_eq!(gateway.book_orders().len(), 5);
    let mut nine = client(&gateway, version, 9);
    assert_eq!(next_id(&mut nine), 40);
}

fn a_restart_can_forget_orders_and_executions(version: u16) {
    let gateway = gateway(|_| {});
    with_some_orders(&gateway, version);
    let before = gateway.book_executions();
    gateway.restart_with(&Restart { forget_day: true, ..Restart::default() }).unwrap();
    let ids = || gateway.book_orders().iter().map(|o| o.order_id).collect::<Vec<_>>();
    assert_eq!((ids(), gateway.book_executions()), (vec![3, 4, 5], vec![]));
    let mut one = client(&gateway, version, 1);
    let rows = one.ask("reqCompletedOrders", &record! { apiOnly: false }, "completedOrdersEnd").unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(one.ask("reqExecutions", &record! { reqId: 1 }, "execDetailsEnd").unwrap().len(), 1);
    one.send("placeOrder", &limit(2, "90.0")).unwrap();
    one.expect_error(2, 103).unwrap();
    gateway.set_price(AAPL, 99.0);
    assert!(gateway.wait_for(PATIENCE, |g| g.book_executions().len() == 2));
    assert!(gateway.book_executions().iter().all(|e| e.exec_id != before[0].exec_id), "no id comes twice");
    gateway.restart_with(&Restart { forget_held: true, ..Restart::default() }).unwrap();
    assert_eq!(ids(), [4, 5]);
}

#[test]
fn a_restart_can_change_the_accounts_and_the_version() {
    let gateway = gateway(|_| {});
    let accounts = |version| {
        let mut one = ApiClient::open(gateway.address(), version, 1).unwrap();
        let rows = one.ask("reqPositions", &Record::new(), "positionEnd").unwrap();
        let list = one
            .transcript
            .iter()
            .find(|m| m.name == "managedAccounts")
            .unwrap()
            .text("accountsList")
            .to_owned();
        let held: Vec<_> = rows
            .iter()
            .filter(|m| m.text("symbol") == "AAPL")
            .map(|m| (m.text("account").to_owned(), m.text("position").to_owned()))
            .collect();
        (list, held)
    };
    let mut one = client(&gateway, LATEST, 1);
    one.send("placeOrder", &order(1, "AAPL", "BUY", 3, "MKT", "")).unwrap();
    one.expect("commissionAndFeesReport").unwrap();
    let change = |names: &[&str], max_version| Restart {
        accounts: Some(names.iter().map(|n| (*n).to_owned()).collect()),
        max_version,
        ..Restart::default()
    };
    gateway.restart_with(&change(&["DU2", "DU3"], Some(176))).unwrap();
    let mut newest = ApiClient::dial(gateway.address()).unwrap();
    assert_eq!(newest.greet(100, LATEST, "").unwrap().version, 176);
    assert_eq!(accounts(176), ("DU2,DU3".into(), vec![]));
    gateway.restart_with(&change(&["DU9000001", "DU2"], None)).unwrap();
    let held = vec![("DU9000001".to_owned(), "3".to_owned())];
    assert_eq!(accounts(176), ("DU9000001,DU2".into(), held), "it comes back with what it holds");
    gateway.restart_with(&change(&[], None)).unwrap();
    assert_eq!(accounts(176).0, "DU9000001,DU2", "there is always one");
}

fn names(messages: &[Received]) -> Vec<&'static str> {
    messages.iter().map(|m| m.name).collect()
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

    gateway.configure(|c| c.commissions = Commissions::Late(Duration::from_secs(1)));
    one.transcript.clear();
    one.send("placeOrder", &order(2, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    let execution = one.expect("execDetails").unwrap();
    one.find("Filled", |m| status(m, 2, "Filled")).unwrap();
    let query = one.ask("reqExecutions", &record! { reqId: 9 }, "execDetailsEnd").unwrap();
    let known = ["execDetails", "execDetails", "commissionAndFeesReport", "execDetailsEnd"];
    assert_eq!(names(&query), known, "the second commission is not known yet");
    let late = one.until("commissionAndFeesReport").unwrap();
    assert_eq!(names(&late), ["openOrder", "orderStatus", "commissionAndFeesReport"]);
    assert_eq!((late[0].text("status"), late[0].float("commission")), ("Filled", 1.0));
    assert_eq!(late[2].text("execId"), execution.text("execId"));
    assert_eq!(one.ask("reqExecutions", &record! { reqId: 9 }, "execDetailsEnd").unwrap().len(), 5);
}

fn orders_are_refused_on_demand(version: u16) {
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version, 1);
    let mut try_order = |values: &Record| {
        one.send("placeOrder", values).unwrap();
        let messages = one.fence().unwrap();
        let code = messages.iter().find(|m| m.name == "error").map_or(0, |m| m.int("errorCode"));
        (code, names(&messages[..messages.len() - 1]), messages)
    };
    let pairs = ["openOrder", "orderStatus", "error", "openOrder", "orderStatus"];
    gateway.reject_next(1, Rejection::BackEnd201);
    let (code, names, _) = try_order(&limit(1, "100.0"));
    assert_eq!((code, names), (201, pairs.to_vec()));
    gateway.reject_next(1, Rejection::Margin);
    // A what-if is no order.
    assert_eq!(try_order(&with(limit(2, "100.0"), &[("whatIf", "1")])).0, 0);
    let (code, _, messages) = try_order(&limit(3, "100.0"));
    let text = messages[2].text("errorMsg");
    assert!(code == 201 && text.contains("MUST EXCEED THE INITIAL MARGIN"), "{text}");
    gateway.reject_next(2, Rejection::Validation321);
    for id in 4..6 {
        let (code, names, _) = try_order(&limit(id, "100.0"));
        assert_eq!((code, names), (321, vec!["error"]));
    }
    assert_eq!(try_order(&limit(6, "100.0")).0, 0, "only the next two");
    let rule = |symbol: Option<&str>, order_ref: Option<&str>, client_id| RejectRule {
        rejection: Rejection::Error { code: 10_289, text: "You must enable it first".into() },
        symbol: symbol.map(str::to_owned),
        order_ref: order_ref.map(str::to_owned),
        client_id,
        times: None,
    };
    gateway.reject_orders(rule(Some("MSFT"), None, None));
    gateway.reject_orders(rule(None, Some("bad"), None));
    gateway.reject_orders(rule(None, None, Some(2)));
    assert_eq!(try_order(&limit(7, "100.0")).0, 0);
    assert_eq!(try_order(&with(limit(8, "100.0"), &[("symbol", "MSFT")])).0, 10_289);
    assert_eq!(try_order(&with(limit(9, "100.0"), &[("orderRef", "bad")])).0, 10_289);
    gateway.clear_rejections();
    assert_eq!(try_order(&with(limit(10, "100.0"), &[("orderRef", "bad")])).0, 0);
    let words: Vec<_> = gateway.book_orders().iter().map(|o| (o.order_id, o.status)).collect();
    let want =
        [(1, "Inactive"), (3, "Inactive"), (6, "Submitted"), (7, "Submitted"), (10, "Submitted")].to_vec();
    assert_eq!(words, want);
}

fn a_refused_change_leaves_the_order_as_it_was(version: u16) {
    let gateway = gateway(|c| {
        c.fill_size = 4.0;
        c.part_delay = Some(Duration::from_secs(3600));
    });
    let mut one = client(&gateway, version, 1);
    one.send("placeOrder", &limit(1, "100.0")).unwrap();
    one.expect("orderStatus").unwrap();
    let before = book_order(&gateway, 1, 1);
    for (rejection, code) in [(Rejection::BackEnd201, 201), (Rejection::Validation321, 321)] {
        gateway.reject_next(1, rejection);
        one.send("placeOrder", &limit(1, "101.0")).unwrap();
        let messages = one.fence().unwrap();
        assert_eq!(names(&messages), ["error", "managedAccounts"]);
        assert_eq!(messages[0].int("errorCode"), code);
        assert_eq!(book_order(&gateway, 1, 1), before);
    }
    // What would happen if it were changed, is not a change.
    one.send("placeOrder", &with(limit(1, "102.0"), &[("whatIf", "1")])).unwrap();
    let messages = one.fence().unwrap();
    assert_eq!(names(&messages), ["openOrder", "managedAccounts"]);
    assert_eq!(messages[0].int("permId"), before.perm_id);
    assert_eq!(book_order(&gateway, 1, 1), before);
    // It lives on: it can be changed, and fills.
    one.send("placeOrder", &limit(1, "260.0")).unwrap();
    one.expect("commissionAndFeesReport").unwrap();
    one.send("placeOrder", &with(limit(1, "260.0"), &[("totalQuantity", "3")])).unwrap();
    one.expect_error(1, 201).unwrap();
    let order = book_order(&gateway, 1, 1);
    assert_eq!((order.quantity, order.filled, order.perm_id), (10.0, 4.0, before.perm_id));
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

fn a_bracket_dies_with_a_parent_that_is_refused(version: u16) {
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version, 1);
    gateway.reject_next(1, Rejection::BackEnd201);
    one.send("placeOrder", &with(limit(1, "100.0"), &[("transmit", "0")])).unwrap();
    one.expect_error(1, 201).unwrap();
    let child = with(order(2, "AAPL", "SELL", 10, "LMT", "300.0"), &[("parentId", "1")]);
    one.send("placeOrder", &child).unwrap();
    one.expect_error(2, 10_006).unwrap();
    assert_eq!(gateway.book_orders().len(), 1);
    // A child outlives its filled parent, also when that is forgotten, and can be changed then.
    let buy = with(order(3, "AAPL", "BUY", 10, "MKT", ""), &[("transmit", "0")]);
    one.send("placeOrder", &buy).unwrap();
    one.send("placeOrder", &with(child.clone(), &[("orderId", "4"), ("parentId", "3")])).unwrap();
    one.find("the child working", |m| status(m, 4, "Submitted")).unwrap();
    let before = book_order(&gateway, 1, 4);
    gateway.restart_with(&Restart { forget_day: true, ..Restart::default() }).unwrap();
    let mut one = client(&gateway, version, 1);
    one.send("placeOrder", &with(child, &[("orderId", "4"), ("parentId", "3"), ("lmtPrice", "301.0")]))
        .unwrap();
    one.find("the change", |m| m.name == "openOrder" && m.float("lmtPrice") == 301.0).unwrap();
    assert_eq!(book_order(&gateway, 1, 4), BookOrder { limit: Some(301.0), ..before });
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

fn chance_depends_on_the_order_alone(version: u16) {
    let faults = OrderFaults { rejected: 300, repeated: 300, ..OrderFaults::default() };
    let rejected = |others: bool| {
        let gateway = gateway(|c| c.order_faults = faults);
        let mut one = client(&gateway, version, 1);
        let mut two = client(&gateway, version, 2);
        for id in 1..=20 {
            if others {
                two.send("placeOrder", &limit(id, "99.0")).unwrap();
                two.fence().unwrap();
            }
            one.send("placeOrder", &limit(id, "100.0")).unwrap();
        }
        one.fence().unwrap();
        let of = |m: &Received| matches!(m.name, "openOrder" | "orderStatus" | "error");
        let got: Vec<_> =
            one.transcript.iter().filter(|m| of(m)).map(|m| (m.name, m.text("status").to_owned())).collect();
        let dead = gateway.book_orders().iter().filter(|o| o.client_id == 1 && o.over).count();
        let twice = one.transcript.iter().filter(|m| m.name == "openOrder").count() - 20 - dead;
        (got, dead, twice)
    };
    let (got, dead, twice) = rejected(false);
    assert!((1..15).contains(&dead) && (1..15).contains(&twice), "{dead} rejected, {twice} repeated");
    assert_eq!(rejected(true).0, got);
}

#[test]
fn a_fill_can_come_late_by_chance() {
    let gateway = gateway(|c| {
        c.order_faults =
            OrderFaults { late_fills: 500, late_by: Duration::from_secs(3600), ..OrderFaults::default() };
    });
    let mut one = client(&gateway, LATEST, 1);
    for id in 1..=20 {
        one.send("placeOrder", &order(id, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    }
    one.fence().unwrap();
    assert!(gateway.wait_for(PATIENCE, |g| g.next_deadline().is_none_or(|t| t.0 > 3_000_000_000)));
    let filled = gateway.book_executions().len();
    assert!((1..20).contains(&filled), "{filled}");
}
