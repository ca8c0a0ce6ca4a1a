//! Requests that the Gateway's rules on historical data hold back ([`crate::protocol::pacing`]).
//!
//! One that is held has not left, so nobody has to cancel it; one that is held for too long ends with the Gateway's own
//! error for it.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::ask::Asked;
use super::compose::id;
use super::io::Level;
use super::lines::spell;
use super::pacer::{Asks, What};
use super::{Core, Ctx, codes};
use crate::ids::{ClientKey, UpReqId};
use crate::protocol::model::Request;
use crate::protocol::pacing::{COUNTS_TWICE, Paced, SAME_CONTRACT, TICK_TYPE};
use crate::record;
use crate::wire::text::{Form, Message};

impl Core {
    /// What the rules count of a request that goes to the Gateway.
    pub(super) fn asks_of(&self, decl: &Request, message: &Message<'_>) -> Option<Asks> {
        let paced = decl.paced?;
        let mut values = self.speeches.upstream().request(message.id)?.record(message, Form::Text).ok()?;
        let is_small = match paced.small {
            Some((name, small)) => values.get(name).is_some_and(|value| small.contains(&value)),
            None => true,
        };
        let rules = if is_small { paced.rules } else { &[] };
        if rules.is_empty() && !paced.at_once {
            return None;
        }
        values.set("reqId", "");
        let mut contract = record! {};
        for name in SAME_CONTRACT {
            contract.set(name, values.get(name).unwrap_or_default());
        }
        let number = |record| {
            let mut said = String::new();
            spell(record, message.form == Form::Proto, &mut said);
            let mut hasher = FxHasher::default();
            hasher.write_u32(message.id);
            hasher.write(said.as_bytes());
            hasher.finish()
        };
        let twice = values.get(TICK_TYPE) == Some(COUNTS_TWICE);
        Some(Asks { paced, rules, request: number(&values), contract: number(&contract), twice })
    }

    /// Takes a request back that is held. `false`: it is not, and has to be cancelled.
    pub(super) fn take_back(&mut self, up: UpReqId) -> bool {
        if !self.pacer.holds(up) {
            return false;
        }
        for queued in self.pacer.void(|q| q.post.what == What::Request(up)) {
            self.account_for(&queued);
        }
        true
    }

    /// A client cancels its request, which is held: it hears what the Gateway says of a cancel.
    pub(super) fn cancel_held(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, up: UpReqId) {
        let decl = self.requests.get(up).map(|e| e.message);
        self.end_request(up);
        if decl == Some(id::REQ_HISTORICAL_DATA) {
            let id = asked.error_id();
            let words = format!(
                "Historical Market Data Service error message:API historical data query cancelled: {id}"
            );
            self.send_error(ctx, asked.key, id, codes::HISTORICAL, &words);
        }
    }

    /// The Gateway was asked for historical data too often.
    pub(super) fn history_complained(&mut self, ctx: &mut Ctx<'_>, code: u16, words: &str) {
        if let Some(pause) = self.pacer.history_complained(ctx.now) {
            let words = format!(
                "the Gateway says {code}: {words}: nothing of the kind is asked for {} s. Other programs that use the same \
                 login count too",
                pause.as_secs()
            );
            self.note(ctx, Level::Warn, words);
        }
    }

    /// A request was held for too long.
    pub(super) fn tell_held(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, id: i32, paced: &Paced) {
        let words = format!(
            "Historical Market Data Service error message:Historical data request pacing violation. twsmux held this request for \
             {} s because of IB's rules on historical data (60 requests for small bars or ticks in ten minutes, {} open at \
             once) and did not send it. Ask for less, or for larger bars.",
            self.patience_of(key).as_secs_f64(),
            crate::protocol::pacing::AT_ONCE,
        );
        self.send_error(ctx, key, id, paced.code, &words);
    }
}
