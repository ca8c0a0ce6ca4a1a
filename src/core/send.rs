//! What leaves for the Gateway: queued, and sent when the pacer, the disk and the socket allow it.

use bytes::{Bytes, BytesMut};

use super::answers::Source;
use super::link::Link;
use super::orders::Flight;
use super::pacer::{Asks, Post, Queued, What};
use super::timers::Timer;
use super::{Core, Ctx, compose};
use crate::ids::UpReqId;
use crate::limits;
use crate::protocol::model::{Class, Request, Reuse};
use crate::time::Time;
use crate::wire::{
    frame,
    text::{self, Message},
};

impl Core {
    /// Queues a frame for the Gateway.
    pub(super) fn enqueue(&mut self, ctx: &mut Ctx<'_>, post: Post, write: impl FnOnce(u16, &mut BytesMut)) {
        if self.finished || self.known.hello.is_none() {
            return;
        }
        let mut frame = BytesMut::new();
        write(self.speeches.upstream().version(), &mut frame);
        self.enqueue_frame(ctx, post, &frame.freeze());
    }

    /// Likewise, one that is there already, in the Gateway's version.
    pub(super) fn enqueue_frame(&mut self, ctx: &mut Ctx<'_>, post: Post, frame: &Bytes) {
        match self.message_in(frame).and_then(|message| crate::protocol::request(message.id)) {
            Some(decl) => self.enqueue_known(ctx, post, decl, frame),
            None => self.enqueue_as(ctx, post, (Class::Account, None), frame),
        }
    }

    /// Likewise, where it is known what is in it.
    pub(super) fn enqueue_known(&mut self, ctx: &mut Ctx<'_>, post: Post, decl: &Request, frame: &Bytes) {
        let asks = match post.what {
            What::Request(_) if decl.paced.is_some() => {
                self.message_in(frame).and_then(|message| self.asks_of(decl, &message))
            }
            _ => None,
        };
        self.enqueue_as(ctx, post, (decl.class(), asks), frame);
    }

    fn message_in<'a>(&self, frame: &'a [u8]) -> Option<Message<'a>> {
        text::message(frame.get(frame::PREFIX..)?, self.speeches.upstream().version()).ok()
    }

    fn enqueue_as(
        &mut self,
        ctx: &mut Ctx<'_>,
        post: Post,
        (class, asks): (Class, Option<Asks>),
        frame: &Bytes,
    ) {
        if self.finished || self.known.hello.is_none() {
            return;
        }
        if asks.is_none() && self.goes_at_once(ctx.now, &post) {
            return self.sent(ctx, &post, (class, ctx.now), frame);
        }
        if let Some(c) = post.charged().and_then(|key| self.clients.get_mut(key)) {
            c.queued.0 += 1;
            c.queued.1 += frame.len();
            self.watch_patience(ctx.now);
        }
        self.pacer.push(Queued { post, frame: frame.clone(), since: ctx.now, class, asks });
    }

    /// Whether a frame needs no turn: it is a client's and not about orders, nothing waits, and everything lets it go. The
    /// queue would give it back in the same call.
    fn goes_at_once(&self, now: Time, post: &Post) -> bool {
        matches!(post.what, What::Request(_) | What::Follow(_))
            && (post.client.is_some(), post.line, post.after, post.again) == (true, None, 0, false)
            && post.market_data_type.is_none_or(|wanted| wanted == self.market_data_type)
            && matches!(self.link, Link::Ready { .. })
            && self.pacer.lets_pass(now)
            && self.upstream_out.len() <= limits::MAX_UPSTREAM_OUT
    }

    /// Gives the upstream what the pacer allows and its buffer can take.
    pub(super) fn pump(&mut self, ctx: &mut Ctx<'_>) {
        let (Link::Ready { .. } | Link::Learning { .. }) = self.link else { return };
        if self.pacer.is_empty() {
            // Nearly always: it is asked after each frame.
            return self.end_if_settled(ctx);
        }
        if let Some(at) = self.pacer.release(ctx.now) {
            self.timers.arm(Timer::Held, at);
        }
        while let Some(turn) = self.pacer.turn(self.ledger.durable()) {
            if self.upstream_out.len() > limits::MAX_UPSTREAM_OUT {
                return; // consume_upstream_output comes back here
            }
            let wanted = self.pacer.head(turn).and_then(|head| head.post.market_data_type);
            let switch = wanted.filter(|t| *t != self.market_data_type);
            let at = self.pacer.free_at(turn, ctx.now);
            if at > ctx.now {
                self.timers.arm(Timer::Pacer, at);
                return;
            }
            let version = self.speeches.upstream().version();
            if let Some(kind) = switch {
                compose::market_data_type(version, kind, self.upstream_out.append(ctx.now));
                self.market_data_type = kind;
                self.pacer.sent(ctx.now);
                self.mark_upstream_dirty(ctx);
                continue; // it counts like any other message: the request follows when its turn comes
            }
            let Some(queued) = self.pacer.take(turn, ctx.now) else { return };
            self.account_for(&queued);
            self.sent(ctx, &queued.post, (queued.class, queued.since), &queued.frame);
        }
        self.end_if_settled(ctx);
    }

    /// A frame leaves for the Gateway, which is of a class and has waited since a time.
    fn sent(&mut self, ctx: &mut Ctx<'_>, post: &Post, (class, since): (Class, Time), frame: &[u8]) {
        self.upstream_out.append(ctx.now).extend_from_slice(frame);
        self.pacer.sent(ctx.now);
        self.stats.queue_wait(class, ctx.now.since(since));
        self.mark_upstream_dirty(ctx);
        match post.what {
            What::Order(up) => {
                let new = self.orders.get(up).is_some_and(|o| !o.sent);
                self.order_sent(ctx.now, up, if new { Flight::New } else { Flight::Modify });
                self.orders_changed();
            }
            What::CancelOrder(Some(up)) => {
                self.cancel_sent(ctx.now, up);
                self.orders_changed();
            }
            What::CancelOrder(None) => {
                self.global_cancel_sent(ctx, post.client);
                self.orders_changed();
            }
            What::Lane(lane, key) => self.lane_sent(ctx, lane, key, post.is_own_list()),
            What::Request(up) => self.request_sent(up),
            What::Begin(stream) if post.again && !self.pacer.iter().any(|q| q.post == *post) => {
                self.stream_replayed(stream, true)
            }
            What::Executions => self.timers.arm(Timer::Reconcile, ctx.now + limits::RECONCILE_TIME),
            _ => {}
        }
    }

    /// A request under an id leaves.
    pub(super) fn request_sent(&mut self, up: UpReqId) {
        let changes = self.order_changes;
        self.replayed(up);
        let Some(entry) = self.requests.get_mut(up) else { return };
        entry.changes_at = Some(changes);
        if let Some(line) = entry.line.as_ref().filter(|_| entry.reuse != Reuse::Never) {
            self.answers.expect(Source::Request(up), line.subject.clone(), changes);
        }
    }

    /// A frame is out of the queue.
    pub(super) fn account_for(&mut self, queued: &Queued) {
        if let Some(c) = queued.post.charged().and_then(|key| self.clients.get_mut(key)) {
            c.queued.0 -= 1;
            c.queued.1 -= queued.frame.len();
        }
    }

    pub(super) fn mark_upstream_dirty(&mut self, ctx: &mut Ctx<'_>) {
        self.upstream_out.dirty = true;
        ctx.actions.upstream_dirty = true;
        self.stats.frames_up += 1;
    }
}
