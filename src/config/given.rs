//! What is in effect, and where each of it comes from.

use std::collections::BTreeMap;
use std::fmt;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};

use crate::shell::access::Rules;
use crate::shell::tls::Mistake;

use super::file::File;
use super::{ConfigError, Options, check_environment, settings};

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A flag of the command line.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// The file, with the line.
    File(String, usize),
    /// Nobody gave it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(flag) => write!(f, "flag {flag}"),
            Source::Variable(name) => write!(f, "environment {name}"),
            Source::File(path, line) => write!(f, "file {path}:{line}"),
            Source::Default => f.write_str("default"),
        }
    }
}

/// What the command line and the environment give. It stays as it is while twsmux runs.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The settings, those of the file not among them.
    pub options: Options,
    /// Where those come from that were given.
    from: BTreeMap<&'static str, Source>,
}

impl Args for Given {
    fn augment_args(command: clap::Command) -> clap::Command {
        Options::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Options::augment_args_for_update(command)
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        let mut from = BTreeMap::new();
        for setting in settings::ALL {
            if !matches.ids().any(|id| id.as_str() == setting.key) {
                continue;
            }
            match matches.value_source(setting.key) {
                Some(ValueSource::CommandLine) => from.insert(setting.key, Source::Flag(setting.flag())),
                Some(ValueSource::EnvVariable) => {
                    from.insert(setting.key, Source::Variable(setting.variable()))
                }
                _ => None,
            };
        }
        Ok(Given { options: Options::from_arg_matches_mut(matches)?, from })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// One value that is in effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its key, as `backoff_min` or `client.7.master`.
    pub key: String,
    /// The value as TOML writes it.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.key, self.value, self.source)
    }
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The settings; what nobody gave is still not given.
    pub options: Options,
    /// Who may connect, the certificates read.
    pub rules: Rules,
    /// All of them one by one, defaults among them.
    pub lines: Vec<Line>,
}

impl Given {
    /// Fills what was not given by flag or environment from the file that was named, if one was, and checks all of it.
    ///
    /// # Errors
    /// [`ConfigError`]; also on a `TWSMUX_*` variable that is no setting, and on values that contradict each other.
    pub fn complete(&self) -> Result<Effective, ConfigError> {
        check_environment(std::env::vars_os().filter_map(|(k, _)| k.into_string().ok()))?;
        let file = self.options.config.as_deref().map(File::read).transpose()?;
        if let Some(file) = &file {
            // What a flag replaces is checked too: the day the flag goes must bring no surprise.
            check(&file.options, |key| file.place_of(key))?;
        }
        let mut options = self.options.clone();
        if let Some(file) = &file {
            options.fill(file.options.clone());
        }
        let place = |key: &str| match self.from.get(key) {
            Some(Source::Flag(flag)) => format!("the flag {flag}"),
            Some(Source::Variable(name)) => format!("the environment variable {name}"),
            _ => file.as_ref().map_or_else(|| format!("the setting {key}"), |file| file.place_of(key)),
        };
        check(&options, place)?;
        // Of both together: the list may come from another place than the listener.
        let at = |mistake: Mistake| ConfigError::Wrong { place: place(mistake.key), words: mistake.words };
        let rules = options.rules().map_err(at)?;
        rules
            .protect(&options.listeners())
            .map_err(|words| ConfigError::Wrong { place: place("listen"), words })?;
        let lines = settings::rows(&options).into_iter().map(|(setting, key, value)| {
            let of_file =
                || Some(Source::File(file.as_ref()?.path().to_owned(), file.as_ref()?.line_of(&key)?));
            let source = self.from.get(setting.key).cloned().or_else(of_file).unwrap_or(Source::Default);
            Line { key, value, source }
        });
        Ok(Effective { lines: lines.collect(), options, rules })
    }
}

fn check(options: &Options, place: impl Fn(&str) -> String) -> Result<(), ConfigError> {
    match options.fault() {
        Some((key, words)) => Err(ConfigError::Wrong { place: place(&key), words }),
        None => Ok(()),
    }
}
