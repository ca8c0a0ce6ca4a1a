//! TLS listeners: who has no right certificate is refused before a byte of the API is read, everybody else sees what a client
//! of a plain port sees.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/forwarder.rs"]
mod forwarder;
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certificates::{Ca, Files, Signed, named};
use forwarder::{Target, forward};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use support::{Mux, PATIENCE, distinct, mux_for, script, sim, wait_until};
use twsmux::protocol::layout::Record;
use twsmux::sim::SimHandle;
use twsmux::sim::client::{ApiClient, ClientError};

const GREETING: &[u8] = b"API\0\0\0\0\x09v100..176";
const BOTH: &[&rustls::SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// A CA for the server, one for its clients, and a twsmux with a TLS listener beside the plain one.
struct Setup {
    gateway: SimHandle,
    server: Ca,
    clients: Ca,
    _files: Files,
    mux: Mux,
    tls: SocketAddr,
}

fn setup(more: &[&str]) -> Setup {
    setup_with(sim(|c| c.scanner_parameters_size = 4 << 20), more)
}

fn setup_with(gateway: SimHandle, more: &[&str]) -> Setup {
    let (server, clients) = (Ca::new("server CA"), Ca::new("client CA"));
    let files = Files::new(&server.sign(&["twsmux.test"], 300), Some(&clients));
    let (mux, tls) = start(&gateway, &files, more);
    Setup { gateway, server, clients, _files: files, mux, tls }
}

fn start(gateway: &SimHandle, files: &Files, more: &[&str]) -> (Mux, SocketAddr) {
    let flags = files.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mux = mux_for(gateway, &[&["--listen", "tls://127.0.0.1:0"], &flags[..], more].concat());
    let tls = mux.also[0].strip_prefix("tls://").expect("the ready line names it").parse().unwrap();
    (mux, tls)
}

impl Setup {
    /// What a client uses that shows this certificate.
    fn showing(&self, signed: &Signed) -> Arc<ClientConfig> {
        certificates::client(&self.server, Some(signed), BOTH)
    }

    fn good(&self) -> Arc<ClientConfig> {
        self.showing(&self.clients.sign(&["strategy-a"], 300))
    }

    /// A plain port that leads through TLS.
    fn forwarded(&self, config: Arc<ClientConfig>) -> SocketAddr {
        forward(Target::Tls(self.tls, config, "twsmux.test"))
    }

    fn refused(&self, reason: &str) -> u64 {
        let page = self.mux.page("/metrics");
        let name = format!("twsmux_connections_refused_total{{reason=\"{reason}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric").parse().expect("a number")
    }

    /// Waits until the core has heard of so many clients, all of whom but `left` are gone.
    fn heard_of(&self, clients: u64, left: usize) {
        wait_until("the core to have heard of the right clients", || {
            self.mux.status("/totals/clients") == clients
                && self.mux.status("/clients").as_array().is_some_and(|all| all.len() == left)
        });
        assert_eq!(self.gateway.stats().accepted, 1, "the Gateway noticed nothing");
    }
}

/// Shakes hands, greets, and gives back the first byte of the answer, or why there is none.
fn greet(addr: SocketAddr, config: Arc<ClientConfig>, name: &'static str) -> Result<u8, String> {
    let attempt = || {
        let socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(name).unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket);
        stream.write_all(GREETING)?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first[0])
    };
    attempt().map_err(|error: std::io::Error| error.to_string())
}

#[test]
fn its_clients_see_what_clients_of_a_plain_port_see() {
    let setup = setup_with(sim(|_| {}), &[]);
    let other = sim(|_| {});
    let plain = mux_for(&other, &[]);
    let expected = script(plain.listen, 3);
    let seen = script(setup.forwarded(setup.good()), 3);
    assert_eq!(distinct(&seen), distinct(&expected));
    for version in [&TLS12, &TLS13] {
        let signed = setup.clients.sign(&["strategy-a"], 1);
        let config = certificates::client(&setup.server, Some(&signed), &[version]);
        assert_eq!(greet(setup.tls, config, "twsmux.test"), Ok(0), "{version:?}");
    }
}

#[test]
fn large_answers_pass_and_one_that_does_not_read_is_told_and_closed() {
    let setup = setup(&["--messages-per-second", "unlimited", "--slow-client-time", "2"]);
    let mut reads = ApiClient::open(setup.forwarded(setup.good()), 176, 1).unwrap();
    reads.patience = PATIENCE;
    let mut sizes = Vec::new();
    for _ in 0..5 {
        sizes.push(
            reads
                .ask("reqScannerParameters", &Record::new(), "scannerParameters")
                .unwrap()
                .last()
                .map(|m| m.payload.len()),
        );
    }
    assert!(sizes.iter().all(|n| n.is_some_and(|n| n > 4 << 20) && *n == sizes[0]), "{sizes:?}");
    let mut deaf = ApiClient::open(setup.forwarded(setup.good()), 176, 2).unwrap();
    for _ in 0..20 {
        deaf.send("reqScannerParameters", &Record::new()).unwrap();
    }
    setup.mux.wait_log("wait to be read by this client");
    reads.fence().unwrap();
    // When it reads at last it finds whole frames, and then the end.
    loop {
        match deaf.receive() {
            Ok(_) => {}
            Err(ClientError::Closed { .. } | ClientError::Io(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    setup.heard_of(2, 1);
}

#[test]
fn who_shows_no_right_certificate_is_refused_before_the_api() {
    let setup = setup(&["--tls-client-names", "strategy-a,strategy-b"]);
    let stranger = Ca::new("another CA");
    let none = certificates::client(&setup.server, None, BOTH);
    let cases = [
        ("a wrong CA", setup.showing(&stranger.sign(&["strategy-a"], 300))),
        ("expired", setup.showing(&setup.clients.sign(&["strategy-a"], -1))),
        ("no certificate", none),
        ("a wrong name", setup.showing(&setup.clients.sign(&["strategy-x"], 300))),
        ("a name that begins like a right one", setup.showing(&setup.clients.sign(&["strategy-aa"], 300))),
        ("no name", setup.showing(&setup.clients.sign(&[], 300))),
        ("the server's own CA", setup.showing(&setup.server.sign(&["strategy-a"], 300))),
    ];
    let n = cases.len() as u64;
    for (what, config) in cases {
        let words = greet(setup.tls, config, "twsmux.test").expect_err(what);
        println!("{what}: {words}");
        assert!(words.contains("alert"), "{what}: the client is told: {words}");
    }
    // One that expects another server leaves by itself.
    let words = greet(setup.tls, setup.good(), "other.test").unwrap_err();
    assert!(words.contains("not valid for name"), "{words}");
    // Whoever speaks no TLS hears nothing of the API.
    let mut plain = TcpStream::connect(setup.tls).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(GREETING).unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(answer.len() < 10 && !answer.windows(3).any(|w| w == b"176"), "{answer:?}");
    wait_until("all to be counted", || setup.refused("tls") == n + 2);
    setup.heard_of(0, 0);
    setup.mux.wait_log("the TLS handshake failed");
    for name in ["strategy-a", "strategy-b"] {
        assert_eq!(greet(setup.tls, setup.showing(&setup.clients.sign(&[name], 1)), "twsmux.test"), Ok(0));
    }
    setup.heard_of(2, 0);
}

#[test]
fn the_name_in_the_certificate_is_the_clients_name() {
    let setup = setup(&[]);
    let sign = |names: &[&str], common, mail| setup.clients.sign_with(names, 300, named(common, mail));
    let config = |signed: &Signed| setup.forwarded(setup.showing(signed));
    for (signed, name) in [
        (sign(&["strategy-a", "second"], "common", Some("a@example.org")), " strategy-a"),
        (sign(&[], "common", Some("a@example.org")), " a@example.org"),
        (sign(&[], "common", None), " common"),
        // A name that would look like something else in a log is none.
        (sign(&[], "two words\nand a line", None), ""),
    ] {
        let mut client = ApiClient::open(config(&signed), 176, 1).unwrap();
        wait_until("it to be shown", || {
            let peer = setup.mux.status("/clients/0/peer");
            let peer = peer.as_str().unwrap_or_default();
            peer.strip_prefix("tls://127.0.0.1:")
                .is_some_and(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()) == name)
        });
        client.fence().unwrap();
        drop(client);
        wait_until("it to be gone", || setup.mux.status("/clients") == serde_json::json!([]));
    }
}

#[test]
fn without_a_ca_for_clients_none_needs_a_certificate() {
    let gateway = sim(|_| {});
    let server = Ca::new("server CA");
    let files = Files::new(&server.sign(&["twsmux.test"], 300), None);
    let (_mux, tls) = start(&gateway, &files, &[]);
    assert_eq!(greet(tls, certificates::client(&server, None, BOTH), "twsmux.test"), Ok(0));
}

#[test]
fn a_hangup_reads_the_certificates_again_and_drops_nobody() {
    let gateway = sim(|_| {});
    let (server, clients) = (Ca::new("server CA"), Ca::new("client CA"));
    let files = Files::new(&server.sign(&["twsmux.test"], 300), Some(&clients));
    let config = files.path("twsmux.toml");
    std::fs::write(&config, "").unwrap();
    let (mux, tls) = start(&gateway, &files, &["--config", &config.display().to_string()]);
    let signed = clients.sign(&["strategy-a"], 300);
    let old = certificates::client(&server, Some(&signed), BOTH);
    let mut first = ApiClient::open(forward(Target::Tls(tls, old.clone(), "twsmux.test")), 176, 1).unwrap();

    // The key of another certificate: everything stays.
    std::fs::write(files.path("server.key"), server.sign(&["twsmux.test"], 300).key).unwrap();
    mux.signal("HUP");
    mux.wait_log("is not the key of the certificate");
    assert_eq!(greet(tls, old.clone(), "twsmux.test"), Ok(0));

    let (server_now, clients_now) = (Ca::new("new server CA"), Ca::new("new client CA"));
    files.write(&server_now.sign(&["twsmux.test"], 300), Some(&clients_now));
    mux.signal("HUP");
    mux.wait_log("Applied: the certificates have changed");
    let new = certificates::client(&server_now, Some(&clients_now.sign(&["strategy-a"], 300)), BOTH);
    wait_until("the new ones to be used", || greet(tls, new.clone(), "twsmux.test") == Ok(0));
    assert!(greet(tls, old, "twsmux.test").is_err(), "the server's CA is another");
    let half = certificates::client(&server_now, Some(&signed), BOTH);
    assert!(greet(tls, half, "twsmux.test").is_err(), "the clients' CA is another");
    first.fence().expect("who is connected stays");
    assert_eq!(gateway.stats().accepted, 1);
}

#[test]
fn a_handshake_that_drips_is_reset_in_time() {
    let setup = setup(&[]);
    let name = ServerName::try_from("twsmux.test").unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(setup.good(), name).unwrap().write_tls(&mut hello).unwrap();
    let begin = Instant::now();
    let mut drip = TcpStream::connect(setup.tls).unwrap();
    drip.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut bytes = hello.iter();
    let end = loop {
        assert!(begin.elapsed() < PATIENCE, "still open");
        if let Some(byte) = bytes.next()
            && let Err(error) = drip.write_all(&[*byte])
        {
            break error.to_string();
        }
        match drip.read(&mut [0; 100]) {
            Ok(0) => break "closed".to_owned(),
            Ok(_) => panic!("an answer to half a greeting"),
            // The time of the read is the pause of the drip.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => break error.to_string(),
        }
    };
    println!("after {:?}: {end}", begin.elapsed());
    assert!(begin.elapsed() > Duration::from_secs(9));
    wait_until("it to be counted", || setup.refused("tls_time") == 1);
    setup.heard_of(0, 0);
}

#[test]
fn a_port_scan_does_nothing_and_who_hangs_locks_nobody_out() {
    let setup = setup(&[]);
    let mut bystander = ApiClient::open(setup.mux.listen, 176, 1).unwrap();
    let mut kept = Vec::new();
    for n in 0..200_usize {
        let mut socket = TcpStream::connect(setup.tls).unwrap();
        match n % 4 {
            0 => {}
            1 => drop(socket.write_all(&[0x16, 3, 1, 2, 0, 1])), // half a ClientHello
            2 => drop(socket.write_all(b"GET / HTTP/1.1\r\n\r\n")),
            _ => drop(socket.write_all(&[0xFF; 100])),
        }
        if n % 4 < 2 {
            kept.push(socket);
        }
    }
    assert_eq!(kept.len(), 100, "more than may shake hands at once");
    let mut through = ApiClient::open(setup.forwarded(setup.good()), 176, 2).unwrap();
    through.fence().unwrap();
    bystander.fence().unwrap();
    // Of those that hang, so many may.
    wait_until("all others to be refused", || setup.refused("tls") + setup.refused("tls_busy") >= 200 - 64);
    assert!(setup.refused("tls_busy") >= 36, "the oldest made room");
    setup.heard_of(2, 2);
    assert_eq!(setup.gateway.stats().malformed, 0);
    let lines = setup.mux.log().lines().filter(|line| line.contains("refused a connection")).count();
    assert!(lines <= 3, "{lines} lines");
}

#[test]
fn the_check_names_what_is_wrong_with_certificates() {
    let (server, clients) = (Ca::new("server CA"), Ca::new("client CA"));
    let files = Files::new(&server.sign(&["twsmux.test"], 300), Some(&clients));
    let check = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
        command.args(["config", "check"]).args(files.flags()).args(more);
        let output = command.output().expect("the binary starts");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check(&["--listen", "tls://0.0.0.0:4011"]), (Some(0), String::new()));
    let soon = |days| files.write(&server.sign(&["twsmux.test"], days), None);
    soon(3);
    let (code, words) = check(&[]);
    assert!(
        code == Some(0) && words.contains("warning: tls_cert: ") && words.contains("expires in"),
        "{words}"
    );
    soon(-1);
    let (code, words) = check(&[]);
    assert!(code == Some(0) && words.contains("has expired"), "{words}");
    let wrong = |more: &[&str], parts: &[&str]| {
        let (code, words) = check(more);
        assert_eq!((code, words.lines().count()), (Some(2), 1), "{words}");
        assert!(parts.iter().all(|part| words.contains(part)), "{parts:?}: {words}");
    };
    soon(300);
    std::fs::write(files.path("server.key"), clients.sign(&["x"], 1).key).unwrap();
    wrong(&[], &["the flag --tls-key", "is not the key of the certificate"]);
    std::fs::write(files.path("server.key"), "secret but no key").unwrap();
    wrong(&[], &["the flag --tls-key", "no private key in PEM form"]);
    soon(300);
    std::fs::write(files.path("server.pem"), "no certificate").unwrap();
    wrong(&[], &["the flag --tls-cert", "no certificate in PEM form"]);
    soon(300);
    std::fs::write(files.path("clients.pem"), "").unwrap();
    wrong(&[], &["the flag --tls-client-ca", "no certificate in PEM form"]);
    std::fs::remove_file(files.path("clients.pem")).unwrap();
    wrong(
        &["--listen", "tls://0.0.0.0:4011"],
        &["tls://0.0.0.0:4011 is not allowed", "tls_client_ca", "`allow`"],
    );
    assert_eq!(check(&["--listen", "tls://0.0.0.0:4011", "--allow", "10.0.0.0/8"]).0, Some(0));
    wrong(&["--tls-client-names", "a"], &["the flag --tls-client-names", "tls_client_ca"]);
    std::fs::remove_file(files.path("server.key")).unwrap();
    wrong(&[], &["the flag --tls-cert", "set tls_key"]);
    std::fs::remove_file(files.path("server.pem")).unwrap();
    wrong(&["--listen", "tls://127.0.0.1:4011"], &["set tls_cert and tls_key"]);
}

#[test]
fn the_commands_of_the_page_make_certificates_that_work() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("NOT RUN: openssl is not installed");
        return;
    }
    let page = include_str!("../docs/security.md");
    let commands =
        page.split("```sh\n").find(|block| block.starts_with("openssl req")).expect("the commands");
    let commands = commands.split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("sh").args(["-e", "-c", commands]).current_dir(&dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = |name: &str| dir.path().join(name).display().to_string();
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let gateway = sim(|_| {});
    let (cert, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let flags =
        ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca, "--tls-client-names", "strategy-a"];
    let mux = mux_for(&gateway, &[&["--listen", "tls://127.0.0.1:0"], &flags[..]].concat());
    let tls: SocketAddr = mux.also[0].strip_prefix("tls://").unwrap().parse().unwrap();
    let signed =
        |name: &str| Signed { cert: text(&format!("{name}.pem")), key: text(&format!("{name}.key")) };
    let config = |name: &str| certificates::client_of(&text("ca.pem"), Some(&signed(name)), BOTH);
    assert_eq!(greet(tls, config("strategy-a"), "twsmux.example"), Ok(0));
    assert!(
        greet(tls, config("server"), "twsmux.example").is_err(),
        "the server's own is none that may connect"
    );
    assert!(!mux.log().contains("can be read by every user"), "the keys are for their owner alone");
}

#[test]
fn a_client_id_may_belong_to_a_name() {
    let config = tempfile::tempdir().unwrap();
    let path = config.path().join("twsmux.toml");
    std::fs::write(&path, "[client.7]\ncertificates = [\"strategy-a\", \"strategy-b\"]\n").unwrap();
    let setup = setup(&["--config", &path.display().to_string()]);
    let through = |name: &str| setup.forwarded(setup.showing(&setup.clients.sign(&[name], 300)));
    for port in [setup.mux.listen, through("strategy-x"), through("strategy-aa")] {
        let mut client = ApiClient::dial(port).unwrap();
        client.patience = PATIENCE;
        client.greet(100, 176, "").unwrap();
        client.start(7).unwrap();
        assert!(client.expect_error(-1, 326).unwrap().text("errorMsg").contains("not allowed"));
        client.expect_closed().unwrap();
        ApiClient::open(port, 176, 8).unwrap().fence().expect("other ids are free");
        wait_until("them to be gone", || setup.mux.status("/clients") == serde_json::json!([]));
    }
    for name in ["strategy-a", "strategy-b"] {
        ApiClient::open(through(name), 176, 7).unwrap().fence().unwrap();
        wait_until("it to be gone", || setup.mux.status("/clients") == serde_json::json!([]));
    }
    assert_eq!(setup.gateway.stats().accepted, 1);
}
