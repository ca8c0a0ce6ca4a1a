//! Frames of a real Gateway, read from the folder that `TWSMUX_CAPTURES` names. Not part of the normal run, because the
//! recordings are not part of the project: `./dev captures DIR` runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use bytes::BytesMut;
use twsmux::core::io::{Action, Actions, Input};
use twsmux::core::stats::Drop;
use twsmux::core::{Config, Core};
use twsmux::ids::{ClientId, ClientKey, LinkId};
use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout::Record;
use twsmux::protocol::meaning::Subject;
use twsmux::protocol::model::Role;
use twsmux::protocol::transcode::Translation;
use twsmux::time::Time;
use twsmux::wire::frame;
use twsmux::wire::handshake::{ClientHello, ServerHello};
use twsmux::wire::text;

enum Line {
    Handshake(u16, String),
    Server(Vec<u8>),
    Client(Vec<u8>),
}

fn read(path: &Path) -> Vec<Line> {
    let payload = |text: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).expect("base64");
        let (payload, rest) = frame::split(&bytes, 1 << 24).expect("framed").expect("whole");
        assert!(rest.is_empty());
        payload.to_vec()
    };
    let text = std::fs::read_to_string(path).expect("a readable capture");
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(json) = line.strip_prefix("handshake ") {
            let hello: serde_json::Value = serde_json::from_str(json).expect("JSON");
            let version = hello["server_version"].as_u64().expect("a version") as u16;
            lines.push(Line::Handshake(
                version,
                hello["connection_time"].as_str().expect("a time").to_owned(),
            ));
        } else if let Some(frame) = line.strip_prefix("raw server ") {
            lines.push(Line::Server(payload(frame)));
        } else if let Some(frame) = line.strip_prefix("raw client ") {
            lines.push(Line::Client(payload(frame)));
        }
    }
    lines
}

fn files() -> Vec<PathBuf> {
    let folder =
        std::env::var_os("TWSMUX_CAPTURES").expect("TWSMUX_CAPTURES names the folder with the recordings");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no recordings there");
    files
}

fn captures() -> Vec<(String, Vec<Line>)> {
    files().iter().map(|path| (path.display().to_string(), read(path))).collect()
}

#[test]
fn every_frame_is_known_and_patching_its_own_ids_changes_no_byte() {
    let mut frames = 0;
    for (name, lines) in captures() {
        let mut dialect = Dialect::new(176);
        for line in lines {
            let (payload, from_server) = match line {
                Line::Handshake(version, _) => {
                    dialect = Dialect::new(version);
                    continue;
                }
                Line::Server(payload) => (payload, true),
                Line::Client(payload) => (payload, false),
            };
            frames += 1;
            let version = dialect.version();
            let message = text::message(&payload, version).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut same = BytesMut::new();
            macro_rules! patch {
                ($shape:expr) => {{
                    let shape =
                        $shape.unwrap_or_else(|| panic!("{name}: message {} at {version}", message.id));
                    let roles = [Role::ReqId, Role::OrderId, Role::ClientId];
                    let own: Vec<_> = roles
                        .into_iter()
                        .filter_map(|role| Some((role, shape.int(&message, role).expect("readable")?)))
                        .collect();
                    shape.patch(&message, &own, &mut same).expect("patched");
                }};
            }
            match from_server {
                true => patch!(dialect.response(message.id)),
                false => patch!(dialect.request(message.id)),
            }
            assert_eq!(&same[..], &payload[..], "{name}: message {}", message.id);
        }
    }
    println!("{frames} frames");
    assert!(frames > 0);
}

/// A recorded frame as its own version reads it: everything is known, and written again it is the same.
#[test]
fn every_frame_is_read_whole_and_written_again_byte_for_byte() {
    for_each_frame(|name, dialect, message, payload, from_server| {
        let mut again = BytesMut::new();
        macro_rules! rewrite {
            ($shape:expr) => {{
                let shape = $shape.expect("known");
                let record = shape.record(&message, message.form).expect("readable");
                assert!(all_known(&record), "{name}: {} has unknown fields: {record:?}", shape.message.name);
                shape.put(&record, &mut again);
                assert_eq!(&again[..], payload, "{name}: {}", shape.message.name);
            }};
        }
        match from_server {
            true => rewrite!(dialect.response(message.id)),
            false => rewrite!(dialect.request(message.id)),
        }
    });
}

fn all_known(record: &Record) -> bool {
    record.unknown().is_empty() && record.repeats().all(|(_, rows)| rows.iter().all(all_known))
}

/// What 176 has of a recorded frame is still there when the frame comes back from 176.
#[test]
fn frames_go_to_176_and_back_without_losing_what_176_has() {
    for_each_frame(|name, dialect, message, _, from_server| {
        let old = Arc::new(Dialect::new(176));
        let there = Translation::new(dialect.clone(), old.clone());
        let back = Translation::new(old.clone(), dialect.clone());
        let subject = Subject::default();
        let (mut down, mut up, mut down_again) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
        if from_server {
            if !there.has_response(message.id) {
                return;
            }
            assert!(there.response(&message, &[], &subject, &mut down).expect("converted"), "{name}");
            let at_old = text::message(&down, 176).expect("an id");
            assert!(back.response(&at_old, &[], &subject, &mut up).expect("converted"), "{name}");
            let again = text::message(&up, dialect.version()).expect("an id");
            assert!(there.response(&again, &[], &subject, &mut down_again).expect("converted"), "{name}");
        } else {
            there.request(&message, &[], &mut down).unwrap_or_else(|e| panic!("{name}: {}: {e}", message.id));
            let at_old = text::message(&down, 176).expect("an id");
            back.request(&at_old, &[], &mut up).unwrap_or_else(|e| panic!("{name}: {}: {e}", message.id));
            let again = text::message(&up, dialect.version()).expect("an id");
            there.request(&again, &[], &mut down_again).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        assert_eq!(down, down_again, "{name}: message {}", message.id);
    });
}

/// `twsmux decode` finds nothing in them that it cannot name.
#[test]
fn every_recording_is_readable_for_people() {
    for path in files() {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_twsmux"))
            .arg("decode")
            .arg(&path)
            .output()
            .expect("decoded");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success() && !text.contains("unknown: "), "{}\n{text}", path.display());
    }
}

fn for_each_frame(mut with: impl FnMut(&str, &Arc<Dialect>, text::Message<'_>, &[u8], bool)) {
    let mut frames = 0;
    for (name, lines) in captures() {
        let mut dialect = Arc::new(Dialect::new(176));
        for line in lines {
            let (payload, from_server) = match line {
                Line::Handshake(version, _) => {
                    dialect = Arc::new(Dialect::new(version));
                    continue;
                }
                Line::Server(payload) => (payload, true),
                Line::Client(payload) => (payload, false),
            };
            frames += 1;
            let message = text::message(&payload, dialect.version()).expect("an id");
            with(&name, &dialect, message, &payload, from_server);
        }
    }
    println!("{frames} frames");
    assert!(frames > 0);
}

/// The multiplexer takes in what the Gateway said, whole sessions of it, and finds nothing malformed or unknown.
#[test]
fn whole_sessions_go_through_the_core() {
    let mut legs = 0;
    for (name, lines) in captures() {
        let mut core: Option<Core> = None;
        let link = LinkId(1);
        let client = ClientKey { slot: 0, generation: 0 };
        for line in lines {
            match line {
                Line::Handshake(version, time) => {
                    legs += 1;
                    core = Some(begin(version, time, link, client));
                }
                Line::Server(payload) => {
                    let core = core.as_mut().expect("a handshake comes first");
                    tell(core, Input::UpstreamFrame { link, payload: &payload });
                }
                Line::Client(payload) => {
                    let core = core.as_mut().expect("a handshake comes first");
                    tell(core, Input::ClientFrame { client, payload: &payload });
                }
            }
            if let Some(core) = &core {
                core.check_invariants(Time::ZERO);
                for why in [Drop::Malformed, Drop::UnknownMessage] {
                    assert_eq!(core.stats.dropped[why as usize], 0, "{name}: {why:?}");
                }
                assert_eq!(core.stats.bad_requests, 0, "{name}: every recorded request is accepted");
            }
        }
    }
    println!("{legs} connections");
}

fn tell(core: &mut Core, input: Input<'_>) -> Vec<Action> {
    let mut actions = Actions::default();
    core.handle(Time::ZERO, input, &mut actions);
    actions.list
}

fn begin(version: u16, time: String, link: LinkId, client: ClientKey) -> Core {
    // The recordings were made as client 1, which is what twsmux calls itself here and its client too.
    let config = Config { max_server_version: 226, upstream_client_id: ClientId(1), ..Config::default() };
    let mut core = Core::new(config);
    tell(&mut core, Input::Tick);
    tell(&mut core, Input::Looked { link, zombies: None });
    tell(&mut core, Input::UpstreamConnected { link });
    tell(&mut core, Input::UpstreamHello { link, hello: ServerHello { version, time } });
    tell(&mut core, Input::ClientConnected { client, peer: "recorded".into(), certificate: None });
    let hello = ClientHello { min: version, max: version, options: String::new() };
    tell(&mut core, Input::ClientHello { client, hello });
    let mut start = BytesMut::new();
    twsmux::core::compose::start_api(version, 1, "", &mut start);
    tell(&mut core, Input::ClientFrame { client, payload: &start[frame::PREFIX..] });
    core
}
