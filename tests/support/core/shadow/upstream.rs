//! What leaves for the Gateway, and what it says.

use super::*;

impl Shadow {
    /// A frame left for the Gateway: it must be something that somebody asked for and that may still leave.
    pub fn left(&mut self, f: &Frame, now: u64, durable: u64) {
        let r = f.request();
        let int = |name: &str| r.int(name).map(|n| n as i32);
        let in_line = matches!(f.id, 3 | 4 | 5 | 7 | 16 | 21 | 58 | 99);
        if !in_line && !matches!(f.id, 49 | 71 | 105) {
            let first = self.next_turn(durable).map(|line| self.lines[&line][0]);
            assert!(first.is_none(), "I7: message {} leaves before {first:?}", f.id);
        }
        match f.id {
            71 => {}
            8 => self.id_questions = self.id_questions.checked_sub(1).expect("after a 103"),
            49 | 105 => {
                if let Some(last) = self.last_clock_request {
                    assert!(now - last >= 5 * SECOND, "clock requests closer than 5 s");
                }
                self.last_clock_request = Some(now);
            }
            59 => {
                let wanted = int("marketDataType").expect("a type");
                assert_ne!(wanted, self.data_type, "the market data type is switched only when needed");
                self.data_type = wanted;
            }
            3 | 21 => self.order_left(f, &r, durable),
            4 => {
                let up = int("orderId").expect("an id");
                let at = *self.by_up_order.get(&up).expect("a cancel of an order that left");
                self.leaves(durable, |turn| matches!(turn, Turn::Cancel(of, _) if of == at));
                self.cancel_takes_off(at);
            }
            58 => {
                self.last_global_cancel = Some(now);
                if let Turn::GlobalCancel(who) =
                    self.leaves(durable, |turn| matches!(turn, Turn::GlobalCancel(_)))
                    && self.is_ready(who)
                {
                    self.global_cancels.insert(who, now);
                }
                self.orders_changed(Some(true));
            }
            5 | 16 | 99 => {
                let lane = (if f.id == 99 { 99 } else { 5 }, 0);
                self.leaves(durable, |turn| turn == Turn::Lane(lane));
                self.lane_left(lane, f.id);
            }
            18 => self.lane_left((18, i64::from(int("faDataType").expect("a key"))), 18),
            91 => self.lane_left((91, i64::from(int("marketRuleId").expect("a key"))), 91),
            24 | 80 | 82 | 85 => self.lane_left((f.id, 0), f.id),
            // What they say the Gateway's side looks at.
            6 | 61 | 64 | 12 | 13 => self.stream_left(f),
            15 => self.binding_left(),
            7 if r.get("symbol").is_none_or(str::is_empty) => {
                self.leaves(durable, |turn| turn == Turn::OwnQuery);
                if self.lists.step == Step::Executions && self.lists.query.is_none() {
                    self.lists.query = int("reqId");
                    self.lists.deadline = now + 30 * SECOND;
                }
                let filters = ["clientId", "acctCode", "symbol", "secType", "exchange", "side", "time"];
                let nothing = |name| matches!(r.get(name), None | Some("" | "0"));
                assert!(filters.into_iter().all(nothing), "all executions are asked for");
            }
            7 => {
                let token = r.get("symbol").and_then(|t| t.parse().ok()).expect("a token");
                assert_eq!(int("clientId").unwrap_or(0), 0, "the client filter is applied here");
                self.leaves(durable, |turn| turn == Turn::Query(token - 1));
                self.request_left(token, f);
            }
            id => {
                if let Some(kind) = KINDS.iter().find(|k| k.req == id) {
                    let token = r.get(kind.token).and_then(|t| t.parse().ok()).expect("a token");
                    let at = self.request_left(token, f);
                    if id == 1 {
                        let wanted = self.insts[at].data_type;
                        assert_eq!(self.data_type, wanted, "a quote request under another market data type");
                    }
                    return;
                }
                let kind = KINDS.iter().position(|k| k.cancel == id && id != 0);
                let kind = kind.unwrap_or_else(|| panic!("message {id} is nobody's"));
                let up = int("reqId").expect("an id");
                if self.moved.remove(&up) {
                    return;
                }
                let at = *self.by_up.get(&up).expect("a cancel of a request that left");
                let inst = &mut self.insts[at];
                assert_eq!(inst.kind, kind, "a cancel of the right kind");
                assert!(
                    !inst.live(),
                    "a cancel of request {at} ({}, {up}) that nobody cancelled: {:?} one-shot {} down {} who {}",
                    inst.message(),
                    inst.state,
                    inst.one_shot,
                    inst.down,
                    inst.who
                );
                assert!(!inst.cancelled_up, "one cancel");
                inst.cancelled_up = true;
            }
        }
    }

    pub(super) fn request_left(&mut self, token: usize, f: &Frame) -> usize {
        let mut said = speech::asked(f);
        let up: i32 = said.remove("reqId").expect("an id").parse().expect("a number");
        assert!(up >= 1 << 30, "request ids and order ids are disjoint");
        let at = token - 1;
        let inst = &mut self.insts[at];
        if inst.kind == QUERY {
            inst.said.remove("clientId");
        }
        assert_eq!(said, inst.said, "I12: what is asked upstream is what the client asked");
        assert!(inst.up.is_none(), "a request leaves once");
        assert!(!inst.orphan, "a request of a client that was gone before it left, or of a link before");
        inst.up = Some(up);
        let before = self.by_up.insert(up, at);
        assert!(before.is_none(), "an upstream request id is given out once");
        self.replayed(at);
        at
    }

    pub(super) fn order_left(&mut self, f: &Frame, r: &Record, durable: u64) {
        let token = r.get(if f.id == 3 { "orderRef" } else { "account" });
        let token: u64 = token.and_then(|t| t.parse().ok()).expect("a token");
        let up = r.int(kinds::order_id(f.id)).expect("an id") as i32;
        let call = self.calls.get(&token).expect("a call that was made");
        assert_eq!(without_ids(speech::asked(f)), call.said, "I12: the order is as it was placed");
        let (at, parent) = (call.order, call.parent);
        self.leaves(durable, |turn| turn == Turn::Place(at, token));
        let flight = match self.orders[at].up {
            Some(known) => {
                assert_eq!(known, up, "one upstream id per order");
                Flight::Modify
            }
            None => {
                assert!(up > self.max_up_order, "I4: {up} after {}", self.max_up_order);
                assert!(up < 1 << 30, "request ids and order ids are disjoint");
                self.max_up_order = up;
                self.orders[at].up = Some(up);
                self.by_up_order.insert(up, at);
                Flight::New
            }
        };
        self.takes_off(at, flight);
        self.orders[at].sent_parent = parent;
        if f.id == 3 {
            let parent = parent.map(|p| self.orders[p].up.expect("I7: a parent leaves first"));
            assert_eq!(r.int("parentId").unwrap_or(0) as i32, parent.unwrap_or(0), "the parent's id");
        }
    }

    /// An answer under an upstream request id.
    pub fn hear_answer(&mut self, at: usize, message: u16, mut values: Record, ends: bool, reroutes: bool) {
        self.answers_with(at, message);
        let inst = &mut self.insts[at];
        if !inst.live() {
            return;
        }
        let goes_on = inst.state == State::Spent;
        if reroutes {
            inst.state = State::Spent;
        }
        if ends && inst.one_shot {
            inst.state = State::Ended;
        }
        if !inst.one_shot && message == 71 {
            inst.rows.push(values.clone());
        }
        inst.begun = true;
        if message == 72 {
            let gone = std::mem::take(&mut inst.before);
            let (who, down) = (inst.who, inst.down);
            for mut row in gone {
                row.set("reqId", down).set("position", 0).set("avgCost", 0);
                self.tells(who, 71, &row);
            }
        }
        let inst = &mut self.insts[at];
        if inst.resumes && matches!(message, 17 | 108) {
            inst.resumes = message == 17 && self.version >= Some(196);
            // Every bar of the simulation is another one.
            if message == 17 {
                self.out.push(Expect { who: inst.who, what: What::Message(90), must: true });
            }
            return;
        }
        inst.goes_on = goes_on && !reroutes;
        values.set("reqId", inst.down);
        let (who, us_stock, from) = (inst.who, inst.us_stock, self.version.expect("ready"));
        let to = self.clients[who].version;
        if us_stock {
            kinds::recount(message, from, to, &mut values);
        }
        match (message, from < 196, to < 196) {
            (17, false, true) => self.insts[at].held = Some(values),
            (108, false, true) => {
                if let Some(mut data) = self.insts[at].held.take() {
                    data.set("startDate", values.get("startDate").unwrap_or_default());
                    let said = speech::seen(17, &data, to, to).expect("every version has it");
                    self.out.push(Expect { who, what: What::Says(17, said), must: true });
                }
            }
            (17, true, false) => {
                self.tells(who, 17, &values);
                let said = speech::seen(108, &values, to, to).expect("the version has it");
                self.out.push(Expect { who, what: What::Says(108, said), must: true });
            }
            _ => self.tells(who, message, &values),
        }
    }

    /// An error under an upstream request id.
    pub fn hear_request_error(&mut self, at: usize, mut values: Record, warning: bool) {
        let inst = &mut self.insts[at];
        let (who, down, message) = (inst.who, inst.down, inst.message());
        match inst.state {
            State::Active | State::Spent if warning => {}
            State::Active | State::Spent => {
                inst.state = if inst.one_shot { State::Ended } else { State::Spent };
                inst.goes_on = false;
            }
            State::Cancelled => {
                let latest = self.latest.get(&(who, message, down));
                if latest.is_some_and(|l| self.insts[*l].live()) {
                    return;
                }
            }
            State::Ended => return,
        }
        values.set("id", down);
        self.tells(who, 4, &values);
    }

    pub fn hear_farm(&mut self, kind: u8, farm: &str, values: &Record) {
        let key = (kind, farm.to_owned());
        match self.farms.iter_mut().find(|f| f.0 == key) {
            Some(known) => known.1 = values.clone(),
            None => self.farms.push((key, values.clone())),
        }
        self.broadcast(values);
    }

    /// An error for everybody.
    pub fn broadcast(&mut self, values: &Record) {
        for who in self.ready_clients() {
            self.tells(who, 4, values);
        }
    }

    /// The deadlines of clients and lanes that have passed.
    pub fn tick(&mut self, now: u64) {
        for who in 0..self.clients.len() {
            if self.clients[who].deadline > now {
                continue;
            }
            match self.clients[who].stage {
                Stage::Connected => self.clients[who].stage = Stage::Over,
                Stage::Greeted | Stage::Held => {
                    self.error(who, -1, NOT_CONNECTED);
                    self.release(who);
                }
                Stage::Ready | Stage::Over => {}
            }
        }
        if !self.ready {
            self.outage_lasts(now);
        }
        self.lanes_tick(now);
        if self.lists.step == Step::Executions && self.lists.deadline <= now {
            self.list_failed();
        }
        self.refuse_late_orders();
        self.refuse_late_requests();
    }

    /// Whether the link must be given up now.
    pub fn link_expired(&self, now: u64) -> bool {
        match self.ready {
            _ if self.learning => false,
            true => now.saturating_sub(self.last_heard) >= 75 * SECOND,
            false => now >= self.settings.handshake_due,
        }
    }

    pub fn time(now: Time) -> u64 {
        now.0
    }
}
