//! Over an outage: how what is subscribed goes on, message by message.

use crate::replay::{asked, stock, with};
use crate::support::ease::{errors, ids, ready, world};
use crate::support::{Frame, World};

fn bars(dates: &[(&str, &str)]) -> twsmux::protocol::layout::Record {
    let mut values = twsmux::record! { startDate: "a", endDate: "b" };
    for (date, close) in dates {
        values.push("itemCount", twsmux::record! { date: *date, open: 1, high: 3, low: 1, close: *close, volume: 7, wap: 2, barCount: 4 });
    }
    values
}

#[test]
fn a_book_is_reset_and_then_comes_anew() {
    let mut w = ready();
    let one = w.started(1);
    let place = |w: &mut World, up: &str, price: &str| {
        w.say(12, &[("reqId", up), ("position", "0"), ("operation", "0"), ("side", "1"), ("price", price)]);
    };
    let up = w.asks_id(one, 10, &with("7", &[("numRows", "5")]));
    w.asks(one, 10, &with("8", &[("numRows", "3")]));
    place(&mut w, &up, "10");
    w.got(one);
    w.lose();
    w.link_up(176);
    let told = errors(&w.got(one));
    assert_eq!(told, [(-1, 1100), (7, 317), (-1, 1102)], "nothing had come under 8");
    let went: Vec<String> =
        w.went_up().iter().map(|f| f.request().get("reqId").unwrap_or_default().to_owned()).collect();
    place(&mut w, &went[0], "11");
    let two = w.started(2);
    w.request(two, 10, &with("1", &[("numRows", "5")]));
    let book: Vec<_> = w.got(two).iter().filter(|f| f.id == 12).map(Frame::response).collect();
    assert_eq!(book.len(), 1, "nothing of the book before");
    assert_eq!(book[0].get("price"), Some("11"));
}

#[test]
fn bars_that_are_kept_up_to_date_go_on_with_what_is_new_or_changed() {
    for version in [176, 226] {
        let mut w = world(|c| c.max_server_version = 226);
        w.link_up(version);
        let one = w.starting(100, version.min(226));
        w.start(one, 1);
        let ask = with("7", &[("keepUpToDate", "1"), ("barSizeSetting", "1 min"), ("durationStr", "1 D")]);
        let image = |w: &mut World, up: &str, dates: &[(&str, &str)]| {
            let mut values = bars(dates);
            values.set("reqId", up);
            let payload = crate::support::response_payload(version, 17, &values);
            w.gateway_sends(&payload);
            if version >= 196 {
                w.say(108, &[("reqId", up), ("startDate", "a"), ("endDate", "b")]);
            }
        };
        let up = w.asks_id(one, 20, &ask);
        image(&mut w, &up, &[("10:00", "1"), ("10:01", "2")]);
        w.say(
            90,
            &[
                ("reqId", &up),
                ("date", "10:02"),
                ("close", "3"),
                ("open", "1"),
                ("high", "3"),
                ("low", "1"),
                ("volume", "7"),
                ("wap", "2"),
                ("barCount", "4"),
            ],
        );
        w.got(one);
        for (dates, updates) in [
            // The last one goes on, then two more.
            (
                &[("10:01", "2"), ("10:02", "9"), ("10:03", "4"), ("10:04", "5")][..],
                &["10:02 9", "10:03 4", "10:04 5"][..],
            ),
            // Nothing is new.
            (&[("10:03", "4"), ("10:04", "5")][..], &[][..]),
            // The outage was longer than the image.
            (&[("11:00", "6"), ("11:01", "7")][..], &["11:00 6", "11:01 7"][..]),
        ] {
            w.lose();
            w.link_up(version);
            assert_eq!(errors(&w.got(one)), [(-1, 1100), (-1, 1102)]);
            let up = asked(&w.went_up(), 20);
            image(&mut w, &up, dates);
            let got = w.got(one);
            let shown: Vec<String> = got
                .iter()
                .map(|f| {
                    let r = f.response();
                    assert_eq!((f.id, r.int("reqId")), (90, Some(7)), "at {version}");
                    let close = r.get("close").unwrap_or_default().trim_end_matches(".0").to_owned();
                    format!("{} {close}", r.get("date").unwrap_or_default())
                })
                .collect();
            assert_eq!(shown, updates, "at {version}");
            w.say(
                90,
                &[
                    ("reqId", &up),
                    ("date", dates[dates.len() - 1].0),
                    ("close", dates[dates.len() - 1].1),
                    ("open", "1"),
                    ("high", "3"),
                    ("low", "1"),
                    ("volume", "7"),
                    ("wap", "2"),
                    ("barCount", "4"),
                ],
            );
            assert_eq!(ids(&w.got(one)), [90], "and then as before");
        }
    }
}

#[test]
fn ticks_go_on_without_the_past() {
    let mut w = ready();
    let one = w.started(1);
    let ask = with("7", &[("tickType", "AllLast"), ("numberOfTicks", "100")]);
    let first = w.asks(one, 97, &ask);
    assert_eq!(first.request().get("numberOfTicks"), Some("100"));
    w.lose();
    w.link_up(176);
    let went = w.went_up();
    assert_eq!(went[0].request().get("numberOfTicks"), Some("100"), "nothing had come");
    let up = asked(&went, 97);
    w.say(98, &[("reqId", &up), ("done", "1")]);
    w.lose();
    w.link_up(176);
    assert_eq!(w.went_up()[0].request().get("numberOfTicks"), Some("0"));
}

#[test]
fn positions_that_were_closed_meanwhile_come_with_size_0() {
    let mut w = ready();
    let one = w.started(1);
    let position = |w: &mut World, account: &str, con: &str, size: &str| {
        w.say(61, &[("account", account), ("conId", con), ("position", size), ("avgCost", "3")]);
    };
    w.asks(one, 61, &[]);
    position(&mut w, "DU1", "1", "10");
    position(&mut w, "DU1", "2", "20");
    w.say(62, &[]);
    let multi = w.asks_id(one, 74, &[("reqId", "5"), ("account", "DU1")]);
    w.say(71, &[("reqId", &multi), ("account", "DU1"), ("conId", "2"), ("position", "20")]);
    w.say(72, &[("reqId", &multi)]);
    w.asks(one, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    w.say(7, &[("accountName", "DU1"), ("conId", "2"), ("position", "20"), ("marketValue", "60")]);
    w.say(54, &[("accountName", "DU1")]);
    w.got(one);
    w.lose();
    w.link_up(176);
    w.got(one);
    let multi = asked(&w.went_up(), 74);
    position(&mut w, "DU1", "1", "11");
    w.say(62, &[]);
    w.say(72, &[("reqId", &multi)]);
    w.say(54, &[("accountName", "DU1")]);
    let got = w.got(one);
    assert_eq!(ids(&got), [61, 61, 62, 71, 72, 7, 54]);
    for at in [1, 3, 5] {
        let r = got[at].response();
        assert_eq!((r.int("conId"), r.get("position")), (Some(2), Some("0")), "{at}");
    }
    assert_eq!(got[3].response().int("reqId"), Some(5));
    assert_eq!(got[5].response().get("marketValue"), Some("0"));
    w.say(62, &[]);
    assert_eq!(ids(&w.got(one)), [62], "once");
}

#[test]
fn bulletins_of_the_day_are_not_told_twice() {
    let mut w = ready();
    let one = w.started(1);
    let bulletin = |w: &mut World, id: &str| {
        w.say(14, &[("msgId", id), ("message", "m")]);
    };
    w.asks(one, 12, &[("allMsgs", "1")]);
    bulletin(&mut w, "1");
    bulletin(&mut w, "2");
    assert_eq!(w.got(one).len(), 2);
    w.lose();
    w.link_up(176);
    w.got(one);
    assert_eq!(w.went_up()[0].request().get("allMsgs"), Some("1"));
    for id in ["1", "2", "3"] {
        bulletin(&mut w, id);
    }
    let got = w.got(one);
    assert_eq!((ids(&got), got[0].response().get("msgId")), (vec![14], Some("3")));
    let two = w.started(2);
    w.request(two, 12, &[("allMsgs", "1")]);
    assert_eq!(ids(&w.got(two)), [14, 14, 14]);
}

#[test]
fn bars_that_one_client_has_and_another_waits_for_are_half_an_answer() {
    let mut w = world(|c| c.max_server_version = 200);
    w.link_up(200);
    let start = |w: &mut World, id, max| {
        let who = w.starting(100, max);
        w.start(who, id);
        w.got(who);
        who
    };
    let (new, old, other) = (start(&mut w, 1, 200), start(&mut w, 2, 176), start(&mut w, 3, 176));
    let both = w.asks_id(new, 20, &stock("1"));
    w.request(old, 20, &stock("1"));
    let alone = w.asks_id(other, 20, &with("1", &[("symbol", "IBM")]));
    for up in [both, alone] {
        w.say(17, &[("reqId", &up)]);
    }
    assert_eq!((ids(&w.got(new)), ids(&w.got(old))), (vec![17], vec![]), "the old one waits for the end");
    w.lose();
    for who in [new, old] {
        assert_eq!(errors(&w.got(who)), [(-1, 1100), (1, 504)], "the new one would get all bars twice");
    }
    assert_eq!(errors(&w.got(other)), [(-1, 1100)]);
    w.link_up(200);
    let up = asked(&w.went_up(), 20);
    w.say(17, &[("reqId", &up)]);
    w.say(108, &[("reqId", &up)]);
    assert_eq!(ids(&w.got(other)), [4, 17]);
}

#[test]
fn a_position_is_not_gone_because_the_gateway_lost_its_servers_in_the_middle_of_the_image() {
    let mut w = ready();
    let one = w.started(1);
    let position = |w: &mut World, con_id: &str, size: &str| {
        w.say(61, &[("account", "DU1"), ("conId", con_id), ("position", size)]);
    };
    w.asks(one, 61, &[]);
    position(&mut w, "5", "100");
    w.say_error(-1, 1101, "restored, data lost");
    // The rest of the first image, and its end.
    position(&mut w, "6", "7");
    w.say(62, &[]);
    let told = w.got(one);
    let sizes: Vec<_> = told.iter().filter(|f| f.id == 61).map(|f| f.response()).collect();
    let sizes: Vec<_> = sizes.iter().map(|r| r.get("position").unwrap_or_default()).collect();
    assert_eq!(sizes, ["100", "7"], "the first one was not closed");
}

#[test]
fn bulletins_of_many_links_are_remembered_once() {
    let mut w = ready();
    let one = w.started(1);
    w.asks(one, 12, &[("allMsgs", "1")]);
    for link in 0..5 {
        for id in ["1", "2"] {
            w.say(14, &[("msgId", id), ("message", "m")]);
        }
        let told = ids(&w.got(one)).iter().filter(|id| **id == 14).count();
        assert_eq!(told, if link == 0 { 2 } else { 0 });
        w.lose();
        w.link_up(176);
        w.went_up();
    }
    let view = w.core.view(w.now);
    assert!(view.streams.iter().all(|s| s.remembered <= 2));
}
