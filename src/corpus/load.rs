//! One file of the corpus → its documents.
//!
//! Joins what the other parts of this module do: [`super::read`] reads the file, a table of FAQ
//! entries or a JSONL file becomes many documents, anything else one. Whatever goes wrong ends
//! as an [`Outcome`] of this file.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::assemble::{Source, from_entry, from_extract};
use super::folder_defaults::FolderDefaults;
use super::metadata::value::MAX_YAML_BYTES;
use super::metadata::{Layer, unread};
use super::passages::CutOptions;
use super::read::{Content, FileContent, read};
use super::walk::SIDECAR_SUFFIX;
use super::{CorpusFile, Finding, Limits, Outcome, Table, decode, faq, jsonl, table};

/// Bad lines of a JSONL file that are named one by one.
const MAX_NAMED_LINES: usize = 100;

/// What holds for all files of a corpus.
#[derive(Clone, Debug, Default)]
pub struct LoadContext {
    /// What a file may cost.
    pub limits: Limits,
    /// What folders state for their files.
    pub defaults: FolderDefaults,
    /// How long passages get.
    pub cut: CutOptions,
}

impl LoadContext {
    /// The context of the corpus at `root`, with its folders' defaults and usual limits.
    pub fn of_corpus(root: &Path) -> Self {
        Self {
            defaults: FolderDefaults::load(root),
            ..Self::default()
        }
    }
}

/// Loads one file. Never panics; the same file and context give the same outcome.
pub fn load_file(file: &CorpusFile, context: &LoadContext) -> Outcome {
    // What the loaders do not catch is caught here: one file must not take the others down.
    catch_unwind(AssertUnwindSafe(|| load(file, context))).unwrap_or_else(|_| {
        Outcome::Failed("处理该文件时程序出错，已跳过；请把文件反馈给维护人员".to_owned())
    })
}

fn load(file: &CorpusFile, context: &LoadContext) -> Outcome {
    let FileContent {
        content,
        content_hash,
        mut findings,
    } = match read(file, &context.limits) {
        Ok(content) => content,
        Err(outcome) => return outcome,
    };
    let sidecar = read_sidecar(file, &mut findings);
    let defaults = context.defaults.layer_for(&file.path);
    let source = Source {
        path: &file.path,
        content_hash: &content_hash,
        defaults: &defaults,
        sidecar: &sidecar,
        cut: context.cut,
    };
    let (documents, found) = match content {
        Content::Text(extract) => {
            let (document, found) = from_extract(&source, extract);
            (vec![document], found)
        }
        Content::Tables(tables) => from_tables(&source, tables),
        Content::Lines(lines) => match from_lines(&source, lines) {
            Ok(loaded) => loaded,
            Err(outcome) => return outcome,
        },
    };
    findings.extend(found);
    Outcome::Loaded {
        documents,
        findings,
    }
}

type Loaded = (Vec<crate::document::Document>, Vec<Finding>);

/// FAQ tables give one document per row; all other tables of the file together give one.
fn from_tables(source: &Source<'_>, tables: Vec<Table>) -> Loaded {
    let (mut documents, mut findings) = faq::documents(source, &tables).unwrap_or_default();
    let others: Vec<Table> = tables
        .into_iter()
        .filter(|table| faq::columns(&table.header).is_none())
        .collect();
    if !others.is_empty() {
        let (document, found) = from_extract(source, table::extract(&others));
        documents.push(document);
        findings.extend(found);
    }
    (documents, findings)
}

fn from_lines(
    source: &Source<'_>,
    lines: jsonl::Lines<Box<dyn BufRead + Send>>,
) -> Result<Loaded, Outcome> {
    let (mut documents, mut findings) = (Vec::new(), Vec::new());
    let mut unknown_keys = BTreeSet::new();
    let mut n_bad = 0;
    for line in lines {
        match line.map_err(|error| Outcome::Failed(format!("读取出错：{error}")))? {
            jsonl::Line::Entry(entry) => {
                let (document, found) = from_entry(source, entry, &mut unknown_keys);
                documents.push(document);
                findings.extend(found);
            }
            jsonl::Line::Bad(finding) => {
                n_bad += 1;
                if n_bad <= MAX_NAMED_LINES {
                    findings.push(finding);
                }
            }
        }
    }
    if n_bad > MAX_NAMED_LINES {
        let message = format!("共有 {n_bad} 行无法收录，以上只列出前 {MAX_NAMED_LINES} 行");
        findings.push(Finding {
            error: true,
            code: "bad_line",
            message,
        });
    }
    match (documents.is_empty(), n_bad) {
        (true, 0) => Err(Outcome::NoText("文件里没有任何一行".to_owned())),
        (true, _) => Err(Outcome::Failed(format!(
            "共 {n_bad} 行，没有一行是有效的 JSON 文档"
        ))),
        (false, _) => Ok((documents, findings)),
    }
}

/// What `NAME.meta.yaml` beside the file states. One that cannot be read becomes a finding, and the
/// file's documents internal ([`Layer::unreadable`]).
fn read_sidecar(file: &CorpusFile, findings: &mut Vec<Finding>) -> Layer {
    let mut path = file.full_path.clone().into_os_string();
    path.push(SIDECAR_SUFFIX);
    // A link is not followed, here as in the walk.
    let Some(metadata) = fs::symlink_metadata(&path)
        .ok()
        .filter(|metadata| metadata.is_file())
    else {
        return Layer::default();
    };
    let name = format!("{}{SIDECAR_SUFFIX}", file.path);
    let text = (metadata.len() <= MAX_YAML_BYTES as u64).then(|| {
        let mut bytes = Vec::new();
        fs::File::open(&path)?
            .take(MAX_YAML_BYTES as u64)
            .read_to_end(&mut bytes)?;
        decode::decode(&bytes, None)
            .map(|decoded| decoded.text)
            .map_err(std::io::Error::other)
    });
    match text {
        Some(Ok(yaml)) => Layer::from_yaml(&yaml, &name, findings),
        Some(Err(_)) => {
            findings.push(unread(&name, "无法读取"));
            Layer::unreadable()
        }
        None => {
            findings.push(unread(&name, "文件过大，不像元数据"));
            Layer::unreadable()
        }
    }
}
