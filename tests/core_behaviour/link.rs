//! The one upstream connection: dialling, handshake, loss, return, silence, the end.

use std::time::Duration;

use crate::support::World;
use crate::support::ease::{SECOND, errors, ids, ready, world};
use twsmux::core::io::{Action, Input};
use twsmux::ids::ClientId;
use twsmux::wire::WireError;

/// The pause until the next look at the port.
fn pause(w: &mut World) -> Duration {
    let from = w.now;
    while w.looking.is_none() {
        let due = w.core.next_deadline().expect("a dial is due");
        w.tick_until(due);
    }
    w.now.since(from)
}

fn within(pause: Duration, shortest: Duration) {
    assert!(pause >= shortest && pause <= shortest.mul_f64(1.25), "{pause:?} is not about {shortest:?}");
}

#[test]
fn the_order_of_accounts_and_next_id_does_not_matter() {
    let mut w = world(|_| {});
    w.dial();
    w.gateway_hello(176);
    w.say(9, &[("orderId", "7")]);
    w.say_error(-1, 2104, "Market data farm connection is OK:usfarm");
    assert!(!w.core.ready());
    w.say(15, &[("accountsList", "DU1")]);
    w.lists(&[], &[], &[]);
    assert!(w.core.ready());
    let who = w.client(1);
    assert_eq!(ids(&w.got(who)), [15, 9, 4]);
}

#[test]
fn orders_of_the_start_push_are_learnt_and_shown_to_their_owner() {
    let mut w = ready();
    let who = w.started(3);
    let up = w.places(who, "60");
    w.lose();
    w.dial();
    w.gateway_hello(176);
    w.shows(&up, "Submitted");
    w.say(53, &[]);
    assert_eq!(errors(&w.got(who)).first(), Some(&(-1, 1100)));
    w.say_start(51);
    assert_eq!(errors(&w.got(who)), [(-1, 1102)]);
    w.gone(who, twsmux::core::io::Gone::Eof);
    let again = w.client(3);
    assert_eq!(ids(&w.got(again)), [5, 3, 53, 15, 9]);
}

#[test]
fn a_refused_dial_is_tried_again_every_second_or_two() {
    let mut w = world(|_| {});
    for _ in 0..20 {
        let p = pause(&mut w);
        assert!(p <= 2 * SECOND, "{p:?}");
        w.looked(Some(0));
        w.refused();
    }
}

#[test]
fn failures_after_the_accept_double_the_pause_from_15_s_to_5_min() {
    let mut w = world(|_| {});
    pause(&mut w);
    for seconds in [15, 30, 60, 120, 240, 300, 300] {
        w.looked(Some(0));
        w.accepted();
        w.lose();
        within(pause(&mut w), seconds * SECOND);
    }
}

#[test]
fn two_twsmux_do_not_dial_in_step() {
    let pauses: std::collections::BTreeSet<Duration> = (0..20)
        .map(|seed| {
            let mut w = world(|c| c.seed = seed);
            w.dial();
            w.lose();
            pause(&mut w)
        })
        .collect();
    assert!(pauses.len() > 10, "{pauses:?}");
    assert!(pauses.iter().all(|p| (15.0..=18.75).contains(&p.as_secs_f64())), "{pauses:?}");
}

#[test]
fn a_link_that_was_stable_is_dialled_again_at_once_and_resets_the_pause() {
    let mut w = world(|_| {});
    for _ in 0..3 {
        w.dial();
        w.lose();
    }
    w.link_up(176);
    for _ in 0..7 {
        w.pass(10 * SECOND);
        w.say(49, &[("time", "1")]);
    }
    w.lose();
    let p = pause(&mut w);
    assert!(p <= 2 * SECOND, "{p:?}");
    w.looked(Some(0));
    w.accepted();
    w.lose();
    within(pause(&mut w), 15 * SECOND);
}

#[test]
fn no_dial_while_a_zombie_is_seen_on_the_port() {
    let mut w = world(|_| {});
    pause(&mut w);
    let outcome = w.looked(Some(1));
    assert!(!outcome.actions.iter().any(|a| matches!(a, Action::Dial { .. })));
    let who = w.client(1);
    w.pass(2 * SECOND);
    let words = w.got(who)[0].words();
    assert!(words.contains("CLOSE_WAIT"), "{words}");
    within(pause(&mut w) + 2 * SECOND, 15 * SECOND);
    w.looked(None);
    assert!(w.dialing.is_some(), "an unknown table is no zombie");
}

#[test]
fn a_client_id_in_use_at_the_gateway_is_reported_and_never_changed() {
    let mut w = world(|c| c.upstream_client_id = ClientId(5));
    for _ in 0..3 {
        w.dial();
        w.up.clear();
        w.gateway_hello(176);
        assert_eq!(w.up[0].request().get("clientId"), Some("5"));
        let outcome = w.say_error(-1, 326, "Unable to connect as the client id is already in use.");
        assert!(outcome.actions.iter().any(|a| matches!(a, Action::Abort { .. })));
        assert!(w.core.diagnosis().contains("client id 5 is in use (326)"));
    }
}

#[test]
fn a_port_reset_ends_the_link_and_is_not_passed_on() {
    let mut w = ready();
    let who = w.started(1);
    let outcome = w.say_error(-1, 1300, "TWS socket port has been reset; the new port is 4005");
    assert!(outcome.actions.iter().any(|a| matches!(a, Action::Abort { .. })));
    assert_eq!(errors(&w.got(who)), [(-1, 1100)]);
    assert!(w.core.diagnosis().contains("the new port is 4005"));
}

#[test]
fn redirects_and_versions_that_were_not_offered_are_failures() {
    for bad in [99, 177, 225] {
        let mut w = world(|_| {});
        w.dial();
        let outcome = w.gateway_hello(bad);
        assert!(outcome.actions.iter().any(|a| matches!(a, Action::Abort { .. })), "{bad}");
        within(pause(&mut w), 15 * SECOND);
    }
    let mut w = world(|_| {});
    w.dial();
    let link = w.socket.unwrap();
    w.handle(Input::UpstreamBroken { link, fault: WireError::Redirect("elsewhere:4001".into()) });
    assert_eq!(w.socket, None);
    assert!(w.core.diagnosis().contains("elsewhere:4001"));
}

#[test]
fn a_slow_handshake_is_waited_for_and_then_reported() {
    let mut w = world(|_| {});
    w.dial();
    w.tick_until(w.now + 59 * SECOND);
    assert!(w.socket.is_some(), "closing and retrying makes zombies");
    assert!(w.core.diagnosis().contains("has not answered the handshake yet"));
    w.tick_until(w.now + 2 * SECOND);
    assert_eq!(w.socket, None);
    assert!(w.core.diagnosis().contains("did not finish the handshake in 60 s"));
}

#[test]
fn at_a_loss_every_client_is_told_once_and_what_cannot_wait_ends() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "60");
    w.shows(&up, "Submitted");
    w.places(one, "61");
    w.request(one, 1, &[("reqId", "5")]);
    w.request(one, 16, &[]);
    w.request(one, 1, &[("reqId", "6"), ("snapshot", "1")]);
    w.went_up();
    w.got(one);
    w.lose();
    let mut got = errors(&w.got(one));
    assert_eq!(got.remove(0), (-1, 1100));
    got.sort();
    assert_eq!(got, [(6, 504), (61, 399)], "61 is of unknown fate, 60 was confirmed; 16 waits");
    assert_eq!(errors(&w.got(two)), [(-1, 1100)]);

    w.request(one, 3, &[("orderId", "62")]);
    w.request(one, 3, &[("orderId", "60")]);
    w.request(one, 4, &[("orderId", "60")]);
    w.request(one, 58, &[]);
    w.request(one, 1, &[("reqId", "7"), ("snapshot", "1")]);
    assert_eq!(errors(&w.got(one)), [(62, 201), (60, 399), (60, 399), (-1, 399), (7, 504)]);

    w.link_up(176);
    assert_eq!(errors(&w.got(one)), [(-1, 1102)]);
    assert_eq!(errors(&w.got(two)), [(-1, 1102)]);
    assert_eq!(ids(&w.went_up()), [1], "only what is subscribed is asked again");
    w.places(one, "62");
}

#[test]
fn an_order_that_waited_when_the_link_broke_is_refused_and_gets_a_new_upstream_id() {
    let mut w = world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let who = w.started(1);
    w.pass(2 * SECOND);
    w.request(who, 3, &[("orderId", "60")]);
    w.request(who, 3, &[("orderId", "61")]);
    w.request(who, 3, &[("orderId", "62"), ("parentId", "61")]);
    assert_eq!(w.went_up().len(), 1);
    w.lose();
    let mut got = errors(&w.got(who));
    got.sort();
    assert_eq!(got, [(-1, 1100), (60, 399), (61, 201), (62, 201)]);
    w.link_up(176);
    w.got(who);
    w.pass(2 * SECOND);
    w.request(who, 3, &[("orderId", "63"), ("parentId", "61")]);
    assert_eq!(errors(&w.got(who)), [(63, 201)], "its parent never was");
    w.request(who, 3, &[("orderId", "70")]);
    w.request(who, 3, &[("orderId", "61")]);
    w.pass(3 * SECOND);
    let up: Vec<_> = w.went_up().iter().map(|f| f.request().int("orderId").unwrap()).collect();
    assert_eq!(up.len(), 2);
    assert!(50 < up[0] && up[0] < up[1], "upstream order ids only rise: {up:?}");
}

#[test]
fn clients_stay_at_their_version_when_the_gateway_comes_back_with_another_one() {
    let mut w = ready();
    let who = w.started(1);
    w.lose();
    w.dial();
    w.gateway_hello(165);
    w.got(who);
    w.request(who, 1, &[("reqId", "7"), ("snapshot", "1")]);
    assert_eq!(errors(&w.got(who)), [(7, 504)], "no request without an answer");
    w.say_start(50);
    assert_eq!(errors(&w.got(who)), [(-1, 1102)]);
    w.say_error(-1, 2104, "Market data farm connection is OK:usfarm");
    assert_eq!(errors(&w.got(who)), [(-1, 2104)], "an error of 165 in the form of 176");
    w.request(who, 9, &[("reqId", "7"), ("secType", "STK")]);
    w.pass(SECOND);
    let up = w.went_up();
    let asked = up.iter().find(|f| f.id == 9).expect("forwarded");
    assert_eq!(asked.request().get("secType"), Some("STK"));
}

#[test]
fn a_gateway_that_comes_back_with_other_accounts_is_refused_and_the_clients_are_closed() {
    let mut w = ready();
    let who = w.started(1);
    w.lose();
    w.dial();
    w.gateway_hello(176);
    w.got(who);
    w.say(15, &[("accountsList", "DU2")]);
    // Its orders have ids that mean others in our journal: nobody must hear of them.
    w.say(5, &[("orderId", "50"), ("clientId", "0"), ("status", "Submitted")]);
    w.say(9, &[("orderId", "1")]);
    assert_eq!(errors(&w.got(who)), [(-1, 504)]);
    assert!(w.socket.is_none(), "the link is given up");
    let late = w.client(1);
    w.pass(2 * SECOND);
    let words = w.peers[late].got.last().expect("an answer").words();
    assert!(words.contains("belongs to the accounts DU1") && words.contains("DU2"), "{words}");
    w.dial();
    w.gateway_hello(176);
    w.say_start(50);
    assert!(w.core.ready(), "with the accounts of the journal it goes on");
}

#[test]
fn notices_of_the_gateway_about_its_own_link_go_to_everybody_and_rate_errors_to_nobody() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    for code in [1100, 1102, 2110] {
        w.say_error(-1, code, "as it is");
        assert_eq!(errors(&w.got(one)), [(-1, code)]);
        assert_eq!(errors(&w.got(two)), [(-1, code)]);
    }
    w.pass(2 * SECOND);
    w.say_error(-1, 100, "Max rate of messages per second has been exceeded");
    assert!(w.got(one).is_empty() && w.got(two).is_empty());
    w.request(one, 9, &[("reqId", "1")]);
    assert!(w.went_up().is_empty(), "sending pauses");
    w.pass(2 * SECOND);
    assert_eq!(ids(&w.went_up()), [9]);
}

#[test]
fn a_silent_gateway_is_asked_for_its_clock_never_closer_than_5_s_and_then_given_up() {
    let mut w = ready();
    w.say(49, &[("time", "1700000000")]);
    let mut asked = Vec::new();
    let from = w.now;
    while w.socket.is_some() {
        assert!(w.now.since(from) < 90 * SECOND, "a dead Gateway is given up");
        w.up.clear();
        w.tick_until(w.now + Duration::from_millis(100));
        asked.extend(w.up.iter().map(|f| (f.id, w.now)));
    }
    assert!(w.now.since(from) >= 75 * SECOND);
    assert!(asked.len() > 5 && asked.iter().all(|a| a.0 == 49));
    assert!(asked[0].1.since(from) >= 20 * SECOND);
    for pair in asked.windows(2) {
        assert!(pair[1].1.since(pair[0].1) >= 5 * SECOND);
    }
    assert!(w.core.diagnosis().contains("silent"));
}

#[test]
fn clock_requests_are_answered_from_the_measured_offset_and_never_forwarded() {
    let mut w = ready();
    let who = w.started(1);
    w.request(who, 49, &[]);
    assert!(w.got(who).is_empty(), "the clock is not measured yet");
    w.say(49, &[("time", "1700000000")]);
    w.pass(3 * SECOND);
    for _ in 0..10 {
        w.request(who, 49, &[]);
    }
    let got = w.got(who);
    assert_eq!(ids(&got), [49; 11]);
    assert_eq!(got[0].response().get("time"), Some("1700000000"));
    assert_eq!(got[10].response().get("time"), Some("1700000003"));
    assert!(w.up.iter().all(|f| f.id != 49), "and nothing more goes up");
}

#[test]
fn a_stop_sends_what_waits_refuses_what_is_new_and_then_closes_everything() {
    let mut w = world(|c| c.messages_per_second = Some(2));
    w.link_up(176);
    let who = w.started(1);
    w.pass(2 * SECOND);
    for order in ["60", "61", "62", "63"] {
        w.request(who, 3, &[("orderId", order)]);
    }
    w.handle(Input::Stop);
    assert!(!w.finished);
    w.request(who, 3, &[("orderId", "64")]);
    assert_eq!(errors(&w.got(who)), [(64, 201)]);
    let (late, _) = w.connect();
    assert!(w.peers[late].closing.is_some());
    w.pass(2 * SECOND);
    let up = w.went_up();
    assert_eq!(ids(&up), [3, 3, 3, 3]);
    for order in up {
        w.shows(order.request().get("orderId").unwrap(), "Submitted");
    }
    w.pass(SECOND / 5);
    assert!(w.finished);
    assert!(!w.peers[who].open);
}

#[test]
fn a_stop_does_not_wait_longer_than_its_bound() {
    let mut w = world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let who = w.started(1);
    for order in 60..80 {
        w.request(who, 3, &[("orderId", &order.to_string())]);
    }
    w.handle(Input::Stop);
    w.tick_until(w.now + 4 * SECOND);
    assert!(w.finished);
    let sent = w.up.iter().filter(|f| f.id == 3).count();
    let refused = errors(&w.peers[who].got).iter().filter(|e| e.1 == 201).count();
    assert!(sent > 0 && sent + refused == 20, "{sent} sent, {refused} refused");
}

#[test]
fn nothing_is_dialled_after_a_stop() {
    let mut w = world(|_| {});
    pause(&mut w);
    w.handle(Input::Stop);
    assert!(w.finished);
    w.looked(Some(0));
    w.tick_until(w.now + 600 * SECOND);
    assert!(w.dialing.is_none());
}

#[test]
fn bytes_of_a_link_before_are_not_heard() {
    let mut w = ready();
    let who = w.started(1);
    let old = w.socket.unwrap();
    w.lose();
    w.link_up(176);
    w.got(who);
    let payload = crate::support::response_payload(
        176,
        4,
        &crate::support::record(&[("id", "-1"), ("errorCode", "1100")]),
    );
    w.handle(Input::UpstreamFrame { link: old, payload: &payload });
    w.handle(Input::UpstreamGone { link: old, error: "late".into() });
    assert!(w.got(who).is_empty());
    assert!(w.core.ready());
}
