//! What the outside may see of the core: an immutable picture, made at most once a second.

use super::client::Phase;
use super::events::{FaultView, TurnView};
use super::holdings::{self, Holding, OwnerView};
use super::link::Link;
use super::requests::Entry;
use super::shared;
use super::trouble::TroubleView;
use super::{Core, stats::Stats};
use crate::ids::{ClientKey, UpReqId};
use crate::protocol::model::{Class, Kind, Request, Shared, Which};
use crate::time::Time;

/// One client in a [`View`].
#[derive(Clone, Debug, serde::Serialize)]
pub struct ClientView {
    /// Key, as in the logs.
    pub key: String,
    /// Its client id; absent before startApi.
    pub client_id: Option<i32>,
    /// The name in its certificate, if it showed one.
    pub certificate: Option<String>,
    /// Its address.
    pub peer: String,
    /// How far it has come.
    pub phase: Phase,
    /// Its server version; 0 before the greeting.
    pub server_version: u16,
    /// Seconds since it connected.
    pub connected_seconds: f64,
    /// Active requests.
    pub requests: usize,
    /// The same by kind, most first.
    pub holds: Vec<Holding>,
    /// Messages that wait for the pacer.
    pub queued: usize,
    /// Whether it asks to be paced instead of refused (`+PACEAPI`).
    pub wants_pacing: bool,
    /// Bytes that it has not taken yet, those that wait to be conflated included.
    pub outbox_bytes: usize,
    /// Messages among them that wait for room, the latest of each row.
    pub waiting: usize,
    /// Values that it was not told because newer ones came before it read.
    pub conflated: u64,
    /// Frames received from it.
    pub frames_received: u64,
    /// Frames sent to it.
    pub frames_sent: u64,
}

/// One shared stream in a [`View`].
#[derive(Clone, Debug, serde::Serialize)]
pub struct StreamView {
    /// Which.
    pub stream: Shared,
    /// The account that it is about; absent for those that have none.
    pub account: Option<String>,
    /// Clients that subscribed.
    pub subscribers: usize,
    /// Their client ids, in the order of joining. Nobody: the subscription stays for a while after its last client left.
    pub sharers: Vec<i32>,
    /// Rows in its image.
    pub rows: usize,
    /// Rows of before an outage that are remembered.
    pub remembered: usize,
}

/// A subscription that clients share, or could share, in a [`View`].
#[derive(Clone, Debug, serde::Serialize)]
pub struct LineView {
    /// Its request.
    pub message: &'static str,
    /// The instrument that it is about; empty where it is about none.
    pub about: String,
    /// Its request id at the Gateway.
    pub upstream_id: i32,
    /// The client ids of those who share it, in the order of joining; once for each of their request ids. Nobody:
    /// the line stays for a while after its last client left.
    pub sharers: Vec<i32>,
    /// Rows in its image.
    pub rows: usize,
}

/// How many lines there are of one request, in a [`View`].
#[derive(Clone, Debug, serde::Serialize)]
pub struct LineCount {
    /// The request.
    pub message: &'static str,
    /// Lines.
    pub lines: usize,
    /// Clients' requests that are served by them.
    pub sharers: usize,
}

/// What waits of one class for the Gateway, in a [`View`].
#[derive(Clone, Debug, serde::Serialize)]
pub struct QueueView {
    /// The class, as in the metrics.
    pub class: &'static str,
    /// Messages that wait.
    pub waiting: usize,
    /// For how long the first of them has waited; 0 when nothing waits.
    pub oldest_seconds: f64,
}

/// The upstream in a [`View`].
#[derive(Clone, Debug, serde::Serialize)]
pub struct UpstreamView {
    /// Address of the Gateway.
    pub gateway: String,
    /// Whether clients can work.
    pub ready: bool,
    /// `down`, `looking`, `dialing`, `greeting`, `starting`, `learning` or `ready`.
    pub state: &'static str,
    /// How it stands, in words, and what to do.
    pub diagnosis: String,
    /// What is the matter with it; null while it is ready, and before anything was tried.
    pub trouble: Option<TroubleView>,
    /// Negotiated server version, the last known one while it is away.
    pub server_version: Option<u16>,
    /// Managed accounts, likewise.
    pub accounts: Option<String>,
    /// twsmux's client id there.
    pub client_id: i32,
    /// Sockets in CLOSE_WAIT on its port at the last look; absent when the kernel's table does not tell.
    pub close_wait: Option<usize>,
    /// Last measured round trip, seconds.
    pub round_trip_seconds: Option<f64>,
    /// How often it became ready.
    pub times_ready: u64,
    /// How it went lately, the latest first.
    pub history: Vec<TurnView>,
}

/// The picture.
#[derive(Clone, Debug, serde::Serialize)]
pub struct View {
    /// Seconds since the start, to the picture.
    pub uptime_seconds: f64,
    /// The upstream.
    pub upstream: UpstreamView,
    /// Clients, by slot.
    pub clients: Vec<ClientView>,
    /// Shared streams.
    pub streams: Vec<StreamView>,
    /// Lines, by upstream request id, at most [`limits::MAX_SHOWN_LINES`](crate::limits::MAX_SHOWN_LINES).
    pub lines: Vec<LineView>,
    /// How many there are of each request that can be shared.
    pub lines_by_message: Vec<LineCount>,
    /// How many lines there are.
    pub lines_total: usize,
    /// Clients' requests that are served by them.
    pub line_sharers: usize,
    /// Answers that are kept for those who ask the same.
    pub kept_answers: usize,
    /// Their bytes.
    pub kept_answer_bytes: usize,
    /// Requests under an upstream request id.
    pub requests: usize,
    /// Orders remembered.
    pub orders: usize,
    /// Of these, those that are not over; absent when there are too many to count.
    pub live_orders: Option<usize>,
    /// The same by whose they are, at most [`limits::MAX_SHOWN_OWNERS`](crate::limits::MAX_SHOWN_OWNERS).
    pub owners: Vec<OwnerView>,
    /// How many client ids have orders or kept messages.
    pub owners_total: usize,
    /// Messages kept for owners that are away.
    pub kept: usize,
    /// Whether the order journal can be written.
    pub journal_ok: bool,
    /// Facts that wait for the journal's disk.
    pub journal_backlog: u64,
    /// Messages that wait for the pacer.
    pub queued: usize,
    /// The same by class.
    pub queues: Vec<QueueView>,
    /// Whether no new orders and no modifications leave.
    pub kill_switch: bool,
    /// Whether a person has paused the connection to the Gateway.
    pub paused: bool,
    /// Whether no new clients are taken in.
    pub draining: bool,
    /// Of these, requests that wait because of the Gateway's rules on historical data.
    pub held: usize,
    /// Messages that may leave in a second now; less than the setting after the Gateway has complained. `None`: any number.
    pub messages_per_second: Option<u32>,
    /// Messages that left for the Gateway within the last second.
    pub sent_last_second: usize,
    /// Requests that wait in lanes.
    pub lane_waiters: usize,
    /// Recent errors, the latest first.
    pub errors: Vec<FaultView>,
    /// The counters; for metrics.
    #[serde(skip)]
    pub stats: Stats,
}

impl Core {
    /// The client id of a client, for people.
    fn shown_id(&self, key: ClientKey) -> i32 {
        self.clients.get(key).and_then(|c| c.id).map_or(-1, |id| id.0)
    }

    /// The subscriptions that clients share, or could share.
    fn shared_lines(&self) -> impl Iterator<Item = (UpReqId, &Entry)> {
        self.requests.iter().filter(|(_, entry)| entry.line.is_some() && !entry.one_shot)
    }

    fn line_view(&self, up: UpReqId, entry: &Entry) -> Option<LineView> {
        let line = entry.line.as_ref()?;
        Some(LineView {
            message: crate::protocol::request(entry.message.into())?.message.name,
            about: holdings::instrument(&line.subject),
            upstream_id: up.0,
            sharers: entry.members.iter().map(|(key, _)| self.shown_id(*key)).collect(),
            rows: line.rows(),
        })
    }

    fn lines_by_message(&self) -> Vec<LineCount> {
        let shared = crate::protocol::requests().iter().filter(|r| {
            r.kind != Kind::OneShot && r.sharing.is_some_and(|sharing| sharing.which == Which::Streams)
        });
        let count = |r: &Request| {
            let of = self.shared_lines().filter(|(_, e)| e.message == r.message.id);
            let (lines, sharers) = of.fold((0, 0), |(n, sharers), (_, e)| (n + 1, sharers + e.members.len()));
            LineCount { message: r.message.name, lines, sharers }
        };
        shared.map(count).collect()
    }

    fn stream_view(&self, stream: Shared) -> StreamView {
        let state = self.streams.get(stream);
        let sharers: Vec<i32> = state.subscribers().into_iter().map(|key| self.shown_id(key)).collect();
        StreamView {
            stream,
            account: Some(state.account.clone()).filter(|account| !account.is_empty()),
            subscribers: sharers.len(),
            sharers,
            rows: state.rows(),
            remembered: state.remembered(),
        }
    }

    /// A picture of how things stand.
    pub fn view(&self, now: Time) -> View {
        let hello = self.known.hello.as_ref();
        let owners = holdings::of_owners(&self.orders, self.away.by_owner());
        View {
            uptime_seconds: now.0 as f64 / 1e6,
            upstream: UpstreamView {
                gateway: self.config.gateway.clone(),
                ready: self.is_ready(),
                state: match self.link {
                    Link::Down => "down",
                    Link::Looking => "looking",
                    Link::Dialing { .. } => "dialing",
                    Link::Greeting { .. } => "greeting",
                    Link::Starting { .. } => "starting",
                    Link::Learning { .. } => "learning",
                    Link::Ready { .. } => "ready",
                },
                diagnosis: self.diagnosis(),
                trouble: self.trouble_view(now),
                server_version: hello.map(|h| h.version),
                accounts: self.known.accounts.clone(),
                client_id: self.config.upstream_client_id.0,
                close_wait: self.stats.zombies,
                round_trip_seconds: self.stats.round_trip_us.map(|us| us as f64 / 1e6),
                times_ready: self.known.readies,
                history: self.events.turns(self.config.epoch_ms),
            },
            clients: self
                .clients
                .iter()
                .map(|c| ClientView {
                    key: c.key.to_string(),
                    client_id: c.id.map(|id| id.0),
                    certificate: c.certificate.clone(),
                    peer: c.peer.clone(),
                    phase: c.phase,
                    server_version: c.version,
                    connected_seconds: now.since(c.since).as_secs_f64(),
                    requests: c.active.len(),
                    holds: holdings::of_client(c),
                    queued: c.queued.0,
                    wants_pacing: c.wants_pacing(),
                    outbox_bytes: c.unread(),
                    waiting: c.backlog.len(),
                    conflated: c.conflated,
                    frames_received: c.frames.0,
                    frames_sent: c.frames.1,
                })
                .collect(),
            streams: shared::ALL.iter().map(|stream| self.stream_view(*stream)).collect(),
            lines: self
                .shared_lines()
                .filter_map(|(up, entry)| self.line_view(up, entry))
                .take(crate::limits::MAX_SHOWN_LINES)
                .collect(),
            lines_by_message: self.lines_by_message(),
            lines_total: self.shared_lines().count(),
            line_sharers: self.shared_lines().map(|(_, e)| e.members.len()).sum(),
            kept_answers: self.answers.len(),
            kept_answer_bytes: self.answers.size(),
            requests: self.requests.len(),
            orders: self.orders.len(),
            live_orders: owners.live,
            owners: owners.views,
            owners_total: owners.total,
            kept: self.away.len(),
            journal_ok: !self.ledger.is_broken(),
            journal_backlog: self.ledger.last() - self.ledger.durable(),
            queued: self.pacer.len(),
            queues: Class::ALL
                .iter()
                .zip(self.pacer.by_class())
                .map(|((_, class), (waiting, oldest))| QueueView {
                    class,
                    waiting,
                    oldest_seconds: oldest.map_or(0.0, |since| now.since(since).as_secs_f64()),
                })
                .collect(),
            kill_switch: self.config.kill_switch,
            paused: self.is_paused(),
            draining: self.is_draining(),
            held: self.pacer.held(),
            messages_per_second: self.pacer.limit(now),
            sent_last_second: self.pacer.in_window(now),
            lane_waiters: self.lanes.waiting(),
            errors: self.events.faults(self.config.epoch_ms),
            stats: self.stats.clone(),
        }
    }
}
