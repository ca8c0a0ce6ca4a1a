//! A Gateway in trouble, case by case, on real sockets: each stand-in brings about the states in the kernel that a
//! Gateway in that case does. twsmux must name the case everywhere, and leave the Gateway alone.
#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use support::{Mux, PATIENCE, wait_until};
use twsmux::core::trouble::{Case, TABLE};
use twsmux::remedy;
use twsmux::sim::client::ApiClient;
use twsmux::sockets::{self, Snapshot, State};

/// Tells the copy of this test program that it is a child that holds a socket.
const HOLD: &str = "TWSMUX_TEST_HOLD_STDIN";

/// A listener that takes every connection and treats it in one way.
struct Gateway {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Gateway {
    /// Accepts, does `treat` to each connection, and keeps what that leaves.
    fn start(treat: impl Fn(TcpStream) -> Option<TcpStream> + Send + 'static) -> Gateway {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, accepted) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = accepted.clone();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                kept.extend(treat(stream));
            }
        });
        Gateway { address, accepted }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// Reads the greeting.
fn read_greeting(stream: &mut TcpStream) {
    let mut greeting = [0; 4096];
    assert!(stream.read(&mut greeting).unwrap() > 0);
}

/// Answers with a version, once the greeting is read.
fn answer_version(stream: &mut TcpStream) {
    read_greeting(stream);
    let text = b"176\x0020261123 22:27:38 CET\0";
    stream.write_all(&[&(text.len() as u32).to_be_bytes(), &text[..]].concat()).unwrap();
}

/// The lines of the log that tell the whole case, with all that can be done.
fn told_in_log(mux: &Mux, case: Case) -> usize {
    mux.log()
        .lines()
        .filter(|line| line.contains(case.row().means) && line.contains("What to do: 1."))
        .count()
}

/// Waits for the case and asserts that it is told everywhere, with its words. Gives back what `/status` says of it.
fn assert_told(mux: &Mux, case: Case) -> Value {
    let row = case.row();
    wait_until(row.name, || mux.status("/upstream/trouble/case") == row.name);
    let told = mux.status("/upstream/trouble");
    let seen = row.seen.replace("{gateway}", &mux.upstream.to_string());
    assert!(told["seen"].as_str().unwrap().contains(&seen), "{told}");
    assert_eq!((&told["means"], &told["steps"]), (&json!(row.means), &json!(row.steps)));
    assert!(told["since_seconds"].as_f64().unwrap() >= 0.0, "{told}");

    let (code, page) = mux.answer("/readyz");
    assert_eq!(code, 503, "{page}");
    for words in [&*seen, row.means, row.name].into_iter().chain(row.steps.iter().copied()) {
        assert!(page.contains(words), "{words} is not in /readyz:\n{page}");
    }
    let metrics = mux.page("/metrics");
    for other in TABLE {
        let holds = u8::from(other.case == case);
        let line = format!("twsmux_upstream_trouble{{case=\"{}\"}} {holds}", other.name);
        assert!(metrics.lines().any(|l| l == line), "no {line}");
    }

    let mut client = ApiClient::dial(mux.listen).unwrap();
    client.patience = PATIENCE;
    client.greet(100, 176, "").expect("the version reply is never held back");
    client.start(7).unwrap();
    let refused = client.expect_error(-1, 504).expect("the reason");
    let words = refused.text("errorMsg");
    let first = row.steps[0].trim_end_matches('.');
    for said in [&*seen, row.means, first] {
        assert!(words.contains(said), "{said} is not in the 504: {words}");
    }
    client.expect_closed().expect("and closed");

    let status = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["status", "--admin", &mux.admin.to_string()])
        .output()
        .unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    for words in [row.name, &*seen, row.means].into_iter().chain(row.steps.iter().copied()) {
        assert!(status.contains(words), "{words} is not in `twsmux status`:\n{status}");
    }
    assert_eq!(told_in_log(mux, case), 1, "once in the log:\n{}", mux.log());
    told
}

#[test]
fn nothing_listens() {
    // Bound and not listening, so that nobody else is given the port.
    let reserved = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    reserved.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = reserved.local_addr().unwrap().as_socket().unwrap();
    let mux = Mux::start(&address.to_string(), &[]);
    assert_told(&mux, Case::NotListening);
}

#[test]
fn a_listener_whose_queue_is_full() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    wait_until("a queue that takes no more", || {
        let client = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address.into());
        waiting.push(client);
        sockets::count(address.port(), State::Established) == Ok(1)
            && Snapshot::of_port(address.port()).unwrap().sockets().iter().any(|s| s.state == State::SynSent)
    });
    let mux = Mux::start(&address.to_string(), &[]);
    assert_told(&mux, Case::Unreachable);
}

/// Connections of a client that has hung up, as a Gateway can leave them, with the kind's name in JSON.
fn zombie(kind: &str) -> (TcpListener, SocketAddr, Option<TcpStream>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    let mut held = (kind != "never_accepted").then(|| listener.accept().unwrap().0);
    if kind != "fin_unread" {
        client.write_all(b"API\0").unwrap();
    }
    drop(client);
    wait_until("CLOSE_WAIT", || sockets::count(address.port(), State::CloseWait) == Ok(1));
    if let Some(held) = held.as_mut().filter(|_| kind == "not_closed") {
        held.read_to_end(&mut Vec::new()).unwrap();
    }
    (listener, address, held)
}

#[test]
fn zombies_of_every_kind_are_not_dialled() {
    for kind in ["never_accepted", "handshake_unread", "fin_unread", "not_closed"] {
        let (listener, address, _held) = zombie(kind);
        let mux = Mux::start(&address.to_string(), &[]);
        let told = assert_told(&mux, Case::Zombies);
        for (other, n) in told["zombies"].as_object().unwrap() {
            assert_eq!(n, u64::from(other == kind), "{other} for {kind}");
        }
        assert!(mux.log().contains(remedy::RESTART) && remedy::RESTART.contains("two-factor"));
        listener.set_nonblocking(true).unwrap();
        if kind == "never_accepted" {
            listener.accept().unwrap();
        }
        assert!(listener.accept().is_err(), "nobody dialled");
    }
}

#[test]
fn a_connection_that_is_never_accepted() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mux = Mux::start(&listener.local_addr().unwrap().to_string(), &[]);
    assert_told(&mux, Case::NotAccepted);
    listener.set_nonblocking(true).unwrap();
    let _one = listener.accept().expect("the one connection");
    assert!(listener.accept().is_err(), "and no other");
}

#[test]
fn a_greeting_that_is_never_read() {
    let gateway = Gateway::start(Some);
    let mux = Mux::start(&gateway.address.to_string(), &[]);
    let told = assert_told(&mux, Case::GreetingUnread);
    assert!(told["seen"].as_str().unwrap().contains("17 bytes of it are unread"), "{told}");
    assert_eq!(gateway.accepted(), 1);
}

#[test]
fn a_greeting_that_is_read_and_not_answered() {
    let gateway = Gateway::start(|mut stream| {
        read_greeting(&mut stream);
        Some(stream)
    });
    let mux = Mux::start(&gateway.address.to_string(), &[]);
    assert_told(&mux, Case::NoAnswer);
    assert_eq!(gateway.accepted(), 1);
}

#[test]
fn a_version_and_then_nothing() {
    let gateway = Gateway::start(|mut stream| {
        answer_version(&mut stream);
        Some(stream)
    });
    let mux = Mux::start(&gateway.address.to_string(), &[]);
    let told = assert_told(&mux, Case::NotStarted);
    assert!(told["seen"].as_str().unwrap().contains("bytes of startApi are unread"), "{told}");
    assert_eq!(gateway.accepted(), 1);
}

#[test]
fn a_connection_that_is_closed_at_once() {
    let gateway = Gateway::start(|mut stream| {
        read_greeting(&mut stream);
        None
    });
    let mux = Mux::start(&gateway.address.to_string(), &[]);
    assert_told(&mux, Case::ClosedInHandshake);
    assert_eq!(gateway.accepted(), 1, "the next attempt comes after 15 s");
}

#[test]
fn another_program_at_the_address() {
    let gateway = Gateway::start(|mut stream| {
        read_greeting(&mut stream);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        Some(stream)
    });
    let mux = Mux::start(&gateway.address.to_string(), &[]);
    assert_told(&mux, Case::Misunderstood);
    assert_eq!(gateway.accepted(), 1);
}

#[test]
fn a_gateway_behind_a_forwarder_is_out_of_sight() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _forwarder = Holder::start(&folder.path().join("socat"), listener.try_clone().unwrap());
    let mux = Mux::start(&address.to_string(), &[]);
    let told = assert_told(&mux, Case::OutOfSight);
    assert!(told["seen"].as_str().unwrap().contains("forwarder"), "{told}");
    assert!(mux.page("/readyz").contains("twsmux doctor"));
    listener.set_nonblocking(true).unwrap();
    let _one = listener.accept().expect("the one connection");
    assert!(listener.accept().is_err(), "and no other");
}

#[test]
fn a_case_lasts_over_the_attempts_and_is_logged_once() {
    let gateway = Gateway::start(Some);
    let mux = Mux::start(
        &gateway.address.to_string(),
        &["--handshake-time", "1", "--backoff-min", "0.1", "--backoff-max", "0.2"],
    );
    wait_until("four attempts", || gateway.accepted() >= 4);
    wait_until("the case", || mux.status("/upstream/trouble/case") == "greeting_unread");
    let since = mux.status("/upstream/trouble/since_seconds").as_f64().unwrap();
    assert!(since > 2.0, "since the first attempt, not the last: {since}");
    assert_eq!(told_in_log(&mux, Case::GreetingUnread), 1, "{}", mux.log());
    assert!(mux.log().contains("it did not finish the handshake in 1 s"));
    let of_twsmux = |state| sockets::count(gateway.address.port(), state).unwrap();
    assert!(of_twsmux(State::Established) <= 1, "one connection at a time");
    assert_eq!(of_twsmux(State::CloseWait), 0, "and no zombie of ours");
}

#[test]
fn a_case_is_over_when_the_gateway_is_ready() {
    let gateway = Gateway::start({
        let first = AtomicUsize::new(0);
        move |mut stream| match first.fetch_add(1, Ordering::SeqCst) {
            0 => None,
            _ => {
                support::hand_shake(&mut stream).unwrap();
                Some(stream)
            }
        }
    });
    let mux = Mux::start(&gateway.address.to_string(), &["--backoff-min", "2"]);
    wait_until("the case", || mux.status("/upstream/trouble/case") == "closed_in_handshake");
    mux.wait_ready();
    wait_until("readiness", || mux.answer("/readyz").0 == 200);
    assert_eq!(mux.status("/upstream/trouble"), Value::Null);
    assert!(
        !mux.page("/metrics").lines().any(|l| l.starts_with("twsmux_upstream_trouble") && l.ends_with(" 1"))
    );
}

/// A child process under a chosen name that holds a socket as its standard input. Killed on drop.
struct Holder(Child);

impl Holder {
    fn start(program: &std::path::Path, socket: impl Into<OwnedFd>) -> Holder {
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), program).unwrap();
        let child = Command::new(program)
            .args(["--exact", "holds_its_standard_input_when_told_to", "--nocapture"])
            .env(HOLD, "1")
            .stdin(socket.into())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test but the body of [`Holder`]'s child: it stays until it is killed.
#[test]
fn holds_its_standard_input_when_told_to() {
    if std::env::var_os(HOLD).is_some() {
        loop {
            std::thread::park();
        }
    }
}
