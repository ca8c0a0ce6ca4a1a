//! A client's connection, whatever it runs over.
//!
//! Owns: the differences between the kinds of sockets. May not know: frames, the core. Driven by: `downstream`.
//!
//! **An enum and no trait object**: a read or write of a plain TCP client costs a comparison more, and no allocation.

use std::io;
use std::net::SocketAddr;

use mio::Registry;
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Token};

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
            Transport::Tcp(stream) => sys::receive(stream, chunk),
            Transport::Tls(stream) => stream.try_read(chunk),
            Transport::Unix(stream) => sys::receive(stream, chunk),
        }
    }

    /// Whether a read that does not fill its room is the last one, before the end of the stream.
    pub(super) fn tells_when_empty(&self) -> bool {
        match self {
            Transport::Tcp(_) => true,
            // The session may have more.
            Transport::Tls(_) => false,
            // Passed descriptors end a read of one too, so it is read until it is empty.
            Transport::Unix(_) => false,
        }
    }

    /// Whether there may be something to read of which the socket knows nothing.
    pub(super) fn may_have_read(&self) -> bool {
        matches!(self, Transport::Tls(_))
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => sys::send(stream, bytes),
            Transport::Tls(stream) => stream.try_write(bytes),
            Transport::Unix(stream) => sys::send(stream, bytes),
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

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Transport::Tcp(stream) => stream,
            Transport::Tls(stream) => stream.socket_mut(),
            Transport::Unix(stream) => stream,
        }
    }
}

impl Source for Transport {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

/// Who is at the other end, for logs and the status page.
pub(super) fn peer_of_tcp(addr: SocketAddr) -> String {
    addr.to_string()
}

/// Likewise of a Unix socket: the kernel knows the process.
pub(super) fn peer_of_unix(stream: &UnixStream) -> String {
    sys::unix_peer(stream).map_or_else(|| "unix".to_owned(), |who| format!("unix:{who}"))
}
