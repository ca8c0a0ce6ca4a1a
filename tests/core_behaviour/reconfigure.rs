//! Settings that change while twsmux runs: from when on they count.

use std::time::Duration;

use crate::support::World;
use crate::support::ease::{SECOND, errors, ready, world};
use twsmux::core::Config;
use twsmux::core::io::Input;
use twsmux::core::policy::{GlobalCancel, Policy};
use twsmux::ids::ClientId;

/// The core hears of other settings.
fn change(w: &mut World, change: impl FnOnce(&mut Config)) {
    let mut config = w.core.config().clone();
    change(&mut config);
    w.handle(Input::Reconfigure { config: &config });
    w.flush();
}

/// Asks for the details of so many different contracts: equal requests would leave once.
fn asks(w: &mut World, who: usize, ids: std::ops::Range<i32>) {
    for id in ids {
        let id = id.to_string();
        w.request(who, 9, &[("reqId", &id), ("symbol", &format!("S{id}")), ("secType", "STK")]);
    }
    w.flush();
}

/// How many of these left.
fn left(w: &mut World) -> usize {
    w.went_up().iter().filter(|f| f.id == 9).count()
}

#[test]
fn a_lower_message_rate_counts_what_left_under_the_old_one() {
    let mut w = ready();
    w.rate = None;
    let who = w.started(1);
    w.pass(2 * SECOND);
    asks(&mut w, who, 0..60);
    assert_eq!(left(&mut w), 40, "the others are left to orders");
    change(&mut w, |c| c.messages_per_second = Some(5));
    assert_eq!(left(&mut w), 0, "more than five left in the last second");
    w.pass(SECOND);
    assert_eq!(left(&mut w), 0, "not within a second of them");
    w.rate = Some(5);
    w.pass(SECOND / 5);
    assert_eq!(left(&mut w), 5);
    w.pass(Duration::from_millis(1_200));
    assert_eq!(left(&mut w), 5);
}

#[test]
fn a_higher_message_rate_lets_go_at_once() {
    let mut w = ready();
    let who = w.started(1);
    w.pass(2 * SECOND);
    asks(&mut w, who, 0..60);
    assert_eq!(left(&mut w), 40, "the others are left to orders");
    w.rate = None;
    change(&mut w, |c| c.messages_per_second = Some(49));
    assert_eq!(left(&mut w), 4);
    change(&mut w, |c| c.messages_per_second = None);
    assert_eq!(left(&mut w), 16);
}

#[test]
fn after_no_limit_at_all_a_limit_begins_with_a_full_second() {
    let mut w = ready();
    w.rate = None;
    let who = w.started(1);
    change(&mut w, |c| c.messages_per_second = None);
    asks(&mut w, who, 0..200);
    assert_eq!(left(&mut w), 200);
    change(&mut w, |c| c.messages_per_second = Some(10));
    asks(&mut w, who, 200..201);
    w.pass(SECOND);
    assert_eq!(left(&mut w), 0);
    w.rate = Some(10);
    w.pass(SECOND / 5);
    assert_eq!(left(&mut w), 1);
}

#[test]
fn another_policy_holds_for_who_is_connected() {
    let mut w = ready();
    let who = w.started(9);
    let denied = Policy { global_cancel: GlobalCancel::Deny, ..Policy::default() };
    change(&mut w, |c| {
        c.policies.by_id.insert(ClientId(9), denied);
    });
    w.request(who, 58, &[]);
    assert_eq!(errors(&w.got(who)), [(-1, 321)]);
    change(&mut w, |c| c.policies.by_id.clear());
    w.request(who, 58, &[]);
    w.flush();
    assert_eq!(errors(&w.got(who)), []);
    assert!(w.went_up().iter().any(|f| f.id == 58));
}

#[test]
fn fewer_clients_close_nobody_who_is_there() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    change(&mut w, |c| c.max_clients = 1);
    assert!(w.peers[one].open && w.peers[two].open);
    let (third, _) = w.connect();
    w.flush();
    assert!(!w.peers[third].open, "refused");
    assert!(w.peers[one].open && w.peers[two].open);
}

#[test]
fn what_belongs_to_the_link_or_the_journal_stays() {
    let mut w = ready();
    change(&mut w, |c| {
        c.upstream_client_id = ClientId(5);
        c.max_server_version = 100;
        c.gateway = "elsewhere:1".into();
        c.seed = 99;
        c.epoch_ms = 99;
    });
    let now = w.core.config();
    assert_eq!((now.upstream_client_id, now.max_server_version, now.epoch_ms), (ClientId(0), 176, 0));
    assert_eq!((now.seed, now.gateway == "elsewhere:1"), (0, false));
}

/// Refusals of a client's requests since the test last looked.
fn refusals(w: &mut World, who: usize) -> usize {
    let errors = errors(&w.got(who));
    assert!(errors.iter().all(|e| e.1 == 322), "{errors:?}");
    errors.len()
}

#[test]
fn fewer_requests_end_none_that_are_active() {
    let mut w = world(|c| {
        c.messages_per_second = None;
        c.limits.requests_per_client = 20;
    });
    w.link_up(176);
    let who = w.started(1);
    asks(&mut w, who, 0..25);
    assert_eq!((left(&mut w), refusals(&mut w, who)), (20, 5));
    change(&mut w, |c| c.limits.requests_per_client = 10);
    asks(&mut w, who, 100..101);
    assert_eq!((left(&mut w), refusals(&mut w, who)), (0, 1));
    assert_eq!(w.core.view(w.now).requests, 20, "those that are active go on");
    change(&mut w, |c| c.limits.requests_per_client = 30);
    asks(&mut w, who, 200..210);
    assert_eq!((left(&mut w), refusals(&mut w, who)), (10, 0));
}

#[test]
fn as_many_messages_wait_as_is_set() {
    let mut w = world(|c| {
        c.messages_per_second = Some(1);
        c.limits.queued_per_client = 5;
    });
    w.link_up(176);
    let who = w.started(1);
    w.pass(2 * SECOND);
    asks(&mut w, who, 0..10);
    assert_eq!((left(&mut w), refusals(&mut w, who)), (1, 4));
    change(&mut w, |c| c.limits.queued_per_client = 8);
    asks(&mut w, who, 20..30);
    assert_eq!(refusals(&mut w, who), 7);
    w.request(who, 58, &[]);
    assert_eq!(refusals(&mut w, who), 0, "a cancel has room of its own");
}

#[test]
fn as_much_is_kept_for_a_slow_reader_as_is_set() {
    let mut w = world(|c| c.limits.outbox = 1 << 20);
    w.link_up(176);
    let slow = w.started(1);
    let news = "x".repeat(600 << 10);
    w.request(slow, 12, &[]);
    let mut id = 0;
    let mut answer = |w: &mut World| {
        id += 1;
        w.say(14, &[("msgId", &id.to_string()), ("message", &news)]);
        w.peers[slow].closing.is_some()
    };
    assert!(!answer(&mut w));
    let mut config = w.core.config().clone();
    config.limits.outbox = 2 << 20;
    w.handle(Input::Reconfigure { config: &config });
    assert!(!answer(&mut w), "there is more room now");
    config.limits.outbox = 1 << 20;
    w.handle(Input::Reconfigure { config: &config });
    w.check();
    assert!(answer(&mut w), "and now less");
    assert!(w.peers[slow].got.last().unwrap().words().contains("the limit is 1048576"));
}

#[test]
fn a_shorter_wait_counts_for_an_order_that_waits() {
    let mut w = ready();
    let who = w.started(1);
    w.fast_disk = false;
    w.request(who, 3, &[("orderId", "6")]);
    w.pass(2 * SECOND);
    change(&mut w, |c| c.limits.order_wait = 4 * SECOND);
    w.pass(SECOND);
    assert_eq!(errors(&w.got(who)), []);
    w.pass(2 * SECOND);
    let got = w.got(who);
    assert_eq!(errors(&got), [(6, 201)]);
    assert!(got[0].words().contains("it waited 4 s for its turn"), "{}", got[0].words());
    w.request(who, 3, &[("orderId", "7")]);
    w.pass(2 * SECOND);
    change(&mut w, |c| c.limits.order_wait = SECOND);
    assert_eq!(errors(&w.got(who)), [(7, 201)], "it has waited too long already");
}

#[test]
fn a_shorter_wait_counts_also_when_nothing_waits_at_that_moment() {
    let mut w = ready();
    let who = w.started(1);
    w.request(who, 3, &[("orderId", "6")]);
    w.flush();
    assert!(w.went_up().iter().any(|f| f.id == 3), "it has left");
    change(&mut w, |c| c.limits.order_wait = SECOND);
    w.fast_disk = false;
    w.request(who, 3, &[("orderId", "7")]);
    w.pass(2 * SECOND);
    assert_eq!(errors(&w.got(who)), [(7, 201)]);
}

#[test]
fn the_end_takes_as_long_as_is_set() {
    let mut w = world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let who = w.started(1);
    asks(&mut w, who, 0..100);
    change(&mut w, |c| c.limits.drain_time = 20 * SECOND);
    w.handle(Input::Stop);
    w.pass(19 * SECOND);
    assert!(!w.finished);
    w.pass(2 * SECOND);
    assert!(w.finished);
    assert!(left(&mut w) > 10);
}

#[test]
fn a_client_that_holds_nothing_and_says_nothing_is_closed_where_the_settings_say_so() {
    let mut w = ready();
    let (idle, subscribed, owner, busy) = (w.started(1), w.started(2), w.started(3), w.started(4));
    w.request(subscribed, 1, &[("reqId", "1")]);
    let up = w.places(owner, "60");
    w.shows(&up, "Submitted");
    let mut config = w.core.config().clone();
    config.idle_client_time = 60 * SECOND;
    w.handle(Input::Reconfigure { config: &config });
    for who in [idle, subscribed, owner, busy] {
        w.got(who);
    }
    for _ in 0..7 {
        w.pass(10 * SECOND);
        w.say(49, &[("time", "1764000000")]);
        w.request(busy, 8, &[]);
    }
    let told = w.got(idle);
    assert_eq!(errors(&told), [(-1, 504)]);
    assert!(told[0].words().contains("said nothing for 60 s"), "{}", told[0].words());
    assert!(w.peers[idle].closing.is_some());
    for who in [subscribed, owner, busy] {
        assert!(w.peers[who].closing.is_none() && errors(&w.got(who)).is_empty(), "client {who}");
    }
    // Its order is done: nothing is left to wait for.
    w.shows(&up, "Filled");
    for _ in 0..13 {
        w.pass(10 * SECOND);
        w.say(49, &[("time", "1764000000")]);
    }
    assert!(w.peers[owner].closing.is_some() && w.peers[subscribed].closing.is_none());
}
