//! Lines → sections: which lines are headings, where an article or a question with its answer
//! begins, and what stands under what.
//!
//! Official texts mark headings by numbering more often than by format. A numbered line counts as
//! a heading when it is short, ends openly and has something of its own below it; so the contents
//! page of a law and plain lists of items do not become headings.

use std::ops::Range;

use super::lines::{Form, Line, is_blank, same_but_blanks};
use super::markers::{CLOSERS, ItemStyle, Marker, ends_clause, is_short, marker, skip_blanks};

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

/// Longest heading that is recognised by its numbering alone, in characters.
const MAX_NUMBERED_HEADING_CHARS: usize = 32;
/// Longest line that is a heading because the format says so.
const MAX_MARKED_HEADING_CHARS: usize = 80;
/// Longest first line of an article that names its continuations.
const MAX_LEAD_CHARS: usize = 80;
/// Longest question, in characters.
const MAX_QUESTION_CHARS: usize = 120;

/// Most questions in a row that one answer answers.
const MAX_WORDINGS: usize = 20;

/// Orders headings: an entry closes those that stand at its own rank or deeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Annex,
    Marked(u8),
    RuleTitle,
    Division(u8),
    Article,
    Item(ItemStyle),
    Ask,
}

/// What one line turns out to be.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Heading {
        rank: Rank,
        number: Option<u32>,
    },
    /// A paragraph that opens with its own heading: （一）加强领导。各部门…
    RunIn {
        rank: Rank,
        number: u32,
        n_bytes: usize,
    },
    Article {
        number: u32,
        n_label_bytes: usize,
    },
    /// The question's words, and where the answer begins if it follows on the same line.
    Question {
        rank: Rank,
        words: Range<usize>,
        reply: Option<usize>,
    },
    Reply {
        n_mark_bytes: usize,
    },
    /// A numbered paragraph that is no heading.
    Item {
        style: ItemStyle,
        number: u32,
    },
    Body,
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

fn shapes(lines: &[Line<'_>]) -> Vec<Shape> {
    let markers: Vec<Option<Marker>> = lines
        .iter()
        .map(|line| {
            if matches!(line.form, Form::Row { .. }) {
                None
            } else {
                marker(line.text)
            }
        })
        .collect();
    let in_contents = contents(lines, &markers);
    let mut shapes = Vec::with_capacity(lines.len());
    let mut last_article = 0;
    for at in 0..lines.len() {
        let shape = if in_contents.contains(&at) {
            Shape::Body
        } else {
            shape(lines, &markers, at, last_article)
        };
        match shape {
            Shape::Article { number, .. } => last_article = number,
            Shape::Heading {
                rank: Rank::Annex | Rank::RuleTitle,
                ..
            } => last_article = 0,
            _ => {}
        }
        shapes.push(shape);
    }
    demote_annex_lists(lines, &mut shapes);
    demote_childless(&mut shapes);
    shapes
}

/// The lines of a contents page: from 目录 to before the first heading that comes a second time.
fn contents(lines: &[Line<'_>], markers: &[Option<Marker>]) -> Range<usize> {
    let is_contents = |line: &Line<'_>| {
        is_short(line.text, 8)
            && (same_but_blanks(line.text, "目录")
                || same_but_blanks(line.text, "目次")
                || same_but_blanks(line.text, "目錄"))
    };
    let Some(start) = lines.iter().take(200).position(is_contents) else {
        return 0..0;
    };
    let named = |at: usize| {
        let words = heading_words(lines[at].text);
        matches!(marker(words), Some(Marker::Division { .. }))
    };
    let first_at = (start + 1..lines.len().min(start + 20))
        .find(|&at| named(at))
        .unwrap_or(start + 1);
    let first = lines
        .get(first_at)
        .map_or(String::new(), |line| solid(heading_words(line.text)));
    for at in start + 1..lines.len() {
        let article = matches!(
            markers[at],
            Some(Marker::Article {
                separated: true,
                ..
            })
        );
        let ends = article
            || !is_short(lines[at].text, 80)
            || (at > first_at && !first.is_empty() && solid(lines[at].text).starts_with(&first));
        if ends {
            return start..at;
        }
    }
    0..0
}

fn solid(text: &str) -> String {
    text.chars().filter(|&c| !is_blank(c)).collect()
}

/// A line of a contents page without its dots and page number.
fn heading_words(line: &str) -> &str {
    line.trim_end_matches(|c: char| {
        c.is_ascii_digit() || matches!(c, '.' | '…' | '·' | '-' | '—' | '\t' | ' ' | '\u{3000}')
    })
}

fn shape(lines: &[Line<'_>], markers: &[Option<Marker>], at: usize, last_article: u32) -> Shape {
    let line = &lines[at];
    let next = lines.get(at + 1);
    let marked = match line.form {
        Form::Row { .. } => return Shape::Body,
        Form::Heading(level) if is_short(line.text, MAX_MARKED_HEADING_CHARS) => {
            Some(Rank::Marked(level))
        }
        _ => None,
    };
    if let Some(Marker::Article {
        number,
        n_label_bytes,
        separated,
        ..
    }) = markers[at]
        && begins_article(line.text, number, n_label_bytes, separated, last_article)
    {
        return Shape::Article {
            number,
            n_label_bytes,
        };
    }
    if let Some(Marker::Reply { n_mark_bytes }) = markers[at] {
        return Shape::Reply { n_mark_bytes };
    }
    if let Some(question) = question(
        line,
        markers[at],
        markers.get(at + 1).copied().flatten(),
        marked,
    ) {
        return question;
    }
    if let Some(Marker::Division { rank, number }) = markers[at] {
        return Shape::Heading {
            rank: Rank::Division(rank),
            number: Some(number),
        };
    }
    if let Some(rank) = marked {
        return Shape::Heading { rank, number: None };
    }
    match markers[at] {
        Some(Marker::Annex) => Shape::Heading {
            rank: Rank::Annex,
            number: None,
        },
        Some(Marker::Item {
            style,
            number,
            n_mark_bytes,
        }) => item_shape(line.text, style, number, n_mark_bytes),
        _ if is_rule_title(line.text, next, markers.get(at + 1).copied().flatten()) => {
            Shape::Heading {
                rank: Rank::RuleTitle,
                number: None,
            }
        }
        _ => Shape::Body,
    }
}

/// Whether 第N条 at the start of a line begins an article rather than cites one.
fn begins_article(
    line: &str,
    number: u32,
    n_label_bytes: usize,
    separated: bool,
    last_article: u32,
) -> bool {
    let rest = skip_blanks(&line[n_label_bytes..]);
    let in_order = number == last_article || number == last_article.saturating_add(1);
    let cites = rest.starts_with([
        '第', '、', '和', '至', '所', '的', '款', '项', '规', '，', '及', '或',
    ]);
    !cites && (in_order || separated && (number > last_article || number == 1))
}

fn question(
    line: &Line<'_>,
    mark: Option<Marker>,
    next: Option<Marker>,
    marked: Option<Rank>,
) -> Option<Shape> {
    let text = line.text;
    let (explicit, start, rank) = match mark {
        Some(Marker::Ask { n_mark_bytes }) => (true, n_mark_bytes, Rank::Ask),
        Some(Marker::Item {
            style,
            n_mark_bytes,
            ..
        }) => (false, n_mark_bytes, Rank::Item(style)),
        _ => (false, 0, Rank::Ask),
    };
    let rank = marked.unwrap_or(rank);
    if explicit
        && let Some(end) = text
            .find(['？', '?'])
            .filter(|&end| end + 1 < text.trim_end_matches(CLOSERS).len())
    {
        let end = end + text[end..].chars().next().map_or(1, char::len_utf8);
        let reply = text[end..].trim_start();
        let reply_at = text.len() - reply.len();
        let n_mark = match marker(reply) {
            Some(Marker::Reply { n_mark_bytes }) => n_mark_bytes,
            _ => 0,
        };
        let same_line = start < end && !reply.is_empty() && !reply.starts_with(CLOSERS);
        if same_line && is_short(&text[start..end], MAX_QUESTION_CHARS) {
            return Some(Shape::Question {
                rank,
                words: start..end,
                reply: Some(reply_at + n_mark),
            });
        }
    }
    let bare = text.trim_end_matches(CLOSERS);
    let asks = bare.ends_with(['？', '?'])
        && is_short(&text[start..], MAX_QUESTION_CHARS)
        && !text.contains('。');
    let answered = matches!(next, Some(Marker::Reply { .. }));
    let short_and_alone =
        is_short(&text[start..], 48) && text.chars().nth(4).is_some() && !text.contains('；');
    let whole = Shape::Question {
        rank,
        words: start..text.len(),
        reply: None,
    };
    let is_question = explicit || (asks && (answered || marked.is_some() || short_and_alone));
    (is_question && start < text.len()).then_some(whole)
}

fn item_shape(text: &str, style: ItemStyle, number: u32, n_mark_bytes: usize) -> Shape {
    let words = &text[n_mark_bytes..];
    let open = words.trim_end_matches(['：', ':']);
    if !open.is_empty()
        && is_short(words, MAX_NUMBERED_HEADING_CHARS)
        && !ends_clause(open)
        && !open.contains(['。', '；'])
    {
        return Shape::Heading {
            rank: Rank::Item(style),
            number: Some(number),
        };
    }
    if matches!(style, ItemStyle::Chinese | ItemStyle::ChineseInBrackets)
        && let Some(n_bytes) = run_in_heading(words)
    {
        return Shape::RunIn {
            rank: Rank::Item(style),
            number,
            n_bytes: n_mark_bytes + n_bytes,
        };
    }
    Shape::Item { style, number }
}

/// Bytes of a heading that opens a paragraph: up to 24 characters without a comma, then 。 and more.
fn run_in_heading(words: &str) -> Option<usize> {
    let stop = words
        .char_indices()
        .take(25)
        .find(|&(_, c)| matches!(c, '。' | '，' | '；' | '：' | ',' | '、' | '？'))?;
    let more = !words[stop.0 + stop.1.len_utf8()..].trim().is_empty();
    (stop.1 == '。' && stop.0 >= 6 && more).then_some(stop.0)
}

/// A short line that stands right before 第一章 or 第一条 names the rule that follows.
fn is_rule_title(text: &str, next: Option<&Line<'_>>, mark: Option<Marker>) -> bool {
    let opens_rule = matches!(
        mark,
        Some(
            Marker::Division { number: 1, .. }
                | Marker::Article {
                    number: 1,
                    separated: true,
                    ..
                }
        )
    );
    opens_rule
        && next.is_some()
        && is_short(text, 40)
        && !ends_clause(text)
        && !text.starts_with(['（', '('])
}

/// 附件：1. 甲 goes on with 2. 乙 on the next line: a list, not headings.
fn demote_annex_lists(lines: &[Line<'_>], shapes: &mut [Shape]) {
    let mut in_list = false;
    for (line, shape) in lines.iter().zip(shapes) {
        match shape {
            Shape::Heading {
                rank: Rank::Annex, ..
            } => in_list = line.text.contains(['：', ':']),
            Shape::Heading {
                rank: Rank::Item(style),
                number: Some(number),
            } if in_list => {
                *shape = Shape::Item {
                    style: *style,
                    number: *number,
                };
            }
            _ => in_list = false,
        }
    }
}

/// A heading that another heading of its rank or above follows at once heads nothing: it is a line
/// of a list. So is one that continues such a list, and a question in a mere list of questions.
fn demote_childless(shapes: &mut [Shape]) {
    for at in 0..shapes.len() {
        let next = shapes.get(at + 1);
        let childless = match (&shapes[at], next) {
            (
                Shape::Heading {
                    rank: Rank::Marked(_) | Rank::RuleTitle | Rank::Annex,
                    ..
                },
                _,
            ) => false,
            (Shape::Heading { .. }, None) => true,
            (Shape::Heading { rank, .. }, Some(next)) => {
                rank_of(next).is_some_and(|below| below <= *rank)
            }
            (
                Shape::Question {
                    rank: Rank::Item(_),
                    reply: None,
                    ..
                },
                None,
            ) => true,
            (
                Shape::Question {
                    rank: rank @ Rank::Item(_),
                    reply: None,
                    ..
                },
                Some(next),
            ) => rank_of(next).is_some_and(|below| below <= *rank),
            _ => false,
        };
        if childless {
            shapes[at] = Shape::Body;
            demote_rest_of_list(shapes, at);
        }
    }
}

/// Rank of what a line opens, for the lines that close a heading of the same rank.
fn rank_of(shape: &Shape) -> Option<Rank> {
    match shape {
        Shape::Heading { rank, .. } | Shape::Question { rank, .. } | Shape::RunIn { rank, .. } => {
            Some(*rank)
        }
        Shape::Item { style, .. } => Some(Rank::Item(*style)),
        Shape::Article { .. } => Some(Rank::Article),
        Shape::Reply { .. } | Shape::Body => None,
    }
}

/// The item right after a demoted one, if it is the last of its list, is no heading either.
fn demote_rest_of_list(shapes: &mut [Shape], at: usize) {
    let Some(Shape::Heading {
        rank: Rank::Item(style),
        number: Some(number),
    }) = shapes.get(at + 1).cloned()
    else {
        return;
    };
    let last = !matches!(
        shapes.get(at + 2..).unwrap_or_default().iter().find_map(|s| rank_of(s).filter(|&r| r <= Rank::Item(style))),
        Some(rank) if rank == Rank::Item(style)
    );
    if last && number > 1 {
        shapes[at + 1] = Shape::Item { style, number };
    }
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
        let part = matches!(open.rank, Rank::Marked(_))
            && !open.text.is_empty()
            && is_short(&open.text, 60)
            && {
                let text: String = open.text.split_whitespace().collect();
                self.title.starts_with(&text) || self.title.ends_with(&text)
            };
        part || same_but_blanks(&open.text, &self.title)
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
        self.stack.push(Open {
            rank,
            text,
            is_question,
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
