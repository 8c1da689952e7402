//! `zhiku diff`: what differs between two states of a document.

use std::process::ExitCode;

use clap::Args;

use super::Places;
use super::output::print;
use super::versions::{open_records, shown_time, version_of};
use crate::corpus::metadata::value::Value;
use crate::document::{Document, Passage};
use crate::records::{Difference, KeyChange, PassageChange, compare, compare_metadata};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The document's id
    id: String,
    /// Number of the earlier version
    from: u32,
    /// Number of the later version
    to: u32,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let time_zone = config.time_zone()?;
    let records = open_records(&config)?;
    let (from, old) = version_of(&records, &arguments.id, arguments.from)?;
    let (to, new) = version_of(&records, &arguments.id, arguments.to)?;
    let mut text = format!(
        "{}：第{}版（{}）→ 第{}版（{}）\n",
        arguments.id,
        from.number,
        shown_time(from.searchable_at, &time_zone),
        to.number,
        shown_time(to.searchable_at, &time_zone),
    );
    text.push_str(&to_text(&old, &new));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What differs, as an editor reads it.
fn to_text(old: &Document, new: &Document) -> String {
    let mut text: String = compare_metadata(old, new).iter().map(key_line).collect();
    let changes = compare(old, new);
    let count = |difference| {
        changes
            .iter()
            .filter(|c| c.difference == difference)
            .count()
    };
    for change in changes.iter().filter(|c| c.difference != Difference::Same) {
        text.push_str(&passage_lines(change, old, new));
    }
    text.push_str(&format!(
        "\n共 {} 段相同，{} 段修改，{} 段删除，{} 段新增。\n",
        count(Difference::Same),
        count(Difference::Changed),
        count(Difference::Removed),
        count(Difference::Added),
    ));
    text
}

fn key_line(change: &KeyChange) -> String {
    let shown = |value: &Option<Value>| match value {
        None => "（无）".to_owned(),
        Some(value) => plain(value),
    };
    let (from, to) = (shown(&change.from), shown(&change.to));
    format!("  {}：{from} → {to}\n", change.key)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::List(items) => items.iter().map(plain).collect::<Vec<_>>().join("；"),
        Value::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{key}：{}", plain(value)));
            entries.collect::<Vec<_>>().join("；")
        }
    }
}

fn passage_lines(change: &PassageChange<'_>, old: &Document, new: &Document) -> String {
    let title = match change.difference {
        Difference::Same => "相同",
        Difference::Changed => "修改",
        Difference::Removed => "删除",
        Difference::Added => "新增",
    };
    let heading = change.to.or(change.from).map(|p| p.heading.join(" › "));
    let heading = heading.unwrap_or_default();
    let mut text = format!("\n【{title}】{heading}\n");
    let mut side = |mark: char, document: &Document, passage: Option<&Passage>| {
        for line in passage.map_or("", |p| document.passage_text(p)).lines() {
            text.push_str(&format!("{mark} {line}\n"));
        }
    };
    side('-', old, change.from);
    side('+', new, change.to);
    text
}
