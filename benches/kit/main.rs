//! The benchmark kit: twsmux against a direct connection and against HAProxy in TCP mode, in one session on one CPU.
//! `./dev bench`; docs/performance.md says what is measured and how.
//!
//! A fake Gateway and clients, each a thread of this process, with what is measured between them. `cargo test` runs it
//! shortly and without HAProxy, to see that everything arrives where it should.

// epoll, timers and CPU numbers as Linux has them.
#![cfg_attr(not(target_os = "linux"), allow(unused))]

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod awake;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod gateway;
#[cfg(target_os = "linux")]
mod pipe;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod scenarios;
#[cfg(target_os = "linux")]
mod session;
#[cfg(target_os = "linux")]
mod speech;
#[cfg(target_os = "linux")]
mod stream;
#[cfg(target_os = "linux")]
mod subject;
#[cfg(target_os = "linux")]
mod usage;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("NOT RUN: the benchmark kit needs Linux");
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;
    let args = match args::Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(words) => {
            println!("{words}");
            return ExitCode::from(2);
        }
    };
    let binary = args.binary.clone().unwrap_or_else(session::built);
    match session::run(&args, &binary) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            eprintln!("FAILED: {words}");
            ExitCode::FAILURE
        }
    }
}
