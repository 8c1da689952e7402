//! What the commands that work on an index open: configuration → lexicon, model, index, records.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::Places;
use crate::config::Config;
use crate::corpus::LoadContext;
use crate::embedding::{self, Embedder};
use crate::engine::{Ingredients, PassageIndex};
use crate::records::Records;
use crate::retrieval::Retriever;
use crate::sync::{Progress, Summary, SyncError, Updater};
use crate::text::{Analyser, Lexicon};

/// Folder of the user's dictionary and synonyms, inside the corpus.
const LEXICON_FOLDER: &str = "_lexicon";

impl Places {
    /// The configuration with what the command line says on top.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(corpus) = &self.corpus {
            config.corpus.path = corpus.clone();
        }
        if let Some(index) = &self.index {
            config.index.path = index.clone();
        }
        Ok(config)
    }
}

/// An index with everything that changes it.
pub(super) struct Workplace {
    pub(super) index: Arc<PassageIndex>,
    pub(super) records: Records,
    pub(super) context: LoadContext,
}

impl Workplace {
    /// Opens the index folder for writing.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let index = PassageIndex::open(&config.index.path, ingredients(config)?)?;
        let records = Records::open(&config.index.path.join("records.sqlite"))?;
        Ok(Self { index: Arc::new(index), records, context: load_context(config) })
    }

    /// Makes the index say what the corpus says.
    pub(super) fn bring_up_to_date(
        &mut self,
        full: bool,
        progress: &dyn Progress,
    ) -> Result<Summary, SyncError> {
        let Self { index, records, context } = self;
        Updater { index, records, context, progress }.bring_up_to_date(full)
    }
}

/// How files of the configured corpus are read.
pub(super) fn load_context(config: &Config) -> LoadContext {
    LoadContext::new(config.corpus.path.clone())
}

/// The user's lexicon and the configured model. A model that cannot be used is reported and left
/// out: everything still works by words.
pub(super) fn ingredients(config: &Config) -> anyhow::Result<Ingredients> {
    let analyser = analyser(&config.corpus.path)?;
    let embedder = match embedding::open(&config.embedding.settings()) {
        Ok(embedder) => Some(embedder),
        Err(error) => {
            tracing::error!(%error, "the embedding model cannot be used; searching by words alone");
            None
        }
    };
    Ok(Ingredients { analyser, embedder })
}

fn analyser(corpus: &Path) -> anyhow::Result<Analyser> {
    let folder = corpus.join(LEXICON_FOLDER);
    if !folder.is_dir() {
        return Ok(Analyser::built_in());
    }
    let lexicon = Lexicon::load(&folder).context("the lexicon cannot be read")?;
    Ok(Analyser::with_lexicon(&lexicon))
}
