//! How a session with the simulated Gateway begins and ends.

#[macro_use]
#[path = "support/versions.rs"]
mod versions;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::BytesMut;
use twsmux::{
    protocol::{
        self,
        layout::{self, Record},
        model::Direction,
        plan::plan,
    },
    record,
    sim::{
        self, Close, LATEST, SimConfig, SimHandle,
        client::{ApiClient, ClientError, PATIENCE, order, stock},
    },
    wire::{
        frame,
        text::{self, Form},
    },
};

fn gateway(change: impl FnOnce(&mut SimConfig)) -> SimHandle {
    let mut config = SimConfig { max_version: LATEST, ..SimConfig::default() };
    change(&mut config);
    sim::spawn(config).expect("the simulated Gateway starts")
}

at_versions!(
    accounts_next_id_and_farms_come_in_this_order,
    next_id_first_puts_a_farm_notice_before_the_accounts,
    a_client_with_live_orders_is_shown_them_first,
    a_client_id_in_use_gets_326_and_is_closed,
    a_message_before_start_api_wedges_a_strict_listener,
    a_read_only_gateway_refuses_orders_and_what_belongs_to_them,
    clock_requests_that_come_too_soon_are_not_answered,
    connections_can_be_dropped_reset_and_refused_and_orders_survive,
    a_mute_gateway_reads_and_does_not_answer_and_a_stalled_one_does_not_read,
);

#[test]
fn the_answer_to_a_greeting_is_one_frame_and_nothing_follows_until_start_api() {
    let gateway = gateway(|c| c.max_version = 176);
    let mut socket = TcpStream::connect(gateway.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    let greeting = b"API\0\0\0\0\x12v100..225 +PACEAPI";
    for byte in &greeting[..] {
        socket.write_all(&[*byte]).unwrap();
    }
    let mut answer = [0; 4 + 4 + 22];
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[..], b"\0\0\0\x1a176\x0020261123 22:27:38 CET\0");
    // The next thing that comes is the answer to startApi, so nothing was in between.
    socket.write_all(b"\0\0\0\x08\x37\x31\0\x32\0\x37\0\0").unwrap();
    let mut next = [0; 8];
    socket.read_exact(&mut next).unwrap();
    assert_eq!(&next[4..], b"15\x001");
    let stats = gateway.stats();
    assert_eq!(stats.connections[0].options, "+PACEAPI");
    assert_eq!(stats.connections[0].range, Some((100, 225)));
    assert_eq!(stats.connections[0].client_id, Some(7));
    assert_eq!(stats.malformed, 0);
}

#[test]
fn every_version_gets_the_lower_of_both_and_none_gets_less_than_it_can() {
    let gateway = gateway(|c| c.max_version = 225);
    for version in [100, 110, 124, 142, 157, 176, 178, 193, 200, 201, 203, 206, 213, 225] {
        let client = ApiClient::open(gateway.address(), version, i32::from(version)).unwrap();
        assert_eq!(client.version(), version);
    }
    let mut newest = ApiClient::dial(gateway.address()).unwrap();
    assert_eq!(newest.greet(100, 226, "").unwrap().version, 225);
    let mut too_new = ApiClient::dial(gateway.address()).unwrap();
    assert!(matches!(too_new.greet(226, 300, ""), Err(ClientError::Closed { .. })));
    assert_eq!(gateway.stats().malformed, 0);
    assert_eq!(gateway.stats().handshakes_refused, 1);
}

fn accounts_next_id_and_farms_come_in_this_order(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::dial(gateway.address()).unwrap();
    client.greet(version, version, "").unwrap();
    client.start(3).unwrap();
    assert_eq!(client.exactly("managedAccounts").unwrap().text("accountsList"), "DU9000001");
    assert_eq!(client.exactly("nextValidId").unwrap().int("orderId"), 1);
    let codes: Vec<_> = (0..5).map(|_| client.exactly("error").unwrap().int("errorCode")).collect();
    assert_eq!(codes, [2104, 2104, 2104, 2106, 2158]);
    assert!(
        client.transcript.iter().any(|m| m.text("errorMsg") == "Market data farm connection is OK:usfarm")
    );
}

fn next_id_first_puts_a_farm_notice_before_the_accounts(version: u16) {
    let gateway = gateway(|c| c.next_id_first = true);
    let mut client = ApiClient::dial(gateway.address()).unwrap();
    client.greet(version, version, "").unwrap();
    client.start(3).unwrap();
    let names: Vec<_> = (0..4).map(|_| client.receive().unwrap().name).collect();
    assert_eq!(names, ["nextValidId", "error", "managedAccounts", "error"]);
}

fn a_client_with_live_orders_is_shown_them_first(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 5).unwrap();
    client.send("placeOrder", &order(1, "AAPL", "BUY", 10, "LMT", "1.0")).unwrap();
    client.expect("orderStatus").unwrap();
    client.fence().unwrap();
    drop(client);
    gateway.wait(PATIENCE, |s| s.open == 0).unwrap();
    let mut again = ApiClient::dial(gateway.address()).unwrap();
    again.greet(version, version, "").unwrap();
    again.start(5).unwrap();
    let names: Vec<_> = (0..5).map(|_| again.receive().unwrap().name).collect();
    assert_eq!(names, ["openOrder", "orderStatus", "openOrderEnd", "managedAccounts", "nextValidId"]);
    assert_eq!(again.transcript[4].int("orderId"), 2, "one above the highest id ever used");
    let mut other = ApiClient::dial(gateway.address()).unwrap();
    other.greet(version, version, "").unwrap();
    other.start(6).unwrap();
    other.exactly("managedAccounts").unwrap();
}

fn a_client_id_in_use_gets_326_and_is_closed(version: u16) {
    let gateway = gateway(|_| {});
    let first = ApiClient::open(gateway.address(), version, 9).unwrap();
    let mut second = ApiClient::dial(gateway.address()).unwrap();
    second.greet(version, version, "").unwrap();
    second.start(9).unwrap();
    let last = second.expect_closed().unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].int("id"), last[0].int("errorCode")), (-1, 326));
    assert_eq!(gateway.stats().open, 1);
    drop(first);
    gateway.wait(PATIENCE, |s| s.open == 0).unwrap();
    ApiClient::open(gateway.address(), version, 9).unwrap();
}

fn a_message_before_start_api_wedges_a_strict_listener(version: u16) {
    let gateway = gateway(|c| c.strict_startapi = true);
    let mut good = ApiClient::open(gateway.address(), version, 1).unwrap();
    let mut early = ApiClient::dial(gateway.address()).unwrap();
    early.greet(version, version, "").unwrap();
    early.send("reqCurrentTime", &Record::new()).unwrap();
    gateway.wait(PATIENCE, |s| s.wedged).unwrap();
    let mut later = ApiClient::dial(gateway.address()).unwrap();
    later.patience = Duration::from_millis(200);
    assert!(matches!(later.greet(version, version, ""), Err(ClientError::Timeout { .. })));
    good.fence().unwrap();
    assert_eq!(gateway.stats().early_messages, 1);
}

#[test]
fn too_many_messages_draw_error_100_and_the_third_time_the_end() {
    let gateway = gateway(|c| c.messages_per_second = Some(20));
    let mut client = ApiClient::open(gateway.address(), 176, 1).unwrap();
    for strike in 1..=3 {
        // A strike counts once a second, so this goes on until the next second has come.
        while gateway.stats().rate_violations < strike && gateway.stats().open == 1 {
            if client.send("reqManagedAccts", &Record::new()).is_err() {
                break;
            }
        }
    }
    gateway.wait(PATIENCE, |s| s.open == 0).unwrap();
    let codes: Vec<_> = client
        .expect_closed()
        .unwrap_or_default()
        .iter()
        .map(|m| m.int("errorCode"))
        .filter(|c| *c == 100)
        .collect();
    assert!(codes.len() <= 3);
    assert_eq!(gateway.stats().rate_violations, 3);
    assert!(gateway.stats().most_in_a_second > 20);
}

#[test]
fn a_request_of_a_wrong_layout_draws_320_under_its_id() {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), 176, 1).unwrap();
    // reqMktData that ends after the request id.
    client.send_raw(b"\0\0\0\x08\x31\0\x31\x31\0\x34\x32\0").unwrap();
    client.expect_error(42, 320).unwrap();
    assert_eq!(gateway.stats().malformed, 1);
    // An unknown message.
    client.send_raw(b"\0\0\0\x06\x31\x39\x39\0\x31\0").unwrap();
    client.expect_error(-1, 320).unwrap();
    assert_eq!(gateway.stats().malformed, 2);
}

#[test]
fn a_redirect_is_a_negative_version_and_an_address() {
    let gateway = gateway(|c| c.redirect = Some("10.0.0.1:4001".into()));
    let mut client = ApiClient::dial(gateway.address()).unwrap();
    let error = client.greet(100, 176, "").unwrap_err().to_string();
    assert!(error.contains("10.0.0.1:4001"), "{error}");
}

fn a_read_only_gateway_refuses_orders_and_what_belongs_to_them(version: u16) {
    let gateway = gateway(|c| c.read_only = true);
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("placeOrder", &order(1, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    assert!(client.expect_error(1, 321).unwrap().text("errorMsg").contains("Read-Only"));
    for name in ["reqIds", "reqOpenOrders", "reqCompletedOrders"] {
        client.send(name, &Record::new()).unwrap();
        client.expect_error(-1, 321).unwrap();
    }
}

fn clock_requests_that_come_too_soon_are_not_answered(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.ask("reqCurrentTime", &Record::new(), "currentTime").unwrap();
    client.send("reqCurrentTime", &Record::new()).unwrap();
    assert!(!client.fence().unwrap().iter().any(|m| m.name == "currentTime"));
    gateway.configure(|c| c.clock_gap = Duration::ZERO);
    let time = client.ask("reqCurrentTime", &Record::new(), "currentTime").unwrap();
    assert!(time.last().unwrap().int("time") >= 1_795_469_258);
}

fn connections_can_be_dropped_reset_and_refused_and_orders_survive(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    client.send("placeOrder", &order(1, "AAPL", "BUY", 10, "LMT", "1.0")).unwrap();
    client.expect("orderStatus").unwrap();
    gateway.close_all(Close::Graceful);
    client.expect_closed().unwrap();
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    assert!(gateway.close_client(1, Close::Reset));
    client.expect_closed().unwrap();
    gateway.refuse_connections().unwrap();
    assert!(ApiClient::dial(gateway.address()).is_err());
    gateway.accept_connections().unwrap();
    gateway.restart().unwrap();
    gateway.set_next_order_id(1, 1);
    let mut client = ApiClient::dial(gateway.address()).unwrap();
    client.greet(version, version, "").unwrap();
    client.start(1).unwrap();
    assert_eq!(client.exactly("openOrder").unwrap().int("orderId"), 1);
    assert_eq!(client.expect("nextValidId").unwrap().int("orderId"), 1, "it went back");
}

fn a_mute_gateway_reads_and_does_not_answer_and_a_stalled_one_does_not_read(version: u16) {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
    gateway.mute(true);
    client.send("reqManagedAccts", &Record::new()).unwrap();
    gateway.wait(PATIENCE, |s| s.count(17) == 1).unwrap();
    gateway.mute(false);
    gateway.stall_reading(true);
    client.send("reqPositions", &Record::new()).unwrap();
    gateway.wait(Duration::from_millis(100), |s| s.count(61) == 1).unwrap_err();
    gateway.stall_reading(false);
    client.expect("positionEnd").unwrap();
}

#[test]
fn notices_and_errors_can_be_sent_from_outside() {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), 176, 4).unwrap();
    gateway.set_farm("usfarm", false);
    let notice = client.expect_error(-1, 2103).unwrap();
    assert_eq!(notice.text("errorMsg"), "Market data farm connection is broken:usfarm");
    gateway.set_farm("usfarm", true);
    client.expect_error(-1, 2104).unwrap();
    gateway.lose_connectivity();
    client.expect_error(-1, 1100).unwrap();
    client
        .send("reqMktData", &{
            let mut r = stock("AAPL");
            r.set("reqId", 5);
            r
        })
        .unwrap();
    client.expect("tickPrice").unwrap();
    assert_eq!(gateway.stats().lines, 1);
    gateway.restore_connectivity(true);
    client.expect_error(-1, 1101).unwrap();
    assert_eq!(gateway.stats().lines, 0);
    gateway.restore_connectivity(false);
    client.expect_error(-1, 1102).unwrap();
    assert!(gateway.send_error(4, 77, 2137, "words"));
    client.expect_error(77, 2137).unwrap();
    assert!(!gateway.send_error(5, 77, 2137, "words"));
    gateway.send_raw(b"\0\0\0\x07\x35\x33\0\x31\0\x30\0");
    assert!(client.expect("openOrderEnd").is_err(), "a raw frame with a field too many is seen as such");
}

/// A request in a form of one's choice, which the version need not have.
fn put_as(name: &str, form: Form, version: u16, values: &Record, out: &mut BytesMut) {
    let request = protocol::requests().iter().find(|r| r.message.name == name).unwrap();
    frame::put_with(out, |out| {
        text::put_id(u32::from(request.message.id), form, version, out);
        match form {
            Form::Text => layout::encode(request.message.text.unwrap(), version, values, out),
            Form::Proto => plan(Direction::Request, request.message.id).unwrap().encode(values, version, out),
        }
    });
}

#[test]
fn both_forms_of_a_request_are_read_whatever_the_version_says() {
    let gateway = gateway(|_| {});
    for version in [201, 226] {
        let mut client = ApiClient::open(gateway.address(), version, 1).unwrap();
        for form in [Form::Text, Form::Proto] {
            let mut bytes = BytesMut::new();
            let mut apple = stock("AAPL");
            apple.set("reqId", 5);
            put_as("reqContractDetails", form, version, &apple, &mut bytes);
            put_as("reqPositions", form, version, &Record::new(), &mut bytes);
            client.send_raw(&bytes).unwrap();
            client
                .find("the contract", |m| m.name == "contractDetails" && m.int("conId") == 265_598)
                .unwrap();
            client.expect("contractDetailsEnd").unwrap();
            client.expect("positionEnd").unwrap();
        }
    }
    assert_eq!(gateway.stats().malformed, 0);
}

#[test]
fn a_broken_protobuf_request_draws_320() {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), 226, 1).unwrap();
    // cancelMktData with the request id 42 and a string that is longer than the rest.
    client.send_raw(b"\0\0\0\x08\0\0\0\xca\x08\x2a\x12\x09").unwrap();
    client.expect_error(-1, 320).unwrap();
    assert_eq!(gateway.stats().malformed, 1);
    client.fence().unwrap();
}

#[test]
fn a_few_settings_can_be_read_and_changed() {
    let gateway = gateway(|_| {});
    let mut client = ApiClient::open(gateway.address(), 221, 1).unwrap();
    let read = |client: &mut ApiClient, id: i32| {
        client.ask("reqConfig", &record! { reqId: id }, "configResponse").unwrap().pop().unwrap()
    };
    let before = read(&mut client, 1);
    assert_eq!((before.int("reqId"), before.text("settings.readOnlyApi")), (1, "0"));
    assert_eq!(before.text("autoLogoffTime"), "11:45");
    let mut change = record! { reqId: 2 };
    change.set("settings.readOnlyApi", true);
    let answer = client.ask("updateConfig", &change, "updateConfigResponse").unwrap().pop().unwrap();
    assert_eq!(answer.values.rows("changedFields").len(), 1);
    assert!(read(&mut client, 3).values.flag("settings.readOnlyApi"));
    client.send("placeOrder", &order(1, "AAPL", "BUY", 1, "MKT", "")).unwrap();
    client.expect_error(1, 321).unwrap();
}
