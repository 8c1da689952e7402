//! `zhiku eval --answers`: measure what the public would be told.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;

use super::output::{print, print_line};
use super::workplace::open_retriever;
use crate::answer::{Answer, Question, Settings, Style, respond};
use crate::config::Config;
use crate::document::Audience;
use crate::evaluation::run::percentile_ms;
use crate::evaluation::{AnswerMeasures, JudgedQuestions, outcome};

/// How much of an answer is shown.
const SHOWN_CHARS: usize = 80;

pub fn run(
    config: &Config,
    folder: &Path,
    max_risk: Option<f32>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let questions = JudgedQuestions::read(folder)?;
    let retriever = open_retriever(config)?;
    let configured = config.answer_settings();
    let settings = Settings {
        max_risk: max_risk.unwrap_or(configured.max_risk),
        ..configured
    };
    let mut times = Vec::new();
    let mut ask = |query: &str| {
        let began = Instant::now();
        let answer = respond(
            &|request| retriever.search(request),
            &question(query),
            &settings,
        );
        times.push(began.elapsed());
        answer
    };
    let mut measures = AnswerMeasures::default();
    let mut text = String::new();
    for question in &questions.answerable {
        let answer = ask(&question.query)?;
        let outcome = outcome(answer.text().as_deref(), question);
        measures.add(outcome);
        text.push_str(&told(
            &format!("{outcome:?}"),
            &question.id,
            &question.query,
            &answer,
        ));
    }
    for question in &questions.unanswerable {
        let answer = ask(&question.query)?;
        measures.add_unanswerable(&question.kind, answer.reason.is_none());
        text.push_str(&told(
            &question.kind,
            &question.id,
            &question.query,
            &answer,
        ));
    }
    times.sort_unstable();
    let n_answered = measures.n_right + measures.n_wrong;
    if as_json {
        let report = json!({
            "max_risk": settings.max_risk,
            "measures": measures,
            "timing": {
                "answer_ms_p50": percentile_ms(&times, 0.50),
                "answer_ms_p99": percentile_ms(&times, 0.99),
            },
        });
        print_line(&report.to_string())?;
    } else {
        print(&text)?;
        print_line(&format!(
            "{} answerable: {} answered, {} right ({} word for word), {} wrong",
            measures.n_answerable,
            n_answered,
            measures.n_right,
            measures.n_verbatim,
            measures.n_wrong
        ))?;
        for (kind, (n, n_answered)) in &measures.unanswerable {
            print_line(&format!("{n} {kind}: {n_answered} answered"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn question(query: &str) -> Question {
    Question {
        query: query.to_owned(),
        history: Vec::new(),
        as_of: None,
        filters: Default::default(),
        sight: Audience::Public.into(),
        style: Style::Full,
    }
}

fn told(outcome: &str, id: &str, query: &str, answer: &Answer) -> String {
    let said = match answer.reason {
        Some(reason) => format!("[{}] {}", reason.name(), answer.short),
        None => answer.text().unwrap_or_default().replace('\n', "⏎"),
    };
    let said: String = said.chars().take(SHOWN_CHARS).collect();
    let source = answer.citations.first().map_or("", |hit| &hit.passage_id);
    format!(
        "{id} {outcome:<10} {:.3} {query}\n     → {said}\n       {source}\n",
        answer.confidence
    )
}
