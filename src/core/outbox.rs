//! Bytes on their way to one socket: appended by the core, taken by the shell.

use bytes::{Buf, BytesMut};

use crate::limits;
use crate::time::Time;

/// Bytes of memory that an empty outbox may keep for what comes next: enough for a burst of ticks, and little for each of a
/// thousand idle clients.
const KEPT: usize = 1024;

/// Memory of outboxes that were written out. A burst of ticks fills those of many clients at once, and the system would
/// give and take the same pages with each read.
#[derive(Debug, Default)]
pub struct Spare(Vec<BytesMut>);

/// Unsent bytes above which a client is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MostUnsent {
    /// For a client whose socket took all that it was last offered.
    pub fresh: usize,
    /// For a client whose socket left something of it.
    pub left: usize,
}

/// A buffer that knows when it last made progress.
#[derive(Debug, Default)]
pub struct Outbox {
    buf: BytesMut,
    /// Most bytes that it has held since it was made.
    most: usize,
    /// Whether a part was taken of what it held, so that it does not show how much memory it has.
    cut: bool,
    /// When bytes were last taken, or when the first byte came into the empty buffer.
    progress: Time,
    /// Whether the socket left something when it was last offered what there was.
    left: bool,
    /// Bytes taken so far.
    pub taken: u64,
    /// Whether it stands in the list of dirty outboxes of the current call.
    pub dirty: bool,
}

impl Outbox {
    /// Unsent bytes.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether everything is sent.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Bytes that may be unsent before its client is behind.
    pub fn most_unsent(&self, most: MostUnsent) -> usize {
        if self.left { most.left } else { most.fresh }
    }

    /// The unsent bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buf
    }

    /// The buffer to append whole frames to.
    pub fn append(&mut self, now: Time) -> &mut BytesMut {
        if self.buf.is_empty() {
            self.progress = now;
        }
        &mut self.buf
    }

    /// Likewise, when so many bytes are to follow: with memory that is to spare, if more is needed.
    pub fn append_with(&mut self, spare: &mut Spare, room: usize, now: Time) -> &mut BytesMut {
        if !self.buf.try_reclaim(room)
            && let Some(mut buf) = spare.0.pop()
        {
            buf.extend_from_slice(&self.buf);
            self.buf = buf;
        }
        self.append(now)
    }

    /// The first `n` bytes were taken.
    pub fn consume(&mut self, n: usize, now: Time) {
        drop(self.consumed(n, now));
    }

    /// Likewise; memory that it does not keep is to spare.
    pub fn consume_into(&mut self, spare: &mut Spare, n: usize, now: Time) {
        if let Some(mut buf) = self.consumed(n, now)
            && spare.0.len() < limits::MAX_SPARE_BUFFERS
            && !buf.try_reclaim(limits::MAX_SPARE_BUFFER + 1)
        {
            spare.0.push(buf);
        }
    }

    /// The memory, when nothing is left and there is too much of it to be kept.
    fn consumed(&mut self, n: usize, now: Time) -> Option<BytesMut> {
        self.most = self.most.max(self.buf.len());
        self.left = n < self.buf.len();
        if n > 0 {
            // A socket that takes nothing is no progress, however often it is offered something.
            debug_assert!(n <= self.buf.len(), "a socket takes what it is offered");
            self.taken += n as u64;
            self.progress = now;
            if n < self.buf.len() {
                self.buf.advance(n);
                self.cut = true;
                return None;
            }
            self.buf.clear();
        }
        if !self.buf.is_empty() {
            return None;
        }
        // It may have got more memory than it has use for: that of somebody who had.
        let ample =
            |buf: &mut BytesMut, cut| buf.capacity() > 2 * KEPT || cut && buf.try_reclaim(2 * KEPT + 1);
        if self.most <= KEPT && !ample(&mut self.buf, self.cut) {
            return None;
        }
        (self.most, self.cut) = (0, false);
        Some(std::mem::take(&mut self.buf))
    }

    /// When bytes were last taken, or when the first byte came into the empty buffer.
    pub fn progress(&self) -> Time {
        self.progress
    }

    /// Whether there are bytes that nobody took since `since`.
    pub fn stalled_since(&self, since: Time) -> bool {
        !self.buf.is_empty() && self.progress < since
    }

    /// Throws away what is unsent.
    pub fn clear(&mut self) {
        (self.buf, self.most, self.cut, self.left) = (BytesMut::new(), 0, false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_offered_to_a_socket_counts_otherwise_than_what_it_left() {
        let (mut outbox, most, now) = (Outbox::default(), MostUnsent { fresh: 1000, left: 10 }, Time::ZERO);
        outbox.append(now).extend_from_slice(&[0; 100]);
        assert_eq!(outbox.most_unsent(most), 1000);
        outbox.consume(0, now);
        assert_eq!(outbox.most_unsent(most), 10);
        outbox.consume(99, now);
        assert_eq!(outbox.most_unsent(most), 10);
        outbox.consume(1, now);
        assert_eq!(outbox.most_unsent(most), 1000);
        outbox.append(now).extend_from_slice(&[0; 100]);
        assert_eq!(outbox.most_unsent(most), 1000);
    }

    #[test]
    fn who_is_sent_little_keeps_nothing_of_what_another_one_needed() {
        let (mut spare, now) = (Spare::default(), Time::ZERO);
        let mut pass = |outbox: &mut Outbox, bytes: usize| {
            outbox.append_with(&mut spare, bytes, now).extend_from_slice(&vec![0; bytes]);
            outbox.consume_into(&mut spare, bytes, now);
            (outbox.buf.try_reclaim(2 * KEPT + 1), spare.0.len())
        };
        let (mut heavy, mut light) = (Outbox::default(), [(); 40].map(|()| Outbox::default()));
        for outbox in &mut light {
            assert_eq!(pass(&mut heavy, 60 << 10), (false, 1), "it is to spare");
            assert_eq!(pass(outbox, 40), (false, 1), "it was lent");
        }
        assert_eq!(pass(&mut heavy, 4 << 20), (false, 0), "too large to be kept");
    }
}
