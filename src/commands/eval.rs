//! `zhiku eval`: measure retrieval on a folder in BEIR layout.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::progress::Console;
use super::search::ModeName;
use super::workplace::{Places, ingredients, retrieval_settings};
use crate::corpus::entry;
use crate::document::{Audience, Document};
use crate::engine::PassageIndex;
use crate::evaluation::{Evaluation, Pack, evaluate};
use crate::retrieval::{Filters, Group, Mode, Retriever, SearchError, SearchRequest};
use crate::sync::Progress;

/// Depth of a ranking, as recall@100 wants it.
const DEPTH: usize = 100;
/// Documents handed to the index at a time.
const DOCUMENTS_PER_STEP: usize = 2_048;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Folder with corpus.jsonl[.gz], queries.jsonl and qrels.tsv
    pack: PathBuf,
    /// Which indexes take part
    #[arg(long, value_enum, default_value = "hybrid")]
    mode: ModeName,
    /// Embedding model instead of the configured one
    #[arg(long, value_name = "MODEL")]
    embedding: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write the rankings to this file, in TREC format
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut config = arguments.places.config()?;
    if let Some(model) = &arguments.embedding {
        config.embedding.model = model.clone();
    }
    crate::telemetry::start_logging(&config.log)?;
    let pack = Pack::read(&arguments.pack)?;
    let ingredients = ingredients(&config)?;
    let embedding = ingredients.embedder.as_ref().map(|embedder| embedder.id().to_owned());
    // The pack is indexed in a folder of its own that goes away with the command.
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let index = Arc::new(PassageIndex::open(folder.path(), ingredients)?);
    let began = Instant::now();
    index_pack(&pack, &index)?;
    index.build_graph(&|_, _| {}, &AtomicBool::new(false))?;
    let index_s = began.elapsed().as_secs_f64();

    let retriever = Retriever::new(index.clone(), retrieval_settings(&config)?)?;
    let mode: Mode = arguments.mode.into();
    let evaluation = evaluate(&pack, |query| rank(&retriever, query, mode))?;
    if let Some(path) = &arguments.run {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        evaluation.write_run("zhiku", BufWriter::new(file))?;
    }
    let snapshot = index.snapshot();
    let mean = evaluation.mean;
    let report = json!({
        "pack": pack.name,
        "mode": arguments.mode.name(),
        "embedding": embedding,
        "n_documents": snapshot.words.n_documents(),
        "n_passages": snapshot.words.n_passages(),
        "n_queries": evaluation.queries.len(),
        "metrics": {
            "ndcg@10": mean.ndcg_at_10,
            "mrr@10": mean.mrr_at_10,
            "recall@10": mean.recall_at_10,
            "recall@100": mean.recall_at_100,
            "hit@1": mean.hit_at_1,
        },
        "timing": {
            "index_s": index_s,
            "query_ms_p50": evaluation.query_ms_p50,
            "query_ms_p99": evaluation.query_ms_p99,
        },
    });
    if arguments.json {
        println!("{report}");
    } else {
        print!("{}", to_text(&pack, &evaluation, index_s));
    }
    Ok(ExitCode::SUCCESS)
}
