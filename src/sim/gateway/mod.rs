//! The simulated Gateway as a state machine.
//!
//! Owns: sessions, subscriptions, orders, accounts, the market; what is answered, in which order, and when.
//! May not know: sockets, clocks, threads. Driven by: `sim::server`, which feeds it bytes and the time and carries
//! out its [`Output`]s; tests through `sim::handle`.
//!
//! **Same configuration and same input at the same times, same output.** Nothing depends on hash order, and no
//! random value depends on what other clients asked for.

mod accounts;
mod arrivals;
mod book;
mod bursts;
mod conduct;
mod cuts;
mod depth;
mod faults;
mod fills;
mod history;
mod market;
mod messages;
mod news;
mod open_orders;
mod orders;
mod portfolio;
mod quotes;
mod reference;
mod rejections;
mod reports;
mod requests;
mod restart;
mod scanner;
mod sending;
mod session;
mod subscriptions;
#[cfg(test)]
mod tests;
mod ticks;
mod view;
mod waiting;

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::{LATEST, config::SimConfig, instruments::Instruments, stats::Stats};
use crate::{
    protocol::{
        layout::Record,
        meaning::{self, Subject, Verdict},
        model::Direction,
    },
    sim::dialect,
    time::Time,
    wire::{frame, text::Form},
};
pub use cuts::Cut;
use messages as m;
pub use rejections::{RejectRule, Rejection};
pub use restart::{NextId, Restart};
use session::Session;

/// A connection; counted from 1 and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// What happened to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The client sent these bytes.
    Bytes(&'a [u8]),
    /// The client closed its side.
    Eof,
    /// The client reset the connection, or it broke.
    Reset,
}

/// How a connection is closed from this side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Close {
    /// What was written is delivered first (FIN).
    Graceful,
    /// At once (RST).
    Reset,
}

/// What the shell has to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send these bytes, in one write if the socket takes them.
    Send(ConnId, Bytes),
    /// Close this connection after what was sent.
    Close(ConnId, Close),
}

/// Something that is due later.
#[derive(Clone, Debug)]
enum Timer {
    /// Answer a greeting.
    Greet(ConnId),
    /// The next piece of what drips; the number tells the timer from earlier ones.
    Piece(ConnId, u64),
    /// A request that waits may be due.
    CarryOut(ConnId),
    /// The next update of a subscription; the last number tells it from later ones with the same id.
    Update(ConnId, subscriptions::Key, u64),
    /// A tick that comes after the cancel of its subscription.
    LateTick(ConnId, i32, i64),
    /// A request that is answered with a delay.
    Answer(ConnId, subscriptions::Key, u64),
    /// The pair of a working order once more, if nothing happened to it since.
    Repeat(book::Key, u64),
    /// A fill of a marketable order, if nothing happened to it since.
    Fill(book::Key, u64),
    /// The commission of an execution is known.
    Commission(String),
    /// An immediate-or-cancel order that did not fill.
    Expire(book::Key, u64),
    /// The cancellations of a global cancel.
    CancelAll,
    /// The next step of a moving market.
    Drift(u64),
}

/// Values by which the text form says that there is none, each in its own way. Protobuf has nothing there.
const NONE_IN_TEXT: [(&str, &str); 3] =
    [("right", "0"), ("deltaNeutralOpenClose", "?"), ("liquidation", "0")];

/// The simulated Gateway.
#[derive(Debug)]
pub struct Gateway {
    config: SimConfig,
    stats: Stats,
    now: Time,
    sessions: BTreeMap<ConnId, Session>,
    timers: BTreeMap<(Time, u64), Timer>,
    /// Numbers timers and subscriptions, so that equal times keep their order.
    counter: u64,
    instruments: Instruments,
    book: book::Book,
    arrivals: arrivals::Arrivals,
    cuts: Vec<cuts::Planned>,
    reject_rules: Vec<RejectRule>,
    accounts: portfolio::Accounts,
    farms: Vec<conduct::Farm>,
    bulletins: Vec<news::Bulletin>,
    /// What each display group shows.
    groups: BTreeMap<i32, String>,
    /// Requests are read and not answered.
    mute: bool,
    /// Nothing leaves for the time being.
    held_back: bool,
    /// What ends an answer is not sent.
    endless: bool,
    outputs: VecDeque<Output>,
    /// Connections whose session has something to write, in the order in which it was written.
    dirty: Vec<ConnId>,
}

impl Gateway {
    /// A Gateway in which nothing has happened yet.
    pub fn new(config: SimConfig) -> Self {
        let timers = config.drift_interval.map(|after| ((Time::ZERO + after, 0), Timer::Drift(1)));
        Gateway {
            instruments: Instruments::new(config.generated_symbols),
            book: book::Book::new(config.seed),
            arrivals: arrivals::Arrivals::default(),
            cuts: Vec::new(),
            reject_rules: Vec::new(),
            accounts: portfolio::Accounts::new(&config),
            farms: conduct::farms(),
            bulletins: news::bulletins(),
            groups: BTreeMap::new(),
            stats: Stats::default(),
            now: Time::ZERO,
            sessions: BTreeMap::new(),
            timers: timers.into_iter().collect(),
            counter: 0,
            mute: false,
            held_back: false,
            endless: false,
            outputs: VecDeque::new(),
            dirty: Vec::new(),
            config,
        }
    }

    /// What it was made from, with the changes made since.
    pub fn config(&self) -> &SimConfig {
        &self.config
    }

    /// Changes how it behaves from now on. Accounts and instruments stay as they are.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut SimConfig)) {
        change(&mut self.config);
        self.look_at_all_waiting();
    }

    /// What it has seen.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// When [`Gateway::advance`] has to be called next.
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.keys().next().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let timer = entry.remove();
            self.fire(timer);
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Greet(conn) => self.answer_greeting(conn),
            Timer::Piece(conn, timer) => self.next_piece(conn, timer),
            Timer::CarryOut(conn) => self.carry_out_due(conn),
            Timer::Update(conn, key, generation) => self.update(conn, key, generation),
            Timer::LateTick(conn, req_id, con_id) => self.late_tick(conn, req_id, con_id),
            Timer::Answer(conn, key, generation) => self.answer_late(conn, key, generation),
            Timer::Repeat(key, generation) => self.repeat_order(key, generation),
            Timer::Fill(key, generation) => self.fill(key, generation),
            Timer::Commission(exec_id) => self.late_commission(&exec_id),
            Timer::Expire(key, generation) => self.expire(key, generation),
            Timer::CancelAll => self.cancel_all(),
            Timer::Drift(step) => self.drift(step),
        }
    }

    /// A client has connected.
    pub fn accepted(&mut self, now: Time) -> ConnId {
        self.advance(now);
        self.stats.accepted += 1;
        self.stats.open += 1;
        self.stats.most_open = self.stats.most_open.max(self.stats.open);
        let conn = ConnId(self.stats.accepted);
        self.stats.connections.push(super::stats::ConnectionStats {
            id: conn.0,
            open: true,
            ..Default::default()
        });
        self.sessions.insert(conn, Session::default());
        conn
    }

    /// Something happened to a connection. Unknown and closed connections are ignored.
    pub fn handle(&mut self, now: Time, conn: ConnId, input: Input<'_>) {
        self.advance(now);
        if !self.sessions.contains_key(&conn) {
            return;
        }
        match input {
            Input::Bytes(bytes) => self.received(conn, bytes),
            Input::Eof => {
                if !self.ends_behind_waiting(conn) {
                    self.ended(conn);
                }
            }
            Input::Reset => {
                self.stats.resets += 1;
                self.forget(conn);
            }
        }
    }

    /// Does with a client that closed its side what such clients meet with.
    fn ended(&mut self, conn: ConnId) {
        self.stats.fins += 1;
        if self.config.zombie.keeps_closed_clients() {
            self.stats.zombies += 1;
            self.stats.connections[conn.0 as usize - 1].zombie = true;
        } else {
            self.forget(conn);
            self.outputs.push_back(Output::Close(conn, Close::Graceful));
        }
    }

    /// Whether no connection may be read, because of a client that was not closed or a message that came too early.
    pub fn is_blocked(&self) -> bool {
        self.stats.zombies > 0 || self.stats.wedged || self.config.zombie.never_reads()
    }

    /// What the shell has to do now, in order.
    pub fn outputs(&mut self) -> Vec<Output> {
        self.flush();
        self.outputs.drain(..).collect()
    }

    /// Whether [`Gateway::outputs`] has anything to give.
    pub fn has_outputs(&self) -> bool {
        !self.outputs.is_empty() || !self.dirty.is_empty()
    }

    fn flush(&mut self) {
        for conn in std::mem::take(&mut self.dirty) {
            if let Some(session) = self.sessions.get_mut(&conn) {
                let bytes = std::mem::take(&mut session.out);
                if !bytes.is_empty() {
                    self.emit(conn, bytes.freeze());
                }
            }
        }
    }

    /// Ends a session from this side.
    fn close(&mut self, conn: ConnId, how: Close) {
        self.flush();
        if how == Close::Graceful {
            self.drain(conn);
        }
        if self.forget(conn) {
            self.outputs.push_back(Output::Close(conn, how));
        }
    }

    fn forget(&mut self, conn: ConnId) -> bool {
        self.lose_unread(conn);
        let Some(session) = self.sessions.remove(&conn) else { return false };
        self.stats.lines -= session.lines();
        self.stats.open -= 1;
        let stats = &mut self.stats.connections[conn.0 as usize - 1];
        stats.open = false;
        if std::mem::take(&mut stats.zombie) {
            self.stats.zombies -= 1;
        }
        true
    }

    /// The time of its clock, seconds since 1970.
    fn wall(&self) -> i64 {
        self.config.epoch as i64 + (self.now.0 / 1_000_000) as i64
    }

    fn wall_millis(&self) -> i64 {
        self.config.epoch as i64 * 1000 + (self.now.0 / 1000) as i64
    }

    fn later(&mut self, after: std::time::Duration, timer: Timer) {
        self.counter += 1;
        self.timers.insert((self.now + after, self.counter), timer);
    }

    fn session(&self, conn: ConnId) -> Option<&Session> {
        self.sessions.get(&conn)
    }

    /// Sends one message in which no unit depends on what it is about; see [`Gateway::send_about`].
    fn send(&mut self, conn: ConnId, id: u16, values: &Record) {
        self.send_about(conn, id, values, Subject::default());
    }

    /// Sends one message, if the connection still exists and its version has the message. The values are those that
    /// [`LATEST`] has; older versions get what they mean there.
    fn send_about(&mut self, conn: ConnId, id: u16, values: &Record, subject: Subject) {
        let Some(version) = self.session(conn).map(|s| s.version) else { return };
        if self.keeps_end(version, id, values) {
            return;
        }
        let id = u32::from(id);
        self.write(conn, |version, out| {
            let Some(shape) = dialect(version).response(id) else { return };
            let mut values = values.clone();
            let versions = (LATEST, version);
            if meaning::apply(Direction::Response, id, versions, &subject, &mut values) != Verdict::Pass {
                return;
            }
            match shape.form() {
                Form::Text if version >= meaning::ESCAPED_SINCE => meaning::escape(&mut values),
                Form::Text => {}
                Form::Proto => {
                    for (name, none) in NONE_IN_TEXT {
                        if values.get(name) == Some(none) {
                            values.remove(name);
                        }
                    }
                }
            }
            frame::put_with(out, |out| shape.compose(&values, out));
        });
    }

    fn write(&mut self, conn: ConnId, write: impl FnOnce(u16, &mut BytesMut)) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if self.mute || self.stats.connections[conn.0 as usize - 1].zombie {
            return;
        }
        let was_clean = session.out.is_empty();
        write(session.version, &mut session.out);
        if was_clean && !session.out.is_empty() {
            self.dirty.push(conn);
        }
    }

    /// Sends an error with the current time.
    fn error(&mut self, conn: ConnId, id: i32, code: i32, text: &str) {
        let time = self.wall_millis();
        self.error_at(conn, id, code, text, time);
    }

    fn error_at(&mut self, conn: ConnId, id: i32, code: i32, text: &str, time: i64) {
        let mut values = record! { id: id, errorMsg: text, errorTime: time };
        // One error has no code, which is an absent one in protobuf.
        if code != 0 {
            values.set("errorCode", code);
        }
        self.send(conn, m::ERROR, &values);
    }

    /// Connections whose session has started, oldest first.
    fn started(&self) -> Vec<ConnId> {
        self.sessions.iter().filter(|(_, s)| s.client_id.is_some()).map(|(c, _)| *c).collect()
    }
}
