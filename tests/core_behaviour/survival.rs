//! Orders survive: a slow or broken disk, a cancel before they left, owners that are away, lost links, restarts.

use crate::support::ease::{SECOND, errors, ids, nested, proto_payload, ready, world};
use crate::support::{Frame, Who, World};
use twsmux::core::Config;
use twsmux::core::io::Gone;
use twsmux::limits;
use twsmux::wire::proto;

/// A ready world whose disk does nothing by itself.
fn slow_disk() -> World {
    let mut w = ready();
    w.fast_disk = false;
    w
}

/// A link comes up, and the Gateway lists these things (see [`World::lists`]).
fn link_lists(
    w: &mut World,
    version: u16,
    open: &[(&str, &str)],
    executions: &[(&str, &str)],
    completed: &[(&str, &str)],
) {
    w.dial();
    w.gateway_hello(version);
    w.say(15, &[("accountsList", "DU1")]);
    w.say(9, &[("orderId", "50")]);
    w.lists(open, executions, completed);
}

fn restart(w: &mut World) {
    w.restart(Config::default());
}

fn fill(w: &mut World, up: &str, exec: &str) {
    w.say(11, &[("reqId", "-1"), ("orderId", up), ("clientId", "0"), ("execId", exec)]);
}

fn cancels(w: &mut World, who: Who, order: &str) -> Vec<Frame> {
    w.request(who, 4, &[("orderId", order)]);
    w.got(who)
}

// ---- the disk ----

#[test]
fn a_disk_that_refuses_stops_new_orders_and_lets_modifications_and_cancels_through() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.places(one, "5");
    w.fast_disk = false;
    w.request(one, 3, &[("orderId", "6")]);
    w.request(one, 3, &[("orderId", "7"), ("parentId", "6")]);
    w.disk_fails(w.facts.0);
    assert_eq!(errors(&w.got(one)), [(6, 201), (7, 201)]);
    w.request(two, 3, &[("orderId", "60")]);
    let refused = w.got(two);
    assert_eq!(errors(&refused), [(60, 201)]);
    assert!(refused[0].words().contains("No space left on device"), "{}", refused[0].words());
    w.request(one, 3, &[("orderId", "5"), ("lmtPrice", "2")]);
    w.request(one, 4, &[("orderId", "5")]);
    assert_eq!(ids(&w.went_up()), [3, 4]);
    w.disk_heals();
    w.fast_disk = true;
    assert_eq!(w.asks(one, 3, &[("orderId", "6")]).id, 3, "a refused id stays free");
    assert_eq!(w.asks(two, 3, &[("orderId", "60")]).id, 3);
}

#[test]
fn only_orders_whose_records_the_disk_refused_are_refused() {
    let mut w = slow_disk();
    let one = w.started(1);
    w.request(one, 3, &[("orderId", "5")]);
    let tried = w.facts.0;
    w.request(one, 3, &[("orderId", "6")]);
    w.disk_fails(tried);
    assert_eq!(errors(&w.got(one)), [(5, 201)]);
    w.disk_heals();
    let up = w.went_up();
    assert_eq!(up.len(), 1);
    assert_eq!(up[0].request().get("orderId"), Some("51"), "the one that is on disk now leaves");
}

#[test]
fn an_order_that_waits_too_long_is_refused_with_all_that_was_to_follow_it_and_a_cancel_is_not() {
    let mut w = ready();
    let one = w.started(1);
    w.places(one, "5");
    w.fast_disk = false;
    w.request(one, 3, &[("orderId", "6")]);
    w.pass(5 * SECOND);
    w.request(one, 3, &[("orderId", "6"), ("lmtPrice", "2")]);
    w.request(one, 3, &[("orderId", "7"), ("parentId", "6")]);
    w.request(one, 3, &[("orderId", "5"), ("lmtPrice", "2")]);
    w.request(one, 4, &[("orderId", "5")]);
    w.pass(limits::ORDER_WAIT - 6 * SECOND);
    assert!(w.got(one).is_empty() && w.went_up().is_empty(), "not before its time");
    w.pass(2 * SECOND);
    let got = w.got(one);
    assert_eq!(errors(&got), [(6, 201), (7, 201)], "once for an order, whatever waits of it");
    assert!(got[1].words().contains("its parent order was not sent"), "{}", got[1].words());
    assert_eq!(ids(&w.went_up()), [3, 4], "what stood behind it goes on");
    w.synced();
    assert!(w.went_up().is_empty());
}

#[test]
fn a_modification_that_waits_too_long_leaves_its_order_as_it_is() {
    let mut w = ready();
    let one = w.started(1);
    w.places(one, "5");
    w.fast_disk = false;
    w.request(one, 3, &[("orderId", "6")]);
    w.pass(4 * SECOND);
    w.request(one, 3, &[("orderId", "7")]);
    w.request(one, 3, &[("orderId", "5"), ("lmtPrice", "2")]);
    w.pass(11 * SECOND);
    assert_eq!(errors(&w.got(one)), [(6, 201), (7, 201), (5, 399)]);
    assert!(w.went_up().is_empty());
}

// ---- cancelled before they left ----

#[test]
fn a_cancel_of_an_order_that_has_not_left_ends_it_and_its_children_here() {
    let mut w = slow_disk();
    let (one, two) = (w.started(1), w.started(2));
    w.request(one, 3, &[("orderId", "5"), ("totalQuantity", "300")]);
    w.request(one, 3, &[("orderId", "5"), ("totalQuantity", "200")]);
    w.request(one, 3, &[("orderId", "6"), ("parentId", "5"), ("totalQuantity", "100")]);
    w.request(one, 3, &[("orderId", "7"), ("parentId", "6")]);
    w.request(one, 3, &[("orderId", "8")]);
    let got = cancels(&mut w, one, "5");
    assert_eq!(ids(&got), [3, 4, 3, 4, 3, 4]);
    assert_eq!(errors(&got), [(5, 202), (6, 202), (7, 202)]);
    let said = |f: &Frame| {
        let r = f.response();
        let text = |name| r.get(name).unwrap_or_default().to_owned();
        ["orderId", "clientId", "status", "filled", "remaining", "parentId"].map(text)
    };
    assert_eq!(said(&got[0]), ["5", "1", "Cancelled", "0", "200", "0"]);
    assert_eq!(said(&got[2]), ["6", "1", "Cancelled", "0", "100", "5"]);
    assert!(w.got(two).is_empty());
    w.synced();
    let up = w.went_up();
    assert_eq!(up.len(), 1, "nothing of them leaves: {up:?}");
    assert_eq!(up[0].request().get("orderId"), Some("53"));
    assert_eq!(errors(&cancels(&mut w, one, "5")), [(5, 10148)]);
    w.request(one, 3, &[("orderId", "5")]);
    w.request(one, 3, &[("orderId", "9"), ("parentId", "5")]);
    assert_eq!(errors(&w.got(one)), [(5, 103), (9, 201)]);
}

#[test]
fn an_order_that_was_first_placed_as_a_child_does_not_leave_without_that_parent() {
    let mut w = slow_disk();
    let one = w.started(1);
    w.request(one, 3, &[("orderId", "5")]);
    w.request(one, 3, &[("orderId", "6"), ("parentId", "5")]);
    w.request(one, 3, &[("orderId", "6")]);
    assert_eq!(errors(&w.got(one)), [(6, 399)], "until it has left it keeps its parent");
    assert_eq!(errors(&cancels(&mut w, one, "5")), [(5, 202), (6, 202)]);
    w.synced();
    assert_eq!(w.went_up(), [], "its first message names a parent that never was");
}

#[test]
fn a_modification_that_names_a_cancelled_parent_does_not_leave() {
    let mut w = ready();
    let one = w.started(1);
    w.places(one, "5");
    w.fast_disk = false;
    w.request(one, 3, &[("orderId", "6")]);
    w.request(one, 3, &[("orderId", "5"), ("parentId", "6")]);
    assert_eq!(errors(&cancels(&mut w, one, "6")), [(5, 399), (6, 202)]);
    w.synced();
    assert_eq!(w.went_up(), []);
}

/// An order in protobuf with a stop loss attached to it.
fn with_stop_loss(order: i64, stop: i64) -> bytes::Bytes {
    proto_payload(3, 225, |out| {
        proto::put_int(1, order, out);
        nested(3, out, |o| proto::put_int(2, order, o));
        nested(4, out, |o| proto::put_int(1, stop, o));
    })
}

#[test]
fn attached_orders_are_cancelled_with_their_parent_and_by_themselves_behind_it() {
    let mut w = world(|c| c.max_server_version = 225);
    w.link_up(225);
    let one = w.started(1);
    w.fast_disk = false;
    let place = with_stop_loss(5, 6);
    w.frame(one, &place);
    assert_eq!(errors(&cancels(&mut w, one, "5")), [(5, 202), (6, 202)]);
    let place = with_stop_loss(7, 8);
    w.frame(one, &place);
    assert!(cancels(&mut w, one, "8").is_empty(), "it will leave with its parent: nothing is cancelled yet");
    w.synced();
    let up = w.went_up();
    assert_eq!(ids(&up), [3, 4]);
    assert_eq!(up[1].request().get("orderId"), Some("53"));
}

#[test]
fn an_attached_order_is_refused_with_its_parent() {
    let mut w = world(|c| c.max_server_version = 225);
    w.link_up(225);
    let one = w.started(1);
    w.fast_disk = false;
    let place = with_stop_loss(5, 6);
    w.frame(one, &place);
    w.lose();
    assert_eq!(errors(&w.got(one)), [(-1, 1100), (5, 201), (6, 201)]);
}

#[test]
fn a_global_cancel_first_cancels_what_has_not_left_of_anybody() {
    let mut w = ready();
    let (one, two, three) = (w.started(1), w.started(2), w.started(3));
    w.places(two, "5");
    w.fast_disk = false;
    w.request(one, 3, &[("orderId", "5")]);
    w.request(two, 3, &[("orderId", "6")]);
    w.request(two, 3, &[("orderId", "5"), ("lmtPrice", "2")]);
    w.request(two, 4, &[("orderId", "5")]);
    w.request(three, 58, &[]);
    assert_eq!(errors(&w.got(one)), [(5, 202)]);
    assert_eq!(errors(&w.got(two)), [(6, 202), (5, 399)]);
    assert!(w.got(three).is_empty());
    w.synced();
    assert_eq!(ids(&w.went_up()), [4, 58], "cancels and the global one leave, no order does");
}

#[test]
fn what_an_absent_owner_lost_in_the_queue_is_told_when_it_comes_back() {
    let mut w = slow_disk();
    let (one, two) = (w.started(1), w.started(2));
    w.request(one, 3, &[("orderId", "5")]);
    w.gone(one, Gone::Eof);
    w.request(two, 58, &[]);
    let again = w.client(1);
    let got = w.got(again);
    assert_eq!(ids(&got), [15, 9, 3, 4]);
    assert_eq!(errors(&got), [(5, 202)]);
}

// ---- owners that are away ----

#[test]
fn what_was_kept_at_one_version_is_delivered_at_another() {
    let mut w = world(|c| c.max_server_version = 225);
    w.link_up(225);
    let one = w.started(1);
    let up = w.places(one, "5");
    w.gone(one, Gone::Eof);
    fill(&mut w, &up, "e1");
    w.shows(&up, "Cancelled");
    w.say_error(up.parse().unwrap(), 202, "Order Canceled");
    w.lose();
    w.dial();
    w.gateway_hello(150);
    w.say_start(50);
    let one = w.starting(100, 176);
    w.start(one, 1);
    let got = w.got(one);
    assert_eq!(ids(&got), [15, 9, 11, 3, 4]);
    assert_eq!(got[2].response().get("orderId"), Some("5"));
    assert_eq!(got[3].response().get("status"), Some("Cancelled"));
    assert_eq!(errors(&got), [(5, 202)]);
}

// ---- lost links and restarts ----

#[test]
fn a_dead_order_of_which_the_gateway_speaks_again_stays_dead_after_a_restart() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "60");
    w.say_error(up.parse().unwrap(), 201, "Order rejected");
    w.say(3, &[("orderId", &up), ("clientId", "0"), ("status", "Cancelled"), ("permId", "77")]);
    assert_eq!(ids(&w.got(one)), [4, 3]);
    restart(&mut w);
    w.link_up(176);
    let one = w.client(1);
    assert_eq!(ids(&w.got(one)), [15, 9], "nothing of it is missed");
}

#[test]
fn an_order_that_died_with_twsmux_before_the_gateway_spoke_is_unknown_and_told_so_once() {
    let mut w = ready();
    let one = w.started(1);
    w.places(one, "60");
    restart(&mut w);
    w.link_up(176);
    let one = w.client(1);
    let got = w.got(one);
    assert_eq!(ids(&got), [15, 9, 4]);
    assert_eq!(errors(&got), [(60, 399)]);
    assert!(got[2].words().contains("unknown"), "{}", got[2].words());
    w.lose();
    w.link_up(176);
    assert_eq!(errors(&w.got(one)), [(-1, 1100), (-1, 1102)]);
    restart(&mut w);
    w.link_up(176);
    let one = w.client(1);
    assert_eq!(ids(&w.got(one)), [15, 9], "told once, over restarts too");
    w.shows("50", "Submitted");
    assert_eq!(ids(&w.got(one)), [5, 3], "if the Gateway speaks of it after all, its owner hears that");
    w.gone(one, Gone::Eof);
    let one = w.client(1);
    assert_eq!(ids(&w.got(one)), [5, 3, 53, 15, 9]);
}

#[test]
fn a_list_that_does_not_end_concludes_nothing() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "60");
    w.shows(&up, "Submitted");
    w.lose();
    w.dial();
    w.gateway_hello(176);
    w.say(15, &[("accountsList", "DU1")]);
    w.say(9, &[("orderId", "50")]);
    w.pass(SECOND);
    w.say(53, &[]);
    w.got(one);
    w.pass(limits::RECONCILE_TIME + SECOND);
    let asked =
        w.went_up().iter().find(|f| f.id == 7).expect("executions").request().get("reqId").map(str::to_owned);
    w.say(55, &[("reqId", &asked.expect("an id"))]);
    w.pass(SECOND);
    assert_eq!(errors(&w.got(one)), []);
    assert!(w.went_up().is_empty(), "it asks no further");
}

#[test]
fn fills_of_the_time_without_a_link_are_told_live_once_with_their_commissions() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "60");
    w.shows(&up, "Submitted");
    fill(&mut w, &up, "e1");
    w.got(one);
    w.lose();
    w.got(one);
    let list = [(&up[..], "e1"), (&up[..], "e2")];
    link_lists(&mut w, 176, &[(&up, "Submitted")], &list, &[]);
    let got = w.got(one);
    assert_eq!(
        ids(&got),
        [4, 11, 59, 59],
        "the new fill, and the commission that was never said of the old one"
    );
    let r = got[1].response();
    assert_eq!((r.int("reqId"), r.int("orderId"), r.get("execId")), (Some(-1), Some(60), Some("e2")));
    fill(&mut w, &up, "e2");
    assert!(w.got(one).is_empty(), "said late: it was told");
    for _ in 0..2 {
        restart(&mut w);
        link_lists(&mut w, 176, &[(&up, "Submitted")], &list, &[]);
        let one = w.client(1);
        assert_eq!(ids(&w.got(one)), [5, 3, 53, 15, 9], "not again after a restart");
    }
}

#[test]
fn fills_while_twsmux_was_down_reach_their_owner_once() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "60");
    w.shows(&up, "Submitted");
    restart(&mut w);
    link_lists(&mut w, 176, &[(&up, "Submitted")], &[(&up, "e1")], &[]);
    let one = w.client(1);
    assert_eq!(ids(&w.got(one)), [5, 3, 53, 15, 9, 11, 59]);
    restart(&mut w);
    link_lists(&mut w, 176, &[(&up, "Submitted")], &[(&up, "e1")], &[]);
    let one = w.client(1);
    assert_eq!(ids(&w.got(one)), [5, 3, 53, 15, 9]);
}

#[test]
fn an_order_that_ended_while_there_was_no_link_is_told_how() {
    for (version, status, filled, remaining) in
        [(176, "Filled", "3", "0"), (176, "Cancelled", "1", "2"), (225, "Cancelled", "1", "2")]
    {
        let mut w = world(|c| c.max_server_version = 225);
        w.link_up(version);
        let (one, two) = (w.started(1), w.started(2));
        let up = w.places(one, "60");
        // In text a completed order is known by its permanent id alone.
        w.say(3, &[("orderId", &up), ("clientId", "0"), ("status", "Submitted"), ("permId", &up)]);
        w.lose();
        w.got(one);
        w.got(two);
        link_lists(&mut w, version, &[], &[(&up, "e1")], &[(&up, status)]);
        let got = w.got(one);
        assert_eq!(ids(&got), [4, 11, 59, 3]);
        let r = got[3].response();
        let names = [
            "orderId",
            "clientId",
            "status",
            "filled",
            "remaining",
            "avgFillPrice",
            "lastFillPrice",
            "permId",
        ];
        let said = names.map(|name| r.get(name).unwrap_or_default().to_owned());
        assert_eq!(said, ["60", "1", status, filled, remaining, "10.5", "10.6", &up]);
        assert_eq!(ids(&w.got(two)), [4], "its owner alone");
        w.lose();
        link_lists(&mut w, version, &[], &[(&up, "e1")], &[(&up, status)]);
        assert_eq!(errors(&w.got(one)), [(-1, 1100), (-1, 1102)], "once");
    }
}

#[test]
fn an_order_with_fills_that_is_not_open_any_more_is_over_and_its_owner_is_told_so_once() {
    let mut w = world(|_| {});
    w.link_up(145); // without completed orders
    let one = w.started(1);
    let up = w.places(one, "60");
    w.shows(&up, "Submitted");
    w.lose();
    w.got(one);
    link_lists(&mut w, 145, &[], &[(&up, "e1")], &[]);
    let got = w.got(one);
    assert_eq!(ids(&got), [4, 11, 59, 4]);
    assert_eq!(errors(&got), [(-1, 1102), (60, 399)]);
    assert!(!got[3].words().contains("nor in the executions"), "{}", got[3].words());
    for _ in 0..2 {
        w.lose();
        link_lists(&mut w, 145, &[], &[(&up, "e1")], &[]);
        assert_eq!(errors(&w.got(one)), [(-1, 1100), (-1, 1102)]);
    }
    restart(&mut w);
    link_lists(&mut w, 145, &[], &[(&up, "e1")], &[]);
    let one = w.client(1);
    assert_eq!(ids(&w.got(one)), [15, 9]);
}

#[test]
fn an_order_that_was_told_unknown_and_has_fills_after_all_is_told_once_more_and_then_never_again() {
    let mut w = world(|_| {});
    w.link_up(145);
    let one = w.started(1);
    let up = w.places(one, "60");
    w.lose();
    assert_eq!(errors(&w.got(one)), [(-1, 1100), (60, 399)]);
    link_lists(&mut w, 145, &[], &[(&up, "e1")], &[]);
    assert_eq!(errors(&w.got(one)), [(-1, 1102), (60, 399)]);
    for _ in 0..2 {
        w.lose();
        link_lists(&mut w, 145, &[], &[(&up, "e1")], &[]);
        assert_eq!(errors(&w.got(one)), [(-1, 1100), (-1, 1102)]);
    }
}

#[test]
fn what_was_under_way_when_the_link_broke_is_told_as_of_unknown_fate() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    for order in ["60", "61", "62", "63"] {
        let up = w.places(one, order);
        if order != "60" {
            w.shows(&up, "Submitted");
        }
    }
    w.asks(one, 3, &[("orderId", "61"), ("lmtPrice", "2")]);
    w.asks(one, 4, &[("orderId", "62")]);
    w.got(one);
    w.lose();
    let got = w.got(one);
    assert_eq!(errors(&got), [(-1, 1100), (60, 399), (61, 399), (62, 399)]);
    for (f, what) in got[1..].iter().zip(["this order was sent", "modification", "cancel"]) {
        assert!(f.words().contains(what), "{}", f.words());
    }
    assert_eq!(errors(&w.got(two)), [(-1, 1100)]);
    w.link_up(176);
    w.pass(SECOND);
    assert!(w.went_up().iter().all(|f| !matches!(f.id, 3 | 4)), "nothing is sent again");
}

#[test]
fn what_the_gateway_says_before_its_accounts_is_heard_afterwards_and_only_news_are_passed_on() {
    let mut w = ready();
    let one = w.started(1);
    let (a, b) = (w.places(one, "60"), w.places(one, "61"));
    w.shows(&a, "Submitted");
    w.shows(&b, "Submitted");
    w.lose();
    w.dial();
    w.gateway_hello(176);
    w.got(one);
    w.shows(&a, "Submitted");
    w.shows(&b, "Cancelled");
    fill(&mut w, &a, "e1");
    w.say_error(a.parse().unwrap(), 399, "held");
    w.say(53, &[]);
    w.say(15, &[("accountsList", "DU1")]);
    assert!(w.got(one).is_empty(), "not before it is ready");
    w.say(9, &[("orderId", "50")]);
    let got = w.got(one);
    assert_eq!(ids(&got), [5, 3, 11, 4, 4]);
    assert_eq!(got[0].response().get("orderId"), Some("61"), "the other one is as it was");
    assert_eq!(errors(&got), [(60, 399), (-1, 1102)]);
}

// ---- the first start ----

#[test]
fn each_of_the_lists_of_a_first_start_raises_the_ids_by_itself() {
    for (open, executions, completed) in [
        (&[("70", "Submitted")][..], &[][..], &[][..]),
        (&[], &[("70", "e1")], &[]),
        (&[], &[], &[("70", "Filled")]),
    ] {
        let mut w = world(|c| c.max_server_version = 225);
        link_lists(&mut w, 225, open, executions, completed);
        let one = w.started(1);
        assert_eq!(w.places(one, "60"), "71");
    }
}

// ---- ids ----

// ---- executions ----

#[test]
fn a_fill_is_live_once_and_one_that_was_only_in_an_answer_still_comes_live() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "60");
    fill(&mut w, &up, "e1");
    fill(&mut w, &up, "e1");
    assert_eq!(ids(&w.got(one)), [11]);
    let query = w.asks_id(one, 7, &[("reqId", "9")]);
    w.say(11, &[("reqId", &query), ("orderId", &up), ("clientId", "0"), ("execId", "e2")]);
    w.say(55, &[("reqId", &query)]);
    w.got(one);
    fill(&mut w, &up, "e2");
    assert_eq!(ids(&w.got(one)), [11]);
}

// ---- what only a suite that looks for it sees ----

#[test]
fn a_cancel_that_waits_long_for_its_turn_leaves_all_the_same() {
    let mut w = world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let one = w.started(1);
    w.pass(2 * SECOND);
    w.places(one, "60");
    for n in 0..20 {
        w.request(one, 3, &[("orderId", "60"), ("lmtPrice", &n.to_string())]);
    }
    w.request(one, 4, &[("orderId", "60")]);
    w.pass(limits::ORDER_WAIT + 5 * SECOND);
    let up = w.went_up();
    assert_eq!(up.iter().filter(|f| f.id == 4).count(), 1, "a cancel is never refused for waiting");
    let refused = errors(&w.got(one));
    assert!(refused.iter().all(|e| *e == (60, 399)), "{refused:?}");
    assert_eq!(refused.len() + up.iter().filter(|f| f.id == 3).count(), 20);
}

#[test]
fn an_order_that_the_gateway_confirmed_is_not_unknown_because_a_list_was_refused() {
    for refused in [16, 7, 99] {
        let mut w = ready();
        let one = w.started(1);
        let up = w.places(one, "60");
        w.shows(&up, "Submitted");
        w.lose();
        w.dial();
        w.gateway_hello(176);
        w.flush();
        w.got(one);
        w.up.clear();
        w.say(15, &[("accountsList", "DU1")]);
        w.say(9, &[("orderId", "50")]);
        for _ in 0..3 {
            w.pass(SECOND);
            for f in w.went_up() {
                let request = f.request().get("reqId").unwrap_or("-1").to_owned();
                match f.id {
                    id if id == refused => {
                        w.say_error(request.parse().unwrap(), 321, "The API interface is in Read-Only mode.");
                    }
                    16 => drop(w.say(53, &[])),
                    7 => drop(w.say(55, &[("reqId", &request)])),
                    99 => drop(w.say(102, &[])),
                    _ => {}
                }
            }
        }
        assert_eq!(errors(&w.got(one)), [(-1, 1102)], "without {refused} nothing can be concluded");
        w.gone(one, Gone::Eof);
        let one = w.client(1);
        assert_eq!(ids(&w.got(one)), [5, 3, 53, 15, 9], "it is shown as it last was");
    }
}

#[test]
fn an_order_that_was_found_completed_is_over() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "60");
    let image = [("orderId", &up[..]), ("clientId", "0"), ("status", "Submitted"), ("permId", &up)];
    w.say(5, &image);
    w.say(3, &image);
    w.lose();
    link_lists(&mut w, 176, &[], &[], &[(&up, "Filled")]);
    w.got(one);
    w.gone(one, Gone::Eof);
    let one = w.client(1);
    assert_eq!(ids(&w.got(one)), [15, 9], "it is not shown as one that lives");
    restart(&mut w);
    w.link_up(176);
    let one = w.client(1);
    assert_eq!(ids(&w.got(one)), [15, 9], "nor is it missed");
}

#[test]
fn how_an_order_ended_is_kept_once_however_often_it_is_said() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "60");
    w.gone(one, Gone::Eof);
    for price in ["1", "2", "3"] {
        w.say(3, &[("orderId", &up), ("clientId", "0"), ("status", "Filled"), ("lastFillPrice", price)]);
    }
    let one = w.client(1);
    let got = w.got(one);
    assert_eq!(ids(&got), [15, 9, 3]);
    assert_eq!(got[2].response().get("lastFillPrice"), Some("1"));
}

#[test]
fn an_order_that_was_modified_before_it_was_confirmed_is_of_unknown_fate_itself() {
    let mut w = ready();
    let one = w.started(1);
    w.places(one, "60");
    w.asks(one, 3, &[("orderId", "60"), ("lmtPrice", "2")]);
    w.asks(one, 4, &[("orderId", "60")]);
    w.lose();
    let got = w.got(one);
    assert_eq!(errors(&got), [(-1, 1100), (60, 399)], "told once");
    assert!(got[1].words().contains("right after this order was sent"), "{}", got[1].words());
}
