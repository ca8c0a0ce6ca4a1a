//! How long requests wait for their turn: **what waits too long is not sent, and its asker is told** (I8, I10).
//!
//! Orders have a bound of their own (`place`), requests in lanes too (`idless`). A cancel is never refused for waiting, nor
//! is what twsmux itself asks. A client that says `+PACEAPI` in its connect options asks to be paced rather than refused: its
//! requests wait much longer.

use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use super::backlog::About;
use super::client::Client;
use super::io::Level;
use super::pacer::{Post, Queued, What};
use super::timers::Timer;
use super::{Core, Ctx, codes};
use crate::ids::{ClientKey, UpReqId};
use crate::limits;
use crate::protocol::model::{Class, Shared};
use crate::time::Time;

/// The connect option with which a client asks the Gateway to delay requests instead of refusing them.
const PACE_API: &str = "+PACEAPI";

impl Client {
    /// Whether it asks to be paced instead of refused.
    pub fn wants_pacing(&self) -> bool {
        self.options.contains(PACE_API)
    }
}

impl Core {
    /// How long a client's requests may wait.
    pub(super) fn patience_of(&self, key: ClientKey) -> Duration {
        let wait = self.config.limits.request_wait;
        match self.clients.get(key).is_some_and(Client::wants_pacing) {
            true => wait.max(limits::PACED_REQUEST_WAIT),
            false => wait,
        }
    }

    /// When a frame has waited too long; `None` for one that may wait for ever.
    fn late_at(&self, queued: &Queued) -> Option<Time> {
        let own = self.patience_of(queued.post.charged()?);
        let patience = match queued.post.what {
            // Of those who share it, the most patient one counts.
            What::Request(up) => {
                let members = self.requests.get(up).map_or(&[][..], |e| &e.members);
                members.iter().map(|(key, _)| self.patience_of(*key)).max().unwrap_or(own)
            }
            What::Begin(_) | What::Rest(_) | What::Other => own,
            _ => return None,
        };
        Some(queued.since + patience)
    }

    /// Something of a client waits from now on.
    pub(super) fn watch_patience(&mut self, now: Time) {
        if !self.timers.is_armed(Timer::RequestWait) {
            self.timers.arm(Timer::RequestWait, now + self.config.limits.request_wait);
        }
    }

    /// What is due has changed.
    pub(super) fn watch_patience_again(&mut self) {
        self.timers.disarm(Timer::RequestWait);
        if let Some(next) = self.pacer.iter().filter_map(|q| self.late_at(q)).min() {
            self.timers.arm(Timer::RequestWait, next);
        }
    }

    /// Requests that have waited too long are not sent.
    pub(super) fn refuse_late_requests(&mut self, ctx: &mut Ctx<'_>) {
        let late = |q: &&Queued| self.late_at(q).is_some_and(|at| at <= ctx.now);
        let late: Vec<(Post, Class)> = self.pacer.iter().filter(late).map(|q| (q.post, q.class)).collect();
        let waiting = self.pacer.len();
        if let Some(oldest) = self.pacer.iter().map(|q| ctx.now.since(q.since)).max()
            && !late.is_empty()
        {
            let words = format!(
                "{} requests have waited too long for the Gateway and are not sent; {waiting} wait, the first of them for {} s",
                late.len(),
                oldest.as_secs()
            );
            self.note(ctx, Level::Warn, words);
        }
        let held = self.take_out(ctx.now, &late);
        for (post, class) in late {
            self.stats.expired[class as usize] += 1;
            match (post.what, post.client) {
                (What::Request(up), _) => self.request_is_late(ctx, up, held.contains(&up), waiting),
                (What::Begin(stream), _) => self.stream_is_late(ctx, stream, waiting),
                (_, Some(key)) => self.tell_late(ctx, key, -1, waiting),
                _ => {}
            }
        }
        self.watch_patience_again();
    }

    /// Takes what is late out of the queue in one go, because it may be everything; with a request goes what was to follow
    /// it. Streams are another matter ([`Core::stream_is_late`]). Returns the requests that IB's rules held.
    fn take_out(&mut self, now: Time, late: &[(Post, Class)]) -> FxHashSet<UpReqId> {
        let id = |what| match what {
            What::Request(up) | What::Follow(up) => Some(up),
            _ => None,
        };
        let requests: FxHashSet<UpReqId> = late.iter().filter_map(|(post, _)| id(post.what)).collect();
        let clients: FxHashMap<ClientKey, Duration> = late
            .iter()
            .filter_map(|(post, _)| post.charged())
            .map(|key| (key, self.patience_of(key)))
            .collect();
        let is_late = |q: &Queued| match q.post.what {
            What::Request(up) | What::Follow(up) => requests.contains(&up),
            What::Rest(_) | What::Other => {
                let patience = q.post.charged().and_then(|key| clients.get(&key));
                patience.is_some_and(|patience| q.since + *patience <= now)
            }
            _ => false,
        };
        let held = self.pacer.held_requests().filter(|up| requests.contains(up)).collect();
        for queued in self.pacer.void(is_late) {
            self.account_for(&queued);
            if let What::Rest(stream) = queued.post.what {
                self.streams.get_mut(stream).has_all = false;
            }
        }
        held
    }

    fn request_is_late(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, held: bool, waiting: usize) {
        let paced = self.requests.get(up).and_then(|e| crate::protocol::request(e.message.into())?.paced);
        let members = self.requests.get(up).map(|e| e.members.clone()).unwrap_or_default();
        self.end_request(up);
        for (key, down) in members {
            match paced.filter(|_| held) {
                Some(paced) => self.tell_held(ctx, key, down.0, paced),
                None => self.tell_late(ctx, key, down.0, waiting),
            }
        }
    }

    /// With a subscription goes its end, if that waits too: then those who have subscribed since are not late.
    fn stream_is_late(&mut self, ctx: &mut Ctx<'_>, stream: Shared, waiting: usize) {
        let now = ctx.now;
        let late: Vec<(Post, Time)> = self
            .pacer
            .iter()
            .filter(|q| q.post.what == What::Begin(stream) && self.late_at(q).is_some_and(|at| at <= now))
            .map(|q| (q.post, q.since))
            .collect();
        let void = self.pacer.void_stream(stream, |q| late.contains(&(q.post, q.since)));
        void.iter().for_each(|queued| self.account_for(queued));
        let ends = void.iter().filter(|q| q.post.what == What::End(stream)).count();
        if stream == Shared::AccountUpdates {
            self.own_unsubscribes -= ends as u32;
        }
        if void.is_empty() || ends > 0 {
            return; // nobody is subscribed, or somebody who is not late
        }
        self.timers.disarm(Timer::Stream(stream));
        self.stream_replayed(stream, true);
        let ended = std::mem::take(self.streams.get_mut(stream));
        for key in ended.subscribers() {
            // Something of the subscription before it may wait.
            self.bring_forward(ctx, key, About::Stream(stream));
            self.tell_late(ctx, key, -1, waiting);
        }
    }

    fn tell_late(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, id: i32, waiting: usize) {
        let longer = match self.clients.get(key).is_some_and(Client::wants_pacing) {
            true => "",
            false => ", or connect with the option +PACEAPI, and requests wait longer",
        };
        let words = format!(
            "Error processing request: it waited {} s for its turn and was not sent: {waiting} messages of all clients wait \
             for the Gateway, which takes few at a time. Ask for less at once{longer}.",
            self.patience_of(key).as_secs_f64()
        );
        self.send_error(ctx, key, id, codes::NOT_PROCESSED, &words);
    }
}
