//! What the accounts look like to clients: updates, summaries, positions, profit and loss (LIVE.md 6).

use std::time::Duration;

use super::{
    ConnId, Gateway, m,
    portfolio::{Account, Position, Value},
    subscriptions::{Feed, req_id},
};
use crate::{
    protocol::layout::Record,
    sim::{
        clock,
        instruments::{number, quantity},
    },
};

/// How an unset double is written.
pub const UNSET: &str = "1.7976931348623157E308";
/// Active account summaries of one connection.
const MOST_SUMMARIES: usize = 2;
/// Keys that belong to a single currency's ledger.
const LEDGER: [&str; 8] = [
    "CashBalance",
    "Currency",
    "ExchangeRate",
    "NetLiquidationByCurrency",
    "RealizedPnL",
    "StockMarketValue",
    "TotalCashBalance",
    "UnrealizedPnL",
];

impl Gateway {
    /// The account that a request names; the only one when it names none.
    fn account(&self, name: &str) -> Option<Account> {
        match (name, &self.accounts.list[..]) {
            ("", [only]) => Some(only.clone()),
            ("", _) => None,
            (name, _) => self.accounts.get(name).cloned(),
        }
    }

    pub(super) fn account_updates(&mut self, conn: ConnId, r: &Record) {
        let name = r.get("acctCode").unwrap_or_default();
        let Some(account) = self.account(name) else {
            return self.validation(conn, -1, "Invalid account code");
        };
        let held = self.session(conn).and_then(|s| s.account.clone());
        if !r.flag("subscribe") {
            if held.is_some() {
                self.set_account(conn, None);
                self.error(conn, -1, 2100, "API client has been unsubscribed from account data.");
            }
            return;
        }
        let others = self.sessions.iter().filter(|(c, _)| **c != conn);
        let blockers: Vec<_> = others
            .filter(|(_, s)| s.account.as_ref().is_some_and(|a| *a != account.name))
            .filter_map(|(_, s)| s.client_id)
            .map(|id| id.to_string())
            .collect();
        if !blockers.is_empty() {
            let text = format!(
                "Unable to subscribe to account as the following clients are subscribed to a different account.{}",
                blockers.join(",")
            );
            return self.error(conn, -1, 2101, &text);
        }
        if held.is_some_and(|h| h != account.name) {
            self.error(conn, -1, 2100, "API client has been unsubscribed from account data.");
        }
        self.set_account(conn, Some(account.name.clone()));
        for value in account.values(&self.instruments) {
            self.send_value(conn, &account.name, &value);
        }
        for (con_id, position) in &account.positions {
            self.send_portfolio(conn, &account.name, *con_id, *position);
            self.send_account_time(conn);
        }
        self.send_account_time(conn);
        self.send(conn, m::ACCOUNT_DOWNLOAD_END, &record! { accountName: &account.name });
    }

    fn set_account(&mut self, conn: ConnId, name: Option<String>) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.account = name;
        }
    }

    fn send_value(&mut self, conn: ConnId, account: &str, (key, value, currency): &Value) {
        let values = record! { key: key, value: value, currency: currency, accountName: account };
        self.send(conn, m::ACCOUNT_VALUE, &values);
    }

    fn send_account_time(&mut self, conn: ConnId) {
        let stamp = clock::eastern_minute(self.wall());
        self.send(conn, m::ACCOUNT_TIME, &record! { timeStamp: stamp });
    }

    fn send_portfolio(&mut self, conn: ConnId, account: &str, con_id: i64, p: Position) {
        let Some(i) = self.instruments.by_id(con_id) else { return };
        let unit = i.price * i.unit();
        let mut values = record! {
            exchange: i.primary,
            position: quantity(p.quantity),
            marketPrice: number(i.price),
            marketValue: number(p.quantity * unit),
            averageCost: number(p.cost),
            unrealizedPNL: number(p.quantity * (unit - p.cost)),
            realizedPNL: number(p.realized),
            accountName: account,
        };
        i.describe(&mut values);
        if i.right.is_empty() {
            values.set("right", "0");
        }
        self.send(conn, m::PORTFOLIO, &values);
    }

    pub(super) fn account_summary(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        if self.count(conn, |f| matches!(f, Feed::Summary(..))) >= MOST_SUMMARIES {
            return self.processing(conn, id, "Maximum number of account summary requests exceeded");
        }
        let (group, tags) = (r.get("groupName").unwrap_or_default(), r.get("tags").unwrap_or_default());
        if group.is_empty() || tags.is_empty() {
            return self.validation(conn, id, "The group name cannot be null");
        }
        let feed = Feed::Summary(group.into(), tags.into());
        for _ in 0..if self.config.double_summary { 2 } else { 1 } {
            self.send_summary(conn, id, group, tags);
            self.send(conn, m::ACCOUNT_SUMMARY_END, &record! { reqId: id });
        }
        self.subscribe(conn, (62, id), feed, Some(self.config.summary_interval));
    }

    /// Rows sorted by tag for every account of the group.
    fn send_summary(&mut self, conn: ConnId, id: i32, group: &str, tags: &str) {
        let mut tags: Vec<&str> = tags.split(',').map(str::trim).filter(|t| !t.is_empty()).collect();
        tags.sort_unstable();
        tags.dedup();
        let accounts: Vec<_> =
            self.accounts.list.iter().filter(|a| group == "All" || a.name == group).cloned().collect();
        for account in accounts {
            let values = account.values(&self.instruments);
            for tag in &tags {
                let ledger = tag.strip_prefix("$LEDGER").map(|rest| rest.trim_start_matches(':'));
                for (key, value, currency) in &values {
                    let wanted = match ledger {
                        None => key == tag && !(LEDGER.contains(key) && *currency == "BASE"),
                        Some("ALL") => LEDGER.contains(key),
                        Some("") => LEDGER.contains(key) && *currency == "BASE",
                        Some(one) => LEDGER.contains(key) && *currency == one,
                    };
                    if wanted {
                        let row = record! {
                            reqId: id,
                            account: &account.name,
                            tag: key,
                            value: value,
                            currency: currency,
                        };
                        self.send(conn, m::ACCOUNT_SUMMARY, &row);
                    }
                }
            }
        }
    }

    pub(super) fn refresh_summary(
        &mut self,
        conn: ConnId,
        id: i32,
        group: &str,
        tags: &str,
    ) -> Option<Duration> {
        self.send_summary(conn, id, group, tags);
        Some(self.config.summary_interval)
    }

    fn position_record(&self, account: &str, con_id: i64, p: Position) -> Option<Record> {
        let i = self.instruments.by_id(con_id)?;
        let mut values = record! {
            account: account,
            exchange: i.primary,
            position: quantity(p.quantity),
            avgCost: number(p.cost),
        };
        i.describe(&mut values);
        Some(values)
    }

    pub(super) fn positions(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.positions = true;
        }
        for account in self.accounts.list.clone() {
            for (con_id, position) in &account.positions {
                if let Some(values) = self.position_record(&account.name, *con_id, *position) {
                    self.send(conn, m::POSITION, &values);
                }
            }
        }
        self.send(conn, m::POSITION_END, &Record::new());
    }

    pub(super) fn cancel_positions(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.positions = false;
        }
    }

    pub(super) fn positions_multi(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let model = r.get("modelCode").unwrap_or_default();
        let name = r.get("account").unwrap_or_default().to_owned();
        // Models do not exist here: one that is named is empty.
        for account in self.accounts.list.clone() {
            if model.is_empty() && (name.is_empty() || name == account.name) {
                for (con_id, position) in &account.positions {
                    self.send_position_multi(conn, id, &account.name, *con_id, *position);
                }
            }
        }
        self.send(conn, m::POSITION_MULTI_END, &record! { reqId: id });
        self.subscribe(conn, (74, id), Feed::Positions(name), None);
    }

    fn send_position_multi(&mut self, conn: ConnId, id: i32, account: &str, con_id: i64, p: Position) {
        if let Some(mut values) = self.position_record(account, con_id, p) {
            values.set("reqId", id).set("modelCode", "");
            self.send(conn, m::POSITION_MULTI, &values);
        }
    }

    pub(super) fn account_multi(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let name = r.get("account").unwrap_or_default();
        let Some(account) = self.account(name) else {
            return self.validation(conn, id, "Invalid account code");
        };
        let ledger_only = r.flag("ledgerAndNLV");
        if r.get("modelCode").unwrap_or_default().is_empty() {
            self.send_account_multi(conn, id, &account, ledger_only);
        }
        self.send(conn, m::ACCOUNT_MULTI_END, &record! { reqId: id });
        self.subscribe(conn, (76, id), Feed::Account(account.name, ledger_only), None);
    }

    fn send_account_multi(&mut self, conn: ConnId, id: i32, account: &Account, ledger_only: bool) {
        for (key, value, currency) in account.values(&self.instruments) {
            if ledger_only && !LEDGER.contains(&key) && key != "NetLiquidation" {
                continue;
            }
            let values = record! {
                reqId: id,
                account: &account.name,
                modelCode: "",
                key: key,
                value: value,
                currency: currency,
            };
            self.send(conn, m::ACCOUNT_MULTI, &values);
        }
    }

    pub(super) fn req_pnl(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let Some(account) = self.account(r.get("account").unwrap_or_default()) else {
            return self.validation(conn, id, "Invalid account code");
        };
        let next = self.send_pnl(conn, id, &account.name);
        self.subscribe(conn, (92, id), Feed::Pnl(account.name), next);
    }

    pub(super) fn send_pnl(&mut self, conn: ConnId, id: i32, account: &str) -> Option<Duration> {
        let (daily, unrealized, realized) = self.accounts.get(account)?.profit(&self.instruments);
        let values = record! {
            reqId: id,
            dailyPnL: number(daily),
            unrealizedPnL: number(unrealized),
            realizedPnL: number(realized),
        };
        self.send(conn, m::PNL, &values);
        Some(self.config.pnl_interval)
    }

    pub(super) fn req_pnl_single(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let Some(account) = self.account(r.get("account").unwrap_or_default()) else {
            return self.validation(conn, id, "Invalid account code");
        };
        let con_id = r.int("conId").unwrap_or_default();
        let next = self.send_pnl_single(conn, id, &account.name, con_id);
        self.subscribe(conn, (94, id), Feed::PnlSingle(account.name, con_id), next);
    }

    pub(super) fn send_pnl_single(
        &mut self,
        conn: ConnId,
        id: i32,
        account: &str,
        con_id: i64,
    ) -> Option<Duration> {
        let next = Some(self.config.pnl_interval);
        let Some(i) = self.instruments.by_id(con_id) else { return next };
        let Some(p) = self.accounts.get(account)?.positions.get(&con_id) else { return next };
        let value = p.quantity * i.price * i.unit();
        let unrealized = value - p.quantity * p.cost;
        let values = record! {
            reqId: id,
            position: quantity(p.quantity),
            dailyPnL: number(unrealized + p.realized),
            unrealizedPnL: number(unrealized),
            realizedPnL: if p.realized == 0.0 { UNSET.to_owned() } else { number(p.realized) },
            value: number(value),
        };
        self.send(conn, m::PNL_SINGLE, &values);
        next
    }

    /// Tells everybody who follows an account that a position of it has changed.
    pub(super) fn announce_position(&mut self, account: &str, con_id: i64) {
        let Some(holder) = self.accounts.get(account).cloned() else { return };
        let Some(position) = holder.positions.get(&con_id).copied() else { return };
        let changed = holder.values(&self.instruments);
        for conn in self.started() {
            let Some(session) = self.session(conn) else { continue };
            let (positions, updates) = (session.positions, session.account.as_deref() == Some(account));
            if positions && let Some(values) = self.position_record(account, con_id, position) {
                self.send(conn, m::POSITION, &values);
            }
            if updates {
                self.send_portfolio(conn, account, con_id, position);
                let keys =
                    ["AvailableFunds", "BuyingPower", "CashBalance", "NetLiquidation", "TotalCashBalance"];
                for value in changed.iter().filter(|v| keys.contains(&v.0)) {
                    self.send_value(conn, account, value);
                }
                self.send_account_time(conn);
            }
        }
        let multi = self.subscribers(|f| match f {
            Feed::Positions(name) => (name.is_empty() || name == account).then_some(None),
            Feed::Account(name, ledger_only) => (name == account).then_some(Some(*ledger_only)),
            _ => None,
        });
        for (conn, id, what) in multi {
            match what {
                None => self.send_position_multi(conn, id, account, con_id, position),
                Some(ledger_only) => self.send_account_multi(conn, id, &holder, ledger_only),
            }
        }
    }
}
