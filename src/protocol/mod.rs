//! The protocol tables: one declaration per message, and the one interpreter that reads them.
//!
//! Owns: names, numbers, layouts by server version, id positions, kinds, answers, end markers, routing.
//! May not know: clients, sockets, time. Driven by: `core`, `sim`, `cli`.

mod contracts;
mod declare;
pub mod layout;
pub mod model;
mod orders;
mod record;
pub mod requests;
pub mod responses;

#[cfg(test)]
mod tests;

use model::{Request, Response};
use requests::REQUESTS;
use responses::RESPONSES;

/// The declaration of a client's message by its id.
pub fn request(id: u32) -> Option<&'static Request> {
    let at = REQUESTS.binary_search_by_key(&id, |r| u32::from(r.message.id)).ok()?;
    Some(&REQUESTS[at])
}

/// The declaration of a Gateway's message by its id.
pub fn response(id: u32) -> Option<&'static Response> {
    let at = RESPONSES.binary_search_by_key(&id, |r| u32::from(r.message.id)).ok()?;
    Some(&RESPONSES[at])
}

/// All messages of clients, by rising id.
pub fn requests() -> &'static [Request] {
    &REQUESTS
}

/// All messages of the Gateway, by rising id.
pub fn responses() -> &'static [Response] {
    &RESPONSES
}
