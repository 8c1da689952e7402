//! The path of one question.

use std::time::Instant;

use super::extract::{extract, shortened};
use super::facets::open_facets;
use super::hand_over::{HandOver, hand_over};
use super::outside::{Outside, outside};
use super::readings::readings;
use super::verdict::{Conflict, Demands, Verdict, is_in_force};
use super::{Answer, Piece, Question, Reason, Settings, Style};
use crate::document::Kind;
use crate::lexical::Admission;
use crate::retrieval::{Group, Hit, MAX_QUERY_CHARS, SearchError, SearchRequest, SearchResponse};

/// Whatever answers a search.
pub type Search<'s> = &'s dyn Fn(&SearchRequest) -> Result<SearchResponse, SearchError>;

/// Passages that are judged.
const N_JUDGED: usize = 8;
/// Most sources that are cited.
const MAX_CITATIONS: usize = 4;
/// Share of the first one's probability from which on another source is cited as well.
const SUPPORTS: f32 = 0.6;
/// Hits that have less of the question's words are not about it.
const ABOUT: f32 = 0.35;
/// Questions of so few words leave open what they ask.
const MIN_WORDS: usize = 2;
/// Most suggestions.
const MAX_FOLLOW_UPS: usize = 4;

/// A hit with what speaks for it.
struct Judged {
    hit: Hit,
    verdict: Verdict,
}

/// What is said to a question.
///
/// # Errors
/// [`SearchError::Request`] when a field is out of its limits, [`SearchError::Index`] when the index cannot
/// be read.
pub fn respond(
    search: Search<'_>,
    question: &Question,
    settings: &Settings,
) -> Result<Answer, SearchError> {
    validate(question)?;
    if let Some(outside) = outside(&question.query) {
        return Ok(refusal(outside));
    }
    let mut best: Option<Found> = None;
    for reading in readings(&question.query, &question.history) {
        let found = look(search, question, &reading, Admission::InForce, settings)?;
        // A reading after what was asked before is the likelier one.
        if best
            .as_ref()
            .is_none_or(|best| found.probability() > best.probability() + 0.1)
        {
            best = Some(found);
        }
    }
    let Some(found) = best else {
        return Ok(refusal(Outside::Courtesy));
    };
    let enough = 1.0 - settings.max_risk.clamp(0.0, 1.0);
    if found.probability() >= threshold(enough) {
        return Ok(found.answer(question.style));
    }
    let any = look(search, question, &found.reading, Admission::Any, settings)?;
    let is_expired = any.judged.first().is_some_and(|first| {
        !is_in_force(&first.hit) && first.verdict.probability >= threshold(enough)
    });
    Ok(match is_expired {
        true => any.abstention(Reason::ExpiredOnly),
        false => {
            let reason = found.reason();
            found.abstention(reason)
        }
    })
}

/// The probability from which on answers are given.
fn threshold(enough: f32) -> f32 {
    enough * 0.5
}

fn validate(question: &Question) -> Result<(), SearchError> {
    let n_chars = question.query.chars().count();
    let fault = |field, reason| Err(SearchError::Request { field, reason });
    if question.query.trim().is_empty() {
        return fault("query", "is empty; say what the citizen asks".to_owned());
    }
    if n_chars > MAX_QUERY_CHARS {
        let reason = format!("has {n_chars} characters; at most {MAX_QUERY_CHARS} are read");
        return fault("query", reason);
    }
    Ok(())
}

/// What a reading of the question found.
struct Found {
    generation: u64,
    reading: String,
    /// Likeliest first.
    judged: Vec<Judged>,
    degraded: Vec<crate::retrieval::Degraded>,
    demands: Demands,
}

fn look(
    search: Search<'_>,
    question: &Question,
    reading: &str,
    admission: Admission,
    settings: &Settings,
) -> Result<Found, SearchError> {
    let query: String = reading.chars().take(MAX_QUERY_CHARS).collect();
    let response = search(&SearchRequest {
        filters: question.filters.clone(),
        as_of: question.as_of,
        admission,
        group: Group::None,
        with_facets: false,
        with_grounds: true,
        deadline: settings.patience.map(|patience| Instant::now() + patience),
        ..SearchRequest::new(query, N_JUDGED, question.sight.clone())
    })?;
    let demands = Demands::of(reading);
    let mut judged: Vec<Judged> = response
        .hits
        .into_iter()
        // What agents say on the telephone is no source.
        .filter(|hit| hit.kind != Some(Kind::Script))
        .map(|hit| Judged {
            verdict: demands.judge(&hit),
            hit,
        })
        .collect();
    // Stable: what ranks first stays first of equals.
    judged.sort_by(|a, b| b.verdict.probability.total_cmp(&a.verdict.probability));
    for judged in &judged {
        tracing::debug!(reading, document = judged.hit.document_id, passage = judged.hit.passage_id, confidence = judged.hit.confidence, verdict = ?judged.verdict, words = ?judged.hit.grounds.as_ref().map(|grounds| &grounds.words), "judged");
    }
    Ok(Found {
        generation: response.generation,
        reading: reading.to_owned(),
        judged,
        degraded: response.degraded,
        demands,
    })
}

impl Found {
    fn probability(&self) -> f32 {
        self.judged
            .first()
            .map_or(0.0, |first| first.verdict.probability)
    }

    /// The best source said, with others that support or contradict it.
    fn answer(self, style: Style) -> Answer {
        let first = self.probability();
        let mut sources: Vec<Judged> = Vec::new();
        let follow_up = self.choices();
        let hand_over = self.hand_over(false);
        let wanted = self.demands.fact;
        for judged in self.judged {
            let is_new = sources
                .iter()
                .all(|known| known.hit.document_id != judged.hit.document_id);
            if sources.len() < MAX_CITATIONS
                && judged.verdict.probability >= SUPPORTS * first
                && (is_new || sources.len() < 2)
            {
                sources.push(judged);
            }
        }
        let mut answer = Answer {
            generation: self.generation,
            spans: Vec::new(),
            confidence: first,
            reason: None,
            follow_up,
            hand_over,
            degraded: self.degraded,
            short: String::new(),
            citations: Vec::new(),
        };
        for (citation, judged) in sources.into_iter().enumerate() {
            let hit = judged.hit;
            if citation == 0 {
                let span = extract(&hit, wanted, style);
                answer.spans.push(Piece { citation, span });
                let said = extract(&hit, wanted, Style::Short);
                answer.short = shortened(&hit.text, said).of(&hit.text).to_owned();
            }
            answer.citations.push(hit);
        }
        answer
    }

    fn hand_over(&self, suggested: bool) -> HandOver {
        let about: Vec<(&Hit, f32)> = self
            .judged
            .iter()
            .filter(|judged| judged.verdict.covered >= ABOUT)
            .map(|judged| (&judged.hit, judged.verdict.covered))
            .collect();
        hand_over(&about, suggested)
    }

    /// What the question leaves open.
    fn choices(&self) -> Vec<String> {
        let first = self.probability();
        let texts: Vec<&str> = self
            .judged
            .iter()
            .filter(|judged| judged.verdict.probability >= SUPPORTS * first)
            .map(|judged| judged.hit.text.as_str())
            .collect();
        let open = open_facets(&self.reading, &texts);
        open.into_iter().map(|(ask, _)| ask.to_owned()).collect()
    }

    fn reason(&self) -> Reason {
        let Some(first) = self.judged.first() else {
            return Reason::NoMatch;
        };
        let words = first
            .hit
            .grounds
            .as_ref()
            .map_or(0, |grounds| grounds.words.len());
        if self
            .judged
            .iter()
            .all(|judged| judged.verdict.covered < ABOUT)
        {
            Reason::NoMatch
        } else if words < MIN_WORDS || !self.choices().is_empty() {
            Reason::Ambiguous
        } else {
            Reason::BelowThreshold
        }
    }

    fn abstention(self, reason: Reason) -> Answer {
        let mut follow_up: Vec<String> = Vec::new();
        if let Some(conflict) = self
            .judged
            .iter()
            .find_map(|judged| judged.verdict.conflict.as_ref())
        {
            follow_up.push(hint(conflict));
        }
        follow_up.extend(self.choices());
        if reason != Reason::NoMatch {
            for judged in &self.judged {
                let title = judged.hit.title.trim();
                let suggestion = format!("您是想问“{title}”吗？");
                if judged.verdict.covered >= ABOUT && !follow_up.contains(&suggestion) {
                    follow_up.push(suggestion);
                }
            }
        }
        follow_up.truncate(MAX_FOLLOW_UPS);
        if follow_up.is_empty() {
            follow_up.push("请说明要办理的事项、所在区以及年份。".to_owned());
        }
        let hand_over = self.hand_over(true);
        Answer {
            generation: self.generation,
            spans: Vec::new(),
            citations: Vec::new(),
            confidence: self.probability(),
            short: match reason {
                Reason::ExpiredOnly => "只找到已失效或尚未施行的规定，建议转人工核实。".to_owned(),
                Reason::Ambiguous => "需要再确认一下您的情况。".to_owned(),
                _ => "知识库中没有找到依据，建议转人工。".to_owned(),
            },
            reason: Some(reason),
            follow_up,
            hand_over,
            degraded: self.degraded,
        }
    }
}

fn hint(conflict: &Conflict) -> String {
    match conflict {
        Conflict::Year(year) => format!("知识库中没有找到{year}年的规定，可以问现行标准。"),
        Conflict::Place(place) => format!("知识库中没有找到{place}的规定，可以改问本地规定。"),
        Conflict::Article(article) => format!("没有找到第{article}条，请核对条号。"),
        Conflict::Document(number) => format!("没有找到文件{number}，请核对文号。"),
    }
}

/// To what is no question.
fn refusal(outside: Outside) -> Answer {
    let (short, follow_up) = match outside {
        Outside::Courtesy => (
            "您好，请问有什么可以帮您？",
            "请说出要咨询的事项，例如“居住证怎么办理”。",
        ),
        Outside::Chat => (
            "我只能回答政务服务方面的问题。",
            "请说出要咨询的事项，例如“居住证怎么办理”。",
        ),
        Outside::Order => (
            "我只能依据公开的政务知识回答问题。",
            "请直接说出要咨询的事项。",
        ),
        Outside::Insult => (
            "请您谅解，可以为您转接人工。",
            "请直接说出要咨询的事项，或选择转人工。",
        ),
    };
    Answer {
        generation: 0,
        spans: Vec::new(),
        citations: Vec::new(),
        confidence: 0.0,
        reason: Some(Reason::OutOfScope),
        follow_up: vec![follow_up.to_owned()],
        hand_over: HandOver {
            suggested: outside == Outside::Insult,
            ..HandOver::default()
        },
        degraded: Vec::new(),
        short: short.to_owned(),
    }
}
