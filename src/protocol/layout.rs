//! The interpreter of text layouts: writes, reads and checks the body of any declared message at any version.
//!
//! Owns: which field stands where, when a group is present, how often one repeats.
//! May not know: single messages; what they need is in their declaration. Driven by: `core`, `sim`, `cli`.

use bytes::{BufMut, BytesMut};
use smallvec::SmallVec;

use super::{
    declare::plain,
    model::*,
    orders::{AFTER_CONDITIONS, CONDITION_TYPES},
};
use crate::wire::{
    WireError, frame,
    text::{self, Form},
};

pub use super::record::{Record, is_set};

/// A body does not have the declared layout. Says which field, so that the words can go to whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The last field has no NUL.
    #[error("field {index} ({field}) is not terminated")]
    Unterminated {
        /// Name of the field.
        field: &'static str,
        /// Its index, the message id being 0.
        index: usize,
    },
    /// The body ends too early.
    #[error("field {index} ({field}) is missing")]
    Missing {
        /// Name of the first field that is not there.
        field: &'static str,
        /// Its index, the message id being 0.
        index: usize,
    },
    /// The body goes on after its last field.
    #[error("{count} more fields than the message has, from field {index} on")]
    LeftOver {
        /// Index of the first one.
        index: usize,
        /// How many there are; an unterminated rest counts as one.
        count: usize,
    },
    /// An id or another number that decides something is none.
    #[error("field {index} ({field}) holds {value:?}, which is not a number in its range")]
    BadNumber {
        /// Name of the field.
        field: &'static str,
        /// Its index, the message id being 0; 0 for protobuf.
        index: usize,
        /// What it holds, shortened.
        value: String,
    },
    /// A count is negative, no number, or larger than what can follow.
    #[error("field {index} ({field}) announces {value:?} rows, at most {most} can follow")]
    BadCount {
        /// Name of the field.
        field: &'static str,
        /// Its index, the message id being 0.
        index: usize,
        /// What it holds, shortened.
        value: String,
        /// The bytes that are left: every row takes at least one.
        most: usize,
    },
    /// An order condition of a type that does not exist.
    #[error("field {index} holds {value:?}, which is no type of order condition")]
    BadCondition {
        /// Index of the type, the message id being 0.
        index: usize,
        /// What it holds, shortened.
        value: String,
    },
    /// A list of pairs is too long.
    #[error("{field} is longer than {most} bytes")]
    TooLong {
        /// Name of the field.
        field: &'static str,
        /// The most bytes that it may have.
        most: usize,
    },
    /// An id is there many times.
    #[error("an id is there more than once")]
    Repeated,
    /// The message does not exist at the version, or not in the form.
    #[error("{message} does not exist at server version {version} in this form")]
    NotThere {
        /// Name of the message.
        message: &'static str,
        /// Negotiated server version.
        version: u16,
    },
    /// A protobuf value has another wire type than its field.
    #[error("{field} has a value of another type")]
    WrongType {
        /// Name in the official schema.
        field: &'static str,
    },
    /// The body is malformed beneath its layout.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Appends the body (fields without message id) as `version` has it.
///
/// A field without a value is written as its constant if it has one, otherwise empty where that is legal (optional
/// fields, text, tags), otherwise as 0. NUL bytes in values are left out, since they would shift all later fields.
/// Conditions of unknown type are left out too.
pub fn encode(layout: Layout, version: u16, values: &Record, out: &mut BytesMut) {
    let put_rows = &mut |count, body, out: &mut _| encode_rows(count, body, version, values, out);
    encode_with(layout, version, values, out, put_rows);
}

/// Appends count and rows of a repeat.
pub(super) fn encode_rows(count: &Field, body: Layout, version: u16, values: &Record, out: &mut BytesMut) {
    let rows = values.rows(count.name);
    text::put_int(rows.len() as i64, out);
    rows.iter().for_each(|row| encode(body, version, row, out));
}

/// Writes count and rows of a repeat.
type PutRows<'f> = &'f mut dyn FnMut(&'static Field, Layout, &mut BytesMut);

/// Likewise, but `put_rows` writes the repeats.
pub(super) fn encode_with(
    layout: Layout,
    version: u16,
    values: &Record,
    out: &mut BytesMut,
    put_rows: PutRows<'_>,
) {
    for node in layout {
        match node {
            Node::One(f) => {
                if f.versions.has(version) {
                    put_value(f, values.get(f.name), out);
                }
            }
            Node::Group(body) => encode_with(body, version, values, out, put_rows),
            Node::Repeat { count, body } if count.versions.has(version) => put_rows(count, body, out),
            Node::If { cond, versions, body } if versions.has(version) => {
                if holds(*cond, |name| values.get(name).map(str::as_bytes)) {
                    encode_with(body, version, values, out, put_rows);
                }
            }
            Node::Conditions { count } if count.versions.has(version) => {
                put_conditions(values.rows(count.name), version, values, out);
            }
            Node::Repeat { .. } | Node::If { .. } | Node::Conditions { .. } => {}
        }
    }
}

fn put_conditions(rows: &[Record], version: u16, values: &Record, out: &mut BytesMut) {
    let known =
        || rows.iter().filter_map(|r| condition(r.get("type")?.as_bytes()).map(|(ty, body)| (ty, body, r)));
    text::put_int(known().count() as i64, out);
    for (ty, body, row) in known() {
        text::put_str(ty, out);
        encode(body, version, row, out);
    }
    if known().next().is_some() {
        encode(AFTER_CONDITIONS, version, values, out);
    }
}

fn condition(ty: &[u8]) -> Option<(&'static str, Layout)> {
    CONDITION_TYPES.into_iter().find(|(name, _)| name.as_bytes() == ty)
}

/// The name under which the type of an order condition is found in its row.
const CONDITION_TYPE: &str = "type";

fn put_value(field: &Field, value: Option<&str>, out: &mut BytesMut) {
    let value = match (value, field.ty) {
        (Some("true"), Type::Bool) => "1",
        (Some("false"), Type::Bool) => "0",
        (Some(v), _) => v,
        (None, _) => default(field),
    };
    match value.as_bytes().contains(&0) {
        true => value.split('\0').for_each(|part| out.put_slice(part.as_bytes())),
        false => out.put_slice(value.as_bytes()),
    }
    out.put_u8(0);
}

fn default(field: &Field) -> &'static str {
    match (field.fixed.or(field.unset), field.ty) {
        (Some(constant), _) => constant,
        (None, Type::Str | Type::Tags) => "",
        (None, _) if field.optional => "",
        (None, _) => "0",
    }
}

fn holds<'v>(cond: Cond, value: impl Fn(&str) -> Option<&'v [u8]>) -> bool {
    let value = |name| value(name).unwrap_or_default();
    let number = |name| std::str::from_utf8(value(name)).ok().and_then(|v| v.parse::<f64>().ok());
    match cond {
        Cond::Always => true,
        Cond::In(name, values) => values.iter().any(|v| v.as_bytes() == value(name)),
        Cond::NotEmpty(name) => !value(name).is_empty(),
        Cond::Positive(name) => number(name).is_some_and(|n| n > 0.0 && n < f64::MAX),
        Cond::SendMidOffsets => match value("orderType") {
            b"PEG MID" | b"PEGMID" => true,
            // Some clients spell infinity in a way that is no number.
            b"PEG BEST" | b"PEGBEST" => {
                value("competeAgainstBestOffset") == b"Infinite"
                    || number("competeAgainstBestOffset") == Some(f64::INFINITY)
            }
            _ => false,
        },
    }
}

/// Reads a whole body; exact: no field missing, none left over. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// All of [`LayoutError`] but [`LayoutError::NotThere`].
pub fn decode(layout: Layout, version: u16, body: &[u8]) -> Result<Record, LayoutError> {
    let mut builder = Builder { record: Record::for_body(body.len(), 1), ..Builder::default() };
    walk(layout, version, body, &mut builder)?;
    Ok(builder.record)
}

/// Reads a whole body of `message`: in its text form, otherwise in one of its variants.
///
/// # Errors
/// Those of [`decode`] for the text form; [`LayoutError::NotThere`].
pub fn read(message: &Message, version: u16, body: &[u8]) -> Result<Record, LayoutError> {
    first_match(message, version, |layout| decode(layout, version, body))
}

/// Likewise, leaving out the values that `skip` names.
///
/// # Errors
/// Those of [`read`].
pub fn read_without(
    message: &Message,
    version: u16,
    body: &[u8],
    skip: fn(&Field, &str) -> bool,
) -> Result<Record, LayoutError> {
    first_match(message, version, |layout| {
        let record = Record::for_body(body.len(), 1);
        let mut builder = Builder { record, skip: Some(skip), ..Builder::default() };
        walk(layout, version, body, &mut builder)?;
        Ok(builder.record)
    })
}

/// Reads as much of a body as has the text form of `message`, and says what ended it.
pub fn read_partly(message: &Message, version: u16, body: &[u8]) -> (Record, Option<LayoutError>) {
    let error = match read(message, version, body) {
        Ok(record) => return (record, None),
        Err(error) => error,
    };
    let mut builder = Builder::default();
    if let Some(layout) = message.text.filter(|_| message.since <= version) {
        // It ends in the same error.
        let _ = walk(layout, version, body, &mut builder);
    }
    while !builder.outer.is_empty() {
        builder.end_row();
    }
    (builder.record, Some(error))
}

/// Makes sure that a client's text request has the declared layout, or that of a variant.
///
/// # Errors
/// Those of [`decode`] for the text form; [`LayoutError::NotThere`].
pub fn check(message: &Message, version: u16, body: &[u8]) -> Result<(), LayoutError> {
    first_match(message, version, |layout| walk(layout, version, body, &mut ()))
}

fn first_match<T>(
    message: &Message,
    version: u16,
    mut with: impl FnMut(Layout) -> Result<T, LayoutError>,
) -> Result<T, LayoutError> {
    let not_there = || LayoutError::NotThere { message: message.name, version };
    let layout = message.text.filter(|_| message.since <= version).ok_or_else(not_there)?;
    let error = match with(layout) {
        Ok(found) => return Ok(found),
        Err(e) => e,
    };
    message.variants.iter().find_map(|v| with(v).ok()).ok_or(error)
}

/// Appends a whole frame: length, message id in the header form of `version`, text body.
///
/// # Panics
/// When the message has no text form: a mistake of the caller, whatever came from outside.
pub fn put_text(message: &Message, version: u16, values: &Record, out: &mut BytesMut) {
    let layout = message.text.expect("the message has a text form");
    frame::put_with(out, |out| {
        text::put_id(u32::from(message.id), Form::Text, version, out);
        encode(layout, version, values, out);
    });
}

/// A place in a layout.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// That of a value.
    Value(&'static Field),
    /// That of the rows with this count field. Rows of order conditions, which are of several types, have no layout.
    Rows(&'static Field, Layout),
}

/// All places of a layout in their order, whatever the version and the conditions.
pub fn entries(layout: Layout) -> Vec<Entry> {
    let mut all = Vec::new();
    for node in layout {
        match node {
            Node::One(f) => all.push(Entry::Value(f)),
            Node::Group(body) | Node::If { body, .. } => all.extend(entries(body)),
            Node::Repeat { count, body } => all.push(Entry::Rows(count, body)),
            Node::Conditions { count } => {
                all.push(Entry::Rows(count, &[]));
                all.extend(entries(AFTER_CONDITIONS));
            }
        }
    }
    all
}

/// What a walk through a body finds.
pub(super) trait Sink<'a> {
    /// A field and its text.
    fn value(&mut self, _field: &'static Field, _value: &'a [u8]) {}
    /// A row of the repeat with this count begins.
    fn row(&mut self, _count: &'static str) {}
    /// The row ends.
    fn end_row(&mut self) {}
}

impl Sink<'_> for () {}

#[derive(Default)]
struct Builder {
    record: Record,
    /// The records around the one under construction, outermost first, and where it will go.
    outer: Vec<(Record, &'static str)>,
    skip: Option<fn(&Field, &str) -> bool>,
}

impl<'a> Sink<'a> for Builder {
    fn value(&mut self, field: &'static Field, value: &'a [u8]) {
        let value = String::from_utf8_lossy(value);
        if !self.skip.is_some_and(|skip| skip(field, &value)) {
            self.record.append(field.name, &*value);
        }
    }

    fn row(&mut self, count: &'static str) {
        self.outer.push((std::mem::take(&mut self.record), count));
    }

    fn end_row(&mut self) {
        if let Some((mut outer, count)) = self.outer.pop() {
            outer.push(count, std::mem::take(&mut self.record));
            self.record = outer;
        }
    }
}

/// What came before in a body; on the stack, where a message without rows has hardly more.
type Seen<'a> = SmallVec<[(&'static str, &'a [u8]); 64]>;

/// Goes through a whole body and tells `sink` what is there.
pub(super) fn walk<'a>(
    layout: Layout,
    version: u16,
    body: &'a [u8],
    sink: &mut impl Sink<'a>,
) -> Result<(), LayoutError> {
    let mut reader = Reader { rest: body, index: 0, version, seen: Seen::new() };
    reader.nodes(layout, sink)?;
    match reader.rest {
        [] => Ok(()),
        rest => {
            let unterminated = usize::from(rest.last() != Some(&0));
            let count = text::fields(rest).count() + unterminated;
            Err(LayoutError::LeftOver { index: reader.index + 1, count })
        }
    }
}

/// The type of an order condition, as a field of its row.
static TYPE_FIELD: Field = plain(CONDITION_TYPE, Type::Int);

struct Reader<'a> {
    rest: &'a [u8],
    /// Index of the field that was taken last.
    index: usize,
    version: u16,
    /// What came before, for the conditions of groups.
    seen: Seen<'a>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, field: &'static str) -> Result<&'a [u8], LayoutError> {
        self.index += 1;
        let index = self.index;
        match self.rest.iter().position(|b| *b == 0) {
            Some(end) => {
                let value = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                Ok(value)
            }
            None if self.rest.is_empty() => Err(LayoutError::Missing { field, index }),
            None => Err(LayoutError::Unterminated { field, index }),
        }
    }

    fn nodes(&mut self, layout: Layout, sink: &mut impl Sink<'a>) -> Result<(), LayoutError> {
        for node in layout {
            match node {
                Node::One(f) => {
                    if f.versions.has(self.version) {
                        self.one(f, sink)?;
                    }
                }
                Node::Group(body) => self.nodes(body, sink)?,
                Node::Repeat { count, body } if count.versions.has(self.version) => {
                    for _ in 0..self.count(count)? {
                        self.row(count.name, body, sink)?;
                    }
                }
                Node::If { cond, versions, body } if versions.has(self.version) => {
                    // The latest value of a name counts: in a row, that of the row.
                    let seen = |name: &str| self.seen.iter().rev().find(|s| s.0 == name).map(|s| s.1);
                    if holds(*cond, seen) {
                        self.nodes(body, sink)?;
                    }
                }
                Node::Conditions { count } if count.versions.has(self.version) => {
                    self.conditions(count, sink)?;
                }
                Node::Repeat { .. } | Node::If { .. } | Node::Conditions { .. } => {}
            }
        }
        Ok(())
    }

    fn one(&mut self, field: &'static Field, sink: &mut impl Sink<'a>) -> Result<(), LayoutError> {
        let value = self.take(field.name)?;
        if !number_is_sound(field.role, value) {
            return Err(LayoutError::BadNumber { field: field.name, index: self.index, value: shown(value) });
        }
        self.seen.push((field.name, value));
        sink.value(field, value);
        Ok(())
    }

    fn row(
        &mut self,
        count: &'static str,
        body: Layout,
        sink: &mut impl Sink<'a>,
    ) -> Result<(), LayoutError> {
        let outside = self.seen.len();
        sink.row(count);
        self.nodes(body, sink)?;
        sink.end_row();
        self.seen.truncate(outside);
        Ok(())
    }

    fn conditions(&mut self, count: &'static Field, sink: &mut impl Sink<'a>) -> Result<(), LayoutError> {
        let rows = self.count(count)?;
        for _ in 0..rows {
            sink.row(count.name);
            let ty = self.take(CONDITION_TYPE)?;
            let (_, body) = condition(ty)
                .ok_or_else(|| LayoutError::BadCondition { index: self.index, value: shown(ty) })?;
            sink.value(&TYPE_FIELD, ty);
            let outside = self.seen.len();
            self.nodes(body, sink)?;
            self.seen.truncate(outside);
            sink.end_row();
        }
        if rows > 0 {
            self.nodes(AFTER_CONDITIONS, sink)?;
        }
        Ok(())
    }

    /// Reads a count. Every row has at least one field and every field at least its NUL, which bounds the rows by
    /// the bytes that are left.
    fn count(&mut self, field: &'static Field) -> Result<usize, LayoutError> {
        let value = self.take(field.name)?;
        let most = self.rest.len();
        let count = text::parse_int(value).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= most);
        count.ok_or_else(|| LayoutError::BadCount {
            field: field.name,
            index: self.index,
            value: shown(value),
            most,
        })
    }
}

/// Whether a value can be what its role says. Only numbers by which messages are routed are looked at: real clients
/// send integers as floats and the like elsewhere. Some of those numbers may be empty, which means "none".
pub(super) fn number_is_sound(role: Role, value: &[u8]) -> bool {
    let i32_or = |empty: bool| match value {
        [] => empty,
        _ => text::parse_int(value).is_some_and(|n| i32::try_from(n).is_ok()),
    };
    match role {
        Role::ReqId | Role::OrderId | Role::Code | Role::LaneKey => i32_or(false),
        Role::ParentOrderId | Role::ClientId => i32_or(true),
        Role::PermId => value.is_empty() || parse_long(value).is_some(),
        _ => true,
    }
}

/// Whether a role asks for a number.
pub(super) fn is_number(role: Role) -> bool {
    !number_is_sound(role, b"no number")
}

/// A 64-bit integer, the unset marker 2^63-1 included.
#[inline]
pub(super) fn parse_long(value: &[u8]) -> Option<i64> {
    text::parse_int(value).or_else(|| parse_longest(value))
}

#[cold]
fn parse_longest(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(&value[..value.len().min(32)]).into_owned()
}
