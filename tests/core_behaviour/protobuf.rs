//! An upstream that speaks protobuf: ids are replaced inside nested messages, every other byte stays.

use crate::support::ease::{errors, ids, nested, proto_payload, ready, world};
use crate::support::{Frame, World};
use bytes::BytesMut;
use twsmux::ids::ClientId;
use twsmux::wire::proto::{get_int, get_str, put_bytes, put_int};
use twsmux::wire::text::Form;

const V: u16 = 225;

fn up225() -> World {
    let mut w = world(|c| {
        c.max_server_version = V;
        c.upstream_client_id = ClientId(4);
    });
    w.link_up(V);
    w
}

fn at(f: &Frame, path: &[u32]) -> Option<i64> {
    get_int(f.body(), path).unwrap()
}

fn order(w: &mut World, who: usize, id: i64, parent: i64) {
    let payload = proto_payload(3, V, |out| {
        put_int(1, id, out);
        nested(2, out, |c| put_int(1, 265_598, c));
        nested(3, out, |o| {
            put_int(1, 99, o);
            put_int(2, id, o);
            put_int(4, parent, o);
            put_bytes(28, b"my ref", o);
        });
    });
    w.frame(who, &payload);
}

fn open_order(up: i64, parent: i64) -> bytes::Bytes {
    proto_payload(5, V, |out| {
        put_int(1, up, out);
        nested(2, out, |c| put_int(1, 265_598, c));
        nested(3, out, |o| {
            put_int(1, 4, o);
            put_int(2, up, o);
            put_int(3, 9_000_000_600, o);
            put_int(4, parent, o);
            put_bytes(27, b"312255409", o);
        });
        nested(4, out, |s| put_bytes(1, b"Submitted", s));
    })
}

fn open_order_of_client(down: i64, parent: i64, client: i64) -> bytes::Bytes {
    proto_payload(5, V, |out| {
        put_int(1, down, out);
        nested(2, out, |c| put_int(1, 265_598, c));
        nested(3, out, |o| {
            put_int(1, client, o);
            put_int(2, down, o);
            put_int(3, 9_000_000_600, o);
            put_int(4, parent, o);
            put_bytes(27, b"312255409", o);
        });
        nested(4, out, |s| put_bytes(1, b"Submitted", s));
    })
}

#[test]
fn the_first_messages_have_the_form_of_the_version() {
    let mut w = up225();
    let who = w.client(1);
    let got = w.got(who);
    assert_eq!(ids(&got), [15, 9]);
    assert!(got.iter().all(|f| f.form == Form::Proto));
    assert_eq!(get_str(got[0].body(), &[1]).unwrap(), Some(&b"DU1"[..]));
    assert_eq!(at(&got[1], &[1]), Some(50));
}

#[test]
fn order_ids_parents_and_client_ids_are_replaced_in_nested_messages() {
    let mut w = up225();
    let who = w.started(7);
    w.went_up();
    order(&mut w, who, 5, 0);
    order(&mut w, who, 6, 5);
    let up = w.went_up();
    assert_eq!(ids(&up), [3, 3]);
    for (f, id, parent) in [(&up[0], 50, 0), (&up[1], 51, 50)] {
        assert_eq!((at(f, &[1]), at(f, &[3, 2]), at(f, &[3, 4])), (Some(id), Some(id), Some(parent)));
        assert_eq!(at(f, &[3, 1]), Some(4), "the client id that the Gateway knows");
        assert_eq!(get_str(f.body(), &[3, 28]).unwrap(), Some(&b"my ref"[..]));
        assert_eq!(at(f, &[2, 1]), Some(265_598));
    }
    w.gateway_sends(&open_order(51, 50));
    let got = w.got(who);
    assert_eq!(got[0].payload, open_order_of_client(6, 5, 7), "every other byte as the Gateway wrote it");
    let status = proto_payload(3, V, |out| {
        put_int(1, 51, out);
        put_bytes(2, b"Submitted", out);
        put_int(7, 50, out);
        put_int(9, 4, out);
    });
    w.gateway_sends(&status);
    let got = w.got(who);
    assert_eq!((at(&got[0], &[1]), at(&got[0], &[7]), at(&got[0], &[9])), (Some(6), Some(5), Some(7)));
}

#[test]
fn attached_orders_get_upstream_ids_of_their_own_and_are_known_when_they_come() {
    let mut w = up225();
    let who = w.started(7);
    w.went_up();
    let payload = proto_payload(3, V, |out| {
        put_int(1, 5, out);
        nested(3, out, |o| put_int(2, 5, o));
        nested(4, out, |a| {
            put_int(1, 6, a);
            put_int(3, 7, a);
        });
    });
    w.frame(who, &payload);
    let up = w.went_up();
    assert_eq!((at(&up[0], &[1]), at(&up[0], &[4, 1]), at(&up[0], &[4, 3])), (Some(50), Some(51), Some(52)));
    w.gateway_sends(&open_order(52, 50));
    let got = w.got(who);
    assert_eq!((at(&got[0], &[1]), at(&got[0], &[3, 4])), (Some(7), Some(5)));
}

#[test]
fn attached_orders_may_have_their_ids_in_either_order() {
    for (stop, target) in [(6, 7), (7, 6)] {
        let mut w = up225();
        let who = w.started(7);
        w.went_up();
        let payload = proto_payload(3, V, |out| {
            put_int(1, 5, out);
            nested(3, out, |o| put_int(2, 5, o));
            nested(4, out, |a| {
                put_int(1, stop, a);
                put_int(3, target, a);
            });
        });
        w.frame(who, &payload);
        let up = w.went_up();
        let wanted = if stop < target { (Some(51), Some(52)) } else { (Some(52), Some(51)) };
        assert_eq!((at(&up[0], &[4, 1]), at(&up[0], &[4, 3])), wanted);
    }
}

#[test]
fn requests_and_answers_in_protobuf_find_their_way() {
    let mut w = up225();
    let who = w.started(7);
    w.went_up();
    w.frame(
        who,
        &proto_payload(1, V, |out| {
            put_int(1, 9, out);
            put_int(4, 1, out);
        }),
    );
    let up = at(&w.went_up()[0], &[1]).unwrap();
    w.gateway_sends(&proto_payload(57, V, |out| put_int(1, up, out)));
    let got = w.got(who);
    assert_eq!((got[0].id, at(&got[0], &[1])), (57, Some(9)));
    w.gateway_sends(&proto_payload(57, V, |out| put_int(1, up, out)));
    assert!(w.got(who).is_empty(), "a snapshot has one end");
}

#[test]
fn errors_in_protobuf_are_routed_and_an_absent_code_stays_absent() {
    let mut w = up225();
    let who = w.started(7);
    w.went_up();
    w.frame(who, &proto_payload(1, V, |out| put_int(1, 9, out)));
    let up = at(&w.went_up()[0], &[1]).unwrap();
    w.gateway_sends(&proto_payload(4, V, |out| {
        put_int(1, up, out);
        put_int(2, 1_787_000_000_000, out);
        put_bytes(4, b"Internal server error", out);
    }));
    let got = w.got(who);
    assert_eq!(at(&got[0], &[1]), Some(9));
    assert_eq!(at(&got[0], &[3]), None);
    w.gateway_sends(&proto_payload(4, V, |out| {
        put_int(1, -1, out);
        put_int(3, 2104, out);
        put_bytes(4, b"Market data farm connection is OK:usfarm", out);
    }));
    assert_eq!(errors(&w.got(who)), [(-1, 2104)]);
}

#[test]
fn executions_are_asked_for_everybody_in_the_nested_filter() {
    let mut w = up225();
    let who = w.started(7);
    w.went_up();
    w.frame(
        who,
        &proto_payload(7, V, |out| {
            put_int(1, 9, out);
            nested(2, out, |f| put_int(1, 7, f));
        }),
    );
    let up = w.went_up();
    assert_eq!(at(&up[0], &[2, 1]), Some(0));
    let req = at(&up[0], &[1]).unwrap();
    order(&mut w, who, 5, 0);
    let exec = |req, order, client| {
        proto_payload(11, V, |out| {
            put_int(1, req, out);
            nested(3, out, |e| {
                put_int(1, order, e);
                put_bytes(2, b"0001", e);
                put_int(10, client, e);
            });
        })
    };
    w.gateway_sends(&exec(req, 50, 4));
    w.gateway_sends(&exec(-1, 50, 4));
    let got = w.got(who);
    assert_eq!(got[0].payload, exec(9, 5, 7));
    assert_eq!(got[1].payload, exec(-1, 5, 7));
}

#[test]
fn requests_without_the_id_that_they_need_are_answered_and_not_forwarded() {
    let mut w = up225();
    let who = w.started(7);
    w.went_up();
    for message in [1, 3, 4, 62] {
        w.frame(who, &proto_payload(message, V, |_| {}));
        assert_eq!(errors(&w.got(who)), [(-1, 320)], "{message}");
    }
    w.frame(who, &proto_payload(9, V, |out| out.extend_from_slice(&[0xFF; 12])));
    assert_eq!(errors(&w.got(who)), [(-1, 320)], "no protobuf at all");
    assert!(w.went_up().is_empty());
}

#[test]
fn completed_orders_are_shown_in_their_owners_terms() {
    let mut w = up225();
    let who = w.started(7);
    order(&mut w, who, 5, 0);
    order(&mut w, who, 6, 5);
    let other = w.started(8);
    w.frame(other, &proto_payload(99, V, |_| {}));
    w.flush();
    let completed = |client, order, parent| {
        proto_payload(101, V, |out: &mut BytesMut| {
            nested(1, out, |c| put_int(1, 265_598, c));
            nested(2, out, |o| {
                put_int(1, client, o);
                put_int(2, order, o);
                put_int(4, parent, o);
            });
        })
    };
    w.gateway_sends(&completed(4, 51, 50));
    w.gateway_sends(&completed(95, 51, 0));
    w.gateway_sends(&proto_payload(102, V, |_| {}));
    let got = w.got(other);
    assert_eq!(ids(&got), [101, 101, 102]);
    assert_eq!(got[0].payload, completed(7, 6, 5));
    assert_eq!(got[1].payload, completed(95, 51, 0), "another program's stays as it is");
}

#[test]
fn a_text_client_of_a_text_upstream_sees_the_gateways_bytes_but_for_the_ids() {
    let mut w = ready();
    let who = w.started(1);
    let up = w.asks_id(who, 1, &[("reqId", "7")]);
    let tick = |id: &str| ["1", "6", id, "1", "0150.250", "1E2", "0", ""].join("\0");
    w.gateway_sends(tick(&up).as_bytes());
    assert_eq!(&w.got(who)[0].payload[..], tick("7").as_bytes());
}
