//! The journal's thread: a slow disk must not stall the event loop.
//!
//! Records come with a sequence number that grows; what the thread reports is up to which number they are on disk. It
//! takes all that waits (up to [`limits::JOURNAL_BATCH`]), writes it with one write, and syncs once for all of it when any
//! of it is to be synced: while one sync runs, the orders of the next one gather.
//!
//! **The channel has no bound of its own, so that the event loop never waits for the disk.** Whoever drives it sees in the
//! reports how much is outstanding and bounds that: the core refuses new orders while too many wait to be durable, and
//! every other record follows from a message of the Gateway or from an order that is bounded already.
//!
//! Owns: the one [`Journal`], its thread, when it is synced, healed and made smaller. May not know: what a record means.
//! Driven by: `run`.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::journal::{Disk, Journal, JournalError, Record};
use crate::limits;

/// What became of records.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// They are on disk.
    Durable {
        /// The sequence number up to which that holds.
        upto: u64,
        /// How long the disk took for it.
        sync_seconds: f64,
    },
    /// They are not known to be on disk. Reported for every batch until [`Report::Healed`].
    Failed {
        /// The sequence number up to which that holds, beginning after the last one that was reported durable or healed.
        upto: u64,
        /// What happened, for people.
        words: String,
    },
    /// The journal was written anew as a whole, and works again.
    Healed {
        /// The sequence number up to which everything is on disk, also what was reported as failed before.
        upto: u64,
    },
}

struct Entry {
    seq: u64,
    record: Record,
    sync: bool,
}

/// The way to the thread. Dropping it lets the thread write what it has and end, without waiting for that.
#[derive(Debug)]
pub struct Handle {
    entries: Sender<Entry>,
    done: Receiver<Result<(), String>>,
}

/// Starts the thread. A journal that is broken already is reported as failed at once.
///
/// # Errors
/// When the system gives no thread.
pub fn start<D: Disk + Send + 'static>(
    journal: Journal<D>,
    reports: UnboundedSender<Report>,
) -> io::Result<Handle> {
    let (entries, incoming) = mpsc::channel();
    let (end, done) = mpsc::channel();
    let writer = Writer { journal, reports, upto: 0, sync_at: None, heal_at: None };
    std::thread::Builder::new().name("journal".into()).spawn(move || {
        // Nobody may be left to hear it.
        let _ = end.send(writer.run(&incoming));
    })?;
    Ok(Handle { entries, done })
}

impl Handle {
    /// Hands over a record. `seq` is above that of the one before. With `sync` it is reported as soon as it is on disk,
    /// otherwise within about [`limits::JOURNAL_SYNC_WITHIN`].
    pub fn append(&self, seq: u64, record: Record, sync: bool) {
        // The thread only ends before its handle by a panic, which ends the process.
        let _ = self.entries.send(Entry { seq, record, sync });
    }

    /// Writes and syncs what was handed over, and ends the thread. Waits for it for at most
    /// [`limits::JOURNAL_CLOSE_TIME`]; what it still does is reported as always.
    ///
    /// # Errors
    /// Words for the log: not everything is known to be on disk. What was reported durable is.
    pub fn close(self) -> Result<(), String> {
        drop(self.entries);
        self.done.recv_timeout(limits::JOURNAL_CLOSE_TIME).unwrap_or_else(|_| {
            let seconds = limits::JOURNAL_CLOSE_TIME.as_secs();
            Err(format!(
                "the disk did not take the rest of the order journal within {seconds} s. Orders that left are in it; \
                 how orders ended of late may have to be asked of the Gateway again"
            ))
        })
    }
}

struct Writer<D> {
    journal: Journal<D>,
    reports: UnboundedSender<Report>,
    /// The sequence number of the last record that was taken.
    upto: u64,
    /// When what was written and not synced is to be synced.
    sync_at: Option<Instant>,
    /// When the next attempt is made to write a broken journal anew.
    heal_at: Option<Instant>,
}

impl<D: Disk> Writer<D> {
    fn run(mut self, incoming: &Receiver<Entry>) -> Result<(), String> {
        if let Some(error) = self.journal.broken().cloned() {
            self.failed(&error);
        }
        let mut batch = Vec::new();
        loop {
            let next = match self.sync_at.into_iter().chain(self.heal_at).min() {
                Some(at) => incoming.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => incoming.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(first) => {
                    let more = incoming.try_iter().take(limits::JOURNAL_BATCH - 1);
                    self.take(std::iter::once(first).chain(more), &mut batch);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            let now = Instant::now();
            if self.sync_at.is_some_and(|at| at <= now) {
                self.sync();
            }
            if self.heal_at.is_some_and(|at| at <= now) {
                self.heal();
            }
            self.compact();
        }
    }

    fn take(&mut self, entries: impl Iterator<Item = Entry>, batch: &mut Vec<Record>) {
        let mut sync = false;
        for entry in entries {
            sync |= entry.sync;
            self.upto = entry.seq;
            batch.push(entry.record);
        }
        let written = self.journal.append(batch, false);
        batch.clear();
        match written {
            Err(error) => self.failed(&error),
            Ok(()) if sync => self.sync(),
            Ok(()) => {
                self.sync_at.get_or_insert_with(|| Instant::now() + limits::JOURNAL_SYNC_WITHIN);
            }
        }
    }

    fn sync(&mut self) {
        let began = Instant::now();
        match self.journal.sync() {
            Ok(()) => self.durable(began.elapsed()),
            Err(error) => self.failed(&error),
        }
        if self.journal.broken().is_some() {
            self.heal_soon();
        }
    }

    fn heal(&mut self) {
        self.heal_at = None;
        match self.journal.heal() {
            Ok(()) => {
                tracing::info!("the order journal was written anew and is whole again");
                self.report(Report::Healed { upto: self.upto });
            }
            Err(error) => {
                tracing::debug!("another attempt to write the order journal anew failed: {error}");
                self.heal_soon();
            }
        }
    }

    /// After the reports, because it takes a while.
    fn compact(&mut self) {
        let (began, was_unsynced) = (Instant::now(), self.journal.is_unsynced());
        match self.journal.compact_if_due() {
            Ok(false) => {}
            Ok(true) => {
                let took = began.elapsed();
                tracing::info!(
                    "the order journal was written anew to make it small: {} bytes in {:.3} s",
                    self.journal.length(),
                    took.as_secs_f64()
                );
                if was_unsynced {
                    self.durable(took);
                }
            }
            Err(error) if self.journal.broken().is_some() => self.failed(&error),
            Err(error) => {
                tracing::warn!("the order journal could not be made small and goes on as it was: {error}");
            }
        }
    }

    /// The handle is gone.
    fn end(mut self) -> Result<(), String> {
        if self.journal.broken().is_some() {
            self.journal.heal().map_err(|error| error.to_string())?;
            self.report(Report::Healed { upto: self.upto });
        }
        let (began, was_unsynced) = (Instant::now(), self.journal.is_unsynced());
        self.journal.seal().map_err(|error| {
            let words = error.to_string();
            self.failed(&error);
            words
        })?;
        if was_unsynced {
            self.durable(began.elapsed());
        }
        Ok(())
    }

    fn durable(&mut self, took: Duration) {
        self.sync_at = None;
        self.report(Report::Durable { upto: self.upto, sync_seconds: took.as_secs_f64() });
    }

    fn failed(&mut self, error: &JournalError) {
        self.sync_at = None;
        self.heal_soon();
        self.report(Report::Failed { upto: self.upto, words: error.to_string() });
    }

    fn heal_soon(&mut self) {
        self.heal_at.get_or_insert_with(|| Instant::now() + limits::JOURNAL_HEAL_EVERY);
    }

    fn report(&self, report: Report) {
        // Nobody listens any more when twsmux stops.
        let _ = self.reports.send(report);
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
