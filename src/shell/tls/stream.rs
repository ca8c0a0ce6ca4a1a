//! An encrypted connection of the event loop.
//!
//! Owns: a socket and its session. May not know: frames, the core. Driven by: the handshake's thread first, then
//! `downstream`.
//!
//! The session keeps little: what it has not written, `TLS_UNSENT` at most, counts as taken by the socket, and what it has read
//! and not given out is given out before it reads more.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use mio::net::TcpStream;
use rustls::ServerConnection;

use crate::limits;

/// An encrypted connection.
#[derive(Debug)]
pub(in crate::shell) struct TlsStream {
    socket: TcpStream,
    session: RefCell<ServerConnection>,
}

/// Writes what a session has to say until the socket is full.
pub(super) fn push(socket: &mut impl Write, session: &mut ServerConnection) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(socket)? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

impl TlsStream {
    /// One whose handshake is complete. **The session may have bytes that the socket knows nothing of**: it is read once without
    /// an event.
    pub(in crate::shell) fn new(socket: TcpStream, mut session: ServerConnection) -> TlsStream {
        session.set_buffer_limit(Some(limits::TLS_UNSENT));
        TlsStream { socket, session: RefCell::new(session) }
    }

    /// The socket.
    pub(in crate::shell) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The socket, to have it watched.
    pub(in crate::shell) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// As of a socket; until nothing is left, of the session neither. An end without the session's own farewell is an end: frames tell by themselves whether they are
    /// whole.
    pub(in crate::shell) fn try_read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session.borrow_mut();
        loop {
            match session.reader().read(chunk) {
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            session.read_tls(&mut &self.socket)?;
            if let Err(error) = session.process_new_packets() {
                // The peer is told what was wrong, if there is room.
                let _ = push(&mut &self.socket, &mut session);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    /// As of a socket.
    pub(in crate::shell) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.session.borrow_mut();
        push(&mut &self.socket, &mut session)?;
        let n = session.writer().write(bytes)?;
        match push(&mut &self.socket, &mut session) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(n),
        }
    }

    /// Writes what was taken and is still here; whether all of it is gone.
    pub(in crate::shell) fn push(&self) -> io::Result<bool> {
        match push(&mut &self.socket, &mut self.session.borrow_mut()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether something that was taken is still here.
    pub(in crate::shell) fn holds_back(&self) -> bool {
        self.session.borrow().wants_write()
    }

    /// The session's farewell, before our side ends.
    pub(in crate::shell) fn farewell(&self) {
        let mut session = self.session.borrow_mut();
        session.send_close_notify();
        let _ = push(&mut &self.socket, &mut session);
    }
}
