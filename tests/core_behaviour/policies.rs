//! What the policy of a client id allows, and what it does when a connection ends.

use crate::support::World;
use crate::support::ease::{SECOND, errors, ids, link_again, world};
use twsmux::core::io::{Gone, Input};
use twsmux::core::policy::{GlobalCancel, Policy};
use twsmux::ids::ClientId;

/// A ready world in which client 9 has this policy.
fn with(policy: Policy) -> World {
    let mut w = world(|c| {
        c.policies.by_id.insert(ClientId(9), policy);
    });
    w.link_up(176);
    w
}

/// A client with an order that works; its id upstream.
fn working(w: &mut World, who: usize, order: &str) -> String {
    let up = w.places(who, order);
    w.shows(&up, "Submitted");
    w.got(who);
    up
}

/// The cancels that went upstream: message and order id.
fn cancels(w: &mut World) -> Vec<(u16, Option<i64>)> {
    let up = w.went_up().into_iter().filter(|f| matches!(f.id, 4 | 58));
    up.map(|f| (f.id, f.request().int("orderId"))).collect()
}

/// An order of quantity 10 at 5.
fn order<'a>(id: &'a str, more: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
    let mut order = vec![
        ("orderId", id),
        ("totalQuantity", "10"),
        ("orderType", "LMT"),
        ("lmtPrice", "5"),
        ("auxPrice", "0"),
        ("secType", "STK"),
    ];
    order.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    order.extend_from_slice(more);
    order
}

#[test]
fn a_client_id_that_is_not_allowed_is_refused_as_if_it_were_in_use() {
    let mut w = world(|c| {
        c.policies.default.allowed = false;
        c.policies.by_id.insert(ClientId(9), Policy::default());
    });
    w.link_up(176);
    let who = w.starting(100, 176);
    w.start(who, 8);
    let told = w.got(who);
    assert_eq!(errors(&told), [(-1, 326)]);
    assert!(told.last().unwrap().words().contains("client id 8 is not allowed"));
    let mine = w.started(9);
    assert!(errors(&w.got(mine)).is_empty());
    assert_eq!(w.core.view(w.now).stats.denied, 1);
}

#[test]
fn whoever_may_only_read_does_nothing_with_orders_and_its_orders_stay_open() {
    let mut w = world(|_| {});
    w.link_up(176);
    let who = w.started(9);
    working(&mut w, who, "60");
    let mut config = w.core.config().clone();
    config.policies.by_id.insert(ClientId(9), Policy { read_only: true, ..Policy::default() });
    w.handle(Input::Reconfigure { config: &config });
    w.went_up();
    w.request(who, 3, &order("61", &[]));
    w.request(who, 3, &order("60", &[]));
    w.request(who, 4, &[("orderId", "60")]);
    w.request(who, 21, &[("id", "62")]);
    w.request(who, 58, &[]);
    let told = errors(&w.got(who));
    assert_eq!(told, [(61, 201), (60, 399), (60, 399), (62, 201), (-1, 321)]);
    assert!(w.went_up().is_empty());
    w.request(who, 1, &[("reqId", "1")]);
    w.request(who, 61, &[]);
    w.request(who, 16, &[]);
    assert_eq!(ids(&w.went_up()).len(), 3, "it may ask for everything");
}

#[test]
fn whoever_may_have_market_data_only_hears_nothing_of_accounts() {
    let mut w = with(Policy { data_only: true, ..Policy::default() });
    let who = w.started(9);
    w.went_up();
    w.request(who, 3, &order("60", &[]));
    w.got(who);
    for (message, id) in [
        (6, -1),
        (61, -1),
        (5, -1),
        (16, -1),
        (99, -1),
        (80, -1),
        (62, 1),
        (74, 1),
        (76, 1),
        (92, 1),
        (94, 1),
        (7, 1),
    ] {
        w.request(who, message, &[("reqId", "1"), ("subscribe", "1")]);
        let told = errors(&w.got(who));
        assert_eq!(told, [(id, 321)], "message {message}");
    }
    assert!(w.went_up().is_empty());
    w.request(who, 1, &[("reqId", "1")]);
    w.request(who, 9, &[("reqId", "2")]);
    w.request(who, 12, &[("allMsgs", "1")]);
    assert_eq!(w.went_up().len(), 3);
}

#[test]
fn orders_beyond_a_limit_are_refused_and_a_modification_leaves_the_order_as_it_is() {
    let limits =
        Policy { max_order_quantity: Some(100.0), max_order_value: Some(1000.0), ..Policy::default() };
    let mut w = with(limits);
    let who = w.started(9);
    let refused: &[(&[(&'static str, &str)], &str)] = &[
        (&[("totalQuantity", "101"), ("lmtPrice", "1")], "quantity of 101 is above 100"),
        (&[("totalQuantity", "20"), ("lmtPrice", "50.5")], "value of 1010 is above 1000"),
        (
            &[("totalQuantity", "20"), ("orderType", "STP"), ("lmtPrice", "0"), ("auxPrice", "51")],
            "value of 1020",
        ),
        (
            &[("totalQuantity", "20"), ("orderType", "STP LMT"), ("lmtPrice", "1"), ("auxPrice", "51")],
            "value of 1020",
        ),
        // What looks like a price and is none.
        (&[("orderType", "MKT"), ("lmtPrice", "0.01")], "no price (order type \"MKT\")"),
        (
            &[("orderType", "TRAIL"), ("lmtPrice", "0"), ("auxPrice", "0.5")],
            "no price (order type \"TRAIL\")",
        ),
        (&[("secType", "")], "names no multiplier"),
        (&[("secType", "FUT")], "names no multiplier"),
        (&[("secType", "BAG")], "combination"),
        // What looks like a quantity and is none, or hides behind an amount of money.
        (&[("totalQuantity", "0")], "has no quantity"),
        (&[("totalQuantity", "")], "has no quantity"),
        (&[("totalQuantity", "90"), ("lmtPrice", "12"), ("cashQty", "1")], "value of 1080"),
        (&[("totalQuantity", "1"), ("cashQty", "1001")], "value of 1001"),
        (&[("totalQuantity", "1"), ("secType", "OPT"), ("lmtPrice", "11")], "value of 1100"),
        (&[("totalQuantity", "1"), ("multiplier", "50"), ("lmtPrice", "21")], "value of 1050"),
        (&[("orderType", "MKT"), ("lmtPrice", "")], "has no price"),
        (&[("totalQuantity", "0"), ("cashQty", "1001")], "value of 1001"),
    ];
    for (n, (more, words)) in refused.iter().enumerate() {
        let id = (60 + n).to_string();
        w.request(who, 3, &order(&id, more));
        let told = w.got(who);
        assert_eq!(errors(&told), [(60 + n as i32, 201)], "{more:?}");
        assert!(told[0].words().contains(words), "{}", told[0].words());
    }
    assert!(w.went_up().iter().all(|f| f.id != 3));
    w.request(who, 3, &order("80", &[("totalQuantity", "100"), ("lmtPrice", "10")]));
    w.request(who, 3, &order("81", &[("totalQuantity", "0"), ("cashQty", "1000")]));
    assert_eq!(ids(&w.went_up()), [3, 3]);
    w.request(who, 3, &order("80", &[("totalQuantity", "100"), ("lmtPrice", "11")]));
    assert_eq!(errors(&w.got(who)), [(80, 399)]);
}

#[test]
fn orders_for_other_accounts_are_refused() {
    let mut w = with(Policy { accounts: vec!["DU1".into()], ..Policy::default() });
    let who = w.started(9);
    w.went_up();
    w.request(who, 3, &order("60", &[("account", "DU2")]));
    w.request(who, 3, &order("61", &[("account", "DU1"), ("faGroup", "All")]));
    assert_eq!(errors(&w.got(who)), [(60, 201), (61, 201)]);
    assert!(w.went_up().is_empty());
    w.request(who, 3, &order("62", &[("account", "DU1")]));
    assert_eq!(ids(&w.went_up()), [3]);
}

#[test]
fn more_lines_than_allowed_are_refused_and_places_come_free() {
    let mut w = with(Policy { max_lines: Some(2), ..Policy::default() });
    let who = w.started(9);
    for id in ["1", "2", "3"] {
        w.request(who, 1, &[("reqId", id), ("conId", id)]);
    }
    assert_eq!(errors(&w.got(who)), [(3, 101)]);
    w.request(who, 1, &[("reqId", "4"), ("conId", "4"), ("snapshot", "1")]);
    w.request(who, 2, &[("reqId", "1")]);
    w.request(who, 10, &[("reqId", "5"), ("conId", "5")]);
    assert!(errors(&w.got(who)).is_empty());
}

#[test]
fn the_kill_switch_stops_new_orders_of_everybody_and_what_waits_and_no_cancel() {
    let mut w = world(|_| {});
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    working(&mut w, one, "60");
    w.fast_disk = false;
    w.request(two, 3, &order("70", &[]));
    let mut config = w.core.config().clone();
    config.kill_switch = true;
    w.handle(Input::Reconfigure { config: &config });
    assert_eq!(errors(&w.got(two)), [(70, 201)], "what waits does not leave");
    w.request(one, 3, &order("60", &[]));
    w.request(one, 3, &order("61", &[]));
    assert_eq!(errors(&w.got(one)), [(60, 399), (61, 201)]);
    w.request(one, 4, &[("orderId", "60")]);
    w.request(two, 58, &[]);
    w.synced();
    assert_eq!(ids(&w.went_up()), [4, 58]);
    config.kill_switch = false;
    w.handle(Input::Reconfigure { config: &config });
    w.request(one, 3, &order("62", &[]));
    w.synced();
    assert_eq!(ids(&w.went_up()), [3]);
}

#[test]
fn a_global_cancel_of_its_own_orders_leaves_those_of_others_alone() {
    let mut w = with(Policy { global_cancel: GlobalCancel::Own, ..Policy::default() });
    let (other, mine) = (w.started(1), w.started(9));
    working(&mut w, other, "60");
    let up = working(&mut w, mine, "61");
    w.fast_disk = false;
    w.request(other, 3, &[("orderId", "62")]);
    w.request(mine, 3, &[("orderId", "63")]);
    w.request(mine, 58, &[]);
    assert_eq!(cancels(&mut w), [(4, up.parse().ok())]);
    assert_eq!(errors(&w.got(mine)), [(63, 202)], "what waits is cancelled here");
    assert_eq!(errors(&w.got(other)), []);
    w.synced();
    assert_eq!(ids(&w.went_up()), [3], "the order of the other leaves");
}

#[test]
fn a_global_cancel_that_is_denied_cancels_nothing() {
    let mut w = with(Policy { global_cancel: GlobalCancel::Deny, ..Policy::default() });
    let who = w.started(9);
    working(&mut w, who, "60");
    w.fast_disk = false;
    w.request(who, 3, &[("orderId", "61")]);
    w.request(who, 58, &[]);
    assert_eq!(errors(&w.got(who)), [(-1, 321)]);
    w.synced();
    assert_eq!(ids(&w.went_up()), [3], "no cancel, and what waited leaves");
}

#[test]
fn the_order_of_another_is_cancelled_only_by_policy_and_only_if_its_id_names_one_alone() {
    let mut w = with(Policy { cancel_foreign: true, ..Policy::default() });
    let (a, b, boss, stranger) = (w.started(1), w.started(2), w.started(9), w.started(4));
    let up = working(&mut w, a, "60");
    working(&mut w, a, "61");
    working(&mut w, b, "61");
    w.request(stranger, 4, &[("orderId", "60")]);
    assert_eq!(errors(&w.got(stranger)), [(60, 10147)]);
    w.request(boss, 4, &[("orderId", "61")]);
    let got = w.got(boss);
    assert_eq!(errors(&got), [(61, 10147)]);
    assert!(got[0].words().contains("1, 2"), "it says whose there are: {}", got[0].words());
    assert_eq!(cancels(&mut w), []);
    w.request(boss, 4, &[("orderId", "60")]);
    assert_eq!(cancels(&mut w), [(4, up.parse().ok())]);
    w.say_error(up.parse().expect("a number"), 202, "Order Canceled - reason:");
    assert_eq!(errors(&w.got(a)), [(60, 202)], "the owner hears of it");
    assert_eq!(errors(&w.got(boss)), [(60, 202)], "and who cancelled it");
}

#[test]
fn a_master_hears_of_everybodys_orders_and_others_do_not() {
    let mut w = with(Policy { master: true, ..Policy::default() });
    let (owner, master, other) = (w.started(1), w.started(9), w.started(2));
    let up = w.places(owner, "60");
    w.shows(&up, "Submitted");
    w.say(11, &[("reqId", "-1"), ("orderId", &up), ("clientId", "0"), ("execId", "x.1")]);
    w.say(59, &[("execId", "x.1")]);
    assert_eq!(ids(&w.got(owner)), [5, 3, 11, 59]);
    let got = w.got(master);
    assert_eq!(ids(&got), [5, 3, 11, 59]);
    let owners = |n: usize| (got[n].response().int("orderId"), got[n].response().int("clientId"));
    assert_eq!((owners(0), owners(2)), ((Some(60), Some(1)), (Some(60), Some(1))), "in the owner's terms");
    assert!(w.got(other).is_empty());
}

#[test]
fn a_master_hears_of_what_happens_while_the_owner_asks_for_its_orders() {
    let mut w = with(Policy { master: true, ..Policy::default() });
    let (nine, one) = (w.started(9), w.started(1));
    let up = working(&mut w, one, "60");
    w.got(nine);
    w.asks(one, 16, &[]);
    w.shows(&up, "Submitted");
    assert!(w.got(nine).is_empty(), "a repetition");
    w.shows(&up, "PreSubmitted");
    w.say(53, &[]);
    assert_eq!(ids(&w.got(nine)), [5, 3]);
    assert_eq!(ids(&w.got(one)), [5, 3, 5, 3, 53]);
}

#[test]
fn a_master_hears_of_its_own_orders_and_of_what_it_asked_for_once() {
    let mut w = with(Policy { master: true, ..Policy::default() });
    let (nine, one) = (w.started(9), w.started(1));
    let up = w.places(nine, "60");
    w.shows(&up, "Submitted");
    w.say(11, &[("reqId", "-1"), ("orderId", &up), ("clientId", "0"), ("execId", "e1")]);
    w.say(59, &[("execId", "e1"), ("commission", "1.5")]);
    assert_eq!(ids(&w.got(nine)), [5, 3, 11, 59]);
    let other = working(&mut w, one, "60");
    w.got(nine);
    w.asks(nine, 16, &[]);
    w.shows(&up, "PreSubmitted");
    w.shows(&other, "PreSubmitted");
    w.say(53, &[]);
    assert_eq!(ids(&w.got(nine)), [5, 3, 5, 3, 53]);
    assert_eq!(ids(&w.got(one)), [5, 3]);
}

#[test]
fn a_connection_that_ends_takes_its_orders_along_where_the_policy_says_so() {
    let mut w = with(Policy { cancel_on_disconnect: true, ..Policy::default() });
    let (other, who) = (w.started(1), w.started(9));
    working(&mut w, other, "60");
    let up = working(&mut w, who, "61");
    w.fast_disk = false;
    w.request(who, 3, &[("orderId", "62")]);
    w.gone(other, Gone::Eof);
    w.gone(who, Gone::Error);
    assert_eq!(cancels(&mut w), [(4, up.parse().ok())]);
    w.synced();
    assert!(w.went_up().is_empty(), "what waited does not leave");
    let who = w.client(9);
    assert!(errors(&w.got(who)).contains(&(62, 202)), "and is told as cancelled when the client is back");
}

#[test]
fn a_connection_that_ends_without_a_link_has_its_orders_cancelled_when_there_is_one() {
    let mut w = with(Policy { cancel_on_disconnect: true, ..Policy::default() });
    let who = w.started(9);
    let up = working(&mut w, who, "61");
    w.lose();
    w.gone(who, Gone::Eof);
    assert_eq!(cancels(&mut w), []);
    link_again(&mut w, 176);
    w.pass(SECOND);
    assert_eq!(cancels(&mut w), [(4, up.parse().ok())]);
}
