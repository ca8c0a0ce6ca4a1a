//! A client's connection, whatever it runs over.
//!
//! Owns: the differences between the kinds of sockets. May not know: frames, the core. Driven by: `downstream`.
//!
//! **An enum and no trait object**: a read or write of a plain TCP client costs a comparison more, and no allocation.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::net::{TcpStream, UnixStream};

use super::sys;
use super::tls::TlsStream;

/// A connection that was accepted.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
    Unix(UnixStream),
}

impl Transport {
    /// A TCP connection, with its options set.
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Transport> {
        sys::client_socket(&stream)?;
        Ok(Transport::Tcp(stream))
    }

    /// A connection with TLS, its handshake complete and its options set.
    pub(super) fn tls(socket: TcpStream, session: rustls::ServerConnection) -> Transport {
        Transport::Tls(Box::new(TlsStream::new(socket, session)))
    }

    /// A connection of a Unix socket, with its options set.
    pub(super) fn unix(stream: UnixStream) -> io::Result<Transport> {
        sys::unix_client_socket(&stream)?;
        Ok(Transport::Unix(stream))
    }

    pub(super) fn try_read(&self, chunk: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => sys::read_what_is_there(stream, chunk),
            Transport::Tls(stream) => stream.try_read(chunk),
            // Passed descriptors end a read of one too, so it is read until it is empty.
            Transport::Unix(stream) => stream.try_read(chunk),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => stream.try_write(bytes),
            Transport::Tls(stream) => stream.try_write(bytes),
            Transport::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Whether there may be something to read; otherwise the task is woken when there is.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(stream) => stream.poll_read_ready(cx),
            Transport::Tls(stream) => stream.poll_readable(cx),
            Transport::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Whether there may be room to write; otherwise the task is woken when there is.
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(stream) => stream.poll_write_ready(cx),
            Transport::Tls(stream) => stream.socket().poll_write_ready(cx),
            Transport::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Whether bytes that count as written are still here.
    pub(super) fn holds_back(&self) -> bool {
        match self {
            Transport::Tcp(_) | Transport::Unix(_) => false,
            Transport::Tls(stream) => stream.holds_back(),
        }
    }

    /// Writes such bytes; whether none are left.
    pub(super) fn push(&self) -> io::Result<bool> {
        match self {
            Transport::Tcp(_) | Transport::Unix(_) => Ok(true),
            Transport::Tls(stream) => stream.push(),
        }
    }

    /// The kernel may take as much as it can: the connection is closing.
    pub(super) fn take_all(&self) {
        match self {
            Transport::Tcp(stream) => sys::take_all(stream),
            Transport::Tls(stream) => sys::take_all(stream.socket()),
            Transport::Unix(_) => {}
        }
    }

    /// Everything is written: our side ends.
    pub(super) fn shut(&self) {
        let socket = match self {
            Transport::Tcp(stream) => socket2::SockRef::from(stream),
            Transport::Tls(stream) => {
                stream.farewell();
                socket2::SockRef::from(stream.socket())
            }
            Transport::Unix(stream) => socket2::SockRef::from(stream),
        };
        let _ = socket.shutdown(std::net::Shutdown::Write);
    }
}

/// Who is at the other end, for logs and the status page.
pub(super) fn peer_of_tcp(addr: SocketAddr) -> String {
    addr.to_string()
}

/// Likewise of a Unix socket: the kernel knows the process.
pub(super) fn peer_of_unix(stream: &UnixStream) -> String {
    match stream.peer_cred() {
        Ok(who) => match who.pid() {
            Some(pid) => format!("unix:uid={},pid={pid}", who.uid()),
            None => format!("unix:uid={}", who.uid()),
        },
        Err(_) => "unix".to_owned(),
    }
}
