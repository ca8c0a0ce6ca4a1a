//! A hundred faults of every kind, while ten clients trade and stream: nobody lends a hand, nobody loses its connection,
//! what was subscribed goes on, and in the end every client's orders are those of the Gateway's book.
//!
//! `FAULTS` is their number, `SIM_SEED` another order of them.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use support::{Mux, PATIENCE, mux_for, sim, wait_until};
use twsmux::limits;
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::{ApiClient, Received, order, stock};
use twsmux::sim::{ArrivalKind, Close, Cut, Drip, Restart, SimHandle};
use twsmux::sockets::{self, table::Snapshot, table::Socket, table::State};

const CLIENTS: i32 = 10;
const VERSIONS: [u16; 3] = [157, 176, 176];
/// What every client watches; some watch the same.
const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "SPY"];

type Fault = (&'static str, fn(&SimHandle, &Mux, u64));

/// Every kind of fault; the number varies it.
const FAULTS: [Fault; 22] = [
    ("it closes", |g, _, _| g.close_all(Close::Graceful)),
    ("it resets", |g, _, _| g.close_all(Close::Reset)),
    ("it restarts", |g, _, _| g.restart().expect("the port")),
    ("it is away for a while", |g, mux, _| {
        g.refuse_connections().expect("closed");
        g.close_all(Close::Reset);
        wait_until("twsmux sees it", || mux.status("/upstream/ready") == false);
        g.accept_connections().expect("the port");
    }),
    ("it comes back with another version", |g, _, n| {
        let max_version = Some([157, 176, 203, 226][n as usize % 4]);
        g.restart_with(&Restart { max_version, ..Restart::default() }).expect("the port");
    }),
    ("it says what is no frame", |g, _, _| g.send_raw(&[0xff; 16])),
    ("it says a frame that is too large", |g, _, n| {
        let length = u32::try_from(limits::MAX_FRAME).expect("four bytes") + 1 + (n % 1000) as u32;
        g.send_raw(&length.to_be_bytes());
        g.send_raw(b"49\x001\x001\0");
    }),
    ("it says what nobody knows", |g, _, n| {
        let mut frame = vec![0, 0, 0, 8];
        frame.extend_from_slice(format!("{:06}\0\0", 900_000 + n % 1000).as_bytes());
        g.send_raw(&frame);
    }),
    ("a frame comes in pieces and the rest never", |g, _, _| {
        g.send_raw(&[0, 0, 1, 0, b'1']);
        g.close_all(Close::Reset);
    }),
    ("it hangs and then dies", |g, _, _| {
        g.mute(true);
        g.close_all(Close::Reset);
        g.mute(false);
    }),
    ("it stops reading for a while", |g, _, _| {
        g.stall_reading(true);
        wait_until("something is unread", || unread(g) > 0);
        g.stall_reading(false);
    }),
    ("it stops reading and then dies", |g, _, _| {
        g.stall_reading(true);
        wait_until("something is unread", || unread(g) > 0);
        g.close_all(Close::Reset);
        g.stall_reading(false);
    }),
    ("it stops writing for a while", |g, _, _| {
        g.stall_writing(true);
        assert!(g.wait_for(PATIENCE, |g| g.unsent() > 0), "something is unsaid");
        g.stall_writing(false);
    }),
    ("it stops writing and then dies", |g, _, _| {
        g.stall_writing(true);
        assert!(g.wait_for(PATIENCE, |g| g.unsent() > 0), "something is unsaid");
        g.close_all(Close::Reset);
        g.stall_writing(false);
    }),
    ("its bytes drip in the middle of all", |g, _, n| drips(g, n, || {})),
    ("its bytes drip from the first one on", |g, _, n| drips(g, n, || g.close_all(Close::Reset))),
    ("its answers do not end, and then it dies", |g, _, _| {
        let kept = g.stats().ends_kept;
        g.endless(true);
        g.close_all(Close::Reset);
        g.wait(PATIENCE, |s| s.ends_kept > kept).expect("what twsmux asks for itself does not end");
        g.endless(false);
        g.close_all(Close::Reset);
    }),
    ("it says a thousand things at once", |g, _, n| g.burst(200 + n as u32 % 200)),
    ("its servers are away, and its subscriptions lost", |g, _, _| {
        g.lose_connectivity();
        g.restore_connectivity(true);
    }),
    ("its servers are away, and nothing is lost", |g, _, _| {
        g.lose_connectivity();
        g.restore_connectivity(false);
    }),
    ("it dies with an order", |g, _, n| {
        let cut = if n % 2 == 0 { Cut::BeforeProcessing } else { Cut::AfterProcessing };
        g.cut_at_order(cut, 1 + n as u32 % 5);
    }),
    ("its handshake takes long", |g, _, _| {
        g.delay_handshakes(Duration::from_millis(300));
        g.close_all(Close::Reset);
        g.delay_handshakes(Duration::ZERO);
    }),
];

/// Bytes come in pieces of a few of them for a while; `first` happens when that has begun.
fn drips(g: &SimHandle, n: u64, first: impl FnOnce()) {
    let pieces = g.stats().pieces;
    g.drip(Some(Drip { most: 1 + n as usize % 5, pause: Duration::from_micros(100) }));
    first();
    g.wait(PATIENCE, |s| s.pieces > pieces + 100).expect("bytes drip");
    g.drip(None);
}

/// Bytes that the Gateway's kernel has and the Gateway has not read.
fn unread(g: &SimHandle) -> u32 {
    let port = g.address().port();
    let table = Snapshot::of_port(port).expect("the kernel's table");
    let its = |s: &&Socket| s.local.port() == port && s.state == State::Established;
    table.sockets().iter().filter(its).filter_map(|s| s.rx_queue).sum()
}

/// One client that never connects again and never subscribes again.
struct Trader {
    c: ApiClient,
    id: i32,
    placed: i32,
}

impl Trader {
    fn new(address: SocketAddr, id: i32) -> Trader {
        let version = VERSIONS[id as usize % VERSIONS.len()];
        let mut c = ApiClient::open(address, version, id).expect("started");
        c.patience = PATIENCE;
        for (n, symbol) in SYMBOLS.iter().enumerate() {
            let mut ask = stock(symbol);
            // Its own ids, and the same in every client.
            ask.set("reqId", 9000 + n as i32);
            c.send("reqMktData", &ask).unwrap();
        }
        Trader { c, id, placed: 0 }
    }

    fn token(&self, id: i32) -> String {
        format!("{}-{id}", self.id)
    }

    /// One order, whatever becomes of it, and a tick of everything that is watched.
    fn round(&mut self) {
        self.placed += 1;
        let id = self.placed;
        let mut place = order(id, "AAPL", "BUY", 1, "LMT", "1.0");
        place.set("orderRef", self.token(id));
        self.c.send("placeOrder", &place).expect("its connection is there");
        let about = |m: &Received| {
            m.name == "orderStatus" && m.int("orderId") == i64::from(id)
                || m.name == "error" && m.int("id") == i64::from(id)
        };
        self.c.find("what became of an order", about).expect("its connection is there");
        if id % 3 == 0 {
            self.c.send("cancelOrder", &record! { orderId: id }).expect("its connection is there");
            let cancelled = |m: &Received| {
                about(m) && (m.name == "error" || matches!(m.text("status"), "Cancelled" | "PendingCancel"))
            };
            self.c.find("what became of a cancel", cancelled).expect("its connection is there");
        }
        for n in 0..SYMBOLS.len() as i64 {
            let tick = |m: &Received| m.name == "tickPrice" && m.int("reqId") == 9000 + n;
            self.c.find("a tick of what it watches", tick).expect("its connection is there");
        }
        for m in std::mem::take(&mut self.c.transcript) {
            let of_quote = m.name == "error" && (9000..9010).contains(&m.int("id"));
            assert!(!of_quote, "client {}: {}", self.id, m.line());
            assert!(m.name != "orderStatus" || m.int("clientId") == i64::from(self.id), "{}", m.line());
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn a_hundred_faults_are_ridden_out_without_a_hand() {
    let gateway = sim(|c| c.tick_interval = Duration::from_millis(50));
    let mux = mux_for(
        &gateway,
        &[
            "--backoff-min",
            "0.05",
            "--backoff-max",
            "0.1",
            "--max-server-version",
            "latest",
            "--messages-per-second",
            "unlimited",
        ],
    );
    let mut traders: Vec<Trader> = (1..=CLIENTS).map(|id| Trader::new(mux.listen, id)).collect();
    let (stop, rounds) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; CLIENTS as usize]);
    let (faults, seed) = (number("FAULTS", 100), number("SIM_SEED", 1));
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        for (trader, rounds) in traders.iter_mut().zip(&rounds) {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    trader.round();
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let end = Stop(&stop);
        let mut random = seed;
        for n in 0..faults {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Each kind in its turn, so that all of them come, and then at random.
            let at = if n < FAULTS.len() as u64 { n } else { (random >> 33) % FAULTS.len() as u64 };
            let (what, happens) = FAULTS[at as usize];
            *met.entry(what).or_default() += 1;
            happens(&gateway, &mux, random >> 40);
            let before: Vec<u64> = rounds.iter().map(|n| n.load(Ordering::Relaxed)).collect();
            wait_until(&format!("everybody goes on after fault {n}: {what}"), || {
                rounds.iter().zip(&before).all(|(now, before)| now.load(Ordering::Relaxed) >= before + 2)
            });
        }
        drop(end);
    });
    println!("{faults} faults: {met:?}");
    assert!(faults < FAULTS.len() as u64 || met.len() == FAULTS.len(), "every kind has happened");
    verdict(&gateway, &mux, &mut traders);
}

/// Stops the traders also when a wait is in vain.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn verdict(gateway: &SimHandle, mux: &Mux, traders: &mut [Trader]) {
    let mut placed = BTreeSet::new();
    for a in gateway.arrivals().into_iter().filter(|a| a.kind == ArrivalKind::Place) {
        assert!(placed.insert(a.order_ref.clone()), "I5: order {} came twice", a.order_ref);
    }
    let book = gateway.book_orders();
    let mut open = 0;
    for trader in traders.iter_mut() {
        let rows = trader.c.ask("reqOpenOrders", &Record::new(), "openOrderEnd").expect("its open orders");
        let shown: BTreeSet<String> =
            rows.iter().filter(|m| m.name == "openOrder").map(|m| m.text("orderRef").to_owned()).collect();
        let mine = format!("{}-", trader.id);
        let works = book.iter().filter(|o| o.working && o.order_ref.starts_with(&mine));
        let there: BTreeSet<String> = works.map(|o| o.order_ref.clone()).collect();
        assert_eq!(shown, there, "client {}: its orders are those of the book", trader.id);
        open += there.len();
    }
    let stats = gateway.stats();
    println!(
        "{} orders sent, {} arrived, {open} open",
        traders.iter().map(|t| t.placed).sum::<i32>(),
        placed.len()
    );
    assert_eq!(stats.most_open, 1, "sockets ever open at once to the Gateway");
    assert_eq!(stats.malformed, 0, "{}", stats.last_malformed);
    assert_eq!(sockets::count(gateway.address().port(), State::CloseWait).expect("the kernel's table"), 0);
    assert_eq!(mux.status("/lines_total"), SYMBOLS.len() as i64, "one line for each thing that is watched");
}
