//! The tables compiled for one server version: where each id, key and flag of a message stands in either form.
//!
//! Owns: positions of roles, and reading and replacing values at them. May not know: what a value is for.
//! Driven by: `core`, once per frame; hence no allocation on the text path and one array access per message.

use bytes::{BufMut, BytesMut};

use super::{
    layout::{self, LayoutError, Record, Sink, is_set, parse_long},
    model::*,
    plan, requests, responses,
    ticks::{self, Tick, TickPlaces},
};
use crate::wire::{
    WireError, proto,
    text::{self, Form},
};

/// Where a field stands in the text form of one version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// So many fields from the start, the message id being 0.
    FromStart(usize),
    /// So many fields from the end, the last one being 0. Groups that vary in size come before it.
    FromEnd(usize),
    /// Between groups that vary in size: only a walk through the whole layout finds it. **Only flags stand there.**
    Between,
}

/// The roles of a message in its text form. Empty where there is no text form.
fn places(message: &Message, version: u16) -> Vec<(Role, Place)> {
    let mut flat = Vec::new();
    flatten(message.text.unwrap_or_default(), version, &mut flat);
    let first_gap = flat.iter().position(Option::is_none).unwrap_or(flat.len());
    let last_gap = flat.iter().rposition(Option::is_none);
    let found = flat.iter().enumerate().filter_map(|(at, field)| {
        let role = (*field)?.role;
        let place = match at {
            _ if at < first_gap => Place::FromStart(at + 1),
            _ if last_gap < Some(at) => Place::FromEnd(flat.len() - 1 - at),
            _ => Place::Between,
        };
        (!matches!(role, Role::Plain | Role::MessageVersion)).then_some((role, place))
    });
    found.collect()
}

/// The fields that `version` has at the top level, in order; `None` stands for a group that varies in size.
fn flatten(layout: Layout, version: u16, flat: &mut Vec<Option<&'static Field>>) {
    for node in layout {
        match node {
            Node::One(f) if f.versions.has(version) => flat.push(Some(f)),
            Node::Group(body) => flatten(body, version, flat),
            Node::If { cond: Cond::Always, versions, body } if versions.has(version) => {
                flatten(body, version, flat);
            }
            Node::If { versions, .. } if versions.has(version) => flat.push(None),
            Node::Repeat { count, .. } | Node::Conditions { count } if count.versions.has(version) => {
                flat.push(None);
            }
            Node::One(_) | Node::If { .. } | Node::Repeat { .. } | Node::Conditions { .. } => {}
        }
    }
}

impl Message {
    /// The form in which official clients and the Gateway write this message at a version.
    pub fn form(&self, version: u16) -> Form {
        match (self.proto, self.text) {
            (Some(p), _) if p.since <= version => Form::Proto,
            (Some(_), None) => Form::Proto,
            _ => Form::Text,
        }
    }
}

/// The fields of a text form that every body has, where no other can come.
#[derive(Clone, Debug)]
struct Flat {
    fields: usize,
    /// The index and the role of those that must be numbers.
    numbers: Box<[(usize, Role)]>,
}

impl Flat {
    fn of(message: &Message, version: u16) -> Option<Flat> {
        let mut flat = Vec::new();
        flatten(message.text.filter(|_| message.since <= version)?, version, &mut flat);
        let fields = flat.into_iter().collect::<Option<Vec<_>>>()?;
        let roles = fields.iter().enumerate().map(|(at, field)| (at + 1, field.role));
        Some(Flat {
            fields: fields.len(),
            numbers: roles.filter(|(_, role)| layout::is_number(*role)).collect(),
        })
    }

    /// Whether a body has just these fields, and numbers where they must be. `req_id`: whether that is known of the request id.
    fn fits(&self, body: &[u8], req_id: bool) -> bool {
        // Without a branch for each byte.
        body.iter().filter(|b| **b == 0).count() == self.fields
            && text::check_terminated(body).is_ok()
            && self.numbers.iter().all(|(index, role)| {
                req_id && *role == Role::ReqId
                    || text::field(body, *index).is_ok_and(|value| layout::number_is_sound(*role, value))
            })
    }
}

/// Bytes that longer ids and the lengths of what they stand in may take, each being there once.
const ROOM_FOR_IDS: usize = 256;

/// The most fields that one patch of a protobuf body can replace; there are fewer roles that hold numbers.
const MOST_EDITS: usize = 16;

/// A message as one server version has it. Dereferences to its declaration.
#[derive(Clone, Debug)]
pub struct Shape<T: 'static> {
    /// The declaration.
    pub decl: &'static T,
    msg: &'static Message,
    version: u16,
    direction: Direction,
    text: Box<[(Role, Place)]>,
    /// `None` where fields depend on others.
    flat: Option<Flat>,
    /// The index of the request id in the text form; 0 where it has none, several, or one at no fixed distance from the start.
    req_id: usize,
    proto: &'static [(Role, &'static [u32])],
}

impl<T> std::ops::Deref for Shape<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.decl
    }
}

impl<T> Shape<T> {
    fn new(decl: &'static T, msg: &'static Message, direction: Direction, version: u16) -> Self {
        let text = places(msg, version).into_boxed_slice();
        let proto = msg.proto.map_or(&[][..], |p| p.roles);
        let flat = Flat::of(msg, version);
        let mut shape = Shape { decl, msg, version, direction, text, flat, req_id: 0, proto };
        shape.req_id = shape.index_of(Role::ReqId).unwrap_or(0);
        shape
    }

    /// The server version.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The form in which official clients and the Gateway write this message at this version.
    pub fn form(&self) -> Form {
        self.msg.form(self.version)
    }

    /// Makes sure that a client's message has its declared form: a text body every field, a protobuf body the wire
    /// format, both numbers where ids are expected.
    ///
    /// # Errors
    /// [`LayoutError`], with words for the client.
    pub fn check(&self, m: &text::Message<'_>) -> Result<(), LayoutError> {
        match m.form {
            // Most have nothing wrong with them; what is wrong with the others the walk says.
            Form::Text if self.fits(m.body) => Ok(()),
            Form::Text => layout::check(self.msg, self.version, m.body),
            Form::Proto => self.check_proto(m),
        }
    }

    fn fits(&self, body: &[u8]) -> bool {
        // Most request ids are numbers as they are usually written.
        let req_id = self.req_id != 0 && text::natural(body, self.req_id).is_some();
        self.flat.as_ref().is_some_and(|flat| flat.fits(body, req_id))
    }

    #[inline(never)]
    fn check_proto(&self, m: &text::Message<'_>) -> Result<(), LayoutError> {
        let body = m.body;
        if self.msg.proto.is_none() {
            return Err(LayoutError::NotThere { message: self.msg.name, version: self.version });
        }
        for field in proto::fields(body) {
            field?;
        }
        for (role, path) in self.proto.iter().filter(|(role, _)| holds_int32(*role)) {
            if let Some(n) = proto::get_int(body, path)?
                && i32::try_from(n).is_err()
            {
                return Err(LayoutError::BadNumber {
                    field: role_name(*role),
                    index: 0,
                    value: n.to_string(),
                });
            }
        }
        // A field may come several times, and only the last one was looked at: what cannot be patched as a whole
        // must not get any further.
        let mut edits = [(Role::Plain, i64::from(i32::MAX)); MOST_EDITS];
        let ids = self.proto.iter().map(|(role, _)| *role).filter(|role| holds_int32(*role));
        let count = edits.iter_mut().zip(ids).map(|(edit, role)| edit.0 = role).count();
        let mut patched = BytesMut::new();
        self.patch(m, &edits[..count], &mut patched)?;
        // With each as long as it can be: what is said a thousand times would grow a thousand times.
        match patched.len() > body.len() + ROOM_FOR_IDS {
            true => Err(LayoutError::Repeated),
            false => Ok(()),
        }
    }

    /// The number that has `role`; for flags see [`Shape::flag`]. `None` when the message has no such field, and
    /// when it is absent (protobuf) or empty (text) although that is legal there. Where several protobuf fields have
    /// the role the first one that is present counts.
    ///
    /// # Errors
    /// [`WireError`] where the body ends before the field or the field is no number.
    pub fn int(&self, m: &text::Message<'_>, role: Role) -> Result<Option<i64>, WireError> {
        match m.form {
            Form::Text => {
                let Some((index, field)) = self.text_field(m.body, role)? else { return Ok(None) };
                if field.is_empty() && !matches!(role, Role::ReqId | Role::OrderId) {
                    return Ok(None);
                }
                parse_long(field).map(Some).ok_or_else(|| WireError::NotAnInteger {
                    index,
                    value: String::from_utf8_lossy(&field[..field.len().min(32)]).into_owned(),
                })
            }
            Form::Proto => {
                for path in self.paths(role) {
                    if let Some(n) = proto::get_int(m.body, path)? {
                        return Ok(Some(n));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The request id, where it is one. As [`Shape::int`], but it is asked for with every message.
    #[inline]
    pub fn req_id(&self, m: &text::Message<'_>) -> Option<i32> {
        if m.form == Form::Text && self.req_id != 0 {
            return text::natural(m.body, self.req_id).or_else(|| self.any_req_id(m));
        }
        self.any_req_id(m)
    }

    #[inline(never)]
    fn any_req_id(&self, m: &text::Message<'_>) -> Option<i32> {
        self.int(m, Role::ReqId).ok().flatten().and_then(|n| i32::try_from(n).ok())
    }

    /// The bytes that have `role`; in protobuf only strings. Otherwise as [`Shape::int`].
    ///
    /// # Errors
    /// [`WireError`] where the body ends before the field.
    pub fn str<'a>(&self, m: &text::Message<'a>, role: Role) -> Result<Option<&'a [u8]>, WireError> {
        match m.form {
            Form::Text => Ok(self.text_field(m.body, role)?.map(|(_, field)| field)),
            Form::Proto => {
                for path in self.paths(role) {
                    if let Some(s) = proto::get_str(m.body, path)? {
                        return Ok(Some(s));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Whether any [`Role::Flag`] field is set.
    ///
    /// # Errors
    /// [`LayoutError`] where the body ends before the flag, or does not have the layout that must be walked.
    pub fn flag(&self, m: &text::Message<'_>) -> Result<bool, LayoutError> {
        if m.form == Form::Proto {
            for path in self.paths(Role::Flag) {
                if proto::get_int(m.body, path)?.is_some_and(|n| n != 0) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        for (_, place) in self.text.iter().filter(|(role, _)| *role == Role::Flag) {
            match at(m.body, *place)? {
                None => return self.walk_for_flag(m.body),
                Some((_, value)) if is_set(value) => return Ok(true),
                Some(_) => {}
            }
        }
        Ok(false)
    }

    fn walk_for_flag(&self, body: &[u8]) -> Result<bool, LayoutError> {
        struct Found(bool);
        impl<'a> Sink<'a> for Found {
            fn value(&mut self, field: &'static Field, value: &'a [u8]) {
                self.0 |= field.role == Role::Flag && is_set(value);
            }
        }
        let mut found = Found(false);
        layout::walk(self.msg.text.unwrap_or_default(), self.version, body, &mut found)?;
        Ok(found.0)
    }

    /// Appends message id and body with ALL fields of the given roles replaced, in protobuf as far as they are
    /// present. Form and version stay; **every other byte is copied as it is**. A role that the message does not
    /// have is passed over.
    ///
    /// # Errors
    /// [`WireError`] where the body ends before a field or is malformed; `out` then holds a part of the message.
    pub fn patch(
        &self,
        m: &text::Message<'_>,
        edits: &[(Role, i64)],
        out: &mut BytesMut,
    ) -> Result<(), WireError> {
        text::put_id(m.id, m.form, self.version, out);
        match m.form {
            Form::Text => {
                // The places of a shape rise, so the edits do too.
                let edits = self.text.iter().filter_map(|(role, place)| match place {
                    Place::FromStart(index) => {
                        let (_, value) = edits.iter().find(|(r, _)| r == role)?;
                        Some((*index, *value))
                    }
                    Place::FromEnd(_) | Place::Between => None,
                });
                text::patch(m.body, edits, out)
            }
            Form::Proto => self.patch_proto(m.body, edits, out),
        }
    }

    fn patch_proto(&self, body: &[u8], edits: &[(Role, i64)], out: &mut BytesMut) -> Result<(), WireError> {
        let mut paths: [(&[u32], i64); MOST_EDITS] = [(&[], 0); MOST_EDITS];
        let mut n = 0;
        for (role, path) in self.proto {
            if let Some((_, value)) = edits.iter().find(|(r, _)| r == role) {
                paths[n] = (path, *value);
                n += 1;
            }
        }
        match n {
            0 => out.put_slice(body),
            _ => proto::patch(body, &paths[..n], out)?,
        }
        Ok(())
    }

    /// The value of a field by its name, for paths that are not taken per frame: a text body is read whole. A
    /// field that only protobuf has is found under its name there. `None` when there is no such field, at this
    /// version, in this form or in this body.
    ///
    /// # Errors
    /// [`LayoutError`] when the body cannot be read.
    pub fn field(&self, m: &text::Message<'_>, name: &str) -> Result<Option<String>, LayoutError> {
        if m.form == Form::Text {
            let record = layout::read(self.msg, self.version, m.body)?;
            return Ok(record.get(name).map(str::to_owned));
        }
        let Some(plan) = plan::plan(self.direction, self.msg.id) else { return Ok(None) };
        let mut record = Record::new();
        plan.decode(m.body, &mut record)?;
        Ok(record.get(name).map(str::to_owned))
    }

    /// The index of the request id in the text form, where it stands at a fixed distance from the start.
    pub fn req_id_index(&self) -> Option<usize> {
        (self.req_id != 0).then_some(self.req_id)
    }

    /// The index of the one field of the text form that has a role, where it stands at a fixed distance from the start.
    pub(super) fn index_of(&self, role: Role) -> Option<usize> {
        let mut found = self.text.iter().filter(|(r, _)| *r == role);
        match (found.next(), found.next()) {
            (Some((_, Place::FromStart(index))), None) => Some(*index),
            _ => None,
        }
    }

    /// The number of the one field of the protobuf form that has a role, where it stands at the top.
    pub(super) fn number_of(&self, role: Role) -> Option<u32> {
        let mut found = self.paths(role);
        match (found.next(), found.next()) {
            (Some([number]), None) => Some(*number),
            _ => None,
        }
    }

    fn paths(&self, role: Role) -> impl Iterator<Item = &'static [u32]> {
        self.proto.iter().filter(move |(r, _)| *r == role).map(|(_, path)| *path)
    }

    fn text_field<'a>(&self, body: &'a [u8], role: Role) -> Result<Option<(usize, &'a [u8])>, WireError> {
        match self.text.iter().find(|(r, _)| *r == role) {
            Some((_, place)) => at(body, *place),
            None => Ok(None),
        }
    }
}

/// The index and the bytes of the field at a place.
fn at(body: &[u8], place: Place) -> Result<Option<(usize, &[u8])>, WireError> {
    match place {
        Place::FromStart(index) => text::field(body, index).map(|field| Some((index, field))),
        Place::FromEnd(back) => {
            text::check_terminated(body)?;
            let missing = || WireError::MissingField { index: back + 1, count: text::fields(body).count() };
            let fields = body.split_last().ok_or_else(missing)?.1;
            let field = fields.rsplit(|b| *b == 0).nth(back).ok_or_else(missing)?;
            // Counting the fields of a large body for an index that only an error would show is not worth it.
            Ok(Some((0, field)))
        }
        Place::Between => Ok(None),
    }
}

fn holds_int32(role: Role) -> bool {
    use Role::*;
    matches!(
        role,
        ReqId
            | OrderId
            | ParentOrderId
            | StopLossOrderId
            | ProfitTakerOrderId
            | ClientId
            | LaneKey
            | RowKey
            | Code
    )
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::ReqId => "reqId",
        Role::RowKey => "tickType",
        Role::OrderId => "orderId",
        Role::ParentOrderId => "parentId",
        Role::StopLossOrderId => "slOrderId",
        Role::ProfitTakerOrderId => "ptOrderId",
        Role::ClientId => "clientId",
        Role::LaneKey => "key",
        Role::Code => "errorCode",
        _ => "field",
    }
}

/// All messages as one server version has them.
#[derive(Debug)]
pub struct Dialect {
    version: u16,
    requests: Box<[Option<Shape<Request>>]>,
    responses: Box<[Option<Shape<Response>>]>,
    /// By message id, of those that are ticks.
    ticks: Box<[Option<TickPlaces>]>,
}

impl Dialect {
    /// Compiles the tables for a negotiated server version.
    pub fn new(version: u16) -> Self {
        let shapes = requests().iter().map(|r| (r, &r.message));
        let requests = by_id(version, Direction::Request, shapes);
        let shapes = responses().iter().map(|r| (r, &r.message));
        let responses = by_id(version, Direction::Response, shapes);
        let ticks = responses.iter().map(|shape| TickPlaces::of(shape.as_ref()?)).collect();
        Dialect { version, requests, responses, ticks }
    }

    /// The server version.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// A client's message by its id; `None` if it is unknown or not in this version.
    pub fn request(&self, id: u32) -> Option<&Shape<Request>> {
        self.requests.get(id as usize)?.as_ref()
    }

    /// A message of the Gateway by its id; `None` if it is unknown or not in this version.
    pub fn response(&self, id: u32) -> Option<&Shape<Response>> {
        self.responses.get(id as usize)?.as_ref()
    }

    /// A payload of the Gateway as a tick, if it is a plain one.
    pub fn tick<'a>(&self, payload: &'a [u8]) -> Option<Tick<'a>> {
        ticks::tick(self.version, &self.ticks, payload)
    }

    /// Whether a message of the Gateway can be one.
    pub fn is_tick(&self, id: u32) -> bool {
        self.ticks.get(id as usize).is_some_and(Option::is_some)
    }
}

fn by_id<T>(
    version: u16,
    direction: Direction,
    messages: impl Iterator<Item = (&'static T, &'static Message)>,
) -> Box<[Option<Shape<T>>]> {
    let mut shapes = Vec::new();
    for (decl, message) in messages.filter(|(_, m)| m.since <= version) {
        let id = usize::from(message.id);
        shapes.resize_with(shapes.len().max(id + 1), || None);
        shapes[id] = Some(Shape::new(decl, message, direction, version));
    }
    shapes.into_boxed_slice()
}
