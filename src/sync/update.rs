//! One build, from a look at the corpus to the receipt in the records.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rayon::prelude::*;

use super::laps::Laps;
use super::moves::pair_moves;
use super::recut::recut_documents;
use super::source::{
    FolderIdentity, corpus_error, hash_with, identity_of, look, look_again, refuse_emptied,
};
use super::work::{Detected, Work};
use super::{Plan, Progress, Source, Step, SyncError, plan};
use crate::corpus::folder_defaults::FolderDefaults;
use crate::corpus::load::{LoadContext, load_file};
use crate::corpus::{CorpusFile, Limits, Outcome};
use crate::engine::PassageIndex;
use crate::lexical::Amount;
use crate::records::{FileOutcome, Records, Update};

/// Files read side by side before their documents go to the index. Bounds memory.
const FILES_PER_STEP: usize = 32;
/// Documents handed to the index in one step, so that progress moves inside a large file.
pub const DOCUMENTS_PER_STEP: usize = 2_048;

/// Stands for the content hash, in the source hash that the records have, of a file that went on
/// changing while it was read.
pub const CHANGED_WHILE_READ: &str = "changed while it was read";

/// How often a file is read that changes meanwhile.
const MAX_READS: usize = 3;

/// More than this in one build is written as much is: see [`Amount`].
const MUCH_BYTES: u64 = 4 << 20;
/// The same, by number of files.
const MUCH_FILES: usize = 500;

/// A file that is not in the index, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the corpus.
    pub path: String,
    /// How reading it ended.
    pub outcome: FileOutcome,
    /// For editors, in Chinese.
    pub reason: String,
}

/// What one run did, and what the index holds after it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The generation that serves now.
    pub generation: u64,
    /// Whether everything was built anew.
    pub rebuilt: bool,
    /// Files found in the corpus, skipped ones included.
    pub n_files: usize,
    /// Files seen for the first time.
    pub n_added: usize,
    /// Files whose content, sidecar or defaults changed.
    pub n_modified: usize,
    /// Files that are gone.
    pub n_removed: usize,
    /// Files that needed no work.
    pub n_unchanged: usize,
    /// Documents in the index.
    pub n_documents: usize,
    /// Passages in the index.
    pub n_passages: usize,
    /// Files that are not in the index, by path; of an update within a scope, those never read.
    pub problems: Vec<Problem>,
    /// Files left for later, see [`Scope::rest`].
    pub left: Vec<String>,
    /// Milliseconds until the new generation was searchable.
    pub searchable_ms: u64,
}

/// Which part of the corpus an update looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Files and folders relative to the corpus, whether they are there or not; the empty path is
    /// the whole corpus.
    pub paths: BTreeSet<String>,
    /// When a change at one of the paths was noticed first; the start of the update for others.
    pub detected_at: BTreeMap<String, Timestamp>,
    /// Files that somebody is writing: what is known of them stays as it is until they come to
    /// rest. A build from nothing reads them too.
    pub being_written: BTreeSet<String>,
    /// New files that are found in a folder and changed less than this ago are left for later:
    /// somebody may be writing them. Those that `paths` names are read.
    pub rest: Duration,
    /// Whether files are read even when nothing about them changed.
    pub reread: bool,
}

impl Scope {
    /// The whole corpus.
    pub fn whole() -> Self {
        Self {
            paths: BTreeSet::from([String::new()]),
            ..Self::default()
        }
    }
}

/// What one build is to do.
struct Order<'s> {
    work: Plan<CorpusFile>,
    /// Which folder was looked at.
    folder: FolderIdentity,
    /// Whether everything is built anew.
    rebuild: bool,
    /// Words whose documents are to be cut anew.
    recut: Option<Vec<String>>,
    /// The newest generation there is.
    serving: u64,
    detected: Detected<'s>,
}

/// Brings one index up to date with one corpus.
pub struct Updater<'a> {
    /// The index to change.
    pub index: &'a PassageIndex,
    /// What was indexed before.
    pub records: &'a mut Records,
    /// The corpus folder.
    pub corpus: &'a Path,
    /// How files are read.
    pub limits: Limits,
    /// Told how far the work is.
    pub progress: &'a dyn Progress,
}

impl Updater<'_> {
    /// Reads what differs and makes it visible as one generation; `full` reads everything.
    ///
    /// Everything is also built anew when the index was made by another version, model or
    /// lexicon, or when it and the records do not describe the same generation: when the search
    /// folder was deleted, say.
    ///
    /// # Errors
    /// [`SyncError`]; the generation that was serving goes on serving.
    pub fn bring_up_to_date(&mut self, full: bool) -> Result<Summary, SyncError> {
        let began = Instant::now();
        self.finish_interrupted()?;
        let mut summary = self.update_within(&Scope::whole(), full)?;
        self.add_problems(&mut summary.problems)?;
        summary.searchable_ms = began.elapsed().as_millis() as u64;
        Ok(summary)
    }

    /// Makes what changed within `scope` visible as one generation; none is made where nothing
    /// that is indexed changed.
    ///
    /// # Errors
    /// [`SyncError`]; the generation that was serving goes on serving.
    pub fn update(&mut self, scope: &Scope) -> Result<Summary, SyncError> {
        self.finish_interrupted()?;
        self.update_within(scope, false)
    }

    fn finish_interrupted(&mut self) -> Result<(), SyncError> {
        let committed = self.index.committed_generation()?;
        if self
            .records
            .finish_interrupted(committed, Timestamp::now())?
        {
            tracing::info!(
                generation = committed,
                "the receipts of an interrupted update are written"
            );
        }
        Ok(())
    }

    fn update_within(&mut self, scope: &Scope, full: bool) -> Result<Summary, SyncError> {
        let began = Instant::now();
        let now = Timestamp::now();
        let recorded = self.records.generation()?;
        let serving = self.index.snapshot().generation;
        let needs_rebuild = self.index.needs_rebuild();
        // A lexicon that changed while it serves concerns few documents.
        let recut = match needs_rebuild && !full && recorded == serving {
            true => self.index.changed_words(),
            false => None,
        };
        let rebuild = full || recorded != serving || (needs_rebuild && recut.is_none());
        let whole = Scope {
            detected_at: scope.detected_at.clone(),
            ..Scope::whole()
        };
        let scope = if rebuild { &whole } else { scope };
        let mut seen = look(self.corpus, &scope.paths, self.progress)?;
        let mut known = Vec::new();
        for path in &scope.paths {
            known.extend(self.records.files_below(path)?);
        }

        if scope.paths.contains("") {
            refuse_emptied(self.corpus, &seen, known.len())?;
        }

        seen.sources
            .retain(|source| !scope.being_written.contains(&source.path));
        known.retain(|file| !scope.being_written.contains(&file.path));

        let mut summary = Summary {
            rebuilt: rebuild,
            n_files: seen.sources.len() + seen.skipped.len(),
            ..Summary::default()
        };
        // A build from nothing has no earlier state to keep of files that it cannot see.
        let closed_folders = if rebuild {
            &[]
        } else {
            &seen.closed_folders[..]
        };
        let reread = scope.reread || rebuild;
        let mut work = plan(seen.sources, known, closed_folders, reread);
        if !rebuild {
            summary.left = leave_fresh(&mut work, scope);
        }
        summary.n_removed = work.removed.len();
        summary.n_unchanged = work.n_unchanged;
        summary.n_modified = work
            .read
            .iter()
            .filter(|(_, known)| known.is_some())
            .count();
        summary.n_added = work.read.len() - summary.n_modified;
        if rebuild {
            // Whatever was known is read anew and comes in as it was.
            summary.n_added = work.read.len();
            summary.n_modified = 0;
        }
        let is_idle = work.read.is_empty() && work.removed.is_empty();
        if rebuild || recut.is_some() || !is_idle {
            self.build(Order {
                work,
                folder: seen.folder,
                rebuild,
                recut,
                serving: recorded.max(serving),
                detected: Detected { scope, now },
            })?;
        }

        let snapshot = self.index.snapshot();
        summary.generation = snapshot.generation;
        summary.n_documents = snapshot.words.n_documents();
        summary.n_passages = snapshot.words.n_passages();
        summary.problems = seen.skipped;
        summary.searchable_ms = began.elapsed().as_millis() as u64;
        Ok(summary)
    }

    fn build(
        &mut self,
        Order {
            work,
            folder,
            rebuild,
            recut,
            serving,
            detected,
        }: Order<'_>,
    ) -> Result<(), SyncError> {
        let n_bytes: u64 = work
            .read
            .iter()
            .map(|(source, _)| source.file.n_bytes)
            .sum();
        let is_much = rebuild || n_bytes > MUCH_BYTES || work.read.len() > MUCH_FILES;
        let amount = if is_much {
            Amount::Much
        } else {
            Amount::Little
        };
        let mut laps = Laps::start();
        let mut step = Work {
            build: self.index.begin(rebuild, amount, serving + 1)?,
            records: self.records,
            corpus: self.corpus,
            rebuild,
            waiting: Vec::new(),
            taken: BTreeSet::new(),
            removed: work.removed.iter().map(|file| file.path.clone()).collect(),
            is_changed: rebuild || recut.is_some(),
            detected,
            update: Update {
                reset: rebuild,
                ..Update::default()
            },
        };
        laps.lap("begin");
        if let Some(words) = recut.filter(|words| !words.is_empty()) {
            let n_documents = recut_documents(self.index, &mut step.build, &words)?;
            tracing::info!(n_documents, "indexed anew for a changed lexicon");
            laps.lap("recut");
        }
        for file in &work.removed {
            step.remove_file(file)?;
        }
        self.progress.stage("读取并索引（字节）", n_bytes);
        let paths = work.read.iter().map(|(source, _)| source.path.as_str());
        let context = LoadContext {
            limits: self.limits.clone(),
            defaults: FolderDefaults::load_above(self.corpus, paths),
            ..LoadContext::default()
        };
        for (_, finding) in context.defaults.findings() {
            tracing::warn!("{}", finding.message);
        }
        for sources in work.read.chunks(FILES_PER_STEP) {
            let outcomes: Vec<_> = sources
                .par_iter()
                .map(|(source, _)| read(self.corpus, source, &context))
                .collect();
            for ((_, known), (source, outcome)) in sources.iter().zip(outcomes) {
                step.take_file(&source, known.as_ref(), outcome, self.progress)?;
            }
        }
        step.put_waiting()?;
        laps.lap("read");
        self.progress.reached(Step::Read);
        self.refuse_replaced(folder)?;
        self.progress.stage("写入索引", 0);
        let Work {
            build,
            mut update,
            is_changed,
            ..
        } = step;
        pair_moves(&mut update.receipts);
        update.generation = if is_changed { serving + 1 } else { serving };
        if !is_changed {
            drop(build);
        } else {
            // A build from nothing is simply done again when it is interrupted here.
            if !rebuild {
                self.records.prepare(&update)?;
                laps.lap("prepare");
                self.progress.reached(Step::Prepared);
            }
            build.commit()?;
            laps.lap("commit");
            self.progress.reached(Step::Committed);
        }
        if is_changed || !update.is_empty() {
            self.records.apply(update, Timestamp::now())?;
        }
        laps.lap("record");
        self.progress.reached(Step::Recorded);
        tracing::debug!(steps_ms = ?laps.times, "updated");
        Ok(())
    }

    /// An error if another folder, or none, stands where the corpus was looked at: what was not
    /// there any more is not gone.
    fn refuse_replaced(&self, folder: FolderIdentity) -> Result<(), SyncError> {
        if identity_of(self.corpus)? == folder {
            return Ok(());
        }
        Err(corpus_error(self.corpus)(io::Error::other(
            "another folder came to stand there while it was read",
        )))
    }

    /// Adds the files that were read in vain.
    fn add_problems(&self, problems: &mut Vec<Problem>) -> Result<(), SyncError> {
        for file in self.records.files()? {
            if file.outcome != FileOutcome::Loaded {
                problems.push(Problem {
                    path: file.path,
                    outcome: file.outcome,
                    reason: file.reason.unwrap_or_default(),
                });
            }
        }
        problems.sort();
        Ok(())
    }
}

/// Takes new files out of `work` that somebody may be writing.
fn leave_fresh(work: &mut Plan<CorpusFile>, scope: &Scope) -> Vec<String> {
    // What replaces something that went must not come later than it goes.
    if scope.rest.is_zero() || !work.removed.is_empty() {
        return Vec::new();
    }
    let is_left = |(source, known): &(Source<CorpusFile>, Option<_>)| {
        let is_found = known.is_none() && !scope.paths.contains(&source.path);
        is_found && age(&source.file.full_path).is_some_and(|age| age < scope.rest)
    };
    let mut left = Vec::new();
    work.read.retain(|read| {
        let is_left = is_left(read);
        if is_left {
            left.push(read.0.path.clone());
        }
        !is_left
    });
    left
}

/// How long ago a file was written; `None` where that cannot be told.
fn age(path: &Path) -> Option<Duration> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    metadata.modified().ok()?.elapsed().ok()
}

/// Reads a file, and again when it changed meanwhile: what the receipt names is what was read, and
/// who saves a file empties it first.
///
/// What goes on changing comes back under [`CHANGED_WHILE_READ`], to be read again.
fn read(
    corpus: &Path,
    source: &Source<CorpusFile>,
    context: &LoadContext,
) -> (Source<CorpusFile>, Outcome) {
    let mut state = source.clone();
    let mut renewed = None;
    let mut n_reads = 0;
    loop {
        let outcome = load_file(&state.file, renewed.as_ref().unwrap_or(context));
        let now = look_again(corpus, &state);
        n_reads += 1;
        if now.source_hash == state.source_hash {
            return (state, outcome);
        }
        if n_reads == MAX_READS {
            state.source_hash = hash_with(corpus, &state.file, CHANGED_WHILE_READ);
            return (state, outcome);
        }
        // The defaults may be what changed.
        renewed = Some(LoadContext {
            limits: context.limits.clone(),
            defaults: FolderDefaults::load_above(corpus, [now.path.as_str()]),
            ..LoadContext::default()
        });
        state = now;
    }
}
