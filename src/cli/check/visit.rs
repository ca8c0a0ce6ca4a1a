//! One visit to twsmux as an API client: greeting, start, accounts, the time, and away.
//!
//! Owns: the conversation. May not know: what it goes over ([`super::way`]), how the outcome is printed. Driven by: [`super`].
//!
//! **Never dials a Gateway that it can recognise**, and whatever it dials it leaves by a reset, which leaves nothing behind.
//! Everything that it asks twsmux answers by itself; the Gateway is sent nothing.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::super::status::clean;
use super::outcome::{Ending, Fault, Stage};
use super::way::{Secure, Target, Way, is_pause, left};
use crate::core::{codes, compose};
use crate::protocol::dialect::Dialect;
use crate::protocol::model::{Role, Route};
use crate::sockets;
use crate::sockets::owners::{self, Process};
use crate::wire::{
    frame::FrameBuffer,
    handshake::{ClientHello, ServerHello},
    text,
};

/// Client ids of checks: above every one that people choose, and few, because twsmux remembers client ids.
pub const CLIENT_IDS: std::ops::Range<i32> = 1_900_000_000..1_900_000_064;

/// What a visit is made with.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Where twsmux listens.
    pub target: Target,
    /// The same in words.
    pub name: String,
    /// What TLS is made with, if it is wanted.
    pub secure: Option<Secure>,
    /// The client id to use.
    pub client_id: i32,
    /// When it must be over.
    pub deadline: Instant,
    /// The patience that the user gave, seconds; for the words.
    pub seconds: f64,
}

/// What was learnt.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The managed accounts; never empty.
    pub accounts: Vec<String>,
    /// The server version that was negotiated: the Gateway's.
    pub server_version: u16,
    /// From the connect to the accounts.
    pub handshake: Duration,
    /// A question for the time and its answer, through twsmux's event loop.
    pub round_trip: Duration,
    /// The Gateway's clock, seconds since 1970.
    pub gateway_time: i64,
}

impl Visit {
    /// Makes it.
    ///
    /// # Errors
    /// What went wrong, with its exit code and words.
    pub fn make(&self) -> Result<Found, Fault> {
        let begun = Instant::now();
        let mut talk = self.greet()?;
        let hello = talk.hello()?;
        let (version, dialect) = (hello.version, Dialect::new(hello.version));
        talk.stage = Stage::Starting;
        compose::start_api(version, self.client_id, "", &mut talk.out);
        talk.send()?;
        let accounts = talk.until(&dialect, Route::ManagedAccounts, "accountsList")?;
        let handshake = begun.elapsed();
        let accounts: Vec<String> =
            accounts.split(',').map(|a| clean(a.trim())).filter(|a| !a.is_empty()).collect();
        if accounts.is_empty() {
            return Err(Fault::no_accounts(&self.name));
        }
        talk.stage = Stage::Started;
        compose::bare_request(compose::id::REQ_CURRENT_TIME, version, &mut talk.out);
        let asked = Instant::now();
        talk.send()?;
        let time = talk.until(&dialect, Route::Time, "time")?;
        let round_trip = asked.elapsed();
        let gateway_time =
            time.parse().map_err(|_| talk.no_api(&format!("{:?} is no time", clean(&time))))?;
        Ok(Found { accounts, server_version: version, handshake, round_trip, gateway_time })
    }

    /// Sees only whether twsmux answers the greeting, which it never holds back. That it has no room for one more client is
    /// an answer too. Uses no client id.
    ///
    /// # Errors
    /// As [`Visit::make`].
    pub fn knock(&self) -> Result<(), Fault> {
        match self.greet()?.hello() {
            Err(fault) if fault.ending == Ending::Refused => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Connects and sends the greeting.
    fn greet(&self) -> Result<Talk<'_>, Fault> {
        if let Some(process) = self.target.port().and_then(gateway_at) {
            return Err(Fault::gateway_itself(&self.name, &clean(&process.to_string())));
        }
        let mut talk = Talk {
            visit: self,
            way: Way::open(&self.target, self.secure.as_ref(), self.deadline, self.seconds)?,
            buffer: FrameBuffer::default(),
            out: BytesMut::new(),
            stage: Stage::Greeting,
        };
        let max = crate::config::LATEST_SERVER_VERSION;
        ClientHello { min: 100, max, options: String::new() }.put(&mut talk.out);
        talk.send()?;
        Ok(talk)
    }
}

/// The Gateway, if it is what listens there: IB Gateway and TWS are Java programs, and `twsmux sim` plays one. Where the
/// process cannot be seen, nothing is said against it.
fn gateway_at(name: &str) -> Option<Process> {
    let listeners = sockets::examine(name, &[]).listeners;
    let mut processes = listeners.into_iter().flat_map(|listener| listener.processes);
    processes.find(|p| {
        let program = p.command.split([' ', ':']).next();
        p.role == owners::Role::Other && matches!(program, Some("java" | "twsmux"))
    })
}

/// The conversation on one connection.
struct Talk<'a> {
    visit: &'a Visit,
    way: Way,
    buffer: FrameBuffer,
    out: BytesMut,
    stage: Stage,
}

impl Talk<'_> {
    fn no_api(&self, why: &dyn std::fmt::Display) -> Fault {
        Fault::no_api(&self.visit.name, &clean(&why.to_string()))
    }

    fn no_answer(&self) -> Fault {
        Fault::no_answer(&self.visit.name, self.stage, self.visit.seconds)
    }

    fn closed(&self) -> Fault {
        Fault::closed(&self.visit.name, self.stage)
    }

    /// The answer to the greeting.
    fn hello(&mut self) -> Result<ServerHello, Fault> {
        let answer = self.next()?;
        ServerHello::parse(&answer).map_err(|fault| self.no_api(&fault))
    }

    /// Sends what has been written.
    fn send(&mut self) -> Result<(), Fault> {
        match self.way.write_all(&self.out.split(), left(self.visit.deadline)) {
            Ok(()) => Ok(()),
            Err(e) if is_pause(&e) => Err(self.no_answer()),
            // What it had to say before it closed can still be read.
            Err(_) => Ok(()),
        }
    }

    /// The next frame.
    fn next(&mut self) -> Result<Bytes, Fault> {
        let mut chunk = [0u8; 16 << 10];
        loop {
            // First, so that a peer that never stops talking ends it too.
            if Instant::now() >= self.visit.deadline {
                return Err(self.no_answer());
            }
            match self.buffer.next(crate::limits::MAX_FRAME) {
                Ok(Some(payload)) => return Ok(payload),
                Ok(None) => {}
                Err(_) if self.buffer.pending().starts_with(b"HTTP/") => {
                    return Err(self.no_api(&"it answers as a web server, as the admin endpoint would"));
                }
                Err(_) if self.buffer.pending().starts_with(&TLS_ALERT) => {
                    return Err(
                        self.no_api(&"it answers in TLS; give --connect tls://HOST:PORT, and --tls-ca")
                    );
                }
                Err(fault) => return Err(self.no_api(&fault)),
            }
            match self.way.read(&mut chunk, left(self.visit.deadline)) {
                Ok(0) => return Err(self.closed()),
                Ok(n) => self.buffer.extend(&chunk[..n]),
                Err(e) if is_pause(&e) => {}
                Err(e) => return Err(self.way.fault(&self.visit.name, &e).unwrap_or_else(|| self.closed())),
            }
        }
    }

    /// One field of the first message that goes this way. An error that ends the visit comes before it.
    fn until(&mut self, dialect: &Dialect, wanted: Route, field: &str) -> Result<String, Fault> {
        let name = &self.visit.name;
        loop {
            let payload = self.next()?;
            let Ok(message) = text::message(&payload, dialect.version()) else { continue };
            let Some(shape) = dialect.response(message.id) else { continue };
            let words = |field| shape.field(&message, field).ok().flatten().unwrap_or_default();
            if shape.decl.route == wanted {
                return Ok(words(field));
            }
            if shape.decl.route != Route::Error {
                continue;
            }
            let said = clean(&words("errorMsg"));
            let code = shape.int(&message, Role::Code).ok().flatten().unwrap_or(0);
            match u16::try_from(code).unwrap_or(0) {
                // Those about the Gateway all begin alike.
                codes::NOT_CONNECTED if said.starts_with("Not connected: ") => {
                    return Err(Fault::gateway_away(name, &said));
                }
                codes::NOT_CONNECTED => return Err(Fault::refused(name, codes::NOT_CONNECTED, &said)),
                code if ENDS.contains(&code) => return Err(Fault::refused(name, code, &said)),
                _ => {}
            }
        }
    }
}

/// How the words begin with which a TLS listener answers who speaks plain to it.
const TLS_ALERT: [u8; 2] = [0x15, 3];

/// Errors after which no answer comes: the client id is in use, the version is refused, framing is lost.
const ENDS: [u16; 4] = [codes::CLIENT_ID_IN_USE, codes::TOO_OLD, 506, codes::BAD_LENGTH];
