//! Clients at versions of their own. That every frame has exactly the form of the version that it is for is checked by
//! the [`World`] itself.

use crate::support::ease::{SECOND, errors, ids, nested, proto_payload, world};
use crate::support::{Who, World};
use twsmux::core::io::Gone;
use twsmux::core::stats::Drop;
use twsmux::wire::proto::{put_bytes, put_int};

/// A client's version and the Gateway's.
const PAIRS: [(u16, u16); 4] = [(157, 226), (213, 176), (176, 226), (226, 176)];

/// Values of a request.
type Fields = &'static [(&'static str, &'static str)];

/// A world whose Gateway speaks `version`.
fn gateway(version: u16) -> World {
    let mut w = world(|c| c.max_server_version = version.max(226));
    w.link_up(version);
    w
}

/// A client that speaks `version` and has had its first messages.
fn client(w: &mut World, id: i32, version: u16) -> Who {
    let who = w.starting(version, version);
    w.start(who, id);
    assert_eq!(w.version_of(who), version);
    w.got(who);
    who
}

/// Values of one client's messages, by message and field.
fn values(w: &mut World, who: Who, fields: &[(u16, &str)]) -> Vec<String> {
    let got = w.got(who);
    let wanted: Vec<u16> = fields.iter().map(|f| f.0).collect();
    assert_eq!(ids(&got), wanted, "{got:?}");
    got.iter().zip(fields).map(|(f, (_, name))| f.response().get(name).unwrap_or("-").to_owned()).collect()
}

fn dropped(w: &World, why: Drop) -> u64 {
    w.core.stats.dropped[why as usize]
}

const STOCK: [(&str, &str); 4] =
    [("symbol", "A"), ("secType", "STK"), ("currency", "USD"), ("exchange", "SMART")];

/// A request about a US stock.
fn about_stock(id: &'static str) -> Vec<(&'static str, &'static str)> {
    STOCK.into_iter().chain([("reqId", id)]).collect()
}

#[test]
fn an_error_without_id_is_one_under_minus_1_for_every_client() {
    let mut w = gateway(226);
    let (text, proto) = (client(&mut w, 1, 176), client(&mut w, 2, 226));
    w.say(4, &[("errorCode", "1102"), ("errorMsg", "restored")]);
    assert_eq!(errors(&w.got(text)), [(-1, 1102)]);
    assert_eq!(w.got(text), []);
    assert_eq!(w.got(proto)[0].response().get("id"), None, "as the Gateway wrote it");
}

#[test]
fn a_client_from_before_fractions_gets_whole_lots() {
    let mut w = gateway(176);
    let (old, middle) = (client(&mut w, 1, 157), client(&mut w, 2, 160));
    let newest = client(&mut w, 3, 176);
    // Whoever asks first: all three share one line, and each counts as its version does.
    let up = w.asks_id(newest, 1, &about_stock("7"));
    w.request(old, 1, &about_stock("8"));
    w.request(middle, 1, &about_stock("9"));
    assert_eq!(w.went_up(), []);
    w.say(2, &[("reqId", &up), ("tickType", "0"), ("size", "1250")]);
    for (who, size) in [(old, "12"), (middle, "1250"), (newest, "1250")] {
        assert_eq!(values(&mut w, who, &[(2, "size")]), [size]);
    }
}

/// What is converted once for all of a version has the id of each, also where others come between.
#[test]
fn those_of_one_version_who_share_a_line_get_the_same_under_their_own_ids() {
    for theirs in [176, 226] {
        let mut w = gateway(theirs);
        let versions = [157, 173, 157, theirs, 173, 157];
        let clients: Vec<_> = (1..).zip(versions).map(|(id, version)| client(&mut w, id, version)).collect();
        let up = w.asks_id(clients[0], 1, &about_stock("10"));
        let req_ids = ["10", "2147483647", "0", "7", "100", "1"];
        for (who, id) in clients.iter().zip(req_ids).skip(1) {
            w.request(*who, 1, &about_stock(id));
        }
        assert_eq!(w.went_up(), []);
        for size in ["1200", "1300"] {
            w.say(2, &[("reqId", &up), ("tickType", "0"), ("size", size)]);
            for ((who, id), version) in clients.iter().zip(req_ids).zip(versions) {
                let tick = w.got(*who);
                assert_eq!(ids(&tick), [2]);
                let size = if version == 157 { size.strip_suffix("00").unwrap() } else { size };
                let told = tick[0].response();
                assert_eq!(
                    (told.get("reqId"), told.get("size")),
                    (Some(id), Some(size)),
                    "{version} on {theirs}"
                );
            }
        }
    }
}

#[test]
fn what_comes_for_a_closing_client_is_late() {
    let mut w = gateway(176);
    let who = client(&mut w, 1, 176);
    let up = w.asks_id(who, 20, &about_stock("7"));
    w.request(who, 25, &[("reqId", "7")]);
    let fault = twsmux::wire::WireError::FrameTooLong { length: 1 << 30, limit: 1 << 20 };
    w.handle(twsmux::core::io::Input::ClientBroken { client: w.peers[who].key, fault });
    w.say_error(up.parse().unwrap(), 162, "query cancelled");
    assert_eq!((dropped(&w, Drop::Late), dropped(&w, Drop::NotAtVersion)), (1, 0));
}

#[test]
fn own_live_orders_accounts_and_farms_come_in_the_clients_own_version() {
    for (own, theirs) in PAIRS {
        let mut w = gateway(theirs);
        let who = client(&mut w, 3, own);
        let up = w.places(who, "60");
        w.shows(&up, "Submitted");
        w.say_error(-1, 2104, "Market data farm connection is OK:usfarm");
        w.gone(who, Gone::Eof);
        let who = w.starting(own, own);
        w.start(who, 3);
        let first =
            [(5, "orderId"), (3, "clientId"), (53, "-"), (15, "accountsList"), (9, "orderId"), (4, "id")];
        assert_eq!(values(&mut w, who, &first), ["60", "3", "-", "DU1", "61", "-1"], "{own} on {theirs}");
    }
}

#[test]
fn an_outage_is_told_in_the_clients_own_version() {
    for (own, theirs) in PAIRS {
        let mut w = gateway(theirs);
        let who = client(&mut w, 1, own);
        w.asks(who, 1, &[&about_stock("7")[..], &[("snapshot", "1")]].concat());
        w.places(who, "60");
        w.lose();
        let told = errors(&w.got(who));
        assert_eq!(told, [(-1, 1100), (7, 504), (60, 399)], "{own} on {theirs}");
        w.request(who, 1, &[&about_stock("8")[..], &[("snapshot", "1")]].concat());
        let second = w.starting(own, own);
        w.start(second, 1);
        assert_eq!(errors(&w.got(second)), [(-1, 326)]);
        w.dial();
        w.gateway_hello(theirs);
        w.say_start(51);
        assert_eq!(errors(&w.got(who)), [(8, 504), (-1, 1102)]);
    }
}

#[test]
fn what_is_shared_comes_in_the_version_of_each() {
    for (own, theirs) in PAIRS {
        let mut w = gateway(theirs);
        let (first, late) = (client(&mut w, 1, theirs), client(&mut w, 2, own));
        let summary = |id| [("reqId", id), ("groupName", "All"), ("tags", "NetLiquidation")];
        let requests: [(u16, Fields); 3] =
            [(61, &[]), (6, &[("subscribe", "1"), ("acctCode", "DU1")]), (12, &[("allMsgs", "1")])];
        for (request, fields) in requests {
            w.asks(first, request, fields);
        }
        let up = w.asks_id(first, 62, &summary("7"));
        w.say(61, &[("account", "DU1"), ("conId", "1"), ("position", "10")]);
        w.say(62, &[]);
        w.say(6, &[("accountName", "DU1"), ("key", "Cushion"), ("value", "0.9")]);
        w.say(54, &[("accountName", "DU1")]);
        w.say(14, &[("msgId", "3"), ("message", "halt")]);
        w.say(63, &[("reqId", &up), ("account", "DU1"), ("tag", "NetLiquidation"), ("value", "5")]);
        w.say(64, &[("reqId", &up)]);
        for (request, fields) in requests {
            w.request(late, request, fields);
        }
        w.request(late, 62, &summary("9"));
        let image = [
            (61, "position"),
            (62, "-"),
            (6, "value"),
            (54, "accountName"),
            (14, "message"),
            (63, "value"),
            (64, "reqId"),
        ];
        assert_eq!(
            values(&mut w, late, &image),
            ["10", "-", "0.9", "DU1", "halt", "5", "9"],
            "{own} on {theirs}"
        );
        // What comes later reaches both, and the latest of each row counts.
        w.say(61, &[("account", "DU1"), ("conId", "1"), ("position", "15")]);
        assert_eq!(values(&mut w, late, &[(61, "position")]), ["15"]);
        w.went_up();
        w.gone(first, Gone::Eof);
        for cancel in [64, 13, 63] {
            w.request(late, cancel, &[("reqId", "9")]);
        }
        w.request(late, 6, &[("subscribe", "0"), ("acctCode", "DU1")]);
        assert_eq!(ids(&w.went_up()), [64, 13, 63, 6], "the last one ends them in the Gateway's version");
        assert_eq!(errors(&w.got(late)), [(-1, 2100)]);
    }
}

#[test]
fn a_fill_and_its_early_commission_come_in_the_clients_own_version() {
    for (own, theirs) in PAIRS {
        let mut w = gateway(theirs);
        let who = client(&mut w, 1, own);
        let up = w.places(who, "60");
        w.say(59, &[("execId", "e1"), ("commission", "1.5")]);
        // In protobuf a fill that nobody asked for may come without request id.
        w.say(11, &[("orderId", &up), ("clientId", "0"), ("execId", "e1"), ("reqId", "-1")]);
        let fill = [(11, "reqId"), (59, "commission")];
        assert_eq!(values(&mut w, who, &fill), ["-1", "1.5"], "{own} on {theirs}");
    }
    let mut w = gateway(226);
    let who = client(&mut w, 1, 176);
    let up = w.places(who, "60");
    w.say(11, &[("orderId", &up), ("clientId", "0"), ("execId", "e1")]);
    assert_eq!(values(&mut w, who, &[(11, "reqId")]), ["-1"]);
}

#[test]
fn what_the_gateways_version_lacks_is_refused_under_the_requests_id() {
    let cases: [(u16, u16, u16, Fields); 5] = [
        (176, 157, 100, &[]),
        (213, 176, 7, &[("lastNDays", "3")]),
        (226, 176, 108, &[]),
        (226, 213, 108, &[]),
        (176, 157, 102, &[("filter", "{}")]),
    ];
    for (own, theirs, request, fields) in cases {
        let mut w = gateway(theirs);
        let who = client(&mut w, 1, own);
        let fields: Vec<_> = fields.iter().copied().chain([("reqId", "7")]).collect();
        w.went_up();
        w.request(who, request, &fields);
        assert_eq!(errors(&w.got(who)), [(7, 503)], "{request} of {own} on {theirs}");
        assert_eq!(w.went_up(), []);
        w.asks(who, 9, &[("reqId", "7")]);
    }
}

#[test]
fn an_order_that_the_gateway_cannot_carry_is_refused_and_its_id_stays_free() {
    for (own, theirs, field) in
        [(213, 176, ("imbalanceOnly", "1")), (226, 176, ("slOrderId", "61")), (176, 157, ("postToAts", "2"))]
    {
        let mut w = gateway(theirs);
        let who = client(&mut w, 1, own);
        w.went_up();
        w.request(who, 3, &[("orderId", "60"), field]);
        assert_eq!(errors(&w.got(who)), [(60, 201)], "{own} on {theirs}");
        assert_eq!(w.went_up(), [], "no order with a value lost");
        w.request(who, 8, &[]);
        assert_eq!(values(&mut w, who, &[(9, "orderId")]), ["61"], "its sequence is above it");
        assert_eq!(w.places(who, "60"), "50");
        w.shows("50", "Submitted");
        w.got(who);
        // A modification leaves the order as it is.
        w.went_up();
        w.request(who, 3, &[("orderId", "60"), field]);
        assert_eq!(errors(&w.got(who)), [(60, 399)]);
        assert_eq!(w.went_up(), []);
        w.shows("50", "Submitted");
        assert_eq!(values(&mut w, who, &[(5, "orderId"), (3, "status")]), ["60", "Submitted"]);
        assert_eq!(w.asks(who, 4, &[("orderId", "60")]).request().get("orderId"), Some("50"));
    }
}

#[test]
fn attached_orders_are_carried_where_both_know_them() {
    let mut w = gateway(220);
    let who = client(&mut w, 1, 226);
    let up = w.asks(who, 3, &[("orderId", "60"), ("slOrderId", "61"), ("ptOrderId", "62")]).request();
    let ids = ["orderId", "slOrderId", "ptOrderId"].map(|name| up.get(name));
    assert_eq!(ids, [Some("50"), Some("51"), Some("52")]);
    w.say(3, &[("orderId", "52"), ("clientId", "0"), ("parentId", "50"), ("status", "PreSubmitted")]);
    assert_eq!(values(&mut w, who, &[(3, "orderId")]), ["62"]);
}

#[test]
fn a_cancel_goes_without_what_the_gateways_version_has_no_place_for() {
    let mut w = gateway(157);
    let who = client(&mut w, 1, 213);
    w.places(who, "60");
    let up = w.asks(
        who,
        4,
        &[("orderId", "60"), ("extOperator", "me"), ("manualOrderCancelTime", "20260101 10:00:00")],
    );
    assert_eq!((up.id, up.request().get("orderId")), (4, Some("50")));
    assert_eq!(w.asks(who, 58, &[("extOperator", "me")]).id, 58);
    assert_eq!(errors(&w.got(who)), []);
}

#[test]
fn milliseconds_are_answered_from_a_clock_of_seconds() {
    let mut w = gateway(176);
    let who = client(&mut w, 1, 213);
    w.request(who, 105, &[]);
    assert_eq!(w.got(who), [], "the Gateway's clock is not known yet");
    w.say(49, &[("time", "1700000000")]);
    assert_eq!(values(&mut w, who, &[(109, "timeInMillis")]), ["1700000000000"]);
    w.tick_until(w.now + SECOND / 4);
    w.request(who, 105, &[]);
    w.request(who, 49, &[]);
    let answers = values(&mut w, who, &[(109, "timeInMillis"), (49, "time")]);
    assert_eq!(answers, ["1700000000250", "1700000000"]);
}

#[test]
fn seconds_are_answered_from_a_clock_of_milliseconds() {
    let mut w = gateway(226);
    let who = client(&mut w, 1, 157);
    w.request(who, 49, &[]);
    w.say(109, &[("timeInMillis", "1700000000250")]);
    assert_eq!(values(&mut w, who, &[(49, "time")]), ["1700000000"]);
}

#[test]
fn a_cancel_that_only_the_client_knows_ends_the_request_here() {
    let mut w = gateway(176);
    let who = client(&mut w, 1, 226);
    for (request, cancel, answer) in [(9, 106, 52), (96, 107, 96)] {
        let up = w.asks_id(who, request, &[("reqId", "7"), ("secType", "FUT"), ("currency", "USD")]);
        w.request(who, cancel, &[("reqId", "7")]);
        assert_eq!(w.went_up(), []);
        w.say(answer, &[("reqId", &up), ("done", "1")]);
        assert_eq!(w.got(who), [], "nobody waits for it");
        w.request(who, cancel, &[("reqId", "7")]);
        assert_eq!(w.got(who), []);
    }
    assert_eq!(dropped(&w, Drop::Late), 2);
}

#[test]
fn replace_fa_without_an_id_is_answered_to_nobody() {
    let mut w = gateway(226);
    let (old, other) = (client(&mut w, 1, 150), client(&mut w, 2, 226));
    let up = w.asks_id(old, 19, &[("faDataType", "1"), ("xml", "<a/>")]);
    let theirs = w.asks_id(other, 19, &[("reqId", "0"), ("faDataType", "1"), ("xml", "<b/>")]);
    assert_ne!(up, theirs);
    w.say(103, &[("reqId", &up), ("text", "SUCCESS")]);
    w.say_error(up.parse().unwrap(), 10230, "unsaved changes");
    assert_eq!((w.got(old), w.got(other)), (vec![], vec![]));
    w.say(103, &[("reqId", &theirs), ("text", "SUCCESS")]);
    assert_eq!(values(&mut w, other, &[(103, "text")]), ["SUCCESS"]);
}

#[test]
fn completed_orders_are_in_their_owners_terms_and_text_has_no_such_terms() {
    let mut w = gateway(226);
    let (owner, text, proto) = (client(&mut w, 1, 226), client(&mut w, 2, 176), client(&mut w, 3, 213));
    let up = w.places(owner, "60");
    for who in [text, proto] {
        w.request(who, 99, &[]);
    }
    assert_eq!(ids(&w.went_up()), [99]);
    let row = [
        ("order.orderId", &up[..]),
        ("orderId", &up),
        ("clientId", "0"),
        ("permId", "77"),
        ("ocaGroup", "g"),
    ];
    w.say(101, &row);
    w.say(102, &[]);
    for who in [text, proto] {
        let got = w.got(who);
        assert_eq!(ids(&got), [101, 102]);
        let r = got[0].response();
        assert_eq!((r.get("permId"), r.get("ocaGroup")), (Some("77"), Some("g")));
        let terms = (r.get("orderId"), r.get("clientId"));
        assert_eq!(terms, if who == text { (None, None) } else { (Some("60"), Some("1")) });
    }
}

#[test]
fn historical_data_is_joined_for_older_clients_and_split_for_newer_ones() {
    for (own, theirs) in [(157, 226), (195, 196)] {
        let mut w = gateway(theirs);
        let who = client(&mut w, 1, own);
        let up = w.asks_id(who, 20, &about_stock("7"));
        w.say(17, &[("reqId", &up)]);
        assert_eq!(w.got(who), [], "its end tells the dates");
        w.say(108, &[("reqId", &up), ("startDate", "20260101"), ("endDate", "20260102")]);
        assert_eq!(values(&mut w, who, &[(17, "startDate")]), ["20260101"]);
        w.say(108, &[("reqId", &up)]);
        assert_eq!((w.got(who), w.core.view(w.now).requests), (vec![], 0), "it has ended");
    }
    for (own, theirs) in [(226, 157), (196, 195)] {
        let mut w = gateway(theirs);
        let who = client(&mut w, 1, own);
        let up = w.asks_id(who, 20, &about_stock("7"));
        w.say(17, &[("reqId", &up), ("startDate", "20260101"), ("endDate", "20260102")]);
        assert_eq!(values(&mut w, who, &[(17, "reqId"), (108, "endDate")]), ["7", "20260102"]);
        w.say(17, &[("reqId", &up)]);
        assert_eq!(w.got(who), [], "it has ended");
    }
}

#[test]
fn data_that_waits_for_its_end_goes_with_its_request() {
    let mut w = gateway(226);
    let who = client(&mut w, 1, 176);
    let up = w.asks_id(who, 20, &about_stock("7"));
    w.say(17, &[("reqId", &up)]);
    w.say_error(up.parse().unwrap(), 162, "no data");
    assert_eq!(errors(&w.got(who)), [(7, 162)]);
    w.say(108, &[("reqId", &up)]);
    let up = w.asks_id(who, 20, &about_stock("7"));
    w.say(17, &[("reqId", &up)]);
    w.asks(who, 25, &[("reqId", "7")]);
    w.say(108, &[("reqId", &up)]);
    let up = w.asks_id(who, 20, &about_stock("7"));
    w.say(17, &[("reqId", &up)]);
    w.gone(who, Gone::Eof);
    w.say(108, &[("reqId", &up)]);
    assert_eq!(w.got(who), []);
    assert_eq!(dropped(&w, Drop::Late), 2);
}

#[test]
fn sizes_are_never_passed_on_in_another_unit() {
    let mut w = gateway(226);
    let who = client(&mut w, 1, 176);
    w.went_up();
    w.request(who, 1, &[("reqId", "7"), ("conId", "265598")]);
    assert_eq!(errors(&w.got(who)), [(7, 503)], "it does not say whether its day's volume counts lots");
    assert_eq!(w.went_up(), []);
    let up = w.asks_id(who, 1, &about_stock("7"));
    w.say(2, &[("reqId", &up), ("tickType", "8"), ("size", "1250")]);
    w.say(2, &[("reqId", &up), ("tickType", "0"), ("size", "1250")]);
    assert_eq!(values(&mut w, who, &[(2, "size"), (2, "size")]), ["12.5", "1250"]);
}

/// Ticks one by one begin with past ones where they are asked for, and those are counted like historical data.
#[test]
fn past_ticks_before_live_ones_are_never_passed_on_in_another_unit() {
    let mut w = gateway(226);
    let who = client(&mut w, 1, 170);
    w.request(who, 97, &[("reqId", "7"), ("conId", "265598"), ("tickType", "Last"), ("numberOfTicks", "5")]);
    assert_eq!(errors(&w.got(who)), [(7, 503)]);
    let up = w.asks_id(who, 97, &about_stock("7"));
    let tick = twsmux::record! { price: "1.5", size: "1250" };
    let mut ticks = twsmux::record! { reqId: up, done: 1 };
    ticks.push("tickCount", tick);
    w.gateway_sends(&crate::support::response_payload(226, 98, &ticks));
    let got = w.got(who);
    assert_eq!(got[0].response().rows("tickCount")[0].get("size"), Some("12.5"));
}

/// The Gateway may close the link of all clients over a frame that is too long.
#[test]
fn a_request_that_grows_beyond_what_a_client_may_send_is_refused() {
    let mut w = gateway(176);
    let who = client(&mut w, 1, 226);
    w.went_up();
    let payload = proto_payload(3, 226, |out| {
        put_int(1, 7, out);
        nested(2, out, |c| {
            put_bytes(3, b"BAG", c);
            (0..100_000).for_each(|_| put_bytes(20, b"", c));
        });
    });
    w.frame(who, &payload);
    let got = w.got(who);
    assert_eq!(errors(&got), [(7, 201)]);
    let words = got[0].response();
    let words = words.get("errorMsg").unwrap();
    assert!(words.contains("it would have 1500"), "{words}");
    assert_eq!(w.went_up(), []);
}

#[test]
fn a_message_of_later_versions_is_dropped_and_counted() {
    let mut w = gateway(226);
    let who = client(&mut w, 1, 110);
    let up = w.asks_id(who, 1, &[("reqId", "7"), ("secType", "FUT"), ("currency", "USD")]);
    w.say(84, &[("reqId", &up), ("headline", "news")]);
    w.say(2, &[("reqId", &up), ("tickType", "105"), ("size", "3")]);
    w.say(45, &[("reqId", &up), ("value", "3")]);
    assert_eq!(values(&mut w, who, &[(45, "value")]), ["3"]);
    assert_eq!(dropped(&w, Drop::NotAtVersion), 2);
}

#[test]
fn clients_keep_their_version_when_the_gateway_comes_back_at_another() {
    let mut w = gateway(176);
    let mut who = client(&mut w, 1, 176);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.got(who);
    for version in [226, 157, 176] {
        w.lose();
        assert_eq!(errors(&w.got(who)), [(-1, 1100)]);
        w.dial();
        w.gateway_hello(version);
        // Told before the link is ready, in the form of the new version.
        w.shows(&up, "Submitted");
        w.say_start(51);
        assert_eq!(errors(&w.got(who)), [(-1, 1102)]);
        let again = w.asks(who, 3, &[("orderId", "60"), ("orderRef", "x")]);
        assert_eq!((again.version, again.request().get("orderRef")), (version, Some("x")));
        assert_eq!(again.request().get("orderId"), Some(&up[..]));
        let req = w.asks_id(who, 9, &[("reqId", "7")]);
        w.say(52, &[("reqId", &req)]);
        w.shows(&up, "Submitted");
        assert_eq!(
            values(&mut w, who, &[(52, "reqId"), (5, "orderId"), (3, "status")]),
            ["7", "60", "Submitted"]
        );
        assert_eq!(w.version_of(who), 176);
        w.gone(who, Gone::Eof);
        who = w.starting(176, 176);
        w.start(who, 1);
        assert_eq!(ids(&w.got(who)), [5, 3, 53, 15, 9], "the images have the new version, {version}");
    }
}

#[test]
fn what_was_shown_at_another_version_is_shown_in_the_new_one() {
    let mut w = gateway(176);
    let who = client(&mut w, 1, 176);
    let up = w.places(who, "60");
    w.shows(&up, "Submitted");
    w.gone(who, Gone::Eof);
    w.lose();
    w.dial();
    w.gateway_hello(226);
    w.say_start(51);
    let who = w.starting(176, 176);
    w.start(who, 1);
    let got = w.got(who);
    assert_eq!(crate::support::ease::ids(&got), [5, 3, 53, 15, 9]);
    assert!(got[..2].iter().all(|f| f.response().get("orderId") == Some("60")));
    w.shows(&up, "Submitted");
    assert_eq!(values(&mut w, who, &[(5, "orderId"), (3, "orderId")]), ["60", "60"]);
}
