use std::path::PathBuf;

use super::*;
use crate::capture::format::{End, Reader};
use crate::core::Config;
use crate::core::compose;
use crate::core::io::{Actions, Gone};
use crate::telemetry::captures::Numbers;
use crate::wire::handshake::{ClientHello, ServerHello};

/// A core and its captures, without sockets.
struct Bench {
    core: Core,
    captures: Captures,
    actions: Actions,
    now: Time,
    folder: tempfile::TempDir,
}

const FIRST: ClientKey = ClientKey { slot: 0, generation: 0 };
const SECOND: ClientKey = ClientKey { slot: 1, generation: 0 };

impl Bench {
    fn new() -> Bench {
        Bench {
            core: Core::new(Config::default()),
            captures: Captures::new(true),
            actions: Actions::default(),
            now: Time(1),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.cap")
    }

    fn request(&self, which: Which) -> CaptureRequest {
        CaptureRequest { which, path: self.path(), limit: limits::CAPTURE_LIMIT, mask: false }
    }

    fn start(&self, which: Which) -> Result<(), String> {
        self.captures.start(self.now, &self.core, &self.request(which))
    }

    /// As the shell does it.
    fn tell(&mut self, input: Input<'_>) {
        self.now.0 += 10;
        let unnamed = if self.captures.is_on() { self.captures.input(self.now, &input) } else { None };
        self.core.handle(self.now, input, &mut self.actions);
        if let Some(key) = unnamed {
            self.captures.named(key, self.core.client_id(key));
        }
    }

    /// A socket that takes so many bytes.
    fn write(&mut self, key: ClientKey, most: usize) {
        let n = self.core.output(key).len().min(most);
        if self.captures.is_on() && n > 0 {
            self.captures.written(self.now, key, self.core.output(key), n);
        }
        self.core.consume_output(self.now, key, n, &mut self.actions);
    }

    fn connect(&mut self, client: ClientKey) {
        self.tell(Input::ClientConnected { client, peer: "127.0.0.1:9".into(), certificate: None });
    }

    fn greet(&mut self, client: ClientKey) {
        let hello = ClientHello { min: 100, max: 176, options: String::new() };
        self.tell(Input::ClientHello { client, hello });
        self.write(client, usize::MAX);
    }

    fn start_api(&mut self, client: ClientKey, id: i32) {
        let mut payload = BytesMut::new();
        compose::start_api(176, id, "", &mut payload);
        self.tell(Input::ClientFrame { client, payload: &payload[PREFIX..] });
    }

    /// Ends the capture and reads it.
    fn records(&self) -> (Begin, Vec<Record>) {
        self.captures.close();
        let file = std::fs::read(self.path()).unwrap();
        let mut reader = Reader::new(&file[..]).unwrap();
        let records = std::iter::from_fn(|| reader.next().unwrap()).collect();
        (reader.begin().clone(), records)
    }
}

fn kinds(records: &[Record]) -> Vec<(Side, &'static str)> {
    records.iter().map(|r| (r.side, r.what.name())).collect()
}

/// A client that connects while the capture runs: its handshake is there, although its id came after it.
#[test]
fn one_client_alone_is_captured_from_its_greeting_on() {
    let mut bench = Bench::new();
    bench.start(Which::Client(ClientId(7))).unwrap();
    for (key, id) in [(FIRST, 8), (SECOND, 7)] {
        bench.connect(key);
        bench.greet(key);
        bench.start_api(key, id);
    }
    bench.tell(Input::Tick);
    bench.tell(Input::ClientGone { client: FIRST, reason: Gone::Eof });
    bench.tell(Input::ClientGone { client: SECOND, reason: Gone::Eof });
    let (begin, records) = bench.records();
    assert_eq!(begin.which, Which::Client(ClientId(7)));
    let it = Side::Client(SECOND);
    let wanted = ["connected", "read", "written", "read", "closed"].map(|kind| (it, kind));
    assert_eq!(kinds(&records), [&wanted[..], &[(Side::None, "end")]].concat());
    assert!(records[1].what.bytes().starts_with(API_PREFIX));
    assert!(String::from_utf8_lossy(records[3].what.bytes()).contains("71\x002\x007\0"));
    assert!(records.is_sorted_by_key(|r| r.time));
}

/// One that is connected already is met where it is; one that never says its id is not in the file.
#[test]
fn one_client_is_captured_from_where_it_is() {
    let mut bench = Bench::new();
    bench.connect(FIRST);
    bench.greet(FIRST);
    bench.start_api(FIRST, 7);
    bench.connect(SECOND);
    bench.start(Which::Client(ClientId(7))).unwrap();
    bench.greet(SECOND);
    bench.tell(Input::ClientFrame { client: FIRST, payload: b"49\x001\0" });
    let (begin, records) = bench.records();
    assert!(!begin.from_start);
    let it = Side::Client(FIRST);
    assert_eq!(kinds(&records), [(it, "connected"), (it, "read"), (Side::None, "end")]);
    let What::Connected(peer) = &records[0].what else { panic!() };
    assert_eq!(peer.already, Some(Already { server_version: 176, client_id: Some(7) }));
}

/// A connection that says much and no id must not fill the memory.
#[test]
fn what_is_kept_of_a_nameless_connection_is_bounded() {
    let mut bench = Bench::new();
    bench.start(Which::Client(ClientId(7))).unwrap();
    bench.connect(FIRST);
    for _ in 0..limits::MAX_CAPTURE_UNNAMED + 5 {
        bench.captures.input(bench.now, &Input::ClientFrame { client: FIRST, payload: b"x" });
    }
    bench.captures.named(FIRST, Some(ClientId(7)));
    assert_eq!(kinds(&bench.records().1), [(Side::None, "end")]);
}

#[test]
fn a_socket_that_takes_half_a_frame_gives_a_record_of_whole_ones() {
    let mut bench = Bench::new();
    bench.start(Which::All).unwrap();
    bench.connect(FIRST);
    let hello = ClientHello { min: 100, max: 176, options: String::new() };
    bench.tell(Input::ClientHello { client: FIRST, hello });
    let all = bench.core.output(FIRST).to_vec();
    bench.write(FIRST, 3);
    bench.write(FIRST, 4);
    bench.write(FIRST, usize::MAX);
    let (_, records) = bench.records();
    let written: Vec<_> = records
        .iter()
        .filter_map(|r| match &r.what {
            What::Written { taken, bytes } => Some((*taken as usize, &bytes[..])),
            _ => None,
        })
        .collect();
    assert_eq!(written, [(3, &all[..]), (4, &[][..]), (all.len() - 7, &[][..])]);
}

/// The rest of a frame that begun before is nobody's: the file says that it is missing.
#[test]
fn a_stream_under_way_is_joined_where_a_frame_begins() {
    let mut bench = Bench::new();
    bench.connect(FIRST);
    let hello = ClientHello { min: 100, max: 176, options: String::new() };
    bench.tell(Input::ClientHello { client: FIRST, hello });
    bench.write(FIRST, 3);
    bench.start(Which::All).unwrap();
    bench.write(FIRST, usize::MAX);
    bench.start_api(FIRST, 7);
    let (_, records) = bench.records();
    let left_out =
        Record { time: records[2].time, side: Side::None, what: What::LeftOut { records: 1, bytes: 0 } };
    assert!(records.contains(&left_out), "{records:?}");
    assert_eq!(bench.captures.counts().numbers().left_out, 1);
}

#[test]
fn one_capture_at_a_time_and_words_for_each_refusal() {
    let bench = Bench::new();
    assert!(!bench.captures.is_on());
    assert!(bench.captures.stop().unwrap_err().contains("no capture"));
    let small = CaptureRequest { limit: 1, ..bench.request(Which::All) };
    assert!(bench.captures.start(bench.now, &bench.core, &small).unwrap_err().contains("1 is not allowed"));
    bench.start(Which::All).unwrap();
    assert!(bench.captures.is_on());
    assert!(bench.start(Which::All).unwrap_err().contains("already"));
    bench.captures.stop().unwrap();
    assert!(!bench.captures.is_on());
    // Its thread ends by itself.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while bench.captures.counts().numbers().running {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert!(bench.start(Which::All).unwrap_err().contains("exists already"));
    assert!(!bench.captures.is_on(), "what did not begin costs nothing");
}

#[test]
fn the_limit_turns_it_off() {
    let mut bench = Bench::new();
    let request = CaptureRequest { limit: *LIMITS.start(), ..bench.request(Which::All) };
    bench.captures.start(bench.now, &bench.core, &request).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while bench.captures.is_on() {
        bench.captures.input(bench.now, &Input::ClientFrame { client: FIRST, payload: &[b'x'; 1000] });
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    let (_, records) = bench.records();
    assert_eq!(records.last().unwrap().what, What::End(End::Limit));
    assert!(bench.path().metadata().unwrap().len() <= request.limit);
    assert!(matches!(bench.captures.counts().numbers(), Numbers { running: false, .. }));
    bench.tell(Input::Tick);
}

#[test]
fn bytes_that_are_no_frame_are_kept_as_they_came() {
    let mut bench = Bench::new();
    bench.start(Which::All).unwrap();
    bench.connect(FIRST);
    bench.captures.broken(b"GET / HTTP/1.1");
    bench.tell(Input::ClientBroken { client: FIRST, fault: crate::wire::WireError::NotAnApiClient });
    let link = LinkId(1);
    let hello = ServerHello { version: 176, time: "now".into() };
    bench.captures.input(bench.now, &Input::UpstreamHello { link, hello });
    let (_, records) = bench.records();
    assert_eq!(records[1].what, What::Broken(b"GET / HTTP/1.1".to_vec()));
    assert_eq!(records[2].what, What::Read(b"\0\0\0\x08176\0now\0".to_vec()));
}
