//! Every input that the fuzzer starts from, and every one that once broke something, in the normal test run.
//!
//! The fuzzer starts from frames of real clients (`proto-fixtures/`), cut into the form that each target takes. With
//! `FUZZ_CORPUS=DIR` in the environment they are also written there, a folder for each target: `./dev fuzz` does so.
//! Inputs that broke something are kept in `fuzz/regressions/TARGET/`.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use twsmux::ids::{ClientId, DownOrderId, PermId, UpOrderId};
use twsmux::journal::{Outcome, Record, format};
use twsmux::limits;
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::meaning::Subject;
use twsmux::protocol::transcode::Translation;
use twsmux::wire::frame::FrameBuffer;
use twsmux::wire::handshake::ClientHello;
use twsmux::wire::{proto, text};

/// One recorded session.
struct Recording {
    name: String,
    version: u16,
    client: Vec<u8>,
    gateway: Vec<u8>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn recordings() -> Vec<Recording> {
    let mut folders: Vec<_> = fs::read_dir(root().join("proto-fixtures"))
        .expect("proto-fixtures is part of the project")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
        .into_iter()
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let version = name.rsplit_once("-v").expect("NAME-vVERSION").1.parse().expect("a version");
            let read = |file| fs::read(path.join(file)).expect("both directions are recorded");
            Recording { version, client: read("client.bin"), gateway: read("gateway.bin"), name }
        })
        .collect()
}

/// The payloads of one direction, the handshake left out.
fn payloads(bytes: &[u8], from_client: bool) -> Vec<Vec<u8>> {
    let mut buffer = FrameBuffer::default();
    buffer.extend(bytes);
    let first = match from_client {
        true => ClientHello::take(&mut buffer, limits::MAX_GREETING).map(|hello| hello.is_some()),
        false => buffer.next(limits::MAX_FRAME).map(|hello| hello.is_some()),
    };
    assert_eq!(first, Ok(true), "a recording begins with the handshake");
    let mut out = Vec::new();
    while let Some(payload) = buffer.next(limits::MAX_FRAME).expect("a recording is well framed") {
        out.push(payload.to_vec());
    }
    out
}

/// The inputs that the fuzzer starts from, by target.
/// Requests of the admin endpoint, by the port and by the socket.
fn http() -> Vec<Vec<u8>> {
    let mut requests: Vec<String> = ["/", "/page.js", "/metrics", "/livez", "/readyz", "/status", "/nothing"]
        .map(|page| format!("GET {page} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .to_vec();
    for (command, body) in [
        ("pause", ""),
        ("resume", "{}"),
        ("reconnect", "{\"reason\":\"new login\"}"),
        ("kill", "{\"client_id\":7}"),
        ("kill", "{\"key\":\"3.1\"}"),
        ("drain", "{\"stop\":true}"),
        ("kill-switch", "{\"on\":true}"),
        ("policy", "{\"client\":7,\"policy\":{\"read_only\":true}}"),
        ("policy", "{\"client\":\"default\",\"reset\":true}"),
    ] {
        requests.push(format!(
            "POST /control/{command} HTTP/1.1\r\nHost: 127.0.0.1:9410\r\nContent-Length: {}\r\n\
             Authorization: Bearer 0123456789abcdef\r\n\r\n{body}",
            body.len()
        ));
    }
    requests.push(
        "POST /control/drain HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n".into(),
    );
    let by = |way: u8| requests.iter().map(move |text| [&[way], text.as_bytes()].concat());
    by(0).chain(by(1)).collect()
}

fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let mut out: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    let mut add = |target, bytes: Vec<u8>| out.entry(target).or_default().push(bytes);
    for r in recordings() {
        let (asked, answered) = (payloads(&r.client, true), payloads(&r.gateway, false));
        assert!(asked.len() > 10 && answered.len() > 50, "{} holds a whole tour", r.name);
        let framed = |payloads: &[Vec<u8>], n: usize| {
            let mut bytes = BytesMut::new();
            payloads.iter().take(n).for_each(|p| twsmux::wire::frame::put(p, &mut bytes));
            bytes.to_vec()
        };
        add("frames", [&[5], &framed(&asked, 20)[..]].concat());
        add("frames", [&[64], &framed(&answered, 40)[..]].concat());
        add("handshake", r.client[..40.min(r.client.len())].to_vec());
        let reply = &r.gateway[4..4 + usize::from(r.gateway[3])];
        add("handshake", reply.to_vec());
        let version = (r.version - 100).to_be_bytes();
        for payload in asked.iter().chain(&answered) {
            add("fields", [&version[..], payload].concat());
        }
        for (payloads, from_client) in [(&asked, true), (&answered, false)] {
            translations(r.version, payloads, from_client)
                .into_iter()
                .for_each(|seed| add("transcode", seed));
        }
        add("core_ops", script(r.version, &asked, &answered));
    }
    faults().into_iter().for_each(|script| add("core_ops", script));
    for body in protobuf_bodies() {
        add("protobuf", body);
    }
    journals().into_iter().for_each(|journal| add("journal", journal));
    http().into_iter().for_each(|request| add("admin", request));
    captures().into_iter().for_each(|capture| add("capture", capture));
    out
}

/// One frame of every message, to every version; and what it is there, on its way back.
fn translations(version: u16, payloads: &[Vec<u8>], from_client: bool) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let Some(from) = targets::TRANSLATED.iter().position(|v| *v == version) else { return seeds };
    for (to, other) in targets::TRANSLATED.into_iter().enumerate() {
        let [a, b] = [version, other].map(|version| Arc::new(Dialect::new(version)));
        let translation = Translation::new(a, b);
        let mut seen = BTreeSet::new();
        for payload in payloads {
            let message = text::message(payload, version).expect("a message id");
            if !seen.insert(message.id) {
                continue;
            }
            let mut there = BytesMut::new();
            let translated = match from_client {
                true => translation.request(&message, &[], &mut there).is_ok(),
                false => translation.response(&message, &[], &Subject::default(), &mut there) == Ok(true),
            };
            let [from, to, side] = [from as u8, to as u8, u8::from(from_client)];
            seeds.push([&[from, to, side], &payload[..]].concat());
            if translated {
                seeds.push([&[to, from, side], &there[..]].concat());
            }
        }
    }
    seeds
}

/// A session as a script for the core: handshakes of both sides, then both directions in turn.
fn script(version: u16, asked: &[Vec<u8>], answered: &[Vec<u8>]) -> Vec<u8> {
    let upstream_version = targets::core_ops::VERSIONS.iter().position(|v| *v == version).unwrap_or(0);
    let mut ops = vec![15, 200, 14, 0, 8, 0, 9, 0, 10, upstream_version as u8];
    let frame = |ops: &mut Vec<u8>, op: u8, payload: &[u8]| {
        if let Ok(length) = u8::try_from(payload.len()) {
            ops.extend([op, 0, length]);
            ops.extend_from_slice(payload);
        }
    };
    frame(&mut ops, 11, b"15\x001\0DU1\0");
    frame(&mut ops, 11, b"9\x001\x001\0");
    ops.extend([0, 0, 1, 1]);
    for (n, payload) in asked.iter().enumerate() {
        frame(&mut ops, 2, payload);
        ops.extend([14, 1]);
        for answer in answered.iter().skip(n * 4).take(4) {
            frame(&mut ops, 11, answer);
        }
    }
    ops.extend([7, 0, 14, 100, 15, 0, 14, 255]);
    ops
}

/// Scripts of faults for the core: what the recordings do not have.
fn faults() -> Vec<Vec<u8>> {
    // The link comes up, two clients start as 1 and 2, ask for quotes and place orders.
    let mut begin = vec![31, 0];
    for client in 0..2u8 {
        begin.extend([0, client, 1, client]);
        begin.extend([&[2, client, 8][..], b"71\x002\x00", &[b'1' + client, 0, 0]].concat());
        begin.extend([29, 8 + client, 29, 16 + client, 30, 4 + client, 0, 30, 8 + client, 0, 14, 50]);
    }
    let change = |bytes: [u8; 17]| [&[16, 0][..], &bytes].concat();
    let slow = change([5, 1, 1, 1, 9, 80, 5, 3, 9, 9, 0, 0, 55, 4, 4, 0b1_1111, 1]);
    let ticks = [28, 1, 250, 28, 1, 250, 20, 0, 255, 28, 2, 250, 24, 200, 25, 0].to_vec();
    let disk = [30, 12, 0, 18, 0, 30, 16, 0, 24, 10, 19, 0, 30, 20, 0, 17, 1, 26, 0, 31, 1].to_vec();
    let outage =
        [15, 0, 30, 20, 0, 25, 0, 31, 0, 27, 0, 0, 27, 1, 0, 27, 2, 0, 22, 1, 31, 2, 14, 200].to_vec();
    vec![
        [&begin[..], &slow, &ticks, &outage].concat(),
        [&begin[..], &disk, &begin, &change([0; 17]), &disk, &outage].concat(),
        [&begin[..], &ticks, &disk, &slow, &begin, &ticks, &outage, &[15, 255, 24, 250]].concat(),
    ]
}

/// Bodies with the shapes that ids have: flat, nested once and twice, beside strings and fixed-width numbers.
fn protobuf_bodies() -> Vec<Vec<u8>> {
    let write = |fill: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        fill(&mut out);
        out.to_vec()
    };
    let order = write(&|out| {
        proto::put_int(1, 7, out);
        proto::put_int(2, -1, out);
        proto::put_bytes(5, b"LMT", out);
    });
    let deep = write(&|out| proto::put_bytes(2, &write(&|out| proto::put_int(4, 9, out)), out));
    vec![
        write(&|out| proto::put_int(1, 1 << 30, out)),
        write(&|out| {
            proto::put_int(1, 12, out);
            proto::put_bytes(2, b"contract", out);
            proto::put_bytes(3, &order, out);
        }),
        write(&|out| proto::put_bytes(3, &deep, out)),
        vec![0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x0D, 0, 0, 0x80, 0x3F],
    ]
}

/// Journals with a record of every kind: as a file, and as payloads with their lengths.
fn journals() -> Vec<Vec<u8>> {
    let (owner, up) = (ClientId(7), UpOrderId(101));
    let exec_id = Bytes::from_static(b"0000e0d5.01");
    let records = [
        Record::Identity { upstream_client: ClientId(0), accounts: vec!["DU1".into(), "DU2".into()] },
        Record::Floor { next: 100 },
        Record::Sequence { owner, next: 9, placed: 8 },
        Record::Order { owner, down: DownOrderId(9), up },
        Record::Arrived { up, perm: PermId(1_000_001) },
        Record::Unknown { up },
        Record::Executed { up, exec_id: exec_id.clone() },
        Record::Commissioned { exec_id },
        Record::Over { up, outcome: Outcome::Ended },
        Record::Kept { owner, up, version: 176, payload: Bytes::from_static(b"3\x00101\0Filled\0") },
        Record::Fetched { owner, count: 1 },
        Record::Forgotten { up },
    ];
    let (mut file, mut payloads) = (vec![0], vec![1]);
    format::put_header(7, &mut file);
    for record in &records {
        let mut frame = Vec::new();
        format::put_record(record, &mut frame);
        file.extend_from_slice(&frame);
        format::put_synced(file.len() as u64 - 1, 7, &mut file);
        let payload = &frame[format::FRAME_HEAD..];
        payloads.push(u8::try_from(payload.len()).expect("a short record"));
        payloads.extend_from_slice(payload);
    }
    let mut torn = file.clone();
    torn.truncate(file.len() - 30);
    let mut damaged = file.clone();
    damaged[60] ^= 1;
    vec![file, payloads, torn, damaged]
}

/// The committed capture: as a file, and as payloads with their lengths, a few of each kind.
fn captures() -> Vec<Vec<u8>> {
    use twsmux::capture::format::{FRAME_HEAD, HEAD};
    let file = fs::read(root().join("tests/fixtures/tour.cap")).expect("the fixture is part of the project");
    let (mut at, mut payloads) = (HEAD, vec![1]);
    let mut seen: BTreeMap<u8, usize> = BTreeMap::new();
    while let Some(length) = file[at..].first_chunk::<4>() {
        let payload = &file[at + FRAME_HEAD..][..u32::from_le_bytes(*length) as usize];
        at += FRAME_HEAD + payload.len();
        let times = seen.entry(payload[0]).or_default();
        *times += 1;
        if let (Ok(length), 0..10) = (u16::try_from(payload.len()), *times) {
            payloads.extend(length.to_le_bytes());
            payloads.extend_from_slice(payload);
        }
    }
    assert!(seen.len() > 6, "{seen:?}");
    let whole = [&[0], &file[..]].concat();
    let torn = whole[..whole.len() / 2].to_vec();
    vec![whole, torn, payloads]
}

#[test]
fn every_seed_and_every_regression_of_every_target_replays() {
    let mut seeds = seeds();
    let corpus = std::env::var_os("FUZZ_CORPUS").map(PathBuf::from);
    for (name, target) in targets::ALL {
        let inputs = seeds.remove(name).unwrap_or_default();
        assert!(!inputs.is_empty(), "no seeds for {name}");
        let folder = root().join("fuzz/regressions").join(name);
        let regressions: Vec<_> = fs::read_dir(folder).map(|dir| dir.flatten().collect()).unwrap_or_default();
        println!("{name}: {} seeds, {} regressions", inputs.len(), regressions.len());
        for (n, input) in inputs.iter().enumerate() {
            if let Some(corpus) = &corpus {
                fs::create_dir_all(corpus.join(name)).expect("a folder for the corpus");
                fs::write(corpus.join(name).join(format!("seed-{n:04}")), input).expect("a seed is written");
            }
            target(input);
        }
        for file in regressions {
            println!("{}", file.path().display());
            target(&fs::read(file.path()).expect("a readable input"));
        }
    }
    assert!(seeds.is_empty(), "every seed belongs to a target");
}
