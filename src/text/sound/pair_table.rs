//! Pairs of neighbouring characters, found by how they sound.

use std::sync::Arc;

use super::readings::{SyllableNo, readings};

/// Pairs of Chinese characters that follow each other somewhere, with how often.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PairTable {
    /// Ascending; a pair stands under each combination of the sounds of its characters.
    entries: Vec<Entry>,
    /// How often each character comes first in a pair, ascending by character.
    totals: Vec<(char, u32)>,
}

/// 12 bytes: characters with readings fit into two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    sounds: (SyllableNo, SyllableNo),
    first: u16,
    second: u16,
    count: u32,
}

impl PairTable {
    /// A table of distinct pairs with their counts; those of a character without a reading are
    /// left out.
    pub fn new(pairs: impl IntoIterator<Item = (char, char, u32)>) -> Self {
        let mut table = Self::default();
        for (first, second, count) in pairs {
            let (Some(of_first), Some(of_second)) = (readings(first), readings(second)) else {
                continue;
            };
            match table.totals.last_mut() {
                Some((last, total)) if *last == first => *total = total.saturating_add(count),
                _ => table.totals.push((first, count)),
            }
            for &a in &of_first.sounds {
                for &b in &of_second.sounds {
                    table.entries.push(Entry {
                        sounds: (a, b),
                        first: u32::from(first) as u16,
                        second: u32::from(second) as u16,
                        count,
                    });
                }
            }
        }
        table.entries.sort_unstable();
        table.entries.shrink_to_fit();
        table.totals.sort_unstable();
        table.totals.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            is_same
        });
        table
    }

    /// The pairs of two sounds, with their counts, ascending.
    pub(super) fn of_sounds(
        &self,
        first: SyllableNo,
        second: SyllableNo,
    ) -> impl Iterator<Item = (char, char, u32)> {
        let sounds = (first, second);
        let start = self.entries.partition_point(|entry| entry.sounds < sounds);
        let of_sounds = self.entries[start..]
            .iter()
            .take_while(move |entry| entry.sounds == sounds);
        of_sounds.filter_map(|entry| {
            let first = char::from_u32(entry.first.into())?;
            let second = char::from_u32(entry.second.into())?;
            Some((first, second, entry.count))
        })
    }

    /// How often `c` comes first in a pair.
    pub(super) fn total(&self, c: char) -> u32 {
        let found = self.totals.binary_search_by_key(&c, |(first, _)| *first);
        found.map_or(0, |at| self.totals[at].1)
    }
}

/// The pairs of several tables, added up: those of the segments of one snapshot.
#[derive(Clone, Debug, Default)]
pub struct PairCounts {
    /// Ones that share no text.
    pub tables: Vec<Arc<PairTable>>,
}

impl PairCounts {
    pub(super) fn total(&self, c: char) -> u32 {
        let totals = self.tables.iter().map(|table| table.total(c));
        totals.fold(0, u32::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found_by_each_reading_and_counted_once() {
        let table = PairTable::new([
            ('银', '行', 7),
            ('公', '积', 3),
            ('银', '杏', 2),
            ('公', 'a', 9),
        ]);
        let sounds = |c: char| &readings(c).unwrap().sounds;
        // 行 is xing as well as hang.
        for c in ['航', '型'] {
            let found: Vec<_> = table.of_sounds(sounds('引')[0], sounds(c)[0]).collect();
            assert!(found.contains(&('银', '行', 7)), "{c}: {found:?}");
        }
        assert_eq!(table.total('银'), 9);
        assert_eq!(table.total('公'), 3);
        assert_eq!(table.total('积'), 0);
        let both = PairCounts {
            tables: vec![Arc::new(table), Arc::new(PairTable::new([('银', '行', 1)]))],
        };
        assert_eq!(both.total('银'), 10);
    }
}
