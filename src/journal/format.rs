//! The journal's bytes, described for people in `docs/journal-format.md`.
//!
//! Owns: the file's header, the frames that carry a [`Record`] each, and the frame by which the writer attests what is
//! on disk. May not know: files, what the records add up to. Driven by: `log` (writing), `recover` and `salvage`
//! (reading).
//!
//! All numbers are little-endian. What cannot be read is an error value, never a panic.

use bytes::Bytes;

use super::record::{Outcome, Record};
use crate::ids::{ClientId, DownOrderId, PermId, UpOrderId};
use crate::limits;

/// The format that is written, and the newest that is read.
pub const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER: usize = 24;
/// Bytes of a frame before its payload: length and checksum.
pub const FRAME_HEAD: usize = 8;
/// Bytes of a whole [`Frame::Synced`].
pub const SYNCED: usize = FRAME_HEAD + 17;
/// Bytes of the whole frame of a [`Record::Order`]: so many are lost at least with each order that is lost.
pub const ORDER: usize = FRAME_HEAD + 13;

const MAGIC: [u8; 8] = *b"twsmuxj\n";

/// What a payload begins with.
mod kind {
    pub const IDENTITY: u8 = 1;
    pub const FLOOR: u8 = 2;
    pub const ORDER: u8 = 3;
    pub const SEQUENCE: u8 = 4;
    pub const ARRIVED: u8 = 5;
    pub const OVER: u8 = 6;
    pub const UNKNOWN: u8 = 7;
    pub const FORGOTTEN: u8 = 8;
    pub const EXECUTED: u8 = 9;
    pub const COMMISSIONED: u8 = 10;
    pub const KEPT: u8 = 11;
    pub const FETCHED: u8 = 12;
    pub const OWNER_FORGOTTEN: u8 = 13;
    pub const RUNNING: u8 = 14;
    pub const SYNCED: u8 = 255;
}

/// Every kind of payload by its first byte, as `docs/journal-format.md` lists them.
pub const KINDS: [(u8, &str); 15] = [
    (kind::IDENTITY, "Identity"),
    (kind::FLOOR, "Floor"),
    (kind::ORDER, "Order"),
    (kind::SEQUENCE, "Sequence"),
    (kind::ARRIVED, "Arrived"),
    (kind::OVER, "Over"),
    (kind::UNKNOWN, "Unknown"),
    (kind::FORGOTTEN, "Forgotten"),
    (kind::EXECUTED, "Executed"),
    (kind::COMMISSIONED, "Commissioned"),
    (kind::KEPT, "Kept"),
    (kind::FETCHED, "Fetched"),
    (kind::OWNER_FORGOTTEN, "OwnerForgotten"),
    (kind::RUNNING, "Running"),
    (kind::SYNCED, "Synced"),
];

/// Why a file does not begin as a journal that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderFault {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// It ends within the header.
    #[error("it ends after {0} bytes, within its header")]
    Short(usize),
    /// Its first bytes are those of something else.
    #[error("its first bytes are not those of an order journal")]
    Foreign,
    /// The header's checksum does not fit.
    #[error("the checksum of its header does not fit")]
    Checksum,
    /// A newer twsmux wrote it.
    #[error("it is of format version {0}, and this twsmux reads versions up to {VERSION}")]
    Newer(u32),
}

/// Why bytes are no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameFault {
    /// They end before the frame does.
    #[error("the file ends within a record")]
    Incomplete,
    /// No frame can have this length.
    #[error("a length makes no sense")]
    Length,
    /// The checksum does not fit.
    #[error("a checksum does not fit")]
    Checksum,
    /// The checksum fits, the payload says nothing that is known. **This is never the end of a write that was cut
    /// short**: somebody wrote it so.
    #[error("a record is not known")]
    Content,
}

/// What a frame carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A fact.
    Record(Record),
    /// The writer's word that every byte before this frame was on disk when it wrote the frame.
    Synced {
        /// Where the frame itself begins. One that stands elsewhere attests nothing: it is part of a message that was
        /// kept.
        offset: u64,
        /// The number in the header of the file that it was written for. No client knows it, so none can make one up.
        salt: u64,
    },
}

/// Appends the header of a file.
pub fn put_header(salt: u64, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&salt.to_le_bytes());
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// Reads the header at the beginning of a file, and gives its salt.
///
/// # Errors
/// [`HeaderFault`].
pub fn header(file: &[u8]) -> Result<u64, HeaderFault> {
    if file.is_empty() {
        return Err(HeaderFault::Empty);
    }
    if !file.starts_with(&MAGIC[..file.len().min(MAGIC.len())]) {
        return Err(HeaderFault::Foreign);
    }
    let mut fields = Fields(&file[MAGIC.len().min(file.len())..]);
    let f = &mut fields;
    let Some((version, salt, checksum)) = (|| Some((f.u32()?, f.u64()?, f.u32()?)))() else {
        return Err(HeaderFault::Short(file.len()));
    };
    // The checksum first: a version that is damaged is no reason to look for a newer twsmux.
    match (crc32fast::hash(&file[..HEADER - 4]) == checksum, version) {
        (false, _) => Err(HeaderFault::Checksum),
        (true, VERSION) => Ok(salt),
        (true, 0) => Err(HeaderFault::Foreign),
        (true, newer) => Err(HeaderFault::Newer(newer)),
    }
}

/// Appends a record's frame.
///
/// # Panics
/// For a record that is larger than anything that comes out of one frame of a Gateway.
pub fn put_record(record: &Record, out: &mut Vec<u8>) {
    put_frame(out, |out| put_payload(record, out));
}

/// Appends the frame that attests everything before `offset`, which is where it itself will begin.
pub fn put_synced(offset: u64, salt: u64, out: &mut Vec<u8>) {
    put_frame(out, |out| {
        out.push(kind::SYNCED);
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&salt.to_le_bytes());
    });
}

/// Appends a frame around any payload, known or not. For tests.
#[doc(hidden)]
pub fn put_payload_unchecked(payload: &[u8], out: &mut Vec<u8>) {
    put_frame(out, |out| out.extend_from_slice(payload));
}

fn put_frame(out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD]);
    payload(out);
    let length = out.len() - start - FRAME_HEAD;
    assert!(length <= limits::MAX_JOURNAL_RECORD, "a record of {length} bytes cannot come from one frame");
    let length = (length as u32).to_le_bytes();
    out[start..start + 4].copy_from_slice(&length);
    let checksum = checksum(length, &out[start + FRAME_HEAD..]).to_le_bytes();
    out[start + 4..start + FRAME_HEAD].copy_from_slice(&checksum);
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// Reads the frame at the beginning of `bytes`, and says how many bytes it has.
///
/// # Errors
/// [`FrameFault`]; for no bytes at all it is [`FrameFault::Incomplete`].
pub fn frame(bytes: &[u8]) -> Result<(Frame, usize), FrameFault> {
    let (length, sum, payload) = split(bytes)?;
    if checksum(length, payload) != sum {
        return Err(FrameFault::Checksum);
    }
    let frame = parse(payload).ok_or(FrameFault::Content)?;
    Ok((frame, FRAME_HEAD + payload.len()))
}

/// As [`frame`], for a place where a frame may begin or not: the checksum, which costs the most, is looked at last.
pub fn frame_perhaps(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (length, sum, payload) = split(bytes).ok()?;
    let frame = parse(payload)?;
    (checksum(length, payload) == sum).then_some((frame, FRAME_HEAD + payload.len()))
}

/// The length of a frame at the beginning of `bytes` that carries a message that was kept, whether its checksum fits and
/// its end is there or not. Its two lengths agree, so that it is known where it ends.
pub fn kept_length(bytes: &[u8]) -> Option<usize> {
    let mut fields = Fields(bytes);
    let (length, _checksum) = (fields.u32()? as usize, fields.u32()?);
    let before = fields.0.len();
    let is_kept = fields.u8()? == kind::KEPT;
    let (_owner, _up, _version) = (fields.i32()?, fields.i32()?, fields.u16()?);
    let message = fields.u32()? as usize;
    let agree =
        length <= limits::MAX_JOURNAL_RECORD && message.checked_add(before - fields.0.len()) == Some(length);
    (is_kept && agree).then_some(FRAME_HEAD + length)
}

/// Length, checksum and payload.
fn split(bytes: &[u8]) -> Result<([u8; 4], u32, &[u8]), FrameFault> {
    let mut rest = Fields(bytes);
    let length = rest.array::<4>().ok_or(FrameFault::Incomplete)?;
    let n = u32::from_le_bytes(length) as usize;
    if n == 0 || n > limits::MAX_JOURNAL_RECORD {
        return Err(FrameFault::Length);
    }
    let sum = rest.u32().ok_or(FrameFault::Incomplete)?;
    let payload = rest.take(n).ok_or(FrameFault::Incomplete)?;
    Ok((length, sum, payload))
}

fn put_payload(record: &Record, out: &mut Vec<u8>) {
    let mut put = Out(out);
    match record {
        Record::Identity { upstream_client, accounts } => {
            put.kind(kind::IDENTITY).i32(upstream_client.0).u32(accounts.len() as u32);
            for account in accounts {
                put.bytes(account.as_bytes());
            }
        }
        Record::Floor { next } => put.kind(kind::FLOOR).i32(*next).end(),
        Record::Order { owner, down, up } => put.kind(kind::ORDER).i32(owner.0).i32(down.0).i32(up.0).end(),
        Record::Sequence { owner, next, placed } => {
            put.kind(kind::SEQUENCE).i32(owner.0).i32(*next).i32(*placed).end();
        }
        Record::Arrived { up, perm } => put.kind(kind::ARRIVED).i32(up.0).i64(perm.0).end(),
        Record::Over { up, outcome } => {
            let outcome = match outcome {
                Outcome::Ended => 1,
                Outcome::NeverSent => 2,
            };
            put.kind(kind::OVER).i32(up.0).u8(outcome).end();
        }
        Record::Unknown { up } => put.kind(kind::UNKNOWN).i32(up.0).end(),
        Record::Forgotten { up } => put.kind(kind::FORGOTTEN).i32(up.0).end(),
        Record::Executed { up, exec_id } => put.kind(kind::EXECUTED).i32(up.0).bytes(exec_id).end(),
        Record::Commissioned { exec_id } => put.kind(kind::COMMISSIONED).bytes(exec_id).end(),
        Record::Kept { owner, up, version, payload } => {
            put.kind(kind::KEPT).i32(owner.0).i32(up.0).u16(*version).bytes(payload).end();
        }
        Record::Fetched { owner, count } => put.kind(kind::FETCHED).i32(owner.0).u32(*count).end(),
        Record::Running(running) => put.kind(kind::RUNNING).u8(u8::from(*running)).end(),
        Record::OwnerForgotten { owner } => put.kind(kind::OWNER_FORGOTTEN).i32(owner.0).end(),
    }
}

/// A whole payload and nothing after it.
fn parse(payload: &[u8]) -> Option<Frame> {
    let mut fields = Fields(payload);
    let f = &mut fields;
    let record = match f.u8()? {
        kind::SYNCED => {
            let frame = Frame::Synced { offset: f.u64()?, salt: f.u64()? };
            return f.0.is_empty().then_some(frame);
        }
        kind::IDENTITY => {
            let (upstream_client, n) = (ClientId(f.i32()?), f.u32()?);
            let accounts = (0..n).map(|_| Some(std::str::from_utf8(f.bytes()?).ok()?.to_owned()));
            Record::Identity { upstream_client, accounts: accounts.collect::<Option<_>>()? }
        }
        kind::FLOOR => Record::Floor { next: f.i32()? },
        kind::ORDER => {
            Record::Order { owner: ClientId(f.i32()?), down: DownOrderId(f.i32()?), up: UpOrderId(f.i32()?) }
        }
        kind::SEQUENCE => Record::Sequence { owner: ClientId(f.i32()?), next: f.i32()?, placed: f.i32()? },
        kind::ARRIVED => Record::Arrived { up: UpOrderId(f.i32()?), perm: PermId(f.i64()?) },
        kind::OVER => {
            let up = UpOrderId(f.i32()?);
            let outcome = match f.u8()? {
                1 => Outcome::Ended,
                2 => Outcome::NeverSent,
                _ => return None,
            };
            Record::Over { up, outcome }
        }
        kind::UNKNOWN => Record::Unknown { up: UpOrderId(f.i32()?) },
        kind::FORGOTTEN => Record::Forgotten { up: UpOrderId(f.i32()?) },
        kind::EXECUTED => Record::Executed { up: UpOrderId(f.i32()?), exec_id: f.last_bytes()? },
        kind::COMMISSIONED => Record::Commissioned { exec_id: f.last_bytes()? },
        kind::KEPT => Record::Kept {
            owner: ClientId(f.i32()?),
            up: UpOrderId(f.i32()?),
            version: f.u16()?,
            payload: f.last_bytes()?,
        },
        kind::FETCHED => Record::Fetched { owner: ClientId(f.i32()?), count: f.u32()? },
        kind::RUNNING => match f.u8()? {
            0 => Record::Running(false),
            1 => Record::Running(true),
            _ => return None,
        },
        kind::OWNER_FORGOTTEN => Record::OwnerForgotten { owner: ClientId(f.i32()?) },
        _ => return None,
    };
    f.0.is_empty().then_some(Frame::Record(record))
}

/// Writes fields one after the other.
struct Out<'a>(&'a mut Vec<u8>);

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn kind(&mut self, kind: u8) -> &mut Self {
        self.u8(kind)
    }

    fn u8(&mut self, n: u8) -> &mut Self {
        self.put(&[n])
    }

    fn u16(&mut self, n: u16) -> &mut Self {
        self.put(&n.to_le_bytes())
    }

    fn u32(&mut self, n: u32) -> &mut Self {
        self.put(&n.to_le_bytes())
    }

    fn i32(&mut self, n: i32) -> &mut Self {
        self.put(&n.to_le_bytes())
    }

    fn i64(&mut self, n: i64) -> &mut Self {
        self.put(&n.to_le_bytes())
    }

    /// The length, then the bytes.
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(bytes.len() as u32).put(bytes)
    }

    fn end(&mut self) {}
}

/// Reads fields one after the other; `None` when the bytes end before.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.u32()?;
        self.take(n as usize)
    }

    /// Bytes after which nothing may come; they are copied only when that holds.
    fn last_bytes(&mut self) -> Option<Bytes> {
        let bytes = self.bytes()?;
        self.0.is_empty().then(|| Bytes::copy_from_slice(bytes))
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
