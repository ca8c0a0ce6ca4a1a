//! The kernel's TCP table: which sockets exist on this machine, in which state, with how much unread.
//!
//! Owns: [`Snapshot`], one reading of the table of both families, and the parsing of what the kernel prints.
//! May not know: what a socket in some state means for the Gateway (that is [`super::diagnosis`]).
//! Driven by: [`super::examine`], [`super::zombies_on`], tests.
//!
//! On Linux the source is `/proc/net/tcp` and `/proc/net/tcp6`, parsed by the `procfs` crate. It says all that is needed (queue
//! bytes, inode, uid), needs no privilege, and **opens no socket at all**, not even a netlink one, so that a diagnosis
//! cannot be mistaken for a connection by anything. What sock_diag would add, a filter in the kernel, is made up for by
//! dropping the lines of other ports before they are parsed ([`Snapshot::of_port`]).
//!
//! The table is that of the network namespace of the calling process, and it is not atomic. The two files are read one
//! after the other, so one end of a young connection may be missing; [`Snapshot::lasting_since`] is the cure. And while
//! connections come and go the kernel lists some of them more than once; **a snapshot has each once**.

use std::net::{IpAddr, SocketAddr};

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

#[cfg(target_os = "linux")]
use super::local;

/// The state of a TCP socket, as the kernel names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Both sides may send.
    Established,
    /// Dialling: the SYN is out, nobody answered yet.
    SynSent,
    /// A SYN came in, the handshake of TCP is not finished.
    SynRecv,
    /// Closed here, the FIN is not acknowledged.
    #[serde(rename = "FIN_WAIT_1")]
    FinWait1,
    /// Closed here and acknowledged, the other side has not closed.
    #[serde(rename = "FIN_WAIT_2")]
    FinWait2,
    /// Closed on both sides, waiting for stray segments.
    TimeWait,
    /// Not connected.
    Close,
    /// The other side has closed, this one has not.
    CloseWait,
    /// Closed here after the other side, the FIN is not acknowledged.
    LastAck,
    /// Waiting for connections.
    Listen,
    /// Both sides closed at the same time.
    Closing,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Established => "ESTABLISHED",
            State::SynSent => "SYN_SENT",
            State::SynRecv => "SYN_RECV",
            State::FinWait1 => "FIN_WAIT_1",
            State::FinWait2 => "FIN_WAIT_2",
            State::TimeWait => "TIME_WAIT",
            State::Close => "CLOSE",
            State::CloseWait => "CLOSE_WAIT",
            State::LastAck => "LAST_ACK",
            State::Listen => "LISTEN",
            State::Closing => "CLOSING",
        })
    }
}

/// One socket. Addresses are canonical: an IPv4 peer of an IPv6 socket stands here as IPv4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Socket {
    /// The near end.
    pub local: SocketAddr,
    /// The far end; port 0 for a listener.
    pub remote: SocketAddr,
    /// The state.
    pub state: State,
    /// Bytes received and not yet read, a FIN counting as one byte until it is read. For a listener: how many finished
    /// connections wait to be accepted. `None` where the system does not show it.
    pub rx_queue: Option<u32>,
    /// Bytes sent and not yet acknowledged.
    pub tx_queue: u32,
    /// The user who made the socket, where that is shown. Meaningless while the inode is 0.
    pub uid: Option<u32>,
    /// The inode by which file descriptors refer to the socket. 0: no program has a descriptor, either because nobody
    /// accepted the connection yet, or because its program closed it and the kernel is finishing the farewell. Where there
    /// are no inodes the process id of the holder stands here, see [`super::tools`].
    pub inode: u64,
}

/// The table cannot be had.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableError {
    /// The kernel's file cannot be read.
    #[error("the kernel's socket table {path} cannot be read: {reason}")]
    Unreadable {
        /// Which file.
        path: &'static str,
        /// What the kernel said.
        reason: String,
    },
    /// The kernel's file does not look as expected.
    #[error("the kernel's socket table {path} is not understood: {reason}")]
    Malformed {
        /// Which file.
        path: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// The system's tool does not show it.
    #[error("{tool}, which shows the socket table on this system, {reason}")]
    Tool {
        /// Which.
        tool: &'static str,
        /// What happened, a verb first.
        reason: String,
    },
    /// This operating system shows its table in another way, which is not built in.
    #[error("reading the socket table of this operating system is not supported")]
    Unsupported,
}

/// One reading of the table, and the addresses of the machine it was read on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    sockets: Vec<Socket>,
    addresses: Vec<IpAddr>,
}

/// The tables by family: path, and whether its absence is an error (a kernel without IPv6 has no tcp6).
#[cfg(target_os = "linux")]
const TABLES: [(&str, bool); 2] = [("/proc/net/tcp", true), ("/proc/net/tcp6", false)];

/// Bytes asked for at once. The kernel prints a memory page of whole lines each time.
#[cfg(target_os = "linux")]
const READ_BYTES: usize = 64 * 1024;

impl Snapshot {
    /// Reads the whole table of this network namespace.
    ///
    /// # Errors
    /// The table cannot be read or understood, or the operating system is none of Linux, macOS and Windows.
    pub fn read() -> Result<Snapshot, TableError> {
        Snapshot::read_where(None)
    }

    /// Reads the sockets that have `port` at one end or the other.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub fn of_port(port: u16) -> Result<Snapshot, TableError> {
        Snapshot::read_where(Some(port))
    }

    #[cfg(target_os = "linux")]
    fn read_where(port: Option<u16>) -> Result<Snapshot, TableError> {
        let mut sockets = Vec::new();
        for (path, required) in TABLES {
            match std::fs::File::open(path).and_then(|file| read_lines(file, port)) {
                Ok(text) => parse_into(path, &text, &mut sockets)?,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => {}
                Err(e) => return Err(TableError::Unreadable { path, reason: e.to_string() }),
            }
        }
        Ok(Snapshot::from_parts(sockets, local::addresses()))
    }

    #[cfg(target_os = "macos")]
    fn read_where(port: Option<u16>) -> Result<Snapshot, TableError> {
        use super::tools::{self, macos};
        // Without the options for long addresses, should a version not have them.
        let netstat = tools::output(macos::NETSTAT, &macos::NETSTAT_ARGUMENTS)
            .or_else(|_| tools::output(macos::NETSTAT, &["-anv", "-p", "tcp"]))?;
        let (sockets, mut addresses) = macos::sockets(&netstat, port)?;
        // Without it an address that no socket has is taken for another machine's: the careful side.
        addresses.extend(macos::interfaces(&tools::output("/sbin/ifconfig", &["-a"]).unwrap_or_default()));
        Ok(Snapshot::from_parts(sockets, addresses))
    }

    #[cfg(target_os = "windows")]
    fn read_where(port: Option<u16>) -> Result<Snapshot, TableError> {
        use super::tools::{self, windows};
        let netstat = tools::output(windows::NETSTAT, &windows::NETSTAT_ARGUMENTS)?;
        let (sockets, addresses) = windows::sockets(&netstat, port)?;
        Ok(Snapshot::from_parts(sockets, addresses))
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows")))]
    fn read_where(_port: Option<u16>) -> Result<Snapshot, TableError> {
        Err(TableError::Unsupported)
    }

    /// Builds a snapshot from recorded tables: the text of `/proc/net/tcp` and of `/proc/net/tcp6` (empty if there is
    /// none), and the addresses of the machine besides loopback. Pure.
    ///
    /// # Errors
    /// A line that does not parse.
    #[cfg(target_os = "linux")]
    pub fn parse(tcp: &str, tcp6: &str, addresses: &[IpAddr]) -> Result<Snapshot, TableError> {
        let mut sockets = Vec::new();
        for ((path, _), text) in TABLES.into_iter().zip([tcp, tcp6]) {
            parse_into(path, text, &mut sockets)?;
        }
        Ok(Snapshot::from_parts(sockets, addresses.to_vec()))
    }

    /// Builds a snapshot from sockets and the addresses of the machine besides loopback. A connection that was listed
    /// twice is taken as it was the last time.
    pub fn from_parts(sockets: Vec<Socket>, addresses: Vec<IpAddr>) -> Snapshot {
        // Listeners may share an address; connections never share both ends.
        let key = |s: &Socket| (s.local, s.remote, if s.state == State::Listen { s.inode } else { 0 });
        let mut seen = IndexSet::new();
        let mut sockets: Vec<Socket> = sockets.into_iter().rev().filter(|s| seen.insert(key(s))).collect();
        sockets.reverse();
        Snapshot { sockets, addresses }
    }

    /// All sockets, IPv4 first, each family in the kernel's order.
    pub fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// The sockets whose near end is `addr`, listeners that take connections for it included.
    pub fn on_port(&self, addr: SocketAddr) -> impl Iterator<Item = &Socket> {
        self.sockets.iter().filter(move |s| covers(s.local, addr))
    }

    /// How many sockets with this near port are in `state`.
    pub fn count(&self, state: State, local_port: u16) -> usize {
        self.sockets.iter().filter(|s| s.state == state && s.local.port() == local_port).count()
    }

    /// Whether `ip` belongs to this machine (in this network namespace): loopback, unspecified, or on an interface.
    pub fn is_local(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || ip.is_unspecified() || self.addresses.contains(&ip)
    }

    /// The connections by their near and far ends; the other end of a connection within this machine is found under the
    /// two swapped.
    pub fn by_ends(&self) -> IndexMap<(SocketAddr, SocketAddr), &Socket> {
        self.sockets.iter().map(|s| ((s.local, s.remote), s)).collect()
    }

    /// What of this snapshot was there in the `earlier` one too: listeners as they are now, connections that existed
    /// then, and CLOSE_WAIT only where it was CLOSE_WAIT then. Every orderly close passes through CLOSE_WAIT for a
    /// moment; only one that lasts is a fault.
    #[must_use]
    pub fn lasting_since(&self, earlier: &Snapshot) -> Snapshot {
        let then = earlier.by_ends();
        let lasts = |now: &&Socket| {
            now.state == State::Listen
                || then
                    .get(&(now.local, now.remote))
                    .is_some_and(|then| now.state != State::CloseWait || then.state == State::CloseWait)
        };
        let sockets = self.sockets.iter().filter(lasts).cloned().collect();
        Snapshot { sockets, addresses: self.addresses.clone() }
    }
}

/// Whether a socket bound to `bound` receives what is sent to `addr`. An IPv6 wildcard is taken to be dual-stack, as
/// Java's listeners are; the table does not tell.
pub fn covers(bound: SocketAddr, addr: SocketAddr) -> bool {
    let (bound_ip, ip) = (bound.ip().to_canonical(), addr.ip().to_canonical());
    let wildcard = bound_ip.is_unspecified() && (bound_ip.is_ipv6() || ip.is_ipv4());
    bound.port() == addr.port() && (bound_ip == ip || wildcard || ip.is_unspecified())
}

/// The table that `file` prints: its heading, and the lines that name `port` at one end (all lines if `None`).
///
/// Reading stops when the kernel repeats itself. At the end of the table it looks for its place by counting from the
/// start, so as many of the last sockets as have been added since come a second time, and on a machine that makes
/// connections fast enough there is no end.
#[cfg(target_os = "linux")]
fn read_lines(mut file: impl std::io::Read, port: Option<u16>) -> std::io::Result<String> {
    let needle = port.map(|p| format!(":{p:04X} "));
    let mut chunk = vec![0; READ_BYTES];
    let mut seen = IndexSet::new();
    let (mut kept, mut pending) = (String::new(), String::new());
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok(kept + &pending);
        }
        pending.push_str(&String::from_utf8_lossy(&chunk[..n]));
        let rest = pending.split_off(pending.rfind('\n').map_or(0, |i| i + 1));
        let mut repeats = !pending.is_empty();
        for line in pending.split_inclusive('\n') {
            repeats &= !seen.insert(identity(line));
            if kept.is_empty() || needle.as_ref().is_none_or(|n| line.contains(n.as_str())) {
                kept.push_str(line);
            }
        }
        if repeats {
            return Ok(kept);
        }
        pending = rest;
    }
}

/// What tells the socket of a line from others: its ends and its inode.
#[cfg(target_os = "linux")]
fn identity(line: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};

    let mut hasher = DefaultHasher::new();
    for (_, column) in line.split_ascii_whitespace().enumerate().filter(|(i, _)| matches!(i, 1 | 2 | 9)) {
        column.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(target_os = "linux")]
fn parse_into(path: &'static str, text: &str, sockets: &mut Vec<Socket>) -> Result<(), TableError> {
    use procfs::FromBufReadSI;

    let entries = procfs::net::TcpNetEntries::from_buf_read(text.as_bytes(), procfs::current_system_info())
        .map_err(|e| TableError::Malformed { path, reason: e.to_string() })?;
    sockets.extend(entries.0.into_iter().map(|e| Socket {
        local: canonical(e.local_address),
        remote: canonical(e.remote_address),
        state: state_of(&e.state),
        rx_queue: Some(e.rx_queue),
        tx_queue: e.tx_queue,
        uid: Some(e.uid),
        inode: e.inode,
    }));
    Ok(())
}

/// The address without the IPv6 clothing that an IPv4 peer wears on a dual-stack socket.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(target_os = "linux")]
fn state_of(state: &procfs::net::TcpState) -> State {
    use procfs::net::TcpState;
    match state {
        TcpState::Established => State::Established,
        TcpState::SynSent => State::SynSent,
        TcpState::SynRecv | TcpState::NewSynRecv => State::SynRecv,
        TcpState::FinWait1 => State::FinWait1,
        TcpState::FinWait2 => State::FinWait2,
        TcpState::TimeWait => State::TimeWait,
        TcpState::Close => State::Close,
        TcpState::CloseWait => State::CloseWait,
        TcpState::LastAck => State::LastAck,
        TcpState::Listen => State::Listen,
        TcpState::Closing => State::Closing,
    }
}

#[cfg(all(test, target_os = "linux", target_endian = "little"))]
mod tests {
    use super::*;

    const HEADING: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// A client of a Java listener: the listener and the accepted socket are in tcp6 with mapped addresses.
    const TCP: &str = "   0: 0100007F:D431 0100007F:0FA2 05 00000000:00000000 03:000016E1 00000000     0        0 0 3 0000000000000000\n";
    const TCP6: &str = concat!(
        "   0: 00000000000000000000000000000000:0FA2 00000000000000000000000000000000:0000 0A 00000000:00000002 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0\n",
        "   1: 0000000000000000FFFF00000100007F:0FA2 0000000000000000FFFF00000100007F:D431 08 00000003:00000012 00:00000000 00000000  1000        0 4712 1 0000000000000000 20 4 30 10 -1\n",
    );

    fn recorded() -> Snapshot {
        Snapshot::parse(&format!("{HEADING}{TCP}"), &format!("{HEADING}{TCP6}"), &[]).unwrap()
    }

    #[test]
    fn mapped_addresses_become_ipv4() {
        let snapshot = recorded();
        let zombie = snapshot.sockets().iter().find(|s| s.state == State::CloseWait).unwrap();
        assert_eq!(zombie.local, "127.0.0.1:4002".parse().unwrap());
        assert_eq!(zombie.remote, "127.0.0.1:54321".parse().unwrap());
        assert_eq!(
            (zombie.rx_queue, zombie.tx_queue, zombie.uid, zombie.inode),
            (Some(0x12), 3, Some(1000), 4712)
        );
        let peer = snapshot.by_ends()[&(zombie.remote, zombie.local)];
        assert_eq!(peer.state, State::FinWait2);
    }

    #[test]
    fn the_queue_of_a_listener_is_its_backlog() {
        let snapshot = recorded();
        let listener = snapshot.on_port("127.0.0.1:4002".parse().unwrap()).find(|s| s.state == State::Listen);
        assert_eq!(listener.unwrap().rx_queue, Some(2));
        assert_eq!(snapshot.count(State::Listen, 4002), 1);
        assert_eq!(snapshot.count(State::Listen, 4001), 0);
    }

    #[test]
    fn a_wildcard_takes_its_family_and_the_ipv6_one_both() {
        let covers = |a: &str, b: &str| super::covers(a.parse().unwrap(), b.parse().unwrap());
        assert!(
            covers("[::]:1", "127.0.0.1:1")
                && covers("[::]:1", "[::1]:1")
                && covers("0.0.0.0:1", "10.0.0.1:1")
        );
        assert!(covers("127.0.0.1:1", "[::ffff:127.0.0.1]:1") && covers("127.0.0.1:1", "0.0.0.0:1"));
        assert!(
            !covers("0.0.0.0:1", "[::1]:1")
                && !covers("127.0.0.1:1", "127.0.0.2:1")
                && !covers("[::]:1", "[::1]:2")
        );
    }

    #[test]
    fn only_a_close_wait_that_lasts_is_kept() {
        let before = recorded();
        let mut after = before.clone();
        assert_eq!(after.lasting_since(&before), before);
        let mut open = before.clone();
        open.sockets
            .iter_mut()
            .filter(|s| s.state == State::CloseWait)
            .for_each(|s| s.state = State::Established);
        assert_eq!(after.lasting_since(&open).count(State::CloseWait, 4002), 0);
        after.sockets.retain(|s| s.state == State::Listen);
        assert_eq!(before.lasting_since(&after).sockets().len(), 1, "the listener alone");
    }

    /// Prints what it is given piece by piece, and the last piece for ever.
    struct Pieces<'a>(&'a [&'a str]);

    impl std::io::Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let piece = self.0[0].as_bytes();
            into[..piece.len()].copy_from_slice(piece);
            self.0 = if self.0.len() > 1 { &self.0[1..] } else { self.0 };
            Ok(piece.len())
        }
    }

    #[test]
    fn reading_ends_although_the_kernel_repeats_the_end_of_the_table_for_ever() {
        let tcp6: Vec<&str> = TCP6.split_inclusive('\n').collect();
        let (cut_a, cut_b) = tcp6[1].split_at(40);
        let text = read_lines(Pieces(&[HEADING, tcp6[0], cut_a, cut_b, tcp6[1]]), None).unwrap();
        let snapshot = Snapshot::parse("", &text, &[]).unwrap();
        assert_eq!(snapshot, Snapshot::parse("", &format!("{HEADING}{TCP6}"), &[]).unwrap());
    }

    #[test]
    fn lines_of_other_ports_are_left_out() {
        let kept = |port| read_lines(Pieces(&[HEADING, TCP, ""]), Some(port)).unwrap();
        assert_eq!(kept(4002), format!("{HEADING}{TCP}"));
        assert_eq!(kept(0xD431), format!("{HEADING}{TCP}"));
        assert_eq!(kept(4001), HEADING);
    }

    #[test]
    fn a_connection_that_is_listed_twice_counts_once_as_it_was_last() {
        let before = TCP.replace(" 05 ", " 01 ");
        let snapshot = Snapshot::parse(&format!("{HEADING}{before}{TCP}"), "", &[]).unwrap();
        let states: Vec<State> = snapshot.sockets().iter().map(|s| s.state).collect();
        assert_eq!(states, [State::FinWait2]);
    }

    #[test]
    fn a_table_that_is_cut_short_is_an_error() {
        let cut = format!("{HEADING}   0: 0100007F:0FA2 0100007F:D4");
        assert!(matches!(
            Snapshot::parse(&cut, "", &[]),
            Err(TableError::Malformed { path: "/proc/net/tcp", .. })
        ));
    }
}
