//! **No tick takes memory from the heap** once everything is warm, however many clients get it.
#![allow(unsafe_code)] // only a global allocator can count, and its trait is unsafe; it passes everything on

#[path = "../benches/frames/mod.rs"]
mod frames;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use frames::{Ticking, Translating, shown};
use twsmux::wire::frame::{self, FrameBuffer};

thread_local! {
    /// Allocations of this thread: tests run beside each other.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often memory was taken.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1u8]))), 1);
}

#[test]
fn a_tick_takes_no_memory_from_the_heap() {
    for clients in [1, 20] {
        let mut ticking = Ticking::new(clients);
        for tick in [Ticking::tick, Ticking::tick_the_long_way] {
            (0..1000).for_each(|_| tick(&mut ticking));
            assert_eq!(allocations(|| (0..1000).for_each(|_| tick(&mut ticking))), 0, "{clients} clients");
        }
    }
}

#[test]
fn frames_are_found_without_memory_from_the_heap() {
    let mut wire = bytes::BytesMut::new();
    for _ in 0..1000 {
        frame::put(b"1\x006\x007\x001\x00227.31\x00400\x001\0", &mut wire);
    }
    // Reads end in the middle of frames.
    let mut buffer = FrameBuffer::default();
    let mut read_all = || {
        let mut seen = 0;
        for read in wire.chunks(333) {
            let each = |_: &[u8]| {
                seen += 1;
                Ok(())
            };
            buffer.feed(read, || 1000, each).expect("well formed");
        }
        seen
    };
    assert_eq!(read_all(), 1000);
    assert_eq!(allocations(|| assert_eq!(read_all(), 1000)), 0);
}

#[test]
fn a_tick_whose_ids_are_replaced_takes_no_memory_from_the_heap() {
    let [(_, id, tick), _] = shown();
    for version in [176, 226] {
        let mut translating = Translating::new(id, &tick, version, version);
        translating.translate();
        let work = || (0..100).for_each(|_| assert!(!translating.translate().is_empty()));
        assert_eq!(allocations(work), 0, "at {version}");
    }
}
