//! What owners that are away have still to hear of their orders (I6).
//!
//! Owns the messages, as the Gateway sent them, oldest first. Only what a client would not be shown at its start anyway
//! is worth keeping: executions, commissions, errors, and how an order ended.

use std::collections::VecDeque;

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use crate::ids::{ClientId, UpOrderId};
use crate::journal::{Kept, Record, State};
use crate::limits;

/// See the module's words.
#[derive(Debug, Default)]
pub struct Away {
    kept: indexmap::IndexMap<ClientId, VecDeque<Kept>, FxBuildHasher>,
    bytes: usize,
}

impl Away {
    /// What the journal kept.
    pub fn recovered(state: &State) -> Self {
        let mut away = Away::default();
        for (owner, kept) in &state.kept {
            away.bytes += kept.iter().map(|k| k.payload.len()).sum::<usize>();
            away.kept.insert(*owner, kept.clone());
        }
        away
    }

    /// Keeps a message. Returns the facts for the journal, and how many older messages had to go for it.
    pub fn keep(
        &mut self,
        owner: ClientId,
        up: UpOrderId,
        version: u16,
        payload: &[u8],
    ) -> (Vec<Record>, u64) {
        let payload = Bytes::copy_from_slice(payload);
        let mut facts = Vec::new();
        let mut lost = 0;
        if self.kept.get(&owner).is_some_and(|k| k.len() >= limits::MAX_KEPT_PER_OWNER) {
            lost += self.drop_oldest(owner, 1, &mut facts);
        }
        while self.bytes + payload.len() > limits::MAX_KEPT_BYTES
            && let Some((most, n)) = self.longest()
        {
            lost += self.drop_oldest(most, n.div_ceil(10), &mut facts);
        }
        self.bytes += payload.len();
        facts.push(Record::Kept { owner, up, version, payload: payload.clone() });
        self.kept.entry(owner).or_default().push_back(Kept { up, version, payload });
        (facts, lost)
    }

    /// The owner for whom most is kept.
    fn longest(&self) -> Option<(ClientId, usize)> {
        self.kept.iter().map(|(owner, k)| (*owner, k.len())).max_by_key(|(_, n)| *n)
    }

    fn drop_oldest(&mut self, owner: ClientId, n: usize, facts: &mut Vec<Record>) -> u64 {
        let Some(kept) = self.kept.get_mut(&owner) else { return 0 };
        let n = n.min(kept.len());
        self.bytes -= kept.drain(..n).map(|k| k.payload.len()).sum::<usize>();
        if kept.is_empty() {
            self.kept.swap_remove(&owner);
        }
        facts.push(Record::Fetched { owner, count: n as u32 });
        n as u64
    }

    /// Whether the end of an order is kept for its owner.
    pub fn has_end(&self, owner: ClientId, up: UpOrderId, is_status: impl Fn(&Kept) -> bool) -> bool {
        self.kept.get(&owner).is_some_and(|kept| kept.iter().any(|k| k.up == up && is_status(k)))
    }

    /// Takes out what is kept for an owner, with the fact for the journal.
    pub fn fetch(&mut self, owner: ClientId) -> (VecDeque<Kept>, Option<Record>) {
        let kept = self.kept.swap_remove(&owner).unwrap_or_default();
        self.bytes -= kept.iter().map(|k| k.payload.len()).sum::<usize>();
        let fact = (!kept.is_empty()).then_some(Record::Fetched { owner, count: kept.len() as u32 });
        (kept, fact)
    }

    /// Messages kept for each owner.
    pub fn by_owner(&self) -> impl Iterator<Item = (ClientId, usize)> {
        self.kept.iter().map(|(owner, kept)| (*owner, kept.len()))
    }

    /// Messages kept, over all owners.
    pub fn len(&self) -> usize {
        self.kept.values().map(VecDeque::len).sum()
    }

    /// The bounds hold (I10).
    pub fn check(&self) {
        let bytes: usize = self.kept.values().flatten().map(|k| k.payload.len()).sum();
        assert_eq!(bytes, self.bytes, "what is kept is counted");
        assert!(bytes <= limits::MAX_KEPT_BYTES, "I10");
        assert!(self.kept.values().all(|k| k.len() <= limits::MAX_KEPT_PER_OWNER), "I10");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_messages_of_an_owner_go_first_and_the_journal_is_told() {
        let mut away = Away::default();
        let mut state = State::default();
        let mut lost = 0;
        for n in 0..limits::MAX_KEPT_PER_OWNER + 3 {
            let (facts, gone) = away.keep(ClientId(7), UpOrderId(1), 176, n.to_string().as_bytes());
            lost += gone;
            facts.iter().for_each(|f| state.apply(f));
            away.check();
        }
        assert_eq!(lost, 3);
        let again = Away::recovered(&state);
        assert_eq!(again.kept, away.kept);
        let (kept, fact) = away.fetch(ClientId(7));
        assert_eq!(kept.front().map(|k| k.payload.clone()), Some(Bytes::from_static(b"3")));
        state.apply(&fact.expect("something was kept"));
        assert!(state.kept.is_empty() && away.len() == 0);
    }

    #[test]
    fn the_longest_queue_makes_room_when_the_memory_is_full() {
        let mut away = Away::default();
        let big = vec![0; limits::MAX_KEPT_BYTES / 64];
        for _ in 0..64 {
            away.keep(ClientId(1), UpOrderId(1), 176, &big);
        }
        let (_, lost) = away.keep(ClientId(2), UpOrderId(2), 176, &big);
        assert!(lost > 0);
        away.check();
        assert!(away.len() <= 64);
    }
}
