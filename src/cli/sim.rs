//! `twsmux sim`: a simulated Gateway, for trying out and testing programs that trade.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::signal::unix::{SignalKind, signal};

use crate::sim::{self, SimConfig, ZombieMode};

/// Arguments of `sim`.
#[derive(Debug, clap::Args)]
pub struct SimArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4002")]
    listen: SocketAddr,
    /// Let tests drive it: commands, one JSON object per line, on this loopback address; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    control: Option<SocketAddr>,
    /// Highest server version to offer, 100 to 226
    #[arg(long, value_name = "N", default_value_t = 176, value_parser = clap::value_parser!(u16).range(100..=i64::from(sim::LATEST)))]
    max_server_version: u16,
    /// Everything random comes from this number
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Managed accounts
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "DU9000001")]
    accounts: Vec<String>,
    /// What becomes of clients that close their side; the Gateway's bug is `eof-read` [without a value: eof-read]
    #[arg(long, value_name = "MODE", num_args = 0..=1, default_value = "off", default_missing_value = "eof-read")]
    zombie: ZombieMode,
    /// Messages per second that one client may send, or `unlimited`
    #[arg(long, value_name = "N|unlimited", default_value = "50", value_parser = rate)]
    messages_per_second: Rate,
    /// Refuse orders and what belongs to them
    #[arg(long)]
    read_only: bool,
    /// A message before startApi leaves the listener answering nobody
    #[arg(long)]
    strict_startapi: bool,
    /// Send nextValidId before managedAccounts
    #[arg(long)]
    next_id_first: bool,
    /// Client id that receives the orders of all clients
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    master_client_id: Option<i32>,
    /// Time string of the handshake [default: the present time]
    #[arg(long, value_name = "TEXT")]
    time_string: Option<String>,
    /// The clock at the start, seconds since 1970 [default: the present time]
    #[arg(long, value_name = "SECONDS")]
    epoch: Option<u64>,
    /// Milliseconds between two updates of one subscription
    #[arg(long, value_name = "MS", default_value_t = 250)]
    tick_interval: u64,
    /// Let prices wander, a step every so many milliseconds: resting orders fill in time
    #[arg(long, value_name = "MS", num_args = 0..=1, default_missing_value = "1000")]
    moving_market: Option<u64>,
    /// The exchanges are closed: orders wait for the opening
    #[arg(long)]
    market_closed: bool,
    /// Answer each greeting only after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    handshake_delay: u64,
    /// Carry out each request only so many milliseconds after it came
    #[arg(long, value_name = "MS", default_value_t = 0)]
    answer_delay: u64,
    /// Take the requests of a client one after the other, each `--answer-delay` after the one before
    #[arg(long)]
    answers_one_at_a_time: bool,
    /// Market data subscriptions that one client may have
    #[arg(long, value_name = "N", default_value_t = 100)]
    market_data_lines: usize,
    /// The user has no market data subscriptions: only delayed data
    #[arg(long)]
    no_live_data: bool,
    /// Stocks SYM0001 and following
    #[arg(long, value_name = "N", default_value_t = 500)]
    symbols: u32,
    /// Orders pass through PendingCancel when they are cancelled
    #[arg(long)]
    pending_cancel: bool,
}

/// Messages per second; `None` is unlimited. A type of its own, since an optional argument means something else.
#[derive(Clone, Copy, Debug)]
struct Rate(Option<u32>);

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "unlimited" => Ok(Rate(None)),
        number => match number.parse() {
            Ok(n) if n > 0 => Ok(Rate(Some(n))),
            _ => Err("neither a number above 0 nor `unlimited`".into()),
        },
    }
}

impl SimArgs {
    fn config(&self) -> SimConfig {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        SimConfig {
            listen: self.listen,
            seed: self.seed,
            max_version: self.max_server_version,
            epoch: self.epoch.unwrap_or_else(now),
            time_string: self.time_string.clone(),
            accounts: self.accounts.clone(),
            generated_symbols: self.symbols,
            zombie: self.zombie,
            strict_startapi: self.strict_startapi,
            messages_per_second: self.messages_per_second.0,
            read_only: self.read_only,
            handshake_delay: Duration::from_millis(self.handshake_delay),
            answer_delay: Duration::from_millis(self.answer_delay),
            answers_one_at_a_time: self.answers_one_at_a_time,
            next_id_first: self.next_id_first,
            master_client_id: self.master_client_id,
            tick_interval: Duration::from_millis(self.tick_interval.max(1)),
            drift_interval: self.moving_market.map(|ms| Duration::from_millis(ms.max(1))),
            market_open: !self.market_closed,
            live_data: !self.no_live_data,
            market_data_lines: self.market_data_lines,
            pending_cancel: self.pending_cancel,
            ..SimConfig::default()
        }
    }
}

/// Runs a simulated Gateway until SIGTERM or SIGINT.
pub fn run(args: &SimArgs) -> ExitCode {
    crate::telemetry::init_logs();
    let handle = match sim::spawn(args.config()) {
        Ok(handle) => Arc::new(handle),
        Err(error) => return super::fail(1, format!("cannot listen on {}: {error}", args.listen)),
    };
    let control = match args.control.map(|address| sim::control::serve(address, handle.clone())).transpose() {
        Ok(address) => address.map(|a| format!(" control={a}")).unwrap_or_default(),
        Err(error) => return super::fail(1, format!("cannot take commands: {error}")),
    };
    let ready = || println!("ready sim={} version={}{control}", handle.address(), handle.version());
    match until_signal(ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(1, format!("cannot wait for signals: {error}")),
    }
}

/// Waits for a signal; `ready` is called when one would be heeded.
fn until_signal(ready: impl FnOnce()) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        ready();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
