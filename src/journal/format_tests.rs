use proptest::prelude::*;

use super::*;

/// One record of every kind.
pub(in crate::journal) fn one_of_each() -> Vec<Record> {
    let (owner, down, up) = (ClientId(7), DownOrderId(41), UpOrderId(1_000_123));
    let exec_id = Bytes::from_static(b"0000e0d5.6501.01.01");
    vec![
        Record::Identity { upstream_client: ClientId(0), accounts: vec!["DU1".into(), "DU2".into()] },
        Record::Floor { next: 1_000_000 },
        Record::Sequence { owner, next: 50, placed: 40 },
        Record::Order { owner, down, up },
        Record::Order { owner, down: DownOrderId(42), up: UpOrderId(-5) },
        Record::Arrived { up, perm: PermId(-1_234_567_890_123) },
        Record::Unknown { up },
        Record::Over { up, outcome: Outcome::Ended },
        Record::Over { up: UpOrderId(-5), outcome: Outcome::NeverSent },
        Record::Executed { up, exec_id: exec_id.clone() },
        Record::Commissioned { exec_id },
        Record::Kept { owner, up, version: 176, payload: Bytes::from_static(b"3\0\xFF\0") },
        Record::Kept { owner, up: UpOrderId(0), version: 226, payload: Bytes::new() },
        Record::Fetched { owner, count: 1 },
        Record::OwnerForgotten { owner },
        Record::Running(true),
        Record::Forgotten { up },
    ]
}

fn framed(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    put_record(record, &mut out);
    out
}

#[test]
fn every_kind_comes_back_as_it_was_written() {
    for record in one_of_each() {
        let mut bytes = framed(&record);
        let length = bytes.len();
        bytes.extend_from_slice(b"what follows");
        assert_eq!(frame(&bytes), Ok((Frame::Record(record.clone()), length)));
        assert_eq!(frame_perhaps(&bytes), Some((Frame::Record(record), length)));
    }
    let mut bytes = Vec::new();
    put_synced(24, 99, &mut bytes);
    assert_eq!(frame(&bytes), Ok((Frame::Synced { offset: 24, salt: 99 }, SYNCED)));
    let order = Record::Order { owner: ClientId(1), down: DownOrderId(1), up: UpOrderId(1) };
    assert_eq!(framed(&order).len(), ORDER);
}

#[test]
fn the_bytes_are_those_of_the_documentation() {
    let mut file = Vec::new();
    put_header(0x1122_3344_5566_7788, &mut file);
    let up = UpOrderId(1_000_123);
    put_record(&Record::Order { owner: ClientId(7), down: DownOrderId(41), up }, &mut file);
    put_synced(file.len() as u64, 0x1122_3344_5566_7788, &mut file);
    let hex: String = file.iter().map(|b| format!("{b:02x}")).collect();
    let page = include_str!("../../docs/journal-format.md");
    let shown: String = page
        .split("<!-- example -->")
        .nth(1)
        .expect("the example is marked")
        .lines()
        .filter_map(|line| line.split_once('|').map(|(bytes, _)| bytes))
        .flat_map(str::split_whitespace)
        .collect();
    assert_eq!(shown, hex);
}

#[test]
fn the_documentation_lists_the_kinds_that_there_are() {
    let page = include_str!("../../docs/journal-format.md");
    let section =
        page.split("\n### ").find(|section| section.starts_with("Kinds\n")).expect("there is a section");
    let listed: Vec<(u8, &str)> = section
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split('|').map(str::trim);
            let kind = cells.next()?.parse().ok()?;
            Some((kind, cells.next()?.trim_matches('`')))
        })
        .collect();
    assert_eq!(listed, KINDS);
    let written: std::collections::BTreeSet<u8> =
        one_of_each().iter().map(|record| framed(record)[FRAME_HEAD]).chain([255]).collect();
    assert_eq!(written, KINDS.iter().map(|(kind, _)| *kind).collect(), "each kind is tried here");
}

#[test]
fn no_bit_of_a_frame_can_change_unseen() {
    for record in one_of_each() {
        let whole = framed(&record);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(frame(&bytes).is_err(), "bit {bit} of {record:?}");
        }
        for end in 0..whole.len() {
            assert_eq!(frame(&whole[..end]), Err(FrameFault::Incomplete));
        }
    }
}

#[test]
fn lengths_that_make_no_sense_end_there() {
    for length in [0, limits::MAX_JOURNAL_RECORD as u32 + 1, u32::MAX] {
        let bytes = [&length.to_le_bytes()[..], &[0; 100]].concat();
        assert_eq!(frame(&bytes), Err(FrameFault::Length));
    }
    assert_eq!(frame(&[0; 4096]), Err(FrameFault::Length), "a page that was never written");
    // An inner length that leads out of the record, or leaves something over.
    for (at, by) in [(FRAME_HEAD + 1 + 10, 1), (FRAME_HEAD + 1 + 10, 255)] {
        let kept = Record::Kept {
            owner: ClientId(1),
            up: UpOrderId(1),
            version: 100,
            payload: Bytes::from_static(b"abc"),
        };
        let mut bytes = framed(&kept);
        bytes[at] = bytes[at].wrapping_add(by);
        let sum = checksum([bytes[0], bytes[1], bytes[2], bytes[3]], &bytes[FRAME_HEAD..]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(frame(&bytes), Err(FrameFault::Content));
        assert_eq!(frame_perhaps(&bytes), None);
    }
}

#[test]
fn a_header_is_ours_damaged_newer_or_another_s() {
    let mut file = Vec::new();
    put_header(5, &mut file);
    assert_eq!(file.len(), HEADER);
    assert_eq!(header(&file), Ok(5));
    assert_eq!(header(b""), Err(HeaderFault::Empty));
    for end in 1..HEADER {
        assert_eq!(header(&file[..end]), Err(HeaderFault::Short(end)));
    }
    assert_eq!(header(b"PK\x03\x04"), Err(HeaderFault::Foreign));
    for bit in 0..HEADER * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 64 { HeaderFault::Foreign } else { HeaderFault::Checksum };
        assert_eq!(header(&damaged), Err(expected), "bit {bit}: a damaged version is not a newer one");
    }
    file[8] = 2;
    let sum = crc32fast::hash(&file[..HEADER - 4]);
    file[HEADER - 4..].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(header(&file), Err(HeaderFault::Newer(2)));
}

fn any_record() -> impl Strategy<Value = Record> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let any_up = || any::<i32>().prop_map(UpOrderId);
    let owner = || any::<i32>().prop_map(ClientId);
    prop_oneof![
        (owner(), prop::collection::vec(".{0,9}", 0..4))
            .prop_map(|(upstream_client, accounts)| Record::Identity { upstream_client, accounts }),
        any::<i32>().prop_map(|next| Record::Floor { next }),
        (owner(), any::<i32>(), any_up()).prop_map(|(owner, down, up)| Record::Order {
            owner,
            down: DownOrderId(down),
            up
        }),
        (owner(), any::<i32>(), any::<i32>()).prop_map(|(owner, next, placed)| Record::Sequence {
            owner,
            next,
            placed
        }),
        (any_up(), any::<i64>()).prop_map(|(up, perm)| Record::Arrived { up, perm: PermId(perm) }),
        any_up().prop_map(|up| Record::Over { up, outcome: Outcome::Ended }),
        any_up().prop_map(|up| Record::Unknown { up }),
        any_up().prop_map(|up| Record::Forgotten { up }),
        (any_up(), bytes()).prop_map(|(up, exec_id)| Record::Executed { up, exec_id }),
        bytes().prop_map(|exec_id| Record::Commissioned { exec_id }),
        (owner(), any_up(), any::<u16>(), bytes()).prop_map(|(owner, up, version, payload)| Record::Kept {
            owner,
            up,
            version,
            payload
        }),
        (owner(), any::<u32>()).prop_map(|(owner, count)| Record::Fetched { owner, count }),
        owner().prop_map(|owner| Record::OwnerForgotten { owner }),
        any::<bool>().prop_map(Record::Running),
    ]
}

proptest! {
    #[test]
    fn records_round_trip(record in any_record()) {
        let bytes = framed(&record);
        prop_assert_eq!(frame(&bytes), Ok((Frame::Record(record), bytes.len())));
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let read = frame(&bytes);
        prop_assert_eq!(read.ok(), frame_perhaps(&bytes));
        let _ = header(&bytes);
    }

    /// What the state of some records is written as adds up to the same state.
    #[test]
    fn a_state_is_the_sum_of_its_records(records in prop::collection::vec(any_record(), 0..60)) {
        let sum = |records: &mut dyn Iterator<Item = Record>| {
            let mut state = crate::journal::State::default();
            records.for_each(|record| state.apply(&record));
            state
        };
        let state = sum(&mut records.into_iter());
        prop_assert_eq!(sum(&mut state.records()), state);
    }
}
