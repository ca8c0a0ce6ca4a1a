//! The few messages that twsmux writes itself, each in the form that the given server version has.

use bytes::{Bytes, BytesMut};

use crate::protocol::{
    layout::Record,
    meaning,
    model::Direction,
    transcode::compose,
    {request, response},
};
use crate::record;
use crate::wire::{frame, text::Form};

/// Message ids that the core speaks of by name.
pub mod id {
    /// reqMktData.
    pub const REQ_MKT_DATA: u16 = 1;
    /// orderStatus.
    pub const ORDER_STATUS: u16 = 3;
    /// cancelOrder.
    pub const CANCEL_ORDER: u16 = 4;
    /// reqExecutions.
    pub const REQ_EXECUTIONS: u16 = 7;
    /// reqIds.
    pub const REQ_IDS: u16 = 8;
    /// execDetails.
    pub const EXECUTION: u16 = 11;
    /// commissionReport.
    pub const COMMISSION: u16 = 59;
    /// reqCompletedOrders.
    pub const REQ_COMPLETED_ORDERS: u16 = 99;
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
    /// historicalData.
    pub const HISTORICAL_DATA: u16 = 17;
    /// historicalDataUpdate.
    pub const HISTORICAL_UPDATE: u16 = 90;
    /// historicalDataEnd.
    pub const HISTORICAL_END: u16 = 108;
    /// First server version with [`HISTORICAL_END`].
    pub const HISTORICAL_END_SINCE: u16 = 196;
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

/// Appends id and body of a response.
fn response_at(id: u16, version: u16, mut values: Record, out: &mut BytesMut) {
    let message =
        &response(u32::from(id)).expect("the table declares every message that the core writes").message;
    if message.form(version) == Form::Text && version >= meaning::ESCAPED_SINCE {
        meaning::escape(&mut values);
    }
    compose(Direction::Response, message, version, &values, out);
}

fn to_client(id: u16, version: u16, values: Record, out: &mut BytesMut) {
    frame::put_with(out, |out| response_at(id, version, values, out));
}

fn to_gateway(id: u16, version: u16, values: &Record, out: &mut BytesMut) {
    let message =
        &request(u32::from(id)).expect("the table declares every message that the core writes").message;
    frame::put_with(out, |out| compose(Direction::Request, message, version, values, out));
}

/// error (4). `time_ms`: milliseconds since the epoch, for the versions that carry it.
pub fn error(version: u16, id: i32, code: u16, words: &str, time_ms: u64, out: &mut BytesMut) {
    let values = record! { id: id, errorCode: code, errorMsg: words, errorTime: time_ms };
    to_client(id::ERROR, version, values, out);
}

/// A message in the Gateway's form, as its payload would be.
fn as_gateway(id: u16, version: u16, values: Record) -> Bytes {
    let mut out = BytesMut::new();
    response_at(id, version, values, &mut out);
    out.freeze()
}

/// error (4), as the Gateway would say it at its version.
pub fn error_payload(version: u16, id: i32, code: u16, words: &str, time_ms: u64) -> Bytes {
    as_gateway(id::ERROR, version, record! { id: id, errorCode: code, errorMsg: words, errorTime: time_ms })
}

/// historicalDataUpdate (90), as the Gateway writes it.
pub fn historical_update(version: u16, req_id: i32, bar: &Record) -> Bytes {
    let mut values = bar.clone();
    values.set("reqId", req_id);
    as_gateway(id::HISTORICAL_UPDATE, version, values)
}

/// What an orderStatus says; numbers in their text spelling.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// Order id at the Gateway.
    pub order: i32,
    /// The Gateway's word.
    pub status: &'a str,
    /// Filled quantity.
    pub filled: &'a str,
    /// What is left of it.
    pub remaining: &'a str,
    /// Average price of the fills.
    pub average: &'a str,
    /// Price of the last fill.
    pub last: &'a str,
    /// Permanent id.
    pub perm: i64,
    /// Order id of the parent at the Gateway; 0 for none.
    pub parent: i32,
    /// Client id at the Gateway.
    pub client: i32,
}

/// orderStatus (3), as the Gateway would say it at its version.
pub fn order_status(version: u16, s: &Status<'_>) -> Bytes {
    let values = record! {
        orderId: s.order,
        status: s.status,
        filled: s.filled,
        remaining: if s.remaining.is_empty() { "0" } else { s.remaining },
        avgFillPrice: s.average,
        permId: s.perm,
        parentId: s.parent,
        lastFillPrice: s.last,
        clientId: s.client,
        whyHeld: "",
        mktCapPrice: "0",
    };
    as_gateway(id::ORDER_STATUS, version, values)
}

/// nextValidId (9).
pub fn next_valid_id(version: u16, order_id: i32, out: &mut BytesMut) {
    to_client(id::NEXT_VALID_ID, version, record! { orderId: order_id }, out);
}

/// managedAccounts (15). `accounts`: as the Gateway wrote them.
pub fn managed_accounts(version: u16, accounts: &str, out: &mut BytesMut) {
    to_client(id::MANAGED_ACCOUNTS, version, record! { accountsList: accounts }, out);
}

/// openOrderEnd (53).
pub fn open_order_end(version: u16, out: &mut BytesMut) {
    to_client(id::OPEN_ORDER_END, version, Record::new(), out);
}

/// currentTime (49). `seconds` since the epoch.
pub fn current_time(version: u16, seconds: i64, out: &mut BytesMut) {
    to_client(id::CURRENT_TIME, version, record! { time: seconds }, out);
}

/// currentTimeInMillis (109). `millis` since the epoch.
pub fn current_time_millis(version: u16, millis: i64, out: &mut BytesMut) {
    to_client(id::CURRENT_TIME_MILLIS, version, record! { timeInMillis: millis }, out);
}

/// startApi (71).
pub fn start_api(version: u16, client_id: i32, capabilities: &str, out: &mut BytesMut) {
    let values = record! { clientId: client_id, optionalCapabilities: capabilities };
    to_gateway(id::START_API, version, &values, out);
}

/// reqMarketDataType (59).
pub fn market_data_type(version: u16, kind: i32, out: &mut BytesMut) {
    to_gateway(id::REQ_MARKET_DATA_TYPE, version, &record! { marketDataType: kind }, out);
}

/// A request without any field of its own: reqCurrentTime, reqAllOpenOrders, cancelPositions and their like.
pub fn bare_request(id: u16, version: u16, out: &mut BytesMut) {
    to_gateway(id, version, &Record::new(), out);
}

/// The end of account updates for `account`.
pub fn leave_account_updates(version: u16, account: &str, out: &mut BytesMut) {
    to_gateway(id::REQ_ACCOUNT_UPDATES, version, &record! { subscribe: 0, acctCode: account }, out);
}

/// cancelOrder (4), without anything that only some versions have.
pub fn cancel_order(version: u16, order_id: i32, out: &mut BytesMut) {
    to_gateway(id::CANCEL_ORDER, version, &record! { orderId: order_id }, out);
}

/// reqExecutions (7) for the executions of everybody.
pub fn all_executions(version: u16, req_id: i32, out: &mut BytesMut) {
    to_gateway(id::REQ_EXECUTIONS, version, &record! { reqId: req_id, clientId: 0 }, out);
}

/// reqIds (8).
pub fn req_ids(version: u16, out: &mut BytesMut) {
    to_gateway(id::REQ_IDS, version, &record! { numIds: 1 }, out);
}

/// A cancel by request id. `smart_depth`: what the depth subscription was made with; a cancel must say the same.
pub fn cancel(id: u16, version: u16, req_id: i32, smart_depth: bool, out: &mut BytesMut) {
    let values = match id {
        id::CANCEL_MKT_DEPTH => record! { reqId: req_id, isSmartDepth: u8::from(smart_depth) },
        _ => record! { reqId: req_id },
    };
    to_gateway(id, version, &values, out);
}
