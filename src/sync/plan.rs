//! What a build has to do: the corpus as it is now against the records of the last build.

use std::collections::BTreeMap;

use crate::records::{FileOutcome, FileRecord};

/// One file of the corpus with the hash of everything that shapes its documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source<F> {
    /// Relative to the corpus.
    pub path: String,
    /// blake3 over the file, its sidecar and the folder defaults above it, lower-case hex.
    pub source_hash: String,
    /// blake3 of the file's bytes, lower-case hex.
    pub content_hash: String,
    /// What the reader needs to open it.
    pub file: F,
}

/// The difference between corpus and records.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan<F> {
    /// Files to read, in path order, with what the records know of them.
    pub read: Vec<(Source<F>, Option<FileRecord>)>,
    /// Files that the records know and the corpus no longer holds, in path order.
    pub removed: Vec<FileRecord>,
    /// Number of files that need no work.
    pub n_unchanged: usize,
}

/// Compares by content: a file is read again when its source hash differs, when `reread` asks for
/// all, or when it failed: the limits, the machine or the program may be better by now.
///
/// `sources` come in path order without repeats. A file below one of `closed_folders` is not gone
/// because it is not seen.
pub fn plan<F>(
    sources: Vec<Source<F>>,
    records: Vec<FileRecord>,
    closed_folders: &[String],
    reread: bool,
) -> Plan<F> {
    let mut known: BTreeMap<String, FileRecord> = records
        .into_iter()
        .map(|record| (record.path.clone(), record))
        .collect();
    let mut read = Vec::new();
    let mut n_unchanged = 0;
    for source in sources {
        match known.remove(&source.path) {
            Some(record)
                if record.source_hash == source.source_hash
                    && record.outcome != FileOutcome::Failed
                    && !reread =>
            {
                n_unchanged += 1;
            }
            earlier => read.push((source, earlier)),
        }
    }
    let is_hidden = |path: &str| is_within(path, closed_folders);
    let (hidden, removed): (Vec<_>, Vec<_>) = known
        .into_values()
        .partition(|record| is_hidden(&record.path));
    Plan {
        read,
        removed,
        n_unchanged: n_unchanged + hidden.len(),
    }
}

/// Whether `path` is one of `folders` or lies below one.
pub fn is_within(path: &str, folders: &[String]) -> bool {
    folders.iter().any(|folder| {
        folder.is_empty()
            || path
                .strip_prefix(folder.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, hash: &str) -> Source<()> {
        Source {
            path: path.into(),
            source_hash: hash.into(),
            content_hash: hash.into(),
            file: (),
        }
    }

    fn record(path: &str, hash: &str) -> FileRecord {
        FileRecord {
            path: path.into(),
            source_hash: hash.into(),
            content_hash: hash.into(),
            outcome: FileOutcome::Loaded,
            reason: None,
            n_passages: 1,
            is_stale: false,
        }
    }

    fn three() -> Vec<FileRecord> {
        vec![record("a", "1"), record("b", "2"), record("c/d", "3")]
    }

    #[test]
    fn only_what_differs_is_read() {
        let seen = vec![source("a", "1"), source("b", "2x"), source("d", "4")];
        let plan = plan(seen, three(), &[], false);
        assert_eq!(
            plan.read,
            vec![
                (source("b", "2x"), Some(record("b", "2"))),
                (source("d", "4"), None)
            ]
        );
        assert_eq!(plan.removed, vec![record("c/d", "3")]);
        assert_eq!(plan.n_unchanged, 1);
    }

    #[test]
    fn what_failed_is_tried_again() {
        let failed = FileRecord {
            outcome: FileOutcome::Failed,
            ..record("a", "1")
        };
        let work = plan(vec![source("a", "1")], vec![failed], &[], false);
        assert_eq!(work.read.len(), 1);
        assert_eq!(work.n_unchanged, 0);
    }

    #[test]
    fn what_stands_in_a_closed_folder_is_not_gone() {
        let closed = ["c".to_owned()];
        let work = plan(Vec::<Source<()>>::new(), three(), &closed, false);
        assert_eq!(work.removed, vec![record("a", "1"), record("b", "2")]);
        assert_eq!(work.n_unchanged, 1);
        let closed = ["".to_owned()];
        assert!(
            plan(Vec::<Source<()>>::new(), three(), &closed, false)
                .removed
                .is_empty()
        );
    }

    #[test]
    fn everything_is_read_when_asked() {
        let seen = vec![source("a", "1"), source("b", "2")];
        assert_eq!(plan(seen, three(), &[], true).read.len(), 2);
    }
}
