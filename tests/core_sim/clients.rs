//! What clients do.

use super::*;

impl Sim {
    pub(super) fn open_clients(&self) -> Vec<Who> {
        (0..self.w.peers.len()).filter(|w| self.w.peers[*w].open).collect()
    }

    pub(super) fn client_step(&mut self) {
        let open = self.open_clients();
        if open.is_empty() || open.len() < 7 && self.rng.one_in(12) {
            self.m.connect(self.w.now.0);
            if !self.m.has_room(open.len()) {
                self.m.clients.last_mut().expect("it connects").stage = Stage::Over;
            }
            self.reading.push(true);
            let (_, outcome) = self.w.connect();
            return self.feed(outcome, true);
        }
        let who = *self.rng.pick(&open);
        if self.w.peers[who].closing.is_some() {
            if self.w.peers[who].closing == Some(false)
                || self.w.core.may_close(self.w.peers[who].key)
                || self.rng.one_in(20)
            {
                let outcome = self.w.gone(who, Gone::Eof);
                self.feed(outcome, true);
            }
            return;
        }
        if self.rng.one_in(100) {
            self.m.release(who);
            let reason = *self.rng.pick(&[Gone::Eof, Gone::Error]);
            let outcome = self.w.gone(who, reason);
            return self.feed(outcome, true);
        }
        if self.rng.one_in(300) {
            let stage = self.m.clients[who].stage;
            if stage != Stage::Connected {
                self.m.error(who, -1, &[507]);
            }
            self.m.release(who);
            let fault = WireError::FrameTooLong { length: 1 << 30, limit: 1 << 20 };
            let outcome = self.w.handle(Input::ClientBroken { client: self.w.peers[who].key, fault });
            return self.feed(outcome, true);
        }
        match self.m.clients[who].stage {
            Stage::Connected => {
                let v = self.version;
                let ranges = [
                    (100, 157),
                    (157, 176),
                    (157, 178),
                    (100, 193),
                    (213, 226),
                    (196, 203),
                    (226, 226),
                    (100, 226),
                    (100, v),
                    (v, v),
                    (v + 1, 300),
                    (100, 150),
                    (100, 112),
                ];
                let (min, max) = match self.rng.below(60) {
                    0 => *self.rng.pick(&[(60, 90), (227, 300)]),
                    _ => *self.rng.pick(&ranges),
                };
                let told = self.m.greet(who, min, max, self.w.now.0);
                let outcome = self.w.greet(who, min, max);
                assert_eq!(outcome.hellos.first().map(|h| h.1.version), told, "the version is clamped");
                self.feed(outcome, true);
            }
            Stage::Greeted if self.rng.one_in(20) => {
                // Anything but startApi ends it, and nothing of it goes upstream.
                self.m.error(who, -1, &[504]);
                self.m.release(who);
                let outcome = self.w.request(who, 61, &[]);
                self.feed(outcome, true);
            }
            Stage::Greeted => {
                let id = self.rng.below(9) as i32;
                let stalled = self.m.named(id).is_some_and(|h| self.stalled(h));
                self.m.start(who, id, stalled, self.w.now.0);
                let outcome = self.w.request(who, 71, &[("clientId", &id.to_string())]);
                self.feed(outcome, true);
            }
            Stage::Held if self.rng.one_in(3) => {
                self.m.error(who, -1, &[504]);
                let outcome = self.w.request(who, 61, &[]);
                self.feed(outcome, true);
            }
            Stage::Held | Stage::Over => {}
            Stage::Ready => self.request(who),
        }
    }

    /// Whether a client has taken nothing of a full outbox for long.
    pub(super) fn stalled(&self, who: Who) -> bool {
        let peer = &self.w.peers[who];
        !self.w.core.output(peer.key).is_empty() && peer.progress + 5 * SECOND < self.now()
    }

    pub(super) fn send(&mut self, who: Who, id: u16, values: &Record) {
        let payload = request_payload(self.w.version_of(who), id, values);
        let outcome = self.w.frame(who, &payload);
        self.feed(outcome, true);
    }

    pub(super) fn request(&mut self, who: Who) {
        let now = self.now();
        match self.rng.below(100) {
            0..35 | 45..48 if self.m.loses_one_of_several(who) => {}
            0..35 => self.by_id(who),
            35..45 => self.cancel(who),
            45..48 => self.query(who),
            48..66 => self.place(who),
            66..74 => self.cancel_order(who),
            74 => {
                let mut r = Record::new();
                self.late(58, &mut r);
                self.m.global_cancel(who);
                self.send(who, 58, &r);
            }
            75..81 => self.lane(who),
            81..84 => {
                let account = *self.rng.pick(&["DU1", "DU2", ""]);
                self.m.join(who, ACCOUNTS, account, true);
                self.send(who, 6, &record(&[("subscribe", "1"), ("acctCode", account)]));
            }
            84..86 => {
                self.m.leave(who, ACCOUNTS, true);
                self.send(who, 6, &record(&[("subscribe", "0"), ("acctCode", "DU1")]));
            }
            86..88 => {
                self.m.join(who, POSITIONS, "", true);
                self.send(who, 61, &Record::new());
            }
            88 => {
                self.m.leave(who, POSITIONS, true);
                self.send(who, 64, &Record::new());
            }
            89 => {
                let all = self.rng.one_in(2);
                self.m.join(who, BULLETINS, "", all);
                self.send(who, 12, &record(&[("allMsgs", if all { "1" } else { "0" })]));
            }
            90 => {
                self.m.leave(who, BULLETINS, true);
                self.send(who, 13, &Record::new());
            }
            91..93 => self.local(who),
            93..95 => {
                let message = if self.w.version_of(who) >= 197 { *self.rng.pick(&[49, 105]) } else { 49 };
                self.m.clock_asked(who, message, now);
                self.send(who, message, &Record::new());
            }
            95..97 => {
                let kind = 1 + self.rng.below(4) as i32;
                if !self.m.stopping {
                    self.m.clients[who].data_type = kind;
                } else {
                    self.refused_while_stopping(who);
                }
                self.send(who, 59, &record(&[("marketDataType", &kind.to_string())]));
            }
            97..99 => self.malformed(who),
            _ => self.reading[who] = !self.reading[who],
        }
    }

    pub(super) fn refused_while_stopping(&mut self, who: Who) {
        let codes: &'static [u16] = if self.m.ready { &[322] } else { &[504] };
        self.m.error(who, -1, codes);
    }

    pub(super) fn local(&mut self, who: Who) {
        if self.m.stopping {
            return;
        }
        match self.rng.below(4) {
            0 => {
                self.m.out.push(Expect { who, what: What::Message(9), must: true });
                self.send(who, 8, &Record::new());
            }
            1 => {
                let mut accounts = Record::new();
                accounts.set("accountsList", self.m.accounts.clone().unwrap_or_default());
                self.m.own(who, 15, &accounts);
                self.send(who, 17, &Record::new());
            }
            2 => {
                if !self.m.ready {
                    self.m.error(who, -1, &[504]);
                } else if self.m.clients[who].id != 0 {
                    self.m.error(who, -1, &[327]);
                } else {
                    self.m.binds(who);
                }
                self.send(who, 15, &record(&[("autoBind", "1")]));
            }
            _ => {
                self.m.error(who, -1, &[321]);
                self.send(who, 71, &record(&[("clientId", "9")]));
            }
        }
    }

    pub(super) fn malformed(&mut self, who: Who) {
        let v = self.w.version_of(who);
        let whole = request_payload(v, 1, &record(&[("reqId", "3"), ("symbol", "X")]));
        let text = Frame::new(&whole, v).form == Form::Text;
        let payload = match self.rng.below(6) {
            0 => Bytes::from_static(b"garbage"),
            // A protobuf body may end behind any field.
            1 => whole.slice(..self.rng.below(if text { whole.len() - 1 } else { 3 }) + 1),
            2 => [&whole[..], if text { b"more\0" } else { &[0xFF; 12] }].concat().into(),
            3 => Bytes::from_static(b"250\0"),
            4 => Bytes::from_static(b"4\0x\0y\0z\0"),
            _ => return self.of_other_versions(who),
        };
        self.m.out.push(Expect { who, what: What::Code(320), must: true });
        let outcome = self.w.frame(who, &payload);
        self.feed(outcome, true);
    }

    /// A request that the client's own version does not have.
    fn of_other_versions(&mut self, who: Who) {
        let v = self.w.version_of(who);
        let id = *self.rng.pick(&[74u16, 91, 97, 99, 102, 105, 106, 109]);
        if request(id.into()).expect("declared").message.since <= v {
            return;
        }
        self.m.error(who, -1, &[503]);
        let mut payload = BytesMut::new();
        text::put_id(id.into(), Form::Text, v, &mut payload);
        let outcome = self.w.frame(who, &payload);
        self.feed(outcome, true);
    }

    /// Now and then a field that not every version has.
    fn late(&mut self, message: u16, values: &mut Record) {
        let fields = kinds::LATE.iter().find(|l| l.0 == message).map_or(&[][..], |l| l.1);
        if !fields.is_empty() && self.rng.one_in(3) {
            let (name, value) = *self.rng.pick(fields);
            values.set(name, value);
        }
    }

    /// Mostly a contract that says whether it is a US stock.
    fn contract(&mut self, values: &mut Record) {
        let (kind, currency) = match self.rng.below(12) {
            0 => return,
            1..7 => ("STK", "USD"),
            7..10 => ("STK", "EUR"),
            _ => ("FUT", "USD"),
        };
        values.set("secType", kind).set("currency", currency).set("exchange", "SMART");
    }

    pub(super) fn by_id(&mut self, who: Who) {
        let kind = self.rng.below(KINDS.len());
        let k = &KINDS[kind];
        let version = self.w.version_of(who);
        if request(k.req.into()).expect("declared").message.since.max(k.since) > version {
            return;
        }
        let down = 1 + self.rng.below(20) as i32;
        // Historical data has its flag from 124 on.
        let flag = self.rng.one_in(2) && (k.req != 20 || version >= 124);
        let one_shot = k.flag.map_or(k.one_shot, |(_, when)| flag == when);
        let mut r = Record::new();
        self.contract(&mut r);
        self.late(k.req, &mut r);
        r.set("reqId", down).set(k.token, self.m.request_token());
        if let Some((name, _)) = k.flag {
            r.set(name, u8::from(flag));
        }
        self.m.ask(who, kind, down, one_shot, &r);
        self.send(who, k.req, &r);
    }

    pub(super) fn cancel(&mut self, who: Who) {
        let active = self.m.active(who);
        let (kind, down) = match active.is_empty() || self.rng.one_in(6) {
            true => (self.rng.below(KINDS.len()), 1 + self.rng.below(20) as i32),
            false => {
                let inst = &self.m.insts[*self.rng.pick(&active)];
                (inst.kind, inst.down)
            }
        };
        if kind == QUERY {
            return;
        }
        let k = &KINDS[kind];
        if k.cancel == 0 || request(k.cancel.into()).expect("declared").message.since > self.w.version_of(who)
        {
            return;
        }
        self.m.cancel(who, kind, down);
        let mut r = Record::new();
        r.set("reqId", down);
        self.send(who, k.cancel, &r);
    }

    pub(super) fn query(&mut self, who: Who) {
        let down = 1 + self.rng.below(20) as i32;
        let filter = *self.rng.pick(&[0, 0, self.m.clients[who].id, 1, 2]);
        let mut r = Record::new();
        r.set("reqId", down).set("clientId", filter).set("symbol", self.m.request_token());
        self.late(7, &mut r);
        if let Some(at) = self.m.ask(who, QUERY, down, true, &r) {
            self.m.insts[at].filter = filter;
        }
        self.send(who, 7, &r);
    }

    pub(super) fn place(&mut self, who: Who) {
        let owner = self.m.clients[who].id;
        let highest = self.m.by_down.keys().filter(|k| k.0 == owner).map(|k| k.1).max().unwrap_or(0);
        let down = match self.rng.below(10) {
            0 => self.rng.below(21) as i32,
            1..4 => 1 + self.rng.below(20) as i32,
            _ => highest + 1 + self.rng.below(2) as i32,
        };
        let parent = match self.rng.below(6) {
            0 => self.rng.below(highest as usize + 2) as i32,
            1 => highest,
            _ => 0,
        };
        let parent = if parent == down { 0 } else { parent };
        let exercise = self.rng.one_in(12);
        let what_if = !exercise && self.rng.one_in(10);
        let parent = if exercise { 0 } else { parent };
        let token = self.m.token();
        let message = if exercise { 21 } else { 3 };
        let mut r = Record::new();
        self.late(message, &mut r);
        r.set(kinds::order_id(message), down);
        match exercise {
            true => r.set("account", token),
            false => r.set("orderRef", token).set("parentId", parent).set("whatIf", u8::from(what_if)),
        };
        self.m.place(who, token, message, &r);
        self.send(who, message, &r);
    }

    pub(super) fn cancel_order(&mut self, who: Who) {
        let owner = self.m.clients[who].id;
        let mine: Vec<i32> = self.m.by_down.keys().filter(|k| k.0 == owner).map(|k| k.1).collect();
        let down = match mine.is_empty() || self.rng.one_in(6) {
            true => 1 + self.rng.below(25) as i32,
            false => *self.rng.pick(&mine),
        };
        let mut r = Record::new();
        r.set("orderId", down);
        self.late(4, &mut r);
        self.m.cancel_order(who, down);
        self.send(who, 4, &r);
    }

    pub(super) fn lane(&mut self, who: Who) {
        let message = *self.rng.pick(&[5u16, 5, 16, 16, 99, 24, 18, 80, 82, 85, 91]);
        if request(message.into()).expect("declared").message.since > self.w.version_of(who) {
            return;
        }
        let mut r = Record::new();
        let key = match message {
            18 => 1 + 2 * self.rng.below(2) as i64,
            91 => 26 + self.rng.below(2) as i64,
            _ => 0,
        };
        r.set("faDataType", key).set("marketRuleId", key);
        let lane = (if message == 16 { 5 } else { message }, key);
        if self.m.is_unclear(who, lane, message) {
            return;
        }
        self.m.ask_lane(who, lane, message, &r);
        self.send(who, message, &r);
    }
}
