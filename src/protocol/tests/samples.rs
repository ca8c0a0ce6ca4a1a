//! Makes up values for any layout, such that every conditional group is met.

use crate::protocol::{layout::Record, model::*, orders::CONDITION_TYPES, requests, responses};

/// A small generator of numbers; the tests need variety and repetition, not quality.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `n`.
    pub fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// All messages of both directions.
pub fn messages() -> impl Iterator<Item = &'static Message> {
    requests().iter().map(|r| &r.message).chain(responses().iter().map(|r| &r.message))
}

/// Values for all fields of `layout`, whatever the version and the conditions.
pub fn record(layout: Layout, dice: &mut Dice) -> Record {
    let mut record = Record::new();
    fill(layout, dice, &mut record);
    record
}

fn fill(layout: Layout, dice: &mut Dice, into: &mut Record) {
    for node in layout {
        match node {
            Node::One(f) => {
                into.set(f.name, value(f, dice));
            }
            Node::Group(body) | Node::If { body, .. } => fill(body, dice, into),
            Node::Repeat { count, body } => {
                for _ in 0..dice.roll(3) {
                    into.push(count.name, record(body, dice));
                }
            }
            Node::Conditions { count } => {
                for _ in 0..dice.roll(4) {
                    let (ty, body) = CONDITION_TYPES[dice.roll(CONDITION_TYPES.len())];
                    let mut row = record(body, dice);
                    row.set("type", ty);
                    into.push(count.name, row);
                }
                into.set("conditionsIgnoreRth", "1").set("conditionsCancelOrder", "0");
            }
        }
    }
}

fn value(field: &Field, dice: &mut Dice) -> &'static str {
    match (field.name, field.ty) {
        ("secType", _) => dice.pick(&["STK", "BAG", "FUND"]),
        ("exchange", _) => dice.pick(&["SMART", "IBKRATS"]),
        ("orderType", _) => {
            dice.pick(&["LMT", "PEG BENCH", "PEGBENCH", "PEG BEST", "PEGBEST", "PEG MID", "PEGMID"])
        }
        ("competeAgainstBestOffset", _) => dice.pick(&["", "0.01", "Infinity", "Infinite"]),
        ("scalePriceIncrement", _) => dice.pick(&["", "0.1", "-1", "1.7976931348623157E308"]),
        ("tickType", Type::Int) => dice.pick(&["1", "2", "3", "4", "77"]),
        (_, Type::Int) => dice.pick(&["0", "1", "-1", "2147483647"]),
        (_, Type::Long) => dice.pick(&["0", "1700000000", "9223372036854775807"]),
        (_, Type::Double) => dice.pick(&["0.0", "1.5", "1.7976931348623157E308"]),
        (_, Type::Decimal) => dice.pick(&["0", "100", "0.0001"]),
        (_, Type::Str) => dice.pick(&["", "text", "größer"]),
        (_, Type::Bool) => dice.pick(&["0", "1"]),
        (_, Type::Tags) => dice.pick(&["", "a=b;c=d;"]),
    }
}
