//! Sets of passages: what a filter lets through, what is alive.
//!
//! A plain bitset over [`PassageNo`]. Numbers are handed out from 0 upwards, so the set stays small:
//! 148,166 passages take 18 KB. Knows nothing of rows, vectors or documents.

use crate::document::PassageNo;

/// A set of passage numbers, one bit each.
#[derive(Clone, Debug, Default)]
pub struct PassageSet {
    words: Vec<u64>,
}

impl PassageSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty set with room for the numbers `0..n_passages`.
    pub fn with_capacity(n_passages: usize) -> Self {
        Self {
            words: Vec::with_capacity(n_passages.div_ceil(64)),
        }
    }

    /// Adds a number; `true` if it was not in the set. Memory grows with the largest number.
    pub fn insert(&mut self, passage: PassageNo) -> bool {
        let (word, bit) = place(passage);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    /// Takes a number out; `true` if it was in the set.
    pub fn remove(&mut self, passage: PassageNo) -> bool {
        let (word, bit) = place(passage);
        match self.words.get_mut(word) {
            Some(bits) if *bits & bit != 0 => {
                *bits &= !bit;
                true
            }
            _ => false,
        }
    }

    /// Whether the number is in the set.
    pub fn contains(&self, passage: PassageNo) -> bool {
        let (word, bit) = place(passage);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// How many numbers are in the set. Counts bits: time grows with the largest number.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// How many numbers are in both sets.
    pub fn intersection_len(&self, other: &PassageSet) -> usize {
        let pairs = self.words.iter().zip(&other.words);
        pairs.map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// Keeps only what `other` holds too.
    pub fn intersect_with(&mut self, other: &PassageSet) {
        self.words.truncate(other.words.len());
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine &= theirs;
        }
    }

    /// Adds everything that `other` holds.
    pub fn union_with(&mut self, other: &PassageSet) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = PassageNo> + '_ {
        self.words.iter().enumerate().flat_map(|(word, &bits)| {
            let mut left = bits;
            std::iter::from_fn(move || {
                if left == 0 {
                    return None;
                }
                let bit = left.trailing_zeros();
                left &= left - 1;
                Some(word as PassageNo * 64 + bit)
            })
        })
    }
}

/// Same numbers, whatever room was reserved.
impl PartialEq for PassageSet {
    fn eq(&self, other: &Self) -> bool {
        let n_shared = self.words.len().min(other.words.len());
        let rest = |words: &[u64]| words[n_shared..].iter().all(|&word| word == 0);
        self.words[..n_shared] == other.words[..n_shared] && rest(&self.words) && rest(&other.words)
    }
}

impl Eq for PassageSet {}

impl FromIterator<PassageNo> for PassageSet {
    fn from_iter<I: IntoIterator<Item = PassageNo>>(passages: I) -> Self {
        let mut set = PassageSet::new();
        set.extend(passages);
        set
    }
}

impl Extend<PassageNo> for PassageSet {
    fn extend<I: IntoIterator<Item = PassageNo>>(&mut self, passages: I) {
        for passage in passages {
            self.insert(passage);
        }
    }
}

/// Which word holds a number, and its bit there.
fn place(passage: PassageNo) -> (usize, u64) {
    (passage as usize / 64, 1 << (passage % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(passages: &[PassageNo]) -> PassageSet {
        passages.iter().copied().collect()
    }

    #[test]
    fn inserting_and_removing_tell_whether_anything_changed() {
        let mut passages = PassageSet::new();
        assert!(passages.insert(64));
        assert!(!passages.insert(64));
        assert!(passages.contains(64) && !passages.contains(63) && !passages.contains(100_000));
        assert!(passages.remove(64));
        assert!(!passages.remove(64) && !passages.remove(100_000));
        assert!(passages.is_empty());
    }

    #[test]
    fn removed_numbers_leave_no_trace_in_equality() {
        let mut passages = set(&[1, 500]);
        passages.remove(500);
        assert_eq!(passages, set(&[1]));
        assert_eq!(set(&[1]), passages);
        assert_ne!(passages, set(&[1, 2]));
    }

    proptest! {
        #[test]
        fn behaves_like_a_sorted_set(
            a in prop::collection::btree_set(0u32..400, 0..60),
            b in prop::collection::btree_set(0u32..400, 0..60),
        ) {
            let (mine, theirs): (PassageSet, PassageSet) =
                (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(mine.iter().collect::<Vec<_>>(), a.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(mine.len(), a.len());
            prop_assert_eq!(mine.intersection_len(&theirs), a.intersection(&b).count());

            let mut both = mine.clone();
            both.intersect_with(&theirs);
            prop_assert_eq!(both.iter().collect::<BTreeSet<_>>(), &a & &b);

            let mut either = mine.clone();
            either.union_with(&theirs);
            prop_assert_eq!(either.iter().collect::<BTreeSet<_>>(), &a | &b);
        }
    }
}
