//! Account summaries: the Gateway allows two per connection, so equal ones (group and tags) share one upstream
//! request. Who comes later gets the image and the end marker at once, under its own request id.

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use crate::ids::{ClientKey, DownReqId, UpReqId};
use crate::limits;

type Map<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;

/// Group, and tags in one order.
pub type Subject = (String, String);

/// One upstream request and those who share it.
#[derive(Debug, Default)]
pub struct Summary {
    members: indexmap::IndexSet<(ClientKey, DownReqId), FxBuildHasher>,
    /// Latest row by account, tag and currency, as the Gateway wrote it.
    rows: Map<Vec<u8>, Bytes>,
    end: Option<Bytes>,
}

impl Summary {
    /// Who shares it, in the order of joining.
    pub fn members(&self) -> Vec<(ClientKey, DownReqId)> {
        self.members.iter().copied().collect()
    }

    /// Keeps a row for those who come later.
    pub fn row(&mut self, key: Vec<u8>, payload: &[u8]) {
        if self.rows.len() < limits::MAX_SHARED_ROWS || self.rows.contains_key(&key) {
            self.rows.insert(key, Bytes::copy_from_slice(payload));
        }
    }

    /// Keeps the end marker.
    pub fn end(&mut self, payload: &[u8]) {
        self.end = Some(Bytes::copy_from_slice(payload));
    }

    /// The image as far as it is known.
    pub fn image(&self) -> Vec<Bytes> {
        self.rows.values().chain(&self.end).cloned().collect()
    }
}

/// All account summaries of the link.
#[derive(Debug, Default)]
pub struct Summaries {
    by_subject: Map<Subject, UpReqId>,
    by_id: Map<UpReqId, (Subject, Summary)>,
}

impl Summaries {
    /// The summary under an upstream request id.
    pub fn get_mut(&mut self, up: UpReqId) -> Option<&mut Summary> {
        self.by_id.get_mut(&up).map(|(_, summary)| summary)
    }

    /// The upstream request about a subject.
    pub fn about(&self, subject: &Subject) -> Option<UpReqId> {
        self.by_subject.get(subject).copied()
    }

    /// The upstream request that a client shares under its own id.
    pub fn of(&self, client: ClientKey, down: DownReqId) -> Option<UpReqId> {
        self.by_id.iter().find(|(_, (_, s))| s.members.contains(&(client, down))).map(|(up, _)| *up)
    }

    /// Requests that a client shares.
    pub fn held_by(&self, client: ClientKey) -> Vec<DownReqId> {
        let members = self.by_id.values().flat_map(|(_, s)| &s.members);
        members.filter(|(c, _)| *c == client).map(|(_, down)| *down).collect()
    }

    /// A new upstream request.
    pub fn open(&mut self, up: UpReqId, subject: Subject) {
        self.by_subject.insert(subject.clone(), up);
        self.by_id.insert(up, (subject, Summary::default()));
    }

    /// A client joins.
    pub fn join(&mut self, up: UpReqId, client: ClientKey, down: DownReqId) {
        if let Some(summary) = self.get_mut(up) {
            summary.members.insert((client, down));
        }
    }

    /// A client leaves: `Some` with the upstream request when it was the last one; that request is forgotten.
    pub fn leave(&mut self, client: ClientKey, down: DownReqId) -> Option<UpReqId> {
        let up = self.of(client, down)?;
        let summary = self.get_mut(up)?;
        summary.members.shift_remove(&(client, down));
        if !summary.members.is_empty() {
            return None;
        }
        self.end(up);
        Some(up)
    }

    /// The upstream request is over. Who shared it.
    pub fn end(&mut self, up: UpReqId) -> Vec<(ClientKey, DownReqId)> {
        let Some((subject, summary)) = self.by_id.shift_remove(&up) else { return Vec::new() };
        self.by_subject.shift_remove(&subject);
        summary.members()
    }

    /// The link is gone. Who shared anything.
    pub fn clear(&mut self) -> Vec<(ClientKey, DownReqId)> {
        self.by_subject.clear();
        std::mem::take(&mut self.by_id).into_values().flat_map(|(_, s)| s.members()).collect()
    }
}
