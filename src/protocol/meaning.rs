//! Versions at which a value changes its meaning and not only its presence: units, formats, what an older client can
//! read. Every row says what is done in both directions; docs/versions.md has the same rows for people.
//!
//! Owns: the rows and what they do to a record. May not know: bytes, clients.

use std::borrow::Cow;

use super::{model::Direction, record::Record};

/// What a response is about, as far as units depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Subject {
    /// A stock at a US exchange: its sizes were counted in lots of 100 shares once.
    pub us_stock: bool,
    /// The time now, milliseconds since the epoch.
    pub now_ms: u64,
}

/// What becomes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on as it is now.
    Pass,
    /// The other version knows nothing like it.
    Drop,
    /// The other version would take it for something else.
    Refuse(String),
}

type Change = fn(u32, &Subject, &mut Record) -> Verdict;

/// One such version.
#[derive(Debug)]
pub struct Row {
    /// First server version with the new meaning.
    pub since: u16,
    /// Which way the messages go.
    pub direction: Direction,
    /// Their ids; none: all.
    pub messages: &'static [u32],
    /// What changed, and what is done about it.
    pub what: &'static str,
    /// From a version with the new meaning to one with the old meaning.
    older: Change,
    /// From the old to the new one.
    newer: Change,
}

/// Requests whose answers count US stocks in lots or in shares, by the version of [`ROWS`] that decides.
const COUNTED: [(u16, &[u16]); 3] = [(159, &[1, 10, 97]), (175, &[20, 50, 88, 96, 97]), (220, &[1])];

/// All these requests, a bit for each.
const EVER_COUNTED: u128 = {
    let (mut all, mut row) = (0, 0);
    while row < COUNTED.len() {
        let mut n = 0;
        while n < COUNTED[row].1.len() {
            all |= 1u128 << COUNTED[row].1[n];
            n += 1;
        }
        row += 1;
    }
    all
};

/// All of them, by rising version.
pub static ROWS: [Row; 19] = [
    Row {
        since: 101,
        direction: Direction::Response,
        messages: &[3, 5, 7, 11, 61],
        what: "Quantities of orders, executions and positions may have fractions. Older clients get the whole part.",
        older: |_, _, r| whole(r, &["filled", "remaining", "totalQuantity", "position", "shares", "cumQty"]),
        newer: pass,
    },
    Row {
        since: 101,
        direction: Direction::Request,
        messages: &[3],
        what: "Orders may be about fractions. Refused at older versions.",
        older: |_, _, r| match r.float("totalQuantity").is_some_and(|n| n.fract() != 0.0) {
            true => Verdict::Refuse("quantities are whole numbers below server version 101".into()),
            false => Verdict::Pass,
        },
        newer: pass,
    },
    Row {
        since: 102,
        direction: Direction::Response,
        messages: &[5],
        what: "openOrder has the stop price of trailing orders twice, and the second one counts. It is written twice.",
        older: pass,
        newer: |_, _, r| match r.get("trailStopPrice") {
            None | Some("") => Verdict::Pass,
            Some(_) => copy(r, "trailStopPrice", "trailStopPrice2"),
        },
    },
    Row {
        since: 109,
        direction: Direction::Response,
        messages: &[1],
        what: "The mask of tickPrice has more bits than canAutoExecute. Older clients get that bit alone.",
        older: |_, _, r| mask(r, 1),
        newer: pass,
    },
    Row {
        since: 132,
        direction: Direction::Response,
        messages: &[1],
        what: "The mask of tickPrice has a bit for the pre-open. Older clients do not get it.",
        older: |_, _, r| mask(r, 3),
        newer: pass,
    },
    Row {
        since: 153,
        direction: Direction::Response,
        messages: &[],
        what: "In text, characters outside ASCII are written as \\uXXXX. Older clients and protobuf get the characters.",
        older: pass,
        newer: pass,
    },
    Row {
        since: 159,
        direction: Direction::Response,
        messages: &[1, 2, 12, 13, 46, 99],
        what: "Sizes of quotes of US stocks are shares, before they were lots of 100. Converted.",
        older: |id, s, r| {
            quotes(id, s, r, Count::Lots);
            whole_sizes(id, r)
        },
        newer: |id, s, r| quotes(id, s, r, Count::Shares),
    },
    Row {
        since: 163,
        direction: Direction::Response,
        messages: &[1, 2, 12, 13, 17, 50, 89, 90, 95, 96, 97, 98, 99],
        what: "Sizes may have fractions. Older clients get the whole part.",
        older: |id, _, r| whole_sizes(id, r),
        newer: pass,
    },
    Row {
        since: 164,
        direction: Direction::Response,
        messages: &[10],
        what: "sizeMinTick became minSize, sizeIncrement and suggestedSizeIncrement. Version 163 gets sizeIncrement.",
        older: |_, _, r| copy(r, "sizeIncrement", "sizeMinTick"),
        newer: |_, _, r| copy(r, "sizeMinTick", "sizeIncrement"),
    },
    Row {
        since: 165,
        direction: Direction::Request,
        messages: &[20],
        what: "Historical data can be a SCHEDULE. Refused at older versions.",
        older: |_, _, r| match r.get("whatToShow") {
            Some("SCHEDULE") => Verdict::Refuse("trading schedules need server version 165".into()),
            _ => Verdict::Pass,
        },
        newer: pass,
    },
    Row {
        since: 175,
        direction: Direction::Response,
        messages: &[17, 50, 89, 90, 96, 97, 98],
        what: "Volumes and sizes of historical data of US stocks are shares, before they were lots of 100. Converted.",
        older: |id, s, r| history(id, s, r, Count::Lots),
        newer: |id, s, r| history(id, s, r, Count::Shares),
    },
    Row {
        since: 177,
        direction: Direction::Request,
        messages: &[18, 19],
        what: "Profiles of financial advisors (data type 2) are gone. Refused from there on.",
        older: pass,
        newer: |_, _, r| match r.get("faDataType") {
            Some("2") => {
                Verdict::Refuse("profiles of financial advisors are gone from server version 177 on".into())
            }
            _ => Verdict::Pass,
        },
    },
    Row {
        since: 194,
        direction: Direction::Response,
        messages: &[4],
        what: "Errors have a time. From older versions they get the time at which they came.",
        older: pass,
        newer: |_, s, r| {
            r.set("errorTime", s.now_ms);
            Verdict::Pass
        },
    },
    Row {
        since: 202,
        direction: Direction::Request,
        messages: &[1, 3, 7, 9, 10, 20, 21, 50, 52, 54, 55, 87, 88, 96, 97],
        what: "A strike of 0 is a strike, before it was the same as none. From older clients it is none, but for options.",
        older: pass,
        newer: |_, _, r| zero_strike(r),
    },
    Row {
        since: 214,
        direction: Direction::Response,
        messages: &[],
        what: "Times in UTC may end with a Z. Older clients get them without; none is added.",
        older: |_, _, r| strip_zulu(r),
        newer: pass,
    },
    Row {
        since: 214,
        direction: Direction::Request,
        messages: &[],
        what: "Times in UTC may end with a Z. Older versions get them without; none is added.",
        older: |_, _, r| strip_zulu(r),
        newer: pass,
    },
    Row {
        since: 220,
        direction: Direction::Response,
        messages: &[2, 46],
        what: "Volumes of the day of US stocks are shares, before they were lots of 100. Converted.",
        older: |id, s, r| volumes(id, s, r, Count::Lots),
        newer: |id, s, r| volumes(id, s, r, Count::Shares),
    },
    Row {
        since: 222,
        direction: Direction::Response,
        messages: &[1, 2],
        what: "The size of the last trade may have a fraction. Older clients get the whole part.",
        older: |_, _, r| match r.int("tickType") {
            Some(4 | 5 | 68 | 71) => whole(r, &["size"]),
            _ => Verdict::Pass,
        },
        newer: pass,
    },
    Row {
        since: 225,
        direction: Direction::Response,
        messages: &[1, 2, 46],
        what: "Quotes of odd lots have tick types of their own, 105 to 110. Older clients do not get them.",
        older: |_, _, r| match r.int("tickType") {
            Some(105..=110) => Verdict::Drop,
            _ => Verdict::Pass,
        },
        newer: pass,
    },
];

fn pass(_: u32, _: &Subject, _: &mut Record) -> Verdict {
    Verdict::Pass
}

/// The rows that lie between two versions, for a message.
fn between(
    direction: Direction,
    id: u32,
    from: u16,
    to: u16,
) -> impl DoubleEndedIterator<Item = &'static Row> {
    let (low, high) = (from.min(to), from.max(to));
    ROWS.iter().filter(move |row| {
        row.direction == direction
            && low < row.since
            && row.since <= high
            && (row.messages.is_empty() || row.messages.contains(&id))
    })
}

/// Whether values of a message may have another meaning at the other version.
pub fn touches(direction: Direction, id: u32, from: u16, to: u16) -> bool {
    between(direction, id, from, to).next().is_some()
}

/// Gives the values of a message the meaning that they have at version `versions.1`; they have that of `versions.0`.
pub fn apply(
    direction: Direction,
    id: u32,
    versions: (u16, u16),
    subject: &Subject,
    record: &mut Record,
) -> Verdict {
    let (from, to) = versions;
    let rows = between(direction, id, from, to);
    let step = |verdict: Verdict, change: Change, record: &mut Record| match verdict {
        Verdict::Pass => change(id, subject, record),
        other => other,
    };
    match from > to {
        true => rows.rev().fold(Verdict::Pass, |verdict, row| step(verdict, row.older, record)),
        false => rows.fold(Verdict::Pass, |verdict, row| step(verdict, row.newer, record)),
    }
}

/// Whether the answers to a request count a US stock in another unit at the other version, so that one must know
/// whether it is about one.
pub fn counts_differ(request: u16, a: u16, b: u16) -> bool {
    let (low, high) = (a.min(b), a.max(b));
    COUNTED.iter().any(|(since, requests)| low < *since && *since <= high && requests.contains(&request))
}

/// Likewise, whatever the versions.
pub fn counts_ever_differ(request: u16) -> bool {
    EVER_COUNTED.checked_shr(request.into()).is_some_and(|bits| bits & 1 == 1)
}

/// Exchanges whose stocks were counted in lots.
const US_EXCHANGES: &[&str] = &[
    "SMART",
    "NYSE",
    "NASDAQ",
    "ISLAND",
    "NASDAQ.NMS",
    "NASDAQ.SCM",
    "ARCA",
    "AMEX",
    "BATS",
    "BYX",
    "EDGEA",
    "DRCTEDGE",
    "EDGX",
    "IEX",
    "MEMX",
    "PEARL",
    "LTSE",
    "NYSENAT",
    "NYSEFLOOR",
    "PSX",
    "CHX",
    "BEX",
    "ISE",
    "IBKRATS",
    "OVERNIGHT",
    "IBEOS",
    "PINK",
    "OTCLNKECN",
    "BEST",
    "TPLUS0",
    "TPLUS2",
];

/// Exchanges elsewhere that trade stocks in dollars.
const OTHER_EXCHANGES: &[&str] = &[
    "LSE", "LSEETF", "LSEIOB1", "EBS", "BVME", "BVME.ETF", "IBIS", "IBIS2", "GETTEX", "GETTEX2", "SWB",
    "FWB", "TGATE", "AEB", "SBF", "SEHK", "SGX", "TSE", "TSEJ", "VENTURE", "ASX", "MEXI", "VSE", "SFB", "BM",
];

/// Whether a request is about a stock at a US exchange. `None` where its contract does not say.
pub fn is_us_stock(request: &Record) -> Option<bool> {
    let value = |name| request.get(name).unwrap_or_default();
    match (value("secType"), value("currency")) {
        ("STK", "USD") => {}
        ("" | "STK", "") | ("", "USD") => return None,
        _ => return Some(false),
    }
    let primary = value("primaryExchange");
    match if primary.is_empty() { value("exchange") } else { primary } {
        exchange if exchange.is_empty() || US_EXCHANGES.contains(&exchange) => Some(true),
        exchange if OTHER_EXCHANGES.contains(&exchange) => Some(false),
        _ => None,
    }
}

/// Fields of a message that became a message of their own.
#[derive(Debug)]
pub struct Split {
    /// The message that had them.
    pub data: u16,
    /// The message that has them.
    pub end: u16,
    /// First server version with the second one.
    pub since: u16,
    names: &'static [&'static str],
}

/// The end of historical data.
pub static HISTORICAL_END: Split = Split { data: 17, end: 108, since: 196, names: &["startDate", "endDate"] };

impl Split {
    /// Copies the fields.
    pub fn carry(&self, from: &Record, to: &mut Record) {
        for name in self.names {
            to.set(name, from.get(name).unwrap_or_default());
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Count {
    Lots,
    Shares,
}

/// Changes a value, where there is one.
fn change(record: &mut Record, name: &'static str, with: impl Fn(&str) -> Option<String>) {
    if let Some(new) = record.get(name).and_then(with) {
        record.set(name, new);
    }
}

fn whole(record: &mut Record, names: &[&'static str]) -> Verdict {
    let has_more = |v: &str| v.contains(['.', 'e', 'E']);
    names.iter().for_each(|name| change(record, name, |v| has_more(v).then(|| truncated(&written_out(v)))));
    Verdict::Pass
}

/// A decimal number without an exponent: what stands before the point is not its whole part otherwise.
fn written_out(value: &str) -> Cow<'_, str> {
    match value.parse::<f64>() {
        Ok(n) if n.is_finite() && value.contains(['e', 'E']) => n.to_string().into(),
        _ => value.into(),
    }
}

fn truncated(value: &str) -> String {
    match value.split_once('.').map_or(value, |(whole, _)| whole) {
        "" | "-" | "-0" => "0".into(),
        whole => whole.into(),
    }
}

fn mask(record: &mut Record, bits: i64) -> Verdict {
    if let Some(mask) = record.int("attrMask") {
        record.set("attrMask", mask & bits);
    }
    Verdict::Pass
}

fn copy(record: &mut Record, from: &'static str, to: &'static str) -> Verdict {
    if let (Some(value), None) = (record.get(from).map(str::to_owned), record.get(to)) {
        record.set(to, value);
    }
    Verdict::Pass
}

/// The rows of a message and the sizes in them.
fn sizes_in_rows(id: u32) -> Option<(&'static str, &'static [&'static str])> {
    match id {
        17 => Some(("itemCount", &["volume"])),
        89 => Some(("pointsCount", &["size"])),
        96 | 98 => Some(("tickCount", &["size"])),
        97 => Some(("tickCount", &["sizeBid", "sizeAsk"])),
        _ => None,
    }
}

fn whole_sizes(id: u32, record: &mut Record) -> Verdict {
    if let Some((rows, names)) = sizes_in_rows(id) {
        record.rows_mut(rows).iter_mut().for_each(|row| drop(whole(row, names)));
    }
    whole(record, &["size", "volume", "position", "bidSize", "askSize"])
}

fn counted(record: &mut Record, names: &[&'static str], count: Count) {
    for name in names {
        change(record, name, |v| recount(v, count));
    }
}

/// A number of shares in lots, or the other way round, exactly. `None` for what is no positive number: -1 means that
/// there is no volume.
fn recount(value: &str, count: Count) -> Option<String> {
    let value = written_out(value);
    let (whole, fraction) = value.split_once('.').unwrap_or((&value, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let (whole, fraction): (Cow<'_, str>, Cow<'_, str>) = match count {
        Count::Lots => {
            let padded = format!("{whole:0>3}");
            let (w, f) = padded.split_at(padded.len() - 2);
            (w.to_owned().into(), format!("{f}{fraction}").into())
        }
        Count::Shares => {
            let padded = format!("{fraction:0<2}");
            let (w, f) = padded.split_at(2);
            (format!("{whole}{w}").into(), f.to_owned().into())
        }
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    Some(match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    })
}

fn quotes(id: u32, subject: &Subject, record: &mut Record, count: Count) -> Verdict {
    if !subject.us_stock {
        return Verdict::Pass;
    }
    // In protobuf a bid size, type 0, may come without its type.
    match (id, record.int("tickType").unwrap_or_default()) {
        // Bid, ask and last, live and delayed.
        (1, 1 | 2 | 4 | 66 | 67 | 68) | (2, 0 | 3 | 5 | 69 | 70 | 71) => counted(record, &["size"], count),
        (12 | 13, _) => counted(record, &["size"], count),
        (99, _) => counted(record, &["size", "bidSize", "askSize"], count),
        (46, 48 | 77) => in_rt_volume(record, 1, count),
        _ => {}
    }
    Verdict::Pass
}

fn volumes(id: u32, subject: &Subject, record: &mut Record, count: Count) -> Verdict {
    if !subject.us_stock {
        return Verdict::Pass;
    }
    match (id, record.int("tickType")) {
        (2, Some(8 | 74)) => counted(record, &["size"], count),
        (46, Some(48 | 77)) => in_rt_volume(record, 3, count),
        _ => {}
    }
    Verdict::Pass
}

/// One of the parts of an RTVolume: price, size, time, volume of the day, average price, single trade.
fn in_rt_volume(record: &mut Record, part: usize, count: Count) {
    change(record, "value", |value| {
        let mut parts: Vec<Cow<'_, str>> = value.split(';').map(Cow::from).collect();
        let recounted = recount(parts.get(part)?, count)?;
        parts[part] = recounted.into();
        Some(parts.join(";"))
    });
}

fn history(id: u32, subject: &Subject, record: &mut Record, count: Count) -> Verdict {
    if subject.us_stock {
        if let Some((rows, names)) = sizes_in_rows(id) {
            record.rows_mut(rows).iter_mut().for_each(|row| counted(row, names, count));
        } else {
            counted(record, &["volume"], count);
        }
    }
    Verdict::Pass
}

fn zero_strike(record: &mut Record) -> Verdict {
    let option = matches!(record.get("right"), Some("C" | "P" | "CALL" | "PUT"));
    if !option && record.float("strike") == Some(0.0) {
        record.remove("strike");
    }
    Verdict::Pass
}

/// Whether the text form of responses escapes characters outside ASCII.
pub const ESCAPED_SINCE: u16 = 153;

/// Changes every value of a record and of its rows.
fn change_all(record: &mut Record, with: &impl Fn(&str) -> Option<String>) {
    let changed: Vec<_> = record.iter().filter_map(|(name, v)| Some((name, with(v)?))).collect();
    for (name, new) in changed {
        record.set(name, new);
    }
    record.all_rows_mut().for_each(|row| change_all(row, with));
}

/// Writes characters outside ASCII as `\uXXXX`, in UTF-16 as the Gateway does.
pub fn escape(record: &mut Record) {
    change_all(record, &|value| {
        (!value.is_ascii()).then(|| {
            let units = value.encode_utf16();
            units.fold(String::new(), |mut out, unit| {
                match u8::try_from(unit).ok().filter(u8::is_ascii) {
                    Some(ascii) => out.push(ascii.into()),
                    None => out.push_str(&format!("\\u{unit:04x}")),
                }
                out
            })
        })
    });
}

/// Turns `\uXXXX` into characters. Other backslashes, and halves of pairs, stay.
pub fn unescape(record: &mut Record) {
    change_all(record, &|value| {
        value.contains("\\u").then(|| {
            let mut out = String::new();
            let mut rest = value;
            while let Some(at) = rest.find("\\u") {
                out.push_str(&rest[..at]);
                let unit = |s: &str| u16::from_str_radix(s.strip_prefix("\\u")?.get(..4)?, 16).ok();
                let first = unit(&rest[at..]);
                let second = rest.get(at + 6..).and_then(unit);
                let read = |units: &[u16]| char::decode_utf16(units.iter().copied()).next()?.ok();
                let (found, length) = match (first, second) {
                    (Some(a), Some(b)) if read(&[a]).is_none() => (read(&[a, b]), 12),
                    (Some(a), _) => (read(&[a]), 6),
                    _ => (None, 2),
                };
                match found {
                    Some(c) => out.push(c),
                    None => out.push_str("\\u"),
                }
                rest = &rest[at + if found.is_some() { length } else { 2 }..];
            }
            out + rest
        })
    });
}

fn strip_zulu(record: &mut Record) -> Verdict {
    let zulu: Vec<&'static str> = record.iter().filter(|(_, v)| is_zulu(v)).map(|(name, _)| name).collect();
    zulu.iter().for_each(|name| change(record, name, |v| v.strip_suffix('Z').map(str::to_owned)));
    record.all_rows_mut().for_each(|row| drop(strip_zulu(row)));
    Verdict::Pass
}

/// `yyyymmdd-hh:mm:ssZ`, with or without a fraction of a second.
fn is_zulu(value: &str) -> bool {
    let Some(time) = value.strip_suffix('Z') else { return false };
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    time.len() == 17
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && time.bytes().enumerate().all(|(at, b)| match at {
            8 => b == b'-',
            11 | 14 => b == b':',
            _ => b.is_ascii_digit(),
        })
}
