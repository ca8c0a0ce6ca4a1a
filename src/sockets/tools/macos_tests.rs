//! Tables of macOS 13, 15 and 26; `tests/socket_tables/README.md` says where their form is from.

use super::*;
use crate::sockets::diagnosis::{Diagnosis, Question, Verdict, ZombieKind, diagnose};
use crate::sockets::owners::{Owners, Role};
use crate::sockets::table::Snapshot;

const MACOS_13: &str = include_str!("../../../tests/socket_tables/macos_13_netstat.txt");
const MACOS_15: &str = include_str!("../../../tests/socket_tables/macos_15_netstat.txt");
const MACOS_26: &str = include_str!("../../../tests/socket_tables/macos_26_netstat.txt");

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn named() -> BTreeMap<u32, Process> {
    processes(
        include_str!("../../../tests/socket_tables/macos_ps_comm.txt"),
        include_str!("../../../tests/socket_tables/macos_ps_args.txt"),
    )
}

/// What doctor says of a table.
fn doctor(netstat: &str) -> Diagnosis {
    let (found, addresses) = sockets(netstat, Some(4002)).unwrap();
    let mut owners = Owners::default();
    for (pid, process) in named() {
        owners.insert(pid.into(), process);
    }
    let question = Question { name: "127.0.0.1:4002", addresses: &[at("127.0.0.1:4002")], own: &[] };
    diagnose(&question, &Snapshot::from_parts(found, addresses), &owners)
}

#[test]
fn the_zombies_of_a_dual_stack_gateway_are_told_with_its_process() {
    let found = doctor(MACOS_13);
    assert_eq!(found.verdicts, [Verdict::Zombies, Verdict::Foreign]);
    assert_eq!(found.listeners[0].address, at("[::]:4002"));
    let zombies: Vec<_> = found.zombies.iter().map(|z| (z.peer.port(), z.kind, z.unread_bytes)).collect();
    assert_eq!(zombies, [(62636, ZombieKind::HandshakeUnread, 17), (62640, ZombieKind::NotClosed, 0)]);
    assert_eq!(
        (found.zombies[0].processes[0].pid, &found.zombies[0].processes[0].command[..]),
        (13551, "java")
    );
    // The far end of a zombie, which only its program's close has left, is nobody's connection; twsmux's is twsmux's.
    let ends = |side: &[crate::sockets::diagnosis::Connection]| -> Vec<(u16, String)> {
        side.iter().map(|c| (c.peer.port(), c.processes[0].command.clone())).collect()
    };
    assert_eq!(ends(&found.foreign), [(62650, "python3 live.py".to_owned())]);
    assert_eq!(ends(&found.own), [(62660, "twsmux run".to_owned())]);
}

#[test]
fn the_process_is_found_whatever_the_columns_behind_the_state_are() {
    for table in [MACOS_13, MACOS_15, MACOS_26] {
        let (found, _) = sockets(table, Some(4002)).unwrap();
        let pid = |local: &str| found.iter().find(|s| s.local == at(local)).map(|s| s.inode);
        assert_eq!(pid("127.0.0.1:4002"), Some(13551), "{table}");
        assert_eq!(pid("127.0.0.1:62650"), Some(14001), "a name with a space in it: {table}");
        assert_eq!(
            found.iter().filter(|s| s.state == State::Listen).map(|s| s.inode).collect::<Vec<_>>(),
            [13551]
        );
    }
    let (all, addresses) = sockets(MACOS_26, None).unwrap();
    let long = at("[2600:1700:5610:3a20:1c2d:8ff:fe01:2345]:50624");
    assert_eq!(all.iter().find(|s| s.local == long).map(|s| s.inode), Some(14002), "colons in a name");
    assert!(addresses.contains(&long.ip()));
}

#[test]
fn each_address_is_read_as_it_is_written() {
    for (proto, text, read) in [
        ("tcp4", "127.0.0.1.4002", "127.0.0.1:4002"),
        ("tcp4", "*.4002", "0.0.0.0:4002"),
        ("tcp4", "*.*", "0.0.0.0:0"),
        ("tcp46", "*.4002", "[::]:4002"),
        ("tcp6", "::1.4002", "[::1]:4002"),
        ("tcp6", "fe80::1%lo0.1024", "[fe80::1]:1024"),
    ] {
        assert_eq!(address(proto, text), Some(at(read)), "{text}");
    }
    for wrong in ["", "4002", "127.0.0.1", "127.0.0.1.70000", "2600:1700:5610:3.50624", "host.80"] {
        assert_eq!(address("tcp6", wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_not_understood_is_an_error_where_it_matters_and_nothing_elsewhere() {
    let error = |text: &str| matches!(sockets(text, Some(4002)), Err(TableError::Malformed { .. }));
    assert!(error("") && error("netstat: command failed"), "no heading is no empty table");
    let cut = MACOS_13.replace("CLOSE_WAIT", "CLOSING_SLOWLY");
    assert!(error(&cut), "a state of the port that nobody knows");
    let elsewhere = MACOS_13.replace("192.168.1.20.51000", "2600:1700:5610:3.51000");
    assert_eq!(
        sockets(&elsewhere, Some(4002)).unwrap().0.len(),
        sockets(MACOS_13, Some(4002)).unwrap().0.len()
    );
    let here =
        MACOS_13.replace("127.0.0.1.62650        127.0.0.1.4002 ", "2600:1700:5610:3.62650 127.0.0.1.4002 ");
    assert!(here != MACOS_13 && error(&here), "an address of the port that was cut");
}

#[test]
fn processes_are_named_without_their_secrets() {
    let all = named();
    let of = |pid: u32| (all[&pid].command.as_str(), all[&pid].role);
    assert_eq!(of(13551), ("java", Role::Other));
    assert_eq!(of(14001), ("python3 live.py", Role::Other));
    assert_eq!(of(14002), ("twsmux run", Role::Twsmux));
    assert!(!all.values().any(|p| p.command.contains("secret")));
}

#[test]
fn interfaces_have_the_addresses_of_the_machine() {
    let found = interfaces(include_str!("../../../tests/socket_tables/macos_ifconfig.txt"));
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["127.0.0.1", "::1", "fe80::1", "fe80::10a2:4bff:fe00:1", "192.168.1.20"]);
}
