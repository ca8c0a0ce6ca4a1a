//! What can be traded here: a fixed table of contracts and their prices.
//!
//! Owns: contracts, how a client's description of one is matched, the prices around which quotes move.
//! May not know: clients, messages on the wire. Driven by: `gateway`.

use std::collections::BTreeMap;

use super::rng;
use crate::protocol::{layout::Record, meaning::Subject};

/// One contract.
#[derive(Clone, Debug)]
pub struct Instrument {
    /// Contract id.
    pub con_id: i64,
    /// Symbol, of a derivative that of the underlying.
    pub symbol: String,
    /// Security type.
    pub sec_type: &'static str,
    /// Last trade date, `yyyymmdd` or empty.
    pub expiry: &'static str,
    /// Strike price, 0 where there is none.
    pub strike: f64,
    /// `C`, `P` or empty.
    pub right: &'static str,
    /// Multiplier as text, empty for stocks.
    pub multiplier: &'static str,
    /// Where it trades first.
    pub primary: &'static str,
    /// All exchanges, the usual one first.
    pub exchanges: &'static str,
    /// Currency.
    pub currency: &'static str,
    /// Local symbol.
    pub local_symbol: String,
    /// Trading class.
    pub trading_class: &'static str,
    /// Full name.
    pub long_name: String,
    /// Contract id of the underlying, 0 where there is none.
    pub under: i64,
    /// Smallest price step.
    pub tick: f64,
    /// Price around which its quotes move.
    pub price: f64,
    /// Price to which a moving market is drawn back; 0 until the table is made.
    pub home: f64,
    /// Whether there are quotes at all.
    pub quoted: bool,
}

/// Best prices and what goes with them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quote {
    /// Best bid.
    pub bid: f64,
    /// Best ask.
    pub ask: f64,
    /// Last price.
    pub last: f64,
    /// Size at the bid.
    pub bid_size: u64,
    /// Size at the ask.
    pub ask_size: u64,
    /// Size of the last trade.
    pub last_size: u64,
    /// Volume of the day.
    pub volume: u64,
}

const STOCK_EXCHANGES: &str = "SMART,NASDAQ,NYSE,ARCA,ISLAND,BATS,IEX,IBKRATS,OVERNIGHT";
const OPTION_EXCHANGES: &str = "SMART,CBOE,AMEX,PHLX,ISE,BOX,MIAX";

impl Instrument {
    fn stock(
        con_id: i64,
        symbol: &str,
        primary: &'static str,
        class: &'static str,
        price: f64,
        name: &str,
    ) -> Self {
        Instrument {
            con_id,
            symbol: symbol.into(),
            sec_type: "STK",
            expiry: "",
            strike: 0.0,
            right: "",
            multiplier: "",
            primary,
            exchanges: STOCK_EXCHANGES,
            currency: "USD",
            local_symbol: symbol.into(),
            trading_class: class,
            long_name: name.into(),
            under: 0,
            tick: 0.01,
            price,
            home: 0.0,
            quoted: true,
        }
    }

    /// Value of one unit at a price of 1.
    pub fn unit(&self) -> f64 {
        self.multiplier.parse().unwrap_or(1.0)
    }

    /// What the units of its sizes depend on.
    pub fn subject(&self) -> Subject {
        Subject { us_stock: self.sec_type == "STK" && self.currency == "USD", ..Subject::default() }
    }

    /// The usual exchange.
    pub fn exchange(&self) -> &'static str {
        self.exchanges.split(',').next().unwrap_or_default()
    }

    /// Rounds to the price grid.
    pub fn round(&self, price: f64) -> f64 {
        let digits = (1.0 / self.tick).round();
        (price * digits).round() / digits
    }

    /// The market at step `n`: a function of seed, contract and step alone. Step 0 is the price itself.
    pub fn quote(&self, seed: u64, n: u64) -> Quote {
        let draw = |what: u64, below: u64| rng::below(below, seed, &[self.con_id as u64, n, what]);
        let away = if n == 0 { 0.0 } else { draw(1, 11) as f64 - 5.0 };
        let mid = self.round(self.price + away * self.tick);
        Quote {
            bid: self.round(mid - self.tick),
            ask: self.round(mid + self.tick),
            last: mid,
            bid_size: 100 * (1 + draw(2, 20)),
            ask_size: 100 * (1 + draw(3, 20)),
            last_size: 100 * (1 + draw(4, 5)),
            volume: 10_000 + 300 * n,
        }
    }

    /// Puts the contract fields into a record, as a Gateway shows them.
    pub fn describe(&self, record: &mut Record) {
        record
            .set("conId", self.con_id)
            .set("symbol", &self.symbol)
            .set("secType", self.sec_type)
            .set("lastTradeDateOrContractMonth", self.expiry)
            .set("strike", number(self.strike))
            .set("right", self.right)
            .set("multiplier", self.multiplier)
            .set("primaryExchange", self.primary)
            .set("currency", self.currency)
            .set("localSymbol", &self.local_symbol)
            .set("tradingClass", self.trading_class);
    }

    fn matches(&self, wanted: &Record) -> bool {
        let text = |name| wanted.get(name).unwrap_or_default();
        let is = |name, value: &str| text(name).is_empty() || text(name).eq_ignore_ascii_case(value);
        let number = |name| wanted.float(name).unwrap_or_default();
        let month = text("lastTradeDateOrContractMonth");
        let exchange = text("exchange");
        let right = text("right").chars().next().map(String::from).unwrap_or_default();
        (text("symbol").eq_ignore_ascii_case(&self.symbol)
            || (!text("localSymbol").is_empty() && text("symbol").is_empty()))
            && is("secType", self.sec_type)
            && is("currency", self.currency)
            && is("localSymbol", &self.local_symbol)
            && is("tradingClass", self.trading_class)
            && is("multiplier", self.multiplier)
            && (month.is_empty() || self.expiry.starts_with(month))
            && (number("strike") == 0.0 || number("strike") == self.strike)
            && (right.is_empty() || right == "0" || right == "?" || right.eq_ignore_ascii_case(self.right))
            && (exchange.is_empty() || self.exchanges.split(',').any(|e| e == exchange))
    }
}

/// The table.
#[derive(Debug)]
pub struct Instruments {
    list: Vec<Instrument>,
    by_id: BTreeMap<i64, usize>,
    by_symbol: BTreeMap<String, Vec<usize>>,
}

/// Nothing or more than one thing where exactly one was wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoMatch {
    /// There is no such contract.
    Unknown,
    /// The description fits several.
    Ambiguous,
}

/// Option expiries and strikes of AAPL in the table.
pub const EXPIRIES: [&str; 2] = ["20261218", "20270115"];
/// See [`EXPIRIES`].
pub const STRIKES: [f64; 5] = [240.0, 245.0, 250.0, 255.0, 260.0];
const AAPL: i64 = 265_598;

impl Instruments {
    /// The named instruments and `generated` more stocks.
    pub fn new(generated: u32) -> Self {
        let mut list = vec![
            Instrument::stock(AAPL, "AAPL", "NASDAQ", "NMS", 250.0, "APPLE INC"),
            Instrument::stock(272_093, "MSFT", "NASDAQ", "NMS", 410.0, "MICROSOFT CORP"),
            Instrument::stock(756_733, "SPY", "ARCA", "SPY", 600.0, "SS SPDR S&P 500 ETF TRUST-US"),
            Instrument::stock(76_792_991, "TSLA", "NASDAQ", "NMS", 320.0, "TESLA INC"),
        ];
        let base = list[0].clone();
        list.push(Instrument {
            con_id: 12_087_792,
            symbol: "EUR".into(),
            sec_type: "CASH",
            primary: "",
            exchanges: "IDEALPRO",
            local_symbol: "EUR.USD".into(),
            trading_class: "EUR.USD",
            long_name: "European Monetary Union Euro".into(),
            tick: 0.00005,
            price: 1.15,
            ..base.clone()
        });
        for (con_id, expiry, local, price) in
            [(649_180_671, "20261218", "ESZ6", 6000.0), (672_387_408, "20270319", "ESH7", 6050.0)]
        {
            list.push(Instrument {
                con_id,
                symbol: "ES".into(),
                sec_type: "FUT",
                expiry,
                multiplier: "50",
                primary: "",
                exchanges: "CME,QBALGO",
                local_symbol: local.into(),
                trading_class: "ES",
                long_name: "E-mini S&P 500".into(),
                under: 11_004_968,
                tick: 0.25,
                price,
                ..base.clone()
            });
        }
        list.push(Instrument {
            con_id: 120_549_942,
            sec_type: "CFD",
            primary: "",
            exchanges: "SMART",
            local_symbol: "AAPLn".into(),
            trading_class: "AAPLn",
            under: AAPL,
            ..base.clone()
        });
        list.push(Instrument {
            con_id: 416_904,
            symbol: "SPX".into(),
            sec_type: "IND",
            primary: "",
            exchanges: "CBOE",
            local_symbol: "SPX".into(),
            trading_class: "SPX",
            long_name: "S&P 500 Stock Index".into(),
            price: 5990.0,
            ..base.clone()
        });
        list.push(Instrument {
            con_id: 147_554_578,
            symbol: "US-T".into(),
            sec_type: "BOND",
            expiry: "20461115",
            multiplier: "1",
            primary: "",
            exchanges: "SMART,BONDDESK",
            local_symbol: "IBCID147554578".into(),
            trading_class: "US-T",
            long_name: "US Treasury Bond 3 11/15/46".into(),
            tick: 0.0001,
            price: 84.5,
            quoted: false,
            ..base.clone()
        });
        list.extend(options(&base));
        list.extend((1..=generated).map(|n| {
            let symbol = format!("SYM{n:04}");
            let name = format!("SIMULATED COMPANY {n}");
            Instrument::stock(
                900_000_000 + i64::from(n),
                &symbol,
                "NYSE",
                "SYM",
                20.0 + f64::from(n % 200),
                &name,
            )
        }));
        for i in &mut list {
            i.home = i.price;
        }
        let by_id = list.iter().enumerate().map(|(at, i)| (i.con_id, at)).collect();
        let mut by_symbol = BTreeMap::<String, Vec<usize>>::new();
        for (at, i) in list.iter().enumerate() {
            by_symbol.entry(i.symbol.clone()).or_default().push(at);
        }
        Instruments { list, by_id, by_symbol }
    }

    /// All contracts.
    pub fn all(&self) -> &[Instrument] {
        &self.list
    }

    /// The contract with this id.
    pub fn by_id(&self, con_id: i64) -> Option<&Instrument> {
        self.by_id.get(&con_id).map(|at| &self.list[*at])
    }

    /// All contracts that fit a description.
    pub fn find(&self, wanted: &Record) -> Vec<&Instrument> {
        match (wanted.int("conId").unwrap_or_default(), wanted.get("symbol").unwrap_or_default()) {
            (0, "") => self.list.iter().filter(|i| i.matches(wanted)).collect(),
            (0, symbol) => {
                let places = self.by_symbol.get(&symbol.to_ascii_uppercase());
                let named = places.into_iter().flatten().map(|at| &self.list[*at]);
                named.filter(|i| i.matches(wanted)).collect()
            }
            (id, _) => self.by_id(id).into_iter().collect(),
        }
    }

    /// The one contract that fits a description.
    pub fn one(&self, wanted: &Record) -> Result<&Instrument, NoMatch> {
        match self.find(wanted)[..] {
            [] => Err(NoMatch::Unknown),
            [one] => Ok(one),
            _ => Err(NoMatch::Ambiguous),
        }
    }

    /// Moves the market of a contract, and with `stay` the price to which it is drawn back; false when there is no
    /// such contract.
    pub fn set_price(&mut self, con_id: i64, price: f64, stay: bool) -> bool {
        match self.by_id.get(&con_id) {
            Some(at) => {
                let i = &mut self.list[*at];
                i.price = i.round(price);
                if stay {
                    i.home = i.price;
                }
                true
            }
            None => false,
        }
    }
}

fn options(base: &Instrument) -> Vec<Instrument> {
    let mut list = Vec::new();
    for (e, expiry) in EXPIRIES.into_iter().enumerate() {
        for (s, strike) in STRIKES.into_iter().enumerate() {
            for (r, right) in ["C", "P"].into_iter().enumerate() {
                let inside = if right == "C" { base.price - strike } else { strike - base.price };
                list.push(Instrument {
                    con_id: 800_000_000 + (e * 100 + s * 10 + r) as i64,
                    sec_type: "OPT",
                    expiry,
                    strike,
                    right,
                    multiplier: "100",
                    primary: "",
                    exchanges: OPTION_EXCHANGES,
                    local_symbol: format!("AAPL  {}{right}{:08}", &expiry[2..], (strike * 1000.0) as u64),
                    trading_class: "AAPL",
                    under: base.con_id,
                    price: inside.max(0.0) + 4.0 + 2.0 * e as f64,
                    ..base.clone()
                });
            }
        }
    }
    list
}

/// A number as a Gateway writes it: at least one decimal, no exponent, no binary noise.
pub fn number(value: f64) -> String {
    let rounded = (value * 1e8).round() / 1e8;
    format!("{rounded:?}")
}

/// A quantity: a whole number without a point, otherwise as short as it is exact.
pub fn quantity(value: f64) -> String {
    let rounded = (value * 1e8).round() / 1e8;
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(fields: &[(&'static str, &str)]) -> Record {
        let mut r = Record::new();
        for (name, value) in fields {
            r.set(name, value);
        }
        r
    }

    #[test]
    fn descriptions_are_matched_as_far_as_they_go() {
        let table = Instruments::new(3);
        let aapl = [("symbol", "AAPL"), ("secType", "STK"), ("exchange", "SMART"), ("currency", "USD")];
        assert_eq!(table.one(&wanted(&aapl)).unwrap().con_id, 265_598);
        assert_eq!(table.one(&wanted(&[("conId", "265598")])).unwrap().symbol, "AAPL");
        let chain = wanted(&[("symbol", "AAPL"), ("secType", "OPT")]);
        assert_eq!(table.find(&chain).len(), EXPIRIES.len() * STRIKES.len() * 2);
        assert_eq!(table.one(&chain).unwrap_err(), NoMatch::Ambiguous);
        let option = wanted(&[
            ("symbol", "AAPL"),
            ("secType", "OPT"),
            ("lastTradeDateOrContractMonth", "202612"),
            ("strike", "250.0"),
            ("right", "CALL"),
        ]);
        assert_eq!(table.one(&option).unwrap().right, "C");
        assert_eq!(table.one(&wanted(&[("symbol", "NOPE")])).unwrap_err(), NoMatch::Unknown);
        assert_eq!(
            table.one(&wanted(&[("symbol", "AAPL"), ("exchange", "MARS")])).unwrap_err(),
            NoMatch::Unknown
        );
    }

    #[test]
    fn every_contract_id_is_there_once() {
        let table = Instruments::new(500);
        let mut ids: Vec<_> = table.all().iter().map(|i| i.con_id).collect();
        ids.sort_unstable();
        let n = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), n);
    }

    #[test]
    fn quotes_depend_on_seed_contract_and_step_only() {
        let table = Instruments::new(0);
        let aapl = &table.all()[0];
        assert_eq!(aapl.quote(1, 7), aapl.quote(1, 7));
        assert_eq!(aapl.quote(1, 0).last, 250.0);
        assert!((1..50).any(|n| aapl.quote(1, n) != aapl.quote(2, n)));
        assert!((0..500).all(|n| aapl.quote(1, n).bid < aapl.quote(1, n).ask));
    }
}
