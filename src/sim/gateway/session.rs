//! The life of a session: greeting, startApi, whole messages, and the message rate.
//!
//! Order of the first messages: LIVE.md 1. What the messages ask for is `requests`' business.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::{Bytes, BytesMut};

use super::{
    Close, ConnId, Gateway, Timer, arrivals, m,
    sending::Unsent,
    subscriptions::{Key, Subscription},
    waiting::Waiting,
};
use crate::{
    limits,
    protocol::{self, dialect::Shape, layout::Record, model::Request, model::Role},
    sim::{LATEST, clock, dialect, view::Answered},
    time::Time,
    wire::{
        frame::FrameBuffer,
        handshake::{ClientHello, ServerHello},
        text::{self, Form},
    },
};

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    /// Nothing or a part of the greeting was read.
    #[default]
    Greeting,
    /// The greeting is whole, its answer waits.
    Delayed,
    /// The answer was sent; startApi is expected.
    AwaitingStart,
    /// startApi was received.
    Started,
    /// It sent a message too early: nothing of it is read any more.
    Stuck,
}

/// One connection's state.
#[derive(Debug, Default)]
pub struct Session {
    pub phase: Phase,
    buffer: FrameBuffer,
    hello: Option<ClientHello>,
    pub version: u16,
    pub client_id: Option<i32>,
    pub out: BytesMut,
    /// What was written and has not left.
    pub unsent: Unsent,
    pub subscriptions: BTreeMap<Key, Subscription>,
    /// What reqMarketDataType asked for; 0 and 1 are live.
    pub market_data_type: i32,
    pub binds_orders: bool,
    /// Account whose updates are subscribed.
    pub account: Option<String>,
    pub positions: bool,
    pub bulletins: bool,
    pub last_clock: Option<Time>,
    /// Requests that are carried out later.
    pub waiting: Waiting,
    /// Historical queries of the last seconds that pacing looks at.
    pub history: Vec<(Time, String)>,
    /// Times of the messages of the last second.
    recent: VecDeque<Time>,
    last_strike: Option<Time>,
    strikes: u32,
}

impl Session {
    /// Market data lines in use.
    pub fn lines(&self) -> u64 {
        self.subscriptions.values().filter(|s| s.feed.is_line()).count() as u64
    }

    /// Whole messages that were read from the socket and not carried out; they are so no more.
    pub fn unread(&mut self) -> Vec<Bytes> {
        let waiting = self.waiting.take_all();
        let behind = std::iter::from_fn(|| self.buffer.next(limits::MAX_FRAME).ok().flatten());
        waiting.into_iter().chain(behind).collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);

impl Gateway {
    pub(super) fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.phase == Phase::Greeting && session.buffer.pending().is_empty() && !bytes.is_empty() {
            self.stats.handshakes_started += 1;
        }
        session.buffer.extend(bytes);
        self.read_buffer(conn);
    }

    fn read_buffer(&mut self, conn: ConnId) {
        if !self.read_greeting(conn) {
            return;
        }
        // Closing or wedging in the middle ends the loop: the session is gone or not read any more.
        while let Some(session) = self.sessions.get_mut(&conn) {
            if session.phase == Phase::Stuck {
                return;
            }
            match session.buffer.next(limits::MAX_FRAME) {
                Ok(Some(payload)) => self.message(conn, &payload),
                Ok(None) => return,
                Err(e) => {
                    self.malformed(&e.to_string());
                    self.close(conn, Close::Graceful);
                }
            }
        }
    }

    /// Whether the greeting is behind this connection.
    fn read_greeting(&mut self, conn: ConnId) -> bool {
        let Some(session) = self.sessions.get_mut(&conn) else { return false };
        match session.phase {
            Phase::Greeting => {}
            Phase::Delayed | Phase::Stuck => return false,
            Phase::AwaitingStart | Phase::Started => return true,
        }
        let hello = match ClientHello::take(&mut session.buffer, limits::MAX_GREETING) {
            Ok(Some(hello)) => hello,
            Ok(None) => return false,
            Err(_) => {
                self.stats.handshakes_refused += 1;
                self.close(conn, Close::Graceful);
                return false;
            }
        };
        session.phase = Phase::Delayed;
        let stats = &mut self.stats.connections[conn.0 as usize - 1];
        stats.range = Some((hello.min, hello.max));
        stats.options.clone_from(&hello.options);
        session.hello = Some(hello);
        match self.config.handshake_delay {
            Duration::ZERO => self.reply(conn),
            delay => {
                self.later(delay, Timer::Greet(conn));
                false
            }
        }
    }

    /// The delay of a greeting is over.
    pub(super) fn answer_greeting(&mut self, conn: ConnId) {
        if self.reply(conn) {
            self.read_buffer(conn);
        }
    }

    fn reply(&mut self, conn: ConnId) -> bool {
        let Some(hello) = self.sessions.get_mut(&conn).and_then(|s| s.hello.take()) else { return false };
        if let Some(other) = self.config.redirect.clone() {
            self.write(conn, |_, out| {
                crate::wire::frame::put_with(out, |out| {
                    text::put_int(-1, out);
                    text::put_str(&other, out);
                });
            });
            self.close(conn, Close::Graceful);
            return false;
        }
        let version = hello.max.min(self.config.max_version.min(LATEST));
        if version < hello.min || version < 100 {
            self.stats.handshakes_refused += 1;
            self.close(conn, Close::Graceful);
            return false;
        }
        let time = self
            .config
            .time_string
            .clone()
            .unwrap_or_else(|| format!("{} CET", clock::stamp(self.wall() + 3600, " ")));
        self.write(conn, |_, out| ServerHello { version, time }.put(out));
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.version = version;
            session.phase = Phase::AwaitingStart;
        }
        self.stats.connections[conn.0 as usize - 1].version = Some(version);
        true
    }

    fn malformed(&mut self, why: &str) {
        self.stats.malformed += 1;
        self.stats.last_malformed = why.to_owned();
    }

    fn message(&mut self, conn: ConnId, payload: &Bytes) {
        let Some((version, phase)) = self.session(conn).map(|s| (s.version, s.phase)) else { return };
        self.stats.messages += 1;
        self.stats.connections[conn.0 as usize - 1].messages += 1;
        let message = match text::message(payload, version) {
            Ok(message) => message,
            Err(e) => {
                self.malformed(&e.to_string());
                return self.error(conn, -1, 320, &format!("Error reading request. {e}"));
            }
        };
        let known = protocol::request(message.id);
        // Unknown ids are counted together: there can be any number of them.
        *self.stats.by_id.entry(known.map_or(0, |_| message.id)).or_default() += 1;
        if phase != Phase::Started && known.is_none_or(|k| k.message.name != "startApi") {
            self.stats.early_messages += 1;
            if self.config.strict_startapi {
                self.stats.wedged = true;
                self.sessions.entry(conn).and_modify(|s| s.phase = Phase::Stuck);
            }
            return;
        }
        if !self.within_rate(conn) {
            if let Some(request) = dialect(version).request(message.id) {
                let values = request.record(&message, Form::Text).unwrap_or_else(|_| Record::new());
                self.record_as(conn, request.message.name, &values, Answered::Refused(100));
            }
            return;
        }
        if phase != Phase::Started || !self.has_to_wait(conn, payload) {
            self.carry_out(conn, payload);
        }
    }

    /// Carries a message out that was counted before.
    pub(super) fn carry_out(&mut self, conn: ConnId, payload: &Bytes) {
        let Some((version, phase)) = self.session(conn).map(|s| (s.version, s.phase)) else { return };
        let Ok(message) = text::message(payload, version) else { return };
        let request = match dialect(version).request(message.id) {
            Some(request) => request,
            None => {
                self.malformed(&format!("there is no request {}", message.id));
                return self.error(
                    conn,
                    -1,
                    320,
                    &format!("Error reading request. Unknown message id {}", message.id),
                );
            }
        };
        match request.record(&message, Form::Text) {
            Ok(values) if phase == Phase::Started && arrivals::is_recorded(request.message.name) => {
                self.order_message(conn, request.decl, values);
            }
            Ok(_) if self.mute => {}
            Ok(values) if phase != Phase::Started => self.start_api(conn, &values),
            Ok(values) => self.request(conn, request.decl, values),
            Err(e) => {
                self.malformed(&format!("{} at {version}: {e}", request.message.name));
                let id = id_of(request, &message);
                let values = record! { orderId: id };
                self.record_as(conn, request.message.name, &values, Answered::Refused(320));
                self.error(conn, id, 320, &format!("Error reading request. {e}"));
            }
        }
    }

    /// Counts a message against the rate; false when it is refused.
    fn within_rate(&mut self, conn: ConnId) -> bool {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&conn) else { return false };
        session.recent.push_back(now);
        while session.recent.front().is_some_and(|t| now.since(*t) >= SECOND) {
            session.recent.pop_front();
        }
        let count = session.recent.len() as u32;
        self.stats.most_in_a_second = self.stats.most_in_a_second.max(count);
        let Some(most) = self.config.messages_per_second.filter(|most| count > *most) else { return true };
        // A burst is one violation: the next one counts after a second.
        if session.last_strike.is_none_or(|t| now.since(t) >= SECOND) {
            session.last_strike = Some(now);
            session.strikes += 1;
            let strikes = session.strikes;
            self.stats.rate_violations += 1;
            let text = format!(
                "Max rate of messages per second has been exceeded: max={most} rec={count} ({strikes})"
            );
            self.error(conn, -1, 100, &text);
            if strikes >= self.config.rate_strikes {
                self.close(conn, Close::Graceful);
            }
        }
        false
    }

    fn start_api(&mut self, conn: ConnId, request: &Record) {
        let id = request.int("clientId").unwrap_or_default() as i32;
        let stats = &mut self.stats.connections[conn.0 as usize - 1];
        stats.capabilities = request.get("optionalCapabilities").unwrap_or_default().to_owned();
        stats.client_id = Some(id);
        if self.sessions.values().any(|s| s.client_id == Some(id)) {
            self.stats.duplicate_client_ids += 1;
            let text = "Unable to connect as the client id is already in use. Retry with a unique client id.";
            self.error(conn, -1, 326, text);
            return self.close(conn, Close::Graceful);
        }
        self.stats.handshakes_completed += 1;
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.phase = Phase::Started;
            session.client_id = Some(id);
        }
        let own = self.orders_shown_at_start(id);
        for key in &own {
            self.show_order(conn, *key);
        }
        if !own.is_empty() {
            self.send(conn, m::OPEN_ORDER_END, &Record::new());
        }
        if self.config.next_id_first {
            self.send_next_valid_id(conn);
            self.send_farms(conn, 0..1);
            self.send_managed_accounts(conn);
            self.send_farms(conn, 1..usize::MAX);
        } else {
            self.send_managed_accounts(conn);
            self.send_next_valid_id(conn);
            self.send_farms(conn, 0..usize::MAX);
        }
    }

    pub(super) fn send_managed_accounts(&mut self, conn: ConnId) {
        let list = self.config.accounts.join(",");
        self.send(conn, m::MANAGED_ACCOUNTS, &record! { accountsList: list });
    }

    pub(super) fn send_next_valid_id(&mut self, conn: ConnId) {
        let Some(client) = self.session(conn).and_then(|s| s.client_id) else { return };
        // A read-only session knows no orders.
        let next = if self.config.read_only { 1 } else { self.next_order_id(client) };
        self.send(conn, m::NEXT_VALID_ID, &record! { orderId: next });
    }
}

/// The id of a request that could not be read as a whole, as far as it can be found; -1 otherwise.
fn id_of(request: &Shape<Request>, message: &text::Message<'_>) -> i32 {
    let id = |role| i32::try_from(request.int(message, role).ok()??).ok();
    id(Role::ReqId).or_else(|| id(Role::OrderId)).unwrap_or(-1)
}
