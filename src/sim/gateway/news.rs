//! News: providers, articles, headlines on request and as ticks, bulletins.

use super::{ConnId, Gateway, m, subscriptions::req_id};
use crate::{
    protocol::layout::Record,
    sim::{clock, instruments::Instrument},
    time::Time,
};

/// A bulletin of the day.
#[derive(Clone, Debug)]
pub struct Bulletin {
    id: i32,
    kind: i32,
    text: String,
    exchange: String,
}

/// The bulletins that were sent before anybody connected.
pub fn bulletins() -> Vec<Bulletin> {
    let bulletin = |id, text: &str| Bulletin { id, kind: 1, text: text.into(), exchange: "NYSE".into() };
    vec![bulletin(1, "Simulated bulletin of the morning"), bulletin(2, "Simulated bulletin of the day")]
}

const PROVIDERS: [(&str, &str); 3] = [
    ("BRFG", "Briefing.com General Market Columns"),
    ("BRFUPDN", "Briefing.com Analyst Actions"),
    ("DJNL", "Dow Jones Newsletters"),
];

impl Gateway {
    pub(super) fn news_providers(&mut self, conn: ConnId) {
        let mut values = Record::new();
        for (code, name) in PROVIDERS {
            values.push("providersCount", record! { code: code, name: name });
        }
        self.send(conn, m::NEWS_PROVIDERS, &values);
    }

    pub(super) fn news_article(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let (provider, article) =
            (r.get("providerCode").unwrap_or_default(), r.get("articleId").unwrap_or_default());
        if !PROVIDERS.iter().any(|(code, _)| *code == provider) || article.is_empty() {
            return self.error(conn, id, 10172, "Failed to request news article:Not allowed");
        }
        let text = format!("<p>Simulated article {article} of {provider}.</p>");
        self.send(conn, m::NEWS_ARTICLE, &record! { reqId: id, articleType: 0, articleText: text });
    }

    pub(super) fn historical_news(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let Some(instrument) = self.instruments.by_id(r.int("conId").unwrap_or_default()).cloned() else {
            return self.validation(conn, id, "Invalid contract id");
        };
        let wanted = r.int("totalResults").unwrap_or(10).clamp(0, 300);
        let available = 12;
        for n in 0..wanted.min(available) {
            let values = record! {
                reqId: id,
                time: format!("{}.0", iso(self.config.epoch as i64 - 3600 * (n + 1))),
                providerCode: PROVIDERS[n as usize % PROVIDERS.len()].0,
                articleId: article(&instrument, n as u64),
                headline: format!("{{A:800015:L:en:K:n/a:C:0.9}}Simulated headline {n} on {}", instrument.symbol),
            };
            self.send(conn, m::HISTORICAL_NEWS, &values);
        }
        self.send(conn, m::HISTORICAL_NEWS_END, &record! { reqId: id, hasMore: wanted < available });
    }

    /// A headline on a market data subscription with tick type 292.
    pub(super) fn send_tick_news(&mut self, conn: ConnId, id: i32, instrument: &Instrument, step: u64) {
        let values = record! {
            reqId: id,
            timeStamp: self.wall_millis(),
            providerCode: PROVIDERS[0].0,
            articleId: article(instrument, step),
            headline: format!("Simulated headline {step} on {}", instrument.symbol),
            extraData: "K:n/a",
        };
        self.send(conn, m::TICK_NEWS, &values);
    }

    pub(super) fn req_bulletins(&mut self, conn: ConnId, r: &Record) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.bulletins = true;
        }
        if r.flag("allMsgs") {
            for bulletin in self.bulletins.clone() {
                self.send_bulletin(conn, &bulletin);
            }
        }
    }

    pub(super) fn cancel_bulletins(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.bulletins = false;
        }
    }

    /// Publishes a bulletin to everybody who subscribed.
    pub fn publish_bulletin(&mut self, now: Time, text: &str) {
        self.advance(now);
        let id = self.bulletins.len() as i32 + 1;
        let bulletin = Bulletin { id, kind: 1, text: text.into(), exchange: "NYSE".into() };
        self.bulletins.push(bulletin.clone());
        for conn in self.started() {
            if self.session(conn).is_some_and(|s| s.bulletins) {
                self.send_bulletin(conn, &bulletin);
            }
        }
    }

    fn send_bulletin(&mut self, conn: ConnId, b: &Bulletin) {
        let values = record! { msgId: b.id, msgType: b.kind, message: &b.text, originExch: &b.exchange };
        self.send(conn, m::BULLETIN, &values);
    }
}

fn article(instrument: &Instrument, n: u64) -> String {
    format!("BRFG${:08x}{n:02x}", instrument.con_id)
}

/// `yyyy-mm-dd hh:mm:ss` of a UTC time.
fn iso(utc: i64) -> String {
    let text = clock::stamp(utc, " ");
    format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..])
}
