//! Groups of fields that several messages share, and the contracts that the Gateway describes in full.
//!
//! Owns: the layouts of contracts and of what hangs on them.

use super::{declare::*, model::*};

/// The contract is a combination.
pub const IS_BAG: Cond = Cond::In("secType", &["BAG"]);

/// The delta-neutral contract of a combination follows.
pub const HAS_DELTA_NEUTRAL: Cond = Cond::In("hasDeltaNeutral", &["1"]);

/// A contract in a request.
pub const CONTRACT: Layout = &[
    int("conId"),
    text("symbol"),
    text("secType"),
    text("lastTradeDateOrContractMonth"),
    double("strike").optional(),
    text("right"),
    text("multiplier"),
    text("exchange"),
    text("primaryExchange").at("primaryExch"),
    text("currency"),
    text("localSymbol"),
    text("tradingClass"),
];

/// A contract in a request that does not name the primary exchange.
pub const CONTRACT_WITHOUT_PRIMARY: Layout = &[
    int("conId"),
    text("symbol"),
    text("secType"),
    text("lastTradeDateOrContractMonth"),
    double("strike").optional(),
    text("right"),
    text("multiplier"),
    text("exchange"),
    text("currency"),
    text("localSymbol"),
    text("tradingClass"),
];

/// A contract in a response, but for its id. Its strike is a number even where there is none.
pub const SHOWN_CONTRACT_AFTER_ID: Layout = &[
    text("symbol"),
    text("secType"),
    text("lastTradeDateOrContractMonth"),
    double("strike"),
    text("right"),
    text("multiplier"),
    text("exchange"),
    text("currency"),
    text("localSymbol"),
    text("tradingClass"),
];

/// A contract in a response.
pub const SHOWN_CONTRACT: Layout = &[int("conId"), group(SHOWN_CONTRACT_AFTER_ID)];

/// A leg of a combination.
pub const LEG: Layout = &[int("conId"), int("ratio"), text("action"), text("exchange")];

/// A tag and its value, as two fields.
pub const PAIR: Layout = &[text("tag"), text("value")];

/// The delta-neutral contract of a combination.
pub const DELTA_NEUTRAL: Layout = &[
    int("dnConId").at("deltaNeutralContract.conId"),
    double("dnDelta").at("deltaNeutralContract.delta"),
    double("dnPrice").at("deltaNeutralContract.price"),
];

/// reqFundamentalData up to its options.
pub const FUNDAMENTALS: Layout = &[
    version("2"),
    req_id(),
    int("conId"),
    text("symbol"),
    text("secType"),
    text("exchange"),
    text("primaryExchange").at("primaryExch"),
    text("currency"),
    text("localSymbol"),
    text("reportType"),
];

/// calculateImpliedVolatility up to its options.
pub const IMPLIED_VOLATILITY: Layout =
    &[version("3"), req_id(), group(CONTRACT), double("optionPrice"), double("underPrice")];

/// calculateOptionPrice up to its options.
pub const OPTION_PRICE: Layout =
    &[version("3"), req_id(), group(CONTRACT), double("volatility"), double("underPrice")];

/// contractDetails.
pub const CONTRACT_DETAILS: Layout = &[
    version("8").until(164),
    req_id(),
    text("symbol"),
    text("secType"),
    text("lastTradeDate").at("lastTradeDateOrContractMonth"),
    text("lastTradeDate2").since(182).at("contract.lastTradeDate"),
    double("strike"),
    text("right"),
    text("exchange"),
    text("currency"),
    text("localSymbol"),
    text("marketName"),
    text("tradingClass"),
    int("conId"),
    double("minTick"),
    int("mdSizeMultiplier").since(110).until(164).text_only().unset("1"),
    text("multiplier"),
    text("orderTypes"),
    text("validExchanges"),
    int("priceMagnifier"),
    int("underConId"),
    text("longName"),
    text("primaryExchange").at("primaryExch"),
    text("contractMonth"),
    text("industry"),
    text("category"),
    text("subcategory"),
    text("timeZoneId"),
    text("tradingHours"),
    text("liquidHours"),
    text("evRule"),
    int("evMultiplier"),
    repeat("secIdListCount", PAIR).at("secIdList"),
    int("aggGroup").since(121),
    text("underSymbol").since(122),
    text("underSecType").since(122),
    text("marketRuleIds").since(126),
    text("realExpirationDate").since(134),
    text("stockType").since(152),
    decimal("sizeMinTick").since(163).until(164).text_only(),
    decimal("minSize").optional().since(164),
    decimal("sizeIncrement").optional().since(164),
    decimal("suggestedSizeIncrement").optional().since(164),
    when(
        Cond::In("secType", &["FUND"]),
        &[
            text("fundName"),
            text("fundFamily"),
            text("fundType"),
            text("fundFrontLoad"),
            text("fundBackLoad"),
            text("fundBackLoadTimeInterval"),
            text("fundManagementFee"),
            boolean("fundClosed"),
            boolean("fundClosedForNewInvestors"),
            boolean("fundClosedForNewMoney"),
            text("fundNotifyAmount"),
            text("fundMinimumInitialPurchase"),
            text("fundSubsequentMinimumPurchase").at("fundMinimumSubsequentPurchase"),
            text("fundBlueSkyStates"),
            text("fundBlueSkyTerritories"),
            text("fundDistributionPolicyIndicator"),
            text("fundAssetType"),
        ],
    )
    .since(179),
    repeat("ineligibilityReasonCount", &[text("id"), text("description")])
        .since(186)
        .at("ineligibilityReasonList"),
];

/// bondContractDetails.
pub const BOND_DETAILS: Layout = &[
    version("6").until(164),
    req_id(),
    text("symbol"),
    text("secType"),
    text("cusip"),
    double("coupon"),
    text("maturity").at("lastTradeDateOrContractMonth"),
    text("issueDate"),
    text("ratings"),
    text("bondType"),
    text("couponType"),
    boolean("convertible"),
    boolean("callable"),
    boolean("putable").at("puttable"),
    text("descAppend"),
    text("exchange"),
    text("currency"),
    text("marketName"),
    text("tradingClass"),
    int("conId"),
    double("minTick"),
    int("mdSizeMultiplier").since(110).until(164).text_only().unset("1"),
    text("orderTypes"),
    text("validExchanges"),
    text("nextOptionDate"),
    text("nextOptionType"),
    boolean("nextOptionPartial"),
    text("notes").at("bondNotes"),
    text("longName"),
    text("timeZoneId").since(188),
    text("tradingHours").since(188),
    text("liquidHours").since(188),
    text("evRule"),
    int("evMultiplier"),
    repeat("secIdListCount", PAIR).at("secIdList"),
    int("aggGroup").since(121),
    text("marketRuleIds").since(126),
    decimal("minSize").optional().since(164),
    decimal("sizeIncrement").optional().since(164),
    decimal("suggestedSizeIncrement").optional().since(164),
];
