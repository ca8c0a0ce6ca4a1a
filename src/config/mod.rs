//! Settings of `run`: flags, then `TWSMUX_*` environment, then the TOML file, then defaults. Unknown keys are
//! errors. One struct declares them all; its field names are the TOML keys.
//!
//! Owns: the settings, where each one comes from, and what a second reading of the file changes. May not know: sockets,
//! the core's state. Driven by: the command line, and by SIGHUP through [`Live`].
//!
//! The parts: `settings` (the table of all settings), `file` (the TOML file and the places in it), `given` (what is in
//! effect and where it comes from), `live` (what SIGHUP changes).

mod file;
mod given;
mod live;
pub mod settings;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::capture::{CaptureRequest, LIMITS, Which};
use crate::core::policy::{Policies, Policy};
use crate::core::{DuplicateClient, HistoricalPacing, Limits, UsStockSizes};
use crate::ids::ClientId;
use crate::limits;
use crate::shell::access::{Network, Rules};
use crate::shell::listen::Listen;
use crate::shell::run::{AdminSocket, Die, NOT_LOOPBACK, UpstreamClose};
use crate::shell::tls::{Files, Identity, Mistake};
use crate::shell::token::Token;

pub use given::{Effective, Given, Source};
pub use live::{Change, Live};

/// Highest server version that `latest` asks for.
pub const LATEST_SERVER_VERSION: u16 = crate::core::MAX_SERVER_VERSION;

/// Longest time that can be set, seconds.
const LONGEST_TIME: f64 = 86_400.0;
/// Longest wait of an order, seconds: one that leaves later may be worse than none.
const LONGEST_ORDER_WAIT: f64 = 300.0;
/// Longest wait of a request, seconds: its client would have given up long before.
const LONGEST_REQUEST_WAIT: f64 = 3600.0;
/// Longest time for the end, seconds.
const LONGEST_DRAIN_TIME: f64 = 60.0;
/// Longest time that what nobody wants, or an answer, can be kept, seconds.
const LONGEST_KEPT: f64 = 3600.0;
/// Most requests of one client.
const MOST_REQUESTS: usize = 100_000;
/// Fewest and most unsent bytes of one client.
const OUTBOX_BYTES: std::ops::RangeInclusive<usize> = 1 << 20..=1 << 30;
/// Fewest and most unsent bytes above which ticks are conflated.
const CONFLATE_BYTES: std::ops::RangeInclusive<usize> = 4096..=1 << 30;
/// Longest time without reading, seconds. The socket's user timeout closes after 30 s, without a word.
const LONGEST_SLOW_TIME: f64 = 25.0;

/// Every setting, each perhaps not given.
#[derive(Clone, Debug, Default, clap::Args, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Address of IB Gateway or TWS (HOST:PORT), or `sim` for a built-in simulated one [default: 127.0.0.1:4002]
    #[arg(long, env = "TWSMUX_UPSTREAM", value_name = "HOST:PORT|sim")]
    pub upstream: Option<String>,
    /// Where clients connect: an address with port, tls://ADDR, or unix:/PATH; may be given several times. Beyond loopback only
    /// with `--allow` or client certificates [default: 127.0.0.1:4010]
    #[arg(long, env = "TWSMUX_LISTEN", value_name = "ADDR|tls://ADDR|unix:PATH", value_delimiter = ',')]
    pub listen: Vec<Listen>,
    /// Networks whose clients may connect, as 192.168.1.0/24; may be given several times [default: none, which is everybody who
    /// reaches a listener]
    #[arg(long, env = "TWSMUX_ALLOW", value_name = "NETWORK", value_delimiter = ',')]
    pub allow: Vec<Network>,
    /// Certificate of the TLS listeners, in PEM form, with those between it and its CA [default: none]
    #[arg(long, env = "TWSMUX_TLS_CERT", value_name = "FILE", value_parser = path_or_none())]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, in PEM form [default: none]
    #[arg(long, env = "TWSMUX_TLS_KEY", value_name = "FILE", value_parser = path_or_none())]
    pub tls_key: Option<PathBuf>,
    /// CAs whose certificates clients of TLS listeners must show, in PEM form [default: none, then they need no certificate]
    #[arg(long, env = "TWSMUX_TLS_CLIENT_CA", value_name = "FILE", value_parser = path_or_none())]
    pub tls_client_ca: Option<PathBuf>,
    /// Names in such certificates that may connect; may be given several times [default: none, which is every name]
    #[arg(long, env = "TWSMUX_TLS_CLIENT_NAMES", value_name = "NAME", value_delimiter = ',')]
    pub tls_client_names: Vec<String>,
    /// Mode of the file of a Unix socket, in octal [default: 0600]
    #[arg(long, env = "TWSMUX_SOCKET_MODE", value_name = "MODE", value_parser = parse_mode)]
    #[serde(deserialize_with = "mode")]
    pub socket_mode: Option<u32>,
    /// Address of the admin endpoint, loopback only [default: 127.0.0.1:9410]
    #[arg(long, env = "TWSMUX_ADMIN", value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// Unix socket on which the admin endpoint takes commands; `auto`: admin.sock in the state directory; an empty name for
    /// none [default: auto]
    #[arg(long, env = "TWSMUX_ADMIN_SOCKET", value_name = "PATH", value_parser = path_or_none())]
    pub admin_socket: Option<PathBuf>,
    /// File with the token that allows commands over the admin port as well [default: none]
    #[arg(long, env = "TWSMUX_ADMIN_TOKEN_FILE", value_name = "FILE", value_parser = path_or_none())]
    pub admin_token_file: Option<PathBuf>,
    /// Where twsmux keeps what must survive it [default: the user's state directory]
    #[arg(long, env = "TWSMUX_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// A TOML file with settings; its keys are the long flags with `_` for `-`
    #[arg(long, env = "TWSMUX_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// twsmux's own client id at the Gateway; all orders belong to it [default: 0]
    #[arg(long, env = "TWSMUX_UPSTREAM_CLIENT_ID", value_name = "N")]
    pub upstream_client_id: Option<i32>,
    /// Highest server version asked of the Gateway, or `latest` [default: 176]
    #[arg(long, env = "TWSMUX_MAX_SERVER_VERSION", value_name = "N|latest", value_parser = parse_version)]
    #[serde(deserialize_with = "version")]
    pub max_server_version: Option<u16>,
    /// Messages sent to the Gateway in any second, or `unlimited` [default: 45]
    #[arg(long, env = "TWSMUX_MESSAGES_PER_SECOND", value_name = "N|unlimited", value_parser = parse_rate)]
    #[serde(deserialize_with = "rate")]
    pub messages_per_second: Option<Rate>,
    /// Whether no new orders and no modifications leave, of anybody; cancels do [default: false]
    #[arg(long, env = "TWSMUX_KILL_SWITCH", value_name = "BOOL")]
    pub kill_switch: Option<bool>,
    /// What becomes of requests for historical data that IB's pacing rules forbid for now: `delay` or `off` [default: delay]
    #[arg(long, env = "TWSMUX_HISTORICAL_PACING", value_name = "HOW")]
    pub historical_pacing: Option<HistoricalPacing>,
    /// What becomes of a second client with an id that is in use: `reject` (326) or `replace` [default: reject]
    #[arg(long, env = "TWSMUX_DUPLICATE_CLIENT", value_name = "POLICY", value_parser = parse_duplicate)]
    pub duplicate_client: Option<DuplicateClient>,
    /// Sizes of US stocks where a client's server version counts them in lots of 100 and the Gateway's in shares, or the
    /// other way round [default: convert]
    #[arg(long, env = "TWSMUX_US_STOCK_SIZES", value_name = "HOW")]
    pub us_stock_sizes: Option<UsStockSizes>,
    /// How the upstream socket is closed on SIGTERM [default: reset]
    #[arg(long, env = "TWSMUX_UPSTREAM_CLOSE", value_name = "HOW")]
    pub upstream_close: Option<UpstreamClose>,
    /// First pause after a connect that the Gateway accepted and that then failed, in seconds [default: 15]
    #[arg(long, env = "TWSMUX_BACKOFF_MIN", value_name = "SECONDS")]
    pub backoff_min: Option<f64>,
    /// Longest such pause, in seconds [default: 300]
    #[arg(long, env = "TWSMUX_BACKOFF_MAX", value_name = "SECONDS")]
    pub backoff_max: Option<f64>,
    /// Patience with the Gateway's handshake, in seconds [default: 60]
    #[arg(long, env = "TWSMUX_HANDSHAKE_TIME", value_name = "SECONDS")]
    pub handshake_time: Option<f64>,
    /// Clients connected at once [default: 4096]
    #[arg(long, env = "TWSMUX_MAX_CLIENTS", value_name = "N")]
    pub max_clients: Option<usize>,
    /// Time after which a client that holds nothing and says nothing is closed, in seconds; 0: never [default: 0]
    #[arg(long, env = "TWSMUX_IDLE_CLIENT_TIME", value_name = "SECONDS")]
    pub idle_client_time: Option<f64>,
    /// Requests of one client that are active at once, subscriptions among them [default: 5000]
    #[arg(long, env = "TWSMUX_MAX_REQUESTS_PER_CLIENT", value_name = "N")]
    pub max_requests_per_client: Option<usize>,
    /// Messages of one client that wait for the Gateway [default: 2000]
    #[arg(long, env = "TWSMUX_MAX_QUEUED_PER_CLIENT", value_name = "N")]
    pub max_queued_per_client: Option<usize>,
    /// Bytes that one client has not taken yet; beyond it it is closed [default: 41943040]
    #[arg(long, env = "TWSMUX_MAX_OUTBOX_BYTES", value_name = "BYTES")]
    pub max_outbox_bytes: Option<usize>,
    /// Bytes that one client has not taken yet above which it gets the latest of each tick only [default: 1048576]
    #[arg(long, env = "TWSMUX_CONFLATE_ABOVE_BYTES", value_name = "BYTES")]
    pub conflate_above_bytes: Option<usize>,
    /// Time after which a client that is so far behind and reads nothing is closed, in seconds [default: 20]
    #[arg(long, env = "TWSMUX_SLOW_CLIENT_TIME", value_name = "SECONDS")]
    pub slow_client_time: Option<f64>,
    /// Longest that a new order or a modification waits before it is refused, in seconds [default: 10]
    #[arg(long, env = "TWSMUX_ORDER_WAIT", value_name = "SECONDS")]
    pub order_wait: Option<f64>,
    /// Longest that a request waits for its turn before it is refused, in seconds [default: 300]
    #[arg(long, env = "TWSMUX_REQUEST_WAIT", value_name = "SECONDS")]
    pub request_wait: Option<f64>,
    /// Time that a stopping twsmux gives what waits for the Gateway, in seconds [default: 3]
    #[arg(long, env = "TWSMUX_DRAIN_TIME", value_name = "SECONDS")]
    pub drain_time: Option<f64>,
    /// Time for which a subscription stays after its last client has left, in seconds [default: 0]
    #[arg(long, env = "TWSMUX_LINE_GRACE", value_name = "SECONDS")]
    pub line_grace: Option<f64>,
    /// Time for which small bars, ticks and head timestamps are answered from the last answer, in seconds; 0 for never
    /// [default: 15]
    #[arg(long, env = "TWSMUX_REPEAT_TIME", value_name = "SECONDS")]
    pub repeat_time: Option<f64>,
    /// A new file that everything is captured in, for a report or a replay [default: none]
    #[arg(long, env = "TWSMUX_CAPTURE", value_name = "FILE")]
    pub capture: Option<PathBuf>,
    /// Bytes of this file at which the capture ends [default: 67108864]
    #[arg(long, env = "TWSMUX_CAPTURE_LIMIT", value_name = "BYTES")]
    pub capture_limit: Option<u64>,
    /// Whether account numbers are replaced by stand-ins in it [default: false]
    #[arg(long, env = "TWSMUX_CAPTURE_MASK", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub capture_mask: Option<bool>,
    /// What single client ids may do, and what becomes of their orders; in the file alone
    #[arg(skip)]
    pub client: BTreeMap<String, Policy>,
    /// Die in a way that tests of twsmux's own death need
    #[arg(long, hide = true, value_name = "HOW")]
    #[serde(skip)]
    pub die: Option<Die>,
}

/// A message rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate(
    /// Messages in any second; `None` for no limit.
    pub Option<u32>,
);

/// What is wrong with a setting.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {error}")]
    Unreadable {
        /// Which.
        path: String,
        /// The system's words.
        error: std::io::Error,
    },
    /// A value is not as it should be.
    #[error("{place}: {words}")]
    Wrong {
        /// Where it stands: file, line and key, or the flag or the variable.
        place: String,
        /// What is wrong, and what is allowed.
        words: String,
    },
    /// An environment variable that no setting has.
    #[error(
        "the environment variable {0} is no setting of twsmux; see `twsmux run --help` for those that are"
    )]
    UnknownVariable(String),
}

/// A path that may be empty, which means none: a flag must be able to take back what the file says.
fn path_or_none() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    use clap::builder::TypedValueParser;
    clap::builder::OsStringValueParser::new().map(PathBuf::from)
}

fn parse_version(text: &str) -> Result<u16, String> {
    if text == "latest" {
        return Ok(LATEST_SERVER_VERSION);
    }
    let range = 100..=LATEST_SERVER_VERSION;
    text.parse().ok().filter(|v| range.contains(v)).ok_or_else(|| {
        format!("{text} is neither `latest` nor a server version from 100 to {LATEST_SERVER_VERSION}")
    })
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "unlimited" {
        return Ok(Rate(None));
    }
    let n = text.parse().ok().filter(|n| *n >= 1);
    n.map(|n| Rate(Some(n))).ok_or_else(|| format!("{text} is neither `unlimited` nor a number from 1"))
}

fn parse_duplicate(text: &str) -> Result<DuplicateClient, String> {
    match text {
        "reject" => Ok(DuplicateClient::Reject),
        "replace" => Ok(DuplicateClient::Replace),
        _ => Err(format!("{text} is neither `reject` nor `replace`")),
    }
}

/// Read by who has the socket's mode; without the right to write nobody can connect.
fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && mode & 0o200 != 0);
    mode.ok_or_else(|| {
        format!("{text} is neither 0600 nor another mode in octal that lets the owner connect")
    })
}

/// A TOML value that may be a number or a word.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Word {
    Number(i64),
    Text(String),
}

fn worded<'de, D: serde::Deserializer<'de>, T>(
    d: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    use serde::{Deserialize, de::Error};
    let text = match Word::deserialize(d)? {
        Word::Number(n) => n.to_string(),
        Word::Text(text) => text,
    };
    parse(&text).map(Some).map_err(D::Error::custom)
}

fn version<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
    worded(d, parse_version)
}

fn mode<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    // A string: TOML would read 0600 as an error, and 600 as something else.
    let text = <String as serde::Deserialize>::deserialize(d)?;
    parse_mode(&text).map(Some).map_err(serde::de::Error::custom)
}

fn rate<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Rate>, D::Error> {
    worded(d, parse_rate)
}

/// Variables that are no settings of `run`: for its logs, for `doctor` and `check`, and for the test suite.
const NOT_SETTINGS: [&str; 7] = [
    "TWSMUX_LOG",
    "TWSMUX_GATEWAY",
    "TWSMUX_CONNECT",
    "TWSMUX_CAPTURES",
    "TWSMUX_CLIENTS_DIR",
    "TWSMUX_PAGE_DIR",
    "TWSMUX_PAGE_SHOTS",
];

impl Options {
    /// The Gateway's address as it was given, or `sim`.
    pub fn upstream_name(&self) -> &str {
        self.upstream.as_deref().unwrap_or("127.0.0.1:4002")
    }

    /// Where clients connect.
    pub fn listeners(&self) -> Vec<Listen> {
        match self.listen.is_empty() {
            true => vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 4010)))],
            false => self.listen.clone(),
        }
    }

    /// Who may connect. Reads the files of the certificates.
    ///
    /// # Errors
    /// [`Mistake`].
    pub fn rules(&self) -> Result<Rules, Mistake> {
        let tls = self.tls_files()?.as_ref().map(Identity::read).transpose()?;
        let token = self.admin_token_file.as_deref().filter(|path| !path.as_os_str().is_empty());
        Ok(Rules { allow: self.allow.clone(), tls, token: token.map(Token::read).transpose()? })
    }

    /// The files of the certificates; an empty name is none.
    fn tls_files(&self) -> Result<Option<Files>, Mistake> {
        let given = |file: &Option<PathBuf>| file.clone().filter(|path| !path.as_os_str().is_empty());
        let mistake = |key, words: &str| Err(Mistake { key, words: words.to_owned() });
        let (cert, key, client_ca) =
            (given(&self.tls_cert), given(&self.tls_key), given(&self.tls_client_ca));
        let client_names = self.tls_client_names.clone();
        if client_ca.is_none() && !client_names.is_empty() {
            return mistake(
                "tls_client_names",
                "names are of certificates, and without tls_client_ca nobody shows one",
            );
        }
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(Files { cert, key, client_ca, client_names })),
            (Some(_), None) => mistake("tls_cert", "a certificate needs its key: set tls_key"),
            (None, Some(_)) => mistake("tls_key", "a key needs its certificate: set tls_cert"),
            (None, None) if client_ca.is_some() => {
                mistake("tls_client_ca", "there is no TLS without tls_cert and tls_key")
            }
            (None, None) => Ok(None),
        }
    }

    /// The mode of the file of a Unix socket.
    pub fn socket_mode(&self) -> u32 {
        self.socket_mode.unwrap_or(0o600)
    }

    /// Where the admin endpoint listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9410)))
    }

    /// Where the admin endpoint takes commands.
    pub fn admin_socket(&self) -> AdminSocket {
        match &self.admin_socket {
            None => AdminSocket::Usual,
            Some(path) if path.as_os_str() == "auto" => AdminSocket::Usual,
            Some(path) if path.as_os_str().is_empty() => AdminSocket::None,
            Some(path) => AdminSocket::At(path.clone()),
        }
    }

    /// What is captured from the beginning; an empty name is nothing.
    pub fn capture_request(&self) -> Option<CaptureRequest> {
        let path = self.capture.clone().filter(|path| !path.as_os_str().is_empty())?;
        Some(CaptureRequest {
            which: Which::All,
            path,
            limit: self.capture_limit.unwrap_or(limits::CAPTURE_LIMIT),
            mask: self.capture_mask.unwrap_or_default(),
        })
    }

    fn fill(&mut self, file: Self) {
        let Options {
            upstream,
            listen,
            allow,
            tls_cert,
            tls_key,
            tls_client_ca,
            tls_client_names,
            socket_mode,
            admin,
            admin_socket,
            admin_token_file,
            state_dir,
            config: _,
            upstream_client_id,
            max_server_version,
            messages_per_second,
            duplicate_client,
            kill_switch,
            historical_pacing,
            us_stock_sizes,
            upstream_close,
            backoff_min,
            backoff_max,
            handshake_time,
            max_clients,
            max_requests_per_client,
            max_queued_per_client,
            max_outbox_bytes,
            conflate_above_bytes,
            slow_client_time,
            idle_client_time,
            order_wait,
            request_wait,
            drain_time,
            line_grace,
            repeat_time,
            capture,
            capture_limit,
            capture_mask,
            client,
            die: _,
        } = file;
        if self.listen.is_empty() {
            self.listen = listen;
        }
        if self.allow.is_empty() {
            self.allow = allow;
        }
        if self.tls_client_names.is_empty() {
            self.tls_client_names = tls_client_names;
        }
        fn or<T>(mine: &mut Option<T>, file: Option<T>) {
            if mine.is_none() {
                *mine = file;
            }
        }
        or(&mut self.upstream, upstream);
        or(&mut self.tls_cert, tls_cert);
        or(&mut self.tls_key, tls_key);
        or(&mut self.tls_client_ca, tls_client_ca);
        or(&mut self.socket_mode, socket_mode);
        or(&mut self.admin, admin);
        or(&mut self.admin_socket, admin_socket);
        or(&mut self.admin_token_file, admin_token_file);
        or(&mut self.state_dir, state_dir);
        or(&mut self.upstream_client_id, upstream_client_id);
        or(&mut self.max_server_version, max_server_version);
        or(&mut self.messages_per_second, messages_per_second);
        or(&mut self.duplicate_client, duplicate_client);
        or(&mut self.kill_switch, kill_switch);
        or(&mut self.historical_pacing, historical_pacing);
        or(&mut self.us_stock_sizes, us_stock_sizes);
        or(&mut self.upstream_close, upstream_close);
        or(&mut self.backoff_min, backoff_min);
        or(&mut self.backoff_max, backoff_max);
        or(&mut self.handshake_time, handshake_time);
        or(&mut self.max_clients, max_clients);
        or(&mut self.max_requests_per_client, max_requests_per_client);
        or(&mut self.max_queued_per_client, max_queued_per_client);
        or(&mut self.max_outbox_bytes, max_outbox_bytes);
        or(&mut self.conflate_above_bytes, conflate_above_bytes);
        or(&mut self.idle_client_time, idle_client_time);
        or(&mut self.slow_client_time, slow_client_time);
        or(&mut self.order_wait, order_wait);
        or(&mut self.request_wait, request_wait);
        or(&mut self.drain_time, drain_time);
        or(&mut self.line_grace, line_grace);
        or(&mut self.repeat_time, repeat_time);
        or(&mut self.capture, capture);
        or(&mut self.capture_limit, capture_limit);
        or(&mut self.capture_mask, capture_mask);
        self.client = client;
    }

    /// The policies, by client id and for the rest. Sections of other names are left out; [`Options::fault`] finds them.
    fn policies(&self) -> Policies {
        let mut policies = Policies::default();
        for (name, policy) in &self.client {
            match (&name[..], name.parse()) {
                ("default", _) => policies.default = policy.clone(),
                (_, Ok(id)) => drop(policies.by_id.insert(ClientId(id), policy.clone())),
                _ => {}
            }
        }
        policies
    }

    /// The first value that makes no sense: its key, and what is wrong with it.
    fn fault(&self) -> Option<(String, String)> {
        let fault = |key: &str, words: String| Some((key.to_owned(), words));
        if let Some(name) = &self.upstream
            && name != "sim"
            && !is_host_and_port(name)
        {
            return fault(
                "upstream",
                format!("{name:?} is neither `sim` nor HOST:PORT, for example 127.0.0.1:4002"),
            );
        }
        if let Some(addr) = self.admin.filter(|addr| !addr.ip().is_loopback()) {
            return fault("admin", format!("{addr} is not allowed: {NOT_LOOPBACK}"));
        }
        if let AdminSocket::At(path) = self.admin_socket()
            && !path.is_absolute()
        {
            let words = format!(
                "{:?} is neither an absolute path, as /run/twsmux/admin.sock, nor `auto`",
                path.display().to_string()
            );
            return fault("admin_socket", words);
        }
        if let Some(id) = self.upstream_client_id.filter(|id| *id < 0) {
            return fault("upstream_client_id", format!("{id} is no client id; they begin at 0"));
        }
        for (key, value, allowed) in [
            ("max_clients", self.max_clients, 1..=usize::MAX),
            ("max_requests_per_client", self.max_requests_per_client, 1..=MOST_REQUESTS),
            ("max_queued_per_client", self.max_queued_per_client, 1..=limits::MAX_QUEUED_PER_CLIENT),
            ("max_outbox_bytes", self.max_outbox_bytes, OUTBOX_BYTES),
            ("conflate_above_bytes", self.conflate_above_bytes, CONFLATE_BYTES),
        ] {
            if let Some(v) = value.filter(|v| !allowed.contains(v)) {
                let words = match *allowed.end() {
                    usize::MAX => format!("{v} is not allowed; it must be at least {}", allowed.start()),
                    most => format!("{v} is not allowed; it must be from {} to {most}", allowed.start()),
                };
                return fault(key, words);
            }
        }
        if let Some(v) = self.capture_limit.filter(|v| !LIMITS.contains(v)) {
            let (least, most) = LIMITS.into_inner();
            return fault("capture_limit", format!("{v} is not allowed; it must be from {least} to {most}"));
        }
        for (key, value, longest) in [
            ("backoff_min", self.backoff_min, LONGEST_TIME),
            ("backoff_max", self.backoff_max, LONGEST_TIME),
            ("handshake_time", self.handshake_time, LONGEST_TIME),
            ("slow_client_time", self.slow_client_time, LONGEST_SLOW_TIME),
            ("order_wait", self.order_wait, LONGEST_ORDER_WAIT),
            ("request_wait", self.request_wait, LONGEST_REQUEST_WAIT),
            ("drain_time", self.drain_time, LONGEST_DRAIN_TIME),
        ] {
            if let Some(v) = value.filter(|v| !(*v > 0.0 && *v <= longest)) {
                let words =
                    format!("{v} is not allowed; it must be a number of seconds above 0, {longest} at most");
                return fault(key, words);
            }
        }
        for (key, value, longest) in [
            ("line_grace", self.line_grace, LONGEST_KEPT),
            ("repeat_time", self.repeat_time, LONGEST_KEPT),
            ("idle_client_time", self.idle_client_time, LONGEST_TIME),
        ] {
            if let Some(v) = value.filter(|v| !(*v >= 0.0 && *v <= longest)) {
                let words = format!("{v} is not allowed; it must be a number of seconds from 0 to {longest}");
                return fault(key, words);
            }
        }
        if let (Some(min), Some(max)) = (self.backoff_min, self.backoff_max)
            && min > max
        {
            return fault("backoff_min", format!("{min} is above backoff_max, which is {max}"));
        }
        for (name, policy) in &self.client {
            if let Some((field, allowed)) = policy.fault() {
                return fault(&format!("client.{name}.{field}"), format!("must be {allowed}"));
            }
        }
        for name in self.client.keys().filter(|name| *name != "default") {
            if name.parse::<i32>().map(|id| id.to_string()).as_ref() != Ok(name) {
                return fault(
                    &format!("client.{name}"),
                    format!(
                        "{name} is neither a client id nor `default`; a section is [client.7] or [client.default]"
                    ),
                );
            }
        }
        None
    }

    /// The core's part of the settings, defaults filled in.
    pub fn core(&self) -> crate::core::Config {
        let d = crate::core::Config::default();
        let seconds = |value: Option<f64>, default: Duration| value.map_or(default, Duration::from_secs_f64);
        // A pause that was given bends the default of the other one, never the other way round.
        let given = |value: Option<f64>| value.map(Duration::from_secs_f64);
        let backoff_min = given(self.backoff_min)
            .unwrap_or_else(|| given(self.backoff_max).map_or(d.backoff_min, |max| d.backoff_min.min(max)));
        crate::core::Config {
            upstream_client_id: self.upstream_client_id.map_or(d.upstream_client_id, crate::ids::ClientId),
            max_server_version: self.max_server_version.unwrap_or(d.max_server_version),
            messages_per_second: self.messages_per_second.map_or(d.messages_per_second, |rate| rate.0),
            duplicate_client: self.duplicate_client.unwrap_or(d.duplicate_client),
            kill_switch: self.kill_switch.unwrap_or(d.kill_switch),
            historical_pacing: self.historical_pacing.unwrap_or(d.historical_pacing),
            us_stock_sizes: self.us_stock_sizes.unwrap_or(d.us_stock_sizes),
            backoff_min,
            backoff_max: seconds(self.backoff_max, d.backoff_max).max(backoff_min),
            handshake_time: seconds(self.handshake_time, d.handshake_time),
            max_clients: self.max_clients.unwrap_or(d.max_clients),
            limits: Limits {
                requests_per_client: self.max_requests_per_client.unwrap_or(d.limits.requests_per_client),
                queued_per_client: self.max_queued_per_client.unwrap_or(d.limits.queued_per_client),
                outbox: self.max_outbox_bytes.unwrap_or(d.limits.outbox),
                conflate_above: self.conflate_above_bytes.unwrap_or(d.limits.conflate_above),
                slow_time: seconds(self.slow_client_time, d.limits.slow_time),
                order_wait: seconds(self.order_wait, d.limits.order_wait),
                request_wait: seconds(self.request_wait, d.limits.request_wait),
                drain_time: seconds(self.drain_time, d.limits.drain_time),
            },
            line_grace: seconds(self.line_grace, d.line_grace),
            idle_client_time: seconds(self.idle_client_time, d.idle_client_time),
            repeat_time: seconds(self.repeat_time, d.repeat_time),
            policies: self.policies(),
            ..d
        }
    }
}

/// Whether a name has the form HOST:PORT. Whether it is somebody's name is found out later.
fn is_host_and_port(name: &str) -> bool {
    let parts = name.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    parts.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Variables named like settings that are none are mistakes: a typing error must not be silent.
fn check_environment(names: impl Iterator<Item = String>) -> Result<(), ConfigError> {
    use clap::{Args, Command};
    let command = Options::augment_args(Command::new("run"));
    let known: Vec<String> =
        command.get_arguments().filter_map(|a| a.get_env()?.to_str().map(str::to_owned)).collect();
    for name in names.filter(|n| n.starts_with("TWSMUX_")) {
        if !known.contains(&name) && !NOT_SETTINGS.contains(&name.as_str()) {
            return Err(ConfigError::UnknownVariable(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
