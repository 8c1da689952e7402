//! A look at the corpus: which files are there, and the hash of what shapes their documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rayon::prelude::*;

use super::{Problem, Progress, Source, SyncError};
use crate::corpus::walk::{FOLDER_DEFAULTS, SIDECAR_SUFFIX, walk_below};
use crate::corpus::{CorpusFile, Outcome};
use crate::records::FileOutcome;

/// A corpus with fewer files may be emptied at once.
const MANY_FILES: usize = 10;

/// The corpus as it stands, or a part of it.
pub struct Seen {
    /// Which folder it was.
    pub folder: FolderIdentity,
    /// Files to index, in path order.
    pub sources: Vec<Source<CorpusFile>>,
    /// Files that are never read, and why.
    pub skipped: Vec<Problem>,
    /// Folders that are there but cannot be listed.
    pub closed_folders: Vec<String>,
}

/// Walks what stands at or below `paths` (the empty path is the whole corpus) and hashes every file
/// with its sidecar and the folder defaults above it.
///
/// # Errors
/// [`SyncError::Corpus`] when the corpus folder itself cannot be read.
pub fn look(
    root: &Path,
    paths: &BTreeSet<String>,
    progress: &dyn Progress,
) -> Result<Seen, SyncError> {
    let folder = identity_of(root)?;
    let walked = walk_below(root, paths.iter().map(String::as_str)).map_err(corpus_error(root))?;
    progress.stage("检查文件", walked.files.len() as u64);
    let shaping: BTreeSet<String> = walked
        .files
        .iter()
        .flat_map(|file| shaping_paths(&file.path))
        .collect();
    let shaping: BTreeMap<String, String> = shaping
        .into_par_iter()
        .filter_map(|path| Some((hash_if_there(&root.join(&path))?, path)))
        .map(|(hash, path)| (path, hash))
        .collect();
    let sources = walked
        .files
        .into_par_iter()
        .map(|file| {
            let content_hash = hash_of(&file.full_path);
            let source = Source {
                path: file.path.clone(),
                source_hash: source_hash(&content_hash, &file, &shaping),
                content_hash,
                file,
            };
            progress.advance(1);
            source
        })
        .collect();
    Ok(Seen {
        folder,
        sources,
        skipped: walked.skipped.into_iter().map(problem).collect(),
        closed_folders: walked.closed_folders,
    })
}

/// An error if the corpus is empty that held many files before: a share that is not mounted looks
/// like that, and whoever removes everything can do so in two steps.
///
/// # Errors
/// [`SyncError::Corpus`]
pub fn refuse_emptied(root: &Path, seen: &Seen, n_known: usize) -> Result<(), SyncError> {
    let is_empty = seen.sources.is_empty() && seen.closed_folders.is_empty();
    if !is_empty || n_known < MANY_FILES {
        return Ok(());
    }
    let reason = format!(
        "the folder is empty, and held {n_known} files before: is a share not mounted? If it is \
             meant to be empty, leave one file in it"
    );
    Err(corpus_error(root)(io::Error::other(reason)))
}

/// Device and number of a folder.
pub type FolderIdentity = (u64, u64);

/// Which folder stands at `root`: another one may come to take its place.
///
/// # Errors
/// [`SyncError::Corpus`] when there is none.
pub fn identity_of(root: &Path) -> Result<FolderIdentity, SyncError> {
    let metadata = fs::metadata(root).map_err(corpus_error(root))?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Says which folder it is about.
pub fn corpus_error(root: &Path) -> impl Fn(io::Error) -> SyncError {
    |source| SyncError::Corpus {
        path: root.to_owned(),
        source,
    }
}

/// A file and what shapes its documents, as they are now.
pub fn look_again(root: &Path, source: &Source<CorpusFile>) -> Source<CorpusFile> {
    let content_hash = hash_of(&source.file.full_path);
    Source {
        source_hash: hash_with(root, &source.file, &content_hash),
        content_hash,
        ..source.clone()
    }
}

/// The hash of everything that shapes the documents of a file with this content and the metadata as
/// they are now.
pub fn hash_with(root: &Path, file: &CorpusFile, content_hash: &str) -> String {
    let shaping = shaping_paths(&file.path)
        .into_iter()
        .filter_map(|path| Some((path.clone(), hash_if_there(&root.join(&path))?)))
        .collect();
    source_hash(content_hash, file, &shaping)
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
fn source_hash(
    content_hash: &str,
    file: &CorpusFile,
    shaping: &BTreeMap<String, String>,
) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(content_hash.as_bytes());
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

/// The hash of a metadata file, if there is one. A symbolic link is none.
fn hash_if_there(path: &Path) -> Option<String> {
    let metadata = fs::symlink_metadata(path).ok()?;
    metadata.is_file().then(|| hash_of(path))
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
