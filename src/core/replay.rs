//! Subscriptions and questions over an outage: they sleep while there is no link and are asked again when one is back,
//! without any doing of their clients.
//!
//! What becomes of a request is said in its declaration ([`Replay`](crate::protocol::model::Replay)). **A client is told
//! 1102 when everything that it had has been asked for again**, and 1101 when something could not be.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::answers::Source;
use super::ask::Asked;
use super::client::Phase;
use super::compose::{self, id};
use super::pacer::{Post, What};
use super::requests::{Entry, Requests};
use super::route::Heard;
use super::timers::Timer;
use super::{Core, Ctx, UsStockSizes, codes};
use crate::ids::{ClientId, ClientKey, DownReqId, UpReqId};
use crate::limits;
use crate::protocol::dialect::Dialect;
use crate::protocol::layout::Record;
use crate::protocol::meaning;
use crate::protocol::model::{Handling, Kind, Replay, Request, Role, Shared};
use crate::protocol::transcode::Translation;
use crate::record;
use crate::time::Time;
use crate::wire::frame;
use crate::wire::text::{self, Form};

/// What was asked of the Gateway, so that it can be asked again.
#[derive(Clone, Debug)]
pub struct Again {
    /// The server version that it is written in.
    version: u16,
    /// The whole frame.
    frame: Bytes,
    /// The market data type that must be in force then.
    market_data_type: Option<i32>,
    /// The line of orders that it waits in.
    line: Option<ClientId>,
}

impl Again {
    /// `frame` is written in `version`.
    pub fn new(version: u16, frame: Bytes) -> Self {
        Again { version, frame, market_data_type: None, line: None }
    }

    /// It needs a market data type, or the line of an owner of orders.
    pub fn with(self, market_data_type: Option<i32>, line: Option<ClientId>) -> Self {
        Again { market_data_type, line, ..self }
    }

    /// Puts it into the version of the Gateway, with another request id and a field that is left out. `Err`: that version
    /// cannot carry it.
    pub(super) fn translate(
        &mut self,
        dialects: &mut Dialects,
        edits: &[(Role, i64)],
        without: Option<&'static str>,
    ) -> Result<(), String> {
        let translation = dialects.from(self.version);
        let to = translation.to();
        let message = text::message(self.payload(), self.version).map_err(|fault| fault.to_string())?;
        let mut out = BytesMut::new();
        translation.request(&message, edits, &mut out).map_err(|fault| fault.to_string())?;
        if let Some(field) = without {
            let message = text::message(&out, to.version()).map_err(|fault| fault.to_string())?;
            let shape = to.request(message.id).ok_or("there is no such request")?;
            let mut values = shape.record(&message, shape.form()).map_err(|fault| fault.to_string())?;
            values.set(field, 0);
            out = BytesMut::new();
            shape.put(&values, &mut out);
        }
        let mut frame = BytesMut::with_capacity(frame::PREFIX + out.len());
        frame::put(&out, &mut frame);
        (self.version, self.frame) = (to.version(), frame.freeze());
        Ok(())
    }

    /// Bytes of it.
    pub fn len(&self) -> usize {
        self.payload().len()
    }

    /// The whole frame.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    fn payload(&self) -> &[u8] {
        self.frame.get(frame::PREFIX..).unwrap_or_default()
    }
}

/// The way from each version in which something was asked to that of the Gateway.
pub(super) struct Dialects {
    to: Arc<Dialect>,
    from: BTreeMap<u16, Translation>,
}

impl Dialects {
    fn from(&mut self, version: u16) -> &Translation {
        let to = &self.to;
        self.from.entry(version).or_insert_with(|| {
            let same = version == to.version();
            let from = if same { to.clone() } else { Arc::new(Dialect::new(version)) };
            Translation::new(from, to.clone())
        })
    }
}

/// What is known of the bars of a subscription.
#[derive(Debug, Default)]
pub struct Bars {
    /// The last one that was told.
    last: Option<Box<Record>>,
    /// Whether the image that comes is one more: what is new in it are updates.
    resumes: bool,
}

/// The fields of a bar, in an image and in an update.
const BAR: [&str; 8] = ["barCount", "date", "open", "close", "high", "low", "wap", "volume"];

impl Core {
    /// Whether a request of a client may wait for the link.
    pub(super) fn may_wait(&self, asked: &Asked<'_>) -> bool {
        let decl = asked.shape.decl;
        match decl.handling {
            Handling::ById | Handling::Executions => match decl.kind {
                Kind::Cancel(_) => true,
                Kind::Update(_) => false,
                _ => may_sleep(decl, self.is_one_shot(asked)),
            },
            Handling::Lane(_) => may_sleep(decl, true),
            Handling::Join(_) | Handling::Leave(_) | Handling::Local(_) | Handling::Refused(_) => true,
            _ => false,
        }
    }

    /// The link is gone: a request sleeps, or ends with an error.
    pub(super) fn sleep_or_end(&mut self, ctx: &mut Ctx<'_>, up: UpReqId, words: &str) {
        let Some(entry) = self.requests.get(up) else { return };
        // What waits for its end has been told to nobody, but for those who have the end as a message of its own.
        let has_half = |core: &Core, key: &ClientKey| {
            core.clients.get(*key).is_some_and(|c| c.version >= id::HISTORICAL_END_SINCE)
        };
        let half_told = entry.held.is_none() || entry.members.iter().any(|(key, _)| has_half(self, key));
        let decl = crate::protocol::request(entry.message.into());
        let sleeps = entry.lives()
            && !entry.members.is_empty()
            && entry.again.is_some()
            && decl.is_some_and(|decl| may_sleep(decl, entry.one_shot))
            && !(entry.one_shot && entry.begun && half_told);
        if !sleeps {
            let (members, is_lost) = (entry.members.clone(), !entry.one_shot && entry.lives());
            for (key, down) in members {
                self.send_error(ctx, key, down.0, codes::NOT_CONNECTED, words);
                if is_lost {
                    self.bereft.insert(key);
                }
            }
            return self.end_request(up);
        }
        if let Some(entry) = self.requests.get_mut(up) {
            entry.sleep(ctx.now);
        }
        self.drop_held(up);
        self.answers.give_up(Source::Request(up));
    }

    /// Questions do not wait for ever: the next one whose time is over.
    pub(super) fn watch_sleepers(&mut self, ctx: &Ctx<'_>) {
        let questions = self.requests.iter().filter(|(_, e)| e.one_shot).filter_map(|(_, e)| e.asleep);
        match questions.chain(self.first_question()).min() {
            Some(since) => self.timers.arm(Timer::Outage, (since + limits::OUTAGE_WAIT).max(ctx.now)),
            None => self.timers.disarm(Timer::Outage),
        }
    }

    /// The time of some questions is over.
    pub(super) fn outage_lasts(&mut self, ctx: &mut Ctx<'_>) {
        let words = format!("Not connected: {}.", self.reason());
        let over = |e: &Entry| e.one_shot && e.asleep.is_some_and(|at| at + limits::OUTAGE_WAIT <= ctx.now);
        let over: Vec<UpReqId> = self.requests.iter().filter(|(_, e)| over(e)).map(|(up, _)| up).collect();
        self.end_questions(ctx, &words);
        for up in over {
            for (key, down) in self.requests.get(up).map(|e| e.members.clone()).unwrap_or_default() {
                self.send_error(ctx, key, down.0, codes::NOT_CONNECTED, &words);
            }
            self.end_request(up);
        }
        self.watch_sleepers(ctx);
    }

    /// Another link, another range of ids: every request gets a new one.
    pub(super) fn renumber_requests(&mut self) {
        let old = std::mem::replace(&mut self.requests, Requests::new(self.orders.next_upstream()));
        for (before, entry) in old.into_active() {
            self.renumber(before, entry);
        }
    }

    /// A request that was taken out of the table goes back into it under another upstream id.
    fn renumber(&mut self, before: UpReqId, entry: Box<Entry>) -> UpReqId {
        let (message, members) = (entry.message, entry.members.clone());
        let up = self.requests.add(entry);
        for (key, down) in members {
            let Some(client) = self.clients.get_mut(key) else { continue };
            client.active.swap_remove(&before);
            client.active.insert(up);
            if client.requests.get(&(message, down)) == Some(&before) {
                client.requests.insert((message, down), up);
            }
        }
        up
    }

    /// The Gateway was without its servers and has lost its subscriptions (its 1101): everything that is subscribed is
    /// subscribed anew, and clients are told 1102 instead.
    pub(super) fn subscriptions_lost(&mut self, ctx: &mut Ctx<'_>) {
        for up in self.lingering.clone() {
            self.end_lingering(ctx, None, up);
        }
        let asked = |e: &Entry| !e.one_shot && e.lives() && e.changes_at.is_some() && e.again.is_some();
        let mut streams: Vec<UpReqId> =
            self.requests.iter().filter(|(_, e)| asked(e)).map(|(up, _)| up).collect();
        streams.sort_unstable();
        for before in streams {
            // What the Gateway has lost cannot be cancelled; what it has kept must not come twice.
            self.end_upstream(ctx, None, before);
            if let Some(entry) = self.requests.get_mut(before) {
                entry.sleep(ctx.now);
            }
            self.drop_held(before);
            let Some(entry) = self.requests.end(before) else { continue };
            self.requests.rest(before, DownReqId(-1), entry.message);
            self.renumber(before, entry);
        }
        for stream in super::shared::ALL {
            if self.streams.get(stream).is_live() {
                self.unsubscribe(ctx, stream);
                self.streams.get_mut(stream).interrupt(stream != Shared::Bulletins);
            }
        }
        self.wake(ctx);
    }

    /// The link is back: what sleeps is asked again, and its clients are told how they stand.
    pub(super) fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.timers.disarm(Timer::Outage);
        let dialects = &mut Dialects { to: self.speeches.upstream().clone(), from: BTreeMap::new() };
        for stream in super::shared::ALL {
            self.wake_stream(ctx, stream, dialects);
        }
        let mut lost = std::mem::take(&mut self.bereft);
        lost.extend(self.restoring.iter().filter(|(_, lost)| **lost).map(|(key, _)| *key));
        let asleep = self.requests.iter().filter(|(_, e)| e.asleep.is_some()).map(|(up, _)| up);
        for up in asleep.collect::<Vec<_>>() {
            let Err(why) = self.wake_request(ctx, up, dialects) else { continue };
            let words = format!("Not connected: the Gateway came back and cannot carry this request: {why}.");
            for (key, down) in self.requests.get(up).map(|e| e.members.clone()).unwrap_or_default() {
                self.send_error(ctx, key, down.0, codes::NOT_CONNECTED, &words);
                lost.insert(key);
            }
            self.end_request(up);
        }
        self.ask_questions(ctx, dialects);
        self.restoring =
            self.clients.keys_in(Phase::Ready).into_iter().map(|key| (key, lost.contains(&key))).collect();
        self.welcome_back(ctx);
    }

    fn wake_request(
        &mut self,
        ctx: &mut Ctx<'_>,
        up: UpReqId,
        dialects: &mut Dialects,
    ) -> Result<(), String> {
        let Some(entry) = self.requests.get_mut(up) else { return Ok(()) };
        let decl = crate::protocol::request(entry.message.into()).ok_or("there is no such request")?;
        let again = entry.again.as_mut().ok_or("it is not known any more")?;
        let without = decl.resumes_without.filter(|_| entry.begun);
        let before = again.version;
        again.translate(dialects, &[(Role::ReqId, up.0.into())], without)?;
        let again = again.clone();
        if before != again.version {
            self.count_again(up, &again)?;
        }
        let Some(entry) = self.requests.get_mut(up) else { return Ok(()) };
        entry.asleep = None;
        entry.bars.resumes = entry.begun && entry.bars.last.is_some();
        let (begun, one_shot, members) = (entry.begun, entry.one_shot, entry.members.clone());
        if !one_shot {
            self.replaying.insert(up);
        }
        if decl.handling == Handling::Executions {
            self.queries.insert(up, Default::default());
        }
        let post = Post {
            client: members.first().map(|(key, _)| *key),
            line: again.line,
            market_data_type: again.market_data_type,
            again: true,
            ..Post::own(What::Request(up))
        };
        self.enqueue_frame(ctx, post, &again.frame);
        if begun && decl.message.id == id::REQ_MKT_DEPTH {
            let words = "Market depth data has been RESET. Please empty deep book contents before applying any new entries.";
            for (key, down) in members {
                self.send_error(ctx, key, down.0, codes::DEPTH_RESET, words);
            }
        }
        Ok(())
    }

    /// The Gateway counts sizes as its new version does: whether they are those of a US stock must be known where a client's
    /// version counts otherwise.
    fn count_again(&mut self, up: UpReqId, again: &Again) -> Result<(), String> {
        let Some(entry) =
            self.requests.get_mut(up).filter(|_| self.config.us_stock_sizes == UsStockSizes::Convert)
        else {
            return Ok(());
        };
        let message = text::message(again.payload(), again.version).map_err(|fault| fault.to_string())?;
        let shape = self.speeches.upstream().request(message.id).ok_or("there is no such request")?;
        let values = shape.record(&message, Form::Text).map_err(|fault| fault.to_string())?;
        let known = meaning::is_us_stock(&values);
        entry.us_stock = known == Some(true);
        let version = |key: ClientKey| self.clients.get(key).map_or(again.version, |c| c.version);
        let differs = |key| meaning::counts_differ(entry.message, version(key), again.version);
        match known.is_none() && entry.members.iter().any(|(key, _)| differs(*key)) {
            true => {
                Err("it counts US stocks differently now, and the contract does not say whether it is one"
                    .into())
            }
            false => Ok(()),
        }
    }

    /// A shared stream that somebody still wants is subscribed again.
    fn wake_stream(&mut self, ctx: &mut Ctx<'_>, stream: Shared, dialects: &mut Dialects) {
        let state = self.streams.get_mut(stream);
        let Some(again) = state.again.as_mut() else { return };
        if again.translate(dialects, &[], None).is_ok() {
            let again = again.clone();
            state.replaying = true;
            let post = Post { again: true, ..Post::own(What::Begin(stream)) };
            self.enqueue_frame(ctx, post, &again.frame);
        }
    }

    /// A subscription has been asked for again, or is wanted no more.
    pub(super) fn replayed(&mut self, up: UpReqId) {
        self.news_of_replay |= self.replaying.swap_remove(&up);
    }

    /// Likewise a shared stream, or a client's part in it.
    pub(super) fn stream_replayed(&mut self, stream: Shared, whole: bool) {
        let state = self.streams.get_mut(stream);
        self.news_of_replay |= state.replaying;
        state.replaying &= !whole;
    }

    /// What was to be told of a link is not so any more. That something of a client is lost is still to be told.
    pub(super) fn welcome_nobody(&mut self) {
        let lost = std::mem::take(&mut self.restoring).into_iter().filter(|(_, lost)| *lost);
        self.bereft.extend(lost.map(|(key, _)| key));
    }

    /// The Gateway has its servers again and has lost nothing (its 1102): told to everybody but those of whom something is
    /// lost or has not been asked for again; they are told when it has.
    pub(super) fn servers_back(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>) {
        for key in self.clients.keys_in(Phase::Ready) {
            let lost = self.bereft.swap_remove(&key);
            match lost || self.restoring.contains_key(&key) || self.is_replaying(key) {
                true => *self.restoring.entry(key).or_default() |= lost,
                false => self.tell(ctx, key, heard, &[], false),
            }
        }
        self.welcome_back(ctx);
    }

    /// Whether something of a client has not been asked for again.
    fn is_replaying(&self, key: ClientKey) -> bool {
        let stream = |stream: &Shared| {
            let state = self.streams.get(*stream);
            state.replaying && state.has(key)
        };
        super::shared::ALL.iter().any(stream)
            || self.clients.get(key).is_some_and(|c| c.active.iter().any(|up| self.replaying.contains(up)))
    }

    /// Tells those clients that the link is back for whom everything has been asked again.
    pub(super) fn welcome_back(&mut self, ctx: &mut Ctx<'_>) {
        self.news_of_replay = false;
        for (key, lost) in std::mem::take(&mut self.restoring) {
            if self.is_replaying(key) {
                self.restoring.insert(key, lost);
                continue;
            }
            let (code, words) = match lost {
                false => (
                    codes::LINK_BACK,
                    "Connectivity between IB and Trader Workstation has been restored - data maintained. twsmux has \
                     subscribed again to what was subscribed.",
                ),
                true => (
                    codes::LINK_BACK_DATA_LOST,
                    "Connectivity between IB and Trader Workstation has been restored - data lost. twsmux is connected \
                     to the Gateway again: subscribe again to what has ended with an error.",
                ),
            };
            self.send_error(ctx, key, -1, code, words);
        }
    }

    /// The Gateway speaks another version: images of before cannot be compared with new ones.
    pub(super) fn forget_what_was_before(&mut self) {
        for stream in super::shared::ALL {
            self.streams.get_mut(stream).forget_before();
        }
        for up in self.requests.iter().map(|(up, _)| up).collect::<Vec<_>>() {
            if let Some(line) = self.requests.get_mut(up).and_then(|e| e.line.as_mut()) {
                line.forget_before();
            }
        }
    }

    // ---- bars ----

    /// What a subscription of bars has told last.
    pub(super) fn keep_bar(&mut self, up: UpReqId, heard: &Heard<'_>) {
        let Some(entry) = self.requests.get_mut(up).filter(|e| !e.one_shot) else { return };
        let Ok(values) = heard.shape.record(&heard.message, Form::Text) else { return };
        entry.bars.last = match heard.id() {
            id::HISTORICAL_DATA => values.rows("itemCount").last().map(bar),
            _ => Some(bar(&values)),
        }
        .map(Box::new);
    }

    /// The image that comes when bars are subscribed again: the bars that are new or changed come as updates. `false`: it
    /// is a first image.
    pub(super) fn hear_bars_again(&mut self, ctx: &mut Ctx<'_>, heard: &Heard<'_>, up: UpReqId) -> bool {
        let Some(entry) = self.requests.get_mut(up).filter(|e| e.bars.resumes) else { return false };
        let ends = heard.id() != id::HISTORICAL_DATA || heard.version < id::HISTORICAL_END_SINCE;
        entry.bars.resumes = !ends;
        let (last, us_stock) = (entry.bars.last.clone(), entry.us_stock);
        if heard.id() != id::HISTORICAL_DATA {
            return true;
        }
        let Ok(values) = heard.shape.record(&heard.message, Form::Text) else { return true };
        let bars: Vec<Record> = values.rows("itemCount").iter().map(bar).collect();
        let date = |bar: &Record| bar.get("date").map(str::to_owned);
        let known = last.as_ref().and_then(|last| bars.iter().position(|bar| date(bar) == date(last)));
        let dialect = self.speeches.upstream().clone();
        for bar in bars.into_iter().skip(known.unwrap_or(0)).filter(|bar| Some(bar) != last.as_deref()) {
            let payload = compose::historical_update(dialect.version(), up.0, &bar);
            let Some(heard) = Heard::new(&dialect, &payload) else { continue };
            self.tell_members(ctx, up, &heard, us_stock);
            self.keep_bar(up, &heard);
        }
        true
    }
}

/// Whether a request sleeps through an outage.
fn may_sleep(decl: &Request, one_shot: bool) -> bool {
    match decl.replay {
        Replay::Never => false,
        Replay::Streams => !one_shot,
        Replay::Always => true,
    }
}

/// A bar of an image or an update, by the same names.
fn bar(values: &Record) -> Record {
    let mut bar = record! {};
    for name in BAR {
        bar.set(name, values.get(name).unwrap_or_default());
    }
    bar
}

impl Entry {
    /// Whether something may still come: it has drawn no error, or goes on in spite of it.
    pub fn lives(&self) -> bool {
        !self.spent || self.goes_on
    }

    /// It waits for a link from now on.
    pub fn sleep(&mut self, now: Time) {
        if self.held.is_some() {
            // Of what waits for its end nothing has been told.
            (self.begun, self.bars) = (false, Bars::default());
        }
        self.asleep = Some(now);
        self.changes_at = None;
        if let Some(line) = &mut self.line {
            line.sleep();
        }
    }
}
