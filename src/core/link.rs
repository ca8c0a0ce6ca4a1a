//! The one upstream connection: dial, handshake, readiness, liveness, loss (I1, I2).
//!
//! ```text
//! Down --Redial--> Looking --no zombie--> Dialing --> Greeting --> Starting --(empty journal: Learning)--> Ready
//!   ^                 |                      |           |            |                                      |
//!   +--- zombies -----+------ refused -------+------------ failed / lost (back-off) -------------------------+
//! ```

use std::time::Duration;

use super::client::Phase;
use super::compose::{self, id};
use super::io::{Action, Gone, Level, Zombies};
use super::pacer::{Post, Queued, What};
use super::speech::converter;
use super::stats::ConnectResult;
use super::timers::Timer;
use super::trouble::{Case, Stage, Trouble};
use super::{Clock, Core, Ctx, codes};
use crate::ids::{LinkId, UpOrderId, UpReqId};
use crate::journal::Record;
use crate::limits;
use crate::time::Time;
use crate::wire::{
    WireError,
    handshake::{ClientHello, ServerHello},
};

/// Lowest server version that twsmux asks for: the first with the framed protocol.
pub const MIN_SERVER_VERSION: u16 = 100;

/// Highest server version that the tables know.
pub const MAX_SERVER_VERSION: u16 = 226;

/// Where the upstream connection stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// No socket; [`Timer::Redial`] is armed unless twsmux stops.
    Down,
    /// Waiting for the look at the socket table.
    Looking,
    /// Waiting for the connect.
    Dialing {
        /// Since when.
        since: Time,
    },
    /// Connected, the greeting is out.
    Greeting {
        /// Since when.
        since: Time,
    },
    /// The version is agreed, startApi is out.
    Starting {
        /// Since when the handshake runs.
        since: Time,
        /// managedAccounts, once it came.
        accounts: Option<String>,
        /// nextValidId, once it came.
        next: Option<i32>,
    },
    /// The journal is empty: the Gateway is asked for all orders that it knows, before any new one gets an id.
    Learning {
        /// Since when the handshake runs.
        since: Time,
        /// They are known, and the journal is about to say whose it is.
        done: bool,
    },
    /// Clients may use it.
    Ready {
        /// Since when.
        since: Time,
    },
}

/// What the Gateway said when it last was there, and how dialling went.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its reply to the greeting.
    pub hello: Option<ServerHello>,
    /// Its managed accounts.
    pub accounts: Option<String>,
    /// What is the matter with it, if anything is.
    pub(super) trouble: Option<Trouble>,
    /// Failures since the link last was stable.
    pub failures: u32,
    /// When it last answered a greeting.
    pub(super) answered: Time,
    /// How often it was ready.
    pub readies: u64,
}

impl Core {
    /// Why the upstream is not ready and what to do about it, in words for people.
    pub fn diagnosis(&self) -> String {
        let gateway = &self.config.gateway;
        match (&self.link, &self.known.trouble) {
            _ if self.waits_for_disk() && !self.ledger.is_broken() => format!(
                "the disk of the order journal has not taken its first entries yet, and clients must not work before: the \
                 state directory is slow or hangs. The Gateway at {gateway} is connected"
            ),
            (Link::Ready { .. }, _) => format!("connected to the Gateway at {gateway}"),
            (Link::Learning { done: true, .. }, _) if self.ledger.is_broken() => {
                format!("the order journal cannot be begun: {}", self.ledger.refusal().unwrap_or_default())
            }
            (Link::Learning { .. }, _) => {
                format!(
                    "the Gateway at {gateway} is being asked for its orders, once, because the order journal is empty"
                )
            }
            (_, Some(trouble)) => self.trouble_in_short(trouble),
            (Link::Greeting { .. }, None) => format!(
                "the Gateway at {gateway} has not answered the handshake yet; it may be starting up, waiting for its login \
                 or two-factor confirmation, or show a dialog"
            ),
            (Link::Starting { .. }, None) => {
                format!("the Gateway at {gateway} has answered the handshake and not yet named its accounts")
            }
            (_, None) => format!("connecting to the Gateway at {gateway}"),
        }
    }

    /// The version that clients are answered with, before it is clamped into their range.
    pub(super) fn server_version(&self) -> u16 {
        self.known.hello.as_ref().map_or(self.config.max_server_version, |h| h.version)
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.link, Link::Ready { .. })
    }

    /// Whether `link` is the connection that counts: words about an older one are too late.
    fn is_current(&self, link: LinkId) -> bool {
        link == self.link_id && !matches!(self.link, Link::Down)
    }

    pub(super) fn look(&mut self, ctx: &mut Ctx<'_>) {
        if self.stopping || self.operated.paused || self.link != Link::Down {
            return;
        }
        self.link_id = LinkId(self.link_id.0 + 1);
        self.link = Link::Looking;
        ctx.actions.push(Action::Look { link: self.link_id });
    }

    pub(super) fn looked(&mut self, ctx: &mut Ctx<'_>, link: LinkId, zombies: Option<Zombies>) {
        self.see_zombies(zombies);
        if link != self.link_id || self.link != Link::Looking {
            return;
        }
        match zombies {
            _ if self.stopping || self.operated.paused => self.link = Link::Down,
            Some(zombies) if zombies.total() > 0 => {
                self.stats.connects[ConnectResult::Zombies as usize] += 1;
                self.down(ctx, Case::Zombies, zombies.to_string(), self.config.backoff_min);
            }
            _ => {
                self.link = Link::Dialing { since: ctx.now };
                ctx.actions.push(Action::Dial { link });
            }
        }
    }

    /// The dial came to nothing.
    pub(super) fn not_connected(&mut self, ctx: &mut Ctx<'_>, link: LinkId, case: Case, error: String) {
        if self.is_current(link) && matches!(self.link, Link::Dialing { .. }) {
            self.stats.connects[ConnectResult::Refused as usize] += 1;
            self.down(ctx, case, error, limits::REFUSED_PAUSE);
        }
    }

    /// What the kernel's table says of dead connections.
    pub(super) fn see_zombies(&mut self, zombies: Option<Zombies>) {
        self.zombies = zombies;
        self.stats.zombies = zombies.map(|zombies| zombies.total());
    }

    /// Goes to [`Link::Down`] and arms the next attempt, `pause` from now with some jitter.
    fn down(&mut self, ctx: &mut Ctx<'_>, case: Case, detail: String, pause: Duration) {
        self.link = Link::Down;
        self.down_since = ctx.now;
        // Whatever went wrong: nobody is to do anything about it now.
        let (case, detail) =
            if self.operated.paused { (Case::Paused, String::new()) } else { (case, detail) };
        let changed = self.in_trouble(ctx.now, case, detail);
        self.recall_turn(ctx.now);
        // Up to a quarter on top, so that several twsmux do not dial in step.
        let pause = pause + pause.mul_f64((self.random() % 1000) as f64 / 4000.0);
        if !self.stopping && !self.operated.paused {
            self.timers.arm(Timer::Redial, ctx.now + pause);
        }
        let words = match self.known.trouble.as_ref().filter(|_| changed) {
            Some(trouble) => self.trouble_in_full(trouble),
            None => self.diagnosis(),
        };
        let level = if changed { Level::Warn } else { Level::Debug };
        let words = match self.operated.paused {
            true => words,
            false => format!("{words} (next attempt in {:.1} s)", pause.as_secs_f64()),
        };
        self.note(ctx, level, words);
    }

    pub(super) fn upstream_connected(&mut self, ctx: &mut Ctx<'_>, link: LinkId) {
        if !self.is_current(link) || !matches!(self.link, Link::Dialing { .. }) {
            return;
        }
        self.link = Link::Greeting { since: ctx.now };
        self.out_of_trouble(Stage::Connected);
        self.last_heard = ctx.now;
        self.upstream_out.clear();
        let hello = ClientHello {
            min: MIN_SERVER_VERSION,
            max: self.config.max_server_version,
            options: String::new(),
        };
        // Prefix and range are one piece of output, so the shell's one write carries both.
        hello.put(self.upstream_out.append(ctx.now));
        self.mark_upstream_dirty(ctx);
        self.timers.arm(Timer::Handshake, ctx.now + self.config.handshake_time);
        self.examine_later(ctx.now);
    }

    pub(super) fn upstream_hello(&mut self, ctx: &mut Ctx<'_>, link: LinkId, hello: ServerHello) {
        let Link::Greeting { since } = self.link else { return };
        if !self.is_current(link) {
            return;
        }
        if !(MIN_SERVER_VERSION..=self.config.max_server_version).contains(&hello.version) {
            let why = format!(
                "it chose server version {}, outside of {MIN_SERVER_VERSION}..{} that it was offered",
                hello.version, self.config.max_server_version
            );
            return self.fail(ctx, Case::Misunderstood, why);
        }
        if self.known.hello.as_ref().is_some_and(|known| known.version != hello.version) {
            let known = self.speeches.upstream().version();
            self.speeches.set_upstream(hello.version);
            self.orders.convert_images(converter(known, self.speeches.upstream()));
            self.forget_what_was_before();
        }
        self.speeches.set_upstream(hello.version);
        for key in self.clients.iter().map(|c| c.key).collect::<Vec<_>>() {
            if let Some(client) = self.clients.get_mut(key).filter(|c| c.speech.is_some()) {
                client.speech = Some(self.speeches.with(client.version));
            }
        }
        compose::start_api(
            hello.version,
            self.config.upstream_client_id.0,
            "",
            self.upstream_out.append(ctx.now),
        );
        self.pacer.sent(ctx.now);
        self.mark_upstream_dirty(ctx);
        self.known.hello = Some(hello);
        self.farms.clear();
        self.start_push.clear();
        self.start_push_bytes = 0;
        self.link = Link::Starting { since, accounts: None, next: None };
        self.out_of_trouble(Stage::Answered);
        self.known.answered = ctx.now;
        // If none is due, a look is under way, and its answer arms the next.
        if self.timers.is_armed(Timer::Examine) {
            self.examine_later(ctx.now);
        }
    }

    /// managedAccounts came.
    pub(super) fn upstream_accounts(&mut self, ctx: &mut Ctx<'_>, list: String) {
        match &mut self.link {
            Link::Starting { accounts, .. } => {
                *accounts = Some(list);
                self.maybe_ready(ctx);
            }
            _ => self.known.accounts = Some(list),
        }
    }

    /// nextValidId came.
    pub(super) fn upstream_next_id(&mut self, ctx: &mut Ctx<'_>, id: i32) {
        match &mut self.link {
            Link::Starting { next, .. } => {
                *next = Some(id);
                self.maybe_ready(ctx);
            }
            _ => self.orders.gateway_next(id),
        }
    }

    pub(super) fn maybe_ready(&mut self, ctx: &mut Ctx<'_>) {
        if !self.ledger.is_open() && self.ledger.accounts().is_some() {
            if self.waits_for_disk() {
                self.out_of_trouble(Stage::Ready); // the Gateway has done its part
            }
            return; // the disk comes back here
        }
        let Link::Starting { since, accounts: Some(accounts), next: Some(next) } = &self.link else { return };
        let (since, accounts, next) = (*since, accounts.clone(), *next);
        let set = account_set(&accounts);
        if let Some(known) = self.ledger.accounts()
            && known != set
        {
            let (ours, theirs) = (known.join(","), set.join(","));
            let words = format!("the journal belongs to the accounts {ours}, the Gateway manages {theirs}");
            for key in self.clients.keys_in(Phase::Ready) {
                let words = "the Gateway came back with other accounts: connect again".to_owned();
                self.close_client(ctx, key, Gone::Refused, Some((codes::NOT_CONNECTED, words)));
            }
            return self.fail(ctx, Case::OtherAccounts, words);
        }
        self.known.accounts = Some(accounts);
        self.orders.gateway_next(next);
        self.renumber_requests();
        if self.ledger.accounts().is_some() {
            return self.become_ready(ctx, since);
        }
        self.link = Link::Learning { since, done: false };
        self.recall_turn(ctx.now);
        self.timers.disarm(Timer::Handshake); // the lists have bounds of their own
        self.timers.disarm(Timer::Examine);
        self.out_of_trouble(Stage::Ready);
        self.begin_reconcile(ctx);
        self.hear_start_push(ctx);
    }

    /// What came before the accounts were known.
    fn hear_start_push(&mut self, ctx: &mut Ctx<'_>) {
        self.start_push_bytes = 0;
        self.hears_start_push = true;
        for payload in std::mem::take(&mut self.start_push) {
            self.hear(ctx, &payload);
        }
        self.hears_start_push = false;
    }

    pub(super) fn is_learning(&self) -> bool {
        matches!(self.link, Link::Learning { .. })
    }

    /// The Gateway's orders are known, as far as it tells: with a journal that was empty, clients may work from now on.
    pub(super) fn learnt(&mut self, ctx: &mut Ctx<'_>) {
        let Link::Learning { since, done: false } = self.link else { return };
        if self.requests.covers(self.orders.next_upstream()) {
            // The lists know of higher order ids than nextValidId told, and nothing has been asked for a client yet.
            self.renumber_requests();
        }
        let accounts = account_set(self.known.accounts.as_deref().unwrap_or_default());
        let upstream_client = self.config.upstream_client_id;
        self.record(ctx, Record::Identity { upstream_client, accounts: accounts.clone() });
        self.ledger.belongs_to(accounts);
        let fact = self.commit(ctx);
        self.ledger.opens_with(fact);
        self.link = Link::Learning { since, done: true };
        self.timers.arm(Timer::Handshake, ctx.now + self.config.handshake_time); // the disk's
        self.maybe_open(ctx);
    }

    /// Whether the Gateway has done its part, and the disk of the journal has not.
    pub(super) fn waits_for_disk(&self) -> bool {
        match &self.link {
            Link::Starting { accounts: Some(_), next: Some(_), .. } => {
                self.ledger.accounts().is_some() && !self.ledger.is_open()
            }
            Link::Learning { done, .. } => *done,
            _ => false,
        }
    }

    /// The disk has come further, or refuses: whoever waited for it may go on.
    pub(super) fn maybe_open(&mut self, ctx: &mut Ctx<'_>) {
        match self.link {
            Link::Starting { .. } => self.maybe_ready(ctx),
            Link::Learning { since, done: true } if self.ledger.is_open() => self.become_ready(ctx, since),
            _ => {}
        }
    }

    fn become_ready(&mut self, ctx: &mut Ctx<'_>, since: Time) {
        let learnt = self.is_learning();
        self.out_of_trouble(Stage::Ready);
        self.known.readies += 1;
        self.market_data_type = 1;
        self.own_unsubscribes = 0;
        self.link = Link::Ready { since: ctx.now };
        self.recall_turn(ctx.now);
        self.timers.disarm(Timer::Handshake);
        self.timers.disarm(Timer::Examine);
        self.timers.arm(Timer::Stable, ctx.now + limits::STABLE_AFTER);
        self.timers.arm(Timer::Liveness, ctx.now + limits::CLOCK_DISTANCE);
        self.liveness_checked = ctx.now;
        self.stats.connects[ConnectResult::Ready as usize] += 1;
        self.stats.handshake_us = Some(ctx.now.since(since).as_micros() as u64);
        let words = format!(
            "ready: Gateway at {}, server version {}, accounts {}",
            self.config.gateway,
            self.server_version(),
            self.known.accounts.as_deref().unwrap_or_default()
        );
        self.note(ctx, Level::Info, words);
        self.probe(ctx);
        if !learnt {
            self.begin_reconcile(ctx);
            self.hear_start_push(ctx);
        }
        for owner in std::mem::take(&mut self.cancels_due) {
            self.cancel_all_of(ctx, owner, None);
        }
        self.wake(ctx);
        for key in self.clients.keys_in(Phase::Held) {
            self.start_client(ctx, key);
        }
    }

    pub(super) fn upstream_broken(&mut self, ctx: &mut Ctx<'_>, link: LinkId, fault: &WireError) {
        if self.is_current(link) {
            self.fail(ctx, Case::Misunderstood, fault.to_string());
        }
    }

    pub(super) fn upstream_gone(&mut self, ctx: &mut Ctx<'_>, link: LinkId, error: String) {
        if self.is_current(link) {
            let case = match self.link {
                Link::Greeting { .. } | Link::Starting { .. } => Case::ClosedInHandshake,
                _ => Case::Lost,
            };
            self.fail(ctx, case, error);
        }
    }

    pub(super) fn handshake_timeout(&mut self, ctx: &mut Ctx<'_>) {
        if self.waits_for_disk() {
            // Another connection would wait just the same.
            self.note(ctx, Level::Warn, self.diagnosis());
            return self.timers.arm(Timer::Handshake, ctx.now + self.config.handshake_time);
        }
        if matches!(self.link, Link::Greeting { .. } | Link::Starting { .. }) {
            let (case, words) = self.out_of_patience();
            self.fail(ctx, case, words);
        }
    }

    /// The connection is of no use any more: reset it in this turn, end what depended on it, try again later.
    pub(super) fn fail(&mut self, ctx: &mut Ctx<'_>, case: Case, detail: String) {
        let was = std::mem::replace(&mut self.link, Link::Down);
        if matches!(was, Link::Down | Link::Looking) {
            self.link = was;
            return;
        }
        ctx.actions.push(Action::Abort { link: self.link_id });
        for timer in [
            Timer::Handshake,
            Timer::Examine,
            Timer::Liveness,
            Timer::Stable,
            Timer::Pacer,
            Timer::Held,
            Timer::Reconcile,
        ] {
            self.timers.disarm(timer);
        }
        self.upstream_out.clear();
        let on_purpose = self.operated.hangs_up.is_some();
        self.keep_link();
        let pause = match was {
            _ if on_purpose => limits::REFUSED_PAUSE,
            // It worked before: the usual case is a Gateway that restarts.
            Link::Ready { since } if ctx.now.since(since) >= limits::STABLE_AFTER => limits::REFUSED_PAUSE,
            _ => {
                let pause = self.config.backoff_min * 2u32.saturating_pow(self.known.failures.min(10));
                self.known.failures += 1;
                pause.min(self.config.backoff_max)
            }
        };
        if !matches!(was, Link::Ready { .. }) {
            self.stats.connects[ConnectResult::Failed as usize] += 1;
        }
        self.down(ctx, case, detail, pause);
        if matches!(was, Link::Ready { .. } | Link::Learning { .. }) {
            self.lost(ctx);
        }
        if self.stopping {
            self.finish(ctx);
        }
    }

    /// A ready link is gone: every client is told once, and everything under way ends (I8, I5).
    fn lost(&mut self, ctx: &mut Ctx<'_>) {
        let why = self.diagnosis();
        let words = format!("Connectivity between IB and Trader Workstation has been lost. twsmux: {why}.");
        for key in self.clients.keys_in(Phase::Ready) {
            self.send_error(ctx, key, -1, codes::LINK_LOST, &words);
        }
        let why = self.reason();
        let words = format!("Not connected: {why}.");
        let mut all: Vec<UpReqId> = self.requests.iter().map(|(up, _)| up).collect();
        all.sort_unstable();
        for up in all {
            self.sleep_or_end(ctx, up, &words);
        }
        self.keep_questions(ctx, &words);
        self.watch_sleepers(ctx);
        self.answers = Default::default();
        self.timers.disarm_lanes();
        self.refuse_queued(ctx, &why);
        self.report_flights(ctx, "the connection to the Gateway was lost");
        self.reconcile = Default::default();
        for stream in super::shared::ALL {
            self.timers.disarm(Timer::Stream(stream));
            match self.streams.get(stream).subscribers().is_empty() {
                true => *self.streams.get_mut(stream) = Default::default(),
                false => self.streams.get_mut(stream).sleep(),
            }
        }
        self.replaying.clear();
        self.welcome_nobody();
        self.queries.clear();
        self.early_commissions.clear();
        self.suspects.clear();
        self.clock_waiters.clear();
        self.probe_sent = None;
    }

    /// What waits for the pacer is not sent: orders are never queued across a reconnect (I5).
    pub(super) fn refuse_queued(&mut self, ctx: &mut Ctx<'_>, why: &str) {
        for queued in self.pacer.reset() {
            self.account_for(&queued);
            self.refuse_one(ctx, &queued, why);
        }
    }

    fn refuse_one(&mut self, ctx: &mut Ctx<'_>, queued: &Queued, why: &str) {
        match queued.post.what {
            What::Order(up) => self.order_not_sent(ctx, up, why),
            What::CancelOrder(up) => self.cancel_not_sent(ctx, queued.post.client, up, why),
            _ => {}
        }
    }

    /// The Gateway took an order id for a used one: its next one is asked for, and ours goes above it.
    pub(super) fn resynchronise_ids(&mut self, ctx: &mut Ctx<'_>, up: UpOrderId) {
        let words = format!("the Gateway says that order id {up} is used (103): asking for its next one");
        self.note(ctx, Level::Error, words);
        self.enqueue(ctx, Post::own(What::Other), compose::req_ids);
    }

    /// Asks the Gateway for its clock: measures the round trip and keeps the offset.
    fn probe(&mut self, ctx: &mut Ctx<'_>) {
        if self.probe_sent.is_some_and(|at| ctx.now.since(at) < limits::CLOCK_DISTANCE) {
            return;
        }
        let version = self.server_version();
        let message = match version >= id::MILLIS_SINCE {
            true => id::REQ_CURRENT_TIME_MILLIS,
            false => id::REQ_CURRENT_TIME,
        };
        if self.pacer.ready_at(1, ctx.now) > ctx.now {
            return; // the next liveness check comes
        }
        compose::bare_request(message, version, self.upstream_out.append(ctx.now));
        self.pacer.sent(ctx.now);
        self.mark_upstream_dirty(ctx);
        self.probe_sent = Some(ctx.now);
    }

    pub(super) fn liveness(&mut self, ctx: &mut Ctx<'_>) {
        if !self.is_ready() {
            return;
        }
        // A process that was held up has not read what waits on its socket: it must look before it judges.
        let late = ctx.now.since(self.liveness_checked) > 2 * limits::CLOCK_DISTANCE;
        self.liveness_checked = ctx.now;
        let silent = ctx.now.since(self.last_heard);
        if !late && silent >= limits::SILENCE_IS_DEATH {
            return self.fail(ctx, Case::FellSilent, format!("silent for {} s", silent.as_secs()));
        }
        if silent >= limits::IDLE_BEFORE_PROBE || self.clock.is_none() {
            self.probe(ctx);
        }
        self.timers.arm(Timer::Liveness, ctx.now + limits::CLOCK_DISTANCE);
    }

    /// The Gateway told its time.
    pub(super) fn upstream_clock(&mut self, ctx: &mut Ctx<'_>, millis: i64) {
        self.clock = Some(Clock { at: ctx.now, millis });
        if let Some(sent) = self.probe_sent {
            self.stats.round_trip_us = Some(ctx.now.since(sent).as_micros() as u64);
        }
        for (key, message) in std::mem::take(&mut self.clock_waiters) {
            self.answer_clock(ctx, key, message);
        }
    }

    /// Answers a client's clock request from the measured offset, or notes the client until it is measured.
    pub(super) fn answer_clock(&mut self, ctx: &mut Ctx<'_>, key: crate::ids::ClientKey, message: u16) {
        match self.clock {
            Some(clock) => {
                let millis = clock.millis + ctx.now.since(clock.at).as_millis() as i64;
                self.send(ctx, key, |version, out| match message {
                    id::REQ_CURRENT_TIME => compose::current_time(version, millis / 1000, out),
                    _ => compose::current_time_millis(version, millis, out),
                });
            }
            None if self.clock_waiters.len() < limits::MAX_CLOCK_WAITERS => {
                self.clock_waiters.push((key, message));
            }
            None => {
                let words = "Too many requests wait for the Gateway's clock; try again.";
                self.send_error(ctx, key, -1, codes::NOT_PROCESSED, words);
            }
        }
    }
}

/// The accounts of a list, sorted.
fn account_set(list: &str) -> Vec<String> {
    let mut set: Vec<String> =
        list.split(',').map(str::trim).filter(|a| !a.is_empty()).map(str::to_owned).collect();
    set.sort_unstable();
    set.dedup();
    set
}
