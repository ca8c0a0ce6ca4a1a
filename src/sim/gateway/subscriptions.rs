//! What a session is subscribed to, and when each subscription moves on.
//!
//! Owns: the life of a subscription from its request to its cancel. The messages of each kind are made in the file
//! of that kind.

use std::time::Duration;

use super::{ConnId, Gateway, Timer, depth, history, m, market, ticks};
use crate::protocol::layout::Record;

/// A subscription of a session: message id of its request, and request id.
pub type Key = (u16, i32);

/// What it is about.
#[derive(Clone, Debug)]
pub enum Feed {
    /// Streaming quotes or a snapshot.
    Quotes(market::Quotes),
    /// An order book.
    Depth(depth::Depth),
    /// Single ticks.
    TickByTick(ticks::TickByTick),
    /// Five-second bars.
    RealtimeBars(i64),
    /// Historical bars that are kept up to date.
    BarUpdates(history::Query),
    /// A historical request that was not answered yet.
    History(Record),
    /// A market scanner.
    Scanner(Record),
    /// An account's profit and loss.
    Pnl(String),
    /// That of one position.
    PnlSingle(String, i64),
    /// An account summary: group and tags.
    Summary(String, String),
    /// Positions of an account.
    Positions(String),
    /// Values of an account, and whether only the ledger.
    Account(String, bool),
    /// A display group.
    Group(i32),
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// What it is about.
    pub feed: Feed,
    /// How often it was updated.
    pub step: u64,
    /// Tells it from later ones with the same key.
    pub generation: u64,
}

impl Feed {
    /// Whether it takes a market data line.
    pub fn is_line(&self) -> bool {
        matches!(
            self,
            Feed::Quotes(_)
                | Feed::Depth(_)
                | Feed::TickByTick(_)
                | Feed::RealtimeBars(_)
                | Feed::BarUpdates(_)
        )
    }

    /// Whether it takes a line and goes on until it is cancelled.
    pub fn is_stream(&self) -> bool {
        self.is_line() && !matches!(self, Feed::Quotes(quotes) if quotes.snapshot)
    }
}

impl Gateway {
    /// Begins a subscription; `first` is when its first update is due.
    pub(super) fn subscribe(&mut self, conn: ConnId, key: Key, feed: Feed, first: Option<Duration>) {
        self.counter += 1;
        let generation = self.counter;
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        self.stats.lines += u64::from(feed.is_line());
        session.subscriptions.insert(key, Subscription { feed, step: 0, generation });
        if let Some(after) = first {
            self.later(after, Timer::Update(conn, key, generation));
        }
    }

    /// Ends a subscription and gives back what it was.
    pub(super) fn unsubscribe(&mut self, conn: ConnId, key: Key) -> Option<Subscription> {
        let ended = self.sessions.get_mut(&conn)?.subscriptions.remove(&key)?;
        self.stats.lines -= u64::from(ended.feed.is_line());
        Some(ended)
    }

    /// The subscriptions of a session that `wanted` picks.
    pub(super) fn count(&self, conn: ConnId, wanted: impl Fn(&Feed) -> bool) -> usize {
        self.session(conn).map_or(0, |s| s.subscriptions.values().filter(|s| wanted(&s.feed)).count())
    }

    /// All subscriptions of all sessions that `pick` finds something in.
    pub(super) fn subscribers<T>(&self, pick: impl Fn(&Feed) -> Option<T>) -> Vec<(ConnId, i32, T)> {
        let mut found = Vec::new();
        for (conn, session) in &self.sessions {
            for ((_, req_id), subscription) in &session.subscriptions {
                if let Some(t) = pick(&subscription.feed) {
                    found.push((*conn, *req_id, t));
                }
            }
        }
        found
    }

    pub(super) fn update(&mut self, conn: ConnId, key: Key, generation: u64) {
        let subscription = self.session(conn).and_then(|s| s.subscriptions.get(&key));
        if subscription.is_none_or(|s| s.generation != generation) {
            return;
        }
        if let Some(after) = self.update_once(conn, key) {
            self.later(after, Timer::Update(conn, key, generation));
        }
    }

    /// The next update of a subscription, and when the one after it is due.
    pub(super) fn update_once(&mut self, conn: ConnId, key: Key) -> Option<Duration> {
        let subscription = self.sessions.get_mut(&conn)?.subscriptions.get_mut(&key)?;
        subscription.step += 1;
        let Subscription { feed, step, .. } = subscription.clone();
        let req_id = key.1;
        match feed {
            Feed::Quotes(quotes) => self.update_quotes(conn, key, &quotes, step),
            Feed::Depth(depth) => self.update_depth(conn, req_id, &depth, step),
            Feed::TickByTick(ticks) => self.update_ticks(conn, req_id, &ticks, step),
            Feed::RealtimeBars(con_id) => self.update_realtime_bars(conn, req_id, con_id, step),
            Feed::BarUpdates(query) => self.update_bars(conn, req_id, &query, step),
            Feed::Scanner(request) => self.update_scanner(conn, req_id, &request),
            Feed::Pnl(account) => self.send_pnl(conn, req_id, &account),
            Feed::PnlSingle(account, con_id) => self.send_pnl_single(conn, req_id, &account, con_id),
            Feed::Summary(group, tags) => self.refresh_summary(conn, req_id, &group, &tags),
            Feed::History(_) | Feed::Positions(_) | Feed::Account(..) | Feed::Group(_) => None,
        }
    }

    /// A cancel whose subscription needs no words of its own.
    pub(super) fn cancel_quietly(&mut self, conn: ConnId, request: &Record, of: u16) {
        self.unsubscribe(conn, (of, req_id(request)));
    }

    /// Cancel of quotes, depth, ticks or bars: an unknown id draws `code`.
    pub(super) fn cancel_line(&mut self, conn: ConnId, request: &Record, of: u16, code: i32) {
        let id = req_id(request);
        match self.unsubscribe(conn, (of, id)).map(|s| s.feed) {
            Some(Feed::Quotes(q)) if self.config.ticks_after_cancel => {
                self.later(Duration::from_millis(2), Timer::LateTick(conn, id, q.con_id));
            }
            Some(_) => {}
            None => {
                let text = match code {
                    310 => format!("Can't find the subscribed market depth with tickerId:{id}"),
                    _ => format!("Can't find EId with tickerId:{id}"),
                };
                self.error(conn, id, code, &text);
            }
        }
    }

    pub(super) fn late_tick(&mut self, conn: ConnId, req_id: i32, con_id: i64) {
        let Some(instrument) = self.instruments.by_id(con_id) else { return };
        let (size, subject) = (instrument.quote(self.config.seed, 0).bid_size, instrument.subject());
        let values = record! { reqId: req_id, tickType: 0, size: size };
        self.send_about(conn, m::TICK_SIZE, &values, subject);
    }
}

/// The request id of a request; every layout that is asked for one has it.
pub fn req_id(request: &Record) -> i32 {
    request.int("reqId").and_then(|n| i32::try_from(n).ok()).unwrap_or(-1)
}
