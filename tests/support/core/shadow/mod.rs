//! The shadow model: what every party is entitled to, worked out from what was sent, not from the core.
//!
//! It hears of every input before the core does and answers with what the core must (or may) put where; the
//! simulation compares. It recognises requests upstream by tokens inside them, never by the ids under test.

mod asked;
mod shared;
mod upstream;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use twsmux::protocol::layout::Record;
use twsmux::protocol::request;
use twsmux::time::Time;

use super::kinds::{self, KINDS, Kind};
use super::speech::{self, Said};
use super::{Frame, Who, response_payload};

pub const UP_CLIENT: i32 = 0;
pub const SECOND: u64 = 1_000_000;

/// What is expected at a client.
#[derive(Clone, Debug)]
pub enum What {
    /// These bytes.
    Exact(Bytes),
    /// A message that says this.
    Says(u16, Said),
    /// An error with this id and one of these codes.
    Error(i32, &'static [u16]),
    /// An error with this code under any id.
    Code(u16),
    /// A message with this id.
    Message(u16),
}

#[derive(Clone, Debug)]
pub struct Expect {
    pub who: Who,
    pub what: What,
    pub must: bool,
}

/// How far a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Connected,
    Greeted,
    Held,
    Ready,
    Over,
}

pub struct MClient {
    pub stage: Stage,
    pub id: i32,
    pub range: (u16, u16),
    pub version: u16,
    pub deadline: u64,
    pub data_type: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Answers go to the client.
    Active,
    /// As active, but the client may use the id again.
    Spent,
    /// Cancelled by the client: it hears only what the cancel draws.
    Cancelled,
    /// Over.
    Ended,
}

/// One request by request id.
pub struct Inst {
    pub who: Who,
    pub down: i32,
    pub kind: usize,
    pub one_shot: bool,
    pub state: State,
    pub up: Option<i32>,
    pub data_type: i32,
    /// Its client is gone: what has not left must not leave.
    pub orphan: bool,
    /// Cancels sent by the client.
    pub cancels: u32,
    /// A cancel has reached the upstream.
    pub cancelled_up: bool,
    /// An execution query: its client filter, and the executions that it got.
    pub query: Option<(i32, Vec<usize>)>,
    /// What it says upstream but for its id.
    said: Said,
    /// It is about a US stock.
    us_stock: bool,
    /// Historical data that waits for its end.
    held: Option<Record>,
}

/// The kind of an execution query.
pub const QUERY: usize = usize::MAX;

impl Inst {
    pub fn message(&self) -> u16 {
        if self.kind == QUERY { 7 } else { KINDS[self.kind].req }
    }

    pub fn kind(&self) -> &'static Kind {
        &KINDS[self.kind]
    }

    fn live(&self) -> bool {
        matches!(self.state, State::Active | State::Spent)
    }
}

/// Something done to an order that has not left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// A call of placeOrder with its token.
    Place(u64),
    Cancel(Who),
}

pub struct Order {
    pub owner: i32,
    pub down: i32,
    pub up: Option<i32>,
    pub parent: Option<usize>,
    pub ops: VecDeque<Op>,
    /// It left on this link and nothing was heard of it.
    pub unconfirmed: bool,
    /// It never left and was refused: its id is free again.
    pub withdrawn: bool,
    pub dead: bool,
    pub what_if: bool,
    /// The Gateway has it.
    pub arrived: bool,
    pub open: Option<Record>,
    pub status: Option<Record>,
}

/// A call of placeOrder.
struct Call {
    order: usize,
    parent: Option<usize>,
    /// What it says upstream but for the ids.
    said: Said,
}

pub struct Exec {
    pub order: usize,
    pub id: String,
    /// The commission of the live fill is still to come.
    pub live: bool,
}

#[derive(Clone, Copy)]
pub struct Ask {
    pub who: Option<Who>,
    pub message: u16,
}

#[derive(Default)]
pub struct Lane {
    pub head: Option<Ask>,
    pub left: bool,
    pub waiting: VecDeque<Ask>,
    pub deadline: u64,
}

#[derive(Default)]
pub struct Stream {
    pub account: String,
    pub subscribers: Vec<Who>,
    /// Those who have not had an end marker yet.
    pub waiting_end: BTreeSet<Who>,
    rows: Vec<(String, Message)>,
    end: Option<Message>,
}

/// A message of the Gateway and its values.
pub type Message = (u16, Record);

/// An account summary: one upstream request, any number of askers under ids of their own.
pub struct Summary {
    pub tags: &'static str,
    pub up: Option<i32>,
    pub members: Vec<(Who, i32)>,
    rows: Vec<(String, Record)>,
    pub end: Option<Record>,
    pub cancelled_up: bool,
}

/// Lanes by request message and key.
pub type LaneKey = (u16, i64);

pub struct Shadow {
    pub clients: Vec<MClient>,
    pub insts: Vec<Inst>,
    pub by_up: BTreeMap<i32, usize>,
    /// The latest request under (client, message, id).
    latest: BTreeMap<(Who, u16, i32), usize>,
    pub orders: Vec<Order>,
    pub by_down: BTreeMap<(i32, i32), usize>,
    pub by_up_order: BTreeMap<i32, usize>,
    /// Calls of placeOrder by token.
    calls: BTreeMap<u64, Call>,
    placed: BTreeMap<i32, i32>,
    told_next: BTreeMap<i32, i32>,
    pub max_up_order: i32,
    pub global_cancels: VecDeque<Who>,
    pub execs: Vec<Exec>,
    pub lanes: BTreeMap<LaneKey, Lane>,
    /// Lanes whose request left, in that order.
    pub lanes_sent: Vec<LaneKey>,
    /// Account updates, positions, bulletins.
    pub streams: [Stream; 3],
    pub summaries: Vec<Summary>,
    pub own_unsubscribes: u32,
    farms: Vec<((u8, String), Record)>,
    /// When the Gateway told its time, and which, in milliseconds.
    clock: Option<(u64, i64)>,
    clock_waiters: Vec<(Who, u16)>,
    pub last_clock_request: Option<u64>,
    pub ready: bool,
    pub starting: bool,
    pub stopping: bool,
    pub version: Option<u16>,
    pub max_version: u16,
    pub accounts: Option<String>,
    pub new_accounts: Option<String>,
    pub last_heard: u64,
    pub connected_at: u64,
    pub data_type: i32,
    pub next_token: u64,
    pub out: Vec<Expect>,
    /// Messages that their client's version does not have.
    pub unseen: u64,
}

pub const ACCOUNTS: usize = 0;
pub const POSITIONS: usize = 1;
pub const BULLETINS: usize = 2;

const NOT_CONNECTED: &[u16] = &[504];
const REFUSED_ORDER: &[u16] = &[201];
const REMARK: &[u16] = &[399];
const TOO_OLD: &[u16] = &[503];

/// What a call of placeOrder says but for the ids, which are other ones upstream.
fn without_ids(mut said: Said) -> Said {
    said.retain(|name, _| !matches!(&name[..], "orderId" | "id" | "parentId"));
    said
}

impl Shadow {
    pub fn new(max_version: u16) -> Shadow {
        Shadow {
            clients: Vec::new(),
            insts: Vec::new(),
            by_up: BTreeMap::new(),
            latest: BTreeMap::new(),
            orders: Vec::new(),
            by_down: BTreeMap::new(),
            by_up_order: BTreeMap::new(),
            calls: BTreeMap::new(),
            placed: BTreeMap::new(),
            told_next: BTreeMap::new(),
            max_up_order: 0,
            global_cancels: VecDeque::new(),
            execs: Vec::new(),
            lanes: BTreeMap::new(),
            lanes_sent: Vec::new(),
            streams: Default::default(),
            summaries: Vec::new(),
            own_unsubscribes: 0,
            farms: Vec::new(),
            clock: None,
            clock_waiters: Vec::new(),
            last_clock_request: None,
            ready: false,
            starting: false,
            stopping: false,
            version: None,
            max_version,
            accounts: None,
            new_accounts: None,
            last_heard: 0,
            connected_at: 0,
            data_type: 1,
            next_token: 1000,
            out: Vec::new(),
            unseen: 0,
        }
    }

    pub fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    pub fn exact(&mut self, who: Who, payload: Bytes) {
        self.out.push(Expect { who, what: What::Exact(payload), must: true });
    }

    pub fn error(&mut self, who: Who, id: i32, codes: &'static [u16]) {
        self.out.push(Expect { who, what: What::Error(id, codes), must: true });
    }

    /// twsmux says this to a client itself.
    pub fn own(&mut self, who: Who, id: u16, values: &Record) {
        self.exact(who, response_payload(self.clients[who].version, id, values));
    }

    /// The Gateway says this, and a client must get it as its version has it: unchanged where both speak the same one.
    pub fn tells(&mut self, who: Who, id: u16, values: &Record) {
        match self.told(who, id, values) {
            Some(what) => self.out.push(Expect { who, what, must: true }),
            None => self.unseen += 1,
        }
    }

    /// What a client sees of what the Gateway says; `None` where its version does not have the message.
    pub fn told(&self, who: Who, id: u16, values: &Record) -> Option<What> {
        let (from, to) = (self.version.expect("a version"), self.clients[who].version);
        match from == to {
            true => Some(What::Exact(response_payload(from, id, values))),
            false => speech::seen(id, values, from, to).map(|said| What::Says(id, said)),
        }
    }

    /// What goes upstream for a request; `None` where the Gateway's version has no place for it.
    pub fn carried(&self, who: Who, id: u16, values: &Record) -> Option<Said> {
        let gateway = self.version.expect("ready");
        speech::carried(id, values, self.clients[who].version, gateway)
    }

    pub fn is_ready(&self, who: Who) -> bool {
        self.clients[who].stage == Stage::Ready
    }

    pub fn ready_clients(&self) -> Vec<Who> {
        (0..self.clients.len()).filter(|w| self.is_ready(*w)).collect()
    }

    /// The ready client of a client id.
    pub fn holder(&self, id: i32) -> Option<Who> {
        (0..self.clients.len()).find(|w| self.is_ready(*w) && self.clients[*w].id == id)
    }

    /// The held or ready client of a client id.
    pub fn named(&self, id: i32) -> Option<Who> {
        let live = |c: &MClient| matches!(c.stage, Stage::Held | Stage::Ready) && c.id == id;
        self.clients.iter().position(live)
    }

    // ---- clients come, start and go ----

    pub fn connect(&mut self, now: u64) {
        self.clients.push(MClient {
            stage: Stage::Connected,
            id: 0,
            range: (0, 0),
            version: 0,
            deadline: now + 15 * SECOND,
            data_type: 1,
        });
    }

    /// The version that a client must be told.
    pub fn greet(&mut self, who: Who, min: u16, max: u16, now: u64) -> Option<u16> {
        let wanted = self.version.unwrap_or(self.max_version);
        let client = &mut self.clients[who];
        if max < 100 || min > 226 {
            client.stage = Stage::Over;
            return None;
        }
        client.range = (min, max);
        client.version = wanted.clamp(min, max);
        client.stage = Stage::Greeted;
        client.deadline = now + 60 * SECOND;
        Some(client.version)
    }

    /// `stalled`: whether the holder of the id counts as dead.
    pub fn start(&mut self, who: Who, id: i32, stalled: bool, now: u64) {
        if let Some(holder) = self.named(id) {
            if !stalled {
                self.error(who, -1, &[326]);
                self.clients[who].stage = Stage::Over;
                return;
            }
            self.error(holder, -1, &[326]);
            self.release(holder);
        }
        let client = &mut self.clients[who];
        client.id = id;
        client.stage = Stage::Held;
        client.deadline = now + 3 * SECOND / 2;
        if self.ready {
            self.first_messages(who, now);
        }
    }

    fn first_messages(&mut self, who: Who, now: u64) {
        let id = self.clients[who].id;
        self.clients[who].stage = Stage::Ready;
        let live: Vec<usize> = self.order_of_placing(id);
        let mut pushed = false;
        for at in live {
            let order = &self.orders[at];
            let images = [order.open.clone().map(|r| (5, r)), order.status.clone().map(|r| (3, r))];
            if order.dead || images[0].is_none() {
                continue;
            }
            for (message, values) in images.into_iter().flatten() {
                let values = self.order_values(at, &values, true);
                self.tells(who, message, &values);
                pushed = true;
            }
        }
        if pushed {
            self.own(who, 53, &Record::new());
        }
        let mut accounts = Record::new();
        accounts.set("accountsList", self.accounts.clone().unwrap_or_default());
        self.own(who, 15, &accounts);
        self.out.push(Expect { who, what: What::Message(9), must: true });
        for (_, mut notice) in self.farms.clone() {
            if self.version < Some(194) {
                notice.set("errorTime", now / 1000);
            }
            self.tells(who, 4, &notice);
        }
    }

    /// The orders of a client id as they were placed.
    fn order_of_placing(&self, owner: i32) -> Vec<usize> {
        (0..self.orders.len()).filter(|at| self.orders[*at].owner == owner).collect()
    }

    /// nextValidId came to a client.
    pub fn check_next(&mut self, who: Who, frame: &Frame) {
        let owner = self.clients[who].id;
        let next = frame.response().int("orderId").expect("a number") as i32;
        assert!(next > *self.placed.get(&owner).unwrap_or(&0), "nextValidId is above every id used");
        let told = self.told_next.entry(owner).or_insert(0);
        assert!(next >= *told, "nextValidId never goes back");
        *told = next;
    }

    /// A client's connection is over, whoever ended it.
    pub fn release(&mut self, who: Who) {
        if self.clients[who].stage == Stage::Over {
            return;
        }
        self.clients[who].stage = Stage::Over;
        for inst in self.insts.iter_mut().filter(|i| i.who == who) {
            inst.orphan = inst.live() && inst.up.is_none();
            if inst.live() {
                inst.state = State::Ended;
            } else if inst.state == State::Cancelled {
                inst.state = State::Ended; // nobody is there to hear of the cancel
            }
        }
        for lane in self.lanes.values_mut() {
            for ask in lane.head.iter_mut().chain(&mut lane.waiting) {
                if ask.who == Some(who) {
                    ask.who = None;
                }
            }
        }
        for stream in [ACCOUNTS, POSITIONS, BULLETINS] {
            self.leave(who, stream, false);
        }
        for summary in &mut self.summaries {
            summary.members.retain(|m| m.0 != who);
        }
    }

    // ---- the link ----

    pub fn link_ready(&mut self, now: u64) {
        self.starting = false;
        self.ready = true;
        self.own_unsubscribes = 0;
        self.data_type = 1;
        self.last_heard = now;
        let moved = self.accounts.is_some() && self.accounts != self.new_accounts;
        self.accounts = self.new_accounts.clone();
        for who in self.ready_clients() {
            if moved {
                self.error(who, -1, NOT_CONNECTED);
                self.clients[who].stage = Stage::Over;
            } else {
                self.error(who, -1, &[1101]);
            }
        }
        for who in 0..self.clients.len() {
            if self.clients[who].stage == Stage::Held {
                self.first_messages(who, now);
            }
        }
    }

    /// The Gateway's answer to the greeting came.
    pub fn link_hello(&mut self, version: u16) {
        if self.version.is_some_and(|v| v != version) {
            for order in &mut self.orders {
                order.open = None;
                order.status = None;
            }
        }
        self.version = Some(version);
        self.starting = true;
        self.farms.clear();
    }

    /// The link is gone. What was ready ends with notices.
    pub fn link_lost(&mut self) {
        self.starting = false;
        self.last_clock_request = None;
        if !std::mem::take(&mut self.ready) {
            return;
        }
        for who in self.ready_clients() {
            self.error(who, -1, &[1100]);
        }
        for at in 0..self.insts.len() {
            let inst = &mut self.insts[at];
            if inst.live() {
                let (who, down) = (inst.who, inst.down);
                self.error(who, down, NOT_CONNECTED);
            }
            self.insts[at].state = State::Ended;
            self.insts[at].orphan = true;
        }
        self.by_up.clear();
        self.latest.clear();
        for summary in std::mem::take(&mut self.summaries) {
            for (who, down) in summary.members {
                self.error(who, down, NOT_CONNECTED);
            }
        }
        for lane in std::mem::take(&mut self.lanes).into_values() {
            for who in lane.head.into_iter().chain(lane.waiting).filter_map(|a| a.who) {
                self.error(who, -1, NOT_CONNECTED);
            }
        }
        self.lanes_sent.clear();
        self.refuse_queued();
        for at in 0..self.orders.len() {
            let order = &mut self.orders[at];
            if std::mem::take(&mut order.unconfirmed) {
                let (owner, down) = (order.owner, order.down);
                if let Some(who) = self.holder(owner) {
                    self.error(who, down, REMARK);
                }
            }
        }
        for stream in &mut self.streams {
            *stream = Stream::default();
        }
        self.clock_waiters.clear();
    }

    /// Orders and cancels that have not left are refused.
    pub fn refuse_queued(&mut self) {
        for at in 0..self.orders.len() {
            let order = &mut self.orders[at];
            let ops = std::mem::take(&mut order.ops);
            let is_new = order.up.is_none();
            let (owner, down) = (order.owner, order.down);
            for op in ops {
                match op {
                    Op::Place(_) => {
                        self.orders[at].withdrawn = is_new;
                        if let Some(who) = self.holder(owner) {
                            self.error(who, down, if is_new { REFUSED_ORDER } else { REMARK });
                        }
                    }
                    Op::Cancel(who) if self.is_ready(who) => self.error(who, down, REMARK),
                    Op::Cancel(_) => {}
                }
            }
        }
        for who in std::mem::take(&mut self.global_cancels) {
            if self.is_ready(who) {
                self.error(who, -1, REMARK);
            }
        }
    }
}
