//! Captures on paper: record by record, each with its time and connection.
//!
//! Owns: which server version each connection of a capture speaks, and what of the records is shown. May not know: how a
//! frame looks; that is [`show`](super::show)'s. Driven by: `decode`, and `replay`, which shows differences.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::show::{Frame, Place, Printer};
use crate::capture::Which;
use crate::capture::format::{Begin, End, Event, Record, Side, What};
use crate::core::io::{FarEnd, Gone};
use crate::limits::{MAX_FRAME, MAX_GREETING};
use crate::protocol::dialect::Dialect;
use crate::protocol::model::Direction;
use crate::time::{Time, utc_style};
use crate::wire::frame::{self, FrameBuffer};
use crate::wire::handshake::{API_PREFIX, ClientHello, ServerHello};

/// Prints records, which must come in their order.
pub struct Paper<'p, 'a, W: Write> {
    printer: &'p mut Printer<'a, W>,
    versions: BTreeMap<Side, u16>,
    dialects: BTreeMap<u16, Dialect>,
    /// The version of connections that do not say theirs.
    otherwise: Option<u16>,
}

/// A connection as the logs name it.
pub fn name(side: Side) -> String {
    match side {
        Side::None => "-".to_owned(),
        Side::Client(key) => key.to_string(),
        Side::Upstream(link) => format!("up {link}"),
    }
}

/// Who wrote what twsmux read from a connection, or wrote to it.
fn direction(side: Side, read: bool) -> Direction {
    match (side, read) {
        (Side::Upstream(_), false) | (Side::Client(_) | Side::None, true) => Direction::Request,
        _ => Direction::Response,
    }
}

impl<'p, 'a, W: Write> Paper<'p, 'a, W> {
    /// Prints with `printer`; `otherwise` is the version of connections that do not say theirs.
    pub fn new(printer: &'p mut Printer<'a, W>, otherwise: Option<u16>) -> Self {
        Paper { printer, versions: BTreeMap::new(), dialects: BTreeMap::new(), otherwise }
    }

    /// The first line.
    ///
    /// # Errors
    /// The output's.
    pub fn begin(&mut self, begin: &Begin) -> io::Result<()> {
        let Begin { twsmux, epoch_ms, which, masked, from_start, .. } = begin;
        let which = match which {
            Which::All => "everything".to_owned(),
            Which::Client(id) => format!("client {id} alone"),
        };
        let start = if *from_start { "" } else { ", begun while it ran" };
        let masked = if *masked { "account numbers masked" } else { "account numbers as they are" };
        let words =
            format!("capture by twsmux {twsmux}, started {}, {which}{start}, {masked}", utc_style(*epoch_ms));
        self.printer.heading(&words)
    }

    /// A record, as far as people want to see it.
    ///
    /// # Errors
    /// The output's.
    pub fn record(&mut self, record: &Record) -> io::Result<()> {
        let Record { time, side, what } = record;
        match what {
            What::Read(bytes) => self.bytes(*time, *side, "read", bytes),
            What::Written { bytes, .. } => self.bytes(*time, *side, "written", bytes),
            What::Broken(bytes) => {
                self.printer.at(Some(place(*time, *side, "read")));
                let fault = match frame::split(bytes, MAX_FRAME) {
                    Err(fault) => fault.to_string(),
                    Ok(_) => "these bytes are no frame or greeting".to_owned(),
                };
                self.printer.lost(direction(*side, true), &fault, bytes)
            }
            _ => {
                if let What::Connected(peer) = what
                    && let Some(already) = peer.already.as_ref().filter(|a| a.server_version > 0)
                {
                    self.versions.insert(*side, already.server_version);
                }
                if let What::Closed(_) = what {
                    self.versions.remove(side);
                }
                match words(record) {
                    Some(words) => {
                        self.printer.at(Some(place(*time, *side, what.name())));
                        self.printer.event(&words)
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// The frames in the bytes, one by one.
    fn bytes(&mut self, time: Time, side: Side, how: &'static str, bytes: &[u8]) -> io::Result<()> {
        self.printer.at(Some(place(time, side, how)));
        self.frames(side, direction(side, how == "read"), bytes)
    }

    fn frames(&mut self, side: Side, direction: Direction, bytes: &[u8]) -> io::Result<()> {
        let mut buffer = FrameBuffer::default();
        buffer.extend(bytes);
        if bytes.starts_with(API_PREFIX) {
            match ClientHello::take(&mut buffer, MAX_GREETING) {
                Ok(Some(hello)) => self.printer.greeting(&hello)?,
                _ => return self.printer.lost(direction, &"no greeting", bytes),
            }
        }
        loop {
            match buffer.next(MAX_FRAME) {
                Ok(Some(payload)) => self.frame(side, direction, &payload)?,
                Ok(None) if buffer.pending().is_empty() => return Ok(()),
                Ok(None) => return self.printer.lost(direction, &"the frame is cut off", buffer.pending()),
                Err(fault) => return self.printer.lost(direction, &fault, buffer.pending()),
            }
        }
    }

    /// One frame at the place that was set.
    fn frame(&mut self, side: Side, direction: Direction, payload: &[u8]) -> io::Result<()> {
        let version = match (self.versions.get(&side), direction) {
            (Some(version), _) => *version,
            (None, Direction::Response) if ServerHello::parse(payload).is_ok() => {
                let Ok(hello) = ServerHello::parse(payload) else { return Ok(()) };
                self.versions.insert(side, hello.version);
                return self.printer.hello(&hello);
            }
            (None, _) => match self.otherwise {
                Some(version) => version,
                None => {
                    let words = "no handshake came before this frame; --server-version says its version";
                    return self.printer.lost(direction, &words, payload);
                }
            },
        };
        let dialect = self.dialects.entry(version).or_insert_with(|| Dialect::new(version));
        let frame = Frame::of(dialect, direction, payload);
        self.printer.frame(direction, version, payload, &frame)
    }

    /// A frame, with its length, that twsmux wrote or would have written to a connection.
    ///
    /// # Errors
    /// The output's.
    pub fn with_length(&mut self, side: Side, version: Option<u16>, bytes: &[u8]) -> io::Result<()> {
        self.knows(side, version);
        self.printer.at(None);
        self.frames(side, direction(side, false), bytes)
    }

    /// What a client that is played sent or received.
    ///
    /// # Errors
    /// The output's.
    pub fn conversation(&mut self, time: Time, side: Side, sent: bool, bytes: &[u8]) -> io::Result<()> {
        self.printer.at(Some(place(time, side, if sent { "sent" } else { "received" })));
        self.frames(side, direction(side, sent), bytes)
    }

    /// A record of which nothing is shown otherwise, by its name.
    ///
    /// # Errors
    /// The output's.
    pub fn named(&mut self, record: &Record) -> io::Result<()> {
        self.printer.at(Some(place(record.time, record.side, record.what.name())));
        self.printer.event("")
    }

    /// Knows the version of a connection.
    pub fn knows(&mut self, side: Side, version: Option<u16>) {
        if let Some(version) = version {
            self.versions.insert(side, version);
        }
    }
}

fn place(time: Time, side: Side, how: &'static str) -> Place {
    Place { time, connection: name(side), how }
}

/// What a record without bytes says; `None` for those that only a replay needs.
fn words(record: &Record) -> Option<String> {
    Some(match &record.what {
        What::Connected(peer) => {
            let address =
                if peer.address.is_empty() { String::new() } else { format!("from {}", peer.address) };
            let name = peer.certificate.as_ref().map(|name| format!("with the certificate of {name}"));
            let already = peer.already.as_ref().map(|already| match already.client_id {
                Some(id) => {
                    format!("already there, as client {id}, server version {}", already.server_version)
                }
                None => format!("already there, server version {}", already.server_version),
            });
            [Some(address), name, already]
                .into_iter()
                .flatten()
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
        }
        What::Closed(why) => match (record.side, Gone::ALL.into_iter().find(|gone| gone.label() == why)) {
            (Side::Client(_), Some(gone)) => gone.to_string(),
            _ => why.clone(),
        },
        What::Flushed { unsent } if *unsent > 0 => format!("{unsent} bytes wait for room"),
        What::LeftOut { records, bytes } => {
            format!("{records} records with {bytes} bytes are missing here: the disk did not keep up")
        }
        What::End(End::Limit) => "the limit of the file was reached".to_owned(),
        What::End(End::Stopped) => "the capture was ended".to_owned(),
        What::Event(event) => match event {
            Event::Refused(error) => format!("the dial was refused: {error}"),
            Event::Unreachable(error) => format!("the dial failed: {error}"),
            Event::Looked(None) => "the kernel's table does not tell of the Gateway's port".to_owned(),
            Event::Looked(Some(zombies)) => {
                format!("{} dead connections on the Gateway's port", zombies.total())
            }
            Event::Examined(_, end) => match end {
                FarEnd::OutOfSight(why) => format!("the Gateway's end cannot be seen: {why}"),
                FarEnd::NotAccepted => "the Gateway has not accepted the connection".to_owned(),
                FarEnd::Unread(n) => format!("the Gateway has not read {n} bytes"),
                FarEnd::Read => "the Gateway has read everything".to_owned(),
            },
            Event::JournalFailed(_, words) => format!("the order journal fails: {words}"),
            Event::JournalHealed(_) => "the order journal works again".to_owned(),
            Event::Settings(config) => format!("other settings: {config}"),
            Event::Operated(operation) => format!("by hand: {operation:?}"),
            Event::Stop => "twsmux was told to stop".to_owned(),
        },
        What::Flushed { .. }
        | What::Tick
        | What::Journaled { .. }
        | What::Begin(_)
        | What::Read(_)
        | What::Written { .. }
        | What::Broken(_) => return None,
    })
}
