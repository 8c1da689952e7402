//! The making of one generation.

use std::sync::MutexGuard;

use super::EngineError;
use super::index::{PassageIndex, Writer, io_error, remove_folder};
use super::manifest::{Manifest, vector_folder};
use crate::document::{Document, Passage, PassageNo};
use crate::lexical::Amount;
use crate::text::Analyser;
use crate::vector::VectorStore;

/// One generation in the making. Nothing is visible, and nothing counts after a crash, before
/// [`Build::commit`]; dropping it leaves the index as it was.
pub struct Build<'a> {
    index: &'a PassageIndex,
    writer: MutexGuard<'a, Writer>,
    manifest: Manifest,
    /// The rows of the new generation, when it starts from nothing.
    fresh: Option<VectorStore>,
    /// What its terms are made with.
    analyser: Analyser,
    committed: bool,
}

impl<'a> Build<'a> {
    pub(super) fn begin(
        index: &'a PassageIndex,
        mut writer: MutexGuard<'a, Writer>,
        (from_nothing, amount): (bool, Amount),
        generation: u64,
    ) -> Result<Self, EngineError> {
        let ingredients = index.ingredients();
        writer.words.expect(amount)?;
        writer.words.use_analyser(&ingredients.analyser);
        writer.drop_uncommitted_rows(&index.search_folder, &ingredients)?;
        let basis = ingredients.basis();
        let mut manifest = Manifest {
            generation,
            ..writer.manifest.clone()
        };
        let mut fresh = None;
        let continues = manifest.basis.differs_by_lexicon_alone(&basis);
        manifest.basis = basis.clone();
        if from_nothing || !continues {
            manifest = Manifest {
                generation,
                vector_folder: vector_folder(generation),
                ..Manifest::empty(basis)
            };
            writer.words.delete_all()?;
            if let Some(embedder) = &ingredients.embedder {
                let folder = index.search_folder.join(&manifest.vector_folder);
                let store = VectorStore::create(&folder, embedder.dimension(), embedder.id())?;
                fresh = Some(store);
            }
        }
        Ok(Self {
            index,
            writer,
            manifest,
            fresh,
            analyser: ingredients.analyser,
            committed: false,
        })
    }

    /// Adds documents, replacing those of the same id. Ids are distinct within one call.
    ///
    /// # Errors
    /// [`EngineError`]; the build should then be dropped.
    pub fn put(&mut self, documents: &[Document]) -> Result<(), EngineError> {
        let mut texts = Vec::new();
        let mut first_no = self.manifest.next_passage_no;
        let first_of_all = first_no;
        for document in documents {
            self.writer.words.delete_document(&document.id)?;
            self.writer.words.add(document, first_no)?;
            let n_passages = PassageNo::try_from(document.passages.len());
            first_no = n_passages
                .ok()
                .and_then(|n| first_no.checked_add(n))
                .ok_or(EngineError::NumbersExhausted)?;
            texts.extend(
                document
                    .passages
                    .iter()
                    .map(|passage| embedding_text(document, passage)),
            );
        }
        self.manifest.next_passage_no = first_no;
        if let Some(embedder) = self.index.embedder().cloned() {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let vectors = match &self.writer.cache {
                Some(cache) => cache.embed(embedder.as_ref(), &texts, &mut |_| {})?,
                None => Vec::new(),
            };
            let rows: Vec<_> = (first_of_all..first_no).zip(vectors).collect();
            if let Some(store) = self.fresh.as_mut().or(self.writer.vectors.as_mut()) {
                self.manifest.n_vector_rows = store.append(&rows)?;
            }
        }
        Ok(())
    }

    /// Leaves a document out of the new generation; one that is not there is no error.
    ///
    /// # Errors
    /// [`EngineError::Lexical`].
    pub fn delete(&mut self, document_id: &str) -> Result<(), EngineError> {
        Ok(self.writer.words.delete_document(document_id)?)
    }

    /// Makes the generation durable and visible.
    ///
    /// # Errors
    /// [`EngineError`]; the generation before goes on serving.
    pub fn commit(mut self) -> Result<(), EngineError> {
        let payload = serde_json::to_string(&self.manifest)
            .map_err(|error| io_error(&self.index.search_folder, std::io::Error::other(error)))?;
        self.writer.words.commit(&payload)?;
        self.committed = true;
        let outdated = (self.writer.manifest.vector_folder != self.manifest.vector_folder)
            .then(|| self.writer.manifest.vector_folder.clone());
        self.writer.manifest = self.manifest.clone();
        self.writer.analyser = self.analyser.clone();
        if let Some(fresh) = self.fresh.take() {
            self.writer.vectors = Some(fresh);
        }
        self.index.publish(&mut self.writer)?;
        if let Some(folder) = outdated {
            remove_folder(&self.index.search_folder.join(folder));
        }
        Ok(())
    }
}

impl Drop for Build<'_> {
    fn drop(&mut self) {
        if !self.committed
            && let Err(error) = self.writer.words.rollback()
        {
            tracing::error!(%error, "an abandoned build could not be rolled back");
        }
    }
}

/// What the model reads of a passage: where it stands, what it answers, what it says.
pub(super) fn embedding_text(document: &Document, passage: &Passage) -> String {
    let mut text = document.title.clone();
    for part in passage.heading.iter().chain(&passage.questions) {
        text.push('\n');
        text.push_str(part);
    }
    text.push('\n');
    text.push_str(document.passage_text(passage));
    text
}
