//! `twsmux check`: what a start script asks before it starts a strategy.
//!
//! Owns: the arguments and the printing. May not know: how the answer is come by ([`visit`]) and how it is put into words
//! ([`outcome`]). Driven by: the command line.

mod outcome;
mod visit;
mod way;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use outcome::{Ending, Fault};
use serde_json::json;
use visit::{CLIENT_IDS, Found, Visit};
use way::{Secure, Target, TlsArgs};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = outcome::help())]
pub struct CheckArgs {
    /// Where twsmux listens: HOST:PORT, tls://HOST:PORT, or unix:/PATH. Never the Gateway itself: every connect of its own is a
    /// risk for it
    #[arg(long, env = "TWSMUX_CONNECT", value_name = "ADDR", default_value = "127.0.0.1:4010")]
    connect: Target,
    #[command(flatten)]
    tls: TlsArgs,
    /// Client id to use [default: one of a few that no program is likely to use]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    client_id: Option<i32>,
    /// Patience, in seconds; at least 3 to be told why the Gateway is away
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    timeout: f64,
    /// Only whether twsmux itself answers, whatever the Gateway does: for a check that restarts it
    #[arg(long, conflicts_with_all = ["client_id", "json"])]
    alive: bool,
    /// Print one JSON object, also when something is wrong
    #[arg(long)]
    json: bool,
}

/// Runs the check.
pub fn run(args: &CheckArgs) -> ExitCode {
    if args.alive {
        let knock = || visit(args, patience(args)?, args.tls.read(&args.connect)?, 0).knock();
        return match knock() {
            Ok(()) => {
                print("alive");
                ExitCode::SUCCESS
            }
            Err(fault) => super::fail(fault.ending.exit_code(), fault.words()),
        };
    }
    let outcome = check(args);
    if args.json {
        print(&object(args, &outcome).to_string());
        return ExitCode::from(outcome.map_or_else(|fault| fault.ending, |_| Ending::Ok).exit_code());
    }
    match outcome {
        Ok(found) => {
            print(&found.accounts.join(","));
            eprintln!("{}", remarks(&found));
            ExitCode::SUCCESS
        }
        Err(fault) => super::fail(fault.ending.exit_code(), fault.words()),
    }
}

/// A reader that left early does not change the verdict.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// When it must be over.
fn patience(args: &CheckArgs) -> Result<Instant, Fault> {
    let patience = Duration::try_from_secs_f64(args.timeout).ok().filter(|patience| !patience.is_zero());
    patience.and_then(|patience| Instant::now().checked_add(patience)).ok_or_else(|| {
        Fault::usage(format!("--timeout {}: it must be a number of seconds above 0", args.timeout))
    })
}

fn visit(args: &CheckArgs, deadline: Instant, secure: Option<Secure>, client_id: i32) -> Visit {
    let target = args.connect.clone();
    Visit { name: target.to_string(), target, secure, client_id, deadline, seconds: args.timeout }
}

fn check(args: &CheckArgs) -> Result<Found, Fault> {
    let deadline = patience(args)?;
    let secure = args.tls.read(&args.connect)?;
    let visit = |client_id| visit(args, deadline, secure.clone(), client_id).make();
    if let Some(id) = args.client_id {
        return visit(id);
    }
    // Checks at the same time begin at different ids; one that meets another goes on to the next.
    let count = CLIENT_IDS.len() as u32;
    let first = std::process::id() % count;
    let mut outcome = visit(CLIENT_IDS.start + first as i32);
    for step in 1..count {
        match &outcome {
            Err(fault) if fault.is_id_in_use() && Instant::now() < deadline => {
                outcome = visit(CLIENT_IDS.start + ((first + step) % count) as i32);
            }
            _ => break,
        }
    }
    outcome
}

/// What else there is to say, for a person.
fn remarks(found: &Found) -> String {
    format!(
        "server version {}, started in {:.1} ms, round trip to twsmux {:.1} ms",
        found.server_version,
        found.handshake.as_secs_f64() * 1000.0,
        found.round_trip.as_secs_f64() * 1000.0
    )
}

/// The outcome for a program. Every field is always there; the names are kept stable.
fn object(args: &CheckArgs, outcome: &Result<Found, Fault>) -> serde_json::Value {
    let (ending, happened, next) = match outcome {
        Ok(found) => (Ending::Ok, remarks(found), String::new()),
        Err(fault) => (fault.ending, fault.happened.clone(), fault.next.clone()),
    };
    let found = outcome.as_ref().ok();
    json!({
        "connect": args.connect.to_string(),
        "result": ending.name(),
        "exit_code": ending.exit_code(),
        "happened": happened,
        "next": next,
        "accounts": found.map_or(&[][..], |f| &f.accounts),
        "server_version": found.map(|f| f.server_version),
        "handshake_seconds": found.map(|f| f.handshake.as_secs_f64()),
        "round_trip_seconds": found.map(|f| f.round_trip.as_secs_f64()),
        "gateway_time": found.map(|f| f.gateway_time),
    })
}
