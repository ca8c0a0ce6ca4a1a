//! What clients do with orders: place, modify, exercise, cancel (I4, I5, I7).
//!
//! An order is mapped, recorded, and queued in the line of its owner; it leaves once its record is on disk. Modifications
//! and cancels stand in the same line. **What is refused here never reaches the Gateway**, and an order that has not left
//! is cancelled here.

use bytes::Bytes;

use super::client::Phase;
use super::compose;
use super::orders::{Flight, Placement};
use super::pacer::{Post, Queued, What};
use super::policy::GlobalCancel;
use super::timers::Timer;
use super::{Core, Ctx, ask::Asked, codes};
use crate::ids::{ClientId, ClientKey, DownOrderId, UpOrderId};
use crate::limits;
use crate::protocol::model::Role;
use crate::time::Time;

/// What to do about an order whose fate is unknown, in words for [`codes::ORDER_MESSAGE`].
const CHECK: &str = "Check the open orders, the executions and the positions before placing it again";

/// What the Gateway says of a cancel that worked.
const CANCELLED: &str = "Order Canceled - reason:";

/// Why orders that wait are cancelled all at once.
const GLOBAL_CANCEL: &str = "a global cancel came";

impl Core {
    /// placeOrder and exerciseOptions: a new order, or the modification of a known one.
    pub(super) fn place_order(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let Some(down) = asked.int(Role::OrderId) else { return };
        let known = self.orders.find(asked.client_id, DownOrderId(down));
        if down <= 0 && known.is_none() {
            let words = format!("Error validating request: order id {down} is not above 0.");
            return self.send_error(ctx, asked.key, down, codes::INVALID, &words);
        }
        if known.is_none()
            && let Some(why) = self.ledger.refusal()
        {
            return self.refuse_order(ctx, asked, &why);
        }
        let parent = match self.parent_of(asked, known) {
            Ok(parent) => parent,
            Err(why) => return self.refuse_order(ctx, asked, &why),
        };
        let placement = self.orders.place(asked.client_id, DownOrderId(down));
        let up = match placement {
            Placement::New(up) | Placement::Modify(up) => up,
            Placement::Reused => {
                let words = "Duplicate order id: it must be above every order id used before.";
                return self.send_error(ctx, asked.key, down, codes::DUPLICATE_ORDER_ID, words);
            }
            Placement::Foreign => return self.refuse_foreign(ctx, asked, "modification"),
            Placement::Full => return self.refuse_order(ctx, asked, "no more orders can be remembered"),
        };
        let mut edits = [
            (Role::OrderId, i64::from(up.0)),
            (Role::ParentOrderId, parent.map_or(0, |p| p.0.into())),
            // Only protobuf orders carry a client id: the one that the Gateway knows.
            (Role::ClientId, i64::from(self.config.upstream_client_id.0)),
            (Role::StopLossOrderId, 0),
            (Role::ProfitTakerOrderId, 0),
        ];
        let mut made = Vec::new();
        if let Placement::New(up) = placement {
            made.push(up);
        }
        // By rising ids, which are what a new order must have.
        let mut attaches: Vec<_> = edits[3..]
            .iter_mut()
            .filter_map(|(role, attached)| Some((asked.int(*role).filter(|id| *id > 0)?, attached)))
            .collect();
        attaches.sort_unstable_by_key(|(wanted, _)| *wanted);
        for (wanted, attached) in attaches {
            match self.orders.place(asked.client_id, DownOrderId(wanted)) {
                Placement::New(other) => {
                    made.push(other);
                    *attached = other.0.into();
                }
                Placement::Modify(other) => *attached = other.0.into(),
                // A client's own number must not go upstream: there it is somebody else's order.
                Placement::Reused | Placement::Foreign | Placement::Full => {
                    made.into_iter().for_each(|up| self.orders.withdraw(up));
                    let words = format!(
                        "Duplicate order id: the attached order {wanted} must be above every order id used before."
                    );
                    return self.send_error(ctx, asked.key, down, codes::DUPLICATE_ORDER_ID, &words);
                }
            }
        }
        let attached: Vec<UpOrderId> = made.into_iter().filter(|other| *other != up).collect();
        for attached in &attached {
            if let Some(order) = self.orders.get_mut(*attached) {
                order.parent = Some(up);
                order.is_attached = true;
            }
        }
        let quantity = asked.shape.field(&asked.message, "totalQuantity").ok().flatten();
        if let Some(order) = self.orders.get_mut(up) {
            order.parent = parent;
            order.is_attached = false;
            order.attached.extend(attached);
            if !order.arrived {
                order.quantity = Bytes::from(quantity.unwrap_or_default());
            }
        }
        let before = self.ledger.last();
        let after = self.commit(ctx);
        let post = Post::of(asked.key, What::Order(up))
            .in_line_of(asked.client_id)
            .after(if after > before { after } else { 0 });
        self.forward(ctx, asked, post, &edits);
        if !self.timers.is_armed(Timer::OrderWait) {
            self.timers.arm(Timer::OrderWait, ctx.now + self.config.limits.order_wait);
        }
    }

    /// The parent that an order names, by its id at the Gateway.
    fn parent_of(&self, asked: &Asked<'_>, order: Option<UpOrderId>) -> Result<Option<UpOrderId>, String> {
        let parent = asked.int(Role::ParentOrderId).unwrap_or(0);
        let known = self.orders.find(asked.client_id, DownOrderId(parent)).filter(|_| parent != 0);
        // What waits of it names its parent already, and the two leave or do not leave together.
        if order.and_then(|up| self.orders.get(up)).is_some_and(|o| !o.sent && !o.dead && o.parent != known) {
            return Err("it has not left yet, and until then it keeps its parent".to_owned());
        }
        if parent == 0 {
            return Ok(None);
        }
        match known.and_then(|up| Some((up, self.orders.get(up)?))) {
            None => Err(format!("the parent order {parent} is not known")),
            Some((_, order)) if order.dead && !order.sent => {
                Err(format!("the parent order {parent} was cancelled before it left"))
            }
            // The child may leave before it, and it may never leave.
            Some((up, parent_order)) if !parent_order.sent && order.is_some_and(|child| child < up) => {
                Err(format!("the parent order {parent} was placed after it and has not left yet"))
            }
            Some((up, _)) => Ok(Some(up)),
        }
    }

    /// Refuses an order: a new one is dead, a modification leaves the order as it is.
    pub(super) fn refuse_order(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, why: &str) {
        let down = asked.int(Role::OrderId).unwrap_or(-1);
        let known = self.orders.find(asked.client_id, DownOrderId(down));
        let modifies = known.and_then(|up| self.orders.get(up)).is_some_and(|o| !o.dead);
        if !modifies && down > 0 {
            self.orders.used(asked.client_id, down);
        }
        let (code, words) = refusal(!modifies, why);
        self.send_error(ctx, asked.key, down, code, &words);
    }

    /// A client's own order, but one that it placed directly at the Gateway: only that connection may change it.
    fn refuse_foreign(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, what: &str) {
        let down = asked.int(Role::OrderId).unwrap_or(-1);
        let words = format!(
            "Order Message:\nWarning: the {what} was not sent: order {down} was placed on a direct connection to the Gateway \
             under client id {}, and the Gateway lets nobody else change it. Change it there or in the Gateway's own window.",
            asked.client_id
        );
        self.send_error(ctx, asked.key, down, codes::ORDER_MESSAGE, &words);
    }

    // ---- cancels ----

    pub(super) fn cancel_order(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let Some(down) = asked.int(Role::OrderId) else { return };
        let (client, down) = (asked.client_id, DownOrderId(down));
        if let Some(up) = self.orders.find(client, down) {
            return self.cancel_known(ctx, asked, up);
        }
        if self.orders.is_foreign(client, down) {
            return self.refuse_foreign(ctx, asked, "cancel");
        }
        let mut words = format!("OrderId {down} that needs to be cancelled is not found.");
        if self.config.policies.of(client).cancel_foreign {
            match self.orders.called(down)[..] {
                [up] => return self.cancel_known(ctx, asked, up),
                [] => {}
                ref several => {
                    let owners: Vec<String> = several
                        .iter()
                        .filter_map(|up| Some(self.orders.get(*up)?.owner.to_string()))
                        .collect();
                    words = format!(
                        "{words} Clients {} each have an order {down}; only its owner can say which one.",
                        owners.join(", ")
                    );
                }
            }
        }
        self.send_error(ctx, asked.key, down.0, codes::ORDER_NOT_FOUND, &words);
    }

    fn cancel_known(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, up: UpOrderId) {
        let leaves_with_parent = self.orders.leaves_with_parent(up);
        let Some(order) = self.orders.get_mut(up) else { return };
        let (owner, down) = (order.owner, order.down);
        let by_another = owner != asked.client_id;
        if by_another && order.sent {
            order.canceller = Some(asked.key);
        }
        match (order.sent, order.dead) {
            // Only behind that one can it be cancelled.
            (false, false) if leaves_with_parent => {
                let post = Post::of(asked.key, What::CancelOrder(Some(up))).in_line_of(owner);
                self.forward(ctx, asked, post, &[(Role::OrderId, up.0.into())]);
            }
            (false, false) => {
                self.cancel_unsent(ctx, up);
                if by_another {
                    self.send_error(ctx, asked.key, down.0, codes::ORDER_CANCELLED, CANCELLED);
                }
            }
            (false, true) => {
                let words = format!(
                    "OrderId {down} that needs to be cancelled cannot be cancelled, state: Cancelled."
                );
                self.send_error(ctx, asked.key, down.0, codes::NOT_CANCELLABLE, &words);
            }
            (true, _) => {
                // It must not wait for the disk with orders that it has nothing to do with.
                let concerns = |what| match what {
                    What::Order(of) | What::CancelOrder(Some(of)) => {
                        of == up || self.orders.get(of).is_some_and(|o| o.parent == Some(up))
                    }
                    _ => false,
                };
                let beside = !self.pacer.waits(owner, concerns);
                let post = Post::of(asked.key, What::CancelOrder(Some(up))).in_line_of(owner).beside(beside);
                self.forward(ctx, asked, post, &[(Role::OrderId, up.0.into())]);
            }
        }
    }

    /// An order that has not left is cancelled here, and with it what was to follow it: its modifications and its
    /// children (I7).
    fn cancel_unsent(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId) {
        for member in self.void_family(up) {
            self.orders.end(member);
            self.commit(ctx);
            self.say_cancelled(ctx, member);
        }
    }

    /// Takes an unsent order and its unsent children out of the queue, with everything that concerns them. Returns
    /// them, parents first.
    fn void_family(&mut self, up: UpOrderId) -> Vec<UpOrderId> {
        let mut family = vec![up];
        let mut at = 0;
        while at < family.len() {
            for child in self.orders.unsent_children(family[at]) {
                if !family.contains(&child) {
                    family.push(child);
                }
            }
            at += 1;
        }
        let concerns = |q: &Queued| match q.post.what {
            What::Order(of) | What::CancelOrder(Some(of)) => family.contains(&of),
            _ => false,
        };
        for queued in self.pacer.void(concerns) {
            self.account_for(&queued);
        }
        family
    }

    /// Tells the owner that an order is cancelled, as the Gateway would: orderStatus, then 202.
    fn say_cancelled(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId) {
        let Some(order) = self.orders.get(up) else { return };
        let version = self.speeches.upstream().version();
        let status = compose::Status {
            order: up.0,
            status: "Cancelled",
            filled: "0",
            remaining: std::str::from_utf8(&order.quantity).unwrap_or("0"),
            average: "0",
            last: "0",
            perm: order.perm.0,
            parent: order.parent.map_or(0, |p| p.0),
            client: self.config.upstream_client_id.0,
        };
        let status = compose::order_status(version, &status);
        self.gateway_says(ctx, up, &status);
        self.tell_about_order(ctx, up, codes::ORDER_CANCELLED, CANCELLED);
    }

    // ---- all at once ----

    pub(super) fn global_cancel(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let client = asked.client_id;
        match self.config.policies.of(client).global_cancel {
            GlobalCancel::Forward => {
                self.void_orders(ctx, |_| true, GLOBAL_CANCEL);
                self.suspect(ctx, asked.key);
                let post = Post::of(asked.key, What::CancelOrder(None)).in_line_of(client);
                self.forward(ctx, asked, post, &[]);
            }
            GlobalCancel::Own => self.cancel_all_of(ctx, client, Some(asked.key)),
            GlobalCancel::Deny => {
                let words = "Error validating request: the policy of this client id (global_cancel = \"deny\") does not \
                             allow reqGlobalCancel; cancel single orders instead.";
                self.send_error(ctx, asked.key, -1, codes::INVALID, words);
            }
        }
    }

    /// Cancels everything that lives of one client: at the Gateway what has left, here what has not.
    pub(super) fn cancel_all_of(&mut self, ctx: &mut Ctx<'_>, client: ClientId, key: Option<ClientKey>) {
        let why = key.map_or("its client's connection ended", |_| GLOBAL_CANCEL);
        self.void_orders(ctx, |owner| owner == client, why);
        let live: Vec<UpOrderId> = self.orders.live_of(client).map(|(up, _)| up).collect();
        for up in live {
            let post = Post { client: key, ..Post::own(What::CancelOrder(Some(up))) }.in_line_of(client);
            self.enqueue(ctx, post, |v, out| compose::cancel_order(v, up.0, out));
        }
    }

    /// Orders and modifications that wait do not leave any more: new ones are cancelled, others stay as they are.
    fn void_orders(&mut self, ctx: &mut Ctx<'_>, whose: impl Fn(ClientId) -> bool, why: &str) {
        let waiting = |q: &Queued| matches!(q.post.what, What::Order(_)) && q.post.line.is_some_and(&whose);
        for queued in self.pacer.void(waiting) {
            self.account_for(&queued);
            let What::Order(up) = queued.post.what else { continue };
            match self.orders.get(up).map(|o| (o.sent, o.dead)) {
                Some((false, false)) => self.cancel_unsent(ctx, up),
                Some((true, _)) => {
                    self.order_not_sent(ctx, up, &format!("{why} before it could leave"));
                }
                _ => {} // a modification of one that has just been cancelled
            }
        }
    }

    // ---- what becomes of orders that wait ----

    /// A frame of an order leaves.
    pub(super) fn order_sent(&mut self, now: Time, up: UpOrderId, flight: Flight) {
        let attached = self.orders.get_mut(up).map(|o| std::mem::take(&mut o.attached)).unwrap_or_default();
        for up in attached {
            self.order_sent(now, up, Flight::New);
        }
        let Some(order) = self.orders.leaves(up) else { return };
        if flight != Flight::New {
            order.amended = Some(now);
        }
        let flight = match flight {
            // What was not confirmed is still not confirmed, whatever follows it.
            _ if order.flight == Some(Flight::New) => Flight::New,
            other => other,
        };
        order.flight = Some(flight);
        self.in_flight.insert(up);
    }

    /// The cancel of an order leaves.
    pub(super) fn cancel_sent(&mut self, now: Time, up: UpOrderId) {
        let Some(order) = self.orders.leaves(up) else { return };
        order.amended = Some(now);
        order.cancelling = true;
        self.in_flight.insert(up);
    }

    /// A global cancel leaves. It is remembered while its sender is there and may wonder whether it arrived.
    pub(super) fn global_cancel_sent(&mut self, ctx: &Ctx<'_>, client: Option<ClientKey>) {
        self.last_global_cancel = Some(ctx.now);
        if let Some(key) =
            client.filter(|key| self.clients.get(*key).is_some_and(|c| c.phase == Phase::Ready))
        {
            self.global_cancels.insert(key, ctx.now);
        }
    }

    /// The Gateway has answered what was under way of an order; its cancel only where it says so.
    pub(super) fn order_answered(&mut self, up: UpOrderId, its_cancel_too: bool) {
        let Some(order) = self.orders.get_mut(up) else { return };
        order.flight = None;
        order.cancelling &= !its_cancel_too;
        if !order.cancelling {
            self.in_flight.shift_remove(&up);
        }
    }

    /// An order was refused before there was one: what was to be attached to it never came to be.
    pub(super) fn attached_end_with(&mut self, parent: UpOrderId) {
        let attached = |up: &UpOrderId| {
            self.orders.get(*up).is_some_and(|o| o.is_attached && o.parent == Some(parent) && !o.arrived)
        };
        let attached: Vec<UpOrderId> = self.in_flight.iter().copied().filter(attached).collect();
        for up in attached {
            self.order_answered(up, true);
            self.orders.end(up);
            self.reconcile.seen(up);
        }
    }

    /// A queued order was taken back before it left.
    pub(super) fn order_not_sent(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId, why: &str) {
        let Some(order) = self.orders.get(up) else { return };
        let is_new = !order.sent;
        if is_new && order.dead {
            return; // told already: the order itself, of which this is a modification
        }
        let (code, words) = refusal(is_new, why);
        self.tell_about_order(ctx, up, code, &words);
        let attached = self.orders.get_mut(up).map(|o| std::mem::take(&mut o.attached)).unwrap_or_default();
        if is_new {
            self.orders.withdraw(up);
            self.commit(ctx);
        }
        for child in attached {
            self.order_not_sent(ctx, child, "the order that it is attached to was not sent");
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
        let words = format!("Order Message:\nWarning: the cancel was not sent to the Gateway: {why}.");
        match (up, client) {
            (Some(up), None) => self.tell_about_order(ctx, up, codes::ORDER_MESSAGE, &words),
            // Its owner's, also when that connection is over.
            (Some(up), Some(key)) if self.clients.get(key).is_none_or(|c| c.phase != Phase::Ready) => {
                self.tell_about_order(ctx, up, codes::ORDER_MESSAGE, &words);
            }
            (up, Some(key)) => {
                let id = up.and_then(|up| self.orders.get(up)).map_or(-1, |o| o.down.0);
                self.send_error(ctx, key, id, codes::ORDER_MESSAGE, &words);
            }
            (None, None) => {}
        }
    }

    /// What was under way of orders may be lost: the link broke, or the Gateway took no notice of some messages.
    pub(super) fn report_flights(&mut self, ctx: &mut Ctx<'_>, why: &str) {
        for up in std::mem::take(&mut self.in_flight) {
            let Some(order) = self.orders.get_mut(up) else { continue };
            let (flight, cancelling) = (order.flight.take(), std::mem::take(&mut order.cancelling));
            if flight == Some(Flight::New)
                && self.order_is_lost(ctx, up, &format!("{why} right after this order was sent"))
            {
                continue; // which says it of its cancel too
            }
            let amendments = [(flight == Some(Flight::Modify), "modification"), (cancelling, "cancel")];
            for (_, what) in amendments.iter().filter(|(is_under_way, _)| *is_under_way) {
                let words = format!(
                    "Order Message:\nWarning: {why} right after the {what} of this order was sent; whether it arrived \
                     is unknown. Check the open orders."
                );
                self.tell_about_order(ctx, up, codes::ORDER_MESSAGE, &words);
            }
        }
        let since = ctx.now - limits::GLOBAL_CANCEL_TIME;
        for (key, _) in std::mem::take(&mut self.global_cancels).into_iter().filter(|(_, at)| *at >= since) {
            let words = format!(
                "Order Message:\nWarning: {why} right after this global cancel was sent; whether it arrived is not \
                 known. Check the open orders, and cancel again what is still there."
            );
            self.send_error(ctx, key, -1, codes::ORDER_MESSAGE, &words);
        }
    }

    /// Nobody knows what became of an order: its owner is told so, once. `true`: now.
    pub(super) fn order_is_lost(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId, why: &str) -> bool {
        if !self.orders.lose(up) {
            return false;
        }
        self.stats.unknown_orders += 1;
        let words = format!("Order Message:\nWarning: {why}; whether it is live is unknown. {CHECK}.");
        self.tell_about_order(ctx, up, codes::ORDER_MESSAGE, &words);
        true
    }

    /// Orders that have waited too long are refused rather than sent late (I7); a cancel never is.
    pub(super) fn refuse_late_orders(&mut self, ctx: &mut Ctx<'_>) {
        let (now, wait) = (ctx.now, self.config.limits.order_wait);
        let late = |q: &Queued| matches!(q.post.what, What::Order(_)) && q.since + wait <= now;
        let why = match self.ledger.is_broken() {
            true => self.ledger.refusal().unwrap_or_default(),
            false => format!(
                "it waited {} s for its turn; too many messages wait for the Gateway, or the disk of the journal is slow",
                wait.as_secs_f64()
            ),
        };
        self.refuse_waiting(ctx, late, &why);
        if let Some(since) = self.pacer.oldest_order() {
            self.timers.arm(Timer::OrderWait, since + wait);
        }
    }

    /// Takes orders out of the queue and refuses them, and with new ones everything that was to follow: their children,
    /// and the later orders beside them under the same parent, one of which might set the parent off.
    pub(super) fn refuse_waiting(&mut self, ctx: &mut Ctx<'_>, which: impl Fn(&Queued) -> bool, why: &str) {
        for queued in self.pacer.void(which) {
            self.account_for(&queued);
            let What::Order(up) = queued.post.what else { continue };
            let Some((sent, dead)) = self.orders.get(up).map(|o| (o.sent, o.dead)) else { continue };
            match (sent, dead) {
                (false, false) => {
                    self.refuse_family(ctx, up, why);
                    let Some((down, parent)) = self.orders.get(up).map(|o| (o.down, o.parent)) else {
                        continue;
                    };
                    let why = format!("the order beside it, {down}, could not be sent");
                    let mut beside =
                        parent.map(|parent| self.orders.unsent_children(parent)).unwrap_or_default();
                    beside.sort_unstable();
                    for other in beside.into_iter().filter(|other| *other > up) {
                        // One that is attached leaves with its parent.
                        if self.orders.get(other).is_some_and(|o| !o.dead && !o.is_attached) {
                            self.refuse_family(ctx, other, &why);
                        }
                    }
                }
                (false, true) => {} // refused with its order
                (true, _) => self.order_not_sent(ctx, up, why),
            }
        }
    }

    /// Refuses a new order that waits, and its children that wait.
    fn refuse_family(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId, why: &str) {
        for (n, member) in self.void_family(up).into_iter().enumerate() {
            let why = if n == 0 { why } else { "its parent order was not sent" };
            self.order_not_sent(ctx, member, why);
        }
    }
}

/// Code and words for an order that was not sent: a new one is dead, a modification leaves its order as it is.
fn refusal(is_new: bool, why: &str) -> (u16, String) {
    match is_new {
        true => (codes::ORDER_REJECTED, format!("Order rejected - reason: not sent to the Gateway: {why}.")),
        false => (
            codes::ORDER_MESSAGE,
            format!("Order Message:\nWarning: the modification was not sent to the Gateway: {why}."),
        ),
    }
}
