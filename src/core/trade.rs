//! Orders and executions, both ways: ids to the Gateway's terms and back to the owner's (I3 to I7).

use bytes::Bytes;

use super::client::Phase;
use super::compose::{self, id};
use super::orders::Placement;
use super::pacer::What;
use super::route::Heard;
use super::stats::Drop;
use super::{Core, Ctx, ask::Asked, codes};
use crate::ids::{ClientId, ClientKey, DownOrderId, UpOrderId, UpReqId};
use crate::protocol::model::{Lane, Role};
use crate::wire::{proto, text, text::Form};

/// What becomes of the request that an order belongs to, in words for [`codes::ORDER_MESSAGE`].
const CHECK: &str = "Check the open orders and executions before placing it again";

impl Core {
    // ---- from clients ----

    /// placeOrder and exerciseOptions: a new order, or the modification of a known one.
    pub(super) fn place_order(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let Some(down) = asked.int(Role::OrderId) else { return };
        if down <= 0 {
            let words = format!("Error validating request: order id {down} is not above 0.");
            return self.send_error(ctx, asked.key, down, codes::INVALID, &words);
        }
        let parent = asked.int(Role::ParentOrderId).filter(|p| *p != 0);
        let parent_up = parent.map(|p| self.orders.find(asked.client_id, DownOrderId(p)));
        if let Some(None) = parent_up {
            let words = format!("the parent order {} is not known", parent.unwrap_or_default());
            return self.refuse_order(ctx, asked, &words);
        }
        let placement = self.orders.place(asked.client_id, DownOrderId(down));
        let up = match placement {
            Placement::New(up) | Placement::Modify(up) => up,
            Placement::Reused => {
                let words = "Duplicate order id: it must be above every order id used before.";
                return self.send_error(ctx, asked.key, down, codes::DUPLICATE_ORDER_ID, words);
            }
            Placement::Full => return self.refuse_order(ctx, asked, "no more orders can be remembered"),
        };
        let parent_up = parent_up.flatten().map_or(0, |p| p.0);
        let mut edits = [
            (Role::OrderId, i64::from(up.0)),
            (Role::ParentOrderId, i64::from(parent_up)),
            // Only protobuf orders carry a client id: the one that the Gateway knows.
            (Role::ClientId, i64::from(self.config.upstream_client_id.0)),
            (Role::StopLossOrderId, 0),
            (Role::ProfitTakerOrderId, 0),
        ];
        for (role, attached) in &mut edits[3..] {
            let Some(wanted) = asked.int(*role).filter(|id| *id > 0) else { continue };
            match self.orders.place(asked.client_id, DownOrderId(wanted)) {
                Placement::New(other) | Placement::Modify(other) => *attached = other.0.into(),
                // A client's own number must not go upstream: there it is somebody else's order.
                Placement::Reused | Placement::Full => {
                    if placement == Placement::New(up) {
                        self.orders.withdraw(up);
                    }
                    let words = format!(
                        "Duplicate order id: the attached order {wanted} must be above every order id used before."
                    );
                    return self.send_error(ctx, asked.key, down, codes::DUPLICATE_ORDER_ID, &words);
                }
            }
        }
        self.forward(ctx, asked, What::Order(up), &edits);
    }

    /// Refuses an order: a new one is dead, a modification leaves the order as it is.
    pub(super) fn refuse_order(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, why: &str) {
        let down = asked.int(Role::OrderId).unwrap_or(-1);
        let known = self.orders.find(asked.client_id, DownOrderId(down));
        let modifies = known.and_then(|up| self.orders.get(up)).is_some_and(|o| !o.dead);
        let (code, words) = match modifies {
            true => (
                codes::ORDER_MESSAGE,
                format!("Order Message:\nWarning: the modification was not sent to the Gateway: {why}."),
            ),
            false => {
                (codes::ORDER_REJECTED, format!("Order rejected - reason: not sent to the Gateway: {why}."))
            }
        };
        self.send_error(ctx, asked.key, down, code, &words);
    }

    pub(super) fn cancel_order(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let Some(down) = asked.int(Role::OrderId) else { return };
        match self.orders.find(asked.client_id, DownOrderId(down)) {
            Some(up) => {
                self.forward(ctx, asked, What::CancelOrder(Some(up)), &[(Role::OrderId, up.0.into())])
            }
            None => {
                let words = format!("OrderId {down} that needs to be cancelled is not found.");
                self.send_error(ctx, asked.key, down, codes::ORDER_NOT_FOUND, &words);
            }
        }
    }

    /// A queued order was taken back before it left.
    pub(super) fn order_not_sent(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId, why: &str) {
        let Some(order) = self.orders.get(up) else { return };
        let (owner, down, is_new) = (order.owner, order.down, !order.sent);
        let (code, words) = match is_new {
            true => {
                (codes::ORDER_REJECTED, format!("Order rejected - reason: not sent to the Gateway: {why}."))
            }
            false => (
                codes::ORDER_MESSAGE,
                format!("Order Message:\nWarning: the modification was not sent to the Gateway: {why}."),
            ),
        };
        if is_new {
            self.orders.withdraw(up);
        }
        if let Some(key) = self.owner_key(owner) {
            self.send_error(ctx, key, down.0, code, &words);
        }
    }

    /// A queued cancel was taken back before it left.
    pub(super) fn cancel_not_sent(
        &mut self,
        ctx: &mut Ctx<'_>,
        client: Option<ClientKey>,
        up: Option<UpOrderId>,
        why: &str,
    ) {
        let Some(key) = client else { return };
        let id = up.and_then(|up| self.orders.get(up)).map_or(-1, |o| o.down.0);
        let words = format!("Order Message:\nWarning: the cancel was not sent to the Gateway: {why}.");
        self.send_error(ctx, key, id, codes::ORDER_MESSAGE, &words);
    }

    /// The link broke between an order and the Gateway's first word about it.
    pub(super) fn order_fate_unknown(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId) {
        let Some(order) = self.orders.get(up) else { return };
        let (owner, down) = (order.owner, order.down);
        if let Some(key) = self.owner_key(owner) {
            let words = format!(
                "Order Message:\nWarning: the connection to the Gateway was lost right after this order was sent; whether it \
                 arrived is unknown. {CHECK}."
            );
            self.send_error(ctx, key, down.0, codes::ORDER_MESSAGE, &words);
        }
    }

    // ---- from the Gateway ----

    /// The ready client of a client id.
    pub(super) fn owner_key(&self, owner: ClientId) -> Option<ClientKey> {
        let key = *self.by_id.get(&owner)?;
        (self.clients.get(key)?.phase == Phase::Ready).then_some(key)
    }

    /// For a client that starts: its live orders, each with its status, and the end marker; nothing without orders.
    pub(super) fn push_own_orders(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, owner: ClientId) {
        let images: Vec<Bytes> = self
            .orders
            .live_of(owner)
            .filter_map(|(_, o)| o.open.clone().map(|open| (open, o.status.clone())))
            .flat_map(|(open, status)| [Some(open), status])
            .flatten()
            .collect();
        if images.is_empty() {
            return;
        }
        let dialect = self.speeches.upstream().clone();
        for payload in images {
            if let Some(heard) = Heard::new(&dialect, &payload) {
                self.send_order_event(ctx, key, &heard);
            }
        }
        self.send(ctx, key, compose::open_order_end);
    }

    /// openOrder and orderStatus.
    pub(super) fn hear_order(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, payload: &[u8]) {
        let (client, order) = (heard.int(Role::ClientId), heard.int(Role::OrderId));
        let (Some(client), Some(order)) = (client, order) else { return self.dropped(Drop::Malformed) };
        let (owner, _) = self.orders.owner_of(ClientId(client), order);
        let changed = self.learn_order(ClientId(client), order, heard, payload);
        if !self.is_ready() {
            return; // the start push: learnt, and shown to owners as they come
        }
        let owner_key = self.owner_key(owner);
        let lane = Lane::OpenOrders;
        let asker = self.lanes.answered(lane, 0).map(|ask| (ask.client, ask.message));
        if let Some((asker, message)) = asker {
            let in_scope = message == id::REQ_ALL_OPEN_ORDERS || asker.is_some() && asker == owner_key;
            if let Some(key) = asker.filter(|_| in_scope) {
                self.send_order_event(ctx, key, heard);
            }
            match owner_key {
                Some(key) if Some(key) == asker => {}
                // Another program's order comes only because somebody asked for all.
                Some(_) if client != self.config.upstream_client_id.0 => self.dropped(Drop::Repetition),
                Some(key) if changed => self.send_order_event(ctx, key, heard),
                Some(_) => self.dropped(Drop::Repetition),
                None => {}
            }
            return;
        }
        // Completed orders are preceded by the statuses of the dead ones (LIVE.md section 3): for their asker.
        if let Some(ask) = self.lanes.answered(Lane::CompletedOrders, 0)
            && ask.client != owner_key
            && !changed
        {
            return self.dropped(Drop::Repetition);
        }
        match owner_key {
            Some(key) => self.send_order_event(ctx, key, heard),
            None => self.dropped(Drop::OwnerAway),
        }
    }

    /// Keeps the latest state of our own orders. Says whether it differs from what was known.
    fn learn_order(&mut self, client: ClientId, order: i32, heard: &Heard<'_>, payload: &[u8]) -> bool {
        if client != self.config.upstream_client_id {
            return true;
        }
        let up = UpOrderId(order);
        self.unconfirmed.swap_remove(&up);
        let Some(known) = self.orders.get_mut(up) else { return true };
        // The Gateway has it, also where it is one that the Gateway made and attached itself.
        known.sent = true;
        if heard.id() == id::OPEN_ORDER {
            let unseen = known.open.is_none() && known.status.is_none();
            // The one answer to a what-if: margins, and no order, unless it was about one that lives.
            if heard.shape.flag(&heard.message).unwrap_or(false) {
                known.dead |= unseen;
                return true;
            }
            // What was taken for a what-if or a refusal is an order after all.
            known.dead &= !unseen;
            let changed = known.open.as_deref() != Some(payload);
            if !known.dead {
                known.open = Some(Bytes::copy_from_slice(payload));
            }
            known.status_due = changed;
            return changed;
        }
        // Every openOrder is followed by its orderStatus (LIVE.md section 3), and clients take both for one event.
        let due = std::mem::take(&mut known.status_due);
        let changed = due || known.status.as_deref() != Some(payload);
        known.status = Some(Bytes::copy_from_slice(payload));
        known.dead = is_final(heard);
        if known.dead {
            known.open = None;
        }
        changed
    }

    /// Sends an openOrder or orderStatus in the owner's terms.
    fn send_order_event(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, heard: &Heard<'_>) {
        let client = heard.int(Role::ClientId).unwrap_or_default();
        let order = heard.int(Role::OrderId).unwrap_or_default();
        let (owner, down) = self.orders.owner_of(ClientId(client), order);
        let parent = heard.int(Role::ParentOrderId).unwrap_or_default();
        let parent = match client == self.config.upstream_client_id.0 {
            true => self.orders.shown(parent),
            false => parent,
        };
        let edits = [
            (Role::OrderId, i64::from(down.0)),
            (Role::ParentOrderId, i64::from(parent)),
            (Role::ClientId, i64::from(owner.0)),
        ];
        self.tell(ctx, key, heard, &edits, false);
    }

    /// execDetails: the answer to a query, or a live fill.
    pub(super) fn hear_execution(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>) {
        let (Some(client), Some(order)) = (heard.int(Role::ClientId), heard.int(Role::OrderId)) else {
            return self.dropped(Drop::Malformed);
        };
        let exec_id = heard.str(Role::ExecId).unwrap_or_default().to_vec();
        let (owner, down) = self.orders.owner_of(ClientId(client), order);
        if client == self.config.upstream_client_id.0 {
            self.unconfirmed.swap_remove(&UpOrderId(order));
        }
        let asked = heard.int(Role::ReqId).filter(|id| *id >= 0);
        self.orders.executed(&exec_id, owner, asked.is_none());
        let mut edits =
            [(Role::ReqId, -1), (Role::OrderId, i64::from(down.0)), (Role::ClientId, i64::from(owner.0))];
        let key = match asked {
            None => match self.owner_key(owner) {
                Some(key) => key,
                None => return self.dropped(Drop::OwnerAway),
            },
            Some(up) => {
                let up = UpReqId(up);
                let Some(entry) = self.requests.get(up) else { return self.drop_unrouted(up) };
                if entry.filter.is_some_and(|wanted| wanted != owner) {
                    return;
                }
                edits[0].1 = i64::from(entry.down.0);
                let key = entry.client;
                if let Some(pending) = self.queries.get_mut(&up) {
                    pending.insert(Bytes::copy_from_slice(&exec_id));
                }
                key
            }
        };
        self.tell(ctx, key, heard, &edits, false);
        if asked.is_none()
            && let Some(report) = self.early_commissions.remove(&exec_id[..])
        {
            if let Some(execution) = self.orders.execution(&exec_id) {
                execution.live = false;
            }
            self.tell_kept(ctx, key, &report, &[]);
        }
    }

    /// A commission report: for the query whose answer it is part of, and for the owner of the live fill.
    pub(super) fn hear_commission(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, payload: &[u8]) {
        let exec_id = Bytes::copy_from_slice(heard.str(Role::ExecId).unwrap_or_default());
        let execution = self.orders.execution(&exec_id).map(|e| {
            let live = std::mem::replace(&mut e.live, false);
            (e.owner, live)
        });
        let Some((owner, live)) = execution else {
            self.early_commissions.insert(exec_id, Bytes::copy_from_slice(payload));
            return;
        };
        let owner_key = self.owner_key(owner);
        // Queries are answered one after the other, so the report belongs to the first that still waits for it.
        let query =
            self.queries.iter_mut().find_map(|(up, pending)| pending.swap_remove(&exec_id).then_some(*up));
        let asker = query.and_then(|up| self.requests.get(up)).map(|e| e.client);
        if let Some(key) = asker {
            self.tell(ctx, key, heard, &[], false);
        }
        match owner_key {
            Some(key) if live && asker != Some(key) => self.tell(ctx, key, heard, &[], false),
            // Without any query under way it is a late or repeated report of a fill.
            Some(key) if !live && query.is_none() && self.queries.is_empty() => {
                self.tell(ctx, key, heard, &[], false);
            }
            Some(_) if live || query.is_some() => {}
            Some(_) => self.dropped(Drop::Repetition),
            None if asker.is_none() => self.dropped(Drop::OwnerAway),
            None => {}
        }
    }

    /// orderBound: the client that binds manual orders.
    pub(super) fn hear_bound(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>) {
        let client = heard.int(Role::ClientId).unwrap_or_default();
        let order = heard.int(Role::OrderId).unwrap_or_default();
        let (owner, down) = self.orders.owner_of(ClientId(client), order);
        let edits = [(Role::OrderId, i64::from(down.0)), (Role::ClientId, i64::from(owner.0))];
        match self.owner_key(owner) {
            Some(key) => self.tell(ctx, key, heard, &edits, false),
            None => self.dropped(Drop::OwnerAway),
        }
    }
}

/// Whether an orderStatus says that the order is over.
fn is_final(heard: &Heard<'_>) -> bool {
    let status = match heard.message.form {
        // orderId is the field before it, with or without the message version in front (text-layouts.md, 3).
        Form::Text => text::field(heard.message.body, if heard.version >= 131 { 2 } else { 3 }).ok(),
        Form::Proto => proto::get_str(heard.message.body, &[2]).ok().flatten(),
    };
    matches!(status, Some(b"Filled" | b"Cancelled" | b"ApiCancelled"))
}
