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
    /// What the reader needs to open it.
    pub file: F,
}

/// The difference between corpus and records.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan<F> {
    /// Files to read, in path order; `true` where the records know an earlier state.
    pub read: Vec<(Source<F>, bool)>,
    /// Files that the records know and the corpus no longer holds, in path order.
    pub removed: Vec<String>,
    /// Number of files that need no work.
    pub n_unchanged: usize,
}

/// Compares by content: a file is read again when its source hash differs, or when it failed: the
/// limits, the machine or the program may be better by now.
///
/// `sources` come in path order without repeats.
pub fn plan<F>(sources: Vec<Source<F>>, records: Vec<FileRecord>) -> Plan<F> {
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
                    && record.outcome != FileOutcome::Failed =>
            {
                n_unchanged += 1;
            }
            earlier => read.push((source, earlier.is_some())),
        }
    }
    Plan {
        read,
        removed: known.into_keys().collect(),
        n_unchanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, hash: &str) -> Source<()> {
        Source {
            path: path.into(),
            source_hash: hash.into(),
            file: (),
        }
    }

    fn record(path: &str, hash: &str) -> FileRecord {
        FileRecord {
            path: path.into(),
            source_hash: hash.into(),
            outcome: FileOutcome::Loaded,
            reason: None,
        }
    }

    #[test]
    fn only_what_differs_is_read() {
        let plan = plan(
            vec![source("a", "1"), source("b", "2x"), source("d", "4")],
            vec![record("a", "1"), record("b", "2"), record("c", "3")],
        );
        assert_eq!(
            plan.read,
            vec![(source("b", "2x"), true), (source("d", "4"), false)]
        );
        assert_eq!(plan.removed, vec!["c".to_string()]);
        assert_eq!(plan.n_unchanged, 1);
    }

    #[test]
    fn what_failed_is_tried_again() {
        let failed = FileRecord {
            outcome: FileOutcome::Failed,
            ..record("a", "1")
        };
        let work = plan(vec![source("a", "1")], vec![failed]);
        assert_eq!(work.read.len(), 1);
        assert_eq!(work.n_unchanged, 0);
    }
}
