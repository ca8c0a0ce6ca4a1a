//! The figures that are judged, as a table: how each comes out of the runs, and what it has to be.
//!
//! Owns: the limits. May not know: how anything is measured. Driven by: the session.

use crate::scenarios::Values;
use crate::subject::Kind;

/// How a figure comes out of the runs of one round.
#[derive(Clone, Copy)]
pub enum How {
    /// What twsmux adds to the direct connection, as a share of what HAProxy adds.
    Added(&'static str),
    /// twsmux against HAProxy.
    Against(&'static str),
    /// twsmux against the direct connection.
    AgainstDirect(&'static str),
    /// twsmux's value itself, in units of so much.
    Itself(&'static str, f64),
    /// One value of twsmux against another of the same run.
    Within(&'static str, &'static str),
}

/// One figure.
pub struct Figure {
    /// The scenario that it comes from.
    pub scenario: &'static str,
    /// In words.
    pub name: &'static str,
    /// How it comes about.
    pub how: How,
    /// What is required and what is aimed at; nothing where it is only reported.
    pub limits: Option<(f64, f64)>,
    /// More is better.
    pub more: bool,
}

const MIB: f64 = 1_048_576.0;

const fn most(scenario: &'static str, name: &'static str, how: How, required: f64, aim: f64) -> Figure {
    Figure { scenario, name, how, limits: Some((required, aim)), more: false }
}

const fn least(scenario: &'static str, name: &'static str, how: How, required: f64) -> Figure {
    Figure { scenario, name, how, limits: Some((required, required)), more: true }
}

const fn told(scenario: &'static str, name: &'static str, how: How) -> Figure {
    Figure { scenario, name, how, limits: None, more: false }
}

/// All of them.
pub const FIGURES: &[Figure] = &[
    most("round-trip", "p50 added, share of HAProxy's", How::Added("p50"), 1.0, 0.85),
    most("round-trip", "p99 against HAProxy", How::Against("p99"), 1.1, 1.0),
    most("round-trip", "CPU per round trip", How::Against("cpu"), 1.0, 0.85),
    most("fan-out", "CPU per frame", How::Against("cpu"), 0.75, 0.6),
    most("fan-out", "p50 added, share of HAProxy's", How::Added("p50"), 0.5, 0.25),
    most("fan-out", "p99 added, share of HAProxy's", How::Added("p99"), 0.9, 0.6),
    most("instruments", "p50 against HAProxy", How::Against("p50"), 0.9, 0.5),
    most("instruments", "CPU per frame", How::Against("cpu"), 1.0, 0.87),
    most("instruments-spread", "p50 against HAProxy", How::Against("p50"), 0.9, 0.5),
    most("instruments-spread", "CPU per frame", How::Against("cpu"), 1.0, 0.87),
    most("saturated-1", "CPU per frame", How::Against("cpu"), 4.0, 2.5),
    most("saturated-10", "CPU per frame", How::Against("cpu"), 2.0, 1.0),
    most("saturated-1000", "memory above idle, MiB", How::Itself("memory", MIB), 64.0, 64.0),
    least("saturated-1000", "clients served", How::Itself("served", 1.0), 1.0),
    least("saturated-1000", "fairness (Jain)", How::Itself("fairness", 1.0), 0.95),
    told("saturated-1000", "least served, share of the mean", How::Itself("least", 1.0)),
    most("connect", "p50 against HAProxy", How::Against("p50"), 0.7, 0.35),
    most("idle", "memory per 1,000 clients, MiB", How::Itself("memory", MIB), 10.0, 5.0),
    least("stalled", "frames received, against direct", How::AgainstDirect("received"), 0.99),
    most("stalled", "memory growth, MiB", How::Itself("memory", MIB), 64.0, 64.0),
    most("orders", "p99 under ticks, against idle", How::Within("loaded_p99", "idle_p99"), 2.0, 1.2),
    told("orders-history", "p99 beside history, against idle", How::Within("loaded_p99", "idle_p99")),
    told("orders-history", "longest beside history, ms", How::Itself("loaded_max", 1000.0)),
];

impl Figure {
    /// Its value in a round; nothing where a run of it is missing, or where HAProxy adds nothing.
    pub fn of<'a>(&self, runs: impl Fn(Kind) -> Option<&'a Values>) -> Option<f64> {
        let value = |kind, name: &str| runs(kind).and_then(|values| values.get(name).copied());
        let t = |name| value(Kind::Twsmux, name);
        let found = match self.how {
            How::Added(name) => {
                let base = value(Kind::Direct, name)?;
                (t(name)? - base) / (value(Kind::Haproxy, name)? - base)
            }
            How::Against(name) => t(name)? / value(Kind::Haproxy, name)?,
            How::AgainstDirect(name) => t(name)? / value(Kind::Direct, name)?,
            How::Itself(name, unit) => t(name)? / unit,
            How::Within(name, other) => t(name)? / t(other)?,
        };
        found.is_finite().then_some(found)
    }

    /// Whether a median is what is required; nothing where nothing is.
    pub fn passes(&self, median: f64) -> Option<bool> {
        let (required, _) = self.limits?;
        Some(if self.more { median >= required } else { median <= required })
    }
}
