//! Five other clients of other versions, who are busy for as long as the tour goes on.
//!
//! They hold subscriptions that the tour has, and more; they ask for the same reference data again and again, ask
//! wrongly, come to subscriptions and leave them, and trade in an account of their own. **Nothing of it changes what the
//! Gateway tells the tour**, except in lists of everybody's orders and accounts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread::JoinHandle;

use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::{ApiClient, Received, order, stock};

use super::{ACCOUNT, OTHERS, and, exists, future, option, with};
use crate::support::{PATIENCE, wait_until};

/// Their client ids.
pub const CLIENT_IDS: [i32; 5] = [901, 902, 903, 904, 905];
/// Steps of the tour to one round of theirs, so that they are not many more on a slow machine.
const STEPS_PER_ROUND: u32 = 25;
/// Rounds in which each of them trades, at most.
const MOST_TRADES: u32 = 4;

/// How many steps the tour has made.
#[derive(Clone, Default)]
pub struct Steps(Arc<AtomicU32>);

impl Steps {
    /// It has made another one.
    pub fn one_more(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// The five of them.
pub struct Others {
    stop: Arc<AtomicBool>,
    steps: Steps,
    /// How many rounds each has been through, and its thread.
    threads: Vec<(Arc<AtomicU32>, Option<JoinHandle<()>>)>,
}

impl Others {
    /// Connects them, each at its version, and waits until all of them hold what they hold and are busy.
    pub fn start(address: SocketAddr, versions: [u16; 5]) -> Others {
        let mut others = Others { stop: Arc::default(), steps: Steps::default(), threads: Vec::new() };
        for (client_id, version) in CLIENT_IDS.into_iter().zip(versions) {
            let rounds = Arc::new(AtomicU32::new(0));
            let (counted, stop, steps) = (rounds.clone(), others.stop.clone(), others.steps.clone());
            let thread = std::thread::spawn(move || {
                let mut other = Other::start(address, client_id, version);
                other.hold();
                while !stop.load(SeqCst) {
                    let begun = steps.0.load(SeqCst);
                    other.round(counted.load(SeqCst));
                    counted.fetch_add(1, SeqCst);
                    wait_until("the next steps of the tour", || {
                        stop.load(SeqCst) || steps.0.load(SeqCst) >= begun + STEPS_PER_ROUND
                    });
                }
            });
            others.threads.push((rounds, Some(thread)));
        }
        others.another_round();
        others
    }

    /// Where the tour counts its steps.
    pub fn steps(&self) -> Steps {
        self.steps.clone()
    }

    /// Waits until each of them has been through another round.
    pub fn another_round(&mut self) {
        self.steps.0.fetch_add(STEPS_PER_ROUND, SeqCst);
        let before: Vec<u32> = self.threads.iter().map(|(rounds, _)| rounds.load(SeqCst)).collect();
        for ((rounds, thread), before) in self.threads.iter_mut().zip(before) {
            wait_until("a round of the others", || {
                if thread.as_ref().is_some_and(JoinHandle::is_finished) {
                    join(thread);
                }
                rounds.load(SeqCst) > before
            });
        }
    }

    /// Ends them, each after its round.
    pub fn finish(mut self) {
        self.stop.store(true, SeqCst);
        self.threads.iter_mut().for_each(|(_, thread)| join(thread));
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
    }
}

fn join(thread: &mut Option<JoinHandle<()>>) {
    thread.take().expect("a thread").join().expect("others meet nothing strange");
}

struct Other {
    client: ApiClient,
    client_id: i32,
    next_id: i32,
    next_order: i32,
}

impl Other {
    fn start(address: SocketAddr, client_id: i32, version: u16) -> Other {
        let mut client = ApiClient::open(address, version, client_id).expect("a connection");
        client.patience = PATIENCE;
        let next = client.transcript.iter().find(|m| m.name == "nextValidId").expect("the next order id");
        let next_order = next.int("orderId") as i32;
        Other { client, client_id, next_id: 10_000, next_order }
    }

    fn id(&mut self) -> i32 {
        self.next_id += 1;
        self.next_id
    }

    fn has(&self, name: &str) -> bool {
        exists(name, self.client.version())
    }

    fn send(&mut self, name: &str, values: &Record) {
        if self.has(name) {
            self.client.send(name, values).expect("a socket");
        }
    }

    /// Asks under a new id, and waits for a message of this name or an error under it.
    fn ask(&mut self, name: &str, values: Record, end: &str) {
        if !self.has(name) {
            return;
        }
        let id = self.id();
        self.send(name, &with(id, values));
        let is_end = |m: &Received| match m.name {
            "error" => m.int("id") == i64::from(id),
            name => name == end && m.int("reqId") == i64::from(id),
        };
        self.find(name, is_end);
    }

    /// Asks without an id, and waits for a message of this name.
    fn ask_all(&mut self, name: &str, values: Record, end: &str) {
        if self.has(name) {
            self.send(name, &values);
            self.find(name, |m| m.name == end);
        }
    }

    fn find(&mut self, what: &str, fits: impl Fn(&Received) -> bool) {
        let found = self.client.find(what, fits);
        found.unwrap_or_else(|e| panic!("client {}, {what}: {e}", self.client_id));
    }

    /// Waits until what was sent before was carried out.
    fn fence(&mut self) {
        let symbol = format!("NONE{}OF{}", self.client_id, self.next_id);
        self.ask("reqContractDetails", stock(&symbol), "");
    }

    /// Subscribes under a new id.
    fn subscribe(&mut self, name: &str, values: Record) -> i32 {
        let id = self.id();
        self.send(name, &with(id, values));
        id
    }

    /// Subscriptions for the whole time.
    fn hold(&mut self) {
        let lists = ["165,233,236", "", "mdoff,292:BRFG"];
        let quotes = lists.map(|list| and(stock("AAPL"), &record! { genericTickList: list }));
        for values in quotes.into_iter().chain([stock("SYM0001"), option("255", "P")]) {
            self.subscribe("reqMktData", values);
        }
        self.delayed(|o| {
            for symbol in ["AAPL", "MSFT"] {
                o.subscribe("reqMktData", stock(symbol));
            }
        });
        for (exchange, smart) in [("ISLAND", 0), ("SMART", 1)] {
            let values = record! { exchange: exchange, numRows: 5, isSmartDepth: smart };
            if smart == 0 || self.client.version() >= 146 {
                self.subscribe("reqMktDepth", and(stock("AAPL"), &values));
            }
        }
        for kind in ["Last", "AllLast", "BidAsk", "MidPoint"] {
            let values = record! { tickType: kind, numberOfTicks: 0, ignoreSize: 0 };
            self.subscribe("reqTickByTickData", and(stock("AAPL"), &values));
        }
        let bars = record! { barSize: 5, whatToShow: "TRADES", useRTH: 0 };
        self.subscribe("reqRealTimeBars", and(stock("AAPL"), &bars));
        let scan = record! {
            numberOfRows: 10, instrument: "STK", locationCode: "STK.US.MAJOR", scanCode: "TOP_PERC_GAIN",
        };
        self.subscribe("reqScannerSubscription", scan);
        self.subscribe("subscribeToGroupEvents", record! { groupId: 5 });
        self.hold_accounts();
        self.fence();
    }

    fn hold_accounts(&mut self) {
        for tags in ["TotalCashValue,NetLiquidation,BuyingPower", "$LEDGER:ALL"] {
            self.subscribe("reqAccountSummary", record! { groupName: "All", tags: tags });
        }
        self.ask_all("reqPositions", Record::new(), "positionEnd");
        let updates = record! { subscribe: 1, acctCode: ACCOUNT };
        self.ask_all("reqAccountUpdates", updates, "accountDownloadEnd");
        let of = record! { account: ACCOUNT, modelCode: "", ledgerAndNLV: 0, conId: 272_093 };
        for name in ["reqPositionsMulti", "reqAccountUpdatesMulti", "reqPnL", "reqPnLSingle"] {
            self.subscribe(name, of.clone());
        }
        self.send("reqNewsBulletins", &record! { allMsgs: 0 });
    }

    /// Does something with market data type 3.
    fn delayed(&mut self, what: impl FnOnce(&mut Self)) {
        self.send("reqMarketDataType", &record! { marketDataType: 3 });
        what(self);
        self.send("reqMarketDataType", &record! { marketDataType: 1 });
    }

    /// Asks and does everything once more.
    fn round(&mut self, round: u32) {
        self.contracts();
        self.lists();
        self.history();
        self.come_and_go();
        // Lists of what is over grow with every order.
        if round.is_multiple_of(4) && round / 4 < MOST_TRADES {
            self.trade();
        }
        if round % 4 == 2 {
            self.ask_all("reqCompletedOrders", record! { apiOnly: 0 }, "completedOrdersEnd");
        }
        self.fence();
        self.client.transcript.clear();
    }

    fn contracts(&mut self) {
        for contract in [stock("AAPL"), stock("MSFT"), future(), option("250", "C"), stock("NOSUCH")] {
            self.ask("reqContractDetails", contract, "contractDetailsEnd");
        }
        self.ask("reqMatchingSymbols", record! { pattern: "AA" }, "symbolSamples");
        let options = record! {
            underlyingSymbol: "AAPL", futFopExchange: "", underlyingSecType: "STK", underlyingConId: 265_598,
        };
        self.ask("reqSecDefOptParams", options, "securityDefinitionOptionParameterEnd");
        self.ask("reqSmartComponents", record! { bboExchange: "9c0001" }, "smartComponents");
        self.ask("reqSoftDollarTiers", Record::new(), "softDollarTiers");
        self.ask("reqUserInfo", Record::new(), "userInfo");
    }

    fn lists(&mut self) {
        let none = Record::new;
        self.ask_all("reqMarketRule", record! { marketRuleId: 26 }, "marketRule");
        self.ask_all("reqMktDepthExchanges", none(), "mktDepthExchanges");
        self.ask_all("reqFamilyCodes", none(), "familyCodes");
        self.ask_all("reqNewsProviders", none(), "newsProviders");
        self.ask_all("reqScannerParameters", none(), "scannerParameters");
        self.ask_all("reqManagedAccts", none(), "managedAccounts");
        self.ask_all("reqCurrentTime", none(), "currentTime");
        self.ask_all("reqOpenOrders", none(), "openOrderEnd");
        self.ask_all("reqAllOpenOrders", none(), "openOrderEnd");
        self.ask("reqExecutions", record! { clientId: 0 }, "execDetailsEnd");
        if self.has("reqMarketRule") {
            self.send("reqMarketRule", &record! { marketRuleId: 4711 });
            self.find("no such rule", |m| {
                m.name == "error" && m.int("errorCode") == 321 && m.int("id") == -1
            });
        }
    }

    fn history(&mut self) {
        let bars = record! {
            endDateTime: "20261120-21:00:00", barSizeSetting: "30 mins", durationStr: "2 D", useRTH: 1,
            whatToShow: "TRADES", formatDate: 1,
        };
        let end = if self.client.version() >= 196 { "historicalDataEnd" } else { "historicalData" };
        self.ask("reqHistoricalData", and(stock("MSFT"), &bars), end);
        let query = record! { useRTH: 1, whatToShow: "TRADES", formatDate: 1, timePeriod: "3 days" };
        self.ask("reqHeadTimeStamp", and(stock("AAPL"), &query), "headTimestamp");
        self.ask("reqHistogramData", and(stock("AAPL"), &query), "histogramData");
        let values = and(option("250", "C"), &record! { optionPrice: "5.0", underPrice: "250.0" });
        self.ask("calculateImpliedVolatility", values, "tickOptionComputation");
    }

    /// Joins subscriptions of the tour under second ids and leaves them again; so with lines of its own.
    fn come_and_go(&mut self) {
        let own = and(stock(&format!("SYM{:04}", self.client_id - 880)), &record! { genericTickList: "233" });
        for values in [stock("AAPL"), own] {
            let id = self.subscribe("reqMktData", values);
            self.send("cancelMktData", &record! { reqId: id });
        }
        self.delayed(|o| {
            let id = o.subscribe("reqMktData", stock("SYM0050"));
            o.send("cancelMktData", &record! { reqId: id });
        });
        let book = record! { exchange: "ISLAND", numRows: 5, isSmartDepth: 0 };
        let id = self.subscribe("reqMktDepth", and(stock("AAPL"), &book));
        self.send("cancelMktDepth", &record! { reqId: id, isSmartDepth: 0 });
        let id = self.subscribe("reqPnL", record! { account: ACCOUNT, modelCode: "" });
        self.send("cancelPnL", &record! { reqId: id });
        self.send("cancelPnL", &record! { reqId: id });
        self.send("cancelPositions", &Record::new());
        self.ask_all("reqPositions", Record::new(), "positionEnd");
    }

    fn place(&mut self, kind: &str, limit: &str, tif: &str) -> (i32, Record) {
        let id = self.next_order;
        self.next_order += 1;
        let more = record! { account: OTHERS, orderRef: "other", tif: tif };
        let values = and(order(id, "SYM0010", "BUY", 1, kind, limit), &more);
        self.send("placeOrder", &values);
        (id, values)
    }

    /// An order that is changed and cancelled, one that is filled when the clock moves on, one that is refused, one that
    /// rests.
    fn trade(&mut self) {
        let (id, values) = self.place("LMT", "1.0", "DAY");
        self.send("placeOrder", &and(values, &record! { lmtPrice: "2.0" }));
        self.send("cancelOrder", &record! { orderId: id });
        // The tour may have cancelled everything in between.
        let id = i64::from(id);
        self.find("the end of an order", |m| match m.name {
            "orderStatus" => m.int("orderId") == id && m.text("status") == "Cancelled",
            "error" => m.int("id") == id && matches!(m.int("errorCode"), 103 | 10147 | 10148),
            _ => false,
        });
        self.place("MKT", "", "DAY");
        self.place("LMT", "1.0", "FOK");
        self.place("LMT", "1.0", "DAY");
    }
}
