//! What the order journal costs, as ratios measured side by side in one run: `cargo bench --bench order_wait`.
//!
//! - An order's wait, from the client's write to the Gateway's first word about it, with the journal on this disk and on
//!   one that syncs in no time (`/dev/shm`); what the disk adds, against what one `fdatasync` of a small append takes here.
//! - What other clients see while nobody trades and while orders flow: round trips of requests, and times between ticks.
//!
//! `TWSMUX_BENCH_DIR` names the folder whose disk is measured; the default is the system's temporary folder.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::{Mux, PATIENCE, sim};
use twsmux::sim::SimHandle;
use twsmux::sim::client::{ApiClient, order, stock};

const ROUNDS: usize = 9;
const ORDERS: usize = 60;
const REQUESTS: usize = 1500;
const TICKS: usize = 150;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn quantile(times: &mut [Duration], q: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * q) as usize]
}

fn open(mux: &Mux, id: i32) -> ApiClient {
    let mut c = ApiClient::open(mux.listen, 176, id).expect("started");
    c.patience = PATIENCE;
    c
}

/// A twsmux whose journal is below `place`.
fn start(gateway: &SimHandle, place: &Path) -> (Mux, tempfile::TempDir) {
    let state = tempfile::tempdir_in(place).expect("a folder there");
    let mux =
        Mux::start_in(state.path(), &gateway.address().to_string(), &["--messages-per-second", "unlimited"]);
    mux.wait_ready();
    (mux, state)
}

/// Places an order that rests, and waits for the first word about it.
fn place(c: &mut ApiClient, next: &mut i32) -> Duration {
    *next += 1;
    let id = *next;
    let values = order(id, "AAPL", "BUY", 1, "LMT", "1.0");
    let began = Instant::now();
    c.send("placeOrder", &values).expect("sent");
    c.find("its status", |m| m.name == "orderStatus" && m.int("orderId") == i64::from(id)).expect("at work");
    let took = began.elapsed();
    c.transcript.clear();
    took
}

/// One `fdatasync` of a small append.
fn sync(file: &mut std::fs::File) -> Duration {
    let began = Instant::now();
    file.write_all(&[7; 46]).expect("written");
    file.sync_data().expect("synced");
    began.elapsed()
}

/// Round trips of a request that has nothing to do with orders.
fn requests(c: &mut ApiClient, n: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(n);
    for id in 0..n as i32 {
        let mut ask = stock("MSFT");
        ask.set("reqId", id);
        let began = Instant::now();
        c.ask("reqContractDetails", &ask, "contractDetailsEnd").expect("an answer");
        times.push(began.elapsed());
        c.transcript.clear();
    }
    times
}

fn main() {
    let here = std::env::var_os("TWSMUX_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let memory = PathBuf::from("/dev/shm");
    let gateway = sim(|c| {
        c.repeats = 0;
        c.tick_interval = Duration::from_millis(2);
    });
    let (on_disk, _disk) = start(&gateway, &here);
    let fast = memory.is_dir().then(|| {
        let other = sim(|c| c.repeats = 0);
        let (mux, state) = start(&other, &memory);
        (mux, state, other)
    });
    let probe = tempfile::NamedTempFile::new_in(&here).expect("a file there");
    let mut probe = OpenOptions::new().append(true).open(probe.path()).expect("opened");
    let (mut a, mut id_a) = (open(&on_disk, 1), 0);
    let mut b = fast.as_ref().map(|(mux, ..)| (open(mux, 1), 0));
    let (mut disk, mut without, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for _ in 0..ORDERS / ROUNDS + 1 {
            disk.push(place(&mut a, &mut id_a));
            if let Some((c, id)) = &mut b {
                without.push(place(c, id));
            }
            syncs.push(sync(&mut probe));
        }
    }
    let (with, sync) = (median(disk), median(syncs));
    println!("one fdatasync of a small append in {}: median {sync:?}", here.display());
    println!("order to the Gateway's first word, journal on this disk: median {with:?}");
    match without.is_empty() {
        true => println!("NOT RUN: there is no /dev/shm to compare with"),
        false => {
            let without = median(without);
            let added = with.saturating_sub(without);
            println!("order to the Gateway's first word, journal in memory: median {without:?}");
            println!(
                "added by the disk: {added:?} = {:.2} of one fdatasync",
                added.as_secs_f64() / sync.as_secs_f64()
            );
        }
    }

    // Others, with and without orders beside them, in turns.
    let (mut asker, mut watcher) = (open(&on_disk, 2), open(&on_disk, 3));
    requests(&mut asker, 50);
    watcher.send("reqMktData", &watched()).expect("sent");
    ticks(&mut watcher, 50);
    let (mut idle, mut busy) = (Samples::default(), Samples::default());
    let mut placed = 0;
    for _ in 0..ROUNDS {
        idle.take(&mut asker, &mut watcher);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (c, id) = (&mut a, &mut id_a);
            let trader = scope.spawn(|| {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    place(c, id);
                    // Some forty a second: what the Gateway's limit allows.
                    std::thread::park_timeout(Duration::from_millis(25));
                    n += 1;
                }
                n
            });
            busy.take(&mut asker, &mut watcher);
            stop.store(true, Ordering::Relaxed);
            placed += trader.join().expect("it trades");
        });
    }
    println!("beside {placed} orders, each with its fdatasync:");
    for (name, q) in [("p50", 0.5), ("p99", 0.99)] {
        compare(&format!("another client's round trip, {name}"), &mut idle.requests, &mut busy.requests, q);
        compare(&format!("from one tick to the next, {name}"), &mut idle.ticks, &mut busy.ticks, q);
    }
}

/// What a client that does not trade sees.
#[derive(Default)]
struct Samples {
    requests: Vec<Duration>,
    ticks: Vec<Duration>,
}

impl Samples {
    fn take(&mut self, asker: &mut ApiClient, watcher: &mut ApiClient) {
        self.requests.extend(requests(asker, REQUESTS));
        watcher.fence().expect("what has come so far is read");
        self.ticks.extend(ticks(watcher, TICKS));
    }
}

fn watched() -> twsmux::protocol::layout::Record {
    let mut ask = stock("MSFT");
    ask.set("reqId", 1);
    ask
}

/// Times between ticks.
fn ticks(c: &mut ApiClient, n: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(n);
    let mut last = Instant::now();
    while times.len() < n {
        c.expect("tickPrice").expect("a tick");
        times.push(last.elapsed());
        last = Instant::now();
        c.transcript.clear();
    }
    times
}

fn compare(what: &str, idle: &mut [Duration], busy: &mut [Duration], q: f64) {
    let (i, b) = (quantile(idle, q), quantile(busy, q));
    println!("{what}: {i:?} without orders, {b:?} with: ratio {:.2}", b.as_secs_f64() / i.as_secs_f64());
}
