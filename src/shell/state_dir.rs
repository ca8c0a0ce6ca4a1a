//! The state directory: one folder per upstream address, and the lock that keeps a second twsmux off it (I1).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A folder that this process alone uses, as long as the value lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Another process has it.
    #[error(
        "another twsmux (process {holder}) already serves the Gateway at {gateway}: the lock {path} is taken. Only \
         one may hold the Gateway's socket; stop the other one, or point your clients at it"
    )]
    Taken {
        /// Process id in the lock file.
        holder: String,
        /// The Gateway's address.
        gateway: String,
        /// The lock file.
        path: String,
    },
    /// It cannot be made or written.
    #[error("the state directory {path} cannot be used: {error}. Choose another one with --state-dir")]
    Io {
        /// Which.
        path: String,
        /// The system's words.
        error: io::Error,
    },
}

impl StateDir {
    /// Makes and locks the folder for `gateway` below `root`.
    ///
    /// # Errors
    /// [`StateDirError`].
    pub fn lock(root: &Path, gateway: &str) -> Result<Self, StateDirError> {
        Self::lock_folder(&Self::folder(root, gateway), gateway)
    }

    /// The folder for `gateway` (an address, as `127.0.0.1:4002`) below `root`. Nothing is made.
    pub fn folder(root: &Path, gateway: &str) -> PathBuf {
        root.join(gateway.replace(['/', ':', '[', ']'], "_"))
    }

    /// Makes and locks a folder that is known by its path; `gateway` is for the words.
    ///
    /// # Errors
    /// [`StateDirError`].
    pub fn lock_folder(path: &Path, gateway: &str) -> Result<Self, StateDirError> {
        let path = path.to_path_buf();
        let failed = |error| StateDirError::Io { path: path.display().to_string(), error };
        // For its owner alone: whose order is whose is nobody else's business, and nobody else may change it.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
        let name = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&name)
            .map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = fs::read_to_string(&name).unwrap_or_default().trim().to_owned();
            return Err(StateDirError::Taken {
                holder: if holder.is_empty() { "unknown".into() } else { holder },
                gateway: gateway.to_owned(),
                path: name.display().to_string(),
            });
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(StateDir { path, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The user's state directory for twsmux.
pub fn default_root() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/state"));
    std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("twsmux")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it() {
        let root = tempfile::tempdir().unwrap();
        let first = StateDir::lock(root.path(), "127.0.0.1:4002").unwrap();
        let error = StateDir::lock(root.path(), "127.0.0.1:4002").unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        assert!(StateDir::lock(root.path(), "127.0.0.1:4001").is_ok(), "another Gateway is another folder");
        drop(first);
        assert!(StateDir::lock(root.path(), "127.0.0.1:4002").is_ok());
    }
}
