//! `run`: the event loop around the core.
//!
//! Owns: all sockets, the clock, the timer task, the carrying out of actions. May not know: what a message means.
//! Driven by: `cli::run` and by tests.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::{Notify, mpsc};

use futures_util::future::AbortHandle;

use super::access::{Access, Rules};
use super::beside::Beside;
use super::captures::Captures;
use super::control::{ByHand, Denied, Remote, SwitchFile};
use super::downstream::{Clients, Door};
use super::events::{Events, Loop, Whose};
use super::listen::{Listen, Listening, SocketFile};
use super::notify::Notifier;
use super::reload::{Reload, wall_ms};
use super::state_dir::StateDir;
use super::tls::Identity;
use super::upstream::Upstream;
use super::{downstream, journal, sys, tls, upstream};
use crate::capture::CaptureRequest;
use crate::core::Core;
use crate::core::io::{Action, Actions, Input, Level, Note};
use crate::core::operate::Operation;
use crate::ids::{ClientKey, LinkId};
use crate::journal::{FileDisk, IdentityError, Journal, OpenError, State, check_upstream_client};
use crate::limits;
use crate::telemetry::refusals::Refusals;
use crate::telemetry::{Loaded, Published};
use crate::time::Time;

/// How the upstream socket is closed when twsmux stops.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamClose {
    /// By reset, once everything is delivered.
    #[default]
    Reset,
    /// By FIN; if the Gateway does not close its side within 2 s, by reset.
    Graceful,
}

/// What `run` needs.
#[derive(Debug)]
pub struct Settings {
    /// Settings of the core.
    pub core: crate::core::Config,
    /// The Gateway's address.
    pub upstream: SocketAddr,
    /// How the upstream is closed when twsmux stops.
    pub upstream_close: UpstreamClose,
    /// Where clients connect. Port 0: any.
    pub listen: Vec<Listen>,
    /// Who may connect.
    pub rules: Rules,
    /// The mode of the files of Unix sockets.
    pub socket_mode: u32,
    /// Where the admin endpoint listens; loopback only.
    pub admin: SocketAddr,
    /// Its Unix socket.
    pub admin_socket: AdminSocket,
    /// Root of the state directories.
    pub state_dir: PathBuf,
    /// How they are read again at SIGHUP.
    pub reload: Reload,
    /// The way to the service manager.
    pub notifier: Notifier,
    /// Where the process is to die, for tests of its deaths.
    pub die: Option<Die>,
    /// What is captured from the beginning, if anything is.
    pub capture: Option<CaptureRequest>,
}

/// The Unix socket on which the admin endpoint takes commands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AdminSocket {
    /// In the state directory.
    #[default]
    Usual,
    /// Here.
    At(PathBuf),
    /// Nowhere.
    None,
}

/// A death for tests: what a client's or the Gateway's socket must survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Die {
    /// Panic as soon as the upstream is ready.
    PanicWhenReady,
    /// Panic between the greeting and the Gateway's answer.
    PanicInHandshake,
    /// Exit without any clean-up between the greeting and the Gateway's answer.
    ExitInHandshake,
    /// The event loop stops to turn as soon as the upstream is ready.
    HangWhenReady,
}

/// Why the admin endpoint is on loopback only, and what to do instead.
pub const NOT_LOOPBACK: &str = "only loopback addresses are, because the admin endpoint asks nobody who he is. To reach it from \
                                another machine, tunnel to it (for example with ssh -L)";

/// Why `run` could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address cannot be listened on.
    #[error("cannot listen on {addr} for {what}: {error}.{hint}")]
    Listen {
        /// The listener.
        addr: String,
        /// `clients`, `admin` or `commands`.
        what: &'static str,
        /// The system's words.
        error: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// A listener that other machines reach, without protection.
    #[error("refusing to listen: {0}")]
    Unprotected(String),
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDir(#[from] super::state_dir::StateDirError),
    /// The order journal cannot be used.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The order journal is another's.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The capture that was asked for cannot be made.
    #[error("{0}")]
    Capture(String),
    /// The system refused something else.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// The addresses in use, ports as chosen.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// For clients.
    pub listen: Vec<Listen>,
    /// Of the admin endpoint.
    pub admin: SocketAddr,
    /// Of the Gateway.
    pub upstream: SocketAddr,
}

/// Bytes read at once.
const READ: usize = 64 << 10;

/// Whether a read left something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// There is nothing more.
    Nothing,
    /// Its budget is used up.
    More,
}

/// Everything that events and tasks share. Single-threaded: no borrow is held across an await.
pub(super) struct Shell {
    pub(super) core: RefCell<Core>,
    actions: RefCell<Actions>,
    /// Memory for those who are being written to.
    flushing: Cell<Vec<ClientKey>>,
    /// What is read comes in here first; taken by who reads.
    pub(super) chunk: Cell<Box<[u8]>>,
    start: Instant,
    pub(super) clients: Clients,
    /// Where clients are accepted; none any more when twsmux stops.
    pub(super) doors: RefCell<Vec<Door>>,
    /// The system gave no connection: nobody is accepted for a moment.
    pub(super) accepts_later: Cell<bool>,
    pub(super) events: Events,
    pub(super) access: Arc<Access>,
    pub(super) upstream: Upstream,
    journal: RefCell<Option<journal::Handle>>,
    /// As many clients as the limit of open files allows.
    pub(super) most_clients: usize,
    pub(super) upstream_close: Cell<UpstreamClose>,
    pub(super) notifier: Notifier,
    /// The settings, and what was changed by hand.
    pub(super) by_hand: RefCell<ByHand>,
    /// Until when the timer task sleeps.
    sleeping_until: Cell<Option<Time>>,
    pub(super) beside: Beside,
    rearm: Notify,
    finish: Notify,
    pub(super) die: Option<Die>,
    pub(super) captures: Captures,
}

impl Shell {
    pub(super) fn operate(self: &Rc<Self>, operation: &Operation) -> Result<String, Denied> {
        let now = self.now();
        if self.captures.is_on() {
            self.captures.operated(now, operation);
        }
        let done = self.core.borrow_mut().operate(now, operation, &mut self.actions.borrow_mut());
        self.perform();
        Ok(done?)
    }

    /// Begins a capture; one runs at a time. Waits for the making of its file alone.
    ///
    /// # Errors
    /// Words for people.
    pub(super) fn start_capture(&self, request: &CaptureRequest) -> Result<(), String> {
        self.captures.start(self.now(), &self.core.borrow(), request)
    }

    pub(super) fn now(&self) -> Time {
        Time(self.start.elapsed().as_micros() as u64)
    }

    /// Tells the core something; its wishes are kept until [`Shell::perform`]. What came together came at one time, and
    /// the clock costs as much as a frame.
    #[inline]
    pub(super) fn tell_at(&self, now: Time, input: Input<'_>) {
        if self.captures.is_on() || self.die.is_some() {
            return self.tell_watched(now, input);
        }
        self.core.borrow_mut().handle(now, input, &mut self.actions.borrow_mut());
    }

    /// Likewise, where somebody looks on.
    #[cold]
    fn tell_watched(&self, now: Time, input: Input<'_>) {
        let unnamed = if self.captures.is_on() { self.captures.input(now, &input) } else { None };
        self.core.borrow_mut().handle(now, input, &mut self.actions.borrow_mut());
        if let Some(key) = unnamed {
            self.captures.named(key, self.core.borrow().client_id(key));
        }
        // Here, because the link may become ready by what the journal says.
        match self.die {
            Some(Die::PanicWhenReady) if self.core.borrow().ready() => panic!("told to panic once ready"),
            Some(Die::HangWhenReady) if self.core.borrow().ready() => {
                tracing::error!("told to hang once ready");
                loop {
                    std::thread::park();
                }
            }
            _ => {}
        }
    }

    /// Tells the core the ticks at the front of what was read from the Gateway; returns how many bytes they are.
    pub(super) fn tell_ticks(&self, now: Time, link: LinkId, bytes: &[u8]) -> usize {
        match self.captures.is_on() {
            true => 0, // each frame is captured by itself
            false => self.core.borrow_mut().hear_ticks(now, link, bytes, &mut self.actions.borrow_mut()),
        }
    }

    /// Tells the core something and carries out what it wants.
    pub(super) fn tell_and_perform(self: &Rc<Self>, input: Input<'_>) {
        let now = self.now();
        self.tell_at(now, input);
        self.perform_at(now);
    }

    /// Carries out what the core wants.
    pub(super) fn perform(self: &Rc<Self>) {
        self.perform_at(self.now());
    }

    /// Likewise, where it is known what time it is.
    pub(super) fn perform_at(self: &Rc<Self>, now: Time) {
        loop {
            let mut actions = self.actions.borrow_mut();
            if actions.is_empty() {
                break;
            }
            let list = std::mem::take(&mut actions.list);
            drop(actions);
            match list.is_empty() {
                true => self.flush(now),
                false => self.carry_out_all(now, list),
            }
        }
        let next = self.core.borrow().next_deadline();
        if next.is_some_and(|at| self.sleeping_until.get().is_none_or(|until| at < until)) {
            self.rearm.notify_one();
        }
    }

    /// Carries out actions, and writes what there is to be written.
    fn carry_out_all(self: &Rc<Self>, now: Time, list: Vec<Action>) {
        // Facts go to the journal last. That an owner was told of a fill is recorded after it was told: a crash in
        // between tells it twice, the other way round would tell it never.
        let mut facts = Vec::new();
        for action in list {
            match action {
                Action::Journal { seq, record, sync } => facts.push((seq, record, sync)),
                action => self.carry_out(action),
            }
        }
        self.flush(now);
        if let Some(journal) = &*self.journal.borrow() {
            for (seq, record, sync) in facts {
                journal.append(seq, record, sync);
            }
        }
    }

    /// Writes what there is to be written: to the Gateway first.
    fn flush(&self, now: Time) {
        let mut actions = self.actions.borrow_mut();
        let upstream_dirty = std::mem::take(&mut actions.upstream_dirty);
        let mut dirty = self.flushing.take();
        std::mem::swap(&mut dirty, &mut actions.dirty);
        drop(actions);
        if upstream_dirty {
            self.flush_upstream(now);
        }
        for key in dirty.drain(..) {
            self.flush_client(now, key);
        }
        self.flushing.set(dirty);
    }

    fn carry_out(self: &Rc<Self>, action: Action) {
        match action {
            Action::Look { link } => self.events.spawn(upstream::look(self.clone(), link)),
            Action::Examine { link } => self.events.spawn(upstream::examine(self.clone(), link)),
            Action::Dial { link } => {
                let task = self.events.spawn_abortable(upstream::connect(self.clone(), link));
                self.upstream.dials(link, task);
            }
            Action::Abort { link } => self.upstream.abort(link),
            Action::CloseClient { client, flush } => self.clients.close(client, flush, &self.events),
            Action::Note(note) => log(&note),
            Action::Journal { .. } => unreachable!("the caller keeps facts for last"),
            Action::Finish => self.finish.notify_one(),
        }
    }

    /// Writes what the upstream socket takes.
    pub(super) fn flush_upstream(&self, now: Time) {
        let mut actions = self.actions.borrow_mut();
        let mut core = self.core.borrow_mut();
        while let Some(n) = self.upstream.write(core.upstream_output()) {
            if self.captures.is_on() {
                self.captures.written_upstream(now, core.upstream_output(), n);
            }
            core.consume_upstream_output(now, n, &mut actions);
            // The core may have added what it held back; those are its own dirty bytes of this turn.
            actions.upstream_dirty = false;
        }
        if self.captures.is_on() {
            self.captures.flushed_upstream(now, core.upstream_output().len());
        }
    }

    /// Writes what a client's socket takes.
    pub(super) fn flush_client(&self, now: Time, key: ClientKey) {
        let mut actions = self.actions.borrow_mut();
        let mut core = self.core.borrow_mut();
        let mut told = false;
        while let Some(n) = self.clients.write(key, core.output(key), &self.events) {
            if self.captures.is_on() {
                self.captures.written(now, key, core.output(key), n);
            }
            core.consume_output(now, key, n, &mut actions);
            told = true;
        }
        if self.captures.is_on() {
            self.captures.flushed(now, key, core.output(key).len());
        }
        if !told {
            core.consume_output(now, key, 0, &mut actions);
        }
        if core.may_close(key) {
            self.clients.all_sent(key);
        }
    }

    async fn keep_time(self: Rc<Self>) {
        loop {
            let next = self.core.borrow().next_deadline();
            self.sleeping_until.set(next);
            match next {
                None => self.rearm.notified().await,
                Some(at) => {
                    let at = self.start + Duration::from_micros(at.0);
                    let due = self.beside.sleep_until(at);
                    tokio::select! {
                        () = due => self.tell_and_perform(Input::Tick),
                        () = self.rearm.notified() => {}
                    }
                }
            }
        }
    }

    /// Waits for a signal to stop, or for the end of a drain, and then for the end.
    async fn stop(
        self: Rc<Self>,
        (mut terminate, mut interrupt): (Signal, Signal),
        with_tls: Option<AbortHandle>,
        published: Arc<Published>,
    ) {
        let drained = tokio::select! {
            _ = terminate.recv() => { tracing::info!("SIGTERM: stopping"); false }
            _ = interrupt.recv() => { tracing::info!("SIGINT: stopping"); false }
            // The core stops by itself when it was told to drain.
            () = self.finish.notified() => true,
        };
        self.notifier.stopping();
        self.doors.borrow_mut().clear();
        if let Some(welcoming) = with_tls {
            welcoming.abort();
        }
        if !drained {
            self.tell_and_perform(Input::Stop);
            tokio::select! {
                () = self.finish.notified() => {}
                _ = terminate.recv() => tracing::warn!("second SIGTERM: not waiting"),
                _ = interrupt.recv() => tracing::warn!("second SIGINT: not waiting"),
            }
        }
        self.upstream.close(self.upstream_close.get(), &self.beside).await;
        self.clients.wait_until_sent(limits::CLOSE_TIME, &self.beside).await;
        let journal = self.journal.take();
        if let Some(Err(words)) = journal.map(journal::Handle::close) {
            tracing::warn!("{words}");
        }
        self.captures.close();
        self.publish_now(&published);
        tracing::info!("stopped");
    }

    /// Passes on how far the disk has come.
    async fn hear_journal(self: Rc<Self>, mut reports: mpsc::UnboundedReceiver<journal::Report>) {
        while let Some(report) = reports.recv().await {
            self.tell_and_perform(match report {
                journal::Report::Durable { upto, sync_seconds } => {
                    Input::Journaled { upto, sync_us: (sync_seconds * 1e6) as u64 }
                }
                journal::Report::Failed { upto, words } => Input::JournalFailed { upto, words },
                journal::Report::Healed { upto } => Input::JournalHealed { upto },
            });
        }
    }

    async fn publish(self: Rc<Self>, published: Arc<Published>) {
        let mut every = self.beside.interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            self.publish_now(&published);
        }
    }

    pub(super) fn publish_now(&self, published: &Published) {
        let view = self.core.borrow().view(self.now());
        match published.loaded().error {
            None => self.notifier.status(&view.upstream.diagnosis),
            Some(error) => {
                let words = format!("{}; SIGHUP changed nothing: {error}", view.upstream.diagnosis);
                self.notifier.status(&words);
            }
        }
        published.set(view);
    }

    /// Shows the service manager that the event loop turns.
    async fn show_life(self: Rc<Self>) {
        let Some(every) = self.notifier.watchdog() else { return };
        let mut every = self.beside.interval(every);
        loop {
            every.tick().await;
            self.notifier.alive();
        }
    }
}

fn log(note: &Note) {
    let (key, id, peer) = match &note.client {
        Some((key, id, peer)) => (key.to_string(), id.map(|id| id.0), peer.as_str()),
        None => (String::new(), None, ""),
    };
    macro_rules! line {
        ($level:ident) => {
            match note.client {
                Some(_) => tracing::$level!(client_id = id, client = key, peer, "{}", note.text),
                None => tracing::$level!("{}", note.text),
            }
        };
    }
    match note.level {
        Level::Debug => line!(debug),
        Level::Info => line!(info),
        Level::Warn => line!(warn),
        Level::Error => line!(error),
    }
}

/// An error of a listener, with what to do.
fn cannot_listen(addr: String, what: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |error| {
        // With a system's error alone: our own words say what to do.
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse if error.raw_os_error().is_some() => {
                " Another program, perhaps another twsmux, has this port; stop it or choose another one"
            }
            _ => "",
        };
        RunError::Listen { addr, what, error, hint }
    }
}

/// Where the admin endpoint listens.
struct Admin {
    port: std::net::TcpListener,
    /// The file goes when this goes.
    socket: Option<(SocketFile, std::os::unix::net::UnixListener)>,
}

/// Longest path of a Unix socket that every system takes, bytes.
const LONGEST_SOCKET_PATH: usize = 100;

fn open_admin_socket(
    which: &AdminSocket,
    state_dir: &Path,
) -> Result<Option<(SocketFile, std::os::unix::net::UnixListener)>, RunError> {
    let path = match which {
        AdminSocket::None => return Ok(None),
        AdminSocket::At(path) => path.clone(),
        AdminSocket::Usual => {
            let path = state_dir.join("admin.sock");
            if path.as_os_str().len() > LONGEST_SOCKET_PATH {
                tracing::warn!(
                    "no admin socket: {} is longer than the path of a Unix socket may be. Name a shorter one in \
                     admin_socket, or set admin_token_file; without either no commands are taken",
                    path.display()
                );
                return Ok(None);
            }
            path
        }
    };
    match Listening::open(&Listen::Unix(path.clone()), 0o600)
        .map_err(cannot_listen(path.display().to_string(), "commands"))?
    {
        Listening::Unix(file, listener) => Ok(Some((file, listener))),
        Listening::Tcp(_) | Listening::Tls(_) => unreachable!("a path opens a Unix socket"),
    }
}

fn open(listen: &Listen, mode: u32) -> Result<Listening, RunError> {
    Listening::open(listen, mode).map_err(cannot_listen(listen.to_string(), "clients"))
}

/// How many clients fit into so many open files. **Clients must not use up what the Gateway's socket needs.**
fn most_clients(files: u64) -> usize {
    let most = files.saturating_sub(limits::RESERVED_FILES).max(files / 2);
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Runs until SIGTERM or SIGINT; `ready` is called once the listeners stand.
///
/// # Errors
/// [`RunError`] before it is ready; afterwards it ends only in order.
pub fn run(mut settings: Settings, ready: impl FnOnce(&Addresses)) -> Result<(), RunError> {
    let files = sys::raise_open_files();
    let most_clients = most_clients(files);
    if settings.core.max_clients > most_clients {
        tracing::info!(
            "{most_clients} clients at most, because {files} files may be open; raise that limit for more"
        );
        settings.core.max_clients = most_clients;
    }
    settings.rules.protect(&settings.listen).map_err(RunError::Unprotected)?;
    if !settings.admin.ip().is_loopback() {
        return Err(RunError::Unprotected(format!("{} is not allowed: {NOT_LOOPBACK}", settings.admin)));
    }
    // Ports first, because a port that is taken is the clearer message. Nobody is accepted before the lock is held.
    let mode = settings.socket_mode;
    let listeners = settings.listen.iter().map(|one| open(one, mode)).collect::<Result<Vec<_>, _>>()?;
    let admin = sys::listen(settings.admin).map_err(cannot_listen(settings.admin.to_string(), "admin"))?;
    let state = StateDir::lock(&settings.state_dir, &settings.upstream.to_string())?;
    let (journal, recovered) = Journal::open(FileDisk::new(state.path()))?;
    let file = state.path().join(crate::journal::log::FILE).display().to_string();
    check_upstream_client(&recovered.state, settings.core.upstream_client_id, &file)?;
    if recovered.cut > 0 {
        tracing::warn!(
            "the order journal {file} ended in the middle of a write, as after a loss of power: its last {} bytes are cut off; no \
             order that left was in them",
            recovered.cut
        );
    }
    let addresses = Addresses {
        listen: listeners.iter().map(Listening::name).collect::<Result<_, _>>()?,
        admin: admin.local_addr()?,
        upstream: settings.upstream,
    };
    let admin = Admin { port: admin, socket: open_admin_socket(&settings.admin_socket, state.path())? };
    let journal = (journal, recovered.state);
    let way_in = (listeners, admin, state.path());
    serve(settings, most_clients, journal, way_in, addresses, ready)
}

fn serve(
    settings: Settings,
    most_clients: usize,
    (journal, recovered): (Journal<FileDisk>, State),
    (listeners, admin, state_dir): (Vec<Listening>, Admin, &Path),
    addresses: Addresses,
    ready: impl FnOnce(&Addresses),
) -> Result<(), RunError> {
    let mut config = settings.core;
    config.epoch_ms = wall_ms();
    let by_hand = ByHand::new(config, SwitchFile::within(state_dir).is_on());
    let config = by_hand.effective();
    let beside = Beside::start()?;
    let stopping = (beside.signal(SignalKind::terminate())?, beside.signal(SignalKind::interrupt())?);
    let hangup = beside.signal(SignalKind::hangup())?;
    let tls_expires = settings.rules.tls.as_ref().map(Identity::expires);
    let refusals = Arc::new(Refusals::default());
    let access = Arc::new(Access::new(settings.rules, refusals.clone()));
    let (remote, commands) = Remote::new(state_dir, access.clone());
    let (reports, heard) = mpsc::unbounded_channel();
    let handle = journal::start(journal, reports)?;
    let (turning, events) = Loop::new()?;
    let captures = Captures::new(recovered == State::default());
    let shell = Rc::new(Shell {
        core: RefCell::new(Core::recovered(config, &recovered)),
        actions: RefCell::default(),
        flushing: Cell::default(),
        chunk: Cell::new(vec![0; READ].into_boxed_slice()),
        start: Instant::now(),
        clients: Clients::default(),
        doors: RefCell::default(),
        accepts_later: Cell::new(false),
        events,
        access,
        upstream: Upstream::new(settings.upstream),
        journal: RefCell::new(Some(handle)),
        most_clients,
        upstream_close: Cell::new(settings.upstream_close),
        notifier: settings.notifier,
        by_hand: RefCell::new(by_hand),
        sleeping_until: Cell::new(None),
        beside,
        rearm: Notify::new(),
        finish: Notify::new(),
        die: settings.die,
        captures,
    });
    drop(recovered);
    if let Some(request) = &settings.capture {
        shell.start_capture(request).map_err(RunError::Capture)?;
        tracing::info!("everything is captured in {}", request.path.display());
    }
    let published = Published::new(shell.core.borrow().view(Time::ZERO))
        .for_gateway(settings.upstream)
        .counting(refusals)
        .with_captures(shell.captures.counts().clone());
    // Before anybody can ask.
    published.set_loaded(Loaded {
        file: settings.reload.file.clone(),
        loaded_ms: wall_ms(),
        tls_expires,
        changed_by_hand: shell.by_hand.borrow().changed(),
        admin_socket: admin.socket.as_ref().map(|(file, _)| file.path().display().to_string()),
        ..Loaded::default()
    });
    let published = Arc::new(published);
    let (_file, socket) = admin.socket.unzip();
    crate::admin::start(admin.port, socket, published.clone(), remote)?;
    let (with_tls, listeners): (Vec<_>, Vec<_>) =
        listeners.into_iter().partition(|one| matches!(one, Listening::Tls(_)));
    let with_tls = match with_tls.is_empty() {
        true => None,
        false => {
            let sockets = with_tls.into_iter().filter_map(|one| match one {
                Listening::Tls(listener) => Some(listener),
                Listening::Tcp(_) | Listening::Unix(..) => None,
            });
            let arrivals = tls::open(sockets.collect(), shell.access.clone())?;
            Some(shell.events.spawn_abortable(downstream::welcome_arrived(shell.clone(), arrivals)))
        }
    };
    for (number, listening) in listeners.into_iter().enumerate() {
        let door = Door::open(listening, number, &shell.events)?;
        shell.doors.borrow_mut().push(door);
    }
    shell.events.spawn(shell.clone().keep_time());
    shell.events.spawn(shell.clone().hear_journal(heard));
    shell.events.spawn(shell.clone().publish(published.clone()));
    shell.events.spawn(shell.clone().hear_hangup(hangup, settings.reload, published.clone()));
    shell.events.spawn(shell.clone().hear_control(commands, published.clone()));
    shell.events.spawn(shell.clone().show_life());
    shell.tell_and_perform(Input::Tick);
    shell.notifier.ready();
    ready(&addresses);
    let end = shell.clone().stop(stopping, with_tls, published);
    let turn = |whose, ready| match whose {
        Whose::Gateway => upstream::turn(&shell, ready),
        Whose::Client(slot) => downstream::turn(&shell, slot, ready),
        Whose::Door(number) => downstream::answer_door(&shell, number),
    };
    Ok(turning.run(&shell.events, turn, end)?)
}
