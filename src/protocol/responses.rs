//! What the Gateway can send: one declaration per message.
//!
//! Owns: the response side of the tables. Source: the decoders of the official clients up to 10.46, of 9.81, ib_async
//! and ib_insync, all of which consume these layouts exactly. The words are those of [`super::declare`].

use super::{
    contracts::*,
    declare::*,
    model::{Lane, Lane::*, Route::*, Shared, Shared::*, *},
    orders::{COMPLETED_ORDER, OPEN_ORDER},
};

/// A key of a shared image: every message is a row of its own.
const EACH_A_ROW: &[&str] = &[];
const ROW: bool = false;
const END: bool = true;

const fn lane(lane: Lane, end: bool) -> Route {
    Route::Lane { lane, end }
}

const fn shared(stream: Shared, key: &'static [&'static str]) -> Route {
    Route::Shared { stream, key, end: false }
}

const fn image_end(stream: Shared) -> Route {
    Route::Shared { stream, key: EACH_A_ROW, end: true }
}

/// Every response, by rising message id.
pub static RESPONSES: [Response; 86] = [
    response(1, "tickPrice", Route::ReqId)
        .text(&[version("6"), req_id(), int("tickType"), double("price"), decimal("size"), int("attrMask")])
        .proto_by_id("TickPrice", 206),
    response(2, "tickSize", Route::ReqId)
        .text(&[version("6"), req_id(), int("tickType"), decimal("size")])
        .proto_by_id("TickSize", 206),
    response(3, "orderStatus", Order)
        .text(&[
            version("6").until(131),
            order_id().proto(&[1]),
            text("status").proto(&[2]),
            decimal("filled").proto(&[3]),
            decimal("remaining").proto(&[4]),
            double("avgFillPrice").proto(&[5]),
            long("permId").role(Role::PermId).proto(&[6]),
            int("parentId").role(Role::ParentOrderId).proto(&[7]),
            double("lastFillPrice").proto(&[8]),
            int("clientId").role(Role::ClientId).proto(&[9]),
            text("whyHeld").proto(&[10]),
            double("mktCapPrice").since(131).proto(&[11]),
        ])
        .proto(
            "OrderStatus",
            203,
            &[
                (Role::OrderId, &[1]),
                (Role::PermId, &[6]),
                (Role::ParentOrderId, &[7]),
                (Role::ClientId, &[9]),
            ],
        ),
    response(4, "error", Error)
        .text(&[
            version("2").until(194),
            int("id").role(Role::ReqId).proto(&[1]),
            int("errorCode").role(Role::Code).proto(&[3]),
            text("errorMsg").proto(&[4]),
            text("advancedOrderRejectJson").since(166).proto(&[5]),
            long("errorTime").since(194).proto(&[2]),
        ])
        .proto("ErrorMessage", 203, &[(Role::ReqId, &[1]), (Role::Code, &[3])]),
    response(5, "openOrder", Order).text(OPEN_ORDER).proto(
        "OpenOrder",
        203,
        &[
            (Role::OrderId, &[1]),
            (Role::OrderId, &[3, 2]),
            (Role::ParentOrderId, &[3, 4]),
            (Role::ClientId, &[3, 1]),
            (Role::PermId, &[3, 3]),
            (Role::Account, &[3, 12]),
            (Role::Flag, &[3, 65]),
        ],
    ),
    response(6, "updateAccountValue", shared(AccountUpdates, &["accountName", "key", "currency"]))
        .text(&[
            version("2"),
            text("key").proto(&[1]),
            text("value"),
            text("currency").proto(&[3]),
            account("accountName").proto(&[4]),
        ])
        .proto("AccountValue", 207, &[(Role::Account, &[4])]),
    response(7, "updatePortfolio", shared(AccountUpdates, &["accountName", "conId"]))
        .text(&[
            version("8"),
            int("conId").proto(&[1, 1]),
            text("symbol"),
            text("secType"),
            text("lastTradeDateOrContractMonth"),
            double("strike"),
            text("right"),
            text("multiplier"),
            text("primaryExchange"),
            text("currency"),
            text("localSymbol"),
            text("tradingClass"),
            decimal("position"),
            double("marketPrice"),
            double("marketValue"),
            double("averageCost"),
            double("unrealizedPNL"),
            double("realizedPNL"),
            account("accountName").proto(&[8]),
        ])
        .proto("PortfolioValue", 207, &[(Role::Account, &[8])]),
    response(8, "updateAccountTime", shared(AccountUpdates, ONE_ROW))
        .text(&[version("1"), text("timeStamp")])
        .proto("AccountUpdateTime", 207, &[]),
    response(9, "nextValidId", Route::NextValidId).text(&[version("1"), order_id().proto(&[1])]).proto(
        "NextValidId",
        213,
        &[(Role::OrderId, &[1])],
    ),
    response(10, "contractDetails", Route::ReqId).text(CONTRACT_DETAILS).proto_by_id("ContractData", 205),
    response(11, "execDetails", Route::Execution)
        .text(&[
            version("10").until(136),
            req_id(),
            order_id(),
            group(SHOWN_CONTRACT),
            text("execId").role(Role::ExecId),
            text("time"),
            account("acctNumber"),
            text("execExchange"),
            text("side"),
            decimal("shares"),
            double("price"),
            long("permId").role(Role::PermId),
            int("clientId").role(Role::ClientId),
            int("liquidation"),
            decimal("cumQty"),
            double("avgPrice"),
            text("orderRef"),
            text("evRule"),
            double("evMultiplier"),
            text("modelCode").since(103),
            int("lastLiquidity").since(136),
            boolean("pendingPriceRevision").since(178),
            text("submitter").since(198),
        ])
        .proto(
            "ExecutionDetails",
            201,
            &[
                (Role::ReqId, &[1]),
                (Role::OrderId, &[3, 1]),
                (Role::ExecId, &[3, 2]),
                (Role::PermId, &[3, 9]),
                (Role::ClientId, &[3, 10]),
                (Role::Account, &[3, 4]),
            ],
        ),
    response(12, "updateMktDepth", Route::ReqId)
        .text(&[
            version("1"),
            req_id(),
            int("position"),
            int("operation"),
            int("side"),
            double("price"),
            decimal("size"),
        ])
        .proto_by_id("MarketDepth", 206),
    response(13, "updateMktDepthL2", Route::ReqId)
        .text(&[
            version("1"),
            req_id(),
            int("position"),
            text("marketMaker"),
            int("operation"),
            int("side"),
            double("price"),
            decimal("size"),
            boolean("isSmartDepth").since(146),
        ])
        .proto_by_id("MarketDepthL2", 206),
    response(14, "updateNewsBulletin", shared(Bulletins, EACH_A_ROW))
        .text(&[version("1"), int("msgId"), int("msgType"), text("message"), text("originExch")])
        .proto("NewsBulletin", 209, &[]),
    response(15, "managedAccounts", Route::ManagedAccounts)
        .text(&[version("1"), text("accountsList").proto(&[1])])
        .proto("ManagedAccounts", 207, &[]),
    response(16, "receiveFA", lane(Fa, END))
        .text(&[version("1"), int("faDataType").role(Role::LaneKey), text("xml")])
        .proto("ReceiveFA", 211, &[(Role::LaneKey, &[1])]),
    response(17, "historicalData", Route::ReqId)
        .text(&[
            version("3").until(124),
            req_id(),
            text("startDate").until(196),
            text("endDate").until(196),
            repeat(
                "itemCount",
                &[
                    text("date"),
                    double("open"),
                    double("high"),
                    double("low"),
                    double("close"),
                    decimal("volume"),
                    decimal("wap"),
                    text("hasGaps").until(124),
                    int("barCount"),
                ],
            ),
        ])
        .proto_by_id("HistoricalData", 208),
    response(18, "bondContractDetails", Route::ReqId).text(BOND_DETAILS).proto_by_id("ContractData", 205),
    response(19, "scannerParameters", lane(ScannerParameters, END)).text(&[version("1"), text("xml")]).proto(
        "ScannerParameters",
        210,
        &[],
    ),
    response(20, "scannerData", Route::ReqId)
        .text(&[
            version("3"),
            req_id(),
            repeat(
                "numberOfElements",
                &[
                    int("rank"),
                    int("conId"),
                    text("symbol"),
                    text("secType"),
                    text("lastTradeDateOrContractMonth"),
                    double("strike"),
                    text("right"),
                    text("exchange"),
                    text("currency"),
                    text("localSymbol"),
                    text("marketName"),
                    text("tradingClass"),
                    text("distance"),
                    text("benchmark"),
                    text("projection"),
                    text("legsStr"),
                ],
            ),
        ])
        .proto_by_id("ScannerData", 210),
    response(21, "tickOptionComputation", Route::ReqId)
        .text(&[
            version("6").until(156),
            req_id(),
            int("tickType"),
            int("tickAttrib").since(156),
            double("impliedVol"),
            double("delta"),
            double("optPrice"),
            double("pvDividend"),
            double("gamma"),
            double("vega"),
            double("theta"),
            double("undPrice"),
        ])
        .proto_by_id("TickOptionComputation", 206),
    response(45, "tickGeneric", Route::ReqId)
        .text(&[version("1"), req_id(), int("tickType"), double("value")])
        .proto_by_id("TickGeneric", 206),
    response(46, "tickString", Route::ReqId)
        .text(&[version("1"), req_id(), int("tickType"), text("value")])
        .proto_by_id("TickString", 206),
    response(47, "tickEFP", Route::ReqId).text(&[
        version("1"),
        req_id(),
        int("tickType"),
        double("basisPoints"),
        text("formattedBasisPoints"),
        double("totalDividends"),
        int("holdDays"),
        text("futureLastTradeDate"),
        double("dividendImpact"),
        double("dividendsToLastTradeDate"),
    ]),
    response(49, "currentTime", Route::Time).text(&[version("1"), long("time").proto(&[1])]).proto(
        "CurrentTime",
        213,
        &[],
    ),
    response(50, "realtimeBar", Route::ReqId)
        .text(&[
            version("3"),
            req_id(),
            long("time"),
            double("open"),
            double("high"),
            double("low"),
            double("close"),
            decimal("volume"),
            decimal("wap"),
            int("count"),
        ])
        .proto_by_id("RealTimeBarTick", 208),
    response(51, "fundamentalData", Route::ReqId)
        .text(&[version("1"), req_id(), text("data")])
        .proto_by_id("FundamentalsData", 210),
    response(52, "contractDetailsEnd", Route::ReqId)
        .text(&[version("1"), req_id()])
        .proto_by_id("ContractDataEnd", 205),
    response(53, "openOrderEnd", lane(OpenOrders, END)).text(&[version("1")]).proto(
        "OpenOrdersEnd",
        203,
        &[],
    ),
    response(54, "accountDownloadEnd", image_end(AccountUpdates))
        .text(&[version("1"), account("accountName")])
        .proto("AccountDataEnd", 207, &[(Role::Account, &[1])]),
    response(55, "execDetailsEnd", Route::ReqId)
        .text(&[version("1"), req_id()])
        .proto_by_id("ExecutionDetailsEnd", 201),
    response(56, "deltaNeutralValidation", Route::ReqId).text(&[
        version("1"),
        req_id(),
        int("conId"),
        double("delta"),
        double("price"),
    ]),
    response(57, "tickSnapshotEnd", Route::ReqId)
        .text(&[version("1"), req_id()])
        .proto_by_id("TickSnapshotEnd", 206),
    response(58, "marketDataType", Route::ReqId)
        .text(&[version("1"), req_id().proto(&[1]), int("marketDataType").proto(&[2])])
        .proto_by_id("MarketDataType", 206),
    response(59, "commissionAndFeesReport", Commission)
        .text(&[
            version("1"),
            text("execId").role(Role::ExecId).proto(&[1]),
            double("commission").proto(&[2]),
            text("currency").proto(&[3]),
            double("realizedPNL").proto(&[4]),
            double("yield").proto(&[5]),
            int("yieldRedemptionDate").proto(&[6]),
        ])
        .proto("CommissionAndFeesReport", 211, &[(Role::ExecId, &[1])]),
    response(61, "position", shared(Positions, &["account", "conId"]))
        .text(&[
            version("3"),
            account("account").proto(&[1]),
            int("conId").proto(&[2, 1]),
            group(SHOWN_CONTRACT_AFTER_ID),
            decimal("position"),
            double("avgCost"),
        ])
        .proto("Position", 207, &[(Role::Account, &[1])]),
    response(62, "positionEnd", image_end(Positions)).text(&[version("1")]).proto("PositionEnd", 207, &[]),
    response(63, "accountSummary", Route::ReqId)
        .text(&[version("1"), req_id(), account("account"), text("tag"), text("value"), text("currency")])
        .proto("AccountSummary", 207, &[(Role::ReqId, &[1]), (Role::Account, &[2])]),
    response(64, "accountSummaryEnd", Route::ReqId)
        .text(&[version("1"), req_id()])
        .proto_by_id("AccountSummaryEnd", 207),
    response(65, "verifyMessageAPI", Nobody).text(&[version("1"), text("apiData")]).proto(
        "VerifyMessageApi",
        213,
        &[],
    ),
    response(66, "verifyCompleted", Nobody)
        .text(&[version("1"), text("isSuccessful"), text("errorText")])
        .proto("VerifyCompleted", 213, &[]),
    response(67, "displayGroupList", Route::ReqId)
        .text(&[version("1"), req_id(), text("groups")])
        .proto_by_id("DisplayGroupList", 213),
    response(68, "displayGroupUpdated", Route::ReqId)
        .text(&[version("1"), req_id(), text("contractInfo")])
        .proto_by_id("DisplayGroupUpdated", 213),
    response(69, "verifyAndAuthMessageAPI", Nobody).text(&[
        version("1"),
        text("apiData"),
        text("xyzChallenge"),
    ]),
    response(70, "verifyAndAuthCompleted", Nobody).text(&[
        version("1"),
        text("isSuccessful"),
        text("errorText"),
    ]),
    response(71, "positionMulti", Route::ReqId)
        .since(103)
        .text(&[
            version("1"),
            req_id(),
            account("account"),
            group(SHOWN_CONTRACT),
            decimal("position"),
            double("avgCost"),
            text("modelCode"),
        ])
        .proto("PositionMulti", 207, &[(Role::ReqId, &[1]), (Role::Account, &[2])]),
    response(72, "positionMultiEnd", Route::ReqId)
        .since(103)
        .text(&[version("1"), req_id()])
        .proto_by_id("PositionMultiEnd", 207),
    response(73, "accountUpdateMulti", Route::ReqId)
        .since(103)
        .text(&[
            version("1"),
            req_id(),
            account("account"),
            text("modelCode"),
            text("key"),
            text("value"),
            text("currency"),
        ])
        .proto("AccountUpdateMulti", 207, &[(Role::ReqId, &[1]), (Role::Account, &[2])]),
    response(74, "accountUpdateMultiEnd", Route::ReqId)
        .since(103)
        .text(&[version("1"), req_id()])
        .proto_by_id("AccountUpdateMultiEnd", 207),
    response(75, "securityDefinitionOptionParameter", Route::ReqId)
        .since(104)
        .text(&[
            req_id(),
            text("exchange"),
            int("underlyingConId"),
            text("tradingClass"),
            text("multiplier"),
            repeat("expirationsCount", &[text("expiration")]),
            repeat("strikesCount", &[double("strike")]),
        ])
        .proto_by_id("SecDefOptParameter", 212),
    response(76, "securityDefinitionOptionParameterEnd", Route::ReqId)
        .since(104)
        .text(&[req_id()])
        .proto_by_id("SecDefOptParameterEnd", 212),
    response(77, "softDollarTiers", Route::ReqId)
        .since(106)
        .text(&[req_id(), repeat("tiersCount", &[text("name"), text("value"), text("displayName")])])
        .proto_by_id("SoftDollarTiers", 212),
    response(78, "familyCodes", lane(FamilyCodes, END))
        .since(107)
        .text(&[repeat("familyCodesCount", &[text("accountId"), text("familyCode")])])
        .proto("FamilyCodes", 212, &[]),
    response(79, "symbolSamples", Route::ReqId)
        .since(108)
        .text(&[
            req_id(),
            repeat(
                "contractDescriptionsCount",
                &[
                    int("conId"),
                    text("symbol"),
                    text("secType"),
                    text("primaryExchange"),
                    text("currency"),
                    repeat("derivativeSecTypesCount", &[text("derivativeSecType")]),
                    text("description").since(176),
                    text("issuerId").since(176),
                ],
            ),
        ])
        .proto_by_id("SymbolSamples", 212),
    response(80, "mktDepthExchanges", lane(DepthExchanges, END))
        .since(112)
        .text(&[repeat(
            "descriptionsCount",
            &[
                text("exchange"),
                text("secType"),
                text("listingExch").since(120),
                text("serviceDataType").since(120),
                int("aggGroup").since(120),
                boolean("isL2").until(120),
            ],
        )])
        .proto("MarketDepthExchanges", 213, &[]),
    response(81, "tickReqParams", Route::ReqId)
        .text(&[req_id(), double("minTick"), text("bboExchange"), int("snapshotPermissions")])
        .proto_by_id("TickReqParams", 206),
    response(82, "smartComponents", Route::ReqId)
        .since(114)
        .text(&[
            req_id(),
            repeat("componentsCount", &[int("bitNumber"), text("exchange"), text("exchangeLetter")]),
        ])
        .proto_by_id("SmartComponents", 212),
    response(83, "newsArticle", Route::ReqId)
        .since(116)
        .text(&[req_id(), int("articleType"), text("articleText")])
        .proto_by_id("NewsArticle", 209),
    response(84, "tickNews", Route::ReqId)
        .since(113)
        .text(&[
            req_id(),
            long("timeStamp"),
            text("providerCode"),
            text("articleId"),
            text("headline"),
            text("extraData"),
        ])
        .proto_by_id("TickNews", 209),
    response(85, "newsProviders", lane(NewsProviders, END))
        .since(115)
        .text(&[repeat("providersCount", &[text("code"), text("name")])])
        .proto("NewsProviders", 209, &[]),
    response(86, "historicalNews", Route::ReqId)
        .since(117)
        .text(&[req_id(), text("time"), text("providerCode"), text("articleId"), text("headline")])
        .proto_by_id("HistoricalNews", 209),
    response(87, "historicalNewsEnd", Route::ReqId)
        .since(117)
        .text(&[req_id(), boolean("hasMore")])
        .proto_by_id("HistoricalNewsEnd", 209),
    response(88, "headTimestamp", Route::ReqId)
        .since(118)
        .text(&[req_id(), text("headTimestamp")])
        .proto_by_id("HeadTimestamp", 208),
    response(89, "histogramData", Route::ReqId)
        .since(119)
        .text(&[req_id(), repeat("pointsCount", &[double("price"), decimal("size")])])
        .proto_by_id("HistogramData", 208),
    response(90, "historicalDataUpdate", Route::ReqId)
        .since(124)
        .text(&[
            req_id(),
            int("barCount"),
            text("date"),
            double("open"),
            double("close"),
            double("high"),
            double("low"),
            decimal("wap"),
            decimal("volume"),
        ])
        .proto_by_id("HistoricalDataUpdate", 208),
    response(91, "rerouteMktDataReq", Route::ReqId)
        .since(125)
        .text(&[req_id(), int("conId"), text("exchange")])
        .proto_by_id("RerouteMarketDataRequest", 211),
    response(92, "rerouteMktDepthReq", Route::ReqId)
        .since(125)
        .text(&[req_id(), int("conId"), text("exchange")])
        .proto_by_id("RerouteMarketDepthRequest", 211),
    response(93, "marketRule", lane(MarketRule, END))
        .since(126)
        .text(&[
            int("marketRuleId").role(Role::LaneKey),
            repeat("priceIncrementsCount", &[double("lowEdge"), double("increment")]),
        ])
        .proto("MarketRule", 212, &[(Role::LaneKey, &[1])]),
    response(94, "pnl", Route::ReqId)
        .since(127)
        .text(&[
            req_id(),
            double("dailyPnL"),
            double("unrealizedPnL").since(129),
            double("realizedPnL").since(135),
        ])
        .proto_by_id("PnL", 210),
    response(95, "pnlSingle", Route::ReqId)
        .since(127)
        .text(&[
            req_id(),
            decimal("position"),
            double("dailyPnL"),
            double("unrealizedPnL").since(129),
            double("realizedPnL").since(135),
            double("value"),
        ])
        .proto_by_id("PnLSingle", 210),
    response(96, "historicalTicks", Route::ReqId)
        .since(130)
        .text(&[
            req_id(),
            repeat("tickCount", &[long("time"), int("unused"), double("price"), decimal("size")]),
            boolean("done").role(Role::Flag),
        ])
        .proto("HistoricalTicks", 208, &[(Role::ReqId, &[1]), (Role::Flag, &[3])]),
    response(97, "historicalTicksBidAsk", Route::ReqId)
        .since(130)
        .text(&[
            req_id(),
            repeat(
                "tickCount",
                &[
                    long("time"),
                    int("attrMask"),
                    double("priceBid"),
                    double("priceAsk"),
                    decimal("sizeBid"),
                    decimal("sizeAsk"),
                ],
            ),
            boolean("done").role(Role::Flag),
        ])
        .proto("HistoricalTicksBidAsk", 208, &[(Role::ReqId, &[1]), (Role::Flag, &[3])]),
    response(98, "historicalTicksLast", Route::ReqId)
        .since(130)
        .text(&[
            req_id(),
            repeat(
                "tickCount",
                &[
                    long("time"),
                    int("attrMask"),
                    double("price"),
                    decimal("size"),
                    text("exchange"),
                    text("specialConditions"),
                ],
            ),
            boolean("done").role(Role::Flag),
        ])
        .proto("HistoricalTicksLast", 208, &[(Role::ReqId, &[1]), (Role::Flag, &[3])]),
    response(99, "tickByTick", Route::ReqId)
        .since(137)
        .text(&[
            req_id(),
            int("tickType"),
            long("time"),
            when(
                Cond::In("tickType", &["1", "2"]),
                &[
                    double("price"),
                    decimal("size"),
                    int("attrMask"),
                    text("exchange"),
                    text("specialConditions"),
                ],
            ),
            when(
                Cond::In("tickType", &["3"]),
                &[
                    double("bidPrice"),
                    double("askPrice"),
                    decimal("bidSize"),
                    decimal("askSize"),
                    int("attrMask"),
                ],
            ),
            when(Cond::In("tickType", &["4"]), &[double("midPoint")]),
        ])
        .proto_by_id("TickByTickData", 208),
    response(100, "orderBound", OrderBound)
        .since(144)
        .text(&[long("permId").role(Role::PermId), int("clientId").role(Role::ClientId), order_id()])
        .proto("OrderBound", 204, &[(Role::PermId, &[1]), (Role::ClientId, &[2]), (Role::OrderId, &[3])]),
    response(101, "completedOrder", lane(CompletedOrders, ROW)).since(150).text(COMPLETED_ORDER).proto(
        "CompletedOrder",
        204,
        &[
            (Role::OrderId, &[2, 2]),
            (Role::ParentOrderId, &[2, 4]),
            (Role::ClientId, &[2, 1]),
            (Role::PermId, &[2, 3]),
            (Role::Account, &[2, 12]),
        ],
    ),
    response(102, "completedOrdersEnd", lane(CompletedOrders, END)).since(150).text(&[]).proto(
        "CompletedOrdersEnd",
        204,
        &[],
    ),
    response(103, "replaceFAEnd", Route::ReqId)
        .since(157)
        .text(&[req_id(), text("text")])
        .proto_by_id("ReplaceFAEnd", 211),
    response(104, "wshMetaData", Route::ReqId)
        .since(161)
        .text(&[req_id(), text("dataJson")])
        .proto_by_id("WshMetaData", 209),
    response(105, "wshEventData", Route::ReqId)
        .since(161)
        .text(&[req_id(), text("dataJson")])
        .proto_by_id("WshEventData", 209),
    response(106, "historicalSchedule", Route::ReqId)
        .since(165)
        .text(&[
            req_id(),
            text("startDateTime"),
            text("endDateTime"),
            text("timeZone"),
            repeat("sessionsCount", &[text("startDateTime"), text("endDateTime"), text("refDate")]),
        ])
        .proto_by_id("HistoricalSchedule", 211),
    response(107, "userInfo", Route::ReqId)
        .since(167)
        .text(&[req_id(), text("whiteBrandingId")])
        .proto_by_id("UserInfo", 212),
    response(108, "historicalDataEnd", Route::ReqId)
        .since(196)
        .text(&[req_id(), text("startDate"), text("endDate")])
        .proto_by_id("HistoricalDataEnd", 208),
    response(109, "currentTimeInMillis", Route::TimeMillis)
        .since(197)
        .text(&[long("timeInMillis").proto(&[1])])
        .proto("CurrentTimeInMillis", 213, &[]),
    response(110, "configResponse", Route::ReqId).since(219).proto_by_id("ConfigResponse", 219),
    response(111, "updateConfigResponse", Route::ReqId).since(221).proto_by_id("UpdateConfigResponse", 221),
];
