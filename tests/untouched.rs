//! Whatever looks at twsmux or at the Gateway's port leaves the Gateway alone: no connection, no message, counted at the
//! simulated Gateway itself.

mod support;

use std::process::{Command, Stdio};

use serde_json::json;
use support::{Mux, mux_for, sim, wait_until};
use twsmux::sim::{SimHandle, ZombieMode};

fn twsmux(arguments: &[&str]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("the binary runs").code()
}

/// Sockets accepted and messages received by id, without twsmux's own signs of life.
fn heard(gateway: &SimHandle) -> (u64, Vec<(u32, u64)>) {
    let stats = gateway.stats();
    let messages = stats.by_id.iter().filter(|(id, _)| **id != 49).map(|(id, n)| (*id, *n)).collect();
    (stats.accepted, messages)
}

/// Everything that looks, each several times and also at once. Gives back the exit codes of the commands.
fn look(gateway: &SimHandle, mux: &Mux) -> Vec<Option<i32>> {
    let (port, connect, admin) =
        (gateway.address().to_string(), mux.listen.to_string(), mux.admin.to_string());
    let commands: [&[&str]; 8] = [
        &["doctor", "--gateway", &port],
        &["doctor", "--gateway", &port, "--json"],
        &["doctor", "--gateway", &port, "--destroy-zombies", "--yes"],
        &["check", "--connect", &connect, "--timeout", "20"],
        &["check", "--connect", &connect, "--timeout", "20", "--json"],
        &["check", "--connect", &connect, "--timeout", "20", "--alive"],
        &["status", "--admin", &admin],
        &["status", "--admin", &admin, "--json"],
    ];
    std::thread::scope(|scope| {
        let pages = ["/livez", "/readyz", "/status", "/metrics", "/"];
        for page in pages {
            scope.spawn(move || {
                for _ in 0..20 {
                    let (code, body) = mux.answer(page);
                    assert!([200, 503].contains(&code) && !body.is_empty(), "{page}: {code}");
                }
            });
        }
        let codes: Vec<_> =
            commands.iter().map(|command| scope.spawn(move || (twsmux(command), twsmux(command)))).collect();
        codes
            .into_iter()
            .map(|run| {
                let (once, again) = run.join().unwrap();
                assert_eq!(once, again);
                once
            })
            .collect()
    })
}

#[test]
fn a_gateway_that_is_well_hears_of_nobody_who_looks() {
    let gateway = sim(|c| c.zombie = ZombieMode::EofRead);
    let mux = mux_for(&gateway, &[]);
    // The first check waits until twsmux knows the clock.
    assert_eq!(twsmux(&["check", "--connect", &mux.listen.to_string(), "--timeout", "20"]), Some(0));
    let before = heard(&gateway);
    assert_eq!(before.0, 1, "twsmux's own connection");
    let codes = look(&gateway, &mux);
    assert_eq!(codes, [0, 0, 6, 0, 0, 0, 0, 0].map(Some));
    wait_until("twsmux to have forgotten the checks", || mux.status("/clients") == json!([]));
    assert_eq!(heard(&gateway), before);
    let stats = gateway.stats();
    assert_eq!((stats.most_open, stats.fins, stats.resets, stats.zombies), (1, 0, 0, 0));
}

#[test]
fn a_gateway_in_trouble_hears_of_nobody_either() {
    // It accepts and reads nothing: whoever dialled it would be seen, and would be stuck.
    let gateway = sim(|c| c.zombie = ZombieMode::HandshakeUnread);
    let mux = Mux::start(&gateway.address().to_string(), &[]);
    mux.wait_log("not read the greeting");
    let before = heard(&gateway);
    assert_eq!(before.0, 1, "twsmux's own connection");
    let codes = look(&gateway, &mux);
    assert_eq!(codes[3..5], [Some(4), Some(4)], "check says that the Gateway is away");
    assert_eq!((codes[0], codes[5], codes[6]), (Some(0), Some(0), Some(0)));
    assert_eq!(heard(&gateway), before);
}
