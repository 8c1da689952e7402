//! Packs of questions with known answers, indexed in a folder of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use tempfile::TempDir;

use crate::corpus::assemble::{Source, from_entry};
use crate::corpus::jsonl::Entry;
use crate::corpus::metadata::Layer;
use crate::corpus::passages::CutOptions;
use crate::document::{Audience, Document};
use crate::engine::{Ingredients, PassageIndex};
use crate::evaluation::Pack;
use crate::lexical::Amount;
use crate::retrieval::{Admission, MAX_QUERY_CHARS, Mode, SearchRequest};

/// Documents handed to the index at a time.
const DOCUMENTS_PER_STEP: usize = 2_048;

/// An index of a pack, in a folder that goes away with it.
pub struct PackIndex {
    pub index: Arc<PassageIndex>,
    _folder: TempDir,
}

impl PackIndex {
    /// Indexes the documents of `pack` whose id is not `left_out`, as if each were a line of a JSONL
    /// file.
    pub fn new(
        pack: &Pack,
        ingredients: Ingredients,
        left_out: &BTreeSet<String>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let index = Arc::new(PassageIndex::open(folder.path(), ingredients)?);
        let defaults = Layer::default();
        let source = Source {
            path: "corpus.jsonl",
            content_hash: "",
            defaults: &defaults,
            sidecar: &defaults,
            cut: CutOptions::default(),
        };
        let mut build = index.begin(true, Amount::Much, 1)?;
        let mut batch: Vec<Document> = Vec::with_capacity(DOCUMENTS_PER_STEP);
        for (line, document) in (1..).zip(pack.documents()?) {
            let document = document?;
            if left_out.contains(&document.id) {
                continue;
            }
            let entry = Entry {
                line,
                id: Some(document.id),
                title: document.title,
                text: document.text,
                ..Entry::default()
            };
            batch.push(from_entry(&source, entry, &mut BTreeSet::new()).0);
            if batch.len() == DOCUMENTS_PER_STEP {
                build.put(&batch)?;
                batch.clear();
            }
        }
        build.put(&batch)?;
        build.commit()?;
        Ok(Self {
            index,
            _folder: folder,
        })
    }
}

/// A question of a pack, to the whole index.
pub fn request(query: &str, mode: Mode, limit: usize) -> SearchRequest {
    let query = query.chars().take(MAX_QUERY_CHARS).collect();
    SearchRequest {
        mode,
        admission: Admission::Any,
        ..SearchRequest::new(query, limit, Audience::Internal)
    }
}
