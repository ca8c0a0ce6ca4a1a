//! Requests as unmodified client libraries encoded them, with `|` for NUL.

use crate::{
    protocol::{dialect::Dialect, layout::read, model::*},
    wire::text,
};

struct Sample {
    client: &'static str,
    version: u16,
    frame: &'static str,
    /// Values that the frame must show, by field name.
    shows: &'static [(&'static str, &'static str)],
}

const SAMPLES: &[Sample] = &[
    Sample {
        client: "ib_async 2.1.0",
        version: 176,
        frame: "3|7|0|AAPL|STK||0.0|||SMART||USD|||||BUY|1|LMT|10.0||DAY|||O|0||1|0|0|0|0|0|0|0||0.0||||||||0||-1|0|||0|||0|0||0||||||0|||||0|||||||||||0|||0|0|||0||0|0|0|0|||||||0|||||||||0|0|0|0|||0|||",
        shows: &[("orderId", "7"), ("orderType", "LMT"), ("whatIf", "0"), ("conditionsCount", "")],
    },
    Sample {
        // Writes nothing at all for what the program did not set, integers included.
        client: "@stoqey/ib 1.6.10",
        version: 176,
        frame: "3|7||AAPL|STK|||||SMART||USD|||||BUY|1|LMT|10||||||||1|||||||||||||||||||||||||||||||||||||||||||||||||||||||0||||||||0|||||||||||||||||||||||||",
        shows: &[("orderId", "7"), ("parentId", ""), ("transmit", "1"), ("manualOrderTime", "")],
    },
    Sample {
        client: "ibapi 9.81.1",
        version: 157,
        frame: "3|7|0|AAPL|STK||0.0|||SMART||USD|||||BUY|1|LMT|10.0||DAY||DU1||0||1|5|0|0|0|0|0|0||0||||||||0||-1|0|||0|||1|1||0||||||0|||||0|||||||||||0|||0|0|||0||0|0|0|0||1.7976931348623157e+308|1.7976931348623157e+308|1.7976931348623157e+308|1.7976931348623157e+308|1.7976931348623157e+308|0||||1.7976931348623157e+308|||||0|0|0||",
        shows: &[("parentId", "5"), ("account", "DU1"), ("eTradeOnly", "1"), ("usePriceMgmtAlgo", "")],
    },
    Sample {
        client: "ib_insync 0.9.86",
        version: 176,
        frame: "3|7|0|AAPL|STK||0.0|||SMART||USD|||||BUY|1|PEG BEST|10.0||DAY|||O|0||1|0|0|0|0|0|0|0||0.0||||||||0||-1|0|||0|||0|0||0||||||0|||||0|||||||||||0|||0|0|||0||0|0|0|0|||||||0|||||||||0|0|0|0|||0||||Infinite|||",
        shows: &[("competeAgainstBestOffset", "Infinite"), ("midOffsetAtWhole", ""), ("midOffsetAtHalf", "")],
    },
    Sample {
        client: "@stoqey/ib 1.6.10",
        version: 176,
        frame: "7|3|1||||||||",
        shows: &[("reqId", "1"), ("clientId", ""), ("side", "")],
    },
    Sample {
        client: "ibapi 10.50.2",
        version: 176,
        frame: "1|11|1|0|AAPL|STK|||||SMART||USD|||0||0|0||",
        shows: &[("reqId", "1"), ("snapshot", "0"), ("regulatorySnapshot", "0"), ("mktDataOptions", "")],
    },
];

#[test]
fn frames_of_real_clients_are_accepted_and_read_right() {
    for sample in SAMPLES {
        let frame = sample.frame.replace('|', "\0");
        let m = text::message(frame.as_bytes(), sample.version).unwrap();
        let dialect = Dialect::new(sample.version);
        let shape = dialect.request(m.id).unwrap();
        shape.check(&m).unwrap_or_else(|e| panic!("{}: {e}", sample.client));
        assert!(!shape.flag(&m).unwrap(), "{}", sample.client);
        let found = read(&shape.message, sample.version, m.body).unwrap();
        for (name, value) in sample.shows {
            assert_eq!(found.get(name).unwrap_or_default(), *value, "{}: {name}", sample.client);
        }
    }
}

#[test]
fn an_order_without_a_parent_may_leave_it_empty() {
    let frame = SAMPLES[1].frame.replace('|', "\0");
    let m = text::message(frame.as_bytes(), 176).unwrap();
    let dialect = Dialect::new(176);
    let shape = dialect.request(3).unwrap();
    assert_eq!(shape.int(&m, Role::ParentOrderId).unwrap(), None);
    assert_eq!(shape.int(&m, Role::OrderId).unwrap(), Some(7));
}
