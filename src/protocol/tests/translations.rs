//! Frames that the comparison with the real client libraries (`tests/clients/oracle`) found wrong once.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use crate::{
    protocol::{dialect::Dialect, meaning::Subject, record::Record, transcode::Translation},
    wire::{
        proto,
        text::{self, Form},
    },
};

fn translation(from: u16, to: u16) -> Translation {
    Translation::new(Arc::new(Dialect::new(from)), Arc::new(Dialect::new(to)))
}

fn response(from: u16, to: u16, payload: &[u8]) -> Record {
    let t = translation(from, to);
    let mut out = BytesMut::new();
    let there =
        t.response(&text::message(payload, from).unwrap(), &[], &Subject::default(), &mut out).unwrap();
    assert!(there);
    let message = text::message(&out, to).unwrap();
    t.to().response(message.id).unwrap().record(&message, Form::Text).unwrap()
}

#[test]
fn legs_of_market_data_may_carry_what_only_orders_mean() {
    // The official clients write openClose 0, shortSalesSlot 0 and exemptCode -1 into every leg.
    let mut leg = BytesMut::new();
    proto::put_int(1, 101, &mut leg);
    proto::put_int(2, 1, &mut leg);
    proto::put_bytes(3, b"BUY", &mut leg);
    proto::put_bytes(4, b"SMART", &mut leg);
    proto::put_int(5, 0, &mut leg);
    proto::put_int(6, 0, &mut leg);
    proto::put_int(8, -1, &mut leg);
    let mut contract = BytesMut::new();
    proto::put_bytes(2, b"SPY", &mut contract);
    proto::put_bytes(3, b"BAG", &mut contract);
    let legs = 20;
    proto::put_bytes(legs, &leg, &mut contract);
    let mut body = BytesMut::new();
    proto::put_int(1, 7, &mut body);
    proto::put_bytes(2, &contract, &mut body);
    let mut frame = BytesMut::new();
    text::put_id(1, Form::Proto, 226, &mut frame);
    frame.put_slice(&body);

    let t = translation(226, 200);
    let mut out = BytesMut::new();
    t.request(&text::message(&frame, 226).unwrap(), &[], &mut out).expect("nothing of it is lost");
    let message = text::message(&out, 200).unwrap();
    let record = t.to().request(1).unwrap().record(&message, Form::Text).unwrap();
    assert_eq!(record.rows("comboLegsCount").len(), 1);
}

#[test]
fn events_of_no_contract_stay_so() {
    let mut body = BytesMut::new();
    proto::put_int(1, 7, &mut body);
    proto::put_bytes(3, b"{}", &mut body);
    let mut frame = BytesMut::new();
    text::put_id(102, Form::Proto, 226, &mut frame);
    frame.put_slice(&body);

    let t = translation(226, 200);
    let mut out = BytesMut::new();
    t.request(&text::message(&frame, 226).unwrap(), &[], &mut out).unwrap();
    assert_eq!(&out[..], b"102\x007\x002147483647\0{}\x000\x000\x000\0\0\x002147483647\0");
}

#[test]
fn greeks_that_were_not_computed_are_not_zero() {
    let mut frame = BytesMut::new();
    text::put_id(21, Form::Proto, 226, &mut frame);
    proto::put_int(1, 7, &mut frame);
    proto::put_int(2, 13, &mut frame);

    let record = response(226, 200, &frame);
    let shown = |name: &str| record.get(name).unwrap_or_default().to_owned();
    assert_eq!(["impliedVol", "optPrice", "pvDividend", "undPrice"].map(shown), ["-1"; 4]);
    assert_eq!(["delta", "gamma", "vega", "theta"].map(shown), ["-2"; 4]);
}

#[test]
fn size_rules_that_are_not_there_are_not_zero() {
    // The smallest details: a contract that has a symbol. Before version 164 there is nothing to make the rules of.
    let mut contract = BytesMut::new();
    proto::put_bytes(2, b"SPY", &mut contract);
    let mut frame = BytesMut::new();
    text::put_id(10, Form::Proto, 226, &mut frame);
    proto::put_int(1, 7, &mut frame);
    proto::put_bytes(2, &contract, &mut frame);

    let record = response(226, 200, &frame);
    for name in ["minSize", "sizeIncrement", "suggestedSizeIncrement"] {
        assert_eq!(record.get(name), Some(""), "{name}");
    }
}
