//! `twsmux decode` on every kind of input, as a process.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use serde_json::Value;
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout::Record;
use twsmux::record;
use twsmux::wire::frame::{self, FrameBuffer};
use twsmux::wire::{handshake::ClientHello, proto};

fn twsmux(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    command.arg("decode").args(args);
    command
}

/// Decodes what comes through standard input.
fn decode(input: &[u8], args: &[&str]) -> Output {
    let mut command = twsmux(args);
    command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    })
}

/// What was printed, when the exit code is `code`.
fn printed(output: Output, code: i32) -> String {
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    out
}

/// What was complained about, when the exit code is `code`.
fn complaint(output: Output, code: i32) -> String {
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{err}");
    err
}

fn objects(output: Output) -> Vec<Value> {
    printed(output, 0).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn response(version: u16, id: u32, values: &Record) -> Vec<u8> {
    let mut out = BytesMut::new();
    Dialect::new(version).response(id).unwrap().compose(values, &mut out);
    out.to_vec()
}

fn request(version: u16, id: u32, values: &Record) -> Vec<u8> {
    let mut out = BytesMut::new();
    Dialect::new(version).request(id).unwrap().compose(values, &mut out);
    out.to_vec()
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame::put(payload, &mut out);
    out.to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn fixtures() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto-fixtures");
    let mut folders: Vec<_> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let version = |path: &Path| path.to_str().unwrap().rsplit_once("-v").unwrap().1.to_owned();
    folders.into_iter().map(|path| (path.clone(), version(&path))).collect()
}

/// How many frames follow the handshake.
fn frames_in(bytes: &[u8]) -> usize {
    let mut buffer = FrameBuffer::default();
    buffer.extend(bytes);
    match bytes.starts_with(b"API\0") {
        true => assert!(ClientHello::take(&mut buffer, 100).unwrap().is_some()),
        false => assert!(buffer.next(100).unwrap().is_some()),
    }
    std::iter::from_fn(|| buffer.next(1 << 24).unwrap()).count()
}

#[test]
fn both_directions_of_every_recorded_session_are_readable() {
    let mut messages = 0;
    for (folder, version) in fixtures() {
        for (file, args) in [("client.bin", &["--server-version", &version][..]), ("gateway.bin", &[])] {
            let path = folder.join(file);
            let output = twsmux(args).arg("--json").arg(&path).output().unwrap();
            let objects = objects(output);
            assert_eq!(objects.len(), 1 + frames_in(&fs::read(&path).unwrap()), "{}", path.display());
            assert!(objects[0]["handshake"].is_object());
            for object in &objects[1..] {
                assert_eq!(object["serverVersion"].to_string(), version, "{object}");
                assert!(object["message"].is_string() && object["fields"].is_object(), "{object}");
                messages += 1;
            }
        }
    }
    assert!(messages > 2000, "{messages}");
}

#[test]
fn an_order_reads_the_same_in_either_form_in_the_order_of_the_text() {
    let mut order = record! {
        orderId: 7, symbol: "AAPL", secType: "STK", action: "BUY", orderType: "LMT",
        totalQuantity: 100, lmtPrice: "1.5", transmit: true, algoStrategy: "Twap",
        auxPrice: "1.7976931348623157E308",
    };
    order.push("algoParamsCount", record! { tag: "startTime", value: "09:30" });
    for version in ["176", "226"] {
        let line = hex(&request(version.parse().unwrap(), 3, &order));
        let args = ["--direction", "client", "--server-version", version];
        let text = printed(decode(line.as_bytes(), &args), 0);
        let form = if version == "176" { "text" } else { "protobuf" };
        assert!(text.starts_with(&format!("-> placeOrder (3), {form}, ")), "{text}");
        let places: Vec<_> = [
            "   orderId = 7\n",
            "   symbol = AAPL\n",
            "   action = BUY\n",
            "   totalQuantity = 100\n",
            "   orderType = LMT\n",
            "   lmtPrice = 1.5\n",
            "   transmit = 1\n",
            "   algoStrategy = Twap\n   algoParamsCount 1 of 1:\n      tag = startTime\n      value = 09:30\n",
        ]
        .iter()
        .map(|words| text.find(words).unwrap_or_else(|| panic!("{words:?} in {text}")))
        .collect();
        assert!(places.is_sorted(), "{text}");
        assert_eq!(text.contains("auxPrice = 1.7976931348623157E308 (unset)"), version == "176", "{text}");
    }
}

/// Two connections of different versions, as `disconnect` and `handshake` lines part them.
#[test]
fn a_recording_in_text_is_read_with_the_version_of_each_connection() {
    let tick = record! { reqId: 5, tickType: 1, price: "227.31", size: "400" };
    let line = |word, payload: &[u8]| format!("raw {word} {}\n", STANDARD.encode(framed(payload)));
    let mut text =
        String::from("# a comment\n\nhandshake {\"server_version\":226,\"connection_time\":\"now\"}\n");
    text += &line("server", &response(226, 1, &tick));
    text += &line("client", &request(226, 2, &record! { reqId: 5 }));
    text += "disconnect\nsleep 500ms\nhandshake {\"server_version\":176,\"connection_time\":\"then\"}\n";
    text += &line("server", &response(176, 1, &tick));
    let paper = printed(decode(text.as_bytes(), &[]), 0);
    let heads: Vec<_> = paper.lines().filter(|l| !l.starts_with(' ')).collect();
    assert_eq!(
        heads,
        [
            "<- hello, server version 226, now",
            "<- tickPrice (1), protobuf, 22 bytes",
            "-> cancelMktData (2), protobuf, 6 bytes",
            "-- disconnect",
            "-- sleep 500ms",
            "<- hello, server version 176, then",
            "<- tickPrice (1), text, 21 bytes",
        ]
    );
    let objects = objects(decode(text.as_bytes(), &["--json", "--message", "tickPrice"]));
    assert_eq!(objects.len(), 2);
    for object in objects {
        assert_eq!((&object["direction"], &object["fields"]["price"]), (&"gateway".into(), &"227.31".into()));
    }
    let error = complaint(decode(text.as_bytes(), &["--server-version", "200"]), 2);
    assert!(error.contains("line 3: it was recorded at server version 226, not at 200"), "{error}");
}

#[test]
fn hexadecimal_may_have_its_length_in_front_or_not() {
    let managed = response(201, 15, &record! { accountsList: "DU1" });
    // Its message id looks like the length of what follows.
    let alike = [&[0, 0, 0, 15][..], b"1\0DU1,DU2,DU31\0"].concat();
    for (version, payload) in [(176, b"9\x001\x007\0".to_vec()), (201, managed), (201, alike)] {
        let args = ["--json", "--direction", "gateway", "--server-version", &version.to_string()];
        let plain = decode(hex(&payload).as_bytes(), &args);
        let with_length = decode(hex(&framed(&payload)).to_uppercase().as_bytes(), &args);
        assert_eq!(objects(plain), objects(with_length));
    }
    let error = complaint(decode(b"390031003700", &["--server-version", "176"]), 2);
    assert!(error.contains("--direction"), "{error}");
    let error = complaint(decode(b"a text about frames", &[]), 2);
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn unknown_protobuf_fields_are_named() {
    let mut payload = BytesMut::from(&response(226, 9, &record! { orderId: 7 })[..]);
    proto::put_int(99, 1, &mut payload);
    let args = ["--direction", "gateway", "--server-version", "226"];
    let text = printed(decode(hex(&payload).as_bytes(), &args), 0);
    assert!(text.ends_with("   orderId = 7\n   unknown: field 99 of NextValidId\n"), "{text}");
}

#[test]
fn an_unreadable_frame_is_shown_with_what_is_wrong_and_the_next_one_follows() {
    let lines = [
        "390031003700",         // nextValidId
        "39003100370038003900", // two fields more than it has
        "390031007800",         // an id that is none
        "393900390000",         // message 99 with too few fields
        "383030300000",         // no message at all
        "390031003800",
    ];
    let args = ["--direction", "gateway", "--server-version", "176"];
    let output = decode(lines.join("\n").as_bytes(), &args);
    assert!(String::from_utf8_lossy(&output.stderr).contains("4 of 6 frames could not be read"));
    let text = printed(output, 1);
    for words in [
        "   left over: 8\n   left over: 9\n   !! 2 more fields than the message has, from field 3 on\n   000000  39 00 31",
        "   !! field 2 (orderId) holds \"x\", which is not a number in its range\n",
        "<- tickByTick (99), text, 6 bytes\n   reqId = 9\n",
        "<- ?, 6 bytes\n   !! no message has the id 8000\n   000000  38 30 30 30 00 00",
        "8000..\n<- nextValidId (9), text, 6 bytes\n   version = 1\n   orderId = 8\n",
    ] {
        assert!(text.contains(words), "{words}\nin\n{text}");
    }
    let json = printed(decode(lines[1].as_bytes(), &[&args[..], &["--json"]].concat()), 1);
    let object: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["leftOver"], serde_json::json!(["8", "9"]));
    assert_eq!(object["payload"], lines[1]);
}

#[test]
fn a_client_stream_needs_its_version_and_a_lost_framing_ends_it() {
    let stream = |range: &str, rest: &[u8]| {
        [b"API\0", &framed(range.as_bytes())[..], &framed(b"71\x002\x007\0\0"), rest].concat()
    };
    let error = complaint(decode(&stream("v100..176", b""), &[]), 2);
    assert!(error.contains("100 to 176; --server-version"), "{error}");
    let error = complaint(decode(&stream("v100..176", b""), &["--server-version", "177"]), 2);
    assert!(error.contains("177 is not among them"), "{error}");
    let text = printed(decode(&stream("v176 +PACEAPI", b""), &[]), 0);
    assert!(text.starts_with("-> greeting, server versions 176 to 176 +PACEAPI\n-> startApi (71)"), "{text}");
    let text = printed(decode(&stream("v176", b"\xFF\xFF\xFF\xFFmore"), &[]), 1);
    assert!(text.contains("!! a frame of 4294967295 bytes is announced"), "{text}");
    let text = printed(decode(&stream("v176", b"\0\0\0\x099"), &[]), 1);
    assert!(text.contains("!! the last frame is cut off"), "{text}");
}

#[test]
fn a_stream_without_its_handshake_needs_both_options() {
    let stream = framed(b"9\x001\x007\0");
    let error = complaint(decode(&stream, &["--server-version", "176"]), 2);
    assert!(error.contains("does not begin with a handshake"), "{error}");
    let args = ["--server-version", "176", "--direction", "gateway"];
    assert!(printed(decode(&stream, &args), 0).contains("orderId = 7"));
}

#[test]
fn what_cannot_be_used_is_said_in_words() {
    let error = complaint(decode(b"", &[]), 2);
    assert!(error.contains("there is nothing in it"), "{error}");
    let error = complaint(twsmux(&["/nowhere/at/all"]).output().unwrap(), 2);
    assert!(error.contains("cannot read /nowhere/at/all"), "{error}");
    let error = complaint(decode(b"", &["--message", "openOrders"]), 2);
    assert!(error.contains("no message has this name"), "{error}");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let line = format!("{}\n", hex(b"9\x001\x007\0")).repeat(100_000);
    let args = ["--direction", "gateway", "--server-version", "176", "-"];
    let mut command = twsmux(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut first = [0; 16];
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(line.as_bytes()));
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
    });
    assert_eq!(&first, b"<- nextValidId (");
}
