//! Orders and executions: what clients do with them, what the Gateway says of them, and what their owners must hear.

use super::*;

/// Codes that are remarks on an order.
fn is_remark(code: u16) -> bool {
    code == 399
}

impl Shadow {
    // ---- lines ----

    /// Something takes its place in a line of orders.
    pub(super) fn queue(&mut self, line: i32, turn: Turn, after: Option<u64>) {
        self.arrivals += 1;
        let item = Item { number: self.arrivals, turn, since: self.now, after };
        self.lines.entry(line).or_default().push_back(item);
    }

    /// The line whose head must leave next, when facts up to `durable` are on disk: of those in which an order or a cancel
    /// stands, and the one beside them. What is only a question waits with what is not about orders.
    pub(super) fn next_turn(&self, durable: u64) -> Option<i32> {
        let urgent = |item: &Item| !matches!(item.turn, Turn::Lane(_) | Turn::Query(_) | Turn::OwnQuery);
        let lines = self.lines.iter().filter(|(line, items)| **line == BESIDE || items.iter().any(urgent));
        let heads = lines.filter_map(|(line, items)| Some((line, items.front()?)));
        let ready = heads.filter(|(_, item)| item.after.expect("it is recorded") <= durable);
        ready.min_by_key(|(_, item)| item.number).map(|(line, _)| *line)
    }

    /// Something leaves: it must be its turn, or it is a question at the head of its line.
    pub(super) fn leaves(&mut self, durable: u64, which: impl Fn(Turn) -> bool) -> Turn {
        let head = |items: &VecDeque<Item>| items.front().is_some_and(|item| which(item.turn));
        let question = || self.lines.iter().find(|(_, items)| head(items)).map(|(line, _)| *line);
        let line = self.next_turn(durable).or_else(question).expect("I5: something may leave");
        let item = self.lines.get_mut(&line).and_then(VecDeque::pop_front).expect("it has a head");
        assert!(which(item.turn), "I7: it was the turn of {item:?} of client {line}");
        item.turn
    }

    /// Takes items out of all lines, in the order in which they came.
    fn void(&mut self, which: impl Fn(&Item) -> bool) -> Vec<Item> {
        let mut out = Vec::new();
        for line in self.lines.values_mut() {
            out.extend(line.iter().copied().filter(&which));
            line.retain(|item| !which(item));
        }
        out.sort_by_key(|item| item.number);
        out
    }

    /// The core has recorded a new order of `owner` under the fact `seq`.
    pub fn recorded(&mut self, owner: i32, down: i32, seq: u64) {
        let at = self.by_down.get(&(owner, down)).copied();
        let new = |item: &&mut Item| {
            item.after.is_none() && matches!(item.turn, Turn::Place(of, _) if Some(of) == at)
        };
        if let Some(item) = self.lines.get_mut(&owner).and_then(|line| line.iter_mut().find(new)) {
            item.after = Some(seq);
        }
    }

    pub fn all_recorded(&self) -> bool {
        self.lines.values().flatten().all(|item| item.after.is_some())
    }

    // ---- ids ----

    /// What nextValidId says to a client.
    pub(super) fn next_of(&self, owner: i32) -> i32 {
        self.next.get(&owner).copied().unwrap_or(0).max(self.first).max(1)
    }

    pub(super) fn used(&mut self, owner: i32, down: i32) {
        let next = self.next.entry(owner).or_insert(0);
        *next = (*next).max(down + 1);
    }

    /// The Gateway has used upstream ids up to this one.
    pub fn raise(&mut self, up: i32) {
        self.max_up_order = self.max_up_order.max(up);
    }

    /// The Gateway speaks of an order: one from before belongs to the client with twsmux's own id.
    fn meet(&mut self, at: usize) {
        if self.orders[at].met {
            return;
        }
        let up = self.orders[at].up.expect("from before");
        let down = match self.by_down.contains_key(&(UP_CLIENT, up)) {
            true => self.next_of(UP_CLIENT),
            false => up,
        };
        self.map(UP_CLIENT, down, at);
        self.raise(up);
    }

    fn map(&mut self, owner: i32, down: i32, at: usize) {
        let order = &mut self.orders[at];
        (order.owner, order.down, order.met) = (owner, down, true);
        self.by_down.insert((owner, down), at);
        self.used(owner, down);
        let highest = self.placed.entry(owner).or_insert(0);
        *highest = (*highest).max(down);
    }

    // ---- what owners hear ----

    /// Something about an order for its owner, now or when it comes back.
    fn tell_owner(&mut self, at: usize, news: News, must: bool, in_time: bool) {
        match self.holder(self.orders[at].owner) {
            Some(who) => self.give(who, news, must),
            None if in_time => {
                let (owner, version) = (self.orders[at].owner, self.version.expect("it was there"));
                self.kept.entry(owner).or_default().push(Kept { order: at, news, version, must });
            }
            None => {}
        }
    }

    fn give(&mut self, who: Who, news: News, must: bool) {
        let what = match news {
            News::Says(message, values) => self.told(who, message, &values).expect("every version has it"),
            News::Error(id, 201) => What::Error(id, REFUSED_ORDER),
            News::Error(id, 202) => What::Error(id, CANCELLED),
            News::Error(id, code) => {
                assert_eq!(code, 399);
                What::Error(id, REMARK)
            }
        };
        self.out.push(Expect { who, what, must });
    }

    pub(super) fn deliver_kept(&mut self, who: Who) {
        for kept in self.kept.remove(&self.clients[who].id).unwrap_or_default() {
            let news = match kept.news {
                News::Says(message, _) if Some(kept.version) != self.version => {
                    self.out.push(Expect { who, what: What::Message(message), must: kept.must });
                    continue;
                }
                News::Says(4, mut values) => {
                    if kept.version < 194 {
                        values.set("errorTime", self.now / 1000);
                    }
                    News::Says(4, values)
                }
                other => other,
            };
            self.give(who, news, kept.must);
        }
    }

    /// How an order ended while nobody listened.
    pub(super) fn tell_completed(&mut self, at: usize, values: Record) {
        self.tell_owner(at, News::Says(3, values), true, true);
    }

    /// twsmux tells the owner of an order something under an error code.
    pub(super) fn remark(&mut self, at: usize, code: u16) {
        let down = self.orders[at].down;
        self.tell_owner(at, News::Error(down, code), true, true);
    }

    // ---- placing and cancelling ----

    fn refuse_order(&mut self, who: Who, down: i32, modifies: bool) {
        if !modifies && down > 0 {
            self.used(self.clients[who].id, down);
        }
        self.error(who, down, if modifies { REMARK } else { REFUSED_ORDER });
    }

    /// An order that a client may refer to.
    fn find(&self, owner: i32, down: i32) -> Option<usize> {
        self.by_down.get(&(owner, down)).copied().filter(|at| !self.orders[*at].withdrawn)
    }

    /// A call of placeOrder or exerciseOptions under a token that nobody has used.
    pub fn place(&mut self, who: Who, token: u64, message: u16, values: &Record) {
        let int = |name| values.int(name).unwrap_or(0) as i32;
        let (down, parent) = (int(kinds::order_id(message)), int("parentId"));
        let owner = self.clients[who].id;
        let known = self.find(owner, down);
        let modifies = known.is_some_and(|at| !self.orders[at].dead);
        let said = if self.available() { self.carried(who, message, values) } else { None };
        let Some(said) = said else { return self.refuse_order(who, down, modifies) };
        if down <= 0 && known.is_none() {
            return self.error(who, down, &[321]);
        }
        if known.is_none() && self.disk_broken {
            return self.refuse_order(who, down, modifies);
        }
        let parent_at = self.find(owner, parent);
        // One that was cancelled before it left is none any more.
        let gone = |at: usize| self.orders[at].dead && self.orders[at].up.is_none();
        let late = |at: usize| known.is_some_and(|child| child < at) && self.orders[at].up.is_none();
        let keeps = |at: usize| self.orders[at].waits() && self.orders[at].parent != parent_at;
        if known.is_some_and(keeps) || parent != 0 && parent_at.is_none_or(|at| gone(at) || late(at)) {
            return self.refuse_order(who, down, modifies);
        }
        let mapped = self.by_down.contains_key(&(owner, down));
        let at = match known {
            Some(at) if gone(at) => return self.error(who, down, &[103]),
            Some(at) => at,
            None if !mapped && self.foreign.contains(&(owner, down)) => return self.error(who, down, REMARK),
            None if !mapped && down <= *self.placed.get(&owner).unwrap_or(&0) => {
                return self.error(who, down, &[103]);
            }
            None => {
                self.orders.push(Order::default());
                self.map(owner, down, self.orders.len() - 1);
                self.orders.len() - 1
            }
        };
        let order = &mut self.orders[at];
        order.what_if = values.flag("whatIf");
        order.parent = parent_at;
        if !order.spoken {
            order.quantity = values.get("totalQuantity").unwrap_or_default().to_owned();
        }
        self.calls.insert(token, Call { order: at, parent: parent_at, said: without_ids(said) });
        self.queue(owner, Turn::Place(at, token), known.map(|_| 0));
    }

    /// It gets through to a Gateway of any version, without what that has no place for.
    pub fn cancel_order(&mut self, who: Who, down: i32) {
        if !self.available() {
            return self.error(who, down, REMARK);
        }
        let owner = self.clients[who].id;
        match self.find(owner, down) {
            None if !self.by_down.contains_key(&(owner, down)) && self.foreign.contains(&(owner, down)) => {
                self.error(who, down, REMARK);
            }
            None => self.error(who, down, &[10147]),
            Some(at) if self.orders[at].waits() => self.cancel_here(at),
            Some(at) if self.orders[at].up.is_none() => self.error(who, down, &[10148]),
            Some(at) => {
                let line = if self.concerns(owner, at) { owner } else { BESIDE };
                self.queue(line, Turn::Cancel(at, who), Some(0));
            }
        }
    }

    /// Whether something of an order or of its children waits in its owner's line.
    fn concerns(&self, owner: i32, at: usize) -> bool {
        self.lines.get(&owner).into_iter().flatten().any(|item| match item.turn {
            Turn::Place(of, _) | Turn::Cancel(of, _) => of == at || self.orders[of].parent == Some(at),
            _ => false,
        })
    }

    /// An order that has not left and what would follow it, parents first; nothing of them leaves any more.
    fn void_family(&mut self, at: usize) -> Vec<usize> {
        let mut family = vec![at];
        let mut next = 0;
        while next < family.len() {
            let parent = family[next];
            let children = (0..self.orders.len())
                .filter(|c| self.orders[*c].waits() && self.orders[*c].parent == Some(parent));
            let new: Vec<usize> = children.filter(|c| !family.contains(c)).collect();
            family.extend(new);
            next += 1;
        }
        self.void(
            |item| matches!(item.turn, Turn::Place(of, _) | Turn::Cancel(of, _) if family.contains(&of)),
        );
        family
    }

    fn cancel_here(&mut self, at: usize) {
        for member in self.void_family(at) {
            let order = &mut self.orders[member];
            order.dead = true;
            let mut r = Record::new();
            let remaining = if order.quantity.is_empty() { "0" } else { &order.quantity };
            r.set("orderId", order.down).set("clientId", order.owner).set("status", "Cancelled");
            r.set("filled", 0).set("remaining", remaining).set("avgFillPrice", 0).set("lastFillPrice", 0);
            r.set("permId", 0).set("mktCapPrice", 0).set("whyHeld", "");
            r.set("parentId", self.orders[member].parent.map_or(0, |p| self.orders[p].down));
            self.tell_owner(member, News::Says(3, r), true, true);
            self.remark(member, 202);
        }
    }

    pub fn global_cancel(&mut self, who: Who) {
        if !self.available() {
            return self.error(who, -1, REMARK);
        }
        if self.is_denied(who) {
            return;
        }
        for item in self.void(|item| matches!(item.turn, Turn::Place(..))) {
            let Turn::Place(at, _) = item.turn else { continue };
            if self.orders[at].waits() {
                self.cancel_here(at);
            } else if self.orders[at].up.is_some() {
                self.remark(at, 399);
            }
        }
        self.queue(self.clients[who].id, Turn::GlobalCancel(who), Some(0));
    }

    // ---- orders that do not leave ----

    fn not_sent(&mut self, at: usize) {
        if self.orders[at].up.is_some() {
            return self.remark(at, 399);
        }
        if !std::mem::replace(&mut self.orders[at].dead, true) {
            self.orders[at].withdrawn = true;
            self.remark(at, 201);
        }
    }

    fn refuse_waiting(&mut self, which: impl Fn(&Item) -> bool) {
        for item in self.void(|item| matches!(item.turn, Turn::Place(..)) && which(item)) {
            let Turn::Place(at, _) = item.turn else { continue };
            match self.orders[at].waits() {
                true => {
                    self.void_family(at).into_iter().for_each(|member| self.not_sent(member));
                    // Those beside it might set their parent off without it.
                    let parent = self.orders[at].parent;
                    for other in at + 1..self.orders.len() {
                        if parent.is_some()
                            && self.orders[other].waits()
                            && self.orders[other].parent == parent
                        {
                            self.void_family(other).into_iter().for_each(|member| self.not_sent(member));
                        }
                    }
                }
                false => self.not_sent(at),
            }
        }
    }

    pub(super) fn refuse_late_orders(&mut self) {
        let (now, wait) = (self.now, self.settings.order_wait);
        self.refuse_waiting(|item| item.since + wait <= now);
    }

    /// The disk refuses the facts up to a number.
    pub fn disk_fails(&mut self, durable: u64, upto: u64) {
        self.disk_broken = true;
        self.refuse_waiting(|item| item.after.is_some_and(|after| after > durable && after <= upto));
    }

    /// Nothing that waits leaves any more.
    pub fn refuse_queued(&mut self) {
        for item in self.void(|_| true) {
            match item.turn {
                Turn::Place(at, _) => self.not_sent(at),
                Turn::Cancel(at, who) if self.is_ready(who) => self.error(who, self.orders[at].down, REMARK),
                Turn::Cancel(at, _) => self.remark(at, 399),
                Turn::GlobalCancel(who) if self.is_ready(who) => self.error(who, -1, REMARK),
                _ => {}
            }
        }
    }

    // ---- what is under way ----

    pub(super) fn takes_off(&mut self, at: usize, flight: Flight) {
        self.orders_changed(Some(true));
        let order = &mut self.orders[at];
        if flight != Flight::New {
            order.amended = Some(self.now);
        }
        let nothing_before = order.flight.is_none() && !order.cancelling;
        if order.flight != Some(Flight::New) {
            order.flight = Some(flight);
        }
        self.is_under_way(at, nothing_before);
    }

    pub(super) fn cancel_takes_off(&mut self, at: usize) {
        self.orders_changed(Some(true));
        let order = &mut self.orders[at];
        order.amended = Some(self.now);
        let nothing_before = order.flight.is_none() && !order.cancelling;
        order.cancelling = true;
        self.is_under_way(at, nothing_before);
    }

    fn is_under_way(&mut self, at: usize, nothing_before: bool) {
        if nothing_before {
            self.in_flight.retain(|other| *other != at);
            self.in_flight.push(at);
        }
    }

    /// The link is gone while something was under way.
    pub fn flights_end(&mut self) {
        for at in std::mem::take(&mut self.in_flight) {
            let cancelling = std::mem::take(&mut self.orders[at].cancelling);
            match self.orders[at].flight.take() {
                None => {}
                Some(Flight::New) if self.is_lost(at) => continue,
                Some(Flight::New) => {}
                Some(Flight::Modify) => self.remark(at, 399),
            }
            if cancelling {
                self.remark(at, 399);
            }
        }
        let since = self.now.saturating_sub(10 * SECOND);
        for (who, _) in
            std::mem::take(&mut self.global_cancels).into_iter().filter(|(_, left)| *left >= since)
        {
            if self.is_ready(who) {
                self.error(who, -1, REMARK);
            }
        }
    }

    /// Nobody knows what became of an order. `true`: that is told now.
    pub(super) fn is_lost(&mut self, at: usize) -> bool {
        let order = &mut self.orders[at];
        let news = !order.dead && !std::mem::replace(&mut order.unknown, true);
        if news {
            self.remark(at, 399);
        }
        news
    }

    /// The Gateway has spoken of an order.
    fn spoken_of(&mut self, at: usize) {
        self.meet(at);
        let order = &mut self.orders[at];
        order.flight = None;
        order.quantity.clear();
        order.spoken = true;
        order.unknown = false;
    }

    // ---- what the Gateway says ----

    /// An error under an upstream order id.
    pub fn hear_order_error(&mut self, at: usize, code: u16, mut values: Record) {
        self.orders_changed(Some(true));
        let order = &mut self.orders[at];
        order.flight = None;
        order.cancelling &= is_remark(code);
        // Without an image there was no order yet.
        let new = order.open.is_none() && order.status.is_none() && !order.spoken;
        if new && !is_remark(code) {
            self.spoken_of(at);
            self.orders[at].dead = true;
            self.lists.missing.remove(&at);
        }
        self.id_questions += u32::from(new && code == 103);
        values.set("id", self.orders[at].down);
        self.tell_owner(at, News::Says(4, values), true, code != 161);
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

    /// Takes in an image of an order. Says whether it is news; `None`: it cannot be told.
    fn learn_order(&mut self, at: usize, message: u16, values: &Record) -> Option<bool> {
        self.spoken_of(at);
        self.lists.missing.remove(&at);
        let order = &mut self.orders[at];
        order.perm_known |= values.get("permId").is_some();
        let differs = |image: &Option<Record>, blurred: bool| match image.as_ref() == Some(values) {
            false => Some(true),
            true if blurred => None,
            true => Some(false),
        };
        if message == 5 {
            let unseen = order.open.is_none() && order.status.is_none();
            if values.flag("whatIf") {
                order.dead |= unseen;
                return Some(true);
            }
            let changed = differs(&order.open, order.blurred[0]);
            order.due = changed;
            if !order.dead || unseen {
                order.open = Some(values.clone());
                order.blurred[0] = false;
                order.dead = false;
            }
            return changed;
        }
        let changed = match (order.due.replace(false), differs(&order.status, order.blurred[1])) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        };
        order.cancelling &= !is_final(values) && values.get("status") != Some("PendingCancel");
        order.status = Some(values.clone());
        order.blurred[1] = false;
        order.dead = is_final(values);
        if order.dead {
            order.open = None;
        }
        changed
    }

    /// openOrder or orderStatus of an order of ours.
    pub fn hear_order(&mut self, at: usize, message: u16, values: Record, held_back: bool) {
        let changed = self.learn_order(at, message, &values);
        let owner = self.orders[at].owner;
        let holder = self.holder(owner);
        // How an order ended is kept once.
        let kept = self.kept.get(&owner).into_iter().flatten();
        let ends = kept.filter(|k| k.order == at && matches!(k.news, News::Says(3, _)));
        let ends: Vec<bool> = ends.map(|k| k.must).collect();
        let in_time = message == 3 && is_final(&values) && changed != Some(false) && !ends.contains(&true);
        let certain = changed == Some(true);
        let keeps = certain && ends.is_empty();
        let values = self.order_values(at, &values, true);
        let must = |otherwise: bool| if holder.is_some() { otherwise } else { keeps };
        self.orders_changed(changed);
        // How an order ended is no part of a list of open orders: it precedes the completed ones.
        let is_completed =
            message == 3 && is_final(&values) && changed != Some(true) && self.asked((99, 0)).is_some();
        if is_completed {
            self.lane_end_of(owner, &values);
        }
        if let Some(ask) = self.asked((5, 0)).filter(|_| is_completed && changed.is_none()) {
            // Nobody knows whether it was known.
            for (who, _) in ask.askers {
                let what = self.told(who, message, &values).expect("every version has it");
                self.out.push(Expect { who, what, must: false });
            }
        }
        if let Some(ask) = self.asked((5, 0)).filter(|_| !is_completed) {
            self.lane_begun((5, 0));
            let mut had = ask.askers;
            had.retain(|asker| asker.1 == 16 || Some(asker.0) == holder);
            for (who, _) in &had {
                self.tells(*who, message, &values);
            }
            if !had.iter().any(|asker| Some(asker.0) == holder) && changed != Some(false) {
                self.tell_owner(at, News::Says(message, values), must(certain), in_time);
            }
            return;
        }
        let of_another = |ask: Ask| !ask.askers.iter().any(|asker| Some(asker.0) == holder);
        let strangers = self.asked((99, 0)).is_some_and(of_another);
        match (held_back || strangers, changed) {
            (true, Some(false)) => {}
            (true, None) => self.tell_owner(at, News::Says(message, values), must(false), in_time),
            _ => self.tell_owner(at, News::Says(message, values), must(true), in_time),
        }
    }

    /// An order of another program: seen by whoever asked for all, and as its own by its namesake that asked.
    pub fn hear_foreign(&mut self, client: i32, order: i32, values: &Record) {
        if self.foreign.insert((client, order)) {
            self.used(client, order);
            let highest = self.placed.entry(client).or_insert(0);
            *highest = (*highest).max(order);
        }
        let Some(ask) = self.asked((5, 0)) else { return self.orders_changed(Some(true)) };
        self.lane_begun((5, 0));
        let namesake = self.holder(client);
        for (who, _) in ask.askers.into_iter().filter(|a| a.1 == 16 || Some(a.0) == namesake) {
            self.tells(who, 5, values);
        }
    }

    // ---- executions ----

    /// Forgets the queries that are over.
    fn prune_queries(&mut self) {
        let (insts, lists) = (&self.insts, &self.lists);
        self.queries.retain(|(asker, _)| match asker {
            Asker::Client(at) => insts[*at].state == State::Active,
            Asker::Own => lists.step == Step::Executions,
        });
    }

    fn pending(&mut self, asker: Asker) -> Option<&mut Vec<usize>> {
        self.prune_queries();
        self.queries.iter_mut().find(|q| q.0 == asker).map(|q| &mut q.1)
    }

    /// Whether a query waits for the commission of an execution.
    pub fn is_pending(&self, exec: usize) -> bool {
        self.queries.iter().any(|(_, pending)| pending.contains(&exec))
    }

    /// An execution: `query` when it answers one.
    pub fn hear_execution(&mut self, exec: usize, query: Option<Asker>, mut values: Record) {
        let at = self.execs[exec].order;
        let first_met = !self.orders[at].met;
        self.spoken_of(at);
        self.orders[at].dead |= first_met && query.is_some();
        let owner = self.orders[at].owner;
        values.set("orderId", self.orders[at].down).set("clientId", owner);
        let Some(query) = query else {
            self.orders_changed(Some(true));
            if !self.execs[exec].live {
                self.fill(exec, values);
            }
            return;
        };
        if let Some(pending) = self.pending(query)
            && !pending.contains(&exec)
        {
            pending.push(exec);
        }
        match query {
            Asker::Own if self.lists.step != Step::Executions => {}
            Asker::Own => {
                if self.lists.missing.contains(&at) {
                    self.lists.prices.insert(at, self.execs[exec].price);
                }
                if !self.execs[exec].told {
                    self.fill(exec, values);
                }
            }
            Asker::Client(inst) => {
                let (who, down, state) =
                    (self.insts[inst].who, self.insts[inst].down, self.insts[inst].state);
                let filter = self.insts[inst].filter;
                if state != State::Active {
                    return;
                }
                if filter != 0 && filter != owner {
                    self.pending(query).expect("it is active").retain(|e| *e != exec);
                    return;
                }
                let known = &mut self.execs[exec];
                known.known = true;
                known.told |= self.clients[who].id == owner;
                values.set("reqId", down);
                self.insts[inst].begun = true;
                self.tells(who, 11, &values);
            }
        }
    }

    /// A fill that its owner has not heard of.
    fn fill(&mut self, exec: usize, mut values: Record) {
        let known = &mut self.execs[exec];
        (known.known, known.told, known.live) = (true, true, true);
        let at = known.order;
        if values.get("reqId").is_some() {
            values.set("reqId", -1);
        }
        self.tell_owner(at, News::Says(11, values), true, true);
        if let Some(report) = self.early.remove(&exec) {
            self.commission(exec, &report, None);
        }
    }

    /// A commission report.
    pub fn hear_commission(&mut self, exec: usize, values: &Record) {
        self.prune_queries();
        let query = self.queries.iter_mut().find(|(_, pending)| pending.contains(&exec));
        let asker = query.map(|(asker, pending)| {
            pending.retain(|e| *e != exec);
            *asker
        });
        if asker.is_none() {
            self.orders_changed(Some(true));
        }
        if !self.execs[exec].known {
            self.early.insert(exec, values.clone());
            return;
        }
        let to = match asker {
            Some(Asker::Client(inst)) => Some(self.insts[inst].who),
            _ => None,
        };
        if let Some(who) = to {
            self.tells(who, 59, values);
        }
        if self.execs[exec].told && !self.execs[exec].commissioned {
            self.commission(exec, values, to);
        } else if asker.is_none() && self.queries.is_empty() {
            // Late or repeated: to whoever it is of use.
            let owner = self.orders[self.execs[exec].order].owner;
            if let Some(who) = self.holder(owner) {
                self.tells(who, 59, values);
            }
        }
    }

    /// The owner of a fill hears of its commission, once.
    fn commission(&mut self, exec: usize, values: &Record, had: Option<Who>) {
        self.execs[exec].commissioned = true;
        let at = self.execs[exec].order;
        let holder = self.holder(self.orders[at].owner);
        if holder.is_none() || holder != had {
            self.tell_owner(at, News::Says(59, values.clone()), true, true);
        }
    }
}

pub(super) fn is_final(values: &Record) -> bool {
    matches!(values.get("status"), Some("Filled" | "Cancelled"))
}
