//! A world around [`Core`]: virtual time, scripted clients, a scripted Gateway, all speaking real bytes.
//!
//! [`World::handle`] gives the core one input, carries out what it wants done, and tells which frames it put where.
//! What the core must always do, whoever drives it, is checked here: one link at a time, whole frames that parse,
//! nothing upstream before startApi but the greeting, no second with too many messages.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod ease;
pub mod kinds;
pub mod shadow;
pub mod speech;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use twsmux::core::io::{Action, Actions, FarEnd, Gone, Input, Zombies};
use twsmux::core::operate::{Operation, Refusal};
use twsmux::core::{Config, Core};
use twsmux::ids::{ClientKey, LinkId};
use twsmux::journal::{Record as Fact, State};
use twsmux::protocol::layout::Record;
use twsmux::time::Time;
use twsmux::wire::frame::{self, FrameBuffer};
use twsmux::wire::handshake::{ClientHello, ServerHello};
use twsmux::wire::text::{self, Form};

/// A client of the world, by the order of connecting.
pub type Who = usize;

/// splitmix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A message as it stood on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub id: u16,
    pub form: Form,
    pub payload: Bytes,
    pub version: u16,
}

impl Frame {
    pub fn new(payload: &[u8], version: u16) -> Frame {
        let m = text::message(payload, version).expect("a message id");
        Frame { id: m.id as u16, form: m.form, payload: Bytes::copy_from_slice(payload), version }
    }

    pub fn body(&self) -> &[u8] {
        text::message(&self.payload, self.version).expect("a message id").body
    }

    /// The values of a response, under the names of the text form.
    pub fn response(&self) -> Record {
        speech::read(speech::dialect(self.version).response(self.id.into()), self)
    }

    /// The values of a request, under the names of the text form.
    pub fn request(&self) -> Record {
        speech::read(speech::dialect(self.version).request(self.id.into()), self)
    }

    /// For an error (4): its id and code.
    pub fn error(&self) -> Option<(i32, u16)> {
        let error = (self.id == 4).then(|| self.response())?;
        let int = |name| error.int(name);
        Some((int("id").unwrap_or(-1) as i32, int("errorCode").unwrap_or(0) as u16))
    }

    /// The words of an error.
    pub fn words(&self) -> String {
        self.response().get("errorMsg").unwrap_or_default().to_owned()
    }
}

/// Values of a message, written in one line.
pub fn record(values: &[(&'static str, &str)]) -> Record {
    let mut r = Record::new();
    for (name, value) in values {
        r.set(name, value);
    }
    r
}

/// The payload of a client's request in the form of its version; what is not given has its default.
pub fn request_payload(version: u16, id: u16, values: &Record) -> Bytes {
    let shape = speech::dialect(version).request(id.into());
    speech::write(shape.expect("a request of this version"), values)
}

/// The payload of a Gateway's message in the form of its version.
pub fn response_payload(version: u16, id: u16, values: &Record) -> Bytes {
    let shape = speech::dialect(version).response(id.into());
    speech::write(shape.expect("a response of this version"), values)
}

/// A scripted client's end of its connection.
pub struct Peer {
    pub key: ClientKey,
    /// Its socket is open.
    pub open: bool,
    /// The core wants it closed; `true`: after its outbox is sent.
    pub closing: Option<bool>,
    /// The version reply.
    pub hello: Option<ServerHello>,
    /// Frames that the core put into its outbox, since the test last took them.
    pub got: Vec<Frame>,
    /// Bytes of the outbox that were looked at.
    peeked: usize,
    /// What it read, to see that pieces make whole frames.
    reader: FrameBuffer,
    /// Frames it read.
    pub read: usize,
    /// When it last took bytes, or when the first one came into its empty outbox; microseconds.
    pub progress: u64,
}

/// What one input led to.
#[derive(Default)]
pub struct Outcome {
    /// New frames in the outboxes.
    pub to: Vec<(Who, Frame)>,
    /// So many of them, the first ones, waited until their client had read.
    pub waited: usize,
    /// New version replies.
    pub hellos: Vec<(Who, ServerHello)>,
    /// New frames for the Gateway.
    pub up: Vec<Frame>,
    /// For each of them, the last fact that was on disk when it left.
    pub durable: Vec<u64>,
    /// What the core wanted done.
    pub actions: Vec<Action>,
}

impl Outcome {
    fn add(&mut self, more: Outcome) {
        self.to.extend(more.to);
        self.hellos.extend(more.hellos);
        self.up.extend(more.up);
        self.durable.extend(more.durable);
        self.actions.extend(more.actions);
    }
}

/// See the module's words.
pub struct World {
    pub core: Core,
    pub now: Time,
    pub peers: Vec<Peer>,
    /// The attempt whose look is to be answered.
    pub looking: Option<LinkId>,
    /// The link whose other end is being looked at.
    pub examining: Option<LinkId>,
    /// The attempt that dials.
    pub dialing: Option<LinkId>,
    /// The open upstream socket.
    pub socket: Option<LinkId>,
    /// The version that the Gateway chose on this socket.
    pub version: u16,
    pub finished: bool,
    /// What the core had recorded.
    pub journal: State,
    /// The number of the last fact, and of the last one that is on disk.
    pub facts: (u64, u64),
    /// The facts that are handed over and not on disk, by number.
    pub pending: VecDeque<(u64, Fact)>,
    /// What is on disk.
    pub disk: State,
    /// The facts that name the upstream ids of orders.
    order_facts: BTreeMap<i32, u64>,
    /// Orders that the Gateway has shown and not ended, by upstream id, with their last status.
    pub open_orders: BTreeMap<String, String>,
    /// Whether the disk is at once done with everything.
    pub fast_disk: bool,
    /// Whether ticks go the short way, as they do unless something is captured.
    pub short_way: bool,
    /// How many have gone it.
    pub short_ways: usize,
    /// Frames that went into outboxes because clients read.
    refilled: Vec<(Who, Frame)>,
    /// Frames that the core put into the upstream buffer, since the test last took them.
    pub up: Vec<Frame>,
    /// The limit that is checked.
    pub rate: Option<usize>,
    up_peeked: usize,
    up_greeted: bool,
    up_started: bool,
    up_reader: FrameBuffer,
    up_read_greeting: bool,
    sends: VecDeque<Time>,
    slots: Vec<(bool, u32)>,
    /// Hash of everything that happened.
    pub trace: u64,
}

impl World {
    pub fn new(config: Config) -> World {
        World::recovered(config, State::default())
    }

    /// A world whose core goes on from a journal.
    pub fn recovered(config: Config, journal: State) -> World {
        World {
            rate: config.messages_per_second.map(|n| n as usize),
            core: Core::recovered(config, &journal),
            now: Time::ZERO,
            peers: Vec::new(),
            looking: None,
            examining: None,
            dialing: None,
            socket: None,
            version: 0,
            finished: false,
            order_facts: journal.orders.keys().map(|up| (up.0, 0)).collect(),
            disk: journal.clone(),
            journal,
            facts: (0, 0),
            pending: VecDeque::new(),
            open_orders: BTreeMap::new(),
            fast_disk: true,
            short_way: true,
            short_ways: 0,
            refilled: Vec::new(),
            up: Vec::new(),
            up_peeked: 0,
            up_greeted: false,
            up_started: false,
            up_reader: FrameBuffer::default(),
            up_read_greeting: false,
            sends: VecDeque::new(),
            slots: Vec::new(),
            trace: 0xCBF2_9CE4_8422_2325,
        }
    }

    fn hash(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.trace = (self.trace ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    /// Gives the core one input at the present time.
    pub fn handle(&mut self, input: Input<'_>) -> Outcome {
        let mut actions = Actions::default();
        let greets = matches!(input, Input::UpstreamConnected { .. });
        if let Input::UpstreamHello { hello, .. } = &input {
            self.version = hello.version;
        }
        self.core.handle(self.now, input, &mut actions);
        self.after(actions, greets)
    }

    /// A person at the controls wants something.
    pub fn operate(&mut self, operation: &Operation) -> Result<String, Refusal> {
        self.operated(operation).0
    }

    /// Likewise, with what came of it.
    pub fn operated(&mut self, operation: &Operation) -> (Result<String, Refusal>, Outcome) {
        let mut actions = Actions::default();
        let done = self.core.operate(self.now, operation, &mut actions);
        (done, self.after(actions, false))
    }

    fn after(&mut self, actions: Actions, greets: bool) -> Outcome {
        let mut outcome = Outcome::default();
        for action in &actions.list {
            self.carry_out(action, greets);
        }
        self.peek_clients(&mut outcome);
        for (who, _) in &outcome.to {
            let peer = &self.peers[*who];
            assert!(
                actions.dirty.contains(&peer.key) || peer.closing.is_some(),
                "the shell is not told of new bytes for client {who}"
            );
        }
        outcome.waited = self.refilled.len();
        outcome.to.splice(0..0, self.refilled.drain(..));
        for key in &actions.dirty {
            // As the shell does for a socket that takes nothing.
            self.core.consume_output(self.now, *key, 0, &mut Actions::default());
        }
        // What had room all at once, because the settings gave it.
        self.peek_clients(&mut outcome);
        self.peek_upstream(&mut outcome);
        assert!(
            outcome.up.is_empty() || actions.upstream_dirty,
            "the shell is not told of bytes for upstream"
        );
        for action in actions.list {
            let shown = format!("{action:?}");
            self.hash(shown.as_bytes());
            outcome.actions.push(action);
        }
        if self.fast_disk && self.facts.1 < self.facts.0 {
            let synced = self.synced();
            outcome.add(synced);
        }
        outcome
    }

    /// The disk is done with everything that it was given.
    pub fn synced(&mut self) -> Outcome {
        self.synced_to(self.facts.0)
    }

    /// The disk is done with the facts up to a number.
    pub fn synced_to(&mut self, upto: u64) -> Outcome {
        self.reached(upto);
        self.handle(Input::Journaled { upto, sync_us: 1 })
    }

    fn reached(&mut self, upto: u64) {
        assert!((self.facts.1..=self.facts.0).contains(&upto));
        self.facts.1 = upto;
        while self.pending.front().is_some_and(|(seq, _)| *seq <= upto) {
            let (_, record) = self.pending.pop_front().expect("just seen");
            self.disk.apply(&record);
        }
    }

    /// The disk refuses everything up to a number.
    pub fn disk_fails(&mut self, upto: u64) -> Outcome {
        self.handle(Input::JournalFailed { upto, words: "No space left on device".into() })
    }

    /// The disk works again.
    pub fn disk_heals(&mut self) -> Outcome {
        self.reached(self.facts.0);
        self.handle(Input::JournalHealed { upto: self.facts.0 })
    }

    /// twsmux dies and is started again with what it had recorded.
    pub fn restart(&mut self, config: Config) {
        let (now, open) = (self.now, std::mem::take(&mut self.open_orders));
        *self = World::recovered(config, std::mem::take(&mut self.journal));
        (self.now, self.open_orders) = (now, open);
    }

    fn carry_out(&mut self, action: &Action, greets: bool) {
        match action {
            Action::Look { link } => {
                assert!(self.socket.is_none() && self.dialing.is_none(), "I1: it looks while a link exists");
                self.looking = Some(*link);
            }
            Action::Examine { link } => {
                assert_eq!(self.socket, Some(*link), "only a connection is looked at");
                assert_eq!(self.examining.replace(*link), None, "one look at a time");
            }
            Action::Dial { link } => {
                assert!(self.socket.is_none(), "I1: a second socket");
                assert!(self.dialing.is_none(), "I1: a second dial");
                assert!(!self.finished, "a dial after the end");
                assert_eq!(self.looking, Some(*link), "a dial without a look");
                self.looking = None;
                self.dialing = Some(*link);
            }
            Action::Abort { link } => {
                assert!(
                    self.socket == Some(*link) || self.dialing == Some(*link),
                    "abort of what is not there"
                );
                assert!(!greets, "no abort of what just connected");
                self.forget_socket();
            }
            Action::CloseClient { client, flush } => {
                let peer = self.peers.iter_mut().rev().find(|p| p.key == *client).expect("a known client");
                assert!(peer.open, "close of what is gone");
                peer.closing = Some(*flush);
            }
            Action::Finish => self.finished = true,
            Action::Note(_) => {}
            Action::Journal { seq, record, .. } => {
                assert_eq!(*seq, self.facts.0 + 1, "facts are numbered in order");
                self.facts.0 = *seq;
                self.journal.apply(record);
                self.pending.push_back((*seq, record.clone()));
                if let Fact::Order { up, .. } = record {
                    self.order_facts.insert(up.0, *seq);
                }
            }
        }
    }

    /// The socket is gone on this side too.
    pub fn forget_socket(&mut self) {
        self.socket = None;
        self.dialing = None;
        self.examining = None;
        self.up_peeked = 0;
        self.up_greeted = false;
        self.up_started = false;
        self.up_reader = FrameBuffer::default();
        self.up_read_greeting = false;
    }

    fn peek_clients(&mut self, outcome: &mut Outcome) {
        for who in 0..self.peers.len() {
            if !self.peers[who].open {
                continue;
            }
            let peer = &self.peers[who];
            let mut rest = &self.core.output(peer.key)[peer.peeked..];
            if rest.is_empty() {
                continue;
            }
            let mut new = Vec::new();
            let (mut hello, total) = (peer.hello.clone(), rest.len());
            while !rest.is_empty() {
                let (payload, after) =
                    frame::split(rest, 0xFF_FFFF).expect("a frame").expect("a whole frame");
                rest = after;
                match &hello {
                    None => {
                        hello = Some(ServerHello::parse(payload).expect("a version reply"));
                        assert_eq!(new.len(), 0);
                    }
                    Some(h) => new.push(Frame::new(payload, h.version)),
                }
            }
            let (now, peer) = (self.now.0, &mut self.peers[who]);
            if peer.peeked == 0 {
                peer.progress = now;
            }
            peer.peeked += total;
            if peer.hello.is_none() {
                peer.hello = hello;
                outcome.hellos.push((who, peer.hello.clone().expect("just read")));
            }
            for f in new {
                speech::check_response(&f, who);
                self.hash(&[who as u8]);
                let payload = f.payload.clone();
                self.hash(&payload);
                self.peers[who].got.push(f.clone());
                outcome.to.push((who, f));
            }
        }
    }

    fn peek_upstream(&mut self, outcome: &mut Outcome) {
        if self.socket.is_none() {
            assert!(self.core.upstream_output().is_empty(), "bytes for no link");
            return;
        }
        let bytes = Bytes::copy_from_slice(&self.core.upstream_output()[self.up_peeked..]);
        self.up_peeked += bytes.len();
        let mut rest = &bytes[..];
        if !rest.is_empty() && !self.up_greeted {
            self.up_greeted = true;
            let mut b = FrameBuffer::default();
            b.extend(rest);
            ClientHello::take(&mut b, 100).expect("a greeting").expect("the whole greeting at once");
            assert!(b.pending().is_empty(), "nothing behind the greeting");
            return;
        }
        while !rest.is_empty() {
            let (payload, after) = frame::split(rest, 0xFF_FFFF).expect("a frame").expect("a whole frame");
            rest = after;
            let f = Frame::new(payload, self.version);
            if !self.up_started {
                assert_eq!(f.id, 71, "startApi comes before anything else");
                self.up_started = true;
            } else {
                assert_ne!(f.id, 71, "one startApi");
            }
            speech::check_request(&f);
            if matches!(f.id, 3 | 21) {
                let up = f.request().int(kinds::order_id(f.id)).expect("an id") as i32;
                let fact = self.order_facts.get(&up).expect("I5: an order that leaves is recorded");
                assert!(*fact <= self.facts.1, "I5: order {up} leaves before its record {fact} is on disk");
            }
            self.count_send();
            self.hash(payload);
            self.up.push(f.clone());
            outcome.up.push(f);
            outcome.durable.push(self.facts.1);
        }
    }

    /// I9, independently of the core's own count.
    fn count_send(&mut self) {
        self.sends.push_back(self.now);
        while self.sends.front().is_some_and(|t| self.now.since(*t) > Duration::from_secs(1)) {
            self.sends.pop_front();
        }
        let Some(rate) = self.rate else { return };
        assert!(self.sends.len() <= rate, "I9: {} messages within a second", self.sends.len());
    }

    // ---- clients ----

    /// A client connects.
    pub fn connect(&mut self) -> (Who, Outcome) {
        let slot = match self.slots.iter().position(|s| !s.0) {
            Some(slot) => slot,
            None => {
                self.slots.push((false, 0));
                self.slots.len() - 1
            }
        };
        self.slots[slot].0 = true;
        let key = ClientKey { slot: slot as u32, generation: self.slots[slot].1 };
        self.peers.push(Peer {
            key,
            open: true,
            closing: None,
            hello: None,
            got: Vec::new(),
            peeked: 0,
            reader: FrameBuffer::default(),
            read: 0,
            progress: 0,
        });
        let peer = format!("127.0.0.1:{}", 40_000 + self.peers.len());
        (self.peers.len() - 1, self.handle(Input::ClientConnected { client: key, peer, certificate: None }))
    }

    /// A client greets.
    pub fn greet(&mut self, who: Who, min: u16, max: u16) -> Outcome {
        self.greet_with(who, min, max, "")
    }

    /// A client greets with connect options.
    pub fn greet_with(&mut self, who: Who, min: u16, max: u16, options: &str) -> Outcome {
        let hello = ClientHello { min, max, options: options.into() };
        self.handle(Input::ClientHello { client: self.peers[who].key, hello })
    }

    /// A client sends a frame.
    pub fn frame(&mut self, who: Who, payload: &[u8]) -> Outcome {
        self.handle(Input::ClientFrame { client: self.peers[who].key, payload })
    }

    /// The version that a client was told.
    pub fn version_of(&self, who: Who) -> u16 {
        self.peers[who].hello.as_ref().map_or(0, |h| h.version)
    }

    /// A client sends a request at its version.
    pub fn request(&mut self, who: Who, id: u16, values: &[(&'static str, &str)]) -> Outcome {
        let payload = request_payload(self.version_of(who), id, &record(values));
        self.frame(who, &payload)
    }

    /// A client's socket is gone.
    pub fn gone(&mut self, who: Who, reason: Gone) -> Outcome {
        let peer = &mut self.peers[who];
        assert!(peer.open);
        peer.open = false;
        let client = peer.key;
        self.slots[client.slot as usize].0 = false;
        self.slots[client.slot as usize].1 += 1;
        self.handle(Input::ClientGone { client, reason })
    }

    /// A client reads up to `n` bytes.
    pub fn read(&mut self, who: Who, n: usize) {
        let peer = &mut self.peers[who];
        let bytes = self.core.output(peer.key);
        let n = n.min(bytes.len());
        peer.reader.extend(&bytes[..n]);
        peer.peeked -= n;
        if n > 0 {
            peer.progress = self.now.0;
        }
        let mut actions = Actions::default();
        self.core.consume_output(self.now, peer.key, n, &mut actions);
        assert!(actions.dirty.is_empty(), "whoever reports what was taken writes the rest");
        while let Some(_frame) = peer.reader.next(0xFF_FFFF).expect("pieces make whole frames") {
            peer.read += 1;
        }
        let mut outcome = Outcome::default();
        self.peek_clients(&mut outcome);
        self.refilled.extend(outcome.to);
    }

    // ---- the Gateway's end ----

    /// The Gateway reads up to `n` bytes. Returns the frames that are whole now, and what the core did with the room.
    pub fn gateway_reads(&mut self, n: usize) -> (Vec<Frame>, Outcome) {
        let bytes = self.core.upstream_output();
        let n = n.min(bytes.len());
        self.up_reader.extend(&bytes[..n]);
        self.up_peeked -= n;
        let mut actions = Actions::default();
        self.core.consume_upstream_output(self.now, n, &mut actions);
        let mut frames = Vec::new();
        if !self.up_read_greeting {
            match ClientHello::take(&mut self.up_reader, 100).expect("a greeting") {
                Some(_) => self.up_read_greeting = true,
                None => return (frames, self.after(actions, false)),
            }
        }
        while let Some(payload) = self.up_reader.next(0xFF_FFFF).expect("pieces make whole frames") {
            frames.push(Frame::new(&payload, self.version));
        }
        (frames, self.after(actions, false))
    }

    /// Whether the Gateway has read the whole greeting.
    pub fn greeted(&self) -> bool {
        self.up_read_greeting
    }

    /// The look is answered.
    pub fn looked(&mut self, zombies: Option<usize>) -> Outcome {
        let link = self.looking.expect("a look is under way");
        let zombies = zombies.map(|n| Zombies { fin_unread: n, ..Zombies::default() });
        let outcome = self.handle(Input::Looked { link, zombies });
        // It dials, or not.
        self.looking = None;
        outcome
    }

    /// The look at the connection's other end is answered.
    pub fn examined(&mut self, end: FarEnd) -> Outcome {
        self.examined_with(Some(Zombies::default()), end)
    }

    /// Likewise, with what it showed of dead connections.
    pub fn examined_with(&mut self, zombies: Option<Zombies>, end: FarEnd) -> Outcome {
        let link = self.examining.take().expect("a look at the connection is under way");
        self.handle(Input::Examined { link, zombies, end })
    }

    /// The dial is accepted.
    pub fn accepted(&mut self) -> Outcome {
        let link = self.dialing.take().expect("a dial is under way");
        self.socket = Some(link);
        self.handle(Input::UpstreamConnected { link })
    }

    /// The dial is refused.
    pub fn refused(&mut self) -> Outcome {
        let link = self.dialing.take().expect("a dial is under way");
        self.handle(Input::UpstreamRefused { link, error: "connection refused".into() })
    }

    /// The Gateway answers the greeting.
    pub fn gateway_hello(&mut self, version: u16) -> Outcome {
        let link = self.socket.expect("a link");
        let hello = ServerHello { version, time: "20261123 22:27:38 US/Eastern".into() };
        self.handle(Input::UpstreamHello { link, hello })
    }

    /// The Gateway sends a payload.
    pub fn gateway_sends(&mut self, payload: &[u8]) -> Outcome {
        self.gateway_sends_all(&[payload])
    }

    /// The Gateway sends payloads, which arrive together. Only what everybody got of them is said.
    pub fn gateway_sends_all(&mut self, payloads: &[&[u8]]) -> Outcome {
        let link = self.socket.expect("a link");
        let mut framed = BytesMut::new();
        payloads.iter().for_each(|payload| frame::put(payload, &mut framed));
        let (mut rest, mut all) = (&framed[..], None::<Outcome>);
        while !rest.is_empty() {
            let outcome = match self.hear_ticks(link, rest) {
                Some((taken, outcome)) => {
                    rest = &rest[taken..];
                    outcome
                }
                None => {
                    let split = frame::split(rest, rest.len()).expect("frames").expect("whole ones");
                    rest = split.1;
                    self.handle(Input::UpstreamFrame { link, payload: split.0 })
                }
            };
            match &mut all {
                Some(all) => all.to.extend(outcome.to),
                None => all = Some(outcome),
            }
        }
        all.unwrap_or_default()
    }

    /// The ticks at the front go the short way; how many bytes they are. `None`: nothing does.
    fn hear_ticks(&mut self, link: LinkId, bytes: &[u8]) -> Option<(usize, Outcome)> {
        let mut actions = Actions::default();
        let taken =
            if self.short_way { self.core.hear_ticks(self.now, link, bytes, &mut actions) } else { 0 };
        if taken == 0 {
            assert!(actions.is_empty(), "what is not taken has done nothing");
            return None;
        }
        let mut frames = 0;
        let mut rest = &bytes[..taken];
        while !rest.is_empty() {
            let split = frame::split(rest, rest.len()).expect("frames");
            rest = split.expect("whole frames are taken").1;
            frames += 1;
        }
        self.short_ways += frames;
        Some((taken, self.after(actions, false)))
    }

    /// The Gateway sends a message.
    pub fn say(&mut self, id: u16, values: &[(&'static str, &str)]) -> Outcome {
        let payload = response_payload(self.version, id, &record(values));
        self.gateway_sends(&payload)
    }

    /// The Gateway sends an error.
    pub fn say_error(&mut self, id: i32, code: u16, words: &str) -> Outcome {
        let (id, code) = (id.to_string(), code.to_string());
        self.say(4, &[("id", &id), ("errorCode", &code), ("errorMsg", words)])
    }

    /// The upstream socket breaks.
    pub fn lose(&mut self) -> Outcome {
        let link = self.socket.expect("a link");
        self.handle(Input::UpstreamGone { link, error: "connection reset by peer".into() })
    }

    /// Time passes until `at`, with a tick at each deadline on the way.
    pub fn tick_until(&mut self, at: Time) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some(due) = self.core.next_deadline().filter(|d| *d <= at) {
            self.now = self.now.max(due);
            outcomes.push(self.handle(Input::Tick));
            assert!(outcomes.len() < 100_000, "the core's deadlines make no progress");
        }
        self.now = at;
        outcomes
    }

    pub fn check(&self) {
        self.core.check_invariants(self.now);
    }
}
