//! The Gateway answers: requests, queries, lanes, shared streams, orders.

use super::*;

impl Sim {
    pub(super) fn work(&mut self, job: usize) {
        match &mut self.jobs[job] {
            Job::Clock => {
                self.jobs.remove(job);
                let now = self.now();
                let millis = self.epoch * 1000 + (now / 1000) as i64;
                let mut r = Record::new();
                r.set("time", millis / 1000).set("timeInMillis", millis);
                let (message, millis) = match self.w.version < 197 {
                    true => (49, millis / 1000 * 1000),
                    false => (109, millis),
                };
                self.m.hear_clock(millis, now);
                self.says(message, &r);
            }
            Job::NextId => {
                self.jobs.remove(job);
                let next = self.m.max_up_order + 1 + self.rng.below(3) as i32;
                let mut r = Record::new();
                r.set("orderId", next);
                self.m.raise(next - 1);
                self.says(9, &r);
            }
            Job::Unsubscribed => {
                self.jobs.remove(job);
                let values = self.error_values(2100);
                self.unsubscribed(&values);
            }
            Job::Answer { .. } => self.answer(job),
            Job::Query { .. } => self.answer_query(job),
            Job::Lane { .. } => self.answer_lane(job),
            Job::Shared { .. } => self.shared_row(job),
            Job::Commission(exec) => {
                let exec = *exec;
                if !self.m.is_pending(exec) {
                    self.jobs.remove(job);
                    self.commission(exec);
                }
            }
            Job::Order { at, events } => {
                let at = *at;
                *events += 1;
                let n = *events;
                self.order_work(job, at, n);
            }
        }
    }

    pub(super) fn answer(&mut self, job: usize) {
        let Job::Answer { at, up, rows, cancelled } = &mut self.jobs[job] else { return };
        let (at, up, n, cancelled) = (*at, *up, *rows, *cancelled);
        let kind = self.m.insts[at].kind();
        let one_shot = self.m.insts[at].one_shot;
        if cancelled && self.rng.one_in(3) {
            self.jobs.remove(job);
            return;
        }
        let error = match cancelled {
            true => self.rng.one_in(3),
            false => self.rng.one_in(25),
        };
        if error {
            let warning = !cancelled && self.rng.one_in(2);
            let code = match warning {
                true => *self.rng.pick(&[10167, 2152, 165, 10090]),
                false => *self.rng.pick(&[200, 162, 354, 300, 10089]),
            };
            let mut values = self.error_values(code);
            values.set("id", up);
            self.m.hear_request_error(at, values.clone(), warning);
            if !warning && one_shot {
                self.jobs.remove(job);
            }
            return self.says(4, &values);
        }
        if let Job::Answer { rows, .. } = &mut self.jobs[job] {
            *rows += 1;
        }
        if kind.req == 20 {
            return self.history(job, at, up, n);
        }
        let own_end = kind.rows.iter().any(|r| r.0 == kind.end);
        let end = match kind.end {
            0 => false,
            _ if own_end => true,
            _ => n > 0 && self.rng.one_in(if one_shot { 3 } else { 10 }),
        };
        let (mut message, mut marker) = *self.rng.pick(kind.rows);
        if kind.req == 10 {
            // A book is told by one of the two messages.
            (message, marker) = kind.rows[at % 2];
        }
        let mut values = Record::new();
        values.set("reqId", up);
        let mut ends = end;
        let message = if end && !own_end {
            kind.end
        } else if kind.req == 1 && self.w.version >= 125 && self.rng.one_in(30) {
            values.set("exchange", self.m.token());
            91
        } else {
            let (value, size) = (self.m.token(), self.m.token());
            kinds::mark(&mut values, marker, value);
            if let Some(field) = kinds::size(message) {
                kinds::mark(&mut values, field, size);
            }
            message
        };
        if message == 99 {
            values.set("tickType", 1);
        }
        if kind.req == 96 {
            ends = self.rng.one_in(2);
            values.set("done", u8::from(ends));
        }
        if response(message.into()).expect("declared").message.since > self.w.version {
            return;
        }
        let reroutes = message == 91;
        self.m.hear_answer(at, message, values.clone(), ends && !reroutes, reroutes);
        if ends && !reroutes && one_shot && !self.rng.one_in(5) {
            self.jobs.remove(job);
        }
        self.says(message, &values);
    }

    /// Historical data: at once, or its end in a message of its own; then updates.
    fn history(&mut self, job: usize, at: usize, up: i32, n: usize) {
        let one_shot = self.m.insts[at].one_shot;
        let last = usize::from(self.w.version >= 196);
        let message = if n == 0 {
            17
        } else if n == last {
            108
        } else {
            90
        };
        let (token, size) = (self.m.token(), self.m.token());
        let mut values = Record::new();
        values.set("reqId", up).set("startDate", token).set("date", token).set("volume", size);
        if message == 17 {
            kinds::mark(&mut values, "itemCount/date", token);
            kinds::mark(&mut values, "itemCount/volume", size);
        }
        if response(message.into()).expect("declared").message.since > self.w.version {
            return;
        }
        self.m.hear_answer(at, message, values.clone(), n == last, false);
        if n >= last && one_shot && !self.rng.one_in(5) {
            self.jobs.remove(job);
        }
        self.says(message, &values);
    }

    pub(super) fn answer_query(&mut self, job: usize) {
        // Queries are answered one after the other.
        let job = self.jobs.iter().position(|j| matches!(j, Job::Query { .. })).unwrap_or(job);
        let Job::Query { asker, up, stages } = &mut self.jobs[job] else { return };
        let (asker, up) = (*asker, *up);
        match stages.pop_front() {
            Some(QueryStage::Exec(exec)) => {
                let mut values = self.exec_values(exec);
                values.set("reqId", up);
                self.m.hear_execution(exec, Some(asker), values.clone());
                self.says(11, &values);
            }
            Some(QueryStage::Commission(exec)) => self.commission(exec),
            None => {
                self.jobs.remove(job);
                let mut r = Record::new();
                r.set("reqId", up);
                match asker {
                    Asker::Client(at) => self.m.hear_answer(at, 55, r.clone(), true, false),
                    Asker::Own => self.m.own_query_done(),
                }
                self.says(55, &r);
            }
        }
    }

    pub(super) fn exec_values(&self, exec: usize) -> Record {
        let e = &self.m.execs[exec];
        let mut r = Record::new();
        r.set("reqId", -1).set("execId", &e.id).set("clientId", UP_CLIENT);
        r.set("orderId", self.m.orders[e.order].up.expect("it left"));
        r
    }

    pub(super) fn commission(&mut self, exec: usize) {
        let mut r = Record::new();
        r.set("execId", &self.m.execs[exec].id).set("commission", self.m.token());
        self.m.hear_commission(exec, &r);
        self.says(59, &r);
    }

    pub(super) fn answer_lane(&mut self, job: usize) {
        let Job::Lane { lane, stages } = &mut self.jobs[job] else { return };
        let lane = *lane;
        if self.rng.one_in(150) {
            // The Gateway forgets to finish for a while.
            return self.advance(31 * SECOND);
        }
        let Some(stage) = stages.pop_front() else { return };
        let (message, end) = match stage {
            LaneStage::Repeat(at, message) => {
                let image = match message {
                    5 => self.m.orders[at].there[0].clone(),
                    _ => self.m.orders[at].there[1].clone(),
                };
                if let Some(values) = image {
                    self.order_says(at, message, values);
                }
                return;
            }
            LaneStage::Foreign(client, order) => {
                let mut r = Record::new();
                r.set("orderId", order).set("clientId", client).set("ocaGroup", self.m.token());
                self.m.hear_foreign(client, order, &r);
                return self.says(5, &r);
            }
            LaneStage::Row(message) => (message, false),
            LaneStage::End(message) => (message, true),
        };
        let mut r = Record::new();
        r.set("faDataType", lane.1).set("marketRuleId", lane.1);
        r.set("ocaGroup", self.m.token()).set("xml", self.m.token());
        self.m.lane_row(lane, message, &r);
        if end {
            self.jobs.remove(job);
            let own = self.m.asked(lane).is_some_and(|ask| ask.own);
            self.m.lane_done(lane, true);
            if own {
                self.m.own_list_done(lane);
            }
        }
        self.says(message, &r);
    }

    pub(super) fn shared_row(&mut self, job: usize) {
        let Job::Shared { stream, account, rows, ended } = &mut self.jobs[job] else { return };
        *rows += 1;
        let (stream, account) = (*stream, account.clone());
        let end = stream != BULLETINS && !*ended && *rows > 3;
        *ended |= end;
        let account = if account.is_empty() { "DU1".to_owned() } else { account };
        let con = self.rng.below(4).to_string();
        let token = self.m.token().to_string();
        let mut r = Record::new();
        r.set("accountName", &account).set("account", &account).set("conId", &con).set("key", &con);
        r.set("value", &token).set("avgCost", &token).set("averageCost", &token).set("message", &token);
        r.set("timeStamp", &token);
        let (message, key) = match (stream, end) {
            (ACCOUNTS, true) => (54, None),
            (ACCOUNTS, false) => match self.rng.below(3) {
                0 => (6, Some(format!("6/{account}/{con}"))),
                1 => (7, Some(format!("7/{account}/{con}"))),
                _ => (8, Some("8".to_owned())),
            },
            (POSITIONS, true) => (62, None),
            (POSITIONS, false) => (61, Some(format!("61/{account}/{con}"))),
            _ => (14, Some(String::new())),
        };
        let named = (stream == ACCOUNTS && message != 8).then_some(&account[..]);
        self.m.hear_shared(stream, key, named, (message, r.clone()));
        self.says(message, &r);
    }

    /// openOrder and orderStatus of an order under a status.
    pub(super) fn images(&mut self, at: usize, status: &str) -> [Record; 2] {
        let (mut open, mut said) = (Record::new(), Record::new());
        open.set("status", status).set("ocaGroup", self.m.token());
        said.set("status", status).set("whyHeld", self.m.token());
        for values in [&mut open, &mut said] {
            values.set("permId", perm(at));
            if let Some(parent) = self.m.orders[at].sent_parent {
                values.set("parentId", parent);
            }
        }
        [open, said]
    }

    pub(super) fn order_event(&mut self, at: usize, status: &'static str) {
        let images = self.images(at, status);
        if matches!(status, "Filled" | "Cancelled") {
            self.m.orders[at].ended = Some(status);
        }
        for (message, values) in [5, 3].into_iter().zip(images) {
            self.order_says(at, message, values);
        }
    }

    /// openOrder or orderStatus of an order of ours.
    fn order_says(&mut self, at: usize, message: u16, values: Record) {
        let r = self.m.order_values(at, &values, false);
        if !values.flag("whatIf") {
            self.m.orders[at].there[usize::from(message == 3)] = Some(values.clone());
        }
        match self.m.starting {
            true => self.m.held_back.push(HeldBack::Order(at, message, values)),
            false => self.m.hear_order(at, message, values, false),
        }
        self.says(message, &r);
    }

    pub(super) fn order_work(&mut self, job: usize, at: usize, n: usize) {
        if self.m.orders[at].what_if && n == 1 {
            self.jobs.remove(job);
            let mut open = Record::new();
            open.set("status", "PreSubmitted").set("whatIf", 1).set("ocaGroup", self.m.token());
            return self.order_says(at, 5, open);
        }
        match self.rng.below(12) {
            0 if n == 1 => {
                // Refused: no order is created.
                self.jobs.remove(job);
                self.m.orders[at].ended = Some("Rejected");
                self.order_error(at, *[201u16, 321, 103].get(n % 3).unwrap_or(&201));
            }
            0..5 => self.order_event(at, "Submitted"),
            5 => self.order_error(at, 399),
            6 => {
                // The same once more, as the Gateway likes to do.
                if let Some(values) = self.m.orders[at].there[1].clone() {
                    self.order_says(at, 3, values);
                }
            }
            7..9 => self.fill(at),
            9 => {
                self.jobs.remove(job);
                self.order_event(at, "Filled");
            }
            10 => {
                self.jobs.remove(job);
                self.order_event(at, "Cancelled");
                self.order_error(at, 202);
            }
            _ => {}
        }
    }

    pub(super) fn order_error(&mut self, at: usize, code: u16) {
        let mut values = self.error_values(code);
        values.set("id", self.m.orders[at].up.expect("it left"));
        self.m.hear_order_error(at, code, values.clone());
        self.says(4, &values);
    }

    pub(super) fn fill(&mut self, at: usize) {
        if self.m.execs.len() > 60 {
            return;
        }
        let exec = self.m.execs.len();
        let id = format!("0001.{}", self.m.token());
        self.m.execs.push(Exec { order: at, id, ..Exec::default() });
        match self.rng.one_in(4) {
            true => self.commission(exec), // before its execution
            false => self.jobs.push(Job::Commission(exec)),
        }
        let mut values = self.exec_values(exec);
        if self.nameless() {
            values.remove("reqId");
        }
        self.m.hear_execution(exec, None, values.clone());
        self.says(11, &values);
    }
}
