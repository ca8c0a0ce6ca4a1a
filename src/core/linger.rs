//! What nobody wants any more is cancelled upstream at once, or after a grace: then somebody who comes back finds it as
//! it was.
//!
//! **What lingers takes nobody's place**: a new line ends the one of its kind that has lingered longest, so that there
//! are never more of a kind at the Gateway than clients have wanted at one time.

use super::compose::{self, id};
use super::pacer::{Post, What};
use super::requests::Entry;
use super::timers::Timer;
use super::{Core, Ctx};
use crate::ids::{ClientKey, UpReqId};
use crate::limits;
use crate::protocol::model::Shared;

impl Core {
    /// Whether a line that its last client leaves stays for a while.
    pub(super) fn may_linger(&self, up: UpReqId, entry: &Entry) -> bool {
        let open = |line: &super::lines::Line| self.requests.about(&line.subject) == Some(up);
        !self.config.line_grace.is_zero()
            && self.is_ready()
            && !entry.one_shot
            && entry.line.as_ref().is_some_and(open)
    }

    /// A line without clients stays for a while.
    pub(super) fn linger(&mut self, ctx: &mut Ctx<'_>, up: UpReqId) {
        if self.lingering.len() >= limits::MAX_LINGERING
            && let Some(oldest) = self.lingering.first().copied()
        {
            self.end_lingering(ctx, None, oldest);
        }
        self.lingering.insert(up);
        self.timers.arm(Timer::Line(up), ctx.now + self.config.line_grace);
    }

    /// Somebody wants a line again.
    pub(super) fn wanted_again(&mut self, up: UpReqId) {
        if self.lingering.shift_remove(&up) {
            self.timers.disarm(Timer::Line(up));
        }
    }

    /// A line that nobody came back for ends; see [`Core::end_upstream`].
    pub(super) fn end_lingering(&mut self, ctx: &mut Ctx<'_>, by: Option<ClientKey>, up: UpReqId) {
        self.wanted_again(up);
        self.end_upstream(ctx, by, up);
        self.retire_request(up, false);
    }

    /// A client begins a new line of a kind: one that lingers makes room for it.
    pub(super) fn make_room_for_line(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, message: u16) {
        let same = |up: &UpReqId| self.requests.get(*up).is_some_and(|e| e.message == message);
        if let Some(oldest) = self.lingering.iter().copied().find(same) {
            self.end_lingering(ctx, Some(key), oldest);
        }
    }

    /// A shared stream that nobody wants any more ends, or stays for a while.
    pub(super) fn stream_unwanted(&mut self, ctx: &mut Ctx<'_>, stream: Shared) {
        match self.config.line_grace.is_zero() || !self.is_ready() {
            true => self.end_stream(ctx, stream),
            false => self.timers.arm(Timer::Stream(stream), ctx.now + self.config.line_grace),
        }
    }

    /// Ends a shared stream upstream.
    pub(super) fn end_stream(&mut self, ctx: &mut Ctx<'_>, stream: Shared) {
        self.timers.disarm(Timer::Stream(stream));
        self.unsubscribe(ctx, stream);
        self.stream_replayed(stream, true);
        *self.streams.get_mut(stream) = Default::default();
    }

    /// The Gateway is not to send a shared stream any more.
    pub(super) fn unsubscribe(&mut self, ctx: &mut Ctx<'_>, stream: Shared) {
        if !self.is_ready() {
            return;
        }
        let account = self.streams.get(stream).account.clone();
        self.enqueue(ctx, Post::own(What::End(stream)), |v, out| match stream {
            Shared::AccountUpdates => compose::leave_account_updates(v, &account, out),
            Shared::Positions => compose::bare_request(id::CANCEL_POSITIONS, v, out),
            Shared::Bulletins => compose::bare_request(id::CANCEL_NEWS_BULLETINS, v, out),
        });
        if stream == Shared::AccountUpdates {
            self.own_unsubscribes += 1;
        }
    }
}
