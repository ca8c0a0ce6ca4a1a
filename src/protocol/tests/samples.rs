//! Makes up values for any layout, such that every conditional group is met, and for any schema.

use bytes::{BufMut, BytesMut};

use crate::protocol::{
    layout::Record,
    model::*,
    orders::CONDITION_TYPES,
    requests, responses,
    schema::{Kind, ProtoField, Schema},
};
use crate::wire::proto;

/// A small generator of numbers; the tests need variety and repetition, not quality.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `n`.
    pub fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn double(&mut self) -> f64 {
        [0.0, 1.5, -0.25, 1e300, f64::MAX, f64::INFINITY][self.roll(6)]
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

/// Values for some of the fields: few, many or all, as it comes.
pub fn sparse(layout: Layout, dice: &mut Dice) -> Record {
    let keep = [1, 10, 50, 100][dice.roll(4)];
    thinned(&record(layout, dice), keep, dice)
}

fn thinned(record: &Record, percent: usize, dice: &mut Dice) -> Record {
    let mut kept = Record::new();
    for (name, value) in record.iter().filter(|(name, _)| *name == "type" || dice.roll(100) < percent) {
        kept.set(name, value);
    }
    for (count, rows) in record.repeats() {
        if dice.roll(100) < percent {
            for row in rows {
                kept.push(count, thinned(row, percent, dice));
            }
        }
    }
    kept
}

/// Appends a body with some of the fields that a schema has for `version`.
pub fn body(schema: &Schema, version: u16, dice: &mut Dice, out: &mut BytesMut) {
    let keep = [1, 10, 50, 100][dice.roll(4)];
    put_fields(schema, version, keep, dice, out);
}

fn put_fields(schema: &Schema, version: u16, percent: usize, dice: &mut Dice, out: &mut BytesMut) {
    let choice: Vec<u32> = schema.fields.iter().filter(|f| f.one_of).map(|f| f.number).collect();
    let chosen = (!choice.is_empty()).then(|| choice[dice.roll(choice.len())]);
    // What has a choice is whole.
    let percent = if chosen.is_some() { 100 } else { percent };
    for field in schema.fields.iter().filter(|f| f.since <= version) {
        if field.one_of && Some(field.number) != chosen || dice.roll(100) >= percent {
            continue;
        }
        let many = field.repeated || matches!(field.kind, Kind::Map);
        let count = if many { dice.roll(3) } else { 1 };
        if many && matches!(field.kind, Kind::Int32 | Kind::Double) {
            put_packed(field, count, dice, out);
            continue;
        }
        for _ in 0..count {
            match (field.name, chosen) {
                // The bits of a mask: those that are not set are left out.
                _ if schema.name.starts_with("TickAttrib") => proto::put_int(field.number, 1, out),
                // A tick has its price.
                _ if schema.name.starts_with("HistoricalTick") && matches!(field.kind, Kind::Double) => {
                    proto::put_double(field.number, 227.25, out);
                }
                // Lists have no empty elements.
                _ if field.repeated && matches!(field.kind, Kind::Str) => {
                    proto::put_bytes(field.number, dice.pick(&["OPT", "20261218"]).as_bytes(), out);
                }
                ("tickType", Some(kind)) => proto::put_int(field.number, [1, 3, 4][kind as usize - 3], out),
                _ => put_field(field, version, percent, dice, out),
            }
        }
    }
}

fn put_packed(field: &ProtoField, count: usize, dice: &mut Dice, out: &mut BytesMut) {
    let mut packed = BytesMut::new();
    for _ in 0..count {
        match field.kind {
            Kind::Double => packed.put_f64_le([100.0, 102.5][dice.roll(2)]),
            _ => proto::put_varint(dice.roll(100_000) as u64, &mut packed),
        }
    }
    if count > 0 {
        proto::put_bytes(field.number, &packed, out);
    }
}

fn put_field(field: &ProtoField, version: u16, percent: usize, dice: &mut Dice, out: &mut BytesMut) {
    let number = field.number;
    match field.kind {
        Kind::Int32 => proto::put_int(number, [0, 1, 2, -1, 77, i64::from(i32::MAX)][dice.roll(6)], out),
        Kind::Int64 => proto::put_int(number, [0, -1, 1_700_000_000_000, i64::MAX][dice.roll(4)], out),
        Kind::Bool => proto::put_int(number, dice.roll(2) as i64, out),
        Kind::Double => proto::put_double(number, dice.double(), out),
        Kind::Str => {
            let text =
                dice.pick(&["", "1", "100.25", "STK", "BAG", "PEG BEST", "größer", "20261124-15:00:00Z"]);
            proto::put_bytes(number, text.as_bytes(), out);
        }
        Kind::Map => {
            let mut entry = BytesMut::new();
            proto::put_bytes(1, dice.pick(&["a", "b"]).as_bytes(), &mut entry);
            proto::put_bytes(2, dice.pick(&["", "c"]).as_bytes(), &mut entry);
            proto::put_bytes(number, &entry, out);
        }
        Kind::Message(schema) => {
            let mut inner = BytesMut::new();
            put_fields(schema, version, percent, dice, &mut inner);
            proto::put_bytes(number, &inner, out);
        }
    }
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
