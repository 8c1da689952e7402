//! Reading a pack: `corpus.jsonl[.gz]`, `queries.jsonl`, `qrels.tsv`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::noise::Noise;

/// One query of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PackQuery {
    /// Identity within the pack.
    #[serde(rename = "_id")]
    pub id: String,
    /// What is asked.
    pub text: String,
}

/// One document of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PackDocument {
    /// Identity within the pack.
    #[serde(rename = "_id")]
    pub id: String,
    /// May be empty.
    #[serde(default)]
    pub title: String,
    /// Everything but the title.
    #[serde(default)]
    pub text: String,
}

/// Grades by document id.
pub type Judged = BTreeMap<String, u32>;

/// Queries with their judgements, and where the documents are.
#[derive(Clone, Debug)]
pub struct Pack {
    /// The folder's name.
    pub name: String,
    /// `corpus.jsonl` or `corpus.jsonl.gz`.
    pub corpus_path: PathBuf,
    /// In file order.
    pub queries: Vec<PackQuery>,
    /// By query id.
    pub judgements: BTreeMap<String, Judged>,
}

/// Why a pack could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file is missing or unreadable.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not what the layout asks for.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

impl Pack {
    /// Reads queries and judgements of the pack in `folder`; documents stay on disk.
    ///
    /// # Errors
    /// [`PackError`] names the file, and the line where one is malformed.
    pub fn read(folder: &Path) -> Result<Self, PackError> {
        let name = folder
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let plain = folder.join("corpus.jsonl");
        let corpus_path = if plain.exists() {
            plain
        } else {
            folder.join("corpus.jsonl.gz")
        };
        let queries = JsonLines::open(&folder.join("queries.jsonl"))?.collect::<Result<_, _>>()?;
        let judgements = read_judgements(&folder.join("qrels.tsv"))?;
        Ok(Self {
            name,
            corpus_path,
            queries,
            judgements,
        })
    }

    /// The documents, in file order, read as they are asked for.
    ///
    /// # Errors
    /// [`PackError`] if the file cannot be opened; each item may fail the same way.
    pub fn documents(
        &self,
    ) -> Result<impl Iterator<Item = Result<PackDocument, PackError>>, PackError> {
        JsonLines::open(&self.corpus_path)
    }

    /// Replaces characters of the queries. How many it replaced, of how many that it could have.
    pub fn mishear(&mut self, noise: &Noise) -> (usize, usize) {
        let (mut n_replaced, mut n_characters) = (0, 0);
        for (number, query) in self.queries.iter_mut().enumerate() {
            let noisy = noise.apply(&query.text, number);
            n_replaced += noisy.n_replaced;
            n_characters += noisy.n_characters;
            query.text = noisy.text;
        }
        (n_replaced, n_characters)
    }

    /// The queries that have at least one relevant document, with their judgements, in file order.
    pub fn judged_queries(&self) -> impl Iterator<Item = (&PackQuery, &Judged)> {
        self.queries.iter().filter_map(|query| {
            let judged = self.judgements.get(&query.id)?;
            judged
                .values()
                .any(|grade| *grade > 0)
                .then_some((query, judged))
        })
    }
}

/// One JSON value per line; empty lines are passed over.
struct JsonLines<T> {
    path: PathBuf,
    lines: io::Lines<Box<dyn BufRead>>,
    line: usize,
    value: std::marker::PhantomData<T>,
}

impl<T> JsonLines<T> {
    fn open(path: &Path) -> Result<Self, PackError> {
        let lines = open_lines(path)?;
        Ok(Self {
            path: path.to_owned(),
            lines,
            line: 0,
            value: std::marker::PhantomData,
        })
    }
}

impl<T: for<'de> Deserialize<'de>> Iterator for JsonLines<T> {
    type Item = Result<T, PackError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line += 1;
            let text = match self.lines.next()? {
                Ok(text) => text,
                Err(source) => {
                    return Some(Err(PackError::Io {
                        path: self.path.clone(),
                        source,
                    }));
                }
            };
            let text = text.trim_start_matches('\u{feff}').trim();
            if !text.is_empty() {
                return Some(serde_json::from_str(text).map_err(|error| PackError::Line {
                    path: self.path.clone(),
                    line: self.line,
                    what: error.to_string(),
                }));
            }
        }
    }
}

fn open_lines(path: &Path) -> Result<io::Lines<Box<dyn BufRead>>, PackError> {
    let file = File::open(path).map_err(|source| PackError::Io {
        path: path.to_owned(),
        source,
    })?;
    let reader: Box<dyn BufRead> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    Ok(reader.lines())
}

/// `query-id <tab> corpus-id <tab> score`, with or without the header line.
fn read_judgements(path: &Path) -> Result<BTreeMap<String, Judged>, PackError> {
    let mut judgements: BTreeMap<String, Judged> = BTreeMap::new();
    for (index, text) in open_lines(path)?.enumerate() {
        let text = text.map_err(|source| PackError::Io {
            path: path.to_owned(),
            source,
        })?;
        let fields: Vec<&str> = text.trim_end().split('\t').collect();
        let is_header = index == 0 && fields.first() == Some(&"query-id");
        if is_header || fields == [""] {
            continue;
        }
        let wrong = |what: String| PackError::Line {
            path: path.to_owned(),
            line: index + 1,
            what,
        };
        let [query, document, grade] = fields[..] else {
            return Err(wrong(format!(
                "expected query, document and score with tabs between, got {text:?}"
            )));
        };
        // BEIR packs write whole numbers, a few write -1 for "judged and harmful".
        let grade: i64 = grade
            .parse()
            .map_err(|_| wrong(format!("score {grade:?} is not a whole number")))?;
        let grade = u32::try_from(grade.max(0))
            .map_err(|_| wrong(format!("score {grade} is too large")))?;
        judgements
            .entry(query.to_owned())
            .or_default()
            .insert(document.to_owned(), grade);
    }
    Ok(judgements)
}

/// Reads a file with one JSON value a line; blank lines count for nothing.
///
/// # Errors
/// [`PackError`] that names file and line.
pub(super) fn json_lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, PackError> {
    let text = std::fs::read_to_string(path).map_err(|source| PackError::Io {
        path: path.to_owned(),
        source,
    })?;
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(line, json)| {
            serde_json::from_str(json).map_err(|error| PackError::Line {
                path: path.to_owned(),
                line,
                what: error.to_string(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    const QUERIES: &str = "{\"_id\":\"q1\",\"text\":\"退休金怎么领\"}\n\n{\"_id\":\"q2\",\"text\":\"无人判定\"}\n{\"_id\":\"q3\",\"text\":\"全不相关\"}\n";
    const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq3\td1\t-1\n";

    #[test]
    fn only_queries_with_a_relevant_document_are_judged() {
        let folder = folder(&[
            ("queries.jsonl", QUERIES),
            ("qrels.tsv", QRELS),
            ("corpus.jsonl", ""),
        ]);
        let pack = Pack::read(folder.path()).unwrap();
        assert_eq!(pack.queries.len(), 3);
        let judged: Vec<_> = pack
            .judged_queries()
            .map(|(query, judged)| (query.id.as_str(), judged["d1"]))
            .collect();
        assert_eq!(judged, [("q1", 2)]);
    }

    #[test]
    fn documents_come_from_gzip_too() {
        let folder = folder(&[("queries.jsonl", ""), ("qrels.tsv", "")]);
        let file = File::create(folder.path().join("corpus.jsonl.gz")).unwrap();
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gz.write_all("{\"_id\":\"d1\",\"text\":\"正文\",\"category\":\"x\"}\n".as_bytes())
            .unwrap();
        gz.finish().unwrap();
        let pack = Pack::read(folder.path()).unwrap();
        let documents: Vec<_> = pack.documents().unwrap().map(Result::unwrap).collect();
        assert_eq!(
            documents,
            [PackDocument {
                id: "d1".into(),
                title: String::new(),
                text: "正文".into()
            }]
        );
    }

    #[test]
    fn a_malformed_line_is_named() {
        for (name, content, expected) in [
            ("qrels.tsv", "q1\td1\n", "qrels.tsv:1: expected"),
            (
                "qrels.tsv",
                "q1\td1\t1\nq1\td2\tyes\n",
                "qrels.tsv:2: score \"yes\"",
            ),
            (
                "queries.jsonl",
                "{\"_id\":\"q1\"}\n",
                "queries.jsonl:1: missing field `text`",
            ),
        ] {
            let folder = folder(&[
                ("queries.jsonl", QUERIES),
                ("qrels.tsv", QRELS),
                ("corpus.jsonl", ""),
            ]);
            fs::write(folder.path().join(name), content).unwrap();
            let message = Pack::read(folder.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = folder(&[("queries.jsonl", QUERIES)]);
        let message = Pack::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("qrels.tsv"), "{message}");
    }
}
