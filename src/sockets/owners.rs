//! Which processes hold which sockets, as far as this user may see.
//!
//! Owns: the walk over `/proc/<pid>/fd` (elsewhere the list of processes of the system's tool), and the recognition of twsmux and of port forwarders by name.
//! May not know: which sockets matter. Driven by: [`super::examine`].
//!
//! twsmux recognises its kind by the name of the process (`twsmux`, by command or by executable). A process of another
//! user hides its descriptors from an unprivileged reader, but not its name, user and arguments; such processes are
//! remembered as hidden, so that the one connection of a twsmux that runs as a service is not taken for a stranger's.
//!
//! **A command line is never passed on whole:** launchers of the Gateway put passwords there.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(target_os = "linux")]
use std::path::Path;

use serde::Serialize;

/// Longest description of a process, characters.
const MAX_COMMAND: usize = 80;

/// Programs that listen on behalf of something elsewhere. Behind them the Gateway's own sockets are out of sight.
const FORWARDERS: [&str; 16] = [
    "docker-proxy",
    "rootlessport",
    "slirp4netns",
    "pasta",
    "pasta.avx2",
    "socat",
    "ssh",
    "sshd",
    "sshd-session",
    "kubectl",
    "haproxy",
    "nginx",
    "envoy",
    "traefik",
    "rinetd",
    "stunnel",
];

/// What a process is to the Gateway's port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// Any program.
    #[default]
    Other,
    /// twsmux, other than `twsmux sim`, which is a Gateway of its own.
    Twsmux,
    /// Listens on behalf of something elsewhere.
    Forwarder,
}

/// A process that holds a socket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Process {
    /// Its id in this PID namespace.
    pub pid: u32,
    /// Its name, with the script for an interpreter. Never its arguments.
    pub command: String,
    /// What it is to the Gateway's port.
    #[serde(skip)]
    pub role: Role,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({})", self.pid, self.command)
    }
}

impl Process {
    /// A process by its kernel name, arguments and executable, each empty if it cannot be read.
    pub fn new(pid: u32, name: &str, args: &[String], executable: &str) -> Process {
        let executable = base(executable.trim_end_matches(" (deleted)"));
        let role = if name == "twsmux" || executable == "twsmux" {
            if args.get(1).is_some_and(|a| a == "sim") { Role::Other } else { Role::Twsmux }
        } else if FORWARDERS.contains(&name) {
            Role::Forwarder
        } else {
            Role::Other
        };
        Process { pid, command: describe(name, args), role }
    }
}

/// A process whose descriptors may not be read.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// The process.
    pub process: Process,
    /// The user it runs as.
    pub uid: u32,
    args: Vec<String>,
}

impl Hidden {
    /// A process of `uid` that was started with `args`.
    pub fn new(process: Process, uid: u32, args: Vec<String>) -> Hidden {
        Hidden { process, uid, args }
    }

    /// Whether this process can be one whose upstream has this port: its arguments do not name another one.
    pub fn may_dial(&self, port: u16) -> bool {
        let after = |flag: &str| self.args.iter().skip_while(move |a| *a != flag).nth(1).map(String::as_str);
        let glued = || self.args.iter().find_map(|a| a.strip_prefix("--upstream="));
        let upstream = after("--upstream").or_else(glued);
        upstream.is_none_or(|u| u.rsplit_once(':').is_some_and(|(_, p)| p.parse() == Ok(port)))
    }

    /// Whether this is the proxy by which Docker publishes `port`. (Of other hidden forwarders it cannot be told whether
    /// a port among their arguments is where they listen or where they lead.)
    pub fn publishes(&self, port: u16) -> bool {
        let port = port.to_string();
        self.args.windows(2).any(|pair| pair[0] == "-host-port" && pair[1] == port)
    }
}

/// The processes by the inode of the sockets they hold.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    holders: BTreeMap<u64, Vec<Process>>,
    hidden: Vec<Hidden>,
}

impl Owners {
    /// Looks for the holders of the sockets with these inodes, in order of process id. Whatever may not be read is left
    /// out; without a `/proc` nobody is found.
    #[cfg(target_os = "linux")]
    pub fn find(wanted: &BTreeSet<u64>) -> Owners {
        let mut owners = Owners::default();
        if wanted.is_empty() {
            return owners;
        }
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut pids: Vec<u32> = entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
        pids.sort_unstable();
        for pid in pids {
            owners.look_at(pid, wanted);
        }
        owners
    }

    /// Looks for the names of the processes, whose ids stand for inodes on this system.
    #[cfg(not(target_os = "linux"))]
    pub fn find(wanted: &BTreeSet<u64>) -> Owners {
        let mut owners = Owners::default();
        for (pid, process) in if wanted.is_empty() { BTreeMap::new() } else { running() } {
            if wanted.contains(&u64::from(pid)) {
                owners.insert(pid.into(), process);
            }
        }
        owners
    }

    /// Adds a holder.
    pub fn insert(&mut self, inode: u64, process: Process) {
        self.holders.entry(inode).or_default().push(process);
    }

    /// Adds a process that hides its descriptors.
    pub fn insert_hidden(&mut self, hidden: Hidden) {
        self.hidden.push(hidden);
    }

    /// Who holds the socket; empty if nobody is seen to.
    pub fn holders(&self, inode: u64) -> &[Process] {
        self.holders.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// twsmux processes and forwarders that hide their descriptors.
    pub fn hidden(&self) -> &[Hidden] {
        &self.hidden
    }

    #[cfg(target_os = "linux")]
    fn look_at(&mut self, pid: u32, wanted: &BTreeSet<u64>) {
        let root = Path::new("/proc").join(pid.to_string());
        let Ok(descriptors) = std::fs::read_dir(root.join("fd")) else {
            self.look_at_hidden(pid, &root);
            return;
        };
        let held: BTreeSet<u64> = descriptors
            .flatten()
            .filter_map(|d| socket_inode(std::fs::read_link(d.path()).ok()?.to_str()?))
            .filter(|inode| wanted.contains(inode))
            .collect();
        if let Some(process) = (!held.is_empty()).then(|| read_process(pid, &root).0) {
            held.into_iter().for_each(|inode| self.insert(inode, process.clone()));
        }
    }

    #[cfg(target_os = "linux")]
    fn look_at_hidden(&mut self, pid: u32, root: &Path) {
        let (process, args) = read_process(pid, root);
        if process.role != Role::Other
            && let Ok(metadata) = std::fs::metadata(root)
        {
            use std::os::unix::fs::MetadataExt;
            self.insert_hidden(Hidden::new(process, metadata.uid(), args));
        }
    }
}

/// The processes of this machine by id. Without them sockets are named by address alone.
#[cfg(target_os = "macos")]
fn running() -> BTreeMap<u32, Process> {
    use super::tools::{macos, output};
    let table = |columns| output("/bin/ps", &["-axww", "-o", columns]).unwrap_or_default();
    macos::processes(&table("pid=,comm="), &table("pid=,args="))
}

/// The processes of this machine by id.
#[cfg(target_os = "windows")]
fn running() -> BTreeMap<u32, Process> {
    use super::tools::{output, windows};
    windows::processes(&output("tasklist", &["/FO", "CSV", "/NH"]).unwrap_or_default())
}

/// The processes of this machine by id.
#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "windows")))]
fn running() -> BTreeMap<u32, Process> {
    BTreeMap::new()
}

/// The inode in the target of a descriptor's link, `socket:[4711]`.
#[cfg(any(target_os = "linux", test))]
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(target_os = "linux")]
fn read_process(pid: u32, root: &Path) -> (Process, Vec<String>) {
    let text = |file| {
        std::fs::read(root.join(file)).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    };
    let args: Vec<String> = text("cmdline").split_terminator('\0').map(str::to_owned).collect();
    let executable = std::fs::read_link(root.join("exe")).unwrap_or_default();
    (Process::new(pid, text("comm").trim_end(), &args, &executable.to_string_lossy()), args)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A name that helps a person to find the program and gives no argument away that may be a secret: the program, with the
/// subcommand of twsmux, and with the script or module of an interpreter.
fn describe(name: &str, args: &[String]) -> String {
    let program = args.first().map(|a| base(a)).filter(|p| !p.is_empty()).unwrap_or(name);
    let unversioned = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let interpreter = ["python", "node", "ruby", "perl", "bash", "sh", "Rscript"].contains(&unversioned);
    let detail = match args.get(1).map(String::as_str) {
        Some("-m") if interpreter => args.get(2).map(|module| format!(" -m {module}")),
        Some(script) if interpreter && !script.starts_with('-') => Some(format!(" {}", base(script))),
        Some(sub) if name == "twsmux" && sub.chars().all(|c| c.is_ascii_lowercase()) => {
            Some(format!(" {sub}"))
        }
        _ => None,
    };
    let words = format!("{program}{}", detail.unwrap_or_default());
    words.chars().map(|c| if c.is_control() { '?' } else { c }).take(MAX_COMMAND).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &str) -> Vec<String> {
        words.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_line_is_not_given_away() {
        assert_eq!(
            describe("java", &args("/opt/jre/bin/java -cp x.jar ibcalpha.ibc.IbcGateway me secret")),
            "java"
        );
        assert_eq!(
            describe("python3", &args("/usr/bin/python3 /home/me/bot.py --token secret")),
            "python3 bot.py"
        );
        assert_eq!(describe("python3", &args("python3 -m bots.live secret")), "python3 -m bots.live");
        assert_eq!(describe("python3", &args("python3 -c secret")), "python3");
        assert_eq!(describe("kworker", &[]), "kworker");
        assert_eq!(
            describe("x", &["a\u{1b}[2Jb".to_owned()]),
            "a?[2Jb",
            "nothing that moves a terminal's cursor"
        );
    }

    #[test]
    fn twsmux_is_known_by_name_or_executable_and_its_simulator_is_not_it() {
        let role = |name, words, exe| Process::new(1, name, &args(words), exe).role;
        assert_eq!(role("twsmux", "twsmux run", ""), Role::Twsmux);
        assert_eq!(role("worker", "x", "/usr/bin/twsmux (deleted)"), Role::Twsmux);
        assert_eq!(role("twsmux", "twsmux sim --listen 127.0.0.1:4002", "/usr/bin/twsmux"), Role::Other);
        assert_eq!(role("docker-proxy", "docker-proxy -host-port 4002", ""), Role::Forwarder);
        assert_eq!(role("twsmux-bot", "twsmux-bot", "/usr/bin/twsmux-bot"), Role::Other);
    }

    #[test]
    fn a_published_port_is_the_one_on_the_host() {
        let words = "docker-proxy -proto tcp -host-port 4002 -container-ip 172.17.0.2 -container-port 4004";
        let hidden = Hidden::new(Process::new(1, "docker-proxy", &[], ""), 0, args(words));
        assert!(hidden.publishes(4002) && !hidden.publishes(4004) && !hidden.publishes(400));
    }

    #[test]
    fn a_hidden_twsmux_may_dial_what_its_arguments_do_not_exclude() {
        let may_dial =
            |words, port| Hidden::new(Process::new(1, "twsmux", &[], ""), 0, args(words)).may_dial(port);
        assert!(may_dial("twsmux run", 4002) && may_dial("twsmux run --upstream=127.0.0.1:4002", 4002));
        assert!(may_dial("twsmux run --upstream 127.0.0.1:4002 --config x", 4002));
        assert!(
            !may_dial("twsmux run --upstream 127.0.0.1:4001", 4002)
                && !may_dial("twsmux run --upstream sim", 4002)
        );
    }

    #[test]
    fn the_link_of_a_descriptor_names_the_inode() {
        assert_eq!(socket_inode("socket:[4711]"), Some(4711));
        assert_eq!(socket_inode("pipe:[4711]"), None);
        assert_eq!(socket_inode("/tmp/socket:[1]"), None);
    }
}
