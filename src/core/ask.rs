//! What clients ask. **Every request is validated before any byte of it can go upstream**; what is wrong with it is
//! told to its sender alone. Requests without an id are in `idless`, shared streams in `join`, orders in `place`.

use super::client::Client;
use super::compose::id;
use super::io::Level;
use super::lines::Line;
use super::pacer::{Post, What};
use super::replay::{Again, Bars};
use super::requests::{Entry, Member};
use super::speech::Speech;
use super::stats::Saved;
use super::timers::Timer;
use super::{Core, Ctx, UsStockSizes, codes};
use bytes::{Bytes, BytesMut};
use smallvec::smallvec;

use crate::ids::{ClientId, ClientKey, DownReqId, UpReqId};
use crate::limits;
use crate::protocol::dialect::Shape;
use crate::protocol::meaning;
use crate::protocol::model::{Handling, Kind, Local, Replay, Request, Reuse, Role};
use crate::protocol::requests;
use crate::wire::{
    frame,
    text::{self, Form, Message},
};

/// A client's request, taken apart.
pub(super) struct Asked<'a> {
    pub(super) key: ClientKey,
    pub(super) client_id: ClientId,
    pub(super) speech: &'a Speech,
    pub(super) shape: &'a Shape<Request>,
    pub(super) message: Message<'a>,
    /// The id of its request or order, if it has one that can be read.
    pub(super) id: Option<i32>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        (key, client_id): (ClientKey, ClientId),
        speech: &'a Speech,
        shape: &'a Shape<Request>,
        message: Message<'a>,
    ) -> Self {
        let id = shape.req_id(&message).or_else(|| int(shape, &message, Role::OrderId));
        Asked { key, client_id, speech, shape, message, id }
    }

    pub(super) fn int(&self, role: Role) -> Option<i32> {
        int(self.shape, &self.message, role)
    }

    /// Appends the frame that goes upstream, with the values of some roles replaced.
    pub(super) fn put(&self, edits: &[(Role, i64)], out: &mut BytesMut) {
        frame::put_with(out, |out| {
            let put = self.speech.up.request(&self.message, edits, out);
            debug_assert!(put.is_ok(), "a request is tried before it is taken in");
        });
    }

    /// The id that an error about this request is sent under.
    pub(super) fn error_id(&self) -> i32 {
        self.id.unwrap_or(-1)
    }
}

fn int(shape: &Shape<Request>, message: &Message<'_>, role: Role) -> Option<i32> {
    shape.int(message, role).ok().flatten().and_then(|n| i32::try_from(n).ok())
}

impl Core {
    pub(super) fn request(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, payload: &[u8]) {
        let Some(client) = self.clients.get(key) else { return };
        let (Some(client_id), Some(speech)) = (client.id, client.speech.clone()) else { return };
        let (dialect, version) = (&speech.dialect, speech.dialect.version());
        let message = match text::message(payload, version) {
            Ok(message) => message,
            Err(fault) => return self.unreadable(ctx, key, -1, &fault.to_string()),
        };
        let Some(shape) = dialect.request(message.id) else {
            return self.not_at_this_version(ctx, key, message.id, version);
        };
        self.stats.from_clients[message.id as usize % super::stats::MESSAGE_IDS] += 1;
        let asked = Asked::new((key, client_id), &speech, shape, message);
        if let Err(what) = shape.check(&asked.message) {
            let words = format!("{} ({}): {what}", shape.decl.message.name, message.id);
            return self.unreadable(ctx, key, asked.error_id(), &words);
        }
        if self.stopping {
            return self.unavailable(ctx, &asked, "twsmux stops");
        }
        if let Some(why) = self.operated.hangs_up
            && matches!(shape.decl.handling, Handling::PlaceOrder | Handling::Exercise)
        {
            return self.unavailable(ctx, &asked, why);
        }
        if !self.is_ready() && !self.may_wait(&asked) {
            let why = self.reason();
            return self.unavailable(ctx, &asked, &why);
        }
        if self.is_permitted(ctx, &asked) {
            self.dispatch(ctx, &asked);
        }
    }

    fn dispatch(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        if !matches!(asked.shape.decl.handling, Handling::Local(_) | Handling::Refused(_))
            && let Some(words) = self.over_queue_limit(asked)
        {
            return self.unavailable(ctx, asked, &words);
        }
        let needs_id = matches!(
            asked.shape.decl.handling,
            Handling::ById
                | Handling::Executions
                | Handling::PlaceOrder
                | Handling::CancelOrder
                | Handling::Exercise
        );
        if needs_id && asked.id.is_none() && asked.message.form == Form::Proto {
            return self.unreadable(ctx, asked.key, -1, "its id is absent");
        }
        // What goes as it is has been checked and has hardly more bytes there.
        if goes_upstream(asked) && !asked.speech.up.takes_as_it_is(&asked.message) {
            let mut tried = BytesMut::new();
            if let Err(refusal) = asked.speech.up.request(&asked.message, &[], &mut tried) {
                return self.inexpressible(ctx, asked, &refusal.to_string());
            }
            // An empty row takes two bytes in protobuf and many in text; the Gateway would close the link of all.
            if tried.len() > limits::MAX_CONVERTED_FRAME {
                let words = format!("it would have {} bytes there", tried.len());
                return self.inexpressible(ctx, asked, &words);
            }
        }
        match asked.shape.decl.handling {
            // replaceFA below 157 has neither an id nor an answer.
            Handling::ById if asked.id.is_none() => {
                // A newer Gateway answers it under an id.
                let up = self.requests.reserve();
                self.requests.rest(up, DownReqId(-1), asked.shape.decl.message.id);
                self.forward(ctx, asked, Post::of(asked.key, What::Other), &[(Role::ReqId, up.0.into())]);
            }
            Handling::ById | Handling::Executions => match asked.shape.decl.kind {
                Kind::Cancel(of) => self.cancel_request(ctx, asked, of),
                Kind::Update(of) => self.update_request(ctx, asked, of),
                _ => self.new_request(ctx, asked),
            },
            Handling::PlaceOrder | Handling::Exercise => self.place_order(ctx, asked),
            Handling::CancelOrder => self.cancel_order(ctx, asked),
            Handling::GlobalCancel => self.global_cancel(ctx, asked),
            Handling::Lane(lane) => self.ask_lane(ctx, asked, lane),
            Handling::Join(stream) => self.join(ctx, asked, stream),
            Handling::Leave(stream) => self.leave(ctx, asked.key, stream, Some(asked)),
            Handling::Local(local) => self.answer_locally(ctx, asked, local),
            Handling::Refused(words) => {
                self.send_error(ctx, asked.key, asked.error_id(), codes::INVALID, words);
            }
        }
    }

    #[cold]
    fn unreadable(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, id: i32, what: &str) {
        self.stats.bad_requests += 1;
        self.note_client(ctx, key, Level::Warn, format!("unreadable request: {what}"));
        let words = format!("Error reading request: {what}. twsmux did not forward it.");
        self.send_error(ctx, key, id, codes::UNREADABLE, &words);
    }

    /// A request that the upstream's version does not have, or nobody has.
    #[cold]
    fn not_at_this_version(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, message: u32, version: u16) {
        let Some(known) = crate::protocol::request(message) else {
            return self.unreadable(ctx, key, -1, &format!("no message has the id {message}"));
        };
        let words = format!(
            "The TWS is out of date and must be upgraded: {} ({message}) does not exist at server version {version}, \
             which this client was answered.",
            known.message.name
        );
        self.stats.bad_requests += 1;
        self.send_error(ctx, key, -1, codes::TOO_OLD, &words);
    }

    /// A request that the Gateway's version cannot carry as it was meant.
    #[cold]
    fn inexpressible(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, why: &str) {
        self.stats.bad_requests += 1;
        let gateway = self.speeches.upstream().version();
        let why =
            format!("{why}; twsmux speaks server version {gateway} with the Gateway (--max-server-version)");
        match (asked.shape.decl.handling, asked.shape.decl.kind) {
            (Handling::PlaceOrder | Handling::Exercise, _) => self.refuse_order(ctx, asked, &why),
            (Handling::CancelOrder | Handling::GlobalCancel, _) => {
                let words =
                    format!("Order Message:\nWarning: the cancel was not sent to the Gateway: {why}.");
                self.send_error(ctx, asked.key, asked.error_id(), codes::ORDER_MESSAGE, &words);
            }
            // There is no such cancel at the Gateway: the client gets nothing more, which is what it wants.
            (Handling::ById, Kind::Cancel(of)) => {
                let down = DownReqId(asked.error_id());
                match self.clients.get(asked.key).and_then(|c| c.requests.get(&(of, down)).copied()) {
                    Some(up) if self.requests.get(up).is_some_and(|e| e.members.len() > 1) => {
                        self.leave_line(ctx, up, (asked.key, down), true);
                    }
                    Some(up) => self.retire_request(up, true),
                    None => self.not_active(ctx, asked, of),
                }
            }
            _ => {
                let words = format!("The TWS is out of date and must be upgraded: {why}.");
                self.send_error(ctx, asked.key, asked.error_id(), codes::TOO_OLD, &words);
            }
        }
    }

    fn over_queue_limit(&self, asked: &Asked<'_>) -> Option<String> {
        let (messages, bytes) = self.clients.get(asked.key)?.queued;
        // A full queue of data requests must not keep a cancel from being sent (I7).
        let reserve = match asked.shape.decl.handling {
            Handling::CancelOrder | Handling::GlobalCancel => limits::QUEUED_CANCELS_RESERVE,
            _ => 0,
        };
        (messages >= self.config.limits.queued_per_client + reserve
            || bytes + asked.message.body.len() > limits::MAX_QUEUED_BYTES_PER_CLIENT)
            .then(|| {
                format!(
                    "{messages} messages ({bytes} bytes) of this client already wait for the Gateway, which takes \
                     few messages a second; send more slowly"
                )
            })
    }

    /// A request that cannot be carried out now, answered in the shape that its library understands.
    #[cold]
    pub(super) fn unavailable(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, why: &str) {
        let id = asked.error_id();
        match asked.shape.decl.handling {
            Handling::PlaceOrder | Handling::Exercise => self.refuse_order(ctx, asked, why),
            Handling::CancelOrder | Handling::GlobalCancel => {
                let words =
                    format!("Order Message:\nWarning: the cancel was not sent to the Gateway: {why}.");
                self.send_error(ctx, asked.key, id, codes::ORDER_MESSAGE, &words);
            }
            _ if self.is_ready() => {
                let words = format!("Error processing request: {why}.");
                self.send_error(ctx, asked.key, id, codes::NOT_PROCESSED, &words);
            }
            _ => self.send_error(ctx, asked.key, id, codes::NOT_CONNECTED, &format!("Not connected: {why}.")),
        }
    }

    /// Queues a client's own frame with some ids replaced.
    pub(super) fn forward(
        &mut self,
        ctx: &mut Ctx<'_>,
        asked: &Asked<'_>,
        post: Post,
        edits: &[(Role, i64)],
    ) {
        let market_data_type = self.market_data_type_for(asked);
        let frame = self.frame_of(asked, edits);
        self.enqueue_frame(ctx, Post { market_data_type, ..post }, &frame);
    }

    /// The frame that goes upstream for a request, with the values of some roles replaced.
    pub(super) fn frame_of(&mut self, asked: &Asked<'_>, edits: &[(Role, i64)]) -> Bytes {
        self.scratch.clear();
        asked.put(edits, &mut self.scratch);
        Bytes::copy_from_slice(&self.scratch)
    }

    /// Whether a request ends with its answer.
    pub(super) fn is_one_shot(&self, asked: &Asked<'_>) -> bool {
        let flag = || asked.shape.flag(&asked.message).unwrap_or(false);
        match asked.shape.decl.kind {
            Kind::OneShotIfFlag => flag(),
            Kind::StreamIfFlag => !flag(),
            Kind::Stream => false,
            _ => true,
        }
    }

    fn new_request(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let decl = asked.shape.decl;
        let down = DownReqId(asked.error_id());
        let one_shot = self.is_one_shot(asked);
        let Some(client) = self.clients.get(asked.key) else { return };
        if client.asks_for() >= self.config.limits.requests_per_client
            && !self.make_room_for_request(ctx, asked)
        {
            return;
        }
        let before =
            self.clients.get(asked.key).and_then(|c| c.requests.get(&(decl.message.id, down)).copied());
        if let Some(up) = before
            && !self.gives_way(ctx, asked, up)
        {
            return;
        }
        if decl.message.id == id::REQ_ACCOUNT_SUMMARY && self.has_all_summaries(asked.key) {
            let words = "Error processing request: maximum number of account summary requests exceeded.";
            return self.send_error(ctx, asked.key, down.0, codes::NOT_PROCESSED, words);
        }
        let filter = match decl.handling {
            Handling::Executions => asked.int(Role::ClientId).filter(|id| *id != 0).map(ClientId),
            _ => None,
        };
        let smart_depth = decl.message.id == id::REQ_MKT_DEPTH
            && asked.shape.field(&asked.message, "isSmartDepth").is_ok_and(|f| f.as_deref() == Some("1"));
        let message = decl.message.id;
        let Some(us_stock) = self.count_of(ctx, asked) else { return };
        let line = self.subject_of(ctx.now, asked, one_shot);
        // Somebody whose version counts otherwise may join.
        let us_stock = us_stock || line.is_some() && self.is_about_a_us_stock(asked);
        // What is about orders must see what its asker did before.
        let quiet = decl.handling != Handling::Executions || self.is_quiet(asked.client_id);
        let mut kept = None;
        if let Some((subject, _, reuse)) = line.as_ref().filter(|_| quiet) {
            // Who asks twice under one id is answered twice, one answer after the other.
            let fits = |up: &UpReqId| {
                let entry = self.requests.get(*up);
                entry.is_some_and(|e| self.may_join(e, decl) && !e.members.contains(&(asked.key, down)))
            };
            if let Some(up) = self.requests.about(subject).filter(fits) {
                return self.join_line(ctx, up, (asked.key, down));
            }
            kept = self.recall(ctx.now, subject, *reuse);
        }
        let reuse = line.as_ref().map_or(Reuse::Never, |(_, _, reuse)| *reuse);
        let line = line.filter(|_| kept.is_none());
        if line.is_some() && !one_shot {
            self.make_room_for_line(ctx, asked.key, message);
        }
        let up = self.requests.add(Box::new(Entry {
            members: smallvec![(asked.key, down)],
            several_ids: false,
            message,
            one_shot,
            smart_depth,
            spent: false,
            goes_on: false,
            us_stock,
            held: None,
            filter,
            changes_at: None,
            reuse,
            again: None,
            asleep: None,
            begun: false,
            bars: Bars::default(),
            line: line.map(|(subject, sharing, _)| Line::new(subject, sharing)),
        }));
        if let Some(client) = self.clients.get_mut(asked.key) {
            client.active.insert(up);
            client.requests.insert((message, down), up);
        }
        // One that waits for a link gets another id first.
        if decl.handling == Handling::Executions && self.is_ready() {
            self.queries.insert(up, Default::default());
        }
        if let Some(kept) = kept {
            self.stats.saved(Saved::Kept);
            return self.serve_again(ctx, up, kept);
        }
        // The filter on the client id is applied here: at the Gateway all orders are ours.
        let edits = [(Role::ReqId, i64::from(up.0)), (Role::ClientId, 0)];
        let edits = if decl.handling == Handling::Executions { &edits[..] } else { &edits[..1] };
        let frame = self.frame_of(asked, edits);
        let mut post = Post::of(asked.key, What::Request(up));
        post.market_data_type = self.market_data_type_for(asked);
        if decl.handling == Handling::Executions {
            post = post.in_line_of(asked.client_id);
        }
        let version = self.speeches.upstream().version();
        let is_ready = self.is_ready();
        if is_ready {
            self.enqueue_known(ctx, post, decl, &frame);
        }
        let again = Again::new(version, frame).with(post.market_data_type, post.line);
        let keeps = decl.replay != Replay::Never && again.len() <= limits::MAX_ASKED_AGAIN;
        let Some(entry) = self.requests.get_mut(up) else { return };
        entry.again = keeps.then_some(again);
        if !is_ready {
            self.wait_for_link(ctx, asked, up);
        }
    }

    /// A new request sleeps until there is a link, if it can.
    #[cold]
    fn wait_for_link(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, up: UpReqId) {
        let Some(entry) = self.requests.get_mut(up) else { return };
        if entry.again.is_none() {
            let why = self.reason();
            self.end_request(up);
            return self.unavailable(ctx, asked, &why);
        }
        entry.sleep(ctx.now);
        // Those who sleep already are older.
        if entry.one_shot && !self.timers.is_armed(Timer::Outage) {
            self.watch_sleepers(ctx);
        }
    }

    /// The market data type that must be in force upstream for a request; `None` where it does not matter.
    fn market_data_type_for(&self, asked: &Asked<'_>) -> Option<i32> {
        let client = self.clients.get(asked.key)?;
        (asked.shape.decl.message.id == id::REQ_MKT_DATA).then_some(client.market_data_type)
    }

    /// Whether a client has as many account summaries as the Gateway allows it.
    fn has_all_summaries(&self, key: ClientKey) -> bool {
        let Some(client) = self.clients.get(key) else { return false };
        let summaries = client.requests.iter().filter(|((message, _), up)| {
            *message == id::REQ_ACCOUNT_SUMMARY && self.requests.get(**up).is_some_and(|e| !e.spent)
        });
        summaries.count() >= limits::MAX_SUMMARIES_PER_CLIENT
    }

    /// Whether the request is about a US stock, where that decides how sizes are counted. `None`: it cannot be told,
    /// and the request was refused, because a size must never be passed on in another unit.
    fn count_of(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) -> Option<bool> {
        let (own, gateway) = (asked.speech.dialect.version(), self.speeches.upstream().version());
        if self.config.us_stock_sizes == UsStockSizes::AsSent
            || !meaning::counts_differ(asked.shape.decl.message.id, own, gateway)
        {
            return Some(false);
        }
        let record = asked.shape.record(&asked.message, Form::Text).unwrap_or_default();
        let known = meaning::is_us_stock(&record);
        if known.is_none() {
            let words = format!(
                "server version {gateway} of the Gateway and {own} of this client count US stocks differently (shares \
                 or lots of 100), and the contract does not say whether it is one: name its secType, currency and \
                 exchange, or set --us-stock-sizes as-sent"
            );
            self.inexpressible(ctx, asked, &words);
        }
        known
    }

    fn is_about_a_us_stock(&self, asked: &Asked<'_>) -> bool {
        self.config.us_stock_sizes == UsStockSizes::Convert
            && meaning::counts_ever_differ(asked.shape.decl.message.id)
            && asked
                .shape
                .record(&asked.message, Form::Text)
                .is_ok_and(|r| meaning::is_us_stock(&r) == Some(true))
    }

    /// Subscriptions that drew an error stay, in case that something still comes. A client at its limit loses one of
    /// those: few clients cancel what failed. `false`: there is none, and it was told so.
    #[cold]
    fn make_room_for_request(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) -> bool {
        let Some(client) = self.clients.get(asked.key) else { return false };
        let spent = |up: &UpReqId| self.requests.get(*up).is_some_and(|e| e.spent);
        if let Some(up) = client.active.iter().copied().find(spent) {
            let members = self.requests.get(up).map(|e| e.members.clone()).unwrap_or_default();
            for member in members.into_iter().filter(|(client, _)| *client == asked.key) {
                self.quit(ctx, up, member, false);
            }
        }
        let active = self.clients.get(asked.key).map_or(0, Client::asks_for);
        let has_room = active < self.config.limits.requests_per_client;
        if !has_room {
            let words = format!("this client has {active} active requests, the limit; cancel some");
            self.unavailable(ctx, asked, &words);
        }
        has_room
    }

    /// Whether the request that a client has under an id already makes way for one more; if not, it has been told.
    #[cold]
    fn gives_way(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, up: UpReqId) -> bool {
        let (decl, down) = (asked.shape.decl, DownReqId(asked.error_id()));
        let old = self.requests.get(up);
        if old.is_some_and(|e| e.spent) {
            // Whether the Gateway still sends for it is not known: what nobody can cancel any more must not run on.
            self.quit(ctx, up, (asked.key, down), false);
        } else if old.is_some_and(|e| !e.one_shot) || is_checked(decl.kind) {
            let words = format!("Duplicate ticker id: request {down} is active; cancel it first.");
            self.send_error(ctx, asked.key, down.0, decl.duplicate, &words);
            return false;
        }
        true
    }

    /// A client's share of a request is over; the last one takes the request itself with it, unless it lingers. `tell`:
    /// whether it hears what the cancel draws.
    pub(super) fn quit(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, member: Member, tell: bool) {
        if self.requests.get(up).is_some_and(|e| e.members.len() > 1 || self.may_linger(up, e)) {
            return self.leave_line(ctx, up, member, tell);
        }
        self.end_upstream(ctx, Some(member.0), up);
        self.retire_request(up, tell);
    }

    fn cancel_request(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, of: u16) {
        let down = DownReqId(asked.error_id());
        let Some(up) = self.clients.get(asked.key).and_then(|c| c.requests.get(&(of, down)).copied()) else {
            return self.not_active(ctx, asked, of);
        };
        if self.requests.get(up).is_some_and(|e| e.members.len() > 1 || self.may_linger(up, e)) {
            return self.leave_line(ctx, up, (asked.key, down), true);
        }
        if !self.is_ready() {
            return self.end_request(up);
        }
        if self.take_back(up) {
            return self.cancel_held(ctx, asked, up);
        }
        // Whether the request has left or not, its cancel follows it: the queue keeps the order.
        self.forward(ctx, asked, Post::of(asked.key, What::Follow(up)), &[(Role::ReqId, up.0.into())]);
        self.retire_request(up, true);
    }

    fn update_request(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, of: u16) {
        let down = DownReqId(asked.error_id());
        match self.clients.get(asked.key).and_then(|c| c.requests.get(&(of, down)).copied()) {
            Some(up) => {
                self.forward(ctx, asked, Post::of(asked.key, What::Follow(up)), &[(Role::ReqId, up.0.into())])
            }
            None => self.not_active(ctx, asked, of),
        }
    }

    /// A cancel or update of a request that is not active.
    #[cold]
    fn not_active(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, of: u16) {
        let code = asked.shape.decl.not_found;
        if code != 0 {
            let (id, name) =
                (asked.error_id(), crate::protocol::request(u32::from(of)).map(|r| r.message.name));
            let words =
                format!("Can't find EId with tickerId:{id} (no {} is active).", name.unwrap_or("request"));
            self.send_error(ctx, asked.key, id, code, &words);
        }
    }
}

/// Whether a second request under an id is refused even while the first one is a question that has its answer to come:
/// those whose kind depends on a flag have one space of ids (102, 386).
fn is_checked(kind: Kind) -> bool {
    matches!(kind, Kind::OneShotIfFlag | Kind::StreamIfFlag)
}

/// Whether the client's own message goes on to the Gateway.
fn goes_upstream(asked: &Asked<'_>) -> bool {
    match asked.shape.decl.handling {
        Handling::Local(local) => local == Local::AutoOpenOrders,
        Handling::Refused(_) | Handling::Leave(_) => false,
        _ => true,
    }
}

/// The request that cancels requests of this message id.
pub(super) fn cancel_of(message: u16) -> Option<u16> {
    requests().iter().find(|r| r.kind == Kind::Cancel(message)).map(|r| r.message.id)
}
