//! The short way of a tick: from the bytes that were read to the outboxes of those who share its request.
//!
//! **It does what the long way does** ([`Core::handle`]), for the case that is nearly always there: a request that goes on, clients
//! of the Gateway's version that have read what they were sent. Where anything else is the case nothing is done here,
//! and the tick goes the long way.

use smallvec::SmallVec;

use super::Core;
use super::client::Phase;
use super::io::Actions;
use super::link::Link;
use crate::ids::{LinkId, UpReqId};
use crate::protocol::model::Reuse;
use crate::protocol::ticks::Tick;
use crate::time::Time;
use crate::wire::frame;

/// Longer messages go the long way.
const MOST: usize = 1024;
/// Ticks that are taken in at once.
const MOST_TICKS: usize = 32;

impl Core {
    /// Takes in the ticks that stand at the front of what was read from the Gateway, and returns how many bytes they are. What
    /// follows is no tick, or none for the short way: [`Core::handle`] must hear the next frame. Nothing but ticks is due to
    /// be heard between two calls of that, so that neither time passes nor anything is sent to the Gateway here.
    pub fn hear_ticks(&mut self, now: Time, link: LinkId, bytes: &[u8], actions: &mut Actions) -> usize {
        if bytes.is_empty()
            || link != self.link_id
            || !matches!(self.link, Link::Ready { .. })
            || !self.opening.is_empty()
        {
            return 0;
        }
        let mut rest = bytes;
        loop {
            let taken = self.hear_run(now, rest, actions);
            if taken == 0 {
                break;
            }
            rest = &rest[taken..];
        }
        let taken = bytes.len() - rest.len();
        if taken > 0 {
            self.last_heard = now;
            self.stats.bytes_from_gateway += taken as u64;
        }
        taken
    }

    /// Takes in ticks that are about one request and follow each other: each of its clients gets them at once. Returns how many
    /// bytes they are; 0: nothing was done.
    fn hear_run(&mut self, now: Time, bytes: &[u8], actions: &mut Actions) -> usize {
        let dialect = self.speeches.upstream();
        let split = |bytes| frame::split(bytes, MOST).ok().flatten();
        let Some((payload, mut rest)) = split(bytes) else { return 0 };
        let Some(first) = dialect.tick(payload) else { return 0 };
        let Some(entry) = self.requests.get_mut(UpReqId(first.req_id)) else { return 0 };
        if entry.one_shot || entry.reuse != Reuse::Never {
            return 0;
        }
        let mut room = usize::MAX;
        for (key, _) in &entry.members {
            let client = self.clients.get(*key).filter(|client| {
                client.phase == Phase::Ready
                    && client.version == dialect.version()
                    && client.backlog.is_empty()
            });
            let Some(client) = client else { return 0 };
            let most = client.outbox.most_unsent(self.most_unsent);
            room = room.min(most.saturating_sub(client.outbox.len()));
        }
        let mut size = first.longest();
        if size > room {
            return 0;
        }
        // Who has it under several ids gets each tick under all of them before the next.
        let most_ticks = if entry.several_ids { 1 } else { MOST_TICKS };
        let mut run = SmallVec::<[Tick<'_>; MOST_TICKS]>::new();
        let mut last = first;
        run.push(first);
        while run.len() < most_ticks
            && let Some((payload, after)) = split(rest)
            && let Some(tick) = last.next(payload).or_else(|| dialect.tick(payload))
            && tick.req_id == first.req_id
            && tick.writes_ids_like(&first)
            && size + tick.longest() <= room
        {
            size += tick.longest();
            run.push(tick);
            (last, rest) = (tick, after);
        }
        for (key, down) in &entry.members {
            let Some(client) = self.clients.get_mut(*key) else { continue };
            let out = client.outbox.append_with(&mut self.spare, size, now);
            let id = first.written(down.0);
            for tick in &run {
                tick.put(&id, out);
            }
            client.frames.1 += run.len() as u64;
            if !client.outbox.dirty {
                client.outbox.dirty = true;
                actions.dirty.push(*key);
            }
        }
        for tick in &run {
            self.stats.heard(tick.id.into());
        }
        self.stats.frames_down += (run.len() * entry.members.len()) as u64;
        entry.begun = true;
        entry.goes_on = entry.spent;
        if let Some(line) = &mut entry.line {
            for (n, tick) in run.iter().enumerate() {
                // The next one may replace it in the image.
                if run.get(n + 1).is_none_or(|next| (next.id, next.row) != (tick.id, tick.row)) {
                    line.keep_tick(tick);
                }
            }
        }
        bytes.len() - rest.len()
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::dialect::Dialect;
    use crate::protocol::model::Row;

    /// What is kept of a tick is found by its number alone.
    #[test]
    fn the_image_of_what_is_a_tick_has_rows_with_numbers() {
        let images = crate::protocol::requests().iter().filter_map(|r| r.sharing.as_ref());
        for (message, row) in images.flat_map(|sharing| sharing.image) {
            let numbered = matches!(row, Row::One | Row::Key | Row::KeyBut(_));
            for version in [157, 176, 201, 205, 206, 226] {
                let is_tick = Dialect::new(version).is_tick((*message).into());
                assert!(numbered || !is_tick, "message {message} at {version}");
            }
        }
    }
}
