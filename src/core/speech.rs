//! How clients and the Gateway understand each other: per version of a client, what its messages are upstream and what
//! the Gateway's are to it. Compiled once per pair of versions and shared by all clients of that version.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::protocol::dialect::Dialect;
use crate::protocol::meaning::Subject;
use crate::protocol::transcode::Translation;
use crate::wire::text;

/// One pair of versions.
#[derive(Debug)]
pub struct Speech {
    /// What the client speaks.
    pub dialect: Arc<Dialect>,
    /// From the client to the Gateway.
    pub up: Translation,
    /// From the Gateway to the client.
    pub down: Translation,
}

/// All pairs in use, and the Gateway's side of them.
#[derive(Debug)]
pub struct Speeches {
    upstream: Arc<Dialect>,
    /// By the client's version: at most one per version that the tables know.
    known: BTreeMap<u16, Arc<Speech>>,
}

impl Speeches {
    /// `version`: the one that the Gateway is expected to speak, until it says which.
    pub fn new(version: u16) -> Self {
        Speeches { upstream: Arc::new(Dialect::new(version)), known: BTreeMap::new() }
    }

    /// The Gateway speaks `version` from now on.
    pub fn set_upstream(&mut self, version: u16) {
        if self.upstream.version() != version {
            *self = Speeches::new(version);
        }
    }

    /// What the Gateway speaks.
    pub fn upstream(&self) -> &Arc<Dialect> {
        &self.upstream
    }

    /// The pair with a client at `version`.
    pub fn with(&mut self, version: u16) -> Arc<Speech> {
        let upstream = &self.upstream;
        let pair = self.known.entry(version).or_insert_with(|| {
            let dialect = match version == upstream.version() {
                true => upstream.clone(),
                false => Arc::new(Dialect::new(version)),
            };
            let up = Translation::new(dialect.clone(), upstream.clone());
            let down = Translation::new(upstream.clone(), dialect.clone());
            Arc::new(Speech { dialect, up, down })
        });
        pair.clone()
    }
}

/// Turns what the Gateway said at `version` into what it says in another dialect. `None` where that has no such message.
pub fn converter(version: u16, to: &Arc<Dialect>) -> impl Fn(&Bytes) -> Option<Bytes> + use<> {
    let same = version == to.version();
    let translation = Translation::new(Arc::new(Dialect::new(version)), to.clone());
    move |payload| {
        if same {
            return Some(payload.clone());
        }
        let message = text::message(payload, version).ok()?;
        let mut out = BytesMut::new();
        let there = translation.response(&message, &[], &Subject::default(), &mut out);
        there.is_ok_and(|there| there).then(|| out.freeze())
    }
}
