//! The tables of macOS: `netstat -anvlW -p tcp`, `ps`, `ifconfig`.
//!
//! Owns: the reading of their text (pure). May not know: how it was come by. Driven by: [`super::super::table`] and
//! [`super::super::owners`] on macOS, tests everywhere.
//!
//! The columns up to the state have been the same for ever; behind them macOS 13 has `pid`, macOS 15 counts bytes before it, and
//! macOS 26 has `process:pid` with a name that may have spaces. Receive queues do not count the FIN here, so what was read and
//! not closed cannot be told from what was not looked at; and a connection that nobody accepted bears the listener's process.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::owners::Process;
use super::super::table::{Socket, State, TableError};
use super::{Table, concerns, socket};

/// Where it is.
pub const NETSTAT: &str = "/usr/sbin/netstat";
/// All TCP sockets by number, with their processes; addresses at full length.
pub const NETSTAT_ARGUMENTS: [&str; 3] = ["-anvlW", "-p", "tcp"];

/// The sockets of `netstat` that have `port` at one end (all if `None`), and the local addresses that it shows.
///
/// # Errors
/// It has no heading, or a row about the port is not understood.
pub fn sockets(netstat: &str, port: Option<u16>) -> Result<Table, TableError> {
    let malformed = |reason: String| TableError::Malformed { path: NETSTAT, reason };
    let mut columns = None;
    let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
    for line in netstat.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["Proto", ..] => columns = Some(pid_column(&words)),
            [proto, recv_q, _, local, foreign, state, ref more @ ..] if proto.starts_with("tcp") => {
                let columns = columns.ok_or_else(|| malformed("a row before the heading".to_owned()))?;
                let row = row(proto, recv_q, [local, foreign], state, pid(more, columns));
                match row {
                    Some(row) => {
                        if !row.local.ip().is_unspecified() {
                            addresses.push(row.local.ip());
                        }
                        if port.is_none_or(|p| row.local.port() == p || row.remote.port() == p) {
                            sockets.push(row);
                        }
                    }
                    None if concerns(port, '.', [local, foreign]) => {
                        return Err(malformed(format!("{line:?}")));
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }
    columns.map(|_| (sockets, addresses)).ok_or_else(|| malformed("it has no heading".to_owned()))
}

/// Where the process id stands behind the state, where it has a column of its own.
fn pid_column(heading: &[&str]) -> Option<usize> {
    let state = heading.iter().position(|word| *word == "(state)")?;
    heading[state + 1..].iter().position(|word| *word == "pid")
}

fn pid(behind_state: &[&str], column: Option<usize>) -> u64 {
    // No other column has a colon in it; a name may.
    let mut named = behind_state.iter().filter_map(|word| word.rsplit_once(':')?.1.parse().ok());
    let own = || column.and_then(|at| behind_state.get(at)?.parse().ok());
    named.next_back().or_else(own).unwrap_or(0)
}

fn row(proto: &str, recv_q: &str, ends: [&str; 2], state: &str, pid: u64) -> Option<Socket> {
    let state = match state {
        "CLOSED" => State::Close,
        "LISTEN" => State::Listen,
        "SYN_SENT" => State::SynSent,
        "SYN_RCVD" => State::SynRecv,
        "ESTABLISHED" => State::Established,
        "CLOSE_WAIT" => State::CloseWait,
        "FIN_WAIT_1" => State::FinWait1,
        "CLOSING" => State::Closing,
        "LAST_ACK" => State::LastAck,
        "FIN_WAIT_2" => State::FinWait2,
        "TIME_WAIT" => State::TimeWait,
        _ => return None,
    };
    let unread: u32 = recv_q.parse().ok()?;
    // As Linux has it: the mark of the end counts as a byte, where something is unread before it.
    let mark = u32::from(state == State::CloseWait && unread > 0);
    // For a listener this is no queue of connections.
    let rx_queue = if state == State::Listen { Some(0) } else { Some(unread.saturating_add(mark)) };
    let [local, remote] = ends.map(|end| address(proto, end));
    Some(socket(local?, remote?, state, rx_queue, pid))
}

/// `127.0.0.1.4002`, `::1.4002`, `fe80::1%lo0.4002`, `*.4002`, `*.*`.
fn address(proto: &str, text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once('.')?;
    let port = if port == "*" { 0 } else { port.parse().ok()? };
    let ip = match host {
        "*" if proto == "tcp4" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        host => host.split('%').next()?.parse().ok()?,
    };
    Some(SocketAddr::new(ip, port))
}

/// The processes by id: `ps -axww -o pid=,comm=` has each one's program, `ps -axww -o pid=,args=` its command line, which
/// begins with it. Both may have spaces in them.
pub fn processes(programs: &str, command_lines: &str) -> BTreeMap<u32, Process> {
    let rows = |text: &str| -> BTreeMap<u32, String> {
        let lines = text.lines().filter_map(|line| line.trim().split_once(' '));
        lines.filter_map(|(pid, rest)| Some((pid.parse().ok()?, rest.trim().to_owned()))).collect()
    };
    let command_lines = rows(command_lines);
    let of = |(pid, program): (u32, String)| {
        let line = command_lines.get(&pid).map_or("", String::as_str);
        let rest = line.strip_prefix(program.as_str()).unwrap_or("");
        let arguments: Vec<String> =
            std::iter::once(program.clone()).chain(rest.split_whitespace().map(str::to_owned)).collect();
        let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
        (pid, Process::new(pid, &name, &arguments, &program))
    };
    rows(programs).into_iter().map(of).collect()
}

/// The addresses of `ifconfig -a`.
pub fn interfaces(ifconfig: &str) -> Vec<IpAddr> {
    let words = ifconfig.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("inet" | "inet6")).then(|| words.next()).flatten()
    });
    words.filter_map(|address| address.split('%').next()?.parse().ok()).collect()
}

#[cfg(test)]
#[path = "macos_tests.rs"]
mod tests;
