//! The requests by request id as the simulation knows them: which field of a request can carry a token that tells it
//! from all others, and which field of each answer a marker. Account summaries are shared and stand elsewhere.

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
    shot(9, "symbol", &[(10, "longName"), (18, "longName")], 52),
    stream(10, "symbol", 11, &[(12, "price"), (13, "marketMaker")], 0),
    Kind { duplicate: 385, ..stream(22, "scanCode", 23, &[(20, "numberOfElements/marketName")], 0) },
    stream(50, "symbol", 51, &[(50, "wap")], 0),
    Kind { cancel: 53, ..shot(52, "symbol", &[(51, "data")], 51) },
    Kind { cancel: 56, ..shot(54, "symbol", &[(21, "impliedVol")], 21) },
    Kind { cancel: 57, ..shot(55, "symbol", &[(21, "impliedVol")], 21) },
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
    shot(96, "symbol", &[(96, "tickCount/price"), (97, "tickCount/priceBid"), (98, "tickCount/price")], 96),
    stream(97, "symbol", 98, &[(99, "exchange")], 0),
    Kind { cancel: 103, since: 171, ..shot(102, "filter", &[(105, "dataJson")], 105) },
];

/// Puts a marker into a row.
pub fn mark(record: &mut Record, field: &'static str, marker: u64) {
    match field.split_once('/') {
        None => {
            record.set(field, marker);
        }
        Some((count, name)) => {
            let mut row = Record::new();
            row.set(name, marker);
            record.push(count, row);
        }
    }
}
