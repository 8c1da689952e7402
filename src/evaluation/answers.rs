//! Questions with the evidence that answers them, questions that nothing answers, and what was said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::PackError;
use super::pack::json_lines;

/// Share of an evidence's neighbouring characters that an answer must hold to state its fact.
const STATED: f32 = 0.7;

/// Questions over one corpus: `questions.jsonl` and `unanswerable.jsonl` of a folder.
#[derive(Clone, Debug, Default)]
pub struct JudgedQuestions {
    /// The corpus answers them.
    pub answerable: Vec<Answerable>,
    /// It does not.
    pub unanswerable: Vec<Unanswerable>,
}

/// A question with what answers it.
#[derive(Clone, Debug, Deserialize)]
pub struct Answerable {
    /// Names the question.
    pub id: String,
    /// As a citizen asks.
    pub query: String,
    /// What answers; never empty.
    pub relevant: Vec<Evidence>,
}

/// A piece of a source that answers.
#[derive(Clone, Debug, Deserialize)]
pub struct Evidence {
    /// Verbatim but for white space.
    pub evidence: String,
    /// 2: answers; 1: related, partial or superseded.
    pub grade: u8,
}

/// A question that the corpus does not answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Unanswerable {
    /// Names the question.
    pub id: String,
    /// As a citizen asks.
    pub query: String,
    /// Why there is no answer: `near_miss`, `other_topic`, `off_topic`.
    pub kind: String,
}

/// How an answer compares with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds the evidence, word for word.
    Verbatim,
    /// It holds every number and most of the words of it.
    Stated,
    /// It says something else.
    Wrong,
    /// Nothing was said.
    Abstained,
}

/// What came of a set of questions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AnswerMeasures {
    /// Questions that the corpus answers.
    pub n_answerable: usize,
    /// Of these: answers with the evidence word for word.
    pub n_verbatim: usize,
    /// Answers that state its fact, the former included.
    pub n_right: usize,
    /// Answers that state something else.
    pub n_wrong: usize,
    /// Questions without an answer, by kind: how many, and how many were answered all the same.
    pub unanswerable: BTreeMap<String, (usize, usize)>,
}

impl JudgedQuestions {
    /// Reads a folder. Either file may be absent, not both.
    ///
    /// # Errors
    /// [`PackError`] that names file and line.
    pub fn read(folder: &Path) -> Result<Self, PackError> {
        let answerable = folder.join("questions.jsonl");
        let unanswerable = folder.join("unanswerable.jsonl");
        let is_alone = !unanswerable.exists();
        Ok(Self {
            answerable: match answerable.exists() || is_alone {
                true => json_lines(&answerable)?,
                false => Vec::new(),
            },
            unanswerable: match is_alone {
                true => Vec::new(),
                false => json_lines(&unanswerable)?,
            },
        })
    }
}

/// Compares what was said with the evidence of grade 2, or of grade 1 where there is no other.
pub fn outcome(said: Option<&str>, question: &Answerable) -> Outcome {
    let Some(said) = said else {
        return Outcome::Abstained;
    };
    let said = squeezed(said);
    let best = question.relevant.iter().map(|piece| piece.grade).max();
    let pieces = question
        .relevant
        .iter()
        .filter(|piece| Some(piece.grade) == best);
    let mut outcome = Outcome::Wrong;
    for piece in pieces {
        let evidence = squeezed(&piece.evidence);
        if said.contains(&evidence) {
            return Outcome::Verbatim;
        }
        if states(&said, &evidence) {
            outcome = Outcome::Stated;
        }
    }
    outcome
}

/// Whether every cell of the evidence, if it is a row of a table, or every number and most of the
/// neighbouring characters of it stand in what was said.
fn states(said: &str, evidence: &str) -> bool {
    let mut cells = evidence
        .split(['|', ',', '\t'])
        .filter(|cell| !cell.is_empty());
    if cells.all(|cell| said.contains(cell)) {
        return true;
    }
    let in_said: BTreeSet<&str> = numbers(said).collect();
    if !numbers(evidence).all(|number| in_said.contains(number)) {
        return false;
    }
    let said: BTreeSet<(char, char)> = pairs(said);
    let wanted = pairs(evidence);
    let n_held = wanted.intersection(&said).count();
    n_held as f32 >= STATED * wanted.len().max(1) as f32
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
}

fn pairs(text: &str) -> BTreeSet<(char, char)> {
    let chars: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    chars.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

impl AnswerMeasures {
    /// Counts an answerable question.
    pub fn add(&mut self, outcome: Outcome) {
        self.n_answerable += 1;
        self.n_verbatim += usize::from(outcome == Outcome::Verbatim);
        self.n_right += usize::from(matches!(outcome, Outcome::Verbatim | Outcome::Stated));
        self.n_wrong += usize::from(outcome == Outcome::Wrong);
    }

    /// Counts a question without an answer.
    pub fn add_unanswerable(&mut self, kind: &str, is_answered: bool) {
        let counted = self.unanswerable.entry(kind.to_owned()).or_default();
        counted.0 += 1;
        counted.1 += usize::from(is_answered);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn question(evidence: &str) -> Answerable {
        Answerable {
            id: "q".to_owned(),
            query: "每餐补多少".to_owned(),
            relevant: vec![
                Evidence {
                    evidence: evidence.to_owned(),
                    grade: 2,
                },
                Evidence {
                    evidence: "另行规定".to_owned(),
                    grade: 1,
                },
            ],
        }
    }

    #[test]
    fn an_answer_is_right_by_its_numbers_and_words() {
        let question = question("每人每餐补助3元，由区财政承担");
        for (said, expected) in [
            (
                Some("标准：每人每餐 补助3元，由区财政承担。"),
                Outcome::Verbatim,
            ),
            (Some("每人每餐补助最高3元，由区财政承担"), Outcome::Stated),
            (Some("每人每餐补助5元，由区财政承担"), Outcome::Wrong),
            (Some("另行规定"), Outcome::Wrong),
            (None, Outcome::Abstained),
        ] {
            assert_eq!(outcome(said, &question), expected, "{said:?}");
        }
    }

    #[test]
    fn a_folder_needs_one_of_both_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(JudgedQuestions::read(folder.path()).is_err());
        let line = r#"{"id": "u1", "query": "你好", "kind": "off_topic"}"#;
        fs::write(folder.path().join("unanswerable.jsonl"), line).unwrap();
        let read = JudgedQuestions::read(folder.path()).unwrap();
        assert_eq!((read.answerable.len(), read.unanswerable.len()), (0, 1));
        fs::write(folder.path().join("questions.jsonl"), "{}").unwrap();
        let error = JudgedQuestions::read(folder.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("questions.jsonl:1"), "{error}");
    }
}
