//! An encrypted connection of the event loop.
//!
//! Owns: a socket and its session. May not know: frames, the core. Driven by: the handshake's thread first, then
//! `downstream`.
//!
//! The session keeps little: what it has not written, `TLS_UNSENT` at most, counts as taken by the socket, and what it has read
//! and not given out is given out before it reads more.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::task::{Context, Poll};

use rustls::ServerConnection;
use tokio::net::TcpStream;

use crate::limits;

/// An encrypted connection.
#[derive(Debug)]
pub(in crate::shell) struct TlsStream {
    socket: TcpStream,
    session: RefCell<ServerConnection>,
    /// The session may have bytes that the socket knows nothing of.
    more: Cell<bool>,
}

/// The socket as the session wants it.
pub(super) struct Plain<'a>(pub(super) &'a TcpStream);

impl Read for Plain<'_> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(chunk)
    }
}

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what a session has to say until the socket is full.
pub(super) fn push(socket: &TcpStream, session: &mut ServerConnection) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(&mut Plain(socket))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

impl TlsStream {
    /// One whose handshake is complete.
    pub(in crate::shell) fn new(socket: TcpStream, mut session: ServerConnection) -> TlsStream {
        session.set_buffer_limit(Some(limits::TLS_UNSENT));
        TlsStream { socket, session: RefCell::new(session), more: Cell::new(true) }
    }

    /// The socket.
    pub(in crate::shell) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// As of a socket. An end without the session's own farewell is an end: frames tell by themselves whether they are
    /// whole.
    pub(in crate::shell) fn try_read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session.borrow_mut();
        loop {
            match session.reader().read(chunk) {
                Ok(n) => {
                    self.more.set(true);
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if let Err(error) = session.read_tls(&mut Plain(&self.socket)) {
                self.more.set(false);
                return Err(error);
            }
            if let Err(error) = session.process_new_packets() {
                // The peer is told what was wrong, if there is room.
                let _ = push(&self.socket, &mut session);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    /// As of a socket.
    pub(in crate::shell) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.session.borrow_mut();
        push(&self.socket, &mut session)?;
        let n = session.writer().write(bytes)?;
        match push(&self.socket, &mut session) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(n),
        }
    }

    /// Writes what was taken and is still here; whether all of it is gone.
    pub(in crate::shell) fn push(&self) -> io::Result<bool> {
        match push(&self.socket, &mut self.session.borrow_mut()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether something that was taken is still here.
    pub(in crate::shell) fn holds_back(&self) -> bool {
        self.session.borrow().wants_write()
    }

    /// As of a socket.
    pub(in crate::shell) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.more.get() {
            true => Poll::Ready(Ok(())),
            false => self.socket.poll_read_ready(cx),
        }
    }

    /// The session's farewell, before our side ends.
    pub(in crate::shell) fn farewell(&self) {
        let mut session = self.session.borrow_mut();
        session.send_close_notify();
        let _ = push(&self.socket, &mut session);
    }
}
