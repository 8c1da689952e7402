//! `zhiku replay`: play kept calls again, against this index and configuration or against two.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::json;

use super::Places;
use super::output::{print, print_line};
use super::workplace::open_retriever;
use crate::assist::{Attributes, Call, Recommendation, Recommendations, Settings};
use crate::call_records::{FeedbackKind, KeptCall, KeptEvent};
use crate::config::{Config, Overrides, process_environment};
use crate::retrieval::Retriever;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Calls as `zhiku calls export` and `GET /v1/calls/{id}/export` write them
    file: PathBuf,
    /// Compare with another index folder, or with another configuration (a .toml file)
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Rules in force on this day instead of today, e.g. 2026-11-20
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let calls = read_calls(&arguments.file)?;
    let stage = Stage::open(&config, arguments.as_of)?;
    match &arguments.against {
        None => play_all(&stage, &calls, arguments.json)?,
        Some(path) => {
            let other = Stage::open(&other_config(&config, path)?, arguments.as_of)?;
            compare(&stage, &other, &calls, arguments.json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The same configuration over another index, or another one.
fn other_config(config: &Config, path: &Path) -> anyhow::Result<Config> {
    if path.is_dir() {
        let mut other = config.clone();
        other.index.path = path.to_owned();
        return Ok(other);
    }
    if !path.exists() {
        bail!(
            "--against {}: there is no such folder or file",
            path.display()
        );
    }
    let other = Config::load(Some(path), process_environment(), &Overrides::default());
    other.with_context(|| format!("--against {}", path.display()))
}

/// Calls from lines of JSON.
fn read_calls(path: &Path) -> anyhow::Result<Vec<KeptCall>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(line, json)| {
            serde_json::from_str(json)
                .with_context(|| format!("{}:{line}: not a call as it is exported", path.display()))
        })
        .collect()
}

/// What calls are played against.
struct Stage {
    retriever: Retriever,
    settings: Settings,
}

impl Stage {
    /// Nothing here depends on the clock but the day, and nothing on how fast the machine is.
    fn open(config: &Config, as_of: Option<Date>) -> anyhow::Result<Self> {
        let retriever = open_retriever(config)?;
        let day = as_of.unwrap_or_else(|| retriever.today());
        Ok(Self {
            retriever,
            settings: Settings {
                patience: None,
                as_of: Some(day),
                ..config.assist_settings()
            },
        })
    }

    /// What the agent sees after every utterance that changes it, or after all of them.
    fn play(&self, kept: &KeptCall, mut see: impl FnMut(Moment<'_>)) -> anyhow::Result<()> {
        let known = Attributes {
            agent: kept.agent.clone(),
            region: kept.region.clone(),
            channel: kept.channel.clone(),
        };
        let mut call = Call::new(&kept.call_id);
        for event in &kept.events {
            match event {
                KeptEvent::Utterance(utterance) => {
                    let search = |request: &_| self.retriever.search(request);
                    let heard = call
                        .hear(utterance.clone(), &known, &search, &self.settings)
                        .with_context(|| format!("call {}", kept.call_id))?;
                    let Some(asked) = heard.asked else {
                        continue;
                    };
                    see(Moment {
                        utterance_id: &utterance.id,
                        question: &asked.question,
                        changed: heard.shown.as_deref(),
                        screen: call.latest().map_or(&[], |latest| &latest.items),
                    });
                }
                KeptEvent::Feedback {
                    kind: FeedbackKind::Dismissed,
                    recommendation_id,
                    passage_id,
                    ..
                } => dismiss(&mut call, recommendation_id.as_deref(), passage_id),
                KeptEvent::Feedback { .. } => {}
            }
        }
        Ok(())
    }
}

/// What was dismissed then or, where its text is another now, the same passage.
fn dismiss(call: &mut Call, recommendation_id: Option<&str>, passage_id: &str) {
    if recommendation_id.is_some_and(|id| call.dismiss(id)) {
        return;
    }
    let shown = call.latest().and_then(|latest| {
        let mut items = latest.items.iter().chain(&latest.script);
        items.find(|item| item.hit.passage_id == passage_id)
    });
    if let Some(id) = shown.map(|item| item.id.clone()) {
        call.dismiss(&id);
    }
}

/// A question of a call.
struct Moment<'m> {
    utterance_id: &'m str,
    question: &'m str,
    changed: Option<&'m Recommendations>,
    screen: &'m [Recommendation],
}

/// An answer on the screen.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Shown {
    document_id: String,
    passage_id: String,
    title: String,
    confidence: f32,
}

impl Shown {
    fn of(item: &Recommendation) -> Self {
        Self {
            document_id: item.hit.document_id.clone(),
            passage_id: item.hit.passage_id.clone(),
            title: item.hit.title.clone(),
            confidence: item.confidence,
        }
    }

    fn all(items: &[Recommendation]) -> Vec<Self> {
        items.iter().map(Self::of).collect()
    }
}

/// Prints what the agent would see: the same bytes for the same calls, index, configuration and day.
fn play_all(stage: &Stage, calls: &[KeptCall], as_json: bool) -> anyhow::Result<()> {
    for kept in calls {
        let mut text = String::new();
        stage.play(kept, |moment| {
            let Some(changed) = moment.changed else {
                return;
            };
            text.push_str(&match as_json {
                true => event_json(&kept.call_id, changed),
                false => event_text(&kept.call_id, changed),
            });
        })?;
        print(&text)?;
    }
    Ok(())
}

fn event_json(call_id: &str, event: &Recommendations) -> String {
    let said = |items: &[Recommendation]| -> Vec<_> {
        let items = items.iter();
        items
            .map(|item| {
                json!({
                    "document_id": item.hit.document_id,
                    "passage_id": item.hit.passage_id,
                    "title": item.hit.title,
                    "say": item.say,
                    "confidence": item.confidence,
                    "why": item.why,
                })
            })
            .collect()
    };
    let degraded: Vec<&str> = event.degraded.iter().map(|why| why.name()).collect();
    let event = json!({
        "call_id": call_id,
        "revision": event.revision,
        "after_utterance": event.after_utterance,
        "generation": event.generation,
        "question": event.question,
        "items": said(&event.items),
        "script": said(&event.script),
        "degraded": degraded,
    });
    format!("{event}\n")
}

fn event_text(call_id: &str, event: &Recommendations) -> String {
    let mut text = format!("{call_id} {} {}\n", event.after_utterance, event.question);
    for item in event.items.iter().chain(&event.script) {
        text.push_str(&format!(
            "  {:.2} {}：{}\n",
            item.confidence, item.hit.title, item.say
        ));
    }
    text
}

/// What two stages make of the same questions.
#[derive(Debug, Default, Serialize)]
struct Comparison {
    n_calls: usize,
    n_questions: usize,
    /// The screen differs.
    n_changed: usize,
    /// Another answer stands first.
    n_first_changed: usize,
    /// Nothing was on the screen, now something is.
    n_appeared: usize,
    /// Something was on the screen, now nothing is.
    n_disappeared: usize,
}

/// Prints every question after which the screens differ, and how many there are. The changes of one
/// retriever and configuration to another: `before` is this one.
fn compare(before: &Stage, after: &Stage, calls: &[KeptCall], as_json: bool) -> anyhow::Result<()> {
    let mut sum = Comparison::default();
    for kept in calls {
        sum.n_calls += 1;
        // The same questions are asked of both, in the same order.
        let mut screens = Vec::new();
        before.play(kept, |moment| screens.push(Shown::all(moment.screen)))?;
        let mut screens = screens.into_iter();
        let mut text = String::new();
        after.play(kept, |moment| {
            let now = Shown::all(moment.screen);
            let was = screens.next().unwrap_or_default();
            sum.add(&was, &now);
            if is_same(&was, &now) {
                return;
            }
            text.push_str(&match as_json {
                true => format!(
                    "{}\n",
                    json!({
                        "call_id": kept.call_id,
                        "after_utterance": moment.utterance_id,
                        "question": moment.question,
                        "before": was,
                        "after": now,
                    })
                ),
                false => format!(
                    "{} {} {}\n  - {}\n  + {}\n",
                    kept.call_id,
                    moment.utterance_id,
                    moment.question,
                    listed(&was),
                    listed(&now)
                ),
            });
        })?;
        print(&text)?;
    }
    match as_json {
        true => print_line(&serde_json::to_string(&sum)?),
        false => print_line(&format!(
            "{} calls, {} questions: {} differ, {} of them in the first answer; {} appeared, {} disappeared",
            sum.n_calls,
            sum.n_questions,
            sum.n_changed,
            sum.n_first_changed,
            sum.n_appeared,
            sum.n_disappeared
        )),
    }
}

impl Comparison {
    fn add(&mut self, was: &[Shown], now: &[Shown]) {
        let first = |screen: &[Shown]| screen.first().map(|shown| shown.document_id.clone());
        self.n_questions += 1;
        self.n_changed += usize::from(!is_same(was, now));
        self.n_first_changed += usize::from(first(was) != first(now));
        self.n_appeared += usize::from(was.is_empty() && !now.is_empty());
        self.n_disappeared += usize::from(!was.is_empty() && now.is_empty());
    }
}

/// Whether an agent sees the same: passages in the same order.
fn is_same(was: &[Shown], now: &[Shown]) -> bool {
    let ids = |screen: &[Shown]| -> Vec<String> {
        let ids = screen.iter().map(|shown| shown.passage_id.clone());
        ids.collect()
    };
    ids(was) == ids(now)
}

fn listed(screen: &[Shown]) -> String {
    let titles = screen
        .iter()
        .map(|shown| format!("{} {:.2}", shown.title, shown.confidence));
    match screen.is_empty() {
        true => "（无）".to_owned(),
        false => titles.collect::<Vec<_>>().join(" | "),
    }
}
