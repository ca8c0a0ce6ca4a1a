//! Properties of translation between versions: what goes there and back is the same, and no request loses a value.

use std::sync::Arc;

use bytes::BytesMut;
use proptest::prelude::*;

use super::samples::{self, Dice};
use crate::{
    protocol::{
        dialect::{Dialect, Shape},
        layout::{Entry, Record, entries},
        meaning::Subject,
        model::*,
        orders::{self, ECHOES},
        plan, requests, responses,
        transcode::{Declared, Translation},
    },
    wire::{
        proto,
        text::{self, Form, Message as Wire},
    },
};

const VERSIONS: std::ops::RangeInclusive<u16> = 100..=226;

/// The payload of a made-up message as a version has it; `None` where it does not have it.
fn payload<T: Declared>(shape: &Shape<T>, dice: &mut Dice) -> BytesMut {
    let message = shape.decl.message();
    let mut out = BytesMut::new();
    match (shape.form(), message.text, message.proto) {
        (Form::Proto, _, Some(proto)) => {
            text::put_id(u32::from(message.id), Form::Proto, shape.version(), &mut out);
            let version = if T::DIRECTION == Direction::Request { shape.version() } else { u16::MAX };
            samples::body(proto.schema, version, dice, &mut out);
        }
        (_, layout, _) => shape.put(&samples::sparse(layout.unwrap_or_default(), dice), &mut out),
    }
    out
}

fn wire(payload: &[u8], version: u16) -> Wire<'_> {
    text::message(payload, version).expect("a message id")
}

fn identity<T: Declared>(shape: &Shape<T>, dice: &mut Dice) {
    let given = payload(shape, dice);
    let m = wire(&given, shape.version());
    let record = shape.record(&m, m.form).unwrap_or_else(|e| panic!("{}: {e}", shape.decl.message().name));
    let mut again = BytesMut::new();
    shape.put(&record, &mut again);
    let found = wire(&again, shape.version());
    assert_eq!(shape.record(&found, m.form).as_ref(), Ok(&record), "{}", shape.decl.message().name);
    assert_eq!(again, given, "{} at {}: {record:?}", shape.decl.message().name, shape.version());
}

/// The payload that a response is at the other version; `None` where that does not have it.
fn translated(t: &Translation, payload: &[u8], subject: &Subject) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    let m = wire(payload, t.from().version());
    let there = t.response(&m, &[], subject, &mut out).unwrap_or_else(|e| panic!("response {}: {e}", m.id));
    there.then_some(out)
}

fn asked(t: &Translation, payload: &[u8]) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    t.request(&wire(payload, t.from().version()), &[], &mut out).ok().map(|()| out)
}

/// Whether a version takes a value for the absence of one, so that its loss is none.
fn says_nothing(version: u16, name: &str, field: Option<&Field>, value: &str) -> bool {
    let optional = field.is_some_and(|f| f.optional);
    let unset = field.and_then(|f| f.unset.or(f.fixed));
    matches!(value, "" | "2147483647" | "9223372036854775807" | "1.7976931348623157E308")
        || Some(value) == unset
        || !optional && field.is_none_or(|f| f.ty != Type::Str) && value.parse() == Ok(0.0)
        || field.is_some_and(|f| f.ty == Type::Bool) && value == "0"
        || name == "strike" && version < 202 && value.parse() == Ok(0.0)
        // A step of 0 is none; version 163 has no other word for that.
        || name == "sizeIncrement" && value.parse() == Ok(0.0)
}

fn same(a: &str, b: &str) -> bool {
    let number = |v: &str| match v {
        "Infinite" => Some(f64::INFINITY),
        v => v.parse::<f64>().ok(),
    };
    // Times in UTC lose their Z below 214.
    a.trim_end_matches('Z') == b.trim_end_matches('Z') || number(a).is_some() && number(a) == number(b)
}

/// The declaration of a value.
fn place_of(places: &[Entry], name: &str) -> Option<&'static Field> {
    places.iter().find_map(|place| match place {
        Entry::Value(f) if f.name == name => Some(*f),
        _ => None,
    })
}

/// The places of the rows with a count.
fn rows_at(places: &[Entry], count: &str) -> Vec<Entry> {
    let body = places.iter().find_map(|place| match place {
        Entry::Rows(f, body) if f.name == count => Some(entries(body)),
        _ => None,
    });
    body.unwrap_or_default()
}

/// Every value of `before` that says something is in `after`.
fn assert_kept(what: &dyn Fn() -> String, version: u16, places: &[Entry], before: &Record, after: &Record) {
    for (name, value) in before.iter() {
        let field = place_of(places, name);
        let ignored = field.map_or(ECHOES.contains(&name), |f| f.harmless);
        let kept = ignored
            || says_nothing(version, name, field, value)
            || after.get(name).is_some_and(|v| same(value, v));
        assert!(kept, "{}: {name} was {value:?} and is {:?}", what(), after.get(name));
    }
    for (count, rows) in before.repeats() {
        let others = after.rows(count);
        let inside = rows_at(places, count);
        let says_something = |row: &Record| {
            let nothing = |(name, v)| says_nothing(version, name, place_of(&inside, name), v);
            !row.iter().all(nothing) || row.repeats().next().is_some()
        };
        assert!(rows.len() == others.len() || !rows.iter().any(says_something), "{}: {count}", what());
        for (row, other) in rows.iter().zip(others) {
            assert_kept(what, version, &inside, row, other);
        }
    }
}

/// Whether two records say the same at a version.
fn assert_alike(what: &dyn Fn() -> String, version: u16, places: &[Entry], one: &Record, other: &Record) {
    let nothing = |name, field, value| says_nothing(version, name, field, value);
    for (before, after) in [(one, other), (other, one)] {
        for (name, value) in before.iter() {
            let field = place_of(places, name);
            let found = after.get(name).unwrap_or_default();
            let alike = same(value, found) || nothing(name, field, value) && nothing(name, field, found);
            assert!(alike, "{}: {name} is {value:?} and {found:?}", what());
        }
    }
    let repeats = |r: &Record| r.repeats().map(|(name, rows)| (name, rows.len())).collect::<Vec<_>>();
    assert_eq!(repeats(one), repeats(other), "{}", what());
    for (count, rows) in one.repeats() {
        for (row, found) in rows.iter().zip(other.rows(count)) {
            assert_alike(what, version, &rows_at(places, count), row, found);
        }
    }
}

#[test]
fn the_attributes_of_a_tick_do_not_choose_another_kind_of_tick() {
    let Pair { there, .. } = pair(176, 226);
    let text = b"99\x007\x001\x001795000000\x0010.5\x00100\x003\0ARCA\0\0";
    let proto = translated(&there, text, &Subject::default()).unwrap();
    let numbers: Vec<u32> = proto::fields(&proto[4..]).map(|field| field.unwrap().0).collect();
    assert_eq!(numbers, [1, 2, 3], "reqId, tickType, historicalTickLast");
}

#[test]
fn a_bid_size_is_one_also_where_protobuf_leaves_its_type_out() {
    let Pair { there, .. } = pair(218, 100);
    let mut proto = BytesMut::new();
    text::put_id(2, Form::Proto, 218, &mut proto);
    proto::put_int(1, 7, &mut proto);
    proto::put_bytes(3, b"300", &mut proto);
    let us_stock = Subject { us_stock: true, ..Subject::default() };
    let text = translated(&there, &proto, &us_stock).unwrap();
    assert_eq!(&text[..], b"2\x006\x007\x000\x003\0");
}

/// Text has no place for a NUL, and whether a group follows is judged by the values.
#[test]
fn a_nul_in_protobuf_cannot_shift_the_fields_of_text() {
    let Pair { there, .. } = pair(226, 176);
    let mut proto = BytesMut::new();
    text::put_id(5, Form::Proto, 226, &mut proto);
    proto::put_int(1, 7, &mut proto);
    proto::put_bytes(3, b"\x42\x0aPEG\0 BENCH", &mut proto);
    let text = translated(&there, &proto, &Subject::default()).unwrap();
    let shape = there.to().response(5).unwrap();
    assert_eq!(shape.record(&wire(&text, 176), Form::Text).unwrap().get("orderType"), Some("PEG BENCH"));
}

/// A client's order with `order` in the message of the order; the version is the one of protobuf.
fn order(order: &[u8]) -> BytesMut {
    let mut proto = BytesMut::new();
    text::put_id(3, Form::Proto, 226, &mut proto);
    proto::put_int(1, 7, &mut proto);
    proto::put_bytes(3, order, &mut proto);
    proto
}

fn refused(t: &Translation, payload: &[u8]) -> String {
    let mut out = BytesMut::new();
    let words = t.request(&wire(payload, t.from().version()), &[], &mut out).map_err(|refusal| refusal.0);
    words.expect_err("it is refused")
}

/// Clients that say no mean something else than those that say nothing.
#[test]
fn a_no_that_differs_from_silence_is_not_lost() {
    let Pair { there, .. } = pair(226, 176);
    let plan = plan::plan(Direction::Request, 3).unwrap();
    for name in orders::NO_IS_SAID {
        let mut body = BytesMut::new();
        plan.encode(Record::new().set(name, 0), 226, &mut body);
        assert_ne!(body.len(), 0, "{name}");
        let mut payload = BytesMut::new();
        text::put_id(3, Form::Proto, 226, &mut payload);
        payload.extend_from_slice(&body);
        assert_eq!(refused(&there, &payload), format!("server version 176 has no place for {name} (0)"));
    }
}

/// Protobuf has maps where text has lists: the last pair with a key would be the only one.
#[test]
fn pairs_with_the_same_key_are_refused_where_one_of_them_would_be_lost() {
    let Pair { there, .. } = pair(176, 226);
    let from = there.from().request(3).unwrap();
    let order = |change: &dyn Fn(&mut Record)| {
        let mut record = crate::record! { orderId: 7, algoStrategy: "Vwap" };
        change(&mut record);
        let mut payload = BytesMut::new();
        from.put(&record, &mut payload);
        payload
    };
    let twice = order(&|r| {
        for value in ["1", "2"] {
            r.push("algoParamsCount", crate::record! { tag: "maxPctVol", value: value });
        }
    });
    assert_eq!(
        refused(&there, &twice),
        "server version 226 has no place for maxPctVol of algoParamsCount twice"
    );
    let twice = order(&|r| _ = r.set("orderMiscOptions", "a=1;b=1;a=2;"));
    assert_eq!(refused(&there, &twice), "server version 226 has no place for a of orderMiscOptions twice");
    let once = order(&|r| _ = r.set("orderMiscOptions", "a=1;b=1;"));
    assert!(asked(&there, &once).is_some());
}

/// An account or a reference of an order would have other characters at the Gateway.
#[test]
fn text_in_another_encoding_is_refused_where_it_would_be_changed() {
    let Pair { there, .. } = pair(176, 226);
    let mut payload = BytesMut::new();
    there.from().request(3).unwrap().put(&crate::record! { orderId: 7, orderRef: "fa~on" }, &mut payload);
    let at = payload.iter().position(|b| *b == b'~').unwrap();
    payload[at] = 0xE7;
    assert_eq!(refused(&there, &payload), "it has characters that are not in UTF-8");
    assert!(asked(&pair(176, 176).there, &payload).is_some(), "bytes are passed on as they are");
}

/// An empty pair takes two bytes. What it becomes must not take memory by the square of their number.
#[test]
fn pairs_without_end_are_refused() {
    let Pair { there, .. } = pair(226, 176);
    let options = plan::plan(Direction::Request, 3).unwrap();
    let mut one = BytesMut::new();
    options.encode(Record::new().set("orderMiscOptions", "a=1;"), 226, &mut one);
    let inner = proto::get_str(&one, &[3]).unwrap().unwrap();
    let words = refused(&there, &order(&inner.repeat(20_000)));
    assert!(words.ends_with("orderMiscOptions is longer than 8192 bytes"), "{words}");
}

#[test]
fn a_refusal_of_many_values_names_a_few_of_them() {
    let Pair { there, .. } = pair(226, 176);
    let mut body = BytesMut::new();
    (900..2000).for_each(|number| proto::put_int(number, 1, &mut body));
    let words = refused(&there, &order(&body));
    assert!(words.ends_with("field 907 of Order, which twsmux does not know, and 1092 more"), "{words}");
}

/// A pair of versions and what leads from one to the other.
struct Pair {
    there: Translation,
    back: Translation,
}

fn pair(a: u16, b: u16) -> Pair {
    let (a, b) = (Arc::new(Dialect::new(a)), Arc::new(Dialect::new(b)));
    Pair { there: Translation::new(a.clone(), b.clone()), back: Translation::new(b, a) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn reading_and_writing_again_changes_nothing(version in VERSIONS, seed in any::<u64>()) {
        let (dialect, mut dice) = (Dialect::new(version), Dice(seed));
        for id in 0..200 {
            dialect.request(id).into_iter().for_each(|shape| identity(shape, &mut dice));
            dialect.response(id).into_iter().for_each(|shape| identity(shape, &mut dice));
        }
    }

    #[test]
    fn a_response_keeps_what_both_versions_have(
        a in VERSIONS, b in VERSIONS, us_stock in any::<bool>(), seed in any::<u64>(),
    ) {
        let (Pair { there, back }, mut dice, subject) = (pair(a, b), Dice(seed), Subject { us_stock, now_ms: 1_795_000_000_000 });
        for r in responses() {
            let id = u32::from(r.message.id);
            let (Some(at_a), Some(at_b)) = (there.from().response(id), there.to().response(id)) else { continue };
            // What an old version can say, where that is the one it comes from.
            let given = match a < b {
                true => translated(&back, &payload(at_b, &mut dice), &subject),
                false => Some(payload(at_a, &mut dice)),
            };
            let Some(once) = given.and_then(|given| translated(&there, &given, &subject)) else { continue };
            let again = translated(&back, &once, &subject).expect("it came from there");
            let again = translated(&there, &again, &subject).expect("it was there");
            let read = |payload: &[u8]| at_b.record(&wire(payload, b), Form::Text).unwrap();
            let what = || format!("{} from {a} to {b}", r.message.name);
            assert_alike(&what, b, &entries(r.message.text.unwrap_or_default()), &read(&once), &read(&again));
        }
    }

    /// Rows are converted one by one, and those who share a message get what was converted once, each with its own id.
    #[test]
    fn a_response_is_converted_as_a_whole_and_for_whoever_it_is(
        b in VERSIONS, us_stock in any::<bool>(), id in any::<i32>(), seed in any::<u64>(),
    ) {
        // What is sent last has all the forms; rows in protobuf become rows in text.
        for a in [226, 176] {
            let (there, mut dice) = (pair(a, b).there, Dice(seed));
            let subject = Subject { us_stock, now_ms: 1_795_000_000_000 };
            for r in responses() {
                let number = u32::from(r.message.id);
                let (Some(at_a), Some(at_b)) = (there.from().response(number), there.to().response(number)) else { continue };
                let given = payload(at_a, &mut dice);
                let m = wire(&given, a);
                if !there.converts(&m) {
                    continue;
                }
                let with = |id: i32| {
                    let mut out = BytesMut::new();
                    let edits = [(Role::ReqId, i64::from(id))];
                    (there.response(&m, &edits, &subject, &mut out) == Ok(true)).then_some(out)
                };
                let mut whole = at_a.record(&m, at_b.form()).unwrap();
                let wanted = there.adapt(number, &subject, &mut whole).then(|| {
                    at_b.set_roles(&mut whole, &[(Role::ReqId, id.into())]);
                    let mut out = BytesMut::new();
                    at_b.put(&whole, &mut out);
                    out
                });
                let got = with(id);
                prop_assert_eq!(&got, &wanted, "{} from {} to {}", r.message.name, a, b);
                if at_b.form() == Form::Text && at_b.req_id_index().is_some() {
                    let patched = with(0).map(|zero| {
                        let mut out = BytesMut::new();
                        at_b.patch(&wire(&zero, b), &[(Role::ReqId, id.into())], &mut out).unwrap();
                        out
                    });
                    prop_assert_eq!(&patched, &wanted, "{} from {} to {}, patched", r.message.name, a, b);
                }
            }
        }
    }

    #[test]
    fn a_request_keeps_every_value_or_is_refused(a in VERSIONS, b in VERSIONS, seed in any::<u64>()) {
        let (Pair { there, back }, mut dice) = (pair(a, b), Dice(seed));
        for r in requests() {
            let id = u32::from(r.message.id);
            let (Some(at_a), Some(at_b)) = (there.from().request(id), there.to().request(id)) else { continue };
            let given = payload(at_a, &mut dice);
            let Some(once) = asked(&there, &given) else { continue };
            let what = || format!("{} from {a} to {b}", r.message.name);
            let before = at_a.record(&wire(&given, a), Form::Text).unwrap();
            let after = at_b.record(&wire(&once, b), Form::Text).unwrap();
            let places = entries(r.message.text.unwrap_or_default());
            assert_kept(&what, a, &places, &before, &after);
            if let Some(again) = asked(&back, &once).and_then(|again| asked(&there, &again)) {
                let again = at_b.record(&wire(&again, b), Form::Text).unwrap();
                assert_alike(&what, b, &places, &after, &again);
            }
        }
    }
}
