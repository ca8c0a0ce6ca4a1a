//! What leaves for the Gateway, and what it says.

use super::*;

impl Shadow {
    /// A frame left for the Gateway: it must be something that somebody asked for and that may still leave.
    pub fn left(&mut self, f: &Frame, now: u64) {
        let r = f.request();
        let int = |name: &str| r.int(name).map(|n| n as i32);
        match f.id {
            71 => {}
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
            3 | 21 => self.order_left(f, &r),
            4 => {
                let up = int("orderId").expect("an id");
                let at = *self.by_up_order.get(&up).expect("a cancel of an order that left");
                let op = self.orders[at].ops.pop_front();
                assert!(matches!(op, Some(Op::Cancel(_))), "I7: {op:?} was to leave, a cancel left");
            }
            58 => {
                self.global_cancels.pop_front().expect("somebody asked for the global cancel");
            }
            5 | 16 => self.lane_left((5, 0), f.id),
            18 => self.lane_left((18, i64::from(int("faDataType").expect("a key"))), 18),
            91 => self.lane_left((91, i64::from(int("marketRuleId").expect("a key"))), 91),
            24 | 80 | 82 | 85 | 99 => self.lane_left((f.id, 0), f.id),
            6 | 61 | 64 | 12 | 13 | 15 => {} // the Gateway's side looks at them
            62 => {
                let tags = r.get("tags").expect("tags");
                let waits = self.summaries.iter().position(|s| s.tags == tags && s.up.is_none());
                let at = waits.expect("somebody asked for this summary");
                let live = |s: &&Summary| s.tags == tags && s.up.is_some() && !s.members.is_empty();
                assert!(self.summaries.iter().find(live).is_none(), "equal summaries are asked for once");
                self.summaries[at].up = int("reqId");
            }
            63 => {
                let at = self.summaries.iter().position(|s| s.up == int("reqId")).expect("of one that left");
                assert!(self.summaries[at].members.is_empty(), "the last one who leaves cancels");
                assert!(!self.summaries[at].cancelled_up, "one cancel");
                self.summaries[at].cancelled_up = true;
            }
            7 => {
                let token = r.get("symbol").and_then(|t| t.parse().ok()).expect("a token");
                assert_eq!(int("clientId").unwrap_or(0), 0, "the client filter is applied here");
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
        at
    }

    pub(super) fn order_left(&mut self, f: &Frame, r: &Record) {
        let token = r.get(if f.id == 3 { "orderRef" } else { "account" });
        let token: u64 = token.and_then(|t| t.parse().ok()).expect("a token");
        let up = r.int(kinds::order_id(f.id)).expect("an id") as i32;
        let call = self.calls.get(&token).expect("a call that was made");
        assert_eq!(without_ids(speech::asked(f)), call.said, "I12: the order is as it was placed");
        let (at, parent) = (call.order, call.parent);
        let op = self.orders[at].ops.pop_front();
        assert_eq!(op, Some(Op::Place(token)), "I5, I7: each call leaves once and in the order of calls");
        match self.orders[at].up {
            Some(known) => assert_eq!(known, up, "one upstream id per order"),
            None => {
                assert!(up > self.max_up_order, "I4: {up} after {}", self.max_up_order);
                assert!(up < 1 << 30, "request ids and order ids are disjoint");
                self.max_up_order = up;
                self.orders[at].up = Some(up);
                self.by_up_order.insert(up, at);
                self.orders[at].unconfirmed = true;
            }
        }
        self.orders[at].parent = parent;
        if f.id == 3 {
            let parent =
                self.orders[at].parent.map(|p| self.orders[p].up.expect("I7: a parent leaves first"));
            assert_eq!(r.int("parentId").unwrap_or(0) as i32, parent.unwrap_or(0), "the parent's id");
        }
    }

    pub(super) fn lane_left(&mut self, lane: LaneKey, message: u16) {
        let state = self.lanes.get_mut(&lane).expect("somebody asked");
        let head = state.head.expect("somebody asked");
        assert!(!state.left, "one request of a lane is under way");
        if lane.0 == 5 {
            let namesake = head.who.is_none_or(|w| self.clients[w].id == 0);
            let binds = head.message == 5 && namesake;
            assert!(message == 16 || binds, "only client 0 asks the Gateway for its open orders");
        }
        state.left = true;
        self.lanes_sent.push(lane);
    }

    /// An answer under an upstream request id.
    pub fn hear_answer(&mut self, at: usize, message: u16, mut values: Record, ends: bool, reroutes: bool) {
        let inst = &mut self.insts[at];
        if !inst.live() {
            return;
        }
        if reroutes {
            inst.state = State::Spent;
        }
        if ends && inst.one_shot {
            inst.state = State::Ended;
        }
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

    /// An error under an upstream order id.
    pub fn hear_order_error(&mut self, at: usize, mut values: Record, refused: bool) {
        let order = &mut self.orders[at];
        order.unconfirmed = false;
        // Without an image there was no order yet.
        order.dead |= refused && order.open.is_none() && order.status.is_none();
        values.set("id", self.orders[at].down);
        if let Some(who) = self.holder(self.orders[at].owner) {
            self.tells(who, 4, &values);
        }
    }

    /// openOrder or orderStatus in the owner's terms, or in the Gateway's.
    pub fn order_values(&self, at: usize, values: &Record, owners: bool) -> Record {
        let order = &self.orders[at];
        // An image names the parent of its time, by the shadow's own number.
        let parent = values.int("parentId").map(|p| &self.orders[p as usize]);
        let mut r = values.clone();
        match owners {
            true => {
                r.set("orderId", order.down).set("clientId", order.owner);
                r.set("parentId", parent.map_or(0, |p| p.down));
            }
            false => {
                r.set("orderId", order.up.expect("it left")).set("clientId", UP_CLIENT);
                r.set("parentId", parent.map_or(0, |p| p.up.expect("it left")));
            }
        }
        r
    }

    /// openOrder or orderStatus of an order of ours.
    pub fn hear_order(&mut self, at: usize, message: u16, values: Record) {
        let over = matches!(values.get("status"), Some("Filled" | "Cancelled"));
        let what_if = values.flag("whatIf");
        let order = &mut self.orders[at];
        order.unconfirmed = false;
        let image = if message == 5 { &mut order.open } else { &mut order.status };
        let changed = image.as_ref() != Some(&values);
        if message == 3 {
            order.status = Some(values.clone());
            order.dead = over;
        } else if what_if {
            order.dead = true;
        } else if !order.dead {
            order.open = Some(values.clone());
        }
        if order.dead {
            order.open = None;
        }
        if !self.ready {
            return;
        }
        let owner = self.holder(self.orders[at].owner);
        let values = self.order_values(at, &values, true);
        if let Some(ask) = self.asker((5, 0)) {
            let in_scope = ask.message == 16 || ask.who.is_some() && ask.who == owner;
            if let Some(who) = ask.who.filter(|_| in_scope) {
                self.tells(who, message, &values);
            }
            if let Some(who) = owner.filter(|w| Some(*w) != ask.who && changed) {
                self.tells(who, message, &values);
            }
            return;
        }
        if let Some(ask) = self.asker((99, 0))
            && ask.who != owner
            && !changed
        {
            return;
        }
        if let Some(who) = owner {
            self.tells(who, message, &values);
        }
    }

    /// An order of another program: seen by whoever asked for all, and as its own by its namesake that asked.
    pub fn hear_foreign(&mut self, client: i32, values: &Record) {
        let Some(ask) = self.asker((5, 0)) else { return };
        let namesake = self.holder(client);
        if let Some(who) = ask.who.filter(|w| ask.message == 16 || Some(*w) == namesake) {
            self.tells(who, 5, values);
        }
    }

    /// An execution: `query` when it answers one.
    pub fn hear_execution(&mut self, exec: usize, query: Option<usize>, mut values: Record) {
        let order = self.execs[exec].order;
        let owner = self.orders[order].owner;
        values.set("orderId", self.orders[order].down).set("clientId", owner);
        let to = match query {
            None => {
                self.orders[order].unconfirmed = false;
                self.execs[exec].live = true;
                self.holder(owner)
            }
            Some(at) => {
                let inst = &mut self.insts[at];
                let (filter, got) = inst.query.as_mut().expect("a query");
                if !matches!(inst.state, State::Active) || *filter != 0 && *filter != owner {
                    return;
                }
                got.push(exec);
                values.set("reqId", inst.down);
                Some(inst.who)
            }
        };
        let Some(who) = to else { return };
        self.tells(who, 11, &values);
    }

    /// A commission report: `query` when it is part of the answer to one.
    pub fn hear_commission(&mut self, exec: usize, query: Option<usize>, values: &Record) {
        let owner = self.holder(self.orders[self.execs[exec].order].owner);
        let live = std::mem::take(&mut self.execs[exec].live);
        let mut to = Vec::new();
        if let Some(at) = query {
            let inst = &mut self.insts[at];
            let (_, got) = inst.query.as_mut().expect("a query");
            if matches!(inst.state, State::Active)
                && let Some(i) = got.iter().position(|e| *e == exec)
            {
                got.remove(i);
                to.push(inst.who);
            }
        }
        if let Some(who) = owner.filter(|w| live && !to.contains(w)) {
            to.push(who);
        }
        for who in to {
            self.tells(who, 59, values);
        }
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
        let mut told = Vec::new();
        for lane in self.lanes.values_mut().filter(|l| l.head.is_some() && l.deadline <= now) {
            lane.deadline = now + 30 * SECOND;
            let head = lane.head.as_mut().expect("filtered");
            told.extend(head.who.take());
            told.extend(lane.waiting.drain(..).filter_map(|a| a.who));
        }
        for who in told {
            self.error(who, -1, &[322]);
        }
    }

    /// Whether the link must be given up now.
    pub fn link_expired(&self, now: u64) -> bool {
        match self.ready {
            true => now.saturating_sub(self.last_heard) >= 75 * SECOND,
            false => now.saturating_sub(self.connected_at) >= 60 * SECOND,
        }
    }

    pub fn time(now: Time) -> u64 {
        now.0
    }
}
