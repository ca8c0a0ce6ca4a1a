//! Requests without id: lanes, who shares an answer, and which answers serve again.

use super::*;

impl Shadow {
    /// Something about an order left or came.
    pub(super) fn orders_changed(&mut self, changed: Option<bool>) {
        match changed {
            Some(true) => self.changes.sure += 1,
            Some(false) => {}
            None => self.changes.perhaps += 1,
        }
    }

    /// The message at the Gateway for a request in a lane: only client 0 binds manual orders.
    fn at_gateway(&self, who: Who, message: u16) -> u16 {
        if message == 5 && self.clients[who].id != 0 { 16 } else { message }
    }

    /// Whether the model cannot tell what becomes of a request, because it does not know what twsmux takes for news.
    pub fn is_unclear(&self, who: Who, lane: LaneKey, message: u16) -> bool {
        let unclear = |left: &Changes| left.sure == self.changes.sure && left.perhaps != self.changes.perhaps;
        let kept = self.answers.get(&(lane, self.at_gateway(who, message)));
        matches!(lane.0, 5 | 99)
            && (kept.is_some_and(|kept| unclear(&kept.left))
                || self.lanes.get(&lane).and_then(|l| l.left.as_ref()).is_some_and(unclear))
    }

    /// Nothing waits that a client id sent about its orders.
    fn is_quiet(&self, owner: i32) -> bool {
        let of_owner =
            |item: &Item| matches!(item.turn, Turn::Cancel(at, _) if self.orders[at].owner == owner);
        self.lines.get(&owner).is_none_or(VecDeque::is_empty)
            && !self.lines.get(&BESIDE).into_iter().flatten().any(of_owner)
    }

    pub fn ask_lane(&mut self, who: Who, lane: LaneKey, message: u16, values: &Record) {
        if self.stopping {
            return self.refuse(who, -1);
        }
        if self.carried(who, message, values).is_none() {
            return self.error(who, -1, TOO_OLD);
        }
        let about_orders = matches!(lane.0, 5 | 99);
        let (owner, upstream) = (self.clients[who].id, self.at_gateway(who, message));
        if !self.ready {
            let line = about_orders.then_some(owner);
            let ask = Ask { askers: vec![(who, message)], own: false, line, message: upstream };
            return self.questions.push_back((lane, ask, self.now));
        }
        if !about_orders || self.is_quiet(owner) {
            // What it has asked before is answered before.
            let is_next = !self.lanes.get(&lane).is_some_and(|state| {
                state.head.iter().chain(&state.waiting).any(|ask| ask.askers.iter().any(|a| a.0 == who))
            });
            if let Some(rows) = self.recall(lane, upstream).filter(|_| is_next) {
                return self.tell_rows(who, &rows);
            }
            if is_next && message == 5 && self.known_orders(who) {
                return;
            }
            if self.join_lane(lane, upstream, (who, message)) {
                self.saved += 1;
                return;
            }
        }
        let line = about_orders.then_some(owner);
        self.queue_lane(lane, Ask { askers: vec![(who, message)], own: false, line, message: upstream });
    }

    /// The link is gone: what nobody has had anything of waits for another one.
    pub(super) fn keep_questions(&mut self) {
        for (lane, state) in std::mem::take(&mut self.lanes) {
            let begun = state.begun;
            let asks = state.head.into_iter().map(|ask| (ask, begun));
            for (mut ask, begun) in asks.chain(state.waiting.into_iter().map(|ask| (ask, false))) {
                if begun {
                    for (who, _) in ask.askers {
                        self.error(who, -1, NOT_CONNECTED);
                    }
                } else if !ask.askers.is_empty() {
                    ask.own = false;
                    self.questions.push_back((lane, ask, self.now));
                }
            }
        }
    }

    /// The link is back.
    pub(super) fn ask_questions(&mut self) {
        let version = self.version.expect("ready");
        for (lane, mut ask, _) in std::mem::take(&mut self.questions) {
            if request(ask.message.into()).expect("declared").message.since > version {
                for (who, _) in ask.askers {
                    self.error(who, -1, NOT_CONNECTED);
                }
                continue;
            }
            let message = ask.message;
            ask.askers.retain(|asker| !self.join_lane(lane, message, *asker));
            if !ask.askers.is_empty() {
                self.queue_lane(lane, ask);
            }
        }
    }

    /// Questions wait for half a minute.
    pub(super) fn end_questions(&mut self) {
        while self.questions.front().is_some_and(|(_, _, since)| since + 30 * SECOND <= self.now) {
            let (_, ask, _) = self.questions.pop_front().expect("there is one");
            for (who, _) in ask.askers {
                self.error(who, -1, NOT_CONNECTED);
            }
        }
    }

    /// An answer that serves again: reference data always, completed orders while nothing has changed.
    fn recall(&self, lane: LaneKey, message: u16) -> Option<Vec<Row>> {
        let kept = self.answers.get(&(lane, message))?;
        let fresh = lane.0 != 99 || kept.left == self.changes && self.now - kept.at <= 30 * SECOND;
        fresh.then(|| kept.rows.clone())
    }

    fn tell_rows(&mut self, who: Who, rows: &[Row]) {
        self.saved += 1;
        let own = self.clients[who].id;
        for ((message, values), owner) in rows {
            if owner.is_none_or(|owner| owner == own) {
                self.tells(who, *message, values);
            }
        }
    }

    /// How an order ended comes before the completed ones.
    pub(super) fn lane_end_of(&mut self, owner: i32, values: &Record) {
        self.lane_begun((99, 0));
        if let Some(state) = self.lanes.get_mut(&(99, 0)) {
            state.answer.push(((3, values.clone()), Some(owner)));
        }
    }

    /// Tells a client its own orders, where they are known for sure.
    fn known_orders(&mut self, who: Who) -> bool {
        let owner = self.clients[who].id;
        let lately = |o: &Order| o.amended.is_some_and(|at| at + 10 * SECOND >= self.now);
        let is_under_way = |o: &Order| o.flight.is_some() || o.cancelling && lately(o);
        let under_way = self.orders.iter().any(|o| o.owner == owner && is_under_way(o));
        let recent = self.last_global_cancel.is_some_and(|at| at + 10 * SECOND >= self.now);
        let works = |o: &Order| {
            let status = o.status.as_ref().and_then(|r| r.get("status"));
            let working = ["PendingSubmit", "ApiPending", "PreSubmitted", "Submitted", "PendingCancel"];
            !lately(o)
                && !o.unknown
                && o.open.is_some()
                && status.is_some_and(|status| working.contains(&status))
        };
        let mut live = self.orders.iter().filter(|o| o.met && o.owner == owner && o.up.is_some() && !o.dead);
        let known = owner != 0
            && live.all(works)
            && self.is_quiet(owner)
            && self.knows_open_orders
            && !under_way
            && !recent
            && !self.foreign.iter().any(|(client, _)| *client == owner);
        if known {
            self.saved += 1;
            self.own_orders(who);
            self.own(who, 53, &Record::new());
        }
        known
    }

    /// Adds somebody to an equal request of others, if there is one of which nothing has been answered and since which
    /// nothing has changed. Who asks twice is answered twice, in the order of asking.
    fn join_lane(&mut self, lane: LaneKey, message: u16, asker: (Who, u16)) -> bool {
        let changes = self.changes;
        let Some(state) = self.lanes.get_mut(&lane) else { return false };
        let unchanged = !matches!(lane.0, 5 | 99) || state.left.is_none_or(|left| left == changes);
        let open = !state.begun && unchanged;
        let mut asks: Vec<_> = state.head.iter_mut().map(|ask| (open, ask)).collect();
        asks.extend(state.waiting.iter_mut().map(|ask| (true, ask)));
        let own = asks.iter().rposition(|(_, ask)| ask.askers.iter().any(|other| other.0 == asker.0));
        let behind = asks.into_iter().skip(own.map_or(0, |at| at + 1));
        let mut equal = behind.filter(|(open, ask)| *open && ask.message == message && ask.is_wanted());
        let Some((_, ask)) = equal.next() else { return false };
        ask.askers.push(asker);
        true
    }

    pub(super) fn queue_lane(&mut self, lane: LaneKey, ask: Ask) {
        let state = self.lanes.entry(lane).or_default();
        match state.head {
            None => {
                state.head = Some(ask);
                self.lane_goes(lane);
            }
            Some(_) => state.waiting.push_back(ask),
        }
    }

    /// It is the turn of the request at the head of a lane, unless an answer has come meanwhile that serves it.
    fn lane_goes(&mut self, lane: LaneKey) {
        while let Some(ask) = self.lanes[&lane].head.clone() {
            let quiet = ask.line.is_none_or(|owner| self.is_quiet(owner));
            let rows = if quiet && !ask.own { self.recall(lane, ask.message) } else { None };
            let state = self.lanes.get_mut(&lane).expect("it has a head");
            let Some(rows) = rows else {
                // twsmux's own run from when they leave.
                state.deadline = if ask.own { u64::MAX } else { self.now + 30 * SECOND };
                if let Some(line) = ask.line {
                    self.queue(line, Turn::Lane(lane), Some(0));
                }
                return;
            };
            state.head = std::iter::from_fn(|| state.waiting.pop_front()).find(Ask::is_wanted);
            for (who, _) in ask.askers {
                self.tell_rows(who, &rows);
            }
        }
    }

    /// The request at the head of a lane leaves.
    pub(super) fn lane_left(&mut self, lane: LaneKey, message: u16) {
        let state = self.lanes.get_mut(&lane).expect("somebody asked");
        let head = state.head.as_ref().expect("somebody asked");
        assert!(state.left.is_none(), "one request of a lane is under way");
        assert_eq!(message, head.message, "only client 0 asks the Gateway for its open orders");
        state.left = Some(self.changes);
        if head.own {
            state.deadline = self.now + 30 * SECOND;
        }
        self.lanes_sent.push(lane);
    }

    /// Somebody was told a part of the answer in a lane, or would have been: nobody joins it any more.
    pub(super) fn lane_begun(&mut self, lane: LaneKey) {
        if let Some(state) = self.lanes.get_mut(&lane).filter(|state| state.left.is_some()) {
            state.begun = true;
        }
    }

    /// A row or the end of an answer: to all who asked.
    pub fn lane_row(&mut self, lane: LaneKey, message: u16, values: &Record) {
        self.lane_begun(lane);
        let Some(ask) = self.asked(lane) else { return };
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.answer.push(((message, values.clone()), None));
        }
        for (who, _) in ask.askers {
            self.tells(who, message, values);
        }
    }

    /// The answer in a lane is complete; `whole`: and was not refused. The next one's turn.
    pub fn lane_done(&mut self, lane: LaneKey, whole: bool) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        self.lanes_sent.retain(|l| *l != lane);
        let rows = std::mem::take(&mut state.answer);
        let (left, head) = (state.left.take(), state.head.take());
        state.begun = false;
        let next = std::iter::from_fn(|| state.waiting.pop_front()).find(Ask::is_wanted);
        state.head = next;
        if let (true, Some(left), Some(head)) = (whole, left, head)
            && !matches!(lane.0, 5 | 18)
        {
            self.answers.insert((lane, head.message), KeptAnswer { rows, at: self.now, left });
        }
        self.lane_goes(lane);
    }

    /// What is asked in a lane whose request has left.
    pub fn asked(&self, lane: LaneKey) -> Option<Ask> {
        self.lanes.get(&lane).filter(|l| l.left.is_some())?.head.clone()
    }

    /// Lanes that have taken too long.
    pub(super) fn lanes_tick(&mut self, now: u64) {
        let is_late = |l: &Lane| l.head.is_some() && l.deadline <= now;
        let late: Vec<LaneKey> = self.lanes.iter().filter(|(_, l)| is_late(l)).map(|(k, _)| *k).collect();
        for key in late {
            let lane = self.lanes.get_mut(&key).expect("filtered");
            lane.deadline = now + 30 * SECOND;
            let head = lane.head.as_mut().expect("filtered");
            let own = std::mem::take(&mut head.own);
            let mut askers = std::mem::take(&mut head.askers);
            let waiting = std::mem::take(&mut lane.waiting);
            let own = own || waiting.iter().any(|ask| ask.own);
            askers.extend(waiting.into_iter().flat_map(|ask| ask.askers));
            if own {
                self.list_failed();
            }
            for (who, _) in askers {
                self.error(who, -1, &[322]);
            }
        }
    }
}
