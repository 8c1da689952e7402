//! The index folder as readers, and as the process that owns it, see it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::build::Build;
use super::manifest::{Basis, LAYOUT, Manifest, VECTOR_FOLDER_PREFIX};
use super::{EngineError, IndexLock};
use crate::embedding::Embedder;
use crate::embedding::cache::EmbeddingCache;
use crate::lexical::{Amount, LexicalIndex, LexicalSnapshot};
use crate::text::Analyser;
use crate::vector::{Graph, StoreError, VectorSnapshot, VectorStore};

/// Rows above which a graph pays: below, comparing all of them takes under half a millisecond.
pub(super) const MIN_GRAPH_ROWS: usize = 20_000;

/// One generation: words, vectors and lexicon that belong together. Never changes.
#[derive(Clone)]
pub struct Snapshot {
    /// Which build made it; 0 is the empty index before the first.
    pub generation: u64,
    /// Passages by words, and everything that is stored of them.
    pub words: LexicalSnapshot,
    /// Passages by meaning; `None` without an embedder.
    pub vectors: Option<VectorSnapshot>,
    /// The analysis that made the terms.
    pub analyser: Analyser,
}

/// What an index is made with.
#[derive(Clone)]
pub struct Ingredients {
    /// The analysis that makes the terms.
    pub analyser: Analyser,
    /// The model that makes the vectors; `None` indexes words alone.
    pub embedder: Option<Arc<dyn Embedder>>,
}

impl Ingredients {
    pub(super) fn basis(&self) -> Basis {
        Basis {
            layout: LAYOUT,
            lexicon: self.analyser.lexicon_hash().to_owned(),
            embedding: self
                .embedder
                .as_ref()
                .map(|embedder| embedder.id().to_owned()),
            dimension: self
                .embedder
                .as_ref()
                .map_or(0, |embedder| embedder.dimension()),
        }
    }
}

/// The passages of one index folder.
///
/// Readers call [`Self::snapshot`] from any thread; one [`Build`] at a time makes the next
/// generation.
pub struct PassageIndex {
    ingredients: Mutex<Ingredients>,
    embedder: Option<Arc<dyn Embedder>>,
    pub(super) search_folder: PathBuf,
    writer: Mutex<Writer>,
    current: ArcSwap<Snapshot>,
    /// Held by the process that may write.
    _lock: Option<IndexLock>,
}

/// The parts that a build changes.
pub(super) struct Writer {
    pub(super) words: LexicalIndex,
    pub(super) vectors: Option<VectorStore>,
    pub(super) cache: Option<Arc<EmbeddingCache>>,
    pub(super) manifest: Manifest,
    /// The analysis that made the terms of the last commit.
    pub(super) analyser: Analyser,
}

impl PassageIndex {
    /// Opens `folder` for writing, creating it when it does not exist.
    ///
    /// A search folder that another version, model or lexicon made, or that is damaged, goes on
    /// serving if it can; [`Self::needs_rebuild`] says that the next build has to start anew.
    ///
    /// # Errors
    /// [`EngineError::Locked`] when another process holds the folder, [`EngineError::Io`] when it
    /// cannot be written.
    pub fn open(folder: &Path, ingredients: Ingredients) -> Result<Self, EngineError> {
        let search = folder.join("search");
        create_folder(&search)?;
        let lock = IndexLock::acquire(folder)?;
        let mut opened = Writer::open(&search, &ingredients, VectorStore::open).or_else(|error| {
            if !is_damage(&error) {
                return Err(error);
            }
            tracing::warn!(%error, folder = %search.display(), "the search folder cannot be used and is built anew");
            empty_but_for(&search, VECTOR_CACHE).map_err(|source| io_error(&search, source))?;
            Writer::open(&search, &ingredients, VectorStore::open)
        })?;
        if ingredients.embedder.is_some() {
            opened.cache = Some(Arc::new(EmbeddingCache::open(&search.join(VECTOR_CACHE))?));
        }
        remove_left_over(&search, &opened.manifest);
        Self::new(search, ingredients, opened, Some(lock))
    }

    /// Opens `folder` for reading, beside a process that may be writing it.
    ///
    /// # Errors
    /// [`EngineError::Missing`] when nothing was indexed there with these ingredients.
    pub fn open_read_only(folder: &Path, ingredients: Ingredients) -> Result<Self, EngineError> {
        let missing = || EngineError::Missing {
            folder: folder.to_owned(),
        };
        let search = folder.join("search");
        if !search.join(WORDS_FOLDER).join("meta.json").exists() {
            return Err(missing());
        }
        let writer = Writer::open(&search, &ingredients, VectorStore::open_read_only)?;
        if writer.manifest.generation == 0 {
            return Err(missing());
        }
        Self::new(search, ingredients, writer, None)
    }

    fn new(
        search_folder: PathBuf,
        ingredients: Ingredients,
        mut writer: Writer,
        lock: Option<IndexLock>,
    ) -> Result<Self, EngineError> {
        let snapshot = writer.snapshot()?;
        Ok(Self {
            embedder: ingredients.embedder.clone(),
            ingredients: Mutex::new(ingredients),
            search_folder,
            writer: Mutex::new(writer),
            current: ArcSwap::from_pointee(snapshot),
            _lock: lock,
        })
    }

    /// The newest generation. Keep it for as long as one request takes.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The model that makes the vectors.
    pub fn embedder(&self) -> Option<&Arc<dyn Embedder>> {
        self.embedder.as_ref()
    }

    /// What the next build is made with.
    pub(super) fn ingredients(&self) -> Ingredients {
        let ingredients = self.ingredients.lock();
        ingredients.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the terms of the next build, and of queries once it serves, with another analysis. If
    /// its lexicon differs, that build starts anew, or with what [`Self::changed_words`] concern.
    pub fn use_analyser(&self, analyser: Analyser) {
        let ingredients = self.ingredients.lock();
        ingredients.unwrap_or_else(PoisonError::into_inner).analyser = analyser;
    }

    /// Where [`Self::needs_rebuild`] and nothing but the lexicon differs: the words that it knows
    /// differently. Documents in whose normal form one of them stands have to be put again; then
    /// the build need not start from nothing. `None` where it must.
    pub fn changed_words(&self) -> Option<Vec<String>> {
        let next = self.ingredients();
        let writer = self.lock_writer();
        let is_known = writer.manifest.generation > 0
            && writer.manifest.basis.lexicon == writer.analyser.lexicon_hash()
            && writer
                .manifest
                .basis
                .differs_by_lexicon_alone(&next.basis());
        is_known.then(|| writer.analyser.changed_words(&next.analyser))
    }

    /// Whether what is on disk was made by another version, model or lexicon, or is not there.
    pub fn needs_rebuild(&self) -> bool {
        let basis = self.ingredients().basis();
        let manifest = &self.lock_writer().manifest;
        manifest.generation == 0 || manifest.basis != basis
    }

    /// The generation that is on disk. Where it was committed and could not be shown, it is shown
    /// now.
    ///
    /// # Errors
    /// [`EngineError`] when it cannot be read; the one before goes on serving.
    pub fn committed_generation(&self) -> Result<u64, EngineError> {
        let mut writer = self.lock_writer();
        if self.snapshot().generation != writer.manifest.generation {
            self.publish(&mut writer)?;
        }
        Ok(writer.manifest.generation)
    }

    /// Starts the build of `generation`, of so much; `from_nothing` leaves out everything indexed so
    /// far. Waits for a build under way.
    ///
    /// # Errors
    /// [`EngineError`] when the parts of the new generation cannot be made.
    pub fn begin(
        &self,
        from_nothing: bool,
        amount: Amount,
        generation: u64,
    ) -> Result<Build<'_>, EngineError> {
        Build::begin(self, self.lock_writer(), (from_nothing, amount), generation)
    }

    /// Whether every vector search uses a graph that covers the bulk, or needs none.
    pub fn graph_is_complete(&self) -> bool {
        self.snapshot()
            .vectors
            .as_ref()
            .is_none_or(|vectors| vectors.n_rows() < vectors.n_graph_rows() + MIN_GRAPH_ROWS)
    }

    /// Makes what the writer holds visible to readers.
    pub(super) fn publish(&self, writer: &mut Writer) -> Result<(), EngineError> {
        let snapshot = writer.snapshot()?;
        self.current.store(Arc::new(snapshot));
        Ok(())
    }

    pub(super) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        // A build that panicked was never committed; the next one begins by rolling back.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Folder of the word index, inside the search folder.
const WORDS_FOLDER: &str = "words";
/// Name of the cache of vectors, which outlives every index.
const VECTOR_CACHE: &str = "embeddings.sqlite";
/// Name of the graph beside the rows it covers.
pub(super) const GRAPH_FILE: &str = "graph.bin";

/// Removes everything in `folder` but the files whose names begin with `kept`.
fn empty_but_for(folder: &Path, kept: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(kept) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => std::fs::remove_dir_all(entry.path())?,
            false => std::fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Whether an error says that what is there cannot be used. A refusal of the system (no permission, too
/// many open files) says nothing about it; a missing file does.
fn is_damage(error: &EngineError) -> bool {
    match error {
        EngineError::Io { source, .. } | EngineError::Vectors(StoreError::Io { source, .. }) => {
            use std::io::ErrorKind::{NotFound, UnexpectedEof};
            matches!(source.kind(), NotFound | UnexpectedEof)
        }
        _ => true,
    }
}

/// Removes folders of vectors that a crash left behind.
fn remove_left_over(search: &Path, manifest: &Manifest) {
    let Ok(entries) = std::fs::read_dir(search) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(VECTOR_FOLDER_PREFIX) && name != manifest.vector_folder {
            remove_folder(&entry.path());
        }
    }
}

/// Removes a folder that nothing refers to any more. What stays is removed at the next start.
pub(super) fn remove_folder(path: &Path) {
    if path.exists()
        && let Err(error) = std::fs::remove_dir_all(path)
    {
        tracing::warn!(%error, path = %path.display(), "an outdated folder could not be removed");
    }
}

impl Writer {
    fn open(
        search: &Path,
        ingredients: &Ingredients,
        open_store: OpenStore,
    ) -> Result<Self, EngineError> {
        let words =
            LexicalIndex::open_or_create(&search.join(WORDS_FOLDER), &ingredients.analyser)?;
        let manifest = Manifest::parse(words.payload()?.as_deref(), ingredients.basis());
        let vectors = match &ingredients.embedder {
            Some(embedder) if manifest.basis == ingredients.basis() => Some(open_vectors(
                search,
                &manifest,
                embedder.as_ref(),
                open_store,
            )?),
            _ => None,
        };
        Ok(Self {
            words,
            vectors,
            // A reader makes no vectors, and must not touch the cache beside a writer.
            cache: None,
            manifest,
            analyser: ingredients.analyser.clone(),
        })
    }

    /// Forgets rows that a build appended and never committed: their numbers are handed out again.
    pub(super) fn drop_uncommitted_rows(
        &mut self,
        search: &Path,
        ingredients: &Ingredients,
    ) -> Result<(), EngineError> {
        if let (Some(vectors), Some(embedder)) = (&mut self.vectors, &ingredients.embedder)
            && vectors.n_rows() > self.manifest.n_vector_rows
        {
            *vectors = open_vectors(search, &self.manifest, embedder.as_ref(), VectorStore::open)?;
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Snapshot, EngineError> {
        let words = self.words.snapshot()?;
        let vectors = self
            .vectors
            .as_ref()
            .map(|vectors| vectors.snapshot(words.passage_nos().clone()));
        Ok(Snapshot {
            generation: self.manifest.generation,
            words,
            vectors,
            analyser: self.analyser.clone(),
        })
    }
}

/// How rows are opened: for writing, or beside a writer.
type OpenStore = fn(&Path, usize, &str, u64) -> Result<VectorStore, StoreError>;

fn open_vectors(
    search: &Path,
    manifest: &Manifest,
    embedder: &dyn Embedder,
    open_store: OpenStore,
) -> Result<VectorStore, EngineError> {
    let folder = search.join(&manifest.vector_folder);
    let (dimension, n_rows) = (embedder.dimension(), manifest.n_vector_rows);
    let mut store = open_store(&folder, dimension, embedder.id(), n_rows)?;
    let path = folder.join(GRAPH_FILE);
    if path.exists() {
        match Graph::load(&path, store.rows()) {
            Ok(graph) => store.set_graph(Some(Arc::new(graph))),
            Err(error) => tracing::warn!(%error, "the graph cannot be used and is built anew"),
        }
    }
    Ok(store)
}

pub(super) fn create_folder(path: &Path) -> Result<(), EngineError> {
    std::fs::create_dir_all(path).map_err(|source| io_error(path, source))
}

pub(super) fn io_error(path: &Path, source: std::io::Error) -> EngineError {
    EngineError::Io {
        path: path.to_owned(),
        source,
    }
}
