"""Payloads: what they are called, and where recorded ones come from."""

import base64
import json
import os
import struct

import samples

PROTOBUF_FROM = 201
PROTOBUF_OFFSET = 200
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
TEXT_ONLY = {18: "BondContractData", 47: "TickEfp", 56: "DeltaNeutralValidation", 69: "VerifyAndAuthMessageApi", 70: "VerifyAndAuthCompleted"}
REQUEST_MESSAGES = {
    1: "MarketDataRequest", 2: "CancelMarketData", 3: "PlaceOrderRequest", 4: "CancelOrderRequest", 5: "OpenOrdersRequest",
    6: "AccountDataRequest", 7: "ExecutionRequest", 8: "IdsRequest", 9: "ContractDataRequest", 10: "MarketDepthRequest",
    11: "CancelMarketDepth", 12: "NewsBulletinsRequest", 13: "CancelNewsBulletins", 14: "SetServerLogLevelRequest",
    15: "AutoOpenOrdersRequest", 16: "AllOpenOrdersRequest", 17: "ManagedAccountsRequest", 18: "FARequest", 19: "FAReplace",
    20: "HistoricalDataRequest", 21: "ExerciseOptionsRequest", 22: "ScannerSubscriptionRequest", 23: "CancelScannerSubscription",
    24: "ScannerParametersRequest", 25: "CancelHistoricalData", 49: "CurrentTimeRequest", 50: "RealTimeBarsRequest",
    51: "CancelRealTimeBars", 54: "CalculateImpliedVolatilityRequest", 55: "CalculateOptionPriceRequest",
    56: "CancelCalculateImpliedVolatility", 57: "CancelCalculateOptionPrice", 58: "GlobalCancelRequest", 59: "MarketDataTypeRequest",
    61: "PositionsRequest", 62: "AccountSummaryRequest", 63: "CancelAccountSummary", 64: "CancelPositions", 65: "VerifyRequest",
    66: "VerifyMessageRequest", 67: "QueryDisplayGroupsRequest", 68: "SubscribeToGroupEventsRequest", 69: "UpdateDisplayGroupRequest",
    70: "UnsubscribeFromGroupEventsRequest", 71: "StartApiRequest", 74: "PositionsMultiRequest", 75: "CancelPositionsMulti",
    76: "AccountUpdatesMultiRequest", 77: "CancelAccountUpdatesMulti", 78: "SecDefOptParamsRequest", 79: "SoftDollarTiersRequest",
    80: "FamilyCodesRequest", 81: "MatchingSymbolsRequest", 82: "MarketDepthExchangesRequest", 83: "SmartComponentsRequest",
    84: "NewsArticleRequest", 85: "NewsProvidersRequest", 86: "HistoricalNewsRequest", 87: "HeadTimestampRequest",
    88: "HistogramDataRequest", 89: "CancelHistogramData", 90: "CancelHeadTimestamp", 91: "MarketRuleRequest", 92: "PnLRequest",
    93: "CancelPnL", 94: "PnLSingleRequest", 95: "CancelPnLSingle", 96: "HistoricalTicksRequest", 97: "TickByTickRequest",
    98: "CancelTickByTick", 99: "CompletedOrdersRequest", 100: "WshMetaDataRequest", 101: "CancelWshMetaData",
    102: "WshEventDataRequest", 103: "CancelWshEventData", 104: "UserInfoRequest", 105: "CurrentTimeInMillisRequest",
    106: "CancelContractData", 107: "CancelHistoricalTicks", 108: "ConfigRequest", 109: "UpdateConfigRequest",
}


def identify(payload, version):
    """(text id, whether it is protobuf) of a payload in hexadecimal."""
    if version >= PROTOBUF_FROM:
        number = int(payload[:8], 16)
        return (number - PROTOBUF_OFFSET, True) if number > PROTOBUF_OFFSET else (number, False)
    return int(bytes.fromhex(payload).partition(b"\0")[0]), False


def answer_name(payload, version):
    number, _ = identify(payload, version)
    return TEXT_ONLY.get(number) or samples.NAMES.get(number, str(number))


def split(data):
    """The payloads of a stream of length-prefixed frames."""
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 4 + size].hex()
        at += 4 + size


def recordings():
    """(where, version, payload) of every answer in the project's recordings; the first frame is the greeting."""
    folder = os.path.join(ROOT, "proto-fixtures")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name, "gateway.bin")
        if os.path.exists(path):
            version = int(name.rpartition("-v")[2])
            with open(path, "rb") as file:
                for payload in list(split(file.read()))[1:]:
                    yield name, version, payload


def captures():
    """(where, version, payload) of every answer in the captures of a real Gateway, where their folder is known."""
    folder = os.environ.get("TWSMUX_CAPTURES")
    for name in sorted(os.listdir(folder)) if folder else []:
        if not name.endswith(".txt"):
            continue
        version = None
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            for line in file:
                words = line.split(None, 2)
                if words[:1] == ["handshake"]:
                    version = json.loads(line.split(None, 1)[1])["server_version"]
                elif words[:2] == ["raw", "server"]:
                    yield name, version, base64.b64decode(words[2])[4:].hex()
