//! Outages: the lists that twsmux asks for when a link is there again, and what it concludes where they do not come.

use crate::support::ease::{SECOND, errors, ids, link_again, ready};
use twsmux::core::Config;

#[test]
fn an_order_in_flight_at_a_crash_is_reported_unknown_also_when_a_list_is_refused() {
    let mut w = ready();
    let who = w.started(1);
    w.places(who, "60"); // the Gateway gets it; twsmux dies before the answer
    w.restart(Config::default());
    link_again(&mut w, 176);
    let who = w.started(1);
    w.say(53, &[]); // it was filled
    w.flush();
    let seven = w.went_up().into_iter().find(|f| f.id == 7).expect("executions");
    let id: i32 = seven.request().get("reqId").unwrap().parse().unwrap();
    w.say_error(id, 321, "read-only");
    w.pass(60 * SECOND);
    let got = errors(&w.got(who));
    assert_eq!(got, [(60, 399)], "the owner is told that nobody knows");
}

#[test]
fn the_other_lists_are_asked_although_one_is_refused() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.lose();
    link_again(&mut w, 176);
    w.got(who);
    w.went_up();
    // The open orders do not come for 30 s.
    w.pass(40 * SECOND);
    assert!(ids(&w.went_up()).contains(&7), "the fills of the outage are asked for all the same");
}
