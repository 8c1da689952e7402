//! One build, from a look at the corpus to the receipt in the records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use rayon::prelude::*;

use super::laps::Laps;
use super::moves::pair_moves;
use super::recut::recut_documents;
use super::source::{hash_again, hash_with, look, refuse_emptied};
use super::{Plan, Progress, Source, Step, SyncError, plan};
use crate::corpus::folder_defaults::FolderDefaults;
use crate::corpus::load::{LoadContext, load_file};
use crate::corpus::{CorpusFile, Finding, Limits, Outcome};
use crate::document::Document;
use crate::engine::{Build, PassageIndex};
use crate::lexical::Amount;
use crate::records::{
    Change, DocumentRecord, FileOutcome, FileRecord, FindingRecord, NewReceipt, NewVersion,
    Records, Update,
};

/// Files read side by side before their documents go to the index. Bounds memory.
const FILES_PER_STEP: usize = 32;
/// Documents handed to the index in one step, so that progress moves inside a large file.
pub const DOCUMENTS_PER_STEP: usize = 2_048;

/// Stands in the records for the source hash of a file that changed while it was read.
const CHANGED_WHILE_READ: &str = "changed while it was read";

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
        let serving = self.index.snapshot().generation;
        if self.records.finish_interrupted(serving, Timestamp::now())? {
            tracing::info!(
                generation = serving,
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
        let seen = look(self.corpus, &scope.paths, self.progress)?;
        let mut known = Vec::new();
        for path in &scope.paths {
            known.extend(self.records.files_below(path)?);
        }

        if scope.paths.contains("") {
            refuse_emptied(self.corpus, &seen, known.len())?;
        }

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
        let work = plan(seen.sources, known, closed_folders, reread);
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
            let serving = recorded.max(serving);
            self.build(work, (rebuild, recut), serving, (scope, now))?;
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
        work: Plan<CorpusFile>,
        (rebuild, recut): (bool, Option<Vec<String>>),
        serving: u64,
        (scope, now): (&Scope, Timestamp),
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
            detected: Detected { scope, now },
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
            let outcomes: Vec<(String, Outcome)> = sources
                .par_iter()
                .map(|(source, _)| {
                    let outcome = load_file(&source.file, &context);
                    // What changed while it was read is not what the hash says: it has to be read
                    // again, so it is recorded under a hash that nothing has.
                    let now = hash_again(self.corpus, &source.file);
                    let is_same = now == source.source_hash;
                    let recorded = if is_same {
                        now
                    } else {
                        CHANGED_WHILE_READ.to_owned()
                    };
                    (recorded, outcome)
                })
                .collect();
            for ((source, known), (source_hash, outcome)) in sources.iter().zip(outcomes) {
                let source = Source {
                    source_hash,
                    ..source.clone()
                };
                step.take_file(&source, known.as_ref(), outcome, self.progress)?;
            }
        }
        step.put_waiting()?;
        laps.lap("read");
        self.progress.reached(Step::Read);
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
        if !update.is_empty() {
            self.records.apply(update, Timestamp::now())?;
        }
        laps.lap("record");
        self.progress.reached(Step::Recorded);
        tracing::debug!(steps_ms = ?laps.times, "updated");
        Ok(())
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

/// When changes were noticed.
struct Detected<'s> {
    scope: &'s Scope,
    now: Timestamp,
}

impl Detected<'_> {
    /// When a change of `path`, or of the nearest folder above it, was noticed first.
    fn at(&self, path: &str) -> Timestamp {
        let known = &self.scope.detected_at;
        let above = path.rmatch_indices('/').map(|(at, _)| &path[..at]);
        let noticed = [path].into_iter().chain(above).chain([""]);
        let mut noticed = noticed.filter_map(|path| known.get(path));
        noticed.next().copied().unwrap_or(self.now)
    }
}

/// A build under way, with what it will change in the records.
struct Work<'i, 'r, 's> {
    build: Build<'i>,
    records: &'r Records,
    corpus: &'r Path,
    rebuild: bool,
    /// Documents that wait to be put together with others: each time costs a write to the disk.
    waiting: Vec<Document>,
    /// Ids of documents put by this build.
    taken: BTreeSet<String>,
    /// Paths of files that are gone.
    removed: BTreeSet<String>,
    /// Whether anything that is indexed differs from the generation before.
    is_changed: bool,
    detected: Detected<'s>,
    update: Update,
}

impl Work<'_, '_, '_> {
    fn remove_file(&mut self, file: &FileRecord) -> Result<(), SyncError> {
        let mut n_documents = 0;
        // A build from nothing has nothing to delete.
        if !self.rebuild {
            for document in self.records.documents_of(&file.path)? {
                n_documents += 1;
                if !self.taken.contains(&document.id) {
                    self.build.delete(&document.id)?;
                    self.is_changed = true;
                    self.update.removed_documents.push(document.id);
                }
            }
        }
        // What never got in goes without a receipt, unless its failure had one.
        if n_documents > 0 || self.rebuild || file.outcome != FileOutcome::Loaded {
            self.update.receipts.push(NewReceipt {
                path: file.path.clone(),
                change: Change::Removed,
                content_hash: Some(file.content_hash.clone()),
                from: None,
                detected_at: self.detected.at(&file.path),
                n_passages: 0,
                error: None,
            });
        }
        self.update.removed_files.push(file.path.clone());
        Ok(())
    }

    /// Puts the documents of one file that differ from what is indexed, and deletes those that it
    /// no longer holds.
    fn take_file(
        &mut self,
        source: &Source<CorpusFile>,
        known: Option<&FileRecord>,
        outcome: Outcome,
        progress: &dyn Progress,
    ) -> Result<(), SyncError> {
        match outcome {
            Outcome::Loaded {
                documents,
                findings,
            } => self.take_documents(source, known, (documents, findings), progress),
            Outcome::Skipped(reason) => self.leave_out(source, known, FileOutcome::Skipped, reason),
            Outcome::NoText(reason) => self.leave_out(source, known, FileOutcome::NoText, reason),
            Outcome::Failed(reason) => {
                let gone = std::fs::symlink_metadata(&source.file.full_path)
                    .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
                match known {
                    // Removed since it was seen.
                    Some(known) if gone && !self.rebuild => self.remove_file(known),
                    None if gone => Ok(()),
                    Some(known) if !self.rebuild && self.may_stay(source, known) => {
                        self.keep_stale(source, known, reason);
                        Ok(())
                    }
                    _ => self.leave_out(source, known, FileOutcome::Failed, reason),
                }
            }
        }
    }

    /// Whether the last good state of a file that cannot be read may go on serving: not when its
    /// sidecar or the folder defaults have changed since. They may say that the public must not see
    /// it, and nobody can tell without reading the file.
    fn may_stay(&self, source: &Source<CorpusFile>, known: &FileRecord) -> bool {
        let as_it_was = || hash_with(self.corpus, &source.file, &known.content_hash);
        has_served(known)
            && (known.source_hash == CHANGED_WHILE_READ || known.source_hash == as_it_was())
    }

    fn take_documents(
        &mut self,
        source: &Source<CorpusFile>,
        known: Option<&FileRecord>,
        (documents, mut findings): (Vec<Document>, Vec<Finding>),
        progress: &dyn Progress,
    ) -> Result<(), SyncError> {
        let mut indexed = self.indexed_of(&source.path)?;
        let n_documents = documents.len().max(1) as u64;
        let mut n_bytes_left = source.file.n_bytes;
        let mut n_passages = 0;
        let mut is_changed = false;
        let mut documents = documents.into_iter().peekable();
        while documents.peek().is_some() {
            let mut changed = Vec::new();
            let mut n_taken = 0;
            for mut document in documents.by_ref().take(DOCUMENTS_PER_STEP) {
                n_taken += 1;
                n_passages += document.passages.len() as u32;
                self.make_id_unique(&mut document, &mut findings)?;
                let fingerprint = fingerprint(&document);
                let record = DocumentRecord {
                    id: document.id.clone(),
                    path: source.path.clone(),
                    fingerprint,
                };
                if indexed.remove(&document.id).as_ref() != Some(&record.fingerprint) {
                    if !self
                        .records
                        .has_version(&document.id, &record.fingerprint)?
                    {
                        let version = NewVersion::of(&document, &record.fingerprint)?;
                        self.update.versions.push(version);
                    }
                    changed.push(document);
                }
                self.update.documents.push(record);
            }
            is_changed |= !changed.is_empty();
            self.put(changed)?;
            let n_bytes = (source.file.n_bytes * n_taken / n_documents).min(n_bytes_left);
            progress.advance(n_bytes);
            n_bytes_left -= n_bytes;
        }
        progress.advance(n_bytes_left);
        is_changed |= self.delete_all(indexed)?;
        self.is_changed |= is_changed;

        let change = match known {
            Some(known) if has_served(known) => {
                let differs = is_changed && !self.rebuild;
                let is_other = known.content_hash != source.content_hash;
                (differs || is_other || known.is_stale).then_some(Change::Modified)
            }
            _ => Some(Change::Added),
        };
        if let Some(change) = change {
            self.receipt(source, change, n_passages, None);
        }
        self.update.files.push(FileRecord {
            n_passages,
            ..file_record(source, FileOutcome::Loaded, None)
        });
        self.find(&source.path, findings);
        Ok(())
    }

    /// Lists a file without documents; those that it had are outdated.
    fn leave_out(
        &mut self,
        source: &Source<CorpusFile>,
        known: Option<&FileRecord>,
        outcome: FileOutcome,
        reason: String,
    ) -> Result<(), SyncError> {
        let indexed = self.indexed_of(&source.path)?;
        self.is_changed |= self.delete_all(indexed)?;
        let record = file_record(source, outcome, Some(reason.clone()));
        if known != Some(&record) || self.rebuild {
            if known.is_none_or(|known| is_news(known, &record)) {
                self.receipt(source, Change::Failed, 0, Some(reason));
            }
            self.update.files.push(record);
        }
        Ok(())
    }

    /// Lets the last good state of a file go on serving.
    fn keep_stale(&mut self, source: &Source<CorpusFile>, known: &FileRecord, reason: String) {
        let record = FileRecord {
            // Those of the state that serves: the next failure compares with it.
            source_hash: known.source_hash.clone(),
            content_hash: known.content_hash.clone(),
            n_passages: known.n_passages,
            is_stale: true,
            ..file_record(source, FileOutcome::Failed, Some(reason.clone()))
        };
        if *known != record {
            self.receipt(source, Change::Failed, known.n_passages, Some(reason));
            self.update.stale_files.push(record);
        }
    }

    fn put(&mut self, documents: Vec<Document>) -> Result<(), SyncError> {
        self.waiting.extend(documents);
        match self.waiting.len() >= DOCUMENTS_PER_STEP {
            true => self.put_waiting(),
            false => Ok(()),
        }
    }

    fn put_waiting(&mut self) -> Result<(), SyncError> {
        let documents = std::mem::take(&mut self.waiting);
        if !documents.is_empty() {
            self.build.put(&documents)?;
        }
        Ok(())
    }

    /// What is indexed of a file: id → fingerprint.
    fn indexed_of(&self, path: &str) -> Result<BTreeMap<String, String>, SyncError> {
        if self.rebuild {
            return Ok(BTreeMap::new());
        }
        let known = self.records.documents_of(path)?.into_iter();
        Ok(known
            .map(|document| (document.id, document.fingerprint))
            .collect())
    }

    fn delete_all(&mut self, indexed: BTreeMap<String, String>) -> Result<bool, SyncError> {
        let mut is_changed = false;
        for id in indexed.into_keys() {
            if !self.taken.contains(&id) {
                self.build.delete(&id)?;
                is_changed = true;
                self.update.removed_documents.push(id);
            }
        }
        Ok(is_changed)
    }

    /// Gives a document whose id belongs to another one an id made from its path, with a finding:
    /// neither text is lost.
    fn make_id_unique(
        &mut self,
        document: &mut Document,
        findings: &mut Vec<Finding>,
    ) -> Result<(), SyncError> {
        let owner = if self.rebuild {
            None
        } else {
            self.records.path_of(&document.id)?
        };
        let is_foreign =
            owner.is_some_and(|path| path != document.path && !self.removed.contains(&path));
        if is_foreign || self.taken.contains(&document.id) {
            let wanted = std::mem::take(&mut document.id);
            document.id = (1u32..)
                .map(|n| format!("{}#重复{n}:{wanted}", document.path))
                .find(|id| !self.taken.contains(id))
                .unwrap_or_default();
            findings.push(Finding {
                error: true,
                code: "duplicate_id",
                message: format!(
                    "编号“{wanted}”已被其他文档使用，暂以“{}”编入索引；请改用唯一的 id",
                    document.id
                ),
            });
        }
        self.taken.insert(document.id.clone());
        Ok(())
    }

    fn receipt(
        &mut self,
        source: &Source<CorpusFile>,
        change: Change,
        n_passages: u32,
        error: Option<String>,
    ) {
        self.update.receipts.push(NewReceipt {
            path: source.path.clone(),
            change,
            content_hash: Some(source.content_hash.clone()),
            from: None,
            detected_at: self.detected.at(&source.path),
            n_passages,
            error,
        });
    }

    fn find(&mut self, path: &str, findings: Vec<Finding>) {
        let records = findings.into_iter().map(|finding| FindingRecord {
            path: path.to_owned(),
            error: finding.error,
            code: finding.code.to_owned(),
            message: finding.message,
        });
        self.update.findings.extend(records);
    }
}

fn file_record(
    source: &Source<CorpusFile>,
    outcome: FileOutcome,
    reason: Option<String>,
) -> FileRecord {
    FileRecord {
        path: source.path.clone(),
        source_hash: source.source_hash.clone(),
        content_hash: source.content_hash.clone(),
        outcome,
        reason,
        n_passages: 0,
        is_stale: false,
    }
}

/// Whether documents of a file are indexed.
fn has_served(known: &FileRecord) -> bool {
    known.outcome == FileOutcome::Loaded || known.is_stale
}

/// Whether a failure differs from what editors were told before.
fn is_news(known: &FileRecord, now: &FileRecord) -> bool {
    known.outcome != now.outcome
        || known.reason != now.reason
        || known.content_hash != now.content_hash
}

/// blake3 over everything of a document that is indexed or shown, lower-case hex.
///
/// The debug form spells out every field, so a field added later is covered without a thought.
fn fingerprint(document: &Document) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(document.text.as_bytes());
    let Document {
        id,
        path,
        title,
        metadata,
        text: _,
        content_hash,
        passages,
    } = document;
    hasher.update(
        format!("{id:?}{path:?}{title:?}{metadata:?}{content_hash:?}{passages:?}").as_bytes(),
    );
    hasher.finalize().to_hex().to_string()
}
