//! What is measured, one file per kind of load. Each run has a fake Gateway, a subject and clients of its own.

mod arrivals;
mod orders;
mod requests;
mod saturated;
mod stalled;
mod ticks;

use std::collections::BTreeMap;
use std::path::Path;

use hdrhistogram::Histogram;

use crate::clock::{SECOND, now};
use crate::crowd::Crowd;
use crate::gateway::Gateway;
use crate::subject::{Kind, Subject};
use crate::usage;

/// What a run found, by name: times in microseconds, memory in bytes, the rest as the name says.
pub type Values = BTreeMap<&'static str, f64>;

/// Server versions of the two sides, where something stands between them that can translate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    /// For tables and `--form`.
    pub name: &'static str,
    /// The Gateway's.
    pub gateway: u16,
    /// The clients'. Without a translator they speak the Gateway's.
    pub clients: u16,
}

/// Everything in text, at the default version.
pub const TEXT: Versions = Versions { name: "text", gateway: 176, clients: 176 };
/// Everything in protobuf.
pub const PROTOBUF: Versions = Versions { name: "protobuf", gateway: 226, clients: 226 };
/// A Gateway that speaks protobuf, clients that speak text.
pub const TRANSCODED: Versions = Versions { name: "transcoded", gateway: 226, clients: 176 };

/// One kind of load.
pub struct Scenario {
    /// For `--only`.
    pub name: &'static str,
    /// In words.
    pub about: &'static str,
    /// What it is run with.
    pub kinds: &'static [Kind],
    /// Versions that it needs; otherwise those asked for.
    pub versions: Option<Versions>,
    run: fn(&mut Bench) -> Result<Values, String>,
}

const ALL: &[Kind] = &[Kind::Direct, Kind::Twsmux, Kind::Haproxy];
const ALONE: &[Kind] = &[Kind::Twsmux];

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "round-trip",
        about: "one client, 1,000 requests for contract details a second, each for another contract",
        kinds: ALL,
        versions: None,
        run: requests::round_trip,
    },
    Scenario {
        name: "fan-out",
        about: "one instrument, 1,000 ticks a second, to 10 clients",
        kinds: ALL,
        versions: None,
        run: ticks::fan_out,
    },
    Scenario {
        name: "instruments",
        about: "20 instruments, each 1,000 ticks a second at the same moments, to 20 clients",
        kinds: ALL,
        versions: None,
        run: ticks::together,
    },
    Scenario {
        name: "instruments-spread",
        about: "20 instruments, each 1,000 ticks a second, evenly spread, to 20 clients",
        kinds: ALL,
        versions: None,
        run: ticks::spread,
    },
    Scenario {
        name: "saturated-1",
        about: "one instrument to one client as fast as it goes",
        kinds: ALL,
        versions: None,
        run: saturated::one,
    },
    Scenario {
        name: "saturated-10",
        about: "one instrument to 10 clients as fast as it goes",
        kinds: ALL,
        versions: None,
        run: saturated::ten,
    },
    Scenario {
        name: "saturated-1000",
        about: "one instrument to 1,000 clients, faster than they can be served",
        kinds: ALONE,
        versions: None,
        run: saturated::thousand,
    },
    Scenario {
        name: "connect",
        about: "from the connect to managedAccounts and nextValidId, one client after the other",
        kinds: ALL,
        versions: None,
        run: arrivals::connect,
    },
    Scenario {
        name: "idle",
        about: "1,000 clients that are started and say nothing",
        kinds: &[Kind::Twsmux, Kind::Haproxy],
        versions: None,
        run: arrivals::idle,
    },
    Scenario {
        name: "stalled",
        about: "20 instruments, each 1,000 ticks a second, to 10 clients and to one that never reads",
        kinds: ALL,
        versions: None,
        run: stalled::stalled,
    },
    Scenario {
        name: "orders",
        about: "100 orders a second through an idle proxy, and while 20 instruments tick for 20 clients",
        kinds: ALONE,
        versions: None,
        run: orders::under_ticks,
    },
    Scenario {
        name: "orders-history",
        about: "100 orders a second while 16 MiB of historical data after the other are transcoded for another client",
        kinds: ALONE,
        versions: Some(TRANSCODED),
        run: orders::under_history,
    },
];

impl Scenario {
    /// Runs it once.
    pub fn run(&self, kind: Kind, twsmux: &Path, versions: Versions, small: bool) -> Result<Values, String> {
        let gateway = Gateway::start(versions.gateway).map_err(|error| format!("no Gateway: {error}"))?;
        let subject = Subject::start(kind, twsmux, gateway.address, versions.gateway)?;
        let clients = if kind == Kind::Twsmux { versions.clients } else { versions.gateway };
        let crowd = Crowd::new(subject.address, clients).map_err(|error| error.to_string())?;
        let mut bench =
            Bench { crowd, subject, gateway, small, began: (now(), usage::cpu(std::process::id())) };
        let outcome = (self.run)(&mut bench);
        let fault = bench.gateway.fault();
        let mut values = match (outcome, fault) {
            (Err(error), Some(fault)) => return Err(format!("{error}; {fault}")),
            (_, Some(error)) | (Err(error), None) => return Err(error),
            (Ok(values), None) => values,
        };
        values.insert("astray", bench.crowd.astray as f64);
        let (wall, cpu) = (now() - bench.began.0, usage::cpu(std::process::id()) - bench.began.1);
        values.insert("generator", cpu as f64 / wall as f64);
        Ok(values)
    }
}

/// What a run has. Dropped in this order: clients leave before what they are connected to.
pub struct Bench {
    crowd: Crowd,
    subject: Subject,
    gateway: Gateway,
    /// Only to see that it works.
    small: bool,
    began: (u64, u64),
}

impl Bench {
    /// A number of repetitions, or a twentieth of it.
    fn count(&self, full: u64) -> u64 {
        if self.small { full / 20 } else { full }
    }

    /// A client subscribes an instrument and waits for its first tick.
    fn subscribe(&mut self, client: usize, instrument: i64, n: i64) -> Result<(), String> {
        let req = Crowd::req(client, n);
        self.crowd.send(client, |speech, out| speech.subscribe(req, instrument, out))
    }
}

/// Latencies of one run.
struct Latencies(Histogram<u64>);

impl Latencies {
    fn new() -> Latencies {
        Latencies(Histogram::new_with_bounds(1, 100 * SECOND, 3).expect("sensible bounds"))
    }

    /// What was meant to happen at a moment is here.
    fn since(&mut self, intended: u64) {
        self.0.saturating_record(now().saturating_sub(intended).max(1));
    }

    fn len(&self) -> u64 {
        self.0.len()
    }

    /// In microseconds.
    fn quantile(&self, q: f64) -> f64 {
        self.0.value_at_quantile(q) as f64 / 1000.0
    }
}
