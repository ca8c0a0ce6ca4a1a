//! How the bytes of a connection leave: at once, in drips, or not for the time being; and answers without an end.
//!
//! Owns: what was written and has not left. May not know: what it means, but for ends of answers.
//! Driven by: the rest of the gateway, which writes, and the time.
//!
//! **Nothing is lost and nothing changes its place**, unless the connection is reset. Of a connection that is closed in
//! order, what drips still leaves before its end; what is held back does not.

use bytes::{Buf, Bytes, BytesMut};

use super::{ConnId, Gateway, Output, Timer};
use crate::{
    protocol::{
        self,
        layout::Record,
        model::{EndWhen, Route},
    },
    sim::{config::Drip, rng},
    time::Time,
};

/// What a connection has not been sent yet.
#[derive(Debug, Default)]
pub struct Unsent {
    bytes: BytesMut,
    /// Pieces that have left.
    pieces: u64,
    /// The timer of the next piece; earlier ones mean nothing.
    timer: Option<u64>,
}

impl Gateway {
    /// Bytes leave in pieces of a few of them with pauses in between; `None`: no more, and what waits leaves at once.
    pub fn set_drip(&mut self, now: Time, drip: Option<Drip>) {
        self.advance(now);
        self.config.drip = drip;
        self.send_what_waits();
    }

    /// With `true` nothing leaves, as from a Gateway that hangs while it writes; everything does afterwards.
    pub fn hold_back(&mut self, now: Time, on: bool) {
        self.advance(now);
        self.held_back = on;
        self.send_what_waits();
    }

    /// With `true` no answer ends: what would end one, or the image of a stream, is not sent and never comes. The
    /// clock and the first messages of a session are no answers.
    pub fn set_endless(&mut self, on: bool) {
        self.endless = on;
    }

    /// Whether a message is kept because answers do not end.
    pub(super) fn keeps_end(&mut self, version: u16, id: u16, values: &Record) -> bool {
        let keeps = self.endless && ends_an_answer(version, id, values);
        self.stats.ends_kept += u64::from(keeps);
        keeps
    }

    /// Bytes that were written and have not left, over all connections.
    pub fn unsent(&self) -> usize {
        self.sessions.values().map(|s| s.unsent.bytes.len()).sum()
    }

    /// Bytes of a connection are to leave, behind those that wait.
    pub(super) fn emit(&mut self, conn: ConnId, bytes: Bytes) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if self.config.drip.is_none() && !self.held_back && session.unsent.bytes.is_empty() {
            self.outputs.push_back(Output::Send(conn, bytes));
        } else {
            session.unsent.bytes.extend_from_slice(&bytes);
            self.send_waiting(conn);
        }
    }

    /// The next piece is due.
    pub(super) fn next_piece(&mut self, conn: ConnId, timer: u64) {
        let Some(unsent) = self.sessions.get_mut(&conn).map(|s| &mut s.unsent) else { return };
        if unsent.timer == Some(timer) {
            unsent.timer = None;
            self.send_waiting(conn);
        }
    }

    /// A connection is closed in order: what drips leaves first.
    pub(super) fn drain(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get_mut(&conn).filter(|_| !self.held_back) {
            let rest = session.unsent.bytes.split().freeze();
            if !rest.is_empty() {
                self.outputs.push_back(Output::Send(conn, rest));
            }
        }
    }

    fn send_what_waits(&mut self) {
        for conn in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.send_waiting(conn);
        }
    }

    fn send_waiting(&mut self, conn: ConnId) {
        let Some(drip) = self.config.drip else { return self.drain(conn) };
        let Some(unsent) = self.sessions.get_mut(&conn).map(|s| &mut s.unsent) else { return };
        if self.held_back || unsent.timer.is_some() || unsent.bytes.is_empty() {
            return;
        }
        let size = 1 + rng::below(drip.most as u64, self.config.seed, &[conn.0, unsent.pieces]) as usize;
        let piece = unsent.bytes.copy_to_bytes(size.min(unsent.bytes.len()));
        unsent.pieces += 1;
        self.stats.pieces += 1;
        // A pause also behind the last one: what is written next is a piece of its own.
        let timer = self.counter + 1;
        unsent.timer = Some(timer);
        self.outputs.push_back(Output::Send(conn, piece));
        self.later(drip.pause, Timer::Piece(conn, timer));
    }
}

/// Whether a message is the last of an answer, or of the image of a stream.
fn ends_an_answer(version: u16, id: u16, values: &Record) -> bool {
    match protocol::response(id.into()).map(|r| r.route) {
        Some(Route::Lane { end, .. } | Route::Shared { end, .. }) => end,
        Some(Route::ReqId | Route::Execution) => {
            protocol::requests().iter().flat_map(|r| r.ends).any(|(end, when)| {
                *end == id
                    && match when {
                        EndWhen::Always | EndWhen::Image => true,
                        EndWhen::Done => values.flag("done"),
                        EndWhen::Versions(versions) => versions.has(version),
                    }
            })
        }
        _ => false,
    }
}
