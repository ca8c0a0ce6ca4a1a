//! Frames on paper: for people, and as JSON.

use std::fmt::Display;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::{DecodeArgs, declared};
use crate::protocol::dialect::Dialect;
use crate::protocol::layout::{Entry, LayoutError, Record, entries};
use crate::protocol::model::{Direction, Field, Message, Role};
use crate::time::Time;
use crate::wire::handshake::{ClientHello, ServerHello};
use crate::wire::text::{self, Form};

/// What was found in a frame.
pub struct Frame<'a> {
    /// Which message, where that is known.
    message: Option<(&'static Message, Form)>,
    record: Record,
    fault: Option<String>,
    /// Text fields behind the last one that the message has.
    left_over: Vec<&'a [u8]>,
}

impl<'a> Frame<'a> {
    /// A frame of which nothing is known.
    pub fn faulty(fault: String) -> Self {
        Frame { message: None, record: Record::new(), fault: Some(fault), left_over: Vec::new() }
    }

    /// Reads a frame, as far as it can be read.
    pub fn of(dialect: &Dialect, direction: Direction, payload: &'a [u8]) -> Self {
        let version = dialect.version();
        let m = match text::message(payload, version) {
            Err(fault) => return Frame::faulty(fault.to_string()),
            Ok(m) => m,
        };
        let read = match direction {
            Direction::Request => dialect.request(m.id).map(|shape| shape.read_partly(&m)),
            Direction::Response => dialect.response(m.id).map(|shape| shape.read_partly(&m)),
        };
        match (read, declared(direction, m.id)) {
            (Some((record, fault)), Some(message)) => Frame::read(message, &m, record, fault),
            (_, Some(message)) => Frame::faulty(format!(
                "{} ({}) exists from server version {} on, not at {version}",
                message.name, m.id, message.since
            )),
            _ => Frame::faulty(format!("no message has the id {}", m.id)),
        }
    }

    /// A frame that was read, as far as it could be.
    fn read(
        message: &'static Message,
        m: &text::Message<'a>,
        record: Record,
        fault: Option<LayoutError>,
    ) -> Self {
        let left_over = match fault {
            Some(LayoutError::LeftOver { index, .. }) => {
                let fields = m.body.strip_suffix(b"\0").unwrap_or(m.body);
                fields.split(|b| *b == 0).skip(index - 1).collect()
            }
            _ => Vec::new(),
        };
        Frame { message: Some((message, m.form)), record, fault: fault.map(|f| f.to_string()), left_over }
    }
}

/// Where in a capture a frame stands.
pub struct Place {
    /// When, since twsmux started.
    pub time: Time,
    /// The connection, as the logs name it.
    pub connection: String,
    /// What twsmux did with it.
    pub how: &'static str,
}

impl Place {
    fn seconds(&self) -> String {
        format!("{}.{:06}", self.time.0 / 1_000_000, self.time.0 % 1_000_000)
    }
}

/// Prints what it is given, and counts.
pub struct Printer<'a, W: Write> {
    out: &'a mut W,
    json: bool,
    only: Option<&'a str>,
    place: Option<Place>,
    frames: u64,
    unreadable: u64,
}

impl<'a, W: Write> Printer<'a, W> {
    /// Prints to `out`.
    pub fn new(out: &'a mut W, args: &'a DecodeArgs) -> Self {
        Printer { json: args.json, only: args.message.as_deref(), ..Printer::plain(out) }
    }

    /// Prints everything to `out`, for people.
    pub fn plain(out: &'a mut W) -> Self {
        Printer { out, json: false, only: None, place: None, frames: 0, unreadable: 0 }
    }

    /// What follows stands there in a capture.
    pub fn at(&mut self, place: Option<Place>) {
        self.place = place;
    }

    /// What stands before a frame on paper.
    fn margin(&self) -> String {
        let place = self.place.as_ref();
        place.map_or_else(String::new, |p| format!("{:>12} {:<7} {:<9} ", p.seconds(), p.connection, p.how))
    }

    /// The first line of a capture.
    pub fn heading(&mut self, words: &str) -> io::Result<()> {
        match (self.json, self.only) {
            (_, Some(_)) => Ok(()),
            (true, _) => self.line(&json!({ "capture": words })),
            (false, _) => writeln!(self.out, "{}", safe(words)),
        }
    }

    /// What happened to a connection of a capture, or to twsmux.
    pub fn event(&mut self, words: &str) -> io::Result<()> {
        match (self.json, self.only) {
            (_, Some(_)) => Ok(()),
            (true, _) => self.handshake(json!({ "event": words })),
            (false, _) => writeln!(self.out, "{}", format!("{}{}", self.margin(), safe(words)).trim_end()),
        }
    }

    /// An object that is no frame, at its place.
    fn handshake(&mut self, mut object: Value) -> io::Result<()> {
        if let (Some(place), Some(map)) = (&self.place, object.as_object_mut()) {
            map.insert("time".into(), place.seconds().into());
            map.insert("connection".into(), place.connection.as_str().into());
            map.insert("action".into(), place.how.into());
        }
        self.line(&object)
    }

    /// How many frames there were, and how many of them could not be read.
    pub fn counts(&self) -> (u64, u64) {
        (self.frames, self.unreadable)
    }

    /// The first message of a client.
    pub fn greeting(&mut self, hello: &ClientHello) -> io::Result<()> {
        let ClientHello { min, max, options } = hello;
        match (self.json, self.only) {
            (_, Some(_)) => Ok(()),
            (true, _) => self.handshake(json!({
                "direction": "client", "handshake": { "min": min, "max": max, "options": options },
            })),
            (false, _) => {
                let line =
                    format!("{}-> greeting, server versions {min} to {max} {}", self.margin(), safe(options));
                writeln!(self.out, "{}", line.trim_end())
            }
        }
    }

    /// The answer to it.
    pub fn hello(&mut self, hello: &ServerHello) -> io::Result<()> {
        let ServerHello { version, time } = hello;
        match (self.json, self.only) {
            (_, Some(_)) => Ok(()),
            (true, _) => self.handshake(json!({
                "direction": "gateway", "handshake": { "serverVersion": version, "connectionTime": time },
            })),
            (false, _) => {
                writeln!(self.out, "{}<- hello, server version {version}, {}", self.margin(), safe(time))
            }
        }
    }

    /// What happened between frames.
    pub fn note(&mut self, words: &str) -> io::Result<()> {
        match self.json || self.only.is_some() {
            true => Ok(()),
            false => writeln!(self.out, "-- {}", safe(words)),
        }
    }

    /// Bytes that are no frame.
    pub fn lost(&mut self, direction: Direction, fault: &dyn Display, bytes: &[u8]) -> io::Result<()> {
        self.frame(direction, 0, bytes, &Frame::faulty(fault.to_string()))
    }

    /// One frame.
    pub fn frame(
        &mut self,
        direction: Direction,
        version: u16,
        payload: &[u8],
        frame: &Frame<'_>,
    ) -> io::Result<()> {
        self.frames += 1;
        self.unreadable += u64::from(frame.fault.is_some());
        let name = frame.message.map(|(message, _)| message.name);
        if self.only.is_some_and(|only| name != Some(only)) {
            return Ok(());
        }
        match self.json {
            true => self.object(direction, version, payload, frame),
            false => self.paragraph(direction, payload, frame),
        }
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{value}")
    }

    fn object(
        &mut self,
        direction: Direction,
        version: u16,
        payload: &[u8],
        frame: &Frame<'_>,
    ) -> io::Result<()> {
        let mut object = serde_json::Serializer::new(&mut *self.out);
        let mut map = object.serialize_map(None)?;
        map.serialize_entry("frame", &self.frames)?;
        if let Some(place) = &self.place {
            map.serialize_entry("time", &place.seconds())?;
            map.serialize_entry("connection", &place.connection)?;
            map.serialize_entry("action", &place.how)?;
        }
        map.serialize_entry("direction", if direction == Direction::Request { "client" } else { "gateway" })?;
        map.serialize_entry("bytes", &payload.len())?;
        if let Some((message, form)) = frame.message {
            map.serialize_entry("message", message.name)?;
            map.serialize_entry("id", &message.id)?;
            map.serialize_entry("form", form_name(form))?;
            map.serialize_entry("serverVersion", &version)?;
            map.serialize_entry("fields", &Fields(&items(&places(message), &frame.record)))?;
        }
        if let Some(fault) = &frame.fault {
            if !frame.left_over.is_empty() {
                let left_over: Vec<_> = frame.left_over.iter().map(|f| String::from_utf8_lossy(f)).collect();
                map.serialize_entry("leftOver", &left_over)?;
            }
            map.serialize_entry("error", fault)?;
            map.serialize_entry("payload", &hex(payload))?;
        }
        SerializeMap::end(map)?;
        writeln!(self.out)
    }

    fn paragraph(&mut self, direction: Direction, payload: &[u8], frame: &Frame<'_>) -> io::Result<()> {
        let arrow = if direction == Direction::Request { "->" } else { "<-" };
        let bytes = payload.len();
        let margin = self.margin();
        match frame.message {
            Some((message, form)) => {
                writeln!(
                    self.out,
                    "{margin}{arrow} {} ({}), {}, {bytes} bytes",
                    message.name,
                    message.id,
                    form_name(form)
                )?;
                self.items(&items(&places(message), &frame.record), 1)?;
            }
            None => writeln!(self.out, "{margin}{arrow} ?, {bytes} bytes")?,
        }
        for field in &frame.left_over {
            writeln!(self.out, "   left over: {}", safe(&String::from_utf8_lossy(field)))?;
        }
        match &frame.fault {
            Some(fault) => {
                writeln!(self.out, "   !! {}", safe(fault))?;
                self.dump(payload)
            }
            None => Ok(()),
        }
    }

    fn items(&mut self, items: &[Item<'_>], depth: usize) -> io::Result<()> {
        let indent = "   ".repeat(depth);
        let mut empty = Vec::new();
        for item in items {
            match item {
                Item::Value(name, "", _) => empty.push(*name),
                Item::Value(name, value, None) => {
                    writeln!(self.out, "{indent}{name} = {}", safe(value))?;
                }
                Item::Value(name, value, Some(means)) => {
                    writeln!(self.out, "{indent}{name} = {} ({means})", safe(value))?;
                }
                Item::Rows(name, rows) => {
                    for (n, row) in rows.iter().enumerate() {
                        writeln!(self.out, "{indent}{name} {} of {}:", n + 1, rows.len())?;
                        self.items(row, depth + 1)?;
                    }
                }
                Item::Unknown(message, number) => {
                    writeln!(self.out, "{indent}unknown: field {number} of {message}")?;
                }
            }
        }
        match empty.is_empty() {
            true => Ok(()),
            false => writeln!(self.out, "{indent}empty: {}", empty.join(", ")),
        }
    }

    fn dump(&mut self, bytes: &[u8]) -> io::Result<()> {
        /// More than this nobody reads; `--json` has all of it.
        const SHOWN: usize = 512;
        for (n, row) in bytes[..bytes.len().min(SHOWN)].chunks(16).enumerate() {
            let text: String =
                row.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect();
            let digits: Vec<String> = row.iter().map(|b| format!("{b:02x}")).collect();
            writeln!(self.out, "   {:06x}  {:<47}  {text}", n * 16, digits.join(" "))?;
        }
        match bytes.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(self.out, "   and {more} more bytes"),
        }
    }
}

/// A part of a message, at its place.
enum Item<'r> {
    /// Name, value as it stands in the text form, and what that means where it is not plain.
    Value(&'static str, &'r str, Option<&'static str>),
    Rows(&'static str, Vec<Vec<Item<'r>>>),
    /// A protobuf field that the schema does not have.
    Unknown(&'static str, u32),
}

fn places(message: &Message) -> Vec<Entry> {
    entries(message.text.unwrap_or_default())
}

/// Everything in a record: what the text form has in its order, then what it does not have.
fn items<'r>(places: &[Entry], record: &'r Record) -> Vec<Item<'r>> {
    let mut items: Vec<Item<'r>> = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    for place in places {
        let (Entry::Value(field) | Entry::Rows(field, _)) = place;
        if done.contains(&field.name) {
            continue;
        }
        done.push(field.name);
        match place {
            Entry::Value(field) => {
                items.extend(
                    record.get(field.name).map(|v| Item::Value(field.name, v, meaning(Some(field), v))),
                );
            }
            Entry::Rows(field, body) => match record.rows(field.name) {
                [] => {}
                rows => items.push(all_rows(field.name, &entries(body), rows)),
            },
        }
    }
    let rest = record.iter().filter(|(name, _)| !done.contains(name));
    items.extend(rest.map(|(name, v)| Item::Value(name, v, meaning(None, v))));
    let rest = record.repeats().filter(|(name, _)| !done.contains(name));
    items.extend(rest.map(|(name, rows)| all_rows(name, &[], rows)));
    items.extend(record.unknown().iter().map(|(message, number)| Item::Unknown(message, *number)));
    items
}

fn all_rows<'r>(name: &'static str, places: &[Entry], rows: &'r [Record]) -> Item<'r> {
    Item::Rows(name, rows.iter().map(|row| items(places, row)).collect())
}

/// What a value says that is not what it looks like.
fn meaning(field: Option<&Field>, value: &str) -> Option<&'static str> {
    match (field.map(|f| f.role), value) {
        (Some(Role::ReqId | Role::OrderId), "-1") => Some("none"),
        (Some(Role::ParentOrderId), "0") => Some("none"),
        (_, "2147483647" | "9223372036854775807" | "170141183460469231731687303715884105727") => {
            Some("unset")
        }
        (_, number) if number.len() > 15 && number.parse() == Ok(f64::MAX) => Some("unset"),
        _ => None,
    }
}

/// The items of a message as a JSON object, in their order.
struct Fields<'r>(&'r [Item<'r>]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut unknown = Vec::new();
        for item in self.0 {
            match item {
                Item::Value(name, value, _) => map.serialize_entry(name, value)?,
                Item::Rows(name, rows) => {
                    map.serialize_entry(name, &rows.iter().map(|row| Fields(row)).collect::<Vec<_>>())?;
                }
                Item::Unknown(message, number) => unknown.push((message, number)),
            }
        }
        if !unknown.is_empty() {
            map.serialize_entry("unknown", &unknown)?;
        }
        map.end()
    }
}

fn form_name(form: Form) -> &'static str {
    match form {
        Form::Text => "text",
        Form::Proto => "protobuf",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Text that moves no cursor.
fn safe(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
        out
    })
}
