//! The error codes that twsmux acts upon or uses itself (PROTOCOL.md (d), LIVE.md). Codes that are not here are
//! passed on by their id and end a one-shot request.

/// What an error code means to routing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Told to everybody when it carries no id.
    Broadcast,
    /// A farm notice: told to everybody, the last one of each farm kept for newcomers.
    Farm,
    /// A remark on a request or order that goes on.
    Warning,
    /// The message rate was exceeded: acted upon, never passed on.
    Rate,
    /// The upstream client id is in use; the Gateway closes the connection.
    ClientIdInUse,
    /// The Gateway's port changes and this connection ends.
    PortReset,
    /// Account data was unsubscribed: absorbed when twsmux did it, the unsubscriber was told.
    Unsubscribed,
}

/// One row: codes from..=to and their class.
const CODES: &[(u16, u16, Class)] = &[
    (100, 100, Class::Rate),
    (105, 105, Class::Warning),
    (110, 110, Class::Warning),
    (165, 165, Class::Warning),
    (317, 317, Class::Warning),
    (326, 326, Class::ClientIdInUse),
    (399, 399, Class::Warning),
    (404, 404, Class::Warning),
    (434, 434, Class::Warning),
    (492, 492, Class::Warning),
    (1100, 1102, Class::Broadcast),
    (1300, 1300, Class::PortReset),
    (2100, 2100, Class::Unsubscribed),
    (2103, 2108, Class::Farm),
    (2110, 2110, Class::Broadcast),
    (2119, 2119, Class::Farm),
    (2157, 2158, Class::Farm),
    (2101, 2169, Class::Warning),
    (10090, 10090, Class::Warning),
    (10167, 10167, Class::Warning),
    // A time in force from a preset; it comes before the order is shown (LIVE.md section 3).
    (10349, 10349, Class::Warning),
];

/// The class of a code; `None` for one that simply goes to its id.
pub fn class(code: u16) -> Option<Class> {
    CODES.iter().find(|(from, to, _)| (*from..=*to).contains(&code)).map(|row| row.2)
}

/// Whether the Gateway says with an error that it was asked for historical data too often.
pub fn is_pacing_violation(code: u16, words: &str) -> bool {
    // Both are also for data that is not there or not subscribed.
    matches!(code, HISTORICAL | REAL_TIME_QUERY) && words.to_ascii_lowercase().contains("pacing violation")
}

/// Whether a code is always about one order, so that its id is an order's even where it is -1.
pub fn is_about_an_order(code: u16) -> bool {
    matches!(
        code,
        ORDER_MESSAGE
            | ORDER_REJECTED
            | ORDER_CANCELLED
            | NOT_CANCELLABLE_DEAD
            | ORDER_NOT_FOUND
            | NOT_CANCELLABLE
    )
}

/// Whether a code is about the way to the Gateway's servers, which clients hear of from twsmux as long as it has no link.
pub fn is_about_the_link(code: u16) -> bool {
    (LINK_LOST..=LINK_BACK).contains(&code)
}

/// The farm that a notice names: what stands behind the last colon or dot (LIVE.md section 1, 7).
pub fn farm(words: &str) -> &str {
    // Farm names themselves may hold a dot (`usfarm.nj`), so the first separator after the sentence counts.
    for sentence in ["upon demand.", "broken:", "OK:", "connecting:"] {
        if let Some((_, farm)) = words.split_once(sentence) {
            return farm;
        }
    }
    words.rsplit_once(':').map_or(words, |(_, farm)| farm)
}

/// Whether a farm notice says that the farm is not there.
pub fn is_broken_farm(code: u16) -> bool {
    matches!(code, 2103 | 2105 | 2157)
}

/// Kind of farm: the same farm name may exist for market data and for history.
pub fn farm_kind(code: u16) -> u8 {
    match code {
        2105..=2107 => 1,
        2157 | 2158 => 2,
        _ => 0,
    }
}

/// New order refused.
pub const ORDER_REJECTED: u16 = 201;
/// A remark on an order; ib_async and ib_insync leave the trade open.
pub const ORDER_MESSAGE: u16 = 399;
/// Order id not above the ones used before.
pub const DUPLICATE_ORDER_ID: u16 = 103;
/// The order is cancelled.
pub const ORDER_CANCELLED: u16 = 202;
/// A cancel, mostly a global one, of an order that is dead already.
pub const NOT_CANCELLABLE_DEAD: u16 = 161;
/// The order cannot be cancelled in its state.
pub const NOT_CANCELLABLE: u16 = 10148;
/// Order to cancel not found.
pub const ORDER_NOT_FOUND: u16 = 10147;
/// A message of the historical data service; also what the cancel of a scanner draws.
pub const HISTORICAL: u16 = 162;
/// Too many subscriptions to market data.
pub const TOO_MANY_TICKERS: u16 = 101;
/// The book of a depth subscription begins anew.
pub const DEPTH_RESET: u16 = 317;
/// The log level is none.
pub const LOG_LEVEL: u16 = 319;
/// The request could not be read.
pub const UNREADABLE: u16 = 320;
/// The request is not valid.
pub const INVALID: u16 = 321;
/// The request could not be processed.
pub const NOT_PROCESSED: u16 = 322;
/// The client id is in use.
pub const CLIENT_ID_IN_USE: u16 = 326;
/// Auto-binding is for client id 0.
pub const AUTO_BIND: u16 = 327;
/// The server version lacks a feature.
pub const TOO_OLD: u16 = 503;
/// Not connected.
pub const NOT_CONNECTED: u16 = 504;
/// Bad message length: framing is lost.
pub const BAD_LENGTH: u16 = 507;
/// A query for data as it comes is not valid.
pub const REAL_TIME_QUERY: u16 = 420;
/// The link to IB (here: to the Gateway) is lost.
pub const LINK_LOST: u16 = 1100;
/// The link is back, and so are the subscriptions.
pub const LINK_BACK: u16 = 1102;
/// The link is back, not all subscriptions are.
pub const LINK_BACK_DATA_LOST: u16 = 1101;
/// Account data was unsubscribed.
pub const ACCOUNT_UNSUBSCRIBED: u16 = 2100;
/// Account data of another account is subscribed by somebody else.
pub const ACCOUNT_TAKEN: u16 = 2101;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn farms_are_read_from_the_live_texts() {
        assert_eq!(farm("Market data farm connection is OK:usfarm.nj"), "usfarm.nj");
        assert_eq!(farm("Market data farm connection is broken:usbond"), "usbond");
        assert_eq!(
            farm("HMDS data farm connection is inactive but should be available upon demand.ushmds"),
            "ushmds"
        );
        assert_eq!(farm("Sec-def data farm connection is OK:secdefnj"), "secdefnj");
        assert_eq!(farm("Market data farm is connecting:cashfarm"), "cashfarm");
    }

    #[test]
    fn terminal_codes_inside_the_warning_range_are_not_warnings() {
        assert_eq!(
            class(2188),
            None,
            "historical data without subscription ends the request (LIVE.md section 5)"
        );
        assert_eq!(class(10089), None);
        assert_eq!(class(200), None);
        assert_eq!(class(2137), Some(Class::Warning));
        assert_eq!(class(10349), Some(Class::Warning), "the order goes on");
    }
}
