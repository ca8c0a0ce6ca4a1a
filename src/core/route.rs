//! What the Gateway says: every message to its requester, its owner, its subscribers, all, or nobody (I3).

use bytes::Bytes;

use super::answers::Source;
use super::backlog::About;
use super::client::Phase;
use super::codes::{self, Class};
use super::compose::id;
use super::io::Level;
use super::link::Link;
use super::requests::Member;
use super::slow::Place;
use super::stats::Drop;
use super::timers::Timer;
use super::trouble::Case;
use super::{Core, Ctx};
use crate::ids::{ClientKey, DownOrderId, LinkId, UpOrderId, UpReqId};
use crate::limits;
use crate::protocol::dialect::{Dialect, Shape};
use crate::protocol::model::{Conflate, EndWhen, Lane, Response, Role, Route, Shared};
use crate::wire::{
    frame, proto,
    text::{self, Form, Message},
};

/// A message of the Gateway, taken apart.
pub(super) struct Heard<'a> {
    pub(super) shape: &'a Shape<Response>,
    pub(super) message: Message<'a>,
    pub(super) version: u16,
}

impl<'a> Heard<'a> {
    /// `None` when it does not parse or its id is unknown.
    pub(super) fn new(dialect: &'a Dialect, payload: &'a [u8]) -> Option<Self> {
        let message = text::message(payload, dialect.version()).ok()?;
        let shape = dialect.response(message.id)?;
        Some(Heard { shape, message, version: dialect.version() })
    }

    pub(super) fn id(&self) -> u16 {
        self.shape.decl.message.id
    }

    pub(super) fn req_id(&self) -> Option<i32> {
        self.shape.req_id(&self.message)
    }

    pub(super) fn int(&self, role: Role) -> Option<i32> {
        self.shape.int(&self.message, role).ok().flatten().and_then(|n| i32::try_from(n).ok())
    }

    pub(super) fn str(&self, role: Role) -> Option<&'a [u8]> {
        self.shape.str(&self.message, role).ok().flatten()
    }
}

impl Core {
    pub(super) fn upstream_frame(&mut self, ctx: &mut Ctx<'_>, link: LinkId, payload: &[u8]) {
        let listens = matches!(self.link, Link::Starting { .. } | Link::Learning { .. } | Link::Ready { .. });
        if link != self.link_id || !listens {
            return;
        }
        self.last_heard = ctx.now;
        self.stats.bytes_from_gateway += frame::PREFIX as u64 + payload.len() as u64;
        self.hear(ctx, payload);
    }

    /// A message of the Gateway.
    pub(super) fn hear(&mut self, ctx: &mut Ctx<'_>, payload: &[u8]) {
        let dialect = self.speeches.upstream().clone();
        let Ok(message) = text::message(payload, dialect.version()) else {
            self.note(
                ctx,
                Level::Warn,
                format!("a frame of the Gateway without message id: {} bytes", payload.len()),
            );
            return self.dropped(Drop::Malformed);
        };
        self.stats.heard(message.id);
        let Some(shape) = dialect.response(message.id) else {
            self.note(ctx, Level::Debug, format!("unknown message id {} of the Gateway", message.id));
            return self.dropped(Drop::UnknownMessage);
        };
        let heard = Heard { shape, message, version: dialect.version() };
        if matches!(self.link, Link::Starting { .. })
            && self.waits_for_accounts(shape.decl.route, &heard, payload)
        {
            return;
        }
        match shape.decl.route {
            Route::ReqId => match heard.req_id().map(UpReqId) {
                Some(up) => self.hear_by_id(ctx, &heard, payload, up),
                None => self.dropped(Drop::Malformed),
            },
            Route::Order => self.hear_order(ctx, &heard, payload),
            Route::Execution => {
                let query = heard.int(Role::ReqId).filter(|id| *id >= 0).map(UpReqId);
                self.hear_execution(ctx, &heard, payload, query);
            }
            Route::Commission => {
                let query = self.query_of(&heard);
                self.hear_commission(ctx, &heard, payload, query);
            }
            Route::Error => self.hear_error(ctx, &heard, payload),
            Route::Lane { lane, end } => self.hear_lane(ctx, &heard, payload, lane, end),
            Route::Shared { stream, key, end } => self.hear_shared(ctx, &heard, payload, stream, key, end),
            Route::NextValidId => match heard.int(Role::OrderId) {
                Some(next) => self.upstream_next_id(ctx, next),
                None => self.dropped(Drop::Malformed),
            },
            Route::ManagedAccounts => {
                let list = match heard.message.form {
                    Form::Text => text::field(heard.message.body, 2).unwrap_or_default(),
                    Form::Proto => {
                        proto::get_str(heard.message.body, &[1]).ok().flatten().unwrap_or_default()
                    }
                };
                self.upstream_accounts(ctx, String::from_utf8_lossy(list).into_owned());
            }
            Route::Time => self.hear_clock(ctx, &heard, 2, 1000),
            Route::TimeMillis => self.hear_clock(ctx, &heard, 1, 1),
            Route::OrderBound => self.hear_bound(ctx, &heard),
            Route::Nobody => self.dropped(Drop::NobodyAsked),
        }
    }

    /// What is about orders is not heard before it is known that the Gateway has the accounts of the journal: with
    /// others, equal ids are other orders.
    fn waits_for_accounts(&mut self, route: Route, heard: &Heard<'_>, payload: &[u8]) -> bool {
        let about_orders = match route {
            Route::Order | Route::Execution | Route::Commission | Route::OrderBound => true,
            Route::Lane { lane, .. } => lane == Lane::OpenOrders,
            Route::Error => heard.int(Role::ReqId).is_some_and(|id| id > 0),
            _ => false,
        };
        if about_orders && self.start_push_bytes + payload.len() <= limits::MAX_START_PUSH {
            self.start_push_bytes += payload.len();
            self.start_push.push(Bytes::copy_from_slice(payload));
        } else if about_orders {
            self.dropped(Drop::Repetition); // the lists are asked for anyway
        }
        about_orders
    }

    fn hear_clock(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, text_index: usize, unit: i64) {
        let value = match heard.message.form {
            Form::Text => text::int(heard.message.body, text_index).ok(),
            Form::Proto => proto::get_int(heard.message.body, &[1]).ok().flatten(),
        };
        match value {
            Some(n) => self.upstream_clock(ctx, n.saturating_mul(unit)),
            None => self.dropped(Drop::Malformed),
        }
    }

    /// An answer or a tick: to the holder of its request id.
    pub(super) fn hear_by_id(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, payload: &[u8], up: UpReqId) {
        if matches!(heard.id(), id::HISTORICAL_DATA | id::HISTORICAL_END)
            && self.hear_bars_again(ctx, heard, up)
        {
            return;
        }
        if heard.shape.decl.conflate == Conflate::Bulk {
            self.shed(ctx, up, payload.len());
        }
        if !self.hear_split(ctx, heard, payload, up) {
            self.hear_answer(ctx, heard, payload, up);
        }
    }

    fn hear_answer(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, payload: &[u8], up: UpReqId) {
        if self.reconcile.is_query(up) {
            return self.own_query_done(ctx, up); // execDetailsEnd: nothing else is answered by request id
        }
        let Some(entry) = self.requests.get(up) else { return self.drop_unrouted(up) };
        let (message, one_shot, us_stock) = (entry.message, entry.one_shot, entry.us_stock);
        let last = one_shot && self.ends(heard, message);
        if !one_shot {
            self.tell_what_is_gone(ctx, up, heard);
        }
        self.tell_each(ctx, up, heard, us_stock, last);
        self.keep_answer(up, heard, payload);
        if matches!(heard.id(), id::REROUTE_MKT_DATA | id::REROUTE_MKT_DEPTH) {
            // Clients ask again under the same id (LIVE.md section 4).
            self.spend(up);
        }
        if last {
            self.complete_request(ctx, up);
        }
    }

    /// Passes a message on to all who share a request.
    pub(super) fn tell_members(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, heard: &Heard<'_>, us_stock: bool) {
        self.tell_each(ctx, up, heard, us_stock, false);
    }

    /// Likewise. What ends the request (`last`) does not wait, whatever it is, and comes behind what does.
    fn tell_each(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, heard: &Heard<'_>, us_stock: bool, last: bool) {
        let Some(entry) = self.requests.get(up) else { return };
        if let [member] = entry.members[..] {
            let place = self.place_of_member(ctx, member, heard, last);
            let (key, down) = member;
            return self.tell_at(ctx, key, heard, &[(Role::ReqId, down.0.into())], us_stock, place);
        }
        // As they are now: telling may close a client that is too slow, which may be here under several ids.
        let mut members = std::mem::take(&mut self.telling);
        members.extend_from_slice(&entry.members);
        let mut converted = std::mem::take(&mut self.converted);
        for member in members.drain(..) {
            let place = self.place_of_member(ctx, member, heard, last);
            self.tell_one_of_many(ctx, member, heard, us_stock, place, &mut converted);
        }
        converted.end();
        (self.telling, self.converted) = (members, converted);
    }

    /// Where a message goes for one who shares its request.
    fn place_of_member(
        &mut self,
        ctx: &mut Ctx<'_>,
        (key, down): Member,
        heard: &Heard<'_>,
        last: bool,
    ) -> Place {
        let most = self.most_unsent;
        match self.clients.get(key) {
            Some(client) if client.is_behind(most) => match last {
                true => {
                    self.bring_forward(ctx, key, About::Request(down.0));
                    Place::Outbox
                }
                false => self.place(ctx, key, heard, &[(Role::ReqId, down.0.into())]),
            },
            _ => Place::Outbox,
        }
    }

    /// The end of an image after an outage: what is not in it any more is told as such.
    fn tell_what_is_gone(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, heard: &Heard<'_>) {
        let Some(entry) = self.requests.get_mut(up).filter(|e| e.line.is_some()) else { return };
        let request = crate::protocol::request(entry.message.into());
        let ends_image = request.is_some_and(|r| r.ends.contains(&(heard.id(), EndWhen::Image)));
        let (Some(line), true) = (&mut entry.line, ends_image) else { return };
        let (dialect, us_stock) = (self.speeches.upstream().clone(), entry.us_stock);
        for payload in line.gone(&dialect) {
            if let Some(gone) = Heard::new(&dialect, &payload) {
                self.tell_members(ctx, up, &gone, us_stock);
            }
        }
    }

    /// A request has had the end of its answer.
    pub(super) fn complete_request(&mut self, ctx: &mut Ctx<'_>, up: UpReqId) {
        self.answers.complete(Source::Request(up), ctx.now);
        self.end_request(up);
    }

    /// What those who join later are told of an answer. Nobody joins an answer that has begun and will end; it may serve
    /// those who ask again.
    pub(super) fn keep_answer(&mut self, up: UpReqId, heard: &Heard<'_>, payload: &[u8]) {
        self.answers.add(Source::Request(up), payload);
        if matches!(heard.id(), id::HISTORICAL_DATA | id::HISTORICAL_UPDATE) {
            self.keep_bar(up, heard);
        }
        let Some(entry) = self.requests.get_mut(up) else { return };
        entry.begun = true;
        entry.goes_on = entry.spent;
        match &mut entry.line {
            Some(line) if !entry.one_shot => line.keep(heard, payload),
            Some(line) if line.open => self.requests.close(up),
            _ => {}
        }
    }

    /// Whoever asked may use the id again, and nobody joins any more.
    fn spend(&mut self, up: UpReqId) {
        self.requests.close(up);
        if let Some(entry) = self.requests.get_mut(up) {
            (entry.spent, entry.goes_on) = (true, false);
        }
        self.pacer.ended(up);
    }

    /// Whether a message ends a request of this kind.
    pub(super) fn ends(&self, heard: &Heard<'_>, request: u16) -> bool {
        let Some(request) = crate::protocol::request(u32::from(request)) else { return false };
        request.ends.iter().any(|(by, when)| {
            *by == heard.id()
                && match when {
                    EndWhen::Always => true,
                    EndWhen::Done => heard.shape.flag(&heard.message).unwrap_or(true),
                    EndWhen::Versions(versions) => versions.has(heard.version),
                    EndWhen::Image => false,
                }
        })
    }

    /// Counts a message whose request is not active.
    pub(super) fn drop_unrouted(&mut self, up: UpReqId) {
        self.dropped(match self.requests.retired(up) {
            Some(_) => Drop::Late,
            None => Drop::UnknownRequest,
        });
    }

    fn hear_lane(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, payload: &[u8], lane: Lane, end: bool) {
        let lane_key = heard.shape.int(&heard.message, Role::LaneKey).ok().flatten().unwrap_or(0);
        let Some(ask) = self.lanes.answered(lane, lane_key) else {
            // The end of the start push, or of an answer that nobody waits for.
            return self.dropped(Drop::NobodyAsked);
        };
        let (askers, own) = (ask.askers.clone(), ask.own);
        self.lanes.begun(lane, lane_key);
        self.answers.add(Source::Lane(lane, lane_key), payload);
        if own && !end && lane == Lane::CompletedOrders {
            self.hear_completed(ctx, heard);
        }
        for asker in askers {
            self.tell_listed(ctx, asker.client, heard);
        }
        if end {
            self.answers.complete(Source::Lane(lane, lane_key), ctx.now);
            self.lane_done(ctx, lane, lane_key);
            if own {
                self.own_list_done(ctx, lane);
            }
        }
    }

    /// Passes a row or the end of a lane's answer on.
    pub(super) fn tell_listed(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, heard: &Heard<'_>) {
        let bulk = heard.shape.decl.conflate == Conflate::Bulk;
        if bulk && self.lacks_room(key, heard.message.body.len()) {
            return self.tell_shed(ctx, key, -1);
        }
        // A completed order in protobuf names client and order: shown in their owner's terms.
        let mut edits = [(Role::OrderId, 0), (Role::ParentOrderId, 0), (Role::ClientId, 0)];
        let edits = match (heard.int(Role::ClientId), heard.int(Role::OrderId)) {
            (Some(client), Some(order)) if client == self.config.upstream_client_id.0 => {
                let known = self.orders.get(UpOrderId(order)).map(|o| (o.owner, o.down));
                let (owner, down) = known.unwrap_or((self.config.upstream_client_id, DownOrderId(order)));
                let parent = heard.int(Role::ParentOrderId).unwrap_or(0);
                edits[0].1 = down.0.into();
                edits[1].1 = self.orders.shown(parent).into();
                edits[2].1 = owner.0.into();
                &edits[..]
            }
            _ => &[],
        };
        self.tell(ctx, key, heard, edits, false);
    }

    fn hear_shared(
        &mut self,
        ctx: &mut Ctx<'_>,
        heard: &Heard<'_>,
        payload: &[u8],
        stream: Shared,
        key: &[&str],
        end: bool,
    ) {
        let state = self.streams.get(stream);
        if !state.is_live() {
            return self.dropped(Drop::NobodyAsked);
        }
        if stream == Shared::AccountUpdates
            && let Some(account) = heard.str(Role::Account)
            && !state.account.is_empty()
            && account != state.account.as_bytes()
        {
            return self.dropped(Drop::Late); // rows of the account before
        }
        let mut row_key = Vec::new();
        if !end && !key.is_empty() {
            row_key.push(heard.id() as u8);
            for name in key {
                let value = heard.shape.field(&heard.message, name).ok().flatten().unwrap_or_default();
                row_key.extend_from_slice(value.as_bytes());
                row_key.push(0);
            }
        }
        let state = self.streams.get_mut(stream);
        let mut gone = Vec::new();
        match end {
            true => {
                gone = state.gone(self.speeches.upstream());
                state.end(payload);
            }
            // A bulletin that was told before: the Gateway repeats those of the day when it is asked once more.
            false if row_key.is_empty() && state.was_told(payload) => return state.told_again(payload),
            false => state.row(row_key, payload),
        }
        let subscribers = state.subscribers();
        let dialect = self.speeches.upstream().clone();
        for gone in gone.iter().filter_map(|payload| Heard::new(&dialect, payload)) {
            for key in &subscribers {
                self.tell(ctx, *key, &gone, &[], false);
            }
        }
        for key in subscribers {
            self.tell(ctx, key, heard, &[], false);
        }
    }

    // ---- errors ----

    fn hear_error(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, payload: &[u8]) {
        let error_id = heard.int(Role::ReqId).unwrap_or(-1);
        let code = heard.int(Role::Code).and_then(|c| u16::try_from(c).ok()).unwrap_or(0);
        self.stats.gateway_error(code);
        self.recall_complaint(ctx, error_id, code, &error_words(heard));
        let class = codes::class(code);
        if class == Some(Class::Rate) {
            if self.pacer.slow_down(ctx.now) {
                let words = format!(
                    "the Gateway reports error 100 (message rate): sending pauses, and then at most {} messages a second \
                     leave, for a minute and longer if it comes again. Other programs that use the same Gateway count too; \
                     lower --messages-per-second if it does",
                    self.pacer.limit(ctx.now).unwrap_or_default()
                );
                self.note(ctx, Level::Error, words);
            }
            return self.rate_refused(ctx, error_id);
        }
        if self.reconcile.is_query(UpReqId(error_id)) {
            if class != Some(Class::Warning) {
                self.reconcile_failed(ctx, &error_words(heard));
            }
            return self.dropped(Drop::Own);
        }
        if self.requests.covers(error_id) {
            return self.hear_request_error(ctx, heard, UpReqId(error_id), (code, class));
        }
        // Manual orders that were bound have negative ids. -1 is the system's own, too, which says nothing about orders.
        let manual = error_id < 0
            && (error_id < -1 || codes::is_about_an_order(code))
            && self.orders.get(UpOrderId(error_id)).is_some();
        if error_id > 0 || manual {
            return self.hear_order_error(ctx, heard, payload, UpOrderId(error_id), (code, class));
        }
        self.hear_system_error(ctx, heard, payload, code, class);
    }

    /// The Gateway took no notice of a message because there were too many. The one that it names ends here, under a
    /// code that does not make watchdogs restart the Gateway.
    fn rate_refused(&mut self, ctx: &mut Ctx<'_>, error_id: i32) {
        let (up, order) = (UpReqId(error_id), self.orders.get(UpOrderId(error_id)));
        if let Some(members) = self.requests.get(up).map(|e| e.members.clone()) {
            let words =
                "Error processing request: the Gateway refused it because of its message rate; try again.";
            for (key, down) in members {
                self.send_error(ctx, key, down.0, codes::NOT_PROCESSED, words);
            }
            self.end_request(up);
        } else if order.is_some() {
            // Told here, so that it is not told again when the link is lost or a refusal names nothing.
            self.order_answered(UpOrderId(error_id), true);
            let words = "Order Message:\nWarning: the Gateway refused a message about this order because of its message rate. \
                         Check the open orders before sending it again.";
            self.tell_about_order(ctx, UpOrderId(error_id), codes::ORDER_MESSAGE, words);
        } else {
            // It names nothing, so that it may have been any message that has not been answered.
            self.report_flights(ctx, "the Gateway refused messages because of its message rate");
            self.dropped(Drop::Own);
        }
    }

    fn hear_request_error(
        &mut self,
        ctx: &mut Ctx<'_>,
        heard: &Heard<'_>,
        up: UpReqId,
        (code, class): (u16, Option<Class>),
    ) {
        let (members, one_shot) = match self.requests.get(up) {
            Some(entry) => (entry.members.clone(), entry.one_shot),
            None => {
                // What a cancel draws (162, 300, 366) goes to whoever cancelled, unless the id has a new use.
                let Some(retired) = self.requests.retired(up) else { return self.drop_unrouted(up) };
                let name = (retired.message, retired.down);
                let free = |key: &ClientKey| {
                    let client = self.clients.get(*key);
                    client.is_some_and(|c| c.phase == Phase::Ready && !c.requests.contains_key(&name))
                };
                let Some(key) = retired.client.filter(free) else { return self.drop_unrouted(up) };
                return self.tell(ctx, key, heard, &[(Role::ReqId, retired.down.0.into())], false);
            }
        };
        for (key, down) in members {
            self.tell(ctx, key, heard, &[(Role::ReqId, down.0.into())], false);
        }
        let words = error_words(heard);
        if codes::is_pacing_violation(code, &words) {
            self.history_complained(ctx, code, &words);
        }
        if code == codes::DEPTH_RESET
            && let Some(line) = self.requests.get_mut(up).and_then(|e| e.line.as_mut())
        {
            line.clear_book();
        }
        if class == Some(Class::Warning) {
            return;
        }
        match one_shot {
            true => self.end_request(up),
            // Whether the stream goes on is not known for every code: what still comes is passed on, and the
            // client may use the id again.
            false => self.spend(up),
        }
    }

    /// An error without id: by its code, or to whoever most likely caused it.
    fn hear_system_error(
        &mut self,
        ctx: &mut Ctx<'_>,
        heard: &Heard<'_>,
        payload: &[u8],
        code: u16,
        class: Option<Class>,
    ) {
        let words = error_words(heard);
        match class {
            Some(Class::ClientIdInUse) => return self.fail(ctx, Case::ClientIdInUse, String::new()),
            Some(Class::PortReset) => return self.fail(ctx, Case::PortMoved, words),
            Some(Class::Farm) => {
                let farm = (codes::farm_kind(code), codes::farm(&words).to_owned());
                if self.farms.len() < limits::MAX_FARMS || self.farms.contains_key(&farm) {
                    self.farms.insert(farm, Bytes::copy_from_slice(payload));
                }
                return self.broadcast(ctx, heard);
            }
            // Clients are told when the link is ready, and nothing can be subscribed before.
            Some(Class::Broadcast) if codes::is_about_the_link(code) && !self.is_ready() => {
                self.note(ctx, Level::Warn, format!("the Gateway says {code} as the link begins: {words}"));
                return self.dropped(Drop::Own);
            }
            Some(Class::Broadcast) if code == codes::LINK_BACK_DATA_LOST => {
                self.note(ctx, Level::Warn, format!("the Gateway says {code}: {words}: subscribing again"));
                return self.subscriptions_lost(ctx);
            }
            Some(Class::Broadcast) => {
                self.note(ctx, Level::Warn, format!("the Gateway says {code}: {words}"));
                return match code {
                    codes::LINK_BACK => self.servers_back(ctx, heard),
                    codes::LINK_LOST => {
                        // Whoever has not been welcomed back yet is when the Gateway has its servers again.
                        self.welcome_nobody();
                        self.broadcast(ctx, heard)
                    }
                    _ => self.broadcast(ctx, heard),
                };
            }
            Some(Class::Unsubscribed) if self.own_unsubscribes > 0 => {
                self.own_unsubscribes -= 1;
                return self.dropped(Drop::Own);
            }
            Some(Class::Unsubscribed) => {
                // Another program took the slot: nobody here is subscribed any more.
                return self.stream_refused(ctx, Shared::AccountUpdates, heard);
            }
            // Another program has the slot and keeps it.
            _ if code == codes::ACCOUNT_TAKEN && self.streams.get(Shared::AccountUpdates).is_live() => {
                return self.stream_refused(ctx, Shared::AccountUpdates, heard);
            }
            _ => {}
        }
        // It names the account that somebody subscribes, of which nothing has come.
        let slot = self.streams.get(Shared::AccountUpdates);
        if class.is_none()
            && slot.is_live()
            && slot.rows() == 0
            && !slot.account.is_empty()
            && words.contains(&slot.account)
        {
            return self.stream_refused(ctx, Shared::AccountUpdates, heard);
        }
        if let Some((lane, lane_key)) = self.lanes.oldest() {
            let asked = self.lanes.answered(lane, lane_key).map(|ask| (ask.askers.clone(), ask.own));
            let (askers, own) = asked.unwrap_or_default();
            for asker in askers {
                self.tell(ctx, asker.client, heard, &[], false);
            }
            if class != Some(Class::Warning) {
                self.answers.give_up(Source::Lane(lane, lane_key));
                self.lane_done(ctx, lane, lane_key);
                if own {
                    self.reconcile_failed(ctx, &words);
                }
            }
            return;
        }
        let since = ctx.now - limits::SUSPECT_TIME;
        match self.suspects.back().filter(|(_, at)| *at >= since).map(|(key, _)| *key) {
            Some(key) if self.clients.get(key).is_some_and(|c| c.phase == Phase::Ready) => {
                self.tell(ctx, key, heard, &[], false);
            }
            Some(_) => self.dropped(Drop::Late), // its client is gone, and nobody else caused it
            None => {
                self.note(ctx, Level::Warn, format!("the Gateway says {code}: {words}"));
                self.broadcast(ctx, heard);
            }
        }
    }

    /// The Gateway ended a shared stream or never began it: all who share it are told, and the next one who asks
    /// begins it anew.
    fn stream_refused(&mut self, ctx: &mut Ctx<'_>, stream: Shared, heard: &Heard<'_>) {
        self.timers.disarm(Timer::Stream(stream));
        self.stream_replayed(stream, true);
        let state = std::mem::take(self.streams.get_mut(stream));
        for key in state.subscribers() {
            self.bring_forward(ctx, key, About::Stream(stream));
            self.tell(ctx, key, heard, &[], false);
        }
    }
}

/// The words of an error message.
fn error_words(heard: &Heard<'_>) -> String {
    let words = match heard.message.form {
        // The message version stands in front below 194 (text-layouts.md, 4).
        Form::Text => {
            text::field(heard.message.body, if heard.version >= 194 { 3 } else { 4 }).unwrap_or_default()
        }
        Form::Proto => proto::get_str(heard.message.body, &[4]).ok().flatten().unwrap_or_default(),
    };
    String::from_utf8_lossy(words).into_owned()
}
