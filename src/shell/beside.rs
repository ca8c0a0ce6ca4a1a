//! The thread beside the event loop, whose runtime keeps timers, hears signals, connects, and has threads for what may take long.
//!
//! A timer of the loop's own makes the kernel set up one of its own for each wait for sockets, twice for every request that
//! passes, and two looks at the clock. So timers are kept here, on a thread that does nothing else; the loop's waits have no
//! end, and it is woken when a timer goes off. **The loop has no runtime**: what waits for a timer, a signal or a connect that
//! was not made here panics.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, Timeout};

/// See the module's words. The thread ends with it.
pub(super) struct Beside {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Beside {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("beside".into()).spawn(move || drop(runtime.block_on(ended)))?;
        Ok(Beside { handle, _end: end })
    }

    /// Hears a signal from now on.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn signal(&self, kind: SignalKind) -> io::Result<Signal> {
        let _there = self.handle.enter();
        signal(kind)
    }

    /// Waits for something that needs a runtime of this kind.
    pub(super) async fn within<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            let _there = self.handle.enter();
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Does something that may take long on a thread of its own.
    pub(super) fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn_blocking(work)
    }

    /// Waits for a time.
    pub(super) fn sleep_until(&self, at: std::time::Instant) -> Sleep {
        let _there = self.handle.enter();
        tokio::time::sleep_until(at.into())
    }

    /// Waits for so long.
    pub(super) fn sleep(&self, time: Duration) -> Sleep {
        let _there = self.handle.enter();
        tokio::time::sleep(time)
    }

    /// Waits for something, for so long at most.
    pub(super) fn timeout<F: Future>(&self, limit: Duration, future: F) -> Timeout<F> {
        let _there = self.handle.enter();
        tokio::time::timeout(limit, future)
    }

    /// Goes off at once and then always after so long; later, when nobody has waited for it meanwhile.
    pub(super) fn interval(&self, every: Duration) -> Interval {
        let _there = self.handle.enter();
        let mut interval = tokio::time::interval_at(Instant::now(), every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_without_timers_waits_for_those_that_are_kept_elsewhere() {
        let keeper = Beside::start().unwrap();
        let without = Builder::new_current_thread().build().unwrap();
        without.block_on(async {
            let mut every = keeper.interval(Duration::from_millis(1));
            for _ in 0..3 {
                every.tick().await;
            }
            let at = std::time::Instant::now() + Duration::from_millis(1);
            keeper.sleep_until(at).await;
            assert!(std::time::Instant::now() >= at);
            keeper.sleep(Duration::from_millis(1)).await;
            assert!(keeper.timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
        });
    }

    /// The other runtimes have timers of their own: that of the admin endpoint, which carries commands, and that of TLS.
    #[test]
    fn the_event_loop_has_no_other_timers() {
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/shell")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_file() && !matches!(name.as_str(), "beside.rs" | "control.rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                assert!(!source.contains("tokio::time"), "{name} has a timer that `beside` does not keep");
            }
        }
    }
}
