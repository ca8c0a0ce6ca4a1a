//! From a client's greeting to its first messages.

use std::time::Duration;

use crate::support::ease::{SECOND, errors, ids, ready, world};
use crate::support::request_payload;
use twsmux::core::DuplicateClient;
use twsmux::core::io::Gone;
use twsmux::wire::text::Form;

#[test]
fn a_client_is_told_the_upstreams_version_clamped_into_its_range() {
    let mut w = ready();
    for ((min, max), told) in [((100, 225), 176), ((157, 176), 176), ((100, 157), 157), ((213, 225), 213)] {
        let who = w.starting(min, max);
        assert_eq!(w.version_of(who), told);
        assert_eq!(
            w.peers[who].hello.as_ref().unwrap().time,
            "20261123 22:27:38 US/Eastern",
            "time unchanged"
        );
        assert!(w.got(who).is_empty(), "nothing follows the version reply before startApi");
    }
}

#[test]
fn before_the_first_link_the_highest_version_asked_of_the_gateway_is_told() {
    let mut w = world(|c| c.max_server_version = 180);
    let who = w.starting(100, 225);
    assert_eq!(w.version_of(who), 180);
}

#[test]
fn a_gateway_that_is_away_leaves_its_last_version_behind() {
    let mut w = world(|_| {});
    w.link_up(165);
    w.lose();
    let who = w.starting(100, 225);
    assert_eq!(w.version_of(who), 165);
}

#[test]
fn clients_out_of_range_start_in_the_form_of_their_own_version() {
    let mut w = ready();
    for (id, min, max, version, form) in [(1, 100, 157, 157, Form::Text), (2, 213, 225, 213, Form::Proto)] {
        let who = w.starting(min, max);
        assert_eq!(w.version_of(who), version);
        w.start(who, id);
        let got = w.got(who);
        assert_eq!(ids(&got)[..2], [15, 9]);
        assert!(got.iter().all(|f| f.form == form), "{got:?}");
    }
}

#[test]
fn a_client_that_wants_more_than_the_tables_know_is_closed() {
    let mut w = ready();
    let who = w.starting(227, 300);
    assert_eq!(w.peers[who].hello, None);
    assert!(w.peers[who].closing.is_some());
}

#[test]
fn a_client_from_before_the_framed_protocol_is_closed() {
    let mut w = ready();
    let who = w.starting(60, 76);
    assert_eq!(w.peers[who].hello, None);
    assert!(w.peers[who].closing.is_some());
}

#[test]
fn a_first_message_other_than_start_api_ends_the_client_and_never_reaches_the_gateway() {
    let mut w = ready();
    let who = w.starting(100, 225);
    w.request(who, 61, &[]);
    assert_eq!(errors(&w.got(who)), [(-1, 504)]);
    assert!(w.went_up().is_empty());
    assert!(!w.peers[who].open);
}

#[test]
fn silence_before_start_api_is_borne_for_a_minute() {
    let mut w = ready();
    let who = w.starting(100, 225);
    w.pass(59 * SECOND);
    assert!(w.peers[who].open, "libraries may pause here");
    w.pass(2 * SECOND);
    assert_eq!(errors(&w.got(who)), [(-1, 504)]);
}

#[test]
fn a_second_client_with_an_id_in_use_is_refused_with_326() {
    let mut w = ready();
    let first = w.started(7);
    let second = w.client(7);
    assert_eq!(errors(&w.got(second)), [(-1, 326)]);
    assert!(!w.peers[second].open && w.peers[first].open);
    assert!(w.got(first).is_empty());
    w.gone(first, Gone::Eof);
    let third = w.client(7);
    assert_eq!(ids(&w.got(third)), [15, 9], "the id is free again");
}

#[test]
fn by_policy_the_newcomer_takes_the_client_id_over() {
    let mut w = world(|c| c.duplicate_client = DuplicateClient::Replace);
    w.link_up(176);
    let first = w.started(7);
    let second = w.client(7);
    assert_eq!(errors(&w.got(first)), [(-1, 326)]);
    assert!(!w.peers[first].open);
    assert_eq!(ids(&w.got(second)), [15, 9]);
}

#[test]
fn a_holder_that_takes_nothing_loses_its_client_id_although_data_flows() {
    let mut w = ready();
    let first = w.started(7);
    for _ in 0..6 {
        w.say_error(-1, 2104, "Market data farm connection is OK:usfarm");
        w.tick_until(w.now + SECOND);
    }
    let second = w.starting(100, 225);
    w.request(second, 71, &[("clientId", "7")]);
    assert_eq!(ids(&w.peers[second].got)[..2], [15, 9]);
    assert_eq!(errors(&w.peers[first].got).last(), Some(&(-1, 326)));
}

#[test]
fn while_the_upstream_is_away_a_client_waits_a_second_and_a_half_and_is_told_why() {
    let mut w = world(|_| {});
    w.tick_until(w.now);
    w.looked(Some(0));
    w.refused();
    let who = w.client(1);
    w.pass(Duration::from_millis(1400));
    assert!(w.got(who).is_empty());
    w.pass(Duration::from_millis(200));
    let got = w.got(who);
    assert_eq!(errors(&got), [(-1, 504)]);
    let words = got[0].words();
    assert!(words.contains("nothing listens at 127.0.0.1:4002"), "{words}");
    assert!(!w.peers[who].open);
}

#[test]
fn a_client_that_waits_is_served_as_soon_as_the_upstream_is_ready() {
    let mut w = world(|_| {});
    let who = w.client(1);
    w.link_up(176);
    assert_eq!(ids(&w.got(who)), [15, 9]);
}

#[test]
fn what_is_asked_while_waiting_gets_an_answer_that_its_library_understands() {
    let mut w = world(|_| {});
    let who = w.client(1);
    w.request(who, 9, &[("reqId", "4")]);
    w.request(who, 3, &[("orderId", "5")]);
    w.request(who, 4, &[("orderId", "6")]);
    w.request(who, 61, &[]);
    assert_eq!(errors(&w.got(who)), [(4, 504), (5, 201), (6, 399), (-1, 504)]);
}

#[test]
fn the_first_messages_are_accounts_next_id_and_farms_with_the_latest_word_of_each() {
    let mut w = ready();
    w.say_error(-1, 2104, "Market data farm connection is OK:usfarm");
    w.say_error(-1, 2104, "Market data farm connection is OK:eufarm");
    w.say_error(-1, 2103, "Market data farm connection is broken:usfarm");
    w.say_error(-1, 2106, "HMDS data farm connection is OK:usfarm");
    let who = w.client(1);
    let got = w.got(who);
    assert_eq!(ids(&got), [15, 9, 4, 4, 4]);
    assert_eq!(errors(&got), [(-1, 2103), (-1, 2104), (-1, 2106)], "history farms are other farms");
    assert_eq!(got[0].response().get("accountsList"), Some("DU1"));
    assert_eq!(got[1].response().get("orderId"), Some("50"));
}

#[test]
fn own_live_orders_come_before_the_accounts() {
    let mut w = ready();
    let who = w.started(3);
    for order in ["60", "61", "62"] {
        let up = w.places(who, order);
        w.shows(&up, "Submitted");
    }
    w.shows("51", "Cancelled");
    w.gone(who, Gone::Eof);
    let stranger = w.client(4);
    assert_eq!(ids(&w.got(stranger)), [15, 9], "no order of its own, no end marker");
    let again = w.client(3);
    let got = w.got(again);
    assert_eq!(ids(&got), [5, 3, 5, 3, 53, 15, 9]);
    let order = got[0].response();
    assert_eq!((order.get("orderId"), order.get("clientId")), (Some("60"), Some("3")));
    assert_eq!(got[2].response().get("orderId"), Some("62"));
}

#[test]
fn a_what_if_is_no_live_order() {
    let mut w = ready();
    let who = w.started(3);
    let up = w.places(who, "60");
    w.say(5, &[("orderId", &up), ("clientId", "0"), ("whatIf", "1"), ("status", "PreSubmitted")]);
    assert_eq!(ids(&w.got(who)), [5]);
    w.gone(who, Gone::Eof);
    let again = w.client(3);
    assert_eq!(ids(&w.got(again)), [15, 9]);
}

#[test]
fn garbage_is_answered_to_its_sender_alone_and_not_forwarded() {
    let mut w = ready();
    let (bad, good) = (w.started(1), w.started(2));
    w.frame(bad, b"no message\0");
    w.frame(bad, b"250\0");
    let whole = request_payload(176, 1, &crate::support::record(&[("reqId", "9")]));
    w.frame(bad, &whole[..whole.len() - 2]);
    assert_eq!(errors(&w.got(bad)).iter().map(|e| e.1).collect::<Vec<_>>(), [320, 320, 320]);
    w.frame(bad, b"105\0");
    assert_eq!(errors(&w.got(bad)), [(-1, 503)], "a message of later versions");
    assert!(w.got(good).is_empty());
    assert!(w.went_up().is_empty());
    assert!(w.peers[bad].open, "framing is not lost");
}
