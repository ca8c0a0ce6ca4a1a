//! A script for the whole core: operations with their bytes, faults among them.
//!
//! Owns: a world around the core that does with its actions what the shell does, with a disk that may be slow, refuse and
//! lose what was not synced. May not know: what the core should decide; the invariants say what it may not.
//! Driven by: the fuzzer, and the replay of its seeds.
//!
//! | operation | what happens |
//! |---|---|
//! | 0, 1, 7, 23 | a client connects, greets, goes, sends what is no frame |
//! | 2-6 | a client sends a frame |
//! | 8-10, 15, 22 | the Gateway's port is looked at; a dial is accepted, refused; the Gateway greets, goes, says what is no frame |
//! | 11-13 | the Gateway sends a frame |
//! | 14, 24, 25 | time passes: everybody reads and the disk works; nobody reads and the disk rests; a deadline comes |
//! | 16 | SIGHUP with other settings |
//! | 17-19 | the disk comes so far, refuses, works again |
//! | 20, 21 | a client, the Gateway reads so many bytes |
//! | 26 | twsmux dies and is started again with what is on disk |
//! | 27, 28 | the Gateway says an error; a burst of ticks |
//! | 29, 30 | a client asks for quotes, places an order |
//! | 31 | the link comes up |

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use twsmux::core::io::{Action, Actions, Gone, Input, Zombies};
use twsmux::core::operate::{Operation, Who};
use twsmux::core::policy::{GlobalCancel, Policy};
use twsmux::core::{Config, Core, DuplicateClient, HistoricalPacing};
use twsmux::ids::{ClientId, ClientKey, LinkId};
use twsmux::journal::{Record as Fact, State};
use twsmux::limits;
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout::Record;
use twsmux::protocol::model::Role;
use twsmux::record;
use twsmux::sim::client::{order, put_request, stock};
use twsmux::time::Time;
use twsmux::wire::WireError;
use twsmux::wire::frame;
use twsmux::wire::handshake::{ClientHello, ServerHello};
use twsmux::wire::text;

/// Versions of the Gateway; a script says which by its place. The last one is refused.
pub const VERSIONS: [u16; 8] = [176, 157, 200, 201, 213, 225, 100, 99];
/// Errors that mean something, among others.
const ERRORS: [u16; 24] = [
    1100, 1101, 1102, 100, 103, 201, 202, 399, 502, 504, 326, 1300, 2100, 2104, 10147, 135, 161, 162, 300,
    317, 321, 322, 354, 10167,
];
/// Where upstream request ids begin.
const REQUESTS: i32 = 1 << 30;

/// Whatever it says, the invariants hold and nothing panics.
pub fn run(data: &[u8]) {
    let mut world = World::new();
    let mut rest = data;
    // A bound, so that an input of many tiny steps does not pass for a hang.
    for _ in 0..2000 {
        let Some((op, after)) = rest.split_first() else { break };
        rest = after;
        world.step(*op, &mut rest);
        world.core.check_invariants(world.now);
    }
}

/// A client's end of its connection.
struct Peer {
    key: ClientKey,
    version: Option<u16>,
    /// Bytes of its outbox that were looked at.
    peeked: usize,
}

/// How the upstream socket stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Socket {
    None,
    Looking,
    Dialing,
    /// `greeted`: the greeting has left; `answered`: the Gateway has answered it.
    Open {
        greeted: bool,
        answered: bool,
    },
}

struct World {
    core: Core,
    config: Config,
    now: Time,
    link: LinkId,
    socket: Socket,
    /// The version that the Gateway chose.
    version: u16,
    peers: Vec<Peer>,
    generations: [u32; 8],
    /// The last fact that was handed to the journal, and the last one that is on disk.
    facts: (u64, u64),
    pending: VecDeque<(u64, Fact)>,
    disk: State,
    /// The fact that names an upstream order id, and whose order it names.
    orders: BTreeMap<i32, (u64, i32, i32)>,
    /// Whose orders have left under an upstream order id, over crashes.
    left: BTreeMap<i32, (i32, i32)>,
    /// Bytes for the Gateway that were looked at.
    peeked: usize,
    sends: VecDeque<Time>,
}

impl World {
    fn new() -> Self {
        let config =
            Config { max_server_version: 226, line_grace: Duration::from_secs(3), ..Config::default() };
        World {
            core: Core::new(config.clone()),
            config,
            now: Time::ZERO,
            link: LinkId(0),
            socket: Socket::None,
            version: 176,
            peers: Vec::new(),
            generations: [0; 8],
            facts: (0, 0),
            pending: VecDeque::new(),
            disk: State::default(),
            orders: BTreeMap::new(),
            left: BTreeMap::new(),
            peeked: 0,
            sends: VecDeque::new(),
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        let mut actions = Actions::default();
        self.core.handle(self.now, input, &mut actions);
        self.carry_out(actions);
    }

    /// A person at the controls.
    fn operate(&mut self, operation: &Operation) {
        let mut actions = Actions::default();
        let _ = self.core.operate(self.now, operation, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Actions) {
        let mut closed = Vec::new();
        for action in actions.list {
            match action {
                Action::Look { link } => {
                    assert_eq!(self.socket, Socket::None, "I1: a look while there is a socket");
                    (self.link, self.socket) = (link, Socket::Looking);
                }
                Action::Dial { link } => {
                    assert_eq!((self.link, self.socket), (link, Socket::None), "I1: a dial beside a socket");
                    assert!(!self.core.is_paused(), "I1: a dial in a pause");
                    self.socket = Socket::Dialing;
                }
                Action::Abort { link } => {
                    assert_eq!(self.link, link, "abort of what is not there");
                    self.close();
                }
                Action::Journal { seq, record, .. } => {
                    assert_eq!(seq, self.facts.0 + 1, "facts are numbered in order");
                    self.facts.0 = seq;
                    if let Fact::Order { owner, down, up } = &record {
                        self.orders.insert(up.0, (seq, owner.0, down.0));
                    }
                    self.pending.push_back((seq, record));
                }
                Action::CloseClient { client, flush: false } => closed.push(client),
                Action::CloseClient { .. } | Action::Examine { .. } | Action::Note(_) | Action::Finish => {}
            }
        }
        self.look_at_clients();
        self.look_upstream();
        closed.into_iter().for_each(|client| self.gone(client, Gone::Refused));
    }

    /// The upstream socket is there no more.
    fn close(&mut self) {
        (self.socket, self.peeked) = (Socket::None, 0);
    }

    fn gone(&mut self, key: ClientKey, reason: Gone) {
        if self.peers.iter().any(|p| p.key == key) {
            self.peers.retain(|p| p.key != key);
            self.generations[key.slot as usize] += 1;
            self.tell(Input::ClientGone { client: key, reason });
        }
    }

    /// What clients are sent is whole frames.
    fn look_at_clients(&mut self) {
        for peer in &mut self.peers {
            let out = self.core.output(peer.key);
            while let Some(found) = frame::split(&out[peer.peeked..], limits::MAX_FRAME).expect("a frame") {
                let (payload, after) = found;
                if peer.version.is_none() {
                    peer.version = Some(ServerHello::parse(payload).expect("a version reply").version);
                }
                peer.peeked = out.len() - after.len();
            }
            assert_eq!(peer.peeked, out.len(), "a whole frame");
        }
    }

    /// I4, I5 and I9, from what is there for the Gateway.
    fn look_upstream(&mut self) {
        let Socket::Open { greeted, answered } = self.socket else {
            assert!(self.core.upstream_output().is_empty(), "bytes for no link");
            return;
        };
        let out = self.core.upstream_output()[self.peeked..].to_vec();
        self.peeked += out.len();
        if !greeted {
            self.socket = Socket::Open { greeted: !out.is_empty(), answered };
            return;
        }
        let mut rest = &out[..];
        while !rest.is_empty() {
            let (payload, after) =
                frame::split(rest, limits::MAX_FRAME).expect("a frame").expect("a whole frame");
            rest = after;
            self.leaves(payload);
        }
    }

    fn leaves(&mut self, payload: &[u8]) {
        self.sends.push_back(self.now);
        while self.sends.front().is_some_and(|t| self.now.since(*t) > Duration::from_secs(1)) {
            self.sends.pop_front();
        }
        let message = text::message(payload, self.version).expect("a message id");
        // What begins a connection does not wait for what left on the one before; everything else counts it.
        if let Some(most) = self.config.messages_per_second.filter(|_| message.id != 71) {
            assert!(self.sends.len() <= most as usize, "I9: {} messages in a second", self.sends.len());
        }
        if matches!(message.id, 3 | 21) {
            let dialect = dialect(self.version);
            let shape = dialect.request(message.id).expect("it was checked");
            let up = shape.int(&message, Role::OrderId).expect("an id").unwrap_or(0) as i32;
            let (fact, owner, down) = *self.orders.get(&up).expect("I5: an order that leaves is recorded");
            assert!(fact <= self.facts.1, "I5: order {up} leaves before its record is on disk");
            let whose = *self.left.entry(up).or_insert((owner, down));
            assert_eq!(whose, (owner, down), "I4: order id {up} was another one's");
        }
    }

    fn client(&self, n: u8) -> Option<(ClientKey, Option<u16>)> {
        let at = usize::from(n) % self.peers.len().max(1);
        self.peers.get(at).map(|p| (p.key, p.version))
    }

    fn synced(&mut self, upto: u64) {
        self.facts.1 = self.facts.1.max(upto);
        while self.pending.front().is_some_and(|(seq, _)| *seq <= upto) {
            let (_, record) = self.pending.pop_front().expect("just seen");
            self.disk.apply(&record);
        }
    }

    fn client_reads(&mut self, key: ClientKey, n: usize) {
        let n = n.min(self.core.output(key).len());
        let mut actions = Actions::default();
        self.core.consume_output(self.now, key, n, &mut actions);
        if let Some(peer) = self.peers.iter_mut().find(|p| p.key == key) {
            peer.peeked -= n;
        }
        self.carry_out(actions);
    }

    fn gateway_reads(&mut self, n: usize) {
        let n = n.min(self.core.upstream_output().len());
        let mut actions = Actions::default();
        self.peeked -= n.min(self.peeked);
        self.core.consume_upstream_output(self.now, n, &mut actions);
        self.carry_out(actions);
    }

    /// Of a link that is not there the core hears under another number: it must not listen.
    fn link_if(&self, holds: bool) -> LinkId {
        if holds { self.link } else { LinkId(self.link.0.wrapping_sub(1)) }
    }

    fn is_open(&self) -> bool {
        matches!(self.socket, Socket::Open { .. })
    }

    fn says(&mut self, id: u16, values: &Record) {
        let mut payload = BytesMut::new();
        if let Some(shape) = dialect(self.version).response(id.into()) {
            shape.compose(values, &mut payload);
            self.hears(&payload);
        }
    }

    /// A frame of the Gateway, the short way where it goes.
    fn hears(&mut self, payload: &[u8]) {
        let (link, mut framed, mut actions) =
            (self.link_if(self.is_open()), BytesMut::new(), Actions::default());
        frame::put(payload, &mut framed);
        match self.core.hear_ticks(self.now, link, &framed, &mut actions) {
            0 => self.tell(Input::UpstreamFrame { link, payload }),
            taken => {
                assert_eq!(taken, framed.len(), "whole frames are taken");
                self.carry_out(actions);
            }
        }
    }

    /// A client sends a request in the form of its version.
    fn asks(&mut self, n: u8, name: &str, values: &Record) {
        let Some((client, Some(version))) = self.client(n) else { return };
        let mut bytes = BytesMut::new();
        put_request(name, version, values, &mut bytes);
        self.tell(Input::ClientFrame { client, payload: &bytes[frame::PREFIX..] });
    }

    fn looked(&mut self, zombies: Option<usize>) {
        let looking = self.socket == Socket::Looking;
        if looking {
            self.socket = Socket::None;
        }
        let link = self.link_if(looking);
        let zombies = zombies.map(|n| Zombies { fin_unread: n, ..Zombies::default() });
        self.tell(Input::Looked { link, zombies });
    }

    fn connected(&mut self) {
        let dialing = self.socket == Socket::Dialing;
        if dialing {
            (self.socket, self.peeked) = (Socket::Open { greeted: false, answered: false }, 0);
        }
        let link = self.link_if(dialing);
        self.tell(Input::UpstreamConnected { link });
    }

    fn hello(&mut self, version: u16) {
        let first = matches!(self.socket, Socket::Open { answered: false, .. });
        if first {
            self.version = version;
            self.socket = Socket::Open { greeted: true, answered: true };
        }
        let link = self.link_if(first);
        self.tell(Input::UpstreamHello { link, hello: ServerHello { version, time: "now".into() } });
    }

    /// Everything that a link takes, one after the other, as far as it goes.
    fn link_up(&mut self, version: u16) {
        for _ in 0..4 {
            match self.socket {
                Socket::None => {
                    self.now = self.core.next_deadline().map_or(self.now, |due| due.max(self.now));
                    self.tell(Input::Tick);
                }
                Socket::Looking => self.looked(Some(0)),
                Socket::Dialing => self.connected(),
                Socket::Open { .. } => break,
            }
        }
        self.hello(version);
        self.says(15, &record! { accountsList: "DU1" });
        self.says(9, &record! { orderId: 1 });
        self.disk_works();
    }

    fn disk_works(&mut self) {
        let upto = self.facts.0;
        self.synced(upto);
        self.tell(Input::Journaled { upto, sync_us: 1 });
    }

    fn reconfigure(&mut self, bytes: &[u8]) {
        let byte = |n: usize| bytes.get(n).copied().unwrap_or(0);
        let number = |n: usize| usize::from(byte(n));
        let seconds = |n: usize| Duration::from_secs(u64::from(byte(n)));
        let c = &mut self.config;
        c.messages_per_second = Some(u32::from(byte(0))).filter(|n| *n > 0);
        c.duplicate_client = [DuplicateClient::Reject, DuplicateClient::Replace][number(1) % 2];
        c.backoff_min = Duration::from_millis(50) + seconds(2);
        c.backoff_max = c.backoff_min + seconds(3);
        c.handshake_time = Duration::from_secs(1) + seconds(4);
        c.line_grace = seconds(5) / 8;
        c.repeat_time = seconds(6);
        c.max_clients = 1 + number(7);
        c.limits.requests_per_client = 1 + number(8);
        c.limits.queued_per_client = 1 + number(9);
        c.limits.outbox = 1 << (20 + byte(10) % 3);
        c.limits.conflate_above = 4096 << (byte(11) % 9);
        c.limits.slow_time = Duration::from_secs(1) + seconds(12) / 11;
        c.limits.order_wait = Duration::from_secs(1) + seconds(13) / 4;
        c.limits.drain_time = Duration::from_secs(1) + seconds(14) / 4;
        c.limits.request_wait = Duration::from_secs(1) + seconds(18);
        c.kill_switch = byte(17) & 64 != 0;
        c.historical_pacing = [HistoricalPacing::Delay, HistoricalPacing::Off][number(17) >> 7];
        let bits = byte(15);
        let policy = Policy {
            global_cancel: [GlobalCancel::Forward, GlobalCancel::Own, GlobalCancel::Deny][number(16) % 3],
            cancel_foreign: bits & 1 != 0,
            master: bits & 2 != 0,
            cancel_on_disconnect: bits & 4 != 0,
            allowed: byte(17) & 1 == 0,
            certificates: Vec::new(),
            read_only: byte(17) & 2 != 0,
            data_only: byte(17) & 4 != 0,
            max_order_quantity: (byte(17) & 8 != 0).then_some(100.0),
            max_order_value: (byte(17) & 16 != 0).then_some(1000.0),
            max_lines: (byte(17) & 32 != 0).then_some(2),
            accounts: Vec::new(),
        };
        match bits & 8 {
            0 => c.policies.default = policy,
            _ => {
                c.policies.by_id.insert(ClientId(i32::from(bits >> 4)), policy);
            }
        }
        let config = c.clone();
        self.tell(Input::Reconfigure { config: &config });
    }

    fn dies(&mut self) {
        self.core = Core::recovered(self.config.clone(), &self.disk);
        self.peers.clear();
        self.generations.iter_mut().for_each(|g| *g += 1);
        self.close();
        (self.facts, self.link) = ((0, 0), LinkId(0));
        self.pending.clear();
        // Another process on another connection: the Gateway counts each by itself.
        self.sends.clear();
        self.orders = self.disk.orders.iter().map(|(up, o)| (up.0, (0, o.owner.0, o.down.0))).collect();
    }

    fn step(&mut self, op: u8, rest: &mut &[u8]) {
        let mut take = |n: usize| {
            let (now, later) = rest.split_at(n.min(rest.len()));
            *rest = later;
            now
        };
        let arg = take(1).first().copied().unwrap_or_default();
        match op % 32 {
            0 => {
                let slot = usize::from(arg) % self.generations.len();
                let key = ClientKey { slot: slot as u32, generation: self.generations[slot] };
                if !self.peers.iter().any(|p| p.key == key) {
                    self.peers.push(Peer { key, version: None, peeked: 0 });
                    self.tell(Input::ClientConnected { client: key, peer: "fuzz".into(), certificate: None });
                }
            }
            1 => {
                let ranges = [(100, 176), (100, 226), (157, 178), (213, 226), (100, 157)];
                let (min, max) = ranges[usize::from(arg) % ranges.len()];
                if let Some((client, _)) = self.client(arg) {
                    let hello = ClientHello { min, max, options: String::new() };
                    self.tell(Input::ClientHello { client, hello });
                }
            }
            2..=6 => {
                let length = usize::from(take(1).first().copied().unwrap_or_default());
                let payload = take(length);
                if let Some((client, _)) = self.client(arg) {
                    self.tell(Input::ClientFrame { client, payload });
                }
            }
            7 => {
                if let Some((client, _)) = self.client(arg) {
                    self.gone(client, [Gone::Eof, Gone::Error][usize::from(arg) % 2]);
                }
            }
            8 => self.looked([Some(0), None, Some(1)][usize::from(arg > 250) + usize::from(arg > 253)]),
            9 => self.connected(),
            10 => self.hello(VERSIONS[usize::from(arg) % VERSIONS.len()]),
            11..=13 => {
                let length = usize::from(take(1).first().copied().unwrap_or_default());
                let payload = take(length);
                self.hears(payload);
            }
            14 => {
                self.now = self.now + Duration::from_millis(u64::from(arg) * 20);
                self.tell(Input::Tick);
                self.disk_works();
                for key in self.peers.iter().map(|p| p.key).collect::<Vec<_>>() {
                    self.client_reads(key, usize::MAX);
                }
                self.gateway_reads(usize::MAX);
            }
            15 => match arg {
                0..=149 => {
                    let link = self.link_if(self.is_open());
                    if self.is_open() {
                        self.close();
                    }
                    self.tell(Input::UpstreamGone { link, error: "reset".into() });
                }
                200..=250 => {
                    let dialing = self.socket == Socket::Dialing;
                    if dialing {
                        self.close();
                    }
                    let link = self.link_if(dialing);
                    self.tell(Input::UpstreamRefused { link, error: "refused".into() });
                }
                150..=159 => self.operate(&Operation::Pause),
                160..=179 => self.operate(&Operation::Resume),
                180..=187 => self.operate(&Operation::Reconnect),
                188..=189 => self.operate(&Operation::Drain { stop: arg == 189 }),
                190..=199 => self.operate(&Operation::Kill(Who::Id(ClientId(i32::from(arg) - 190)))),
                _ => self.tell(Input::Stop),
            },
            16 => {
                let bytes = take(17).to_vec();
                self.reconfigure(&bytes);
            }
            17 => {
                let upto = self.facts.1 + (self.facts.0 - self.facts.1).min(u64::from(arg));
                self.synced(upto);
                self.tell(Input::Journaled { upto, sync_us: u64::from(arg) * 1000 });
            }
            18 => {
                let upto = self.facts.0 - (self.facts.0 - self.facts.1).min(u64::from(arg % 4));
                self.tell(Input::JournalFailed { upto, words: "No space left on device".into() });
            }
            19 => {
                let upto = self.facts.0;
                self.synced(upto);
                self.tell(Input::JournalHealed { upto });
            }
            20 => {
                if let Some((client, _)) = self.client(arg) {
                    let n = take(1).first().map_or(1, |n| usize::from(*n) * 64 + 1);
                    self.client_reads(client, n);
                }
            }
            21 => self.gateway_reads(usize::from(arg) * 16 + 1),
            22 => {
                let link = self.link_if(self.is_open());
                let fault = match arg % 3 {
                    0 => WireError::FrameTooLong { length: 1 << 30, limit: limits::MAX_FRAME },
                    1 => WireError::EmptyFrame,
                    _ => WireError::Redirect("elsewhere:4001".into()),
                };
                self.tell(Input::UpstreamBroken { link, fault });
            }
            23 => {
                if let Some((client, _)) = self.client(arg) {
                    let fault = WireError::FrameTooLong { length: 1 << 30, limit: 1 << 20 };
                    self.tell(Input::ClientBroken { client, fault });
                }
            }
            24 => {
                self.now = self.now + Duration::from_millis(u64::from(arg) * 100);
                self.tell(Input::Tick);
            }
            25 => {
                self.now = self.core.next_deadline().map_or(self.now, |due| due.max(self.now));
                self.tell(Input::Tick);
            }
            26 => self.dies(),
            27 => {
                let id = match take(1).first().copied().unwrap_or_default() {
                    0..=99 => -1,
                    n @ 100..=199 => REQUESTS + i32::from(n) - 100,
                    n => i32::from(n) - 200,
                };
                let code = ERRORS[usize::from(arg) % ERRORS.len()];
                self.says(4, &record! { id: id, errorCode: code, errorMsg: "words" });
            }
            28 => {
                let n = take(1).first().copied().unwrap_or_default();
                for step in 0..u32::from(n) * 4 {
                    let id = REQUESTS + i32::from(arg) + step as i32 % 4;
                    let values = record! { reqId: id, tickType: step % 5, price: step, size: step };
                    self.says([1, 2][step as usize / 7 % 2], &values);
                }
            }
            29 => {
                let mut ask = stock(["AAPL", "MSFT", "SPY", "QQQ"][usize::from(arg / 8) % 4]);
                ask.set("reqId", arg / 4).set("snapshot", u8::from(arg > 250));
                self.asks(arg % 8, "reqMktData", &ask);
            }
            30 => {
                let mut values = order(i32::from(arg / 4), "AAPL", "BUY", 1, "LMT", "1.0");
                values.set("parentId", take(1).first().map_or(0, |n| n / 16));
                self.asks(arg % 8, "placeOrder", &values);
            }
            _ => self.link_up(VERSIONS[usize::from(arg) % VERSIONS.len()]),
        }
    }
}

/// Made once each.
fn dialect(version: u16) -> Rc<Dialect> {
    thread_local! {
        static MADE: RefCell<BTreeMap<u16, Rc<Dialect>>> = RefCell::default();
    }
    MADE.with_borrow_mut(|made| made.entry(version).or_insert_with(|| Rc::new(Dialect::new(version))).clone())
}
