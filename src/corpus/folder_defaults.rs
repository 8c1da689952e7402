//! `_defaults.yaml`: what holds for every document in a folder and below it.
//!
//! Inner folders win over outer ones, key by key.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use crate::corpus::Finding;
use crate::corpus::decode;
use crate::corpus::metadata::value::MAX_YAML_BYTES;
use crate::corpus::metadata::{Layer, unread};

/// Name of the file in each folder.
pub const FILE_NAME: &str = "_defaults.yaml";

/// The defaults of every folder of a corpus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FolderDefaults {
    /// Folder relative to the corpus, `/`-separated, empty for the corpus itself → its own layer.
    folders: BTreeMap<String, Layer>,
    findings: Vec<(String, Finding)>,
}

impl FolderDefaults {
    /// Reads every `_defaults.yaml` under `corpus`, symbolic links not followed.
    ///
    /// A file that cannot be read becomes a finding, and its documents are internal
    /// ([`Layer::unreadable`]). UTF-8, GB18030 and what else documents may come in.
    pub fn load(corpus: &Path) -> FolderDefaults {
        let mut defaults = FolderDefaults::default();
        let entries = walkdir::WalkDir::new(corpus)
            .follow_links(false)
            .sort_by_file_name();
        for entry in entries.into_iter().filter_map(Result::ok) {
            if entry.file_type().is_file() && entry.file_name() == FILE_NAME {
                let Ok(path) = entry.path().strip_prefix(corpus) else {
                    continue;
                };
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                defaults.add(&parts.join("/"), read_bounded(entry.path()));
            }
        }
        defaults
    }

    /// Reads the `_defaults.yaml` of the folders above each of `paths` alone: all that a few files
    /// need.
    pub fn load_above<'p>(corpus: &Path, paths: impl IntoIterator<Item = &'p str>) -> Self {
        let folders: BTreeSet<&str> = paths
            .into_iter()
            .flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]))
            .chain([""])
            .collect();
        let mut defaults = FolderDefaults::default();
        for folder in folders {
            let path = match folder {
                "" => FILE_NAME.to_owned(),
                folder => format!("{folder}/{FILE_NAME}"),
            };
            let full = corpus.join(&path);
            if fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_file()) {
                defaults.add(&path, read_bounded(&full));
            }
        }
        defaults
    }

    /// Takes in one `_defaults.yaml`: its path relative to the corpus and its text.
    pub fn add(&mut self, path: &str, yaml: Result<String, String>) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut findings = Vec::new();
        let layer = match yaml {
            Ok(yaml) => Layer::from_yaml(&yaml, path, &mut findings),
            Err(reason) => {
                findings.push(unread(path, &reason));
                Layer::unreadable()
            }
        };
        self.folders.insert(folder.to_owned(), layer);
        self.findings.extend(
            findings
                .into_iter()
                .map(|finding| (path.to_owned(), finding)),
        );
    }

    /// What the folders above the file at `path` state, the inner ones winning.
    pub fn layer_for(&self, path: &str) -> Layer {
        let mut layer = self.folders.get("").cloned().unwrap_or_default();
        for (at, _) in path.match_indices('/') {
            if let Some(inner) = self.folders.get(&path[..at]) {
                layer.overlay(inner.clone());
            }
        }
        layer
    }

    /// What editors should mend, with the path of the `_defaults.yaml`, in order of path.
    pub fn findings(&self) -> &[(String, Finding)] {
        &self.findings
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|e| format!("无法读取：{e}"))?;
    file.take(MAX_YAML_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("无法读取：{e}"))?;
    decode::decode(&bytes, None)
        .map(|decoded| decoded.text)
        .map_err(|_| "不是文本文件，请另存为 UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_folders_win() {
        let mut defaults = FolderDefaults::default();
        defaults.add("_defaults.yaml", Ok("region: 云溪市\nlevel: 市".into()));
        defaults.add("民政局/_defaults.yaml", Ok("department: 市民政局".into()));
        defaults.add("民政局/区/_defaults.yaml", Ok("level: 区县".into()));
        let layer = defaults.layer_for("民政局/区/a.md");
        assert_eq!(layer.fields.region.as_deref(), Some("云溪市"));
        assert_eq!(layer.fields.department.as_deref(), Some("市民政局"));
        assert_eq!(layer.fields.level.as_deref(), Some("区县"));
        assert_eq!(
            defaults.layer_for("a.md").fields.level.as_deref(),
            Some("市")
        );
        assert_eq!(defaults.layer_for("民政局2/a.md").fields.department, None);
    }

    #[test]
    fn files_are_found_and_bad_ones_reported() {
        let corpus = tempfile::tempdir().unwrap();
        fs::create_dir(corpus.path().join("甲")).unwrap();
        fs::write(corpus.path().join("_defaults.yaml"), "region: 云溪市").unwrap();
        fs::write(corpus.path().join("甲/_defaults.yaml"), [0xff, 0xfe, 0x00]).unwrap();
        let defaults = FolderDefaults::load(corpus.path());
        assert_eq!(
            defaults.layer_for("甲/x.txt").fields.region.as_deref(),
            Some("云溪市")
        );
        assert_eq!(defaults.findings().len(), 1);
        assert_eq!(defaults.findings()[0].0, "甲/_defaults.yaml");
    }
}
