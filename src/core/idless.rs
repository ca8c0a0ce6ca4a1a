//! Requests without an id: carried out one after the other where only their order tells the answers apart, or answered
//! here.

use super::ask::Asked;
use super::compose::{self, id};
use super::lanes::Ask;
use super::pacer::{Post, What};
use super::timers::Timer;
use super::{Core, Ctx, codes};
use crate::ids::ClientKey;
use crate::limits;
use crate::protocol::model::{Lane, Local, Role};

impl Core {
    /// Remembers who sent a request without id, for errors without id.
    pub(super) fn suspect(&mut self, ctx: &Ctx<'_>, key: ClientKey) {
        if self.suspects.len() >= limits::MAX_SUSPECTS {
            self.suspects.pop_front();
        }
        self.suspects.push_back((key, ctx.now));
    }

    pub(super) fn ask_lane(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, lane: Lane) {
        if self.lanes.len() >= limits::MAX_LANE_REQUESTS {
            for (lane, key) in self.lanes.drop_abandoned() {
                self.timers.disarm(Timer::Lane(lane, key));
            }
        }
        if self.lanes.len() >= limits::MAX_LANE_REQUESTS {
            let words = "too many requests of this kind wait for the Gateway";
            return self.unavailable(ctx, asked, words);
        }
        let lane_key = asked.shape.int(&asked.message, Role::LaneKey).ok().flatten().unwrap_or(0);
        let mut bytes = bytes::BytesMut::new();
        let version = self.server_version();
        let message = asked.shape.decl.message.id;
        match message {
            // As client id 0 at the Gateway, reqOpenOrders binds manual orders: only its namesake may do that.
            // For the others all orders are asked for and their own picked out.
            id::REQ_OPEN_ORDERS if asked.client_id.0 != 0 || self.config.upstream_client_id.0 != 0 => {
                compose::bare_request(id::REQ_ALL_OPEN_ORDERS, version, &mut bytes);
            }
            _ => asked.put(&[], &mut bytes),
        }
        let line = matches!(lane, Lane::OpenOrders | Lane::CompletedOrders).then_some(asked.client_id);
        let ask = Ask { client: Some(asked.key), line, own: false, message, frame: bytes.freeze() };
        if self.lanes.ask(lane, lane_key, ask) {
            self.send_lane(ctx, lane, lane_key);
        }
    }

    /// The request at the head of a lane goes upstream.
    pub(super) fn send_lane(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        let Some(ask) = self.lanes.head(lane, lane_key).cloned() else { return };
        let post = Post { client: ask.client, line: ask.line, ..Post::own(What::Lane(lane, lane_key)) };
        self.enqueue(ctx, post, |_, out| out.extend_from_slice(&ask.frame));
        if !ask.own {
            self.timers.arm(Timer::Lane(lane, lane_key), ctx.now + limits::LANE_TIME);
        }
    }

    /// The end of a lane's answer has come: the next one's turn.
    pub(super) fn lane_done(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        self.timers.disarm(Timer::Lane(lane, lane_key));
        if self.lanes.done(lane, lane_key).is_some() {
            self.send_lane(ctx, lane, lane_key);
        }
    }

    /// The asker and all who wait behind it are told; the lane stays shut until its end marker or a new link.
    pub(super) fn lane_timeout(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        let mut askers = self.lanes.give_up(lane, lane_key);
        if let Some(head) = self.lanes.head_mut(lane, lane_key) {
            askers.insert(0, head.clone());
            head.client = None;
            head.own = false;
        }
        if askers.iter().any(|ask| ask.own) {
            self.reconcile_failed(ctx, &format!("no end within {} s", limits::LANE_TIME.as_secs()));
        }
        self.timers.arm(Timer::Lane(lane, lane_key), ctx.now + limits::LANE_TIME);
        for ask in askers {
            let Some(key) = ask.client else { continue };
            let name = crate::protocol::request(u32::from(ask.message)).map_or("request", |r| r.message.name);
            let words = format!(
                "Error processing request: the Gateway did not finish its answer to {name} within {} s. Try again \
                 later.",
                limits::LANE_TIME.as_secs()
            );
            self.send_error(ctx, key, -1, codes::NOT_PROCESSED, &words);
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
                false => self.unavailable(ctx, asked, &self.diagnosis()),
            },
            Local::LogLevel => {}
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
                    return self.unavailable(ctx, asked, &self.diagnosis());
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
