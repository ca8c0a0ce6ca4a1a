//! The allow-list: who is not on it is reset at once and reaches neither the core nor the Gateway.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;

use socket2::{Domain, Socket, Type};
use support::{Mux, PATIENCE, mux_for, sim, wait_until};
use twsmux::sim::client::ApiClient;

/// A connection from another address of this machine.
fn dial_from(source: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let source: IpAddr = source.parse().unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect(&to.into())?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What a client from there gets for its greeting: a version, or a reset.
fn greeting_from(source: &str, to: SocketAddr) -> Result<u8, ErrorKind> {
    let greet = || {
        let mut stream = dial_from(source, to)?;
        stream.write_all(b"API\0\0\0\0\x09v100..176")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first[0])
    };
    greet().map_err(|error: std::io::Error| error.kind())
}

fn refused(mux: &Mux) -> u64 {
    let page = mux.page("/metrics");
    let name = "twsmux_connections_refused_total{reason=\"not_allowed\"} ";
    page.lines().find_map(|line| line.strip_prefix(name)).expect("the metric").parse().expect("a number")
}

fn was_reset(kind: ErrorKind) -> bool {
    // By which call it is noticed is chance.
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

#[test]
fn who_is_not_on_the_list_is_reset_counted_and_heard_of_no_further() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &["--allow", "127.0.0.1,127.0.0.8/29"]);
    assert_eq!(greeting_from("127.0.0.9", mux.listen), Ok(0));
    let mut inside = ApiClient::open(mux.listen, 176, 1).unwrap();
    for n in 1..=200 {
        let end = greeting_from("127.0.0.2", mux.listen).expect_err("not on the list");
        assert!(was_reset(end), "{n}: {end:?}");
    }
    wait_until("the refusals to be counted", || refused(&mux) == 200);
    inside.fence().unwrap();
    wait_until("the core to have heard of those that were let in and of nobody else", || {
        mux.status("/totals/clients") == 2 && mux.status("/clients/1").is_null()
    });
    assert_eq!(gateway.stats().accepted, 1);
    mux.wait_log("refused a connection of 127.0.0.2");
    let lines = mux.log().lines().filter(|line| line.contains("127.0.0.2")).count();
    assert!(lines <= 3, "{lines} lines for 200 refusals");
}

#[test]
fn a_hangup_changes_the_list_for_new_connections() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("twsmux.toml");
    std::fs::write(&file, "allow = [\"127.0.0.1/32\"]\n").unwrap();
    let mux = mux_for(&gateway, &["--config", &file.display().to_string()]);
    let mut first = ApiClient::open(mux.listen, 176, 1).unwrap();
    assert!(was_reset(greeting_from("127.0.0.2", mux.listen).unwrap_err()));
    std::fs::write(&file, "allow = [\"127.0.0.2/32\"]\n").unwrap();
    mux.signal("HUP");
    mux.wait_log("Applied: allow = [\"127.0.0.2/32\"] (was [\"127.0.0.1/32\"])");
    wait_until("the new list to hold", || greeting_from("127.0.0.2", mux.listen) == Ok(0));
    assert!(was_reset(greeting_from("127.0.0.1", mux.listen).unwrap_err()));
    first.fence().expect("who is connected stays");
    // A mistake keeps the list.
    std::fs::write(&file, "allow = [\"0.0.0.0/0\"]\n").unwrap();
    mux.signal("HUP");
    mux.wait_log("is everybody");
    assert!(was_reset(greeting_from("127.0.0.1", mux.listen).unwrap_err()));
}

#[test]
fn the_check_wants_a_list_for_a_wide_listener_and_says_how() {
    let check = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_twsmux")).args(["config", "check"]).args(args).output();
        let output = output.expect("the binary starts");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, words) = check(&["--listen", "0.0.0.0:4010"]);
    assert_eq!(code, Some(2), "{words}");
    for part in ["the flag --listen", "whoever reaches it can trade", "`allow`", "ssh -L"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(check(&["--listen", "0.0.0.0:4010", "--allow", "192.168.1.0/24"]), (Some(0), String::new()));
    let (code, words) = check(&["--listen", "0.0.0.0:4010", "--allow", "0.0.0.0/0"]);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("everybody"), "{words}");
    let (code, words) = check(&["--admin", "0.0.0.0:9410", "--allow", "192.168.1.0/24"]);
    assert_eq!(code, Some(2), "the admin endpoint stays at home: {words}");
}
