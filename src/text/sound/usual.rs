//! How often characters stand, and follow each other, in ordinary Chinese.
//!
//! Counted in news, encyclopedia paragraphs and policy documents (`scripts/count-pairs`, see
//! `docs/wording.md`); the file says its layout. An index knows its own words; this knows those that
//! it happens to lack, so that they are not taken for misheard.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::pair_table::PairTable;
use super::readings::{SyllableNo, readings};

static FILE: &[u8] = include_bytes!("../../../models/pairs.zkp");
const MAGIC: &[u8] = b"zkpairs1";
const STEPS_PER_DOUBLING: f32 = 8.0;

/// The built-in counts.
pub struct Usual {
    /// Pairs by sound.
    pub pairs: PairTable,
    /// How often a character comes second in a pair, ascending by character.
    counts: Vec<(char, u32)>,
    n_characters: f64,
    /// Sum of the counts of the characters of a syllable or a sound.
    of_reading: BTreeMap<SyllableNo, f64>,
}

static USUAL: LazyLock<Usual> = LazyLock::new(|| Usual::new(&read(FILE)));

/// Reads the built-in counts, so that no query has to wait for it.
pub fn load() {
    LazyLock::force(&USUAL);
}

/// How often `c` stands in ordinary texts, as a share of all characters; never 0.
pub fn commonness(c: char) -> f64 {
    USUAL.commonness(c)
}

/// The characters that stand in ordinary texts, ascending.
pub fn common_characters() -> impl Iterator<Item = char> {
    USUAL.counts.iter().map(|(c, _)| *c)
}

impl Usual {
    /// The built-in counts; the first call reads them (about 50 ms).
    pub fn built_in() -> &'static Self {
        &USUAL
    }

    fn new(pairs: &[(char, char, u32)]) -> Self {
        let mut counts: BTreeMap<char, u32> = BTreeMap::new();
        for &(_, second, count) in pairs {
            *counts.entry(second).or_default() += count;
        }
        let mut of_reading: BTreeMap<SyllableNo, f64> = BTreeMap::new();
        for (&c, &count) in &counts {
            let known = readings(c).into_iter();
            for &no in known.flat_map(|known| known.syllables.iter().chain(&known.sounds)) {
                *of_reading.entry(no).or_default() += f64::from(count);
            }
        }
        Self {
            pairs: PairTable::new(pairs.iter().copied()),
            n_characters: counts.values().map(|&count| f64::from(count)).sum(),
            counts: counts.into_iter().collect(),
            of_reading,
        }
    }

    /// See [`commonness`].
    pub fn commonness(&self, c: char) -> f64 {
        let found = self.counts.binary_search_by_key(&c, |(known, _)| *known);
        let count = found.map_or(0, |at| self.counts[at].1);
        (f64::from(count) + 1.0) / (self.n_characters + 1.0)
    }

    /// Share of `c` among the characters of a syllable or a sound that it has, 0 to 1.
    pub fn share_of_reading(&self, c: char, reading: SyllableNo) -> f64 {
        let all = self.of_reading.get(&reading).copied().unwrap_or_default();
        self.commonness(c) * (self.n_characters + 1.0) / (all + 1.0)
    }
}

/// The pairs of a file; what a damaged one has up to the damage.
fn read(file: &[u8]) -> Vec<(char, char, u32)> {
    let mut pairs = Vec::new();
    let mut rest = file.strip_prefix(MAGIC).unwrap_or_default();
    let mut take = |n: usize| {
        let (taken, left) = rest.split_at_checked(n)?;
        rest = left;
        Some(taken)
    };
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0u32, |n, byte| n << 8 | u32::from(*byte))
    };
    let n_first = take(4).map_or(0, number);
    for _ in 0..n_first {
        let Some(head) = take(4) else { break };
        let first = char::from_u32(number(&head[..2]));
        let Some(followers) = take(3 * number(&head[2..]) as usize) else {
            break;
        };
        pairs.extend(followers.chunks_exact(3).filter_map(|follower| {
            let second = char::from_u32(number(&follower[..2]))?;
            let count = (f32::from(follower[2]) / STEPS_PER_DOUBLING).exp2().round();
            Some((first?, second, count as u32))
        }));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_counts_are_whole() {
        let pairs = read(FILE);
        assert!(pairs.len() > 200_000, "{}", pairs.len());
        assert!(pairs.is_sorted_by_key(|(first, second, _)| (*first, *second)));
        let usual = Usual::built_in();
        assert!(usual.commonness('的') > usual.commonness('积'));
        assert!(usual.commonness('积') > usual.commonness('龘') && usual.commonness('龘') > 0.0);
    }

    #[test]
    fn a_damaged_file_ends_early() {
        assert_eq!(read(b"something else"), []);
        let whole = read(FILE);
        let half = read(&FILE[..FILE.len() / 2]);
        assert!(!half.is_empty() && whole.starts_with(&half));
    }
}
