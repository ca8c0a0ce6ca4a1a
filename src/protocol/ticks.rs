//! Ticks: messages of which nothing but the first fields matters on their way, because they go to whoever holds a request
//! id, and the latest of each row stands for all before it.
//!
//! Owns: which messages these are, and finding both numbers in one pass. May not know: who gets them. Driven by: `core`,
//! for most of what a Gateway ever says; hence only the plain case. **What is not plain is no tick here**, and is read
//! with the full tables instead.

use bytes::{BufMut, BytesMut};

use super::dialect::Shape;
use super::model::{Conflate, EndWhen, Response, Role, Route, Row};
use super::requests;
use crate::wire::frame;
use crate::wire::text::{Form, PROTO_OFFSET, RAW_ID_SINCE};

/// Where the numbers of a tick stand, in the form that its message has at a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TickPlaces {
    Text {
        /// Fields of the body before the request id.
        before_id: u8,
        /// Fields between the request id and the number of the row; `None` for a message with one row.
        before_row: Option<u8>,
    },
    Proto {
        /// The field of the request id.
        id: u32,
        /// That of the number of the row; `None` for a message with one row.
        row: Option<u32>,
    },
}

impl TickPlaces {
    /// Of a message that is passed on as a tick at this version.
    pub(super) fn of(shape: &Shape<Response>) -> Option<Self> {
        let (decl, id) = (shape.decl, shape.decl.message.id);
        let rows = match decl.conflate {
            Conflate::Latest(Row::One) => false,
            Conflate::Latest(Row::Key | Row::KeyBut(_)) => true,
            _ => return None,
        };
        let ends = |when: &(u16, EndWhen)| when.0 == id;
        if decl.route != Route::ReqId || requests().iter().any(|request| request.ends.iter().any(ends)) {
            return None;
        }
        if shape.form() == Form::Proto {
            let row = if rows { Some(shape.number_of(Role::RowKey)?) } else { None };
            return Some(TickPlaces::Proto { id: shape.number_of(Role::ReqId)?, row });
        }
        let req_id = shape.index_of(Role::ReqId)?;
        let between = |row: usize| u8::try_from(row.checked_sub(req_id + 1)?).ok();
        Some(TickPlaces::Text {
            before_id: u8::try_from(req_id - 1).ok()?,
            before_row: if rows { Some(between(shape.index_of(Role::RowKey)?)?) } else { None },
        })
    }
}

/// A tick, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick<'a> {
    /// Message id.
    pub id: u16,
    /// The request that it is about.
    pub req_id: i32,
    /// The number that tells its row apart; 0 where there is one row.
    pub row: i32,
    /// All of it.
    pub payload: &'a [u8],
    /// Where the request id stands, in text without its NUL.
    value: (usize, usize),
    places: TickPlaces,
}

/// The most bytes that a request id has on the wire: a negative one, in either form.
pub const MOST_ID_BYTES: usize = 11;

/// A request id as ticks of one form have it.
#[derive(Clone, Copy, Debug)]
pub struct WrittenId {
    bytes: [u8; MOST_ID_BYTES],
    length: usize,
}

impl<'a> Tick<'a> {
    /// A payload as a tick, if it has the form of this one and begins as this one does, up to the end of the request id: then only the
    /// number of the row is looked for.
    pub fn next(&self, payload: &'a [u8]) -> Option<Tick<'a>> {
        let TickPlaces::Text { before_row, .. } = self.places else { return None };
        let after = self.value.1 + 1;
        if !payload.starts_with(&self.payload[..after]) {
            return None;
        }
        Some(Tick { row: row_in_text(payload, after, before_row)?, payload, ..*self })
    }

    /// Whether both write request ids in the same way.
    pub fn writes_ids_like(&self, other: &Tick<'_>) -> bool {
        std::mem::discriminant(&self.places) == std::mem::discriminant(&other.places)
    }

    /// The most bytes that it has as a frame with another request id.
    pub fn longest(&self) -> usize {
        frame::PREFIX + self.payload.len() + MOST_ID_BYTES
    }

    /// A request id as this tick has it.
    pub fn written(&self, req_id: i32) -> WrittenId {
        let mut bytes = [0; MOST_ID_BYTES];
        let length = match self.places {
            TickPlaces::Text { .. } => {
                let mut digits = itoa::Buffer::new();
                let digits = digits.format(req_id).as_bytes();
                bytes[..digits.len()].copy_from_slice(digits);
                digits.len()
            }
            TickPlaces::Proto { .. } => pack(req_id, &mut bytes),
        };
        WrittenId { bytes, length }
    }

    /// Appends a frame with another request id, written as this tick's.
    pub fn put(&self, id: &WrittenId, out: &mut BytesMut) {
        let id = &id.bytes[..id.length];
        let (head, tail) = (&self.payload[..self.value.0], &self.payload[self.value.1..]);
        let length = head.len() + id.len() + tail.len();
        out.reserve(frame::PREFIX + length);
        out.put_u32(length as u32);
        out.put_slice(head);
        out.put_slice(id);
        out.put_slice(tail);
    }
}

/// Takes a payload apart. `None`: it is no tick, or not a plain one.
pub(super) fn tick<'a>(version: u16, places: &[Option<TickPlaces>], payload: &'a [u8]) -> Option<Tick<'a>> {
    let (id, form, at) = match version < RAW_ID_SINCE {
        true => {
            let (id, at) = number(payload, 0)?;
            (u32::try_from(id).ok()?, Form::Text, at)
        }
        false => match u32::from_be_bytes(*payload.first_chunk()?) {
            id if id > PROTO_OFFSET => (id - PROTO_OFFSET, Form::Proto, 4),
            id => (id, Form::Text, 4),
        },
    };
    let places = *places.get(id as usize)?.as_ref()?;
    let (req_id, row, value) = match (places, form) {
        (TickPlaces::Text { before_id, before_row }, Form::Text) => {
            let at = skip(payload, at, before_id)?;
            let (req_id, after) = number(payload, at)?;
            (req_id, row_in_text(payload, after, before_row)?, (at, after - 1))
        }
        (TickPlaces::Proto { id, row }, Form::Proto) => packed_numbers(payload, at, id, row)?,
        _ => return None,
    };
    Some(Tick { id: id as u16, req_id, row, payload, value, places })
}

/// The number of the row, where the field after the request id begins at `after`.
fn row_in_text(payload: &[u8], after: usize, before_row: Option<u8>) -> Option<i32> {
    match before_row {
        Some(between) => Some(number(payload, skip(payload, after, between)?)?.0),
        None => Some(0),
    }
}

/// Request id, number of the row (0 where it is absent), and where the value of the first stands. Each is there once at most.
fn packed_numbers(
    payload: &[u8],
    body: usize,
    id: u32,
    row: Option<u32>,
) -> Option<(i32, i32, (usize, usize))> {
    let (mut req_id, mut number) = (None, None);
    let mut at = body;
    while at < payload.len() {
        let key = *payload.get(at)?;
        at += 1;
        // Of the first fifteen fields, in one byte; ticks have no more.
        let (field, wire) = (u32::from(key >> 3), key & 7);
        if key & 0x80 != 0 || field == 0 {
            return None;
        }
        let begin = at;
        match wire {
            0 => {
                let (value, after) = varint(payload, at)?;
                at = after;
                if field == id && req_id.replace((i32::try_from(value).ok()?, (begin, after))).is_some()
                    || Some(field) == row && number.replace(i32::try_from(value).ok()?).is_some()
                {
                    return None;
                }
                continue;
            }
            1 => at += 8,
            2 => {
                let (length, after) = varint(payload, at)?;
                at = after.checked_add(usize::try_from(length).ok()?)?;
            }
            5 => at += 4,
            _ => return None,
        }
        if field == id || Some(field) == row || at > payload.len() {
            return None;
        }
    }
    let (req_id, value) = req_id?;
    Some((req_id, number.unwrap_or(0), value))
}

/// A number of five bytes at most, and where it ends: of those that matter here none is longer.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut n = 0u64;
    for (length, b) in bytes.get(at..)?.iter().take(5).enumerate() {
        n |= u64::from(b & 0x7F) << (7 * length);
        if b & 0x80 == 0 {
            return Some((n, at + length + 1));
        }
    }
    None
}

/// Writes a number as protobuf does, a negative one in ten bytes; how many they are.
fn pack(n: i32, out: &mut [u8; MOST_ID_BYTES]) -> usize {
    let (mut rest, mut length) = (i64::from(n) as u64, 0);
    while rest >= 0x80 {
        out[length] = rest as u8 | 0x80;
        rest >>= 7;
        length += 1;
    }
    out[length] = rest as u8;
    length + 1
}

/// The number in the field that begins at `at`, written in the one way that it can be written, and where the next field
/// begins.
#[inline]
fn number(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let field = bytes.get(at..)?;
    let (mut n, mut length) = (0u64, 0);
    for b in field {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // It may wrap, but not below eleven digits, and more are refused.
        n = n.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    let is_plain =
        matches!(length, 1..=10) && field.get(length) == Some(&0) && (length == 1 || field[0] != b'0');
    match is_plain && n <= i32::MAX as u64 {
        true => Some((n as i32, at + length + 1)),
        false => None,
    }
}

/// Where the field after so many others begins.
fn skip(bytes: &[u8], at: usize, fields: u8) -> Option<usize> {
    let mut at = at;
    for _ in 0..fields {
        at += bytes.get(at..)?.iter().position(|b| *b == 0)? + 1;
    }
    Some(at)
}
