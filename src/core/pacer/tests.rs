//! The queues against what they promise.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::limits;

fn queued(line: Option<i32>, after: u64, mark: u8) -> Queued {
    Queued {
        post: Post { line: line.map(ClientId), after, ..Post::own(What::Other) },
        frame: Bytes::copy_from_slice(&[mark]),
        since: Time::ZERO,
        class: Class::Account,
        asks: None,
    }
}

fn order(line: i32, after: u64, mark: u8) -> Queued {
    let mut order = queued(Some(line), after, mark);
    order.post.what = What::Order(UpOrderId(mark.into()));
    order.class = Class::Orders;
    order
}

fn client(n: u32) -> ClientKey {
    ClientKey { slot: n, generation: 0 }
}

fn of(n: u32, class: Class, what: What, mark: u8) -> Queued {
    Queued { post: Post::of(client(n), what), class, ..queued(None, 0, mark) }
}

fn pop(pacer: &mut Pacer, durable: u64) -> Option<Queued> {
    let turn = pacer.turn(durable)?;
    let head = pacer.head(turn).map(|q| q.frame.clone());
    let taken = pacer.take(turn, Time::ZERO);
    assert_eq!(head, taken.as_ref().map(|q| q.frame.clone()), "what is looked at is what is taken");
    pacer.check();
    taken
}

fn marks(pacer: &mut Pacer) -> Vec<u8> {
    std::iter::from_fn(|| pop(pacer, 0)).map(|q| q.frame[0]).collect()
}

#[test]
fn a_line_that_waits_for_the_disk_holds_up_nobody_else() {
    let mut pacer = Pacer::new(None, true);
    for frame in [
        order(1, 7, 1),
        order(1, 0, 2),
        queued(None, 0, 3),
        order(2, 0, 4),
        order(2, 8, 5),
        queued(None, 0, 6),
    ] {
        pacer.push(frame);
    }
    let mut left = Vec::new();
    for durable in [6, 6, 6, 6, 7, 7, 7, 8] {
        left.push(pop(&mut pacer, durable).map_or(0, |q| q.frame[0]));
    }
    assert_eq!(left, [4, 3, 6, 0, 1, 2, 0, 5]);
    assert!(pacer.is_empty());
}

#[test]
fn twsmuxs_own_lists_go_with_the_orders_and_before_the_rest() {
    let mut pacer = Pacer::new(None, true);
    let list = |what, mark| {
        let mut list = queued(None, 0, mark);
        list.post.what = what;
        list
    };
    pacer.push(queued(None, 0, 1));
    pacer.push(order(1, 0, 2));
    pacer.push(list(What::Lane(Lane::OpenOrders, 0), 3));
    pacer.push(order(1, 0, 4));
    pacer.push(list(What::Executions, 5));
    assert_eq!(marks(&mut pacer), [2, 3, 4, 5, 1]);
}

#[test]
fn what_is_voided_comes_out_in_the_order_of_arrival() {
    let mut pacer = Pacer::new(None, true);
    for (line, mark) in [(Some(2), 1), (None, 2), (Some(1), 3), (Some(2), 4)] {
        pacer.push(queued(line, 0, mark));
    }
    let out: Vec<u8> = pacer.void(|q| q.frame[0] != 3).iter().map(|q| q.frame[0]).collect();
    assert_eq!(out, [1, 2, 4]);
    assert_eq!(pacer.len(), 1);
    assert_eq!(marks(&mut pacer), [3]);
}

#[test]
fn questions_about_orders_have_no_privilege_but_what_an_order_behind_them_gives_them() {
    let mut pacer = Pacer::new(None, true);
    for mark in 1..=3 {
        pacer.push(queued(Some(1), 0, mark));
    }
    pacer.push(order(2, 0, 4));
    assert_eq!(pop(&mut pacer, 0).map(|q| q.frame[0]), Some(4), "a flood of questions delays no order");
    pacer.push(of(5, Class::Account, What::Other, 5));
    assert_eq!(pop(&mut pacer, 0).map(|q| q.frame[0]), Some(1));
    assert_eq!(pop(&mut pacer, 0).map(|q| q.frame[0]), Some(5), "they take turns with others");
    pacer.push(of(6, Class::Account, What::Other, 6));
    pacer.push(order(1, 0, 7));
    assert_eq!(marks(&mut pacer), [2, 3, 7, 6], "in their own line they stay where they are");
}

#[test]
fn a_cancel_follows_its_request_whoever_sends_it() {
    let mut pacer = Pacer::new(None, true);
    let (what, follow) = (What::Request(UpReqId(7)), What::Follow(UpReqId(7)));
    for mark in 1..=3 {
        pacer.push(of(1, Class::History, What::Other, mark));
    }
    pacer.push(of(1, Class::History, what, 4));
    // The clients that share it may come and go; the last one's leaving is twsmux's own act.
    pacer.push(of(2, Class::MarketData, follow, 5));
    pacer.push(Queued { post: Post::own(follow), class: Class::History, ..queued(None, 0, 6) });
    pacer.push(of(2, Class::MarketData, What::Other, 7));
    assert_eq!(marks(&mut pacer), [7, 1, 2, 3, 4, 5, 6]);
    // Nothing of it waits any more.
    pacer.push(of(1, Class::History, What::Other, 1));
    pacer.push(Queued { post: Post::own(follow), class: Class::History, ..queued(None, 0, 2) });
    assert_eq!(marks(&mut pacer), [2, 1]);
}

#[test]
fn beginning_and_end_of_a_shared_stream_keep_their_order() {
    let mut pacer = Pacer::new(None, true);
    let (begin, end) = (What::Begin(Shared::AccountUpdates), What::End(Shared::AccountUpdates));
    pacer.push(of(1, Class::Account, What::Other, 1));
    pacer.push(of(1, Class::Account, begin, 2));
    pacer.push(Queued { post: Post::own(end), ..queued(None, 0, 3) });
    pacer.push(of(2, Class::Account, begin, 4));
    assert_eq!(marks(&mut pacer), [1, 2, 3, 4]);
}

#[test]
fn no_class_starves_and_higher_ones_get_more() {
    let mut pacer = Pacer::new(None, true);
    for n in 0..=254 {
        for (client, class) in [(1, Class::Account), (2, Class::MarketData), (3, Class::History)] {
            pacer.push(of(client, class, What::Other, n));
        }
    }
    let mut left = [0; Class::ALL.len()];
    for n in 1..=70 {
        let frame = pop(&mut pacer, 0).unwrap();
        left[frame.class as usize] += 1;
        if n % 7 == 0 {
            assert_eq!(left, [0, 4 * n / 7, 2 * n / 7, n / 7]);
        }
    }
}

/// One frame of the property tests: client, class, what.
fn frames() -> impl Strategy<Value = Vec<(u32, Class, bool)>> {
    let class = prop_oneof![Just(Class::Account), Just(Class::MarketData), Just(Class::History)];
    proptest::collection::vec((0u32..6, class, proptest::bool::weighted(0.1)), 1..300)
}

proptest! {
    #[test]
    fn what_a_client_sends_in_a_class_stays_in_order_and_nothing_is_lost(
        frames in frames(),
        leaving in proptest::collection::vec(0usize..4, 300),
    ) {
        let mut pacer = Pacer::new(None, true);
        let (mut sent, mut left) = (BTreeMap::new(), BTreeMap::new());
        let mut go = |pacer: &mut Pacer, n: usize| {
            for _ in 0..n {
                let Some(q) = pop(pacer, 0) else { break };
                let key = (q.post.client, q.post.line, q.class as usize);
                left.entry(key).or_insert_with(Vec::new).push(q.frame);
            }
        };
        for (n, (who, class, is_order)) in frames.into_iter().enumerate() {
            let mut q = of(who, class, What::Other, 0);
            q.frame = Bytes::copy_from_slice(&n.to_be_bytes());
            if is_order {
                q.post = Post::of(client(who), What::Order(UpOrderId(n as i32))).in_line_of(ClientId(who as i32));
                q.class = Class::Orders;
            }
            let key = (q.post.client, q.post.line, q.class as usize);
            sent.entry(key).or_insert_with(Vec::new).push(q.frame.clone());
            pacer.push(q);
            go(&mut pacer, leaving[n]);
        }
        go(&mut pacer, usize::MAX);
        prop_assert!(pacer.is_empty());
        prop_assert_eq!(sent, left);
    }

    #[test]
    fn clients_that_want_as_much_get_as_much(
        clients in 2u32..12,
        class in prop_oneof![Just(Class::Account), Just(Class::MarketData), Just(Class::History)],
        // Who comes how often before the others, and others who want little.
        before in proptest::collection::vec(0u32..12, 0..40),
        little in proptest::collection::vec((0usize..100, 20u32..25), 0..40),
    ) {
        let mut pacer = Pacer::new(None, true);
        for who in before.into_iter().filter(|who| *who < clients) {
            pacer.push(of(who, class, What::Other, 0));
        }
        for who in 0..clients {
            for _ in 0..120 {
                pacer.push(of(who, class, What::Other, 1));
            }
        }
        let mut shares = BTreeMap::<u32, usize>::new();
        // Until the first of them could be done.
        for n in 0..clients as usize * 100 {
            for (_, who) in little.iter().filter(|(at, _)| *at == n) {
                pacer.push(of(*who, class, What::Other, 2));
            }
            let turn = pacer.turn(0).unwrap();
            let who = pacer.take(turn, Time::ZERO).unwrap().post.client.unwrap().slot;
            *shares.entry(who).or_default() += 1;
        }
        let of_equals: Vec<usize> = (0..clients).map(|who| shares[&who]).collect();
        let (least, most) = (*of_equals.iter().min().unwrap(), *of_equals.iter().max().unwrap());
        prop_assert!(most - least <= 4, "{of_equals:?}");
        prop_assert!(most * 10 <= least * 11, "{of_equals:?}");
    }

    /// Everybody sends as much as is allowed, and somebody places orders.
    #[test]
    fn an_order_has_hardly_anything_before_it_and_no_class_waits_for_ever(
        limit in 1u32..60,
        orders in proptest::collection::vec(0u64..8_000_000, 0..30),
    ) {
        let mut pacer = Pacer::new(Some(limit), true);
        for (class, _) in SHARES {
            for n in 0..600u32 {
                pacer.push(of(n % 5, class, What::Other, 0));
            }
        }
        let mut orders = orders;
        orders.sort_unstable();
        let mut due = orders.iter().map(|at| Time(*at)).peekable();
        let (mut now, mut others_since) = (Time::ZERO, 0);
        let mut sends: Vec<Time> = Vec::new();
        let mut without = [0u32; SHARES.len()];
        while now < Time(8_000_000) {
            let Some(turn) = pacer.turn(0) else { break };
            let at = pacer.free_at(turn, now);
            if let Some(order_at) = due.next_if(|t| *t < at) {
                now = now.max(order_at);
                pacer.push(Queued { since: now, ..order(1, 0, 1) });
                others_since = 0;
                continue;
            }
            now = at;
            let frame = pacer.take(turn, now).unwrap();
            pacer.sent(now);
            sends.push(now);
            match SHARES.iter().position(|(class, _)| *class == frame.class) {
                None => prop_assert!(others_since <= 2, "{others_since} others before an order"),
                Some(at) => {
                    others_since += 1;
                    without.iter_mut().for_each(|n| *n += 1);
                    prop_assert!(without[at] <= 7, "class {at} had nothing of {} messages", without[at]);
                    without[at] = 0;
                }
            }
        }
        for (i, t) in sends.iter().enumerate() {
            let inside = sends[i..].iter().take_while(|u| u.since(*t) <= Duration::from_secs(1)).count();
            prop_assert!(inside <= limit as usize, "I9: {inside} within a second of {t:?}");
        }
    }
}

#[test]
fn orders_leave_at_once_while_others_use_all_that_they_may() {
    let mut pacer = Pacer::new(Some(45), true);
    for _ in 0..200 {
        pacer.push(of(1, Class::MarketData, What::Other, 0));
    }
    let mut now = Time::ZERO;
    for _ in 0..160 {
        let turn = pacer.turn(0).unwrap();
        now = pacer.free_at(turn, now);
        pacer.take(turn, now);
        pacer.sent(now);
    }
    for mark in 0..limits::ORDERS_RESERVE {
        pacer.push(order(1, 0, mark as u8));
        let turn = pacer.turn(0).unwrap();
        assert_eq!(pacer.free_at(turn, now), now, "order {mark} finds room");
        assert_eq!(pacer.take(turn, now).map(|q| q.frame[0]), Some(mark as u8));
        pacer.sent(now);
    }
    assert_eq!(pacer.in_window(now), 45);
}
