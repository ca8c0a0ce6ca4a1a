//! Streams that exist once per upstream connection: account updates, positions, bulletins. One upstream
//! subscription, any number of subscribers, and the image for those who come later.

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use super::lines::as_gone;
use super::replay::Again;
use crate::ids::ClientKey;
use crate::limits;
use crate::protocol::dialect::Dialect;
use crate::protocol::model::Shared;

/// One stream.
#[derive(Debug, Default)]
pub struct Stream {
    /// The account it is about; empty for those that have none.
    pub account: String,
    /// Whether there is an upstream subscription, or will be when the link is back.
    live: bool,
    /// What was asked, so that it can be asked again.
    pub again: Option<Again>,
    /// It is asked for again, and that has not left.
    pub replaying: bool,
    /// Whether the bulletins of the day were asked for.
    pub has_all: bool,
    /// The rows before an outage, until the next image is complete.
    before: indexmap::IndexMap<Vec<u8>, Bytes, FxBuildHasher>,
    subscribers: indexmap::IndexSet<ClientKey, FxBuildHasher>,
    rows: indexmap::IndexMap<Vec<u8>, Bytes, FxBuildHasher>,
    end: Option<Bytes>,
    /// Rows seen, for keys of rows that replace nothing.
    seen: u64,
}

impl Stream {
    /// Whether there is an upstream subscription.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Adds a subscriber. `true`: there is no upstream subscription yet.
    pub fn join(&mut self, client: ClientKey) -> bool {
        self.subscribers.insert(client);
        !std::mem::replace(&mut self.live, true)
    }

    /// Whether a client has subscribed.
    pub fn has(&self, client: ClientKey) -> bool {
        self.subscribers.contains(&client)
    }

    /// Takes a subscriber out: `None` when it was none, `Some(true)` when it was the last one.
    pub fn leave(&mut self, client: ClientKey) -> Option<bool> {
        self.subscribers.shift_remove(&client).then(|| self.subscribers.is_empty())
    }

    /// Who has subscribed, in the order of joining.
    pub fn subscribers(&self) -> Vec<ClientKey> {
        self.subscribers.iter().copied().collect()
    }

    /// Keeps a row for those who come later. An empty key: a row that replaces none.
    pub fn row(&mut self, mut key: Vec<u8>, payload: &[u8]) {
        self.seen += 1;
        if key.is_empty() {
            key = self.seen.to_be_bytes().to_vec();
        }
        if self.rows.len() >= limits::MAX_IMAGE_ROWS && !self.rows.contains_key(&key) {
            self.rows.shift_remove_index(0);
        }
        self.rows.insert(key, Bytes::copy_from_slice(payload));
    }

    /// Keeps the end marker.
    pub fn end(&mut self, payload: &[u8]) {
        self.end = Some(Bytes::copy_from_slice(payload));
    }

    /// There is no link: nothing of the image holds any more. What was there is remembered, to be told if it is gone.
    pub fn sleep(&mut self) {
        // Rows that replace none have other keys each time: what was told on several links is kept once.
        let told: indexmap::IndexSet<Bytes, FxBuildHasher> = self.before.values().cloned().collect();
        for (key, payload) in std::mem::take(&mut self.rows) {
            if self.before.contains_key(&key) || !told.contains(&payload) {
                self.before.insert(key, payload);
            }
        }
        let over = self.before.len().saturating_sub(limits::MAX_IMAGE_ROWS);
        self.before.drain(..over);
        self.end = None;
        self.replaying = false;
    }

    /// It is subscribed anew on the same link. An image that was still coming may go on and end before the new one begins:
    /// what is not in that has not gone. `ends`: whether its images have an end.
    pub fn interrupt(&mut self, ends: bool) {
        let is_coming = ends && self.end.is_none();
        self.sleep();
        if is_coming {
            self.before.clear();
        }
    }

    /// The Gateway came back with another version: nothing of the past can be told.
    pub fn forget_before(&mut self) {
        self.before.clear();
    }

    /// The image is complete: what was there before an outage and is not now, as rows that say so.
    pub fn gone(&mut self, dialect: &Dialect) -> Vec<Vec<u8>> {
        let before = std::mem::take(&mut self.before);
        let gone = before.into_iter().filter(|(key, _)| !self.rows.contains_key(key));
        // The key of a row begins with its message.
        let fields = |key: &[u8]| Some(crate::protocol::response((*key.first()?).into())?.gone);
        gone.filter_map(|(key, payload)| {
            let fields = fields(&key).filter(|fields| !fields.is_empty())?;
            as_gone(dialect, &payload, fields)
        })
        .collect()
    }

    /// A row that was told before is part of the image.
    pub fn told_again(&mut self, payload: &[u8]) {
        if !self.rows.values().any(|told| told == payload) {
            self.row(Vec::new(), payload);
        }
    }

    /// Whether subscribers were told this very row, now or before an outage.
    pub fn was_told(&self, payload: &[u8]) -> bool {
        self.rows.values().chain(self.before.values()).any(|told| told == payload)
    }

    /// The image as far as it is known: the rows, then the end marker if it has come.
    pub fn image(&self) -> Vec<Bytes> {
        self.rows.values().chain(&self.end).cloned().collect()
    }

    /// Rows of before an outage that are remembered.
    pub fn remembered(&self) -> usize {
        self.before.len()
    }

    /// Rows in the image.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Streams {
    account_updates: Stream,
    positions: Stream,
    bulletins: Stream,
}

/// Every shared stream.
pub const ALL: [Shared; 3] = [Shared::AccountUpdates, Shared::Positions, Shared::Bulletins];

impl Streams {
    /// The stream of a kind.
    pub fn get(&self, stream: Shared) -> &Stream {
        match stream {
            Shared::AccountUpdates => &self.account_updates,
            Shared::Positions => &self.positions,
            Shared::Bulletins => &self.bulletins,
        }
    }

    /// Likewise, to change it.
    pub fn get_mut(&mut self, stream: Shared) -> &mut Stream {
        match stream {
            Shared::AccountUpdates => &mut self.account_updates,
            Shared::Positions => &mut self.positions,
            Shared::Bulletins => &mut self.bulletins,
        }
    }
}
