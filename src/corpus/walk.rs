//! Finds the files of a corpus.
//!
//! Symbolic links are never followed: a link could leave the corpus or lead in circles. Whatever
//! cannot be listed is reported with its reason and the rest goes on. What the files hold is not
//! looked at.

use std::fs;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::{CorpusFile, Outcome};

/// Name of the file with the defaults of a folder.
pub const FOLDER_DEFAULTS: &str = "_defaults.yaml";
/// What is appended to a file's name for the file with its metadata.
pub const SIDECAR_SUFFIX: &str = ".meta.yaml";

/// What a corpus folder holds. Every list is sorted by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walk {
    /// The documents.
    pub files: Vec<CorpusFile>,
    /// Metadata beside documents: `_defaults.yaml` and `NAME.meta.yaml`.
    pub metadata_files: Vec<CorpusFile>,
    /// What is there but is not read, with the reason.
    pub skipped: Vec<(String, Outcome)>,
}

/// Walks the corpus at `root`.
///
/// Hidden files and folders, temporary files and folders that begin with `_` are passed over in
/// silence: nobody put them there to be found.
///
/// # Errors
/// If `root` is no folder that can be listed.
pub fn walk(root: &Path) -> std::io::Result<Walk> {
    // WalkDir would report a missing root like any unreadable folder.
    fs::read_dir(root)?;
    let canonical_root = root.canonicalize()?;
    let mut found = Walk::default();
    let entries = WalkDir::new(root)
        .follow_links(false)
        .follow_root_links(true)
        .min_depth(1)
        .into_iter();
    for entry in entries.filter_entry(|entry| !is_passed_over(entry)) {
        match entry {
            Ok(entry) => sort_in(&mut found, root, &canonical_root, &entry),
            Err(error) => {
                let path = error
                    .path()
                    .map_or_else(String::new, |path| relative(root, path));
                found.skipped.push((
                    path,
                    Outcome::Failed("无法打开（没有权限或磁盘错误）".to_owned()),
                ));
            }
        }
    }
    found.files.sort();
    found.metadata_files.sort();
    found.skipped.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn sort_in(found: &mut Walk, root: &Path, canonical_root: &Path, entry: &DirEntry) {
    let path = relative(root, entry.path());
    if entry.file_type().is_symlink() {
        found
            .skipped
            .push((path, link_outcome(canonical_root, entry.path())));
        return;
    }
    if entry.file_type().is_dir() {
        return;
    }
    if entry.file_name().to_str().is_none() {
        found.skipped.push((
            path,
            Outcome::Failed("文件名不是有效的 UTF-8，请改名".to_owned()),
        ));
        return;
    }
    if !entry.file_type().is_file() {
        found
            .skipped
            .push((path, Outcome::Skipped("不是普通文件".to_owned())));
        return;
    }
    match entry.metadata() {
        Ok(metadata) => {
            let file = CorpusFile {
                path,
                full_path: entry.path().to_path_buf(),
                n_bytes: metadata.len(),
            };
            if is_metadata_file(&file.path) {
                &mut found.metadata_files
            } else {
                &mut found.files
            }
            .push(file);
        }
        Err(_) => found
            .skipped
            .push((path, Outcome::Failed("无法读取文件信息".to_owned()))),
    }
}

/// What becomes of a symbolic link: none is followed, and one that leaves the corpus is an error.
fn link_outcome(canonical_root: &Path, link: &Path) -> Outcome {
    match link.canonicalize() {
        Ok(target) if target.starts_with(canonical_root) => {
            Outcome::Skipped("符号链接不跟随；所指文件本身会被收录".to_owned())
        }
        Ok(_) => {
            Outcome::Failed("符号链接指向知识库文件夹之外，不予读取；请放入文件本身".to_owned())
        }
        Err(_) => Outcome::Failed("符号链接所指的文件不存在或无法打开".to_owned()),
    }
}

fn is_passed_over(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.depth() > 0
        && (name.starts_with('.')
            || if entry.file_type().is_dir() {
                name.starts_with('_')
            } else {
                is_temporary(&name)
            })
}

/// Lock files of office programs, swap files of editors, downloads and copies under way.
pub fn is_temporary(name: &str) -> bool {
    const ENDINGS: [&str; 8] = [
        ".swp",
        ".swx",
        ".swo",
        ".part",
        ".tmp",
        ".crdownload",
        ".bak",
        "~",
    ];
    let name = name.to_lowercase();
    name.starts_with("~$")
        || name.starts_with(".~")
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || matches!(name.as_str(), "thumbs.db" | "desktop.ini")
}

/// Whether a path names metadata of a folder or a document instead of a document.
pub fn is_metadata_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == FOLDER_DEFAULTS || name.ends_with(SIDECAR_SUFFIX)
}

/// `path` below `root` with `/` between its parts; damaged names are shown as far as possible.
fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documents_are_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [
            "人社局/a.md",
            "人社局/~$a.docx",
            "人社局/.hidden",
            "_lexicon/words.txt",
            "b.docx/c.txt",
            "d.txt.part",
            "人社局/_defaults.yaml",
            "人社局/a.md.meta.yaml",
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let found = walk(root).unwrap();
        let paths = |files: &[CorpusFile]| {
            files
                .iter()
                .map(|file| file.path.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(paths(&found.files), ["b.docx/c.txt", "人社局/a.md"]);
        assert_eq!(
            paths(&found.metadata_files),
            ["人社局/_defaults.yaml", "人社局/a.md.meta.yaml"]
        );
        assert!(found.skipped.is_empty());
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        assert!(walk(Path::new("/nowhere/at/all")).is_err());
    }
}
