//! Finds the files of a corpus.
//!
//! Symbolic links are never followed: a link could leave the corpus or lead in circles. Whatever
//! cannot be listed is reported with its reason and the rest goes on. What the files hold is not
//! looked at.

use std::fs;
use std::io;
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
    /// Folders and files that are there but cannot be looked into: what they hold is not known.
    pub closed_folders: Vec<String>,
}

/// Walks the corpus at `root`.
///
/// Hidden files and folders, temporary files and folders that begin with `_` are passed over in
/// silence: nobody put them there to be found.
///
/// # Errors
/// If `root` is no folder that can be listed.
pub fn walk(root: &Path) -> io::Result<Walk> {
    walk_below(root, [""])
}

/// Walks what stands at or below each of `paths`, relative to `root` and `/`-separated; the empty
/// path is the corpus itself. A path may name a file, a folder, or nothing (any more).
///
/// What [`walk`] would not reach is not found: a path through a symbolic link, or through a
/// folder that is passed over.
///
/// # Errors
/// If `root` is no folder that can be listed.
pub fn walk_below<'p>(root: &Path, paths: impl IntoIterator<Item = &'p str>) -> io::Result<Walk> {
    // WalkDir would report a missing root like any unreadable folder.
    fs::read_dir(root)?;
    let canonical_root = root.canonicalize()?;
    let mut found = Walk::default();
    for path in paths {
        match reach(root, path) {
            Reach::There => walk_into(&mut found, root, &canonical_root, path),
            Reach::Nothing => {}
            Reach::Closed(folder) => found.closed_folders.push(folder),
        }
    }
    for list in [&mut found.files, &mut found.metadata_files] {
        list.sort();
        list.dedup();
    }
    found.skipped.sort_by(|a, b| a.0.cmp(&b.0));
    found.skipped.dedup();
    found.closed_folders.sort();
    found.closed_folders.dedup();
    Ok(found)
}

/// What stands at a path.
enum Reach {
    /// Something that a walk would come to.
    There,
    /// Nothing, or nothing that a walk would come to.
    Nothing,
    /// That cannot be known: this folder cannot be looked into.
    Closed(String),
}

/// Whether `path` names something inside the corpus that is not passed over, and every folder above
/// it is a real one.
fn reach(root: &Path, path: &str) -> Reach {
    let mut full = root.to_path_buf();
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        let folder = relative(root, &full);
        full.push(part);
        let metadata = match fs::symlink_metadata(&full) {
            Ok(metadata) => metadata,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Reach::Nothing;
            }
            Err(_) => return Reach::Closed(folder),
        };
        let is_last = parts.peek().is_none();
        if part == ".."
            || is_passed_over(part, metadata.is_dir())
            || (!is_last && !metadata.is_dir())
        {
            return Reach::Nothing;
        }
    }
    Reach::There
}

fn walk_into(found: &mut Walk, root: &Path, canonical_root: &Path, path: &str) {
    let start = match path {
        "" => root.to_path_buf(),
        path => root.join(path),
    };
    let entries = WalkDir::new(start)
        .follow_links(false)
        .follow_root_links(path.is_empty())
        .min_depth(usize::from(path.is_empty()))
        .into_iter();
    let is_wanted = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !is_passed_over(&name, entry.file_type().is_dir())
    };
    for entry in entries.filter_entry(is_wanted) {
        match entry {
            Ok(entry) => sort_in(found, root, canonical_root, &entry),
            Err(error) => {
                let gone = error.io_error().map(io::Error::kind) == Some(io::ErrorKind::NotFound);
                let path = error
                    .path()
                    .map_or_else(String::new, |path| relative(root, path));
                if !gone {
                    found.closed_folders.push(path.clone());
                    let reason = "无法打开（没有权限或磁盘错误）".to_owned();
                    found.skipped.push((path, Outcome::Failed(reason)));
                }
            }
        }
    }
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
        Err(_) => {
            found.closed_folders.push(path.clone());
            let reason = "无法读取文件信息".to_owned();
            found.skipped.push((path, Outcome::Failed(reason)));
        }
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

/// Whether a file or folder of this name is left alone, with all that is below it.
pub fn is_passed_over(name: &str, is_folder: bool) -> bool {
    name.starts_with('.')
        || if is_folder {
            name.starts_with('_')
        } else {
            is_temporary(name)
        }
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
    fn a_walk_below_paths_finds_what_a_whole_walk_finds_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [
            "a/b/c.md",
            "a/b/~$c.md",
            "a/d.md",
            "ab/e.md",
            "_x/f.md",
            ".y/g.md",
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink(root.join("a"), root.join("link")).unwrap();
        let below = |path: &str| {
            let found = walk_below(root, [path]).unwrap();
            let paths = found.files.into_iter().map(|file| file.path);
            paths.collect::<Vec<_>>()
        };
        assert_eq!(below(""), ["a/b/c.md", "a/d.md", "ab/e.md"]);
        assert_eq!(below("a"), ["a/b/c.md", "a/d.md"]);
        assert_eq!(below("a/d.md"), ["a/d.md"]);
        for nothing in [
            "a/b/~$c.md",
            "_x",
            "_x/f.md",
            ".y/g.md",
            "link/d.md",
            "gone",
            "a/d.md/x",
            "../a",
        ] {
            assert_eq!(below(nothing), [""; 0], "{nothing}");
        }
        let both = walk_below(root, ["a", "a/b"]).unwrap();
        assert_eq!(both.files.len(), 2, "nothing twice");
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        assert!(walk(Path::new("/nowhere/at/all")).is_err());
    }
}
