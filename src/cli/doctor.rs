//! `twsmux doctor`: the Gateway's port from the outside.
//!
//! Owns: the arguments and the printing. May not know: how the verdict is reached ([`crate::sockets`]).
//! Driven by: the command line.

use std::io::Write;
use std::process::ExitCode;

use crate::sockets::{self, Diagnosis};

/// Arguments of `doctor`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 healthy; 1 zombies; 2 wrong usage; 3 nothing listens; 4 programs other than twsmux are \
                  connected; 5 unknown, the Gateway's sockets cannot be seen from here. The most severe decides, which \
                  is the smallest above 0."
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
}

/// Examines the port, prints the diagnosis to stdout, and returns the exit code of its most severe verdict.
pub fn run(args: DoctorArgs) -> ExitCode {
    let diagnosis = sockets::examine_settled(&args.gateway, &[]);
    // A reader that left early does not change the verdict.
    let _ = print(&diagnosis, args.json);
    ExitCode::from(diagnosis.exit_code)
}

fn print(diagnosis: &Diagnosis, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, diagnosis)?;
        writeln!(out)
    } else {
        write!(out, "{diagnosis}")
    }
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
