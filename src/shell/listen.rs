//! Where clients connect: the kinds of listeners, their names, opening one.
//!
//! Owns: how a listener is written, the file of a Unix socket. May not know: clients, the core. Driven by: the settings,
//! which read the names, and `run`, which opens.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::sys;

/// A listener for clients.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// A TCP port, in clear.
    Tcp(SocketAddr),
    /// A TCP port with TLS.
    Tls(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match Path::new(path) {
                path if path.is_absolute() && path.file_name().is_some() => Ok(Listen::Unix(path.to_owned())),
                _ => {
                    Err(format!("{text:?} has no absolute path; a Unix socket is unix:/run/twsmux/api.sock"))
                }
            };
        }
        let addr = match text.strip_prefix("tls://") {
            Some(addr) => addr.parse().map(Listen::Tls),
            None => text.strip_prefix("tcp://").unwrap_or(text).parse().map(Listen::Tcp),
        };
        addr.map_err(|_| {
            format!(
                "{text:?} is neither an address with port, as 127.0.0.1:4010 or tls://127.0.0.1:4011, nor unix:/PATH"
            )
        })
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Listen, String> {
        text.parse()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(addr) => write!(f, "{addr}"),
            Listen::Tls(addr) => write!(f, "tls://{addr}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is listened on.
#[derive(Debug)]
pub(super) enum Listening {
    Tcp(std::net::TcpListener),
    Tls(std::net::TcpListener),
    /// The file goes first: while somebody listens nobody replaces it.
    Unix(SocketFile, std::os::unix::net::UnixListener),
}

impl Listening {
    /// Opens a listener; `mode` is that of a Unix socket's file.
    ///
    /// # Errors
    /// The system's, and words of our own where a file is in the way.
    pub(super) fn open(listen: &Listen, mode: u32) -> io::Result<Listening> {
        match listen {
            Listen::Tcp(addr) => sys::listen(*addr).map(Listening::Tcp),
            Listen::Tls(addr) => sys::listen(*addr).map(Listening::Tls),
            Listen::Unix(path) => {
                make_room(path)?;
                let listener = sys::listen_unix(path, mode)?;
                Ok(Listening::Unix(SocketFile::of(path)?, listener))
            }
        }
    }

    /// Its name, the port as it was chosen.
    pub(super) fn name(&self) -> io::Result<Listen> {
        match self {
            Listening::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Listening::Tls(listener) => listener.local_addr().map(Listen::Tls),
            Listening::Unix(file, _) => Ok(Listen::Unix(file.path.clone())),
        }
    }
}

/// Takes away the socket file of a process that is gone. **Nothing else is ever removed.**
fn make_room(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let words = "there is a file with this name that is no socket; move it away or choose another name";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
    }
    match sys::somebody_listens(path) {
        Ok(false) => std::fs::remove_file(path),
        Ok(true) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another program, perhaps another twsmux, listens there; stop it or choose another name",
        )),
        Err(error) => Err(error),
    }
}

/// The file of our Unix socket, removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another's file of the same name is not ours to remove.
    id: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), id: (found.dev(), found.ino()) })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_written_as_it_is_read() {
        for (text, shown) in [
            ("127.0.0.1:4010", "127.0.0.1:4010"),
            ("tcp://[::1]:4010", "[::1]:4010"),
            ("tls://0.0.0.0:0", "tls://0.0.0.0:0"),
            ("unix:/run/twsmux/api.sock", "unix:/run/twsmux/api.sock"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), shown);
        }
        for text in [
            "nowhere",
            "unix:",
            "unix:api.sock",
            "unix:/",
            "unix:/run/..",
            "tcp://host:4010",
            "udp://127.0.0.1:1",
            "",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let listen = Listen::Unix(path.clone());
        let open = || Listening::open(&listen, 0o600);
        let first = open().unwrap();
        let error = open().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        // The process is gone, its file is not.
        let Listening::Unix(file, listener) = first else { unreachable!() };
        drop(listener);
        std::mem::forget(file);
        assert!(path.exists());
        let second = open().unwrap();
        drop(second);
        assert!(!path.exists());
        std::fs::write(&path, "an order book").unwrap();
        assert!(open().unwrap_err().to_string().contains("no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "an order book");
    }

    #[test]
    fn a_file_that_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let open = Listening::open(&Listen::Unix(path.clone()), 0o600).unwrap();
        std::fs::rename(&path, dir.path().join("moved.sock")).unwrap();
        std::fs::write(&path, "another's").unwrap();
        drop(open);
        assert!(path.exists());
    }

    #[test]
    fn the_file_has_its_mode_from_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o660] {
            let path = dir.path().join("api.sock");
            let _open = Listening::open(&Listen::Unix(path.clone()), mode).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, mode);
        }
    }
}
