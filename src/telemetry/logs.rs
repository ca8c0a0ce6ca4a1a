//! Logs, to stderr, through a bounded queue and a thread of their own.
//!
//! Owns: the filter, the queue, the count of what did not fit. May not know: what is logged. Driven by: the command
//! line (`init_logs` at the start, `flush_logs` at every end).
//!
//! **Logging never waits**: whoever reads stderr may be slow or stuck, and the event loop must not learn of it. A line
//! that finds the queue full is dropped and counted.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::limits;

/// What keeps the writer's thread; dropping it writes what is queued.
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Environment variable with the filter: a level (`debug`) or directives (`info,twsmux::shell=debug`).
const VARIABLE: &str = "TWSMUX_LOG";
const DEFAULT: &str = "info";

/// Sends logs to stderr; `TWSMUX_LOG` filters them (default `info`). A second call changes nothing. Whoever calls it
/// calls [`flush_logs`] before the process ends.
pub fn init_logs() {
    let (filter, fault) = filter(std::env::var(VARIABLE).ok().as_deref());
    let (writer, guard) = bounded(std::io::stderr(), limits::MAX_LOG_LINES);
    let dropped = writer.error_counter();
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer)
        .try_init();
    if started.is_ok() {
        *WRITER.lock().unwrap_or_else(|e| e.into_inner()) = Some(guard);
        let _ = DROPPED.set(dropped);
    }
    if let Some(fault) = fault {
        tracing::warn!("{fault}");
    }
}

/// Writes what is queued, for about a second at most, and ends the writer's thread: what is logged later is lost.
/// Nothing when logs were never started.
pub fn flush_logs() {
    let guard = WRITER.lock().unwrap_or_else(|e| e.into_inner()).take();
    drop(guard);
}

/// Log lines that were dropped because the queue was full.
pub fn log_lines_dropped() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

fn filter(text: Option<&str>) -> (EnvFilter, Option<String>) {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return (EnvFilter::new(DEFAULT), None) };
    match EnvFilter::try_new(text) {
        Ok(filter) => (filter, None),
        Err(error) => {
            let words = format!("{VARIABLE}={text:?} is no filter ({error}); `{DEFAULT}` is used instead");
            (EnvFilter::new(DEFAULT), Some(words))
        }
    }
}

fn bounded(writer: impl Write + Send + 'static, lines: usize) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(true).buffered_lines_limit(lines).thread_name("log").finish(writer)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A stderr whose reader is stuck until told otherwise.
    struct Stuck {
        entered: SyncSender<()>,
        go_on: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.entered.try_send(());
            // An error means that the test let go: from then on everything is taken.
            let _ = self.go_on.recv();
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_never_time() {
        let (entered, has_entered) = sync_channel(1);
        let (let_go, go_on) = sync_channel(1);
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let (mut writer, guard) = bounded(Stuck { entered, go_on, taken: taken.clone() }, 2);
        writer.write_all(b"first\n").unwrap();
        has_entered.recv().unwrap();
        for line in ["second\n", "third\n", "fourth\n", "fifth\n"] {
            writer.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(writer.error_counter().dropped_lines(), 2);
        drop(let_go);
        drop(guard);
        assert_eq!(*taken.lock().unwrap(), b"first\nsecond\nthird\n", "the flush wrote what was queued");
    }

    #[test]
    fn a_filter_that_is_none_is_named_and_replaced() {
        for good in [None, Some(""), Some("debug"), Some("info,twsmux::shell=trace")] {
            assert!(filter(good).1.is_none(), "{good:?}");
        }
        let (_, words) = filter(Some("twsmux=loud"));
        let words = words.unwrap();
        assert!(words.contains("TWSMUX_LOG") && words.contains("loud"), "{words}");
    }
}
