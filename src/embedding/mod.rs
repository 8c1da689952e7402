//! Text → vectors.
//!
//! [`Embedder`] has two implementations: the built-in static model, compiled into the binary, and
//! any model that fastembed runs. Knows nothing of passages, indexes or caches on disk but its own.

pub mod cache;
pub mod features;
pub mod onnx;
pub mod quantised;
pub mod static_embedder;
pub mod static_model;
pub mod training;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cache::{CacheError, EmbeddingCache};
pub use quantised::{Quantised, quantise};
pub use static_embedder::StaticEmbedder;

use onnx::{KNOWN, Known, OnnxEmbedder};

/// Turns text into unit vectors of one fixed dimension.
///
/// The same text gives the same vector for the same [`Embedder::id`].
pub trait Embedder: Send + Sync {
    /// Names the model and its weights; a vector is reused only under the same id.
    fn id(&self) -> &str;

    /// Length of every vector.
    fn dimension(&self) -> usize;

    /// One unit vector per text, in order. A text without a known word gives all zeros.
    fn embed_passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError>;

    /// The unit vector of a query, with whatever instruction the model wants in front of it.
    fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingError>;

    /// Whether [`Self::embed_query`] takes microseconds, so that nothing is gained by calling it
    /// from another thread.
    fn answers_at_once(&self) -> bool {
        false
    }
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

/// Name of the model that is compiled into the binary.
pub const BUILT_IN: &str = "built-in";

/// Which model embeds, and where its parts are.
#[derive(Clone, Debug)]
pub struct EmbeddingSettings {
    /// `built-in`; the name of a model of [`KNOWN`]; a `.zkm` file of `zhiku embedding train`; or a
    /// folder with an ONNX model.
    pub model: String,
    /// The ONNX Runtime library, or the folder that holds it.
    pub onnx_runtime: Option<PathBuf>,
    /// The hub that named models are fetched from, instead of huggingface.co.
    pub mirror: Option<String>,
    /// Where fetched models are kept.
    pub cache_dir: Option<PathBuf>,
}

impl Default for EmbeddingSettings {
    fn default() -> Self {
        Self {
            model: BUILT_IN.to_owned(),
            onnx_runtime: None,
            mirror: None,
            cache_dir: None,
        }
    }
}

/// The configured model, ready to embed.
///
/// # Errors
/// [`EmbeddingError::Model`] that says what is wrong and what to place where.
pub fn open(settings: &EmbeddingSettings) -> Result<Arc<dyn Embedder>, EmbeddingError> {
    let name = settings.model.trim();
    let onnx_runtime = settings.onnx_runtime.as_deref();
    if name.is_empty() || name == BUILT_IN {
        return Ok(Arc::new(StaticEmbedder::built_in()?));
    }
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(Arc::new(OnnxEmbedder::local(path, onnx_runtime)?));
    }
    if path.is_file() {
        return Ok(Arc::new(StaticEmbedder::open(path)?));
    }
    if let Some(known) = Known::find(name) {
        let cache = settings
            .cache_dir
            .clone()
            .unwrap_or_else(|| PathBuf::from("models"));
        return Ok(Arc::new(OnnxEmbedder::named(
            known,
            onnx_runtime,
            settings.mirror.as_deref(),
            &cache,
        )?));
    }
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    Err(EmbeddingError::Model(format!(
        "embedding.model = {name:?} is neither a file or folder here nor a known model; use \"{BUILT_IN}\", a .zkm \
         file, a folder with an ONNX model, or one of: {}",
        names.join(", ")
    )))
}
