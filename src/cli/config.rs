//! `twsmux config`: the settings, looked at and not used.

use std::io::Write;
use std::process::ExitCode;

use crate::config::{ConfigError, Given};

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Check the settings that `run` would have with the same arguments, and print each with its source.
    #[command(
        after_help = "Prints `key = value  # source` for every setting; the sources are `flag`, `environment`, `file` with \
                      the line, and `default`. Nothing is opened but the file and those of the certificates; one that expires soon gives a warning. Exit codes: 0 everything is right; 2 \
                      wrong arguments, or a setting is wrong, with the place and what is allowed; 3 the file cannot \
                      be read."
    )]
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    given: Given,
}

/// Exit code for settings that are wrong; the same as clap's for arguments.
const WRONG: u8 = 2;
/// Exit code for a file that cannot be read.
const UNREADABLE: u8 = 3;

/// Runs `config`.
pub fn run(args: &ConfigArgs) -> ExitCode {
    let ConfigCommand::Check(args) = &args.command;
    match args.given.complete() {
        Ok(effective) => {
            let mut text = String::new();
            for line in &effective.lines {
                text += &format!("{line}\n");
            }
            for warning in effective.rules.tls.iter().flat_map(|tls| &tls.warnings) {
                eprintln!("twsmux: warning: {warning}");
            }
            // A reader that left early does not change the verdict.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error @ ConfigError::Unreadable { .. }) => super::fail(UNREADABLE, error),
        Err(error) => super::fail(WRONG, error),
    }
}
