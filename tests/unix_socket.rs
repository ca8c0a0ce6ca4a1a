//! A Unix socket as a listener: clients of it are clients like others, and its file is looked after.

#[path = "support/forwarder.rs"]
mod forwarder;
mod support;

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Mux, PATIENCE, distinct, mux_for, script, sim, wait_until};
use twsmux::sim::SimHandle;
use twsmux::sim::client::ApiClient;

/// A twsmux that listens on a Unix socket too, and the socket's path.
fn start(gateway: &SimHandle, dir: &Path, more: &[&str]) -> (Mux, PathBuf) {
    let path = dir.join("api.sock");
    let listen = format!("unix:{}", path.display());
    let mux = mux_for(gateway, &[&["--listen", &listen], more].concat());
    assert_eq!(mux.also, [listen], "the ready line names it");
    (mux, path)
}

/// What `run` says when it cannot start.
fn refusal(listen: &str) -> String {
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args([
            "run",
            "--upstream",
            "127.0.0.1:1",
            "--admin",
            "127.0.0.1:0",
            "--listen",
            listen,
            "--state-dir",
        ])
        .arg(state.path())
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn its_clients_see_what_clients_of_the_port_see() {
    let (over_tcp, over_unix) = (sim(|_| {}), sim(|_| {}));
    let dir = tempfile::tempdir().unwrap();
    let plain = mux_for(&over_tcp, &[]);
    let (_mux, path) = start(&over_unix, dir.path(), &[]);
    assert_eq!(distinct(&script(forwarder::to_unix(&path), 3)), distinct(&script(plain.listen, 3)));
}

#[test]
fn clients_of_both_kinds_are_apart_and_the_status_page_names_the_process() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let (mux, path) = start(&gateway, dir.path(), &[]);
    let mut one = ApiClient::open(mux.listen, 176, 1).unwrap();
    let mut two = ApiClient::open(forwarder::to_unix(&path), 176, 2).unwrap();
    let mut again = ApiClient::dial(forwarder::to_unix(&path)).unwrap();
    again.greet(100, 176, "").unwrap();
    again.start(1).unwrap();
    again.expect_error(-1, 326).unwrap();
    let me = format!("unix:uid={},pid={}", rustix::process::getuid().as_raw(), std::process::id());
    wait_until("two clients to be left, one of them with its process", || {
        mux.status("/clients/1/peer") == me.as_str() && mux.status("/clients/2").is_null()
    });
    one.fence().unwrap();
    two.fence().unwrap();
    drop(two);
    wait_until("the process's end to be noticed", || mux.status("/clients/1").is_null());
    assert_eq!(gateway.stats().accepted, 1);
}

#[test]
fn only_its_owner_may_connect_unless_told_otherwise() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (mux, path) = start(&gateway, dir.path(), &[]);
    assert_eq!(mode(&path), 0o600);
    drop(mux);
    let (_mux, path) = start(&gateway, dir.path(), &["--socket-mode", "0660"]);
    assert_eq!(mode(&path), 0o660);
}

#[test]
fn the_file_goes_with_twsmux_and_one_that_a_kill_left_behind_is_replaced() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let (mux, path) = start(&gateway, dir.path(), &[]);
    drop(mux); // a SIGKILL
    let left_behind = std::fs::metadata(&path).expect("nobody could remove it").ino();
    let (mut mux, path) = start(&gateway, dir.path(), &[]);
    ApiClient::open(forwarder::to_unix(&path), 176, 1).unwrap().fence().unwrap();
    let now = std::fs::metadata(&path).unwrap();
    println!("inode {left_behind}, now {}", now.ino());
    mux.signal("TERM");
    assert_eq!(mux.wait_exit().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn what_is_in_the_way_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let listen = format!("unix:{}", path.display());
    std::fs::write(&path, "a file of somebody").unwrap();
    let words = refusal(&listen);
    assert!(words.contains("no socket") && words.contains(&listen), "{words}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file of somebody");
    std::fs::remove_file(&path).unwrap();
    let _live = UnixListener::bind(&path).unwrap();
    let words = refusal(&listen);
    assert!(words.contains("listens there"), "{words}");
    UnixStream::connect(&path).expect("still there");
    let words = refusal(&format!("unix:{}/missing/api.sock", dir.path().display()));
    assert!(words.contains("No such file or directory"), "{words}");
    let words = refusal(&format!("unix:/{}", "long/".repeat(40) + "api.sock"));
    assert!(words.contains("cannot listen on"), "{words}");
}

#[test]
fn garbage_is_closed_without_a_word_and_one_that_does_not_read_harms_nobody() {
    let gateway = sim(|c| c.scanner_parameters_size = 4 << 20);
    let dir = tempfile::tempdir().unwrap();
    let more = ["--messages-per-second", "unlimited", "--slow-client-time", "2"];
    let (mux, path) = start(&gateway, dir.path(), &more);
    let mut foreign = UnixStream::connect(&path).unwrap();
    foreign.set_read_timeout(Some(PATIENCE)).unwrap();
    foreign.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = foreign.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    let mut deaf = UnixStream::connect(&path).unwrap();
    let frame = |payload: &[u8]| [&(payload.len() as u32).to_be_bytes()[..], payload].concat();
    deaf.write_all(&[&b"API\0"[..], &frame(b"v176..176"), &frame(b"71\x002\x005\0\0")].concat()).unwrap();
    for _ in 0..20 {
        deaf.write_all(&frame(b"24\x001\0")).unwrap();
    }
    mux.wait_log("wait to be read by this client");
    let mut other = ApiClient::open(mux.listen, 176, 2).unwrap();
    other.fence().unwrap();
    wait_until("only the other client to be left", || mux.status("/clients/1").is_null());
}
