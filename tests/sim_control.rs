//! `twsmux sim --control`: a simulated Gateway in another process, driven line by line.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};
use twsmux::{
    limits,
    protocol::layout::Record,
    record,
    sim::client::{ApiClient, ClientError, PATIENCE, order, stock},
};

const VERSION: u16 = 176;

/// A `twsmux sim` process; killed when dropped.
struct Sim {
    child: Child,
    address: SocketAddr,
    control: SocketAddr,
}

impl Sim {
    fn start(more: &[&str]) -> Sim {
        let mut child = Command::new(env!("CARGO_BIN_EXE_twsmux"))
            .args(["sim", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        let value = |at: usize, key: &str| words[at].strip_prefix(key).expect(&line).to_owned();
        assert_eq!((words[0], value(2, "version=")), ("ready", VERSION.to_string()));
        let (address, control) = (value(1, "sim=").parse().unwrap(), value(3, "control=").parse().unwrap());
        Sim { child, address, control }
    }

    fn control(&self) -> Control {
        let stream = TcpStream::connect(self.control).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Control { reader: BufReader::new(stream) }
    }

    fn client(&self, id: i32) -> ApiClient {
        let mut client = ApiClient::open(self.address, VERSION, id).unwrap();
        client.fence().unwrap();
        client
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Control {
    reader: BufReader<TcpStream>,
}

impl Control {
    fn line(&mut self, line: &str) -> Value {
        self.reader.get_mut().write_all(line.as_bytes()).unwrap();
        self.reader.get_mut().write_all(b"\n").unwrap();
        self.read()
    }

    fn read(&mut self) -> Value {
        let mut answer = String::new();
        self.reader.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
    }

    fn ask(&mut self, command: &str, mut arguments: Value) -> Value {
        arguments["command"] = command.into();
        self.line(&arguments.to_string())
    }

    fn get(&mut self, what: &str) -> Vec<Value> {
        self.ask(what, json!({}))[what].as_array().unwrap_or_else(|| panic!("no {what}")).clone()
    }

    /// Looks at a number of the statistics until it is as wanted.
    fn until(&mut self, name: &str, wanted: u64) {
        let end = Instant::now() + PATIENCE;
        while self.ask("stats", json!({}))["stats"][name] != wanted {
            assert!(Instant::now() < end, "{name} does not become {wanted}");
        }
    }

    fn tell(&mut self, command: &str, arguments: Value) {
        assert_eq!(self.ask(command, arguments), json!({ "ok": true }), "{command}");
    }
}

fn limit(id: i32, price: &str) -> Record {
    order(id, "AAPL", "BUY", 10, "LMT", price)
}

#[test]
fn a_test_in_another_process_sees_and_moves_the_market_and_the_orders() {
    let sim = Sim::start(&[]);
    let mut control = sim.control();
    let mut one = sim.client(1);
    let mut request = limit(1, "100.0");
    request.set("orderRef", "mine");
    one.send("placeOrder", &request).unwrap();
    one.expect("orderStatus").unwrap();
    let orders = control.get("orders");
    assert_eq!(orders.len(), 1);
    let want = json!({ "client_id": 1, "order_id": 1, "order_ref": "mine", "account": "DU9000001", "symbol": "AAPL",
        "action": "BUY", "order_type": "LMT", "limit": 100.0, "quantity": 10.0, "filled": 0.0, "remaining": 10.0,
        "status": "Submitted", "parent": 0, "held": false, "manual": false, "working": true, "over": false });
    for (name, value) in want.as_object().unwrap() {
        assert_eq!(orders[0][name], *value, "{name}");
    }
    let arrivals = control.get("arrivals");
    assert_eq!(
        (arrivals.len(), &arrivals[0]["kind"], &arrivals[0]["answered"]),
        (1, &json!("place"), &json!("accepted"))
    );
    control.tell(
        "configure",
        json!({ "fill_size": 6, "part_delay_ms": 3_600_000, "commissions": { "late_ms": 1 } }),
    );
    control.tell("set_price", json!({ "symbol": "AAPL", "price": 99.0 }));
    one.expect("commissionAndFeesReport").unwrap();
    assert_eq!(control.get("executions")[0]["cumulative"], 6.0);
    assert_eq!(control.ask("fill", json!({ "client_id": 1, "order_id": 1 })), json!({ "filled": true }));
    assert_eq!(control.ask("fill", json!({ "client_id": 1, "order_id": 1 })), json!({ "filled": false }));
    assert_eq!(control.get("orders")[0]["status"], "Filled");
    assert_eq!(control.ask("stats", json!({}))["stats"]["executions"], 2);

    control.tell("market", json!({ "open": false }));
    one.send("placeOrder", &limit(2, "100.0")).unwrap();
    one.expect_error(2, 399).unwrap();
    control.tell("reject_next", json!({ "rejection": "validation_321" }));
    one.send("placeOrder", &limit(3, "100.0")).unwrap();
    one.expect_error(3, 321).unwrap();
    control.tell(
        "reject_orders",
        json!({ "order_ref": "mine", "rejection": { "error": { "code": 7, "text": "No" } } }),
    );
    one.send("placeOrder", &{
        request.set("orderId", 4);
        request
    })
    .unwrap();
    one.expect_error(4, 7).unwrap();
    control.tell("clear_rejections", json!({}));
    assert!(control.ask("place_manual", json!({ "con_id": 265_598, "buy": true, "quantity": 1, "limit": 9 }))["perm_id"].is_i64());
    assert_eq!(control.get("orders")[0]["manual"], true);
    control.tell("mute", json!({ "on": true }));
    control.tell("mute", json!({ "on": false }));
    one.fence().unwrap();
}

#[test]
fn a_test_in_another_process_makes_it_slow_and_fast() {
    let sim = Sim::start(&["--answer-delay", "3600000", "--answers-one-at-a-time"]);
    let mut control = sim.control();
    let mut one = ApiClient::open(sim.address, VERSION, 1).unwrap();
    one.send("reqPositions", &Record::new()).unwrap();
    control.until("waiting", 1);
    control.tell("configure", json!({ "answer_delay_ms": 1, "answers_one_at_a_time": false }));
    one.expect("positionEnd").unwrap();
    control.until("waiting", 0);
}

#[test]
fn a_test_in_another_process_makes_faults() {
    let sim = Sim::start(&[]);
    let mut control = sim.control();
    let mut one = sim.client(1);
    control.tell("cut_at_order", json!({ "cut": "after_processing", "nth": 2 }));
    one.send("placeOrder", &limit(1, "100.0")).unwrap();
    one.expect("orderStatus").unwrap();
    one.send("placeOrder", &limit(2, "100.0")).unwrap();
    one.expect_closed().unwrap();
    assert_eq!(control.get("orders").len(), 2);
    let mut one = sim.client(1);
    control.tell("cut_at_cancel", json!({ "cut": "before_processing" }));
    one.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    one.expect_closed().unwrap();
    assert_eq!(control.get("arrivals").last().unwrap()["answered"], "lost");
    control.tell(
        "restart",
        json!({ "stay_down": true, "accounts": ["DU1", "DU2"], "next_order_ids": { "1": { "back_by": 1 }, "2": { "to": 50 } } }),
    );
    assert!(TcpStream::connect(sim.address).is_err());
    control.tell("accept", json!({}));
    let mut one = sim.client(1);
    assert_eq!(one.transcript.iter().find(|m| m.name == "nextValidId").unwrap().int("orderId"), 2);
    assert!(one.transcript.iter().any(|m| m.text("accountsList") == "DU1,DU2"));
    control.tell("next_order_id", json!({ "client_id": 1, "next": 77 }));
    assert_eq!(
        one.ask("reqIds", &record! { numIds: 1 }, "nextValidId").unwrap().last().unwrap().int("orderId"),
        77
    );
    control.tell("refuse", json!({}));
    assert!(TcpStream::connect(sim.address).is_err());
    one.fence().unwrap();
    control.tell("accept", json!({}));
    sim.client(2);
}

#[test]
fn a_test_in_another_process_makes_it_send_badly() {
    let sim = Sim::start(&["--tick-interval", "3600000"]);
    let mut control = sim.control();
    let mut one = sim.client(1);
    let mut quotes = stock("AAPL");
    quotes.set("reqId", 1);
    one.send("reqMktData", &quotes).unwrap();
    one.fence().unwrap();
    control.tell("drip", json!({ "most": 2, "pause_us": 10 }));
    control.tell("burst", json!({ "n": 2 }));
    one.expect("tickPrice").unwrap();
    control.tell("drip", json!({ "most": 0 }));
    assert!(control.ask("stats", json!({}))["stats"]["pieces"].as_u64().unwrap() > 10);
    control.tell("stall_writing", json!({ "on": true }));
    control.tell("stall_writing", json!({ "on": false }));
    control.tell("stall_reading", json!({ "on": true }));
    control.tell("stall_reading", json!({ "on": false }));
    one.fence().unwrap();
    control.tell("endless", json!({ "on": true }));
    one.send("reqPositions", &Record::new()).unwrap();
    assert!(one.fence().unwrap().iter().all(|m| m.name != "positionEnd"));
    control.tell("endless", json!({ "on": false }));
    control.tell("lose_connectivity", json!({}));
    one.expect_error(-1, 1100).unwrap();
    control.tell("restore_connectivity", json!({ "data_lost": true }));
    one.expect_error(-1, 1101).unwrap();
    control.tell("restore_connectivity", json!({ "data_lost": false }));
    one.expect_error(-1, 1102).unwrap();
    control.tell("farm", json!({ "name": "usfarm", "up": false }));
    one.expect_error(-1, 2103).unwrap();
    control.tell("error", json!({ "id": 5, "code": 321, "text": "No", "client_id": 1 }));
    one.expect_error(5, 321).unwrap();
    control.tell("error", json!({ "id": 6, "code": 322, "text": "No" }));
    one.expect_error(6, 322).unwrap();
    control.tell("raw", json!({ "hex": "00000005390031003100" }));
    control.tell("close", json!({ "how": "graceful", "client_id": 1 }));
    assert!(matches!(one.expect_closed(), Err(ClientError::Layout { .. } | ClientError::Wire(_)) | Ok(_)));
    let mut two = sim.client(2);
    control.tell("configure", json!({ "handshake_delay_ms": 1 }));
    control.tell("close", json!({ "how": "reset" }));
    two.expect_closed().unwrap();
    sim.client(2);
}

#[test]
fn what_is_no_command_is_an_error_and_the_connection_goes_on() {
    let sim = Sim::start(&[]);
    let mut control = sim.control();
    let long = format!("{{\"command\": \"{}\"}}", "x".repeat(limits::MAX_SIM_CONTROL_LINE));
    for line in [
        "",
        "nonsense",
        "[]",
        "{}",
        r#"{"command": 1}"#,
        r#"{"command": "nonsense"}"#,
        r#"{"command": "orders", "more": 1}"#,
        r#"{"command": "set_price", "price": 1}"#,
        r#"{"command": "set_price", "symbol": "NOSUCH", "price": 1}"#,
        r#"{"command": "set_price", "con_id": 1, "symbol": "AAPL", "price": 1}"#,
        r#"{"command": "set_price", "con_id": 1, "price": 1}"#,
        r#"{"command": "market"}"#,
        r#"{"command": "endless"}"#,
        r#"{"command": "raw", "hex": "0"}"#,
        r#"{"command": "raw", "hex": "0g"}"#,
        r#"{"command": "close", "how": "somehow"}"#,
        r#"{"command": "close", "how": "reset", "client_id": 99}"#,
        r#"{"command": "error", "id": 1, "code": 1, "text": "", "client_id": 99}"#,
        r#"{"command": "restart", "next_order_ids": {"x": {"to": 1}}}"#,
        r#"{"command": "cut_at_order", "cut": "sometimes"}"#,
        "{\"command\": \"\u{0}\"}",
    ] {
        let answer = control.line(line);
        let object = answer.as_object().unwrap();
        assert!(object.len() == 1 && object["error"].is_string(), "{line}: {answer}");
    }
    assert_eq!(control.get("orders").len(), 0);
    assert_eq!(control.line(&long), json!({ "error": "the line is too long" }));
    let mut crowd: Vec<_> = (1..limits::MAX_SIM_CONTROLS).map(|_| sim.control()).collect();
    crowd.push(control);
    assert!(crowd.iter_mut().all(|c| c.get("orders").is_empty()));
    assert_eq!(sim.control().read(), json!({ "error": "too many control connections" }));
    assert!(crowd.iter_mut().all(|c| c.get("orders").is_empty()), "the others are served on");
}

#[test]
fn only_this_machine_can_drive_it_and_a_signal_ends_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["sim", "--listen", "127.0.0.1:0", "--control", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let mut sim = Sim::start(&[]);
    let mut control = sim.control();
    control.get("orders");
    let pid = sim.child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert!(sim.child.wait().unwrap().success());
}
