//! `zhiku eval`: measure retrieval on a folder in BEIR layout.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::output::{print, print_line};
use super::packs::{PackIndex, request};
use super::search::ModeName;
use super::workplace::{ingredients, retrieval_settings};
use super::{Places, eval_answers, eval_calls};
use crate::config::Overrides;
use crate::evaluation::{Noise, Pack, evaluate};
use crate::retrieval::{Mode, Retriever, SearchError};

/// Depth of a ranking, as recall@100 wants it.
const DEPTH: usize = 100;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Folder with corpus.jsonl[.gz], queries.jsonl and qrels.tsv
    #[arg(required_unless_present_any = ["calls", "answers"])]
    pack: Option<PathBuf>,
    /// Measure recommendations instead: transcripts with what should be on the screen, put to the
    /// index
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pack", "mode", "embedding", "run", "noise", "noise_similar", "seed"])]
    calls: Option<PathBuf>,
    /// Measure answers instead: a folder with questions.jsonl and unanswerable.jsonl, put to the index
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["pack", "calls", "mode", "embedding", "run"])]
    answers: Option<PathBuf>,
    /// Largest share of wrong answers instead of the configured one; 1 answers whatever it can
    #[arg(long, value_name = "SHARE", requires = "answers")]
    max_risk: Option<f32>,
    /// Which indexes take part
    #[arg(long, value_enum, default_value = "hybrid")]
    mode: ModeName,
    /// Embedding model instead of the configured one
    #[arg(long, value_name = "MODEL")]
    embedding: Option<String>,
    /// Replace this share of the queries' Chinese characters, 0 to 1, as a speech recogniser mishears
    /// them: each, independently, by another with the same usual reading whatever the tone, common
    /// characters more often
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    noise: f32,
    /// Share of the replaced characters that take one of a similar syllable instead (n/l, z/zh,
    /// c/ch, s/sh, an/ang, en/eng, in/ing), 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    noise_similar: f32,
    /// Seed of the noise: the same one replaces the same characters
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    if let Some(calls) = &arguments.calls {
        return eval_calls::run(&config, calls, arguments.json);
    }
    if let Some(folder) = &arguments.answers {
        return eval_answers::run(&config, folder, arguments.max_risk, arguments.json);
    }
    let Some(folder) = &arguments.pack else {
        bail!("name a pack to measure");
    };
    let mut pack = Pack::read(folder)?;
    let noise = Noise::new(arguments.noise, arguments.noise_similar, arguments.seed);
    let (n_replaced, n_characters) = pack.mishear(&noise);
    let ingredients = ingredients(&config)?;
    let embedding = ingredients
        .embedder
        .as_ref()
        .map(|embedder| embedder.id().to_owned());
    let began = Instant::now();
    let index = &PackIndex::new(&pack, ingredients, &BTreeSet::new())?.index;
    index.build_graph(&|_, _| {}, &AtomicBool::new(false))?;
    let index_s = began.elapsed().as_secs_f64();

    let retriever = Retriever::new(Arc::clone(index), retrieval_settings(&config)?)?;
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
        "noise": {
            "rate": f64::from((arguments.noise * 1e4).round()) / 1e4,
            "similar": f64::from((arguments.noise_similar * 1e4).round()) / 1e4,
            "seed": arguments.seed,
            "n_replaced": n_replaced,
            "n_characters": n_characters,
        },
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

/// The pack's document ids for one query, best first; duplicates of a hit follow it.
fn rank(retriever: &Retriever, query: &str, mode: Mode) -> Result<Vec<(String, f32)>, SearchError> {
    let response = retriever.search(&request(query, mode, DEPTH))?;
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

/// A share as it is given on the command line.
pub(super) fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("give a number from 0 to 1, such as 0.1".to_owned()),
    }
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
