//! Orders and executions as clients are shown them: live, on request, and at the start of a session.

use super::{
    ConnId, Gateway,
    accounts::UNSET,
    book::{Key, Order, Status},
    m,
    subscriptions::req_id,
};
use crate::{
    protocol::layout::Record,
    sim::{
        clock,
        instruments::{number, quantity},
        view::Answered,
    },
    time::Time,
};

impl Gateway {
    /// Who hears of an order live: its owner, and the master client.
    pub(super) fn audience(&self, key: Key) -> Vec<ConnId> {
        let master = self.config.master_client_id;
        let hidden = self.book.get(key).is_some_and(|o| o.manual && !o.bound);
        let hears = |id: i32| (id == key.0 && !hidden) || Some(id) == master;
        self.sessions.iter().filter(|(_, s)| s.client_id.is_some_and(hears)).map(|(c, _)| *c).collect()
    }

    /// The pair of messages 5 and 3 to everybody who hears of the order.
    pub(super) fn announce(&mut self, key: Key) {
        let again = self.book.get(key).is_some_and(|o| {
            let state = o.filled.to_bits() ^ o.status as u64;
            self.by_chance(self.config.order_faults.repeated, key, [23, state])
        });
        for conn in self.audience(key) {
            self.show_order(conn, key);
            if again {
                self.show_order(conn, key);
            }
        }
    }

    /// The same for an order that has just been filled, before its commission is known.
    pub(super) fn announce_without_commission(&mut self, key: Key) {
        let Some(commission) = self.book.get_mut(key).map(|o| std::mem::take(&mut o.commission)) else {
            return;
        };
        self.announce(key);
        if let Some(order) = self.book.get_mut(key) {
            order.commission = commission;
        }
    }

    pub(super) fn show_order(&mut self, conn: ConnId, key: Key) {
        let Some(order) = self.book.get(key) else { return };
        let mut values = order.open_record(self.instruments.by_id(order.con_id));
        if order.status == Status::Filled && order.commission > 0.0 {
            values.set("commission", number(order.commission)).set("commissionCurrency", "USD");
        } else {
            values.set("commission", UNSET);
        }
        values.set("minCommission", UNSET).set("maxCommission", UNSET);
        let status = order.status_record();
        self.send(conn, m::OPEN_ORDER, &values);
        self.send(conn, m::ORDER_STATUS, &status);
    }

    /// One message 5 with margins, and nothing else.
    pub(super) fn show_what_if(&mut self, conn: ConnId, order: &Order) {
        let Some(i) = self.instruments.by_id(order.con_id) else { return };
        let Some(account) = self.accounts.get(&order.account) else { return };
        let equity = account.net_liquidation(&self.instruments);
        let value = order.quantity * order.price("lmtPrice").unwrap_or(i.price) * i.unit();
        let (initial, maintenance) = (value * 0.5, value * 0.25);
        let held = equity - account.cash;
        let mut values = order.open_record(Some(i));
        values
            .set("status", "PreSubmitted")
            .set("whatIf", true)
            .set("whatIfType", 1)
            .set("initMarginBefore", number(held * 0.5))
            .set("maintMarginBefore", number(held * 0.25))
            .set("equityWithLoanBefore", number(equity))
            .set("initMarginChange", number(initial))
            .set("maintMarginChange", number(maintenance))
            .set("equityWithLoanChange", number(-1.0))
            .set("initMarginAfter", number(held * 0.5 + initial))
            .set("maintMarginAfter", number(held * 0.25 + maintenance))
            .set("equityWithLoanAfter", number(equity - 1.0))
            .set("commission", number((0.005 * order.quantity).max(1.0)))
            .set("minCommission", UNSET)
            .set("maxCommission", UNSET)
            .set("commissionCurrency", "USD")
            .set("marginCurrency", "USD");
        self.send(conn, m::OPEN_ORDER, &values);
    }

    /// The working orders that a client id is shown without asking.
    pub(super) fn orders_shown_at_start(&self, client: i32) -> Vec<Key> {
        let all = self.config.master_client_id == Some(client);
        self.book.keys(|o| o.status.is_working() && !o.manual && (all || o.key.0 == client))
    }

    pub(super) fn open_orders(&mut self, conn: ConnId) {
        let Some(client) = self.session(conn).and_then(|s| s.client_id) else { return };
        if client == 0 {
            self.bind_manual_orders(conn);
        }
        for key in self.book.keys(|o| o.key.0 == client && o.status.is_working() && (!o.manual || o.bound)) {
            self.show_order(conn, key);
        }
        self.send(conn, m::OPEN_ORDER_END, &Record::new());
    }

    pub(super) fn all_open_orders(&mut self, conn: ConnId) {
        for key in self.book.keys(|o| o.status.is_working()) {
            self.show_order(conn, key);
        }
        self.send(conn, m::OPEN_ORDER_END, &Record::new());
    }

    pub(super) fn auto_open_orders(&mut self, conn: ConnId, r: &Record) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.client_id != Some(0) {
            let text = "Only the default client (i.e 0) can auto bind orders";
            return self.error(conn, -1, 327, text);
        }
        session.binds_orders = r.flag("autoBind");
        if session.binds_orders {
            self.bind_manual_orders(conn);
        }
    }

    fn bind_manual_orders(&mut self, conn: ConnId) {
        for key in self.book.keys(|o| o.manual && !o.bound && o.status.is_working()) {
            self.change(key, |o| o.bound = true);
            let perm_id = self.book.get(key).map_or(0, |o| o.perm_id);
            let values = record! { permId: perm_id, clientId: key.0, orderId: key.1 };
            self.send(conn, m::ORDER_BOUND, &values);
            self.show_order(conn, key);
        }
    }

    /// Places an order as a person would in the Gateway's own window; its permanent id, or `None` when there is no
    /// such contract. Client 0 gets it if it binds orders.
    pub fn place_manual_order(
        &mut self,
        now: Time,
        con_id: i64,
        buy: bool,
        amount: f64,
        limit: f64,
    ) -> Option<i64> {
        self.advance(now);
        let mut fields = record! {
            action: if buy { "BUY" } else { "SELL" },
            orderType: "LMT",
            totalQuantity: quantity(amount),
            lmtPrice: number(limit),
            tif: "DAY",
            transmit: true,
        };
        fields.set("exchange", self.instruments.by_id(con_id)?.exchange());
        let id = -1 - self.book.keys(|o| o.manual).len() as i32;
        let account = self.config.accounts.first()?.clone();
        let mut order = Order::new((0, id), self.book.new_perm_id(), con_id, account, fields);
        order.status = Status::Submitted;
        order.manual = true;
        let perm_id = order.perm_id;
        self.book.insert(order);
        let binder = self.sessions.iter().find(|(_, s)| s.client_id == Some(0) && s.binds_orders);
        if let Some(conn) = binder.map(|(c, _)| *c) {
            self.bind_manual_orders(conn);
        }
        self.try_market((0, id));
        Some(perm_id)
    }

    /// First the cancelled ones of the asking client once more, then all, then the end.
    pub(super) fn completed_orders(&mut self, conn: ConnId) {
        let Some(client) = self.session(conn).and_then(|s| s.client_id) else { return };
        for key in self.book.keys(|o| o.key.0 == client && o.status == Status::Cancelled) {
            if let Some(status) = self.book.get(key).map(|o| o.status_record()) {
                self.send(conn, m::ORDER_STATUS, &status);
            }
        }
        for key in self.book.keys(|o| o.status.is_over()) {
            let Some(order) = self.book.get(key) else { continue };
            let values = order.open_record(self.instruments.by_id(order.con_id));
            self.send(conn, m::COMPLETED_ORDER, &values);
        }
        self.send(conn, m::COMPLETED_ORDERS_END, &Record::new());
    }

    /// All executions that the filter lets through, then all their commissions, then the end.
    pub(super) fn executions(&mut self, conn: ConnId, r: &Record) {
        let id = req_id(r);
        let text = |name| r.get(name).unwrap_or_default();
        let is = |name, value: &str| text(name).is_empty() || text(name).eq_ignore_ascii_case(value);
        let client = r.int("clientId").unwrap_or_default() as i32;
        let since = match text("time") {
            "" => i64::MIN,
            given => match clock::parse(given) {
                Some(time) => time,
                None => return self.validation(conn, id, "Invalid date/time format"),
            },
        };
        let found: Vec<_> = self
            .book
            .executions
            .iter()
            .filter(|e| {
                (client == 0 || client == e.key.0)
                    && e.time >= since
                    && is("acctCode", &e.account)
                    && is("symbol", &e.symbol)
                    && is("secType", &e.sec_type)
                    && is("exchange", e.values.get("exchange").unwrap_or_default())
                    && (is("side", if e.buy { "BUY" } else { "SELL" })
                        || is("side", if e.buy { "BOT" } else { "SLD" }))
            })
            .cloned()
            .collect();
        for execution in &found {
            let mut values = execution.values.clone();
            values.set("reqId", id);
            self.send(conn, m::EXECUTION, &values);
        }
        for execution in found.iter().filter(|e| e.reported) {
            self.send(conn, m::COMMISSION, &execution.commission);
        }
        self.send(conn, m::EXECUTIONS_END, &record! { reqId: id });
    }

    /// Exercise of an option: an order with the id of the request.
    pub(super) fn exercise(&mut self, conn: ConnId, mut r: Record) {
        let Some(client) = self.session(conn).and_then(|s| s.client_id) else { return };
        let id = r.int("id").unwrap_or(-1) as i32;
        if id < self.next_order_id(client) {
            return self.refuse_order(conn, id, 103, "Duplicate order id");
        }
        self.book.saw(client, id, self.config.first_order_id);
        let Some(i) = self.resolve(conn, id, &r) else { return self.decide(Answered::Refused(200)) };
        let amount = r.float("exerciseQuantity").unwrap_or_default();
        let account = match r.get("account") {
            None | Some("") => self.config.accounts[0].clone(),
            Some(name) => name.to_owned(),
        };
        let held =
            self.accounts.get(&account).and_then(|a| a.positions.get(&i.con_id)).map_or(0.0, |p| p.quantity);
        if i.sec_type != "OPT" || amount < 1.0 || held < amount {
            self.decide(Answered::Refused(322));
            return self.processing(conn, id, "Exercise is not possible: not enough long positions");
        }
        let under = self.instruments.by_id(i.under).map_or(0.0, |u| u.price);
        let inside = if i.right == "C" { under > i.strike } else { under < i.strike };
        if !inside && !r.flag("override") {
            self.decide(Answered::Refused(322));
            self.processing(conn, id, "Option is not in the money");
            return self.back_end_error(conn, id, 202, "Order Canceled - reason:");
        }
        self.decide(Answered::Accepted);
        r.set("action", "BUY").set("orderType", "MKT").set("tif", "DAY").set("orderId", id);
        r.set("totalQuantity", quantity(amount));
        let mut order = Order::new((client, id), self.book.new_perm_id(), i.con_id, account, r);
        order.status = Status::PreSubmitted;
        self.book.insert(order);
        self.stats.orders_placed += 1;
        self.error(conn, id, 10349, "Order TIF was set to DAY based on order preset.");
        self.announce((client, id));
    }
}
