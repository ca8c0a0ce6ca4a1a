//! A socket with frames on it, and the waiting for many of them: epoll, level-triggered, one read per event.
//!
//! Owns: bytes on their way. May not know: what a frame says. Driven by: the fake Gateway and the clients.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};

use bytes::{Buf, BytesMut};
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use twsmux::wire::frame;

/// Bytes read at once.
pub const READ: usize = 256 << 10;

/// Events taken at once.
const AT_ONCE: usize = 1024;

/// What is waited for, each with a number.
pub struct Poll(OwnedFd);

impl Poll {
    /// One that waits for nothing.
    pub fn new() -> io::Result<Poll> {
        Ok(Poll(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Waits for something to be readable from now on.
    pub fn add(&self, what: impl AsFd, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.0, what, EventData::new_u64(number as u64), EventFlags::IN)?)
    }

    /// Waits for room as well, or not any more.
    pub fn room(&self, what: impl AsFd, number: usize, wanted: bool) -> io::Result<()> {
        let flags = if wanted { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        Ok(epoll::modify(&self.0, what, EventData::new_u64(number as u64), flags)?)
    }

    /// Waits for it no more.
    pub fn forget(&self, what: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, what)?)
    }

    /// The numbers of what is ready, and whether there is room; waits so many milliseconds at most.
    pub fn wait(&self, milliseconds: u64, ready: &mut Vec<(usize, bool)>) -> io::Result<()> {
        let timeout = rustix::time::Timespec {
            tv_sec: (milliseconds / 1000) as i64,
            tv_nsec: (milliseconds % 1000 * 1_000_000) as _,
        };
        let mut room = [MaybeUninit::<Event>::uninit(); AT_ONCE];
        ready.clear();
        match epoll::wait(&self.0, &mut room, Some(&timeout)) {
            Ok((events, _)) => ready.extend(events.iter().map(|e| {
                let (data, flags) = (e.data, e.flags);
                (data.u64() as usize, flags.contains(EventFlags::OUT))
            })),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// A connection.
pub struct Pipe {
    /// Its socket.
    pub stream: TcpStream,
    inbox: Vec<u8>,
    /// What is to be written.
    pub outbox: BytesMut,
    /// The last write did not take everything.
    pub blocked: bool,
}

impl Pipe {
    /// Of a socket.
    pub fn new(stream: TcpStream) -> io::Result<Pipe> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Pipe { stream, inbox: Vec::new(), outbox: BytesMut::new(), blocked: false })
    }

    /// Reads once and gives out whole frames. `false`: the peer has ended the connection.
    pub fn read(&mut self, scratch: &mut [u8], mut each: impl FnMut(&[u8])) -> io::Result<bool> {
        let n = match self.stream.read(scratch) {
            Ok(0) => return Ok(false),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        if self.inbox.is_empty() {
            let rest = frames(&scratch[..n], &mut each)?;
            self.inbox.extend_from_slice(rest);
            return Ok(true);
        }
        self.inbox.extend_from_slice(&scratch[..n]);
        let left = frames(&self.inbox, &mut each)?.len();
        self.inbox.drain(..self.inbox.len() - left);
        Ok(true)
    }

    /// Writes what the socket takes; whether something is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(n) => self.outbox.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// Gives out whole frames; what is left.
fn frames<'a>(mut bytes: &'a [u8], each: &mut impl FnMut(&[u8])) -> io::Result<&'a [u8]> {
    // A client's greeting begins with a word before its first frame.
    if let Some(rest) = bytes.strip_prefix(b"API\0") {
        bytes = rest;
    }
    loop {
        match frame::split(bytes, twsmux::limits::MAX_FRAME) {
            Ok(Some((payload, rest))) => {
                each(payload);
                bytes = rest;
            }
            Ok(None) => return Ok(bytes),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}
