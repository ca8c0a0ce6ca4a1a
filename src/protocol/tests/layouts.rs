use bytes::BytesMut;
use proptest::prelude::*;

use super::samples::{self, Dice};
use crate::protocol::{
    layout::{LayoutError, Record, check, decode, encode, put_text, read},
    model::*,
    request, requests, response,
};

const VERSIONS: std::ops::RangeInclusive<u16> = 100..=226;

fn body(message: &Message, version: u16, values: &Record) -> BytesMut {
    let mut out = BytesMut::new();
    encode(message.text.unwrap(), version, values, &mut out);
    out
}

fn round_trip(message: &Message, version: u16, seed: u64) {
    let Some(layout) = message.text else { return };
    let what = || format!("{} at {version}, seed {seed}", message.name);
    let given = samples::record(layout, &mut Dice(seed));
    let bytes = body(message, version, &given);
    let found = decode(layout, version, &bytes).unwrap_or_else(|e| panic!("{}: {e}", what()));
    for (name, value) in found.iter() {
        assert_eq!(given.get(name), Some(value), "{}: {name}", what());
    }
    assert_eq!(body(message, version, &found), bytes, "{}", what());
    check(message, version, &bytes).unwrap_or_else(|e| assert!(version < message.since, "{}: {e}", what()));

    let mut longer = bytes.clone();
    longer.extend_from_slice(b"x\0");
    assert!(decode(layout, version, &longer).is_err(), "{}: a field too many", what());
    if !bytes.is_empty() {
        let unterminated = &bytes[..bytes.len() - 1];
        assert!(decode(layout, version, unterminated).is_err(), "{}: no NUL at the end", what());
        let shorter = unterminated.iter().rposition(|b| *b == 0).map_or(0, |at| at + 1);
        let error = decode(layout, version, &bytes[..shorter]).unwrap_err();
        // A count before the end sees first that its rows are not there.
        let right = matches!(error, LayoutError::Missing { .. } | LayoutError::BadCount { .. });
        assert!(right, "{}: {error}", what());
    }
}

#[test]
fn every_message_survives_the_wire_at_every_version() {
    for message in samples::messages() {
        for version in VERSIONS {
            for seed in 0..3 {
                round_trip(message, version, seed * 1000 + u64::from(version));
            }
        }
    }
}

#[test]
fn an_empty_record_gives_a_readable_body_for_every_message() {
    for message in samples::messages() {
        for version in VERSIONS {
            let Some(layout) = message.text else { continue };
            decode(layout, version, &body(message, version, &Record::new())).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn orders_survive_with_any_mixture_of_groups(version in VERSIONS, seed in any::<u64>()) {
        round_trip(&request(3).unwrap().message, version, seed);
        round_trip(&response(5).unwrap().message, version, seed);
        round_trip(&response(101).unwrap().message, version, seed);
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(
        fields in proptest::collection::vec("[0-9A-Z]{0,3}|-1|BAG|PEGBENCH", 0..40),
        id in 0usize..85, version in VERSIONS,
    ) {
        let body: Vec<u8> = fields.iter().flat_map(|f| f.bytes().chain([0])).collect();
        let message = &requests()[id].message;
        let _ = check(message, version, &body);
        if let Some(layout) = message.text && let Ok(found) = decode(layout, version, &body) {
            let mut again = BytesMut::new();
            encode(layout, version, &found, &mut again);
            // A count may be written with leading zeros; nothing else changes.
            prop_assert_eq!(decode(layout, version, &again).unwrap(), found);
        }
    }
}

#[test]
fn a_count_is_bounded_by_the_bytes_that_follow() {
    let message = &response(17).unwrap().message;
    for (count, most) in [("2147483647", 0), ("-1", 0), ("x", 0), ("", 0), ("1.0", 0), ("3", 2)] {
        let body = format!("1\0{count}\0{}", "\0".repeat(most));
        let error = check(message, 200, body.as_bytes()).unwrap_err();
        assert_eq!(
            error,
            LayoutError::BadCount { field: "itemCount", index: 2, value: count.to_owned(), most },
            "{count:?}"
        );
    }
}

#[test]
fn errors_say_which_field() {
    let contract = &request(9).unwrap().message;
    assert_eq!(
        check(contract, 176, b"8\x001\x000\0AAPL\0").unwrap_err().to_string(),
        "field 5 (secType) is missing"
    );
    assert_eq!(
        check(contract, 176, b"8\x001.5\0").unwrap_err().to_string(),
        "field 2 (reqId) holds \"1.5\", which is not a number in its range"
    );
    assert_eq!(
        check(contract, 176, b"8\x003000000000\0").unwrap_err().to_string(),
        "field 2 (reqId) holds \"3000000000\", which is not a number in its range"
    );
    assert_eq!(
        check(&request(5).unwrap().message, 176, b"1\0x\0y").unwrap_err().to_string(),
        "2 more fields than the message has, from field 2 on"
    );
    assert_eq!(
        check(&request(80).unwrap().message, 106, b"").unwrap_err().to_string(),
        "reqFamilyCodes does not exist at server version 106 in this form"
    );
    assert!(matches!(
        check(&request(106).unwrap().message, 215, b"").unwrap_err(),
        LayoutError::NotThere { .. }
    ));
}

#[test]
fn an_unknown_order_condition_is_an_error_and_is_never_written() {
    let message = &request(3).unwrap().message;
    let mut order = Record::new();
    let mut row = Record::new();
    row.set("type", 3).set("conjunction", "a").set("time", "20260101 10:00:00");
    order.push("conditionsCount", row.clone());
    row.set("type", 2);
    order.push("conditionsCount", row);
    let bytes = body(message, 176, &order);
    let found = read(message, 176, &bytes).unwrap();
    assert_eq!(found.rows("conditionsCount").len(), 1);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let bad = text.replace("1\x003\0a\0", "1\x002\0a\0");
    assert!(matches!(check(message, 176, bad.as_bytes()), Err(LayoutError::BadCondition { .. })));
}

#[test]
fn a_nul_inside_a_value_cannot_shift_the_fields() {
    let message = &response(4).unwrap().message;
    let mut values = Record::new();
    values.set("id", -1).set("errorCode", 2104).set("errorMsg", "a\0b");
    let found = read(message, 176, &body(message, 176, &values)).unwrap();
    assert_eq!(found.get("errorMsg"), Some("ab"));
}

#[test]
fn frames_of_known_shape_come_out_byte_for_byte() {
    let frame = |message: &Message, version, values: &Record| {
        let mut out = BytesMut::new();
        put_text(message, version, values, &mut out);
        out.to_vec()
    };
    let mut id = Record::new();
    id.set("orderId", 7);
    let next = &response(9).unwrap().message;
    assert_eq!(frame(next, 176, &id), b"\0\0\0\x069\x001\x007\0");
    assert_eq!(frame(next, 201, &id), b"\0\0\0\x08\0\0\0\x091\x007\0");
    let mut status = Record::new();
    status.set("orderId", 5).set("status", "Filled").set("filled", 1).set("permId", 900).set("clientId", 3);
    let order_status = &response(3).unwrap().message;
    assert_eq!(
        &frame(order_status, 176, &status)[4..],
        b"3\x005\0Filled\x001\x000\x000\x00900\x000\x000\x003\0\x000\0"
    );
    assert_eq!(
        &frame(order_status, 130, &status)[4..],
        b"3\x006\x005\0Filled\x001\x000\x000\x00900\x000\x000\x003\0\0"
    );
    let mut error = Record::new();
    error.set("id", 12).set("errorCode", 200).set("errorMsg", "No security definition");
    let error_message = &response(4).unwrap().message;
    assert_eq!(&frame(error_message, 165, &error)[4..], b"4\x002\x0012\x00200\0No security definition\0");
    assert_eq!(&frame(error_message, 176, &error)[4..], b"4\x002\x0012\x00200\0No security definition\0\0");
    assert_eq!(&frame(error_message, 200, &error)[4..], b"4\x0012\x00200\0No security definition\0\x000\0");
    let start = &request(71).unwrap().message;
    let mut client = Record::new();
    client.set("clientId", 42);
    assert_eq!(frame(start, 176, &client), b"\0\0\0\x0971\x002\x0042\0\0");
    let mut auto = Record::new();
    auto.set("autoBind", true);
    assert_eq!(&frame(&request(15).unwrap().message, 176, &auto)[4..], b"15\x001\x001\0");
}

#[test]
fn variants_of_real_clients_are_accepted_and_others_are_not() {
    let fundamentals = &request(52).unwrap().message;
    let plain = b"2\x001\x000\0AAPL\0STK\0SMART\0\0USD\0\0ReportsFinSummary\0\0";
    let counted = b"2\x001\x000\0AAPL\0STK\0SMART\0\0USD\0\0ReportsFinSummary\x000\0\0";
    check(fundamentals, 176, plain).unwrap();
    check(fundamentals, 176, counted).unwrap();
    assert_eq!(read(fundamentals, 176, counted).unwrap().get("optionsCount"), Some("0"));
    assert!(
        check(fundamentals, 176, b"2\x001\x000\0AAPL\0STK\0SMART\0\0USD\0\0ReportsFinSummary\x000\0\0\0")
            .is_err()
    );
    for id in [54, 55] {
        let message = &request(id).unwrap().message;
        let contract =
            "2\x001\x000\0AAPL\0OPT\x0020260101\x00100\0C\x00100\0SMART\0\0USD\0\0\x000.2\x00101\0";
        check(message, 176, format!("{contract}\0").as_bytes()).unwrap();
        check(message, 176, format!("{contract}0\0\0").as_bytes()).unwrap();
        assert!(check(message, 176, contract.as_bytes()).is_err());
    }
}
