//! Clients that come, and clients that only are there.

use super::{Bench, Latencies, Values};
use crate::clock::now;

pub(super) fn connect(bench: &mut Bench) -> Result<Values, String> {
    let (warm, count) = (bench.count(40), bench.count(440));
    let mut latencies = Latencies::new();
    let mut cpu = 0.0;
    for n in 0..count {
        if n == warm {
            cpu = bench.subject.cpu();
        }
        let since = now();
        let client = bench.crowd.connect(None)?;
        bench.crowd.wait_for("accounts and the next order id", |crowd| crowd.is_ready(client), |_, _| {})?;
        if n >= warm {
            latencies.since(since);
        }
        bench.crowd.close(client);
    }
    Ok(Values::from([
        ("p50", latencies.quantile(0.5)),
        ("p99", latencies.quantile(0.99)),
        ("cpu", (bench.subject.cpu() - cpu) / (count - warm) as f64 / 1000.0),
    ]))
}

pub(super) fn idle(bench: &mut Bench) -> Result<Values, String> {
    let clients = if bench.small { 50 } else { 1000 };
    // What is there once for all is there already.
    bench.crowd.assemble(10)?;
    let before = bench.subject.memory();
    bench.crowd.assemble(clients)?;
    Ok(Values::from([("memory", (bench.subject.memory() - before) * 1000.0 / clients as f64)]))
}
