//! The socket table where there is no `/proc`: what the system's own tool prints.
//!
//! Owns: running the tools of macOS and Windows, within a bound of time and size; their tables are read by [`macos`] and
//! [`windows`], which are pure and compiled everywhere, so that they are tested everywhere. May not know: what a socket means
//! for the Gateway. Driven by: [`super::table`], [`super::owners`].
//!
//! Why tools and no crate: netstat2 (0.11) has states and process ids on both systems, and no queues, which tell on macOS how
//! far the Gateway has come with a zombie, and it wants libclang to build on macOS; listeners (0.6) has listeners only. The
//! tools are part of each system, need no right, and print every socket of every user.
//!
//! These systems have no inodes to show. **The process id stands in [`Socket::inode`](super::table::Socket::inode)**: it leads to
//! the holder as an inode does. A socket in a state that only follows its program's close has none.

pub mod macos;
pub mod windows;

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::table::{Socket, State, TableError};

/// Longest that a tool may take. They take tens of milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most that is read of what one prints.
const MAX_OUTPUT: u64 = 32 << 20;

/// Sockets, and the addresses of the machine that the table shows.
pub type Table = (Vec<Socket>, Vec<IpAddr>);

/// What a tool prints, in UTF-8 as far as it is; what is not becomes a mark.
///
/// # Errors
/// It is not there, fails, prints too much, or does not end.
pub fn output(tool: &'static str, arguments: &[&str]) -> Result<String, TableError> {
    let fault = |reason: String| TableError::Tool { tool, reason };
    let mut child = Command::new(tool)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| fault(format!("cannot be run: {e}")))?;
    let Some(stdout) = child.stdout.take() else { return Err(fault("has no output".to_owned())) };
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        let _ = send.send(read.map(|_| bytes));
    });
    let read = receive.recv_timeout(PATIENCE);
    // One that is still at it is not waited for.
    if !matches!(&read, Ok(Ok(bytes)) if bytes.len() as u64 <= MAX_OUTPUT) {
        let _ = child.kill();
    }
    let status = child.wait();
    match (read, status) {
        (Err(_), _) => Err(fault(format!("did not end within {} s", PATIENCE.as_secs()))),
        (Ok(Err(e)), _) | (_, Err(e)) => Err(fault(e.to_string())),
        (Ok(Ok(bytes)), _) if bytes.len() as u64 > MAX_OUTPUT => Err(fault("printed too much".to_owned())),
        (_, Ok(status)) if !status.success() => Err(fault(format!("failed, {status}"))),
        (Ok(Ok(bytes)), _) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// A socket of a table that names its holder by process id.
fn socket(local: SocketAddr, remote: SocketAddr, state: State, rx_queue: Option<u32>, pid: u64) -> Socket {
    // After its program's close the socket is the kernel's alone; whose it was is shown all the same.
    let held = matches!(
        state,
        State::Listen | State::Established | State::CloseWait | State::SynSent | State::SynRecv
    );
    Socket {
        local: super::table::canonical(local),
        remote: super::table::canonical(remote),
        state,
        rx_queue,
        tx_queue: 0,
        uid: None,
        inode: if held { pid } else { 0 },
    }
}

/// Whether a row is about `port`, as far as it can be told of one that is not understood.
fn concerns(port: Option<u16>, separator: char, addresses: [&str; 2]) -> bool {
    let ends = |port: u16| addresses.iter().any(|a| a.ends_with(&format!("{separator}{port}")));
    port.is_none_or(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_tool_that_fails_or_is_not_there_is_an_error_that_names_it() {
        assert_eq!(output("/bin/echo", &["tcp4"]).unwrap(), "tcp4\n");
        for (tool, arguments, words) in [
            (
                "/bin/sh",
                &["-c", "exit 3"][..],
                "/bin/sh, which shows the socket table on this system, failed",
            ),
            ("/nonexistent/netstat", &[], "system, cannot be run"),
            ("/bin/sh", &["-c", "head -c 40000000 /dev/zero"], "printed too much"),
        ] {
            let error = output(tool, arguments).unwrap_err().to_string();
            assert!(error.contains(words), "{words:?} in {error}");
        }
    }
}
