//! The writer: a [`Journal`] over a [`Disk`].
//!
//! ```text
//!                    append, sync, compact_if_due
//!                         +---------+
//!                         v         |
//! open ---- rewrite ---> whole ------+
//!                         |  a write or a sync failed        heal: rewrite succeeded
//!                         +-----------------------> broken -------------------------> whole
//! ```
//!
//! A file is only ever made as a whole: written under another name, synced, renamed, and the folder synced. So at any
//! moment of any of these there is a whole journal under its name, the old one or the new one.
//!
//! Owns: the order of writes and syncs, attestations, when the file is written anew. May not know: time, threads, what
//! the records mean. Driven by: `shell::journal`, which gives it a thread; the journal's tests; `cli::journal` to repair.

use std::io;

use super::disk::Disk;
use super::format::{self, HeaderFault};
use super::recover::{self, End};
use super::{Record, State};
use crate::limits;

/// The journal's name in its folder.
pub const FILE: &str = "orders.journal";
/// The name under which a file is written before it takes the journal's place. One that is found was never finished, and
/// is overwritten.
pub const UNFINISHED: &str = "orders.journal.new";

/// What a journal said when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// What its records add up to.
    pub state: State,
    /// Bytes at its end that were cut off, because a crash had left them half written; nobody was told that they were
    /// on disk.
    pub cut: u64,
}

/// Why there is no journal to work with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused.
    #[error("the order journal {file} cannot be {doing}: {error}. Choose another folder with --state-dir")]
    Io {
        /// The file.
        file: String,
        /// `read` or `made`.
        doing: &'static str,
        /// The system's words.
        error: io::Error,
    },
    /// It is no journal, or its beginning is damaged.
    #[error(
        "{file} cannot be used as the order journal: {fault}. twsmux does not start without knowing whose orders are \
         whose. `twsmux journal repair` saves what can be read; if it is not twsmux's file, choose another folder with \
         --state-dir"
    )]
    NotAJournal {
        /// The file.
        file: String,
        /// What is wrong with its header.
        fault: HeaderFault,
    },
    /// A newer twsmux wrote it.
    #[error(
        "the order journal {file} was written by a newer twsmux (format version {version}, this one reads up to {}). \
         Upgrade twsmux, or choose another folder with --state-dir",
        format::VERSION
    )]
    Newer {
        /// The file.
        file: String,
        /// Its format version.
        version: u32,
    },
    /// Bytes that were once on disk are not what was written.
    #[error(
        "the order journal {file} is damaged at byte {at} of {length} ({fault}), and not only at its end. twsmux does \
         not start, because it would take orders for others'. Look with `twsmux journal verify`; `twsmux journal \
         repair` keeps a copy and saves what can be read"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Where the damage begins.
        at: u64,
        /// The size of the file.
        length: u64,
        /// What is wrong there.
        fault: format::FrameFault,
    },
}

/// Why records are not known to be on disk.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JournalError {
    /// A write failed, perhaps after a part of it.
    #[error("the order journal {file} cannot be written: {words}")]
    Write {
        /// The file.
        file: String,
        /// The system's words.
        words: String,
    },
    /// A sync failed: what was written before it may be on disk or not.
    #[error("the order journal {file} cannot be put on disk: {words}")]
    Sync {
        /// The file.
        file: String,
        /// The system's words.
        words: String,
    },
}

/// The journal, open for writing.
#[derive(Debug)]
pub struct Journal<D> {
    disk: D,
    state: State,
    salt: u64,
    /// Size of the file, bytes.
    length: u64,
    /// Whether records were written since the last sync.
    unsynced: bool,
    /// Whether the last attestation itself is not known to be on disk.
    attestation_unsynced: bool,
    broken: Option<JournalError>,
    /// Size of the file at which it is considered whether it is to be written anew.
    consider_at: u64,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal on `disk`, or makes one when there is none, and says what it said.
    ///
    /// It is written anew as a whole, although it could be read: what an earlier process left may be in the system's
    /// memory and never reach the disk, and nobody can ask. So **a file is only appended to by who made it.** When that
    /// fails the journal is open and [broken](Self::broken): with a full disk one can still start, and cancel orders.
    ///
    /// # Errors
    /// [`OpenError`]; a journal that was there is as it was.
    pub fn open(disk: D) -> Result<(Self, Recovered), OpenError> {
        let mut journal = Journal::around(disk, State::default());
        let file = journal.disk.name(FILE);
        let found = journal.disk.read(FILE);
        let found = found.map_err(|error| OpenError::Io { file: file.clone(), doing: "read", error })?;
        let Some(bytes) = found else {
            let made = journal.rewrite();
            made.map_err(|failure| OpenError::Io { file, doing: "made", error: failure.error })?;
            return Ok((journal, Recovered { state: State::default(), cut: 0 }));
        };
        let reading = recover::read(&bytes).map_err(|fault| match fault {
            HeaderFault::Newer(version) => OpenError::Newer { file: file.clone(), version },
            fault => OpenError::NotAJournal { file: file.clone(), fault },
        })?;
        if let End::Damaged { fault, .. } = reading.end {
            return Err(OpenError::Damaged { file, at: reading.good, length: reading.length, fault });
        }
        let cut = reading.length - reading.good;
        journal.state = reading.state;
        journal.salt = reading.salt;
        journal.length = reading.length;
        if let Err(failure) = journal.rewrite() {
            journal.breaks(failure);
        }
        let state = journal.state.clone();
        Ok((journal, Recovered { state, cut }))
    }

    fn around(disk: D, state: State) -> Self {
        Journal {
            disk,
            state,
            salt: 0,
            length: 0,
            unsynced: false,
            attestation_unsynced: false,
            broken: None,
            consider_at: limits::JOURNAL_COMPACT_ABOVE,
        }
    }

    /// What all records together say, those included that are not on disk yet.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The size of the file, bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether there are records that are not known to be on disk.
    pub fn is_unsynced(&self) -> bool {
        self.unsynced || self.broken.is_some()
    }

    /// Why nothing can be appended until [`Journal::heal`] succeeds.
    pub fn broken(&self) -> Option<&JournalError> {
        self.broken.as_ref()
    }

    /// Adds records to the file, and with `sync` does not return before they are on disk.
    ///
    /// # Errors
    /// [`JournalError`]: none of what was appended since the last successful sync is known to be on disk. The records are
    /// part of [`Journal::state`] all the same, and of what [`Journal::heal`] writes.
    pub fn append(&mut self, records: &[Record], sync: bool) -> Result<(), JournalError> {
        for record in records {
            self.state.apply(record);
        }
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if !records.is_empty() {
            let mut bytes = Vec::new();
            for record in records {
                format::put_record(record, &mut bytes);
            }
            self.unsynced = true;
            self.write(&bytes).map_err(|failure| self.breaks(failure))?;
        }
        if sync { self.sync() } else { Ok(()) }
    }

    /// Returns when everything that was appended is on disk, and attests it in the file.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if !self.unsynced {
            return Ok(());
        }
        self.disk.sync(FILE).map_err(Failure::sync).map_err(|failure| self.breaks(failure))?;
        self.unsynced = false;
        let mut attestation = Vec::new();
        format::put_synced(self.length, self.salt, &mut attestation);
        self.attestation_unsynced = true;
        // What was asked for is done. But nothing may follow a half written attestation.
        if let Err(failure) = self.write(&attestation) {
            self.breaks(failure);
        }
        Ok(())
    }

    /// As [`Journal::sync`], and the attestation itself is on disk, too: what is now in the file is safe from being taken
    /// for the torn end of it. For the end of a process.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn seal(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if self.attestation_unsynced {
            self.disk.sync(FILE).map_err(Failure::sync).map_err(|failure| self.breaks(failure))?;
            self.attestation_unsynced = false;
        }
        Ok(())
    }

    /// Writes the file anew when it is larger than [`limits::JOURNAL_COMPACT_ABOVE`] and
    /// [`limits::JOURNAL_COMPACT_FACTOR`] times what it says; tells whether it did. Everything is on disk then. To be
    /// called now and then, when nobody waits: it takes as long as the state is large.
    ///
    /// # Errors
    /// [`JournalError`]. Unless the journal is [broken](Self::broken), it goes on as it was, and tries again when it has
    /// grown.
    pub fn compact_if_due(&mut self) -> Result<bool, JournalError> {
        if self.broken.is_some() || self.length <= self.consider_at {
            return Ok(false);
        }
        let needed = self.state_length();
        let due_at = limits::JOURNAL_COMPACT_ABOVE.max(needed * limits::JOURNAL_COMPACT_FACTOR);
        if self.length <= due_at {
            // Measuring costs as much as the state is large, so that it is not done for every record.
            self.consider_at = due_at.max(self.length + self.length / 16);
            return Ok(false);
        }
        self.compact().map(|()| true)
    }

    /// Writes the file anew, large or not. See [`Journal::compact_if_due`].
    ///
    /// # Errors
    /// As there.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.rewrite().map_err(|failure| {
            self.consider_at = self.length + self.length / 16;
            match failure.replaced {
                // Which of the two files a crash would leave is open: what is appended to one may be lost with it.
                true => self.breaks(failure),
                false => failure.told(self.disk.name(UNFINISHED)),
            }
        })
    }

    /// Makes a broken journal whole by writing everything that it says into a new file: the old one may lack a part that
    /// the system believes to have written. Does nothing to a whole one.
    ///
    /// # Errors
    /// [`JournalError`]; it is as broken as before.
    pub fn heal(&mut self) -> Result<(), JournalError> {
        if self.broken.is_none() {
            return Ok(());
        }
        self.rewrite().map_err(|failure| self.breaks(failure))?;
        self.broken = None;
        Ok(())
    }

    /// Gives the disk back.
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// A journal that says `state`, written over whatever is there. For a repair.
    ///
    /// # Errors
    /// [`OpenError::Io`]; what was there is there still, or the new file is.
    pub fn replace(disk: D, state: State) -> Result<Self, OpenError> {
        let mut journal = Journal::around(disk, state);
        let file = journal.disk.name(FILE);
        journal.rewrite().map_err(|failure| OpenError::Io { file, doing: "made", error: failure.error })?;
        Ok(journal)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.disk.append(FILE, bytes).map_err(Failure::write)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn breaks(&mut self, failure: Failure) -> JournalError {
        let error = failure.told(self.disk.name(FILE));
        self.broken = Some(error.clone());
        error
    }

    /// Puts a new file with the whole state in the place of the old one.
    fn rewrite(&mut self) -> Result<(), Failure> {
        let salt = self.disk.salt();
        let length = self.write_unfinished(salt).inspect_err(|_| {
            // A full disk needs the space.
            let _ = self.disk.remove(UNFINISHED);
        })?;
        let replaced = |error| Failure { replaced: true, ..Failure::sync(error) };
        self.disk.rename(UNFINISHED, FILE).map_err(replaced)?;
        self.disk.sync_dir().map_err(replaced)?;
        (self.salt, self.length) = (salt, length);
        (self.unsynced, self.attestation_unsynced) = (false, false);
        let due_at = length.saturating_mul(limits::JOURNAL_COMPACT_FACTOR);
        self.consider_at = limits::JOURNAL_COMPACT_ABOVE.max(due_at);
        Ok(())
    }

    fn write_unfinished(&mut self, salt: u64) -> Result<u64, Failure> {
        self.disk.create(UNFINISHED).map_err(Failure::write)?;
        let mut chunk = Vec::with_capacity(2 * limits::JOURNAL_CHUNK);
        let mut length = 0;
        format::put_header(salt, &mut chunk);
        for record in self.state.records() {
            format::put_record(&record, &mut chunk);
            if chunk.len() >= limits::JOURNAL_CHUNK {
                self.disk.append(UNFINISHED, &chunk).map_err(Failure::write)?;
                length += chunk.len() as u64;
                chunk.clear();
            }
        }
        // It is true once the file has the journal's name, and nobody reads it before.
        format::put_synced(length + chunk.len() as u64, salt, &mut chunk);
        self.disk.append(UNFINISHED, &chunk).map_err(Failure::write)?;
        self.disk.sync(UNFINISHED).map_err(Failure::sync)?;
        Ok(length + chunk.len() as u64)
    }

    /// What the file needs at least, bytes.
    fn state_length(&self) -> u64 {
        let mut frame = Vec::new();
        let lengths = self.state.records().map(|record| {
            frame.clear();
            format::put_record(&record, &mut frame);
            frame.len() as u64
        });
        (format::HEADER + format::SYNCED) as u64 + lengths.sum::<u64>()
    }
}

/// An error of the disk, and what it was about.
struct Failure {
    error: io::Error,
    is_sync: bool,
    /// Whether the new file may have taken the old one's place.
    replaced: bool,
}

impl Failure {
    fn write(error: io::Error) -> Failure {
        Failure { error, is_sync: false, replaced: false }
    }

    fn sync(error: io::Error) -> Failure {
        Failure { error, is_sync: true, replaced: false }
    }

    fn told(&self, file: String) -> JournalError {
        let words = self.error.to_string();
        if self.is_sync { JournalError::Sync { file, words } } else { JournalError::Write { file, words } }
    }
}
