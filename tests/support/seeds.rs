//! Seeds of a simulation, on all processors.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// After so many failures the rest would say nothing new.
const ENOUGH: usize = 5;

/// A number that widens or narrows a run, from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `SIM_SEED` alone, or the first `SIM_SEEDS`.
pub fn chosen(usually: u64) -> Vec<u64> {
    match number("SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SIM_SEEDS").unwrap_or(usually)).collect(),
    }
}

/// Runs each, of so many steps; `one` says at which it is. What came of those that went well, and the seeds that failed, which
/// are told with how to run them again.
pub fn run<T: Send>(
    test: &str,
    seeds: &[u64],
    steps: usize,
    one: impl Fn(u64, usize, &mut usize) -> T + Sync,
) -> (Vec<T>, Vec<u64>) {
    let (next, done, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut at = 0;
            match std::panic::catch_unwind(AssertUnwindSafe(|| one(*seed, steps, &mut at))) {
                Ok(outcome) => done.lock().expect("no panic inside").push(outcome),
                Err(_) => {
                    eprintln!(
                        "seed {seed} fails at step {at} of {steps}; again: \
                         SIM_SEED={seed} SIM_STEPS={steps} cargo test --test {test}"
                    );
                    let mut failed = failed.lock().expect("no panic inside");
                    failed.push(*seed);
                    if failed.len() >= ENOUGH {
                        next.store(seeds.len(), Ordering::Relaxed);
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    (done.into_inner().expect("no panic inside"), failed.into_inner().expect("no panic inside"))
}
