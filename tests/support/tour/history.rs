//! Historical data: bars, ticks, schedules, beginnings, histograms, and bars that are kept up to date.

use std::time::Duration;

use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::stock;

use super::differences::Tag::*;
use super::{Tour, and, bond, option, with};

/// Time between two updates of bars.
const BARS: Duration = Duration::from_secs(5);

fn bars(contract: Record) -> Record {
    let query = record! {
        endDateTime: "20261120-21:00:00", barSizeSetting: "30 mins", durationStr: "2 D", useRTH: 1,
        whatToShow: "TRADES", formatDate: 1, keepUpToDate: 0,
    };
    and(contract, &query)
}

fn ticks(contract: Record, what: &str) -> Record {
    let query = record! {
        startDateTime: "20261120-15:00:00", endDateTime: "", numberOfTicks: 20, whatToShow: what, useRTH: 1,
        ignoreSize: 0,
    };
    and(contract, &query)
}

impl Tour<'_> {
    /// History as it was, and as it goes on.
    pub(super) fn history(&mut self) {
        self.bars();
        self.kept_bars();
        self.ticks();
        for (contract, format) in [(stock("AAPL"), 1), (stock("AAPL"), 2), (bond(), 1), (stock("NOSUCH"), 1)]
        {
            let id = self.id();
            let query = record! { useRTH: 1, whatToShow: "TRADES", formatDate: format };
            self.say("where history begins", "reqHeadTimeStamp", with(id, and(contract, &query)));
            self.say("its cancel", "cancelHeadTimeStamp", record! { reqId: id });
        }
        for contract in [stock("AAPL"), option("250", "C"), stock("NOSUCH")] {
            let id = self.id();
            let query = record! { useRTH: 1, timePeriod: "3 days" };
            self.say("a histogram", "reqHistogramData", with(id, and(contract, &query)));
            self.say("its cancel", "cancelHistogramData", record! { reqId: id });
        }
    }

    fn bars(&mut self) {
        let change = |name: &'static str, value: &str| {
            let mut values = bars(stock("MSFT"));
            values.set(name, value);
            values
        };
        let schedule = if self.who.version >= 165 { "SCHEDULE" } else { "MIDPOINT" };
        let queries = [
            ("of a stock", bars(stock("MSFT"))),
            ("of an option", bars(option("250", "C"))),
            ("up to now", change("endDateTime", "")),
            ("with dates as numbers", change("formatDate", "2")),
            ("of a minute, all day", and(change("useRTH", "0"), &record! { barSizeSetting: "1 min" })),
            ("of a week", and(change("durationStr", "1 Y"), &record! { barSizeSetting: "1 week" })),
            ("of seconds", and(change("durationStr", "600 S"), &record! { barSizeSetting: "5 secs" })),
            ("as a schedule", change("whatToShow", schedule)),
            ("of bids and asks", change("whatToShow", "BID_ASK")),
            ("of no kind", change("whatToShow", "NOTHING")),
            ("of no size", change("barSizeSetting", "7 mins")),
            ("of no duration", change("durationStr", "1 X")),
            ("of no time", change("endDateTime", "yesterday")),
            ("of a bond", bars(bond())),
            ("of no contract", bars(stock("NOSUCH"))),
        ];
        let id = self.id();
        for (title, query) in queries {
            self.say(&format!("bars {title}"), "reqHistoricalData", with(id, query));
        }
        // An answer to one of these must not be served again: time goes on.
        let small = record! { endDateTime: "", durationStr: "60 S", barSizeSetting: "5 secs", useRTH: 0 };
        for title in ["small bars up to now", "the same later"] {
            self.say(title, "reqHistoricalData", with(id, and(bars(stock("MSFT")), &small)));
            self.pass("time goes on", BARS);
        }
        self.say("the cancel of bars that are over", "cancelHistoricalData", record! { reqId: id })
            .differs(OwnWords);
    }

    fn kept_bars(&mut self) {
        let id = self.id();
        let kept = with(id, and(bars(stock("MSFT")), &record! { endDateTime: "", keepUpToDate: 1 }));
        self.say("bars that go on", "reqHistoricalData", kept.clone());
        self.pass_times("they go on", BARS, 4);
        self.say("the same again", "reqHistoricalData", kept).differs(OwnWords);
        self.say("no more bars", "cancelHistoricalData", record! { reqId: id }).differs(IdInWords);
        self.pass("nothing goes on", BARS);
    }

    fn ticks(&mut self) {
        let id = self.id();
        for what in ["TRADES", "BID_ASK", "MIDPOINT", "NOTHING"] {
            let query = with(id, ticks(stock("AAPL"), what));
            self.say(&format!("ticks: {what}"), "reqHistoricalTicks", query);
        }
        let both = and(ticks(stock("AAPL"), "TRADES"), &record! { endDateTime: "20261120-16:00:00" });
        self.say("ticks from and to", "reqHistoricalTicks", with(id, both));
        let many = and(ticks(stock("AAPL"), "TRADES"), &record! { numberOfTicks: 5000 });
        self.say("too many ticks", "reqHistoricalTicks", with(id, many));
        self.say("ticks of no contract", "reqHistoricalTicks", with(id, ticks(stock("NOSUCH"), "TRADES")));
        self.say("their cancel", "cancelHistoricalTicks", record! { reqId: id });
    }
}
