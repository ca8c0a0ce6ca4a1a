//! Subscriptions that stay for a while after their last client left.

use crate::support::ease::{SECOND, errors, ids, world};
use crate::support::{Who, World};
use twsmux::core::io::Gone;

fn lingering() -> World {
    let mut w = world(|c| c.line_grace = 10 * SECOND);
    w.link_up(176);
    w
}

fn quote(id: &'static str, symbol: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("reqId", id), ("symbol", symbol), ("secType", "STK"), ("exchange", "SMART"), ("currency", "USD")]
}

fn price(w: &mut World, up: &str, price: &str) {
    w.say(1, &[("reqId", up), ("tickType", "1"), ("price", price), ("size", "5")]);
}

fn prices(w: &mut World, who: Who) -> Vec<String> {
    w.got(who).iter().filter_map(|f| f.response().get("price").map(str::to_owned)).collect()
}

#[test]
fn who_comes_back_in_time_finds_the_line_as_it_is() {
    for leaves in ["cancels", "goes"] {
        let mut w = lingering();
        let one = w.started(1);
        let up = w.asks_id(one, 1, &quote("7", "AAPL"));
        price(&mut w, &up, "10");
        match leaves {
            "cancels" => drop(w.request(one, 2, &[("reqId", "7")])),
            _ => drop(w.gone(one, Gone::Error)),
        }
        price(&mut w, &up, "11");
        w.pass(9 * SECOND);
        assert!(w.went_up().is_empty(), "{leaves}");
        let two = w.started(2);
        w.request(two, 1, &quote("3", "AAPL"));
        assert_eq!(prices(&mut w, two), ["11"], "{leaves}: the image is of now");
        w.pass(20 * SECOND);
        price(&mut w, &up, "12");
        assert_eq!(prices(&mut w, two), ["12"]);
        assert!(w.went_up().is_empty());
        w.request(two, 2, &[("reqId", "3")]);
        w.pass(10 * SECOND);
        let cancel = w.went_up();
        assert_eq!((ids(&cancel), cancel[0].request().get("reqId")), (vec![2], Some(&up[..])));
        assert_eq!(w.core.view(w.now).requests, 0);
    }
}

#[test]
fn what_lingers_makes_room_for_what_is_new() {
    let mut w = lingering();
    let one = w.started(1);
    let first = w.asks_id(one, 1, &quote("1", "AAPL"));
    w.asks(one, 1, &quote("2", "MSFT"));
    w.asks(one, 50, &quote("3", "AAPL"));
    for (cancel, id) in [(2, "1"), (2, "2"), (51, "3")] {
        w.request(one, cancel, &[("reqId", id)]);
    }
    w.request(one, 1, &quote("4", "IBM"));
    let went = w.went_up();
    assert_eq!((ids(&went), went[0].request().get("reqId")), (vec![2, 1], Some(&first[..])));
    w.request(one, 1, &quote("5", "MSFT"));
    w.request(one, 50, &quote("6", "AAPL"));
    assert!(w.went_up().is_empty(), "the others are still there");
    // One-shots and requests that are never shared do not linger.
    w.asks(one, 1, &[&quote("8", "X")[..], &[("snapshot", "1")]].concat());
    w.request(one, 2, &[("reqId", "8")]);
    assert_eq!(ids(&w.went_up()), [2]);
}

#[test]
fn what_the_gateway_refused_does_not_linger() {
    let mut w = lingering();
    let one = w.started(1);
    let up = w.asks_id(one, 1, &quote("1", "AAPL"));
    w.say_error(up.parse().unwrap(), 354, "not subscribed");
    w.request(one, 2, &[("reqId", "1")]);
    assert_eq!(ids(&w.went_up()), [2]);
}

#[test]
fn a_line_that_lingers_at_a_loss_is_forgotten() {
    let mut w = lingering();
    let one = w.started(1);
    w.asks(one, 1, &quote("1", "AAPL"));
    w.asks(one, 61, &[]);
    w.request(one, 2, &[("reqId", "1")]);
    w.request(one, 64, &[]);
    w.lose();
    assert_eq!(errors(&w.got(one)), [(-1, 1100)]);
    w.link_up(176);
    w.got(one);
    w.asks(one, 1, &quote("1", "AAPL"));
    w.asks(one, 61, &[]);
    w.pass(30 * SECOND);
    assert!(w.went_up().is_empty());
}

#[test]
fn positions_and_account_updates_linger_but_not_in_the_way_of_another_account() {
    let mut w = world(|c| c.line_grace = 10 * SECOND);
    w.link_up(176);
    w.say(15, &[("accountsList", "DU1,DU2")]);
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 61, &[]);
    w.say(61, &[("account", "DU1"), ("position", "5")]);
    w.say(62, &[]);
    w.asks(one, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    w.say(54, &[("accountName", "DU1")]);
    w.gone(one, Gone::Error);
    w.pass(5 * SECOND);
    assert!(w.went_up().is_empty());
    w.request(two, 61, &[]);
    assert_eq!(ids(&w.got(two)), [61, 62]);
    w.request(two, 6, &[("subscribe", "1"), ("acctCode", "DU2")]);
    let went = w.went_up();
    let accounts: Vec<_> =
        went.iter().map(|f| f.request().get("acctCode").unwrap_or_default().to_owned()).collect();
    assert_eq!((ids(&went), accounts), (vec![6, 6], vec!["DU1".to_owned(), "DU2".to_owned()]));
    w.say_error(-1, 2100, "API client has been unsubscribed from account data.");
    assert!(w.got(two).is_empty(), "that was nobody's doing here");
    w.request(two, 64, &[]);
    w.pass(10 * SECOND);
    assert_eq!(ids(&w.went_up()), [64]);
}

#[test]
fn without_a_grace_the_last_one_who_leaves_cancels_at_once() {
    let mut w = world(|_| {});
    w.link_up(176);
    let one = w.started(1);
    w.asks(one, 1, &quote("1", "AAPL"));
    w.asks(one, 61, &[]);
    w.request(one, 2, &[("reqId", "1")]);
    w.request(one, 64, &[]);
    assert_eq!(ids(&w.went_up()), [2, 64]);
}

#[test]
fn a_cancel_that_the_gateway_does_not_have_ends_nobody_elses_request() {
    let mut w = world(|c| c.max_server_version = 226);
    w.link_up(176);
    let one = w.starting(215, 226);
    w.start(one, 1);
    let two = w.started(2);
    let up = w.asks_id(one, 9, &quote("1", "AAPL"));
    w.request(two, 9, &quote("2", "AAPL"));
    w.got(one);
    w.request(one, 106, &[("reqId", "1")]);
    w.say(10, &[("reqId", &up)]);
    w.say(52, &[("reqId", &up)]);
    assert!(w.got(one).is_empty());
    assert_eq!(ids(&w.got(two)), [10, 52]);
}
