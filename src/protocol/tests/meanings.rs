//! Every row of [`meaning::ROWS`] with concrete numbers, both ways, over the one version at which it begins; and what a
//! request is refused for.

use std::sync::Arc;

use bytes::BytesMut;

use crate::{
    protocol::{
        dialect::Dialect,
        layout::Record,
        meaning::{ROWS, Row, Subject},
        model::Direction::{self, *},
        request, response,
        transcode::Translation,
    },
    wire::{
        proto,
        text::{self, Form},
    },
};

/// What the other version gets.
enum Gets {
    /// The message with these values.
    Values(&'static [(&'static str, &'static str)]),
    /// Nothing.
    Nothing,
    /// A refusal with these words in it.
    Refusal(&'static str),
}
use Gets::*;

/// Over which step of versions a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// From the row's version to the one before.
    Down,
    /// From the one before to the row's version.
    Up,
}
use Step::*;

/// A message on its way over the version of a row.
struct Case {
    since: u16,
    direction: Direction,
    step: Step,
    id: u32,
    given: &'static [(&'static str, &'static str)],
    gets: Gets,
}

const fn case(
    since: u16,
    direction: Direction,
    step: Step,
    id: u32,
    given: &'static [(&'static str, &'static str)],
    gets: Gets,
) -> Case {
    Case { since, direction, step, id, given, gets }
}

const NOW_MS: u64 = 1_795_489_200_000;

/// All of them are about a US stock.
const CASES: &[Case] = &[
    case(
        101,
        Response,
        Down,
        3,
        &[("filled", "10.75"), ("remaining", "0.25")],
        Values(&[("filled", "10"), ("remaining", "0")]),
    ),
    case(101, Response, Down, 61, &[("position", "-3.5")], Values(&[("position", "-3")])),
    case(101, Response, Up, 3, &[("filled", "10")], Values(&[("filled", "10")])),
    case(101, Request, Down, 3, &[("totalQuantity", "0.5")], Refusal("whole numbers")),
    case(101, Request, Down, 3, &[("totalQuantity", "5.0")], Values(&[("totalQuantity", "5.0")])),
    case(101, Request, Up, 3, &[("totalQuantity", "5")], Values(&[("totalQuantity", "5")])),
    case(102, Response, Down, 5, &[("trailStopPrice2", "9.5")], Values(&[])),
    case(102, Response, Up, 5, &[("trailStopPrice", "9.5")], Values(&[("trailStopPrice2", "9.5")])),
    case(109, Response, Down, 1, &[("attrMask", "3")], Values(&[("attrMask", "1")])),
    case(109, Response, Up, 1, &[("attrMask", "1")], Values(&[("attrMask", "1")])),
    case(132, Response, Down, 1, &[("attrMask", "7")], Values(&[("attrMask", "3")])),
    case(132, Response, Up, 1, &[("attrMask", "3")], Values(&[("attrMask", "3")])),
    case(
        153,
        Response,
        Down,
        4,
        &[("errorMsg", "gr\\u00fcn \\ud83d\\ude42 C:\\user \\ud83d")],
        Values(&[("errorMsg", "grün 🙂 C:\\user \\ud83d")]),
    ),
    case(
        153,
        Response,
        Up,
        4,
        &[("errorMsg", "grün 🙂")],
        Values(&[("errorMsg", "gr\\u00fcn \\ud83d\\ude42")]),
    ),
    case(
        159,
        Response,
        Down,
        1,
        &[("tickType", "1"), ("price", "227.31"), ("size", "400")],
        Values(&[("price", "227.31"), ("size", "4")]),
    ),
    case(159, Response, Down, 2, &[("tickType", "8"), ("size", "400")], Values(&[("size", "400")])),
    case(
        159,
        Response,
        Down,
        46,
        &[("tickType", "48"), ("value", "701.28;100;1348075471534;67854;701.46918464;true")],
        Values(&[("value", "701.28;1;1348075471534;67854;701.46918464;true")]),
    ),
    case(159, Response, Up, 1, &[("tickType", "1"), ("size", "4")], Values(&[("size", "400")])),
    case(159, Response, Up, 12, &[("size", "12")], Values(&[("size", "1200")])),
    case(163, Response, Down, 2, &[("tickType", "8"), ("size", "1234.5")], Values(&[("size", "1234")])),
    case(163, Response, Up, 2, &[("tickType", "8"), ("size", "1234")], Values(&[("size", "1234")])),
    case(
        164,
        Response,
        Down,
        10,
        &[("minSize", "0.1"), ("sizeIncrement", "0.01"), ("suggestedSizeIncrement", "100")],
        Values(&[("sizeMinTick", "0.01")]),
    ),
    case(164, Response, Up, 10, &[("sizeMinTick", "0.01")], Values(&[("sizeIncrement", "0.01")])),
    case(
        165,
        Request,
        Down,
        20,
        &[("whatToShow", "SCHEDULE")],
        Refusal("trading schedules need server version 165"),
    ),
    case(165, Request, Down, 20, &[("whatToShow", "TRADES")], Values(&[("whatToShow", "TRADES")])),
    case(165, Request, Up, 20, &[("whatToShow", "TRADES")], Values(&[("whatToShow", "TRADES")])),
    case(
        175,
        Response,
        Down,
        50,
        &[("volume", "1200"), ("count", "7")],
        Values(&[("volume", "12"), ("count", "7")]),
    ),
    case(175, Response, Down, 50, &[("volume", "-1")], Values(&[("volume", "-1")])),
    case(175, Response, Up, 50, &[("volume", "12")], Values(&[("volume", "1200")])),
    case(177, Request, Down, 18, &[("faDataType", "1")], Values(&[("faDataType", "1")])),
    case(177, Request, Up, 18, &[("faDataType", "1")], Values(&[("faDataType", "1")])),
    case(177, Request, Up, 18, &[("faDataType", "2")], Refusal("profiles of financial advisors are gone")),
    case(
        194,
        Response,
        Down,
        4,
        &[("errorCode", "200"), ("errorTime", "1795000000000")],
        Values(&[("errorCode", "200")]),
    ),
    case(
        194,
        Response,
        Up,
        4,
        &[("errorCode", "200")],
        Values(&[("errorCode", "200"), ("errorTime", "1795489200000")]),
    ),
    case(
        202,
        Request,
        Down,
        9,
        &[("secType", "OPT"), ("right", "C"), ("strike", "0")],
        Values(&[("strike", "0")]),
    ),
    case(202, Request, Up, 9, &[("secType", "STK"), ("strike", "0.0")], Values(&[("strike", "")])),
    case(
        202,
        Request,
        Up,
        9,
        &[("secType", "OPT"), ("right", "P"), ("strike", "0")],
        Values(&[("strike", "0")]),
    ),
    case(
        202,
        Request,
        Up,
        9,
        &[("secType", "OPT"), ("right", "P"), ("strike", "150.5")],
        Values(&[("strike", "150.5")]),
    ),
    case(
        214,
        Response,
        Down,
        11,
        &[("time", "20261124-15:00:00Z"), ("orderRef", "Z")],
        Values(&[("time", "20261124-15:00:00"), ("orderRef", "Z")]),
    ),
    case(214, Response, Up, 11, &[("time", "20261124-15:00:00")], Values(&[("time", "20261124-15:00:00")])),
    case(
        214,
        Request,
        Down,
        20,
        &[("endDateTime", "20261124-15:00:00Z")],
        Values(&[("endDateTime", "20261124-15:00:00")]),
    ),
    case(
        214,
        Request,
        Up,
        20,
        &[("endDateTime", "20261124-15:00:00")],
        Values(&[("endDateTime", "20261124-15:00:00")]),
    ),
    case(220, Response, Down, 2, &[("tickType", "8"), ("size", "81225400")], Values(&[("size", "812254")])),
    case(220, Response, Down, 2, &[("tickType", "0"), ("size", "400")], Values(&[("size", "400")])),
    case(
        220,
        Response,
        Down,
        46,
        &[("tickType", "48"), ("value", "701.28;100;1348075471534;67854;701.46918464;true")],
        Values(&[("value", "701.28;100;1348075471534;678.54;701.46918464;true")]),
    ),
    case(220, Response, Up, 2, &[("tickType", "8"), ("size", "812254")], Values(&[("size", "81225400")])),
    case(220, Response, Down, 2, &[("tickType", "8"), ("size", "1.5E+6")], Values(&[("size", "15000")])),
    case(222, Response, Down, 2, &[("tickType", "5"), ("size", "1.5E-7")], Values(&[("size", "0")])),
    case(222, Response, Down, 1, &[("tickType", "4"), ("size", "7.5")], Values(&[("size", "7")])),
    case(222, Response, Down, 1, &[("tickType", "1"), ("size", "7.5")], Values(&[("size", "7.5")])),
    case(222, Response, Up, 1, &[("tickType", "4"), ("size", "7")], Values(&[("size", "7")])),
    case(225, Response, Down, 1, &[("tickType", "105"), ("price", "227.3")], Nothing),
    case(225, Response, Down, 1, &[("tickType", "1"), ("price", "227.3")], Values(&[("price", "227.3")])),
    case(225, Response, Up, 1, &[("tickType", "1"), ("price", "227.3")], Values(&[("price", "227.3")])),
];

fn translation(from: u16, to: u16) -> Translation {
    Translation::new(Arc::new(Dialect::new(from)), Arc::new(Dialect::new(to)))
}

/// A request from one version as the other one reads it, or the words with which it is refused.
fn ask(t: &Translation, id: u32, values: &Record) -> Result<Record, String> {
    let (mut given, mut out) = (BytesMut::new(), BytesMut::new());
    t.from().request(id).unwrap().compose(values, &mut given);
    t.request(&text::message(&given, t.from().version()).unwrap(), &[], &mut out)
        .map_err(|r| r.to_string())?;
    let read =
        t.to().request(id).unwrap().record(&text::message(&out, t.to().version()).unwrap(), Form::Text);
    Ok(read.unwrap())
}

/// A response likewise; `None` where the other version gets nothing.
fn answer(t: &Translation, id: u32, values: &Record) -> Option<Record> {
    let (mut given, mut out) = (BytesMut::new(), BytesMut::new());
    t.from().response(id).unwrap().compose(values, &mut given);
    let subject = Subject { us_stock: true, now_ms: NOW_MS };
    let there =
        t.response(&text::message(&given, t.from().version()).unwrap(), &[], &subject, &mut out).unwrap();
    there.then(|| {
        let shape = t.to().response(id).unwrap();
        shape.record(&text::message(&out, t.to().version()).unwrap(), Form::Text).unwrap()
    })
}

#[test]
fn every_row_has_a_case_each_way() {
    for row in &ROWS {
        for step in [Down, Up] {
            let found = CASES.iter().any(|c| {
                (c.since, c.direction, c.step) == (row.since, row.direction, step)
                    && (row.messages.is_empty() || row.messages.contains(&c.id))
            });
            assert!(found, "{} {:?} {step:?}: {}", row.since, row.direction, row.what);
        }
    }
    for c in CASES {
        let row = ROWS.iter().any(|row| (row.since, row.direction) == (c.since, c.direction));
        assert!(row, "{} {:?} is no row", c.since, c.direction);
    }
}

#[test]
fn values_get_the_meaning_of_the_other_version() {
    for c in CASES {
        let (from, to) = match c.step {
            Down => (c.since, c.since - 1),
            Up => (c.since - 1, c.since),
        };
        let what = || format!("message {} from {from} to {to}", c.id);
        let t = translation(from, to);
        let mut given = Record::new();
        for (name, value) in c.given {
            given.set(name, value);
        }
        let got = match c.direction {
            Request => ask(&t, c.id, &given).map(Some),
            Response => Ok(answer(&t, c.id, &given)),
        };
        match (&c.gets, got) {
            (Values(values), Ok(Some(got))) => {
                for (name, value) in *values {
                    assert_eq!(got.get(name), Some(*value), "{}: {name}", what());
                }
            }
            (Nothing, Ok(None)) => {}
            (Refusal(words), Err(refusal)) => assert!(refusal.contains(words), "{}: {refusal}", what()),
            (_, got) => panic!("{}: {got:?}", what()),
        }
    }
}

/// Rows of historical data are counted like single values.
#[test]
fn bars_and_ticks_are_counted_row_by_row() {
    let mut ticks = record! { reqId: 7, done: true };
    ticks.push("tickCount", record! { time: 1, price: "10.5", size: "250" });
    ticks.push("tickCount", record! { time: 2, price: "10.5", size: "100" });
    let lots = answer(&translation(176, 174), 96, &ticks).unwrap();
    let sizes: Vec<_> =
        lots.rows("tickCount").iter().map(|row| row.get("size").unwrap().to_owned()).collect();
    assert_eq!(sizes, ["2.5", "1"]);
    let shares = answer(&translation(174, 226), 96, &lots).unwrap();
    let sizes: Vec<_> =
        shares.rows("tickCount").iter().map(|row| row.get("size").unwrap().to_owned()).collect();
    assert_eq!(sizes, ["250", "100"]);
}

/// What an order says, from one version to another, and the name that stands in the refusal.
#[test]
fn an_order_that_the_other_version_cannot_carry_is_refused_and_the_words_name_the_field() {
    let cases: &[(&str, &str, u16, u16)] = &[
        ("adjustedStopPrice", "99.5", 102, 101),
        ("cashQty", "1000", 111, 110),
        ("faProfile", "growth", 176, 177),
        ("auctionStrategy", "1", 200, 203),
        ("postOnly", "1", 226, 200),
        ("conditionsIncludeOvernight", "1", 226, 225),
    ];
    for (name, value, from, to) in cases {
        let mut order =
            record! { orderId: 7, secType: "STK", action: "BUY", orderType: "LMT", lmtPrice: "10.5" };
        let plain = ask(&translation(*from, *to), 3, &order);
        assert_eq!(plain.unwrap().get("lmtPrice"), Some("10.5"), "{from} to {to}");
        order.set(name, value);
        let refusal = ask(&translation(*from, *to), 3, &order).unwrap_err();
        assert!(refusal.contains(&format!("{name} ({value})")), "{from} to {to}: {refusal}");
    }
}

#[test]
fn an_order_with_conditions_or_attached_orders_is_refused_where_there_are_none() {
    let mut order = record! { orderId: 7, secType: "STK", orderType: "LMT" };
    order
        .push("conditionsCount", record! { type: 3, conjunction: "a", isMore: 1, time: "20261124 15:00:00" });
    assert_eq!(ask(&translation(176, 102), 3, &order).unwrap().rows("conditionsCount").len(), 1);
    let refusal = ask(&translation(102, 101), 3, &order).unwrap_err();
    assert!(refusal.contains("conditionsCount (1 rows)"), "{refusal}");
    let bracket = record! { orderId: 7, slOrderId: 8, slOrderType: "PRESET" };
    let refusal = ask(&translation(218, 217), 3, &bracket).unwrap_err();
    assert!(refusal.contains("slOrderId (8), slOrderType (PRESET)"), "{refusal}");
}

#[test]
fn an_unknown_protobuf_field_goes_to_no_other_version_but_a_newer_one() {
    let mut order = BytesMut::new();
    text::put_id(3, Form::Proto, 220, &mut order);
    proto::put_int(1, 7, &mut order);
    proto::put_bytes(3, &[0xA0, 0x3F, 1], &mut order); // field 1012
    let m = text::message(&order, 220).unwrap();
    for to in [176, 219] {
        let refusal = translation(220, to).request(&m, &[], &mut BytesMut::new()).unwrap_err().to_string();
        assert!(refusal.contains("field 1012 of Order, which twsmux does not know"), "{to}: {refusal}");
    }
    let mut same = BytesMut::new();
    translation(220, 226).request(&m, &[], &mut same).unwrap();
    assert_eq!(same, order);
}

/// The table of docs/versions.md, made from the rows.
fn table() -> String {
    let names = |direction, ids: &[u32]| -> String {
        let name = |id: &u32| match direction {
            Request => request(*id).unwrap().message.name,
            Response => response(*id).unwrap().message.name,
        };
        match ids {
            [] => format!("all {}s", if direction == Request { "request" } else { "response" }),
            ids => ids.iter().map(name).collect::<Vec<_>>().join(", "),
        }
    };
    let row =
        |row: &Row| format!("| {} | {} | {} |\n", row.since, names(row.direction, row.messages), row.what);
    "| since | messages | what changed, and what is done |\n|---|---|---|\n".to_owned()
        + &ROWS.iter().map(row).collect::<String>()
}

#[test]
fn the_documentation_has_every_row() {
    let page = include_str!("../../../docs/versions.md");
    assert!(page.contains(&table()), "docs/versions.md needs this table:\n\n{}", table());
}
