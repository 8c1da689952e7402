//! How likely a hit answers a question that perhaps no document answers.
//!
//! The confidence of a hit compares it with the other candidates. Among documents of one city, something
//! always stands out for a question about another city, another year or another benefit. So what the
//! hit has of the question's words counts as well, and what contradicts the question excludes it.

use super::facts::{Fact, holds, wanted, years, years_in};
use crate::document::Validity;
use crate::retrieval::Hit;
use crate::text::{Reference, normalise, references};

/// What speaks for a hit as an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The probability that it answers.
    pub probability: f32,
    /// Share of the question's words that it has, by their rarity.
    pub covered: f32,
    /// Rarity of the rarest word that it has nothing of, as a share of the rarest one's.
    pub missed: f32,
    /// Whether it holds a fact of the sort that is wanted; true where none is.
    pub has_fact: bool,
    /// What contradicts the question.
    pub conflict: Option<Conflict>,
}

/// What a question names and a hit is not about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// It is about other years.
    Year(u16),
    /// It is about other places.
    Place(String),
    /// Its document has no such article.
    Article(u32),
    /// It is not of the document that the question names.
    Document(String),
}

/// Words of a question in more than this share of documents' passages say nothing about a place.
const LOCAL_RARITY: f32 = 2.0;

/// What a question demands of its sources, read once.
pub struct Demands {
    /// The sort of fact that it wants.
    pub fact: Option<Fact>,
    years: Vec<u16>,
    references: Vec<Reference>,
}

impl Demands {
    /// Reads a question.
    pub fn of(question: &str) -> Self {
        let normalised = normalise(question);
        let text = normalised.as_str();
        Self {
            fact: wanted(text),
            years: years(text),
            references: references(text)
                .into_iter()
                .map(|(_, found)| found)
                .collect(),
        }
    }

    /// How likely `hit` answers.
    pub fn judge(&self, hit: &Hit) -> Verdict {
        let grounds = hit.grounds.clone().unwrap_or_default();
        let (covered, missed) = (grounds.covered(), grounds.missed());
        let has_fact = self.fact.is_none_or(|fact| holds(&hit.text, fact));
        let conflict = self.conflict(hit);
        let by_itself = probability(hit.confidence.unwrap_or(0.0), covered, missed, has_fact);
        Verdict {
            probability: if conflict.is_some() { 0.0 } else { by_itself },
            covered,
            missed,
            has_fact,
            conflict,
        }
    }

    fn conflict(&self, hit: &Hit) -> Option<Conflict> {
        self.other_article(hit)
            .or_else(|| self.other_year(hit))
            .or_else(|| other_place(hit))
    }

    /// An article is asked for by its number, and this is another one; or a document, and this is not it.
    fn other_article(&self, hit: &Hit) -> Option<Conflict> {
        let is_named = hit.contributions.reference > 0.0;
        for reference in &self.references {
            match reference {
                Reference::Article { article, law, .. } => {
                    let is_it = hit.citation.article == Some(*article);
                    if !is_it && (is_named || law.is_some()) {
                        return Some(Conflict::Article(*article));
                    }
                }
                Reference::DocNo(number) if !is_named => {
                    return Some(Conflict::Document(number.clone()));
                }
                Reference::DocNo(_) | Reference::Title(_) => {}
            }
        }
        None
    }

    /// The question names a year, and the hit names others alone. A year of the past counts from the rule
    /// that was in force then.
    fn other_year(&self, hit: &Hit) -> Option<Conflict> {
        let asked = *self.years.last()?;
        let around = format!("{}\n{}", hit.title, hit.heading.join("\n"));
        let (named, told) = (years_in(&around), years_in(&hit.text));
        let begins = hit.effective_from.or(hit.published_at);
        let is_told = |years: &[u16]| self.years.iter().any(|year| years.contains(year));
        if is_told(&named) || is_told(&told) {
            return None;
        }
        let is_before = begins.is_some_and(|day| i32::from(asked) < i32::from(day.year()));
        let is_about_others = !named.is_empty() || !told.is_empty();
        (is_before || is_about_others).then_some(Conflict::Year(asked))
    }
}

/// The question names a place that the hit says nothing of, and not many passages do.
fn other_place(hit: &Hit) -> Option<Conflict> {
    let words = &hit.grounds.as_ref()?.words;
    let other = words
        .iter()
        .find(|word| word.is_place && word.found < 1.0 && word.rarity > LOCAL_RARITY)?;
    Some(Conflict::Place(other.text.clone()))
}

/// Source of the form: a logistic model over the log odds of the confidence and what the hit has of the
/// question.
fn probability(confidence: f32, covered: f32, missed: f32, has_fact: bool) -> f32 {
    let odds = confidence.clamp(0.001, 0.999);
    let log_odds = (odds / (1.0 - odds)).ln();
    let fact = if has_fact { 0.0 } else { -1.5 };
    let sum = 0.2 + 0.8 * log_odds + 3.0 * (covered - 0.6) - 1.0 * (missed - 0.5) + fact;
    1.0 / (1.0 + (-sum).exp())
}

/// Whether a rule may be said to be in force.
pub fn is_in_force(hit: &Hit) -> bool {
    hit.validity == Validity::InForce
}
