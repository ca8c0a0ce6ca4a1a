use bytes::Bytes;

use super::super::format::{FRAME_HEAD, HEADER, SYNCED, put_header, put_record, put_synced};
use super::super::{Kept, Record};
use super::*;
use crate::ids::{ClientId, DownOrderId, UpOrderId};

const SALT: u64 = 77;

fn order(n: i32) -> Record {
    Record::Order { owner: ClientId(1), down: DownOrderId(n), up: UpOrderId(n) }
}

/// A file with as many orders as there are groups' members, and an attestation after each group.
fn file(groups: &[&[i32]]) -> Vec<u8> {
    let mut out = Vec::new();
    put_header(SALT, &mut out);
    for group in groups {
        group.iter().for_each(|n| put_record(&order(*n), &mut out));
        let at = out.len() as u64;
        put_synced(at, SALT, &mut out);
    }
    out
}

fn orders(reading: &Reading) -> Vec<i32> {
    reading.state.orders.keys().map(|up| up.0).collect()
}

#[test]
fn a_whole_file_is_attested_or_not() {
    let mut bytes = file(&[&[1, 2], &[3]]);
    let reading = read(&bytes).unwrap();
    assert_eq!((reading.end, reading.records, reading.is_attested()), (End::Whole, 3, true));
    assert_eq!(orders(&reading), [1, 2, 3]);
    let attested = bytes.len() as u64;
    put_record(&order(4), &mut bytes);
    let reading = read(&bytes).unwrap();
    assert_eq!((reading.end, reading.attested, reading.is_attested()), (End::Whole, attested, false));
    assert_eq!(orders(&reading), [1, 2, 3, 4]);
    let reading = read(&bytes[..HEADER]).unwrap();
    assert_eq!(
        (reading.end, reading.is_attested()),
        (End::Whole, false),
        "a header alone was attested by nobody"
    );
}

#[test]
fn what_nobody_attested_is_a_torn_tail_wherever_it_is_cut() {
    let base = file(&[&[1]]);
    let mut whole = base.clone();
    put_record(&order(2), &mut whole);
    put_record(&order(3), &mut whole);
    let second = base.len() + (whole.len() - base.len()) / 2;
    for end in base.len() + 1..whole.len() {
        let reading = read(&whole[..end]).unwrap();
        let good = if end < second { base.len() } else { second };
        assert_eq!(reading.good, good as u64);
        assert_eq!(matches!(reading.end, End::Torn(FrameFault::Incomplete)), end != second, "{end}");
    }
    // A page of it that never reached the disk, and what was written later did.
    let mut holes = whole.clone();
    holes[base.len()..second].fill(0);
    let reading = read(&holes).unwrap();
    assert_eq!((reading.end, orders(&reading)), (End::Torn(FrameFault::Length), vec![1]));
}

#[test]
fn no_bit_before_an_attestation_can_change_unseen() {
    let bytes = file(&[&[1, 2], &[3]]);
    let last = bytes.len() - SYNCED;
    for bit in HEADER * 8..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let reading = read(&damaged).unwrap();
        match bit / 8 < last {
            true => {
                let attested = matches!(reading.end, End::Damaged { attested_at: Some(at), .. } if at > 0);
                assert!(attested, "bit {bit}: {:?}", reading.end);
            }
            // In the last attestation itself: nothing is lost by cutting it off.
            false => {
                assert!(matches!(reading.end, End::Torn(_)), "bit {bit}: {:?}", reading.end);
                assert_eq!((reading.good, orders(&reading)), (last as u64, vec![1, 2, 3]));
            }
        }
    }
}

#[test]
fn an_attestation_within_a_message_attests_nothing() {
    let base = file(&[&[1]]);
    let payload_at = base.len() + FRAME_HEAD + 1 + 4 + 4 + 2 + 4;
    // Each is what a client might have had sent to itself; the last one is what it would need to know the salt for.
    for (offset, salt, fools) in [
        (payload_at as u64, SALT + 1, false),
        (payload_at as u64 + 1, SALT, false),
        (u64::MAX, SALT, false),
        (0, SALT, false),
        (payload_at as u64, SALT, true),
    ] {
        let mut payload = Vec::new();
        put_synced(offset, salt, &mut payload);
        payload.extend_from_slice(&[7; 100]);
        let mut bytes = base.clone();
        let payload = Bytes::from(payload);
        put_record(&Record::Kept { owner: ClientId(1), up: UpOrderId(1), version: 176, payload }, &mut bytes);
        let whole = read(&bytes).unwrap();
        assert_eq!(whole.end, End::Whole);
        let kept: Vec<&Kept> = whole.state.kept[&ClientId(1)].iter().collect();
        assert_eq!(kept.len(), 1);
        // The write was cut short.
        let reading = read(&bytes[..bytes.len() - 50]).unwrap();
        assert_eq!(
            matches!(reading.end, End::Torn(_)),
            !fools,
            "offset {offset} salt {salt}: {:?}",
            reading.end
        );
    }
}

#[test]
fn a_record_that_is_whole_and_not_known_is_damage_even_at_the_end() {
    let mut bytes = file(&[&[1]]);
    let at = bytes.len();
    put_synced(at as u64 + 1, SALT, &mut bytes);
    let damaged = End::Damaged { fault: FrameFault::Content, attested_at: None };
    assert_eq!(read(&bytes).unwrap().end, damaged, "an attestation of another place");
    bytes.truncate(at);
    // Kind 200, one byte long.
    bytes.extend_from_slice(&1u32.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&1u32.to_le_bytes());
    hasher.update(&[200]);
    bytes.extend_from_slice(&hasher.finalize().to_le_bytes());
    bytes.push(200);
    assert_eq!(read(&bytes).unwrap().end, damaged);
}
