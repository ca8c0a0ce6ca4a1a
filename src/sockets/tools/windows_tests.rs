//! Tables of Windows 10 and 11; `tests/socket_tables/README.md` says where their form is from.

use super::*;
use crate::sockets::diagnosis::{Diagnosis, Question, Verdict, ZombieKind, diagnose};
use crate::sockets::owners::{Owners, Role};
use crate::sockets::table::Snapshot;

const ENGLISH: &str = include_str!("../../../tests/socket_tables/windows_11_netstat.txt");
const GERMAN: &[u8] = include_bytes!("../../../tests/socket_tables/windows_10_german_netstat.txt");
const TASKS: &str = include_str!("../../../tests/socket_tables/windows_tasklist.csv");

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What doctor says of a table.
fn doctor(netstat: &str, gateway: &str) -> Diagnosis {
    let (found, addresses) = sockets(netstat, Some(4002)).unwrap();
    let mut owners = Owners::default();
    for (pid, process) in processes(TASKS) {
        owners.insert(pid.into(), process);
    }
    let question = Question { name: gateway, addresses: &[at(gateway)], own: &[] };
    diagnose(&question, &Snapshot::from_parts(found, addresses), &owners)
}

#[test]
fn zombies_and_foreign_programs_are_told_with_their_processes() {
    let found = doctor(ENGLISH, "127.0.0.1:4002");
    assert_eq!(found.verdicts, [Verdict::Zombies, Verdict::Foreign]);
    let zombies: Vec<_> = found.zombies.iter().map(|z| (z.peer, z.kind, z.unread_bytes)).collect();
    assert_eq!(
        zombies,
        [(at("127.0.0.1:52113"), ZombieKind::NotShown, 0), (at("[::1]:52130"), ZombieKind::NotShown, 0)]
    );
    assert_eq!(
        (found.zombies[0].processes[0].pid, &found.zombies[0].processes[0].command[..]),
        (9124, "java")
    );
    assert_eq!(found.foreign.len(), 1, "{found}");
    assert_eq!((found.foreign[0].peer.port(), &found.foreign[0].processes[0].command[..]), (52120, "python"));
    assert!(found.to_string().contains("what is unread this system does not show"), "{found}");
}

#[test]
fn a_german_windows_says_the_same_in_its_code_page() {
    assert!(GERMAN.contains(&0x99), "the umlaut of code page 850 is no UTF-8");
    let found = doctor(&String::from_utf8_lossy(GERMAN), "127.0.0.1:4002");
    assert_eq!(found.verdicts, [Verdict::Zombies, Verdict::Foreign]);
    assert_eq!((found.listeners.len(), found.zombies.len(), found.foreign.len()), (1, 1, 1));
}

#[test]
fn the_addresses_of_the_machine_are_those_of_its_sockets_udp_too() {
    let (_, addresses) = sockets(ENGLISH, Some(4002)).unwrap();
    for known in ["192.168.1.20", "fe80::9c1:2", "127.0.0.1"] {
        assert!(addresses.contains(&known.parse().unwrap()), "{known}");
    }
    assert_eq!(doctor(ENGLISH, "192.168.1.20:4002").unknown, None);
    assert_eq!(doctor(ENGLISH, "192.168.1.77:4002").verdict, Verdict::Unknown);
}

#[test]
fn a_state_in_another_language_is_no_good_news() {
    let error = |text: &str| sockets(text, Some(4002)).err().map(|e| e.to_string());
    let foreign = ENGLISH.replace("CLOSE_WAIT", "FERMETURE EN ATTENTE");
    let words = error(&foreign).expect("it may be a zombie");
    assert!(words.contains("FERMETURE EN ATTENTE") && words.contains("language"), "{words}");
    // A listener is known without its word, and rows of other ports are nobody's concern.
    assert_eq!(error(&ENGLISH.replace("LISTENING", "\u{e9}coute")), None);
    assert_eq!(error(&ENGLISH.replace("93.184.216.34:443    ESTABLISHED", "93.184.216.34:443    X")), None);
    assert!(error("").is_some() && error("Access is denied.").is_some(), "no row is no empty table");
    assert!(error(&ENGLISH.replace("127.0.0.1:52113  ", "127.0.0.1-52113  ")).is_some());
}

#[test]
fn images_name_the_processes() {
    let all = processes(TASKS);
    assert_eq!((&all[&9124].command[..], all[&9124].role), ("java", Role::Other));
    assert_eq!((&all[&7801].command[..], all[&7801].role), ("twsmux", Role::Twsmux));
    assert_eq!(all.len(), 4);
}
