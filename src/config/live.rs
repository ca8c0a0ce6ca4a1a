//! The settings of a running twsmux, and what SIGHUP changes in them.

use std::collections::BTreeMap;

use super::settings::{self, Reload};
use crate::shell::access::Rules;
use crate::shell::listen::Listen;

use super::{ConfigError, Effective, Given, Options};

/// Values by key.
type Values = BTreeMap<String, String>;

/// The settings of a running twsmux.
#[derive(Debug)]
pub struct Live {
    given: Given,
    /// What it started with: this is in effect of what needs a restart.
    started: Values,
    /// What was last applied.
    applied: Values,
    /// Who may connect, as last applied.
    rules: Rules,
    /// The listeners that are open, whatever the file says by now.
    listen: Vec<Listen>,
}

/// What another reading of the file found.
#[derive(Clone, Debug)]
pub struct Change {
    /// All settings as they are now.
    pub options: Options,
    /// Who may connect, the certificates read again.
    pub rules: Rules,
    /// What changed and can be applied, in words.
    pub applied: Vec<String>,
    /// What differs from what runs and needs a restart, in words.
    pub restart: Vec<String>,
}

impl Live {
    /// What runs.
    pub fn new(given: Given, effective: &Effective) -> Live {
        let started = values(&effective.options);
        Live {
            given,
            applied: started.clone(),
            started,
            rules: effective.rules.clone(),
            listen: effective.options.listeners(),
        }
    }

    /// The file that is read again, if there is one.
    pub fn file(&self) -> Option<String> {
        self.given.options.config.as_ref().map(|path| path.display().to_string())
    }

    /// Reads the file again, with flags and environment on top as before. What it gives back counts as applied.
    ///
    /// # Errors
    /// As [`Given::complete`]; then everything stays as it was.
    pub fn reload(&mut self) -> Result<Change, ConfigError> {
        let Effective { options, rules, .. } = self.given.complete()?;
        rules
            .protect(&self.listen)
            .map_err(|words| ConfigError::Wrong { place: "the listeners that are open".to_owned(), words })?;
        let new = values(&options);
        let restart = differences(&self.started, &new, false);
        let mut applied = differences(&self.applied, &new, true);
        if let (Some(old), Some(new)) = (&self.rules.tls, &rules.tls)
            && !old.same_certificates(new)
        {
            applied.push("the certificates have changed".to_owned());
        }
        self.rules = rules.clone();
        self.applied = new;
        Ok(Change { options, rules, applied, restart })
    }
}

fn values(options: &Options) -> Values {
    settings::rows(options).into_iter().map(|(_, key, value)| (key, value)).collect()
}

/// The setting of a key: `client.7.master` belongs to `client`.
fn is_applied(key: &str) -> bool {
    let name = key.split('.').next().unwrap_or_default();
    settings::ALL.iter().any(|s| s.key == name && matches!(s.reload, Reload::Applied(_)))
}

/// What differs, of the settings that are applied or of the others. A section that is only in one of the two is named as
/// a whole.
fn differences(old: &Values, new: &Values, applied: bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut say = |words: String| {
        if !out.contains(&words) {
            out.push(words);
        }
    };
    let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for key in keys.into_iter().filter(|key| is_applied(key) == applied) {
        let section = key.rsplit_once('.').map_or("", |(section, _)| section);
        match (old.get(key), new.get(key)) {
            (Some(before), Some(after)) if before != after => say(format!("{key} = {after} (was {before})")),
            (None, Some(_)) => say(format!("[{section}] is new")),
            (Some(_), None) => say(format!("[{section}] is gone")),
            _ => {}
        }
    }
    out
}
