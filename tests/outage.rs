//! The Gateway goes away and comes back: clients keep their sockets, everything open ends, nothing is sent twice.

mod support;

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use support::{Mux, PATIENCE, mux_for, sim, wait_until};
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::{ApiClient, Received, order, stock};
use twsmux::sim::{Close, SimHandle};

/// A twsmux that does not wait long after a failure.
fn eager(gateway: &SimHandle) -> Mux {
    mux_for(gateway, &["--backoff-min", "0.2", "--backoff-max", "0.5"])
}

fn started(mux: &Mux, id: i32) -> ApiClient {
    let mut c = ApiClient::open(mux.listen, 176, id).expect("started");
    c.patience = PATIENCE;
    c.expect_error(-1, 2158).expect("farm notices");
    c
}

fn subscribe(c: &mut ApiClient, id: i32) {
    let mut ask = stock("AAPL");
    ask.set("reqId", id);
    c.send("reqMktData", &ask).unwrap();
    c.find("ticks", |m| m.name == "tickPrice" && m.int("reqId") == i64::from(id)).unwrap();
}

#[test]
fn an_outage_keeps_the_clients_and_what_they_have_subscribed() {
    for how in [Close::Graceful, Close::Reset] {
        let gateway = sim(|_| {});
        let mux = eager(&gateway);
        let (mut a, mut b) = (started(&mux, 1), started(&mux, 2));
        subscribe(&mut a, 7);
        a.send("placeOrder", &order(1, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
        a.expect("orderStatus").unwrap();
        gateway.refuse_connections().unwrap();
        gateway.close_all(how);
        a.expect_error(-1, 1100).expect("told once");
        b.expect_error(-1, 1100).unwrap();
        // What is asked meanwhile is refused in the shape that libraries understand.
        a.send("placeOrder", &order(2, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
        a.expect_error(2, 201).expect("a new order is dead");
        a.send("placeOrder", &order(1, "AAPL", "BUY", 5, "LMT", "1.1")).unwrap();
        a.expect_error(1, 399).expect("a modification leaves the order alive");
        a.send("cancelOrder", &record! { orderId: 1 }).unwrap();
        a.expect_error(1, 399).expect("so does a cancel");
        let mut details = stock("AAPL");
        details.set("reqId", 8);
        a.send("reqContractDetails", &details).unwrap();
        let mut snapshot = stock("AAPL");
        snapshot.set("reqId", 9).set("snapshot", 1);
        a.send("reqMktData", &snapshot).unwrap();
        a.expect_error(9, 504).expect("a snapshot does not wait");
        a.ask("reqManagedAccts", &Record::new(), "managedAccounts").expect("from memory");

        gateway.accept_connections().unwrap();
        a.expect_error(-1, 1102).expect("back, and nothing is lost");
        b.expect_error(-1, 1102).unwrap();
        a.transcript.clear();
        a.find("ticks", |m| m.name == "tickPrice" && m.int("reqId") == 7).expect("the subscription goes on");
        let answered = |m: &Received| m.name == "contractDetailsEnd" && m.int("reqId") == 8;
        if !a.transcript.iter().any(answered) {
            a.find("the answer", answered).expect("the question has waited");
        }
        let count = |c: &ApiClient, code: i64| {
            c.transcript.iter().filter(|m| m.name == "error" && m.int("errorCode") == code).count()
        };
        assert_eq!((count(&a, 1100), count(&a, 1101), count(&b, 1102)), (0, 0, 1));
        a.send("cancelOrder", &record! { orderId: 1 }).unwrap();
        a.find("the cancel", |m: &Received| m.name == "orderStatus" && m.text("status") == "Cancelled")
            .unwrap();
        let stats = gateway.stats();
        assert_eq!(stats.orders_placed, 1, "the refused order was never sent");
        assert_eq!(stats.most_open, 1, "one socket at a time");
        assert_eq!(stats.malformed, 0, "{}", stats.last_malformed);
    }
}

#[test]
fn a_client_stays_at_its_version_when_the_gateway_restarts_with_another_one() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &["--backoff-min", "0.2", "--max-server-version", "latest"]);
    let mut c = ApiClient::dial(mux.listen).unwrap();
    c.patience = PATIENCE;
    c.greet(100, 176, "").unwrap();
    c.start(1).unwrap();
    c.expect("nextValidId").unwrap();
    for version in [170, 226, 157] {
        gateway.configure(|config| config.max_version = version);
        gateway.restart().unwrap();
        c.expect_error(-1, 1102).expect("back");
        let mut details = stock("AAPL");
        details.set("reqId", i64::from(version));
        let answer = c.ask("reqContractDetails", &details, "contractDetailsEnd").unwrap();
        assert!(
            answer.iter().any(|m| m.name == "contractDetails" && m.text("longName") == "APPLE INC"),
            "{version}"
        );
    }
    let mut new = ApiClient::dial(mux.listen).unwrap();
    assert_eq!(new.greet(100, 176, "").unwrap().version, 157, "a new one follows the Gateway");
    assert_eq!(gateway.stats().malformed, 0, "{}", gateway.stats().last_malformed);
}

#[test]
fn a_script_that_places_and_closes_at_once_has_placed() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut c = started(&mux, 1);
    c.send("placeOrder", &order(1, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
    drop(c);
    gateway.wait(PATIENCE, |s| s.orders_placed == 1).expect("the order arrives");
    // The Gateway answers in order: after this, twsmux has heard of the order.
    started(&mux, 2).ask("reqAllOpenOrders", &Record::new(), "openOrderEnd").unwrap();
    let mut again = ApiClient::dial(mux.listen).unwrap();
    again.patience = PATIENCE;
    again.greet(100, 176, "").unwrap();
    again.start(1).unwrap();
    let shown = again.exactly("openOrder").expect("its live order is shown first");
    assert_eq!((shown.int("orderId"), shown.int("clientId")), (1, 1));
}

#[test]
fn what_is_queued_when_sigterm_comes_is_sent() {
    let gateway = sim(|_| {});
    // Slow enough that most of it is still queued.
    let mut mux = mux_for(&gateway, &["--messages-per-second", "20"]);
    let mut c = started(&mux, 1);
    for id in 1..=40 {
        c.send("placeOrder", &order(id, "AAPL", "BUY", 1, "LMT", "1.0")).unwrap();
    }
    c.fence().expect("all of it was read");
    mux.signal("TERM");
    assert_eq!(mux.wait_exit().code(), Some(0));
    let stats = gateway.stats();
    assert_eq!(stats.orders_placed, 40, "drained before the close");
    assert_eq!(stats.fins, 0, "and closed by reset");
}

#[test]
fn a_second_run_says_in_one_line_why_it_cannot() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let state = tempfile::tempdir().unwrap();
    let run = |args: &[&str], code: i32| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_twsmux"))
            .args(["run", "--upstream", "127.0.0.1:1", "--admin", "127.0.0.1:0", "--state-dir"])
            .arg(state.path())
            .args(args)
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(code));
        String::from_utf8(out.stderr).unwrap()
    };
    let busy = run(&["--listen", &mux.listen.to_string()], 1);
    assert_eq!(busy.lines().count(), 1, "{busy}");
    assert!(busy.contains(&mux.listen.to_string()) && busy.contains("another twsmux"), "{busy}");
    let wide = run(&["--listen", "0.0.0.0:0"], 2);
    assert_eq!(wide.lines().count(), 1, "{wide}");
    assert!(wide.contains("loopback"), "{wide}");
}

#[test]
fn a_flood_is_spread_over_time_and_every_request_is_answered() {
    // The rate itself is held in virtual time (core_sim): a busy machine delays what this Gateway reads, and two
    // seconds' messages would count as one's. What holds on any machine is the time that it must take at least.
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &["--messages-per-second", "40"]);
    let mut c = started(&mux, 1);
    let begin = Instant::now();
    for id in 1..=100 {
        let mut ask = stock(&format!("SYM{id:04}"));
        ask.set("reqId", id);
        c.send("reqContractDetails", &ask).unwrap();
    }
    for _ in 1..=100 {
        c.expect("contractDetailsEnd").expect("every request is answered");
    }
    assert!(begin.elapsed() >= Duration::from_secs(2), "100 messages at 40 a second need two full windows");
    wait_until("all answered", || mux.status("/requests") == 0);
}

/// A Gateway that stops reading and then resets: the socket is full and dead at once.
#[test]
fn a_reset_while_the_gateway_takes_nothing_is_noticed_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (reset, when) = mpsc::channel::<()>();
    let gateway = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        drop(listener);
        support::hand_shake(&mut stream).unwrap();
        when.recv().unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let mux = Mux::start(&address.to_string(), &["--messages-per-second", "unlimited"]);
    mux.wait_ready();
    let mut c = ApiClient::open(mux.listen, 176, 1).expect("started");
    c.patience = PATIENCE;
    // More than two sockets' buffers hold.
    let pattern = "x".repeat(900 << 10);
    for id in 1..=24 {
        c.send("reqMatchingSymbols", &record! { reqId: id, pattern: &pattern }).unwrap();
    }
    c.fence().expect("all of it was read");
    reset.send(()).unwrap();
    gateway.join().unwrap();
    c.expect_error(-1, 1100).expect("told long before silence would count as death");
    c.expect_error(24, 504).expect("every request ends");
}

#[test]
fn subscriptions_that_the_gateway_has_lost_at_its_servers_go_on() {
    let gateway = sim(|_| {});
    let mux = eager(&gateway);
    let (mut a, mut b) = (started(&mux, 1), started(&mux, 2));
    subscribe(&mut a, 7);
    subscribe(&mut b, 3);
    gateway.drive(|g, now| g.lose_connectivity(now));
    for c in [&mut a, &mut b] {
        c.expect_error(-1, 1100).expect("as the Gateway says it");
    }
    gateway.drive(|g, now| g.restore_connectivity(now, true));
    for (c, id) in [(&mut a, 7), (&mut b, 3)] {
        c.expect_error(-1, 1102).expect("what was lost has been subscribed again");
        c.transcript.clear();
        c.find("ticks", |m| m.name == "tickPrice" && m.int("reqId") == id).expect("they go on");
    }
    assert_eq!((gateway.stats().lines, gateway.stats().count(1)), (1, 2), "one line, asked for twice");
    assert_eq!(gateway.stats().malformed, 0, "{}", gateway.stats().last_malformed);
}
