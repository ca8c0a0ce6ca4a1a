//! Equal subscriptions of several clients: one upstream, each its own ids and a full image.

use crate::support::World;
use crate::support::ease::{errors, ids, ready, world};
use twsmux::core::io::Gone;

const AAPL: &[(&str, &str)] =
    &[("symbol", "AAPL"), ("secType", "STK"), ("exchange", "SMART"), ("currency", "USD")];

fn quote(id: &'static str, generic: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut values = AAPL.to_vec();
    values.extend([("reqId", id), ("genericTickList", generic)]);
    values
}

fn price(w: &mut World, up: &str, kind: &str, price: &str) {
    w.say(1, &[("reqId", up), ("tickType", kind), ("price", price), ("size", "5")]);
}

/// Request id, tick type and price of the price ticks that a client got.
fn prices(w: &mut World, who: usize) -> Vec<String> {
    let got = w.got(who);
    let ticks = got.iter().filter(|f| f.id == 1).map(|f| f.response());
    let text = |r: &twsmux::protocol::layout::Record, name| r.get(name).unwrap_or_default().to_owned();
    ticks.map(|r| format!("{} {} {}", text(&r, "reqId"), text(&r, "tickType"), text(&r, "price"))).collect()
}

#[test]
fn equal_requests_are_one_line_and_whoever_joins_later_gets_the_image_first() {
    let mut w = ready();
    let (one, two, three) = (w.started(1), w.started(2), w.started(3));
    let up = w.asks_id(one, 1, &quote("7", "233,236"));
    w.say(58, &[("reqId", &up), ("marketDataType", "1")]);
    w.say(81, &[("reqId", &up), ("minTick", "0.01")]);
    price(&mut w, &up, "1", "10");
    price(&mut w, &up, "2", "11");
    price(&mut w, &up, "1", "10.5");
    w.got(one);
    w.request(two, 1, &quote("7", "236, 233"));
    assert!(w.went_up().is_empty(), "the order of generic ticks means nothing");
    let got = w.got(two);
    assert_eq!(ids(&got), [58, 81, 1, 1], "type, parameters, and the latest of each tick");
    assert!(got.iter().all(|f| f.response().get("reqId") == Some("7")));
    assert_eq!(got[2].response().get("price"), Some("10.5"));
    w.request(three, 1, &quote("99", "233,236"));
    w.got(three);
    price(&mut w, &up, "1", "12");
    assert_eq!(prices(&mut w, one), ["7 1 12"]);
    assert_eq!(prices(&mut w, two), ["7 1 12"]);
    assert_eq!(prices(&mut w, three), ["99 1 12"]);
    w.request(one, 2, &[("reqId", "7")]);
    w.gone(three, Gone::Eof);
    assert!(w.went_up().is_empty(), "somebody is left");
    price(&mut w, &up, "1", "13");
    assert!(w.got(one).is_empty());
    assert_eq!(prices(&mut w, two), ["7 1 13"]);
    let cancel = w.asks(two, 2, &[("reqId", "7")]);
    assert_eq!(cancel.request().get("reqId"), Some(&up[..]), "the last one ends the line");
    assert_ne!(w.asks_id(one, 1, &quote("7", "233,236")), up, "the next one begins another");
}

#[test]
fn requests_that_differ_in_anything_that_matters_are_not_shared() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 1, &quote("1", "233"));
    for other in [
        quote("2", ""),
        quote("3", "233,236"),
        [quote("4", "233"), vec![("primaryExchange", "NYSE")]].concat(),
        [quote("5", "233"), vec![("snapshot", "1")]].concat(),
        [quote("6", "233"), vec![("snapshot", "1")]].concat(),
        [quote("7", "233"), vec![("regulatorySnapshot", "1")]].concat(),
    ] {
        assert_eq!(w.asks(two, 1, &other).id, 1, "{other:?}");
    }
    w.request(two, 59, &[("marketDataType", "3")]);
    w.request(two, 1, &quote("8", "233"));
    assert_eq!(ids(&w.went_up()), [59, 1], "another market data type is another line");
}

#[test]
fn a_client_may_share_its_own_line_under_several_ids() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.asks_id(one, 1, &quote("1", ""));
    price(&mut w, &up, "1", "10");
    w.got(one);
    w.request(one, 1, &quote("2", ""));
    assert_eq!(prices(&mut w, one), ["2 1 10"]);
    price(&mut w, &up, "1", "11");
    assert_eq!(prices(&mut w, one), ["1 1 11", "2 1 11"]);
    w.request(one, 1, &quote("2", ""));
    assert_eq!(errors(&w.got(one)), [(2, 102)]);
    w.request(one, 2, &[("reqId", "1")]);
    price(&mut w, &up, "1", "12");
    assert_eq!(prices(&mut w, one), ["2 1 12"]);
    w.gone(one, Gone::Eof);
    assert_eq!(ids(&w.went_up()), [2]);
}

#[test]
fn an_error_reaches_all_who_share_and_a_fatal_one_lets_nobody_join_any_more() {
    let mut w = ready();
    let (one, two, three) = (w.started(1), w.started(2), w.started(3));
    let up = w.asks_id(one, 1, &quote("1", ""));
    w.request(two, 1, &quote("2", ""));
    w.say_error(up.parse().unwrap(), 10167, "delayed data");
    w.say_error(up.parse().unwrap(), 354, "not subscribed");
    assert_eq!(errors(&w.got(one)), [(1, 10167), (1, 354)]);
    assert_eq!(errors(&w.got(two)), [(2, 10167), (2, 354)]);
    let again = w.asks_id(three, 1, &quote("3", ""));
    assert_ne!(again, up);
    // Whoever was refused may ask again under its id.
    w.request(one, 1, &quote("1", ""));
    assert!(w.went_up().is_empty(), "it shares the new line, and two still holds the old one");
    price(&mut w, &again, "1", "9");
    assert_eq!(prices(&mut w, one), ["1 1 9"]);
    assert!(prices(&mut w, two).is_empty());
}

#[test]
fn a_line_whose_first_client_goes_before_it_left_is_still_asked_for() {
    let mut w = crate::support::ease::world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    w.pass(2 * crate::support::ease::SECOND);
    w.request(one, 9, &[("reqId", "1")]);
    w.request(one, 1, &quote("1", ""));
    w.request(two, 1, &quote("2", ""));
    w.gone(one, Gone::Eof);
    w.pass(5 * crate::support::ease::SECOND);
    let up = w.went_up();
    assert_eq!(ids(&up), [9, 1]);
    let id = up[1].request().get("reqId").unwrap().to_owned();
    price(&mut w, &id, "1", "5");
    assert_eq!(prices(&mut w, two), ["2 1 5"]);
}

#[test]
fn a_scanner_that_is_left_by_one_of_two_is_cancelled_for_that_one_alone() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let scan = [("reqId", "5"), ("scanCode", "TOP_PERC_GAIN"), ("instrument", "STK")];
    let up = w.asks_id(one, 22, &scan);
    w.say(20, &[("reqId", &up)]);
    w.request(two, 22, &scan);
    assert_eq!((ids(&w.got(one)), ids(&w.got(two))), (vec![20], vec![20]), "the latest result is the image");
    w.request(one, 23, &[("reqId", "5")]);
    assert!(w.went_up().is_empty());
    assert_eq!(errors(&w.got(one)), [(5, 162)]);
    assert_eq!(w.asks(two, 23, &[("reqId", "5")]).id, 23);
}

#[test]
fn profit_bars_and_ticks_are_shared_and_history_of_ticks_is_not() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let pnl = [("reqId", "1"), ("account", "DU1")];
    let up = w.asks_id(one, 92, &pnl);
    w.say(94, &[("reqId", &up), ("dailyPnL", "3")]);
    w.got(one);
    w.request(two, 92, &pnl);
    assert_eq!(w.got(two)[0].response().get("dailyPnL"), Some("3"));
    let ticks = [AAPL, &[("reqId", "2"), ("tickType", "Last"), ("numberOfTicks", "0")]].concat();
    let up = w.asks_id(one, 97, &ticks);
    w.say(99, &[("reqId", &up), ("tickType", "1"), ("price", "4")]);
    w.got(one);
    w.request(two, 97, &ticks);
    assert!(w.went_up().is_empty() && w.got(two).is_empty(), "live ticks alone, from now on");
    w.say(99, &[("reqId", &up), ("tickType", "1"), ("price", "5")]);
    assert_eq!((ids(&w.got(one)), ids(&w.got(two))), (vec![99], vec![99]));
    let past = [AAPL, &[("reqId", "3"), ("tickType", "Last"), ("numberOfTicks", "10")]].concat();
    w.asks(one, 97, &past);
    w.asks(two, 97, &past);
}

#[test]
fn equal_requests_under_way_are_asked_once_until_an_answer_begins() {
    let mut w = ready();
    let (one, two, three) = (w.started(1), w.started(2), w.started(3));
    let ask = |id: &'static str| [AAPL, &[("reqId", id)]].concat();
    let up = w.asks_id(one, 9, &ask("1"));
    w.request(two, 9, &ask("2"));
    assert!(w.went_up().is_empty());
    w.say(10, &[("reqId", &up), ("longName", "APPLE")]);
    let later = w.asks_id(three, 9, &ask("3"));
    assert_ne!(later, up, "an answer that has begun cannot be joined");
    w.say(52, &[("reqId", &up)]);
    for (who, id) in [(one, "1"), (two, "2")] {
        let got = w.got(who);
        assert_eq!(ids(&got), [10, 52]);
        assert!(got.iter().all(|f| f.response().get("reqId") == Some(id)));
    }
    assert!(w.got(three).is_empty());
    w.say_error(later.parse().unwrap(), 200, "No security definition");
    assert_eq!(errors(&w.got(three)), [(3, 200)]);
    assert_eq!(w.asks(one, 9, &ask("1")).id, 9, "nothing is left to be joined");
}

#[test]
fn history_that_is_asked_for_twice_reaches_each_client_in_the_form_of_its_version() {
    for (theirs, rows) in [(176u16, [[17, 0], [17, 108]]), (226, [[17, 0], [17, 108]])] {
        let mut w = crate::support::ease::world(|c| c.max_server_version = 226);
        w.link_up(theirs);
        let old = w.starting(100, 157);
        w.start(old, 1);
        let new = w.starting(213, 226);
        w.start(new, 2);
        w.got(old);
        w.got(new);
        // In full, because a contract that does not say what it is about is refused where versions count otherwise.
        let ask = |id: &'static str| {
            [
                AAPL,
                &[
                    ("reqId", id),
                    ("durationStr", "1 D"),
                    ("barSizeSetting", "1 min"),
                    ("whatToShow", "TRADES"),
                ],
            ]
            .concat()
        };
        let up = w.asks_id(old, 20, &ask("1"));
        w.request(new, 20, &ask("2"));
        assert!(w.went_up().is_empty(), "at {theirs}");
        w.say(17, &[("reqId", &up)]);
        if theirs >= 196 {
            w.say(108, &[("reqId", &up), ("startDate", "a"), ("endDate", "b")]);
        }
        for (who, wanted) in [(old, rows[0]), (new, rows[1])] {
            let wanted: Vec<u16> = wanted.into_iter().filter(|id| *id != 0).collect();
            assert_eq!(ids(&w.got(who)), wanted, "at {theirs}");
        }
        assert_eq!(w.core.view(w.now).requests, 0);
    }
}

#[test]
fn whoever_joins_a_book_gets_it_rebuilt_from_the_top_down() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let ask = |id: &'static str| [AAPL, &[("reqId", id), ("numRows", "5")]].concat();
    let up = w.asks_id(one, 10, &ask("1"));
    let row = |w: &mut World, position: &str, operation: &str, side: &str, price: &str| {
        let values = [
            ("reqId", &up[..]),
            ("position", position),
            ("operation", operation),
            ("side", side),
            ("price", price),
            ("size", "1"),
        ];
        w.say(12, &values);
    };
    row(&mut w, "0", "0", "1", "10");
    row(&mut w, "1", "0", "1", "9");
    row(&mut w, "0", "0", "1", "11"); // 11, 10, 9
    row(&mut w, "1", "1", "1", "10.5"); // 11, 10.5, 9
    row(&mut w, "0", "2", "1", "0"); // 10.5, 9
    row(&mut w, "0", "0", "0", "12");
    w.got(one);
    let book = |w: &mut World, who| -> Vec<String> {
        let show = |f: &crate::support::Frame| {
            let r = f.response();
            let text = |name| r.get(name).unwrap_or_default().to_owned();
            format!(
                "{} {} {} {} {}",
                text("reqId"),
                text("side"),
                text("position"),
                text("operation"),
                text("price")
            )
        };
        w.got(who).iter().filter(|f| f.id == 12).map(show).collect()
    };
    w.request(two, 10, &ask("7"));
    assert!(w.went_up().is_empty());
    assert_eq!(book(&mut w, two), ["7 0 0 0 12", "7 1 0 0 10.5", "7 1 1 0 9"]);
    w.say_error(up.parse().unwrap(), 317, "Market depth data has been RESET");
    row(&mut w, "0", "0", "1", "8");
    let three = w.started(3);
    w.request(three, 10, &ask("9"));
    assert_eq!(book(&mut w, three), ["9 1 0 0 8"], "after a reset the book begins anew");
}

#[test]
fn a_line_that_the_gateway_halted_begins_anew_for_the_first_who_asks_again_and_is_joined_by_the_others() {
    // 316: the book is halted, subscribe again. 10225: real-time bars are deactivated, subscribe again. Clients ask under
    // the same id, some after a cancel.
    for (request, cancel, row, code) in [(10, 11, 12, 316), (50, 51, 50, 10225)] {
        let mut w = ready();
        let (one, two, three) = (w.started(1), w.started(2), w.started(3));
        let ask = |id: &'static str| [AAPL, &[("reqId", id), ("numRows", "5")]].concat();
        let old = w.asks_id(one, request, &ask("1"));
        w.request(two, request, &ask("2"));
        let place = [("position", "0"), ("operation", "0"), ("side", "1"), ("price", "9"), ("size", "1")];
        w.say(row, &[&[("reqId", &old[..])][..], &place].concat());
        for who in [one, two] {
            assert_eq!(ids(&w.got(who)), [row]);
        }
        w.say_error(old.parse().unwrap(), code, "subscribe again");
        assert_eq!(errors(&w.got(one)), [(1, code)]);
        assert_eq!(errors(&w.got(two)), [(2, code)]);
        w.request(one, cancel, &[("reqId", "1")]);
        assert!(w.went_up().is_empty(), "another has the old one still");
        let new = w.asks_id(one, request, &ask("1"));
        assert_ne!(new, old);
        assert!(w.got(one).is_empty(), "nothing of the old book");
        w.request(two, request, &ask("2"));
        let went = w.went_up();
        assert_eq!((ids(&went), went[0].request().get("reqId")), (vec![cancel], Some(&old[..])));
        w.request(three, request, &ask("3"));
        assert!(w.went_up().is_empty());
        w.say(row, &[&[("reqId", &new[..])][..], &place].concat());
        for (who, id) in [(one, "1"), (two, "2"), (three, "3")] {
            let got = w.got(who);
            assert_eq!((ids(&got), got[0].response().get("reqId")), (vec![row], Some(id)), "{code}");
        }
    }
}

#[test]
fn a_book_that_is_reset_is_empty_for_whoever_joins_then() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let ask = |id: &'static str| [AAPL, &[("reqId", id), ("numRows", "5")]].concat();
    let up = w.asks_id(one, 10, &ask("1"));
    w.say(12, &[("reqId", &up), ("position", "0"), ("operation", "0"), ("side", "1"), ("price", "9")]);
    w.say_error(up.parse().unwrap(), 317, "Market depth data has been RESET.");
    assert_eq!(ids(&w.got(one)), [12, 4]);
    w.request(two, 10, &ask("2"));
    assert!(w.went_up().is_empty() && w.got(two).is_empty());
    w.say(12, &[("reqId", &up), ("position", "0"), ("operation", "0"), ("side", "1"), ("price", "8")]);
    assert_eq!((ids(&w.got(one)), ids(&w.got(two))), (vec![12], vec![12]));
}

#[test]
fn a_display_group_is_subscribed_once_and_anybody_who_has_it_may_change_it() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.asks_id(one, 68, &[("reqId", "1"), ("groupId", "1")]);
    w.say(68, &[("reqId", &up), ("contractInfo", "none")]);
    w.request(two, 68, &[("reqId", "9"), ("groupId", "1")]);
    let got = w.got(two);
    assert_eq!((ids(&got), got[0].response().get("contractInfo")), (vec![68], Some("none")));
    let update = w.asks(two, 69, &[("reqId", "9"), ("contractInfo", "265598@SMART")]);
    assert_eq!(update.request().get("reqId"), Some(&up[..]));
    w.got(one);
    w.say(68, &[("reqId", &up), ("contractInfo", "265598@SMART")]);
    assert_eq!((ids(&w.got(one)), ids(&w.got(two))), (vec![68], vec![68]));
    w.request(one, 70, &[("reqId", "1")]);
    assert!(w.went_up().is_empty());
    w.request(one, 69, &[("reqId", "1"), ("contractInfo", "none")]);
    assert_eq!(errors(&w.got(one)), [(1, 321)], "it has no subscription any more");
    assert_eq!(w.asks(two, 70, &[("reqId", "9")]).id, 70);
}

#[test]
fn a_question_that_is_asked_twice_under_one_id_is_answered_twice() {
    let mut w = ready();
    let one = w.started(1);
    let details: Vec<_> = [AAPL, &[("reqId", "1")]].concat();
    let ups = [w.asks_id(one, 9, &details), w.asks_id(one, 9, &details)];
    for up in ups {
        w.say(10, &[("reqId", &up)]);
        w.say(52, &[("reqId", &up)]);
        assert_eq!(ids(&w.got(one)), [10, 52], "not each row twice and then both ends");
    }
}

/// Whatever the versions of those who ask: what goes upstream is compared.
#[test]
fn questions_are_one_just_when_all_their_values_are_equal() {
    const FIELDS: [(&str, &str, &str); 15] = [
        ("conId", "265598", "0"),
        ("secType", "OPT", "STK"),
        ("lastTradeDateOrContractMonth", "20271217", "202712"),
        ("strike", "250.0", "25.0"),
        ("right", "C", "P"),
        ("multiplier", "100", "10"),
        ("exchange", "SMART", ""),
        ("primaryExchange", "NASDAQ", "NYSE"),
        ("currency", "USD", "EUR"),
        ("localSymbol", "AAPL  271217C00250000", "AAPL"),
        ("tradingClass", "AAPL", "2AAPL"),
        ("includeExpired", "0", "1"),
        ("secIdType", "ISIN", "CUSIP"),
        ("secId", "US0378331005", "037833100"),
        ("symbol", "AAPL", "MSFT"),
    ];
    for gateway in [176, 220] {
        let mut w = world(|c| (c.max_server_version, c.messages_per_second) = (gateway, None));
        w.link_up(gateway);
        let first = w.started(1);
        let same = w.started(2);
        let older = w.starting(100, 150);
        w.start(older, 3);
        w.got(older);
        for changed in std::iter::once(None).chain((0..FIELDS.len()).map(Some)) {
            let values = |changed: Option<usize>| -> Vec<(&'static str, &'static str)> {
                let value =
                    |(at, (name, is, other)): (usize, &(&'static str, &'static str, &'static str))| {
                        (*name, if changed == Some(at) { *other } else { *is })
                    };
                FIELDS.iter().enumerate().map(value).collect()
            };
            for other in [same, older] {
                let up = w.asks_id(first, 9, &[&[("reqId", "7")], &values(None)[..]].concat());
                w.request(other, 9, &[&[("reqId", "8")], &values(changed)[..]].concat());
                let more = w.went_up();
                assert_eq!(
                    more.is_empty(),
                    changed.is_none(),
                    "{gateway}: {:?}",
                    changed.map(|at| FIELDS[at])
                );
                // A refusal is no answer that is kept.
                for up in std::iter::once(up)
                    .chain(more.iter().map(|f| f.request().get("reqId").unwrap().to_owned()))
                {
                    w.say_error(
                        up.parse().unwrap(),
                        200,
                        "No security definition has been found for the request",
                    );
                }
                assert_eq!((ids(&w.got(first)), ids(&w.got(other))), (vec![4], vec![4]));
            }
        }
    }
}
