//! What waits for a client that reads slowly: the latest of each row, in the order in which they last came.
//!
//! Pure bookkeeping; when something waits here, and when it goes on, is decided in `slow`.

use std::collections::BTreeMap;

use rustc_hash::FxBuildHasher;

use super::lines::RowId;
use crate::protocol::model::Shared;

/// Bytes that a waiting message costs beside its own: its place in the tables.
const PLACE: usize = 128;

/// What a message is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum About {
    /// A request of the client, under the client's id.
    Request(i32),
    /// A shared stream.
    Stream(Shared),
}

/// What a newer message replaces an older one of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// A row of a request or a stream.
    Row(About, RowId),
    /// The book of a request of the client; the number is the message that changes it.
    Book(i32, u16),
}

impl Key {
    fn about(&self) -> About {
        match self {
            Key::Row(about, _) => *about,
            Key::Book(down, _) => About::Request(*down),
        }
    }

    fn message(&self) -> u16 {
        match self {
            Key::Row(_, row) => row.message(),
            Key::Book(_, message) => *message,
        }
    }
}

/// See the module's words.
#[derive(Debug, Default)]
pub struct Backlog {
    places: indexmap::IndexMap<Key, u64, FxBuildHasher>,
    /// Keys and frames by order of arrival; a book has no frame until it is told.
    waiting: BTreeMap<u64, (Key, Vec<u8>)>,
    next: u64,
    bytes: usize,
}

impl Backlog {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The memory that they take, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether something waits under this key.
    pub fn has(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// A frame waits now, behind all others. `true`: it replaced an older one, whose memory it takes over.
    pub fn put(&mut self, key: Key, frame: &[u8]) -> bool {
        let old = self.places.insert(key.clone(), self.next).and_then(|place| self.waiting.remove(&place));
        let replaced = old.is_some();
        let mut kept = match old {
            Some((_, kept)) => {
                self.bytes -= kept.len() + PLACE;
                kept
            }
            None => Vec::new(),
        };
        kept.clear();
        kept.extend_from_slice(frame);
        self.bytes += kept.len() + PLACE;
        self.waiting.insert(self.next, (key, kept));
        self.next += 1;
        replaced
    }

    /// The one that has waited longest.
    pub fn pop(&mut self) -> Option<(Key, Vec<u8>)> {
        let (_, first) = self.waiting.pop_first()?;
        self.places.swap_remove(&first.0);
        self.bytes -= first.1.len() + PLACE;
        Some(first)
    }

    /// Everything about a request or a stream, in order.
    pub fn take(&mut self, about: About) -> Vec<(Key, Vec<u8>)> {
        self.take_if(|key| key.about() == about)
    }

    /// Nobody wants this any more: what these messages say of a request.
    pub fn forget(&mut self, down: i32, messages: &[u16]) {
        self.take_if(|key| key.about() == About::Request(down) && messages.contains(&key.message()));
    }

    fn take_if(&mut self, wanted: impl Fn(&Key) -> bool) -> Vec<(Key, Vec<u8>)> {
        let mut places: Vec<u64> =
            self.places.iter().filter(|(key, _)| wanted(key)).map(|(_, place)| *place).collect();
        places.sort_unstable();
        let mut taken = Vec::new();
        for place in places {
            let Some(one) = self.waiting.remove(&place) else { continue };
            self.places.swap_remove(&one.0);
            self.bytes -= one.1.len() + PLACE;
            taken.push(one);
        }
        taken
    }

    /// Asserts what must always hold.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        assert_eq!(self.places.len(), self.waiting.len(), "one place for each key");
        for (place, (key, _)) in &self.waiting {
            assert_eq!(self.places.get(key), Some(place), "one place for each key");
        }
        let bytes: usize = self.waiting.values().map(|(_, frame)| frame.len() + PLACE).sum();
        assert_eq!(bytes, self.bytes, "I10: what waits is counted");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Put(i32, i64, Vec<u8>),
        Pop,
        Take(i32),
        Forget(i32),
    }

    fn op() -> impl Strategy<Value = Op> {
        let frame = prop::collection::vec(any::<u8>(), 0..20);
        prop_oneof![
            6 => (0..4, 0..5i64, frame).prop_map(|(down, row, frame)| Op::Put(down, row, frame)),
            3 => Just(Op::Pop),
            1 => (0..4).prop_map(Op::Take),
            1 => (0..4).prop_map(Op::Forget),
        ]
    }

    fn key(down: i32, row: i64) -> Key {
        match row {
            4 => Key::Book(down, 12),
            _ => Key::Row(About::Request(down), RowId::Number(if row == 3 { 2 } else { 1 }, row)),
        }
    }

    proptest! {
        /// Against the plainest thing that does the same: a list.
        #[test]
        fn it_is_a_list_in_which_each_key_stands_once(ops in prop::collection::vec(op(), 0..200)) {
            let mut backlog = Backlog::default();
            let mut list: Vec<(Key, Vec<u8>)> = Vec::new();
            for op in ops {
                match op {
                    Op::Put(down, row, frame) => {
                        let key = key(down, row);
                        let before = list.len();
                        list.retain(|(k, _)| *k != key);
                        prop_assert_eq!(backlog.put(key.clone(), &frame), list.len() < before);
                        list.push((key, frame));
                    }
                    Op::Pop => {
                        let first = (!list.is_empty()).then(|| list.remove(0));
                        prop_assert_eq!(backlog.pop(), first);
                    }
                    Op::Take(down) => {
                        let about = About::Request(down);
                        let taken: Vec<_> = list.extract_if(.., |(k, _)| k.about() == about).collect();
                        prop_assert_eq!(backlog.take(about), taken);
                    }
                    Op::Forget(down) => {
                        backlog.forget(down, &[1, 12]);
                        list.retain(|(k, _)| k.about() != About::Request(down) || k.message() == 2);
                    }
                }
                backlog.check();
                prop_assert_eq!(backlog.len(), list.len());
                prop_assert!(list.iter().all(|(k, _)| backlog.has(k)));
            }
        }
    }
}
