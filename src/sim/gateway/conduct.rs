//! What concerns the session and the Gateway rather than the market: clock, ids, farms, display groups, and what is
//! refused to everybody.

use super::{ConnId, Gateway, m, subscriptions::Feed, subscriptions::req_id};
use crate::protocol::layout::Record;

/// What a farm serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FarmKind {
    /// Market data.
    MarketData,
    /// Historical data.
    Historical,
    /// Security definitions.
    Definitions,
}

/// A server group that the Gateway talks to.
#[derive(Clone, Debug)]
pub struct Farm {
    pub name: String,
    pub kind: FarmKind,
    pub up: bool,
}

/// The farms of a fresh Gateway.
pub fn farms() -> Vec<Farm> {
    let farm = |name: &str, kind| Farm { name: name.into(), kind, up: true };
    vec![
        farm("usfarm.nj", FarmKind::MarketData),
        farm("cashfarm", FarmKind::MarketData),
        farm("usfarm", FarmKind::MarketData),
        farm("ushmds", FarmKind::Historical),
        farm("secdefnj", FarmKind::Definitions),
    ]
}

impl Farm {
    /// Code and text of its notice (LIVE.md 1.7).
    pub fn notice(&self) -> (i32, String) {
        let (down, up, what) = match self.kind {
            FarmKind::MarketData => (2103, 2104, "Market data farm"),
            FarmKind::Historical => (2105, 2106, "HMDS data farm"),
            FarmKind::Definitions => (2157, 2158, "Sec-def data farm"),
        };
        match self.up {
            true => (up, format!("{what} connection is OK:{}", self.name)),
            false => (down, format!("{what} connection is broken:{}", self.name)),
        }
    }
}

impl Gateway {
    /// Sends the notices of some farms.
    pub(super) fn send_farms(&mut self, conn: ConnId, which: std::ops::Range<usize>) {
        let notices: Vec<_> = self.farms.iter().map(Farm::notice).collect();
        for (code, text) in notices.into_iter().skip(which.start).take(which.end - which.start) {
            self.error(conn, -1, code, &text);
        }
    }

    /// Clock requests that come too close together are not answered (LIVE.md 5).
    pub(super) fn clock(&mut self, conn: ConnId, millis: bool) {
        let (now, gap) = (self.now, self.config.clock_gap);
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.last_clock.is_some_and(|t| now.since(t) < gap) {
            return;
        }
        session.last_clock = Some(now);
        match millis {
            true => self.send(conn, m::CURRENT_TIME_MILLIS, &record! { timeInMillis: self.wall_millis() }),
            false => self.send(conn, m::CURRENT_TIME, &record! { time: self.wall() }),
        }
    }

    pub(super) fn set_market_data_type(&mut self, conn: ConnId, request: &Record) {
        let wanted = request.int("marketDataType").unwrap_or_default();
        if !(1..=4).contains(&wanted) {
            return self.validation(conn, -1, "Invalid market data type");
        }
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.market_data_type = wanted as i32;
        }
    }

    pub(super) fn set_log_level(&mut self, conn: ConnId, request: &Record) {
        if !(1..=5).contains(&request.int("logLevel").unwrap_or_default()) {
            self.error(conn, -1, 319, "Invalid log level");
        }
    }

    /// A few of the settings of the Gateway's own window.
    pub(super) fn send_settings(&mut self, conn: ConnId, id: i32) {
        let mut values = record! { reqId: id, autoLogoffTime: "11:45", autoLogoffPeriod: "PM" };
        values
            .set("settings.readOnlyApi", self.config.read_only)
            .set("settings.downloadOpenOrdersOnConnection", true)
            .set("settings.socketPort", self.config.listen.port())
            .set("settings.sendMarketDataInLotsForUsStocks", false)
            .set("precautions.bypassOrderPrecautions", false)
            .set("smartRouting.seekPriceImprovement", false);
        if let Some(master) = self.config.master_client_id {
            values.set("settings.masterClientId", master);
        }
        self.send(conn, m::SETTINGS, &values);
    }

    /// Takes over the settings that mean something here. The words of a real answer were never seen.
    pub(super) fn update_settings(&mut self, conn: ConnId, request: &Record) {
        let mut values = record! { reqId: req_id(request), status: "Success" };
        let mut changed = |name| {
            values.push("changedFields", record! { changedFields: name });
        };
        if request.get("settings.readOnlyApi").is_some() {
            self.config.read_only = request.flag("settings.readOnlyApi");
            changed("readOnlyApi");
        }
        if let Some(master) = request.int("settings.masterClientId") {
            self.config.master_client_id = Some(master as i32);
            changed("masterClientId");
        }
        self.send(conn, m::SETTINGS_UPDATED, &values);
    }

    /// The text of error 321. The quoted letters of a real one differ by build and request.
    pub(super) fn validation(&mut self, conn: ConnId, id: i32, cause: &str) {
        self.error(conn, id, 321, &format!("Error validating request.-'bW' : cause - {cause}"));
    }

    /// The text of error 322.
    pub(super) fn processing(&mut self, conn: ConnId, id: i32, cause: &str) {
        self.error(conn, id, 322, &format!("Error processing request.-'bW' : cause - {cause}"));
    }

    pub(super) fn refuse_duplicate(&mut self, conn: ConnId, id: i32, code: u16) {
        match code {
            102 => self.error(conn, id, 102, "Duplicate ticker ID."),
            385 => self.error(conn, id, 385, "Duplicate ticker ID for API scanner subscription."),
            386 => self.error(conn, id, 386, "Duplicate ticker ID for API historical data query."),
            code => {
                let text = "Error processing request.-'bW' : cause - Duplicate ticker id";
                self.error(conn, id, i32::from(code), text);
            }
        }
    }

    pub(super) fn display_groups(&mut self, conn: ConnId, request: &Record) {
        let values = record! { reqId: req_id(request), groups: "1|2|3|4|5|6|7" };
        self.send(conn, m::DISPLAY_GROUPS, &values);
    }

    pub(super) fn join_group(&mut self, conn: ConnId, request: &Record) {
        let id = req_id(request);
        let group = request.int("groupId").unwrap_or_default() as i32;
        if !(1..=7).contains(&group) {
            return self.validation(conn, id, "Invalid display group");
        }
        self.subscribe(conn, (68, id), Feed::Group(group), None);
        self.show_group(conn, id, group);
    }

    pub(super) fn set_group(&mut self, conn: ConnId, request: &Record) {
        let id = req_id(request);
        let group = self.session(conn).and_then(|s| s.subscriptions.get(&(68, id))).map(|s| s.feed.clone());
        let Some(Feed::Group(group)) = group else {
            return self.validation(conn, id, "Display group is not subscribed");
        };
        self.groups.insert(group, request.get("contractInfo").unwrap_or_default().to_owned());
        let members = self.subscribers(|f| matches!(f, Feed::Group(g) if *g == group).then_some(()));
        for (conn, id, ()) in members {
            self.show_group(conn, id, group);
        }
    }

    fn show_group(&mut self, conn: ConnId, id: i32, group: i32) {
        let shown = self.groups.get(&group).map_or("none", String::as_str);
        let values = record! { reqId: id, contractInfo: shown };
        self.send(conn, m::DISPLAY_GROUP_UPDATED, &values);
    }
}
