//! What is done with orders, and what is asked about them.

use super::*;

impl Driver<'_> {
    /// Places an order, or modifies it, and reads its own subscription until it comes back with the price and rests.
    pub(super) fn send_limit(&mut self, order_id: i32, price: f64, what: &str) -> Outcome<OrderData> {
        let tour = self.tour;
        let order = self.order(Some(price));
        let events = tour.answer(self.client.place_order(order_id, &self.stock, &order), what)?;
        let mut echo = None;
        let mut rests = false;
        tour.read(events.timeout_iter(self.patience()), what, |item| {
            match item {
                SubscriptionItem::Data(PlaceOrder::OpenOrder(data))
                    if data.order.limit_price == Some(price) =>
                {
                    echo = Some(data);
                }
                SubscriptionItem::Data(PlaceOrder::OrderStatus(status)) => {
                    rests = rests || is_resting(&status.status)
                }
                _ => {}
            }
            rests && echo.is_some()
        })?;
        echo.map_or_else(|| tour.failed(format!("no {what}")), Ok)
    }

    /// A limit order far from the market: it rests.
    pub(super) fn place_resting(&mut self) -> Outcome<i32> {
        let tour = self.tour;
        tour.begin("place a resting order");
        let order_id = self.new_order_id();
        let echo = self.send_limit(order_id, RESTING_PRICE, &format!("order {order_id} to rest"))?;
        let order = &echo.order;
        tour.check(echo.order_id == order_id, || format!("order {order_id} came back as {}", echo.order_id))?;
        tour.check(order.order_ref == tour.order_ref, || {
            format!("order {order_id} came back with orderRef {:?}", order.order_ref)
        })?;
        tour.check(same(order.total_quantity, self.quantity()), || {
            format!("order {order_id} came back with quantity {}", order.total_quantity)
        })?;
        tour.check(order.perm_id > 0, || "the order has no permId".into())?;
        tour.step(
            "place a resting order",
            json!({"order_id": order_id, "client_id": order.client_id, "status": "resting"}),
        );
        Ok(order_id)
    }

    pub(super) fn modify(&mut self, order_id: i32) -> Outcome {
        self.tour.begin("modify the resting order");
        let what = format!("order {order_id} to come back with price {MODIFIED_PRICE}");
        self.send_limit(order_id, MODIFIED_PRICE, &what)?;
        self.tour.step("modify the resting order", json!({"order_id": order_id, "price": MODIFIED_PRICE}));
        Ok(())
    }

    /// The orders of a list that ends.
    pub(super) fn list(
        &self,
        answer: Result<Subscription<Orders>, Error>,
        what: &str,
    ) -> Outcome<Vec<OrderData>> {
        self.tour.await_for(what);
        let rows = self.tour.answer(answer, what)?.collect_to_end_within(self.patience());
        let orders = self.tour.answer(rows, what)?.into_iter().filter_map(|row| match row {
            Orders::OrderData(data) => Some(data),
            Orders::OrderStatus(_) => None,
        });
        Ok(orders.collect())
    }

    pub(super) fn open_orders(&mut self, order_id: i32) -> Outcome {
        let tour = self.tour;
        tour.begin("open orders");
        let found = self.list(self.client.open_orders(), "the open orders with their end")?;
        let ids: BTreeSet<i32> = found.iter().map(|data| data.order_id).collect();
        let clients: BTreeSet<i32> = found.iter().map(|data| data.order.client_id).collect();
        tour.check(ids.iter().eq([&order_id]), || {
            format!("open orders are {ids:?}, expected only {order_id}")
        })?;
        tour.check(clients.iter().eq([&self.me()]), || format!("open orders of clients {clients:?}"))?;
        tour.step("open orders", json!({"order_id": order_id, "rows": ids.len()}));
        Ok(())
    }

    pub(super) fn all_open_orders(&mut self, order_id: i32) -> Outcome {
        let tour = self.tour;
        tour.begin("all open orders");
        let found = self.list(self.client.all_open_orders(), "all open orders with their end")?;
        let (own, foreign): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|data| data.order.client_id == self.me());
        let mine: BTreeSet<i32> = own.iter().map(|data| data.order_id).collect();
        tour.check(mine.iter().eq([&order_id]), || format!("own orders among all open ones: {mine:?}"))?;
        let others: BTreeSet<i32> = foreign.iter().map(|data| data.order.client_id).collect();
        tour.step("all open orders", json!({"order_id": order_id, "volatile": {"others": others}}));
        self.foreign_shown = self.foreign_orders();
        Ok(())
    }

    pub(super) fn send_cancel(&self, order_id: i32, what: &str) -> Outcome<Subscription<CancelOrder>> {
        self.tour.answer(self.client.cancel_order(order_id, ""), what)
    }

    pub(super) fn cancel(&mut self, order_id: i32) -> Outcome {
        let tour = self.tour;
        tour.begin("cancel the resting order");
        let what = format!("order {order_id} to be cancelled, with 202");
        let answers = self.send_cancel(order_id, &what)?;
        let (mut cancelled, mut confirmed) = (false, false);
        tour.read(answers.timeout_iter(self.patience()), &what, |item| {
            match item {
                SubscriptionItem::Data(CancelOrder::OrderStatus(status)) => {
                    cancelled = cancelled || status.status == OrderStatusKind::Cancelled;
                }
                SubscriptionItem::Notice(notice) => confirmed = confirmed || notice.code == 202,
            }
            cancelled && confirmed
        })?;
        let fills =
            tour.tap(|tap| tap.executions.iter().any(|e| e.request_id == -1 && e.order_id == order_id));
        tour.check(!fills, || "the cancelled order has fills".into())?;
        tour.step(
            "cancel the resting order",
            json!({"order_id": order_id, "status": "Cancelled", "code": 202}),
        );
        Ok(())
    }

    /// Sent without a subscription of its own: what becomes of it is told by the stream of all order updates.
    pub(super) fn market_order(&mut self) -> Outcome<i32> {
        let tour = self.tour;
        tour.begin("market order");
        let quantity = self.quantity();
        let order_id = self.new_order_id();
        let what =
            format!("order {order_id} to fill, with executions over {quantity} and a commission for each");
        tour.answer(self.client.submit_order(order_id, &self.stock, &self.order(None)), &what)?;
        let updates = &mut self.updates;
        tour.read(self.stream.timeout_iter(tour.args.patience), &what, |item| {
            updates.take(item);
            let fills = updates.fills(order_id);
            updates.status(order_id, OrderStatusKind::Filled).is_some()
                && same(fills.iter().map(|e| e.shares).sum(), quantity)
                && fills.iter().all(|e| updates.commissions.contains_key(&e.execution_id))
        })?;

        let fills = self.updates.fills(order_id);
        for e in &fills {
            tour.check(e.client_id == self.me(), || format!("a fill of client {}", e.client_id))?;
            tour.check(e.order_reference == tour.order_ref, || {
                format!("a fill with orderRef {:?}", e.order_reference)
            })?;
            tour.check(self.accounts.contains(&e.account_number), || {
                format!("a fill of {}", e.account_number)
            })?;
            let fee = self.updates.commissions[&e.execution_id].commission;
            tour.check(e.price > 0.0 && fee > 0.0, || "a fill without price or fee".into())?;
        }
        let Some(filled) = self.updates.status(order_id, OrderStatusKind::Filled) else {
            return tour.failed(format!("order {order_id} has no status Filled"));
        };
        tour.check(same(filled.filled, quantity) && same(filled.remaining, 0.0), || {
            format!("filled {}, left {}", filled.filled, filled.remaining)
        })?;
        tour.step(
            "market order",
            json!({
                "order_id": order_id,
                "client_id": self.me(),
                "status": "Filled",
                "filled": quantity,
                "side": fills[0].side.as_str(),
                "fee_currency": self.updates.commissions[&fills[0].execution_id].currency,
                "volatile": {"fills": fills.len(), "price": filled.average_fill_price},
            }),
        );
        Ok(order_id)
    }

    /// The executions that a filter lets through, and the id of the request.
    pub(super) fn ask_executions(
        &mut self,
        filter: ExecutionFilter,
        what: &str,
    ) -> Outcome<(i32, Vec<Execution>)> {
        let tour = self.tour;
        tour.await_for(what);
        let rows = tour.answer(self.client.executions(filter), what)?;
        let request = self.request(rows.request_id())?;
        let rows = tour.answer(rows.collect_to_end_within(self.patience()), what)?;
        let executions = rows.into_iter().filter_map(|row| match row {
            Executions::ExecutionData(data) => Some(data.execution),
            Executions::CommissionReport(_) => None,
        });
        Ok((request, executions.collect()))
    }

    pub(super) fn executions(&mut self, order_id: i32) -> Outcome {
        let tour = self.tour;
        let me = self.me();
        tour.begin("executions of this client");
        let filter = ExecutionFilter { client_id: Some(me), ..Default::default() };
        let (request, found) = self.ask_executions(filter, "own executions with their end")?;
        let odd: Vec<(i32, i32)> =
            found.iter().filter(|e| e.client_id != me).map(|e| (e.client_id, e.order_id)).collect();
        tour.check(odd.is_empty(), || format!("asked for own executions, got those of {odd:?}"))?;
        let shares: f64 = found.iter().filter(|e| e.order_id == order_id).map(|e| e.shares).sum();
        tour.check(same(shares, self.quantity()), || format!("own executions sum up to {shares}"))?;
        tour.step(
            "executions of this client",
            json!({"req_id": request, "order_id": order_id, "shares": shares}),
        );

        tour.begin("executions of everybody");
        let (request, found) =
            self.ask_executions(ExecutionFilter::default(), "all executions with their end")?;
        let (own, foreign): (Vec<_>, Vec<_>) = found.into_iter().partition(|e| e.client_id == me);
        let own: Vec<_> = own.into_iter().filter(|e| e.order_id == order_id).collect();
        let shares: f64 = own.iter().map(|e| e.shares).sum();
        tour.check(same(shares, self.quantity()), || format!("own executions among all sum up to {shares}"))?;
        tour.check(own.iter().all(|e| e.order_reference == tour.order_ref), || {
            "an own execution with another orderRef".into()
        })?;
        let others: BTreeSet<i32> = foreign.iter().map(|e| e.client_id).collect();
        tour.step(
            "executions of everybody",
            json!({"req_id": request, "order_id": order_id, "shares": shares, "volatile": {"others": others}}),
        );
        Ok(())
    }

    pub(super) fn completed(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("completed orders");
        let found = self.list(self.client.completed_orders(false), "the completed orders with their end")?;
        let (own, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|data| data.order.order_ref == tour.order_ref);
        let mut own: Vec<String> = own.iter().map(|data| data.order_state.status.to_string()).collect();
        own.sort();
        tour.check(own == ["Cancelled", "Filled"], || format!("own completed orders are {own:?}"))?;
        tour.step("completed orders", json!({"own": own, "volatile": {"others": others.len()}}));
        Ok(())
    }
}
