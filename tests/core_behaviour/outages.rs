//! Outages: the lists that twsmux asks for when a link is there again, and what it concludes where they do not come.

use crate::support::ease::{SECOND, errors, ids, link_again, ready, world};
use twsmux::core::Config;
use twsmux::core::io::FarEnd;

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

#[test]
fn what_happened_meanwhile_is_asked_for_although_clients_subscribe_again() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.lose();
    link_again(&mut w, 176);
    // 1101: the clients subscribe again, before the Gateway has listed its open orders.
    let others: Vec<_> = (2..6).map(|id| w.started(id)).collect();
    for other in others {
        for n in 0..500 {
            w.request(
                other,
                1,
                &[("reqId", &n.to_string()), ("symbol", &format!("S{other}x{n}")), ("secType", "STK")],
            );
        }
    }
    w.flush();
    let (mut asked, mut open) = (false, false);
    let mut waited = 0;
    for n in 0..90 {
        waited = n;
        w.pass(SECOND);
        for f in w.went_up() {
            match f.id {
                16 if !open => {
                    open = true;
                    w.say(53, &[]); // the order is filled
                }
                7 => asked = true,
                _ => {}
            }
        }
        if asked {
            break;
        }
    }
    assert!(asked && waited < 5, "the executions are asked for after {waited} s");
    // The Gateway answers at once: the fill must reach its owner.
    let request = {
        // find the id of our own query: the only request that is no subscription
        (1 << 30..(1 << 30) + 3000).collect::<Vec<i32>>()
    };
    for id in request {
        w.say(11, &[("reqId", &id.to_string()), ("orderId", &up), ("clientId", "0"), ("execId", "x.1")]);
    }
    assert!(ids(&w.got(who)).contains(&11), "the owner is told of its fill");
}

#[test]
fn errors_of_new_orders_reach_their_owner_although_old_ids_are_high() {
    let mut w = world(|_| {});
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.say(15, &[("accountsList", "DU1")]);
    w.say(9, &[("orderId", "1")]); // it went back
    w.flush();
    w.lists(&[("1700000000", "Submitted")], &[], &[]);
    let who = w.started(1);
    let up = w.places(who, "60");
    w.say_error(up.parse().unwrap(), 201, "no");
    assert_eq!(errors(&w.got(who)), [(60, 201)]);
}

#[test]
fn a_what_if_right_after_a_restart_does_not_end_the_order() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.open_orders.clear();
    w.restart(Config::default());
    link_again(&mut w, 176);
    let who = w.started(1);
    w.request(who, 3, &[("orderId", "60"), ("whatIf", "1")]);
    w.flush();
    w.say(5, &[("orderId", &up), ("clientId", "0"), ("status", "PreSubmitted"), ("whatIf", "1")]);
    w.flush();
    let o = w.journal.orders.values().next().unwrap();
    assert!(o.over.is_none(), "{o:?}");
}

#[test]
fn an_order_whose_first_notice_came_is_still_looked_for() {
    // 10349 before the first openOrder (LIVE.md section 3), then the link breaks and the order fills.
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.say_error(50, 10349, "Order TIF was set to DAY based on order preset.");
    w.got(who);
    w.lose();
    link_again(&mut w, 176);
    w.lists(&[], &[(&up, "x.1")], &[(&up, "Filled")]);
    let got = w.got(who);
    assert!(ids(&got).contains(&3) || errors(&got).contains(&(60, 399)), "its end is told: {:?}", ids(&got));
}

#[test]
fn words_for_an_order_with_executions() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.got(who);
    w.lose();
    link_again(&mut w, 176);
    w.lists(&[], &[(&up, "x.1")], &[]);
    let got = w.got(who);
    let words: Vec<_> = got.iter().filter(|f| f.error() == Some((60, 399))).map(|f| f.words()).collect();
    assert_eq!(words.len(), 1, "it is told once");
    assert!(words[0].contains("lists executions of this order"), "{words:?}");
}

#[test]
fn completed_orders_are_not_named_to_those_whose_gateway_has_none() {
    let mut w = world(|c| c.max_server_version = 149);
    w.link_up(149);
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.got(who);
    w.lose();
    link_again(&mut w, 149);
    w.lists(&[], &[], &[]);
    let words: Vec<_> =
        w.got(who).iter().filter(|f| f.error() == Some((60, 399))).map(|f| f.words()).collect();
    assert_eq!(words.len(), 1, "it is told once");
    assert!(words[0].contains("among the open orders nor"), "{words:?}");
}

#[test]
fn a_journal_that_hangs_is_not_blamed_on_the_gateway() {
    let mut w = ready();
    w.restart(Config::default());
    w.fast_disk = false;
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.tick_until(w.now + 4 * SECOND);
    w.examined(FarEnd::Read);
    assert!(w.core.view(w.now).upstream.trouble.is_some(), "the Gateway itself was slow");
    w.say(15, &[("accountsList", "DU1")]);
    w.say(9, &[("orderId", "50")]);
    w.pass(SECOND);
    let words = w.core.diagnosis();
    assert!(words.contains("journal") && words.contains("disk"), "{words}");
    assert!(w.core.view(w.now).upstream.trouble.is_none());
    // It is no reason to leave the Gateway, however long it takes.
    w.pass(200 * SECOND);
    assert!(w.socket.is_some(), "the link stays");
    w.synced();
    assert!(w.core.ready());
}

#[test]
fn a_new_journal_that_hangs_is_not_blamed_on_the_gateway() {
    let mut w = world(|_| {});
    w.fast_disk = false;
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.say(15, &[("accountsList", "DU1")]);
    w.say(9, &[("orderId", "50")]);
    w.lists(&[], &[], &[]);
    w.pass(200 * SECOND);
    let words = w.core.diagnosis();
    assert!(words.contains("journal") && words.contains("disk"), "{words}");
    w.synced();
    assert!(w.core.ready());
}
