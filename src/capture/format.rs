//! The capture's bytes, described for people in `docs/capture.md`.
//!
//! Owns: the file's head, the records, and reading them from a file that may be torn, damaged or hostile. May not know:
//! files, what the bytes of a client or the Gateway mean. Driven by: [`super::writer`], and whoever reads captures.
//!
//! All numbers are little-endian. What cannot be read is an error value, never a panic, and nothing is allocated for a
//! length that is merely announced.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Which;
use crate::core::io::{FarEnd, Zombies};
use crate::core::operate::Operation;
use crate::ids::{ClientKey, LinkId};
use crate::limits::MAX_CAPTURE_RECORD;
use crate::time::Time;

/// What a capture begins with; no other input of `decode` does.
pub const MAGIC: [u8; 8] = *b"twsmuxc\n";
/// The format that is written, and the newest that is read.
pub const VERSION: u32 = 1;
/// Bytes before the first record: magic and version.
pub const HEAD: usize = 12;
/// Bytes of a record before its payload: length and checksum.
pub const FRAME_HEAD: usize = 8;
/// Bytes of a payload before what its kind adds: kind, side, time, and whose.
pub const RECORD_HEAD: usize = 18;

/// What a payload begins with, as `docs/capture.md` lists it.
mod kind {
    pub const BEGIN: u8 = 1;
    pub const CONNECTED: u8 = 2;
    pub const READ: u8 = 3;
    pub const WRITTEN: u8 = 4;
    pub const FLUSHED: u8 = 5;
    pub const BROKEN: u8 = 6;
    pub const CLOSED: u8 = 7;
    pub const TICK: u8 = 8;
    pub const JOURNALED: u8 = 9;
    pub const EVENT: u8 = 10;
    pub const LEFT_OUT: u8 = 11;
    pub const END: u8 = 12;
}

/// Every kind of record by its number.
pub const KINDS: [(u8, &str); 12] = [
    (kind::BEGIN, "begin"),
    (kind::CONNECTED, "connected"),
    (kind::READ, "read"),
    (kind::WRITTEN, "written"),
    (kind::FLUSHED, "flushed"),
    (kind::BROKEN, "broken"),
    (kind::CLOSED, "closed"),
    (kind::TICK, "tick"),
    (kind::JOURNALED, "journaled"),
    (kind::EVENT, "event"),
    (kind::LEFT_OUT, "left out"),
    (kind::END, "end"),
];

/// Whose socket a record is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// No socket.
    None,
    /// A client's connection.
    Client(ClientKey),
    /// A connection to the Gateway.
    Upstream(LinkId),
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// When, on the core's clock: microseconds since the start of twsmux.
    pub time: Time,
    /// Whose.
    pub side: Side,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// The first record: what the rest was recorded with.
    Begin(Box<Begin>),
    /// A client connected, or a dial of the Gateway was accepted.
    Connected(Peer),
    /// Bytes read from a socket: one whole frame, or a whole greeting.
    Read(Vec<u8>),
    /// A socket took bytes.
    Written {
        /// So many.
        taken: u32,
        /// The frames of which the first byte is among them, whole. **What was begun is here with its end**, which the
        /// socket may take only later; so a frame never spreads over records.
        bytes: Vec<u8>,
    },
    /// The socket takes no more, or there is no more for it.
    Flushed {
        /// Bytes that are for it and that it did not take.
        unsent: u64,
    },
    /// Bytes that are no frame or greeting; the first of them, where there were many. Nothing that follows is read.
    Broken(Vec<u8>),
    /// The connection ended. Of a client: the label of the reason; of the Gateway: the system's words.
    Closed(String),
    /// A deadline may have passed.
    Tick,
    /// Facts up to a number are on disk.
    Journaled {
        /// The number of the last one.
        upto: u64,
        /// How long the disk took, microseconds.
        sync_us: u64,
    },
    /// Anything else that the core was told.
    Event(Event),
    /// The writer did not keep up: so many records are missing here.
    LeftOut {
        /// Records.
        records: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Nothing more was recorded.
    End(End),
}

/// What a capture was recorded with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// The version of twsmux that wrote it.
    pub twsmux: String,
    /// Milliseconds since 1970 at time 0 of the records.
    pub epoch_ms: u64,
    /// Whose bytes it holds.
    pub which: Which,
    /// Whether account numbers are stand-ins.
    pub masked: bool,
    /// Whether it began with the process, so that nothing came before it.
    pub from_start: bool,
    /// Whether the order journal was empty at the start of the process. What it held is not in the capture.
    pub journal_was_empty: bool,
    /// The settings of the core ([`Config`](crate::core::Config)).
    pub config: Value,
}

/// Who connected.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Peer {
    /// Its address, or the kind of its socket where accounts are masked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The name in the certificate that it showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// It was connected when the capture began, and so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub already: Option<Already>,
}

/// What a connection had agreed on before the capture began.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Already {
    /// The server version; 0 before the greeting.
    pub server_version: u16,
    /// The client id; absent before startApi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<i32>,
}

/// What the core is told beside bytes, times and the journal's progress.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Nobody listens at the Gateway's port.
    Refused(String),
    /// The dial was neither accepted nor refused.
    Unreachable(String),
    /// What the kernel's table says of the Gateway's port.
    Looked(Option<Zombies>),
    /// What the kernel's table says of the connection's other end.
    Examined(Option<Zombies>, FarEnd),
    /// The journal cannot be written.
    JournalFailed(u64, String),
    /// The journal works again.
    JournalHealed(u64),
    /// Other settings came into effect ([`Config`](crate::core::Config)).
    Settings(Value),
    /// A person at the controls wanted something.
    Operated(Operation),
    /// twsmux was told to stop.
    Stop,
}

/// Why nothing more was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// twsmux stopped, or was told to end the capture.
    Stopped,
    /// The file had reached its limit.
    Limit,
}

/// Why a capture cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is something else.
    #[error("it is no capture: it does not begin as one")]
    NoCapture,
    /// It is of a newer twsmux.
    #[error(
        "its format is version {0}, and this twsmux reads version {VERSION}; use the twsmux that wrote it, or a newer one"
    )]
    Version(u32),
    /// It cannot be read.
    #[error("cannot read on: {0}")]
    Io(#[from] io::Error),
    /// It ends in the middle of a record, as after a crash. Everything before is whole.
    #[error(
        "it is cut off at byte {0}, in the middle of a record, as after a crash or while it is still written; everything before is whole"
    )]
    Torn(u64),
    /// A record is not as it was written.
    #[error("it is damaged at byte {0}: {1}; everything before is whole")]
    Damaged(u64, &'static str),
}

/// Appends what a file begins with.
pub fn put_head(out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
}

/// Appends a record.
///
/// # Panics
/// When it is larger than [`MAX_CAPTURE_RECORD`]; whoever writes leaves those out.
pub fn put(record: &Record, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(RECORD_HEAD + record.what.bytes().len());
    let (kind, extra) = match &record.what {
        What::Begin(begin) => (kind::BEGIN, json(begin)),
        What::Connected(peer) => (kind::CONNECTED, json(peer)),
        What::Read(_) => (kind::READ, Vec::new()),
        What::Written { taken, .. } => (kind::WRITTEN, taken.to_le_bytes().to_vec()),
        What::Flushed { unsent } => (kind::FLUSHED, unsent.to_le_bytes().to_vec()),
        What::Broken(_) => (kind::BROKEN, Vec::new()),
        What::Closed(why) => (kind::CLOSED, why.as_bytes().to_vec()),
        What::Tick => (kind::TICK, Vec::new()),
        What::Journaled { upto, sync_us } => (kind::JOURNALED, pair(*upto, *sync_us)),
        What::Event(event) => (kind::EVENT, json(event)),
        What::LeftOut { records, bytes } => (kind::LEFT_OUT, pair(*records, *bytes)),
        What::End(end) => (kind::END, vec![matches!(end, End::Limit).into()]),
    };
    let (side, id) = match record.side {
        Side::None => (0, 0),
        Side::Client(key) => (1, u64::from(key.slot) << 32 | u64::from(key.generation)),
        Side::Upstream(link) => (2, link.0),
    };
    payload.extend_from_slice(&[kind, side]);
    payload.extend_from_slice(&record.time.0.to_le_bytes());
    payload.extend_from_slice(&id.to_le_bytes());
    payload.extend_from_slice(&extra);
    payload.extend_from_slice(record.what.bytes());
    put_payload(&payload, out);
}

/// Appends the payload of a record with its length and checksum, whatever it says.
///
/// # Panics
/// As [`put`].
pub fn put_payload(payload: &[u8], out: &mut Vec<u8>) {
    assert!(payload.len() <= MAX_CAPTURE_RECORD, "a record of a capture is bounded");
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Plain structs and enums with text keys always can be.
    serde_json::to_vec(value).unwrap_or_default()
}

fn pair(a: u64, b: u64) -> Vec<u8> {
    [a.to_le_bytes(), b.to_le_bytes()].concat()
}

impl What {
    /// The bytes of a socket in it.
    pub fn bytes(&self) -> &[u8] {
        match self {
            What::Read(bytes) | What::Written { bytes, .. } | What::Broken(bytes) => bytes,
            _ => &[],
        }
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        let kind = match self {
            What::Begin(_) => kind::BEGIN,
            What::Connected(_) => kind::CONNECTED,
            What::Read(_) => kind::READ,
            What::Written { .. } => kind::WRITTEN,
            What::Flushed { .. } => kind::FLUSHED,
            What::Broken(_) => kind::BROKEN,
            What::Closed(_) => kind::CLOSED,
            What::Tick => kind::TICK,
            What::Journaled { .. } => kind::JOURNALED,
            What::Event(_) => kind::EVENT,
            What::LeftOut { .. } => kind::LEFT_OUT,
            What::End(_) => kind::END,
        };
        KINDS.iter().find(|(k, _)| *k == kind).map_or("", |(_, name)| name)
    }
}

/// Reads a payload; the words say what is wrong with it.
fn parse(payload: &[u8]) -> Result<Record, &'static str> {
    let short = "a record is too short";
    let (head, rest) = payload.split_first_chunk::<RECORD_HEAD>().ok_or(short)?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| head[at + n]));
    let (time, id) = (Time(number(2)), number(10));
    let side = match head[1] {
        0 => Side::None,
        1 => Side::Client(ClientKey { slot: (id >> 32) as u32, generation: id as u32 }),
        2 => Side::Upstream(LinkId(id)),
        _ => return Err("a record is about no known side"),
    };
    let pair = || -> Result<(u64, u64), &'static str> {
        let (a, rest) = rest.split_first_chunk::<8>().ok_or(short)?;
        let b = rest.first_chunk::<8>().ok_or(short)?;
        Ok((u64::from_le_bytes(*a), u64::from_le_bytes(*b)))
    };
    let text = "a record holds something else than it should";
    let what = match head[0] {
        kind::BEGIN => What::Begin(serde_json::from_slice(rest).map_err(|_| text)?),
        kind::CONNECTED => What::Connected(serde_json::from_slice(rest).map_err(|_| text)?),
        kind::READ => What::Read(rest.to_vec()),
        kind::WRITTEN => {
            let (taken, bytes) = rest.split_first_chunk::<4>().ok_or(short)?;
            What::Written { taken: u32::from_le_bytes(*taken), bytes: bytes.to_vec() }
        }
        kind::FLUSHED => {
            let unsent = rest.first_chunk::<8>().ok_or(short)?;
            What::Flushed { unsent: u64::from_le_bytes(*unsent) }
        }
        kind::BROKEN => What::Broken(rest.to_vec()),
        kind::CLOSED => What::Closed(String::from_utf8(rest.to_vec()).map_err(|_| text)?),
        kind::TICK => What::Tick,
        kind::JOURNALED => pair().map(|(upto, sync_us)| What::Journaled { upto, sync_us })?,
        kind::EVENT => What::Event(serde_json::from_slice(rest).map_err(|_| text)?),
        kind::LEFT_OUT => pair().map(|(records, bytes)| What::LeftOut { records, bytes })?,
        kind::END => What::End(if rest == [1] { End::Limit } else { End::Stopped }),
        _ => return Err("a record is of no known kind"),
    };
    Ok(Record { time, side, what })
}

/// Reads a capture record by record.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// Bytes read so far.
    at: u64,
    begin: Begin,
}

impl<R: Read> Reader<R> {
    /// Reads the head and the first record.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn new(mut input: R) -> Result<Reader<R>, Fault> {
        let mut head = [0; HEAD];
        match read_up_to(&mut input, &mut head)? {
            n if n < MAGIC.len() || head[..MAGIC.len()] != MAGIC => return Err(Fault::NoCapture),
            HEAD => {}
            n => return Err(Fault::Torn(n as u64)),
        }
        let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        let begin = Begin {
            twsmux: String::new(),
            epoch_ms: 0,
            which: Which::All,
            masked: false,
            from_start: false,
            journal_was_empty: false,
            config: Value::Null,
        };
        let mut reader = Reader { input, at: HEAD as u64, begin };
        match reader.next()? {
            Some(Record { what: What::Begin(begin), .. }) => reader.begin = *begin,
            Some(_) => return Err(Fault::Damaged(HEAD as u64, "its first record does not say what it is")),
            None => return Err(Fault::Torn(HEAD as u64)),
        }
        Ok(reader)
    }

    /// What it was recorded with.
    pub fn begin(&self) -> &Begin {
        &self.begin
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// [`Fault`]; after one there is nothing more to be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results would hide the end at an error"
    )]
    pub fn next(&mut self) -> Result<Option<Record>, Fault> {
        let begun = self.at;
        let mut head = [0; FRAME_HEAD];
        match read_up_to(&mut self.input, &mut head)? {
            0 => return Ok(None),
            FRAME_HEAD => {}
            _ => return Err(Fault::Torn(begun)),
        }
        let [a, b, c, d, e, f, g, h] = head;
        let (length, sum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if length as usize > MAX_CAPTURE_RECORD {
            return Err(Fault::Damaged(begun, "a record is longer than any can be"));
        }
        let mut payload = Vec::new();
        (&mut self.input).take(length.into()).read_to_end(&mut payload)?;
        if payload.len() < length as usize {
            return Err(Fault::Torn(begun));
        }
        if crc32fast::hash(&payload) != sum {
            return Err(Fault::Damaged(begun, "the checksum of a record is wrong"));
        }
        let record = parse(&payload).map_err(|words| Fault::Damaged(begun, words))?;
        self.at += (FRAME_HEAD + payload.len()) as u64;
        Ok(Some(record))
    }
}

/// Fills the buffer as far as the input goes.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match input.read(&mut buffer[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
