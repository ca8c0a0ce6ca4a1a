//! A message of one server version as another one has it: the ids patched where nothing else differs, otherwise read
//! into a record and written again.
//!
//! Owns: which of the two it is; what a request would lose, and that it is refused then.
//! May not know: single messages; values that change their meaning are in [`super::meaning`].

use std::sync::Arc;

use bytes::BytesMut;

use super::{
    dialect::{Dialect, Shape},
    layout::{self, LayoutError},
    meaning::{self, Subject, Verdict},
    model::*,
    orders,
    plan::{self, parse_double, parse_integer, tags_of},
    record::{Record, is_set},
};
use crate::wire::text::{self, Form};

/// How a message gets from one version to the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Both have the same bytes but for ids and header.
    Patch,
    /// Read and written again.
    Convert,
    /// The other version does not have it.
    Absent,
}

/// How many of the values that would be lost a refusal names.
const NAMED_LOSSES: usize = 8;

/// Why a request cannot go to the other version. The words end no sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Messages on their way from one version to another.
#[derive(Debug)]
pub struct Translation {
    from: Arc<Dialect>,
    to: Arc<Dialect>,
    requests: Box<[Way]>,
    responses: Box<[Way]>,
}

impl Translation {
    /// Compares two versions. They may be the same one.
    pub fn new(from: Arc<Dialect>, to: Arc<Dialect>) -> Self {
        let ids = |direction: Direction| {
            let most = match direction {
                Direction::Request => super::requests().last().map(|r| r.message.id),
                Direction::Response => super::responses().last().map(|r| r.message.id),
            };
            0..=u32::from(most.unwrap_or_default())
        };
        let requests = ids(Direction::Request)
            .map(|id| match (from.request(id), to.request(id)) {
                (Some(a), Some(b)) => way(Direction::Request, a, b),
                _ => Way::Absent,
            })
            .collect();
        let responses = ids(Direction::Response)
            .map(|id| match (from.response(id), to.response(id)) {
                (Some(a), Some(b)) => way(Direction::Response, a, b),
                _ => Way::Absent,
            })
            .collect();
        Translation { from, to, requests, responses }
    }

    /// The version that messages come from.
    pub fn from(&self) -> &Dialect {
        &self.from
    }

    /// The version that they go to.
    pub fn to(&self) -> &Dialect {
        &self.to
    }

    /// Whether the other version has the response.
    pub fn has_response(&self, id: u32) -> bool {
        !matches!(self.responses.get(id as usize), None | Some(Way::Absent))
    }

    /// Whether a request has the same bytes there but for ids and header: nothing of it can be lost.
    pub fn takes_as_it_is(&self, m: &text::Message<'_>) -> bool {
        matches!(self.requests.get(m.id as usize), Some(Way::Patch))
            && self.to.request(m.id).is_some_and(|to| m.form == to.form())
    }

    /// Appends id and body of a request as the other version has it, with the fields of some roles replaced.
    ///
    /// # Errors
    /// [`Refusal`] where the other version does not have the request, cannot carry one of its values, or would take it
    /// for something else. `out` may then hold a part of it.
    pub fn request(
        &self,
        m: &text::Message<'_>,
        edits: &[(Role, i64)],
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        let unreadable = |e: LayoutError| Refusal(format!("it cannot be read: {e}"));
        match (self.requests.get(m.id as usize), self.from.request(m.id), self.to.request(m.id)) {
            (_, _, Some(to)) if self.takes_as_it_is(m) => {
                to.patch(m, edits, out).map_err(|e| unreadable(e.into()))
            }
            (Some(Way::Patch | Way::Convert), Some(from), Some(to)) => {
                // Records replace what is not UTF-8, which nobody would notice here.
                if m.form == Form::Text && std::str::from_utf8(m.body).is_err() {
                    return Err(Refusal("it has characters that are not in UTF-8".into()));
                }
                let mut record = from.record(m, to.form()).map_err(unreadable)?;
                let context = Subject::default();
                let versions = (self.from.version(), self.to.version());
                if let Verdict::Refuse(words) =
                    meaning::apply(Direction::Request, m.id, versions, &context, &mut record)
                {
                    return Err(Refusal(words));
                }
                let start = out.len();
                text::put_id(m.id, to.form(), self.to.version(), out);
                let body = out.len();
                to.write(&record, out);
                self.check_nothing_lost(from, to, &record, &out[body..])?;
                out.truncate(start);
                to.set_roles(&mut record, edits);
                to.put(&record, out);
                Ok(())
            }
            (_, from, _) => Err(Refusal(format!(
                "{} ({}) does not exist at server version {}",
                from.map_or("the message", |f| f.message.name),
                m.id,
                self.to.version()
            ))),
        }
    }

    /// Reads back what was written: what was there and is there no more would be lost.
    fn check_nothing_lost(
        &self,
        from: &Shape<Request>,
        to: &Shape<Request>,
        record: &Record,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let back = text::Message { id: u32::from(to.message.id), form: to.form(), body };
        let back =
            to.record(&back, Form::Text).map_err(|e| Refusal(format!("it cannot be converted: {e}")))?;
        let mut lost = Vec::new();
        losses(&from.message, record, &back, &mut lost);
        if let (Form::Proto, Some(plan)) = (to.form(), to.plan()) {
            plan.same_keys(record, &mut lost);
        }
        let more = lost.len().saturating_sub(NAMED_LOSSES);
        lost.truncate(NAMED_LOSSES);
        if more > 0 {
            lost.push(format!("and {more} more"));
        }
        match lost.is_empty() {
            true => Ok(()),
            false => Err(Refusal(format!(
                "server version {} has no place for {}",
                self.to.version(),
                lost.join(", ")
            ))),
        }
    }

    /// Whether a response is read and written again on its way.
    pub fn converts(&self, m: &text::Message<'_>) -> bool {
        match self.responses.get(m.id as usize) {
            Some(Way::Convert) => true,
            Some(Way::Patch) => {
                self.to.version() != self.from.version()
                    && self.to.response(m.id).is_some_and(|to| m.form != to.form())
            }
            None | Some(Way::Absent) => false,
        }
    }

    /// Appends id and body of a response as the other version has it, with the fields of some roles replaced. `false`:
    /// the other version does not have it, and nothing was appended.
    ///
    /// # Errors
    /// [`LayoutError`] where it cannot be read; `out` may then hold a part of it.
    pub fn response(
        &self,
        m: &text::Message<'_>,
        edits: &[(Role, i64)],
        subject: &Subject,
        out: &mut BytesMut,
    ) -> Result<bool, LayoutError> {
        match (self.responses.get(m.id as usize), self.from.response(m.id), self.to.response(m.id)) {
            (Some(Way::Patch), _, Some(to))
                if m.form == to.form() || self.to.version() == self.from.version() =>
            {
                to.patch(m, edits, out)?;
                Ok(true)
            }
            (Some(Way::Patch | Way::Convert), Some(_), Some(_)) => {
                self.convert(m, edits, subject, |_| (), out)
            }
            _ => Ok(false),
        }
    }

    /// Likewise, read and written again in any case; `complete` may change the values, but for rows, before they get the
    /// meaning of the other version.
    ///
    /// # Errors
    /// As [`Translation::response`].
    pub fn convert(
        &self,
        m: &text::Message<'_>,
        edits: &[(Role, i64)],
        subject: &Subject,
        complete: impl FnOnce(&mut Record),
        out: &mut BytesMut,
    ) -> Result<bool, LayoutError> {
        let (Some(from), Some(to)) = (self.from.response(m.id), self.to.response(m.id)) else {
            return Ok(false);
        };
        let rows = match (m.form, to.form()) {
            (Form::Proto, Form::Text) => from.plan().and_then(|plan| Some((plan, plan.rows()?))),
            _ => None,
        };
        let (mut record, count) = match &rows {
            Some((plan, rows)) => plan.decode_around(rows, m.body)?,
            None => (from.record(m, to.form())?, 0),
        };
        complete(&mut record);
        if !self.adapt(m.id, subject, &mut record) {
            return Ok(false);
        }
        to.set_roles(&mut record, edits);
        match rows {
            Some((_, rows)) => self.put_row_by_row((m, &record), (rows, count), subject, out)?,
            None => to.put(&record, out),
        }
        Ok(true)
    }

    /// Appends id and body of a response in text whose rows are in protobuf. **One row is read at a time**: those of a large
    /// answer together would take many times its memory.
    fn put_row_by_row(
        &self,
        (m, values): (&text::Message<'_>, &Record),
        (rows, count): (plan::Rows<'_>, usize),
        subject: &Subject,
        out: &mut BytesMut,
    ) -> Result<(), LayoutError> {
        let Some(layout) = self.to.response(m.id).and_then(|to| to.decl.message.text) else { return Ok(()) };
        let version = self.to.version();
        text::put_id(m.id, Form::Text, version, out);
        let mut outcome = Ok(());
        layout::encode_with(layout, version, values, out, &mut |field, body, out| {
            if field.name != rows.count {
                return layout::encode_rows(field, body, version, values, out);
            }
            text::put_int(count as i64, out);
            let read = rows.each(m.body, |alone| {
                // Whether there is such a message its other values have decided.
                self.adapt(m.id, subject, alone);
                alone.rows(rows.count).iter().for_each(|row| layout::encode(body, version, row, out));
            });
            if let Err(fault) = read {
                outcome = Err(fault);
            }
        });
        outcome
    }

    /// Gives the values of a response the meaning that the other version knows. `false`: it knows none.
    pub fn adapt(&self, id: u32, subject: &Subject, record: &mut Record) -> bool {
        let escaped = |dialect: &Dialect| {
            dialect.version() >= meaning::ESCAPED_SINCE
                && dialect.response(id).is_some_and(|shape| shape.form() == Form::Text)
        };
        let (before, after) = (escaped(&self.from), escaped(&self.to));
        if before && !after {
            meaning::unescape(record);
        }
        let versions = (self.from.version(), self.to.version());
        let verdict = meaning::apply(Direction::Response, id, versions, subject, record);
        if after && !before {
            meaning::escape(record);
        }
        verdict == Verdict::Pass
    }
}

fn way<T: Declared>(direction: Direction, a: &Shape<T>, b: &Shape<T>) -> Way {
    let (from, to) = (a.version(), b.version());
    let message = a.decl.message();
    if from == to {
        return Way::Patch;
    }
    let same = match (a.form(), b.form()) {
        (Form::Text, Form::Text) => message.text.is_some_and(|layout| same_layout(layout, from, to)),
        // Clients pass over fields that they do not know; the Gateway must not be left to.
        (Form::Proto, Form::Proto) => direction == Direction::Response || from <= to,
        _ => false,
    };
    match same && !meaning::touches(direction, u32::from(message.id), from, to) {
        true => Way::Patch,
        false => Way::Convert,
    }
}

/// Whether two versions have the same fields.
fn same_layout(layout: Layout, a: u16, b: u16) -> bool {
    let same = |v: &Versions| v.has(a) == v.has(b);
    layout.iter().all(|node| match node {
        Node::One(f) | Node::Conditions { count: f } => same(&f.versions),
        Node::Group(body) => same_layout(body, a, b),
        Node::Repeat { count, body } => same(&count.versions) && same_layout(body, a, b),
        Node::If { versions, body, .. } => same(versions) && same_layout(body, a, b),
    })
}

/// The declaration of a field by its name, wherever in the message it stands.
fn declared<'l>(layouts: impl IntoIterator<Item = &'l Layout>, name: &str) -> Option<&'static Field> {
    fn within(layout: Layout, name: &str) -> Option<&'static Field> {
        layout.iter().find_map(|node| match node {
            Node::One(f) => (f.name == name).then_some(f),
            Node::Group(body) | Node::If { body, .. } | Node::Repeat { body, .. } => within(body, name),
            Node::Conditions { .. } => within(orders::AFTER_CONDITIONS, name)
                .or_else(|| orders::CONDITION_TYPES.iter().find_map(|(_, body)| within(body, name))),
        })
    }
    layouts.into_iter().find_map(|layout| within(layout, name))
}

/// Values that are in `before` and not in `after`, by name.
fn losses(message: &Message, before: &Record, after: &Record, lost: &mut Vec<String>) {
    for (name, value) in before.iter() {
        let field = declared(message.text.iter().chain(message.variants), name);
        let harmless = field.map_or(orders::ECHOES.contains(&name), |f| f.harmless);
        let default = is_default(field, value) && !(value == "0" && orders::NO_IS_SAID.contains(&name));
        if !harmless && !default && !after.get(name).is_some_and(|v| equal(field, value, v)) {
            lost.push(format!("{name} ({})", value.chars().take(32).collect::<String>()));
        }
    }
    for (message, number) in before.unknown() {
        lost.push(format!("field {number} of {message}, which twsmux does not know"));
    }
    for (name, rows) in before.repeats() {
        let others = after.rows(name);
        let empty =
            rows.iter().all(|row| row.iter().all(|(_, v)| v.is_empty()) && row.repeats().next().is_none());
        if others.len() != rows.len() {
            if !empty {
                lost.push(format!("{name} ({} rows)", rows.len()));
            }
            continue;
        }
        rows.iter().zip(others).for_each(|(row, other)| losses(message, row, other, lost));
    }
}

/// Whether a value says no more than its absence.
fn is_default(field: Option<&Field>, value: &str) -> bool {
    match field {
        Some(f) => is_unset(f, value) || !f.optional && is_zero(f.ty, value) || f.fixed == Some(value),
        None => matches!(value, "" | "0"),
    }
}

fn is_zero(ty: Type, value: &str) -> bool {
    match ty {
        Type::Str | Type::Tags => false,
        Type::Bool => !is_set(value.as_bytes()),
        Type::Int | Type::Long | Type::Double | Type::Decimal => value.parse() == Ok(0.0),
    }
}

/// Whether a text value means that there is none (text-layouts.md, "Value encoding").
pub(super) fn is_unset(field: &Field, value: &str) -> bool {
    value.is_empty()
        || match field.ty {
            Type::Int => value == orders::UNSET_INT,
            Type::Long => value == "9223372036854775807",
            Type::Double => parse_double(value) == Some(f64::MAX),
            Type::Decimal => {
                matches!(
                    value,
                    "170141183460469231731687303715884105727"
                        | orders::UNSET_INT
                        | "9223372036854775807"
                        | "-9223372036854775808"
                ) || parse_double(value) == Some(f64::MAX)
            }
            Type::Bool => !is_set(value.as_bytes()),
            // Amounts of order states are text that was made from a double.
            Type::Str => {
                field.unset.is_some_and(|u| u == value) || field.name == "right" && matches!(value, "?" | "0")
            }
            Type::Tags => false,
        }
}

/// Whether two values mean the same.
fn equal(field: Option<&Field>, a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match field.map(|f| f.ty) {
        Some(Type::Int | Type::Long) => parse_integer(a).is_some() && parse_integer(a) == parse_integer(b),
        Some(Type::Double) => parse_double(a).is_some() && parse_double(a) == parse_double(b),
        Some(Type::Decimal) => decimal(a) == decimal(b),
        Some(Type::Bool) => is_set(a.as_bytes()) == is_set(b.as_bytes()),
        Some(Type::Tags) => {
            let sorted = |text| {
                let mut pairs: Vec<_> = tags_of(text).collect();
                pairs.sort_unstable();
                pairs
            };
            sorted(a) == sorted(b)
        }
        // The multiplier of a contract is a number in protobuf.
        Some(Type::Str) if field.is_some_and(|f| f.name == "multiplier") => {
            parse_double(a).is_some() && parse_double(a) == parse_double(b)
        }
        _ => false,
    }
}

/// A decimal text without what does not count.
fn decimal(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// What has a declaration of its message.
pub trait Declared {
    /// The message.
    fn message(&self) -> &Message;
    /// Which way it goes.
    const DIRECTION: Direction;
}

impl Declared for Request {
    fn message(&self) -> &Message {
        &self.message
    }
    const DIRECTION: Direction = Direction::Request;
}

impl Declared for Response {
    fn message(&self) -> &Message {
        &self.message
    }
    const DIRECTION: Direction = Direction::Response;
}

impl<T: Declared> Shape<T> {
    /// Reads a whole body. `wanted` is the form that it is read for: for protobuf, text values that mean "none" are left
    /// out, since there absence says so.
    ///
    /// # Errors
    /// [`LayoutError`] where it does not have the declared form.
    pub fn record(&self, m: &text::Message<'_>, wanted: Form) -> Result<Record, LayoutError> {
        let message = self.decl.message();
        match m.form {
            Form::Text => {
                let skip: fn(&Field, &str) -> bool = match (wanted, T::DIRECTION) {
                    (Form::Proto, _) => is_unset,
                    // Some clients leave numbers empty that must not be.
                    (Form::Text, Direction::Request) => {
                        |f, v| v.is_empty() && !f.optional && !matches!(f.ty, Type::Str | Type::Tags)
                    }
                    (Form::Text, Direction::Response) => |_, _| false,
                };
                layout::read_without(message, self.version(), m.body, skip)
            }
            Form::Proto => {
                let plan = self
                    .plan()
                    .ok_or(LayoutError::NotThere { message: message.name, version: self.version() })?;
                let mut record = Record::for_body(m.body.len(), plan::USUAL_FIELD);
                plan.decode(m.body, &mut record)?;
                Ok(record)
            }
        }
    }

    /// Reads as much of a body as has the declared form, and says what ended it.
    pub fn read_partly(&self, m: &text::Message<'_>) -> (Record, Option<LayoutError>) {
        let message = self.decl.message();
        match (m.form, self.plan()) {
            (Form::Text, _) => layout::read_partly(message, self.version(), m.body),
            (Form::Proto, Some(plan)) => {
                let mut record = Record::new();
                let fault = plan.decode(m.body, &mut record).err();
                (record, fault)
            }
            (Form::Proto, None) => {
                let fault = LayoutError::NotThere { message: message.name, version: self.version() };
                (Record::new(), Some(fault))
            }
        }
    }

    fn plan(&self) -> Option<&'static plan::Plan> {
        plan::plan(T::DIRECTION, self.decl.message().id)
    }

    /// Appends the body of a record in this version's form.
    pub fn write(&self, record: &Record, out: &mut BytesMut) {
        write(T::DIRECTION, self.decl.message(), self.version(), record, out);
    }

    /// Appends id and body of a record in this version's form.
    pub fn put(&self, record: &Record, out: &mut BytesMut) {
        text::put_id(u32::from(self.decl.message().id), self.form(), self.version(), out);
        self.write(record, out);
    }

    /// Appends id and body of values that are spelled as in the text form: in protobuf those that mean "none" are absent.
    pub fn compose(&self, values: &Record, out: &mut BytesMut) {
        compose(T::DIRECTION, self.decl.message(), self.version(), values, out);
    }

    /// Replaces the values of some roles: those that are there, and ids that must be there.
    pub fn set_roles(&self, record: &mut Record, edits: &[(Role, i64)]) {
        let message = self.decl.message();
        for (role, value) in edits {
            let text_field = message.text.and_then(|layout| with_role(layout, *role));
            if let Some(name) = text_field
                && (record.get(name).is_some() || matches!(role, Role::ReqId | Role::OrderId))
            {
                record.set(name, value);
            }
            let paths = message.proto.iter().flat_map(|p| p.roles).filter(|(r, _)| r == role);
            for name in paths.filter_map(|(_, path)| self.plan()?.name_at(path)) {
                let echo = T::DIRECTION == Direction::Response
                    && self.form() == Form::Proto
                    && *role == Role::OrderId;
                if record.get(name).is_some() || echo && text_field.is_some() {
                    record.set(name, value);
                }
            }
        }
    }
}

fn write(direction: Direction, message: &Message, version: u16, record: &Record, out: &mut BytesMut) {
    match (message.form(version), plan::plan(direction, message.id)) {
        (Form::Proto, Some(plan)) => {
            // The Gateway sends what it has to every version.
            let version = if direction == Direction::Request { version } else { u16::MAX };
            plan.encode(record, version, out);
        }
        _ => layout::encode(message.text.unwrap_or_default(), version, record, out),
    }
}

/// Appends id and body of values that are spelled as in the text form, in the form of `version`: in protobuf those that
/// mean "none" are absent.
pub fn compose(direction: Direction, message: &Message, version: u16, values: &Record, out: &mut BytesMut) {
    let form = message.form(version);
    text::put_id(u32::from(message.id), form, version, out);
    match form {
        Form::Text => write(direction, message, version, values, out),
        Form::Proto => write(direction, message, version, &without_unset(message, values), out),
    }
}

fn without_unset(message: &Message, values: &Record) -> Record {
    let mut kept = Record::new();
    for (name, value) in values.iter() {
        let field = declared(message.text.iter().chain(message.variants), name);
        let value = match (value, field.map(|f| f.ty)) {
            (text, Some(Type::Str)) => text,
            ("true", _) => "1",
            ("false", _) => "0",
            (other, _) => other,
        };
        if !field.is_some_and(|f| is_unset(f, value)) {
            kept.set(name, value);
        }
    }
    for (count, rows) in values.repeats() {
        rows.iter().for_each(|row| {
            kept.push(count, without_unset(message, row));
        });
    }
    kept
}

/// The name of the text field that has a role.
fn with_role(layout: Layout, role: Role) -> Option<&'static str> {
    layout.iter().find_map(|node| match node {
        Node::One(f) => (f.role == role).then_some(f.name),
        Node::Group(body) | Node::If { body, .. } => with_role(body, role),
        Node::Repeat { .. } | Node::Conditions { .. } => None,
    })
}
