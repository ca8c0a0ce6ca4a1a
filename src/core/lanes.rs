//! Requests without an id (PROTOCOL.md (b), "FIFO messages"): their answers are told apart only by their order, so
//! one request of a lane is under way at a time and the rest wait.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::ids::{ClientId, ClientKey};
use crate::protocol::model::Lane;

/// Who asks in a lane, and for what.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who asks; `None` once the asker is gone or was told that it took too long: the answer is swallowed.
    pub client: Option<ClientKey>,
    /// The line of orders that it waits in, so that it sees what its asker did before.
    pub line: Option<ClientId>,
    /// Whether twsmux itself asks.
    pub own: bool,
    /// The request's message id.
    pub message: u16,
    /// The whole frame that goes upstream.
    pub frame: Bytes,
}

/// One lane.
#[derive(Debug, Default)]
struct State {
    under_way: Option<Ask>,
    /// Whether the request under way has left for the Gateway; before that, nothing can be its answer.
    sent: bool,
    waiting: VecDeque<Ask>,
}

/// All lanes, by lane and key (rule id, FA data type; 0 where there is none).
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<(Lane, i64), State>,
    waiting: usize,
    /// Requests under way, in the order in which they were sent.
    sent: VecDeque<(Lane, i64)>,
}

impl Lanes {
    /// Adds a request. `true`: its turn is now, send it.
    pub fn ask(&mut self, lane: Lane, key: i64, ask: Ask) -> bool {
        let state = self.lanes.entry((lane, key)).or_default();
        if state.under_way.is_none() {
            state.under_way = Some(ask);
            return true;
        }
        state.waiting.push_back(ask);
        self.waiting += 1;
        false
    }

    /// The request under way, whether it waits for the pacer or has left.
    pub fn head(&self, lane: Lane, key: i64) -> Option<&Ask> {
        self.lanes.get(&(lane, key))?.under_way.as_ref()
    }

    /// The request under way has left.
    pub fn sent(&mut self, lane: Lane, key: i64) {
        if let Some(state) = self.lanes.get_mut(&(lane, key)) {
            state.sent = true;
            self.sent.push_back((lane, key));
        }
    }

    /// The request that the Gateway is answering.
    pub fn answered(&self, lane: Lane, key: i64) -> Option<&Ask> {
        self.lanes.get(&(lane, key)).filter(|state| state.sent)?.under_way.as_ref()
    }

    /// Likewise, to change it.
    pub fn head_mut(&mut self, lane: Lane, key: i64) -> Option<&mut Ask> {
        self.lanes.get_mut(&(lane, key))?.under_way.as_mut()
    }

    /// The request under way has had its end. Returns the next one, which is now under way and must be sent.
    pub fn done(&mut self, lane: Lane, key: i64) -> Option<&Ask> {
        let state = self.lanes.get_mut(&(lane, key))?;
        self.sent.retain(|l| *l != (lane, key));
        state.sent = false;
        // A waiter whose client is gone is not sent at all.
        state.under_way = loop {
            match state.waiting.pop_front() {
                None => break None,
                Some(ask) => {
                    self.waiting -= 1;
                    if ask.client.is_some() || ask.own {
                        break Some(ask);
                    }
                }
            }
        };
        if state.under_way.is_none() {
            self.lanes.remove(&(lane, key));
            return None;
        }
        self.head(lane, key)
    }

    /// Takes the waiters of a lane out, because the request under way does not end.
    pub fn give_up(&mut self, lane: Lane, key: i64) -> Vec<Ask> {
        let Some(state) = self.lanes.get_mut(&(lane, key)) else { return Vec::new() };
        self.waiting -= state.waiting.len();
        state.waiting.drain(..).collect()
    }

    /// The lane whose request was sent first of those under way.
    pub fn oldest(&self) -> Option<(Lane, i64)> {
        self.sent.front().copied()
    }

    /// A client is gone: its answer under way is swallowed, its waiting requests are not sent.
    pub fn forget(&mut self, client: ClientKey) {
        for state in self.lanes.values_mut() {
            for ask in state.under_way.iter_mut().chain(&mut state.waiting) {
                if ask.client == Some(client) {
                    ask.client = None;
                }
            }
        }
    }

    /// The link is gone: everything that was asked, in order.
    pub fn clear(&mut self) -> Vec<Ask> {
        self.sent.clear();
        self.waiting = 0;
        std::mem::take(&mut self.lanes)
            .into_values()
            .flat_map(|s| s.under_way.into_iter().chain(s.waiting))
            .collect()
    }

    /// Drops the lanes whose key tells the answer and whose asker is gone or was told that it took too long: whatever
    /// comes under that key answers the next one as well.
    pub fn drop_abandoned(&mut self) -> Vec<(Lane, i64)> {
        let abandoned = |lane: &Lane, state: &State| {
            matches!(lane, Lane::MarketRule | Lane::Fa)
                && state.sent
                && state.waiting.is_empty()
                && state.under_way.as_ref().is_some_and(|ask| ask.client.is_none())
        };
        let dropped: Vec<_> =
            self.lanes.iter().filter(|((lane, _), s)| abandoned(lane, s)).map(|(key, _)| *key).collect();
        for key in &dropped {
            self.lanes.remove(key);
        }
        self.sent.retain(|lane| self.lanes.contains_key(lane));
        dropped
    }

    /// Requests under way and waiting, over all lanes.
    pub fn len(&self) -> usize {
        self.lanes.len() + self.waiting
    }

    /// Requests that wait, over all lanes.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}
