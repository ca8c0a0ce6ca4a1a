//! A Gateway in trouble: when it is looked at, which case follows, how long the case lasts, and who is told.

use std::time::Duration;

use crate::support::ease::{SECOND, errors, ready, world};
use crate::support::{Outcome, World};
use twsmux::core::io::{Action, FarEnd, Input, Level, Zombies};
use twsmux::core::trouble::{Case, TABLE, TroubleView};

/// Time until the look at the connection's other end.
fn until_look(w: &mut World) -> Duration {
    let from = w.now;
    while w.examining.is_none() {
        let due = w.core.next_deadline().expect("something is due");
        assert!(due.since(from) < 60 * SECOND, "no look");
        w.tick_until(due.max(w.now));
    }
    w.now.since(from)
}

/// A connection that the Gateway has answered nothing on, looked at for the first time.
fn silent(end: FarEnd) -> World {
    let mut w = world(|_| {});
    w.dial();
    until_look(&mut w);
    w.examined(end);
    w
}

fn trouble(w: &World) -> TroubleView {
    w.core.view(w.now).upstream.trouble.expect("a case")
}

fn case(w: &World) -> Option<Case> {
    w.core.view(w.now).upstream.trouble.map(|trouble| trouble.case)
}

/// The warnings among what was wanted that tell a whole case.
fn told(outcomes: &[Outcome]) -> usize {
    let actions = outcomes.iter().flat_map(|outcome| &outcome.actions);
    actions
        .filter(
            |a| matches!(a, Action::Note(n) if n.level == Level::Warn && n.text.contains("What to do: 1.")),
        )
        .count()
}

/// What a client is told that comes now.
fn refusal(w: &mut World) -> String {
    let who = w.client(1);
    w.pass(2 * SECOND);
    let got = w.got(who);
    assert_eq!(errors(&got), [(-1, 504)]);
    got[0].words()
}

#[test]
fn what_the_gateway_has_done_with_the_connection_tells_the_case() {
    for (end, expected, detail) in [
        (FarEnd::NotAccepted, Case::NotAccepted, ""),
        (FarEnd::Unread(17), Case::GreetingUnread, "17 bytes of it are unread"),
        (FarEnd::Read, Case::NoAnswer, ""),
        (FarEnd::OutOfSight("another host".into()), Case::OutOfSight, "another host"),
    ] {
        let mut w = silent(end);
        let told = trouble(&w);
        assert_eq!(told.case, expected);
        assert!(told.seen.contains("127.0.0.1:4002") && told.seen.contains(detail), "{}", told.seen);
        assert!(w.socket.is_some(), "it is waited for");
        let words = refusal(&mut w);
        for said in [&*told.seen, told.means, told.steps[0].trim_end_matches('.')] {
            assert!(words.contains(said), "{said} is not in {words}");
        }
    }
}

#[test]
fn a_version_without_accounts_is_its_own_case_whatever_can_be_seen() {
    for (end, detail) in [
        (FarEnd::Read, ""),
        (FarEnd::Unread(11), "11 bytes of startApi are unread"),
        (FarEnd::OutOfSight("another host".into()), ""),
    ] {
        let mut w = world(|_| {});
        w.dial();
        w.tick_until(w.now + SECOND);
        w.gateway_hello(176);
        assert_eq!(until_look(&mut w), 3 * SECOND, "anew from what was last heard");
        w.examined(end);
        let told = trouble(&w);
        assert!(told.case == Case::NotStarted && told.seen.contains(detail), "{}", told.seen);
    }
}

#[test]
fn it_is_looked_at_after_3_s_and_then_10_s_after_each_answer() {
    let mut w = world(|_| {});
    w.dial();
    assert_eq!(until_look(&mut w), 3 * SECOND);
    w.tick_until(w.now + 20 * SECOND);
    w.examined(FarEnd::Read); // the world asserts that no second look is asked for meanwhile
    for _ in 0..2 {
        assert_eq!(until_look(&mut w), 10 * SECOND);
        w.examined(FarEnd::Read);
    }
    let mut w = world(|c| c.handshake_time = 2 * SECOND);
    w.dial();
    assert_eq!(until_look(&mut w), SECOND, "within the patience");
}

#[test]
fn a_gateway_that_answers_is_not_looked_at() {
    let mut w = ready();
    w.tick_until(w.now + 70 * SECOND);
    assert_eq!(w.examining, None);
    assert_eq!(case(&w), None);
}

#[test]
fn a_look_that_comes_too_late_says_nothing() {
    let mut w = world(|_| {});
    w.dial();
    until_look(&mut w);
    let old = w.examining.unwrap();
    w.lose();
    w.dial();
    w.handle(Input::Examined { link: old, zombies: None, end: FarEnd::Read });
    assert_eq!(case(&w), Some(Case::ClosedInHandshake), "of an attempt before");
    w.gateway_hello(176);
    w.say_start(50);
    let link = w.socket.unwrap();
    w.handle(Input::Examined { link, zombies: None, end: FarEnd::Read });
    assert_eq!(case(&w), None, "of a handshake that is over");
}

#[test]
fn an_answer_that_comes_while_it_is_looked_at_counts_and_the_look_does_not() {
    let mut w = world(|_| {});
    w.dial();
    until_look(&mut w);
    w.gateway_hello(176);
    w.tick_until(w.now + SECOND); // the world asserts that no second look is asked for
    w.examined(FarEnd::Unread(17));
    assert_eq!(case(&w), None);
    assert_eq!(until_look(&mut w), 2 * SECOND);
    w.examined(FarEnd::Read);
    assert_eq!(case(&w), Some(Case::NotStarted));
}

#[test]
fn a_case_is_told_to_the_log_when_it_begins_and_when_it_becomes_another() {
    let mut w = world(|_| {});
    w.dial();
    let mut log = w.tick_until(w.now + 3 * SECOND);
    for (end, times) in [
        (FarEnd::NotAccepted, 1),
        (FarEnd::NotAccepted, 1),
        (FarEnd::Unread(17), 2),
        (FarEnd::Unread(17), 2),
        (FarEnd::Read, 3),
    ] {
        log.push(w.examined(end));
        assert_eq!(told(&log), times);
        log.extend(w.tick_until(w.now + 10 * SECOND));
    }
}

#[test]
fn a_case_lasts_over_the_attempts_until_something_disproves_it() {
    let mut w = silent(FarEnd::Unread(17));
    let begin = w.now;
    let mut log = w.tick_until(w.now + 60 * SECOND);
    assert!(w.socket.is_none(), "the patience is over");
    let said = trouble(&w).seen;
    assert!(said.contains("17 bytes") && said.contains("did not finish the handshake in 60 s"), "{said}");
    w.dial();
    assert_eq!(case(&w), Some(Case::GreetingUnread));
    assert!(
        trouble(&w).seen.contains("connecting again; the last time"),
        "what is not seen yet is not claimed"
    );
    until_look(&mut w);
    log.push(w.examined(FarEnd::Unread(17)));
    assert!(!trouble(&w).seen.contains("the last time"));
    assert_eq!(told(&log), 0, "told once, at the first look");
    assert_eq!(trouble(&w).since_seconds, w.now.since(begin).as_secs_f64());
    w.gateway_hello(176);
    assert_eq!(case(&w), None, "it is read now");
    until_look(&mut w);
    w.examined(FarEnd::Read);
    assert_eq!(case(&w), Some(Case::NotStarted));
    w.say_start(50);
    assert_eq!(case(&w), None);
}

#[test]
fn an_accepted_connect_ends_the_cases_of_one_that_was_not() {
    let mut w = world(|_| {});
    w.tick_until(w.now);
    w.looked(Some(0));
    w.refused();
    assert_eq!(case(&w), Some(Case::NotListening));
    w.dial();
    assert_eq!(case(&w), None);
    assert!(w.core.diagnosis().contains("has not answered the handshake yet"));
}

#[test]
fn a_dial_without_an_answer_is_no_refusal_and_is_tried_again_soon() {
    let mut w = world(|_| {});
    w.tick_until(w.now);
    w.looked(Some(0));
    let link = w.dialing.take().unwrap();
    w.handle(Input::UpstreamUnreachable { link, error: "no answer to the connect".into() });
    assert_eq!(case(&w), Some(Case::Unreachable));
    assert!(refusal(&mut w).contains("no answer to the connect"));
    assert!(w.looking.is_some(), "within 2 s");
}

#[test]
fn zombies_that_appear_while_it_is_waited_for_are_named_and_the_connection_is_kept() {
    let mut w = world(|_| {});
    w.dial();
    until_look(&mut w);
    let zombies = Zombies { fin_unread: 2, not_closed: 1, ..Zombies::default() };
    w.examined_with(Some(zombies), FarEnd::Unread(17));
    let told = trouble(&w);
    assert_eq!((told.case, told.zombies), (Case::Zombies, Some(zombies)));
    assert!(
        told.seen.contains("2 with only the hang-up unread, 1 read to the end and not closed"),
        "{}",
        told.seen
    );
    assert_eq!(w.core.view(w.now).upstream.close_wait, Some(3));
    assert!(w.socket.is_some());
}

#[test]
fn each_failure_of_a_link_is_a_case() {
    let lose = |w: &mut World| drop(w.lose());
    let start = |w: &mut World| {
        w.dial();
        w.gateway_hello(176);
    };
    type Act<'a> = &'a dyn Fn(&mut World);
    let acts: [(Act<'_>, Case); 7] = [
        (&|w| (w.dial(), lose(w)).1, Case::ClosedInHandshake),
        (&|w| (start(w), lose(w)).1, Case::ClosedInHandshake),
        (&|w| (w.link_up(176), lose(w)).1, Case::Lost),
        (&|w| (w.link_up(176), drop(w.tick_until(w.now + 80 * SECOND))).1, Case::FellSilent),
        (&|w| (w.dial(), drop(w.gateway_hello(99))).1, Case::Misunderstood),
        (&|w| (start(w), drop(w.say_error(-1, 326, "in use"))).1, Case::ClientIdInUse),
        (&|w| (w.link_up(176), drop(w.say_error(-1, 1300, "now 4005"))).1, Case::PortMoved),
    ];
    for (act, expected) in acts {
        let mut w = world(|_| {});
        act(&mut w);
        assert_eq!(case(&w), Some(expected));
        assert!(w.socket.is_none());
        let words = refusal(&mut w);
        assert!(words.contains(expected.row().means), "{words}");
    }
}

#[test]
fn every_case_can_be_read_at_once_by_a_person() {
    let w = silent(FarEnd::Unread(17));
    let page = trouble(&w).to_string();
    let row = TABLE.iter().find(|row| row.name == "greeting_unread").unwrap();
    for (number, step) in row.steps.iter().enumerate() {
        assert!(page.contains(&format!("\n{}. {step}\n", number + 1)), "{page}");
    }
    assert!(page.contains("two-factor") && page.ends_with("Case greeting_unread, for 0 s."), "{page}");
}
