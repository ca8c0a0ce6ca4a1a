//! A capture against a core: it is told what was read, at the times at which it was, and what it says is compared with
//! what was written.
//!
//! Owns: one core, and how far it agrees. May not know: files, how differences are shown. Driven by: `twsmux replay` and
//! tests, record by record.
//!
//! The core takes all that it decides by from its inputs, so equal inputs give equal bytes. What was recorded and cannot be
//! an input is refused, because a core trusts its shell: a client that was there already, a slot that is taken.

use std::collections::VecDeque;

use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxBuildHasher;

use super::Which;
use super::format::{Begin, End, Event, Record, Side, What};
use crate::core::io::{Actions, Gone, Input};
use crate::core::{Config, Core};
use crate::ids::{ClientKey, LinkId};
use crate::limits;
use crate::time::Time;
use crate::wire::frame::{self, FrameBuffer, PREFIX};
use crate::wire::handshake::{ClientHello, ServerHello};

/// Differences that are kept; each connection has one at most, for after it nothing can be compared.
const KEPT: usize = 20;
/// Inputs before a difference that are kept with it.
const CONTEXT: usize = 3;
/// Highest slot of a client that is replayed; the core has room for all below it.
const MAX_SLOT: u32 = 1 << 16;

/// A place where core and capture do not agree.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The number of the record, the first one of all being 1.
    pub number: u64,
    /// When.
    pub time: Time,
    /// Which connection; of the next ones of this connection nothing is said.
    pub side: Side,
    /// What it is.
    pub words: String,
    /// The server version of the connection, where it is known.
    pub version: Option<u16>,
    /// The frame in the capture, if there is one.
    pub recorded: Option<Vec<u8>>,
    /// The core's frame, if there is one.
    pub replayed: Option<Vec<u8>>,
    /// What the core was told last, each with the server version of its connection, where it is known.
    pub before: Vec<(Record, Option<u16>)>,
}

/// Why a record cannot be replayed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

fn unusable<T>(words: &str) -> Result<T, Unusable> {
    Err(Unusable(words.to_owned()))
}

/// A connection under way.
#[derive(Clone, Debug, Default)]
struct Conn {
    greeted: bool,
    /// Bytes before the next frame that were compared already.
    ahead: usize,
    version: Option<u16>,
    differs: bool,
}

/// See the module's words.
#[derive(Debug)]
pub struct Replay {
    core: Core,
    actions: Actions,
    clients: IndexMap<ClientKey, Conn, FxBuildHasher>,
    upstream: Conn,
    link: LinkId,
    time: Time,
    number: u64,
    /// Whose turn it was last; several inputs of one connection can be one turn.
    turn: Side,
    /// What the core wants written, and the record since which it does.
    owed: IndexSet<Side, FxBuildHasher>,
    recent: VecDeque<Record>,
    differences: Vec<Difference>,
    /// Frames that were equal.
    frames: u64,
    end: Option<End>,
}

impl Replay {
    /// A fresh core with the settings of the capture.
    ///
    /// # Errors
    /// The capture is of one client, or did not begin with the process, or its settings are of another twsmux.
    pub fn new(begin: &Begin) -> Result<Replay, Unusable> {
        if let Which::Client(id) = begin.which {
            return Err(Unusable(format!(
                "it is of client {id} alone: what the Gateway said is not in it, so there is nothing to run a core with. \
                 --against plays the client's side"
            )));
        }
        if !begin.from_start {
            return unusable(
                "it began while twsmux ran, and what twsmux knew by then is not in it; a capture that can be replayed is made \
                 with `twsmux run --capture`. --against plays a client's side",
            );
        }
        let config: Config = serde_json::from_value(begin.config.clone()).map_err(|error| {
            Unusable(format!(
                "its settings cannot be read by this twsmux ({error}); it was written by twsmux {}",
                begin.twsmux
            ))
        })?;
        Ok(Replay {
            core: Core::new(config),
            actions: Actions::default(),
            clients: IndexMap::default(),
            upstream: Conn::default(),
            link: LinkId(0),
            time: Time::ZERO,
            number: 1,
            turn: Side::None,
            owed: IndexSet::default(),
            recent: VecDeque::new(),
            differences: Vec::new(),
            frames: 0,
            end: None,
        })
    }

    /// Goes on by one record.
    ///
    /// # Errors
    /// [`Unusable`]: the record cannot have been written here, or something is missing before it.
    pub fn step(&mut self, record: &Record) -> Result<(), Unusable> {
        self.number += 1;
        if record.time < self.time {
            return unusable("the times go backwards");
        }
        self.time = record.time;
        match &record.what {
            What::Begin(_) => return unusable("it begins twice"),
            What::LeftOut { records, .. } => {
                return Err(Unusable(format!(
                    "{records} records are missing here, because the disk did not keep up when it was written"
                )));
            }
            What::End(end) => self.end = Some(*end),
            What::Written { taken, bytes } => self.written(record.side, *taken as usize, bytes)?,
            What::Flushed { unsent } => self.flushed(record.side, *unsent)?,
            _ => self.input(record)?,
        }
        self.collect();
        Ok(())
    }

    /// What did not agree, the first one first.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Frames that were equal.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The number of the last record.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Why the capture ended, if it says so.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// The server version of a connection, where it is known.
    pub fn version(&self, side: Side) -> Option<u16> {
        match side {
            Side::Client(key) => self.clients.get(&key)?.version,
            Side::Upstream(_) => self.upstream.version,
            Side::None => None,
        }
    }

    /// The end of the records: what an orderly end must have written is compared, and the core must be sound.
    ///
    /// # Panics
    /// When the core is not.
    pub fn finish(&mut self) {
        if self.end == Some(End::Stopped) {
            self.nothing_owed();
        }
        if self.differences.is_empty() {
            self.core.check_invariants(self.time);
        }
    }

    fn input(&mut self, record: &Record) -> Result<(), Unusable> {
        if self.turn != record.side || record.side == Side::None {
            self.nothing_owed();
        }
        self.turn = record.side;
        if self.recent.len() == CONTEXT {
            self.recent.pop_front();
        }
        self.recent.push_back(record.clone());
        match record.side {
            Side::Client(key) => self.client(key, &record.what),
            Side::Upstream(link) => self.gateway(link, &record.what),
            Side::None => self.other(&record.what),
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        self.core.handle(self.time, input, &mut self.actions);
    }

    fn client(&mut self, client: ClientKey, what: &What) -> Result<(), Unusable> {
        if let What::Connected(peer) = what {
            let same_slot = |key: &ClientKey| key.slot == client.slot;
            if peer.already.is_some() || client.slot > MAX_SLOT || self.clients.keys().any(same_slot) {
                return unusable("a client connects where one is already");
            }
            self.clients.insert(client, Conn::default());
            let (peer, certificate) = (peer.address.clone(), peer.certificate.clone());
            self.tell(Input::ClientConnected { client, peer, certificate });
            return Ok(());
        }
        let Some(conn) = self.clients.get_mut(&client) else {
            return unusable("something is said of a client that is not connected");
        };
        match what {
            What::Read(bytes) if conn.greeted => {
                let payload = whole(bytes)?;
                self.tell(Input::ClientFrame { client, payload });
            }
            What::Read(bytes) => {
                conn.greeted = true;
                match ClientHello::take(&mut buffer(bytes), limits::MAX_GREETING) {
                    Ok(Some(hello)) => self.tell(Input::ClientHello { client, hello }),
                    _ => return unusable("a client's first bytes are no greeting"),
                }
            }
            What::Broken(bytes) => {
                let limit = self.core.frame_limit(client);
                let fault = match conn.greeted {
                    true => buffer(bytes).next(limit).err(),
                    false => ClientHello::take(&mut buffer(bytes), limits::MAX_GREETING).err(),
                };
                let Some(fault) = fault else { return unusable("bytes that were broken are not") };
                self.tell(Input::ClientBroken { client, fault });
            }
            What::Closed(label) => {
                let Some(reason) = Gone::ALL.into_iter().find(|reason| reason.label() == label) else {
                    return unusable("a client is gone for no known reason");
                };
                self.clients.swap_remove(&client);
                self.owed.swap_remove(&Side::Client(client));
                self.tell(Input::ClientGone { client, reason });
            }
            _ => return unusable("something is said of a client that is not about clients"),
        }
        Ok(())
    }

    fn gateway(&mut self, link: LinkId, what: &What) -> Result<(), Unusable> {
        match what {
            What::Connected(peer) if peer.already.is_some() => {
                return unusable("a connection to the Gateway was there before");
            }
            What::Connected(_) => {
                self.upstream = Conn { differs: self.upstream.differs, ..Conn::default() };
                self.link = link;
                self.tell(Input::UpstreamConnected { link });
            }
            What::Read(bytes) => {
                let payload = whole(bytes)?;
                match std::mem::replace(&mut self.upstream.greeted, true) {
                    true => self.tell(Input::UpstreamFrame { link, payload }),
                    false => {
                        let Ok(hello) = ServerHello::parse(payload) else {
                            return unusable("the Gateway's first bytes are no answer to a greeting");
                        };
                        self.upstream.version = Some(hello.version);
                        self.tell(Input::UpstreamHello { link, hello });
                    }
                }
            }
            What::Broken(bytes) => {
                let fault = match buffer(bytes).next(limits::MAX_FRAME) {
                    Err(fault) => Some(fault),
                    Ok(Some(payload)) => ServerHello::parse(&payload).err(),
                    Ok(None) => None,
                };
                let Some(fault) = fault else { return unusable("bytes that were broken are not") };
                self.tell(Input::UpstreamBroken { link, fault });
            }
            What::Closed(error) => self.tell(Input::UpstreamGone { link, error: error.clone() }),
            What::Event(Event::Refused(error)) => {
                self.tell(Input::UpstreamRefused { link, error: error.clone() });
            }
            What::Event(Event::Unreachable(error)) => {
                self.tell(Input::UpstreamUnreachable { link, error: error.clone() });
            }
            What::Event(Event::Looked(zombies)) => self.tell(Input::Looked { link, zombies: *zombies }),
            What::Event(Event::Examined(zombies, end)) => {
                self.tell(Input::Examined { link, zombies: *zombies, end: end.clone() });
            }
            _ => return unusable("something is said of the Gateway that is not about it"),
        }
        Ok(())
    }

    fn other(&mut self, what: &What) -> Result<(), Unusable> {
        match what {
            What::Tick => self.tell(Input::Tick),
            What::Journaled { upto, sync_us } => {
                self.tell(Input::Journaled { upto: *upto, sync_us: *sync_us });
            }
            What::Event(Event::JournalFailed(upto, words)) => {
                self.tell(Input::JournalFailed { upto: *upto, words: words.clone() });
            }
            What::Event(Event::JournalHealed(upto)) => self.tell(Input::JournalHealed { upto: *upto }),
            What::Event(Event::Settings(config)) => {
                let Ok(config) = serde_json::from_value::<Config>(config.clone()) else {
                    return unusable("the settings that came into effect cannot be read by this twsmux");
                };
                self.tell(Input::Reconfigure { config: &config });
            }
            What::Event(Event::Operated(operation)) => {
                // What the person was answered is not in the capture.
                let _ = self.core.operate(self.time, operation, &mut self.actions);
            }
            What::Event(Event::Stop) => self.tell(Input::Stop),
            _ => return unusable("a record is about nobody"),
        }
        Ok(())
    }

    fn output(&self, side: Side) -> &[u8] {
        match side {
            Side::Client(key) => self.core.output(key),
            _ => self.core.upstream_output(),
        }
    }

    fn conn(&mut self, side: Side) -> Result<&mut Conn, Unusable> {
        match side {
            Side::Client(key) => match self.clients.get_mut(&key) {
                Some(conn) => Ok(conn),
                None => unusable("bytes go to a client that is not connected"),
            },
            Side::Upstream(_) => Ok(&mut self.upstream),
            Side::None => unusable("bytes go to nobody"),
        }
    }

    fn written(&mut self, side: Side, taken: usize, bytes: &[u8]) -> Result<(), Unusable> {
        let conn = self.conn(side)?.clone();
        if conn.differs {
            let all = self.output(side).len();
            self.consume(side, all);
            return Ok(());
        }
        // Where the core has less, what is missing is the difference.
        let ours = self.output(side).get(conn.ahead..).unwrap_or_default();
        let ours = &ours[..ours.len().min(bytes.len())];
        if ours != bytes {
            let (recorded, replayed) = first_difference(bytes, self.core_frames(side, conn.ahead));
            let words = match &replayed {
                Some(_) => "the core says something else",
                None => "the core says nothing",
            };
            self.differ(side, words.to_owned(), recorded, replayed);
            let all = self.output(side).len();
            self.consume(side, all);
            return Ok(());
        }
        if conn.version.is_none()
            && let Side::Client(_) = side
            && let Ok(Some((payload, _))) = frame::split(bytes, limits::MAX_FRAME)
            && let Ok(hello) = ServerHello::parse(payload)
        {
            self.conn(side)?.version = Some(hello.version);
        }
        self.frames += frames(bytes).len() as u64;
        if taken > self.output(side).len() || taken > conn.ahead + bytes.len() {
            return unusable("a socket took more than there was");
        }
        self.conn(side)?.ahead = conn.ahead + bytes.len() - taken;
        self.consume(side, taken);
        Ok(())
    }

    fn core_frames(&self, side: Side, ahead: usize) -> Vec<Vec<u8>> {
        frames(self.output(side).get(ahead..).unwrap_or_default())
    }

    fn flushed(&mut self, side: Side, unsent: u64) -> Result<(), Unusable> {
        let there = self.output(side).len() as u64;
        // Of a client that is gone the core knows nothing any more.
        let conn = self.conn(side).ok().cloned();
        match conn {
            Some(conn) if !conn.differs && there != unsent => {
                let replayed = self.core_frames(side, conn.ahead).into_iter().next();
                let words = format!("{unsent} bytes were left unsent, and the core has {there}");
                self.differ(side, words, None, replayed);
            }
            _ => {}
        }
        if let Side::Client(_) = side {
            self.consume(side, 0);
        }
        self.owed.swap_remove(&side);
        Ok(())
    }

    fn consume(&mut self, side: Side, n: usize) {
        match side {
            Side::Client(key) => self.core.consume_output(self.time, key, n, &mut self.actions),
            _ if n > 0 => {
                self.core.consume_upstream_output(self.time, n, &mut self.actions);
                self.actions.upstream_dirty = false;
            }
            _ => {}
        }
    }

    /// The core's wishes: what concerns bytes is remembered, the rest was carried out when it was recorded.
    fn collect(&mut self) {
        self.actions.list.clear();
        for key in self.actions.dirty.drain(..) {
            self.owed.insert(Side::Client(key));
        }
        if std::mem::take(&mut self.actions.upstream_dirty) {
            self.owed.insert(Side::Upstream(self.link));
        }
    }

    /// At the end of a turn everything was offered to its socket.
    fn nothing_owed(&mut self) {
        for side in std::mem::take(&mut self.owed) {
            let Ok(conn) = self.conn(side) else { continue };
            let (ahead, differs) = (conn.ahead, conn.differs);
            let replayed = self.core_frames(side, ahead).into_iter().next();
            if !differs && replayed.is_some() {
                let words = "the core says something, and nothing was written".to_owned();
                self.differ(side, words, None, replayed);
            }
            let all = self.output(side).len();
            self.consume(side, all);
        }
    }

    fn differ(&mut self, side: Side, words: String, recorded: Option<Vec<u8>>, replayed: Option<Vec<u8>>) {
        let version = self.version(side);
        if let Ok(conn) = self.conn(side) {
            conn.differs = true;
        }
        if self.differences.len() < KEPT {
            self.differences.push(Difference {
                number: self.number,
                time: self.time,
                side,
                words,
                version,
                recorded,
                replayed,
                before: self.recent.iter().map(|r| (r.clone(), self.version(r.side))).collect(),
            });
        }
    }
}

fn buffer(bytes: &[u8]) -> FrameBuffer {
    let mut buffer = FrameBuffer::default();
    buffer.extend(bytes);
    buffer
}

/// The payload of exactly one frame.
fn whole(bytes: &[u8]) -> Result<&[u8], Unusable> {
    match frame::split(bytes, limits::MAX_FRAME) {
        Ok(Some((payload, []))) => Ok(payload),
        _ => unusable("what was read is not one whole frame"),
    }
}

/// The frames in these bytes, each with its length; a greeting counts as a part of the first.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let prefix = if bytes[at..].starts_with(b"API\0") { 4 } else { 0 };
        let Ok(Some((payload, _))) = frame::split(&bytes[at + prefix..], limits::MAX_FRAME) else { break };
        let end = at + prefix + PREFIX + payload.len();
        found.push(bytes[at..end].to_vec());
        at = end;
    }
    found
}

fn first_difference(recorded: &[u8], ours: Vec<Vec<u8>>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut ours = ours.into_iter();
    for frame in frames(recorded) {
        match ours.next() {
            Some(our) if our == frame => {}
            our => return (Some(frame), our),
        }
    }
    (None, ours.next())
}
