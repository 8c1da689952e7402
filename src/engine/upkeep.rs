//! What keeps an index small and fast while it is edited: graphs over new vectors, and the removal of
//! vectors that no passage has any more.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::EngineError;
use super::build::embedding_text;
use super::index::{GRAPH_FILE, MIN_GRAPH_ROWS, PassageIndex, Snapshot, io_error, remove_folder};
use super::manifest::{Manifest, vector_folder};
use crate::document::PassageNo;
use crate::vector::{BuildOptions, Frozen, Graph, GraphError, PassageSet, Quantised, VectorStore};

/// Fewer rows than this without a passage are not worth a compaction.
const MIN_DEAD_ROWS: usize = 5_000;
/// Nor is a smaller share of all rows: a search skips them quickly.
const MIN_DEAD_SHARE: f64 = 0.25;

/// What a compaction works on: the state of one moment.
struct Before {
    frozen: Frozen,
    snapshot: Arc<Snapshot>,
    folder: String,
}

impl PassageIndex {
    /// Builds the graph over the vectors of the newest generation if it pays and is not there,
    /// saves it, and swaps it in. Takes minutes for 100,000s of passages; queries and builds go on
    /// meanwhile. Returns whether a graph was built; `cancel` ends it early.
    ///
    /// # Errors
    /// [`EngineError::Graph`]; searching goes on without.
    pub fn build_graph(
        &self,
        progress: &dyn Fn(usize, usize),
        cancel: &AtomicBool,
    ) -> Result<bool, EngineError> {
        let (rows, folder) = {
            let mut writer = self.lock_writer();
            writer.drop_uncommitted_rows(&self.search_folder, &self.ingredients())?;
            let Some(vectors) = &writer.vectors else {
                return Ok(false);
            };
            let n_covered = vectors.graph().map_or(0, |graph| graph.n_rows());
            if vectors.rows().len() < n_covered + MIN_GRAPH_ROWS {
                return Ok(false);
            }
            (
                vectors.rows().clone(),
                writer.manifest.vector_folder.clone(),
            )
        };
        let graph = match Graph::build(&rows, BuildOptions::default(), progress, cancel) {
            Err(GraphError::Cancelled) => return Ok(false),
            built => built?,
        };
        let mut writer = self.lock_writer();
        if writer.manifest.vector_folder != folder {
            // The index was built anew meanwhile: these rows are gone.
            return Ok(false);
        }
        graph.save(&self.search_folder.join(&folder).join(GRAPH_FILE))?;
        if let Some(vectors) = &mut writer.vectors {
            vectors.set_graph(Some(Arc::new(graph)));
        }
        self.publish(&mut writer)?;
        Ok(true)
    }

    /// Leaves out vectors that no passage has any more, once there are many, builds the graph over
    /// the others, and swaps both in; then drops cached vectors of texts that are gone. Queries and
    /// builds go on meanwhile. Whether it was done; `cancel` ends it early.
    ///
    /// # Errors
    /// [`EngineError`]; what was serving goes on serving.
    pub fn compact(&self, cancel: &AtomicBool) -> Result<bool, EngineError> {
        let Some(before) = self.before_compaction()? else {
            return Ok(false);
        };
        let name = vector_folder(before.snapshot.generation);
        let folder = self.search_folder.join(&name);
        let swapped = self.compact_from(&before, &name, cancel);
        if !matches!(swapped, Ok(true)) {
            // Unless it was committed and only showing it failed.
            if self.lock_writer().manifest.vector_folder != name {
                remove_folder(&folder);
            }
            return swapped;
        }
        self.prune_cache(cancel)?;
        Ok(true)
    }

    /// What there is to compact, if it pays.
    fn before_compaction(&self) -> Result<Option<Before>, EngineError> {
        let mut writer = self.lock_writer();
        // Rows of a build that failed: their places are taken by the next one.
        writer.drop_uncommitted_rows(&self.search_folder, &self.ingredients())?;
        let Some(vectors) = &writer.vectors else {
            return Ok(None);
        };
        let snapshot = self.snapshot();
        let n_rows = vectors.rows().len();
        let n_dead = n_rows.saturating_sub(snapshot.words.n_passages());
        let folder = writer.manifest.vector_folder.clone();
        let pays = n_dead >= MIN_DEAD_ROWS && n_dead as f64 >= MIN_DEAD_SHARE * n_rows as f64;
        // The folder of this very generation is in use: the next one has another name.
        let is_free = folder != vector_folder(snapshot.generation);
        Ok((pays && is_free).then(|| Before {
            frozen: vectors.freeze(),
            snapshot,
            folder,
        }))
    }

    fn compact_from(
        &self,
        before: &Before,
        name: &str,
        cancel: &AtomicBool,
    ) -> Result<bool, EngineError> {
        let folder = self.search_folder.join(name);
        let alive = before.snapshot.words.passage_nos();
        let mut compacted = before.frozen.compact_into(&folder, alive)?;
        if compacted.rows().len() >= MIN_GRAPH_ROWS {
            let options = BuildOptions::default();
            let graph = match Graph::build(compacted.rows(), options, &|_, _| {}, cancel) {
                Err(GraphError::Cancelled) => return Ok(false),
                built => built?,
            };
            graph.save(&folder.join(GRAPH_FILE))?;
            compacted.set_graph(Some(Arc::new(graph)));
        }

        let mut writer = self.lock_writer();
        if writer.manifest.vector_folder != before.folder {
            // The index was built anew meanwhile.
            return Ok(false);
        }
        let since = match &writer.vectors {
            Some(vectors) => rows_since(vectors, before.frozen.n_rows(), &self.snapshot()),
            None => return Ok(false),
        };
        let n_vector_rows = compacted.append(&since)?;
        let manifest = Manifest {
            vector_folder: name.to_owned(),
            n_vector_rows,
            ..writer.manifest.clone()
        };
        let payload = serde_json::to_string(&manifest)
            .map_err(|error| io_error(&self.search_folder, std::io::Error::other(error)))?;
        writer.words.rollback()?;
        writer.words.commit(&payload)?;
        writer.manifest = manifest;
        writer.vectors = Some(compacted);
        self.publish(&mut writer)?;
        drop(writer);
        remove_folder(&self.search_folder.join(&before.folder));
        Ok(true)
    }

    /// Drops cached vectors of texts that no document has any more.
    fn prune_cache(&self, cancel: &AtomicBool) -> Result<(), EngineError> {
        let (cache, embedder) = (self.lock_writer().cache.clone(), self.embedder());
        let (Some(cache), Some(embedder)) = (cache, embedder) else {
            return Ok(());
        };
        let words = &self.snapshot().words;
        let mut kept = HashSet::new();
        for id in words.document_ids()? {
            if cancel.load(Ordering::Relaxed) {
                return Ok(());
            }
            let Some(stored) = words.document(id)? else {
                continue;
            };
            let document = &stored.document;
            for passage in &document.passages {
                kept.insert(blake3::hash(embedding_text(document, passage).as_bytes()));
            }
        }
        let n_dropped = cache.keep_texts(embedder.id(), &kept)?;
        tracing::info!(n_dropped, "vectors of texts that are gone were dropped");
        Ok(())
    }
}

/// Rows from `start` on whose passage is alive.
fn rows_since(
    vectors: &VectorStore,
    start: usize,
    snapshot: &Snapshot,
) -> Vec<(PassageNo, Quantised)> {
    let alive: &PassageSet = snapshot.words.passage_nos();
    vectors
        .rows()
        .iter_from(start)
        .filter(|(_, row)| alive.contains(row.passage))
        .map(|(_, row)| {
            let codes = row.codes.into();
            (
                row.passage,
                Quantised {
                    codes,
                    scale: row.scale,
                },
            )
        })
        .collect()
}
