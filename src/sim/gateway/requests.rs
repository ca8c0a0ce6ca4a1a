//! Which request is answered where.

use super::{ConnId, Gateway, subscriptions::req_id};
use crate::{
    protocol::{layout::Record, model::Request},
    sim::view::Answered,
};

/// What a read-only API refuses.
const WRITES: [&str; 9] = [
    "placeOrder",
    "cancelOrder",
    "reqGlobalCancel",
    "exerciseOptions",
    "reqIds",
    "reqOpenOrders",
    "reqAllOpenOrders",
    "reqAutoOpenOrders",
    "reqCompletedOrders",
];

impl Gateway {
    pub(super) fn request(&mut self, conn: ConnId, request: &Request, r: Record) {
        let name = request.message.name;
        if self.config.read_only && WRITES.contains(&name) {
            let id = r.int("orderId").or(r.int("id")).unwrap_or(-1) as i32;
            self.decide(Answered::Refused(321));
            return self.validation(conn, id, "The API interface is currently in Read-Only mode.");
        }
        let key = (request.message.id, req_id(&r));
        if request.duplicate != 0 && self.session(conn).is_some_and(|s| s.subscriptions.contains_key(&key)) {
            return self.refuse_duplicate(conn, key.1, request.duplicate);
        }
        match name {
            "reqMktData" => self.req_market_data(conn, &r),
            "cancelMktData" => self.cancel_line(conn, &r, 1, 300),
            "reqMarketDataType" => self.set_market_data_type(conn, &r),
            "reqMktDepth" => self.req_depth(conn, &r),
            "cancelMktDepth" => self.cancel_line(conn, &r, 10, 310),
            "reqTickByTickData" => self.req_ticks(conn, &r),
            "cancelTickByTickData" => self.cancel_line(conn, &r, 97, 300),
            "reqRealTimeBars" => self.req_realtime_bars(conn, &r),
            "cancelRealTimeBars" => self.cancel_line(conn, &r, 50, 300),
            "reqHistoricalData" => self.req_history(conn, r),
            "cancelHistoricalData" => self.cancel_history(conn, &r),
            "reqHeadTimeStamp" => self.head_timestamp(conn, &r),
            "reqHistogramData" => self.histogram(conn, &r),
            "reqHistoricalTicks" => self.historical_ticks(conn, &r),
            "cancelHeadTimeStamp" | "cancelHistogramData" | "cancelHistoricalTicks" => {}
            "calculateImpliedVolatility" => self.calculate(conn, &r, true),
            "calculateOptionPrice" => self.calculate(conn, &r, false),
            "cancelCalculateImpliedVolatility" | "cancelCalculateOptionPrice" => {}
            "placeOrder" => self.place_order(conn, r),
            "cancelOrder" => self.cancel_order(conn, &r),
            "reqGlobalCancel" => self.global_cancel(conn),
            "exerciseOptions" => self.exercise(conn, r),
            "reqOpenOrders" => self.open_orders(conn),
            "reqAllOpenOrders" => self.all_open_orders(conn),
            "reqAutoOpenOrders" => self.auto_open_orders(conn, &r),
            "reqCompletedOrders" => self.completed_orders(conn),
            "reqExecutions" => self.executions(conn, &r),
            "reqIds" => self.send_next_valid_id(conn),
            "reqManagedAccts" => self.send_managed_accounts(conn),
            "reqAccountUpdates" => self.account_updates(conn, &r),
            "reqAccountSummary" => self.account_summary(conn, &r),
            "cancelAccountSummary" => self.cancel_quietly(conn, &r, 62),
            "reqPositions" => self.positions(conn),
            "cancelPositions" => self.cancel_positions(conn),
            "reqPositionsMulti" => self.positions_multi(conn, &r),
            "cancelPositionsMulti" => self.cancel_quietly(conn, &r, 74),
            "reqAccountUpdatesMulti" => self.account_multi(conn, &r),
            "cancelAccountUpdatesMulti" => self.cancel_quietly(conn, &r, 76),
            "reqPnL" => self.req_pnl(conn, &r),
            "cancelPnL" => self.cancel_quietly(conn, &r, 92),
            "reqPnLSingle" => self.req_pnl_single(conn, &r),
            "cancelPnLSingle" => self.cancel_quietly(conn, &r, 94),
            "reqContractDetails" => self.contract_details(conn, &r),
            "cancelContractData" => {}
            "reqMatchingSymbols" => self.matching_symbols(conn, &r),
            "reqSecDefOptParams" => self.option_parameters(conn, &r),
            "reqMarketRule" => self.market_rule(conn, &r),
            "reqMktDepthExchanges" => self.depth_exchanges(conn),
            "reqSmartComponents" => self.smart_components(conn, &r),
            "reqFamilyCodes" => self.family_codes(conn),
            "reqSoftDollarTiers" => self.soft_dollar_tiers(conn, &r),
            "reqUserInfo" => self.user_info(conn, &r),
            "reqWshMetaData" | "reqWshEventData" => {
                self.error(conn, key.1, 10276, "News feed is not allowed.");
            }
            "cancelWshMetaData" | "cancelWshEventData" => {}
            "reqFundamentalData" => {
                let text = "Fundamentals data is not allowed.";
                self.error(conn, key.1, 10358, text);
            }
            "cancelFundamentalData" => {}
            "reqScannerParameters" => self.scanner_parameters(conn),
            "reqScannerSubscription" => self.req_scanner(conn, r),
            "cancelScannerSubscription" => self.cancel_scanner(conn, &r),
            "reqNewsProviders" => self.news_providers(conn),
            "reqNewsArticle" => self.news_article(conn, &r),
            "reqHistoricalNews" => self.historical_news(conn, &r),
            "reqNewsBulletins" => self.req_bulletins(conn, &r),
            "cancelNewsBulletins" => self.cancel_bulletins(conn),
            "queryDisplayGroups" => self.display_groups(conn, &r),
            "subscribeToGroupEvents" => self.join_group(conn, &r),
            "updateDisplayGroup" => self.set_group(conn, &r),
            "unsubscribeFromGroupEvents" => self.cancel_quietly(conn, &r, 68),
            "reqCurrentTime" => self.clock(conn, false),
            "reqCurrentTimeInMillis" => self.clock(conn, true),
            "setServerLogLevel" => self.set_log_level(conn, &r),
            "reqConfig" => self.send_settings(conn, key.1),
            "updateConfig" => self.update_settings(conn, &r),
            // A request for a kind of answer that has no request id is refused under 0 (LIVE.md 5).
            "requestFA" => self.validation(conn, 0, "FA data operations ignored for non FA customers."),
            "replaceFA" => {
                let id = r.int("reqId").unwrap_or_default() as i32;
                self.validation(conn, id, "FA data operations ignored for non FA customers.");
            }
            "verifyRequest" | "verifyMessage" | "verifyAndAuthRequest" | "verifyAndAuthMessage" => {
                self.validation(
                    conn,
                    -1,
                    "Intent to authenticate needs to be expressed during initial connect request.",
                );
            }
            // What a real one says to a second startApi was never seen.
            "startApi" => {}
            _ => {
                self.stats.malformed += 1;
                self.stats.last_malformed = format!("{name} is not expected");
            }
        }
    }
}
