//! What the socket table says about the Gateway's port.
//!
//! Owns: [`diagnose`], a pure function from a snapshot to a [`Diagnosis`]; the verdicts and their exit codes.
//! May not know: where the snapshot came from, the clock, how a verdict is put into words (that is [`super::words`]).
//! Driven by: [`super::examine`].
//!
//! The rules, for a Gateway at an address of this machine:
//! - its end of a connection is a socket bound to the port; the other end, if on this machine, is a socket connected to it;
//! - its end in CLOSE_WAIT is a zombie, and the unread bytes tell what the Gateway is stuck in ([`ZombieKind`]);
//! - a connection whose other end is held by no twsmux is foreign; where both ends are seen it is told once, by its process;
//! - a listener that only forwards, or connections to the port whose Gateway end is not in the table, mean that the
//!   Gateway lives in another namespace: unknown, never healthy.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use indexmap::IndexMap;
use serde::Serialize;

use super::owners::{Hidden, Owners, Process, Role};
use super::table::{Snapshot, Socket, State, canonical, covers};
use super::words;

/// What is the matter with the port. In order of severity, which is also the order of the exit codes but for `Healthy`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Sockets of the Gateway that stay in CLOSE_WAIT.
    Zombies,
    /// Nothing accepts connections at the port.
    NothingListens,
    /// Programs other than twsmux are connected to the Gateway.
    Foreign,
    /// The Gateway's sockets are out of sight.
    Unknown,
    /// Listens, has no zombies, and nobody but twsmux is connected.
    Healthy,
}

/// One row of the table of exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExitCode {
    /// The code of the process.
    pub code: u8,
    /// The verdict it stands for; `None` for a wrong command line, which is reported before there is any verdict.
    pub verdict: Option<Verdict>,
    /// The verdict's name in JSON.
    pub name: &'static str,
}

/// The exit codes of `twsmux doctor`. The table in docs/operations.md is compared with it by a test.
pub const EXIT_CODES: [ExitCode; 6] = [
    ExitCode { code: 0, verdict: Some(Verdict::Healthy), name: "healthy" },
    ExitCode { code: 1, verdict: Some(Verdict::Zombies), name: "zombies" },
    ExitCode { code: 2, verdict: None, name: "usage" },
    ExitCode { code: 3, verdict: Some(Verdict::NothingListens), name: "nothing_listens" },
    ExitCode { code: 4, verdict: Some(Verdict::Foreign), name: "foreign" },
    ExitCode { code: 5, verdict: Some(Verdict::Unknown), name: "unknown" },
];

impl Verdict {
    fn row(self) -> &'static ExitCode {
        // Every verdict has a row; a test walks them all.
        EXIT_CODES.iter().find(|row| row.verdict == Some(self)).expect("every verdict has an exit code")
    }

    /// The exit code of `twsmux doctor`.
    pub fn exit_code(self) -> u8 {
        self.row().code
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

/// What a zombie's unread bytes say the Gateway is stuck in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZombieKind {
    /// The kernel finished the connection, the Gateway never took it. (No inode.)
    NeverAccepted,
    /// Bytes of the client, its handshake as a rule, were never read, nor the end after them. (More than 1 in the queue.)
    HandshakeUnread,
    /// All bytes were read, the end of the stream was not. (Exactly 1: a FIN counts as a byte.)
    FinUnread,
    /// Everything was taken from the socket, the end included, and it was not closed. The kernel hands the end over
    /// together with the last bytes when it can, so the program may not have looked at it. (0 in the queue.)
    NotClosed,
    /// The system does not show what is unread.
    NotShown,
}

impl ZombieKind {
    /// The kind of a socket in CLOSE_WAIT.
    pub fn of(socket: &Socket) -> ZombieKind {
        match (socket.inode, socket.rx_queue) {
            (0, _) => ZombieKind::NeverAccepted,
            (_, None) => ZombieKind::NotShown,
            (_, Some(0)) => ZombieKind::NotClosed,
            (_, Some(1)) => ZombieKind::FinUnread,
            (_, Some(_)) => ZombieKind::HandshakeUnread,
        }
    }
}

/// A socket of the Gateway that stays in CLOSE_WAIT.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Zombie {
    /// The Gateway's end.
    pub local: SocketAddr,
    /// The end that hung up.
    pub peer: SocketAddr,
    /// What the Gateway is stuck in.
    pub kind: ZombieKind,
    /// Bytes the Gateway has not read, without the end mark.
    pub unread_bytes: u32,
    /// Who holds the Gateway's end.
    pub processes: Vec<Process>,
    /// Who hung up, where the program still exists and holds its end (it shut down only the sending side).
    pub peer_processes: Vec<Process>,
}

/// A socket that accepts connections at the port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Listener {
    /// Where it is bound.
    pub address: SocketAddr,
    /// Connections that wait to be accepted.
    pub accept_queue: u32,
    /// Its user, where that is shown.
    pub uid: Option<u32>,
    /// Who holds it, where that may be seen.
    pub processes: Vec<Process>,
}

/// A connection to the port, told by the end that is not the Gateway's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Connection {
    /// The end that is not the Gateway's.
    pub peer: SocketAddr,
    /// The state of that end; that of the Gateway's end if the other one is not on this machine.
    pub state: State,
    /// The user of that end, if it is on this machine and that is shown.
    pub uid: Option<u32>,
    /// Who holds that end, where that may be seen.
    pub processes: Vec<Process>,
}

/// Why the Gateway's sockets are out of sight.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason", content = "detail")]
pub enum OutOfSight {
    /// The address is not one of this machine, or of this network namespace.
    NotOnThisMachine,
    /// The host name has no address. Says why.
    Unresolved(String),
    /// The socket table cannot be read. Says why.
    TableUnreadable(String),
    /// What listens only forwards to something elsewhere.
    Forwarded(Process),
    /// Connections to the address exist, but their other ends are not in this table.
    OtherNamespace,
}

/// One thing that is so, in words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// Which.
    pub verdict: Verdict,
    /// What happened, and to whom.
    pub happened: String,
    /// What to do, step by step; empty if nothing.
    pub next: Vec<String>,
}

/// All that can be said about the port. Serialised by `twsmux doctor --json`; the field names are kept stable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Diagnosis {
    /// The Gateway as asked for.
    pub gateway: String,
    /// The most severe verdict.
    pub verdict: Verdict,
    /// Its exit code.
    pub exit_code: u8,
    /// All verdicts that hold, the most severe first.
    pub verdicts: Vec<Verdict>,
    /// Each verdict in words.
    pub findings: Vec<Finding>,
    /// Who listens.
    pub listeners: Vec<Listener>,
    /// The Gateway's sockets in CLOSE_WAIT.
    pub zombies: Vec<Zombie>,
    /// Connections of programs other than twsmux.
    pub foreign: Vec<Connection>,
    /// Connections of twsmux.
    pub own: Vec<Connection>,
    /// Why the Gateway is out of sight, if it is.
    pub unknown: Option<OutOfSight>,
}

/// The question: which port, and whose sockets are known to be twsmux's own.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The Gateway as the user wrote it.
    pub name: &'a str,
    /// Its addresses: one, or those of a host name.
    pub addresses: &'a [SocketAddr],
    /// Near ends of connections that the caller itself made and that are not foreign.
    pub own: &'a [SocketAddr],
}

/// The inodes whose holders [`diagnose`] will ask for.
pub fn inodes_of_interest(question: &Question<'_>, snapshot: &Snapshot) -> BTreeSet<u64> {
    let view = View::new(question, snapshot);
    let sockets = view.listeners.iter().chain(&view.gateway_ends).chain(&view.peer_ends);
    sockets.map(|s| s.inode).filter(|&inode| inode != 0).collect()
}

/// The kinds of the Gateway's sockets at `addr` that are in CLOSE_WAIT; `None` if they are out of sight.
pub fn zombies_in(snapshot: &Snapshot, addr: SocketAddr) -> Option<Vec<ZombieKind>> {
    let addresses = [canonical(addr)];
    let view = View::new(&Question { name: "", addresses: &addresses, own: &[] }, snapshot);
    (view.here && !view.ends_elsewhere()).then(|| view.zombies().map(ZombieKind::of).collect())
}

/// The diagnosis when there is no table to look at.
pub fn blind(name: &str, why: OutOfSight) -> Diagnosis {
    conclude(Diagnosis { unknown: Some(why), ..empty(name) }, false)
}

/// The diagnosis of the port in question from a snapshot and the holders of its sockets. Pure.
pub fn diagnose(question: &Question<'_>, snapshot: &Snapshot, owners: &Owners) -> Diagnosis {
    let view = View::new(question, snapshot);
    let mut diagnosis = empty(question.name);
    diagnosis.listeners = view.listeners.iter().map(|s| listener(s, owners)).collect();
    diagnosis.zombies = view.zombies().map(|s| zombie(s, view.peer_of(s), owners)).collect();
    let mut hidden_twsmux = hidden_twsmux(question, owners);
    for connection in view.connections(owners) {
        let known = question.own.contains(&connection.peer)
            || connection.processes.iter().any(|p| p.role == Role::Twsmux)
            || is_hidden_twsmux(&connection, &mut hidden_twsmux);
        let side = if known { &mut diagnosis.own } else { &mut diagnosis.foreign };
        side.push(connection);
    }
    // A twsmux that dials its own listener is one with a built-in simulator, and that port is the simulator's.
    let dials_itself =
        |p: &Process| diagnosis.own.iter().flat_map(|c| &c.processes).any(|own| own.pid == p.pid);
    let forwarder = view.listeners.iter().find_map(|s| forwarder(s, owners)).filter(|p| !dials_itself(p));
    // Clients of a twsmux are where they should be.
    if forwarder.as_ref().is_some_and(|f| f.role == Role::Twsmux) {
        diagnosis.foreign.clear();
    }

    diagnosis.unknown = if !view.here {
        Some(OutOfSight::NotOnThisMachine)
    } else if let Some(process) = forwarder {
        Some(OutOfSight::Forwarded(process))
    } else {
        view.ends_elsewhere().then_some(OutOfSight::OtherNamespace)
    };
    let nothing_listens = diagnosis.unknown.is_none() && view.listeners.is_empty();
    conclude(diagnosis, nothing_listens)
}

/// The sockets of a snapshot that belong to the port in question.
struct View<'a> {
    /// Whether an address of the Gateway is one of this machine.
    here: bool,
    listeners: Vec<&'a Socket>,
    /// Ends of connections bound to the port.
    gateway_ends: Vec<&'a Socket>,
    /// Ends of connections that are connected to the port and held by a program.
    peer_ends: Vec<&'a Socket>,
    /// Every socket by its ends.
    by_ends: IndexMap<(SocketAddr, SocketAddr), &'a Socket>,
}

impl<'a> View<'a> {
    fn new(question: &Question<'_>, snapshot: &'a Snapshot) -> View<'a> {
        let here: Vec<SocketAddr> =
            question.addresses.iter().copied().filter(|a| snapshot.is_local(a.ip())).collect();
        let mut listeners: Vec<&Socket> = Vec::new();
        for socket in here.iter().flat_map(|&a| snapshot.on_port(a)).filter(|s| s.state == State::Listen) {
            if !listeners.contains(&socket) {
                listeners.push(socket);
            }
        }
        // A zombie blocks its listener whichever address of the machine the client had dialled.
        let of_gateway = |end: SocketAddr| {
            question.addresses.iter().any(|&a| covers(end, a))
                || (snapshot.is_local(end.ip()) && listeners.iter().any(|l| covers(l.local, end)))
        };
        let connections = || snapshot.sockets().iter().filter(|s| s.state != State::Listen);
        let gateway_ends: Vec<&Socket> =
            connections().filter(|s| !here.is_empty() && of_gateway(s.local)).collect();
        let held = |s: &&Socket| s.inode != 0 && !matches!(s.state, State::Close | State::TimeWait);
        let peer_ends: Vec<&Socket> = connections().filter(held).filter(|s| of_gateway(s.remote)).collect();
        View { here: !here.is_empty(), listeners, gateway_ends, peer_ends, by_ends: snapshot.by_ends() }
    }

    /// The other end, if both are in the table.
    fn peer_of(&self, socket: &Socket) -> Option<&'a Socket> {
        self.by_ends.get(&(socket.remote, socket.local)).copied()
    }

    fn zombies(&self) -> impl Iterator<Item = &'a Socket> {
        self.gateway_ends.iter().copied().filter(|s| s.state == State::CloseWait)
    }

    /// Whether connections lead to the address and not one of them ends here: a port published by packet rewriting.
    fn ends_elsewhere(&self) -> bool {
        let mut open = self.peer_ends.iter().filter(|s| s.state == State::Established).peekable();
        self.listeners.is_empty() && open.peek().is_some() && open.all(|s| self.peer_of(s).is_none())
    }

    /// The connections by the end that is not the Gateway's: those held on this machine, then those whose other end is not
    /// in the table.
    fn connections(&self, owners: &Owners) -> Vec<Connection> {
        let near = self.peer_ends.iter().map(|s| Connection {
            peer: s.local,
            state: s.state,
            uid: s.uid,
            processes: owners.holders(s.inode).to_vec(),
        });
        let open = self.gateway_ends.iter().filter(|s| s.state == State::Established);
        let far = open.filter(|s| self.peer_of(s).is_none()).map(|s| Connection {
            peer: s.remote,
            state: s.state,
            uid: None,
            processes: Vec::new(),
        });
        near.chain(far).collect()
    }
}

/// The users of the twsmux processes that hide their descriptors and may have the Gateway in question as upstream.
fn hidden_twsmux(question: &Question<'_>, owners: &Owners) -> Vec<u32> {
    let dials = |h: &&Hidden| question.addresses.iter().any(|a| h.may_dial(a.port()));
    owners.hidden().iter().filter(|h| h.process.role == Role::Twsmux).filter(dials).map(|h| h.uid).collect()
}

/// Whether the connection can be that of a twsmux of the same user that hides its descriptors. Each is believed once,
/// since a twsmux has one connection.
fn is_hidden_twsmux(connection: &Connection, hidden: &mut Vec<u32>) -> bool {
    if !connection.processes.is_empty() {
        return false;
    }
    let position = hidden.iter().position(|&uid| connection.uid == Some(uid));
    position.map(|i| hidden.swap_remove(i)).is_some()
}

/// The process behind a listener, if it is one that only passes connections on.
fn forwarder(socket: &Socket, owners: &Owners) -> Option<Process> {
    let holders = owners.holders(socket.inode);
    if !holders.is_empty() {
        return holders.iter().find(|p| p.role != Role::Other).cloned();
    }
    let port = socket.local.port();
    owners.hidden().iter().find(|h| Some(h.uid) == socket.uid && h.publishes(port)).map(|h| h.process.clone())
}

fn listener(socket: &Socket, owners: &Owners) -> Listener {
    Listener {
        address: socket.local,
        accept_queue: socket.rx_queue.unwrap_or(0),
        uid: socket.uid,
        processes: owners.holders(socket.inode).to_vec(),
    }
}

fn zombie(socket: &Socket, peer: Option<&Socket>, owners: &Owners) -> Zombie {
    let holders = |inode| owners.holders(inode).to_vec();
    Zombie {
        local: socket.local,
        peer: socket.remote,
        kind: ZombieKind::of(socket),
        unread_bytes: socket.rx_queue.unwrap_or(0).saturating_sub(1),
        processes: holders(socket.inode),
        peer_processes: peer.map(|peer| holders(peer.inode)).unwrap_or_default(),
    }
}

fn empty(name: &str) -> Diagnosis {
    Diagnosis {
        gateway: name.to_owned(),
        verdict: Verdict::Unknown,
        exit_code: Verdict::Unknown.exit_code(),
        verdicts: Vec::new(),
        findings: Vec::new(),
        listeners: Vec::new(),
        zombies: Vec::new(),
        foreign: Vec::new(),
        own: Vec::new(),
        unknown: None,
    }
}

/// Draws the verdicts from what was found and puts them into words.
fn conclude(mut diagnosis: Diagnosis, nothing_listens: bool) -> Diagnosis {
    let holds = [
        (Verdict::Zombies, !diagnosis.zombies.is_empty()),
        (Verdict::NothingListens, nothing_listens),
        (Verdict::Foreign, !diagnosis.foreign.is_empty()),
        (Verdict::Unknown, diagnosis.unknown.is_some()),
    ];
    diagnosis.verdicts = holds.into_iter().filter_map(|(verdict, holds)| holds.then_some(verdict)).collect();
    if diagnosis.verdicts.is_empty() {
        diagnosis.verdicts.push(Verdict::Healthy);
    }
    diagnosis.verdict = diagnosis.verdicts[0];
    diagnosis.exit_code = diagnosis.verdict.exit_code();
    diagnosis.findings =
        diagnosis.verdicts.iter().map(|&verdict| words::finding(verdict, &diagnosis)).collect();
    diagnosis
}

#[cfg(test)]
#[path = "diagnosis_tests.rs"]
mod tests;
