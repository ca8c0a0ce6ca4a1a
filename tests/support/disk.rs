//! A simulated disk for the journal: in memory, deterministic from its seed, and no better than a disk must be.
//!
//! [`SimDisk`] is a handle: the journal owns one clone, the test keeps another, with which it makes the machine lose its
//! power ([`SimDisk::power_loss`]) or the process die ([`SimDisk::process_death`]), and breaks things.
//!
//! After a loss of power:
//! - of the bytes that were not synced, any number may be there: none, all, the first writes and a torn one, or a longer
//!   file with pages in it that are zero; what was synced is there;
//! - of the names that were made, changed or removed since the folder was synced, the first so many are.
//!
//! After a sync that failed, its bytes are still seen by whoever reads, and may be on disk or not; **a later sync that
//! succeeds does not write them**, as on Linux.
#![allow(dead_code)] // every test binary uses a part of it

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use twsmux::journal::Disk;

/// How often operations fail: one in so many, 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Appends; a part may be written.
    pub append: u64,
    /// Syncs of a file.
    pub sync: u64,
    /// Making a file, giving it another name, syncing the folder. A rename that fails may have taken place.
    pub names: u64,
}

/// A folder on a simulated disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Clone, Debug)]
struct Inner {
    rng: u64,
    files: Vec<File>,
    /// As the process sees them.
    names: BTreeMap<String, usize>,
    /// As they are on disk.
    synced_names: BTreeMap<String, usize>,
    /// What happened to names since the folder was synced.
    unsynced_names: Vec<NameChange>,
    faults: Faults,
    /// Bytes that all files together may have.
    room: Option<u64>,
    /// Operations until the process dies.
    dies_in: Option<u64>,
    syncs: u64,
}

#[derive(Clone, Debug, Default)]
struct File {
    /// As the process sees it.
    seen: Vec<u8>,
    /// As it is on disk.
    synced: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Clone, Debug)]
enum Write {
    Empty,
    Bytes { at: usize, bytes: Vec<u8> },
}

#[derive(Clone, Debug)]
enum NameChange {
    Made(String, usize),
    Renamed(String, String),
    Removed(String),
}

impl SimDisk {
    /// An empty folder.
    pub fn new(seed: u64) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(Inner {
            rng: seed,
            files: Vec::new(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            faults: Faults::default(),
            room: None,
            dies_in: None,
            syncs: 0,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic holds the disk")
    }

    /// A copy that goes its own way.
    pub fn fork(&self) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(self.inner().clone())))
    }

    /// The machine lost its power and is back. Whoever used the disk must not use it any more.
    pub fn power_loss(&self) {
        let mut inner = self.inner();
        inner.dies_in = None;
        let changes = std::mem::take(&mut inner.unsynced_names);
        let survive = inner.below(changes.len() as u64 + 1) as usize;
        let mut names = std::mem::take(&mut inner.synced_names);
        changes.iter().take(survive).for_each(|change| change.apply(&mut names));
        inner.names = names.clone();
        inner.synced_names = names;
        for n in 0..inner.files.len() {
            let mut file = std::mem::take(&mut inner.files[n]);
            file.lose(&mut |n| inner.below(n));
            inner.files[n] = file;
        }
    }

    /// The process died; the system is as it was.
    pub fn process_death(&self) {
        self.inner().dies_in = None;
    }

    /// The process dies in its `n`th operation from now: that one may be done in part, and all later ones fail until
    /// [`SimDisk::power_loss`] or [`SimDisk::process_death`].
    pub fn die_in(&self, n: u64) {
        self.inner().dies_in = Some(n);
    }

    /// Whether it died.
    pub fn is_dead(&self) -> bool {
        self.inner().dies_in == Some(0)
    }

    /// Makes operations fail at random from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.inner().faults = faults;
    }

    /// How many bytes all files together may have from now on.
    pub fn set_room(&self, room: Option<u64>) {
        self.inner().room = room;
    }

    /// Bytes of all files together.
    pub fn used(&self) -> u64 {
        self.inner().used()
    }

    /// Syncs of files that succeeded.
    pub fn syncs(&self) -> u64 {
        self.inner().syncs
    }

    /// The names of the files.
    pub fn names(&self) -> Vec<String> {
        self.inner().names.keys().cloned().collect()
    }

    /// What a process sees of a file.
    pub fn bytes(&self, file: &str) -> Option<Vec<u8>> {
        let inner = self.inner();
        inner.names.get(file).map(|n| inner.files[*n].seen.clone())
    }

    /// Puts a file on disk, name and all.
    pub fn put(&self, file: &str, bytes: &[u8]) {
        let mut inner = self.inner();
        let n = inner.files.len();
        inner.files.push(File { seen: bytes.to_vec(), synced: bytes.to_vec(), unsynced: Vec::new() });
        inner.names.insert(file.to_owned(), n);
        let now = inner.names.clone();
        inner.synced_names = now;
        inner.unsynced_names.clear();
    }

    /// Changes one bit of a file, on disk.
    pub fn flip(&self, file: &str, bit: usize) {
        let mut bytes = self.bytes(file).expect("a file to damage");
        bytes[bit / 8] ^= 1 << (bit % 8);
        self.put(file, &bytes);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Made(name, file) => {
                names.insert(name.clone(), *file);
            }
            NameChange::Renamed(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            NameChange::Removed(name) => {
                names.remove(name);
            }
        }
    }
}

impl Write {
    /// What was not written before it is zero.
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Write::Empty => to.clear(),
            Write::Bytes { at, bytes } => {
                if to.len() < at + bytes.len() {
                    to.resize(at + bytes.len(), 0);
                }
                to[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

impl File {
    fn lose(&mut self, below: &mut dyn FnMut(u64) -> u64) {
        let kept = self.synced.len();
        let emptied = self.unsynced.iter().any(|write| matches!(write, Write::Empty));
        match below(4) {
            0 => {}
            1 => self.unsynced.iter().for_each(|write| write.apply(&mut self.synced)),
            2 if !emptied => {
                // Any length, and of the pages beyond what was synced only some.
                let mut all = self.synced.clone();
                self.unsynced.iter().for_each(|write| write.apply(&mut all));
                all.truncate(kept + below((all.len() - kept) as u64 + 1) as usize);
                let page = [8, 64, 512][below(3) as usize];
                for begin in (kept / page * page..all.len()).step_by(page) {
                    if below(2) == 0 {
                        let end = all.len().min(begin + page);
                        all[begin.max(kept)..end].fill(0);
                    }
                }
                self.synced = all;
            }
            _ => {
                let whole = below(self.unsynced.len() as u64 + 1) as usize;
                self.unsynced[..whole].iter().for_each(|write| write.apply(&mut self.synced));
                if let Some(Write::Bytes { at, bytes }) = self.unsynced.get(whole) {
                    let part = below(bytes.len() as u64 + 1) as usize;
                    Write::Bytes { at: *at, bytes: bytes[..part].to_vec() }.apply(&mut self.synced);
                }
            }
        }
        self.unsynced.clear();
        self.seen = self.synced.clone();
    }
}

impl Inner {
    fn random(&mut self) -> u64 {
        self.rng = self.rng.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random() % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    fn used(&self) -> u64 {
        self.names.values().map(|n| self.files[*n].seen.len() as u64).sum()
    }

    /// Whether an operation is carried out: `Ok(true)`; or only begun, because the process dies in it: `Ok(false)`.
    fn operation(&mut self) -> io::Result<bool> {
        match &mut self.dies_in {
            None => Ok(true),
            Some(0) => Err(io::Error::other("the process is dead")),
            Some(n) => {
                *n -= 1;
                Ok(*n > 0)
            }
        }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        let n = *self.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(&mut self.files[n])
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    /// Whether an operation on names is carried out, and what it gives.
    fn name_operation(&mut self) -> (bool, io::Result<()>) {
        match self.operation() {
            Err(dead) => (false, Err(dead)),
            Ok(false) => (self.one_in(2), Err(io::Error::other("the process died"))),
            Ok(true) if self.one_in(self.faults.names) => {
                (self.one_in(2), Err(io::Error::other("a simulated error")))
            }
            Ok(true) => (true, Ok(())),
        }
    }
}

impl Disk for SimDisk {
    fn name(&self, file: &str) -> String {
        format!("(simulated) {file}")
    }

    fn salt(&mut self) -> u64 {
        self.inner().random()
    }

    fn read(&mut self, file: &str) -> io::Result<Option<Vec<u8>>> {
        self.inner().operation()?;
        Ok(self.bytes(file))
    }

    fn create(&mut self, file: &str) -> io::Result<()> {
        let mut inner = self.inner();
        let (done, result) = inner.name_operation();
        if done {
            match inner.names.get(file).copied() {
                Some(n) => {
                    inner.files[n].seen.clear();
                    inner.files[n].unsynced.push(Write::Empty);
                }
                None => {
                    let n = inner.files.len();
                    inner.files.push(File::default());
                    inner.change(NameChange::Made(file.to_owned(), n));
                }
            }
        }
        result
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let done = inner.operation()?;
        inner.file(file)?;
        let mut taken = bytes;
        let mut result = Ok(());
        let fault = inner.faults.append;
        if !done || inner.one_in(fault) {
            taken = &bytes[..inner.below(bytes.len() as u64 + 1) as usize];
            result = Err(io::Error::other("a simulated error of a write"));
        }
        let left = inner.room.map(|room| room.saturating_sub(inner.used()));
        if let Some(left) = left.filter(|left| *left < taken.len() as u64) {
            taken = &taken[..left as usize];
            result = Err(ErrorKind::StorageFull.into());
        }
        let file = inner.file(file)?;
        file.unsynced.push(Write::Bytes { at: file.seen.len(), bytes: taken.to_vec() });
        file.seen.extend_from_slice(taken);
        result
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        let mut inner = self.inner();
        let done = inner.operation()?;
        inner.file(file)?;
        if !done {
            // It may have come to its end all the same.
            if inner.one_in(2) {
                let file = inner.file(file)?;
                file.unsynced.drain(..).for_each(|write| write.apply(&mut file.synced));
            }
            return Err(io::Error::other("the process died"));
        }
        let fault = inner.faults.sync;
        let fails = inner.one_in(fault);
        let writes = std::mem::take(&mut inner.file(file)?.unsynced);
        for write in writes {
            // Emptying is a matter of the file's size, not of its pages.
            let lost = fails && inner.one_in(2) && matches!(write, Write::Bytes { .. });
            if !lost {
                write.apply(&mut inner.file(file)?.synced);
            }
        }
        if fails {
            return Err(io::Error::other("a simulated error of a sync"));
        }
        inner.syncs += 1;
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.file(from)?;
        let (done, result) = inner.name_operation();
        if done {
            inner.change(NameChange::Renamed(from.to_owned(), to.to_owned()));
        }
        result
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        let mut inner = self.inner();
        let (done, result) = inner.name_operation();
        if done {
            inner.synced_names = inner.names.clone();
            inner.unsynced_names.clear();
        }
        result
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        let mut inner = self.inner();
        inner.file(file)?;
        let (done, result) = inner.name_operation();
        if done {
            inner.change(NameChange::Removed(file.to_owned()));
        }
        result
    }
}
