//! Rare turns of events that once went wrong in the core: each test is named after what must hold.

#[path = "support/core/mod.rs"]
mod support;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use support::{Frame, Who, World};
use twsmux::core::Config;
use twsmux::core::io::{Action, Gone, Input};
use twsmux::limits;
use twsmux::time::Time;
use twsmux::wire::{
    proto,
    text::{self, Form},
};

/// A world with a ready link; upstream order ids begin at 50.
fn ready(version: u16, change: impl FnOnce(&mut Config)) -> World {
    let mut config = Config { max_server_version: version, ..Config::default() };
    change(&mut config);
    let mut w = World::new(config);
    w.tick_until(Time(1));
    w.looked(Some(0));
    w.accepted();
    come_up(&mut w, version);
    w
}

/// The Gateway answers the greeting, says what makes the link ready, and lists its orders.
fn come_up(w: &mut World, version: u16) {
    w.gateway_reads(usize::MAX);
    w.gateway_hello(version);
    w.say(15, &[("accountsList", "DU1,DU2")]);
    w.say(9, &[("orderId", "50")]);
    w.lists(&[], &[], &[]);
    assert!(w.core.ready());
    went_up(w);
}

fn proto_payload(id: u32, version: u16, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    text::put_id(id, Form::Proto, version, &mut out);
    write(&mut out);
    out.freeze()
}

fn nested(number: u32, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let mut inner = BytesMut::new();
    write(&mut inner);
    proto::put_bytes(number, &inner, out);
}

/// A client that has had its first messages.
fn started(w: &mut World, id: i32) -> Who {
    let (who, _) = w.connect();
    w.greet(who, 100, 225);
    match w.version_of(who) {
        0..213 => w.request(who, 71, &[("clientId", &id.to_string())]),
        v => w.frame(who, &proto_payload(71, v, |out| proto::put_int(1, id.into(), out))),
    };
    got(w, who);
    who
}

/// What a client got since the last time.
fn got(w: &mut World, who: Who) -> Vec<Frame> {
    w.read(who, usize::MAX);
    w.check();
    std::mem::take(&mut w.peers[who].got)
}

fn errors(w: &mut World, who: Who) -> Vec<(i32, u16)> {
    got(w, who).iter().filter_map(Frame::error).collect()
}

/// What went upstream since the last time, clock requests left out. The clock moves so that the pacer is open.
fn went_up(w: &mut World) -> Vec<Frame> {
    w.gateway_reads(usize::MAX);
    w.tick_until(w.now + Duration::from_millis(1100));
    w.gateway_reads(usize::MAX);
    w.check();
    std::mem::take(&mut w.up).into_iter().filter(|f| !matches!(f.id, 49 | 105)).collect()
}

/// The one frame that a request sends upstream.
fn asks(w: &mut World, who: Who, id: u16, values: &[(&'static str, &str)]) -> Frame {
    went_up(w);
    w.request(who, id, values);
    let mut up = went_up(w);
    assert_eq!(up.len(), 1, "{up:?}");
    up.remove(0)
}

fn field(frame: &Frame, name: &str) -> String {
    frame.request().get(name).expect("the field").to_owned()
}

/// openOrder, then orderStatus, as the Gateway shows an order.
fn shows(w: &mut World, up: &str, status: &str) {
    w.say(5, &[("orderId", up), ("clientId", "0"), ("status", status)]);
    w.say(3, &[("orderId", up), ("clientId", "0"), ("status", status)]);
}

// ---- orders ----

#[test]
fn a_what_if_about_an_order_at_work_leaves_it_alive() {
    let mut w = ready(176, |_| {});
    let a = started(&mut w, 1);
    let up = field(&asks(&mut w, a, 3, &[("orderId", "7")]), "orderId");
    shows(&mut w, &up, "Submitted");
    w.request(a, 3, &[("orderId", "7"), ("whatIf", "1")]);
    w.say(5, &[("orderId", &up), ("clientId", "0"), ("whatIf", "1")]);
    got(&mut w, a);
    w.gone(a, Gone::Eof);
    let (again, _) = w.connect();
    w.greet(again, 100, 176);
    w.request(again, 71, &[("clientId", "1")]);
    let first: Vec<u16> = got(&mut w, again).iter().map(|f| f.id).collect();
    assert_eq!(first[..3], [5, 3, 53], "it is shown to its owner");
    w.lose();
    got(&mut w, again);
    w.request(again, 3, &[("orderId", "7")]);
    assert_eq!(errors(&mut w, again), [(7, 399)], "a refused modification leaves it as it is");
}

#[test]
fn an_order_under_the_id_of_its_what_if_is_shown_to_its_owner_later() {
    let mut w = ready(176, |_| {});
    let a = started(&mut w, 1);
    let up = field(&asks(&mut w, a, 3, &[("orderId", "7"), ("whatIf", "1")]), "orderId");
    w.say(5, &[("orderId", &up), ("clientId", "0"), ("whatIf", "1")]);
    assert_eq!(field(&asks(&mut w, a, 3, &[("orderId", "7")]), "orderId"), up);
    shows(&mut w, &up, "Submitted");
    w.gone(a, Gone::Eof);
    let (again, _) = w.connect();
    w.greet(again, 100, 176);
    w.request(again, 71, &[("clientId", "1")]);
    let first: Vec<u16> = got(&mut w, again).iter().map(|f| f.id).collect();
    assert_eq!(first[..3], [5, 3, 53]);
}

#[test]
fn an_order_that_draws_a_notice_before_it_is_shown_is_no_dead_order() {
    let mut w = ready(176, |_| {});
    let a = started(&mut w, 1);
    let up = field(&asks(&mut w, a, 3, &[("orderId", "7")]), "orderId");
    w.say_error(up.parse().unwrap(), 10349, "Order TIF was set to DAY based on order preset.");
    shows(&mut w, &up, "Submitted");
    w.gone(a, Gone::Eof);
    let (again, _) = w.connect();
    w.greet(again, 100, 176);
    w.request(again, 71, &[("clientId", "1")]);
    let first: Vec<u16> = got(&mut w, again).iter().map(|f| f.id).collect();
    assert_eq!(first[..3], [5, 3, 53]);
}

#[test]
fn an_attached_order_never_goes_upstream_under_the_clients_own_number() {
    let mut w = ready(225, |_| {});
    let (a, b) = (started(&mut w, 1), started(&mut w, 2));
    let place = |order: i64, stop: Option<i64>| {
        proto_payload(3, 225, |out| {
            proto::put_int(1, order, out);
            nested(3, out, |o| proto::put_int(2, order, o));
            if let Some(stop) = stop {
                nested(4, out, |o| proto::put_int(1, stop, o));
            }
        })
    };
    for order in 50..60 {
        w.frame(b, &place(order, None)); // upstream 50..60: the other client's
    }
    went_up(&mut w);
    w.frame(a, &place(70, Some(55)));
    assert_eq!(errors(&mut w, a), [(70, 103)], "below an id that was used");
    assert_eq!(went_up(&mut w), [], "nothing of it leaves");
    w.frame(a, &place(70, Some(71)));
    let up = went_up(&mut w);
    let at = |path: &[u32]| proto::get_int(up[0].body(), path).unwrap();
    let (order, stop) = (at(&[1]).unwrap(), at(&[4, 1]).unwrap());
    assert!(order >= 60 && stop > order, "{order} {stop}");
    assert_eq!(at(&[3, 2]), Some(order));
}

// ---- what goes upstream ----

#[test]
fn a_protobuf_field_that_comes_twice_in_two_types_is_refused_and_not_forwarded() {
    let mut w = ready(225, |_| {});
    let a = started(&mut w, 1);
    // The last one is a number; what would be patched is both.
    let twice = proto_payload(2, 225, |out| {
        proto::put_bytes(1, b"no number", out);
        proto::put_int(1, 7, out);
    });
    w.frame(a, &twice);
    let broken_inside = proto_payload(3, 225, |out| {
        proto::put_int(1, 7, out);
        proto::put_bytes(3, &[0x08], out);
        nested(3, out, |o| proto::put_int(2, 7, o));
    });
    w.frame(a, &broken_inside);
    assert_eq!(errors(&mut w, a), [(7, 320), (7, 320)]);
    assert_eq!(went_up(&mut w), []);
}

#[test]
fn a_smart_depth_subscription_in_protobuf_is_cancelled_as_one() {
    let mut w = ready(225, |_| {});
    let a = started(&mut w, 1);
    w.frame(
        a,
        &proto_payload(10, 225, |out| {
            proto::put_int(1, 7, out);
            proto::put_int(4, 1, out);
        }),
    );
    assert_eq!(went_up(&mut w).len(), 1);
    w.gone(a, Gone::Eof);
    let up = went_up(&mut w);
    assert_eq!((up[0].id, proto::get_int(up[0].body(), &[2]).unwrap()), (11, Some(1)));
}

// ---- requests and streams ----

#[test]
fn failed_subscriptions_do_not_lock_a_client_out() {
    let mut w = ready(176, |c| c.messages_per_second = None);
    let a = started(&mut w, 1);
    for id in 0..limits::MAX_REQUESTS_PER_CLIENT + 10 {
        w.request(a, 1, &[("reqId", &id.to_string()), ("symbol", "NOSUCH")]);
        let sent = w.up.pop().expect("it is asked for");
        w.say_error(field(&sent, "reqId").parse().unwrap(), 200, "No security definition has been found");
        w.up.clear();
        w.gateway_reads(usize::MAX);
        w.read(a, usize::MAX);
    }
    let codes: Vec<u16> = errors(&mut w, a).iter().map(|e| e.1).collect();
    assert!(codes.iter().all(|code| *code == 200), "each is asked for and fails by itself");
}

#[test]
fn account_updates_that_the_gateway_refuses_to_the_first_are_held_by_nobody() {
    let mut w = ready(176, |_| {});
    let (a, b) = (started(&mut w, 1), started(&mut w, 2));
    asks(&mut w, a, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    w.request(b, 6, &[("subscribe", "1"), ("acctCode", "DU1")]);
    w.say_error(-1, 2101, "Unable to subscribe to account as the following clients are subscribed ...");
    assert_eq!(errors(&mut w, a), [(-1, 2101)]);
    assert_eq!(errors(&mut w, b), [(-1, 2101)], "who shares it is told too");
    let up = asks(&mut w, b, 6, &[("subscribe", "1"), ("acctCode", "DU2")]);
    assert_eq!(field(&up, "acctCode"), "DU2", "the slot is free");
    w.say(54, &[("accountName", "DU2")]);
    assert_eq!(got(&mut w, b).len(), 1);
}

#[test]
fn an_error_without_id_about_a_client_that_is_gone_is_told_to_nobody_else() {
    let mut w = ready(176, |_| {});
    let (a, b) = (started(&mut w, 1), started(&mut w, 2));
    asks(&mut w, a, 58, &[]);
    w.gone(a, Gone::Eof);
    w.say_error(-1, 321, "The API interface is currently in Read-Only mode.");
    assert_eq!(errors(&mut w, b), []);
}

#[test]
fn a_request_that_the_gateway_dropped_for_its_message_rate_ends() {
    let mut w = ready(176, |_| {});
    let a = started(&mut w, 1);
    let up = field(&asks(&mut w, a, 9, &[("reqId", "3")]), "reqId");
    w.say_error(up.parse().unwrap(), 100, "Max rate of messages per second has been exceeded");
    assert_eq!(errors(&mut w, a), [(3, 322)]);
    let up = field(&asks(&mut w, a, 3, &[("orderId", "7")]), "orderId");
    w.say_error(up.parse().unwrap(), 100, "Max rate of messages per second has been exceeded");
    assert_eq!(errors(&mut w, a), [(7, 399)]);
    w.say_error(-1, 100, "Max rate of messages per second has been exceeded");
    assert_eq!(errors(&mut w, a), []);
}

#[test]
fn rules_that_the_gateway_never_answers_do_not_add_up() {
    let mut w = ready(176, |c| c.messages_per_second = None);
    let a = started(&mut w, 1);
    for id in 0..limits::MAX_LANE_REQUESTS {
        w.request(a, 91, &[("marketRuleId", &id.to_string())]);
    }
    went_up(&mut w);
    assert_eq!(errors(&mut w, a), []);
    w.request(a, 91, &[("marketRuleId", "5000")]);
    assert_eq!(errors(&mut w, a), [(-1, 322)], "so many at once are too many");
    w.tick_until(w.now + limits::LANE_TIME);
    assert_eq!(errors(&mut w, a).len(), limits::MAX_LANE_REQUESTS, "each is told in the end");
    asks(&mut w, a, 91, &[("marketRuleId", "5000")]);
    w.say(93, &[("marketRuleId", "5000")]);
    assert_eq!(got(&mut w, a).len(), 1);
}

// ---- the link ----

#[test]
fn a_connect_under_way_is_called_off_by_a_stop() {
    let mut w = World::new(Config::default());
    w.tick_until(Time(1));
    w.looked(Some(0));
    let link = w.dialing.expect("it dials");
    let stopped = w.handle(Input::Stop);
    assert!(stopped.actions.contains(&Action::Abort { link }));
    assert!(w.finished);
    assert!(w.core.upstream_output().is_empty());
    w.handle(Input::UpstreamConnected { link });
    assert!(w.core.upstream_output().is_empty(), "no handshake is begun");
}

#[test]
fn a_process_that_was_held_up_looks_before_it_takes_the_gateway_for_dead() {
    let mut w = ready(176, |_| {});
    w.tick_until(w.now + Duration::from_secs(30));
    // Stopped for longer than a Gateway may be silent; its answer waits on the socket.
    w.now = w.now + limits::SILENCE_IS_DEATH + Duration::from_secs(60);
    w.handle(Input::Tick);
    assert!(w.core.ready(), "not before what waits was read");
    w.say(49, &[("time", "1795471658")]);
    w.tick_until(w.now + Duration::from_secs(10));
    assert!(w.core.ready());
    w.tick_until(w.now + limits::SILENCE_IS_DEATH + Duration::from_secs(10));
    assert!(!w.core.ready(), "a silent one is dead all the same");
}

#[test]
fn a_client_too_many_is_closed_at_once() {
    let mut w = ready(176, |c| c.max_clients = 2);
    started(&mut w, 1);
    started(&mut w, 2);
    let (third, _) = w.connect();
    assert_eq!(w.peers[third].closing, Some(false));
}

#[test]
fn the_status_that_follows_a_changed_order_reaches_its_owner_also_when_it_repeats_the_one_before() {
    let mut w = ready(176, |_| {});
    let (one, two) = (started(&mut w, 1), started(&mut w, 2));
    w.request(one, 3, &[("orderId", "5"), ("lmtPrice", "1")]);
    let up = went_up(&mut w).iter().find_map(|f| f.request().int("orderId")).expect("placed").to_string();
    let show = |w: &mut World, price: &str| {
        w.say(5, &[("orderId", &up), ("lmtPrice", price), ("status", "Submitted")]);
        w.say(3, &[("orderId", &up), ("status", "Submitted")]);
    };
    show(&mut w, "1");
    got(&mut w, one);
    w.request(two, 16, &[]);
    went_up(&mut w);
    show(&mut w, "1.25"); // a modification, in the middle of the answer to somebody else
    let ids: Vec<u16> = got(&mut w, one).iter().map(|f| f.id).collect();
    assert_eq!(ids, [5, 3], "clients take the pair for one event");
    show(&mut w, "1.25");
    assert!(got(&mut w, one).is_empty(), "the answer itself repeats what is known");
}

#[test]
fn an_answer_that_grows_beyond_what_the_client_reads_is_an_error_on_that_request() {
    let mut w = ready(208, |_| {});
    let (who, _) = w.connect();
    w.greet(who, 100, 157);
    w.request(who, 71, &[("clientId", "1")]);
    got(&mut w, who);
    w.request(who, 20, &[("reqId", "5"), ("secType", "STK"), ("currency", "USD"), ("whatToShow", "TRADES")]);
    let asked = went_up(&mut w).iter().find(|f| f.id == 20).cloned().expect("forwarded");
    let up = proto::get_int(asked.body(), &[1]).unwrap().expect("an id");
    // 11 MB in protobuf, 18 MB in text.
    let data = proto_payload(17, 208, |out| {
        proto::put_int(1, up, out);
        for _ in 0..200_000 {
            nested(2, out, |bar| {
                proto::put_bytes(1, b"20260713", bar);
                (2..6).for_each(|price| proto::put_double(price, 100.123_456_789_012_34, bar));
                proto::put_bytes(6, b"100", bar);
            });
        }
    });
    assert!(data.len() < limits::MAX_FRAME);
    w.gateway_sends(&data);
    assert!(got(&mut w, who).is_empty(), "it waits for its end");
    w.gateway_sends(&proto_payload(108, 208, |out| proto::put_int(1, up, out)));
    let told = got(&mut w, who);
    assert_eq!(told.iter().filter_map(Frame::error).collect::<Vec<_>>(), [(5, 322)]);
    assert_eq!(told.len(), 1);
}

#[test]
fn account_summaries_about_the_same_tags_share_one_request_whatever_their_order() {
    let mut w = ready(176, |_| {});
    let clients = [started(&mut w, 1), started(&mut w, 2), started(&mut w, 3)];
    for (who, tags) in
        clients.into_iter().zip(["NetLiquidation,BuyingPower", "BuyingPower, NetLiquidation", "BuyingPower"])
    {
        w.request(who, 62, &[("reqId", "7"), ("groupName", "All"), ("tags", tags)]);
    }
    assert_eq!(went_up(&mut w).iter().filter(|f| f.id == 62).count(), 2);
}
