//! Single ticks and five-second bars as streams (messages 99 and 50).

use std::time::Duration;

use super::{
    ConnId, Gateway, m,
    subscriptions::{Feed, req_id},
};
use crate::{
    protocol::layout::Record,
    sim::instruments::{Instrument, number},
};

/// Which ticks are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TickKind {
    /// Trades on the exchange.
    Last,
    /// All trades.
    AllLast,
    /// Best bid and ask.
    BidAsk,
    /// Middle of both.
    MidPoint,
}

impl TickKind {
    fn named(name: &str) -> Option<TickKind> {
        Some(match name {
            "Last" => TickKind::Last,
            "AllLast" => TickKind::AllLast,
            "BidAsk" => TickKind::BidAsk,
            "MidPoint" => TickKind::MidPoint,
            _ => return None,
        })
    }

    /// Its number in message 99.
    fn number(self) -> i32 {
        match self {
            TickKind::Last => 1,
            TickKind::AllLast => 2,
            TickKind::BidAsk => 3,
            TickKind::MidPoint => 4,
        }
    }
}

/// A tick-by-tick subscription.
#[derive(Clone, Debug)]
pub struct TickByTick {
    pub con_id: i64,
    kind: TickKind,
}

impl Gateway {
    pub(super) fn req_ticks(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let Some(kind) = TickKind::named(r.get("tickType").unwrap_or_default()) else {
            return self.validation(conn, id, "Invalid tick-by-tick type");
        };
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        if !instrument.quoted || instrument.sec_type == "OPT" {
            let what = format!("{} {}", instrument.exchange(), instrument.sec_type);
            let text = format!("Failed to request tick-by-tick data.No market data permissions for {what}.");
            return self.error(conn, id, 10189, &text);
        }
        if !self.config.live_data {
            let text = "Failed to request tick-by-tick data.No market data permissions for ISLAND STK.";
            return self.error(conn, id, 10189, text);
        }
        if self.count(conn, |f| matches!(f, Feed::TickByTick(_))) >= self.config.tick_by_tick_lines {
            return self.error(conn, id, 10190, "Max number of tick-by-tick requests has been reached.");
        }
        let history = r.int("numberOfTicks").unwrap_or_default().clamp(0, 1000);
        if history > 0 {
            let what = match kind {
                TickKind::Last | TickKind::AllLast => "TRADES",
                TickKind::BidAsk => "BID_ASK",
                TickKind::MidPoint => "MIDPOINT",
            };
            self.send_historical_ticks(conn, id, &instrument, what, history, self.wall() - history);
        }
        let feed = Feed::TickByTick(TickByTick { con_id: instrument.con_id, kind });
        self.subscribe(conn, (97, id), feed, Some(self.config.tick_interval));
    }

    pub(super) fn update_ticks(
        &mut self,
        conn: ConnId,
        id: i32,
        ticks: &TickByTick,
        step: u64,
    ) -> Option<Duration> {
        let instrument = self.instruments.by_id(ticks.con_id)?;
        let (q, subject) = (instrument.quote(self.config.seed, step), instrument.subject());
        let mut values = record! { reqId: id, tickType: ticks.kind.number(), time: self.wall(), attrMask: 0 };
        match ticks.kind {
            TickKind::Last | TickKind::AllLast => {
                values.set("price", number(q.last)).set("size", q.last_size).set("exchange", "NASDAQ");
                // The step number makes every tick of a stream different from all others.
                values.set("specialConditions", format!("T{step}"));
            }
            TickKind::BidAsk => {
                values.set("bidPrice", number(q.bid)).set("askPrice", number(q.ask));
                values.set("bidSize", q.bid_size).set("askSize", q.ask_size);
            }
            TickKind::MidPoint => {
                values.set("midPoint", number((q.bid + q.ask) / 2.0));
            }
        }
        self.send_about(conn, m::TICK_BY_TICK, &values, subject);
        Some(self.config.tick_interval)
    }

    pub(super) fn req_realtime_bars(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let what = r.get("whatToShow").unwrap_or_default();
        if !matches!(what, "TRADES" | "BID" | "ASK" | "MIDPOINT") {
            return self.validation(conn, id, "What to show field is missing or incorrect.");
        }
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        if !instrument.quoted || !self.config.live_data {
            let text = format!(
                "Invalid Real-time Query:No market data permissions for {} {}",
                instrument.exchange(),
                instrument.sec_type
            );
            return self.error(conn, id, 420, &text);
        }
        self.subscribe(conn, (50, id), Feed::RealtimeBars(instrument.con_id), Some(self.config.bar_interval));
    }

    pub(super) fn update_realtime_bars(
        &mut self,
        conn: ConnId,
        id: i32,
        con_id: i64,
        step: u64,
    ) -> Option<Duration> {
        let instrument = self.instruments.by_id(con_id)?.clone();
        // Bars begin at multiples of five seconds, whatever the pace at which they are made here.
        let begin = self.config.epoch as i64 / 5 * 5 + 5 * step as i64;
        let bar = self.bar(&instrument, step);
        let values = record! {
            reqId: id,
            time: begin,
            open: number(bar.open),
            high: number(bar.high),
            low: number(bar.low),
            close: number(bar.close),
            volume: bar.volume,
            wap: number(bar.wap),
            count: bar.count,
        };
        self.send_about(conn, m::REALTIME_BAR, &values, instrument.subject());
        Some(self.config.bar_interval)
    }

    /// Bar number `n` of a contract.
    pub(super) fn bar(&self, instrument: &Instrument, n: u64) -> Bar {
        let seed = self.config.seed;
        let (a, b) = (instrument.quote(seed, n), instrument.quote(seed, n + 1));
        Bar {
            open: a.last,
            close: b.last,
            high: instrument.round(a.last.max(b.last) + 2.0 * instrument.tick),
            low: instrument.round(a.last.min(b.last) - 2.0 * instrument.tick),
            wap: instrument.round((a.last + b.last) / 2.0),
            volume: a.bid_size + b.ask_size,
            count: 1 + a.last_size / 100,
        }
    }
}

/// Open, high, low, close and what goes with them.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub wap: f64,
    pub volume: u64,
    pub count: u64,
}
