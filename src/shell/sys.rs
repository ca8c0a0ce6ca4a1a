//! System calls that sockets need, in one place; the only file that may contain `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use crate::limits;
use rustix::net::{RecvFlags, SendFlags};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// How many connections the kernel may hold for us before they are accepted.
const BACKLOG: i32 = 1024;

/// A listening socket.
///
/// # Errors
/// The system's, for example when the port is taken.
pub fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted twsmux gets its port although connections of the old one are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A listening Unix socket. **Nobody can connect before the file has its mode**: until `listen` the kernel refuses.
///
/// # Errors
/// The system's.
pub fn listen_unix(path: &Path, mode: u32) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let opened = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .and_then(|()| socket.listen(BACKLOG));
    if let Err(error) = opened {
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(socket.into())
}

/// Whether a process listens on a Unix socket.
///
/// # Errors
/// When that cannot be known, for example because it is another user's.
pub fn somebody_listens(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full backlog is an answer too, and nothing to wait for.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) => Err(error),
    }
}

/// The upstream socket, before it connects. **With linger 0 every death of the process is a reset** (I2): the
/// Gateway's kernel drops its side at once and no CLOSE_WAIT remains. No user timeout here: when that fires on a
/// Gateway that paused reading, no reset is sent.
///
/// # Errors
/// The system's.
pub fn upstream_socket(addr: SocketAddr) -> io::Result<tokio::net::TcpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive())?;
    socket.set_nonblocking(true)?;
    Ok(tokio::net::TcpSocket::from_std_stream(socket.into()))
}

/// Options of an accepted client socket: a dead peer is noticed within about half a minute, and what a slow reader has not
/// taken stays here, where it can be conflated.
///
/// # Errors
/// The system's.
pub fn client_socket(stream: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive())?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(Duration::from_secs(30)))?;
        socket.set_tcp_notsent_lowat(limits::UNSENT_IN_KERNEL)?;
    }
    Ok(())
}

/// Options of an accepted Unix socket. Its peer is on this machine, so the kernel knows when it dies.
///
/// # Errors
/// The system's.
pub fn unix_client_socket(stream: &impl AsFd) -> io::Result<()> {
    SockRef::from(stream).set_send_buffer_size(limits::UNSENT_IN_KERNEL as usize)
}

/// Reads from a socket, by a system call that goes straight to it and not by way of the files. **On TCP, what does not fill
/// `chunk` was all that there was**, and what comes later is an event of its own, when events are edge-triggered. The one
/// exception is of its sender's making: a read ends before an urgent byte, which the API does not have, and what stands behind
/// it is read with whatever comes next, or at the end of the stream.
///
/// # Errors
/// The system's; `WouldBlock` when there is nothing.
pub fn receive(stream: &impl AsFd, chunk: &mut [u8]) -> io::Result<usize> {
    let read = rustix::io::retry_on_intr(|| {
        rustix::net::recv(stream.as_fd(), &mut *chunk, RecvFlags::empty()).map(|(read, _)| read)
    });
    Ok(read?)
}

/// Writes to a socket, likewise; how many bytes it took.
///
/// # Errors
/// The system's; `WouldBlock` when there is no room.
pub fn send(stream: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    // Rust programs ignore SIGPIPE.
    Ok(rustix::io::retry_on_intr(|| rustix::net::send(stream.as_fd(), bytes, SendFlags::empty()))?)
}

/// The process at the other end of a Unix socket, where the kernel tells: `uid=...,pid=...`.
pub fn unix_peer(stream: &impl AsFd) -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        let who = rustix::net::sockopt::socket_peercred(stream.as_fd()).ok()?;
        Some(format!("uid={},pid={}", who.uid.as_raw(), who.pid.as_raw_nonzero()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        None
    }
}

/// The kernel may take as much for a client as it can: it is closing, and its last words are to get as far as possible.
pub fn take_all(stream: &impl AsFd) {
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(u32::MAX);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3)
}

/// Bytes that the kernel has not yet seen acknowledged by the peer (SIOCOUTQ); 0 where it does not tell.
pub fn unsent(stream: &impl AsFd) -> usize {
    #[cfg(target_os = "linux")]
    {
        use rustix::ioctl::{Getter, Opcode, ioctl};
        // From <linux/sockios.h>; the same number as TIOCOUTQ on every Linux architecture that Rust supports but
        // a few whose terminals differ, none of which twsmux is built for.
        const SIOCOUTQ: Opcode = 0x5411;
        // SAFETY: SIOCOUTQ on a socket writes one C int and reads nothing.
        let n = unsafe { ioctl(stream.as_fd(), Getter::<SIOCOUTQ, std::ffi::c_int>::new()) };
        n.map_or(0, |n| usize::try_from(n).unwrap_or(0))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        0
    }
}

/// Raises the limit of open files as far as it goes and returns it.
pub fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Takes a variable out of the environment. **Only before there is another thread**, which might read it meanwhile.
pub fn forget_variable(name: &str) {
    // SAFETY: as the caller promises, nobody else reads or writes the environment.
    unsafe { std::env::remove_var(name) }
}
