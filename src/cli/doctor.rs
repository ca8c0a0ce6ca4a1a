//! `twsmux doctor`: the Gateway's port from the outside.
//!
//! Owns: the arguments, the printing, and the question before sockets are ended. May not know: how the verdict is reached, what
//! may be ended and how ([`crate::sockets`]). Driven by: the command line.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;

use crate::sockets::{
    self,
    destroy::{self, Plan, Report},
};

/// Longest answer to the question that is read, bytes.
const MAX_ANSWER: u64 = 64;
/// Most sockets that are listed before the question; `--json` lists all afterwards.
const MAX_LISTED: usize = 50;

/// Arguments of `doctor`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 healthy; 1 zombies; 2 wrong usage; 3 nothing listens; 4 programs other than twsmux are \
                  connected; 5 unknown, the Gateway's sockets cannot be seen from here. The most severe decides, which \
                  is the smallest above 0.\n\
                  With --destroy-zombies: 0 all ended, none remains; 1 some remain; 2 wrong usage; 5 unknown; 6 nothing to do; \
                  7 declined, or nobody to ask; 8 not permitted (CAP_NET_ADMIN); 9 the kernel cannot; 10 not Linux; 11 failed."
)]
pub struct DoctorArgs {
    /// The Gateway's address; only looked at, never dialled.
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "TWSMUX_GATEWAY",
        default_value = "127.0.0.1:4002",
        value_parser = host_and_port
    )]
    pub gateway: String,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
    /// End the Gateway's sockets that are stuck in CLOSE_WAIT, in the kernel: it may recover without a restart. Shows them and
    /// asks first. Linux, as root.
    #[arg(long)]
    pub destroy_zombies: bool,
    /// Do not ask: for scripts.
    #[arg(long, requires = "destroy_zombies")]
    pub yes: bool,
}

/// Examines the port, prints the diagnosis to stdout, and returns the exit code of its most severe verdict.
pub fn run(args: DoctorArgs) -> ExitCode {
    if args.destroy_zombies {
        let report = end_zombies(&args);
        let _ = print(&report, args.json);
        return ExitCode::from(report.exit_code);
    }
    let diagnosis = sockets::examine_settled(&args.gateway, &[]);
    // A reader that left early does not change the verdict.
    let _ = print(&diagnosis, args.json);
    ExitCode::from(diagnosis.exit_code)
}

fn print(what: &(impl serde::Serialize + std::fmt::Display), json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, what)?;
        writeln!(out)
    } else {
        write!(out, "{what}")
    }
}

fn end_zombies(args: &DoctorArgs) -> Report {
    let plan = match destroy::plan(&args.gateway) {
        Ok(plan) => plan,
        Err(report) => return *report,
    };
    // List and question go where the outcome does not, so that JSON stays JSON.
    let _ = list(&plan, &args.gateway);
    if args.yes {
        return plan.carry_out();
    }
    if !std::io::stdin().is_terminal() {
        return plan.declined("There is no terminal to ask on, and --yes was not given.");
    }
    match agreed(plan.zombies().len()) {
        true => plan.carry_out(),
        false => plan.declined("The answer was not yes."),
    }
}

fn list(plan: &Plan, gateway: &str) -> std::io::Result<()> {
    let mut err = std::io::stderr().lock();
    writeln!(err, "In CLOSE_WAIT at {gateway}:")?;
    for zombie in plan.zombies().iter().take(MAX_LISTED) {
        let holders: Vec<String> = zombie.processes.iter().map(ToString::to_string).collect();
        let holder = match holders.is_empty() {
            true => "held by nobody that can be seen from here".to_owned(),
            false => format!("held by {}", holders.join(" and ")),
        };
        writeln!(err, "  {zombie}; {holder}")?;
    }
    match plan.zombies().len().saturating_sub(MAX_LISTED) {
        0 => Ok(()),
        more => writeln!(err, "  and {more} more"),
    }
}

/// Asks. No answer is no.
fn agreed(n: usize) -> bool {
    let mut err = std::io::stderr().lock();
    let asked = write!(
        err,
        "The kernel forgets each of them and tells the other end by a reset. Destroy these {n}? [y/N] "
    )
    .and_then(|()| err.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().take(MAX_ANSWER).read_line(&mut answer);
    asked.and(read).is_ok() && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

/// Checks the form; the name is resolved later.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let port =
        text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(1..)) => Ok(text.to_owned()),
        _ => Err("expected HOST:PORT with a port from 1 to 65535, an IPv6 address in brackets".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn a_gateway_is_a_host_and_a_port() {
        for good in ["127.0.0.1:4002", "localhost:4001", "[::1]:7496"] {
            assert_eq!(host_and_port(good).as_deref(), Ok(good));
        }
        for bad in ["", "4002", ":4002", "host:", "host:0", "host:70000", "host:x"] {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
    }
}
