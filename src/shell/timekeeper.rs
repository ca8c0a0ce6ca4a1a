//! The thread on which the event loop's long waits are kept.
//!
//! A timer of the loop's own runtime makes the kernel set up one of its own for each wait for sockets, twice for every
//! request that passes. Timers that always run are kept by another runtime therefore, whose thread does nothing else; the
//! loop's waits then have no end, and it is woken when a timer goes off.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// See the module's words. The thread ends with it.
pub(super) struct Timekeeper {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Timekeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("time".into()).spawn(move || drop(runtime.block_on(ended)))?;
        Ok(Timekeeper { handle, _end: end })
    }

    /// Makes a timer that is kept there, such as a sleep or an interval. It is waited for like any other.
    pub(super) fn keep<T>(&self, timer: impl FnOnce() -> T) -> T {
        let _there = self.handle.enter();
        timer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_runtime_without_timers_waits_for_one_that_is_kept_elsewhere() {
        let keeper = Timekeeper::start().unwrap();
        let without = Builder::new_current_thread().build().unwrap();
        without.block_on(async {
            let mut every = keeper.keep(|| tokio::time::interval(Duration::from_millis(1)));
            for _ in 0..3 {
                every.tick().await;
            }
            let at = tokio::time::Instant::now() + Duration::from_millis(1);
            keeper.keep(|| tokio::time::sleep_until(at)).await;
            assert!(tokio::time::Instant::now() >= at);
        });
    }
}
