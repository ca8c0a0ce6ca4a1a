//! What clients do: connect, greet, start, ask, leave. Every request is validated before any byte of it can go
//! upstream; what is wrong with it is told to its sender alone.

use super::client::{Client, Phase};
use super::compose::{self, id};
use super::io::{Action, Gone, Level};
use super::lanes::Ask;
use super::pacer::What;
use super::requests::Entry;
use super::route::Heard;
use super::timers::Timer;
use super::{Core, Ctx, DuplicateClient, codes};
use crate::ids::{ClientId, ClientKey, DownReqId, UpReqId};
use crate::limits;
use crate::protocol::dialect::Shape;
use crate::protocol::model::{Handling, Kind, Lane, Local, Request, Role, Shared};
use crate::protocol::requests;
use crate::wire::{
    WireError, frame,
    handshake::{ClientHello, ServerHello},
    proto,
    text::{self, Form, Message},
};

/// A client's request, taken apart.
pub(super) struct Asked<'a> {
    pub(super) key: ClientKey,
    pub(super) client_id: ClientId,
    pub(super) shape: &'a Shape<Request>,
    pub(super) message: Message<'a>,
}

impl Asked<'_> {
    pub(super) fn int(&self, role: Role) -> Option<i32> {
        self.shape.int(&self.message, role).ok().flatten().and_then(|n| i32::try_from(n).ok())
    }

    /// The id that an error about this request is sent under.
    pub(super) fn error_id(&self) -> i32 {
        self.int(Role::ReqId).or_else(|| self.int(Role::OrderId)).unwrap_or(-1)
    }
}

impl Core {
    pub(super) fn client_connected(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, peer: String) {
        self.stats.clients += 1;
        let full = self.clients.len() >= limits::MAX_CLIENTS;
        self.clients.insert(Client::new(key, peer, ctx.now));
        self.timers.arm(Timer::Client(key), ctx.now + limits::GREETING_TIME);
        if full || self.stopping {
            let words = match full {
                true => format!("refused: {} clients are connected, the limit", limits::MAX_CLIENTS),
                false => "refused: twsmux stops".to_owned(),
            };
            self.note_client(ctx, key, Level::Warn, words);
            self.close_client(ctx, key, Gone::Refused, None);
        }
    }

    /// Answers the greeting, always and at once: libraries give up on a reply that is held back.
    pub(super) fn client_hello(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, hello: ClientHello) {
        let wanted = self.server_version();
        let time = match &self.known.hello {
            Some(h) => h.time.clone(),
            None => crate::time::gateway_style(self.wall_ms(ctx.now)),
        };
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.phase != Phase::Greeting {
            return;
        }
        if hello.max < super::link::MIN_SERVER_VERSION {
            let words =
                format!("refused: it offers server versions {}..{}, older than 100", hello.min, hello.max);
            self.note_client(ctx, key, Level::Warn, words);
            return self.close_client(ctx, key, Gone::Protocol, None);
        }
        client.range = (hello.min, hello.max);
        client.options = hello.options;
        client.version = wanted.clamp(hello.min, hello.max);
        client.phase = Phase::Starting;
        self.timers.arm(Timer::Client(key), ctx.now + limits::START_API_TIME);
        self.send(ctx, key, |version, out| ServerHello { version, time }.put(out));
    }

    pub(super) fn client_frame(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, payload: &[u8]) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.frames.0 += 1;
        self.stats.bytes_from_clients += frame::PREFIX as u64 + payload.len() as u64;
        match client.phase {
            Phase::Greeting | Phase::Closing => {}
            Phase::Starting => self.start_api(ctx, key, payload),
            Phase::Held => self.early_request(ctx, key, payload),
            Phase::Ready => self.request(ctx, key, payload),
        }
    }

    /// The first frame: startApi or nothing.
    fn start_api(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, payload: &[u8]) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let started = text::message(payload, client.version).and_then(|m| match (m.id, m.form) {
            (71, Form::Text) => text::int(m.body, 2),
            (71, Form::Proto) => proto::get_int(m.body, &[1]).map(|id| id.unwrap_or(0)),
            (other, _) => Err(WireError::BadMessageId(other.to_string())),
        });
        let id = match started.map(i32::try_from) {
            Ok(Ok(id)) => ClientId(id),
            wrong => {
                let what = match wrong {
                    Err(fault) => fault.to_string(),
                    _ => "the client id is not a 32-bit number".into(),
                };
                let words = format!("The first message must be startApi (71) with a client id: {what}.");
                return self.close_client(ctx, key, Gone::Protocol, Some((codes::NOT_CONNECTED, words)));
            }
        };
        if let Some(holder) = self.by_id.get(&id).copied()
            && !self.make_way(ctx, holder)
        {
            client_in_use(self, ctx, key, id);
            return;
        }
        let Some(client) = self.clients.get_mut(key) else { return };
        client.id = Some(id);
        client.phase = Phase::Held;
        self.by_id.insert(id, key);
        let words = {
            let c = &*client;
            format!("startApi: version {} of {}..{} {}", c.version, c.range.0, c.range.1, c.options)
        };
        self.note_client(ctx, key, Level::Info, words.trim_end().to_owned());
        match self.is_ready() {
            true => self.start_client(ctx, key),
            false => self.timers.arm(Timer::Client(key), ctx.now + limits::HOLD_TIME),
        }
    }

    /// Whether the holder of a wanted client id gives it up: by policy, or because it does not count as alive.
    fn make_way(&mut self, ctx: &mut Ctx<'_>, holder: ClientKey) -> bool {
        let Some(client) = self.clients.get(holder) else { return true };
        let stalled = client.outbox.stalled_since(ctx.now - limits::STALL_TIME);
        if !stalled && self.config.duplicate_client == DuplicateClient::Reject {
            return false;
        }
        let words = "another client connected with this client id and takes it over".to_owned();
        self.note_client(ctx, holder, Level::Warn, words.clone());
        self.close_client(ctx, holder, Gone::Replaced, Some((codes::CLIENT_ID_IN_USE, words)));
        true
    }

    /// The upstream is ready: gives a client its first messages, in the Gateway's order (LIVE.md section 1).
    pub(super) fn start_client(&mut self, ctx: &mut Ctx<'_>, key: ClientKey) {
        let version = self.server_version();
        let Some(client) = self.clients.get_mut(key) else { return };
        let Some(id) = client.id else { return };
        if client.version != version {
            let words = format!(
                "twsmux speaks server version {version} with the Gateway; this client offers {}..{} and was answered \
                 {}. Start twsmux with a --max-server-version inside that range, or use a client library that \
                 speaks {version}.",
                client.range.0, client.range.1, client.version
            );
            return self.close_client(ctx, key, Gone::Refused, Some((codes::UNSUPPORTED_VERSION, words)));
        }
        client.phase = Phase::Ready;
        self.timers.disarm(Timer::Client(key));
        self.push_own_orders(ctx, key, id);
        let accounts = self.known.accounts.clone().unwrap_or_default();
        let next = self.orders.next_valid_id(id);
        self.send(ctx, key, |v, out| compose::managed_accounts(v, &accounts, out));
        self.send(ctx, key, |v, out| compose::next_valid_id(v, next, out));
        for notice in self.farms.values().cloned().collect::<Vec<_>>() {
            self.send(ctx, key, |_, out| frame::put(&notice, out));
        }
    }

    /// A request before managedAccounts and nextValidId: the Gateway may drop those; here they get an answer.
    fn early_request(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, payload: &[u8]) {
        let why = self.diagnosis();
        let Some(client) = self.clients.get(key) else { return };
        let (version, client_id) = (client.version, client.id.unwrap_or(ClientId(0)));
        let dialect = crate::protocol::dialect::Dialect::new(version);
        let message = text::message(payload, version).ok();
        match message.and_then(|m| Some((dialect.request(m.id)?, m))) {
            Some((shape, message)) => {
                self.unavailable(ctx, &Asked { key, client_id, shape, message }, &why);
            }
            None => {
                self.send_error(ctx, key, -1, codes::NOT_CONNECTED, &format!("Not connected: {why}."));
            }
        }
    }

    pub(super) fn client_timeout(&mut self, ctx: &mut Ctx<'_>, key: ClientKey) {
        let Some(client) = self.clients.get(key) else { return };
        match client.phase {
            Phase::Greeting => {
                self.note_client(ctx, key, Level::Info, "closed: no complete greeting in time".into());
                self.close_client(ctx, key, Gone::Timeout, None);
            }
            Phase::Starting => {
                let words = format!("No startApi within {} s.", limits::START_API_TIME.as_secs());
                self.close_client(ctx, key, Gone::Timeout, Some((codes::NOT_CONNECTED, words)));
            }
            Phase::Held => {
                let words = format!("Not connected: {}.", self.diagnosis());
                self.close_client(ctx, key, Gone::Refused, Some((codes::NOT_CONNECTED, words)));
            }
            Phase::Ready => {}
            Phase::Closing => ctx.actions.push(Action::CloseClient { client: key, flush: false }),
        }
    }

    pub(super) fn client_broken(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, fault: &WireError) {
        let Some(client) = self.clients.get(key) else { return };
        self.stats.bad_requests += 1;
        let told = !matches!(client.phase, Phase::Greeting);
        self.note_client(ctx, key, Level::Warn, format!("closed: {fault}"));
        let words = format!("Bad message: {fault}. The connection cannot be read any further and is closed.");
        self.close_client(ctx, key, Gone::Protocol, told.then_some((codes::BAD_LENGTH, words)));
    }

    /// Tells a client why, takes everything from it, and has its socket closed once its outbox is sent.
    pub(super) fn close_client(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        reason: Gone,
        words: Option<(u16, String)>,
    ) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.phase == Phase::Closing {
            return;
        }
        let (phase, version) = (client.phase, client.version);
        client.closing = Some(reason);
        client.phase = Phase::Closing;
        if let Some((code, words)) = words {
            let time = self.config.epoch_ms + ctx.now.0 / 1000;
            compose::error(version, -1, code, &words, time, client.outbox.append(ctx.now));
            self.stats.error(code);
            self.note_client(ctx, key, Level::Warn, format!("closing: {words}"));
        }
        self.release(ctx, key, phase);
        self.timers.arm(Timer::Client(key), ctx.now + limits::CLOSE_TIME);
        ctx.actions.push(Action::CloseClient { client: key, flush: true });
    }

    pub(super) fn client_gone(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, reason: Gone) {
        let Some(client) = self.clients.get(key) else { return };
        let (phase, reason) = (client.phase, client.closing.unwrap_or(reason));
        self.note_client(ctx, key, Level::Info, format!("gone: {reason}"));
        self.stats.gone[reason as usize] += 1;
        if phase != Phase::Closing {
            self.release(ctx, key, phase);
        }
        self.timers.disarm(Timer::Client(key));
        self.clients.remove(key);
    }

    /// Ends everything that a client holds. Its orders live on; what it sent whole counts as sent.
    fn release(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, phase: Phase) {
        let Some(client) = self.clients.get(key) else { return };
        if matches!(phase, Phase::Held | Phase::Ready)
            && let Some(id) = client.id
            && self.by_id.get(&id) == Some(&key)
        {
            self.by_id.swap_remove(&id);
        }
        let active: Vec<UpReqId> = client.active.iter().copied().collect();
        self.lanes.forget(key);
        // A request that has not left is simply not sent; one that the client cancelled leaves with its cancel.
        let unsent = self.pacer.void(|q| matches!(q.what, What::Request(up) if active.contains(&up)));
        for queued in &unsent {
            self.account_for(queued);
        }
        for up in active {
            let sent = !unsent.iter().any(|q| q.what == What::Request(up));
            if sent {
                self.end_upstream(ctx, up);
            }
            self.retire_request(up, false);
        }
        for stream in super::shared::ALL {
            self.leave(ctx, key, stream, None);
        }
        for down in self.summaries.held_by(key) {
            self.quit_summary(ctx, key, down);
        }
    }

    /// Cancels a request at the Gateway, where that is worth a message: streams, and history, which is limited.
    fn end_upstream(&mut self, ctx: &mut Ctx<'_>, up: UpReqId) {
        let Some(entry) = self.requests.get(up) else { return };
        let (message, one_shot, smart) = (entry.message, entry.one_shot, entry.smart_depth);
        let version = self.server_version();
        if let Some(cancel) = cancel_of(message)
            && !(one_shot && message != id::REQ_HISTORICAL_DATA)
            && crate::protocol::request(u32::from(cancel)).is_some_and(|r| r.message.since <= version)
        {
            self.enqueue(ctx, None, What::Other, None, |v, out| compose::cancel(cancel, v, up.0, smart, out));
        }
    }

    // ---- requests ----

    fn request(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, payload: &[u8]) {
        let Some(client) = self.clients.get(key) else { return };
        let (version, Some(client_id)) = (client.version, client.id) else { return };
        // A client keeps its version for life; when the Gateway is away, the dialect of before still reads it. One
        // that comes back with another version cannot take the request: the client is closed when it is ready.
        let Some(dialect) = self.dialect.clone().filter(|d| d.version() == version) else {
            return self.early_request(ctx, key, payload);
        };
        let message = match text::message(payload, version) {
            Ok(message) => message,
            Err(fault) => return self.unreadable(ctx, key, -1, &fault.to_string()),
        };
        let Some(shape) = dialect.request(message.id) else {
            return self.not_at_this_version(ctx, key, message.id, version);
        };
        self.stats.from_clients[message.id as usize % super::stats::MESSAGE_IDS] += 1;
        let asked = Asked { key, client_id, shape, message };
        if let Err(what) = shape.check(&asked.message) {
            let words = format!("{} ({}): {what}", shape.decl.message.name, message.id);
            return self.unreadable(ctx, key, asked.error_id(), &words);
        }
        if self.stopping {
            return self.unavailable(ctx, &asked, "twsmux stops");
        }
        if !self.is_ready() && !matches!(shape.decl.handling, Handling::Local(_) | Handling::Refused(_)) {
            let why = self.diagnosis();
            return self.unavailable(ctx, &asked, &why);
        }
        self.dispatch(ctx, &asked);
    }

    fn dispatch(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        if !matches!(asked.shape.decl.handling, Handling::Local(_) | Handling::Refused(_))
            && let Some(words) = self.over_queue_limit(asked)
        {
            return self.unavailable(ctx, asked, &words);
        }
        match asked.shape.decl.handling {
            Handling::JoinSummary => self.join_summary(ctx, asked),
            Handling::LeaveSummary => self.leave_summary(ctx, asked),
            Handling::ById if asked.int(Role::ReqId).is_none() => match asked.message.form {
                // replaceFA below 157 has neither an id nor an answer.
                Form::Text => self.forward(ctx, asked, What::Other, &[]),
                Form::Proto => self.unreadable(ctx, asked.key, -1, "the request id is absent"),
            },
            Handling::ById | Handling::Executions => match asked.shape.decl.kind {
                Kind::Cancel(of) => self.cancel_request(ctx, asked, of),
                Kind::Update(of) => self.update_request(ctx, asked, of),
                _ => self.new_request(ctx, asked),
            },
            Handling::PlaceOrder | Handling::Exercise => self.place_order(ctx, asked),
            Handling::CancelOrder => self.cancel_order(ctx, asked),
            Handling::GlobalCancel => {
                self.suspect(ctx, asked.key);
                self.forward(ctx, asked, What::CancelOrder(None), &[]);
            }
            Handling::Lane(lane) => self.ask_lane(ctx, asked, lane),
            Handling::Join(stream) => self.join(ctx, asked, stream),
            Handling::Leave(stream) => self.leave(ctx, asked.key, stream, Some(asked)),
            Handling::Local(local) => self.answer_locally(ctx, asked, local),
            Handling::Refused(words) => {
                self.send_error(ctx, asked.key, asked.error_id(), codes::INVALID, words);
            }
        }
    }

    fn unreadable(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, id: i32, what: &str) {
        self.stats.bad_requests += 1;
        self.note_client(ctx, key, Level::Warn, format!("unreadable request: {what}"));
        let words = format!("Error reading request: {what}. twsmux did not forward it.");
        self.send_error(ctx, key, id, codes::UNREADABLE, &words);
    }

    /// A request that the upstream's version does not have, or nobody has.
    fn not_at_this_version(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, message: u32, version: u16) {
        let Some(known) = crate::protocol::request(message) else {
            return self.unreadable(ctx, key, -1, &format!("no message has the id {message}"));
        };
        let words = format!(
            "The TWS is out of date and must be upgraded: {} ({message}) does not exist at server version {version}, \
             which twsmux speaks with the Gateway.",
            known.message.name
        );
        self.stats.bad_requests += 1;
        self.send_error(ctx, key, -1, codes::TOO_OLD, &words);
    }

    fn over_queue_limit(&self, asked: &Asked<'_>) -> Option<String> {
        let (messages, bytes) = self.clients.get(asked.key)?.queued;
        (messages >= limits::MAX_QUEUED_PER_CLIENT
            || bytes + asked.message.body.len() > limits::MAX_QUEUED_BYTES_PER_CLIENT)
            .then(|| {
                format!(
                    "{messages} messages ({bytes} bytes) of this client already wait for the Gateway, which takes \
                     few messages a second; send more slowly"
                )
            })
    }

    /// A request that cannot be carried out now, answered in the shape that its library understands.
    pub(super) fn unavailable(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, why: &str) {
        let id = asked.error_id();
        match asked.shape.decl.handling {
            Handling::PlaceOrder | Handling::Exercise => self.refuse_order(ctx, asked, why),
            Handling::CancelOrder | Handling::GlobalCancel => {
                let words = format!("Order Message: the cancel was not sent to the Gateway: {why}.");
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
        what: What,
        edits: &[(Role, i64)],
    ) {
        let message_type = match asked.shape.decl.message.id {
            id::REQ_MKT_DATA => self.clients.get(asked.key).map(|c| c.market_data_type),
            _ => None,
        };
        let (shape, message) = (asked.shape, asked.message);
        self.enqueue(ctx, Some(asked.key), what, message_type, |_, out| {
            frame::put_with(out, |out| {
                let patched = shape.patch(&message, edits, out);
                debug_assert!(patched.is_ok(), "a checked request has its ids");
            });
        });
    }

    fn new_request(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let decl = asked.shape.decl;
        let down = DownReqId(asked.error_id());
        let flag = asked.shape.flag(&asked.message).unwrap_or(false);
        let one_shot = match decl.kind {
            Kind::OneShotIfFlag => flag,
            Kind::StreamIfFlag => !flag,
            Kind::Stream => false,
            _ => true,
        };
        let Some(client) = self.clients.get(asked.key) else { return };
        if client.active.len() >= limits::MAX_REQUESTS_PER_CLIENT {
            let words =
                format!("this client has {} active requests, the limit; cancel some", client.active.len());
            return self.unavailable(ctx, asked, &words);
        }
        if let Some(up) = client.requests.get(&(decl.message.id, down)).copied() {
            let old = self.requests.get(up);
            if old.is_some_and(|e| e.spent) {
                // Whether the Gateway still sends for it is not known: what nobody can cancel any more must not run on.
                self.end_upstream(ctx, up);
                self.retire_request(up, false);
            } else if old.is_some_and(|e| !e.one_shot) {
                let words = format!("Duplicate ticker id: request {down} is active; cancel it first.");
                return self.send_error(ctx, asked.key, down.0, decl.duplicate, &words);
            }
        }
        let filter = match decl.handling {
            Handling::Executions => asked.int(Role::ClientId).filter(|id| *id != 0).map(ClientId),
            _ => None,
        };
        let smart_depth = decl.message.id == id::REQ_MKT_DEPTH
            && asked.shape.field(&asked.message, "isSmartDepth").is_ok_and(|f| f.as_deref() == Some("1"));
        let message = decl.message.id;
        let up = self.requests.add(Entry {
            client: asked.key,
            down,
            message,
            one_shot,
            smart_depth,
            spent: false,
            filter,
        });
        if let Some(client) = self.clients.get_mut(asked.key) {
            client.active.insert(up);
            client.requests.insert((message, down), up);
        }
        if decl.handling == Handling::Executions {
            self.queries.insert(up, Default::default());
        }
        // The filter on the client id is applied here: at the Gateway all orders are ours.
        let edits = [(Role::ReqId, i64::from(up.0)), (Role::ClientId, 0)];
        let edits = if decl.handling == Handling::Executions { &edits[..] } else { &edits[..1] };
        self.forward(ctx, asked, What::Request(up), edits);
    }

    fn cancel_request(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, of: u16) {
        let down = DownReqId(asked.error_id());
        let Some(up) = self.clients.get(asked.key).and_then(|c| c.requests.get(&(of, down)).copied()) else {
            return self.not_active(ctx, asked, of);
        };
        // Whether the request has left or not, its cancel follows it: the queue keeps the order.
        self.forward(ctx, asked, What::Other, &[(Role::ReqId, up.0.into())]);
        self.retire_request(up, true);
    }

    fn update_request(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, of: u16) {
        let down = DownReqId(asked.error_id());
        match self.clients.get(asked.key).and_then(|c| c.requests.get(&(of, down)).copied()) {
            Some(up) => self.forward(ctx, asked, What::Other, &[(Role::ReqId, up.0.into())]),
            None => self.not_active(ctx, asked, of),
        }
    }

    /// A cancel or update of a request that is not active.
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

    // ---- requests without an id ----

    /// Remembers who sent a request without id, for errors without id.
    pub(super) fn suspect(&mut self, ctx: &Ctx<'_>, key: ClientKey) {
        if self.suspects.len() >= limits::MAX_SUSPECTS {
            self.suspects.pop_front();
        }
        self.suspects.push_back((key, ctx.now));
    }

    fn ask_lane(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, lane: Lane) {
        if self.lanes.waiting() >= limits::MAX_LANE_WAITERS {
            let words = "too many requests of this kind wait for the Gateway";
            return self.unavailable(ctx, asked, words);
        }
        let lane_key = asked.shape.int(&asked.message, Role::LaneKey).ok().flatten().unwrap_or(0);
        let mut bytes = bytes::BytesMut::new();
        let version = self.server_version();
        let message = asked.shape.decl.message.id;
        match message {
            // As client id 0 at the Gateway, reqOpenOrders binds manual orders: only its namesake may do that.
            // For the others all orders are asked for and their own picked out.
            id::REQ_OPEN_ORDERS if asked.client_id.0 != 0 || self.config.upstream_client_id.0 != 0 => {
                compose::bare_request(id::REQ_ALL_OPEN_ORDERS, version, &mut bytes);
            }
            _ => frame::put_with(&mut bytes, |out| {
                let patched = asked.shape.patch(&asked.message, &[], out);
                debug_assert!(patched.is_ok(), "nothing to patch");
            }),
        }
        let ask = Ask { client: Some(asked.key), message, frame: bytes.freeze() };
        if self.lanes.ask(lane, lane_key, ask) {
            self.send_lane(ctx, lane, lane_key);
        }
    }

    /// The request at the head of a lane goes upstream.
    pub(super) fn send_lane(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        let Some(ask) = self.lanes.head(lane, lane_key).cloned() else { return };
        self.enqueue(ctx, ask.client, What::Lane(lane, lane_key), None, |_, out| {
            out.extend_from_slice(&ask.frame);
        });
        self.timers.arm(Timer::Lane(lane, lane_key), ctx.now + limits::LANE_TIME);
    }

    /// The end of a lane's answer has come: the next one's turn.
    pub(super) fn lane_done(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        self.timers.disarm(Timer::Lane(lane, lane_key));
        if self.lanes.done(lane, lane_key).is_some() {
            self.send_lane(ctx, lane, lane_key);
        }
    }

    /// The asker and all who wait behind it are told; the lane stays shut until its end marker or a new link.
    pub(super) fn lane_timeout(&mut self, ctx: &mut Ctx<'_>, lane: Lane, lane_key: i64) {
        let mut askers = self.lanes.give_up(lane, lane_key);
        if let Some(head) = self.lanes.head_mut(lane, lane_key) {
            askers.insert(0, head.clone());
            head.client = None;
        }
        self.timers.arm(Timer::Lane(lane, lane_key), ctx.now + limits::LANE_TIME);
        for ask in askers {
            let Some(key) = ask.client else { continue };
            let name = crate::protocol::request(u32::from(ask.message)).map_or("request", |r| r.message.name);
            let words = format!(
                "Error processing request: the Gateway did not finish its answer to {name} within {} s. Try again \
                 later.",
                limits::LANE_TIME.as_secs()
            );
            self.send_error(ctx, key, -1, codes::NOT_PROCESSED, &words);
        }
    }

    fn answer_locally(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, local: Local) {
        let key = asked.key;
        match local {
            Local::StartApi => {
                let words = "startApi was sent before; it is not carried out again.";
                self.send_error(ctx, key, -1, codes::INVALID, words);
            }
            Local::NextValidId => {
                let next = self.orders.next_valid_id(asked.client_id);
                self.send(ctx, key, |v, out| compose::next_valid_id(v, next, out));
            }
            Local::ManagedAccounts => {
                let accounts = self.known.accounts.clone().unwrap_or_default();
                self.send(ctx, key, |v, out| compose::managed_accounts(v, &accounts, out));
            }
            Local::Time | Local::TimeMillis => match self.is_ready() {
                true => self.answer_clock(ctx, key, asked.shape.decl.message.id),
                false => self.unavailable(ctx, asked, &self.diagnosis()),
            },
            Local::LogLevel => {}
            Local::MarketDataType => {
                let kind = asked.shape.field(&asked.message, "marketDataType").ok().flatten();
                let kind = kind.and_then(|k| k.parse().ok()).filter(|k| (1..=4).contains(k));
                match (kind, self.clients.get_mut(key)) {
                    (Some(kind), Some(client)) => client.market_data_type = kind,
                    _ => {
                        let words = "Error validating request: the market data type must be 1, 2, 3 or 4.";
                        self.send_error(ctx, key, -1, codes::INVALID, words);
                    }
                }
            }
            Local::AutoOpenOrders => {
                if !self.is_ready() {
                    return self.unavailable(ctx, asked, &self.diagnosis());
                }
                if asked.client_id.0 == 0 && self.config.upstream_client_id.0 == 0 {
                    self.suspect(ctx, key);
                    return self.forward(ctx, asked, What::Other, &[]);
                }
                let words = match asked.client_id.0 {
                    0 => {
                        "Only the default client (i.e 0) can auto bind orders, and twsmux is not client 0 at the \
                          Gateway (--upstream-client-id)."
                    }
                    _ => "Only the default client (i.e 0) can auto bind orders.",
                };
                self.send_error(ctx, key, -1, codes::AUTO_BIND, words);
            }
        }
    }

    // ---- shared streams ----

    fn join_summary(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let (key, down) = (asked.key, DownReqId(asked.error_id()));
        if self.summaries.of(key, down).is_some() {
            let words =
                format!("Error processing request: duplicate id {down}; cancel the active summary first.");
            return self.send_error(ctx, key, down.0, asked.shape.decl.duplicate, &words);
        }
        if self.summaries.held_by(key).len() >= limits::MAX_SUMMARIES_PER_CLIENT {
            let words = "Error processing request: maximum number of account summary requests exceeded.";
            return self.send_error(ctx, key, down.0, codes::NOT_PROCESSED, words);
        }
        let field = |name| asked.shape.field(&asked.message, name).ok().flatten().unwrap_or_default();
        let subject = match asked.message.form {
            Form::Text => (field("groupName"), field("tags")),
            Form::Proto => {
                let text = |path| proto::get_str(asked.message.body, path).ok().flatten().unwrap_or_default();
                let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (owned(text(&[2])), owned(text(&[3])))
            }
        };
        if let Some(up) = self.summaries.about(&subject) {
            self.summaries.join(up, key, down);
            let image = self.summaries.get_mut(up).map(|s| s.image()).unwrap_or_default();
            let Some(dialect) = self.dialect.clone() else { return };
            for payload in image {
                if let Some(heard) = Heard::new(&dialect, &payload) {
                    self.send(ctx, key, |_, out| heard.put(&[(Role::ReqId, down.0.into())], out));
                }
            }
            return;
        }
        let up = self.requests.reserve();
        self.summaries.open(up, subject);
        self.summaries.join(up, key, down);
        self.forward(ctx, asked, What::Other, &[(Role::ReqId, up.0.into())]);
    }

    fn leave_summary(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) {
        let down = DownReqId(asked.error_id());
        self.quit_summary(ctx, asked.key, down);
    }

    /// The last one who shares a summary ends it upstream.
    fn quit_summary(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, down: DownReqId) {
        let Some(up) = self.summaries.leave(key, down) else { return };
        self.requests.rest(up, down, id::REQ_ACCOUNT_SUMMARY);
        if self.is_ready() {
            self.enqueue(ctx, None, What::Other, None, |v, out| {
                compose::cancel(id::CANCEL_ACCOUNT_SUMMARY, v, up.0, false, out);
            });
        }
    }

    fn join(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>, stream: Shared) {
        let key = asked.key;
        if stream == Shared::AccountUpdates {
            let on = asked.shape.int(&asked.message, Role::Subscribe).ok().flatten().unwrap_or(0) != 0;
            if !on {
                return self.leave(ctx, key, stream, Some(asked));
            }
            if !self.take_account_slot(ctx, asked) {
                return;
            }
        }
        self.suspect(ctx, key);
        if self.streams.get_mut(stream).join(key) {
            self.streams.get_mut(stream).clear_image();
            return self.forward(ctx, asked, What::Other, &[]);
        }
        let wants_image = stream != Shared::Bulletins
            || asked.shape.field(&asked.message, "allMsgs").is_ok_and(|f| f.as_deref() == Some("1"));
        if wants_image {
            for row in self.streams.get(stream).image() {
                self.send(ctx, key, |_, out| frame::put(&row, out));
            }
        }
    }

    /// Account updates are for one account at a time. Says whether the asker may have its account now.
    fn take_account_slot(&mut self, ctx: &mut Ctx<'_>, asked: &Asked<'_>) -> bool {
        let wanted = asked.shape.str(&asked.message, Role::Account).ok().flatten().unwrap_or_default();
        let mut wanted = String::from_utf8_lossy(wanted).into_owned();
        let accounts = self.known.accounts.as_deref().unwrap_or_default().trim_end_matches(',');
        if wanted.is_empty() && !accounts.contains(',') {
            wanted = accounts.to_owned();
        }
        let slot = self.streams.get_mut(Shared::AccountUpdates);
        if slot.is_live() && slot.account != wanted {
            let others = slot.subscribers().iter().any(|c| *c != asked.key);
            if others {
                let words = "Unable to subscribe to account as the following clients are subscribed to a different \
                             account: another client of this Gateway. Use reqAccountUpdatesMulti.";
                self.send_error(ctx, asked.key, -1, codes::ACCOUNT_TAKEN, words);
                return false;
            }
            // Its only subscriber changes its mind. The old subscription is ended first, so that the 2100 which
            // that draws is known to be ours.
            self.leave(ctx, asked.key, Shared::AccountUpdates, Some(asked));
        }
        self.streams.get_mut(Shared::AccountUpdates).account = wanted;
        true
    }

    /// A client leaves a shared stream; the last one ends the upstream subscription. `asked`: its own request to
    /// leave, if it made one.
    fn leave(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, stream: Shared, asked: Option<&Asked<'_>>) {
        let Some(last) = self.streams.get_mut(stream).leave(key) else { return };
        if stream == Shared::AccountUpdates && asked.is_some() {
            let words = "API client has been unsubscribed from account data.";
            self.send_error(ctx, key, -1, codes::ACCOUNT_UNSUBSCRIBED, words);
        }
        if !last {
            return;
        }
        let account = std::mem::take(&mut self.streams.get_mut(stream).account);
        self.streams.get_mut(stream).clear_image();
        if !self.is_ready() {
            return;
        }
        self.enqueue(ctx, None, What::Other, None, |v, out| match stream {
            Shared::AccountUpdates => compose::leave_account_updates(v, &account, out),
            Shared::Positions => compose::bare_request(id::CANCEL_POSITIONS, v, out),
            Shared::Bulletins => compose::bare_request(id::CANCEL_NEWS_BULLETINS, v, out),
        });
        if stream == Shared::AccountUpdates {
            self.own_unsubscribes += 1;
        }
    }
}

fn client_in_use(core: &mut Core, ctx: &mut Ctx<'_>, key: ClientKey, id: ClientId) {
    let words =
        format!("Unable to connect as the client id {id} is already in use. Retry with a unique client id.");
    core.close_client(ctx, key, Gone::Refused, Some((codes::CLIENT_ID_IN_USE, words)));
}

/// The request that cancels requests of this message id.
pub(super) fn cancel_of(message: u16) -> Option<u16> {
    requests().iter().find(|r| r.kind == Kind::Cancel(message)).map(|r| r.message.id)
}
