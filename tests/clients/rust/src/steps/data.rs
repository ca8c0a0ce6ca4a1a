//! What is asked of the account and the market.

use super::*;

impl Driver<'_> {
    pub(super) fn account(&mut self) -> Outcome {
        let tour = self.tour;
        let patience = self.patience();
        let known = |account: &String| self.accounts.contains(account);

        tour.begin("positions");
        let what = "the positions with their end";
        let positions = tour.answer(self.client.positions(), what)?;
        let mut symbols = Vec::new();
        let mut strange = Vec::new();
        tour.read(positions.timeout_iter(patience), what, |item| match item {
            SubscriptionItem::Data(PositionUpdate::Position(position)) => {
                symbols.push(position.contract.symbol.to_string());
                strange.extend(Some(position.account).filter(|account| !known(account)));
                false
            }
            SubscriptionItem::Data(PositionUpdate::PositionEnd) => true,
            SubscriptionItem::Notice(_) => false,
        })?;
        positions.cancel();
        tour.check(strange.is_empty(), || format!("positions of foreign accounts {strange:?}"))?;
        symbols.sort();
        tour.step("positions", json!({"volatile": {"symbols": symbols}}));

        tour.begin("account updates");
        let what = "account updates with their end";
        let account = AccountId(self.accounts[0].clone());
        let values = tour.answer(self.client.account_updates(&account), what)?;
        let mut tags = BTreeSet::new();
        let mut strange = Vec::new();
        tour.read(values.timeout_iter(patience), what, |item| match item {
            SubscriptionItem::Data(AccountUpdate::AccountValue(value)) => {
                tags.insert(value.key);
                strange.extend(value.account.filter(|name| *name != account.0));
                false
            }
            SubscriptionItem::Data(AccountUpdate::End) => true,
            SubscriptionItem::Data(_) | SubscriptionItem::Notice(_) => false,
        })?;
        values.cancel();
        tour.check(!tags.is_empty(), || "no account values".into())?;
        tour.check(strange.is_empty(), || format!("values of foreign accounts {strange:?}"))?;
        tour.step("account updates", json!({"tags": tags}));

        tour.begin("account summary");
        let what = "the account summary with its end";
        let summary =
            tour.answer(self.client.account_summary(&AccountGroup("All".into()), &SUMMARY_TAGS), what)?;
        let mut tags = BTreeSet::new();
        let mut strange = Vec::new();
        tour.read(summary.timeout_iter(patience), what, |item| match item {
            SubscriptionItem::Data(AccountSummaryResult::Summary(row)) => {
                tags.insert(row.tag);
                strange.extend(Some(row.account).filter(|account| !known(account)));
                false
            }
            SubscriptionItem::Data(AccountSummaryResult::End) => true,
            SubscriptionItem::Notice(_) => false,
        })?;
        summary.cancel();
        tour.check(tags.iter().eq(SUMMARY_TAGS.iter()), || format!("the summary has the tags {tags:?}"))?;
        tour.check(strange.is_empty(), || format!("the summary has the foreign accounts {strange:?}"))?;
        let request = self.request(summary.request_id())?;
        tour.step("account summary", json!({"req_id": request, "tags": tags}));
        Ok(())
    }

    pub(super) fn contracts(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("contract details");
        for contract in [self.stock.clone(), euro()] {
            let what = format!("the contract details of {}", contract.symbol);
            tour.await_for(&what);
            let rows = tour.answer(self.client.contract_details_stream(&contract).subscribe(), &what)?;
            let request = self.request(rows.request_id())?;
            let rows = tour.answer(rows.collect_to_end_within(self.patience()), &what)?;
            let Some(details) = rows.first() else { return tour.failed(format!("{what} are none")) };
            let found = &details.contract;
            let asked = format!("{} {}", contract.symbol, contract.security_type);
            let got = format!("{} {}", found.symbol, found.security_type);
            tour.check(asked == got, || format!("asked for {asked}, got {got}"))?;
            tour.check(found.contract_id > 0, || "a contract without conId".into())?;
            tour.step(
                "contract details",
                json!({
                    "req_id": request,
                    "asked": asked,
                    "con_id": found.contract_id,
                    "local_symbol": found.local_symbol,
                    "long_name": details.long_name,
                    "min_tick": details.min_tick,
                    "rows": rows.len(),
                }),
            );
        }

        tour.begin("unknown contract");
        let what = "the refusal of an unknown contract";
        let unknown = Contract::stock(UNKNOWN_SYMBOL).build();
        let rows = tour.answer(self.client.contract_details_stream(&unknown).subscribe(), what)?;
        let request = self.request(rows.request_id())?;
        let code = tour.refusal(rows.timeout_iter(self.patience()), what)?;
        tour.check(code == 200, || format!("an unknown contract drew {code}"))?;
        self.allowed_errors.push((request, code));
        tour.step("unknown contract", json!({"req_id": request, "code": code}));
        Ok(())
    }

    pub(super) fn stream(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("market data stream");
        let symbol = self.stock.symbol.to_string();
        let what = format!("bid, ask and last of {symbol}");
        let ticks = tour.answer(self.client.market_data(&self.stock).subscribe(), &what)?;
        let request = self.request(ticks.request_id())?;
        let mut prices = BTreeMap::new();
        let mut first = 0;
        tour.read(ticks.timeout_iter(self.patience()), &what, |item| {
            if let Some((kind, price)) = price_of(item) {
                first += 1;
                prices.insert(kind, price);
            }
            [TickType::Bid, TickType::Ask, TickType::Last]
                .iter()
                .all(|kind| prices.contains_key(&(*kind as i32)))
        })?;
        let mut more = 0;
        tour.read(ticks.timeout_iter(self.patience()), &format!("three more prices of {symbol}"), |item| {
            more += i32::from(price_of(item).is_some());
            more >= 3
        })?;
        ticks.cancel();
        let (bid, ask) = (prices[&(TickType::Bid as i32)], prices[&(TickType::Ask as i32)]);
        tour.check(prices.values().all(|price| *price > 0.0), || format!("odd prices {prices:?}"))?;
        tour.step(
            "market data stream",
            json!({
                "req_id": request,
                "symbol": symbol,
                "bid_ask_last": true,
                "volatile": {"bid": bid, "ask": ask, "first_ticks": first},
            }),
        );
        Ok(())
    }

    pub(super) fn snapshot(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("market data snapshot");
        let what = "the snapshot of EUR.USD with its end";
        let contract = euro();
        let ticks = tour.answer(self.client.market_data(&contract).snapshot().subscribe(), what)?;
        let request = self.request(ticks.request_id())?;
        let mut prices = BTreeMap::new();
        tour.read(ticks.timeout_iter(self.patience()), what, |item| match item {
            SubscriptionItem::Data(TickTypes::SnapshotEnd) => true,
            item => {
                prices.extend(price_of(item));
                false
            }
        })?;
        let both = [TickType::Bid, TickType::Ask].map(|kind| prices.get(&(kind as i32)).copied());
        let [Some(bid), Some(_)] = both else {
            return tour.failed(format!("a snapshot without bid and ask: {prices:?}"));
        };
        tour.check(0.2 < bid && bid < 5.0, || format!("the price {bid} is not one of EUR.USD"))?;
        tour.step("market data snapshot", json!({"req_id": request, "symbol": "EUR.USD", "bid_ask": true}));
        Ok(())
    }

    /// The library does not tell the id of this request. It lies between those of the requests before and after.
    pub(super) fn history(&mut self) -> Outcome {
        let tour = self.tour;
        tour.begin("historical bars");
        let what = "historical bars with their end";
        tour.await_for(what);
        let end = OffsetDateTime::from_unix_timestamp(HISTORY_END).expect("a time within range");
        let asked = self.client.historical_data(&self.stock, BarSize::Min30).what_to_show(WhatToShow::Trades);
        let asked = asked.trading_hours(TradingHours::Regular).ending(end).duration(1.days());
        let bars = tour.answer(asked.fetch(), what)?.bars;
        self.last_request += 1;
        tour.check(!bars.is_empty(), || "no historical bars".into())?;
        tour.check(bars.windows(2).all(|two| two[0].date < two[1].date), || {
            "historical bars are not in order, or double".into()
        })?;
        let sound = |low: f64, price: f64, high: f64| low <= price && price <= high;
        tour.check(
            bars.iter().all(|b| sound(b.low, b.open, b.high) && sound(b.low, b.close, b.high)),
            || "a bar out of range".into(),
        )?;
        let rows: Vec<Value> =
            bars.iter().map(|b| json!([b.date.to_string(), b.open, b.high, b.low, b.close])).collect();
        tour.step("historical bars", json!({"bars": rows}));
        Ok(())
    }
}
