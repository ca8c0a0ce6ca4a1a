//! Ending the Gateway's zombies in the kernel, when a person asks for it.
//!
//! Owns: which sockets may be ended ([`choose`], pure), the order of things, the outcomes and their exit codes. May not know:
//! how the person was asked, netlink's bytes ([`super::sock_diag`]). Driven by: `twsmux doctor --destroy-zombies`.
//!
//! **Only sockets in CLOSE_WAIT whose near port is the Gateway's, and never one that twsmux holds or is connected to.** What
//! may be ended is found once, with the kernel's cookie for each; exactly these sockets are shown, asked about and ended.
//! Nothing here connects to the Gateway.

use serde::Serialize;

use super::diagnosis::{self, Diagnosis, Zombie};
use super::owners::{Process, Role};
#[cfg(target_os = "linux")]
use super::sock_diag::{self, DiagError, Held};
use crate::remedy;

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All were ended, none remains.
    Ended,
    /// Some remain.
    Remaining,
    /// The Gateway's sockets are out of sight.
    Unknown,
    /// There was none that may be ended.
    NothingToDo,
    /// Nobody agreed.
    Declined,
    /// CAP_NET_ADMIN is missing.
    NotPermitted,
    /// The kernel cannot.
    NoKernelSupport,
    /// The operating system cannot.
    NotLinux,
    /// The kernel's socket diagnosis does not work.
    Failed,
}

/// One row of the table of exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExitCode {
    /// The code of the process.
    pub code: u8,
    /// What it stands for; `None` for a wrong command line.
    pub outcome: Option<Outcome>,
    /// The outcome's name in JSON.
    pub name: &'static str,
}

/// The exit codes of `twsmux doctor --destroy-zombies`; where one is also a code of `doctor`, it means the same. The table in
/// docs/operations.md is compared with it by a test.
pub const EXIT_CODES: [ExitCode; 10] = [
    ExitCode { code: 0, outcome: Some(Outcome::Ended), name: "ended" },
    ExitCode { code: 1, outcome: Some(Outcome::Remaining), name: "remaining" },
    ExitCode { code: 2, outcome: None, name: "usage" },
    ExitCode { code: 5, outcome: Some(Outcome::Unknown), name: "unknown" },
    ExitCode { code: 6, outcome: Some(Outcome::NothingToDo), name: "nothing_to_do" },
    ExitCode { code: 7, outcome: Some(Outcome::Declined), name: "declined" },
    ExitCode { code: 8, outcome: Some(Outcome::NotPermitted), name: "not_permitted" },
    ExitCode { code: 9, outcome: Some(Outcome::NoKernelSupport), name: "no_kernel_support" },
    ExitCode { code: 10, outcome: Some(Outcome::NotLinux), name: "not_linux" },
    ExitCode { code: 11, outcome: Some(Outcome::Failed), name: "failed" },
];

impl Outcome {
    fn row(self) -> &'static ExitCode {
        // Every outcome has a row; a test walks them all.
        EXIT_CODES.iter().find(|row| row.outcome == Some(self)).expect("every outcome has an exit code")
    }

    /// The exit code of `twsmux doctor --destroy-zombies`.
    pub fn exit_code(self) -> u8 {
        self.row().code
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

/// A zombie that is left alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Spared {
    /// Which.
    pub zombie: Zombie,
    /// Why.
    pub why: &'static str,
}

/// What came of it. Serialised by `--json`; the field names are kept stable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The Gateway as asked for.
    pub gateway: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Its exit code.
    pub exit_code: u8,
    /// What happened, and to whom.
    pub happened: String,
    /// What to do, step by step; empty if nothing.
    pub next: Vec<String>,
    /// The sockets that were ended.
    pub ended: Vec<Zombie>,
    /// Zombies that were left alone on purpose.
    pub spared: Vec<Spared>,
    /// Zombies of the port afterwards, the spared ones among them.
    pub remaining: Vec<Zombie>,
}

/// Which of the zombies may be ended. Pure.
pub fn choose(diagnosis: &Diagnosis) -> (Vec<Zombie>, Vec<Spared>) {
    let is_twsmux = |processes: &[Process]| processes.iter().any(|p| p.role == Role::Twsmux);
    let listens = diagnosis.listeners.iter().any(|listener| is_twsmux(&listener.processes));
    let own = |zombie: &Zombie| diagnosis.own.iter().any(|connection| connection.peer == zombie.peer);
    let (mut chosen, mut spared) = (Vec::new(), Vec::new());
    for zombie in &diagnosis.zombies {
        let why = if is_twsmux(&zombie.processes) || listens {
            "twsmux holds it"
        } else if is_twsmux(&zombie.peer_processes) || own(zombie) {
            "its other end is twsmux's"
        } else {
            chosen.push(zombie.clone());
            continue;
        };
        spared.push(Spared { zombie: zombie.clone(), why });
    }
    (chosen, spared)
}

/// What may be ended, found and not yet touched.
#[derive(Clone, Debug)]
pub struct Plan {
    gateway: String,
    chosen: Vec<Zombie>,
    spared: Vec<Spared>,
    #[cfg(target_os = "linux")]
    held: Vec<Held>,
}

/// Looks at the port as `doctor` does and finds what may be ended; otherwise says why nothing can be done.
///
/// # Errors
/// The report, with the reason.
pub fn plan(gateway: &str) -> Result<Plan, Box<Report>> {
    if cfg!(not(target_os = "linux")) {
        return Err(report(
            gateway,
            Outcome::NotLinux,
            "Ending single sockets of another program is something that only Linux can do; nothing was touched.",
            vec![remedy::RESTART.to_owned()],
        ));
    }
    let diagnosis = super::examine_settled(gateway, &[]);
    if diagnosis.unknown.is_some() {
        let unknown = diagnosis.findings.iter().find(|f| f.verdict == diagnosis::Verdict::Unknown);
        let happened = unknown.map_or(String::new(), |f| f.happened.clone());
        let next = unknown.map_or(Vec::new(), |f| f.next.clone());
        return Err(report(gateway, Outcome::Unknown, &format!("{happened} Nothing was touched."), next));
    }
    let (chosen, spared) = choose(&diagnosis);
    if chosen.is_empty() {
        let happened = match (spared.len(), diagnosis.listeners.is_empty()) {
            (0, false) => format!("No socket of the Gateway is stuck at {gateway}."),
            (0, true) => format!("No socket is stuck at {gateway}, and no program listens there."),
            (n, _) => format!(
                "{n} in CLOSE_WAIT at {gateway}, and all of them are twsmux's own: they are left alone."
            ),
        };
        let mut report = report(gateway, Outcome::NothingToDo, &happened, Vec::new());
        report.remaining = diagnosis.zombies;
        report.spared = spared;
        return Err(report);
    }
    find(Plan {
        gateway: gateway.to_owned(),
        chosen,
        spared,
        #[cfg(target_os = "linux")]
        held: Vec::new(),
    })
}

/// Finds the kernel's names of what is chosen.
#[cfg(target_os = "linux")]
fn find(mut plan: Plan) -> Result<Plan, Box<Report>> {
    if sock_diag::may_destroy() == Some(false) {
        return Err(plan.stopped(&DiagError::NotPermitted));
    }
    let port = plan.chosen[0].local.port();
    let all = sock_diag::close_waits(port).map_err(|error| plan.stopped(&error))?;
    // Of those that the diagnosis saw twice, in the order of its list; what is gone by now needs no end.
    let held = |zombie: &Zombie| {
        all.iter().find(|held| held.local == zombie.local && held.remote == zombie.peer).cloned()
    };
    (plan.chosen, plan.held) =
        plan.chosen.iter().filter_map(|zombie| Some((zombie.clone(), held(zombie)?))).unzip();
    if plan.held.is_empty() {
        let happened = format!("The stuck sockets at {} are gone by themselves.", plan.gateway);
        return Err(report(&plan.gateway, Outcome::NothingToDo, &happened, Vec::new()));
    }
    Ok(plan)
}

#[cfg(not(target_os = "linux"))]
fn find(plan: Plan) -> Result<Plan, Box<Report>> {
    Ok(plan)
}

impl Plan {
    /// What will be ended; never empty.
    pub fn zombies(&self) -> &[Zombie] {
        &self.chosen
    }

    /// The report when nobody agreed; `why` is a sentence.
    pub fn declined(self, why: &str) -> Report {
        let happened =
            format!("{why} Nothing was touched: {} still in CLOSE_WAIT.", count(self.chosen.len()));
        let next = vec![
            "Run it on a terminal and answer y, or give --yes.".to_owned(),
            remedy::RESTART_AT_LAST.to_owned(),
        ];
        let mut report = *report(&self.gateway, Outcome::Declined, &happened, next);
        report.remaining = self.chosen;
        report.remaining.extend(self.spared.iter().map(|spared| spared.zombie.clone()));
        report.spared = self.spared;
        report
    }

    /// Ends them, and looks at the port again.
    #[cfg(target_os = "linux")]
    pub fn carry_out(self) -> Report {
        let mut ended = Vec::new();
        let mut troubles: Vec<DiagError> = Vec::new();
        for (zombie, held) in self.chosen.iter().zip(&self.held) {
            match sock_diag::destroy(held) {
                Ok(()) => ended.push(zombie.clone()),
                Err(DiagError::Gone) => {}
                Err(error) => troubles.push(error),
            }
        }
        let remaining = super::examine_settled(&self.gateway, &[]).zombies;
        let mut report = match troubles.first() {
            Some(error) if ended.is_empty() => self.stopped(error),
            trouble => {
                let trouble =
                    trouble.map_or(String::new(), |error| format!(" Of one the kernel said: {error}."));
                let gone = self.chosen.len() - ended.len();
                let gone = if gone > 0 && trouble.is_empty() {
                    format!(" Others were gone by themselves: {gone}.")
                } else {
                    String::new()
                };
                let outcome = if remaining.is_empty() { Outcome::Ended } else { Outcome::Remaining };
                let happened = format!(
                    "{} ended in the kernel, {} in CLOSE_WAIT now.{gone}{trouble} Whether the Gateway recovers is its own \
                     affair: what it had waited for is gone, and a part of it that is stuck for another reason stays stuck.",
                    count(ended.len()),
                    remaining.len()
                );
                report(&self.gateway, outcome, &happened, afterwards())
            }
        };
        report.ended = ended;
        report.remaining = remaining;
        report.spared = self.spared;
        *report
    }

    /// The same, where it cannot be done.
    #[cfg(not(target_os = "linux"))]
    pub fn carry_out(self) -> Report {
        self.declined("This operating system cannot do it.")
    }

    /// The report when the kernel did not let it be done.
    #[cfg(target_os = "linux")]
    fn stopped(&self, error: &DiagError) -> Box<Report> {
        let (outcome, step) = match error {
            DiagError::NotPermitted => (
                Outcome::NotPermitted,
                "Run it as root (sudo), or in a container with the capability NET_ADMIN that shares the Gateway's network \
                 namespace.",
            ),
            DiagError::NotSupported => (
                Outcome::NoKernelSupport,
                "A kernel with CONFIG_INET_DIAG_DESTROY=y can do it; most distributions' have it.",
            ),
            DiagError::Gone | DiagError::Failed(_) => (
                Outcome::Failed,
                "A sandbox that forbids netlink sockets (RestrictAddressFamilies, seccomp) is a usual cause: run it outside.",
            ),
        };
        let happened = format!("{} ended at {}: {error}.", count(0), self.gateway);
        let mut report = report(
            &self.gateway,
            outcome,
            &happened,
            vec![step.to_owned(), remedy::RESTART_AT_LAST.to_owned()],
        );
        report.remaining = self.chosen.clone();
        report.remaining.extend(self.spared.iter().map(|spared| spared.zombie.clone()));
        report.spared = self.spared.clone();
        report
    }
}

/// What to do when zombies were ended: a chance, and no promise.
#[cfg(target_os = "linux")]
fn afterwards() -> Vec<String> {
    vec![
        "A running twsmux looks again every 15 s or so and dials when it sees no zombie; `twsmux status` shows how it fares. Do \
         not try the port by hand."
            .to_owned(),
        remedy::RESTART_AT_LAST.to_owned(),
        remedy::ONLY_TWSMUX.to_owned(),
    ]
}

/// "1 socket", "2 sockets".
fn count(n: usize) -> String {
    format!("{n} socket{}", if n == 1 { "" } else { "s" })
}

fn report(gateway: &str, outcome: Outcome, happened: &str, next: Vec<String>) -> Box<Report> {
    Box::new(Report {
        gateway: gateway.to_owned(),
        outcome,
        exit_code: outcome.exit_code(),
        happened: happened.to_owned(),
        next,
        ended: Vec::new(),
        spared: Vec::new(),
        remaining: Vec::new(),
    })
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {}: {}", self.gateway, self.outcome.name().replace('_', " "), self.happened)?;
        for spared in &self.spared {
            writeln!(f, "  left alone, because {}: {}", spared.why, spared.zombie)?;
        }
        for (number, step) in self.next.iter().enumerate() {
            writeln!(f, "  {}. {step}", number + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "destroy_tests.rs"]
mod tests;
