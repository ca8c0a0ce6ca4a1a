//! Ticks: messages of which nothing but the first fields matters on their way, because they go to whoever holds a request
//! id, and the latest of each row stands for all before it.
//!
//! Owns: which messages these are, and finding both numbers in one pass. May not know: who gets them. Driven by: `core`,
//! for most of what a Gateway ever says; hence only the plain case. **What is not plain is no tick here**, and is read
//! with the full tables instead.

use super::dialect::Shape;
use super::model::{Conflate, EndWhen, Response, Role, Route, Row};
use super::requests;
use crate::wire::text::{Form, RAW_ID_SINCE};

/// Where the numbers of a tick stand in its text form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TickPlaces {
    /// Fields of the body before the request id.
    before_id: u8,
    /// Fields between the request id and the number of the row; `None` for a message with one row.
    before_row: Option<u8>,
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
        if decl.route != Route::ReqId
            || shape.form() != Form::Text
            || requests().iter().any(|request| request.ends.iter().any(ends))
        {
            return None;
        }
        let req_id = shape.index_of(Role::ReqId)?;
        let between = |row: usize| u8::try_from(row.checked_sub(req_id + 1)?).ok();
        Some(TickPlaces {
            before_id: u8::try_from(req_id - 1).ok()?,
            before_row: if rows { Some(between(shape.index_of(Role::RowKey)?)?) } else { None },
        })
    }
}

/// A tick, taken apart. Its payload is `head`, the request id in decimal, `tail`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick<'a> {
    /// Message id.
    pub id: u16,
    /// The request that it is about.
    pub req_id: i32,
    /// The number that tells its row apart; 0 where there is one row.
    pub row: i32,
    /// What comes before the request id.
    pub head: &'a [u8],
    /// What comes after it, the NUL included.
    pub tail: &'a [u8],
}

/// Takes a payload apart. `None`: it is no tick, or not a plain one.
pub(super) fn tick<'a>(version: u16, places: &[Option<TickPlaces>], payload: &'a [u8]) -> Option<Tick<'a>> {
    let (id, mut at) = match version < RAW_ID_SINCE {
        true => number(payload, 0)?,
        // What is a protobuf message has a number above all of the table.
        false => (i32::from_be_bytes(*payload.first_chunk()?), 4),
    };
    let id = u16::try_from(id).ok()?;
    let places = places.get(usize::from(id))?.as_ref()?;
    at = skip(payload, at, places.before_id)?;
    let (req_id, after) = number(payload, at)?;
    let row = match places.before_row {
        Some(between) => number(payload, skip(payload, after, between)?)?.0,
        None => 0,
    };
    Some(Tick { id, req_id, row, head: &payload[..at], tail: &payload[after - 1..] })
}

/// The number in the field that begins at `at`, written in the one way that it can be written, and where the next field
/// begins.
fn number(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let field = bytes.get(at..)?;
    let mut n = 0u32;
    for (length, b) in field.iter().take(11).enumerate() {
        match b {
            b'0'..=b'9' => n = n.checked_mul(10)?.checked_add(u32::from(b - b'0'))?,
            0 if length > 0 && (field[0] != b'0' || length == 1) => {
                return Some((i32::try_from(n).ok()?, at + length + 1));
            }
            _ => return None,
        }
    }
    None
}

/// Where the field after so many others begins.
fn skip(bytes: &[u8], at: usize, fields: u8) -> Option<usize> {
    let mut at = at;
    for _ in 0..fields {
        at += bytes.get(at..)?.iter().position(|b| *b == 0)? + 1;
    }
    Some(at)
}
