//! Orders in the simulated Gateway: their life, their families, who may touch them, who sees them.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;

use std::time::Duration;

use twsmux::{
    protocol::layout::Record,
    record,
    sim::{
        self, LATEST, SimConfig, SimHandle,
        client::{ApiClient, PATIENCE, Received, order},
    },
};

const AAPL: i64 = 265_598;

fn gateway(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config = SimConfig {
        max_version: LATEST,
        fill_delay: Duration::from_millis(2),
        global_cancel_delay: Duration::from_millis(10),
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

fn names(messages: &[Received]) -> Vec<&'static str> {
    messages.iter().map(|m| m.name).collect()
}

at_versions!(
    a_resting_order_is_echoed_and_repeated_with_the_same_bytes,
    a_market_order_fills_in_the_order_of_a_real_one,
    a_large_order_fills_in_parts,
    a_modification_is_the_same_id_again_and_can_fill,
    a_cancel_is_a_status_and_then_202,
    a_cancel_can_pass_through_pending_cancel,
    nobody_cancels_or_hears_the_orders_of_another_client,
    a_master_client_hears_the_orders_of_all,
    what_if_is_one_open_order_and_no_order,
    every_refusal_has_its_code,
    a_rejection_stands_between_two_inactive_pairs,
    untransmitted_orders_are_silent_and_a_bracket_lives_and_dies_together,
    children_wake_when_their_parent_fills_and_one_fill_kills_the_other,
    a_stop_triggers_when_the_market_reaches_it,
    immediate_or_cancel_ends_by_itself,
    a_global_cancel_takes_every_working_order_and_discards_what_was_held,
    executions_come_all_first_then_their_commissions_and_can_be_filtered,
    completed_orders_follow_the_askers_own_cancelled_ones,
    manual_orders_are_bound_by_client_0_alone,
    conditions_algos_and_combinations_come_back_as_they_were_sent,
    an_option_is_exercised_under_an_order_id,
    an_order_survives_its_client_and_fills_while_it_is_away,
    outside_trading_hours_orders_wait_with_a_warning_until_the_opening,
    orders_of_one_group_cancel_each_other_when_one_fills,
    in_a_moving_market_a_resting_order_fills_in_time,
    a_conditional_order_rests_whatever_its_price,
);

fn a_resting_order_is_echoed_and_repeated_with_the_same_bytes(version: u16) {
    let gateway = gateway(|c| c.repeats = 2);
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &with(limit(1, "100.0"), &[("orderRef", "mine")])).unwrap();
    for _ in 0..6 {
        client.receive().unwrap();
    }
    assert_eq!(names(&client.transcript), ["openOrder", "orderStatus"].repeat(3));
    let [open, status] = &client.transcript[..2] else { panic!() };
    assert_eq!((open.int("orderId"), open.int("clientId"), open.text("status")), (1, 1, "Submitted"));
    assert_eq!((open.float("lmtPrice"), open.text("orderRef"), open.int("ocaType")), (100.0, "mine", 3));
    assert_eq!(
        (open.text("localSymbol"), open.text("tradingClass"), open.int("conId")),
        ("AAPL", "NMS", AAPL)
    );
    assert_eq!(open.text("permId"), status.text("permId"));
    for pair in client.transcript.chunks(2) {
        assert_eq!((&pair[0].payload, &pair[1].payload), (&open.payload, &status.payload));
    }
    assert_eq!(gateway.stats().orders_placed, 1);
}

fn a_market_order_fills_in_the_order_of_a_real_one(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &order(1, "AAPL", "BUY", 10, "MKT", "")).unwrap();
    let messages = client.until("commissionAndFeesReport").unwrap();
    let want = [
        "openOrder",
        "orderStatus",
        "execDetails",
        "openOrder",
        "orderStatus",
        "openOrder",
        "orderStatus",
        "commissionAndFeesReport",
    ];
    assert_eq!(names(&messages), want);
    assert_eq!((messages[0].text("status"), messages[3].text("status")), ("Submitted", "Filled"));
    let fill = &messages[2];
    assert_eq!((fill.int("reqId"), fill.text("side"), fill.float("price")), (-1, "BOT", 250.01));
    assert_eq!(fill.text("exchange"), "NASDAQ", "the venue, not SMART");
    assert_eq!((messages[4].text("filled"), messages[4].text("remaining")), ("10", "0"));
    assert_eq!(messages[5].float("commission"), 1.0);
    assert_eq!(messages[7].text("execId"), fill.text("execId"));
    assert!(matches!(messages[7].text("realizedPNL"), "" | "1.7976931348623157E308"), "nothing was closed");
    client.send("placeOrder", &order(2, "AAPL", "SELL", 10, "MKT", "")).unwrap();
    let closing = client.expect("commissionAndFeesReport").unwrap();
    assert!((closing.float("realizedPNL") - -1.2).abs() < 1e-9, "{}", closing.line());
}

fn a_large_order_fills_in_parts(version: u16) {
    let gateway = gateway(|c| c.fill_size = 4.0);
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &order(1, "AAPL", "BUY", 10, "MKT", "")).unwrap();
    let done = client.find("Filled", |m| status(m, 1, "Filled")).unwrap();
    assert_eq!(done.text("filled"), "10");
    let shares: Vec<_> =
        client.transcript.iter().filter(|m| m.name == "execDetails").map(|m| m.float("shares")).collect();
    assert_eq!(shares, [4.0, 4.0, 2.0]);
    let sums: Vec<_> =
        client.transcript.iter().filter(|m| m.name == "execDetails").map(|m| m.float("cumQty")).collect();
    assert_eq!(sums, [4.0, 8.0, 10.0]);
}

fn a_modification_is_the_same_id_again_and_can_fill(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &limit(1, "100.0")).unwrap();
    let perm_id = client.expect("openOrder").unwrap().text("permId").to_owned();
    client.send("placeOrder", &limit(1, "101.0")).unwrap();
    let open = client.find("the new price", |m| m.float("lmtPrice") == 101.0).unwrap();
    assert_eq!(open.text("permId"), perm_id);
    client.send("placeOrder", &limit(1, "260.0")).unwrap();
    client.find("Filled", |m| status(m, 1, "Filled")).unwrap();
    client.send("placeOrder", &limit(1, "261.0")).unwrap();
    client.expect("commissionAndFeesReport").unwrap();
    let after = client.fence().unwrap();
    assert_eq!(names(&after), ["managedAccounts"], "the change of a filled order draws no answer");
    assert_eq!((gateway.stats().orders_placed, gateway.stats().orders_modified), (1, 2));
    assert_eq!(gateway.stats().executions, 1);
}

fn a_cancel_is_a_status_and_then_202(version: u16) {
    let gateway = gateway(|c| c.repeats = 0);
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &limit(1, "100.0")).unwrap();
    client.expect("orderStatus").unwrap();
    let messages = client.ask("cancelOrder", &record! { orderId: 1 }, "error").unwrap();
    assert_eq!(names(&messages), ["orderStatus", "error"]);
    assert_eq!((messages[0].text("status"), messages[0].text("remaining")), ("Cancelled", "10"));
    assert_eq!((messages[1].int("id"), messages[1].int("errorCode")), (1, 202));
    client.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    client.expect_error(1, 10148).unwrap();
    client.send("cancelOrder", &record! { orderId: 99 }).unwrap();
    client.expect_error(99, 10147).unwrap();
}

fn a_cancel_can_pass_through_pending_cancel(version: u16) {
    let gateway = gateway(|c| {
        c.pending_cancel = true;
        c.repeats = 0;
    });
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &limit(1, "100.0")).unwrap();
    client.expect("orderStatus").unwrap();
    let messages = client.ask("cancelOrder", &record! { orderId: 1 }, "error").unwrap();
    let words: Vec<_> =
        messages.iter().filter(|m| m.name == "orderStatus").map(|m| m.text("status").to_owned()).collect();
    assert_eq!(words, ["PendingCancel", "PendingCancel", "Cancelled"]);
}

fn nobody_cancels_or_hears_the_orders_of_another_client(version: u16) {
    let gateway = gateway(|_| {});
    let mut owner = client(&gateway, version, 1);
    let mut other = client(&gateway, version, 0);
    owner.send("placeOrder", &limit(1, "100.0")).unwrap();
    owner.expect("orderStatus").unwrap();
    other.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    other.expect_error(1, 10147).unwrap();
    assert_eq!(names(&other.ask("reqOpenOrders", &Record::new(), "openOrderEnd").unwrap()), ["openOrderEnd"]);
    let all = other.ask("reqAllOpenOrders", &Record::new(), "openOrderEnd").unwrap();
    assert_eq!(names(&all), ["openOrder", "orderStatus", "openOrderEnd"]);
    assert_eq!((all[0].int("orderId"), all[0].int("clientId")), (1, 1));
    owner.send("placeOrder", &order(2, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    owner.expect("commissionAndFeesReport").unwrap();
    assert_eq!(names(&other.fence().unwrap()), ["managedAccounts"]);
    assert_eq!(other.ask("reqIds", &record! { numIds: 1 }, "nextValidId").unwrap()[0].int("orderId"), 1);
    assert_eq!(
        owner.ask("reqIds", &record! { numIds: 1 }, "nextValidId").unwrap().last().unwrap().int("orderId"),
        3
    );
}

fn a_master_client_hears_the_orders_of_all(version: u16) {
    let gateway = gateway(|c| c.master_client_id = Some(77));
    let mut owner = client(&gateway, version, 1);
    let mut master = client(&gateway, version, 77);
    owner.send("placeOrder", &order(1, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    let fill = master.expect("execDetails").unwrap();
    assert_eq!((fill.int("orderId"), fill.int("clientId")), (1, 1));
    master.expect("commissionAndFeesReport").unwrap();
}

fn what_if_is_one_open_order_and_no_order(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &with(limit(1, "100.0"), &[("whatIf", "1")])).unwrap();
    let messages = client.fence().unwrap();
    assert_eq!(names(&messages), ["openOrder", "managedAccounts"]);
    assert_eq!((messages[0].text("status"), messages[0].float("initMarginChange")), ("PreSubmitted", 500.0));
    assert!(messages[0].values.flag("whatIf"));
    assert_eq!(gateway.stats().orders_placed, 0);
    let next = client.ask("reqIds", &record! { numIds: 1 }, "nextValidId").unwrap();
    assert_eq!(next[0].int("orderId"), 2, "it used up its id");
}

fn every_refusal_has_its_code(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    let refusals: [(Record, i64); 8] = [
        (with(limit(1, "100.0"), &[("symbol", "NOSUCH")]), 200),
        (with(limit(2, "100.0"), &[("orderType", "NONSENSE")]), 321),
        (with(limit(3, "100.0"), &[("totalQuantity", "0")]), 434),
        (limit(4, "100.001"), 110),
        (with(limit(5, "100.0"), &[("account", "DU1")]), 321),
        (with(limit(6, "100.0"), &[("parentId", "1")]), 10006),
        (with(limit(7, "100.0"), &[("algoStrategy", "DarkIce"), ("displaySize", "5")]), 10255),
        (limit(3, "100.0"), 103),
    ];
    for (request, code) in refusals {
        client.send("placeOrder", &request).unwrap();
        client.expect_error(request.int("orderId").unwrap(), code).unwrap();
    }
    assert!(!client.transcript.iter().any(|m| m.name == "openOrder" || m.name == "orderStatus"));
    assert_eq!(gateway.stats().malformed, 0);
}

fn a_rejection_stands_between_two_inactive_pairs(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &with(limit(1, "251.0"), &[("tif", "FOK")])).unwrap();
    client.send("placeOrder", &with(limit(2, "251.0"), &[("totalQuantity", "1000000")])).unwrap();
    let messages = client.fence().unwrap();
    let pair = ["openOrder", "orderStatus", "error", "openOrder", "orderStatus"];
    assert_eq!(names(&messages)[..10], [pair, pair].concat());
    assert_eq!((messages[1].text("status"), messages[2].int("errorCode")), ("Inactive", 201));
    assert!(messages[7].text("errorMsg").contains("MUST EXCEED THE INITIAL MARGIN"));
    // The dead are named on every global cancel.
    for _ in 0..2 {
        client.send("reqGlobalCancel", &Record::new()).unwrap();
        client.expect_error(1, 161).unwrap();
        client.expect_error(2, 161).unwrap();
    }
}

fn untransmitted_orders_are_silent_and_a_bracket_lives_and_dies_together(version: u16) {
    let gateway = gateway(|c| c.repeats = 0);
    let mut client = client(&gateway, version, 1);
    let child = |id, kind, limit, stop| {
        let base = order(id, "AAPL", "SELL", 10, kind, limit);
        with(base, &[("parentId", "1"), ("auxPrice", stop), ("transmit", "0")])
    };
    client.send("placeOrder", &with(limit(1, "100.0"), &[("transmit", "0")])).unwrap();
    client.send("placeOrder", &child(2, "LMT", "300.0", "")).unwrap();
    assert_eq!(names(&client.fence().unwrap()), ["managedAccounts"], "nothing was transmitted");
    client.send("placeOrder", &with(child(3, "STP", "", "50.0"), &[("transmit", "1")])).unwrap();
    let messages = client.fence().unwrap();
    let seen: Vec<_> = messages
        .iter()
        .filter(|m| m.name == "orderStatus")
        .map(|m| {
            (m.int("orderId"), m.int("parentId"), m.text("status").to_owned(), m.text("whyHeld").to_owned())
        })
        .collect();
    let word = |s: &str| s.to_owned();
    assert_eq!(
        seen,
        [
            (1, 0, word("Submitted"), word("")),
            (2, 1, word("PreSubmitted"), word("child")),
            (3, 1, word("PreSubmitted"), word("child,trigger")),
        ]
    );
    assert_eq!(messages[2].text("ocaGroup"), messages[0].text("permId"), "the parent's permanent id");
    client.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    for id in 1..=3 {
        client.find("Cancelled", |m| status(m, id, "Cancelled")).unwrap();
        client.expect_error(id, 202).unwrap();
    }
}

fn children_wake_when_their_parent_fills_and_one_fill_kills_the_other(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &with(order(1, "AAPL", "BUY", 10, "MKT", ""), &[("transmit", "0")])).unwrap();
    let child = |id, kind, limit, stop, transmit| {
        let base = order(id, "AAPL", "SELL", 10, kind, limit);
        with(base, &[("parentId", "1"), ("auxPrice", stop), ("transmit", transmit)])
    };
    client.send("placeOrder", &child(2, "LMT", "300.0", "", "0")).unwrap();
    client.send("placeOrder", &child(3, "STP", "", "50.0", "1")).unwrap();
    client.find("the parent filled", |m| status(m, 1, "Filled")).unwrap();
    client.find("the limit working", |m| status(m, 2, "Submitted")).unwrap();
    let stop = client.find("the stop waiting", |m| status(m, 3, "PreSubmitted")).unwrap();
    assert_eq!(stop.text("whyHeld"), "trigger");
    assert!(gateway.set_price(AAPL, 305.0));
    client.find("the limit filled", |m| status(m, 2, "Filled")).unwrap();
    client.find("the stop cancelled", |m| status(m, 3, "Cancelled")).unwrap();
}

fn a_stop_triggers_when_the_market_reaches_it(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    let stop = with(order(1, "AAPL", "SELL", 5, "STP", ""), &[("auxPrice", "240.0")]);
    client.send("placeOrder", &stop).unwrap();
    client.find("the stop waiting", |m| status(m, 1, "PreSubmitted")).unwrap();
    gateway.set_price(AAPL, 239.0);
    client.find("the stop filled", |m| status(m, 1, "Filled")).unwrap();
    assert!(!gateway.set_price(1, 1.0));
}

fn immediate_or_cancel_ends_by_itself(version: u16) {
    let gateway = gateway(|c| c.repeats = 0);
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &with(limit(1, "100.0"), &[("tif", "IOC")])).unwrap();
    let messages = client.until("error").unwrap();
    let words: Vec<_> =
        messages.iter().filter(|m| m.name == "orderStatus").map(|m| m.text("status").to_owned()).collect();
    assert_eq!(words, ["Submitted", "Submitted", "PendingCancel", "Cancelled"]);
}

fn a_global_cancel_takes_every_working_order_and_discards_what_was_held(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    for id in 1..=4 {
        client.send("placeOrder", &limit(id, "100.0")).unwrap();
    }
    client.send("placeOrder", &with(limit(5, "100.0"), &[("transmit", "0")])).unwrap();
    client.send("reqGlobalCancel", &Record::new()).unwrap();
    let discarded = client.expect_error(5, 202).unwrap();
    assert_eq!(discarded.text("errorMsg"), "Order Canceled - reason:Order was discarded.");
    let mut cancelled: Vec<_> =
        (0..4).map(|_| client.find("202", |m| m.int("errorCode") == 202).unwrap().int("id")).collect();
    cancelled.sort_unstable();
    assert_eq!(cancelled, [1, 2, 3, 4]);
    client.send("reqGlobalCancel", &Record::new()).unwrap();
    client.expect_error(5, 161).unwrap();
    let rest = client.ask("reqOpenOrders", &Record::new(), "openOrderEnd").unwrap();
    assert_eq!(names(&rest), ["openOrderEnd"]);
}

fn executions_come_all_first_then_their_commissions_and_can_be_filtered(version: u16) {
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version, 1);
    let mut two = client(&gateway, version, 2);
    one.send("placeOrder", &order(1, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    one.expect("commissionAndFeesReport").unwrap();
    two.send("placeOrder", &order(1, "MSFT", "SELL", 2, "MKT", "")).unwrap();
    two.expect("commissionAndFeesReport").unwrap();
    let all = one.ask("reqExecutions", &record! { reqId: 9, clientId: 0 }, "execDetailsEnd").unwrap();
    let want = [
        "execDetails",
        "execDetails",
        "commissionAndFeesReport",
        "commissionAndFeesReport",
        "execDetailsEnd",
    ];
    assert_eq!(names(&all), want);
    assert!(all[..2].iter().all(|m| m.int("reqId") == 9));
    let count = |client: &mut ApiClient, filter: Record| {
        let rows = client.ask("reqExecutions", &filter, "execDetailsEnd").unwrap();
        rows.iter().filter(|m| m.name == "execDetails").count()
    };
    assert_eq!(count(&mut one, record! { reqId: 10, clientId: 2 }), 1);
    assert_eq!(count(&mut one, record! { reqId: 11, side: "SELL" }), 1);
    assert_eq!(count(&mut one, record! { reqId: 12, symbol: "AAPL", secType: "STK" }), 1);
    assert_eq!(count(&mut one, record! { reqId: 13, acctCode: "DU1" }), 0);
    assert_eq!(count(&mut one, record! { reqId: 14, time: "20300101-00:00:00" }), 0);
}

fn completed_orders_follow_the_askers_own_cancelled_ones(version: u16) {
    let gateway = gateway(|c| c.repeats = 0);
    let mut one = client(&gateway, version, 1);
    one.send("placeOrder", &limit(1, "100.0")).unwrap();
    one.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    one.expect_error(1, 202).unwrap();
    one.send("placeOrder", &order(2, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    one.expect("commissionAndFeesReport").unwrap();
    let rows = one.ask("reqCompletedOrders", &record! { apiOnly: false }, "completedOrdersEnd").unwrap();
    assert_eq!(names(&rows), ["orderStatus", "completedOrder", "completedOrder", "completedOrdersEnd"]);
    assert_eq!(rows[1].text("completedStatus"), "Cancelled by Trader");
    assert_eq!((rows[2].text("completedStatus"), rows[2].text("filledQuantity")), ("Filled Size: 1", "1"));
    let mut two = client(&gateway, version, 2);
    let rows = two.ask("reqCompletedOrders", &record! { apiOnly: false }, "completedOrdersEnd").unwrap();
    assert_eq!(names(&rows), ["completedOrder", "completedOrder", "completedOrdersEnd"]);
}

fn manual_orders_are_bound_by_client_0_alone(version: u16) {
    let gateway = gateway(|c| c.repeats = 0);
    let mut zero = client(&gateway, version, 0);
    let mut one = client(&gateway, version, 1);
    one.send("reqAutoOpenOrders", &record! { autoBind: true }).unwrap();
    one.expect_error(-1, 327).unwrap();
    let perm_id = gateway.drive(|g, now| g.place_manual_order(now, AAPL, true, 5.0, 100.0)).unwrap();
    let seen = one.ask("reqAllOpenOrders", &Record::new(), "openOrderEnd").unwrap();
    assert_eq!((seen[0].int("orderId"), seen[0].int("permId")), (0, perm_id));
    zero.send("reqAutoOpenOrders", &record! { autoBind: true }).unwrap();
    let bound = zero.expect("orderBound").unwrap();
    assert_eq!((bound.int("permId"), bound.int("clientId")), (perm_id, 0));
    let id = bound.int("orderId");
    assert!(id < 0);
    zero.send("cancelOrder", &record! { orderId: id }).unwrap();
    zero.find("Cancelled", |m| status(m, id, "Cancelled")).unwrap();
    gateway.drive(|g, now| g.place_manual_order(now, AAPL, true, 5.0, 100.0)).unwrap();
    zero.expect("orderBound").unwrap();
}

fn conditions_algos_and_combinations_come_back_as_they_were_sent(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    let mut request = with(limit(1, "100.0"), &[("algoStrategy", "Adaptive")]);
    request.push("algoParamsCount", record! { tag: "adaptivePriority", value: "Normal" });
    request.push(
        "conditionsCount",
        record! { type: 1, conjunction: "a", isMore: 1, price: "90.5", conId: AAPL, exchange: "SMART" },
    );
    client.send("placeOrder", &request).unwrap();
    let open = client.expect("openOrder").unwrap();
    assert_eq!(open.values.rows("algoParamsCount")[0].get("value"), Some("Normal"));
    assert_eq!(open.values.rows("conditionsCount")[0].get("price"), Some("90.5"));
    let mut bag = with(limit(2, "1.0"), &[("secType", "BAG")]);
    for leg in [800_000_000, 800_000_001] {
        bag.push("comboLegsCount", record! { conId: leg, ratio: 1, action: "BUY", exchange: "SMART" });
    }
    client.send("placeOrder", &bag).unwrap();
    let open = client.find("the combination", |m| m.name == "openOrder" && m.int("orderId") == 2).unwrap();
    assert_eq!(open.values.rows("comboLegsCount").len(), 2);
}

fn an_option_is_exercised_under_an_order_id(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    let option = [
        ("symbol", "AAPL"),
        ("secType", "OPT"),
        ("lastTradeDateOrContractMonth", "20261218"),
        ("strike", "240.0"),
        ("right", "C"),
        ("exchange", "SMART"),
    ];
    let buy = with(order(1, "AAPL", "BUY", 1, "MKT", ""), &option);
    client.send("placeOrder", &buy).unwrap();
    client.expect("commissionAndFeesReport").unwrap();
    let exercise =
        |id: i32, n: i32| with(record! { id: id, exerciseAction: 1, exerciseQuantity: n }, &option);
    client.send("exerciseOptions", &exercise(2, 1)).unwrap();
    client.expect_error(2, 10349).unwrap();
    client.find("the order", |m| status(m, 2, "PreSubmitted")).unwrap();
    client.send("exerciseOptions", &exercise(3, 7)).unwrap();
    client.expect_error(3, 322).unwrap();
    let next = client.ask("reqIds", &record! { numIds: 1 }, "nextValidId").unwrap();
    assert_eq!(next.last().unwrap().int("orderId"), 4);
}

fn an_order_survives_its_client_and_fills_while_it_is_away(version: u16) {
    let gateway = gateway(|_| {});
    let mut owner = client(&gateway, version, 1);
    owner.send("placeOrder", &limit(1, "100.0")).unwrap();
    owner.expect("orderStatus").unwrap();
    drop(owner);
    gateway.wait(PATIENCE, |s| s.open == 0).unwrap();
    gateway.set_price(AAPL, 99.0);
    gateway.wait(PATIENCE, |s| s.executions == 1).unwrap();
    let mut owner = client(&gateway, version, 1);
    let rows = owner.ask("reqExecutions", &record! { reqId: 1 }, "execDetailsEnd").unwrap();
    assert_eq!((rows[0].int("orderId"), rows[0].float("price")), (1, 99.01));
}

fn outside_trading_hours_orders_wait_with_a_warning_until_the_opening(version: u16) {
    let gateway = gateway(|c| {
        c.market_open = false;
        c.repeats = 0;
    });
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &order(1, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    let messages = client.fence().unwrap();
    assert_eq!(names(&messages), ["openOrder", "orderStatus", "error", "managedAccounts"]);
    assert_eq!((messages[1].text("status"), messages[2].int("errorCode")), ("PreSubmitted", 399));
    assert!(messages[2].text("errorMsg").starts_with("Order Message:\nBUY 1 AAPL NASDAQ.NMS\nWarning: "));
    gateway.set_market_open(true);
    client.find("Filled", |m| status(m, 1, "Filled")).unwrap();
}

fn orders_of_one_group_cancel_each_other_when_one_fills(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    for id in 1..=2 {
        client
            .send("placeOrder", &with(limit(id, "100.0"), &[("ocaGroup", "either"), ("ocaType", "1")]))
            .unwrap();
    }
    let open = client.expect("openOrder").unwrap();
    assert_eq!((open.text("ocaGroup"), open.text("ocaType")), ("either", "1"));
    client.send("placeOrder", &with(limit(2, "260.0"), &[("ocaGroup", "either"), ("ocaType", "1")])).unwrap();
    client.find("the fill", |m| status(m, 2, "Filled")).unwrap();
    client.find("the other", |m| status(m, 1, "Cancelled")).unwrap();
}

#[test]
fn an_order_is_shown_in_full_to_clients_of_other_versions() {
    let gateway = gateway(|_| {});
    let mut newest = ApiClient::open(gateway.address(), LATEST, 1).unwrap();
    let more = [("orderRef", "note"), ("customerAccount", "C1"), ("duration", "77"), ("tif", "GTC")];
    newest.send("placeOrder", &with(limit(1, "100.0"), &more)).unwrap();
    newest.expect("orderStatus").unwrap();
    let mut oldest = ApiClient::open(gateway.address(), 100, 2).unwrap();
    let mut text = ApiClient::open(gateway.address(), 200, 3).unwrap();
    let mut same = ApiClient::open(gateway.address(), LATEST, 4).unwrap();
    let seen = |client: &mut ApiClient| {
        client.send("reqAllOpenOrders", &Record::new()).unwrap();
        client.expect("openOrder").unwrap()
    };
    let (old, text, new) = (seen(&mut oldest), seen(&mut text), seen(&mut same));
    for other in [&text, &new] {
        for field in ["orderRef", "tif", "permId", "account", "orderId", "clientId"] {
            assert_eq!(old.text(field), other.text(field), "{field}");
        }
        assert_eq!(old.float("lmtPrice"), other.float("lmtPrice"));
        assert_eq!((other.text("customerAccount"), other.text("duration")), ("C1", "77"));
    }
    assert_eq!(old.text("customerAccount"), "", "older than the field");
}

#[test]
fn attached_orders_are_children_with_the_ids_that_came_with_the_order() {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), 218, 1).unwrap();
    client.fence().unwrap();
    let more = [("slOrderId", "3"), ("slOrderType", "PRESET"), ("ptOrderId", "2"), ("ptOrderType", "PRESET")];
    client.send("placeOrder", &with(limit(1, "249.0"), &more)).unwrap();
    let mut shown = |id| client.find("a child", |m| m.name == "openOrder" && m.int("orderId") == id).unwrap();
    let (taker, stop) = (shown(2), shown(3));
    assert_eq!((taker.int("parentId"), taker.text("orderType"), taker.text("action")), (1, "LMT", "SELL"));
    assert_eq!((stop.int("parentId"), stop.text("orderType"), stop.float("auxPrice")), (1, "STP", 244.02));
    assert_eq!(taker.text("ocaGroup"), stop.text("ocaGroup"), "one cancels the other");
    gateway.set_price(AAPL, 248.0);
    client.find("the fill", |m| status(m, 1, "Filled")).unwrap();
    gateway.set_price(AAPL, 255.0);
    client.find("the profit", |m| status(m, 2, "Filled")).unwrap();
    client.find("the stop's end", |m| status(m, 3, "Cancelled")).unwrap();
}

fn in_a_moving_market_a_resting_order_fills_in_time(version: u16) {
    let gateway = gateway(|c| {
        c.drift_interval = Some(Duration::from_millis(1));
        c.fill_delay = Duration::ZERO;
    });
    let mut client = client(&gateway, version, 1);
    client.send("placeOrder", &limit(1, "249.8")).unwrap();
    let fill = client.expect("execDetails").unwrap();
    assert!(fill.float("price") <= 249.8, "{}", fill.line());
}

fn a_conditional_order_rests_whatever_its_price(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version, 1);
    let mut request = order(1, "AAPL", "BUY", 1, "MKT", "");
    request
        .push("conditionsCount", record! { type: 3, conjunction: "a", isMore: 1, time: "20300101 00:00:00" });
    client.send("placeOrder", &request).unwrap();
    assert_eq!(client.expect("orderStatus").unwrap().text("status"), "PreSubmitted");
    gateway.set_price(AAPL, 200.0);
    assert!(!client.fence().unwrap().iter().any(|m| m.name == "execDetails"));
}
