//! The protobuf messages of the API as data: names, field numbers, types, and the server version that brought a field
//! where that is later than the message itself.
//!
//! Owns: the schema. How its fields relate to those of the text form is said by the text fields themselves
//! ([`Home`](super::model::Home)). Source: the descriptors of the official Python client up to 10.50, which agree with
//! the messages that other clients were generated from.

/// The type of one value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// 32-bit integer, a varint on the wire; negative ones take ten bytes.
    Int32,
    /// 64-bit integer, a varint.
    Int64,
    /// A varint of 0 or 1.
    Bool,
    /// Eight bytes, little-endian.
    Double,
    /// UTF-8.
    Str,
    /// Text to text: entries with key 1 and value 2.
    Map,
    /// A message in the message.
    Message(&'static Schema),
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub struct ProtoField {
    /// Its number on the wire.
    pub number: u32,
    /// Its name in the official schema.
    pub name: &'static str,
    /// What one value is.
    pub kind: Kind,
    /// Whether there can be several values. Numbers are packed then.
    pub repeated: bool,
    /// First server version whose clients send it; 0 for those as old as their message. The Gateway sends what it has
    /// to every version, and clients pass over what they do not know.
    pub since: u16,
    /// Whether it belongs to the one choice of its message, of which a single member is present.
    pub one_of: bool,
}

/// A message.
#[derive(Debug)]
pub struct Schema {
    /// Its name in the official schema.
    pub name: &'static str,
    /// Its fields, by rising number.
    pub fields: &'static [ProtoField],
}

impl Schema {
    /// The field with a number.
    pub fn field(&self, number: u32) -> Option<&'static ProtoField> {
        self.fields.binary_search_by_key(&number, |f| f.number).ok().map(|at| &self.fields[at])
    }

    /// The index of the field with a name.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }
}

const fn schema(name: &'static str, fields: &'static [ProtoField]) -> Schema {
    Schema { name, fields }
}

const fn field(number: u32, name: &'static str, kind: Kind) -> ProtoField {
    ProtoField { number, name, kind, repeated: false, since: 0, one_of: false }
}

const fn int32(number: u32, name: &'static str) -> ProtoField {
    field(number, name, Kind::Int32)
}

const fn int64(number: u32, name: &'static str) -> ProtoField {
    field(number, name, Kind::Int64)
}

const fn double(number: u32, name: &'static str) -> ProtoField {
    field(number, name, Kind::Double)
}

const fn boolean(number: u32, name: &'static str) -> ProtoField {
    field(number, name, Kind::Bool)
}

const fn string(number: u32, name: &'static str) -> ProtoField {
    field(number, name, Kind::Str)
}

const fn map(number: u32, name: &'static str) -> ProtoField {
    field(number, name, Kind::Map)
}

const fn message(number: u32, name: &'static str, of: &'static Schema) -> ProtoField {
    field(number, name, Kind::Message(of))
}

impl ProtoField {
    /// Any number of values.
    const fn repeated(self) -> Self {
        ProtoField { repeated: true, ..self }
    }

    /// Present from server version `v` on.
    const fn since(self, v: u16) -> Self {
        ProtoField { since: v, ..self }
    }

    /// One of the members of the choice.
    const fn one_of(self) -> Self {
        ProtoField { one_of: true, ..self }
    }
}

/// AccountDataEnd.
pub static ACCOUNT_DATA_END: Schema = schema("AccountDataEnd", &[string(1, "accountName")]);

/// AccountDataRequest.
pub static ACCOUNT_DATA_REQUEST: Schema =
    schema("AccountDataRequest", &[boolean(1, "subscribe"), string(2, "acctCode")]);

/// AccountSummary.
pub static ACCOUNT_SUMMARY: Schema = schema(
    "AccountSummary",
    &[int32(1, "reqId"), string(2, "account"), string(3, "tag"), string(4, "value"), string(5, "currency")],
);

/// AccountSummaryEnd.
pub static ACCOUNT_SUMMARY_END: Schema = schema("AccountSummaryEnd", &[int32(1, "reqId")]);

/// AccountSummaryRequest.
pub static ACCOUNT_SUMMARY_REQUEST: Schema =
    schema("AccountSummaryRequest", &[int32(1, "reqId"), string(2, "group"), string(3, "tags")]);

/// AccountUpdateMulti.
pub static ACCOUNT_UPDATE_MULTI: Schema = schema(
    "AccountUpdateMulti",
    &[
        int32(1, "reqId"),
        string(2, "account"),
        string(3, "modelCode"),
        string(4, "key"),
        string(5, "value"),
        string(6, "currency"),
    ],
);

/// AccountUpdateMultiEnd.
pub static ACCOUNT_UPDATE_MULTI_END: Schema = schema("AccountUpdateMultiEnd", &[int32(1, "reqId")]);

/// AccountUpdateTime.
pub static ACCOUNT_UPDATE_TIME: Schema = schema("AccountUpdateTime", &[string(1, "timeStamp")]);

/// AccountUpdatesMultiRequest.
pub static ACCOUNT_UPDATES_MULTI_REQUEST: Schema = schema(
    "AccountUpdatesMultiRequest",
    &[int32(1, "reqId"), string(2, "account"), string(3, "modelCode"), boolean(4, "ledgerAndNLV")],
);

/// AccountValue.
pub static ACCOUNT_VALUE: Schema = schema(
    "AccountValue",
    &[string(1, "key"), string(2, "value"), string(3, "currency"), string(4, "accountName")],
);

/// AllOpenOrdersRequest.
pub static ALL_OPEN_ORDERS_REQUEST: Schema = schema("AllOpenOrdersRequest", &[]);

/// ApiConfig.
pub static API_CONFIG: Schema = schema(
    "ApiConfig",
    &[message(1, "precautions", &API_PRECAUTIONS_CONFIG), message(2, "settings", &API_SETTINGS_CONFIG)],
);

/// ApiPrecautionsConfig.
pub static API_PRECAUTIONS_CONFIG: Schema = schema(
    "ApiPrecautionsConfig",
    &[
        boolean(1, "bypassOrderPrecautions"),
        boolean(2, "bypassBondWarning"),
        boolean(3, "bypassNegativeYieldConfirmation"),
        boolean(4, "bypassCalledBondWarning"),
        boolean(5, "bypassSameActionPairTradeWarning"),
        boolean(6, "bypassFlaggedAccountsWarning"),
        boolean(7, "bypassPriceBasedVolatilityWarning"),
        boolean(8, "bypassRedirectOrderWarning"),
        boolean(9, "bypassNoOverfillProtection"),
        boolean(10, "bypassRouteMarketableToBBO"),
    ],
);

/// ApiSettingsConfig.
pub static API_SETTINGS_CONFIG: Schema = schema(
    "ApiSettingsConfig",
    &[
        boolean(1, "readOnlyApi"),
        boolean(2, "totalQuantityForMutualFunds"),
        boolean(3, "downloadOpenOrdersOnConnection"),
        boolean(4, "includeVirtualFxPositions"),
        boolean(5, "prepareDailyPnL"),
        boolean(6, "sendStatusUpdatesForVolatilityOrders"),
        string(7, "encodeApiMessages"),
        int32(8, "socketPort"),
        boolean(9, "useNegativeAutoRange"),
        boolean(10, "createApiMessageLogFile"),
        boolean(11, "includeMarketDataInLogFile"),
        boolean(12, "exposeTradingScheduleToApi"),
        boolean(13, "splitInsuredDepositFromCashBalance"),
        boolean(14, "sendZeroPositionsForTodayOnly"),
        boolean(15, "letApiAccountRequestsSwitchSubscription"),
        boolean(16, "useAccountGroupsWithAllocationMethods"),
        string(17, "loggingLevel"),
        int32(18, "masterClientId"),
        int32(19, "bulkDataTimeout"),
        string(20, "componentExchSeparator"),
        boolean(21, "showForexDataIn1_10Pips"),
        boolean(22, "allowForexTradingIn1_10Pips"),
        boolean(23, "roundAccountValuesToNearestWholeNumber"),
        boolean(24, "sendMarketDataInLotsForUsStocks"),
        boolean(25, "showAdvancedOrderRejectInUi"),
        boolean(26, "rejectMessagesAboveMaxRate"),
        boolean(27, "maintainConnectionOnIncorrectFields"),
        boolean(28, "compatibilityModeNasdaqStocks"),
        string(29, "sendInstrumentTimezone"),
        boolean(30, "sendForexDataInCompatibilityMode"),
        boolean(31, "maintainAndResubmitOrdersOnReconnect"),
        int32(32, "historicalDataMaxSize"),
        boolean(33, "autoReportNettingEventContractTrades"),
        string(34, "optionExerciseRequestType"),
        boolean(35, "allowLocalhostOnly"),
        string(36, "trustedIPs").repeated(),
    ],
);

/// AttachedOrders.
pub static ATTACHED_ORDERS: Schema = schema(
    "AttachedOrders",
    &[int32(1, "slOrderId"), string(2, "slOrderType"), int32(3, "ptOrderId"), string(4, "ptOrderType")],
);

/// AutoOpenOrdersRequest.
pub static AUTO_OPEN_ORDERS_REQUEST: Schema = schema("AutoOpenOrdersRequest", &[boolean(1, "autoBind")]);

/// CalculateImpliedVolatilityRequest.
pub static CALCULATE_IMPLIED_VOLATILITY_REQUEST: Schema = schema(
    "CalculateImpliedVolatilityRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        double(3, "optionPrice"),
        double(4, "underPrice"),
        map(5, "impliedVolatilityOptions"),
    ],
);

/// CalculateOptionPriceRequest.
pub static CALCULATE_OPTION_PRICE_REQUEST: Schema = schema(
    "CalculateOptionPriceRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        double(3, "volatility"),
        double(4, "underPrice"),
        map(5, "optionPriceOptions"),
    ],
);

/// CancelAccountSummary.
pub static CANCEL_ACCOUNT_SUMMARY: Schema = schema("CancelAccountSummary", &[int32(1, "reqId")]);

/// CancelAccountUpdatesMulti.
pub static CANCEL_ACCOUNT_UPDATES_MULTI: Schema = schema("CancelAccountUpdatesMulti", &[int32(1, "reqId")]);

/// CancelCalculateImpliedVolatility.
pub static CANCEL_CALCULATE_IMPLIED_VOLATILITY: Schema =
    schema("CancelCalculateImpliedVolatility", &[int32(1, "reqId")]);

/// CancelCalculateOptionPrice.
pub static CANCEL_CALCULATE_OPTION_PRICE: Schema = schema("CancelCalculateOptionPrice", &[int32(1, "reqId")]);

/// CancelContractData.
pub static CANCEL_CONTRACT_DATA: Schema = schema("CancelContractData", &[int32(1, "reqId")]);

/// CancelFundamentalsData.
pub static CANCEL_FUNDAMENTALS_DATA: Schema = schema("CancelFundamentalsData", &[int32(1, "reqId")]);

/// CancelHeadTimestamp.
pub static CANCEL_HEAD_TIMESTAMP: Schema = schema("CancelHeadTimestamp", &[int32(1, "reqId")]);

/// CancelHistogramData.
pub static CANCEL_HISTOGRAM_DATA: Schema = schema("CancelHistogramData", &[int32(1, "reqId")]);

/// CancelHistoricalData.
pub static CANCEL_HISTORICAL_DATA: Schema = schema("CancelHistoricalData", &[int32(1, "reqId")]);

/// CancelHistoricalTicks.
pub static CANCEL_HISTORICAL_TICKS: Schema = schema("CancelHistoricalTicks", &[int32(1, "reqId")]);

/// CancelMarketData.
pub static CANCEL_MARKET_DATA: Schema = schema("CancelMarketData", &[int32(1, "reqId")]);

/// CancelMarketDepth.
pub static CANCEL_MARKET_DEPTH: Schema =
    schema("CancelMarketDepth", &[int32(1, "reqId"), boolean(2, "isSmartDepth")]);

/// CancelNewsBulletins.
pub static CANCEL_NEWS_BULLETINS: Schema = schema("CancelNewsBulletins", &[]);

/// CancelOrderRequest.
pub static CANCEL_ORDER_REQUEST: Schema =
    schema("CancelOrderRequest", &[int32(1, "orderId"), message(2, "orderCancel", &ORDER_CANCEL)]);

/// CancelPnL.
pub static CANCEL_PN_L: Schema = schema("CancelPnL", &[int32(1, "reqId")]);

/// CancelPnLSingle.
pub static CANCEL_PN_L_SINGLE: Schema = schema("CancelPnLSingle", &[int32(1, "reqId")]);

/// CancelPositions.
pub static CANCEL_POSITIONS: Schema = schema("CancelPositions", &[]);

/// CancelPositionsMulti.
pub static CANCEL_POSITIONS_MULTI: Schema = schema("CancelPositionsMulti", &[int32(1, "reqId")]);

/// CancelRealTimeBars.
pub static CANCEL_REAL_TIME_BARS: Schema = schema("CancelRealTimeBars", &[int32(1, "reqId")]);

/// CancelScannerSubscription.
pub static CANCEL_SCANNER_SUBSCRIPTION: Schema = schema("CancelScannerSubscription", &[int32(1, "reqId")]);

/// CancelTickByTick.
pub static CANCEL_TICK_BY_TICK: Schema = schema("CancelTickByTick", &[int32(1, "reqId")]);

/// CancelWshEventData.
pub static CANCEL_WSH_EVENT_DATA: Schema = schema("CancelWshEventData", &[int32(1, "reqId")]);

/// CancelWshMetaData.
pub static CANCEL_WSH_META_DATA: Schema = schema("CancelWshMetaData", &[int32(1, "reqId")]);

/// ComboLeg.
pub static COMBO_LEG: Schema = schema(
    "ComboLeg",
    &[
        int32(1, "conId"),
        int32(2, "ratio"),
        string(3, "action"),
        string(4, "exchange"),
        int32(5, "openClose"),
        int32(6, "shortSalesSlot"),
        string(7, "designatedLocation"),
        int32(8, "exemptCode"),
        double(9, "perLegPrice"),
    ],
);

/// CommissionAndFeesReport.
pub static COMMISSION_AND_FEES_REPORT: Schema = schema(
    "CommissionAndFeesReport",
    &[
        string(1, "execId"),
        double(2, "commissionAndFees"),
        string(3, "currency"),
        double(4, "realizedPNL"),
        double(5, "bondYield"),
        string(6, "yieldRedemptionDate"),
    ],
);

/// CompletedOrder.
pub static COMPLETED_ORDER: Schema = schema(
    "CompletedOrder",
    &[message(1, "contract", &CONTRACT), message(2, "order", &ORDER), message(3, "orderState", &ORDER_STATE)],
);

/// CompletedOrdersEnd.
pub static COMPLETED_ORDERS_END: Schema = schema("CompletedOrdersEnd", &[]);

/// CompletedOrdersRequest.
pub static COMPLETED_ORDERS_REQUEST: Schema = schema("CompletedOrdersRequest", &[boolean(1, "apiOnly")]);

/// ConfigRequest.
pub static CONFIG_REQUEST: Schema = schema("ConfigRequest", &[int32(1, "reqId")]);

/// ConfigResponse.
pub static CONFIG_RESPONSE: Schema = schema(
    "ConfigResponse",
    &[
        int32(1, "reqId"),
        message(2, "lockAndExit", &LOCK_AND_EXIT_CONFIG),
        message(3, "messages", &MESSAGE_CONFIG).repeated(),
        message(4, "api", &API_CONFIG),
        message(5, "orders", &ORDERS_CONFIG),
    ],
);

/// Contract.
pub static CONTRACT: Schema = schema(
    "Contract",
    &[
        int32(1, "conId"),
        string(2, "symbol"),
        string(3, "secType"),
        string(4, "lastTradeDateOrContractMonth"),
        double(5, "strike"),
        string(6, "right"),
        double(7, "multiplier"),
        string(8, "exchange"),
        string(9, "primaryExch"),
        string(10, "currency"),
        string(11, "localSymbol"),
        string(12, "tradingClass"),
        string(13, "secIdType"),
        string(14, "secId"),
        string(15, "description"),
        string(16, "issuerId"),
        message(17, "deltaNeutralContract", &DELTA_NEUTRAL_CONTRACT),
        boolean(18, "includeExpired"),
        string(19, "comboLegsDescrip"),
        message(20, "comboLegs", &COMBO_LEG).repeated(),
        string(21, "lastTradeDate"),
    ],
);

/// ContractData.
pub static CONTRACT_DATA: Schema = schema(
    "ContractData",
    &[int32(1, "reqId"), message(2, "contract", &CONTRACT), message(3, "contractDetails", &CONTRACT_DETAILS)],
);

/// ContractDataEnd.
pub static CONTRACT_DATA_END: Schema = schema("ContractDataEnd", &[int32(1, "reqId")]);

/// ContractDataRequest.
pub static CONTRACT_DATA_REQUEST: Schema =
    schema("ContractDataRequest", &[int32(1, "reqId"), message(2, "contract", &CONTRACT)]);

/// ContractDescription.
pub static CONTRACT_DESCRIPTION: Schema = schema(
    "ContractDescription",
    &[message(1, "contract", &CONTRACT), string(2, "derivativeSecTypes").repeated()],
);

/// ContractDetails.
pub static CONTRACT_DETAILS: Schema = schema(
    "ContractDetails",
    &[
        string(1, "marketName"),
        string(2, "minTick"),
        string(3, "orderTypes"),
        string(4, "validExchanges"),
        int32(5, "priceMagnifier"),
        int32(6, "underConId"),
        string(7, "longName"),
        string(8, "contractMonth"),
        string(9, "industry"),
        string(10, "category"),
        string(11, "subcategory"),
        string(12, "timeZoneId"),
        string(13, "tradingHours"),
        string(14, "liquidHours"),
        string(15, "evRule"),
        double(16, "evMultiplier"),
        map(17, "secIdList"),
        int32(18, "aggGroup"),
        string(19, "underSymbol"),
        string(20, "underSecType"),
        string(21, "marketRuleIds"),
        string(22, "realExpirationDate"),
        string(23, "stockType"),
        string(24, "minSize"),
        string(25, "sizeIncrement"),
        string(26, "suggestedSizeIncrement"),
        string(27, "fundName"),
        string(28, "fundFamily"),
        string(29, "fundType"),
        string(30, "fundFrontLoad"),
        string(31, "fundBackLoad"),
        string(32, "fundBackLoadTimeInterval"),
        string(33, "fundManagementFee"),
        boolean(34, "fundClosed"),
        boolean(35, "fundClosedForNewInvestors"),
        boolean(36, "fundClosedForNewMoney"),
        string(37, "fundNotifyAmount"),
        string(38, "fundMinimumInitialPurchase"),
        string(39, "fundMinimumSubsequentPurchase"),
        string(40, "fundBlueSkyStates"),
        string(41, "fundBlueSkyTerritories"),
        string(42, "fundDistributionPolicyIndicator"),
        string(43, "fundAssetType"),
        string(44, "cusip"),
        string(45, "issueDate"),
        string(46, "ratings"),
        string(47, "bondType"),
        double(48, "coupon"),
        string(49, "couponType"),
        boolean(50, "convertible"),
        boolean(51, "callable"),
        boolean(52, "puttable"),
        string(53, "descAppend"),
        string(54, "nextOptionDate"),
        string(55, "nextOptionType"),
        boolean(56, "nextOptionPartial"),
        string(57, "bondNotes"),
        message(58, "ineligibilityReasonList", &INELIGIBILITY_REASON).repeated(),
        string(59, "eventContract1"),
        string(60, "eventContractDescription1"),
        string(61, "eventContractDescription2"),
        string(62, "minAlgoSize"),
        string(63, "lastPricePrecision"),
        string(64, "lastSizePrecision"),
        string(65, "settlementMethod"),
    ],
);

/// CurrentTime.
pub static CURRENT_TIME: Schema = schema("CurrentTime", &[int64(1, "currentTime")]);

/// CurrentTimeInMillis.
pub static CURRENT_TIME_IN_MILLIS: Schema = schema("CurrentTimeInMillis", &[int64(1, "currentTimeInMillis")]);

/// CurrentTimeInMillisRequest.
pub static CURRENT_TIME_IN_MILLIS_REQUEST: Schema = schema("CurrentTimeInMillisRequest", &[]);

/// CurrentTimeRequest.
pub static CURRENT_TIME_REQUEST: Schema = schema("CurrentTimeRequest", &[]);

/// DeltaNeutralContract.
pub static DELTA_NEUTRAL_CONTRACT: Schema =
    schema("DeltaNeutralContract", &[int32(1, "conId"), double(2, "delta"), double(3, "price")]);

/// DepthMarketDataDescription.
pub static DEPTH_MARKET_DATA_DESCRIPTION: Schema = schema(
    "DepthMarketDataDescription",
    &[
        string(1, "exchange"),
        string(2, "secType"),
        string(3, "listingExch"),
        string(4, "serviceDataType"),
        int32(5, "aggGroup"),
    ],
);

/// DisplayGroupList.
pub static DISPLAY_GROUP_LIST: Schema = schema("DisplayGroupList", &[int32(1, "reqId"), string(2, "groups")]);

/// DisplayGroupUpdated.
pub static DISPLAY_GROUP_UPDATED: Schema =
    schema("DisplayGroupUpdated", &[int32(1, "reqId"), string(2, "contractInfo")]);

/// ErrorMessage.
pub static ERROR_MESSAGE: Schema = schema(
    "ErrorMessage",
    &[
        int32(1, "id"),
        int64(2, "errorTime"),
        int32(3, "errorCode"),
        string(4, "errorMsg"),
        string(5, "advancedOrderRejectJson"),
    ],
);

/// Execution.
pub static EXECUTION: Schema = schema(
    "Execution",
    &[
        int32(1, "orderId"),
        string(2, "execId"),
        string(3, "time"),
        string(4, "acctNumber"),
        string(5, "exchange"),
        string(6, "side"),
        string(7, "shares"),
        double(8, "price"),
        int64(9, "permId"),
        int32(10, "clientId"),
        boolean(11, "isLiquidation"),
        string(12, "cumQty"),
        double(13, "avgPrice"),
        string(14, "orderRef"),
        string(15, "evRule"),
        double(16, "evMultiplier"),
        string(17, "modelCode"),
        int32(18, "lastLiquidity"),
        boolean(19, "isPriceRevisionPending"),
        string(20, "submitter"),
        int32(21, "optExerciseOrLapseType"),
    ],
);

/// ExecutionDetails.
pub static EXECUTION_DETAILS: Schema = schema(
    "ExecutionDetails",
    &[int32(1, "reqId"), message(2, "contract", &CONTRACT), message(3, "execution", &EXECUTION)],
);

/// ExecutionDetailsEnd.
pub static EXECUTION_DETAILS_END: Schema = schema("ExecutionDetailsEnd", &[int32(1, "reqId")]);

/// ExecutionFilter.
pub static EXECUTION_FILTER: Schema = schema(
    "ExecutionFilter",
    &[
        int32(1, "clientId"),
        string(2, "acctCode"),
        string(3, "time"),
        string(4, "symbol"),
        string(5, "secType"),
        string(6, "exchange"),
        string(7, "side"),
        int32(8, "lastNDays"),
        int32(9, "specificDates").repeated(),
    ],
);

/// ExecutionRequest.
pub static EXECUTION_REQUEST: Schema =
    schema("ExecutionRequest", &[int32(1, "reqId"), message(2, "executionFilter", &EXECUTION_FILTER)]);

/// ExerciseOptionsRequest.
pub static EXERCISE_OPTIONS_REQUEST: Schema = schema(
    "ExerciseOptionsRequest",
    &[
        int32(1, "orderId"),
        message(2, "contract", &CONTRACT),
        int32(3, "exerciseAction"),
        int32(4, "exerciseQuantity"),
        string(5, "account"),
        boolean(6, "override"),
        string(7, "manualOrderTime"),
        string(8, "customerAccount"),
        boolean(9, "professionalCustomer"),
    ],
);

/// FAReplace.
pub static FA_REPLACE: Schema =
    schema("FAReplace", &[int32(1, "reqId"), int32(2, "faDataType"), string(3, "xml")]);

/// FARequest.
pub static FA_REQUEST: Schema = schema("FARequest", &[int32(1, "faDataType")]);

/// FamilyCode.
pub static FAMILY_CODE: Schema = schema("FamilyCode", &[string(1, "accountId"), string(2, "familyCode")]);

/// FamilyCodes.
pub static FAMILY_CODES: Schema =
    schema("FamilyCodes", &[message(1, "familyCodes", &FAMILY_CODE).repeated()]);

/// FamilyCodesRequest.
pub static FAMILY_CODES_REQUEST: Schema = schema("FamilyCodesRequest", &[]);

/// FundamentalsData.
pub static FUNDAMENTALS_DATA: Schema = schema("FundamentalsData", &[int32(1, "reqId"), string(2, "data")]);

/// FundamentalsDataRequest.
pub static FUNDAMENTALS_DATA_REQUEST: Schema = schema(
    "FundamentalsDataRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        string(3, "reportType"),
        map(4, "fundamentalsDataOptions"),
    ],
);

/// GlobalCancelRequest.
pub static GLOBAL_CANCEL_REQUEST: Schema =
    schema("GlobalCancelRequest", &[message(1, "orderCancel", &ORDER_CANCEL)]);

/// HeadTimestamp.
pub static HEAD_TIMESTAMP: Schema = schema("HeadTimestamp", &[int32(1, "reqId"), string(2, "headTimestamp")]);

/// HeadTimestampRequest.
pub static HEAD_TIMESTAMP_REQUEST: Schema = schema(
    "HeadTimestampRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        boolean(3, "useRTH"),
        string(4, "whatToShow"),
        int32(5, "formatDate"),
    ],
);

/// HistogramData.
pub static HISTOGRAM_DATA: Schema = schema(
    "HistogramData",
    &[int32(1, "reqId"), message(2, "histogramDataEntries", &HISTOGRAM_DATA_ENTRY).repeated()],
);

/// HistogramDataEntry.
pub static HISTOGRAM_DATA_ENTRY: Schema =
    schema("HistogramDataEntry", &[double(1, "price"), string(2, "size")]);

/// HistogramDataRequest.
pub static HISTOGRAM_DATA_REQUEST: Schema = schema(
    "HistogramDataRequest",
    &[int32(1, "reqId"), message(2, "contract", &CONTRACT), boolean(3, "useRTH"), string(4, "timePeriod")],
);

/// HistoricalData.
pub static HISTORICAL_DATA: Schema = schema(
    "HistoricalData",
    &[int32(1, "reqId"), message(2, "historicalDataBars", &HISTORICAL_DATA_BAR).repeated()],
);

/// HistoricalDataBar.
pub static HISTORICAL_DATA_BAR: Schema = schema(
    "HistoricalDataBar",
    &[
        string(1, "date"),
        double(2, "open"),
        double(3, "high"),
        double(4, "low"),
        double(5, "close"),
        string(6, "volume"),
        string(7, "WAP"),
        int32(8, "barCount"),
    ],
);

/// HistoricalDataEnd.
pub static HISTORICAL_DATA_END: Schema =
    schema("HistoricalDataEnd", &[int32(1, "reqId"), string(2, "startDateStr"), string(3, "endDateStr")]);

/// HistoricalDataRequest.
pub static HISTORICAL_DATA_REQUEST: Schema = schema(
    "HistoricalDataRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        string(3, "endDateTime"),
        string(4, "barSizeSetting"),
        string(5, "duration"),
        boolean(6, "useRTH"),
        string(7, "whatToShow"),
        int32(8, "formatDate"),
        boolean(9, "keepUpToDate"),
        map(10, "chartOptions"),
    ],
);

/// HistoricalDataUpdate.
pub static HISTORICAL_DATA_UPDATE: Schema = schema(
    "HistoricalDataUpdate",
    &[int32(1, "reqId"), message(2, "historicalDataBar", &HISTORICAL_DATA_BAR)],
);

/// HistoricalNews.
pub static HISTORICAL_NEWS: Schema = schema(
    "HistoricalNews",
    &[
        int32(1, "reqId"),
        string(2, "time"),
        string(3, "providerCode"),
        string(4, "articleId"),
        string(5, "headline"),
    ],
);

/// HistoricalNewsEnd.
pub static HISTORICAL_NEWS_END: Schema =
    schema("HistoricalNewsEnd", &[int32(1, "reqId"), boolean(2, "hasMore")]);

/// HistoricalNewsRequest.
pub static HISTORICAL_NEWS_REQUEST: Schema = schema(
    "HistoricalNewsRequest",
    &[
        int32(1, "reqId"),
        int32(2, "conId"),
        string(3, "providerCodes"),
        string(4, "startDateTime"),
        string(5, "endDateTime"),
        int32(6, "totalResults"),
        map(7, "historicalNewsOptions"),
    ],
);

/// HistoricalSchedule.
pub static HISTORICAL_SCHEDULE: Schema = schema(
    "HistoricalSchedule",
    &[
        int32(1, "reqId"),
        string(2, "startDateTime"),
        string(3, "endDateTime"),
        string(4, "timeZone"),
        message(5, "historicalSessions", &HISTORICAL_SESSION).repeated(),
    ],
);

/// HistoricalSession.
pub static HISTORICAL_SESSION: Schema = schema(
    "HistoricalSession",
    &[string(1, "startDateTime"), string(2, "endDateTime"), string(3, "refDate")],
);

/// HistoricalTick.
pub static HISTORICAL_TICK: Schema =
    schema("HistoricalTick", &[int64(1, "time"), double(2, "price"), string(3, "size")]);

/// HistoricalTickBidAsk.
pub static HISTORICAL_TICK_BID_ASK: Schema = schema(
    "HistoricalTickBidAsk",
    &[
        int64(1, "time"),
        message(2, "tickAttribBidAsk", &TICK_ATTRIB_BID_ASK),
        double(3, "priceBid"),
        double(4, "priceAsk"),
        string(5, "sizeBid"),
        string(6, "sizeAsk"),
    ],
);

/// HistoricalTickLast.
pub static HISTORICAL_TICK_LAST: Schema = schema(
    "HistoricalTickLast",
    &[
        int64(1, "time"),
        message(2, "tickAttribLast", &TICK_ATTRIB_LAST),
        double(3, "price"),
        string(4, "size"),
        string(5, "exchange"),
        string(6, "specialConditions"),
    ],
);

/// HistoricalTicks.
pub static HISTORICAL_TICKS: Schema = schema(
    "HistoricalTicks",
    &[int32(1, "reqId"), message(2, "historicalTicks", &HISTORICAL_TICK).repeated(), boolean(3, "isDone")],
);

/// HistoricalTicksBidAsk.
pub static HISTORICAL_TICKS_BID_ASK: Schema = schema(
    "HistoricalTicksBidAsk",
    &[
        int32(1, "reqId"),
        message(2, "historicalTicksBidAsk", &HISTORICAL_TICK_BID_ASK).repeated(),
        boolean(3, "isDone"),
    ],
);

/// HistoricalTicksLast.
pub static HISTORICAL_TICKS_LAST: Schema = schema(
    "HistoricalTicksLast",
    &[
        int32(1, "reqId"),
        message(2, "historicalTicksLast", &HISTORICAL_TICK_LAST).repeated(),
        boolean(3, "isDone"),
    ],
);

/// HistoricalTicksRequest.
pub static HISTORICAL_TICKS_REQUEST: Schema = schema(
    "HistoricalTicksRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        string(3, "startDateTime"),
        string(4, "endDateTime"),
        int32(5, "numberOfTicks"),
        string(6, "whatToShow"),
        boolean(7, "useRTH"),
        boolean(8, "ignoreSize"),
        map(9, "miscOptions"),
    ],
);

/// IdsRequest.
pub static IDS_REQUEST: Schema = schema("IdsRequest", &[int32(1, "numIds")]);

/// IneligibilityReason.
pub static INELIGIBILITY_REASON: Schema =
    schema("IneligibilityReason", &[string(1, "id"), string(2, "description")]);

/// LockAndExitConfig.
pub static LOCK_AND_EXIT_CONFIG: Schema = schema(
    "LockAndExitConfig",
    &[string(1, "autoLogoffTime"), string(2, "autoLogoffPeriod"), string(3, "autoLogoffType")],
);

/// ManagedAccounts.
pub static MANAGED_ACCOUNTS: Schema = schema("ManagedAccounts", &[string(1, "accountsList")]);

/// ManagedAccountsRequest.
pub static MANAGED_ACCOUNTS_REQUEST: Schema = schema("ManagedAccountsRequest", &[]);

/// MarketDataRequest.
pub static MARKET_DATA_REQUEST: Schema = schema(
    "MarketDataRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        string(3, "genericTickList"),
        boolean(4, "snapshot"),
        boolean(5, "regulatorySnapshot"),
        map(6, "marketDataOptions"),
    ],
);

/// MarketDataType.
pub static MARKET_DATA_TYPE: Schema =
    schema("MarketDataType", &[int32(1, "reqId"), int32(2, "marketDataType")]);

/// MarketDataTypeRequest.
pub static MARKET_DATA_TYPE_REQUEST: Schema = schema("MarketDataTypeRequest", &[int32(1, "marketDataType")]);

/// MarketDepth.
pub static MARKET_DEPTH: Schema =
    schema("MarketDepth", &[int32(1, "reqId"), message(2, "marketDepthData", &MARKET_DEPTH_DATA)]);

/// MarketDepthData.
pub static MARKET_DEPTH_DATA: Schema = schema(
    "MarketDepthData",
    &[
        int32(1, "position"),
        int32(2, "operation"),
        int32(3, "side"),
        double(4, "price"),
        string(5, "size"),
        string(6, "marketMaker"),
        boolean(7, "isSmartDepth"),
    ],
);

/// MarketDepthExchanges.
pub static MARKET_DEPTH_EXCHANGES: Schema = schema(
    "MarketDepthExchanges",
    &[message(1, "depthMarketDataDescriptions", &DEPTH_MARKET_DATA_DESCRIPTION).repeated()],
);

/// MarketDepthExchangesRequest.
pub static MARKET_DEPTH_EXCHANGES_REQUEST: Schema = schema("MarketDepthExchangesRequest", &[]);

/// MarketDepthL2.
pub static MARKET_DEPTH_L2: Schema =
    schema("MarketDepthL2", &[int32(1, "reqId"), message(2, "marketDepthData", &MARKET_DEPTH_DATA)]);

/// MarketDepthRequest.
pub static MARKET_DEPTH_REQUEST: Schema = schema(
    "MarketDepthRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        int32(3, "numRows"),
        boolean(4, "isSmartDepth"),
        map(5, "marketDepthOptions"),
    ],
);

/// MarketRule.
pub static MARKET_RULE: Schema = schema(
    "MarketRule",
    &[int32(1, "marketRuleId"), message(2, "priceIncrements", &PRICE_INCREMENT).repeated()],
);

/// MarketRuleRequest.
pub static MARKET_RULE_REQUEST: Schema = schema("MarketRuleRequest", &[int32(1, "marketRuleId")]);

/// MatchingSymbolsRequest.
pub static MATCHING_SYMBOLS_REQUEST: Schema =
    schema("MatchingSymbolsRequest", &[int32(1, "reqId"), string(2, "pattern")]);

/// MessageConfig.
pub static MESSAGE_CONFIG: Schema = schema(
    "MessageConfig",
    &[
        int32(1, "id"),
        string(2, "title"),
        string(3, "message"),
        string(4, "defaultAction"),
        boolean(5, "enabled"),
    ],
);

/// NewsArticle.
pub static NEWS_ARTICLE: Schema =
    schema("NewsArticle", &[int32(1, "reqId"), int32(2, "articleType"), string(3, "articleText")]);

/// NewsArticleRequest.
pub static NEWS_ARTICLE_REQUEST: Schema = schema(
    "NewsArticleRequest",
    &[int32(1, "reqId"), string(2, "providerCode"), string(3, "articleId"), map(4, "newsArticleOptions")],
);

/// NewsBulletin.
pub static NEWS_BULLETIN: Schema = schema(
    "NewsBulletin",
    &[int32(1, "newsMsgId"), int32(2, "newsMsgType"), string(3, "newsMessage"), string(4, "originatingExch")],
);

/// NewsBulletinsRequest.
pub static NEWS_BULLETINS_REQUEST: Schema = schema("NewsBulletinsRequest", &[boolean(1, "allMessages")]);

/// NewsProvider.
pub static NEWS_PROVIDER: Schema =
    schema("NewsProvider", &[string(1, "providerCode"), string(2, "providerName")]);

/// NewsProviders.
pub static NEWS_PROVIDERS: Schema =
    schema("NewsProviders", &[message(1, "newsProviders", &NEWS_PROVIDER).repeated()]);

/// NewsProvidersRequest.
pub static NEWS_PROVIDERS_REQUEST: Schema = schema("NewsProvidersRequest", &[]);

/// NextValidId.
pub static NEXT_VALID_ID: Schema = schema("NextValidId", &[int32(1, "orderId")]);

/// OpenOrder.
pub static OPEN_ORDER: Schema = schema(
    "OpenOrder",
    &[
        int32(1, "orderId"),
        message(2, "contract", &CONTRACT),
        message(3, "order", &ORDER),
        message(4, "orderState", &ORDER_STATE),
    ],
);

/// OpenOrdersEnd.
pub static OPEN_ORDERS_END: Schema = schema("OpenOrdersEnd", &[]);

/// OpenOrdersRequest.
pub static OPEN_ORDERS_REQUEST: Schema = schema("OpenOrdersRequest", &[]);

/// Order.
pub static ORDER: Schema = schema(
    "Order",
    &[
        int32(1, "clientId"),
        int32(2, "orderId"),
        int64(3, "permId"),
        int32(4, "parentId"),
        string(5, "action"),
        string(6, "totalQuantity"),
        int32(7, "displaySize"),
        string(8, "orderType"),
        double(9, "lmtPrice"),
        double(10, "auxPrice"),
        string(11, "tif"),
        string(12, "account"),
        string(13, "settlingFirm"),
        string(14, "clearingAccount"),
        string(15, "clearingIntent"),
        boolean(16, "allOrNone"),
        boolean(17, "blockOrder"),
        boolean(18, "hidden"),
        boolean(19, "outsideRth"),
        boolean(20, "sweepToFill"),
        double(21, "percentOffset"),
        double(22, "trailingPercent"),
        double(23, "trailStopPrice"),
        int32(24, "minQty"),
        string(25, "goodAfterTime"),
        string(26, "goodTillDate"),
        string(27, "ocaGroup"),
        string(28, "orderRef"),
        string(29, "rule80A"),
        int32(30, "ocaType"),
        int32(31, "triggerMethod"),
        string(32, "activeStartTime"),
        string(33, "activeStopTime"),
        string(34, "faGroup"),
        string(35, "faMethod"),
        string(36, "faPercentage"),
        double(37, "volatility"),
        int32(38, "volatilityType"),
        boolean(39, "continuousUpdate"),
        int32(40, "referencePriceType"),
        string(41, "deltaNeutralOrderType"),
        double(42, "deltaNeutralAuxPrice"),
        int32(43, "deltaNeutralConId"),
        string(44, "deltaNeutralOpenClose"),
        boolean(45, "deltaNeutralShortSale"),
        int32(46, "deltaNeutralShortSaleSlot"),
        string(47, "deltaNeutralDesignatedLocation"),
        int32(48, "scaleInitLevelSize"),
        int32(49, "scaleSubsLevelSize"),
        double(50, "scalePriceIncrement"),
        double(51, "scalePriceAdjustValue"),
        int32(52, "scalePriceAdjustInterval"),
        double(53, "scaleProfitOffset"),
        boolean(54, "scaleAutoReset"),
        int32(55, "scaleInitPosition"),
        int32(56, "scaleInitFillQty"),
        boolean(57, "scaleRandomPercent"),
        string(58, "scaleTable"),
        string(59, "hedgeType"),
        string(60, "hedgeParam"),
        string(61, "algoStrategy"),
        map(62, "algoParams"),
        string(63, "algoId"),
        map(64, "smartComboRoutingParams"),
        boolean(65, "whatIf"),
        boolean(66, "transmit"),
        boolean(67, "overridePercentageConstraints"),
        string(68, "openClose"),
        int32(69, "origin"),
        int32(70, "shortSaleSlot"),
        string(71, "designatedLocation"),
        int32(72, "exemptCode"),
        string(73, "deltaNeutralSettlingFirm"),
        string(74, "deltaNeutralClearingAccount"),
        string(75, "deltaNeutralClearingIntent"),
        double(76, "discretionaryAmt"),
        boolean(77, "optOutSmartRouting"),
        double(78, "startingPrice"),
        double(79, "stockRefPrice"),
        double(80, "delta"),
        double(81, "stockRangeLower"),
        double(82, "stockRangeUpper"),
        boolean(83, "notHeld"),
        map(84, "orderMiscOptions"),
        boolean(85, "solicited"),
        boolean(86, "randomizeSize"),
        boolean(87, "randomizePrice"),
        int32(88, "referenceContractId"),
        double(89, "peggedChangeAmount"),
        boolean(90, "isPeggedChangeAmountDecrease"),
        double(91, "referenceChangeAmount"),
        string(92, "referenceExchangeId"),
        string(93, "adjustedOrderType"),
        double(94, "triggerPrice"),
        double(95, "adjustedStopPrice"),
        double(96, "adjustedStopLimitPrice"),
        double(97, "adjustedTrailingAmount"),
        int32(98, "adjustableTrailingUnit"),
        double(99, "lmtPriceOffset"),
        message(100, "conditions", &ORDER_CONDITION).repeated(),
        boolean(101, "conditionsCancelOrder"),
        boolean(102, "conditionsIgnoreRth"),
        string(103, "modelCode"),
        string(104, "extOperator"),
        message(105, "softDollarTier", &SOFT_DOLLAR_TIER),
        double(106, "cashQty"),
        string(107, "mifid2DecisionMaker"),
        string(108, "mifid2DecisionAlgo"),
        string(109, "mifid2ExecutionTrader"),
        string(110, "mifid2ExecutionAlgo"),
        boolean(111, "dontUseAutoPriceForHedge"),
        boolean(112, "isOmsContainer"),
        boolean(113, "discretionaryUpToLimitPrice"),
        string(114, "autoCancelDate"),
        string(115, "filledQuantity"),
        int32(116, "refFuturesConId"),
        boolean(117, "autoCancelParent"),
        string(118, "shareholder"),
        boolean(119, "imbalanceOnly"),
        int32(120, "routeMarketableToBbo").since(217),
        int64(121, "parentPermId"),
        int32(122, "usePriceMgmtAlgo"),
        int32(123, "duration"),
        int32(124, "postToAts"),
        string(125, "advancedErrorOverride"),
        string(126, "manualOrderTime"),
        int32(127, "minTradeQty"),
        int32(128, "minCompeteSize"),
        double(129, "competeAgainstBestOffset"),
        double(130, "midOffsetAtWhole"),
        double(131, "midOffsetAtHalf"),
        string(132, "customerAccount"),
        boolean(133, "professionalCustomer"),
        string(134, "bondAccruedInterest"),
        boolean(135, "includeOvernight"),
        int32(136, "manualOrderIndicator"),
        string(137, "submitter"),
        boolean(138, "deactivate").since(216),
        boolean(139, "postOnly").since(216),
        boolean(140, "allowPreOpen").since(216),
        boolean(141, "ignoreOpenAuction").since(216),
        int32(142, "seekPriceImprovement").since(217),
        int32(143, "whatIfType").since(217),
        int32(144, "hedgeMaxSize").since(223),
        boolean(145, "conditionsIncludeOvernight").since(226),
    ],
);

/// OrderAllocation.
pub static ORDER_ALLOCATION: Schema = schema(
    "OrderAllocation",
    &[
        string(1, "account"),
        string(2, "position"),
        string(3, "positionDesired"),
        string(4, "positionAfter"),
        string(5, "desiredAllocQty"),
        string(6, "allowedAllocQty"),
        boolean(7, "isMonetary"),
    ],
);

/// OrderBound.
pub static ORDER_BOUND: Schema =
    schema("OrderBound", &[int64(1, "permId"), int32(2, "clientId"), int32(3, "orderId")]);

/// OrderCancel.
pub static ORDER_CANCEL: Schema = schema(
    "OrderCancel",
    &[string(1, "manualOrderCancelTime"), string(2, "extOperator"), int32(3, "manualOrderIndicator")],
);

/// OrderCondition.
pub static ORDER_CONDITION: Schema = schema(
    "OrderCondition",
    &[
        int32(1, "type"),
        boolean(2, "isConjunctionConnection"),
        boolean(3, "isMore"),
        int32(4, "conId"),
        string(5, "exchange"),
        string(6, "symbol"),
        string(7, "secType"),
        int32(8, "percent"),
        double(9, "changePercent"),
        double(10, "price"),
        int32(11, "triggerMethod"),
        string(12, "time"),
        int32(13, "volume"),
    ],
);

/// OrderState.
pub static ORDER_STATE: Schema = schema(
    "OrderState",
    &[
        string(1, "status"),
        double(2, "initMarginBefore"),
        double(3, "maintMarginBefore"),
        double(4, "equityWithLoanBefore"),
        double(5, "initMarginChange"),
        double(6, "maintMarginChange"),
        double(7, "equityWithLoanChange"),
        double(8, "initMarginAfter"),
        double(9, "maintMarginAfter"),
        double(10, "equityWithLoanAfter"),
        double(11, "commissionAndFees"),
        double(12, "minCommissionAndFees"),
        double(13, "maxCommissionAndFees"),
        string(14, "commissionAndFeesCurrency"),
        string(15, "marginCurrency"),
        double(16, "initMarginBeforeOutsideRTH"),
        double(17, "maintMarginBeforeOutsideRTH"),
        double(18, "equityWithLoanBeforeOutsideRTH"),
        double(19, "initMarginChangeOutsideRTH"),
        double(20, "maintMarginChangeOutsideRTH"),
        double(21, "equityWithLoanChangeOutsideRTH"),
        double(22, "initMarginAfterOutsideRTH"),
        double(23, "maintMarginAfterOutsideRTH"),
        double(24, "equityWithLoanAfterOutsideRTH"),
        string(25, "suggestedSize"),
        string(26, "rejectReason"),
        message(27, "orderAllocations", &ORDER_ALLOCATION).repeated(),
        string(28, "warningText"),
        string(29, "completedTime"),
        string(30, "completedStatus"),
    ],
);

/// OrderStatus.
pub static ORDER_STATUS: Schema = schema(
    "OrderStatus",
    &[
        int32(1, "orderId"),
        string(2, "status"),
        string(3, "filled"),
        string(4, "remaining"),
        double(5, "avgFillPrice"),
        int64(6, "permId"),
        int32(7, "parentId"),
        double(8, "lastFillPrice"),
        int32(9, "clientId"),
        string(10, "whyHeld"),
        double(11, "mktCapPrice"),
    ],
);

/// OrdersConfig.
pub static ORDERS_CONFIG: Schema =
    schema("OrdersConfig", &[message(1, "smartRouting", &ORDERS_SMART_ROUTING_CONFIG)]);

/// OrdersSmartRoutingConfig.
pub static ORDERS_SMART_ROUTING_CONFIG: Schema = schema(
    "OrdersSmartRoutingConfig",
    &[
        boolean(1, "seekPriceImprovement"),
        boolean(2, "preOpenReroute"),
        boolean(3, "doNotRouteToDarkPools"),
        string(4, "defaultAlgorithm"),
    ],
);

/// PlaceOrderRequest.
pub static PLACE_ORDER_REQUEST: Schema = schema(
    "PlaceOrderRequest",
    &[
        int32(1, "orderId"),
        message(2, "contract", &CONTRACT),
        message(3, "order", &ORDER),
        message(4, "attachedOrders", &ATTACHED_ORDERS).since(218),
    ],
);

/// PnL.
pub static PN_L: Schema = schema(
    "PnL",
    &[int32(1, "reqId"), double(2, "dailyPnL"), double(3, "unrealizedPnL"), double(4, "realizedPnL")],
);

/// PnLRequest.
pub static PN_L_REQUEST: Schema =
    schema("PnLRequest", &[int32(1, "reqId"), string(2, "account"), string(3, "modelCode")]);

/// PnLSingle.
pub static PN_L_SINGLE: Schema = schema(
    "PnLSingle",
    &[
        int32(1, "reqId"),
        string(2, "position"),
        double(3, "dailyPnL"),
        double(4, "unrealizedPnL"),
        double(5, "realizedPnL"),
        double(6, "value"),
    ],
);

/// PnLSingleRequest.
pub static PN_L_SINGLE_REQUEST: Schema = schema(
    "PnLSingleRequest",
    &[int32(1, "reqId"), string(2, "account"), string(3, "modelCode"), int32(4, "conId")],
);

/// PortfolioValue.
pub static PORTFOLIO_VALUE: Schema = schema(
    "PortfolioValue",
    &[
        message(1, "contract", &CONTRACT),
        string(2, "position"),
        double(3, "marketPrice"),
        double(4, "marketValue"),
        double(5, "averageCost"),
        double(6, "unrealizedPNL"),
        double(7, "realizedPNL"),
        string(8, "accountName"),
    ],
);

/// Position.
pub static POSITION: Schema = schema(
    "Position",
    &[string(1, "account"), message(2, "contract", &CONTRACT), string(3, "position"), double(4, "avgCost")],
);

/// PositionEnd.
pub static POSITION_END: Schema = schema("PositionEnd", &[]);

/// PositionMulti.
pub static POSITION_MULTI: Schema = schema(
    "PositionMulti",
    &[
        int32(1, "reqId"),
        string(2, "account"),
        message(3, "contract", &CONTRACT),
        string(4, "position"),
        double(5, "avgCost"),
        string(6, "modelCode"),
    ],
);

/// PositionMultiEnd.
pub static POSITION_MULTI_END: Schema = schema("PositionMultiEnd", &[int32(1, "reqId")]);

/// PositionsMultiRequest.
pub static POSITIONS_MULTI_REQUEST: Schema =
    schema("PositionsMultiRequest", &[int32(1, "reqId"), string(2, "account"), string(3, "modelCode")]);

/// PositionsRequest.
pub static POSITIONS_REQUEST: Schema = schema("PositionsRequest", &[]);

/// PriceIncrement.
pub static PRICE_INCREMENT: Schema =
    schema("PriceIncrement", &[double(1, "lowEdge"), double(2, "increment")]);

/// QueryDisplayGroupsRequest.
pub static QUERY_DISPLAY_GROUPS_REQUEST: Schema = schema("QueryDisplayGroupsRequest", &[int32(1, "reqId")]);

/// RealTimeBarTick.
pub static REAL_TIME_BAR_TICK: Schema = schema(
    "RealTimeBarTick",
    &[
        int32(1, "reqId"),
        int64(2, "time"),
        double(3, "open"),
        double(4, "high"),
        double(5, "low"),
        double(6, "close"),
        string(7, "volume"),
        string(8, "WAP"),
        int32(9, "count"),
    ],
);

/// RealTimeBarsRequest.
pub static REAL_TIME_BARS_REQUEST: Schema = schema(
    "RealTimeBarsRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        int32(3, "barSize"),
        string(4, "whatToShow"),
        boolean(5, "useRTH"),
        map(6, "realTimeBarsOptions"),
    ],
);

/// ReceiveFA.
pub static RECEIVE_FA: Schema = schema("ReceiveFA", &[int32(1, "faDataType"), string(2, "xml")]);

/// ReplaceFAEnd.
pub static REPLACE_FA_END: Schema = schema("ReplaceFAEnd", &[int32(1, "reqId"), string(2, "text")]);

/// RerouteMarketDataRequest.
pub static REROUTE_MARKET_DATA_REQUEST: Schema =
    schema("RerouteMarketDataRequest", &[int32(1, "reqId"), int32(2, "conId"), string(3, "exchange")]);

/// RerouteMarketDepthRequest.
pub static REROUTE_MARKET_DEPTH_REQUEST: Schema =
    schema("RerouteMarketDepthRequest", &[int32(1, "reqId"), int32(2, "conId"), string(3, "exchange")]);

/// ScannerData.
pub static SCANNER_DATA: Schema = schema(
    "ScannerData",
    &[int32(1, "reqId"), message(2, "scannerDataElement", &SCANNER_DATA_ELEMENT).repeated()],
);

/// ScannerDataElement.
pub static SCANNER_DATA_ELEMENT: Schema = schema(
    "ScannerDataElement",
    &[
        int32(1, "rank"),
        message(2, "contract", &CONTRACT),
        string(3, "marketName"),
        string(4, "distance"),
        string(5, "benchmark"),
        string(6, "projection"),
        string(7, "comboKey"),
    ],
);

/// ScannerParameters.
pub static SCANNER_PARAMETERS: Schema = schema("ScannerParameters", &[string(1, "xml")]);

/// ScannerParametersRequest.
pub static SCANNER_PARAMETERS_REQUEST: Schema = schema("ScannerParametersRequest", &[]);

/// ScannerSubscription.
pub static SCANNER_SUBSCRIPTION: Schema = schema(
    "ScannerSubscription",
    &[
        int32(1, "numberOfRows"),
        string(2, "instrument"),
        string(3, "locationCode"),
        string(4, "scanCode"),
        double(5, "abovePrice"),
        double(6, "belowPrice"),
        int64(7, "aboveVolume"),
        double(8, "marketCapAbove"),
        double(9, "marketCapBelow"),
        string(10, "moodyRatingAbove"),
        string(11, "moodyRatingBelow"),
        string(12, "spRatingAbove"),
        string(13, "spRatingBelow"),
        string(14, "maturityDateAbove"),
        string(15, "maturityDateBelow"),
        double(16, "couponRateAbove"),
        double(17, "couponRateBelow"),
        boolean(18, "excludeConvertible"),
        int64(19, "averageOptionVolumeAbove"),
        string(20, "scannerSettingPairs"),
        string(21, "stockTypeFilter"),
        map(22, "scannerSubscriptionFilterOptions"),
        map(23, "scannerSubscriptionOptions"),
    ],
);

/// ScannerSubscriptionRequest.
pub static SCANNER_SUBSCRIPTION_REQUEST: Schema = schema(
    "ScannerSubscriptionRequest",
    &[int32(1, "reqId"), message(2, "scannerSubscription", &SCANNER_SUBSCRIPTION)],
);

/// SecDefOptParameter.
pub static SEC_DEF_OPT_PARAMETER: Schema = schema(
    "SecDefOptParameter",
    &[
        int32(1, "reqId"),
        string(2, "exchange"),
        int32(3, "underlyingConId"),
        string(4, "tradingClass"),
        string(5, "multiplier"),
        string(6, "expirations").repeated(),
        double(7, "strikes").repeated(),
    ],
);

/// SecDefOptParameterEnd.
pub static SEC_DEF_OPT_PARAMETER_END: Schema = schema("SecDefOptParameterEnd", &[int32(1, "reqId")]);

/// SecDefOptParamsRequest.
pub static SEC_DEF_OPT_PARAMS_REQUEST: Schema = schema(
    "SecDefOptParamsRequest",
    &[
        int32(1, "reqId"),
        string(2, "underlyingSymbol"),
        string(3, "futFopExchange"),
        string(4, "underlyingSecType"),
        int32(5, "underlyingConId"),
    ],
);

/// SetServerLogLevelRequest.
pub static SET_SERVER_LOG_LEVEL_REQUEST: Schema = schema("SetServerLogLevelRequest", &[int32(1, "logLevel")]);

/// SmartComponent.
pub static SMART_COMPONENT: Schema =
    schema("SmartComponent", &[int32(1, "bitNumber"), string(2, "exchange"), string(3, "exchangeLetter")]);

/// SmartComponents.
pub static SMART_COMPONENTS: Schema = schema(
    "SmartComponents",
    &[int32(1, "reqId"), message(2, "smartComponents", &SMART_COMPONENT).repeated()],
);

/// SmartComponentsRequest.
pub static SMART_COMPONENTS_REQUEST: Schema =
    schema("SmartComponentsRequest", &[int32(1, "reqId"), string(2, "bboExchange")]);

/// SoftDollarTier.
pub static SOFT_DOLLAR_TIER: Schema =
    schema("SoftDollarTier", &[string(1, "name"), string(2, "value"), string(3, "displayName")]);

/// SoftDollarTiers.
pub static SOFT_DOLLAR_TIERS: Schema = schema(
    "SoftDollarTiers",
    &[int32(1, "reqId"), message(2, "softDollarTiers", &SOFT_DOLLAR_TIER).repeated()],
);

/// SoftDollarTiersRequest.
pub static SOFT_DOLLAR_TIERS_REQUEST: Schema = schema("SoftDollarTiersRequest", &[int32(1, "reqId")]);

/// StartApiRequest.
pub static START_API_REQUEST: Schema =
    schema("StartApiRequest", &[int32(1, "clientId"), string(2, "optionalCapabilities")]);

/// SubscribeToGroupEventsRequest.
pub static SUBSCRIBE_TO_GROUP_EVENTS_REQUEST: Schema =
    schema("SubscribeToGroupEventsRequest", &[int32(1, "reqId"), int32(2, "groupId")]);

/// SymbolSamples.
pub static SYMBOL_SAMPLES: Schema = schema(
    "SymbolSamples",
    &[int32(1, "reqId"), message(2, "contractDescriptions", &CONTRACT_DESCRIPTION).repeated()],
);

/// TickAttribBidAsk.
pub static TICK_ATTRIB_BID_ASK: Schema =
    schema("TickAttribBidAsk", &[boolean(1, "bidPastLow"), boolean(2, "askPastHigh")]);

/// TickAttribLast.
pub static TICK_ATTRIB_LAST: Schema =
    schema("TickAttribLast", &[boolean(1, "pastLimit"), boolean(2, "unreported")]);

/// TickByTickData.
pub static TICK_BY_TICK_DATA: Schema = schema(
    "TickByTickData",
    &[
        int32(1, "reqId"),
        int32(2, "tickType"),
        message(3, "historicalTickLast", &HISTORICAL_TICK_LAST).one_of(),
        message(4, "historicalTickBidAsk", &HISTORICAL_TICK_BID_ASK).one_of(),
        message(5, "historicalTickMidPoint", &HISTORICAL_TICK).one_of(),
    ],
);

/// TickByTickRequest.
pub static TICK_BY_TICK_REQUEST: Schema = schema(
    "TickByTickRequest",
    &[
        int32(1, "reqId"),
        message(2, "contract", &CONTRACT),
        string(3, "tickType"),
        int32(4, "numberOfTicks"),
        boolean(5, "ignoreSize"),
    ],
);

/// TickGeneric.
pub static TICK_GENERIC: Schema =
    schema("TickGeneric", &[int32(1, "reqId"), int32(2, "tickType"), double(3, "value")]);

/// TickNews.
pub static TICK_NEWS: Schema = schema(
    "TickNews",
    &[
        int32(1, "reqId"),
        int64(2, "timestamp"),
        string(3, "providerCode"),
        string(4, "articleId"),
        string(5, "headline"),
        string(6, "extraData"),
    ],
);

/// TickOptionComputation.
pub static TICK_OPTION_COMPUTATION: Schema = schema(
    "TickOptionComputation",
    &[
        int32(1, "reqId"),
        int32(2, "tickType"),
        int32(3, "tickAttrib"),
        double(4, "impliedVol"),
        double(5, "delta"),
        double(6, "optPrice"),
        double(7, "pvDividend"),
        double(8, "gamma"),
        double(9, "vega"),
        double(10, "theta"),
        double(11, "undPrice"),
    ],
);

/// TickPrice.
pub static TICK_PRICE: Schema = schema(
    "TickPrice",
    &[int32(1, "reqId"), int32(2, "tickType"), double(3, "price"), string(4, "size"), int32(5, "attrMask")],
);

/// TickReqParams.
pub static TICK_REQ_PARAMS: Schema = schema(
    "TickReqParams",
    &[
        int32(1, "reqId"),
        string(2, "minTick"),
        string(3, "bboExchange"),
        int32(4, "snapshotPermissions"),
        string(5, "lastPricePrecision"),
        string(6, "lastSizePrecision"),
    ],
);

/// TickSize.
pub static TICK_SIZE: Schema =
    schema("TickSize", &[int32(1, "reqId"), int32(2, "tickType"), string(3, "size")]);

/// TickSnapshotEnd.
pub static TICK_SNAPSHOT_END: Schema = schema("TickSnapshotEnd", &[int32(1, "reqId")]);

/// TickString.
pub static TICK_STRING: Schema =
    schema("TickString", &[int32(1, "reqId"), int32(2, "tickType"), string(3, "value")]);

/// UnsubscribeFromGroupEventsRequest.
pub static UNSUBSCRIBE_FROM_GROUP_EVENTS_REQUEST: Schema =
    schema("UnsubscribeFromGroupEventsRequest", &[int32(1, "reqId")]);

/// UpdateConfigRequest.
pub static UPDATE_CONFIG_REQUEST: Schema = schema(
    "UpdateConfigRequest",
    &[
        int32(1, "reqId"),
        message(2, "lockAndExit", &LOCK_AND_EXIT_CONFIG),
        message(3, "messages", &MESSAGE_CONFIG).repeated(),
        message(4, "api", &API_CONFIG),
        message(5, "orders", &ORDERS_CONFIG),
        message(6, "acceptedWarnings", &UPDATE_CONFIG_WARNING).repeated(),
        boolean(7, "resetAPIOrderSequence"),
    ],
);

/// UpdateConfigResponse.
pub static UPDATE_CONFIG_RESPONSE: Schema = schema(
    "UpdateConfigResponse",
    &[
        int32(1, "reqId"),
        string(2, "status"),
        string(3, "message"),
        string(4, "changedFields").repeated(),
        string(5, "errors").repeated(),
        message(6, "warnings", &UPDATE_CONFIG_WARNING).repeated(),
    ],
);

/// UpdateConfigWarning.
pub static UPDATE_CONFIG_WARNING: Schema =
    schema("UpdateConfigWarning", &[int32(1, "messageId"), string(2, "title"), string(3, "message")]);

/// UpdateDisplayGroupRequest.
pub static UPDATE_DISPLAY_GROUP_REQUEST: Schema =
    schema("UpdateDisplayGroupRequest", &[int32(1, "reqId"), string(2, "contractInfo")]);

/// UserInfo.
pub static USER_INFO: Schema = schema("UserInfo", &[int32(1, "reqId"), string(2, "whiteBrandingId")]);

/// UserInfoRequest.
pub static USER_INFO_REQUEST: Schema = schema("UserInfoRequest", &[int32(1, "reqId")]);

/// VerifyCompleted.
pub static VERIFY_COMPLETED: Schema =
    schema("VerifyCompleted", &[boolean(1, "isSuccessful"), string(2, "errorText")]);

/// VerifyMessageApi.
pub static VERIFY_MESSAGE_API: Schema = schema("VerifyMessageApi", &[string(1, "apiData")]);

/// VerifyMessageRequest.
pub static VERIFY_MESSAGE_REQUEST: Schema = schema("VerifyMessageRequest", &[string(1, "apiData")]);

/// VerifyRequest.
pub static VERIFY_REQUEST: Schema = schema("VerifyRequest", &[string(1, "apiName"), string(2, "apiVersion")]);

/// WshEventData.
pub static WSH_EVENT_DATA: Schema = schema("WshEventData", &[int32(1, "reqId"), string(2, "dataJson")]);

/// WshEventDataRequest.
pub static WSH_EVENT_DATA_REQUEST: Schema = schema(
    "WshEventDataRequest",
    &[
        int32(1, "reqId"),
        int32(2, "conId"),
        string(3, "filter"),
        boolean(4, "fillWatchlist"),
        boolean(5, "fillPortfolio"),
        boolean(6, "fillCompetitors"),
        string(7, "startDate"),
        string(8, "endDate"),
        int32(9, "totalLimit"),
    ],
);

/// WshMetaData.
pub static WSH_META_DATA: Schema = schema("WshMetaData", &[int32(1, "reqId"), string(2, "dataJson")]);

/// WshMetaDataRequest.
pub static WSH_META_DATA_REQUEST: Schema = schema("WshMetaDataRequest", &[int32(1, "reqId")]);
