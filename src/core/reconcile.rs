//! What became of orders while there was no link: asked of the Gateway whenever one begins.
//!
//! ```text
//!   open orders --> executions --> completed orders, if anything is still missing --> what is in no list is unknown
//! ```
//!
//! Open orders that changed, fills that nobody heard of and orders that ended are told to their owners as if they
//! happened now. A list that was refused or cut short proves nothing, and **the others are asked for all the same**. An
//! order that the Gateway has spoken of is called unknown only after all three lists were complete; of one that it never
//! spoke of nothing is known but that it was sent, so that it is called unknown in either case. With an empty journal
//! nothing else is done before the lists are in, so that no order gets an id that the Gateway has seen (I4).

use rustc_hash::FxBuildHasher;

use super::compose::{self, id};
use super::io::Level;
use super::lanes::Ask;
use super::pacer::{Post, What};
use super::route::Heard;
use super::timers::Timer;
use super::{Core, Ctx};
use crate::ids::{ClientId, PermId, UpOrderId, UpReqId};
use crate::protocol::model::{Lane, Reuse, Role};

/// What is being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Step {
    /// Nothing.
    #[default]
    Idle,
    /// reqAllOpenOrders.
    Open,
    /// reqExecutions, under this id.
    Executions(UpReqId),
    /// reqCompletedOrders.
    Completed,
}

/// How far it is.
#[derive(Debug, Default)]
pub struct Reconcile {
    step: Step,
    /// Orders that left on an earlier link, are not over, and have not been heard of on this one.
    missing: indexmap::IndexSet<UpOrderId, FxBuildHasher>,
    /// Orders under twsmux's client id that it did not know before this link: from before it, or from another program. What
    /// happened to them until now, whoever placed them knows.
    adopted: indexmap::IndexSet<UpOrderId, FxBuildHasher>,
    /// The lists that did not come.
    refused: Vec<&'static str>,
    /// Average and last price of the fills of missing orders.
    prices: indexmap::IndexMap<UpOrderId, (String, String), FxBuildHasher>,
}

impl Reconcile {
    /// The Gateway has spoken of an order on this link.
    pub fn seen(&mut self, up: UpOrderId) {
        self.missing.swap_remove(&up);
    }

    /// The Gateway speaks of an order that twsmux did not know.
    pub fn adopt(&mut self, up: UpOrderId) {
        if self.step != Step::Idle {
            self.adopted.insert(up);
        }
    }

    /// Whether what happened to an order until now is no news to its owner.
    pub fn is_adopted(&self, up: UpOrderId) -> bool {
        self.adopted.contains(&up)
    }

    /// Whether this is twsmux's own execution query.
    pub fn is_query(&self, request: UpReqId) -> bool {
        self.step == Step::Executions(request)
    }

    /// An execution is part of the answer to it.
    pub fn executed(&mut self, up: Option<UpOrderId>, heard: &Heard<'_>) {
        let Some(up) = up.filter(|up| self.missing.contains(up)) else { return };
        let field = |name| heard.shape.field(&heard.message, name).ok().flatten().unwrap_or_default();
        self.prices.insert(up, (field("avgPrice"), field("price")));
    }
}

impl Core {
    /// A link is up: begins to ask.
    pub(super) fn begin_reconcile(&mut self, ctx: &mut Ctx<'_>) {
        self.knows_open_orders = false;
        self.reconcile = Reconcile {
            step: Step::Open,
            missing: self.orders.outstanding().map(|(up, _)| up).collect(),
            ..Reconcile::default()
        };
        self.ask_list(ctx, Lane::OpenOrders, id::REQ_ALL_OPEN_ORDERS);
    }

    fn ask_list(&mut self, ctx: &mut Ctx<'_>, lane: Lane, message: u16) {
        let mut frame = bytes::BytesMut::new();
        compose::bare_request(message, self.server_version(), &mut frame);
        let reuse = crate::protocol::request(message.into()).map_or(Reuse::Never, |r| r.reuse);
        let (subject, frame) = (self.lane_subject(message, &frame), frame.freeze());
        let ask = Ask { askers: Vec::new(), own: true, line: None, subject, reuse, frame };
        if self.lanes.ask(lane, 0, ask) {
            self.lane_turn(ctx, lane, 0);
        }
    }

    /// A list that twsmux asked for in a lane is complete.
    pub(super) fn own_list_done(&mut self, ctx: &mut Ctx<'_>, lane: Lane) {
        self.knows_open_orders |= (lane, self.reconcile.step) == (Lane::OpenOrders, Step::Open);
        match (lane, self.reconcile.step) {
            (Lane::OpenOrders, Step::Open) | (Lane::CompletedOrders, Step::Completed) => self.next_list(ctx),
            _ => {}
        }
    }

    /// The answer to twsmux's own execution query is complete.
    pub(super) fn own_query_done(&mut self, ctx: &mut Ctx<'_>, request: UpReqId) {
        self.queries.shift_remove(&request);
        self.timers.disarm(Timer::Reconcile);
        self.next_list(ctx);
    }

    /// A list was refused or does not end: nothing can be concluded from what is missing in it.
    pub(super) fn reconcile_failed(&mut self, ctx: &mut Ctx<'_>, why: &str) {
        let what = match self.reconcile.step {
            Step::Idle => return,
            Step::Open => "open orders",
            Step::Executions(request) => {
                self.queries.shift_remove(&request);
                self.requests.rest(request, crate::ids::DownReqId(-1), id::REQ_EXECUTIONS);
                self.timers.disarm(Timer::Reconcile);
                "executions"
            }
            Step::Completed => "completed orders",
        };
        let n = self.reconcile.missing.len();
        let words = format!(
            "the Gateway did not list its {what} ({why}): what became of {n} orders while there was no connection may \
             stay unknown here; their owners see it when they ask"
        );
        self.note(ctx, Level::Warn, words);
        self.reconcile.refused.push(what);
        self.next_list(ctx);
    }

    /// A list has come, or will not: asks for the next one.
    fn next_list(&mut self, ctx: &mut Ctx<'_>) {
        match self.reconcile.step {
            Step::Open => {
                let request = self.requests.reserve();
                self.reconcile.step = Step::Executions(request);
                self.queries.insert(request, Default::default());
                self.enqueue(ctx, Post::own(What::Executions), |v, out| {
                    compose::all_executions(v, request.0, out)
                });
            }
            Step::Executions(_)
                if self.server_version() >= COMPLETED_SINCE
                    && (self.is_learning() || !self.reconcile.missing.is_empty()) =>
            {
                self.reconcile.step = Step::Completed;
                self.ask_list(ctx, Lane::CompletedOrders, id::REQ_COMPLETED_ORDERS);
            }
            Step::Idle => {}
            _ => self.conclude(ctx),
        }
    }

    /// No more lists: what is in none of them is unknown. Where one did not come, what the Gateway has spoken of stays as
    /// it was.
    fn conclude(&mut self, ctx: &mut Ctx<'_>) {
        let done = std::mem::take(&mut self.reconcile);
        for up in done.missing {
            if done.refused.is_empty() {
                let orders = match self.server_version() >= COMPLETED_SINCE {
                    true => "the open and completed orders",
                    false => "the open orders",
                };
                if done.prices.contains_key(&up) {
                    let words = format!(
                        "Order Message:\nWarning: the Gateway lists executions of this order and not the order itself among \
                         {orders}: it is over, and how it ended is unknown. Its executions tell what was filled."
                    );
                    self.tell_about_order(ctx, up, super::codes::ORDER_MESSAGE, &words);
                    self.orders.end(up);
                    continue;
                }
                let why = format!(
                    "the Gateway lists this order neither among {orders} nor in the executions of the day"
                );
                self.order_is_lost(ctx, up, &why);
            } else if self.orders.get(up).is_some_and(|o| !o.arrived) {
                let lists = done.refused.join(", its ");
                let why = format!("the Gateway did not list its {lists}, and has said nothing of this order");
                self.order_is_lost(ctx, up, &why);
            }
        }
        self.commit(ctx);
        self.learnt(ctx);
    }

    /// A completed order in the answer to twsmux: its id is used up, and if it is missing, this is how it ended.
    pub(super) fn hear_completed(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>) {
        let client = heard.int(Role::ClientId);
        let order = heard.int(Role::OrderId).filter(|id| *id != 0);
        if let (Some(client), Some(order)) = (client, order) {
            self.orders.completed(ClientId(client), order);
        }
        let ours = order.filter(|_| client == Some(self.config.upstream_client_id.0)).map(UpOrderId);
        let field = |name| heard.shape.field(&heard.message, name).ok().flatten();
        // In text only the permanent id tells which order it is.
        let perm = || field("permId").and_then(|p| p.parse().ok()).map(PermId);
        let Some(up) = ours.or_else(|| self.orders.by_perm(perm()?)) else { return };
        if !self.reconcile.missing.swap_remove(&up) {
            return;
        }
        let number = |name| field(name).and_then(|n| n.parse::<f64>().ok()).unwrap_or_default();
        let (filled, quantity) = (number("filledQuantity"), number("totalQuantity"));
        let (average, last) = self.reconcile.prices.get(&up).cloned().unwrap_or_default();
        let Some(known) = self.orders.get(up) else { return };
        let parent = known.parent.map_or(0, |p| p.0);
        let status = field("status").unwrap_or_default();
        let status = compose::Status {
            order: up.0,
            status: &status,
            filled: &filled.to_string(),
            remaining: &(quantity - filled).max(0.0).to_string(),
            average: if average.is_empty() { "0" } else { &average },
            last: if last.is_empty() { "0" } else { &last },
            perm: perm().map_or(known.perm.0, |p| p.0),
            parent,
            client: self.config.upstream_client_id.0,
        };
        let payload = compose::order_status(self.server_version(), &status);
        let perm = perm();
        self.orders.arrived(up, perm);
        self.orders.end(up);
        self.commit(ctx);
        self.gateway_says(ctx, up, &payload);
    }
}

/// First server version with completed orders.
const COMPLETED_SINCE: u16 = 150;
