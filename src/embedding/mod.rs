//! Text → vectors.
//!
//! [`Embedder`] has two implementations: the built-in static model, compiled into the binary, and
//! any model that fastembed runs. Knows nothing of passages, indexes or caches on disk but its own.

pub mod cache;
pub mod features;
pub mod quantised;
pub mod static_model;
pub mod training;

/// Turns text into unit vectors of one fixed dimension.
///
/// The same text gives the same vector for the same [`Embedder::id`].
pub trait Embedder: Send + Sync {
    /// Names the model and its weights; a vector is reused only under the same id.
    fn id(&self) -> &str;

    /// Length of every vector.
    fn dimension(&self) -> usize;

    /// Whether [`Self::embed_query`] takes microseconds, so that nothing is gained by calling it
    /// from another thread.
    fn answers_at_once(&self) -> bool {
        false
    }

    /// One unit vector per text, in order. A text without a known word gives all zeros.
    fn embed_passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError>;

    /// The unit vector of a query, with whatever instruction the model wants in front of it.
    fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingError>;
}

/// Why a text could not be embedded, or a model not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// The model cannot be used as configured; the message says what to place where.
    #[error("{0}")]
    Model(String),
    /// The model ran and failed.
    #[error("embedding failed: {0}")]
    Run(String),
}
