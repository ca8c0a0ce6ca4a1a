//! `twsmux journal` as a process: on a journal that is whole, in use, torn, damaged, newer, another's, absent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use twsmux::ids::{ClientId, DownOrderId, PermId, UpOrderId};
use twsmux::journal::{FileDisk, Journal, Outcome, Record, State, check_upstream_client, format, recover};
use twsmux::limits;
use twsmux::shell::state_dir::StateDir;

fn order(owner: i32, down: i32, up: i32) -> Record {
    Record::Order { owner: ClientId(owner), down: DownOrderId(down), up: UpOrderId(up) }
}

/// What a day of trading leaves.
fn records() -> Vec<Record> {
    let up = UpOrderId;
    let kept = |owner, text: &'static [u8]| Record::Kept {
        owner: ClientId(owner),
        up: up(101),
        version: 176,
        payload: Bytes::from_static(text),
    };
    vec![
        Record::Identity {
            upstream_client: ClientId(5),
            accounts: vec!["DU1".into(), "DU2\u{1b}[2J".into()],
        },
        Record::Floor { next: 100 },
        order(7, 1, 100),
        Record::Arrived { up: up(100), perm: PermId(900_100) },
        Record::Over { up: up(100), outcome: Outcome::Ended },
        order(7, 2, 101),
        Record::Arrived { up: up(101), perm: PermId(900_101) },
        order(8, 1, 102),
        Record::Unknown { up: up(102) },
        order(8, 2, 103),
        Record::Over { up: up(103), outcome: Outcome::NeverSent },
        order(8, 3, 104),
        Record::Executed { up: up(100), exec_id: Bytes::from_static(b"e1") },
        kept(7, b"3\x00101\0Filled\0"),
        kept(7, b"11\0"),
    ]
}

/// A state directory as `run` makes it, with a journal in it.
struct Setup {
    root: TempDir,
    journal: PathBuf,
}

const GATEWAY: &str = "127.0.0.1:4002";

/// With one sync for each record, so that each is attested.
fn setup() -> Setup {
    let root = tempfile::tempdir().unwrap();
    // Without the lock: a child that another test is just starting would hold a copy of it for a moment.
    let folder = StateDir::folder(root.path(), GATEWAY);
    fs::create_dir_all(&folder).unwrap();
    let (mut journal, _) = Journal::open(FileDisk::new(&folder)).unwrap();
    for record in records() {
        journal.append(&[record], true).unwrap();
    }
    journal.seal().unwrap();
    let journal = folder.join("orders.journal");
    Setup { root, journal }
}

impl Setup {
    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.journal).unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.bytes();
        change(&mut bytes);
        fs::write(&self.journal, bytes).unwrap();
    }

    /// The place of a record's frame.
    fn place(&self, record: &Record) -> usize {
        let mut frame = Vec::new();
        format::put_record(record, &mut frame);
        self.bytes().windows(frame.len()).position(|w| w == frame).expect("the record is there")
    }

    /// Damages the frame of client 8's order 1.
    fn damage(&self) -> usize {
        let at = self.place(&order(8, 1, 102));
        self.change(|bytes| bytes[at + format::FRAME_HEAD + 2] ^= 0x10);
        at
    }

    /// Starts with it, which writes it anew.
    fn open(&self) -> State {
        Journal::open(FileDisk::new(self.journal.parent().unwrap())).expect("twsmux would start").1.state
    }

    /// Runs it with `--state-dir`.
    fn run(&self, args: &[&str]) -> Answer {
        let root = self.root.path().to_str().unwrap();
        run(&[args, &["--state-dir", root]].concat())
    }

    fn files(&self) -> Vec<String> {
        let folder = fs::read_dir(self.journal.parent().unwrap()).unwrap();
        let mut names: Vec<String> =
            folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "lock");
        names.sort();
        names
    }
}

struct Answer {
    code: i32,
    out: String,
    err: String,
}

fn run(args: &[&str]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    command.arg("journal").args(args).env_remove("TWSMUX_STATE_DIR").env_remove("TWSMUX_UPSTREAM");
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

impl Answer {
    /// Asserts the exit code and words of what was printed or complained about.
    #[track_caller]
    fn is(&self, code: i32, words: &[&str]) {
        let Answer { out, err, .. } = self;
        assert_eq!(self.code, code, "{out}\n{err}");
        for word in words {
            assert!(out.contains(word) || err.contains(word), "{word:?} in\n{out}\n{err}");
        }
    }
}

#[test]
fn a_whole_journal_is_verified_however_it_is_named() {
    let s = setup();
    let words =
        ["verdict   whole\n", "client id 5 at the Gateway", "5 (3 live, 2 over)", "2 clients", "105 at"];
    s.run(&["verify"]).is(0, &words);
    s.run(&["verify", "--upstream", "127.0.0.1:4002"]).is(0, &words);
    run(&["verify", s.journal.to_str().unwrap()]).is(0, &words);
    run(&["verify", s.journal.parent().unwrap().to_str().unwrap()]).is(0, &words);
    assert_eq!(s.files(), ["orders.journal"]);
}

#[test]
fn what_it_says_is_shown_live_orders_first() {
    let s = setup();
    let shown = s.run(&["show"]);
    shown.is(
        0,
        &["permanent id", "900101", "live, the Gateway has it", "its fate is unknown", "never left twsmux"],
    );
    assert!(!shown.out.contains('\u{1b}'), "what is in a file must not steer the terminal");
    let page: Value = serde_json::from_str(&s.run(&["show", "--json"]).out).unwrap();
    assert_eq!(page["identity"], json!({"upstream_client": 5, "accounts": ["DU1", "DU2\u{1b}[2J"]}));
    assert_eq!(
        (&page["verdict"], &page["fault_at"], &page["next"]),
        (&json!("whole"), &json!(null), &json!(105))
    );
    assert_eq!(
        page["clients"],
        json!([
            {"client_id": 7, "next": 3, "placed": 2, "kept": 2},
            {"client_id": 8, "next": 4, "placed": 3, "kept": 0},
        ])
    );
    let order = |client, id, up, perm: Option<i64>, state: &str, live: bool| {
        json!({
            "client_id": client, "order_id": id, "gateway_id": up, "permanent_id": perm, "state": state, "live": live
        })
    };
    assert_eq!(
        page["orders"],
        json!([
            order(7, 2, 101, Some(900_101), "at_gateway", true),
            order(8, 1, 102, None, "unknown", true),
            order(8, 3, 104, None, "unconfirmed", true),
            order(7, 1, 100, Some(900_100), "over", false),
            order(8, 2, 103, None, "never_sent", false),
        ])
    );
    assert_eq!(page["executions"], 1);
}

#[test]
fn it_may_be_looked_at_while_it_is_written() {
    let s = setup();
    let lock = StateDir::lock(s.root.path(), GATEWAY).unwrap();
    let (mut journal, _) = Journal::open(FileDisk::new(lock.path())).unwrap();
    journal.append(&[order(8, 4, 105)], false).unwrap();
    s.run(&["verify"]).is(0, &["whole; its last 21 bytes were written and not yet attested"]);
    s.run(&["show"]).is(0, &["6 (4 live, 2 over)"]);
    let before = s.bytes();
    s.run(&["repair"]).is(4, &["in use by a running twsmux", "process", "Stop that one first"]);
    s.damage();
    s.run(&["repair"]).is(4, &["in use"]);
    assert_eq!(s.files(), ["orders.journal"]);
    assert_eq!(before.len(), s.bytes().len());
}

#[test]
fn a_torn_end_is_told_and_needs_no_repair() {
    let s = setup();
    let whole = s.bytes().len();
    s.change(|bytes| bytes.extend_from_slice(&[13, 0, 0, 0, 1, 2, 3]));
    s.run(&["verify"]).is(1, &["TORN at byte", "cuts off 7 bytes", "look again"]);
    let page: Value = serde_json::from_str(&s.run(&["show", "--json"]).out).unwrap();
    assert_eq!((&page["verdict"], &page["fault_at"]), (&json!("torn"), &json!(whole)));
    s.run(&["repair"]).is(0, &["nothing to repair"]);
    assert_eq!(s.bytes().len(), whole + 7);
    assert_eq!(s.open().orders.len(), 5);
    s.run(&["verify"]).is(0, &["verdict   whole\n"]);
}

#[test]
fn damage_is_told_and_repaired() {
    let s = setup();
    let whole = recover::read(&s.bytes()).unwrap().state;
    let at = s.damage();
    let damaged = s.bytes();
    let place = format!("DAMAGED at byte {at} of {}", damaged.len());
    s.run(&["verify"]).is(2, &[&place, "twsmux journal repair", "2 (1 live, 1 over)"]);
    s.run(&["show"]).is(2, &[&place, "900101"]);
    let answer = s.run(&["repair"]);
    let lost = format!("21 bytes at byte {at}");
    answer.is(
        0,
        &["orders.journal.damaged-1", "14 records", &lost, "10000 left out", "compare all open orders"],
    );
    assert_eq!(s.files(), ["orders.journal", "orders.journal.damaged-1"]);
    assert_eq!(fs::read(s.journal.with_file_name("orders.journal.damaged-1")).unwrap(), damaged);
    s.run(&["verify"]).is(0, &["verdict   whole\n"]);
    let state = s.open();
    assert_eq!(state.next, whole.next + limits::JOURNAL_REPAIR_MARGIN);
    let left: Vec<i32> = state.orders.keys().map(|up| up.0).collect();
    assert_eq!(left, [100, 101, 103, 104]);
    assert_eq!((&state.identity, &state.kept), (&whole.identity, &whole.kept));
    assert_eq!(state.owners[&ClientId(8)].placed, 3 + limits::JOURNAL_REPAIR_MARGIN);
    // A second time there is nothing to do; a second damage does not overwrite the first copy.
    s.run(&["repair"]).is(0, &["nothing to repair"]);
    s.change(|bytes| bytes[30] ^= 1);
    s.run(&["repair"]).is(0, &["damaged-2", "was lost, so that twsmux cannot refuse a wrong one"]);
    assert_eq!(s.files().len(), 3);
    assert_eq!(s.open().orders.len(), 4);
}

#[test]
fn a_damaged_beginning_does_not_take_the_orders_with_it() {
    let s = setup();
    s.change(|bytes| bytes[13] ^= 1);
    s.run(&["verify"]).is(2, &["checksum of its header", "journal repair"]);
    s.run(&["show"]).is(2, &["checksum of its header"]);
    run(&["repair", s.journal.parent().unwrap().to_str().unwrap()])
        .is(0, &["15 records", "lost      0 bytes"]);
    assert_eq!(s.open().orders.len(), 5);
}

#[test]
fn a_backup_is_put_in_place_with_its_ids_raised() {
    let s = setup();
    s.run(&["repair", "--restored"]).is(0, &["10000 left out", "damaged-1"]);
    assert_eq!(s.open().next, 105 + limits::JOURNAL_REPAIR_MARGIN);
}

#[test]
fn what_is_newer_or_no_journal_is_left_alone() {
    let s = setup();
    s.change(|bytes| {
        bytes[8] = 9;
        let sum = crc32fast::hash(&bytes[..format::HEADER - 4]);
        bytes[format::HEADER - 4..format::HEADER].copy_from_slice(&sum.to_le_bytes());
    });
    for command in ["verify", "show", "repair"] {
        let before = s.bytes();
        s.run(&[command]).is(2, &["format version 9", "newer"]);
        assert_eq!(s.bytes(), before);
    }
    for nothing in [&b""[..], b"hello", &[7; 3000]] {
        fs::write(&s.journal, nothing).unwrap();
        s.run(&["verify"]).is(2, &["no order journal that can be read"]);
        s.run(&["repair"]).is(2, &["nothing can be read", "left as it is", "Move it away"]);
        assert_eq!(s.bytes(), nothing);
    }
    assert_eq!(s.files(), ["orders.journal"]);
}

#[test]
fn where_there_is_none_nothing_is_made() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().to_str().unwrap();
    let missing = root.path().join("missing/orders.journal");
    for command in ["verify", "show", "repair"] {
        run(&[command, "--state-dir", folder]).is(3, &["there is no order journal", "--state-dir"]);
        run(&[command, folder]).is(3, &["there is no order journal"]);
        run(&[command, missing.to_str().unwrap()]).is(3, &["there is no order journal"]);
        run(&[command, "--state-dir", folder, "--upstream", "127.0.0.1:4001"]).is(3, &["127.0.0.1_4001"]);
        run(&[command, "--upstream", "sim"]).is(2, &["name the file or its folder"]);
        run(&[command, "--upstream", "nowhere"]).is(2, &["HOST:PORT"]);
        run(&[command, "--help"]).is(
            0,
            &["Exit codes", "FILE|FOLDER"].map(|w| if command == "show" { "3 there is none" } else { w }),
        );
    }
    assert!(is_empty(root.path()));
    // Readable is not enough: a copy under another name is not what twsmux would use.
    let s = setup();
    let copy = root.path().join("copy");
    fs::copy(&s.journal, &copy).unwrap();
    run(&["verify", copy.to_str().unwrap()]).is(0, &["whole"]);
    run(&["repair", copy.to_str().unwrap()]).is(2, &["is not called orders.journal"]);
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_journal_of_another_client_id_says_whose_it_is() {
    let s = setup();
    let state = s.open();
    assert_eq!(check_upstream_client(&state, ClientId(5), "orders.journal"), Ok(()));
    let words = check_upstream_client(&state, ClientId(0), "orders.journal").unwrap_err().to_string();
    assert!(words.contains("client id 5") && words.contains("--upstream-client-id 5"), "{words}");
    s.run(&["verify"]).is(0, &["client id 5 at the Gateway"]);
}
