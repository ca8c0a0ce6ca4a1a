//! Memory and file descriptors of `twsmux run` over a long run with clients that come and go and a Gateway that goes away
//! now and then.
//!
//! ```text
//! ./dev soak [MINUTES]
//! ```
//! Prints a sample every few seconds and, at the end, the slope of the memory after the first fifth of the time, and the
//! extremes of the file descriptors when everybody is gone. Exits with 1 when memory grows faster than
//! [`MOST_GROWTH`] or when descriptors stay behind.

// Time is what it measures.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::{ApiClient, ClientError, order, stock};
use twsmux::sim::{Close, SimConfig};
use twsmux::sockets::{self, table::State};

/// Clients at once.
const CLIENTS: i32 = 20;
/// Growth of memory that counts as none, KiB a minute.
const MOST_GROWTH: f64 = 64.0;
/// The first so many sessions of each client trade.
const TRADES: u64 = 5;
/// Ticks that a session waits for; the image brings a part of them.
const TICKS: u64 = 100;
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Distance of two faults of the Gateway.
const FAULT_EVERY: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("usage: soak BINARY [MINUTES]");
    let minutes: f64 = arguments.next().map_or(10.0, |m| m.parse().expect("a number of minutes"));
    let gateway = twsmux::sim::spawn(SimConfig {
        messages_per_second: None,
        tick_interval: Duration::from_millis(50),
        ..SimConfig::default()
    })
    .expect("the simulated Gateway starts");
    let state = tempfile::tempdir().expect("a temporary folder");
    let mut mux = Mux::start(&binary, state.path(), gateway.address());
    let (stop, sessions) = (AtomicBool::new(false), AtomicU64::new(0));
    let begin = Instant::now();
    let end = Duration::from_secs_f64(minutes * 60.0);
    let mut samples: Vec<(f64, f64)> = Vec::new();
    let mut quiet: Vec<usize> = vec![mux.descriptors()];
    std::thread::scope(|scope| {
        for id in 1..=CLIENTS {
            let (stop, sessions, address) = (&stop, &sessions, mux.listen);
            scope.spawn(move || {
                let mut n = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    if session(address, id, n).is_ok() {
                        sessions.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut fault = begin + FAULT_EVERY;
        while begin.elapsed() < end {
            std::thread::sleep(SAMPLE_EVERY);
            if Instant::now() >= fault {
                gateway.close_all(Close::Reset);
                fault = Instant::now() + FAULT_EVERY;
            }
            let at = begin.elapsed().as_secs_f64() / 60.0;
            let (memory, open) = (mux.memory(), mux.descriptors());
            let waits = sockets::count(gateway.address().port(), State::CloseWait).unwrap_or_default();
            println!(
                "{at:6.2} min  {memory:8.0} KiB  {open:4} descriptors  {waits} CLOSE_WAIT  {} sessions",
                sessions.load(Ordering::Relaxed)
            );
            samples.push((at, memory));
        }
        stop.store(true, Ordering::Relaxed);
    });
    // When everybody is gone, what remains open is what was open in the beginning.
    let deadline = Instant::now() + Duration::from_secs(30);
    while mux.descriptors() > quiet[0] && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    quiet.push(mux.descriptors());
    let warm = samples.iter().filter(|(at, _)| *at >= minutes / 5.0).copied().collect::<Vec<_>>();
    let growth = slope(&warm);
    let last = warm.last().map_or(0.0, |(_, memory)| *memory);
    let stats = gateway.stats();
    println!(
        "{} sessions in {minutes} minutes; memory {last:.0} KiB in the end, slope {growth:.1} KiB/min after the first fifth; \
         descriptors {} before, {} after; sockets ever open at once to the Gateway {}",
        sessions.load(Ordering::Relaxed),
        quiet[0],
        quiet[1],
        stats.most_open
    );
    mux.end();
    match growth <= MOST_GROWTH && quiet[1] <= quiet[0] && stats.most_open == 1 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One client's life: it subscribes, asks, trades, and goes in one way or another.
fn session(address: SocketAddr, id: i32, n: u64) -> Result<(), ClientError> {
    let version = [157, 176, 201][(id as u64 + n) as usize % 3];
    let mut c = ApiClient::dial(address)?;
    c.patience = Duration::from_secs(10);
    c.greet(100, version, "")?;
    c.start(id)?;
    let next = c.expect("nextValidId")?.int("orderId") as i32;
    for (k, symbol) in ["AAPL", "MSFT", "SPY"].iter().enumerate() {
        let mut ask = stock(symbol);
        ask.set("reqId", 1 + k as i32);
        c.send("reqMktData", &ask)?;
    }
    c.send("reqPositions", &Record::new())?;
    let mut details = stock("AAPL");
    details.set("reqId", 9);
    c.send("reqContractDetails", &details)?;
    c.send("reqMarketRule", &record! { marketRuleId: 26 })?;
    // Orders are remembered, up to a limit: few, so that what is measured is what must not grow.
    if n <= TRADES {
        c.send("placeOrder", &order(next, "AAPL", "BUY", 1, "LMT", "1.0"))?;
        c.find("its fate", |m| {
            m.name == "orderStatus" && m.int("orderId") == i64::from(next)
                || m.name == "error" && m.int("id") == i64::from(next)
        })?;
        c.send("cancelOrder", &record! { orderId: next })?;
    }
    for _ in 0..TICKS {
        c.find("a tick", |m| m.name == "tickPrice")?;
        c.transcript.clear();
    }
    if n.is_multiple_of(2) { c.reset() } else { Ok(()) }
}

/// The slope of a line through the samples, least squares.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let n = samples.len() as f64;
    let (mx, my) =
        (samples.iter().map(|s| s.0).sum::<f64>() / n, samples.iter().map(|s| s.1).sum::<f64>() / n);
    let (mut xy, mut xx) = (0.0, 0.0);
    for (x, y) in samples {
        xy += (x - mx) * (y - my);
        xx += (x - mx) * (x - mx);
    }
    if xx == 0.0 { 0.0 } else { xy / xx }
}

struct Mux {
    child: Child,
    listen: SocketAddr,
}

impl Mux {
    fn start(binary: &str, state: &std::path::Path, gateway: SocketAddr) -> Mux {
        let mut child = Command::new(binary)
            .args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--backoff-min", "0.2"])
            .args(["--backoff-max", "0.5", "--messages-per-second", "unlimited", "--upstream"])
            .arg(gateway.to_string())
            .arg("--state-dir")
            .arg(state)
            .env("TWSMUX_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its ready line");
        let word = |name: &str| {
            let word = line.split_whitespace().find_map(|w| w.strip_prefix(name));
            word.and_then(|w| w.parse::<SocketAddr>().ok()).unwrap_or_else(|| panic!("no {name} in {line:?}"))
        };
        let (listen, admin) = (word("listen="), word("admin="));
        let mux = Mux { child, listen };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !ready(admin) {
            assert!(Instant::now() < deadline, "it does not become ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        mux
    }

    /// Resident memory, KiB.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS");
        line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin) else { return false };
    let mut answer = String::new();
    let asked = write!(stream, "GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}
