//! What the simulated Gateway knows about contracts, history, news and itself; and that all of it can be read at
//! every version.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;

use std::time::Duration;

use twsmux::{
    protocol::layout::Record,
    record,
    sim::{
        self, LATEST, SimConfig, SimHandle,
        client::{ApiClient, Received, order, stock},
    },
};

fn gateway(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config = SimConfig {
        max_version: LATEST,
        messages_per_second: None,
        clock_gap: Duration::ZERO,
        ..SimConfig::default()
    };
    change(&mut config);
    sim::spawn(config).expect("the simulated Gateway starts")
}

fn client(gateway: &SimHandle, version: u16) -> ApiClient {
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.fence().unwrap();
    client
}

fn with(mut values: Record, more: &[(&'static str, &str)]) -> Record {
    for (name, value) in more {
        values.set(name, value);
    }
    values
}

fn names(messages: &[Received]) -> Vec<&'static str> {
    messages.iter().map(|m| m.name).collect()
}

at_versions!(
    contract_details_are_rows_and_an_end_or_a_single_200,
    bars_of_the_past_are_the_same_every_time,
    history_errors_have_their_codes,
    a_pending_query_can_be_cancelled_and_its_id_is_taken_meanwhile,
    queries_have_a_limit_and_when_paced_a_distance,
    bars_that_are_kept_up_to_date_go_on_as_updates,
    a_scanner_gives_rows_and_its_cancel_is_answered,
    bulletins_are_replayed_and_published,
    display_groups_are_shared_by_all_clients,
);

fn contract_details_are_rows_and_an_end_or_a_single_200(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version);
    let one = with(stock("AAPL"), &[("reqId", "1")]);
    let rows = client.ask("reqContractDetails", &one, "contractDetailsEnd").unwrap();
    assert_eq!(names(&rows), ["contractDetails", "contractDetailsEnd"]);
    assert_eq!((rows[0].int("conId"), rows[0].text("longName")), (265_598, "APPLE INC"));
    let chain = with(stock("AAPL"), &[("reqId", "2"), ("secType", "OPT")]);
    assert_eq!(client.ask("reqContractDetails", &chain, "contractDetailsEnd").unwrap().len(), 21);
    let bond = record! { reqId: 3, conId: 147_554_578 };
    let rows = client.ask("reqContractDetails", &bond, "contractDetailsEnd").unwrap();
    assert_eq!(names(&rows), ["bondContractDetails", "contractDetailsEnd"]);
    client.send("reqContractDetails", &with(stock("NOSUCH"), &[("reqId", "4")])).unwrap();
    client.expect_error(4, 200).unwrap();
    assert_eq!(names(&client.fence().unwrap()), ["managedAccounts"], "no end after an error");
    let generated = with(stock("SYM0042"), &[("reqId", "5")]);
    assert_eq!(client.ask("reqContractDetails", &generated, "contractDetailsEnd").unwrap().len(), 2);
}

fn bars(id: i32, more: &[(&'static str, &str)]) -> Record {
    let request = with(
        stock("AAPL"),
        &[
            ("endDateTime", "20260105 16:00:00 US/Eastern"),
            ("barSizeSetting", "30 mins"),
            ("durationStr", "1 D"),
            ("useRTH", "1"),
            ("whatToShow", "TRADES"),
            ("formatDate", "1"),
        ],
    );
    let mut request = with(request, more);
    request.set("reqId", id);
    request
}

fn bars_of_the_past_are_the_same_every_time(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version);
    let first = client.ask("reqHistoricalData", &bars(1, &[]), "historicalData").unwrap().pop().unwrap();
    let rows = first.values.rows("itemCount");
    assert_eq!(rows.len(), 13);
    assert_eq!(rows[0].get("date"), Some("20260105 09:30:00 US/Eastern"));
    let second = client.ask("reqHistoricalData", &bars(1, &[]), "historicalData").unwrap().pop().unwrap();
    assert_eq!(first.payload, second.payload);
    for row in rows {
        let [open, high, low, close] = ["open", "high", "low", "close"].map(|n| row.float(n).unwrap());
        assert!(low <= open.min(close) && high >= open.max(close));
    }
}

#[test]
fn from_196_on_the_end_of_bars_is_a_message_of_its_own() {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), 200, 1).unwrap();
    let rows = client.ask("reqHistoricalData", &bars(1, &[]), "historicalDataEnd").unwrap();
    let end = rows.last().unwrap();
    assert_eq!(end.text("endDate"), "20260105 16:00:00 US/Eastern");
}

fn history_errors_have_their_codes(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version);
    for (id, change, code) in [
        (1, ("barSizeSetting", "7 mins"), 321),
        (2, ("durationStr", "soon"), 321),
        (3, ("endDateTime", "yesterday"), 10314),
        (4, ("whatToShow", "GOSSIP"), 321),
        (5, ("symbol", "NOSUCH"), 200),
    ] {
        client.send("reqHistoricalData", &bars(id, &[change])).unwrap();
        client.expect_error(i64::from(id), code).unwrap();
    }
    client.send("cancelHistoricalData", &record! { reqId: 9 }).unwrap();
    client.expect_error(9, 366).unwrap();
}

fn a_pending_query_can_be_cancelled_and_its_id_is_taken_meanwhile(version: u16) {
    let gateway = gateway(|c| c.historical_delay = Duration::from_secs(60));
    let mut client = client(&gateway, version);
    client.send("reqHistoricalData", &bars(1, &[])).unwrap();
    client.send("reqHistoricalData", &bars(1, &[])).unwrap();
    client.expect_error(1, 386).unwrap();
    client.send("cancelHistoricalData", &record! { reqId: 1 }).unwrap();
    let error = client.expect_error(1, 162).unwrap();
    assert!(error.text("errorMsg").ends_with("API historical data query cancelled: 1"));
    gateway.configure(|c| c.historical_delay = Duration::from_millis(5));
    client.ask("reqHistoricalData", &bars(1, &[]), "historicalData").unwrap();
}

fn queries_have_a_limit_and_when_paced_a_distance(version: u16) {
    let gateway = gateway(|c| {
        c.historical_queries = 2;
        c.historical_pacing = true;
    });
    let mut client = client(&gateway, version);
    let kept = [("endDateTime", ""), ("keepUpToDate", "1"), ("barSizeSetting", "1 min")];
    for id in 1..=3 {
        client.send("reqHistoricalData", &bars(id, &kept)).unwrap();
    }
    client.expect_error(3, 322).unwrap();
    client.send("cancelHistoricalData", &record! { reqId: 1 }).unwrap();
    for id in 4..=5 {
        client.send("reqHistoricalData", &bars(id, &[("barSizeSetting", "30 secs")])).unwrap();
    }
    assert!(client.expect_error(5, 162).unwrap().text("errorMsg").contains("pacing violation"));
    assert!(client.transcript.iter().any(|m| m.name == "historicalData" && m.int("reqId") == 4));
}

fn bars_that_are_kept_up_to_date_go_on_as_updates(version: u16) {
    let gateway = gateway(|c| c.bar_interval = Duration::from_millis(5));
    let mut client = client(&gateway, version);
    let request = bars(
        1,
        &[
            ("endDateTime", ""),
            ("keepUpToDate", "1"),
            ("barSizeSetting", "1 min"),
            ("durationStr", "600 S"),
            ("useRTH", "0"),
        ],
    );
    let image = client.ask("reqHistoricalData", &request, "historicalData").unwrap().pop().unwrap();
    let last = image.values.rows("itemCount").last().unwrap().get("date").unwrap().to_owned();
    let dates: Vec<_> =
        (0..7).map(|_| client.expect("historicalDataUpdate").unwrap().text("date").to_owned()).collect();
    assert_eq!(dates[0], last, "the newest bar changes first");
    assert!(dates[6] > last && dates.is_sorted(), "{dates:?}");
    client.send("cancelHistoricalData", &record! { reqId: 1 }).unwrap();
    client.expect_error(1, 162).unwrap();
    assert_eq!(gateway.stats().lines, 0);
}

#[test]
fn a_schedule_has_one_session_a_trading_day_and_no_end() {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, 176);
    let request = bars(1, &[("whatToShow", "SCHEDULE"), ("barSizeSetting", "1 day"), ("durationStr", "3 D")]);
    let schedule = client.ask("reqHistoricalData", &request, "historicalSchedule").unwrap().pop().unwrap();
    let days: Vec<_> =
        schedule.values.rows("sessionsCount").iter().map(|r| r.get("refDate").unwrap()).collect();
    assert_eq!(days, ["20251231", "20260101", "20260102", "20260105"][1..]);
}

fn a_scanner_gives_rows_and_its_cancel_is_answered(version: u16) {
    let gateway = gateway(|c| c.scanner_interval = Duration::from_millis(20));
    let mut client = client(&gateway, version);
    let scan = |id: i32, code: &str| {
        record! { reqId: id, numberOfRows: 7, instrument: "STK", locationCode: "STK.US", scanCode: code }
    };
    let rows =
        client.ask("reqScannerSubscription", &scan(1, "MOST_ACTIVE"), "scannerData").unwrap().pop().unwrap();
    assert_eq!(rows.values.rows("numberOfElements").len(), 7);
    client.expect("scannerData").unwrap();
    client.send("cancelScannerSubscription", &record! { reqId: 1 }).unwrap();
    assert!(client.expect_error(1, 162).unwrap().text("errorMsg").ends_with("subscription cancelled: 1"));
    client.send("cancelScannerSubscription", &record! { reqId: 1 }).unwrap();
    client.expect_error(1, 365).unwrap();
    client.send("reqScannerSubscription", &scan(2, "NONSENSE")).unwrap();
    client.expect_error(2, 165).unwrap();
    let empty = client.exactly("scannerData").unwrap();
    assert!(empty.values.rows("numberOfElements").is_empty());
    let xml = client.ask("reqScannerParameters", &Record::new(), "scannerParameters").unwrap().pop().unwrap();
    assert!(xml.text("xml").len() >= 190_000 && xml.text("xml").ends_with("</ScanParameterResponse>\n"));
}

fn bulletins_are_replayed_and_published(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, version);
    client.send("reqNewsBulletins", &record! { allMsgs: true }).unwrap();
    assert_eq!(client.expect("updateNewsBulletin").unwrap().int("msgId"), 1);
    assert_eq!(client.expect("updateNewsBulletin").unwrap().int("msgId"), 2);
    gateway.drive(|g, now| g.publish_bulletin(now, "Trading halted"));
    assert_eq!(client.expect("updateNewsBulletin").unwrap().text("message"), "Trading halted");
    client.send("cancelNewsBulletins", &Record::new()).unwrap();
    client.fence().unwrap();
    gateway.drive(|g, now| g.publish_bulletin(now, "Unheard"));
    assert_eq!(names(&client.fence().unwrap()), ["managedAccounts"]);
}

fn display_groups_are_shared_by_all_clients(version: u16) {
    let gateway = gateway(|_| {});
    let mut one = client(&gateway, version);
    let mut two = ApiClient::open(gateway.address(), version, 2).unwrap();
    let list = one.ask("queryDisplayGroups", &record! { reqId: 1 }, "displayGroupList").unwrap();
    assert_eq!(list[0].text("groups"), "1|2|3|4|5|6|7");
    for (client, id) in [(&mut one, 2), (&mut two, 3)] {
        client.send("subscribeToGroupEvents", &record! { reqId: id, groupId: 1 }).unwrap();
        assert_eq!(client.expect("displayGroupUpdated").unwrap().text("contractInfo"), "none");
    }
    two.send("updateDisplayGroup", &record! { reqId: 3, contractInfo: "265598@SMART" }).unwrap();
    let shown = one.expect("displayGroupUpdated").unwrap();
    assert_eq!((shown.int("reqId"), shown.text("contractInfo")), (2, "265598@SMART"));
}

#[test]
fn what_a_plain_account_may_not_is_refused_as_by_a_real_one() {
    let gateway = gateway(|_| {});
    let mut client = client(&gateway, 176);
    for (name, request, id, code) in [
        ("requestFA", record! { faDataType: 1 }, 0, 321),
        ("replaceFA", record! { faDataType: 1, xml: "<x/>", reqId: 5 }, 5, 321),
        ("reqWshMetaData", record! { reqId: 6 }, 6, 10276),
        ("reqWshEventData", record! { reqId: 7 }, 7, 10276),
        ("reqFundamentalData", with(stock("AAPL"), &[("reqId", "8")]), 8, 10358),
        ("reqMarketRule", record! { marketRuleId: 4711 }, -1, 321),
        ("verifyRequest", record! { apiName: "x" }, -1, 321),
        ("setServerLogLevel", record! { logLevel: 9 }, -1, 319),
    ] {
        client.send(name, &request).unwrap();
        client.expect_error(id, code).unwrap();
    }
}

/// Everything that has an answer, at one version.
fn tour(client: &mut ApiClient) {
    let has = |version| client.version() >= version;
    let [v103, v104, v106, v107, v108, v112, v114, v115, v117, v118, v119, v124, v126, v127, v130, v140] =
        [103, 104, 106, 107, 108, 112, 114, 115, 117, 118, 119, 124, 126, 127, 130, 140].map(has);
    let [v150, v165, v167, v196, v197, v219, v221] = [150, 165, 167, 196, 197, 219, 221].map(has);
    let mut id = 100;
    let mut ask = |wanted: bool, name: &str, request: Record, end: &str| {
        if wanted {
            id += 1;
            let mut request = request;
            request.set("reqId", id);
            client.ask(name, &request, end).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    };
    let apple = || stock("AAPL");
    let account = || record! { account: "DU9000001", acctCode: "DU9000001", subscribe: true };
    ask(true, "reqContractDetails", apple(), "contractDetailsEnd");
    ask(true, "reqContractDetails", record! { conId: 147_554_578 }, "contractDetailsEnd");
    ask(true, "reqMktData", apple(), "tickGeneric");
    ask(true, "reqMktData", with(apple(), &[("snapshot", "1")]), "tickSnapshotEnd");
    ask(true, "reqMktDepth", with(apple(), &[("exchange", "ISLAND"), ("numRows", "2")]), "updateMktDepthL2");
    ask(true, "reqMktDepth", with(apple(), &[("exchange", "ARCA"), ("numRows", "2")]), "updateMktDepth");
    ask(true, "reqRealTimeBars", with(apple(), &[("whatToShow", "TRADES")]), "realtimeBar");
    ask(true, "reqHistoricalData", bars(0, &[]), if v196 { "historicalDataEnd" } else { "historicalData" });
    let kept = [("endDateTime", ""), ("keepUpToDate", "1"), ("barSizeSetting", "1 min")];
    ask(v124, "reqHistoricalData", bars(0, &kept), "historicalDataUpdate");
    ask(v165, "reqHistoricalData", bars(0, &[("whatToShow", "SCHEDULE")]), "historicalSchedule");
    ask(v118, "reqHeadTimeStamp", with(apple(), &[("whatToShow", "TRADES")]), "headTimestamp");
    ask(v119, "reqHistogramData", apple(), "histogramData");
    for (what, end) in [
        ("TRADES", "historicalTicksLast"),
        ("BID_ASK", "historicalTicksBidAsk"),
        ("MIDPOINT", "historicalTicks"),
    ] {
        let some = [("startDateTime", "20260105-15:00:00"), ("numberOfTicks", "3"), ("whatToShow", what)];
        ask(v130, "reqHistoricalTicks", with(apple(), &some), end);
    }
    for kind in ["Last", "AllLast", "BidAsk", "MidPoint"] {
        ask(v140, "reqTickByTickData", with(apple(), &[("tickType", kind)]), "tickByTick");
    }
    ask(true, "reqAccountUpdates", account(), "accountDownloadEnd");
    ask(true, "reqAccountSummary", record! { groupName: "All", tags: "NetLiquidation" }, "accountSummaryEnd");
    ask(true, "reqPositions", Record::new(), "positionEnd");
    ask(v103, "reqPositionsMulti", account(), "positionMultiEnd");
    ask(v103, "reqAccountUpdatesMulti", account(), "accountUpdateMultiEnd");
    ask(v127, "reqPnL", account(), "pnl");
    ask(v127, "reqPnLSingle", with(account(), &[("conId", "272093")]), "pnlSingle");
    let under = record! { underlyingSymbol: "AAPL", underlyingSecType: "STK", underlyingConId: 265_598 };
    ask(v104, "reqSecDefOptParams", under, "securityDefinitionOptionParameterEnd");
    ask(v106, "reqSoftDollarTiers", Record::new(), "softDollarTiers");
    ask(v107, "reqFamilyCodes", Record::new(), "familyCodes");
    ask(v108, "reqMatchingSymbols", record! { pattern: "A" }, "symbolSamples");
    ask(v112, "reqMktDepthExchanges", Record::new(), "mktDepthExchanges");
    ask(v114, "reqSmartComponents", record! { bboExchange: "9c0001" }, "smartComponents");
    ask(v115, "reqNewsProviders", Record::new(), "newsProviders");
    ask(v117, "reqNewsArticle", record! { providerCode: "BRFG", articleId: "a" }, "newsArticle");
    ask(v117, "reqHistoricalNews", record! { conId: 265_598, totalResults: 3 }, "historicalNewsEnd");
    ask(v126, "reqMarketRule", record! { marketRuleId: 26 }, "marketRule");
    ask(v167, "reqUserInfo", Record::new(), "userInfo");
    ask(true, "reqScannerSubscription", record! { scanCode: "MOST_ACTIVE", numberOfRows: 3 }, "scannerData");
    ask(true, "reqScannerParameters", Record::new(), "scannerParameters");
    ask(true, "reqNewsBulletins", record! { allMsgs: true }, "updateNewsBulletin");
    ask(true, "queryDisplayGroups", Record::new(), "displayGroupList");
    ask(true, "reqCurrentTime", Record::new(), "currentTime");
    ask(v197, "reqCurrentTimeInMillis", Record::new(), "currentTimeInMillis");
    let option =
        [("secType", "OPT"), ("lastTradeDateOrContractMonth", "20261218"), ("strike", "250"), ("right", "C")];
    ask(true, "reqMktData", with(apple(), &option), "tickOptionComputation");
    ask(true, "placeOrder", order(1, "AAPL", "BUY", 1, "MKT", ""), "commissionAndFeesReport");
    ask(true, "placeOrder", order(2, "AAPL", "BUY", 1, "LMT", "100.0"), "orderStatus");
    ask(true, "reqOpenOrders", Record::new(), "openOrderEnd");
    ask(true, "reqExecutions", Record::new(), "execDetailsEnd");
    ask(true, "cancelOrder", record! { orderId: 2 }, "error");
    ask(v150, "reqCompletedOrders", Record::new(), "completedOrdersEnd");
    ask(v219, "reqConfig", Record::new(), "configResponse");
    ask(v221, "updateConfig", Record::new(), "updateConfigResponse");
    ask(true, "reqManagedAccts", Record::new(), "managedAccounts");
}

#[test]
fn everything_can_be_asked_and_read_at_every_version() {
    let gateway = gateway(|c| {
        c.market_data_lines = 1000;
        c.tick_interval = Duration::from_millis(50);
        c.bar_interval = Duration::from_millis(50);
        c.snapshot_time = Duration::from_millis(5);
        c.fill_delay = Duration::ZERO;
        c.scanner_parameters_size = 1000;
    });
    // Most of the time is spent waiting, so several wait at once.
    std::thread::scope(|scope| {
        for first in 0..8 {
            let address = gateway.address();
            scope.spawn(move || {
                for version in (100..=LATEST).skip(first).step_by(8) {
                    tour(&mut ApiClient::open(address, version, i32::from(version)).unwrap());
                }
            });
        }
    });
    let stats = gateway.stats();
    assert_eq!((stats.malformed, stats.last_malformed.as_str()), (0, ""));
}
