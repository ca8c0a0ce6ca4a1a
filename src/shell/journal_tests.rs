use std::sync::{Arc, Condvar, Mutex};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::ids::{ClientId, DownOrderId, UpOrderId};
use crate::journal::FileDisk;

const PATIENCE: Duration = Duration::from_secs(20);

fn order(n: u64) -> Record {
    let n = n as i32;
    Record::Order { owner: ClientId(1), down: DownOrderId(n), up: UpOrderId(n) }
}

fn next(reports: &mut UnboundedReceiver<Report>) -> Report {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(report) = reports.try_recv() {
            return report;
        }
        assert!(Instant::now() < deadline, "no report");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn durable(reports: &mut UnboundedReceiver<Report>) -> u64 {
    match next(reports) {
        Report::Durable { upto, sync_seconds } => {
            assert!(sync_seconds >= 0.0);
            upto
        }
        other => panic!("{other:?}"),
    }
}

/// A real folder whose syncs can be held up or refused.
struct Slow {
    disk: FileDisk,
    valve: Arc<Valve>,
}

#[derive(Default)]
struct Valve {
    state: Mutex<ValveState>,
    changed: Condvar,
}

#[derive(Default)]
struct ValveState {
    shut: bool,
    refuses: bool,
    /// Syncs that began.
    begun: u32,
}

impl Valve {
    fn set(&self, change: impl FnOnce(&mut ValveState)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn wait_begun(&self, n: u32) {
        let state = self.state.lock().unwrap();
        let (state, _) = self.changed.wait_timeout_while(state, PATIENCE, |s| s.begun < n).unwrap();
        assert!(state.begun >= n, "no sync began");
    }
}

impl Disk for Slow {
    fn name(&self, file: &str) -> String {
        self.disk.name(file)
    }

    fn salt(&mut self) -> u64 {
        self.disk.salt()
    }

    fn read(&mut self, file: &str) -> io::Result<Option<Vec<u8>>> {
        self.disk.read(file)
    }

    fn create(&mut self, file: &str) -> io::Result<()> {
        self.disk.create(file)
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.append(file, bytes)
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        let mut state = self.valve.state.lock().unwrap();
        state.begun += 1;
        self.valve.changed.notify_all();
        let state = self.valve.changed.wait_while(state, |s| s.shut).unwrap();
        if state.refuses { Err(io::Error::other("no luck")) } else { self.disk.sync(file) }
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        self.disk.remove(file)
    }
}

struct Setup {
    folder: tempfile::TempDir,
    valve: Arc<Valve>,
    handle: Handle,
    reports: UnboundedReceiver<Report>,
}

fn setup() -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let valve = Arc::new(Valve::default());
    let disk = Slow { disk: FileDisk::new(folder.path()), valve: valve.clone() };
    let (journal, _) = Journal::open(disk).unwrap();
    valve.set(|v| v.begun = 0);
    let (sender, reports) = unbounded_channel();
    let handle = start(journal, sender).unwrap();
    Setup { folder, valve, handle, reports }
}

impl Setup {
    /// The orders that are found when it is opened again.
    fn reopened(&self) -> usize {
        let (_, recovered) = Journal::open(FileDisk::new(self.folder.path())).unwrap();
        assert_eq!(recovered.cut, 0);
        recovered.state.orders.len()
    }
}

#[test]
fn what_gathers_while_a_sync_runs_goes_with_one_more() {
    let mut s = setup();
    s.valve.set(|v| v.shut = true);
    s.handle.append(1, order(1), true);
    s.valve.wait_begun(1);
    for n in 2..=100 {
        s.handle.append(n, order(n), n % 10 == 0);
    }
    assert!(s.reports.try_recv().is_err(), "nothing is on disk yet");
    s.valve.set(|v| v.shut = false);
    assert_eq!((durable(&mut s.reports), durable(&mut s.reports)), (1, 100));
    assert_eq!(s.valve.state.lock().unwrap().begun, 2);
    assert_eq!(s.reopened(), 100);
}

#[test]
fn what_nobody_waits_for_is_synced_soon_all_the_same() {
    let mut s = setup();
    s.handle.append(1, order(1), false);
    s.handle.append(2, order(2), false);
    assert_eq!(durable(&mut s.reports), 2);
}

#[test]
fn a_failed_sync_is_told_until_the_journal_was_written_anew() {
    let mut s = setup();
    s.valve.set(|v| v.refuses = true);
    s.handle.append(1, order(1), true);
    let failed = |report| match report {
        Report::Failed { upto, words } => {
            assert!(words.contains("no luck") && words.contains("orders.journal"), "{words}");
            upto
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(next(&mut s.reports)), 1);
    s.handle.append(2, order(2), false);
    assert_eq!(failed(next(&mut s.reports)), 2);
    s.valve.set(|v| v.refuses = false);
    assert_eq!(next(&mut s.reports), Report::Healed { upto: 2 });
    s.handle.append(3, order(3), true);
    assert_eq!(durable(&mut s.reports), 3);
    assert_eq!(s.reopened(), 3, "what failed was not lost");
}

#[test]
fn closing_puts_the_rest_on_disk() {
    let s = setup();
    for n in 1..=5000 {
        s.handle.append(n, order(n), false);
    }
    let Setup { folder, handle, mut reports, .. } = s;
    assert_eq!(handle.close(), Ok(()));
    let (_, recovered) = Journal::open(FileDisk::new(folder.path())).unwrap();
    assert_eq!((recovered.state.orders.len(), recovered.cut), (5000, 0));
    let mut last = None;
    while let Ok(report) = reports.try_recv() {
        last = Some(report);
    }
    assert!(matches!(last, Some(Report::Durable { upto: 5000, .. })), "{last:?}");
}

#[test]
fn closing_does_not_wait_for_ever() {
    let s = setup();
    s.valve.set(|v| v.shut = true);
    s.handle.append(1, order(1), true);
    let began = Instant::now();
    let words = s.handle.close().unwrap_err();
    assert!(words.contains("2 s"), "{words}");
    assert!(began.elapsed() < limits::JOURNAL_CLOSE_TIME + PATIENCE);
    s.valve.set(|v| v.shut = false);
}

#[test]
fn closing_a_broken_journal_is_the_last_attempt_to_heal_it() {
    let mut s = setup();
    s.valve.set(|v| v.refuses = true);
    s.handle.append(1, order(1), true);
    assert!(matches!(next(&mut s.reports), Report::Failed { upto: 1, .. }));
    s.valve.set(|v| v.refuses = false);
    let Setup { folder, handle, mut reports, .. } = s;
    assert_eq!(handle.close(), Ok(()));
    assert_eq!(next(&mut reports), Report::Healed { upto: 1 });
    let (_, recovered) = Journal::open(FileDisk::new(folder.path())).unwrap();
    assert_eq!(recovered.state.orders.len(), 1);
}
