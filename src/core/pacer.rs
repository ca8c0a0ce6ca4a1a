//! The pacer: **never more than the limit in any window of one second** (I9), orders in their order (I7), and everybody
//! gets a share.
//!
//! Owns the whole frames that wait for the Gateway and the times of the last sends ([`window`]). What concerns orders waits
//! in one line per owner, first in, first out. **A line never overtakes itself**, so order, modification, cancel and what
//! asks about them keep their order; a line whose head waits for the disk holds up nobody else. Lines in which an order or
//! the cancel of one stands go first, and with them one line beside them that never waits for the disk: cancels of orders
//! of which nothing waits, and the lists of orders that twsmux itself asks for, which would come too late behind the
//! requests of clients that subscribe again. A part of each window is left to all these.
//!
//! Everything else waits in classes ([`Class`]), and in them the senders take turns ([`fair`]). Higher classes get more,
//! but each class gets its share. **What is about one request id, or one shared stream, keeps its order** whoever sends it:
//! it stands in one queue as long as anything of it waits.

mod fair;
mod history;
mod window;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use crate::ids::{ClientId, ClientKey, UpOrderId, UpReqId};
use crate::protocol::model::{Class, Lane, Shared};
use crate::time::Time;

use fair::{Fair, Sender};
pub use history::Asks;
use history::History;
use window::Window;

/// What a queued frame is, so that it can be voided and accounted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A request under an upstream request id.
    Request(UpReqId),
    /// The cancel or the change of one; never before it.
    Follow(UpReqId),
    /// A new order, the modification of one, or an exercise.
    Order(UpOrderId),
    /// A cancel of an order, or of all.
    CancelOrder(Option<UpOrderId>),
    /// A request without id, at the head of its lane.
    Lane(Lane, i64),
    /// Beginning of a shared stream.
    Begin(Shared),
    /// Its end.
    End(Shared),
    /// It goes on, and the rest of its image is asked for.
    Rest(Shared),
    /// twsmux's own execution query.
    Executions,
    /// Anything else: what has no answer, twsmux's own requests.
    Other,
}

impl What {
    /// Whether it must not wait behind what is not about orders.
    fn is_urgent(self) -> bool {
        matches!(self, What::Order(_) | What::CancelOrder(_))
    }
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
    /// With which others it waits.
    pub class: Class,
    /// What the Gateway's rules on historical data count of it.
    pub asks: Option<Asks>,
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
    /// Whether it is asked for again after an outage: it has its turn with what its client sends, is never too late, and
    /// does not count against what its client may queue.
    pub again: bool,
}

impl Post {
    /// twsmux's own.
    pub fn own(what: What) -> Self {
        Post { client: None, what, line: None, beside: false, after: 0, market_data_type: None, again: false }
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

    /// The client against whose queue it counts.
    pub fn charged(&self) -> Option<ClientKey> {
        self.client.filter(|_| !self.again)
    }

    /// Whether it is a list of orders that twsmux asks for itself.
    pub fn is_own_list(&self) -> bool {
        self.client.is_none() && matches!(self.what, What::Lane(..) | What::Executions)
    }
}

/// A frame and its number in the order of arrival.
type Numbered = (u64, Queued);

/// How often each class may send until all have had their share. With plain priority a client that asks for its account all
/// the time would keep the market data of all others from coming.
const SHARES: [(Class, u32); 3] = [(Class::Account, 4), (Class::MarketData, 2), (Class::History, 1)];

/// How many frames a client sends in its turn. With market data it is several, because clients may want different market
/// data types, and each change between those is a message.
fn turn_of(class: Class) -> u32 {
    if class == Class::MarketData { 4 } else { 1 }
}

/// What keeps its order, whoever sends it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Tie {
    Request(UpReqId),
    Stream(Shared),
}

fn tie(what: What) -> Option<Tie> {
    match what {
        What::Request(up) | What::Follow(up) => Some(Tie::Request(up)),
        What::Begin(stream) | What::End(stream) | What::Rest(stream) => Some(Tie::Stream(stream)),
        _ => None,
    }
}

fn sender_of(post: &Post) -> Sender {
    post.client.map_or(Sender::Own, Sender::Client)
}

/// The line of an owner of orders.
#[derive(Debug, Default)]
struct Line {
    frames: VecDeque<Numbered>,
    /// How many of them are urgent.
    urgent: usize,
}

/// The place of a class among those that share.
type Place = usize;

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn(Whose);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    /// A line of orders.
    Orders(Option<ClientId>),
    /// A sender in a class.
    Class(Place, Sender),
}

/// See the module's words.
#[derive(Debug)]
pub struct Pacer {
    window: Window,
    arrivals: u64,
    /// Lines of orders by owner, and under `None` the line beside them; none is empty.
    orders: indexmap::IndexMap<Option<ClientId>, Line, FxBuildHasher>,
    classes: [Fair; SHARES.len()],
    /// What the Gateway's rules on historical data hold back; it goes to its class when they let it.
    history: History,
    /// How much is left of the share of each class.
    shares: [u32; SHARES.len()],
    /// Where those wait that keep their order, and how many of each.
    tied: indexmap::IndexMap<Tie, (Place, Sender, usize), FxBuildHasher>,
    /// Waiting frames by class.
    waiting: [usize; Class::ALL.len()],
}

impl Pacer {
    /// `limit`: messages in any second, `None` for no limit. `history_rules`: whether the Gateway's rules on historical data
    /// are kept.
    pub fn new(limit: Option<u32>, history_rules: bool) -> Self {
        Pacer {
            window: Window::new(limit),
            arrivals: 0,
            orders: Default::default(),
            classes: Default::default(),
            history: History::new(history_rules),
            shares: SHARES.map(|(_, share)| share),
            tied: Default::default(),
            waiting: Default::default(),
        }
    }

    /// Another limit from now on. What left before still counts.
    pub fn set_limit(&mut self, limit: Option<u32>, now: Time) {
        self.window.set_limit(limit, now);
    }

    /// The highest limit that was in force within the last second; `None` for no limit.
    pub fn most(&self, now: Time) -> Option<u32> {
        self.window.most(now)
    }

    /// Whether nothing waits, and a frame that is not about orders may leave.
    pub fn lets_pass(&self, now: Time) -> bool {
        self.is_empty() && self.window.ready_beside_orders(now) <= now
    }

    /// Adds a frame at the end of its line or queue.
    pub fn push(&mut self, queued: Queued) {
        self.arrivals += 1;
        self.waiting[queued.class as usize] += 1;
        let post = queued.post;
        let line = match post.line {
            Some(owner) => Some((!post.beside).then_some(owner)),
            None => post.is_own_list().then_some(None),
        };
        let Some(line) = line else {
            return match queued.asks {
                Some(_) => self.history.push(sender_of(&post), (self.arrivals, queued)),
                None => self.push_to_class(self.arrivals, queued),
            };
        };
        let entry = self.orders.entry(line).or_default();
        entry.urgent += usize::from(post.what.is_urgent());
        entry.frames.push_back((self.arrivals, queued));
        if let (Some(owner), 1) = (line, entry.frames.len()) {
            self.classes[0].enter(Sender::Line(owner));
        }
    }

    fn push_to_class(&mut self, number: u64, queued: Queued) {
        let post = queued.post;
        // What twsmux itself ends makes room at the Gateway.
        let class = match post.what {
            What::Follow(_) if post.client.is_none() => Class::Account,
            _ => queued.class,
        };
        let place = SHARES.iter().position(|(c, _)| *c == class).unwrap_or(0);
        let sender = sender_of(&post);
        let (place, sender) = match tie(post.what) {
            Some(tie) => {
                let (place, sender, n) = self.tied.entry(tie).or_insert((place, sender, 0));
                *n += 1;
                (*place, *sender)
            }
            None => (place, sender),
        };
        self.classes[place].push(sender, (number, queued));
    }

    /// Lets go what the Gateway's rules on historical data allow. Returns when to call again, if nothing happens before.
    pub fn release(&mut self, now: Time) -> Option<Time> {
        while let Some((number, queued)) = self.history.release(now) {
            self.push_to_class(number, queued);
        }
        self.history.next()
    }

    /// Whether the Gateway's rules on historical data are kept.
    pub fn keep_history_rules(&mut self, keep: bool) {
        self.history.set(keep);
    }

    /// The Gateway says that it was asked for historical data too often. Returns for how long nothing of
    /// the kind goes; `None`: that is known.
    pub fn history_complained(&mut self, now: Time) -> Option<Duration> {
        self.history.complained(now)
    }

    /// Whether a request waits because of the rules on historical data.
    pub fn holds(&self, up: UpReqId) -> bool {
        self.history.holds(up)
    }

    /// Those that do.
    pub fn held_requests(&self) -> impl Iterator<Item = UpReqId> {
        self.history.iter().filter_map(|q| match q.post.what {
            What::Request(up) => Some(up),
            _ => None,
        })
    }

    /// How many do.
    pub fn held(&self) -> usize {
        self.history.iter().count()
    }

    /// A request is over.
    pub fn ended(&mut self, up: UpReqId) {
        self.history.ended(up);
    }

    /// Whose turn it is, when records up to `durable` are on disk: of the lines with orders the one whose head came first,
    /// else the class that has something left of its share.
    pub fn turn(&self, durable: u64) -> Option<Turn> {
        let urgent = |line: &Option<ClientId>, of: &Line| line.is_none() || of.urgent > 0;
        let lines = self.orders.iter().filter(|(line, of)| urgent(line, of));
        let heads = lines.filter_map(|(line, of)| Some((*line, of.frames.front()?)));
        let ready = heads.filter(|(_, (_, q))| q.post.after <= durable);
        if let Some((line, _)) = ready.min_by_key(|(_, (number, _))| *number) {
            return Some(Turn(Whose::Orders(line)));
        }
        let may = |sender| match sender {
            Sender::Line(owner) => self.orders.get(&Some(owner)).is_some_and(|line| line.urgent == 0),
            _ => true,
        };
        let mut turns = (0..SHARES.len()).filter_map(|at| Some((at, self.classes[at].turn(may)?)));
        let first = turns.clone().next();
        let within = turns.find(|(at, _)| self.shares[*at] > 0);
        within.or(first).map(|(at, sender)| Turn(Whose::Class(at, sender)))
    }

    /// The frame whose turn it is.
    pub fn head(&self, turn: Turn) -> Option<&Queued> {
        match turn.0 {
            Whose::Orders(line) => self.line_head(line),
            Whose::Class(_, Sender::Line(owner)) => self.line_head(Some(owner)),
            Whose::Class(at, sender) => self.classes[at].head(sender),
        }
    }

    fn line_head(&self, line: Option<ClientId>) -> Option<&Queued> {
        Some(&self.orders.get(&line)?.frames.front()?.1)
    }

    /// When the frame whose turn it is may leave; `now` or later.
    pub fn free_at(&self, turn: Turn, now: Time) -> Time {
        match turn.0 {
            Whose::Orders(_) => self.window.ready_at(1, now),
            Whose::Class(..) => self.window.ready_beside_orders(now),
        }
    }

    /// Takes the frame whose turn it is: it leaves now.
    pub fn take(&mut self, turn: Turn, now: Time) -> Option<Queued> {
        let taken = match turn.0 {
            Whose::Orders(line) => self.take_from_line(line),
            Whose::Class(at, sender) => {
                let taken = match sender {
                    Sender::Line(owner) => self.take_from_line(Some(owner)),
                    _ => self.classes[at].take(sender),
                };
                self.classes[at].sent(sender, turn_of(SHARES[at].0));
                if self.shares[at] == 0 {
                    self.shares = SHARES.map(|(_, share)| share);
                }
                self.shares[at] -= 1;
                taken
            }
        }?;
        self.forget(&taken);
        if let (What::Request(up), Some(asks)) = (taken.post.what, &taken.asks) {
            self.history.left(up, asks, now);
        }
        Some(taken)
    }

    fn take_from_line(&mut self, line: Option<ClientId>) -> Option<Queued> {
        let of = self.orders.get_mut(&line)?;
        let (_, taken) = of.frames.pop_front()?;
        of.urgent -= usize::from(taken.post.what.is_urgent());
        if of.frames.is_empty() {
            self.orders.swap_remove(&line);
            if let Some(owner) = line {
                self.classes[0].leave(Sender::Line(owner));
            }
        }
        Some(taken)
    }

    /// A frame waits no longer.
    fn forget(&mut self, queued: &Queued) {
        self.waiting[queued.class as usize] -= 1;
        let Some(tie) = tie(queued.post.what) else { return };
        // What stands in a line of orders is not tied.
        if let Some((_, _, n)) = self.tied.get_mut(&tie).filter(|_| queued.post.line.is_none()) {
            *n -= 1;
            if *n == 0 {
                self.tied.swap_remove(&tie);
            }
        }
    }

    /// Whether something that `which` picks waits in the line of an owner.
    pub fn waits(&self, owner: ClientId, which: impl Fn(What) -> bool) -> bool {
        self.orders.get(&Some(owner)).is_some_and(|line| line.frames.iter().any(|(_, q)| which(q.post.what)))
    }

    /// Whether anything waits, in its line or beside it, that concerns the orders of an owner.
    pub fn waits_for(&self, owner: ClientId) -> bool {
        self.orders.values().flat_map(|line| &line.frames).any(|(_, q)| q.post.line == Some(owner))
    }

    /// Waiting frames.
    pub fn len(&self) -> usize {
        self.waiting.iter().sum()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that waits, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Queued> {
        let lines = self.orders.values().flat_map(|line| &line.frames).map(|(_, q)| q);
        lines.chain(self.classes.iter().flat_map(Fair::iter)).chain(self.history.iter())
    }

    /// By class, in the order of [`Class::ALL`]: waiting frames, and when the one came that waits longest.
    pub fn by_class(&self) -> [(usize, Option<Time>); Class::ALL.len()] {
        let mut classes = self.waiting.map(|n| (n, None));
        for q in self.iter() {
            let (_, oldest) = &mut classes[q.class as usize];
            *oldest = Some(oldest.map_or(q.since, |t: Time| t.min(q.since)));
        }
        classes
    }

    /// When the order or modification came that waits longest.
    pub fn oldest_order(&self) -> Option<Time> {
        let orders = self.orders.values().filter_map(|line| {
            line.frames.iter().find(|(_, q)| matches!(q.post.what, What::Order(_))).map(|(_, q)| q.since)
        });
        orders.min()
    }

    /// When `n` messages may be sent together; `now` or later.
    pub fn ready_at(&self, n: usize, now: Time) -> Time {
        self.window.ready_at(n, now)
    }

    /// One message was sent.
    pub fn sent(&mut self, now: Time) {
        self.window.sent(now);
    }

    /// The Gateway says that messages come too fast; see [`Window::slow_down`].
    pub fn slow_down(&mut self, now: Time) -> bool {
        self.window.slow_down(now)
    }

    /// Messages that may leave in a second from now on; `None` for no limit.
    pub fn limit(&self, now: Time) -> Option<u32> {
        self.window.limit(now)
    }

    /// Takes out the frames that `void` picks, in the order in which they came.
    pub fn void(&mut self, void: impl Fn(&Queued) -> bool) -> Vec<Queued> {
        self.void_numbered(|_, q| void(q))
    }

    /// Takes out the first beginning of a shared stream that is `late`, and what follows it up to the next beginning.
    pub fn void_stream(&mut self, stream: Shared, late: impl Fn(&Queued) -> bool) -> Vec<Queued> {
        let begins = |q: &Queued| q.post.what == What::Begin(stream);
        let first = |from: u64, which: &dyn Fn(&Queued) -> bool| {
            let waiting = self.classes.iter().flat_map(Fair::numbered);
            waiting.filter(|(n, q)| *n >= from && begins(q) && which(q)).map(|(n, _)| *n).min()
        };
        let Some(from) = first(0, &late) else { return Vec::new() };
        let to = first(from + 1, &|_| true).unwrap_or(u64::MAX);
        self.void_numbered(|n, q| tie(q.post.what) == Some(Tie::Stream(stream)) && (from..to).contains(&n))
    }

    fn void_numbered(&mut self, void: impl Fn(u64, &Queued) -> bool) -> Vec<Queued> {
        let mut out = Vec::new();
        for (owner, line) in &mut self.orders {
            sift(&mut line.frames, &void, &mut out);
            line.urgent = line.frames.iter().filter(|(_, q)| q.post.what.is_urgent()).count();
            if let (Some(owner), true) = (owner, line.frames.is_empty()) {
                self.classes[0].leave(Sender::Line(*owner));
            }
        }
        self.orders.retain(|_, line| !line.frames.is_empty());
        for class in &mut self.classes {
            class.void(&void, &mut out);
        }
        let tied = out.len();
        self.history.void(&void, &mut out);
        // What was held is not tied to anything.
        out[tied..].iter().for_each(|(_, q)| self.waiting[q.class as usize] -= 1);
        out[..tied].iter().for_each(|(_, q)| self.forget(q));
        for (_, q) in &out {
            if let What::Request(up) = q.post.what {
                self.history.ended(up);
            }
        }
        out.sort_by_key(|(number, _)| *number);
        out.into_iter().map(|(_, q)| q).collect()
    }

    /// A new link: nothing waits. What was sent on the old one still counts: the Gateway may count by program.
    pub fn reset(&mut self) -> Vec<Queued> {
        self.window.reset();
        self.history.reset();
        self.void(|_| true)
    }

    /// The number of sends in the second before `now`, for the invariant and the view.
    pub fn in_window(&self, now: Time) -> usize {
        self.window.in_window(now)
    }

    /// Asserts what must always hold.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let mut waiting = [0; Class::ALL.len()];
        self.iter().for_each(|q| waiting[q.class as usize] += 1);
        assert_eq!(waiting, self.waiting, "what waits is counted");
        let classes = self.classes.iter().flat_map(Fair::iter);
        let tied = classes.filter(|q| tie(q.post.what).is_some()).count();
        assert_eq!(
            tied,
            self.tied.values().map(|(_, _, n)| n).sum::<usize>(),
            "what keeps its order is counted"
        );
        self.history.check();
        for line in self.orders.values() {
            let urgent = line.frames.iter().filter(|(_, q)| q.post.what.is_urgent()).count();
            assert_eq!(urgent, line.urgent, "I7: a line knows of its orders");
        }
    }
}

/// Takes out of a line the frames that `void` picks.
fn sift(line: &mut VecDeque<Numbered>, void: &impl Fn(u64, &Queued) -> bool, out: &mut Vec<Numbered>) {
    if line.iter().any(|(n, q)| void(*n, q)) {
        let (gone, keep): (VecDeque<_>, _) = std::mem::take(line).into_iter().partition(|(n, q)| void(*n, q));
        *line = keep;
        out.extend(gone);
    }
}

#[cfg(test)]
mod tests;
