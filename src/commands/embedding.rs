//! `zhiku embedding train`: train or adapt the static embedding model.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::progress::Console;
use crate::corpus::Outcome;
use crate::corpus::load::{LoadContext, load_file};
use crate::corpus::walk::walk;
use crate::embedding::StaticEmbedder;
use crate::embedding::training::input::{Reader, questions};
use crate::embedding::training::{self, Options};
use crate::sync::Progress;

#[derive(Debug, Subcommand)]
pub enum Subcommands {
    /// Train a static model on question-passage pairs and plain texts, or adapt the built-in one
    ///
    /// The same inputs, options and seed give the same bytes. Use the result with
    /// `embedding.model = "PATH.zkm"` in zhiku.toml.
    Train(Train),
}

#[derive(Debug, Args)]
pub struct Train {
    /// JSONL[.gz] of pairs: {"q": question, "p": passage, "kind": optional}
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pairs: Vec<PathBuf>,
    /// JSONL[.gz] of texts: {"title": optional, "text": …, "reply": optional}
    #[arg(long, value_name = "FILE", num_args = 1..)]
    texts: Vec<PathBuf>,
    /// Folder of documents to train on: questions with their answers, and texts
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// JSONL[.gz] of questions kept for evaluation: pairs and texts asking the same are left out
    #[arg(long, value_name = "FILE", num_args = 1..)]
    leave_out: Vec<PathBuf>,
    /// Where rows begin: `none` (random), `built-in`, or a .zkm file
    #[arg(long, value_name = "MODEL", default_value = "none")]
    init: String,
    /// Length of the vectors, a multiple of 16 [default: as --init, else 256]
    #[arg(long)]
    dimension: Option<usize>,
    /// At most so many words and characters get a row of their own, besides those of --init
    /// [default: 44000, with --init 6000]
    #[arg(long)]
    rows: Option<usize>,
    /// Passes over the inputs
    #[arg(long, default_value_t = Options::default().epochs)]
    epochs: usize,
    /// Step size [default: 1.0, with --init 0.05]
    #[arg(long)]
    rate: Option<f32>,
    /// Decides every random choice
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// The model file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command; exit code 0 once the model file is written.
pub fn run(subcommand: Subcommands) -> anyhow::Result<ExitCode> {
    let Subcommands::Train(arguments) = subcommand;
    let console = Console::new();
    let start = start_model(&arguments.init)?;
    let options = options(&arguments, start.as_ref())?;
    let mut left_out = HashSet::new();
    for path in &arguments.leave_out {
        left_out.extend(questions(path)?);
    }
    let mut reader = Reader::new(left_out);
    console.stage(
        "reading",
        (arguments.pairs.len() + arguments.texts.len()) as u64,
    );
    for path in arguments.pairs.iter().chain(&arguments.texts) {
        reader.read(path)?;
        console.advance(1);
    }
    if let Some(corpus) = &arguments.corpus {
        read_corpus(&mut reader, corpus, &console)?;
    }
    let (material, n_left_out) = reader.finish();
    console.finish();
    if material.collections.is_empty() {
        bail!("nothing to train on; give --pairs, --texts or --corpus");
    }
    for collection in &material.collections {
        eprintln!(
            "{}: {} pairs, {} texts",
            collection.name,
            collection.pairs.len(),
            collection.texts.len()
        );
    }
    eprintln!(
        "{} words, {n_left_out} records left out",
        material.words.len()
    );

    let mut epoch = None;
    let bytes = training::train(
        &material,
        &options,
        start.as_ref().map(StaticEmbedder::model),
        &mut |progress| {
            if epoch != Some(progress.epoch) {
                epoch = Some(progress.epoch);
                console.stage(
                    &format!("epoch {}/{}", progress.epoch + 1, options.epochs),
                    progress.total as u64,
                );
            }
            console.advance(1);
            if progress.done == progress.total {
                console.finish();
                eprintln!(
                    "epoch {}: mean loss {:.4}",
                    progress.epoch + 1,
                    progress.loss
                );
            }
        },
    );
    std::fs::write(&arguments.out, &bytes)
        .with_context(|| format!("cannot write {}", arguments.out.display()))?;
    println!("{}: {} bytes", arguments.out.display(), bytes.len());
    Ok(ExitCode::SUCCESS)
}

fn start_model(init: &str) -> anyhow::Result<Option<StaticEmbedder>> {
    Ok(match init {
        "none" => None,
        "built-in" | "builtin" => Some(StaticEmbedder::built_in()?),
        path => Some(StaticEmbedder::open(Path::new(path))?),
    })
}

fn options(arguments: &Train, start: Option<&StaticEmbedder>) -> anyhow::Result<Options> {
    let mut options = Options {
        epochs: arguments.epochs,
        seed: arguments.seed,
        ..Options::default()
    };
    if let Some(start) = start {
        options.dimension = start.model().dimension();
        options.pooling = start.model().pooling();
        options.n_rows = 6_000;
        // Full steps would wipe out in a few batches what the rows already know.
        options.rate = 0.05;
    }
    options.n_rows = arguments.rows.unwrap_or(options.n_rows);
    options.rate = arguments.rate.unwrap_or(options.rate);
    if !(options.rate > 0.0 && options.rate.is_finite()) {
        bail!("--rate must be a number above 0, not {}", options.rate);
    }
    if let Some(dimension) = arguments.dimension {
        if start.is_some() && dimension != options.dimension {
            bail!(
                "--dimension {dimension} does not fit --init, whose vectors have {}",
                options.dimension
            );
        }
        options.dimension = dimension;
    }
    if options.dimension == 0 || !options.dimension.is_multiple_of(16) || options.dimension > 4096 {
        bail!(
            "--dimension must be a multiple of 16, at most 4096, not {}",
            options.dimension
        );
    }
    if !(1..=4_000_000).contains(&options.n_rows) {
        bail!(
            "--rows must be between 1 and 4000000, not {}",
            options.n_rows
        );
    }
    Ok(options)
}

fn read_corpus(reader: &mut Reader, corpus: &Path, console: &Console) -> anyhow::Result<()> {
    let walk = walk(corpus).with_context(|| format!("cannot read {}", corpus.display()))?;
    let context = LoadContext::of_corpus(corpus);
    console.stage("corpus", walk.files.len() as u64);
    for file in &walk.files {
        if let Outcome::Loaded { documents, .. } = load_file(file, &context) {
            documents
                .iter()
                .for_each(|document| reader.add_document(document));
        }
        console.advance(1);
    }
    Ok(())
}
