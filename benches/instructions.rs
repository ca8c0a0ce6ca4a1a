//! Instructions per frame, counted by callgrind: the same on a busy machine. `./dev bench instructions`.
//!
//! Each does its work a hundred times, after a hundred that are not counted, so that tables and buffers are warm.

#![allow(missing_docs)] // of what the macros make

mod frames;

use std::hint::black_box;

use frames::{Asking, Patching, Ticking, Translating, shown};
use gungraun::{library_benchmark, library_benchmark_group, main};

const TIMES: usize = 100;

fn ticking(clients: u32) -> Ticking {
    let mut ticking = Ticking::new(clients);
    (0..TIMES).for_each(|_| ticking.tick());
    ticking
}

#[library_benchmark]
#[bench::route_a_tick(ticking(1))]
#[bench::fan_out_to_20(ticking(20))]
fn ticks(mut ticking: Ticking) -> Ticking {
    (0..TIMES).for_each(|_| ticking.tick());
    ticking
}

#[library_benchmark]
#[bench::route_a_tick_the_long_way(ticking(1))]
#[bench::fan_out_to_20_the_long_way(ticking(20))]
fn long_ways(mut ticking: Ticking) -> Ticking {
    (0..TIMES).for_each(|_| ticking.tick_the_long_way());
    ticking
}

fn patching() -> Patching {
    let mut patching = Patching::new();
    for _ in 0..TIMES {
        black_box(patching.patch());
    }
    patching
}

#[library_benchmark]
#[bench::patch_an_order(patching())]
fn orders(mut patching: Patching) -> Patching {
    for _ in 0..TIMES {
        black_box(patching.patch());
    }
    patching
}

fn asking() -> Asking {
    let mut asking = Asking::new();
    (0..TIMES).for_each(|_| asking.round_trip());
    asking
}

#[library_benchmark]
#[bench::request_and_answer(asking())]
fn requests(mut asking: Asking) -> Asking {
    (0..TIMES).for_each(|_| asking.round_trip());
    asking
}

/// Of [`shown`]: 0 a tick, 1 an open order.
fn translating(which: usize, from: u16, to: u16) -> Translating {
    let (_, id, values) = &shown()[which];
    let mut translating = Translating::new(*id, values, from, to);
    for _ in 0..TIMES {
        black_box(translating.translate());
    }
    translating
}

#[library_benchmark]
#[bench::tick_protobuf_to_text(translating(0, 226, 176))]
#[bench::tick_text_to_text(translating(0, 176, 157))]
#[bench::open_order_protobuf_to_text(translating(1, 226, 176))]
#[bench::open_order_text_to_text(translating(1, 176, 157))]
fn translations(mut translating: Translating) -> Translating {
    for _ in 0..TIMES {
        black_box(translating.translate());
    }
    translating
}

library_benchmark_group!(name = per_frame; benchmarks = ticks, long_ways, orders, requests, translations);
main!(library_benchmark_groups = per_frame);
