//! Answers that serve several: requests without an id that are equal, and answers that are kept.

use crate::support::ease::{SECOND, errors, ids, link_again, ready, world};
use crate::support::{Who, World};
use twsmux::core::HistoricalPacing;

/// 2026-11-23 22:07:38 UTC.
const NOW_MS: u64 = 1_795_471_658_000;

fn answered(w: &mut World, who: Who, row: u16, end: u16) -> Vec<u16> {
    w.say(row, &[]);
    if end != row {
        w.say(end, &[]);
    }
    ids(&w.got(who))
}

#[test]
fn equal_requests_without_an_id_that_wait_are_one() {
    let mut w = ready();
    let (one, two, three) = (w.started(1), w.started(2), w.started(3));
    assert_eq!(w.asks(one, 18, &[("faDataType", "1")]).id, 18);
    w.request(two, 18, &[("faDataType", "1")]);
    w.request(three, 18, &[("faDataType", "3")]);
    assert_eq!(ids(&w.went_up()), [18], "another data type is another lane");
    w.say(16, &[("faDataType", "1"), ("xml", "a")]);
    assert_eq!((ids(&w.got(one)), ids(&w.got(two)), ids(&w.got(three))), (vec![16], vec![16], vec![]));
    // Groups and profiles can be changed: the next one is asked for anew.
    assert_eq!(w.asks(two, 18, &[("faDataType", "1")]).id, 18);
}

#[test]
fn who_asks_twice_is_answered_twice() {
    let mut w = ready();
    let one = w.started(1);
    w.asks(one, 18, &[("faDataType", "1")]);
    w.request(one, 18, &[("faDataType", "1")]);
    w.say(16, &[("faDataType", "1"), ("xml", "a")]);
    assert_eq!(ids(&w.got(one)), [16]);
    assert_eq!(ids(&w.went_up()), [18]);
    w.say(16, &[("faDataType", "1"), ("xml", "b")]);
    assert_eq!(ids(&w.got(one)), [16]);
}

#[test]
fn a_list_of_orders_is_not_joined_once_an_order_has_left_or_an_answer_begun() {
    let mut w = ready();
    let (one, two, three) = (w.started(1), w.started(2), w.started(3));
    let up = w.places(one, "5");
    w.shows(&up, "Submitted");
    w.got(one);
    w.asks(two, 16, &[]);
    w.request(three, 16, &[]);
    assert!(w.went_up().is_empty(), "it joins");
    let other = w.places(one, "6");
    w.request(one, 16, &[]);
    w.say(5, &[("orderId", &up), ("clientId", "0"), ("status", "Submitted"), ("ocaGroup", "Submitted")]);
    w.say(53, &[]);
    for who in [two, three] {
        assert_eq!(ids(&w.got(who)), [5, 53]);
    }
    assert!(w.got(one).is_empty(), "that answer may be from before its order");
    assert_eq!(ids(&w.went_up()), [16]);
    w.shows(&other, "Submitted");
    w.request(two, 16, &[]);
    w.say(53, &[]);
    assert_eq!(ids(&w.got(one)), [5, 3, 53]);
    assert!(w.got(two).is_empty(), "a part of the answer had come");
    assert_eq!(ids(&w.went_up()), [16]);
}

#[test]
fn reference_data_is_asked_for_once_as_long_as_the_link_lives() {
    let mut w = ready();
    for (request, row) in [(24, 19), (80, 78), (82, 80), (85, 85), (91, 93)] {
        let values: &[(&'static str, &str)] = if request == 91 { &[("marketRuleId", "26")] } else { &[] };
        let (one, two) = (w.started(1), w.started(2));
        assert_eq!(w.asks(one, request, values).id, request);
        w.say(row, values);
        w.request(two, request, values);
        assert!(w.went_up().is_empty(), "{request} is known");
        for who in [one, two] {
            assert_eq!(ids(&w.got(who)), [row]);
            w.gone(who, twsmux::core::io::Gone::Error);
        }
    }
    let one = w.started(1);
    assert_eq!(w.asks(one, 91, &[("marketRuleId", "27")]).id, 91, "another rule");
    w.say(93, &[("marketRuleId", "27")]);
    w.got(one);
    assert!(w.core.view(w.now).kept_answers >= 6);
    w.lose();
    assert_eq!(w.core.view(w.now).kept_answers, 0);
    w.link_up(176);
    w.got(one);
    assert_eq!(w.asks(one, 91, &[("marketRuleId", "26")]).id, 91, "it may have changed");
}

#[test]
fn reference_data_that_was_refused_is_asked_for_again() {
    let mut w = ready();
    let one = w.started(1);
    w.asks(one, 24, &[]);
    w.say_error(-1, 322, "no scanner parameters");
    assert_eq!(errors(&w.got(one)), [(-1, 322)]);
    assert_eq!(w.asks(one, 24, &[]).id, 24);
    assert_eq!(answered(&mut w, one, 19, 19), [19]);
    w.request(one, 24, &[]);
    assert_eq!(ids(&w.got(one)), [19]);
}

#[test]
fn whoever_waits_for_its_turn_is_served_by_the_answer_before() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 80, &[]);
    w.request(one, 80, &[]);
    w.request(two, 80, &[]);
    w.say(78, &[]);
    assert!(w.went_up().is_empty());
    assert_eq!((ids(&w.got(one)), ids(&w.got(two))), (vec![78, 78], vec![78]));
}

#[test]
fn completed_orders_serve_again_while_no_order_changes() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let ask = [("apiOnly", "0")];
    w.request(one, 99, &ask);
    assert!(w.went_up().is_empty());
    assert_eq!(ids(&w.got(one)), [102], "what twsmux itself has just asked for serves as well");
    w.pass(31 * SECOND);
    w.asks(one, 99, &ask);
    assert_eq!(answered(&mut w, one, 101, 102), [101, 102]);
    w.request(two, 99, &ask);
    assert!(w.went_up().is_empty());
    assert_eq!(ids(&w.got(two)), [101, 102]);
    assert_eq!(w.asks(two, 99, &[("apiOnly", "1")]).id, 99, "another question");
    assert_eq!(answered(&mut w, two, 101, 102), [101, 102]);
    // What other programs do is not heard of, so it serves for a while only.
    w.pass(31 * SECOND);
    w.asks(two, 99, &ask);
    assert_eq!(answered(&mut w, two, 101, 102), [101, 102]);
    let up = w.places(one, "5");
    w.asks(two, 99, &ask);
    assert_eq!(answered(&mut w, two, 101, 102), [101, 102]);
    w.shows(&up, "Cancelled");
    assert_eq!(w.asks(two, 99, &ask).id, 99, "an order ended");
    w.say_error(up.parse().unwrap(), 202, "Order Canceled - reason:");
    assert_eq!(answered(&mut w, two, 101, 102), [101, 102]);
    assert_eq!(w.asks(two, 99, &ask).id, 99, "something was heard while that answer was under way");
}

#[test]
fn completed_orders_that_serve_again_come_after_how_the_askers_own_ended() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let ask = [("apiOnly", "0")];
    let up = w.places(two, "5");
    w.shows(&up, "Cancelled");
    w.got(two);
    let ended = |w: &mut World| w.say(3, &[("orderId", &up), ("clientId", "0"), ("status", "Cancelled")]);
    // As the Gateway answers: what ended, then the list.
    w.asks(one, 99, &ask);
    ended(&mut w);
    assert!(w.got(one).is_empty(), "it is not his");
    w.got(two);
    // Whoever asks in the middle of an answer gets one of his own.
    w.request(two, 99, &ask);
    w.say(101, &[]);
    w.say(102, &[]);
    assert_eq!(ids(&w.got(one)), [101, 102]);
    let told = w.got(two);
    assert_eq!(ids(&told), [3, 101, 102], "from the answer before, which serves");
    assert_eq!(told[0].response().get("orderId"), Some("5"));
    assert!(w.went_up().is_empty());
}

fn fill(w: &mut World, request: &str, up: &str, exec: &str) {
    let values = [("reqId", request), ("orderId", up), ("clientId", "0"), ("execId", exec)];
    w.say(11, &values);
}

#[test]
fn executions_serve_again_while_no_order_changes_each_with_its_commission() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    fill(&mut w, "-1", &up, "e1");
    w.say(59, &[("execId", "e1")]);
    w.got(one);
    let query = w.asks_id(two, 7, &[("reqId", "9")]);
    w.request(one, 7, &[("reqId", "4")]);
    assert!(w.went_up().is_empty(), "equal ones under way are one");
    fill(&mut w, &query, &up, "e1");
    w.say(59, &[("execId", "e1")]);
    w.say(55, &[("reqId", &query)]);
    w.request(one, 7, &[("reqId", "6")]);
    assert!(w.went_up().is_empty(), "nothing has changed");
    let got = w.got(one);
    assert_eq!(ids(&got), [11, 59, 55, 11, 59, 55]);
    let told = [0, 2, 3, 5].map(|at| got[at].response().int("reqId"));
    assert_eq!(told, [Some(4), Some(4), Some(6), Some(6)]);
    assert_eq!(got[3].response().int("orderId"), Some(5), "in its owner's terms");
    assert_eq!(ids(&w.got(two)), [11, 59, 55]);
    assert_eq!(w.core.view(w.now).requests, 0);
    // Another filter is another question; so is a question after a fill.
    assert_eq!(w.asks(one, 7, &[("reqId", "7"), ("clientId", "1")]).id, 7);
    fill(&mut w, "-1", &up, "e2");
    assert_eq!(w.asks(one, 7, &[("reqId", "8")]).id, 7);
}

#[test]
fn a_kept_answer_does_not_overtake_what_its_asker_sent_before() {
    let mut w = world(|c| c.messages_per_second = Some(2));
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    w.pass(2 * SECOND);
    let up = w.places(one, "5");
    w.shows(&up, "Submitted");
    w.pass(2 * SECOND);
    w.asks(one, 99, &[("apiOnly", "0")]);
    w.say(102, &[]);
    w.got(one);
    // The limit is used up, so that the modification waits; the answer that is kept is from before it.
    w.request(two, 91, &[("marketRuleId", "26")]);
    w.went_up();
    w.request(one, 3, &[("orderId", "5")]);
    w.request(one, 99, &[("apiOnly", "0")]);
    assert!(w.went_up().is_empty() && w.got(one).is_empty());
    w.request(two, 99, &[("apiOnly", "0")]);
    assert_eq!(ids(&w.got(two)), [102], "of somebody else's orders nothing has changed");
    w.pass(2 * SECOND);
    assert_eq!(ids(&w.went_up()), [3, 99], "the question follows the modification");
}

fn bars(id: &'static str, change: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut values = vec![
        ("reqId", id),
        ("symbol", "AAPL"),
        ("secType", "STK"),
        ("exchange", "SMART"),
        ("currency", "USD"),
        ("endDateTime", "20261120-21:00:00"),
        ("barSizeSetting", "5 secs"),
        ("durationStr", "1800 S"),
        ("whatToShow", "TRADES"),
        ("useRTH", "1"),
        ("formatDate", "1"),
        ("keepUpToDate", "0"),
    ];
    for (name, value) in change {
        values.iter_mut().find(|v| v.0 == *name).expect("it is there").1 = value;
    }
    values
}

#[test]
fn small_bars_of_the_past_serve_again_for_as_long_as_they_must_not_be_asked_for_again() {
    // What may not serve again must be asked at once, for this test.
    let mut w = world(|c| (c.epoch_ms, c.historical_pacing) = (NOW_MS, HistoricalPacing::Off));
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    let get = |w: &mut World, change: &[(&'static str, &'static str)]| {
        let up = w.asks_id(one, 20, &bars("7", change));
        w.say(17, &[("reqId", &up), ("startDate", "a")]);
        assert_eq!(ids(&w.got(one)), [17]);
    };
    get(&mut w, &[]);
    w.request(two, 20, &bars("3", &[]));
    assert!(w.went_up().is_empty());
    let got = w.got(two);
    assert_eq!((ids(&got), got[0].response().int("reqId")), (vec![17], Some(3)));
    for other in [("useRTH", "0"), ("formatDate", "2"), ("whatToShow", "BID"), ("durationStr", "900 S")] {
        get(&mut w, &[other]);
    }
    w.pass(15 * SECOND);
    get(&mut w, &[]);
    // What is not past, not small, or goes on is asked for every time.
    for fresh in [
        ("endDateTime", ""),
        ("endDateTime", "20261123 22:00:00"),
        ("endDateTime", "20261123-22:07:00"),
        ("barSizeSetting", "1 min"),
    ] {
        get(&mut w, &[fresh]);
        get(&mut w, &[fresh]);
    }
    w.asks(one, 20, &bars("8", &[("keepUpToDate", "1"), ("endDateTime", "")]));
    assert_eq!(w.asks(two, 20, &bars("8", &[("keepUpToDate", "1"), ("endDateTime", "")])).id, 20);
}

#[test]
fn kept_bars_come_in_the_form_of_each_version() {
    let mut w = world(|c| (c.epoch_ms, c.max_server_version) = (NOW_MS, 226));
    w.link_up(226);
    let old = w.starting(100, 157);
    w.start(old, 1);
    let new = w.starting(213, 226);
    w.start(new, 2);
    let up = w.asks_id(new, 20, &bars("7", &[]));
    w.say(17, &[("reqId", &up)]);
    w.say(108, &[("reqId", &up), ("startDate", "a"), ("endDate", "b")]);
    w.got(old);
    w.got(new);
    w.request(old, 20, &bars("3", &[]));
    w.request(new, 20, &bars("4", &[]));
    assert!(w.went_up().is_empty());
    let got = w.got(old);
    assert_eq!((ids(&got), got[0].response().get("endDate")), (vec![17], Some("b")));
    assert_eq!(ids(&w.got(new)), [17, 108]);
    assert_eq!(w.core.view(w.now).requests, 0);
}

#[test]
fn ticks_of_the_past_and_head_timestamps_serve_again_and_can_be_switched_off() {
    for on in [true, false] {
        let mut w = world(|c| {
            c.historical_pacing = HistoricalPacing::Off;
            c.epoch_ms = NOW_MS;
            if !on {
                c.repeat_time = std::time::Duration::ZERO;
            }
        });
        w.link_up(176);
        let (one, two) = (w.started(1), w.started(2));
        let ticks = |id| vec![("reqId", id), ("symbol", "AAPL"), ("endDateTime", "20261120 21:00:00")];
        let head = |id| vec![("reqId", id), ("symbol", "AAPL"), ("formatDate", "1")];
        let up = w.asks_id(one, 96, &ticks("1"));
        w.say(96, &[("reqId", &up), ("done", "1")]);
        let up = w.asks_id(one, 87, &head("2"));
        w.say(88, &[("reqId", &up), ("headTimestamp", "19801212-14:30:00")]);
        assert_eq!(ids(&w.got(one)), [96, 88]);
        w.request(two, 96, &ticks("5"));
        w.request(two, 87, &head("6"));
        match on {
            true => assert_eq!((ids(&w.got(two)), ids(&w.went_up())), (vec![96, 88], vec![])),
            false => assert_eq!((ids(&w.got(two)), ids(&w.went_up())), (vec![], vec![96, 87])),
        }
    }
}

#[test]
fn who_asks_for_its_own_orders_is_told_what_is_known_of_them() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    w.request(one, 5, &[]);
    assert_eq!(ids(&w.went_up()), [16], "the Gateway has not spoken of its order");
    w.request(two, 5, &[]);
    assert_eq!(ids(&w.got(two)), [53]);
    w.shows(&up, "Submitted");
    w.say(53, &[]);
    assert_eq!(ids(&w.got(one)), [5, 3, 53]);
    w.request(one, 5, &[]);
    let got = w.got(one);
    assert_eq!((ids(&got), got[0].response().int("orderId")), (vec![5, 3, 53], Some(5)));
    assert!(w.went_up().is_empty());
    // Whether it lists what does not work is for the Gateway to say.
    w.shows(&up, "Inactive");
    w.got(one);
    assert_eq!(w.asks(one, 5, &[]).id, 16);
    w.say(53, &[]);
    assert_eq!(ids(&w.got(one)), [53]);
    assert_eq!(w.asks(two, 16, &[]).id, 16, "everybody's are known to the Gateway alone");
    // Orders from a direct connection are, too.
    w.say(5, &[("orderId", "3"), ("clientId", "2")]);
    w.say(53, &[]);
    w.got(two);
    assert_eq!(w.asks(two, 5, &[]).id, 16);
    w.say(53, &[]);
    // After a global cancel some of what it does may still be on its way.
    w.asks(two, 58, &[]);
    w.request(one, 5, &[]);
    assert_eq!(ids(&w.went_up()), [16]);
}

#[test]
fn what_the_gateway_says_to_a_cancel_comes_before_the_list_that_was_asked_for_after_it() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "5");
    w.shows(&up, "Cancelled");
    w.got(one);
    assert_eq!(w.asks(one, 4, &[("orderId", "5")]).id, 4, "whether it is over is for the Gateway to say");
    assert_eq!(w.asks(one, 5, &[]).id, 16);
    w.say_error(up.parse().unwrap(), 10148, "OrderId 5 that needs to be cancelled cannot be cancelled");
    w.say(53, &[]);
    assert_eq!(ids(&w.got(one)), [4, 53]);
    w.request(one, 5, &[]);
    assert_eq!((ids(&w.went_up()), ids(&w.got(one))), (vec![], vec![53]), "nothing is under way");
}

#[test]
fn while_the_lists_of_a_new_link_are_not_in_nobody_is_told_from_memory() {
    let mut w = ready();
    let one = w.started(1);
    w.lose();
    link_again(&mut w, 176);
    w.flush();
    w.got(one);
    w.request(one, 5, &[]);
    assert!(w.got(one).is_empty());
    w.say(53, &[]);
    assert_eq!(ids(&w.got(one)), [53], "it has joined twsmux's own question");
    w.request(one, 5, &[]);
    assert_eq!(ids(&w.got(one)), [53]);
}

#[test]
fn a_gateway_that_refuses_to_list_orders_refuses_it_to_clients_too() {
    let mut w = ready();
    let one = w.started(1);
    w.lose();
    link_again(&mut w, 176);
    w.say_error(-1, 321, "The API interface is currently in Read-Only mode.");
    w.got(one);
    assert_eq!(w.asks(one, 5, &[]).id, 16);
    w.say_error(-1, 321, "The API interface is currently in Read-Only mode.");
    assert_eq!(errors(&w.got(one)), [(-1, 321)]);
}

#[test]
fn an_order_that_changes_in_a_list_of_open_orders_has_changed() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    w.shows(&up, "Submitted");
    w.asks(two, 99, &[("apiOnly", "0")]);
    w.say(102, &[]);
    w.asks(two, 16, &[]);
    w.shows(&up, "Cancelled");
    w.say(53, &[]);
    assert_eq!(w.asks(two, 99, &[("apiOnly", "0")]).id, 99);
}

#[test]
fn what_a_client_asks_twice_is_answered_in_the_order_of_asking() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(two, "5");
    w.shows(&up, "Submitted");
    w.got(two);
    // Both lists have the same end: the orders of all are not to be taken for its own, nor the other way round.
    w.asks(one, 16, &[]);
    w.request(one, 5, &[]);
    assert!(w.got(one).is_empty(), "its own are known, and are the second answer");
    w.say(5, &[("orderId", &up), ("clientId", "0"), ("status", "Submitted"), ("ocaGroup", "Submitted")]);
    w.say(53, &[]);
    assert_eq!(ids(&w.got(one)), [5, 53]);
    assert_eq!(ids(&w.went_up()), [16]);
    w.say(53, &[]);
    assert_eq!(ids(&w.got(one)), [53]);
}

#[test]
fn nobody_joins_a_question_before_the_one_that_it_has_asked_already() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    w.shows(&up, "Submitted");
    w.got(one);
    w.asks(one, 99, &[("apiOnly", "1")]);
    w.request(two, 99, &[("apiOnly", "0")]);
    w.request(two, 99, &[("apiOnly", "1")]);
    w.say(101, &[("permId", "7"), ("status", "Filled")]);
    w.say(102, &[]);
    assert_eq!(ids(&w.got(one)), [101, 102]);
    assert!(w.got(two).is_empty(), "it has asked for those of everybody before");
    w.say(102, &[]);
    assert_eq!(ids(&w.got(two)), [102, 101, 102]);
}

#[test]
fn a_repetition_from_before_a_modification_or_a_cancel_is_not_told_as_how_the_order_stands() {
    for amend in [3, 4] {
        let mut w = ready();
        let one = w.started(1);
        let up = w.places(one, "5");
        w.shows(&up, "Submitted");
        w.asks(one, amend, &[("orderId", "5"), ("lmtPrice", "7")]);
        // The Gateway repeats what it says of an order that works (LIVE.md section 3).
        w.shows(&up, "Submitted");
        w.got(one);
        w.request(one, 5, &[]);
        assert!(w.got(one).is_empty(), "{amend}");
        assert_eq!(ids(&w.went_up()), [16], "{amend}: the Gateway knows whether it has arrived");
        w.say(53, &[]);
        assert_eq!(ids(&w.got(one)), [53]);
        w.pass(11 * SECOND);
        w.request(one, 5, &[]);
        assert_eq!(ids(&w.got(one)), [5, 3, 53], "{amend}: it has been silent about it");
    }
}

#[test]
fn a_global_cancel_counts_also_when_its_sender_has_gone() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    w.shows(&up, "Submitted");
    w.got(one);
    w.request(two, 58, &[]);
    w.gone(two, twsmux::core::io::Gone::Eof);
    assert_eq!(ids(&w.went_up()), [58]);
    assert_eq!(w.asks(one, 5, &[]).id, 16, "some of what it does may still be on its way");
}
