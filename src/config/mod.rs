//! Settings of `run`: flags, then `TWSMUX_*` environment, then the TOML file, then defaults. Unknown keys are
//! errors. One struct declares them all; its field names are the TOML keys.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::policy::{Policies, Policy};
use crate::core::{DuplicateClient, UsStockSizes};
use crate::ids::ClientId;
use crate::shell::run::{Die, UpstreamClose};

/// Highest server version that `latest` asks for.
pub const LATEST_SERVER_VERSION: u16 = crate::core::MAX_SERVER_VERSION;

/// Longest time that can be set, seconds.
const LONGEST_TIME: f64 = 86_400.0;

/// Every setting, each perhaps not given.
#[derive(Clone, Debug, Default, clap::Args, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Address of IB Gateway or TWS (HOST:PORT), or `sim` for a built-in simulated one [default: 127.0.0.1:4002]
    #[arg(long, env = "TWSMUX_UPSTREAM", value_name = "HOST:PORT|sim")]
    pub upstream: Option<String>,
    /// Address for clients, loopback only; may be given several times [default: 127.0.0.1:4010]
    #[arg(long, env = "TWSMUX_LISTEN", value_name = "ADDR", value_delimiter = ',')]
    pub listen: Vec<SocketAddr>,
    /// Address of the admin endpoint, loopback only [default: 127.0.0.1:9410]
    #[arg(long, env = "TWSMUX_ADMIN", value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
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
    /// The file is not as it should be.
    #[error("the configuration file {path} is wrong: {error}")]
    Wrong {
        /// Which.
        path: String,
        /// The parser's words: the place and the key.
        error: String,
    },
    /// An environment variable that no setting has.
    #[error(
        "the environment variable {0} is no setting of twsmux; see `twsmux run --help` for those that are"
    )]
    UnknownVariable(String),
    /// A value that makes no sense.
    #[error("{0}")]
    Invalid(String),
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

fn rate<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Rate>, D::Error> {
    worded(d, parse_rate)
}

/// Variables that are no settings of `run`: for its logs, for `doctor`, and for the test suite.
const NOT_SETTINGS: [&str; 4] = ["TWSMUX_LOG", "TWSMUX_GATEWAY", "TWSMUX_CAPTURES", "TWSMUX_CLIENTS_DIR"];

impl Options {
    /// Fills what was not given by flag or environment from the file that was named, if one was.
    ///
    /// # Errors
    /// [`ConfigError`]; also on a `TWSMUX_*` variable that is no setting, and on values that contradict each other.
    pub fn complete(mut self) -> Result<Self, ConfigError> {
        check_environment(std::env::vars_os().filter_map(|(k, _)| k.into_string().ok()))?;
        if let Some(path) = self.config.clone() {
            self.fill(Self::read(&path)?);
        }
        let positive = |name: &str, value: Option<f64>| match value {
            Some(v) if !(v > 0.0 && v <= LONGEST_TIME) => Err(ConfigError::Invalid(format!(
                "{name} is {v}; it must be a number of seconds above 0, and a day at most"
            ))),
            _ => Ok(()),
        };
        self.policies()?;
        positive("backoff_min", self.backoff_min)?;
        positive("backoff_max", self.backoff_max)?;
        positive("handshake_time", self.handshake_time)?;
        if let (Some(min), Some(max)) = (self.backoff_min, self.backoff_max)
            && min > max
        {
            return Err(ConfigError::Invalid(format!("backoff_min {min} is above backoff_max {max}")));
        }
        Ok(self)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: name.clone(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::Wrong { path: name, error: error.to_string() })
    }

    fn fill(&mut self, file: Self) {
        let Options {
            upstream,
            listen,
            admin,
            state_dir,
            config: _,
            upstream_client_id,
            max_server_version,
            messages_per_second,
            duplicate_client,
            us_stock_sizes,
            upstream_close,
            backoff_min,
            backoff_max,
            handshake_time,
            client,
            die: _,
        } = file;
        if self.listen.is_empty() {
            self.listen = listen;
        }
        fn or<T>(mine: &mut Option<T>, file: Option<T>) {
            if mine.is_none() {
                *mine = file;
            }
        }
        or(&mut self.upstream, upstream);
        or(&mut self.admin, admin);
        or(&mut self.state_dir, state_dir);
        or(&mut self.upstream_client_id, upstream_client_id);
        or(&mut self.max_server_version, max_server_version);
        or(&mut self.messages_per_second, messages_per_second);
        or(&mut self.duplicate_client, duplicate_client);
        or(&mut self.us_stock_sizes, us_stock_sizes);
        or(&mut self.upstream_close, upstream_close);
        or(&mut self.backoff_min, backoff_min);
        or(&mut self.backoff_max, backoff_max);
        or(&mut self.handshake_time, handshake_time);
        self.client = client;
    }

    /// The policies, by client id and for the rest.
    fn policies(&self) -> Result<Policies, ConfigError> {
        let mut policies = Policies::default();
        for (name, policy) in &self.client {
            match (&name[..], name.parse()) {
                ("default", _) => policies.default = *policy,
                (_, Ok(id)) => drop(policies.by_id.insert(ClientId(id), *policy)),
                _ => {
                    return Err(ConfigError::Invalid(format!(
                        "[client.{name}]: {name} is neither a client id nor `default`"
                    )));
                }
            }
        }
        Ok(policies)
    }

    /// The core's part of the settings, defaults filled in.
    pub fn core(&self) -> crate::core::Config {
        let d = crate::core::Config::default();
        let seconds = |value: Option<f64>, default: Duration| value.map_or(default, Duration::from_secs_f64);
        let backoff_min = seconds(self.backoff_min, d.backoff_min);
        crate::core::Config {
            upstream_client_id: self.upstream_client_id.map_or(d.upstream_client_id, crate::ids::ClientId),
            max_server_version: self.max_server_version.unwrap_or(d.max_server_version),
            messages_per_second: self.messages_per_second.map_or(d.messages_per_second, |rate| rate.0),
            duplicate_client: self.duplicate_client.unwrap_or(d.duplicate_client),
            us_stock_sizes: self.us_stock_sizes.unwrap_or(d.us_stock_sizes),
            backoff_min,
            backoff_max: seconds(self.backoff_max, d.backoff_max).max(backoff_min),
            handshake_time: seconds(self.handshake_time, d.handshake_time),
            policies: self.policies().unwrap_or_default(),
            ..d
        }
    }
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
mod tests {
    use super::*;
    use crate::core::policy::GlobalCancel;

    fn from_file(text: &str) -> Result<Options, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("twsmux.toml");
        std::fs::write(&path, text).unwrap();
        Options { config: Some(path), ..Options::default() }.complete()
    }

    #[test]
    fn a_file_fills_what_flags_leave_open() {
        let options = from_file(
            "upstream = \"127.0.0.1:4001\"\nlisten = [\"127.0.0.1:1\"]\nmax_server_version = \"latest\"\n\
             messages_per_second = 40\nduplicate_client = \"replace\"\n",
        )
        .unwrap();
        assert_eq!(options.upstream.as_deref(), Some("127.0.0.1:4001"));
        assert_eq!(options.max_server_version, Some(LATEST_SERVER_VERSION));
        assert_eq!(options.core().messages_per_second, Some(40));
        assert_eq!(options.core().duplicate_client, DuplicateClient::Replace);
        let mut flags = Options { upstream: Some("sim".into()), ..Options::default() };
        flags.fill(options);
        assert_eq!(flags.upstream.as_deref(), Some("sim"), "a flag wins");
        assert_eq!(flags.listen.len(), 1);
    }

    #[test]
    fn a_client_id_has_its_own_policy_or_the_default_one() {
        let text = "[client.default]\nglobal_cancel = \"own\"\n[client.7]\nmaster = true\ncancel_on_disconnect = true\n";
        let policies = from_file(text).unwrap().core().policies;
        let (seven, other) = (policies.of(ClientId(7)), policies.of(ClientId(8)));
        assert_eq!((seven.master, seven.cancel_on_disconnect), (true, true));
        assert_eq!(seven.global_cancel, GlobalCancel::Forward, "its own policy replaces the default one");
        assert_eq!((other.master, other.global_cancel), (false, GlobalCancel::Own));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("upstraem = \"x\"", "upstraem"),
            ("max_server_version = 99", "99"),
            ("messages_per_second = 0", "0"),
            ("backoff_min = -1.0", "backoff_min"),
            ("handshake_time = 1e30", "handshake_time"),
            ("backoff_min = 9.0\nbackoff_max = 3.0", "above backoff_max"),
            ("listen = [\"nowhere\"]", "listen"),
            ("[client.seven]\nmaster = true", "seven"),
            ("[client.7]\nmister = true", "mister"),
            ("[client.7]\nglobal_cancel = \"perhaps\"", "perhaps"),
        ] {
            let error = from_file(text).expect_err(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_variable_that_is_no_setting_is_an_error() {
        let names = |n: &str| vec![n.to_owned()].into_iter();
        assert!(check_environment(names("TWSMUX_UPSTREAM")).is_ok());
        assert!(check_environment(names("HOME")).is_ok());
        let error = check_environment(names("TWSMUX_UPSTRAEM")).unwrap_err().to_string();
        assert!(error.contains("TWSMUX_UPSTRAEM"), "{error}");
    }
}
