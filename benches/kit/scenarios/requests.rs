//! Round trips.

use super::{Bench, Latencies, Values};
use crate::clock::{SECOND, now};
use crate::crowd::Crowd;
use crate::speech::{FIRST_CONTRACT, Told};

const RATE: u64 = 1000;

/// Requests to a schedule: each is sent when it is due, and its time counts from when it was due.
pub(super) fn round_trip(bench: &mut Bench) -> Result<Values, String> {
    let (warm, count) = (bench.count(500), bench.count(5500));
    bench.crowd.assemble(1)?;
    let start = now() + SECOND / 100;
    let due = |n: u64| start + n * SECOND / RATE;
    let (mut sent, mut answered, mut wrong) = (0, 0, 0);
    let mut latencies = Latencies::new();
    let mut cpu = 0.0;
    let mut shown = false;
    while answered < count {
        if now() > due(count) + 30 * SECOND {
            return Err(format!("{answered} of {count} requests were answered"));
        }
        while sent < count && due(sent) <= now() {
            let n = sent as i64;
            let ask = (Crowd::req(0, n), FIRST_CONTRACT + n);
            bench.crowd.send(0, |speech, out| speech.ask_contract(ask.0, ask.1, out))?;
            sent += 1;
        }
        if sent < count {
            bench.crowd.alarm(due(sent))?;
        }
        let before = answered;
        bench.crowd.turn(|_, told| match told {
            Told::Contract { req, contract } => {
                shown = true;
                wrong += u64::from(req != Crowd::req(0, answered as i64))
                    + u64::from(contract != FIRST_CONTRACT + answered as i64);
            }
            Told::ContractEnd { req } => {
                wrong += u64::from(req != Crowd::req(0, answered as i64) || !shown);
                shown = false;
                if answered >= warm {
                    latencies.since(due(answered));
                }
                answered += 1;
            }
            _ => {}
        })?;
        if before < warm && answered >= warm {
            cpu = bench.subject.cpu();
        }
    }
    let per_trip = (bench.subject.cpu() - cpu) / (count - warm) as f64 / 1000.0;
    bench.crowd.astray += wrong;
    Ok(Values::from([("p50", latencies.quantile(0.5)), ("p99", latencies.quantile(0.99)), ("cpu", per_trip)]))
}
