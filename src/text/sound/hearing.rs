//! A text as it is written → what was probably said.

use super::lattice::Lattice;
use super::pair_table::PairCounts;
use super::readings::readings;
use super::usual::Usual;
use crate::document::ByteSpan;

/// Share of the characters that are misheard in a text that was misheard.
const MISHEARD: f64 = 0.1;
/// Share of the texts that were misheard.
const MISHEARD_TEXTS: f64 = 0.02;
/// Longer texts say enough with what was heard right, and would take longer.
const MAX_CHARS: usize = 120;
/// What is less likely is not heard. Of what is heard in titles of letters with one character in
/// ten misheard, 90% is what was said, 7% was right as it is written; at 0.9 it is 92% and 6%, but
/// a tenth less is heard.
const MIN_PROBABILITY: f32 = 0.6;

/// A character that stands for another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Misheard {
    /// Where it stands, in bytes.
    pub byte: usize,
    /// What was said, as many bytes long as what is written.
    pub said: char,
    /// That this was said, 0 to 1.
    pub probability: f32,
}

/// A text together with what was probably said.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    text: String,
    /// At least one.
    misheard: Vec<Misheard>,
}

impl Heard {
    /// A text in which `misheard`, ascending, stand for something else; `None` if nothing does.
    pub fn new(normalised: &str, misheard: Vec<Misheard>) -> Option<Self> {
        (!misheard.is_empty()).then(|| Self {
            text: replaced(normalised, &misheard),
            misheard,
        })
    }

    /// What was said. Character by character as long as what is written: spans of the one are spans
    /// of the other.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The probability that `span` reads as [`Heard::text`] has it and not as it is written; `None`
    /// where they do not differ.
    pub fn probability(&self, span: ByteSpan) -> Option<f32> {
        let inside = self
            .misheard
            .iter()
            .filter(|one| span.start <= one.byte && one.byte < span.end);
        inside.map(|one| one.probability).reduce(f32::min)
    }
}

fn replaced(text: &str, misheard: &[Misheard]) -> String {
    let mut said = text.to_owned();
    for one in misheard {
        let end = one.byte + one.said.len_utf8();
        said.replace_range(one.byte..end, one.said.encode_utf8(&mut [0; 4]));
    }
    said
}

/// The characters of `normalised` that were probably misheard, ascending; none for what reads well
/// as it is, and for texts of more than 120 characters.
///
/// Only what stands in `index` or in ordinary texts is heard.
pub fn hear(normalised: &str, index: &PairCounts) -> Vec<Misheard> {
    if normalised.chars().nth(MAX_CHARS).is_some() {
        return Vec::new();
    }
    let usual = Usual::built_in();
    let mut heard = Vec::new();
    let mut log_odds = (MISHEARD_TEXTS / (1.0 - MISHEARD_TEXTS)).ln();
    for run in runs(normalised) {
        let characters: Vec<char> = run.iter().map(|(_, c)| *c).collect();
        let lattice = Lattice::new(
            &characters,
            follows_a_name(normalised, &run),
            index,
            usual,
            MISHEARD,
        );
        let (likeliest, log_ratio) = lattice.decode();
        log_odds += log_ratio;
        for (&(byte, written), likeliest) in run.iter().zip(likeliest) {
            if likeliest.character != written {
                heard.push(Misheard {
                    byte,
                    said: likeliest.character,
                    probability: likeliest.probability as f32,
                });
            }
        }
    }
    let was_misheard = (1.0 / (1.0 + (-log_odds).exp())) as f32;
    heard.retain_mut(|misheard| {
        misheard.probability *= was_misheard;
        misheard.probability >= MIN_PROBABILITY
    });
    heard
}

/// Whether a run stands right after a number or a Latin name: what it begins with belongs to that
/// (`3区`, `39条`), and the pairs of characters do not tell what follows a number.
fn follows_a_name(text: &str, run: &[(usize, char)]) -> bool {
    let start = run.first().map_or(0, |(byte, _)| *byte);
    text[..start].ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// Runs of two characters with readings or more, with the bytes where they start.
fn runs(text: &str) -> Vec<Vec<(usize, char)>> {
    let mut runs = vec![Vec::new()];
    for (byte, c) in text.char_indices() {
        match (readings(c), runs.last_mut()) {
            (Some(_), Some(run)) => run.push((byte, c)),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| run.len() > 1);
    runs
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::text::sound::{PairTable, similar_sounding};

    /// An index of thirty passages of each text.
    fn index(texts: &[&str]) -> PairCounts {
        let mut pairs = std::collections::BTreeMap::new();
        for text in texts {
            let characters: Vec<char> = text.chars().collect();
            for pair in characters.windows(2) {
                *pairs.entry((pair[0], pair[1])).or_insert(0) += 30;
            }
        }
        let pairs = pairs.into_iter().map(|((a, b), n)| (a, b, n));
        PairCounts {
            tables: vec![Arc::new(PairTable::new(pairs))],
        }
    }

    fn heard(text: &str, index: &PairCounts) -> String {
        let heard = Heard::new(text, hear(text, index));
        heard.map_or_else(|| text.to_owned(), |heard| heard.text().to_owned())
    }

    #[test]
    fn what_the_index_has_is_heard() {
        let index = index(&[
            "住房公积金怎么提取",
            "灵活就业人员参保登记",
            "云溪通在哪里下载",
        ]);
        for (written, said) in [
            ("公鸡金怎么提取", "公积金怎么提取"),
            ("灵活就业人圆参宝登记", "灵活就业人员参保登记"),
            ("云西通在哪里下载", "云溪通在哪里下载"),
            ("居住证怎么办理", "居住证怎么办理"),
        ] {
            assert_eq!(heard(written, &index), said);
        }
    }

    #[test]
    fn what_follows_a_number_and_long_texts_stay() {
        let index = index(&["四区办事大厅", "时区换算", "公积金"]);
        assert_eq!(hear("3曲办事大厅", &index), []);
        let long = "公鸡金".repeat(MAX_CHARS / 3 + 1);
        assert_eq!(hear(&long, &index), []);
        for text in ["", "公", "abc 39", "。，"] {
            assert_eq!(hear(text, &index), [], "{text}");
        }
    }

    #[test]
    fn spans_know_what_was_heard_in_them() {
        let misheard = |byte, said, probability| Misheard {
            byte,
            said,
            probability,
        };
        let heard = Heard::new(
            "公鸡斤",
            vec![misheard(3, '积', 0.9), misheard(6, '金', 0.7)],
        );
        let heard = heard.unwrap();
        assert_eq!(heard.text(), "公积金");
        assert_eq!(heard.probability(ByteSpan::new(0, 6)), Some(0.9));
        assert_eq!(heard.probability(ByteSpan::new(3, 9)), Some(0.7));
        assert_eq!(heard.probability(ByteSpan::new(0, 3)), None);
        assert_eq!(Heard::new("公", Vec::new()), None);
    }

    proptest! {
        #[test]
        fn what_is_heard_sounds_like_what_is_written(
            text in "([公积鸡金斤贷带款怎么提取题去a3，]|[一-龥]|\\PC){0,20}",
        ) {
            let index = index(&["住房公积金贷款怎么提取"]);
            let misheard = hear(&text, &index);
            prop_assert!(misheard.is_sorted_by_key(|one| one.byte));
            for one in &misheard {
                let written = text[one.byte..].chars().next().unwrap();
                prop_assert!(similar_sounding(written, one.said) && written != one.said);
                prop_assert!((MIN_PROBABILITY..=1.0).contains(&one.probability));
            }
            if let Some(heard) = Heard::new(&text, misheard) {
                prop_assert_eq!(heard.text().len(), text.len());
            }
        }
    }
}
