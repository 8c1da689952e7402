//! Ranked passages → groups that each take one place on the page.
//!
//! One document does not fill the page: its best passage stands for it. The same text in several
//! documents takes one place, and every other source is listed under it. Nothing is dropped: each
//! passage that comes in stands in exactly one group.
//!
//! Two passages are the same when their letters and digits are, or when they differ by a few
//! characters but not in any number: 补贴500元 and 补贴600元 are two answers. What was repealed is not
//! the same as what is in force, however alike the words: it would not show what it is.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::Group;
use crate::document::Validity;

/// Shared character bigrams, of all, from which on two passages are one: a Jaccard index (of
/// multisets) of 9/10. At 600 characters that allows some 30 changed ones in one place: a name, a
/// closing line.
const MIN_SHARED: usize = 9;
const OF_ALL: usize = 10;

/// Buckets into which a sketch counts bigrams.
const BUCKETS: usize = 64;

/// A ranked passage, as far as grouping looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'s> {
    /// Whose passage it is.
    pub document_id: &'s str,
    /// The passage in normal form.
    pub normalised: &'s str,
    /// Whether it is in force.
    pub validity: Validity,
}

/// Passages that take one place, as positions in the ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    /// The best one, which is shown.
    pub shown: usize,
    /// One (nearly) equal passage of each other document, best first.
    pub also_in: Vec<usize>,
    /// Whatever else it stands for, best first: other passages of the shown document, and further
    /// equal ones of documents that are listed already.
    pub more: Vec<usize>,
}

/// Groups a ranking, best first. Groups come in the order of their best passages.
///
/// A passage joins the first group whose shown passage says the same; else, by
/// [`Group::Document`], the group that shows its document; else it starts a group.
pub fn group(ranking: &[Source<'_>], by: Group) -> Vec<Grouped> {
    let sketches: Vec<Sketch> = ranking
        .iter()
        .map(|source| Sketch::of(source.normalised))
        .collect();
    let mut groups: Vec<Grouped> = Vec::new();
    let mut group_of_document: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, source) in ranking.iter().enumerate() {
        let is_same = |group: &Grouped| {
            ranking[group.shown].validity == source.validity
                && sketches[group.shown].says_the_same_as(&sketches[at])
        };
        if let Some(group) = groups.iter_mut().find(|group| is_same(group)) {
            let mut listed = std::iter::once(&group.shown).chain(&group.also_in);
            match listed.any(|&other| ranking[other].document_id == source.document_id) {
                true => group.more.push(at),
                false => group.also_in.push(at),
            }
            continue;
        }
        let place = group_of_document
            .get(source.document_id)
            .filter(|_| by == Group::Document);
        match place {
            Some(&group) => groups[group].more.push(at),
            None => {
                group_of_document
                    .entry(source.document_id)
                    .or_insert(groups.len());
                groups.push(Grouped {
                    shown: at,
                    also_in: Vec::new(),
                    more: Vec::new(),
                });
            }
        }
    }
    groups
}

/// What tells quickly that two passages differ.
///
/// A bucket counts the bigrams that fall into it, so the counts of two passages differ by at most
/// as much as their bigrams do: what the sketch excludes, the full comparison would exclude too.
struct Sketch<'s> {
    text: &'s str,
    n_chars: usize,
    content_hash: u64,
    numbers_hash: u64,
    counts: [u16; BUCKETS],
    bigrams: OnceCell<Vec<u64>>,
}

impl<'s> Sketch<'s> {
    fn of(text: &'s str) -> Self {
        let mut sketch = Self {
            text,
            n_chars: 0,
            content_hash: 0,
            numbers_hash: 0,
            counts: [0; BUCKETS],
            bigrams: OnceCell::new(),
        };
        let mut before = None;
        for c in content(text) {
            sketch.n_chars += 1;
            sketch.content_hash = mixed(sketch.content_hash, c);
            if is_numeral(c) {
                sketch.numbers_hash = mixed(sketch.numbers_hash, c);
            }
            if let Some(before) = before {
                let count = &mut sketch.counts[bucket(before, c)];
                *count = count.saturating_add(1);
            }
            before = Some(c);
        }
        sketch
    }

    fn says_the_same_as(&self, other: &Sketch<'_>) -> bool {
        if self.n_chars == other.n_chars && self.content_hash == other.content_hash {
            return content(self.text).eq(content(other.text));
        }
        if self.numbers_hash != other.numbers_hash || self.n_chars.min(other.n_chars) < 2 {
            return false;
        }
        let n_bigrams = self.n_chars + other.n_chars - 2;
        let counts = self.counts.iter().zip(&other.counts);
        let n_differing = counts.map(|(a, b)| usize::from(a.abs_diff(*b))).sum();
        is_near(n_differing, n_bigrams) && is_near(self.n_differing(other), n_bigrams)
    }

    /// Bigrams that one passage has and the other has not, or fewer times.
    fn n_differing(&self, other: &Sketch<'_>) -> usize {
        let (a, b) = (self.sorted_bigrams(), other.sorted_bigrams());
        let (mut at_a, mut at_b, mut n_shared) = (0, 0, 0);
        while at_a < a.len() && at_b < b.len() {
            let order = a[at_a].cmp(&b[at_b]);
            n_shared += usize::from(order.is_eq());
            at_a += usize::from(order.is_le());
            at_b += usize::from(order.is_ge());
        }
        a.len() + b.len() - 2 * n_shared
    }

    fn sorted_bigrams(&self) -> &[u64] {
        self.bigrams.get_or_init(|| {
            let second = content(self.text).skip(1);
            let pairs = content(self.text).zip(second);
            let mut bigrams: Vec<u64> = pairs.map(|(a, b)| bigram(a, b)).collect();
            bigrams.sort_unstable();
            bigrams
        })
    }
}

/// Whether two passages with so many bigrams together are one if so many of those differ.
///
/// shared = (n − d)/2 and all = (n + d)/2, so shared/all ≥ 9/10 means 19·d ≤ n.
fn is_near(n_differing: usize, n_bigrams: usize) -> bool {
    (OF_ALL + MIN_SHARED) * n_differing <= (OF_ALL - MIN_SHARED) * n_bigrams
}

/// Letters and digits: layout and punctuation do not make another text.
fn content(text: &str) -> impl Iterator<Item = char> + '_ {
    // Most characters are Han: one comparison instead of a table.
    text.chars()
        .filter(|&c| matches!(c, '\u{4e00}'..='\u{9fff}') || c.is_alphanumeric())
}

/// Whether a character is part of a number, written in digits or in Chinese.
fn is_numeral(c: char) -> bool {
    matches!(
        c,
        '〇' | '零'
            | '一'
            | '二'
            | '两'
            | '三'
            | '四'
            | '五'
            | '六'
            | '七'
            | '八'
            | '九'
            | '十'
            | '百'
            | '千'
            | '万'
            | '亿'
            | '半'
    ) || (!matches!(c, '\u{4e00}'..='\u{9fff}') && c.is_numeric())
}

fn bigram(a: char, b: char) -> u64 {
    u64::from(u32::from(a)) << 32 | u64::from(u32::from(b))
}

fn bucket(a: char, b: char) -> usize {
    (mixed(u64::from(u32::from(a)), b) >> 58) as usize
}

/// One step of a hash over characters (Fibonacci hashing).
fn mixed(hash: u64, c: char) -> u64 {
    (hash.rotate_left(23) ^ u64::from(u32::from(c))).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEATING: &str = "云溪市居民供暖期自每年十一月十五日起至次年三月十五日止，室内温度不得低于十八摄氏度。\
        温度不达标的，用户可以向供热单位提出测温申请，供热单位应当在十二小时内上门测温，并由双方签字确认。";
    const PENSION: &str = "灵活就业人员可以按月缴纳基本养老保险费，累计缴费满规定年限的，到达退休年龄后按月领取养老金。";

    fn source<'s>(document_id: &'s str, normalised: &'s str) -> Source<'s> {
        Source {
            document_id,
            normalised,
            validity: Validity::InForce,
        }
    }

    fn says_the_same(a: &str, b: &str) -> bool {
        Sketch::of(a).says_the_same_as(&Sketch::of(b))
    }

    /// Whether two texts share enough bigrams, counted without sketches.
    fn share_enough(a: &str, b: &str) -> bool {
        let counts = |text: &str| {
            let content: Vec<char> = content(text).collect();
            let mut counts: BTreeMap<(char, char), usize> = BTreeMap::new();
            for pair in content.windows(2) {
                *counts.entry((pair[0], pair[1])).or_default() += 1;
            }
            counts
        };
        let (a, b) = (counts(a), counts(b));
        let pairs = a
            .keys()
            .chain(b.keys().filter(|pair| !a.contains_key(*pair)));
        let (mut shared, mut all) = (0, 0);
        for pair in pairs {
            let count = |counts: &BTreeMap<_, usize>| counts.get(pair).copied().unwrap_or(0);
            shared += count(&a).min(count(&b));
            all += count(&a).max(count(&b));
        }
        OF_ALL * shared >= MIN_SHARED * all
    }

    #[test]
    fn a_document_takes_one_place() {
        let ranking = [
            source("a", HEATING),
            source("b", PENSION),
            source("a", "另一段话"),
        ];
        let expected = [
            Grouped {
                shown: 0,
                also_in: vec![],
                more: vec![2],
            },
            Grouped {
                shown: 1,
                also_in: vec![],
                more: vec![],
            },
        ];
        assert_eq!(group(&ranking, Group::Document), expected);
        assert_eq!(group(&ranking, Group::None).len(), 3);
    }

    #[test]
    fn equal_texts_take_one_place_and_keep_their_sources() {
        let reprinted = HEATING.replace('，', ", ").replace("双方", "双 方");
        let ranking = [
            source("heating", HEATING),
            source("pension", PENSION),
            source("faq", &reprinted),
            source("pension", HEATING),
            source("faq", HEATING),
        ];
        let expected = [
            Grouped {
                shown: 0,
                also_in: vec![2, 3],
                more: vec![4],
            },
            Grouped {
                shown: 1,
                also_in: vec![],
                more: vec![],
            },
        ];
        assert_eq!(group(&ranking, Group::Document), expected);
        assert_eq!(group(&ranking, Group::None), expected);
    }

    #[test]
    fn a_document_listed_under_another_can_still_have_a_place() {
        let ranking = [
            source("a", HEATING),
            source("b", HEATING),
            source("b", PENSION),
        ];
        let shown: Vec<_> = group(&ranking, Group::Document)
            .iter()
            .map(|g| g.shown)
            .collect();
        assert_eq!(shown, [0, 2]);
    }

    #[test]
    fn what_was_repealed_stays_apart_from_its_like_in_force() {
        let repealed = |document_id| Source {
            validity: Validity::Repealed,
            ..source(document_id, HEATING)
        };
        let ranking = [source("new", HEATING), repealed("old"), repealed("older")];
        let groups = group(&ranking, Group::Document);
        assert_eq!(groups.len(), 2);
        assert_eq!((groups[1].shown, &groups[1].also_in), (1, &vec![2]));
    }

    #[test]
    fn small_changes_are_overlooked_but_no_number() {
        assert!(says_the_same(
            HEATING,
            &HEATING.replace("供热单位应当", "供热企业应当")
        ));
        assert!(!says_the_same(
            HEATING,
            &HEATING.replace("十八摄氏度", "二十摄氏度")
        ));
        assert!(!says_the_same("每人每月补贴500元", "每人每月补贴600元"));
        assert!(!says_the_same(HEATING, PENSION));
        assert!(!says_the_same(HEATING, &HEATING.repeat(2)));
        assert!(!says_the_same("是", "否"));
        assert!(says_the_same("", "。"));
        assert!(group(&[], Group::Document).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            picks in prop::collection::vec((0usize..5, 0usize..6), 0..30), by_document: bool,
        ) {
            let documents = ["a", "b", "c", "d", "e"];
            let texts = ["甲", "乙", HEATING, PENSION, "电话12345", ""];
            let ranking: Vec<_> =
                picks.iter().map(|&(d, t)| source(documents[d], texts[t])).collect();
            let by = if by_document { Group::Document } else { Group::None };
            let groups = group(&ranking, by);
            let mut places: Vec<usize> = Vec::new();
            for group in &groups {
                prop_assert!(group.also_in.iter().chain(&group.more).all(|&at| at > group.shown));
                places.push(group.shown);
                places.extend(group.also_in.iter().chain(&group.more));
            }
            places.sort_unstable();
            prop_assert_eq!(places, (0..ranking.len()).collect::<Vec<_>>());
        }

        #[test]
        fn sketches_change_nothing(
            text in "[甲乙丙丁戊己庚辛]{20,80}", at in 0usize..20, change in "[甲乙子丑]{0,4}",
        ) {
            let cut = text.char_indices().nth(at).map_or(0, |(byte, _)| byte);
            let changed = format!("{}{change}{}", &text[..cut], &text[cut..]);
            prop_assert_eq!(says_the_same(&text, &changed), share_enough(&text, &changed));
        }
    }
}
