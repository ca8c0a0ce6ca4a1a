//! The ticks of a quote subscription: the first image, the updates, the computations of options.

use std::fmt::Display;

use super::{ConnId, Gateway, m, market::Quotes, subscriptions::req_id};
use crate::{
    protocol::{layout::Record, meaning::Subject},
    sim::instruments::{Instrument, number, quantity},
};

/// The delayed twin of a tick type.
fn delayed(tick: i32) -> i32 {
    match tick {
        1 | 2 => tick + 65,
        4 => 68,
        0 => 69,
        3 => 70,
        5 => 71,
        6 | 7 => tick + 66,
        8 => 74,
        9 => 75,
        14 => 76,
        10..=13 => tick + 70,
        45 => 88,
        other => other,
    }
}

/// Writes the ticks of one subscription.
struct Ticks<'a> {
    gateway: &'a mut Gateway,
    conn: ConnId,
    id: i32,
    delayed: bool,
    subject: Subject,
}

impl Ticks<'_> {
    fn kind(&self, tick: i32) -> i32 {
        if self.delayed { delayed(tick) } else { tick }
    }

    fn price(&mut self, tick: i32, price: f64, size: impl Display) {
        let values = record! {
            reqId: self.id,
            tickType: self.kind(tick),
            price: number(price),
            size: size,
            attrMask: i32::from(matches!(tick, 1 | 2) && !self.delayed),
        };
        self.gateway.send_about(self.conn, m::TICK_PRICE, &values, self.subject);
    }

    fn size(&mut self, tick: i32, size: impl Display) {
        let values = record! { reqId: self.id, tickType: self.kind(tick), size: size };
        self.gateway.send_about(self.conn, m::TICK_SIZE, &values, self.subject);
    }

    fn generic(&mut self, tick: i32, value: f64) {
        let values = record! { reqId: self.id, tickType: tick, value: number(value) };
        self.gateway.send(self.conn, m::TICK_GENERIC, &values);
    }

    fn text(&mut self, tick: i32, value: String) {
        let values = record! { reqId: self.id, tickType: self.kind(tick), value: value };
        self.gateway.send_about(self.conn, m::TICK_STRING, &values, self.subject);
    }
}

impl Gateway {
    fn ticks(&mut self, conn: ConnId, id: i32, instrument: &Instrument, quotes: &Quotes) -> Ticks<'_> {
        Ticks { gateway: self, conn, id, delayed: quotes.granted == 3, subject: instrument.subject() }
    }

    /// Everything known about a contract at the moment of the request.
    pub(super) fn send_image(&mut self, conn: ConnId, id: i32, instrument: &Instrument, quotes: &Quotes) {
        let q = instrument.quote(self.config.seed, 0);
        let wall = self.wall();
        let traded = instrument.sec_type != "CASH";
        let mut t = self.ticks(conn, id, instrument, quotes);
        t.price(1, q.bid, q.bid_size);
        t.size(0, q.bid_size);
        t.price(2, q.ask, q.ask_size);
        t.size(3, q.ask_size);
        if traded {
            t.price(4, q.last, q.last_size);
            t.size(5, q.last_size);
            t.text(45, wall.to_string());
            t.size(8, q.volume);
            t.price(14, instrument.round(instrument.price * 0.995), 0);
        }
        t.price(6, instrument.round(instrument.price * 1.01), 0);
        t.price(7, instrument.round(instrument.price * 0.99), 0);
        t.price(9, instrument.round(instrument.price * 0.998), 0);
        if !quotes.snapshot {
            t.generic(49, 0.0);
        }
        if instrument.subject().us_stock && !t.delayed {
            // Better than the best quotes of round lots.
            t.price(105, q.last, 0);
            t.size(107, 7);
            t.text(109, "Q".into());
            t.price(106, q.last, 0);
            t.size(108, 3);
            t.text(110, "P".into());
        }
        if instrument.sec_type == "OPT" {
            for tick in [10, 11, 12, 13] {
                self.send_computation(conn, id, instrument, delayed_if(quotes, tick), None);
            }
        }
        self.send_generic(conn, id, instrument, quotes, 0);
    }

    /// One update: both sides, sometimes a trade.
    pub(super) fn send_ticks(
        &mut self,
        conn: ConnId,
        id: i32,
        instrument: &Instrument,
        quotes: &Quotes,
        step: u64,
    ) {
        let q = instrument.quote(self.config.seed, step);
        let wall = self.wall();
        let mut t = self.ticks(conn, id, instrument, quotes);
        t.price(1, q.bid, q.bid_size);
        t.size(0, q.bid_size);
        t.price(2, q.ask, q.ask_size);
        t.size(3, q.ask_size);
        if instrument.sec_type != "CASH" && step.is_multiple_of(3) {
            // Some trades are of a fraction of a share.
            let fraction = if instrument.sec_type == "STK" && step.is_multiple_of(2) { 0.5 } else { 0.0 };
            let shares = q.last_size as f64 + fraction;
            t.text(45, wall.to_string());
            t.price(4, q.last, quantity(shares));
            t.size(5, quantity(shares));
            t.size(8, q.volume);
        }
        if instrument.sec_type == "OPT" && step.is_multiple_of(4) {
            self.send_computation(conn, id, instrument, delayed_if(quotes, 13), None);
        }
        if step.is_multiple_of(3) {
            self.send_generic(conn, id, instrument, quotes, step);
        }
    }

    fn send_generic(&mut self, conn: ConnId, id: i32, instrument: &Instrument, quotes: &Quotes, step: u64) {
        let q = instrument.quote(self.config.seed, step);
        let millis = self.wall_millis();
        let price = instrument.price;
        for wanted in &quotes.generic {
            let mut t = self.ticks(conn, id, instrument, quotes);
            match wanted.as_str() {
                "100" => (29..=30).for_each(|tick| t.size(tick, 5000)),
                "101" => (27..=28).for_each(|tick| t.size(tick, 9000)),
                "104" => t.generic(23, 0.21),
                "106" => t.generic(24, 0.23),
                "165" => {
                    for (tick, factor) in [(15, 0.9), (16, 1.1), (17, 0.85), (18, 1.15), (19, 0.8), (20, 1.2)]
                    {
                        t.price(tick, instrument.round(price * factor), 0);
                    }
                    t.size(21, 1_500_000);
                }
                "221" | "232" => t.price(37, q.last, 0),
                "233" | "375" => {
                    let tick = if wanted == "233" { 48 } else { 77 };
                    let (last, size, volume) = (q.last, q.last_size, q.volume);
                    t.text(tick, format!("{};{size};{millis};{volume};{};true", number(last), number(price)));
                }
                "236" => {
                    t.generic(46, 3.0);
                    t.size(89, 4_000_000);
                }
                "293" => t.generic(54, 1000.0 + step as f64),
                "294" => t.generic(55, 12.0),
                "295" => t.generic(56, 3000.0),
                "411" => t.generic(58, 0.2),
                "456" => t.text(59, "1.0,1.04,20270210,0.26".into()),
                "588" => t.size(86, 2_000_000),
                _ => {}
            }
        }
    }

    /// Message 21; `given` is a volatility and price that were computed on request.
    fn send_computation(
        &mut self,
        conn: ConnId,
        id: i32,
        instrument: &Instrument,
        tick: i32,
        given: Option<(f64, f64)>,
    ) {
        let under = self.instruments.by_id(instrument.under).map_or(0.0, |u| u.price);
        let (volatility, price) = given.unwrap_or((0.25, instrument.price));
        let delta = if instrument.right == "C" { 0.5 } else { -0.5 };
        // A computation on request knows only what was asked; the rest is -1 or -2, which mean "not computed".
        let rest = |value: f64, unknown: f64| number(if given.is_some() { unknown } else { value });
        let values = record! {
            reqId: id,
            tickType: tick,
            tickAttrib: 0,
            impliedVol: number(volatility),
            delta: rest(delta, -2.0),
            optPrice: number(price),
            pvDividend: rest(0.26, -1.0),
            gamma: rest(0.02, -2.0),
            vega: rest(0.3, -2.0),
            theta: rest(-0.08, -2.0),
            undPrice: rest(under, -1.0),
        };
        self.send(conn, m::TICK_OPTION, &values);
    }

    /// Implied volatility from a price, or the other way round.
    pub(super) fn calculate(&mut self, conn: ConnId, r: &Record, volatility: bool) {
        let id = req_id(r);
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        if instrument.sec_type != "OPT" {
            return self.validation(conn, id, "Invalid contract: options only");
        }
        let under = r.float("underPrice").unwrap_or_default().max(1e-6);
        // Good enough for a contract at the money: the price is proportional to the volatility.
        let given = match volatility {
            true => {
                let price = r.float("optionPrice").unwrap_or_default();
                (price / (0.16 * under), price)
            }
            false => {
                let volatility = r.float("volatility").unwrap_or_default();
                (volatility, 0.16 * under * volatility)
            }
        };
        self.send_computation(conn, id, &instrument, 53, Some(given));
    }
}

fn delayed_if(quotes: &Quotes, tick: i32) -> i32 {
    if quotes.granted == 3 { delayed(tick) } else { tick }
}
