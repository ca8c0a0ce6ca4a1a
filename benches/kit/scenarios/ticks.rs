//! Ticks to a schedule.

use super::{Bench, Latencies, Values};
use crate::clock::{SECOND, now};
use crate::crowd::Crowd;
use crate::speech::Told;
use crate::stream::Flow;

const RATE: u64 = 1000;

/// Who listens to which instrument, and how far each is. Ticks come one after the other, none is left out.
pub(super) struct Listeners {
    /// By client: the instrument, the last tick.
    of: Vec<(i64, Option<u64>)>,
    /// Those who have heard something.
    pub(super) heard: usize,
    /// Ticks out of order, left out, or of another instrument.
    pub(super) wrong: u64,
}

impl Listeners {
    /// Connects a client for each and subscribes its instrument; all have had a first tick afterwards.
    pub(super) fn gather(bench: &mut Bench, instruments: &[i64]) -> Result<Listeners, String> {
        let first = bench.crowd.len();
        bench.crowd.assemble(instruments.len())?;
        let nobody = (0..first).map(|_| (-1, None));
        let of = nobody.chain(instruments.iter().map(|instrument| (*instrument, None))).collect();
        let mut listeners = Listeners { of, heard: 0, wrong: 0 };
        for (n, instrument) in instruments.iter().enumerate() {
            bench.subscribe(first + n, *instrument, 0)?;
        }
        let deadline = now() + 60 * SECOND;
        while listeners.heard < instruments.len() {
            if now() > deadline {
                return Err("waited in vain for first ticks".into());
            }
            bench.crowd.turn(|client, told| {
                listeners.hear(client, told);
            })?;
        }
        Ok(listeners)
    }

    /// A client was told something; a tick that is as it should be is given back: instrument and number.
    pub(super) fn hear(&mut self, client: usize, told: Told) -> Option<(usize, u64)> {
        let Told::Tick { req, instrument, seq } = told else { return None };
        let (mine, last) = &mut self.of[client];
        let next = last.map_or(seq, |last| last + 1);
        if req != Crowd::req(client, 0) || instrument != *mine || seq != next {
            self.wrong += 1;
        }
        self.heard += usize::from(last.is_none());
        *last = Some(seq);
        Some((usize::try_from(instrument).unwrap_or(0), seq))
    }
}

pub(super) fn fan_out(bench: &mut Bench) -> Result<Values, String> {
    paced(bench, &[0; 10], 1, true)
}

pub(super) fn together(bench: &mut Bench) -> Result<Values, String> {
    let each: Vec<i64> = (0..20).collect();
    paced(bench, &each, 20, true)
}

pub(super) fn spread(bench: &mut Bench) -> Result<Values, String> {
    let each: Vec<i64> = (0..20).collect();
    paced(bench, &each, 20, false)
}

fn paced(bench: &mut Bench, listeners: &[i64], instruments: usize, together: bool) -> Result<Values, String> {
    let (warm, count) = (bench.count(500), bench.count(2500));
    let mut listening = Listeners::gather(bench, listeners)?;
    let start = now() + SECOND / 100;
    let flow = Flow::Paced { instruments, rate: RATE, start, count, together };
    bench.gateway.stream(flow);
    let all = count * listeners.len() as u64;
    let before = warm * listeners.len() as u64;
    let (mut frames, mut begun) = (0, None);
    let mut latencies = Latencies::new();
    let deadline = start + count * SECOND / RATE + 30 * SECOND;
    while frames < all {
        if now() > deadline {
            return Err(format!("{frames} of {all} ticks came"));
        }
        bench.crowd.turn(|client, told| {
            if let Some((instrument, seq)) = listening.hear(client, told) {
                frames += 1;
                if seq > warm {
                    latencies.since(flow.intended(instrument, seq));
                }
            }
        })?;
        if begun.is_none() && frames >= before {
            begun = Some((bench.subject.cpu(), frames));
        }
    }
    let (cpu, from) = begun.unwrap_or_default();
    let per_frame = (bench.subject.cpu() - cpu) / (frames - from) as f64 / 1000.0;
    bench.crowd.astray += listening.wrong;
    Ok(Values::from([
        ("p50", latencies.quantile(0.5)),
        ("p99", latencies.quantile(0.99)),
        ("cpu", per_frame),
    ]))
}
