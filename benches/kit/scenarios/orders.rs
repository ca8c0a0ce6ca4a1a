//! Orders, each with its fsync, through a proxy that is idle and through one that has much to do.

use super::ticks::Listeners;
use super::{Bench, Latencies, Values};
use crate::clock::{SECOND, now};
use crate::crowd::Crowd;
use crate::speech::{FIRST_CONTRACT, Told};
use crate::stream::Flow;

const RATE: u64 = 100;
/// The client that trades.
const TRADER: usize = 0;

/// Places orders to a schedule, each in its own slot, and waits for each one's first state. What else comes goes to
/// `others`, which may ask for something in return.
fn place(
    bench: &mut Bench,
    first: &mut i32,
    count: u64,
    mut others: impl FnMut(usize, Told) -> Option<(usize, i64)>,
) -> Result<Latencies, String> {
    let start = now() + SECOND / 100;
    let due = |n: u64| start + n * SECOND / RATE;
    let (mut sent, mut shown) = (0, vec![false; count as usize]);
    let mut latencies = Latencies::new();
    while latencies.len() < count {
        if now() > due(count) + 30 * SECOND {
            return Err(format!("{} of {count} orders were answered", latencies.len()));
        }
        while sent < count && due(sent) <= now() {
            let id = *first + sent as i32;
            bench.crowd.send(TRADER, |speech, out| speech.place(id, out))?;
            sent += 1;
        }
        if sent < count {
            bench.crowd.alarm(due(sent))?;
        }
        let mut ask = None;
        bench.crowd.turn(|client, told| match told {
            Told::Status { id } if client == TRADER => {
                let n = (id - i64::from(*first)) as usize;
                if let Some(shown) = shown.get_mut(n).filter(|shown| !**shown) {
                    *shown = true;
                    latencies.since(due(n as u64));
                }
            }
            told => ask = others(client, told).or(ask),
        })?;
        if let Some((client, n)) = ask {
            let req = Crowd::req(client, n);
            bench.crowd.send(client, |speech, out| speech.ask_history(req, FIRST_CONTRACT + n, out))?;
        }
    }
    *first += count as i32;
    Ok(latencies)
}

fn values(idle: &Latencies, loaded: &Latencies) -> Values {
    Values::from([
        ("idle_p50", idle.quantile(0.5)),
        ("idle_p99", idle.quantile(0.99)),
        ("loaded_p50", loaded.quantile(0.5)),
        ("loaded_p99", loaded.quantile(0.99)),
        ("loaded_max", loaded.quantile(1.0)),
    ])
}

pub(super) fn under_ticks(bench: &mut Bench) -> Result<Values, String> {
    let count = bench.count(400);
    bench.crowd.assemble(1)?;
    let each: Vec<i64> = (0..20).collect();
    let mut listening = Listeners::gather(bench, &each)?;
    let mut next = 1;
    let nothing = |_, _| None;
    place(bench, &mut next, count / 4, nothing)?;
    let idle = place(bench, &mut next, count, nothing)?;
    let start = now() + SECOND / 100;
    let ticks = count * 1000 / RATE + 500;
    bench.gateway.stream(Flow::Paced { instruments: 20, rate: 1000, start, count: ticks, together: true });
    let loaded = place(bench, &mut next, count, |client, told| {
        listening.hear(client, told);
        None
    })?;
    bench.crowd.astray += listening.wrong;
    Ok(values(&idle, &loaded))
}

pub(super) fn under_history(bench: &mut Bench) -> Result<Values, String> {
    let count = bench.count(400);
    bench.crowd.assemble(2)?;
    let mut next = 1;
    let nothing = |_, _| None;
    place(bench, &mut next, count / 4, nothing)?;
    let idle = place(bench, &mut next, count, nothing)?;
    let historian = 1;
    let ask = |bench: &mut Bench, n| {
        bench.crowd.send(historian, |speech, out| {
            speech.ask_history(Crowd::req(historian, n), FIRST_CONTRACT + n, out);
        })
    };
    // The first one is made by the Gateway, which takes its time; afterwards it has it.
    let (mut asked, mut answers) = (1, 0);
    ask(bench, 0)?;
    let mut bytes = 0;
    let deadline = now() + 30 * SECOND;
    while bytes == 0 && now() < deadline {
        bench.crowd.turn(|_, told| {
            if let Told::History { bytes: n, .. } = told {
                bytes = n;
            }
        })?;
    }
    if bytes < 1 << 20 {
        return Err(format!("the historical data has {bytes} bytes"));
    }
    // Another one is asked for as soon as one is there.
    ask(bench, 1)?;
    let loaded = place(bench, &mut next, count, |client, told| match told {
        Told::History { .. } if client == historian => {
            answers += 1;
            asked += 1;
            Some((historian, asked))
        }
        _ => None,
    })?;
    let mut values = values(&idle, &loaded);
    values.insert("answers", answers as f64);
    Ok(values)
}
