//! The shadow model: what every party is entitled to, worked out from what was sent, not from the core.
//!
//! It hears of every input before the core does and answers with what the core must (or may) put where; the
//! simulation compares. It recognises requests upstream by tokens inside them, never by the ids under test.

mod asked;
pub mod lists;
mod orders;
mod replay;
pub mod settings;
mod shared;
pub mod slow;
mod tables;
mod upstream;
mod waits;
mod without_id;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use twsmux::protocol::layout::Record;
use twsmux::protocol::request;
use twsmux::time::Time;

use super::kinds::{self, KINDS, Kind};
use super::speech::{self, Said};
use super::{Frame, Who, response_payload};

pub use tables::*;

pub const UP_CLIENT: i32 = 0;
/// The line of twsmux's own lists, and of cancels that need not wait for what their owner placed.
pub const BESIDE: i32 = i32::MIN;
pub const SECOND: u64 = 1_000_000;

pub struct Shadow {
    pub clients: Vec<MClient>,
    pub insts: Vec<Inst>,
    /// Subscriptions that are asked again and have not left yet.
    replaying: BTreeSet<usize>,
    /// Clients that wait to be told that the link is back, and whether something of theirs is lost.
    restoring: BTreeMap<Who, bool>,
    /// Clients that were not told yet that something of theirs could not be asked for.
    bereft: BTreeSet<Who>,
    pub by_up: BTreeMap<i32, usize>,
    /// Upstream ids of subscriptions that the Gateway lost: those without a cancel, and all of this link.
    moved: BTreeSet<i32>,
    pub moved_ever: BTreeSet<i32>,
    /// The latest request under (client, message, id).
    latest: BTreeMap<(Who, u16, i32), usize>,
    pub orders: Vec<Order>,
    pub by_down: BTreeMap<(i32, i32), usize>,
    pub by_up_order: BTreeMap<i32, usize>,
    /// When a client's last global cancel left.
    global_cancels: BTreeMap<Who, u64>,
    /// When one last left.
    last_global_cancel: Option<u64>,
    /// Calls of placeOrder by token.
    calls: BTreeMap<u64, Call>,
    placed: BTreeMap<i32, i32>,
    /// What nextValidId says at least, by client id.
    next: BTreeMap<i32, i32>,
    /// Where the sequences of order ids begin.
    first: i32,
    /// The highest order id that the Gateway has seen or named.
    pub max_up_order: i32,
    /// Lines of orders by owner.
    pub lines: BTreeMap<i32, VecDeque<Item>>,
    arrivals: u64,
    /// Orders in the order in which something of them left; what was answered since has no flight any more.
    in_flight: Vec<usize>,
    /// Orders of other programs that were seen.
    foreign: BTreeSet<(i32, i32)>,
    kept: BTreeMap<i32, Vec<Kept>>,
    pub lists: Lists,
    /// The Gateway has listed its open orders on this link.
    knows_open_orders: bool,
    /// Whether new orders can be recorded.
    pub disk_broken: bool,
    /// The accounts that the journal belongs to.
    pub identity: Option<String>,
    /// The journal is empty, and the Gateway is asked for its orders.
    pub learning: bool,
    /// Questions for the Gateway's next order id that are to leave.
    pub id_questions: u32,
    pub execs: Vec<Exec>,
    /// Execution queries that are not over, with the executions whose commission is still to come.
    queries: Vec<(Asker, Vec<usize>)>,
    /// Commissions that came before their execution.
    early: BTreeMap<usize, Record>,
    pub now: u64,
    pub lanes: BTreeMap<LaneKey, Lane>,
    /// Answers that serve again, by lane and message at the Gateway.
    answers: BTreeMap<(LaneKey, u16), KeptAnswer>,
    pub changes: Changes,
    /// Requests without id that did not go upstream.
    pub saved: u64,
    /// Lanes whose request left, in that order.
    pub lanes_sent: Vec<LaneKey>,
    /// Requests without id that wait for a link, and since when.
    questions: VecDeque<(LaneKey, Ask, u64)>,
    /// Account updates, positions, bulletins.
    pub streams: [Stream; 3],
    /// What has not left of each of them.
    waiting: [VecDeque<waits::Waiting>; 3],
    /// Bindings of manual orders that have not left.
    bindings: Vec<waits::Waiting>,
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
    /// What the Gateway said of orders before its accounts were known.
    pub held_back: Vec<HeldBack>,
    pub settings: settings::Settings,
    pub slow: slow::Slow,
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
const CANCELLED: &[u16] = &[202];
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
            replaying: BTreeSet::new(),
            restoring: BTreeMap::new(),
            bereft: BTreeSet::new(),
            by_up: BTreeMap::new(),
            moved: BTreeSet::new(),
            moved_ever: BTreeSet::new(),
            latest: BTreeMap::new(),
            orders: Vec::new(),
            by_down: BTreeMap::new(),
            by_up_order: BTreeMap::new(),
            calls: BTreeMap::new(),
            global_cancels: BTreeMap::new(),
            last_global_cancel: None,
            placed: BTreeMap::new(),
            next: BTreeMap::new(),
            first: 0,
            max_up_order: 0,
            lines: BTreeMap::new(),
            arrivals: 0,
            in_flight: Vec::new(),
            foreign: BTreeSet::new(),
            kept: BTreeMap::new(),
            lists: Lists::default(),
            knows_open_orders: false,
            disk_broken: false,
            identity: None,
            learning: false,
            id_questions: 0,
            execs: Vec::new(),
            queries: Vec::new(),
            early: BTreeMap::new(),
            now: 0,
            lanes: BTreeMap::new(),
            answers: BTreeMap::new(),
            changes: Changes::default(),
            saved: 0,
            lanes_sent: Vec::new(),
            questions: VecDeque::new(),
            streams: Default::default(),
            waiting: Default::default(),
            bindings: Vec::new(),
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
            held_back: Vec::new(),
            settings: settings::Settings::default(),
            slow: slow::Slow::default(),
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
            if !stalled && !self.settings.replace {
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
        self.clients[who].stage = Stage::Ready;
        if self.own_orders(who) {
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
        self.deliver_kept(who);
    }

    /// A client is told its live orders. Says whether there are any.
    pub(super) fn own_orders(&mut self, who: Who) -> bool {
        let mut told = false;
        for at in self.order_of_placing(self.clients[who].id) {
            let order = &self.orders[at];
            let images = [order.open.clone().map(|r| (5, r)), order.status.clone().map(|r| (3, r))];
            if order.dead || order.unknown || images[0].is_none() {
                continue;
            }
            let blurred = order.blurred;
            for ((message, values), blurred) in images.into_iter().flatten().zip(blurred) {
                let values = self.order_values(at, &values, true);
                match blurred {
                    false => self.tells(who, message, &values),
                    true => self.out.push(Expect { who, what: What::Message(message), must: true }),
                }
                told = true;
            }
        }
        told
    }

    /// The orders of a client id that have left, as they were placed.
    fn order_of_placing(&self, owner: i32) -> Vec<usize> {
        let mut sent: Vec<usize> = (0..self.orders.len())
            .filter(|at| {
                self.orders[*at].met && self.orders[*at].owner == owner && self.orders[*at].up.is_some()
            })
            .collect();
        sent.sort_by_key(|at| self.orders[*at].up);
        sent
    }

    /// nextValidId came to a client.
    pub fn check_next(&mut self, who: Who, frame: &Frame) {
        let owner = self.clients[who].id;
        let next = frame.response().int("orderId").expect("a number") as i32;
        assert_eq!(next, self.next_of(owner), "I4: nextValidId of client {owner}");
    }

    /// A client's connection is over, whoever ended it.
    pub fn release(&mut self, who: Who) {
        if self.clients[who].stage == Stage::Over {
            return;
        }
        self.clients[who].stage = Stage::Over;
        for line in self.lines.values_mut() {
            line.retain(|i| !matches!(i.turn, Turn::Query(at) if self.insts[at].who == who));
        }
        for inst in self.insts.iter_mut().filter(|i| i.who == who) {
            inst.orphan = inst.live() && inst.up.is_none();
            if inst.live() {
                inst.state = State::Ended;
            } else if inst.state == State::Cancelled {
                inst.state = State::Ended; // nobody is there to hear of the cancel
            }
        }
        self.restoring.remove(&who);
        let insts = &self.insts;
        self.replaying.retain(|at| insts[*at].who != who);
        for lane in self.lanes.values_mut() {
            for ask in lane.head.iter_mut().chain(&mut lane.waiting) {
                ask.askers.retain(|asker| asker.0 != who);
            }
        }
        for (_, ask, _) in &mut self.questions {
            ask.askers.retain(|asker| asker.0 != who);
        }
        self.questions.retain(|(_, ask, _)| !ask.askers.is_empty());
        for stream in [ACCOUNTS, POSITIONS, BULLETINS] {
            self.leave(who, stream, false);
        }
    }

    // ---- the link ----

    /// The Gateway has named its accounts and its next order id. Says whether the link can be used.
    pub fn link_started(&mut self, next: i32) -> bool {
        self.starting = false;
        if self.identity.is_some() && self.identity != self.new_accounts {
            for who in self.ready_clients() {
                self.error(who, -1, NOT_CONNECTED);
                self.release(who);
            }
            self.held_back.clear();
            return false;
        }
        self.accounts = self.new_accounts.clone();
        self.raise(next - 1);
        if self.first == 0 {
            self.first = next.max(1);
        }
        match self.identity {
            Some(_) => self.link_ready(),
            None => {
                self.learning = true;
                self.hear_held_back();
                self.begin_lists();
            }
        }
        true
    }

    pub(super) fn link_ready(&mut self) {
        let learnt = std::mem::take(&mut self.learning);
        self.ready = true;
        self.own_unsubscribes = 0;
        self.data_type = 1;
        if !learnt {
            self.begin_lists();
            self.hear_held_back();
        }
        self.wake();
        for who in 0..self.clients.len() {
            if self.clients[who].stage == Stage::Held {
                self.first_messages(who, self.now);
            }
        }
    }

    /// The Gateway's answer to the greeting came.
    pub fn link_hello(&mut self, version: u16) {
        if self.version.is_some_and(|v| v != version) {
            for order in &mut self.orders {
                order.blurred = [true; 2];
            }
            self.insts.iter_mut().for_each(|inst| inst.before.clear());
            self.streams.iter_mut().for_each(|stream| stream.before.clear());
        }
        self.version = Some(version);
        self.starting = true;
        self.farms.clear();
        self.held_back.clear();
    }

    /// The link is gone. What was ready ends with notices.
    pub fn link_lost(&mut self) {
        self.starting = false;
        self.last_clock_request = None;
        let learning = std::mem::take(&mut self.learning);
        if !std::mem::take(&mut self.ready) && !learning {
            return;
        }
        for who in self.ready_clients() {
            self.error(who, -1, &[1100]);
        }
        self.sleep_or_end();
        self.keep_questions();
        self.answers.clear();
        self.lanes_sent.clear();
        self.refuse_queued();
        self.flights_end();
        self.lists = Lists::default();
        self.queries.clear();
        self.early.clear();
        self.id_questions = 0;
        for stream in &mut self.streams {
            match stream.subscribers.is_empty() {
                true => *stream = Stream::default(),
                false => stream.sleep(),
            }
        }
        self.waiting = Default::default();
        self.bindings.clear();
        self.clock_waiters.clear();
    }
}
