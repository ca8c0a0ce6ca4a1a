//! kill -9 of the real process in a loop, under order flow, on real sockets and a real journal: afterwards no order was
//! sent twice, no upstream id was used twice, and every client's book is the Gateway's book of its orders.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::{Mux, PATIENCE, sim, wait_until};
use twsmux::ids::UpOrderId;
use twsmux::journal::{FileDisk, Journal, State};
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::{ApiClient, Received, order};
use twsmux::sim::{ArrivalKind, SimHandle};

/// Deaths.
const ROUNDS: u64 = 50;
/// Clients that trade at once, all from the same order id on.
const CLIENTS: i32 = 4;
const VERSIONS: [u16; 4] = [157, 176, 176, 157];

/// What one client knows of its orders, over all its connections.
#[derive(Default)]
struct Book {
    id: i32,
    used: i32,
    /// By order id: what it last heard.
    orders: BTreeMap<i32, Mine>,
    /// Executions as live fills and in answers.
    fills: BTreeMap<String, u32>,
    listed: BTreeSet<i32>,
}

#[derive(Debug, Default)]
struct Mine {
    round: u64,
    over: bool,
    errors: Vec<i64>,
    /// A connection broke after it was sent: what was in it and not read is not known.
    gap: bool,
}

impl Book {
    fn token(&self, id: i32) -> String {
        format!("{}-{id}", self.id)
    }

    fn hears(&mut self, m: &Received) {
        let (id, own) = (m.int("orderId") as i32, m.int("clientId") == i64::from(self.id));
        match m.name {
            "openOrder" => {
                assert!(own, "client {} was shown {}", self.id, m.line());
                assert_eq!(
                    m.text("orderRef"),
                    self.token(id),
                    "order {id} of client {} is another one",
                    self.id
                );
                self.listed.insert(id);
            }
            "orderStatus" => {
                assert!(own && self.orders.contains_key(&id), "client {} was shown {}", self.id, m.line());
                let over = matches!(m.text("status"), "Filled" | "Cancelled");
                self.orders.get_mut(&id).expect("checked").over = over;
            }
            "execDetails" if own => {
                assert!(self.orders.contains_key(&id), "client {} was shown {}", self.id, m.line());
                *self.fills.entry(m.text("execId").to_owned()).or_default() += u32::from(m.int("reqId") < 0);
            }
            "execDetails" => assert!(m.int("reqId") >= 0, "client {}: a stranger's fill", self.id),
            "error" => {
                if let Some(mine) = self.orders.get_mut(&(m.int("id") as i32)) {
                    mine.errors.push(m.int("errorCode"));
                }
            }
            _ => {}
        }
    }

    fn hears_all(&mut self, c: &mut ApiClient) {
        for m in std::mem::take(&mut c.transcript) {
            self.hears(&m);
        }
    }

    /// Connects, checks the first messages, and says what nextValidId is.
    fn connect(&mut self, address: SocketAddr, patience: Duration) -> Option<ApiClient> {
        let version = VERSIONS[self.id as usize % VERSIONS.len()];
        let mut c = ApiClient::dial(address).ok()?;
        c.patience = patience;
        let started = c.greet(100, version, "").and_then(|_| c.start(self.id));
        let next = started.and_then(|_| c.expect("nextValidId")).ok()?.int("orderId") as i32;
        self.hears_all(&mut c);
        assert!(next > self.used, "client {}: nextValidId {next} after {} was used", self.id, self.used);
        self.used = self.used.max(next - 1);
        Some(c)
    }

    /// Trades until the connection breaks. Each order is at work before the next step, so that kills fall everywhere.
    fn trade(&mut self, address: SocketAddr, round: u64, sent: &AtomicU64) {
        let Some(mut c) = self.connect(address, PATIENCE) else { return };
        let mut step = || -> Option<()> {
            for n in 0..10_000u64 {
                let id = self.used + 1;
                self.used = id;
                self.orders.insert(id, Mine { round, ..Mine::default() });
                let limit = if n % 3 == 0 { "1000000" } else { "1.0" };
                let mut place = order(id, "AAPL", if n % 2 == 0 { "BUY" } else { "SELL" }, 2, "LMT", limit);
                if n % 2 == 1 {
                    place.set("lmtPrice", if n % 3 == 0 { "0.5" } else { "900000" });
                }
                place.set("orderRef", self.token(id));
                c.send("placeOrder", &place).ok()?;
                sent.fetch_add(1, Ordering::Relaxed);
                c.find("its status", |m| m.name == "orderStatus" && m.int("orderId") == i64::from(id))
                    .ok()?;
                self.hears_all(&mut c);
                if n % 4 == 2 {
                    c.send("cancelOrder", &record! { orderId: id }).ok()?;
                }
            }
            None
        };
        step();
        self.hears_all(&mut c);
        self.orders.values_mut().filter(|o| o.round == round).for_each(|o| o.gap = true);
    }
}

fn journal(state: &Path, gateway: &SimHandle) -> State {
    let folder = state.join(gateway.address().to_string().replace(':', "_"));
    let (_, recovered) = Journal::open(FileDisk::new(&folder)).expect("a readable journal");
    recovered.state
}

#[test]
fn killed_fifty_times_under_order_flow() {
    let gateway = sim(|c| {
        c.fill_size = 1.0;
        c.fill_delay = Duration::from_millis(3);
    });
    let state = tempfile::tempdir().unwrap();
    let upstream = gateway.address().to_string();
    let mut books: Vec<Book> = (1..=CLIENTS).map(|id| Book { id, ..Book::default() }).collect();
    let sent = AtomicU64::new(0);
    let start = |state: &Path| {
        let mux =
            Mux::start_in(state, &upstream, &["--messages-per-second", "unlimited", "--backoff-min", "0.05"]);
        mux.wait_ready();
        mux
    };
    for round in 0..ROUNDS {
        let mux = start(state.path());
        let before = sent.load(Ordering::Relaxed);
        // Anything from the first order on its way to many at work.
        let enough = before + 1 + (round * 7) % 40;
        std::thread::scope(|scope| {
            for book in &mut books {
                let (address, sent) = (mux.listen, &sent);
                scope.spawn(move || book.trade(address, round, sent));
            }
            wait_until("orders on their way", || sent.load(Ordering::Relaxed) >= enough);
            mux.signal("KILL");
        });
    }
    // In the end nobody dies, and every client asks for everything.
    let mux = start(state.path());
    for book in &mut books {
        let mut c = book.connect(mux.listen, PATIENCE).expect("the last connection");
        c.fence().expect("what was kept for it");
        book.hears_all(&mut c);
        book.listed.clear();
        c.ask("reqOpenOrders", &Record::new(), "openOrderEnd").expect("open orders");
        c.ask("reqExecutions", &record! { reqId: 1_000_000 }, "execDetailsEnd").expect("executions");
        book.hears_all(&mut c);
    }
    let state = {
        drop(mux);
        journal(state.path(), &gateway)
    };
    verdict(&gateway, &books, &state);
    let stats = gateway.stats();
    println!(
        "{ROUNDS} kills: {} orders sent, {} arrived, {} executions, sockets ever open at once {}",
        sent.load(Ordering::Relaxed),
        stats.orders_placed,
        gateway.book_executions().len(),
        stats.most_open
    );
    assert_eq!(stats.most_open, 1, "I1");
    assert_eq!(stats.zombies, 0);
}

fn verdict(gateway: &SimHandle, books: &[Book], journal: &State) {
    let mut ids: BTreeMap<i32, String> = BTreeMap::new();
    let mut placed: BTreeSet<String> = BTreeSet::new();
    for a in gateway.arrivals().into_iter().filter(|a| a.kind == ArrivalKind::Place) {
        assert!(placed.insert(a.order_ref.clone()), "I5: order {} came twice", a.order_ref);
        let before = ids.insert(a.order_id, a.order_ref.clone());
        assert_eq!(before, None, "I4: upstream order id {} came twice", a.order_id);
        let known = journal.orders.get(&UpOrderId(a.order_id)).expect("I5: it was recorded before it left");
        assert_eq!(format!("{}-{}", known.owner, known.down), a.order_ref, "the journal knows whose it is");
    }
    let orders = gateway.book_orders();
    for book in books {
        for (id, mine) in &book.orders {
            let token = book.token(*id);
            let there = orders.iter().find(|o| o.order_ref == token);
            let told = mine.over || mine.errors.iter().any(|code| *code != 161) || mine.gap;
            match there {
                Some(o) if o.working => {
                    assert!(!mine.over, "client {}: order {id} lives and was said to be over", book.id);
                    assert!(
                        book.listed.contains(id),
                        "client {}: order {id} lives and is not listed",
                        book.id
                    );
                }
                Some(o) => {
                    assert!(!book.listed.contains(id), "client {}: order {id} is over and listed", book.id);
                    assert!(told, "client {}: nobody said how order {id} ended: {mine:?} {o:?}", book.id);
                }
                None => {
                    assert!(told, "client {}: order {id} is nowhere and nobody said so: {mine:?}", book.id)
                }
            }
        }
    }
    for e in gateway.book_executions() {
        let book = books.iter().find(|b| e.order_ref.starts_with(&format!("{}-", b.id))).expect("an owner");
        assert!(book.fills.contains_key(&e.exec_id), "client {}: fill {} was never told", book.id, e.exec_id);
    }
}
