//! The few messages that twsmux writes itself, each in the form that the given server version has.
//!
//! Text comes from the declared layouts. Protobuf field numbers are those of the official schema
//! (proto-fields.tsv): ErrorMessage, NextValidId, ManagedAccounts, CurrentTime, the cancels and StartApiRequest.

use bytes::BytesMut;

use crate::protocol::{
    layout::{Record, put_text},
    model::Message,
    {request, response},
};
use crate::wire::{
    frame, proto,
    text::{self, Form},
};

/// Message ids that the core speaks of by name.
pub mod id {
    /// reqMktData.
    pub const REQ_MKT_DATA: u16 = 1;
    /// orderStatus.
    pub const ORDER_STATUS: u16 = 3;
    /// error.
    pub const ERROR: u16 = 4;
    /// openOrder.
    pub const OPEN_ORDER: u16 = 5;
    /// reqOpenOrders.
    pub const REQ_OPEN_ORDERS: u16 = 5;
    /// reqAccountUpdates.
    pub const REQ_ACCOUNT_UPDATES: u16 = 6;
    /// nextValidId.
    pub const NEXT_VALID_ID: u16 = 9;
    /// reqMktDepth.
    pub const REQ_MKT_DEPTH: u16 = 10;
    /// reqHistoricalData.
    pub const REQ_HISTORICAL_DATA: u16 = 20;
    /// cancelMktDepth.
    pub const CANCEL_MKT_DEPTH: u16 = 11;
    /// cancelNewsBulletins.
    pub const CANCEL_NEWS_BULLETINS: u16 = 13;
    /// managedAccounts.
    pub const MANAGED_ACCOUNTS: u16 = 15;
    /// reqAllOpenOrders.
    pub const REQ_ALL_OPEN_ORDERS: u16 = 16;
    /// currentTime.
    pub const CURRENT_TIME: u16 = 49;
    /// openOrderEnd.
    pub const OPEN_ORDER_END: u16 = 53;
    /// reqMarketDataType.
    pub const REQ_MARKET_DATA_TYPE: u16 = 59;
    /// rerouteMktDataReq.
    pub const REROUTE_MKT_DATA: u16 = 91;
    /// rerouteMktDepthReq.
    pub const REROUTE_MKT_DEPTH: u16 = 92;
    /// reqAccountSummary.
    pub const REQ_ACCOUNT_SUMMARY: u16 = 62;
    /// cancelAccountSummary.
    pub const CANCEL_ACCOUNT_SUMMARY: u16 = 63;
    /// accountSummaryEnd.
    pub const ACCOUNT_SUMMARY_END: u16 = 64;
    /// cancelPositions.
    pub const CANCEL_POSITIONS: u16 = 64;
    /// startApi.
    pub const START_API: u16 = 71;
    /// currentTimeInMillis.
    pub const CURRENT_TIME_MILLIS: u16 = 109;
    /// reqCurrentTime.
    pub const REQ_CURRENT_TIME: u16 = 49;
    /// reqCurrentTimeInMillis.
    pub const REQ_CURRENT_TIME_MILLIS: u16 = 105;
    /// First server version with reqCurrentTimeInMillis.
    pub const MILLIS_SINCE: u16 = 197;
}

/// One message: its values for the text form and, by field number, for the protobuf form.
struct Writer<'a> {
    message: &'a Message,
    version: u16,
}

impl Writer<'_> {
    fn write(
        &self,
        out: &mut BytesMut,
        values: impl FnOnce(&mut Record),
        protobuf: impl FnOnce(&mut BytesMut),
    ) {
        match self.message.proto {
            Some(p) if self.version >= p.since => frame::put_with(out, |out| {
                text::put_id(u32::from(self.message.id), Form::Proto, self.version, out);
                protobuf(out);
            }),
            _ => {
                let mut record = Record::new();
                values(&mut record);
                put_text(self.message, self.version, &record, out);
            }
        }
    }
}

fn to_client(id: u16, version: u16) -> Writer<'static> {
    let message =
        &response(u32::from(id)).expect("the table declares every message that the core writes").message;
    Writer { message, version }
}

fn to_gateway(id: u16, version: u16) -> Writer<'static> {
    let message =
        &request(u32::from(id)).expect("the table declares every message that the core writes").message;
    Writer { message, version }
}

/// Text as servers from v153 escape it: printable ASCII stays, the rest becomes `\uXXXX`.
fn ascii7(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\x20'..='\x7e' => out.push(c),
            _ => {
                let mut units = [0u16; 2];
                for u in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{u:04x}"));
                }
            }
        }
    }
    out
}

/// error (4). `time_ms`: milliseconds since the epoch, for the versions that carry it.
pub fn error(version: u16, id: i32, code: u16, words: &str, time_ms: u64, out: &mut BytesMut) {
    to_client(id::ERROR, version).write(
        out,
        |r| {
            r.set("id", id).set("errorCode", code).set("errorMsg", ascii7(words)).set("errorTime", time_ms);
        },
        |out| {
            // The id is always set: clients default an absent one differently.
            proto::put_int(1, id.into(), out);
            proto::put_int(2, time_ms as i64, out);
            proto::put_int(3, code.into(), out);
            proto::put_bytes(4, words.as_bytes(), out);
        },
    );
}

/// nextValidId (9).
pub fn next_valid_id(version: u16, order_id: i32, out: &mut BytesMut) {
    to_client(id::NEXT_VALID_ID, version).write(
        out,
        |r| {
            r.set("orderId", order_id);
        },
        |out| proto::put_int(1, order_id.into(), out),
    );
}

/// managedAccounts (15). `accounts`: as the Gateway wrote them.
pub fn managed_accounts(version: u16, accounts: &str, out: &mut BytesMut) {
    to_client(id::MANAGED_ACCOUNTS, version).write(
        out,
        |r| {
            r.set("accountsList", accounts);
        },
        |out| proto::put_bytes(1, accounts.as_bytes(), out),
    );
}

/// openOrderEnd (53).
pub fn open_order_end(version: u16, out: &mut BytesMut) {
    to_client(id::OPEN_ORDER_END, version).write(out, |_| {}, |_| {});
}

/// currentTime (49). `seconds` since the epoch.
pub fn current_time(version: u16, seconds: i64, out: &mut BytesMut) {
    to_client(id::CURRENT_TIME, version).write(
        out,
        |r| {
            r.set("time", seconds);
        },
        |out| proto::put_int(1, seconds, out),
    );
}

/// currentTimeInMillis (109). `millis` since the epoch.
pub fn current_time_millis(version: u16, millis: i64, out: &mut BytesMut) {
    to_client(id::CURRENT_TIME_MILLIS, version).write(
        out,
        |r| {
            r.set("timeInMillis", millis);
        },
        |out| proto::put_int(1, millis, out),
    );
}

/// startApi (71).
pub fn start_api(version: u16, client_id: i32, capabilities: &str, out: &mut BytesMut) {
    to_gateway(id::START_API, version).write(
        out,
        |r| {
            r.set("clientId", client_id).set("optionalCapabilities", capabilities);
        },
        |out| {
            proto::put_int(1, client_id.into(), out);
            if !capabilities.is_empty() {
                proto::put_bytes(2, capabilities.as_bytes(), out);
            }
        },
    );
}

/// reqMarketDataType (59).
pub fn market_data_type(version: u16, kind: i32, out: &mut BytesMut) {
    to_gateway(id::REQ_MARKET_DATA_TYPE, version).write(
        out,
        |r| {
            r.set("marketDataType", kind);
        },
        |out| proto::put_int(1, kind.into(), out),
    );
}

/// A request without any field of its own: reqCurrentTime, reqAllOpenOrders, cancelPositions and their like.
pub fn bare_request(id: u16, version: u16, out: &mut BytesMut) {
    to_gateway(id, version).write(out, |_| {}, |_| {});
}

/// The end of account updates for `account`.
pub fn leave_account_updates(version: u16, account: &str, out: &mut BytesMut) {
    to_gateway(id::REQ_ACCOUNT_UPDATES, version).write(
        out,
        |r| {
            r.set("subscribe", 0).set("acctCode", account);
        },
        // A false flag is absent (LIVE.md section 2).
        |out| proto::put_bytes(2, account.as_bytes(), out),
    );
}

/// A cancel by request id. `smart_depth`: what the depth subscription was made with; a cancel must say the same.
pub fn cancel(id: u16, version: u16, req_id: i32, smart_depth: bool, out: &mut BytesMut) {
    to_gateway(id, version).write(
        out,
        |r| {
            r.set("reqId", req_id).set("isSmartDepth", u8::from(smart_depth));
        },
        |out| {
            proto::put_int(1, req_id.into(), out);
            if id == id::CANCEL_MKT_DEPTH && smart_depth {
                proto::put_int(2, 1, out);
            }
        },
    );
}
