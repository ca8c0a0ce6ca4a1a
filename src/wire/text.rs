//! Message ids and NUL-terminated text fields (PROTOCOL.md (a), "Framing").
//!
//! Field 0 is the message id; fields of the body count from 1, in both header forms.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use nom::{IResult, Parser, number::complete::be_u32};

use super::WireError;

/// First server version whose message id is 4 raw bytes instead of decimal text.
pub const RAW_ID_SINCE: u16 = 201;
/// What a raw message id of a protobuf message has on top of the id of its text equivalent.
pub const PROTO_OFFSET: u32 = 200;

/// How a message's body is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// NUL-terminated fields.
    Text,
    /// One serialized protobuf message.
    Proto,
}

/// A payload taken apart: which message, in which form, and its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Message id; of a protobuf message that of its text equivalent.
    pub id: u32,
    /// Form of the body.
    pub form: Form,
    /// What follows the id.
    pub body: &'a [u8],
}

/// One to nine digits and a NUL. By hand: it is read for every frame.
fn decimal_id(input: &[u8]) -> Option<(&[u8], u32)> {
    let mut id = 0u32;
    for (at, b) in input.iter().enumerate().take(10) {
        match b {
            b'0'..=b'9' if at < 9 => id = id * 10 + u32::from(b - b'0'),
            0 if at > 0 => return Some((&input[at + 1..], id)),
            _ => return None,
        }
    }
    None
}

fn raw_id(input: &[u8]) -> IResult<&[u8], u32> {
    be_u32.parse(input)
}

/// Reads the message id of `payload` as server version `version` writes it.
///
/// # Errors
/// [`WireError::BadMessageId`]; whether the id is known is not looked at.
pub fn message(payload: &[u8], version: u16) -> Result<Message<'_>, WireError> {
    if version < RAW_ID_SINCE {
        let (body, id) = decimal_id(payload).ok_or_else(|| bad_id(payload))?;
        return Ok(Message { id, form: Form::Text, body });
    }
    let (body, id) = raw_id(payload).map_err(|_| bad_id(payload))?;
    Ok(match id > PROTO_OFFSET {
        true => Message { id: id - PROTO_OFFSET, form: Form::Proto, body },
        false => Message { id, form: Form::Text, body },
    })
}

#[cold]
fn bad_id(payload: &[u8]) -> WireError {
    let end = payload.iter().position(|b| *b == 0).unwrap_or(payload.len()).min(24);
    WireError::BadMessageId(String::from_utf8_lossy(&payload[..end]).into_owned())
}

/// Writes a message id as server version `version` has it.
pub fn put_id(id: u32, form: Form, version: u16, out: &mut BytesMut) {
    match (version < RAW_ID_SINCE, form) {
        (true, _) => {
            put_int(i64::from(id), out);
        }
        (false, Form::Text) => out.put_u32(id),
        (false, Form::Proto) => out.put_u32(id + PROTO_OFFSET),
    }
}

/// Appends one field holding an integer.
pub fn put_int(value: i64, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
    out.put_u8(0);
}

/// Appends one field.
pub fn put_str(value: &str, out: &mut BytesMut) {
    out.put_slice(value.as_bytes());
    out.put_u8(0);
}

/// The fields of a body, first to last, without their NUL. What follows the last NUL is not a field; see
/// [`check_terminated`].
pub fn fields(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let end = rest.iter().position(|b| *b == 0)?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        Some(field)
    })
}

/// Makes sure that the body ends with a NUL (or is empty).
///
/// # Errors
/// [`WireError::Unterminated`].
pub fn check_terminated(body: &[u8]) -> Result<(), WireError> {
    match body.last() {
        None | Some(0) => Ok(()),
        Some(_) => Err(WireError::Unterminated),
    }
}

/// Field `index` (1 and above) of a body.
///
/// # Errors
/// [`WireError::MissingField`].
#[inline]
pub fn field(body: &[u8], index: usize) -> Result<&[u8], WireError> {
    Ok(&body[field_at(body, index)?])
}

/// Where field `index` (1 and above) of a body stands, without its NUL.
///
/// # Errors
/// [`WireError::MissingField`].
pub fn field_at(body: &[u8], index: usize) -> Result<Range<usize>, WireError> {
    debug_assert!(index > 0, "fields of a body count from 1");
    // By hand: it is asked for every frame.
    let (mut start, mut left) = (0, index);
    for (at, b) in body.iter().enumerate() {
        if *b == 0 {
            left -= 1;
            if left == 0 {
                return Ok(start..at);
            }
            start = at + 1;
        }
    }
    Err(missing_field(body, index))
}

#[cold]
fn missing_field(body: &[u8], index: usize) -> WireError {
    WireError::MissingField { index, count: fields(body).count() }
}

/// Field `index` (1 and above) of a body, if it is one to nine digits, or ten that say no more than an `i32` holds: as
/// [`int`], in one pass over the bytes.
#[inline]
pub fn natural(body: &[u8], index: usize) -> Option<i32> {
    let mut bytes = body.iter();
    for _ in 1..index {
        bytes.find(|b| **b == 0)?;
    }
    let (mut n, mut digits) = (0u64, 0);
    for b in bytes {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return if *b == 0 && matches!(digits, 1..=10) { i32::try_from(n).ok() } else { None };
        }
        // It may wrap, but not below eleven digits, and more are refused.
        n = n.wrapping_mul(10).wrapping_add(u64::from(digit));
        digits += 1;
    }
    None
}

/// Reads an integer field; an optional sign and decimal digits, nothing else.
pub fn parse_int(field: &[u8]) -> Option<i64> {
    let (negative, digits) = match field.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, field),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut n = 0i64;
    for b in digits {
        if !b.is_ascii_digit() {
            return None;
        }
        n = n * 10 + i64::from(b - b'0');
    }
    Some(if negative { -n } else { n })
}

/// Field `index` as an integer.
///
/// # Errors
/// [`WireError::MissingField`], [`WireError::NotAnInteger`].
pub fn int(body: &[u8], index: usize) -> Result<i64, WireError> {
    let f = field(body, index)?;
    parse_int(f).ok_or_else(|| WireError::NotAnInteger {
        index,
        value: String::from_utf8_lossy(&f[..f.len().min(32)]).into_owned(),
    })
}

/// Appends `body` with some integer fields replaced. `edits` are (index, new value), in rising order of index.
///
/// # Errors
/// [`WireError::MissingField`] when the body ends before an edit; `out` then holds a part of the body.
pub fn patch(
    body: &[u8],
    edits: impl IntoIterator<Item = (usize, i64)>,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    let (mut at, mut index) = (0, 1);
    for (target, value) in edits {
        debug_assert!(index <= target, "edits come in order");
        let copied_from = at;
        while index < target {
            at += end_of_field(&body[at..])
                .ok_or(WireError::MissingField { index: target, count: index - 1 })?;
            index += 1;
        }
        let end =
            end_of_field(&body[at..]).ok_or(WireError::MissingField { index: target, count: index - 1 })?;
        out.put_slice(&body[copied_from..at]);
        put_int(value, out);
        at += end;
        index += 1;
    }
    out.put_slice(&body[at..]);
    Ok(())
}

/// Length of the first field with its NUL. A plain loop: fields are short.
fn end_of_field(bytes: &[u8]) -> Option<usize> {
    for (i, b) in bytes.iter().enumerate() {
        if *b == 0 {
            return Some(i + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_header_forms_are_read() {
        let m = message(b"71\x002\x000\0\0", 176).unwrap();
        assert_eq!((m.id, m.form, m.body), (71, Form::Text, &b"2\x000\0\0"[..]));
        let m = message(b"\0\0\0\x472\0", 201).unwrap();
        assert_eq!((m.id, m.form, m.body), (71, Form::Text, &b"2\0"[..]));
        let m = message(b"\0\0\x01\x0f\x08\x01", 213).unwrap();
        assert_eq!((m.id, m.form, m.body), (71, Form::Proto, &b"\x08\x01"[..]));
        for bad in [&b"x\0"[..], b"71", b"", b"-1\0", b"99999999999\0"] {
            assert!(message(bad, 176).is_err());
        }
        assert!(message(b"\0\0\0", 201).is_err());
    }

    #[test]
    fn integers_are_strict() {
        assert_eq!(parse_int(b"-1"), Some(-1));
        assert_eq!(parse_int(b"2147483647"), Some(2147483647));
        for bad in ["", "-", "1.0", " 1", "+1", "1e3", "9999999999999999999"] {
            assert_eq!(parse_int(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn patching_changes_exactly_the_named_fields(
            fields in proptest::collection::vec("[ -~]{0,12}", 1..20),
            which in proptest::collection::btree_set(0usize..20, 0..5),
            value in any::<i64>(),
        ) {
            let body: Vec<u8> = fields.iter().flat_map(|f| f.bytes().chain([0])).collect();
            let edits: Vec<_> = which.iter().filter(|i| **i < fields.len()).map(|i| (i + 1, value)).collect();
            let mut out = BytesMut::new();
            patch(&body, edits.iter().copied(), &mut out).unwrap();
            let got: Vec<_> = super::fields(&out).map(|f| String::from_utf8(f.to_vec()).unwrap()).collect();
            let want: Vec<_> = fields.iter().enumerate()
                .map(|(i, f)| if edits.iter().any(|e| e.0 == i + 1) { value.to_string() } else { f.clone() })
                .collect();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn a_natural_number_is_the_integer_that_stands_there(
            before in proptest::collection::vec("[0-9a]{0,3}", 0..3),
            field in prop_oneof!["-?[0-9]{0,12}", "[ -~]{0,4}", "2147483[0-9]{3}"],
            rest in "[0-9]{0,2}\0?",
        ) {
            let fields: String = before.iter().chain([&field]).map(|f| format!("{f}\0")).collect();
            let body = fields + &rest;
            let index = before.len() + 1;
            let wanted = int(body.as_bytes(), index).ok().and_then(|n| i32::try_from(n).ok()).filter(|n| *n >= 0);
            let wanted = wanted.filter(|_| field.len() <= 10 && !field.starts_with('-'));
            prop_assert_eq!(natural(body.as_bytes(), index), wanted);
            prop_assert_eq!(natural(&body.as_bytes()[..body.len() - rest.len() - 1], index), None);
        }

        #[test]
        fn patching_a_field_with_its_own_value_changes_no_byte(n in any::<i32>(), tail in "[ -~]{0,12}") {
            let body = format!("1\0{n}\0{tail}\0");
            let mut out = BytesMut::new();
            patch(body.as_bytes(), [(2, n.into())], &mut out).unwrap();
            prop_assert_eq!(&out[..], body.as_bytes());
        }
    }
}
