//! The journal's writer over a simulated disk, case by case: what `journal_model` meets by chance, and what it would
//! take too long to meet.

#[path = "support/disk.rs"]
mod disk;

use bytes::Bytes;
use disk::{Faults, SimDisk};
use twsmux::ids::{ClientId, DownOrderId, UpOrderId};
use twsmux::journal::log::{FILE, UNFINISHED};
use twsmux::journal::{Journal, JournalError, OpenError, Record, State, format};
use twsmux::limits;

fn order(n: i32) -> Record {
    Record::Order { owner: ClientId(1), down: DownOrderId(n), up: UpOrderId(n) }
}

fn kept(bytes: usize) -> Record {
    let payload = Bytes::from(vec![b'x'; bytes]);
    Record::Kept { owner: ClientId(1), up: UpOrderId(1), version: 176, payload }
}

fn open(disk: &SimDisk) -> Journal<SimDisk> {
    Journal::open(disk.clone()).expect("it opens").0
}

fn orders(state: &State) -> Vec<i32> {
    state.orders.keys().map(|up| up.0).collect()
}

#[test]
fn it_is_made_once_and_goes_on_where_it_was() {
    let disk = SimDisk::new(1);
    let (mut journal, recovered) = Journal::open(disk.clone()).unwrap();
    assert_eq!((recovered.state, recovered.cut), (State::default(), 0));
    journal.append(&[order(1), order(2)], true).unwrap();
    journal.seal().unwrap();
    let before = disk.bytes(FILE).unwrap();
    drop(journal);
    disk.power_loss();
    assert_eq!(disk.bytes(FILE).unwrap(), before);
    let mut journal = open(&disk);
    assert_eq!(orders(journal.state()), [1, 2]);
    let begin = disk.bytes(FILE).unwrap();
    journal.append(&[order(3)], true).unwrap();
    assert!(disk.bytes(FILE).unwrap().starts_with(&begin));
    assert_eq!(disk.names(), [FILE]);
}

#[test]
fn many_records_cost_one_sync_and_none_costs_none() {
    let disk = SimDisk::new(2);
    let mut journal = open(&disk);
    let before = disk.syncs();
    journal.append(&(1..100).map(order).collect::<Vec<_>>(), true).unwrap();
    assert_eq!(disk.syncs(), before + 1);
    journal.sync().unwrap();
    journal.append(&[], true).unwrap();
    assert_eq!(disk.syncs(), before + 1, "there was nothing to sync");
    journal.append(&[order(100)], false).unwrap();
    assert!(journal.is_unsynced());
    journal.sync().unwrap();
    assert!(!journal.is_unsynced());
    assert_eq!(disk.syncs(), before + 2);
}

#[test]
fn a_full_disk_is_told_and_healed_once_there_is_room() {
    let disk = SimDisk::new(3);
    let mut journal = open(&disk);
    journal.append(&[order(1)], true).unwrap();
    disk.set_room(Some(disk.used() + 30));
    journal.append(&[order(2)], false).expect("it fits");
    let full = journal.append(&[order(3)], true).unwrap_err();
    assert!(matches!(full, JournalError::Write { .. }), "{full:?}");
    assert!(full.to_string().contains("no storage space") && full.to_string().contains(FILE), "{full}");
    assert_eq!(journal.broken(), Some(&full));
    assert_eq!(journal.append(&[order(4)], false), Err(full.clone()), "also what needs no sync");
    assert!(journal.sync().is_err() && journal.compact().is_err() && journal.seal().is_err());
    assert!(journal.heal().is_err(), "the new file has no room either");
    assert_eq!(disk.names(), [FILE], "what cannot be finished does not take up the rest");
    // Nothing is worse than before for one that starts now.
    let elsewhere = disk.fork();
    let (second, recovered) = Journal::open(elsewhere.clone()).unwrap();
    assert!(second.broken().is_some(), "one can start with a full disk, and write nothing");
    assert_eq!(orders(&recovered.state), [1, 2]);
    assert!(recovered.cut > 0);
    disk.set_room(None);
    assert_eq!(journal.append(&[order(5)], true), Err(journal.broken().cloned().unwrap()));
    journal.heal().unwrap();
    assert_eq!(journal.heal(), Ok(()), "nothing to heal");
    journal.append(&[order(6)], true).unwrap();
    drop(journal);
    disk.power_loss();
    assert_eq!(orders(open(&disk).state()), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_sync_that_failed_is_not_made_good_by_the_next_one() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let mut journal = open(&disk);
        disk.set_faults(Faults { sync: 1, ..Faults::default() });
        let error = journal.append(&[order(1)], true).unwrap_err();
        assert!(matches!(error, JournalError::Sync { .. }), "{error:?}");
        disk.set_faults(Faults::default());
        // The process is started again, sees all of it, and the disk works.
        drop(journal);
        disk.process_death();
        let mut journal = open(&disk);
        assert_eq!(orders(journal.state()), [1]);
        journal.append(&[order(2)], true).unwrap();
        drop(journal);
        disk.power_loss();
        assert_eq!(orders(open(&disk).state()), [1, 2]);
    }
}

#[test]
fn a_large_file_that_says_little_is_written_anew() {
    let disk = SimDisk::new(4);
    let mut journal = open(&disk);
    journal.append(&[order(1)], true).unwrap();
    while journal.length() <= limits::JOURNAL_COMPACT_ABOVE {
        assert_eq!(journal.compact_if_due(), Ok(false), "{} bytes are not many", journal.length());
        journal.append(&[kept(40_000), Record::Fetched { owner: ClientId(1), count: 1 }], false).unwrap();
    }
    assert_eq!(journal.compact_if_due(), Ok(true));
    assert!(journal.length() < 1000 && !journal.is_unsynced());
    assert_eq!(journal.length(), disk.bytes(FILE).unwrap().len() as u64);
    drop(journal);
    disk.power_loss();
    assert_eq!(orders(open(&disk).state()), [1]);
}

#[test]
fn a_large_file_that_says_much_is_left_alone_until_most_of_it_is_old() {
    let disk = SimDisk::new(5);
    let mut journal = open(&disk);
    let large = limits::JOURNAL_COMPACT_ABOVE as usize;
    journal.append(&[kept(large)], false).unwrap();
    let needed = journal.length();
    let churn = [kept(large / 8), Record::Fetched { owner: ClientId(1), count: 0 }];
    let mut more = 0;
    loop {
        journal.append(&churn, false).unwrap();
        // What was added last is not needed; what was first is.
        let state_needs = needed + (more + 1) * (large as u64 / 8);
        more += 1;
        assert_eq!(journal.compact_if_due(), Ok(false), "{} of {state_needs}", journal.length());
        if more == 8 {
            break;
        }
    }
    journal.append(&[Record::Fetched { owner: ClientId(1), count: 9 }, order(1)], false).unwrap();
    // It says next to nothing now, and is over the limit; it is found out when it has grown a little.
    let mut steps = 0;
    while !journal.compact_if_due().unwrap() {
        journal.append(&[kept(large / 8), Record::Fetched { owner: ClientId(1), count: 1 }], false).unwrap();
        steps += 1;
        assert!(steps < 80, "{} bytes", journal.length());
    }
    assert!(journal.length() < 1000);
}

#[test]
fn compacting_that_fails_leaves_the_journal_as_it_was() {
    let disk = SimDisk::new(6);
    let mut journal = open(&disk);
    journal.append(&[order(1), order(2)], true).unwrap();
    disk.set_room(Some(disk.used() + 10));
    let error = journal.compact().unwrap_err().to_string();
    assert!(error.contains(UNFINISHED), "{error}");
    assert_eq!(journal.broken(), None);
    disk.set_room(None);
    journal.append(&[order(3)], true).unwrap();
    drop(journal);
    disk.power_loss();
    assert_eq!(orders(open(&disk).state()), [1, 2, 3]);
}

/// Of an attestation, too: its hole must not pass for damage later.
#[test]
fn a_file_is_only_appended_to_by_who_made_it() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let mut journal = open(&disk);
        journal.append(&[order(1)], true).unwrap();
        disk.set_faults(Faults { sync: 1, ..Faults::default() });
        assert!(journal.seal().is_err(), "the attestation is seen and perhaps not on disk");
        disk.set_faults(Faults::default());
        drop(journal);
        disk.process_death();
        let mut journal = open(&disk);
        journal.append(&[order(2)], true).unwrap();
        drop(journal);
        disk.power_loss();
        assert_eq!(orders(open(&disk).state()), [1, 2]);
    }
}

/// Dies in every single operation of making, compacting, healing and opening after an untidy end, with the power and
/// without, and looks what is there.
#[test]
fn there_is_a_whole_journal_wherever_the_process_dies() {
    for seed in 0..40 {
        for power in [false, true] {
            for what in ["make", "compact", "heal", "open"] {
                let mut died_in = 0;
                for n in 1.. {
                    let disk = SimDisk::new(seed * 1000 + n);
                    if what != "make" {
                        let mut journal = open(&disk);
                        journal.append(&[order(1), order(2)], true).unwrap();
                        journal.append(&[order(3)], false).unwrap();
                        match what {
                            "compact" => {
                                disk.die_in(n);
                                let _ = journal.compact();
                            }
                            "heal" => {
                                disk.set_faults(Faults { append: 1, ..Faults::default() });
                                journal.append(&[order(4)], true).unwrap_err();
                                disk.set_faults(Faults::default());
                                disk.die_in(n);
                                let _ = journal.heal();
                            }
                            _ => {
                                drop(journal);
                                disk.process_death();
                                disk.die_in(n);
                                let _ = Journal::open(disk.clone());
                            }
                        }
                    } else {
                        disk.die_in(n);
                        let _ = Journal::open(disk.clone());
                    }
                    let finished = !disk.is_dead();
                    if power {
                        disk.power_loss()
                    } else {
                        disk.process_death()
                    }
                    let found = orders(open(&disk).state());
                    let least: &[i32] = if what == "make" { &[] } else { &[1, 2] };
                    assert!(found.starts_with(least) && found.len() <= 4, "{what} {n}: {found:?}");
                    assert!(found.iter().copied().eq(1..=found.len() as i32), "{what} {n}: {found:?}");
                    assert_eq!(disk.names(), [FILE]);
                    if finished {
                        break;
                    }
                    died_in = n;
                }
                assert!(died_in >= 5, "{what} has several operations: {died_in}");
            }
        }
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_the_way_out_and_left_as_it_is() {
    let disk = SimDisk::new(7);
    let mut journal = open(&disk);
    (1..9).for_each(|n| journal.append(&[order(n)], true).unwrap());
    drop(journal);
    let whole = disk.bytes(FILE).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 4;
    let mut newer = whole.clone();
    newer[8] = 2;
    let sum = crc32fast::hash(&newer[..format::HEADER - 4]);
    newer[format::HEADER - 4..format::HEADER].copy_from_slice(&sum.to_le_bytes());
    for (bytes, words) in [
        (&damaged[..], &["damaged at byte", "journal verify", "journal repair"][..]),
        (&newer, &["newer twsmux", "version 2", "Upgrade", "--state-dir"]),
        (b"", &["it is empty", "journal repair", "--state-dir"]),
        (&whole[..20], &["within its header", "journal repair"]),
        (b"\x7fELF and so on and so on and so on", &["not those of an order journal", "--state-dir"]),
    ] {
        disk.put(FILE, bytes);
        let error = Journal::open(disk.clone()).unwrap_err().to_string();
        assert!(words.iter().chain(&[FILE]).all(|word| error.contains(word)), "{error}");
        assert_eq!(disk.bytes(FILE).unwrap(), bytes);
    }
    disk.die_in(0);
    let error = Journal::open(disk.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Io { doing: "read", .. }), "{error}");
}
