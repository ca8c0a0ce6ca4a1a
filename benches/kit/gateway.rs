//! The fake Gateway: a thread that answers what the measurements ask and streams ticks to a schedule.
//!
//! Owns: its listener, its connections, the subscriptions on them. May not know: whether a proxy stands in between.
//! Driven by: [`Gateway`], from the thread of the clients; it tells of itself through [`Shared`].
//!
//! **It never waits for one connection**: what a socket does not take is kept up to a bound, then ticks are skipped.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use bytes::BytesMut;
use rustix::event::{EventfdFlags, eventfd};
use twsmux::record;
use twsmux::wire::handshake::{ClientHello, ServerHello};
use twsmux::wire::text;

use crate::clock::{Timer, now};
use crate::pipe::{Pipe, Poll, READ};
use crate::speech::{FIRST_INSTRUMENT, Speech};
use crate::stream::{Flow, Stream};

/// Bytes that wait for one connection, above which it gets no ticks.
const MAX_WAITING: usize = 1 << 20;
/// Connections at once.
const MAX_CONNECTIONS: usize = 8192;
/// Bytes of a historical answer: the largest frame there is.
pub const HISTORY_BYTES: usize = (16 << 20) - 64;

const WAKE: usize = usize::MAX;
const TIMER: usize = usize::MAX - 1;
const LISTENER: usize = usize::MAX - 2;

/// What both threads see.
#[derive(Default)]
pub struct Shared {
    /// Ticks that were skipped because a connection took nothing.
    pub skipped: AtomicU64,
    /// Up to which tick of each instrument all clients have everything; the one that streams in a window waits for it.
    pub delivered: AtomicU64,
    /// The value of `delivered` that it waits for; 0 when it waits for none.
    pub wanted: AtomicU64,
    /// What went wrong.
    pub fault: Mutex<Option<String>>,
}

/// The handle of the thread.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it tells of itself.
    pub shared: Arc<Shared>,
    commands: mpsc::Sender<Option<Flow>>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// Starts it on a free port, speaking `version` at most.
    pub fn start(version: u16) -> io::Result<Gateway> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let (commands, inbox) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let mut desk = Desk {
            speech: Speech::new(version),
            poll: Poll::new()?,
            timer: Timer::new()?,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            subscribers: Vec::new(),
            stream: None,
            history: BytesMut::new(),
            shared: shared.clone(),
            wake: wake.clone(),
            inbox,
        };
        let thread = std::thread::Builder::new().name("gateway".into()).spawn(move || {
            if let Err(error) = desk.run() {
                *desk.shared.fault.lock().expect("nobody panics with it") =
                    Some(format!("the fake Gateway: {error}"));
            }
        })?;
        Ok(Gateway { address, shared, commands, wake, thread: Some(thread) })
    }

    /// Begins to stream.
    pub fn stream(&self, flow: Flow) {
        let _ = self.commands.send(Some(flow));
        self.wake();
    }

    /// All clients have everything up to this tick of each instrument.
    pub fn delivered(&self, seq: u64) {
        self.shared.delivered.store(seq, Ordering::SeqCst);
        let wanted = self.shared.wanted.load(Ordering::SeqCst);
        if wanted > 0 && seq >= wanted {
            self.shared.wanted.store(0, Ordering::SeqCst);
            self.wake();
        }
    }

    /// What went wrong, if something did.
    pub fn fault(&self) -> Option<String> {
        self.shared.fault.lock().expect("nobody panics with it").clone()
    }

    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.commands.send(None);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Connection {
    pipe: Pipe,
    greeted: bool,
    client: i32,
}

/// Who gets the ticks of an instrument.
type Subscribers = Vec<(usize, i64)>;

struct Desk {
    speech: Speech,
    poll: Poll,
    timer: Timer,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// By instrument.
    subscribers: Vec<Subscribers>,
    stream: Option<Stream>,
    history: BytesMut,
    shared: Arc<Shared>,
    wake: Arc<OwnedFd>,
    inbox: mpsc::Receiver<Option<Flow>>,
}

impl Desk {
    fn run(&mut self) -> io::Result<()> {
        self.poll.add(&self.listener, LISTENER)?;
        self.poll.add(&*self.wake, WAKE)?;
        self.poll.add(&self.timer, TIMER)?;
        let mut ready = Vec::new();
        let mut scratch = vec![0; READ];
        loop {
            // Whoever floods without a window looks at its sockets and goes on.
            let busy = self.stream.as_ref().is_some_and(Stream::never_waits) && !self.blocked();
            self.poll.wait(if busy { 0 } else { 1000 }, &mut ready)?;
            for &(number, room) in &ready {
                match number {
                    LISTENER => self.accept()?,
                    TIMER => self.timer.clear(),
                    WAKE => {
                        let _ = rustix::io::read(&*self.wake, &mut [0u8; 8]);
                        while let Ok(command) = self.inbox.try_recv() {
                            let Some(flow) = command else { return Ok(()) };
                            self.stream = Some(Stream::new(flow));
                        }
                    }
                    number => self.serve(number, room, &mut scratch)?,
                }
            }
            self.tick()?;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let number = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            if number >= MAX_CONNECTIONS {
                return Err(io::Error::other("too many connections"));
            }
            let pipe = Pipe::new(stream)?;
            self.poll.add(&pipe.stream, number)?;
            self.connections[number] = Some(Connection { pipe, greeted: false, client: 0 });
        }
    }

    fn serve(&mut self, number: usize, room: bool, scratch: &mut [u8]) -> io::Result<()> {
        let Some(mut connection) = self.connections[number].take() else { return Ok(()) };
        if room {
            connection.pipe.blocked = false;
            self.poll.room(&connection.pipe.stream, number, false)?;
        }
        let mut answers = std::mem::take(&mut connection.pipe.outbox);
        let (mut greeted, mut client) = (connection.greeted, connection.client);
        let mut fault = None;
        let open = connection.pipe.read(scratch, |payload| {
            let heard = match greeted {
                true => self.hear(number, &mut client, payload, &mut answers),
                false => {
                    greeted = true;
                    self.greet(payload, &mut answers)
                }
            };
            fault = fault.take().or(heard.err());
        });
        (connection.greeted, connection.client) = (greeted, client);
        connection.pipe.outbox = answers;
        if let Some(fault) = fault {
            return Err(io::Error::other(fault));
        }
        if !open.unwrap_or(false) {
            for subscribers in &mut self.subscribers {
                subscribers.retain(|(at, _)| *at != number);
            }
            self.free.push(number);
            return Ok(());
        }
        self.connections[number] = Some(connection);
        self.flush(number)
    }

    fn greet(&mut self, payload: &[u8], answers: &mut BytesMut) -> Result<(), String> {
        let hello = ClientHello::parse(payload).map_err(|error| error.to_string())?;
        if hello.max < self.speech.version() || hello.min > self.speech.version() {
            return Err(format!("a greeting without {}: {hello:?}", self.speech.version()));
        }
        ServerHello { version: self.speech.version(), time: "20260105 09:30:00 EST".into() }.put(answers);
        Ok(())
    }

    fn hear(
        &mut self,
        number: usize,
        client: &mut i32,
        payload: &[u8],
        answers: &mut BytesMut,
    ) -> Result<(), String> {
        let speech = &self.speech;
        let message = speech.read(payload)?;
        let (id, contract) = speech.ids(&message);
        match message.id {
            1 => {
                let instrument = contract - FIRST_INSTRUMENT;
                let at =
                    usize::try_from(instrument).map_err(|_| format!("no such instrument: {contract}"))?;
                if at >= MAX_CONNECTIONS {
                    return Err(format!("no such instrument: {contract}"));
                }
                if self.subscribers.len() <= at {
                    self.subscribers.resize(at + 1, Vec::new());
                }
                self.subscribers[at].push((number, id));
                let seq = self.stream.as_ref().map_or(0, |s| s.seq(at));
                speech.tick(id, instrument, seq, answers);
            }
            2 => {
                for subscribers in &mut self.subscribers {
                    subscribers.retain(|of| *of != (number, id));
                }
            }
            3 => speech.at_work(id, *client, answers),
            7 => speech.tell(55, &record! { reqId: id }, answers),
            9 => speech.details(id, contract, answers),
            5 | 16 => speech.tell(53, &record! {}, answers),
            99 => speech.tell(102, &record! {}, answers),
            20 => {
                if !speech.renumber(&mut self.history, id) {
                    self.history.clear();
                    speech.history(id, HISTORY_BYTES, &mut self.history);
                }
                answers.extend_from_slice(&self.history);
                speech.history_end(id, answers);
            }
            49 => speech.tell(49, &record! { time: 1_767_600_000 }, answers),
            71 => {
                let text = |index| text::int(message.body, index).unwrap_or(0) as i32;
                *client = match message.form {
                    text::Form::Text => text(2),
                    text::Form::Proto => id as i32,
                };
                speech.tell(15, &record! { accountsList: "DU1" }, answers);
                speech.tell(9, &record! { orderId: 1 }, answers);
            }
            105 => speech.tell(109, &record! { timeInMillis: 1_767_600_000_000i64 }, answers),
            _ => {}
        }
        Ok(())
    }

    /// Sends the ticks that are due.
    fn tick(&mut self) -> io::Result<()> {
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        if stream.never_waits() && self.blocked() {
            self.stream = Some(stream);
            return Ok(());
        }
        let mut touched = std::mem::take(&mut stream.touched);
        let delivered = self.shared.delivered.load(Ordering::SeqCst);
        while let Some((instrument, seq)) = stream.due(now(), delivered) {
            for &(number, req) in self.subscribers.get(instrument).into_iter().flatten() {
                let Some(connection) = &mut self.connections[number] else { continue };
                let outbox = &mut connection.pipe.outbox;
                if outbox.len() > MAX_WAITING {
                    self.shared.skipped.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                if outbox.is_empty() {
                    touched.push(number);
                }
                self.speech.tick(req, instrument as i64, seq, outbox);
            }
        }
        for number in touched.drain(..) {
            self.flush(number)?;
        }
        stream.touched = touched;
        if let Some(at) = stream.next() {
            self.timer.set(at)?;
        } else if let Some(wanted) = stream.wanted() {
            self.shared.wanted.store(wanted, Ordering::SeqCst);
            // What was delivered in between is not told again.
            if self.shared.delivered.load(Ordering::SeqCst) >= wanted {
                self.timer.set(1)?;
            }
        }
        self.stream = Some(stream);
        Ok(())
    }

    /// Whether a connection has not taken everything.
    fn blocked(&self) -> bool {
        self.connections.iter().flatten().any(|c| c.pipe.blocked)
    }

    fn flush(&mut self, number: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[number] else { return Ok(()) };
        if connection.pipe.blocked {
            return Ok(());
        }
        // An error is told again by the next read.
        let left = connection.pipe.flush().unwrap_or(false);
        if left {
            connection.pipe.blocked = true;
            self.poll.room(&connection.pipe.stream, number, true)?;
        }
        Ok(())
    }
}
