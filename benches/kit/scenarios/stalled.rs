//! One client that never reads, beside others.

use super::ticks::Listeners;
use super::{Bench, Values};
use crate::clock::{SECOND, now};
use crate::crowd::Crowd;
use crate::stream::Flow;

const RATE: u64 = 1000;
const INSTRUMENTS: usize = 20;
const OTHERS: usize = 10;

pub(super) fn stalled(bench: &mut Bench) -> Result<Values, String> {
    let count = bench.count(4000);
    let each: Vec<i64> = (0..OTHERS as i64).collect();
    let mut listening = Listeners::gather(bench, &each)?;
    let deaf = bench.crowd.connect(Some(4096))?;
    bench.crowd.wait_for("the one that will not read", |crowd| crowd.is_ready(deaf), |_, _| {})?;
    bench.crowd.deafen(deaf);
    for instrument in 0..INSTRUMENTS {
        let req = Crowd::req(deaf, instrument as i64);
        bench.crowd.send(deaf, |speech, out| speech.subscribe(req, instrument as i64, out))?;
    }
    let before = bench.subject.memory();
    let start = now() + SECOND / 10;
    bench.gateway.stream(Flow::Paced { instruments: INSTRUMENTS, rate: RATE, start, count, together: true });
    let all = count * OTHERS as u64;
    let mut frames = 0;
    // Whoever is late by more than half a second has not received.
    let end = start + count * SECOND / RATE + SECOND / 2;
    bench.crowd.alarm(end)?;
    while frames < all && now() < end {
        bench.crowd.turn(|client, told| {
            frames += u64::from(listening.hear(client, told).is_some());
        })?;
    }
    bench.crowd.astray += listening.wrong;
    Ok(Values::from([("received", frames as f64 / all as f64), ("memory", bench.subject.peak() - before)]))
}
