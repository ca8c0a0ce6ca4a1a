//! What a person at the controls wants: no link for a while, a new one, no new clients, one client less.
//!
//! Owns: what was asked for and not taken back. May not know: who asks, and how. Driven by: [`Core::operate`].
//!
//! **What waits leaves first.** A link that is given up on purpose, and twsmux when it stops, give messages that wait and
//! orders that the Gateway has not answered yet a bounded time. New orders are refused meanwhile; everything else goes on
//! as in any outage.

use std::fmt;

use super::client::Phase;
use super::io::{Actions, Gone, Level};
use super::link::Link;
use super::timers::Timer;
use super::trouble::Case;
use super::{Core, Ctx, codes};
use crate::ids::{ClientId, ClientKey};
use crate::limits;
use crate::time::Time;

/// A wish.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Give the link up and make none until it is taken back. Clients stay.
    Pause,
    /// Take a pause and a drain back.
    Resume,
    /// Give the link up and make another one at once; without one, do not wait for the next attempt.
    Reconnect,
    /// Close a client.
    Kill(Who),
    /// Take no more clients in.
    Drain {
        /// Whether twsmux stops when the last one has left.
        stop: bool,
    },
}

/// One client, or those of one client id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Who uses a client id.
    Id(ClientId),
    /// A connection.
    Key(ClientKey),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Id(id) => write!(f, "client id {id}"),
            Who::Key(key) => write!(f, "connection {key}"),
        }
    }
}

/// Why a wish was not carried out, in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such client.
    #[error("{0} is not connected; `twsmux status` shows who is")]
    NoSuchClient(Who),
    /// It makes no sense as things stand.
    #[error("{0}")]
    Conflict(&'static str),
}

/// What was asked for and not taken back.
#[derive(Debug, Default)]
pub(super) struct Operated {
    pub(super) paused: bool,
    /// No more clients; `Some(true)`: and the last one to leave ends twsmux.
    drain: Option<bool>,
    /// The link is to be given up as soon as nothing waits; words for the clients.
    pub(super) hangs_up: Option<&'static str>,
    /// How an end that waits for nothing to wait stands.
    end: End,
}

/// See [`Core::end_if_settled`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum End {
    /// Nothing was under way when it began, or none has begun.
    #[default]
    AtOnce,
    /// Something is under way; it ends at this time in any case.
    Waits(Time),
    /// Nothing is any more, and what the Gateway says along with its last answer may still come.
    Listens(Time),
}

const PAUSES: &str = "twsmux was paused";
const RECONNECTS: &str = "twsmux was told to connect again";

impl Core {
    /// Carries a wish out, or begins to. Returns what was done, in words.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing has changed.
    pub fn operate(
        &mut self,
        now: Time,
        operation: &Operation,
        actions: &mut Actions,
    ) -> Result<String, Refusal> {
        self.turn(now, actions, |core, ctx| match operation {
            _ if core.stopping => Err(Refusal::Conflict("twsmux stops")),
            Operation::Pause => core.pause(ctx),
            Operation::Resume => Ok(core.resume(ctx)),
            Operation::Reconnect => core.reconnect(ctx),
            Operation::Kill(who) => core.kill(ctx, *who),
            Operation::Drain { stop } => Ok(core.drain_clients(ctx, *stop)),
        })
    }

    /// Whether a person has asked for no link.
    pub fn is_paused(&self) -> bool {
        self.operated.paused
    }

    /// Whether no more clients are taken in.
    pub fn is_draining(&self) -> bool {
        self.operated.drain.is_some()
    }

    fn pause(&mut self, ctx: &mut Ctx<'_>) -> Result<String, Refusal> {
        if std::mem::replace(&mut self.operated.paused, true) {
            return Err(Refusal::Conflict("it is paused already; `twsmux control resume` ends that"));
        }
        Ok(match self.link {
            Link::Ready { .. } => {
                self.hang_up(ctx, PAUSES);
                format!(
                    "paused: the connection to the Gateway is given up as soon as nothing waits, within {} s; clients stay, and \
                     `twsmux control resume` connects again",
                    self.config.limits.drain_time.as_secs_f64()
                )
            }
            Link::Down => {
                self.timers.disarm(Timer::Redial);
                self.in_trouble(ctx.now, Case::Paused, String::new());
                self.recall_turn(ctx.now);
                "paused: no connection to the Gateway is made until `twsmux control resume`".to_owned()
            }
            // The look at the socket table comes back, and dials no more.
            Link::Looking => {
                self.in_trouble(ctx.now, Case::Paused, String::new());
                self.recall_turn(ctx.now);
                "paused: no connection to the Gateway is made until `twsmux control resume`".to_owned()
            }
            _ => {
                self.fail(ctx, Case::Paused, String::new());
                "paused: the attempt to connect to the Gateway was given up; `twsmux control resume` begins anew".to_owned()
            }
        })
    }

    fn resume(&mut self, ctx: &mut Ctx<'_>) -> String {
        let drained = self.operated.drain.take().is_some();
        let paused = std::mem::take(&mut self.operated.paused);
        if paused {
            match self.link {
                Link::Down => self.dial_now(ctx),
                Link::Looking => self.known.trouble = None,
                // What waits has not left yet: the link stays.
                _ => self.keep_link(),
            }
        }
        match (paused, drained) {
            (true, true) => "resumed: it connects to the Gateway, and takes clients in again".to_owned(),
            (true, false) => "resumed: it connects to the Gateway".to_owned(),
            (false, true) => "resumed: it takes clients in again".to_owned(),
            (false, false) => "nothing was paused or drained".to_owned(),
        }
    }

    fn reconnect(&mut self, ctx: &mut Ctx<'_>) -> Result<String, Refusal> {
        if self.operated.paused {
            return Err(Refusal::Conflict("it is paused; `twsmux control resume` connects again"));
        }
        Ok(match self.link {
            Link::Ready { .. } => {
                self.hang_up(ctx, RECONNECTS);
                "the connection to the Gateway is given up as soon as nothing waits, and another one is made"
                    .to_owned()
            }
            Link::Down => {
                self.dial_now(ctx);
                "a connection to the Gateway is tried at once".to_owned()
            }
            Link::Looking => "a connection to the Gateway is being tried already".to_owned(),
            // A Gateway that does not answer must not be given one dead connection after the other.
            _ => {
                return Err(Refusal::Conflict(
                    "a connection is being tried already; it is given up after handshake_time, and `twsmux status` says what it \
                     waits for",
                ));
            }
        })
    }

    /// Makes the next attempt now, but not right after a link: its startApi would come into the window of the last second (I9),
    /// and who presses the key again and again must not hammer. The look at the socket table comes first as always.
    fn dial_now(&mut self, ctx: &Ctx<'_>) {
        self.known.trouble = None;
        self.timers.arm(Timer::Redial, ctx.now.max(self.down_since + limits::REFUSED_PAUSE));
    }

    /// Gives a link that works up, once nothing waits for it; at the latest when [`Timer::Drain`] is due.
    fn hang_up(&mut self, ctx: &mut Ctx<'_>, why: &'static str) {
        self.operated.hangs_up = Some(why);
        self.begin_end(ctx);
        let waiting = self.pacer.len();
        self.note(ctx, Level::Info, format!("{why}: {waiting} messages still go to the Gateway"));
    }

    pub(super) fn keep_link(&mut self) {
        if self.operated.hangs_up.take().is_some() && !self.stopping {
            self.timers.disarm(Timer::Drain);
        }
    }

    /// Whether everything for the Gateway has left, and it has answered what concerned orders.
    fn is_settled(&self) -> bool {
        self.upstream_out.is_empty() && self.pacer.is_empty() && self.in_flight.is_empty()
    }

    /// The link, or twsmux, ends as soon as nothing waits; at the latest when [`Timer::Drain`] is due.
    pub(super) fn begin_end(&mut self, ctx: &Ctx<'_>) {
        let until = ctx.now + self.config.limits.drain_time;
        self.timers.arm(Timer::Drain, until);
        // Bytes that only wait for the socket need no answer.
        let waits = !self.pacer.is_empty() || !self.in_flight.is_empty();
        self.operated.end = if waits { End::Waits(until) } else { End::AtOnce };
    }

    /// Goes on with an end that waits for nothing to wait.
    pub(super) fn end_if_settled(&mut self, ctx: &mut Ctx<'_>) {
        if !(self.stopping || self.operated.hangs_up.is_some()) || !self.is_settled() {
            return;
        }
        match self.operated.end {
            End::AtOnce => self.end_now(ctx),
            End::Waits(until) => {
                self.operated.end = End::Listens(until);
                self.timers.arm(Timer::Drain, until.min(ctx.now + limits::SETTLE_TIME));
            }
            End::Listens(_) => {}
        }
    }

    /// [`Timer::Drain`] is due.
    pub(super) fn end_is_due(&mut self, ctx: &mut Ctx<'_>) {
        match self.operated.end {
            // Something new is under way.
            End::Listens(until) if !self.is_settled() && ctx.now < until => {
                self.operated.end = End::Waits(until);
                self.timers.arm(Timer::Drain, until);
            }
            _ => self.end_now(ctx),
        }
    }

    /// Nothing waits any more, or has waited long enough.
    fn end_now(&mut self, ctx: &mut Ctx<'_>) {
        if self.stopping {
            return self.finish(ctx);
        }
        let Some(why) = self.operated.hangs_up else { return };
        match self.operated.paused {
            true => self.fail(ctx, Case::Paused, String::new()),
            false => {
                self.fail(ctx, Case::Lost, why.to_owned());
                self.dial_now(ctx);
            }
        }
    }

    fn kill(&mut self, ctx: &mut Ctx<'_>, who: Who) -> Result<String, Refusal> {
        let key = match who {
            Who::Id(id) => self.by_id.get(&id).copied(),
            Who::Key(key) => self.clients.get(key).filter(|c| c.phase != Phase::Closing).map(|c| c.key),
        };
        let Some(client) = key.and_then(|key| self.clients.get(key)) else {
            return Err(Refusal::NoSuchClient(who));
        };
        let (key, peer) = (client.key, client.peer.clone());
        let id = client.id.map_or("without a client id".to_owned(), |id| format!("client id {id}"));
        let words = "The connection is closed by the operator of twsmux.".to_owned();
        // Before the greeting is answered an error is no message.
        let told = client.phase != Phase::Greeting;
        self.close_client(ctx, key, Gone::Killed, told.then_some((codes::NOT_CONNECTED, words)));
        Ok(format!(
            "closed {key} ({id}, {peer}). It may come back; `twsmux control policy ID allowed=false` keeps a client id away"
        ))
    }

    fn drain_clients(&mut self, ctx: &mut Ctx<'_>, stop: bool) -> String {
        self.operated.drain = Some(stop);
        let there = self.clients.len();
        let then = if stop { ", and twsmux stops when the last one has left" } else { "" };
        self.stop_if_drained(ctx);
        format!("no more clients are taken in; {there} are connected and stay{then}")
    }

    /// The last client may have left.
    pub(super) fn stop_if_drained(&mut self, ctx: &mut Ctx<'_>) {
        if self.operated.drain == Some(true) && self.clients.is_empty() {
            self.note(ctx, Level::Info, "drained: the last client has left".to_owned());
            self.stop(ctx);
        }
    }
}
