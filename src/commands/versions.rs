//! `zhiku versions`: the states that a document had.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Places;
use super::output::{print, print_line};
use super::workplace::records_path;
use crate::config::Config;
use crate::document::{Audience, Document};
use crate::http::versions_json;
use crate::records::{Records, Version};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The document's id; of a file that holds one document, its path in the corpus
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let time_zone = config.time_zone()?;
    let versions = versions_of(&open_records(&config)?, &arguments.id)?;
    if arguments.json {
        print_line(&versions_json(&arguments.id, &versions).to_string())?;
    } else {
        for version in &versions {
            print(&line(version, &arguments.id, &time_zone))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The records beside whoever writes them.
pub(super) fn open_records(config: &Config) -> anyhow::Result<Records> {
    Records::open_read_only(&records_path(config))
        .context("no versions are kept; `zhiku serve` or `zhiku index` keeps them")
}

/// The states of a document, newest first; at least one.
pub(super) fn versions_of(records: &Records, id: &str) -> anyhow::Result<Vec<Version>> {
    let versions = records.versions(id)?;
    if versions.is_empty() {
        bail!(
            "no version of a document {id:?} is kept; an id is the path in the corpus, with `#` and \
             the row for a row of a table, unless the document states another"
        );
    }
    Ok(versions)
}

/// One state of a document.
pub(super) fn version_of(
    records: &Records,
    id: &str,
    number: u32,
) -> anyhow::Result<(Version, Document)> {
    let versions = versions_of(records, id)?;
    if let Some(found) = records.version(id, number)? {
        return Ok(found);
    }
    let known: Vec<String> = versions
        .iter()
        .rev()
        .map(|v| v.number.to_string())
        .collect();
    bail!(
        "{id:?} has no version {number}; there are: {}",
        known.join(", ")
    )
}

/// A moment as an editor reads it.
pub(super) fn shown_time(time: Timestamp, time_zone: &TimeZone) -> String {
    let time = time.to_zoned(time_zone.clone());
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// One state as an editor reads it.
fn line(version: &Version, id: &str, time_zone: &TimeZone) -> String {
    let until = match version.ended_at {
        None => "至今".to_owned(),
        Some(ended_at) => format!("至 {}", shown_time(ended_at, time_zone)),
    };
    let audience = match version.audience {
        Audience::Public => "公众",
        Audience::Agent => "坐席",
        Audience::Internal => "内部",
    };
    let place = match version.document_id == id {
        true => String::new(),
        false => format!("  当时为 {}", version.document_id),
    };
    format!(
        "第{}版  {} {until}  {} 段  {audience}  {}{place}\n",
        version.number,
        shown_time(version.searchable_at, time_zone),
        version.n_passages,
        version.title,
    )
}
