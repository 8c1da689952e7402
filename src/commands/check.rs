//! `zhiku check`: what editors should mend.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Places;
use super::workplace::load_context;
use crate::corpus::check::{Checked, check};

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
