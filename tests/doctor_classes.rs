//! Each class that `doctor` tells apart, made by real processes and recognised by the program: its exit code, its name in JSON, its
//! words, and the process that it names.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use support::{mux_for, sim, wait_for, wait_until};
use twsmux::sockets::{self, State};

/// Tells the copy of this test program that it is to hold its standard input.
const HOLD: &str = "TWSMUX_TEST_HOLD_STDIN";

/// A process, ended on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `twsmux sim` as a process of its own: the Gateway.
fn gateway(zombie: &str) -> (Running, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["sim", "--listen", "127.0.0.1:0", "--zombie", zombie])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).expect("a ready line");
    let address = line.split_whitespace().find_map(|w| w.strip_prefix("sim=")).expect("its address");
    (Running(child), address.parse().unwrap())
}

/// A process under a chosen name that holds a socket.
fn holder(name: &str, socket: OwnedFd) -> (Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(name);
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &program).unwrap();
    let child = Command::new(program)
        .args(["--exact", "holds_its_standard_input_when_told_to"])
        .env(HOLD, "1")
        .stdin(socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Until it has executed its program it has this one's name.
    wait_until("it to have its name", || {
        std::fs::read_to_string(format!("/proc/{}/comm", child.id())).is_ok_and(|comm| comm.trim() == name)
    });
    (Running(child), folder)
}

/// Not a test of its own: what [`holder`]'s process does.
#[test]
fn holds_its_standard_input_when_told_to() {
    if std::env::var_os(HOLD).is_some() {
        // A listener cannot be read from: the process waits to be ended.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        loop {
            std::thread::park();
        }
    }
}

fn doctor(gateway: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["doctor", "--gateway", gateway])
        .args(more)
        .output()
        .unwrap()
}

/// Asserts the class at an address; gives back the whole diagnosis.
fn class(gateway: &str, code: i32, verdict: &str, words: &[&str]) -> Value {
    // A child that another test is starting holds copies of sockets for a moment.
    let (text, json) = wait_for(verdict, || {
        let text = doctor(gateway, &[]);
        let json = doctor(gateway, &["--json"]);
        let both = [text.status.code(), json.status.code()];
        (both == [Some(code); 2]).then_some((text.stdout, json.stdout))
    });
    let text = String::from_utf8(text).unwrap();
    for part in words {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["verdict"], &json["exit_code"]), (&json!(verdict), &json!(code)), "{json}");
    json
}

#[test]
fn healthy_and_the_gateways_process_is_named() {
    let (process, address) = gateway("off");
    let pid = format!("Process {} (twsmux sim)", process.0.id());
    class(&address.to_string(), 0, "healthy", &[&pid, "no socket is stuck", "nobody is connected"]);
}

#[test]
fn zombies_of_each_kind_with_their_process_and_what_to_do() {
    for (mode, kind, unread) in [
        ("eof-read", "not_closed", 0),
        ("fin-unread", "fin_unread", 0),
        ("handshake-unread", "handshake_unread", 17),
        ("never-accepted", "never_accepted", 17),
    ] {
        let (process, address) = gateway(mode);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"API\0\0\0\0\x09v100..176").unwrap();
        if unread == 0 {
            // All of the answer, because who hangs up on something unread does it by a reset.
            let mut length = [0; 4];
            client.read_exact(&mut length).unwrap();
            client.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]).unwrap();
        }
        drop(client);
        wait_until("its zombie", || sockets::count(address.port(), State::CloseWait) == Ok(1));
        let pid = format!("process {} (twsmux sim)", process.0.id());
        // The plain words: what is wrong, whose fault, the way out and what that costs.
        let words = [
            "stuck in CLOSE_WAIT",
            &pid,
            "Restart IB Gateway",
            "two-factor",
            "only twsmux",
            "--destroy-zombies",
        ];
        let json = class(&address.to_string(), 1, "zombies", &words);
        let zombie = &json["zombies"][0];
        assert_eq!((&zombie["kind"], &zombie["unread_bytes"]), (&json!(kind), &json!(unread)), "{mode}");
    }
}

#[test]
fn nothing_listens_when_the_gateways_process_has_ended() {
    let (process, address) = gateway("off");
    drop(process);
    class(&address.to_string(), 3, "nothing_listens", &["cut off", "log in", "two-factor", "4001 live"]);
}

#[test]
fn a_foreign_program_is_named_and_twsmux_is_not_one() {
    let gateway = sim(|_| {});
    let address = gateway.address().to_string();
    let mux = mux_for(&gateway, &[]);
    let json = class(&address, 0, "healthy", &["twsmux alone is connected"]);
    assert_eq!(json["own"][0]["processes"][0]["pid"], json!(mux.pid()));
    let (bot, _folder) = holder("bot", TcpStream::connect(gateway.address()).unwrap().into());
    let named = format!("process {} (bot)", bot.0.id());
    let json = class(&address, 4, "foreign", &[&named, "twsmux's listening address"]);
    assert_eq!(json["foreign"].as_array().unwrap().len(), 1);
}

#[test]
fn unknown_behind_a_forwarder() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (forwarder, _folder) = holder("socat", listener.into());
    let named = format!("process {} (socat)", forwarder.0.id());
    let json = class(&address, 5, "unknown", &["a forwarder", &named, "where the Gateway runs"]);
    assert_eq!(json["unknown"]["reason"], "forwarded");
}

#[test]
fn unknown_at_twsmux_itself() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let _client = TcpStream::connect(mux.listen).unwrap();
    class(&mux.listen.to_string(), 5, "unknown", &["twsmux itself", "Gateway's own address"]);
}

#[test]
fn unknown_elsewhere_and_under_no_name() {
    let json = class("203.0.113.9:4002", 5, "unknown", &["not an address of this machine"]);
    assert_eq!(json["unknown"]["reason"], "not_on_this_machine");
    let json = class("no-such-host.invalid:4002", 5, "unknown", &["has no address", "Check the name"]);
    assert_eq!(json["unknown"]["reason"], "unresolved");
}

#[test]
fn unknown_where_the_table_cannot_be_read() {
    let line = format!(
        "mount -t tmpfs none /proc && exec {} doctor --gateway 127.0.0.1:4002 --json",
        env!("CARGO_BIN_EXE_twsmux")
    );
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &line]).output();
    let Some(output) = output.ok().filter(|output| output.status.code() == Some(5)) else {
        println!("NOT RUN: hiding /proc from a process needs unshare and root");
        return;
    };
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["unknown"]["reason"], "table_unreadable", "{json}");
    assert!(json["findings"][0]["next"].to_string().contains("/proc is mounted"), "{json}");
}

#[test]
fn the_health_checks_of_the_manual_say_what_they_promise() {
    let manual = include_str!("../docs/operations.md");
    let line = manual.lines().find_map(|line| line.strip_prefix("HEALTHCHECK CMD ")).expect("Docker's");
    let unit = manual.lines().find_map(|line| line.strip_prefix("SuccessExitStatus=")).expect("systemd's");
    let fine: Vec<i32> = unit.split(' ').map(|code| code.parse().unwrap()).collect();
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_twsmux")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let (well, address) = gateway("off");
    let (wedged, zombie) = gateway("never-accepted");
    drop(TcpStream::connect(zombie).unwrap());
    wait_until("its zombie", || sockets::count(zombie.port(), State::CloseWait) == Ok(1));
    let (foreign, visited) = gateway("off");
    let (_bot, _folder) = holder("bot", TcpStream::connect(visited).unwrap().into());
    for (gateway, code) in [
        (address, 0),
        (zombie, 1),
        (visited, 4),
        ("203.0.113.9:4002".parse().unwrap(), 5),
        (([127, 0, 0, 1], 1).into(), 3),
    ] {
        let gateway = gateway.to_string();
        class(
            &gateway,
            code,
            sockets::EXIT_CODES.iter().find(|row| i32::from(row.code) == code).unwrap().name,
            &[],
        );
        let shell =
            Command::new("sh").args(["-c", line]).env("PATH", &path).env("TWSMUX_GATEWAY", &gateway).output();
        let ill = code == 1 || code == 3;
        assert_eq!(shell.unwrap().status.code(), Some(i32::from(ill)), "Docker, {gateway}");
        assert_eq!(code != 0 && !fine.contains(&code), ill, "systemd, {gateway}");
    }
    drop((well, wedged, foreign));
}
