//! `twsmux check` as a user meets it: every exit code with its words, from real processes, and nothing left behind.

mod support;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use support::{Manners, Mux, PATIENCE, Standin, mux_for, sim, wait_for, wait_until};
use twsmux::sim::client::ApiClient;
use twsmux::sim::{SimHandle, ZombieMode};
use twsmux::sockets::{self, table::State};

/// Patience of a check that is expected to get its answer.
const LONG: &str = "20";

fn check(connect: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["check", "--connect", connect])
        .args(more)
        .env_remove("TWSMUX_CONNECT")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

/// The exit code and all words.
fn told(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().expect("it exits by itself"), String::from_utf8_lossy(&text).into_owned())
}

/// Asserts how a check ends, in words and in JSON.
fn ends(connect: &str, more: &[&str], code: i32, name: &str, words: &[&str]) {
    let (found, text) = told(&check(connect, more));
    assert_eq!(found, code, "{text}");
    for expected in words {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    let (found, text) = told(&check(connect, &[more, &["--json"]].concat()));
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(found, code, "{text}");
    assert_eq!((&json["result"], &json["exit_code"]), (&json!(name), &json!(code)));
    assert_eq!((&json["accounts"], &json["server_version"]), (&json!([]), &Value::Null));
    let said = format!("{} {}", json["happened"].as_str().unwrap(), json["next"].as_str().unwrap());
    for expected in words {
        assert!(said.contains(expected), "{expected:?} in {said}");
    }
}

/// A port where nothing listens, and that nobody else is given as long as this lives.
fn closed_port() -> (socket2::Socket, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address.to_string())
}

fn is_left_alone(mux: &Mux) {
    wait_until("twsmux to have forgotten the checks", || mux.status("/clients") == json!([]));
}

#[test]
fn it_prints_the_accounts_and_exits_0() {
    let gateway = sim(|c| c.accounts = vec!["DU1".into(), "DU2".into()]);
    let mux = mux_for(&gateway, &[]);
    let output = check(&mux.listen.to_string(), &["--timeout", LONG]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "DU1,DU2\n");
    let remarks = String::from_utf8_lossy(&output.stderr);
    assert!(remarks.contains("server version 176") && remarks.contains("round trip"), "{remarks}");

    let (code, text) = told(&check(&mux.listen.to_string(), &["--json", "--timeout", LONG]));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["result"], &json["exit_code"]), (0, &json!("ok"), &json!(0)));
    assert_eq!((&json["accounts"], &json["server_version"]), (&json!(["DU1", "DU2"]), &json!(176)));
    assert!(json["round_trip_seconds"].as_f64().unwrap() > 0.0);
    assert!(json["handshake_seconds"].as_f64().unwrap() > 0.0);
    assert!(json["gateway_time"].as_i64().unwrap() > 0);
    let mut keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys.join(" "),
        "accounts connect exit_code gateway_time handshake_seconds happened next result round_trip_seconds \
         server_version"
    );
    is_left_alone(&mux);
}

#[test]
fn it_speaks_the_newest_version_too() {
    let gateway = sim(|c| c.max_version = twsmux::sim::LATEST);
    let mux = mux_for(&gateway, &["--max-server-version", "latest"]);
    let (code, text) = told(&check(&mux.listen.to_string(), &["--json", "--timeout", LONG]));
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["accounts"]), (0, &json!(["DU9000001"])), "{text}");
    assert_eq!(json["server_version"], json!(twsmux::sim::LATEST));
}

#[test]
fn many_at_once_and_one_after_the_other_cost_the_gateway_nothing() {
    let gateway = sim(|c| c.zombie = ZombieMode::EofRead);
    let mux = mux_for(&gateway, &[]);
    // The clock that twsmux asks for at the beginning comes first.
    assert_eq!(told(&check(&mux.listen.to_string(), &["--timeout", LONG])).0, 0);
    let asked = |g: &SimHandle| {
        let mut by_id = g.stats().by_id;
        by_id.remove(&49); // twsmux's own signs of life
        by_id
    };
    let before = asked(&gateway);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..8 {
                    let (code, text) = told(&check(&mux.listen.to_string(), &["--timeout", LONG]));
                    assert_eq!(code, 0, "{text}");
                }
            });
        }
    });
    is_left_alone(&mux);
    assert_eq!(asked(&gateway), before, "messages to the Gateway by id");
    let stats = gateway.stats();
    assert_eq!((stats.accepted, stats.fins, stats.resets), (1, 0, 0));
    assert_eq!(sockets::count(gateway.address().port(), State::CloseWait), Ok(0));
}

#[test]
fn usage_exits_2() {
    for arguments in [
        &["--connect", "4010"][..],
        &["--timeout", "0"],
        &["--timeout", "soon"],
        &["--nonsense"],
        &["--alive", "--json"],
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_twsmux")).arg("check").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn nothing_listens_exits_3() {
    let (_reserved, address) = closed_port();
    ends(&address, &[], 3, "nothing_listens", &["Nothing answers at", &address, "Start `twsmux run`"]);
    let name = "no-such-host.invalid:4010";
    ends(name, &[], 3, "nothing_listens", &["has no address", name, "--connect"]);
}

#[test]
fn a_gateway_that_is_away_exits_4_and_the_words_say_why() {
    let (_reserved, nowhere) = closed_port();
    let mux = Mux::start(&nowhere, &[]);
    let connect = mux.listen.to_string();
    let why = ["twsmux at", &connect, "has no Gateway", "nothing listens at", &nowhere, "log in"];
    ends(&connect, &["--timeout", LONG], 4, "gateway_away", &why);
    is_left_alone(&mux);
}

#[test]
fn a_gateway_that_does_not_answer_exits_4_and_the_words_say_why() {
    let gateway = Standin::start(Manners::Mute);
    let mux = Mux::start(&gateway.addr.to_string(), &[]);
    mux.wait_log("not read the greeting");
    let why = ["not read the greeting", "two-factor", "twsmux status"];
    ends(&mux.listen.to_string(), &["--timeout", LONG], 4, "gateway_away", &why);
}

#[test]
fn a_gateway_with_zombies_exits_4_and_the_words_say_why() {
    let gateway = sim(|c| c.zombie = ZombieMode::EofRead);
    drop(ApiClient::open(gateway.address(), 176, 1).expect("a client that goes around twsmux"));
    gateway.wait(PATIENCE, |s| s.zombies == 1).expect("its zombie");
    let mux = Mux::start(&gateway.address().to_string(), &[]);
    mux.wait_log("CLOSE_WAIT");
    let why = ["CLOSE_WAIT", "Restart IB Gateway", "two-factor", "twsmux status"];
    ends(&mux.listen.to_string(), &["--timeout", LONG], 4, "gateway_away", &why);
    assert_eq!(gateway.stats().accepted, 1, "nobody dialled it");
}

#[test]
fn a_client_id_in_use_exits_5() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let _holder = ApiClient::open(mux.listen, 176, 7).expect("the holder");
    let words = ["refused the client (326)", "id 7 is already in use", "Leave --client-id out"];
    ends(&mux.listen.to_string(), &["--client-id", "7", "--timeout", LONG], 5, "refused", &words);
}

#[test]
fn a_twsmux_that_is_full_exits_5() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &["--max-clients", "1"]);
    let _holder = ApiClient::open(mux.listen, 176, 7).expect("the only client");
    let words = ["closed without a word", "max_clients", "twsmux status"];
    ends(&mux.listen.to_string(), &["--timeout", LONG], 5, "refused", &words);
}

#[test]
fn checks_go_on_to_a_client_id_that_is_free() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    // All ids that checks use but one.
    let ids = 1_900_000_000..1_900_000_063;
    let _holders: Vec<ApiClient> =
        ids.map(|id| ApiClient::open(mux.listen, 176, id).expect("a holder")).collect();
    let (code, text) = told(&check(&mux.listen.to_string(), &["--timeout", LONG]));
    assert_eq!(code, 0, "{text}");
    let _last = ApiClient::open(mux.listen, 176, 1_900_000_063).expect("the last one, free again");
    let (code, text) = told(&check(&mux.listen.to_string(), &["--timeout", LONG]));
    assert!(code == 5 && text.contains("326"), "{text}");
}

#[test]
fn a_gateway_without_accounts_exits_6() {
    let gateway = sim(|c| c.accounts = vec![String::new()]);
    let mux = mux_for(&gateway, &[]);
    let words = ["manages no accounts", "login"];
    ends(&mux.listen.to_string(), &["--timeout", LONG], 6, "no_accounts", &words);
}

/// `twsmux sim` as a process of its own.
struct Sim(Child, String);

impl Sim {
    fn start(binary: &std::path::Path) -> Sim {
        let mut child = Command::new(binary)
            .args(["sim", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).expect("a ready line");
        let address = line.split_whitespace().find_map(|w| w.strip_prefix("sim=")).expect("its address");
        let address = address.to_owned();
        Sim(child, address)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_gateway_itself_is_not_dialled_and_exits_7() {
    let dir = tempfile::tempdir().unwrap();
    let java = dir.path().join("java");
    std::fs::copy(env!("CARGO_BIN_EXE_twsmux"), &java).unwrap();
    for binary in [env!("CARGO_BIN_EXE_twsmux").as_ref(), java.as_path()] {
        // A program that was just written may still be open in a child of another thread (ETXTBSY).
        let gateway =
            wait_for("the program to start", || std::panic::catch_unwind(|| Sim::start(binary)).ok());
        let words = ["the Gateway itself", "was not dialled", "twsmux doctor"];
        ends(&gateway.1, &[], 7, "not_twsmux", &words);
    }
}

#[test]
fn what_does_not_speak_the_api_exits_7() {
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    ends(
        &mux.admin.to_string(),
        &["--timeout", LONG],
        7,
        "not_twsmux",
        &["does not speak the API", "admin endpoint", "listen="],
    );
}

#[test]
fn what_does_not_answer_exits_8() {
    let gateway = Standin::start(Manners::Mute);
    let words = ["did not answer within 0.3 s during the handshake", "/livez", "twsmux doctor"];
    ends(&gateway.addr.to_string(), &["--timeout", "0.3"], 8, "no_answer", &words);
    gateway.assert_clean();

    // A patience below the time that twsmux gives the Gateway.
    let (_reserved, nowhere) = closed_port();
    let mux = Mux::start(&nowhere, &[]);
    let words = ["before the accounts", "give --timeout at least 3"];
    ends(&mux.listen.to_string(), &["--timeout", "1.2"], 8, "no_answer", &words);
    is_left_alone(&mux);
}

#[test]
fn alive_is_a_twsmux_that_answers_whatever_the_gateway_does() {
    let alive = |address: &str, timeout: &str| told(&check(address, &["--alive", "--timeout", timeout]));
    let (_reserved, nowhere) = closed_port();
    let mux = Mux::start(&nowhere, &["--max-clients", "1"]);
    let connect = mux.listen.to_string();
    assert_eq!(alive(&connect, LONG), (0, "alive\n".into()), "the Gateway is away");
    is_left_alone(&mux);
    let _holder = ApiClient::dial(mux.listen).unwrap();
    wait_until("the client", || mux.status("/clients") != json!([]));
    assert_eq!(alive(&connect, LONG), (0, "alive\n".into()), "it is full");
    mux.signal("STOP");
    assert_eq!(alive(&connect, "0.5").0, 8, "it is stuck");
    mux.signal("CONT");
    assert_eq!(alive(&nowhere, LONG).0, 3);
}

#[test]
fn a_peer_that_never_stops_talking_does_not_hold_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let frame = |text: &str| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
            let mut bytes = frame("176\x0020261123 22:27:38 CET\0");
            while std::io::Write::write_all(&mut stream, &bytes).is_ok() {
                bytes = frame("4\x002\0-1\x002104\0all is well\0").repeat(100);
            }
        }
    });
    ends(&address, &["--timeout", "1.2"], 8, "no_answer", &["before the accounts"]);
}
