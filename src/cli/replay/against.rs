//! One client's side of a capture, played against a twsmux or a simulated Gateway that runs.
//!
//! Owns: the socket, the pace, what is left out. May not know: which requests change something; that is
//! [`harmless`](crate::capture::harmless)'s. Driven by: [`super`].
//!
//! **Never dials a Gateway that it can recognise**, and leaves by a reset, which leaves nothing behind. Every wait has an end.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::super::decode::capture::Paper;
use super::super::decode::show::Printer;
use crate::capture::format::Side;
use crate::capture::harmless::harmless;
use crate::capture::script::Script;
use crate::ids::ClientKey;
use crate::limits::MAX_FRAME;
use crate::protocol::dialect::Dialect;
use crate::protocol::model::Route;
use crate::protocol::response;
use crate::sockets::{self, owners::Role};
use crate::time::Time;
use crate::wire::frame::{self, FrameBuffer};
use crate::wire::handshake::{ClientHello, ServerHello};
use crate::wire::text;

/// Longest that a connect or a write may take.
const SOCKET_TIME: Duration = Duration::from_secs(10);
/// Where a Gateway or TWS listens unless told otherwise, on a machine or in a common container.
const GATEWAY_PORTS: [u16; 6] = [4001, 4002, 4003, 4004, 7496, 7497];

/// How it is played.
#[derive(Clone, Debug)]
pub struct Manner {
    /// How many times as fast as it was recorded; 0 for without pauses.
    pub speed: f64,
    /// How long answers are waited for.
    pub wait: Duration,
    /// Whether what changes something is sent too.
    pub orders: bool,
    /// Whether only the numbers are printed.
    pub summary: bool,
}

/// Why it ended before its end.
#[derive(Debug)]
pub enum Stop {
    /// Nothing was played: the other side is not there.
    Unusable(String),
    /// The other side closed, or said something that ends it.
    Ended(String),
    /// Nothing can be printed.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Output(error)
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Played {
    /// Messages that were sent, startApi among them.
    pub sent: u64,
    /// Those that were left out, by the reason.
    pub left_out: BTreeMap<String, u64>,
    /// What came back, by message.
    pub received: BTreeMap<&'static str, u64>,
    /// Frames that are no known message.
    pub unknown: u64,
}

/// The address to dial.
///
/// # Errors
/// Words for people: it has none, is beyond loopback, or a Gateway is there.
pub fn address(name: &str, any_host: bool) -> Result<SocketAddr, String> {
    let mut found = name.to_socket_addrs().map_err(|error| {
        format!("{name:?} is not an address: {error}. It must be HOST:PORT, for example 127.0.0.1:4010")
    })?;
    let address = found.next().ok_or_else(|| format!("{name:?} has no address"))?;
    if !address.ip().is_loopback() && !any_host {
        return Err(format!("{address} is another machine, and a replay is for tests; --any-host allows it"));
    }
    let listeners = sockets::examine(&address.to_string(), &[]).listeners;
    let processes: Vec<_> = listeners.into_iter().flat_map(|listener| listener.processes).collect();
    let program = |command: &str| command.split([' ', ':']).next().unwrap_or_default().to_owned();
    if let Some(java) = processes.iter().find(|p| p.role == Role::Other && program(&p.command) == "java") {
        return Err(format!(
            "at {address} a Gateway or TWS listens ({java}), and nothing but twsmux may connect to it; replay against a twsmux \
             or `twsmux sim`"
        ));
    }
    let is_ours = processes.iter().any(|p| p.role == Role::Twsmux || program(&p.command) == "twsmux");
    if GATEWAY_PORTS.contains(&address.port()) && !is_ours {
        return Err(format!(
            "{address} is where a Gateway or TWS listens, and no twsmux is seen there; replay against a twsmux or `twsmux sim` \
             on another port"
        ));
    }
    Ok(address)
}

/// Plays the connections one after the other.
///
/// # Errors
/// [`Stop`]; what was counted until then stands in `played`.
pub fn play(
    scripts: &[Script],
    address: SocketAddr,
    manner: &Manner,
    out: &mut impl Write,
    played: &mut Played,
) -> Result<(), Stop> {
    let begun = Instant::now();
    for (n, script) in scripts.iter().enumerate() {
        let side = Side::Client(ClientKey { slot: n as u32, generation: 0 });
        let mut printer = Printer::plain(out);
        let talk = Talk {
            stream: connect(address)?,
            buffer: FrameBuffer::default(),
            side,
            dialect: Dialect::new(script.version),
            paper: (!manner.summary).then(|| Paper::new(&mut printer, None)),
            begun,
            played,
        };
        talk.play(script, manner)?;
    }
    Ok(())
}

fn connect(address: SocketAddr) -> Result<TcpStream, Stop> {
    let connected = TcpStream::connect_timeout(&address, SOCKET_TIME).and_then(|stream| {
        // Should this be a Gateway after all, the close must not leave a zombie there.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SOCKET_TIME))?;
        Ok(stream)
    });
    connected.map_err(|error| Stop::Unusable(format!("cannot connect to {address}: {error}")))
}

/// The conversation on one connection.
struct Talk<'t, 'p, 'a, W: Write> {
    stream: TcpStream,
    buffer: FrameBuffer,
    side: Side,
    dialect: Dialect,
    paper: Option<Paper<'p, 'a, W>>,
    begun: Instant,
    played: &'t mut Played,
}

impl<W: Write> Talk<'_, '_, '_, W> {
    fn play(mut self, script: &Script, manner: &Manner) -> Result<(), Stop> {
        self.greet(script, manner)?;
        let mut start = Instant::now();
        let mut first = script.connected;
        for (n, (time, payload)) in script.frames.iter().enumerate() {
            let pause = match manner.speed > 0.0 {
                true => Duration::try_from_secs_f64(time.since(first).as_secs_f64() / manner.speed),
                false => Ok(Duration::ZERO),
            };
            let due = pause.ok().and_then(|pause| start.checked_add(pause));
            self.hear_until(due.unwrap_or(start), |_| false)?;
            match harmless(&self.dialect, payload, script.client_id) {
                Err(why) if !manner.orders => *self.played.left_out.entry(why).or_default() += 1,
                _ => self.send(payload)?,
            }
            if n == 0 {
                // As clients do: nothing is asked before the next order id is there.
                self.hear_until(Instant::now() + manner.wait, |route| route == Some(Route::NextValidId))?;
                (start, first) = (Instant::now(), *time);
            }
        }
        self.hear_until(Instant::now() + manner.wait, |_| false)
    }

    /// Offers exactly the version of the capture: its frames are in that one's form.
    fn greet(&mut self, script: &Script, manner: &Manner) -> Result<(), Stop> {
        let mut hello = BytesMut::new();
        ClientHello { min: script.version, max: script.version, options: script.options.clone() }
            .put(&mut hello);
        self.write(&hello)?;
        self.print(true, &hello)?;
        let deadline = Instant::now() + manner.wait.max(Duration::from_secs(1));
        let Some(answer) = self.next(deadline)? else {
            return Err(Stop::Ended("it does not answer the greeting".to_owned()));
        };
        match ServerHello::parse(&answer) {
            Ok(hello) if hello.version == script.version => {
                let mut bytes = BytesMut::new();
                frame::put(&answer, &mut bytes);
                self.print(false, &bytes)
            }
            Ok(hello) => Err(Stop::Ended(format!(
                "it speaks server version {}, and the client in the capture spoke {}",
                hello.version, script.version
            ))),
            Err(fault) => Err(Stop::Ended(format!("it is no server of the API: {fault}"))),
        }
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), Stop> {
        let mut bytes = BytesMut::new();
        frame::put(payload, &mut bytes);
        self.write(&bytes)?;
        self.played.sent += 1;
        self.print(true, &bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let ended = |error: io::Error| Stop::Ended(format!("it takes nothing any more: {error}"));
        self.stream.write_all(bytes).map_err(ended)
    }

    fn print(&mut self, sent: bool, bytes: &[u8]) -> Result<(), Stop> {
        let time = Time(self.begun.elapsed().as_micros() as u64);
        match &mut self.paper {
            Some(paper) => Ok(paper.conversation(time, self.side, sent, bytes)?),
            None => Ok(()),
        }
    }

    /// Takes in what comes until then, or until a message that goes this way.
    fn hear_until(&mut self, deadline: Instant, ends: impl Fn(Option<Route>) -> bool) -> Result<(), Stop> {
        while let Some(payload) = self.next(deadline)? {
            let mut bytes = BytesMut::new();
            frame::put(&payload, &mut bytes);
            self.print(false, &bytes)?;
            let message = text::message(&payload, self.dialect.version()).ok();
            let declared = message.and_then(|m| response(m.id));
            match declared {
                Some(declared) => *self.played.received.entry(declared.message.name).or_default() += 1,
                None => self.played.unknown += 1,
            }
            if ends(declared.map(|d| d.route)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next frame, if one comes until then. **The deadline counts before what is there**, so that somebody who never
    /// stops talking keeps nothing from its end; what is there is read the next time.
    fn next(&mut self, deadline: Instant) -> Result<Option<Bytes>, Stop> {
        let mut chunk = [0u8; 16 << 10];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            match self.buffer.next(MAX_FRAME) {
                Ok(Some(payload)) => return Ok(Some(payload)),
                Ok(None) => {}
                Err(fault) => return Err(Stop::Ended(format!("what it sends is no framing: {fault}"))),
            }
            let _ = self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))));
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Stop::Ended("it closed the connection".to_owned())),
                Ok(n) => self.buffer.extend(&chunk[..n]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(Stop::Ended(format!("the connection broke: {error}"))),
            }
        }
    }
}
