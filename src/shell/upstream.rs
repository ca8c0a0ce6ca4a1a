//! The one upstream socket (I1, I2).
//!
//! It is never split, never shut down (but by a graceful close on request), never duplicated: linger 0 makes every
//! end of it a reset, and only the last descriptor's end counts.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::AbortHandle;
use mio::net::TcpStream;

use super::beside::Beside;
use super::events::{Ready, Whose};
use super::run::{Die, Left, Shell, UpstreamClose};
use super::sys;
use crate::core::io::{FarEnd, Input, Zombies};
use crate::ids::LinkId;
use crate::limits;
use crate::sockets::{self, ZombieKind};
use crate::wire::{frame::FrameBuffer, handshake::ServerHello};

/// Bytes read before the clients get their turn.
const READ_BUDGET: usize = 256 << 10;
/// Patience with a connect that is neither accepted nor refused.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a planned close waits for what is sent to be delivered.
const DELIVER_TIME: Duration = Duration::from_secs(2);
/// How often it looks.
const CLOSE_STEP: Duration = Duration::from_millis(2);

struct Conn {
    link: LinkId,
    stream: TcpStream,
    buffer: RefCell<FrameBuffer>,
    greeted: Cell<bool>,
    /// The last write did not take everything: an event tells when there is room.
    blocked: Cell<bool>,
    /// The Gateway has ended its side: it is read to the end.
    ended: Cell<bool>,
    /// We have ended it: nothing of it is read any more.
    closed: Cell<bool>,
}

/// The place of the one upstream socket.
pub(super) struct Upstream {
    addr: SocketAddr,
    conn: RefCell<Option<Rc<Conn>>>,
    /// The connect under way.
    dial: RefCell<Option<(LinkId, AbortHandle)>>,
}

impl Upstream {
    pub(super) fn new(addr: SocketAddr) -> Self {
        Upstream { addr, conn: RefCell::new(None), dial: RefCell::new(None) }
    }

    /// Remembers the task that connects, so that it can be called off.
    pub(super) fn dials(&self, link: LinkId, task: AbortHandle) {
        *self.dial.borrow_mut() = Some((link, task));
    }

    /// Writes bytes; how many were taken, or `None` when there is nothing to write or no room.
    pub(super) fn write(&self, bytes: &[u8]) -> Option<usize> {
        let conn = self.conn.borrow();
        let conn = conn.as_ref().filter(|_| !bytes.is_empty())?;
        match sys::send(&conn.stream, bytes) {
            Ok(n) => Some(n),
            Err(error) => {
                // Only room is waited for. The error of a dead socket is told by the next read, after what the Gateway said
                // before it died.
                if error.kind() == io::ErrorKind::WouldBlock {
                    conn.blocked.set(true);
                }
                None
            }
        }
    }

    /// Resets the connection, or calls off the connect. Whoever reads it just now drops the last reference in this turn.
    pub(super) fn abort(&self, link: LinkId) {
        if let Some(conn) = self.conn.borrow_mut().take_if(|c| c.link == link) {
            conn.closed.set(true);
        }
        if let Some((_, task)) = self.dial.borrow_mut().take_if(|(l, _)| *l == link) {
            task.abort();
        }
    }

    /// The planned end: what is sent is delivered first, because a reset throws unsent bytes away.
    pub(super) async fn close(&self, how: UpstreamClose, beside: &Beside) {
        let Some(conn) = self.conn.borrow().clone() else { return };
        let delivered = async {
            while sys::unsent(&conn.stream) > 0 {
                beside.sleep(CLOSE_STEP).await;
            }
        };
        if beside.timeout(DELIVER_TIME, delivered).await.is_err() {
            tracing::warn!(
                bytes = sys::unsent(&conn.stream),
                "the Gateway did not take everything before the close"
            );
        }
        // Until here it was read as ever; it may have ended by itself meanwhile.
        self.conn.borrow_mut().take_if(|now| now.link == conn.link);
        conn.closed.set(true);
        if how == UpstreamClose::Graceful {
            let _ = conn.stream.shutdown(std::net::Shutdown::Write);
            let ended = async {
                let mut chunk = [0u8; 16 << 10];
                loop {
                    match sys::receive(&conn.stream, &mut chunk) {
                        Ok(0) => return,
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                        // Also when there is more, so that the time is up for one that never ends.
                        _ => beside.sleep(CLOSE_STEP).await,
                    }
                }
            };
            if beside.timeout(DELIVER_TIME, ended).await.is_err() {
                tracing::warn!("the Gateway did not close its side; resetting the connection");
            }
        }
    }
}

/// Reads the kernel's table for the Gateway port.
pub(super) async fn look(shell: Rc<Shell>, link: LinkId) {
    let addr = shell.upstream.addr;
    let kinds = || async { shell.beside.work(move || sockets::zombie_kinds_on(addr)).await.unwrap_or(None) };
    let mut zombies = kinds().await;
    if zombies.as_ref().is_some_and(|kinds| !kinds.is_empty()) {
        // A close under way looks the same for a moment; only what lasts is a zombie.
        shell.beside.sleep(sockets::SETTLE).await;
        zombies = kinds().await;
    }
    shell.tell_and_perform(Input::Looked { link, zombies: zombies.map(counted) });
}

/// Reads in the kernel's table what the Gateway has done with the connection. The connection itself is not touched.
pub(super) async fn examine(shell: Rc<Shell>, link: LinkId) {
    let ends = {
        let conn = shell.upstream.conn.borrow();
        let conn = conn.as_ref().filter(|conn| conn.link == link);
        conn.and_then(|conn| Some((conn.stream.peer_addr().ok()?, conn.stream.local_addr().ok()?)))
    };
    // Without them the connection is over, and the core has been told or is about to be.
    let Some((gateway, near)) = ends else { return };
    let looked = shell.beside.work(move || sockets::far_end::examine(gateway, near)).await;
    let (zombies, end) = match looked {
        Ok((diagnosis, end)) => {
            let seen = diagnosis.unknown.is_none();
            (seen.then(|| counted(diagnosis.zombies.iter().map(|z| z.kind))), end)
        }
        Err(error) => (None, sockets::FarEnd::OutOfSight(error.to_string())),
    };
    let end = match end {
        sockets::FarEnd::OutOfSight(why) => FarEnd::OutOfSight(why),
        sockets::FarEnd::NotAccepted => FarEnd::NotAccepted,
        sockets::FarEnd::Unread(n) => FarEnd::Unread(n),
        sockets::FarEnd::Read => FarEnd::Read,
    };
    shell.tell_and_perform(Input::Examined { link, zombies, end });
}

/// Dead connections, counted by kind.
fn counted(kinds: impl IntoIterator<Item = ZombieKind>) -> Zombies {
    let mut zombies = Zombies::default();
    for kind in kinds {
        *match kind {
            ZombieKind::NeverAccepted => &mut zombies.never_accepted,
            ZombieKind::HandshakeUnread => &mut zombies.handshake_unread,
            ZombieKind::FinUnread => &mut zombies.fin_unread,
            ZombieKind::NotClosed | ZombieKind::NotShown => &mut zombies.not_closed,
        } += 1;
    }
    zombies
}

/// Dials; from then on the connection's events are served.
pub(super) async fn connect(shell: Rc<Shell>, link: LinkId) {
    let addr = shell.upstream.addr;
    let dialled = dial(addr, &shell.beside).await.and_then(|mut stream| {
        shell.events.watch(&mut stream, Whose::Gateway)?;
        Ok(stream)
    });
    // From here on the connection is what an abort ends.
    shell.upstream.dial.borrow_mut().take_if(|(l, _)| *l == link);
    let stream = match dialled {
        Ok(stream) => stream,
        Err(error) => {
            let (kind, error) = (error.kind(), error.to_string());
            return shell.tell_and_perform(match kind {
                io::ErrorKind::ConnectionRefused => Input::UpstreamRefused { link, error },
                _ => Input::UpstreamUnreachable { link, error },
            });
        }
    };
    let conn = Rc::new(Conn {
        link,
        stream,
        buffer: RefCell::default(),
        greeted: Cell::new(false),
        blocked: Cell::new(false),
        ended: Cell::new(false),
        closed: Cell::new(false),
    });
    let before = shell.upstream.conn.borrow_mut().replace(conn);
    assert!(before.is_none(), "I1: at most one upstream socket");
    shell.tell_and_perform(Input::UpstreamConnected { link });
    match shell.die {
        Some(Die::PanicInHandshake) => panic!("told to panic during the handshake"),
        Some(Die::ExitInHandshake) => std::process::exit(1),
        _ => {}
    }
}

async fn dial(addr: SocketAddr, beside: &Beside) -> io::Result<TcpStream> {
    let connect = async { sys::upstream_socket(addr)?.connect(addr).await?.into_std() };
    let stream = beside
        .timeout(CONNECT_TIME, beside.within(connect))
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to the connect")))?;
    if stream.local_addr()? == stream.peer_addr()? {
        // Where nothing listens, a port among those that the system gives out can be dialled from itself. Kept, it
        // would also keep the Gateway from listening.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(TcpStream::from_std(stream))
}

/// The upstream socket is ready for something.
pub(super) fn turn(shell: &Rc<Shell>, ready: Ready) {
    let Some(conn) = shell.upstream.conn.borrow().clone() else { return };
    if ready.ended {
        conn.ended.set(true);
    }
    if ready.writable && conn.blocked.replace(false) {
        shell.flush_upstream(shell.now());
        shell.perform();
    }
    if !ready.readable {
        return;
    }
    match read(shell, &conn) {
        Ok(Left::Nothing) => {}
        // The clients get their turn.
        Ok(Left::More) => shell.events.again(Whose::Gateway),
        Err(error) => {
            // Dropped in the same turn: nothing of a connection that is over is kept.
            let link = conn.link;
            shell.upstream.conn.borrow_mut().take_if(|c| c.link == link);
            drop(conn);
            shell.tell_and_perform(Input::UpstreamGone { link, error: error.to_string() });
        }
    }
}

fn read(shell: &Rc<Shell>, conn: &Conn) -> io::Result<Left> {
    let mut chunk = shell.chunk.take();
    // Each of a thousand clients may be given all of it.
    let most = (limits::MAX_PER_PASS / shell.clients.len().max(1)).max(limits::MIN_READ).min(chunk.len());
    let left = read_into(&mut chunk[..most], shell, conn);
    shell.chunk.replace(chunk);
    left
}

fn read_into(chunk: &mut [u8], shell: &Rc<Shell>, conn: &Conn) -> io::Result<Left> {
    let mut buffer = conn.buffer.borrow_mut();
    let mut total = 0;
    while !conn.closed.get() {
        match sys::receive(&conn.stream, chunk) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the Gateway closed the connection",
                ));
            }
            Ok(n) => {
                total += n;
                let now = shell.now();
                let ahead = |bytes: &[u8]| shell.tell_ticks(now, conn.link, bytes);
                let each = |payload: &[u8]| {
                    match conn.greeted.replace(true) {
                        true => shell.tell_at(now, Input::UpstreamFrame { link: conn.link, payload }),
                        false => {
                            let hello = ServerHello::parse(payload)
                                .inspect_err(|_| shell.captures.broken_payload(payload))?;
                            shell.tell_at(now, Input::UpstreamHello { link: conn.link, hello });
                        }
                    }
                    Ok(())
                };
                if let Err(fault) = buffer.feed_after(&chunk[..n], ahead, || limits::MAX_FRAME, each) {
                    shell.captures.broken(buffer.pending());
                    shell.tell_at(now, Input::UpstreamBroken { link: conn.link, fault });
                }
                // One write for each client that got something from this chunk.
                shell.perform_at(now);
                if n < chunk.len() && !conn.ended.get() {
                    return Ok(Left::Nothing);
                }
                if total >= READ_BUDGET {
                    return Ok(Left::More);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Left::Nothing),
            Err(error) => return Err(error),
        }
    }
    Ok(Left::Nothing)
}
