//! Commands for a running twsmux, given with `twsmux control` and by plain HTTP: what they do on real sockets, who may give
//! them, and what stays of them.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::{Mux, PATIENCE, mux_for, sim, wait_until};
use twsmux::record;
use twsmux::sim::client::{ApiClient, order, stock};

/// Runs `twsmux control` for a twsmux: exit code, standard output and error.
fn control(mux: &Mux, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["control", "--admin", &mux.admin.to_string()])
        .args(arguments)
        .output()
        .expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}

/// One that has to work; what it says.
fn done(mux: &Mux, arguments: &[&str]) -> String {
    let (code, out, err) = control(mux, arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
    out
}

fn started(mux: &Mux, id: i32) -> ApiClient {
    let mut c = ApiClient::dial(mux.listen).expect("twsmux accepts");
    c.patience = PATIENCE;
    c.greet(100, 176, "").unwrap();
    c.start(id).unwrap();
    c.expect("nextValidId").unwrap();
    c
}

/// A plain HTTP request at the admin port; status code and body.
fn post(mux: &Mux, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(mux.admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        mux.admin,
        body.len()
    )
    .unwrap();
    answer(stream)
}

fn answer(mut stream: impl Read) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (code.unwrap_or_else(|| panic!("no HTTP: {text:?}")), body.unwrap_or_default())
}

fn token_file(dir: &Path, token: &str) -> String {
    let path = dir.join("token");
    std::fs::write(&path, format!("{token}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[test]
fn a_pause_leaves_nothing_at_the_gateway_and_clients_go_on_after_it() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut client = started(&mux, 7);
    let mut request = stock("AAPL");
    request.set("reqId", 5);
    client.send("reqMktData", &request).unwrap();
    client.expect("tickPrice").unwrap();
    let words = done(&mux, &["pause", "--reason", "the Gateway is upgraded"]);
    assert!(words.starts_with("paused: "), "{words}");
    client.expect_error(-1, 1100).unwrap();
    wait_until("no connection at the Gateway", || gateway.stats().open == 0);
    let (code, body) = mux.answer("/readyz");
    assert!(code == 503 && body.contains("paused") && body.contains("control resume"), "{code} {body}");
    assert_eq!(mux.status("/upstream/trouble/case"), "paused");
    assert_eq!(mux.status("/paused"), true);
    client.send("placeOrder", &order(1, "AAPL", "BUY", 10, "LMT", "1.0")).unwrap();
    client.expect_error(1, 201).unwrap();
    let (code, _, err) = control(&mux, &["pause"]);
    assert!(code == 1 && err.contains("paused already"), "{code} {err}");
    assert_eq!(gateway.stats().accepted, 1);
    done(&mux, &["resume"]);
    client.expect_error(-1, 1102).unwrap();
    client.expect("tickPrice").unwrap();
    assert_eq!((gateway.stats().accepted, gateway.stats().most_open), (2, 1));
    let log = mux.log();
    let audit = log.lines().find(|line| line.contains("control: pause: paused")).expect("an audit line");
    assert!(audit.contains("user ") && audit.contains("the Gateway is upgraded"), "{audit}");
    assert!(log.contains("control: pause: not done: it is paused already"), "{log}");
    let metrics = mux.page("/metrics");
    for line in [
        "twsmux_control_commands_total{command=\"pause\",result=\"done\"} 1",
        "twsmux_control_commands_total{command=\"pause\",result=\"refused\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

#[test]
fn a_new_connection_takes_the_place_of_the_old_one() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut client = started(&mux, 7);
    done(&mux, &["reconnect"]);
    client.expect_error(-1, 1100).unwrap();
    client.expect_error(-1, 1102).unwrap();
    wait_until("the other connection", || gateway.stats().accepted == 2 && gateway.stats().open == 1);
    assert_eq!(gateway.stats().most_open, 1);
    client.fence().unwrap();
}

#[test]
fn a_client_is_closed_by_id_or_key_and_kept_away_by_its_policy() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let (mut one, mut two) = (started(&mux, 1), started(&mux, 2));
    let words = done(&mux, &["kill", "1"]);
    assert!(words.contains("client id 1"), "{words}");
    one.expect_error(-1, 504).unwrap();
    one.expect_closed().unwrap();
    two.fence().unwrap();
    done(&mux, &["policy", "1", "allowed=false"]);
    let mut again = ApiClient::dial(mux.listen).unwrap();
    again.patience = PATIENCE;
    again.greet(100, 176, "").unwrap();
    again.start(1).unwrap();
    again.expect_error(-1, 326).unwrap();
    done(&mux, &["policy", "1", "--reset"]);
    started(&mux, 1);
    let clients = mux.status("/clients");
    let of_two = clients.as_array().unwrap().iter().find(|c| c["client_id"] == 2).expect("client 2");
    let key = of_two["key"].clone();
    let (code, _, err) = control(&mux, &["kill", "--key", "99.0"]);
    assert!(code == 1 && err.contains("99.0 is not connected"), "{code} {err}");
    done(&mux, &["kill", "--key", key.as_str().unwrap()]);
    two.expect_error(-1, 504).unwrap();
    let (code, _, err) = control(&mux, &["kill", "9"]);
    assert!(code == 1 && err.contains("client id 9 is not connected"), "{code} {err}");
    assert_eq!(gateway.stats().accepted, 1, "the Gateway noticed nothing");
}

#[test]
fn a_drain_ends_twsmux_when_the_last_client_has_left() {
    let gateway = sim(|_| {});
    let mut mux = mux_for(&gateway, &[]);
    let mut one = started(&mux, 1);
    done(&mux, &["drain", "--stop"]);
    let mut late = ApiClient::dial(mux.listen).unwrap();
    late.patience = PATIENCE;
    late.greet(100, 176, "").unwrap();
    late.start(2).unwrap();
    late.expect_error(-1, 504).unwrap();
    late.expect_closed().unwrap();
    let (code, body) = mux.answer("/readyz");
    assert!(code == 503 && body.contains("draining"), "{code} {body}");
    let check = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["check", "--connect", &mux.listen.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        check.status.code() == Some(5) && said.contains("drained") && !said.contains("no Gateway"),
        "{said}"
    );
    one.send("placeOrder", &order(1, "AAPL", "BUY", 10, "LMT", "1.0")).unwrap();
    one.find("the order at work", |m| m.name == "orderStatus").unwrap();
    drop(one);
    assert!(mux.wait_exit().success());
    wait_until("no connection at the Gateway", || gateway.stats().open == 0);
}

#[test]
fn the_kill_switch_outlives_a_reading_of_the_settings_and_a_restart() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let (file, state) = (dir.path().join("twsmux.toml"), dir.path().join("state"));
    std::fs::write(&file, "messages_per_second = 40\n").unwrap();
    let file = file.display().to_string();
    let start = || {
        let mux = Mux::start_in(&state, &gateway.address().to_string(), &["--config", &file]);
        mux.wait_ready();
        mux
    };
    let place = |client: &mut ApiClient, id: i32| {
        client.send("placeOrder", &order(id, "AAPL", "BUY", 10, "LMT", "1.0")).unwrap();
    };
    let mut mux = start();
    let mut client = started(&mux, 7);
    place(&mut client, 1);
    client.find("the order at work", |m| m.name == "orderStatus").unwrap();
    done(&mux, &["kill-switch", "on", "--reason", "what is it doing?"]);
    place(&mut client, 2);
    client.expect_error(2, 201).unwrap();
    client.send("cancelOrder", &record! { orderId: 1 }).unwrap();
    client.expect_error(1, 202).unwrap();
    assert_eq!(mux.status("/config/changed_by_hand"), json!(["kill_switch"]));
    mux.signal("HUP");
    wait_until("the file to be read again", || mux.status("/config/reloads_applied") == 1);
    assert_eq!(mux.status("/kill_switch"), true, "another reading does not release it");
    assert_eq!(mux.status("/config/changed_by_hand"), json!(["kill_switch"]));
    assert!(mux.log().contains("Changed by hand, whatever the file says: kill_switch"), "{}", mux.log());
    mux.signal("KILL");
    mux.wait_exit();
    let mux = start();
    mux.wait_log("the kill switch is on since before this start");
    let mut client = started(&mux, 7);
    place(&mut client, 3);
    client.expect_error(3, 201).unwrap();
    done(&mux, &["kill-switch", "off"]);
    place(&mut client, 4);
    client.find("the order at work", |m| m.name == "orderStatus").unwrap();
    assert_eq!(mux.status("/config/changed_by_hand"), json!([]));
    drop(mux);
    assert_eq!(start().status("/kill_switch"), false);
}

#[test]
fn a_policy_changes_for_who_is_connected_and_mistakes_are_named() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let mut client = started(&mux, 7);
    let words = done(&mux, &["policy", "7", "max_order_quantity=5", "read_only=false"]);
    assert!(words.contains("client.7") && words.contains("\"max_order_quantity\":5.0"), "{words}");
    client.send("placeOrder", &order(1, "AAPL", "BUY", 10, "LMT", "1.0")).unwrap();
    client.expect_error(1, 201).unwrap();
    client.send("placeOrder", &order(2, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
    client.find("the order at work", |m| m.name == "orderStatus").unwrap();
    for (arguments, code, says) in [
        (&["policy", "7", "max_order_quantity=-5"][..], 2, "must be a number above 0"),
        (&["policy", "7", "max_order_qty=5"], 2, "max_order_qty"),
        (&["policy", "seven", "read_only=true"], 2, "neither a client id nor"),
        (&["policy", "7", "read_only"], 2, "FIELD=VALUE"),
        (&["policy", "7"], 2, "FIELD=VALUE"),
        (&["kill-switch", "maybe"], 2, "on"),
        (&["kill"], 2, "CLIENT_ID"),
    ] {
        let (found, _, err) = control(&mux, arguments);
        assert!(found == code && err.contains(says), "{arguments:?}: {found} {err}");
    }
}

#[test]
fn nobody_commands_over_the_port_without_the_token() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let (code, body) = post(&mux, "/control/pause", "", "");
    assert!(
        code == 403 && body.contains("admin_token_file") && body.contains("admin socket"),
        "{code} {body}"
    );
    let (code, body) = post(&mux, "/control/pause", "Authorization: Bearer \r\n", "");
    assert!(code == 403, "{code} {body}");

    drop(mux); // one at a time at a Gateway
    let dir = tempfile::tempdir().unwrap();
    let file = token_file(dir.path(), "0123456789abcdef0123");
    let mux = mux_for(&gateway, &["--admin-token-file", &file, "--admin-socket", ""]);
    assert_eq!(mux.status("/config/admin_socket"), json!(null));
    for (headers, code) in [
        ("", 401),
        ("Authorization: Bearer 0123456789abcdef0124\r\n", 401),
        ("Authorization: Bearer 0123456789abcdef012\r\n", 401),
        ("Authorization: bearer 0123456789abcdef0123\r\n", 401),
        ("Authorization: Basic 0123456789abcdef0123\r\n", 401),
        ("Authorization: Bearer 0123456789abcdef0123\r\nHost: evil.example\r\n", 403),
    ] {
        let (found, body) = post(&mux, "/control/pause", headers, "");
        assert_eq!(found, code, "{headers}: {body}");
    }
    assert_eq!(mux.status("/paused"), false);
    let right = "Authorization: Bearer 0123456789abcdef0123\r\n";
    for (path, body, code) in [
        ("/control/nothing", "", 404),
        ("/control/pause", "{", 400),
        ("/control/pause", &"x".repeat(20_000), 413),
        ("/status", "", 405),
        ("/control/", "", 404),
    ] {
        let (found, words) = post(&mux, path, right, body);
        assert_eq!(found, code, "{path} {words}");
    }
    let (code, err) = mux.answer("/control/pause");
    assert_eq!(code, 405, "{err}");
    let (code, body) = post(&mux, "/control/pause", right, "{\"reason\":\"by hand\"}");
    assert!(code == 200 && body.contains("\"done\":\"paused: "), "{code} {body}");
    mux.wait_log("the token, from 127.0.0.1");
    assert!(!mux.log().contains("0123456789abcdef"), "the token is in no log");
    assert!(mux.page("/metrics").contains("twsmux_connections_refused_total{reason=\"token\"} 5"));
    // The command line without the token, with it, and with a wrong one.
    let (code, _, err) = control(&mux, &["resume"]);
    assert!(code == 4 && err.contains("--token-file"), "{code} {err}");
    done(&mux, &["resume", "--token-file", &file]);
    let other = tempfile::tempdir().unwrap();
    let wrong = token_file(other.path(), "0123456789abcdef9999");
    let (code, _, err) = control(&mux, &["resume", "--token-file", &wrong]);
    assert!(code == 4 && err.contains("not the token"), "{code} {err}");
}

#[test]
fn a_token_is_exchanged_at_sighup_and_a_bad_file_is_refused() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let file = token_file(dir.path(), "first-token-of-all");
    let config = dir.path().join("twsmux.toml");
    std::fs::write(&config, format!("admin_token_file = {file:?}\n")).unwrap();
    let mux = mux_for(&gateway, &["--config", &config.display().to_string()]);
    let with =
        |token: &str| post(&mux, "/control/reconnect", &format!("Authorization: Bearer {token}\r\n"), "").0;
    assert_eq!(with("first-token-of-all"), 200);
    token_file(dir.path(), "second-token-of-all");
    mux.signal("HUP");
    wait_until("the file to be read again", || mux.status("/config/reloads_applied") == 1);
    assert_eq!((with("first-token-of-all"), with("second-token-of-all")), (401, 200));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    mux.signal("HUP");
    wait_until("the reading to fail", || mux.status("/config/reloads_rejected") == 1);
    assert!(mux.status("/config/error").as_str().unwrap().contains("chmod 600"));
    assert_eq!(with("second-token-of-all"), 200, "everything stays as it was");
}

#[test]
fn the_socket_is_its_owners_alone_and_answers_the_pages_too() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let mut mux = mux_for(&gateway, &["--admin-socket", &path.display().to_string()]);
    assert_eq!(mux.status("/config/admin_socket"), path.display().to_string());
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    wait_until("the page over the socket", || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: whatever\r\n\r\n").unwrap();
        answer(stream) == (200, "ready\n".to_owned())
    });
    let place = format!("unix:{}", path.display());
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_twsmux")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run(&["status", "--admin", &place]), (Some(0), String::new()));
    assert_eq!(run(&["control", "resume", "--admin", &place]), (Some(0), String::new()));
    mux.signal("TERM");
    assert!(mux.wait_exit().success());
    assert!(!path.exists(), "the file goes with the process");
    let (code, err) = run(&["control", "resume", "--admin", &place]);
    assert!(code == Some(3) && err.contains("nothing answers"), "{code:?} {err}");
    let (code, err) = run(&["control", "resume", "--admin", &mux.admin.to_string()]);
    assert!(code == Some(3) && err.contains("nothing answers"), "{code:?} {err}");
}

#[test]
fn a_command_whose_sender_hangs_up_is_carried_out_and_logged() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let path = mux.status("/config/admin_socket");
    let mut stream = UnixStream::connect(path.as_str().unwrap()).unwrap();
    write!(
        stream,
        "POST /control/kill-switch HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{{\"on\":true}}"
    )
    .unwrap();
    drop(stream);
    mux.wait_log("control: kill-switch: the kill switch is on");
    wait_until("the switch", || mux.status("/kill_switch") == true);
}

/// What `twsmux decode` prints of a capture, once it is whole.
fn decoded(path: &str) -> String {
    let mut text = String::new();
    wait_until("the capture to be whole", || {
        let output = Command::new(env!("CARGO_BIN_EXE_twsmux")).args(["decode", path]).output().unwrap();
        text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("captured no more") || text.lines().last().is_some_and(|line| line.contains("end"))
    });
    text
}

#[test]
fn one_clients_messages_are_captured_while_twsmux_runs() {
    let gateway = sim(|_| {});
    let state = tempfile::tempdir().unwrap();
    let mux = Mux::start_in(state.path(), &gateway.address().to_string(), &[]);
    mux.wait_ready();
    let mut other = started(&mux, 1);
    let words = done(&mux, &["capture", "7", "--mask"]);
    let path = words.split(" is captured in ").nth(1).and_then(|rest| rest.split(',').next());
    let path = path.unwrap_or_else(|| panic!("{words}")).to_owned();
    assert!(Path::new(&path).starts_with(state.path()), "{path}");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let (code, _, err) = control(&mux, &["capture"]);
    assert!(code == 1 && err.contains("one at a time"), "{code} {err}");
    let mut client = started(&mux, 7);
    for (client, symbol) in [(&mut other, "MSFT"), (&mut client, "AAPL")] {
        let mut ask = stock(symbol);
        ask.set("reqId", 5);
        client.ask("reqContractDetails", &ask, "contractDetailsEnd").unwrap();
    }
    done(&mux, &["capture-stop"]);
    let text = decoded(&path);
    assert!(text.contains("AAPL") && text.contains("startApi"), "{text}");
    assert!(!text.contains("MSFT"), "what another client asks is not in it:\n{text}");
    assert!(!text.contains("DU9000001"), "the account is masked:\n{text}");
    let (code, _, err) = control(&mux, &["capture-stop"]);
    assert!(code == 1 && err.contains("no capture"), "{code} {err}");
    // A file of one's own choice, which must not be there.
    let own = state.path().join("own.cap");
    done(&mux, &["capture", "--file", &own.display().to_string()]);
    done(&mux, &["capture-stop"]);
    assert!(decoded(&own.display().to_string()).contains("everything"));
    wait_until("the first capture to be over", || {
        let (code, _, err) = control(&mux, &["capture", "--file", &own.display().to_string()]);
        assert_eq!(code, 1, "it is never overwritten");
        err.contains("exist")
    });
}

#[test]
fn a_kill_switch_that_cannot_be_kept_holds_and_is_no_success() {
    let gateway = sim(|_| {});
    let state = tempfile::tempdir().unwrap();
    let mux = Mux::start_in(state.path(), &gateway.address().to_string(), &[]);
    mux.wait_ready();
    let path = mux.status("/config/admin_socket");
    let folder = Path::new(path.as_str().unwrap()).parent().unwrap();
    // A folder of that name is no file that could be written.
    std::fs::create_dir(folder.join("kill-switch")).unwrap();
    let (code, _, err) = control(&mux, &["kill-switch", "on"]);
    assert!(code == 7 && err.contains("is on") && err.contains("after a restart it is off"), "{code} {err}");
    assert_eq!(mux.status("/kill_switch"), true);
    let log = mux.log();
    assert!(log.lines().any(|l| l.contains("ERROR") && l.contains("control: kill-switch")), "{log}");
}

#[test]
fn a_switch_that_was_refused_to_go_off_does_not_go_off_later() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("twsmux.toml");
    std::fs::write(&file, "kill_switch = true\n").unwrap();
    let mux = mux_for(&gateway, &["--config", &file.display().to_string()]);
    done(&mux, &["kill-switch", "on"]);
    let (code, _, err) = control(&mux, &["kill-switch", "off"]);
    assert!(code == 1 && err.contains("setting kill_switch"), "{code} {err}");
    std::fs::write(&file, "kill_switch = false\n").unwrap();
    mux.signal("HUP");
    wait_until("the file to be read again", || mux.status("/config/reloads_applied") == 1);
    assert_eq!(mux.status("/kill_switch"), true);
    done(&mux, &["kill-switch", "off"]);
    assert_eq!(mux.status("/kill_switch"), false);
}

#[test]
fn commands_find_the_socket_of_a_relative_state_directory_from_anywhere() {
    let gateway = sim(|_| {});
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    command.current_dir(dir.path());
    let mux = Mux::spawn(command, Path::new("state"), &gateway.address().to_string(), &[]);
    mux.wait_ready();
    done(&mux, &["resume"]);
}
