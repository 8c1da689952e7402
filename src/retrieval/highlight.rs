//! Where a passage says what the query asks: highlights, and the sentence that answers.
//!
//! Both are found in the normal form, by words and character pairs of the query and by the
//! lexicon's synonyms, and given as spans of the original. No frequencies are used: a passage
//! alone decides, so the same passage looks the same in every index.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;

use super::reading::Reading;
use crate::document::ByteSpan;
use crate::text::{Analyser, Normalised, Reference, Term, is_han, is_stop_word, references};

/// Two sentences answer better than one only below this many characters together.
const MAX_CHARS_OF_TWO_SENTENCES: usize = 200;
/// A shorter line without punctuation at its end is a heading: it belongs to what follows.
const MAX_CHARS_OF_HEADING: usize = 16;
/// Characters added to a sentence's length, so that a short one does not win by being short.
const SENTENCE_ALLOWANCE_CHARS: f32 = 60.0;
/// Share of the query's weight that a sentence must cover to be called an answer.
const MIN_COVERAGE: f32 = 0.2;

/// What of a query is worth pointing at.
pub struct QueryTerms {
    /// `None` when the query has no such terms.
    matcher: Option<AhoCorasick>,
    /// For each pattern of the matcher: its weight, and which term of the query it stands for.
    patterns: Vec<Pattern>,
    /// Sum of the weights of all terms of the query.
    total_weight: f32,
}

#[derive(Clone, Copy)]
struct Pattern {
    weight: f32,
    /// A synonym shares the number of the word that it replaces.
    term: usize,
}

impl QueryTerms {
    /// Reads a query in normal form. Done once per query, used for every passage.
    ///
    /// Words of two characters or more weigh their length, pairs inside longer words one. A single
    /// character counts only in a query that has nothing longer.
    pub fn of(analyser: &Analyser, normalised_query: &str) -> Self {
        Self::both(analyser, normalised_query, normalised_query)
    }

    /// The terms of what was said; what was written in its place stands for the same terms.
    pub fn of_reading(analyser: &Analyser, reading: &Reading) -> Self {
        Self::both(analyser, reading.said(), &reading.normalised)
    }

    /// `written` is as long as `normalised_query`, character by character.
    fn both(analyser: &Analyser, normalised_query: &str, written: &str) -> Self {
        let mut terms = Terms::default();
        let words = analyser.words(normalised_query);
        let is_long = |term: &Term| term.text.chars().nth(1).is_some();
        let has_long = words.iter().any(is_long);
        for word in words.iter().filter(|word| !has_long || is_long(word)) {
            let weight = word.text.chars().count() as f32;
            let term = terms.add(&word.text, weight, None);
            for synonym in analyser.synonyms(&word.text) {
                terms.add(synonym, weight, Some(term));
            }
            if let Some(as_written) = written.get(word.span.start..word.span.end) {
                terms.add(as_written, weight, Some(term));
            }
        }
        for (_, reference) in references(normalised_query) {
            if let Reference::DocNo(text) | Reference::Title(text) = reference {
                terms.add(&text, text.chars().count() as f32, None);
            }
        }
        let plain = analyser.plain_words(normalised_query);
        for pair in pairs_inside(normalised_query, &plain) {
            terms.add(pair, 1.0, None);
        }
        terms.finish()
    }
}

/// Collects patterns, each text once.
#[derive(Default)]
struct Terms {
    texts: Vec<String>,
    patterns: Vec<Pattern>,
    /// Text → its place in `texts`.
    known: BTreeMap<String, usize>,
    total_weight: f32,
    n_terms: usize,
}

impl Terms {
    /// Adds a text and returns its term; the first to add a text wins.
    fn add(&mut self, text: &str, weight: f32, synonym_of: Option<usize>) -> usize {
        if let Some(&known) = self.known.get(text) {
            return self.patterns[known].term;
        }
        let term = synonym_of.unwrap_or_else(|| {
            self.total_weight += weight;
            self.n_terms += 1;
            self.n_terms - 1
        });
        self.known.insert(text.to_owned(), self.texts.len());
        self.texts.push(text.to_owned());
        self.patterns.push(Pattern { weight, term });
        term
    }

    fn finish(self) -> QueryTerms {
        let matcher = match self.texts.is_empty() {
            true => None,
            // It fails only above two billion states; then nothing is highlighted.
            false => AhoCorasick::new(&self.texts).ok(),
        };
        QueryTerms {
            matcher,
            patterns: self.patterns,
            total_weight: self.total_weight,
        }
    }
}

/// Character pairs of `text` inside words of three characters or more, and over the border of two
/// words of one: what may be a word that the dictionary does not know.
fn pairs_inside<'t>(text: &'t str, words: &[Term]) -> Vec<&'t str> {
    let mut pairs = Vec::new();
    let mut lone_start = None;
    for word in words {
        let starts: Vec<usize> = word
            .text
            .char_indices()
            .map(|(at, _)| word.span.start + at)
            .collect();
        if !word.text.chars().all(is_han) || is_stop_word(&word.text) {
            lone_start = None;
            continue;
        }
        if starts.len() == 1 {
            if let Some((start, end)) = lone_start
                && end == word.span.start
            {
                pairs.push(&text[start..word.span.end]);
            }
            lone_start = Some((word.span.start, word.span.end));
            continue;
        }
        lone_start = None;
        let ends = starts.iter().skip(2).copied().chain([word.span.end]);
        if starts.len() > 2 {
            pairs.extend(
                starts
                    .iter()
                    .zip(ends)
                    .map(|(&start, end)| &text[start..end]),
            );
        }
    }
    pairs
}

/// A passage with every occurrence of a query's terms found.
pub struct MarkedPassage {
    normalised: Normalised,
    /// In order of their end, overlapping.
    marks: Vec<Mark>,
    total_weight: f32,
}

#[derive(Clone, Copy)]
struct Mark {
    /// In the normal form.
    span: ByteSpan,
    pattern: Pattern,
}

impl MarkedPassage {
    /// Looks for the terms in a passage.
    pub fn new(normalised: Normalised, terms: &QueryTerms) -> Self {
        let text = normalised.as_str();
        let marks = match &terms.matcher {
            Some(matcher) => matcher
                .find_overlapping_iter(text)
                .map(|found| Mark {
                    span: ByteSpan::new(found.start(), found.end()),
                    pattern: terms.patterns[found.pattern().as_usize()],
                })
                .filter(|mark| is_whole(text, mark.span))
                .collect(),
            None => Vec::new(),
        };
        Self {
            normalised,
            marks,
            total_weight: terms.total_weight,
        }
    }

    /// Where the terms stand, as spans of the original, in order and disjoint.
    ///
    /// Occurrences that touch or overlap are one span. Of more than `max`, the longest stay,
    /// earlier before later.
    pub fn highlights(&self, max: usize) -> Vec<ByteSpan> {
        let mut spans: Vec<ByteSpan> = self.marks.iter().map(|mark| mark.span).collect();
        spans.sort();
        let mut merged: Vec<ByteSpan> = Vec::new();
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        if merged.len() > max {
            merged.sort_by_key(|span| (std::cmp::Reverse(span.len()), span.start));
            merged.truncate(max);
            merged.sort();
        }
        let mut originals: Vec<ByteSpan> = Vec::with_capacity(merged.len());
        for span in merged {
            let span = self.normalised.to_original(span);
            // One character of the original may have become parts of two spans.
            match originals.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => originals.push(span),
            }
        }
        originals
    }

    /// The sentence, or two in a row of one paragraph, that covers most of the query for its length, as a span of
    /// the original; `None` if none covers enough.
    ///
    /// score(s) = Σ weights of the different terms in s / √(60 + characters of s); the first best.
    pub fn answer(&self) -> Option<ByteSpan> {
        let text = self.normalised.as_str();
        let sentences = sentences(text);
        let candidates = sentences.iter().enumerate().flat_map(|(number, &one)| {
            let two = sentences
                .get(number + 1)
                .filter(|next| !text[one.end..next.start].contains('\n'))
                .map(|next| ByteSpan::new(one.start, next.end))
                .filter(|two| two.of(text).chars().count() <= MAX_CHARS_OF_TWO_SENTENCES);
            std::iter::once(one).chain(two)
        });
        let mut best: Option<(f32, ByteSpan)> = None;
        for span in candidates {
            let weight = self.weight_in(span);
            let n_chars = span.of(text).chars().count() as f32;
            let score = weight / (SENTENCE_ALLOWANCE_CHARS + n_chars).sqrt();
            if weight > 0.0
                && weight >= MIN_COVERAGE * self.total_weight
                && best.is_none_or(|(best, _)| score > best)
            {
                best = Some((score, span));
            }
        }
        best.map(|(_, span)| self.normalised.to_original(span))
    }

    /// Sum of the weights of the terms that stand in `span`, each counted once.
    fn weight_in(&self, span: ByteSpan) -> f32 {
        let mut inside: Vec<Pattern> = self
            .marks
            .iter()
            .filter(|mark| span.start <= mark.span.start && mark.span.end <= span.end)
            .map(|mark| mark.pattern)
            .collect();
        inside.sort_by_key(|pattern| pattern.term);
        inside.dedup_by_key(|pattern| pattern.term);
        inside.iter().map(|pattern| pattern.weight).sum()
    }
}

/// Whether `span` does not start or end inside a number or a Latin word.
fn is_whole(text: &str, span: ByteSpan) -> bool {
    let goes_on = |outer: Option<char>, inner: Option<char>| {
        matches!((outer, inner), (Some(outer), Some(inner))
            if outer.is_ascii_alphanumeric() && inner.is_ascii_alphanumeric())
    };
    let inside = span.of(text);
    !goes_on(
        text[..span.start].chars().next_back(),
        inside.chars().next(),
    ) && !goes_on(text[span.end..].chars().next(), inside.chars().next_back())
}

/// The sentences of a normal form, in order, without the white space around them.
///
/// A line ends one too, unless it ends in the middle (`,` `;` `:`) or is a heading.
fn sentences(text: &str) -> Vec<ByteSpan> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut previous = '\n';
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let closes = match c {
            '。' | '!' | '?' => true,
            '\n' => {
                let line = text[start..at].trim();
                let is_heading = line.chars().nth(MAX_CHARS_OF_HEADING).is_none();
                !is_heading && !matches!(previous, ',' | ';' | ':' | '、')
            }
            _ => false,
        };
        if closes {
            push_trimmed(text, ByteSpan::new(start, end), &mut sentences);
            start = end;
        }
        previous = c;
    }
    push_trimmed(text, ByteSpan::new(start, text.len()), &mut sentences);
    sentences
}

fn push_trimmed(text: &str, span: ByteSpan, sentences: &mut Vec<ByteSpan>) {
    let inside = span.of(text);
    let trimmed = inside.trim();
    if trimmed.chars().any(char::is_alphanumeric) {
        let start = span.start + (inside.len() - inside.trim_start().len());
        sentences.push(ByteSpan::new(start, start + trimmed.len()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::normalise;

    fn marked(query: &str, original: &str) -> MarkedPassage {
        let terms = QueryTerms::of(&Analyser::built_in(), normalise(query).as_str());
        MarkedPassage::new(normalise(original), &terms)
    }

    fn highlighted<'t>(query: &str, original: &'t str, max: usize) -> Vec<&'t str> {
        let spans = marked(query, original).highlights(max);
        spans.into_iter().map(|span| span.of(original)).collect()
    }

    fn answer<'t>(query: &str, original: &'t str) -> Option<&'t str> {
        marked(query, original)
            .answer()
            .map(|span| span.of(original))
    }

    #[test]
    fn words_are_found_in_any_script_and_damage() {
        assert_eq!(
            highlighted("养老保险怎么缴费", "城鎮職工養(yǎng)老保險:繳 費方式", 9),
            ["養(yǎng)老保險", "繳 費"]
        );
        assert_eq!(
            highlighted("第39条", "依照第三十九条办理", 9),
            ["第三十九条"]
        );
    }

    #[test]
    fn what_says_nothing_is_not_highlighted() {
        assert_eq!(highlighted("我的居住证", "我们的证件", 9), [] as [&str; 0]);
        assert_eq!(highlighted("12345", "123456 和 12345", 9), ["12345"]);
        assert_eq!(highlighted("。，的", "的。，", 9), [] as [&str; 0]);
    }

    #[test]
    fn neighbours_merge_and_the_longest_stay() {
        let original = "公积金;提取公积金;提取";
        assert_eq!(
            highlighted("公积金提取", original, 9),
            ["公积金", "提取公积金", "提取"]
        );
        assert_eq!(
            highlighted("公积金提取", original, 2),
            ["公积金", "提取公积金"]
        );
        assert!(highlighted("公积金", original, 0).is_empty());
    }

    #[test]
    fn the_answer_is_the_sentence_that_covers_most() {
        let original = "居住证由公安机关签发。\n申请居住证，应当提交居住证明、身份证等材料。\n本办法自公布之日起施行。";
        assert_eq!(
            answer("申请居住证提交什么材料", original),
            Some("申请居住证，应当提交居住证明、身份证等材料。")
        );
        assert_eq!(answer("公积金贷款额度", original), None);
    }

    #[test]
    fn a_heading_belongs_to_what_follows() {
        let original = "办理材料\n身份证；\n户口簿。\n办理时限\n五个工作日。";
        assert_eq!(
            answer("办理材料", original),
            Some("办理材料\n身份证；\n户口簿。")
        );
    }

    proptest! {
        #[test]
        fn spans_are_in_order_and_on_boundaries(
            query in "[居住证养老保险的第39条a ]{0,12}",
            original in "([居住證养老保險的（）条。；第九㈱\\n ]|\\(jīng\\)|ﬁ|39|\\PC){0,40}",
        ) {
            let passage = marked(&query, &original);
            let mut last = 0;
            for span in passage.highlights(5) {
                prop_assert!(span.start >= last && !span.is_empty());
                prop_assert!(original.get(span.start..span.end).is_some());
                last = span.end;
            }
            if let Some(span) = passage.answer() {
                prop_assert!(original.get(span.start..span.end).is_some());
            }
        }
    }
}
