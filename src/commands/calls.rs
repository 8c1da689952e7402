//! `zhiku calls export`: what is kept of calls, as lines of JSON.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;

use super::Places;
use super::output::print_line;
use super::workplace::call_records_path;
use crate::call_records::CallReader;

#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Print calls, a line of JSON each, oldest first; personal data is masked
    Export(Export),
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    places: Places,
    /// First day on which they began, e.g. 2026-11-01
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Last day on which they began, included
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
}

pub fn run(subcommand: Subcommands) -> anyhow::Result<ExitCode> {
    let Subcommands::Export(arguments) = subcommand;
    let config = arguments.places.config()?;
    let zone = config.time_zone()?;
    let start =
        |day: Date| -> anyhow::Result<Timestamp> { Ok(day.to_zoned(zone.clone())?.timestamp()) };
    let from = arguments.from.map_or(Ok(Timestamp::MIN), start)?;
    let to = match arguments.to {
        Some(day) => start(day.tomorrow()?)?,
        None => Timestamp::MAX,
    };
    let path = call_records_path(&config);
    if !path.exists() {
        eprintln!(
            "zhiku: no call was kept yet in {}",
            config.index.path.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    CallReader::open(&path)?.for_each_call(from, to, |call| {
        let line = serde_json::to_string(&call).context("a call cannot be written as JSON")?;
        print_line(&line)
    })?;
    Ok(ExitCode::SUCCESS)
}
