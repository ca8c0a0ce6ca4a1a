//! The tables of Windows: `netstat -ano`, `tasklist /FO CSV /NH`.
//!
//! Owns: the reading of their text (pure). May not know: how it was come by. Driven by: [`super::super::table`] and
//! [`super::super::owners`] on Windows, tests everywhere.
//!
//! Windows shows no queues, so of a zombie it cannot be told what is unread. It translates the states: English and German
//! words are known, and a listener is known by its far end in every language. **A word that is not known on a row of the
//! Gateway's port makes the verdict "unknown"**, never "healthy".

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::super::owners::Process;
use super::super::table::{State, TableError};
use super::{Table, concerns, socket};

/// Its name; found as Windows finds programs of its own.
pub const NETSTAT: &str = "netstat";
/// All sockets by number, with their processes: TCP, and UDP for the addresses of the machine.
pub const NETSTAT_ARGUMENTS: [&str; 1] = ["-ano"];

/// The words by state. `netstat` of Windows 10 and 11; with umlauts in a code page of its own, hence the beginning alone.
const WORDS: [(&str, State); 19] = [
    ("LISTENING", State::Listen),
    ("ESTABLISHED", State::Established),
    ("CLOSE_WAIT", State::CloseWait),
    ("TIME_WAIT", State::TimeWait),
    ("SYN_SENT", State::SynSent),
    ("SYN_RECEIVED", State::SynRecv),
    ("FIN_WAIT_1", State::FinWait1),
    ("FIN_WAIT_2", State::FinWait2),
    ("LAST_ACK", State::LastAck),
    ("CLOSING", State::Closing),
    ("CLOSED", State::Close),
    ("BOUND", State::Close),
    ("HERGESTELLT", State::Established),
    ("SCHLIESSEN_WARTEN", State::CloseWait),
    ("WARTEND", State::TimeWait),
    ("SYN_GESENDET", State::SynSent),
    ("FIN_WARTEN_1", State::FinWait1),
    ("FIN_WARTEN_2", State::FinWait2),
    ("SCHLIESSEND", State::Closing),
];

/// The sockets of `netstat` that have `port` at one end (all if `None`), and the local addresses that it shows.
///
/// # Errors
/// A row about the port is not understood, or there is no row at all.
pub fn sockets(netstat: &str, port: Option<u16>) -> Result<Table, TableError> {
    let malformed = |reason: String| TableError::Malformed { path: NETSTAT, reason };
    let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
    let mut rows = 0;
    for line in netstat.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["TCP" | "UDP", local, ..] = words[..]
            && let Some(local) = address(local).filter(|local| !local.ip().is_unspecified())
        {
            addresses.push(local.ip());
        }
        let ["TCP", local, foreign, ref state @ .., pid] = words[..] else { continue };
        rows += 1;
        let row = || Some((address(local)?, address(foreign)?, pid.parse().ok()?));
        match row() {
            Some((near, far, pid)) => {
                if !port.is_none_or(|p| near.port() == p || far.port() == p) {
                    continue;
                }
                let word = state.join(" ");
                let known = WORDS.iter().find(|(known, _)| *known == word).map(|(_, state)| *state);
                // Nobody else is connected to nobody; "ABHÖREN" comes in many code pages.
                let state = known.or_else(|| (far.port() == 0).then_some(State::Listen));
                let state = state.ok_or_else(|| {
                    malformed(format!("it calls a state {word:?}, in a language that is not known here"))
                })?;
                sockets.push(socket(near, far, state, None, pid));
            }
            None if concerns(port, ':', [local, foreign]) => return Err(malformed(format!("{line:?}"))),
            None => {}
        }
    }
    match rows {
        0 => Err(malformed("it has no rows".to_owned())),
        _ => Ok((sockets, addresses)),
    }
}

/// `127.0.0.1:4002`, `[::1]:4002`, `[fe80::1%12]:4002`.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip: IpAddr = host.split('%').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

/// The processes by id. The image alone is told, so `twsmux sim` is taken for a twsmux here.
pub fn processes(tasklist: &str) -> BTreeMap<u32, Process> {
    let row = |line: &str| {
        let mut fields = line.trim().strip_prefix('"')?.split("\",\"");
        let image = fields.next()?.to_owned();
        let pid = fields.next()?.parse().ok()?;
        let name = image.strip_suffix(".exe").unwrap_or(&image);
        Some((pid, Process::new(pid, name, &[], "")))
    };
    tasklist.lines().filter_map(row).collect()
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
