//! Requests under a request id, market data types, errors, limits.

use crate::support::ease::{SECOND, errors, ids, ready, world};
use twsmux::core::io::Gone;
use twsmux::limits;

#[test]
fn answers_go_to_their_asker_under_its_own_id() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let a = w.asks_id(one, 9, &[("reqId", "7")]);
    let b = w.asks_id(two, 9, &[("reqId", "7"), ("symbol", "X")]);
    assert_ne!(a, b);
    w.say(10, &[("reqId", &b), ("longName", "for two")]);
    w.say(52, &[("reqId", &b)]);
    assert!(w.got(one).is_empty());
    let got = w.got(two);
    assert_eq!(ids(&got), [10, 52]);
    assert_eq!(got[0].response().get("reqId"), Some("7"));
    assert_eq!(got[0].response().get("longName"), Some("for two"));
    w.say(52, &[("reqId", &b)]);
    assert!(w.got(two).is_empty(), "it has ended");
}

#[test]
fn a_ticker_id_in_use_is_a_duplicate() {
    let mut w = ready();
    let who = w.started(1);
    w.asks(who, 1, &[("reqId", "7")]);
    w.request(who, 1, &[("reqId", "7")]);
    assert_eq!(errors(&w.got(who)), [(7, 102)]);
    assert!(w.went_up().is_empty());
    w.asks(who, 50, &[("reqId", "7")]);
    w.asks(who, 2, &[("reqId", "7")]);
    w.asks(who, 1, &[("reqId", "7")]);
}

#[test]
fn a_rerouted_request_may_be_sent_again_under_its_id() {
    let mut w = ready();
    let who = w.started(1);
    let first = w.asks_id(who, 1, &[("reqId", "7")]);
    w.say(91, &[("reqId", &first), ("conId", "8314"), ("exchange", "SMART")]);
    assert_eq!(w.got(who)[0].response().get("reqId"), Some("7"));
    w.request(who, 1, &[("reqId", "7"), ("conId", "8314")]);
    let up = w.went_up();
    assert_eq!(ids(&up), [2, 1], "the first one does not run on where nobody can cancel it");
    assert_eq!(up[0].request().get("reqId"), Some(&first[..]));
    let second = up[1].request().get("reqId").unwrap().to_owned();
    w.say(1, &[("reqId", &first), ("price", "1.5")]);
    assert!(w.got(who).is_empty());
    w.say(1, &[("reqId", &second), ("price", "2.5")]);
    assert_eq!(ids(&w.got(who)), [1]);
}

#[test]
fn a_cancel_of_nothing_draws_300_or_what_its_kind_draws() {
    let mut w = ready();
    let who = w.started(1);
    w.request(who, 2, &[("reqId", "7")]);
    w.request(who, 23, &[("reqId", "8")]);
    w.request(who, 25, &[("reqId", "9")]);
    w.request(who, 90, &[("reqId", "10")]);
    assert_eq!(errors(&w.got(who)), [(7, 300), (8, 365), (9, 366)]);
    assert!(w.went_up().is_empty());
}

#[test]
fn ticks_after_a_cancel_are_for_nobody_and_its_id_is_not_given_out_again() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.asks_id(one, 1, &[("reqId", "7")]);
    let cancel = w.asks(one, 2, &[("reqId", "7")]);
    assert_eq!(cancel.request().get("reqId"), Some(&up[..]));
    w.say(1, &[("reqId", &up), ("price", "1.5")]);
    let next = w.asks_id(two, 1, &[("reqId", "7")]);
    assert_ne!(next, up);
    w.say(1, &[("reqId", &up), ("price", "1.5")]);
    assert!(w.got(one).is_empty() && w.got(two).is_empty());
}

#[test]
fn what_a_cancel_draws_goes_to_whoever_cancelled() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.asks_id(who, 22, &[("reqId", "7")]);
    w.asks(who, 23, &[("reqId", "7")]);
    w.say_error(up.parse().unwrap(), 162, "API scanner subscription cancelled");
    assert_eq!(errors(&w.got(who)), [(7, 162)]);
}

#[test]
fn a_client_that_goes_ends_its_streams_and_its_answers_are_swallowed() {
    let mut w = ready();
    let who = w.started(1);
    let two = w.started(2);
    let stream = w.asks_id(who, 1, &[("reqId", "7")]);
    let depth = w.asks_id(who, 10, &[("reqId", "8"), ("isSmartDepth", "1")]);
    let snapshot = w.asks_id(who, 1, &[("reqId", "9"), ("snapshot", "1")]);
    let details = w.asks_id(who, 9, &[("reqId", "10")]);
    w.gone(who, Gone::Error);
    let up = w.went_up();
    assert_eq!(ids(&up), [2, 11]);
    assert_eq!(up[0].request().get("reqId"), Some(&stream[..]));
    assert_eq!(up[1].request().get("reqId"), Some(&depth[..]));
    assert_eq!(up[1].request().get("isSmartDepth"), Some("1"), "as it was subscribed");
    let again = w.started(1);
    w.say(57, &[("reqId", &snapshot)]);
    w.say(10, &[("reqId", &details)]);
    assert!(w.got(again).is_empty() && w.got(two).is_empty());
}

#[test]
fn warnings_end_nothing_and_other_errors_end_what_answers_once() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.asks_id(who, 9, &[("reqId", "7")]);
    let id: i32 = up.parse().unwrap();
    w.say_error(id, 2152, "a remark");
    w.say(10, &[("reqId", &up)]);
    w.say_error(id, 200, "No security definition has been found for the request");
    w.say(10, &[("reqId", &up)]);
    assert_eq!(ids(&w.got(who)), [4, 10, 4]);
    let up = w.asks_id(who, 20, &[("reqId", "8")]);
    w.say_error(
        up.parse().unwrap(),
        2188,
        "Up-to-the-second historical data requires additional subscription",
    );
    w.say(17, &[("reqId", &up)]);
    assert_eq!(errors(&w.got(who)), [(8, 2188)], "terminal although its number is among the warnings");
}

#[test]
fn the_market_data_type_is_each_clients_own_and_switched_only_when_needed() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.request(one, 59, &[("marketDataType", "3")]);
    w.request(one, 59, &[("marketDataType", "3")]);
    assert!(w.went_up().is_empty());
    let quote = [("reqId", "7")];
    w.request(one, 1, &quote);
    let up = w.went_up();
    assert_eq!(ids(&up), [59, 1]);
    assert_eq!(up[0].request().get("marketDataType"), Some("3"));
    w.request(one, 1, &[("reqId", "8"), ("symbol", "X")]);
    assert_eq!(ids(&w.went_up()), [1]);
    w.request(two, 1, &quote);
    let up = w.went_up();
    assert_eq!(ids(&up), [59, 1]);
    assert_eq!(up[0].request().get("marketDataType"), Some("1"));
    w.request(two, 59, &[("marketDataType", "7")]);
    assert_eq!(errors(&w.got(two)), [(-1, 321)]);
}

#[test]
fn a_switch_of_the_market_data_type_counts_against_the_limit() {
    let mut w = world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let who = w.started(1);
    w.request(who, 59, &[("marketDataType", "3")]);
    w.request(who, 1, &[("reqId", "7")]);
    w.pass(4 * SECOND);
    assert_eq!(ids(&w.went_up()), [59, 1]);
}

#[test]
fn what_waits_leaves_at_the_rate_and_in_order() {
    let mut w = ready();
    let who = w.started(1);
    w.pass(2 * SECOND);
    for n in 0..200 {
        w.request(who, 9, &[("reqId", &n.to_string()), ("conId", &n.to_string())]);
    }
    assert_eq!(w.went_up().len(), 40, "the others are left to orders");
    let from = w.now;
    let mut sent = 40;
    while sent < 200 {
        w.pass(SECOND / 10);
        sent += w.went_up().len();
    }
    let took = w.now.since(from);
    assert!(took >= 3 * SECOND && took <= 6 * SECOND, "{took:?}");
}

#[test]
fn a_burst_that_is_held_up_on_its_way_does_not_meet_the_next_one_within_a_second() {
    let mut w = ready();
    let who = w.started(1);
    w.pass(2 * SECOND);
    for n in 0..90 {
        w.request(who, 9, &[("reqId", &n.to_string()), ("conId", &n.to_string())]);
    }
    assert_eq!(w.went_up().len(), 40);
    w.pass(SECOND + SECOND / 12);
    assert!(w.went_up().is_empty(), "the Gateway may have read the burst a little later than it left");
    w.pass(SECOND / 12);
    assert_eq!(w.went_up().len(), 40);
}

#[test]
fn one_client_cannot_fill_the_queue_without_end() {
    let mut w = world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    for n in 0..limits::MAX_QUEUED_PER_CLIENT + 10 {
        w.request(one, 9, &[("reqId", &n.to_string()), ("conId", &n.to_string())]);
    }
    w.check();
    let refused = errors(&w.got(one));
    assert!(refused.len() >= 9 && refused.iter().all(|e| e.1 == 322), "{refused:?}");
    w.request(two, 9, &[("reqId", "1")]);
    assert!(w.got(two).is_empty(), "others are not refused");
}

#[test]
fn a_slow_reader_is_told_and_closed_and_nobody_else_notices() {
    let mut w = ready();
    let (slow, good) = (w.started(1), w.started(2));
    let news = "x".repeat(8 << 20);
    w.request(slow, 12, &[]);
    let mut sent = 0;
    while w.peers[slow].closing.is_none() {
        assert!(sent < 10, "the limit is reached");
        w.say(14, &[("msgId", &sent.to_string()), ("message", &news)]);
        w.request(good, 9, &[("reqId", "1")]);
        w.gateway_reads(usize::MAX);
        let up = w.up.last().unwrap().request().get("reqId").unwrap().to_owned();
        w.say(52, &[("reqId", &up)]);
        w.read(good, usize::MAX);
        sent += 1;
    }
    assert!(sent * news.len() >= limits::MAX_OUTBOX);
    let told = w.peers[slow].got.last().unwrap();
    assert_eq!(told.error(), Some((-1, 322)));
    assert!(told.words().contains("the limit is"), "{}", told.words());
    assert_eq!(ids(&w.peers[good].got), vec![52; sent]);
    w.request(slow, 3, &[("orderId", "5")]);
    assert!(!w.up.iter().any(|f| f.id == 3), "a closing client is not heard");
    w.tick_until(w.now + 3 * SECOND);
    assert_eq!(w.peers[slow].closing, Some(false), "it does not take even the end");
}

#[test]
fn settings_of_one_connection_stay_here() {
    let mut w = ready();
    let who = w.started(1);
    w.request(who, 14, &[("logLevel", "5")]);
    w.request(who, 17, &[]);
    assert_eq!(ids(&w.got(who)), [15]);
    w.request(who, 71, &[("clientId", "9")]);
    assert_eq!(errors(&w.got(who)), [(-1, 321)], "a second startApi");
    assert!(w.went_up().is_empty());
}

#[test]
fn lanes_of_different_keys_do_not_wait_for_each_other() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 91, &[("marketRuleId", "26")]);
    w.asks(two, 91, &[("marketRuleId", "32")]);
    w.say(93, &[("marketRuleId", "32")]);
    assert!(w.got(one).is_empty());
    assert_eq!(ids(&w.got(two)), [93]);
    w.say(93, &[("marketRuleId", "26")]);
    assert_eq!(ids(&w.got(one)), [93]);
}

#[test]
fn a_log_level_that_there_is_not_is_refused() {
    let mut w = ready();
    let one = w.started(1);
    for (level, told) in [("1", vec![]), ("5", vec![]), ("0", vec![(-1, 319)]), ("9", vec![(-1, 319)])] {
        w.request(one, 14, &[("logLevel", level)]);
        assert_eq!(errors(&w.got(one)), told, "{level}");
    }
    assert!(w.went_up().is_empty());
}

#[test]
fn the_id_of_a_snapshot_or_of_history_under_way_is_taken() {
    let mut w = ready();
    let one = w.started(1);
    for (message, code, more) in [(1, 102, ("snapshot", "1")), (20, 386, ("keepUpToDate", "0"))] {
        w.asks(one, message, &[("reqId", "1"), ("symbol", "A"), more]);
        w.request(one, message, &[("reqId", "1"), ("symbol", "B"), more]);
        assert_eq!(errors(&w.got(one)), [(1, code)]);
        assert!(w.went_up().is_empty());
    }
}
