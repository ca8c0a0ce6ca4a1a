use proptest::prelude::*;

use super::*;
use crate::core::operate::Who;
use crate::ids::ClientId;

fn begin() -> Record {
    let begin = Begin {
        twsmux: "0.1.0".into(),
        epoch_ms: 1_795_471_658_000,
        which: Which::Client(ClientId(7)),
        masked: true,
        from_start: true,
        journal_was_empty: true,
        config: serde_json::to_value(crate::core::Config::default()).unwrap(),
    };
    record(Side::None, What::Begin(Box::new(begin)))
}

fn record(side: Side, what: What) -> Record {
    Record { time: Time(1_000_001), side, what }
}

/// One of every kind.
fn all() -> Vec<Record> {
    let client = Side::Client(ClientKey { slot: 3, generation: u32::MAX });
    let link = Side::Upstream(LinkId(9));
    let peer = Peer { address: "127.0.0.1:5".into(), certificate: Some("a".into()), already: None };
    let already = Already { server_version: 176, client_id: Some(-1) };
    let zombies = Zombies { not_closed: 2, ..Zombies::default() };
    vec![
        begin(),
        record(client, What::Connected(peer)),
        record(client, What::Connected(Peer { already: Some(already), ..Peer::default() })),
        record(link, What::Connected(Peer::default())),
        record(client, What::Read(b"API\0".to_vec())),
        record(link, What::Written { taken: 3, bytes: b"\0\0\0\x019".to_vec() }),
        record(client, What::Flushed { unsent: 3 }),
        record(client, What::Broken(vec![0xFF; 8])),
        record(client, What::Closed("eof".into())),
        record(Side::None, What::Tick),
        record(Side::None, What::Journaled { upto: u64::MAX, sync_us: 7 }),
        record(link, What::Event(Event::Refused("no".into()))),
        record(link, What::Event(Event::Looked(Some(zombies)))),
        record(link, What::Event(Event::Examined(None, FarEnd::Unread(3)))),
        record(Side::None, What::Event(Event::JournalFailed(4, "full".into()))),
        record(Side::None, What::Event(Event::Settings(serde_json::json!({"kill_switch": true})))),
        record(Side::None, What::Event(Event::Operated(Operation::Kill(Who::Id(ClientId(3)))))),
        record(Side::None, What::Event(Event::Operated(Operation::Drain { stop: true }))),
        record(Side::None, What::Event(Event::Stop)),
        record(Side::None, What::LeftOut { records: 4, bytes: 5 }),
        record(Side::None, What::End(End::Limit)),
        record(Side::None, What::End(End::Stopped)),
    ]
}

fn written(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    put_head(&mut out);
    records.iter().for_each(|r| put(r, &mut out));
    out
}

fn read(bytes: &[u8]) -> (Vec<Record>, Option<Fault>) {
    let mut reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(fault) => return (Vec::new(), Some(fault)),
    };
    let mut records = vec![Record { what: What::Begin(Box::new(reader.begin().clone())), ..begin() }];
    loop {
        match reader.next() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return (records, None),
            Err(fault) => return (records, Some(fault)),
        }
    }
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    let all = all();
    let (again, fault) = read(&written(&all));
    assert!(fault.is_none());
    assert_eq!(again, all);
    let kinds: std::collections::BTreeSet<_> = all.iter().map(|r| r.what.name()).collect();
    assert_eq!(kinds.len(), KINDS.len(), "every kind is tried");
}

#[test]
fn the_page_lists_every_kind() {
    let page = include_str!("../../docs/capture.md");
    for (number, name) in KINDS {
        assert!(page.contains(&format!("| {number} | {name} |")), "{number} {name}");
    }
}

/// Cut anywhere, everything before the cut is there, and that it is cut is said.
#[test]
fn a_torn_tail_is_read_up_to_where_it_is_whole() {
    let all = all();
    let whole = written(&all);
    let ends: Vec<usize> = (1..=all.len()).map(|n| written(&all[..n]).len()).collect();
    for length in HEAD + 1..whole.len() {
        let (records, fault) = read(&whole[..length]);
        let complete = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(records, all[..complete]);
        match fault {
            None => assert!(ends.contains(&length)),
            Some(Fault::Torn(at)) => {
                assert!(!ends.contains(&length));
                assert_eq!(at as usize, if complete == 0 { HEAD } else { ends[complete - 1] });
            }
            Some(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_damaged_record_ends_it_with_words_and_a_newer_format_is_named() {
    let mut bytes = written(&all());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let (records, fault) = read(&bytes);
    assert_eq!(records.len(), all().len() - 1);
    assert!(matches!(fault, Some(Fault::Damaged(..))));
    let mut bytes = written(&all());
    bytes[8] = 2;
    assert!(matches!(Reader::new(&bytes[..]), Err(Fault::Version(2))));
    assert!(matches!(Reader::new(&b"handshake {}"[..]), Err(Fault::NoCapture)));
    assert!(matches!(Reader::new(&b"tws"[..]), Err(Fault::NoCapture)));
    let tick_first = written(&[record(Side::None, What::Tick)]);
    assert!(matches!(Reader::new(&tick_first[..]), Err(Fault::Damaged(..))));
}

/// A length that is merely announced costs no memory.
#[test]
fn an_announced_length_is_not_believed() {
    let mut bytes = written(&[begin()]);
    bytes.extend_from_slice(&(MAX_CAPTURE_RECORD as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 20]);
    assert!(matches!(read(&bytes).1, Some(Fault::Torn(_))));
    let at = bytes.len() - 24;
    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(read(&bytes).1, Some(Fault::Damaged(..))));
}

proptest! {
    #[test]
    fn hostile_bytes_are_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut file = written(&[begin()]);
        file.extend_from_slice(&bytes);
        let _ = read(&file);
        // The same behind a right length and checksum.
        let mut file = written(&[begin()]);
        file.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        file.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        file.extend_from_slice(&bytes);
        let (records, _) = read(&file);
        prop_assert!(records.len() <= 2);
    }
}
