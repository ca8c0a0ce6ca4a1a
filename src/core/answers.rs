//! Answers that serve again: kept whole, as the Gateway gave them, for those who ask the same later.
//!
//! Which answers may, and for how long, is said in the declarations of the requests
//! ([`Reuse`](crate::protocol::model::Reuse)). Nothing of it outlives the link on which it came.

use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::lines::Subject;
use super::requests::Entry;
use super::route::Heard;
use super::{Core, Ctx};
use crate::ids::{ClientId, UpReqId};
use crate::limits;
use crate::protocol::layout::Record;
use crate::protocol::model::{Handling, Lane, Request, Reuse, Route};
use crate::time::{self, Time};

type Map<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;

/// Where an answer comes in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// Under an upstream request id.
    Request(UpReqId),
    /// In a lane.
    Lane(Lane, i64),
}

/// The messages of an answer; mostly one, and its end.
type Payloads = SmallVec<[Bytes; 2]>;

/// An answer, or as much of it as has come.
#[derive(Debug)]
struct Answer {
    subject: Subject,
    payloads: Payloads,
    size: usize,
    /// When it was complete.
    at: Time,
    /// How often orders had changed when it was asked for.
    changes: u64,
}

/// All that are kept or coming in.
#[derive(Debug, Default)]
pub struct Answers {
    coming: Map<Source, Box<Answer>>,
    kept: Map<Subject, Box<Answer>>,
    /// Bytes of all of them.
    size: usize,
}

impl Answers {
    /// A request leaves whose answer is worth keeping. `changes`: how often orders have changed.
    pub fn expect(&mut self, source: Source, subject: Subject, changes: u64) {
        let answer = Answer { subject, payloads: Payloads::new(), size: 0, at: Time::ZERO, changes };
        if let Some(old) = self.coming.insert(source, Box::new(answer)) {
            self.size -= old.size;
        }
    }

    /// A part of an answer has come. One that grows too large is not kept; others make room for it, the oldest first.
    pub fn add(&mut self, source: Source, payload: &[u8]) {
        let Some(answer) = self.coming.get_mut(&source) else { return };
        if answer.size + payload.len() > limits::MAX_KEPT_ANSWER {
            return self.give_up(source);
        }
        answer.payloads.push(Bytes::copy_from_slice(payload));
        answer.size += payload.len();
        self.size += payload.len();
        while self.size > limits::MAX_KEPT_ANSWERS {
            if self.kept.is_empty() {
                return self.give_up(source);
            }
            // Several at once: all that stay move up.
            let oldest = ..self.kept.len().div_ceil(8);
            self.size -= self.kept.drain(oldest).map(|(_, old)| old.size).sum::<usize>();
        }
    }

    /// An answer is complete.
    pub fn complete(&mut self, source: Source, now: Time) {
        let Some(mut answer) = self.coming.swap_remove(&source) else { return };
        answer.at = now;
        let (at, old) = self.kept.insert_full(answer.subject.clone(), answer);
        if let Some(old) = old {
            self.size -= old.size;
            // It is the newest now; that another one counts as older than it is costs no more than a question.
            self.kept.swap_indices(at, self.kept.len() - 1);
        }
    }

    /// An answer is of no use: it was refused, or nobody waits for the rest of it.
    pub fn give_up(&mut self, source: Source) {
        if let Some(answer) = self.coming.swap_remove(&source) {
            self.size -= answer.size;
        }
    }

    /// Bytes that are kept.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Asserts what must always hold.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let all = self.coming.values().chain(self.kept.values());
        let size: usize = all.map(|a| a.payloads.iter().map(Bytes::len).sum::<usize>()).sum();
        assert_eq!(size, self.size, "I10: what is kept is counted");
        assert!(size <= limits::MAX_KEPT_ANSWERS, "I10");
    }
}

impl Core {
    /// Something about an order has left or come: what was said of orders before may not hold any more.
    pub(super) fn orders_changed(&mut self) {
        self.order_changes += 1;
    }

    /// Whether nothing waits that an owner sent about its orders, so that an answer that is there already overtakes none
    /// of it.
    pub(super) fn is_quiet(&self, owner: ClientId) -> bool {
        !self.pacer.waits_for(owner)
    }

    /// The kept answer to a request, if it may serve.
    pub(super) fn recall(&self, now: Time, subject: &Subject, reuse: Reuse) -> Option<Payloads> {
        let answer = self.answers.kept.get(subject)?;
        let age = now.since(answer.at);
        let serves = match reuse {
            Reuse::Never => false,
            Reuse::Link => true,
            Reuse::Unchanged => answer.changes == self.order_changes && age <= limits::UNCHANGED_TIME,
            Reuse::Repeat { .. } => age < self.config.repeat_time,
        };
        serves.then(|| answer.payloads.clone())
    }

    /// How long the answer to this request may serve: as its declaration says, where it says so of all such requests.
    pub(super) fn reuse_of(&self, now: Time, decl: &Request, values: &Record) -> Reuse {
        match decl.reuse {
            Reuse::Repeat { end, small } => {
                let is_small = small
                    .is_none_or(|(field, sizes)| values.get(field).is_some_and(|size| sizes.contains(&size)));
                let is_past = end.is_none_or(|field| {
                    let ends = values.get(field).unwrap_or_default();
                    time::is_past(ends, self.wall_ms(now))
                });
                match is_small && is_past && self.config.repeat_time > Duration::ZERO {
                    true => decl.reuse,
                    false => Reuse::Never,
                }
            }
            reuse => reuse,
        }
    }

    /// A request that asks what was answered lately: it lives for as long as it takes to tell it.
    pub(super) fn serve_again(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, payloads: Payloads) {
        let dialect = self.speeches.upstream().clone();
        for payload in payloads {
            if self.requests.get(up).is_none() {
                return; // its client was too slow
            }
            let Some(heard) = Heard::new(&dialect, &payload) else { continue };
            match heard.shape.decl.route {
                Route::Execution => self.hear_execution(ctx, &heard, &payload, Some(up)),
                Route::Commission => self.hear_commission(ctx, &heard, &payload, Some(up)),
                _ => self.hear_by_id(ctx, &heard, &payload, up),
            }
        }
        self.end_request(up);
    }

    /// Whether a request that is under way may be joined by somebody whose own orders are quiet: nothing that it was to
    /// tell has changed since it left.
    pub(super) fn may_join(&self, entry: &Entry, decl: &Request) -> bool {
        decl.handling != Handling::Executions
            || entry.changes_at.is_none_or(|changes| changes == self.order_changes)
    }
}
