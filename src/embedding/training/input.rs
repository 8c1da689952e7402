//! Training inputs: JSONL files, plain or gzipped, one record a line.
//!
//! A record with `q` and `p` is a pair, of the kind that `kind` names. A record with `text` (or
//! `body`) is a text, perhaps with a `title`; one that also has a `reply` gives a pair of all the
//! record says and its reply, too.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::material::{Material, Piece};
use crate::document::Document;
use crate::text::{Analyser, normalise};

/// An input that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be opened or read to its end.
    #[error("{path}: {source}")]
    Read {
        /// The input file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A line is no record.
    #[error("{path}, line {line}: {why}; expected {{\"q\",\"p\"}} or {{\"title\",\"text\"}}")]
    Line {
        /// The input file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    q: Option<String>,
    p: Option<String>,
    kind: Option<String>,
    title: Option<String>,
    text: Option<String>,
    body: Option<String>,
    reply: Option<String>,
}

/// Pieces that are cut into words together.
const PIECES_TOGETHER: usize = 4096;

/// Collects material, leaving out repeated texts and what is kept for evaluation.
pub struct Reader {
    material: Material,
    analyser: Analyser,
    left_out: HashSet<String>,
    seen: HashSet<blake3::Hash>,
    pieces: Vec<Piece>,
    n_left_out: usize,
}

impl Reader {
    /// A reader that leaves out every pair and text whose question or title is in `left_out`.
    pub fn new(left_out: HashSet<String>) -> Self {
        Self {
            material: Material::default(),
            analyser: Analyser::built_in(),
            left_out,
            seen: HashSet::new(),
            pieces: Vec::new(),
            n_left_out: 0,
        }
    }

    /// Reads a file of records. Its name stands for the kind of texts, and of pairs without one.
    ///
    /// # Errors
    /// [`InputError`] names the file and the line.
    pub fn read(&mut self, path: &Path) -> Result<(), InputError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().unwrap_or_default().to_owned();
        for_each_line(path, |number, line| {
            let wrong = |why: String| InputError::Line {
                path: path.to_owned(),
                line: number,
                why,
            };
            let record: Record =
                serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            self.add_record(record, &name)
                .map_err(|why| wrong(why.to_owned()))
        })
    }

    fn add_record(&mut self, record: Record, name: &str) -> Result<(), &'static str> {
        let kind = record.kind.unwrap_or_else(|| name.to_owned());
        if let (Some(query), Some(passage)) = (record.q, record.p) {
            self.add(Piece::Pair {
                kind,
                query,
                passage,
            });
            return Ok(());
        }
        let body = record
            .text
            .or(record.body)
            .ok_or("neither a pair nor a text")?;
        let title = record.title.unwrap_or_default();
        if let Some(reply) = record
            .reply
            .filter(|reply| !reply.is_empty() && !self.is_left_out(&title))
        {
            let query = format!("{title}\n{body}");
            self.add(Piece::Pair {
                kind: format!("{name} reply"),
                query,
                passage: reply,
            });
        }
        self.add(Piece::Text {
            kind: name.to_owned(),
            title,
            body,
        });
        Ok(())
    }

    /// Adds a document of a corpus: its passages that answer questions as pairs, the others as
    /// texts under its title.
    pub fn add_document(&mut self, document: &Document) {
        for passage in &document.passages {
            let text = document.passage_text(passage);
            let answer = passage
                .answer
                .map_or(text, |answer| answer.of(&document.text));
            for question in &passage.questions {
                let (query, passage) = (question.clone(), answer.to_owned());
                self.add(Piece::Pair {
                    kind: "corpus questions".to_owned(),
                    query,
                    passage,
                });
            }
            if passage.questions.is_empty() {
                let title = [document.title.as_str()]
                    .into_iter()
                    .chain(passage.heading.iter().map(String::as_str));
                let title = title.collect::<Vec<_>>().join(" ");
                self.add(Piece::Text {
                    kind: "corpus".to_owned(),
                    title,
                    body: text.to_owned(),
                });
            }
        }
    }

    fn is_left_out(&self, question: &str) -> bool {
        self.left_out.contains(question.trim())
    }

    fn add(&mut self, piece: Piece) {
        let left_out = match &piece {
            Piece::Pair { query, .. } => self.is_left_out(query),
            Piece::Text { title, body, .. } => {
                self.is_left_out(title) || !self.seen.insert(blake3::hash(body.as_bytes()))
            }
        };
        if left_out {
            self.n_left_out += 1;
            return;
        }
        self.pieces.push(piece);
        if self.pieces.len() >= PIECES_TOGETHER {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let analyser = &self.analyser;
        let split = |text: &str| {
            let mut words = Vec::new();
            analyser.for_each_plain_word(normalise(text).as_str(), |word, _| {
                words.push(word.to_owned())
            });
            words
        };
        self.material.add(&std::mem::take(&mut self.pieces), &split);
    }

    /// All that was read, and how many pieces were left out.
    pub fn finish(mut self) -> (Material, usize) {
        self.cut();
        (self.material, self.n_left_out)
    }
}

/// The `text` (or `q`, or `title`) of every record of a file: questions kept for evaluation.
///
/// # Errors
/// [`InputError`] names the file and the line.
pub fn questions(path: &Path) -> Result<Vec<String>, InputError> {
    let mut questions = Vec::new();
    for_each_line(path, |line, record| {
        let wrong = |why: String| InputError::Line {
            path: path.to_owned(),
            line,
            why,
        };
        let record: Record =
            serde_json::from_str(record).map_err(|error| wrong(error.to_string()))?;
        let question = record.text.or(record.q).or(record.title);
        questions.push(
            question
                .ok_or_else(|| wrong("no question".to_owned()))?
                .trim()
                .to_owned(),
        );
        Ok(())
    })?;
    Ok(questions)
}

/// Calls `visit` with the number (from 1) and text of every line that is not blank.
fn for_each_line(
    path: &Path,
    mut visit: impl FnMut(usize, &str) -> Result<(), InputError>,
) -> Result<(), InputError> {
    let failed = |source: io::Error| InputError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let zipped = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let reader: Box<dyn Read> = if zipped {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.map_err(failed)?;
        if !line.trim().is_empty() {
            visit(number + 1, line.trim_start_matches('\u{feff}'))?;
        }
    }
    Ok(())
}
