//! `twsmux replay`: a capture against the multiplexer itself, or one client's side of it against a twsmux that runs.
//!
//! Owns: the arguments, and how differences are shown. May not know: how they are found; that is [`capture::replay`]'s.
//! Driven by: the command line.
//!
//! [`capture::replay`]: crate::capture::replay

mod against;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use super::decode::capture::{Paper, name};
use super::decode::show::Printer;
use crate::capture::format::{Fault, Reader, Record, Side, What};
use crate::capture::replay::{Difference, Replay, Unusable};
use crate::capture::script::scripts;
use against::{Manner, Played, Stop};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A fresh multiplexer is told what the capture says was read, at the recorded times and without waiting for them; what it \
says is compared with what was written. No socket is opened and no file written. The capture must be one of \
`twsmux run --capture`. What the order journal held before is not in it: start with an empty one.

With --against what one client sent is sent again, and what comes back is printed. Orders and whatever else could change \
something are left out and counted unless --orders is given.

Exit codes: 0 all equal, or all was sent; 1 something differs, and the first difference of each connection is shown, or the \
other side ended it; 2 the file or the arguments cannot be used, or the file not to its end.")]
pub struct ReplayArgs {
    /// The capture
    #[arg(value_name = "FILE")]
    file: String,
    /// Play one client's side against a twsmux or a simulated Gateway that runs there, instead
    #[arg(long, value_name = "HOST:PORT")]
    against: Option<String>,
    /// Which client, where there are several
    #[arg(long, value_name = "ID", requires = "against", allow_negative_numbers = true)]
    client: Option<i32>,
    /// How many times as fast as it was; 0: without pauses
    #[arg(long, value_name = "N", requires = "against", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// How long answers are waited for after the last message, in seconds
    #[arg(long, value_name = "SECONDS", requires = "against", default_value_t = 3.0, value_parser = wait)]
    wait: f64,
    /// Send orders, cancels and whatever else changes something or costs money, too. Behind a twsmux there may be a real account
    #[arg(long, requires = "against")]
    orders: bool,
    /// Dial another machine, too
    #[arg(long, requires = "against")]
    any_host: bool,
    /// Print the numbers alone
    #[arg(long, requires = "against")]
    summary: bool,
}

fn number(text: &str, most: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n: &f64| (0.0..=most).contains(n));
    number.ok_or_else(|| format!("{text} is no number from 0 to {most}"))
}

fn speed(text: &str) -> Result<f64, String> {
    number(text, 1e6)
}

fn wait(text: &str) -> Result<f64, String> {
    number(text, 600.0)
}

/// How far it came.
enum Came {
    /// To the end.
    Through,
    /// It is cut off.
    Torn(String),
    /// It cannot be used from there on.
    Stuck(String),
    /// The core panicked.
    Panicked,
}

/// Replays the capture.
pub fn run(args: &ReplayArgs) -> ExitCode {
    let reader = match open(&args.file) {
        Ok(reader) => reader,
        Err(words) => return super::fail(2, words),
    };
    match &args.against {
        None => core(args, reader),
        Some(name) => client(args, name, reader),
    }
}

/// One client's side.
fn client(args: &ReplayArgs, name: &str, mut reader: Reader<BufReader<File>>) -> ExitCode {
    let (scripts, cut) = match scripts(&mut reader, args.client) {
        Ok(found) => found,
        Err(words) => return super::fail(2, format!("{}: {words}", args.file)),
    };
    if let Some(words) = cut {
        eprintln!("twsmux: {}: {words}", args.file);
    }
    let address = match against::address(name, args.any_host) {
        Ok(address) => address,
        Err(words) => return super::fail(2, words),
    };
    let manner = Manner {
        speed: args.speed,
        wait: Duration::from_secs_f64(args.wait),
        orders: args.orders,
        summary: args.summary,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut played = Played::default();
    let end = against::play(&scripts, address, &manner, &mut out, &mut played);
    let printed = numbers(&mut out, &played);
    match (end, printed) {
        (Err(Stop::Unusable(words)), _) => super::fail(2, words),
        (Err(Stop::Ended(words)), _) => super::fail(1, words),
        (Err(Stop::Output(error)), _) | (Ok(()), Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            super::fail(2, format!("cannot write: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

/// What was sent, left out and received.
fn numbers(out: &mut impl Write, played: &Played) -> io::Result<()> {
    let Played { sent, left_out, received, unknown } = played;
    writeln!(out, "{sent} messages sent, {} left out", left_out.values().sum::<u64>())?;
    for (why, n) in left_out {
        writeln!(out, "   left out: {n} {why}")?;
    }
    if !left_out.is_empty() {
        writeln!(out, "   what could change something is sent with --orders alone")?;
    }
    writeln!(out, "{} messages received", received.values().sum::<u64>() + unknown)?;
    for (name, n) in received {
        writeln!(out, "   {n} {name}")?;
    }
    if *unknown > 0 {
        writeln!(out, "   {unknown} unknown")?;
    }
    out.flush()
}

/// A capture to be read.
fn open(file: &str) -> Result<Reader<BufReader<File>>, String> {
    let input = File::open(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    Reader::new(BufReader::new(input)).map_err(|fault| format!("{file}: {fault}"))
}

/// Against a core.
fn core(args: &ReplayArgs, mut reader: Reader<BufReader<File>>) -> ExitCode {
    let begin = reader.begin().clone();
    let mut replay = match Replay::new(&begin) {
        Ok(replay) => replay,
        Err(unusable) => return super::fail(2, format!("{}: {unusable}", args.file)),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    if begin.twsmux != env!("CARGO_PKG_VERSION") {
        eprintln!(
            "twsmux: it was written by twsmux {}, and this is {}: what differs may rightly do so",
            begin.twsmux,
            env!("CARGO_PKG_VERSION")
        );
    }
    if !begin.journal_was_empty {
        eprintln!(
            "twsmux: the order journal was not empty when it began, and is not in it: order ids, and what depends on them, \
             will differ"
        );
    }
    let mut last = None;
    let came = all(&mut replay, &mut reader, &mut last);
    let differences = replay.differences().to_vec();
    let printed = differences.iter().try_for_each(|difference| show(&mut out, difference)).and_then(|()| {
        if let (Came::Panicked, Some(record)) = (&came, &last) {
            writeln!(out, "the core panicked at record {}:", replay.number())?;
            paper(&mut out, &replay, std::slice::from_ref(record))?;
        }
        let (records, frames) = (replay.number(), replay.frames());
        writeln!(out, "{records} records, {frames} frames equal, {} connections differ", differences.len())?;
        out.flush()
    });
    match (came, printed) {
        (_, Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            super::fail(2, format!("cannot write: {error}"))
        }
        (Came::Panicked, _) => ExitCode::from(1),
        (Came::Stuck(words), _) => super::fail(2, format!("{}: {words}", args.file)),
        (Came::Torn(words), _) => {
            eprintln!("twsmux: {}: {words}", args.file);
            ExitCode::from(u8::from(!differences.is_empty()))
        }
        (Came::Through, _) => ExitCode::from(u8::from(!differences.is_empty())),
    }
}

/// Tells the core everything.
fn all(replay: &mut Replay, reader: &mut Reader<BufReader<File>>, last: &mut Option<Record>) -> Came {
    loop {
        let record = match reader.next() {
            Ok(Some(record)) => record,
            Ok(None) => {
                return match catch_unwind(AssertUnwindSafe(|| replay.finish())) {
                    Ok(()) => Came::Through,
                    Err(_) => Came::Panicked,
                };
            }
            Err(torn @ Fault::Torn(_)) => return Came::Torn(torn.to_string()),
            Err(fault) => return Came::Stuck(fault.to_string()),
        };
        *last = Some(record.clone());
        // A capture of a panic panics here too: that is what it is for.
        match catch_unwind(AssertUnwindSafe(|| replay.step(&record))) {
            Ok(Ok(())) => {}
            Ok(Err(Unusable(words))) => return Came::Stuck(format!("record {}: {words}", replay.number())),
            Err(_) => return Came::Panicked,
        }
    }
}

/// A difference, with what was said before it.
fn show(out: &mut impl Write, difference: &Difference) -> io::Result<()> {
    let Difference { number, time, side, words, version, recorded, replayed, before } = difference;
    let at = format!("{}.{:06} s", time.0 / 1_000_000, time.0 % 1_000_000);
    writeln!(out, "record {number} at {at}, connection {}: {words}", name(*side))?;
    let mut print = |title: &str, bytes: &Option<Vec<u8>>| {
        writeln!(out, "{title}:")?;
        match bytes {
            Some(bytes) => {
                let mut printer = Printer::plain(out);
                Paper::new(&mut printer, None).with_length(*side, *version, bytes)
            }
            None => writeln!(out, "   nothing"),
        }
    };
    print("in the capture", recorded)?;
    print("in the replay", replayed)?;
    writeln!(out, "before it:")?;
    for (record, version) in before {
        let mut printer = Printer::plain(out);
        let mut paper = Paper::new(&mut printer, None);
        paper.knows(record.side, *version);
        brief(&mut paper, record)?;
    }
    writeln!(out)
}

fn paper(out: &mut impl Write, replay: &Replay, records: &[Record]) -> io::Result<()> {
    let mut printer = Printer::plain(out);
    let mut paper = Paper::new(&mut printer, None);
    for record in records {
        paper.knows(record.side, replay.version(record.side));
        brief(&mut paper, record)?;
    }
    Ok(())
}

/// A record, those without bytes by name.
fn brief<W: Write>(paper: &mut Paper<'_, '_, W>, record: &Record) -> io::Result<()> {
    match (&record.what, record.side) {
        (What::Tick | What::Journaled { .. }, Side::None) => paper.named(record),
        _ => paper.record(record),
    }
}
