//! The clients: all of them in one thread, and what each of them is told.
//!
//! Owns: their connections, the check that every frame is its client's. May not know: whether a proxy stands in between.
//! Driven by: the scenarios.

use std::io;
use std::net::{SocketAddr, TcpStream};

use bytes::BytesMut;
use twsmux::wire::handshake::{ClientHello, ServerHello};

use crate::clock::{SECOND, Timer, now};
use crate::pipe::{Pipe, Poll, READ};
use crate::speech::{Speech, Told};

/// Request ids of each client: no two clients have the same, so that one that went astray is noticed.
pub const IDS: i64 = 1_000_000;
/// Client ids begin here.
const FIRST_CLIENT: i32 = 10;
const TIMER: usize = usize::MAX;

struct Client {
    pipe: Pipe,
    greeted: bool,
    accounts: bool,
    next_id: bool,
    /// Reads nothing from now on.
    deaf: bool,
    closed: bool,
}

/// All clients.
pub struct Crowd {
    /// The server version that they speak.
    pub speech: Speech,
    address: SocketAddr,
    poll: Poll,
    timer: Timer,
    clients: Vec<Client>,
    ready: Vec<(usize, bool)>,
    scratch: Vec<u8>,
    started: usize,
    /// Frames with an id or a content that is another's.
    pub astray: u64,
    /// Frames received.
    pub frames: u64,
}

impl Crowd {
    /// Nobody yet; they will connect to an address and offer one server version.
    pub fn new(address: SocketAddr, version: u16) -> io::Result<Crowd> {
        let (poll, timer) = (Poll::new()?, Timer::new()?);
        poll.add(&timer, TIMER)?;
        Ok(Crowd {
            speech: Speech::new(version),
            address,
            poll,
            timer,
            clients: Vec::new(),
            ready: Vec::new(),
            scratch: vec![0; READ],
            started: 0,
            astray: 0,
            frames: 0,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// The request id of a client's `n`-th request.
    pub fn req(client: usize, n: i64) -> i64 {
        client as i64 * IDS + n + 1
    }

    /// Connects one and sends its greeting; startApi follows when the version is there. `receive` is the size of its
    /// receive buffer where that is not the system's.
    pub fn connect(&mut self, receive: Option<usize>) -> Result<usize, String> {
        let number = self.clients.len();
        let mut make = || -> io::Result<()> {
            let stream = TcpStream::connect(self.address)?;
            if let Some(bytes) = receive {
                socket2::SockRef::from(&stream).set_recv_buffer_size(bytes)?;
            }
            let mut pipe = Pipe::new(stream)?;
            self.poll.add(&pipe.stream, number)?;
            let version = self.speech.version();
            ClientHello { min: 100, max: version, options: String::new() }.put(&mut pipe.outbox);
            pipe.flush()?;
            let (greeted, accounts, next_id, deaf, closed) = (false, false, false, false, false);
            self.clients.push(Client { pipe, greeted, accounts, next_id, deaf, closed });
            Ok(())
        };
        make().map_err(|error| format!("client {number} cannot connect: {error}"))?;
        Ok(number)
    }

    /// Connects so many and waits until all are ready.
    pub fn assemble(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            self.connect(None)?;
            // Not more than a listener's queue takes at once.
            let target = self.len().saturating_sub(50);
            self.wait_for("clients to start", |crowd| crowd.started >= target, |_, _| {})?;
        }
        let target = self.len();
        self.wait_for("clients to start", |crowd| crowd.started >= target, |_, _| {})
    }

    /// Whether a client has had accounts and next order id.
    pub fn is_ready(&self, client: usize) -> bool {
        let client = &self.clients[client];
        client.accounts && client.next_id
    }

    /// Ends a client's connection.
    pub fn close(&mut self, client: usize) {
        let _ = self.clients[client].pipe.stream.shutdown(std::net::Shutdown::Both);
        self.deafen(client);
    }

    /// A client reads nothing from now on.
    pub fn deafen(&mut self, client: usize) {
        let client = &mut self.clients[client];
        client.deaf = true;
        let _ = self.poll.forget(&client.pipe.stream);
    }

    /// Sends frames of a client.
    pub fn send(&mut self, client: usize, write: impl FnOnce(&Speech, &mut BytesMut)) -> Result<(), String> {
        let pipe = &mut self.clients[client].pipe;
        write(&self.speech, &mut pipe.outbox);
        match pipe.flush() {
            Ok(false) => Ok(()),
            Ok(true) => Err(format!("client {client} cannot send: the other side does not read")),
            Err(error) => Err(format!("client {client} cannot send: {error}")),
        }
    }

    /// Sets the moment at which [`Crowd::turn`] returns without anything having come.
    pub fn alarm(&self, at: u64) -> Result<(), String> {
        self.timer.set(at).map_err(|error| error.to_string())
    }

    /// Waits until something comes, or the alarm, and gives it out.
    pub fn turn(&mut self, mut each: impl FnMut(usize, Told)) -> Result<(), String> {
        let mut ready = std::mem::take(&mut self.ready);
        self.poll.wait(100, &mut ready).map_err(|error| error.to_string())?;
        let mut outcome = Ok(());
        for &(number, _) in &ready {
            match number {
                TIMER => self.timer.clear(),
                number => outcome = outcome.and(self.serve(number, &mut each)),
            }
        }
        self.ready = ready;
        outcome
    }

    /// Turns until something holds; 60 s at most.
    pub fn wait_for(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Crowd) -> bool,
        mut each: impl FnMut(usize, Told),
    ) -> Result<(), String> {
        let deadline = now() + 60 * SECOND;
        while !holds(self) {
            if now() > deadline {
                return Err(format!("waited in vain for {what}"));
            }
            self.turn(&mut each)?;
        }
        Ok(())
    }

    fn serve(&mut self, number: usize, each: &mut impl FnMut(usize, Told)) -> Result<(), String> {
        let client = &mut self.clients[number];
        if client.deaf || client.closed {
            return Ok(());
        }
        let mut fault = None;
        let (mut start, mut started) = (false, 0);
        let Client { pipe, greeted, accounts, next_id, .. } = client;
        let open = pipe.read(&mut self.scratch, |payload| {
            self.frames += 1;
            if !*greeted {
                (*greeted, start) = (true, true);
                let hello = ServerHello::parse(payload);
                if !hello.as_ref().is_ok_and(|hello| hello.version == self.speech.version()) {
                    fault = Some(format!("client {number} was greeted with {hello:?}"));
                }
                return;
            }
            let told = match self.speech.told(payload) {
                Ok(told) => told,
                Err(error) => {
                    fault = Some(format!("client {number} got what it cannot read: {error}"));
                    return;
                }
            };
            let was = *accounts && *next_id;
            match told {
                Told::Accounts => *accounts = true,
                Told::NextId => *next_id = true,
                _ => {}
            }
            started += usize::from(!was && *accounts && *next_id);
            let id = match told {
                Told::Tick { req, .. }
                | Told::Contract { req, .. }
                | Told::ContractEnd { req }
                | Told::History { req, .. } => req,
                Told::Order { id } | Told::Status { id } => id,
                Told::Error { id, code } if !(2100..2200).contains(&code) => {
                    fault = Some(format!("client {number} got error {code} about {id}"));
                    return;
                }
                _ => Crowd::req(number, 0),
            };
            self.astray += u64::from((id - 1).div_euclid(IDS) != number as i64);
            each(number, told);
        });
        self.started += started;
        if start {
            self.send(number, |speech, out| speech.start(FIRST_CLIENT + number as i32, out))?;
        }
        if !open.map_err(|error| format!("client {number}: {error}"))? {
            fault = fault.or(Some(format!("client {number} was closed by the other side")));
            self.clients[number].closed = true;
        }
        fault.map_or(Ok(()), Err)
    }
}
