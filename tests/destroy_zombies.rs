//! `doctor --destroy-zombies` on a real process that leaks sockets: its zombies end in the kernel, and nothing else does.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use support::{Manners, Mux, PATIENCE, Standin, mux_for, sim, wait_for, wait_until};
use twsmux::sockets::destroy::{self, Outcome};
use twsmux::sockets::{self, State};

/// The environment by which this test binary runs itself as a program that leaks.
const LEAKER: &str = "LEAKER_LISTENS_AT";

/// Whether this process may end sockets of others, and the kernel can. Says loudly what is not tested otherwise.
fn may() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("a mask");
    if u64::from_str_radix(mask.trim(), 16).unwrap() >> 12 & 1 == 0 {
        println!(
            "NOT RUN: ending sockets needs CAP_NET_ADMIN; what is refused without it is tested all the same"
        );
        return false;
    }
    let leaker = Leaker::start("127.0.0.1:0");
    leaker.zombie(b"");
    leaker.until_zombies(1);
    match told(leaker.addr, &["--yes"]).0 {
        9 => println!(
            "NOT RUN: this kernel has no CONFIG_INET_DIAG_DESTROY; messages and choice have unit tests"
        ),
        code => assert_eq!(code, 0),
    }
    leaker.zombies() == 0
}

/// A process that listens, accepts when told to, and never closes what it accepted. Killed on drop.
struct Leaker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    addr: SocketAddr,
}

impl Leaker {
    fn start(listen: &str) -> Leaker {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "leaks_when_told_to", "--nocapture"])
            .env(LEAKER, listen)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary runs");
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut leaker = Leaker { child, to, from, addr: ([0, 0, 0, 0], 0).into() };
        leaker.addr = leaker.answer("port").parse().unwrap();
        leaker
    }

    /// What it says after a word, skipping what the test harness prints.
    fn answer(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.from.read_line(&mut line).expect("an answer"), 0, "it ended before {word}");
            if let Some(rest) = line.trim_end().strip_prefix(&format!("{word} ")) {
                return rest.to_owned();
            }
        }
    }

    fn tell(&mut self, order: &str) -> String {
        writeln!(self.to, "{order}").expect("it lives");
        self.answer(order.split(' ').next().unwrap())
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).expect("it listens")
    }

    /// A client that hangs up when it has said this.
    fn zombie(&self, said: &[u8]) {
        self.connect().write_all(said).expect("said");
    }

    fn zombies(&self) -> usize {
        sockets::count(self.addr.port(), State::CloseWait).expect("the kernel's table")
    }

    fn until_zombies(&self, n: usize) {
        wait_until("CLOSE_WAIT", || self.zombies() == n);
    }
}

impl Drop for Leaker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test of its own: the program that leaks.
#[test]
fn leaks_when_told_to() {
    let Ok(listen) = std::env::var(LEAKER) else { return };
    let listen: SocketAddr = listen.parse().unwrap();
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP)).unwrap();
    if listen.is_ipv6() {
        socket.set_only_v6(false).unwrap();
    }
    socket.bind(&listen.into()).unwrap();
    socket.listen(16).unwrap();
    let listener = TcpListener::from(socket);
    let addr = listener.local_addr().unwrap();
    let near = if addr.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, addr.port()).into() } else { addr };
    println!("\nport {near}");
    let mut kept: Vec<TcpStream> = Vec::new();
    for order in std::io::stdin().lines().map_while(Result::ok) {
        let (word, number) = order.split_once(' ').unwrap_or((&order, "0"));
        let n: usize = number.parse().unwrap();
        let said = match word {
            "accept" => {
                kept.push(listener.accept().unwrap().0);
                kept.len().to_string()
            }
            // Nothing of this program has closed anything.
            "open" => kept.iter().filter(|s| s.local_addr().is_ok()).count().to_string(),
            "write" => format!("{:?}", kept[n].write(b"x").map_err(|e| e.kind())),
            "read" => format!("{:?}", kept[n].read(&mut [0; 64]).map_err(|e| e.kind())),
            other => panic!("{other}"),
        };
        println!("{word} {said}");
    }
}

fn command(addr: SocketAddr, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    command
        .args(["doctor", "--gateway", &addr.to_string(), "--destroy-zombies"])
        .args(more)
        .stdin(Stdio::null());
    command
}

fn words(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().expect("it exits by itself"), String::from_utf8_lossy(&text).into_owned())
}

/// The exit code, and everything that it prints.
fn told(addr: SocketAddr, more: &[&str]) -> (i32, String) {
    words(&command(addr, more).output().expect("the binary runs"))
}

#[test]
fn the_zombies_end_and_nothing_else_does() {
    if !may() {
        return;
    }
    let (mut gateway, other) = (Leaker::start("127.0.0.1:0"), Leaker::start("127.0.0.1:0"));
    let mut alive = gateway.connect();
    gateway.tell("accept");
    gateway.zombie(b"API\0\0\0\0\x09v100..176");
    gateway.tell("accept");
    gateway.zombie(b"");
    gateway.tell("accept");
    gateway.zombie(b"never accepted");
    other.zombie(b"");
    gateway.until_zombies(3);
    other.until_zombies(1);

    let (code, text) = told(gateway.addr, &["--yes"]);
    assert_eq!(code, 0, "{text}");
    for said in
        ["3 sockets ended", "0 in CLOSE_WAIT now", "17 bytes and the hang-up unread", "never accepted"]
    {
        assert!(text.contains(said), "{said:?} in {text}");
    }
    assert!(text.contains(&format!("held by process {} (", gateway.child.id())), "{text}");
    assert!(text.contains("Whether the Gateway recovers") && text.contains("two-factor"), "honest: {text}");
    assert_eq!(gateway.zombies(), 0);
    assert_eq!(other.zombies(), 1, "another port's stay");

    // The program has all its descriptors; what it does with one that was ended is an error, once as such.
    assert_eq!(gateway.tell("open"), "3");
    assert_eq!(gateway.tell("write 1"), "Err(ConnectionAborted)");
    assert_eq!(gateway.tell("write 1"), "Err(BrokenPipe)");
    // The connection that lives on the same port goes on in both directions.
    alive.write_all(b"still here").unwrap();
    assert_eq!(gateway.tell("read 0"), "Ok(10)");
    assert_eq!(gateway.tell("write 0"), "Ok(1)");
    alive.set_read_timeout(Some(PATIENCE)).unwrap();
    alive.read_exact(&mut [0]).unwrap();
    // It goes on listening, too.
    let _more = gateway.connect();
    assert_eq!((gateway.tell("accept"), gateway.tell("accept")), ("4".into(), "5".into()));
}

#[test]
fn a_dual_stack_gateways_zombies_of_both_families_end() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("NOT RUN: this machine has no IPv6");
        return;
    }
    if !may() {
        return;
    }
    let gateway = Leaker::start("[::]:0");
    gateway.zombie(b"");
    drop(TcpStream::connect(("::1", gateway.addr.port())).unwrap());
    gateway.until_zombies(2);
    let output = command(gateway.addr, &["--yes", "--json"]).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON alone on stdout");
    assert_eq!(
        (output.status.code(), &json["outcome"], &json["exit_code"]),
        (Some(0), &json!("ended"), &json!(0))
    );
    assert_eq!(json["ended"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!((&json["remaining"], &json["spared"]), (&json!([]), &json!([])));
    assert_eq!(gateway.zombies(), 0);
}

#[test]
fn it_asks_and_only_yes_is_yes() {
    let gateway = Leaker::start("127.0.0.1:0");
    gateway.zombie(b"");
    gateway.until_zombies(1);
    if !may() {
        return;
    }
    let (code, text) = told(gateway.addr, &[]);
    assert_eq!(code, 7, "{text}");
    assert!(text.contains("no terminal to ask on") && text.contains("--yes"), "{text}");
    assert_eq!(gateway.zombies(), 1);
    for (answer, code, left) in [("n\n", 7, 1), ("\n", 7, 1), ("yesterday\n", 7, 1), ("y\n", 0, 0)] {
        let binary = env!("CARGO_BIN_EXE_twsmux");
        let line = format!("{binary} doctor --gateway {} --destroy-zombies", gateway.addr);
        // `script` gives it a terminal.
        let mut asked = Command::new("script");
        asked.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = asked.spawn() else { return println!("NOT RUN: there is no `script` here") };
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let (found, text) = words(&child.wait_with_output().unwrap());
        assert_eq!(found, code, "{answer:?}: {text}");
        assert!(text.contains("Destroy these 1? [y/N]"), "{text}");
        assert_eq!(gateway.zombies(), left, "{answer:?}");
    }
}

#[test]
fn without_the_right_nothing_happens_and_the_words_say_what_is_missing() {
    let gateway = Leaker::start("127.0.0.1:0");
    gateway.zombie(b"");
    gateway.until_zombies(1);
    let mut command = command(gateway.addr, &["--yes", "--json"]);
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            println!("NOT RUN: another user may not run {}", env!("CARGO_BIN_EXE_twsmux"));
            return;
        }
        output => output.expect("the binary runs"),
    };
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &json["outcome"]), (Some(8), &json!("not_permitted")), "{json}");
    let happened = json["happened"].as_str().unwrap();
    assert!(happened.contains("CAP_NET_ADMIN") && happened.starts_with("0 sockets ended"), "{happened}");
    assert!(json["next"].to_string().contains("as root"), "{json}");
    assert_eq!(json["remaining"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.zombies(), 1);
}

#[test]
fn where_there_is_nothing_to_end_or_to_see_it_says_so() {
    let gateway = Leaker::start("127.0.0.1:0");
    let (code, text) = told(gateway.addr, &["--yes"]);
    assert!(
        code == 6 && text.contains("nothing to do") && text.contains("No socket of the Gateway is stuck"),
        "{text}"
    );
    let (code, text) = told("203.0.113.9:4002".parse().unwrap(), &["--yes"]);
    assert!(code == 5 && text.contains("unknown") && text.contains("Nothing was touched"), "{text}");
    let usage = Command::new(env!("CARGO_BIN_EXE_twsmux")).args(["doctor", "--yes"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2), "--yes alone means nothing");
}

#[test]
fn a_twsmux_that_is_taken_for_the_gateway_is_left_alone() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let client = TcpStream::connect(mux.listen).unwrap();
    wait_until("it to be accepted", || mux.status("/clients") != json!([]));
    // Stopped, it cannot close what its client closes.
    mux.signal("STOP");
    drop(client);
    wait_until("CLOSE_WAIT", || sockets::count(mux.listen.port(), State::CloseWait) == Ok(1));
    let (code, text) = told(mux.listen, &["--yes"]);
    assert!(code == 5 && text.contains("twsmux itself"), "{text}");
    assert_eq!(sockets::count(mux.listen.port(), State::CloseWait), Ok(1));
    mux.signal("CONT");
}

#[test]
fn a_connection_that_took_the_place_of_one_that_was_seen_is_not_ended() {
    if !may() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = listener.local_addr().unwrap();
    let dial = |from: SocketAddr| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&gateway.into()).map(|()| TcpStream::from(socket))
    };
    let close_waits = || sockets::count(gateway.port(), State::CloseWait);
    let first = dial("127.0.0.1:0".parse().unwrap()).unwrap();
    let (held, from) = listener.accept().unwrap();
    first.shutdown(Shutdown::Write).unwrap();
    wait_until("CLOSE_WAIT", || close_waits() == Ok(1));
    let plan = destroy::plan(&gateway.to_string()).expect("a zombie");
    assert_eq!(plan.zombies().len(), 1);
    // Gone by a reset, so that the addresses are free at once, and taken by another connection.
    SockRef::from(&held).set_linger(Some(Duration::ZERO)).unwrap();
    drop((held, first));
    let second = wait_for("the addresses to be free", || dial(from).ok());
    let (_held, again) = listener.accept().unwrap();
    assert_eq!(again, from, "the same two ends");
    second.shutdown(Shutdown::Write).unwrap();
    wait_until("CLOSE_WAIT again", || close_waits() == Ok(1));
    listener.set_nonblocking(true).unwrap();
    let report = plan.carry_out();
    assert!(listener.accept().is_err(), "nothing of this connects to the Gateway");
    assert_eq!(
        (report.outcome, report.ended.len(), report.remaining.len()),
        (Outcome::Remaining, 0, 1),
        "{report}"
    );
    assert_eq!(close_waits(), Ok(1));
}

#[test]
fn a_gateway_that_is_stuck_on_nothing_else_gets_its_chance() {
    if !may() {
        return;
    }
    // It never closes, but it would answer.
    let gateway = Standin::start(Manners::Complete);
    let half = TcpStream::connect(gateway.addr).unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    wait_until("its zombie", || gateway.count(State::CloseWait) == 1);
    let mux = Mux::start(&gateway.addr.to_string(), &[]);
    mux.wait_log("CLOSE_WAIT");
    assert_eq!(gateway.accepted(), 1, "twsmux does not dial it");
    let (code, text) = told(gateway.addr, &["--yes"]);
    assert_eq!(code, 0, "{text}");
    mux.wait_ready();
}
