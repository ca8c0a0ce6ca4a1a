//! Wall time of what happens per frame: `./dev bench hot`. Compare runs of one session only.

mod frames;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frames::{Asking, Patching, Ticking, Translating, shown};

fn hot_paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("per frame");
    group.throughput(Throughput::Elements(1));
    group.bench_function("route a tick", |b| {
        let mut ticking = Ticking::new(1);
        b.iter(|| ticking.tick());
    });
    group.bench_function("check and patch an order", |b| {
        let mut patching = Patching::new();
        b.iter(|| {
            black_box(patching.patch());
        });
    });
    group.bench_function("a request and its answer", |b| {
        let mut asking = Asking::new();
        b.iter(|| asking.round_trip());
    });
    group.throughput(Throughput::Elements(20));
    group.bench_function("fan a tick out to 20", |b| {
        let mut ticking = Ticking::new(20);
        b.iter(|| ticking.tick());
    });
    group.finish();
}

/// What a frame of the Gateway costs on its way to a client of another version, its ids replaced.
fn translate(c: &mut Criterion) {
    let mut group = c.benchmark_group("translate");
    group.throughput(Throughput::Elements(1));
    let ways = [
        ("ids only", 176, 176),
        ("text to text", 176, 157),
        ("protobuf to text", 226, 176),
        ("text to protobuf", 176, 226),
    ];
    for (way, from, to) in ways {
        for (what, id, values) in shown() {
            group.bench_function(format!("{what}, {way}"), |b| {
                let mut translating = Translating::new(id, &values, from, to);
                b.iter(|| {
                    black_box(translating.translate());
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, hot_paths, translate);
criterion_main!(benches);
