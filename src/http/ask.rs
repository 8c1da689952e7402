//! `GET /ask` and `POST /ask`: a citizen asks, and reads the answer with its sources.
//!
//! One page without scripts. The question comes in the body, so that it stands in no address, no log and
//! no browsing history.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::answer::said;
use super::app::App;
use super::caller::Caller;
use super::problem::{Problem, ProblemKind};
use crate::answer::{Answer, Question, Style};
use crate::document::{ByteSpan, Validity};
use crate::retrieval::Hit;

/// The page runs nothing and sends its form to this server alone.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";
/// Longest question that the page takes.
const MAX_CHARS: usize = 500;
/// Questions of before that the page sends along.
const MAX_BEFORE: usize = 3;

/// What the page sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskForm {
    question: String,
    /// The questions before, one a line, oldest first.
    history: String,
}

/// The page; all texts are escaped by the template.
#[derive(Default, Template)]
#[template(path = "ask.html")]
struct AskPage {
    max_chars: usize,
    /// What stands in the box.
    retry: String,
    /// What the next question will be sent with, one a line.
    history: String,
    /// Why nothing could be asked.
    problem: String,
    asked: String,
    pieces: Vec<PagePiece>,
    short: String,
    sources: Vec<PageSource>,
    follow_up: Vec<String>,
    department: String,
    phones: Vec<String>,
}

struct PagePiece {
    text: String,
    /// Number of the source, from 1.
    source: usize,
}

struct PageSource {
    number: usize,
    title: String,
    /// Issuer, number, days, validity.
    about: String,
    heading: Vec<String>,
    parts: Vec<PagePart>,
    is_said: bool,
    href: String,
}

struct PagePart {
    text: String,
    is_said: bool,
}

/// The empty page.
pub(super) async fn form() -> Response {
    show(StatusCode::OK, AskPage::default())
}

/// The page with an answer.
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    caller: Caller,
    form: Result<Form<AskForm>, FormRejection>,
) -> Response {
    let form = match form {
        Ok(Form(form)) => form,
        Err(rejection) => {
            let page = AskPage {
                problem: "没有收到问题，请重新填写。".to_owned(),
                ..AskPage::default()
            };
            return show(rejection.status(), page);
        }
    };
    let query = form.question.trim().to_owned();
    if let Some(problem) = refused(&query) {
        let page = AskPage {
            problem,
            retry: query.chars().take(MAX_CHARS).collect(),
            history: form.history,
            ..AskPage::default()
        };
        return show(StatusCode::UNPROCESSABLE_ENTITY, page);
    }
    let history = before(&form.history);
    let question = Question {
        query: query.clone(),
        history: history.clone(),
        as_of: None,
        filters: Default::default(),
        sight: caller.sight().clone(),
        style: Style::Full,
    };
    match said(&app, question, 0).await {
        Ok(answer) => show(StatusCode::OK, AskPage::of(answer, query, history)),
        Err(problem) => {
            let page = AskPage {
                problem: told(&problem),
                retry: query,
                history: form.history,
                ..AskPage::default()
            };
            show(problem.status(), page)
        }
    }
}

/// Why a question is not asked.
fn refused(query: &str) -> Option<String> {
    if query.is_empty() {
        return Some("请先填写问题。".to_owned());
    }
    let n_chars = query.chars().count();
    (n_chars > MAX_CHARS).then(|| format!("问题有{n_chars}个字，请控制在{MAX_CHARS}个字以内。"))
}

/// The last questions before, as the page sent them.
fn before(history: &str) -> Vec<String> {
    let lines: Vec<&str> = history
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines.len().saturating_sub(MAX_BEFORE);
    lines[last..]
        .iter()
        .map(|line| line.chars().take(MAX_CHARS).collect())
        .collect()
}

/// A problem in a citizen's words.
fn told(problem: &Problem) -> String {
    let words = if problem.is(ProblemKind::NotReady) {
        "系统正在准备，请稍后再试。"
    } else if problem.is(ProblemKind::Overloaded) {
        "现在提问的人较多，请稍后再试。"
    } else {
        "暂时无法回答，请稍后再试，或拨打12345。"
    };
    words.to_owned()
}

impl AskPage {
    fn of(answer: Answer, asked: String, mut history: Vec<String>) -> Self {
        let pieces = answer.spans.iter().map(|piece| PagePiece {
            text: piece
                .span
                .of(&answer.citations[piece.citation].text)
                .trim()
                .to_owned(),
            source: piece.citation + 1,
        });
        let pieces: Vec<PagePiece> = pieces.collect();
        let sources = answer.citations.iter().enumerate().map(|(at, hit)| {
            let spans = answer.spans.iter().filter(|piece| piece.citation == at);
            PageSource::of(at + 1, hit, spans.map(|piece| piece.span).collect())
        });
        let sources = sources.collect();
        // One question a line.
        history.push(asked.split_whitespace().collect::<Vec<_>>().join(" "));
        Self {
            history: history[history.len().saturating_sub(MAX_BEFORE)..].join("\n"),
            pieces,
            sources,
            asked,
            short: answer.short,
            follow_up: answer.follow_up,
            department: answer.hand_over.department.unwrap_or_default(),
            phones: answer.hand_over.phones,
            ..Self::default()
        }
    }
}

impl PageSource {
    fn of(number: usize, hit: &Hit, mut said: Vec<ByteSpan>) -> Self {
        said.sort_unstable();
        let mut parts = Vec::new();
        let mut done = 0;
        let mut push = |span: ByteSpan, is_said: bool| {
            if span.start < span.end {
                let text = span.of(&hit.text).to_owned();
                parts.push(PagePart { text, is_said });
            }
        };
        for span in &said {
            push(ByteSpan::new(done, span.start), false);
            push(*span, true);
            done = span.end;
        }
        push(ByteSpan::new(done, hit.text.len()), false);
        Self {
            number,
            title: hit.title.clone(),
            about: about(hit),
            heading: hit.heading.clone(),
            is_said: !said.is_empty(),
            href: original_of(&hit.document_id),
            parts,
        }
    }
}

/// Where the file of a document is read.
fn original_of(document_id: &str) -> String {
    format!(
        "/v1/documents/{}/original",
        utf8_percent_encode(document_id, NON_ALPHANUMERIC)
    )
}

/// What makes a source trustworthy, in one line.
fn about(hit: &Hit) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(hit.issuer.clone().or_else(|| hit.department.clone()));
    parts.extend(hit.doc_no.clone());
    parts.extend(hit.effective_from.map(|day| format!("{day}起施行")));
    parts.extend(hit.effective_to.map(|day| format!("有效期至{day}")));
    if hit.effective_from.is_none() {
        parts.extend(hit.published_at.map(|day| format!("{day}发布")));
    }
    parts.push(
        match hit.validity {
            Validity::InForce => "现行有效",
            Validity::NotYet => "尚未施行",
            Validity::Expired => "已失效",
            Validity::Repealed => "已废止",
        }
        .to_owned(),
    );
    parts.extend(hit.citation.page.map(|page| format!("第{page}页")));
    parts.join(" · ")
}

fn show(status: StatusCode, page: AskPage) -> Response {
    let page = AskPage {
        max_chars: MAX_CHARS,
        ..page
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        // With `no-referrer` browsers hide even from this server that the form is its own.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    match page.render() {
        Ok(html) => (status, headers, Html(html)).into_response(),
        Err(error) => Problem::internal(format_args!("the page could not be written: {error}"))
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_escaped() {
        let page = AskPage {
            asked: "<script>alert(1)</script>".to_owned(),
            short: "a & b".to_owned(),
            retry: "</textarea><img src=x>".to_owned(),
            history: "\"><b>".to_owned(),
            ..AskPage::default()
        };
        let html = page.render().unwrap();
        for bad in ["<script>", "<img", "\"><b>", "a & b"] {
            assert!(!html.contains(bad), "{bad}");
        }
    }

    #[test]
    fn the_last_questions_go_along() {
        let before = before("一\n\n 二 \n三\n四");
        assert_eq!(before, ["二", "三", "四"]);
        assert_eq!(refused(" ".trim()).as_deref(), Some("请先填写问题。"));
        assert!(refused(&"问".repeat(501)).is_some_and(|told| told.contains("501")));
        assert_eq!(refused("居住证怎么办"), None);
    }
}
