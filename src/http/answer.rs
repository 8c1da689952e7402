//! `POST /v1/answer`: one answer in the documents' own words, or the reason why there is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::app::App;
use super::caller::Caller;
use super::extract::JsonBody;
use super::hits::{WireCitation, WireRelated, successors, took_ms};
use super::offsets::CharOffsets;
use super::problem::{Problem, ProblemBody};
use super::search::{WireFilters, check_query, read_date};
use crate::answer::{Answer, HandOver, MAX_HISTORY, Question, Style, respond};
use crate::retrieval::{Degraded, Hit};
use crate::sight::Sight;

/// A citizen's question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with the field `query`")]
#[schema(example = json!({"query": "那要带什么材料", "history": ["居住证怎么办"], "style": "full"}))]
pub(super) struct AnswerBody {
    /// The question as typed or said, 1 to 4,000 characters.
    #[schema(min_length = 1, max_length = 4000)]
    query: String,
    /// What was said before, oldest first, at most 20 turns of at most 4,000 characters: the citizen's
    /// questions, or turns with a role, of which only the user's count.
    #[serde(default)]
    #[schema(max_items = 20)]
    history: Vec<WireTurn>,
    /// The day whose rules count, `YYYY-MM-DD`; today if left out.
    as_of: Option<String>,
    /// Conditions that every source must meet. Values of one field are alternatives; fields combine.
    #[serde(default)]
    filters: WireFilters,
    /// How much is said.
    #[serde(default)]
    style: WireStyle,
    /// The oldest generation that may answer; waited for up to the search deadline, then 409
    /// `generation_not_reached`.
    #[serde(default)]
    min_generation: u64,
}

/// What was said before.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a question, or an object with `role` (`user` or `assistant`) and `content`"
)]
#[schema(as = Turn)]
enum WireTurn {
    /// An earlier question.
    Question(String),
    /// A turn of a conversation.
    Said {
        /// Who said it.
        role: WireRole,
        /// What was said.
        content: String,
    },
}

/// Who said something.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TurnRole)]
enum WireRole {
    /// The citizen.
    User,
    /// Whoever answered; not read.
    Assistant,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AnswerStyle)]
pub(super) enum WireStyle {
    /// What answers, with the conditions that stand around it.
    #[default]
    Full,
    /// What answers and nothing else, up to 140 characters.
    Short,
}

/// What is said to a question.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnswerReply {
    /// The generation that answered.
    generation: u64,
    /// Time in the server, waiting for a turn included.
    took_ms: f64,
    /// Why the answer is worse than it could be: `vector_unavailable`, `vector_timeout`.
    degraded: Vec<&'static str>,
    /// `null` if nothing is said.
    answer: Option<WireAnswer>,
    /// The sources of the answer first, then others that support or contradict it.
    citations: Vec<WireSource>,
    /// The probability that the first source answers.
    confidence: f32,
    /// Whether nothing is said.
    abstained: bool,
    /// Why: `no_match`, `below_threshold`, `out_of_scope`, `ambiguous`, `expired_only`; `null` with an
    /// answer.
    reason: Option<&'static str>,
    /// What the citizen could say or choose next.
    follow_up: Vec<String>,
    /// Who could help.
    handoff: WireHandoff,
    /// At most 140 characters for a text message: the beginning of the answer, or what to tell the
    /// citizen instead.
    short: String,
}

/// What is said: the texts of its spans, one after the other, and nothing else.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnswerText)]
struct WireAnswer {
    text: String,
    /// In the order of the text, without gaps.
    spans: Vec<WireSpan>,
}

/// A piece of the answer and where it comes from. All offsets count characters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnswerSpan)]
struct WireSpan {
    /// Which of `citations`, from 0.
    citation: usize,
    document_id: String,
    passage_id: String,
    /// First character in the citation's `text`.
    start: usize,
    /// One past the last.
    end: usize,
    /// First character in the answer's `text`.
    text_start: usize,
    /// One past the last.
    text_end: usize,
}

/// A source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
struct WireSource {
    document_id: String,
    passage_id: String,
    title: String,
    /// Headings above the passage, outermost first.
    heading: Vec<String>,
    /// 类型
    kind: Option<&'static str>,
    /// The passage as it stands in the extracted original.
    text: String,
    /// The probability that the passage is the best hit; `null` where nothing was calibrated.
    confidence: Option<f32>,
    /// 时效性 on the day asked for: `in_force`, `not_yet`, `expired`, `repealed`.
    validity: &'static str,
    /// The documents that replace it; `null` if there is none.
    replaced_by: Option<Vec<WireRelated>>,
    /// Whether the file has changed since but could not be read: this is its last readable state.
    stale: bool,
    #[schema(value_type = Option<String>, format = Date)]
    effective_from: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    effective_to: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    published_at: Option<Date>,
    /// 归口部门
    department: Option<String>,
    /// 适用地区
    region: Option<String>,
    /// 发文机关
    issuer: Option<String>,
    /// 层级
    level: Option<String>,
    /// 发文字号
    doc_no: Option<String>,
    /// 联系电话
    phones: Vec<String>,
    citation: WireCitation,
}

/// Who could help.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Handoff)]
struct WireHandoff {
    /// Whether the citizen should talk to a person now.
    suggested: bool,
    /// 归口部门 of the likeliest sources; `null` if nothing points at one.
    department: Option<String>,
    /// Its 联系电话, as the sources state them.
    phones: Vec<String>,
}

/// Answer a question
///
/// The answer is made of pieces of the documents, word for word; where they do not answer, it says why.
#[utoipa::path(
    post,
    path = "/v1/answer",
    tag = "search",
    request_body = AnswerBody,
    responses(
        (status = 200, description = "The answer, or why there is none", body = AnswerReply),
        (status = "4XX", description = "The request cannot be answered as asked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not ready, too busy or too slow; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBody(body): JsonBody<AnswerBody>,
) -> Result<Json<AnswerReply>, Problem> {
    let (question, min_generation) = body.into_question(caller.sight())?;
    Ok(Json(ask(&app, question, min_generation).await?))
}

/// What is said to a question, by `min_generation` or a later one, as it goes over the wire.
pub(super) async fn ask(
    app: &App,
    question: Question,
    min_generation: u64,
) -> Result<AnswerReply, Problem> {
    let started = Instant::now();
    let answer = said(app, question, min_generation).await?;
    Ok(AnswerReply::new(answer, started.elapsed()))
}

/// What is said to a question, by `min_generation` or a later one.
pub(super) async fn said(
    app: &App,
    question: Question,
    min_generation: u64,
) -> Result<Answer, Problem> {
    let started = Instant::now();
    let status = app.ready_soon(min_generation).await?;
    let settings = app.answer;
    let run = app.run(move |backend| {
        let search = |request: &_| backend.search(request);
        respond(&search, &question, &settings)
    });
    let mut answer = run.await??;
    // What is no question is refused without a search.
    answer.generation = answer.generation.max(status.generation);
    let outcome = answer.reason.map_or("answered", |reason| reason.name());
    app.metrics
        .answer(outcome, started.elapsed(), &answer.degraded);
    Ok(answer)
}

impl AnswerBody {
    /// The question in domain terms, and the oldest generation that may answer.
    pub(super) fn into_question(self, sight: &Sight) -> Result<(Question, u64), Problem> {
        check_query("query", &self.query)?;
        if self.history.len() > MAX_HISTORY {
            let n = self.history.len();
            let reason = format!("has {n} turns; at most {MAX_HISTORY} are read");
            return Err(Problem::field("history", reason));
        }
        let mut history = Vec::new();
        for (at, turn) in self.history.into_iter().enumerate() {
            let (role, text) = match turn {
                WireTurn::Question(text) => (WireRole::User, text),
                WireTurn::Said { role, content } => (role, content),
            };
            // What was answered may be long, and does not count.
            if role == WireRole::User && !text.trim().is_empty() {
                check_query(&format!("history[{at}]"), &text)?;
                history.push(text);
            }
        }
        let question = Question {
            query: self.query,
            history,
            as_of: self.as_of.as_deref().map(read_date).transpose()?,
            filters: self.filters.into_filters()?,
            sight: sight.clone(),
            style: self.style.into(),
        };
        Ok((question, self.min_generation))
    }
}

impl From<WireStyle> for Style {
    fn from(style: WireStyle) -> Self {
        match style {
            WireStyle::Full => Self::Full,
            WireStyle::Short => Self::Short,
        }
    }
}

impl AnswerReply {
    /// Ids and titles of the documents that are cited, each once.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        let cited = self.citations.iter().enumerate();
        let first = cited.filter(|(at, source)| {
            let before = &self.citations[..*at];
            before
                .iter()
                .all(|other| other.document_id != source.document_id)
        });
        first.map(|(_, source)| (source.document_id.as_str(), source.title.as_str()))
    }

    fn new(answer: Answer, took: Duration) -> Self {
        Self {
            generation: answer.generation,
            took_ms: took_ms(took),
            degraded: answer
                .degraded
                .iter()
                .copied()
                .map(Degraded::name)
                .collect(),
            answer: WireAnswer::of(&answer),
            citations: answer.citations.into_iter().map(WireSource::from).collect(),
            confidence: answer.confidence,
            abstained: answer.reason.is_some(),
            reason: answer.reason.map(|reason| reason.name()),
            follow_up: answer.follow_up,
            handoff: answer.hand_over.into(),
            short: answer.short,
        }
    }
}

impl WireAnswer {
    fn of(answer: &Answer) -> Option<Self> {
        let text = answer.text()?;
        let mut text_end = 0;
        let spans = answer.spans.iter().map(|piece| {
            let source = &answer.citations[piece.citation];
            let span = CharOffsets::locate(&source.text, [piece.span]).span(piece.span);
            let text_start = text_end;
            text_end += span.end - span.start;
            WireSpan {
                citation: piece.citation,
                document_id: source.document_id.clone(),
                passage_id: source.passage_id.clone(),
                start: span.start,
                end: span.end,
                text_start,
                text_end,
            }
        });
        let spans = spans.collect();
        Some(Self { text, spans })
    }
}

impl From<Hit> for WireSource {
    fn from(hit: Hit) -> Self {
        Self {
            document_id: hit.document_id,
            passage_id: hit.passage_id,
            title: hit.title,
            heading: hit.heading,
            kind: hit.kind.map(|kind| kind.name()),
            text: hit.text,
            confidence: hit.confidence,
            validity: hit.validity.name(),
            replaced_by: successors(hit.replaced_by),
            stale: hit.is_stale,
            effective_from: hit.effective_from,
            effective_to: hit.effective_to,
            published_at: hit.published_at,
            department: hit.department,
            region: hit.region,
            issuer: hit.issuer,
            level: hit.level,
            doc_no: hit.doc_no,
            phones: hit.phones,
            citation: hit.citation.into(),
        }
    }
}

impl From<HandOver> for WireHandoff {
    fn from(hand_over: HandOver) -> Self {
        Self {
            suggested: hand_over.suggested,
            department: hand_over.department,
            phones: hand_over.phones,
        }
    }
}
