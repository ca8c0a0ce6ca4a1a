//! What clients ask: requests by id, orders, requests without id.

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
        let mut said = self.fits(who, down, message, values)?;
        said.remove("reqId");
        if let Some(old) = self.latest.get(&(who, message, down)).copied() {
            match self.insts[old].state {
                State::Spent => self.insts[old].state = State::Ended,
                State::Active if !self.insts[old].one_shot => {
                    let code = KINDS[kind].duplicate;
                    self.out.push(Expect { who, what: What::Code(code), must: true });
                    return None;
                }
                _ => {}
            }
        }
        let (own, gateway) = (self.clients[who].version, self.version.expect("ready"));
        let us_stock = kinds::us_stock(values);
        if kinds::counts_differ(message, own, gateway) && us_stock.is_none() {
            self.error(who, down, TOO_OLD);
            return None;
        }
        let at = self.insts.len();
        self.insts.push(Inst {
            who,
            down,
            kind,
            one_shot,
            state: State::Active,
            up: None,
            data_type: self.clients[who].data_type,
            orphan: false,
            cancels: 0,
            cancelled_up: false,
            query: None,
            said,
            us_stock: us_stock == Some(true),
            held: None,
        });
        self.latest.insert((who, message, down), at);
        Some(at)
    }

    /// What a request says upstream. `None`: it is refused, because of the link or of the Gateway's version.
    pub fn fits(&mut self, who: Who, down: i32, message: u16, values: &Record) -> Option<Said> {
        if !self.available() {
            self.refuse(who, down);
            return None;
        }
        let said = self.carried(who, message, values);
        if said.is_none() {
            self.error(who, down, TOO_OLD);
        }
        said
    }

    /// A cancel that the Gateway's version does not have ends the request all the same.
    pub fn cancel(&mut self, who: Who, kind: usize, down: i32) {
        if !self.available() {
            return self.refuse(who, down);
        }
        match self.latest.get(&(who, KINDS[kind].req, down)).copied() {
            Some(at) if self.insts[at].live() => {
                self.insts[at].state = State::Cancelled;
                self.insts[at].cancels += 1;
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

    /// A call of placeOrder or exerciseOptions under a token that nobody has used.
    pub fn place(&mut self, who: Who, token: u64, message: u16, values: &Record) {
        let int = |name| values.int(name).unwrap_or(0) as i32;
        let (down, parent) = (int(kinds::order_id(message)), int("parentId"));
        let owner = self.clients[who].id;
        let known = self.by_down.get(&(owner, down)).copied().filter(|at| !self.orders[*at].withdrawn);
        let modifies = known.is_some_and(|at| !self.orders[at].dead);
        let refused = if modifies { REMARK } else { REFUSED_ORDER };
        if !self.available() {
            return self.error(who, down, refused);
        }
        let Some(said) = self.carried(who, message, values) else { return self.error(who, down, refused) };
        if down <= 0 {
            return self.error(who, down, &[321]);
        }
        let find = |d: i32| self.by_down.get(&(owner, d)).copied().filter(|at| !self.orders[*at].withdrawn);
        let parent_at = find(parent);
        if parent != 0 && parent_at.is_none() {
            return self.error(who, down, refused);
        }
        let at = match known {
            Some(at) => at,
            None => {
                let again = self.by_down.contains_key(&(owner, down));
                if !again && down <= *self.placed.get(&owner).unwrap_or(&0) {
                    return self.error(who, down, &[103]);
                }
                self.new_order(owner, down)
            }
        };
        self.orders[at].what_if = values.flag("whatIf");
        self.orders[at].ops.push_back(Op::Place(token));
        self.calls.insert(token, Call { order: at, parent: parent_at, said: without_ids(said) });
    }

    pub fn new_order(&mut self, owner: i32, down: i32) -> usize {
        let highest = self.placed.entry(owner).or_insert(0);
        *highest = (*highest).max(down);
        let at = self.orders.len();
        self.orders.push(Order {
            owner,
            down,
            up: None,
            parent: None,
            ops: VecDeque::new(),
            unconfirmed: false,
            withdrawn: false,
            dead: false,
            what_if: false,
            arrived: false,
            open: None,
            status: None,
        });
        self.by_down.insert((owner, down), at);
        at
    }

    /// It gets through to a Gateway of any version, without what that has no place for.
    pub fn cancel_order(&mut self, who: Who, down: i32) {
        if !self.available() {
            return self.error(who, down, REMARK);
        }
        let owner = self.clients[who].id;
        match self.by_down.get(&(owner, down)).copied().filter(|at| !self.orders[*at].withdrawn) {
            Some(at) => self.orders[at].ops.push_back(Op::Cancel(who)),
            None => self.error(who, down, &[10147]),
        }
    }

    /// Likewise.
    pub fn global_cancel(&mut self, who: Who) {
        match self.available() {
            true => self.global_cancels.push_back(who),
            false => self.error(who, -1, REMARK),
        }
    }

    pub fn ask_lane(&mut self, who: Who, lane: LaneKey, message: u16, values: &Record, now: u64) {
        if self.fits(who, -1, message, values).is_none() {
            return;
        }
        let state = self.lanes.entry(lane).or_default();
        let ask = Ask { who: Some(who), message };
        match state.head {
            None => {
                state.head = Some(ask);
                state.left = false;
                state.deadline = now + 30 * SECOND;
            }
            Some(_) => state.waiting.push_back(ask),
        }
    }

    pub fn lane_done(&mut self, lane: LaneKey, now: u64) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        self.lanes_sent.retain(|l| *l != lane);
        state.head = None;
        state.left = false;
        while let Some(next) = state.waiting.pop_front() {
            if next.who.is_some() {
                state.head = Some(next);
                state.deadline = now + 30 * SECOND;
                break;
            }
        }
    }

    /// The asker of a lane whose request has left: `Some(None)` when it is not there any more.
    pub fn asker(&self, lane: LaneKey) -> Option<Ask> {
        self.lanes.get(&lane).filter(|l| l.left)?.head
    }
}
