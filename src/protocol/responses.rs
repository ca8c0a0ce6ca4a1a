//! What the Gateway can send: one declaration per message.
//!
//! Owns: the response side of the tables. Source: the decoders of the official clients up to 10.46, of 9.81, ib_async
//! and ib_insync, all of which consume these layouts exactly. The words are those of [`super::declare`].

use super::{
    contracts::*,
    declare::*,
    model::{Lane, Lane::*, Route::*, Shared, Shared::*, *},
    orders::{COMPLETED_ORDER, OPEN_ORDER, UNSET_DOUBLE},
    schema,
};

/// A key of a shared image: every message is a row of its own.
const EACH_A_ROW: &[&str] = &[];
/// Types of string ticks that are trades each time: RTVolume and RTTradeVolume.
pub(super) const RT_VOLUME: &[i64] = &[48, 77];
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
        .latest(Row::Key)
        .text(&[
            version("6"),
            req_id(),
            int("tickType").role(Role::RowKey),
            double("price"),
            decimal("size"),
            int("attrMask"),
        ])
        .proto(&schema::TICK_PRICE, 206, &[(Role::ReqId, &[1]), (Role::RowKey, &[2])]),
    response(2, "tickSize", Route::ReqId)
        .latest(Row::Key)
        .text(&[version("6"), req_id(), int("tickType").role(Role::RowKey), decimal("size")])
        .proto(&schema::TICK_SIZE, 206, &[(Role::ReqId, &[1]), (Role::RowKey, &[2])]),
    response(3, "orderStatus", Order)
        .text(&[
            version("6").until(131),
            order_id(),
            text("status"),
            decimal("filled"),
            decimal("remaining"),
            double("avgFillPrice"),
            long("permId").role(Role::PermId),
            int("parentId").role(Role::ParentOrderId),
            double("lastFillPrice"),
            int("clientId").role(Role::ClientId),
            text("whyHeld"),
            double("mktCapPrice").since(131),
        ])
        .proto(
            &schema::ORDER_STATUS,
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
            int("id").role(Role::ReqId).unset("-1"),
            int("errorCode").role(Role::Code),
            text("errorMsg"),
            text("advancedOrderRejectJson").since(166),
            long("errorTime").since(194),
        ])
        .proto(&schema::ERROR_MESSAGE, 203, &[(Role::ReqId, &[1]), (Role::Code, &[3])]),
    response(5, "openOrder", Order).text(OPEN_ORDER).proto(
        &schema::OPEN_ORDER,
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
        .event()
        .text(&[version("2"), text("key"), text("value"), text("currency"), account("accountName")])
        .proto(&schema::ACCOUNT_VALUE, 207, &[(Role::Account, &[4])]),
    response(7, "updatePortfolio", shared(AccountUpdates, &["accountName", "conId"]))
        .latest(Row::Fields(&["accountName", "conId"]))
        .text(&[
            version("8"),
            int("conId"),
            text("symbol"),
            text("secType"),
            text("lastTradeDateOrContractMonth"),
            double("strike"),
            text("right"),
            text("multiplier"),
            text("primaryExchange").at("primaryExch"),
            text("currency"),
            text("localSymbol"),
            text("tradingClass"),
            decimal("position"),
            double("marketPrice"),
            double("marketValue"),
            double("averageCost"),
            double("unrealizedPNL"),
            double("realizedPNL"),
            account("accountName"),
        ])
        .proto(&schema::PORTFOLIO_VALUE, 207, &[(Role::Account, &[8])])
        .gone(&["position", "marketValue", "unrealizedPNL"]),
    response(8, "updateAccountTime", shared(AccountUpdates, ONE_ROW))
        .event()
        .text(&[version("1"), text("timeStamp")])
        .proto(&schema::ACCOUNT_UPDATE_TIME, 207, &[]),
    response(9, "nextValidId", Route::NextValidId).text(&[version("1"), order_id()]).proto(
        &schema::NEXT_VALID_ID,
        213,
        &[(Role::OrderId, &[1])],
    ),
    response(10, "contractDetails", Route::ReqId)
        .bulk()
        .text(CONTRACT_DETAILS)
        .proto_by_id(&schema::CONTRACT_DATA, 205),
    response(11, "execDetails", Route::Execution)
        .text(&[
            version("10").until(136),
            req_id(),
            order_id(),
            group(SHOWN_CONTRACT),
            text("execId").role(Role::ExecId),
            text("time"),
            account("acctNumber"),
            text("execExchange").at("execution.exchange"),
            text("side"),
            decimal("shares"),
            double("price"),
            long("permId").role(Role::PermId),
            int("clientId").role(Role::ClientId),
            int("liquidation").at("isLiquidation"),
            decimal("cumQty"),
            double("avgPrice"),
            text("orderRef"),
            text("evRule"),
            double("evMultiplier"),
            text("modelCode").since(103),
            int("lastLiquidity").since(136),
            boolean("pendingPriceRevision").since(178).at("isPriceRevisionPending"),
            text("submitter").since(198),
        ])
        .proto(
            &schema::EXECUTION_DETAILS,
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
        .of_a_book()
        .text(&[
            version("1"),
            req_id(),
            int("position"),
            int("operation"),
            int("side"),
            double("price"),
            decimal("size"),
        ])
        .proto_by_id(&schema::MARKET_DEPTH, 206),
    response(13, "updateMktDepthL2", Route::ReqId)
        .of_a_book()
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
        .proto_by_id(&schema::MARKET_DEPTH_L2, 206),
    response(14, "updateNewsBulletin", shared(Bulletins, EACH_A_ROW))
        .event()
        .text(&[
            version("1"),
            int("msgId").at("newsMsgId"),
            int("msgType").at("newsMsgType"),
            text("message").at("newsMessage"),
            text("originExch").at("originatingExch"),
        ])
        .proto(&schema::NEWS_BULLETIN, 209, &[]),
    response(15, "managedAccounts", Route::ManagedAccounts)
        .text(&[version("1"), text("accountsList")])
        .proto(&schema::MANAGED_ACCOUNTS, 207, &[]),
    response(16, "receiveFA", lane(Fa, END))
        .bulk()
        .text(&[version("1"), int("faDataType").role(Role::LaneKey), text("xml")])
        .proto(&schema::RECEIVE_FA, 211, &[(Role::LaneKey, &[1])]),
    response(17, "historicalData", Route::ReqId)
        .bulk()
        .text(&[
            version("3").until(124),
            req_id(),
            text("startDate").until(196).text_only(),
            text("endDate").until(196).text_only(),
            repeat(
                "itemCount",
                &[
                    text("date"),
                    double("open"),
                    double("high"),
                    double("low"),
                    double("close"),
                    decimal("volume"),
                    decimal("wap").at("WAP"),
                    text("hasGaps").until(124).text_only().unset("false"),
                    int("barCount"),
                ],
            )
            .at("historicalDataBars"),
        ])
        .proto_by_id(&schema::HISTORICAL_DATA, 208),
    response(18, "bondContractDetails", Route::ReqId)
        .bulk()
        .text(BOND_DETAILS)
        .proto_by_id(&schema::CONTRACT_DATA, 205),
    response(19, "scannerParameters", lane(ScannerParameters, END))
        .bulk()
        .text(&[version("1"), text("xml")])
        .proto(&schema::SCANNER_PARAMETERS, 210, &[]),
    response(20, "scannerData", Route::ReqId)
        // The whole list each time.
        .latest(Row::One)
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
                    text("legsStr").at("comboKey"),
                ],
            )
            .at("scannerDataElement"),
        ])
        .proto_by_id(&schema::SCANNER_DATA, 210),
    response(21, "tickOptionComputation", Route::ReqId)
        .latest(Row::Key)
        .text(&[
            version("6").until(156),
            req_id(),
            int("tickType").role(Role::RowKey),
            int("tickAttrib").since(156),
            // What was not computed is -1 or -2 in text, as 0 is a value.
            double("impliedVol").unset("-1"),
            double("delta").unset("-2"),
            double("optPrice").unset("-1"),
            double("pvDividend").unset("-1"),
            double("gamma").unset("-2"),
            double("vega").unset("-2"),
            double("theta").unset("-2"),
            double("undPrice").unset("-1"),
        ])
        .proto(&schema::TICK_OPTION_COMPUTATION, 206, &[(Role::ReqId, &[1]), (Role::RowKey, &[2])]),
    response(45, "tickGeneric", Route::ReqId)
        .latest(Row::Key)
        .text(&[version("1"), req_id(), int("tickType").role(Role::RowKey), double("value")])
        .proto(&schema::TICK_GENERIC, 206, &[(Role::ReqId, &[1]), (Role::RowKey, &[2])]),
    response(46, "tickString", Route::ReqId)
        .latest(Row::KeyBut(RT_VOLUME))
        .text(&[version("1"), req_id(), int("tickType").role(Role::RowKey), text("value")])
        .proto(&schema::TICK_STRING, 206, &[(Role::ReqId, &[1]), (Role::RowKey, &[2])]),
    response(47, "tickEFP", Route::ReqId).latest(Row::Key).text(&[
        version("1"),
        req_id(),
        int("tickType").role(Role::RowKey),
        double("basisPoints"),
        text("formattedBasisPoints"),
        double("totalDividends"),
        int("holdDays"),
        text("futureLastTradeDate"),
        double("dividendImpact"),
        double("dividendsToLastTradeDate"),
    ]),
    response(49, "currentTime", Route::Time).text(&[version("1"), long("time").at("currentTime")]).proto(
        &schema::CURRENT_TIME,
        213,
        &[],
    ),
    response(50, "realtimeBar", Route::ReqId)
        .event()
        .text(&[
            version("3"),
            req_id(),
            long("time"),
            double("open"),
            double("high"),
            double("low"),
            double("close"),
            decimal("volume"),
            decimal("wap").at("WAP"),
            int("count"),
        ])
        .proto_by_id(&schema::REAL_TIME_BAR_TICK, 208),
    response(51, "fundamentalData", Route::ReqId)
        .bulk()
        .text(&[version("1"), req_id(), text("data")])
        .proto_by_id(&schema::FUNDAMENTALS_DATA, 210),
    response(52, "contractDetailsEnd", Route::ReqId)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CONTRACT_DATA_END, 205),
    response(53, "openOrderEnd", lane(OpenOrders, END)).text(&[version("1")]).proto(
        &schema::OPEN_ORDERS_END,
        203,
        &[],
    ),
    response(54, "accountDownloadEnd", image_end(AccountUpdates))
        .text(&[version("1"), account("accountName")])
        .proto(&schema::ACCOUNT_DATA_END, 207, &[(Role::Account, &[1])]),
    response(55, "execDetailsEnd", Route::ReqId)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::EXECUTION_DETAILS_END, 201),
    response(56, "deltaNeutralValidation", Route::ReqId).text(&[
        version("1"),
        req_id(),
        int("conId"),
        double("delta"),
        double("price"),
    ]),
    response(57, "tickSnapshotEnd", Route::ReqId)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::TICK_SNAPSHOT_END, 206),
    response(58, "marketDataType", Route::ReqId)
        .latest(Row::One)
        .text(&[version("1"), req_id(), int("marketDataType")])
        .proto_by_id(&schema::MARKET_DATA_TYPE, 206),
    response(59, "commissionAndFeesReport", Commission)
        .text(&[
            version("1"),
            text("execId").role(Role::ExecId),
            double("commission").at("commissionAndFees"),
            text("currency"),
            double("realizedPNL").unset(UNSET_DOUBLE),
            double("yield").unset(UNSET_DOUBLE).at("bondYield"),
            int("yieldRedemptionDate"),
        ])
        .proto(&schema::COMMISSION_AND_FEES_REPORT, 211, &[(Role::ExecId, &[1])]),
    response(61, "position", shared(Positions, &["account", "conId"]))
        .latest(Row::Fields(&["account", "conId"]))
        .text(&[
            version("3"),
            account("account"),
            int("conId"),
            group(SHOWN_CONTRACT_AFTER_ID),
            decimal("position"),
            double("avgCost"),
        ])
        .proto(&schema::POSITION, 207, &[(Role::Account, &[1])])
        .gone(&["position", "avgCost"]),
    response(62, "positionEnd", image_end(Positions)).text(&[version("1")]).proto(
        &schema::POSITION_END,
        207,
        &[],
    ),
    response(63, "accountSummary", Route::ReqId)
        .event()
        .text(&[version("1"), req_id(), account("account"), text("tag"), text("value"), text("currency")])
        .proto(&schema::ACCOUNT_SUMMARY, 207, &[(Role::ReqId, &[1]), (Role::Account, &[2])]),
    response(64, "accountSummaryEnd", Route::ReqId)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::ACCOUNT_SUMMARY_END, 207),
    response(65, "verifyMessageAPI", Nobody).text(&[version("1"), text("apiData")]).proto(
        &schema::VERIFY_MESSAGE_API,
        213,
        &[],
    ),
    response(66, "verifyCompleted", Nobody)
        .text(&[version("1"), text("isSuccessful"), text("errorText")])
        .proto(&schema::VERIFY_COMPLETED, 213, &[]),
    response(67, "displayGroupList", Route::ReqId)
        .text(&[version("1"), req_id(), text("groups")])
        .proto_by_id(&schema::DISPLAY_GROUP_LIST, 213),
    response(68, "displayGroupUpdated", Route::ReqId)
        .text(&[version("1"), req_id(), text("contractInfo")])
        .proto_by_id(&schema::DISPLAY_GROUP_UPDATED, 213),
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
        .latest(Row::Fields(&["account", "modelCode", "conId"]))
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
        .proto(&schema::POSITION_MULTI, 207, &[(Role::ReqId, &[1]), (Role::Account, &[2])])
        .gone(&["position", "avgCost"]),
    response(72, "positionMultiEnd", Route::ReqId)
        .since(103)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::POSITION_MULTI_END, 207),
    response(73, "accountUpdateMulti", Route::ReqId)
        .event()
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
        .proto(&schema::ACCOUNT_UPDATE_MULTI, 207, &[(Role::ReqId, &[1]), (Role::Account, &[2])]),
    response(74, "accountUpdateMultiEnd", Route::ReqId)
        .since(103)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::ACCOUNT_UPDATE_MULTI_END, 207),
    response(75, "securityDefinitionOptionParameter", Route::ReqId)
        .bulk()
        .since(104)
        .text(&[
            req_id(),
            text("exchange"),
            int("underlyingConId"),
            text("tradingClass"),
            text("multiplier"),
            repeat("expirationsCount", &[text("expiration")]).at("expirations"),
            repeat("strikesCount", &[double("strike")]).at("strikes"),
        ])
        .proto_by_id(&schema::SEC_DEF_OPT_PARAMETER, 212),
    response(76, "securityDefinitionOptionParameterEnd", Route::ReqId)
        .since(104)
        .text(&[req_id()])
        .proto_by_id(&schema::SEC_DEF_OPT_PARAMETER_END, 212),
    response(77, "softDollarTiers", Route::ReqId)
        .since(106)
        .text(&[
            req_id(),
            repeat("tiersCount", &[text("name"), text("value"), text("displayName")]).at("softDollarTiers"),
        ])
        .proto_by_id(&schema::SOFT_DOLLAR_TIERS, 212),
    response(78, "familyCodes", lane(FamilyCodes, END))
        .since(107)
        .text(&[repeat("familyCodesCount", &[text("accountId"), text("familyCode")]).at("familyCodes")])
        .proto(&schema::FAMILY_CODES, 212, &[]),
    response(79, "symbolSamples", Route::ReqId)
        .bulk()
        .since(108)
        .text(&[
            req_id(),
            repeat(
                "contractDescriptionsCount",
                &[
                    int("conId"),
                    text("symbol"),
                    text("secType"),
                    text("primaryExchange").at("primaryExch"),
                    text("currency"),
                    repeat("derivativeSecTypesCount", &[text("derivativeSecType")]).at("derivativeSecTypes"),
                    text("description").since(176),
                    text("issuerId").since(176),
                ],
            )
            .at("contractDescriptions"),
        ])
        .proto_by_id(&schema::SYMBOL_SAMPLES, 212),
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
                boolean("isL2").until(120).text_only(),
            ],
        )
        .at("depthMarketDataDescriptions")])
        .proto(&schema::MARKET_DEPTH_EXCHANGES, 213, &[]),
    response(81, "tickReqParams", Route::ReqId)
        .text(&[req_id(), double("minTick"), text("bboExchange"), int("snapshotPermissions")])
        .proto_by_id(&schema::TICK_REQ_PARAMS, 206),
    response(82, "smartComponents", Route::ReqId)
        .since(114)
        .text(&[
            req_id(),
            repeat("componentsCount", &[int("bitNumber"), text("exchange"), text("exchangeLetter")])
                .at("smartComponents"),
        ])
        .proto_by_id(&schema::SMART_COMPONENTS, 212),
    response(83, "newsArticle", Route::ReqId)
        .bulk()
        .since(116)
        .text(&[req_id(), int("articleType"), text("articleText")])
        .proto_by_id(&schema::NEWS_ARTICLE, 209),
    response(84, "tickNews", Route::ReqId)
        .event()
        .since(113)
        .text(&[
            req_id(),
            long("timeStamp").at("timestamp"),
            text("providerCode"),
            text("articleId"),
            text("headline"),
            text("extraData"),
        ])
        .proto_by_id(&schema::TICK_NEWS, 209),
    response(85, "newsProviders", lane(NewsProviders, END))
        .since(115)
        .text(&[repeat(
            "providersCount",
            &[text("code").at("providerCode"), text("name").at("providerName")],
        )
        .at("newsProviders")])
        .proto(&schema::NEWS_PROVIDERS, 209, &[]),
    response(86, "historicalNews", Route::ReqId)
        .bulk()
        .since(117)
        .text(&[req_id(), text("time"), text("providerCode"), text("articleId"), text("headline")])
        .proto_by_id(&schema::HISTORICAL_NEWS, 209),
    response(87, "historicalNewsEnd", Route::ReqId)
        .since(117)
        .text(&[req_id(), boolean("hasMore")])
        .proto_by_id(&schema::HISTORICAL_NEWS_END, 209),
    response(88, "headTimestamp", Route::ReqId)
        .since(118)
        .text(&[req_id(), text("headTimestamp")])
        .proto_by_id(&schema::HEAD_TIMESTAMP, 208),
    response(89, "histogramData", Route::ReqId)
        .bulk()
        .since(119)
        .text(&[
            req_id(),
            repeat("pointsCount", &[double("price"), decimal("size")]).at("histogramDataEntries"),
        ])
        .proto_by_id(&schema::HISTOGRAM_DATA, 208),
    response(90, "historicalDataUpdate", Route::ReqId)
        .event()
        .since(124)
        .text(&[
            req_id(),
            int("barCount"),
            text("date"),
            double("open"),
            double("close"),
            double("high"),
            double("low"),
            decimal("wap").at("WAP"),
            decimal("volume"),
        ])
        .proto_by_id(&schema::HISTORICAL_DATA_UPDATE, 208),
    response(91, "rerouteMktDataReq", Route::ReqId)
        .since(125)
        .text(&[req_id(), int("conId"), text("exchange")])
        .proto_by_id(&schema::REROUTE_MARKET_DATA_REQUEST, 211),
    response(92, "rerouteMktDepthReq", Route::ReqId)
        .since(125)
        .text(&[req_id(), int("conId"), text("exchange")])
        .proto_by_id(&schema::REROUTE_MARKET_DEPTH_REQUEST, 211),
    response(93, "marketRule", lane(MarketRule, END))
        .since(126)
        .text(&[
            int("marketRuleId").role(Role::LaneKey),
            repeat("priceIncrementsCount", &[double("lowEdge"), double("increment")]).at("priceIncrements"),
        ])
        .proto(&schema::MARKET_RULE, 212, &[(Role::LaneKey, &[1])]),
    response(94, "pnl", Route::ReqId)
        .latest(Row::One)
        .since(127)
        .text(&[
            req_id(),
            double("dailyPnL").unset(UNSET_DOUBLE),
            double("unrealizedPnL").unset(UNSET_DOUBLE).since(129),
            double("realizedPnL").unset(UNSET_DOUBLE).since(135),
        ])
        .proto_by_id(&schema::PN_L, 210),
    response(95, "pnlSingle", Route::ReqId)
        .latest(Row::One)
        .since(127)
        .text(&[
            req_id(),
            decimal("position"),
            double("dailyPnL").unset(UNSET_DOUBLE),
            double("unrealizedPnL").unset(UNSET_DOUBLE).since(129),
            double("realizedPnL").unset(UNSET_DOUBLE).since(135),
            double("value"),
        ])
        .proto_by_id(&schema::PN_L_SINGLE, 210),
    response(96, "historicalTicks", Route::ReqId)
        .bulk()
        .since(130)
        .text(&[
            req_id(),
            repeat("tickCount", &[long("time"), int("unused").text_only(), double("price"), decimal("size")])
                .at("historicalTicks"),
            boolean("done").at("isDone").role(Role::Flag),
        ])
        .proto(&schema::HISTORICAL_TICKS, 208, &[(Role::ReqId, &[1]), (Role::Flag, &[3])]),
    response(97, "historicalTicksBidAsk", Route::ReqId)
        .bulk()
        .since(130)
        .text(&[
            req_id(),
            repeat(
                "tickCount",
                &[
                    long("time"),
                    int("attrMask").bits("tickAttribBidAsk", &["askPastHigh", "bidPastLow"]),
                    double("priceBid"),
                    double("priceAsk"),
                    decimal("sizeBid"),
                    decimal("sizeAsk"),
                ],
            )
            .at("historicalTicksBidAsk"),
            boolean("done").at("isDone").role(Role::Flag),
        ])
        .proto(&schema::HISTORICAL_TICKS_BID_ASK, 208, &[(Role::ReqId, &[1]), (Role::Flag, &[3])]),
    response(98, "historicalTicksLast", Route::ReqId)
        .bulk()
        .since(130)
        .text(&[
            req_id(),
            repeat(
                "tickCount",
                &[
                    long("time"),
                    int("attrMask").bits("tickAttribLast", &["pastLimit", "unreported"]),
                    double("price"),
                    decimal("size"),
                    text("exchange"),
                    text("specialConditions"),
                ],
            )
            .at("historicalTicksLast"),
            boolean("done").at("isDone").role(Role::Flag),
        ])
        .proto(&schema::HISTORICAL_TICKS_LAST, 208, &[(Role::ReqId, &[1]), (Role::Flag, &[3])]),
    response(99, "tickByTick", Route::ReqId)
        .event()
        .since(137)
        .text(&[
            req_id(),
            int("tickType"),
            long("time").at_each(&[
                "historicalTickLast.time",
                "historicalTickBidAsk.time",
                "historicalTickMidPoint.time",
            ]),
            when(
                Cond::In("tickType", &["1", "2"]),
                &[
                    double("price").at("historicalTickLast.price"),
                    decimal("size").at("historicalTickLast.size"),
                    int("attrMask").bits("historicalTickLast.tickAttribLast", &["pastLimit", "unreported"]),
                    text("exchange").at("historicalTickLast.exchange"),
                    text("specialConditions").at("historicalTickLast.specialConditions"),
                ],
            ),
            when(
                Cond::In("tickType", &["3"]),
                &[
                    double("bidPrice").at("historicalTickBidAsk.priceBid"),
                    double("askPrice").at("historicalTickBidAsk.priceAsk"),
                    decimal("bidSize").at("historicalTickBidAsk.sizeBid"),
                    decimal("askSize").at("historicalTickBidAsk.sizeAsk"),
                    int("attrMask")
                        .bits("historicalTickBidAsk.tickAttribBidAsk", &["bidPastLow", "askPastHigh"]),
                ],
            ),
            when(Cond::In("tickType", &["4"]), &[double("midPoint").at("historicalTickMidPoint.price")]),
        ])
        .proto_by_id(&schema::TICK_BY_TICK_DATA, 208),
    response(100, "orderBound", OrderBound)
        .since(144)
        .text(&[long("permId").role(Role::PermId), int("clientId").role(Role::ClientId), order_id()])
        .proto(
            &schema::ORDER_BOUND,
            204,
            &[(Role::PermId, &[1]), (Role::ClientId, &[2]), (Role::OrderId, &[3])],
        ),
    response(101, "completedOrder", lane(CompletedOrders, ROW)).since(150).text(COMPLETED_ORDER).proto(
        &schema::COMPLETED_ORDER,
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
        &schema::COMPLETED_ORDERS_END,
        204,
        &[],
    ),
    response(103, "replaceFAEnd", Route::ReqId)
        .since(157)
        .text(&[req_id(), text("text")])
        .proto_by_id(&schema::REPLACE_FA_END, 211),
    response(104, "wshMetaData", Route::ReqId)
        .bulk()
        .since(161)
        .text(&[req_id(), text("dataJson")])
        .proto_by_id(&schema::WSH_META_DATA, 209),
    response(105, "wshEventData", Route::ReqId)
        .bulk()
        .since(161)
        .text(&[req_id(), text("dataJson")])
        .proto_by_id(&schema::WSH_EVENT_DATA, 209),
    response(106, "historicalSchedule", Route::ReqId)
        .bulk()
        .since(165)
        .text(&[
            req_id(),
            text("startDateTime"),
            text("endDateTime"),
            text("timeZone"),
            repeat("sessionsCount", &[text("startDateTime"), text("endDateTime"), text("refDate")])
                .at("historicalSessions"),
        ])
        .proto_by_id(&schema::HISTORICAL_SCHEDULE, 211),
    response(107, "userInfo", Route::ReqId)
        .since(167)
        .text(&[req_id(), text("whiteBrandingId")])
        .proto_by_id(&schema::USER_INFO, 212),
    response(108, "historicalDataEnd", Route::ReqId)
        .since(196)
        .text(&[req_id(), text("startDate").at("startDateStr"), text("endDate").at("endDateStr")])
        .proto_by_id(&schema::HISTORICAL_DATA_END, 208),
    response(109, "currentTimeInMillis", Route::TimeMillis)
        .since(197)
        .text(&[long("timeInMillis").at("currentTimeInMillis")])
        .proto(&schema::CURRENT_TIME_IN_MILLIS, 213, &[]),
    response(110, "configResponse", Route::ReqId).since(219).proto_by_id(&schema::CONFIG_RESPONSE, 219),
    response(111, "updateConfigResponse", Route::ReqId)
        .since(221)
        .proto_by_id(&schema::UPDATE_CONFIG_RESPONSE, 221),
];
