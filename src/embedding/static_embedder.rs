//! The static model at work: text → words → rows → one unit vector.
//!
//! The built-in model is compiled into the binary and reads its codes where they lie. Knows
//! nothing of how models are trained.

use std::borrow::Cow;
use std::path::Path;

use rayon::prelude::*;

use super::features::{for_each_part, weigh};
use super::static_model::StaticModel;
use super::{Embedder, EmbeddingError};
use crate::text::{Analyser, normalise};

/// The model that is compiled into the binary; `docs/model-card.md` says how it was made.
static BUILT_IN: &[u8] = include_bytes!("../../models/builtin.zkm");

/// Embeds with a static model. Queries and passages are treated alike.
///
/// Words are cut with the dictionary alone, never with a site's lexicon: the rows were trained on
/// such words, and a vector must not change when an editor adds a word.
pub struct StaticEmbedder {
    model: StaticModel,
    analyser: Analyser,
}

impl StaticEmbedder {
    /// The built-in model.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the program was built with a damaged model file.
    pub fn built_in() -> Result<Self, EmbeddingError> {
        Self::from_bytes(Cow::Borrowed(BUILT_IN))
    }

    /// A model file, such as `zhiku embedding train` writes.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the file cannot be read or is damaged; the message names it.
    pub fn open(path: &Path) -> Result<Self, EmbeddingError> {
        let named = |error: &dyn std::fmt::Display| {
            EmbeddingError::Model(format!("embedding model {}: {error}", path.display()))
        };
        let bytes = std::fs::read(path).map_err(|error| named(&error))?;
        Self::from_bytes(Cow::Owned(bytes)).map_err(|error| named(&error))
    }

    fn from_bytes(bytes: Cow<'static, [u8]>) -> Result<Self, EmbeddingError> {
        Ok(Self {
            model: StaticModel::read(bytes)?,
            analyser: Analyser::built_in(),
        })
    }

    /// The model's rows and vocabulary.
    pub fn model(&self) -> &StaticModel {
        &self.model
    }

    /// The unit vector of one word, which is not cut again; all zero for a word of which the model knows
    /// no part.
    pub fn word_vector(&self, word: &str) -> Vec<f32> {
        let mut sum = vec![0f32; self.model.dimension()];
        for_each_part(word, self.model.pooling().longest_part, |part| {
            if let Some(row) = self.model.row(part) {
                self.model.add_row(row, 1.0, &mut sum);
            }
        });
        scale_to_unit(&mut sum);
        sum
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        let pooling = self.model.pooling();
        let mut rows = Vec::new();
        self.analyser
            .for_each_plain_word(normalise(text).as_str(), |word, _| {
                for_each_part(word, pooling.longest_part, |part| {
                    rows.extend(self.model.row(part))
                });
            });
        let mut sum = vec![0f32; self.model.dimension()];
        for (row, weight) in weigh(&mut rows, pooling.repetition) {
            self.model.add_row(row, weight, &mut sum);
        }
        scale_to_unit(&mut sum);
        sum
    }
}

fn scale_to_unit(vector: &mut [f32]) {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}

impl Embedder for StaticEmbedder {
    fn id(&self) -> &str {
        self.model.id()
    }

    fn dimension(&self) -> usize {
        self.model.dimension()
    }

    fn embed_passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        Ok(texts
            .par_iter()
            .with_min_len(8)
            .map(|text| self.embed(text))
            .collect())
    }

    fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingError> {
        Ok(self.embed(text))
    }
    fn answers_at_once(&self) -> bool {
        true
    }
}
