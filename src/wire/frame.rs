//! Frames: a 4-byte unsigned big-endian length, then that many bytes (PROTOCOL.md (a), "Framing").

use bytes::{Buf, BufMut, Bytes, BytesMut};
use nom::{IResult, Parser, bytes::streaming::take, number::streaming::be_u32};

use super::WireError;

/// Bytes of the length prefix.
pub const PREFIX: usize = 4;

fn length(input: &[u8]) -> IResult<&[u8], u32> {
    be_u32.parse(input)
}

/// Bytes of memory that a buffer keeps for the next frame.
const KEPT: usize = 512;

/// A frame's payload, and what follows the frame.
pub type Split<'a> = (&'a [u8], &'a [u8]);

/// Splits one frame off `input`, or `None` when more bytes are needed.
///
/// # Errors
/// [`WireError::FrameTooLong`] as soon as the prefix shows a length over `limit`, [`WireError::EmptyFrame`] on
/// length 0 (no message is without an id).
pub fn split(input: &[u8], limit: usize) -> Result<Option<Split<'_>>, WireError> {
    let Ok((body, n)) = length(input) else { return Ok(None) };
    let n = n as usize;
    if n > limit {
        return Err(WireError::FrameTooLong { length: n, limit });
    }
    if n == 0 {
        return Err(WireError::EmptyFrame);
    }
    match take::<_, _, nom::error::Error<&[u8]>>(n)(body) {
        Ok((rest, payload)) => Ok(Some((payload, rest))),
        Err(_) => Ok(None),
    }
}

/// Collects bytes as they arrive and gives out whole frames.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    buf: BytesMut,
}

impl FrameBuffer {
    /// Appends bytes as read from a socket.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// The next whole frame's payload, if there is one. See [`split`] for the errors; after an error the stream
    /// has lost its framing and must be closed.
    pub fn next(&mut self, limit: usize) -> Result<Option<Bytes>, WireError> {
        let Some((payload, _)) = split(&self.buf, limit)? else {
            if self.buf.is_empty() {
                // An idle connection keeps no memory.
                self.buf = BytesMut::new();
            }
            return Ok(None);
        };
        let n = payload.len();
        self.buf.advance(PREFIX);
        Ok(Some(self.buf.split_to(n).freeze()))
    }

    /// Takes the first `n` bytes if they are there: for what precedes the first frame.
    pub fn take(&mut self, n: usize) -> Option<Bytes> {
        (self.buf.len() >= n).then(|| self.buf.split_to(n).freeze())
    }

    /// Appends bytes as read from a socket, and hands each whole frame's payload to `each`. `limit` is asked before each
    /// frame. What is whole already is not copied. See [`split`] for the errors; after one framing is lost, and what is no
    /// frame is [`FrameBuffer::pending`].
    pub fn feed(
        &mut self,
        bytes: &[u8],
        limit: impl FnMut() -> usize,
        each: impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.feed_after(bytes, |_| 0, limit, each)
    }

    /// Likewise, for somebody who takes several frames at once where they are plain: `ahead` is shown what follows before each
    /// frame, and returns how many bytes of it, whole frames, it has taken.
    pub fn feed_after(
        &mut self,
        mut bytes: &[u8],
        mut ahead: impl FnMut(&[u8]) -> usize,
        mut limit: impl FnMut() -> usize,
        mut each: impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        // The rest of a frame that has begun: its length first.
        while !self.buf.is_empty() {
            let whole = self.buf.first_chunk().map_or(PREFIX, |n| PREFIX + u32::from_be_bytes(*n) as usize);
            let missing = whole.saturating_sub(self.buf.len()).min(bytes.len());
            self.buf.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            match split(&self.buf, limit())? {
                Some((payload, _)) => {
                    each(payload)?;
                    self.forget();
                }
                None if missing == 0 => return Ok(()),
                None => {}
            }
        }
        loop {
            bytes = &bytes[ahead(bytes)..];
            let Some((payload, rest)) =
                split(bytes, limit()).inspect_err(|_| self.buf.extend_from_slice(bytes))?
            else {
                break;
            };
            each(payload)?;
            bytes = rest;
        }
        self.buf.extend_from_slice(bytes);
        Ok(())
    }

    /// Everything was given out. An idle connection keeps next to no memory; one that is busy need not ask for it again.
    fn forget(&mut self) {
        match self.buf.capacity() <= KEPT {
            true => self.buf.clear(),
            false => self.buf = BytesMut::new(),
        }
    }

    /// What has arrived and was not given out yet.
    pub fn pending(&self) -> &[u8] {
        &self.buf
    }
}

/// Appends one frame around `payload`.
pub fn put(payload: &[u8], out: &mut BytesMut) {
    out.reserve(PREFIX + payload.len());
    out.put_u32(payload.len() as u32);
    out.put_slice(payload);
}

/// Appends one frame whose payload `write` produces; the length is filled in afterwards.
pub fn put_with(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    write(out);
    let n = (out.len() - start - PREFIX) as u32;
    out[start..start + PREFIX].copy_from_slice(&n.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_huge_length_is_refused_before_its_bytes_arrive() {
        let mut b = FrameBuffer::default();
        b.extend(&[0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(b.next(100), Err(WireError::FrameTooLong { length: 0xFFFF_FFFF, limit: 100 }));
    }

    #[test]
    fn a_frame_of_exactly_the_limit_passes_and_one_more_does_not() {
        let mut out = BytesMut::new();
        put(&[7; 10], &mut out);
        assert_eq!(split(&out, 10).unwrap().unwrap().0, &[7; 10]);
        assert_eq!(split(&out, 9), Err(WireError::FrameTooLong { length: 10, limit: 9 }));
    }

    #[test]
    fn an_empty_frame_is_an_error() {
        assert_eq!(split(&[0, 0, 0, 0], 10), Err(WireError::EmptyFrame));
    }

    proptest! {
        #[test]
        fn frames_survive_any_fragmentation(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 1..8),
            cuts in proptest::collection::vec(1usize..9, 1..40),
        ) {
            let mut wire = BytesMut::new();
            for p in &payloads {
                put(p, &mut wire);
            }
            let (mut buffer, mut fed) = (FrameBuffer::default(), FrameBuffer::default());
            let (mut seen, mut heard) = (Vec::new(), Vec::new());
            let mut rest = &wire[..];
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let n = (*cuts.next().unwrap()).min(rest.len());
                buffer.extend(&rest[..n]);
                let each = |payload: &[u8]| { heard.push(payload.to_vec()); Ok(()) };
                fed.feed(&rest[..n], || 1000, each).unwrap();
                rest = &rest[n..];
                while let Some(f) = buffer.next(1000).unwrap() {
                    seen.push(f.to_vec());
                }
            }
            prop_assert_eq!(&seen, &payloads);
            prop_assert_eq!(heard, payloads);
            prop_assert!(buffer.pending().is_empty() && fed.pending().is_empty());
        }
    }
}
