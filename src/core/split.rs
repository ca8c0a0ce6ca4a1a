//! Data whose last fields became a message of their own (historical data, 196): joined again for a client from before,
//! split for one from after.

use bytes::{Bytes, BytesMut};

use super::requests::Member;
use super::route::Heard;
use super::slow::Place;
use super::speech::Speech;
use super::{Core, Ctx};
use crate::ids::{ClientKey, UpReqId};
use crate::limits;
use crate::protocol::layout::Record;
use crate::protocol::meaning::{HISTORICAL_END, Subject};
use crate::protocol::model::Role;
use crate::wire::frame;

impl Core {
    /// An answer of this kind, to each of those who share it as its version has it. `false`: it is of another kind.
    pub(super) fn hear_split(
        &mut self,
        ctx: &mut Ctx<'_>,
        heard: &Heard<'_>,
        payload: &[u8],
        up: UpReqId,
    ) -> bool {
        let split = &HISTORICAL_END;
        if heard.id() != split.data && heard.id() != split.end {
            return false;
        }
        let Some(entry) = self.requests.get(up) else { return false };
        let (members, message, one_shot) = (entry.members.clone(), entry.message, entry.one_shot);
        let is_data = heard.id() == split.data;
        let parts_of = |core: &Core, key| {
            let speech = core.clients.get(key)?.speech.clone()?;
            Some((heard.version >= split.since, speech.dialect.version() >= split.since, speech))
        };
        // What is told at once, or kept for the end.
        let waits = |core: &Core, key| matches!(parts_of(core, key), Some((true, false, _)));
        let held = is_data && members.iter().any(|(key, _)| waits(self, *key)) && self.hold(up, payload);
        for (key, down) in members {
            match parts_of(self, key) {
                Some((true, false, _)) if is_data && held => {}
                Some((true, false, speech)) if !is_data => {
                    self.join_held(ctx, up, (key, down), &speech, heard)
                }
                Some((false, true, speech)) => {
                    self.tell_part(ctx, up, heard, (key, down));
                    self.send_tail(ctx, key, &speech, heard, down.0);
                }
                _ => self.tell_part(ctx, up, heard, (key, down)),
            }
        }
        self.keep_answer(up, heard, payload);
        if !is_data {
            self.drop_held(up);
        }
        if one_shot && self.ends(heard, message) {
            self.complete_request(ctx, up);
        }
        true
    }

    /// One message as it is.
    fn tell_part(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, heard: &Heard<'_>, (key, down): Member) {
        let us_stock = self.requests.get(up).is_some_and(|e| e.us_stock);
        self.tell(ctx, key, heard, &[(Role::ReqId, down.0.into())], us_stock);
    }

    /// Keeps data until the rest of it comes. Beyond the limit it goes at once, without the rest.
    fn hold(&mut self, up: UpReqId, payload: &[u8]) -> bool {
        if self.held_bytes + payload.len() > limits::MAX_HELD_BYTES {
            return false;
        }
        self.drop_held(up);
        if let Some(entry) = self.requests.get_mut(up) {
            self.held_bytes += payload.len();
            entry.held = Some(Bytes::copy_from_slice(payload));
        }
        true
    }

    /// Forgets what is kept for a request.
    pub(super) fn drop_held(&mut self, up: UpReqId) {
        if let Some(data) = self.requests.get_mut(up).and_then(|e| e.held.take()) {
            self.held_bytes -= data.len();
        }
    }

    /// The data that was kept and its end, in one message.
    fn join_held(
        &mut self,
        ctx: &mut Ctx<'_>,
        up: UpReqId,
        (key, down): Member,
        speech: &Speech,
        end: &Heard<'_>,
    ) {
        let Some(entry) = self.requests.get(up) else { return };
        let Some(payload) = entry.held.clone() else { return };
        let subject = self.subject(ctx, entry.us_stock);
        let dialect = self.speeches.upstream().clone();
        let data = Heard::new(&dialect, &payload);
        // Not at all for a client that is closing.
        let mut joined = None;
        self.send_converted(ctx, key, down.0, Place::Outbox, |out| {
            let there = data.is_some_and(|data| join(speech, &data, end, &subject, down.0, out));
            joined = Some(there);
            there
        });
        if joined == Some(false) {
            self.dropped(super::Drop::Malformed);
        }
    }

    fn send_tail(&mut self, ctx: &mut Ctx<'_>, key: ClientKey, speech: &Speech, heard: &Heard<'_>, id: i32) {
        let shape = speech.dialect.response(HISTORICAL_END.end.into());
        let data = heard.shape.record(&heard.message, heard.message.form);
        let (Some(shape), Ok(data)) = (shape, data) else { return };
        let mut tail = Record::new();
        tail.set("reqId", id);
        HISTORICAL_END.carry(&data, &mut tail);
        self.send(ctx, key, |_, out| frame::put_with(out, |out| shape.compose(&tail, out)));
    }
}

/// Appends the payload for a client from before, which has everything in one message. `false`: there is none.
fn join(
    speech: &Speech,
    data: &Heard<'_>,
    end: &Heard<'_>,
    subject: &Subject,
    id: i32,
    out: &mut BytesMut,
) -> bool {
    let Some(shape) = speech.dialect.response(HISTORICAL_END.data.into()) else { return false };
    let Ok(end) = end.shape.record(&end.message, shape.form()) else { return false };
    let carry = |record: &mut Record| HISTORICAL_END.carry(&end, record);
    let edits = [(Role::ReqId, id.into())];
    speech.down.convert(&data.message, &edits, subject, carry, out).is_ok_and(|there| there)
}
