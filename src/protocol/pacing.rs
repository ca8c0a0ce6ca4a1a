//! The Gateway's own rules on how often historical data may be asked for, as data. A request that breaks one draws 162 with
//! "pacing violation" in its words, or 420 for real-time bars. Source of all of them: PROTOCOL.md (c), from the public
//! documentation.

use std::time::Duration;

/// Which requests a rule counts together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Per {
    /// Identical ones.
    Request,
    /// Those about the same contract, exchange and tick type.
    Contract,
    /// All of them.
    Everything,
}

/// At most `most` requests within any time of this length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Which ones are counted together.
    pub per: Per,
    /// How many are allowed.
    pub most: u32,
    /// Within which time.
    pub within: Duration,
    /// Whether one for [`COUNTS_TWICE`] counts as two.
    pub twice: bool,
}

/// The rules for bars of 30 s or less, ticks, and head timestamps; real-time bars fall under the last one.
pub const RULES: [Rule; 3] = [
    Rule { per: Per::Request, most: 1, within: Duration::from_secs(15), twice: false },
    Rule { per: Per::Contract, most: 5, within: Duration::from_secs(2), twice: false },
    Rule { per: Per::Everything, most: 60, within: Duration::from_secs(600), twice: true },
];

/// Requests that may be open at once, of whatever size; one that is kept up to date is open for its whole life.
pub const AT_ONCE: usize = 50;

/// Bids and asks are two series in one.
pub const COUNTS_TWICE: &str = "BID_ASK";

/// Bars that are small enough for the rules.
pub const SMALL_BARS: &[&str] = &["1 sec", "1 secs", "5 secs", "10 secs", "15 secs", "30 secs"];

/// The fields that make requests be about the same contract, exchange and tick type.
pub const SAME_CONTRACT: &[&str] = &[
    "conId",
    "symbol",
    "secType",
    "lastTradeDateOrContractMonth",
    "strike",
    "right",
    "multiplier",
    "exchange",
    "currency",
    "localSymbol",
    "tradingClass",
    TICK_TYPE,
];

/// The field that says which data is asked for.
pub const TICK_TYPE: &str = "whatToShow";

/// Under which of the rules a request falls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paced {
    /// Those of [`RULES`].
    pub rules: &'static [Per],
    /// Under those only when this field has one of these values.
    pub small: Option<(&'static str, &'static [&'static str])>,
    /// Whether it counts towards [`AT_ONCE`].
    pub at_once: bool,
    /// The code under which the Gateway refuses one that comes too soon.
    pub code: u16,
}

/// Bars of the past.
pub const BARS: Paced =
    Paced { rules: ALL, small: Some(("barSizeSetting", SMALL_BARS)), at_once: true, code: 162 };
/// Ticks of the past.
pub const TICKS: Paced = Paced { rules: ALL, small: None, at_once: true, code: 162 };
/// The time of the first datum.
pub const HEAD_TIMESTAMP: Paced = Paced { at_once: false, ..TICKS };
/// Bars of 5 s as they come.
pub const REAL_TIME_BARS: Paced = Paced { rules: &[Per::Everything], small: None, at_once: false, code: 420 };

const ALL: &[Per] = &[Per::Request, Per::Contract, Per::Everything];
