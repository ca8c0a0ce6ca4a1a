//! The Gateway reads, and speaks of itself: dial, handshake, notices, errors without id.

use super::*;

impl Sim {
    pub(super) fn gateway_reads(&mut self, n: usize) {
        let (frames, outcome) = self.w.gateway_reads(n);
        self.feed(outcome, false);
        for f in frames {
            self.gateway_got(&f);
        }
    }

    pub(super) fn gateway_got(&mut self, f: &Frame) {
        let r = f.request();
        let int = |name: &str| r.int(name).unwrap_or(0) as i32;
        match f.id {
            71 => self.up = Up::Starting { accounts: false, next: None },
            49 | 105 => {
                if !self.rng.one_in(8) {
                    self.jobs.push(Job::Clock);
                }
            }
            3 | 21 => {
                let up = int(if f.id == 3 { "orderId" } else { "id" });
                let at = self.m.by_up_order[&up];
                if !self.m.orders[at].arrived {
                    self.m.orders[at].arrived = true;
                    if !self.m.orders[at].what_if {
                        self.m.orders[at].there = self.images(at, "PreSubmitted").map(Some);
                    }
                    self.jobs.push(Job::Order { at, events: 0 });
                }
            }
            7 => {
                let up = int("reqId");
                let asker = self.m.by_up.get(&up).map_or(Asker::Own, |at| Asker::Client(*at));
                let mut stages = VecDeque::new();
                let some: Vec<usize> =
                    (0..self.m.execs.len()).filter(|_| self.rng.one_in(4)).take(3).collect();
                stages.extend(some.iter().map(|e| QueryStage::Exec(*e)));
                stages.extend(some.iter().map(|e| QueryStage::Commission(*e)));
                self.jobs.push(Job::Query { asker, up, stages });
            }
            5 | 16 => {
                let mut stages = VecDeque::new();
                for (at, order) in self.m.orders.iter().enumerate() {
                    if order.works() && order.there[0].is_some() {
                        stages.push_back(LaneStage::Repeat(at, 5));
                        stages.push_back(LaneStage::Repeat(at, 3));
                    }
                }
                if f.id == 16 {
                    for client in FOREIGN {
                        stages.push_back(LaneStage::Foreign(client, 5));
                    }
                }
                stages.push_back(LaneStage::End(53));
                self.jobs.push(Job::Lane { lane: (5, 0), stages });
            }
            99 => {
                let stages = [LaneStage::Row(101), LaneStage::Row(101), LaneStage::End(102)].into();
                self.jobs.push(Job::Lane { lane: (99, 0), stages });
            }
            18 | 24 | 80 | 82 | 85 | 91 => {
                let key = match f.id {
                    18 => r.int("faDataType"),
                    91 => r.int("marketRuleId"),
                    _ => None,
                };
                let answer = [(18, 16), (24, 19), (80, 78), (82, 80), (85, 85), (91, 93)];
                let end = answer.iter().find(|a| a.0 == f.id).expect("listed").1;
                let stages = VecDeque::from([LaneStage::End(end)]);
                self.jobs.push(Job::Lane { lane: (f.id, key.unwrap_or(0)), stages });
            }
            6 => match r.flag("subscribe") {
                true => self.shared_begins(ACCOUNTS, r.get("acctCode").unwrap_or_default()),
                false => {
                    self.shared_ends(ACCOUNTS);
                    self.jobs.push(Job::Unsubscribed);
                }
            },
            61 => self.shared_begins(POSITIONS, ""),
            64 => self.shared_ends(POSITIONS),
            // Once more, for somebody who wants those of the day.
            12 if self.jobs.iter().any(|j| matches!(j, Job::Shared { stream: BULLETINS, .. })) => {
                assert!(r.flag("allMsgs"), "one upstream subscription per shared stream");
            }
            12 => self.shared_begins(BULLETINS, ""),
            13 => self.shared_ends(BULLETINS),
            8 => self.jobs.push(Job::NextId),
            4 | 15 | 58 | 59 => {}
            id => {
                let up = int("reqId");
                if self.m.moved_ever.contains(&up) {
                    return; // it was on its way when the Gateway lost its subscriptions
                }
                let at = self.m.by_up[&up];
                if KINDS.iter().any(|k| k.req == id) {
                    self.jobs.push(Job::Answer { at, up, rows: 0, cancelled: false });
                    return;
                }
                for job in &mut self.jobs {
                    if let Job::Answer { at: other, cancelled, .. } = job
                        && *other == at
                    {
                        *cancelled = true;
                    }
                }
            }
        }
    }

    pub(super) fn shared_begins(&mut self, stream: usize, account: &str) {
        let on = self.jobs.iter().any(|j| matches!(j, Job::Shared { stream: s, .. } if *s == stream));
        assert!(!on, "one upstream subscription per shared stream");
        self.jobs.push(Job::Shared { stream, account: account.to_owned(), rows: 0, ended: false });
    }

    pub(super) fn shared_ends(&mut self, stream: usize) {
        let at = self.jobs.iter().position(|j| matches!(j, Job::Shared { stream: s, .. } if *s == stream));
        if let Some(at) = at {
            self.jobs.remove(at);
        }
    }

    /// Says something to the core; the shadow has been told.
    pub(super) fn says(&mut self, message: u16, values: &Record) {
        self.m.last_heard = self.now();
        let payload = self.up_payload(message, values);
        let outcome = self.w.gateway_sends(&payload);
        self.feed(outcome, true);
    }

    pub(super) fn up_payload(&self, id: u16, values: &Record) -> Bytes {
        response_payload(self.w.version, id, values)
    }

    /// Whether a Gateway leaves an id away that says that there is none, as only protobuf can.
    pub(super) fn nameless(&mut self) -> bool {
        self.w.version >= 203 && self.rng.one_in(2)
    }

    /// An error without id.
    pub(super) fn error_values(&mut self, code: u16) -> Record {
        let mut r = Record::new();
        if !self.nameless() {
            r.set("id", -1);
        }
        r.set("errorCode", code).set("errorMsg", format!("marker {}", self.m.token()));
        r.set("errorTime", self.now() / 1000);
        r
    }

    pub(super) fn gateway_step(&mut self) {
        match self.up {
            Up::None => self.dial_step(),
            Up::Greeting => self.greeting_step(),
            Up::Started => {
                let n = 1 + self.rng.below(40);
                self.gateway_reads(n);
            }
            Up::Starting { accounts, next } => self.starting_step(accounts, next),
            Up::Ready => self.ready_step(),
        }
    }

    /// Whether something goes badly wrong: often in some runs, hardly ever in others.
    pub(super) fn storm(&mut self) -> bool {
        self.rng.one_in(self.calm)
    }

    pub(super) fn dial_step(&mut self) {
        if self.w.looking.is_some() {
            let zombies = match self.storm() {
                true => Some(2),
                false => *self.rng.pick(&[Some(0), None]),
            };
            let outcome = self.w.looked(zombies);
            return self.feed(outcome, true);
        }
        if self.w.dialing.is_some() {
            let outcome = match self.storm() {
                true => self.w.refused(),
                false => {
                    self.up = Up::Greeting;
                    self.m.connected(self.w.now.0);
                    self.w.accepted()
                }
            };
            self.feed(outcome, true);
        }
    }

    pub(super) fn greeting_step(&mut self) {
        if !self.w.greeted() {
            return self.gateway_reads(7);
        }
        let link = self.w.socket.expect("a link");
        let trouble = if self.storm() { self.rng.below(4) } else { 9 };
        match trouble {
            0 => {
                self.link_is_gone();
                let outcome = self.w.lose();
                self.feed(outcome, false);
            }
            1 => {
                let version = *self.rng.pick(&[99, self.m.max_version + 1]);
                let outcome = self.w.gateway_hello(version);
                self.link_is_gone();
                self.feed(outcome, false);
            }
            2 => {
                self.link_is_gone();
                let fault = WireError::Redirect("elsewhere:4001".into());
                let outcome = self.w.handle(Input::UpstreamBroken { link, fault });
                self.feed(outcome, false);
            }
            3 => self.advance(20 * SECOND), // slow
            _ => {
                if self.rng.one_in(3) {
                    let known = VERSIONS.iter().filter(|v| **v <= self.m.max_version);
                    self.version = *self.rng.pick(&known.copied().collect::<Vec<_>>());
                }
                let version = self.version;
                self.m.link_hello(version);
                self.up = Up::Started;
                let outcome = self.w.gateway_hello(version);
                self.feed(outcome, true);
            }
        }
    }

    pub(super) fn starting_step(&mut self, accounts: bool, next: Option<i32>) {
        match self.rng.below(20) {
            0 if self.storm() => {
                self.link_is_gone();
                let outcome = self.w.lose();
                return self.feed(outcome, false);
            }
            1 if self.storm() => {
                self.link_is_gone();
                let values = self.error_values(326);
                let payload = self.up_payload(4, &values);
                let outcome = self.w.gateway_sends(&payload);
                return self.feed(outcome, false);
            }
            2..5 => return self.farm(),
            5..9 => {
                // The start push: an order that lives.
                let live: Vec<usize> = (0..self.m.orders.len())
                    .filter(|o| self.m.orders[*o].works() && self.m.orders[*o].there[0].is_some())
                    .collect();
                if !live.is_empty() {
                    let at = *self.rng.pick(&live);
                    self.order_event(at, "Submitted");
                }
                return;
            }
            _ => {}
        }
        let mut r = Record::new();
        if !accounts && self.rng.one_in(2) {
            let other = self.m.identity.is_some() && self.rng.one_in(30);
            let list = if other { "DU1,DU2,DU3" } else { "DU1,DU2" };
            self.m.new_accounts = Some(list.to_owned());
            r.set("accountsList", list);
            self.started(15, &r, (true, next));
        } else if next.is_none() {
            let id = if self.rng.one_in(4) { 1 } else { self.m.max_up_order.max(49) + 1 };
            r.set("orderId", id);
            self.started(9, &r, (accounts, Some(id)));
        }
    }

    /// The Gateway names its accounts or its next order id.
    fn started(&mut self, message: u16, r: &Record, so_far: (bool, Option<i32>)) {
        let (true, Some(next)) = so_far else {
            self.up = Up::Starting { accounts: so_far.0, next: so_far.1 };
            return self.says(message, r);
        };
        if self.m.link_started(next) {
            self.up = Up::Ready;
            for at in 0..self.m.orders.len() {
                if self.m.orders[at].works() {
                    self.jobs.push(Job::Order { at, events: 1 });
                }
            }
            return self.says(message, r);
        }
        self.link_is_gone();
        let payload = self.up_payload(message, r);
        let outcome = self.w.gateway_sends(&payload);
        self.feed(outcome, false);
    }

    pub(super) fn farm(&mut self) {
        let (code, kind, words) = *self.rng.pick(&[
            (2104, 0, "Market data farm connection is OK:"),
            (2103, 0, "Market data farm connection is broken:"),
            (2106, 1, "HMDS data farm connection is OK:"),
            (2107, 1, "HMDS data farm connection is inactive but should be available upon demand."),
            (2158, 2, "Sec-def data farm connection is OK:"),
        ]);
        let farm = *self.rng.pick(&["usfarm", "usfarm.nj", "eufarm"]);
        let mut values = self.error_values(code);
        values.set("errorMsg", format!("{words}{farm}"));
        self.m.hear_farm(kind, farm, &values);
        self.says(4, &values);
    }

    pub(super) fn ready_step(&mut self) {
        match self.rng.below(100) {
            0 if self.storm() => {
                self.link_is_gone();
                let outcome = self.w.lose();
                return self.feed(outcome, false);
            }
            1 if self.storm() => {
                self.link_is_gone();
                let mut values = self.error_values(1300);
                values.set("errorMsg", "TWS socket port has been reset: 4005");
                let payload = self.up_payload(4, &values);
                let outcome = self.w.gateway_sends(&payload);
                return self.feed(outcome, false);
            }
            2..4 => return self.farm(),
            4..6 => {
                let code = *self.rng.pick(&[1100, 1102, 2110, 1101]);
                let values = self.error_values(code);
                if code == 1101 {
                    let moved = self.m.subscriptions_lost();
                    self.jobs.retain(|j| !matches!(j, Job::Answer { at, .. } if moved.contains(at)));
                    self.m.last_heard = self.now();
                    let payload = self.up_payload(4, &values);
                    let outcome = self.w.gateway_sends(&payload);
                    return self.feed(outcome, false);
                }
                self.m.hear_link(code, &values);
                return self.says(4, &values);
            }
            10 if self.rng.one_in(4) => {
                // Too many messages: nobody knows which was dropped.
                self.m.flights_end();
                let values = self.error_values(100);
                self.m.last_heard = self.now();
                let payload = self.up_payload(4, &values);
                let outcome = self.w.gateway_sends(&payload);
                return self.feed(outcome, false);
            }
            11..13 => return self.nameless_error(),
            // Nothing tells it from the notice that an unsubscription of our own draws.
            13 if self.m.own_unsubscribes == 0
                && self.jobs.iter().any(|j| matches!(j, Job::Shared { stream: ACCOUNTS, .. })) =>
            {
                let values = self.error_values(2100);
                self.unsubscribed(&values);
                self.jobs.retain(|j| !matches!(j, Job::Shared { stream: ACCOUNTS, .. }));
                return;
            }
            15..17 => {
                // An answer that nobody asked for.
                let mut r = Record::new();
                r.set("reqId", (1 << 30) + 1_000_000 + self.rng.below(1000) as i32).set("price", 1);
                return self.says(1, &r);
            }
            20 => {
                let payload = Bytes::from_static(b"no message id");
                self.m.last_heard = self.now();
                let outcome = self.w.gateway_sends(&payload);
                return self.feed(outcome, true);
            }
            _ => {}
        }
        if !self.jobs.is_empty() {
            let at = self.rng.below(self.jobs.len());
            self.work(at);
        }
    }

    /// An error without id: for the asker of the lane that was sent first.
    pub(super) fn nameless_error(&mut self) {
        let code = *self.rng.pick(&[321, 321, 162, 2120]);
        let values = self.error_values(code);
        match self.m.lanes_sent.first().copied() {
            Some(lane) => {
                // Only what the Gateway has read can have failed.
                let at = self.jobs.iter().position(|j| matches!(j, Job::Lane { lane: l, .. } if *l == lane));
                let Some(at) = at else { return };
                for (who, _) in self.m.asked(lane).into_iter().flat_map(|ask| ask.askers) {
                    self.m.tells(who, 4, &values);
                }
                if code != 2120 {
                    self.jobs.remove(at);
                    let own = self.m.asked(lane).is_some_and(|ask| ask.own);
                    self.m.lane_done(lane, false);
                    if own {
                        self.m.list_failed();
                    }
                }
            }
            None => {
                for who in self.m.ready_clients() {
                    let what = self.m.told(who, 4, &values).expect("every version has it");
                    self.m.out.push(Expect { who, what, must: false });
                }
            }
        }
        self.says(4, &values);
    }

    pub(super) fn unsubscribed(&mut self, values: &Record) {
        if self.m.own_unsubscribes > 0 {
            self.m.own_unsubscribes -= 1;
        } else {
            let stream = std::mem::take(&mut self.m.streams[ACCOUNTS]);
            for who in stream.subscribers {
                self.m.tells(who, 4, values);
            }
            if stream.replaying {
                self.m.welcome_back();
            }
        }
        self.says(4, values);
    }
}
