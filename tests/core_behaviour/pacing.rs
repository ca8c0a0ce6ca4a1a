//! Too much for the Gateway at once: who goes first, who waits, and how waits end.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::ease::{SECOND, errors, ids, ready, world};
use crate::support::{Frame, Who, World};
use twsmux::core::io::{Gone, Input};

/// A world whose Gateway takes a message a second, and how many seconds requests wait.
fn slow(request_wait: u64) -> World {
    let mut w = world(|c| {
        c.messages_per_second = Some(1);
        c.limits.request_wait = Duration::from_secs(request_wait);
    });
    w.link_up(176);
    w.pass(2 * SECOND);
    w.went_up();
    w
}

/// A client with connect options.
fn started_with(w: &mut World, id: i32, options: &str) -> Who {
    let (who, _) = w.connect();
    w.greet_with(who, 100, 225, options);
    w.start(who, id);
    w.got(who);
    who
}

fn quotes(w: &mut World, who: Who, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let n = n.to_string();
        w.request(who, 1, &[("reqId", &n), ("conId", &n)]);
    }
}

/// Seconds pass in which the Gateway gives signs of life.
fn wait(w: &mut World, seconds: usize) {
    for _ in 0..seconds {
        w.pass(SECOND);
        w.say(49, &[("time", "1764000000")]);
    }
}

/// The contract that a frame is about.
fn contract(f: &Frame) -> usize {
    f.request().get("conId").and_then(|con| con.parse().ok()).expect("a contract")
}

#[test]
fn ten_clients_that_ask_for_everything_at_once_get_equal_shares_and_delay_no_order() {
    let mut w = ready();
    let clients: Vec<Who> = (1..=10).map(|id| w.started(id)).collect();
    let trader = w.started(11);
    w.pass(2 * SECOND);
    w.went_up();
    for n in 0..500 {
        for who in &clients {
            let con = (1000 * (who + 1) + n).to_string();
            // All classes but one, each client in its own mixture.
            let message = if (n + who) % 3 == 0 { 9 } else { 1 };
            w.request(*who, message, &[("reqId", &n.to_string()), ("conId", &con)]);
        }
    }
    let mut left: Vec<usize> = w.went_up().iter().map(contract).collect();
    let (mut orders, mut last_sign) = (0, w.now);
    while left.len() < 5000 {
        w.pass(Duration::from_millis(137));
        left.extend(w.went_up().iter().map(contract));
        if w.now.since(last_sign) > 10 * SECOND {
            last_sign = w.now;
            w.say(49, &[("time", "1764000000")]);
        }
        // Somebody trades all the time: in a full window and in one that has just begun.
        if orders < 200 && left.len() / 24 > orders {
            orders += 1;
            w.request(trader, 3, &[("orderId", &orders.to_string())]);
            let up = w.went_up();
            let before = up.iter().position(|f| f.id == 3).expect("the order leaves at once");
            assert!(before <= 2, "{before} messages left before it");
            left.extend(up.iter().filter(|f| f.id != 3).map(contract));
        }
        if left.len() > 2500 && left.len() < 4500 {
            let mut shares = [0; 20];
            left.iter().for_each(|con| shares[con / 1000] += 1);
            let shares = clients.iter().map(|who| shares[who + 1]);
            let (least, most) = (shares.clone().min().unwrap(), shares.max().unwrap());
            assert!(most * 10 <= least * 11, "{least} and {most} of {}", left.len());
        }
    }
    assert_eq!(orders, 200);
    let different: BTreeSet<usize> = left.iter().copied().collect();
    assert_eq!((left.len(), different.len()), (5000, 5000), "none is lost, none leaves twice");
    assert!(clients.iter().all(|who| errors(&w.got(*who)).is_empty()));
}

#[test]
fn a_request_that_waits_too_long_is_not_sent_and_its_asker_is_told() {
    let mut w = slow(10);
    let (one, two) = (w.started(1), w.started(2));
    quotes(&mut w, one, 0..30);
    w.pass(8 * SECOND);
    quotes(&mut w, two, 100..101);
    w.pass(3 * SECOND);
    let left = w.went_up();
    let late = w.got(one);
    assert_eq!(errors(&late).len() + left.len() - 1, 30, "{left:?}");
    assert!(errors(&late).iter().all(|(_, code)| *code == 322));
    let words = late[0].words();
    assert!(words.contains("waited 10 s") && words.contains("+PACEAPI"), "{words}");
    assert!(left.iter().any(|f| contract(f) == 100), "who came later has waited less, and its turn comes");
    wait(&mut w, 60);
    assert!(w.went_up().is_empty(), "what was refused does not leave");
    let view = w.core.view(w.now);
    assert_eq!((view.queued, view.requests), (0, left.len()));
    assert_eq!(view.stats.expired.iter().sum::<u64>() as usize, errors(&late).len());
    // Its ids are free.
    quotes(&mut w, one, 29..30);
    assert_eq!(w.went_up().len(), 1);
}

#[test]
fn a_client_that_asks_to_be_paced_waits_longer() {
    let mut w = slow(10);
    let (paced, other) = (started_with(&mut w, 1, "+PACEAPI"), started_with(&mut w, 2, "+SOMETHING"));
    quotes(&mut w, paced, 0..30);
    quotes(&mut w, other, 100..130);
    wait(&mut w, 90);
    assert!(errors(&w.got(paced)).is_empty());
    assert!(errors(&w.got(other)).len() > 20);
    let left = w.went_up();
    assert_eq!(left.iter().filter(|f| contract(f) < 100).count(), 30);
    let view = w.core.view(w.now);
    assert_eq!(view.clients.iter().map(|c| c.wants_pacing).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn of_those_who_share_a_request_the_most_patient_one_counts() {
    let mut w = slow(10);
    let (one, two) = (w.started(1), started_with(&mut w, 2, "+PACEAPI"));
    quotes(&mut w, one, 0..20);
    quotes(&mut w, two, 15..16);
    wait(&mut w, 60);
    let left: Vec<usize> = w.went_up().iter().map(contract).collect();
    assert!(left.contains(&15) && !left.contains(&14), "{left:?}");
}

#[test]
fn a_shorter_wait_counts_for_what_waits_already() {
    let mut w = slow(100);
    let who = w.started(1);
    quotes(&mut w, who, 0..30);
    w.pass(5 * SECOND);
    let mut config = w.core.config().clone();
    config.limits.request_wait = 3 * SECOND;
    w.handle(Input::Reconfigure { config: &config });
    w.pass(SECOND / 100);
    assert!(errors(&w.got(who)).len() >= 20);
    w.went_up();
    wait(&mut w, 10);
    assert!(w.went_up().is_empty());
}

#[test]
fn a_subscription_to_a_stream_that_waits_too_long_is_over_for_all_who_joined_it() {
    let mut w = slow(10);
    let (one, two) = (w.started(1), w.started(2));
    for n in 0..30 {
        w.request(one, 94, &[("reqId", &n.to_string()), ("account", "DU1"), ("conId", &n.to_string())]);
    }
    w.request(one, 61, &[]);
    w.request(two, 61, &[]);
    wait(&mut w, 11);
    let told = |w: &mut World, who| errors(&w.got(who)).iter().filter(|e| **e == (-1, 322)).count();
    assert_eq!((told(&mut w, one), told(&mut w, two)), (1, 1));
    wait(&mut w, 30);
    w.went_up();
    w.request(two, 61, &[]);
    assert_eq!(ids(&w.went_up()), [61], "they may subscribe again");
}

#[test]
fn a_cancel_of_what_was_never_sent_goes_with_it() {
    let mut w = slow(10);
    let who = w.started(1);
    quotes(&mut w, who, 0..20);
    for n in 0..20 {
        w.request(who, 2, &[("reqId", &n.to_string())]);
    }
    wait(&mut w, 60);
    let left = w.went_up();
    let (asked, cancelled): (Vec<&Frame>, Vec<&Frame>) = left.iter().partition(|f| f.id == 1);
    assert!(!asked.is_empty() && asked.len() < 20);
    let up = |frames: Vec<&Frame>| -> Vec<String> {
        frames.iter().map(|f| f.request().get("reqId").unwrap().to_owned()).collect()
    };
    assert_eq!(up(asked), up(cancelled), "every one that left is cancelled, and no other");
    assert!(errors(&w.got(who)).is_empty(), "whoever has cancelled it does not wait for it");
}

#[test]
fn cancels_are_never_refused_for_waiting() {
    let mut w = slow(5);
    let who = w.started(1);
    w.request(who, 3, &[("orderId", "1")]);
    w.pass(2 * SECOND);
    let up = w.went_up()[0].request().get("orderId").unwrap().to_owned();
    w.shows(&up, "Submitted");
    w.got(who);
    for _ in 0..100 {
        w.request(who, 4, &[("orderId", "1")]);
    }
    wait(&mut w, 120);
    assert_eq!(ids(&w.went_up()), vec![4; 100]);
    assert!(errors(&w.got(who)).is_empty());
}

#[test]
fn a_cancel_never_overtakes_a_request_that_another_client_asked_first() {
    let mut w = slow(300);
    let (one, two) = (w.started(1), w.started(2));
    quotes(&mut w, one, 0..10);
    quotes(&mut w, two, 9..10);
    w.gone(one, Gone::Eof);
    w.request(two, 2, &[("reqId", "9")]);
    wait(&mut w, 60);
    let left = w.went_up();
    let of_nine: Vec<u16> = {
        let asked = left.iter().find(|f| f.id == 1 && contract(f) == 9).expect("it leaves");
        let up = asked.request().get("reqId").unwrap().to_owned();
        left.iter().filter(|f| f.request().get("reqId") == Some(&up)).map(|f| f.id).collect()
    };
    assert_eq!(of_nine, [1, 2]);
}

#[test]
fn market_data_goes_on_while_somebody_asks_for_its_account_all_the_time() {
    let mut w = world(|c| c.messages_per_second = Some(5));
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    w.pass(2 * SECOND);
    w.went_up();
    quotes(&mut w, two, 0..10);
    for n in 0..300 {
        w.request(one, 94, &[("reqId", &n.to_string()), ("account", "DU1"), ("conId", &n.to_string())]);
    }
    wait(&mut w, 10);
    let left = ids(&w.went_up());
    assert_eq!(left.iter().filter(|id| **id == 1).count(), 10);
    assert!(left.iter().filter(|id| **id == 94).count() > 20, "and the others go on, too");
}
