//! What the journal needs of a disk, and a real folder that gives it.
//!
//! Owns: the few operations whose order decides what survives a crash, by file name within one folder. May not know: what
//! is in the files. Driven by: `log`. Tests put a simulated disk in its place that loses what was not synced.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A folder of files. **What was not synced may be gone after a crash, in part and in any order; a name that was not
/// synced with [`Disk::sync_dir`] may still be the old one.**
///
/// Every operation fails with the system's error; after a failed [`Disk::append`] or [`Disk::sync`] nobody knows what of
/// the file is on disk, and a later success of the same does not change that.
pub trait Disk {
    /// The file as it is to be called in messages to people.
    fn name(&self, file: &str) -> String;

    /// A number that no earlier file was given and nobody can guess.
    fn salt(&mut self) -> u64;

    /// The whole file; `None` when there is none.
    ///
    /// # Errors
    /// The system's.
    fn read(&mut self, file: &str) -> io::Result<Option<Vec<u8>>>;

    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// The system's.
    fn create(&mut self, file: &str) -> io::Result<()>;

    /// Writes at the end of the file, all of it or with an error.
    ///
    /// # Errors
    /// The system's; a part may be written all the same.
    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all bytes of the file are on disk.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self, file: &str) -> io::Result<()>;

    /// Gives a file another name, and takes the place of the one that had it.
    ///
    /// # Errors
    /// The system's.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Returns when the names in the folder are on disk.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&mut self) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's; [`ErrorKind::NotFound`] when there is none.
    fn remove(&mut self, file: &str) -> io::Result<()>;
}

/// A folder on a real disk.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    /// The files that were written to. They stay open: a failed write-back is told to whoever held the file open then,
    /// and to nobody who opens it later.
    open: BTreeMap<String, File>,
}

impl FileDisk {
    /// A folder that is there. The folder's own name, and those of the folders that it is in, are put on disk as far as
    /// they can be: they may be as new as the journal.
    pub fn new(folder: &Path) -> FileDisk {
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        for above in whole.ancestors().skip(1) {
            // A folder that we may not read is not one that we made.
            let _ = File::open(above).and_then(|folder| folder.sync_all());
        }
        FileDisk { folder: folder.to_path_buf(), open: BTreeMap::new() }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn file(&mut self, file: &str) -> io::Result<&mut File> {
        if !self.open.contains_key(file) {
            let opened = OpenOptions::new().append(true).open(self.path(file))?;
            self.open.insert(file.to_owned(), opened);
        }
        self.open.get_mut(file).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Disk for FileDisk {
    fn name(&self, file: &str) -> String {
        self.path(file).display().to_string()
    }

    fn salt(&mut self) -> u64 {
        // The standard library's source of keys for hash tables; the system gave it.
        std::hash::RandomState::new().build_hasher().finish()
    }

    fn read(&mut self, file: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&mut self, file: &str) -> io::Result<()> {
        // For the owner alone: it says what somebody trades.
        let made =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.path(file))?;
        self.open.insert(file.to_owned(), made);
        Ok(())
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(file)?.write_all(bytes)
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        self.file(file)?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))?;
        self.open.remove(to);
        if let Some(file) = self.open.remove(from) {
            self.open.insert(to.to_owned(), file);
        }
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        self.open.remove(file);
        fs::remove_file(self.path(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_bytes_under_its_new_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = FileDisk::new(folder.path());
        assert_eq!(disk.read("a").unwrap(), None);
        assert_eq!(disk.append("a", b"x").unwrap_err().kind(), ErrorKind::NotFound, "append makes no file");
        disk.create("a").unwrap();
        disk.append("a", b"1").unwrap();
        disk.create("b").unwrap();
        disk.append("b", b"2").unwrap();
        disk.sync("b").unwrap();
        disk.rename("b", "a").unwrap();
        disk.sync_dir().unwrap();
        disk.append("a", b"3").unwrap();
        assert_eq!(disk.read("a").unwrap().as_deref(), Some(&b"23"[..]), "the open file went along");
        // Another process goes on where this one was.
        let mut later = FileDisk::new(folder.path());
        later.append("a", b"4").unwrap();
        assert_eq!(later.read("a").unwrap().as_deref(), Some(&b"234"[..]));
        later.create("a").unwrap();
        assert_eq!(later.read("a").unwrap().as_deref(), Some(&b""[..]));
        later.remove("a").unwrap();
        assert_eq!(later.remove("a").unwrap_err().kind(), ErrorKind::NotFound);
        assert_ne!(later.salt(), later.salt());
    }

    #[test]
    fn a_journal_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut disk = FileDisk::new(folder.path());
        disk.create("a").unwrap();
        let mode = fs::metadata(folder.path().join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
