//! The protocol tables: one declaration per message, and the one interpreter that reads them.
//!
//! Owns: names, numbers, layouts by server version, id positions, kinds, answers, end markers, routing.
//! May not know: clients, sockets, time. Driven by: `core`, `sim`, `cli`.
//!
//! # A new message
//! One entry in [`requests`](mod@requests) or [`responses`](mod@responses), at its place by id, in the words of
//! `declare.rs`; nothing else. A request says how long it lives, what becomes of it, what it can draw and what ends
//! it; a response says to whom it goes. Give every id, key and flag its [`Role`](model::Role) in both forms: that is
//! what id rewriting and routing read. The tests in `tests/` then check the entry against all others.
//!
//! # A new server version
//! Give the fields it brings `.since(N)` where they stand in the layout, and those it takes away `.until(N)`. A field
//! that is dead but still written keeps its place with `.fixed(..)`. A message that turns to protobuf gets `.proto(..)`
//! with the version; its text form stays, because older clients go on using it. Where an id moves, add its new place to
//! the facts in `tests/positions.rs`. A new way to decide whether a group is present is a new [`Cond`](model::Cond)
//! and a line in `layout.rs`.

mod contracts;
pub mod declare;
pub mod dialect;
pub mod layout;
pub mod meaning;
pub mod model;
mod orders;
pub mod pacing;
pub mod plan;
#[macro_use]
mod record;
pub mod requests;
pub mod responses;
pub mod schema;
pub mod ticks;
pub mod transcode;

#[cfg(test)]
mod tests;

use model::{Request, Response};
use requests::REQUESTS;
use responses::RESPONSES;

/// Where the declaration of each message id stands. It is asked for with every frame, and the tables are too large to be searched
/// by somebody in a hurry: each step is memory that was not needed since the last frame.
macro_rules! by_id {
    ($table:ident) => {{
        assert!($table.len() < NONE as usize, "a number for each, and one for none");
        let (mut at, mut n) = ([NONE; HIGHEST_ID + 1], 0);
        while n < $table.len() {
            at[$table[n].message.id as usize] = n as u8;
            n += 1;
        }
        at
    }};
}

/// More than any message's.
const HIGHEST_ID: usize = 255;
const NONE: u8 = u8::MAX;
static REQUEST_AT: [u8; HIGHEST_ID + 1] = by_id!(REQUESTS);
static RESPONSE_AT: [u8; HIGHEST_ID + 1] = by_id!(RESPONSES);

/// The declaration of a client's message by its id.
pub fn request(id: u32) -> Option<&'static Request> {
    REQUESTS.get(usize::from(*REQUEST_AT.get(id as usize)?))
}

/// The declaration of a Gateway's message by its id.
pub fn response(id: u32) -> Option<&'static Response> {
    RESPONSES.get(usize::from(*RESPONSE_AT.get(id as usize)?))
}

/// All messages of clients, by rising id.
pub fn requests() -> &'static [Request] {
    &REQUESTS
}

/// All messages of the Gateway, by rising id.
pub fn responses() -> &'static [Response] {
    &RESPONSES
}
