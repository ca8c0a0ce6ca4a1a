//! What a session prints: the machine, each scenario's medians, the figures with their spread; and the same as JSON.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::args::Args;
use crate::figures::{FIGURES, Figure};
use crate::scenarios::{Scenario, Values};
use crate::session::Run;
use crate::subject::{self, Kind};
use crate::usage;

fn commit() -> String {
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).output().ok().filter(|out| out.status.success())?;
        Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    let name = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".into());
    format!("{name}{}", if changed { ", with changes" } else { "" })
}

/// What a session is measured on and how, by name.
pub type Facts = Vec<(&'static str, String)>;

/// Those of this machine and these options; `idle`: what CPUs do while they wait.
pub fn facts(args: &Args, cpu: usize, idle: String) -> Facts {
    let mut facts = usage::machine();
    facts.push(("pinned to CPU", cpu.to_string()));
    facts.push(("idle", idle));
    facts.push(("commit", commit()));
    facts.push(("rounds", args.rounds.to_string()));
    facts.push(("form", args.versions.name.to_owned()));
    facts
}

/// Where and with what it is measured.
pub fn head(facts: &Facts, binary: &Path, haproxy: Option<&Path>) {
    for (name, value) in facts {
        println!("{name}: {value}");
    }
    println!("twsmux: {}", subject::version(binary, "--version"));
    if let Some(haproxy) = haproxy {
        println!("haproxy: {}", subject::version(haproxy, "-v"));
    }
}

/// Median, smallest, largest.
fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    Some((*values.get(values.len() / 2)?, *values.first()?, *values.last()?))
}

/// Four digits that matter.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// The medians of one scenario.
pub fn scenario(scenario: &Scenario, runs: &[Run]) {
    let mine: Vec<_> = runs.iter().filter(|run| run.scenario == scenario.name).collect();
    println!("\n{}: {}", scenario.name, scenario.about);
    let names: BTreeSet<_> = mine.iter().flat_map(|run| run.values.keys().copied()).collect();
    for name in names.into_iter().filter(|name| *name != "astray") {
        print!("  {name:<18}");
        for kind in [Kind::Direct, Kind::Twsmux, Kind::Haproxy] {
            let of = mine.iter().filter(|run| run.kind == kind);
            if let Some((median, low, high)) =
                spread(of.filter_map(|run| run.values.get(name).copied()).collect())
            {
                print!("  {} {} ({}..{})", kind.name(), short(median), short(low), short(high));
            }
        }
        println!();
    }
}

/// The figures: median over the rounds, spread, what is required. Whether all that is required is met.
pub fn figures(runs: &[Run]) -> bool {
    println!(
        "\n{:<20} {:<36} {:>9}  {:<22} {:>10} {:>8} {:>6}",
        "scenario", "figure", "median", "spread", "of medians", "required", "aim"
    );
    let mut met = true;
    for (figure, rounds) in computed(runs) {
        let Some((median, low, high)) = spread(rounds) else { continue };
        let verdict = match figure.passes(median) {
            Some(true) => "PASS",
            Some(false) => "FAIL",
            None => "",
        };
        met &= verdict != "FAIL";
        let limits = figure.limits.map(|(required, aim)| (short(required), short(aim))).unwrap_or_default();
        let spread = format!("{}..{}", short(low), short(high));
        println!(
            "{:<20} {:<36} {:>9}  {spread:<22} {:>10} {:>8} {:>6} {verdict}",
            figure.scenario,
            figure.name,
            short(median),
            of_medians(figure, runs).map(short).unwrap_or_default(),
            limits.0,
            limits.1
        );
    }
    println!("{:<20} {:<36} {:>9}", "all", "frames to a wrong client", 0);
    met
}

fn computed(runs: &[Run]) -> impl Iterator<Item = (&'static Figure, Vec<f64>)> {
    let rounds = runs.iter().map(|run| run.round + 1).max().unwrap_or(0);
    FIGURES.iter().map(move |figure| {
        let of = |round| {
            figure.of(|kind| {
                let it = |run: &&Run| (run.scenario, run.round, run.kind) == (figure.scenario, round, kind);
                runs.iter().find(it).map(|run| &run.values)
            })
        };
        (figure, (0..rounds).filter_map(of).collect())
    })
}

/// The figure made of the medians of all rounds, for comparison: where rounds differ much from each other, a ratio within
/// one may be anything.
fn of_medians(figure: &Figure, runs: &[Run]) -> Option<f64> {
    let medians = |kind| {
        let of: Vec<_> =
            runs.iter().filter(|run| (run.scenario, run.kind) == (figure.scenario, kind)).collect();
        let names = of.first()?.values.keys();
        let median =
            |name: &&'static str| spread(of.iter().filter_map(|run| run.values.get(name).copied()).collect());
        Some(names.filter_map(|name| Some((*name, median(name)?.0))).collect::<Values>())
    };
    let all = [Kind::Direct, Kind::Twsmux, Kind::Haproxy].map(|kind| (kind, medians(kind)));
    figure.of(|kind| all.iter().find(|(of, _)| *of == kind)?.1.as_ref())
}

/// Everything as JSON.
pub fn json(args: &Args, facts: &Facts, runs: &[Run]) -> Result<(), String> {
    let facts: serde_json::Map<_, _> =
        facts.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    let runs_out: Vec<_> = runs
        .iter()
        .map(|run| {
            json!({
                "scenario": run.scenario, "subject": run.kind.name(), "round": run.round,
                "form": run.versions.name, "values": run.values,
            })
        })
        .collect();
    let figures: Vec<_> = computed(runs)
        .filter_map(|(figure, rounds)| {
            let (median, low, high) = spread(rounds)?;
            Some(json!({
                "scenario": figure.scenario, "figure": figure.name, "median": median, "low": low, "high": high,
                "required": figure.limits.map(|l| l.0), "aim": figure.limits.map(|l| l.1),
                "passes": figure.passes(median),
            }))
        })
        .collect();
    let all = json!({ "machine": facts, "runs": runs_out, "figures": figures });
    if let Some(folder) = args.json.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    let text = serde_json::to_string_pretty(&all).map_err(|error| error.to_string())?;
    std::fs::write(&args.json, text).map_err(|error| format!("{}: {error}", args.json.display()))?;
    println!("\neverything: {}", args.json.display());
    Ok(())
}
