//! One index folder: every passage by words and by vector, in generations.
//!
//! [`PassageIndex`] owns `search/`: the word index, the vectors, and the manifest that ties them
//! together. Readers take a [`Snapshot`] and keep it; a [`Build`] makes the next one. Knows
//! nothing of files, formats or queries.

use std::path::PathBuf;

mod build;
mod index;
mod lock;
mod manifest;
mod upkeep;

pub use build::Build;
pub use index::{Ingredients, PassageIndex, Snapshot};
pub use lock::IndexLock;

use crate::embedding::EmbeddingError;
use crate::embedding::cache::CacheError;
use crate::lexical::LexicalError;
use crate::vector::{GraphError, StoreError};

/// Why an index folder could not be opened or a build not be finished. The generation that was
/// serving goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process holds the folder.
    #[error(
        "the index folder {folder} is in use by {holder}: stop it first, or choose another folder with --index"
    )]
    Locked {
        /// The index folder.
        folder: PathBuf,
        /// Who holds it, as it wrote itself down.
        holder: String,
    },
    /// There is nothing to search.
    #[error("no index in {folder}: run `zhiku index` first")]
    Missing {
        /// The index folder.
        folder: PathBuf,
    },
    /// A file or folder could not be used.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The word index failed.
    #[error("word index: {0}")]
    Lexical(#[from] LexicalError),
    /// The vectors could not be read or written.
    #[error("vectors: {0}")]
    Vectors(#[from] StoreError),
    /// The graph over the vectors could not be built or written.
    #[error("vector graph: {0}")]
    Graph(#[from] GraphError),
    /// The model failed.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// The cache of vectors failed.
    #[error("vector cache: {0}")]
    Cache(#[from] CacheError),
    /// More passages were indexed than can be numbered.
    #[error("the index has handed out all passage numbers: rebuild it with `zhiku index --full`")]
    NumbersExhausted,
}
