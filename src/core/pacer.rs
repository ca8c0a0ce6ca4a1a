//! The pacer: **never more than the limit in any window of one second** (I9), and orders in their order (I7).
//!
//! Owns the whole frames that wait for the Gateway and the times of the last sends. What concerns orders waits in one
//! line per owner, first in, first out; everything else waits in one line for all. **A line never overtakes itself**, so
//! order, modification, cancel and what asks about them keep their order; a line whose head waits for the disk holds up
//! nobody else. Lines of orders go first, and with them one line beside them that never waits for the disk: cancels of
//! orders of which nothing waits, and the lists of orders that twsmux itself asks for, which would come too late behind the
//! requests of clients that subscribe again.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use crate::ids::{ClientId, ClientKey, UpOrderId, UpReqId};
use crate::protocol::model::Lane;
use crate::time::Time;

/// The window: the second in which the Gateway counts, and on top of it what the way there may take at one time more than
/// at another. What leaves in two bursts a second apart arrives closer together when the first one is held up.
const WINDOW: Duration = Duration::from_millis(1_100);

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
    /// twsmux's own execution query.
    Executions,
    /// Anything else: cancels of streams, joins, twsmux's own requests.
    Other,
}

/// One frame that waits.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Whose, what, and where it waits.
    pub post: Post,
    /// The whole frame, ids already replaced.
    pub frame: Bytes,
    /// When it came.
    pub since: Time,
}

/// Where a frame goes in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Post {
    /// Whose act it is; `None` for twsmux's own.
    pub client: Option<ClientKey>,
    /// What it is.
    pub what: What,
    /// Whose line of orders it waits in; `None`: that of everything else.
    pub line: Option<ClientId>,
    /// Whether it stands beside the owner's line instead, because nothing in that line concerns it.
    pub beside: bool,
    /// The record that must be on disk before it leaves; 0 for none.
    pub after: u64,
    /// The market data type that must be in force upstream when it is sent.
    pub market_data_type: Option<i32>,
}

impl Post {
    /// twsmux's own.
    pub fn own(what: What) -> Self {
        Post { client: None, what, line: None, beside: false, after: 0, market_data_type: None }
    }

    /// A client's.
    pub fn of(client: ClientKey, what: What) -> Self {
        Post { client: Some(client), ..Post::own(what) }
    }

    /// It waits in the line of an owner of orders.
    pub fn in_line_of(self, owner: ClientId) -> Self {
        Post { line: Some(owner), ..self }
    }

    /// It passes the owner's line by.
    pub fn beside(self, beside: bool) -> Self {
        Post { beside, ..self }
    }

    /// It leaves when this record is on disk.
    pub fn after(self, record: u64) -> Self {
        Post { after: record, ..self }
    }

    /// Whether it is a list of orders that twsmux asks for itself.
    pub fn is_own_list(&self) -> bool {
        self.client.is_none() && matches!(self.what, What::Lane(..) | What::Executions)
    }
}

/// A frame and its number in the order of arrival.
type Numbered = (u64, Queued);

/// See the module's words.
#[derive(Debug)]
pub struct Pacer {
    limit: Option<u32>,
    /// The highest limit before the last change, and when that was.
    before: Option<(Option<u32>, Time)>,
    sent: VecDeque<Time>,
    arrivals: u64,
    /// Lines of orders by owner, and under `None` the line beside them; none is empty.
    orders: indexmap::IndexMap<Option<ClientId>, VecDeque<Numbered>, FxBuildHasher>,
    rest: VecDeque<Numbered>,
    len: usize,
    pause_until: Time,
}

/// Which line a frame stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    Orders(usize),
    Rest,
}

impl Pacer {
    /// `limit`: messages in any second, `None` for no limit.
    pub fn new(limit: Option<u32>) -> Self {
        Pacer {
            limit,
            before: None,
            sent: VecDeque::new(),
            arrivals: 0,
            orders: Default::default(),
            rest: VecDeque::new(),
            len: 0,
            pause_until: Time::ZERO,
        }
    }

    /// Another limit from now on. What left before still counts.
    pub fn set_limit(&mut self, limit: Option<u32>, now: Time) {
        self.before = Some((self.most(now), now));
        if self.limit.is_none() {
            // Nobody has counted what left: it may have been any number.
            self.pause(now + WINDOW);
            self.sent.clear();
        }
        self.limit = limit;
    }

    /// The highest limit that was in force within the last second; `None` for no limit.
    pub fn most(&self, now: Time) -> Option<u32> {
        match self.before {
            Some((before, at)) if now < at + WINDOW => Some(self.limit?.max(before?)),
            _ => self.limit,
        }
    }

    /// Adds a frame at the end of its line.
    pub fn push(&mut self, queued: Queued) {
        self.arrivals += 1;
        self.len += 1;
        let line = match queued.post.line {
            Some(owner) => self.orders.entry((!queued.post.beside).then_some(owner)).or_default(),
            None if queued.post.is_own_list() => self.orders.entry(None).or_default(),
            None => &mut self.rest,
        };
        line.push_back((self.arrivals, queued));
    }

    /// The line whose head may leave next, when records up to `durable` are on disk: of the lines of orders the one
    /// whose head came first, else the rest.
    fn turn(&self, durable: u64) -> Option<Line> {
        let heads = self.orders.values().enumerate().filter_map(|(at, line)| Some((at, line.front()?)));
        let first =
            heads.filter(|(_, (_, q))| q.post.after <= durable).min_by_key(|(_, (number, _))| *number);
        match first {
            Some((at, _)) => Some(Line::Orders(at)),
            None => (!self.rest.is_empty()).then_some(Line::Rest),
        }
    }

    /// The frame whose turn it is, when records up to `durable` are on disk.
    pub fn head(&self, durable: u64) -> Option<&Queued> {
        match self.turn(durable)? {
            Line::Orders(at) => self.orders[at].front(),
            Line::Rest => self.rest.front(),
        }
        .map(|(_, q)| q)
    }

    /// Takes the frame whose turn it is.
    pub fn pop(&mut self, durable: u64) -> Option<Queued> {
        let line = self.turn(durable)?;
        let taken = match line {
            Line::Orders(at) => self.orders[at].pop_front(),
            Line::Rest => self.rest.pop_front(),
        };
        if let Line::Orders(at) = line
            && self.orders[at].is_empty()
        {
            self.orders.swap_remove_index(at);
        }
        self.len -= 1;
        taken.map(|(_, q)| q)
    }

    /// Whether something that `which` picks waits in the line of an owner.
    pub fn waits(&self, owner: ClientId, which: impl Fn(What) -> bool) -> bool {
        self.orders.get(&Some(owner)).is_some_and(|line| line.iter().any(|(_, q)| which(q.post.what)))
    }

    /// Whether anything waits, in its line or beside it, that concerns the orders of an owner.
    pub fn waits_for(&self, owner: ClientId) -> bool {
        self.orders.values().flatten().any(|(_, q)| q.post.line == Some(owner))
    }

    /// Waiting frames.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When the order or modification came that waits longest.
    pub fn oldest_order(&self) -> Option<Time> {
        let orders = self.orders.values().filter_map(|line| {
            line.iter().find(|(_, q)| matches!(q.post.what, What::Order(_))).map(|(_, q)| q.since)
        });
        orders.min()
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

    /// Takes out the frames that `void` picks, in the order in which they came.
    pub fn void(&mut self, void: impl Fn(&Queued) -> bool) -> Vec<Queued> {
        let mut out = Vec::new();
        let mut sift = |line: &mut VecDeque<Numbered>| {
            if line.iter().any(|(_, q)| void(q)) {
                let (gone, keep): (VecDeque<_>, _) =
                    std::mem::take(line).into_iter().partition(|(_, q)| void(q));
                *line = keep;
                out.extend(gone);
            }
        };
        self.orders.values_mut().for_each(&mut sift);
        sift(&mut self.rest);
        self.orders.retain(|_, line| !line.is_empty());
        self.len -= out.len();
        out.sort_by_key(|(number, _)| *number);
        out.into_iter().map(|(_, q)| q).collect()
    }

    /// A new link: nothing waits. What was sent on the old one still counts: the Gateway may count by program.
    pub fn reset(&mut self) -> Vec<Queued> {
        self.pause_until = Time::ZERO;
        self.void(|_| true)
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

    fn queued(line: Option<i32>, after: u64, mark: u8) -> Queued {
        Queued {
            post: Post { line: line.map(ClientId), after, ..Post::own(What::Other) },
            frame: Bytes::copy_from_slice(&[mark]),
            since: Time::ZERO,
        }
    }

    #[test]
    fn a_line_that_waits_for_the_disk_holds_up_nobody_else() {
        let mut pacer = Pacer::new(None);
        for (line, after, mark) in
            [(Some(1), 7, 1), (Some(1), 0, 2), (None, 0, 3), (Some(2), 0, 4), (Some(2), 8, 5), (None, 0, 6)]
        {
            pacer.push(queued(line, after, mark));
        }
        let mut left = Vec::new();
        for durable in [6, 6, 6, 6, 7, 7, 7, 8] {
            left.push(pacer.pop(durable).map_or(0, |q| q.frame[0]));
        }
        assert_eq!(left, [4, 3, 6, 0, 1, 2, 0, 5]);
        assert!(pacer.is_empty());
    }

    #[test]
    fn twsmuxs_own_lists_go_with_the_orders_and_before_the_rest() {
        let mut pacer = Pacer::new(None);
        let list = |what, mark| {
            let mut list = queued(None, 0, mark);
            list.post.what = what;
            list
        };
        pacer.push(queued(None, 0, 1));
        pacer.push(queued(Some(1), 0, 2));
        pacer.push(list(What::Lane(Lane::OpenOrders, 0), 3));
        pacer.push(queued(Some(1), 0, 4));
        pacer.push(list(What::Executions, 5));
        let left: Vec<u8> = std::iter::from_fn(|| pacer.pop(0)).map(|q| q.frame[0]).collect();
        assert_eq!(left, [2, 3, 4, 5, 1]);
    }

    #[test]
    fn what_is_voided_comes_out_in_the_order_of_arrival() {
        let mut pacer = Pacer::new(None);
        for (line, mark) in [(Some(2), 1), (None, 2), (Some(1), 3), (Some(2), 4)] {
            pacer.push(queued(line, 0, mark));
        }
        let out: Vec<u8> = pacer.void(|q| q.frame[0] != 3).iter().map(|q| q.frame[0]).collect();
        assert_eq!(out, [1, 2, 4]);
        assert_eq!(pacer.len(), 1);
        assert_eq!(pacer.pop(0).map(|q| q.frame[0]), Some(3));
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
