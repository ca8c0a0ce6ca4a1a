//! What must be true in the end, whatever happened.

use std::collections::BTreeMap;

use twsmux::sim::{Arrival, ArrivalKind};

use super::client::{Client, Mine};
use super::world::World;

pub fn check(world: &World) {
    arrivals(&world.gateway.arrivals());
    books_agree(world);
    fills_were_told(world);
    nothing_is_lost(world);
}

/// No order came twice, no upstream id was used twice, nothing overtook.
fn arrivals(arrivals: &[Arrival]) {
    let mut by_token: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    let mut by_id: BTreeMap<i32, &str> = BTreeMap::new();
    for a in arrivals.iter().filter(|a| !a.order_ref.is_empty()) {
        by_token.entry(&a.order_ref).or_default().push(a);
        let before = by_id.entry(a.order_id).or_insert(&a.order_ref);
        assert_eq!(*before, a.order_ref, "I4: upstream order id {} was used twice", a.order_id);
    }
    for (token, list) in by_token {
        let new = list.iter().filter(|a| matches!(a.kind, ArrivalKind::Place | ArrivalKind::WhatIf)).count();
        assert!(new <= 1, "I5: order {token} was sent {new} times: {list:?}");
        assert!(
            list.iter().all(|a| a.order_id == list[0].order_id),
            "I3: one upstream id for {token}: {list:?}"
        );
        // The limit price says how often the client had changed the order when it sent this.
        let prices: Vec<f64> =
            list.iter().filter(|a| a.kind != ArrivalKind::Cancel).filter_map(|a| a.limit).collect();
        let changes = &prices[1.min(prices.len())..];
        assert!(
            changes.is_sorted_by(|a, b| a < b),
            "I7: the changes of {token} overtook each other: {prices:?}"
        );
    }
}

/// Every client's list of open orders is the Gateway's list of its orders.
fn books_agree(world: &World) {
    let book = world.gateway.book_orders();
    for client in &world.clients {
        for (id, mine) in &client.orders {
            let of_mine: Vec<_> = book.iter().filter(|o| o.order_ref == mine.token).collect();
            assert!(of_mine.len() <= 1, "I5: {of_mine:?}");
            let Some(order) = of_mine.first() else {
                assert_eq!(
                    mine.listed, None,
                    "client {}: order {id} is shown and the Gateway has none",
                    client.id
                );
                continue;
            };
            if order.working {
                assert_eq!(mine.done, None, "client {}: order {id} lives and was said to be over", client.id);
                let (quantity, limit) = mine.listed.clone().unwrap_or_else(|| {
                    panic!("client {}: order {id} lives and is not listed: {mine:?} {order:?}", client.id)
                });
                let number = |text: &str| text.parse::<f64>().unwrap_or_default();
                assert_eq!(number(&quantity), order.quantity, "client {}: order {id}", client.id);
                assert_eq!(
                    number(&limit),
                    order.limit.unwrap_or_default(),
                    "client {}: order {id}",
                    client.id
                );
                assert!(
                    mine.perm == order.perm_id,
                    "client {}: order {id} has another permanent id",
                    client.id
                );
            } else {
                assert_eq!(mine.listed, None, "client {}: order {id} is over and listed as open", client.id);
            }
            if order.over && !mine.what_if {
                // Before 150 there are no completed orders to ask for, and in text they name an order by an id alone that
                // nobody has seen yet. Filled and cancelled ones are told apart by executions and statuses.
                let nameless = world.version < 150 || world.version < 204 && order.status == "Inactive";
                let unknown = mine.unknown && nameless;
                let told = mine.done.is_some()
                    || mine.errors.iter().any(|c| matches!(c, 161 | 201 | 10148))
                    || mine.gap
                    || unknown;
                assert!(
                    told,
                    "client {}: nobody said that order {id} is over: {mine:?} {order:?}",
                    client.id
                );
            }
        }
    }
}

/// Before anybody asked for executions in the end: every one was told all the same, but for what a broken connection
/// swallowed.
pub fn fills_came_by_themselves(world: &World) {
    for e in world.gateway.book_executions() {
        let Some((client, id, mine)) = owner(world, &e.order_ref) else { continue };
        let told = mine.gap || mine.fills.contains_key(&e.exec_id);
        assert!(told, "client {}: nobody told execution {} of order {id}: {mine:?}", client.id, e.exec_id);
    }
}

/// Every execution reached its owner, and as a live fill hardly ever twice.
fn fills_were_told(world: &World) {
    for e in world.gateway.book_executions() {
        let Some((client, id, mine)) = owner(world, &e.order_ref) else { continue };
        let Some((live, commission)) = mine.fills.get(&e.exec_id) else {
            panic!("client {}: execution {} of order {id} was never told: {mine:?}", client.id, e.exec_id)
        };
        assert!(*commission, "client {}: the commission of {} was never told", client.id, e.exec_id);
        // A crash between telling and recording tells once more.
        let most = 1 + world.run - mine.run;
        assert!(*live <= most, "client {}: fill {} was told {live} times", client.id, e.exec_id);
    }
}

fn owner<'a>(world: &'a World, token: &str) -> Option<(&'a Client, i32, &'a Mine)> {
    world
        .clients
        .iter()
        .find_map(|c| c.orders.iter().find(|(_, o)| o.token == token).map(|(id, o)| (c, *id, o)))
}

/// An order that the Gateway does not have: its owner knows, or twsmux died before it had recorded it, which broke the
/// owner's connection.
fn nothing_is_lost(world: &World) {
    let book = world.gateway.book_orders();
    let journal = world.journal.as_ref().expect("it is at rest").state();
    for client in &world.clients {
        for (id, mine) in &client.orders {
            if book.iter().any(|o| o.order_ref == mine.token) || mine.is_settled() || mine.gap {
                continue;
            }
            if mine.what_if && mine.status.is_none() {
                continue; // answered, or not there: there is no order
            }
            let recorded = journal.orders.values().any(|o| o.owner.0 == client.id && o.down.0 == *id);
            assert!(
                mine.run < world.run && !recorded,
                "client {}: order {id} is nowhere and nobody said so: {mine:?}",
                client.id
            );
        }
    }
}
