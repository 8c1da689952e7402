//! `zhiku calibrate`: fit the probability that an answer is right.
//!
//! A pack's questions all have an answer in its documents. To see questions without one, the pack
//! is indexed twice, each time without what answers half of its questions, and every question is
//! put to both.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::Places;
use super::eval::share;
use super::output::{print, print_line};
use super::packs::{PackIndex, request};
use super::workplace::{calibration_path, ingredients, open_calibration, retrieval_settings};
use crate::config::Config;
use crate::evaluation::pack::Judged;
use crate::evaluation::{Noise, Outcome, Pack, Reliability};
use crate::retrieval::confidence::{Logistic, SIGNAL_NAMES, Sample};
use crate::retrieval::{Calibration, Hit, Mode, Retriever};

/// Hits of a question that the fit sees: what is second or third must know that it is not first.
const FITTED_HITS: usize = 3;

/// Seed of the noise of tested questions.
const NOISE_SEED: u64 = 1;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Folders in BEIR layout whose questions are fitted; none: only test
    packs: Vec<PathBuf>,
    /// Folder in BEIR layout to test on afterwards; repeatable
    #[arg(long, value_name = "PACK")]
    test: Vec<PathBuf>,
    /// Mishear this share of the characters of the questions that are tested, as `zhiku eval` does
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    noise: f32,
    /// Most questions of one pack that take part
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    max_questions: usize,
    /// Where the calibration goes [default: calibration.json in the index folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write what was seen of every hit to this file, a line of JSON each
    #[arg(long, value_name = "FILE")]
    samples: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.places.config()?;
    crate::telemetry::start_logging(&config.log)?;
    if arguments.packs.is_empty() && arguments.test.is_empty() {
        bail!("there is nothing to do; name a pack to fit, or one to test with --test");
    }
    let n = arguments.max_questions;
    let mut samples = String::new();
    let fitted = match arguments.packs.is_empty() {
        true => None,
        false => Some(fit(&config, &arguments.packs, n, &mut samples)?),
    };
    let calibration = match &fitted {
        Some(calibration) => calibration.clone(),
        None => open_calibration(&config)?,
    };
    if let Some(calibration) = &fitted {
        let path = arguments.out.unwrap_or_else(|| calibration_path(&config));
        let json = serde_json::to_string_pretty(calibration)? + "\n";
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("已写入 {}", path.display());
    }
    let mut tests = Vec::new();
    for folder in &arguments.test {
        let mut pack = Pack::read(folder)?;
        pack.mishear(&Noise::new(arguments.noise, 0.0, NOISE_SEED));
        eprintln!("{}：检验", pack.name);
        let answers = Answers::of(&config, &pack, n)?;
        answers.describe(&pack.name, &mut samples);
        tests.push((
            pack.name,
            Reliability::of(&answers.outcomes(&calibration.hybrid, Mode::Hybrid)),
            Reliability::of(&answers.outcomes(&calibration.lexical, Mode::Lexical)),
        ));
    }
    if let Some(path) = &arguments.samples {
        fs::write(path, samples).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if arguments.json {
        let tests: Vec<_> = tests
            .iter()
            .map(|(pack, hybrid, lexical)| json!({"pack": pack, "hybrid": hybrid, "lexical": lexical}))
            .collect();
        print_line(&json!({"calibration": calibration, "tests": tests}).to_string())?;
    } else {
        print(&calibration.to_string())?;
        for (pack, hybrid, lexical) in &tests {
            print(&to_text(pack, "hybrid", hybrid))?;
            print(&to_text(pack, "lexical", lexical))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn fit(
    config: &Config,
    packs: &[PathBuf],
    max_questions: usize,
    samples: &mut String,
) -> anyhow::Result<Calibration> {
    let mut all = Answers::default();
    let mut fitted_on = Vec::new();
    for folder in packs {
        let pack = Pack::read(folder)?;
        eprintln!("{}：提问", pack.name);
        let answers = Answers::of(config, &pack, max_questions)?;
        answers.describe(&pack.name, samples);
        all.add(answers);
        fitted_on.push(pack.name);
    }
    let Some(embedding) = all.embedding.clone() else {
        bail!("the embedding model cannot be used; a calibration is fitted for one");
    };
    let fit = |mode| {
        Logistic::fit(&all.samples(mode)).context(
            "nothing can be fitted: the questions need right answers and wrong ones among the hits",
        )
    };
    Ok(Calibration {
        embedding,
        fitted_on,
        n_questions: (
            all.hybrid.len(),
            all.hybrid
                .iter()
                .filter(|answer| !answer.has_answer)
                .count(),
        ),
        signals: SIGNAL_NAMES.map(str::to_owned).to_vec(),
        hybrid: fit(Mode::Hybrid)?,
        lexical: fit(Mode::Lexical)?,
    })
}

/// What questions got, by both indexes and by words alone.
#[derive(Default)]
struct Answers {
    embedding: Option<String>,
    hybrid: Vec<Answered>,
    lexical: Vec<Answered>,
}

struct Answered {
    /// Whether the index holds an answer.
    has_answer: bool,
    /// Of the first hits, best first.
    samples: Vec<Sample>,
}

impl Answers {
    fn of(config: &Config, pack: &Pack, max_questions: usize) -> anyhow::Result<Self> {
        let mut answers = Self::default();
        let questions: Vec<_> = pack.judged_queries().collect();
        // Evenly over the pack: its order may mean something.
        let step = questions.len().div_ceil(max_questions.max(1)).max(1);
        for half in [0, 1] {
            let is_left_out = |id: &str| half_of(id) == half;
            let answer = |keep: bool| -> BTreeSet<String> {
                let of = questions.iter().filter(|(q, _)| is_left_out(&q.id) != keep);
                of.flat_map(|(_, judged)| relevant(judged))
                    .cloned()
                    .collect()
            };
            let (gone, kept) = (answer(false), answer(true));
            let left_out: BTreeSet<String> = gone.difference(&kept).cloned().collect();
            let ingredients = ingredients(config)?;
            answers.embedding = ingredients
                .embedder
                .as_ref()
                .map(|model| model.id().to_owned());
            let indexed = PackIndex::new(pack, ingredients, &left_out)?;
            let retriever = Retriever::new(indexed.index.clone(), retrieval_settings(config)?)?;
            for (query, judged) in questions.iter().step_by(step) {
                let has_answer = relevant(judged).any(|id| !left_out.contains(id));
                for (mode, all) in [
                    (Mode::Hybrid, &mut answers.hybrid),
                    (Mode::Lexical, &mut answers.lexical),
                ] {
                    let hits = retriever
                        .search(&request(&query.text, mode, FITTED_HITS))?
                        .hits;
                    let samples = hits.iter().filter_map(|hit| sample(hit, judged)).collect();
                    all.push(Answered {
                        has_answer,
                        samples,
                    });
                }
            }
        }
        Ok(answers)
    }

    fn add(&mut self, other: Self) {
        self.embedding = other.embedding;
        self.hybrid.extend(other.hybrid);
        self.lexical.extend(other.lexical);
    }

    /// A line of JSON for every hit.
    fn describe(&self, pack: &str, lines: &mut String) {
        for (mode, answers) in [("hybrid", &self.hybrid), ("lexical", &self.lexical)] {
            for (question, answer) in answers.iter().enumerate() {
                for (rank, sample) in (1..).zip(&answer.samples) {
                    let line = json!({
                        "pack": pack,
                        "mode": mode,
                        "question": question,
                        "has_answer": answer.has_answer,
                        "rank": rank,
                        "is_right": sample.is_right,
                        "signals": sample.signals.0,
                    });
                    lines.push_str(&format!("{line}\n"));
                }
            }
        }
    }

    fn by(&self, mode: Mode) -> &[Answered] {
        match mode {
            Mode::Lexical => &self.lexical,
            Mode::Hybrid | Mode::Vector => &self.hybrid,
        }
    }

    fn samples(&self, mode: Mode) -> Vec<Sample> {
        let answered = self.by(mode).iter();
        answered
            .flat_map(|answer| answer.samples.iter().copied())
            .collect()
    }

    /// The first hit of every question with its probability.
    fn outcomes(&self, logistic: &Logistic, mode: Mode) -> Vec<Outcome> {
        let first = self
            .by(mode)
            .iter()
            .filter_map(|answer| answer.samples.first());
        first
            .map(|sample| Outcome {
                confidence: logistic.probability(&sample.signals),
                is_right: sample.is_right,
            })
            .collect()
    }
}

fn sample(hit: &Hit, judged: &Judged) -> Option<Sample> {
    let sources = hit.also_in.iter().map(|other| &other.document_id);
    let mut sources = std::iter::once(&hit.document_id).chain(sources);
    let is_relevant = |id: &String| judged.get(id).is_some_and(|grade| *grade > 0);
    Some(Sample {
        signals: hit.signals?,
        is_right: sources.any(is_relevant),
    })
}

fn relevant(judged: &Judged) -> impl Iterator<Item = &String> {
    let relevant = judged.iter().filter(|(_, grade)| **grade > 0);
    relevant.map(|(id, _)| id)
}

/// 0 or 1, whatever the order of the questions.
fn half_of(id: &str) -> u8 {
    blake3::hash(id.as_bytes()).as_bytes()[0] & 1
}

fn to_text(pack: &str, mode: &str, measured: &Reliability) -> String {
    let mut text = format!(
        "{pack} ({mode}): {} questions, {:.3} right; ECE {:.3}, AUROC {:.3}, coverage at 5% risk \
         {:.3}, at 10% {:.3}\n",
        measured.n,
        measured.share_right,
        measured.ece,
        measured.auroc,
        measured.coverage_at_risk_5,
        measured.coverage_at_risk_10
    );
    for bin in &measured.table {
        text.push_str(&format!(
            "  from {:.1}: {:>5} at {:.3}, {:.3} right\n",
            bin.from, bin.n, bin.mean_confidence, bin.share_right
        ));
    }
    text
}
