//! Market scanners: results now and then, and the large document of what can be scanned.

use std::time::Duration;

use super::{
    ConnId, Gateway, m,
    subscriptions::{Feed, req_id},
};
use crate::protocol::layout::Record;

/// Active scanners of one connection.
const MOST_SCANNERS: usize = 10;
const CODES: [&str; 6] = [
    "TOP_PERC_GAIN",
    "TOP_PERC_LOSE",
    "MOST_ACTIVE",
    "HOT_BY_VOLUME",
    "HIGH_OPT_IMP_VOLAT",
    "TOP_TRADE_COUNT",
];

impl Gateway {
    pub(super) fn req_scanner(&mut self, conn: ConnId, r: Record) {
        let id = req_id(&r);
        if self.count(conn, |f| matches!(f, Feed::Scanner(_))) >= MOST_SCANNERS {
            let text = format!(
                "Historical Market Data Service error message:Only {MOST_SCANNERS} simultaneous API scanner subscriptions"
            );
            return self.error(conn, id, 162, &text);
        }
        if !CODES.contains(&r.get("scanCode").unwrap_or_default()) {
            // No rows: the notice is followed by an empty result (LIVE.md 5).
            let text = "Historical Market Data Service query message:no items retrieved";
            self.error(conn, id, 165, text);
            self.send(conn, m::SCANNER_DATA, &record! { reqId: id });
            return self.subscribe(conn, (22, id), Feed::Scanner(r), None);
        }
        let next = self.update_scanner(conn, id, &r);
        self.subscribe(conn, (22, id), Feed::Scanner(r), next);
    }

    pub(super) fn update_scanner(&mut self, conn: ConnId, id: i32, r: &Record) -> Option<Duration> {
        let rows = match r.int("numberOfRows") {
            Some(n @ 1..=50) => n as usize,
            _ => 50,
        };
        let above = r.float("abovePrice").filter(|p| *p < f64::MAX).unwrap_or_default();
        let mut values = record! { reqId: id };
        let found = self.instruments.all().iter().filter(|i| i.sec_type == "STK" && i.price >= above);
        for (rank, i) in found.take(rows).enumerate() {
            let mut row = record! { rank: rank, exchange: "SMART", marketName: i.trading_class };
            i.describe(&mut row);
            values.push("numberOfElements", row);
        }
        self.send(conn, m::SCANNER_DATA, &values);
        Some(self.config.scanner_interval)
    }

    pub(super) fn cancel_scanner(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        match self.unsubscribe(conn, (22, id)) {
            Some(_) => {
                let text = format!(
                    "Historical Market Data Service error message:API scanner subscription cancelled: {id}"
                );
                self.error(conn, id, 162, &text);
            }
            None => {
                self.error(conn, id, 365, &format!("No scanner subscription found for ticker id:{id}"));
            }
        }
    }

    pub(super) fn scanner_parameters(&mut self, conn: ConnId) {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ScanParameterResponse>\n");
        for code in CODES {
            xml.push_str(&format!(
                "<ScanType><displayName>{code}</displayName><scanCode>{code}</scanCode></ScanType>\n"
            ));
        }
        let end = "</ScanParameterResponse>\n";
        let mut n = 0;
        while xml.len() + end.len() < self.config.scanner_parameters_size {
            xml.push_str(&format!(
                "<AbstractField><code>simulated{n}</code><type>scanner.filter</type></AbstractField>\n"
            ));
            n += 1;
        }
        xml.push_str(end);
        self.send(conn, m::SCANNER_PARAMETERS, &record! { xml: xml });
    }
}
