//! Positions, account values, summaries, profit and loss.

use std::time::Duration;

use twsmux::protocol::layout::Record;
use twsmux::record;

use super::differences::Tag::*;
use super::{ACCOUNT, QUIET, Tour, with};

impl Tour<'_> {
    /// Everything about accounts. **Nobody has traded in [`ACCOUNT`] before.** What changes by trades is part of the
    /// tour of orders: positions and account updates stay subscribed.
    pub(super) fn accounts(&mut self) {
        self.ask("positions", "reqPositions", Record::new(), "positionEnd");
        self.say("no positions", "cancelPositions", Record::new());
        self.ask("positions again", "reqPositions", Record::new(), "positionEnd");
        self.bulletins();
        self.summaries();
        self.multi();
        self.profit();
        self.updates();
        self.cancels_of_nothing();
    }

    fn cancels_of_nothing(&mut self) {
        for name in [
            "cancelAccountSummary",
            "cancelPositionsMulti",
            "cancelAccountUpdatesMulti",
            "cancelPnL",
            "cancelPnLSingle",
            "unsubscribeFromGroupEvents",
            "cancelNewsBulletins",
        ] {
            let id = self.id();
            self.say(&format!("of nothing: {name}"), name, record! { reqId: id });
        }
    }

    fn bulletins(&mut self) {
        self.say("bulletins of the day", "reqNewsBulletins", record! { allMsgs: 1 });
        self.happens("a bulletin comes", |sim| {
            sim.drive(|gateway, now| gateway.publish_bulletin(now, "Simulated bulletin of the tour"));
        });
        self.say("no more bulletins", "cancelNewsBulletins", Record::new());
        self.happens("another one", |sim| {
            sim.drive(|gateway, now| gateway.publish_bulletin(now, "Simulated bulletin for the others"));
        });
        self.say("bulletins from now on", "reqNewsBulletins", record! { allMsgs: 0 });
        self.say("none at all", "cancelNewsBulletins", Record::new());
    }

    fn summaries(&mut self) {
        let ids = [self.id(), self.id(), self.id()];
        let tags = ["NetLiquidation,BuyingPower,TotalCashValue", "$LEDGER:ALL", "Cushion"];
        let ask = |id: i32, tags: &str| record! { reqId: id, groupName: "All", tags: tags };
        self.say("a summary", "reqAccountSummary", ask(ids[0], tags[0]));
        self.say("another summary", "reqAccountSummary", ask(ids[1], tags[1]));
        self.say("one too many", "reqAccountSummary", ask(ids[2], tags[2])).differs(OwnWords);
        self.say("an id that is active", "reqAccountSummary", ask(ids[0], tags[0])).differs(OwnWords);
        self.pass("the summaries are refreshed", Duration::from_secs(180));
        for id in ids {
            self.say("no summary", "cancelAccountSummary", record! { reqId: id });
        }
        self.say("a summary of nothing", "reqAccountSummary", ask(ids[0], "")).differs(SummaryLimit);
        self.pass("nothing is refreshed", Duration::from_secs(180));
    }

    fn multi(&mut self) {
        let id = self.id();
        let ask = |account: &str, model: &str| record! { reqId: id, account: account, modelCode: model };
        for (account, model) in [(ACCOUNT, ""), ("", ""), (ACCOUNT, "none"), ("NOSUCH", "")] {
            let title = format!("positions of '{account}' '{model}'");
            self.say(&title, "reqPositionsMulti", ask(account, model));
            self.say("an id that is active", "reqPositionsMulti", ask(QUIET, "")).differs(OwnWords);
            self.say("no more of them", "cancelPositionsMulti", record! { reqId: id });
        }
        for (account, model, ledger) in [(ACCOUNT, "", 0), (QUIET, "", 1), (ACCOUNT, "none", 0)] {
            let mut values = ask(account, model);
            values.set("ledgerAndNLV", ledger);
            let title = format!("values of '{account}' '{model}' {ledger}");
            self.say(&title, "reqAccountUpdatesMulti", values.clone());
            self.say("an id that is active", "reqAccountUpdatesMulti", values).differs(OwnWords);
            self.say("no more of them", "cancelAccountUpdatesMulti", record! { reqId: id });
        }
        self.say("values of no account", "reqAccountUpdatesMulti", ask("NOSUCH", ""));
    }

    fn profit(&mut self) {
        let ids = [self.id(), self.id(), self.id(), self.id()];
        let of = |account: &str, con_id: i32| record! { account: account, modelCode: "", conId: con_id };
        self.say("profit", "reqPnL", with(ids[0], of(ACCOUNT, 0)));
        self.say("an id that is active", "reqPnL", with(ids[0], of(ACCOUNT, 0))).differs(OwnWords);
        self.say("profit of a position", "reqPnLSingle", with(ids[1], of(ACCOUNT, 272_093)));
        self.say("an id that is active", "reqPnLSingle", with(ids[1], of(ACCOUNT, 756_733)))
            .differs(OwnWords);
        self.say("profit of another position", "reqPnLSingle", with(ids[2], of(QUIET, 756_733)));
        self.say("profit of no position", "reqPnLSingle", with(ids[3], of(QUIET, 1)));
        self.pass("profits", Duration::from_secs(1));
        self.say("no profit", "cancelPnL", record! { reqId: ids[0] });
        for id in &ids[1..] {
            self.say("no profit of a position", "cancelPnLSingle", record! { reqId: id });
        }
        self.pass("no profits", Duration::from_secs(1));
        let ids = [self.id(), self.id()];
        self.say("profit of no account", "reqPnL", with(ids[0], of("NOSUCH", 0)));
        self.say("profit of a position of no account", "reqPnLSingle", with(ids[1], of("NOSUCH", 272_093)));
    }

    fn updates(&mut self) {
        let timed = self.is_timed();
        let ask = |account: &str, on: bool| record! { subscribe: on as i32, acctCode: account };
        self.ask("account updates", "reqAccountUpdates", ask(ACCOUNT, true), "accountDownloadEnd")
            .differs(TimeInImage);
        self.ask_wrongly("no account updates", "reqAccountUpdates", ask(ACCOUNT, false), 2100)
            .differs_if(timed, OwnTime);
        self.say("none either", "reqAccountUpdates", ask(ACCOUNT, false));
        self.ask("account updates again", "reqAccountUpdates", ask(ACCOUNT, true), "accountDownloadEnd")
            .differs(TimeInImage);
        for account in [QUIET, "NOSUCH"] {
            self.ask_until(&format!("updates of {account}"), "reqAccountUpdates", ask(account, true), |m| {
                m.name == "accountDownloadEnd" || matches!(m.int("errorCode"), 321 | 2101)
            })
            .differs(AccountSlot);
        }
        self.ask_wrongly("no account updates", "reqAccountUpdates", ask(ACCOUNT, false), 2100)
            .differs_if(timed, OwnTime);
        self.ask("account updates at last", "reqAccountUpdates", ask(ACCOUNT, true), "accountDownloadEnd")
            .differs(TimeInImage);
    }
}
