//! What a commit of the word index says about everything else.
//!
//! The manifest travels as the commit's payload, so words, vectors and generation change in one
//! atomic step: a crash leaves either all of the old state or all of the new one.

use serde::{Deserialize, Serialize};

use crate::document::PassageNo;

/// Layout of the search folder and of what is indexed; raised with every change of either, so
/// that an older folder is rebuilt.
pub const LAYOUT: u32 = 2;

/// The state that one commit made visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Counts builds; rises by one with each.
    pub generation: u64,
    /// What shaped the terms and vectors; a difference means everything is built anew.
    pub basis: Basis,
    /// The next number to hand out.
    pub next_passage_no: PassageNo,
    /// Folder of the vectors, inside the search folder.
    pub vector_folder: String,
    /// Rows of it that belong to this state.
    pub n_vector_rows: u64,
}

/// What must be the same for an index to be continued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// [`LAYOUT`].
    pub layout: u32,
    /// Hash of the user's lexicon.
    pub lexicon: String,
    /// Id of the embedding model, `None` when there was none.
    pub embedding: Option<String>,
    /// Length of its vectors.
    pub dimension: usize,
}

impl Basis {
    /// Whether an index of this basis can be continued with `next` once the texts that the two
    /// lexicons cut differently are indexed anew.
    pub fn differs_by_lexicon_alone(&self, next: &Basis) -> bool {
        let with_its_lexicon = Basis {
            lexicon: self.lexicon.clone(),
            ..next.clone()
        };
        *self == with_its_lexicon
    }
}

impl Manifest {
    /// The state before the first build.
    pub fn empty(basis: Basis) -> Self {
        Self {
            generation: 0,
            basis,
            next_passage_no: 0,
            vector_folder: vector_folder(0),
            n_vector_rows: 0,
        }
    }

    /// Reads a commit's payload; what is missing or unreadable is the state before the first build.
    pub fn parse(payload: Option<&str>, basis: Basis) -> Self {
        payload
            .and_then(|payload| serde_json::from_str(payload).ok())
            .unwrap_or_else(|| Self::empty(basis))
    }
}

/// What the names of all vector folders begin with.
pub const VECTOR_FOLDER_PREFIX: &str = "vectors-";

/// Name of the vector folder that a build from nothing, or a compaction, in `generation` starts.
pub fn vector_folder(generation: u64) -> String {
    format!("{VECTOR_FOLDER_PREFIX}{generation}")
}
