//! The protobuf forms against the text forms: every field of the schema has one place in a record.

use bytes::BytesMut;

use crate::protocol::{model::*, orders::ECHOES, plan, record::Record, requests, responses};

fn messages() -> impl Iterator<Item = (Direction, &'static Message)> {
    let requests = requests().iter().map(|r| (Direction::Request, &r.message));
    requests.chain(responses().iter().map(|r| (Direction::Response, &r.message)))
}

/// What only protobuf can say about an order (text-layouts.md, "Fields that exist only in protobuf", and what clients
/// copy): such a value refuses an order on its way to text, unless it is an echo.
#[test]
fn what_only_protobuf_can_say_about_an_order_is_known() {
    let plan = plan::plan(Direction::Request, 3).unwrap();
    let mut unclaimed: Vec<String> = plan.unclaimed();
    unclaimed.retain(|path| {
        let name = path.rsplit('.').next().unwrap_or_default();
        !ECHOES.contains(&name) && !ECHOES.iter().any(|echo| path.ends_with(echo))
    });
    assert_eq!(
        unclaimed,
        [
            "order.conditions.type",
            "order.routeMarketableToBbo",
            "order.deactivate",
            "order.postOnly",
            "order.allowPreOpen",
            "order.ignoreOpenAuction",
            "order.seekPriceImprovement",
            "order.whatIfType",
            "order.hedgeMaxSize",
            "order.conditionsIncludeOvernight",
            "attachedOrders.slOrderId",
            "attachedOrders.slOrderType",
            "attachedOrders.ptOrderId",
            "attachedOrders.ptOrderType",
        ]
    );
}

#[test]
fn roles_stand_where_the_fields_do() {
    fn roles(layout: Layout, found: &mut Vec<(Role, &'static str)>) {
        for node in layout {
            match node {
                Node::One(f) if f.role != Role::Plain && f.home != Home::Nowhere => {
                    found.push((f.role, f.name))
                }
                Node::Group(body) | Node::If { body, .. } => roles(body, found),
                _ => {}
            }
        }
    }
    for (direction, message) in messages() {
        let (Some(plan), Some(layout), Some(proto)) =
            (plan::plan(direction, message.id), message.text, message.proto)
        else {
            continue;
        };
        let mut wanted = Vec::new();
        roles(layout, &mut wanted);
        for (role, name) in wanted {
            let there = proto.roles.iter().any(|(r, path)| *r == role && plan.name_at(path) == Some(name));
            assert!(there, "{}: {role:?} is {name}", message.name);
        }
        for (role, path) in proto.roles {
            assert!(plan.name_at(path).is_some(), "{}: {role:?} at {path:?}", message.name);
        }
    }
}

#[test]
fn an_empty_body_is_an_empty_record_and_back() {
    for (direction, message) in messages() {
        let Some(plan) = plan::plan(direction, message.id) else { continue };
        let mut record = Record::new();
        plan.decode(&[], &mut record).unwrap();
        assert_eq!(record, Record::new(), "{}", message.name);
        let mut out = BytesMut::new();
        plan.encode(&record, u16::MAX, &mut out);
        assert!(out.is_empty(), "{}", message.name);
    }
}
