//! Protobuf bodies to records and back. A [`Plan`] is the schema of a message with every field bound to the text field
//! that means the same, so that a record has the same names whichever form it was read from.
//!
//! Owns: the binding, reading and writing. Fields that only protobuf has keep the names of the schema; where one of
//! those is taken, or stands deeper than the messages directly inside, the name of its message goes before it.
//! May not know: versions, but for the fields that a later one brought; what values mean.

use std::{borrow::Cow, collections::BTreeSet, fmt::Write, sync::LazyLock};

use bytes::{BufMut, BytesMut};

use super::{
    layout::LayoutError,
    model::*,
    orders::{AFTER_CONDITIONS, CONDITION_TYPES, UNSET_DOUBLE},
    record::{Record, Spell, is_set},
    requests::REQUESTS,
    responses::RESPONSES,
    schema::{Kind, ProtoField, Schema},
};
use crate::wire::proto::{self, Value};

/// Bytes that a field has on average, its number included: many are doubles.
pub(super) const USUAL_FIELD: usize = 6;
/// The most bytes of pairs in one field; the longest ones in use, filters of scanners, have a few hundred.
const MAX_TAGS: usize = 8192;

/// A schema whose fields know where their values are in a record.
#[derive(Debug)]
pub struct Plan {
    schema: &'static Schema,
    /// One per field of the schema, in its order.
    fields: Vec<Bound>,
}

/// The rows of a message that has rows of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'p> {
    number: u32,
    field: &'static str,
    row: &'p Plan,
    /// The name of the count field of the text form.
    pub(super) count: &'static str,
}

impl Rows<'_> {
    /// Reads one after the other out of a body, and shows each in a record that has nothing but this row.
    ///
    /// # Errors
    /// Those of [`Plan::decode`].
    pub(super) fn each(&self, body: &[u8], mut with: impl FnMut(&mut Record)) -> Result<(), LayoutError> {
        let mut alone = Record::new();
        alone.push(self.count, Record::new());
        for field in proto::fields(body) {
            match field? {
                (number, Value::Bytes(row)) if number == self.number => {
                    alone.clear_values();
                    for record in alone.rows_mut(self.count) {
                        record.clear();
                        self.row.decode(row, record)?;
                    }
                    with(&mut alone);
                }
                (number, _) if number == self.number => {
                    return Err(LayoutError::WrongType { field: self.field });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Bound {
    decl: &'static ProtoField,
    what: What,
    /// Whether a text field claims it.
    claimed: bool,
}

#[derive(Debug)]
enum What {
    /// One value, and the second name of it where the text form has it twice.
    Value(&'static str, How, Option<&'static str>),
    /// A message inside; its values are in the same record. An empty one leaves a value under its name.
    Inside { name: &'static str, plan: Plan, presence: Option<&'static str> },
    /// Messages, a row each. `also`: a second repeat of the text form, whose only field belongs to the same messages.
    Rows { count: &'static str, row: Plan, also: Option<(&'static str, &'static str)> },
    /// Single values, a row each.
    List { count: &'static str, value: &'static str },
    /// Pairs, a row each.
    Pairs { count: &'static str, key: &'static str, value: &'static str },
    /// Pairs in one field, `tag=value;` each.
    Tags(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    /// As it is.
    Plain,
    /// As it is, in whichever member of a choice is there.
    Weak,
    /// One bit of a mask.
    Bit(u32),
    /// `a` or `o`.
    Conjunction,
}

/// By message id.
type Plans = LazyLock<Vec<Option<Plan>>>;

static REQUEST_PLANS: Plans = LazyLock::new(|| by_id(REQUESTS.iter().map(|r| &r.message)));
static RESPONSE_PLANS: Plans = LazyLock::new(|| by_id(RESPONSES.iter().map(|r| &r.message)));

fn by_id(messages: impl Iterator<Item = &'static Message>) -> Vec<Option<Plan>> {
    let mut plans = Vec::new();
    for message in messages {
        let id = usize::from(message.id);
        plans.resize_with(plans.len().max(id + 1), || None);
        plans[id] = Plan::of(message);
    }
    plans
}

/// The plan of a message; `None` where it has no protobuf form.
pub fn plan(direction: Direction, id: u16) -> Option<&'static Plan> {
    let plans = match direction {
        Direction::Request => &REQUEST_PLANS,
        Direction::Response => &RESPONSE_PLANS,
    };
    plans.get(usize::from(id))?.as_ref()
}

/// A name that lives as long as the tables. Plans are built once, from tables that do not change.
fn name_of(message: &str, field: &str) -> &'static str {
    Box::leak(format!("{message}.{field}").into_boxed_str())
}

impl Plan {
    fn of(message: &'static Message) -> Option<Plan> {
        let mut plan = Plan::unbound(message.proto?.schema, 0, "");
        let layouts = message.text.iter().chain(message.variants);
        layouts.for_each(|layout| plan.bind(layout));
        plan.rename(&plan.claimed_names(), "");
        Some(plan)
    }

    /// Every field under its own name.
    fn unbound(schema: &'static Schema, depth: usize, message: &str) -> Plan {
        let bound = |decl: &'static ProtoField| {
            let name = if depth < 2 { decl.name } else { name_of(message, decl.name) };
            let what = match (decl.kind, decl.repeated) {
                (Kind::Map, _) => What::Pairs { count: name, key: "tag", value: "value" },
                (Kind::Message(inner), true) => {
                    What::Rows { count: name, row: Plan::unbound(inner, 0, ""), also: None }
                }
                (Kind::Message(inner), false) => {
                    What::Inside { name, plan: Plan::unbound(inner, depth + 1, decl.name), presence: None }
                }
                (_, true) => What::List { count: name, value: decl.name },
                (_, false) => What::Value(name, How::Plain, None),
            };
            Bound { decl, what, claimed: false }
        };
        Plan { schema, fields: schema.fields.iter().map(bound).collect() }
    }

    /// The field at a path of names.
    fn find(&mut self, path: &str) -> Option<&mut Bound> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        if let Some(at) = self.schema.named(first) {
            return match (rest, &mut self.fields[at]) {
                (None, field) => Some(field),
                (Some(rest), Bound { what: What::Inside { plan, .. }, .. }) => plan.find(rest),
                _ => None,
            };
        }
        self.fields.iter_mut().find_map(|field| match &mut field.what {
            What::Inside { plan, .. } if plan.schema.named(first).is_some() => plan.find(path),
            _ => None,
        })
    }

    /// # Panics
    /// Where the tables name a field that the schema does not have. Every table is bound in the tests.
    fn claim(&mut self, path: &str) -> &mut Bound {
        let name = self.schema.name;
        let field = self.find(path).unwrap_or_else(|| panic!("{name} has no field {path}"));
        field.claimed = true;
        field
    }

    fn bind(&mut self, layout: Layout) {
        for node in layout {
            match node {
                Node::One(f) => self.bind_field(f),
                Node::Group(body) | Node::If { body, .. } => self.bind(body),
                Node::Repeat { count, body } => self.bind_rows(count, body),
                Node::Conditions { count } => {
                    CONDITION_TYPES.iter().for_each(|(_, body)| self.bind_rows(count, body));
                    self.bind(AFTER_CONDITIONS);
                }
            }
        }
    }

    fn bind_field(&mut self, f: &'static Field) {
        match f.home {
            Home::Nowhere => {}
            Home::SameName => self.bind_value(f, f.name, How::Plain),
            Home::At(path) => self.bind_value(f, path, How::Plain),
            Home::Each(paths) => paths.iter().for_each(|path| self.bind_value(f, path, How::Weak)),
            Home::Conjunction(path) => self.bind_value(f, path, How::Conjunction),
            Home::Bits(path, names) => {
                let What::Inside { plan, .. } = &mut self.claim(path).what else {
                    panic!("{path} is no message")
                };
                for (bit, name) in (0..).zip(names) {
                    plan.bind_value(f, name, How::Bit(bit));
                }
            }
            Home::Present(path) => match &mut self.claim(path).what {
                What::Inside { presence, .. } => *presence = Some(f.name),
                _ => panic!("{path} is no message"),
            },
        }
    }

    fn bind_value(&mut self, f: &'static Field, path: &str, how: How) {
        let was_claimed = self.find(path).is_some_and(|field| field.claimed);
        let field = self.claim(path);
        field.what = match (field.decl.kind, f.ty) {
            (Kind::Map, Type::Tags) => What::Tags(f.name),
            (Kind::Map | Kind::Message(_), _) => panic!("{path} is no single value"),
            _ => {
                let twice = match field.what {
                    What::Value(name, ..) if was_claimed && name != f.name => Some(name),
                    _ => None,
                };
                What::Value(f.name, how, twice)
            }
        };
    }

    fn bind_rows(&mut self, count: &'static Field, body: Layout) {
        let path = match count.home {
            Home::At(path) => path,
            Home::Nowhere => return,
            _ => count.name,
        };
        let field = self.claim(path);
        match (&mut field.what, body) {
            (What::Rows { count: bound, row, also }, _) => {
                if *bound != path.rsplit('.').next().unwrap_or(path) && *bound != count.name {
                    let [Node::One(only)] = body else { panic!("{path}: a second repeat with one field") };
                    *also = Some((count.name, only.name));
                } else {
                    *bound = count.name;
                }
                row.bind(body);
                row.rename(&row.claimed_names(), "");
            }
            (What::List { count: bound, value }, [Node::One(only)]) => {
                (*bound, *value) = (count.name, only.name)
            }
            (What::Pairs { count: bound, key, value }, [Node::One(k), Node::One(v)]) => {
                (*bound, *key, *value) = (count.name, k.name, v.name);
            }
            _ => panic!("{path} does not fit the rows of {}", count.name),
        }
    }

    /// The names that text fields brought, of this record.
    fn claimed_names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for field in &self.fields {
            match &field.what {
                What::Value(name, ..) | What::Tags(name) if field.claimed => names.push(*name),
                What::Inside { plan, .. } => names.extend(plan.claimed_names()),
                _ => {}
            }
        }
        names
    }

    /// Unclaimed values whose names are taken get longer ones.
    fn rename(&mut self, taken: &[&str], message: &str) {
        for field in &mut self.fields {
            let decl = field.decl;
            match &mut field.what {
                What::Value(name, ..) if !field.claimed && taken.contains(name) => {
                    *name = name_of(message, decl.name)
                }
                What::Inside { plan, .. } => plan.rename(taken, decl.name),
                _ => {}
            }
        }
    }

    /// The name of the value at a path of numbers.
    pub fn name_at(&self, path: &[u32]) -> Option<&'static str> {
        let (first, rest) = path.split_first()?;
        let field = self.fields.iter().find(|f| f.decl.number == *first)?;
        match (&field.what, rest) {
            (What::Value(name, ..), []) => Some(name),
            (What::Inside { plan, .. }, rest) => plan.name_at(rest),
            _ => None,
        }
    }

    /// Fields that no text field means, as paths of names; for the tests that keep the list of them.
    pub fn unclaimed(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for field in &self.fields {
            match &field.what {
                What::Inside { plan, .. } if !field.claimed => {
                    paths.extend(plan.unclaimed().iter().map(|p| format!("{}.{p}", field.decl.name)));
                }
                What::Rows { row, .. } if field.claimed => {
                    paths.extend(row.unclaimed().iter().map(|p| format!("{}.{p}", field.decl.name)));
                }
                _ if !field.claimed => paths.push(field.decl.name.to_owned()),
                _ => {}
            }
        }
        paths
    }

    /// Pairs of `record` with the same key, where this form has a map: the last of them would be the only one.
    pub fn same_keys(&self, record: &Record, found: &mut Vec<String>) {
        for field in &self.fields {
            let (name, keys): (_, Vec<&str>) = match &field.what {
                What::Pairs { count, key, .. } => {
                    (*count, record.rows(count).iter().filter_map(|row| row.get(key)).collect())
                }
                What::Tags(name) => {
                    (*name, tags_of(record.get(name).unwrap_or_default()).map(|t| t.0).collect())
                }
                What::Inside { plan, .. } => {
                    plan.same_keys(record, found);
                    continue;
                }
                _ => continue,
            };
            let mut known = BTreeSet::new();
            found.extend(keys.iter().filter(|k| !known.insert(**k)).map(|k| {
                let key: String = k.chars().take(32).collect();
                format!("{key} of {name} twice")
            }));
        }
    }

    /// Reads a body into `record`. Fields that the schema does not have are noted there.
    ///
    /// # Errors
    /// [`LayoutError::Wire`] where the body is malformed, [`LayoutError::WrongType`] where a value has another wire type.
    pub fn decode(&self, body: &[u8], record: &mut Record) -> Result<(), LayoutError> {
        self.decode_but(None, body, record).map(drop)
    }

    /// Likewise, but for the rows; says how many there are.
    pub(super) fn decode_around(&self, rows: &Rows<'_>, body: &[u8]) -> Result<(Record, usize), LayoutError> {
        let mut record = Record::new();
        let count = self.decode_but(Some(rows.number), body, &mut record)?;
        Ok((record, count))
    }

    fn decode_but(
        &self,
        left_out: Option<u32>,
        body: &[u8],
        record: &mut Record,
    ) -> Result<usize, LayoutError> {
        let (mut highest, mut count) = (0, 0);
        for field in proto::fields(body) {
            let (number, value) = field?;
            if left_out == Some(number) {
                count += 1;
                continue;
            }
            let Ok(at) = self.fields.binary_search_by_key(&number, |f| f.decl.number) else {
                record.note_unknown(self.schema.name, number);
                continue;
            };
            // The last one counts, and fields usually come once and in order.
            let again = number <= highest;
            highest = highest.max(number);
            self.fields[at].decode(value, again, record)?;
        }
        Ok(count)
    }

    /// The rows of the messages that have rows of one kind only, which the text form has too.
    pub(super) fn rows(&self) -> Option<Rows<'_>> {
        let mut found = self.fields.iter().filter(|field| matches!(field.what, What::Rows { .. }));
        match (found.next(), found.next()) {
            (Some(Bound { decl, what: What::Rows { count, row, also: None }, claimed: true }), None) => {
                Some(Rows { number: decl.number, count, field: decl.name, row })
            }
            _ => None,
        }
    }

    /// Appends the body that `version` has of what `record` holds. A value that is not of its field's type is left out.
    pub fn encode(&self, record: &Record, version: u16, out: &mut BytesMut) {
        self.write(record, version, out);
    }

    /// Says whether anything was written that makes this message the one that is there.
    fn write(&self, record: &Record, version: u16, out: &mut BytesMut) -> bool {
        let mut strong = false;
        for field in self.fields.iter().filter(|f| f.decl.since <= version) {
            strong |= field.encode(record, version, out);
        }
        strong
    }
}

impl Bound {
    fn wrong(&self) -> LayoutError {
        LayoutError::WrongType { field: self.decl.name }
    }

    fn decode(&self, value: Value<'_>, again: bool, record: &mut Record) -> Result<(), LayoutError> {
        match (&self.what, value) {
            (What::Value(name, how, twice), value) => {
                let bit = |set: bool, bit: u32| i64::from(set) << bit;
                match (*how, self.decl.kind, value) {
                    (How::Bit(n), Kind::Bool, Value::Varint(v)) => {
                        record.set(name, record.int(name).unwrap_or(0) & !(1 << n) | bit(v != 0, n));
                    }
                    (How::Conjunction, Kind::Bool, Value::Varint(v)) => {
                        record.put(name, if v != 0 { "a" } else { "o" }, again);
                    }
                    (_, Kind::Int32, Value::Varint(v)) => record.put(name, &i64::from(v as i32), again),
                    (_, Kind::Int64, Value::Varint(v)) => record.put(name, &(v as i64), again),
                    (_, Kind::Bool, Value::Varint(v)) => {
                        record.put(name, if v != 0 { "1" } else { "0" }, again)
                    }
                    (_, Kind::Double, Value::Fixed64(v)) => {
                        record.put(name, &Number(f64::from_bits(v)), again);
                        if let Some(twice) = twice {
                            record.put(twice, &Number(f64::from_bits(v)), true);
                        }
                    }
                    (_, Kind::Str, Value::Bytes(v)) => record.put(name, &*text_of(v), again),
                    _ => return Err(self.wrong()),
                }
            }
            (What::Inside { name, plan, presence }, Value::Bytes(body)) => {
                match presence {
                    Some(flag) => {
                        record.set(flag, 1);
                    }
                    None if body.is_empty() => {
                        record.set(name, "");
                    }
                    None => {}
                }
                plan.decode(body, record)?;
            }
            (What::Rows { count, row: plan, also }, Value::Bytes(body)) => {
                let mut row = Record::for_body(body.len(), USUAL_FIELD);
                plan.decode(body, &mut row)?;
                if let Some((second, name)) = also {
                    let mut other = Record::new();
                    if let Some(value) = row.get(name) {
                        other.set(name, value);
                    }
                    row.remove(name);
                    record.push(second, other);
                }
                record.push(count, row);
            }
            (What::List { count, value: name }, value) => self.decode_list(count, name, value, record)?,
            (What::Pairs { count, key, value: name }, Value::Bytes(body)) => {
                let (k, v) = pair(body)?;
                let mut row = Record::new();
                row.set(key, k).set(name, v);
                record.push(count, row);
            }
            (What::Tags(name), Value::Bytes(body)) => {
                let (k, v) = pair(body)?;
                let so_far = record.get(name).unwrap_or_default().to_owned();
                // Every pair copies those before it.
                if so_far.len() + k.len() + v.len() > MAX_TAGS {
                    return Err(LayoutError::TooLong { field: name, most: MAX_TAGS });
                }
                record.set(name, format_args!("{so_far}{k}={v};"));
            }
            _ => return Err(self.wrong()),
        }
        Ok(())
    }

    fn decode_list(
        &self,
        count: &'static str,
        name: &'static str,
        value: Value<'_>,
        record: &mut Record,
    ) -> Result<(), LayoutError> {
        let mut push = |text: &dyn Spell| {
            let mut row = Record::new();
            row.append(name, text);
            record.push(count, row);
        };
        match (self.decl.kind, value) {
            (Kind::Str, Value::Bytes(v)) => push(&&*text_of(v)),
            (Kind::Double, Value::Fixed64(v)) => push(&Number(f64::from_bits(v))),
            (Kind::Double, Value::Bytes(packed)) => {
                let (whole, rest) = packed.as_chunks();
                if !rest.is_empty() {
                    return Err(self.wrong());
                }
                whole.iter().for_each(|v| push(&Number(f64::from_le_bytes(*v))));
            }
            (Kind::Int32, Value::Varint(v)) => push(&i64::from(v as i32)),
            (Kind::Int32, Value::Bytes(packed)) => {
                for v in proto::varints(packed) {
                    push(&i64::from(v? as i32));
                }
            }
            _ => return Err(self.wrong()),
        }
        Ok(())
    }

    fn encode(&self, record: &Record, version: u16, out: &mut BytesMut) -> bool {
        let number = self.decl.number;
        match &self.what {
            What::Value(name, how, twice) => {
                let Some(value) = record.get(name).or_else(|| record.get((*twice)?)) else { return false };
                match how {
                    How::Bit(bit) => {
                        let set = value.parse::<i64>().is_ok_and(|mask| mask >> bit & 1 == 1);
                        if set {
                            proto::put_int(number, 1, out);
                        }
                        // All members of a choice have the same mask.
                        false
                    }
                    How::Conjunction => {
                        proto::put_int(number, i64::from(value == "a"), out);
                        true
                    }
                    How::Plain => self.encode_value(value, out),
                    How::Weak => {
                        self.encode_value(value, out);
                        false
                    }
                }
            }
            What::Inside { name, plan, presence } => {
                let mut inner = BytesMut::new();
                let strong = plan.write(record, version, &mut inner);
                let there = match presence.and_then(|flag| record.get(flag)) {
                    Some(flag) => is_set(flag.as_bytes()),
                    None if self.decl.one_of => strong,
                    None => !inner.is_empty() || record.get(name).is_some(),
                };
                if there {
                    proto::put_bytes(number, &inner, out);
                }
                there && strong
            }
            What::Rows { count, row: plan, also } => {
                let rows = record.rows(count);
                for (at, row) in rows.iter().enumerate() {
                    let mut inner = BytesMut::new();
                    let second = also
                        .and_then(|(second, name)| record.rows(second).get(at)?.get(name).map(|v| (name, v)));
                    match second.filter(|(_, value)| !value.is_empty()) {
                        Some((name, value)) => {
                            let mut both = row.clone();
                            both.set(name, value);
                            plan.write(&both, version, &mut inner);
                        }
                        None => {
                            plan.write(row, version, &mut inner);
                        }
                    }
                    proto::put_bytes(number, &inner, out);
                }
                !rows.is_empty()
            }
            What::List { count, value } => {
                let values = record.rows(count).iter().filter_map(|row| row.get(value));
                match self.decl.kind {
                    Kind::Str => values.for_each(|v| proto::put_bytes(number, v.as_bytes(), out)),
                    Kind::Double => {
                        let mut packed = BytesMut::new();
                        values.filter_map(parse_double).for_each(|v| packed.put_f64_le(v));
                        put_packed(number, &packed, out);
                    }
                    _ => {
                        let mut packed = BytesMut::new();
                        values
                            .filter_map(parse_integer)
                            .for_each(|v| proto::put_varint(v as u64, &mut packed));
                        put_packed(number, &packed, out);
                    }
                }
                !record.rows(count).is_empty()
            }
            What::Pairs { count, key, value } => {
                let rows = record.rows(count);
                for row in rows {
                    put_pair(
                        number,
                        row.get(key).unwrap_or_default(),
                        row.get(value).unwrap_or_default(),
                        out,
                    );
                }
                !rows.is_empty()
            }
            What::Tags(name) => {
                let tags = record.get(name).unwrap_or_default();
                tags_of(tags).for_each(|(k, v)| put_pair(number, k, v, out));
                !tags.is_empty()
            }
        }
    }

    fn encode_value(&self, value: &str, out: &mut BytesMut) -> bool {
        let number = self.decl.number;
        match self.decl.kind {
            Kind::Int32 | Kind::Int64 => match parse_integer(value) {
                Some(n) => proto::put_int(number, n, out),
                None => return false,
            },
            Kind::Bool => proto::put_int(number, i64::from(is_set(value.as_bytes())), out),
            Kind::Double => match parse_double(value) {
                Some(n) => proto::put_double(number, n, out),
                None => return false,
            },
            _ => proto::put_bytes(number, value.as_bytes(), out),
        }
        true
    }
}

/// The text of a string, without NUL bytes: the text form cannot have them.
fn text_of(string: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(string) {
        text if text.contains('\0') => text.replace('\0', "").into(),
        text => text,
    }
}

fn put_packed(number: u32, packed: &[u8], out: &mut BytesMut) {
    if !packed.is_empty() {
        proto::put_bytes(number, packed, out);
    }
}

fn put_pair(number: u32, key: &str, value: &str, out: &mut BytesMut) {
    let mut entry = BytesMut::new();
    proto::put_bytes(1, key.as_bytes(), &mut entry);
    proto::put_bytes(2, value.as_bytes(), &mut entry);
    proto::put_bytes(number, &entry, out);
}

fn pair(entry: &[u8]) -> Result<(String, String), LayoutError> {
    let part = |number| -> Result<String, LayoutError> {
        Ok(text_of(proto::get_str(entry, &[number])?.unwrap_or_default()).into_owned())
    };
    Ok((part(1)?, part(2)?))
}

/// The pairs of a `tag=value;` list.
pub(super) fn tags_of(tags: &str) -> impl Iterator<Item = (&str, &str)> {
    tags.split(';').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// An integer as clients write one: some write a float with nothing behind the point.
pub(super) fn parse_integer(value: &str) -> Option<i64> {
    if let Ok(n) = value.parse() {
        return Some(n);
    }
    let n: f64 = value.parse().ok()?;
    (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64)
}

/// A double as clients write one: two libraries spell infinity in a way of their own.
pub(super) fn parse_double(value: &str) -> Option<f64> {
    match value {
        "Infinite" => Some(f64::INFINITY),
        _ => value.parse().ok(),
    }
}

/// A double in the spelling of the text form.
#[derive(Clone, Copy)]
struct Number(f64);

/// The most digits that every double tells apart from each other.
const SURE_DIGITS: f64 = 1e15;
/// Powers of ten for as many digits behind the point as prices usually have.
const TENS: [(f64, usize); 7] = [(1.0, 0), (1e1, 1), (1e2, 2), (1e3, 3), (1e4, 4), (1e5, 5), (1e6, 6)];

impl Number {
    /// The number as an integer of so many digits behind the point, where it has few: the fewest that give it back.
    fn few_digits(self) -> Option<(i64, usize)> {
        TENS.into_iter().find_map(|(tens, digits)| {
            let scaled = (self.0 * tens).round();
            // Both are exact, and so their quotient is the double that is nearest to what they spell.
            (scaled.abs() < SURE_DIGITS && scaled / tens == self.0).then_some((scaled as i64, digits))
        })
    }
}

impl Spell for Number {
    /// As [`std::fmt::Display`] has a double, but for the two that the text form spells otherwise.
    fn spell(&self, out: &mut String) {
        if self.0 == f64::MAX {
            return out.push_str(UNSET_DOUBLE);
        }
        if self.0 == f64::INFINITY {
            return out.push_str("Infinity");
        }
        match self.few_digits() {
            // Zero may have a sign.
            None | Some((0, _)) => {
                let _ = write!(out, "{}", self.0); // writing to a String cannot fail
            }
            Some((scaled, digits)) => {
                if scaled < 0 {
                    out.push('-');
                }
                let mut buffer = itoa::Buffer::new();
                let text = buffer.format(scaled.unsigned_abs());
                let (whole, rest) = text.split_at(text.len().saturating_sub(digits));
                out.push_str(if whole.is_empty() { "0" } else { whole });
                if digits > 0 {
                    out.push('.');
                    (rest.len()..digits).for_each(|_| out.push('0'));
                    out.push_str(rest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spelled(n: f64) -> String {
        let mut out = String::new();
        Number(n).spell(&mut out);
        out
    }

    #[test]
    fn two_doubles_are_spelled_as_the_text_form_has_them() {
        assert_eq!(spelled(f64::MAX), "1.7976931348623157E308");
        assert_eq!(spelled(f64::INFINITY), "Infinity");
        assert_eq!(spelled(-0.0), "-0");
        assert_eq!(spelled(f64::NAN), "NaN");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn all_others_as_display_has_them(
            n in prop_oneof![
                any::<f64>(),
                (any::<i32>(), 0i32..9).prop_map(|(n, digits)| f64::from(n) / 10f64.powi(digits)),
                (any::<i64>(), 0i32..20).prop_map(|(n, digits)| n as f64 / 10f64.powi(digits)),
                // Next to one that has few digits.
                (any::<i32>(), 0i32..7, -2i64..3).prop_map(|(n, digits, off)| {
                    f64::from_bits((f64::from(n) / 10f64.powi(digits)).to_bits().wrapping_add_signed(off))
                }),
            ],
        ) {
            prop_assume!(n != f64::MAX && n != f64::INFINITY);
            prop_assert_eq!(spelled(n), n.to_string());
        }
    }
}
