//! Requests without an id: carried out one after the other where only their order tells the answers apart, or answered
//! here.

use bytes::Bytes;

use super::answers::Source;
use super::ask::Asked;
use super::compose::{self, id};
use super::lanes::{Ask, Asker};
use super::orders::Order;
use super::pacer::{Post, What};
use super::questions::Place;
use super::route::Heard;
use super::stats::Saved;
use super::timers::Timer;
use super::{Core, Ctx, codes};
use crate::ids::{ClientKey, UpOrderId};
use crate::limits;
use crate::protocol::model::{Lane, Local, Reuse, Role, Route};

impl Core {
    /// Remembers who sent a request without id, for errors without id.
    pub(super) fn suspect(&mut self, ctx: &Ctx<'_>, key: ClientKey) {
        if self.suspects.len() >= limits::MAX_SUSPECTS {
            self.suspects.pop_front();
        }
        self.suspects.push_back((key, ctx.now));
    }

    pub(super) fn ask_lane(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, lane: Lane) {
        let lane_key = asked.shape.int(&asked.message, Role::LaneKey).ok().flatten().unwrap_or(0);
        let (message, decl) = (asked.shape.decl.message.id, asked.shape.decl);
        let asker = Asker { client: asked.key, message };
        let mut frame = bytes::BytesMut::new();
        // As client id 0 at the Gateway, reqOpenOrders binds manual orders: only its namesake may do that.
        // For the others all orders are asked for and their own picked out.
        let upstream = match message {
            id::REQ_OPEN_ORDERS if asked.client_id.0 != 0 || self.config.upstream_client_id.0 != 0 => {
                compose::bare_request(id::REQ_ALL_OPEN_ORDERS, self.server_version(), &mut frame);
                id::REQ_ALL_OPEN_ORDERS
            }
            _ => {
                asked.put(&[], &mut frame);
                message
            }
        };
        let about_orders = matches!(lane, Lane::OpenOrders | Lane::CompletedOrders);
        let line = about_orders.then_some(asked.client_id);
        if !self.is_ready() {
            let place = Place { lane: (lane, lane_key), message: upstream, line };
            return self.ask_later(ctx, asked, place, &frame.freeze());
        }
        let subject = self.lane_subject(upstream, &frame);
        // What is about orders must see what its asker did before.
        if !about_orders || self.is_quiet(asked.client_id) {
            let is_next = !self.lanes.waits(lane, lane_key, asked.key);
            if let Some(kept) = self.recall(ctx.now, &subject, decl.reuse).filter(|_| is_next) {
                self.stats.saved(Saved::Kept);
                return self.serve_list(ctx, asker, &kept);
            }
            if is_next && message == id::REQ_OPEN_ORDERS && self.serve_own_orders(ctx, asked) {
                return;
            }
            let changes = self.order_changes;
            let fits = |at| !about_orders || at == changes;
            if self.lanes.len() < limits::MAX_LANE_REQUESTS
                && self.lanes.join(lane, lane_key, &subject, asker, fits)
            {
                return self.stats.saved(Saved::Joined);
            }
        }
        if self.lanes.len() >= limits::MAX_LANE_REQUESTS {
            for (lane, key) in self.lanes.drop_abandoned() {
                self.timers.disarm(Timer::Lane(lane, key));
                self.answers.give_up(Source::Lane(lane, key));
            }
        }
        if self.lanes.len() >= limits::MAX_LANE_REQUESTS {
            let words = "too many requests of this kind wait for the Gateway";
            return self.unavailable(ctx, asked, words);
        }
        let (askers, frame) = (vec![asker], frame.freeze());
        let ask = Ask { askers, own: false, line, subject, reuse: decl.reuse, frame };
        if self.lanes.ask(lane, lane_key, ask) {
            self.lane_turn(ctx, lane, lane_key);
        }
    }

    /// The request at the head of a lane goes upstream, unless it has been answered meanwhile.
    pub(super) fn lane_turn(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        while let Some(ask) = self.lanes.head(lane, lane_key).cloned() {
            let may_serve = !ask.own && ask.line.is_none_or(|owner| self.is_quiet(owner));
            let kept = may_serve.then(|| self.recall(ctx.now, &ask.subject, ask.reuse)).flatten();
            let Some(kept) = kept else {
                let client = ask.askers.first().filter(|_| !ask.own).map(|asker| asker.client);
                let post = Post { client, line: ask.line, ..Post::own(What::Lane(lane, lane_key)) };
                self.enqueue(ctx, post, |_, out| out.extend_from_slice(&ask.frame));
                if !ask.own {
                    self.timers.arm(Timer::Lane(lane, lane_key), ctx.now + limits::LANE_TIME);
                }
                return;
            };
            for asker in ask.askers {
                self.stats.saved(Saved::Kept);
                self.serve_list(ctx, asker, &kept);
            }
            self.lanes.done(lane, lane_key);
        }
    }

    /// A lane's request has left.
    pub(super) fn lane_sent(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64, is_own_list: bool) {
        self.lanes.sent(lane, lane_key, self.order_changes);
        if is_own_list {
            self.timers.arm(Timer::Lane(lane, lane_key), ctx.now + limits::RECONCILE_TIME);
        }
        if let Some(ask) = self.lanes.head(lane, lane_key).filter(|ask| ask.reuse != Reuse::Never) {
            self.answers.expect(Source::Lane(lane, lane_key), ask.subject.clone(), self.order_changes);
        }
    }

    /// Tells an asker a list that is kept.
    fn serve_list(&mut self, ctx: &mut Ctx<'_>, asker: Asker, kept: &[Bytes]) {
        let dialect = self.speeches.upstream().clone();
        for heard in kept.iter().filter_map(|payload| Heard::new(&dialect, payload)) {
            match heard.shape.decl.route {
                // How an order ended, before the completed ones: for its owner.
                Route::Order => self.tell_own_end(ctx, asker.client, &heard),
                _ => self.tell_listed(ctx, asker.client, &heard),
            }
        }
    }

    /// Tells an asker of its own open orders what twsmux knows of them, if that is all: the Gateway has listed them when
    /// the link began, nothing is under way that it has not spoken of or may have spoken of only as it was before, all that are not over work, and none was placed
    /// without twsmux.
    fn serve_own_orders(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) -> bool {
        let owner = asked.client_id;
        let binds = owner.0 == 0 && self.config.upstream_client_id.0 == 0;
        let since = ctx.now - limits::GLOBAL_CANCEL_TIME;
        let amended = ctx.now - limits::AMENDMENT_TIME;
        let lately = |o: &Order| o.amended.is_some_and(|at| at >= amended);
        // A cancel that is not answered counts for some time, also that of an order that is over.
        let is_under_way = |o: &Order| o.flight.is_some() || o.cancelling && lately(o);
        let under_way =
            |up: &UpOrderId| self.orders.get(*up).is_some_and(|o| o.owner == owner && is_under_way(o));
        let known = !binds
            && self.is_quiet(owner)
            && self.knows_open_orders
            && !self.in_flight.iter().any(under_way)
            && self.last_global_cancel.is_none_or(|at| at < since)
            && !self.orders.has_direct(owner)
            && !self.orders.live_of(owner).any(|(_, o)| lately(o))
            && self.all_work(owner);
        if known {
            self.stats.saved(Saved::Known);
            self.tell_own_orders(ctx, asked.key, owner);
            self.send(ctx, asked.key, compose::open_order_end);
        }
        known
    }

    /// The end of a lane's answer has come: the next one's turn.
    pub(super) fn lane_done(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        self.timers.disarm(Timer::Lane(lane, lane_key));
        if self.lanes.done(lane, lane_key).is_some() {
            self.lane_turn(ctx, lane, lane_key);
        }
    }

    /// The askers and all who wait behind them are told; the lane stays shut until its end marker or a new link.
    pub(super) fn lane_timeout(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        let (askers, own) = self.lanes.give_up(lane, lane_key);
        if own {
            self.reconcile_failed(ctx, &format!("no end within {} s", limits::LANE_TIME.as_secs()));
        }
        self.timers.arm(Timer::Lane(lane, lane_key), ctx.now + limits::LANE_TIME);
        for Asker { client, message } in askers {
            let name = crate::protocol::request(u32::from(message)).map_or("request", |r| r.message.name);
            let words = format!(
                "Error processing request: the Gateway did not finish its answer to {name} within {} s. Try again \
                 later.",
                limits::LANE_TIME.as_secs()
            );
            self.send_error(ctx, client, -1, codes::NOT_PROCESSED, &words);
        }
    }

    pub(super) fn answer_locally(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, local: Local) {
        let key = asked.key;
        match local {
            Local::StartApi => {
                let words = "startApi was sent before; it is not carried out again.";
                self.send_error(ctx, key, -1, codes::INVALID, words);
            }
            Local::NextValidId => {
                let next = self.orders.next_valid_id(asked.client_id);
                self.send(ctx, key, |v, out| compose::next_valid_id(v, next, out));
            }
            Local::ManagedAccounts => {
                let accounts = self.known.accounts.clone().unwrap_or_default();
                self.send(ctx, key, |v, out| compose::managed_accounts(v, &accounts, out));
            }
            Local::Time | Local::TimeMillis => match self.is_ready() {
                true => self.answer_clock(ctx, key, asked.shape.decl.message.id),
                false => self.unavailable(ctx, asked, &self.reason()),
            },
            Local::LogLevel => {
                let level = asked.shape.field(&asked.message, "logLevel").ok().flatten();
                if !level.and_then(|l| l.parse().ok()).is_some_and(|level: i32| (1..=5).contains(&level)) {
                    self.send_error(ctx, key, -1, codes::LOG_LEVEL, "Invalid log level");
                }
            }
            Local::MarketDataType => {
                let kind = asked.shape.field(&asked.message, "marketDataType").ok().flatten();
                let kind = kind.and_then(|k| k.parse().ok()).filter(|k| (1..=4).contains(k));
                match (kind, self.clients.get_mut(key)) {
                    (Some(kind), Some(client)) => client.market_data_type = kind,
                    _ => {
                        let words = "Error validating request: the market data type must be 1, 2, 3 or 4.";
                        self.send_error(ctx, key, -1, codes::INVALID, words);
                    }
                }
            }
            Local::AutoOpenOrders => {
                if !self.is_ready() {
                    return self.unavailable(ctx, asked, &self.reason());
                }
                if asked.client_id.0 == 0 && self.config.upstream_client_id.0 == 0 {
                    self.suspect(ctx, key);
                    return self.forward(ctx, asked, Post::of(asked.key, What::Other), &[]);
                }
                let words = match asked.client_id.0 {
                    0 => {
                        "Only the default client (i.e 0) can auto bind orders, and twsmux is not client 0 at the \
                          Gateway (--upstream-client-id)."
                    }
                    _ => "Only the default client (i.e 0) can auto bind orders.",
                };
                self.send_error(ctx, key, -1, codes::AUTO_BIND, words);
            }
        }
    }
}
