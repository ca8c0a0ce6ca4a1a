//! Every trap that the protocol notes name for handshake and framing, on real sockets.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use support::{Mux, PATIENCE, mux_for, sim, wait_until};
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::sim::client::ApiClient;
use twsmux::wire::frame;

fn client(mux: &Mux) -> ApiClient {
    let mut c = ApiClient::dial(mux.listen).expect("twsmux accepts");
    c.patience = PATIENCE;
    c
}

#[test]
fn the_greeting_may_come_byte_by_byte_and_the_reply_is_one_frame_with_nothing_behind_it() {
    let gateway = sim(|c| c.time_string = Some("20260713 17:53:51 Central European Standard Time".into()));
    let mux = mux_for(&gateway, &[]);
    let mut s = TcpStream::connect(mux.listen).unwrap();
    s.set_nodelay(true).unwrap();
    s.set_read_timeout(Some(PATIENCE)).unwrap();
    for byte in b"API\0\0\0\0\x12v100..176 +PACEAPI" {
        s.write_all(&[*byte]).unwrap();
    }
    // One read gets the whole reply: clients throw away what a second read would bring.
    let mut reply = [0u8; 4096];
    let n = s.read(&mut reply).unwrap();
    let text = b"176\x0020260713 17:53:51 Central European Standard Time\0";
    assert_eq!(&reply[..4], (text.len() as u32).to_be_bytes(), "whole in one read");
    assert_eq!(&reply[4..n], text, "the Gateway's time, unchanged, and nothing after it");
    // Nothing more comes before startApi: the client asks for the next thing itself.
    s.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(s.read(&mut reply).is_err(), "silence until startApi");
    s.set_read_timeout(Some(PATIENCE)).unwrap();
    s.write_all(b"\0\0\0\x0871\x002\x007\0\0").unwrap();
    assert!(s.read(&mut reply).unwrap() > 0, "then the first messages");
    mux.wait_log("+PACEAPI");
}

#[test]
fn each_client_is_answered_with_the_upstream_version_inside_its_own_range() {
    let gateway = sim(|c| c.max_version = 170);
    let mux = mux_for(&gateway, &[]);
    for (min, max, answer) in
        [(100, 225, 170), (157, 178, 170), (100, 157, 157), (213, 226, 213), (170, 170, 170)]
    {
        assert_eq!(client(&mux).greet(min, max, "").unwrap().version, answer, "{min}..{max}");
    }
}

#[test]
fn a_client_that_speaks_another_version_than_the_gateway_works_at_its_own() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut old = client(&mux);
    assert_eq!(old.greet(100, 157, "").unwrap().version, 157);
    old.start(3).unwrap();
    old.expect("nextValidId").unwrap();
    let details = record! { reqId: 7, symbol: "AAPL", secType: "STK", exchange: "SMART", currency: "USD" };
    let answer = old.ask("reqContractDetails", &details, "contractDetailsEnd").unwrap();
    assert_eq!(answer.iter().filter(|m| m.name == "contractDetails").count(), 1);
}

#[test]
fn a_second_client_with_the_same_id_gets_326_and_is_closed() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut first = ApiClient::open(mux.listen, 176, 9).unwrap();
    let mut second = client(&mux);
    second.greet(100, 176, "").unwrap();
    second.start(9).unwrap();
    second.expect_error(-1, 326).unwrap();
    second.expect_closed().unwrap();
    first.ask("reqManagedAccts", &Record::new(), "managedAccounts").expect("the first one is not disturbed");
    // The id is free at once when its holder has gone.
    drop(first);
    mux.wait_log("gone: the client closed the connection");
    ApiClient::open(mux.listen, 176, 9).expect("the id is free again");
}

#[test]
fn by_policy_the_newcomer_takes_the_client_id_over() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &["--duplicate-client", "replace"]);
    let mut first = ApiClient::open(mux.listen, 176, 9).unwrap();
    ApiClient::open(mux.listen, 176, 9).expect("the newcomer starts");
    first.patience = PATIENCE;
    first.expect_error(-1, 326).unwrap();
    first.expect_closed().unwrap();
}

#[test]
fn a_request_before_start_api_is_refused_and_never_forwarded() {
    // This Gateway wedges when a message comes before startApi, as one was seen to do.
    let gateway = sim(|c| c.strict_startapi = true);
    let mux = mux_for(&gateway, &[]);
    let mut c = client(&mux);
    c.greet(100, 176, "").unwrap();
    c.send("reqOpenOrders", &Record::new()).unwrap();
    let told = c.expect_error(-1, 504).unwrap();
    assert!(told.text("errorMsg").contains("startApi"), "{}", told.line());
    c.expect_closed().unwrap();
    let stats = gateway.stats();
    assert_eq!((stats.early_messages, stats.wedged), (0, false));
    assert_eq!(stats.count(5), 0);
}

#[test]
fn requests_sent_in_one_piece_with_start_api_are_answered() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut c = client(&mux);
    c.greet(100, 176, "").unwrap();
    let mut out = BytesMut::new();
    frame::put(b"71\x002\x004\0\0", &mut out);
    frame::put(b"17\x001\0", &mut out);
    frame::put(b"8\x001\x001\0", &mut out);
    c.send_raw(&out).unwrap();
    for name in ["managedAccounts", "nextValidId", "managedAccounts", "nextValidId"] {
        c.expect(name).unwrap();
    }
}

#[test]
fn a_redirect_and_a_version_out_of_range_are_failures_of_the_upstream() {
    let gateway = sim(|c| c.redirect = Some("198.51.100.7:4002".into()));
    let mux = Mux::start(&gateway.address().to_string(), &["--backoff-min", "600", "--backoff-max", "600"]);
    mux.wait_log("198.51.100.7:4002");
    assert_eq!(mux.status("/upstream/ready"), false);
    wait_until("one attempt only", || gateway.stats().accepted == 1);
}

#[test]
fn clients_that_come_before_the_gateway_is_ready_are_let_in_when_it_is() {
    let gateway = sim(|c| c.handshake_delay = Duration::from_millis(600));
    let mux = Mux::start(&gateway.address().to_string(), &[]);
    let mut early = client(&mux);
    early.greet(100, 176, "").expect("the version reply is never held back");
    early.start(5).unwrap();
    early.expect("nextValidId").expect("let in once the Gateway is ready");
    assert_eq!(gateway.stats().accepted, 1, "a slow handshake is waited for, not tried again");
}

#[test]
fn clients_are_told_why_when_nothing_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mux = Mux::start(&free.to_string(), &[]);
    let mut c = client(&mux);
    assert_eq!(c.greet(100, 176, "").unwrap().version, 176);
    c.start(5).unwrap();
    let told = c.expect_error(-1, 504).unwrap();
    assert!(told.text("errorMsg").contains("nothing listens"), "{}", told.line());
    assert!(told.text("errorMsg").contains(&free.to_string()), "{}", told.line());
    c.expect_closed().unwrap();
}

#[test]
fn orders_of_the_upstream_client_id_from_before_are_shown_to_the_client_with_that_id() {
    let gateway = sim(|c| c.next_id_first = true);
    let mut direct = ApiClient::open(gateway.address(), 176, 0).unwrap();
    direct.send("placeOrder", &twsmux::sim::client::order(3, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
    direct.expect("orderStatus").unwrap();
    drop(direct);
    gateway.wait(PATIENCE, |s| s.open == 0).unwrap();
    let mux = mux_for(&gateway, &[]);
    let mut zero = client(&mux);
    zero.greet(100, 176, "").unwrap();
    zero.start(0).unwrap();
    for name in ["openOrder", "orderStatus", "openOrderEnd", "managedAccounts", "nextValidId"] {
        let m = zero.exactly(name).expect("live orders come first, then the accounts and the next id");
        if name == "openOrder" {
            assert_eq!((m.int("orderId"), m.int("clientId")), (3, 0));
        }
        if name == "nextValidId" {
            assert_eq!(m.int("orderId"), 4, "above the order that lives");
        }
    }
    let mut other = client(&mux);
    other.greet(100, 176, "").unwrap();
    other.start(1).unwrap();
    other.exactly("managedAccounts").expect("others are not shown it");
}
