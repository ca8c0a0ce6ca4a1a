//! What the Gateway says of orders and executions: to their owner in the owner's terms, to masters, to whoever asked
//! (I3, I6). What an owner that is away must hear later is kept.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::answers::Source;
use super::client::Phase;
use super::compose::{self, id};
use super::lanes::Asker;
use super::route::Heard;
use super::speech::converter;
use super::stats::Drop;
use super::{Core, Ctx, codes};
use crate::ids::{ClientId, ClientKey, PermId, UpOrderId, UpReqId};
use crate::journal::{Kept, Record};
use crate::protocol::model::{Lane, Role};
use crate::wire::{proto, text, text::Form};

/// Who is to hear of something about an order, besides those who asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The owner, if it is there.
    Owner,
    /// The owner, later if it is away now.
    OwnerInTime,
}

impl Core {
    // ---- who hears ----

    /// The ready client of a client id.
    pub(super) fn owner_key(&self, owner: ClientId) -> Option<ClientKey> {
        let key = *self.by_id.get(&owner)?;
        (self.clients.get(key)?.phase == Phase::Ready).then_some(key)
    }

    /// The ready clients that hear of everybody's orders.
    fn masters(&self) -> Vec<ClientKey> {
        if !self.config.policies.any_master() {
            return Vec::new();
        }
        let masters = self.by_id.iter().filter(|(id, _)| self.config.policies.of(**id).master);
        masters
            .filter(|(_, key)| self.clients.get(**key).is_some_and(|c| c.phase == Phase::Ready))
            .map(|(_, k)| *k)
            .collect()
    }

    /// Passes something about an order on to its owner, in the owner's terms.
    fn tell_owner(
        &mut self,
        ctx: &mut Ctx<'_>,
        (heard, payload): (&Heard<'_>, &[u8]),
        (owner, up): (ClientId, Option<UpOrderId>),
        edits: &[(Role, i64)],
        reach: Reach,
    ) {
        match (self.owner_key(owner), up) {
            (Some(key), _) => self.tell(ctx, key, heard, edits, false),
            (None, Some(up)) if reach == Reach::OwnerInTime => {
                self.keep(ctx, owner, up, heard.version, payload)
            }
            (None, _) => self.dropped(Drop::OwnerAway),
        }
    }

    /// Passes an event of an order on to the masters, except those who have it already.
    fn tell_masters(
        &mut self,
        ctx: &mut Ctx<'_>,
        heard: &Heard<'_>,
        edits: &[(Role, i64)],
        had: &[Option<ClientKey>],
    ) {
        for key in self.masters() {
            if !had.contains(&Some(key)) {
                self.tell(ctx, key, heard, edits, false);
            }
        }
    }

    fn keep(&mut self, ctx: &mut Ctx<'_>, owner: ClientId, up: UpOrderId, version: u16, payload: &[u8]) {
        let (facts, lost) = self.away.keep(owner, up, version, payload);
        for fact in facts {
            self.record(ctx, fact);
        }
        self.stats.kept += 1;
        for _ in 0..lost {
            self.dropped(Drop::OwnerAway);
        }
    }

    /// Says something about an order as if the Gateway had said it.
    pub(super) fn gateway_says(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId, payload: &[u8]) {
        let dialect = self.speeches.upstream().clone();
        let Some(heard) = Heard::new(&dialect, payload) else { return };
        let Some(owner) = self.orders.get(up).map(|o| o.owner) else { return };
        let edits = self.order_edits(&heard);
        self.tell_owner(ctx, (&heard, payload), (owner, Some(up)), &edits, Reach::OwnerInTime);
        let had = [self.owner_key(owner)];
        self.tell_masters(ctx, &heard, &edits, &had);
    }

    /// Tells the owner of an order something with an error code, later if it is away.
    pub(super) fn tell_about_order(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId, code: u16, words: &str) {
        let Some((owner, down)) = self.orders.get(up).map(|o| (o.owner, o.down)) else { return };
        let dialect = self.speeches.upstream().clone();
        let payload = compose::error_payload(dialect.version(), up.0, code, words, self.wall_ms(ctx.now));
        let Some(heard) = Heard::new(&dialect, &payload) else { return };
        self.recall_error(ctx.now, self.by_id.get(&owner).copied(), code, words);
        let edits = [(Role::ReqId, i64::from(down.0))];
        self.tell_owner(ctx, (&heard, &payload), (owner, Some(up)), &edits, Reach::OwnerInTime);
    }

    /// For a client that starts: its live orders, each with its status, and the end marker; nothing without orders.
    pub(super) fn push_own_orders(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, owner: ClientId) {
        if self.tell_own_orders(ctx, key, owner) {
            self.send(ctx, key, compose::open_order_end);
        }
    }

    /// Tells a client its live orders, each with its status. Says whether there are any. A Gateway does not show those that
    /// are inactive.
    pub(super) fn tell_own_orders(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, owner: ClientId) -> bool {
        let dialect = self.speeches.upstream().clone();
        let is_inactive = |payload: &Bytes| {
            Heard::new(&dialect, payload).is_some_and(|heard| status(&heard) == Some(b"Inactive"))
        };
        let images: Vec<Bytes> = self
            .orders
            .live_of(owner)
            .filter(|(_, o)| !o.unknown && !o.status.as_ref().is_some_and(is_inactive))
            .filter_map(|(_, o)| o.open.clone().map(|open| (open, o.status.clone())))
            .flat_map(|(open, status)| [Some(open), status])
            .flatten()
            .collect();
        for payload in &images {
            if let Some(heard) = Heard::new(&dialect, payload) {
                let edits = self.order_edits(&heard);
                self.tell(ctx, key, &heard, &edits, false);
            }
        }
        !images.is_empty()
    }

    /// Whether it is known of every order of an owner that is not over that it works.
    pub(super) fn all_work(&self, owner: ClientId) -> bool {
        let dialect = self.speeches.upstream();
        let works = |payload: &Bytes| Heard::new(dialect, payload).is_some_and(|heard| is_working(&heard));
        self.orders
            .live_of(owner)
            .all(|(_, o)| !o.unknown && o.open.is_some() && o.status.as_ref().is_some_and(works))
    }

    /// For a client that has started: what was kept for it.
    pub(super) fn deliver_kept(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, owner: ClientId) {
        let (kept, fact) = self.away.fetch(owner);
        let Some(fact) = fact else { return };
        let dialect = self.speeches.upstream().clone();
        let mut converters = BTreeMap::new();
        for Kept { up, version, payload } in kept {
            let converter = converters.entry(version).or_insert_with(|| converter(version, &dialect));
            let Some(payload) = converter(&payload) else { continue };
            let Some(heard) = Heard::new(&dialect, &payload) else { continue };
            let down = self.orders.get(up).map_or(0, |o| o.down.0);
            let edits = match heard.id() {
                id::ERROR => vec![(Role::ReqId, i64::from(down))],
                id::EXECUTION => self.execution_edits(&heard, -1).to_vec(),
                id::COMMISSION => Vec::new(),
                _ => self.order_edits(&heard).to_vec(),
            };
            self.tell(ctx, key, &heard, &edits, false);
        }
        self.record(ctx, fact);
    }

    // ---- openOrder and orderStatus ----

    /// An order's ids in its owner's terms.
    fn order_edits(&mut self, heard: &Heard<'_>) -> [(Role, i64); 3] {
        let client = heard.int(Role::ClientId).unwrap_or_default();
        let order = heard.int(Role::OrderId).unwrap_or_default();
        let (owner, down) = self.orders.owner_of(ClientId(client), order);
        let parent = heard.int(Role::ParentOrderId).unwrap_or_default();
        let parent = match client == self.config.upstream_client_id.0 {
            true => self.orders.shown(parent),
            false => parent,
        };
        [
            (Role::OrderId, i64::from(down.0)),
            (Role::ParentOrderId, i64::from(parent)),
            (Role::ClientId, i64::from(owner.0)),
        ]
    }

    /// openOrder and orderStatus.
    pub(super) fn hear_order(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, payload: &[u8]) {
        let (client, order) = (heard.int(Role::ClientId), heard.int(Role::OrderId));
        let (Some(client), Some(order)) = (client, order) else { return self.dropped(Drop::Malformed) };
        let owner = self.meet(ClientId(client), order);
        let up = (client == self.config.upstream_client_id.0 && super::orders::names_an_order(order))
            .then_some(UpOrderId(order));
        let changed = match up {
            Some(up) => self.learn_order(up, heard, payload),
            None => true,
        };
        let edits = self.order_edits(heard);
        let owner_key = self.owner_key(owner);
        // An order that lives is shown to its owner when it comes.
        let over = up.and_then(|up| self.orders.get(up)).is_some_and(|o| o.dead);
        let reach = match up {
            Some(up) if changed && over && is_final(heard) && !self.end_is_kept(owner, up) => {
                Reach::OwnerInTime
            }
            _ => Reach::Owner,
        };
        let is_news = changed && up.is_some();
        // What is over is no part of a list of open orders: it precedes the completed ones.
        let is_completed =
            !changed && is_final(heard) && self.lanes.answered(Lane::CompletedOrders, 0).is_some();
        if is_completed {
            self.lanes.begun(Lane::CompletedOrders, 0);
            self.answers.add(Source::Lane(Lane::CompletedOrders, 0), payload);
        }
        if let Some(ask) = self.lanes.answered(Lane::OpenOrders, 0).filter(|_| !is_completed) {
            let in_scope = |a: &&Asker| a.message == id::REQ_ALL_OPEN_ORDERS || Some(a.client) == owner_key;
            let mut had: Vec<_> = ask.askers.iter().filter(in_scope).map(|a| Some(a.client)).collect();
            self.lanes.begun(Lane::OpenOrders, 0);
            for key in had.iter().copied().flatten() {
                self.tell(ctx, key, heard, &edits, false);
            }
            if is_news {
                self.orders_changed();
            }
            match owner_key {
                // It has it as the answer, and for the others it is news.
                Some(_) if had.contains(&owner_key) && is_news => {
                    self.tell_masters(ctx, heard, &edits, &had);
                }
                Some(_) if had.contains(&owner_key) => {}
                // Another program's order comes only because somebody asked for all.
                Some(_) if up.is_none() => self.dropped(Drop::Repetition),
                _ if is_news => {
                    self.tell_owner(ctx, (heard, payload), (owner, up), &edits, reach);
                    had.push(owner_key);
                    self.tell_masters(ctx, heard, &edits, &had);
                }
                Some(_) => self.dropped(Drop::Repetition),
                None => {}
            }
            return;
        }
        if changed {
            self.orders_changed();
        }
        if self.hears_start_push && !changed {
            return self.dropped(Drop::Repetition);
        }
        // Completed orders are preceded by the statuses of the dead ones (LIVE.md section 3): for their asker.
        if let Some(ask) = self.lanes.answered(Lane::CompletedOrders, 0)
            && !ask.askers.iter().any(|asker| Some(asker.client) == owner_key)
            && !changed
        {
            return self.dropped(Drop::Repetition);
        }
        self.tell_owner(ctx, (heard, payload), (owner, up), &edits, reach);
        self.tell_masters(ctx, heard, &edits, &[owner_key]);
    }

    /// Tells how an order ended, if it is the client's own.
    pub(super) fn tell_own_end(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, heard: &Heard<'_>) {
        let Some(up) = heard.int(Role::OrderId).map(UpOrderId) else { return };
        let owner = self.orders.get(up).map(|order| order.owner);
        if owner.is_some_and(|owner| self.owner_key(owner) == Some(key)) {
            let edits = self.order_edits(heard);
            self.tell(ctx, key, heard, &edits, false);
        }
    }

    /// Whether it is kept for the owner how an order ended.
    fn end_is_kept(&self, owner: ClientId, up: UpOrderId) -> bool {
        let is_status = |kept: &Kept| {
            text::message(&kept.payload, kept.version).is_ok_and(|m| m.id == u32::from(id::ORDER_STATUS))
        };
        self.away.has_end(owner, up, is_status)
    }

    /// Keeps the latest state of one of our own orders. Says whether it differs from what was known.
    fn learn_order(&mut self, up: UpOrderId, heard: &Heard<'_>, payload: &[u8]) -> bool {
        let perm = heard.shape.int(&heard.message, Role::PermId).ok().flatten().map(PermId);
        self.order_answered(up, answers_a_cancel(heard));
        let had_arrived = self.orders.get(up).is_some_and(|o| o.arrived);
        let is_what_if = heard.id() == id::OPEN_ORDER && heard.shape.flag(&heard.message).unwrap_or(false);
        if !is_what_if {
            self.reconcile.seen(up);
        }
        self.orders.arrived(up, perm);
        let Some(known) = self.orders.get_mut(up) else { return true };
        if heard.id() == id::OPEN_ORDER {
            let unseen = known.open.is_none() && known.status.is_none();
            // The one answer to a what-if: margins, and no order, unless it was about one that lives; of that one it
            // does not say how it stands.
            if is_what_if {
                if unseen && !had_arrived {
                    self.orders.end(up);
                }
                return true;
            }
            let changed = known.open.as_deref() != Some(payload);
            known.status_due = changed;
            // What was taken for a what-if or a refusal is an order after all.
            if !known.dead || unseen {
                known.open = Some(Bytes::copy_from_slice(payload));
                self.orders.revive(up);
            }
            return changed;
        }
        // Every openOrder is followed by its orderStatus (LIVE.md section 3), and clients take both for one event.
        let due = std::mem::take(&mut known.status_due);
        let changed = due || known.status.as_deref() != Some(payload);
        known.status = Some(Bytes::copy_from_slice(payload));
        match is_final(heard) {
            true => self.orders.end(up),
            false => self.orders.revive(up),
        }
        changed
    }

    // ---- executions and commissions ----

    /// An execution's ids in its owner's terms.
    fn execution_edits(&mut self, heard: &Heard<'_>, request: i32) -> [(Role, i64); 3] {
        let [order, _, client] = self.order_edits(heard);
        [(Role::ReqId, i64::from(request)), order, client]
    }

    /// execDetails: the answer to a query, or a live fill.
    pub(super) fn hear_execution(
        &mut self,
        ctx: &mut Ctx<'_>,
        heard: &Heard<'_>,
        payload: &[u8],
        asked: Option<UpReqId>,
    ) {
        let (Some(client), Some(order)) = (heard.int(Role::ClientId), heard.int(Role::OrderId)) else {
            return self.dropped(Drop::Malformed);
        };
        let exec_id = Bytes::copy_from_slice(heard.str(Role::ExecId).unwrap_or_default());
        let up = (client == self.config.upstream_client_id.0 && super::orders::names_an_order(order))
            .then_some(UpOrderId(order));
        let first_met = up.is_some_and(|up| self.orders.get(up).is_none());
        let owner = self.meet(ClientId(client), order);
        if let Some(up) = up {
            self.order_answered(up, false);
            self.orders.arrived(up, heard.shape.int(&heard.message, Role::PermId).ok().flatten().map(PermId));
            if first_met && asked.is_some() {
                self.orders.end(up); // from before; it is revived if it is listed as open
            }
        }
        let Some(request) = asked else {
            self.orders_changed();
            if self.executions.meet(&exec_id, owner, up).live {
                return self.dropped(Drop::Repetition);
            }
            return self.fill(ctx, (heard, payload), owner, up, &exec_id);
        };
        if let Some(pending) = self.queries.get_mut(&request) {
            pending.insert(exec_id.clone());
        }
        if self.reconcile.is_query(request) {
            self.reconcile.executed(up, heard);
            match up {
                Some(up) if self.reconcile.is_adopted(up) => self.know_fill(ctx, owner, up, &exec_id),
                Some(_) if self.executions.meet(&exec_id, owner, up).told => self.dropped(Drop::Repetition),
                Some(_) => self.fill(ctx, (heard, payload), owner, up, &exec_id),
                None => drop(self.executions.meet(&exec_id, owner, None)),
            }
            return;
        }
        let Some(entry) = self.requests.get(request) else { return self.drop_unrouted(request) };
        let (members, wanted) = (entry.members.clone(), entry.filter);
        if wanted.is_some_and(|wanted| wanted != owner) {
            if let Some(pending) = self.queries.get_mut(&request) {
                pending.swap_remove(&exec_id);
            }
            return;
        }
        self.keep_answer(request, heard, payload);
        for (key, down) in members {
            let execution = self.executions.meet(&exec_id, owner, up);
            let news = self.by_id.get(&owner) == Some(&key) && !std::mem::replace(&mut execution.told, true);
            let edits = self.execution_edits(heard, down.0);
            self.tell(ctx, key, heard, &edits, false);
            if let Some(up) = up.filter(|_| news) {
                self.record(ctx, Record::Executed { up, exec_id: exec_id.clone() });
            }
        }
    }

    /// The owner of an order that the Gateway speaks of; one under twsmux's own client id that it does not know is taken
    /// in.
    fn meet(&mut self, client: ClientId, order: i32) -> ClientId {
        if client == self.config.upstream_client_id && self.orders.get(UpOrderId(order)).is_none() {
            self.reconcile.adopt(UpOrderId(order));
        }
        self.orders.owner_of(client, order).0
    }

    /// A fill that is no news: of an order from before twsmux came.
    fn know_fill(&mut self, ctx: &mut Ctx<'_>, owner: ClientId, up: UpOrderId, exec_id: &Bytes) {
        let execution = self.executions.meet(exec_id, owner, Some(up));
        if !execution.told {
            (execution.told, execution.live, execution.commissioned) = (true, true, true);
            self.record(ctx, Record::Executed { up, exec_id: exec_id.clone() });
            self.record(ctx, Record::Commissioned { exec_id: exec_id.clone() });
        }
    }

    /// A fill, live or found when the link came back: to the owner, once.
    fn fill(
        &mut self,
        ctx: &mut Ctx<'_>,
        (heard, payload): (&Heard<'_>, &[u8]),
        owner: ClientId,
        up: Option<UpOrderId>,
        exec_id: &Bytes,
    ) {
        let execution = self.executions.meet(exec_id, owner, up);
        (execution.told, execution.live) = (true, true);
        let edits = self.execution_edits(heard, -1);
        self.tell_owner(ctx, (heard, payload), (owner, up), &edits, Reach::OwnerInTime);
        let had = [self.owner_key(owner)];
        self.tell_masters(ctx, heard, &edits, &had);
        if let Some(up) = up {
            self.record(ctx, Record::Executed { up, exec_id: exec_id.clone() });
        }
        if let Some(report) = self.early_commissions.remove(&exec_id[..]) {
            let dialect = self.speeches.upstream().clone();
            if let Some(heard) = Heard::new(&dialect, &report) {
                self.commission(ctx, (&heard, &report), exec_id, &[]);
            }
        }
    }

    /// The query whose answer a commission report is part of. Queries are answered one after the other, so it is the first
    /// that still waits for it.
    pub(super) fn query_of(&mut self, heard: &Heard<'_>) -> Option<UpReqId> {
        let exec_id = heard.str(Role::ExecId).unwrap_or_default();
        self.queries.iter_mut().find_map(|(up, pending)| pending.swap_remove(exec_id).then_some(*up))
    }

    /// A commission report: for the query whose answer it is part of, and for the owner of the live fill.
    pub(super) fn hear_commission(
        &mut self,
        ctx: &mut Ctx<'_>,
        heard: &Heard<'_>,
        payload: &[u8],
        query: Option<UpReqId>,
    ) {
        let exec_id = Bytes::copy_from_slice(heard.str(Role::ExecId).unwrap_or_default());
        let askers: Vec<Option<ClientKey>> = query
            .and_then(|up| self.requests.get(up))
            .map(|e| e.members.iter().map(|(key, _)| Some(*key)).collect())
            .unwrap_or_default();
        match query {
            Some(up) => self.keep_answer(up, heard, payload),
            None => self.orders_changed(),
        }
        let Some(execution) = self.executions.get(&exec_id).copied() else {
            self.early_commissions.insert(exec_id, Bytes::copy_from_slice(payload));
            return;
        };
        for key in askers.iter().copied().flatten() {
            self.tell(ctx, key, heard, &[], false);
        }
        let owner_key = self.owner_key(execution.owner);
        match execution.told && !execution.commissioned {
            true => self.commission(ctx, (heard, payload), &exec_id, &askers),
            // Without any query under way it is a late or repeated report of a fill.
            false if query.is_none() && self.queries.is_empty() => match owner_key {
                Some(key) => self.tell(ctx, key, heard, &[], false),
                None => self.dropped(Drop::OwnerAway),
            },
            false if askers.is_empty() => self.dropped(Drop::Repetition),
            false => {}
        }
    }

    /// The commission of a fill that the owner has heard of: to the owner, once.
    fn commission(
        &mut self,
        ctx: &mut Ctx<'_>,
        (heard, payload): (&Heard<'_>, &[u8]),
        exec_id: &Bytes,
        had: &[Option<ClientKey>],
    ) {
        let Some(execution) = self.executions.get(exec_id) else { return };
        execution.commissioned = true;
        let (owner, up) = (execution.owner, execution.up);
        let owner_key = self.owner_key(owner);
        if owner_key.is_none() || !had.contains(&owner_key) {
            self.tell_owner(ctx, (heard, payload), (owner, up), &[], Reach::OwnerInTime);
        }
        let had: Vec<_> = had.iter().copied().chain([owner_key]).collect();
        self.tell_masters(ctx, heard, &[], &had);
        if up.is_some() {
            self.record(ctx, Record::Commissioned { exec_id: exec_id.clone() });
        }
    }

    /// orderBound: the client that binds manual orders.
    pub(super) fn hear_bound(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>) {
        self.orders_changed();
        let client = heard.int(Role::ClientId).unwrap_or_default();
        let order = heard.int(Role::OrderId).unwrap_or_default();
        let (owner, down) = self.orders.owner_of(ClientId(client), order);
        let edits = [(Role::OrderId, i64::from(down.0)), (Role::ClientId, i64::from(owner.0))];
        match self.owner_key(owner) {
            Some(key) => self.tell(ctx, key, heard, &edits, false),
            None => self.dropped(Drop::OwnerAway),
        }
    }

    /// An error under an order id.
    pub(super) fn hear_order_error(
        &mut self,
        ctx: &mut Ctx<'_>,
        heard: &Heard<'_>,
        payload: &[u8],
        up: UpOrderId,
        (code, class): (u16, Option<codes::Class>),
    ) {
        self.order_answered(up, class != Some(codes::Class::Warning));
        self.orders_changed();
        let Some(order) = self.orders.get_mut(up) else { return self.dropped(Drop::UnknownOrder) };
        let was_dead = order.dead;
        let (owner, down, canceller) = (order.owner, order.down, order.canceller.take());
        let new = order.open.is_none() && order.status.is_none() && !order.arrived;
        if new && class.is_none() {
            // Refused before there was an order.
            self.orders.arrived(up, None);
            self.orders.end(up);
            self.reconcile.seen(up);
            self.attached_end_with(up);
        }
        if code == codes::DUPLICATE_ORDER_ID && new {
            // The Gateway's own counter is above ours: what it says next raises it.
            self.resynchronise_ids(ctx, up);
        }
        let edits = [(Role::ReqId, i64::from(down.0))];
        // What a global cancel draws for orders long dead is news to nobody.
        let reach = match code == codes::NOT_CANCELLABLE_DEAD && was_dead {
            true => Reach::Owner,
            false => Reach::OwnerInTime,
        };
        self.tell_owner(ctx, (heard, payload), (owner, Some(up)), &edits, reach);
        if let Some(key) = canceller.filter(|key| Some(*key) != self.owner_key(owner)) {
            self.tell(ctx, key, heard, &edits, false);
        }
    }
}

/// What an orderStatus says.
fn status<'a>(heard: &Heard<'a>) -> Option<&'a [u8]> {
    if heard.id() != id::ORDER_STATUS {
        return None;
    }
    match heard.message.form {
        // orderId is the field before it, with or without the message version in front (text-layouts.md, 3).
        Form::Text => text::field(heard.message.body, if heard.version >= 131 { 2 } else { 3 }).ok(),
        Form::Proto => proto::get_str(heard.message.body, &[2]).ok().flatten(),
    }
}

/// Whether an orderStatus says that the order is over.
fn is_final(heard: &Heard<'_>) -> bool {
    matches!(status(heard), Some(b"Filled" | b"Cancelled" | b"ApiCancelled"))
}

/// Whether an orderStatus says what came of a cancel. **One of those that come after a placement does not**: it may have been on
/// its way before the Gateway had the cancel.
fn answers_a_cancel(heard: &Heard<'_>) -> bool {
    is_final(heard) || status(heard) == Some(b"PendingCancel")
}

/// Whether an orderStatus says that the order works, so that the Gateway lists it among the open ones. Of others, as of
/// `Inactive` ones, only the Gateway knows.
fn is_working(heard: &Heard<'_>) -> bool {
    matches!(
        status(heard),
        Some(b"PendingSubmit" | b"ApiPending" | b"PreSubmitted" | b"Submitted" | b"PendingCancel")
    )
}
