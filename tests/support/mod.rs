//! What the black-box tests share: a twsmux process, a Gateway stand-in that never closes, waiting with a bound.
#![allow(dead_code)] // every test binary uses a part of it

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout::Record;
use twsmux::protocol::meaning::Subject;
use twsmux::protocol::transcode::Translation;
use twsmux::record;
use twsmux::sim::client::{ApiClient, Received, order, stock};
use twsmux::sim::{SimConfig, SimHandle};
use twsmux::sockets::{self, table::State};
use twsmux::wire::text::{self, Form};

/// The bound of every wait. Generous: it is only ever used up by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something; panics with `what` when it does not within [`PATIENCE`].
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        // Gives the processor to whoever makes the condition come true.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// As [`wait_for`], for a plain condition.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// A twsmux process.
pub struct Mux {
    child: Child,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Its other listeners, as the ready line names them.
    pub also: Vec<String>,
    /// The admin endpoint.
    pub admin: SocketAddr,
    /// The Gateway that it serves.
    pub upstream: SocketAddr,
    log: Arc<Mutex<String>>,
    _state: Option<tempfile::TempDir>,
}

impl Mux {
    /// Starts `twsmux run` in front of `upstream`, with more arguments, and waits for its ready line.
    pub fn start(upstream: &str, more: &[&str]) -> Mux {
        let state = tempfile::tempdir().expect("a temporary folder");
        let mut mux = Mux::start_in(state.path(), upstream, more);
        mux._state = Some(state);
        mux
    }

    /// The same on a state directory that outlives it.
    pub fn start_in(state: &Path, upstream: &str, more: &[&str]) -> Mux {
        Mux::spawn(Command::new(env!("CARGO_BIN_EXE_twsmux")), state, upstream, more)
    }

    /// The same by a command that passes its arguments on to the binary.
    pub fn spawn(mut command: Command, state: &Path, upstream: &str, more: &[&str]) -> Mux {
        let mut child = command
            .args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream])
            .arg("--state-dir")
            .arg(state)
            .args(more)
            .env("TWSMUX_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("piped");
        let keep = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = keep.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a ready line");
        let word = |key: &str| {
            let found = line.split_whitespace().find_map(|w| w.strip_prefix(key)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("no {key} in {line:?}; log:\n{}", log.lock().unwrap())).to_owned()
        };
        let address = |word: &str| word.parse().unwrap();
        let all = word("listen");
        let mut all = all.split(',').map(str::to_owned);
        let listen = address(&all.next().unwrap());
        let (admin, upstream, also) = (address(&word("admin")), address(&word("upstream")), all.collect());
        Mux { child, listen, also, admin, upstream, log, _state: None }
    }

    /// Waits until it says that the Gateway is ready.
    pub fn wait_ready(&self) {
        self.wait_log("ready: Gateway at");
    }

    /// Waits for words in its log.
    pub fn wait_log(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "never logged {words:?}; the log:\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal (a name that `kill` knows).
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits until it has ended.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the end of twsmux", || child.try_wait().expect("our child"))
    }

    /// The body of an admin page.
    pub fn page(&self, path: &str) -> String {
        self.answer(path).1
    }

    /// The status code and the body of an admin page.
    pub fn answer(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).expect("the admin endpoint");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        (code, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// A field of the status page, by JSON pointer.
    pub fn status(&self, pointer: &str) -> serde_json::Value {
        let page: serde_json::Value = serde_json::from_str(&self.page("/status")).expect("JSON");
        page.pointer(pointer).cloned().unwrap_or(serde_json::Value::Null)
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- log of twsmux ----\n{}", self.log());
        }
    }
}

/// How far a [`Standin`] goes with the handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Version, accounts and next id.
    Complete,
    /// Accepts and answers nothing.
    Mute,
}

/// A Gateway that answers the handshake and **never closes a socket**, whatever the peer does: what the peer
/// leaves behind stays in the kernel's table.
pub struct Standin {
    /// Where it listens.
    pub addr: SocketAddr,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
}

impl Standin {
    /// Starts it on a free port.
    pub fn start(manners: Manners) -> Standin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let sockets = Arc::new(Mutex::new(Vec::new()));
        let keep = sockets.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                keep.lock().unwrap().push(stream.try_clone().unwrap());
                if manners == Manners::Complete {
                    std::thread::spawn(move || greet(stream));
                } else {
                    keep.lock().unwrap().push(stream);
                }
            }
        });
        Standin { addr, sockets }
    }

    /// Sockets accepted so far.
    pub fn accepted(&self) -> usize {
        self.sockets.lock().unwrap().len()
    }

    /// Sockets on its port in a state.
    pub fn count(&self, state: State) -> usize {
        sockets::count(self.addr.port(), state).expect("the kernel's table")
    }

    /// Asserts that nothing of a peer that is gone is left: no CLOSE_WAIT, nothing established.
    pub fn assert_clean(&self) {
        wait_until("the peer's socket to be gone from the kernel's table", || {
            self.count(State::Established) == 0 && self.count(State::CloseWait) == 0
        });
    }
}

/// Answers one connection's handshake, reads on, and keeps the socket when it ends.
fn greet(mut stream: TcpStream) {
    if hand_shake(&mut stream).is_ok() {
        let mut chunk = [0u8; 4096];
        while stream.read(&mut chunk).is_ok_and(|n| n > 0) {}
    }
    std::mem::forget(stream);
}

/// Answers twsmux's handshake as a Gateway at 176 without any orders does: version, accounts, next id, and the empty
/// lists that twsmux asks for when its journal is empty.
pub fn hand_shake(stream: &mut TcpStream) -> std::io::Result<()> {
    let frame = |text: &str| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    let mut chunk = [0u8; 4096];
    let _ = stream.read(&mut chunk)?;
    stream.write_all(&frame("176\x0020261123 22:27:38 CET\0"))?;
    let _ = stream.read(&mut chunk)?;
    stream.write_all(&[frame("15\x001\0DU1\0"), frame("9\x001\x001\0")].concat())?;
    let mut received = twsmux::wire::frame::FrameBuffer::default();
    loop {
        while let Ok(Some(payload)) = received.next(1 << 20) {
            let text = String::from_utf8_lossy(&payload).into_owned();
            let fields: Vec<&str> = text.split('\0').collect();
            match fields[0] {
                "16" => stream.write_all(&frame("53\x001\0"))?,
                "7" => stream.write_all(&frame(&format!("55\x001\0{}\0", fields[2])))?,
                "99" => return stream.write_all(&frame("102\0")),
                _ => {}
            }
        }
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => received.extend(&chunk[..n]),
        }
    }
}

/// A simulated Gateway in this process, with no limit on the message rate unless `change` sets one.
pub fn sim(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config = SimConfig { messages_per_second: None, ..SimConfig::default() };
    change(&mut config);
    twsmux::sim::spawn(config).expect("the simulated Gateway starts")
}

/// A ready twsmux in front of a simulated Gateway.
pub fn mux_for(sim: &SimHandle, more: &[&str]) -> Mux {
    let mux = Mux::start(&sim.address().to_string(), more);
    mux.wait_ready();
    mux
}

/// The same script for the same client, whatever stands in between: reference data, history, account, and an order
/// that rests, is modified and cancelled. Gives back what the client was sent, line by line, without the two values that
/// tell the time of day.
pub fn script(address: SocketAddr, client_id: i32) -> Vec<String> {
    script_at(address, client_id, 100, 176).iter().map(plain).collect()
}

/// The script for a client that offers the versions from `min` to `max`. Gives back what the client was sent.
pub fn script_at(address: SocketAddr, client_id: i32, min: u16, max: u16) -> Vec<Received> {
    let mut c = ApiClient::dial(address).expect("a connection");
    c.patience = PATIENCE;
    c.greet(min, max, "").expect("an answer to the greeting");
    c.start(client_id).expect("startApi is sent");
    c.expect("managedAccounts").unwrap();
    c.expect("nextValidId").unwrap();
    c.expect_error(-1, 2158).unwrap();
    let with = |mut r: Record, id: i32| {
        r.set("reqId", id);
        r
    };
    for (id, symbol) in [(1, "AAPL"), (2, "SYM0042"), (3, "SYM0007")] {
        c.ask("reqContractDetails", &with(stock(symbol), id), "contractDetailsEnd").unwrap();
    }
    c.send("reqContractDetails", &with(stock("NOSUCH"), 4)).unwrap();
    c.expect_error(4, 200).unwrap();
    c.ask("reqMatchingSymbols", &record! { reqId: 5, pattern: "AA" }, "symbolSamples").unwrap();
    let mut bars = with(stock("MSFT"), 6);
    bars.set("endDateTime", "20260105-21:00:00").set("barSizeSetting", "30 mins").set("durationStr", "1 D");
    bars.set("useRTH", 1).set("whatToShow", "TRADES").set("formatDate", 1);
    let end = if c.version() >= 196 { "historicalDataEnd" } else { "historicalData" };
    c.ask("reqHistoricalData", &bars, end).unwrap();
    c.ask("reqPositions", &Record::new(), "positionEnd").unwrap();
    c.send("cancelPositions", &Record::new()).unwrap();
    c.ask("reqMarketRule", &record! { marketRuleId: 26 }, "marketRule").unwrap();
    c.ask("reqOpenOrders", &Record::new(), "openOrderEnd").unwrap();
    let status =
        |wanted: &'static str| move |m: &Received| m.name == "orderStatus" && m.text("status") == wanted;
    c.send("placeOrder", &order(1, "AAPL", "BUY", 10, "LMT", "1.0")).unwrap();
    c.find("the order at work", |m| m.name == "orderStatus").unwrap();
    c.send("placeOrder", &order(1, "AAPL", "BUY", 10, "LMT", "1.5")).unwrap();
    c.find("the modified order", |m| m.name == "openOrder" && m.float("lmtPrice") == 1.5).unwrap();
    c.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    c.find("the end of the order", status("Cancelled")).unwrap();
    c.expect_error(1, 202).unwrap();
    c.send("cancelOrder", &record! { orderId: 77 }).unwrap();
    c.expect_error(77, 10147).unwrap();
    c.ask("reqExecutions", &record! { reqId: 8 }, "execDetailsEnd").unwrap();
    c.transcript
}

/// A message in one line.
pub fn plain(m: &Received) -> String {
    let values: Vec<String> = m
        .values
        .iter()
        .filter(|(name, _)| !matches!(*name, "errorTime" | "timeStamp"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{} {}", m.name, values.join(" "))
}

/// A message without what `other` does not have.
pub fn as_known_to(own: &Arc<Dialect>, other: &Arc<Dialect>, m: &Received) -> Option<Received> {
    let subject = Subject::default();
    let there = Translation::new(own.clone(), other.clone());
    let back = Translation::new(other.clone(), own.clone());
    let (mut far, mut near) = (BytesMut::new(), BytesMut::new());
    let message = text::message(&m.payload, own.version()).expect("readable");
    if !there.response(&message, &[], &subject, &mut far).expect("converted") {
        return None;
    }
    let message = text::message(&far, other.version()).expect("readable");
    assert!(back.response(&message, &[], &subject, &mut near).expect("converted back"));
    let message = text::message(&near, own.version()).expect("readable");
    let values = own.response(message.id).expect("known").record(&message, Form::Text).expect("readable");
    Some(Received { values, payload: near.freeze(), ..m.clone() })
}

/// How often each line occurs: repetitions of an order's state are told apart from new states, not counted.
pub fn distinct(lines: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for line in lines {
        if !seen.contains(line) {
            seen.push(line.clone());
        }
    }
    seen
}
