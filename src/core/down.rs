//! What clients do with their connection: connect, greet, start, leave. What they ask is in `ask`.

use super::ask::{Asked, cancel_of};
use super::backlog::Backlog;
use super::client::{Client, Phase};
use super::compose::{self, id};
use super::io::{Action, Gone, Level};
use super::pacer::{Post, What};
use super::timers::Timer;
use super::{Core, Ctx, DuplicateClient, codes};
use crate::ids::{ClientId, ClientKey, UpReqId};
use crate::limits;
use crate::wire::{
    WireError, frame,
    handshake::{ClientHello, ServerHello},
    proto,
    text::{self, Form},
};

impl Core {
    pub(super) fn client_connected(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        peer: String,
        certificate: Option<String>,
    ) {
        self.stats.clients += 1;
        let full = self.clients.len() >= self.config.max_clients;
        self.clients.insert(Client::new(key, peer, certificate, ctx.now));
        self.share_unsent();
        self.timers.arm(Timer::Client(key), ctx.now + limits::GREETING_TIME);
        if full || self.stopping {
            let words = match full {
                true => format!("refused: {} clients are connected, the limit", self.config.max_clients),
                false => "refused: twsmux stops".to_owned(),
            };
            self.note_client(ctx, key, Level::Warn, words);
            self.close_client(ctx, key, Gone::Refused, None);
            // At once: there is nothing to be sent, and its socket is one too many.
            ctx.actions.push(Action::CloseClient { client: key, flush: false });
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
        if hello.max < super::link::MIN_SERVER_VERSION || hello.min > super::link::MAX_SERVER_VERSION {
            let words = format!(
                "refused: it offers server versions {}..{}, twsmux speaks {}..{}",
                hello.min,
                hello.max,
                super::link::MIN_SERVER_VERSION,
                super::link::MAX_SERVER_VERSION
            );
            self.note_client(ctx, key, Level::Warn, words);
            return self.close_client(ctx, key, Gone::Protocol, None);
        }
        client.range = (hello.min, hello.max);
        client.options = hello.options;
        client.version = wanted.clamp(hello.min, hello.max);
        client.speech = Some(self.speeches.with(client.version));
        client.phase = Phase::Starting;
        self.timers.arm(Timer::Client(key), ctx.now + limits::START_API_TIME);
        self.send(ctx, key, |version, out| ServerHello { version, time }.put(out));
    }

    pub(super) fn client_frame(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, payload: &[u8]) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.frames.0 += 1;
        client.heard = ctx.now;
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
        if !self.config.policies.of(id).admits(client.certificate.as_deref()) {
            self.stats.denied += 1;
            let words =
                format!("Unable to connect: client id {id} is not allowed here. Retry with one that is.");
            return self.close_client(ctx, key, Gone::Refused, Some((codes::CLIENT_ID_IN_USE, words)));
        }
        if self.is_draining() {
            let words = "twsmux takes no new clients: it is being drained. Connect again later.".to_owned();
            return self.close_client(ctx, key, Gone::Refused, Some((codes::NOT_CONNECTED, words)));
        }
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
        let Some(client) = self.clients.get_mut(key) else { return };
        let Some(id) = client.id else { return };
        client.phase = Phase::Ready;
        self.timers.disarm(Timer::Client(key));
        self.push_own_orders(ctx, key, id);
        let accounts = self.known.accounts.clone().unwrap_or_default();
        let next = self.orders.next_valid_id(id);
        self.send(ctx, key, |v, out| compose::managed_accounts(v, &accounts, out));
        self.send(ctx, key, |v, out| compose::next_valid_id(v, next, out));
        for notice in self.farms.values().cloned().collect::<Vec<_>>() {
            self.tell_kept(ctx, key, &notice, &[]);
        }
        self.deliver_kept(ctx, key, id);
        self.watch_idleness(ctx, key);
    }

    /// A request before managedAccounts and nextValidId: the Gateway may drop those; here they get an answer.
    pub(super) fn early_request(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, payload: &[u8]) {
        let why = self.reason();
        let Some(client) = self.clients.get(key) else { return };
        let (client_id, Some(speech)) = (client.id.unwrap_or(ClientId(0)), client.speech.clone()) else {
            return;
        };
        let message = text::message(payload, speech.dialect.version()).ok();
        match message.and_then(|m| Some((speech.dialect.request(m.id)?, m))) {
            Some((shape, message)) => {
                self.unavailable(ctx, &Asked::new((key, client_id), &speech, shape, message), &why);
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
            Phase::Ready => self.look_at_slow_client(ctx, key),
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
        client.backlog = Backlog::default();
        client.phase = Phase::Closing;
        if let Some((code, words)) = words {
            let time = self.config.epoch_ms + ctx.now.0 / 1000;
            compose::error(version, -1, code, &words, time, client.outbox.append(ctx.now));
            self.recall_error(ctx.now, Some(key), code, &words);
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
        self.timers.disarm(Timer::Idle(key));
        self.clients.remove(key);
        self.share_unsent();
        self.stop_if_drained(ctx);
    }

    /// Ends everything that a client holds. Its orders live on; what it sent whole counts as sent.
    fn release(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, phase: Phase) {
        let Some(client) = self.clients.get(key) else { return };
        if matches!(phase, Phase::Held | Phase::Ready)
            && let Some(id) = client.id
            && self.by_id.get(&id) == Some(&key)
        {
            self.by_id.swap_remove(&id);
            // One that never worked has nothing to lose, and what twsmux itself closes is no disconnect.
            let ended = phase == Phase::Ready
                && self.clients.get(key).is_some_and(|c| c.closing != Some(Gone::Refused));
            match self.config.policies.of(id).cancel_on_disconnect && ended && !self.finished {
                true if self.is_ready() => self.cancel_all_of(ctx, id, None),
                true => drop(self.cancels_due.insert(id)),
                false => {}
            }
        }
        let Some(client) = self.clients.get(key) else { return };
        let active: Vec<UpReqId> = client.active.iter().copied().collect();
        self.lanes.forget(key);
        self.forget_questions(key);
        self.global_cancels.swap_remove(&key);
        // A request that has not left is simply not sent; one that the client cancelled leaves with its cancel.
        // Others may share it.
        let mine = |up: &UpReqId| {
            self.requests.get(*up).is_some_and(|e| e.members.iter().all(|(client, _)| *client == key))
        };
        let alone: Vec<UpReqId> = active.iter().copied().filter(mine).collect();
        let unsent = self.pacer.void(|q| matches!(q.post.what, What::Request(up) if alone.contains(&up)));
        for queued in &unsent {
            self.account_for(queued);
        }
        for up in active {
            let sent = !unsent.iter().any(|q| q.post.what == What::Request(up));
            let stays = sent && self.requests.get(up).is_some_and(|e| self.may_linger(up, e));
            if !alone.contains(&up) || stays {
                let members = self.requests.get(up).map(|e| e.members.clone()).unwrap_or_default();
                for member in members.into_iter().filter(|(client, _)| *client == key) {
                    self.leave_line(ctx, up, member, false);
                }
                continue;
            }
            if sent {
                self.end_upstream(ctx, None, up);
            }
            self.retire_request(up, false);
        }
        for stream in super::shared::ALL {
            self.leave(ctx, key, stream, None);
        }
    }

    /// Cancels a request at the Gateway, where that is worth a message: streams, and history, which is limited. `by`: whose
    /// next request it makes room for, so that it leaves before that.
    pub(super) fn end_upstream(&mut self, ctx: &mut Ctx<'_>, by: Option<ClientKey>, up: UpReqId) {
        if !self.is_ready() || self.take_back(up) {
            return;
        }
        let Some(entry) = self.requests.get(up) else { return };
        let (message, one_shot, smart) = (entry.message, entry.one_shot, entry.smart_depth);
        let version = self.server_version();
        if let Some(cancel) = cancel_of(message)
            && !(one_shot && message != id::REQ_HISTORICAL_DATA)
            && crate::protocol::request(u32::from(cancel)).is_some_and(|r| r.message.since <= version)
        {
            let post = Post { client: by, ..Post::own(What::Follow(up)) };
            self.enqueue(ctx, post, |v, out| compose::cancel(cancel, v, up.0, smart, out));
        }
    }
}

fn client_in_use(core: &mut Core, ctx: &mut Ctx<'_>, key: ClientKey, id: ClientId) {
    let words =
        format!("Unable to connect as the client id {id} is already in use. Retry with a unique client id.");
    core.close_client(ctx, key, Gone::Refused, Some((codes::CLIENT_ID_IN_USE, words)));
}
