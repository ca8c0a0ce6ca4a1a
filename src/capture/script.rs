//! One client's side of a capture, to be played again.
//!
//! Owns: which connections are one client's, and what they sent. May not know: sockets. Driven by: `twsmux replay --against`.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::BytesMut;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::format::{Fault, Reader, Side, What};
use super::harmless::started_as;
use crate::core::compose;
use crate::ids::ClientKey;
use crate::limits::{MAX_FRAME, MAX_GREETING, MAX_SCRIPT};
use crate::protocol::dialect::Dialect;
use crate::time::Time;
use crate::wire::frame::{self, FrameBuffer};
use crate::wire::handshake::{API_PREFIX, ClientHello, ServerHello};

/// What one connection of a client sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// The server version that was agreed on.
    pub version: u16,
    /// The client id; `None` for a connection that never said one.
    pub client_id: Option<i32>,
    /// The connect options of its greeting.
    pub options: String,
    /// When it connected.
    pub connected: Time,
    /// The payloads of its frames, startApi first, and when each was read.
    pub frames: Vec<(Time, Vec<u8>)>,
}

/// What is known of a connection so far.
#[derive(Debug, Default)]
struct Draft {
    connected: Time,
    hello: Option<ClientHello>,
    version: Option<u16>,
    client_id: Option<i32>,
    frames: Vec<(Time, Vec<u8>)>,
}

/// The connections of one client, in their order. `wanted`: its client id; without it there must be one client alone. The
/// second value says why the capture was not read to its end.
///
/// # Errors
/// Words for people: there is no such client, there are several, or it sent more than can be kept.
pub fn scripts(
    reader: &mut Reader<impl Read>,
    wanted: Option<i32>,
) -> Result<(Vec<Script>, Option<String>), String> {
    let mut drafts: IndexMap<ClientKey, Draft, FxBuildHasher> = IndexMap::default();
    let mut dialects: BTreeMap<u16, Dialect> = BTreeMap::new();
    let mut bytes = 0;
    let cut = loop {
        let record = match reader.next() {
            Ok(Some(record)) => record,
            Ok(None) => break None,
            Err(fault @ (Fault::Torn(_) | Fault::Damaged(..))) => break Some(fault.to_string()),
            Err(fault) => return Err(fault.to_string()),
        };
        let Side::Client(key) = record.side else { continue };
        match record.what {
            What::Connected(peer) => {
                let already = peer.already.unwrap_or_default();
                let version = Some(already.server_version).filter(|v| *v > 0);
                let connected = record.time;
                let client_id = already.client_id;
                drafts.insert(key, Draft { connected, version, client_id, ..Draft::default() });
            }
            What::Read(read) => {
                bytes += read.len();
                if bytes > MAX_SCRIPT {
                    return Err(format!(
                        "clients sent more than {MAX_SCRIPT} bytes in it, which is too much to be kept"
                    ));
                }
                let Some(draft) = drafts.get_mut(&key) else { continue };
                if read.starts_with(API_PREFIX) && draft.version.is_none() {
                    let mut buffer = FrameBuffer::default();
                    buffer.extend(&read);
                    draft.hello = ClientHello::take(&mut buffer, MAX_GREETING).ok().flatten();
                } else if let Ok(Some((payload, _))) = frame::split(&read, MAX_FRAME) {
                    if let (None, Some(version)) = (draft.client_id, draft.version) {
                        let dialect = dialects.entry(version).or_insert_with(|| Dialect::new(version));
                        draft.client_id = started_as(dialect, payload);
                    }
                    draft.frames.push((record.time, payload.to_vec()));
                }
            }
            What::Written { bytes: written, .. } => {
                let Some(draft) = drafts.get_mut(&key).filter(|d| d.version.is_none()) else { continue };
                if let Ok(Some((payload, _))) = frame::split(&written, MAX_FRAME) {
                    draft.version = ServerHello::parse(payload).ok().map(|hello| hello.version);
                }
            }
            _ => {}
        }
    };
    let found: Vec<Script> = drafts.into_values().filter_map(finished).collect();
    let mut ids: Vec<i32> = found.iter().filter_map(|s| s.client_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let listed = ids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    let id = match (wanted, &ids[..]) {
        (_, []) => return Err("no client says in it who it is, so there is none to be played".to_owned()),
        (Some(id), _) if !ids.contains(&id) => {
            return Err(format!("there is no client {id} in it; those that are: {listed}"));
        }
        (Some(id), _) => id,
        (None, [id]) => *id,
        (None, _) => {
            return Err(format!("there are several clients in it ({listed}): --client says which one"));
        }
    };
    Ok((found.into_iter().filter(|s| s.client_id == Some(id)).collect(), cut))
}

/// A script, if the connection came as far as to agree on a version.
fn finished(draft: Draft) -> Option<Script> {
    let Draft { connected, hello, version, client_id, mut frames } = draft;
    let version = version?;
    // It had started before the capture began: it starts again.
    let started =
        frames.first().is_some_and(|(_, payload)| started_as(&Dialect::new(version), payload).is_some());
    if let (false, Some(id)) = (started, client_id) {
        let mut start = BytesMut::new();
        compose::start_api(version, id, "", &mut start);
        frames.insert(0, (connected, start[frame::PREFIX..].to_vec()));
    }
    let options = hello.map(|hello| hello.options).unwrap_or_default();
    Some(Script { version, client_id, options, connected, frames })
}
