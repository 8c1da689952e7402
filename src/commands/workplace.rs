//! What the commands that work on an index open: configuration → lexicon, model, index, records.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::Places;
use super::lessons::lessons_of;
use crate::config::{Config, Fusion, Overrides, WatchMode, process_environment};
use crate::corpus::Limits;
use crate::embedding::{self, EmbeddingSettings};
use crate::engine::{Ingredients, PassageIndex};
use crate::records::Records;
use crate::retrieval::fusion::FusionMethod;
use crate::retrieval::{Calibration, RetrievalSettings, Retriever};
use crate::sync::{LEXICON_FOLDER, Notice, Progress, Summary, SyncError, Updater, WatchSettings};
use crate::text::{Analyser, Lexicon};

impl Places {
    /// The configuration with what the command line says on top.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        self.config_with(Overrides::default())
    }

    /// The same, with the flags that only some commands have.
    pub(super) fn config_with(&self, flags: Overrides) -> anyhow::Result<Config> {
        let overrides = Overrides {
            corpus: self.corpus.clone(),
            index: self.index.clone(),
            ..flags
        };
        let config = Config::load(self.config.as_deref(), process_environment(), &overrides)?;
        Ok(config)
    }
}

/// An index with everything that changes it.
pub(super) struct Workplace {
    pub(super) index: Arc<PassageIndex>,
    pub(super) records: Records,
    pub(super) records_path: PathBuf,
    corpus: PathBuf,
    limits: Limits,
}

impl Workplace {
    /// Opens the index folder for writing.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let index = PassageIndex::open(&config.index.path, ingredients(config)?)?;
        let records_path = records_path(config);
        Ok(Self {
            index: Arc::new(index),
            records: Records::open(&records_path)?,
            records_path,
            corpus: config.corpus.path.clone(),
            limits: limits(config),
        })
    }

    /// Makes the index say what the corpus says.
    pub(super) fn bring_up_to_date(
        &mut self,
        full: bool,
        progress: &dyn Progress,
    ) -> Result<Summary, SyncError> {
        let Self {
            index,
            records,
            corpus,
            limits,
            ..
        } = self;
        Updater {
            index,
            records,
            corpus,
            limits: limits.clone(),
            progress,
        }
        .bring_up_to_date(full)
    }
}

/// Where the records of an index stand.
pub(super) fn records_path(config: &Config) -> PathBuf {
    config.index.path.join("records.sqlite")
}

/// Where what is kept of calls stands.
pub(super) fn call_records_path(config: &Config) -> PathBuf {
    config.index.path.join("calls.sqlite")
}

/// Where the API keys stand.
pub(super) fn access_path(config: &Config) -> PathBuf {
    config.index.path.join("access.sqlite")
}

/// How changes of the corpus are noticed.
pub(super) fn watch_settings(config: &Config) -> WatchSettings {
    let watch = &config.watch;
    WatchSettings {
        notice: match watch.mode {
            WatchMode::Native => Notice::Events,
            WatchMode::Poll => Notice::Looking(Duration::from_secs(watch.poll_interval_s)),
            WatchMode::Off => Notice::Never,
        },
        rest: Duration::from_millis(watch.settle_ms),
        reconcile_every: (watch.reconcile_minutes > 0)
            .then(|| Duration::from_secs(60 * watch.reconcile_minutes)),
    }
}

/// What one file may cost.
pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        file_bytes: config.limits.max_file_bytes,
        ..Limits::default()
    }
}

/// How hits are found and ranked.
pub(super) fn retrieval_settings(config: &Config) -> anyhow::Result<RetrievalSettings> {
    Ok(RetrievalSettings {
        fusion: match config.retrieval.fusion {
            Fusion::Weighted => FusionMethod::Weighted {
                lexical_weight: config.retrieval.lexical_weight,
            },
            Fusion::ReciprocalRank => FusionMethod::ReciprocalRank,
        },
        n_candidates: config.retrieval.candidates,
        by_sound: config.retrieval.by_sound,
        time_zone: config.time_zone()?,
    })
}

/// Where a calibration of one's own stands.
pub(super) fn calibration_path(config: &Config) -> PathBuf {
    config.index.path.join("calibration.json")
}

/// The calibration of one's own if there is one, else the one for the built-in model.
pub(super) fn open_calibration(config: &Config) -> anyhow::Result<Calibration> {
    let path = calibration_path(config);
    match std::fs::read_to_string(&path) {
        Ok(json) => Calibration::from_json(&json).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Calibration::built_in()?),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// A retriever as configured, over an index that is open.
pub(super) fn retriever(config: &Config, index: Arc<PassageIndex>) -> anyhow::Result<Retriever> {
    let model = index.embedder().map(|embedder| embedder.id().to_owned());
    let retriever = Retriever::new(index, retrieval_settings(config)?)?;
    if config.retrieval.fusion == Fusion::ReciprocalRank {
        tracing::warn!("by ranks, hits have no confidence: nothing is recommended during calls");
    }
    Ok(match open_calibration(config) {
        Ok(calibration) => {
            if model.is_some_and(|model| model != calibration.embedding) {
                tracing::warn!(
                    "no calibration was fitted for this embedding model, so hits have no confidence \
                     and nothing is recommended during calls; run `zhiku calibrate`"
                );
            }
            retriever.with_calibration(Arc::new(calibration))
        }
        Err(error) => {
            tracing::error!("{error:#}; the built-in calibration is used");
            retriever
        }
    })
}

/// A retriever over an index that another process may be writing.
pub(super) fn open_retriever(config: &Config) -> anyhow::Result<Retriever> {
    let index = PassageIndex::open_read_only(&config.index.path, ingredients(config)?)?;
    let retriever = retriever(config, Arc::new(index))?;
    if config.retrieval.learned {
        // What is kept of calls must not keep anybody from searching.
        match lessons_of(&call_records_path(config)) {
            Ok(lessons) => retriever.learn(lessons)?,
            Err(error) => tracing::error!("what agents adopted does not count: {error:#}"),
        }
    }
    Ok(retriever)
}

/// The user's lexicon and the configured model. A model that cannot be used is reported and left
/// out: everything still works by words.
pub(super) fn ingredients(config: &Config) -> anyhow::Result<Ingredients> {
    let analyser = analyser(&config.corpus.path);
    let settings = &config.embedding;
    let opened = embedding::open(&EmbeddingSettings {
        model: settings.model.clone(),
        onnx_runtime: settings.onnx_runtime.clone(),
        mirror: settings.mirror.clone(),
        cache_dir: Some(
            settings
                .cache_dir
                .clone()
                .unwrap_or_else(|| config.index.path.join("models")),
        ),
    });
    let embedder = match opened {
        Ok(embedder) => Some(embedder),
        Err(error) => {
            tracing::error!(%error, "the embedding model cannot be used; searching by words alone");
            None
        }
    };
    Ok(Ingredients { analyser, embedder })
}

/// The analysis with the user's lexicon as it stands.
pub(super) fn analyser(corpus: &Path) -> Analyser {
    let (lexicon, problems) = Lexicon::load(&corpus.join(LEXICON_FOLDER));
    for problem in problems {
        tracing::warn!("{problem}");
    }
    Analyser::with_lexicon(&lexicon.over(Lexicon::everyday()))
}
