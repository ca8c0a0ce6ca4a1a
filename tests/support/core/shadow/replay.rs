//! Over an outage: what sleeps and what ends, and what is told when the link is back.

use super::waits::Act;
use super::*;

impl Inst {
    /// Something may still come.
    fn goes_on(&self) -> bool {
        self.state == State::Active || self.state == State::Spent && self.goes_on
    }

    /// Whether it may sleep: a snapshot costs money.
    fn may_sleep(&self) -> bool {
        !(self.message() == 1 && self.one_shot)
    }
}

impl Stream {
    /// Nothing of the image holds any more.
    pub(super) fn sleep(&mut self) {
        for row in std::mem::take(&mut self.rows) {
            match self.before.iter_mut().find(|b| b.0 == row.0 && !row.0.is_empty()) {
                Some(before) => *before = row,
                None => self.before.push(row),
            }
        }
        self.end = None;
        self.replaying = false;
    }
}

impl Shadow {
    /// Whether a client may ask for something that is carried out when there is a link.
    pub(super) fn may_ask(&self, message: u16, one_shot: bool) -> bool {
        !self.stopping && (self.ready || !(message == 1 && one_shot))
    }

    /// The link is gone.
    pub(super) fn sleep_or_end(&mut self) {
        for at in 0..self.insts.len() {
            let inst = &mut self.insts[at];
            if inst.held.take().is_some() {
                inst.begun = false; // nothing has been told
            }
            let half_answered = inst.one_shot && inst.begun;
            if inst.goes_on() && inst.may_sleep() && !half_answered {
                (inst.asleep, inst.up, inst.orphan) = (Some(self.now), None, false);
                let rows = std::mem::take(&mut inst.rows);
                inst.before.extend(rows);
                continue;
            }
            if inst.live() {
                let (who, down) = (inst.who, inst.down);
                self.error(who, down, NOT_CONNECTED);
            }
            self.insts[at].state = State::Ended;
            self.insts[at].orphan = true;
        }
        self.by_up.clear();
        self.moved.clear();
        self.moved_ever.clear();
        let insts = &self.insts;
        self.latest.retain(|_, at| insts[*at].live());
        self.replaying.clear();
        self.welcome_nobody();
    }

    /// The Gateway has lost its subscriptions, and keeps its link: they are asked for again. Returns those.
    pub fn subscriptions_lost(&mut self) -> Vec<usize> {
        let mut moved = Vec::new();
        for at in 0..self.insts.len() {
            let inst = &mut self.insts[at];
            let Some(up) = inst.up.filter(|_| inst.goes_on() && !inst.one_shot) else {
                continue;
            };
            if inst.held.take().is_some() {
                inst.begun = false;
            }
            (inst.asleep, inst.up) = (Some(self.now), None);
            let rows = std::mem::take(&mut inst.rows);
            inst.before.extend(rows);
            self.by_up.remove(&up);
            self.moved.insert(up);
            self.moved_ever.insert(up);
            moved.push(at);
        }
        for (at, stream) in self.streams.iter_mut().enumerate() {
            let is_coming = at != BULLETINS && stream.end.is_none();
            stream.sleep();
            if is_coming {
                stream.before.clear();
            }
        }
        for at in 0..self.streams.len() {
            if let Some(who) = self.streams[at].subscribers.first().copied() {
                self.stream_waits(at, who, Act::End);
                self.own_unsubscribes += u32::from(at == ACCOUNTS);
            }
        }
        self.wake();
        moved
    }

    /// Questions wait for half a minute.
    pub(super) fn outage_lasts(&mut self, now: u64) {
        self.end_questions();
        for at in 0..self.insts.len() {
            let inst = &mut self.insts[at];
            let over = inst.asleep.is_some_and(|since| since + 30 * SECOND <= now);
            if over && inst.one_shot && inst.live() {
                (inst.state, inst.orphan, inst.asleep) = (State::Ended, true, None);
                let (who, down) = (inst.who, inst.down);
                self.error(who, down, NOT_CONNECTED);
            }
        }
    }

    /// The link is back.
    pub(super) fn wake(&mut self) {
        self.streams_wait_again();
        let mut lost = std::mem::take(&mut self.bereft);
        lost.extend(self.restoring.iter().filter(|(_, lost)| **lost).map(|(who, _)| *who));
        for at in 0..self.insts.len() {
            if !self.insts[at].live() || self.insts[at].asleep.take().is_none() {
                continue;
            }
            let (who, down) = (self.insts[at].who, self.insts[at].down);
            if !self.says_again(at) {
                self.insts[at].state = State::Ended;
                self.insts[at].orphan = true;
                lost.insert(who);
                self.error(who, down, NOT_CONNECTED);
                continue;
            }
            let inst = &mut self.insts[at];
            let (message, begun) = (inst.message(), inst.begun);
            inst.again = true;
            inst.resumes = message == 20 && !inst.one_shot && begun;
            if !inst.one_shot {
                self.replaying.insert(at);
            }
            if inst.kind == QUERY {
                self.queries.push((Asker::Client(at), Vec::new()));
                self.queue(self.clients[who].id, Turn::Query(at), Some(0));
            }
            if message == 10 && begun {
                self.error(who, down, &[317]);
            }
        }
        self.ask_questions();
        for who in self.ready_clients() {
            self.restoring.insert(who, lost.contains(&who));
        }
        self.welcome_back();
    }

    /// What a request says at the Gateway's version of now. `false`: that cannot carry it, or counts otherwise.
    fn says_again(&mut self, at: usize) -> bool {
        let now = self.version.expect("ready");
        let inst = &mut self.insts[at];
        let message = inst.message();
        if inst.version != now {
            let Some(said) = speech::carried(message, &inst.values, inst.version, now) else { return false };
            (inst.said, inst.version) = (said, now);
            inst.said.remove("reqId");
            let us_stock = kinds::us_stock(&inst.values);
            inst.us_stock = us_stock == Some(true);
            if us_stock.is_none() && kinds::counts_differ(message, self.clients[inst.who].version, now) {
                return false;
            }
        }
        let inst = &mut self.insts[at];
        if message == 97 && inst.begun {
            inst.said.remove("numberOfTicks");
            inst.values.remove("numberOfTicks");
        }
        true
    }

    /// A subscription has left, or is wanted no more.
    pub(super) fn replayed(&mut self, at: usize) {
        if self.replaying.remove(&at) {
            self.welcome_back();
        }
    }

    /// Likewise a shared stream; `whole`: for everybody.
    pub(super) fn stream_replayed(&mut self, stream: usize, whole: bool) {
        let stream = &mut self.streams[stream];
        let news = stream.replaying;
        stream.replaying &= !whole;
        if news {
            self.welcome_back();
        }
    }

    fn is_replaying(&self, who: Who) -> bool {
        self.streams.iter().any(|s| s.replaying && s.subscribers.contains(&who))
            || self.replaying.iter().any(|at| self.insts[*at].who == who)
    }

    fn welcome_nobody(&mut self) {
        let restoring = std::mem::take(&mut self.restoring);
        self.bereft.extend(restoring.into_iter().filter(|(_, lost)| *lost).map(|(who, _)| who));
    }

    /// What the Gateway says of its servers, but for 1101.
    pub fn hear_link(&mut self, code: u16, values: &Record) {
        if code == 1100 {
            self.welcome_nobody();
        }
        if code != 1102 {
            return self.broadcast(values);
        }
        for who in self.ready_clients() {
            let lost = self.bereft.remove(&who);
            let waits = self.is_replaying(who);
            match lost || waits || self.restoring.contains_key(&who) {
                true => *self.restoring.entry(who).or_default() |= lost,
                false => self.tells(who, 4, values),
            }
        }
        self.welcome_back();
    }

    pub fn welcome_back(&mut self) {
        for (who, lost) in std::mem::take(&mut self.restoring) {
            if self.is_replaying(who) {
                self.restoring.insert(who, lost);
            } else {
                self.error(who, -1, if lost { &[1101] } else { &[1102] });
            }
        }
    }
}
