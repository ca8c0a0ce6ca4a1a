//! Market data of the simulated Gateway: quotes, snapshots, ticks, depth, bars.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;

use std::time::Duration;

use twsmux::{
    protocol::layout::Record,
    record,
    sim::{
        self, LATEST, SimConfig, SimHandle,
        client::{ApiClient, PATIENCE, Received, stock},
    },
};

fn gateway(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config =
        SimConfig { max_version: LATEST, tick_interval: Duration::from_millis(5), ..SimConfig::default() };
    change(&mut config);
    sim::spawn(config).expect("the simulated Gateway starts")
}

fn with(mut values: Record, more: &[(&'static str, &str)]) -> Record {
    for (name, value) in more {
        values.set(name, value);
    }
    values
}

fn quotes(id: &str, symbol: &str) -> Record {
    with(stock(symbol), &[("reqId", id)])
}

fn euro(id: &str) -> Record {
    let fields = [
        ("symbol", "EUR"),
        ("secType", "CASH"),
        ("exchange", "IDEALPRO"),
        ("currency", "USD"),
        ("reqId", id),
    ];
    with(Record::new(), &fields)
}

at_versions!(
    a_stream_begins_with_its_type_its_parameters_and_an_image_and_goes_on,
    one_tick_may_follow_a_cancel_and_no_more,
    a_snapshot_ends_soon_when_it_is_complete_and_late_when_nothing_came,
    delayed_data_has_its_own_tick_types_and_currencies_stay_live,
    without_subscriptions_live_requests_end_with_10089,
    lines_duplicates_and_bad_contracts_are_refused_with_their_codes,
    a_cfd_is_rerouted_to_its_underlying_and_the_same_id_serves_again,
    tick_by_tick_comes_in_four_kinds_after_its_history,
    a_book_can_be_rebuilt_from_its_rows,
    a_fourth_book_is_one_too_many,
    five_second_bars_are_five_seconds_apart,
    options_are_computed_in_the_stream_and_on_request,
);

fn a_stream_begins_with_its_type_its_parameters_and_an_image_and_goes_on(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("reqMktData", &quotes("11", "AAPL")).unwrap();
    client.expect("marketDataType").unwrap();
    let bid = client.find("a bid", |m| m.name == "tickPrice" && m.int("tickType") == 1).unwrap();
    let ask = client.find("an ask", |m| m.name == "tickPrice" && m.int("tickType") == 2).unwrap();
    assert_eq!((bid.int("reqId"), bid.float("price"), ask.float("price")), (11, 249.99, 250.01));
    assert!(client.transcript.iter().any(|m| m.name == "tickReqParams"));
    // Another bid: the stream moves.
    client.find("a later bid", |m| m.int("tickType") == 1 && m.name == "tickPrice").unwrap();
    client.send("cancelMktData", &record! { reqId: 11 }).unwrap();
    gateway.wait(PATIENCE, |s| s.lines == 0).unwrap();
    client.send("cancelMktData", &record! { reqId: 11 }).unwrap();
    client.expect_error(11, 300).unwrap();
}

fn one_tick_may_follow_a_cancel_and_no_more(version: u16) {
    let gateway = gateway(|c| c.tick_interval = Duration::from_secs(600));
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("reqMktData", &quotes("1", "AAPL")).unwrap();
    // The image, and then nothing for ten minutes.
    client.fence().unwrap();
    client.send("cancelMktData", &record! { reqId: 1 }).unwrap();
    client.exactly("tickSize").unwrap();
    let rest = client.fence().unwrap();
    assert_eq!(rest.len(), 1, "{rest:?}");
}

fn a_snapshot_ends_soon_when_it_is_complete_and_late_when_nothing_came(version: u16) {
    let gateway = gateway(|c| {
        c.snapshot_time = Duration::from_millis(20);
        c.empty_snapshot_time = Duration::from_millis(60);
    });
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("reqMktData", &with(euro("5"), &[("snapshot", "1")])).unwrap();
    let ticks = client.until("tickSnapshotEnd").unwrap();
    assert!(ticks.iter().any(|m| m.name == "tickPrice"));
    assert_eq!(ticks.iter().find(|m| m.name == "marketDataType").unwrap().int("marketDataType"), 1);
    let bond = record! { reqId: 6, conId: 147_554_578, snapshot: true };
    client.send("reqMktData", &bond).unwrap();
    let nothing = client.until("tickSnapshotEnd").unwrap();
    assert!(!nothing.iter().any(|m| m.name == "tickPrice" || m.name == "marketDataType"));
    assert_eq!(gateway.stats().lines, 0, "a snapshot gives its line back");
}

fn delayed_data_has_its_own_tick_types_and_currencies_stay_live(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("reqMarketDataType", &record! { marketDataType: 3 }).unwrap();
    client.send("reqMktData", &quotes("1", "AAPL")).unwrap();
    client.find("a delayed bid", |m| m.name == "tickPrice" && m.int("tickType") == 66).unwrap();
    client.find("a delayed last time", |m| m.name == "tickString" && m.int("tickType") == 88).unwrap();
    client.send("reqMktData", &euro("2")).unwrap();
    client.find("a live bid", |m| m.int("reqId") == 2 && m.int("tickType") == 1).unwrap();
    assert!(!client.transcript.iter().any(|m| m.int("reqId") == 1 && m.int("tickType") == 1));
}

fn without_subscriptions_live_requests_end_with_10089(version: u16) {
    let gateway = gateway(|c| c.live_data = false);
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("reqMktData", &quotes("1", "AAPL")).unwrap();
    let error = client.expect_error(1, 10089).unwrap();
    assert!(error.text("errorMsg").ends_with("is available.AAPL NASDAQ.NMS/TOP/ALL"), "{}", error.line());
    client.send("reqTickByTickData", &with(quotes("2", "AAPL"), &[("tickType", "Last")])).unwrap();
    client.expect_error(2, 10189).unwrap();
    assert_eq!(gateway.stats().lines, 0);
}

fn lines_duplicates_and_bad_contracts_are_refused_with_their_codes(version: u16) {
    let gateway = gateway(|c| c.market_data_lines = 2);
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("reqMktData", &quotes("1", "AAPL")).unwrap();
    client.send("reqMktData", &quotes("1", "MSFT")).unwrap();
    client.expect_error(1, 102).unwrap();
    client.send("reqMktData", &quotes("2", "MSFT")).unwrap();
    client.send("reqMktData", &quotes("3", "SPY")).unwrap();
    client.expect_error(3, 101).unwrap();
    client.send("reqMktData", &quotes("4", "NOSUCH")).unwrap();
    client.expect_error(4, 200).unwrap();
    client.send("reqMktData", &with(quotes("5", "AAPL"), &[("regulatorySnapshot", "1")])).unwrap();
    let error = client.find("the error without a code", |m| m.name == "error" && m.int("id") == 5).unwrap();
    assert!(matches!(error.text("errorCode"), "" | "0"));
    assert_eq!(error.text("errorMsg"), "Internal server error");
    client.send("reqMktData", &with(quotes("6", "AAPL"), &[("genericTickList", "258")])).unwrap();
    client.expect_error(6, 10358).unwrap();
}

fn a_cfd_is_rerouted_to_its_underlying_and_the_same_id_serves_again(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("reqMktData", &with(quotes("1", "AAPL"), &[("secType", "CFD")])).unwrap();
    let other = client.expect("rerouteMktDataReq").unwrap();
    assert_eq!((other.int("conId"), other.text("exchange")), (265_598, "SMART"));
    let again = record! { reqId: 1, conId: other.int("conId"), exchange: other.text("exchange") };
    client.send("reqMktData", &again).unwrap();
    client.expect("tickPrice").unwrap();
}

fn tick_by_tick_comes_in_four_kinds_after_its_history(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    let kinds = [
        ("Last", 1, "historicalTicksLast"),
        ("AllLast", 2, "historicalTicksLast"),
        ("BidAsk", 3, "historicalTicksBidAsk"),
        ("MidPoint", 4, "historicalTicks"),
    ];
    for (kind, number, history) in kinds {
        let request =
            with(quotes(&number.to_string(), "AAPL"), &[("tickType", kind), ("numberOfTicks", "3")]);
        client.send("reqTickByTickData", &request).unwrap();
        let past = client.find("history", |m| m.name == history && m.int("reqId") == number).unwrap();
        assert_eq!(past.values.rows("tickCount").len(), 3);
        client.find("a tick", |m| m.name == "tickByTick" && m.int("tickType") == number).unwrap();
    }
    client.send("reqTickByTickData", &with(quotes("5", "SPY"), &[("tickType", "Last")])).unwrap();
    client.send("reqTickByTickData", &with(quotes("6", "TSLA"), &[("tickType", "Last")])).unwrap();
    client.expect_error(6, 10190).unwrap();
}

fn a_book_can_be_rebuilt_from_its_rows(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("reqMktDepth", &with(quotes("1", "AAPL"), &[("numRows", "3")])).unwrap();
    client.expect_error(1, 10092).unwrap();
    client
        .send("reqMktDepth", &with(quotes("2", "AAPL"), &[("numRows", "3"), ("isSmartDepth", "1")]))
        .unwrap();
    client.expect_error(2, 2152).unwrap();
    client.send("reqMktDepth", &with(euro("3"), &[("numRows", "3")])).unwrap();
    let mut book = std::collections::BTreeMap::new();
    let mut deleted = false;
    while !deleted {
        let row = client.find("a row", |m| m.name == "updateMktDepth" && m.int("reqId") == 3).unwrap();
        let key = (row.int("side"), row.int("position"));
        match row.int("operation") {
            0 => assert!(book.insert(key, row.float("price")).is_none(), "inserted twice"),
            1 => assert!(book.insert(key, row.float("price")).is_some(), "updated before it was there"),
            2 => {
                assert!(book.remove(&key).is_some(), "deleted what was not there");
                deleted = true;
            }
            other => panic!("operation {other}"),
        }
    }
    let best = client.transcript.iter().find(|m| m.name == "updateMktDepthL2").unwrap();
    assert!(!best.text("marketMaker").is_empty() && best.values.flag("isSmartDepth"));
    client.send("cancelMktDepth", &record! { reqId: 3 }).unwrap();
    client.send("cancelMktDepth", &record! { reqId: 3 }).unwrap();
    client.expect_error(3, 310).unwrap();
}

fn a_fourth_book_is_one_too_many(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    for (id, symbol) in [("1", "AAPL"), ("2", "MSFT"), ("3", "SPY"), ("4", "SPY"), ("5", "TSLA")] {
        client
            .send("reqMktDepth", &with(quotes(id, symbol), &[("isSmartDepth", "1"), ("numRows", "2")]))
            .unwrap();
    }
    client.expect_error(5, 309).unwrap();
    assert_eq!(gateway.stats().lines, 4);
}

fn five_second_bars_are_five_seconds_apart(version: u16) {
    let gateway = gateway(|c| c.bar_interval = Duration::from_millis(5));
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    let request = with(quotes("1", "AAPL"), &[("barSize", "5"), ("whatToShow", "TRADES")]);
    client.send("reqRealTimeBars", &request).unwrap();
    let times: Vec<_> = (0..3).map(|_| client.expect("realtimeBar").unwrap().int("time")).collect();
    assert_eq!([times[1] - times[0], times[2] - times[1]], [5, 5]);
    client.send("reqRealTimeBars", &with(quotes("2", "AAPL"), &[("whatToShow", "BID_ASK")])).unwrap();
    client.expect_error(2, 321).unwrap();
}

fn options_are_computed_in_the_stream_and_on_request(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    let option = [
        ("secType", "OPT"),
        ("lastTradeDateOrContractMonth", "20261218"),
        ("strike", "250.0"),
        ("right", "C"),
        ("optionPrice", "6.0"),
        ("underPrice", "250.0"),
        ("volatility", "0.2"),
    ];
    client.send("reqMktData", &with(quotes("1", "AAPL"), &option)).unwrap();
    client.find("the model", |m| m.name == "tickOptionComputation" && m.int("tickType") == 13).unwrap();
    client.send("calculateImpliedVolatility", &with(quotes("2", "AAPL"), &option)).unwrap();
    let answer = client.find("an answer", |m| m.int("tickType") == 53 && m.int("reqId") == 2).unwrap();
    assert_eq!((answer.float("optPrice"), answer.float("delta")), (6.0, -2.0));
    client.send("calculateOptionPrice", &with(quotes("3", "AAPL"), &option)).unwrap();
    let answer = client.find("an answer", |m| m.int("tickType") == 53 && m.int("reqId") == 3).unwrap();
    assert_eq!(answer.float("impliedVol"), 0.2);
}

#[test]
fn two_runs_of_one_seed_are_equal_and_another_seed_is_not() {
    let run = |seed| {
        let gateway = gateway(|c| {
            c.seed = seed;
            c.tick_interval = Duration::from_millis(1);
        });
        let mut client = ApiClient::open(gateway.address(), 176, 1).unwrap();
        client.send("reqMktData", &quotes("1", "AAPL")).unwrap();
        let prices: Vec<_> =
            std::iter::repeat_with(|| client.expect("tickPrice").unwrap()).take(40).collect();
        prices.into_iter().map(|m| m.line()).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// Sizes of the first image and of a bar, as a client of some version counts them.
#[test]
fn sizes_of_us_stocks_are_lots_or_shares_by_the_version_of_the_client() {
    let gateway = gateway(|_| {});
    let sizes = |version: u16| {
        let mut client = ApiClient::open(gateway.address(), version, i32::from(version)).unwrap();
        client.send("reqMktData", &with(quotes("1", "AAPL"), &[("genericTickList", "233")])).unwrap();
        let mut size = |name: &str, tick: i64, field: &str| {
            let found = client.find("a tick", |m| m.name == name && m.int("tickType") == tick).unwrap();
            found.text(field).to_owned()
        };
        let (bid, day) = (size("tickPrice", 1, "size"), size("tickSize", 8, "size"));
        let trade = size("tickString", 48, "value");
        let of_trade = trade.split(';').nth(3).unwrap().to_owned();
        let more = [("whatToShow", "TRADES"), ("endDateTime", "20260105 16:00:00 US/Eastern")];
        let bars = [("barSizeSetting", "1 day"), ("durationStr", "1 D"), ("formatDate", "1"), ("reqId", "2")];
        client.send("reqHistoricalData", &with(with(stock("AAPL"), &more), &bars)).unwrap();
        let bar = client.expect("historicalData").unwrap().values.rows("itemCount")[0].clone();
        let number = |text: &str| text.parse::<f64>().unwrap();
        [number(&bid), number(&day), number(&of_trade), bar.float("volume").unwrap()]
    };
    let [bid, day, of_trade, bar] = sizes(226);
    assert_eq!((day, of_trade), (10_000.0, 10_000.0));
    assert_eq!(sizes(220), [bid, day, of_trade, bar]);
    for version in [219, 200, 175] {
        assert_eq!(sizes(version), [bid, day / 100.0, of_trade / 100.0, bar], "{version}");
    }
    assert_eq!(sizes(174), [bid, day / 100.0, of_trade / 100.0, bar / 100.0]);
    assert_eq!(sizes(157), [bid / 100.0, day / 100.0, of_trade / 100.0, bar / 100.0]);
}

#[test]
fn fractions_of_a_share_and_odd_lots_are_for_clients_that_know_them() {
    let gateway = gateway(|_| {});
    let seen = |version: u16| {
        let mut client = ApiClient::open(gateway.address(), version, i32::from(version)).unwrap();
        client.send("reqMktData", &quotes("1", "AAPL")).unwrap();
        // The image has one trade, the third update a whole one, the sixth one with a fraction.
        let trade = |m: &Received| m.name == "tickPrice" && m.int("tickType") == 4;
        let sizes: Vec<_> = (0..3).map(|_| client.find("a trade", trade).unwrap().float("size")).collect();
        (sizes[2].fract(), client.transcript.iter().any(|m| m.int("tickType") == 105))
    };
    assert_eq!(seen(226), (0.5, true));
    assert_eq!(seen(224), (0.5, false));
    assert_eq!(seen(221), (0.0, false));
    assert_eq!(seen(176), (0.0, false));
}
