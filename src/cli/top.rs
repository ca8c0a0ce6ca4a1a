//! `twsmux top`: what `twsmux status` prints, again every second, for a terminal.
//!
//! Owns: the screen. Driven by: a person.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::status::{self, StatusArgs};

/// Arguments of `top`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ctrl-C ends it. Exit codes: those of `twsmux status`; 2 also when standard output is no terminal."
)]
pub struct TopArgs {
    /// Where the admin endpoint listens: its port, or its socket.
    #[arg(long, env = "TWSMUX_ADMIN", value_name = "HOST:PORT|unix:PATH", default_value = "127.0.0.1:9410")]
    admin: String,
    /// Time between two pictures, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    every: f64,
}

/// Runs `top`.
// It waits for time to pass: that is what it is for.
#[allow(clippy::disallowed_methods)]
pub fn run(args: &TopArgs) -> ExitCode {
    let mut out = std::io::stdout();
    if !out.is_terminal() {
        return super::fail(2, "standard output is no terminal; `twsmux status` prints one picture");
    }
    let Some(every) = Duration::try_from_secs_f64(args.every).ok().filter(|every| !every.is_zero()) else {
        return super::fail(2, format!("--every {}: it must be a number of seconds above 0", args.every));
    };
    let asked = StatusArgs::at(&args.admin);
    let mut before = None;
    loop {
        let text = match status::picture(&asked) {
            Ok(status) => {
                let text = status::page(&status, before.as_ref());
                before = Some(status);
                text
            }
            // What has never answered is a mistake; what has gone may come back.
            Err((code, words)) if before.is_none() => return super::fail(code, words),
            Err((_, words)) => format!("{words}\n"),
        };
        if out.write_all(frame(&text, size()).as_bytes()).and_then(|()| out.flush()).is_err() {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(every);
    }
}

/// A whole screen: from the top, each line and what is below cleared, nothing more than fits into columns and rows.
fn frame(text: &str, (columns, rows): (usize, usize)) -> String {
    let mut frame = String::from("\x1b[H");
    for line in text.lines().take(rows.saturating_sub(1)) {
        frame.extend(line.chars().take(columns));
        frame += "\x1b[K\r\n";
    }
    frame + "\x1b[J"
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    let told = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let told = told.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    told.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_the_terminal_and_leaves_nothing_of_the_last() {
        assert_eq!(frame("aé\nb\nc\nd\n", (1, 3)), "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n\x1b[J");
    }
}
