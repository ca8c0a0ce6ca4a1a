//! Quotes, books, single ticks, five-second bars and scanners: subscriptions, most of which others have as well.
//!
//! **The clock has not moved before**, so that everybody's subscriptions are equally old. One that is made later begins at
//! twsmux where the others' is, and at a Gateway anew.

use std::time::Duration;

use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::stock;

use super::differences::Tag::*;
use super::{TICK, Tour, and, bond, currencies, future, option, with};

fn quotes(contract: Record, ticks: &str) -> Record {
    and(contract, &record! { genericTickList: ticks })
}

fn depth(contract: Record, exchange: &str, smart: bool) -> Record {
    and(contract, &record! { exchange: exchange, numRows: 5, isSmartDepth: smart as i32 })
}

fn scan(code: &str) -> Record {
    record! { numberOfRows: 10, instrument: "STK", locationCode: "STK.US.MAJOR", scanCode: code }
}

impl Tour<'_> {
    /// Subscribes to everything, lets it move, and ends it.
    pub(super) fn market(&mut self) {
        let (quotes, silent) = self.quotes();
        let books = self.books();
        let ticks = self.single_ticks();
        let bars = self.bars_of_seconds();
        let scanners = self.scanners();
        self.pass_times("the market moves, and snapshots end", TICK, 41);
        self.pass("bars", Duration::from_secs(5));
        self.pass("a scan", Duration::from_secs(30));
        self.late();
        for id in quotes {
            self.say("no more quotes", "cancelMktData", record! { reqId: id });
            self.pass("its last tick", Duration::from_millis(2)).differs_if(id != silent, LateTick);
            self.say("the same again", "cancelMktData", record! { reqId: id }).differs(OwnWords);
        }
        for (id, smart) in books {
            let values = record! { reqId: id, isSmartDepth: smart as i32 };
            self.say("no more of the book", "cancelMktDepth", values.clone());
            self.say("the same again", "cancelMktDepth", values).differs(OwnWords);
        }
        for id in ticks {
            self.say("no more single ticks", "cancelTickByTickData", record! { reqId: id });
            self.say("the same again", "cancelTickByTickData", record! { reqId: id }).differs(OwnWords);
        }
        for id in bars {
            self.say("no more bars of seconds", "cancelRealTimeBars", record! { reqId: id });
            self.say("the same again", "cancelRealTimeBars", record! { reqId: id }).differs(OwnWords);
        }
        let timed = self.is_timed();
        for (id, alone) in scanners {
            self.say("no more scans", "cancelScannerSubscription", record! { reqId: id })
                .differs_if(alone, IdInWords)
                .differs_if(!alone && timed, OwnTime);
            self.say("the same again", "cancelScannerSubscription", record! { reqId: id }).differs(OwnWords);
        }
        self.pass("nothing moves any more", TICK);
        self.pass("nor do bars", Duration::from_secs(5));
        self.pass("nor does a scan", Duration::from_secs(30));
    }

    /// Ids of the subscriptions that stay, and the one of which no tick ever comes.
    fn quotes(&mut self) -> (Vec<i32>, i32) {
        let mut stay = Vec::new();
        let mut ask = |t: &mut Self, title: &str, values: Record| {
            let id = t.id();
            stay.push(id);
            t.say(&format!("quotes: {title}"), "reqMktData", with(id, values));
            id
        };
        let first = ask(self, "a stock", quotes(stock("AAPL"), ""));
        ask(self, "the same for another id", quotes(stock("AAPL"), ""));
        ask(self, "a stock of others", quotes(stock("SYM0001"), ""));
        ask(
            self,
            "a stock of nobody else",
            quotes(stock("TSLA"), "100,101,104,106,165,221,236,293,294,295,411"),
        );
        ask(self, "an option", quotes(option("250", "C"), "100,101"));
        ask(self, "a future", quotes(future(), "588"));
        ask(self, "currencies", quotes(currencies(), ""));
        ask(self, "a bond", quotes(bond(), ""));
        ask(self, "news of nobody else", quotes(stock("MSFT"), "mdoff,292:BRFG"));
        ask(self, "trades of nobody else", quotes(stock("MSFT"), "233,375"));
        let legs = |mut combination: Record| {
            for (con_id, action) in [(265_598, "BUY"), (272_093, "SELL")] {
                let leg = record! { conId: con_id, ratio: 1, action: action, exchange: "SMART" };
                combination.push("comboLegsCount", leg);
            }
            combination
        };
        let combination = record! { symbol: "AAPL,MSFT", secType: "BAG", exchange: "SMART", currency: "USD" };
        let silent = ask(self, "a combination", legs(combination));
        let id = ask(self, "a difference", and(stock("AAPL"), &record! { secType: "CFD" }));
        let mut again = quotes(record! { conId: 265_598, exchange: "SMART" }, "");
        if self.who.version != self.who.gateway {
            // Sizes are counted in another way, which depends on it.
            again = and(again, &record! { secType: "STK", currency: "USD" });
        }
        self.say("quotes: where that was sent to", "reqMktData", with(id, again));

        let id = self.id();
        stay.push(id);
        let trades = quotes(stock("AAPL"), "165,233,236");
        self.say("quotes: trades that others have", "reqMktData", with(id, trades)).differs(TradeInImage);
        let id = self.id();
        stay.push(id);
        let news = quotes(stock("AAPL"), "mdoff,292:BRFG");
        self.say("quotes: news that others have", "reqMktData", with(id, news)).differs(HeadlineInImage);

        self.say("market data type 3", "reqMarketDataType", record! { marketDataType: 3 });
        for (title, contract) in [("a stock", stock("TSLA")), ("currencies", currencies())] {
            let id = self.id();
            stay.push(id);
            self.say(&format!("delayed quotes: {title}"), "reqMktData", with(id, quotes(contract, "")));
        }
        for symbol in ["AAPL", "MSFT"] {
            let id = self.id();
            stay.push(id);
            self.say(
                &format!("delayed quotes that others have: {symbol}"),
                "reqMktData",
                with(id, quotes(stock(symbol), "")),
            )
            .differs_if(symbol == "AAPL", RemarkInImage);
        }
        self.say("market data type 1", "reqMarketDataType", record! { marketDataType: 1 });

        self.say("an id that is active", "reqMktData", with(first, quotes(stock("MSFT"), "")))
            .differs(OwnWords);
        let wrong = [
            ("what is not allowed", quotes(stock("AAPL"), "258")),
            ("no contract", quotes(stock("NOSUCH"), "")),
            (
                "many contracts",
                record! { symbol: "AAPL", secType: "OPT", exchange: "SMART", currency: "USD" },
            ),
            ("a snapshot with more", and(stock("AAPL"), &record! { genericTickList: "233", snapshot: 1 })),
            ("a regulatory snapshot", and(stock("AAPL"), &record! { regulatorySnapshot: 1, snapshot: 1 })),
        ];
        for (title, values) in wrong {
            let id = self.id();
            self.say(&format!("quotes: {title}"), "reqMktData", with(id, values));
        }
        for (title, contract) in [("a stock", stock("AAPL")), ("a bond", bond())] {
            let id = self.id();
            let values = with(id, and(contract, &record! { snapshot: 1 }));
            self.say(&format!("a snapshot of {title}"), "reqMktData", values);
        }
        (stay, silent)
    }

    fn books(&mut self) -> Vec<(i32, bool)> {
        let mut stay = Vec::new();
        let books = [
            ("a stock", depth(stock("MSFT"), "ISLAND", false), false),
            ("a stock, with the exchanges", depth(stock("MSFT"), "SMART", true), true),
            ("one without market makers", depth(stock("SYM0002"), "NYSE", false), false),
        ];
        for (title, values, smart) in books {
            let id = self.id();
            stay.push((id, smart));
            self.say(&format!("book: {title}"), "reqMktDepth", with(id, values));
        }
        let shared =
            [("that others have", "ISLAND", false), ("of exchanges that others have", "SMART", true)];
        for (title, exchange, smart) in shared {
            let id = self.id();
            stay.push((id, smart));
            let values = with(id, depth(stock("AAPL"), exchange, smart));
            self.say(&format!("book: {title}"), "reqMktDepth", values)
                .differs(RowsOfBook)
                .differs_if(smart, RemarkInImage);
        }
        let (id, _) = stay[0];
        self.say("an id that is active", "reqMktDepth", with(id, depth(stock("MSFT"), "ISLAND", false)))
            .differs(OwnWords);
        let wrong = [
            ("of a kind that there is not", depth(stock("AAPL"), "SMART", false)),
            ("a bond", depth(bond(), "SMART", true)),
            ("no contract", depth(stock("NOSUCH"), "ISLAND", false)),
            ("a difference", depth(and(stock("AAPL"), &record! { secType: "CFD" }), "SMART", false)),
        ];
        for (title, values) in wrong {
            let id = self.id();
            self.say(&format!("book: {title}"), "reqMktDepth", with(id, values));
        }
        stay
    }

    fn single_ticks(&mut self) -> Vec<i32> {
        let mut stay = Vec::new();
        if !self.has("reqTickByTickData") {
            return stay;
        }
        let ticks = |contract: Record, kind: &str, number: i32| {
            and(contract, &record! { tickType: kind, numberOfTicks: number, ignoreSize: 0 })
        };
        for (kind, number) in [("Last", 0), ("AllLast", 0), ("BidAsk", 0), ("MidPoint", 0), ("Last", 10)] {
            let id = self.id();
            stay.push(id);
            let values = with(id, ticks(stock("AAPL"), kind, number));
            self.say(&format!("single ticks: {kind} {number}"), "reqTickByTickData", values);
        }
        let again = with(stay[0], ticks(stock("AAPL"), "Last", 0));
        self.say("an id that is active", "reqTickByTickData", again).differs(OwnWords);
        let wrong = [
            ("of an option", ticks(option("250", "C"), "Last", 0)),
            ("of no kind", ticks(stock("AAPL"), "First", 0)),
            ("of no contract", ticks(stock("NOSUCH"), "Last", 0)),
        ];
        for (title, values) in wrong {
            let id = self.id();
            self.say(&format!("single ticks: {title}"), "reqTickByTickData", with(id, values));
        }
        stay
    }

    fn bars_of_seconds(&mut self) -> Vec<i32> {
        let mut stay = Vec::new();
        let bars = |contract: Record, what: &str| {
            and(contract, &record! { barSize: 5, whatToShow: what, useRTH: 0 })
        };
        for (symbol, what) in [("AAPL", "TRADES"), ("MSFT", "MIDPOINT")] {
            let id = self.id();
            stay.push(id);
            let values = with(id, bars(stock(symbol), what));
            self.say(&format!("bars of seconds: {symbol} {what}"), "reqRealTimeBars", values);
        }
        let again = with(stay[0], bars(stock("AAPL"), "TRADES"));
        self.say("an id that is active", "reqRealTimeBars", again).differs(OwnWords);
        let wrong = [
            ("of no kind", bars(stock("AAPL"), "BID_ASK")),
            ("of a bond", bars(bond(), "TRADES")),
            ("of no contract", bars(stock("NOSUCH"), "TRADES")),
        ];
        for (title, values) in wrong {
            let id = self.id();
            self.say(&format!("bars of seconds: {title}"), "reqRealTimeBars", with(id, values));
        }
        stay
    }

    /// Ids, and whether nobody else has the same.
    fn scanners(&mut self) -> Vec<(i32, bool)> {
        let mut stay = Vec::new();
        let scans = [
            ("that others have", scan("TOP_PERC_GAIN"), false),
            ("of nobody else", and(scan("MOST_ACTIVE"), &record! { abovePrice: "100.0" }), true),
            ("that finds nothing", scan("NOTHING"), true),
        ];
        for (title, values, alone) in scans {
            let id = self.id();
            stay.push((id, alone));
            self.say(&format!("a scan {title}"), "reqScannerSubscription", with(id, values));
        }
        let again = with(stay[0].0, scan("HOT_BY_VOLUME"));
        self.say("an id that is active", "reqScannerSubscription", again).differs(OwnWords);
        stay
    }

    /// Subscriptions to what others have had for a while.
    fn late(&mut self) {
        let id = self.id();
        self.say("late quotes", "reqMktData", with(id, quotes(stock("AAPL"), ""))).differs(Moved);
        self.say("their cancel", "cancelMktData", record! { reqId: id });
        self.pass("its last tick", Duration::from_millis(2)).differs(LateTick);
        let id = self.id();
        self.say("a late book", "reqMktDepth", with(id, depth(stock("AAPL"), "ISLAND", false)))
            .differs(Moved);
        self.say("its cancel", "cancelMktDepth", record! { reqId: id, isSmartDepth: 0 });
        let id = self.id();
        self.say("a late scan", "reqScannerSubscription", with(id, scan("TOP_PERC_GAIN")));
        let timed = self.is_timed();
        self.say("its cancel", "cancelScannerSubscription", record! { reqId: id }).differs_if(timed, OwnTime);
    }
}
