"""Answers of the Gateway made of the official client's own message classes, filled with seeded values of the right kind.

Each answer comes in variants: `full` sets every field, `half` a random half of them, `bare` hardly any, and `whole` is
`full` with sizes that are whole numbers, as every client can read. Orders come in more kinds, because parts of their
text depend on what they are.
"""

import random

# The text id of every answer that has a protobuf form, with its message class.
NAMES = {
    1: "TickPrice", 2: "TickSize", 3: "OrderStatus", 4: "ErrorMessage", 5: "OpenOrder", 6: "AccountValue", 7: "PortfolioValue",
    8: "AccountUpdateTime", 9: "NextValidId", 10: "ContractData", 11: "ExecutionDetails", 12: "MarketDepth", 13: "MarketDepthL2",
    14: "NewsBulletin", 15: "ManagedAccounts", 16: "ReceiveFA", 17: "HistoricalData", 18: "ContractData", 19: "ScannerParameters",
    20: "ScannerData", 21: "TickOptionComputation", 45: "TickGeneric", 46: "TickString", 49: "CurrentTime", 50: "RealTimeBarTick",
    51: "FundamentalsData", 52: "ContractDataEnd", 53: "OpenOrdersEnd", 54: "AccountDataEnd", 55: "ExecutionDetailsEnd",
    57: "TickSnapshotEnd", 58: "MarketDataType", 59: "CommissionAndFeesReport", 61: "Position", 62: "PositionEnd",
    63: "AccountSummary", 64: "AccountSummaryEnd", 65: "VerifyMessageApi", 66: "VerifyCompleted", 67: "DisplayGroupList",
    68: "DisplayGroupUpdated", 71: "PositionMulti", 72: "PositionMultiEnd", 73: "AccountUpdateMulti", 74: "AccountUpdateMultiEnd",
    75: "SecDefOptParameter", 76: "SecDefOptParameterEnd", 77: "SoftDollarTiers", 78: "FamilyCodes", 79: "SymbolSamples",
    80: "MarketDepthExchanges", 81: "TickReqParams", 82: "SmartComponents", 83: "NewsArticle", 84: "TickNews", 85: "NewsProviders",
    86: "HistoricalNews", 87: "HistoricalNewsEnd", 88: "HeadTimestamp", 89: "HistogramData", 90: "HistoricalDataUpdate",
    91: "RerouteMarketDataRequest", 92: "RerouteMarketDepthRequest", 93: "MarketRule", 94: "PnL", 95: "PnLSingle",
    96: "HistoricalTicks", 97: "HistoricalTicksBidAsk", 98: "HistoricalTicksLast", 99: "TickByTickData", 100: "OrderBound",
    101: "CompletedOrder", 102: "CompletedOrdersEnd", 103: "ReplaceFAEnd", 104: "WshMetaData", 105: "WshEventData",
    106: "HistoricalSchedule", 107: "UserInfo", 108: "HistoricalDataEnd", 109: "CurrentTimeInMillis", 110: "ConfigResponse",
    111: "UpdateConfigResponse",
}

# Answers that the official client's protobuf classes do not have, as text of the version before protobuf.
TEXT_VERSION = 200
TEXT = {
    "tickEFP": "47|1|7|38|1.5|1.5 bp|2.25|30|20261218|0.5|0.75|",
    "fundamentalData": "51|1|7|<ReportSnapshot/>|",
    "deltaNeutralValidation": "56|1|7|756733|0.5|501.25|",
}

DECIMALS = {
    "size", "filled", "remaining", "position", "volume", "WAP", "shares", "cumQty", "totalQuantity", "filledQuantity", "sizeBid",
    "sizeAsk", "minSize", "sizeIncrement", "suggestedSizeIncrement", "minAlgoSize", "lastPricePrecision", "lastSizePrecision",
    "suggestedSize", "positionDesired", "positionAfter", "desiredAllocQty", "allowedAllocQty",
}
# Fields without which an answer is none: set in every variant.
ALWAYS = {
    "reqId", "orderId", "contract", "order", "orderState", "execution", "contractDetails", "marketDepthData", "tickType", "historicalDataBar",
    "historicalTickLast", "historicalTickBidAsk", "historicalTickMidPoint", "errorCode", "errorMsg", "type", "secType", "orderType",
    "symbol", "permId", "execId", "account", "id", "isConjunctionConnection", "time", "price", "size", "action", "status",
}
CHOICES = {
    "secType": ["STK", "OPT", "FUT", "CASH", "IND"],
    "right": ["C", "P"],
    "action": ["BUY", "SELL"],
    "side": {"int": [0, 1], "str": ["BOT", "SLD"]},
    "operation": [0, 1, 2],
    "orderType": ["LMT", "MKT", "STP", "STP LMT", "TRAIL"],
    "status": ["Submitted", "PreSubmitted", "Filled", "Cancelled"],
    "tif": ["DAY", "GTC"],
    "openClose": {"int": [0, 1, 2], "str": ["O", "C"]},
    "currency": ["USD", "EUR"],
    "exchange": ["SMART", "NYSE", "IBKRATS"],
    "lastTradeDateOrContractMonth": ["20261218", "20270115"],
    "lastTradeDate": ["20261218", "20270115"],
    "yieldRedemptionDate": ["20301215"],
    "fundDistributionPolicyIndicator": ["N", "Y"],
    "fundAssetType": ["001", "003"],
    "optExerciseOrLapseType": [],
    "tickType": [1, 2, 4, 9],
    "hedgeType": ["D", "B"],
    "exchangeLetter": ["N", "Q"],
    "attrMask": [0, 1, 2, 3, 4, 7],
    "marketDataType": [1, 2, 3, 4],
    "minTick": {"str": ["0.01", "0.25"], "float": [0.01, 0.25]},
    "usePriceMgmtAlgo": [0, 1],
    "routeMarketableToBbo": [0, 1],
    "seekPriceImprovement": [0, 1],
    "triggerMethod": [0, 1, 2, 7],
    "bitNumber": None,
    "competeAgainstBestOffset": [0.02, float("inf")],
    "commissionAndFees": [1.05],
    "time": {"int": [1795500000, 1795500001], "str": ["20261124 10:00:00 US/Eastern"]},
    "completedTime": ["20261124 10:00:00 US/Eastern"],
    "errorTime": [1795500000123],
    "currentTime": [1795500000],
    "currentTimeInMillis": [1795500000123],
    "coupon": [4.125, 5.0],
    "evMultiplier": [1.0, 100.0],
    "errorCode": [200, 354, 2104],
    "advancedOrderRejectJson": ['{"reject":{"201":"no"}}'],
    "articleType": [0, 1],
    "strike": [512.5, 500.0, 0.5],
    "multiplier": {"float": [100.0, 50.0, 0.1], "str": ["100"]},
}
CONDITIONS = {
    1: ["conId", "exchange", "isMore", "price", "triggerMethod"], 3: ["isMore", "time"], 4: ["isMore", "percent"],
    5: ["secType", "exchange", "symbol"], 6: ["isMore", "conId", "exchange", "volume"], 7: ["isMore", "conId", "exchange", "changePercent"],
}
# variant -> fields that this kind of order has (and only this kind is given)
ORDER_KINDS = {
    "PEG BENCH": dict(orderType="PEG BENCH"),
    "PEG BEST": dict(orderType="PEG BEST"),
    "PEG MID": dict(orderType="PEG MID"),
    "VOL": dict(orderType="VOL", deltaNeutralOrderType="MKT"),
}
GROUPS = {
    "orderType": ["referenceContractId", "isPeggedChangeAmountDecrease", "peggedChangeAmount", "referenceChangeAmount", "referenceExchangeId"],
    "deltaNeutralOrderType": [
        "deltaNeutralConId", "deltaNeutralSettlingFirm", "deltaNeutralClearingAccount", "deltaNeutralClearingIntent",
        "deltaNeutralOpenClose", "deltaNeutralShortSale", "deltaNeutralShortSaleSlot", "deltaNeutralDesignatedLocation",
    ],
    "scalePriceIncrement": [
        "scalePriceAdjustValue", "scalePriceAdjustInterval", "scaleProfitOffset", "scaleAutoReset", "scaleInitPosition",
        "scaleInitFillQty", "scaleRandomPercent",
    ],
    "hedgeType": ["hedgeParam", "hedgeMaxSize"],
    "algoStrategy": ["algoParams"],
}


class Maker:
    """Fills messages. `share` is the chance of a field that need not be there, `whole` makes sizes whole numbers."""

    def __init__(self, seed, share, whole):
        self.random = random.Random(seed)
        self.share = share
        self.whole = whole

    def text(self, name):
        return f"{name[:12]}{self.random.randrange(100, 1000)}"

    def decimal(self):
        number = self.random.randrange(1, 100000)
        return str(number) if self.whole else f"{number}.{self.random.randrange(1, 10)}"

    def scalar(self, field):
        name, kind = field.name, python_kind(field)
        if name in DECIMALS and kind == "str":
            return self.decimal()
        choices = CHOICES.get(name)
        if isinstance(choices, dict):
            choices = choices.get(kind)
        if choices:
            return self.random.choice(choices)
        if kind == "bool":
            return self.random.random() < 0.7
        if kind == "int":
            return self.random.randrange(1, 2**40 if field.cpp_type == field.CPPTYPE_INT64 else 20000)
        if kind == "float":
            return self.random.randrange(1, 10**7) / self.random.choice([1, 4, 100, 10000])
        return self.text(name)

    def fill(self, message):
        for field in message.DESCRIPTOR.fields:
            if field.name in CHOICES and CHOICES[field.name] == []:
                continue
            if field.containing_oneof is not None and len(field.containing_oneof.fields) > 1:
                continue
            if field.name not in ALWAYS and self.random.random() >= self.share:
                continue
            self.set(message, field)
        if message.DESCRIPTOR.name == "OrderCondition":
            self.condition(message)
        return message

    def set(self, message, field):
        entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        if entry:
            for at in range(self.random.randrange(1, 4)):
                getattr(message, field.name)[f"tag{at}"] = self.text("value")
        elif hasattr(getattr(message, field.name), "append"):
            rows = getattr(message, field.name)
            for at in range(self.random.randrange(1, 4)):
                if field.message_type is not None:
                    self.fill(rows.add())
                    if field.name == "smartComponents":
                        rows[-1].bitNumber = at
                else:
                    rows.append(self.scalar(field))
        elif field.message_type is not None:
            made = getattr(message, field.name)
            made.SetInParent()
            self.fill(made)
        else:
            setattr(message, field.name, self.scalar(field))

    def condition(self, message):
        """A condition has the fields of its type."""
        kind = self.random.choice(list(CONDITIONS))
        joined = message.isConjunctionConnection
        message.Clear()
        message.type = kind
        message.isConjunctionConnection = joined
        for name in CONDITIONS[kind]:
            self.set(message, message.DESCRIPTOR.fields_by_name[name])


def python_kind(field):
    return {
        field.CPPTYPE_BOOL: "bool", field.CPPTYPE_STRING: "str", field.CPPTYPE_DOUBLE: "float", field.CPPTYPE_FLOAT: "float",
    }.get(field.cpp_type, "int")


def settle(message, variant):
    """Makes an order agree with itself: a group of fields is there only with the field that opens it."""
    order = message.order
    if message.DESCRIPTOR.name == "OpenOrder":
        order.orderId = message.orderId
    for name, value in ORDER_KINDS.get(variant, {}).items():
        setattr(order, name, value)
    opened = {
        "orderType": order.orderType in ("PEG BENCH", "PEGBENCH"),
        "deltaNeutralOrderType": bool(order.deltaNeutralOrderType),
        "scalePriceIncrement": order.scalePriceIncrement > 0,
        "hedgeType": bool(order.hedgeType),
        "algoStrategy": bool(order.algoStrategy),
    }
    for opener, names in GROUPS.items():
        if not opened[opener]:
            for name in names:
                order.ClearField(name)
    if not order.conditions:
        for name in ("conditionsIgnoreRth", "conditionsCancelOrder", "conditionsIncludeOvernight"):
            order.ClearField(name)


def made(message_class, number, variant, seed):
    share = 0.5 if variant.startswith("half") else 0.05 if variant == "bare" else 1.0
    maker = Maker(f"{seed}/{number}/{variant}", share, variant == "whole")
    message = maker.fill(message_class(NAMES[number])())
    if number in (5, 101):
        settle(message, variant)
    if number == 18:
        message.contract.secType = "BOND"
    if number == 10 and variant == "fund":
        message.contract.secType = "FUND"
    if number == 99:
        tick_by_tick(maker, message, variant)
    return message


def tick_by_tick(maker, message, variant):
    name = {"last": "historicalTickLast", "all last": "historicalTickLast", "bid ask": "historicalTickBidAsk"}.get(variant, "historicalTickMidPoint")
    message.tickType = {"last": 1, "all last": 2, "bid ask": 3}.get(variant, 4)
    maker.set(message, message.DESCRIPTOR.fields_by_name[name])


def answers(message_class, seed):
    """All answers: [name of the message, variant, payload]."""
    found = []
    for number, name in NAMES.items():
        try:
            message_class(name)
        except Exception:  # a class that this release no longer has
            continue
        variants = ["full", "whole", "half", "bare"]
        if number in (5, 101):
            variants += [*ORDER_KINDS, *(f"half {at}" for at in range(6))]
        if number == 10:
            variants += ["fund"]
        if number == 99:
            variants = ["last", "all last", "bid ask", "mid point"]
        seen = set()
        for variant in variants:
            body = made(message_class, number, variant, seed).SerializeToString(deterministic=True)
            if body not in seen:
                seen.add(body)
                found.append([name, variant, ((200 + number).to_bytes(4, "big") + body).hex()])
    return found
