//! `zhiku eval`: measure retrieval on a folder in BEIR layout.

use std::collections::BTreeSet;
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

use super::Places;
use super::output::{print, print_line};
use super::search::ModeName;
use super::workplace::{ingredients, retrieval_settings};
use crate::config::Overrides;
use crate::corpus::assemble::{Source, from_entry};
use crate::corpus::jsonl::Entry;
use crate::corpus::metadata::Layer;
use crate::corpus::passages::CutOptions;
use crate::document::{Audience, Document};
use crate::engine::PassageIndex;
use crate::evaluation::{Pack, evaluate};
use crate::lexical::Amount;
use crate::retrieval::{
    Admission, Filters, Group, MAX_QUERY_CHARS, Mode, Retriever, SearchError, SearchRequest,
};

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
    let flags = Overrides {
        embedding: arguments.embedding.clone(),
        ..Overrides::default()
    };
    let config = arguments.places.config_with(flags)?;
    crate::telemetry::start_logging(&config.log)?;
    let pack = Pack::read(&arguments.pack)?;
    let ingredients = ingredients(&config)?;
    let embedding = ingredients
        .embedder
        .as_ref()
        .map(|embedder| embedder.id().to_owned());
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
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
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
        print_line(&report.to_string())?;
    } else {
        print(&to_text(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts every document of the pack into the index, as if it were a line of a JSONL file.
fn index_pack(pack: &Pack, index: &PassageIndex) -> anyhow::Result<()> {
    let defaults = Layer::default();
    let source = Source {
        path: "corpus.jsonl",
        content_hash: "",
        defaults: &defaults,
        sidecar: &defaults,
        cut: CutOptions::default(),
    };
    let mut build = index.begin(true, Amount::Much, 1)?;
    let mut batch: Vec<Document> = Vec::with_capacity(DOCUMENTS_PER_STEP);
    for (line, document) in (1..).zip(pack.documents()?) {
        let document = document?;
        let entry = Entry {
            line,
            id: Some(document.id),
            title: document.title,
            text: document.text,
            ..Entry::default()
        };
        batch.push(from_entry(&source, entry, &mut BTreeSet::new()).0);
        if batch.len() == DOCUMENTS_PER_STEP {
            build.put(&batch)?;
            batch.clear();
        }
    }
    build.put(&batch)?;
    build.commit()?;
    Ok(())
}

/// The pack's document ids for one query, best first; duplicates of a hit follow it.
fn rank(retriever: &Retriever, query: &str, mode: Mode) -> Result<Vec<(String, f32)>, SearchError> {
    let query: String = query.chars().take(MAX_QUERY_CHARS).collect();
    let response = retriever.search(&SearchRequest {
        query,
        limit: DEPTH,
        mode,
        filters: Filters::default(),
        as_of: None,
        admission: Admission::Any,
        audience: Audience::Internal,
        group: Group::Document,
        explain: false,
        deadline: None,
    })?;
    let mut ranking = Vec::new();
    for hit in response.hits {
        let also = hit
            .also_in
            .into_iter()
            .map(|other| (other.document_id, hit.score));
        ranking.push((hit.document_id, hit.score));
        ranking.extend(also);
    }
    Ok(ranking)
}

fn to_text(report: &serde_json::Value) -> String {
    let mut text = format!(
        "{} ({}): {} queries over {} documents, {} passages\n",
        report["pack"],
        report["mode"],
        report["n_queries"],
        report["n_documents"],
        report["n_passages"]
    );
    for group in ["metrics", "timing"] {
        for (name, value) in report[group].as_object().into_iter().flatten() {
            text.push_str(&format!(
                "  {name:<14}{:.4}\n",
                value.as_f64().unwrap_or_default()
            ));
        }
    }
    text
}
