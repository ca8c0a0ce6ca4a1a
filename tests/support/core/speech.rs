//! What is said at a server version: frames of every version in either form, under the names of the text form.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use twsmux::protocol;
use twsmux::protocol::dialect::{Dialect, Shape};
use twsmux::protocol::layout::{self, Record};
use twsmux::protocol::model::{Layout, Message, Node};
use twsmux::protocol::transcode::Declared;
use twsmux::wire::text::{self, Form};

use super::{Frame, Who, request_payload, response_payload};

/// All messages as a version has them. They are not cheap to make, so all worlds share them.
pub fn dialect(version: u16) -> &'static Dialect {
    static KNOWN: [OnceLock<Dialect>; 512] = [const { OnceLock::new() }; 512];
    KNOWN[usize::from(version)].get_or_init(|| Dialect::new(version))
}

/// The values of a frame.
pub fn read<T: Declared>(shape: Option<&Shape<T>>, frame: &Frame) -> Record {
    let message = text::message(&frame.payload, frame.version).expect("a message id");
    let shape = shape.expect("a message of this version");
    shape.record(&message, Form::Text).expect("the declared form")
}

/// The payload of values.
pub fn write<T: Declared>(shape: &Shape<T>, values: &Record) -> Bytes {
    let mut out = BytesMut::new();
    shape.compose(values, &mut out);
    out.freeze()
}

/// What a client gets must be exactly what its version has.
pub fn check_response(frame: &Frame, who: Who) {
    check(dialect(frame.version).response(frame.id.into()), frame, &format!("client {who}"));
}

/// What goes upstream must be exactly what the Gateway's version has: the Gateway would not know a later field.
pub fn check_request(frame: &Frame) {
    let shape = dialect(frame.version).request(frame.id.into());
    check(shape, frame, "the Gateway");
    if frame.form == Form::Proto {
        let values = read(shape, frame);
        let mut again = BytesMut::new();
        shape.expect("checked").write(&values, &mut again);
        assert_eq!(frame.body(), again, "a field that version {} does not have: {values:?}", frame.version);
    }
}

fn check<T: Declared>(shape: Option<&Shape<T>>, frame: &Frame, whom: &str) {
    let (id, version) = (frame.id, frame.version);
    let shape = shape.unwrap_or_else(|| panic!("version {version} of {whom} does not have message {id}"));
    assert_eq!(frame.form, shape.form(), "the form of message {id} for {whom} at version {version}");
    match frame.form {
        Form::Text => {
            layout::check(shape.decl.message(), version, frame.body()).unwrap_or_else(|e| {
                panic!("message {id} for {whom} does not parse: {e}: {:?}", frame.payload)
            });
        }
        Form::Proto => assert!(all_known(&read(Some(shape), frame)), "unknown fields for {whom}: {frame:?}"),
    }
}

fn all_known(values: &Record) -> bool {
    values.unknown().is_empty() && values.repeats().all(|(_, rows)| rows.iter().all(all_known))
}

/// What a message says, by the names of its values; `count[row].name` in rows. A value that says no more than its
/// absence is left out, so that the same is the same at every version.
pub type Said = BTreeMap<String, String>;

fn said(values: &Record, message: &Message) -> Said {
    let mut all = Said::new();
    collect(values, message.text.unwrap_or_default(), "", &mut all);
    all
}

fn collect(values: &Record, layout: Layout, row: &str, all: &mut Said) {
    let nothing = ["", "0", "false", "2147483647", "9223372036854775807", "1.7976931348623157E308", "?"];
    for (name, value) in values.iter() {
        if !nothing.contains(&value) && name != "version" && unset(layout, name) != Some(value) {
            all.insert(format!("{row}{name}"), value.to_owned());
        }
    }
    for (count, rows) in values.repeats() {
        for (at, values) in rows.iter().enumerate() {
            collect(values, layout, &format!("{row}{count}[{at}]."), all);
        }
    }
}

/// What a field holds where there is nothing to say, if the protocol has a value of its own for that.
fn unset(layout: Layout, name: &str) -> Option<&'static str> {
    layout.iter().find_map(|node| match node {
        Node::One(f) if f.name == name => f.unset,
        Node::Group(body) | Node::If { body, .. } | Node::Repeat { body, .. } => unset(body, name),
        Node::One(_) | Node::Conditions { .. } => None,
    })
}

/// What a request says.
pub fn asked(frame: &Frame) -> Said {
    said(&frame.request(), &protocol::request(frame.id.into()).expect("declared").message)
}

/// The field of the id without which a message is one under -1, which no client may take for another number.
fn id_field(message: u16) -> Option<&'static str> {
    match message {
        4 => Some("id"),
        11 => Some("reqId"),
        _ => None,
    }
}

/// What a response says.
pub fn told(frame: &Frame) -> Said {
    let values = frame.response();
    let mut all = said(&values, &protocol::response(frame.id.into()).expect("declared").message);
    if let Some(name) = id_field(frame.id) {
        all.insert(name.into(), values.get(name).unwrap_or("-1").into());
    }
    if let Some(again) = all.remove("order.orderId") {
        assert_eq!(Some(&again), all.get("orderId"), "protobuf has the order id twice");
    }
    all
}

/// What a request with these values says at a version; `None` where that does not have it.
fn asked_at(version: u16, id: u16, values: &Record) -> Option<Said> {
    dialect(version).request(id.into())?;
    Some(asked(&Frame::new(&request_payload(version, id, values), version)))
}

fn told_at(version: u16, id: u16, values: &Record) -> Option<Said> {
    dialect(version).response(id.into())?;
    let mut values = values.clone();
    if let Some(name) = id_field(id).filter(|name| values.get(name).is_none()) {
        values.set(name, -1);
    }
    Some(told(&Frame::new(&response_payload(version, id, &values), version)))
}

/// What must go upstream at version `to` where a client at `from` asks with these values. `None`: the version has no
/// such request, or no place for all that it says.
pub fn carried(id: u16, values: &Record, from: u16, to: u16) -> Option<Said> {
    let own = asked_at(from, id, values).expect("the client's version has what it asks");
    let there = asked_at(to, id, values)?;
    own.iter().all(|(name, value)| there.get(name) == Some(value)).then_some(own)
}

/// What a client at version `to` must see where the Gateway says these values at `from`. `None`: its version has no
/// such message. Older Gateways do not say when an error came.
pub fn seen(id: u16, values: &Record, from: u16, to: u16) -> Option<Said> {
    let mut there = told_at(to, id, values)?;
    let own = told_at(from, id, values).expect("the Gateway's version has what it says");
    there.retain(|name, _| own.contains_key(name) || name == "errorTime");
    Some(there)
}
