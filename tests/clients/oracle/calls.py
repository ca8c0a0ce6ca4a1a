"""The catalogue of calls: every request of the API with rich arguments, as plain data that any library can be given.

An object of a library is a dictionary with its class under `class`; every other key is an attribute that is set on a
fresh object, so what is not named keeps the library's own default. Names are those of the official client of today;
`libraries.py` knows what another library calls them. A call has a name of its own, `METHOD` or `METHOD/VARIANT`.
"""

import random

INFINITY = float("inf")


def new(kind, **attributes):
    """An object of the library."""
    return {"class": kind, **attributes}


def contract(**attributes):
    return new("Contract", **attributes)


def tags(**pairs):
    return [new("TagValue", tag=tag, value=value) for tag, value in pairs.items()]


STOCK = contract(conId=265598, symbol="AAPL", secType="STK", exchange="SMART", primaryExchange="NASDAQ", currency="USD")
BY_SYMBOL = contract(symbol="IBM", secType="STK", exchange="SMART", currency="USD", localSymbol="IBM", tradingClass="IBM")
BY_ID = contract(conId=8314, exchange="SMART")
ATS = contract(symbol="MSFT", secType="STK", exchange="IBKRATS", currency="USD")
OPTION = contract(
    symbol="SPY", secType="OPT", lastTradeDateOrContractMonth="20261218", strike=512.5, right="C", multiplier="100",
    exchange="CBOE", currency="USD", tradingClass="SPY", localSymbol="SPY   261218C00512500",
)
FUTURE = contract(
    symbol="ES", secType="FUT", lastTradeDateOrContractMonth="202612", multiplier="50", exchange="CME", currency="USD",
    includeExpired=True,
)
FOREX = contract(symbol="EUR", secType="CASH", exchange="IDEALPRO", currency="USD")
CRYPTO = contract(symbol="BTC", secType="CRYPTO", exchange="PAXOS", currency="USD")
BOND = contract(symbol="IBCID209940055", secType="BOND", exchange="SMART", currency="USD", secIdType="ISIN", secId="US03076KAA60")
ISSUER = contract(issuerId="e1234567", secType="BOND", exchange="SMART")
SMALL_STRIKE = contract(
    symbol="XYZ", secType="OPT", lastTradeDateOrContractMonth="20270115", strike=0.5, right="P", multiplier="0.1",
    exchange="SMART", currency="USD",
)


def leg(conId, action, **more):
    return new("ComboLeg", conId=conId, ratio=more.pop("ratio", 1), action=action, exchange="SMART", **more)


def bag(*legs, **more):
    return contract(symbol="SPY", secType="BAG", exchange="SMART", currency="USD", comboLegs=list(legs), **more)


SPREAD = bag(leg(101, "BUY"), leg(102, "SELL", ratio=2))
SHORT_LEGS = bag(
    leg(101, "BUY", openClose=1),
    leg(102, "SSHORT", openClose=2, shortSaleSlot=2, designatedLocation="HOUSE", exemptCode=3),
    leg(103, "SELL", ratio=3),
)
NEUTRAL = contract(
    symbol="SPY", secType="OPT", lastTradeDateOrContractMonth="20261218", strike=500.0, right="P", multiplier="100",
    exchange="SMART", currency="USD", deltaNeutralContract=new("DeltaNeutralContract", conId=756733, delta=0.5, price=501.25),
)
NEUTRAL_BAG = bag(leg(101, "BUY"), leg(102, "SELL"), deltaNeutralContract=new("DeltaNeutralContract", conId=756733, delta=0.6, price=500.5))

# name -> [contract, attributes of the order]. Quantities are decimals in libraries that know decimals.
ORDERS = {
    "LMT": [STOCK, dict(orderType="LMT", lmtPrice=187.25, tif="DAY")],
    "LMT-whole-price": [STOCK, dict(orderType="LMT", lmtPrice=187.0, tif="GTC")],
    "LMT-small-price": [FOREX, dict(orderType="LMT", lmtPrice=0.00001, tif="DAY", totalQuantity="20000")],
    "LMT-big-price": [FUTURE, dict(orderType="LMT", lmtPrice=123456789.125, tif="DAY")],
    "LMT-negative-price": [SPREAD, dict(orderType="LMT", lmtPrice=-1.35, tif="DAY")],
    "LMT-zero-price": [SPREAD, dict(orderType="LMT", lmtPrice=0.0, tif="DAY")],
    "MKT": [STOCK, dict(orderType="MKT", action="SELL")],
    "MKT-fraction": [STOCK, dict(orderType="MKT", totalQuantity="0.25")],
    "MKT-crypto": [CRYPTO, dict(orderType="MKT", tif="IOC", totalQuantity="0.00012345")],
    "MKT-cash": [STOCK, dict(orderType="MKT", totalQuantity="0", cashQty=250.5)],
    "MKT-by-id": [BY_ID, dict(orderType="MKT")],
    "MKT-bond": [BOND, dict(orderType="LMT", lmtPrice=98.5)],
    "MKT-odd-multiplier": [SMALL_STRIKE, dict(orderType="LMT", lmtPrice=0.05)],
    "STP": [STOCK, dict(orderType="STP", auxPrice=180.5, triggerMethod=2)],
    "STP-LMT": [STOCK, dict(orderType="STP LMT", lmtPrice=180.25, auxPrice=180.5, outsideRth=True)],
    "STP-PRT": [FUTURE, dict(orderType="STP PRT", auxPrice=6800.25)],
    "TRAIL-amount": [STOCK, dict(orderType="TRAIL", auxPrice=1.5, trailStopPrice=179.75)],
    "TRAIL-percent": [STOCK, dict(orderType="TRAIL", trailingPercent=2.5, trailStopPrice=179.75)],
    "TRAIL-LIMIT": [STOCK, dict(orderType="TRAIL LIMIT", auxPrice=1.5, trailStopPrice=179.75, lmtPriceOffset=0.1)],
    "TRAIL-MIT": [STOCK, dict(orderType="TRAIL MIT", auxPrice=0.5)],
    "REL": [STOCK, dict(orderType="REL", lmtPrice=188.0, auxPrice=0.02)],
    "REL-percent": [STOCK, dict(orderType="REL", percentOffset=0.05)],
    "PASSV-REL": [STOCK, dict(orderType="PASSV REL", auxPrice=0.01, lmtPrice=188.0)],
    "PEG-MKT": [STOCK, dict(orderType="PEG MKT", auxPrice=0.02)],
    "PEG-PRI": [STOCK, dict(orderType="PEG PRI", auxPrice=0.02, lmtPrice=190.0)],
    "PEG-STK": [OPTION, dict(orderType="PEG STK", delta=0.4, startingPrice=10.5, stockRefPrice=511.5, stockRangeLower=500.0, stockRangeUpper=525.5)],
    "PEG-MID": [ATS, dict(orderType="PEG MID", lmtPrice=400.5, minTradeQty=10, midOffsetAtWhole=0.0, midOffsetAtHalf=0.005)],
    "PEG-MID-elsewhere": [STOCK, dict(orderType="PEG MID", lmtPrice=400.5, midOffsetAtWhole=0.01, midOffsetAtHalf=0.015)],
    "PEG-MID-plain": [STOCK, dict(orderType="PEG MID", auxPrice=0.01)],
    "PEG-BEST": [ATS, dict(orderType="PEG BEST", lmtPrice=400.5, minTradeQty=10, minCompeteSize=100, competeAgainstBestOffset=0.02)],
    "PEG-BEST-up-to-mid": [
        ATS,
        dict(orderType="PEG BEST", lmtPrice=400.5, minTradeQty=10, minCompeteSize=100, competeAgainstBestOffset=INFINITY,
             midOffsetAtWhole=0.01, midOffsetAtHalf=0.005),
    ],
    "PEG-BENCH": [
        STOCK,
        dict(orderType="PEG BENCH", startingPrice=33.0, isPeggedChangeAmountDecrease=True, peggedChangeAmount=0.1,
             referenceChangeAmount=1.0, referenceContractId=756733, referenceExchangeId="ARCA", stockRefPrice=500.5,
             stockRangeLower=480.0, stockRangeUpper=520.0),
    ],
    "MOC": [STOCK, dict(orderType="MOC")],
    "LOC": [STOCK, dict(orderType="LOC", lmtPrice=187.5)],
    "MOO": [STOCK, dict(orderType="MKT", tif="OPG")],
    "AUC": [STOCK, dict(orderType="MTL", tif="AUC", lmtPrice=187.5)],
    "MTL": [STOCK, dict(orderType="MTL")],
    "MIT": [STOCK, dict(orderType="MIT", auxPrice=185.0)],
    "LIT": [STOCK, dict(orderType="LIT", lmtPrice=184.5, auxPrice=185.0)],
    "MKT-PRT": [FUTURE, dict(orderType="MKT PRT")],
    "MIDPRICE": [STOCK, dict(orderType="MIDPRICE", lmtPrice=187.5)],
    "BOX-TOP": [OPTION, dict(orderType="BOX TOP", auctionStrategy=0)],
    "SNAP-MKT": [STOCK, dict(orderType="SNAP MKT", auxPrice=0.01)],
    "SNAP-PRIM": [STOCK, dict(orderType="SNAP PRIM", auxPrice=0.01)],
    "SNAP-MID": [STOCK, dict(orderType="SNAP MID", auxPrice=0.01)],
    "QUOTE": [STOCK, dict(orderType="QUOTE", lmtPrice=1.0)],
    "REL-LMT": [SPREAD, dict(orderType="REL + LMT", auxPrice=0.01, lmtPrice=1.1)],
    "LMT-MKT": [SPREAD, dict(orderType="LMT + MKT", lmtPrice=1.1)],
    "VOL": [OPTION, dict(orderType="VOL", volatility=0.25, volatilityType=2)],
    "VOL-continuous": [
        OPTION,
        dict(orderType="VOL", volatility=25.5, volatilityType=1, continuousUpdate=True, referencePriceType=2,
             stockRangeLower=480.0, stockRangeUpper=520.0),
    ],
    "VOL-delta-neutral": [
        OPTION,
        dict(orderType="VOL", volatility=0.25, volatilityType=2, deltaNeutralOrderType="LMT", deltaNeutralAuxPrice=501.5,
             deltaNeutralConId=756733, deltaNeutralSettlingFirm="FIRM", deltaNeutralClearingAccount="CLR",
             deltaNeutralClearingIntent="Away", deltaNeutralOpenClose="O", deltaNeutralShortSale=True,
             deltaNeutralShortSaleSlot=2, deltaNeutralDesignatedLocation="THERE", referencePriceType=1),
    ],
    "VOL-delta-neutral-MKT": [OPTION, dict(orderType="VOL", volatility=0.25, volatilityType=2, deltaNeutralOrderType="MKT")],
    "delta-neutral-contract": [NEUTRAL, dict(orderType="LMT", lmtPrice=12.5)],
    "delta-neutral-bag": [NEUTRAL_BAG, dict(orderType="LMT", lmtPrice=2.5)],
    "combo": [SPREAD, dict(orderType="LMT", lmtPrice=1.25)],
    "combo-MKT-routing": [SPREAD, dict(orderType="MKT", smartComboRoutingParams=tags(NonGuaranteed="1"))],
    "combo-two-routing": [SPREAD, dict(orderType="LMT", lmtPrice=1.0, smartComboRoutingParams=tags(NonGuaranteed="1", LeginPrio="0"))],
    "combo-leg-prices": [
        SPREAD,
        dict(orderType="LMT", orderComboLegs=[new("OrderComboLeg", price=10.5), new("OrderComboLeg", price=8.25)]),
    ],
    "combo-one-leg-price": [
        SPREAD,
        dict(orderType="LMT", orderComboLegs=[new("OrderComboLeg"), new("OrderComboLeg", price=8.25)],
             smartComboRoutingParams=tags(NonGuaranteed="1")),
    ],
    "combo-short": [SHORT_LEGS, dict(orderType="LMT", lmtPrice=3.5)],
    "short-sale": [STOCK, dict(orderType="MKT", action="SSHORT", shortSaleSlot=2, designatedLocation="HOUSE", exemptCode=1)],
    "scale": [
        STOCK, dict(orderType="LMT", lmtPrice=187.0, totalQuantity="1000", scaleInitLevelSize=100, scaleSubsLevelSize=50, scalePriceIncrement=0.05)
    ],
    "scale-all": [
        STOCK,
        dict(orderType="LMT", lmtPrice=187.0, totalQuantity="1000", scaleInitLevelSize=100, scaleSubsLevelSize=50,
             scalePriceIncrement=0.05, scalePriceAdjustValue=0.01, scalePriceAdjustInterval=60, scaleProfitOffset=0.2,
             scaleAutoReset=True, scaleInitPosition=10, scaleInitFillQty=5, scaleRandomPercent=True),
    ],
    "scale-table": [
        STOCK, dict(orderType="LMT", lmtPrice=187.0, scaleTable="100,187;100,186", activeStartTime="20261124 10:00:00 US/Eastern", activeStopTime="20261124 15:00:00 US/Eastern")
    ],
    "hedge-beta": [STOCK, dict(orderType="MKT", parentId=41, totalQuantity="0", hedgeType="B", hedgeParam="beta=1.2")],
    "hedge-delta": [STOCK, dict(orderType="MKT", parentId=41, totalQuantity="0", hedgeType="D")],
    "hedge-pair": [STOCK, dict(orderType="MKT", parentId=41, totalQuantity="0", hedgeType="P", hedgeParam="ratio=2", dontUseAutoPriceForHedge=True)],
    "hedge-fx-max": [FOREX, dict(orderType="MKT", parentId=41, totalQuantity="0", hedgeType="F", hedgeMaxSize=5000)],
    "algo-Adaptive": [STOCK, dict(orderType="LMT", lmtPrice=187.0, algoStrategy="Adaptive", algoParams=tags(adaptivePriority="Urgent"))],
    "algo-Vwap": [
        STOCK,
        dict(orderType="LMT", lmtPrice=187.0, algoStrategy="Vwap",
             algoParams=tags(maxPctVol="0.1", startTime="20261124 10:00:00 US/Eastern", endTime="", allowPastEndTime="1", noTakeLiq="0", speedUp="1")),
    ],
    "algo-Twap": [STOCK, dict(orderType="MKT", algoStrategy="Twap", algoParams=tags(strategyType="Marketable", startTime="10:00:00 EST", endTime="15:00:00 EST", allowPastEndTime="1"))],
    "algo-ArrivalPx": [STOCK, dict(orderType="MKT", algoStrategy="ArrivalPx", algoParams=tags(maxPctVol="0.1", riskAversion="Aggressive", forceCompletion="1"))],
    "algo-DarkIce": [STOCK, dict(orderType="LMT", lmtPrice=187.0, algoStrategy="DarkIce", algoParams=tags(displaySize="10", startTime="", endTime=""))],
    "algo-PctVol": [STOCK, dict(orderType="MKT", algoStrategy="PctVol", algoParams=tags(pctVol="0.5", noTakeLiq="1"))],
    "algo-AD": [
        STOCK,
        dict(orderType="LMT", lmtPrice=187.0, algoStrategy="AD",
             algoParams=tags(componentSize="10", timeBetweenOrders="60", randomizeTime20="1", randomizeSize55="1", giveUp="2", catchUp="1", waitForFill="1")),
    ],
    "algo-MinImpact": [OPTION, dict(orderType="MKT", algoStrategy="MinImpact", algoParams=tags(maxPctVol="0.3"))],
    "algo-ClosePx": [STOCK, dict(orderType="MKT", algoStrategy="ClosePx", algoParams=tags(maxPctVol="0.4", riskAversion="Neutral"))],
    "algo-BalanceImpactRisk": [OPTION, dict(orderType="MKT", algoStrategy="BalanceImpactRisk", algoParams=tags(maxPctVol="0.1", riskAversion="Aggressive", forceCompletion="1"))],
    "algo-without-parameters": [STOCK, dict(orderType="MKT", algoStrategy="Adaptive")],
    "algo-id": [STOCK, dict(orderType="LMT", lmtPrice=187.0, algoId="JEFFALGO-7")],
    "cond-price": [STOCK, dict(orderType="LMT", lmtPrice=187.0, conditions=[
        new("PriceCondition", conId=756733, exchange="SMART", isMore=True, price=501.5, triggerMethod=0)])],
    "cond-time": [STOCK, dict(orderType="LMT", lmtPrice=187.0, conditionsIgnoreRth=True, conditions=[
        new("TimeCondition", isMore=True, time="20261124 15:00:00 US/Eastern")])],
    "cond-margin": [STOCK, dict(orderType="LMT", lmtPrice=187.0, conditionsCancelOrder=True, conditions=[
        new("MarginCondition", isMore=False, percent=30)])],
    "cond-execution": [STOCK, dict(orderType="LMT", lmtPrice=187.0, conditions=[
        new("ExecutionCondition", secType="STK", exchange="SMART", symbol="MSFT")])],
    "cond-volume": [STOCK, dict(orderType="LMT", lmtPrice=187.0, conditions=[
        new("VolumeCondition", conId=8314, exchange="SMART", isMore=True, volume=1000000)])],
    "cond-percent": [STOCK, dict(orderType="LMT", lmtPrice=187.0, conditions=[
        new("PercentChangeCondition", conId=8314, exchange="NYSE", isMore=False, changePercent=1.75)])],
    "cond-all-and-or": [STOCK, dict(orderType="LMT", lmtPrice=187.0, conditionsIgnoreRth=True, conditionsCancelOrder=True, conditions=[
        new("PriceCondition", conId=756733, exchange="SMART", isMore=True, price=501.5, triggerMethod=4, isConjunctionConnection=False),
        new("TimeCondition", isMore=False, time="20261124 15:00:00 US/Eastern"),
        new("MarginCondition", isMore=False, percent=30, isConjunctionConnection=False),
        new("ExecutionCondition", secType="STK", exchange="SMART", symbol="MSFT"),
        new("VolumeCondition", conId=8314, exchange="SMART", isMore=True, volume=1000000, isConjunctionConnection=False),
        new("PercentChangeCondition", conId=8314, exchange="NYSE", isMore=True, changePercent=2.5)])],
    "cond-overnight": [STOCK, dict(orderType="LMT", lmtPrice=187.0, conditionsIncludeOvernight=True, conditions=[
        new("PriceCondition", conId=756733, exchange="SMART", isMore=True, price=501.0, triggerMethod=7)])],
    "adjusted-STP": [STOCK, dict(orderType="STP", auxPrice=180.0, parentId=41, triggerPrice=195.0, adjustedOrderType="STP", adjustedStopPrice=190.5)],
    "adjusted-STP-LMT": [STOCK, dict(orderType="STP", auxPrice=180.0, parentId=41, triggerPrice=195.0, adjustedOrderType="STP LMT", adjustedStopPrice=190.5, adjustedStopLimitPrice=190.0)],
    "adjusted-TRAIL": [STOCK, dict(orderType="STP", auxPrice=180.0, parentId=41, triggerPrice=195.0, adjustedOrderType="TRAIL", adjustedStopPrice=190.5, adjustedTrailingAmount=1.5, adjustableTrailingUnit=100)],
    "soft-dollars": [STOCK, dict(orderType="LMT", lmtPrice=187.0, softDollarTier=new("SoftDollarTier", name="tier", val="7", displayName="Tier seven"))],
    "mifid": [STOCK, dict(orderType="LMT", lmtPrice=187.0, mifid2DecisionMaker="trader", mifid2DecisionAlgo="algo", mifid2ExecutionTrader="desk", mifid2ExecutionAlgo="robot")],
    "what-if": [STOCK, dict(orderType="LMT", lmtPrice=187.0, whatIf=True)],
    "what-if-type": [STOCK, dict(orderType="LMT", lmtPrice=187.0, whatIf=True, whatIfType=2)],
    "no-transmit": [STOCK, dict(orderType="LMT", lmtPrice=187.0, transmit=False)],
    "bracket-child": [STOCK, dict(orderType="STP", auxPrice=180.0, parentId=41, transmit=True, action="SELL", tif="GTC")],
    "OCA": [STOCK, dict(orderType="LMT", lmtPrice=187.0, ocaGroup="group-1", ocaType=2, tif="GTC")],
    "FA-group": [STOCK, dict(orderType="MKT", faGroup="All", faMethod="NetLiq")],
    "FA-percent": [STOCK, dict(orderType="MKT", faGroup="Half", faMethod="PctChange", faPercentage="50")],
    "model": [STOCK, dict(orderType="MKT", modelCode="Growth", account="DU111")],
    "account-and-clearing": [STOCK, dict(orderType="LMT", lmtPrice=187.0, account="DU111", settlingFirm="SF", clearingAccount="CA", clearingIntent="PTA", openClose="O", origin=1, orderRef="ref-1")],
    "GTD": [STOCK, dict(orderType="LMT", lmtPrice=187.0, tif="GTD", goodTillDate="20261130 16:00:00 US/Eastern", goodAfterTime="20261124 10:30:00 US/Eastern")],
    "iceberg": [STOCK, dict(orderType="LMT", lmtPrice=187.0, displaySize=10, hidden=False, totalQuantity="500")],
    "hidden-discretionary": [STOCK, dict(orderType="LMT", lmtPrice=187.0, hidden=True, discretionaryAmt=0.25)],
    "discretionary-whole": [STOCK, dict(orderType="LMT", lmtPrice=187.0, discretionaryAmt=1, discretionaryUpToLimitPrice=True)],
    "sweep-block-all-or-none": [STOCK, dict(orderType="LMT", lmtPrice=187.0, sweepToFill=True, blockOrder=True, allOrNone=True, minQty=50, rule80A="A")],
    "not-held-solicited": [STOCK, dict(orderType="LMT", lmtPrice=187.0, notHeld=True, solicited=True, optOutSmartRouting=True)],
    "randomize": [STOCK, dict(orderType="LMT", lmtPrice=187.0, randomizeSize=True, randomizePrice=True)],
    "override-constraints": [STOCK, dict(orderType="LMT", lmtPrice=187.0, overridePercentageConstraints=True)],
    "auction-strategy": [OPTION, dict(orderType="LMT", lmtPrice=10.0, auctionStrategy=2, startingPrice=9.5)],
    "misc-options": [STOCK, dict(orderType="LMT", lmtPrice=187.0, orderMiscOptions=tags(first="1", second="two"))],
    "ext-operator": [FUTURE, dict(orderType="LMT", lmtPrice=6800.25, extOperator="operator")],
    "oms-container": [STOCK, dict(orderType="LMT", lmtPrice=187.0, isOmsContainer=True)],
    "price-management-on": [STOCK, dict(orderType="LMT", lmtPrice=187.0, usePriceMgmtAlgo=True)],
    "price-management-off": [STOCK, dict(orderType="LMT", lmtPrice=187.0, usePriceMgmtAlgo=False)],
    "duration": [STOCK, dict(orderType="LMT", lmtPrice=187.0, tif="Minutes", duration=30)],
    "post-to-ats": [STOCK, dict(orderType="LMT", lmtPrice=187.0, postToAts=5)],
    "auto-cancel-parent": [STOCK, dict(orderType="LMT", lmtPrice=187.0, parentId=41, autoCancelParent=True)],
    "error-override": [STOCK, dict(orderType="LMT", lmtPrice=187.0, advancedErrorOverride="8229,COMPLIANCE")],
    "manual-time": [STOCK, dict(orderType="LMT", lmtPrice=187.0, manualOrderTime="20261124-10:00:00")],
    "customer-account": [STOCK, dict(orderType="LMT", lmtPrice=187.0, customerAccount="CUST")],
    "professional": [STOCK, dict(orderType="LMT", lmtPrice=187.0, customerAccount="CUST", professionalCustomer=True)],
    "overnight": [STOCK, dict(orderType="LMT", lmtPrice=187.0, includeOvernight=True)],
    "manual-indicator": [FUTURE, dict(orderType="LMT", lmtPrice=6800.25, manualOrderIndicator=1)],
    "manual-indicator-zero": [FUTURE, dict(orderType="LMT", lmtPrice=6800.25, manualOrderIndicator=0)],
    "imbalance-only": [STOCK, dict(orderType="LOC", lmtPrice=187.0, imbalanceOnly=True)],
    "post-only": [CRYPTO, dict(orderType="LMT", lmtPrice=90000.5, postOnly=True)],
    "pre-open": [STOCK, dict(orderType="LMT", lmtPrice=187.0, allowPreOpen=True, ignoreOpenAuction=True)],
    "deactivate": [STOCK, dict(orderType="LMT", lmtPrice=187.0, deactivate=True)],
    "price-improvement": [STOCK, dict(orderType="LMT", lmtPrice=187.0, seekPriceImprovement=True)],
    "price-improvement-off": [STOCK, dict(orderType="LMT", lmtPrice=187.0, seekPriceImprovement=False)],
    "route-to-bbo": [STOCK, dict(orderType="LMT", lmtPrice=187.0, routeMarketableToBbo=True)],
    "attached": [STOCK, dict(orderType="LMT", lmtPrice=187.0, slOrderId=43, slOrderType="PRESET", ptOrderId=44, ptOrderType="PRESET")],
    "attached-stop-only": [STOCK, dict(orderType="LMT", lmtPrice=187.0, slOrderId=43, slOrderType="PRESET")],
    "own-ids": [STOCK, dict(orderType="LMT", lmtPrice=187.0, clientId=7, orderId=42, permId=1234567890)],
}


def mixed(seed, count):
    """Orders that carry the attributes of several at once, which nobody thought of together."""
    chance = random.Random(seed)
    for at in range(count):
        merged = {}
        for name in chance.sample(sorted(ORDERS), chance.randrange(2, 9)):
            merged.update(ORDERS[name][1])
        what = ORDERS[chance.choice(sorted(ORDERS))][0]
        if what.get("secType") != "BAG":
            for name in ("orderComboLegs", "smartComboRoutingParams"):
                merged.pop(name, None)
        yield f"mixed-{at}", [what, merged]


def order(**attributes):
    quantity = attributes.pop("totalQuantity", "100")
    attributes.setdefault("action", "BUY")
    return new("Order", totalQuantity=new("Decimal", text=quantity), **attributes)


SCAN = new("ScannerSubscription", numberOfRows=25, instrument="STK", locationCode="STK.US.MAJOR", scanCode="TOP_PERC_GAIN")
SCAN_ALL = new(
    "ScannerSubscription", numberOfRows=10, instrument="STK", locationCode="STK.US", scanCode="HOT_BY_VOLUME", abovePrice=5.5,
    belowPrice=500.0, aboveVolume=100000, marketCapAbove=1000000.0, marketCapBelow=5e12, moodyRatingAbove="A", moodyRatingBelow="AAA",
    spRatingAbove="BBB", spRatingBelow="AAA", maturityDateAbove="20270101", maturityDateBelow="20300101", couponRateAbove=1.5,
    couponRateBelow=9.25, excludeConvertible=True, averageOptionVolumeAbove=50, scannerSettingPairs="Annual,true", stockTypeFilter="CORP",
)
NOTHING = new("OrderCancel")

ORDERS.update(dict(mixed(seed=1, count=60)))

# [name, method, arguments]
CALLS = [
    ["startApi", "startApi", []],
    ["reqMktData", "reqMktData", [1001, STOCK, "", False, False, []]],
    ["reqMktData/generic", "reqMktData", [1001, BY_SYMBOL, "100,101,106,mdoff,292", False, False, []]],
    ["reqMktData/snapshot", "reqMktData", [1001, OPTION, "", True, False, []]],
    ["reqMktData/regulatory", "reqMktData", [1001, STOCK, "", False, True, []]],
    ["reqMktData/options", "reqMktData", [1001, FUTURE, "233", False, False, tags(first="1", second="2")]],
    ["reqMktData/combo", "reqMktData", [1001, SPREAD, "", False, False, []]],
    ["reqMktData/delta-neutral", "reqMktData", [1001, NEUTRAL, "", False, False, []]],
    ["reqMktData/delta-neutral-bag", "reqMktData", [1001, NEUTRAL_BAG, "", False, False, []]],
    ["cancelMktData", "cancelMktData", [1001]],
    *([f"placeOrder/{name}", "placeOrder", [42, what, order(**how)]] for name, (what, how) in ORDERS.items()),
    ["cancelOrder", "cancelOrder", [42, NOTHING]],
    ["cancelOrder/time", "cancelOrder", [42, new("OrderCancel", manualOrderCancelTime="20261124-10:00:00")]],
    ["cancelOrder/operator", "cancelOrder", [42, new("OrderCancel", extOperator="operator", manualOrderIndicator=1)]],
    ["cancelOrder/all", "cancelOrder", [42, new("OrderCancel", manualOrderCancelTime="20261124-10:00:00", extOperator="operator", manualOrderIndicator=0)]],
    ["reqOpenOrders", "reqOpenOrders", []],
    ["reqAccountUpdates/on", "reqAccountUpdates", [True, "DU111"]],
    ["reqAccountUpdates/off", "reqAccountUpdates", [False, ""]],
    ["reqExecutions", "reqExecutions", [1002, new("ExecutionFilter")]],
    ["reqExecutions/filter", "reqExecutions", [1002, new(
        "ExecutionFilter", clientId=7, acctCode="DU111", time="20261124 09:30:00", symbol="AAPL", secType="STK", exchange="SMART", side="BUY")]],
    ["reqExecutions/days", "reqExecutions", [1002, new("ExecutionFilter", lastNDays=3)]],
    ["reqExecutions/dates", "reqExecutions", [1002, new("ExecutionFilter", specificDates=[20261120, 20261123])]],
    ["reqIds", "reqIds", [1]],
    ["reqContractDetails", "reqContractDetails", [1003, STOCK]],
    ["reqContractDetails/option", "reqContractDetails", [1003, OPTION]],
    ["reqContractDetails/future", "reqContractDetails", [1003, FUTURE]],
    ["reqContractDetails/bond", "reqContractDetails", [1003, BOND]],
    ["reqContractDetails/issuer", "reqContractDetails", [1003, ISSUER]],
    ["reqMktDepth", "reqMktDepth", [1004, STOCK, 5, False, []]],
    ["reqMktDepth/smart", "reqMktDepth", [1004, STOCK, 10, True, tags(depth="1")]],
    ["reqMktDepth/symbol", "reqMktDepth", [1004, BY_SYMBOL, 5, False, []]],
    ["cancelMktDepth", "cancelMktDepth", [1004, False]],
    ["cancelMktDepth/smart", "cancelMktDepth", [1004, True]],
    ["reqNewsBulletins/all", "reqNewsBulletins", [True]],
    ["reqNewsBulletins/new", "reqNewsBulletins", [False]],
    ["cancelNewsBulletins", "cancelNewsBulletins", []],
    ["setServerLogLevel", "setServerLogLevel", [5]],
    ["reqAutoOpenOrders/on", "reqAutoOpenOrders", [True]],
    ["reqAutoOpenOrders/off", "reqAutoOpenOrders", [False]],
    ["reqAllOpenOrders", "reqAllOpenOrders", []],
    ["reqManagedAccts", "reqManagedAccts", []],
    ["requestFA/groups", "requestFA", [1]],
    ["requestFA/profiles", "requestFA", [2]],
    ["requestFA/aliases", "requestFA", [3]],
    ["replaceFA/groups", "replaceFA", [1005, 1, "<ListOfGroups></ListOfGroups>"]],
    ["replaceFA/profiles", "replaceFA", [1005, 2, "<ListOfAllocationProfiles/>"]],
    ["reqHistoricalData", "reqHistoricalData", [1006, STOCK, "20261123 23:59:59 US/Eastern", "5 D", "1 hour", "TRADES", 1, 1, False, []]],
    ["reqHistoricalData/update", "reqHistoricalData", [1006, OPTION, "", "1800 S", "5 secs", "MIDPOINT", 0, 2, True, tags(chart="1")]],
    ["reqHistoricalData/combo", "reqHistoricalData", [1006, SPREAD, "", "1 D", "1 min", "BID", 1, 1, False, []]],
    ["reqHistoricalData/schedule", "reqHistoricalData", [1006, FUTURE, "", "1 M", "1 day", "SCHEDULE", 1, 1, False, []]],
    ["cancelHistoricalData", "cancelHistoricalData", [1006]],
    ["exerciseOptions", "exerciseOptions", [1007, OPTION, 1, 10, "DU111", 0, "", "", False]],
    ["exerciseOptions/override", "exerciseOptions", [1007, OPTION, 2, 1, "DU111", 1, "", "", False]],
    ["exerciseOptions/time", "exerciseOptions", [1007, OPTION, 1, 1, "DU111", 0, "20261124-10:00:00", "", False]],
    ["exerciseOptions/customer", "exerciseOptions", [1007, OPTION, 1, 1, "DU111", 0, "", "CUST", False]],
    ["exerciseOptions/professional", "exerciseOptions", [1007, OPTION, 1, 1, "DU111", 0, "", "CUST", True]],
    ["reqScannerSubscription", "reqScannerSubscription", [1008, SCAN, [], []]],
    ["reqScannerSubscription/all", "reqScannerSubscription", [1008, SCAN_ALL, tags(option="1"), []]],
    ["reqScannerSubscription/filter", "reqScannerSubscription", [1008, SCAN, [], tags(changePercAbove="20", priceAbove="5")]],
    ["cancelScannerSubscription", "cancelScannerSubscription", [1008]],
    ["reqScannerParameters", "reqScannerParameters", []],
    ["reqCurrentTime", "reqCurrentTime", []],
    ["reqRealTimeBars", "reqRealTimeBars", [1009, STOCK, 5, "TRADES", True, []]],
    ["reqRealTimeBars/options", "reqRealTimeBars", [1009, FOREX, 5, "MIDPOINT", False, tags(bars="1")]],
    ["cancelRealTimeBars", "cancelRealTimeBars", [1009]],
    ["reqFundamentalData", "reqFundamentalData", [1010, STOCK, "ReportSnapshot", []]],
    ["reqFundamentalData/options", "reqFundamentalData", [1010, BY_SYMBOL, "RESC", tags(first="1")]],
    ["cancelFundamentalData", "cancelFundamentalData", [1010]],
    ["calculateImpliedVolatility", "calculateImpliedVolatility", [1011, OPTION, 12.5, 511.5, []]],
    ["calculateImpliedVolatility/options", "calculateImpliedVolatility", [1011, OPTION, 12.5, 511.5, tags(first="1")]],
    ["calculateOptionPrice", "calculateOptionPrice", [1012, OPTION, 0.25, 511.5, []]],
    ["calculateOptionPrice/options", "calculateOptionPrice", [1012, OPTION, 0.25, 511.5, tags(first="1")]],
    ["cancelCalculateImpliedVolatility", "cancelCalculateImpliedVolatility", [1011]],
    ["cancelCalculateOptionPrice", "cancelCalculateOptionPrice", [1012]],
    ["reqGlobalCancel", "reqGlobalCancel", [NOTHING]],
    ["reqGlobalCancel/operator", "reqGlobalCancel", [new("OrderCancel", extOperator="operator", manualOrderIndicator=1)]],
    ["reqMarketDataType", "reqMarketDataType", [3]],
    ["reqPositions", "reqPositions", []],
    ["reqAccountSummary", "reqAccountSummary", [1013, "All", "NetLiquidation,TotalCashValue,$LEDGER:ALL"]],
    ["cancelAccountSummary", "cancelAccountSummary", [1013]],
    ["cancelPositions", "cancelPositions", []],
    ["verifyRequest", "verifyRequest", ["name", "1.0"]],
    ["verifyMessage", "verifyMessage", ["data"]],
    ["queryDisplayGroups", "queryDisplayGroups", [1014]],
    ["subscribeToGroupEvents", "subscribeToGroupEvents", [1015, 3]],
    ["updateDisplayGroup", "updateDisplayGroup", [1015, "265598@SMART"]],
    ["unsubscribeFromGroupEvents", "unsubscribeFromGroupEvents", [1015]],
    ["verifyAndAuthRequest", "verifyAndAuthRequest", ["name", "1.0", "key"]],
    ["verifyAndAuthMessage", "verifyAndAuthMessage", ["data", "response"]],
    ["reqPositionsMulti", "reqPositionsMulti", [1016, "DU111", ""]],
    ["reqPositionsMulti/model", "reqPositionsMulti", [1016, "", "Growth"]],
    ["cancelPositionsMulti", "cancelPositionsMulti", [1016]],
    ["reqAccountUpdatesMulti", "reqAccountUpdatesMulti", [1017, "DU111", "", True]],
    ["reqAccountUpdatesMulti/model", "reqAccountUpdatesMulti", [1017, "DU111", "Growth", False]],
    ["cancelAccountUpdatesMulti", "cancelAccountUpdatesMulti", [1017]],
    ["reqSecDefOptParams", "reqSecDefOptParams", [1018, "IBM", "", "STK", 8314]],
    ["reqSecDefOptParams/future", "reqSecDefOptParams", [1018, "ES", "CME", "FUT", 495512552]],
    ["reqSoftDollarTiers", "reqSoftDollarTiers", [1019]],
    ["reqFamilyCodes", "reqFamilyCodes", []],
    ["reqMatchingSymbols", "reqMatchingSymbols", [1020, "app"]],
    ["reqMktDepthExchanges", "reqMktDepthExchanges", []],
    ["reqSmartComponents", "reqSmartComponents", [1021, "a60001"]],
    ["reqNewsArticle", "reqNewsArticle", [1022, "BRFG", "BRFG$04fb9da2", []]],
    ["reqNewsArticle/options", "reqNewsArticle", [1022, "BRFG", "BRFG$04fb9da2", tags(first="1")]],
    ["reqNewsProviders", "reqNewsProviders", []],
    ["reqHistoricalNews", "reqHistoricalNews", [1023, 8314, "BRFG+DJNL", "2026-11-20 00:00:00.0", "", 10, []]],
    ["reqHistoricalNews/options", "reqHistoricalNews", [1023, 8314, "BRFG", "", "2026-11-20 00:00:00.0", 300, tags(first="1")]],
    ["reqHeadTimeStamp", "reqHeadTimeStamp", [1024, STOCK, "TRADES", 1, 1]],
    ["reqHeadTimeStamp/future", "reqHeadTimeStamp", [1024, FUTURE, "BID", 0, 2]],
    ["cancelHeadTimeStamp", "cancelHeadTimeStamp", [1024]],
    ["reqHistogramData", "reqHistogramData", [1025, STOCK, True, "3 days"]],
    ["reqHistogramData/all-hours", "reqHistogramData", [1025, OPTION, False, "1 week"]],
    ["cancelHistogramData", "cancelHistogramData", [1025]],
    ["reqMarketRule", "reqMarketRule", [26]],
    ["reqPnL", "reqPnL", [1026, "DU111", ""]],
    ["reqPnL/model", "reqPnL", [1026, "DU111", "Growth"]],
    ["cancelPnL", "cancelPnL", [1026]],
    ["reqPnLSingle", "reqPnLSingle", [1027, "DU111", "", 8314]],
    ["cancelPnLSingle", "cancelPnLSingle", [1027]],
    ["reqHistoricalTicks", "reqHistoricalTicks", [1028, STOCK, "20261123 10:00:00 US/Eastern", "", 100, "TRADES", 1, True, []]],
    ["reqHistoricalTicks/options", "reqHistoricalTicks", [1028, FUTURE, "", "20261123 10:00:00", 1000, "BID_ASK", 0, False, tags(first="1")]],
    ["reqTickByTickData", "reqTickByTickData", [1029, STOCK, "AllLast", 0, False]],
    ["reqTickByTickData/history", "reqTickByTickData", [1029, STOCK, "BidAsk", 100, True]],
    ["cancelTickByTickData", "cancelTickByTickData", [1029]],
    ["reqCompletedOrders/all", "reqCompletedOrders", [False]],
    ["reqCompletedOrders/api", "reqCompletedOrders", [True]],
    ["reqWshMetaData", "reqWshMetaData", [1030]],
    ["cancelWshMetaData", "cancelWshMetaData", [1030]],
    ["reqWshEventData", "reqWshEventData", [1031, new("WshEventData", conId=8314)]],
    ["reqWshEventData/filter", "reqWshEventData", [1031, new("WshEventData", filter='{"country":"All"}', fillWatchlist=True, fillPortfolio=True, fillCompetitors=True)]],
    ["reqWshEventData/dates", "reqWshEventData", [1031, new("WshEventData", conId=8314, startDate="20261101", endDate="20261130", totalLimit=50)]],
    ["cancelWshEventData", "cancelWshEventData", [1031]],
    ["reqUserInfo", "reqUserInfo", [1032]],
    ["reqCurrentTimeInMillis", "reqCurrentTimeInMillis", []],
    ["cancelContractData", "cancelContractData", [1003]],
    ["cancelHistoricalTicks", "cancelHistoricalTicks", [1028]],
    ["reqConfig", "reqConfigProtoBuf", [new("protobuf:ConfigRequest", reqId=1033)]],
    ["updateConfig", "updateConfigProtoBuf", [new("protobuf:UpdateConfigRequest", reqId=1034, resetAPIOrderSequence=True)]],
]
