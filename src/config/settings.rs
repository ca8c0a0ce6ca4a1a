//! The table of all settings: what each allows, its default, and whether SIGHUP applies it.
//!
//! A new setting is one field of [`Options`], one row here, and one line in `docs/configuration.md`; tests compare them.

use super::Options;
use crate::shell::run::AdminSocket;
use crate::shell::state_dir;

/// What SIGHUP does with a value that changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reload {
    /// It is applied; to what, in words.
    Applied(&'static str),
    /// It counts from the next start; why, in words.
    Restart(&'static str),
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the file.
    pub key: &'static str,
    /// The values that it may have, in words.
    pub allowed: &'static str,
    /// The default, as TOML writes it, or in words.
    pub default: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What SIGHUP does with it.
    pub reload: Reload,
    /// The value in effect, as TOML writes it.
    value: fn(&Options) -> String,
}

/// The key under which the policies stand; they are in the file alone.
pub const CLIENT: &str = "client";

use Reload::{Applied, Restart};

/// All of them.
pub const ALL: &[Setting] = &[
    Setting {
        key: "upstream",
        allowed: "HOST:PORT, or `sim` for a built-in simulated Gateway",
        default: "\"127.0.0.1:4002\"",
        about: "Address of IB Gateway or TWS",
        reload: Restart("the state directory and the order journal belong to the address"),
        value: |o| quoted(o.upstream_name()),
    },
    Setting {
        key: "listen",
        allowed: "a list of addresses with port, plain or with TLS, and Unix sockets, as [\"127.0.0.1:4010\", \"tls://0.0.0.0:4011\", \"unix:/run/twsmux/api.sock\"]",
        default: "[\"127.0.0.1:4010\"]",
        about: "Where clients connect; beyond loopback only with `allow`, or TLS and `tls_client_ca`",
        reload: Restart("the ports are opened once"),
        value: |o| list(&o.listeners()),
    },
    Setting {
        key: "allow",
        allowed: "a list of networks or addresses, as [\"192.168.1.0/24\", \"::1\"]",
        default: "[]",
        about: "Networks whose clients may connect to a port; without any, everybody who reaches it",
        reload: Applied("clients that connect from now on"),
        value: |o| list(&o.allow),
    },
    Setting {
        key: "tls_cert",
        allowed: "a file in PEM form, or an empty name for none",
        default: "\"\"",
        about: "Certificate of the TLS listeners, with those between it and its CA",
        reload: Applied("handshakes from now on; the files are read again each time"),
        value: |o| file(&o.tls_cert),
    },
    Setting {
        key: "tls_key",
        allowed: "a file in PEM form without passphrase, or an empty name for none",
        default: "\"\"",
        about: "Its private key",
        reload: Applied("handshakes from now on; the files are read again each time"),
        value: |o| file(&o.tls_key),
    },
    Setting {
        key: "tls_client_ca",
        allowed: "a file in PEM form, or an empty name for none",
        default: "\"\"",
        about: "CAs whose certificates clients of TLS listeners must show; without it they need none",
        reload: Applied("handshakes from now on; the files are read again each time"),
        value: |o| file(&o.tls_client_ca),
    },
    Setting {
        key: "tls_client_names",
        allowed: "a list of names, as [\"strategy-a\"]",
        default: "[]",
        about: "Names in such certificates that may connect; without any, every name",
        reload: Applied("handshakes from now on; the files are read again each time"),
        value: |o| list(&o.tls_client_names),
    },
    Setting {
        key: "socket_mode",
        allowed: "a mode in octal, as a string, that lets the owner connect, as \"0660\"",
        default: "\"0600\"",
        about: "Mode of the file of a Unix socket: who may write to it may trade",
        reload: Restart("the socket is opened once"),
        value: |o| quoted(&format!("{:04o}", o.socket_mode())),
    },
    Setting {
        key: "admin",
        allowed: "a loopback address with port",
        default: "\"127.0.0.1:9410\"",
        about: "Where the admin endpoint listens",
        reload: Restart("the port is opened once"),
        value: |o| quoted(&o.admin_address().to_string()),
    },
    Setting {
        key: "admin_socket",
        allowed: "an absolute path, \"auto\" for `admin.sock` in the state directory, or an empty name for none",
        default: "\"auto\"",
        about: "Unix socket on which the admin endpoint takes commands from the user who runs twsmux",
        reload: Restart("the socket is opened once"),
        value: |o| match o.admin_socket() {
            AdminSocket::Usual => quoted("auto"),
            AdminSocket::At(path) => quoted(&path.display().to_string()),
            AdminSocket::None => quoted(""),
        },
    },
    Setting {
        key: "admin_token_file",
        allowed: "a file with one line of 16 to 512 visible ASCII characters that not everybody can read, or an empty name for none",
        default: "\"\"",
        about: "The token that allows commands over the admin port as well",
        reload: Applied("commands from now on; the file is read again each time"),
        value: |o| file(&o.admin_token_file),
    },
    Setting {
        key: "state_dir",
        allowed: "a folder",
        default: "the user's state directory; a temporary one with `sim`",
        about: "Where twsmux keeps what must survive it",
        reload: Restart("the order journal is open"),
        value: |o| match &o.state_dir {
            Some(dir) => quoted(&dir.display().to_string()),
            None if o.upstream_name() == "sim" => quoted("(a temporary folder)"),
            None => quoted(&state_dir::default_root().display().to_string()),
        },
    },
    Setting {
        key: "upstream_client_id",
        allowed: "a whole number from 0",
        default: "0",
        about: "twsmux's own client id at the Gateway; all orders belong to it",
        reload: Restart("the order journal belongs to the client id"),
        value: |o| o.core().upstream_client_id.0.to_string(),
    },
    Setting {
        key: "max_server_version",
        allowed: "a whole number from 100 to 226, or \"latest\"",
        default: "176",
        about: "Highest server version asked of the Gateway",
        reload: Restart("clients have been told the version"),
        value: |o| o.core().max_server_version.to_string(),
    },
    Setting {
        key: "messages_per_second",
        allowed: "a whole number from 1, or \"unlimited\"",
        default: "45",
        about: "Messages sent to the Gateway in any second",
        reload: Applied("what leaves from now on; what left in the last second counts"),
        value: |o| o.core().messages_per_second.map_or_else(|| quoted("unlimited"), |n| n.to_string()),
    },
    Setting {
        key: "kill_switch",
        allowed: "true or false",
        default: "false",
        about: "Whether no new orders and no modifications leave, of anybody; cancels do",
        reload: Applied("what waits already, too"),
        value: |o| o.core().kill_switch.to_string(),
    },
    Setting {
        key: "historical_pacing",
        allowed: "\"delay\" or \"off\"",
        default: "\"delay\"",
        about: "What becomes of requests for historical data that IB's pacing rules forbid for now: they wait, or they are sent and refused",
        reload: Applied("what waits already, too"),
        value: |o| worded(o.core().historical_pacing),
    },
    Setting {
        key: "duplicate_client",
        allowed: "\"reject\" or \"replace\"",
        default: "\"reject\"",
        about: "What becomes of a second client with an id that is in use: it is refused with 326, or takes over",
        reload: Applied("clients that start from now on"),
        value: |o| worded(o.core().duplicate_client),
    },
    Setting {
        key: "us_stock_sizes",
        allowed: "\"convert\" or \"as-sent\"",
        default: "\"convert\"",
        about: "Sizes of US stocks where versions count differently, see versions.md",
        reload: Restart("what is subscribed is counted in one way"),
        value: |o| worded(o.core().us_stock_sizes),
    },
    Setting {
        key: "upstream_close",
        allowed: "\"reset\" or \"graceful\"",
        default: "\"reset\"",
        about: "How the upstream socket is closed on SIGTERM",
        reload: Applied("the next stop"),
        value: |o| worded(o.upstream_close.unwrap_or_default()),
    },
    Setting {
        key: "backoff_min",
        allowed: "seconds, above 0 and a day at most, not above backoff_max",
        default: "15.0",
        about: "First pause after a connect that the Gateway accepted and that then failed",
        reload: Applied("the next failure"),
        value: |o| seconds(o.core().backoff_min),
    },
    Setting {
        key: "backoff_max",
        allowed: "seconds, above 0 and a day at most",
        default: "300.0",
        about: "Longest such pause",
        reload: Applied("the next failure"),
        value: |o| seconds(o.core().backoff_max),
    },
    Setting {
        key: "handshake_time",
        allowed: "seconds, above 0 and a day at most",
        default: "60.0",
        about: "Patience with the Gateway's handshake",
        reload: Applied("the next handshake"),
        value: |o| seconds(o.core().handshake_time),
    },
    Setting {
        key: "max_clients",
        allowed: "a whole number from 1",
        default: "4096",
        about: "Clients connected at once; fewer where the limit of open files is low",
        reload: Applied("clients that connect from now on"),
        value: |o| o.core().max_clients.to_string(),
    },
    Setting {
        key: "max_requests_per_client",
        allowed: "a whole number from 1 to 100000",
        default: "5000",
        about: "Requests of one client that are active at once, subscriptions among them",
        reload: Applied("requests made from now on; those that are active stay"),
        value: |o| o.core().limits.requests_per_client.to_string(),
    },
    Setting {
        key: "max_queued_per_client",
        allowed: "a whole number from 1 to 2000",
        default: "2000",
        about: "Messages of one client that wait for the Gateway; cancels of orders have 1000 more",
        reload: Applied("what is sent from now on"),
        value: |o| o.core().limits.queued_per_client.to_string(),
    },
    Setting {
        key: "max_outbox_bytes",
        allowed: "a whole number from 1048576 to 1073741824",
        default: "41943040",
        about: "Bytes that one client has not taken yet; beyond it it is told and closed. A large answer ends with an error above half of it, and where it does not fit",
        reload: Applied("what is sent from now on"),
        value: |o| o.core().limits.outbox.to_string(),
    },
    Setting {
        key: "conflate_above_bytes",
        allowed: "a whole number from 4096 to 1073741824",
        default: "1048576",
        about: "Bytes that one client has not taken yet above which it gets the latest of each tick instead of all; a quarter of max_outbox_bytes at most, and with more than 16 clients their share of 16 MiB",
        reload: Applied("what is sent from now on"),
        value: |o| o.core().limits.conflate_above.to_string(),
    },
    Setting {
        key: "slow_client_time",
        allowed: "seconds, above 0 and 25 at most",
        default: "20.0",
        about: "Time without reading anything after which a client that is so far behind is told and closed",
        reload: Applied("clients that are found to be behind from now on"),
        value: |o| seconds(o.core().limits.slow_time),
    },
    Setting {
        key: "order_wait",
        allowed: "seconds, above 0 and 300 at most",
        default: "10.0",
        about: "Longest that a new order or a modification waits before it is refused; a cancel never is",
        reload: Applied("what waits already, too"),
        value: |o| seconds(o.core().limits.order_wait),
    },
    Setting {
        key: "request_wait",
        allowed: "seconds, above 0 and 3600 at most",
        default: "300.0",
        about: "Longest that a request waits for its turn before it is refused; an hour for a client with `+PACEAPI` in its connect options",
        reload: Applied("what waits already, too"),
        value: |o| seconds(o.core().limits.request_wait),
    },
    Setting {
        key: "drain_time",
        allowed: "seconds, above 0 and 60 at most",
        default: "3.0",
        about: "Time that a stopping twsmux gives what waits for the Gateway",
        reload: Applied("the next stop"),
        value: |o| seconds(o.core().limits.drain_time),
    },
    Setting {
        key: "idle_client_time",
        allowed: "seconds, from 0 to a day",
        default: "0.0",
        about: "Time after which a client that holds nothing (no request, no subscription, no live order) and says nothing is told and closed; 0: never",
        reload: Applied("clients that are connected, too"),
        value: |o| seconds(o.core().idle_client_time),
    },
    Setting {
        key: "line_grace",
        allowed: "seconds, from 0 to 3600",
        default: "0.0",
        about: "Time for which a subscription stays at the Gateway after its last client has left",
        reload: Applied("subscriptions that are left from now on"),
        value: |o| seconds(o.core().line_grace),
    },
    Setting {
        key: "repeat_time",
        allowed: "seconds, from 0 to 3600",
        default: "15.0",
        about: "Time for which small bars and ticks of the past and head timestamps are answered from the last answer; 0 for never",
        reload: Applied("requests made from now on"),
        value: |o| seconds(o.core().repeat_time),
    },
    Setting {
        key: "capture",
        allowed: "a file that does not exist yet, or an empty name for none",
        default: "\"\"",
        about: "File that everything is captured in, for a report or a replay, see capture.md",
        reload: Restart("a capture is of everything from the beginning"),
        value: |o| file(&o.capture),
    },
    Setting {
        key: "capture_limit",
        allowed: "a whole number from 65536 to 1099511627776",
        default: "67108864",
        about: "Bytes of this file at which the capture ends",
        reload: Restart("a capture keeps the limit that it began with"),
        value: |o| o.capture_limit.unwrap_or(crate::limits::CAPTURE_LIMIT).to_string(),
    },
    Setting {
        key: "capture_mask",
        allowed: "true or false",
        default: "false",
        about: "Whether account numbers are replaced by stand-ins in it",
        reload: Restart("a number has one stand-in in all of a file"),
        value: |o| o.capture_mask.unwrap_or_default().to_string(),
    },
    Setting {
        key: CLIENT,
        allowed: "sections [client.ID] and [client.default] with the policies below",
        default: "no section",
        about: "What single client ids may do; in the file alone",
        reload: Applied("what clients do from now on, also those that are connected"),
        value: |o| format!("{} sections", o.client.len()),
    },
];

impl Setting {
    /// The flag of the command line.
    pub fn flag(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("TWSMUX_{}", self.key.to_uppercase())
    }
}

/// Every value in effect, with its setting and key; the policies one by one.
pub(super) fn rows(options: &Options) -> Vec<(&'static Setting, String, String)> {
    let mut rows = Vec::new();
    for setting in ALL {
        if setting.key != CLIENT {
            rows.push((setting, setting.key.to_owned(), (setting.value)(options)));
            continue;
        }
        for (name, policy) in &options.client {
            // Every kind of policy, also those that this file has never heard of.
            if let Ok(toml::Value::Table(fields)) = toml::Value::try_from(policy) {
                let of = |(field, value): (String, toml::Value)| {
                    (setting, format!("{CLIENT}.{name}.{field}"), value.to_string())
                };
                rows.extend(fields.into_iter().map(of));
            }
        }
    }
    rows
}

/// The table of `docs/configuration.md`.
pub fn page() -> String {
    let mut page = String::from("| key | allowed | default | what it is | SIGHUP |\n|---|---|---|---|---|\n");
    for s in ALL {
        let reload = match s.reload {
            Applied(to) => format!("applied to {to}"),
            Restart(why) => format!("needs a restart: {why}"),
        };
        let default = match s.default.contains(' ') && !s.default.starts_with('[') {
            true => s.default.to_owned(),
            false => format!("`{}`", s.default),
        };
        page += &format!("| `{}` | {} | {default} | {} | {reload} |\n", s.key, s.allowed, s.about);
    }
    page
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn file(path: &Option<std::path::PathBuf>) -> String {
    quoted(&path.as_ref().map_or_else(String::new, |path| path.display().to_string()))
}

fn list(items: &[impl ToString]) -> String {
    let quoted: Vec<_> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", quoted.join(", "))
}

fn seconds(time: std::time::Duration) -> String {
    toml::Value::from(time.as_secs_f64()).to_string()
}

/// A value that is one word.
fn worded(value: impl serde::Serialize) -> String {
    toml::Value::try_from(value).map_or_else(|_| String::new(), |v| v.to_string())
}
