//! Two tours side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use twsmux::protocol::dialect::Dialect;
use twsmux::protocol::layout::Record;
use twsmux::sim::client::Received;

use super::differences::{self, Numbers, Tag, difference};
use super::{Step, Who};
use crate::support::as_known_to;

/// Lines that a complaint shows, and how much of each.
const MOST_LINES: usize = 15;
const MOST_CHARS: usize = 300;

/// A message in one line.
pub fn line(m: &Received) -> String {
    let mut line = m.name.to_owned();
    spell(&m.values, &mut line);
    line
}

fn spell(values: &Record, line: &mut String) {
    for (name, value) in values.iter() {
        line.push_str(&format!(" {name}={value}"));
    }
    for (count, rows) in values.repeats() {
        for row in rows {
            line.push_str(&format!(" {count}["));
            spell(row, line);
            line.push_str(" ]");
        }
    }
    for (message, number) in values.unknown() {
        line.push_str(&format!(" unknown={message}.{number}"));
    }
}

/// What the messages of a stream have in common: the id of the request or order, or else the name.
fn stream(m: &Received) -> String {
    let of = |name| Some(m.int(name)).filter(|id| *id >= 0);
    match of("reqId").or(of("orderId")).or(of("id")) {
        Some(id) => id.to_string(),
        None => m.name.to_owned(),
    }
}

/// The lines of a step, those of one stream together where the order of streams means nothing.
fn lines(step: &Step, numbers: &Numbers) -> Vec<String> {
    let lines = step.messages.iter().map(|m| numbers.replace(line(m)));
    if step.ordered {
        return lines.collect();
    }
    let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (m, line) in step.messages.iter().zip(lines) {
        streams.entry(stream(m)).or_default().push(line);
    }
    streams.into_values().flatten().collect()
}

/// A step without what must differ in it, but for `kept`.
fn without(step: &Step, kept: Option<Tag>) -> Step {
    let mut step = step.clone();
    for tag in step.tags.clone() {
        if Some(tag) != kept {
            (difference(tag).take_out)(&mut step);
        }
    }
    step
}

/// What differs and must not, in words; and what must differ and does not.
///
/// Of a Gateway of another version, nobody knows what that version does not have.
pub fn complaints(who: Who, direct: &[Step], through: &[Step]) -> Vec<String> {
    let titles = |steps: &[Step]| steps.iter().map(|s| s.title.clone()).collect::<Vec<_>>();
    assert_eq!(titles(direct), titles(through), "the same steps");
    let [own, other] = [who.version, who.gateway].map(|version| Arc::new(Dialect::new(version)));
    let [direct, through] = &[direct, through].map(|steps| {
        let mut steps = steps.to_vec();
        if who.version != who.gateway {
            for step in &mut steps {
                step.messages = step.messages.iter().filter_map(|m| as_known_to(&own, &other, m)).collect();
            }
        }
        differences::take_out_everywhere(&mut steps);
        steps
    });
    let clean = |steps: &[Step]| steps.iter().map(|s| without(s, None)).collect::<Vec<_>>();
    let (one, other) = (clean(direct), clean(through));
    let numbers = [Numbers::of(&one), Numbers::of(&other)];
    let mut complaints = Vec::new();
    for at in 0..one.len() {
        let (wanted, seen) = (lines(&one[at], &numbers[0]), lines(&other[at], &numbers[1]));
        let title = &one[at].title;
        if wanted != seen {
            complaints.push(format!("step {at}, {title}:\n{}", both(&wanted, &seen)));
            continue;
        }
        for d in direct[at].tags.iter().map(|tag| difference(*tag)) {
            let row = format!("{:?} ({}, because {})", d.tag, d.what, d.reason);
            if !(d.is_right)(&through[at]) {
                let seen: Vec<String> = through[at].messages.iter().map(line).collect();
                let seen = list(&seen, '+');
                complaints.push(format!("step {at}, {title}: not as it must be: {row}\n{seen}"));
            }
            let [wanted, seen] = [(direct, &numbers[0]), (through, &numbers[1])]
                .map(|(steps, numbers)| lines(&without(&steps[at], Some(d.tag)), numbers));
            if d.always && wanted == seen {
                complaints.push(format!("step {at}, {title}: nothing differs any more: {row}"));
            }
        }
    }
    complaints
}

/// What two lists of lines do not have in common.
fn both(wanted: &[String], seen: &[String]) -> String {
    let only = |some: &[String], others: &[String]| -> Vec<String> {
        some.iter().filter(|l| !others.contains(l)).cloned().collect()
    };
    let (less, more) = (only(wanted, seen), only(seen, wanted));
    if less.is_empty() && more.is_empty() {
        let at = wanted.iter().zip(seen).position(|(w, s)| w != s).unwrap_or(wanted.len().min(seen.len()));
        let show = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(nothing)".into());
        return format!("  number or order, from line {at}:\n  - {}\n  + {}\n", show(wanted), show(seen));
    }
    if less.len() == more.len() {
        // Most likely the same messages with other values.
        return less.iter().zip(&more).take(MOST_LINES).map(|(less, more)| words(less, more)).collect();
    }
    list(&less, '-') + &list(&more, '+')
}

/// Some of the lines, and the beginning of each.
fn list(lines: &[String], sign: char) -> String {
    let cut = |line: &String| line.chars().take(MOST_CHARS).collect::<String>();
    let shown = lines.iter().take(MOST_LINES).map(|line| format!("  {sign} {}\n", cut(line)));
    let rest = lines.len().saturating_sub(MOST_LINES);
    shown.chain((rest > 0).then(|| format!("  {sign} and {rest} more\n"))).collect()
}

/// The words that two lines do not have in common, behind the first three of one of them.
fn words(less: &str, more: &str) -> String {
    let split = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
    let (less, more) = (split(less), split(more));
    let only = |some: &[String], others: &[String], sign: char| -> String {
        some.iter().filter(|w| !others.contains(w)).map(|w| format!(" {sign}{w}")).collect()
    };
    let head = less.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
    format!("  {head} ..:{}{}\n", only(&less, &more, '-'), only(&more, &less, '+'))
}
