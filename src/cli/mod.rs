//! The command line: one file per subcommand, thin.

mod check;
mod completions;
mod config;
mod control;
mod decode;
mod doctor;
mod http;
mod journal;
mod man;
mod replay;
mod run;
mod sim;
mod status;
mod top;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// One socket to Interactive Brokers Gateway or TWS, any number of API clients.
#[derive(Debug, Parser)]
#[command(name = "twsmux", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the multiplexer.
    Run(run::RunArgs),
    /// Test the way through a running twsmux: API handshake and accounts. Prints the accounts.
    Check(check::CheckArgs),
    /// Print what a shell needs to complete this command line.
    Completions(completions::CompletionsArgs),
    /// Look at the settings without running anything.
    Config(config::ConfigArgs),
    /// Give a running twsmux a command: pause, resume, reconnect, kill, drain, kill-switch, policy, capture.
    Control(control::ControlArgs),
    /// Print recorded frames readably, of any server version.
    Decode(decode::DecodeArgs),
    /// Look at the Gateway's port without touching it, and say what is wrong and what to do.
    Doctor(doctor::DoctorArgs),
    /// Look at the order journal, or repair it.
    Journal(journal::JournalArgs),
    /// Print the manual page, or write all of them.
    Man(man::ManArgs),
    /// Run a capture again, and see whether the same comes of it.
    Replay(replay::ReplayArgs),
    /// Run a simulated Gateway, for trying out and testing programs that trade.
    Sim(sim::SimArgs),
    /// Show what a running twsmux has connected, subscribed and queued.
    Status(status::StatusArgs),
    /// The same, again every second, until Ctrl-C.
    Top(top::TopArgs),
}

/// The command line as a value: for its completions and its manual, and for whoever wants to check a command line.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line and runs the subcommand.
pub fn main() -> ExitCode {
    let code = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Control(args) => control::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Doctor(args) => doctor::run(args),
        Command::Journal(args) => journal::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Top(args) => top::run(&args),
    };
    crate::telemetry::flush_logs();
    code
}

/// Prints an error as one line and gives the exit code for it.
fn fail(code: u8, words: impl std::fmt::Display) -> ExitCode {
    // What was logged before the error stands before it.
    crate::telemetry::flush_logs();
    eprintln!("twsmux: {words}");
    ExitCode::from(code)
}
