//! What a client can send: one declaration per message.
//!
//! Owns: the request side of the tables. Source: the encoders of the official clients up to 10.46, of 9.81, ib_async
//! and ib_insync, which agree but for [`Message::variants`]. The words are those of [`super::declare`].

use super::{
    contracts::*,
    declare::*,
    model::{self, EndWhen::*, Handling::*, Kind::*, Lane::*, Local, Shared::*, *},
    orders::{PLACE_ORDER, UNSET_INT},
    pacing,
    responses::RT_VOLUME,
    schema,
};

/// Up to here the end of historical data was the data message itself.
const BEFORE_HISTORICAL_END: EndWhen = EndWhen::Versions(model::Versions { since: 0, until: 196 });
const VERIFY: &str = "Messages of the verification handshake are not accepted by twsmux: it authenticates nobody at the Gateway";
const CONFIG: &str =
    "Changing the settings of the Gateway is not allowed through twsmux: they hold for all of its clients";

/// Every request, by rising message id.
pub static REQUESTS: [Request; 85] = [
    request(1, "reqMktData", OneShotIfFlag, ById)
        .text(&[
            version("11"),
            req_id(),
            group(CONTRACT),
            when(IS_BAG, &[repeat("comboLegsCount", LEG).at("comboLegs")]),
            boolean("hasDeltaNeutral").presence_of("deltaNeutralContract"),
            when(HAS_DELTA_NEUTRAL, DELTA_NEUTRAL),
            text("genericTickList"),
            boolean("snapshot").role(Role::Flag),
            boolean("regulatorySnapshot").role(Role::Flag).since(114),
            tags("mktDataOptions").at("marketDataOptions"),
        ])
        .proto(
            &schema::MARKET_DATA_REQUEST,
            206,
            &[(Role::ReqId, &[1]), (Role::Flag, &[4]), (Role::Flag, &[5])],
        )
        .market_data()
        .answers(&[58, 81, 1, 2, 21, 45, 46, 47, 56, 57, 84, 91, 4])
        .ends(&[(57, Always)])
        .duplicate(102)
        .shared(&[
            (58, Row::One),
            (81, Row::One),
            (1, Row::Key),
            (2, Row::Key),
            (21, Row::Key),
            (45, Row::Key),
            (46, Row::KeyBut(RT_VOLUME)),
            (47, Row::Key),
            (56, Row::One),
        ])
        .in_any_order(&["genericTickList"]),
    request(2, "cancelMktData", Cancel(1), ById)
        .text(&[version("2"), req_id()])
        .proto_by_id(&schema::CANCEL_MARKET_DATA, 206)
        .answers(&[4])
        .not_found(300),
    // The flag is whatIf: such an order draws one openOrder and exists no longer.
    request(3, "placeOrder", OneShotIfFlag, PlaceOrder)
        .text(PLACE_ORDER)
        .proto(
            &schema::PLACE_ORDER_REQUEST,
            203,
            &[
                (Role::OrderId, &[1]),
                (Role::OrderId, &[3, 2]),
                (Role::ParentOrderId, &[3, 4]),
                (Role::ClientId, &[3, 1]),
                (Role::PermId, &[3, 3]),
                (Role::Account, &[3, 12]),
                (Role::Flag, &[3, 65]),
                (Role::StopLossOrderId, &[4, 1]),
                (Role::ProfitTakerOrderId, &[4, 3]),
            ],
        )
        .answers(&[5, 3, 11, 59, 4])
        .ends(&[(5, Always)]),
    // A cancel must get through: what the Gateway's version has no place for stays behind.
    request(4, "cancelOrder", Cancel(3), CancelOrder)
        .text(&[
            version("1").until(192),
            order_id(),
            text("manualOrderCancelTime").since(169).harmless(),
            text("rfqA").since(187).until(190).fixed("").text_only().harmless(),
            text("rfqB").since(187).until(190).fixed("").text_only().harmless(),
            int("rfqC").since(187).until(190).fixed("2147483647").text_only().harmless(),
            text("extOperator").since(192).harmless(),
            int("manualOrderIndicator").since(192).unset(UNSET_INT).harmless(),
        ])
        .proto(&schema::CANCEL_ORDER_REQUEST, 203, &[(Role::OrderId, &[1])])
        .answers(&[3, 5, 4]),
    request(5, "reqOpenOrders", OneShot, Handling::Lane(OpenOrders))
        .text(&[version("1")])
        .proto(&schema::OPEN_ORDERS_REQUEST, 204, &[])
        .answers(&[5, 3, 53, 4])
        .ends(&[(53, Always)]),
    request(6, "reqAccountUpdates", Stream, Join(AccountUpdates))
        .text(&[version("2"), boolean("subscribe").role(Role::Subscribe), account("acctCode")])
        .proto(&schema::ACCOUNT_DATA_REQUEST, 207, &[(Role::Subscribe, &[1]), (Role::Account, &[2])])
        .answers(&[6, 7, 8, 54, 4])
        .ends(&[(54, Image)]),
    request(7, "reqExecutions", OneShot, Executions)
        .text(&[
            version("3"),
            req_id(),
            int("clientId").role(Role::ClientId),
            account("acctCode"),
            text("time"),
            text("symbol"),
            text("secType"),
            text("exchange"),
            text("side"),
            int("lastNDays").since(200).unset(UNSET_INT),
            repeat("specificDatesCount", &[int("specificDate")]).since(200).at("specificDates"),
        ])
        .proto(
            &schema::EXECUTION_REQUEST,
            201,
            &[(Role::ReqId, &[1]), (Role::ClientId, &[2, 1]), (Role::Account, &[2, 2])],
        )
        .answers(&[11, 59, 55, 4])
        .asked_once()
        .reused(Reuse::Unchanged)
        .ends(&[(55, Always)])
        .duplicate(322),
    request(8, "reqIds", OneShot, Local(Local::NextValidId))
        .text(&[version("1"), int("numIds")])
        .proto(&schema::IDS_REQUEST, 213, &[])
        .answers(&[9, 4])
        .ends(&[(9, Always)]),
    request(9, "reqContractDetails", OneShot, ById)
        .text(&[
            version("8"),
            req_id(),
            group(CONTRACT),
            boolean("includeExpired"),
            text("secIdType"),
            text("secId"),
            text("issuerId").since(176),
        ])
        .proto_by_id(&schema::CONTRACT_DATA_REQUEST, 205)
        .market_data()
        .answers(&[10, 18, 52, 4])
        .asked_once()
        .ends(&[(52, Always)])
        .duplicate(322),
    request(10, "reqMktDepth", Stream, ById)
        .text(&[
            version("5"),
            req_id(),
            int("conId"),
            text("symbol"),
            text("secType"),
            text("lastTradeDateOrContractMonth"),
            double("strike").optional(),
            text("right"),
            text("multiplier"),
            text("exchange"),
            text("primaryExchange").since(149).at("primaryExch"),
            text("currency"),
            text("localSymbol"),
            text("tradingClass"),
            int("numRows"),
            boolean("isSmartDepth").since(146),
            tags("mktDepthOptions").at("marketDepthOptions"),
        ])
        .proto_by_id(&schema::MARKET_DEPTH_REQUEST, 206)
        .market_data()
        .answers(&[12, 13, 92, 4])
        .shared(&[(12, Row::Book), (13, Row::Book)])
        .duplicate(322),
    request(11, "cancelMktDepth", Cancel(10), ById)
        .text(&[version("1"), req_id(), boolean("isSmartDepth").since(146)])
        .proto_by_id(&schema::CANCEL_MARKET_DEPTH, 206)
        .answers(&[4])
        .not_found(310),
    request(12, "reqNewsBulletins", Stream, Join(Bulletins))
        .text(&[version("1"), boolean("allMsgs").at("allMessages")])
        .proto(&schema::NEWS_BULLETINS_REQUEST, 209, &[])
        .answers(&[14, 4]),
    request(13, "cancelNewsBulletins", Cancel(12), Leave(Bulletins))
        .text(&[version("1")])
        .proto(&schema::CANCEL_NEWS_BULLETINS, 209, &[])
        .answers(&[4]),
    request(14, "setServerLogLevel", Fire, Local(Local::LogLevel))
        .text(&[version("1"), int("logLevel")])
        .proto(&schema::SET_SERVER_LOG_LEVEL_REQUEST, 213, &[])
        .answers(&[4]),
    request(15, "reqAutoOpenOrders", Fire, Local(Local::AutoOpenOrders))
        .text(&[version("1"), boolean("autoBind")])
        .proto(&schema::AUTO_OPEN_ORDERS_REQUEST, 204, &[])
        .answers(&[100, 5, 3, 4]),
    request(16, "reqAllOpenOrders", OneShot, Handling::Lane(OpenOrders))
        .text(&[version("1")])
        .proto(&schema::ALL_OPEN_ORDERS_REQUEST, 204, &[])
        .answers(&[5, 3, 53, 4])
        .ends(&[(53, Always)]),
    request(17, "reqManagedAccts", OneShot, Local(Local::ManagedAccounts))
        .text(&[version("1")])
        .proto(&schema::MANAGED_ACCOUNTS_REQUEST, 207, &[])
        .answers(&[15, 4])
        .ends(&[(15, Always)]),
    request(18, "requestFA", OneShot, Handling::Lane(Fa))
        .text(&[version("1"), int("faDataType").role(Role::LaneKey)])
        .proto(&schema::FA_REQUEST, 211, &[(Role::LaneKey, &[1])])
        .answers(&[16, 4])
        .ends(&[(16, Always)]),
    // Below 157 it has neither an id nor an answer.
    request(19, "replaceFA", OneShot, ById)
        .text(&[version("1"), int("faDataType"), text("xml"), req_id().since(157)])
        .proto_by_id(&schema::FA_REPLACE, 211)
        .private()
        .answers(&[103, 4])
        .ends(&[(103, Always)])
        .not_replayed()
        .duplicate(322),
    request(20, "reqHistoricalData", StreamIfFlag, ById)
        .text(&[
            version("6").until(124),
            req_id(),
            group(CONTRACT),
            boolean("includeExpired"),
            text("endDateTime"),
            text("barSizeSetting"),
            text("durationStr").at("duration"),
            boolean("useRTH"),
            text("whatToShow"),
            int("formatDate"),
            when(IS_BAG, &[repeat("comboLegsCount", LEG).at("comboLegs")]),
            boolean("keepUpToDate").role(Role::Flag).since(124),
            tags("chartOptions"),
        ])
        .proto(&schema::HISTORICAL_DATA_REQUEST, 208, &[(Role::ReqId, &[1]), (Role::Flag, &[9])])
        .history()
        .paced(&pacing::BARS)
        .answers(&[17, 108, 90, 106, 4])
        .asked_once()
        .reused(Reuse::Repeat { end: Some("endDateTime"), small: pacing::BARS.small })
        .ends(&[(17, BEFORE_HISTORICAL_END), (108, Always), (106, Always)])
        .duplicate(386),
    request(21, "exerciseOptions", Fire, Exercise)
        .text(&[
            version("2"),
            int("id").role(Role::OrderId).at("orderId"),
            group(CONTRACT_WITHOUT_PRIMARY),
            int("exerciseAction"),
            int("exerciseQuantity"),
            account("account"),
            boolean("override"),
            text("manualOrderTime").since(180),
            text("customerAccount").since(183),
            boolean("professionalCustomer").since(184),
        ])
        .proto(&schema::EXERCISE_OPTIONS_REQUEST, 211, &[(Role::OrderId, &[1]), (Role::Account, &[5])])
        .answers(&[5, 3, 4])
        .duplicate(103),
    request(22, "reqScannerSubscription", Stream, ById)
        .text(&[
            version("4").until(143),
            req_id(),
            int("numberOfRows").optional(),
            text("instrument"),
            text("locationCode"),
            text("scanCode"),
            double("abovePrice").optional(),
            double("belowPrice").optional(),
            int("aboveVolume").optional(),
            double("marketCapAbove").optional(),
            double("marketCapBelow").optional(),
            text("moodyRatingAbove"),
            text("moodyRatingBelow"),
            text("spRatingAbove"),
            text("spRatingBelow"),
            text("maturityDateAbove"),
            text("maturityDateBelow"),
            double("couponRateAbove").optional(),
            double("couponRateBelow").optional(),
            boolean("excludeConvertible"),
            int("averageOptionVolumeAbove").optional(),
            text("scannerSettingPairs"),
            text("stockTypeFilter"),
            tags("filterOptions").since(143).at("scannerSubscriptionFilterOptions"),
            tags("subscriptionOptions").at("scannerSubscriptionOptions"),
        ])
        .proto_by_id(&schema::SCANNER_SUBSCRIPTION_REQUEST, 210)
        .history()
        .answers(&[20, 4])
        .shared(&[(20, Row::One)])
        .duplicate(385),
    request(23, "cancelScannerSubscription", Cancel(22), ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_SCANNER_SUBSCRIPTION, 210)
        .answers(&[4])
        .not_found(365),
    request(24, "reqScannerParameters", OneShot, Handling::Lane(ScannerParameters))
        .text(&[version("1")])
        .proto(&schema::SCANNER_PARAMETERS_REQUEST, 210, &[])
        .history()
        .answers(&[19, 4])
        .reused(Reuse::Link)
        .ends(&[(19, Always)]),
    request(25, "cancelHistoricalData", Cancel(20), ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_HISTORICAL_DATA, 208)
        .answers(&[4])
        .not_found(366),
    request(49, "reqCurrentTime", OneShot, Local(Local::Time))
        .text(&[version("1")])
        .proto(&schema::CURRENT_TIME_REQUEST, 213, &[])
        .answers(&[49, 4])
        .ends(&[(49, Always)]),
    request(50, "reqRealTimeBars", Stream, ById)
        .text(&[
            version("3"),
            req_id(),
            group(CONTRACT),
            int("barSize"),
            text("whatToShow"),
            boolean("useRTH"),
            tags("realTimeBarsOptions"),
        ])
        .proto_by_id(&schema::REAL_TIME_BARS_REQUEST, 208)
        .market_data()
        .paced(&pacing::REAL_TIME_BARS)
        .answers(&[50, 4])
        .shared(&[])
        .duplicate(322),
    request(51, "cancelRealTimeBars", Cancel(50), ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_REAL_TIME_BARS, 208)
        .answers(&[4])
        .not_found(300),
    request(52, "reqFundamentalData", OneShot, ById)
        .text(&[group(FUNDAMENTALS), tags("fundamentalDataOptions").at("fundamentalsDataOptions")])
        .variants(&[&[
            group(FUNDAMENTALS),
            int("optionsCount").text_only().harmless(),
            tags("fundamentalDataOptions").at("fundamentalsDataOptions"),
        ]])
        .proto_by_id(&schema::FUNDAMENTALS_DATA_REQUEST, 210)
        .history()
        .answers(&[51, 4])
        .ends(&[(51, Always)])
        .duplicate(322),
    request(53, "cancelFundamentalData", Cancel(52), ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_FUNDAMENTALS_DATA, 210)
        .answers(&[4]),
    request(54, "calculateImpliedVolatility", OneShot, ById)
        .text(&[group(IMPLIED_VOLATILITY), tags("implVolOptions").at("impliedVolatilityOptions")])
        .variants(&[&[
            group(IMPLIED_VOLATILITY),
            int("optionsCount").text_only().harmless(),
            tags("implVolOptions").at("impliedVolatilityOptions"),
        ]])
        .proto_by_id(&schema::CALCULATE_IMPLIED_VOLATILITY_REQUEST, 211)
        .market_data()
        .answers(&[21, 4])
        .asked_once()
        .ends(&[(21, Always)])
        .duplicate(322),
    request(55, "calculateOptionPrice", OneShot, ById)
        .text(&[group(OPTION_PRICE), tags("optPrcOptions").at("optionPriceOptions")])
        .variants(&[&[
            group(OPTION_PRICE),
            int("optionsCount").text_only().harmless(),
            tags("optPrcOptions").at("optionPriceOptions"),
        ]])
        .proto_by_id(&schema::CALCULATE_OPTION_PRICE_REQUEST, 211)
        .market_data()
        .answers(&[21, 4])
        .asked_once()
        .ends(&[(21, Always)])
        .duplicate(322),
    request(56, "cancelCalculateImpliedVolatility", Cancel(54), ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_CALCULATE_IMPLIED_VOLATILITY, 211)
        .answers(&[4]),
    request(57, "cancelCalculateOptionPrice", Cancel(55), ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_CALCULATE_OPTION_PRICE, 211)
        .answers(&[4]),
    request(58, "reqGlobalCancel", Fire, GlobalCancel)
        .text(&[
            version("1").until(192),
            text("extOperator").since(192).harmless(),
            int("manualOrderIndicator").since(192).unset(UNSET_INT).harmless(),
        ])
        .proto(&schema::GLOBAL_CANCEL_REQUEST, 203, &[])
        .answers(&[3, 4]),
    request(59, "reqMarketDataType", Fire, Local(Local::MarketDataType))
        .text(&[version("1"), int("marketDataType")])
        .proto(&schema::MARKET_DATA_TYPE_REQUEST, 206, &[])
        .answers(&[4]),
    request(61, "reqPositions", Stream, Join(Positions))
        .text(&[version("1")])
        .proto(&schema::POSITIONS_REQUEST, 207, &[])
        .answers(&[61, 62, 4])
        .ends(&[(62, Image)]),
    request(62, "reqAccountSummary", Stream, ById)
        .text(&[version("1"), req_id(), text("groupName").at("group"), text("tags")])
        .proto_by_id(&schema::ACCOUNT_SUMMARY_REQUEST, 207)
        .private()
        .answers(&[63, 64, 4])
        .shared(&[(63, Row::Fields(&["account", "tag", "currency"])), (64, Row::One)])
        .in_any_order(&["tags"])
        .ends(&[(64, Image)])
        .duplicate(322),
    request(63, "cancelAccountSummary", Cancel(62), ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_ACCOUNT_SUMMARY, 207)
        .answers(&[4]),
    request(64, "cancelPositions", Cancel(61), Leave(Positions))
        .text(&[version("1")])
        .proto(&schema::CANCEL_POSITIONS, 207, &[])
        .answers(&[4]),
    request(65, "verifyRequest", OneShot, Refused(VERIFY))
        .text(&[version("1"), text("apiName"), text("apiVersion")])
        .proto(&schema::VERIFY_REQUEST, 213, &[])
        .answers(&[65, 66, 4])
        .ends(&[(65, Always)]),
    request(66, "verifyMessage", OneShot, Refused(VERIFY))
        .text(&[version("1"), text("apiData")])
        .proto(&schema::VERIFY_MESSAGE_REQUEST, 213, &[])
        .answers(&[66, 4])
        .ends(&[(66, Always)]),
    request(67, "queryDisplayGroups", OneShot, ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::QUERY_DISPLAY_GROUPS_REQUEST, 213)
        .answers(&[67, 4])
        .ends(&[(67, Always)])
        .duplicate(322),
    request(68, "subscribeToGroupEvents", Stream, ById)
        .text(&[version("1"), req_id(), int("groupId")])
        .proto_by_id(&schema::SUBSCRIBE_TO_GROUP_EVENTS_REQUEST, 213)
        .answers(&[68, 4])
        .shared(&[(68, Row::One)])
        .duplicate(322),
    request(69, "updateDisplayGroup", Update(68), ById)
        .text(&[version("1"), req_id(), text("contractInfo")])
        .proto_by_id(&schema::UPDATE_DISPLAY_GROUP_REQUEST, 213)
        .answers(&[68, 4])
        .not_found(321),
    request(70, "unsubscribeFromGroupEvents", Cancel(68), ById)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::UNSUBSCRIBE_FROM_GROUP_EVENTS_REQUEST, 213)
        .answers(&[4]),
    request(71, "startApi", Fire, Local(Local::StartApi))
        .text(&[version("2"), int("clientId").role(Role::ClientId), text("optionalCapabilities")])
        .proto(&schema::START_API_REQUEST, 213, &[(Role::ClientId, &[1])])
        .answers(&[15, 9, 5, 3, 53, 4]),
    request(72, "verifyAndAuthRequest", OneShot, Refused(VERIFY))
        .text(&[version("1"), text("apiName"), text("apiVersion"), text("opaqueIsvKey")])
        .answers(&[69, 4])
        .ends(&[(69, Always)]),
    request(73, "verifyAndAuthMessage", OneShot, Refused(VERIFY))
        .text(&[version("1"), text("apiData"), text("xyzResponse")])
        .answers(&[70, 4])
        .ends(&[(70, Always)]),
    request(74, "reqPositionsMulti", Stream, ById)
        .since(103)
        .text(&[version("1"), req_id(), account("account"), text("modelCode")])
        .proto(&schema::POSITIONS_MULTI_REQUEST, 207, &[(Role::ReqId, &[1]), (Role::Account, &[2])])
        .private()
        .answers(&[71, 72, 4])
        .shared(&[(71, Row::Fields(&["account", "modelCode", "conId"])), (72, Row::One)])
        .ends(&[(72, Image)])
        .duplicate(322),
    request(75, "cancelPositionsMulti", Cancel(74), ById)
        .since(103)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_POSITIONS_MULTI, 207)
        .answers(&[4]),
    request(76, "reqAccountUpdatesMulti", Stream, ById)
        .since(103)
        .text(&[version("1"), req_id(), account("account"), text("modelCode"), boolean("ledgerAndNLV")])
        .proto(&schema::ACCOUNT_UPDATES_MULTI_REQUEST, 207, &[(Role::ReqId, &[1]), (Role::Account, &[2])])
        .private()
        .answers(&[73, 74, 4])
        .shared(&[(73, Row::Fields(&["account", "modelCode", "key", "currency"])), (74, Row::One)])
        .ends(&[(74, Image)])
        .duplicate(322),
    request(77, "cancelAccountUpdatesMulti", Cancel(76), ById)
        .since(103)
        .text(&[version("1"), req_id()])
        .proto_by_id(&schema::CANCEL_ACCOUNT_UPDATES_MULTI, 207)
        .answers(&[4]),
    request(78, "reqSecDefOptParams", OneShot, ById)
        .since(104)
        .text(&[
            req_id(),
            text("underlyingSymbol"),
            text("futFopExchange"),
            text("underlyingSecType"),
            int("underlyingConId"),
        ])
        .proto_by_id(&schema::SEC_DEF_OPT_PARAMS_REQUEST, 212)
        .market_data()
        .answers(&[75, 76, 4])
        .asked_once()
        .ends(&[(76, Always)])
        .duplicate(322),
    request(79, "reqSoftDollarTiers", OneShot, ById)
        .since(106)
        .text(&[req_id()])
        .proto_by_id(&schema::SOFT_DOLLAR_TIERS_REQUEST, 212)
        .answers(&[77, 4])
        .asked_once()
        .ends(&[(77, Always)])
        .duplicate(322),
    request(80, "reqFamilyCodes", OneShot, Handling::Lane(FamilyCodes))
        .since(107)
        .text(&[])
        .proto(&schema::FAMILY_CODES_REQUEST, 212, &[])
        .answers(&[78, 4])
        .reused(Reuse::Link)
        .ends(&[(78, Always)]),
    request(81, "reqMatchingSymbols", OneShot, ById)
        .since(108)
        .text(&[req_id(), text("pattern")])
        .proto_by_id(&schema::MATCHING_SYMBOLS_REQUEST, 212)
        .market_data()
        .answers(&[79, 4])
        .asked_once()
        .ends(&[(79, Always)])
        .duplicate(322),
    request(82, "reqMktDepthExchanges", OneShot, Handling::Lane(DepthExchanges))
        .since(112)
        .text(&[])
        .proto(&schema::MARKET_DEPTH_EXCHANGES_REQUEST, 213, &[])
        .answers(&[80, 4])
        .reused(Reuse::Link)
        .ends(&[(80, Always)]),
    request(83, "reqSmartComponents", OneShot, ById)
        .since(114)
        .text(&[req_id(), text("bboExchange")])
        .proto_by_id(&schema::SMART_COMPONENTS_REQUEST, 212)
        .market_data()
        .answers(&[82, 4])
        .asked_once()
        .ends(&[(82, Always)])
        .duplicate(322),
    request(84, "reqNewsArticle", OneShot, ById)
        .since(116)
        .text(&[req_id(), text("providerCode"), text("articleId"), tags("newsArticleOptions").since(128)])
        .proto_by_id(&schema::NEWS_ARTICLE_REQUEST, 209)
        .history()
        .answers(&[83, 4])
        .asked_once()
        .ends(&[(83, Always)])
        .duplicate(322),
    request(85, "reqNewsProviders", OneShot, Handling::Lane(NewsProviders))
        .since(115)
        .text(&[])
        .proto(&schema::NEWS_PROVIDERS_REQUEST, 209, &[])
        .answers(&[85, 4])
        .reused(Reuse::Link)
        .ends(&[(85, Always)]),
    request(86, "reqHistoricalNews", OneShot, ById)
        .since(117)
        .text(&[
            req_id(),
            int("conId"),
            text("providerCodes"),
            text("startDateTime"),
            text("endDateTime"),
            int("totalResults"),
            tags("historicalNewsOptions").since(128),
        ])
        .proto_by_id(&schema::HISTORICAL_NEWS_REQUEST, 209)
        .history()
        .answers(&[86, 87, 4])
        .asked_once()
        .ends(&[(87, Always)])
        .duplicate(322),
    request(87, "reqHeadTimeStamp", OneShot, ById)
        .since(118)
        .text(&[
            req_id(),
            group(CONTRACT),
            boolean("includeExpired"),
            boolean("useRTH"),
            text("whatToShow"),
            int("formatDate"),
        ])
        .proto_by_id(&schema::HEAD_TIMESTAMP_REQUEST, 208)
        .history()
        .paced(&pacing::HEAD_TIMESTAMP)
        .answers(&[88, 4])
        .asked_once()
        .reused(Reuse::Repeat { end: None, small: None })
        .ends(&[(88, Always)])
        .duplicate(322),
    request(88, "reqHistogramData", OneShot, ById)
        .since(119)
        .text(&[req_id(), group(CONTRACT), boolean("includeExpired"), boolean("useRTH"), text("timePeriod")])
        .proto_by_id(&schema::HISTOGRAM_DATA_REQUEST, 208)
        .history()
        .answers(&[89, 4])
        .asked_once()
        .ends(&[(89, Always)])
        .duplicate(322),
    request(89, "cancelHistogramData", Cancel(88), ById)
        .since(119)
        .text(&[req_id()])
        .proto_by_id(&schema::CANCEL_HISTOGRAM_DATA, 208)
        .answers(&[4]),
    request(90, "cancelHeadTimeStamp", Cancel(87), ById)
        .since(123)
        .text(&[req_id()])
        .proto_by_id(&schema::CANCEL_HEAD_TIMESTAMP, 208)
        .answers(&[4]),
    request(91, "reqMarketRule", OneShot, Handling::Lane(MarketRule))
        .since(126)
        .text(&[int("marketRuleId").role(Role::LaneKey)])
        .proto(&schema::MARKET_RULE_REQUEST, 212, &[(Role::LaneKey, &[1])])
        .answers(&[93, 4])
        .reused(Reuse::Link)
        .ends(&[(93, Always)]),
    request(92, "reqPnL", Stream, ById)
        .since(127)
        .text(&[req_id(), account("account"), text("modelCode")])
        .proto(&schema::PN_L_REQUEST, 210, &[(Role::ReqId, &[1]), (Role::Account, &[2])])
        .private()
        .answers(&[94, 4])
        .shared(&[(94, Row::One)])
        .duplicate(322),
    request(93, "cancelPnL", Cancel(92), ById)
        .since(127)
        .text(&[req_id()])
        .proto_by_id(&schema::CANCEL_PN_L, 210)
        .answers(&[4]),
    request(94, "reqPnLSingle", Stream, ById)
        .since(127)
        .text(&[req_id(), account("account"), text("modelCode"), int("conId")])
        .proto(&schema::PN_L_SINGLE_REQUEST, 210, &[(Role::ReqId, &[1]), (Role::Account, &[2])])
        .private()
        .answers(&[95, 4])
        .shared(&[(95, Row::One)])
        .duplicate(322),
    request(95, "cancelPnLSingle", Cancel(94), ById)
        .since(127)
        .text(&[req_id()])
        .proto_by_id(&schema::CANCEL_PN_L_SINGLE, 210)
        .answers(&[4]),
    request(96, "reqHistoricalTicks", OneShot, ById)
        .since(130)
        .text(&[
            req_id(),
            group(CONTRACT),
            boolean("includeExpired"),
            text("startDateTime"),
            text("endDateTime"),
            int("numberOfTicks"),
            text("whatToShow"),
            boolean("useRTH"),
            boolean("ignoreSize"),
            tags("miscOptions"),
        ])
        .proto_by_id(&schema::HISTORICAL_TICKS_REQUEST, 208)
        .history()
        .paced(&pacing::TICKS)
        .answers(&[96, 97, 98, 4])
        .asked_once()
        .reused(Reuse::Repeat { end: Some("endDateTime"), small: None })
        .ends(&[(96, Done), (97, Done), (98, Done)])
        .duplicate(322),
    request(97, "reqTickByTickData", Stream, ById)
        .since(137)
        .text(&[
            req_id(),
            group(CONTRACT),
            text("tickType"),
            int("numberOfTicks").since(140),
            boolean("ignoreSize").since(140),
        ])
        .proto_by_id(&schema::TICK_BY_TICK_REQUEST, 208)
        .market_data()
        .answers(&[99, 96, 97, 98, 4])
        .shared(&[])
        .alone_with("numberOfTicks")
        .resumes_without("numberOfTicks")
        .duplicate(322),
    request(98, "cancelTickByTickData", Cancel(97), ById)
        .since(137)
        .text(&[req_id()])
        .proto_by_id(&schema::CANCEL_TICK_BY_TICK, 208)
        .answers(&[4])
        .not_found(300),
    request(99, "reqCompletedOrders", OneShot, Handling::Lane(CompletedOrders))
        .since(150)
        .text(&[boolean("apiOnly")])
        .proto(&schema::COMPLETED_ORDERS_REQUEST, 204, &[])
        .answers(&[3, 101, 102, 4])
        .reused(Reuse::Unchanged)
        .ends(&[(102, Always)]),
    request(100, "reqWshMetaData", OneShot, ById)
        .since(161)
        .text(&[req_id()])
        .proto_by_id(&schema::WSH_META_DATA_REQUEST, 209)
        .history()
        .answers(&[104, 4])
        .asked_once()
        .ends(&[(104, Always)])
        .duplicate(322),
    request(101, "cancelWshMetaData", Cancel(100), ById)
        .since(161)
        .text(&[req_id()])
        .proto_by_id(&schema::CANCEL_WSH_META_DATA, 209)
        .answers(&[4]),
    request(102, "reqWshEventData", OneShot, ById)
        .since(161)
        .text(&[
            req_id(),
            int("conId").unset(UNSET_INT),
            text("filter").since(171),
            boolean("fillWatchlist").since(171),
            boolean("fillPortfolio").since(171),
            boolean("fillCompetitors").since(171),
            text("startDate").since(173),
            text("endDate").since(173),
            int("totalLimit").since(173).unset(UNSET_INT),
        ])
        .proto_by_id(&schema::WSH_EVENT_DATA_REQUEST, 209)
        .history()
        .answers(&[105, 4])
        .ends(&[(105, Always)])
        .duplicate(322),
    request(103, "cancelWshEventData", Cancel(102), ById)
        .since(161)
        .text(&[req_id()])
        .proto_by_id(&schema::CANCEL_WSH_EVENT_DATA, 209)
        .answers(&[4]),
    request(104, "reqUserInfo", OneShot, ById)
        .since(167)
        .text(&[req_id()])
        .proto_by_id(&schema::USER_INFO_REQUEST, 212)
        .answers(&[107, 4])
        .asked_once()
        .ends(&[(107, Always)])
        .duplicate(322),
    request(105, "reqCurrentTimeInMillis", OneShot, Local(Local::TimeMillis))
        .since(197)
        .text(&[])
        .proto(&schema::CURRENT_TIME_IN_MILLIS_REQUEST, 213, &[])
        .answers(&[109, 4])
        .ends(&[(109, Always)]),
    request(106, "cancelContractData", Cancel(9), ById)
        .since(215)
        .proto_by_id(&schema::CANCEL_CONTRACT_DATA, 215)
        .answers(&[4]),
    request(107, "cancelHistoricalTicks", Cancel(96), ById)
        .since(215)
        .proto_by_id(&schema::CANCEL_HISTORICAL_TICKS, 215)
        .answers(&[4]),
    request(108, "reqConfig", OneShot, ById)
        .since(219)
        .proto_by_id(&schema::CONFIG_REQUEST, 219)
        .answers(&[110, 4])
        .ends(&[(110, Always)])
        .duplicate(322),
    request(109, "updateConfig", OneShot, Refused(CONFIG))
        .since(221)
        .proto_by_id(&schema::UPDATE_CONFIG_REQUEST, 221)
        .answers(&[111, 4])
        .ends(&[(111, Always)]),
];
