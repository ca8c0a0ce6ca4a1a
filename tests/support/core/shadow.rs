//! The shadow model: what every party is entitled to, worked out from what was sent, not from the core.
//!
//! It hears of every input before the core does and answers with what the core must (or may) put where; the
//! simulation compares. It recognises requests upstream by tokens inside them, never by the ids under test.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use twsmux::protocol::layout::Record;
use twsmux::protocol::request;
use twsmux::time::Time;

use super::kinds::{KINDS, Kind};
use super::{Frame, Who, response_payload};

pub const UP_CLIENT: i32 = 0;
pub const SECOND: u64 = 1_000_000;

/// What is expected at a client.
#[derive(Clone, Debug)]
pub enum What {
    /// These bytes.
    Exact(Bytes),
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
    rows: Vec<(String, Bytes)>,
    end: Option<Bytes>,
}

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
    /// Calls of placeOrder by token: the order and its parent.
    pub calls: BTreeMap<u64, (usize, Option<usize>)>,
    placed: BTreeMap<i32, i32>,
    told_next: BTreeMap<i32, i32>,
    pub max_up_order: i32,
    pub global_cancels: VecDeque<Who>,
    pub execs: Vec<Exec>,
    pub early: BTreeMap<String, Bytes>,
    pub lanes: BTreeMap<LaneKey, Lane>,
    /// Lanes whose request left, in that order.
    pub lanes_sent: Vec<LaneKey>,
    /// Account updates, positions, bulletins.
    pub streams: [Stream; 3],
    pub summaries: Vec<Summary>,
    pub own_unsubscribes: u32,
    farms: Vec<((u8, String), Bytes)>,
    clock: Option<(u64, i64)>,
    clock_waiters: Vec<Who>,
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
}

pub const ACCOUNTS: usize = 0;
pub const POSITIONS: usize = 1;
pub const BULLETINS: usize = 2;

const NOT_CONNECTED: &[u16] = &[504];
const REFUSED_ORDER: &[u16] = &[201];
const REMARK: &[u16] = &[399];

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
            early: BTreeMap::new(),
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

    pub fn payload(&self, id: u16, values: &Record) -> Bytes {
        response_payload(self.version.expect("a version"), id, values)
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
        if max < 100 {
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
            self.first_messages(who);
        }
    }

    fn first_messages(&mut self, who: Who) {
        let version = self.version.expect("ready");
        if self.clients[who].version != version {
            self.error(who, -1, &[506]);
            self.clients[who].stage = Stage::Over;
            return;
        }
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
                let payload = self.order_payload(at, message, &values, true);
                self.exact(who, payload);
                pushed = true;
            }
        }
        if pushed {
            let end = self.payload(53, &Record::new());
            self.exact(who, end);
        }
        let mut accounts = Record::new();
        accounts.set("accountsList", self.accounts.clone().unwrap_or_default());
        let accounts = self.payload(15, &accounts);
        self.exact(who, accounts);
        self.out.push(Expect { who, what: What::Message(9), must: true });
        for (_, notice) in self.farms.clone() {
            self.exact(who, notice);
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
            if self.clients[who].version != self.version.expect("ready") {
                self.error(who, -1, &[506]);
                self.clients[who].stage = Stage::Over;
            } else if moved {
                self.error(who, -1, NOT_CONNECTED);
                self.clients[who].stage = Stage::Over;
            } else {
                self.error(who, -1, &[1101]);
            }
        }
        for who in 0..self.clients.len() {
            if self.clients[who].stage == Stage::Held {
                self.first_messages(who);
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
        self.early.clear();
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

    // ---- requests ----

    fn available(&self) -> bool {
        self.ready && !self.stopping
    }

    fn refuse(&mut self, who: Who, id: i32) {
        let codes: &'static [u16] = if self.ready { &[322] } else { NOT_CONNECTED };
        self.error(who, id, codes);
    }

    /// A request by id. `None`: it is refused.
    pub fn ask(&mut self, who: Who, kind: usize, down: i32, one_shot: bool) -> Option<usize> {
        if !self.available() {
            self.refuse(who, down);
            return None;
        }
        let message = if kind == QUERY { 7 } else { KINDS[kind].req };
        if let Some(old) = self.latest.get(&(who, message, down)).copied() {
            match self.insts[old].state {
                State::Spent => self.insts[old].state = State::Ended,
                State::Active if !self.insts[old].one_shot => {
                    let code = KINDS[kind].duplicate;
                    self.out.push(Expect { who, what: What::Code(code), must: true });
                    return None;
                }
                _ => {}
            }
        }
        let at = self.insts.len();
        self.insts.push(Inst {
            who,
            down,
            kind,
            one_shot,
            state: State::Active,
            up: None,
            data_type: self.clients[who].data_type,
            orphan: false,
            cancels: 0,
            cancelled_up: false,
            query: None,
        });
        self.latest.insert((who, message, down), at);
        Some(at)
    }

    pub fn cancel(&mut self, who: Who, kind: usize, down: i32) {
        if !self.available() {
            return self.refuse(who, down);
        }
        match self.latest.get(&(who, KINDS[kind].req, down)).copied() {
            Some(at) if self.insts[at].live() => {
                self.insts[at].state = State::Cancelled;
                self.insts[at].cancels += 1;
            }
            _ => {
                let cancel = request(KINDS[kind].cancel.into()).expect("declared");
                if cancel.not_found != 0 {
                    self.out.push(Expect { who, what: What::Code(cancel.not_found), must: true });
                }
            }
        }
    }

    pub fn active(&self, who: Who) -> Vec<usize> {
        (0..self.insts.len()).filter(|i| self.insts[*i].who == who && self.insts[*i].live()).collect()
    }

    // ---- orders from clients ----

    /// Whether a call is taken in; then its token and order.
    pub fn place(&mut self, who: Who, down: i32, parent: i32, what_if: bool) -> Option<(u64, usize)> {
        let owner = self.clients[who].id;
        let known = self.by_down.get(&(owner, down)).copied().filter(|at| !self.orders[*at].withdrawn);
        let modifies = known.is_some_and(|at| !self.orders[at].dead);
        let refused = if modifies { REMARK } else { REFUSED_ORDER };
        if !self.available() {
            self.error(who, down, refused);
            return None;
        }
        if down <= 0 {
            self.error(who, down, &[321]);
            return None;
        }
        let find = |d: i32| self.by_down.get(&(owner, d)).copied().filter(|at| !self.orders[*at].withdrawn);
        let parent_at = find(parent);
        if parent != 0 && parent_at.is_none() {
            self.error(who, down, refused);
            return None;
        }
        let at = match known {
            Some(at) => at,
            None => {
                let again = self.by_down.contains_key(&(owner, down));
                if !again && down <= *self.placed.get(&owner).unwrap_or(&0) {
                    self.error(who, down, &[103]);
                    return None;
                }
                self.new_order(owner, down)
            }
        };
        let token = self.token();
        self.orders[at].what_if = what_if;
        self.orders[at].ops.push_back(Op::Place(token));
        self.calls.insert(token, (at, parent_at));
        Some((token, at))
    }

    pub fn new_order(&mut self, owner: i32, down: i32) -> usize {
        let highest = self.placed.entry(owner).or_insert(0);
        *highest = (*highest).max(down);
        let at = self.orders.len();
        self.orders.push(Order {
            owner,
            down,
            up: None,
            parent: None,
            ops: VecDeque::new(),
            unconfirmed: false,
            withdrawn: false,
            dead: false,
            what_if: false,
            arrived: false,
            open: None,
            status: None,
        });
        self.by_down.insert((owner, down), at);
        at
    }

    pub fn cancel_order(&mut self, who: Who, down: i32) {
        if !self.available() {
            return self.error(who, down, REMARK);
        }
        let owner = self.clients[who].id;
        match self.by_down.get(&(owner, down)).copied().filter(|at| !self.orders[*at].withdrawn) {
            Some(at) => self.orders[at].ops.push_back(Op::Cancel(who)),
            None => self.error(who, down, &[10147]),
        }
    }

    pub fn global_cancel(&mut self, who: Who) {
        match self.available() {
            true => self.global_cancels.push_back(who),
            false => self.error(who, -1, REMARK),
        }
    }

    // ---- requests without id ----

    pub fn ask_lane(&mut self, who: Who, lane: LaneKey, message: u16, now: u64) {
        if !self.available() {
            return self.refuse(who, -1);
        }
        let state = self.lanes.entry(lane).or_default();
        let ask = Ask { who: Some(who), message };
        match state.head {
            None => {
                state.head = Some(ask);
                state.left = false;
                state.deadline = now + 30 * SECOND;
            }
            Some(_) => state.waiting.push_back(ask),
        }
    }

    pub fn lane_done(&mut self, lane: LaneKey, now: u64) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        self.lanes_sent.retain(|l| *l != lane);
        state.head = None;
        state.left = false;
        while let Some(next) = state.waiting.pop_front() {
            if next.who.is_some() {
                state.head = Some(next);
                state.deadline = now + 30 * SECOND;
                break;
            }
        }
    }

    /// The asker of a lane whose request has left: `Some(None)` when it is not there any more.
    pub fn asker(&self, lane: LaneKey) -> Option<Ask> {
        self.lanes.get(&lane).filter(|l| l.left)?.head
    }

    // ---- shared streams ----

    pub fn join(&mut self, who: Who, stream: usize, account: &str, all: bool) {
        if !self.available() {
            return self.refuse(who, -1);
        }
        if stream == ACCOUNTS {
            let s = &mut self.streams[ACCOUNTS];
            if !s.subscribers.is_empty() && s.account != account {
                if s.subscribers.iter().any(|c| *c != who) {
                    return self.error(who, -1, &[2101]);
                }
                self.leave(who, ACCOUNTS, true);
            }
            self.streams[ACCOUNTS].account = account.to_owned();
        }
        let s = &mut self.streams[stream];
        s.waiting_end.insert(who);
        if s.subscribers.is_empty() {
            s.subscribers.push(who);
            s.rows.clear();
            s.end = None;
            return;
        }
        if !s.subscribers.contains(&who) {
            s.subscribers.push(who);
        }
        if s.end.is_some() {
            s.waiting_end.remove(&who);
        }
        if stream != BULLETINS || all {
            let image: Vec<Bytes> = s.rows.iter().map(|r| r.1.clone()).chain(s.end.clone()).collect();
            for row in image {
                self.exact(who, row);
            }
        }
    }

    /// `asked`: the client asks to leave, as opposed to being gone.
    pub fn leave(&mut self, who: Who, stream: usize, asked: bool) {
        if asked && !self.available() {
            return self.refuse(who, -1);
        }
        let s = &mut self.streams[stream];
        s.waiting_end.remove(&who);
        let Some(at) = s.subscribers.iter().position(|c| *c == who) else { return };
        s.subscribers.remove(at);
        let last = s.subscribers.is_empty();
        if last {
            *s = Stream::default();
        }
        if asked && stream == ACCOUNTS {
            self.error(who, -1, &[2100]);
        }
        if last && stream == ACCOUNTS && self.ready {
            self.own_unsubscribes += 1;
        }
    }

    /// A row or end of a shared stream comes. `account` where it names one.
    pub fn hear_shared(
        &mut self,
        stream: usize,
        key: Option<String>,
        account: Option<&str>,
        payload: &Bytes,
    ) {
        let s = &mut self.streams[stream];
        if s.subscribers.is_empty() || account.is_some_and(|a| !s.account.is_empty() && a != s.account) {
            return;
        }
        match key {
            None => {
                s.end = Some(payload.clone());
                s.waiting_end.clear();
            }
            Some(key) => match s.rows.iter_mut().find(|(k, _)| *k == key && !key.is_empty()) {
                Some(row) => row.1 = payload.clone(),
                None => s.rows.push((key, payload.clone())),
            },
        }
        for who in s.subscribers.clone() {
            self.exact(who, payload.clone());
        }
    }

    // ---- account summaries ----

    pub fn join_summary(&mut self, who: Who, down: i32, tags: &'static str) {
        if !self.available() {
            return self.refuse(who, down);
        }
        let held = self.summaries.iter().flat_map(|s| &s.members).filter(|m| m.0 == who);
        let held: Vec<i32> = held.map(|m| m.1).collect();
        if held.contains(&down) || held.len() >= 2 {
            return self.error(who, down, &[322]);
        }
        match self.summaries.iter_mut().find(|s| s.tags == tags && !s.members.is_empty()) {
            Some(summary) => {
                summary.members.push((who, down));
                let rows = summary.rows.iter().map(|r| (63, r.1.clone()));
                let image: Vec<_> = rows.chain(summary.end.clone().map(|e| (64, e))).collect();
                for (message, mut values) in image {
                    values.set("reqId", down);
                    let payload = self.payload(message, &values);
                    self.exact(who, payload);
                }
            }
            None => self.summaries.push(Summary {
                tags,
                up: None,
                members: vec![(who, down)],
                rows: Vec::new(),
                end: None,
                cancelled_up: false,
            }),
        }
    }

    pub fn leave_summary(&mut self, who: Who, down: i32) {
        if !self.available() {
            return self.refuse(who, down);
        }
        for summary in &mut self.summaries {
            summary.members.retain(|m| *m != (who, down));
        }
    }

    /// A row (63), the end (64) or an error (4) of a summary comes; `over`: nothing follows.
    pub fn hear_summary(&mut self, at: usize, message: u16, key: String, values: &Record, over: bool) {
        let summary = &mut self.summaries[at];
        let members = summary.members.clone();
        match message {
            63 => match summary.rows.iter_mut().find(|r| r.0 == key) {
                Some(row) => row.1 = values.clone(),
                None => summary.rows.push((key, values.clone())),
            },
            64 => summary.end = Some(values.clone()),
            _ => {}
        }
        if over && !members.is_empty() {
            summary.members.clear();
            summary.cancelled_up = true; // there is nothing to cancel
        }
        for (who, down) in members {
            let mut values = values.clone();
            values.set(if message == 4 { "id" } else { "reqId" }, down);
            let payload = self.payload(message, &values);
            self.exact(who, payload);
        }
    }

    // ---- what is answered here ----

    pub fn clock_asked(&mut self, who: Who, now: u64) {
        if !self.available() {
            return self.refuse(who, -1);
        }
        match self.clock {
            Some((at, seconds)) => {
                let mut r = Record::new();
                r.set("time", (seconds * 1000 + (now - at) as i64 / 1000) / 1000);
                let payload = self.payload(49, &r);
                self.exact(who, payload);
            }
            None => self.clock_waiters.push(who),
        }
    }

    pub fn hear_clock(&mut self, seconds: i64, now: u64) {
        self.clock = Some((now, seconds));
        for who in std::mem::take(&mut self.clock_waiters) {
            if self.is_ready(who) {
                self.clock_asked(who, now);
            }
        }
    }

    // ---- what leaves for the Gateway ----

    /// A frame left for the Gateway: it must be something that somebody asked for and that may still leave.
    pub fn left(&mut self, f: &Frame, now: u64) {
        let r = f.request();
        let int = |name: &str| r.int(name).map(|n| n as i32);
        match f.id {
            71 => {}
            49 => {
                if let Some(last) = self.last_clock_request {
                    assert!(now - last >= 5 * SECOND, "clock requests closer than 5 s");
                }
                self.last_clock_request = Some(now);
            }
            59 => {
                let wanted = int("marketDataType").expect("a type");
                assert_ne!(wanted, self.data_type, "the market data type is switched only when needed");
                self.data_type = wanted;
            }
            3 | 21 => self.order_left(f.id, &r),
            4 => {
                let up = int("orderId").expect("an id");
                let at = *self.by_up_order.get(&up).expect("a cancel of an order that left");
                let op = self.orders[at].ops.pop_front();
                assert!(matches!(op, Some(Op::Cancel(_))), "I7: {op:?} was to leave, a cancel left");
            }
            58 => {
                self.global_cancels.pop_front().expect("somebody asked for the global cancel");
            }
            5 | 16 => self.lane_left((5, 0), f.id),
            18 => self.lane_left((18, i64::from(int("faDataType").expect("a key"))), 18),
            91 => self.lane_left((91, i64::from(int("marketRuleId").expect("a key"))), 91),
            24 | 80 | 82 | 85 | 99 => self.lane_left((f.id, 0), f.id),
            6 | 61 | 64 | 12 | 13 | 15 => {} // the Gateway's side looks at them
            62 => {
                let tags = r.get("tags").expect("tags");
                let waits = self.summaries.iter().position(|s| s.tags == tags && s.up.is_none());
                let at = waits.expect("somebody asked for this summary");
                let live = |s: &&Summary| s.tags == tags && s.up.is_some() && !s.members.is_empty();
                assert!(self.summaries.iter().find(live).is_none(), "equal summaries are asked for once");
                self.summaries[at].up = int("reqId");
            }
            63 => {
                let at = self.summaries.iter().position(|s| s.up == int("reqId")).expect("of one that left");
                assert!(self.summaries[at].members.is_empty(), "the last one who leaves cancels");
                assert!(!self.summaries[at].cancelled_up, "one cancel");
                self.summaries[at].cancelled_up = true;
            }
            7 => {
                let token = r.get("symbol").and_then(|t| t.parse().ok()).expect("a token");
                assert_eq!(int("clientId"), Some(0), "the client filter is applied here");
                self.request_left(token, int("reqId").expect("an id"));
            }
            id => {
                if let Some(kind) = KINDS.iter().find(|k| k.req == id) {
                    let token = r.get(kind.token).and_then(|t| t.parse().ok()).expect("a token");
                    let at = self.request_left(token, int("reqId").expect("an id"));
                    if id == 1 {
                        let wanted = self.insts[at].data_type;
                        assert_eq!(self.data_type, wanted, "a quote request under another market data type");
                    }
                    return;
                }
                let kind = KINDS.iter().position(|k| k.cancel == id && id != 0);
                let kind = kind.unwrap_or_else(|| panic!("message {id} is nobody's"));
                let up = int("reqId").expect("an id");
                let at = *self.by_up.get(&up).expect("a cancel of a request that left");
                let inst = &mut self.insts[at];
                assert_eq!(inst.kind, kind, "a cancel of the right kind");
                assert!(
                    !inst.live(),
                    "a cancel of request {at} ({}, {up}) that nobody cancelled: {:?} one-shot {} down {} who {}",
                    inst.message(),
                    inst.state,
                    inst.one_shot,
                    inst.down,
                    inst.who
                );
                assert!(!inst.cancelled_up, "one cancel");
                inst.cancelled_up = true;
            }
        }
    }

    fn request_left(&mut self, token: usize, up: i32) -> usize {
        assert!(up >= 1 << 30, "request ids and order ids are disjoint");
        let inst = &mut self.insts[token];
        assert!(inst.up.is_none(), "a request leaves once");
        assert!(!inst.orphan, "a request of a client that was gone before it left, or of a link before");
        inst.up = Some(up);
        let before = self.by_up.insert(up, token);
        assert!(before.is_none(), "an upstream request id is given out once");
        token
    }

    fn order_left(&mut self, message: u16, r: &Record) {
        let token = r.get(if message == 3 { "orderRef" } else { "account" });
        let token: u64 = token.and_then(|t| t.parse().ok()).expect("a token");
        let up = r.int(if message == 3 { "orderId" } else { "id" }).expect("an id") as i32;
        let (at, parent) = *self.calls.get(&token).expect("a call that was made");
        let op = self.orders[at].ops.pop_front();
        assert_eq!(op, Some(Op::Place(token)), "I5, I7: each call leaves once and in the order of calls");
        match self.orders[at].up {
            Some(known) => assert_eq!(known, up, "one upstream id per order"),
            None => {
                assert!(up > self.max_up_order, "I4: {up} after {}", self.max_up_order);
                assert!(up < 1 << 30, "request ids and order ids are disjoint");
                self.max_up_order = up;
                self.orders[at].up = Some(up);
                self.by_up_order.insert(up, at);
                self.orders[at].unconfirmed = true;
            }
        }
        self.orders[at].parent = parent;
        if message == 3 {
            let parent =
                self.orders[at].parent.map(|p| self.orders[p].up.expect("I7: a parent leaves first"));
            assert_eq!(r.int("parentId").unwrap_or(0) as i32, parent.unwrap_or(0), "the parent's id");
        }
    }

    fn lane_left(&mut self, lane: LaneKey, message: u16) {
        let state = self.lanes.get_mut(&lane).expect("somebody asked");
        let head = state.head.expect("somebody asked");
        assert!(!state.left, "one request of a lane is under way");
        if lane.0 == 5 {
            let namesake = head.who.is_none_or(|w| self.clients[w].id == 0);
            let binds = head.message == 5 && namesake;
            assert!(message == 16 || binds, "only client 0 asks the Gateway for its open orders");
        }
        state.left = true;
        self.lanes_sent.push(lane);
    }

    // ---- what the Gateway says ----

    /// An answer under an upstream request id.
    pub fn hear_answer(&mut self, at: usize, message: u16, mut values: Record, ends: bool, reroutes: bool) {
        let inst = &mut self.insts[at];
        if !inst.live() {
            return;
        }
        if reroutes {
            inst.state = State::Spent;
        }
        if ends && inst.one_shot {
            inst.state = State::Ended;
        }
        values.set("reqId", inst.down);
        let who = inst.who;
        let payload = self.payload(message, &values);
        self.exact(who, payload);
    }

    /// An error under an upstream request id.
    pub fn hear_request_error(&mut self, at: usize, mut values: Record, warning: bool) {
        let inst = &mut self.insts[at];
        let (who, down, message) = (inst.who, inst.down, inst.message());
        match inst.state {
            State::Active | State::Spent if warning => {}
            State::Active | State::Spent => {
                inst.state = if inst.one_shot { State::Ended } else { State::Spent };
            }
            State::Cancelled => {
                let latest = self.latest.get(&(who, message, down));
                if latest.is_some_and(|l| self.insts[*l].live()) {
                    return;
                }
            }
            State::Ended => return,
        }
        values.set("id", down);
        let payload = self.payload(4, &values);
        self.exact(who, payload);
    }

    /// An error under an upstream order id.
    pub fn hear_order_error(&mut self, at: usize, mut values: Record, refused: bool) {
        let order = &mut self.orders[at];
        order.unconfirmed = false;
        // Without an image there was no order yet.
        order.dead |= refused && order.open.is_none() && order.status.is_none();
        values.set("id", self.orders[at].down);
        if let Some(who) = self.holder(self.orders[at].owner) {
            let payload = self.payload(4, &values);
            self.exact(who, payload);
        }
    }

    /// openOrder or orderStatus in the owner's terms, or in the Gateway's.
    pub fn order_payload(&self, at: usize, message: u16, values: &Record, owners: bool) -> Bytes {
        let order = &self.orders[at];
        // An image names the parent of its time, by the shadow's own number.
        let parent = values.int("parentId").map(|p| &self.orders[p as usize]);
        let mut r = values.clone();
        match owners {
            true => {
                r.set("orderId", order.down).set("clientId", order.owner);
                r.set("parentId", parent.map_or(0, |p| p.down));
            }
            false => {
                r.set("orderId", order.up.expect("it left")).set("clientId", UP_CLIENT);
                r.set("parentId", parent.map_or(0, |p| p.up.expect("it left")));
            }
        }
        self.payload(message, &r)
    }

    /// openOrder or orderStatus of an order of ours.
    pub fn hear_order(&mut self, at: usize, message: u16, values: Record) {
        let over = matches!(values.get("status"), Some("Filled" | "Cancelled"));
        let what_if = values.flag("whatIf");
        let order = &mut self.orders[at];
        order.unconfirmed = false;
        let image = if message == 5 { &mut order.open } else { &mut order.status };
        let changed = image.as_ref() != Some(&values);
        if message == 3 {
            order.status = Some(values.clone());
            order.dead = over;
        } else if what_if {
            order.dead = true;
        } else if !order.dead {
            order.open = Some(values.clone());
        }
        if order.dead {
            order.open = None;
        }
        if !self.ready {
            return;
        }
        let owner = self.holder(self.orders[at].owner);
        let payload = self.order_payload(at, message, &values, true);
        if let Some(ask) = self.asker((5, 0)) {
            let in_scope = ask.message == 16 || ask.who.is_some() && ask.who == owner;
            if let Some(who) = ask.who.filter(|_| in_scope) {
                self.exact(who, payload.clone());
            }
            if let Some(who) = owner.filter(|w| Some(*w) != ask.who && changed) {
                self.exact(who, payload);
            }
            return;
        }
        if let Some(ask) = self.asker((99, 0))
            && ask.who != owner
            && !changed
        {
            return;
        }
        if let Some(who) = owner {
            self.exact(who, payload);
        }
    }

    /// An order of another program: seen by whoever asked for all, and as its own by its namesake that asked.
    pub fn hear_foreign(&mut self, client: i32, payload: Bytes) {
        let Some(ask) = self.asker((5, 0)) else { return };
        let namesake = self.holder(client);
        if let Some(who) = ask.who.filter(|w| ask.message == 16 || Some(*w) == namesake) {
            self.exact(who, payload);
        }
    }

    /// An execution: `query` when it answers one.
    pub fn hear_execution(&mut self, exec: usize, query: Option<usize>, mut values: Record) {
        let order = self.execs[exec].order;
        let owner = self.orders[order].owner;
        values.set("orderId", self.orders[order].down).set("clientId", owner);
        let to = match query {
            None => {
                self.orders[order].unconfirmed = false;
                self.execs[exec].live = true;
                values.set("reqId", -1);
                self.holder(owner)
            }
            Some(at) => {
                let inst = &mut self.insts[at];
                let (filter, got) = inst.query.as_mut().expect("a query");
                if !matches!(inst.state, State::Active) || *filter != 0 && *filter != owner {
                    return;
                }
                got.push(exec);
                values.set("reqId", inst.down);
                Some(inst.who)
            }
        };
        let Some(who) = to else { return };
        let payload = self.payload(11, &values);
        self.exact(who, payload);
    }

    /// A commission report: `query` when it is part of the answer to one.
    pub fn hear_commission(&mut self, exec: usize, query: Option<usize>, values: &Record) {
        let payload = self.payload(59, values);
        let owner = self.holder(self.orders[self.execs[exec].order].owner);
        let live = std::mem::take(&mut self.execs[exec].live);
        let mut to = Vec::new();
        if let Some(at) = query {
            let inst = &mut self.insts[at];
            let (_, got) = inst.query.as_mut().expect("a query");
            if matches!(inst.state, State::Active)
                && let Some(i) = got.iter().position(|e| *e == exec)
            {
                got.remove(i);
                to.push(inst.who);
            }
        }
        if let Some(who) = owner.filter(|w| live && !to.contains(w)) {
            to.push(who);
        }
        for who in to {
            self.exact(who, payload.clone());
        }
    }

    pub fn hear_farm(&mut self, kind: u8, farm: &str, payload: &Bytes) {
        let key = (kind, farm.to_owned());
        match self.farms.iter_mut().find(|f| f.0 == key) {
            Some(known) => known.1 = payload.clone(),
            None => self.farms.push((key, payload.clone())),
        }
        self.broadcast(payload);
    }

    pub fn broadcast(&mut self, payload: &Bytes) {
        for who in self.ready_clients() {
            if Some(self.clients[who].version) == self.version {
                self.exact(who, payload.clone());
            }
        }
    }

    /// The deadlines of clients and lanes that have passed.
    pub fn tick(&mut self, now: u64) {
        for who in 0..self.clients.len() {
            if self.clients[who].deadline > now {
                continue;
            }
            match self.clients[who].stage {
                Stage::Connected => self.clients[who].stage = Stage::Over,
                Stage::Greeted | Stage::Held => {
                    self.error(who, -1, NOT_CONNECTED);
                    self.release(who);
                }
                Stage::Ready | Stage::Over => {}
            }
        }
        let mut told = Vec::new();
        for lane in self.lanes.values_mut().filter(|l| l.head.is_some() && l.deadline <= now) {
            lane.deadline = now + 30 * SECOND;
            let head = lane.head.as_mut().expect("filtered");
            told.extend(head.who.take());
            told.extend(lane.waiting.drain(..).filter_map(|a| a.who));
        }
        for who in told {
            self.error(who, -1, &[322]);
        }
    }

    /// Whether the link must be given up now.
    pub fn link_expired(&self, now: u64) -> bool {
        match self.ready {
            true => now.saturating_sub(self.last_heard) >= 75 * SECOND,
            false => now.saturating_sub(self.connected_at) >= 60 * SECOND,
        }
    }

    pub fn time(now: Time) -> u64 {
        now.0
    }
}
