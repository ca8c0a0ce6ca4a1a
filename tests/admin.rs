//! The admin endpoint on real sockets: every route, who may ask, and that no HTTP client can lock another one out.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use twsmux::admin::{self, Bounds};
use twsmux::core::view::View;
use twsmux::core::{Config, Core};
use twsmux::shell::control::Remote;
use twsmux::telemetry::{Published, names};
use twsmux::time::Time;

/// Bound of every wait here; none comes near it unless something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

fn view(ready: bool) -> View {
    let mut view = Core::new(Config::default()).view(Time::ZERO);
    view.upstream.ready = ready;
    view
}

struct Endpoint {
    addr: SocketAddr,
    published: Arc<Published>,
}

fn endpoint(ready: bool, bounds: Bounds) -> Endpoint {
    endpoint_with(Published::new(view(ready)), bounds)
}

fn endpoint_with(published: Published, bounds: Bounds) -> Endpoint {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let published = Arc::new(published);
    admin::start_within(listener, None, published.clone(), Remote::unheard(None), bounds).unwrap();
    Endpoint { addr, published }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until the endpoint closes; a reset is an end too.
fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        Err(e) => panic!("the connection was not closed: {e}"),
    }
    String::from_utf8(bytes).unwrap()
}

#[derive(Debug)]
struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends bytes and reads the answer.
fn raw(addr: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(addr);
    stream.write_all(request.as_bytes()).unwrap();
    let text = read_all(&mut stream);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request:?} drew {text:?}"));
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { code, head: head.into(), body: body.into() }
}

fn ask(addr: SocketAddr, method: &str, path: &str) -> Answer {
    raw(addr, &format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n"))
}

fn get(addr: SocketAddr, path: &str) -> Answer {
    ask(addr, "GET", path)
}

#[test]
fn every_page_answers() {
    let at = endpoint(true, Bounds::default()).addr;
    for (path, kind, words) in [
        ("/", "text/html", "/readyz"),
        ("/page.css", "text/css", "prefers-color-scheme"),
        ("/page.js", "text/javascript", "textContent"),
        ("/livez", "text/plain", "alive"),
        ("/readyz", "text/plain", "ready"),
        ("/metrics", "text/plain; version=0.0.4", "twsmux_upstream_up 1"),
        ("/status", "application/json", "\"ready\":true"),
    ] {
        let answer = get(at, path);
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}: {answer:?}");
        assert!(answer.body.contains(words), "{path}: {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    assert_eq!(get(at, "/nothing").code, 404);
}

#[test]
fn head_says_the_same_without_the_body() {
    let at = endpoint(true, Bounds::default()).addr;
    for path in ["/", "/page.css", "/page.js", "/livez", "/readyz", "/metrics", "/status"] {
        let answer = ask(at, "HEAD", path);
        assert_eq!((answer.code, answer.body.as_str()), (200, ""), "{path}");
        assert_ne!(answer.header("content-length"), Some("0"), "{path}");
    }
}

#[test]
fn without_a_gateway_it_lives_and_is_not_ready_and_says_why() {
    let at = endpoint(false, Bounds::default());
    let diagnosis = at.published.get().upstream.diagnosis.clone();
    assert!(diagnosis.contains(' '), "words: {diagnosis:?}");
    let answer = get(at.addr, "/readyz");
    assert_eq!((answer.code, answer.body.trim_end()), (503, diagnosis.as_str()));
    assert_eq!(get(at.addr, "/livez").code, 200);
    assert!(get(at.addr, "/").body.contains("not ready"));
    let status: serde_json::Value = serde_json::from_str(&get(at.addr, "/status").body).unwrap();
    assert_eq!(status["upstream"]["diagnosis"], diagnosis.as_str());
    at.published.set(view(true));
    assert_eq!(get(at.addr, "/readyz").code, 200, "the next picture counts at once");
}

#[test]
fn the_page_may_load_its_own_files_and_ask_here_and_nothing_else() {
    let at = endpoint(true, Bounds::default()).addr;
    for path in ["/", "/page.css", "/page.js"] {
        let answer = get(at, path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for (what, whom) in policy.split("; ").filter_map(|rule| rule.split_once(' ')) {
            let allowed = match what {
                "script-src" | "style-src" | "connect-src" => "'self'",
                "img-src" => "data:",
                _ => "'none'",
            };
            assert_eq!(whom, allowed, "{what}");
        }
        for rule in ["base-uri", "form-action", "frame-ancestors"] {
            assert!(policy.contains(rule), "{rule} is none of those that default-src covers");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
    }
    for path in ["/status", "/livez", "/nothing"] {
        let answer = get(at, path);
        let policy = answer.header("content-security-policy").unwrap();
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'", "{path}");
    }
    assert_eq!(raw(at, "GET /page.js HTTP/1.1\r\nHost: evil.example\r\n\r\n").code, 403);
}

#[test]
fn the_page_tells_without_scripts_what_it_can_and_takes_nothing_for_markup() {
    let at = endpoint(false, Bounds::default());
    let mut evil = view(false);
    evil.upstream.gateway = "<script>alert(1)</script>".into();
    evil.upstream.diagnosis = "\"><img src=x> & {{gateway}}".into();
    at.published.set(evil);
    let page = get(at.addr, "/").body;
    assert!(page.contains("not ready") && page.contains("twsmux status"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(page.contains("&quot;&gt;&lt;img src=x&gt; &amp; {{gateway}}"), "{page}");
    assert!(!page.contains("<img") && page.matches("<script").count() == 1, "{page}");
}

#[test]
fn a_stuck_event_loop_is_neither_alive_nor_ready() {
    let at = endpoint(true, Bounds { stale: Duration::ZERO, ..Bounds::default() }).addr;
    for path in ["/livez", "/readyz"] {
        let answer = get(at, path);
        assert_eq!(answer.code, 503, "{path}");
        assert!(answer.body.contains("event loop"), "{path}: {answer:?}");
    }
    assert_eq!(get(at, "/status").code, 200, "the last picture is still shown");
}

#[test]
fn a_foreign_host_is_refused() {
    let at = endpoint(true, Bounds::default()).addr;
    for host in ["evil.example", "evil.example:9410", "127.0.0.1.evil.example", "192.0.2.1"] {
        for path in ["/status", "/metrics", "/nothing"] {
            let answer = raw(at, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(answer.code, 403, "{host}{path}");
            assert!(!answer.body.contains("twsmux_"), "{host}{path}");
        }
    }
    assert_eq!(raw(at, "GET /status HTTP/1.1\r\n\r\n").code, 403, "none");
    assert_eq!(
        raw(at, "GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n").code,
        403,
        "two"
    );
    assert_eq!(
        raw(at, "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n").code,
        403,
        "in the target"
    );
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"] {
        assert_eq!(raw(at, &format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n")).code, 200, "{host}");
    }
}

#[test]
fn only_questions_are_answered() {
    let at = endpoint(true, Bounds::default()).addr;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
        let answer = ask(at, method, "/status");
        assert_eq!(answer.code, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method}");
    }
    for body in ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        assert_eq!(raw(at, &format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{body}")).code, 413, "{body}");
    }
}

#[test]
fn a_request_that_is_too_large_or_no_http_is_refused() {
    let at = endpoint(true, Bounds::default()).addr;
    let mut stream = connect(at);
    // It may close before everything is sent; that is the point.
    let _ = stream.write_all(format!("GET /status HTTP/1.1\r\nX: {}\r\n", "x".repeat(1 << 20)).as_bytes());
    let answer = read_all(&mut stream);
    assert!(!answer.contains(" 200 "), "{answer}");
    let mut stream = connect(at);
    stream.write_all(b"API\0\0\0\0\tv100..176").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(!read_all(&mut stream).contains(" 200 "));
    assert_eq!(get(at, "/livez").code, 200);
}

#[test]
fn the_metrics_are_well_formed_and_all_declared() {
    let body = get(endpoint(true, Bounds::default()).addr, "/metrics").body;
    let mut samples = 0;
    for line in body.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<_> = comment.splitn(3, ' ').collect();
            let metric = names::ALL.iter().find(|m| m.name == words[1]).unwrap_or_else(|| panic!("{line}"));
            match words[0] {
                "HELP" => assert_eq!(words[2], metric.help),
                "TYPE" => assert_eq!(words[2], metric.kind.word()),
                _ => panic!("{line}"),
            }
            continue;
        }
        samples += 1;
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))),
            None => (series, ""),
        };
        let declared = |m: &&names::Metric| {
            let suffix = name.strip_prefix(m.name);
            suffix == Some("")
                || (m.kind == names::Kind::Histogram && matches!(suffix, Some("_bucket" | "_sum" | "_count")))
        };
        let metric = names::ALL.iter().find(declared).unwrap_or_else(|| panic!("{line}"));
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
            assert!(metric.labels.contains(&label) || label == "le", "{line}");
            assert!(value.len() > 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
        }
    }
    assert!(samples > 40, "{samples} samples in\n{body}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_in_close_wait_on_the_gateways_port_is_counted() {
    let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = connect(gateway.local_addr().unwrap());
    let (mut zombie, _) = gateway.accept().unwrap();
    let published = || Published::new(view(true)).for_gateway(gateway.local_addr().unwrap());
    let line = |n: usize| format!("\ntwsmux_upstream_close_wait_sockets {n}\n");
    // Each look is kept for a while; another endpoint looks anew.
    let before = get(endpoint_with(published(), Bounds::default()).addr, "/metrics");
    assert!(before.body.contains(&line(0)), "{}", before.body);
    drop(client);
    assert_eq!(zombie.read(&mut [0; 1]).unwrap(), 0, "its FIN came");
    let at = endpoint_with(published(), Bounds::default()).addr;
    assert!(get(at, "/metrics").body.contains(&line(1)));
    let status: serde_json::Value = serde_json::from_str(&get(at, "/status").body).unwrap();
    assert_eq!(status["upstream"]["close_wait"], 1);
}

#[test]
fn slow_and_silent_clients_do_not_lock_others_out() {
    let long = 10 * PATIENCE;
    let bounds = Bounds { connections: 8, request_time: long, connection_time: long, ..Bounds::default() };
    let at = endpoint(true, bounds).addr;
    let mut hostile = Vec::new();
    for n in 0..bounds.connections * 4 {
        let mut stream = connect(at);
        // Some say nothing, some stop in the middle of a line, some in the middle of the headers.
        let said = [&b""[..], b"GET /st", b"GET /status HTTP/1.1\r\nHost: localhost\r\n"][n % 3];
        stream.write_all(said).unwrap();
        hostile.push(stream);
        assert_eq!(get(at, "/livez").code, 200, "after {n}");
    }
    // No time ran out: the oldest had to go.
    read_all(&mut hostile[0]);
}

#[test]
fn who_does_not_finish_its_request_is_closed() {
    let at = endpoint(true, Bounds { request_time: Duration::from_millis(50), ..Bounds::default() }).addr;
    for said in ["", "GET /livez HTTP/1.1\r\n"] {
        let mut stream = connect(at);
        stream.write_all(said.as_bytes()).unwrap();
        assert!(!read_all(&mut stream).contains(" 200 "), "{said:?}");
    }
}

#[test]
fn who_does_not_take_its_answer_is_closed() {
    let at = endpoint(true, Bounds { connection_time: Duration::from_millis(200), ..Bounds::default() });
    let mut long = view(true);
    long.upstream.diagnosis = "x".repeat(32 << 20);
    at.published.set(long);
    let mut stream = connect(at.addr);
    stream.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    // Nothing is read until it gave up, which others see: a write finds the connection gone.
    let begin = Instant::now();
    while stream.write_all(b"x").is_ok() {
        assert!(begin.elapsed() < PATIENCE, "it still waits");
        assert_eq!(get(at.addr, "/livez").code, 200);
    }
}

fn status_command(addr: SocketAddr, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    command
        .args(["status", "--admin", &addr.to_string()])
        .args(more)
        .env_remove("TWSMUX_ADMIN")
        .output()
        .unwrap()
}

#[test]
fn the_status_command_prints_a_page_or_the_json() {
    let at = endpoint(false, Bounds::default());
    let output = status_command(at.addr, &[]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{page}");
    assert!(page.contains("NOT READY") && page.contains(&at.published.get().upstream.diagnosis), "{page}");
    let output = status_command(at.addr, &["--json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["upstream"]["ready"], false);
    assert!(status["totals"]["clients"].is_u64());
}

#[test]
fn the_top_command_is_for_terminals() {
    let at = endpoint(true, Bounds::default()).addr.to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_twsmux")).args(["top", "--admin", &at]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{error}");
    assert!(error.contains("twsmux status"), "{error}");
}

#[test]
fn the_top_command_draws_again_and_again() {
    let at = endpoint(true, Bounds::default()).addr.to_string();
    let command = format!("{} top --admin {at} --every 0.05", env!("CARGO_BIN_EXE_twsmux"));
    // `script` gives it a terminal, and the end of that ends it.
    let mut asked = Command::new("script");
    asked.args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let Ok(mut child) = asked.spawn() else { return println!("NOT RUN: there is no `script` here") };
    let (mut out, mut drawn, mut chunk) = (child.stdout.take().unwrap(), Vec::new(), [0; 4096]);
    let frames = |drawn: &[u8]| String::from_utf8_lossy(drawn).matches("\x1b[H").count();
    while frames(&drawn) < 4 {
        let n = out.read(&mut chunk).unwrap();
        assert_ne!(n, 0, "it ended: {}", String::from_utf8_lossy(&drawn));
        drawn.extend_from_slice(&chunk[..n]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(String::from_utf8_lossy(&drawn).contains("ready"));
}

#[test]
fn the_status_command_tells_its_failures_apart() {
    // Bound and not listening: nothing answers there, and no other test gets the port.
    let nobody = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    nobody.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let foreign_addr = foreign.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = foreign.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    });
    for (addr, code, words) in [
        (nobody.local_addr().unwrap().as_socket().unwrap(), 3, "nothing answers"),
        (silent.local_addr().unwrap(), 6, "did not answer within"),
        (foreign_addr, 5, "no admin endpoint"),
    ] {
        let output = status_command(addr, &["--timeout", "0.5"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(words) && error.lines().count() == 1, "{error}");
    }
}
