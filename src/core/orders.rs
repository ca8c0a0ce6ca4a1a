//! Orders: which client id owns which upstream order id, under which id of its own (I3, I4).
//!
//! Orders belong to a client *id*, not to a connection: they outlive it. The Gateway knows only twsmux's one
//! client id, so this table is the only place that tells owners apart. In memory: after a restart the orders of
//! the time before belong to the client whose id is the upstream client id.

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use super::recent::Recent;
use crate::ids::{ClientId, DownOrderId, UpOrderId};
use crate::limits;

type Map<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;

/// A client id and what it did with order ids.
#[derive(Debug)]
pub struct Owner {
    /// What nextValidId says: above everything this id used or saw.
    pub next: i32,
    /// The highest id it placed an order under; a new order must be above.
    pub placed: i32,
    /// Its orders by its own ids.
    ids: Map<DownOrderId, UpOrderId>,
}

/// One order.
#[derive(Debug)]
pub struct Order {
    /// Whose.
    pub owner: ClientId,
    /// Its id there.
    pub down: DownOrderId,
    /// Whether it has left for the Gateway.
    pub sent: bool,
    /// Whether it is filled, cancelled or refused for good.
    pub dead: bool,
    /// Whether it was taken back before it left.
    pub withdrawn: bool,
    /// Last openOrder of the Gateway, upstream ids, while it lives.
    pub open: Option<Bytes>,
    /// Last orderStatus of the Gateway, upstream ids.
    pub status: Option<Bytes>,
    /// Whether the owner was shown a change and not yet the status that belongs to it.
    pub status_due: bool,
}

/// What an order id turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// A known order: a modification.
    Modify(UpOrderId),
    /// A new order, now mapped.
    New(UpOrderId),
    /// The id is not above the ones used before (103).
    Reused,
    /// No more orders can be remembered.
    Full,
}

/// All orders.
#[derive(Debug)]
pub struct Orders {
    /// The upstream client id.
    upstream_id: ClientId,
    /// What the next new order is called upstream; 0 until the Gateway said it.
    next: i32,
    /// nextValidId at the first start: where the sequences of new owners begin, so that they do not go back when
    /// twsmux is restarted.
    first: i32,
    owners: Map<ClientId, Owner>,
    orders: Map<UpOrderId, Order>,
    executions: Recent<Bytes, Execution>,
}

/// What is remembered of an execution.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    /// Client id that its order belongs to.
    pub owner: ClientId,
    /// Whether the commission report of the live fill has not come yet.
    pub live: bool,
}

impl Orders {
    /// No orders; `upstream_id` is twsmux's own client id at the Gateway.
    pub fn new(upstream_id: ClientId) -> Self {
        Orders {
            upstream_id,
            next: 0,
            first: 0,
            owners: Map::default(),
            orders: Map::default(),
            executions: Recent::new(limits::MAX_EXECUTIONS),
        }
    }

    /// The Gateway's nextValidId. It never makes our sequence go back (I4).
    pub fn gateway_next(&mut self, id: i32) {
        self.next = self.next.max(id).max(1);
        if self.first == 0 {
            self.first = self.next;
            for owner in self.owners.values_mut() {
                owner.next = owner.next.max(self.first);
            }
        }
    }

    /// The id that the next new order will have upstream.
    pub fn next_upstream(&self) -> i32 {
        self.next
    }

    fn owner(&mut self, id: ClientId) -> &mut Owner {
        if self.owners.len() >= limits::MAX_OWNERS && !self.owners.contains_key(&id) {
            // An id without orders loses nothing but the height of its sequence.
            if let Some(idle) = self.owners.iter().position(|(_, o)| o.ids.is_empty()) {
                self.owners.shift_remove_index(idle);
            }
        }
        let first = self.first.max(1);
        self.owners.entry(id).or_insert_with(|| Owner { next: first, placed: 0, ids: Map::default() })
    }

    /// What nextValidId says to `client`.
    pub fn next_valid_id(&mut self, client: ClientId) -> i32 {
        self.owner(client).next
    }

    /// The upstream id of `client`'s order.
    pub fn find(&self, client: ClientId, down: DownOrderId) -> Option<UpOrderId> {
        self.mapped(client, down).filter(|up| !self.is_withdrawn(*up))
    }

    fn mapped(&self, client: ClientId, down: DownOrderId) -> Option<UpOrderId> {
        self.owners.get(&client)?.ids.get(&down).copied()
    }

    fn is_withdrawn(&self, up: UpOrderId) -> bool {
        self.orders.get(&up).is_some_and(|o| o.withdrawn)
    }

    /// The order under an upstream id.
    pub fn get(&self, up: UpOrderId) -> Option<&Order> {
        self.orders.get(&up)
    }

    /// Likewise, to change it.
    pub fn get_mut(&mut self, up: UpOrderId) -> Option<&mut Order> {
        self.orders.get_mut(&up)
    }

    /// `client` places an order under `down`.
    pub fn place(&mut self, client: ClientId, down: DownOrderId) -> Placement {
        if let Some(up) = self.find(client, down) {
            return Placement::Modify(up);
        }
        let withdrawn = self.mapped(client, down);
        if withdrawn.is_none() && down.0 <= self.owner(client).placed {
            return Placement::Reused;
        }
        if !self.make_room() || self.next >= limits::LAST_ORDER_ID {
            return Placement::Full;
        }
        if let Some(old) = withdrawn {
            // The Gateway never saw it. Its upstream id may be below others that have left since, and the Gateway
            // takes rising ids only.
            self.orders.shift_remove(&old);
            self.owner(client).ids.shift_remove(&down);
        }
        let up = UpOrderId(self.next);
        self.next += 1;
        self.map(client, down, up);
        let owner = self.owner(client);
        owner.placed = owner.placed.max(down.0);
        Placement::New(up)
    }

    /// Takes back a new order that never left. Its owner may place it again under the same id.
    pub fn withdraw(&mut self, up: UpOrderId) {
        if let Some(order) = self.orders.get_mut(&up) {
            order.dead = true;
            order.withdrawn = true;
        }
    }

    /// The owner of an order that the Gateway speaks of, as (client id, id there). An unknown order under our
    /// own client id is from before: it is given to the client with that id.
    pub fn owner_of(&mut self, gateway_client: ClientId, gateway_order: i32) -> (ClientId, DownOrderId) {
        let up = UpOrderId(gateway_order);
        if gateway_client != self.upstream_id || gateway_order <= 0 {
            // Another program's order, or a manual one that is not bound: shown as the Gateway shows it.
            return (gateway_client, DownOrderId(gateway_order));
        }
        if let Some(order) = self.orders.get(&up) {
            return (order.owner, order.down);
        }
        let next = self.owner(gateway_client).next;
        let down = match self.mapped(gateway_client, DownOrderId(gateway_order)) {
            None => DownOrderId(gateway_order),
            Some(_) => DownOrderId(next),
        };
        self.make_room();
        self.map(gateway_client, down, up);
        self.orders[&up].sent = true;
        self.next = self.next.max(gateway_order.saturating_add(1));
        (gateway_client, down)
    }

    /// The id under which `owner` knows the order `up`; for parent ids. 0 stays 0.
    pub fn shown(&self, up: i32) -> i32 {
        self.orders.get(&UpOrderId(up)).map_or(up, |o| o.down.0)
    }

    fn map(&mut self, client: ClientId, down: DownOrderId, up: UpOrderId) {
        let owner = self.owner(client);
        owner.next = owner.next.max(down.0.saturating_add(1));
        owner.ids.insert(down, up);
        self.orders.insert(
            up,
            Order {
                owner: client,
                down,
                sent: false,
                dead: false,
                withdrawn: false,
                open: None,
                status: None,
                status_due: false,
            },
        );
    }

    /// Forgets dead orders, oldest first, when the table is full. Says whether one more fits.
    fn make_room(&mut self) -> bool {
        if self.orders.len() < limits::MAX_ORDERS {
            return true;
        }
        let mut left = limits::MAX_ORDERS / 10;
        let owners = &mut self.owners;
        self.orders.retain(|_, order| {
            let keep = !order.dead || left == 0;
            if !keep {
                left -= 1;
                if let Some(owner) = owners.get_mut(&order.owner) {
                    owner.ids.shift_remove(&order.down);
                }
            }
            keep
        });
        self.orders.len() < limits::MAX_ORDERS
    }

    /// Forgets what the Gateway said of the orders.
    pub fn forget_images(&mut self) {
        for order in self.orders.values_mut() {
            order.open = None;
            order.status = None;
        }
    }

    /// `client`'s orders that live, in the order in which they were placed.
    pub fn live_of(&self, client: ClientId) -> impl Iterator<Item = (UpOrderId, &Order)> {
        let owner = self.owners.get(&client);
        owner
            .into_iter()
            .flat_map(|o| o.ids.values())
            .filter_map(|up| self.orders.get(up).map(|o| (*up, o)))
            .filter(|(_, o)| !o.dead)
    }

    /// Remembers an execution.
    pub fn executed(&mut self, exec_id: &[u8], owner: ClientId, live: bool) {
        let known = self.executions.get(exec_id).is_some_and(|e| e.live);
        self.executions.insert(Bytes::copy_from_slice(exec_id), Execution { owner, live: live || known });
    }

    /// What is remembered of an execution.
    pub fn execution(&mut self, exec_id: &[u8]) -> Option<&mut Execution> {
        self.executions.get_mut(exec_id)
    }

    /// Order ids mapped.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether no order is known.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// The two sides of every mapping agree (I3).
    pub fn check(&self) {
        let mut mapped = 0;
        for (client, owner) in &self.owners {
            for (down, up) in &owner.ids {
                let order = &self.orders[up];
                assert_eq!((order.owner, order.down), (*client, *down), "a mapping and its inverse agree");
                assert!(owner.next > down.0, "nextValidId is above every id used");
                mapped += 1;
            }
        }
        assert_eq!(mapped, self.orders.len(), "every order has one owner");
        assert!(
            self.orders.keys().all(|up| up.0 < self.next || self.next == 0),
            "I4: ids to come are above all used"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Orders {
        let mut o = Orders::new(ClientId(0));
        o.gateway_next(50);
        o
    }

    #[test]
    fn equal_ids_of_two_clients_are_two_orders() {
        let mut o = orders();
        assert_eq!(o.place(ClientId(1), DownOrderId(60)), Placement::New(UpOrderId(50)));
        assert_eq!(o.place(ClientId(2), DownOrderId(60)), Placement::New(UpOrderId(51)));
        assert_eq!(o.place(ClientId(1), DownOrderId(60)), Placement::Modify(UpOrderId(50)));
        assert_eq!(o.owner_of(ClientId(0), 51), (ClientId(2), DownOrderId(60)));
        o.check();
    }

    #[test]
    fn an_order_that_never_left_may_be_placed_again_under_its_id_and_gets_a_new_one_upstream() {
        let mut o = orders();
        for down in [60, 61, 62] {
            let Placement::New(up) = o.place(ClientId(1), DownOrderId(down)) else { panic!("a new order") };
            o.withdraw(up);
        }
        assert_eq!(o.place(ClientId(1), DownOrderId(60)), Placement::New(UpOrderId(53)));
        assert_eq!(o.place(ClientId(1), DownOrderId(60)), Placement::Modify(UpOrderId(53)));
        o.check();
    }

    #[test]
    fn an_id_below_one_that_was_used_is_refused() {
        let mut o = orders();
        o.place(ClientId(1), DownOrderId(60));
        assert_eq!(o.place(ClientId(1), DownOrderId(59)), Placement::Reused);
        assert_eq!(o.next_valid_id(ClientId(1)), 61);
        assert_eq!(o.next_valid_id(ClientId(2)), 50);
    }

    #[test]
    fn a_gateway_that_goes_back_does_not_make_us_go_back() {
        let mut o = orders();
        o.place(ClientId(1), DownOrderId(1));
        o.gateway_next(3);
        assert_eq!(o.place(ClientId(1), DownOrderId(2)), Placement::New(UpOrderId(51)));
    }

    #[test]
    fn orders_from_before_belong_to_the_client_with_the_upstream_id() {
        let mut o = orders();
        assert_eq!(o.owner_of(ClientId(0), 44), (ClientId(0), DownOrderId(44)));
        assert_eq!(o.owner_of(ClientId(9), 44), (ClientId(9), DownOrderId(44)), "another program's order");
        assert_eq!(o.owner_of(ClientId(0), 0), (ClientId(0), DownOrderId(0)), "a manual order is not mapped");
        // The client used 70 itself: the old order is shown under a free id.
        o.place(ClientId(0), DownOrderId(70));
        assert_eq!(o.owner_of(ClientId(0), 70), (ClientId(0), DownOrderId(71)));
        o.check();
    }
}
