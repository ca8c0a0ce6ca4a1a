//! `doctor` on real sockets: every state is built on loopback and read back from the kernel's table.
#![cfg(target_os = "linux")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use twsmux::sockets::owners::Process;
use twsmux::sockets::{self, Diagnosis, OutOfSight, State, Verdict, ZombieKind, examine};

/// Longest wait for the kernel or a child to get somewhere.
const PATIENCE: Duration = Duration::from_secs(20);
/// Tells the copy of this test program that it is a child that holds a connection.
const HOLD: &str = "TWSMUX_TEST_HOLD_STDIN";

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// A Gateway's port: a listener that accepts only when told to.
fn gateway() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn until_close_wait(address: SocketAddr, sockets: usize) {
    until("CLOSE_WAIT", || sockets::count(address.port(), State::CloseWait) == Ok(sockets));
}

/// The diagnosis, as soon as its verdicts are these. A child that another test is just starting holds copies of this
/// process's sockets until it has executed its program, so that a close may be late and a holder may be seen too many.
fn diagnosis(address: SocketAddr, verdicts: &[Verdict]) -> Diagnosis {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = examine(&address.to_string(), &[]);
        if found.verdicts == verdicts {
            return found;
        }
        assert!(Instant::now() < deadline, "{verdicts:?} expected, found {found}");
        std::thread::yield_now();
    }
}

/// Whether this test program is among the processes.
fn is_me(processes: &[Process]) -> bool {
    processes.iter().any(|p| p.pid == std::process::id())
}

/// Asserts that the port has exactly one zombie, of this kind and with this many bytes unread.
fn assert_one_zombie(address: SocketAddr, kind: ZombieKind, unread_bytes: u32) {
    until_close_wait(address, 1);
    let found = diagnosis(address, &[Verdict::Zombies]);
    assert_eq!(
        (found.zombies.len(), found.zombies[0].kind, found.zombies[0].unread_bytes),
        (1, kind, unread_bytes)
    );
    assert_eq!(sockets::zombies_on(address), Some(1));
}

#[test]
fn a_port_that_listens_and_is_left_alone_is_healthy() {
    let (_listener, address) = gateway();
    let found = diagnosis(address, &[Verdict::Healthy]);
    assert_eq!(found.exit_code, 0);
    assert_eq!(found.listeners[0].address, address);
    assert!(is_me(&found.listeners[0].processes));
    assert_eq!(sockets::zombies_on(address), Some(0));
}

#[test]
fn a_port_where_nothing_listens_is_not_healthy() {
    // Bound and not listening, so that no other test is given the port.
    let reserved = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    reserved.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = reserved.local_addr().unwrap().as_socket().unwrap();
    assert_eq!(diagnosis(address, &[Verdict::NothingListens]).exit_code, 3);
}

#[test]
fn handshake_bytes_unread() {
    let (listener, address) = gateway();
    let mut client = TcpStream::connect(address).unwrap();
    let _held = listener.accept().unwrap();
    client.write_all(b"API\0\0\0\0\x09v100..176").unwrap();
    drop(client);
    assert_one_zombie(address, ZombieKind::HandshakeUnread, 17);
}

#[test]
fn only_the_fin_unread() {
    let (listener, address) = gateway();
    let client = TcpStream::connect(address).unwrap();
    let _held = listener.accept().unwrap();
    drop(client);
    assert_one_zombie(address, ZombieKind::FinUnread, 0);
}

#[test]
fn bytes_read_and_only_the_fin_unread() {
    let (listener, address) = gateway();
    let mut client = TcpStream::connect(address).unwrap();
    let (mut held, _) = listener.accept().unwrap();
    client.write_all(b"API\0").unwrap();
    held.read_exact(&mut [0; 4]).unwrap();
    drop(client);
    assert_one_zombie(address, ZombieKind::FinUnread, 0);
}

#[test]
fn end_of_stream_read_and_never_closed() {
    let (listener, address) = gateway();
    let mut client = TcpStream::connect(address).unwrap();
    let (mut held, _) = listener.accept().unwrap();
    client.write_all(b"API\0").unwrap();
    drop(client);
    assert_eq!(held.read_to_end(&mut Vec::new()).unwrap(), 4);
    assert_one_zombie(address, ZombieKind::NotClosed, 0);
}

#[test]
fn never_accepted() {
    let (_listener, address) = gateway();
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"API\0").unwrap();
    drop(client);
    assert_one_zombie(address, ZombieKind::NeverAccepted, 4);
    assert_eq!(diagnosis(address, &[Verdict::Zombies]).listeners[0].accept_queue, 1);
}

#[test]
fn a_zombie_goes_when_the_gateway_closes_it() {
    let (listener, address) = gateway();
    drop(TcpStream::connect(address).unwrap());
    let held = listener.accept().unwrap();
    until_close_wait(address, 1);
    drop(held);
    until_close_wait(address, 0);
    diagnosis(address, &[Verdict::Healthy]);
}

#[test]
fn a_foreign_program_is_named_by_its_process() {
    let (listener, address) = gateway();
    let client = TcpStream::connect(address).unwrap();
    let _held = listener.accept().unwrap();
    let found = diagnosis(address, &[Verdict::Foreign]);
    assert_eq!(found.exit_code, 4);
    assert_eq!(found.foreign.len(), 1, "two ends, one connection: {found}");
    assert_eq!(found.foreign[0].peer, client.local_addr().unwrap());
    assert_eq!(found.foreign[0].state, State::Established);
    assert!(is_me(&found.foreign[0].processes));

    let mine = examine(&address.to_string(), &[client.local_addr().unwrap()]);
    assert_eq!(mine.verdicts, [Verdict::Healthy], "unless the caller says that it is its own");
}

#[test]
fn a_program_that_hung_up_half_way_is_named_beside_its_zombie() {
    let (listener, address) = gateway();
    let client = TcpStream::connect(address).unwrap();
    let _held = listener.accept().unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    until_close_wait(address, 1);
    let found = diagnosis(address, &[Verdict::Zombies, Verdict::Foreign]);
    assert_eq!(found.exit_code, 1);
    assert!(is_me(&found.zombies[0].peer_processes) && is_me(&found.zombies[0].processes));
}

#[test]
fn a_socket_held_by_a_process_named_twsmux_is_not_foreign() {
    let (listener, address) = gateway();
    let folder = tempfile::tempdir().unwrap();
    let twsmux = Holder::start(folder.path(), "twsmux", TcpStream::connect(address).unwrap());
    let _held = listener.accept().unwrap();
    let found = diagnosis(address, &[Verdict::Healthy]);
    assert_eq!(found.own.len(), 1);
    assert!(found.own[0].processes.iter().any(|p| p.pid == twsmux.child.id()));

    let bot = Holder::start(folder.path(), "bot", TcpStream::connect(address).unwrap());
    let _held_too = listener.accept().unwrap();
    let found = diagnosis(address, &[Verdict::Foreign]);
    assert_eq!((found.own.len(), found.foreign.len()), (1, 1));
    assert!(found.foreign[0].processes.iter().any(|p| p.pid == bot.child.id() && p.command == "bot"));
}

#[test]
fn a_dual_stack_listener_is_seen_with_its_ipv4_peers() {
    let Some((listener, address)) = dual_stack() else {
        println!("NOT RUN: this machine has no IPv6");
        return;
    };
    diagnosis(address, &[Verdict::Healthy]);
    let client = TcpStream::connect(address).unwrap();
    let _held = listener.accept().unwrap();
    let found = diagnosis(address, &[Verdict::Foreign]);
    assert_eq!((found.foreign.len(), found.foreign[0].peer), (1, client.local_addr().unwrap()));
    drop(client);
    assert_one_zombie(address, ZombieKind::FinUnread, 0);
    assert_eq!(diagnosis(address, &[Verdict::Zombies]).zombies[0].local, address);
}

/// A listener as Java makes it, and its IPv4 address on loopback.
fn dual_stack() -> Option<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).ok()?;
    socket.set_only_v6(false).ok()?;
    socket.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).ok()?;
    socket.listen(16).unwrap();
    let listener = TcpListener::from(socket);
    let port = listener.local_addr().unwrap().port();
    Some((listener, (Ipv4Addr::LOCALHOST, port).into()))
}

#[test]
fn a_gateway_elsewhere_is_unknown_and_not_healthy() {
    let found = examine("203.0.113.9:4002", &[]);
    assert_eq!((found.verdicts, found.exit_code), (vec![Verdict::Unknown], 5));
    assert_eq!(found.unknown, Some(OutOfSight::NotOnThisMachine));
    assert_eq!(sockets::zombies_on("203.0.113.9:4002".parse().unwrap()), None);
}

#[test]
fn many_zombies_are_counted_one_by_one() {
    let (listener, address) = gateway();
    let held: Vec<_> = (0..50)
        .map(|_| {
            drop(TcpStream::connect(address).unwrap());
            listener.accept().unwrap()
        })
        .collect();
    until_close_wait(address, held.len());
    assert_eq!(diagnosis(address, &[Verdict::Zombies]).zombies.len(), held.len());
}

#[test]
fn the_program_says_it_in_words_and_by_its_exit_code_and_never_connects() {
    let (listener, address) = gateway();
    listener.set_nonblocking(true).unwrap();
    let nobody_came = || assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);

    let healthy = doctor(address, &[]);
    assert_eq!(healthy.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&healthy.stdout).contains("healthy"));
    nobody_came();

    let client = TcpStream::connect(address).unwrap();
    let _held = listener.accept().unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    until_close_wait(address, 1);
    let text = doctor(address, &[]);
    assert_eq!(text.status.code(), Some(1));
    let words = String::from_utf8_lossy(&text.stdout);
    for said in ["CLOSE_WAIT", "two-factor", "only twsmux", "foreign", "hang-up unread"] {
        assert!(words.contains(said), "{said} is missing in:\n{words}");
    }
    let json = doctor(address, &["--json"]);
    assert_eq!(json.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["verdicts"], serde_json::json!(["zombies", "foreign"]));
    assert_eq!(json["zombies"][0]["kind"], "fin_unread");
    let holders = json["foreign"][0]["processes"].as_array().unwrap();
    assert!(holders.iter().any(|p| p["pid"] == std::process::id()), "{holders:?}");
    nobody_came();

    drop(listener);
    assert_eq!(doctor("203.0.113.9:4002".parse().unwrap(), &[]).status.code(), Some(5));
    let usage =
        Command::new(env!("CARGO_BIN_EXE_twsmux")).args(["doctor", "--gateway", "4002"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

fn doctor(address: SocketAddr, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    command.args(["doctor", "--gateway", &address.to_string()]).args(more).output().unwrap()
}

/// A child process under a chosen name that holds one connection as its standard input. Killed on drop.
struct Holder {
    child: Child,
}

impl Holder {
    fn start(folder: &Path, name: &str, connection: TcpStream) -> Holder {
        let program = folder.join(name);
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &program).unwrap();
        let child = Command::new(program)
            .args(["--exact", "holds_its_standard_input_when_told_to"])
            .env(HOLD, "1")
            .stdin(OwnedFd::from(connection))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Holder { child }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test but the body of [`Holder`]'s child.
#[test]
fn holds_its_standard_input_when_told_to() {
    if std::env::var_os(HOLD).is_some() {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
}
