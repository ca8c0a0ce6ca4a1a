//! The multiplexer's decisions: pure, single-threaded, deterministic.
//!
//! Owns: who is connected, which id belongs to whom, what is sent when, and the bytes on their way to each socket.
//! May not know: sockets, the system's clock, files, async. Driven by: `shell` (or a simulation) through
//! [`Core::handle`], [`Core::next_deadline`], [`Core::output`] and [`Core::upstream_output`].
//!
//! The parts: `link` (the one upstream connection), `trouble` (what is the matter with it, in words), `down`, `ask`,
//! `idless`, `join` (what clients do), `place` (what they do with orders), `route` (what the Gateway says), `trade` (what
//! it says of orders), `reconcile` (what it says of them after an absence). The tables they share: `client`, `requests`,
//! `orders`, `executions`, `away`, `lanes`, `shared`, `answers`, `pacer`, `ledger`, `timers`.

mod answers;
mod ask;
mod away;
mod backlog;
mod book;
mod bounds;
pub mod client;
pub mod codes;
pub mod compose;
mod down;
pub mod events;
mod executions;
mod held;
pub mod holdings;
mod idle;
mod idless;
mod invariants;
pub mod io;
mod join;
mod lanes;
mod ledger;
mod lines;
mod linger;
mod link;
pub mod operate;
mod order_limits;
pub mod orders;
mod outbox;
mod pacer;
mod patience;
mod permits;
mod place;
pub mod policy;
mod questions;
mod recent;
mod reconcile;
mod reconfigure;
mod replay;
mod requests;
mod route;
mod send;
mod shared;
mod slow;
mod speech;
mod split;
pub mod standing;
pub mod stats;
mod tell;
mod ticks;
mod timers;
mod trade;
pub mod trouble;
pub mod view;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustc_hash::FxBuildHasher;

use crate::ids::{ClientId, ClientKey, LinkId, UpOrderId, UpReqId};
use crate::journal::{Record, State};
use crate::limits;
use crate::time::Time;

use answers::{Answers, Source};
use away::Away;
pub use bounds::Limits;
use client::{Clients, Phase};
use executions::Executions;
use io::{Action, Actions, Gone, Input, Level, Note};
use lanes::Lanes;
use ledger::Ledger;
pub use link::MAX_SERVER_VERSION;
use link::{Known, Link};
use orders::Orders;
use outbox::{MostUnsent, Outbox};
use pacer::Pacer;
use policy::Policies;
use recent::Recent;
use reconcile::Reconcile;
use requests::{Entry, Requests};
use shared::Streams;
use speech::Speeches;
use stats::{Drop, Stats};
use timers::{Timer, Timers};
use trouble::Case;

/// What becomes of a second client with an id that is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DuplicateClient {
    /// The newcomer is refused with 326, as the Gateway does.
    #[default]
    Reject,
    /// The newcomer takes over and the holder is closed.
    Replace,
}

/// What becomes of sizes and volumes of US stocks where the client's version counts them in lots of 100 and the
/// Gateway's in shares, or the other way round.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum UsStockSizes {
    /// They are converted. A request that does not say whether it is about a US stock is refused.
    #[default]
    Convert,
    /// They are passed on as the Gateway sends them: right where its settings make it count in one way for all.
    AsSent,
}

/// What becomes of requests for historical data that the Gateway would refuse because they come too soon.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum HistoricalPacing {
    /// They wait until the rules allow them.
    #[default]
    Delay,
    /// They are sent, and the Gateway says what it will.
    Off,
}

/// Settings. What of them may change while twsmux runs is in `reconfigure`. A capture has them; what is not in an older one
/// has its default.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The Gateway's address, for words.
    pub gateway: String,
    /// twsmux's own client id at the Gateway.
    pub upstream_client_id: ClientId,
    /// Highest server version asked of the Gateway.
    pub max_server_version: u16,
    /// Messages in any second; `None` for no limit.
    pub messages_per_second: Option<u32>,
    /// What becomes of requests for historical data that come too soon.
    pub historical_pacing: HistoricalPacing,
    /// What becomes of a second client with an id that is in use.
    pub duplicate_client: DuplicateClient,
    /// First pause after a connect that was accepted and then failed.
    pub backoff_min: Duration,
    /// Longest such pause.
    pub backoff_max: Duration,
    /// Patience with the Gateway's handshake.
    pub handshake_time: Duration,
    /// What becomes of sizes that versions count differently.
    pub us_stock_sizes: UsStockSizes,
    /// Time for which a subscription that nobody wants any more stays; zero: it is cancelled at once.
    pub line_grace: Duration,
    /// Time for which an answer serves those whom the Gateway's pacing rules forbid to ask again; zero: it does not.
    pub repeat_time: Duration,
    /// Time after which a client that holds nothing and says nothing is closed; zero: never.
    pub idle_client_time: Duration,
    /// Clients connected at once.
    pub max_clients: usize,
    /// What clients may take up, and how long things wait.
    pub limits: Limits,
    /// Whether no new orders and no modifications leave.
    pub kill_switch: bool,
    /// What single clients may do.
    pub policies: Policies,
    /// Seed of the jitter.
    pub seed: u64,
    /// Milliseconds since the epoch at [`Time::ZERO`].
    pub epoch_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            gateway: "127.0.0.1:4002".into(),
            upstream_client_id: ClientId(0),
            max_server_version: 176,
            messages_per_second: Some(limits::MESSAGES_PER_SECOND),
            historical_pacing: HistoricalPacing::Delay,
            duplicate_client: DuplicateClient::Reject,
            backoff_min: limits::BACKOFF_MIN,
            backoff_max: limits::BACKOFF_MAX,
            handshake_time: limits::HANDSHAKE_TIME,
            us_stock_sizes: UsStockSizes::Convert,
            line_grace: Duration::ZERO,
            repeat_time: limits::REPEAT_TIME,
            idle_client_time: Duration::ZERO,
            max_clients: limits::MAX_CLIENTS,
            limits: Limits::default(),
            kill_switch: false,
            policies: Policies::default(),
            seed: 0,
            epoch_ms: 0,
        }
    }
}

/// The time of a call and where its effects go.
struct Ctx<'a> {
    now: Time,
    actions: &'a mut Actions,
}

/// The Gateway's clock as last measured.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// When the answer came.
    at: Time,
    /// What it said, milliseconds since the epoch.
    millis: i64,
}

/// See the module's words.
#[derive(Debug)]
pub struct Core {
    config: Config,
    /// The highest limits since the start, for the invariants.
    highest: Limits,
    clients: Clients,
    /// Bytes that are unsent for a client that is behind.
    most_unsent: MostUnsent,
    /// The live client of each client id (held or ready).
    by_id: indexmap::IndexMap<ClientId, ClientKey, FxBuildHasher>,
    link: Link,
    link_id: LinkId,
    /// When the last attempt or link ended.
    down_since: Time,
    /// What the Gateway said when it last was there.
    known: Known,
    /// Dead connections on the Gateway's port at the last look.
    zombies: Option<io::Zombies>,
    speeches: Speeches,
    /// Bytes of data that wait for the rest of it, over all requests.
    held_bytes: usize,
    upstream_out: Outbox,
    /// Memory for clients' outboxes.
    spare: outbox::Spare,
    /// What is being put together.
    scratch: BytesMut,
    /// Memory for those who are being told.
    telling: Vec<requests::Member>,
    /// What they are told.
    converted: tell::Converted,
    requests: Requests,
    orders: Orders,
    /// Orders of which something has left that the Gateway has not answered yet.
    in_flight: indexmap::IndexSet<UpOrderId, FxBuildHasher>,
    /// Who sent a global cancel on this link, and when it last left: the Gateway does not answer it as such.
    global_cancels: indexmap::IndexMap<ClientKey, Time, FxBuildHasher>,
    /// When a global cancel last left, whoever sent it.
    last_global_cancel: Option<Time>,
    executions: Executions,
    away: Away,
    ledger: Ledger,
    /// What is to be recorded before anything else.
    opening: Vec<Record>,
    reconcile: Reconcile,
    /// Whether the Gateway has listed its open orders on this link.
    knows_open_orders: bool,
    /// Clients that went while there was no link, and whose orders are to be cancelled for that.
    cancels_due: indexmap::IndexSet<ClientId, FxBuildHasher>,
    /// Order messages that came before the Gateway had named its accounts.
    start_push: Vec<Bytes>,
    start_push_bytes: usize,
    /// Whether these are being heard: what is no news in them is not passed on.
    hears_start_push: bool,
    lanes: Lanes,
    answers: Answers,
    /// How often something about an order has left or come.
    order_changes: u64,
    streams: Streams,
    /// Subscriptions that are asked again and have not left yet.
    replaying: indexmap::IndexSet<UpReqId, FxBuildHasher>,
    /// Clients that wait to be told that the link is back, and whether something of theirs is lost.
    restoring: indexmap::IndexMap<ClientKey, bool, FxBuildHasher>,
    /// Clients of which a subscription has ended with the link, and that were not told 1101 since.
    bereft: indexmap::IndexSet<ClientKey, FxBuildHasher>,
    /// Requests without an id that wait for a link.
    questions: VecDeque<questions::Question>,
    /// Whether one of `replaying` has left.
    news_of_replay: bool,
    /// Lines without clients, as long as they have been.
    lingering: indexmap::IndexSet<UpReqId, FxBuildHasher>,
    pacer: Pacer,
    timers: Timers,
    /// Execution queries under way, with the executions whose commission is still to come.
    queries: indexmap::IndexMap<UpReqId, indexmap::IndexSet<Bytes, FxBuildHasher>, FxBuildHasher>,
    early_commissions: Recent<Bytes, Bytes>,
    /// The last notice of each farm, as the Gateway wrote it.
    farms: indexmap::IndexMap<(u8, String), Bytes, FxBuildHasher>,
    /// Who recently sent a request that has no id, for errors that have none.
    suspects: VecDeque<(ClientKey, Time)>,
    clock: Option<Clock>,
    clock_waiters: Vec<(ClientKey, u16)>,
    probe_sent: Option<Time>,
    last_heard: Time,
    /// When the Gateway's silence was last measured.
    liveness_checked: Time,
    /// The market data type in force upstream.
    market_data_type: i32,
    /// Unsubscriptions of account data of ours whose 2100 is still to come.
    own_unsubscribes: u32,
    /// What a person has asked for.
    operated: operate::Operated,
    stopping: bool,
    finished: bool,
    jitter: u64,
    /// What happened lately, for people.
    events: events::Events,
    /// Counters for metrics.
    pub stats: Stats,
}

impl Core {
    /// A core without clients that begins with an empty journal; the first dial is due at once.
    pub fn new(config: Config) -> Self {
        Core::recovered(config, &State::default())
    }

    /// A core without clients that goes on from what the journal says.
    ///
    /// # Panics
    /// When the journal is that of another upstream client id; the shell refuses such a one.
    pub fn recovered(config: Config, journal: &State) -> Self {
        let mut orders = Orders::recovered(config.upstream_client_id, journal);
        let mut ledger = Ledger::new(journal, config.upstream_client_id);
        let opening = orders.facts();
        ledger.opens_with(opening.len() as u64);
        let mut timers = Timers::default();
        timers.arm(Timer::Redial, Time::ZERO);
        Core {
            clients: Clients::default(),
            most_unsent: MostUnsent {
                fresh: config.limits.conflate_above(),
                left: config.limits.conflate_above(),
            },
            by_id: Default::default(),
            link: Link::Down,
            link_id: LinkId(0),
            down_since: Time::ZERO,
            known: Known::default(),
            zombies: None,
            speeches: Speeches::new(config.max_server_version),
            held_bytes: 0,
            upstream_out: Outbox::default(),
            spare: Default::default(),
            scratch: BytesMut::new(),
            telling: Vec::new(),
            converted: tell::Converted::default(),
            requests: Requests::new(1),
            orders,
            in_flight: Default::default(),
            global_cancels: Default::default(),
            last_global_cancel: None,
            executions: Executions::recovered(journal),
            away: Away::recovered(journal),
            ledger,
            opening,
            reconcile: Reconcile::default(),
            knows_open_orders: false,
            cancels_due: Default::default(),
            start_push: Vec::new(),
            start_push_bytes: 0,
            hears_start_push: false,
            lanes: Lanes::default(),
            answers: Answers::default(),
            order_changes: 0,
            streams: Streams::default(),
            replaying: Default::default(),
            restoring: Default::default(),
            bereft: Default::default(),
            questions: Default::default(),
            news_of_replay: false,
            lingering: Default::default(),
            pacer: Pacer::new(
                config.messages_per_second,
                config.historical_pacing == HistoricalPacing::Delay,
            ),
            timers,
            queries: Default::default(),
            early_commissions: Recent::new(limits::MAX_EARLY_COMMISSIONS),
            farms: Default::default(),
            suspects: VecDeque::new(),
            clock: None,
            clock_waiters: Vec::new(),
            probe_sent: None,
            last_heard: Time::ZERO,
            liveness_checked: Time::ZERO,
            market_data_type: 1,
            own_unsubscribes: 0,
            operated: Default::default(),
            stopping: false,
            finished: false,
            jitter: config.seed,
            events: Default::default(),
            stats: Stats::default(),
            highest: config.limits,
            config,
        }
    }

    /// Takes in something that happened at `now`; what is to be done about it is added to `actions`.
    #[inline]
    pub fn handle(&mut self, now: Time, input: Input<'_>, actions: &mut Actions) {
        // Frames are nearly all that ever happens: whoever calls with one gets the way of a frame alone.
        match input {
            Input::ClientFrame { client, payload } => {
                self.turn(now, actions, |core, ctx| core.client_frame(ctx, client, payload));
            }
            Input::UpstreamFrame { link, payload } => {
                self.turn(now, actions, |core, ctx| core.upstream_frame(ctx, link, payload));
            }
            input => self.handle_rare(now, input, actions),
        }
    }

    #[cold]
    fn handle_rare(&mut self, now: Time, input: Input<'_>, actions: &mut Actions) {
        self.turn(now, actions, |core, ctx| core.take_in(ctx, input));
    }

    /// What belongs to every turn, around what it is about.
    #[inline]
    fn turn<T>(
        &mut self,
        now: Time,
        actions: &mut Actions,
        about: impl FnOnce(&mut Core, &mut Ctx<'_>) -> T,
    ) -> T {
        let ctx = &mut Ctx { now, actions };
        if !self.opening.is_empty() {
            self.open(ctx);
        }
        let done = about(self, ctx);
        self.end_turn(ctx);
        done
    }

    /// What is to be recorded before anything else.
    #[cold]
    fn open(&mut self, ctx: &mut Ctx<'_>) {
        for fact in std::mem::take(&mut self.opening) {
            self.record(ctx, fact);
        }
    }

    fn end_turn(&mut self, ctx: &mut Ctx<'_>) {
        while let Some(timer) = self.timers.pop(ctx.now) {
            self.timeout(ctx, timer);
        }
        self.pump(ctx);
        if self.news_of_replay {
            self.welcome_back(ctx);
        }
        self.commit(ctx);
    }

    fn take_in(&mut self, ctx: &mut Ctx<'_>, input: Input<'_>) {
        match input {
            Input::ClientConnected { client, peer, certificate } => {
                self.client_connected(ctx, client, peer, certificate);
            }
            Input::ClientHello { client, hello } => self.client_hello(ctx, client, hello),
            Input::ClientBroken { client, fault } => self.client_broken(ctx, client, &fault),
            Input::ClientGone { client, reason } => self.client_gone(ctx, client, reason),
            Input::UpstreamConnected { link } => self.upstream_connected(ctx, link),
            Input::UpstreamRefused { link, error } => {
                self.not_connected(ctx, link, Case::NotListening, error);
            }
            Input::UpstreamUnreachable { link, error } => {
                self.not_connected(ctx, link, Case::Unreachable, error);
            }
            Input::UpstreamHello { link, hello } => self.upstream_hello(ctx, link, hello),
            Input::UpstreamBroken { link, fault } => self.upstream_broken(ctx, link, &fault),
            Input::UpstreamGone { link, error } => self.upstream_gone(ctx, link, error),
            Input::Looked { link, zombies } => self.looked(ctx, link, zombies),
            Input::Examined { link, zombies, end } => self.examined(ctx, link, zombies, end),
            Input::Journaled { upto, sync_us } => {
                self.stats.synced(Duration::from_micros(sync_us));
                self.ledger.reached(upto);
                self.maybe_open(ctx);
            }
            Input::JournalFailed { upto, words } => self.journal_failed(ctx, upto, words),
            Input::JournalHealed { upto } => {
                self.ledger.heal(upto);
                self.maybe_open(ctx);
                self.note(
                    ctx,
                    Level::Warn,
                    "the order journal can be written again: new orders are taken".into(),
                );
            }
            Input::Reconfigure { config } => self.reconfigure(ctx, config),
            Input::Tick => {}
            Input::ClientFrame { .. } | Input::UpstreamFrame { .. } => {
                unreachable!("frames have their own way")
            }
            Input::Stop => self.stop(ctx),
        }
    }

    /// When [`Input::Tick`] is due, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The unsent bytes for a client.
    pub fn output(&self, client: ClientKey) -> &[u8] {
        self.clients.get(client).map_or(&[], |c| c.outbox.bytes())
    }

    /// The client's socket took `n` bytes; what waited for that is in [`Core::output`] now. The shell reports everything it
    /// took before the next `handle`.
    pub fn consume_output(&mut self, now: Time, client: ClientKey, n: usize, actions: &mut Actions) {
        let Some(c) = self.clients.get_mut(client) else { return };
        c.outbox.consume_into(&mut self.spare, n, now);
        self.stats.bytes_down += n as u64;
        if c.backlog.is_empty() {
            c.outbox.dirty = false;
            return;
        }
        c.outbox.dirty = true; // whoever reports writes the rest
        self.refill(&mut Ctx { now, actions }, client);
        if let Some(c) = self.clients.get_mut(client) {
            c.outbox.dirty = false;
        }
    }

    /// Largest frame that a client may send now, bytes of payload.
    pub fn frame_limit(&self, client: ClientKey) -> usize {
        match self.clients.get(client).map(|c| c.phase) {
            Some(Phase::Held | Phase::Ready) => limits::MAX_CLIENT_FRAME,
            _ => limits::MAX_GREETING,
        }
    }

    /// Whether clients can work.
    pub fn ready(&self) -> bool {
        self.is_ready()
    }

    /// Whether a client is closing and everything for it is sent.
    pub fn may_close(&self, client: ClientKey) -> bool {
        self.clients.get(client).is_none_or(|c| c.phase == Phase::Closing && c.outbox.is_empty())
    }

    /// The unsent bytes for the Gateway.
    pub fn upstream_output(&self) -> &[u8] {
        self.upstream_out.bytes()
    }

    /// The upstream socket took `n` bytes.
    pub fn consume_upstream_output(&mut self, now: Time, n: usize, actions: &mut Actions) {
        self.upstream_out.dirty = false;
        self.upstream_out.consume(n, now);
        self.stats.bytes_up += n as u64;
        if n > 0 {
            let ctx = &mut Ctx { now, actions };
            self.pump(ctx);
            if self.news_of_replay {
                self.welcome_back(ctx);
            }
        }
    }

    // ---- helpers that every part uses ----

    fn wall_ms(&self, now: Time) -> u64 {
        self.config.epoch_ms + now.0 / 1000
    }

    /// A number for jitter: splitmix64 of the seed.
    fn random(&mut self) -> u64 {
        self.jitter = self.jitter.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.jitter;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    #[cold]
    fn note(&self, ctx: &mut Ctx<'_>, level: Level, text: String) {
        ctx.actions.push(Action::Note(Note { level, client: None, text }));
    }

    #[cold]
    fn note_client(&self, ctx: &mut Ctx<'_>, key: ClientKey, level: Level, text: String) {
        if let Some(c) = self.clients.get(key) {
            ctx.actions.push(Action::Note(c.note(level, text)));
        }
    }

    /// Hands what is new in the tables to the journal. Returns the number of the last fact.
    fn commit(&mut self, ctx: &mut Ctx<'_>) -> u64 {
        if self.orders.has_facts() {
            for fact in self.orders.facts() {
                self.record(ctx, fact);
            }
        }
        self.ledger.last()
    }

    /// Hands a fact to the journal.
    fn record(&mut self, ctx: &mut Ctx<'_>, record: Record) {
        // A disk that hangs must not fill the memory with what can be done without.
        if matches!(record, Record::Kept { .. }) && self.ledger.is_behind() {
            return;
        }
        let sync = matches!(record, Record::Order { .. } | Record::Identity { .. } | Record::Running(_));
        ctx.actions.push(Action::Journal { seq: self.ledger.number(), record, sync });
    }

    /// The disk refuses: what waits for it is refused, and new orders until it works again (I5).
    fn journal_failed(&mut self, ctx: &mut Ctx<'_>, upto: u64, words: String) {
        let text = format!("{words}: new orders are refused until it works again, cancels pass");
        self.note(ctx, Level::Error, text);
        self.stats.journal_failures += 1;
        self.ledger.fail(words);
        self.maybe_open(ctx);
        let why = self.ledger.refusal().unwrap_or_default();
        let durable = self.ledger.durable();
        self.refuse_waiting(ctx, |q| q.post.after > durable && q.post.after <= upto, &why);
    }

    /// Ends a request on all sides.
    fn end_request(&mut self, up: UpReqId) {
        self.drop_held(up);
        if let Some(entry) = self.requests.end(up) {
            self.forget_request(up, entry);
        }
    }

    /// Ends a request whose late frames are to be expected.
    fn retire_request(&mut self, up: UpReqId, tell: bool) {
        self.drop_held(up);
        if let Some(entry) = self.requests.retire(up, tell) {
            self.forget_request(up, entry);
        }
    }

    fn forget_request(&mut self, up: UpReqId, entry: Box<Entry>) {
        self.queries.shift_remove(&up);
        self.answers.give_up(Source::Request(up));
        self.pacer.ended(up);
        self.wanted_again(up);
        self.replayed(up);
        for member in entry.members {
            self.forget_member(up, entry.message, member);
        }
    }

    #[cold]
    fn timeout(&mut self, ctx: &mut Ctx<'_>, timer: Timer) {
        match timer {
            Timer::Redial => self.look(ctx),
            Timer::Handshake => self.handshake_timeout(ctx),
            Timer::Examine => self.examine(ctx),
            Timer::Pacer | Timer::Held => {} // handle() pumps
            Timer::Liveness => self.liveness(ctx),
            Timer::Stable => self.known.failures = 0,
            Timer::Drain => self.end_is_due(ctx),
            Timer::OrderWait => self.refuse_late_orders(ctx),
            Timer::RequestWait => self.refuse_late_requests(ctx),
            Timer::Reconcile => {
                let words = format!("no end within {} s", limits::RECONCILE_TIME.as_secs());
                self.reconcile_failed(ctx, &words);
            }
            Timer::Lane(lane, key) => self.lane_timeout(ctx, lane, key),
            Timer::Outage => self.outage_lasts(ctx),
            Timer::Line(up) => self.end_lingering(ctx, None, up),
            Timer::Stream(stream) => self.end_stream(ctx, stream),
            Timer::Client(key) => self.client_timeout(ctx, key),
            Timer::Idle(key) => self.look_at_idle_client(ctx, key),
        }
    }

    /// Begins the end: nothing new is taken in, what is queued is sent.
    fn stop(&mut self, ctx: &mut Ctx<'_>) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.timers.disarm(Timer::Redial);
        self.note(
            ctx,
            Level::Info,
            format!("stopping: {} messages still go to the Gateway", self.pacer.len()),
        );
        match self.link {
            Link::Ready { .. } => self.begin_end(ctx),
            _ => self.finish(ctx),
        }
    }

    /// The end: the clients are closed, the shell closes the upstream.
    fn finish(&mut self, ctx: &mut Ctx<'_>) {
        if self.finished {
            return;
        }
        self.finished = true;
        self.timers.disarm(Timer::Drain);
        if !self.pacer.is_empty() {
            self.note(ctx, Level::Warn, format!("{} messages were not sent in time", self.pacer.len()));
        }
        self.refuse_queued(ctx, "twsmux stops");
        if let Link::Dialing { .. } = self.link {
            // Nobody would finish the handshake that an accepted connect begins.
            self.link = Link::Down;
            self.timers.disarm(Timer::Examine);
            ctx.actions.push(Action::Abort { link: self.link_id });
        }
        for key in self.clients.iter().map(|c| c.key).collect::<Vec<_>>() {
            self.close_client(ctx, key, Gone::Stopping, None);
        }
        self.commit(ctx);
        self.record(ctx, Record::Running(false));
        ctx.actions.push(Action::Finish);
    }

    #[cold]
    fn dropped(&mut self, why: Drop) {
        self.stats.dropped[why as usize] += 1;
    }
}
