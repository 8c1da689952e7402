//! Command line in, exit code out.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    zhiku::commands::Cli::parse().run()
}
