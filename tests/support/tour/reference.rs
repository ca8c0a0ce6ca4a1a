//! Contracts, exchanges, rules, news and documents: what is asked once.

use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::stock;

use super::{Tour, and, bond, currencies, future, option, with};

impl Tour<'_> {
    /// One-shots about contracts and what surrounds them, most of which others ask for as well.
    pub(super) fn reference(&mut self) {
        self.contracts();
        self.lists();
        self.news();
        self.advisors();
        self.computations();
        self.twice();
    }

    /// The same at once under two ids, or twice without one.
    fn twice(&mut self) {
        let bars = record! {
            endDateTime: "20261119-21:00:00", barSizeSetting: "1 hour", durationStr: "1 D", useRTH: 1,
            whatToShow: "TRADES", formatDate: 1, keepUpToDate: 0,
        };
        let ticks = record! {
            startDateTime: "20261119-15:00:00", endDateTime: "", numberOfTicks: 5, whatToShow: "TRADES", useRTH: 1,
        };
        let query = record! { useRTH: 1, whatToShow: "BID", formatDate: 1, timePeriod: "1 week" };
        let underlying = record! {
            underlyingSymbol: "SPY", futFopExchange: "", underlyingSecType: "STK", underlyingConId: 756_733,
        };
        let asked = [
            ("reqContractDetails", stock("TSLA")),
            ("reqContractDetails", stock("NOSUCH")),
            ("reqMatchingSymbols", record! { pattern: "TESLA" }),
            ("reqSecDefOptParams", underlying),
            ("reqSmartComponents", record! { bboExchange: "9c0001" }),
            ("reqHistoricalData", and(stock("TSLA"), &bars)),
            ("reqHistoricalTicks", and(stock("TSLA"), &ticks)),
            ("reqHeadTimeStamp", and(stock("TSLA"), &query)),
            ("reqHistogramData", and(stock("TSLA"), &query)),
            ("reqHistoricalNews", record! { conId: 756_733, providerCodes: "BRFG", totalResults: 3 }),
            ("reqNewsArticle", record! { providerCode: "BRFG", articleId: "BRFG$2" }),
        ];
        for (name, values) in asked {
            let twice = [self.id(), self.id()].map(|id| (name, with(id, values.clone())));
            self.burst(&format!("twice at once: {name}"), &twice, &[]).mixed();
        }
        let lists = [
            ("reqMarketRule", record! { marketRuleId: 67 }, "marketRule"),
            ("reqMktDepthExchanges", Record::new(), "mktDepthExchanges"),
            ("reqFamilyCodes", Record::new(), "familyCodes"),
            ("reqNewsProviders", Record::new(), "newsProviders"),
            ("reqScannerParameters", Record::new(), "scannerParameters"),
            ("reqIds", record! { numIds: 1 }, "nextValidId"),
            ("reqManagedAccts", Record::new(), "managedAccounts"),
        ];
        for (name, values, end) in lists {
            let twice = [(name, values.clone()), (name, values)];
            self.burst(&format!("twice at once: {name}"), &twice, &[end, end]);
        }
    }

    fn contracts(&mut self) {
        let chain = record! { symbol: "AAPL", secType: "OPT", exchange: "SMART", currency: "USD" };
        let by_id = record! { conId: 265_598, exchange: "SMART" };
        let contracts = [
            ("a stock", stock("AAPL")),
            ("a stock of others", stock("SYM0003")),
            ("a chain of options", chain),
            ("a future", future()),
            ("currencies", currencies()),
            ("a bond", bond()),
            ("an index", record! { symbol: "SPX", secType: "IND", exchange: "CBOE", currency: "USD" }),
            ("a contract by its id", by_id),
            ("by its ISIN", and(stock("MSFT"), &record! { secIdType: "ISIN", secId: "US0002720930" })),
            ("an expired one", and(future(), &record! { includeExpired: 1 })),
            ("no contract", stock("NOSUCH")),
        ];
        let id = self.id();
        for (title, contract) in contracts {
            // The same id again: it is free after each answer.
            self.say(&format!("contract details: {title}"), "reqContractDetails", with(id, contract));
        }
        self.say("a cancel of nothing", "cancelContractData", record! { reqId: id });
        for pattern in ["AA", "SIMULATED COMPANY 1", "no such company", ""] {
            let id = self.id();
            self.say(
                &format!("symbols like '{pattern}'"),
                "reqMatchingSymbols",
                record! { reqId: id, pattern: pattern },
            );
        }
        for (symbol, con_id) in [("AAPL", 265_598), ("MSFT", 272_093), ("AAPL", 1)] {
            let id = self.id();
            let values = record! {
                reqId: id, underlyingSymbol: symbol, futFopExchange: "", underlyingSecType: "STK",
                underlyingConId: con_id,
            };
            self.say(&format!("options on {symbol} {con_id}"), "reqSecDefOptParams", values);
        }
        for exchange in ["9c0001", "none"] {
            let id = self.id();
            self.say(
                &format!("smart components of {exchange}"),
                "reqSmartComponents",
                record! { reqId: id, bboExchange: exchange },
            );
        }
    }

    fn lists(&mut self) {
        let none = Record::new;
        for rule in [26, 239] {
            let values = record! { marketRuleId: rule };
            self.ask_until(&format!("market rule {rule}"), "reqMarketRule", values, |m| {
                m.name == "marketRule" && m.int("marketRuleId") == rule
            });
        }
        self.ask_wrongly("no market rule", "reqMarketRule", record! { marketRuleId: 9999 }, 321);
        self.ask("depth exchanges", "reqMktDepthExchanges", none(), "mktDepthExchanges");
        self.ask("family codes", "reqFamilyCodes", none(), "familyCodes");
        self.ask("scanner parameters", "reqScannerParameters", none(), "scannerParameters");
        for name in ["reqSoftDollarTiers", "reqUserInfo"] {
            let id = self.id();
            self.say(name, name, record! { reqId: id });
        }
    }

    fn news(&mut self) {
        self.ask("news providers", "reqNewsProviders", Record::new(), "newsProviders");
        for (provider, article) in [("BRFG", "BRFG$1"), ("NONE", "NONE$1")] {
            let id = self.id();
            let values = record! { reqId: id, providerCode: provider, articleId: article };
            self.say(&format!("an article of {provider}"), "reqNewsArticle", values);
        }
        for (con_id, most) in [(265_598, 5), (265_598, 300), (1, 5)] {
            let id = self.id();
            let mut values = record! { reqId: id, conId: con_id, providerCodes: "BRFG+DJNL" };
            values.set("startDateTime", "").set("endDateTime", "").set("totalResults", most);
            self.say(&format!("{most} headlines on {con_id}"), "reqHistoricalNews", values);
        }
        let id = self.id();
        let report = with(id, and(stock("AAPL"), &record! { reportType: "ReportSnapshot" }));
        self.say("fundamental data", "reqFundamentalData", report);
        self.say("their cancel", "cancelFundamentalData", record! { reqId: id });
        let id = self.id();
        self.say("event calendar", "reqWshMetaData", record! { reqId: id });
        self.say("its cancel", "cancelWshMetaData", record! { reqId: id });
        let id = self.id();
        self.say("events", "reqWshEventData", record! { reqId: id, conId: 265_598 });
        self.say("their cancel", "cancelWshEventData", record! { reqId: id });
    }

    fn advisors(&mut self) {
        for kind in [1, 3] {
            self.ask_wrongly(
                &format!("advisor's data {kind}"),
                "requestFA",
                record! { faDataType: kind },
                321,
            );
        }
        let id = self.id();
        self.say("other data", "replaceFA", record! { faDataType: 1, xml: "<a/>", reqId: id });
    }

    fn computations(&mut self) {
        let id = self.id();
        let values = with(id, and(option("250", "C"), &record! { optionPrice: "5.0", underPrice: "250.0" }));
        self.say("volatility of an option", "calculateImpliedVolatility", values);
        self.say("its cancel", "cancelCalculateImpliedVolatility", record! { reqId: id });
        let id = self.id();
        let values = with(id, and(option("250", "P"), &record! { volatility: "0.3", underPrice: "250.0" }));
        self.say("price of an option", "calculateOptionPrice", values);
        self.say("its cancel", "cancelCalculateOptionPrice", record! { reqId: id });
        let id = self.id();
        let values = with(id, and(stock("AAPL"), &record! { volatility: "0.3", underPrice: "250.0" }));
        self.say("price of no option", "calculateOptionPrice", values);
        let id = self.id();
        let values = with(id, and(option("1", "C"), &record! { optionPrice: "5.0", underPrice: "250.0" }));
        self.say("volatility of no contract", "calculateImpliedVolatility", values);
    }
}
