//! `zhiku check`: what editors should mend.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use rayon::prelude::*;
use serde_json::json;

use super::Places;
use super::output::{print, print_line};
use super::workplace::limits;
use crate::corpus::check::{FileFinding, check};
use crate::corpus::load::{LoadContext, load_file};
use crate::corpus::walk::walk;
use crate::sync::SyncError;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// File or folder inside the corpus; everything when left out
    path: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Reads the whole corpus, because documents are compared with each other, and lists the findings
/// of the part that was asked for. Exit code 1 when there is an error among them.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    crate::telemetry::start_logging(&config.log)?;
    let root = &config.corpus.path;
    let part = match &arguments.path {
        Some(path) => inside(root, path)?,
        None => String::new(),
    };
    let walked = walk(root).map_err(|source| SyncError::Corpus {
        path: root.clone(),
        source,
    })?;
    let context = LoadContext {
        limits: limits(&config),
        ..LoadContext::of_corpus(root)
    };
    let mut outcomes: Vec<_> = walked
        .files
        .par_iter()
        .map(|file| (file.path.clone(), load_file(file, &context)))
        .collect();
    outcomes.extend(walked.skipped);
    let today = jiff::Timestamp::now().to_zoned(config.time_zone()?).date();
    let mut findings = check(&outcomes, context.defaults.findings(), today);
    findings.retain(|found| is_within(&found.path, &part));

    if arguments.json {
        print_line(&to_json(&findings).to_string())?;
    } else {
        print(&to_text(&findings, outcomes.len()))?;
    }
    let has_errors = findings.iter().any(|found| found.finding.error);
    Ok(if has_errors {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// `path` relative to the corpus, `/`-separated; given relative to it or to the working directory.
fn inside(root: &Path, path: &Path) -> anyhow::Result<String> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    if !root.join(relative).exists() || relative.is_absolute() {
        bail!(
            "{} is no file or folder inside the corpus {}",
            path.display(),
            root.display()
        );
    }
    let parts: Vec<_> = relative
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    Ok(parts.join("/"))
}

fn is_within(path: &str, part: &str) -> bool {
    part.is_empty()
        || path
            .strip_prefix(part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn to_json(findings: &[FileFinding]) -> serde_json::Value {
    let listed: Vec<_> = findings
        .iter()
        .map(|found| {
            json!({
                "path": found.path,
                "severity": if found.finding.error { "error" } else { "warning" },
                "code": found.finding.code,
                "message": found.finding.message,
            })
        })
        .collect();
    let n_errors = findings.iter().filter(|found| found.finding.error).count();
    json!({"n_errors": n_errors, "n_warnings": findings.len() - n_errors, "findings": listed})
}

fn to_text(findings: &[FileFinding], n_files: usize) -> String {
    let mut text = String::new();
    let mut path = "";
    for found in findings {
        if found.path != path {
            path = &found.path;
            text.push_str(&format!("{path}\n"));
        }
        let label = if found.finding.error {
            "错误"
        } else {
            "提示"
        };
        text.push_str(&format!(
            "  {label} [{}] {}\n",
            found.finding.code, found.finding.message
        ));
    }
    let n_errors = findings.iter().filter(|found| found.finding.error).count();
    let n_hints = findings.len() - n_errors;
    text.push_str(&format!(
        "共检查 {n_files} 个文件：{n_errors} 个错误，{n_hints} 个提示\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_what_is_below_it_and_not_what_begins_like_it() {
        assert!(is_within("市人社局/a.md", "市人社局"));
        assert!(is_within("市人社局/a.md", "市人社局/a.md"));
        assert!(!is_within("市人社局二处/a.md", "市人社局"));
        assert!(is_within("a.md", ""));
    }
}
