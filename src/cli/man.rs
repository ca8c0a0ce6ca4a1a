//! `twsmux man`: the manual pages, drawn from the command line itself.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Try `twsmux man | man -l -`. To install: twsmux man --dir /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Write the page of twsmux and one of each subcommand into this folder, instead of printing the first
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints or writes the pages.
pub fn run(args: &ManArgs) -> ExitCode {
    let written = match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(super::command(), dir))
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(super::command())
                .render(&mut page)
                .and_then(|()| std::io::stdout().write_all(&page))
        }
    };
    match (written, &args.dir) {
        (Ok(()), _) => ExitCode::SUCCESS,
        (Err(error), Some(dir)) => super::fail(1, format!("cannot write into {}: {error}", dir.display())),
        (Err(error), None) => super::fail(1, format!("cannot write: {error}")),
    }
}
