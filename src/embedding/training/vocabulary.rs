//! Which words, characters and pairs of characters get a row.

use std::collections::BTreeMap;

use super::material::Material;
use crate::embedding::features::for_each_part;

/// The tokens that have rows, and the rows of every word of the material.
pub struct Vocabulary {
    /// In ascending order of bytes.
    pub tokens: Vec<String>,
    /// How often each token stands in the material, as a part of words too.
    pub counts: Vec<u64>,
    /// Rows of each word of [`Material::names`], itself and its parts.
    pub rows_of_word: Vec<Vec<u32>>,
}

/// Takes the tokens to `keep` and the `n_rows` most frequent others.
///
/// A collection counts by the square root of its size, so that the largest one does not decide
/// alone; ties go to the token that comes first in order of bytes.
pub fn choose(
    material: &Material,
    keep: &[&str],
    n_rows: usize,
    longest_part: usize,
) -> Vocabulary {
    let mut tokens: BTreeMap<&str, (f64, u64)> = BTreeMap::new();
    for counts in material.counts() {
        let total: u64 = counts.iter().map(|&n| u64::from(n)).sum();
        let weight = 1.0 / (total.max(1) as f64).sqrt();
        for (word, &count) in material.names.iter().zip(&counts) {
            if count == 0 {
                continue;
            }
            for_each_part(word, longest_part, |part| {
                let entry = tokens.entry(part).or_default();
                entry.0 += weight * f64::from(count);
                entry.1 += u64::from(count);
            });
        }
    }
    let mut kept = Vec::with_capacity(keep.len());
    for token in keep {
        let (_, n) = tokens.remove(token).unwrap_or_default();
        kept.push((*token, f64::INFINITY, n));
    }
    let mut ranked: Vec<(&str, f64, u64)> = tokens
        .into_iter()
        .filter(|(_, (_, n))| *n >= 2)
        .map(|(token, (score, n))| (token, score, n))
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    ranked.truncate(n_rows);
    ranked.extend(kept);
    ranked.sort_by(|a, b| a.0.cmp(b.0));
    let tokens: Vec<String> = ranked
        .iter()
        .map(|(token, ..)| (*token).to_owned())
        .collect();
    let counts = ranked.iter().map(|(.., n)| *n).collect();
    let rows_of_word = rows_of_words(&material.names, &tokens, longest_part);
    Vocabulary {
        tokens,
        counts,
        rows_of_word,
    }
}

/// The rows of each word and of its parts; `tokens` in ascending order.
pub fn rows_of_words(names: &[String], tokens: &[String], longest_part: usize) -> Vec<Vec<u32>> {
    names
        .iter()
        .map(|word| {
            let mut rows = Vec::new();
            for_each_part(word, longest_part, |part| {
                if let Ok(row) = tokens.binary_search_by(|token| token.as_str().cmp(part)) {
                    rows.push(row as u32);
                }
            });
            rows
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::material::{Material, Piece};
    use super::*;

    fn material() -> Material {
        let mut material = Material::default();
        let text = |kind: &str, body: &str| Piece::Text {
            kind: kind.to_owned(),
            title: String::new(),
            body: body.to_owned(),
        };
        let pieces = [
            text("a", "社保 社保 公园 abc abc"),
            text("b", "社会 社会 独见"),
        ];
        material.add(&pieces, &|text| {
            text.split(' ')
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect()
        });
        material
    }

    #[test]
    fn the_most_frequent_tokens_get_rows_in_order_of_bytes() {
        let vocabulary = choose(&material(), &[], 100, 1);
        assert_eq!(vocabulary.tokens, ["abc", "会", "保", "社", "社会", "社保"]);
        assert_eq!(vocabulary.counts, [2, 2, 2, 4, 2, 2]);
        assert_eq!(choose(&material(), &[], 1, 1).tokens, ["社"]);
        assert!(choose(&material(), &[], 0, 1).tokens.is_empty());
    }

    #[test]
    fn kept_tokens_stay_whether_they_occur_or_not() {
        let vocabulary = choose(&material(), &["公园", "税"], 1, 1);
        assert_eq!(vocabulary.tokens, ["公园", "社", "税"]);
        assert_eq!(vocabulary.counts, [1, 4, 0]);
    }

    #[test]
    fn a_word_without_a_row_keeps_the_rows_of_its_parts() {
        let material = material();
        let vocabulary = choose(&material, &[], 100, 1);
        let rows = |word: &str| {
            let number = material.names.iter().position(|name| name == word).unwrap();
            vocabulary.rows_of_word[number]
                .iter()
                .map(|&row| vocabulary.tokens[row as usize].as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(rows("社保"), ["社保", "社", "保"]);
        assert_eq!(rows("abc"), ["abc"]);
        assert!(rows("公园").is_empty());
    }
}
