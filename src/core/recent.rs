//! A map that forgets: two generations, so that forgetting costs nothing and iteration order never matters.

use std::borrow::Borrow;
use std::hash::Hash;

use rustc_hash::FxBuildHasher;

type Map<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;

/// Remembers at least the `capacity / 2` most recent entries, at most `capacity`.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// An empty map; `capacity` at least 2.
    pub fn new(capacity: usize) -> Self {
        Recent { young: Map::default(), old: Map::default(), half: (capacity / 2).max(1) }
    }

    /// Adds or replaces an entry.
    pub fn insert(&mut self, key: K, value: V) {
        self.old.swap_remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// The entry under `key`, unless it was forgotten.
    pub fn get<Q: ?Sized + Hash + Eq>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Likewise, to change it.
    pub fn get_mut<Q: ?Sized + Hash + Eq>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self.young.get_mut(key) {
            Some(v) => Some(v),
            None => self.old.get_mut(key),
        }
    }

    /// Takes the entry out.
    pub fn remove<Q: ?Sized + Hash + Eq>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.young.swap_remove(key).or_else(|| self.old.swap_remove(key))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recent_half_is_kept_and_the_size_is_bounded() {
        let mut r = Recent::new(10);
        for i in 0..1000 {
            r.insert(i, i);
            assert!(r.len() <= 10);
            for back in 0..5.min(i + 1) {
                assert_eq!(r.get(&(i - back)), Some(&(i - back)));
            }
        }
        assert_eq!(r.get(&0), None);
        assert_eq!(r.remove(&999), Some(999));
        assert_eq!(r.get(&999), None);
    }
}
