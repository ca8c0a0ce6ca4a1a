//! Market data requests: which kind of data is granted, lines, snapshots, reroutes (LIVE.md 4).

use std::time::Duration;

use super::{
    ConnId, Gateway, m,
    subscriptions::{Feed, Key, req_id},
};
use crate::{
    protocol::layout::Record,
    sim::{
        instruments::{Instrument, NoMatch, number},
        rng,
    },
};

/// A streaming or snapshot subscription to quotes.
#[derive(Clone, Debug)]
pub struct Quotes {
    pub con_id: i64,
    /// Market data type granted: 1 live, 3 delayed.
    pub granted: i32,
    pub snapshot: bool,
    /// Generic tick types asked for, as text (`mdoff` among them).
    pub generic: Vec<String>,
}

const NO_ENTITLEMENT: &str = "Requested market data requires additional subscription for API. See link in 'Market Data Connections' dialog for more details.Delayed market data is available.";

impl Gateway {
    /// The one contract that a request means; otherwise error 200 under `id`.
    pub(super) fn resolve(&mut self, conn: ConnId, id: i32, request: &Record) -> Option<Instrument> {
        match self.instruments.one(request) {
            Ok(found) => Some(found.clone()),
            Err(NoMatch::Unknown) => {
                self.error(conn, id, 200, "No security definition has been found for the request");
                None
            }
            Err(NoMatch::Ambiguous) => {
                let symbol = request.get("symbol").unwrap_or_default();
                let text = format!("The contract description specified for {symbol} is ambiguous.");
                self.error(conn, id, 200, &text);
                None
            }
        }
    }

    /// The type of data that this session gets for a contract: currencies are always live, the rest is delayed
    /// when the client asked for delayed data or has no right to live data but asked for delayed.
    fn granted(&self, conn: ConnId, instrument: &Instrument) -> Option<i32> {
        let delayed = self.session(conn).is_some_and(|s| s.market_data_type >= 3);
        match (instrument.sec_type, delayed) {
            ("CASH", _) => Some(1),
            (_, true) => Some(3),
            (_, false) => self.config.live_data.then_some(1),
        }
    }

    pub(super) fn req_market_data(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let snapshot = r.flag("snapshot");
        if r.flag("regulatorySnapshot") && !self.config.regulatory_snapshots {
            // The only error without a code.
            return self.error(conn, id, 0, "Internal server error");
        }
        if r.get("secType") == Some("BAG") {
            return self.req_combination(conn, id, snapshot);
        }
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        if instrument.sec_type == "CFD" {
            let values = record! { reqId: id, conId: instrument.under, exchange: "SMART" };
            return self.send(conn, m::REROUTE_MARKET_DATA, &values);
        }
        let generic: Vec<String> = r
            .get("genericTickList")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(String::from)
            .collect();
        if generic.iter().any(|t| t == "258") {
            return self.error(conn, id, 10358, "Fundamentals data is not allowed.");
        }
        if snapshot && !generic.is_empty() {
            return self.validation(
                conn,
                id,
                "Snapshot market data subscription is not applicable to generic ticks",
            );
        }
        if self.count(conn, |f| matches!(f, Feed::Quotes(_))) >= self.config.market_data_lines {
            return self.error(conn, id, 101, "Max number of tickers has been reached");
        }
        let Some(granted) = self.granted(conn, &instrument) else {
            self.send_parameters(conn, id, &instrument);
            let text = format!("{NO_ENTITLEMENT}{} {}/TOP/ALL", instrument.symbol, venue(&instrument));
            return self.error(conn, id, 10089, &text);
        };
        let quotes = Quotes { con_id: instrument.con_id, granted, snapshot, generic };
        self.begin_quotes(conn, id, &instrument, quotes);
    }

    fn begin_quotes(&mut self, conn: ConnId, id: i32, instrument: &Instrument, quotes: Quotes) {
        let only_news = quotes.generic.iter().any(|t| t == "mdoff");
        let news = quotes.generic.iter().any(|t| t.starts_with("292"));
        if !instrument.quoted {
            // Nothing but the parameters, and for a snapshot the end.
            self.send_parameters(conn, id, instrument);
            let end = quotes.snapshot.then_some(self.config.empty_snapshot_time);
            return self.subscribe(conn, (1, id), Feed::Quotes(quotes), end);
        }
        if !only_news {
            let type_first = rng::below(2, self.config.seed, &[instrument.con_id as u64]) == 0;
            let delayed = quotes.granted == 3;
            if type_first {
                self.send_data_type(conn, id, quotes.granted);
            }
            self.send_parameters(conn, id, instrument);
            if !type_first {
                self.send_data_type(conn, id, quotes.granted);
            }
            if delayed && !type_first && !quotes.snapshot {
                let text = "Requested market data is not subscribed. Displaying delayed market data.";
                self.error(conn, id, 10167, text);
            }
            self.send_image(conn, id, instrument, &quotes);
        }
        if news {
            self.send_tick_news(conn, id, instrument, 0);
        }
        let first = match quotes.snapshot {
            true => self.config.snapshot_time,
            false => self.config.tick_interval,
        };
        self.subscribe(conn, (1, id), Feed::Quotes(quotes), Some(first));
    }

    /// Combinations have no market here: no tick ever comes.
    fn req_combination(&mut self, conn: ConnId, id: i32, snapshot: bool) {
        let quotes = Quotes { con_id: 0, granted: 1, snapshot, generic: Vec::new() };
        let end = snapshot.then_some(self.config.empty_snapshot_time);
        self.subscribe(conn, (1, id), Feed::Quotes(quotes), end);
    }

    fn send_data_type(&mut self, conn: ConnId, id: i32, granted: i32) {
        self.send(conn, m::MARKET_DATA_TYPE, &record! { reqId: id, marketDataType: granted });
    }

    fn send_parameters(&mut self, conn: ConnId, id: i32, instrument: &Instrument) {
        // Older clients do not know the message; the version at which servers began to send it is not known exactly.
        if self.session(conn).is_none_or(|s| s.version < 114) {
            return;
        }
        let exchange = if instrument.sec_type == "CASH" { "" } else { "9c0001" };
        let values = record! {
            reqId: id,
            minTick: number(instrument.tick),
            bboExchange: exchange,
            snapshotPermissions: if exchange.is_empty() { 0 } else { 4 },
            lastPricePrecision: "0.000001",
            lastSizePrecision: "0.000001",
        };
        self.send(conn, m::TICK_REQ_PARAMS, &values);
    }

    pub(super) fn update_quotes(
        &mut self,
        conn: ConnId,
        key: Key,
        quotes: &Quotes,
        step: u64,
    ) -> Option<Duration> {
        if quotes.snapshot {
            self.send(conn, m::SNAPSHOT_END, &record! { reqId: key.1 });
            self.unsubscribe(conn, key);
            return None;
        }
        let instrument = self.instruments.by_id(quotes.con_id)?.clone();
        if !quotes.generic.iter().any(|t| t == "mdoff") {
            self.send_ticks(conn, key.1, &instrument, quotes, step);
        }
        if step.is_multiple_of(40) && quotes.generic.iter().any(|t| t.starts_with("292")) {
            self.send_tick_news(conn, key.1, &instrument, step);
        }
        Some(self.config.tick_interval)
    }
}

/// Where a contract trades, as error texts say it.
pub fn venue(instrument: &Instrument) -> String {
    match instrument.trading_class {
        "NMS" => "NASDAQ.NMS".into(),
        class => format!("{}.{class}", instrument.exchange()),
    }
}
