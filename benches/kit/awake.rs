//! Keeps the CPUs awake while they wait.
//!
//! A virtual machine gives its core away when it has nothing to do. It then gets it back late, and with caches that somebody
//! else has used, so that what is measured is the neighbours. Measurements of latency ask the kernel not to, as cyclictest does.

use std::fs::File;
use std::io::{self, Write};

/// Where the kernel takes the longest time, in microseconds, that a CPU may need to wake up. It counts while the file is open.
const LATENCY: &str = "/dev/cpu_dma_latency";

/// CPUs wait without sleeping until this goes.
pub struct Awake {
    _held: File,
}

impl Awake {
    /// From now on.
    ///
    /// # Errors
    /// The system's: only root may.
    pub fn start() -> io::Result<Awake> {
        let mut file = File::options().write(true).open(LATENCY)?;
        file.write_all(&0i32.to_ne_bytes())?;
        Ok(Awake { _held: file })
    }
}
