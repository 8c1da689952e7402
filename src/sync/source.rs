//! A look at the corpus: which files are there, and the hash of what shapes their documents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use rayon::prelude::*;

use super::{Problem, Progress, Source, SyncError};
use crate::corpus::walk::{FOLDER_DEFAULTS, SIDECAR_SUFFIX, walk};
use crate::corpus::{CorpusFile, Outcome};
use crate::records::FileOutcome;

/// The corpus as it stands.
pub struct Seen {
    /// Files to index, in path order.
    pub sources: Vec<Source<CorpusFile>>,
    /// Files that are never read, and why.
    pub skipped: Vec<Problem>,
}

/// Walks the corpus and hashes every file with its sidecar and the folder defaults above it.
///
/// # Errors
/// [`SyncError::Corpus`] when the corpus folder itself cannot be read.
pub fn look(root: &Path, progress: &dyn Progress) -> Result<Seen, SyncError> {
    let walked = walk(root).map_err(|source| SyncError::Corpus {
        path: root.to_owned(),
        source,
    })?;
    let shaping: BTreeMap<String, String> = walked
        .metadata_files
        .into_par_iter()
        .map(|file| (hash_of(&file.full_path), file.path))
        .map(|(hash, path)| (path, hash))
        .collect();
    progress.stage("检查文件", walked.files.len() as u64);
    let sources = walked
        .files
        .into_par_iter()
        .map(|file| {
            let source = Source {
                path: file.path.clone(),
                source_hash: source_hash(&file, &shaping),
                file,
            };
            progress.advance(1);
            source
        })
        .collect();
    let skipped = walked.skipped.into_iter().map(problem).collect();
    Ok(Seen { sources, skipped })
}

fn problem((path, outcome): (String, Outcome)) -> Problem {
    let (outcome, reason) = match outcome {
        Outcome::Loaded { .. } => (FileOutcome::Loaded, String::new()),
        Outcome::Skipped(reason) => (FileOutcome::Skipped, reason),
        Outcome::NoText(reason) => (FileOutcome::NoText, reason),
        Outcome::Failed(reason) => (FileOutcome::Failed, reason),
    };
    Problem {
        path,
        outcome,
        reason,
    }
}

/// blake3 over the hashes of the file, its sidecar and the defaults of every folder above it.
fn source_hash(file: &CorpusFile, shaping: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(hash_of(&file.full_path).as_bytes());
    for path in shaping_paths(&file.path) {
        if let Some(hash) = shaping.get(&path) {
            hasher.update(path.as_bytes());
            hasher.update(hash.as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Where metadata of a file may stand: defaults from the root down, then the sidecar.
fn shaping_paths(path: &str) -> Vec<String> {
    let mut paths = vec![FOLDER_DEFAULTS.to_owned()];
    for (at, _) in path.match_indices('/') {
        paths.push(format!("{}/{FOLDER_DEFAULTS}", &path[..at]));
    }
    paths.push(format!("{path}{SIDECAR_SUFFIX}"));
    paths
}

/// blake3 of a file's bytes; of the error's name when it cannot be read, so that it is tried again
/// once that changes, and the loader says why it failed.
fn hash_of(path: &Path) -> String {
    let hash = || -> io::Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok(hasher.finalize().to_hex().to_string())
    };
    hash().unwrap_or_else(|error| format!("unreadable: {:?}", error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_every_folder_and_the_sidecar_shape_a_file() {
        assert_eq!(
            shaping_paths("市人社局/养老/指南.md"),
            [
                "_defaults.yaml",
                "市人社局/_defaults.yaml",
                "市人社局/养老/_defaults.yaml",
                "市人社局/养老/指南.md.meta.yaml",
            ]
        );
    }
}
