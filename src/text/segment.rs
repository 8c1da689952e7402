//! Normal form → terms: words by dictionary, and character bigrams.
//!
//! Words say what a text means, bigrams find what the dictionary does not know; an index holds
//! both. Expects text in normal form (see [`normalise`](super::normalise())) and gives spans in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use jieba_rs::Jieba;
use memchr::memmem;

use super::is_han;
use super::lexicon::Lexicon;
use super::stop_words::is_stop_word;
use crate::document::ByteSpan;

/// Whether runs that the dictionary does not know are cut by jieba's hidden Markov model.
const USE_HMM: bool = true;

/// A term as it stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The term itself.
    pub text: String,
    /// Where it stands, in bytes of the normal form.
    pub span: ByteSpan,
    /// Number among the terms of its text, from 0.
    pub position: u32,
}

/// Cuts texts into terms. Cheap to clone: all clones share one dictionary.
#[derive(Clone)]
pub struct Analyser {
    shared: Arc<Shared>,
}

struct Shared {
    jieba: Jieba,
    /// Words of the lexicon with their frequency, as they were added.
    words: BTreeMap<String, Option<usize>>,
    synonyms: BTreeMap<String, Vec<String>>,
    /// [`Lexicon::hash`]; empty without a lexicon.
    lexicon_hash: String,
}

static BUILT_IN: LazyLock<Analyser> = LazyLock::new(|| Analyser {
    shared: Arc::new(Shared {
        jieba: Jieba::new(),
        words: BTreeMap::new(),
        synonyms: BTreeMap::new(),
        lexicon_hash: String::new(),
    }),
});

/// How rare a word is in general Chinese: −ln of its share of running text, by the dictionary's
/// frequencies; about 4 for `了`, 8 for `觉得`, 11 for `身份证`, 18 for a word that the dictionary does not
/// have.
pub fn general_rarity(word: &str) -> f32 {
    /// Words that the dictionary's frequencies were counted in.
    const N_COUNTED: f32 = 60_101_967.0;
    let frequency = BUILT_IN.shared.jieba.suggest_freq(word).max(1);
    -(frequency as f32 / N_COUNTED).ln()
}

impl Analyser {
    /// The analyser without a lexicon. The first call loads the dictionary (about 0.1 s).
    pub fn built_in() -> Analyser {
        BUILT_IN.clone()
    }

    /// The built-in dictionary with the words and synonyms of `lexicon` added.
    pub fn with_lexicon(lexicon: &Lexicon) -> Analyser {
        if lexicon.is_empty() {
            return Self::built_in();
        }
        let mut jieba = BUILT_IN.shared.jieba.clone();
        for (word, frequency) in lexicon.words() {
            jieba.add_word(word, frequency, None);
        }
        Analyser {
            shared: Arc::new(Shared {
                jieba,
                words: lexicon
                    .words()
                    .map(|(word, frequency)| (word.to_owned(), frequency))
                    .collect(),
                synonyms: lexicon.synonyms().clone(),
                lexicon_hash: lexicon.hash(),
            }),
        }
    }

    /// Words, in normal form, that this lexicon and that of `other` know differently, ascending: a
    /// text with none of them in it is cut alike by both. Synonyms cut nothing.
    pub fn changed_words(&self, other: &Analyser) -> Vec<String> {
        let (ours, theirs) = (&self.shared.words, &other.shared.words);
        let differs = |word: &&String| ours.get(*word) != theirs.get(*word);
        let words: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        words.into_iter().filter(differs).cloned().collect()
    }

    /// Hands every word for the index to `visit`: its text, its span and its position.
    ///
    /// Longer words come after the shorter dictionary words inside them (`养老`, `保险`,
    /// `养老保险`), so spans overlap. No punctuation, no stop words. The number of an article
    /// (`第39条`) is one word.
    pub fn for_each_word(&self, normalised: &str, mut visit: impl FnMut(&str, ByteSpan, u32)) {
        let mut position = 0;
        let mut emit = |start: usize, word: &str| {
            if is_word(word) && !is_stop_word(word) {
                visit(word, ByteSpan::new(start, start + word.len()), position);
                position += 1;
            }
        };
        let cut = |piece: ByteSpan, emit: &mut dyn FnMut(usize, &str)| {
            for token in self
                .shared
                .jieba
                .cut_for_search(piece.of(normalised), USE_HMM)
            {
                emit(piece.start + token.byte_start, token.word);
            }
        };
        let mut n_done = 0;
        for number in article_numbers(normalised) {
            cut(ByteSpan::new(n_done, number.start), &mut emit);
            emit(number.start, number.of(normalised));
            n_done = number.end;
        }
        cut(ByteSpan::new(n_done, normalised.len()), &mut emit);
    }

    /// The words of [`Analyser::for_each_word`].
    pub fn words(&self, normalised: &str) -> Vec<Term> {
        let mut words = Vec::new();
        self.for_each_word(normalised, |word, span, position| {
            words.push(Term {
                text: word.to_owned(),
                span,
                position,
            });
        });
        words
    }

    /// Hands every word of one cut without overlaps to `visit`, stop words included: what an
    /// embedding reads. No punctuation.
    pub fn for_each_plain_word(&self, normalised: &str, mut visit: impl FnMut(&str, ByteSpan)) {
        for token in self.shared.jieba.cut(normalised, USE_HMM) {
            if is_word(token.word) {
                visit(token.word, ByteSpan::new(token.byte_start, token.byte_end));
            }
        }
    }

    /// The words of [`Analyser::for_each_plain_word`].
    pub fn plain_words(&self, normalised: &str) -> Vec<Term> {
        let mut words = Vec::new();
        self.for_each_plain_word(normalised, |word, span| {
            let position = words.len() as u32;
            words.push(Term {
                text: word.to_owned(),
                span,
                position,
            });
        });
        words
    }

    /// Hands every character bigram to `visit`: its text, its span and its position.
    ///
    /// A run of Chinese characters gives all its pairs, a lone one itself; a run of letters and
    /// digits is one term, and a second one with the unit that follows it (`39`, `39条`). A lone
    /// character next to such a run is not a term of its own. Nothing reaches over punctuation,
    /// spaces or line breaks.
    pub fn for_each_bigram(&self, normalised: &str, mut visit: impl FnMut(&str, ByteSpan, u32)) {
        let mut position = 0;
        let mut emit = |start: usize, end: usize| {
            visit(&normalised[start..end], ByteSpan::new(start, end), position);
            position += 1;
        };
        let mut previous = Neighbour::Gap;
        let mut chars = normalised.char_indices().peekable();
        while let Some((start, c)) = chars.next() {
            let end = start + c.len_utf8();
            let next = chars
                .peek()
                .map_or(Neighbour::Gap, |&(_, c)| Neighbour::of(c));
            let here = Neighbour::of(c);
            match (previous, here) {
                (_, Neighbour::Gap) => {}
                (Neighbour::Han(before), Neighbour::Han(_)) => emit(before, end),
                (Neighbour::Gap, Neighbour::Han(_)) if next == Neighbour::Gap => emit(start, end),
                (Neighbour::Run(before), Neighbour::Han(_)) => emit(before, end),
                (_, Neighbour::Han(_)) => {}
                (_, Neighbour::Run(_)) => {
                    let mut end = end;
                    while let Some(&(at, c)) = chars.peek()
                        && Neighbour::of(c) == Neighbour::Run(0)
                    {
                        end = at + c.len_utf8();
                        chars.next();
                    }
                    emit(start, end);
                }
            }
            previous = here.at(start);
        }
    }

    /// The terms of [`Analyser::for_each_bigram`].
    pub fn bigrams(&self, normalised: &str) -> Vec<Term> {
        let mut bigrams = Vec::new();
        self.for_each_bigram(normalised, |text, span, position| {
            bigrams.push(Term {
                text: text.to_owned(),
                span,
                position,
            });
        });
        bigrams
    }

    /// Whether the dictionary, or the lexicon, has a word.
    pub fn knows(&self, word: &str) -> bool {
        self.shared.jieba.has_word(word)
    }

    /// [`Lexicon::hash`] of the lexicon, empty without one: another hash means other terms.
    pub fn lexicon_hash(&self) -> &str {
        &self.shared.lexicon_hash
    }

    /// What else `word` may be called in the corpus, in the order of the lexicon's files.
    pub fn synonyms(&self, word: &str) -> &[String] {
        self.shared.synonyms.get(word).map_or(&[], Vec::as_slice)
    }
}

/// What stands beside a character; for what can be part of a term, the byte where it starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Neighbour {
    Gap,
    Han(usize),
    Run(usize),
}

impl Neighbour {
    fn of(c: char) -> Self {
        if is_han(c) {
            Self::Han(0)
        } else if c.is_alphanumeric() {
            Self::Run(0)
        } else {
            Self::Gap
        }
    }

    fn at(self, start: usize) -> Self {
        match self {
            Self::Gap => Self::Gap,
            Self::Han(_) => Self::Han(start),
            Self::Run(_) => Self::Run(start),
        }
    }
}

/// Whether a token of the cut is more than punctuation.
fn is_word(token: &str) -> bool {
    token.chars().next().is_some_and(char::is_alphanumeric)
}

/// Every `第N条`, `第N款` … of a normal form, in order.
fn article_numbers(normalised: &str) -> impl Iterator<Item = ByteSpan> + '_ {
    memmem::find_iter(normalised.as_bytes(), "第").filter_map(move |start| {
        let digits = start + '第'.len_utf8();
        let rest = &normalised[digits..];
        let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = rest[n_digits..].chars().next()?;
        (n_digits > 0 && "条款项章节编号".contains(unit))
            .then(|| ByteSpan::new(start, digits + n_digits + unit.len_utf8()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::normalise;

    fn texts(terms: Vec<Term>) -> Vec<String> {
        terms.into_iter().map(|term| term.text).collect()
    }

    #[test]
    fn words_for_the_index_overlap_and_skip_what_says_nothing() {
        let analyser = Analyser::built_in();
        assert_eq!(
            texts(analyser.words("城镇职工养老保险的缴费,依照第39条办理。")),
            [
                "城镇",
                "职工",
                "城镇职工",
                "养老",
                "保险",
                "养老保险",
                "缴费",
                "依照",
                "第39条",
                "办理"
            ]
        );
    }

    #[test]
    fn plain_words_do_not_overlap() {
        let analyser = Analyser::built_in();
        assert_eq!(
            texts(analyser.plain_words("养老保险的缴费, a4纸")),
            ["养老保险", "的", "缴费", "a4", "纸"]
        );
    }

    #[test]
    fn bigrams_of_runs() {
        let analyser = Analyser::built_in();
        assert_eq!(
            texts(analyser.bigrams("居住证,第39条规定 好 12345热线abc")),
            [
                "居住", "住证", "39", "39条", "条规", "规定", "好", "12345", "12345热", "热线",
                "abc"
            ]
        );
    }

    #[test]
    fn only_words_known_differently_count_as_changed() {
        let before =
            Analyser::with_lexicon(&Lexicon::parse("暂住证\n云溪通 50\n", "社保 => 社会保险"));
        let after = Analyser::with_lexicon(&Lexicon::parse("云溪通 60\n轮渡卡\n", "社保 社会保险"));
        assert_eq!(before.changed_words(&after), ["云溪通", "暂住证", "轮渡卡"]);
        assert_eq!(after.changed_words(&before), ["云溪通", "暂住证", "轮渡卡"]);
        assert_eq!(before.changed_words(&before), [""; 0]);
    }

    #[test]
    fn lexicon_words_are_cut_whole_and_have_synonyms() {
        let lexicon = Lexicon::parse("云溪码上办\n", "居住证 暂住证\n社保 => 社会保险\n");
        let analyser = Analyser::with_lexicon(&lexicon);
        assert!(texts(analyser.words("下载云溪码上办应用")).contains(&"云溪码上办".to_owned()));
        assert_eq!(analyser.synonyms("暂住证"), ["居住证"]);
        assert_eq!(analyser.synonyms("社保"), ["社会保险"]);
        assert!(analyser.synonyms("社会保险").is_empty());
    }

    proptest! {
        #[test]
        fn spans_name_their_terms(text in "[一-龥a-z0-9第条。, \\n]{0,40}|\\PC{0,20}") {
            let analyser = Analyser::built_in();
            let normalised = normalise(&text);
            let normalised = normalised.as_str();
            for terms in [analyser.words(normalised), analyser.plain_words(normalised), analyser.bigrams(normalised)] {
                for (number, term) in terms.iter().enumerate() {
                    prop_assert_eq!(term.span.of(normalised), &term.text);
                    prop_assert_eq!(term.position as usize, number);
                }
            }
        }
    }
}
