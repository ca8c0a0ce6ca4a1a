//! A slow Gateway: requests that wait before they are carried out.
//!
//! **The requests of a connection are carried out in the order in which they came**, also when the delay is changed while
//! some of them wait. That a client has closed is noticed behind them; when its connection breaks they are lost.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{ConnId, Gateway, Timer, arrivals::is_recorded, session::Phase};
use crate::{
    limits,
    protocol::layout::Record,
    sim::{dialect, view::Answered},
    time::Time,
    wire::text::{self, Form},
};

/// The requests of one connection that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    /// When each arrived, and the message.
    queue: VecDeque<(Time, Bytes)>,
    /// When the last one was carried out.
    done: Time,
    /// When the first one will be looked at.
    alarm: Option<Time>,
    /// Behind them the client has closed its side.
    ended: bool,
}

impl Waiting {
    fn due(&self, delay: Duration, one_at_a_time: bool) -> Option<Time> {
        let (arrived, _) = self.queue.front()?;
        Some(if one_at_a_time { *arrived.max(&self.done) } else { *arrived } + delay)
    }

    /// Empties it.
    pub fn take_all(&mut self) -> Vec<Bytes> {
        self.queue.drain(..).map(|(_, payload)| payload).collect()
    }
}

impl Gateway {
    /// Whether a message waits from now on. If not, it is carried out at once.
    pub(super) fn has_to_wait(&mut self, conn: ConnId, payload: &Bytes) -> bool {
        let (now, delay) = (self.now, self.config.answer_delay);
        let Some(session) = self.sessions.get_mut(&conn) else { return false };
        let waiting = &mut session.waiting;
        if delay.is_zero() && waiting.queue.is_empty() {
            return false;
        }
        waiting.queue.push_back((now, payload.clone()));
        self.stats.waiting += 1;
        if waiting.queue.len() > limits::MAX_SIM_WAITING {
            self.carry_out_first(conn, now);
        }
        self.carry_out_due(conn);
        true
    }

    /// Carries out what is due of a connection, and looks again when the next one is.
    pub(super) fn carry_out_due(&mut self, conn: ConnId) {
        let (delay, one_at_a_time) = (self.config.answer_delay, self.config.answers_one_at_a_time);
        while let Some(session) = self.sessions.get_mut(&conn) {
            let waiting = &mut session.waiting;
            match waiting.due(delay, one_at_a_time) {
                Some(due) if due <= self.now => self.carry_out_first(conn, due),
                Some(due) => {
                    if waiting.alarm.replace(due) != Some(due) {
                        self.later(due.since(self.now), Timer::CarryOut(conn));
                    }
                    return;
                }
                None => {
                    if std::mem::take(&mut waiting.ended) {
                        self.flush();
                        self.ended(conn);
                    }
                    return;
                }
            }
        }
    }

    fn carry_out_first(&mut self, conn: ConnId, due: Time) {
        let Some(waiting) = self.sessions.get_mut(&conn).map(|s| &mut s.waiting) else { return };
        if let Some((_, payload)) = waiting.queue.pop_front() {
            waiting.done = due;
            self.stats.waiting -= 1;
            self.carry_out(conn, &payload);
        }
    }

    /// The delay may have changed: looks at every connection, as soon as the time is told.
    pub(super) fn look_at_all_waiting(&mut self) {
        let some = |(conn, session): (&ConnId, &super::Session)| {
            (!session.waiting.queue.is_empty()).then_some(*conn)
        };
        for conn in self.sessions.iter().filter_map(some).collect::<Vec<_>>() {
            self.later(Duration::ZERO, Timer::CarryOut(conn));
        }
    }

    /// Whether there are requests that wait, behind which the end of a connection is noticed.
    pub(super) fn ends_behind_waiting(&mut self, conn: ConnId) -> bool {
        let Some(waiting) = self.sessions.get_mut(&conn).map(|s| &mut s.waiting) else { return false };
        waiting.ended = !waiting.queue.is_empty();
        waiting.ended
    }

    /// A connection is over: what was read and not carried out is lost.
    pub(super) fn lose_unread(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(&conn).filter(|s| s.phase == Phase::Started) else {
            return;
        };
        self.stats.waiting -= session.waiting.queue.len() as u64;
        let version = session.version;
        for payload in session.unread() {
            let Ok(message) = text::message(&payload, version) else { continue };
            let Some(request) = dialect(version).request(message.id) else { continue };
            let name = request.message.name;
            if is_recorded(name) {
                let values = request.record(&message, Form::Text).unwrap_or_else(|_| Record::new());
                self.record_as(conn, name, &values, Answered::Lost);
            }
        }
    }
}
