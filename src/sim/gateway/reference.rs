//! What describes contracts, exchanges and rules: one-shot answers from fixed tables.

use super::{ConnId, Gateway, m, subscriptions::req_id};
use crate::{
    protocol::layout::Record,
    sim::instruments::{EXPIRIES, Instrument, STRIKES, number},
};

/// Order types of contract details; a real Gateway lists about fifty.
const ORDER_TYPES: &str = "ACTIVETIM,AD,ADJUST,ALERT,ALGO,ALLOC,AON,AVGCOST,BASKET,COND,CONDORDER,DAY,DEACT,GAT,GTC,\
GTD,GTT,HID,IBKRATS,ICE,IOC,LIT,LMT,LOC,MIDPX,MIT,MKT,MOC,MTL,NODARK,NONALGO,OCA,OPG,OVERNIGHT,PEGBENCH,RELPCTOFS,\
SCALE,SNAPMID,STP,STPLMT,SWEEP,TRAIL,TRAILLIT,TRAILLMT,TRAILMIT,WHATIF";
const DEPTH_EXCHANGES: [(&str, &str, &str); 8] = [
    ("ISLAND", "STK", "Deep2"),
    ("NASDAQ", "STK", "Deep2"),
    ("NYSE", "STK", "Deep"),
    ("ARCA", "STK", "Deep"),
    ("BATS", "STK", "Deep"),
    ("IEX", "STK", "Deep"),
    ("CME", "FUT", "Deep"),
    ("IDEALPRO", "CASH", "Deep"),
];

impl Gateway {
    pub(super) fn contract_details(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let found: Vec<Instrument> = self.instruments.find(r).into_iter().cloned().collect();
        if found.is_empty() {
            return self.error(conn, id, 200, "No security definition has been found for the request");
        }
        for instrument in &found {
            let message = if instrument.sec_type == "BOND" { m::BOND_DETAILS } else { m::CONTRACT_DETAILS };
            let mut values = self.details(instrument, r);
            values.set("reqId", id);
            self.send(conn, message, &values);
        }
        self.send(conn, m::CONTRACT_DETAILS_END, &record! { reqId: id });
    }

    fn details(&self, i: &Instrument, r: &Record) -> Record {
        let under = self.instruments.by_id(i.under).map(|u| (u.symbol.clone(), u.sec_type));
        let (under_symbol, under_type) = match i.sec_type {
            "FUT" => (i.symbol.clone(), "IND"),
            "OPT" => under.unwrap_or_default(),
            _ => Default::default(),
        };
        let hours = "20261123:0400-20261123:2000;20261124:0400-20261124:2000;20261125:0400-20261125:2000;\
                     20261126:CLOSED;20261127:0400-20261127:2000";
        let liquid = "20261123:0930-20261123:1600;20261124:0930-20261124:1600;20261125:0930-20261125:1600;\
                      20261126:CLOSED;20261127:0930-20261127:1300";
        let rules = vec!["26"; i.exchanges.split(',').count()].join(",");
        let asked = r.get("exchange").filter(|e| !e.is_empty()).unwrap_or(i.exchange());
        let mut values = record! {
            exchange: asked,
            marketName: i.trading_class,
            lastTradeDate: i.expiry,
            lastTradeDate2: i.expiry,
            minTick: number(i.tick),
            mdSizeMultiplier: 100,
            orderTypes: ORDER_TYPES,
            validExchanges: i.exchanges,
            priceMagnifier: 1,
            longName: &i.long_name,
            contractMonth: i.expiry.get(..6).unwrap_or_default(),
            timeZoneId: if i.sec_type == "FUT" { "US/Central" } else { "US/Eastern" },
            tradingHours: hours,
            liquidHours: liquid,
            aggGroup: 1,
            underSymbol: under_symbol,
            underSecType: under_type,
            marketRuleIds: rules,
            realExpirationDate: i.expiry,
            sizeMinTick: "0.0001",
            minSize: if i.sec_type == "STK" { "0.0001" } else { "1" },
            sizeIncrement: if i.sec_type == "STK" { "0.0001" } else { "1" },
            suggestedSizeIncrement: if i.sec_type == "STK" { "100" } else { "1" },
            minAlgoSize: "0",
        };
        if i.under != 0 {
            values.set("underConId", i.under);
        }
        if i.sec_type == "BOND" {
            // The coupon is a whole number: several clients cannot read another one.
            values.set("cusip", "912810RT7").set("coupon", "3").set("maturity", i.expiry);
            values.set("issueDate", "20161115").set("ratings", "AA+").set("bondType", "GOVT");
            values.set("couponType", "FIXED").set("descAppend", "US-T 3 11/15/46");
        }
        if i.sec_type == "STK" {
            values.set("industry", "Technology").set("category", "Computers").set("subcategory", "Computers");
            values.set("stockType", if i.symbol == "SPY" { "ETF" } else { "COMMON" });
            let isin = format!("US{:09}0", i.con_id % 1_000_000_000);
            values.push("secIdListCount", record! { tag: "ISIN", value: isin });
        }
        i.describe(&mut values);
        values
    }

    pub(super) fn matching_symbols(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let pattern = r.get("pattern").unwrap_or_default().to_ascii_uppercase();
        let mut values = record! { reqId: id };
        let hits = |i: &&Instrument| {
            matches!(i.sec_type, "STK" | "IND" | "CASH")
                && !pattern.is_empty()
                && (i.symbol.starts_with(&pattern) || i.long_name.to_ascii_uppercase().contains(&pattern))
        };
        for i in self.instruments.all().iter().filter(hits).take(20) {
            let mut row = record! {
                conId: i.con_id,
                symbol: &i.symbol,
                secType: i.sec_type,
                primaryExchange: i.primary,
                currency: i.currency,
                description: &i.long_name,
            };
            if i.sec_type == "STK" {
                for derivative in ["CFD", "OPT", "IOPT", "WAR", "BAG"] {
                    row.push("derivativeSecTypesCount", record! { derivativeSecType: derivative });
                }
            }
            values.push("contractDescriptionsCount", row);
        }
        self.send(conn, m::SYMBOL_SAMPLES, &values);
    }

    pub(super) fn option_parameters(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let under = self.instruments.by_id(r.int("underlyingConId").unwrap_or_default());
        let Some(under) = under.filter(|u| r.get("underlyingSymbol") == Some(u.symbol.as_str())).cloned()
        else {
            return self.validation(conn, id, "Invalid contract id");
        };
        if self.instruments.all().iter().any(|i| i.sec_type == "OPT" && i.under == under.con_id) {
            for exchange in ["SMART", "CBOE", "AMEX"] {
                let mut values = record! {
                    reqId: id,
                    exchange: exchange,
                    underlyingConId: under.con_id,
                    tradingClass: &under.symbol,
                    multiplier: "100",
                };
                for expiry in EXPIRIES {
                    values.push("expirationsCount", record! { expiration: expiry });
                }
                for strike in STRIKES {
                    values.push("strikesCount", record! { strike: number(strike) });
                }
                self.send(conn, m::OPTION_PARAMETERS, &values);
            }
        }
        self.send(conn, m::OPTION_PARAMETERS_END, &record! { reqId: id });
    }

    pub(super) fn market_rule(&mut self, conn: ConnId, r: &Record) {
        let rule = r.int("marketRuleId").unwrap_or_default();
        let steps: &[(&str, &str)] = match rule {
            26 => &[("0", "0.01")],
            32 | 239 => &[("0", "0.01"), ("3", "0.05")],
            67 => &[("0", "0.25")],
            _ => return self.validation(conn, -1, &format!("Invalid market rule ID {rule}")),
        };
        let mut values = record! { marketRuleId: rule };
        for (low, step) in steps {
            values.push("priceIncrementsCount", record! { lowEdge: low, increment: step });
        }
        self.send(conn, m::MARKET_RULE, &values);
    }

    pub(super) fn depth_exchanges(&mut self, conn: ConnId) {
        let mut values = Record::new();
        for (exchange, sec_type, service) in DEPTH_EXCHANGES {
            let row = record! {
                exchange: exchange,
                secType: sec_type,
                serviceDataType: service,
                aggGroup: 1,
                isL2: service == "Deep2",
            };
            values.push("descriptionsCount", row);
        }
        self.send(conn, m::DEPTH_EXCHANGES, &values);
    }

    pub(super) fn smart_components(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        if r.get("bboExchange") != Some("9c0001") {
            return self.validation(conn, id, "Invalid BBO exchange mapping");
        }
        let mut values = record! { reqId: id };
        for (bit, (exchange, letter)) in
            [("AMEX", "A"), ("ARCA", "P"), ("BATS", "Z"), ("IEX", "V"), ("NASDAQ", "Q"), ("NYSE", "N")]
                .iter()
                .enumerate()
        {
            let row = record! { bitNumber: bit, exchange: exchange, exchangeLetter: letter };
            values.push("componentsCount", row);
        }
        self.send(conn, m::SMART_COMPONENTS, &values);
    }

    pub(super) fn family_codes(&mut self, conn: ConnId) {
        let mut values = Record::new();
        match &self.config.accounts[..] {
            [_] => {
                values.push("familyCodesCount", record! { accountId: "*", familyCode: "" });
            }
            several => {
                for account in several {
                    values.push("familyCodesCount", record! { accountId: account, familyCode: "F1000001A" });
                }
            }
        }
        self.send(conn, m::FAMILY_CODES, &values);
    }

    pub(super) fn soft_dollar_tiers(&mut self, conn: ConnId, r: &Record) {
        self.send(conn, m::SOFT_DOLLAR_TIERS, &record! { reqId: req_id(r) });
    }

    pub(super) fn user_info(&mut self, conn: ConnId, r: &Record) {
        self.send(conn, m::USER_INFO, &record! { reqId: req_id(r), whiteBrandingId: "" });
    }
}
