//! What the accounts hold: cash, positions, and what both are worth.
//!
//! Owns: the arithmetic of fills. May not know: sessions and messages. Driven by: `fills`, `accounts`.

use std::collections::BTreeMap;

use crate::sim::{
    config::SimConfig,
    instruments::{Instrument, Instruments, number},
};

/// A holding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    /// Signed quantity.
    pub quantity: f64,
    /// Average cost of one unit, multiplier included.
    pub cost: f64,
    /// Profit of closed parts.
    pub realized: f64,
}

/// One account.
#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    pub cash: f64,
    pub positions: BTreeMap<i64, Position>,
}

/// All accounts.
#[derive(Debug)]
pub struct Accounts {
    pub list: Vec<Account>,
    /// Accounts that are not managed any more, with what they hold.
    former: Vec<Account>,
}

/// A row of account values: key, value, currency.
pub type Value = (&'static str, String, &'static str);

impl Accounts {
    pub fn new(config: &SimConfig) -> Self {
        let mut accounts = Accounts { list: Vec::new(), former: Vec::new() };
        accounts.manage(config);
        accounts
    }

    /// Makes the list that of the configuration: accounts that were there before keep what they hold.
    pub fn manage(&mut self, config: &SimConfig) {
        let holdings: &[(i64, f64, f64)] =
            if config.initial_positions { &[(272_093, 100.0, 400.0), (756_733, 50.0, 580.0)] } else { &[] };
        let fresh = |name: &String| Account {
            name: name.clone(),
            cash: 1_000_000.0,
            positions: holdings
                .iter()
                .map(|(id, quantity, cost)| {
                    (*id, Position { quantity: *quantity, cost: *cost, realized: 0.0 })
                })
                .collect(),
        };
        let mut known: Vec<_> = self.list.drain(..).chain(self.former.drain(..)).collect();
        for name in &config.accounts {
            let at = known.iter().position(|a| a.name == *name);
            self.list.push(at.map_or_else(|| fresh(name), |at| known.remove(at)));
        }
        self.former = known;
    }

    pub fn get(&self, name: &str) -> Option<&Account> {
        self.list.iter().find(|a| a.name == name)
    }

    /// Books an execution; the realized profit when it closed something.
    pub fn book(
        &mut self,
        name: &str,
        i: &Instrument,
        signed: f64,
        price: f64,
        commission: f64,
    ) -> Option<f64> {
        let account = self.list.iter_mut().find(|a| a.name == name)?;
        let unit = price * i.unit();
        account.cash -= signed * unit + commission;
        let position = account.positions.entry(i.con_id).or_default();
        let before = position.quantity;
        let closing = if before * signed < 0.0 { signed.abs().min(before.abs()) } else { 0.0 };
        let after = before + signed;
        let realized =
            (closing > 0.0).then(|| before.signum() * closing * (unit - position.cost) - commission);
        position.realized += realized.unwrap_or_default();
        if before * signed >= 0.0 {
            position.cost = (position.cost * before.abs() + unit * signed.abs()) / after.abs().max(1e-9);
        } else if after * before < 0.0 {
            position.cost = unit;
        }
        if after.abs() < 1e-9 {
            position.cost = 0.0;
        }
        position.quantity = if after.abs() < 1e-9 { 0.0 } else { after };
        realized
    }
}

impl Account {
    fn worth(&self, table: &Instruments) -> (f64, f64, f64) {
        self.positions.iter().filter_map(|(id, p)| Some((table.by_id(*id)?, p))).fold(
            (0.0, 0.0, 0.0),
            |(value, unrealized, realized), (i, p)| {
                let unit = i.price * i.unit();
                let gain = p.quantity * (unit - p.cost);
                (value + p.quantity * unit, unrealized + gain, realized + p.realized)
            },
        )
    }

    /// Cash and positions together.
    pub fn net_liquidation(&self, table: &Instruments) -> f64 {
        self.cash + self.worth(table).0
    }

    /// Day, unrealized and realized profit.
    pub fn profit(&self, table: &Instruments) -> (f64, f64, f64) {
        let (_, unrealized, realized) = self.worth(table);
        (unrealized + realized, unrealized, realized)
    }

    /// All values, sorted by key; several currencies where a key has them.
    pub fn values(&self, table: &Instruments) -> Vec<Value> {
        let (stocks, unrealized, realized) = self.worth(table);
        let net = self.cash + stocks;
        let (initial, maintenance) = (stocks.abs() * 0.5, stocks.abs() * 0.25);
        let usd = |v: f64| format!("{v:.2}");
        let mut rows: Vec<Value> = vec![
            ("AccountCode", self.name.clone(), ""),
            ("AccountReady", "true".into(), ""),
            ("AccountType", "INDIVIDUAL".into(), ""),
            ("AvailableFunds", usd(net - initial), "USD"),
            ("AvailableFunds-S", usd(net - initial), "USD"),
            ("BuyingPower", usd((net - initial) * 4.0), "USD"),
            ("Cushion", number((net - maintenance) / net.max(1.0)), ""),
            ("DayTradesRemaining", "-1".into(), ""),
            ("EquityWithLoanValue", usd(net), "USD"),
            ("ExcessLiquidity", usd(net - maintenance), "USD"),
            ("FullAvailableFunds", usd(net - initial), "USD"),
            ("FullInitMarginReq", usd(initial), "USD"),
            ("FullMaintMarginReq", usd(maintenance), "USD"),
            ("GrossPositionValue", usd(stocks.abs()), "USD"),
            ("InitMarginReq", usd(initial), "USD"),
            ("Leverage-S", format!("{:.2}", stocks.abs() / net.max(1.0)), ""),
            ("MaintMarginReq", usd(maintenance), "USD"),
            ("NetLiquidation", usd(net), "USD"),
            ("SettledCash", usd(self.cash), "USD"),
            ("TotalCashValue", usd(self.cash), "USD"),
        ];
        for currency in ["BASE", "USD"] {
            rows.extend([
                ("CashBalance", usd(self.cash), currency),
                ("Currency", currency.to_owned(), currency),
                ("ExchangeRate", "1.00".into(), currency),
                ("NetLiquidationByCurrency", usd(net), currency),
                ("RealizedPnL", usd(realized), currency),
                ("StockMarketValue", usd(stocks), currency),
                ("TotalCashBalance", usd(self.cash), currency),
                ("UnrealizedPnL", usd(unrealized), currency),
            ]);
        }
        rows.sort_by(|a, b| (a.0, a.2).cmp(&(b.0, b.2)));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profit_is_realized_when_a_position_is_closed() {
        let table = Instruments::new(0);
        let config = SimConfig { initial_positions: false, ..SimConfig::default() };
        let mut accounts = Accounts::new(&config);
        let aapl = table.all()[0].clone();
        let name = config.accounts[0].clone();
        assert_eq!(accounts.book(&name, &aapl, 10.0, 250.0, 1.0), None);
        assert_eq!(accounts.book(&name, &aapl, 10.0, 260.0, 1.0), None);
        let held = accounts.list[0].positions[&aapl.con_id];
        assert_eq!((held.quantity, held.cost), (20.0, 255.0));
        assert_eq!(accounts.book(&name, &aapl, -20.0, 265.0, 1.0), Some(199.0));
        assert_eq!(accounts.list[0].positions[&aapl.con_id].quantity, 0.0);
        assert_eq!(accounts.list[0].cash, 1_000_000.0 - 2500.0 - 2600.0 + 5300.0 - 3.0);
        // Through zero: the rest is a new position at the new price.
        accounts.book(&name, &aapl, 5.0, 100.0, 0.0);
        assert_eq!(accounts.book(&name, &aapl, -8.0, 110.0, 0.0), Some(50.0));
        let held = accounts.list[0].positions[&aapl.con_id];
        assert_eq!((held.quantity, held.cost), (-3.0, 110.0));
        assert!(accounts.book("nobody", &aapl, 1.0, 1.0, 0.0).is_none());
    }
}
