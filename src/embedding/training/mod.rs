//! Training the static model: rows that make a text's weighted sum point where the texts that
//! answer it point.
//!
//! In-batch contrastive learning with Adagrad on pairs and on pairs cut from plain text. The same
//! material, options and seed give the same bytes, on any number of threads. Knows no file
//! format but the model's; [`crate::commands::embedding`] reads the inputs.

pub mod contrastive;
pub mod input;
pub mod kernel;
pub mod material;
pub mod random;
pub mod sampling;
pub mod vocabulary;

use rayon::prelude::*;

use super::features::weigh;
use super::static_model::{Pooling, StaticModel};
use kernel::{adagrad, add_rows};
use material::{Material, WordRange};
use random::Random;
use sampling::{Batch, Example, Sampling};
use vocabulary::Vocabulary;

/// How a model is trained. [`Default`] is how the built-in one was.
#[derive(Clone, Debug)]
pub struct Options {
    /// Length of the vectors, a multiple of 16.
    pub dimension: usize,
    /// At most so many rows, besides those of a model that is trained further.
    pub n_rows: usize,
    /// How rows are chosen and weighed.
    pub pooling: Pooling,
    /// Passes over the material.
    pub epochs: usize,
    /// Decides every random choice.
    pub seed: u64,
    /// Examples in a batch.
    pub batch: usize,
    /// Step size of Adagrad at the start; falls to a tenth of it in a straight line. Chosen on
    /// one epoch: 0.05, 0.15, 0.4 and 1.0 end at a loss of 3.37, 2.92, 2.71 and 2.68.
    pub rate: f32,
    /// Cosines are multiplied by this before the softmax.
    pub scale: f32,
    /// Words of plain text that give one example an epoch.
    pub words_per_cloze: usize,
    /// Share of the titled texts whose title is a query in an epoch.
    pub titles: f32,
    /// Share of a query's words left out at random.
    pub dropout: f32,
    /// Initial length of a row of a token with frequency f: `(a / (a + f))`, `a` being this.
    pub rarity: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dimension: 256,
            n_rows: 44_000,
            pooling: Pooling {
                longest_part: 1,
                repetition: 0.5,
            },
            epochs: 5,
            seed: 12345,
            batch: 1024,
            rate: 1.0,
            scale: 20.0,
            words_per_cloze: 150,
            titles: 0.3,
            dropout: 0.3,
            rarity: 1e-3,
        }
    }
}

/// How far training has come, after each batch.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// From 0.
    pub epoch: usize,
    /// Batches of this epoch that are done.
    pub done: usize,
    /// Batches of this epoch.
    pub total: usize,
    /// Mean loss of the epoch so far.
    pub loss: f32,
}

/// Trains on `material` and returns the bytes of a model file.
///
/// With `start` given, all its tokens keep their rows and training goes on from there; its
/// dimension must be [`Options::dimension`].
pub fn train(
    material: &Material,
    options: &Options,
    start: Option<&StaticModel>,
    progress: &mut dyn FnMut(Progress),
) -> Vec<u8> {
    let keep: Vec<&str> = start.map_or_else(Vec::new, |model| {
        (0..model.n_rows() as u32)
            .map(|row| model.token(row))
            .collect()
    });
    let longest_part = options.pooling.longest_part;
    let vocabulary = vocabulary::choose(material, &keep, options.n_rows, longest_part);
    let mut trainer = Trainer::new(material, options, &vocabulary, start);
    let mut seeds = Random::new(options.seed);
    for epoch in 0..options.epochs {
        let sampling = Sampling {
            batch: options.batch,
            words_per_cloze: options.words_per_cloze,
            titles: options.titles,
        };
        let batches = sampling::batches(material, sampling, seeds.draw());
        let (mut sum, total) = (0.0, batches.len());
        for (i, batch) in batches.iter().enumerate() {
            let passed = (epoch as f32 + i as f32 / total as f32) / options.epochs as f32;
            sum += trainer.step(batch, options.rate * (1.0 - 0.9 * passed), seeds.draw());
            progress(Progress {
                epoch,
                done: i + 1,
                total,
                loss: sum / (i + 1) as f32,
            });
        }
    }
    let tokens: Vec<&str> = vocabulary.tokens.iter().map(String::as_str).collect();
    StaticModel::write(options.dimension, options.pooling, &tokens, &trainer.rows)
}

struct Trainer<'a> {
    material: &'a Material,
    options: &'a Options,
    vocabulary: &'a Vocabulary,
    rows: Vec<f32>,
    squares: Vec<f32>,
}

impl<'a> Trainer<'a> {
    fn new(
        material: &'a Material,
        options: &'a Options,
        vocabulary: &'a Vocabulary,
        start: Option<&StaticModel>,
    ) -> Self {
        let rows = initial_rows(options, vocabulary, start);
        let squares = vec![0.0; rows.len()];
        Self {
            material,
            options,
            vocabulary,
            rows,
            squares,
        }
    }

    /// One batch: pool, compare, and move every row that took part. Returns the loss.
    fn step(&mut self, batch: &Batch, rate: f32, seed: u64) -> f32 {
        let dimension = self.options.dimension;
        let terms = self.terms(&batch.examples, seed);
        let mut pooled = vec![0f32; terms.len() * dimension];
        pooled
            .par_chunks_mut(dimension)
            .zip(&terms)
            .for_each(|(sum, terms)| add_rows(sum, &self.rows, terms));
        let same = |i: usize, j: usize| batch.examples[i].origin == batch.examples[j].origin;
        let (loss, gradient) = contrastive::gradient(&pooled, dimension, self.options.scale, &same);
        self.update(&terms, &gradient, rate);
        loss
    }

    /// Weighed rows of the queries, then of the passages.
    fn terms(&self, examples: &[Example], seed: u64) -> Vec<Vec<(u32, f32)>> {
        let queries = examples.par_iter().enumerate().map(|(i, example)| {
            let mut random = Random::for_item(seed, i as u64);
            self.weighed(&example.query, self.options.dropout, &mut random)
        });
        let passages = examples
            .par_iter()
            .map(|example| self.weighed(&example.passage, 0.0, &mut Random::new(0)));
        queries.chain(passages).collect()
    }

    fn weighed(&self, ranges: &[WordRange], dropout: f32, random: &mut Random) -> Vec<(u32, f32)> {
        let mut rows = Vec::new();
        for range in ranges {
            for &word in &self.material.words[range.start as usize..range.end as usize] {
                if dropout == 0.0 || random.unit() >= dropout {
                    rows.extend(&self.vocabulary.rows_of_word[word as usize]);
                }
            }
        }
        weigh(&mut rows, self.options.pooling.repetition)
    }

    /// Moves the rows against the gradient. A row's gradient is summed in the order of the texts.
    fn update(&mut self, terms: &[Vec<(u32, f32)>], gradient: &[f32], rate: f32) {
        const ROWS_TOGETHER: usize = 64;
        let dimension = self.options.dimension;
        let mut uses: Vec<(u32, u32, f32)> = terms
            .par_iter()
            .enumerate()
            .flat_map_iter(|(text, terms)| {
                terms
                    .iter()
                    .map(move |&(row, weight)| (row, text as u32, weight))
            })
            .collect();
        uses.par_sort_unstable_by_key(|&(row, text, _)| (row, text));
        let blocks = self.rows.par_chunks_mut(ROWS_TOGETHER * dimension);
        blocks
            .zip(self.squares.par_chunks_mut(ROWS_TOGETHER * dimension))
            .enumerate()
            .for_each(|(block, (rows, squares))| {
                let first = (block * ROWS_TOGETHER) as u32;
                let from = uses.partition_point(|use_| use_.0 < first);
                let to = uses.partition_point(|use_| use_.0 < first + ROWS_TOGETHER as u32);
                let (mut sum, mut summands) = (vec![0f32; dimension], Vec::new());
                for uses in uses[from..to].chunk_by(|a, b| a.0 == b.0) {
                    summands.clear();
                    summands.extend(uses.iter().map(|&(_, text, weight)| (text, weight)));
                    sum.fill(0.0);
                    add_rows(&mut sum, gradient, &summands);
                    let at = (uses[0].0 - first) as usize * dimension;
                    adagrad(
                        &mut rows[at..][..dimension],
                        &mut squares[at..][..dimension],
                        &sum,
                        rate,
                    );
                }
            });
    }
}

/// Random directions, long for rare tokens and short for common ones (Arora et al., "A Simple but
/// Tough-to-Beat Baseline for Sentence Embeddings", 2017); rows of `start` where it has them.
fn initial_rows(
    options: &Options,
    vocabulary: &Vocabulary,
    start: Option<&StaticModel>,
) -> Vec<f32> {
    let dimension = options.dimension;
    let total = vocabulary.counts.iter().sum::<u64>().max(1) as f64;
    let mut rows = vec![0f32; vocabulary.tokens.len() * dimension];
    rows.par_chunks_mut(dimension)
        .enumerate()
        .for_each(|(i, row)| {
            if let Some((model, known)) =
                start.and_then(|m| Some((m, m.row(&vocabulary.tokens[i])?)))
            {
                model.add_row(known, 1.0, row);
                return;
            }
            let mut random = Random::for_item(options.seed, i as u64);
            let frequency = vocabulary.counts[i] as f64 / total;
            let length = options.rarity / (options.rarity + frequency);
            row.iter_mut()
                .for_each(|v| *v = random.centred() * length as f32);
        });
    rows
}
