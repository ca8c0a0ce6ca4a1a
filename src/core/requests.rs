//! Requests under an upstream request id: who asked, under which id of its own, and how each ends (I3, I8).
//!
//! An entry leaves the table when its request ends; cancelled and abandoned ones are *retired*: their late frames
//! are recognised and dropped, and the id is not given out again for a whole turn of the id range.

use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::lines::{Line, Subject};
use super::recent::Recent;
use super::replay::{Again, Bars};
use crate::ids::{ClientId, ClientKey, DownReqId, UpReqId};
use crate::limits;
use crate::protocol::model::Reuse;
use crate::time::Time;

/// Who asked, and under which id of its own.
pub type Member = (ClientKey, DownReqId);

/// All who share a request; nearly always one.
pub type Members = SmallVec<[Member; 2]>;

/// One request.
#[derive(Debug)]
pub struct Entry {
    /// Who asked: several where equal requests are one upstream, in the order of joining. Nobody only
    /// while a line lingers.
    pub members: Members,
    /// Whether a client was among them under several ids.
    pub several_ids: bool,
    /// The request's message id.
    pub message: u16,
    /// Whether it ends with its answer.
    pub one_shot: bool,
    /// Whether a depth subscription is of the smart kind; its cancel must say the same.
    pub smart_depth: bool,
    /// Whether a terminal error or a reroute was passed on, so that the client may use the id again.
    pub spent: bool,
    /// Whether something has come all the same since it was.
    pub goes_on: bool,
    /// Whether it is about a US stock, whose sizes some versions count in lots. Known where the versions differ.
    pub us_stock: bool,
    /// Data that waits for the message with the rest of it.
    pub held: Option<bytes::Bytes>,
    /// Executions: only those of this client id are wanted.
    pub filter: Option<ClientId>,
    /// How often orders had changed when it left; `None` before that.
    pub changes_at: Option<u64>,
    /// How long its answer serves others.
    pub reuse: Reuse,
    /// What was asked, where it can be asked again.
    pub again: Option<Again>,
    /// Since when it has waited for a link; `None` while it is asked of the Gateway.
    pub asleep: Option<Time>,
    /// Whether anything of its answer has come.
    pub begun: bool,
    /// What its clients have of its bars.
    pub bars: Bars,
    /// What equal requests share; `None` for one that is never shared.
    pub line: Option<Line>,
}

/// What is remembered of a request that was cancelled or abandoned.
#[derive(Clone, Copy, Debug)]
pub struct Retired {
    /// Who had asked, for the answers that a cancel itself draws; `None` when nobody is to hear of it.
    pub client: Option<ClientKey>,
    /// Under which id.
    pub down: DownReqId,
    /// The request's message id.
    pub message: u16,
}

/// All requests of the link.
#[derive(Debug)]
pub struct Requests {
    range: (i32, i32),
    next: i32,
    /// Whether ids are given out for the second time.
    turned: bool,
    /// In boxes: they are large, and what comes and goes is moved.
    active: indexmap::IndexMap<UpReqId, Box<Entry>, FxBuildHasher>,
    /// The shared ones that others may join.
    lines: indexmap::IndexMap<Subject, UpReqId, FxBuildHasher>,
    retired: Recent<UpReqId, Retired>,
}

/// Half of the id space: order ids live in one half, request ids in the other.
const HALF: i32 = 1 << 30;

impl Requests {
    /// An empty table whose ids are disjoint from order ids that start at `next_order_id`: error messages carry one
    /// number for both.
    pub fn new(next_order_id: i32) -> Self {
        let range = match next_order_id < HALF {
            true => (HALF, i32::MAX - 1),
            // Order ids this high come from clients that number by the clock. Low ids remain possible for old
            // orders, so the ids start far above them.
            false => (HALF / 2, HALF - 1),
        };
        Requests {
            range,
            next: range.0,
            turned: false,
            active: Default::default(),
            lines: Default::default(),
            retired: Recent::new(limits::MAX_RETIRED),
        }
    }

    /// Whether a number that the Gateway names is one of these ids rather than an order id.
    pub fn covers(&self, id: i32) -> bool {
        (self.range.0..=self.range.1).contains(&id)
    }

    /// Adds a request under a new id.
    pub fn add(&mut self, mut entry: Box<Entry>) -> UpReqId {
        let id = self.reserve();
        if let Some(line) = entry.line.as_mut().filter(|_| !entry.spent) {
            self.lines.insert(line.subject.clone(), id);
            line.open = true;
        }
        self.active.insert(id, entry);
        id
    }

    /// The request about `subject` that others may join.
    pub fn about(&self, subject: &Subject) -> Option<UpReqId> {
        self.lines.get(subject).copied()
    }

    /// Nobody joins this request any more: the Gateway has refused it, or sent elsewhere for it.
    pub fn close(&mut self, id: UpReqId) {
        let Some(entry) = self.active.get_mut(&id) else { return };
        if let Some(line) = &mut entry.line
            && std::mem::take(&mut line.open)
            && self.lines.get(&line.subject) == Some(&id)
        {
            self.lines.swap_remove(&line.subject);
        }
    }

    /// An id that no request has or had lately, for a request that is kept elsewhere.
    pub fn reserve(&mut self) -> UpReqId {
        loop {
            let id = UpReqId(self.next);
            self.next += 1;
            if id.0 == self.range.1 {
                (self.next, self.turned) = (self.range.0, true);
            }
            if !self.turned || !self.active.contains_key(&id) && self.retired.get(&id).is_none() {
                return id;
            }
        }
    }

    /// The request under `id`.
    pub fn get(&self, id: UpReqId) -> Option<&Entry> {
        self.active.get(&id).map(|entry| &**entry)
    }

    /// Likewise, to change it.
    pub fn get_mut(&mut self, id: UpReqId) -> Option<&mut Entry> {
        self.active.get_mut(&id).map(|entry| &mut **entry)
    }

    /// Ends a request.
    pub fn end(&mut self, id: UpReqId) -> Option<Box<Entry>> {
        self.close(id);
        self.active.swap_remove(&id)
    }

    /// Ends a request whose late frames are to be expected. `tell`: whether its client hears what the cancel draws.
    pub fn retire(&mut self, id: UpReqId, tell: bool) -> Option<Box<Entry>> {
        let entry = self.end(id)?;
        let first = entry.members.first();
        let client = first.filter(|_| tell).map(|(client, _)| *client);
        let down = first.map_or(DownReqId(-1), |(_, down)| *down);
        self.retired.insert(id, Retired { client, down, message: entry.message });
        Some(entry)
    }

    /// A reserved id is of no use any more: its late frames are to be expected.
    pub fn rest(&mut self, id: UpReqId, down: DownReqId, message: u16) {
        self.retired.insert(id, Retired { client: None, down, message });
    }

    /// What is remembered of a cancelled request.
    pub fn retired(&self, id: UpReqId) -> Option<Retired> {
        self.retired.get(&id).copied()
    }

    /// All active requests, by rising id.
    pub fn into_active(mut self) -> impl Iterator<Item = (UpReqId, Box<Entry>)> {
        self.active.sort_unstable_keys();
        self.active.into_iter()
    }

    /// All active requests.
    pub fn iter(&self) -> impl Iterator<Item = (UpReqId, &Entry)> {
        self.active.iter().map(|(id, e)| (*id, &**e))
    }

    /// How many are active.
    pub fn len(&self) -> usize {
        self.active.len()
    }
}
