//! What the fuzz targets do with their input. The targets themselves and the replay of their seeds in the normal
//! tests (`tests/fuzz_replay.rs`) share it.
#![allow(dead_code)] // each target uses one of them

#[path = "core_ops.rs"]
pub mod core_ops;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use twsmux::capture::format as capture_format;
use twsmux::capture::mask::Masker;
use twsmux::journal::salvage::{leave_out_lost_ids, salvage};
use twsmux::journal::{State, format, recover};
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout;
use twsmux::protocol::meaning::Subject;
use twsmux::protocol::model::Role;
use twsmux::protocol::transcode::Translation;
use twsmux::wire::frame::{self, FrameBuffer};
use twsmux::wire::handshake::{ClientHello, ServerHello};
use twsmux::wire::{proto, text};

/// A target takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const ALL: [(&str, Target); 9] = [
    ("frames", frames),
    ("handshake", handshake),
    ("fields", fields),
    ("protobuf", protobuf),
    ("transcode", transcode),
    ("core_ops", core_ops),
    ("journal", journal),
    ("admin", admin),
    ("capture", capture),
];

/// Frames come out the same however the bytes are cut, and go back in unchanged.
pub fn frames(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let limit = 1 << 16;
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut buffer = FrameBuffer::default();
        let mut seen = Vec::new();
        for piece in pieces {
            buffer.extend(piece);
            loop {
                match buffer.next(limit) {
                    Ok(Some(payload)) => seen.push(payload.to_vec()),
                    Ok(None) => break,
                    Err(fault) => return (seen, Some(fault)),
                }
            }
        }
        (seen, None)
    };
    let whole = read(&mut std::iter::once(bytes));
    let pieces = read(&mut bytes.chunks(usize::from(*cut).max(1)));
    assert_eq!(whole, pieces);
    let mut again = BytesMut::new();
    for payload in &whole.0 {
        frame::put(payload, &mut again);
    }
    assert!(bytes.starts_with(&again), "frames go back to the bytes that they came from");
}

/// A greeting that is read can be written and read again; a reply likewise.
pub fn handshake(data: &[u8]) {
    let mut buffer = FrameBuffer::default();
    buffer.extend(data);
    if let Ok(Some(hello)) = ClientHello::take(&mut buffer, 4096) {
        assert!(hello.min <= hello.max);
        let mut out = BytesMut::new();
        hello.put(&mut out);
        let mut buffer = FrameBuffer::default();
        buffer.extend(&out);
        assert_eq!(ClientHello::take(&mut buffer, 1 << 20), Ok(Some(hello)));
    }
    if let Ok(hello) = ServerHello::parse(data) {
        let mut out = BytesMut::new();
        hello.put(&mut out);
        assert_eq!(ServerHello::parse(&out[frame::PREFIX..]), Ok(hello));
    }
}

/// Two bytes of version, then a payload: a body that decodes encodes to the same bytes; ids can be replaced and
/// put back.
pub fn fields(data: &[u8]) {
    let Some((version, payload)) = split_version(data) else { return };
    let Ok(message) = text::message(payload, version) else { return };
    let dialect = Dialect::new(version);
    if let Some(shape) = dialect.request(message.id) {
        let _ = shape.flag(&message);
        if shape.check(&message).is_ok() {
            patch_there_and_back(shape, &message, version);
        }
    }
    if let Some(shape) = dialect.response(message.id) {
        let _ = (shape.flag(&message), shape.int(&message, Role::ReqId), shape.str(&message, Role::Account));
        if message.form == text::Form::Text
            && let Ok(record) = layout::read(&shape.decl.message, version, message.body)
            && let Some(declared) = shape.decl.message.text
            && layout::decode(declared, version, message.body).is_ok()
        {
            let mut out = BytesMut::new();
            layout::encode(declared, version, &record, &mut out);
            assert!(layout::decode(declared, version, &out).is_ok(), "what is written can be read");
        }
    }
}

fn patch_there_and_back<T>(
    shape: &twsmux::protocol::dialect::Shape<T>,
    message: &text::Message<'_>,
    version: u16,
) {
    for role in [Role::ReqId, Role::OrderId] {
        let Ok(Some(id)) = shape.int(message, role) else { continue };
        let (mut there, mut back) = (BytesMut::new(), BytesMut::new());
        if shape.patch(message, &[(role, 1 << 30)], &mut there).is_err() {
            continue;
        }
        let patched = text::message(&there, version).expect("a patched message keeps its id");
        assert_eq!(shape.int(&patched, role), Ok(Some(1 << 30)));
        shape.patch(&patched, &[(role, id)], &mut back).expect("it was patched before");
        let restored = text::message(&back, version).expect("likewise");
        assert_eq!(shape.int(&restored, role), Ok(Some(id)));
    }
}

/// Patching nothing changes nothing; what is patched reads back; hostile bodies end in an error.
pub fn protobuf(data: &[u8]) {
    let whole = proto::fields(data).all(|f| f.is_ok());
    let mut same = BytesMut::new();
    assert_eq!(proto::patch(data, &[], &mut same).is_ok(), whole);
    if whole {
        assert_eq!(&same[..], data);
    }
    for path in [&[1][..], &[3, 1], &[3, 2, 4]] {
        let Ok(Some(_)) = proto::get_int(data, path) else { continue };
        let mut out = BytesMut::new();
        if proto::patch(data, &[(path, -7)], &mut out).is_ok() {
            assert_eq!(proto::get_int(&out, path), Ok(Some(-7)));
        }
    }
}

/// The versions between which [`transcode`] translates: both sides of what matters most.
pub const TRANSLATED: [u16; 12] = [100, 101, 130, 145, 157, 163, 176, 200, 203, 213, 222, 226];

/// From which version to which one (indices of [`TRANSLATED`]), whether it is a client's, then a payload. What can be
/// read can be shown; what the other version gets can be read there and translated back.
pub fn transcode(data: &[u8]) {
    let Some(([from, to, from_client], payload)) = data.split_first_chunk::<3>() else { return };
    let version = |n: &u8| TRANSLATED[usize::from(*n) % TRANSLATED.len()];
    let (there, back) = (translation(version(from), version(to)), translation(version(to), version(from)));
    let Ok(m) = text::message(payload, there.from().version()) else { return };
    let mut out = BytesMut::new();
    if from_client % 2 == 1 {
        let Some(shape) = there.from().request(m.id) else { return };
        let whole = shape.read_partly(&m).1.is_none();
        if shape.check(&m).is_err() || there.request(&m, &[], &mut out).is_err() {
            return;
        }
        let there = text::message(&out, back.from().version()).expect("a message id");
        let shape = back.from().request(there.id).expect("it was translated");
        let again = shape.read_partly(&there).1;
        assert!(again.is_none() || !whole, "what the Gateway gets can be read: {again:?}");
        // It may be refused: what twsmux does not know goes to a newer version and not back.
        let _ = back.request(&there, &[], &mut BytesMut::new());
    } else {
        let Some(shape) = there.from().response(m.id) else { return };
        let _ = shape.read_partly(&m);
        let subject = Subject { us_stock: from_client % 4 == 0, now_ms: 1_795_000_000_000 };
        if there.response(&m, &[], &subject, &mut out) != Ok(true) {
            return;
        }
        let there = text::message(&out, back.from().version()).expect("a message id");
        let whole = shape.read_partly(&m).1.is_none();
        let again = back.response(&there, &[], &subject, &mut BytesMut::new());
        assert!(again.is_ok() || !whole, "what a client gets can be read: {again:?}");
    }
}

/// Made once each: making one takes longer than using it.
fn translation(from: u16, to: u16) -> Rc<Translation> {
    thread_local! {
        static MADE: RefCell<BTreeMap<(u16, u16), Rc<Translation>>> = RefCell::default();
    }
    let make = || {
        let [from, to] = [from, to].map(|version| Arc::new(Dialect::new(version)));
        Rc::new(Translation::new(from, to))
    };
    MADE.with_borrow_mut(|made| made.entry((from, to)).or_insert_with(make).clone())
}

fn split_version(data: &[u8]) -> Option<(u16, &[u8])> {
    let (version, payload) = data.split_first_chunk::<2>()?;
    Some((100 + u16::from_be_bytes(*version) % 127, payload))
}

/// One byte that says what it is, then a whole file or the frames of one. Nothing panics, what is read is written and
/// read back equal, and salvaging saves no less than was read.
pub fn journal(data: &[u8]) {
    let Some((what, bytes)) = data.split_first() else { return };
    let mut file = Vec::new();
    if what % 4 != 0 {
        format::put_header(7, &mut file);
    }
    match what % 4 {
        // Payloads with their lengths in one byte, so that the fuzzer does not have to find checksums.
        1 => {
            let mut rest = bytes;
            while let Some((length, after)) = rest.split_first() {
                let (payload, after) = after.split_at(usize::from(*length).min(after.len()));
                format::put_payload_unchecked(payload, &mut file);
                rest = after;
            }
        }
        _ => file.extend_from_slice(bytes),
    }
    let saved = salvage(&file);
    let Ok(reading) = recover::read(&file) else { return };
    assert!(reading.good <= reading.length && reading.attested <= reading.good);
    assert_eq!(reading.length, file.len() as u64);
    assert!(saved.records >= reading.records);
    assert_eq!(reading.end == recover::End::Whole, reading.good == reading.length);
    let mut again = Vec::new();
    format::put_header(8, &mut again);
    reading.state.records().for_each(|record| format::put_record(&record, &mut again));
    format::put_synced(again.len() as u64, 8, &mut again);
    let second = recover::read(&again).expect("it was just written");
    assert!(second.is_attested());
    assert_eq!(second.state, reading.state, "what is written adds up to the same");
    let mut state: State = saved.state;
    let next = state.next;
    leave_out_lost_ids(&mut state, file.len() as u64);
    assert!(state.next >= next);
}

/// A script for the core: operations with their bytes, faults among them ([`core_ops`](mod@core_ops)).
pub fn core_ops(data: &[u8]) {
    core_ops::run(data);
}

/// What an admin endpoint says to anything is HTTP; without the socket or the token nobody commands.
pub fn admin(data: &[u8]) {
    use twsmux::admin::{Way, answer};
    use twsmux::core::{Config, Core};
    use twsmux::shell::control::Remote;
    use twsmux::telemetry::Published;
    use twsmux::time::Time;
    let Some((kind, bytes)) = data.split_first() else { return };
    let published = Published::new(Core::new(Config::default()).view(Time::ZERO));
    let remote = Remote::unheard(None);
    let by_socket = kind % 2 == 1;
    let way = match by_socket {
        true => Way::Socket { user: Some(0), process: None },
        false => Way::Port(([127, 0, 0, 1], 1).into()),
    };
    let said = answer(Arc::new(published), remote.clone(), way, bytes);
    assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&said));
    let commands: u64 = remote.counts().iter().flatten().sum();
    assert!(commands <= u64::from(by_socket), "one command by the socket, none by the port");
}

/// One byte that says what it is, then a whole capture or the payloads of its records. Nothing panics, what is read is
/// written and read back equal, and masking keeps every length.
pub fn capture(data: &[u8]) {
    let Some((what, bytes)) = data.split_first() else { return };
    let mut file = Vec::new();
    match what % 2 {
        0 => file.extend_from_slice(bytes),
        // Payloads with their lengths in two bytes, so that the fuzzer does not have to find checksums.
        _ => {
            capture_format::put_head(&mut file);
            let mut rest = bytes;
            while let Some((length, after)) = rest.split_first_chunk::<2>() {
                let length = usize::from(u16::from_le_bytes(*length)).min(after.len());
                let (payload, after) = after.split_at(length);
                capture_format::put_payload(payload, &mut file);
                rest = after;
            }
        }
    }
    let Ok(mut reader) = capture_format::Reader::new(&file[..]) else { return };
    let begin = reader.begin().clone();
    let mut masker = Masker::new([]);
    while let Ok(Some(record)) = reader.next() {
        let mut again = Vec::new();
        capture_format::put_head(&mut again);
        let first = capture_format::What::Begin(Box::new(begin.clone()));
        capture_format::put(&capture_format::Record { what: first, ..record.clone() }, &mut again);
        capture_format::put(&record, &mut again);
        let mut second = capture_format::Reader::new(&again[..]).expect("it was just written");
        let read = second.next().expect("likewise");
        assert_eq!(read.as_ref(), Some(&record), "what is written is read back equal");
        let mut masked = record.clone();
        masker.mask(&mut masked);
        assert_eq!(masked.what.bytes().len(), record.what.bytes().len());
        assert_eq!(masked.side, record.side);
    }
}
