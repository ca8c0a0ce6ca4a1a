//! The sockets and the clock around the state machine.
//!
//! Owns: listener, connections, the thread's runtime, real time. May not know: what a message means.
//! Driven by: `handle`, which starts it in a thread of its own.

use std::{
    collections::BTreeMap,
    io,
    net::{Shutdown, SocketAddr},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, watch},
};

use super::{
    config::ZombieMode,
    gateway::{Close, ConnId, Gateway, Input, Output},
};
use crate::{limits, time::Time};

/// How long a client may take to close after this side did.
const LINGER: Duration = Duration::from_secs(2);
/// Most bytes taken from a socket at once.
const READ: usize = 64 * 1024;

/// What the thread of the server and the threads of the tests share.
#[derive(Debug)]
pub struct Shared {
    gateway: Mutex<Gateway>,
    /// Something was done to the gateway.
    pub changed: Condvar,
    /// There are outputs or deadlines that the server does not know of.
    wake: Notify,
    start: Instant,
    outboxes: Mutex<BTreeMap<ConnId, mpsc::UnboundedSender<Output>>>,
    /// New connections are not read at all.
    blocked: watch::Sender<bool>,
    /// No connection is read.
    stalled: watch::Sender<bool>,
}

/// What tests ask of the server itself.
#[derive(Debug)]
pub enum Command {
    /// Open or close the listener, and say when that is done.
    Listen(bool, std::sync::mpsc::Sender<io::Result<()>>),
    /// End.
    Stop,
}

impl Shared {
    pub fn new(gateway: Gateway) -> Self {
        let blocked = gateway.is_blocked();
        Shared {
            gateway: Mutex::new(gateway),
            changed: Condvar::new(),
            wake: Notify::new(),
            start: Instant::now(),
            outboxes: Mutex::default(),
            blocked: watch::channel(blocked).0,
            stalled: watch::channel(false).0,
        }
    }

    pub fn now(&self) -> Time {
        Time(self.start.elapsed().as_micros() as u64)
    }

    /// The state machine; one that panicked is still looked at.
    pub fn lock(&self) -> MutexGuard<'_, Gateway> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets other threads do something to the state machine.
    pub fn drive<R>(&self, what: impl FnOnce(&mut Gateway, Time) -> R) -> R {
        let result = what(&mut self.lock(), self.now());
        self.wake.notify_one();
        self.changed.notify_all();
        result
    }

    /// No connection is read as long as this is on.
    pub fn stall(&self, on: bool) {
        // With the lock, so that nobody is in the middle of reading when this returns.
        let _gateway = self.lock();
        self.stalled.send_replace(on);
    }

    /// Does something to the state machine in the server's own thread, and passes on what comes of it.
    fn step<R>(&self, what: impl FnOnce(&mut Gateway, Time) -> R) -> R {
        let mut gateway = self.lock();
        let before = gateway.next_deadline();
        let result = what(&mut gateway, self.now());
        self.deliver(&mut gateway);
        if gateway.next_deadline() != before {
            self.wake.notify_one();
        }
        let blocked = gateway.is_blocked();
        self.blocked.send_if_modified(|b| std::mem::replace(b, blocked) != blocked);
        drop(gateway);
        self.changed.notify_all();
        result
    }

    /// Hands outputs to the connections; with the gateway locked, so that their order stays.
    fn deliver(&self, gateway: &mut Gateway) {
        if !gateway.has_outputs() {
            return;
        }
        let outboxes = self.outboxes.lock().unwrap_or_else(PoisonError::into_inner);
        for output in gateway.outputs() {
            let conn = match &output {
                Output::Send(conn, _) | Output::Close(conn, _) => *conn,
            };
            // A connection that has just broken takes no more.
            if let Some(outbox) = outboxes.get(&conn) {
                let _ = outbox.send(output);
            }
        }
    }

    fn register(&self, conn: ConnId) -> mpsc::UnboundedReceiver<Output> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).insert(conn, sender);
        receiver
    }

    fn unregister(&self, conn: ConnId) {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).remove(&conn);
    }
}

/// Opens a listener that a later one on the same port does not have to wait for.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Opens the listener of before. Whatever holds the old one for a moment, as a process does that has just been forked, is
/// waited for.
async fn listen_again(address: SocketAddr) -> io::Result<TcpListener> {
    let patience = tokio::time::Instant::now() + limits::SIM_LISTEN_TIME;
    let mut look = tokio::time::interval(Duration::from_millis(2));
    loop {
        look.tick().await;
        match listen(address).and_then(TcpListener::from_std) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && tokio::time::Instant::now() < patience => {}
            result => return result,
        }
    }
}

/// Serves until it is told to stop.
pub async fn run(
    shared: Arc<Shared>,
    listener: std::net::TcpListener,
    mut commands: mpsc::UnboundedReceiver<Command>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let mut listener = Some(TcpListener::from_std(listener)?);
    tokio::spawn(timers(shared.clone()));
    let accepts = shared.lock().config().zombie != ZombieMode::NeverAccepted;
    loop {
        tokio::select! {
            accepted = accept(listener.as_ref()), if accepts && listener.is_some() => {
                if let Ok(stream) = accepted {
                    let conn = shared.step(|g, now| g.accepted(now));
                    let outbox = shared.register(conn);
                    tokio::spawn(Connection::new(shared.clone(), stream, conn, outbox).serve());
                }
            }
            command = commands.recv() => match command {
                Some(Command::Listen(on, done)) => {
                    listener = None;
                    let result = match on {
                        true => listen_again(address).await.map(|l| listener = Some(l)),
                        false => Ok(()),
                    };
                    let _ = done.send(result);
                }
                Some(Command::Stop) | None => return Ok(()),
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => {
            let accepted = listener.accept().await;
            if accepted.is_err() {
                // Out of descriptors, most likely: do not spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            accepted.map(|(stream, _)| stream)
        }
        None => std::future::pending().await,
    }
}

/// Advances the state machine when something is due, or when another thread has done something to it.
async fn timers(shared: Arc<Shared>) {
    loop {
        let deadline = shared.step(|g, now| {
            g.advance(now);
            g.next_deadline()
        });
        let woken = shared.wake.notified();
        match deadline {
            None => woken.await,
            Some(at) => {
                let at = tokio::time::Instant::from_std(shared.start + Duration::from_micros(at.0));
                tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep_until(at) => {}
                }
            }
        }
    }
}

/// How a connection's reading stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    /// Bytes are taken as they come.
    On,
    /// Nothing was read yet, and nothing will be as long as the listener is blocked.
    Blocked,
    /// The test wants nothing to be read.
    Stalled,
    /// The client has closed and this side does not: only a reset is looked for.
    Zombie,
}

struct Connection {
    shared: Arc<Shared>,
    stream: TcpStream,
    conn: ConnId,
    outbox: mpsc::UnboundedReceiver<Output>,
    pending: BytesMut,
    closing: Option<Close>,
    /// Whether anything was read; from then on a blocked listener does not concern it.
    served: bool,
    zombie: bool,
}

impl Connection {
    fn new(
        shared: Arc<Shared>,
        stream: TcpStream,
        conn: ConnId,
        outbox: mpsc::UnboundedReceiver<Output>,
    ) -> Self {
        let _ = stream.set_nodelay(true);
        Connection {
            shared,
            stream,
            conn,
            outbox,
            pending: BytesMut::new(),
            closing: None,
            served: false,
            zombie: false,
        }
    }

    async fn serve(mut self) {
        let mut blocked = self.shared.blocked.subscribe();
        let mut stalled = self.shared.stalled.subscribe();
        while !(self.closing.is_some() && self.pending.is_empty()) {
            let reading = if self.zombie {
                Reading::Zombie
            } else if *stalled.borrow_and_update() {
                Reading::Stalled
            } else if *blocked.borrow_and_update() && !self.served {
                Reading::Blocked
            } else {
                Reading::On
            };
            // The end of the stream is seen by PRIORITY without touching what is unread.
            let mut interest = match reading {
                Reading::On => Interest::READABLE,
                #[cfg(target_os = "linux")]
                Reading::Blocked => Interest::PRIORITY | Interest::ERROR,
                #[cfg(not(target_os = "linux"))]
                Reading::Blocked => Interest::ERROR,
                Reading::Stalled | Reading::Zombie => Interest::ERROR,
            };
            if !self.pending.is_empty() {
                interest |= Interest::WRITABLE;
            }
            tokio::select! {
                output = self.outbox.recv() => match output {
                    Some(output) => self.take(output),
                    None => break,
                },
                Ok(()) = blocked.changed() => {}
                Ok(()) = stalled.changed() => {}
                ready = self.stream.ready(interest) => {
                    let Ok(ready) = ready else { break };
                    if ready.is_writable() && !self.pending.is_empty() {
                        self.write();
                    }
                    let over = match reading {
                        Reading::On => ready.is_readable() && self.read(),
                        _ if ready.is_error() => self.broke(),
                        Reading::Blocked => ready.is_read_closed() && self.closed_unread(),
                        Reading::Stalled | Reading::Zombie => false,
                    };
                    if over {
                        break;
                    }
                }
            }
        }
        self.finish().await;
    }

    fn take(&mut self, output: Output) {
        let mut next = Some(output);
        while let Some(output) = next {
            match output {
                Output::Send(_, bytes) => self.pending.extend_from_slice(&bytes),
                Output::Close(_, Close::Reset) => {
                    self.pending.clear();
                    self.closing = Some(Close::Reset);
                }
                Output::Close(_, how) => self.closing = Some(how),
            }
            next = self.outbox.try_recv().ok();
        }
        self.write();
    }

    fn write(&mut self) {
        while !self.pending.is_empty() {
            match self.stream.try_write(&self.pending) {
                Ok(n) => self.pending.advance(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // Reading will tell what happened.
                Err(_) => self.pending.clear(),
            }
        }
    }

    /// Reads once; true when the connection is over.
    fn read(&mut self) -> bool {
        let gateway = self.shared.lock();
        // Either may have been set while this connection was found to be readable.
        if *self.shared.stalled.borrow() || (gateway.is_blocked() && !self.served) {
            return false;
        }
        if gateway.config().zombie == ZombieMode::FinUnread && self.at_end() {
            drop(gateway);
            return self.ended();
        }
        let mut buffer = [0; READ];
        let result = self.stream.try_read(&mut buffer);
        drop(gateway);
        match result {
            Ok(0) => self.ended(),
            Ok(n) => {
                self.served = true;
                let conn = self.conn;
                self.shared.step(|g, now| g.handle(now, conn, Input::Bytes(&buffer[..n])));
                false
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
            Err(_) => self.broke(),
        }
    }

    /// Whether the next thing to read is the end of the stream; leaves it unread.
    fn at_end(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        let mut byte = [0u8; 1];
        let peeked = self.stream.try_io(Interest::READABLE, || {
            recv(&self.stream, &mut byte, RecvFlags::PEEK).map_err(io::Error::from)
        });
        matches!(peeked, Ok((0, _)))
    }

    /// The client closed its side.
    fn ended(&mut self) -> bool {
        let conn = self.conn;
        let kept = self.shared.step(|g, now| {
            g.handle(now, conn, Input::Eof);
            g.is_open(conn)
        });
        self.zombie = kept;
        false
    }

    fn closed_unread(&mut self) -> bool {
        if self.closing.is_some() {
            return true;
        }
        self.ended()
    }

    fn broke(&mut self) -> bool {
        let conn = self.conn;
        self.shared.step(|g, now| g.handle(now, conn, Input::Reset));
        true
    }

    async fn finish(self) {
        self.shared.unregister(self.conn);
        let socket = SockRef::from(&self.stream);
        match self.closing {
            Some(Close::Reset) => {
                let _ = socket.set_linger(Some(Duration::ZERO));
            }
            Some(Close::Graceful) => {
                // Bytes that are unread when a socket is dropped turn its end into a reset, which could overtake
                // what was just written.
                let _ = socket.shutdown(Shutdown::Write);
                let drain = async {
                    let mut buffer = [0; READ];
                    while self.stream.readable().await.is_ok() {
                        match self.stream.try_read(&mut buffer) {
                            Ok(0) => break,
                            Err(e) if e.kind() != io::ErrorKind::WouldBlock => break,
                            _ => {}
                        }
                    }
                };
                let _ = tokio::time::timeout(LINGER, drain).await;
            }
            None => {}
        }
    }
}
