//! What a query says: normal form, terms, and the references it names.

use std::collections::BTreeSet;

use super::QueryReading;
use crate::document::PassageNo;
use crate::lexical::{DocumentPassages, LexicalError, LexicalQuery, LexicalSnapshot};
use crate::text::sound::Heard;
use crate::text::{Analyser, Reference, canonical_law_name, endings, normalise, references};

/// References that are looked up; each may cost the reading of a whole document.
const MAX_REFERENCES: usize = 16;

/// A query, read once.
pub struct Reading {
    /// Normal form.
    pub normalised: String,
    /// What the word index looks for.
    pub lexical: LexicalQuery,
    /// Document numbers, laws and articles, in query order; the first 16.
    pub references: Vec<Reference>,
    /// Words in query order, each once.
    pub words: Vec<String>,
    /// What was likelier said than [`Reading::normalised`], in normal form; `None` if nothing is.
    pub heard_as: Option<String>,
    /// Whether its references are those of [`Reading::heard_as`].
    pub names_by_sound: bool,
}

impl Reading {
    /// Reads the text as typed. Never fails: a query without words finds nothing by words.
    pub fn of(analyser: &Analyser, query: &str) -> Self {
        let normalised = normalise(query).as_str().to_owned();
        Self {
            lexical: LexicalQuery::new(analyser, query),
            references: referred(&normalised),
            words: distinct_words(analyser, &normalised),
            normalised,
            heard_as: None,
            names_by_sound: false,
        }
    }

    /// The same query, parts of which were probably misheard. What it names is read anew from what
    /// was said, unless it `names` something as it is written.
    pub fn heard(self, analyser: &Analyser, heard: &Heard, names: bool) -> Self {
        let said = heard.text();
        Self {
            lexical: LexicalQuery::heard(analyser, &self.normalised, heard),
            references: match names {
                true => self.references,
                false => referred(said),
            },
            words: distinct_words(analyser, said),
            heard_as: Some(said.to_owned()),
            names_by_sound: !names,
            normalised: self.normalised,
        }
    }

    /// What was said, as far as is known, in normal form.
    pub fn said(&self) -> &str {
        self.heard_as.as_deref().unwrap_or(&self.normalised)
    }

    /// The passages that the query names, in the order it names them, each once.
    ///
    /// A document number or a title stands for all passages of its document, or for an article
    /// when the query goes on with its number (`云建规〔2025〕2号第五条`). A bare article number
    /// names nothing exactly: words find it.
    ///
    /// # Errors
    /// [`LexicalError`] if the index cannot be read.
    pub fn named_passages(&self, words: &LexicalSnapshot) -> Result<Vec<PassageNo>, LexicalError> {
        let mut named = Vec::new();
        for (at, reference) in self.references.iter().enumerate() {
            let found = match reference {
                Reference::DocNo(doc_no) => first_known(doc_no, |doc_no| {
                    Ok(all_passages(&words.find_doc_no(doc_no)?))
                })?,
                Reference::Title(title) => {
                    all_passages(&words.find_title(&canonical_law_name(title))?)
                }
                Reference::Article {
                    law: Some(law),
                    article,
                    is_quoted: true,
                    ..
                } => words.find_article(law, *article)?,
                Reference::Article {
                    law: Some(law),
                    article,
                    ..
                } => first_known(law, |law| words.find_article(law, *article))?,
                Reference::Article { law: None, .. } => continue,
            };
            match (reference, self.references.get(at + 1)) {
                (
                    Reference::DocNo(_) | Reference::Title(_),
                    Some(Reference::Article {
                        law: None, article, ..
                    }),
                ) => named.extend(article_first(words, found, *article)?),
                _ => named.extend(found),
            }
        }
        let mut seen = BTreeSet::new();
        named.retain(|passage| seen.insert(*passage));
        Ok(named)
    }

    /// What the caller is told of it.
    pub fn for_caller(&self) -> QueryReading {
        QueryReading {
            normalised: self.normalised.clone(),
            heard_as: self.heard_as.clone(),
            terms: self.words.clone(),
            references: self.references.iter().map(ToString::to_string).collect(),
        }
    }
}

fn distinct_words(analyser: &Analyser, normalised: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for term in analyser.words(normalised) {
        if !words.contains(&term.text) {
            words.push(term.text);
        }
    }
    words
}

fn referred(normalised: &str) -> Vec<Reference> {
    let references = references(normalised).into_iter();
    references
        .map(|(_, reference)| reference)
        .take(MAX_REFERENCES)
        .collect()
}

/// The passages of an article, or all of them when the document has no such article.
fn article_first(
    words: &LexicalSnapshot,
    passages: Vec<PassageNo>,
    article: u32,
) -> Result<Vec<PassageNo>, LexicalError> {
    let mut of_article = Vec::new();
    for &passage in &passages {
        let stored = words.passage(passage)?;
        if stored.is_some_and(|stored| stored.passage.article == Some(article)) {
            of_article.push(passage);
        }
    }
    Ok(if of_article.is_empty() {
        passages
    } else {
        of_article
    })
}

/// What the longest ending of `name` that the index knows stands for: where a name begins is
/// uncertain when it was written without 《》.
fn first_known(
    name: &str,
    look_up: impl Fn(&str) -> Result<Vec<PassageNo>, LexicalError>,
) -> Result<Vec<PassageNo>, LexicalError> {
    for ending in endings(name) {
        let found = look_up(ending)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn all_passages(documents: &[DocumentPassages]) -> Vec<PassageNo> {
    documents
        .iter()
        .flat_map(DocumentPassages::passage_nos)
        .collect()
}
