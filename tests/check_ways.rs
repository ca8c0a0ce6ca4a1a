//! `twsmux check` through the other kinds of listeners: a Unix socket, TLS, TLS with certificates on both sides.

#[path = "support/certificates.rs"]
mod certificates;
mod support;

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use certificates::{Ca, Files, Signed};
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use support::{Manners, Mux, PATIENCE, Standin, mux_for, sim, wait_until};
use twsmux::sim::SimHandle;

/// Patience of a check that is expected to get its answer.
const LONG: &str = "20";

fn command(connect: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    command.args(["check", "--timeout", LONG, "--connect", connect]).args(more);
    command.env_remove("TWSMUX_CONNECT").stdin(Stdio::null());
    command
}

/// The exit code and all words.
fn words(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().expect("it exits by itself"), String::from_utf8_lossy(&text).into_owned())
}

fn check(connect: &str, more: &[&str]) -> (i32, String) {
    words(&command(connect, more).output().expect("the binary runs"))
}

/// Asserts how a check ends, in words and in JSON.
fn ends(connect: &str, more: &[&str], code: i32, name: &str, expected: &[&str]) {
    let (found, text) = check(connect, more);
    assert_eq!(found, code, "{text}");
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    for part in expected {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let (found, text) = check(connect, &[more, &["--json"]].concat());
    let object: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(
        (found, &object["result"], &object["exit_code"]),
        (code, &json!(name), &json!(code)),
        "{text}"
    );
    assert_eq!(object["connect"], json!(connect));
}

/// Asserts that it gets through, as a program would and as a liveness check would.
fn passes(connect: &str, more: &[&str]) {
    let output = command(connect, more).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "DU9000001\n", "{}", words(&output).1);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(check(connect, &[more, &["--alive"]].concat()), (0, "alive\n".to_owned()));
}

fn nothing_is_left(mux: &Mux, gateway: &SimHandle) {
    wait_until("twsmux to have forgotten the checks", || mux.status("/clients") == json!([]));
    let stats = gateway.stats();
    assert_eq!((stats.accepted, stats.fins, stats.resets), (1, 0, 0), "the Gateway noticed nothing");
}

// ---- a Unix socket ----

#[test]
fn a_unix_socket_is_reached_as_the_ready_line_writes_it() {
    let (gateway, dir) = (sim(|_| {}), tempfile::tempdir().unwrap());
    let listen = format!("unix:{}", dir.path().join("api.sock").display());
    let mux = mux_for(&gateway, &["--listen", &listen]);
    passes(&mux.also[0], &[]);
    nothing_is_left(&mux, &gateway);
}

#[test]
fn a_unix_socket_that_cannot_be_used_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let connect = format!("unix:{}", path.display());
    ends(&connect, &[], 3, "nothing_listens", &["Nothing answers at", &connect, "Start `twsmux run`"]);

    // Somebody listens and takes nobody, and the queue is full.
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let address = SockAddr::unix(&path).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(1).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        match socket.connect(&address) {
            Ok(()) => waiting.push(socket),
            Err(_) => break,
        }
        assert!(waiting.len() < 100, "the queue has an end");
    }
    ends(&connect, &[], 8, "no_answer", &["no room for another", "/livez"]);
    drop((listener, waiting));
    // The file is there, and nobody listens.
    ends(&connect, &[], 3, "nothing_listens", &["refused"]);
}

#[test]
fn a_unix_socket_of_another_user_says_so() {
    if !rustix::process::geteuid().is_root() {
        println!("NOT RUN: only root can run a program as another user");
        return;
    }
    let (gateway, dir) = (sim(|_| {}), tempfile::tempdir().unwrap());
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let listen = format!("unix:{}", dir.path().join("api.sock").display());
    let mux = mux_for(&gateway, &["--listen", &listen]);
    match command(&mux.also[0], &[]).uid(65_534).gid(65_534).output() {
        Err(error) => println!("NOT RUN: another user may not run the binary: {error}"),
        Ok(output) => {
            let (code, text) = words(&output);
            assert_eq!(code, 5, "{text}");
            assert!(text.contains("permission denied") && text.contains("socket_mode"), "{text}");
        }
    }
}

// ---- TLS ----

/// A twsmux with a TLS listener, and files for its clients.
struct Setup {
    gateway: SimHandle,
    server: Ca,
    clients: Ca,
    files: Files,
    mux: Mux,
    /// `tls://127.0.0.1:PORT`.
    tls: String,
}

fn setup(mutual: bool, days: i32, more: &[&str]) -> Setup {
    let gateway = sim(|_| {});
    let (server, clients) = (Ca::new("server CA"), Ca::new("client CA"));
    let signed = server.sign(&["twsmux.test", "127.0.0.1"], days);
    let files = Files::new(&signed, mutual.then_some(&clients));
    let flags = files.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mux = mux_for(&gateway, &[&["--listen", "tls://127.0.0.1:0"], &flags[..], more].concat());
    let tls = mux.also[0].clone();
    Setup { gateway, server, clients, files, mux, tls }
}

impl Setup {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.files.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn ca(&self) -> String {
        self.file("server-ca.pem", &self.server.pem)
    }

    /// The flags with which this certificate is shown.
    fn showing(&self, signed: &Signed) -> Vec<String> {
        let (cert, key) = (self.file("me.pem", &signed.cert), self.file("me.key", &signed.key));
        ["--tls-ca".into(), self.ca(), "--tls-cert".into(), cert, "--tls-key".into(), key].into()
    }
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn through_tls_with_a_certificate_of_its_own() {
    let s = setup(true, 300, &["--tls-client-names", "strategy-a"]);
    let flags = s.showing(&s.clients.sign(&["strategy-a"], 300));
    passes(&s.tls, &strs(&flags));
    passes(&s.tls, &[&strs(&flags)[..], &["--tls-name", "twsmux.test"]].concat());
    // With a CA the plain spelling means TLS too.
    passes(s.tls.strip_prefix("tls://").unwrap(), &strs(&flags));
    nothing_is_left(&s.mux, &s.gateway);
}

#[test]
fn through_tls_where_clients_need_no_certificate() {
    let s = setup(false, 300, &[]);
    passes(&s.tls, &["--tls-ca", &s.ca()]);
    nothing_is_left(&s.mux, &s.gateway);
}

#[test]
fn a_certificate_of_twsmux_that_is_not_accepted_exits_9() {
    let s = setup(false, 300, &[]);
    let stranger = s.file("stranger.pem", &Ca::new("another CA").pem);
    let wrong = |more: &[&str], part: &str| {
        ends(&s.tls, more, 9, "server_certificate", &["is not accepted", part, "--tls-ca", "--tls-name"]);
    };
    wrong(&["--tls-ca", &stranger], "UnknownIssuer");
    wrong(&["--tls-ca", &s.ca(), "--tls-name", "other.test"], "other.test");
    let (code, text) = check(&s.tls, &["--alive", "--tls-ca", &stranger]);
    assert_eq!(code, 9, "{text}");
    let expired = setup(false, -1, &[]);
    ends(&expired.tls, &["--tls-ca", &expired.ca()], 9, "server_certificate", &["expired", "renewing"]);
    wait_until("none to have reached the core", || s.mux.status("/totals/clients") == json!(0));
}

#[test]
fn a_certificate_that_twsmux_does_not_accept_exits_10() {
    let s = setup(true, 300, &["--tls-client-names", "strategy-a"]);
    let none = ["--tls-ca", &s.ca()];
    ends(&s.tls, &none, 10, "client_certificate", &["wants a certificate", "--tls-cert", "tls_client_ca"]);
    for (what, signed) in [
        ("another CA", Ca::new("another CA").sign(&["strategy-a"], 300)),
        ("expired", s.clients.sign(&["strategy-a"], -1)),
        ("a name that may not connect", s.clients.sign(&["strategy-x"], 300)),
    ] {
        println!("{what}");
        let flags = s.showing(&signed);
        let expected = ["did not accept the certificate of --tls-cert", "tls_client_names", "log"];
        ends(&s.tls, &strs(&flags), 10, "client_certificate", &expected);
        let (code, text) = check(&s.tls, &[&strs(&flags)[..], &["--alive"]].concat());
        assert_eq!(code, 10, "{text}");
    }
    assert_eq!(s.mux.status("/totals/clients"), json!(0), "none reached the core");
    assert_eq!(s.gateway.stats().accepted, 1);
}

#[test]
fn a_listener_of_another_kind_is_told() {
    let s = setup(false, 300, &[]);
    let ca = s.ca();
    // Plain to TLS, TLS to plain, TLS to what speaks neither, TLS to what says nothing.
    let port = s.tls.strip_prefix("tls://").unwrap();
    ends(port, &[], 7, "not_twsmux", &["it answers in TLS", "--tls-ca"]);
    let tls = |addr: SocketAddr| format!("tls://{addr}");
    let plain = tls(s.mux.listen);
    ends(&plain, &["--tls-ca", &ca], 5, "refused", &["during the TLS handshake", "leave out tls://"]);
    ends(&tls(s.mux.admin), &["--tls-ca", &ca], 7, "not_twsmux", &["TLS handshake failed"]);
    let mute = Standin::start(Manners::Mute);
    let short = ["--tls-ca", &ca, "--timeout", "0.3"];
    let (code, text) = words(
        &Command::new(env!("CARGO_BIN_EXE_twsmux"))
            .args(["check", "--connect", &tls(mute.addr)])
            .args(short)
            .output()
            .unwrap(),
    );
    assert!(code == 8 && text.contains("within 0.3 s during the TLS handshake"), "{code}: {text}");
    mute.assert_clean();
}

#[test]
fn a_peer_that_drips_in_the_tls_handshake_does_not_hold_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = format!("tls://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // The time of a read is the pause of the drip: the head of a long record, and byte after byte of it.
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let mut head = [0x16, 3, 3, 0x3f, 0xff, 2, 0, 0x3f, 0].into_iter().chain(std::iter::repeat(0));
            while std::io::Write::write_all(&mut stream, &[head.next().unwrap()]).is_ok() {
                let _ = stream.read(&mut [0; 1024]);
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, Ca::new("any").pem).unwrap();
    let begin = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["check", "--connect", &connect, "--timeout", "1", "--tls-ca", &ca.display().to_string()])
        .output()
        .unwrap();
    assert_eq!(words(&output).0, 8, "{}", words(&output).1);
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn arguments_that_do_not_fit_together_exit_2() {
    let s = setup(true, 300, &[]);
    let (ca, own) = (s.ca(), s.clients.sign(&["strategy-a"], 300));
    let (cert, key) = (s.file("own.pem", &own.cert), s.file("own.key", &own.key));
    let other_key = s.file("other.key", &s.clients.sign(&["x"], 1).key);
    let no_pem = s.file("no.pem", "not a certificate");
    let unix = "unix:/run/twsmux/api.sock";
    for (connect, more, part) in [
        (&s.tls[..], &[][..], "needs --tls-ca"),
        (&s.tls, &["--tls-ca", "/nonexistent"][..], "cannot be read"),
        (&s.tls, &["--tls-ca", &no_pem], "no certificate in PEM form"),
        (&s.tls, &["--tls-ca", &ca, "--tls-cert", &cert], "--tls-key"),
        (&s.tls, &["--tls-cert", &cert, "--tls-key", &key], "--tls-ca"),
        (&s.tls, &["--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &other_key], "cannot be used together"),
        (&s.tls, &["--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &no_pem], "no private key"),
        (&s.tls, &["--tls-ca", &ca, "--tls-name", "no name"], "is no name of a host"),
        (&s.tls, &["--tls-name", "twsmux.test"], "--tls-ca"),
        (unix, &["--tls-ca", &ca], "has no TLS"),
        ("unix:api.sock", &[], "absolute path"),
        ("udp://127.0.0.1:x", &[], "tls://HOST:PORT"),
    ] {
        let (code, text) = check(connect, more);
        assert_eq!(code, 2, "{connect} {more:?}: {text}");
        assert!(text.contains(part), "{part:?} in {text}");
    }
}
