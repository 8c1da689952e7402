//! Passages by words: a tantivy index and the search in it.
//!
//! A [`LexicalIndex`] takes documents in and commits them, each commit carrying a payload of the
//! caller's. A [`LexicalSnapshot`] is what one commit holds: it searches ([`LexicalQuery`]), filters
//! ([`Filters`]), looks up references and gives stored passages and documents back. tantivy keeps
//! postings, columns and records; the ranking formula is our own ([`scoring`]), because tantivy's
//! BM25 has fixed constants and counts what was deleted.
//!
//! Knows nothing of vectors, of files, or of what the payload says.

mod columns;
mod filter;
mod holding;
mod index;
mod metadata_filter;
mod query;
mod references;
mod schema;
pub mod scoring;
mod search;
mod snapshot;
mod sounds;
mod stored;
mod succession;
mod tokens;

pub use filter::{Admission, Filters};
pub use index::{Amount, LexicalIndex};
pub use metadata_filter::{MetadataField, MetadataFilter, TextTest};
pub use query::{LexicalQuery, QUESTION_WORDS, QueryTerm, TermKind};
pub use references::DocumentPassages;
pub use scoring::{TermContribution, idf};
pub use search::PreparedQuery;
pub use snapshot::{Facets, LexicalSnapshot};
pub(crate) use stored::{MetadataRecord, PlaceRecord};
pub use stored::{StoredDocument, StoredPassage};
pub use succession::RelatedDocument;

/// Why the index could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum LexicalError {
    /// Written by another version of Zhiku; to be deleted and built anew from the corpus.
    #[error("the word index was written by another version of Zhiku and must be rebuilt")]
    OtherVersion,
    /// Another process, or another handle in this one, is writing the index.
    #[error("the word index is being written by another process")]
    Locked,
    /// The folder cannot be created.
    #[error("cannot create the index folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The index is damaged, or the disk refuses.
    #[error("the word index failed: {0}")]
    Tantivy(tantivy::TantivyError),
    /// A stored record cannot be read back.
    #[error("a stored record is damaged: {0}")]
    Record(#[from] serde_json::Error),
}

impl From<tantivy::TantivyError> for LexicalError {
    fn from(error: tantivy::TantivyError) -> Self {
        match error {
            tantivy::TantivyError::LockFailure(..) => Self::Locked,
            other => Self::Tantivy(other),
        }
    }
}

impl From<std::io::Error> for LexicalError {
    fn from(error: std::io::Error) -> Self {
        Self::Tantivy(error.into())
    }
}
