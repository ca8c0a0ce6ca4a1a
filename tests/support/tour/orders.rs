//! Orders: placed, changed, cancelled, refused, filled, listed, exercised, found again after a disconnect.
//!
//! Positions and account updates are subscribed, so that what a trade changes in them is part of each step.

use std::time::Duration;

use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::order;
use twsmux::sim::{RejectRule, SimHandle};

use super::differences::Tag::*;
use super::{ACCOUNT, FILL, REPEAT, Tour, and, option, with};

const AAPL: i32 = 265_598;
const TSLA: i64 = 76_792_991;

/// An order of the tour that rests.
fn resting(id: i32) -> Record {
    placed(id, "AAPL", "BUY", 10, "LMT", "1.0")
}

fn placed(id: i32, symbol: &str, action: &str, quantity: u32, kind: &str, limit: &str) -> Record {
    and(order(id, symbol, action, quantity, kind, limit), &record! { account: ACCOUNT, orderRef: "tour" })
}

impl Tour<'_> {
    /// Orders from the first to the global cancel.
    pub(super) fn orders(&mut self) {
        self.asked_at_once();
        self.life();
        self.refused();
        self.fills();
        self.families();
        self.kinds();
        self.order_lists();
        self.options();
        self.by_hand();
        self.gone();
        self.cancelled_all();
    }

    fn place(&mut self, title: &str, values: Record) -> super::Made<'_> {
        self.say(title, "placeOrder", values)
    }

    fn cancel(&mut self, title: &str, id: i32) -> super::Made<'_> {
        self.say(title, "cancelOrder", record! { orderId: id })
    }

    fn next_id(&mut self, title: &str) {
        self.say(title, "reqIds", record! { numIds: 1 });
    }

    fn life(&mut self) {
        let id = self.order_id();
        self.place("an order", resting(id));
        self.pass("its repetition", REPEAT);
        self.place("another limit", placed(id, "AAPL", "BUY", 10, "LMT", "1.5"));
        self.place("another quantity", placed(id, "AAPL", "BUY", 12, "LMT", "1.5"));
        self.pass("its repetition", REPEAT);
        self.place("another side", placed(id, "AAPL", "SELL", 12, "LMT", "1.5"));
        self.cancel("its cancel", id);
        self.cancel("its cancel again", id).differs(IdInWords);
        self.place("the same id once more", resting(id));
        let timed = self.is_timed();
        self.cancel("a cancel of no order", 777).differs_if(timed, OwnTime);
        let id = self.order_id();
        self.place("silence", and(resting(id), &record! { transmit: 0 }));
        self.place("and sound", resting(id));
        self.cancel("its cancel", id);
        let id = self.order_id();
        self.place("silence for ever", and(resting(id), &record! { transmit: 0 }));
        let id = self.order_id();
        self.place("what if", and(resting(id), &record! { whatIf: 1 }));
        self.next_id("the next id");
    }

    /// Questions that come right behind what they are about. **It comes first**: of a client with orders that are neither
    /// over nor working twsmux asks the Gateway.
    fn asked_at_once(&mut self) {
        let (id, none) = (self.order_id(), Record::new);
        let cancel = record! { orderId: id };
        let bursts = [
            ("an order, and the own orders", ("placeOrder", resting(id)), "reqOpenOrders"),
            (
                "a change, and all orders",
                ("placeOrder", placed(id, "AAPL", "BUY", 11, "LMT", "1.2")),
                "reqAllOpenOrders",
            ),
            (
                "a change, and the own orders",
                ("placeOrder", placed(id, "AAPL", "BUY", 12, "LMT", "1.3")),
                "reqOpenOrders",
            ),
            ("a cancel, and all orders", ("cancelOrder", cancel.clone()), "reqAllOpenOrders"),
            ("a cancel, and the own orders", ("cancelOrder", cancel), "reqOpenOrders"),
        ];
        for (title, act, question) in bursts {
            let again = title.starts_with("a cancel, and the own");
            self.burst(title, &[act, (question, none())], &["openOrderEnd"])
                .lists()
                .differs_if(again, IdInWords)
                .differs(OthersInList);
            self.ask("the same question", question, none(), "openOrderEnd").lists().differs(OthersInList);
        }
    }

    fn refused(&mut self) {
        let skipped = self.order_id();
        let change = |name: &'static str, value: &str| {
            let mut values = resting(0);
            values.set(name, value);
            values
        };
        let wrong = [
            ("no contract", change("symbol", "NOSUCH")),
            ("what if there is no contract", and(change("symbol", "NOSUCH"), &record! { whatIf: 1 })),
            ("no kind", change("orderType", "NOSUCH")),
            ("no side", change("action", "HOLD")),
            ("no quantity", change("totalQuantity", "0")),
            ("no price", change("lmtPrice", "")),
            ("a price between two steps", change("lmtPrice", "1.001")),
            ("no such account", change("account", "NOSUCH")),
            ("no account", change("account", "")),
            ("a time in force that is not allowed", change("tif", "FOK")),
            ("too much of it", change("totalQuantity", "9000000")),
        ];
        for (title, values) in wrong {
            let id = self.order_id();
            self.place(&format!("refused: {title}"), and(values, &record! { orderId: id }));
        }
        self.place("refused: an id below others", resting(skipped)).differs(OwnWords);
        let id = self.order_id();
        self.place("refused: no parent", and(resting(id), &record! { parentId: 778 })).differs(UnknownParent);
        self.next_id("the next id, above what was refused");
        let id = self.order_id();
        let rule = RejectRule { order_ref: Some("tour".into()), times: Some(1), ..RejectRule::default() };
        let refuse = |sim: &SimHandle| sim.reject_orders(rule.clone());
        self.happens("the next order will be refused", refuse);
        self.place("refused: by the back end", resting(id));
        self.place("the same id once more", resting(id));
        let id = self.order_id();
        self.place("an order", resting(id));
        self.happens("the next order will be refused", refuse);
        self.place("its change is refused", placed(id, "AAPL", "BUY", 10, "LMT", "2.0"));
        self.place("its change is wrong", placed(id, "AAPL", "BUY", 10, "LMT", "2.001"));
        self.cancel("its cancel", id);
        self.next_id("the next id");
    }

    fn fills(&mut self) {
        let market = |id: i32, action: &str, quantity: u32| placed(id, "AAPL", action, quantity, "MKT", "");
        for (title, action, quantity) in
            [("a purchase", "BUY", 100), ("a sale", "SELL", 40), ("a large purchase", "BUY", 2500)]
        {
            let id = self.order_id();
            self.place(title, market(id, action, quantity));
            self.pass_times("it is filled", FILL, 4);
            let (query, of) = (self.id(), record! { clientId: self.who.client_id, symbol: "AAPL" });
            self.say("its executions", "reqExecutions", with(query, of));
            self.place("a change of what is filled", market(id, action, quantity));
            self.cancel("a cancel of what is filled", id).differs(IdInWords);
        }
        let id = self.order_id();
        self.place("at once or never", and(resting(id), &record! { tif: "IOC" }));
        self.pass("never", FILL);
        let id = self.order_id();
        self.place("a stop", and(placed(id, "TSLA", "BUY", 5, "STP", ""), &record! { auxPrice: "330.0" }));
        self.happens("it is reached", |sim| assert!(sim.set_price(TSLA, 331.0)));
        self.pass("it is filled", FILL);
        let id = self.order_id();
        self.place("a limit", placed(id, "TSLA", "SELL", 5, "LMT", "340.0"));
        self.happens("it is reached", |sim| assert!(sim.set_price(TSLA, 345.0)));
        self.pass("it is filled", FILL);
    }

    fn families(&mut self) {
        let [parent, profit, stop] = [self.order_id(), self.order_id(), self.order_id()];
        let child = |id: i32, kind: &str, more: &Record| {
            and(placed(id, "AAPL", "SELL", 10, kind, ""), &and(record! { parentId: parent }, more))
        };
        let held = record! { transmit: 0 };
        self.place("a parent", and(resting(parent), &held));
        self.place("its first child", child(profit, "LMT", &record! { lmtPrice: "300.0", transmit: 0 }));
        self.place("its second child", child(stop, "STP", &record! { auxPrice: "0.5" }));
        self.pass("their repetition", REPEAT);
        self.place("the parent at the market", placed(parent, "AAPL", "BUY", 10, "MKT", ""));
        self.pass_times("it is filled, and the children live", FILL, 4);
        self.cancel("the end of a child", stop);
        self.cancel("the end of the other", profit);

        let [parent, child] = [self.order_id(), self.order_id()];
        self.place("a parent", and(placed(parent, "AAPL", "BUY", 10, "MKT", ""), &held));
        let trail = record! { parentId: parent, auxPrice: "1.0", trailStopPrice: "240.0" };
        self.place(
            "a child that it cannot have",
            and(placed(child, "AAPL", "SELL", 10, "TRAIL", ""), &trail),
        );
        let [parent, child] = [self.order_id(), self.order_id()];
        self.place("a parent", and(resting(parent), &held));
        self.place(
            "its child",
            and(placed(child, "AAPL", "SELL", 10, "LMT", "300.0"), &record! { parentId: parent }),
        );
        self.cancel("the end of the family", parent);

        let [one, other] = [self.order_id(), self.order_id()];
        let group = record! { ocaGroup: "either", ocaType: 1 };
        self.place("one", and(resting(one), &group));
        self.place("or the other", and(placed(other, "MSFT", "BUY", 10, "LMT", "2.0"), &group));
        self.place("the other at the market", and(placed(other, "MSFT", "BUY", 10, "MKT", ""), &group));
        self.pass_times("the other", FILL, 4);

        let [parent, stop, profit] = [self.order_id(), self.order_id(), self.order_id()];
        // Text has no place for these.
        if self.who.version.min(self.who.gateway) >= 218 {
            let attached = record! { slOrderId: stop, ptOrderId: profit };
            self.place("an order with others attached", and(resting(parent), &attached));
            self.cancel("the end of an attached one", stop);
            self.cancel("the end of the order", parent);
        }
    }

    /// Orders that say more than the usual; all of them rest.
    fn kinds(&mut self) {
        let condition = |kind: &str, more: Record| and(record! { type: kind, conjunction: "a" }, &more);
        let mut conditional = record! { conditionsIgnoreRth: 1, conditionsCancelOrder: 0 };
        let price = record! { isMore: 1, price: "1000.0", conId: AAPL, exchange: "SMART", triggerMethod: 2 };
        conditional
            .push("conditionsCount", condition("1", price))
            .push(
                "conditionsCount",
                condition("3", record! { isMore: 1, time: "20270101 10:00:00 US/Eastern" }),
            )
            .push("conditionsCount", condition("4", record! { isMore: 1, percent: 30 }))
            .push(
                "conditionsCount",
                condition("5", record! { secType: "STK", exchange: "SMART", symbol: "AAPL" }),
            )
            .push(
                "conditionsCount",
                condition("6", record! { isMore: 1, volume: 1000, conId: AAPL, exchange: "SMART" }),
            )
            .push(
                "conditionsCount",
                condition("7", record! { isMore: 1, changePercent: "5.0", conId: AAPL, exchange: "SMART" }),
            );
        let mut algo = record! { algoStrategy: "Vwap" };
        for (tag, value) in [("maxPctVol", "0.1"), ("noTakeLiq", "1")] {
            algo.push("algoParamsCount", record! { tag: tag, value: value });
        }
        let mut combination = record! { symbol: "AAPL,MSFT", secType: "BAG", lmtPrice: "-1.0" };
        for (con_id, action) in [(AAPL, "BUY"), (272_093, "SELL")] {
            let leg = record! { conId: con_id, ratio: 1, action: action, exchange: "SMART", exemptCode: -1 };
            combination.push("comboLegsCount", leg).push("orderComboLegsCount", record! { price: "" });
        }
        combination.push("smartComboRoutingParamsCount", record! { tag: "NonGuaranteed", value: "1" });
        let scale = record! {
            scaleInitLevelSize: 2, scaleSubsLevelSize: 3, scalePriceIncrement: "0.01",
            scalePriceAdjustValue: "0.5", scalePriceAdjustInterval: 60, scaleProfitOffset: "0.2",
            scaleInitPosition: 0, scaleInitFillQty: 0, scaleRandomPercent: 1,
        };
        let adjusted = record! {
            adjustedOrderType: "STP", triggerPrice: "2.0", adjustedStopPrice: "0.8", lmtPriceOffset: "0.1",
            adjustableTrailingUnit: 0,
        };
        let much = record! {
            outsideRth: 1, hidden: 1, displaySize: 5, goodTillDate: "20261231 10:00:00 US/Eastern", tif: "GTD",
            allOrNone: 1, minQty: 2, discretionaryAmt: "0.05", sweepToFill: 1, notHeld: 1, percentOffset: "0.1",
        };
        let kinds = [
            ("with conditions", "LMT", conditional),
            ("with an algorithm", "LMT", algo),
            ("of a combination", "LMT", combination),
            ("with a scale", "LMT", scale),
            ("that adjusts itself", "LMT", adjusted),
            ("with a hedge", "LMT", record! { hedgeType: "B", hedgeParam: "1.5" }),
            ("for a benchmark", "PEG BENCH", peg()),
            ("with much more", "LMT", much),
            (
                "that trails",
                "TRAIL",
                record! { trailStopPrice: "300.0", trailingPercent: "2.0", lmtPrice: "" },
            ),
            ("about a half", "LMT", record! { totalQuantity: "0.5" }),
        ];
        for (title, kind, more) in kinds {
            let id = self.order_id();
            let values = and(placed(id, "AAPL", "BUY", 10, kind, "1.0"), &more);
            self.place(&format!("an order {title}"), values);
        }
        self.pass("their repetitions", REPEAT);
    }

    fn order_lists(&mut self) {
        let (own, none) = (self.who.client_id, Record::new);
        self.ask("the own open orders", "reqOpenOrders", none(), "openOrderEnd").lists().differs(OrderOfList);
        self.ask("all open orders", "reqAllOpenOrders", none(), "openOrderEnd")
            .lists()
            .differs(OthersInList)
            .differs(OrderOfList);
        let filters = [
            ("all", record! { clientId: 0 }, true),
            ("the own", record! { clientId: own }, own == 0),
            ("of a client that there is not", record! { clientId: 4711 }, false),
            ("of a symbol", record! { clientId: 0, symbol: "TSLA" }, false),
            ("of purchases", record! { clientId: own, side: "BUY" }, own == 0),
            ("of the account", record! { clientId: 0, acctCode: ACCOUNT }, false),
            ("since today", record! { clientId: 0, acctCode: ACCOUNT, time: "20261124-00:00:00" }, false),
            ("since no time", record! { clientId: 0, time: "yesterday" }, false),
        ];
        for (title, filter, of_all) in filters {
            let id = self.id();
            self.say(&format!("executions: {title}"), "reqExecutions", with(id, filter))
                .differs_if(of_all, OthersInList);
        }
        for api_only in [0, 1] {
            let values = record! { apiOnly: api_only };
            self.ask("completed orders", "reqCompletedOrders", values, "completedOrdersEnd")
                .lists()
                .differs(OthersInList);
        }
    }

    fn options(&mut self) {
        let id = self.order_id();
        let mut buy = and(option("245", "C"), &order(id, "AAPL", "BUY", 2, "MKT", ""));
        buy.set("secType", "OPT").set("account", ACCOUNT).set("orderRef", "tour");
        self.place("a purchase of options", buy);
        self.pass_times("it is filled", FILL, 4);
        let exercise = |id: i32, strike: &str, quantity: i32| {
            let what = record! { id: id, exerciseAction: 1, exerciseQuantity: quantity, account: ACCOUNT };
            and(option(strike, "C"), &and(what, &record! { override: 0 }))
        };
        let id = self.order_id();
        self.say("an exercise", "exerciseOptions", exercise(id, "245", 1));
        let id = self.order_id();
        self.say("an exercise of too many", "exerciseOptions", exercise(id, "245", 5));
        let id = self.order_id();
        self.say("an exercise of nothing", "exerciseOptions", exercise(id, "1", 1));
        self.say("an exercise with an id that was used", "exerciseOptions", exercise(id, "245", 1));
        self.next_id("the next id");
    }

    /// Orders that are placed in the Gateway's own window: client 0 takes them over.
    fn by_hand(&mut self) {
        let binds = self.who.client_id == 0;
        let manual = |sim: &SimHandle| {
            let placed =
                sim.drive(|gateway, now| gateway.place_manual_order(now, AAPL.into(), true, 3.0, 1.0));
            assert!(placed.is_some());
        };
        self.happens("an order by hand", manual);
        self.ask("the own open orders", "reqOpenOrders", Record::new(), "openOrderEnd")
            .lists()
            .differs(OrderOfList);
        self.say("binding", "reqAutoOpenOrders", record! { autoBind: 1 }).differs_if(!binds, OwnWords);
        self.happens("another order by hand", manual);
        if binds {
            self.cancel("the end of one of them", -1);
        }
        self.say("no binding", "reqAutoOpenOrders", record! { autoBind: 0 }).differs_if(!binds, OwnWords);
    }

    /// What a client finds when it comes back.
    fn gone(&mut self) {
        let (bound, timed) = (self.who.client_id == 0, self.is_timed());
        self.start_again("back again", |_| ())
            .differs_if(bound, BoundAtStart)
            .differs_if(timed, FarmTime)
            .lists()
            .differs(OrderOfList);
        let id = self.order_id();
        self.place("an order for the meantime", placed(id, "TSLA", "SELL", 5, "LMT", "360.0"));
        self.start_again("back after a fill", |stage| {
            assert!(stage.sim.set_price(TSLA, 365.0));
            stage.pass(FILL);
        })
        .differs_if(bound, BoundAtStart)
        .differs_if(timed, FarmTime)
        .lists()
        .differs(OrderOfList)
        .differs(Meanwhile);
        let id = self.id();
        let filter = record! { reqId: id, clientId: self.who.client_id, symbol: "TSLA" };
        self.say("the fill of the meantime", "reqExecutions", filter);
    }

    fn cancelled_all(&mut self) {
        self.say("an end of everything", "reqGlobalCancel", Record::new());
        self.pass("everything has ended", Duration::from_secs(1));
        self.ask("no open orders", "reqAllOpenOrders", Record::new(), "openOrderEnd")
            .lists()
            .differs(OthersInList);
        self.say("an end of nothing", "reqGlobalCancel", Record::new());
        self.pass("nothing ends", Duration::from_secs(1));
        self.next_id("the next id");
        // What others hold stays theirs.
        self.pass("the end", super::TICK);
    }
}

/// What an order that is pegged to a benchmark says.
fn peg() -> Record {
    record! {
        referenceContractId: 756_733, isPeggedChangeAmountDecrease: 0, peggedChangeAmount: "0.1",
        referenceChangeAmount: "1.0", referenceExchangeId: "ARCA", startingPrice: "1.0",
    }
}
