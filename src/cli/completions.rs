//! `twsmux completions`: what a shell needs to complete the command line, drawn from the command line itself.

use std::io::Write;
use std::process::ExitCode;

use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where each shell looks for it:
  bash        twsmux completions bash > ~/.local/share/bash-completion/completions/twsmux
  zsh         twsmux completions zsh > a folder of $fpath, as the file _twsmux
  fish        twsmux completions fish > ~/.config/fish/completions/twsmux.fish
  elvish      twsmux completions elvish >> ~/.config/elvish/rc.elv
  powershell  twsmux completions powershell >> $PROFILE")]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "twsmux", &mut script);
    match std::io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(1, format!("cannot write: {error}")),
    }
}
