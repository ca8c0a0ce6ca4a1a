//! How the capture goes: whether one is written, how much, and what is missing in it.
//!
//! Owns: the counts. May not know: what is captured. Driven by: the event loop and the capture's thread, and the admin
//! thread, which looks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The counts.
#[derive(Debug, Default)]
pub struct Counts {
    running: AtomicBool,
    bytes: AtomicU64,
    left_out: AtomicU64,
}

/// What they say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Numbers {
    /// Whether a capture is being written.
    pub running: bool,
    /// Bytes written, all captures together.
    pub bytes: u64,
    /// Records that are missing in them.
    pub left_out: u64,
}

impl Counts {
    /// A capture begins.
    pub fn begins(&self) {
        self.running.store(true, Ordering::Release);
    }

    /// It has ended, and its file is whole.
    pub fn ends(&self) {
        self.running.store(false, Ordering::Release);
    }

    /// Bytes went to its file.
    pub fn wrote(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A record is missing.
    pub fn left_out(&self) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them.
    pub fn numbers(&self) -> Numbers {
        Numbers {
            running: self.running.load(Ordering::Acquire),
            bytes: self.bytes.load(Ordering::Relaxed),
            left_out: self.left_out.load(Ordering::Relaxed),
        }
    }
}
