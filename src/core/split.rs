//! Data whose last fields became a message of their own (historical data, 196): joined again for a client from before,
//! split for one from after.

use bytes::{Bytes, BytesMut};

use super::route::Heard;
use super::speech::Speech;
use super::{Core, Ctx};
use crate::ids::{ClientKey, UpReqId};
use crate::limits;
use crate::protocol::layout::Record;
use crate::protocol::meaning::{HISTORICAL_END, Subject};
use crate::protocol::model::Role;
use crate::wire::frame;

impl Core {
    /// `true`: nothing more is to be done with the message.
    pub(super) fn hear_split(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, payload: &[u8]) -> bool {
        let split = &HISTORICAL_END;
        if heard.id() != split.data && heard.id() != split.end {
            return false;
        }
        let Some(up) = heard.int(Role::ReqId).map(UpReqId) else { return false };
        let Some(key) = self.requests.get(up).map(|e| e.first().0) else { return false };
        let Some(speech) = self.clients.get(key).and_then(|c| c.speech.clone()) else { return false };
        match (heard.version >= split.since, speech.dialect.version() >= split.since) {
            (true, false) if heard.id() == split.data => self.hold(up, payload),
            (true, false) => self.join_held(ctx, up, &speech, heard),
            (false, true) => self.split_data(ctx, up, &speech, heard, payload),
            _ => false,
        }
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

    fn join_held(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, speech: &Speech, end: &Heard<'_>) -> bool {
        let Some(entry) = self.requests.get_mut(up) else { return false };
        let (key, down) = entry.first();
        let (us_stock, message, one_shot) = (entry.us_stock, entry.message, entry.one_shot);
        if let Some(payload) = entry.held.take() {
            self.held_bytes -= payload.len();
            let subject = self.subject(ctx, us_stock);
            let dialect = self.speeches.upstream().clone();
            let joined =
                Heard::new(&dialect, &payload).and_then(|data| join(speech, &data, end, &subject, down.0));
            match joined {
                Some(joined) => self.send_converted(ctx, key, down.0, |out| {
                    out.extend_from_slice(&joined);
                    true
                }),
                None => self.dropped(super::Drop::Malformed),
            }
        }
        if one_shot && self.ends(end, message) {
            self.end_request(up);
        }
        true
    }

    fn split_data(
        &mut self,
        ctx: &mut Ctx<'_>,
        up: UpReqId,
        speech: &Speech,
        heard: &Heard<'_>,
        payload: &[u8],
    ) -> bool {
        let Some((key, down)) = self.requests.get(up).map(|e| e.first()) else { return false };
        self.hear_answer(ctx, heard, payload);
        self.send_tail(ctx, key, speech, heard, down.0);
        true
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

/// The payload for a client from before, which has everything in one message.
fn join(speech: &Speech, data: &Heard<'_>, end: &Heard<'_>, subject: &Subject, id: i32) -> Option<BytesMut> {
    let shape = speech.dialect.response(HISTORICAL_END.data.into())?;
    let mut record = data.shape.record(&data.message, shape.form()).ok()?;
    let end = end.shape.record(&end.message, shape.form()).ok()?;
    HISTORICAL_END.carry(&end, &mut record);
    if !speech.down.adapt(HISTORICAL_END.data.into(), subject, &mut record) {
        return None;
    }
    shape.set_roles(&mut record, &[(Role::ReqId, id.into())]);
    let mut out = BytesMut::new();
    shape.put(&record, &mut out);
    Some(out)
}
