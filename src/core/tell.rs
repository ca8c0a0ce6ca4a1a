//! What clients are told: the Gateway's messages in their version and under their ids, and twsmux's own.
//!
//! Everything for a client goes through [`Core::send`] or its like, so that one that reads slowly is noticed.

use std::sync::Arc;

use bytes::BytesMut;

use super::backlog::{About, Key};
use super::client::Phase;
use super::io::Level;
use super::requests::Member;
use super::route::Heard;
use super::slow::Place;
use super::speech::Speech;
use super::stats::Drop;
use super::{Core, Ctx, codes, compose};
use crate::ids::ClientKey;
use crate::limits;
use crate::protocol::dialect::Shape;
use crate::protocol::layout::LayoutError;
use crate::protocol::meaning::Subject;
use crate::protocol::model::{Response, Role};
use crate::wire::frame;
use crate::wire::text::{self, Form};

/// Bytes of room that are kept for the next message; few have more.
const MOST_ROOM: usize = 64 << 10;

/// A message in the version of one of those who share it: who has the same version gets the same but for its id.
#[derive(Debug, Default)]
pub(super) struct Converted {
    to: Option<Arc<Speech>>,
    payload: BytesMut,
}

impl Converted {
    /// All have it.
    pub(super) fn end(&mut self) {
        self.to = None;
        if self.payload.capacity() > MOST_ROOM {
            self.payload = BytesMut::new();
        }
    }

    /// Whether there is one for these clients now. Only what is read and written again is worth it, and only text has the id
    /// at one place.
    fn is_for(&mut self, speech: &Arc<Speech>, heard: &Heard<'_>, subject: &Subject) -> bool {
        if self.to.as_ref().is_some_and(|to| Arc::ptr_eq(to, speech)) {
            return true;
        }
        let id = heard.message.id;
        let has_id = |shape: &Shape<Response>| shape.form() == Form::Text && shape.req_id_index().is_some();
        if !speech.down.converts(&heard.message) || !speech.dialect.response(id).is_some_and(has_id) {
            return false;
        }
        self.payload.clear();
        let edits = [(Role::ReqId, 0)];
        let there = speech.down.response(&heard.message, &edits, subject, &mut self.payload) == Ok(true);
        self.to = there.then(|| speech.clone());
        there
    }

    /// Appends it with an id. `false`: it cannot be, and a part of it was appended.
    fn put(&self, req_id: i32, out: &mut BytesMut) -> bool {
        let Some(to) = &self.to else { return false };
        let Ok(message) = text::message(&self.payload, to.dialect.version()) else { return false };
        let Some(shape) = to.dialect.response(message.id) else { return false };
        shape.patch(&message, &[(Role::ReqId, req_id.into())], out).is_ok()
    }
}

impl Core {
    /// Passes a message of the Gateway on, with the values of some roles replaced, in the client's own version.
    pub(super) fn tell(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        heard: &Heard<'_>,
        edits: &[(Role, i64)],
        us_stock: bool,
    ) {
        let most = self.most_unsent;
        let place = match self.clients.get(key) {
            Some(client) if client.is_behind(most) => self.place(ctx, key, heard, edits),
            _ => Place::Outbox,
        };
        self.tell_at(ctx, key, heard, edits, us_stock, place);
    }

    /// Likewise, where it is known where the message goes.
    pub(super) fn tell_at(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        heard: &Heard<'_>,
        edits: &[(Role, i64)],
        us_stock: bool,
        place: Place,
    ) {
        if place == Place::Nowhere {
            return;
        }
        let Some(speech) = self.clients.get(key).and_then(|c| c.speech.clone()) else { return };
        let subject = self.subject(ctx, us_stock);
        let id = edits.iter().find(|(role, _)| *role == Role::ReqId).map_or(-1, |(_, id)| *id as i32);
        let mut told = Ok(false);
        self.send_converted(ctx, key, id, place, |out| {
            told = speech.down.response(&heard.message, edits, &subject, out);
            matches!(told, Ok(true))
        });
        match told {
            Ok(true) => {}
            Ok(false) => self.dropped(Drop::NotAtVersion),
            Err(fault) => self.cannot_tell(ctx, key, heard, &fault),
        }
    }

    /// Likewise, one of many who get the same: it is converted once for all of a version.
    pub(super) fn tell_one_of_many(
        &mut self,
        ctx: &mut Ctx<'_>,
        (key, down): Member,
        heard: &Heard<'_>,
        us_stock: bool,
        place: Place,
        converted: &mut Converted,
    ) {
        let subject = self.subject(ctx, us_stock);
        let speech = self.clients.get(key).and_then(|c| c.speech.as_ref());
        match speech
            .is_some_and(|speech| place != Place::Nowhere && converted.is_for(speech, heard, &subject))
        {
            true => self.send_converted(ctx, key, down.0, place, |out| converted.put(down.0, out)),
            false => self.tell_at(ctx, key, heard, &[(Role::ReqId, down.0.into())], us_stock, place),
        }
    }

    #[cold]
    fn cannot_tell(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, heard: &Heard<'_>, fault: &LayoutError) {
        let version = self.clients.get(key).map_or(0, |client| client.version);
        let name = heard.shape.decl.message.name;
        let words = format!("{name} of the Gateway cannot be given to a client at {version}: {fault}");
        self.note_client(ctx, key, Level::Error, words);
        self.dropped(Drop::Malformed);
    }

    /// Sends a frame whose payload `write` makes, unless it says that there is none. One that grew beyond what clients
    /// read becomes an error under `id`: they close the connection over a longer one.
    pub(super) fn send_converted(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        id: i32,
        place: Place,
        write: impl FnOnce(&mut BytesMut) -> bool,
    ) {
        let mut size = 0;
        self.send_to(ctx, key, place, |_, out| {
            let start = out.len();
            let mut there = false;
            frame::put_with(out, |out| there = write(out));
            if there {
                size = out.len() - start - frame::PREFIX;
            }
            if !there || size > limits::MAX_FRAME {
                out.truncate(start);
            }
        });
        if size > limits::MAX_FRAME {
            self.too_long(ctx, key, id, size);
        }
    }

    #[cold]
    fn too_long(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, id: i32, size: usize) {
        let words = format!(
            "Error processing request: an answer has {size} bytes at this client's server version, {} are \
             allowed; ask for less at once.",
            limits::MAX_FRAME
        );
        self.send_error(ctx, key, id, codes::NOT_PROCESSED, &words);
    }

    /// What the conversion of a response depends on.
    pub(super) fn subject(&self, ctx: &Ctx<'_>, us_stock: bool) -> Subject {
        Subject { us_stock, now_ms: self.wall_ms(ctx.now) }
    }

    /// Passes on what the Gateway said earlier, as it was kept.
    pub(super) fn tell_kept(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        payload: &[u8],
        edits: &[(Role, i64)],
    ) {
        let dialect = self.speeches.upstream().clone();
        if let Some(heard) = Heard::new(&dialect, payload) {
            self.tell(ctx, key, &heard, edits, false);
        }
    }

    /// Appends to a client's outbox; `write` gets the client's version. Nothing for a client that is gone or
    /// closing. A client over its limit is told and closed.
    pub(super) fn send(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, write: impl FnOnce(u16, &mut BytesMut)) {
        self.send_to(ctx, key, Place::Outbox, write);
    }

    pub(super) fn send_to(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: ClientKey,
        place: Place,
        write: impl FnOnce(u16, &mut BytesMut),
    ) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.phase == Phase::Closing {
            return;
        }
        let (version, buf) = (client.version, client.outbox.append(ctx.now));
        let before = buf.len();
        write(version, buf);
        if buf.len() == before {
            return;
        }
        if let Place::Backlog(row) = place {
            return self.put_behind(ctx, key, row, before);
        }
        client.frames.1 += 1;
        self.stats.frames_down += 1;
        if !client.outbox.dirty {
            client.outbox.dirty = true;
            ctx.actions.dirty.push(key);
        }
        if client.is_behind(self.most_unsent) {
            self.over_budget(ctx, key);
        }
    }

    /// What stands in the outbox of a client from `start` on waits in its backlog instead.
    #[cold]
    fn put_behind(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, row: Key, start: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let buf = client.outbox.append(ctx.now);
        let replaced = client.backlog.put(row, &buf[start..]);
        buf.truncate(start);
        client.conflated += u64::from(replaced);
        self.stats.conflated += u64::from(replaced);
        self.over_budget(ctx, key);
    }

    /// Sends an error.
    #[cold]
    pub(super) fn send_error(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, id: i32, code: u16, words: &str) {
        if self.clients.get(key).is_some_and(|c| !c.backlog.is_empty()) {
            self.bring_forward(ctx, key, About::Request(id));
        }
        let time = self.wall_ms(ctx.now);
        self.recall_error(ctx.now, Some(key), code, words);
        self.send(ctx, key, |version, out| compose::error(version, id, code, words, time, out));
    }

    /// Passes a message on to every ready client.
    pub(super) fn broadcast(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>) {
        for key in self.clients.keys_in(Phase::Ready) {
            self.tell(ctx, key, heard, &[], false);
        }
    }
}
