//! Client sockets: accept, read, write, close.
//!
//! Owns: the sockets by slot, and what each waits for. May not know: what a message means. Driven by: the event loop, which
//! tells what a socket is ready for, and by whoever drives the core, who writes.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Notify, mpsc};

use super::access::Access;
use super::beside::Beside;
use super::events::{Events, Ready, Whose};
use super::listen::{Listening, SocketFile};
use super::run::{Left, Shell};
use super::tls::Arrived;
use super::transport::{Transport, peer_of_tcp, peer_of_unix};
use crate::core::io::{Gone, Input};
use crate::ids::ClientKey;
use crate::limits;
use crate::time::Time;
use crate::wire::{WireError, frame::FrameBuffer, handshake::ClientHello};

/// Bytes read from one client before others get their turn.
const READ_BUDGET: usize = 256 << 10;
/// Clients accepted before others get their turn.
const ACCEPT_BUDGET: usize = 64;
/// Pause after the system gave no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One client's socket.
struct Conn {
    key: ClientKey,
    stream: Transport,
    buffer: RefCell<FrameBuffer>,
    greeted: Cell<bool>,
    /// The last write did not take everything: an event tells when there is room.
    blocked: Cell<bool>,
    /// The peer has ended its side: it is read to the end.
    ended: Cell<bool>,
    closing: Cell<Closing>,
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
    /// Adds a connection, which is watched from now on.
    fn add(&self, mut stream: Transport, events: &Events) -> io::Result<Rc<Conn>> {
        let mut slots = self.slots.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() as u32 - 1
        });
        if let Err(error) = events.watch(&mut stream, Whose::Client(slot)) {
            self.free.borrow_mut().push(slot);
            return Err(error);
        }
        let place = &mut slots[slot as usize];
        let conn = Rc::new(Conn {
            key: ClientKey { slot, generation: place.generation },
            stream,
            buffer: RefCell::default(),
            greeted: Cell::new(false),
            blocked: Cell::new(false),
            ended: Cell::new(false),
            closing: Cell::new(Closing::No),
        });
        place.conn = Some(conn.clone());
        Ok(conn)
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

    fn at(&self, slot: u32) -> Option<Rc<Conn>> {
        self.slots.borrow().get(slot as usize)?.conn.clone()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.borrow().len() - self.free.borrow().len()
    }

    /// Writes bytes; how many were taken, or `None` when there is nothing to write or no room.
    pub(super) fn write(&self, key: ClientKey, bytes: &[u8], events: &Events) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        let slots = self.slots.borrow();
        let conn = slots.get(key.slot as usize)?.conn.as_ref().filter(|conn| conn.key == key)?;
        match conn.stream.try_write(bytes) {
            Ok(n) => {
                // Over TLS the rest of it may wait in the session, which is pushed when there is room.
                if conn.stream.holds_back() {
                    conn.blocked.set(true);
                }
                Some(n)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                conn.blocked.set(true);
                None
            }
            Err(_) => {
                conn.closing.set(Closing::Now);
                events.look(Whose::Client(key.slot));
                None
            }
        }
    }

    /// Closes a socket, after what is in its outbox or at once.
    pub(super) fn close(&self, key: ClientKey, flush: bool, events: &Events) {
        if let Some(conn) = self.get(key) {
            conn.closing.set(if flush { Closing::Flush } else { Closing::Now });
            if flush {
                conn.stream.take_all();
                // There may be room now, for what a session holds back first.
                match conn.stream.push() {
                    Ok(all) => conn.blocked.set(!all),
                    Err(_) => conn.closing.set(Closing::Now),
                }
            }
            events.look(Whose::Client(key.slot));
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
        }
    }

    /// Waits, `limit` at most, until no client has anything left to be sent.
    pub(super) async fn wait_until_sent(&self, limit: Duration, beside: &Beside) {
        let all = async {
            while self.len() > 0 {
                self.gone.notified().await;
            }
        };
        let _ = beside.timeout(limit, all).await;
    }
}

/// A listener of the event loop.
pub(super) enum Door {
    Tcp(TcpListener),
    /// The file goes first: while somebody listens nobody replaces it.
    Unix(#[expect(dead_code, reason = "kept for its end")] SocketFile, UnixListener),
}

impl Door {
    /// Listens from when the loop runs.
    ///
    /// # Errors
    /// The system's, when the listener cannot be watched.
    pub(super) fn open(listening: Listening, number: usize, events: &Events) -> io::Result<Door> {
        let mut door = match listening {
            Listening::Tcp(listener) | Listening::Tls(listener) => Door::Tcp(TcpListener::from_std(listener)),
            Listening::Unix(file, listener) => Door::Unix(file, UnixListener::from_std(listener)),
        };
        match &mut door {
            Door::Tcp(listener) => events.watch(listener, Whose::Door(number))?,
            Door::Unix(_, listener) => events.watch(listener, Whose::Door(number))?,
        }
        Ok(door)
    }

    /// The next client; `None` for one that may not connect, or was gone before it was accepted.
    fn next(&self, access: &Access) -> io::Result<Option<(Transport, String)>> {
        let (transport, peer) = match self {
            Door::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                if !access.admit(&stream, peer) {
                    return Ok(None);
                }
                (Transport::tcp(stream), peer_of_tcp(peer))
            }
            Door::Unix(_, listener) => {
                let (stream, _) = listener.accept()?;
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

/// Accepts the clients who wait at a listener.
pub(super) fn answer_door(shell: &Rc<Shell>, number: usize) {
    if shell.accepts_later.get() {
        return;
    }
    for _ in 0..ACCEPT_BUDGET {
        let next = match shell.doors.borrow().get(number) {
            Some(door) => door.next(&shell.access),
            None => return, // twsmux stops
        };
        match next {
            Ok(Some((transport, peer))) => welcome(shell, transport, peer, None),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                // Out of file descriptors, mostly: those that exist are served, new ones wait in the backlog.
                tracing::warn!(%error, "cannot accept a client; trying again");
                shell.accepts_later.set(true);
                return shell.events.spawn(answer_later(shell.clone()));
            }
        }
    }
    shell.events.again(Whose::Door(number));
}

/// After the system gave no connection: what is lacking is lacking for all listeners.
async fn answer_later(shell: Rc<Shell>) {
    shell.beside.sleep(ACCEPT_PAUSE).await;
    shell.accepts_later.set(false);
    let doors = shell.doors.borrow().len();
    (0..doors).for_each(|number| shell.events.again(Whose::Door(number)));
}

/// Welcomes clients whose handshake is complete, for ever.
pub(super) async fn welcome_arrived(shell: Rc<Shell>, mut arrivals: mpsc::Receiver<Arrived>) {
    while let Some(Arrived { socket, session, peer, name }) = arrivals.recv().await {
        welcome(&shell, Transport::tls(TcpStream::from_std(socket), session), peer, name);
    }
}

/// A client is there: the core hears of it, and its events are served.
fn welcome(shell: &Rc<Shell>, transport: Transport, peer: String, certificate: Option<String>) {
    let unread = transport.may_have_read();
    let conn = match shell.clients.add(transport, &shell.events) {
        Ok(conn) => conn,
        Err(error) => return tracing::warn!(%peer, %error, "cannot watch a client, which is closed"),
    };
    if unread {
        shell.events.again(Whose::Client(conn.key.slot));
    }
    shell.tell_and_perform(Input::ClientConnected { client: conn.key, peer, certificate });
}

/// A client's socket is ready for something, or something of it has changed.
pub(super) fn turn(shell: &Rc<Shell>, slot: u32, ready: Ready) {
    // It may be gone since.
    let Some(conn) = shell.clients.at(slot) else { return };
    if let Err(reason) = serve(shell, &conn, ready) {
        let key = conn.key;
        shell.clients.remove(key);
        drop(conn);
        shell.tell_and_perform(Input::ClientGone { client: key, reason });
    }
}

fn serve(shell: &Rc<Shell>, conn: &Conn, ready: Ready) -> Result<(), Gone> {
    if ready.ended {
        conn.ended.set(true);
    }
    close_when_sent(shell, conn)?;
    if ready.writable && conn.blocked.get() {
        match conn.stream.push() {
            Ok(true) => {
                conn.blocked.set(false);
                shell.flush_client(shell.now(), conn.key);
                shell.perform();
            }
            Ok(false) => {}
            Err(_) => return Err(Gone::Error),
        }
    }
    if ready.readable {
        let left = read(shell, conn)?;
        // What the session had to say by itself.
        if conn.stream.holds_back() && !conn.blocked.get() {
            conn.blocked.set(!conn.stream.push().map_err(|_| Gone::Error)?);
        }
        if left == Left::More {
            // A client that sends without pause gets its turn like the others.
            shell.events.again(Whose::Client(conn.key.slot));
        }
    }
    close_when_sent(shell, conn)
}

/// Of a client that is to be closed: goes on with that.
fn close_when_sent(shell: &Shell, conn: &Conn) -> Result<(), Gone> {
    if conn.closing.get() == Closing::Flush && !conn.blocked.get() {
        shell.flush_client(shell.now(), conn.key); // notices an outbox that is empty
    }
    match conn.closing.get() {
        Closing::Now => Err(Gone::Error),
        Closing::No | Closing::Flush | Closing::Sent => Ok(()),
    }
}

/// Reads what is there, within the budget, and tells the core each whole frame.
fn read(shell: &Rc<Shell>, conn: &Conn) -> Result<Left, Gone> {
    let mut chunk = shell.chunk.take();
    let now = shell.now();
    let outcome = read_into(&mut chunk, shell, conn, now);
    shell.chunk.replace(chunk);
    // Whole frames before the end of the stream count as sent.
    shell.perform_at(now);
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
                if n < chunk.len() && conn.stream.tells_when_empty() && !conn.ended.get() {
                    return Ok(Left::Nothing);
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
