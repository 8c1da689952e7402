//! `zhiku changes`: what became searchable, and when.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use jiff::tz::TimeZone;

use super::Places;
use super::output::{print, print_line};
use super::workplace::records_path;
use crate::http::receipt_json;
use crate::records::{Change, Receipt, Records};

/// How often the records are looked at for news.
const POLL: Duration = Duration::from_millis(200);
/// Receipts read at a time.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Only receipts after this number [default: the last 20]
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Go on printing what happens, until interrupted
    #[arg(long)]
    follow: bool,
    /// One JSON object to a line
    #[arg(long)]
    json: bool,
}

/// Receipts shown when none are asked for by number.
const DEFAULT_SHOWN: u64 = 20;

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    let time_zone = config.time_zone()?;
    let path = records_path(&config);
    let records = Records::open_read_only(&path)
        .context("there are no receipts; `zhiku serve` or `zhiku index` writes them")?;
    let mut after = match arguments.after {
        Some(after) => after,
        None => records.last_seq()?.saturating_sub(DEFAULT_SHOWN),
    };
    loop {
        let receipts = records.receipts_after(after, PAGE)?;
        for receipt in &receipts {
            match arguments.json {
                true => print_line(&receipt_json(receipt).to_string())?,
                false => print(&line(receipt, &time_zone))?,
            }
        }
        match receipts.last() {
            Some(last) => after = last.seq,
            None if arguments.follow => std::thread::sleep(POLL),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// One receipt as an editor reads it.
fn line(receipt: &Receipt, time_zone: &TimeZone) -> String {
    let what = &receipt.what;
    let time = receipt.searchable_at.to_zoned(time_zone.clone());
    let change = match what.change {
        Change::Added => "新增",
        Change::Modified => "修改",
        Change::Moved => "移动",
        Change::Removed => "删除",
        Change::Failed => "失败",
    };
    let path = match &what.from {
        Some(from) => format!("{from} → {}", what.path),
        None => what.path.clone(),
    };
    let about = match &what.error {
        Some(reason) if what.n_passages > 0 => format!("{reason}（继续提供上一版）"),
        Some(reason) => reason.clone(),
        None => format!("{} 段，{} 毫秒后可检索", what.n_passages, receipt.lag_ms()),
    };
    format!(
        "{:>6}  {}  第{}代  {change}  {path}  {about}\n",
        receipt.seq,
        time.strftime("%Y-%m-%d %H:%M:%S%.3f"),
        receipt.generation,
    )
}
