//! What the service manager (systemd, `Type=notify` or `notify-reload`) is told.
//!
//! Owns: the datagrams to `NOTIFY_SOCKET`. May not know: who is connected, what is in the core. Driven by: the event loop.
//!
//! **Nothing here waits**: a manager that does not read must not hold up the event loop. What it must hear (ready,
//! reloading, stopping) is kept and sent again later; a sign of life that does not fit is dropped, for it would be stale.
//! Signs of life come from the event loop itself, so that they end when it is stuck.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

use super::sys;
use crate::limits;

/// The variables that a service manager sets for this process alone.
const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The way to the service manager; one that leads nowhere is as good as none.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    /// What it must hear and has not taken yet, oldest first.
    waiting: RefCell<VecDeque<String>>,
    /// The last status that it took.
    status: RefCell<String>,
    failed: Cell<bool>,
}

impl Notifier {
    /// Takes what the service manager said out of the environment, so that no child inherits it. **Only before there is
    /// another thread.** In the second place: why the manager cannot be told anything.
    pub fn take() -> (Notifier, Option<String>) {
        let watchdog = sd_notify::watchdog_enabled().filter(|every| !every.is_zero());
        let name = std::env::var_os("NOTIFY_SOCKET");
        for variable in VARIABLES {
            sys::forget_variable(variable);
        }
        let Some(name) = name else { return (Notifier::default(), None) };
        match connect(&name) {
            Ok(to) => (Notifier { to: Some(to), watchdog, ..Notifier::default() }, None),
            Err(error) => {
                let words =
                    format!("the service manager cannot be told anything: NOTIFY_SOCKET {name:?}: {error}");
                (Notifier::default(), Some(words))
            }
        }
    }

    /// Clients can connect.
    pub fn ready(&self) {
        self.say(&[NotifyState::Ready]);
    }

    /// The settings are read again; [`Notifier::ready`] follows.
    pub fn reloading(&self) {
        // A reload without this time is a failed one for systemd.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.say(&[NotifyState::Reloading, now]);
        }
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.say(&[NotifyState::Stopping]);
    }

    /// How things stand, in words. Sends also what did not fit before.
    pub fn status(&self, words: &str) {
        self.flush();
        if *self.status.borrow() == words || !self.waiting.borrow().is_empty() {
            return;
        }
        let line: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if let Ok(true) = self.send(&text(&[NotifyState::Status(&line)])) {
            words.clone_into(&mut self.status.borrow_mut());
        }
    }

    /// How often the event loop must show that it turns.
    pub fn watchdog(&self) -> Option<Duration> {
        // Half the time that the manager waits, as it recommends; tokio's clock is no finer than a millisecond.
        self.watchdog.map(|every| (every / 2).max(Duration::from_millis(1)))
    }

    /// The event loop turns.
    pub fn alive(&self) {
        self.flush();
        let _ = self.send(&text(&[NotifyState::Watchdog]));
    }

    fn say(&self, states: &[NotifyState<'_>]) {
        if self.to.is_none() {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= limits::MAX_NOTICES {
            waiting.pop_front();
        }
        waiting.push_back(text(states));
        drop(waiting);
        self.flush();
    }

    fn flush(&self) {
        let mut waiting = self.waiting.borrow_mut();
        // What fails for good is dropped: the next one may get through.
        while waiting.front().is_some_and(|message| !matches!(self.send(message), Ok(false))) {
            waiting.pop_front();
        }
    }

    /// Whether the manager had room for it.
    fn send(&self, message: &str) -> io::Result<bool> {
        let Some((socket, to)) = &self.to else { return Ok(true) };
        match socket.send_to_addr(message.as_bytes(), to) {
            Ok(_) => {
                self.failed.set(false);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => {
                if !self.failed.replace(true) {
                    tracing::warn!("the service manager cannot be told anything: {error}");
                }
                Err(error)
            }
        }
    }
}

fn text(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{state}\n")).collect()
}

fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let to = match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(rest)?,
        _ => return Err(io::Error::other("it is neither a path nor an abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn notifier(path: &Path) -> Notifier {
        Notifier { to: Some(connect(path.as_os_str()).unwrap()), ..Notifier::default() }
    }

    fn next(manager: &UnixDatagram) -> String {
        let mut message = [0; 4096];
        let n = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..n]).into_owned()
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nothing_up_and_hears_it_later() {
        let dir = tempfile::tempdir().unwrap();
        let manager = UnixDatagram::bind(dir.path().join("n")).unwrap();
        let to = notifier(&dir.path().join("n"));
        let mut sent = 0;
        while let Ok(true) = to.send("X=1\n") {
            sent += 1;
        }
        to.ready();
        to.status("well");
        to.alive();
        to.stopping();
        assert_eq!(to.waiting.borrow().len(), 2);
        for _ in 0..sent {
            assert_eq!(next(&manager), "X=1\n");
        }
        to.status("well");
        assert_eq!(
            [next(&manager), next(&manager), next(&manager)],
            ["READY=1\n", "STOPPING=1\n", "STATUS=well\n"]
        );
        assert!(to.waiting.borrow().is_empty());
    }

    #[test]
    fn a_manager_that_never_reads_fills_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let _manager = UnixDatagram::bind(dir.path().join("n")).unwrap();
        let to = notifier(&dir.path().join("n"));
        for _ in 0..10_000 {
            to.reloading();
        }
        assert_eq!(to.waiting.borrow().len(), limits::MAX_NOTICES);
    }

    #[test]
    fn a_manager_that_comes_back_is_told_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n");
        let to = notifier(&path);
        to.ready();
        assert!(to.waiting.borrow().is_empty() && to.failed.get());
        let manager = UnixDatagram::bind(&path).unwrap();
        to.status("two\nlines");
        assert_eq!(next(&manager), "STATUS=two lines\n");
        to.status("two\nlines");
        to.alive();
        assert_eq!(next(&manager), "WATCHDOG=1\n", "a status is not repeated");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn abstract_names_lead_somewhere_and_others_do_not() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("twsmux-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let to = notifier(Path::new(&format!("@{name}")));
        to.ready();
        assert_eq!(next(&manager), "READY=1\n");
        assert!(connect(OsStr::new("vsock:2:1")).is_err());
        assert!(connect(OsStr::new("")).is_err());
    }

    /// Runs itself in a process of its own, because there the environment may be changed.
    #[test]
    fn a_child_inherits_nothing() {
        const INSIDE: &str = "NOTIFY_TEST_INSIDE";
        if std::env::var_os(INSIDE).is_some() {
            let (to, fault) = Notifier::take();
            assert!(to.to.is_some() && fault.is_none());
            assert_eq!(to.watchdog(), Some(Duration::from_secs(1)));
            let child = Command::new("env").output().unwrap();
            print!("{}", String::from_utf8_lossy(&child.stdout));
            return;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "shell::notify::tests::a_child_inherits_nothing",
                "--nocapture",
                "--test-threads=1",
            ])
            .envs([(INSIDE, "1"), ("NOTIFY_SOCKET", "/nowhere"), ("WATCHDOG_USEC", "2000000")])
            .env_remove("WATCHDOG_PID")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains(INSIDE),
            "the child printed its environment: {text}"
        );
        for variable in VARIABLES {
            assert!(!text.contains(variable), "{variable} in {text}");
        }
    }
}
