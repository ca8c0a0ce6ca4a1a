//! A session: rounds in which direct, twsmux and HAProxy take turns.
//!
//! Owns: the order of the runs, and their results. May not know: how anything is measured. Driven by: `main`.

use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::awake::Awake;
use crate::report;
use crate::scenarios::{SCENARIOS, Scenario, Values, Versions};
use crate::subject::{self, Kind};

/// What one run found.
pub struct Run {
    /// Of which scenario.
    pub scenario: &'static str,
    /// With what.
    pub kind: Kind,
    /// In which round, from 0.
    pub round: usize,
    /// At which versions.
    pub versions: Versions,
    /// What.
    pub values: Values,
}

/// Runs everything and reports; whether all is well.
pub fn run(args: &Args, binary: &Path) -> Result<bool, String> {
    let cpus = crate::usage::cpus();
    let cpu = args.cpu.or(cpus.last().copied()).ok_or("there is no CPU to use")?;
    let haproxy = subject::haproxy();
    // Until the end.
    let awake = (!args.smoke && !args.may_sleep).then(Awake::start);
    let idle = match &awake {
        Some(Ok(_)) => "CPUs wait awake".to_owned(),
        Some(Err(error)) => format!("CPUs may sleep, because they cannot be kept awake: {error}; root can"),
        None => "CPUs may sleep".to_owned(),
    };
    let facts = report::facts(args, cpu, idle);
    if !args.smoke {
        crate::usage::pin(cpu).map_err(|error| format!("cannot stay on CPU {cpu}: {error}"))?;
        report::head(&facts, binary, haproxy.as_deref());
        if haproxy.is_none() {
            println!("NOT RUN: the comparison with HAProxy: it is not installed");
        }
    }
    let chosen = |s: &&Scenario| args.only.is_empty() || args.only.iter().any(|name| name == s.name);
    let rounds = if args.smoke { 1 } else { args.rounds };
    let mut runs = Vec::new();
    for scenario in SCENARIOS.iter().filter(chosen) {
        let versions = scenario.versions.unwrap_or(args.versions);
        for round in 0..rounds {
            let mut kinds = scenario.kinds.to_vec();
            kinds.retain(|kind| *kind != Kind::Haproxy || (haproxy.is_some() && !args.smoke));
            // Whoever comes first in a round comes last in the next one.
            let turn = round % kinds.len().max(1);
            kinds.rotate_left(turn);
            for kind in kinds {
                let run = || scenario.run(kind, binary, versions, args.smoke);
                let values = run().map_err(|error| format!("{}, {}: {error}", scenario.name, kind.name()))?;
                if values["astray"] > 0.0 {
                    return Err(format!(
                        "{}, {}: {} frames to a wrong client, or wrong in content or order",
                        scenario.name,
                        kind.name(),
                        values["astray"]
                    ));
                }
                runs.push(Run { scenario: scenario.name, kind, round, versions, values });
            }
        }
        report::scenario(scenario, &runs);
    }
    if args.smoke {
        return Ok(true);
    }
    let met = report::figures(&runs);
    report::json(args, &facts, &runs)?;
    Ok(met || !args.check)
}

/// The twsmux that was built together with the kit.
pub fn built() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_twsmux"))
}
