//! Client sockets: accept, read, write, close.
//!
//! Each has a task of its own, which reads it and waits for room when a write did not take everything.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_local;

use super::access::Access;
use super::bell::{self, Bell, Event};
use super::listen::{Listening, SocketFile};
use super::run::{Left, Shell};
use super::timekeeper::Timekeeper;
use super::tls::Arrived;
use super::transport::{Transport, peer_of_tcp, peer_of_unix};
use crate::core::io::{Gone, Input};
use crate::ids::ClientKey;
use crate::limits;
use crate::time::Time;
use crate::wire::{WireError, frame::FrameBuffer, handshake::ClientHello};

/// Bytes read from one client before others get their turn.
const READ_BUDGET: usize = 256 << 10;

/// One client's socket.
struct Conn {
    key: ClientKey,
    stream: Transport,
    buffer: RefCell<FrameBuffer>,
    greeted: Cell<bool>,
    /// The last write did not take everything.
    blocked: Cell<bool>,
    closing: Cell<Closing>,
    /// Rung when one of the cells has changed.
    bell: Bell,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// What is in the outbox is still to be sent.
    Flush,
    /// Everything is sent and our side is shut; what the peer still sends is thrown away, so that the close is no
    /// reset that would cost it our last words.
    Sent,
    /// At once.
    Now,
}

/// All client sockets by slot.
#[derive(Default)]
pub(super) struct Clients {
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    /// Told whenever a client is gone.
    gone: Notify,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    conn: Option<Rc<Conn>>,
}

impl Clients {
    fn add(&self, stream: Transport) -> Rc<Conn> {
        let mut slots = self.slots.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() as u32 - 1
        });
        let place = &mut slots[slot as usize];
        let conn = Rc::new(Conn {
            key: ClientKey { slot, generation: place.generation },
            stream,
            buffer: RefCell::default(),
            greeted: Cell::new(false),
            blocked: Cell::new(false),
            closing: Cell::new(Closing::No),
            bell: Bell::default(),
        });
        place.conn = Some(conn.clone());
        conn
    }

    fn remove(&self, key: ClientKey) {
        let place = &mut self.slots.borrow_mut()[key.slot as usize];
        place.conn = None;
        place.generation += 1;
        self.free.borrow_mut().push(key.slot);
        self.gone.notify_one();
    }

    fn get(&self, key: ClientKey) -> Option<Rc<Conn>> {
        let slots = self.slots.borrow();
        slots.get(key.slot as usize)?.conn.clone().filter(|c| c.key == key)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.borrow().len() - self.free.borrow().len()
    }

    /// Writes bytes; how many were taken, or `None` when there is nothing to write or no room.
    pub(super) fn write(&self, key: ClientKey, bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        let conn = self.get(key)?;
        match conn.stream.try_write(bytes) {
            Ok(n) => {
                // Over TLS the rest of it may wait in the session: the task pushes it when there is room.
                if conn.stream.holds_back() && !conn.blocked.replace(true) {
                    conn.bell.ring();
                }
                Some(n)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    conn.closing.set(Closing::Now);
                    conn.bell.ring();
                }
                // The task learns once that it is to wait for room; telling it again would keep it from waiting.
                if !conn.blocked.replace(true) {
                    conn.bell.ring();
                }
                None
            }
        }
    }

    /// Closes a socket, after what is in its outbox or at once.
    pub(super) fn close(&self, key: ClientKey, flush: bool) {
        if let Some(conn) = self.get(key) {
            if flush {
                conn.stream.take_all();
                conn.blocked.set(false); // there may be room now
            }
            conn.closing.set(if flush { Closing::Flush } else { Closing::Now });
            conn.bell.ring();
        }
    }

    /// Everything for a closing client is sent.
    pub(super) fn all_sent(&self, key: ClientKey) {
        if let Some(conn) = self.get(key)
            && conn.closing.get() == Closing::Flush
            && !conn.stream.holds_back()
        {
            conn.stream.shut();
            conn.closing.set(Closing::Sent);
            conn.bell.ring();
        }
    }

    /// Waits, `limit` at most, until no client has anything left to be sent.
    pub(super) async fn wait_until_sent(&self, limit: Duration, timekeeper: &Timekeeper) {
        let all = async {
            while self.len() > 0 {
                self.gone.notified().await;
            }
        };
        let _ = timekeeper.timeout(limit, all).await;
    }
}

/// A listener of the event loop.
enum Door {
    Tcp(TcpListener),
    /// The file goes first: while somebody listens nobody replaces it.
    Unix(#[expect(dead_code, reason = "kept for its end")] SocketFile, UnixListener),
}

impl Door {
    fn new(listening: Listening) -> io::Result<Door> {
        Ok(match listening {
            Listening::Tcp(listener) | Listening::Tls(listener) => {
                Door::Tcp(TcpListener::from_std(listener)?)
            }
            Listening::Unix(file, listener) => Door::Unix(file, UnixListener::from_std(listener)?),
        })
    }

    /// The next client; `None` for one that may not connect, or was gone before it was accepted.
    async fn next(&self, access: &Access) -> io::Result<Option<(Transport, String)>> {
        let (transport, peer) = match self {
            Door::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                if !access.admit(&stream, peer) {
                    return Ok(None);
                }
                (Transport::tcp(stream), peer_of_tcp(peer))
            }
            Door::Unix(_, listener) => {
                let (stream, _) = listener.accept().await?;
                let peer = peer_of_unix(&stream);
                (Transport::unix(stream), peer)
            }
        };
        match transport {
            Ok(transport) => Ok(Some((transport, peer))),
            Err(error) => {
                tracing::debug!(%peer, %error, "a client was gone before it was accepted");
                Ok(None)
            }
        }
    }
}

/// Accepts clients for ever, from when the future is polled.
///
/// # Errors
/// The system's, when the listener cannot be watched.
pub(super) fn accept(shell: Rc<Shell>, listening: Listening) -> io::Result<impl Future<Output = ()>> {
    let door = Door::new(listening)?;
    Ok(async move {
        loop {
            match door.next(&shell.access).await {
                Ok(Some((transport, peer))) => welcome(&shell, transport, peer, None),
                Ok(None) => {}
                Err(error) => {
                    // Out of file descriptors, mostly: those that exist are served, new ones wait in the backlog.
                    tracing::warn!(%error, "cannot accept a client; trying again");
                    shell.timekeeper.sleep(Duration::from_millis(100)).await;
                }
            }
        }
    })
}

/// Welcomes clients whose handshake is complete, for ever.
pub(super) async fn welcome_arrived(shell: Rc<Shell>, mut arrivals: mpsc::Receiver<Arrived>) {
    while let Some(Arrived { socket, session, peer, name }) = arrivals.recv().await {
        match TcpStream::from_std(socket) {
            Ok(socket) => welcome(&shell, Transport::tls(socket, session), peer, name),
            Err(error) => tracing::warn!(%error, "cannot take over a client with TLS"),
        }
    }
}

/// A client is there: the core hears of it, and a task serves it.
fn welcome(shell: &Rc<Shell>, transport: Transport, peer: String, certificate: Option<String>) {
    let conn = shell.clients.add(transport);
    shell.tell_and_perform(Input::ClientConnected { client: conn.key, peer, certificate });
    spawn_local(serve(shell.clone(), conn));
}

async fn serve(shell: Rc<Shell>, conn: Rc<Conn>) {
    let reason = loop {
        if conn.closing.get() == Closing::Flush && !conn.blocked.get() {
            shell.flush_client(shell.now(), conn.key); // notices an outbox that is empty
        }
        if conn.closing.get() == Closing::Now {
            break Gone::Error;
        }
        let room = |cx: &mut Context<'_>| conn.stream.poll_writable(cx);
        let room = conn.blocked.get().then_some(room);
        match bell::next(&conn.bell, room, |cx| conn.stream.poll_readable(cx)).await {
            Event::Changed => {}
            Event::Writable(Err(_)) | Event::Readable(Err(_)) => break Gone::Error,
            Event::Writable(Ok(())) => {
                match conn.stream.push() {
                    Ok(true) => conn.blocked.set(false),
                    Ok(false) => continue,
                    Err(_) => break Gone::Error,
                }
                shell.flush_client(shell.now(), conn.key);
                shell.perform();
            }
            Event::Readable(Ok(())) => match read(&shell, &conn) {
                Ok(Left::Nothing) => {}
                // A client that sends without pause gets its turn like the others.
                Ok(Left::More) => tokio::task::yield_now().await,
                Err(gone) => break gone,
            },
        }
    };
    shell.clients.remove(conn.key);
    let key = conn.key;
    drop(conn);
    shell.tell_and_perform(Input::ClientGone { client: key, reason });
}

/// Reads what is there, within the budget, and tells the core each whole frame.
fn read(shell: &Rc<Shell>, conn: &Conn) -> Result<Left, Gone> {
    let mut chunk = shell.chunk.take();
    let now = shell.now();
    let outcome = read_into(&mut chunk, shell, conn, now);
    shell.chunk.replace(chunk);
    // Whole frames before the end of the stream count as sent.
    shell.perform_at(now);
    if conn.stream.holds_back() {
        conn.blocked.set(true); // an answer of the session itself
    }
    outcome
}

fn read_into(chunk: &mut [u8], shell: &Rc<Shell>, conn: &Conn, now: Time) -> Result<Left, Gone> {
    let mut total = 0;
    loop {
        match conn.stream.try_read(chunk) {
            Ok(0) => return Err(Gone::Eof),
            Ok(n) => {
                total += n;
                if conn.closing.get() == Closing::No
                    && let Err(fault) = frames(shell, conn, &chunk[..n], now)
                {
                    shell.captures.broken(conn.buffer.borrow().pending());
                    shell.tell_at(now, Input::ClientBroken { client: conn.key, fault });
                    // Nothing behind this point can be read: the core closes it.
                    conn.closing.set(Closing::Flush);
                }
                if total >= READ_BUDGET {
                    return Ok(Left::More);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Left::Nothing),
            Err(_) => return Err(Gone::Error),
        }
    }
}

fn frames(shell: &Shell, conn: &Conn, bytes: &[u8], now: Time) -> Result<(), WireError> {
    let mut buffer = conn.buffer.borrow_mut();
    let limit = || shell.core.borrow().frame_limit(conn.key);
    let tell = |payload: &[u8]| shell.tell_at(now, Input::ClientFrame { client: conn.key, payload });
    if conn.greeted.get() {
        return buffer.feed(bytes, limit, |payload| {
            tell(payload);
            Ok(())
        });
    }
    buffer.extend(bytes);
    let Some(hello) = ClientHello::take(&mut buffer, limits::MAX_GREETING)? else { return Ok(()) };
    conn.greeted.set(true);
    shell.tell_at(now, Input::ClientHello { client: conn.key, hello });
    // Few clients send more before they are answered.
    while let Some(payload) = buffer.next(limit())? {
        tell(&payload);
    }
    Ok(())
}
