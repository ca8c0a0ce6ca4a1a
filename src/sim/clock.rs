//! Calendar arithmetic for the time texts of the protocol. Pure; the time zones are those that a Gateway writes.

use crate::time::civil;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// Days since 1970 of a date.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Day of the week of a number of days since 1970; 0 is Sunday.
pub fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// Whether US exchanges are open on that day (holidays are not known here).
pub fn is_trading_day(days: i64) -> bool {
    (1..=5).contains(&weekday(days))
}

/// What New York's clock is ahead of UTC, seconds (negative), at a UTC time.
pub fn eastern_offset(utc: i64) -> i64 {
    let (year, ..) = civil(utc.div_euclid(DAY));
    let sunday = |month: i64, nth: i64| {
        let first = days(year, month, 1);
        first + (7 - weekday(first)) % 7 + 7 * (nth - 1)
    };
    let summer = sunday(3, 2) * DAY + 7 * 3600..sunday(11, 1) * DAY + 6 * 3600;
    if summer.contains(&utc) { -4 * 3600 } else { -5 * 3600 }
}

/// `yyyymmdd` of a number of days since 1970.
pub fn date(days: i64) -> String {
    let (y, m, d) = civil(days);
    format!("{y:04}{m:02}{d:02}")
}

fn split(local: i64) -> (String, i64, i64, i64) {
    let s = local.rem_euclid(DAY);
    (date(local.div_euclid(DAY)), s / 3600, s / 60 % 60, s % 60)
}

/// `yyyymmdd hh:mm:ss` of a local time, with `between` in place of the blank.
pub fn stamp(local: i64, between: &str) -> String {
    let (date, h, m, s) = split(local);
    format!("{date}{between}{h:02}:{m:02}:{s:02}")
}

/// `yyyymmdd hh:mm:ss US/Eastern` of a UTC time.
pub fn eastern(utc: i64) -> String {
    format!("{} US/Eastern", stamp(utc + eastern_offset(utc), " "))
}

/// `hh:mm` in New York.
pub fn eastern_minute(utc: i64) -> String {
    let (_, h, m, _) = split(utc + eastern_offset(utc));
    format!("{h:02}:{m:02}")
}

/// When the New York exchanges open next, as `yyyy-mm-dd hh:mm:ss US/Eastern`.
pub fn next_opening(utc: i64) -> String {
    let local = utc + eastern_offset(utc);
    let today = local.div_euclid(DAY) + i64::from(local.rem_euclid(DAY) >= 34_200);
    let day = (today..).find(|d| is_trading_day(*d)).unwrap_or(today);
    let (y, m, d) = civil(day);
    format!("{y:04}-{m:02}-{d:02} 09:30:00 US/Eastern")
}

/// Reads `yyyymmdd`, `yyyymmdd hh:mm:ss`, `yyyymmdd-hh:mm:ss`, each perhaps with a zone (New York is assumed for
/// blanks without a zone, UTC for the dash, which a `Z` may follow), as a UTC time.
pub fn parse(text: &str) -> Option<i64> {
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit()).collect();
    if digits.len() != 8 {
        return None;
    }
    let n: i64 = digits.parse().ok()?;
    let (month, day) = (n / 100 % 100, n % 100);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let date = days(n / 10_000, month, day) * DAY;
    let rest = text[8..].trim_end_matches('Z');
    let utc = rest.starts_with('-') || rest.ends_with("UTC") || rest.ends_with("GMT");
    let time = rest.trim_start_matches(['-', ' ']).split(' ').next().unwrap_or_default();
    let mut seconds = 0;
    let mut unit = 3600;
    for part in time.split(':').filter(|p| !p.is_empty()).take(3) {
        seconds += part.parse::<i64>().ok()? * unit;
        unit /= 60;
    }
    let local = date + seconds;
    Some(if utc { local } else { local - eastern_offset(local) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for d in [-1000, 0, 1, 11_016, 20_000, 20_780, 40_000] {
            let (y, m, day) = civil(d);
            assert_eq!(days(y, m, day), d);
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(weekday(0), 4, "1 January 1970 was a Thursday");
    }

    #[test]
    fn the_next_opening_skips_the_weekend() {
        let at = |text| next_opening(parse(text).unwrap());
        assert_eq!(at("20261120 09:29:59"), "2026-11-20 09:30:00 US/Eastern");
        assert_eq!(at("20261120 09:30:00"), "2026-11-23 09:30:00 US/Eastern");
    }

    #[test]
    fn new_york_changes_its_clock_twice_a_year() {
        assert_eq!(eastern(parse("20260713 09:30:00 US/Eastern").unwrap()), "20260713 09:30:00 US/Eastern");
        assert_eq!(eastern_offset(parse("20260713-12:00:00").unwrap()), -4 * 3600);
        assert_eq!(eastern_offset(parse("20261124-12:00:00").unwrap()), -5 * 3600);
        assert_eq!(parse("20261124-12:00:00Z"), parse("20261124 12:00:00 UTC"));
        assert_eq!(parse("tomorrow"), None);
    }
}
