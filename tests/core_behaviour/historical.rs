//! IB's pacing rules on historical data: what they forbid waits, and nothing else does.

use crate::support::ease::{SECOND, errors, ids, link_again, ready, world};
use crate::support::{Frame, Who, World};
use twsmux::core::HistoricalPacing;
use twsmux::core::io::{Gone, Input};

/// A question for bars up to now.
fn bars(w: &mut World, who: Who, id: usize, contract: usize, size: &str) {
    let (id, contract) = (id.to_string(), contract.to_string());
    w.request(
        who,
        20,
        &[("reqId", &id), ("conId", &contract), ("barSizeSetting", size), ("durationStr", "600 S")],
    );
}

/// Seconds pass in which the Gateway gives signs of life. Returns what left for it but for its clock.
fn wait(w: &mut World, seconds: usize) -> Vec<Frame> {
    let mut left = Vec::new();
    for _ in 0..seconds {
        w.pass(SECOND);
        w.say(49, &[("time", "1764000000")]);
        left.extend(w.went_up());
    }
    left.retain(|f| !matches!(f.id, 49 | 105));
    left
}

/// The Gateway answers a question for bars.
fn answer(w: &mut World, asked: &Frame) {
    let up = asked.request().get("reqId").unwrap().to_owned();
    w.say(17, &[("reqId", &up), ("startDate", "a"), ("endDate", "b"), ("itemCount", "0")]);
}

/// A client has had small bars and asks for the same at once: the Gateway would refuse it.
fn asked_again() -> (World, Who) {
    let mut w = ready();
    let who = w.started(1);
    bars(&mut w, who, 1, 7, "5 secs");
    let first = w.went_up();
    answer(&mut w, &first[0]);
    bars(&mut w, who, 2, 7, "5 secs");
    assert!(w.went_up().is_empty(), "it would be refused");
    (w, who)
}

#[test]
fn the_same_question_waits_a_quarter_of_a_minute_and_other_work_does_not_wait_behind_it() {
    let (mut w, who) = asked_again();
    bars(&mut w, who, 3, 8, "5 secs");
    bars(&mut w, who, 4, 7, "10 secs");
    bars(&mut w, who, 5, 7, "1 hour");
    bars(&mut w, who, 6, 7, "1 hour");
    w.request(who, 22, &[("reqId", "7"), ("scanCode", "X")]);
    assert_eq!(
        w.went_up().len(),
        4,
        "another contract, another size, large bars (two who ask the same), a scanner"
    );
    assert!(wait(&mut w, 14).is_empty());
    assert_eq!(ids(&wait(&mut w, 2)), [20]);
    assert!(errors(&w.got(who)).is_empty());
}

#[test]
fn sixty_in_ten_minutes_and_who_waits_too_long_is_told_as_the_gateway_would() {
    let mut w = world(|c| c.messages_per_second = None);
    w.link_up(176);
    let (much, little) = (w.started(1), w.started(2));
    w.went_up();
    for n in 0..100 {
        bars(&mut w, much, n, 100 + n, "30 secs");
        for f in w.went_up() {
            answer(&mut w, &f);
        }
    }
    bars(&mut w, little, 1, 1, "30 secs");
    let view = w.core.view(w.now);
    assert_eq!((view.held, view.queued), (41, 41));
    w.got(much);
    assert!(wait(&mut w, 299).is_empty());
    assert!(errors(&w.got(much)).is_empty());
    wait(&mut w, 2);
    let told = w.got(much);
    assert_eq!(errors(&told).len(), 40);
    assert!(errors(&told).iter().all(|(_, code)| *code == 162));
    let words = told[0].words();
    assert!(words.contains("pacing violation") && words.contains("held this request for 300 s"), "{words}");
    assert_eq!(errors(&w.got(little)), [(1, 162)]);
    // When the first of them are ten minutes old, it goes on, for one as for the other.
    for n in 0..3 {
        bars(&mut w, much, 1000 + n, 1000 + n, "30 secs");
    }
    bars(&mut w, little, 2, 2, "30 secs");
    assert!(wait(&mut w, 290).is_empty());
    let left = wait(&mut w, 15);
    assert_eq!(left.len(), 4);
    assert_eq!(left[1].request().get("conId"), Some("2"), "the senders take turns");
}

#[test]
fn bids_and_asks_count_twice() {
    let mut w = world(|c| c.messages_per_second = None);
    w.link_up(176);
    let who = w.started(1);
    w.went_up();
    for n in 0..60 {
        let n = n.to_string();
        let ticks =
            [("reqId", n.as_str()), ("conId", &n), ("whatToShow", "BID_ASK"), ("numberOfTicks", "10")];
        w.request(who, 96, &ticks);
    }
    let left = w.went_up();
    assert_eq!(left.len(), 30);
}

#[test]
fn what_is_held_is_taken_back_when_nobody_wants_it_any_more() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    bars(&mut w, one, 1, 7, "1 secs");
    let first = w.went_up();
    answer(&mut w, &first[0]);
    bars(&mut w, one, 2, 7, "1 secs");
    w.request(one, 25, &[("reqId", "2")]);
    let told = w.got(one);
    assert_eq!(errors(&told), [(2, 162)], "as the Gateway answers a cancel");
    bars(&mut w, two, 3, 7, "1 secs");
    w.gone(two, Gone::Eof);
    assert!(wait(&mut w, 60).is_empty(), "neither it nor its cancel leaves");
    assert_eq!(w.core.view(w.now).requests, 0);
}

#[test]
fn no_more_questions_are_open_than_the_gateway_takes() {
    let mut w = ready();
    let who = w.started(1);
    for n in 0..60 {
        bars(&mut w, who, n, n, "1 day");
    }
    let mut left = wait(&mut w, 5);
    assert_eq!(left.len(), 50);
    for f in left.drain(..3) {
        answer(&mut w, &f);
    }
    assert_eq!(wait(&mut w, 1).len(), 3);
    // A new connection has none open.
    w.lose();
    link_again(&mut w, 176);
    assert_eq!(wait(&mut w, 5).iter().filter(|f| f.id == 20).count(), 50);
}

#[test]
fn when_the_gateway_complains_nothing_of_the_kind_goes_for_a_while() {
    let mut w = ready();
    let who = w.started(1);
    bars(&mut w, who, 1, 1, "5 secs");
    let up = w.went_up()[0].request().get("reqId").unwrap().to_owned();
    let words = "Historical Market Data Service error message:Historical data request pacing violation";
    w.say_error(up.parse().unwrap(), 162, words);
    assert_eq!(errors(&w.got(who)), [(1, 162)], "its asker is told");
    bars(&mut w, who, 2, 2, "5 secs");
    bars(&mut w, who, 3, 3, "1 day");
    assert_eq!(ids(&wait(&mut w, 14)), [20], "large bars go on");
    let up = wait(&mut w, 2)[0].request().get("reqId").unwrap().to_owned();
    // Again: twice as long.
    w.say_error(up.parse().unwrap(), 162, words);
    bars(&mut w, who, 4, 4, "5 secs");
    assert!(wait(&mut w, 28).is_empty());
    assert_eq!(wait(&mut w, 3).len(), 1);
}

#[test]
fn the_rules_can_be_turned_off_for_what_waits_already_too() {
    let (mut w, _) = asked_again();
    let mut config = w.core.config().clone();
    config.historical_pacing = HistoricalPacing::Off;
    w.handle(Input::Reconfigure { config: &config });
    assert_eq!(ids(&w.went_up()), [20]);
}
