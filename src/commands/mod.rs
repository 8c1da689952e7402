//! The command line: one file per command, each thin.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod calibrate;
mod calls;
mod changes;
mod check;
mod diff;
mod embedding;
mod eval;
mod eval_answers;
mod eval_calls;
mod index;
mod keys;
mod lessons;
mod output;
mod packs;
mod progress;
mod receipts;
mod replay;
mod restore;
mod search;
mod serve;
mod served;
mod versions;
mod workplace;

/// Knowledge base search engine of a 12345 government hotline.
#[derive(Debug, Parser)]
#[command(name = "zhiku", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the index up to date with the corpus and serve HTTP
    Serve(serve::Arguments),
    /// Bring the index up to date with the corpus once, and exit
    Index(index::Arguments),
    /// Run one query against the index
    Search(search::Arguments),
    /// Measure retrieval on a folder in BEIR layout
    Eval(eval::Arguments),
    /// Fit the probability that an answer is right, on questions with known answers
    Calibrate(calibrate::Arguments),
    /// What is kept of calls
    #[command(subcommand)]
    Calls(calls::Subcommands),
    /// API keys, and the book of what was done with them
    #[command(subcommand)]
    Keys(keys::Subcommands),
    /// Play kept calls again, and compare what agents would see
    Replay(replay::Arguments),
    /// Show what became searchable, and when
    Changes(changes::Arguments),
    /// List the versions of a document
    Versions(versions::Arguments),
    /// Show what differs between two versions of a document
    Diff(diff::Arguments),
    /// Write a version of a document back into the corpus
    Restore(restore::Arguments),
    /// List what editors should mend
    Check(check::Arguments),
    /// Train or adapt the built-in embedding model
    #[command(subcommand)]
    Embedding(embedding::Subcommands),
}

/// Where things are; every command that needs them takes these.
#[derive(Debug, Args)]
pub struct Places {
    /// Configuration file [default: zhiku.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of documents [default: corpus]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Folder that Zhiku writes [default: index]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
}

impl Cli {
    /// Runs the command. Results go to stdout, everything else to stderr.
    ///
    /// Exit codes: 0 done, 1 failed (or `check` found errors). Wrong usage ends in the parser
    /// with 2.
    pub fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Serve(arguments) => serve::run(arguments),
            Command::Index(arguments) => index::run(arguments),
            Command::Search(arguments) => search::run(arguments),
            Command::Eval(arguments) => eval::run(arguments),
            Command::Calibrate(arguments) => calibrate::run(arguments),
            Command::Calls(subcommand) => calls::run(subcommand),
            Command::Keys(subcommand) => keys::run(subcommand),
            Command::Replay(arguments) => replay::run(arguments),
            Command::Changes(arguments) => changes::run(arguments),
            Command::Versions(arguments) => versions::run(arguments),
            Command::Diff(arguments) => diff::run(arguments),
            Command::Restore(arguments) => restore::run(arguments),
            Command::Check(arguments) => check::run(arguments),
            Command::Embedding(subcommand) => embedding::run(subcommand),
        };
        outcome.unwrap_or_else(|error| {
            eprintln!("zhiku: {error:#}");
            ExitCode::FAILURE
        })
    }
}
