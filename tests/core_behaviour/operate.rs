//! What a person at the controls gets: a pause, a new connection, one client less, no new clients.

use crate::support::ease::{SECOND, errors, ids, link_again, ready, world};
use crate::support::{Who as Peer, World};
use twsmux::core::io::{Gone, Input};
use twsmux::core::operate::{Operation, Refusal, Who};
use twsmux::ids::ClientId;

const DRAIN: Operation = Operation::Drain { stop: false };
const DRAIN_AND_STOP: Operation = Operation::Drain { stop: true };

fn kill(id: i32) -> Operation {
    Operation::Kill(Who::Id(ClientId(id)))
}

fn case(w: &World) -> Option<&'static str> {
    w.core.view(w.now).upstream.trouble.map(|trouble| trouble.case.row().name)
}

/// The codes of the errors about nothing in particular that a client got.
fn notices(w: &mut World, who: Peer) -> Vec<u16> {
    errors(&w.got(who)).into_iter().filter(|e| e.0 == -1).map(|e| e.1).collect()
}

#[test]
fn a_pause_gives_the_link_up_and_makes_none_until_it_ends() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.asks_id(who, 1, &[("reqId", "5"), ("symbol", "AAPL"), ("secType", "STK")]);
    w.pass(5 * SECOND);
    w.operate(&Operation::Pause).unwrap();
    w.flush();
    assert!(w.socket.is_none(), "the link is given up at once when nothing waits");
    assert_eq!(case(&w), Some("paused"));
    assert!(!w.core.ready());
    assert_eq!(notices(&mut w, who), [1100]);
    w.pass(3600 * SECOND);
    assert!(w.looking.is_none() && w.dialing.is_none(), "nothing is dialled");
    assert!(w.peers[who].open, "clients stay");
    w.request(who, 3, &[("orderId", "60")]);
    let got = w.got(who);
    assert_eq!(errors(&got), [(60, 201)]);
    assert!(got[0].words().contains("paused"), "{}", got[0].words());
    assert_eq!(
        w.operate(&Operation::Pause),
        Err(Refusal::Conflict("it is paused already; `twsmux control resume` ends that"))
    );
    w.operate(&Operation::Resume).unwrap();
    w.link_up(176);
    w.pass(SECOND);
    assert_eq!(notices(&mut w, who), [1102], "its subscription is there again");
    let again = w.went_up();
    let again = again.iter().find(|f| f.id == 1).expect("it was asked for again");
    assert_ne!(again.request().get("reqId"), Some(""), "{up}");
}

#[test]
fn what_waits_and_what_the_gateway_has_not_answered_comes_before_the_end() {
    let mut w = world(|c| c.messages_per_second = Some(2));
    w.link_up(176);
    let who = w.started(1);
    w.pass(5 * SECOND);
    for order in ["60", "61", "62"] {
        w.request(who, 3, &[("orderId", order)]);
    }
    w.operate(&Operation::Reconnect).unwrap();
    let old = w.socket;
    w.request(who, 3, &[("orderId", "63")]);
    assert_eq!(errors(&w.got(who)), [(63, 201)], "new orders are refused");
    w.request(who, 4, &[("orderId", "60")]);
    w.pass(SECOND * 5 / 2);
    let up = w.went_up();
    assert_eq!(ids(&up), [3, 3, 3, 4], "cancels are not");
    assert_eq!(w.socket, old, "the Gateway has not answered");
    let order = |n: usize| up[n].request().get("orderId").unwrap().to_owned();
    for (n, status) in [(0, "Cancelled"), (1, "Submitted"), (2, "Submitted")] {
        w.shows(&order(n), status);
    }
    w.pass(SECOND / 5);
    assert_ne!(w.socket, old, "then the link is given up");
    assert!(!errors(&w.got(who)).iter().any(|e| e.1 == 399), "and the fate of no order is unknown");
}

#[test]
fn the_end_of_a_link_waits_no_longer_than_its_bound() {
    let mut w = ready();
    let who = w.started(1);
    w.places(who, "60"); // never answered
    w.operate(&Operation::Pause).unwrap();
    let limit = twsmux::core::Limits::default().drain_time;
    w.tick_until(w.now + limit - SECOND);
    assert!(w.socket.is_some());
    w.pass(SECOND);
    assert!(w.socket.is_none());
    assert_eq!(errors(&w.got(who)), [(-1, 1100), (60, 399)]);
}

#[test]
fn a_pause_that_ends_before_the_link_does_keeps_it() {
    let mut w = ready();
    let who = w.started(1);
    w.places(who, "60");
    let link = w.socket;
    w.operate(&Operation::Pause).unwrap();
    w.operate(&Operation::Resume).unwrap();
    w.pass(60 * SECOND);
    assert!(link.is_some() && w.socket == link && w.core.ready());
    w.places(who, "61");
}

#[test]
fn a_new_connection_is_made_at_once_and_not_before_a_look() {
    let mut w = ready();
    let who = w.started(1);
    w.pass(5 * SECOND);
    let old = w.socket;
    w.operate(&Operation::Reconnect).unwrap();
    assert!(w.socket.is_none(), "the old one ends now");
    w.pass(2 * SECOND);
    assert!(w.looking.is_some() && w.dialing.is_none(), "the kernel's table comes first");
    w.looked(Some(0));
    w.accepted();
    w.flush();
    assert_ne!(w.socket, old);
    w.gateway_hello(176);
    w.say_start(50);
    w.pass(SECOND);
    assert_eq!(notices(&mut w, who), [1100, 1102]);
}

#[test]
fn a_long_pause_between_attempts_is_cut_short() {
    let mut w = world(|_| {});
    // A Gateway that accepts and then fails, several times.
    for _ in 0..5 {
        w.dial();
        w.lose();
    }
    let wait = w.core.next_deadline().unwrap().since(w.now);
    assert!(wait > 100 * SECOND, "{wait:?}");
    w.pass(5 * SECOND);
    w.operate(&Operation::Reconnect).unwrap();
    assert!(w.looking.is_some(), "it is tried now");
    w.looked(Some(3));
    assert!(w.dialing.is_none(), "and zombies are found all the same");
    assert_eq!(case(&w), Some("zombies"));
}

#[test]
fn a_pause_holds_wherever_the_link_stands() {
    type Step = fn(&mut World);
    let steps: [(&str, Step); 5] = [
        ("looking", |w| drop(w.tick_until(w.now))),
        ("dialing", |w| {
            w.tick_until(w.now);
            w.looked(Some(0));
        }),
        ("greeting", |w| w.dial()),
        ("starting", |w| {
            w.dial();
            w.gateway_hello(176);
        }),
        ("learning", |w| link_again(w, 176)),
    ];
    for (state, step) in steps {
        let mut w = world(|_| {});
        step(&mut w);
        assert_eq!(w.core.view(w.now).upstream.state, state);
        w.operate(&Operation::Pause).unwrap();
        if state == "looking" {
            w.looked(Some(0));
        }
        w.pass(1000 * SECOND);
        assert!(w.socket.is_none() && w.dialing.is_none() && w.looking.is_none(), "{state}");
        assert_eq!((w.core.view(w.now).upstream.state, case(&w)), ("down", Some("paused")), "{state}");
        w.operate(&Operation::Resume).unwrap();
        w.link_up(176);
        assert!(w.core.ready(), "{state}");
        assert_eq!(case(&w), None);
    }
}

#[test]
fn a_link_that_breaks_while_a_pause_begins_stays_down() {
    let mut w = ready();
    let who = w.started(1);
    w.places(who, "60");
    w.operate(&Operation::Pause).unwrap();
    w.lose();
    assert_eq!(case(&w), Some("paused"));
    w.pass(1000 * SECOND);
    assert!(w.looking.is_none());
}

#[test]
fn a_client_is_told_and_closed_and_may_come_back() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.operate(&kill(1)).unwrap();
    let got = w.got(one);
    assert_eq!(errors(&got), [(-1, 504)]);
    assert!(got[0].words().contains("operator"));
    assert!(!w.peers[one].open && w.peers[two].open);
    assert_eq!(w.core.stats.gone[Gone::Killed as usize], 1);
    assert!(w.got(two).is_empty());
    let back = w.started(1);
    assert!(w.peers[back].open);
    let nobody = w.operate(&kill(7)).unwrap_err();
    assert!(nobody.to_string().starts_with("client id 7 is not connected"), "{nobody}");
    // One that has not said who it is.
    let (silent, _) = w.connect();
    let key = w.peers[silent].key;
    w.operate(&Operation::Kill(Who::Key(key))).unwrap();
    assert!(w.got(silent).is_empty(), "there is no message before the greeting's answer");
    assert!(!w.peers[silent].open);
    assert!(w.operate(&Operation::Kill(Who::Key(key))).is_err());
}

#[test]
fn while_it_drains_nobody_comes_in_and_nobody_has_to_leave() {
    let mut w = ready();
    let one = w.started(1);
    w.operate(&DRAIN).unwrap();
    let late = w.starting(100, 176);
    w.start(late, 2);
    let got = w.got(late);
    assert_eq!(errors(&got), [(-1, 504)]);
    assert!(got.last().unwrap().words().contains("drained"));
    assert!(!w.peers[late].open);
    w.places(one, "60");
    w.gone(one, Gone::Eof);
    w.pass(60 * SECOND);
    assert!(!w.finished, "it does not end by itself");
    w.operate(&Operation::Resume).unwrap();
    w.started(2);
}

#[test]
fn drained_to_the_end_it_stops_when_the_last_has_left() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.operate(&DRAIN_AND_STOP).unwrap();
    w.gone(one, Gone::Eof);
    assert!(!w.finished);
    w.gone(two, Gone::Eof);
    w.flush();
    assert!(w.finished);
    let mut w = ready();
    w.operate(&DRAIN_AND_STOP).unwrap();
    w.flush();
    assert!(w.finished, "at once when nobody is there");
    assert_eq!(w.operate(&Operation::Pause), Err(Refusal::Conflict("twsmux stops")));
}

#[test]
fn a_stop_lets_orders_in_flight_settle() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.handle(Input::Stop);
    w.flush();
    assert!(!w.finished, "the Gateway has not answered");
    w.shows(&up, "Filled");
    assert_eq!(ids(&w.got(who)), [5, 3], "the owner hears all of it");
    w.pass(SECOND / 5);
    assert!(w.finished);
}

#[test]
fn an_attempt_under_way_is_not_given_up_for_another() {
    let mut w = world(|_| {});
    for _ in 0..3 {
        w.dial();
        w.lose();
    }
    w.dial();
    let link = w.socket;
    let refusal = w.operate(&Operation::Reconnect).unwrap_err();
    assert!(refusal.to_string().contains("being tried already"), "{refusal}");
    assert!(link.is_some() && w.socket == link);
    w.lose();
    let wait = w.core.next_deadline().unwrap().since(w.now);
    assert!(wait > 100 * SECOND, "the pauses go on growing: {wait:?}");
}
