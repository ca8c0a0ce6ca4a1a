//! Captures by real processes: made by `run`, printed by `decode`, run again by `replay`. A capture is a fixture.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{Mux, script, script_at, wait_until};
use twsmux::capture::Which;
use twsmux::capture::format::{self, Begin, End, Reader, Record, Side, What};

/// The account of the simulated Gateway.
const ACCOUNT: &[u8] = b"DU9000001";

fn twsmux(args: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twsmux")).args(args).arg(file).output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn replayed(file: &Path, code: i32) -> String {
    let output = twsmux(&["replay"], file);
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    said(&output)
}

fn decoded(file: &Path, args: &[&str]) -> String {
    let output = twsmux(&[&["decode"], args].concat(), file);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}

fn records(file: &Path) -> Vec<Record> {
    let bytes = fs::read(file).expect("the capture");
    let mut reader = Reader::new(&bytes[..]).expect("a capture");
    std::iter::from_fn(|| reader.next().expect("a whole capture")).collect()
}

/// Writes records as a capture with the first record of another one.
fn write(records: &[Record], like: &Path, to: &Path) {
    let bytes = fs::read(like).unwrap();
    let begin = Reader::new(&bytes[..]).unwrap().begin().clone();
    let mut out = Vec::new();
    format::put_head(&mut out);
    let first = Record { time: twsmux::time::Time(0), side: Side::None, what: What::Begin(Box::new(begin)) };
    std::iter::once(&first).chain(records).for_each(|r| format::put(r, &mut out));
    fs::write(to, out).unwrap();
}

fn capture(file: &Path, more: &[&str], act: impl FnOnce(&Mux)) {
    let name = file.to_str().expect("a plain name");
    let mut mux = Mux::start("sim", &[&["--capture", name], more].concat());
    mux.wait_ready();
    act(&mux);
    mux.signal("TERM");
    assert!(mux.wait_exit().success());
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.cap");
    (folder, file)
}

/// Two clients of different versions, one after the other and together.
fn tour(mux: &Mux) {
    script(mux.listen, 7);
    std::thread::scope(|scope| {
        scope.spawn(|| script_at(mux.listen, 8, 100, 151));
        scope.spawn(|| script_at(mux.listen, 9, 100, 226));
    });
}

#[test]
fn a_capture_of_a_real_run_replays_equal_and_is_readable() {
    let (_folder, file) = folder();
    capture(&file, &[], tour);
    let words = replayed(&file, 0);
    assert!(words.contains("0 connections differ"), "{words}");
    let equal: u64 =
        words.split(" frames equal").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(equal > 120, "{words}");
    let paper = decoded(&file, &[]);
    for words in [
        "capture by twsmux ",
        "everything, account numbers as they are",
        " up 1    written   -> greeting, server versions 100 to 176",
        " 0.0     read      -> greeting, server versions 100 to 176",
        " 0.0     written   <- hello, server version 176",
        " 0.0     read      -> placeOrder (3), text, ",
        " up 1    written   -> placeOrder (3), text, ",
        "   symbol = AAPL\n",
        " 0.0     closed    the client closed the connection\n",
        " -       end       the capture was ended\n",
    ] {
        assert!(paper.contains(words), "{words:?} in\n{}", &paper[..paper.len().min(4000)]);
    }
    let orders = decoded(&file, &["--json", "--message", "placeOrder"]);
    // Each client places one and modifies it, and both go to the Gateway.
    assert_eq!(orders.lines().count(), 3 * 2 * 2);
    for line in orders.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object["time"].is_string() && object["connection"].is_string(), "{object}");
    }
    assert_eq!(records(&file).last().unwrap().what, What::End(End::Stopped));
}

/// Everything about it holds, and no byte of the account is left.
#[test]
fn a_masked_capture_holds_no_account_number_and_replays_equal() {
    let (_folder, file) = folder();
    // A policy names the account too.
    let config = file.with_extension("toml");
    fs::write(&config, "[client.7]\naccounts = [\"DU9000001\"]\n").unwrap();
    capture(&file, &["--capture-mask", "--config", config.to_str().unwrap()], tour);
    let bytes = fs::read(&file).unwrap();
    assert!(!contains(&bytes, ACCOUNT));
    assert!(contains(&bytes, b"DU9000002"), "its stand-in is there");
    let words = replayed(&file, 0);
    assert!(words.contains("0 connections differ"), "{words}");
    let paper = decoded(&file, &[]);
    assert!(
        paper.contains("account numbers masked") && paper.contains("accountsList = DU9000002"),
        "{paper}"
    );
    assert!(
        !paper.contains("127.0.0.1:") || !paper.contains("connected from 127"),
        "no addresses of clients"
    );
    // The same run without the mask holds it: the test can fail.
    let plain = file.with_extension("plain");
    capture(&plain, &[], |mux| drop(script(mux.listen, 7)));
    assert!(contains(&fs::read(&plain).unwrap(), ACCOUNT));
}

#[test]
fn an_existing_file_is_not_overwritten_and_nothing_starts() {
    let (folder, file) = folder();
    fs::write(&file, "precious").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_twsmux"))
        .args(["run", "--upstream", "sim", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capture"])
        .arg(&file)
        .arg("--state-dir")
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("exists already and is not overwritten"), "{}", said(&output));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn the_limit_ends_the_capture_and_not_twsmux() {
    let (_folder, file) = folder();
    capture(&file, &["--capture-limit", "65536"], |mux| {
        assert!(mux.page("/metrics").contains("\ntwsmux_capture_running 1\n"));
        let mut id = 7;
        wait_until("the limit", || {
            id += 1;
            script(mux.listen, id);
            mux.log().contains("has reached its limit of 65536 bytes")
        });
        script(mux.listen, 7);
        assert!(mux.page("/metrics").contains("\ntwsmux_capture_running 0\n"));
    });
    assert!(fs::metadata(&file).unwrap().len() <= 65536);
    assert_eq!(records(&file).last().unwrap().what, What::End(End::Limit));
    assert!(decoded(&file, &[]).ends_with("the limit of the file was reached\n"));
    replayed(&file, 0);
}

#[test]
fn a_torn_tail_is_used_up_to_where_it_is_whole() {
    let (_folder, file) = folder();
    capture(&file, &[], |mux| drop(script(mux.listen, 7)));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() * 2 / 3]).unwrap();
    let words = replayed(&file, 0);
    assert!(words.contains("0 connections differ") && words.contains("it is cut off at byte"), "{words}");
    assert!(decoded(&file, &[]).contains("-- it is cut off at byte"));
    // Not torn, but damaged.
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&file, damaged).unwrap();
    assert!(replayed(&file, 2).contains("it is damaged at byte"));
    assert_eq!(twsmux(&["decode"], &file).status.code(), Some(2));
    fs::write(&file, b"no capture at all").unwrap();
    assert!(replayed(&file, 2).contains("it is no capture"));
}

/// The first difference of a connection is shown, with both frames and what was said before.
#[test]
fn what_differs_is_shown() {
    let (_folder, file) = folder();
    capture(&file, &[], |mux| drop(script(mux.listen, 7)));
    let mut all = records(&file);
    let is_error = |r: &&mut Record| {
        matches!(r.side, Side::Client(_)) && contains(r.what.bytes(), b"4\x002\x004\x00200\x00")
    };
    let record = all.iter_mut().find(is_error).expect("the error that no contract is found");
    let What::Written { bytes, .. } = &mut record.what else { panic!("it was written") };
    let at = bytes.windows(3).position(|w| w == b"200").unwrap();
    bytes[at..at + 3].copy_from_slice(b"201");
    let changed = file.with_extension("changed");
    write(&all, &file, &changed);
    let words = replayed(&changed, 1);
    for part in [
        "connection 0.0: the core says something else\nin the capture:\n<- error (4), text,",
        "   errorCode = 201\n",
        "in the replay:\n<- error (4), text,",
        "   errorCode = 200\n",
        "before it:\n",
        " 1 connections differ\n",
    ] {
        assert!(words.contains(part), "{part:?} in\n{words}");
    }
    // A frame that was never written, and one that the core would never have written.
    let order = |r: &Record| matches!(r.what, What::Written { .. }) && contains(r.what.bytes(), b"AAPL");
    let upstream = |r: &Record| matches!(r.side, Side::Upstream(_)) && order(r);
    let at = all.iter().position(upstream).expect("something about it went to the Gateway");
    let twice = all[at].clone();
    all.insert(at, twice);
    write(&all, &file, &changed);
    assert!(replayed(&changed, 1).contains("connection up 1: "));
    all.drain(at..at + 2);
    write(&all, &file, &changed);
    assert!(replayed(&changed, 1).contains("connection up 1: "));
}

#[test]
fn a_replay_goes_no_further_than_the_file_is_complete() {
    let (_folder, file) = folder();
    capture(&file, &[], |mux| drop(script(mux.listen, 7)));
    let mut all = records(&file);
    let at = all.len() / 2;
    let mark = Record { what: What::LeftOut { records: 3, bytes: 5 }, side: Side::None, time: all[at].time };
    all.insert(at, mark);
    let changed = file.with_extension("changed");
    write(&all, &file, &changed);
    let words = replayed(&changed, 2);
    assert!(
        words.contains("0 connections differ") && words.contains("3 records are missing here"),
        "{words}"
    );
    assert!(decoded(&changed, &[]).contains("3 records with 5 bytes are missing here"));
    // What cannot have been written is refused before the core sees it.
    let mut all = records(&file);
    let connected = all.iter().find(|r| matches!(r.side, Side::Client(_))).unwrap().clone();
    all.insert(at, Record { time: all[at].time, ..connected });
    write(&all, &file, &changed);
    assert!(
        replayed(&changed, 2).contains("a client connects where one is already")
            || replayed(&changed, 2).contains("record ")
    );
}

/// Orders of before are not in it: that is said first.
#[test]
fn a_journal_that_was_not_empty_is_named() {
    let (folder, file) = folder();
    let sim = support::sim(|_| {});
    let upstream = sim.address().to_string();
    let state = folder.path().join("state");
    let mut first = Mux::start_in(&state, &upstream, &[]);
    first.wait_ready();
    script(first.listen, 7);
    first.signal("TERM");
    first.wait_exit();
    let mut second = Mux::start_in(&state, &upstream, &["--capture", file.to_str().unwrap()]);
    second.wait_ready();
    second.signal("TERM");
    second.wait_exit();
    let output = twsmux(&["replay"], &file);
    assert!(said(&output).contains("the order journal was not empty when it began"), "{}", said(&output));
}

/// The link is lost and comes back, clients are refused, come slowly and send nonsense: all of it replays.
#[test]
fn a_capture_of_a_bad_day_replays_equal() {
    use std::io::{Read, Write};
    let (_folder, file) = folder();
    let sim = support::sim(|_| {});
    let name = file.to_str().unwrap();
    let mut mux = Mux::start(&sim.address().to_string(), &["--capture", name]);
    mux.wait_ready();
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"66\0", b"API\0\0\0\0\x09v100..176\xFF\xFF\xFF\xFF"] {
        let mut stream = std::net::TcpStream::connect(mux.listen).unwrap();
        stream.write_all(nonsense).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    // One that greets well, and then not.
    let mut stream = std::net::TcpStream::connect(mux.listen).unwrap();
    stream.write_all(b"API\0\0\0\0\x09v100..176").unwrap();
    stream.read_exact(&mut [0; 8]).unwrap();
    stream.write_all(b"\xFF\xFF\xFF\xFFand more").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    let mut held = twsmux::sim::client::ApiClient::dial(mux.listen).unwrap();
    held.greet(100, 176, "").unwrap();
    held.start(3).unwrap();
    held.expect("nextValidId").unwrap();
    held.send("reqMktData", &{
        let mut r = twsmux::sim::client::stock("AAPL");
        r.set("reqId", 1);
        r
    })
    .unwrap();
    held.expect("tickPrice").unwrap();
    // A second one with its id is refused.
    let mut twice = twsmux::sim::client::ApiClient::dial(mux.listen).unwrap();
    twice.greet(100, 176, "").unwrap();
    twice.start(3).unwrap();
    twice.expect_error(-1, 326).unwrap();
    script(mux.listen, 7);
    drop(sim);
    held.expect_error(-1, 1100).unwrap();
    mux.signal("TERM");
    assert!(mux.wait_exit().success());
    let words = replayed(&file, 0);
    assert!(words.contains("0 connections differ"), "{words}");
    let paper = decoded_with(&file, 1);
    assert!(paper.contains("!! a frame of 4294967295 bytes is announced"), "{paper}");
    assert!(paper.contains("   000000  ff ff ff ff 61 6e 64 20 6d 6f 72 65"), "{paper}");
}

/// What a person at the controls wants is an input as well.
#[test]
fn a_capture_of_commands_replays_equal() {
    use twsmux::sim::client::{ApiClient, order};
    let (_folder, file) = folder();
    capture(&file, &["--capture-mask"], |mux| {
        let command = |args: &[&str]| {
            let command = Command::new(env!("CARGO_BIN_EXE_twsmux"))
                .args(["control", "--admin", &mux.admin.to_string()])
                .args(args)
                .output()
                .expect("the binary starts");
            assert!(command.status.success(), "{}", said(&command));
        };
        let mut c = ApiClient::open(mux.listen, 176, 5).expect("started");
        c.patience = support::PATIENCE;
        c.send("placeOrder", &order(1, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
        c.expect("orderStatus").unwrap();
        command(&["pause"]);
        c.expect_error(-1, 1100).unwrap();
        command(&["resume"]);
        c.expect_error(-1, 1102).unwrap();
        command(&["kill-switch", "on"]);
        c.send("placeOrder", &order(2, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
        c.expect_error(2, 201).unwrap();
        command(&["kill", "5"]);
        wait_until("the client is gone", || mux.status("/clients/0").is_null());
    });
    let words = replayed(&file, 0);
    assert!(words.contains("0 connections differ"), "{words}");
    let paper = decoded(&file, &[]);
    for part in ["by hand: Pause", "by hand: Resume", "by hand: Kill", "other settings: ", " up 2 "] {
        assert!(paper.contains(part), "{part}");
    }
    assert!(!contains(&fs::read(&file).unwrap(), ACCOUNT));
}

/// A client that reads too slowly and is conflated, an outage with subscriptions that sleep and an order whose owner is away,
/// other settings under way: whatever the core decides by the clock, by what a socket took or by the disk, it decides again.
#[test]
fn a_capture_of_a_long_day_replays_equal() {
    use support::PATIENCE;
    use twsmux::sim::client::{ApiClient, order, stock};
    let (folder, file) = folder();
    let config = folder.path().join("twsmux.toml");
    fs::write(&config, "conflate_above_bytes = 4096\nmessages_per_second = 45\n").unwrap();
    let sim = support::sim(|c| c.tick_interval = std::time::Duration::from_millis(5));
    let flags = ["--capture", file.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let mut mux = Mux::start(
        &sim.address().to_string(),
        &[&flags[..], &["--backoff-min", "0.2", "--backoff-max", "0.5"]].concat(),
    );
    mux.wait_ready();
    let start = |id: i32, version: u16, symbols: &[&str]| {
        let mut c = ApiClient::open(mux.listen, version, id).expect("started");
        c.patience = PATIENCE;
        for (n, symbol) in symbols.iter().enumerate() {
            let mut ask = stock(symbol);
            ask.set("reqId", n as i64 + 1);
            c.send("reqMktData", &ask).expect("sent");
            c.send("reqMktDepth", ask.set("reqId", n as i64 + 11).set("numRows", 5)).expect("sent");
        }
        c
    };
    let (mut deaf, mut reader) = (start(1, 176, &["MSFT", "SPY", "SYM0042"]), start(2, 151, &["AAPL"]));
    reader.expect("tickPrice").unwrap();
    reader.send("placeOrder", &order(1, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
    reader.expect("orderStatus").unwrap();
    wait_until("the deaf one is behind", || {
        sim.burst(1000);
        reader.transcript.clear();
        let _ = reader.expect("tickPrice");
        // Its socket is full, and what is for it waits.
        mux.status("/clients/0/outbox_bytes").as_u64().is_some_and(|n| n > 4096)
    });
    let files = fs::read_to_string(&config).unwrap().replace("45", "20") + "kill_switch = true\n";
    fs::write(&config, files).unwrap();
    mux.signal("HUP");
    mux.wait_log("was read again");
    sim.close_all(twsmux::sim::Close::Reset);
    reader.expect_error(-1, 1100).unwrap();
    reader.expect_error(-1, 1102).unwrap();
    reader.send("placeOrder", &order(2, "AAPL", "BUY", 5, "LMT", "1.0")).unwrap();
    reader.expect_error(2, 201).expect("the kill switch");
    deaf.expect_error(-1, 1102).expect("it reads again");
    drop(reader);
    // Its owner comes back.
    let mut again = ApiClient::open(mux.listen, 176, 2).expect("started");
    again.ask("reqOpenOrders", &twsmux::protocol::layout::Record::new(), "openOrderEnd").unwrap();
    mux.signal("TERM");
    assert!(mux.wait_exit().success());
    let words = replayed(&file, 0);
    assert!(words.contains("0 connections differ"), "{words}");
    let paper = decoded(&file, &[]);
    for part in ["bytes wait for room", "other settings: ", "\"kill_switch\":true", " up 2    connected"] {
        assert!(paper.contains(part), "{part}");
    }
}

/// As [`decoded`] with another exit code.
fn decoded_with(file: &Path, code: i32) -> String {
    let output = twsmux(&["decode"], file);
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// The committed capture: whatever changes what twsmux says must be looked at, and the fixture made again.
#[test]
fn the_fixture_replays_equal() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tour.cap");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::create_dir_all(fixture.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&fixture);
        capture(&fixture, &["--capture-mask"], |mux| drop(script(mux.listen, 7)));
    }
    let words = replayed(&fixture, 0);
    assert!(words.contains("0 connections differ"), "{words}");
}

fn against(file: &Path, address: std::net::SocketAddr, more: &[&str], code: i32) -> String {
    let address = address.to_string();
    let output = twsmux(&[&["replay", "--against", &address, "--wait", "1"], more].concat(), file);
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    said(&output)
}

/// What a client asked is asked again, of a twsmux and of a simulated Gateway; nothing about orders is, until it is
/// allowed.
#[test]
fn one_clients_side_is_played_again_without_its_orders() {
    let (_folder, file) = folder();
    capture(&file, &[], |mux| drop(script(mux.listen, 7)));
    let sim = support::sim(|_| {});
    let mux = support::mux_for(&sim, &[]);
    for address in [mux.listen, sim.address()] {
        let words = against(&file, address, &["--speed", "0"], 0);
        for part in [
            " sent      -> greeting, server versions 176 to 176\n",
            " received  <- hello, server version 176, ",
            " sent      -> startApi (71), text, ",
            " sent      -> reqHistoricalData (20), text, ",
            " received  <- contractDetails (10), text, ",
            "   left out: 2 cancelOrder\n   left out: 2 placeOrder\n",
            "   3 contractDetails\n",
            "   1 execDetailsEnd\n",
        ] {
            assert!(words.contains(part), "{part:?} in\n{words}");
        }
        assert!(!words.contains("-> placeOrder") && !words.contains("-> cancelOrder"), "{words}");
    }
    assert_eq!(sim.arrivals().len(), 0, "{:?}", sim.arrivals());
    let words = against(&file, mux.listen, &["--orders", "--summary"], 0);
    assert!(words.contains(" messages sent, 0 left out\n") && !words.contains("->"), "{words}");
    assert!(words.contains(" orderStatus\n"), "{words}");
    // twsmux may have cancelled what had not left; a Gateway gets each of them.
    let before = sim.arrivals().len();
    against(&file, sim.address(), &["--orders", "--summary"], 0);
    let kinds: Vec<_> = sim.arrivals()[before..].iter().map(|a| format!("{:?}", a.kind)).collect();
    assert_eq!(kinds, ["Place", "Modify", "Cancel", "Cancel"]);
}

#[test]
fn a_replay_against_somebody_asks_who_and_where() {
    let (_folder, file) = folder();
    capture(&file, &[], tour);
    let refused = |args: &[&str]| {
        let output = twsmux(&[&["replay"], args].concat(), &file);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        said(&output)
    };
    let words = refused(&["--against", "127.0.0.1:1"]);
    assert!(words.contains("several clients in it (7, 8, 9): --client says which"), "{words}");
    let words = refused(&["--against", "127.0.0.1:1", "--client", "5"]);
    assert!(words.contains("there is no client 5 in it"), "{words}");
    let words = refused(&["--against", "127.0.0.1:1", "--client", "7"]);
    assert!(words.contains("cannot connect to 127.0.0.1:1"), "{words}");
    // An address of nobody (RFC 5737), and where a Gateway would be. Neither is dialled.
    let words = refused(&["--against", "192.0.2.1:4010", "--client", "7"]);
    assert!(words.contains("is another machine"), "{words}");
    let words = refused(&["--against", "127.0.0.1:7496", "--client", "7"]);
    assert!(words.contains("is where a Gateway or TWS listens"), "{words}");
    refused(&["--client", "7"]);
    refused(&["--against", "127.0.0.1:1", "--speed", "-1"]);
}

/// A client of protobuf keeps its form, at its pace.
#[test]
fn a_client_is_played_in_its_own_version() {
    let (_folder, file) = folder();
    capture(&file, &[], |mux| drop(script_at(mux.listen, 9, 100, 226)));
    let sim = support::sim(|_| {});
    let mux = support::mux_for(&sim, &["--max-server-version", "latest"]);
    for speed in ["0", "10"] {
        let words = against(&file, mux.listen, &["--summary", "--speed", speed], 0);
        assert!(words.contains("   1 execDetailsEnd\n"), "{words}");
    }
}

/// What a twsmux that panics was told last is in the file.
#[test]
fn a_panic_loses_nothing_of_the_capture() {
    let (_folder, file) = folder();
    let name = file.to_str().unwrap();
    let mut mux = Mux::start("sim", &["--capture", name, "--die", "panic-when-ready"]);
    assert_eq!(mux.wait_exit().code(), Some(101));
    let all = records(&file);
    // The journal had taken whose it is, and by that clients could work.
    assert!(matches!(all.last().unwrap().what, What::Journaled { .. } | What::Read(_)), "{:?}", all.last());
    assert!(decoded(&file, &["--message", "nextValidId"]).contains("orderId = "));
    replayed(&file, 0);
}

/// As a capture that is begun at run time would be: it has no side of the Gateway's, or no beginning.
#[test]
fn a_capture_without_all_of_it_is_decoded_and_not_replayed() {
    let (_folder, file) = folder();
    capture(&file, &[], |mux| drop(script(mux.listen, 7)));
    let all = records(&file);
    let bytes = fs::read(&file).unwrap();
    let begin = Reader::new(&bytes[..]).unwrap().begin().clone();
    let one = Which::Client(twsmux::ids::ClientId(7));
    for (begin, words) in [
        (Begin { which: one, ..begin.clone() }, "it is of client 7 alone"),
        (Begin { from_start: false, ..begin.clone() }, "it began while twsmux ran"),
        (
            Begin { config: serde_json::json!({"no_such": 1}), ..begin },
            "its settings cannot be read by this twsmux",
        ),
    ] {
        let first = Record { time: all[0].time, side: Side::None, what: What::Begin(Box::new(begin)) };
        let mut out = Vec::new();
        format::put_head(&mut out);
        let kept = all.iter().filter(|r| matches!(r.side, Side::Client(_)));
        std::iter::once(&first).chain(kept).for_each(|r| format::put(r, &mut out));
        let part = file.with_extension("part");
        fs::write(&part, out).unwrap();
        assert!(replayed(&part, 2).contains(words), "{}", replayed(&part, 2));
        assert!(decoded(&part, &[]).contains("-> placeOrder (3), text"));
        let sim = support::sim(|_| {});
        let words = against(&part, sim.address(), &["--speed", "0"], 0);
        assert!(words.contains("left out: 2 placeOrder"), "{words}");
    }
}
