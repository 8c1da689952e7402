//! Passages by meaning: stored vectors and the search for the nearest.
//!
//! A [`VectorStore`] keeps one row per passage in an append-only file. A [`VectorSnapshot`] of it
//! answers queries: a [`Graph`] (HNSW) covers the bulk, the rows that came after it are compared one
//! by one, and so are all rows where a filter leaves few. What is not alive is never a candidate.
//!
//! Knows passages only as numbers: no text, no document, no model, no transaction. How many rows
//! count is the caller's to remember and to say when it opens the store.

mod dot;
mod graph;
mod graph_build;
mod graph_file;
mod passage_set;
mod quantised;
mod rows;
mod snapshot;
mod store;

pub use graph::{Graph, GraphError};
pub use graph_build::BuildOptions;
pub use passage_set::PassageSet;
pub use quantised::{Quantised, quantise};
pub use rows::{Row, Rows};
pub use snapshot::{Found, Path, Plan, SearchStats, VectorSnapshot};
pub use store::{Frozen, StoreError, VectorStore};

/// Why a vector cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// Made by another model, or cut.
    #[error("the vector has {given} values, the index {expected}")]
    Dimension {
        /// Values in a row of the index.
        expected: usize,
        /// Values in the vector.
        given: usize,
    },
    /// Holds a NaN or an infinity.
    #[error("value {position} of the vector is not a finite number")]
    NotFinite {
        /// Which one, from 0.
        position: usize,
    },
    /// A scale that [`quantise`] never gives.
    #[error("the scale of the vector is negative or not a finite number")]
    Scale,
}
