//! As fast as it goes.

use super::ticks::Listeners;
use super::{Bench, Values};
use crate::clock::{SECOND, now};
use crate::speech::Told;
use crate::stream::Flow;

/// Ticks that may be under way: some ten reads of a proxy, and far less than what counts as a slow reader.
const WINDOW: u64 = 4000;

pub(super) fn one(bench: &mut Bench) -> Result<Values, String> {
    let count = bench.count(800_000);
    windowed(bench, 1, count)
}

pub(super) fn ten(bench: &mut Bench) -> Result<Values, String> {
    let count = bench.count(120_000);
    windowed(bench, 10, count)
}

/// A window of ticks is always under way, so that nothing is ever idle and nothing is conflated.
fn windowed(bench: &mut Bench, clients: usize, count: u64) -> Result<Values, String> {
    let warm = count / 10;
    let mut listening = Listeners::gather(bench, &vec![0; clients])?;
    let until = now() + 60 * SECOND;
    bench.gateway.stream(Flow::Flood { instruments: 1, count, window: Some(WINDOW), until });
    let mut at = vec![0; clients];
    let mut begun = None;
    loop {
        bench.crowd.turn(|client, told| {
            if let Some((_, seq)) = listening.hear(client, told) {
                at[client] = seq;
            }
        })?;
        let slowest = at.iter().copied().min().unwrap_or(0);
        bench.gateway.delivered(slowest);
        if begun.is_none() && slowest >= warm {
            begun = Some((bench.subject.cpu(), now(), at.iter().sum::<u64>()));
        }
        if slowest == count {
            break;
        }
        if now() > until {
            return Err(format!("the slowest client has {slowest} of {count} ticks"));
        }
    }
    let (cpu, since, from) = begun.unwrap_or_default();
    let frames = (at.iter().sum::<u64>() - from) as f64;
    let seconds = (now() - since) as f64 / SECOND as f64;
    bench.crowd.astray += listening.wrong;
    Ok(Values::from([
        ("cpu", (bench.subject.cpu() - cpu) / frames / 1000.0),
        ("frames_per_second", frames / seconds),
    ]))
}

/// No window: the sockets alone hold the Gateway up, and who is behind gets the latest.
pub(super) fn thousand(bench: &mut Bench) -> Result<Values, String> {
    let clients = if bench.small { 50 } else { 1000 };
    let time = if bench.small { SECOND / 10 } else { 4 * SECOND };
    Listeners::gather(bench, &vec![0; clients])?;
    let idle = bench.subject.memory();
    let end = now() + time;
    bench.gateway.stream(Flow::Flood { instruments: 1, count: u64::MAX, window: None, until: end });
    let began = now();
    let mut got = vec![0u64; clients];
    let mut last = vec![0; clients];
    let mut wrong = 0;
    let (mut top, mut quiet) = (0, now());
    // Until everybody has the last tick that anybody has, and nothing has come for a while.
    while now() < end || last.iter().any(|seq| *seq < top) || now() < quiet + SECOND / 5 {
        if now() > end + 60 * SECOND {
            break;
        }
        bench.crowd.turn(|client, told| {
            let Told::Tick { seq, .. } = told else { return };
            // Conflated ticks are left out, but never told twice or in another order.
            wrong += u64::from(seq <= last[client]);
            (last[client], quiet) = (seq, now());
            top = top.max(seq);
            got[client] += 1;
        })?;
    }
    bench.crowd.astray += wrong;
    let total: f64 = got.iter().map(|n| *n as f64).sum();
    let squares: f64 = got.iter().map(|n| (*n as f64).powi(2)).sum();
    let current = last.iter().filter(|seq| **seq == top).count();
    Ok(Values::from([
        ("memory", bench.subject.peak() - idle),
        ("served", current as f64 / clients as f64),
        ("fairness", total * total / (clients as f64 * squares)),
        ("least", *got.iter().min().unwrap_or(&0) as f64 / (total / clients as f64)),
        ("frames_per_second", total * SECOND as f64 / (quiet - began) as f64),
    ]))
}
