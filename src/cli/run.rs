//! `twsmux run`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use crate::config::{Given, Live};
use crate::shell::notify::Notifier;
use crate::shell::reload::{Reload, Reloaded};
use crate::shell::run::{Addresses, Settings};
use crate::shell::state_dir;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    given: Given,
}

/// Exit code for settings that are wrong; the same as clap's for arguments.
const USAGE: u8 = 2;

/// Runs the multiplexer until SIGTERM.
pub fn run(args: RunArgs) -> ExitCode {
    // First of all: the environment may only be changed while there is one thread.
    let (notifier, fault) = Notifier::take();
    crate::telemetry::init_logs();
    end_on_panic();
    if let Some(words) = fault {
        tracing::warn!("{words}");
    }
    let effective = match args.given.complete() {
        Ok(effective) => effective,
        Err(error) => return super::fail(USAGE, error),
    };
    let live = Live::new(args.given, &effective);
    for warning in effective.rules.tls.iter().flat_map(|tls| &tls.warnings) {
        tracing::warn!("{warning}");
    }
    let options = effective.options;
    let name = options.upstream_name().to_owned();
    // Both live until the end: the simulated Gateway, and its state directory, which is a temporary one.
    let (mut _sim, mut _temporary) = (None, None);
    // Absolute: others are told of files in it, and stand elsewhere.
    let state_dir = options.state_dir.clone().unwrap_or_else(state_dir::default_root);
    let mut state_dir = match std::path::absolute(&state_dir) {
        Ok(path) => path,
        Err(error) => {
            return super::fail(USAGE, format!("the state directory {}: {error}", state_dir.display()));
        }
    };
    let upstream = if name == "sim" {
        match crate::sim::spawn(simulated(&options.core())) {
            Ok(handle) => {
                let addr = handle.address();
                _sim = Some(handle);
                if options.state_dir.is_none() {
                    match TemporaryDir::new() {
                        Ok(dir) => {
                            state_dir = dir.0.clone();
                            _temporary = Some(dir);
                        }
                        Err(error) => {
                            return super::fail(1, format!("no temporary state directory: {error}"));
                        }
                    }
                }
                addr
            }
            Err(error) => return super::fail(1, format!("cannot start the simulated Gateway: {error}")),
        }
    } else {
        match resolve(&name) {
            Ok(addr) => addr,
            Err(words) => return super::fail(USAGE, words),
        }
    };
    let mut core = options.core();
    core.gateway = if name == "sim" { format!("{upstream} (simulated)") } else { name };
    core.seed = u64::from(std::process::id());
    let settings = Settings {
        core,
        upstream,
        upstream_close: options.upstream_close.unwrap_or_default(),
        listen: options.listeners(),
        rules: effective.rules,
        socket_mode: options.socket_mode(),
        admin: options.admin_address(),
        admin_socket: options.admin_socket(),
        state_dir,
        reload: reload(live),
        notifier,
        die: options.die,
        capture: options.capture_request(),
    };
    match crate::shell::run::run(settings, print_ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(1, error),
    }
}

/// How the settings are read again.
fn reload(mut live: Live) -> Reload {
    let file = live.file();
    let read = move || {
        let change = live.reload().map_err(|error| error.to_string())?;
        Ok(Reloaded {
            core: change.options.core(),
            rules: change.rules,
            upstream_close: change.options.upstream_close.unwrap_or_default(),
            applied: change.applied,
            restart: change.restart,
        })
    };
    Reload { file, read: Box::new(read) }
}

/// The built-in simulated Gateway: it speaks the version that is asked for, and lives now. It does
/// not limit the message rate: on a busy machine it reads late, and would take the messages of two seconds for one's.
fn simulated(core: &crate::core::Config) -> crate::sim::SimConfig {
    let d = crate::sim::SimConfig::default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    crate::sim::SimConfig {
        max_version: core.max_server_version,
        epoch: now.map_or(d.epoch, |now| now.as_secs()),
        messages_per_second: None,
        ..d
    }
}

fn print_ready(addresses: &Addresses) {
    let listen: Vec<String> = addresses.listen.iter().map(ToString::to_string).collect();
    println!("ready listen={} admin={} upstream={}", listen.join(","), addresses.admin, addresses.upstream);
}

/// The address of an upstream by name.
pub(super) fn resolve(name: &str) -> Result<SocketAddr, String> {
    let mut found = name.to_socket_addrs().map_err(|error| {
        format!("the upstream {name:?} is not an address: {error}. It must be HOST:PORT, for example 127.0.0.1:4002")
    })?;
    found.next().ok_or_else(|| format!("the upstream {name:?} has no address"))
}

/// A panic anywhere ends the process at once: half a multiplexer must not hold the Gateway's socket.
fn end_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        crate::capture::writer::settle(crate::limits::CAPTURE_PANIC_TIME);
        crate::telemetry::flush_logs();
        std::process::exit(101);
    }));
}

/// A folder that goes with the process.
struct TemporaryDir(std::path::PathBuf);

impl TemporaryDir {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("twsmux-sim-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(TemporaryDir(path))
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
