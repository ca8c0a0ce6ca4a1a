//! Ids and flags through a compiled dialect, in both forms.

use bytes::BytesMut;
use proptest::prelude::*;

use super::samples::{self, Dice};
use crate::{
    protocol::{
        dialect::Dialect,
        layout::{LayoutError, Record, check, encode},
        model::*,
        request, response,
    },
    wire::{
        WireError,
        proto::{get_int, put_bytes, put_int},
        text::{self, Form, Message as Wire},
    },
};

fn text_body(message: &Message, version: u16, values: &Record) -> BytesMut {
    let mut out = BytesMut::new();
    encode(message.text.unwrap(), version, values, &mut out);
    out
}

fn wire(id: u32, form: Form, body: &[u8]) -> Wire<'_> {
    Wire { id, form, body }
}

#[test]
fn a_message_is_there_from_its_first_version_on() {
    let old = Dialect::new(149);
    assert!(old.request(99).is_none() && old.response(102).is_none());
    assert!(Dialect::new(150).request(99).is_some());
    assert!(old.request(0).is_none() && old.request(60).is_none() && old.request(4_000_000_000).is_none());
    assert_eq!(Dialect::new(176).version(), 176);
    assert_eq!(Dialect::new(176).request(1).unwrap().message.name, "reqMktData");
}

#[test]
fn the_form_follows_the_version_and_the_message() {
    let (d200, d203, d225) = (Dialect::new(200), Dialect::new(203), Dialect::new(225));
    assert_eq!(d200.request(3).unwrap().form(), Form::Text);
    assert_eq!(d203.request(3).unwrap().form(), Form::Proto);
    assert_eq!(d203.request(1).unwrap().form(), Form::Text);
    assert_eq!(d225.response(47).unwrap().form(), Form::Text);
    assert_eq!(d225.request(106).unwrap().form(), Form::Proto);
}

#[test]
fn patching_an_order_replaces_its_ids_and_nothing_else() {
    let message = &request(3).unwrap().message;
    for version in [100, 144, 145, 176, 200] {
        for seed in 0..20 {
            let mut order = samples::record(message.text.unwrap(), &mut Dice(seed));
            order.set("orderId", 5).set("parentId", 4);
            let before = text_body(message, version, &order);
            order.set("orderId", 1_000_001).set("parentId", 1_000_000);
            let dialect = Dialect::new(version);
            let shape = dialect.request(3).unwrap();
            let m = wire(3, Form::Text, &before);
            shape.check(&m).unwrap();
            assert_eq!(shape.int(&m, Role::ParentOrderId).unwrap(), Some(4));
            let mut out = BytesMut::new();
            let edits = [(Role::ParentOrderId, 1_000_000), (Role::OrderId, 1_000_001), (Role::ReqId, 9)];
            shape.patch(&m, &edits, &mut out).unwrap();
            let patched = text::message(&out, version).unwrap();
            assert_eq!((patched.id, patched.form), (3, Form::Text));
            assert_eq!(patched.body, &text_body(message, version, &order)[..]);
        }
    }
}

/// openOrder in protobuf: id, contract, order { clientId, orderId, permId, parentId, account, whatIf }.
fn proto_open_order() -> BytesMut {
    let mut order = BytesMut::new();
    for (number, value) in [(1, 3), (2, 77), (3, 9_000_000_600), (4, 76)] {
        put_int(number, value, &mut order);
    }
    put_bytes(12, b"DU1", &mut order);
    put_int(65, 1, &mut order);
    let mut body = BytesMut::new();
    put_int(1, 77, &mut body);
    put_bytes(2, &[], &mut body);
    put_bytes(3, &order, &mut body);
    body
}

#[test]
fn protobuf_ids_are_read_and_replaced_on_every_path() {
    let dialect = Dialect::new(225);
    let shape = dialect.response(5).unwrap();
    let body = proto_open_order();
    let m = wire(5, Form::Proto, &body);
    assert_eq!(shape.int(&m, Role::OrderId).unwrap(), Some(77));
    assert_eq!(shape.int(&m, Role::PermId).unwrap(), Some(9_000_000_600));
    assert_eq!(shape.str(&m, Role::Account).unwrap(), Some(&b"DU1"[..]));
    assert_eq!(shape.int(&m, Role::ReqId).unwrap(), None);
    assert!(shape.flag(&m).unwrap());
    let mut out = BytesMut::new();
    let edits = [(Role::OrderId, 5), (Role::ClientId, 42), (Role::ParentOrderId, -1)];
    shape.patch(&m, &edits, &mut out).unwrap();
    let patched = text::message(&out, 225).unwrap();
    assert_eq!((patched.id, patched.form), (5, Form::Proto));
    for (path, value) in [(&[1][..], 5), (&[3, 2], 5), (&[3, 1], 42), (&[3, 4], -1), (&[3, 3], 9_000_000_600)]
    {
        assert_eq!(get_int(patched.body, path).unwrap(), Some(value), "{path:?}");
    }
}

#[test]
fn attached_orders_have_ids_of_their_own() {
    let mut attached = BytesMut::new();
    put_int(1, 11, &mut attached);
    put_int(3, 12, &mut attached);
    let mut body = BytesMut::new();
    put_int(1, 10, &mut body);
    put_bytes(4, &attached, &mut body);
    let dialect = Dialect::new(218);
    let shape = dialect.request(3).unwrap();
    let m = wire(3, Form::Proto, &body);
    assert_eq!(shape.int(&m, Role::StopLossOrderId).unwrap(), Some(11));
    assert_eq!(shape.int(&m, Role::ProfitTakerOrderId).unwrap(), Some(12));
    let mut out = BytesMut::new();
    shape.patch(&m, &[(Role::OrderId, 100)], &mut out).unwrap();
    let patched = text::message(&out, 218).unwrap().body;
    assert_eq!(get_int(patched, &[4, 1]).unwrap(), Some(11), "an order's id is not that of its stop");
}

#[test]
fn an_absent_protobuf_id_stays_absent() {
    let dialect = Dialect::new(225);
    let shape = dialect.response(4).unwrap();
    let mut body = BytesMut::new();
    put_bytes(4, b"Internal server error", &mut body);
    let m = wire(4, Form::Proto, &body);
    assert_eq!(shape.int(&m, Role::ReqId).unwrap(), None);
    assert_eq!(shape.int(&m, Role::Code).unwrap(), None);
    let mut out = BytesMut::new();
    shape.patch(&m, &[(Role::ReqId, 5)], &mut out).unwrap();
    assert_eq!(text::message(&out, 225).unwrap().body, &body[..]);
}

#[test]
fn flags_are_found_behind_groups_that_vary() {
    let cases: [(u32, bool, &str); 7] = [
        (1, true, "snapshot"),
        (1, true, "regulatorySnapshot"),
        (3, true, "whatIf"),
        (20, true, "keepUpToDate"),
        (5, false, "whatIf"),
        (96, false, "done"),
        (98, false, "done"),
    ];
    for version in [100, 114, 124, 145, 176, 200, 202] {
        let dialect = Dialect::new(version);
        for (id, is_request, name) in cases {
            let message = match is_request {
                true => &request(id).unwrap().message,
                false => &response(id).unwrap().message,
            };
            if message.since > version {
                continue;
            }
            for seed in 0..30 {
                let mut values = samples::record(message.text.unwrap(), &mut Dice(seed));
                for flag in ["snapshot", "regulatorySnapshot", "whatIf", "keepUpToDate", "done"] {
                    values.set(flag, 0);
                }
                let flag = |values: &Record| {
                    let body = text_body(message, version, values);
                    let m = wire(id, Form::Text, &body);
                    match is_request {
                        true => dialect.request(id).unwrap().flag(&m).unwrap(),
                        false => dialect.response(id).unwrap().flag(&m).unwrap(),
                    }
                };
                assert!(!flag(&values), "{id} {name} at {version}, seed {seed}");
                values.set(name, 1);
                let there = match name {
                    "regulatorySnapshot" => version >= 114,
                    "keepUpToDate" => version >= 124,
                    _ => true,
                };
                assert_eq!(flag(&values), there, "{id} {name} at {version}, seed {seed}");
            }
        }
    }
}

#[test]
fn fields_are_found_by_name_in_both_forms() {
    let (old, new) = (Dialect::new(176), Dialect::new(225));
    let body = b"1\x003\0";
    let m = wire(59, Form::Text, body);
    assert_eq!(old.request(59).unwrap().field(&m, "marketDataType").unwrap().as_deref(), Some("3"));
    assert_eq!(old.request(59).unwrap().field(&m, "other").unwrap(), None);
    let m = wire(59, Form::Proto, &[0x08, 3]);
    assert_eq!(new.request(59).unwrap().field(&m, "marketDataType").unwrap().as_deref(), Some("3"));
    let mut value = BytesMut::new();
    put_bytes(1, b"NetLiquidation", &mut value);
    let m = wire(6, Form::Proto, &value);
    assert_eq!(new.response(6).unwrap().field(&m, "key").unwrap().as_deref(), Some("NetLiquidation"));
    assert_eq!(new.response(6).unwrap().field(&m, "currency").unwrap(), None);
}

#[test]
fn what_a_client_sends_is_checked_in_both_forms() {
    let dialect = Dialect::new(225);
    let shape = dialect.request(9).unwrap();
    let mut body = BytesMut::new();
    put_int(1, 1 << 40, &mut body);
    assert!(matches!(
        shape.check(&wire(9, Form::Proto, &body)),
        Err(LayoutError::BadNumber { field: "reqId", .. })
    ));
    assert!(matches!(
        shape.check(&wire(9, Form::Proto, &[0x08])),
        Err(LayoutError::Wire(WireError::BadProto(0)))
    ));
    shape.check(&wire(9, Form::Proto, &[0x08, 1])).unwrap();
    let said_often = [0x08, 1].repeat(1000);
    assert_eq!(shape.check(&wire(9, Form::Proto, &said_often)), Err(LayoutError::Repeated));
    let text_only = dialect.request(72).unwrap();
    assert!(matches!(text_only.check(&wire(72, Form::Proto, &[])), Err(LayoutError::NotThere { .. })));
    let proto_only = dialect.request(106).unwrap();
    assert!(matches!(proto_only.check(&wire(106, Form::Text, b"1\0")), Err(LayoutError::NotThere { .. })));
}

#[test]
fn a_request_id_with_a_plus_before_it_is_none() {
    let dialect = Dialect::new(176);
    let shape = dialect.request(59).expect("reqMarketDataType");
    assert_eq!(shape.req_id_index(), None);
    let shape = dialect.request(2).expect("cancelMktData");
    assert_eq!(shape.req_id_index(), Some(2));
    for (id, is_sound) in
        [("5", true), ("-5", true), ("005", true), ("+5", false), ("5x", false), ("4294967296", false)]
    {
        let body = format!("2\0{id}\0");
        assert_eq!(shape.check(&wire(2, Form::Text, body.as_bytes())).is_ok(), is_sound, "{id}");
    }
}

/// What is equal but for its id is found by the bytes beside the id.
#[test]
fn a_request_that_is_compared_by_its_bytes_has_its_id_at_one_place() {
    let mut compared = 0;
    for decl in crate::protocol::requests() {
        let by_bytes = decl.sharing.as_ref().is_some_and(|sharing| sharing.compares_bytes());
        for version in (100..227).filter(|_| by_bytes && decl.reuse.is_of_all()) {
            let dialect = Dialect::new(version);
            let shape = dialect.request(decl.message.id.into()).filter(|shape| shape.form() == Form::Text);
            if let Some(shape) = shape {
                assert!(shape.req_id_index().is_some(), "{} at {version}", decl.message.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 0);
}

#[test]
fn a_filter_without_a_client_id_has_none() {
    let dialect = Dialect::new(176);
    let m = wire(7, Form::Text, b"3\x001\0\0\0\0\0\0\0\0");
    let shape = dialect.request(7).unwrap();
    shape.check(&m).unwrap();
    assert_eq!(shape.int(&m, Role::ClientId).unwrap(), None);
    assert!(shape.int(&wire(7, Form::Text, b"3\0\0"), Role::ReqId).is_err(), "a request id may not be empty");
}

#[test]
fn an_unset_permanent_id_is_a_number() {
    let dialect = Dialect::new(176);
    let m = wire(3, Form::Text, b"5\0Filled\x001\x000\x000.0\x009223372036854775807\x000\0");
    assert_eq!(dialect.response(3).unwrap().int(&m, Role::PermId).unwrap(), Some(i64::MAX));
}

/// A body of a request as a client might write it, and what may be wrong with it.
fn written(message: &Message, version: u16, dice: &mut Dice) -> Vec<u8> {
    let values = samples::record(message.text.unwrap(), dice);
    let mut body = text_body(message, version, &values).to_vec();
    let at = dice.roll(body.len().max(1)).min(body.len());
    match dice.roll(8) {
        0 => body.truncate(at),
        1 => body.insert(at, 0),
        2 => body.insert(at, *b"x+-0".get(dice.roll(4)).unwrap_or(&b'x')),
        3 => body.extend_from_slice(b"more\0"),
        4 if at < body.len() => drop(body.remove(at)),
        _ => {}
    }
    body
}

proptest! {
    /// The short look finds nothing sound that the walk through the layout refuses.
    #[test]
    fn a_short_look_at_a_request_agrees_with_the_walk(which in any::<prop::sample::Index>(), version in 100u16..227, seed in any::<u64>()) {
        let requests = crate::protocol::requests();
        let decl = &requests[which.index(requests.len())];
        let dialect = Dialect::new(version);
        if let (Some(shape), Some(_)) = (dialect.request(decl.message.id.into()), decl.message.text) {
            let mut dice = Dice(seed);
            for _ in 0..8 {
                let body = written(&decl.message, version, &mut dice);
                let m = wire(decl.message.id.into(), Form::Text, &body);
                prop_assert_eq!(shape.check(&m), check(&decl.message, version, &body), "{} {:?}", decl.message.name, body);
            }
        }
    }

    #[test]
    fn bytes_of_any_kind_never_panic(
        body in proptest::collection::vec(any::<u8>(), 0..60), id in 0u32..112,
        raw in any::<bool>(), version in 100u16..227,
    ) {
        let form = if raw { Form::Proto } else { Form::Text };
        let dialect = Dialect::new(version);
        let m = wire(id, form, &body);
        let edits = [(Role::ReqId, -1), (Role::OrderId, 7), (Role::ClientId, 0), (Role::ParentOrderId, 3)];
        let mut out = BytesMut::new();
        if let Some(s) = dialect.request(id) {
            let _ = (s.check(&m), s.flag(&m), s.int(&m, Role::ReqId), s.str(&m, Role::Account));
            let _ = (s.patch(&m, &edits, &mut out), s.field(&m, "account"));
        }
        if let Some(s) = dialect.response(id) {
            let _ = (s.check(&m), s.flag(&m), s.int(&m, Role::OrderId), s.str(&m, Role::ExecId));
            let _ = (s.patch(&m, &edits, &mut out), s.field(&m, "account"));
        }
    }
}
