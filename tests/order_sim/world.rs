//! Everybody in one virtual time: twsmux's core, its journal and disk, the Gateway, the clients, and what goes wrong.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use twsmux::core::io::{Action, Actions, Gone, Input, Zombies};
use twsmux::core::{Config, Core};
use twsmux::ids::{ClientId, ClientKey, LinkId};
use twsmux::journal::{Journal, Record as Fact, State};
use twsmux::protocol::layout::Record;
use twsmux::sim::gateway::{Close, ConnId, Cut, Gateway, Input as GatewayInput, Output};
use twsmux::sim::{NextId, Rejection, Restart, SimConfig};
use twsmux::time::Time;
use twsmux::wire::frame::FrameBuffer;
use twsmux::wire::handshake::{ClientHello, ServerHello};

use super::client::{Client, Mine};
use super::disk::{Faults, SimDisk};
use super::support::{Frame, Rng, request_payload};

/// What a run did, so that a test that did nothing is seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub placed: u64,
    pub fills: u64,
    pub crashes: u64,
    pub restarts: u64,
    pub unknown: u64,
    pub kept: u64,
    pub refused_by_disk: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.placed += other.placed;
        self.fills += other.fills;
        self.crashes += other.crashes;
        self.restarts += other.restarts;
        self.unknown += other.unknown;
        self.kept += other.kept;
        self.refused_by_disk += other.refused_by_disk;
    }
}

/// The open upstream socket.
struct Wire {
    link: LinkId,
    conn: ConnId,
    /// What the Gateway sent and the core has not read.
    to_core: BytesMut,
    reader: FrameBuffer,
    greeted: bool,
    closed: Option<Close>,
}

pub struct World {
    rng: Rng,
    pub now: Time,
    config: Config,
    disk: SimDisk,
    pub journal: Option<Journal<SimDisk>>,
    /// Facts that the journal has not been given.
    facts: VecDeque<(u64, Fact, bool)>,
    /// The last fact that it has, and whether somebody waits until that is on disk.
    written: u64,
    sync_wanted: bool,
    core: Core,
    pub gateway: Gateway,
    /// The Gateway takes no connections until then.
    closed_until: Time,
    wire: Option<Wire>,
    looking: Option<LinkId>,
    dialing: Option<LinkId>,
    pub clients: Vec<Client>,
    generations: Vec<u32>,
    /// Which twsmux this is, counted from 0.
    pub run: u32,
    pub tally: Tally,
    /// The rarity of trouble.
    calm: usize,
    /// The Gateway's version.
    pub version: u16,
}

const VERSIONS: [u16; 8] = [130, 157, 176, 193, 201, 204, 213, 226];
const RANGES: [(u16, u16); 6] = [(100, 157), (157, 176), (157, 178), (100, 193), (213, 226), (100, 226)];
const SECOND: u64 = 1_000_000;

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = Rng(seed ^ 0x0DE5);
        let version = *rng.pick(&VERSIONS);
        let calm = *rng.pick(&[1, 4, 15]);
        let config = Config {
            max_server_version: version,
            messages_per_second: *rng.pick(&[Some(45), Some(10), None, None]),
            seed,
            ..Config::default()
        };
        let sim = SimConfig {
            seed,
            max_version: version,
            messages_per_second: None,
            fill_size: *rng.pick(&[1000.0, 3.0, 1.0]),
            fill_delay: Duration::from_millis(*rng.pick(&[1, 20, 3000])),
            pending_cancel: rng.one_in(3),
            repeats: *rng.pick(&[0, 1, 3]),
            next_id_first: rng.one_in(4),
            first_order_id: *rng.pick(&[1, 700]),
            ..SimConfig::default()
        };
        let disk = SimDisk::new(seed ^ 0xD15C);
        let (journal, _) = Journal::open(disk.clone()).expect("an empty folder");
        let clients = (0..4).map(|n| Client::new([0, 1, 2, 7][n], *rng.pick(&RANGES))).collect();
        let mut world = World {
            now: Time::ZERO,
            core: Core::recovered(config.clone(), &State::default()),
            config,
            disk,
            journal: Some(journal),
            facts: VecDeque::new(),
            written: 0,
            sync_wanted: false,
            gateway: Gateway::new(sim),
            closed_until: Time::ZERO,
            wire: None,
            looking: None,
            dialing: None,
            clients,
            generations: vec![0; 4],
            run: 0,
            tally: Tally::default(),
            version,
            calm,
            rng,
        };
        world.core_hears(Input::Tick);
        world
    }

    // ---- the core ----

    fn core_hears(&mut self, input: Input<'_>) {
        if std::env::var_os("SIM_TRACE").is_some() {
            let mut text = format!("{input:?}");
            if let Input::ClientFrame { payload, .. } | Input::UpstreamFrame { payload, .. } = &input {
                text = format!(
                    "{} {:?}",
                    text.split(' ').next().unwrap_or_default(),
                    String::from_utf8_lossy(payload)
                );
                if let Input::ClientFrame { client, .. } = &input {
                    text = format!("{client} {text}");
                }
            }
            eprintln!(
                "{:>10} run {} -> {}",
                self.now.0,
                self.run,
                &text.chars().take(220).collect::<String>()
            );
        }
        let mut actions = Actions::default();
        self.core.handle(self.now, input, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Actions) {
        for action in actions.list {
            if std::env::var_os("SIM_TRACE").is_some() {
                eprintln!(
                    "{:>10}            <- {}",
                    self.now.0,
                    format!("{action:?}").chars().take(260).collect::<String>()
                );
            }
            match action {
                Action::Look { link } => self.looking = Some(link),
                Action::Dial { link } => {
                    assert!(self.wire.is_none() && self.dialing.is_none(), "I1");
                    self.dialing = Some(link);
                }
                Action::Abort { link } => {
                    if self.dialing == Some(link) {
                        self.dialing = None;
                    }
                    if let Some(wire) = self.wire.take_if(|w| w.link == link) {
                        self.gateway.handle(self.now, wire.conn, GatewayInput::Reset);
                    }
                }
                Action::CloseClient { client, flush } => {
                    let at = self.clients.iter().position(|c| c.key == Some(client));
                    let Some(at) = at else { continue };
                    match flush {
                        true => self.clients[at].closing = true,
                        false => self.client_ends(at, Gone::Timeout),
                    }
                }
                Action::Journal { seq, record, sync } => self.facts.push_back((seq, record, sync)),
                Action::Note(_) | Action::Examine { .. } | Action::Finish => {}
            }
        }
        self.core.check_invariants(self.now);
    }

    fn client_ends(&mut self, at: usize, why: Gone) {
        let Some(key) = self.clients[at].key else { return };
        let lost = !self.core.output(key).is_empty();
        self.clients[at].disconnected(lost);
        self.core_hears(Input::ClientGone { client: key, reason: why });
    }

    // ---- the journal ----

    fn disk_step(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        if journal.broken().is_some() {
            if self.rng.one_in(4) && journal.heal().is_ok() {
                self.core_hears(Input::JournalHealed { upto: self.written });
            } else if self.disk.is_dead() {
                self.crash();
            }
            return;
        }
        if self.sync_wanted && self.rng.one_in(2) || self.facts.is_empty() {
            let input = match journal.sync() {
                Ok(()) => Input::Journaled { upto: self.written, sync_us: 1 },
                Err(error) => Input::JournalFailed { upto: self.written, words: error.to_string() },
            };
            self.sync_wanted = false;
            if self.disk.is_dead() {
                return self.crash();
            }
            return self.core_hears(input);
        }
        let n = 1 + self.rng.below(self.facts.len());
        let mut batch = Vec::new();
        for (seq, fact, sync) in self.facts.drain(..n) {
            self.written = seq;
            self.sync_wanted |= sync;
            batch.push(fact);
        }
        let failed = journal.append(&batch, false).err();
        if self.rng.one_in(20) {
            let _ = journal.compact();
        }
        if self.disk.is_dead() {
            return self.crash();
        }
        if let Some(error) = failed {
            self.tally.refused_by_disk += 1;
            self.core_hears(Input::JournalFailed { upto: self.written, words: error.to_string() });
        }
    }

    /// twsmux dies, perhaps with the whole machine, and is started again.
    fn crash(&mut self) {
        self.tally.crashes += 1;
        self.tally.kept += self.core.stats.kept;
        self.run += 1;
        // With a disk that refuses nothing is recorded, not even which ids were used for orders that were refused.
        let was_broken = self.journal.take().is_some_and(|j| j.broken().is_some());
        match self.rng.one_in(2) {
            true => self.disk.power_loss(),
            false => self.disk.process_death(),
        }
        self.disk.set_faults(Faults::default());
        // What was on its way may or may not still arrive at the Gateway.
        if self.rng.one_in(2) {
            let n = self.rng.below(self.core.upstream_output().len() + 1);
            self.gateway_reads(n);
        }
        if let Some(wire) = self.wire.take() {
            self.gateway.handle(self.now, wire.conn, GatewayInput::Reset);
        }
        (self.looking, self.dialing) = (None, None);
        for at in 0..self.clients.len() {
            let Some(key) = self.clients[at].key else { continue };
            let lost = !self.core.output(key).is_empty();
            self.clients[at].disconnected(lost);
        }
        self.facts.clear();
        (self.written, self.sync_wanted) = (0, false);
        let (journal, recovered) =
            Journal::open(self.disk.clone()).expect("a crash leaves a readable journal");
        self.journal = Some(journal);
        for client in self.clients.iter_mut().filter(|_| was_broken) {
            let owner = recovered.state.owners.get(&ClientId(client.id)).copied().unwrap_or_default();
            client.used = client.used.min(owner.next - 1).max(owner.placed);
            client.told_next = client.told_next.min(owner.next);
        }
        self.core = Core::recovered(self.config.clone(), &recovered.state);
        self.core.check_invariants(self.now);
        self.generations.iter_mut().for_each(|g| *g += 1);
        self.core_hears(Input::Tick);
    }

    // ---- the link ----

    fn gateway_reads(&mut self, n: usize) {
        let Some(wire) = &self.wire else { return };
        let conn = wire.conn;
        let bytes = self.core.upstream_output()[..n.min(self.core.upstream_output().len())].to_vec();
        if bytes.is_empty() {
            return;
        }
        self.gateway.handle(self.now, conn, GatewayInput::Bytes(&bytes));
        let mut actions = Actions::default();
        self.core.consume_upstream_output(self.now, bytes.len(), &mut actions);
        self.carry_out(actions);
        self.gateway_speaks();
    }

    /// What the Gateway has to send goes on its way.
    fn gateway_speaks(&mut self) {
        for output in self.gateway.outputs() {
            match output {
                Output::Send(conn, bytes) => {
                    if let Some(wire) = self.wire.as_mut().filter(|w| w.conn == conn) {
                        wire.to_core.extend_from_slice(&bytes);
                    }
                }
                Output::Close(conn, how) => {
                    if let Some(wire) = self.wire.as_mut().filter(|w| w.conn == conn) {
                        wire.closed = Some(how);
                        if how == Close::Reset {
                            // A reset overtakes what was not read.
                            let n = self.rng.below(wire.to_core.len() + 1);
                            wire.to_core.truncate(n);
                        }
                    }
                }
            }
        }
    }

    fn core_reads(&mut self, n: usize) {
        self.gateway_speaks();
        let Some(wire) = &mut self.wire else { return };
        let link = wire.link;
        let n = n.min(wire.to_core.len());
        let bytes = wire.to_core.split_to(n);
        wire.reader.extend(&bytes);
        while let Some(wire) = self.wire.as_mut().filter(|w| w.link == link) {
            let Some(payload) = wire.reader.next(0xFF_FFFF).expect("whole frames") else { break };
            match std::mem::replace(&mut wire.greeted, true) {
                false => {
                    let hello = ServerHello::parse(&payload).expect("a version reply");
                    self.core_hears(Input::UpstreamHello { link, hello });
                }
                true => self.core_hears(Input::UpstreamFrame { link, payload: &payload }),
            }
        }
        if self.wire.as_ref().is_some_and(|w| w.link == link && w.closed.is_some() && w.to_core.is_empty()) {
            self.wire = None;
            self.core_hears(Input::UpstreamGone { link, error: "connection reset by peer".into() });
        }
    }

    fn link_step(&mut self) {
        if let Some(link) = self.looking.take() {
            return self.core_hears(Input::Looked { link, zombies: Some(Zombies::default()) });
        }
        let Some(link) = self.dialing.take() else { return };
        if self.now < self.closed_until {
            return self.core_hears(Input::UpstreamRefused { link, error: "connection refused".into() });
        }
        let conn = self.gateway.accepted(self.now);
        self.wire = Some(Wire {
            link,
            conn,
            to_core: BytesMut::new(),
            reader: FrameBuffer::default(),
            greeted: false,
            closed: None,
        });
        self.core_hears(Input::UpstreamConnected { link });
    }

    // ---- clients ----

    /// A client reads up to `n` bytes.
    fn client_reads(&mut self, at: usize, n: usize) {
        let Some(key) = self.clients[at].key else { return };
        let bytes = self.core.output(key);
        let bytes = bytes[..n.min(bytes.len())].to_vec();
        self.core.consume_output(self.now, key, bytes.len(), &mut Actions::default());
        let client = &mut self.clients[at];
        client.reader.extend(&bytes);
        while let Some(payload) = client.reader.next(0xFF_FFFF).expect("whole frames") {
            match std::mem::replace(&mut client.greeted, true) {
                false => client.version = ServerHello::parse(&payload).expect("a version reply").version,
                true => client.hears(&Frame::new(&payload, client.version)),
            }
        }
        if self.clients[at].closing && self.core.output(key).is_empty() {
            self.client_ends(at, Gone::Eof);
        }
    }

    fn send(&mut self, at: usize, id: u16, values: &Record) {
        let Some(key) = self.clients[at].key else { return };
        let payload = request_payload(self.clients[at].version, id, values);
        self.core_hears(Input::ClientFrame { client: key, payload: &payload });
    }

    fn client_step(&mut self) {
        let at = self.rng.below(self.clients.len());
        let client = &self.clients[at];
        match (client.key, client.started) {
            (None, _) if self.rng.one_in(3) => self.connect(at),
            (None, _) => {}
            (Some(_), false) => {
                let n = self.rng.below(4000);
                self.client_reads(at, n);
            }
            (Some(_), true) => self.act(at),
        }
    }

    fn connect(&mut self, at: usize) {
        let key = ClientKey { slot: at as u32, generation: self.generations[at] };
        self.generations[at] += 1;
        self.clients[at].key = Some(key);
        self.core_hears(Input::ClientConnected {
            client: key,
            peer: format!("127.0.0.1:{}", 40_000 + at),
            certificate: None,
        });
        let (min, max) = self.clients[at].range;
        let hello = ClientHello { min, max, options: String::new() };
        self.core_hears(Input::ClientHello { client: key, hello });
        self.client_reads(at, usize::MAX);
        if self.clients[at].version == 0 || self.clients[at].key.is_none() {
            return;
        }
        let mut r = Record::new();
        r.set("clientId", self.clients[at].id);
        self.send(at, 71, &r);
    }

    fn act(&mut self, at: usize) {
        match self.rng.below(40) {
            0..10 => {
                self.place(at, None);
            }
            10..12 => {
                // A bracket: the family goes to the exchange with its last child.
                if let Some(parent) = self.place(at, Some((None, false))) {
                    self.place(at, Some((Some(parent), false)));
                    if !self.rng.one_in(6) {
                        self.place(at, Some((Some(parent), true)));
                    }
                }
            }
            12..18 => self.modify(at),
            18..24 => self.cancel(at),
            24 if self.rng.one_in(4) => self.send(at, 58, &Record::new()),
            25..27 => self.ask(at, 16),
            27..29 => self.ask(at, 5),
            29 => self.ask(at, 7),
            30 => self.ask(at, 99),
            31 if self.rng.one_in(2) => self.client_ends(at, Gone::Error),
            _ => {
                let n = self.rng.below(5000);
                self.client_reads(at, n);
            }
        }
    }

    fn ask(&mut self, at: usize, message: u16) {
        let client = &mut self.clients[at];
        if message == 99 && client.version.min(self.version) < 150 {
            return;
        }
        client.requests += 1;
        let mut r = Record::new();
        match message {
            5 | 16 => {
                client.asked.lists += 1;
                client.asked.everybody |= message == 16;
            }
            7 => {
                client.asked.executions += 1;
                r.set("reqId", 1_000_000 + client.requests);
            }
            _ => client.asked.lists += 1,
        }
        self.send(at, message, &r);
    }

    /// Places an order; `family`: its parent and whether it sets the family off. Returns its id.
    fn place(&mut self, at: usize, family: Option<(Option<i32>, bool)>) -> Option<i32> {
        let (run, kind, quantity, what_if) =
            (self.run, self.rng.below(12), 1 + self.rng.below(5), self.rng.one_in(15));
        let client = &mut self.clients[at];
        if !client.started {
            return None;
        }
        let id = client.told_next.max(client.used + 1) + i32::from(self.rng.one_in(4));
        client.used = id;
        let token = format!("{}-{id}", client.id);
        let what_if = what_if && family.is_none();
        let parent = family.and_then(|f| f.0);
        let mine = Mine { token: token.clone(), run, versions: 1, parent, what_if, ..Mine::default() };
        client.orders.insert(id, mine);
        let mut r = order_record(id, &token, quantity);
        match (kind, family) {
            (0, None) => r.set("symbol", "NOSUCH"),
            (1, None) => r.set("transmit", "0"),
            // Marketable, so that it fills.
            (2..6, None) => r.set("lmtPrice", "1000000"),
            _ => r.set("lmtPrice", "1.01"),
        };
        if let Some((parent, transmit)) = family {
            r.set("transmit", u8::from(transmit)).set("parentId", parent.unwrap_or(0));
            r.set("action", if parent.is_some() { "SELL" } else { "BUY" });
            if parent.is_some() {
                r.set("lmtPrice", "900000.01");
            }
        }
        r.set("whatIf", u8::from(what_if));
        self.tally.placed += 1;
        self.send(at, 3, &r);
        Some(id)
    }

    fn pick_order(&mut self, at: usize) -> Option<i32> {
        let ids: Vec<i32> = self.clients[at]
            .orders
            .iter()
            .rev()
            .filter(|(_, o)| !o.what_if && (o.done.is_none() || o.versions == 1))
            .map(|(id, _)| *id)
            .take(8)
            .collect();
        (!ids.is_empty()).then(|| *self.rng.pick(&ids))
    }

    fn modify(&mut self, at: usize) {
        let Some(id) = self.pick_order(at) else { return };
        let quantity = 1 + self.rng.below(5);
        let Some(mine) = self.clients[at].orders.get_mut(&id) else { return };
        if mine.parent.is_some() || mine.is_settled() || mine.status.is_none() {
            return;
        }
        mine.versions += 1;
        let mut r = order_record(id, &mine.token, quantity);
        r.set("lmtPrice", format!("1.{:02}", mine.versions.min(99)));
        self.send(at, 3, &r);
    }

    fn cancel(&mut self, at: usize) {
        let Some(id) = self.pick_order(at) else { return };
        let mut r = Record::new();
        r.set("orderId", id);
        self.send(at, 4, &r);
    }

    // ---- what goes wrong ----

    fn trouble(&mut self) {
        match self.rng.below(9) {
            0 | 1 => self.crash(),
            2 => {
                let n = 1 + self.rng.below(6) as u64;
                self.disk.die_in(n);
            }
            3 => {
                let n = [0, 10, 3][self.rng.below(3)];
                let faults = Faults { append: n, sync: n, names: n };
                self.disk.set_faults(faults);
            }
            4 | 5 => {
                self.tally.restarts += 1;
                let mut restart = Restart { forget_held: self.rng.one_in(3), ..Restart::default() };
                if self.rng.one_in(3) {
                    restart.next_order_ids.insert(0, NextId::BackBy(1 + self.rng.below(20) as i32));
                }
                self.gateway.restart(self.now, &restart);
                if self.rng.one_in(2) {
                    self.closed_until = self.now + Duration::from_secs(self.rng.below(20) as u64);
                }
            }
            6 => {
                let cut = *self.rng.pick(&[Cut::BeforeProcessing, Cut::AfterProcessing]);
                let nth = 1 + self.rng.below(3) as u32;
                match self.rng.one_in(3) {
                    true => self.gateway.cut_at_cancel(cut, nth),
                    false => self.gateway.cut_at_order(cut, nth),
                }
            }
            7 => {
                let rejection = self.rng.pick(&[Rejection::BackEnd201, Rejection::Validation321]).clone();
                self.gateway.reject_next(1, rejection);
            }
            _ => {
                // Resting orders fill, or stop doing so.
                let id = self.gateway.con_id_of("AAPL").expect("it is there");
                let price = if self.rng.one_in(2) { 0.5 } else { 150.0 };
                self.gateway.set_price(self.now, id, price);
            }
        }
        self.gateway_speaks();
    }

    // ---- time ----

    pub fn advance(&mut self, micros: u64) {
        let target = Time(self.now.0 + micros);
        loop {
            let due = [self.core.next_deadline(), self.gateway.next_deadline()].into_iter().flatten().min();
            let Some(due) = due.filter(|d| *d <= target) else { break };
            self.now = self.now.max(due);
            self.gateway.advance(self.now);
            self.gateway_speaks();
            self.core_hears(Input::Tick);
        }
        self.now = target;
    }

    pub fn step(&mut self) {
        let more = 1 + self.rng.below(400) as u64;
        self.advance(more);
        match self.rng.below(100) {
            0..30 => self.client_step(),
            30..45 => {
                let n = self.rng.below(800);
                self.gateway_reads(n);
            }
            45..62 => {
                let n = self.rng.below(3000);
                self.core_reads(n);
            }
            62..78 => self.disk_step(),
            78..86 => {
                let (at, n) = (self.rng.below(self.clients.len()), self.rng.below(5000));
                self.client_reads(at, n);
            }
            86..92 => self.link_step(),
            92..94 if self.rng.one_in(self.calm) => self.trouble(),
            _ => {
                let micros = match self.wire {
                    // No answer is under way that would come late for it.
                    None => *self.rng.pick(&[20_000, 2 * SECOND, 16 * SECOND]),
                    Some(_) => *self.rng.pick(&[1000, 20_000, 300_000, 2 * SECOND]),
                };
                self.advance(micros);
            }
        }
    }

    /// Nothing goes wrong any more; everybody connects, asks, and reads.
    pub fn come_to_rest(&mut self) {
        self.disk.set_faults(Faults::default());
        self.disk.process_death();
        self.gateway.clear_cuts();
        self.closed_until = Time::ZERO;
        self.settle();
        for at in 0..self.clients.len() {
            self.connect_again(at);
        }
        self.settle();
        super::verdict::fills_came_by_themselves(self);
        for at in 0..self.clients.len() {
            self.clients[at].orders.values_mut().for_each(|o| o.listed = None);
            self.ask(at, 5);
            self.ask(at, 7);
            self.ask(at, 99);
        }
        self.settle();
        for client in &self.clients {
            let asked = &client.asked;
            assert!(
                client.started && asked.lists == 0 && asked.executions == 0,
                "client {}: everything that it asked was answered",
                client.id
            );
        }
        self.tally.kept += self.core.stats.kept;
        self.tally.fills = self.gateway.book_executions().len() as u64;
        self.tally.unknown =
            self.clients.iter().flat_map(|c| c.orders.values()).filter(|o| o.unknown).count() as u64;
    }

    fn connect_again(&mut self, at: usize) {
        for _ in 0..50 {
            if self.clients[at].started {
                return;
            }
            if self.clients[at].key.is_none() {
                self.connect(at);
            }
            self.settle();
        }
        panic!("client {} cannot start", self.clients[at].id);
    }

    fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..3000 {
            self.link_step();
            self.gateway_reads(usize::MAX);
            self.core_reads(usize::MAX);
            while self.journal.is_some() && (!self.facts.is_empty() || self.sync_wanted) {
                self.disk_step();
            }
            if self.journal.as_ref().is_some_and(|j| j.broken().is_some()) {
                self.disk_step();
            }
            for at in 0..self.clients.len() {
                self.client_reads(at, usize::MAX);
            }
            let idle = self.core.ready()
                && self.core.view(self.now).queued == 0
                && self.core.upstream_output().is_empty();
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet > 40 {
                return;
            }
            self.advance(if idle { 200_000 } else { 400_000 });
        }
        panic!("it does not come to rest: {}", self.core.diagnosis());
    }
}

fn order_record(id: i32, token: &str, quantity: usize) -> Record {
    twsmux::sim::client::order(id, "AAPL", "BUY", quantity as u32, "LMT", "1.01")
        .set("orderRef", token)
        .clone()
}
