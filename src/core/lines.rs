//! Equal subscriptions of several clients: one upstream, a full image for everybody who joins later.
//!
//! Which requests can be shared, and what their images are made of, is said in their declarations
//! ([`Sharing`](crate::protocol::model::Sharing)). **Two requests are equal when they are the same at the Gateway's
//! version**: whatever the versions of their clients, what goes upstream for them is compared, but for the id, the order
//! of fields, and the order of parts where that means nothing.

use std::sync::Arc;

use bytes::BytesMut;
use rustc_hash::FxBuildHasher;

use super::ask::Asked;
use super::book::Book;
use super::requests::Member;
use super::route::Heard;
use super::stats::Saved;
use super::{Core, Ctx, codes};
use crate::ids::{DownReqId, UpReqId};
use crate::limits;
use crate::protocol::dialect::Dialect;
use crate::protocol::layout::Record;
use crate::protocol::model::{Reuse, Role, Row, Sharing, Which};
use crate::protocol::ticks::Tick;
use crate::time::Time;
use crate::wire::frame;
use crate::wire::text::{self, Form, Message};

/// What a request asks for: its message, the market data type that it wants (0 where there is none), and its values:
/// spelled by name, or the bytes of the request without its id where equal values have equal bytes. Of one message at one
/// version of the Gateway it is always the same of the two.
pub type Subject = (u16, i32, Arc<[u8]>);

/// Names a row of an image: its message, and what tells it apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RowId {
    Number(u16, i64),
    Text(u16, Vec<u8>),
}

impl RowId {
    /// Its message.
    pub fn message(&self) -> u16 {
        match self {
            RowId::Number(id, _) | RowId::Text(id, _) => *id,
        }
    }

    /// The fields that are zero when what the row is about is there no more.
    fn gone(&self) -> &'static [&'static str] {
        crate::protocol::response(self.message().into()).map_or(&[], |response| response.gone)
    }
}

/// A row as the one that says that what it is about is there no more.
pub(super) fn as_gone(dialect: &Dialect, payload: &[u8], fields: &[&'static str]) -> Option<Vec<u8>> {
    let message = text::message(payload, dialect.version()).ok()?;
    let shape = dialect.response(message.id)?;
    let mut record = shape.record(&message, Form::Text).ok()?;
    for field in fields {
        record.set(field, 0);
    }
    let mut out = BytesMut::new();
    shape.compose(&record, &mut out);
    Some(out.to_vec())
}

/// The row that a message is. `None`: it is none, but an event or a change of a book.
pub(super) fn row_of(row: &Row, heard: &Heard<'_>) -> Option<RowId> {
    let id = heard.id();
    match row {
        Row::One | Row::Key | Row::KeyBut(_) => {
            numbered_row(row, id, || heard.int(Role::RowKey).unwrap_or_default())
        }
        Row::Book => None,
        Row::Fields(names) => {
            let mut key = Vec::new();
            for name in *names {
                let value = heard.shape.field(&heard.message, name).ok().flatten().unwrap_or_default();
                key.extend_from_slice(value.as_bytes());
                key.push(0);
            }
            Some(RowId::Text(id, key))
        }
    }
}

/// Likewise, where rows are told apart by a number.
fn numbered_row(row: &Row, id: u16, number: impl FnOnce() -> i32) -> Option<RowId> {
    let number = match row {
        Row::One => 0,
        _ => i64::from(number()),
    };
    let is_event = matches!(row, Row::KeyBut(events) if events.contains(&number));
    (!is_event).then_some(RowId::Number(id, number))
}

/// What those who ask for the same share.
#[derive(Debug)]
pub struct Line {
    /// What they ask for.
    pub subject: Subject,
    /// Whether it was told to others who ask the same, if no newer one is.
    pub open: bool,
    sharing: &'static Sharing,
    /// How things stand; `None` as long as nothing is known. Questions have none.
    image: Option<Box<Image>>,
}

#[derive(Debug, Default)]
struct Image {
    /// The latest message of each row, as the Gateway wrote it, by when the row first came.
    rows: indexmap::IndexMap<RowId, Vec<u8>, FxBuildHasher>,
    /// The rows before an outage, until the next image is complete.
    before: indexmap::IndexMap<RowId, Vec<u8>, FxBuildHasher>,
    book: Book,
}

impl Line {
    /// One about which nothing is known yet.
    pub fn new(subject: Subject, sharing: &'static Sharing) -> Self {
        Line { subject, open: false, sharing, image: None }
    }

    /// There is no link: nothing of the image holds any more. What was there is remembered, to be told if it is gone.
    pub fn sleep(&mut self) {
        let Some(image) = &mut self.image else { return };
        image.book = Book::default();
        for (row, payload) in std::mem::take(&mut image.rows) {
            image.before.insert(row, payload);
        }
        image.before.retain(|row, _| !row.gone().is_empty());
    }

    /// The Gateway came back with another version: nothing of the past can be told.
    pub fn forget_before(&mut self) {
        if let Some(image) = &mut self.image {
            image.before.clear();
        }
    }

    /// The image is complete: what was there before an outage and is not now, as rows that say so.
    pub fn gone(&mut self, dialect: &Dialect) -> Vec<Vec<u8>> {
        let Some(image) = &mut self.image else { return Vec::new() };
        let before = std::mem::take(&mut image.before);
        let gone = before.into_iter().filter(|(row, _)| !image.rows.contains_key(row));
        gone.filter_map(|(row, payload)| as_gone(dialect, &payload, row.gone())).collect()
    }

    /// The Gateway begins the book anew (317).
    pub fn clear_book(&mut self) {
        if let Some(image) = &mut self.image {
            image.book = Book::default();
        }
    }

    /// Keeps a message for those who join later. Nothing is allocated for a row that is there already.
    pub fn keep(&mut self, heard: &Heard<'_>, payload: &[u8]) {
        match self.row_in_image(heard.id()) {
            Some(Row::Book) => self.image_mut().book.apply(heard, payload),
            Some(row) => self.keep_row(row_of(row, heard), payload),
            None => {}
        }
    }

    /// Likewise, of a tick.
    pub fn keep_tick(&mut self, tick: &Tick<'_>) {
        if let Some(row) = self.row_in_image(tick.id) {
            self.keep_row(numbered_row(row, tick.id, || tick.row), tick.payload);
        }
    }

    fn row_in_image(&self, id: u16) -> Option<&'static Row> {
        self.sharing.image.iter().find(|(of, _)| *of == id).map(|(_, row)| row)
    }

    fn image_mut(&mut self) -> &mut Image {
        self.image.get_or_insert_default()
    }

    fn keep_row(&mut self, row: Option<RowId>, payload: &[u8]) {
        let Some(row) = row else { return };
        let image = self.image_mut();
        if let Some(kept) = image.rows.get_mut(&row) {
            kept.clear();
            kept.extend_from_slice(payload);
        } else if image.rows.len() < limits::MAX_IMAGE_ROWS {
            image.rows.insert(row, payload.to_vec());
        }
    }

    /// The image, end markers last.
    pub fn image(&self, dialect: &Dialect, is_end: impl Fn(u16) -> bool) -> Vec<Vec<u8>> {
        let Some(image) = &self.image else { return Vec::new() };
        let (ends, rows): (Vec<_>, Vec<_>) = image.rows.iter().partition(|(row, _)| is_end(row.message()));
        let rows = rows.into_iter().map(|(_, payload)| payload.clone());
        rows.chain(image.book.image(dialect))
            .chain(ends.into_iter().map(|(_, payload)| payload.clone()))
            .collect()
    }

    /// Rows in the image.
    pub fn rows(&self) -> usize {
        self.image.as_ref().map_or(0, |image| image.rows.len() + image.book.len())
    }
}

impl Core {
    /// What a request asks for, where others can ask for the same, and how long the answer serves them.
    pub(super) fn subject_of(
        &mut self,
        now: Time,
        asked: &Asked<'_>,
        one_shot: bool,
    ) -> Option<(Subject, &'static Sharing, Reuse)> {
        let sharing = asked.shape.decl.sharing.as_ref()?;
        if (sharing.which == Which::InFlight) != one_shot {
            return None;
        }
        let decl = asked.shape.decl;
        let kind = match decl.message.id {
            super::compose::id::REQ_MKT_DATA => self.clients.get(asked.key).map_or(1, |c| c.market_data_type),
            _ => 0,
        };
        let compares_bytes = one_shot && sharing.compares_bytes() && decl.reuse.is_of_all();
        if compares_bytes
            && asked.message.form == Form::Text
            && asked.speech.up.takes_as_it_is(&asked.message)
        {
            let body = self.without_id(&asked.message);
            return Some(((decl.message.id, kind, body), sharing, decl.reuse));
        }
        let version = self.speeches.upstream().version();
        let mut asks = BytesMut::new();
        asked.speech.up.request(&asked.message, &[(Role::ReqId, 0)], &mut asks).ok()?;
        let message = text::message(&asks, version).ok()?;
        if compares_bytes && message.form == Form::Text {
            return Some(((decl.message.id, kind, self.without_id(&message)), sharing, decl.reuse));
        }
        let mut record = self.speeches.upstream().request(message.id)?.record(&message, Form::Text).ok()?;
        let says = |value: &str| !matches!(value, "" | "0");
        if sharing.alone_with.and_then(|name| record.get(name)).is_some_and(says) {
            return None;
        }
        for name in sharing.sets {
            if let Some(list) = record.get(name) {
                let sorted = sorted(list);
                record.set(name, sorted);
            }
        }
        let mut values = String::new();
        // In protobuf what is absent is zero; some clients say it.
        spell(&record, message.form == Form::Proto, &mut values);
        let reuse = match one_shot {
            true => self.reuse_of(now, decl, &record),
            false => Reuse::Never,
        };
        Some(((decl.message.id, kind, values.into_bytes().into()), sharing, reuse))
    }

    /// The body of a request in the Gateway's version, without the field of its id.
    fn without_id(&mut self, message: &Message<'_>) -> Arc<[u8]> {
        let body = message.body;
        let index = self.speeches.upstream().request(message.id).and_then(|shape| shape.req_id_index());
        let id = index.and_then(|index| text::field_at(body, index).ok()).unwrap_or_default();
        self.scratch.clear();
        self.scratch.extend_from_slice(&body[..id.start]);
        self.scratch.extend_from_slice(&body[id.end..]);
        Arc::from(&self.scratch[..])
    }

    /// What a request in a lane asks for: its message at the Gateway, and the values in its frame.
    pub(super) fn lane_subject(&self, message: u16, frame: &[u8]) -> Subject {
        let dialect = self.speeches.upstream();
        let mut values = String::new();
        let read = || {
            let message = text::message(frame.get(frame::PREFIX..)?, dialect.version()).ok()?;
            let record = dialect.request(message.id)?.record(&message, Form::Text).ok()?;
            Some((record, message.form))
        };
        match read() {
            Some((record, form)) => spell(&record, form == Form::Proto, &mut values),
            None => values = frame.escape_ascii().to_string(),
        }
        (message, 0, values.into_bytes().into())
    }

    /// A client joins those who asked for the same: it is told how things stand, and what comes from now on.
    pub(super) fn join_line(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, (key, down): Member) {
        self.wanted_again(up);
        let Some(entry) = self.requests.get_mut(up) else { return };
        entry.several_ids |= entry.members.iter().any(|(client, _)| *client == key);
        entry.members.push((key, down));
        let (message, us_stock) = (entry.message, entry.us_stock);
        let ends = crate::protocol::request(message.into()).map_or(&[][..], |r| r.ends);
        let dialect = self.speeches.upstream().clone();
        let is_end = |id| ends.iter().any(|(end, _)| *end == id);
        let image = entry.line.as_ref().map(|l| l.image(&dialect, is_end));
        if let Some(client) = self.clients.get_mut(key) {
            client.active.insert(up);
            client.requests.insert((message, down), up);
        }
        self.stats.saved(Saved::Joined);
        for payload in image.unwrap_or_default() {
            if let Some(heard) = Heard::new(&dialect, &payload) {
                self.tell(ctx, key, &heard, &[(Role::ReqId, down.0.into())], us_stock);
            }
        }
    }

    /// A client leaves a request that others share, or that lingers. `asked`: whether it cancelled it.
    pub(super) fn leave_line(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, member: Member, asked: bool) {
        let Some(entry) = self.requests.get_mut(up) else { return };
        entry.members.retain(|m| *m != member);
        let (message, unwanted) = (entry.message, entry.members.is_empty());
        self.forget_member(up, message, member);
        if unwanted {
            self.linger(ctx, up);
        }
        // The Gateway answers the cancel of a scanner always (LIVE.md section 5).
        if asked && message == SCANNER {
            let words = format!(
                "Historical Market Data Service error message:API scanner subscription cancelled: {}",
                member.1
            );
            self.send_error(ctx, member.0, member.1.0, codes::HISTORICAL, &words);
        }
    }

    /// A member of a request is none any more.
    pub(super) fn forget_member(
        &mut self,
        up: UpReqId,
        message: u16,
        (client, down): (crate::ids::ClientKey, DownReqId),
    ) {
        let Some(client) = self.clients.get_mut(client) else { return };
        if client.requests.get(&(message, down)) == Some(&up) {
            client.requests.swap_remove(&(message, down));
            client.forget_waiting(message, down);
        }
        // It may share the same line under several ids.
        let more = self.requests.get(up).is_some_and(|e| e.members.iter().any(|(c, _)| *c == client.key));
        if !more {
            client.active.swap_remove(&up);
        }
    }
}

/// reqScannerSubscription.
const SCANNER: u16 = 22;

fn sorted(list: &str) -> String {
    let mut parts: Vec<&str> = list.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.sort_unstable();
    parts.dedup();
    parts.join(",")
}

/// Values by name, whatever their order on the wire.
pub(super) fn spell(record: &Record, zero_is_none: bool, out: &mut String) {
    let none = |value: &str| value.is_empty() || zero_is_none && matches!(value, "0" | "0.0");
    let mut values: Vec<(&str, &str)> = record.iter().filter(|(_, value)| !none(value)).collect();
    values.sort_unstable();
    for (name, value) in values {
        out.push_str(name);
        out.push('=');
        out.push_str(value);
        out.push('\0');
    }
    for (name, rows) in record.repeats() {
        for row in rows {
            out.push_str(name);
            out.push('{');
            spell(row, zero_is_none, out);
            out.push('}');
        }
    }
}
