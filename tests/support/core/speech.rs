//! What is said at a server version: frames of every version in either form, under the names of the text form.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use twsmux::protocol::dialect::{Dialect, Shape};
use twsmux::protocol::layout::{self, Record};
use twsmux::protocol::transcode::Declared;
use twsmux::wire::text::{self, Form};

use super::{Frame, Who};

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
