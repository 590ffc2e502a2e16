use std::{collections::HashMap, hash::Hash, mem};

/// A table that forgets what was not asked for lately, at the same small price for each entry:
/// when the young generation is full, it becomes the old one, and the old one is dropped.
pub struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    each: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Keeps at least the `most / 2` entries that were used last, and never more than `most`.
    pub fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), each: (most / 2).max(1) }
    }

    /// The entry of `key`, which is now one that was used.
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            return Some(self.add(key, value));
        }
        self.young.get_mut(key)
    }

    /// The entry of `key`, a new one if there is none.
    pub fn get_or_insert(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        match self.old.remove(&key) {
            Some(value) => self.add(key, value),
            None if self.young.contains_key(&key) => {
                self.young.get_mut(&key).expect("it was just seen")
            }
            None => self.add(key, new()),
        }
    }

    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn add(&mut self, key: K, value: V) -> &mut V {
        if self.young.len() >= self.each {
            self.old = mem::take(&mut self.young);
        }
        self.young.entry(key).or_insert(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_small_and_keeps_what_is_used() {
        let mut table = Generations::new(10);
        table.get_or_insert(0, || "used");
        for number in 1..1000 {
            table.get_or_insert(number, || "once");
            assert_eq!(table.get(&0), Some(&mut "used"), "{number}");
            assert!(table.young.len() + table.old.len() <= 10);
        }
        assert!(table.get(&1).is_none());
        table.remove(&0);
        assert!(table.get(&0).is_none());
    }
}
