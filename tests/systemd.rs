//! What systemd hears, with a socket of our own in its place.

mod support;

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use support::{Manners, Mux, PATIENCE, Standin, sim, wait_for};
use twsmux::sim::client::ApiClient;

/// A service manager's end of `NOTIFY_SOCKET`.
struct Manager {
    dir: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Manager {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { dir, socket }
    }

    /// Starts twsmux as a service.
    fn start(&self, upstream: &str, variables: &[(&str, &str)], more: &[&str]) -> Mux {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twsmux"));
        command.env("NOTIFY_SOCKET", self.dir.path().join("notify")).envs(variables.iter().copied());
        Mux::spawn(command, &self.dir.path().join("state"), upstream, more)
    }

    /// The next message; `None` when none comes.
    fn next(&self) -> Option<String> {
        let mut message = [0; 8192];
        let n = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..n]).into_owned())
    }

    /// Messages up to one that begins so; all before it must be of the kinds that may come at any time.
    fn until(&self, wanted: &str) -> String {
        loop {
            let message = self.next().unwrap_or_else(|| panic!("waited in vain for {wanted}"));
            if message.starts_with(wanted) {
                return message;
            }
            let passing = message.starts_with("STATUS=") || message == "WATCHDOG=1\n";
            assert!(passing, "{message:?} before {wanted}");
        }
    }
}

fn monotonic_us() -> i128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000
}

#[test]
fn it_says_when_it_listens_how_it_stands_and_when_it_stops() {
    let manager = Manager::new();
    let gateway = Standin::start(Manners::Mute);
    let mut mux = manager.start(&gateway.addr.to_string(), &[], &[]);
    assert_eq!(manager.until("READY=1"), "READY=1\n");
    // Ready is who listens; the Gateway is another matter, and the status names it.
    let mut client = ApiClient::dial(mux.listen).expect("it listens");
    assert!(client.greet(100, 176, "").is_ok());
    wait_for("the diagnosis", || {
        let status = manager.until("STATUS=");
        // Later it is looked at what the Gateway has done with the connection.
        ["has not answered the handshake yet", "not read the greeting"]
            .iter()
            .find(|w| status.contains(**w))
            .copied()
    });
    mux.signal("TERM");
    assert_eq!(manager.until("STOPPING=1"), "STOPPING=1\n");
    assert!(mux.wait_exit().success());
}

#[test]
fn a_status_follows_the_gateway() {
    let manager = Manager::new();
    let gateway = sim(|_| {});
    let _mux = manager.start(&gateway.address().to_string(), &[], &[]);
    manager.until("READY=1");
    wait_for("the good news", || {
        manager.until("STATUS=").starts_with("STATUS=connected to the Gateway at").then_some(())
    });
    gateway.refuse_connections().unwrap();
    gateway.close_all(twsmux::sim::Close::Reset);
    wait_for("the bad news", || {
        (!manager.until("STATUS=").starts_with("STATUS=connected to the Gateway at")).then_some(())
    });
}

#[test]
fn each_reading_of_the_file_begins_and_ends_for_systemd() {
    let manager = Manager::new();
    let gateway = sim(|_| {});
    let file = manager.dir.path().join("twsmux.toml");
    std::fs::write(&file, "").unwrap();
    let mux = manager.start(&gateway.address().to_string(), &[], &["--config", &file.display().to_string()]);
    manager.until("READY=1");
    for text in ["backoff_min = 1.0", "backoff_min = \"soon\""] {
        std::fs::write(&file, text).unwrap();
        let before = monotonic_us();
        mux.signal("HUP");
        let message = manager.until("RELOADING=1");
        let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("the time of it");
        let time: i128 = time.trim_end().parse().unwrap();
        assert!((before..=monotonic_us()).contains(&time), "{before} {time}");
        assert_eq!(manager.until("READY=1"), "READY=1\n");
    }
    wait_for("the mistake in the status", || {
        manager.until("STATUS=").contains("key backoff_min").then_some(())
    });
}

#[test]
fn a_hangup_without_a_file_is_a_reload_too() {
    let manager = Manager::new();
    let gateway = sim(|_| {});
    let mux = manager.start(&gateway.address().to_string(), &[], &[]);
    manager.until("READY=1");
    mux.signal("HUP");
    manager.until("RELOADING=1");
    manager.until("READY=1");
}

#[test]
fn a_loop_that_is_stuck_shows_no_life() {
    let manager = Manager::new();
    let gateway = sim(|_| {});
    let address = gateway.address().to_string();
    gateway.delay_handshakes(Duration::from_secs(1));
    let mux = manager.start(&address, &[("WATCHDOG_USEC", "100000")], &["--die", "hang-when-ready"]);
    manager.until("READY=1");
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    mux.wait_log("told to hang once ready");
    manager.socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // What was sent before is still to be read: not more than in the time until it hung.
    let left = std::iter::from_fn(|| manager.next()).take(1000).count();
    assert!(left < 1000, "signs of life of a loop that is stuck");
    assert!(manager.next().is_none(), "ten signs of life are due");
    assert!(mux.page("/livez").contains("alive"), "the process is there, and its other threads");
}

#[test]
fn a_watchdog_for_another_process_is_none() {
    let manager = Manager::new();
    let gateway = sim(|_| {});
    let mut mux = manager.start(
        &gateway.address().to_string(),
        &[("WATCHDOG_USEC", "20000"), ("WATCHDOG_PID", "1")],
        &[],
    );
    mux.wait_ready();
    wait_for("some pictures", || (mux.status("/upstream/ready") == true).then_some(()));
    mux.signal("TERM");
    assert!(mux.wait_exit().success());
    manager.socket.set_nonblocking(true).unwrap();
    let heard: Vec<String> = std::iter::from_fn(|| manager.next()).collect();
    assert!(heard.iter().any(|m| m == "STOPPING=1\n"), "{heard:?}");
    assert!(!heard.iter().any(|m| m.contains("WATCHDOG")), "{heard:?}");
}

#[test]
fn a_manager_that_is_not_there_changes_nothing() {
    let manager = Manager::new();
    std::fs::remove_file(manager.dir.path().join("notify")).unwrap();
    let gateway = sim(|_| {});
    let mut mux = manager.start(&gateway.address().to_string(), &[("WATCHDOG_USEC", "20000")], &[]);
    mux.wait_ready();
    mux.wait_log("the service manager cannot be told anything");
    mux.signal("TERM");
    assert!(mux.wait_exit().success());
    let complaints = mux.log().matches("the service manager cannot be told anything").count();
    assert_eq!(complaints, 1, "once, not for each message");
}
