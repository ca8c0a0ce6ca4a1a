use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::capture::Which;
use crate::capture::format::Reader;
use crate::ids::ClientKey;

fn begin() -> Begin {
    Begin {
        twsmux: "0".into(),
        epoch_ms: 0,
        which: Which::All,
        masked: false,
        from_start: true,
        journal_was_empty: true,
        config: serde_json::Value::Null,
    }
}

fn read(n: u64) -> Record {
    let side = Side::Client(ClientKey { slot: 0, generation: 0 });
    Record { time: Time(n), side, what: What::Read(vec![b'x'; 100]) }
}

fn first() -> Record {
    Record { time: Time::ZERO, side: Side::None, what: What::Begin(Box::new(begin())) }
}

fn records(bytes: &[u8]) -> Vec<Record> {
    let mut reader = Reader::new(bytes).unwrap();
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

fn request(path: &Path) -> CaptureRequest {
    CaptureRequest { which: Which::All, path: path.to_owned(), limit: 1 << 20, mask: false }
}

#[test]
fn what_does_not_fit_into_the_queue_is_left_out_and_the_file_says_how_much() {
    let counts = Arc::<Counts>::default();
    let (queue, intake) = queue(4, counts.clone());
    queue.push(first()).unwrap();
    (1..=10).for_each(|n| queue.push(read(n)).unwrap());
    // Three fitted. One is taken out, so that there is room for the mark and then none again.
    let mut taken = vec![intake.records.recv().unwrap()];
    queue.push(read(11)).unwrap();
    assert_eq!(counts.numbers().left_out, 8);
    taken.extend(std::iter::from_fn(|| intake.records.try_recv().ok()));
    assert_eq!(taken[4].what, What::LeftOut { records: 7, bytes: 700 });
    queue.push(read(12)).unwrap();
    drop(queue);
    let mut file = Vec::new();
    format::put_head(&mut file);
    format::put(&first(), &mut file);
    let head = file.len();
    assert_eq!(write(intake, &mut file, u64::MAX, None).unwrap(), End::Stopped);
    // The writer begins a file of its own behind it.
    file.drain(head..head + format::HEAD);
    let rest: Vec<_> = records(&file).into_iter().map(|r| r.what).collect();
    assert_eq!(
        rest,
        [What::LeftOut { records: 1, bytes: 100 }, read(12).what, What::End(End::Stopped)],
        "each mark stands where something is missing"
    );
}

#[test]
fn what_is_left_out_at_the_end_is_told_at_the_end() {
    let (queue, intake) = queue(2, Arc::default());
    queue.push(first()).unwrap();
    (1..=3).for_each(|n| queue.push(read(n)).unwrap());
    drop(queue);
    let mut file = Vec::new();
    write(intake, &mut file, u64::MAX, None).unwrap();
    let rest: Vec<_> = records(&file).into_iter().map(|r| r.what).collect();
    assert_eq!(rest, [read(1).what, What::LeftOut { records: 2, bytes: 200 }, What::End(End::Stopped)]);
}

#[test]
fn bytes_of_the_queue_are_bounded_too() {
    let counts = Arc::<Counts>::default();
    let (queue, _intake) = queue(1000, counts.clone());
    let large = |n| Record { what: What::Read(vec![0; 16 << 20]), ..read(n) };
    (0..4).for_each(|n| queue.push(large(n)).unwrap());
    assert_eq!(counts.numbers().left_out, 1, "the fourth, with what each takes beside its bytes, is over it");
    queue.push(Record { what: What::Read(vec![0; limits::MAX_CAPTURE_RECORD]), ..read(5) }).unwrap();
    assert_eq!(counts.numbers().left_out, 2, "larger than any record may be");
}

#[test]
fn the_limit_ends_it_and_the_last_record_says_so() {
    let counts = Arc::<Counts>::default();
    let (queue, intake) = queue(1000, counts.clone());
    queue.push(first()).unwrap();
    (1..=100).for_each(|n| queue.push(read(n)).unwrap());
    let mut file = Vec::new();
    assert_eq!(write(intake, &mut file, 2000, None).unwrap(), End::Limit);
    assert!(file.len() <= 2000 && file.len() > 1700, "{}", file.len());
    assert_eq!(counts.numbers().bytes, file.len() as u64);
    let all = records(&file);
    assert_eq!(all.last().unwrap().what, What::End(End::Limit));
    assert_eq!(all[0], read(1));
    assert_eq!(queue.push(read(101)), Err(Over), "whoever records learns that it is over");
}

#[test]
fn an_existing_file_is_refused_and_a_new_one_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.cap");
    let counts = Arc::<Counts>::default();
    let handle = start(&request(&path), begin(), Time(5), Vec::new(), counts.clone()).unwrap();
    assert!(counts.numbers().running);
    handle.queue.push(read(6)).unwrap();
    handle.close().unwrap();
    assert!(!counts.numbers().running);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&path).unwrap();
    assert_eq!(records(&before).len(), 2);
    let words = start(&request(&path), begin(), Time(5), Vec::new(), counts.clone()).unwrap_err();
    assert!(words.contains("exists already and is not overwritten"), "{words}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let nowhere = folder.path().join("no/such/folder");
    let words = start(&request(&nowhere), begin(), Time(5), Vec::new(), counts).unwrap_err();
    assert!(words.contains("cannot be made"), "{words}");
}
