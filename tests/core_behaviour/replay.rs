//! Over an outage: subscriptions go on under their clients' ids, questions wait, and everybody is told how it stands.

use crate::support::ease::{SECOND, errors, ids, link_again, ready, world};
use crate::support::{Frame, Who, World};
use twsmux::core::io::Gone;

pub fn stock(id: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("reqId", id), ("symbol", "AAPL"), ("secType", "STK"), ("exchange", "SMART"), ("currency", "USD")]
}

pub fn with(id: &'static str, more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&stock(id)[..], more].concat()
}

/// The one frame of a message that went upstream, and its request id there.
pub fn asked(went: &[Frame], message: u16) -> String {
    let all: Vec<_> = went.iter().filter(|f| f.id == message).collect();
    assert_eq!(all.len(), 1, "{message} once: {went:?}");
    all[0].request().get("reqId").unwrap_or_default().to_owned()
}

fn said(w: &mut World, who: Who) -> Vec<(u16, String)> {
    let id = |f: &Frame| {
        let r = f.response();
        r.get(if f.id == 4 { "errorCode" } else { "reqId" }).unwrap_or_default().to_owned()
    };
    w.got(who).iter().map(|f| (f.id, id(f))).collect()
}

#[test]
fn streams_go_on_under_their_clients_ids_without_any_doing_of_theirs() {
    for (message, row, more) in [
        (1u16, 1u16, &[][..]),
        (50, 50, &[][..]),
        (97, 99, &[("tickType", "AllLast")][..]),
        (92, 94, &[("account", "DU1")][..]),
        (94, 95, &[("account", "DU1"), ("conId", "5")][..]),
        (62, 63, &[("groupName", "All"), ("tags", "A")][..]),
        (68, 68, &[("groupId", "1")][..]),
        (22, 20, &[("scanCode", "X")][..]),
    ] {
        let mut w = ready();
        let (one, two) = (w.started(1), w.started(2));
        let row_of = |w: &mut World, up: &str| {
            w.say(row, &[("reqId", up), ("tickType", if row == 99 { "1" } else { "2" })]);
        };
        let up = w.asks_id(one, message, &with("7", more));
        row_of(&mut w, &up);
        w.request(two, message, &with("3", more));
        w.got(one);
        w.got(two);
        w.lose();
        assert_eq!(errors(&w.got(one)), [(-1, 1100)], "{message}");
        assert_eq!(errors(&w.got(two)), [(-1, 1100)], "{message}");
        w.link_up(176);
        let up = asked(&w.went_up(), message);
        assert_eq!(errors(&w.got(one)), [(-1, 1102)], "{message}");
        assert_eq!(errors(&w.got(two)), [(-1, 1102)], "{message}");
        row_of(&mut w, &up);
        assert_eq!(said(&mut w, one), [(row, "7".to_owned())], "{message}");
        assert_eq!(said(&mut w, two), [(row, "3".to_owned())], "{message}");
    }
}

#[test]
fn clients_are_told_when_everything_of_theirs_has_been_asked_again() {
    let mut w = world(|c| c.messages_per_second = Some(2));
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    for (who, id, symbol) in [(one, "1", "A"), (one, "2", "B"), (one, "3", "C"), (two, "1", "D")] {
        w.request(who, 1, &with(id, &[("symbol", symbol)]));
    }
    w.pass(10 * SECOND);
    w.lose();
    w.got(one);
    w.got(two);
    link_again(&mut w, 176);
    let three = w.started(3);
    w.got(three);
    assert_eq!((errors(&w.got(one)), errors(&w.got(two))), (vec![], vec![]), "nothing has left yet");
    // A subscription that is given up meanwhile is not waited for.
    w.request(two, 2, &[("reqId", "1")]);
    w.flush();
    assert_eq!(errors(&w.got(two)), [(-1, 1102)]);
    w.pass(10 * SECOND);
    assert_eq!(errors(&w.got(one)), [(-1, 1102)]);
    assert!(w.got(three).is_empty(), "it came when the link was back");
}

#[test]
fn clients_are_told_when_the_streams_that_they_share_have_been_asked_for_again_too() {
    let mut w = world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    for (who, message) in [(one, 61), (two, 61), (two, 12)] {
        w.request(who, message, &[("allMsgs", "1")]);
    }
    w.pass(10 * SECOND);
    w.lose();
    for who in [one, two] {
        w.got(who);
    }
    w.went_up();
    link_again(&mut w, 176);
    // A message a second: positions, and later bulletins.
    let mut seen = Vec::new();
    for _ in 0..200 {
        w.pass(SECOND / 10);
        let left = w.went_up().iter().filter(|f| matches!(f.id, 61 | 12)).count();
        let told = |w: &mut World, who| errors(&w.got(who)).contains(&(-1, 1102));
        let now = (left, told(&mut w, one), told(&mut w, two));
        if now != (0, false, false) {
            seen.push(now);
        }
    }
    assert_eq!(seen, [(1, true, false), (1, false, true)]);
}

#[test]
fn who_has_little_does_not_wait_for_who_has_much() {
    let mut w = ready();
    let (much, little) = (w.started(1), w.started(2));
    for n in 0..300 {
        let n = n.to_string();
        w.request(much, 1, &[("reqId", &n), ("conId", &n)]);
    }
    for n in ["1001", "1002"] {
        w.request(little, 1, &[("reqId", n), ("conId", n)]);
    }
    w.pass(10 * SECOND);
    w.lose();
    w.got(much);
    w.got(little);
    link_again(&mut w, 176);
    w.pass(2 * SECOND);
    assert_eq!(errors(&w.got(little)), [(-1, 1102)]);
    assert_eq!(errors(&w.got(much)), [], "300 do not leave in two seconds");
    // What it had once is not what it may queue, and is never too late.
    assert_eq!(w.core.view(w.now).clients.iter().map(|c| c.queued).sum::<usize>(), 0);
    w.pass(10 * SECOND);
    assert_eq!(errors(&w.got(much)), [(-1, 1102)]);
}

#[test]
fn what_is_subscribed_without_a_link_is_asked_for_when_it_is_there() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.lose();
    w.got(one);
    w.request(one, 1, &stock("1"));
    w.request(two, 1, &stock("2"));
    w.request(one, 1, &with("3", &[("symbol", "MSFT")]));
    w.request(one, 9, &stock("4"));
    w.request(one, 61, &[]);
    w.request(one, 2, &[("reqId", "3")]);
    w.request(one, 1, &stock("1"));
    assert_eq!(errors(&w.got(one)), [(1, 102)], "the same rules hold");
    w.link_up(176);
    let went = w.went_up();
    assert_eq!(ids(&went), [61, 1, 9]);
    let (quote, details) = (asked(&went, 1), asked(&went, 9));
    w.say(1, &[("reqId", &quote), ("tickType", "1"), ("price", "5")]);
    w.say(10, &[("reqId", &details)]);
    w.say(52, &[("reqId", &details)]);
    let told = said(&mut w, one);
    assert_eq!(told[0], (4, "1102".to_owned()));
    assert_eq!(told[1..], [(1, "1".to_owned()), (10, "4".to_owned()), (52, "4".to_owned())]);
    assert_eq!(said(&mut w, two)[1..], [(4, "1102".to_owned()), (1, "2".to_owned())]);
}

#[test]
fn questions_wait_half_a_minute_and_those_that_were_half_answered_end() {
    let mut w = ready();
    let one = w.started(1);
    w.asks(one, 9, &stock("1"));
    let begun = w.asks_id(one, 9, &with("2", &[("symbol", "MSFT")]));
    w.say(10, &[("reqId", &begun)]);
    w.asks(one, 1, &with("3", &[("snapshot", "1")]));
    w.got(one);
    w.lose();
    let mut told = errors(&w.got(one));
    told.sort();
    assert_eq!(
        told,
        [(-1, 1100), (2, 504), (3, 504)],
        "a half answer cannot be gone on with, a snapshot costs"
    );
    w.pass(20 * SECOND);
    w.request(one, 9, &with("4", &[("symbol", "IBM")]));
    w.pass(10 * SECOND);
    assert_eq!(errors(&w.got(one)), [(1, 504)]);
    w.pass(10 * SECOND);
    w.link_up(176);
    let up = asked(&w.went_up(), 9);
    w.say(52, &[("reqId", &up)]);
    assert_eq!(said(&mut w, one), [(4, "1102".to_owned()), (52, "4".to_owned())]);
}

#[test]
fn requests_without_an_id_wait_half_a_minute_and_half_an_answer_ends() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    // One has left, one waits behind it, one has half its answer.
    w.request(one, 16, &[]);
    w.request(one, 80, &[]);
    w.say(5, &[("orderId", "1"), ("clientId", "5"), ("permId", "77")]);
    w.request(two, 85, &[]);
    w.went_up();
    w.lose();
    assert_eq!(errors(&w.got(one)), [(-1, 1100), (-1, 504)], "half a list of orders");
    assert_eq!(errors(&w.got(two)), [(-1, 1100)]);
    // Asked while there is no link; somebody else who asks the same leaves.
    w.request(two, 5, &[]);
    let three = w.started(3);
    w.got(three);
    link_again(&mut w, 176);
    w.pass(2 * SECOND);
    let went = ids(&w.went_up());
    assert_eq!(went.iter().filter(|id| **id == 80).count(), 1);
    assert_eq!(went.iter().filter(|id| **id == 85).count(), 1);
    w.say(80 - 2, &[]);
    w.got(one);
    // And what waits for too long is told.
    w.request(two, 82, &[]);
    w.went_up();
    w.lose();
    w.got(two);
    w.pass(29 * SECOND);
    assert_eq!(errors(&w.got(two)), []);
    w.pass(2 * SECOND);
    assert!(errors(&w.got(two)).iter().all(|e| *e == (-1, 504)));
}

#[test]
fn executions_that_were_asked_for_come_when_the_link_is_back() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "5");
    w.shows(&up, "Submitted");
    w.asks(one, 7, &[("reqId", "9"), ("clientId", "1")]);
    w.lose();
    w.link_up(176);
    w.got(one);
    let query = w.went_up();
    let query = asked(&query, 7);
    w.say(11, &[("reqId", &query), ("orderId", &up), ("clientId", "0"), ("execId", "e1")]);
    w.say(59, &[("execId", "e1")]);
    w.say(55, &[("reqId", &query)]);
    assert_eq!(ids(&w.got(one)), [11, 59, 55]);
}

#[test]
fn what_nobody_wants_any_more_is_not_asked_again() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 1, &stock("1"));
    w.asks(two, 1, &with("2", &[("symbol", "MSFT")]));
    w.asks(two, 61, &[]);
    w.lose();
    w.request(one, 2, &[("reqId", "1")]);
    w.gone(two, Gone::Error);
    w.got(one);
    w.link_up(176);
    assert!(w.went_up().is_empty());
    assert_eq!(errors(&w.got(one)), [(-1, 1102)]);
}

#[test]
fn a_second_loss_before_everything_is_back_loses_nothing() {
    let mut w = world(|c| c.messages_per_second = Some(2));
    w.link_up(176);
    let one = w.started(1);
    for (id, symbol) in [("1", "A"), ("2", "B"), ("3", "C"), ("4", "D"), ("5", "E")] {
        w.request(one, 1, &with(id, &[("symbol", symbol)]));
    }
    w.pass(10 * SECOND);
    w.went_up();
    w.lose();
    link_again(&mut w, 176);
    w.lose();
    assert_eq!(errors(&w.got(one)), [(-1, 1100), (-1, 1100)], "it was not back");
    w.went_up();
    w.link_up(176);
    w.pass(20 * SECOND);
    assert_eq!(ids(&w.went_up()).iter().filter(|id| **id == 1).count(), 5);
    assert_eq!(errors(&w.got(one)), [(-1, 1102)]);
}

#[test]
fn a_request_that_the_gateway_cannot_carry_any_more_ends_and_its_client_is_told_1101() {
    let mut w = world(|c| c.max_server_version = 226);
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 97, &with("7", &[("tickType", "AllLast")]));
    w.asks(two, 1, &stock("8"));
    w.lose();
    w.link_up(130);
    let mut told = errors(&w.got(one));
    told.sort();
    assert_eq!(told, [(-1, 1100), (-1, 1101), (7, 504)]);
    assert_eq!(errors(&w.got(two)), [(-1, 1100), (-1, 1102)]);
    assert_eq!(w.core.view(w.now).requests, 1);
    w.request(one, 98, &[("reqId", "7")]);
}

#[test]
fn subscriptions_go_on_when_the_gateway_comes_back_at_another_version() {
    for (before, after) in [(176, 226), (226, 176), (157, 203)] {
        let mut w = world(|c| c.max_server_version = 226);
        w.link_up(before);
        let one = w.started(1);
        w.asks(one, 1, &stock("7"));
        w.asks(one, 61, &[]);
        w.say(61, &[("account", "DU1"), ("conId", "1"), ("position", "10")]);
        w.say(62, &[]);
        w.got(one);
        w.lose();
        w.link_up(after);
        let told = errors(&w.got(one));
        assert_eq!(told, [(-1, 1100), (-1, 1102)], "{before} to {after}");
        let went = w.went_up();
        assert_eq!(ids(&went), [61, 1]);
        let up = asked(&went, 1);
        w.say(1, &[("reqId", &up), ("tickType", "1"), ("price", "5")]);
        w.say(62, &[]);
        assert_eq!(
            ids(&w.got(one)),
            [1, 62],
            "{before} to {after}: a row of another version is not compared"
        );
    }
}

#[test]
fn the_market_data_type_is_that_of_the_subscription() {
    let mut w = ready();
    let one = w.started(1);
    w.request(one, 59, &[("marketDataType", "3")]);
    w.request(one, 1, &stock("1"));
    w.request(one, 59, &[("marketDataType", "1")]);
    assert_eq!(ids(&w.went_up()), [59, 1]);
    w.lose();
    w.link_up(176);
    let went = w.went_up();
    assert_eq!((ids(&went), went[0].request().get("marketDataType")), (vec![59, 1], Some("3")));
}

#[test]
fn subscriptions_that_the_gateway_has_lost_are_asked_for_again_and_clients_are_told_1102() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let quote = w.asks_id(one, 1, &stock("7"));
    w.request(two, 1, &stock("3"));
    w.asks(one, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    let details = w.asks_id(two, 9, &stock("5"));
    w.say(1, &[("reqId", &quote), ("tickType", "1"), ("price", "5")]);
    for who in [one, two] {
        w.got(who);
    }
    w.say_error(-1, 1100, "Connectivity between IBKR and Trader Workstation has been lost.");
    w.say_error(-1, 1101, "Connectivity between IBKR and Trader Workstation has been restored- data lost.");
    let went = w.went_up();
    assert_eq!(ids(&went), [2, 6, 6, 1], "what it has kept does not come twice");
    let again = asked(&went, 1);
    assert_ne!(again, quote);
    for who in [one, two] {
        assert_eq!(errors(&w.got(who)), [(-1, 1100), (-1, 1102)]);
    }
    w.say_error(-1, 2100, "API client has been unsubscribed from account data.");
    w.say_error(quote.parse().unwrap(), 300, "Can't find EId with tickerId");
    w.say(1, &[("reqId", &quote), ("tickType", "1"), ("price", "6")]);
    for who in [one, two] {
        assert!(w.got(who).is_empty(), "nothing of the old ones");
    }
    w.say(1, &[("reqId", &again), ("tickType", "1"), ("price", "7")]);
    w.say(52, &[("reqId", &details)]);
    assert_eq!(said(&mut w, one), [(1, "7".to_owned())]);
    assert_eq!(said(&mut w, two), [(1, "3".to_owned()), (52, "5".to_owned())], "a question goes on");
    w.request(one, 2, &[("reqId", "7")]);
    assert!(w.went_up().is_empty());
    let cancel = w.asks(two, 2, &[("reqId", "3")]);
    assert_eq!(cancel.request().get("reqId"), Some(&again[..]));
}

#[test]
fn what_the_gateway_says_of_its_servers_as_a_link_begins_neither_wakes_nor_welcomes_anybody() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 1, &with("1", &[("symbol", "IBM")]));
    w.asks(one, 1, &stock("2"));
    w.asks(two, 1, &with("1", &[("symbol", "MSFT")]));
    w.request(one, 2, &[("reqId", "1")]);
    w.lose();
    w.got(one);
    w.got(two);
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.say_error(-1, 1101, "restored, data lost");
    w.say_error(-1, 1102, "restored, data kept");
    assert!(w.got(one).is_empty(), "nothing of its own has been asked again");
    w.say_start(50);
    let quotes: Vec<_> = w.went_up().into_iter().filter(|f| f.id == 1).collect();
    assert_eq!(quotes.len(), 2, "each once");
    assert_eq!(errors(&w.got(one)), [(-1, 1102)]);
    w.got(two);
    let quote = quotes.iter().find(|f| f.request().get("symbol") == Some("AAPL")).expect("its quote");
    let up = quote.request().get("reqId").expect("an id").to_owned();
    w.say(1, &[("reqId", &up), ("tickType", "1"), ("price", "5")]);
    assert_eq!((said(&mut w, one), said(&mut w, two)), (vec![(1, "2".to_owned())], vec![]));
}

#[test]
fn a_subscription_that_goes_on_in_spite_of_an_error_is_asked_for_again() {
    // 10089: delayed data may come all the same (PROTOCOL.md (d)); 354: nothing does.
    for (code, goes_on) in [(10089, true), (354, false)] {
        for servers in [false, true] {
            let mut w = ready();
            let (one, two) = (w.started(1), w.started(2));
            let up = w.asks_id(one, 1, &stock("1"));
            w.say_error(up.parse().expect("a number"), code, "not subscribed");
            if goes_on {
                w.say(1, &[("reqId", &up), ("tickType", "66"), ("price", "5")]);
            }
            w.got(one);
            match servers {
                true => drop(w.say_error(-1, 1101, "restored, data lost")),
                false => {
                    w.lose();
                    let ended = if goes_on { vec![(-1, 1100)] } else { vec![(-1, 1100), (1, 504)] };
                    assert_eq!(errors(&w.got(one)), ended, "{code}");
                    w.link_up(176);
                }
            }
            assert_eq!(errors(&w.got(one)), [(-1, 1102)], "{code}");
            let went = w.went_up();
            if !goes_on {
                assert!(went.is_empty(), "{code}: {went:?}");
                continue;
            }
            let up = asked(&went, 1);
            w.say(1, &[("reqId", &up), ("tickType", "66"), ("price", "6")]);
            assert_eq!(said(&mut w, one), [(1, "1".to_owned())]);
            assert_eq!(w.asks(two, 1, &stock("1")).id, 1, "nobody joins it");
        }
    }
}

#[test]
fn whoever_lost_a_subscription_is_told_1101_however_it_was_lost_and_whatever_comes_between() {
    // One that is too large to be kept ends with the link.
    let mut w = ready();
    let one = w.started(1);
    let large = "233,".repeat(20_000);
    w.request(one, 1, &[&stock("1")[..], &[("genericTickList", &large)]].concat());
    w.flush();
    w.lose();
    assert_eq!(errors(&w.got(one)), [(-1, 1100), (1, 504)]);
    w.link_up(176);
    assert_eq!(errors(&w.got(one)), [(-1, 1101)]);
    w.lose();
    w.link_up(176);
    assert_eq!(errors(&w.got(one)), [(-1, 1100), (-1, 1102)], "it was told");

    // It has not been told yet when the next thing happens.
    for servers in [true, false] {
        let mut w = world(|c| (c.max_server_version, c.messages_per_second) = (176, Some(2)));
        w.link_up(176);
        let one = w.started(1);
        w.request(one, 97, &with("7", &[("tickType", "AllLast")]));
        for (id, symbol) in [("1", "A"), ("2", "B"), ("3", "C"), ("4", "D")] {
            w.request(one, 1, &with(id, &[("symbol", symbol)]));
        }
        w.pass(10 * SECOND);
        w.lose();
        link_again(&mut w, 130);
        assert_eq!(errors(&w.got(one)), [(-1, 1100), (7, 504)], "the rest of it is still being asked for");
        match servers {
            true => drop(w.say_error(-1, 1101, "restored, data lost")),
            false => {
                w.lose();
                assert_eq!(errors(&w.got(one)), [(-1, 1100)]);
                link_again(&mut w, 130);
            }
        }
        w.pass(20 * SECOND);
        assert_eq!(errors(&w.got(one)), [(-1, 1101)]);
    }
}

#[test]
fn what_the_gateway_says_of_its_servers_while_subscriptions_are_asked_for_is_told_once_and_when_it_is_so() {
    for lost in [false, true] {
        let mut w = world(|c| c.messages_per_second = Some(1));
        w.link_up(176);
        let (one, two) = (w.started(1), w.started(2));
        for (id, symbol) in [("1", "A"), ("2", "B"), ("3", "C")] {
            w.request(one, 1, &with(id, &[("symbol", symbol)]));
        }
        w.pass(5 * SECOND);
        w.lose();
        link_again(&mut w, 176);
        assert_eq!(errors(&w.got(two)), [(-1, 1100), (-1, 1102)]);
        assert_eq!(errors(&w.got(one)), [(-1, 1100)]);
        if lost {
            w.say_error(-1, 1100, "lost");
            assert_eq!(errors(&w.got(one)), [(-1, 1100)]);
            w.pass(20 * SECOND);
            assert!(w.got(one).is_empty(), "everything is asked for, of a Gateway without its servers");
        }
        w.say_error(-1, 1102, "restored, data kept");
        let told = if lost { vec![(-1, 1100), (-1, 1102)] } else { vec![(-1, 1102)] };
        assert_eq!(errors(&w.got(two)), told);
        w.pass(20 * SECOND);
        assert_eq!(errors(&w.got(one)), [(-1, 1102)], "once");
    }
}

#[test]
fn a_question_for_executions_that_waited_for_the_link_is_over_when_it_is_answered() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "5");
    w.shows(&up, "Submitted");
    w.say(11, &[("reqId", "-1"), ("orderId", &up), ("clientId", "0"), ("execId", "e1")]);
    w.say(59, &[("execId", "e1"), ("commission", "1")]);
    w.lose();
    w.request(one, 7, &[("reqId", "3")]);
    w.got(one);
    w.link_up(176);
    let query = asked(&w.went_up(), 7);
    w.say(55, &[("reqId", &query)]);
    assert_eq!(ids(&w.got(one)).last(), Some(&55));
    // The Gateway reports a commission again when it has changed. While a question is under way, that is for its asker.
    w.say(59, &[("execId", "e1"), ("commission", "2")]);
    assert_eq!(ids(&w.got(one)), [59]);
}

#[test]
fn a_loss_costs_each_request_once() {
    let mut w = world(|c| c.messages_per_second = None);
    w.link_up(176);
    for id in 1..=8 {
        let who = w.started(id);
        for n in 0..1000 {
            let n = (n + id * 1000).to_string();
            w.request(who, 9, &[("reqId", &n), ("symbol", &n)]);
            w.gateway_reads(usize::MAX);
        }
    }
    w.up.clear();
    let since = std::time::Instant::now();
    w.lose();
    let took = since.elapsed();
    assert!(took < SECOND, "{took:?} for 8000 questions");
}
