//! Which requests a replay may send without being told so: those that change nothing and cost nothing.
//!
//! Owns: the rule. May not know: sockets. Driven by: `twsmux replay --against`.
//!
//! **A list of what is allowed**, because a replay of an order into a real account would be a disaster: what cannot be read,
//! is unknown, or is handled in a way that this file does not name stays behind.

use crate::protocol::dialect::Dialect;
use crate::protocol::model::{Handling, Lane, Local, Request, Role};
use crate::wire::text;

/// How the names of requests under an id begin that ask for something, or end that.
const QUESTIONS: [&str; 6] = ["req", "cancel", "query", "subscribe", "unsubscribe", "calculate"];
/// reqMktData, of which snapshots may cost money.
const MARKET_DATA: u32 = 1;
/// reqOpenOrders, which binds manual orders to client id 0.
const OPEN_ORDERS: u32 = 5;

/// Why a message may not be sent; `Ok` for one that changes nothing. `client_id`: whose it is, where that is known.
///
/// # Errors
/// The name of the message and the reason, for people.
pub fn harmless(dialect: &Dialect, payload: &[u8], client_id: Option<i32>) -> Result<&'static str, String> {
    let m = text::message(payload, dialect.version()).map_err(|fault| format!("unreadable ({fault})"))?;
    let Some(shape) = dialect.request(m.id) else { return Err(format!("message {} (unknown)", m.id)) };
    let name = shape.decl.message.name;
    if shape.check(&m).is_err() {
        return Err(format!("{name} (unreadable)"));
    }
    if !asks_only(shape.decl) {
        return Err(name.to_owned());
    }
    match m.id {
        MARKET_DATA if shape.flag(&m) != Ok(false) => {
            Err(format!("{name} of a snapshot (it may cost money)"))
        }
        OPEN_ORDERS if client_id.is_none_or(|id| id == 0) => {
            Err(format!("{name} as client 0 (it binds manual orders)"))
        }
        _ => Ok(name),
    }
}

/// Whether a request is of a kind that changes nothing at the Gateway, nor in its account.
fn asks_only(request: &Request) -> bool {
    match request.handling {
        Handling::ById => QUESTIONS.iter().any(|begin| request.message.name.starts_with(begin)),
        Handling::Executions | Handling::Join(_) | Handling::Leave(_) => true,
        Handling::Lane(lane) => match lane {
            Lane::OpenOrders
            | Lane::CompletedOrders
            | Lane::ScannerParameters
            | Lane::Fa
            | Lane::FamilyCodes
            | Lane::DepthExchanges
            | Lane::NewsProviders
            | Lane::MarketRule => true,
        },
        Handling::Local(local) => match local {
            Local::StartApi
            | Local::NextValidId
            | Local::ManagedAccounts
            | Local::Time
            | Local::TimeMillis
            | Local::MarketDataType => true,
            // Of a Gateway itself they are settings.
            Local::LogLevel | Local::AutoOpenOrders => false,
        },
        Handling::PlaceOrder
        | Handling::CancelOrder
        | Handling::Exercise
        | Handling::GlobalCancel
        | Handling::Refused(_) => false,
    }
}

/// The client id that a startApi names; `None` for other messages.
pub fn started_as(dialect: &Dialect, payload: &[u8]) -> Option<i32> {
    let m = text::message(payload, dialect.version()).ok()?;
    let shape = dialect.request(m.id)?;
    let is_start = shape.decl.handling == Handling::Local(Local::StartApi);
    let id = is_start.then(|| shape.int(&m, Role::ClientId).ok()?)?;
    id.and_then(|id| i32::try_from(id).ok())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::core::compose;
    use crate::protocol::layout::Record;
    use crate::protocol::requests;
    use crate::record;

    fn request_of(version: u16, id: u32, values: &Record) -> Vec<u8> {
        let mut out = BytesMut::new();
        Dialect::new(version).request(id).unwrap().compose(values, &mut out);
        out.to_vec()
    }

    /// Whoever adds a message to the tables says here whether a replay may send it.
    #[test]
    fn these_messages_and_no_others_are_held_back() {
        let held: Vec<_> = requests().iter().filter(|r| !asks_only(r)).map(|r| r.message.name).collect();
        assert_eq!(
            held,
            [
                "placeOrder",
                "cancelOrder",
                "setServerLogLevel",
                "reqAutoOpenOrders",
                "replaceFA",
                "exerciseOptions",
                "reqGlobalCancel",
                "verifyRequest",
                "verifyMessage",
                "updateDisplayGroup",
                "verifyAndAuthRequest",
                "verifyAndAuthMessage",
                "updateConfig",
            ]
        );
        assert_eq!(requests().len(), 85, "a new message: does it change anything?");
    }

    #[test]
    fn orders_are_held_back_in_both_forms_and_questions_are_not() {
        for version in [176, 226] {
            let dialect = Dialect::new(version);
            let order = record! {
                orderId: 7, symbol: "AAPL", secType: "STK", action: "BUY", orderType: "LMT",
                totalQuantity: 100, lmtPrice: "1.5",
            };
            let held =
                |id, values: &Record, client| harmless(&dialect, &request_of(version, id, values), client);
            assert_eq!(held(3, &order, Some(7)), Err("placeOrder".into()));
            assert_eq!(held(4, &record! { orderId: 7 }, Some(7)), Err("cancelOrder".into()));
            assert_eq!(held(58, &Record::new(), Some(7)), Err("reqGlobalCancel".into()));
            assert_eq!(held(16, &Record::new(), Some(7)), Ok("reqAllOpenOrders"));
            assert_eq!(held(5, &Record::new(), Some(7)), Ok("reqOpenOrders"));
            assert!(held(5, &Record::new(), Some(0)).is_err() && held(5, &Record::new(), None).is_err());
            let mut quote =
                record! { reqId: 1, symbol: "AAPL", secType: "STK", exchange: "SMART", currency: "USD" };
            assert_eq!(held(1, &quote, Some(7)), Ok("reqMktData"));
            quote.set("regulatorySnapshot", "1");
            assert!(held(1, &quote, Some(7)).unwrap_err().contains("cost money"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_held_back() {
        let dialect = Dialect::new(176);
        for payload in [&b""[..], b"x\0", b"9999\0", b"20\0", b"1\x0011\0"] {
            assert!(harmless(&dialect, payload, Some(7)).is_err(), "{payload:?}");
        }
    }

    #[test]
    fn a_start_names_its_client() {
        for version in [100, 176, 226] {
            let mut out = BytesMut::new();
            compose::start_api(version, 77, "", &mut out);
            assert_eq!(started_as(&Dialect::new(version), &out[4..]), Some(77));
        }
        assert_eq!(started_as(&Dialect::new(176), b"49\x001\0"), None);
    }
}
