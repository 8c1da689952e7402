//! provisional
use std::process::ExitCode;
#[derive(Debug, clap::Subcommand)]
pub enum Subcommands {
    Train,
}
pub fn run(_s: Subcommands) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
