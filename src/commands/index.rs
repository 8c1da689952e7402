//! `zhiku index`: bring the index up to date once.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::Places;
use super::output::{print, print_line};
use super::progress::Console;
use super::workplace::Workplace;
use crate::records::FileOutcome;
use crate::sync::{Progress, Summary};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Read every file again and build everything anew
    #[arg(long)]
    full: bool,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    crate::telemetry::start_logging(&config.log)?;
    let console = Console::new();
    let mut workplace = Workplace::open(&config)?;
    let summary = workplace.bring_up_to_date(arguments.full, &console)?;
    let began = Instant::now();
    let n_shown = AtomicUsize::new(0);
    workplace.index.build_graph(
        &|n_done, n_nodes| {
            let before = n_shown.swap(n_done, Ordering::Relaxed);
            if before == 0 {
                console.stage("构建向量图", n_nodes as u64);
            }
            console.advance(n_done.saturating_sub(before) as u64);
        },
        &AtomicBool::new(false),
    )?;
    let graph_ms = began.elapsed().as_millis() as u64;
    console.finish();
    if arguments.json {
        print_line(&to_json(&summary, graph_ms).to_string())?;
    } else {
        print(&to_text(&summary))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn to_json(summary: &Summary, graph_ms: u64) -> serde_json::Value {
    let listed = |outcome: FileOutcome| -> Vec<_> {
        summary
            .problems
            .iter()
            .filter(|problem| problem.outcome == outcome)
            .map(|problem| json!({"path": problem.path, "reason": problem.reason}))
            .collect()
    };
    json!({
        "generation": summary.generation,
        "rebuilt": summary.rebuilt,
        "files": {
            "total": summary.n_files,
            "added": summary.n_added,
            "modified": summary.n_modified,
            "removed": summary.n_removed,
            "unchanged": summary.n_unchanged,
        },
        "n_documents": summary.n_documents,
        "n_passages": summary.n_passages,
        "failed": listed(FileOutcome::Failed),
        "no_text": listed(FileOutcome::NoText),
        "skipped": listed(FileOutcome::Skipped),
        "timing": {"searchable_ms": summary.searchable_ms, "graph_ms": graph_ms},
    })
}

/// The summary for a person: one line, then one per file that is not in the index.
pub(super) fn to_text(summary: &Summary) -> String {
    let mut text = format!(
        "第 {} 代：{} 个文档，{} 个片段；文件共 {} 个，新增 {}、修改 {}、删除 {}、未变 {}；用时 {} 毫秒\n",
        summary.generation,
        summary.n_documents,
        summary.n_passages,
        summary.n_files,
        summary.n_added,
        summary.n_modified,
        summary.n_removed,
        summary.n_unchanged,
        summary.searchable_ms,
    );
    for problem in &summary.problems {
        let label = match problem.outcome {
            FileOutcome::Loaded => continue,
            FileOutcome::Failed => "无法读取",
            FileOutcome::NoText => "没有文字",
            FileOutcome::Skipped => "已跳过",
        };
        text.push_str(&format!(
            "  {label}  {}：{}\n",
            problem.path, problem.reason
        ));
    }
    text
}
