//! The tables against themselves.

use std::collections::BTreeSet;

use super::samples;
use crate::protocol::{model::*, request, requests, response, responses};

fn names_a_field(layout: Layout, name: &str) -> bool {
    layout.iter().any(|node| match node {
        Node::One(f) => f.name == name,
        Node::Group(body) => names_a_field(body, name),
        _ => false,
    })
}

#[test]
fn all_messages_are_there_once_and_in_order() {
    assert_eq!(requests().len(), 85);
    assert_eq!(responses().len(), 86);
    for ids in [
        requests().iter().map(|r| r.message.id).collect::<Vec<_>>(),
        responses().iter().map(|r| r.message.id).collect(),
    ] {
        assert!(ids.windows(2).all(|w| w[0] < w[1]), "ids rise");
    }
    for names in [
        requests().iter().map(|r| r.message.name).collect::<Vec<_>>(),
        responses().iter().map(|r| r.message.name).collect(),
    ] {
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "names are unique");
    }
    let missing =
        |ids: std::ops::RangeInclusive<u32>, has: fn(u32) -> bool| ids.filter(|i| !has(*i)).collect();
    let gaps: Vec<u32> = missing(1..=109, |i| request(i).is_some());
    assert_eq!(gaps, (26..=48).chain([60]).collect::<Vec<_>>());
    let gaps: Vec<u32> = missing(1..=111, |i| response(i).is_some());
    assert_eq!(gaps, (22..=44).chain([48, 60]).collect::<Vec<_>>());
}

#[test]
fn every_answer_exists_and_every_end_is_an_answer() {
    for r in requests() {
        let name = r.message.name;
        assert!(!r.answers.is_empty() && r.answers.contains(&4), "{name}: an error can always come");
        assert_eq!(r.answers.iter().collect::<BTreeSet<_>>().len(), r.answers.len(), "{name}");
        for id in r.answers {
            assert!(response(u32::from(*id)).is_some(), "{name}: {id}");
        }
        for (id, when) in r.ends {
            assert!(r.answers.contains(id), "{name}: {id}");
            let flagged = response(u32::from(*id))
                .unwrap()
                .message
                .proto
                .is_some_and(|p| p.roles.iter().any(|(role, _)| *role == Role::Flag));
            assert!(*when != EndWhen::Done || flagged, "{name}: {id} has a flag that says so");
        }
    }
}

#[test]
fn what_ends_fits_how_long_a_request_lives() {
    for r in requests() {
        let name = r.message.name;
        let images = r.ends.iter().filter(|(_, when)| *when == EndWhen::Image).count();
        match r.kind {
            Kind::OneShot | Kind::OneShotIfFlag | Kind::StreamIfFlag => {
                assert!(!r.ends.is_empty() && images == 0, "{name}");
            }
            Kind::Stream => assert_eq!(r.ends.len(), images, "{name}: only an image ends"),
            Kind::Cancel(_) | Kind::Update(_) | Kind::Fire => assert!(r.ends.is_empty(), "{name}"),
        }
        if matches!(r.kind, Kind::OneShotIfFlag | Kind::StreamIfFlag) {
            let proto = r.message.proto.unwrap();
            assert!(proto.roles.iter().any(|(role, _)| *role == Role::Flag), "{name} has the flag");
        }
    }
}

#[test]
fn every_end_marker_ends_something() {
    for r in responses() {
        let id = r.message.id;
        if r.message.name.ends_with("End") {
            assert!(requests().iter().any(|q| q.ends.iter().any(|(e, _)| *e == id)), "{}", r.message.name);
        }
    }
}

#[test]
fn every_response_answers_something() {
    for r in responses() {
        let id = r.message.id;
        assert!(requests().iter().any(|q| q.answers.contains(&id)), "{}", r.message.name);
    }
}

#[test]
fn cancels_and_updates_name_a_request_that_lives() {
    for r in requests() {
        if let Kind::Cancel(of) | Kind::Update(of) = r.kind {
            let target = request(u32::from(of)).unwrap_or_else(|| panic!("{}", r.message.name));
            assert!(
                !matches!(target.kind, Kind::Cancel(_) | Kind::Update(_) | Kind::Fire),
                "{}",
                r.message.name
            );
            assert!(r.message.since >= target.message.since, "{}", r.message.name);
            let by_id = matches!(r.handling, Handling::ById);
            assert!(!by_id || target.handling == Handling::ById, "{}", r.message.name);
        }
    }
}

#[test]
fn what_is_about_orders_is_in_their_class_and_nothing_else() {
    for r in requests() {
        let orders = matches!(
            r.handling,
            Handling::PlaceOrder | Handling::CancelOrder | Handling::Exercise | Handling::GlobalCancel
        );
        assert_eq!(r.class() == Class::Orders, orders, "{}", r.message.name);
        if let Kind::Cancel(of) | Kind::Update(of) = r.kind {
            let named = matches!(r.class, Class::MarketData | Class::History);
            assert!(!named, "{} waits with what it is about", r.message.name);
            assert_eq!(r.class(), request(of.into()).unwrap().class);
        }
    }
    for (at, (class, _)) in Class::ALL.iter().enumerate() {
        assert_eq!(*class as usize, at, "counters go by it");
        assert!(requests().iter().any(|r| r.class() == *class), "{class:?}");
    }
}

#[test]
fn lanes_have_askers_and_one_end_each() {
    use Lane::*;
    for lane in [
        OpenOrders,
        CompletedOrders,
        ScannerParameters,
        Fa,
        FamilyCodes,
        DepthExchanges,
        NewsProviders,
        MarketRule,
    ] {
        let ends: Vec<u16> = responses()
            .iter()
            .filter(|r| r.route == Route::Lane { lane, end: true })
            .map(|r| r.message.id)
            .collect();
        assert_eq!(ends.len(), 1, "{lane:?}");
        let askers: Vec<_> = requests().iter().filter(|r| r.handling == Handling::Lane(lane)).collect();
        assert!(!askers.is_empty(), "{lane:?}");
        for asker in askers {
            assert_eq!(asker.ends, &[(ends[0], EndWhen::Always)], "{}", asker.message.name);
            assert_eq!(asker.kind, Kind::OneShot);
        }
    }
    for r in responses() {
        if let Route::Lane { lane, .. } = r.route {
            let asked =
                |q: &&Request| q.handling == Handling::Lane(lane) && q.answers.contains(&r.message.id);
            assert!(requests().iter().any(|q| asked(&q)), "{}", r.message.name);
        }
    }
}

#[test]
fn shared_streams_have_joiners_and_keys_that_exist() {
    for r in responses() {
        let Route::Shared { stream, key, end } = r.route else { continue };
        let name = r.message.name;
        let joiner = requests().iter().find(|q| q.handling == Handling::Join(stream)).unwrap();
        assert!(joiner.answers.contains(&r.message.id), "{name}");
        assert_eq!(end, joiner.ends.contains(&(r.message.id, EndWhen::Image)), "{name}");
        for field in key.iter().filter(|_| key != ONE_ROW) {
            assert!(names_a_field(r.message.text.unwrap(), field), "{name}: {field}");
        }
    }
    for stream in [Shared::Positions, Shared::Bulletins] {
        assert!(requests().iter().any(|q| q.handling == Handling::Leave(stream)), "{stream:?}");
    }
    assert!(!samples::messages().any(|m| names_a_field(m.text.unwrap_or_default(), ONE_ROW[0])));
}

#[test]
fn requests_by_id_have_a_request_id_in_each_form() {
    for r in requests() {
        let name = r.message.name;
        let (role, since) = match r.handling {
            // Below 157 replaceFA has neither an id nor an answer.
            Handling::ById if r.message.id == 19 => (Role::ReqId, 157),
            Handling::ById | Handling::Executions => (Role::ReqId, 0),
            Handling::PlaceOrder | Handling::CancelOrder | Handling::Exercise => (Role::OrderId, 0),
            Handling::Lane(Lane::Fa | Lane::MarketRule) => (Role::LaneKey, 0),
            _ => continue,
        };
        if let Some(layout) = r.message.text {
            assert!(has_role(layout, role, since), "{name}");
            assert!(r.message.variants.iter().all(|v| has_role(v, role, since)), "{name}");
        }
        if let Some(proto) = r.message.proto {
            assert!(proto.roles.iter().any(|(found, _)| *found == role), "{name}");
        }
    }
}

fn has_role(layout: Layout, role: Role, since: u16) -> bool {
    layout.iter().any(|node| match node {
        Node::One(f) => f.role == role && f.versions.since <= since && f.versions.until == u16::MAX,
        Node::Group(body) => has_role(body, role, since),
        _ => false,
    })
}

#[test]
fn responses_by_id_have_the_id_they_are_routed_by() {
    for r in responses() {
        let role = match r.route {
            Route::ReqId | Route::Error => Role::ReqId,
            Route::Commission => Role::ExecId,
            Route::Order | Route::OrderBound | Route::NextValidId | Route::Execution => Role::OrderId,
            _ => continue,
        };
        if let Some(layout) = r.message.text {
            assert!(has_role(layout, role, 100), "{}", r.message.name);
        }
        if let Some(proto) = r.message.proto {
            assert!(proto.roles.iter().any(|(found, _)| *found == role), "{}", r.message.name);
        }
    }
}

#[test]
fn every_message_has_a_form_and_protobuf_begins_with_raw_ids() {
    for m in samples::messages() {
        assert!(m.text.is_some() || m.proto.is_some(), "{}", m.name);
        if let Some(proto) = m.proto {
            assert!(proto.since >= crate::wire::text::RAW_ID_SINCE, "{}", m.name);
            assert!(proto.since >= m.since, "{}", m.name);
            assert!(proto.roles.iter().all(|(_, path)| !path.is_empty()), "{}", m.name);
        }
        assert!(m.text.is_some() || m.since == m.proto.unwrap().since, "{}", m.name);
    }
    let text_only = |m: &&Message| m.proto.is_none();
    let of = |r: &Request| r.message;
    let requests: Vec<u16> = requests().iter().map(of).filter(|m| text_only(&m)).map(|m| m.id).collect();
    assert_eq!(requests, [72, 73]);
    let responses: Vec<u16> =
        responses().iter().map(|r| r.message).filter(|m| text_only(&m)).map(|m| m.id).collect();
    assert_eq!(responses, [47, 56, 69, 70]);
}

#[test]
fn field_names_are_unique_where_a_record_would_mix_them() {
    fn collect(layout: Layout, version: u16, names: &mut Vec<&str>, message: &str) {
        for node in layout {
            match node {
                Node::One(f) if f.versions.has(version) => names.push(f.name),
                Node::Group(body) => collect(body, version, names, message),
                // Groups that exclude each other may use a name twice: each is checked with what surrounds it.
                Node::If { body, versions, .. } if versions.has(version) => {
                    let mut with_group = names.clone();
                    collect(body, version, &mut with_group, message);
                    unique(&with_group, message);
                }
                Node::Repeat { count, body } if count.versions.has(version) => {
                    names.push(count.name);
                    let mut row = Vec::new();
                    collect(body, version, &mut row, message);
                    unique(&row, message);
                }
                Node::Conditions { count } if count.versions.has(version) => names.push(count.name),
                _ => {}
            }
        }
        unique(names, message);
    }
    fn unique(names: &[&str], message: &str) {
        let mut seen = BTreeSet::new();
        for name in names {
            assert!(seen.insert(name), "{message}: {name}");
        }
    }
    for m in samples::messages() {
        for version in 100..=226 {
            collect(m.text.unwrap_or_default(), version, &mut Vec::new(), m.name);
        }
    }
}

#[test]
fn duplicate_codes_belong_to_requests_by_id() {
    for r in requests() {
        let by_id = matches!(r.handling, Handling::ById | Handling::Executions | Handling::Exercise);
        let lives = !matches!(r.kind, Kind::Cancel(_) | Kind::Update(_));
        assert_eq!(r.duplicate != 0, by_id && lives, "{}", r.message.name);
    }
    let code = |id| request(id).unwrap().duplicate;
    assert_eq!((code(1), code(20), code(22), code(62)), (102, 386, 385, 322));
}

#[test]
fn refusals_say_why() {
    let refused: Vec<u16> = requests()
        .iter()
        .filter_map(|r| match r.handling {
            Handling::Refused(words) => {
                assert!(words.len() > 20, "{}", r.message.name);
                Some(r.message.id)
            }
            _ => None,
        })
        .collect();
    assert_eq!(refused, [65, 66, 72, 73, 109]);
}

#[test]
fn codes_for_requests_that_are_not_active_belong_to_cancels_and_updates() {
    for r in requests().iter().filter(|r| r.not_found != 0) {
        assert!(matches!(r.kind, Kind::Cancel(_) | Kind::Update(_)), "{}", r.message.name);
    }
    let code = |id| request(id).unwrap().not_found;
    assert_eq!((code(2), code(11), code(23), code(25)), (300, 310, 365, 366));
    assert_eq!(code(90), 0, "a head timestamp is cancelled after its answer by some clients");
}

/// Every message, by what becomes of it for a client that reads too slowly.
#[test]
fn what_a_slow_reader_gets_is_said_of_every_message() {
    let of = |wanted: fn(Conflate) -> bool| -> Vec<u16> {
        responses().iter().filter(|r| wanted(r.conflate)).map(|r| r.message.id).collect()
    };
    let latest = of(|c| matches!(c, Conflate::Latest(_)));
    assert_eq!(latest, [1, 2, 7, 20, 21, 45, 46, 47, 58, 61, 71, 94, 95]);
    assert_eq!(of(|c| c == Conflate::Book), [12, 13]);
    assert_eq!(of(|c| c == Conflate::Event), [6, 8, 14, 50, 63, 73, 84, 90, 99]);
    assert_eq!(
        of(|c| c == Conflate::Bulk),
        [10, 16, 17, 18, 19, 51, 75, 79, 83, 86, 89, 96, 97, 98, 104, 105, 106]
    );
    // Trades are events, whatever message tells them.
    assert_eq!(response(46).unwrap().conflate, Conflate::Latest(Row::KeyBut(&[48, 77])));
}

#[test]
fn what_is_conflated_has_what_tells_its_rows_apart_and_a_holder() {
    for r in responses() {
        let name = r.message.name;
        match r.conflate {
            Conflate::Latest(Row::Key | Row::KeyBut(_)) => {
                assert!(has_role(r.message.text.unwrap(), Role::RowKey, 0), "{name}");
                let proto = r.message.proto;
                assert!(
                    proto.is_none_or(|p| p.roles.iter().any(|(role, _)| *role == Role::RowKey)),
                    "{name}"
                );
            }
            Conflate::Latest(Row::Fields(fields)) => {
                for field in fields {
                    assert!(names_a_field(r.message.text.unwrap(), field), "{name}: {field}");
                }
            }
            Conflate::Latest(row) => assert_eq!(row, Row::One, "{name}"),
            Conflate::Book => {
                let asked = requests().iter().filter_map(|q| q.sharing);
                let images = asked.flat_map(|sharing| sharing.image);
                assert!(images.clone().any(|row| *row == (r.message.id, Row::Book)), "{name}");
            }
            Conflate::Bulk => {
                assert!(matches!(r.route, Route::ReqId | Route::Lane { end: true, .. }), "{name}")
            }
            Conflate::Kept | Conflate::Event => continue,
        }
        let holder = match r.conflate {
            Conflate::Latest(_) => matches!(r.route, Route::ReqId | Route::Shared { end: false, .. }),
            Conflate::Book => r.route == Route::ReqId,
            _ => true,
        };
        assert!(holder, "{name}: it is told under the id of a request, or in a stream");
        // Where it is a row of an image too, the same tells its rows apart.
        if let Conflate::Latest(row) = r.conflate {
            let mut images = requests().iter().filter_map(|q| q.sharing).flat_map(|sharing| sharing.image);
            assert!(images.all(|(id, image)| *id != r.message.id || *image == row), "{name}");
            if let Route::Shared { key, .. } = r.route {
                assert_eq!(row, Row::Fields(key), "{name}");
            }
        }
    }
}
