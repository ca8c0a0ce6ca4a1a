//! SIGHUP: the settings are read again, and what can be applied is.
//!
//! Owns: when that happens, and who is told. May not know: which settings there are. Driven by: the signal.
//!
//! **A reading that fails changes nothing.** The file is read on a thread of its own, because a disk may hang.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::signal::unix::Signal;
use tokio::sync::oneshot;

use super::access::Rules;
use super::run::{Shell, UpstreamClose};
use super::tls::Identity;
use crate::telemetry::{Loaded, Published};

/// What another reading found.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// Settings of the core; it takes over what can change.
    pub core: crate::core::Config,
    /// Who may connect from now on.
    pub rules: Rules,
    /// How the upstream is closed when twsmux stops.
    pub upstream_close: UpstreamClose,
    /// What changed and is applied, in words.
    pub applied: Vec<String>,
    /// What needs a restart, in words.
    pub restart: Vec<String>,
}

/// Reads the settings again; an error is in words.
type Read = Box<dyn FnMut() -> Result<Reloaded, String> + Send>;

/// How the settings are read again.
pub struct Reload {
    /// The file, if there is one.
    pub file: Option<String>,
    /// Reads it.
    pub read: Read,
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reload").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Milliseconds since the epoch.
pub(super) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

impl Shell {
    /// Reads the settings again with each signal.
    pub(super) async fn hear_hangup(
        self: Rc<Self>,
        mut hangup: Signal,
        reload: Reload,
        published: Arc<Published>,
    ) {
        let Reload { file, mut read } = reload;
        while hangup.recv().await.is_some() {
            let Some(file) = &file else {
                tracing::warn!(
                    "SIGHUP: there is nothing to read again, because twsmux was started without --config"
                );
                self.notifier.reloading();
                self.notifier.ready();
                continue;
            };
            self.notifier.reloading();
            let mut loaded = published.loaded();
            let found;
            (read, found) = read_beside(read).await;
            match found {
                Ok(new) => self.apply(file, new, &mut loaded),
                Err(words) => {
                    tracing::error!("SIGHUP: all settings stay as they were. {words}");
                    loaded.rejected += 1;
                    loaded.error = Some(words);
                }
            }
            // What was changed by hand meanwhile.
            loaded.changed_by_hand = self.by_hand.borrow().changed();
            published.set_loaded(loaded);
            self.notifier.ready();
        }
    }

    fn apply(self: &Rc<Self>, file: &str, new: Reloaded, loaded: &mut Loaded) {
        let Reloaded { mut core, rules, upstream_close, applied, restart } = new;
        loaded.tls_expires = rules.tls.as_ref().map(Identity::expires);
        for warning in rules.tls.iter().flat_map(|tls| &tls.warnings) {
            tracing::warn!("{warning}");
        }
        self.access.set(rules);
        core.max_clients = core.max_clients.min(self.most_clients);
        self.upstream_close.set(upstream_close);
        self.by_hand.borrow_mut().read_again(core);
        self.apply_settings();
        let listed = |what: &[String]| if what.is_empty() { "nothing".to_owned() } else { what.join("; ") };
        let words = format!(
            "SIGHUP: {file} was read again. Applied: {}. Needs a restart: {}",
            listed(&applied),
            listed(&restart)
        );
        let by_hand = self.by_hand.borrow().changed();
        let words = match by_hand.is_empty() {
            true => words,
            false => format!("{words}. Changed by hand, whatever the file says: {}", by_hand.join(", ")),
        };
        match restart.is_empty() && by_hand.is_empty() {
            true => tracing::info!("{words}"),
            false => tracing::warn!("{words}"),
        }
        loaded.loaded_ms = wall_ms();
        loaded.applied += 1;
        loaded.error = None;
        loaded.restart_needed = restart;
    }
}

/// Reads on another thread, and gives the reader back for the next time.
async fn read_beside(mut read: Read) -> (Read, Result<Reloaded, String>) {
    let (send, receive) = oneshot::channel();
    let work = move || {
        let found = read();
        let _ = send.send((read, found));
    };
    std::thread::Builder::new().name("reload".into()).spawn(work).expect("a thread can be made");
    receive.await.expect("a panic ends the process")
}
