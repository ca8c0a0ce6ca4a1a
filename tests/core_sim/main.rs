//! Seeded simulation of the core: random clients, a random Gateway, lost links and passing time, compared after
//! every step with a shadow model (`support/core/shadow`).
//!
//! `SIM_SEEDS` and `SIM_STEPS` widen the run, `SIM_SEED` runs one seed alone:
//! `SIM_SEED=17 cargo test --test core_sim`.

#[path = "../support/core/mod.rs"]
mod support;

#[path = "../support/seeds.rs"]
mod seeds;

mod answers;
mod clients;
mod disk;
mod gateway;
mod operate;
mod reconfigure;
mod slow;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use support::kinds::{self, KINDS};
use support::shadow::lists::perm;
use support::shadow::slow::is_large;
use support::shadow::{
    ACCOUNTS, Asker, BULLETINS, Exec, Expect, HeldBack, LaneKey, POSITIONS, QUERY, SECOND, Shadow, Stage,
    State, UP_CLIENT, What,
};
use support::speech;
use support::{Frame, Outcome, Rng, Who, World, record, request_payload, response_payload};
use twsmux::core::io::{Action, Gone, Input};
use twsmux::core::stats::Drop;
use twsmux::core::{Config, Limits};
use twsmux::ids::ClientId;
use twsmux::journal::Record as Fact;
use twsmux::protocol::layout::Record;
use twsmux::protocol::{request, response};
use twsmux::time::Time;
use twsmux::wire::WireError;
use twsmux::wire::text::{self, Form};

/// Work that the Gateway has taken on.
enum Job {
    /// An answer to a request by id.
    Answer { at: usize, up: i32, rows: usize, cancelled: bool },
    /// An answer to an execution query: what is still to be sent.
    Query { asker: Asker, up: i32, stages: VecDeque<QueryStage> },
    /// An answer in a lane.
    Lane { lane: LaneKey, stages: VecDeque<LaneStage> },
    /// A shared stream.
    Shared { stream: usize, account: String, rows: usize, ended: bool },
    /// The notice after an unsubscription of account data.
    Unsubscribed,
    /// A commission report of a live fill.
    Commission(usize),
    /// The whole life of an order.
    Order { at: usize, events: usize },
    /// The clock.
    Clock,
    /// Its next order id.
    NextId,
}

enum QueryStage {
    Exec(usize),
    Commission(usize),
}

enum LaneStage {
    /// openOrder or orderStatus of an order, as it last was.
    Repeat(usize, u16),
    /// An order of another program.
    Foreign(i32, i32),
    /// A message of the answer itself.
    Row(u16),
    End(u16),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Up {
    None,
    Greeting,
    Started,
    Starting { accounts: bool, next: Option<i32> },
    Ready,
}

struct Sim {
    w: World,
    m: Shadow,
    rng: Rng,
    up: Up,
    jobs: Vec<Job>,
    /// The version that the Gateway speaks, or will speak when it comes back.
    version: u16,
    /// The rarity of trouble.
    calm: usize,
    /// Whether the disk takes its time once the first link is ready.
    slow_disk: bool,
    reading: Vec<bool>,
    /// Clock of the Gateway, seconds since the epoch at time 0.
    epoch: i64,
}

/// The Gateway's versions: before and after what changes most.
const VERSIONS: [u16; 11] = [101, 130, 157, 165, 176, 193, 200, 203, 208, 213, 226];

const FOREIGN: [i32; 2] = [3, 7777];

impl Sim {
    fn new(seed: u64) -> Sim {
        let mut rng = Rng(seed ^ 0x5EED);
        let version = *rng.pick(&VERSIONS);
        let calm = *rng.pick(&[2, 5, 20, 100]);
        let slow_disk = rng.one_in(3);
        // Short ones, so that some wait too long.
        let request_wait = *rng.pick(&[300, 20, 4]);
        let limits = Limits {
            request_wait: Duration::from_secs(request_wait),
            outbox: *rng.pick(&[40 << 20, 40 << 20, 40 << 20, 24 << 10, 64 << 10]),
            conflate_above: *rng.pick(&[1 << 20, 1 << 20, 300, 2000]),
            ..Limits::default()
        };
        let config = Config {
            upstream_client_id: ClientId(UP_CLIENT),
            max_server_version: version,
            // Slow ones, so that much waits and is caught waiting.
            messages_per_second: *rng.pick(&[Some(45), Some(20), Some(5), Some(2), Some(1), None]),
            seed,
            limits,
            ..Config::default()
        };
        let mut m = Shadow::new(version);
        m.changes(|settings| settings.request_wait = request_wait * SECOND);
        let mut w = World::new(config);
        w.short_way = !seed.is_multiple_of(4);
        Sim {
            w,
            m,
            rng,
            up: Up::None,
            jobs: Vec::new(),
            version,
            calm,
            slow_disk,
            reading: Vec::new(),
            epoch: 1_700_000_000,
        }
    }

    fn now(&self) -> u64 {
        self.w.now.0
    }

    // ---- comparing ----

    /// Holds what the core did against what the shadow expects.
    fn feed(&mut self, outcome: Outcome, ordered: bool) {
        let now = self.now();
        for action in &outcome.actions {
            if let Action::Journal { seq, record: Fact::Order { owner, down, .. }, .. } = action {
                self.m.recorded(owner.0, down.0, *seq);
            }
        }
        self.large_answers_end(&outcome);
        self.slow_ones_end(&outcome);
        for (f, durable) in outcome.up.iter().zip(&outcome.durable) {
            self.m.left(f, now, *durable);
        }
        self.m.mark_books();
        let mut expected: Vec<Option<Expect>> = self.m.out.drain(..).map(Some).collect();
        for (n, (who, f)) in outcome.to.iter().enumerate() {
            if n < outcome.waited && self.m.was_owed(*who, f, matches) {
                continue;
            }
            if f.id == 9 {
                self.m.check_next(*who, f);
            }
            let at = expected
                .iter()
                .position(|e| e.as_ref().is_some_and(|e| e.who == *who && matches(&e.what, f)));
            let Some(at) = at else {
                if self.m.was_owed(*who, f, matches) {
                    continue;
                }
                panic!(
                    "client {who} (id {}) got a frame it is not entitled to: {:?}\nexpected: {:?}",
                    self.m.clients[*who].id,
                    f,
                    expected.iter().flatten().collect::<Vec<_>>()
                );
            };
            // What ends or begins anew with a link does so in the order of the requests at the Gateway.
            let any_order = f.error().is_some_and(|e| matches!(e.1, 317 | 504));
            if ordered && !any_order || f.error().is_some_and(|e| e.1 == 1100) {
                let mut before = expected[..at].iter().flatten();
                let before = before.find(|e| e.who == *who && e.must && !self.may_wait(e));
                assert!(before.is_none(), "{f:?} came before {before:?}");
            }
            expected[at] = None;
            self.m.came(*who, f);
        }
        let (late, missing): (Vec<_>, Vec<_>) =
            expected.into_iter().flatten().filter(|e| e.must).partition(|e| self.may_wait(e));
        late.into_iter().for_each(|e| self.m.owe(e));
        assert!(missing.is_empty(), "not delivered: {missing:?}");
        self.m.tidy_owed();
        self.check_slow_ones();
        assert!(self.m.all_recorded(), "I5: an order waits that is not recorded");
        for action in &outcome.actions {
            if let Action::CloseClient { client, .. } = action {
                let who = self.w.peers.iter().rposition(|p| p.key == *client).expect("known");
                assert_eq!(self.m.clients[who].stage, Stage::Over, "client {who} is closed without a reason");
            }
        }
        let unseen = self.w.core.stats.dropped[Drop::NotAtVersion as usize];
        assert_eq!(unseen, self.m.unseen, "what a client's version does not have is counted");
        for (who, peer) in self.w.peers.iter().enumerate() {
            let over = self.m.clients[who].stage == Stage::Over;
            assert_eq!(over && peer.open, peer.open && peer.closing.is_some(), "client {who} closes");
        }
        self.w.check();
    }

    // ---- time ----

    fn advance(&mut self, micros: u64) {
        let target = Time(self.now() + micros);
        while let Some(due) = self.w.core.next_deadline().filter(|d| *d <= target) {
            self.pass(self.w.now.max(due));
            let outcome = self.w.handle(Input::Tick);
            let now = self.now();
            self.m.tick(now);
            if outcome.actions.iter().any(|a| matches!(a, Action::Abort { .. })) {
                assert!(self.m.link_expired(now), "the link is given up too early");
                self.link_is_gone();
            }
            if outcome.actions.contains(&Action::Finish) {
                self.finished();
            }
            self.feed(outcome, false);
        }
        assert!(
            self.up == Up::None || !self.m.link_expired(self.now()) || self.now() > target.0,
            "a dead link is kept"
        );
        self.pass(target);
    }

    /// It is later now.
    fn pass(&mut self, now: Time) {
        self.w.now = now;
        self.m.now = now.0;
    }

    fn finished(&mut self) {
        self.m.refuse_queued();
        for c in &mut self.m.clients {
            c.stage = Stage::Over;
        }
    }

    fn link_is_gone(&mut self) {
        self.up = Up::None;
        self.jobs.clear();
        self.m.link_lost();
    }

    // ---- one step, one run ----

    fn step(&mut self) {
        if self.slow_disk && self.m.ready {
            self.w.fast_disk = false;
        }
        let later = self.now() + 1 + self.rng.below(400) as u64;
        self.pass(Time(later));
        self.advance(0);
        if self.rng.one_in(150) {
            self.reconfigure();
        }
        if self.rng.one_in(500) {
            self.operate();
        }
        self.full_ones_read();
        match self.rng.below(20) {
            0..4 if self.up != Up::Ready => self.client_step(),
            // Not much happens without a link: most of its absence is skipped.
            4..12 if self.up != Up::Ready => {
                if self.up == Up::None && self.w.looking.is_none() && self.w.dialing.is_none() {
                    let due = self.w.core.next_deadline().map_or(0, |d| d.0);
                    self.advance(due.saturating_sub(self.now()) + 1);
                }
                self.gateway_step();
            }
            0..8 => self.client_step(),
            8..15 => self.gateway_step(),
            15..17 if self.up == Up::Ready => {
                let most = if self.rng.one_in(3) { 4000 } else { 60 };
                let n = 1 + self.rng.below(most);
                self.gateway_reads(n);
            }
            18 if self.w.facts.1 < self.w.facts.0 || self.m.disk_broken => self.disk_step(),
            15..18 => {
                let open = self.open_clients();
                for who in open {
                    if self.reading[who] && self.rng.one_in(2) {
                        let n = 1 + self.rng.below(600);
                        self.w.read(who, n);
                    }
                }
            }
            _ => {
                let micros = match self.rng.below(120) {
                    0 => 6 * SECOND,
                    1 if self.storm() => 80 * SECOND,
                    2..10 => SECOND,
                    _ => 10_000,
                };
                let more = self.rng.below(1000) as u64;
                self.advance(micros + more);
            }
        }
    }

    /// Everything comes to rest: what is still owed is paid, then nothing may be left over.
    fn come_to_rest(&mut self) {
        for who in 0..self.reading.len() {
            self.reading[who] = true;
        }
        self.w.fast_disk = true;
        self.disk_does_all();
        for _ in 0..4000 {
            match self.up {
                Up::None => {
                    let due = self.w.core.next_deadline().map_or(0, |d| d.0);
                    self.advance(due.saturating_sub(self.now()) + 1);
                }
                _ => self.advance(400_000),
            }
            if self.up == Up::Ready {
                self.gateway_reads(usize::MAX);
            }
            for who in self.open_clients() {
                self.w.read(who, usize::MAX);
                if self.w.peers[who].closing.is_some() {
                    let outcome = self.w.gone(who, Gone::Eof);
                    self.feed(outcome, true);
                }
            }
            match self.up {
                Up::Ready => match self.jobs.iter().position(|j| self.owed(j)) {
                    Some(job) => self.work(job),
                    None if self.w.core.upstream_output().is_empty()
                        && self.w.core.view(self.w.now).queued == 0 =>
                    {
                        break;
                    }
                    None => {}
                },
                _ => self.gateway_step(),
            }
        }
        assert!(self.up == Up::Ready, "the link comes back");
        self.everybody_catches_up();
        let view = self.w.core.view(self.w.now);
        assert_eq!(view.queued, 0, "nothing waits for ever");
        assert_eq!(view.lane_waiters, 0);
        let saved = self.w.core.stats.saved.iter().sum::<u64>();
        assert_eq!(saved, self.m.saved, "what did not go upstream is counted");
        let left: Vec<_> = self
            .m
            .insts
            .iter()
            .filter(|i| i.state == State::Active && (i.one_shot || i.up.is_none()))
            .collect();
        assert!(left.is_empty(), "I8: {} requests never ended", left.len());
        let live = self.m.insts.iter().filter(|i| matches!(i.state, State::Active | State::Spent)).count();
        assert_eq!(view.requests, live, "both sides agree on what is active");
        for (up, at) in &self.m.by_up {
            let inst = &self.m.insts[*at];
            let stream = inst.kind != QUERY && !inst.one_shot && KINDS[inst.kind].cancel != 0;
            assert!(
                !stream || matches!(inst.state, State::Active | State::Spent) || inst.cancelled_up,
                "the stream {up} ({}) runs on at the Gateway for nobody",
                inst.message()
            );
        }
        let waiting = self.m.lines.values().map(|line| line.len()).sum::<usize>();
        assert_eq!(waiting, 0, "every order, modification and cancel has left or was refused");
        for lane in self.m.lanes.values() {
            assert!(lane.head.is_none(), "every asker has its answer");
        }
        for stream in [ACCOUNTS, POSITIONS] {
            assert!(self.m.streams[stream].waiting_end.is_empty(), "every subscriber has its end marker");
        }
    }

    /// Whether somebody waits for this work to be done.
    fn owed(&self, job: &Job) -> bool {
        match job {
            Job::Answer { at, .. } => self.m.insts[*at].state == State::Active && self.m.insts[*at].one_shot,
            Job::Query { .. } | Job::Lane { .. } | Job::Clock | Job::Unsubscribed | Job::NextId => true,
            Job::Shared { stream, ended, .. } => *stream != BULLETINS && !ended,
            Job::Commission(_) | Job::Order { .. } => false,
        }
    }

    /// The end: what is queued is sent, then everything closes.
    fn stop(&mut self) {
        self.m.stopping = true;
        let outcome = self.w.handle(Input::Stop);
        if outcome.actions.contains(&Action::Finish) {
            self.finished();
        }
        self.feed(outcome, false);
        let deadline = self.now() + self.m.settings.drain + SECOND;
        while !self.w.finished {
            if self.rng.one_in(3) {
                self.disk_does_all();
                continue;
            }
            assert!(self.now() < deadline, "the drain has an end");
            self.advance(50_000);
            if self.w.socket.is_some() && !self.w.finished {
                let n = self.rng.below(200);
                let before = self.w.finished;
                let (_, outcome) = self.w.gateway_reads(n);
                if !before && self.w.finished {
                    self.finished();
                }
                self.feed(outcome, false);
            }
        }
        let waiting = self.m.lines.values().map(|line| line.len()).sum::<usize>();
        assert_eq!(waiting, 0, "I8: every order has left or was refused");
    }
}

fn matches(what: &What, f: &Frame) -> bool {
    match what {
        What::Exact(bytes) => f.payload == *bytes,
        What::Says(id, said) => f.id == *id && speech::told(f) == *said,
        What::Error(id, codes) => f.error().is_some_and(|(i, c)| i == *id && codes.contains(&c)),
        What::Code(code) => f.error().is_some_and(|e| e.1 == *code),
        What::Message(id) => f.id == *id,
    }
}

fn run(seed: u64, steps: usize, at: &mut usize) -> u64 {
    let mut sim = Sim::new(seed);
    for step in 0..steps {
        *at = step;
        sim.step();
    }
    *at = steps;
    match seed % 4 {
        0 => sim.stop(),
        _ => sim.come_to_rest(),
    }
    sim.count_slow_ones();
    sim.w.trace
}

#[test]
fn random_runs_agree_with_the_shadow_model() {
    let steps = seeds::number("SIM_STEPS").unwrap_or(2000) as usize;
    let seeds = seeds::chosen(200);
    let (_, failed) = seeds::run("core_sim", &seeds, steps, run);
    assert!(failed.is_empty(), "failing seeds: {failed:?}");
    let [late, left_out, idle, shed] = slow::seen();
    println!(
        "slow clients: {late} rows came late, {left_out} never; {shed} answers ended; {idle} were closed because they \
         read nothing"
    );
    let seen = [late, left_out, idle, shed].iter().all(|n| *n > 20);
    assert!(seeds.len() < 200 || seen, "clients are slow enough to see it");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 1000..1004 {
        let first = run(seed, 1000, &mut 0);
        assert_eq!(first, run(seed, 1000, &mut 0), "I11: seed {seed}");
        assert_ne!(first, run(seed + 10, 1000, &mut 0));
    }
}
