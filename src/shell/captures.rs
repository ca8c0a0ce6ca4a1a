//! What goes into a capture, and when one begins and ends.
//!
//! Owns: the turning of inputs and writes into records, and of which connections they are. May not know: what a message
//! means; files, but through [`writer`]. Driven by: `run`, and whoever starts and stops captures at run time, on the event
//! loop.
//!
//! **While no capture runs each input and each write costs one branch**, and nothing is allocated. While one runs the event
//! loop copies bytes into a bounded queue and never waits; making the file is all of the disk that it ever touches.
//!
//! A record of a write holds whole frames: a socket that took half of a frame has the other half still before it, so it is
//! there to be copied. How much the socket took is a number beside it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use bytes::BytesMut;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::capture::format::{Already, Begin, Event, Peer, Record, Side, What};
use crate::capture::writer::{self, Handle, Over};
use crate::capture::{CaptureRequest, LIMITS, Which};
use crate::core::io::Input;
use crate::core::operate::Operation;
use crate::core::{Config, Core};
use crate::ids::{ClientId, ClientKey, LinkId};
use crate::limits;
use crate::telemetry::captures::Counts;
use crate::time::Time;
use crate::wire::frame::{self, PREFIX};
use crate::wire::handshake::API_PREFIX;

/// The captures of a process; one at a time.
#[derive(Debug, Default)]
pub struct Captures {
    on: Cell<bool>,
    active: RefCell<Option<Active>>,
    /// Whether the order journal was empty at the start.
    journal_was_empty: bool,
    counts: Arc<Counts>,
}

/// The one that runs.
#[derive(Debug)]
struct Active {
    handle: Handle,
    which: Which,
    clients: IndexMap<ClientKey, Conn, FxBuildHasher>,
    link: LinkId,
    upstream: Out,
    /// Bytes of which the next input says that they are no frame.
    broken: Vec<u8>,
}

/// A client's connection.
#[derive(Debug)]
struct Conn {
    out: Out,
    fate: Fate,
}

/// Whether a connection belongs to the capture.
#[derive(Debug)]
enum Fate {
    Wanted,
    Unwanted,
    /// It has not said its client id; until then its records are kept.
    Unknown(Vec<Record>),
}

/// Where in the stream to a socket the next write begins.
#[derive(Clone, Copy, Debug)]
enum Out {
    /// So many bytes are in a record already: the end of a frame of which the beginning was taken.
    Ahead(usize),
    /// In a frame that begun before the capture. When everything is taken the next frame begins.
    Within,
}

impl Captures {
    /// None runs. `journal_was_empty`: at the start of the process.
    pub fn new(journal_was_empty: bool) -> Self {
        Captures { journal_was_empty, ..Captures::default() }
    }

    /// The counts, for metrics.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Whether one runs: the one branch on the way of every input and write.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.get()
    }

    /// Begins one. Waits for the making of its file, and for nothing else of the disk.
    ///
    /// # Errors
    /// Words for people: another one runs, the file exists, it cannot be made, or the limit makes no sense.
    pub fn start(&self, now: Time, core: &Core, request: &CaptureRequest) -> Result<(), String> {
        if self.counts.numbers().running {
            return Err(
                "a capture is being written already; there is one at a time: stop it first".to_owned()
            );
        }
        if !LIMITS.contains(&request.limit) {
            let (least, most) = LIMITS.into_inner();
            return Err(format!(
                "{} is not allowed as limit of a capture; it must be from {least} to {most} bytes",
                request.limit
            ));
        }
        let standing = core.standing();
        let begin = Begin {
            twsmux: env!("CARGO_PKG_VERSION").to_owned(),
            epoch_ms: core.config().epoch_ms,
            which: request.which,
            masked: request.mask,
            from_start: core.is_untouched(),
            journal_was_empty: self.journal_was_empty,
            config: json(core.config()),
        };
        let handle = writer::start(request, begin, now, standing.accounts, self.counts.clone())?;
        let mut active = Active {
            handle,
            which: request.which,
            clients: IndexMap::default(),
            link: LinkId(0),
            upstream: begun(core.upstream_output()),
            broken: Vec::new(),
        };
        for client in standing.clients {
            let out = begun(core.output(client.key));
            let fate = match (request.which, client.id) {
                (Which::All, _) => Fate::Wanted,
                (Which::Client(_), None) => Fate::Unknown(Vec::new()),
                (Which::Client(id), Some(its)) if id == its => Fate::Wanted,
                (Which::Client(_), Some(_)) => Fate::Unwanted,
            };
            active.clients.insert(client.key, Conn { out, fate });
            let already = Already { server_version: client.version, client_id: client.id.map(|id| id.0) };
            let peer = Peer { address: client.peer, certificate: client.certificate, already: Some(already) };
            let side = Side::Client(client.key);
            // A capture that is over before it began is noticed by the first record.
            let _ = active.put(Record { time: now, side, what: What::Connected(peer) });
        }
        if let (Some((link, server_version)), Which::All) = (standing.upstream, request.which) {
            active.link = link;
            let peer = Peer { already: Some(Already { server_version, client_id: None }), ..Peer::default() };
            let _ = active.put(Record { time: now, side: Side::Upstream(link), what: What::Connected(peer) });
        }
        *self.active.borrow_mut() = Some(active);
        self.on.set(true);
        Ok(())
    }

    /// Ends the one that runs, without waiting until its file is whole.
    ///
    /// # Errors
    /// Words for people: none runs.
    pub fn stop(&self) -> Result<(), String> {
        self.on.set(false);
        match self.active.borrow_mut().take() {
            Some(_) if self.counts.numbers().running => Ok(()),
            _ => Err("no capture is being written".to_owned()),
        }
    }

    /// Ends it and waits, within a bound, until its file is whole: for the end of the process.
    pub fn close(&self) {
        self.on.set(false);
        let active = self.active.borrow_mut().take();
        if let Some(Err(words)) = active.map(|active| active.handle.close()) {
            tracing::warn!("{words}");
        }
    }

    /// A person at the controls wants something of the core.
    pub fn operated(&self, time: Time, operation: &Operation) {
        let what = What::Event(Event::Operated(operation.clone()));
        self.with(|active| active.put(Record { time, side: Side::None, what }));
    }

    /// These bytes are no frame, as the next input will say. Of two calls before it the first one counts.
    pub fn broken(&self, bytes: &[u8]) {
        if let Some(active) = &mut *self.active.borrow_mut()
            && active.broken.is_empty()
        {
            active.broken = bytes[..bytes.len().min(limits::MAX_CAPTURE_BROKEN)].to_vec();
        }
    }

    /// Likewise of a whole frame that is no answer to the greeting.
    pub fn broken_payload(&self, payload: &[u8]) {
        self.broken(&framed(payload));
    }

    /// The core is about to be told. Gives back the client that may have said its id by this, for [`Captures::named`].
    pub fn input(&self, time: Time, input: &Input<'_>) -> Option<ClientKey> {
        self.with(|active| {
            let (side, what) = active.record(input);
            match (side, &what) {
                (Side::Client(key), What::Connected(_)) => {
                    let fate = match active.which {
                        Which::All => Fate::Wanted,
                        Which::Client(_) => Fate::Unknown(Vec::new()),
                    };
                    active.clients.insert(key, Conn { out: Out::Ahead(0), fate });
                }
                (Side::Upstream(link), What::Connected(_)) => {
                    active.link = link;
                    active.upstream = Out::Ahead(0);
                }
                _ => {}
            }
            let is_over = matches!(what, What::Closed(_));
            active.put(Record { time, side, what })?;
            let Side::Client(key) = side else { return Ok(None) };
            if is_over {
                active.clients.swap_remove(&key);
            }
            let unnamed = active.clients.get(&key).is_some_and(|conn| matches!(conn.fate, Fate::Unknown(_)));
            Ok(unnamed.then_some(key))
        })
        .flatten()
    }

    /// What the core knows of a client's id by now.
    pub fn named(&self, key: ClientKey, id: Option<ClientId>) {
        self.with(|active| {
            let (Some(conn), Some(id)) = (active.clients.get_mut(&key), id) else { return Ok(()) };
            let wanted = active.which == Which::Client(id);
            let fate = if wanted { Fate::Wanted } else { Fate::Unwanted };
            match std::mem::replace(&mut conn.fate, fate) {
                Fate::Unknown(kept) if wanted => {
                    kept.into_iter().try_for_each(|r| active.handle.queue.push(r))
                }
                _ => Ok(()),
            }
        });
    }

    /// A client's socket took the first `taken` bytes of `output`.
    pub fn written(&self, time: Time, key: ClientKey, output: &[u8], taken: usize) {
        self.with(|active| {
            let Some(conn) = active.clients.get_mut(&key) else { return Ok(()) };
            if matches!(conn.fate, Fate::Unwanted) {
                return Ok(());
            }
            let what = written(&mut conn.out, output, taken);
            active.put_written(time, Side::Client(key), what)
        });
    }

    /// The Gateway's socket took the first `taken` bytes of `output`.
    pub fn written_upstream(&self, time: Time, output: &[u8], taken: usize) {
        self.with(|active| {
            if active.which != Which::All {
                return Ok(());
            }
            let what = written(&mut active.upstream, output, taken);
            active.put_written(time, Side::Upstream(active.link), what)
        });
    }

    /// A client's socket takes no more, or there is no more for it; so many bytes are left.
    pub fn flushed(&self, time: Time, key: ClientKey, unsent: usize) {
        self.with(|active| active.put_flushed(time, Side::Client(key), unsent));
    }

    /// Likewise of the Gateway's socket.
    pub fn flushed_upstream(&self, time: Time, unsent: usize) {
        self.with(|active| active.put_flushed(time, Side::Upstream(active.link), unsent));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Active) -> Result<T, Over>) -> Option<T> {
        let mut active = self.active.borrow_mut();
        match act(active.as_mut()?) {
            Ok(value) => Some(value),
            Err(Over) => {
                // The thread has said why.
                *active = None;
                self.on.set(false);
                None
            }
        }
    }
}

impl Active {
    fn put(&mut self, record: Record) -> Result<(), Over> {
        match (self.which, record.side) {
            (Which::All, _) => self.handle.queue.push(record),
            (Which::Client(_), Side::Client(key)) => match self.clients.get_mut(&key) {
                Some(Conn { fate: Fate::Wanted, .. }) => self.handle.queue.push(record),
                Some(conn) => {
                    if let Fate::Unknown(kept) = &mut conn.fate {
                        kept.push(record);
                        if kept.len() > limits::MAX_CAPTURE_UNNAMED {
                            conn.fate = Fate::Unwanted;
                        }
                    }
                    Ok(())
                }
                None => Ok(()),
            },
            (Which::Client(_), Side::None | Side::Upstream(_)) => Ok(()),
        }
    }

    fn put_written(&mut self, time: Time, side: Side, what: Option<What>) -> Result<(), Over> {
        match what {
            Some(what) => self.put(Record { time, side, what }),
            None => {
                let what = What::Written { taken: 0, bytes: Vec::new() };
                self.handle.queue.leave_out(&Record { time, side, what })
            }
        }
    }

    fn put_flushed(&mut self, time: Time, side: Side, unsent: usize) -> Result<(), Over> {
        match self.which {
            // It is of use to a replay against the core alone, which needs everybody's.
            Which::All => self.put(Record { time, side, what: What::Flushed { unsent: unsent as u64 } }),
            Which::Client(_) => Ok(()),
        }
    }

    fn record(&mut self, input: &Input<'_>) -> (Side, What) {
        let event = |side, event| (side, What::Event(event));
        let client = |key: &ClientKey| Side::Client(*key);
        let upstream = |link: &LinkId| Side::Upstream(*link);
        match input {
            Input::ClientConnected { client: key, peer, certificate } => {
                let peer = Peer { address: peer.clone(), certificate: certificate.clone(), already: None };
                (client(key), What::Connected(peer))
            }
            Input::ClientHello { client: key, hello } => (client(key), What::Read(put(|out| hello.put(out)))),
            Input::ClientFrame { client: key, payload } => (client(key), What::Read(framed(payload))),
            Input::ClientBroken { client: key, .. } => {
                (client(key), What::Broken(std::mem::take(&mut self.broken)))
            }
            Input::ClientGone { client: key, reason } => {
                (client(key), What::Closed(reason.label().to_owned()))
            }
            Input::UpstreamConnected { link } => (upstream(link), What::Connected(Peer::default())),
            Input::UpstreamRefused { link, error } => event(upstream(link), Event::Refused(error.clone())),
            Input::UpstreamUnreachable { link, error } => {
                event(upstream(link), Event::Unreachable(error.clone()))
            }
            Input::UpstreamHello { link, hello } => (upstream(link), What::Read(put(|out| hello.put(out)))),
            Input::UpstreamFrame { link, payload } => (upstream(link), What::Read(framed(payload))),
            Input::UpstreamBroken { link, .. } => {
                (upstream(link), What::Broken(std::mem::take(&mut self.broken)))
            }
            Input::UpstreamGone { link, error } => (upstream(link), What::Closed(error.clone())),
            Input::Looked { link, zombies } => event(upstream(link), Event::Looked(*zombies)),
            Input::Examined { link, zombies, end } => {
                event(upstream(link), Event::Examined(*zombies, end.clone()))
            }
            Input::Journaled { upto, sync_us } => {
                (Side::None, What::Journaled { upto: *upto, sync_us: *sync_us })
            }
            Input::JournalFailed { upto, words } => {
                event(Side::None, Event::JournalFailed(*upto, words.clone()))
            }
            Input::JournalHealed { upto } => event(Side::None, Event::JournalHealed(*upto)),
            Input::Reconfigure { config } => event(Side::None, Event::Settings(json(config))),
            Input::Tick => (Side::None, What::Tick),
            Input::Stop => event(Side::None, Event::Stop),
        }
    }
}

/// Where a capture finds a stream that it meets under way.
fn begun(output: &[u8]) -> Out {
    if output.is_empty() { Out::Ahead(0) } else { Out::Within }
}

/// The record of a write; `None` where it cannot be told where its frames begin.
fn written(out: &mut Out, output: &[u8], taken: usize) -> Option<What> {
    let Out::Ahead(ahead) = *out else {
        if taken >= output.len() {
            *out = Out::Ahead(0);
        }
        return None;
    };
    let mut end = ahead;
    while end < taken {
        let rest = output.get(end..)?;
        let prefix = if rest.starts_with(API_PREFIX) { API_PREFIX.len() } else { 0 };
        match frame::split(&rest[prefix..], limits::MAX_FRAME) {
            Ok(Some((payload, _))) => end += prefix + PREFIX + payload.len(),
            _ => {
                *out = Out::Within;
                return None;
            }
        }
    }
    *out = Out::Ahead(end - taken);
    let bytes = output.get(ahead..end)?.to_vec();
    Some(What::Written { taken: u32::try_from(taken).ok()?, bytes })
}

fn json(config: &Config) -> serde_json::Value {
    // A plain struct with text keys always can be.
    serde_json::to_value(config).unwrap_or_default()
}

fn framed(payload: &[u8]) -> Vec<u8> {
    put(|out| frame::put(payload, out))
}

fn put(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.into()
}

#[cfg(test)]
#[path = "captures_tests.rs"]
mod tests;
