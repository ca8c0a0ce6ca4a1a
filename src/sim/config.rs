//! What a simulated Gateway is like. Plain data; every field has a default that imitates a real Gateway.

use std::{net::SocketAddr, time::Duration};

/// What the Gateway does with a client that closed its side, and how it blocks while such a client is left over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum ZombieMode {
    /// Closes its own side at once, as it should.
    #[default]
    Off,
    /// Reads the end of the stream and never closes its side: CLOSE_WAIT with nothing in the receive queue.
    EofRead,
    /// Never reads the end of the stream: CLOSE_WAIT with 1 in the receive queue.
    FinUnread,
    /// Accepts and never reads anything, from the start: CLOSE_WAIT with the greeting in the receive queue.
    HandshakeUnread,
    /// Listens and never accepts, from the start: CLOSE_WAIT without an inode.
    NeverAccepted,
}

impl ZombieMode {
    /// Whether a client's FIN leaves a zombie behind.
    pub fn keeps_closed_clients(self) -> bool {
        self != ZombieMode::Off
    }

    /// Whether no connection is ever read.
    pub fn never_reads(self) -> bool {
        matches!(self, ZombieMode::HandshakeUnread | ZombieMode::NeverAccepted)
    }
}

/// When the commission report of an execution comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Commissions {
    /// After the execution and the order's new state, at once.
    #[default]
    After,
    /// Before the execution.
    Before,
    /// So long after the execution. Until then it is not among the answers to reqExecutions either.
    Late(Duration),
}

/// What goes wrong with orders by chance. It depends on the seed and on the order, not on what other clients do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OrderFaults {
    /// Orders and changes, out of a thousand, that the order back end rejects.
    pub rejected: u32,
    /// Pairs of openOrder and orderStatus, out of a thousand, that come twice at once with the same bytes.
    pub repeated: u32,
    /// Executions, out of a thousand, that come late.
    pub late_fills: u32,
    /// How late.
    pub late_by: Duration,
}

/// What is sent leaves drop by drop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drip {
    /// Bytes of a piece at most; how many there are in each depends on the seed, the connection and its number.
    pub most: usize,
    /// Time between two pieces of a connection.
    pub pause: Duration,
}

/// All that can be chosen about a simulated Gateway.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Everything random comes from here: same seed and same input, same output.
    pub seed: u64,
    /// Highest server version offered, 100 to [`LATEST`](super::LATEST).
    pub max_version: u16,
    /// The clock at the start, seconds since 1970. Orders, bars and clock answers follow it.
    pub epoch: u64,
    /// The time string of the handshake; made from `epoch` when `None`.
    pub time_string: Option<String>,
    /// Managed accounts, at least one.
    pub accounts: Vec<String>,
    /// Stocks `SYM0001` and following besides the named instruments.
    pub generated_symbols: u32,
    /// Whether the accounts begin with positions.
    pub initial_positions: bool,
    /// What becomes of clients that close.
    pub zombie: ZombieMode,
    /// A framed message before startApi leaves the listener answering nobody, as seen on a real one.
    pub strict_startapi: bool,
    /// Most messages that a connection may send in any second; `None` is unlimited.
    pub messages_per_second: Option<u32>,
    /// Violations of that rate after which the session is closed.
    pub rate_strikes: u32,
    /// The API is read-only: orders and what belongs to them are refused.
    pub read_only: bool,
    /// Answer the greeting with a redirect (version -1) to this address.
    pub redirect: Option<String>,
    /// Bytes leave in small pieces, from the answer to the greeting on.
    pub drip: Option<Drip>,
    /// Wait so long before answering a greeting.
    pub handshake_delay: Duration,
    /// From the arrival of a request to when it is carried out; what it draws later (a snapshot, a fill, ticks) comes so
    /// much later too. startApi and what came before it do not wait.
    pub answer_delay: Duration,
    /// The requests of a connection are taken one after the other, each `answer_delay` after the one before was carried
    /// out. Otherwise each waits for itself.
    pub answers_one_at_a_time: bool,
    /// Send nextValidId first and farm notices between it and managedAccounts.
    pub next_id_first: bool,
    /// Client id that receives the orders of all clients.
    pub master_client_id: Option<i32>,
    /// First nextValidId of a client id that was never seen.
    pub first_order_id: i32,
    /// Clock requests of one connection that come closer than this are not answered.
    pub clock_gap: Duration,
    /// Time between two updates of one market data, tick-by-tick or depth subscription.
    pub tick_interval: Duration,
    /// Time between two steps of a market that moves by itself; `None` keeps the prices around which quotes move
    /// where they are, which is what tests want.
    pub drift_interval: Option<Duration>,
    /// Time between two real-time bars, and between two updates of keepUpToDate.
    pub bar_interval: Duration,
    /// Time between two updates of a P&L subscription.
    pub pnl_interval: Duration,
    /// Time between two refreshes of an account summary.
    pub summary_interval: Duration,
    /// Time between two results of a scanner.
    pub scanner_interval: Duration,
    /// From the request of a snapshot to its end.
    pub snapshot_time: Duration,
    /// The same when no tick came.
    pub empty_snapshot_time: Duration,
    /// From the placing of a marketable order to its fill.
    pub fill_delay: Duration,
    /// From a global cancel to the cancellations.
    pub global_cancel_delay: Duration,
    /// From a historical request to its answer.
    pub historical_delay: Duration,
    /// The exchanges are open. Otherwise orders wait for the opening (399) and nothing fills.
    pub market_open: bool,
    /// The user has market data subscriptions; without, type 1 is refused with 10089.
    pub live_data: bool,
    /// Regulatory snapshots are granted; a refusal is an error without a code.
    pub regulatory_snapshots: bool,
    /// One more tick of a cancelled subscription follows its cancel.
    pub ticks_after_cancel: bool,
    /// Market data lines of one connection.
    pub market_data_lines: usize,
    /// Different contracts with a depth subscription on one connection.
    pub depth_lines: usize,
    /// Tick-by-tick subscriptions of one connection.
    pub tick_by_tick_lines: usize,
    /// Historical queries of one connection at the same time, those that are kept up to date included.
    pub historical_queries: usize,
    /// An identical historical query for bars of 30 seconds or less, or for ticks, within 15 seconds draws 162.
    pub historical_pacing: bool,
    /// How often the openOrder and orderStatus pair of a working order is repeated with identical bytes.
    pub repeats: u32,
    /// Cancels go through PendingCancel.
    pub pending_cancel: bool,
    /// Every account summary comes twice with two end markers.
    pub double_summary: bool,
    /// Quantity of one fill at most; a larger order fills in several executions.
    pub fill_size: f64,
    /// Time between two executions of one order; that from placing to filling when `None`.
    pub part_delay: Option<Duration>,
    /// When commission reports come.
    pub commissions: Commissions,
    /// What goes wrong with orders by chance.
    pub order_faults: OrderFaults,
    /// Size of the scanner parameters, bytes (a real one sends 1.8 MB).
    pub scanner_parameters_size: usize,
}

impl Default for SimConfig {
    fn default() -> Self {
        SimConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            max_version: 176,
            epoch: 1_795_469_258, // 23 November 2026, 22:27:38 in Central Europe
            time_string: None,
            accounts: vec!["DU9000001".into()],
            generated_symbols: 500,
            initial_positions: true,
            zombie: ZombieMode::Off,
            strict_startapi: false,
            messages_per_second: Some(50),
            rate_strikes: 3,
            read_only: false,
            redirect: None,
            drip: None,
            handshake_delay: Duration::ZERO,
            answer_delay: Duration::ZERO,
            answers_one_at_a_time: false,
            next_id_first: false,
            master_client_id: None,
            first_order_id: 1,
            clock_gap: Duration::from_secs(4),
            tick_interval: Duration::from_millis(250),
            drift_interval: None,
            bar_interval: Duration::from_secs(5),
            pnl_interval: Duration::from_secs(1),
            summary_interval: Duration::from_secs(180),
            scanner_interval: Duration::from_secs(30),
            snapshot_time: Duration::from_millis(400),
            empty_snapshot_time: Duration::from_secs(11),
            fill_delay: Duration::from_millis(20),
            global_cancel_delay: Duration::from_secs(1),
            historical_delay: Duration::ZERO,
            market_open: true,
            live_data: true,
            regulatory_snapshots: false,
            ticks_after_cancel: true,
            market_data_lines: 100,
            depth_lines: 3,
            tick_by_tick_lines: 5,
            historical_queries: 50,
            historical_pacing: false,
            repeats: 1,
            pending_cancel: false,
            double_summary: false,
            fill_size: 1000.0,
            part_delay: None,
            commissions: Commissions::After,
            order_faults: OrderFaults::default(),
            scanner_parameters_size: 200_000,
        }
    }
}
