//! Words → the rows of a static model that stand for them, and how much each weighs.
//!
//! Training and embedding read text through the same two functions, so that a model is used as
//! it was trained. Knows neither jieba nor weights.

/// Calls `part` with every part of `word` that may have a row: the word itself, then, of a longer
/// word, its characters and (with `longest` 2 or more) its pairs of neighbouring characters.
pub fn for_each_part<'w>(word: &'w str, longest: usize, mut part: impl FnMut(&'w str)) {
    part(word);
    let Some(n_chars) = subword_chars(word) else {
        return;
    };
    let starts = || {
        word.char_indices()
            .map(|(start, _)| start)
            .chain([word.len()])
    };
    for length in 1..=longest.min(n_chars - 1) {
        for (start, end) in starts().zip(starts().skip(length)) {
            part(&word[start..end]);
        }
    }
}

/// Number of characters of a word that is taken apart: longer than one, and Chinese.
fn subword_chars(word: &str) -> Option<usize> {
    let n_chars = word.chars().count();
    (n_chars > 1 && word.chars().all(|c| !c.is_ascii())).then_some(n_chars)
}

/// Rows with their weights, ascending by row: a row that occurs `n` times weighs `n^repetition`.
///
/// `rows` is used up as working space.
pub fn weigh(rows: &mut Vec<u32>, repetition: f32) -> Vec<(u32, f32)> {
    rows.sort_unstable();
    let weighed = rows
        .chunk_by(|a, b| a == b)
        .map(|run| (run[0], (run.len() as f32).powf(repetition)))
        .collect();
    rows.clear();
    weighed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(word: &str, longest: usize) -> Vec<&str> {
        let mut parts = Vec::new();
        for_each_part(word, longest, |part| parts.push(part));
        parts
    }

    #[test]
    fn a_longer_chinese_word_is_taken_apart() {
        assert_eq!(parts("公积金", 1), ["公积金", "公", "积", "金"]);
        assert_eq!(
            parts("公积金", 2),
            ["公积金", "公", "积", "金", "公积", "积金"]
        );
        assert_eq!(parts("社保", 2), ["社保", "社", "保"]);
        assert_eq!(parts("税", 2), ["税"]);
        assert_eq!(parts("2024", 2), ["2024"]);
        assert_eq!(parts("", 2), [""]);
    }

    #[test]
    fn repeated_rows_are_weighed_once() {
        let mut rows = vec![7, 3, 7, 7, 7];
        assert_eq!(weigh(&mut rows, 0.5), [(3, 1.0), (7, 2.0)]);
        assert!(rows.is_empty());
        assert_eq!(weigh(&mut vec![2, 2, 2], 1.0), [(2, 3.0)]);
    }
}
