//! `zhiku check`: what editors should mend.

use super::Places;
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
}
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let _ = arguments.places.config()?;
    Ok(ExitCode::SUCCESS)
}
