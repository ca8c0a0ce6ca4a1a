//! The simulated Gateway's zombies are real: the kernel's own table shows them.

mod support;

use std::{net::Shutdown, time::Duration};

use support::{wait_for, wait_until};
use twsmux::{
    sim::{
        self, SimConfig, SimHandle, ZombieMode,
        client::{ApiClient, ClientError, PATIENCE},
    },
    sockets::{Snapshot, State, ZombieKind},
};

fn gateway(zombie: ZombieMode) -> SimHandle {
    sim::spawn(SimConfig { zombie, ..SimConfig::default() }).expect("the simulated Gateway starts")
}

/// A client that has read everything: closing a socket with unread bytes would be a reset.
fn settled(gateway: &SimHandle, client_id: i32) -> ApiClient {
    let mut client = ApiClient::open(gateway.address(), 176, client_id).unwrap();
    client.fence().unwrap();
    client
}

fn kinds(gateway: &SimHandle) -> Vec<ZombieKind> {
    let port = gateway.address().port();
    let table = Snapshot::of_port(port).expect("the kernel's table");
    let mine = table.sockets().iter().filter(|s| s.local.port() == port && s.state == State::CloseWait);
    mine.map(ZombieKind::of).collect()
}

fn is_unanswered(client: &mut ApiClient) {
    client.patience = Duration::from_millis(150);
    assert!(
        matches!(client.greet(100, 176, ""), Err(ClientError::Timeout { .. })),
        "a handshake was answered"
    );
    client.patience = PATIENCE;
}

#[test]
fn a_healthy_gateway_leaves_nothing_behind() {
    let gateway = gateway(ZombieMode::Off);
    drop(settled(&gateway, 1));
    gateway.wait(PATIENCE, |s| s.fins == 1 && s.open == 0).unwrap();
    wait_until("no CLOSE_WAIT", || kinds(&gateway).is_empty());
}

#[test]
fn a_closed_client_stays_in_close_wait_and_blocks_every_later_handshake() {
    for (mode, kind) in
        [(ZombieMode::EofRead, ZombieKind::NotClosed), (ZombieMode::FinUnread, ZombieKind::FinUnread)]
    {
        let gateway = gateway(mode);
        let mut before = ApiClient::open(gateway.address(), 176, 1).unwrap();
        drop(settled(&gateway, 2));
        gateway.wait(PATIENCE, |s| s.zombies == 1).unwrap();
        wait_until("one zombie of its kind", || kinds(&gateway) == [kind]);
        let mut after = ApiClient::dial(gateway.address()).unwrap();
        is_unanswered(&mut after);
        // Who was served before is served on.
        before.fence().unwrap();
        drop(after);
        let all = wait_for("the second zombie", || Some(kinds(&gateway)).filter(|k| k.len() == 2));
        assert!(all.contains(&ZombieKind::HandshakeUnread), "{mode:?}: {all:?}");
        assert_eq!(gateway.stats().zombies, 2);
    }
}

#[test]
fn a_reset_frees_the_zombie_and_later_handshakes_are_answered() {
    for mode in [ZombieMode::EofRead, ZombieMode::FinUnread] {
        let gateway = gateway(mode);
        let half_closed = ApiClient::open(gateway.address(), 176, 1).unwrap();
        half_closed.stream().shutdown(Shutdown::Write).unwrap();
        gateway.wait(PATIENCE, |s| s.zombies == 1).unwrap();
        let mut waiting = ApiClient::dial(gateway.address()).unwrap();
        is_unanswered(&mut waiting);
        half_closed.reset().unwrap();
        gateway.wait(PATIENCE, |s| s.zombies == 0 && s.resets == 1).unwrap();
        // The greeting was sent long ago; now it is answered.
        assert_eq!(waiting.hello().unwrap().version, 176);
        ApiClient::open(gateway.address(), 176, 1).unwrap();
    }
}

#[test]
fn a_client_that_resets_never_becomes_a_zombie() {
    let gateway = gateway(ZombieMode::EofRead);
    for client_id in 0..5 {
        ApiClient::open(gateway.address(), 176, client_id).unwrap().reset().unwrap();
        gateway.wait(PATIENCE, |s| s.resets == client_id as u64 + 1 && s.open == 0).unwrap();
    }
    assert_eq!(gateway.stats().fins, 0);
    assert!(kinds(&gateway).is_empty());
}

#[test]
fn a_wedged_listener_leaves_the_handshake_unread() {
    let gateway = gateway(ZombieMode::HandshakeUnread);
    let mut client = ApiClient::dial(gateway.address()).unwrap();
    is_unanswered(&mut client);
    drop(client);
    wait_until("an unread handshake", || kinds(&gateway) == [ZombieKind::HandshakeUnread]);
    assert_eq!(gateway.stats().handshakes_started, 0);
}

#[test]
fn a_listener_that_never_accepts_leaves_sockets_without_an_owner() {
    let gateway = gateway(ZombieMode::NeverAccepted);
    let mut client = ApiClient::dial(gateway.address()).unwrap();
    is_unanswered(&mut client);
    drop(client);
    wait_until("a socket that nobody took", || kinds(&gateway) == [ZombieKind::NeverAccepted]);
    assert_eq!(gateway.stats().accepted, 0);
}
