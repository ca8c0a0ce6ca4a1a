//! Requests without an id over an outage: those of which nothing has been answered wait for a link, for a while, and are
//! asked again.

use bytes::Bytes;

use super::ask::Asked;
use super::lanes::{Ask, Asker};
use super::replay::{Again, Dialects};
use super::{Core, Ctx, codes};
use crate::ids::{ClientId, ClientKey};
use crate::limits;
use crate::protocol::model::{Lane, Reuse};
use crate::time::Time;

/// What waits for a link.
#[derive(Debug)]
pub struct Question {
    lane: (Lane, i64),
    askers: Vec<Asker>,
    line: Option<ClientId>,
    /// Its message at the Gateway.
    message: u16,
    reuse: Reuse,
    again: Again,
    since: Time,
}

/// Where a request without an id belongs.
pub struct Place {
    /// Its lane and key.
    pub lane: (Lane, i64),
    /// Its message at the Gateway.
    pub message: u16,
    /// The line of orders that it waits in.
    pub line: Option<ClientId>,
}

impl Core {
    /// The link is gone: what has not been answered waits for another one, half an answer ends.
    pub(super) fn keep_questions(&mut self, ctx: &mut Ctx<'_>, words: &str) {
        for (lane, ask, begun) in self.lanes.clear() {
            if begun {
                self.end_question(ctx, &ask.askers, words);
            } else if !ask.askers.is_empty() {
                let Ask { askers, line, reuse, subject, frame, .. } = ask;
                self.keep_question(ctx, Place { lane, message: subject.0, line }, askers, reuse, &frame);
            }
        }
    }

    /// A client asks while there is no link. `frame`: what would be sent.
    pub(super) fn ask_later(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, place: Place, frame: &Bytes) {
        if self.questions.len() >= limits::MAX_LANE_REQUESTS {
            let words = "too many requests of this kind wait for the Gateway";
            return self.unavailable(ctx, asked, words);
        }
        let asker = Asker { client: asked.key, message: asked.shape.decl.message.id };
        self.keep_question(ctx, place, vec![asker], asked.shape.decl.reuse, frame);
        self.watch_sleepers(ctx);
    }

    fn keep_question(
        &mut self,
        ctx: &Ctx<'_>,
        place: Place,
        askers: Vec<Asker>,
        reuse: Reuse,
        frame: &Bytes,
    ) {
        let again = Again::new(self.speeches.upstream().version(), frame.clone());
        let Place { lane, message, line } = place;
        self.questions.push_back(Question { lane, askers, line, message, reuse, again, since: ctx.now });
    }

    /// The link is back.
    pub(super) fn ask_questions(&mut self, ctx: &mut Ctx<'_>, dialects: &mut Dialects) {
        for mut question in std::mem::take(&mut self.questions) {
            if let Err(why) = question.again.translate(dialects, &[], None) {
                let words =
                    format!("Not connected: the Gateway came back and cannot carry this request: {why}.");
                self.end_question(ctx, &question.askers, &words);
                continue;
            }
            let Question { lane: (lane, key), askers, line, message, reuse, again, .. } = question;
            let frame = again.frame().clone();
            let subject = self.lane_subject(message, &frame);
            let changes = self.order_changes;
            let fits = |at| line.is_none() || at == changes;
            let alone = askers.into_iter().filter(|asker| {
                let joined = self.lanes.join(lane, key, &subject, *asker, fits);
                !joined
            });
            let askers: Vec<Asker> = alone.collect();
            if askers.is_empty() {
                continue;
            }
            if self.lanes.ask(lane, key, Ask { askers, own: false, line, subject, reuse, frame }) {
                self.lane_turn(ctx, lane, key);
            }
        }
    }

    /// Since when the first of them waits.
    pub(super) fn first_question(&self) -> Option<Time> {
        self.questions.front().map(|question| question.since)
    }

    /// The time of some is over.
    pub(super) fn end_questions(&mut self, ctx: &mut Ctx<'_>, words: &str) {
        while self.first_question().is_some_and(|since| since + limits::OUTAGE_WAIT <= ctx.now) {
            let Some(question) = self.questions.pop_front() else { return };
            self.end_question(ctx, &question.askers, words);
        }
    }

    fn end_question(&mut self, ctx: &mut Ctx<'_>, askers: &[Asker], words: &str) {
        for asker in askers {
            self.send_error(ctx, asker.client, -1, codes::NOT_CONNECTED, words);
        }
    }

    /// Whether a client has a question that waits.
    pub(super) fn asks_later(&self, key: ClientKey) -> bool {
        self.questions.iter().any(|question| question.askers.iter().any(|asker| asker.client == key))
    }

    /// A client is gone.
    pub(super) fn forget_questions(&mut self, key: ClientKey) {
        for question in &mut self.questions {
            question.askers.retain(|asker| asker.client != key);
        }
        self.questions.retain(|question| !question.askers.is_empty());
    }
}
