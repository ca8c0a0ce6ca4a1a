//! The same client against a Gateway directly and through twsmux: the client must not be able to tell.
//!
//! Once with a short script and nobody else there, and once with a tour of everything that there is to ask, beside five
//! busy clients of other versions. What must differ all the same is one table, `support/tour/differences.rs`.

mod support;
#[path = "support/tour/mod.rs"]
mod tour;

use std::collections::BTreeSet;

use support::{distinct, mux_for, script, sim};
use tour::compare::complaints;
use tour::differences::{DIFFERENCES, EVERYWHERE};
use tour::others::Others;
use tour::{Place, Seen, Stage, Who};
use twsmux::protocol::requests;
use twsmux::sim::LATEST;
use twsmux::sim::client::{ApiClient, stock};

/// Requests that are no part of the tour, and why.
const NOT_ASKED: &[(&str, &str)] = &[];

/// The usual version, at a Gateway of it.
const USUAL: Who = Who { client_id: 31, version: 176, gateway: 176 };
/// A client of before: other sizes, other orders.
const OLD: Who = Who { client_id: 31, version: 157, gateway: 176 };
/// The newest version, at a Gateway of it, as the client that binds orders.
const NEWEST: Who = Who { client_id: 0, version: LATEST, gateway: LATEST };
/// A client that speaks text, at the newest Gateway, likewise.
const TEXT: Who = Who { client_id: 0, version: 176, gateway: LATEST };
/// A client that speaks protobuf, at a Gateway that speaks text.
const PROTOBUF: Who = Who { client_id: 31, version: LATEST, gateway: 176 };

#[test]
fn the_usual_client_beside_five_others() {
    compare(USUAL, [100, 157, 163, 176, 201]);
}

#[test]
fn a_client_of_an_old_version_beside_five_others() {
    compare(OLD, [100, 130, 163, 176, LATEST]);
}

#[test]
fn the_newest_version_beside_five_others() {
    compare(NEWEST, [100, 157, 176, 213, LATEST]);
}

#[test]
fn text_at_a_gateway_that_speaks_protobuf_beside_five_others() {
    compare(TEXT, [100, 157, 176, 203, LATEST]);
}

#[test]
fn protobuf_at_a_gateway_that_speaks_text_beside_five_others() {
    compare(PROTOBUF, [100, 157, 176, 213, LATEST]);
}

fn compare(who: Who, others: [u16; 5]) {
    let (direct, through) = (direct(who), through(who, others));
    assert_eq!(through.hello, direct.hello);
    let complaints = complaints(who, &direct.steps, &through.steps);
    let steps = direct.steps.len();
    assert!(complaints.is_empty(), "{} of {steps} steps:\n{}", complaints.len(), complaints.join("\n"));
}

/// The tour at a Gateway of the client's version.
fn direct(who: Who) -> Seen {
    let stage = Stage::new(who.version);
    let ended = |id: i32| {
        let connections = stage.sim.stats().connections;
        connections.iter().filter(|c| !c.open && c.client_id == Some(id)).count()
    };
    let place = Place { address: stage.sim.address(), ended: &ended, settle: &|| (), step: &|| () };
    tour::tour(&stage, place, who)
}

/// The tour at twsmux, beside others.
fn through(who: Who, others: [u16; 5]) -> Seen {
    let stage = Stage::new(who.gateway);
    let version = if who.gateway == LATEST { "latest".into() } else { who.gateway.to_string() };
    // What waits for its turn comes later, and a cancel may find it not sent: that is not what is compared here.
    let unpaced = ["--messages-per-second", "unlimited", "--historical-pacing", "off"];
    let mux = mux_for(&stage.sim, &[&["--max-server-version", &version], &unpaced[..]].concat());
    let mut others = Others::start(mux.listen, others);
    let ended = |id: i32| {
        let (gone, id) = ("gone: the client closed", format!("client_id={id} "));
        mux.log().lines().filter(|line| line.contains(gone) && line.contains(&id)).count()
    };
    // Whatever the Gateway said before this answer is known.
    let settle = || {
        let mut c = ApiClient::open(mux.listen, who.version, 999).expect("a connection");
        c.send("reqContractDetails", &tour::with(1, stock("SETTLED"))).expect("a socket");
        c.expect_error(1, 200).expect("an answer");
    };
    let steps = others.steps();
    let step = || steps.one_more();
    let place = Place { address: mux.listen, ended: &ended, settle: &settle, step: &step };
    let seen = tour::tour(&stage, place, who);
    others.another_round();
    others.finish();
    let stats = stage.sim.stats();
    assert_eq!((stats.accepted, stats.malformed), (1, 0), "{}", stats.last_malformed);
    seen
}

#[test]
fn every_request_is_part_of_the_tour_and_every_difference_of_a_step() {
    let mut tags = BTreeSet::new();
    for who in [USUAL, OLD, NEWEST, TEXT, PROTOBUF] {
        let seen = direct(who);
        for request in requests().iter().filter(|r| r.message.since <= who.version) {
            let name = request.message.name;
            let excused = NOT_ASKED.iter().any(|(n, _)| *n == name);
            assert!(seen.sent.contains(name) != excused, "{name}: either part of the tour, or in NOT_ASKED");
        }
        tags.extend(seen.steps.iter().flat_map(|s| s.tags.clone()));
    }
    for d in DIFFERENCES {
        assert!(tags.contains(&d.tag), "no step names {:?}", d.tag);
        assert_eq!(DIFFERENCES.iter().filter(|other| other.tag == d.tag).count(), 1, "{:?}", d.tag);
    }
    let rows = DIFFERENCES.iter().map(|d| (d.what, d.reason)).chain(EVERYWHERE.iter().copied());
    for (what, reason) in rows.chain(NOT_ASKED.iter().copied()) {
        assert!(!what.is_empty() && !reason.is_empty(), "'{what}' because '{reason}'");
    }
}

#[test]
fn a_client_sees_through_twsmux_what_it_sees_at_the_gateway() {
    let direct = script(sim(|_| {}).address(), 0);
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    let through = script(mux.listen, 0);
    assert_eq!(distinct(&through), distinct(&direct));
    assert_eq!(gateway.stats().malformed, 0, "{}", gateway.stats().last_malformed);
}

#[test]
fn another_client_id_differs_in_nothing_but_its_id() {
    let direct = script(sim(|_| {}).address(), 31);
    let gateway = sim(|_| {});
    let mux = mux_for(&gateway, &[]);
    // Somebody else was here before and used up ids at the Gateway.
    script(mux.listen, 5);
    let through = script(mux.listen, 31);
    let without_perm_id = |lines: Vec<String>| -> Vec<String> {
        let cut = |line: &String| {
            line.split(' ').filter(|word| !word.starts_with("permId=")).collect::<Vec<_>>().join(" ")
        };
        distinct(&lines.iter().map(cut).collect::<Vec<_>>())
    };
    assert_eq!(without_perm_id(through), without_perm_id(direct));
}
