//! Order books (messages 12 and 13): a full image first, then changes of single rows.

use std::time::Duration;

use super::{
    ConnId, Gateway, m,
    subscriptions::{Feed, req_id},
};
use crate::{
    protocol::layout::Record,
    sim::{
        instruments::{Instrument, number},
        rng,
    },
};

/// A depth subscription.
#[derive(Clone, Debug)]
pub struct Depth {
    pub con_id: i64,
    rows: i64,
    smart: bool,
    /// Rows name their market maker or exchange (message 13).
    level2: bool,
}

const MAKERS: [&str; 4] = ["NSDQ", "ARCA", "BATS", "IEX"];

impl Gateway {
    pub(super) fn req_depth(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let Some(instrument) = self.resolve(conn, id, r) else { return };
        let smart = r.flag("isSmartDepth");
        let exchange = r.get("exchange").unwrap_or_default();
        if instrument.sec_type == "CFD" {
            let values = record! { reqId: id, conId: instrument.under, exchange: "SMART" };
            return self.send(conn, m::REROUTE_DEPTH, &values);
        }
        if !instrument.quoted || (exchange == "SMART" && !smart) {
            let text = "Deep market data is not supported for this combination of security type/exchange";
            return self.error(conn, id, 10092, text);
        }
        let mut others: Vec<i64> = self
            .session(conn)
            .into_iter()
            .flat_map(|s| s.subscriptions.values())
            .filter_map(|s| match &s.feed {
                Feed::Depth(d) if d.con_id != instrument.con_id => Some(d.con_id),
                _ => None,
            })
            .collect();
        others.sort_unstable();
        others.dedup();
        if others.len() >= self.config.depth_lines {
            let most = self.config.depth_lines;
            let text = format!("Max number ({most}) of market depth requests has been reached");
            return self.error(conn, id, 309, &text);
        }
        if smart {
            self.error(conn, id, 2152, "Exchanges - Depth: IEX; BATS; Top: NASDAQ; ARCA; ");
        }
        let level2 = smart || matches!(exchange, "ISLAND" | "NASDAQ");
        let rows = r.int("numRows").unwrap_or(5).clamp(1, 20);
        let depth = Depth { con_id: instrument.con_id, rows, smart, level2 };
        for position in 0..rows {
            for side in [1, 0] {
                self.send_row(conn, id, &instrument, &depth, (position, 0, side), 0);
            }
        }
        self.subscribe(conn, (10, id), Feed::Depth(depth), Some(self.config.tick_interval));
    }

    /// Position, operation (0 insert, 1 update, 2 delete) and side (0 ask, 1 bid) of a row.
    fn send_row(
        &mut self,
        conn: ConnId,
        id: i32,
        instrument: &Instrument,
        depth: &Depth,
        (position, operation, side): (i64, i64, i64),
        step: u64,
    ) {
        let away = instrument.tick * (1 + position) as f64;
        let price = instrument.round(instrument.price + if side == 0 { away } else { -away });
        let seed = self.config.seed;
        let size =
            100 * (1 + rng::below(30, seed, &[depth.con_id as u64, position as u64, side as u64, step]));
        let (price, size) = if operation == 2 { (0.0, 0) } else { (price, size) };
        let mut values = record! {
            reqId: id,
            position: position,
            operation: operation,
            side: side,
            price: number(price),
            size: size,
        };
        if depth.level2 {
            values.set("marketMaker", MAKERS[position as usize % MAKERS.len()]);
            values.set("isSmartDepth", depth.smart);
            self.send_about(conn, m::DEPTH_L2, &values, instrument.subject());
        } else {
            self.send_about(conn, m::DEPTH, &values, instrument.subject());
        }
    }

    pub(super) fn update_depth(
        &mut self,
        conn: ConnId,
        id: i32,
        depth: &Depth,
        step: u64,
    ) -> Option<Duration> {
        let instrument = self.instruments.by_id(depth.con_id)?.clone();
        let position = (step / 2) as i64 % depth.rows;
        let side = (step % 2) as i64;
        let last = depth.rows - 1;
        // Now and then the last row goes and comes back, so that a book that is rebuilt must know deletions.
        let (position, operation) = match step % 20 {
            18 => (last, 2),
            _ => (position, 1),
        };
        self.send_row(conn, id, &instrument, depth, (position, operation, side), step);
        if operation == 2 {
            self.send_row(conn, id, &instrument, depth, (last, 0, side), step);
        }
        Some(self.config.tick_interval)
    }
}
