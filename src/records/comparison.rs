//! What differs between two states of a document, passage by passage.

use std::time::{Duration, Instant};

use similar::{Algorithm, DiffTag, capture_diff_slices_deadline};

use crate::corpus::metadata::stated;
use crate::corpus::metadata::value::Value;
use crate::document::{Document, Passage};

/// After this long, what is not matched yet counts as replaced: documents of tens of thousands of
/// passages that have nothing in common would take minutes.
const PATIENCE: Duration = Duration::from_secs(1);

/// What happened to a passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The same words.
    Same,
    /// Other words at the same place: the same article, or the same heading.
    Changed,
    /// Only in the earlier state.
    Removed,
    /// Only in the later state.
    Added,
}

impl Difference {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Added => "added",
        }
    }
}

/// A passage in one or both of two states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassageChange<'d> {
    /// In the earlier state.
    pub from: Option<&'d Passage>,
    /// In the later state.
    pub to: Option<&'d Passage>,
    /// What happened to it.
    pub difference: Difference,
}

/// A key of the metadata that differs between two states.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyChange {
    /// As in front matter; the title is one of them.
    pub key: &'static str,
    /// In the earlier state; `None` if it was not stated.
    pub from: Option<Value>,
    /// In the later state.
    pub to: Option<Value>,
}

/// Compares title and metadata of two states of a document.
pub fn compare_metadata(from: &Document, to: &Document) -> Vec<KeyChange> {
    let mut later = stated(&to.title, &to.metadata);
    let mut changes = Vec::new();
    for (field, from) in stated(&from.title, &from.metadata) {
        let at = later.iter().position(|(other, _)| *other == field);
        let to = at.map(|at| later.remove(at).1);
        if to.as_ref() != Some(&from) {
            changes.push(KeyChange {
                key: field.key(),
                from: Some(from),
                to,
            });
        }
    }
    changes.extend(later.into_iter().map(|(field, to)| KeyChange {
        key: field.key(),
        from: None,
        to: Some(to),
    }));
    changes
}

/// Compares two states of a document. Every passage of either occurs once, each side in reading
/// order: the longest common sequence of equal texts first, then, between two equal texts, the
/// longest one of equal article numbers or, without them, headings.
pub fn compare<'d>(from: &'d Document, to: &'d Document) -> Vec<PassageChange<'d>> {
    let until = Instant::now() + PATIENCE;
    let mut changes = Vec::new();
    let (old, new) = (texts(from), texts(to));
    for op in capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(until)) {
        let (tag, old, new) = op.as_tag_tuple();
        let (old, new) = (&from.passages[old], &to.passages[new]);
        match tag {
            DiffTag::Equal => pair(old, new, Difference::Same, &mut changes),
            _ => compare_places(old, new, until, &mut changes),
        }
    }
    changes
}

fn texts(document: &Document) -> Vec<&str> {
    let passages = document.passages.iter();
    passages.map(|p| document.passage_text(p)).collect()
}

/// Passages without a common text.
fn compare_places<'d>(
    from: &'d [Passage],
    to: &'d [Passage],
    until: Instant,
    changes: &mut Vec<PassageChange<'d>>,
) {
    let places = |passages: &'d [Passage]| passages.iter().map(place).collect::<Vec<_>>();
    let (old, new) = (places(from), places(to));
    for op in capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(until)) {
        let (tag, old, new) = op.as_tag_tuple();
        if tag == DiffTag::Equal {
            pair(&from[old], &to[new], Difference::Changed, changes);
            continue;
        }
        changes.extend(from[old].iter().map(|passage| PassageChange {
            from: Some(passage),
            to: None,
            difference: Difference::Removed,
        }));
        changes.extend(to[new].iter().map(|passage| PassageChange {
            from: None,
            to: Some(passage),
            difference: Difference::Added,
        }));
    }
}

/// An article is known by its number, wherever its chapter's heading went.
fn place(passage: &Passage) -> (Option<u32>, &[String]) {
    match passage.article {
        Some(number) => (Some(number), &[]),
        None => (None, &passage.heading),
    }
}

fn pair<'d>(
    from: &'d [Passage],
    to: &'d [Passage],
    difference: Difference,
    changes: &mut Vec<PassageChange<'d>>,
) {
    let pairs = from.iter().zip(to).map(|(from, to)| PassageChange {
        from: Some(from),
        to: Some(to),
        difference,
    });
    changes.extend(pairs);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::{ByteSpan, Metadata};

    /// Passages: text, article, heading.
    fn document(passages: &[(&str, Option<u32>, &str)]) -> Document {
        let mut text = String::new();
        let mut cut = Vec::new();
        for (ordinal, (words, article, heading)) in passages.iter().enumerate() {
            let start = text.len();
            text.push_str(words);
            cut.push(Passage {
                ordinal: ordinal as u32,
                heading: vec![(*heading).to_owned()],
                span: ByteSpan::new(start, text.len()),
                article: *article,
                ..Passage::default()
            });
            text.push('\n');
        }
        Document {
            id: "a".into(),
            path: "a".into(),
            title: "a".into(),
            metadata: Metadata::default(),
            text,
            content_hash: String::new(),
            passages: cut,
        }
    }

    fn shown(from: &Document, to: &Document) -> Vec<String> {
        let text = |document: &Document, passage: Option<&Passage>| {
            passage.map_or_else(String::new, |p| document.passage_text(p).to_owned())
        };
        let changes = compare(from, to);
        let line = |c: &PassageChange<'_>| {
            let (from, to) = (text(from, c.from), text(to, c.to));
            format!("{} {from}>{to}", c.difference.name())
        };
        changes.iter().map(line).collect()
    }

    #[test]
    fn equal_texts_first_then_articles_then_headings() {
        let from = document(&[
            ("总则", None, ""),
            ("一条", Some(1), "甲"),
            ("二条", Some(2), "甲"),
            ("三条", Some(3), "甲"),
            ("附则", None, "乙"),
            ("尾", None, ""),
        ]);
        let to = document(&[
            ("总则", None, ""),
            ("二条", Some(1), "甲"),
            ("新三条", Some(3), "丙"),
            ("四条", Some(4), "甲"),
            ("新附则", None, "乙"),
            ("尾", None, ""),
        ]);
        let expected = [
            "same 总则>总则",
            "removed 一条>",
            "same 二条>二条",
            "changed 三条>新三条",
            "added >四条",
            "changed 附则>新附则",
            "same 尾>尾",
        ];
        assert_eq!(shown(&from, &to), expected);
        assert_eq!(shown(&document(&[]), &to)[0], "added >总则");
        assert!(compare(&document(&[]), &document(&[])).is_empty());
    }

    proptest! {
        #[test]
        fn both_sides_can_be_put_together_again(
            from in prop::collection::vec((0usize..6, prop::option::of(1u32..4), 0usize..3), 0..12),
            to in prop::collection::vec((0usize..6, prop::option::of(1u32..4), 0usize..3), 0..12),
        ) {
            let words = ["甲", "乙", "丙", "丁", "戊", "己"];
            let make = |given: &[(usize, Option<u32>, usize)]| {
                let passages: Vec<_> = given.iter().map(|(w, a, h)| (words[*w], *a, words[*h])).collect();
                document(&passages)
            };
            let (from, to) = (make(&from), make(&to));
            let changes = compare(&from, &to);
            let olds: Vec<&Passage> = changes.iter().filter_map(|c| c.from).collect();
            let news: Vec<&Passage> = changes.iter().filter_map(|c| c.to).collect();
            prop_assert_eq!(olds, from.passages.iter().collect::<Vec<_>>());
            prop_assert_eq!(news, to.passages.iter().collect::<Vec<_>>());
            for change in &changes {
                let sides = (change.from, change.to);
                let same = sides.0.map(|p| from.passage_text(p)) == sides.1.map(|p| to.passage_text(p));
                let expected = match sides {
                    (Some(_), Some(_)) if same => Difference::Same,
                    (Some(_), Some(_)) => Difference::Changed,
                    (Some(_), None) => Difference::Removed,
                    _ => Difference::Added,
                };
                prop_assert_eq!(change.difference, expected);
            }
        }
    }
}
