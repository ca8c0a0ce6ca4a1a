//! The protobuf wire format, as far as ids need it: walk, read a varint or string by path, replace varints in
//! place. Nested messages are re-measured; every byte that is not an id stays as it was.

use bytes::{BufMut, BytesMut};
use nom::{
    IResult, Parser,
    bytes::complete::{take, take_while_m_n},
};

use super::WireError;

/// One field as it stands in the body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: string, bytes, message, packed list.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

fn varint(input: &[u8]) -> IResult<&[u8], u64> {
    // Most have one byte.
    if let [only @ 0..0x80, rest @ ..] = input {
        return Ok((rest, u64::from(*only)));
    }
    let (rest, high) = take_while_m_n(0, 9, |b: u8| b & 0x80 != 0).parse(input)?;
    let (rest, last) = take(1usize).parse(rest)?;
    if last[0] & 0x80 != 0 {
        return Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::TooLarge)));
    }
    let n = high.iter().chain(last).rev().fold(0u64, |n, b| n << 7 | u64::from(b & 0x7F));
    Ok((rest, n))
}

fn one(input: &[u8]) -> IResult<&[u8], (u32, Value<'_>)> {
    let fail = |kind| nom::Err::Error(nom::error::Error::new(input, kind));
    let (rest, key) = varint(input)?;
    let number = u32::try_from(key >> 3).map_err(|_| fail(nom::error::ErrorKind::TooLarge))?;
    if number == 0 {
        return Err(fail(nom::error::ErrorKind::Digit));
    }
    let (rest, value) = match key & 7 {
        0 => varint(rest).map(|(r, n)| (r, Value::Varint(n)))?,
        1 => nom::number::complete::le_u64(rest).map(|(r, n)| (r, Value::Fixed64(n)))?,
        2 => {
            let (r, n) = varint(rest)?;
            let n = usize::try_from(n).map_err(|_| fail(nom::error::ErrorKind::TooLarge))?;
            take(n).parse(r).map(|(r, b)| (r, Value::Bytes(b)))?
        }
        5 => nom::number::complete::le_u32(rest).map(|(r, n)| (r, Value::Fixed32(n)))?,
        _ => return Err(fail(nom::error::ErrorKind::Tag)),
    };
    Ok((rest, (number, value)))
}

/// The fields of a message in wire order. After an error the iteration ends.
pub fn fields(body: &[u8]) -> impl Iterator<Item = Result<(u32, Value<'_>), WireError>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match one(rest) {
            Ok((r, field)) => {
                rest = r;
                Some(Ok(field))
            }
            Err(_) => {
                let at = body.len() - rest.len();
                rest = &[];
                Some(Err(WireError::BadProto(at)))
            }
        }
    })
}

/// The last value at `path` (protobuf: the last one wins), `None` where it is absent.
///
/// # Errors
/// [`WireError::BadProto`] anywhere in the messages on the path.
pub fn get<'a>(body: &'a [u8], path: &[u32]) -> Result<Option<Value<'a>>, WireError> {
    let Some((first, below)) = path.split_first() else { return Ok(Some(Value::Bytes(body))) };
    let mut found = None;
    for field in fields(body) {
        let (number, value) = field?;
        if number == *first {
            found = Some(value);
        }
    }
    match (found, below) {
        (None, _) => Ok(None),
        (Some(v), []) => Ok(Some(v)),
        (Some(Value::Bytes(inner)), _) => get(inner, below),
        (Some(_), _) => Ok(None),
    }
}

/// The integer at `path`; int32, int64 and bool alike.
///
/// # Errors
/// [`WireError::BadProto`]; [`WireError::NotAnInteger`] when the field has another wire type.
pub fn get_int(body: &[u8], path: &[u32]) -> Result<Option<i64>, WireError> {
    match get(body, path)? {
        None => Ok(None),
        Some(Value::Varint(n)) => Ok(Some(n as i64)),
        Some(other) => {
            let index = path.last().copied().unwrap_or_default() as usize;
            Err(WireError::NotAnInteger { index, value: format!("{other:?}") })
        }
    }
}

/// The string at `path`.
///
/// # Errors
/// [`WireError::BadProto`].
pub fn get_str<'a>(body: &'a [u8], path: &[u32]) -> Result<Option<&'a [u8]>, WireError> {
    Ok(match get(body, path)? {
        Some(Value::Bytes(b)) => Some(b),
        _ => None,
    })
}

/// The varints of a packed list. After an error the iteration ends.
pub fn varints(packed: &[u8]) -> impl Iterator<Item = Result<u64, WireError>> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match varint(rest) {
            Ok((r, n)) => {
                rest = r;
                Some(Ok(n))
            }
            Err(_) => {
                let at = packed.len() - rest.len();
                rest = &[];
                Some(Err(WireError::BadProto(at)))
            }
        }
    })
}

/// Appends a varint.
pub fn put_varint(mut n: u64, out: &mut BytesMut) {
    while n >= 0x80 {
        out.put_u8(n as u8 | 0x80);
        n >>= 7;
    }
    out.put_u8(n as u8);
}

/// Appends an integer field; negative numbers take ten bytes, as int32 and int64 do.
pub fn put_int(number: u32, value: i64, out: &mut BytesMut) {
    put_varint(u64::from(number) << 3, out);
    put_varint(value as u64, out);
}

/// Appends a double field.
pub fn put_double(number: u32, value: f64, out: &mut BytesMut) {
    put_value(number, Value::Fixed64(value.to_bits()), out);
}

/// Appends a string, bytes or message field.
pub fn put_bytes(number: u32, value: &[u8], out: &mut BytesMut) {
    put_varint(u64::from(number) << 3 | 2, out);
    put_varint(value.len() as u64, out);
    out.put_slice(value);
}

fn put_value(number: u32, value: Value<'_>, out: &mut BytesMut) {
    match value {
        Value::Varint(n) => {
            put_varint(u64::from(number) << 3, out);
            put_varint(n, out);
        }
        Value::Fixed64(n) => {
            put_varint(u64::from(number) << 3 | 1, out);
            out.put_u64_le(n);
        }
        Value::Bytes(b) => put_bytes(number, b, out),
        Value::Fixed32(n) => {
            put_varint(u64::from(number) << 3 | 5, out);
            out.put_u32_le(n);
        }
    }
}

/// Appends `body` with the integers at some paths replaced, each where it is present; an absent field stays
/// absent. Everything off the paths is copied byte for byte.
///
/// # Errors
/// [`WireError::BadProto`]; `out` then holds a part of the body.
pub fn patch(body: &[u8], edits: &[(&[u32], i64)], out: &mut BytesMut) -> Result<(), WireError> {
    let mut rest = body;
    while !rest.is_empty() {
        let bad = || WireError::BadProto(body.len() - rest.len());
        let (after, (number, value)) = one(rest).map_err(|_| bad())?;
        let raw = &rest[..rest.len() - after.len()];
        let mut here = edits.iter().filter(|(path, _)| path.first() == Some(&number)).peekable();
        match (here.peek(), value) {
            (None, _) => out.put_slice(raw),
            (Some(([_], new)), Value::Varint(_)) => put_value(number, Value::Varint(*new as u64), out),
            (Some(([_], _)), _) => return Err(bad()),
            (Some(_), Value::Bytes(inner)) => {
                let below: Vec<(&[u32], i64)> = here.map(|(path, v)| (&path[1..], *v)).collect();
                let mut patched = BytesMut::with_capacity(inner.len() + 16);
                patch(inner, &below, &mut patched)?;
                put_bytes(number, &patched, out);
            }
            (Some(_), _) => return Err(bad()),
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nested() -> BytesMut {
        let mut order = BytesMut::new();
        put_int(1, 7, &mut order);
        put_int(3, 900_000_000_001, &mut order);
        put_int(4, 0, &mut order);
        let mut body = BytesMut::new();
        put_int(1, 12, &mut body);
        put_bytes(2, b"contract", &mut body);
        put_bytes(3, &order, &mut body);
        body
    }

    #[test]
    fn nested_ids_are_replaced_and_the_lengths_follow() {
        let mut out = BytesMut::new();
        patch(&nested(), &[(&[1], 1 << 30), (&[3, 1], -1), (&[3, 4], 300), (&[9], 5)], &mut out).unwrap();
        assert_eq!(get_int(&out, &[1]).unwrap(), Some(1 << 30));
        assert_eq!(get_int(&out, &[3, 1]).unwrap(), Some(-1));
        assert_eq!(get_int(&out, &[3, 3]).unwrap(), Some(900_000_000_001));
        assert_eq!(get_int(&out, &[3, 4]).unwrap(), Some(300));
        assert_eq!(get_str(&out, &[2]).unwrap(), Some(&b"contract"[..]));
        assert_eq!(get_int(&out, &[9]).unwrap(), None, "an absent field stays absent");
    }

    #[test]
    fn truncated_bodies_are_errors_wherever_they_are_cut() {
        let body = nested();
        for n in 1..body.len() {
            let cut = &body[..n];
            let bad = fields(cut).any(|f| f.is_err());
            // A cut at a field boundary is a shorter, valid message.
            let boundary = [2, 12].contains(&n);
            assert_eq!(bad, !boundary, "cut at {n}");
        }
    }

    #[test]
    fn group_wire_types_and_field_zero_are_refused() {
        assert!(fields(&[0x0B]).next().unwrap().is_err());
        assert!(fields(&[0x00, 0x01]).next().unwrap().is_err());
        assert!(
            fields(&[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x80])
                .next()
                .unwrap()
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn patching_nothing_changes_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut out = BytesMut::new();
            if patch(&bytes, &[], &mut out).is_ok() {
                prop_assert_eq!(&out[..], &bytes[..]);
            }
        }

        #[test]
        fn a_varint_survives(n in any::<i64>(), number in 1u32..1000) {
            let mut out = BytesMut::new();
            put_int(number, n, &mut out);
            prop_assert_eq!(get_int(&out, &[number]).unwrap(), Some(n));
        }
    }
}
