//! `zhiku eval --calls`: measure what agents would have seen during calls.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::output::{print, print_line};
use super::workplace::open_retriever;
use crate::assist::{Attributes, Call, Recommendation, Speaker, Utterance};
use crate::config::Config;
use crate::evaluation::run::percentile_ms;
use crate::evaluation::{CallMeasures, JudgedCall, Screen, read_calls};
use crate::retrieval::Retriever;

pub fn run(config: &Config, path: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let calls = read_calls(path)?;
    let retriever = open_retriever(config)?;
    let mut times = Vec::new();
    let mut measured = Vec::new();
    let mut text = String::new();
    for call in &calls {
        let screens = play(config, &retriever, call, &mut times)?;
        let measures = CallMeasures::of(call, &screens);
        text.push_str(&told(call, &screens, &measures));
        measured.push((call.id.clone(), measures));
    }
    times.sort_unstable();
    let sum = CallMeasures::sum(measured.iter().map(|(_, measures)| measures));
    if as_json {
        let calls: Vec<_> = measured
            .iter()
            .map(|(id, measures)| json!({"id": id, "measures": measures}))
            .collect();
        let report = json!({
            "n_calls": calls.len(),
            "measures": sum,
            "calls": calls,
            "timing": {
                "utterance_ms_p50": percentile_ms(&times, 0.50),
                "utterance_ms_p99": percentile_ms(&times, 0.99),
            },
        });
        print_line(&report.to_string())?;
    } else {
        print(&text)?;
        print_line(&format!(
            "{} calls, {} marks: {} first, {} in the first three; {} false alarms in {} quiet \
             turns; {} flickers; scripts came up {} times",
            calls.len(),
            sum.n_marks,
            sum.n_hits_at_1,
            sum.n_hits_at_3,
            sum.n_false_alarms,
            sum.n_quiet_turns,
            sum.n_flickers,
            sum.n_scripts
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is on the screen after every turn of a call.
fn play(
    config: &Config,
    retriever: &Retriever,
    judged: &JudgedCall,
    times: &mut Vec<Duration>,
) -> anyhow::Result<Vec<Screen>> {
    let settings = config.assist_settings();
    let mut call = Call::new(&judged.id);
    let mut screens = Vec::new();
    let (mut answers_before, mut script_before) = (Vec::new(), Vec::new());
    for (n, turn) in judged.turns.iter().enumerate() {
        let utterance = Utterance {
            id: n.to_string(),
            speaker: match turn.speaker.as_str() {
                "agent" => Speaker::Agent,
                _ => Speaker::Caller,
            },
            text: turn.text.clone(),
            is_final: true,
            at: None,
            labels: Default::default(),
        };
        let began = std::time::Instant::now();
        let changed = call.hear(
            utterance,
            &Attributes::default(),
            &|request| retriever.search(request),
            &settings,
        )?;
        times.push(began.elapsed());
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let files = |items: &[Recommendation]| -> Vec<String> {
            let paths = items.iter().map(|item| name(&item.hit.citation.path));
            paths.collect()
        };
        let (answers, script) = call.latest().map_or((&[][..], &[][..]), |latest| {
            (&latest.items[..], &latest.script[..])
        });
        let has_changed = |ids: Vec<&str>, before: &mut Vec<String>| {
            let is_new = ids != *before;
            *before = ids.into_iter().map(str::to_owned).collect();
            is_new
        };
        screens.push(Screen {
            files: files(answers),
            is_changed: has_changed(ids(answers), &mut answers_before),
            has_new_script: has_changed(ids(script), &mut script_before),
        });
        if let Some(changed) = changed.shown {
            for item in &changed.items {
                tracing::debug!(call = judged.id, turn = n, confidence = item.confidence, title = item.hit.title, say = item.say, why = ?item.why, signals = ?item.hit.signals, "recommended");
            }
        }
    }
    Ok(screens)
}

fn ids(items: &[Recommendation]) -> Vec<&str> {
    items.iter().map(|item| item.id.as_str()).collect()
}

/// A call turn by turn, for reading what went wrong.
fn told(call: &JudgedCall, screens: &[Screen], measures: &CallMeasures) -> String {
    let mut text = format!(
        "{}: {} of {} marks in the first three, {} first; {} false alarms, {} flickers\n",
        call.id,
        measures.n_hits_at_3,
        measures.n_marks,
        measures.n_hits_at_1,
        measures.n_false_alarms,
        measures.n_flickers
    );
    for (n, (turn, screen)) in call.turns.iter().zip(screens).enumerate() {
        let wanted: Vec<&str> = call
            .expect
            .iter()
            .filter(|expected| expected.after_turn == n)
            .map(|expected| expected.file.as_str())
            .collect();
        text.push_str(&format!("  {n:>2} {:<7}{}\n", turn.speaker, turn.text));
        if screen.is_changed || !wanted.is_empty() {
            let sign = if screen.is_changed { "→" } else { "=" };
            text.push_str(&format!("     {sign} {}\n", screen.files.join(" | ")));
        }
        for wanted in wanted {
            text.push_str(&format!("     * {wanted}\n"));
        }
    }
    text
}
