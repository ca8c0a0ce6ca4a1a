//! The core's clock: plain data that the shell (or a test) supplies.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Microseconds since the process (or the simulation) began. Monotonic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize)]
pub struct Time(pub u64);

impl Time {
    /// The beginning.
    pub const ZERO: Time = Time(0);

    /// The time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0 + d.as_micros() as u64)
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, d: Duration) -> Time {
        Time(self.0.saturating_sub(d.as_micros() as u64))
    }
}

/// Year, month and day of a number of days since 1970.
pub fn civil(days: i64) -> (i64, i64, i64) {
    // The year is taken to begin in March, so that the leap day comes last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * march_month + 2) / 5 + 1)
}

/// A point in time as people and programs write it, UTC (`2026-11-23T22:27:38Z`). `epoch_ms`: milliseconds since 1970.
pub fn utc_style(epoch_ms: u64) -> String {
    let text = gateway_style(epoch_ms);
    format!("{}-{}-{}T{}Z", &text[..4], &text[4..6], &text[6..8], &text[9..17])
}

/// A point in time as a Gateway writes it in its handshake reply (`20261123 22:27:38 UTC`), for the one case in
/// which there is no Gateway to quote. `epoch_ms`: milliseconds since 1970, UTC.
pub fn gateway_style(epoch_ms: u64) -> String {
    let seconds = epoch_ms / 1000;
    let (year, month, day) = civil((seconds / 86_400) as i64);
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02} {h:02}:{m:02}:{s:02} UTC")
}

/// Days since 1970 of a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
        - 719_468
}

/// Furthest that local time is behind UTC, seconds.
const FURTHEST_WEST: i64 = 12 * 3600;
/// Time after which what was traded is all there, seconds.
const SETTLED: i64 = 60;

/// Whether a point in time as clients write it (`20261123 22:27:38 US/Eastern`, `20261123-22:27:38` for UTC) has passed
/// for sure, whatever the time zone is. `now_ms`: milliseconds since 1970, UTC. What says no such point has not.
pub fn is_past(text: &str, now_ms: u64) -> bool {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let at = || {
        let day = days(number(0..4)?, number(4..6)?, number(6..8)?);
        let colons = [11, 14].iter().all(|at| text.as_bytes().get(*at) == Some(&b':'));
        let time = number(9..11)? * 3600 + number(12..14)? * 60 + number(15..17)?;
        colons.then_some(day * 86_400 + time)
    };
    let behind = match (text.as_bytes().get(8), text.get(17..).unwrap_or_default()) {
        (Some(b'-'), "") | (Some(b' '), " UTC" | " GMT") => 0,
        (Some(b' '), zone) if zone.is_empty() || zone.starts_with(' ') => FURTHEST_WEST,
        _ => return false,
    };
    at().is_some_and(|at| at + behind + SETTLED <= (now_ms / 1000) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people_are_utc() {
        assert_eq!(utc_style(1_795_471_658_999), "2026-11-23T22:07:38Z");
    }

    #[test]
    fn dates_are_civil() {
        assert_eq!(gateway_style(0), "19700101 00:00:00 UTC");
        assert_eq!(gateway_style(951_782_400_000), "20000229 00:00:00 UTC");
        assert_eq!(gateway_style(1_795_471_658_000), "20261123 22:07:38 UTC");
    }

    #[test]
    fn days_are_the_reverse_of_dates() {
        for n in (-200_000..200_000).step_by(97) {
            let (year, month, day) = civil(n);
            assert_eq!(days(year, month, day), n);
        }
    }

    #[test]
    fn only_what_is_past_in_every_time_zone_is_past() {
        // 2026-11-23 22:07:38 UTC
        let now = 1_795_471_658_000;
        for past in [
            "20261123-22:06:38",
            "20261123 22:06:38 UTC",
            "20261123 10:06:38",
            "20261123 10:06:38 US/Eastern",
            "19991231 23:59:59 Europe/Berlin",
        ] {
            assert!(is_past(past, now), "{past}");
        }
        for not in [
            "",
            "20261123",
            "20261123-22:06:39",
            "20261123 22:06:39 UTC",
            "20261123 10:06:39",
            "20261123 12:00:00 US/Eastern",
            "20270101-00:00:00",
            "20261123-22:06:38x",
            "2026-11-23 10:00:00",
            "20261123 1a:00:00",
            "2026112ä-10:00:00",
        ] {
            assert!(!is_past(not, now), "{not}");
        }
    }
}
