//! What people at the controls ask of the event loop, and what outlives a reading of the settings.
//!
//! Owns: the way from the admin thread to the event loop and back, the audit line, what was changed by hand. May not know:
//! HTTP, and what the core does with a wish. Driven by: the admin thread through [`Remote`], the event loop through
//! [`Shell::hear_control`].
//!
//! **What was changed by hand stays until it is changed by hand**: another reading of the settings, for whatever reason, must
//! neither release a kill switch nor give a client back what was taken from it. The kill switch survives a restart as well.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use tokio::sync::{mpsc, oneshot};

use super::access::Access;
use super::run::Shell;
use crate::capture::{CaptureRequest, Which};
use crate::core::io::Input;
use crate::core::operate::{Operation, Refusal};
use crate::core::policy::Policy;
use crate::ids::ClientId;
use crate::limits;
use crate::telemetry::Published;

/// A command.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// For the core.
    Operate(Operation),
    /// No new orders and no modifications, or again.
    KillSwitch(bool),
    /// Changes fields of a policy; `None`: as the settings have it.
    Policy {
        /// Whose; `None`: of those that have none of their own.
        whose: Option<ClientId>,
        /// New values by field; a null is the default.
        fields: Option<serde_json::Map<String, serde_json::Value>>,
    },
    /// Begins a capture.
    Capture {
        /// Of whom.
        which: Which,
        /// Its file, absolute; `None`: one in the folder `captures` of the state directory, named by the time.
        path: Option<PathBuf>,
        /// Bytes at which it ends; `None`: the usual ones.
        limit: Option<u64>,
        /// Whether account numbers are masked.
        mask: bool,
    },
    /// Ends the capture that runs.
    CaptureStop,
}

/// The names of all commands, in the order of [`Command::index`]: labels of their metric, and the last part of their address.
pub const NAMES: [&str; 9] =
    ["pause", "resume", "reconnect", "kill", "drain", "kill-switch", "policy", "capture", "capture-stop"];

impl Command {
    fn index(&self) -> usize {
        match self {
            Command::Operate(Operation::Pause) => 0,
            Command::Operate(Operation::Resume) => 1,
            Command::Operate(Operation::Reconnect) => 2,
            Command::Operate(Operation::Kill(_)) => 3,
            Command::Operate(Operation::Drain { .. }) => 4,
            Command::KillSwitch(_) => 5,
            Command::Policy { .. } => 6,
            Command::Capture { .. } => 7,
            Command::CaptureStop => 8,
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        NAMES[self.index()]
    }
}

/// Why a command was not carried out; each in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// It concerns somebody who is not there.
    #[error("{0}")]
    NotFound(String),
    /// It makes no sense as things stand.
    #[error("{0}")]
    Conflict(String),
    /// Its values make no sense.
    #[error("{0}")]
    Invalid(String),
    /// The event loop did not answer.
    #[error("{0}")]
    Unanswered(String),
    /// It holds now, and will not hold after a restart.
    #[error("{0}")]
    NotKept(String),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Denied {
        match refusal {
            Refusal::NoSuchClient(_) => Denied::NotFound(refusal.to_string()),
            Refusal::Conflict(_) => Denied::Conflict(refusal.to_string()),
        }
    }
}

/// Commands by what became of them: done, and not.
pub type Counts = [[u64; 2]; NAMES.len()];

/// A command on its way to the event loop.
#[derive(Debug)]
pub(super) struct Asked {
    command: Command,
    answer: oneshot::Sender<Result<String, Denied>>,
}

/// The other end, for the admin thread.
#[derive(Debug)]
pub struct Remote {
    way: mpsc::Sender<Asked>,
    switch: SwitchFile,
    /// Where captures go for which nobody names a file.
    captures: PathBuf,
    access: Arc<Access>,
    counts: [[AtomicU64; 2]; NAMES.len()],
}

impl Remote {
    /// The two ends of the way.
    pub(super) fn new(state_dir: &Path, access: Arc<Access>) -> (Arc<Remote>, mpsc::Receiver<Asked>) {
        let (way, heard) = mpsc::channel(limits::MAX_WAITING_COMMANDS);
        let (switch, captures) = (SwitchFile::within(state_dir), state_dir.join("captures"));
        (Arc::new(Remote { way, switch, captures, access, counts: Default::default() }), heard)
    }

    /// One whose commands nobody hears; for tests of the admin endpoint alone. `token`: the one that it knows.
    pub fn unheard(token: Option<super::token::Token>) -> Arc<Remote> {
        let rules = super::access::Rules { token, ..Default::default() };
        let access = Arc::new(Access::new(rules, Arc::default()));
        Remote::new(Path::new("/dev/null"), access).0
    }

    /// Whether there is a token at all, and whether this is it.
    pub fn knows_token(&self, shown: Option<&[u8]>) -> Option<bool> {
        self.access.rules().token.as_ref().map(|token| shown.is_some_and(|shown| token.is(shown)))
    }

    /// How many commands there were.
    pub fn counts(&self) -> Counts {
        std::array::from_fn(|n| self.counts[n].each_ref().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Has a command carried out, and logs who wanted it and what came of it. `by` is who, as it is known here; `reason`
    /// is what he says. Returns what was done.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn ask(&self, command: Command, by: &str, reason: Option<&str>) -> Result<String, Denied> {
        let (name, index) = (command.name(), command.index());
        let done = match command {
            Command::KillSwitch(on) => self.switch_kept(on).await,
            command => match self.with_a_file(command) {
                Ok(command) => self.carry(command).await,
                Err(denied) => Err(denied),
            },
        };
        self.counts[index][usize::from(done.is_err())].fetch_add(1, Ordering::Relaxed);
        let reason = reason.unwrap_or("none given");
        match &done {
            Ok(words) => tracing::info!(by, reason, "control: {name}: {words}"),
            Err(Denied::NotKept(words)) => tracing::error!(by, reason, "control: {name}: {words}"),
            Err(words) => tracing::warn!(by, reason, "control: {name}: not done: {words}"),
        }
        done
    }

    /// The kill switch, and its file. **On, the file comes first**: an event loop that hangs may be restarted before it has heard
    /// of it. This thread may wait for the disk, the event loop may not.
    async fn switch_kept(&self, on: bool) -> Result<String, Denied> {
        let file = || self.switch.path.display().to_string();
        let kept = if on { self.switch.set(true) } else { Ok(()) };
        let words = self.carry(Command::KillSwitch(on)).await?;
        let kept = if on { kept } else { self.switch.set(false) };
        kept.map(|()| words.clone()).map_err(|error| {
            let (again, what) = if on { ("off", "written") } else { ("on", "removed") };
            let file = file();
            Denied::NotKept(format!(
                "{words}; but after a restart it is {again} again, because {file} cannot be {what}: {error}"
            ))
        })
    }

    /// A capture for which nobody named a file gets one. On this thread, which may wait for the disk.
    fn with_a_file(&self, command: Command) -> Result<Command, Denied> {
        let Command::Capture { which, path: None, limit, mask } = command else { return Ok(command) };
        use std::os::unix::fs::DirBuilderExt;
        let folder = &self.captures;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
            Denied::Conflict(format!("the folder {} cannot be made: {error}", folder.display()))
        })?;
        let now = crate::time::utc_style(super::reload::wall_ms()).replace([':', '-'], "");
        let path = folder.join(format!("{now}.capture"));
        Ok(Command::Capture { which, path: Some(path), limit, mask })
    }

    async fn carry(&self, command: Command) -> Result<String, Denied> {
        let unanswered =
            |what: &str| Denied::Unanswered(format!("the event loop {what}; see `twsmux status`"));
        let (answer, heard) = oneshot::channel();
        let asked = Asked { command, answer };
        self.way.try_send(asked).map_err(|_| unanswered("takes no commands now"))?;
        match tokio::time::timeout(limits::COMMAND_TIME, heard).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(unanswered("has ended")),
            Err(_) => Err(unanswered(&format!(
                "has not answered for {} s; the command may still be carried out",
                limits::COMMAND_TIME.as_secs()
            ))),
        }
    }
}

/// The file whose existence says that the kill switch is on.
#[derive(Debug)]
pub(super) struct SwitchFile {
    path: PathBuf,
}

impl SwitchFile {
    pub(super) fn within(state_dir: &Path) -> SwitchFile {
        SwitchFile { path: state_dir.join("kill-switch") }
    }

    /// Whether it was on when twsmux ended. **What cannot be known counts as on.**
    pub(super) fn is_on(&self) -> bool {
        match self.path.try_exists() {
            Ok(false) => false,
            Ok(true) => {
                let file = self.path.display();
                tracing::warn!(
                    "the kill switch is on since before this start ({file}): no new orders and no modifications leave. \
                     `twsmux control kill-switch off` ends that"
                );
                true
            }
            Err(error) => {
                let file = self.path.display();
                tracing::error!(
                    "whether the kill switch was on cannot be known, so it is on: {file}: {error}. \
                     `twsmux control kill-switch off` ends that"
                );
                true
            }
        }
    }

    fn set(&self, on: bool) -> io::Result<()> {
        match on {
            true => std::fs::File::create(&self.path)?.sync_all()?,
            false => match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            },
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::File::open(folder)?.sync_all()
    }
}

/// The settings of the core as they were read, and what was changed by hand on top.
#[derive(Debug)]
pub(super) struct ByHand {
    read: crate::core::Config,
    kill_switch: bool,
    /// The fields that were changed, by whose policy. **What nobody touched follows the file.**
    policies: IndexMap<Option<ClientId>, Fields, FxBuildHasher>,
}

/// Values by field; a null is the default.
type Fields = serde_json::Map<String, serde_json::Value>;

impl ByHand {
    pub(super) fn new(read: crate::core::Config, kill_switch: bool) -> ByHand {
        ByHand { read, kill_switch, policies: IndexMap::default() }
    }

    /// The settings were read again.
    pub(super) fn read_again(&mut self, read: crate::core::Config) {
        self.read = read;
    }

    /// What is in effect.
    pub(super) fn effective(&self) -> crate::core::Config {
        let mut config = self.read.clone();
        config.kill_switch |= self.kill_switch;
        // First that of those that have none of their own.
        if let Some(fields) = self.policies.get(&None) {
            config.policies.default = merged(&config.policies.default, fields);
        }
        for (whose, fields) in &self.policies {
            if let Some(id) = whose {
                let policy = merged(config.policies.of(*id), fields);
                config.policies.by_id.insert(*id, policy);
            }
        }
        config
    }

    /// What was changed by hand, as keys of settings.
    pub(super) fn changed(&self) -> Vec<String> {
        let switch = self.kill_switch.then(|| "kill_switch".to_owned());
        let names = |(whose, fields): (&Option<ClientId>, &Fields)| {
            let section = section(*whose);
            fields.keys().map(|field| format!("{section}.{field}")).collect::<Vec<_>>()
        };
        switch.into_iter().chain(self.policies.iter().flat_map(names)).collect()
    }

    fn switch(&mut self, on: bool) -> Result<String, Denied> {
        if !on && self.read.kill_switch {
            return Err(Denied::Conflict(
                "the setting kill_switch is true, so it stays on; change that and send SIGHUP".to_owned(),
            ));
        }
        self.kill_switch = on;
        Ok(match on {
            true => "the kill switch is on: no new orders and no modifications leave, cancels do".to_owned(),
            false => "the kill switch is off".to_owned(),
        })
    }

    fn set_policy(
        &mut self,
        whose: Option<ClientId>,
        fields: Option<serde_json::Map<String, serde_json::Value>>,
    ) -> Result<String, Denied> {
        let section = section(whose);
        let Some(fields) = fields else {
            return Ok(match self.policies.shift_remove(&whose) {
                Some(_) => format!("{section} is as the settings have it"),
                None => format!("{section} was not changed by hand"),
            });
        };
        if !self.policies.contains_key(&whose) && self.policies.len() >= limits::MAX_CHANGED_POLICIES {
            let words = format!("{} policies were changed by hand, the limit", limits::MAX_CHANGED_POLICIES);
            return Err(Denied::Conflict(format!("{words}; put some into the configuration file")));
        }
        let mut all = self.policies.get(&whose).cloned().unwrap_or_default();
        all.extend(fields);
        let now = self.effective().policies;
        let now = whose.map_or(&now.default, |id| now.of(id));
        let invalid = |words: String| Denied::Invalid(format!("{section}: {words}"));
        let policy = merge(now, &all).map_err(|error| invalid(error.to_string()))?;
        if let Some((field, allowed)) = policy.fault() {
            return Err(invalid(format!("{field} must be {allowed}")));
        }
        self.policies.insert(whose, all);
        Ok(format!(
            "{section} is {}; what was changed by hand stays until it is changed again or twsmux ends",
            serde_json::to_string(&policy).unwrap_or_default()
        ))
    }
}

/// A policy with other values in some fields.
fn merge(policy: &Policy, fields: &Fields) -> Result<Policy, serde_json::Error> {
    let mut value = serde_json::to_value(policy)?;
    if let Some(object) = value.as_object_mut() {
        for (field, value) in fields {
            match value.is_null() {
                true => drop(object.remove(field)),
                false => drop(object.insert(field.clone(), value.clone())),
            }
        }
    }
    serde_json::from_value(value)
}

/// Likewise, of fields that were merged before: whether a value makes sense does not depend on the others.
fn merged(policy: &Policy, fields: &Fields) -> Policy {
    merge(policy, fields).expect("each field was read before")
}

/// The section of the configuration file in which a policy stands.
fn section(whose: Option<ClientId>) -> String {
    whose.map_or("client.default".to_owned(), |id| format!("client.{id}"))
}

impl Shell {
    /// Carries commands out, one after the other.
    pub(super) async fn hear_control(
        self: Rc<Self>,
        mut heard: mpsc::Receiver<Asked>,
        published: Arc<Published>,
    ) {
        while let Some(Asked { command, answer }) = heard.recv().await {
            let done = match command {
                Command::Operate(operation) => self.operate(&operation),
                Command::KillSwitch(on) => self.change(|by_hand| by_hand.switch(on)),
                Command::Policy { whose, fields } => self.change(|by_hand| by_hand.set_policy(whose, fields)),
                Command::Capture { which, path, limit, mask } => self.capture(which, path, limit, mask),
                Command::CaptureStop => {
                    let ended = self.captures.stop().map_err(Denied::Conflict);
                    ended.map(|()| "the capture ends; its file is whole in a moment".to_owned())
                }
            };
            // Who asks for the status next sees what he has done.
            published.set_changed_by_hand(self.by_hand.borrow().changed());
            self.publish_now(&published);
            // Who asked may have given up.
            let _ = answer.send(done);
        }
    }

    fn capture(
        &self,
        which: Which,
        path: Option<PathBuf>,
        limit: Option<u64>,
        mask: bool,
    ) -> Result<String, Denied> {
        let path = path.ok_or_else(|| Denied::Invalid("a capture needs a file".to_owned()))?;
        let request = CaptureRequest { which, path, limit: limit.unwrap_or(limits::CAPTURE_LIMIT), mask };
        self.start_capture(&request).map_err(Denied::Conflict)?;
        let whose = match which {
            Which::All => "everything".to_owned(),
            Which::Client(id) => format!("what client id {id} sends and is sent"),
        };
        let (file, limit) = (request.path.display(), request.limit);
        Ok(format!(
            "{whose} is captured in {file}, up to {limit} bytes; `twsmux control capture-stop` ends it"
        ))
    }

    fn change(
        self: &Rc<Self>,
        change: impl FnOnce(&mut ByHand) -> Result<String, Denied>,
    ) -> Result<String, Denied> {
        let done = change(&mut self.by_hand.borrow_mut());
        self.apply_settings();
        done
    }

    /// Hands the settings that are in effect to the core.
    pub(super) fn apply_settings(self: &Rc<Self>) {
        let config = self.by_hand.borrow().effective();
        self.tell_and_perform(Input::Reconfigure { config: &config });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn by_hand() -> ByHand {
        let mut read = crate::core::Config::default();
        read.policies.by_id.insert(ClientId(7), Policy { master: true, ..Policy::default() });
        ByHand::new(read, false)
    }

    fn fields(value: serde_json::Value) -> Option<serde_json::Map<String, serde_json::Value>> {
        value.as_object().cloned()
    }

    #[test]
    fn fields_change_on_top_of_what_is_in_effect() {
        let mut hand = by_hand();
        hand.set_policy(Some(ClientId(7)), fields(json!({"read_only": true}))).unwrap();
        hand.set_policy(Some(ClientId(7)), fields(json!({"max_order_value": 100}))).unwrap();
        let policy = hand.effective().policies.of(ClientId(7)).clone();
        assert!(policy.master && policy.read_only && policy.max_order_value == Some(100.0), "{policy:?}");
        hand.set_policy(Some(ClientId(7)), fields(json!({"max_order_value": null, "master": false})))
            .unwrap();
        let policy = hand.effective().policies.of(ClientId(7)).clone();
        assert!(!policy.master && policy.read_only && policy.max_order_value.is_none(), "{policy:?}");
        assert!(!hand.effective().policies.of(ClientId(8)).read_only);
        hand.set_policy(None, fields(json!({"allowed": false}))).unwrap();
        assert!(!hand.effective().policies.of(ClientId(8)).allowed);
        assert_eq!(
            hand.changed(),
            ["client.7.master", "client.7.max_order_value", "client.7.read_only", "client.default.allowed"]
        );
        hand.set_policy(Some(ClientId(7)), None).unwrap();
        assert!(hand.effective().policies.of(ClientId(7)).master);
    }

    #[test]
    fn values_that_make_no_sense_change_nothing() {
        let mut hand = by_hand();
        for (wrong, says) in [
            (json!({"read_onyl": true}), "read_onyl"),
            (json!({"read_only": "yes"}), "bool"),
            (json!({"max_order_value": -1}), "max_order_value must be a number above 0"),
            (json!({"max_lines": -1}), "u32"),
        ] {
            match hand.set_policy(None, fields(wrong.clone())) {
                Err(Denied::Invalid(words)) => {
                    assert!(words.contains(says) && words.starts_with("client.default: "), "{words}");
                }
                other => panic!("{wrong}: {other:?}"),
            }
        }
        assert!(hand.changed().is_empty());
    }

    #[test]
    fn another_reading_releases_nothing() {
        let mut hand = by_hand();
        hand.switch(true).unwrap();
        hand.set_policy(Some(ClientId(7)), fields(json!({"read_only": true}))).unwrap();
        hand.read_again(crate::core::Config::default());
        let config = hand.effective();
        assert!(config.kill_switch && config.policies.of(ClientId(7)).read_only);
        hand.switch(false).unwrap();
        assert!(!hand.effective().kill_switch);
        hand.switch(true).unwrap();
        hand.read_again(crate::core::Config { kill_switch: true, ..crate::core::Config::default() });
        assert!(matches!(hand.switch(false), Err(Denied::Conflict(_))));
        hand.read_again(crate::core::Config::default());
        assert!(hand.effective().kill_switch, "what was refused has no effect later");
    }

    #[test]
    fn what_nobody_touched_follows_the_file_and_the_default() {
        let mut hand = by_hand();
        hand.set_policy(Some(ClientId(7)), fields(json!({"max_lines": 5}))).unwrap();
        hand.set_policy(Some(ClientId(8)), fields(json!({"max_lines": 6}))).unwrap();
        hand.set_policy(None, fields(json!({"data_only": true}))).unwrap();
        let mut read = crate::core::Config::default();
        read.policies.by_id.insert(ClientId(7), Policy { read_only: true, ..Policy::default() });
        hand.read_again(read);
        let policies = hand.effective().policies;
        let of = |id| policies.of(ClientId(id)).clone();
        assert!(of(7).read_only && !of(7).master && of(7).max_lines == Some(5), "{:?}", of(7));
        assert!(of(8).data_only && of(8).max_lines == Some(6), "{:?}", of(8));
        assert!(of(9).data_only);
    }

    #[test]
    fn there_is_a_bound_on_changed_policies() {
        let mut hand = by_hand();
        for id in 0..limits::MAX_CHANGED_POLICIES as i32 {
            hand.set_policy(Some(ClientId(id)), fields(json!({"read_only": true}))).unwrap();
        }
        let more = hand.set_policy(Some(ClientId(-1)), fields(json!({"read_only": true})));
        assert!(matches!(more, Err(Denied::Conflict(_))));
        hand.set_policy(Some(ClientId(0)), fields(json!({"read_only": false}))).unwrap();
    }

    #[test]
    fn the_switch_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let file = || SwitchFile::within(dir.path());
        assert!(!file().is_on());
        file().set(true).unwrap();
        file().set(true).unwrap();
        assert!(file().is_on());
        file().set(false).unwrap();
        file().set(false).unwrap();
        assert!(!file().is_on());
        let gone = SwitchFile::within(&dir.path().join("gone"));
        assert!(gone.set(true).is_err());
    }
}
