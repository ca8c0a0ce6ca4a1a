//! The requests by request id as the simulation knows them: which field of a request can carry a token that tells it
//! from all others, and which field of each answer a marker.

use twsmux::protocol::layout::Record;

/// One kind of request.
pub struct Kind {
    /// The request.
    pub req: u16,
    /// First version in which it has the field for the token.
    pub since: u16,
    /// Its field for the token.
    pub token: &'static str,
    /// The flag field, and whether the request ends by itself when it is set (`true`) or not set (`false`).
    pub flag: Option<(&'static str, bool)>,
    /// Without a flag: whether it ends with its answer.
    pub one_shot: bool,
    /// Its cancel; 0 where there is none.
    pub cancel: u16,
    /// Rows of its answer: message, field for the marker (`count/field` for one in a row).
    pub rows: &'static [(u16, &'static str)],
    /// The message that ends the answer, or the image of a stream; 0 where there is none.
    pub end: u16,
    /// The code for a second request with the same id.
    pub duplicate: u16,
}

const fn shot(req: u16, token: &'static str, rows: &'static [(u16, &'static str)], end: u16) -> Kind {
    Kind { req, since: 0, token, flag: None, one_shot: true, cancel: 0, rows, end, duplicate: 322 }
}

const fn stream(
    req: u16,
    token: &'static str,
    cancel: u16,
    rows: &'static [(u16, &'static str)],
    end: u16,
) -> Kind {
    Kind { req, since: 0, token, flag: None, one_shot: false, cancel, rows, end, duplicate: 322 }
}

/// Answers whose single message is both row and end stand under `end` with their marker in `rows`.
pub const KINDS: &[Kind] = &[
    Kind {
        req: 1,
        since: 0,
        token: "symbol",
        flag: Some(("snapshot", true)),
        one_shot: false,
        cancel: 2,
        rows: &[
            (1, "price"),
            (2, "size"),
            (45, "value"),
            (46, "value"),
            (58, "marketDataType"),
            (81, "bboExchange"),
            (84, "headline"),
            (21, "impliedVol"),
        ],
        end: 57,
        duplicate: 102,
    },
    Kind {
        req: 20,
        since: 0,
        token: "symbol",
        flag: Some(("keepUpToDate", false)),
        one_shot: false,
        cancel: 25,
        rows: &[(17, "startDate")],
        end: 17,
        duplicate: 386,
    },
    Kind { cancel: 106, ..shot(9, "symbol", &[(10, "longName"), (18, "longName")], 52) },
    stream(10, "symbol", 11, &[(12, "price"), (13, "marketMaker")], 0),
    Kind { duplicate: 385, ..stream(22, "scanCode", 23, &[(20, "numberOfElements/marketName")], 0) },
    stream(50, "symbol", 51, &[(50, "wap")], 0),
    Kind { cancel: 53, ..shot(52, "symbol", &[(51, "data")], 51) },
    Kind { cancel: 56, ..shot(54, "symbol", &[(21, "impliedVol")], 21) },
    Kind { cancel: 57, ..shot(55, "symbol", &[(21, "impliedVol")], 21) },
    stream(62, "groupName", 63, &[(63, "value")], 64),
    stream(68, "groupId", 70, &[(68, "contractInfo")], 0),
    stream(74, "modelCode", 75, &[(71, "modelCode")], 72),
    stream(76, "modelCode", 77, &[(73, "value")], 74),
    shot(78, "underlyingSymbol", &[(75, "exchange")], 76),
    shot(81, "pattern", &[(79, "contractDescriptionsCount/symbol")], 79),
    shot(83, "bboExchange", &[(82, "componentsCount/exchange")], 82),
    shot(84, "articleId", &[(83, "articleText")], 83),
    shot(86, "startDateTime", &[(86, "headline")], 87),
    Kind { cancel: 90, ..shot(87, "symbol", &[(88, "headTimestamp")], 88) },
    Kind { cancel: 89, ..shot(88, "symbol", &[(89, "pointsCount/price")], 89) },
    stream(92, "modelCode", 93, &[(94, "dailyPnL")], 0),
    stream(94, "modelCode", 95, &[(95, "dailyPnL")], 0),
    // Its answers end it when their flag says so.
    Kind {
        cancel: 107,
        ..shot(
            96,
            "symbol",
            &[(96, "tickCount/price"), (97, "tickCount/priceBid"), (98, "tickCount/price")],
            96,
        )
    },
    stream(97, "symbol", 98, &[(99, "exchange")], 0),
    Kind { cancel: 103, since: 171, ..shot(102, "filter", &[(105, "dataJson")], 105) },
];

/// Fields that came late, for requests by message: what an older version has no place for.
pub const LATE: &[(u16, &[(&str, &str)])] = &[
    (
        3,
        &[
            ("modelCode", "M"),
            ("triggerPrice", "1.5"),
            ("extOperator", "me"),
            ("cashQty", "99.5"),
            ("usePriceMgmtAlgo", "1"),
            ("duration", "30"),
            ("postToAts", "2"),
            ("manualOrderTime", "20260102 10:00:00"),
            ("customerAccount", "C"),
            ("professionalCustomer", "1"),
            ("includeOvernight", "1"),
            ("manualOrderIndicator", "1"),
            ("imbalanceOnly", "1"),
        ],
    ),
    (
        4,
        &[
            ("manualOrderCancelTime", "20260102 10:00:00"),
            ("extOperator", "me"),
            ("manualOrderIndicator", "1"),
        ],
    ),
    (7, &[("lastNDays", "3")]),
    (9, &[("issuerId", "e1")]),
    (10, &[("primaryExchange", "NYSE")]),
    (
        21,
        &[("manualOrderTime", "20260102 10:00:00"), ("customerAccount", "C"), ("professionalCustomer", "1")],
    ),
    (58, &[("extOperator", "me"), ("manualOrderIndicator", "1")]),
    (84, &[("newsArticleOptions", "a=b;")]),
    (86, &[("historicalNewsOptions", "a=b;")]),
    (97, &[("numberOfTicks", "7")]),
    (102, &[("startDate", "20260101"), ("totalLimit", "5")]),
];

/// The field with the order id of a request.
pub fn order_id(message: u16) -> &'static str {
    if message == 21 { "id" } else { "orderId" }
}

/// Requests whose answers count US stocks in lots before a version and in shares from it on.
const COUNTED: &[(u16, &[u16])] = &[(159, &[1, 10, 97]), (175, &[20, 50, 88, 96, 97]), (220, &[1])];

/// Whether two versions count the answers to a request differently.
pub fn counts_differ(request: u16, a: u16, b: u16) -> bool {
    COUNTED
        .iter()
        .any(|(since, requests)| (a.min(b)..a.max(b)).contains(&(since - 1)) && requests.contains(&request))
}

/// Whether a contract of the simulation is a US stock; `None`: it does not say.
pub fn us_stock(values: &Record) -> Option<bool> {
    Some(values.get("secType")? == "STK" && values.get("currency")? == "USD")
}

/// The field with the size in a row: its message, the version before which it counted lots, its name.
const SIZES: &[(u16, u16, &str)] = &[
    (2, 159, "size"),
    (12, 159, "size"),
    (13, 159, "size"),
    (17, 175, "itemCount/volume"),
    (50, 175, "volume"),
    (89, 175, "pointsCount/size"),
    (90, 175, "volume"),
    (96, 175, "tickCount/size"),
    (98, 175, "tickCount/size"),
    (99, 159, "size"),
];

/// The field for a size, where a message has one.
pub fn size(message: u16) -> Option<&'static str> {
    SIZES.iter().find(|s| s.0 == message).map(|s| s.2)
}

/// Gives the size in a row about a US stock the unit that version `to` counts in; it is whole at `from`.
pub fn recount(message: u16, from: u16, to: u16, values: &mut Record) {
    let Some((_, since, field)) = SIZES.iter().find(|s| s.0 == message) else { return };
    let there = |size: &str| {
        let n: u64 = size.parse().expect("a whole number");
        match (from < *since, to < *since) {
            (true, false) => (n * 100).to_string(),
            // Sizes may have fractions from 163 on.
            (false, true) if to < 163 => (n / 100).to_string(),
            (false, true) => (n as f64 / 100.0).to_string(),
            _ => n.to_string(),
        }
    };
    match field.split_once('/') {
        None => {
            if let Some(size) = values.get(field).map(there) {
                values.set(field, size);
            }
        }
        Some((count, name)) => {
            for row in values.rows_mut(count) {
                if let Some(size) = row.get(name).map(there) {
                    row.set(name, size);
                }
            }
        }
    }
}

/// Puts a value into a message, or into the first row of one (`count/field`).
pub fn mark(values: &mut Record, field: &'static str, value: u64) {
    match field.split_once('/') {
        None => {
            values.set(field, value);
        }
        Some((count, name)) if values.rows(count).is_empty() => {
            let mut row = Record::new();
            row.set(name, value);
            values.push(count, row);
        }
        Some((count, name)) => {
            values.rows_mut(count)[0].set(name, value);
        }
    }
}
