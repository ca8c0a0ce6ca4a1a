//! What clients ask: requests by id, requests without id.

use super::*;

impl Shadow {
    pub(super) fn available(&self) -> bool {
        self.ready && !self.stopping
    }

    pub(super) fn refuse(&mut self, who: Who, id: i32) {
        let codes: &'static [u16] = if self.ready { &[322] } else { NOT_CONNECTED };
        self.error(who, id, codes);
    }

    /// What tells the next request from all others: a number that says something, which 0 need not.
    pub fn request_token(&self) -> usize {
        self.insts.len() + 1
    }

    /// A request by id. `None`: it is refused.
    pub fn ask(
        &mut self,
        who: Who,
        kind: usize,
        down: i32,
        one_shot: bool,
        values: &Record,
    ) -> Option<usize> {
        let message = if kind == QUERY { 7 } else { KINDS[kind].req };
        if !self.may_ask(message, one_shot) {
            self.refuse(who, down);
            return None;
        }
        let Some(mut said) = self.carried(who, message, values) else {
            self.error(who, down, TOO_OLD);
            return None;
        };
        if !self.has_room_for_request(who, down) {
            return None;
        }
        said.remove("reqId");
        if let Some(old) = self.latest.get(&(who, message, down)).copied() {
            match self.insts[old].state {
                State::Spent => {
                    self.insts[old].state = State::Ended;
                    self.replayed(old);
                }
                State::Active if !self.insts[old].one_shot || matches!(message, 1 | 20) => {
                    let code = KINDS[kind].duplicate;
                    self.out.push(Expect { who, what: What::Code(code), must: true });
                    return None;
                }
                _ => {}
            }
        }
        let is_summary = |i: &&Inst| i.who == who && i.state == State::Active && i.message() == 62;
        if message == 62 && self.insts.iter().filter(is_summary).count() >= 2 {
            self.error(who, down, &[322]);
            return None;
        }
        let (own, gateway) = (self.clients[who].version, self.version.expect("ready"));
        let us_stock = kinds::us_stock(values);
        if kinds::counts_differ(message, own, gateway) && us_stock.is_none() {
            self.error(who, down, TOO_OLD);
            return None;
        }
        let at = self.insts.len();
        // What goes upstream of it, to be put into another version.
        let mut kept = Record::new();
        for (name, value) in values.iter().filter(|(name, _)| said.contains_key(*name)) {
            kept.set(name, value);
        }
        self.insts.push(Inst {
            who,
            down,
            kind,
            one_shot,
            state: State::Active,
            goes_on: false,
            up: None,
            data_type: self.clients[who].data_type,
            orphan: false,
            since: self.now,
            again: false,
            cancels: 0,
            cancelled_up: false,
            filter: 0,
            said,
            values: kept,
            version: gateway,
            us_stock: us_stock == Some(true),
            asleep: (!self.ready).then_some(self.now),
            begun: false,
            resumes: false,
            rows: Vec::new(),
            before: Vec::new(),
            held: None,
        });
        self.latest.insert((who, message, down), at);
        if kind == QUERY && self.ready {
            self.queries.push((Asker::Client(at), Vec::new()));
            self.queue(self.clients[who].id, Turn::Query(at), Some(0));
        }
        Some(at)
    }

    /// A cancel that the Gateway's version does not have ends the request all the same.
    pub fn cancel(&mut self, who: Who, kind: usize, down: i32) {
        if self.stopping {
            return self.refuse(who, down);
        }
        match self.latest.get(&(who, KINDS[kind].req, down)).copied() {
            Some(at) if self.insts[at].live() && !self.ready => {
                self.insts[at].state = State::Ended;
                self.insts[at].orphan = true;
            }
            Some(at) if self.insts[at].live() => {
                self.insts[at].state = State::Cancelled;
                self.insts[at].cancels += 1;
                self.replayed(at);
            }
            _ => {
                let cancel = request(KINDS[kind].cancel.into()).expect("declared");
                if cancel.not_found != 0 {
                    self.out.push(Expect { who, what: What::Code(cancel.not_found), must: true });
                }
            }
        }
    }

    pub fn active(&self, who: Who) -> Vec<usize> {
        (0..self.insts.len()).filter(|i| self.insts[*i].who == who && self.insts[*i].live()).collect()
    }
}
