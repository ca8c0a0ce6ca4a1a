//! Orders, open orders, completed orders, executions and commissions.

use crate::support::World;
use crate::support::ease::{SECOND, errors, ids, ready};
use twsmux::core::io::Gone;

fn fill(w: &mut World, req: &str, up: &str, exec: &str) {
    w.say(11, &[("reqId", req), ("orderId", up), ("clientId", "0"), ("execId", exec)]);
}

fn commission(w: &mut World, exec: &str) {
    w.say(59, &[("execId", exec), ("commission", "1.5")]);
}

#[test]
fn equal_order_ids_of_two_clients_are_two_orders_and_each_hears_of_its_own() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let (a, b) = (w.places(one, "5"), w.places(two, "5"));
    assert_eq!((&a[..], &b[..]), ("50", "51"));
    w.shows(&b, "Submitted");
    w.say_error(51, 399, "Order Message: held");
    assert!(w.got(one).is_empty());
    let got = w.got(two);
    assert_eq!(ids(&got), [5, 3, 4]);
    for f in &got[..2] {
        let r = f.response();
        assert_eq!((r.get("orderId"), r.get("clientId")), (Some("5"), Some("2")));
    }
    assert_eq!(errors(&got), [(5, 399)]);
}

#[test]
fn a_modification_keeps_the_upstream_id_and_a_lower_new_id_is_refused() {
    let mut w = ready();
    let who = w.started(1);
    assert_eq!(w.places(who, "5"), "50");
    assert_eq!(w.places(who, "5"), "50");
    w.request(who, 3, &[("orderId", "4")]);
    w.request(who, 3, &[("orderId", "0")]);
    assert_eq!(errors(&w.got(who)), [(4, 103), (0, 321)]);
}

#[test]
fn a_child_names_its_parent_by_the_upstream_id_both_ways() {
    let mut w = ready();
    let who = w.started(1);
    w.started(2);
    let parent = w.places(who, "5");
    let child = w.asks(who, 3, &[("orderId", "6"), ("parentId", "5")]).request();
    assert_eq!(child.get("parentId"), Some(&parent[..]));
    w.say(3, &[("orderId", "51"), ("clientId", "0"), ("parentId", &parent), ("status", "PreSubmitted")]);
    assert_eq!(w.got(who)[0].response().get("parentId"), Some("5"));
    w.request(who, 3, &[("orderId", "7"), ("parentId", "99")]);
    assert_eq!(errors(&w.got(who)), [(7, 201)], "an unknown parent");
}

#[test]
fn an_order_that_the_gateway_may_have_refused_for_its_message_rate_is_of_unknown_fate() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let answered = w.places(one, "5");
    w.shows(&answered, "Submitted");
    let up = w.places(one, "6");
    w.places(two, "5");
    w.got(one);
    w.say_error(-1, 100, "Max rate of messages per second has been exceeded");
    assert_eq!(errors(&w.got(one)), [(6, 399)], "what was answered is not in doubt");
    assert_eq!(errors(&w.got(two)), [(5, 399)]);
    w.say_error(-1, 100, "Max rate of messages per second has been exceeded");
    assert!(w.got(one).is_empty() && w.got(two).is_empty(), "told once");
    w.shows(&up, "Submitted");
    assert_eq!(ids(&w.got(one)), [5, 3], "it was taken after all");
    w.pass(2 * SECOND);
    w.asks(one, 4, &[("orderId", "5")]);
    w.say_error(-1, 100, "Max rate of messages per second has been exceeded");
    assert_eq!(errors(&w.got(one)), [(5, 399)], "the cancel");
}

#[test]
fn another_clients_order_cannot_be_cancelled() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.places(one, "5");
    w.request(two, 4, &[("orderId", "5")]);
    assert_eq!(errors(&w.got(two)), [(5, 10147)]);
    assert!(w.went_up().is_empty());
}

#[test]
fn an_owner_that_reconnects_finds_its_order_and_can_cancel_it() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.places(who, "5");
    w.gone(who, Gone::Error);
    w.shows(&up, "Submitted");
    let who = w.client(1);
    assert_eq!(ids(&w.got(who)), [5, 3, 53, 15, 9]);
    assert_eq!(w.asks(who, 4, &[("orderId", "5")]).request().get("orderId"), Some(&up[..]));
}

#[test]
fn what_was_sent_whole_before_the_end_of_the_connection_is_carried_out() {
    let mut w = crate::support::ease::world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let who = w.started(1);
    w.pass(2 * SECOND);
    w.request(who, 1, &[("reqId", "1")]);
    w.request(who, 9, &[("reqId", "2")]);
    w.request(who, 3, &[("orderId", "5")]);
    w.request(who, 3, &[("orderId", "6"), ("parentId", "5")]);
    w.gone(who, Gone::Eof);
    w.pass(10 * SECOND);
    assert_eq!(ids(&w.went_up()), [1, 3, 3, 2], "a question that has not left is not asked any more");
}

#[test]
fn a_client_other_than_0_gets_its_own_open_orders_out_of_all() {
    let mut w = ready();
    let (zero, one, two) = (w.started(0), w.started(1), w.started(2));
    let mine = w.places(one, "5");
    let other = w.places(two, "5");
    w.shows(&mine, "Submitted");
    w.shows(&other, "Submitted");
    for who in [zero, one, two] {
        w.got(who);
    }
    w.places(one, "6");
    assert_eq!(w.asks(one, 5, &[]).id, 16, "as client 0 at the Gateway, reqOpenOrders binds manual orders");
    w.shows(&mine, "Submitted");
    w.shows(&other, "Submitted");
    w.say(5, &[("orderId", "9"), ("clientId", "77")]);
    w.say(53, &[]);
    let got = w.got(one);
    assert_eq!(ids(&got), [5, 3, 53]);
    assert_eq!(got[0].response().get("orderId"), Some("5"));
    assert!(w.got(two).is_empty() && w.got(zero).is_empty());
    assert_eq!(w.asks(zero, 5, &[]).id, 5);
}

#[test]
fn all_open_orders_show_everybodys_with_their_owners_ids() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let mine = w.places(one, "5");
    w.shows(&mine, "Submitted");
    w.got(one);
    assert_eq!(w.asks(two, 16, &[]).id, 16);
    w.shows(&mine, "Submitted");
    w.say(5, &[("orderId", "9"), ("clientId", "1")]);
    w.say(53, &[]);
    let got = w.got(two);
    assert_eq!(ids(&got), [5, 3, 5, 53]);
    let owners: Vec<_> =
        [0, 2].map(|i| got[i].response()).map(|r| (r.int("orderId"), r.int("clientId"))).to_vec();
    assert_eq!(owners, [(Some(5), Some(1)), (Some(9), Some(1))]);
    assert!(
        w.got(one).is_empty(),
        "nobody else hears of it, not even the namesake of another program's client"
    );
}

#[test]
fn open_orders_are_asked_for_one_after_the_other_and_each_asker_gets_its_own_end() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.went_up();
    w.request(one, 16, &[]);
    w.say(5, &[("orderId", "9"), ("clientId", "77")]);
    assert_eq!(ids(&w.got(one)), [5]);
    w.request(two, 16, &[]);
    w.request(one, 16, &[]);
    w.request(one, 16, &[]);
    for turn in [vec![one], vec![two, one], vec![one]] {
        assert_eq!(ids(&w.went_up()), [16], "what has not begun serves all who ask, each once");
        w.say(53, &[]);
        for who in [one, two] {
            assert_eq!(ids(&w.got(who)), if turn.contains(&who) { vec![53] } else { vec![] });
        }
    }
    assert!(w.went_up().is_empty());
    w.say(53, &[]);
    assert!(w.got(one).is_empty() && w.got(two).is_empty(), "an end that nobody waits for");
}

#[test]
fn a_live_event_while_another_asks_for_open_orders_still_reaches_its_owner() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    w.shows(&up, "PreSubmitted");
    w.got(one);
    w.places(two, "5");
    w.asks(two, 5, &[]);
    w.shows(&up, "PreSubmitted");
    assert!(w.got(one).is_empty(), "the answer to somebody else repeats what is known");
    w.shows(&up, "Submitted");
    assert_eq!(ids(&w.got(one)), [5, 3]);
    assert!(w.got(two).is_empty());
}

#[test]
fn what_comes_before_a_request_has_left_is_no_answer_to_it() {
    let mut w = crate::support::ease::world(|c| c.messages_per_second = Some(1));
    w.link_up(176);
    let (one, two) = (w.started(1), w.started(2));
    w.pass(2 * SECOND);
    let up = w.places(one, "5");
    w.request(two, 16, &[]);
    w.shows(&up, "Submitted");
    assert_eq!(ids(&w.got(one)), [5, 3]);
    assert!(w.got(two).is_empty(), "a stranger");
    w.say_error(-1, 321, "about something else");
    w.pass(2 * SECOND);
    w.got(two);
    w.say(53, &[]);
    assert_eq!(ids(&w.got(two)), [53]);
}

#[test]
fn an_error_without_id_goes_to_the_asker_and_ends_its_turn() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.request(one, 16, &[]);
    w.places(two, "7");
    w.request(two, 16, &[]);
    w.say_error(-1, 321, "The API interface is currently in Read-Only mode.");
    assert_eq!(errors(&w.got(one)), [(-1, 321)]);
    assert!(w.got(two).is_empty());
    w.say(53, &[]);
    assert_eq!(ids(&w.got(two)), [53]);
    w.request(one, 18, &[("faDataType", "1")]);
    w.say_error(0, 321, "FA data operations ignored for non FA customers.");
    assert_eq!(errors(&w.got(one)), [(0, 321)], "an id of 0 for a request without id");
}

#[test]
fn an_answer_that_does_not_end_is_given_up_after_30_s_and_swallowed_when_it_comes() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.request(one, 16, &[]);
    w.pass(10 * SECOND);
    w.request(two, 16, &[]);
    w.pass(21 * SECOND);
    assert_eq!(errors(&w.got(one)), [(-1, 322)]);
    assert_eq!(errors(&w.got(two)), [(-1, 322)]);
    w.went_up();
    w.request(two, 16, &[]);
    assert!(w.went_up().is_empty(), "the lane stays shut: the next end would be taken for its own");
    w.say(53, &[]);
    assert!(w.got(one).is_empty() && w.got(two).is_empty());
    assert_eq!(ids(&w.went_up()), [16]);
    w.say(53, &[]);
    assert_eq!(ids(&w.got(two)), [53]);
}

#[test]
fn completed_orders_go_to_their_asker_and_the_statuses_before_them_too() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    w.shows(&up, "Cancelled");
    w.got(one);
    w.asks(two, 99, &[("apiOnly", "0")]);
    w.say(3, &[("orderId", &up), ("clientId", "0"), ("status", "Cancelled")]);
    w.say(101, &[("permId", "77")]);
    w.say(102, &[]);
    assert!(w.got(one).is_empty());
    assert_eq!(ids(&w.got(two)), [101, 102]);
    w.pass(31 * SECOND);
    w.asks(one, 99, &[("apiOnly", "0")]);
    w.say(3, &[("orderId", &up), ("clientId", "0"), ("status", "Cancelled")]);
    w.say(102, &[]);
    assert_eq!(ids(&w.got(one)), [3, 102]);
}

#[test]
fn an_error_about_an_order_that_nobody_owns_is_for_nobody() {
    let mut w = ready();
    let (zero, one) = (w.started(0), w.started(1));
    w.say_error(44, 161, "Cancel attempted when order is not in a cancellable state.");
    assert!(w.got(zero).is_empty() && w.got(one).is_empty());
}

#[test]
fn a_fill_goes_to_its_owner_and_its_commission_follows_in_either_order() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    fill(&mut w, "-1", &up, "e1");
    commission(&mut w, "e1");
    commission(&mut w, "e2");
    assert_eq!(ids(&w.got(one)), [11, 59]);
    fill(&mut w, "-1", &up, "e2");
    let got = w.got(one);
    assert_eq!(ids(&got), [11, 59]);
    let r = got[0].response();
    assert_eq!((r.int("reqId"), r.int("orderId"), r.int("clientId")), (Some(-1), Some(5), Some(1)));
    assert!(w.got(two).is_empty());
}

#[test]
fn a_fill_is_a_word_about_its_order() {
    let mut w = ready();
    let one = w.started(1);
    let up = w.places(one, "5");
    fill(&mut w, "-1", &up, "e1");
    w.got(one);
    w.lose();
    assert_eq!(errors(&w.got(one)), [(-1, 1100)], "its fate is known");
}

#[test]
fn executions_are_asked_for_all_clients_and_filtered_here() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let (a, b) = (w.places(one, "5"), w.places(two, "5"));
    fill(&mut w, "-1", &a, "ea");
    commission(&mut w, "ea");
    fill(&mut w, "-1", &b, "eb");
    commission(&mut w, "eb");
    w.got(one);
    w.got(two);
    let query = w.asks(one, 7, &[("reqId", "9"), ("clientId", "2")]).request();
    assert_eq!(query.get("clientId"), Some("0"), "at the Gateway all orders are twsmux's");
    let req = query.get("reqId").unwrap().to_owned();
    fill(&mut w, &req, &a, "ea");
    fill(&mut w, &req, &b, "eb");
    commission(&mut w, "ea");
    commission(&mut w, "eb");
    w.say(55, &[("reqId", &req)]);
    let got = w.got(one);
    assert_eq!(ids(&got), [11, 59, 55]);
    assert_eq!(got[0].response().get("clientId"), Some("2"));
    assert_eq!(got[1].response().get("execId"), Some("eb"));
    assert!(w.got(two).is_empty(), "the owner is not told again");
}

#[test]
fn commissions_belong_to_the_query_whose_answer_they_are_part_of() {
    let mut w = ready();
    let (one, two, three) = (w.started(1), w.started(2), w.started(3));
    let up = w.places(one, "5");
    fill(&mut w, "-1", &up, "e1");
    commission(&mut w, "e1");
    w.got(one);
    let first = w.asks_id(two, 7, &[("reqId", "9")]);
    let second = w.asks_id(three, 7, &[("reqId", "9"), ("acctCode", "DU1")]);
    for (req, asker, other) in [(first, two, three), (second, three, two)] {
        fill(&mut w, &req, &up, "e1");
        commission(&mut w, "e1");
        w.say(55, &[("reqId", &req)]);
        assert_eq!(ids(&w.got(asker)), [11, 59, 55]);
        assert!(w.got(other).is_empty() && w.got(one).is_empty());
    }
}

#[test]
fn a_global_cancel_is_forwarded() {
    let mut w = ready();
    let who = w.started(1);
    assert_eq!(w.asks(who, 58, &[]).id, 58);
}

#[test]
fn only_client_0_binds_manual_orders() {
    let mut w = ready();
    let (zero, one) = (w.started(0), w.started(1));
    w.request(one, 15, &[("autoBind", "1")]);
    assert_eq!(errors(&w.got(one)), [(-1, 327)]);
    assert_eq!(w.asks(zero, 15, &[("autoBind", "1")]).id, 15);
}

#[test]
fn the_next_id_is_answered_here_and_is_each_clients_own() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    w.places(one, "60");
    for (who, next) in [(one, "61"), (two, "50")] {
        w.request(who, 8, &[("numIds", "1")]);
        assert_eq!(w.got(who)[0].response().get("orderId"), Some(next));
    }
    assert!(w.went_up().is_empty());
}

#[test]
fn a_flood_of_its_own_does_not_keep_a_client_from_cancelling() {
    let mut w = ready();
    let who = w.started(1);
    w.places(who, "5");
    let mut flooded = false;
    for n in 0..3000 {
        w.request(who, 81, &[("reqId", &n.to_string()), ("pattern", &n.to_string())]);
        flooded |= errors(&w.got(who)).iter().any(|(_, code)| *code == 322);
    }
    assert!(flooded, "the queue has a bound");
    w.request(who, 4, &[("orderId", "5")]);
    assert_eq!(errors(&w.got(who)), [], "and a cancel is queued all the same");
}

#[test]
fn an_order_that_the_gateway_rejected_is_not_shown_to_its_owner_when_it_starts() {
    let mut w = ready();
    let one = w.started(1);
    let (rejected, works) = (w.places(one, "5"), w.places(one, "6"));
    w.shows(&rejected, "Inactive");
    w.say_error(rejected.parse().unwrap(), 201, "Order rejected - reason:");
    w.shows(&rejected, "Inactive");
    w.shows(&works, "Submitted");
    w.gone(one, Gone::Error);
    let one = w.client(1);
    let got = w.got(one);
    assert_eq!(ids(&got)[..3], [5, 3, 53]);
    assert_eq!(got[0].response().int("orderId"), Some(6));
}

#[test]
fn the_states_before_completed_orders_are_no_part_of_a_list_of_open_orders() {
    let mut w = ready();
    let (one, two) = (w.started(1), w.started(2));
    let up = w.places(one, "5");
    w.shows(&up, "Cancelled");
    w.got(one);
    w.pass(31 * SECOND);
    w.asks(one, 99, &[("apiOnly", "0")]);
    w.asks(two, 16, &[]);
    w.say(3, &[("orderId", &up), ("clientId", "0"), ("status", "Cancelled")]);
    w.say(101, &[]);
    w.say(102, &[]);
    w.say(53, &[]);
    assert_eq!(ids(&w.got(one)), [3, 101, 102]);
    assert_eq!(ids(&w.got(two)), [53]);
}
