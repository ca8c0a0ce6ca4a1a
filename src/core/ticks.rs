//! The short way of a tick: from the bytes that were read to the outboxes of those who share its request.
//!
//! **It does what the long way does** ([`Core::handle`]), for the case that is nearly always there: a request that goes on, clients
//! of the Gateway's version that have read what they were sent. Where anything else is the case nothing is done here,
//! and the tick goes the long way.

use super::Core;
use super::client::Phase;
use super::io::Actions;
use super::link::Link;
use crate::ids::{LinkId, UpReqId};
use crate::protocol::model::Reuse;
use crate::protocol::ticks::MOST_ID_BYTES;
use crate::time::Time;
use crate::wire::frame;

/// Longer messages go the long way.
const MOST: usize = 1024;

impl Core {
    /// Takes in the ticks that stand at the front of what was read from the Gateway, and returns how many bytes they are. What
    /// follows is no tick, or none for the short way: [`Core::handle`] must hear the next frame. Nothing but ticks is due to
    /// be heard between two calls of that, so that neither time passes nor anything is sent to the Gateway here.
    pub fn hear_ticks(&mut self, now: Time, link: LinkId, bytes: &[u8], actions: &mut Actions) -> usize {
        if link != self.link_id || !matches!(self.link, Link::Ready { .. }) || !self.opening.is_empty() {
            return 0;
        }
        let mut rest = bytes;
        while let Ok(Some((payload, after))) = frame::split(rest, MOST)
            && self.hear_tick(now, payload, actions)
        {
            rest = after;
        }
        let taken = bytes.len() - rest.len();
        if taken > 0 {
            self.last_heard = now;
            self.stats.bytes_from_gateway += taken as u64;
        }
        taken
    }

    /// `false`: nothing was done.
    fn hear_tick(&mut self, now: Time, payload: &[u8], actions: &mut Actions) -> bool {
        let dialect = self.speeches.upstream();
        let Some(tick) = dialect.tick(payload) else { return false };
        let Some(entry) = self.requests.get_mut(UpReqId(tick.req_id)) else { return false };
        if entry.one_shot || entry.reuse != Reuse::Never {
            return false;
        }
        let most = self.config.limits.conflate_above();
        let longest = frame::PREFIX + tick.head.len() + MOST_ID_BYTES + tick.tail.len();
        for (key, _) in &entry.members {
            let fits = self.clients.get(*key).is_some_and(|client| {
                client.phase == Phase::Ready
                    && client.version == dialect.version()
                    && client.outbox.len() + longest <= most
                    && client.backlog.is_empty()
            });
            if !fits {
                return false;
            }
        }
        for (key, down) in &entry.members {
            let Some(client) = self.clients.get_mut(*key) else { continue };
            tick.put(down.0, client.outbox.append_with(&mut self.spare, longest, now));
            client.frames.1 += 1;
            if !client.outbox.dirty {
                client.outbox.dirty = true;
                actions.dirty.push(*key);
            }
        }
        self.stats.heard(tick.id.into());
        self.stats.frames_down += entry.members.len() as u64;
        entry.begun = true;
        entry.goes_on = entry.spent;
        if let Some(line) = &mut entry.line {
            line.keep_tick(&tick, payload);
        }
        true
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
