//! Historical data: bars (once, or kept up to date), schedules, head timestamps, histograms, ticks.

use std::time::Duration;

use super::{
    ConnId, Gateway, Timer, m,
    subscriptions::{Feed, Key, req_id},
};
use crate::{
    protocol::layout::Record,
    sim::{
        clock::{self, DAY},
        instruments::{Instrument, number},
    },
};

/// What bars are asked for.
#[derive(Clone, Debug)]
pub struct Query {
    pub con_id: i64,
    /// Length of a bar, seconds; a day and more means whole days.
    size: i64,
    /// First and last moment, UTC.
    begin: i64,
    end: i64,
    /// Whole trading days; otherwise the span from `begin` to `end`.
    days: Option<usize>,
    regular_hours: bool,
    /// Dates as seconds since 1970.
    epoch_dates: bool,
}

const SIZES: [(&str, i64); 21] = [
    ("1 secs", 1),
    ("5 secs", 5),
    ("10 secs", 10),
    ("15 secs", 15),
    ("30 secs", 30),
    ("1 min", 60),
    ("2 mins", 120),
    ("3 mins", 180),
    ("5 mins", 300),
    ("10 mins", 600),
    ("15 mins", 900),
    ("20 mins", 1200),
    ("30 mins", 1800),
    ("1 hour", 3600),
    ("2 hours", 7200),
    ("3 hours", 10_800),
    ("4 hours", 14_400),
    ("8 hours", 28_800),
    ("1 day", DAY),
    ("1 week", 7 * DAY),
    ("1 month", 30 * DAY),
];
/// No answer has more bars.
const MOST_BARS: usize = 5000;

/// Seconds and trading days of a duration text such as `2 D`. Only durations in seconds are exact; the others mean
/// whole trading days.
fn duration(text: &str) -> Option<(i64, Option<usize>)> {
    let (count, unit) = text.trim().split_once(' ')?;
    let count: i64 = count.parse().ok().filter(|n| (1..=100_000).contains(n))?;
    let (calendar, trading) = match unit {
        "S" => return Some((count, None)),
        "D" => (count + count * 2 / 5 + 3, count),
        "W" => (count * 7, count * 5),
        "M" => (count * 30, count * 21),
        "Y" => (count * 365, count * 252),
        _ => return None,
    };
    // Nothing here is a hundred years old.
    (calendar <= 36_525).then_some((calendar * DAY, Some(trading as usize)))
}

impl Query {
    /// When bars begin, oldest first.
    fn begins(&self) -> Vec<i64> {
        let mut begins = Vec::new();
        let first_day = (self.begin + clock::eastern_offset(self.begin)).div_euclid(DAY);
        let last_day = (self.end + clock::eastern_offset(self.end)).div_euclid(DAY);
        // Newest first, so that the limit keeps the newest.
        let days = (first_day..=last_day).rev().filter(|d| clock::is_trading_day(*d));
        let earliest = if self.days.is_some() { i64::MIN } else { self.begin };
        // A day of which nothing has been traded yet is none of those that are asked for.
        let (mut counted, most) = (0, self.days.unwrap_or(usize::MAX));
        for day in days {
            let before = begins.len();
            if counted == most || before >= MOST_BARS {
                break;
            }
            let midnight = day * DAY - clock::eastern_offset(day * DAY + DAY / 2);
            if self.size >= DAY {
                let days = self.size / DAY;
                let wanted =
                    days == 1 || (days == 7 && clock::weekday(day) == 5) || crate::time::civil(day).2 == 1;
                if wanted && midnight < self.end {
                    begins.push(midnight);
                }
                counted += 1;
                continue;
            }
            let (open, close) = if self.regular_hours { (34_200, 57_600) } else { (14_400, 72_000) };
            let bars = (close - open + self.size - 1) / self.size;
            let begin = |n| midnight + open + n * self.size;
            begins.extend((0..bars).rev().map(begin).filter(|t| *t >= earliest && *t < self.end));
            counted += usize::from(begins.len() > before);
        }
        begins.truncate(MOST_BARS);
        begins.reverse();
        begins
    }

    fn date(&self, begin: i64) -> String {
        match (self.epoch_dates, self.size >= DAY) {
            (_, true) => clock::date((begin + clock::eastern_offset(begin)).div_euclid(DAY)),
            (true, false) => begin.to_string(),
            (false, false) => clock::eastern(begin),
        }
    }
}

impl Gateway {
    pub(super) fn req_history(&mut self, conn: ConnId, r: Record) {
        let id = req_id(&r);
        let most = self.config.historical_queries;
        if self.count(conn, |f| matches!(f, Feed::History(_) | Feed::BarUpdates(_))) >= most {
            let cause = format!("Only {most} simultaneous API historical data requests");
            return self.processing(conn, id, &cause);
        }
        let small = r.get("barSizeSetting").is_some_and(|s| SIZES[..5].iter().any(|(name, _)| *name == s));
        if small && self.comes_too_soon(conn, &r) {
            let text =
                "Historical Market Data Service error message:Historical data request pacing violation";
            return self.error(conn, id, 162, text);
        }
        match self.config.historical_delay {
            Duration::ZERO => self.answer_history(conn, id, &r),
            delay => {
                self.subscribe(conn, (20, id), Feed::History(r), None);
                let generation = self.counter;
                self.later(delay, Timer::Answer(conn, (20, id), generation));
            }
        }
    }

    /// Whether the same query was made less than 15 seconds ago; notes it if not.
    fn comes_too_soon(&mut self, conn: ConnId, r: &Record) -> bool {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&conn).filter(|_| self.config.historical_pacing) else {
            return false;
        };
        let query = r.iter().filter(|(name, _)| *name != "reqId").map(|(_, value)| value).collect::<Vec<_>>();
        let query = query.join("\u{1f}");
        session.history.retain(|(at, _)| now.since(*at) < Duration::from_secs(15));
        if session.history.iter().any(|(_, q)| *q == query) {
            return true;
        }
        session.history.push((now, query));
        false
    }

    pub(super) fn answer_late(&mut self, conn: ConnId, key: Key, generation: u64) {
        let same = |s: &super::Session| s.subscriptions.get(&key).is_some_and(|s| s.generation == generation);
        if !self.session(conn).is_some_and(same) {
            return;
        }
        if let Some(Feed::History(r)) = self.unsubscribe(conn, key).map(|s| s.feed) {
            self.answer_history(conn, key.1, &r);
        }
    }

    fn answer_history(&mut self, conn: ConnId, id: i32, r: &Record) {
        let text = |name| r.get(name).unwrap_or_default();
        let kept = r.flag("keepUpToDate");
        let Some((_, size)) = SIZES.iter().find(|(name, _)| *name == text("barSizeSetting")) else {
            let legal: Vec<_> = SIZES.iter().map(|(name, _)| *name).collect();
            let cause =
                format!("Historical data bar size setting is invalid. Legal ones are: {}", legal.join(", "));
            return self.validation(conn, id, &cause);
        };
        let Some((length, days)) = duration(text("durationStr")) else {
            return self.validation(conn, id, "Historical data query duration is invalid.");
        };
        let end = match text("endDateTime") {
            "" => Some(self.wall()),
            _ if kept => None,
            given => clock::parse(given),
        };
        let Some(end) = end else {
            return self.error(
                conn,
                id,
                10314,
                "End Date/Time: The date, time, or time-zone entered is invalid.",
            );
        };
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        if !instrument.quoted {
            let text = "Historical Market Data Service error message:HMDS query returned no data: ";
            return self.error(conn, id, 162, &format!("{text}{}", instrument.local_symbol));
        }
        if !self.config.live_data {
            let text = "Up-to-the-second historical data requires additional subscription for the API.";
            return self.error(conn, id, 2188, text);
        }
        let query = Query {
            con_id: instrument.con_id,
            size: *size,
            begin: end - length,
            end,
            days,
            regular_hours: r.flag("useRTH") || instrument.sec_type == "OPT",
            epoch_dates: text("formatDate") == "2",
        };
        match text("whatToShow") {
            "SCHEDULE" => return self.send_schedule(conn, id, &query),
            "TRADES"
            | "MIDPOINT"
            | "BID"
            | "ASK"
            | "BID_ASK"
            | "ADJUSTED_LAST"
            | "HISTORICAL_VOLATILITY"
            | "OPTION_IMPLIED_VOLATILITY"
            | "FEE_RATE"
            | "AGGTRADES" => {}
            _ => return self.validation(conn, id, "What to show field is missing or incorrect."),
        }
        self.send_bars(conn, id, &instrument, &query);
        if kept {
            self.subscribe(conn, (20, id), Feed::BarUpdates(query), Some(self.config.bar_interval));
        }
    }

    fn send_bars(&mut self, conn: ConnId, id: i32, instrument: &Instrument, query: &Query) {
        let Some(version) = self.session(conn).map(|s| s.version) else { return };
        let span = record! {
            reqId: id,
            startDate: clock::eastern(query.begin),
            endDate: clock::eastern(query.end),
        };
        let mut values = span.clone();
        for begin in query.begins() {
            let bar = self.bar(instrument, (begin / query.size) as u64);
            values.push(
                "itemCount",
                record! {
                    date: query.date(begin),
                    open: number(bar.open),
                    high: number(bar.high),
                    low: number(bar.low),
                    close: number(bar.close),
                    volume: bar.volume,
                    wap: number(bar.wap),
                    hasGaps: "false",
                    barCount: bar.count,
                },
            );
        }
        self.send_about(conn, m::HISTORICAL_DATA, &values, instrument.subject());
        if version >= 196 {
            self.send(conn, m::HISTORICAL_END, &span);
        }
    }

    pub(super) fn update_bars(
        &mut self,
        conn: ConnId,
        id: i32,
        query: &Query,
        step: u64,
    ) -> Option<Duration> {
        let instrument = self.instruments.by_id(query.con_id)?.clone();
        // Three updates to every bar: the newest one first, then new bars.
        let begin = query.end.div_euclid(query.size) * query.size + (step / 3) as i64 * query.size;
        let bar = self.bar(&instrument, (begin / query.size) as u64);
        let values = record! {
            reqId: id,
            barCount: bar.count + step % 3,
            date: query.date(begin),
            open: number(bar.open),
            close: number(bar.close),
            high: number(bar.high),
            low: number(bar.low),
            wap: number(bar.wap),
            volume: bar.volume + 100 * (step % 3),
        };
        self.send_about(conn, m::HISTORICAL_UPDATE, &values, instrument.subject());
        Some(self.config.bar_interval)
    }

    pub(super) fn cancel_history(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        match self.unsubscribe(conn, (20, id)) {
            Some(_) => {
                let text = format!(
                    "Historical Market Data Service error message:API historical data query cancelled: {id}"
                );
                self.error(conn, id, 162, &text);
            }
            None => {
                self.error(conn, id, 366, &format!("No historical data query found for ticker id:{id}"));
            }
        }
    }

    fn send_schedule(&mut self, conn: ConnId, id: i32, query: &Query) {
        let mut values = record! {
            reqId: id,
            startDateTime: clock::stamp(query.begin + clock::eastern_offset(query.begin), "-"),
            endDateTime: clock::stamp(query.end + clock::eastern_offset(query.end), "-"),
            timeZone: "US/Eastern",
        };
        let days = query.begin.div_euclid(DAY)..=query.end.div_euclid(DAY);
        let newest_first = days.rev().filter(|d| clock::is_trading_day(*d));
        let mut days: Vec<_> = newest_first.take(query.days.unwrap_or(usize::MAX)).collect();
        days.reverse();
        for day in days {
            let date = clock::date(day);
            let row = record! {
                startDateTime: format!("{date}-09:30:00"),
                endDateTime: format!("{date}-16:00:00"),
                refDate: date,
            };
            values.push("sessionsCount", row);
        }
        self.send(conn, m::SCHEDULE, &values);
    }

    pub(super) fn head_timestamp(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        if !instrument.quoted {
            let text = "Historical Market Data Service error message:No head time stamp";
            return self.error(conn, id, 162, text);
        }
        let stamp = match r.get("formatDate") {
            Some("2") => "345479400".to_owned(),
            _ => "19801212-14:30:00".to_owned(),
        };
        self.send(conn, m::HEAD_TIMESTAMP, &record! { reqId: id, headTimestamp: stamp });
    }

    pub(super) fn histogram(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        let mut values = record! { reqId: id };
        for n in 0..20u64 {
            let price = instrument.round(instrument.price + (n as f64 - 10.0) * instrument.tick);
            let size = 1000 + instrument.quote(self.config.seed, n).bid_size;
            values.push("pointsCount", record! { price: number(price), size: size });
        }
        self.send_about(conn, m::HISTOGRAM, &values, instrument.subject());
    }

    pub(super) fn historical_ticks(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let count = r.int("numberOfTicks").unwrap_or_default();
        let (start, end) =
            (r.get("startDateTime").unwrap_or_default(), r.get("endDateTime").unwrap_or_default());
        if start.is_empty() == end.is_empty() {
            return self.validation(conn, id, "Either start date/time or end date/time must be specified");
        }
        if !(1..=1000).contains(&count) {
            return self.validation(conn, id, "Number of ticks must be between 1 and 1000");
        }
        let first = match (clock::parse(start), clock::parse(end)) {
            (Some(start), _) => start,
            (None, Some(end)) => end - count,
            (None, None) => return self.validation(conn, id, "Invalid date/time format"),
        };
        let what = r.get("whatToShow").unwrap_or_default();
        if !matches!(what, "TRADES" | "MIDPOINT" | "BID_ASK") {
            return self.validation(conn, id, "What to show field is missing or incorrect.");
        }
        if self.comes_too_soon(conn, r) {
            let text =
                "Historical Market Data Service error message:Historical data request pacing violation";
            return self.error(conn, id, 162, text);
        }
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        if !self.config.live_data {
            let text = "Failed to request historical ticks:No market data permissions";
            return self.error(conn, id, 10187, text);
        }
        self.send_historical_ticks(conn, id, &instrument, what, count, first);
    }

    /// One message with `count` ticks, one a second from `first` on.
    pub(super) fn send_historical_ticks(
        &mut self,
        conn: ConnId,
        id: i32,
        instrument: &Instrument,
        what: &str,
        count: i64,
        first: i64,
    ) {
        let mut values = record! { reqId: id, done: true };
        for n in 0..count {
            let time = first + n;
            let q = instrument.quote(self.config.seed, time as u64);
            let mut row = record! { time: time, attrMask: 0 };
            match what {
                "TRADES" => {
                    row.set("price", number(q.last)).set("size", q.last_size).set("exchange", "NASDAQ");
                    row.set("specialConditions", "");
                }
                "BID_ASK" => {
                    row.set("priceBid", number(q.bid)).set("priceAsk", number(q.ask));
                    row.set("sizeBid", q.bid_size).set("sizeAsk", q.ask_size);
                }
                _ => {
                    row.set("price", number((q.bid + q.ask) / 2.0)).set("size", 0);
                }
            }
            values.push("tickCount", row);
        }
        let message = match what {
            "TRADES" => m::HISTORICAL_LAST,
            "BID_ASK" => m::HISTORICAL_BID_ASK,
            _ => m::HISTORICAL_TICKS,
        };
        self.send_about(conn, message, &values, instrument.subject());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str, size: i64, end: &str) -> Query {
        let end = clock::parse(end).unwrap();
        let (length, days) = duration(text).unwrap();
        Query { con_id: 1, size, begin: end - length, end, days, regular_hours: true, epoch_dates: false }
    }

    #[test]
    fn a_day_of_minutes_is_the_regular_session() {
        let query = query("1 D", 60, "20261123 20:00:00 US/Eastern");
        let begins = query.begins();
        assert_eq!(begins.len(), 390);
        assert_eq!(query.date(begins[0]), "20261123 09:30:00 US/Eastern");
        assert_eq!(query.date(begins[389]), "20261123 15:59:00 US/Eastern");
    }

    #[test]
    fn days_skip_the_weekend() {
        let query = query("2 D", DAY, "20261123 20:00:00 US/Eastern");
        let dates: Vec<_> = query.begins().into_iter().map(|b| query.date(b)).collect();
        assert_eq!(dates, ["20261120", "20261123"]);
    }

    #[test]
    fn before_the_session_begins_the_last_one_is_answered() {
        for (end, day) in
            [("20261124 00:20:00 US/Eastern", "20261123"), ("20261123 09:00:00 US/Eastern", "20261120")]
        {
            let query = query("1 D", 300, end);
            let begins = query.begins();
            assert_eq!(begins.len(), 78, "{end}");
            assert_eq!(query.date(begins[0]), format!("{day} 09:30:00 US/Eastern"));
        }
    }

    #[test]
    fn seconds_are_exact() {
        let query = query("600 S", 60, "20261123 15:00:00 US/Eastern");
        assert_eq!(query.begins().len(), 10);
    }
}
