//! Lines → sections: what stands under which headings, where an article or a question with its
//! answer begins and ends.

use std::ops::Range;

use super::lines::{Form, Line};
use super::markers::{ItemStyle, ends_clause, is_short};
use super::shapes::{Rank, Shape, shapes};

/// Longest first line of an article that names its continuations.
const MAX_LEAD_CHARS: usize = 80;
/// Most questions in a row that one answer answers.
const MAX_WORDINGS: usize = 20;

/// Lines that belong together: an article, a question with its answer, or what a heading covers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Section {
    /// Headings above the first line that is no heading, outermost first.
    pub heading: Vec<String>,
    /// Index range into the lines. The sections of a text are adjacent and cover all lines.
    pub lines: Range<usize>,
    /// Number of the article (条).
    pub article: Option<u32>,
    /// What to call an article where it is continued: its label, and its lead-in if it has one.
    pub continuation: Option<String>,
    /// The questions that the section answers, without their marks.
    pub questions: Vec<String>,
    /// Byte offset in the text where the answer begins.
    pub answer_start: Option<usize>,
}

/// The sections of a text, in order. `title` is left out of every heading path.
pub(crate) fn sections(lines: &[Line<'_>], title: &str) -> Vec<Section> {
    let shapes = shapes(lines);
    let mut outline = Outline::new(lines, title);
    for (at, shape) in shapes.iter().enumerate() {
        outline.take(at, shape, shapes.get(at + 1));
    }
    outline.finish()
}

/// `第二十二条 申请人应当符合下列条件：` if the article opens with a short lead-in, else its label.
fn continuation(line: &str, n_label_bytes: usize) -> String {
    let leads = line.ends_with(['：', ':']) && is_short(line, MAX_LEAD_CHARS);
    if leads {
        line.to_owned()
    } else {
        line[..n_label_bytes].to_owned()
    }
}

/// Collects sections line by line.
struct Outline<'a, 't> {
    lines: &'a [Line<'t>],
    /// Without blanks.
    title: String,
    /// Open headings; the flag says that the entry is a question.
    stack: Vec<Open>,
    sections: Vec<Section>,
    current: Section,
    has_body: bool,
}

struct Open {
    rank: Rank,
    text: String,
    is_question: bool,
    /// Nothing but headings stands before it.
    at_top: bool,
}

impl<'a, 't> Outline<'a, 't> {
    fn new(lines: &'a [Line<'t>], title: &str) -> Self {
        Self {
            lines,
            title: title.split_whitespace().collect(),
            stack: Vec::new(),
            sections: Vec::new(),
            current: Section::default(),
            has_body: false,
        }
    }

    fn take(&mut self, at: usize, shape: &Shape, next: Option<&Shape>) {
        let line = &self.lines[at];
        match *shape {
            Shape::Heading { rank, number } if self.heads(rank, next) => {
                self.begin(at);
                self.close(rank, number);
                let text = if rank == Rank::Annex {
                    self.annex_title(at, next)
                } else {
                    line.text.to_owned()
                };
                self.open(rank, text, false);
            }
            Shape::RunIn {
                rank,
                number,
                n_bytes,
            } if self.heads(rank, next) => {
                self.begin(at);
                self.close(rank, Some(number));
                self.body();
                self.open(rank, line.text[..n_bytes].to_owned(), false);
            }
            Shape::Article {
                number,
                n_label_bytes,
            } => {
                self.begin(at);
                self.close(Rank::Article, None);
                self.body();
                self.current.article = Some(number);
                self.current.continuation = Some(continuation(line.text, n_label_bytes));
                self.open(Rank::Article, line.text[..n_label_bytes].to_owned(), false);
            }
            Shape::Question {
                rank,
                ref words,
                reply,
            } => self.question(at, rank, &line.text[words.clone()], reply),
            Shape::Reply { n_mark_bytes } => {
                self.body();
                if self.current.answer_start.is_none() && !self.current.questions.is_empty() {
                    self.current.answer_start = Some(line.span.start + n_mark_bytes);
                }
            }
            Shape::Item { style, .. } if self.closes_items(style) => {
                self.begin(at);
                self.close(Rank::Item(style), None);
                self.body();
            }
            _ => self.text(line.span.start),
        }
        self.current.lines.end = at + 1;
    }

    /// Whether a heading of `rank` opens a section here: inside an article none of its items does,
    /// and inside an answer only what belongs to the level of the question or above it.
    fn heads(&self, rank: Rank, next: Option<&Shape>) -> bool {
        let Rank::Item(_) = rank else { return true };
        if self.stack.iter().any(|open| open.rank == Rank::Article) {
            return false;
        }
        match self.stack.iter().rposition(|open| open.is_question) {
            None => true,
            Some(question) => {
                matches!(next, Some(Shape::Question { .. }))
                    || self.stack[..=question].iter().any(|open| open.rank == rank)
            }
        }
    }

    /// Whether a numbered paragraph ends headings that are numbered the same way.
    fn closes_items(&self, style: ItemStyle) -> bool {
        let rank = Rank::Item(style);
        self.heads(rank, None) && self.stack.iter().any(|open| open.rank == rank)
    }

    fn question(&mut self, at: usize, rank: Rank, words: &str, reply: Option<usize>) {
        let line = &self.lines[at];
        if matches!(rank, Rank::Item(_)) && self.stack.iter().any(|open| open.rank == Rank::Article)
        {
            return self.text(line.span.start);
        }
        let asked_only = !self.has_body
            && !self.current.questions.is_empty()
            && self
                .stack
                .last()
                .is_some_and(|o| o.is_question && o.rank == rank);
        if asked_only && self.current.questions.len() < MAX_WORDINGS {
            self.current.questions.push(words.to_owned());
        } else if asked_only {
            return self.text(line.span.start);
        } else {
            self.begin(at);
            self.close(rank, None);
            self.current.questions.push(words.to_owned());
            self.current.heading = self.path();
            self.open(rank, words.to_owned(), true);
        }
        if let Some(reply) = reply {
            self.body();
            self.current.answer_start = Some(line.span.start + reply);
        }
    }

    /// A line of running text.
    fn text(&mut self, byte_start: usize) {
        self.body();
        if self.current.answer_start.is_none() && !self.current.questions.is_empty() {
            self.current.answer_start = Some(byte_start);
        }
    }

    /// The headings are complete: what follows stands under them.
    fn body(&mut self) {
        if !self.has_body {
            self.has_body = true;
            if self.current.questions.is_empty() {
                self.current.heading = self.path();
            }
        }
    }

    fn path(&self) -> Vec<String> {
        let shown = self
            .stack
            .iter()
            .filter(|open| open.rank != Rank::Article && !self.is_title(open));
        shown.map(|open| open.text.clone()).collect()
    }

    /// Whether a heading is the title of the document, or the part of it that stands on this line.
    fn is_title(&self, open: &Open) -> bool {
        let text: String = open.text.split_whitespace().collect();
        let part = open.at_top
            && matches!(open.rank, Rank::Marked(_))
            && (self.title.starts_with(&text) || self.title.ends_with(&text));
        part || text == self.title
    }

    /// Ends the current section before line `at`, unless only headings stand in it so far.
    fn begin(&mut self, at: usize) {
        if self.has_body || !self.current.questions.is_empty() {
            self.end_section(at);
        }
    }

    fn end_section(&mut self, at: usize) {
        let next = Section {
            lines: at..at,
            ..Section::default()
        };
        let mut done = std::mem::replace(&mut self.current, next);
        done.lines.end = at;
        if !done.lines.is_empty() {
            self.sections.push(done);
        }
        self.has_body = false;
    }

    /// Closes the headings that one of `rank` ends.
    fn close(&mut self, rank: Rank, number: Option<u32>) {
        let same = self.stack.iter().position(|open| open.rank == rank);
        let keep = match (rank, same) {
            (_, Some(at)) => at,
            (Rank::Item(_), None) if number == Some(1) => self.stack.len(),
            (Rank::Marked(level), None) => self
                .stack
                .iter()
                .position(|open| {
                    !matches!(open.rank, Rank::Annex | Rank::Marked(_))
                        || matches!(open.rank, Rank::Marked(l) if l >= level)
                })
                .unwrap_or(self.stack.len()),
            _ => self
                .stack
                .iter()
                .position(|open| open.rank > rank)
                .unwrap_or(self.stack.len()),
        };
        self.stack.truncate(keep);
    }

    /// 附件1 alone takes its title from the next line.
    fn annex_title(&self, at: usize, next: Option<&Shape>) -> String {
        let label = self.lines[at].text;
        let titled = |line: &&Line<'_>| {
            is_short(line.text, 40) && !ends_clause(line.text) && line.form == Form::Text
        };
        match self.lines.get(at + 1).filter(titled) {
            Some(title) if is_short(label, 6) && next == Some(&Shape::Body) => {
                format!("{label} {}", title.text)
            }
            _ => label.to_owned(),
        }
    }

    fn open(&mut self, rank: Rank, text: String, is_question: bool) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        let at_top = self.sections.is_empty() && !self.has_body;
        self.stack.push(Open {
            rank,
            text,
            is_question,
            at_top,
        });
    }

    fn finish(mut self) -> Vec<Section> {
        if !self.has_body && self.current.questions.is_empty() {
            self.current.heading = self.path();
            self.current.heading.pop();
        }
        let at = self.lines.len();
        self.end_section(at);
        self.sections
    }
}
