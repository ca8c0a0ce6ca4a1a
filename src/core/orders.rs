//! Orders: which client id owns which upstream order id, under which id of its own (I3, I4).
//!
//! Orders belong to a client *id*, not to a connection: they outlive it. The Gateway knows only twsmux's one
//! client id, so this table is the only place that tells owners apart. **Whatever changes here and must survive twsmux is
//! also a fact for the journal**; the core collects them with [`Orders::facts`].
//!
//! ```text
//!   placed --left--> sent --the Gateway speaks--> arrived --final status, refusal--> dead
//!      \                 \__ link lost, not in any list __ unknown (and arrived after all, if the Gateway speaks)
//!       \__ refused here (withdrawn: the id may be used again), or cancelled before it left (dead)
//! ```

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use super::recent::Recent;
use crate::ids::{ClientId, ClientKey, DownOrderId, PermId, UpOrderId};
use crate::journal::{self, Outcome, Record};
use crate::limits;
use crate::time::Time;

type Map<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;

/// A client id and what it did with order ids.
#[derive(Debug)]
pub struct Owner {
    /// What nextValidId says: above everything this id used or saw.
    pub next: i32,
    /// The highest id it placed an order under; a new order must be above.
    pub placed: i32,
    /// Whether the journal knows it. One that never used an id begins after a restart where it would have begun before, or
    /// above.
    recorded: bool,
    /// Whether it has placed orders at the Gateway without twsmux.
    direct: bool,
    /// Its orders by its own ids.
    ids: Map<DownOrderId, UpOrderId>,
}

/// What has left for the Gateway and was not answered yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flight {
    /// The order itself.
    New,
    /// A modification.
    Modify,
}

/// One order.
#[derive(Debug)]
pub struct Order {
    /// Whose.
    pub owner: ClientId,
    /// Its id there.
    pub down: DownOrderId,
    /// Its parent, as it was last placed.
    pub parent: Option<UpOrderId>,
    /// The orders that the Gateway attaches to it, until it has left with them.
    pub attached: Vec<UpOrderId>,
    /// Whether it is such an order itself, without a frame of its own.
    pub is_attached: bool,
    /// Its quantity as it was placed; empty once the Gateway has spoken of it.
    pub quantity: Bytes,
    /// Whether it has left for the Gateway.
    pub sent: bool,
    /// Whether the Gateway has spoken of it.
    pub arrived: bool,
    /// Whether it is filled, cancelled or refused for good.
    pub dead: bool,
    /// Whether it was taken back before it left.
    pub withdrawn: bool,
    /// Whether the owner was told that its fate is unknown.
    pub unknown: bool,
    /// What is under way.
    pub flight: Option<Flight>,
    /// Its cancel has left, and the Gateway has not said what came of that. **A status that was on its way already is no
    /// answer.**
    pub cancelling: bool,
    /// When a modification or a cancel of it last left.
    pub amended: Option<Time>,
    /// Who cancels it, where that is not the owner.
    pub canceller: Option<ClientKey>,
    /// Its permanent id; 0 until it is known.
    pub perm: PermId,
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
    /// The client placed it directly at the Gateway, where it belongs to that connection.
    Foreign,
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
    /// Where the sequences of new owners begin: at the Gateway's, so that they do not go back when somebody moves from
    /// a direct connection to twsmux.
    first: i32,
    owners: Map<ClientId, Owner>,
    orders: Map<UpOrderId, Order>,
    /// Those that have not left and are not over.
    unsent: indexmap::IndexSet<UpOrderId, FxBuildHasher>,
    /// By permanent id: completed orders in text name nothing else.
    by_perm: Map<PermId, UpOrderId>,
    /// Orders that clients placed directly at the Gateway, as far as they were seen.
    foreign: Recent<(ClientId, i32), ()>,
    facts: Vec<Record>,
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
            unsent: Default::default(),
            by_perm: Map::default(),
            foreign: Recent::new(limits::MAX_FOREIGN_ORDERS),
            facts: Vec::new(),
        }
    }

    /// Those of the journal.
    pub fn recovered(upstream_id: ClientId, state: &journal::State) -> Self {
        let mut orders = Orders::new(upstream_id);
        let gap = if state.running { limits::ID_GAP } else { 0 };
        orders.next = state.next;
        orders.first =
            if state.next == 0 { 0 } else { state.next.saturating_add(gap).min(limits::LAST_ORDER_ID) };
        for (id, o) in &state.owners {
            orders.owners.insert(
                *id,
                Owner { next: o.next, placed: o.placed, recorded: true, direct: false, ids: Map::default() },
            );
            orders.used(*id, o.next.saturating_add(gap - 1));
        }
        for (up, o) in &state.orders {
            let (dead, never) = (o.over.is_some(), o.over == Some(Outcome::NeverSent));
            orders.map(o.owner, o.down, *up);
            orders.unsent.clear();
            let order = orders.orders.get_mut(up).expect("it was just mapped");
            order.sent = !never;
            order.arrived = o.arrived;
            order.dead = dead;
            order.unknown = o.unknown;
            if let Some(perm) = o.perm {
                order.perm = perm;
                orders.by_perm.insert(perm, *up);
            }
        }
        orders.facts.clear();
        for (id, owner) in &orders.owners {
            let (owner, next, placed) = (*id, owner.next, owner.placed);
            orders.facts.extend((gap > 0).then_some(Record::Sequence { owner, next, placed }));
        }
        if gap > 0 && orders.first > 0 {
            // Clients that are not known by name began here.
            orders.raise(orders.first);
        }
        orders.facts.push(Record::Running(true));
        orders
    }

    /// Whether anything is to be recorded.
    #[inline]
    pub fn has_facts(&self) -> bool {
        !self.facts.is_empty()
    }

    /// What is to be recorded since the last call, in order.
    pub fn facts(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.facts)
    }

    /// The Gateway's nextValidId. It never makes our sequence go back (I4).
    pub fn gateway_next(&mut self, id: i32) {
        self.raise(id);
        if self.first == 0 {
            self.first = self.next;
            for owner in self.owners.values_mut().filter(|o| o.ids.is_empty() && o.placed == 0) {
                owner.next = owner.next.max(self.first);
            }
        }
    }

    /// Upstream ids below `next` are used up.
    fn raise(&mut self, next: i32) {
        let next = next.clamp(1, limits::LAST_ORDER_ID);
        if next > self.next {
            self.next = next;
            self.facts.push(Record::Floor { next });
        }
    }

    /// The id that the next new order will have upstream.
    pub fn next_upstream(&self) -> i32 {
        self.next
    }

    fn owner(&mut self, id: ClientId) -> &mut Owner {
        if !self.owners.contains_key(&id) {
            if self.owners.len() >= limits::MAX_OWNERS
                && let Some(idle) = self.owners.iter().position(|(_, o)| o.ids.is_empty())
                && let Some((owner, idle)) = self.owners.shift_remove_index(idle)
                && idle.recorded
            {
                // An id without orders loses nothing but the height of its sequence.
                self.facts.push(Record::OwnerForgotten { owner });
            }
            let next = self.first.max(1);
            self.owners
                .insert(id, Owner { next, placed: 0, recorded: false, direct: false, ids: Map::default() });
        }
        &mut self.owners[&id]
    }

    /// What nextValidId says to `client`.
    pub fn next_valid_id(&mut self, client: ClientId) -> i32 {
        self.owner(client).next
    }

    /// `client` used or saw the order id `down`: what comes next is above it.
    pub fn used(&mut self, client: ClientId, down: i32) {
        let next = down.saturating_add(1).min(limits::LAST_ORDER_ID);
        let owner = self.owner(client);
        if next > owner.next {
            owner.next = next;
            owner.recorded = true;
            let placed = owner.placed;
            self.facts.push(Record::Sequence { owner: client, next, placed });
        }
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

    /// Whether `client` is known to have placed orders directly at the Gateway.
    pub fn has_direct(&self, client: ClientId) -> bool {
        self.owners.get(&client).is_some_and(|owner| owner.direct)
    }

    /// Whether `client` placed this order directly at the Gateway.
    pub fn is_foreign(&self, client: ClientId, down: DownOrderId) -> bool {
        self.mapped(client, down).is_none() && self.foreign.get(&(client, down.0)).is_some()
    }

    /// The live orders of everybody that are called `down` by their owner.
    pub fn called(&self, down: DownOrderId) -> Vec<UpOrderId> {
        let ids = self.owners.values().filter_map(|o| o.ids.get(&down).copied());
        ids.filter(|up| self.orders.get(up).is_some_and(|o| !o.dead)).collect()
    }

    /// The order under an upstream id.
    pub fn get(&self, up: UpOrderId) -> Option<&Order> {
        self.orders.get(&up)
    }

    /// Likewise, to change it.
    pub fn get_mut(&mut self, up: UpOrderId) -> Option<&mut Order> {
        self.orders.get_mut(&up)
    }

    /// The order with a permanent id.
    pub fn by_perm(&self, perm: PermId) -> Option<UpOrderId> {
        self.by_perm.get(&perm).copied()
    }

    /// `client` places an order under `down`.
    pub fn place(&mut self, client: ClientId, down: DownOrderId) -> Placement {
        if let Some(up) = self.find(client, down) {
            // What was cancelled before it left is over, and the Gateway has never heard of its id.
            let over = self.orders.get(&up).is_some_and(|o| o.dead && !o.sent);
            return if over { Placement::Reused } else { Placement::Modify(up) };
        }
        if self.is_foreign(client, down) {
            return Placement::Foreign;
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
            self.forget(old);
        }
        let up = UpOrderId(self.next.max(1));
        self.next = up.0 + 1;
        self.map(client, down, up);
        Placement::New(up)
    }

    /// Takes back a new order that never left. Its owner may place it again under the same id.
    pub fn withdraw(&mut self, up: UpOrderId) {
        if let Some(order) = self.orders.get_mut(&up) {
            order.withdrawn = true;
        }
        self.end(up);
    }

    /// An order is over.
    pub fn end(&mut self, up: UpOrderId) {
        self.unsent.swap_remove(&up);
        if let Some(order) = self.orders.get_mut(&up).filter(|o| !o.dead) {
            order.dead = true;
            order.open = None;
            let outcome = if order.sent { Outcome::Ended } else { Outcome::NeverSent };
            self.facts.push(Record::Over { up, outcome });
        }
    }

    /// An order leaves for the Gateway.
    pub fn leaves(&mut self, up: UpOrderId) -> Option<&mut Order> {
        self.unsent.swap_remove(&up);
        let order = self.orders.get_mut(&up)?;
        order.sent = true;
        Some(order)
    }

    /// An order that was over lives after all.
    pub fn revive(&mut self, up: UpOrderId) {
        if let Some(order) = self.orders.get_mut(&up).filter(|o| o.dead) {
            order.dead = false;
            self.facts.push(Record::Arrived { up, perm: PermId(0) });
        }
    }

    /// The Gateway has spoken of an order: it is there. What was under way is answered.
    pub fn arrived(&mut self, up: UpOrderId, perm: Option<PermId>) {
        let Some(order) = self.orders.get_mut(&up) else { return };
        order.flight = None;
        order.quantity = Bytes::new();
        let perm = perm.filter(|p| p.0 != 0 && *p != order.perm);
        if order.arrived && !order.unknown && perm.is_none() {
            return;
        }
        // The Gateway has it, also where it is one that the Gateway made and attached itself.
        self.unsent.swap_remove(&up);
        order.sent = true;
        order.arrived = true;
        order.unknown = false;
        if let Some(perm) = perm {
            order.perm = perm;
            self.by_perm.insert(perm, up);
        }
        self.facts.push(Record::Arrived { up, perm: perm.unwrap_or(PermId(0)) });
        if order.dead {
            // What the journal takes for a sign of life is none here.
            self.facts.push(Record::Over { up, outcome: Outcome::Ended });
        }
    }

    /// The owner is told that the fate of an order is unknown. Says whether that is news.
    pub fn lose(&mut self, up: UpOrderId) -> bool {
        let Some(order) = self.orders.get_mut(&up).filter(|o| !o.unknown && !o.dead) else { return false };
        order.unknown = true;
        self.facts.push(Record::Unknown { up });
        true
    }

    /// The owner of an order that the Gateway speaks of, as (client id, id there). An unknown order under our
    /// own client id is from before: it is given to the client with that id, as is a manual order that was bound to it.
    pub fn owner_of(&mut self, gateway_client: ClientId, gateway_order: i32) -> (ClientId, DownOrderId) {
        let up = UpOrderId(gateway_order);
        if !names_an_order(gateway_order) {
            return (gateway_client, DownOrderId(gateway_order)); // a manual order that is not bound
        }
        if gateway_client != self.upstream_id {
            // Another program's order: shown as the Gateway shows it. Its namesake here must not use the id again.
            if gateway_order > 0 && self.foreign.get(&(gateway_client, gateway_order)).is_none() {
                self.foreign.insert((gateway_client, gateway_order), ());
                let owner = self.owner(gateway_client);
                owner.next = owner.next.max(gateway_order + 1);
                owner.placed = owner.placed.max(gateway_order);
                (owner.recorded, owner.direct) = (true, true);
                let (next, placed) = (owner.next, owner.placed);
                self.facts.push(Record::Sequence { owner: gateway_client, next, placed });
            }
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
        self.leaves(up);
        self.next = self.next.max(gateway_order.saturating_add(1));
        (gateway_client, down)
    }

    /// A completed order that the Gateway lists: its id is used up.
    pub fn completed(&mut self, gateway_client: ClientId, gateway_order: i32) {
        match gateway_client == self.upstream_id {
            true if gateway_order > 0 && names_an_order(gateway_order) => self.raise(gateway_order + 1),
            true => {}
            false => drop(self.owner_of(gateway_client, gateway_order)),
        }
    }

    /// The id under which `owner` knows the order `up`; for parent ids. 0 stays 0.
    pub fn shown(&self, up: i32) -> i32 {
        self.orders.get(&UpOrderId(up)).map_or(up, |o| o.down.0)
    }

    fn map(&mut self, client: ClientId, down: DownOrderId, up: UpOrderId) {
        let owner = self.owner(client);
        owner.next = owner.next.max(down.0.saturating_add(1));
        owner.placed = owner.placed.max(down.0);
        let told = (!owner.recorded).then_some((owner.next, owner.placed));
        owner.recorded = true;
        owner.ids.insert(down, up);
        self.unsent.insert(up);
        if let Some((next, placed)) = told {
            // What nextValidId said may be far above the id that it uses.
            self.facts.push(Record::Sequence { owner: client, next, placed });
        }
        self.facts.push(Record::Order { owner: client, down, up });
        self.orders.insert(
            up,
            Order {
                owner: client,
                down,
                parent: None,
                attached: Vec::new(),
                is_attached: false,
                quantity: Bytes::new(),
                sent: false,
                arrived: false,
                dead: false,
                withdrawn: false,
                unknown: false,
                flight: None,
                cancelling: false,
                amended: None,
                canceller: None,
                perm: PermId(0),
                open: None,
                status: None,
                status_due: false,
            },
        );
    }

    fn forget(&mut self, up: UpOrderId) {
        let Some(order) = self.orders.shift_remove(&up) else { return };
        self.unsent.swap_remove(&up);
        self.by_perm.swap_remove(&order.perm);
        if let Some(owner) = self.owners.get_mut(&order.owner)
            && owner.ids.get(&order.down) == Some(&up)
        {
            owner.ids.swap_remove(&order.down);
        }
        self.facts.push(Record::Forgotten { up });
    }

    /// Forgets dead orders, oldest first, when the table is full. Says whether one more fits.
    fn make_room(&mut self) -> bool {
        if self.orders.len() < limits::MAX_ORDERS {
            return true;
        }
        let mut left = limits::MAX_ORDERS / 10;
        let (owners, by_perm, facts) = (&mut self.owners, &mut self.by_perm, &mut self.facts);
        self.orders.retain(|up, order| {
            let keep = !order.dead || left == 0;
            if !keep {
                left -= 1;
                by_perm.swap_remove(&order.perm);
                if let Some(owner) = owners.get_mut(&order.owner)
                    && owner.ids.get(&order.down) == Some(up)
                {
                    owner.ids.swap_remove(&order.down);
                }
                facts.push(Record::Forgotten { up: *up });
            }
            keep
        });
        self.orders.len() < limits::MAX_ORDERS
    }

    /// Replaces what the Gateway said of the orders by what `convert` makes of it, `None` where it makes nothing.
    pub fn convert_images(&mut self, convert: impl Fn(&Bytes) -> Option<Bytes>) {
        for order in self.orders.values_mut() {
            for image in [&mut order.open, &mut order.status] {
                *image = image.take().and_then(|payload| convert(&payload));
            }
        }
    }

    /// `client`'s orders that live, in the order in which they were placed.
    pub fn live_of(&self, client: ClientId) -> impl Iterator<Item = (UpOrderId, &Order)> {
        let mut ids: Vec<UpOrderId> =
            self.owners.get(&client).map(|o| o.ids.values().copied().collect()).unwrap_or_default();
        ids.sort_unstable();
        ids.into_iter().filter_map(|up| Some((up, self.orders.get(&up)?))).filter(|(_, o)| !o.dead)
    }

    /// Orders that have left and are not over, as far as is known.
    pub fn outstanding(&self) -> impl Iterator<Item = (UpOrderId, &Order)> {
        self.orders.iter().filter(|(_, o)| o.sent && !o.dead).map(|(up, o)| (*up, o))
    }

    /// The owner of each order that is not over.
    pub fn live_owners(&self) -> impl Iterator<Item = ClientId> {
        self.orders.values().filter(|o| !o.dead).map(|o| o.owner)
    }

    /// How many orders are remembered of each client id that has any.
    pub fn known_by_owner(&self) -> impl Iterator<Item = (ClientId, usize)> {
        self.owners.iter().filter(|(_, o)| !o.ids.is_empty()).map(|(id, o)| (*id, o.ids.len()))
    }

    /// Whether an order is attached to one that has not left, and leaves in its frame.
    pub fn leaves_with_parent(&self, up: UpOrderId) -> bool {
        let parent = self.orders.get(&up).and_then(|o| self.orders.get(&o.parent?));
        parent.is_some_and(|parent| parent.attached.contains(&up))
    }

    /// Orders that have not left and are not over and whose parent is `up`, in the order of placing.
    pub fn unsent_children(&self, up: UpOrderId) -> Vec<UpOrderId> {
        let child = |other: &UpOrderId| self.orders.get(other).is_some_and(|o| o.parent == Some(up));
        let mut children: Vec<UpOrderId> = self.unsent.iter().copied().filter(child).collect();
        children.sort_unstable();
        children
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
        for (up, order) in &self.orders {
            assert_eq!(
                self.unsent.contains(up),
                !order.sent && !order.dead,
                "unsent orders are known as such"
            );
        }
        for (perm, up) in &self.by_perm {
            assert_eq!(self.orders[up].perm, *perm, "a permanent id leads to its order");
        }
        assert!(
            self.orders.keys().all(|up| up.0 < self.next || self.next == 0),
            "I4: ids to come are above all used"
        );
    }
}

/// Whether an id that the Gateway names is one. Orders that were entered in its window, and not bound, have 0 or the
/// largest number there is.
pub fn names_an_order(id: i32) -> bool {
    id != 0 && id < limits::LAST_ORDER_ID
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
