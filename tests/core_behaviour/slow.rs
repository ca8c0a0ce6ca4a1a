//! Clients that read slowly: what they get instead of every tick, and what becomes of those that do not read at all.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::ease::{SECOND, errors, ids, world};
use crate::support::{Frame, Who, World};
use proptest::prelude::*;
use twsmux::core::Limits;

/// A client is behind above so many bytes.
const SOFT: usize = 4096;

/// A world with a ready link in which little is kept for a client.
fn tight() -> World {
    let limits = Limits { outbox: 256 << 10, conflate_above: SOFT, ..Limits::default() };
    let mut w = world(|c| {
        c.limits = limits;
        c.messages_per_second = None;
    });
    w.link_up(176);
    w
}

fn quote(id: &'static str, symbol: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("reqId", id), ("symbol", symbol), ("secType", "STK"), ("exchange", "SMART"), ("currency", "USD")]
}

fn price(w: &mut World, up: &str, kind: &str, price: usize) {
    w.say(1, &[("reqId", up), ("tickType", kind), ("price", &price.to_string()), ("size", "5")]);
}

/// Something that is kept, so long that its reader is behind.
fn news(w: &mut World, words: usize) {
    // Each is another one: what is told once is not told again.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    w.say(14, &[("msgId", &id), ("message", &"n".repeat(words))]);
}

/// A client that subscribes to bulletins and does not read any more; everybody else has read everything.
fn behind(w: &mut World, id: i32) -> Who {
    let who = w.started(id);
    w.request(who, 12, &[]);
    w.flush();
    news(w, SOFT + 1000);
    w.peers[who].got.clear();
    who
}

/// Message, tick type and price of ticks.
fn ticks(frames: &[Frame]) -> Vec<(u16, String, String)> {
    let text = |f: &Frame, name| f.response().get(name).unwrap_or_default().to_owned();
    frames.iter().map(|f| (f.id, text(f, "tickType"), text(f, "price"))).collect()
}

fn tick(kind: &str, price: &str) -> (u16, String, String) {
    (1, kind.to_owned(), price.to_owned())
}

/// Prices that clients were not told, when so many of them read nothing and each has 300 kB unsent.
fn conflated_with(clients: i32) -> u64 {
    let mut w = world(|c| c.messages_per_second = None);
    w.link_up(176);
    let all: Vec<Who> = (1..=clients).map(|id| w.started(id)).collect();
    let up = asks(&mut w, all[0], 1, &quote("7", "AAPL"));
    for who in &all {
        w.request(*who, 12, &[]);
        if *who != all[0] {
            w.request(*who, 1, &quote("7", "AAPL"));
        }
    }
    w.flush();
    (0..6).for_each(|_| news(&mut w, 50_000));
    (1..=10).for_each(|n| price(&mut w, &up, "1", n));
    w.check();
    w.core.stats.conflated
}

#[test]
fn the_more_clients_there_are_the_less_each_has_unsent_before_it_is_behind() {
    // A share of 16 MiB: with 10 it is more than the megabyte that one may have, with 64 it is 256 KiB.
    assert_eq!(conflated_with(10), 0);
    assert_eq!(conflated_with(64), 64 * 9);
}

#[test]
fn the_latest_of_each_tick_is_told_in_the_order_of_arrival() {
    let mut w = tight();
    let good = w.started(2);
    let slow = behind(&mut w, 1);
    let up = asks(&mut w, slow, 1, &quote("7", "AAPL"));
    w.request(good, 1, &quote("3", "AAPL"));
    for n in 1..=100 {
        price(&mut w, &up, "1", n);
        price(&mut w, &up, "2", 1000 + n);
        w.read(good, usize::MAX);
    }
    price(&mut w, &up, "1", 500);
    w.check();
    assert!(w.peers[slow].got.is_empty(), "nothing more is on its way to the slow one");
    let view = w.core.view(w.now).clients[1].clone();
    assert_eq!((view.waiting, view.conflated), (2, 199));
    assert_eq!(w.core.stats.conflated, 199);
    assert_eq!(w.got(good).len(), 201, "the other one misses nothing");
    assert_eq!(ticks(&w.got(slow)), [tick("2", "1100"), tick("1", "500")]);
    price(&mut w, &up, "1", 501);
    assert_eq!(ticks(&w.got(slow)), [tick("1", "501")], "who has read gets every tick again");
    assert_eq!(w.core.stats.conflated, 199);
}

#[test]
fn events_are_never_left_out_and_ends_and_errors_come_last() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    w.request(who, 1, &[&quote("1", "AAPL")[..], &[("snapshot", "1")]].concat());
    w.request(who, 1, &quote("2", "MSFT"));
    w.gateway_reads(usize::MAX);
    let ups: Vec<_> = w.up.iter().map(|f| f.request().get("reqId").unwrap_or_default().to_owned()).collect();
    let [.., snapshot, stream] = &ups[..] else { panic!("two requests: {ups:?}") };
    for n in 0..3 {
        price(&mut w, snapshot, "1", n);
        price(&mut w, stream, "1", n);
        let n = n.to_string();
        w.say(46, &[("reqId", stream), ("tickType", "48"), ("value", &n)]);
        w.say(46, &[("reqId", stream), ("tickType", "77"), ("value", &n)]);
        w.say(46, &[("reqId", stream), ("tickType", "45"), ("value", &n)]);
        w.say(84, &[("reqId", stream), ("headline", &n)]);
    }
    assert_eq!(ids(&w.peers[who].got), [46, 46, 84].repeat(3), "events go on, ticks wait");
    w.peers[who].got.clear();
    w.say(57, &[("reqId", snapshot)]);
    assert_eq!(ids(&w.peers[who].got), [1, 57], "the end comes after the ticks of its request");
    w.peers[who].got.clear();
    w.say_error(stream.parse().unwrap(), 354, "not subscribed");
    let got = std::mem::take(&mut w.peers[who].got);
    assert_eq!(ids(&got), [1, 46, 4]);
    assert_eq!((got[0].response().get("price"), got[1].response().get("value")), (Some("2"), Some("2")));
    assert!(w.got(who).is_empty());
}

#[test]
fn a_cancel_takes_what_waits_and_another_request_under_the_id_is_another() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    let up = asks(&mut w, who, 1, &quote("7", "AAPL"));
    let pnl = asks(&mut w, who, 92, &[("reqId", "7"), ("account", "DU1")]);
    price(&mut w, &up, "1", 10);
    w.say(94, &[("reqId", &pnl), ("dailyPnL", "5")]);
    w.request(who, 2, &[("reqId", "7")]);
    price(&mut w, &up, "1", 11); // late
    let up = asks(&mut w, who, 1, &quote("7", "IBM"));
    price(&mut w, &up, "2", 12);
    assert_eq!(ticks(&w.got(who)), [(94, "".into(), "".into()), tick("2", "12")]);
}

#[test]
fn an_answer_of_one_tick_comes_although_its_request_ends_with_it() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    for message in [54, 55] {
        let up = asks(&mut w, who, message, &[("reqId", "7"), ("symbol", "AAPL")]);
        w.say(21, &[("reqId", &up), ("tickType", "53"), ("impliedVol", "0.5")]);
        assert_eq!(ids(&w.peers[who].got), [21], "request {message} is answered");
        w.peers[who].got.clear();
    }
    assert!(w.got(who).is_empty());
}

#[test]
fn a_request_that_ends_takes_nothing_of_another_one_under_its_id() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    let quotes = asks(&mut w, who, 1, &quote("7", "AAPL"));
    let once = asks(&mut w, who, 54, &[("reqId", "7"), ("symbol", "AAPL")]);
    asks(&mut w, who, 55, &[("reqId", "7"), ("symbol", "AAPL")]);
    w.say(21, &[("reqId", &quotes), ("tickType", "13"), ("impliedVol", "0.25")]);
    w.request(who, 57, &[("reqId", "7")]);
    assert!(w.peers[who].got.is_empty(), "a cancel is not answered, and the tick waits");
    w.say(21, &[("reqId", &once), ("tickType", "53"), ("impliedVol", "0.5")]);
    let told: Vec<_> =
        w.got(who).iter().map(|f| f.response().get("impliedVol").unwrap_or_default().to_owned()).collect();
    assert_eq!(told, ["0.25", "0.5"]);
}

/// A client that does not read asks; the id upstream.
fn asks(w: &mut World, who: Who, id: u16, values: &[(&'static str, &str)]) -> String {
    w.request(who, id, values);
    w.gateway_reads(usize::MAX);
    let asked = w.up.iter().rfind(|f| f.id == id).expect("it goes upstream");
    asked.request().get("reqId").unwrap_or_default().to_owned()
}

#[test]
fn positions_and_portfolio_are_conflated_by_contract_and_account_values_are_kept() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    asks(&mut w, who, 61, &[]);
    asks(&mut w, who, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    for n in ["1", "2"] {
        for contract in ["10", "11"] {
            w.say(61, &[("account", "DU1"), ("conId", contract), ("position", n)]);
            w.say(7, &[("accountName", "DU1"), ("conId", contract), ("position", n)]);
        }
        w.say(6, &[("accountName", "DU1"), ("key", "Cash"), ("value", n)]);
    }
    assert_eq!(ids(&w.peers[who].got), [6, 6]);
    w.say(54, &[("accountName", "DU1")]);
    w.peers[who].got.clear();
    let got = w.got(who);
    assert_eq!(ids(&got), [61, 61], "what the end marker is about came before it");
    assert!(got.iter().all(|f| f.response().get("position") == Some("2")));
    w.request(who, 64, &[]);
    w.check();
}

#[test]
fn a_left_stream_and_a_closed_client_leave_nothing_behind() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    asks(&mut w, who, 61, &[]);
    w.say(61, &[("account", "DU1"), ("conId", "1"), ("position", "1")]);
    w.request(who, 64, &[]);
    assert!(w.got(who).is_empty(), "nobody wants it any more");
    let up = asks(&mut w, who, 1, &quote("7", "AAPL"));
    news(&mut w, SOFT + 1000);
    price(&mut w, &up, "1", 10);
    news(&mut w, 256 << 10);
    w.check();
    assert!(w.peers[who].closing.is_some());
    assert_eq!(ids(&w.got(who)), [14, 14, 4], "told why, and nothing after it");
}

#[test]
fn a_book_is_told_anew() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    let up = asks(&mut w, who, 10, &quote("7", "AAPL"));
    let row = |w: &mut World, position: &str, operation: &str, price: &str| {
        let values = [("position", position), ("operation", operation), ("side", "1"), ("price", price)];
        w.say(12, &[&[("reqId", &up[..])][..], &values].concat());
    };
    row(&mut w, "0", "0", "10");
    row(&mut w, "1", "0", "9");
    row(&mut w, "0", "1", "11");
    row(&mut w, "1", "2", "0");
    assert!(w.peers[who].got.is_empty());
    let got = w.got(who);
    assert_eq!(errors(&got[..1]), [(7, 317)]);
    let told = |f: &Frame| {
        let r = f.response();
        ["reqId", "operation", "price"].map(|name| r.get(name).unwrap_or_default().to_owned()).join(" ")
    };
    assert_eq!(got[1..].iter().map(told).collect::<Vec<_>>(), ["7 0 11"]);
    row(&mut w, "1", "0", "8");
    assert_eq!(w.got(who).iter().map(told).collect::<Vec<_>>(), ["7 0 8"], "changes follow again");
    assert_eq!(w.core.stats.depth_resets, 1);
    // A cancelled one needs no book.
    news(&mut w, SOFT + 1000);
    row(&mut w, "1", "0", "8");
    w.request(who, 11, &[("reqId", "7")]);
    assert_eq!(ids(&w.got(who)), [14]);
}

#[test]
fn the_gateways_own_reset_comes_after_the_book_that_waits() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    let up = asks(&mut w, who, 10, &quote("7", "AAPL"));
    let row = [("reqId", &up[..]), ("position", "0"), ("operation", "0"), ("side", "1"), ("price", "10")];
    w.say(12, &row);
    w.say_error(up.parse().unwrap(), 317, "reset");
    assert_eq!(ids(&w.got(who)), [4, 12, 4]);
    w.say(12, &row);
    assert_eq!(ids(&w.got(who)), [12]);
}

#[test]
fn large_answers_end_with_an_error_and_only_for_who_does_not_read() {
    let mut w = tight();
    let good = w.started(2);
    let slow = behind(&mut w, 1);
    news(&mut w, 130 << 10);
    w.peers[slow].got.clear();
    let up = asks(&mut w, slow, 9, &quote("7", "AAPL"));
    w.request(good, 9, &quote("3", "AAPL"));
    w.gateway_reads(usize::MAX);
    w.say(10, &[("reqId", &up)]);
    assert_eq!(errors(&std::mem::take(&mut w.peers[slow].got)), [(7, 322)]);
    w.say(10, &[("reqId", &up)]);
    w.say(52, &[("reqId", &up)]);
    w.check();
    assert_eq!(ids(&w.peers[good].got), [10, 10, 52], "who shares the request gets all of it");
    // History is cancelled at the Gateway when nobody else wants it.
    let up = asks(&mut w, slow, 20, &quote("8", "AAPL"));
    w.say(17, &[("reqId", &up)]);
    w.say(17, &[("reqId", &up)]);
    w.gateway_reads(usize::MAX);
    assert_eq!(w.up.last().map(|f| f.id), Some(25));
    asks(&mut w, slow, 24, &[]);
    w.say(19, &[("xml", "x")]);
    // Also when it is there already.
    w.request(slow, 24, &[]);
    assert_eq!(errors(&std::mem::take(&mut w.peers[slow].got)), [(8, 322), (-1, 322), (-1, 322)]);
    assert_eq!(w.core.stats.shed, 4);
    // What is not large still comes.
    let up = asks(&mut w, slow, 87, &quote("9", "AAPL"));
    w.say(88, &[("reqId", &up)]);
    assert_eq!(ids(&w.got(slow)), [88]);
    let up = asks(&mut w, slow, 9, &quote("7", "AAPL"));
    w.say(10, &[("reqId", &up)]);
    assert_eq!(ids(&w.got(slow)), [10], "who has read may ask again");
}

#[test]
fn an_answer_that_does_not_fit_ends_its_request_and_not_the_connection() {
    let mut w = tight();
    let who = w.started(1);
    let up = asks(&mut w, who, 84, &[("reqId", "7"), ("providerCode", "X"), ("articleId", "1")]);
    w.say(83, &[("reqId", &up), ("articleText", &"x".repeat(256 << 10))]);
    assert_eq!(errors(&w.got(who)), [(7, 322)]);
    assert!(w.peers[who].open);
}

#[test]
fn orders_are_told_whatever_else_waits() {
    let mut w = tight();
    let who = w.started(1);
    let order = w.places(who, "1");
    w.request(who, 12, &[]);
    w.flush();
    news(&mut w, SOFT + 1000);
    let up = asks(&mut w, who, 1, &quote("7", "AAPL"));
    price(&mut w, &up, "1", 10);
    w.peers[who].got.clear();
    w.shows(&order, "Submitted");
    w.shows(&order, "Filled");
    assert_eq!(ids(&w.peers[who].got), [5, 3, 5, 3]);
}

#[test]
fn who_reads_nothing_for_long_is_told_and_closed() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    w.tick_until(w.now + 15 * SECOND);
    w.read(who, 10);
    w.tick_until(w.now + 15 * SECOND);
    assert!(w.peers[who].closing.is_none(), "it has read something");
    w.tick_until(w.now + 8 * SECOND);
    assert_eq!(w.peers[who].closing, Some(false), "it does not take even the end");
    let got = &w.peers[who].got;
    assert_eq!(errors(got), [(-1, 322)]);
    assert!(got[0].words().contains("it has read nothing for 20 s"), "{}", got[0].words());
    // One that read in time is not looked at any more.
    let who = behind(&mut w, 2);
    w.got(who);
    w.tick_until(w.now + 60 * SECOND);
    assert!(w.peers[who].closing.is_none() && w.peers[who].open);
}

#[test]
fn what_waits_counts_and_has_an_end() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    let up = asks(&mut w, who, 1, &quote("7", "AAPL"));
    // A Gateway that makes up tick types without end.
    for n in 0..5000 {
        price(&mut w, &up, &n.to_string(), 1);
        w.check();
        if w.peers[who].closing.is_some() {
            break;
        }
        assert!(w.core.view(w.now).clients[0].outbox_bytes <= 256 << 10);
    }
    assert!(w.peers[who].got.last().unwrap().words().contains("the limit is 262144"));
}

#[test]
fn a_larger_budget_lets_nothing_overtake_what_waits() {
    let mut w = tight();
    let who = behind(&mut w, 1);
    let up = asks(&mut w, who, 1, &quote("7", "AAPL"));
    price(&mut w, &up, "1", 10);
    let mut config = w.core.config().clone();
    config.limits.conflate_above = 64 << 10;
    w.handle(twsmux::core::io::Input::Reconfigure { config: &config });
    price(&mut w, &up, "1", 11);
    price(&mut w, &up, "2", 12);
    assert_eq!(ticks(&w.got(who)), [tick("1", "11"), tick("2", "12")]);
}

/// What happens around a slow reader.
#[derive(Clone, Debug)]
enum Op {
    /// A tick of a line, of a type.
    Tick(usize, i64),
    /// A trade of a line.
    Trade(usize),
    /// The top of the book changes: a row more, another price, a row less.
    Top(i64),
    /// Something long that is kept.
    News(usize),
    /// The client reads so many bytes.
    Read(usize),
    /// It cancels a line and asks for the same under a new id.
    Again(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0..3usize, 1..4i64).prop_map(|(line, kind)| Op::Tick(line, kind)),
        3 => (0..3usize).prop_map(Op::Trade),
        4 => (0..3i64).prop_map(Op::Top),
        1 => (1..SOFT).prop_map(Op::News),
        4 => (1..3000usize).prop_map(Op::Read),
        1 => (0..3usize).prop_map(Op::Again),
    ]
}

/// A client's view of what it was told.
#[derive(Default)]
struct Told {
    /// The last value under each id and tick type.
    values: std::collections::BTreeMap<(i64, i64), i64>,
    /// Numbers of the trades, and bulletins.
    trades: Vec<i64>,
    news: usize,
    book: Vec<i64>,
}

impl Told {
    fn hear(&mut self, f: &Frame) {
        let r = f.response();
        let int = |name| r.int(name).unwrap_or(0);
        match f.id {
            1 => {
                let price = r.float("price").unwrap() as i64;
                let before = self.values.insert((int("reqId"), int("tickType")), price);
                assert!(before < Some(price), "{price} after {before:?}");
            }
            46 => self.trades.push(int("value")),
            12 => apply(&mut self.book, int("operation"), int("position"), r.float("price").unwrap() as i64),
            14 => self.news += 1,
            4 => {
                assert_eq!(f.error().unwrap().1, 317, "{}", f.words());
                self.book.clear();
            }
            other => panic!("nobody asked for {other}"),
        }
    }
}

/// A change that must make sense.
fn apply(book: &mut Vec<i64>, operation: i64, at: i64, price: i64) {
    match operation {
        0 => book.insert(at as usize, price),
        1 => book[at as usize] = price,
        _ => drop(book.remove(at as usize)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// However it reads, it ends up with what everybody else knows, by way of values that only get newer.
    #[test]
    fn whoever_reads_in_the_end_knows_the_latest(ops in prop::collection::vec(op(), 0..400)) {
        let mut w = tight();
        let who = w.started(1);
        w.request(who, 12, &[]);
        let symbols = ["AAPL", "MSFT", "IBM"];
        let mut next_id = 10;
        let mut lines: Vec<(i64, String)> = Vec::new();
        let ask = |w: &mut World, symbol: &'static str, next_id: &mut i64| {
            *next_id += 1;
            let id = next_id.to_string();
            let up = asks(w, who, 1, &[("reqId", &id), ("symbol", symbol), ("secType", "STK"), ("exchange", "SMART")]);
            (*next_id, up)
        };
        for symbol in symbols {
            let line = ask(&mut w, symbol, &mut next_id);
            lines.push(line);
        }
        let depth = asks(&mut w, who, 10, &quote("7", "AAPL"));
        w.flush();
        let mut latest = std::collections::BTreeMap::new();
        let (mut trades, mut news_sent, mut book) = (Vec::new(), 0, Vec::new());
        for (n, op) in ops.into_iter().enumerate() {
            let n = n as i64 + 1;
            match op {
                Op::Tick(line, kind) => {
                    let (id, up) = lines[line].clone();
                    price(&mut w, &up, &kind.to_string(), n as usize);
                    latest.insert((id, kind), n);
                }
                Op::Trade(line) => {
                    let value = n.to_string();
                    w.say(46, &[("reqId", &lines[line].1), ("tickType", "48"), ("value", &value)]);
                    trades.push(n);
                }
                Op::Top(operation) => {
                    if operation != 0 && book.is_empty() || operation == 0 && book.len() > 10 {
                        continue;
                    }
                    apply(&mut book, operation, 0, n);
                    let (operation, price) = (operation.to_string(), n.to_string());
                    let row = [("operation", &operation[..]), ("side", "1"), ("price", &price), ("position", "0")];
                    w.say(12, &[&[("reqId", &depth[..])][..], &row].concat());
                }
                Op::News(words) => {
                    news(&mut w, words);
                    news_sent += 1;
                }
                Op::Read(bytes) => w.read(who, bytes),
                Op::Again(line) => {
                    let old = lines[line].0;
                    w.request(who, 2, &[("reqId", &old.to_string())]);
                    latest.retain(|(id, _), _| *id != old);
                    lines[line] = ask(&mut w, symbols[line], &mut next_id);
                }
            }
            w.check();
            // Nine ticks and the book are all that can wait.
            prop_assert!(w.core.view(w.now).clients[0].waiting <= 10);
            prop_assert!(w.peers[who].closing.is_none());
        }
        let mut told = Told::default();
        for f in w.got(who) {
            told.hear(&f);
        }
        let live: Vec<i64> = lines.iter().map(|(id, _)| *id).collect();
        told.values.retain(|(id, _), _| live.contains(id));
        prop_assert_eq!(told.values, latest);
        prop_assert_eq!((told.trades, told.news, told.book), (trades, news_sent, book));
    }
}

#[test]
fn who_falls_behind_under_several_ids_keeps_nobody_from_an_answer() {
    let mut w = tight();
    let (greedy, modest) = (w.started(1), w.started(2));
    let ask = |id: &'static str| [("reqId", id), ("providerCode", "BZ"), ("articleId", "BZ$1")];
    let up = w.asks_id(greedy, 84, &ask("1"));
    for id in ["2", "3"] {
        w.request(greedy, 84, &ask(id));
    }
    w.request(modest, 84, &ask("1"));
    assert!(w.went_up().is_empty(), "it is one question");
    // Each copy fits, three do not.
    w.say(83, &[("reqId", &up), ("articleText", &"n".repeat(100 << 10))]);
    assert!(w.peers[greedy].closing.is_some());
    assert_eq!(ids(&w.got(modest)), [83]);
}
