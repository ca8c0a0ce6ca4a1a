//! What the published picture tells of the past and of what everybody holds.

use crate::support::ease::{SECOND, ready, world};
use twsmux::core::events::Origin;
use twsmux::core::view::View;
use twsmux::limits;

fn picture(w: &crate::support::World) -> View {
    w.core.view(w.now)
}

/// State, times and words of each entry, the latest first.
fn history(view: &View) -> Vec<(&'static str, u64, String)> {
    view.upstream.history.iter().map(|t| (t.state, t.times, t.words.clone())).collect()
}

#[test]
fn it_remembers_how_the_upstream_went_and_counts_what_repeats() {
    let mut w = world(|_| {});
    assert!(history(&picture(&w)).is_empty());
    for _ in 0..3 {
        while w.looking.is_none() {
            let due = w.core.next_deadline().expect("a dial is due");
            w.tick_until(due);
        }
        w.looked(None);
        w.refused();
    }
    let past = history(&picture(&w));
    assert_eq!((past.len(), past[0].0, past[0].1), (1, "not_listening", 3), "{past:?}");
    assert!(past[0].2.contains("nothing listens"), "{past:?}");
    w.link_up(176);
    w.lose();
    let view = picture(&w);
    let states: Vec<_> = history(&view).into_iter().map(|(state, ..)| state).collect();
    assert_eq!(states, ["lost", "ready", "learning", "not_listening"]);
    let first = view.upstream.history.last().unwrap();
    assert!(first.at.starts_with("1970-01-01T00:00:") && first.last > first.at, "{first:?}");
}

#[test]
fn errors_are_remembered_with_those_they_are_for() {
    let mut w = ready();
    let (one, two) = (w.started(3), w.started(4));
    for who in [one, two, one] {
        w.frame(who, b"999\0");
    }
    let up = w.asks_id(one, 1, &[("reqId", "7"), ("symbol", "AAPL")]);
    w.say_error(up.parse().unwrap(), 200, "No security definition for DU1234567 has been found");
    w.say_error(-1, 2104, "Market data farm connection is OK:usfarm");
    w.say_error(-1, 2103, "Market data farm connection is broken:usfarm");
    let view = picture(&w);
    let [farm, gateway, own] = &view.errors[..] else { panic!("{:?}", view.errors) };
    assert_eq!((farm.code, farm.to.as_slice()), (2103, &[][..]));
    assert_eq!((gateway.code, gateway.origin, gateway.to.as_slice()), (200, Origin::Gateway, &[3][..]));
    assert_eq!(gateway.words, "No security definition for … has been found");
    assert_eq!((own.origin, own.times, own.to.as_slice()), (Origin::Twsmux, 3, &[3, 4][..]));
}

#[test]
fn of_an_order_that_the_gateway_refuses_nothing_is_kept_but_the_code() {
    let mut w = ready();
    let who = w.started(3);
    let up = w.places(who, "60");
    w.say_error(
        up.parse().unwrap(),
        201,
        "Order rejected - reason: BUY 100 AAPL exceeds the equity of the account",
    );
    let view = picture(&w);
    assert_eq!(view.errors.len(), 1, "{:?}", view.errors);
    let error = &view.errors[0];
    assert_eq!((error.code, error.words.as_str(), error.to.as_slice()), (201, "", &[3][..]));
    w.got(who);
}

#[test]
fn it_tells_what_a_client_holds_and_whose_the_orders_are() {
    let mut w = ready();
    let (one, two) = (w.started(3), w.started(4));
    for id in ["1", "2"] {
        w.asks_id(one, 1, &[("reqId", id), ("symbol", if id == "1" { "AAPL" } else { "IBM" })]);
    }
    let up = w.places(two, "60");
    w.shows(&up, "Submitted");
    let dead = w.places(two, "61");
    w.shows(&dead, "Filled");
    w.pass(SECOND);
    let view = picture(&w);
    let about: Vec<_> = view.lines.iter().map(|line| line.about.as_str()).collect();
    assert_eq!(about, ["AAPL", "IBM"]);
    let held: Vec<_> = view.clients[0].holds.iter().map(|h| (h.message, h.count)).collect();
    assert_eq!(held, [("reqMktData", 2)]);
    assert!(view.clients[1].holds.is_empty());
    let owners: Vec<_> = view.owners.iter().map(|o| (o.client_id, o.live, o.orders)).collect();
    assert_eq!(owners, [(4, Some(1), 2)]);
    assert_eq!((view.live_orders, view.owners_total, view.orders), (Some(1), 1, 2));
    assert!(view.sent_last_second <= limits::MESSAGES_PER_SECOND as usize);
    w.got(one);
}
