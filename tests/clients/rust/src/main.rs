//! Drives the crate ibapi through the tours that the other clients take as well; README.md one directory up says what
//! they are and what is printed.

mod args;
mod complaints;
mod steps;
mod tap;
mod tour;

use std::panic::{self, AssertUnwindSafe};

use args::Args;
use steps::Driver;
use tap::Tap;
use tour::{Failed, Tour};

/// The library does not tell its version; Cargo.toml pins it.
const LIBRARY_VERSION: &str = "5.5.0";

fn main() {
    let args = Args::from_command_line();
    let tap = Tap::prepare().unwrap_or_else(|error| {
        eprintln!("tour: no directory for what the library receives: {error}");
        std::process::exit(1);
    });
    complaints::collect();
    let tour = Tour::new(args, tap, "ibapi (Rust)", LIBRARY_VERSION);
    let run = || Driver::connect(&tour).and_then(|mut driver| driver.run());
    let failure = match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => None,
        Ok(Err(Failed(words))) => Some(words),
        Err(_) => Some("the driver, or the library within it, panicked".into()),
    };
    tour.finish(failure);
}
