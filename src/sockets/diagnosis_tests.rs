//! The rules of the diagnosis on made-up snapshots. Real kernel states are in `tests/doctor.rs`.

use std::net::IpAddr;

use super::*;

const GATEWAY: &str = "127.0.0.1:4002";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn socket(local: &str, remote: &str, state: State, rx_queue: u32, inode: u64) -> Socket {
    Socket {
        local: at(local),
        remote: at(remote),
        state,
        rx_queue: Some(rx_queue),
        tx_queue: 0,
        uid: Some(1000),
        inode,
    }
}

fn listening() -> Socket {
    socket("[::]:4002", "[::]:0", State::Listen, 0, 1)
}

/// Both ends of a connection from this machine; the client's inode is `inode`, the Gateway's the one after it.
fn connection(client: &str, inode: u64) -> [Socket; 2] {
    [
        socket(client, GATEWAY, State::Established, 0, inode),
        socket(GATEWAY, client, State::Established, 0, inode + 1),
    ]
}

fn process(pid: u32, name: &str) -> Process {
    Process::new(pid, name, &[], "")
}

fn owners(holders: &[(u64, Process)]) -> Owners {
    let mut owners = Owners::default();
    holders.iter().for_each(|(inode, process)| owners.insert(*inode, process.clone()));
    owners
}

fn ask(gateway: &str, sockets: Vec<Socket>, owners: &Owners) -> Diagnosis {
    let addresses: Vec<IpAddr> = vec!["10.0.0.5".parse().unwrap()];
    let question = Question { name: gateway, addresses: &[at(gateway)], own: &[] };
    diagnose(&question, &Snapshot::from_parts(sockets, addresses), owners)
}

#[test]
fn each_verdict_has_its_own_exit_code_and_the_worse_the_smaller() {
    use Verdict::*;
    let by_severity = [Zombies, NothingListens, Foreign, Unknown];
    assert!(by_severity.is_sorted_by_key(|v| v.exit_code()));
    assert_eq!(Healthy.exit_code(), 0);
    assert_eq!(EXIT_CODES.iter().filter(|row| row.verdict.is_some()).count(), 5);
    for row in EXIT_CODES.iter().filter_map(|row| row.verdict.map(|v| (v, row.name))) {
        assert_eq!(serde_json::to_value(row.0).unwrap(), row.1, "one name everywhere");
    }
}

#[test]
fn a_listener_with_twsmux_alone_is_healthy() {
    let mut sockets = vec![listening()];
    sockets.extend(connection("127.0.0.1:50000", 10));
    let found = ask(GATEWAY, sockets, &owners(&[(1, process(7, "java")), (10, process(8, "twsmux"))]));
    assert_eq!(found.verdicts, [Verdict::Healthy]);
    assert_eq!((found.own.len(), found.foreign.len()), (1, 0));
    assert!(
        found.findings[0].happened.contains("Process 7 (java) listens"),
        "{}",
        found.findings[0].happened
    );
}

#[test]
fn a_connection_is_told_once_by_the_process_of_its_client() {
    let mut sockets = vec![listening()];
    sockets.extend(connection("127.0.0.1:50000", 10));
    let found = ask(GATEWAY, sockets, &owners(&[(10, process(9, "bot")), (11, process(7, "java"))]));
    assert_eq!(found.verdict, Verdict::Foreign);
    assert_eq!(found.foreign.len(), 1);
    assert_eq!((found.foreign[0].peer, found.foreign[0].processes[0].pid), (at("127.0.0.1:50000"), 9));
}

#[test]
fn a_connection_from_another_machine_is_named_by_address() {
    let sockets = vec![listening(), socket("10.0.0.5:4002", "10.0.0.9:50000", State::Established, 0, 11)];
    let found = ask(GATEWAY, sockets, &Owners::default());
    assert_eq!(found.verdict, Verdict::Foreign);
    assert_eq!((found.foreign[0].peer, found.foreign[0].uid), (at("10.0.0.9:50000"), None));
}

#[test]
fn connections_that_the_caller_made_are_its_own() {
    let mut sockets = vec![listening()];
    sockets.extend(connection("127.0.0.1:50000", 10));
    let question = Question { name: GATEWAY, addresses: &[at(GATEWAY)], own: &[at("127.0.0.1:50000")] };
    let found = diagnose(&question, &Snapshot::from_parts(sockets, vec![]), &Owners::default());
    assert_eq!(found.verdict, Verdict::Healthy);
}

#[test]
fn a_twsmux_that_hides_its_descriptors_accounts_for_one_connection_of_its_user() {
    let mut sockets = vec![listening()];
    sockets.extend(connection("127.0.0.1:50000", 10));
    let mut hiding = Owners::default();
    hiding.insert_hidden(Hidden::new(process(8, "twsmux"), 1000, vec![]));
    assert_eq!(ask(GATEWAY, sockets.clone(), &hiding).verdict, Verdict::Healthy);
    sockets.extend(connection("127.0.0.1:50001", 20));
    let found = ask(GATEWAY, sockets.clone(), &hiding);
    assert_eq!((found.own.len(), found.foreign.len()), (1, 1));
    let mut another_upstream = Owners::default();
    let args = ["twsmux", "run", "--upstream", "127.0.0.1:4001"].map(str::to_owned).to_vec();
    another_upstream.insert_hidden(Hidden::new(process(8, "twsmux"), 1000, args));
    assert_eq!(ask(GATEWAY, sockets.clone(), &another_upstream).foreign.len(), 2);
    let mut another_user = Owners::default();
    another_user.insert_hidden(Hidden::new(process(8, "twsmux"), 0, vec![]));
    assert_eq!(ask(GATEWAY, sockets, &another_user).foreign.len(), 2);
}

#[test]
fn what_is_unread_tells_the_kind_of_a_zombie() {
    let kind = |rx_queue, inode| {
        ZombieKind::of(&socket(GATEWAY, "127.0.0.1:50000", State::CloseWait, rx_queue, inode))
    };
    assert_eq!(kind(18, 5), ZombieKind::HandshakeUnread);
    assert_eq!(kind(1, 5), ZombieKind::FinUnread);
    assert_eq!(kind(0, 5), ZombieKind::NotClosed);
    assert_eq!([kind(0, 0), kind(1, 0), kind(18, 0)], [ZombieKind::NeverAccepted; 3]);
}

#[test]
fn zombies_and_foreign_are_both_told_and_zombies_set_the_exit_code() {
    let mut sockets = vec![listening(), socket(GATEWAY, "127.0.0.1:49999", State::CloseWait, 18, 5)];
    sockets.extend(connection("127.0.0.1:50000", 10));
    let found = ask(GATEWAY, sockets, &owners(&[(5, process(7, "java"))]));
    assert_eq!(found.verdicts, [Verdict::Zombies, Verdict::Foreign]);
    assert_eq!(found.exit_code, 1);
    assert_eq!(found.zombies[0].unread_bytes, 17);
    let steps = found.findings[0].next.join("\n");
    assert!(
        steps.contains("process 7 (java)") && steps.contains("two-factor") && steps.contains("only twsmux")
    );
}

#[test]
fn zombies_of_a_gateway_that_no_longer_listens_are_told_too() {
    let found =
        ask(GATEWAY, vec![socket(GATEWAY, "127.0.0.1:49999", State::CloseWait, 1, 5)], &Owners::default());
    assert_eq!(found.verdicts, [Verdict::Zombies, Verdict::NothingListens]);
}

#[test]
fn a_zombie_on_another_address_of_the_same_listener_counts() {
    let sockets = vec![listening(), socket("10.0.0.5:4002", "10.0.0.9:50000", State::CloseWait, 1, 5)];
    assert_eq!(ask(GATEWAY, sockets, &Owners::default()).verdict, Verdict::Zombies);
}

#[test]
fn another_port_and_another_machine_s_gateway_are_no_concern_of_this_one() {
    let sockets = vec![
        listening(),
        socket("127.0.0.1:4001", "127.0.0.1:50000", State::CloseWait, 1, 5),
        socket("10.0.0.5:50000", "10.0.0.9:4002", State::Established, 0, 6),
        socket("127.0.0.1:50001", GATEWAY, State::FinWait2, 0, 0),
        socket("127.0.0.1:50002", GATEWAY, State::TimeWait, 0, 0),
    ];
    assert_eq!(ask(GATEWAY, sockets, &Owners::default()).verdicts, [Verdict::Healthy]);
}

#[test]
fn nothing_at_the_port_is_its_own_verdict() {
    let found = ask(GATEWAY, vec![], &Owners::default());
    assert_eq!((found.verdicts, found.exit_code), (vec![Verdict::NothingListens], 3));
}

#[test]
fn an_address_elsewhere_is_unknown_and_what_dials_it_from_here_is_still_told() {
    let found = ask("10.0.0.9:4002", vec![listening()], &Owners::default());
    assert_eq!((found.verdicts, found.exit_code), (vec![Verdict::Unknown], 5));
    assert_eq!(found.unknown, Some(OutOfSight::NotOnThisMachine));
    let dialled = vec![socket("10.0.0.5:50000", "10.0.0.9:4002", State::Established, 0, 6)];
    assert_eq!(
        ask("10.0.0.9:4002", dialled.clone(), &Owners::default()).verdicts,
        [Verdict::Foreign, Verdict::Unknown]
    );
    let found = ask("10.0.0.9:4002", dialled, &owners(&[(6, process(8, "twsmux"))]));
    assert_eq!(found.verdicts, [Verdict::Unknown], "twsmux is there, the Gateway still out of sight");
}

#[test]
fn behind_a_forwarder_the_gateway_is_unknown() {
    let found = ask(GATEWAY, vec![listening()], &owners(&[(1, process(9, "docker-proxy"))]));
    assert_eq!(found.verdicts, [Verdict::Unknown]);
    let mut hiding = Owners::default();
    let args = ["docker-proxy", "-host-port", "4002"].map(str::to_owned).to_vec();
    hiding.insert_hidden(Hidden::new(process(9, "docker-proxy"), 1000, args));
    assert_eq!(ask(GATEWAY, vec![listening()], &hiding).verdicts, [Verdict::Unknown]);
}

#[test]
fn the_clients_of_a_twsmux_are_not_foreign_to_it() {
    let mut sockets = vec![listening()];
    sockets.extend(connection("127.0.0.1:50000", 10));
    let found = ask(GATEWAY, sockets, &owners(&[(1, process(8, "twsmux")), (10, process(9, "bot"))]));
    assert_eq!(found.verdicts, [Verdict::Unknown]);
    assert!(found.findings[0].happened.contains("twsmux itself"));
}

#[test]
fn the_built_in_simulator_of_a_twsmux_is_a_gateway() {
    let mut sockets = vec![listening()];
    sockets.extend(connection("127.0.0.1:50000", 10));
    let twsmux = process(8, "twsmux");
    let found = ask(GATEWAY, sockets, &owners(&[(1, twsmux.clone()), (10, twsmux)]));
    assert_eq!(found.verdicts, [Verdict::Healthy]);
}

#[test]
fn connections_that_end_in_another_namespace_make_it_unknown() {
    let sockets = vec![socket("127.0.0.1:50000", GATEWAY, State::Established, 0, 10)];
    let found = ask(GATEWAY, sockets, &owners(&[(10, process(8, "twsmux"))]));
    assert_eq!(found.verdicts, [Verdict::Unknown]);
    assert_eq!(found.unknown, Some(OutOfSight::OtherNamespace));
}

#[test]
fn the_count_for_the_run_loop_agrees() {
    let count = |sockets, addr| zombies_in(&Snapshot::from_parts(sockets, vec![]), at(addr));
    let zombie = || socket(GATEWAY, "127.0.0.1:49999", State::CloseWait, 1, 5);
    assert_eq!(count(vec![listening(), zombie()], GATEWAY), Some(vec![ZombieKind::FinUnread]));
    assert_eq!(count(vec![], GATEWAY), Some(vec![]));
    assert_eq!(count(vec![zombie()], "10.0.0.9:4002"), None);
    assert_eq!(count(vec![socket("127.0.0.1:50000", GATEWAY, State::Established, 0, 10)], GATEWAY), None);
}

#[test]
fn the_exit_codes_in_the_manual_are_those_of_the_program() {
    let manual = include_str!("../../docs/operations.md");
    let cell = |row: &str, i: usize| row.split('|').nth(i).map(|c| c.trim().trim_matches('`').to_owned());
    let rows = manual.lines().skip_while(|l| !l.starts_with("| exit code | verdict |")).skip(2);
    let documented: Vec<(String, String)> =
        rows.take_while(|l| l.starts_with('|')).map(|l| (cell(l, 1).unwrap(), cell(l, 2).unwrap())).collect();
    let coded: Vec<(String, String)> =
        EXIT_CODES.iter().map(|row| (row.code.to_string(), row.name.to_owned())).collect();
    assert_eq!(documented, coded);
}

#[test]
fn the_field_names_of_the_json_are_kept() {
    let mut sockets = vec![listening(), socket(GATEWAY, "127.0.0.1:49999", State::CloseWait, 18, 5)];
    sockets.extend(connection("127.0.0.1:50000", 10));
    let json = serde_json::to_value(ask(GATEWAY, sockets, &owners(&[(10, process(9, "bot"))]))).unwrap();
    let keys = |v: &serde_json::Value| {
        let mut keys: Vec<String> = v.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(
        keys(&json),
        "exit_code findings foreign gateway listeners own unknown verdict verdicts zombies"
    );
    assert_eq!(keys(&json["zombies"][0]), "kind local peer peer_processes processes unread_bytes");
    assert_eq!(keys(&json["foreign"][0]), "peer processes state uid");
    assert_eq!(keys(&json["listeners"][0]), "accept_queue address processes uid");
    assert_eq!(keys(&json["findings"][0]), "happened next verdict");
    assert_eq!(json["foreign"][0]["processes"][0], serde_json::json!({"pid": 9, "command": "bot"}));
    assert_eq!(
        (json["verdict"].as_str(), json["zombies"][0]["kind"].as_str(), json["foreign"][0]["state"].as_str()),
        (Some("zombies"), Some("handshake_unread"), Some("ESTABLISHED"))
    );
}
