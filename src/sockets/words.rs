//! A diagnosis in words for a person: what happened, to whom, what to do.
//!
//! Owns: every sentence of `twsmux doctor` but those in [`crate::remedy`]. May not know: how a verdict was reached.
//! Driven by: [`super::diagnosis`] and the command line.

use std::fmt::{self, Display, Formatter};

use super::diagnosis::{Connection, Diagnosis, Finding, OutOfSight, Verdict, Zombie, ZombieKind};
use super::owners::{Process, Role};
use crate::remedy;

/// Most sockets of one sort that the text lists; JSON has them all.
const MAX_LISTED: usize = 20;

/// The words for one verdict of the diagnosis.
pub fn finding(verdict: Verdict, diagnosis: &Diagnosis) -> Finding {
    let (happened, next) = match verdict {
        Verdict::Healthy => (healthy(diagnosis), Vec::new()),
        Verdict::Zombies => zombies(diagnosis),
        Verdict::NothingListens => nothing_listens(diagnosis),
        Verdict::Foreign => foreign(diagnosis),
        Verdict::Unknown => unknown(diagnosis),
    };
    Finding { verdict, happened, next }
}

fn healthy(diagnosis: &Diagnosis) -> String {
    let connected = match diagnosis.own.len() {
        0 => "nobody is connected".to_owned(),
        1 => "twsmux alone is connected".to_owned(),
        n => format!("only twsmux is connected, {n} times: is more than one running?"),
    };
    let who = holders(diagnosis.listeners.iter().flat_map(|l| &l.processes));
    let who = who.map_or("A program whose process may not be looked at".to_owned(), |w| capital(&w));
    format!("{who} listens at {}, no socket is stuck, {connected}.", diagnosis.gateway)
}

fn zombies(diagnosis: &Diagnosis) -> (String, Vec<String>) {
    let gateway = &diagnosis.gateway;
    let (are, whose) = match diagnosis.zombies.len() {
        1 => ("1 socket of the Gateway is".to_owned(), "its client"),
        n => (format!("{n} sockets of the Gateway are"), "their clients"),
    };
    let happened = format!(
        "{are} stuck in CLOSE_WAIT at {gateway}: {whose} hung up and the Gateway did not close its side. While one \
         exists, the Gateway may leave every new API connection unanswered, twsmux's too."
    );
    let who = holders(diagnosis.zombies.iter().flat_map(|z| &z.processes))
        .or_else(|| holders(diagnosis.listeners.iter().flat_map(|l| &l.processes)));
    let who = who.map_or(String::new(), |w| format!(" It is {w}."));
    let mut next = Vec::new();
    if !diagnosis.foreign.is_empty() {
        next.push(format!("Stop the programs that dial {gateway} themselves; they are named below."));
    }
    if cfg!(target_os = "linux") {
        next.push(remedy::destroy(gateway));
    }
    next.push(format!("{}{who} It does not close these sockets by itself.", remedy::RESTART));
    next.push(remedy::ONLY_TWSMUX.to_owned());
    next.push("Run doctor again; it should say healthy.".to_owned());
    (happened, next)
}

fn nothing_listens(diagnosis: &Diagnosis) -> (String, Vec<String>) {
    let gateway = &diagnosis.gateway;
    let happened =
        format!("No program accepts connections at {gateway}: twsmux and everything behind it are cut off.");
    let next = vec![
        remedy::START.to_owned(),
        remedy::CHECK_PORT.to_owned(),
        "If it runs in a container: run doctor inside that container.".to_owned(),
    ];
    (happened, next)
}

fn foreign(diagnosis: &Diagnosis) -> (String, Vec<String>) {
    let gateway = &diagnosis.gateway;
    let are = match diagnosis.foreign.len() {
        1 => "1 connection that is not twsmux's leads".to_owned(),
        n => format!("{n} connections that are not twsmux's lead"),
    };
    let happened = format!(
        "{are} to {gateway}. When such a program hangs up or crashes, it can leave a socket in CLOSE_WAIT that blocks the \
         Gateway for everybody."
    );
    let next = vec![
        format!("Point each of these programs at twsmux's listening address instead of {gateway}."),
        "A monitor that connects to the port to see whether it is open: replace it by `twsmux doctor` or by the /readyz \
         page of twsmux."
            .to_owned(),
    ];
    (happened, next)
}

fn unknown(diagnosis: &Diagnosis) -> (String, Vec<String>) {
    let gateway = &diagnosis.gateway;
    let there = remedy::LOOK_THERE;
    match &diagnosis.unknown {
        Some(OutOfSight::Unresolved(why)) => (
            format!("The host name in {gateway} has no address: {why}. Nothing was looked at."),
            vec!["Check the name, or give the address itself.".to_owned()],
        ),
        Some(OutOfSight::TableUnreadable(why)) => (
            format!("The sockets at {gateway} cannot be seen: {why}."),
            vec![
                match cfg!(target_os = "linux") {
                    true => "Run doctor where /proc is mounted and readable.",
                    false => "See whether netstat works here; report what it prints if it does.",
                }
                .to_owned(),
            ],
        ),
        Some(OutOfSight::Forwarded(process)) if process.role == Role::Twsmux => (
            format!(
                "At {gateway} listens twsmux itself, {process}, not the Gateway. How the Gateway is cannot be seen here."
            ),
            vec![
                "Give doctor the Gateway's own address, the one that twsmux has as its upstream.".to_owned(),
            ],
        ),
        Some(OutOfSight::Forwarded(process)) => (
            format!(
                "At {gateway} listens a forwarder, {process}; the Gateway is behind it, and its own sockets are not among \
                 those of this port."
            ),
            vec![
                there.to_owned(),
                "Give it the Gateway's own address there, not the forwarder's.".to_owned(),
            ],
        ),
        Some(OutOfSight::OtherNamespace) => (
            format!(
                "Connections lead to {gateway}, but their other ends are not on this machine's table: the Gateway is in \
                 another network namespace, as a container's published port is."
            ),
            vec![there.to_owned()],
        ),
        Some(OutOfSight::NotOnThisMachine) | None => (
            format!(
                "{gateway} is not an address of this machine or network namespace; its sockets cannot be seen from here."
            ),
            vec![there.to_owned()],
        ),
    }
}

/// "process 1 (java)", "process 1 (java) and process 2 (java)"; each once. `None` for nobody.
fn holders<'a>(processes: impl Iterator<Item = &'a Process>) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for process in processes.map(Process::to_string) {
        if !names.contains(&process) {
            names.push(process);
        }
    }
    (!names.is_empty()).then(|| names.join(" and "))
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

impl Display for Zombie {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let n = self.unread_bytes;
        write!(f, "from {}: ", self.peer)?;
        match self.kind {
            ZombieKind::NeverAccepted => {
                write!(f, "never accepted, {n} bytes unread; the Gateway takes no connections")?
            }
            ZombieKind::HandshakeUnread => write!(
                f,
                "{n} bytes and the hang-up unread; the Gateway stopped reading, in the handshake as a rule"
            )?,
            ZombieKind::FinUnread => {
                write!(f, "all bytes read, only the hang-up unread; the Gateway stopped reading")?
            }
            ZombieKind::NotShown => write!(f, "never closed; what is unread this system does not show")?,
            ZombieKind::NotClosed => write!(f, "everything read, the hang-up too, but never closed")?,
        }
        match holders(self.peer_processes.iter()) {
            Some(who) => write!(f, "; hung up by {who}"),
            None => Ok(()),
        }
    }
}

impl Display for Connection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "from {} ({}): ", self.peer, self.state)?;
        match (holders(self.processes.iter()), self.uid) {
            (Some(who), _) => f.write_str(&who),
            (None, Some(uid)) => {
                write!(f, "a process of user {uid} that may not be looked at; run doctor as root")
            }
            (None, None) => f.write_str("a program on another machine or in another network namespace"),
        }
    }
}

fn list<T: Display>(f: &mut Formatter<'_>, heading: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(f, "  {heading}:")?;
    items.iter().take(MAX_LISTED).try_for_each(|item| writeln!(f, "    {item}"))?;
    match items.len().saturating_sub(MAX_LISTED) {
        0 => Ok(()),
        more => writeln!(f, "    and {more} more; --json lists all"),
    }
}

impl Display for Diagnosis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let name = finding.verdict.name().replace('_', " ");
            writeln!(f, "{}: {name}: {}", self.gateway, finding.happened)?;
            match finding.verdict {
                Verdict::Zombies => list(f, "the stuck sockets", &self.zombies)?,
                Verdict::Foreign => list(f, "the connections", &self.foreign)?,
                Verdict::Healthy | Verdict::NothingListens | Verdict::Unknown => {}
            }
            for (number, step) in finding.next.iter().enumerate() {
                writeln!(f, "  {}. {step}", number + 1)?;
            }
        }
        let waiting: u32 = self.listeners.iter().map(|l| l.accept_queue).sum();
        if waiting > 0 {
            writeln!(
                f,
                "Note: connections that wait to be accepted by the program that listens: {waiting}."
            )?;
        }
        Ok(())
    }
}
