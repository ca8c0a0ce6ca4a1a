//! What stands between clients and Gateway in a measurement: nothing, twsmux, or HAProxy that copies bytes.
//!
//! Owns: the process, its temporary files. Driven by: the session. The processes inherit the CPU of the kit.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::clock::{SECOND, now};
use crate::usage;

/// Which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Clients dial the fake Gateway.
    Direct,
    /// The multiplexer.
    Twsmux,
    /// HAProxy in TCP mode, one thread.
    Haproxy,
}

impl Kind {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Twsmux => "twsmux",
            Kind::Haproxy => "haproxy",
        }
    }
}

/// The settings of production that make work per frame: limits are the defaults, and a policy that looks at everything.
const POLICY: &str =
    "[client.default]\nmax_order_quantity = 1000\nmax_order_value = 1000000\nmax_lines = 1000\n";

/// How HAProxy is configured; docs/performance.md shows it.
fn haproxy_config(listen: u16, gateway: SocketAddr) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n  \
         timeout server 1h\nlisten api\n  bind 127.0.0.1:{listen}\n  server gateway {gateway}\n"
    )
}

/// One that runs.
pub struct Subject {
    /// Where clients connect.
    pub address: SocketAddr,
    child: Option<Child>,
    _files: Option<tempfile::TempDir>,
}

impl Subject {
    /// Starts it in front of a Gateway and waits until it serves.
    pub fn start(kind: Kind, twsmux: &Path, gateway: SocketAddr, version: u16) -> Result<Subject, String> {
        let start = || match kind {
            Kind::Direct => Ok(Subject { address: gateway, child: None, _files: None }),
            Kind::Twsmux => Self::twsmux(twsmux, gateway, version),
            Kind::Haproxy => Self::haproxy(gateway),
        };
        start().map_err(|error| format!("cannot start {}: {error}", kind.name()))
    }

    fn twsmux(binary: &Path, gateway: SocketAddr, version: u16) -> Result<Subject, std::io::Error> {
        let files = tempfile::tempdir()?;
        let config = files.path().join("twsmux.toml");
        std::fs::write(&config, POLICY)?;
        let mut child = Command::new(binary)
            .args([
                "run",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--messages-per-second",
                "unlimited",
            ])
            .args(["--upstream", &gateway.to_string(), "--max-server-version", &version.to_string()])
            .args(["--historical-pacing", "off", "--state-dir"])
            .arg(files.path().join("state"))
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = Arc::new(Mutex::new(String::new()));
        let (keep, stderr) = (log.clone(), child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = keep.lock().expect("nobody panics with it");
                if log.len() < 1 << 20 {
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        let mut subject = Subject { address: gateway, child: Some(child), _files: Some(files) };
        BufReader::new(stdout).read_line(&mut line)?;
        let failed = |log: &Mutex<String>| {
            std::io::Error::other(format!("it says:\n{}", log.lock().expect("nobody panics with it")))
        };
        let listen = line.split_whitespace().find_map(|word| word.strip_prefix("listen=")?.parse().ok());
        subject.address = listen.ok_or_else(|| failed(&log))?;
        let deadline = now() + 30 * SECOND;
        while !log.lock().expect("nobody panics with it").contains("ready: Gateway at") {
            if now() > deadline {
                return Err(failed(&log));
            }
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
        Ok(subject)
    }

    fn haproxy(gateway: SocketAddr) -> Result<Subject, std::io::Error> {
        // Free at this moment; nothing else on this machine is expected to take it.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let files = tempfile::tempdir()?;
        let config = files.path().join("haproxy.cfg");
        std::fs::write(&config, haproxy_config(port, gateway))?;
        let program = haproxy().ok_or_else(|| std::io::Error::other("it is not installed"))?;
        let child = Command::new(program)
            .args(["-db", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let subject = Subject { address, child: Some(child), _files: Some(files) };
        let deadline = now() + 10 * SECOND;
        while TcpStream::connect(address).is_err() {
            if now() > deadline {
                return Err(std::io::Error::other("it does not listen"));
            }
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
        Ok(subject)
    }

    /// Nanoseconds of CPU that the process has used.
    pub fn cpu(&self) -> f64 {
        self.child.as_ref().map_or(0.0, |child| usage::cpu(child.id()) as f64)
    }

    /// Its memory now, bytes.
    pub fn memory(&self) -> f64 {
        self.child.as_ref().map_or(0.0, |child| usage::memory(child.id(), "VmRSS") as f64)
    }

    /// The most memory that it has had, bytes.
    pub fn peak(&self) -> f64 {
        self.child.as_ref().map_or(0.0, |child| usage::memory(child.id(), "VmHWM") as f64)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where HAProxy is, if it is installed.
pub fn haproxy() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    places.into_iter().map(|place| place.join("haproxy")).find(|file| file.is_file())
}

/// The first line of what a program says of its version.
pub fn version(program: &Path, flag: &str) -> String {
    let said = Command::new(program).arg(flag).output();
    let said = said.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    said.lines().next().unwrap_or("unknown").to_owned()
}
