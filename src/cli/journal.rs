//! `twsmux journal`: the order journal from the outside.
//!
//! Owns: the arguments, finding the file, what is said of it. May not know: the file's bytes, and what its records mean;
//! that is [`crate::journal`]'s. Driven by: the command line.

mod report;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::journal::log::FILE;
use crate::journal::recover::{self, End, Reading};
use crate::journal::salvage::{leave_out_lost_ids, salvage};
use crate::journal::{FileDisk, Journal, format::HeaderFault};
use crate::shell::state_dir::{self, StateDir, StateDirError};

/// Its end is cut short.
const TORN: u8 = 1;
/// It is damaged, no journal, or of a newer version.
const DAMAGED: u8 = 2;
/// There is none, or it cannot be read or written.
const ABSENT: u8 = 3;
/// A running twsmux has it.
const LOCKED: u8 = 4;

/// Arguments of `journal`.
#[derive(Debug, clap::Args)]
pub struct JournalArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say whether the order journal is whole. Changes nothing; may run beside a twsmux.
    #[command(after_help = "\
Exit codes: 0 whole; 1 its end is torn, which the next start cuts off (while twsmux runs: a write is under way); \
2 damaged, not a journal, of a newer version, or wrong arguments; 3 there is none, or it cannot be read.")]
    Verify(Which),
    /// Print what the order journal says. Changes nothing; may run beside a twsmux.
    #[command(after_help = "\
What stands before damage is printed, and the exit code tells: 0 whole; 1 its end is torn (while twsmux runs: a write is \
under way); 2 damaged, not a journal, of a newer version, or wrong arguments; 3 there is none, or it cannot be read.")]
    Show(ShowArgs),
    /// Save what can be read of a damaged order journal, and keep a copy of it. twsmux must not run.
    #[command(after_help = "\
Exit codes: 0 repaired, or there was nothing to repair; 2 it cannot be repaired (nothing can be read, not a journal, of a \
newer version), or wrong arguments; 3 there is none, or it cannot be read or written; 4 a running twsmux has it.")]
    Repair(RepairArgs),
}

/// Which journal.
#[derive(Debug, clap::Args)]
struct Which {
    /// The journal, or the folder that it is in; without it, the one that `twsmux run` uses
    #[arg(value_name = "FILE|FOLDER")]
    path: Option<PathBuf>,
    /// Where `twsmux run` keeps its state, one folder per Gateway
    #[arg(long, env = "TWSMUX_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The Gateway whose orders they are
    #[arg(long, env = "TWSMUX_UPSTREAM", value_name = "HOST:PORT", default_value = "127.0.0.1:4002")]
    upstream: String,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    which: Which,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RepairArgs {
    #[command(flatten)]
    which: Which,
    /// The file comes from a backup: leave out the order ids that were used since, although it is whole
    #[arg(long)]
    restored: bool,
}

/// Exit code and words.
type Failure = (u8, String);

/// Runs `journal`.
pub fn run(args: &JournalArgs) -> ExitCode {
    let done = match &args.command {
        Command::Verify(which) => verify(which),
        Command::Show(args) => show(args),
        Command::Repair(args) => repair(args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err((code, words)) => super::fail(code, words),
    }
}

/// The journal's file. Nothing is made.
fn find(which: &Which) -> Result<PathBuf, Failure> {
    match &which.path {
        Some(path) if path.is_dir() => Ok(path.join(FILE)),
        Some(path) => Ok(path.clone()),
        None if which.upstream == "sim" => Err((
            DAMAGED,
            "the simulated Gateway has another address each time, and a temporary journal: name the file or its folder"
                .into(),
        )),
        None => {
            let gateway = super::run::resolve(&which.upstream).map_err(|words| (DAMAGED, words))?;
            let root = which.state_dir.clone().unwrap_or_else(state_dir::default_root);
            Ok(StateDir::folder(&root, &gateway.to_string()).join(FILE))
        }
    }
}

fn load(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => (
            ABSENT,
            format!(
                "there is no order journal {}. `twsmux run` makes it; name another one as an argument, or with \
                 --state-dir and --upstream",
                path.display()
            ),
        ),
        _ => (ABSENT, format!("cannot read {}: {error}", path.display())),
    })
}

fn understand(path: &Path, bytes: &[u8]) -> Result<Reading, Failure> {
    recover::read(bytes).map_err(|fault| {
        let hint = match fault {
            HeaderFault::Newer(_) => "Use the twsmux that wrote it, or a newer one",
            _ => "If it is an order journal, `twsmux journal repair` saves what can be read",
        };
        (DAMAGED, format!("{} is no order journal that can be read: {fault}. {hint}", path.display()))
    })
}

fn verdict(end: End) -> u8 {
    match end {
        End::Whole => 0,
        End::Torn(_) => TORN,
        End::Damaged { .. } => DAMAGED,
    }
}

/// A reader that left early (`| head`) does not change what was found.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn verify(which: &Which) -> Result<u8, Failure> {
    let path = find(which)?;
    let reading = understand(&path, &load(&path)?)?;
    print(&report::verify(&path, &reading));
    Ok(verdict(reading.end))
}

fn show(args: &ShowArgs) -> Result<u8, Failure> {
    let path = find(&args.which)?;
    let reading = understand(&path, &load(&path)?)?;
    print(&if args.json { report::json(&path, &reading) } else { report::show(&path, &reading) });
    Ok(verdict(reading.end))
}

fn repair(args: &RepairArgs) -> Result<u8, Failure> {
    let path = find(&args.which)?;
    // Before the lock, so that nothing is made where there is no journal.
    load(&path)?;
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name != FILE {
        return Err((
            DAMAGED,
            format!(
                "{} is not called {FILE}, so that twsmux would not use it. Give it that name, in the folder where twsmux \
                 looks for it, and repair it there",
                path.display()
            ),
        ));
    }
    let _lock = StateDir::lock_folder(folder, "").map_err(|error| match error {
        StateDirError::Taken { holder, path: lock, .. } => (
            LOCKED,
            format!(
                "{} is in use by a running twsmux (process {holder}, lock {lock}). Stop that one first",
                path.display()
            ),
        ),
        StateDirError::Io { .. } => (ABSENT, error.to_string()),
    })?;
    let bytes = load(&path)?;
    match recover::read(&bytes) {
        Err(HeaderFault::Newer(_)) => return understand(&path, &bytes).map(|_| 0),
        Ok(reading) if !args.restored && !matches!(reading.end, End::Damaged { .. }) => {
            print(&report::verify(&path, &reading));
            print("There is nothing to repair.\n");
            return Ok(0);
        }
        _ => {}
    }
    let mut found = salvage(&bytes);
    if found.records == 0 {
        return Err((
            DAMAGED,
            format!(
                "nothing can be read in {}; it was left as it is. Move it away if it is of no use: twsmux then starts as \
                 it did the first time, and orders from before belong to the client whose id is twsmux's own",
                path.display()
            ),
        ));
    }
    let copy = set_aside(folder, &bytes).map_err(|error| {
        (ABSENT, format!("cannot keep a copy of {}: {error}. Nothing was changed", path.display()))
    })?;
    let lost_bytes = found.lost_bytes();
    let left_out = leave_out_lost_ids(&mut found.state, lost_bytes);
    let text = report::repaired(&path, &copy, &found, left_out);
    Journal::replace(FileDisk::new(folder), found.state).map_err(|error| {
        (ABSENT, format!("{error}. The file as it was is kept as {}; repair it again", copy.display()))
    })?;
    print(&text);
    Ok(0)
}

/// Writes a copy of the damaged file under a name that is free, on disk when it returns.
fn set_aside(folder: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    for n in 1..u32::MAX {
        let path = folder.join(format!("{FILE}.damaged-{n}"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(mut file) => {
                let written = file.write_all(bytes).and_then(|()| file.sync_all());
                if let Err(error) = written.and_then(|()| File::open(folder)?.sync_all()) {
                    // Half a copy would pass for one.
                    let _ = fs::remove_file(&path);
                    return Err(error);
                }
                return Ok(path);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
