//! Clients that read more slowly than they are sent to.
//!
//! A client is behind while more than [`Limits::conflate_above`](super::Limits) of it is unsent (of many clients whose sockets are
//! full a share of [`limits::UNSENT_BEFORE_CONFLATION`], if that is less), or something waits in its
//! backlog. What becomes of a message for such a client is said in its declaration
//! ([`Conflate`](crate::protocol::model::Conflate)). **It never sees an older value after a newer one of the same row, nor a
//! value of a request after its end.** Nobody else notices: the Gateway is read on, whoever is behind.

use super::backlog::{About, Key};
use super::client::{Client, Phase};
use super::compose::{self, id};
use super::io::{Gone, Level};
use super::lines::row_of;
use super::outbox::MostUnsent;
use super::route::Heard;
use super::timers::Timer;
use super::{Core, Ctx, codes};
use crate::ids::{ClientKey, DownReqId, UpReqId};
use crate::limits;
use crate::protocol::model::{Conflate, EndWhen, Role, Route};

/// Where a message for a client goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Behind what is on its way.
    Outbox,
    /// Into the backlog, instead of an older one.
    Backlog(Key),
    /// Nowhere: it is told in another way.
    Nowhere,
}

impl Client {
    /// Whether it has not read what it was sent.
    pub(super) fn is_behind(&self, most: MostUnsent) -> bool {
        self.outbox.len() > self.outbox.most_unsent(most) || !self.backlog.is_empty()
    }

    /// Bytes that it has not taken.
    pub(super) fn unread(&self) -> usize {
        self.outbox.len() + self.backlog.bytes()
    }

    /// Its share of a request is over: what waits of it is of no use any more. What ends such a request never waits, so that
    /// a message of that kind is another request's under the same id.
    pub(super) fn forget_waiting(&mut self, message: u16, down: DownReqId) {
        if !self.backlog.is_empty()
            && let Some(request) = crate::protocol::request(message.into())
        {
            let ends = |answer: &u16| request.ends.contains(&(*answer, EndWhen::Always));
            let waiting: Vec<u16> = request.answers.iter().copied().filter(|a| !ends(a)).collect();
            self.backlog.forget(down.0, &waiting);
        }
    }
}

impl Core {
    /// What is unsent for a client that is behind, now that there are other clients or settings. **Of many clients those have less
    /// whose sockets are full**, so that together they do not fill the memory. What has not been offered to a socket says nothing of
    /// who reads.
    pub(super) fn share_unsent(&mut self) {
        let share = limits::UNSENT_BEFORE_CONFLATION / self.clients.len().max(1);
        let share = share.max(limits::LEAST_CONFLATE_ABOVE);
        let fresh = self.config.limits.conflate_above();
        self.most_unsent = MostUnsent { fresh, left: fresh.min(share) };
    }

    /// Where a message goes for a client that is behind.
    #[cold]
    pub(super) fn place(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        heard: &Heard<'_>,
        edits: &[(Role, i64)],
    ) -> Place {
        let decl = heard.shape.decl;
        let down = edits.iter().find(|(role, _)| *role == Role::ReqId).map(|(_, id)| *id as i32);
        let about = match decl.route {
            Route::Shared { stream, .. } => Some(About::Stream(stream)),
            _ => down.map(About::Request),
        };
        let Some(about) = about else { return Place::Outbox };
        match decl.conflate {
            Conflate::Event | Conflate::Bulk => {}
            Conflate::Kept => self.bring_forward(ctx, key, about),
            Conflate::Latest(row) => {
                if let Some(row) = row_of(&row, heard) {
                    return Place::Backlog(Key::Row(about, row));
                }
            }
            Conflate::Book => {
                let Some(down) = down.filter(|down| self.book_of(key, *down).is_some()) else {
                    return Place::Outbox;
                };
                let most = self.most_unsent;
                let book = Key::Book(down, heard.id());
                let Some(client) = self.clients.get_mut(key) else { return Place::Nowhere };
                if client.backlog.has(&book) {
                    return Place::Nowhere;
                }
                if client.outbox.len() > client.outbox.most_unsent(most) && client.phase != Phase::Closing {
                    client.backlog.put(book, &[]);
                    self.over_budget(ctx, key);
                    return Place::Nowhere;
                }
            }
        }
        Place::Outbox
    }

    /// The subscription whose book a client has under this id.
    fn book_of(&self, key: ClientKey, down: i32) -> Option<UpReqId> {
        let up = *self.clients.get(key)?.requests.get(&(id::REQ_MKT_DEPTH, DownReqId(down)))?;
        self.requests.get(up).filter(|e| e.line.is_some()).map(|_| up)
    }

    /// What waits of a request or a stream goes on, because something follows that must not come before it.
    #[cold]
    pub(super) fn bring_forward(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, about: About) {
        let waiting = self.clients.get_mut(key).map(|c| c.backlog.take(about)).unwrap_or_default();
        for (what, frame) in waiting {
            self.go_on(ctx, key, &what, &frame);
        }
    }

    /// The client has read: as much of what waits goes on as there is room for.
    pub(super) fn refill(&mut self, ctx: &mut Ctx<'_>, key: ClientKey) {
        let most = self.most_unsent;
        while let Some(client) = self.clients.get_mut(key)
            && client.outbox.len() < client.outbox.most_unsent(most)
            && let Some((what, frame)) = client.backlog.pop()
        {
            self.go_on(ctx, key, &what, &frame);
        }
    }

    fn go_on(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, what: &Key, frame: &[u8]) {
        match what {
            Key::Row(..) => self.send(ctx, key, |_, out| out.extend_from_slice(frame)),
            Key::Book(down, _) => self.tell_book_anew(ctx, key, *down),
        }
    }

    /// A book from which changes are missing: the client is told to empty it, and what is in it now.
    fn tell_book_anew(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, down: i32) {
        let Some(entry) = self.book_of(key, down).and_then(|up| self.requests.get(up)) else { return };
        let dialect = self.speeches.upstream().clone();
        let (book, us_stock) =
            (entry.line.as_ref().map(|line| line.image(&dialect, |_| false)), entry.us_stock);
        self.stats.depth_resets += 1;
        let words = "Market depth data has been RESET. Please empty deep book contents before applying any new \
                     entries.";
        let time = self.wall_ms(ctx.now);
        self.stats.error(codes::DEPTH_RESET);
        self.send(ctx, key, |version, out| {
            compose::error(version, down, codes::DEPTH_RESET, words, time, out);
        });
        for payload in book.unwrap_or_default() {
            if let Some(heard) = Heard::new(&dialect, &payload) {
                let edits = [(Role::ReqId, down.into())];
                self.tell_at(ctx, key, &heard, &edits, us_stock, Place::Outbox);
            }
        }
    }

    /// Ends a request for those of its clients that have no room for its answer.
    pub(super) fn shed(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, size: usize) {
        let Some(entry) = self.requests.get(up) else { return };
        let members = entry.members.iter().copied();
        for (key, down) in members.filter(|(key, _)| self.lacks_room(*key, size)).collect::<Vec<_>>() {
            self.tell_shed(ctx, key, down.0);
            // The words may have been one too many.
            if self.requests.get(up).is_some_and(|e| e.members.contains(&(key, down))) {
                self.quit(ctx, up, (key, down), false);
            }
        }
    }

    /// Whether a client that has not read what it has gets no large answer.
    pub(super) fn lacks_room(&self, key: ClientKey, size: usize) -> bool {
        let limits = &self.config.limits;
        let unread = self.clients.get(key).filter(|c| c.phase != Phase::Closing).map(Client::unread);
        unread.is_some_and(|n| n > limits.shed_above() || n + size > limits.outbox)
    }

    /// Tells a client that its request ends.
    #[cold]
    pub(super) fn tell_shed(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, id: i32) {
        let Some(unread) = self.clients.get(key).map(Client::unread) else { return };
        self.stats.shed += 1;
        let words = format!(
            "Error processing request: {unread} bytes wait to be read by this client, so that the answer has no room. \
             Read them, then ask again."
        );
        self.send_error(ctx, key, id, codes::NOT_PROCESSED, &words);
    }

    /// More is unread than goes unnoticed: beyond the limit the client is told and closed; below it, it is looked at again
    /// when it has read nothing for long.
    #[cold]
    pub(super) fn over_budget(&mut self, ctx: &mut Ctx<'_>, key: ClientKey) {
        let Some(client) = self.clients.get(key) else { return };
        let (unread, most) = (client.unread(), self.config.limits.outbox);
        if unread > most {
            let words = format!(
                "twsmux closes this connection: {unread} bytes wait to be read by this client, the limit is {most}. \
                 Read faster or subscribe to less, then connect again."
            );
            return self.close_client(ctx, key, Gone::Slow, Some((codes::NOT_PROCESSED, words)));
        }
        if client.phase == Phase::Ready && !self.timers.is_armed(Timer::Client(key)) {
            let words = format!("it reads slowly, {unread} bytes wait: of ticks it gets the latest ones");
            self.note_client(ctx, key, Level::Info, words);
            self.timers.arm(Timer::Client(key), ctx.now + self.config.limits.slow_time);
        }
    }

    /// A client that was behind some time ago: is it still, and has it read anything?
    pub(super) fn look_at_slow_client(&mut self, ctx: &mut Ctx<'_>, key: ClientKey) {
        let (limits, most) = (self.config.limits, self.most_unsent);
        let Some(client) = self.clients.get(key).filter(|c| c.is_behind(most)) else {
            return;
        };
        let due = client.outbox.progress() + limits.slow_time;
        if due > ctx.now {
            return self.timers.arm(Timer::Client(key), due);
        }
        let words = format!(
            "twsmux closes this connection: {} bytes wait to be read by this client, and it has read nothing for {} s. \
             Connect again.",
            client.unread(),
            limits.slow_time.as_secs_f64()
        );
        self.close_client(ctx, key, Gone::Slow, Some((codes::NOT_PROCESSED, words)));
    }
}
