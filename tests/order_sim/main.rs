//! Seeded simulation of orders that must survive everything: the real core, the real journal on a disk that loses what
//! was not synced, the simulated Gateway with its book, and clients that trade, all in virtual time. twsmux dies between
//! any two steps (before the record, after it, after the send), and so do the Gateway, the link and the clients.
//!
//! Nothing here looks into the core: clients are judged by what they read, the Gateway by its book and by what arrived
//! there. What must hold in the end is in `verdict`.
//!
//! `SIM_SEEDS` and `SIM_STEPS` widen the run, `SIM_SEED` runs one seed alone.

#[path = "../support/core/mod.rs"]
mod support;

#[path = "../support/disk.rs"]
mod disk;

#[path = "../support/seeds.rs"]
mod seeds;

mod client;
mod verdict;
mod world;

use seeds::number;
use world::World;

fn run(seed: u64, steps: usize, at: &mut usize) -> world::Tally {
    let mut world = World::new(seed);
    for step in 0..steps {
        *at = step;
        world.step();
    }
    *at = steps;
    world.come_to_rest();
    verdict::check(&world);
    world.tally
}

#[test]
fn orders_survive_crashes_of_everybody() {
    let steps = number("SIM_STEPS").unwrap_or(400) as usize;
    let seeds = seeds::chosen(1000);
    let (tallies, failed) = seeds::run("order_sim", &seeds, steps, run);
    let mut total = world::Tally::default();
    tallies.iter().for_each(|tally| total.add(tally));
    println!("{} seeds of {steps} steps: {total:?}", seeds.len());
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
    if seeds.len() >= 100 {
        assert!(
            total.crashes > 100 && total.placed > 1000 && total.fills > 100,
            "it did too little to mean anything"
        );
        assert!(total.unknown > 0 && total.kept > 0, "the rare cases did not happen");
    }
}
