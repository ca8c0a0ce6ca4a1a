//! What the library logs about itself: messages that it could not read or found nobody for.

use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};

static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record) {
        let text = record.args().to_string();
        // The server's own errors and warnings are logged as well, as `[code] words`: they are no complaints.
        let server_said = text.starts_with('[') || text.starts_with("ib notice");
        if self.enabled(record.metadata()) && !server_said {
            found_mut(|found| found.push(text.chars().take(300).collect()));
        }
    }

    fn flush(&self) {}
}

fn found_mut<T>(look: impl FnOnce(&mut Vec<String>) -> T) -> T {
    look(&mut FOUND.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

pub fn collect() {
    if log::set_logger(&Collector).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

pub fn found() -> Vec<String> {
    found_mut(|found| found.clone())
}

/// Forgets the orders that a server sent by itself at once, before anyone could listen to them.
pub fn forget_early_orders() {
    found_mut(|found| found.retain(|text| !text.starts_with("could not route message")));
}
