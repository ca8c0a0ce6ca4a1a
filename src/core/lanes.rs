//! Requests without an id (PROTOCOL.md (b), "FIFO messages"): their answers are told apart only by their order, so
//! one request of a lane is under way at a time and the rest wait. Equal ones of several clients are one.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::lines::Subject;
use crate::ids::{ClientId, ClientKey};
use crate::protocol::model::{Lane, Reuse};

/// Who asks, and by which of the requests that are one upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// Who.
    pub client: ClientKey,
    /// Its request's message id.
    pub message: u16,
}

/// What is asked in a lane, and by whom.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who asks. Nobody, and not `own`: they are gone or were told that it took too long, and the answer is swallowed.
    pub askers: Vec<Asker>,
    /// Whether twsmux itself asks.
    pub own: bool,
    /// The line of orders that it waits in, so that it sees what its asker did before.
    pub line: Option<ClientId>,
    /// What it asks for.
    pub subject: Subject,
    /// How long the answer serves others.
    pub reuse: Reuse,
    /// The whole frame that goes upstream.
    pub frame: Bytes,
}

impl Ask {
    /// Whether somebody waits for the answer.
    pub fn is_wanted(&self) -> bool {
        self.own || !self.askers.is_empty()
    }

    /// Whether a client is one of the askers.
    fn is_of(&self, client: ClientKey) -> bool {
        self.askers.iter().any(|asker| asker.client == client)
    }
}

/// One lane.
#[derive(Debug, Default)]
struct State {
    under_way: Option<Ask>,
    /// How often orders had changed when the request under way left for the Gateway; before that, nothing can be its
    /// answer.
    sent: Option<u64>,
    /// Whether something of the answer has come.
    begun: bool,
    waiting: VecDeque<Ask>,
}

/// All lanes, by lane and key (rule id, FA data type; 0 where there is none).
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<(Lane, i64), State>,
    /// Requests under way, in the order in which they were sent.
    sent: VecDeque<(Lane, i64)>,
}

impl Lanes {
    /// Adds a request. `true`: its turn is now.
    pub fn ask(&mut self, lane: Lane, key: i64, ask: Ask) -> bool {
        let state = self.lanes.entry((lane, key)).or_default();
        if state.under_way.is_none() {
            state.under_way = Some(ask);
            return true;
        }
        state.waiting.push_back(ask);
        false
    }

    /// Whether a client waits for an answer in a lane: what it asks next is answered after that.
    pub fn waits(&self, lane: Lane, key: i64, client: ClientKey) -> bool {
        self.lanes
            .get(&(lane, key))
            .is_some_and(|state| state.under_way.iter().chain(&state.waiting).any(|ask| ask.is_of(client)))
    }

    /// Whether a client waits for an answer in any lane.
    pub fn is_asked_by(&self, client: ClientKey) -> bool {
        self.lanes.keys().any(|(lane, key)| self.waits(*lane, *key, client))
    }

    /// Adds somebody to an equal request of others of which nothing has been answered. Says whether there is one. Of one
    /// that has left, `fits` judges by how often orders had changed then. Who asks twice is answered twice, and in the
    /// order of asking.
    pub fn join(
        &mut self,
        lane: Lane,
        key: i64,
        subject: &Subject,
        asker: Asker,
        fits: impl Fn(u64) -> bool,
    ) -> bool {
        let Some(state) = self.lanes.get_mut(&(lane, key)) else { return false };
        let open = !state.begun && state.sent.is_none_or(fits);
        let head = state.under_way.iter_mut().map(|ask| (open, ask));
        let mut equal = None;
        for (open, ask) in head.chain(state.waiting.iter_mut().map(|ask| (true, ask))) {
            if ask.is_of(asker.client) {
                equal = None;
            } else if equal.is_none() && open && ask.subject == *subject && ask.is_wanted() {
                equal = Some(ask);
            }
        }
        let Some(ask) = equal else { return false };
        ask.askers.push(asker);
        true
    }

    /// The request under way, whether it waits for the pacer or has left.
    pub fn head(&self, lane: Lane, key: i64) -> Option<&Ask> {
        self.lanes.get(&(lane, key))?.under_way.as_ref()
    }

    /// The request under way has left, when orders had changed so often.
    pub fn sent(&mut self, lane: Lane, key: i64, changes: u64) {
        if let Some(state) = self.lanes.get_mut(&(lane, key)) {
            state.sent = Some(changes);
            self.sent.push_back((lane, key));
        }
    }

    /// The request that the Gateway is answering.
    pub fn answered(&self, lane: Lane, key: i64) -> Option<&Ask> {
        self.lanes.get(&(lane, key)).filter(|state| state.sent.is_some())?.under_way.as_ref()
    }

    /// Something of its answer has come: nobody joins it any more.
    pub fn begun(&mut self, lane: Lane, key: i64) {
        if let Some(state) = self.lanes.get_mut(&(lane, key)).filter(|state| state.sent.is_some()) {
            state.begun = true;
        }
    }

    /// All who wait in a lane.
    pub fn askers(&self, lane: Lane, key: i64) -> Vec<Asker> {
        let Some(state) = self.lanes.get(&(lane, key)) else { return Vec::new() };
        state.under_way.iter().chain(&state.waiting).flat_map(|ask| &ask.askers).copied().collect()
    }

    /// The request under way has had its end. Returns the next one, which is now under way and must be sent.
    pub fn done(&mut self, lane: Lane, key: i64) -> Option<&Ask> {
        let state = self.lanes.get_mut(&(lane, key))?;
        self.sent.retain(|l| *l != (lane, key));
        (state.sent, state.begun) = (None, false);
        // What nobody waits for any more is not sent at all.
        state.under_way = std::iter::from_fn(|| state.waiting.pop_front()).find(Ask::is_wanted);
        if state.under_way.is_none() {
            self.lanes.remove(&(lane, key));
        }
        self.head(lane, key)
    }

    /// The request under way does not end: takes out all who wait for it and behind it. Says whether twsmux is one.
    pub fn give_up(&mut self, lane: Lane, key: i64) -> (Vec<Asker>, bool) {
        let askers = self.askers(lane, key);
        let Some(state) = self.lanes.get_mut(&(lane, key)) else { return (askers, false) };
        let waiting = std::mem::take(&mut state.waiting);
        let own = state.under_way.iter().chain(&waiting).any(|ask| ask.own);
        if let Some(head) = &mut state.under_way {
            head.own = false;
            head.askers.clear();
        }
        (askers, own)
    }

    /// The lane whose request was sent first of those under way.
    pub fn oldest(&self) -> Option<(Lane, i64)> {
        self.sent.front().copied()
    }

    /// A client is gone: its answer under way is swallowed, what only it waits for is not sent.
    pub fn forget(&mut self, client: ClientKey) {
        for state in self.lanes.values_mut() {
            for ask in state.under_way.iter_mut().chain(&mut state.waiting) {
                ask.askers.retain(|asker| asker.client != client);
            }
        }
    }

    /// The link is gone: what was asked, in order, and whether something of the answer has come.
    pub fn clear(&mut self) -> Vec<((Lane, i64), Ask, bool)> {
        self.sent.clear();
        let mut all = Vec::new();
        for (lane, state) in std::mem::take(&mut self.lanes) {
            all.extend(state.under_way.map(|ask| (lane, ask, state.begun)));
            all.extend(state.waiting.into_iter().map(|ask| (lane, ask, false)));
        }
        all
    }

    /// Drops the lanes whose key tells the answer and whose asker is gone or was told that it took too long: whatever
    /// comes under that key answers the next one as well.
    pub fn drop_abandoned(&mut self) -> Vec<(Lane, i64)> {
        let abandoned = |lane: &Lane, state: &State| {
            matches!(lane, Lane::MarketRule | Lane::Fa)
                && state.sent.is_some()
                && state.waiting.is_empty()
                && state.under_way.as_ref().is_some_and(|ask| !ask.is_wanted())
        };
        let dropped: Vec<_> =
            self.lanes.iter().filter(|((lane, _), s)| abandoned(lane, s)).map(|(key, _)| *key).collect();
        for key in &dropped {
            self.lanes.remove(key);
        }
        self.sent.retain(|lane| self.lanes.contains_key(lane));
        dropped
    }

    /// Requests under way, and askers who wait for their turn or with others, over all lanes.
    pub fn len(&self) -> usize {
        let more = |state: &State| {
            let head = state.under_way.as_ref().map_or(0, |ask| ask.askers.len().max(1));
            head + state.waiting.iter().map(|ask| ask.askers.len().max(1)).sum::<usize>()
        };
        self.lanes.values().map(more).sum()
    }

    /// Requests that wait, over all lanes.
    pub fn waiting(&self) -> usize {
        self.lanes.values().map(|state| state.waiting.len()).sum()
    }
}
