//! Which sockets may be ended, and the table of outcomes. Real sockets are in `tests/destroy_zombies.rs`.

use super::*;
use crate::sockets::diagnosis::{Connection, Listener, OutOfSight, ZombieKind, blind};
use crate::sockets::table::State;

fn process(pid: u32, name: &str) -> Process {
    Process::new(pid, name, &[], "")
}

fn zombie(peer: u16, holder: Option<Process>, peer_holder: Option<Process>) -> Zombie {
    Zombie {
        local: "127.0.0.1:4002".parse().unwrap(),
        peer: ([127, 0, 0, 1], peer).into(),
        kind: ZombieKind::FinUnread,
        unread_bytes: 0,
        processes: holder.into_iter().collect(),
        peer_processes: peer_holder.into_iter().collect(),
    }
}

fn diagnosis(zombies: Vec<Zombie>) -> Diagnosis {
    Diagnosis { zombies, unknown: None, ..blind("127.0.0.1:4002", OutOfSight::OtherNamespace) }
}

fn peers(diagnosis: &Diagnosis) -> Vec<u16> {
    choose(diagnosis).0.iter().map(|zombie| zombie.peer.port()).collect()
}

#[test]
fn the_gateways_zombies_are_chosen_whether_its_process_is_seen_or_not() {
    let zombies = vec![
        zombie(1, Some(process(7, "java")), None),
        zombie(2, None, None),
        zombie(3, None, Some(process(9, "bot"))),
    ];
    assert_eq!(peers(&diagnosis(zombies)), [1, 2, 3]);
}

#[test]
fn what_twsmux_holds_or_is_connected_to_is_never_chosen() {
    let twsmux = || Some(process(8, "twsmux"));
    let mut found = diagnosis(vec![
        zombie(1, twsmux(), None),
        zombie(2, Some(process(7, "java")), twsmux()),
        zombie(3, Some(process(7, "java")), None),
        zombie(4, Some(process(7, "java")), None),
    ]);
    // A twsmux that hides its descriptors is known by the connection alone.
    found.own.push(Connection {
        peer: "127.0.0.1:4".parse().unwrap(),
        state: State::FinWait2,
        uid: Some(1000),
        processes: vec![],
    });
    assert_eq!(peers(&found), [3]);
    let spared: Vec<(u16, &str)> = choose(&found).1.iter().map(|s| (s.zombie.peer.port(), s.why)).collect();
    assert_eq!(
        spared,
        [(1, "twsmux holds it"), (2, "its other end is twsmux's"), (4, "its other end is twsmux's")]
    );
}

#[test]
fn at_a_port_where_twsmux_listens_nothing_is_chosen() {
    let mut found = diagnosis(vec![zombie(1, None, None)]);
    found.listeners.push(Listener {
        address: "127.0.0.1:4002".parse().unwrap(),
        accept_queue: 1,
        uid: Some(1000),
        processes: vec![process(8, "twsmux")],
    });
    assert!(peers(&found).is_empty(), "one that was never accepted");
}

#[test]
fn the_outcomes_in_the_manual_are_those_of_the_program() {
    let manual = include_str!("../../docs/operations.md");
    let cell = |row: &str, i: usize| row.split('|').nth(i).map(|c| c.trim().trim_matches('`').to_owned());
    let rows = manual.lines().skip_while(|l| !l.starts_with("| exit code | outcome |")).skip(2);
    let documented: Vec<(String, String)> =
        rows.take_while(|l| l.starts_with('|')).map(|l| (cell(l, 1).unwrap(), cell(l, 2).unwrap())).collect();
    let coded: Vec<(String, String)> =
        EXIT_CODES.iter().map(|row| (row.code.to_string(), row.name.to_owned())).collect();
    assert_eq!(documented, coded);
}

#[test]
fn a_code_that_doctor_has_too_means_the_same() {
    let doctor: Vec<u8> = diagnosis::EXIT_CODES.iter().map(|row| row.code).collect();
    let shared: Vec<&str> =
        EXIT_CODES.iter().filter(|row| doctor.contains(&row.code)).map(|row| row.name).collect();
    assert_eq!(shared, ["ended", "remaining", "usage", "unknown"]);
    for row in EXIT_CODES.iter().filter_map(|row| row.outcome.map(|outcome| (outcome, row))) {
        assert_eq!(serde_json::to_value(row.0).unwrap(), row.1.name, "one name everywhere");
        assert_eq!(row.0.exit_code(), row.1.code);
    }
}

#[test]
fn the_field_names_of_the_json_are_kept() {
    let json = serde_json::to_value(report("127.0.0.1:4002", Outcome::NothingToDo, "x", vec![])).unwrap();
    let mut keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys.join(" "), "ended exit_code gateway happened next outcome remaining spared");
}
