//! Where ids stand in the text form, as literal facts. Source: the encoders and decoders of the official clients.

use bytes::BytesMut;

use super::samples::{self, Dice};
use crate::{
    protocol::{
        dialect::Dialect,
        layout::{Record, encode},
        model::*,
        request, response,
    },
    wire::text::{Form, Message as Wire},
};

/// Role, and from which version on it stands at which index; 0: not there.
type Facts = &'static [(Role, &'static [(u16, usize)])];

use Role::*;

const REQUEST_FACTS: &[(u32, Facts)] = &[
    (1, &[(ReqId, &[(100, 2)])]),
    (2, &[(ReqId, &[(100, 2)])]),
    (
        3,
        &[
            (OrderId, &[(100, 2), (145, 1)]),
            (ParentOrderId, &[(100, 29), (145, 28)]),
            (Account, &[(100, 24), (145, 23)]),
            (ClientId, &[(100, 0)]),
            (PermId, &[(100, 0)]),
        ],
    ),
    (4, &[(OrderId, &[(100, 2), (192, 1)])]),
    (6, &[(Subscribe, &[(100, 2)]), (Account, &[(100, 3)])]),
    (7, &[(ReqId, &[(100, 2)]), (ClientId, &[(100, 3)]), (Account, &[(100, 4)])]),
    (9, &[(ReqId, &[(100, 2)])]),
    (10, &[(ReqId, &[(100, 2)])]),
    (11, &[(ReqId, &[(100, 2)])]),
    (18, &[(LaneKey, &[(100, 2)])]),
    (19, &[(ReqId, &[(100, 0), (157, 4)])]),
    (20, &[(ReqId, &[(100, 2), (124, 1)])]),
    (21, &[(OrderId, &[(100, 2)]), (Account, &[(100, 16)])]),
    (22, &[(ReqId, &[(100, 2), (143, 1)])]),
    (23, &[(ReqId, &[(100, 2)])]),
    (25, &[(ReqId, &[(100, 2)])]),
    (50, &[(ReqId, &[(100, 2)])]),
    (52, &[(ReqId, &[(100, 2)])]),
    (54, &[(ReqId, &[(100, 2)])]),
    (55, &[(ReqId, &[(100, 2)])]),
    (62, &[(ReqId, &[(100, 2)])]),
    (68, &[(ReqId, &[(100, 2)])]),
    (69, &[(ReqId, &[(100, 2)])]),
    (71, &[(ClientId, &[(100, 2)])]),
    (74, &[(ReqId, &[(103, 2)]), (Account, &[(103, 3)])]),
    (76, &[(ReqId, &[(103, 2)]), (Account, &[(103, 3)])]),
    (78, &[(ReqId, &[(104, 1)])]),
    (84, &[(ReqId, &[(116, 1)])]),
    (91, &[(LaneKey, &[(126, 1)])]),
    (92, &[(ReqId, &[(127, 1)]), (Account, &[(127, 2)])]),
    (94, &[(ReqId, &[(127, 1)]), (Account, &[(127, 2)])]),
    (96, &[(ReqId, &[(130, 1)])]),
    (97, &[(ReqId, &[(137, 1)])]),
    (102, &[(ReqId, &[(161, 1)])]),
];

const RESPONSE_FACTS: &[(u32, Facts)] = &[
    (1, &[(ReqId, &[(100, 2)])]),
    (2, &[(ReqId, &[(100, 2)])]),
    (
        3,
        &[
            (OrderId, &[(100, 2), (131, 1)]),
            (PermId, &[(100, 7), (131, 6)]),
            (ParentOrderId, &[(100, 8), (131, 7)]),
            (ClientId, &[(100, 10), (131, 9)]),
        ],
    ),
    (4, &[(ReqId, &[(100, 2), (194, 1)]), (Code, &[(100, 3), (194, 2)])]),
    (
        5,
        &[
            (OrderId, &[(100, 2), (145, 1)]),
            (Account, &[(100, 21), (145, 20)]),
            (ClientId, &[(100, 25), (145, 24)]),
            (PermId, &[(100, 26), (145, 25)]),
            (ParentOrderId, &[(100, 58), (103, 59), (145, 58), (177, 57)]),
        ],
    ),
    (6, &[(Account, &[(100, 5)])]),
    (7, &[(Account, &[(100, 19)])]),
    (9, &[(OrderId, &[(100, 2)])]),
    (10, &[(ReqId, &[(100, 2), (164, 1)])]),
    (
        11,
        &[
            (ReqId, &[(100, 2), (136, 1)]),
            (OrderId, &[(100, 3), (136, 2)]),
            (ExecId, &[(100, 15), (136, 14)]),
            (PermId, &[(100, 22), (136, 21)]),
            (ClientId, &[(100, 23), (136, 22)]),
        ],
    ),
    (12, &[(ReqId, &[(100, 2)])]),
    (13, &[(ReqId, &[(100, 2)])]),
    (16, &[(LaneKey, &[(100, 2)])]),
    (17, &[(ReqId, &[(100, 2), (124, 1)])]),
    (18, &[(ReqId, &[(100, 2), (164, 1)])]),
    (20, &[(ReqId, &[(100, 2)])]),
    (21, &[(ReqId, &[(100, 2), (156, 1)])]),
    (54, &[(Account, &[(100, 2)])]),
    (58, &[(ReqId, &[(100, 2)])]),
    (59, &[(ExecId, &[(100, 2)])]),
    (61, &[(Account, &[(100, 2)])]),
    (63, &[(ReqId, &[(100, 2)]), (Account, &[(100, 3)])]),
    (71, &[(ReqId, &[(103, 2)]), (Account, &[(103, 3)])]),
    (73, &[(ReqId, &[(103, 2)]), (Account, &[(103, 3)])]),
    (75, &[(ReqId, &[(104, 1)])]),
    (81, &[(ReqId, &[(100, 1)])]),
    (90, &[(ReqId, &[(124, 1)])]),
    (93, &[(LaneKey, &[(126, 1)])]),
    (96, &[(ReqId, &[(130, 1)])]),
    (99, &[(ReqId, &[(137, 1)])]),
    (100, &[(PermId, &[(144, 1)]), (ClientId, &[(144, 2)]), (OrderId, &[(144, 3)])]),
    (101, &[(PermId, &[(150, 23)]), (OrderId, &[(150, 0)]), (ClientId, &[(150, 0)])]),
    (103, &[(ReqId, &[(157, 1)])]),
    (108, &[(ReqId, &[(196, 1)])]),
];

/// A body in which each field holds its own index.
fn numbered(fields: usize) -> Vec<u8> {
    (1..=fields).flat_map(|i| format!("{i}\0").into_bytes()).collect()
}

fn holds(facts: Facts, version: u16, found: impl Fn(Role) -> Option<i64>) {
    for (role, steps) in facts {
        let Some((_, index)) = steps.iter().rev().find(|(since, _)| *since <= version) else { continue };
        let expected = (*index > 0).then_some(*index as i64);
        assert_eq!(found(*role), expected, "{role:?} at {version}");
    }
}

#[test]
fn ids_stand_where_the_official_clients_have_them() {
    let body = numbered(200);
    for version in 100..=202 {
        let dialect = Dialect::new(version);
        for (id, facts) in REQUEST_FACTS {
            let Some(shape) = dialect.request(*id) else { continue };
            let wire = Wire { id: *id, form: Form::Text, body: &body };
            holds(facts, version, |role| shape.int(&wire, role).unwrap());
        }
        for (id, facts) in RESPONSE_FACTS {
            let Some(shape) = dialect.response(*id) else { continue };
            let wire = Wire { id: *id, form: Form::Text, body: &body };
            holds(facts, version, |role| shape.int(&wire, role).unwrap());
        }
    }
}

/// The value that a role is given in [`every_role_is_found_wherever_groups_vary`].
fn marked(layout: Layout, record: &mut Record) {
    for node in layout {
        match node {
            Node::One(f) => match f.role {
                Plain | MessageVersion | Flag => {}
                role => {
                    record.set(f.name, 1000 + role as i32);
                }
            },
            Node::Group(body) => marked(body, record),
            _ => {}
        }
    }
}

/// Every role of the layouts at the top level.
fn roles(layout: Layout, version: u16, found: &mut Vec<Role>) {
    for node in layout {
        match node {
            Node::One(f) if f.versions.has(version) && !matches!(f.role, Plain | MessageVersion | Flag) => {
                found.push(f.role);
            }
            Node::Group(body) => roles(body, version, found),
            _ => {}
        }
    }
}

fn check_roles(layout: Layout, version: u16, seed: u64, int: impl Fn(&[u8], Role) -> Option<i64>) {
    let mut record = samples::record(layout, &mut Dice(seed));
    marked(layout, &mut record);
    let mut body = BytesMut::new();
    encode(layout, version, &record, &mut body);
    let mut expected = Vec::new();
    roles(layout, version, &mut expected);
    for role in &expected {
        assert_eq!(int(&body, *role), Some(1000 + *role as i64), "{role:?} at {version}");
    }
    expected.sort_by_key(|r| *r as u8);
    let all = expected.len();
    expected.dedup();
    assert_eq!(expected.len(), all, "a text form has each role once");
}

#[test]
fn every_role_is_found_wherever_groups_vary() {
    for version in 100..=226 {
        let dialect = Dialect::new(version);
        for message in samples::messages() {
            let (id, Some(layout)) = (u32::from(message.id), message.text) else { continue };
            if message.since > version {
                continue;
            }
            let is_request = request(id).is_some_and(|r| std::ptr::eq(&r.message, message));
            for layout in std::iter::once(layout).chain(message.variants.iter().copied()) {
                check_roles(layout, version, u64::from(version) * 31, |body, role| {
                    let wire = Wire { id, form: Form::Text, body };
                    match is_request {
                        true => dialect.request(id).unwrap().int(&wire, role).unwrap(),
                        false => dialect.response(id).unwrap().int(&wire, role).unwrap(),
                    }
                });
            }
        }
    }
}

#[test]
fn no_role_but_a_flag_is_hidden_in_a_group() {
    fn hidden(layout: Layout, inside: bool, name: &str) {
        for node in layout {
            match node {
                Node::One(f) => assert!(!inside || f.role == Plain, "{name}: {}", f.name),
                Node::Group(body) => hidden(body, inside, name),
                Node::Repeat { count, body } => {
                    assert_eq!(count.role, Plain);
                    hidden(body, true, name);
                }
                Node::If { body, .. } => hidden(body, true, name),
                Node::Conditions { count } => assert_eq!(count.role, Plain),
            }
        }
    }
    for message in samples::messages() {
        hidden(message.text.unwrap_or_default(), false, message.name);
    }
    assert!(response(5).is_some() && request(3).is_some());
}
