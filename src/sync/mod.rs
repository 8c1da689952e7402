//! Corpus folder → index: look, plan, build, swap, record.
//!
//! [`Updater`] compares the corpus, or a part of it, with the records by content, reads only what
//! differs, and makes one new generation. A file that cannot be read is listed with its reason and
//! never stops the rest. [`Live`] does so whenever something happens in the corpus.

use std::path::PathBuf;

mod laps;
mod live;
mod moves;
mod plan;
mod progress;
mod recut;
mod settling;
mod source;
mod update;
mod watch;
mod work;

pub use live::{Listener, Live};
pub use plan::{Plan, Source, plan};
pub use progress::{Progress, Silent, Step};
pub use settling::LEXICON_FOLDER;
pub use update::{Problem, Scope, Summary, Updater};
pub use watch::{Notice, Requests, Watch, WatchSettings};

use crate::engine::EngineError;
use crate::records::RecordsError;

/// Why the index could not be brought up to date. What was serving goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The corpus folder itself cannot be read.
    #[error(
        "the corpus folder {path} cannot be read: {source}; name it with --corpus or [corpus] path"
    )]
    Corpus {
        /// The corpus folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The words of a lexicon cannot be looked for: there are too many.
    #[error("the words of the lexicon cannot be looked for: {0}")]
    Words(String),
    /// The index failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The records failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
}
