//! The path of one question.

use std::time::Instant;

use super::extract::{Part, closed, parts, shortened};
use super::facets::open_facets;
use super::hand_over::{HandOver, hand_over};
use super::matching::Asked;
use super::outside::{Outside, outside};
use super::readings::readings;
use super::verdict::{Conflict, Demands, Evidence};
use super::{Answer, MAX_HISTORY, Piece, Question, Reason, Settings};
use crate::document::{Kind, Validity};
use crate::lexical::Admission;
use crate::retrieval::{
    Degraded, Group, Hit, MAX_QUERY_CHARS, SearchError, SearchRequest, SearchResponse,
};

/// Whatever answers a search.
pub type Search<'s> = &'s dyn Fn(&SearchRequest) -> Result<SearchResponse, SearchError>;

/// Passages that are looked at.
const N_HITS: usize = 8;
/// Most sources that are cited.
const MAX_CITATIONS: usize = 5;
/// Share of the best part's score from which on another one is as good.
const EQUAL: f32 = 0.95;
/// Hits that have less of the question are not about it.
const ABOUT: f32 = 0.35;
/// Questions of so few words leave open what they ask.
const MIN_WORDS: usize = 2;
/// Most suggestions.
const MAX_FOLLOW_UPS: usize = 4;

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
            .is_none_or(|best| found.probability > best.probability + 0.1)
        {
            best = Some(found);
        }
    }
    let Some(found) = best else {
        return Ok(refusal(Outside::Courtesy));
    };
    // A rule that is cited is found in any state.
    let is_over = |found: &Found| {
        found
            .first()
            .is_some_and(|hit| hit.validity != Validity::InForce)
    };
    if !found.parts.is_empty() && found.probability >= settings.threshold() {
        return Ok(match is_over(&found) {
            true => found.abstention(Reason::ExpiredOnly),
            false => found.answer(),
        });
    }
    let any = look(search, question, &found.reading, Admission::Any, settings)?;
    let is_expired = any.probability >= settings.threshold() && is_over(&any);
    Ok(match is_expired {
        true => any.abstention(Reason::ExpiredOnly),
        false => {
            let reason = found.reason();
            found.abstention(reason)
        }
    })
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
    if question.history.len() > MAX_HISTORY {
        let n = question.history.len();
        return fault(
            "history",
            format!("has {n} questions; at most {MAX_HISTORY} are read"),
        );
    }
    Ok(())
}

/// What a reading of the question found.
struct Found {
    generation: u64,
    reading: String,
    asked: Asked,
    /// Best first, contradicting ones left out.
    hits: Vec<Hit>,
    /// What contradicts the question in those left out, each once.
    conflicts: Vec<Conflict>,
    /// What would be said, best first.
    parts: Vec<Part>,
    /// That of the hit which answers best.
    short: String,
    /// That it answers.
    probability: f32,
    degraded: Vec<Degraded>,
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
        with_asked: true,
        deadline: settings.patience.map(|patience| Instant::now() + patience),
        ..SearchRequest::new(query, N_HITS, question.sight.clone())
    })?;
    let demands = Demands::of(reading);
    let mut conflicts = Vec::new();
    let (mut hits, mut others) = (Vec::new(), Vec::new());
    for hit in response.hits {
        // What agents say on the telephone is no source.
        if hit.kind == Some(Kind::Script) {
            continue;
        }
        match demands.conflict(&hit, &response.asked) {
            None => hits.push(hit),
            Some(conflict) => {
                if !conflicts.contains(&conflict) {
                    conflicts.push(conflict);
                }
                others.push(hit);
            }
        }
    }
    let asked = Asked::new(response.asked);
    let sources: Vec<&Hit> = hits.iter().collect();
    let mut parts = parts(&sources, &asked, demands.fact, question.style);
    if demands.fact.is_some() {
        heed_authority(&mut parts, &sources);
    }
    let (mut probability, mut short) = (0.0, String::new());
    if let Some(best) = parts.first() {
        let evidence = Evidence::of(best, &sources, &asked);
        probability = evidence.probability();
        let text = sources[best.source].text.as_str();
        short = shortened(text, best.span).of(text).to_owned();
        tracing::debug!(
            reading,
            passage = sources[best.source].passage_id,
            probability,
            ?evidence,
            "judged"
        );
    }
    if hits.is_empty() {
        // They answer nothing, and still say whose matter it is.
        hits = others;
    }
    Ok(Found {
        generation: response.generation,
        reading: reading.to_owned(),
        asked,
        hits,
        conflicts,
        parts,
        short,
        probability,
        degraded: response.degraded,
    })
}

/// Sources that state the fact about equally well may contradict each other: what is in force and of a
/// higher level comes first, then what is newer.
fn heed_authority(parts: &mut [Part], sources: &[&Hit]) {
    let Some(best) = parts.first().map(|part| part.score) else {
        return;
    };
    let is_equal = |part: &Part| part.has_fact && part.score >= EQUAL * best;
    let n_equal = parts.iter().take_while(|part| is_equal(part)).count();
    parts[..n_equal].sort_by_key(|part| {
        let hit = sources[part.source];
        let begins = hit.effective_from.or(hit.published_at);
        (
            hit.validity != Validity::InForce,
            level_rank(hit.level.as_deref()),
            std::cmp::Reverse(begins),
        )
    });
}

/// 0 for rules of the state; more for lower levels, unknown ones last.
fn level_rank(level: Option<&str>) -> usize {
    const LEVELS: [&[&str]; 4] = [
        &["国家", "中央", "全国"],
        &["省"],
        &["市", "地"],
        &["区", "县"],
    ];
    let Some(level) = level else {
        return LEVELS.len();
    };
    let rank = LEVELS
        .iter()
        .position(|names| names.iter().any(|name| level.contains(name)));
    rank.unwrap_or(LEVELS.len())
}

impl Found {
    /// The source of what would be said first.
    fn first(&self) -> Option<&Hit> {
        let part = self.parts.first()?;
        self.hits.get(part.source)
    }

    /// The parts said, with their sources and others of the same matter.
    fn answer(self) -> Answer {
        let follow_up = self.choices();
        let hand_over = self.hand_over(false);
        let mut answer = Answer {
            generation: self.generation,
            spans: Vec::new(),
            citations: Vec::new(),
            confidence: self.probability,
            reason: None,
            follow_up,
            hand_over,
            degraded: self.degraded,
            short: self.short,
        };
        let mut hits: Vec<Option<Hit>> = self.hits.into_iter().map(Some).collect();
        // By source: where it stands among the citations.
        let mut cited: Vec<Option<usize>> = vec![None; hits.len()];
        let mut last: Option<Piece> = None;
        for part in self.parts {
            let source = part.source;
            // What is in force is not said together with what is not.
            if hits[source]
                .as_ref()
                .is_some_and(|hit| hit.validity != Validity::InForce)
            {
                continue;
            }
            if cited[source].is_none() {
                cited[source] = Some(answer.citations.len());
                answer.citations.extend(hits[source].take());
            }
            let Some(citation) = cited[source] else {
                continue;
            };
            let text = answer.citations[citation].text.as_str();
            match closed(text, part.span) {
                Some(span) => answer.spans.push(Piece { citation, span }),
                // Nothing can follow a piece that no line or sentence ends: one of them goes last.
                None if last.is_none() => {
                    last = Some(Piece {
                        citation,
                        span: part.span,
                    });
                }
                None => {}
            }
        }
        answer.spans.extend(last);
        let rest = hits.into_iter().flatten();
        answer
            .citations
            .extend(rest.take(MAX_CITATIONS.saturating_sub(answer.citations.len())));
        answer
    }

    /// Hits that are about the question, with how far.
    fn about(&self) -> Vec<(&Hit, f32)> {
        let share = |hit: &Hit| {
            let text = format!("{}\n{}\n{}", hit.title, hit.heading.join("\n"), hit.text);
            self.asked.share(&self.asked.found(&text))
        };
        let about = self.hits.iter().map(|hit| (hit, share(hit)));
        about.filter(|(_, share)| *share >= ABOUT).collect()
    }

    fn hand_over(&self, suggested: bool) -> HandOver {
        hand_over(&self.about(), suggested)
    }

    /// What the question leaves open.
    fn choices(&self) -> Vec<String> {
        let texts: Vec<&str> = self
            .parts
            .iter()
            .filter_map(|part| Some(part.span.of(&self.hits.get(part.source)?.text)))
            .collect();
        let open = open_facets(&self.reading, &texts);
        open.into_iter().map(|(ask, _)| ask.to_owned()).collect()
    }

    fn reason(&self) -> Reason {
        if self.about().is_empty() {
            Reason::NoMatch
        } else if self.asked.words().len() < MIN_WORDS || !self.choices().is_empty() {
            Reason::Ambiguous
        } else {
            Reason::BelowThreshold
        }
    }

    fn abstention(self, reason: Reason) -> Answer {
        let mut follow_up: Vec<String> = self.conflicts.iter().map(hint).take(1).collect();
        follow_up.extend(self.choices());
        for (hit, _) in self.about() {
            let suggestion = format!("您是想问“{}”吗？", hit.title.trim());
            if reason != Reason::NoMatch && !follow_up.contains(&suggestion) {
                follow_up.push(suggestion);
            }
        }
        follow_up.truncate(MAX_FOLLOW_UPS);
        if follow_up.is_empty() {
            follow_up.push("请说明要办理的事项、所在区以及年份。".to_owned());
        }
        Answer {
            generation: self.generation,
            spans: Vec::new(),
            citations: Vec::new(),
            confidence: self.probability,
            short: match reason {
                Reason::ExpiredOnly => "只找到已失效或尚未施行的规定，建议转人工核实。".to_owned(),
                Reason::Ambiguous => "需要再确认一下您的情况。".to_owned(),
                _ => "知识库中没有找到依据，建议转人工。".to_owned(),
            },
            reason: Some(reason),
            hand_over: self.hand_over(true),
            follow_up,
            degraded: self.degraded,
        }
    }
}

fn hint(conflict: &Conflict) -> String {
    match conflict {
        Conflict::Year(year) => format!("没有找到{year}年的规定，可以问现行标准。"),
        Conflict::Place(place) => format!("没有找到{place}的规定，可以改问本地规定。"),
        Conflict::Article(article) => format!("没有找到第{article}条，请核对条号。"),
        Conflict::Title(title) => format!("没有找到《{title}》，请核对名称。"),
        Conflict::Other(name) => format!("没有找到{name}的资料。"),
        Conflict::Document(number) => format!("没有找到文件{number}，请核对文号。"),
    }
}

/// To what is no question.
fn refusal(outside: Outside) -> Answer {
    let ask = "请说出要咨询的事项，例如“居住证怎么办理”。";
    let (short, follow_up) = match outside {
        Outside::Courtesy => ("您好，请问有什么可以帮您？", ask),
        Outside::Chat => ("我只能回答政务服务方面的问题。", ask),
        Outside::Order => ("我只能依据公开的政务知识回答问题。", ask),
        Outside::Insult => (
            "很抱歉没有帮到您，可以为您转接人工。",
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
