//! One build, from a look at the corpus to the receipt in the records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;

use super::source::look;
use super::{Plan, Progress, Source, SyncError, plan};
use crate::corpus::load::{LoadContext, load_file};
use crate::corpus::{CorpusFile, Finding, Limits, Outcome};
use crate::document::Document;
use crate::engine::{Build, PassageIndex};
use crate::records::{DocumentRecord, FileOutcome, FileRecord, FindingRecord, Records, Update};

/// Files read side by side before their documents go to the index. Bounds memory.
const FILES_PER_STEP: usize = 32;
/// Documents handed to the index in one step, so that progress moves inside a large file.
const DOCUMENTS_PER_STEP: usize = 2_048;

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
    /// Files that are not in the index, by path.
    pub problems: Vec<Problem>,
    /// Milliseconds until the new generation was searchable.
    pub searchable_ms: u64,
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
    /// lexicon, or when it and the records do not describe the same generation: after a crash
    /// between the two, or when the search folder was deleted.
    ///
    /// # Errors
    /// [`SyncError`]; the generation that was serving goes on serving.
    pub fn bring_up_to_date(&mut self, full: bool) -> Result<Summary, SyncError> {
        let began = Instant::now();
        let seen = look(self.corpus, self.progress)?;
        let recorded = self.records.generation()?;
        let serving = self.index.snapshot().generation;
        let rebuild = full || self.index.needs_rebuild() || recorded != serving;
        let known = if rebuild {
            Vec::new()
        } else {
            self.records.files()?
        };

        let mut summary = Summary {
            rebuilt: rebuild,
            n_files: seen.sources.len() + seen.skipped.len(),
            ..Summary::default()
        };
        let work = plan(seen.sources, known);
        summary.n_removed = work.removed.len();
        summary.n_unchanged = work.n_unchanged;
        summary.n_modified = work.read.iter().filter(|(_, known)| *known).count();
        summary.n_added = work.read.len() - summary.n_modified;
        if rebuild || !work.read.is_empty() || !work.removed.is_empty() {
            self.build(work, rebuild, recorded.max(serving) + 1)?;
        }

        let snapshot = self.index.snapshot();
        summary.generation = snapshot.generation;
        summary.n_documents = snapshot.words.n_documents();
        summary.n_passages = snapshot.words.n_passages();
        summary.problems = self.problems(seen.skipped)?;
        summary.searchable_ms = began.elapsed().as_millis() as u64;
        Ok(summary)
    }

    fn build(
        &mut self,
        work: Plan<CorpusFile>,
        rebuild: bool,
        generation: u64,
    ) -> Result<(), SyncError> {
        let mut step = Step {
            build: self.index.begin(rebuild, generation)?,
            records: self.records,
            rebuild,
            taken: BTreeSet::new(),
            update: Update {
                reset: rebuild,
                generation,
                ..Update::default()
            },
        };
        for path in &work.removed {
            step.remove_file(path)?;
        }
        let n_bytes = work
            .read
            .iter()
            .map(|(source, _)| source.file.n_bytes)
            .sum();
        self.progress.stage("读取并索引（字节）", n_bytes);
        let context = LoadContext {
            limits: self.limits.clone(),
            ..LoadContext::of_corpus(self.corpus)
        };
        for (_, finding) in context.defaults.findings() {
            tracing::warn!("{}", finding.message);
        }
        for sources in work.read.chunks(FILES_PER_STEP) {
            let outcomes: Vec<Outcome> = sources
                .par_iter()
                .map(|(source, _)| load_file(&source.file, &context))
                .collect();
            for ((source, _), outcome) in sources.iter().zip(outcomes) {
                step.take_file(source, outcome, self.progress)?;
            }
        }
        self.progress.stage("写入索引", 0);
        let Step { build, update, .. } = step;
        build.commit()?;
        self.records.apply(&update)?;
        Ok(())
    }

    /// Files outside the index: those that were read in vain, and those that are never read.
    fn problems(&self, skipped: Vec<Problem>) -> Result<Vec<Problem>, SyncError> {
        let mut problems = skipped;
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
        Ok(problems)
    }
}

/// A build under way, with what it will change in the records.
struct Step<'i, 'r> {
    build: Build<'i>,
    records: &'r Records,
    rebuild: bool,
    /// Ids of documents put by this build.
    taken: BTreeSet<String>,
    update: Update,
}

impl Step<'_, '_> {
    fn remove_file(&mut self, path: &str) -> Result<(), SyncError> {
        for document in self.records.documents_of(path)? {
            if !self.taken.contains(&document.id) {
                self.build.delete(&document.id)?;
            }
        }
        self.update.removed_files.push(path.to_owned());
        Ok(())
    }

    /// Puts the documents of one file that differ from what is indexed, and deletes those that it
    /// no longer holds.
    fn take_file(
        &mut self,
        source: &Source<CorpusFile>,
        outcome: Outcome,
        progress: &dyn Progress,
    ) -> Result<(), SyncError> {
        let (documents, mut findings, outcome, reason) = match outcome {
            Outcome::Loaded {
                documents,
                findings,
            } => (documents, findings, FileOutcome::Loaded, None),
            Outcome::Skipped(reason) => (vec![], vec![], FileOutcome::Skipped, Some(reason)),
            Outcome::NoText(reason) => (vec![], vec![], FileOutcome::NoText, Some(reason)),
            Outcome::Failed(reason) => (vec![], vec![], FileOutcome::Failed, Some(reason)),
        };
        let mut indexed: BTreeMap<String, String> = if self.rebuild {
            BTreeMap::new()
        } else {
            let known = self.records.documents_of(&source.path)?;
            known
                .into_iter()
                .map(|document| (document.id, document.fingerprint))
                .collect()
        };
        let n_documents = documents.len().max(1) as u64;
        let mut n_bytes_left = source.file.n_bytes;
        let mut documents = documents.into_iter().peekable();
        while documents.peek().is_some() {
            let mut changed = Vec::new();
            let mut n_taken = 0;
            for mut document in documents.by_ref().take(DOCUMENTS_PER_STEP) {
                n_taken += 1;
                self.make_id_unique(&mut document, &mut findings)?;
                let fingerprint = fingerprint(&document);
                if indexed.remove(&document.id).as_ref() != Some(&fingerprint) {
                    changed.push(document.clone());
                }
                self.update.documents.push(DocumentRecord {
                    id: document.id,
                    path: source.path.clone(),
                    fingerprint,
                });
            }
            self.build.put(&changed)?;
            let n_bytes = (source.file.n_bytes * n_taken / n_documents).min(n_bytes_left);
            progress.advance(n_bytes);
            n_bytes_left -= n_bytes;
        }
        progress.advance(n_bytes_left);
        for id in indexed.into_keys() {
            if !self.taken.contains(&id) {
                self.build.delete(&id)?;
            }
        }
        self.record(source, outcome, reason, findings);
        Ok(())
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
        let is_foreign = owner.is_some_and(|path| {
            path != document.path && !self.update.removed_files.contains(&path)
        });
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

    fn record(
        &mut self,
        source: &Source<CorpusFile>,
        outcome: FileOutcome,
        reason: Option<String>,
        findings: Vec<Finding>,
    ) {
        self.update.files.push(FileRecord {
            path: source.path.clone(),
            source_hash: source.source_hash.clone(),
            outcome,
            reason,
        });
        self.update
            .findings
            .extend(findings.into_iter().map(|finding| FindingRecord {
                path: source.path.clone(),
                error: finding.error,
                code: finding.code.to_owned(),
                message: finding.message,
            }));
    }
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
