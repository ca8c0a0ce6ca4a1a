//! The pacer: first in, first out, and **never more than the limit in any window of one second** (I9).
//!
//! Owns the queue of whole frames for the Gateway and the times of the last sends. Orders keep their order because
//! there is one queue; classes come later.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::ids::{ClientKey, UpOrderId, UpReqId};
use crate::protocol::model::Lane;
use crate::time::Time;

/// The window, with a little on top for the clock's grain.
const WINDOW: Duration = Duration::from_micros(1_001_000);

/// What a queued frame is, so that it can be voided and accounted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A request under an upstream request id.
    Request(UpReqId),
    /// A new order, the modification of one, or an exercise.
    Order(UpOrderId),
    /// A cancel of an order, or of all.
    CancelOrder(Option<UpOrderId>),
    /// A request without id, at the head of its lane.
    Lane(Lane, i64),
    /// Anything else: cancels of streams, joins, twsmux's own requests.
    Other,
}

/// One frame that waits.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Whose act it is; `None` for twsmux's own.
    pub client: Option<ClientKey>,
    /// What it is.
    pub what: What,
    /// The market data type that must be in force upstream when it is sent.
    pub market_data_type: Option<i32>,
    /// The whole frame, ids already replaced.
    pub frame: Bytes,
    /// When it came.
    pub since: Time,
}

/// See the module's words.
#[derive(Debug)]
pub struct Pacer {
    limit: Option<u32>,
    sent: VecDeque<Time>,
    queue: VecDeque<Queued>,
    pause_until: Time,
}

impl Pacer {
    /// `limit`: messages in any second, `None` for no limit.
    pub fn new(limit: Option<u32>) -> Self {
        Pacer { limit, sent: VecDeque::new(), queue: VecDeque::new(), pause_until: Time::ZERO }
    }

    /// Adds a frame at the end.
    pub fn push(&mut self, queued: Queued) {
        self.queue.push_back(queued);
    }

    /// The frame whose turn it is.
    pub fn head(&self) -> Option<&Queued> {
        self.queue.front()
    }

    /// Takes the frame whose turn it is.
    pub fn pop(&mut self) -> Option<Queued> {
        self.queue.pop_front()
    }

    /// Waiting frames.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When `n` messages may be sent together; `now` or later.
    pub fn ready_at(&self, n: usize, now: Time) -> Time {
        let mut at = now.max(self.pause_until);
        if let Some(limit) = self.limit {
            let n = n.min(limit as usize);
            let free = limit as usize - n;
            if self.sent.len() > free {
                // All but `free` of the sends in the window must have left it.
                at = at.max(self.sent[self.sent.len() - 1 - free] + WINDOW);
            }
        }
        at
    }

    /// One message was sent.
    pub fn sent(&mut self, now: Time) {
        if self.limit.is_none() {
            return;
        }
        // By time, not by number: the invariant is to see it if there were too many.
        while self.sent.front().is_some_and(|t| *t + WINDOW <= now) {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// Sends nothing before `until`.
    pub fn pause(&mut self, until: Time) {
        self.pause_until = self.pause_until.max(until);
    }

    /// Takes out the frames that `void` picks, in their order.
    pub fn void(&mut self, mut void: impl FnMut(&Queued) -> bool) -> Vec<Queued> {
        let (out, keep) = std::mem::take(&mut self.queue).into_iter().partition(|q| void(q));
        self.queue = keep;
        Vec::from_iter::<VecDeque<Queued>>(out)
    }

    /// A new link: nothing waits. What was sent on the old one still counts: the Gateway may count by program.
    pub fn reset(&mut self) -> Vec<Queued> {
        self.pause_until = Time::ZERO;
        self.queue.drain(..).collect()
    }

    /// The number of sends in the second before `now`, for the invariant and the view.
    pub fn in_window(&self, now: Time) -> usize {
        self.sent.iter().filter(|t| **t + Duration::from_secs(1) > now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_second_ever_holds_more_than_the_limit(
            limit in 1u32..60,
            gaps in proptest::collection::vec((0u64..300_000, 1usize..3), 1..400),
        ) {
            let mut pacer = Pacer::new(Some(limit));
            let mut now = Time::ZERO;
            let mut sends: Vec<Time> = Vec::new();
            for (gap, n) in gaps {
                now = now + Duration::from_micros(gap);
                let n = n.min(limit as usize);
                now = pacer.ready_at(n, now);
                for _ in 0..n {
                    pacer.sent(now);
                    sends.push(now);
                }
            }
            for (i, t) in sends.iter().enumerate() {
                let inside = sends[i..].iter().take_while(|u| u.since(*t) <= Duration::from_secs(1)).count();
                prop_assert!(inside <= limit as usize, "{inside} within a second of {t:?}");
            }
        }
    }

    #[test]
    fn a_limit_is_used_to_the_full() {
        let mut pacer = Pacer::new(Some(45));
        let mut sent = 0;
        let mut now = Time::ZERO;
        while now < Time(10_000_000) {
            now = pacer.ready_at(1, now);
            pacer.sent(now);
            sent += 1;
        }
        assert!(sent >= 45 * 9, "{sent} messages in ten seconds");
    }
}
