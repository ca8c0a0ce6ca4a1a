//! What a person can do about a Gateway in trouble: the sentences that `twsmux doctor` and a running twsmux both say.
//!
//! Owns: each of these sentences, once. May not know: when one is said. Driven by: `sockets::words`, `core::trouble`.

/// The words of both kinds of restart.
macro_rules! restart {
    () => {
        "Restart IB Gateway (or TWS). The restart needs a new login with two-factor confirmation: do it while somebody can \
         confirm."
    };
}

/// The cure for a Gateway that hangs. **It costs a login**, hence the second half.
pub const RESTART: &str = restart!();

/// The same where something cheaper may do.
pub const RESTART_AT_LAST: &str = concat!("If none of this helps: ", restart!());

/// Cheaper than a restart, and no promise.
pub fn destroy(gateway: &str) -> String {
    format!(
        "To spare a login it can be tried to end them in the kernel: `sudo twsmux doctor --gateway {gateway} --destroy-zombies`. \
         It may not be enough; then a restart is."
    )
}

/// So that it does not happen again.
pub const ONLY_TWSMUX: &str = "Afterwards let only twsmux connect to the Gateway: point every other program, script and health \
                               check at twsmux.";

/// For a Gateway that is not there.
pub const START: &str = "Start IB Gateway (or TWS) and log in, two-factor confirmation included. It does not listen before the \
                         login is done.";

/// For a Gateway that is somewhere else.
pub const CHECK_PORT: &str = "If it runs: check in its API settings that socket clients are enabled, and which port it uses \
                              (Gateway: 4001 live, 4002 paper; TWS: 7496 live, 7497 paper).";

/// For a Gateway whose sockets are out of sight.
pub const LOOK_THERE: &str =
    "Run `twsmux doctor` where the Gateway runs: on its host, or inside its container or network namespace.";
