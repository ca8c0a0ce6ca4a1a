//! Streams that exist once per connection to the Gateway: positions, account updates, bulletins, account summaries.

use crate::support::World;
use crate::support::ease::{errors, ids, ready};
use twsmux::core::io::Gone;

fn position(w: &mut World, con: &str, size: &str) {
    w.say(61, &[("account", "DU1"), ("conId", con), ("position", size)]);
}

#[test]
fn a_second_subscriber_to_positions_gets_the_image_and_its_end_at_once() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 61, &[]);
    position(&mut w, "1", "10");
    position(&mut w, "2", "20");
    w.say(62, &[]);
    position(&mut w, "1", "15");
    assert_eq!(ids(&w.got(one)), [61, 61, 62, 61]);
    w.request(two, 61, &[]);
    assert!(w.went_up().is_empty(), "one subscription upstream");
    let got = w.got(two);
    assert_eq!(ids(&got), [61, 61, 62]);
    assert_eq!(got[0].response().get("position"), Some("15"), "the latest of each");
    position(&mut w, "3", "1");
    assert_eq!((ids(&w.got(one)), ids(&w.got(two))), (vec![61], vec![61]));
    w.request(one, 64, &[]);
    assert!(w.went_up().is_empty());
    w.gone(two, Gone::Error);
    assert_eq!(ids(&w.went_up()), [64], "the last one to leave cancels");
    position(&mut w, "3", "2");
    assert!(w.got(one).is_empty());
}

#[test]
fn who_joins_before_the_end_of_the_image_gets_one_end() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 61, &[]);
    position(&mut w, "1", "10");
    w.request(two, 61, &[]);
    position(&mut w, "2", "10");
    w.say(62, &[]);
    assert_eq!(ids(&w.got(one)), [61, 61, 62]);
    assert_eq!(ids(&w.got(two)), [61, 61, 62]);
}

/// A world whose Gateway manages two accounts.
fn two_accounts() -> World {
    let mut w = ready();
    w.say(15, &[("accountsList", "DU1,DU2")]);
    w
}

fn account_row(w: &mut World, account: &str, key: &str) {
    w.say(6, &[("accountName", account), ("key", key), ("value", "1")]);
}

#[test]
fn account_updates_are_shared_for_one_account_and_another_one_is_refused() {
    let mut w = two_accounts();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    account_row(&mut w, "DU1", "A");
    w.say(54, &[("accountName", "DU1")]);
    w.got(one);
    w.request(two, 6, &[("subscribe", "1"), ("acctCode", "DU2")]);
    assert_eq!(errors(&w.got(two)), [(-1, 2101)]);
    w.request(two, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    assert_eq!(ids(&w.got(two)), [6, 54]);
    assert!(w.went_up().is_empty());
}

#[test]
fn the_only_account_may_go_unnamed_and_no_other_takes_the_slot() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.request(two, 6, &[("subscribe", "1"), ("acctCode", "DU2")]);
    assert_eq!(errors(&w.got(two)), [(-1, 321)]);
    w.asks(one, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    account_row(&mut w, "DU1", "A");
    w.say(54, &[("accountName", "DU1")]);
    w.request(two, 6, &[("subscribe", "1"), ("acctCode", "")]);
    assert_eq!(ids(&w.got(two)), [6, 54]);
    assert!(w.went_up().is_empty());
}

#[test]
fn the_notice_after_our_own_unsubscription_is_absorbed_and_the_leaver_is_told() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.asks(one, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    w.request(one, 6, &[("subscribe", "0"), ("acctCode", "DU1")]);
    assert_eq!(errors(&w.got(one)), [(-1, 2100)]);
    assert_eq!(w.went_up()[0].request().get("subscribe"), Some("0"));
    w.asks(two, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    w.say_error(-1, 2100, "API client has been unsubscribed from account data.");
    assert!(w.got(one).is_empty() && w.got(two).is_empty());
    account_row(&mut w, "DU1", "A");
    assert_eq!(ids(&w.got(two)), [6]);
    w.say_error(-1, 2100, "API client has been unsubscribed from account data.");
    assert_eq!(errors(&w.got(two)), [(-1, 2100)], "this one is the work of another program");
}

#[test]
fn the_only_subscriber_may_change_the_account() {
    let mut w = two_accounts();
    let one = w.started(1);
    w.asks(one, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    w.request(one, 6, &[("subscribe", "1"), ("acctCode", "DU2")]);
    let up = w.went_up();
    let seen: Vec<_> = up
        .iter()
        .map(|f| f.request())
        .map(|r| (r.flag("subscribe"), r.get("acctCode").map(str::to_owned)))
        .collect();
    assert_eq!(seen, [(false, Some("DU1".to_owned())), (true, Some("DU2".to_owned()))]);
    assert_eq!(errors(&w.got(one)), [(-1, 2100)]);
    account_row(&mut w, "DU1", "late");
    w.say_error(-1, 2100, "API client has been unsubscribed from account data.");
    assert!(w.got(one).is_empty());
    account_row(&mut w, "DU2", "A");
    assert_eq!(ids(&w.got(one)), [6]);
}

#[test]
fn bulletins_are_asked_for_once_and_todays_are_replayed_to_who_wants_them() {
    let mut w = ready();
    let (one, two, three) = (w.started(1), w.started(2), w.started(3));
    w.asks(one, 12, &[("allMsgs", "1")]);
    w.say(14, &[("msgId", "1"), ("message", "halt")]);
    w.say(14, &[("msgId", "2"), ("message", "resume")]);
    w.request(two, 12, &[("allMsgs", "1")]);
    w.request(three, 12, &[("allMsgs", "0")]);
    assert_eq!(ids(&w.got(two)), [14, 14]);
    assert!(w.got(three).is_empty());
    assert!(w.went_up().is_empty());
}

#[test]
fn equal_account_summaries_share_one_request_under_each_ones_own_id() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let about = |id| [("reqId", id), ("groupName", "All"), ("tags", "NetLiquidation")];
    let up = w.asks_id(one, 62, &about("7"));
    w.say(63, &[("reqId", &up), ("account", "DU1"), ("tag", "NetLiquidation"), ("value", "5")]);
    w.say(64, &[("reqId", &up)]);
    w.got(one);
    w.request(two, 62, &about("9"));
    assert!(w.went_up().is_empty());
    let got = w.got(two);
    assert_eq!(ids(&got), [63, 64]);
    assert_eq!(got[0].response().get("reqId"), Some("9"));
    w.request(two, 62, &about("9"));
    assert_eq!(errors(&w.got(two)), [(9, 322)]);
    w.request(one, 63, &[("reqId", "7")]);
    assert!(w.went_up().is_empty());
    w.request(two, 63, &[("reqId", "9")]);
    assert_eq!(ids(&w.went_up()), [63]);
}

#[test]
fn who_wants_the_bulletins_of_the_day_gets_them_although_another_did_not() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let bulletin = |w: &mut World, id: &str| {
        w.say(14, &[("msgId", id), ("message", "m")]);
    };
    w.asks(one, 12, &[("allMsgs", "0")]);
    bulletin(&mut w, "3");
    assert_eq!(ids(&w.got(one)), [14]);
    let again = w.asks(two, 12, &[("allMsgs", "1")]);
    assert_eq!((again.id, again.request().get("allMsgs")), (12, Some("1")));
    assert_eq!(ids(&w.got(two)), [14], "what is known");
    for id in ["1", "2", "3"] {
        bulletin(&mut w, id);
    }
    assert_eq!(ids(&w.got(two)), [14, 14], "and the rest of the day, nothing twice");
    let three = w.started(3);
    w.request(three, 12, &[("allMsgs", "1")]);
    assert!(w.went_up().is_empty());
    assert_eq!(ids(&w.got(three)), [14, 14, 14]);
}

#[test]
fn an_account_that_the_gateway_does_not_know_is_refused_to_its_asker_and_nobody_elses_turn_ends() {
    let mut w = ready();
    w.say(15, &[("accountsList", "DU1,DU2")]);
    let (one, two) = (w.started(1), w.started(2));
    w.asks(two, 91, &[("marketRuleId", "26")]);
    w.asks(one, 6, &[("subscribe", "1"), ("acctCode", "NOSUCH")]);
    w.say_error(-1, 321, "Error validating request.-'bZ' : cause - Invalid account code 'NOSUCH'.");
    assert_eq!(errors(&w.got(one)), [(-1, 321)]);
    assert!(w.got(two).is_empty());
    w.say(93, &[("marketRuleId", "26")]);
    assert_eq!(ids(&w.got(two)), [93]);
    assert_eq!(w.asks(two, 6, &[("subscribe", "1"), ("acctCode", "DU1")]).id, 6, "the slot is free");
}
