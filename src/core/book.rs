//! The book of a depth subscription, rebuilt for those who join later.
//!
//! Messages insert, update and delete at a position of one side; what stands behind it moves. Each place keeps the last
//! message about it, so that market maker and venue stay what they are; the image inserts them from the top down.

use bytes::BytesMut;

use super::route::Heard;
use crate::limits;
use crate::protocol::dialect::Dialect;
use crate::wire::text::{self, Form};

const INSERT: i64 = 0;
const UPDATE: i64 = 1;
const DELETE: i64 = 2;

/// Asks and bids, from the top down.
#[derive(Debug, Default)]
pub struct Book {
    sides: [Vec<Vec<u8>>; 2],
}

impl Book {
    /// Takes in a message. One that makes no sense changes nothing.
    pub fn apply(&mut self, heard: &Heard<'_>, payload: &[u8]) {
        let number = |name| -> Option<i64> {
            let field = heard.shape.field(&heard.message, name).ok()?;
            // Protobuf leaves a zero out.
            field.map_or(Some(0), |text| if text.is_empty() { Some(0) } else { text.parse().ok() })
        };
        let (Some(position), Some(operation), Some(side)) =
            (number("position"), number("operation"), number("side"))
        else {
            return;
        };
        let (Ok(at), Some(side)) =
            (usize::try_from(position), usize::try_from(side).ok().and_then(|side| self.sides.get_mut(side)))
        else {
            return;
        };
        match operation {
            INSERT if at <= side.len() && side.len() < limits::MAX_BOOK_ROWS => {
                side.insert(at, payload.to_vec())
            }
            UPDATE if at < side.len() => payload.clone_into(&mut side[at]),
            // Some feeds begin with updates.
            UPDATE if at == side.len() && at < limits::MAX_BOOK_ROWS => side.push(payload.to_vec()),
            DELETE if at < side.len() => drop(side.remove(at)),
            _ => {}
        }
    }

    /// The messages that build it from nothing.
    pub fn image(&self, dialect: &Dialect) -> Vec<Vec<u8>> {
        let rows = self.sides.iter().flat_map(|side| side.iter().enumerate());
        rows.filter_map(|(at, payload)| as_insert(dialect, payload, at)).collect()
    }

    /// Places that are filled.
    pub fn len(&self) -> usize {
        self.sides.iter().map(Vec::len).sum()
    }
}

/// A message about a place, as the one that inserts it at `at`.
fn as_insert(dialect: &Dialect, payload: &[u8], at: usize) -> Option<Vec<u8>> {
    let message = text::message(payload, dialect.version()).ok()?;
    let shape = dialect.response(message.id)?;
    let mut record = shape.record(&message, Form::Text).ok()?;
    record.set("position", at).set("operation", INSERT);
    let mut out = BytesMut::new();
    shape.compose(&record, &mut out);
    Some(out.to_vec())
}
