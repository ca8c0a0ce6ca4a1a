//! The faults that a test can make in the simulated Gateway: around orders, and in how it sends.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;
#[path = "support/gateway.rs"]
mod support;

use std::{net::TcpStream, time::Duration};

use support::{AAPL, book_order, client, gateway, kinds, limit, names, next_id, status, with};
use twsmux::{
    limits,
    protocol::layout::Record,
    record,
    sim::{
        Answered, ArrivalKind, BookOrder, Close, Cut, Drip, LATEST, NextId, OrderFaults, RejectRule,
        Rejection, Restart, SimConfig, SimHandle,
        client::{ApiClient, ClientError, PATIENCE, Received, order, put_request, stock},
    },
};

at_versions!(
    an_order_can_be_lost_with_its_connection,
    an_order_can_be_taken_in_without_an_answer,
    a_restart_keeps_what_the_gateway_knows,
    after_a_rolled_back_order_id_old_ids_are_taken_again_but_not_those_in_the_book,
    a_restart_can_forget_orders_and_executions,
    orders_are_refused_on_demand,
    a_refused_change_leaves_the_order_as_it_was,
    a_bracket_dies_with_a_parent_that_is_refused,
    chance_depends_on_the_order_alone,
    bytes_drip_from_the_first_one_on_and_can_be_read,
    a_gateway_that_does_not_write_says_all_of_it_later,
    answers_do_not_end,
    a_burst_updates_every_line_at_once,
);

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
    // Also not for two parts of one order with a night between them.
    gateway.configure(|c| {
        c.fill_size = 4.0;
        c.part_delay = Some(Duration::from_secs(3600));
    });
    gateway.restart_with(&Restart { forget_day: true, ..Restart::default() }).unwrap();
    let mut one = client(&gateway, version, 1);
    one.send("placeOrder", &limit(6, "260.0")).unwrap();
    one.expect("execDetails").unwrap();
    let before = gateway.book_executions();
    gateway.restart_with(&Restart { forget_day: true, ..Restart::default() }).unwrap();
    assert!(gateway.fill_now(1, 6));
    let after = gateway.book_executions();
    assert_eq!((after[0].perm_id, after[0].cumulative), (before[0].perm_id, 8.0));
    assert_ne!(after[0].exec_id, before[0].exec_id);
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

/// Quotes of some symbols under the ids 1 and following; their updates are due when nobody waits any more.
fn watch(one: &mut ApiClient, symbols: &[&str]) {
    for (n, symbol) in symbols.iter().enumerate() {
        one.send("reqMktData", &with(stock(symbol), &[("reqId", &(n + 1).to_string())])).unwrap();
    }
    one.fence().unwrap();
    one.transcript.clear();
}

fn calm(c: &mut SimConfig) {
    c.tick_interval = Duration::from_secs(3600);
}

fn ticks_of(messages: &[Received], id: i64) -> usize {
    messages.iter().filter(|m| m.name == "tickPrice" && m.int("reqId") == id).count()
}

fn bytes_drip_from_the_first_one_on_and_can_be_read(version: u16) {
    let drip = Drip { most: 3, pause: Duration::from_micros(50) };
    let gateway = gateway(|c| {
        calm(c);
        c.drip = Some(drip);
    });
    let mut one = ApiClient::open(gateway.address(), version, 1).unwrap();
    one.fence().unwrap();
    let read: usize = one.transcript.iter().map(|m| m.payload.len() + 4).sum();
    let pieces = gateway.stats().pieces as usize;
    assert!(read > 100 && pieces * drip.most > read, "{read} bytes in {pieces} pieces");
    gateway.drip(None);
    watch(&mut one, &["AAPL"]);
    assert_eq!(gateway.stats().pieces as usize, pieces, "it is over");
    gateway.drip(Some(drip));
    gateway.burst(3);
    one.fence().unwrap();
    assert!(ticks_of(&one.transcript, 1) >= 3);
    assert!(gateway.stats().pieces as usize > pieces + 50, "in the middle as well");
}

fn a_gateway_that_does_not_write_says_all_of_it_later(version: u16) {
    let gateway = gateway(calm);
    let mut one = client(&gateway, version, 1);
    watch(&mut one, &["AAPL"]);
    gateway.stall_writing(true);
    one.send("reqPositions", &Record::new()).unwrap();
    gateway.wait(PATIENCE, |s| s.count(61) == 1).unwrap();
    gateway.burst(1);
    assert!(gateway.wait_for(PATIENCE, |g| g.unsent() > 100), "it has read, and written nothing");
    one.send("reqManagedAccts", &Record::new()).unwrap();
    gateway.stall_writing(false);
    let got = names(&one.until("managedAccounts").unwrap());
    let at = |name| got.iter().position(|n| *n == name).unwrap_or_else(|| panic!("no {name}: {got:?}"));
    assert!(at("positionEnd") < at("tickPrice"), "in the order in which it would have been said");
    assert!(gateway.drive(|g, _| g.unsent()) == 0);
}

fn answers_do_not_end(version: u16) {
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version, 1);
    let questions = [
        ("reqPositions", Record::new(), "position", "positionEnd"),
        (
            "reqContractDetails",
            with(stock("AAPL"), &[("reqId", "1")]),
            "contractDetails",
            "contractDetailsEnd",
        ),
        ("reqAllOpenOrders", Record::new(), "openOrder", "openOrderEnd"),
        ("reqExecutions", record! { reqId: 2 }, "execDetails", "execDetailsEnd"),
    ];
    one.send("placeOrder", &order(1, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    one.expect("commissionAndFeesReport").unwrap();
    one.send("placeOrder", &limit(2, "100.0")).unwrap();
    one.find("the order", |m| status(m, 2, "Submitted")).unwrap();
    gateway.endless(true);
    for (n, (name, values, row, end)) in questions.iter().enumerate() {
        one.send(name, values).unwrap();
        let got = names(&one.fence().unwrap());
        assert!(got.contains(row) && !got.contains(end), "{name}: {got:?}");
        assert_eq!(gateway.stats().ends_kept, n as u64 + 1);
    }
    // What is no answer goes on, and a session can begin.
    client(&gateway, version, 2);
    gateway.endless(false);
    for (name, values, _, end) in &questions {
        one.ask(name, values, end).unwrap();
    }
}

fn a_burst_updates_every_line_at_once(version: u16) {
    let gateway = gateway(calm);
    let mut one = client(&gateway, version, 1);
    watch(&mut one, &["AAPL", "MSFT"]);
    let snapshot = with(stock("SPY"), &[("reqId", "9"), ("snapshot", "1")]);
    gateway.configure(|c| c.snapshot_time = Duration::from_secs(3600));
    one.send("reqMktData", &snapshot).unwrap();
    one.fence().unwrap();
    gateway.burst(50);
    let got = one.fence().unwrap();
    assert!([1, 2].iter().all(|id| ticks_of(&got, *id) >= 50), "{} messages", got.len());
    assert!(!got.iter().any(|m| m.int("reqId") == 9), "a snapshot is no stream");
    gateway.burst(0);
    assert_eq!(one.fence().unwrap().len(), 1);
}

#[test]
fn what_is_no_frame_and_what_is_too_large_goes_out_as_it_is() {
    let gateway = gateway(|_| {});
    let large = (limits::MAX_FRAME as u32 + 1).to_be_bytes();
    for bytes in [&[0xff; 16][..], &[&large[..], b"more"].concat(), &[0, 0, 0, 0]] {
        let mut one = client(&gateway, LATEST, 1);
        gateway.send_raw(bytes);
        let error = one.receive().unwrap_err();
        assert!(matches!(error, ClientError::Wire(_)), "{error}");
        gateway.close_all(Close::Reset);
        gateway.wait(PATIENCE, |s| s.open == 0).unwrap();
    }
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
