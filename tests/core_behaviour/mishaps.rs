//! Mishaps around orders: deaths, lost links, odd ids and what is queued at that time.

use crate::support::ease::{SECOND, errors, ids, link_again, nested, proto_payload, ready, world};
use crate::support::{Frame, World};
use twsmux::core::Config;
use twsmux::core::io::Gone;
use twsmux::core::policy::Policy;
use twsmux::ids::ClientId;
use twsmux::wire::proto;

fn place(order: i64, parent: i64, stop: Option<i64>) -> bytes::Bytes {
    proto_payload(3, 225, |out| {
        proto::put_int(1, order, out);
        nested(3, out, |o| {
            proto::put_int(2, order, o);
            if parent != 0 {
                proto::put_int(4, parent, o);
            }
        });
        if let Some(stop) = stop {
            nested(4, out, |o| proto::put_int(1, stop, o));
        }
    })
}

fn up225() -> World {
    let mut w = world(|c| c.max_server_version = 225);
    w.dial();
    w.gateway_hello(225);
    w.flush();
    start225(&mut w);
    w
}

fn start225(w: &mut World) {
    w.gateway_sends(&proto_payload(15, 225, |out| proto::put_bytes(1, b"DU1", out)));
    w.gateway_sends(&proto_payload(9, 225, |out| proto::put_int(1, 50, out)));
    w.flush();
    w.say(53, &[]);
    w.flush();
    if let Some(f) = w.went_up().into_iter().find(|f| f.id == 7) {
        let id = proto::get_int(f.body(), &[1]).unwrap().unwrap();
        w.gateway_sends(&proto_payload(55, 225, |out| proto::put_int(1, id, out)));
    }
    w.flush();
    w.say(102, &[]);
    w.flush();
    assert!(w.core.ready());
}

/// What a clean stop leaves.
fn stop_and_start(w: &mut World) {
    w.journal.apply(&twsmux::journal::Record::Running(false));
    w.restart(Config::default());
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.say(15, &[("accountsList", "DU1")]);
    w.say(9, &[("orderId", "50")]);
    w.flush();
}

/// Executions of orders entered in TWS carry order id 2147483647 (blampe/IbPy#36).
#[test]
fn an_execution_without_order_id_does_not_use_up_all_order_ids() {
    let mut w = ready();
    w.lose();
    link_again(&mut w, 176);
    w.lists(&[], &[("2147483647", "x.1"), ("2147483647", "x.2")], &[]);
    let who = w.started(1);
    w.request(who, 3, &[("orderId", "60")]);
    assert_eq!(errors(&w.got(who)), [], "an order is taken");
}

#[test]
fn live_execution_without_order_id() {
    let mut w = ready();
    let who = w.started(1);
    w.say(11, &[("reqId", "-1"), ("orderId", "2147483647"), ("clientId", "0"), ("execId", "x.1")]);
    let to = w.request(who, 3, &[("orderId", "60")]).to;
    let words: Vec<_> = to.iter().map(|(_, f)| f.words()).collect();
    assert!(words.is_empty(), "an order is taken: {words:?}, {:?}", w.journal.next);
}

#[test]
fn a_modification_of_an_order_from_a_direct_connection_is_no_new_order_after_a_restart() {
    let mut w = ready();
    let who = w.started(7);
    w.request(who, 16, &[]);
    w.say(5, &[("orderId", "500"), ("clientId", "7"), ("status", "Submitted")]);
    w.say(3, &[("orderId", "500"), ("clientId", "7"), ("status", "Submitted")]);
    w.say(53, &[]);
    w.got(who);
    w.request(who, 3, &[("orderId", "500")]);
    assert_eq!(errors(&w.got(who)), [(500, 399)], "only that connection can change it");
    w.restart(Config::default());
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.say(15, &[("accountsList", "DU1")]);
    w.say(9, &[("orderId", "50")]);
    let who = w.started(7); // before the Gateway has listed its orders
    w.request(who, 3, &[("orderId", "500")]);
    let new: Vec<_> = w.went_up().into_iter().filter(|f| f.id == 3).collect();
    assert_eq!(new, [], "a second order goes to the Gateway");
}

#[test]
fn a_client_that_only_tried_to_connect_does_not_have_its_orders_cancelled() {
    let policy = Policy { cancel_on_disconnect: true, ..Policy::default() };
    let change = |c: &mut Config| {
        c.policies.by_id.insert(ClientId(7), policy.clone());
    };
    let mut w = world(change);
    w.link_up(176);
    let who = w.started(7);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    // twsmux dies: no disconnect by the policy.
    let mut config = Config::default();
    change(&mut config);
    w.restart(config);
    // The client tries to connect while the Gateway is away, and is turned away after 1.5 s.
    w.client(7);
    w.pass(3 * SECOND);
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.say_start(51);
    w.pass(SECOND);
    let cancels: Vec<_> = w.went_up().into_iter().filter(|f| f.id == 4).collect();
    assert_eq!(cancels, [], "nobody cancelled");
}

#[test]
fn attached_orders_of_an_order_that_the_link_took_are_over_too() {
    let mut w = up225();
    let who = w.started(1);
    w.fast_disk = false;
    w.frame(who, &place(60, 0, Some(61)));
    w.lose();
    assert!(errors(&w.got(who)).contains(&(60, 201)));
    w.synced();
    let left: Vec<_> = w.journal.orders.iter().filter(|(_, o)| o.over.is_none()).collect();
    assert!(left.is_empty(), "never left and not over: {left:?}");
}

#[test]
fn after_a_restart_nothing_is_unknown_about_what_never_left() {
    let mut w = up225();
    let who = w.started(1);
    w.fast_disk = false;
    w.frame(who, &place(60, 0, Some(61)));
    w.lose();
    w.got(who);
    w.synced();
    w.restart(Config { max_server_version: 225, ..Config::default() });
    w.dial();
    w.gateway_hello(225);
    w.flush();
    let who = w.started(1);
    start225(&mut w);
    let who = if w.peers[who].open { who } else { w.started(1) };
    let got = w.got(who);
    assert_eq!(errors(&got), [], "{got:?}");
}

#[test]
fn an_order_attached_by_a_modification_is_not_shown_as_cancelled_while_the_gateway_has_it() {
    let mut w = up225();
    let who = w.started(1);
    w.frame(who, &place(60, 0, None));
    w.frame(who, &place(60, 0, Some(61)));
    let up = w.went_up();
    assert_eq!(up.iter().filter(|f| f.id == 3).count(), 2, "both left, the second with the attached order");
    let cancel = proto_payload(4, 225, |out| proto::put_int(1, 61, out));
    w.frame(who, &cancel);
    let got = w.got(who);
    assert_eq!(errors(&got), [], "nobody cancelled it at the Gateway");
    assert_eq!(ids(&w.went_up()), [4], "the cancel goes to the Gateway");
}

#[test]
fn a_cancel_that_was_not_sent_is_told_to_the_owner_although_its_connection_is_over() {
    let mut w = world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let who = w.started(1);
    w.pass(2 * SECOND);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.got(who);
    w.request(who, 4, &[("orderId", "60")]);
    w.gone(who, Gone::Eof); // a script that cancels and closes
    w.lose();
    w.open_orders.clear();
    link_again(&mut w, 176);
    w.lists(&[(&up, "Submitted")], &[], &[]);
    let who = w.client(1);
    w.pass(SECOND);
    assert!(errors(&w.got(who)).contains(&(60, 399)), "its cancel was not sent");
}

#[test]
fn the_next_id_does_not_go_back_over_a_restart_for_a_client_that_numbers_low() {
    let mut w = ready();
    let who = w.client(1);
    let next = |got: &[crate::support::Frame]| {
        got.iter().find(|f| f.id == 9).unwrap().response().int("orderId").unwrap()
    };
    let before = next(&w.got(who));
    w.places(who, "7");
    stop_and_start(&mut w);
    let who = w.client(1);
    let after = next(&w.got(who));
    assert!(after >= before, "nextValidId said {before}, and {after} after a restart");
}

#[test]
fn a_manual_order_does_not_leave_client_0_without_order_ids_after_a_restart() {
    let mut w = ready();
    let who = w.started(0);
    w.shows("-5", "Submitted");
    w.got(who);
    stop_and_start(&mut w);
    let who = w.client(0);
    let next = w.got(who).iter().find(|f| f.id == 9).unwrap().response().int("orderId").unwrap();
    assert!(next >= 50, "nextValidId {next}");
}

#[test]
fn takeover_and_other_accounts_cancel_nothing() {
    let policy = Policy { cancel_on_disconnect: true, ..Policy::default() };
    let mut w = world(|c| {
        c.policies.by_id.insert(ClientId(7), policy);
    });
    w.link_up(176);
    let who = w.started(7);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.lose();
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.say(15, &[("accountsList", "DU2")]); // somebody logged in as another user
    w.say(9, &[("orderId", "50")]);
    w.flush();
    w.pass(SECOND);
    w.dial();
    w.gateway_hello(176);
    w.flush();
    w.say_start(50);
    w.pass(SECOND);
    let cancels: Vec<_> = w.went_up().into_iter().filter(|f| f.id == 4).collect();
    assert_eq!(cancels, [], "twsmux itself closed the connection");
}

#[test]
fn an_order_at_the_gateway_is_not_changed_to_a_parent_that_may_never_leave() {
    let mut w = ready();
    let who = w.started(1);
    w.places(who, "60");
    w.fast_disk = false;
    w.request(who, 3, &[("orderId", "61")]);
    w.request(who, 3, &[("orderId", "60"), ("parentId", "61")]);
    assert_eq!(errors(&w.got(who)), [(60, 399)], "its parent waits");
    w.request(who, 4, &[("orderId", "61")]);
    w.synced();
    assert!(!ids(&w.went_up()).contains(&3), "what was refused and what was cancelled do not leave");
}

#[test]
fn half_a_bracket_does_not_leave_late() {
    let mut w = ready();
    let who = w.started(1);
    w.places(who, "60"); // the parent, transmit=false
    w.fast_disk = false; // it is slow
    w.request(who, 3, &[("orderId", "61"), ("parentId", "60"), ("transmit", "0")]); // the stop
    w.pass(SECOND);
    w.request(who, 3, &[("orderId", "62"), ("parentId", "60"), ("transmit", "1")]); // the target sets all off
    w.pass(9 * SECOND + SECOND / 2);
    assert_eq!(errors(&w.got(who)), [(61, 201), (62, 201)], "the stop waited too long");
    w.synced();
    let left: Vec<_> = w.went_up().into_iter().filter(|f| f.id == 3).collect();
    assert_eq!(left.len(), 0, "the entry is set off without its stop: {left:?}");
}

#[test]
fn attached_of_a_rejected_parent_are_not_unknown() {
    let mut w = up225();
    let who = w.started(1);
    w.frame(who, &place(60, 0, Some(61)));
    let up = proto::get_int(w.went_up().iter().find(|f| f.id == 3).unwrap().body(), &[1]).unwrap().unwrap();
    w.say_error(up as i32, 201, "no");
    w.got(who);
    w.lose();
    let got = errors(&w.got(who));
    assert!(!got.contains(&(61, 399)), "{got:?}");
}

#[test]
fn a_global_cancel_in_flight_when_the_link_breaks() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.request(who, 58, &[]);
    w.got(who);
    w.lose();
    let got = w.got(who);
    let told = got.iter().any(|f| f.words().contains("cancel"));
    assert!(
        told,
        "whether the global cancel arrived is unknown: {:?}",
        got.iter().map(|f| f.words()).collect::<Vec<_>>()
    );
}

#[test]
fn a_status_that_was_on_its_way_does_not_answer_a_cancel() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "PreSubmitted");
    w.request(who, 4, &[("orderId", "60")]);
    w.got(who);
    // It has not read the cancel when it says this, and when it dies.
    w.shows(&up, "Submitted");
    w.say_error(up.parse().unwrap(), 399, "Order Message: it waits for the opening");
    w.got(who);
    w.lose();
    let got = w.got(who);
    let told: Vec<_> = got.iter().filter(|f| f.error() == Some((60, 399))).map(Frame::words).collect();
    assert!(matches!(&told[..], [one] if one.contains("right after the cancel of this order")), "{told:?}");
}

#[test]
fn what_came_of_a_cancel_answers_it() {
    for status in ["PendingCancel", "Cancelled", "202"] {
        let mut w = ready();
        let who = w.started(1);
        let up = w.places(who, "60");
        w.shows(&up, "Submitted");
        w.request(who, 4, &[("orderId", "60")]);
        w.got(who);
        match status.parse() {
            Ok(code) => drop(w.say_error(up.parse().unwrap(), code, "Order Canceled - reason:")),
            Err(_) => w.shows(&up, status),
        }
        w.got(who);
        w.lose();
        let got = errors(&w.got(who));
        assert!(!got.contains(&(60, 399)), "{status}: {got:?}");
    }
}

#[test]
fn the_canceller_of_anothers_unsent_order_hears_that_it_worked() {
    let mut w = world(|c| {
        c.policies.by_id.insert(ClientId(9), Policy { cancel_foreign: true, ..Policy::default() });
    });
    w.link_up(176);
    let (who, boss) = (w.started(1), w.started(9));
    w.fast_disk = false;
    w.request(who, 3, &[("orderId", "60")]);
    w.request(boss, 4, &[("orderId", "60")]);
    assert_eq!(errors(&w.got(who)), [(60, 202)]);
    assert_eq!(errors(&w.got(boss)), [(60, 202)]);
}

#[test]
fn a_cancel_does_not_wait_for_the_disk() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.went_up();
    w.fast_disk = false; // it hangs
    w.request(who, 3, &[("orderId", "61")]);
    w.request(who, 4, &[("orderId", "60")]);
    w.pass(SECOND);
    assert_eq!(ids(&w.went_up()), [4], "the cancel of an order at work");
}

#[test]
fn a_cancel_stays_behind_the_children_of_its_order() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.went_up();
    w.fast_disk = false;
    w.request(who, 3, &[("orderId", "61"), ("parentId", "60")]);
    w.request(who, 4, &[("orderId", "60")]);
    w.pass(SECOND);
    assert!(w.went_up().is_empty(), "a parent's cancel does not overtake its child");
    w.synced();
    w.flush();
    assert_eq!(ids(&w.went_up()), [3, 4]);
}

#[test]
fn what_a_disconnect_takes_back_is_not_blamed_on_a_global_cancel() {
    let policy = Policy { cancel_on_disconnect: true, ..Policy::default() };
    let mut w = world(|c| {
        c.policies.by_id.insert(ClientId(1), policy);
    });
    w.link_up(176);
    let who = w.started(1);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.fast_disk = false;
    w.request(who, 3, &[("orderId", "61")]);
    w.request(who, 3, &[("orderId", "60")]);
    w.gone(who, Gone::Eof);
    w.flush();
    let who = w.client(1);
    w.pass(SECOND);
    let got = w.got(who);
    let words: Vec<_> = got.iter().filter(|f| f.error() == Some((60, 399))).map(|f| f.words()).collect();
    assert!(words.len() == 1 && words[0].contains("connection ended"), "{words:?}");
}
