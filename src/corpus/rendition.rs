//! A document → a Markdown file that is read as the same document.
//!
//! The inverse of loading, as far as there is one: what a document was read from (a page, a
//! workbook) is not known any more. Several ways of writing its text are read back, and the one that
//! comes nearest is taken.

use super::assemble::{Source, from_extract};
use super::metadata::keys::Field;
use super::metadata::value::Value;
use super::metadata::{Layer, stated};
use super::passages::CutOptions;
use super::{Extract, Limits, Role, decode, markdown};
use crate::document::{Document, Passage};

/// A Markdown file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// The file, front matter included.
    pub markdown: String,
    /// Whether it is cut into the same passages.
    pub same_passages: bool,
    /// Keys that the place or the text states although the document had none; front matter cannot
    /// take them back.
    pub added_keys: Vec<&'static str>,
}

/// Why a document cannot be written as Markdown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenditionError {
    /// Its text would not be read as it is.
    #[error("its text cannot be written as Markdown that reads the same")]
    Text,
    /// Its metadata would not be read as they are.
    #[error("its metadata cannot be written as front matter that reads the same: {0}")]
    Metadata(String),
}

/// Where the file will stand.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Relative to the corpus, `/`-separated.
    pub path: &'a str,
    /// What the folders above it state.
    pub defaults: &'a Layer,
    /// Whether the document's id is stated; else it will be the path.
    pub states_id: bool,
}

/// Writes `document` as a Markdown file at `place`. Text, apart from blanks at its ends, title and
/// metadata are those of the document when the file is read there.
///
/// # Errors
/// [`RenditionError`], where that cannot be had.
pub fn render(document: &Document, place: Place<'_>) -> Result<Rendition, RenditionError> {
    let front_matter = front_matter(document, place.states_id);
    let bodies = [
        Some(body(document, true)),
        Some(body(document, false)),
        verbatim(&document.text),
    ];
    let mut best: Option<(usize, Document, String)> = None;
    for body in bodies.into_iter().flatten() {
        let markdown = format!("---\n{front_matter}---\n\n{body}\n");
        let Some(read) = read(&markdown, place) else {
            continue;
        };
        let likeness = likeness(document, &read);
        if likeness > best.as_ref().map_or(0, |(best, ..)| *best) {
            best = Some((likeness, read, markdown));
        }
    }
    let (likeness, read, markdown) = best.ok_or(RenditionError::Text)?;
    Ok(Rendition {
        added_keys: added_keys(document, &read, place)?,
        same_passages: likeness > 1,
        markdown,
    })
}

/// Key by key, as the reader of metadata knows them; topics under one key.
fn front_matter(document: &Document, states_id: bool) -> String {
    let mut keys = serde_json::Map::new();
    if states_id {
        keys.insert(Field::Id.key().to_owned(), document.id.as_str().into());
    }
    for (field, value) in stated(&document.title, &document.metadata) {
        match field.key().split_once('.') {
            None => {
                keys.insert(field.key().to_owned(), value.to_json());
            }
            Some((group, key)) => {
                let group = keys.entry(group).or_insert_with(|| serde_json::json!({}));
                group[key] = value.to_json();
            }
        }
    }
    // Texts and lists of texts are always YAML.
    serde_yaml_ng::to_string(&keys).unwrap_or_default()
}

/// The document that the file at `place` will be.
fn read(markdown: &str, place: Place<'_>) -> Option<Document> {
    let decoded = decode::decode(markdown.as_bytes(), None).ok()?;
    let extract = markdown::load(&decoded.text, &Limits::default()).ok()?;
    let source = Source {
        path: place.path,
        content_hash: "",
        defaults: place.defaults,
        sidecar: &Layer::default(),
        cut: CutOptions::default(),
    };
    Some(from_extract(&source, extract).0)
}

/// 0: another text; 1: the same text; 2: the same passages; 3: under the same headings.
fn likeness(wanted: &Document, read: &Document) -> usize {
    let texts = |document: &Document| -> Vec<String> {
        let passages = document.passages.iter();
        passages
            .map(|p| document.passage_text(p).to_owned())
            .collect()
    };
    let places = |document: &Document| -> Vec<(Vec<String>, Option<u32>)> {
        let passages = document.passages.iter();
        passages.map(|p| (p.heading.clone(), p.article)).collect()
    };
    match () {
        () if wanted.text.trim() != read.text => 0,
        () if texts(wanted) != texts(read) => 1,
        () if places(wanted) != places(read) => 2,
        () => 3,
    }
}

fn added_keys(
    wanted: &Document,
    read: &Document,
    place: Place<'_>,
) -> Result<Vec<&'static str>, RenditionError> {
    let expected = stated(&wanted.title, &wanted.metadata);
    let mut found = stated(&read.title, &read.metadata);
    let mut lost: Vec<&str> = Vec::new();
    for (field, value) in &expected {
        match found.iter().position(|(other, _)| other == field) {
            Some(at) if found.swap_remove(at).1 == *value => {}
            _ => lost.push(field.key()),
        }
    }
    if place.states_id && read.id != wanted.id {
        lost.push(Field::Id.key());
    }
    if !lost.is_empty() {
        return Err(RenditionError::Metadata(lost.join(", ")));
    }
    let added = found
        .iter()
        .filter(|(_, value): &&(Field, Value)| !value.is_empty());
    Ok(added.map(|(field, _)| field.key()).collect())
}

/// The text line by line, each a paragraph; with `structure`, the lines that passages name as their
/// headings are marked, and rows are put together to tables.
fn body(document: &Document, structure: bool) -> String {
    let levels = match structure {
        true => heading_levels(document),
        false => Vec::new(),
    };
    let is_row = |at: usize| {
        let mut passages = document.passages.iter();
        structure && passages.any(|p| p.row.is_some() && (p.span.start..p.span.end).contains(&at))
    };
    let lines: Vec<&str> = document.text.split('\n').collect();
    let (mut next, mut start) = (0, 0);
    let mut paragraphs = Vec::new();
    while next < lines.len() {
        let line = lines[next];
        let end = start + line.len();
        let level = levels.iter().find(|(at, _)| (start..=end).contains(at));
        let table = is_row(start).then(|| table(&lines[next..])).flatten();
        let (n_lines, paragraph) = match (level, table) {
            (Some((_, level)), _) => (1, format!("{} {}", "#".repeat(*level), written(line, true))),
            (None, Some(table)) => table,
            (None, None) => (1, written(line, false)),
        };
        if !paragraph.trim().is_empty() {
            paragraphs.push(paragraph);
        }
        let taken = &lines[next..next + n_lines];
        start += taken.iter().map(|line| line.len() + 1).sum::<usize>();
        next += n_lines;
    }
    paragraphs.join("\n\n")
}

/// The rows that `lines` begin with, as `column：value；column：value`, and their pipe table.
fn table(lines: &[&str]) -> Option<(usize, String)> {
    let cells = |line: &'_ &str| -> Option<Vec<(String, String)>> {
        let cells = line.split('；').map(|cell| cell.split_once('：'));
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.replace('|', "\\|"));
        cells.map(|cell| cell.map(owned)).collect()
    };
    let first = cells(lines.first()?).filter(|cells| cells.len() > 1)?;
    let header: Vec<String> = first.into_iter().map(|(name, _)| name).collect();
    let row = |values: Vec<String>| format!("| {} |", values.join(" | "));
    let mut rows = vec![
        row(header.clone()),
        row(vec!["---".to_owned(); header.len()]),
    ];
    for cells in lines.iter().map_while(cells) {
        if !cells.iter().all(|(name, _)| header.contains(name)) {
            break;
        }
        let value = |name: &String| {
            let cell = cells.iter().find(|(known, _)| known == name);
            cell.map_or_else(String::new, |(_, value)| value.clone())
        };
        rows.push(row(header.iter().map(value).collect()));
    }
    Some((rows.len() - 2, rows.join("\n")))
}

/// Byte offsets of lines that are headings, with their levels: 1 for the title.
fn heading_levels(document: &Document) -> Vec<(usize, usize)> {
    let mut levels = Vec::new();
    for passage in &document.passages {
        levels.extend(leading_headings(document, passage));
    }
    levels
}

/// The lines at the start of a passage that its heading path, or the document's title, consists of.
fn leading_headings(document: &Document, passage: &Passage) -> Vec<(usize, usize)> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut levels: Vec<(usize, usize)> = Vec::new();
    let mut start = passage.span.start;
    for line in document.passage_text(passage).split('\n') {
        let depth = levels.last().map_or(0, |(_, level)| *level);
        let in_path = passage.heading.iter().position(|h| *h == words(line));
        let level = match in_path {
            Some(at) => (at + 2).min(6),
            None if passage.span.start == 0 && words(line) == words(&document.title) => 1,
            None => break,
        };
        if level <= depth {
            break;
        }
        levels.push((start, level));
        start += line.len() + 1;
    }
    levels
}

/// A line so that Markdown reads it as it is, with as few backslashes as will do.
fn written(line: &str, is_heading: bool) -> String {
    // Comments reach over lines.
    let open = line.replace("<!--", "<\\!--");
    let reads_well = |written: &String| {
        let shown = match is_heading {
            true => format!("# {written}"),
            false => written.clone(),
        };
        let read = markdown::load(&shown, &Limits::default());
        read.is_ok_and(|read| reads_as(&read, line, is_heading))
    };
    let escaped = |is_special: &dyn Fn(usize, char) -> bool| {
        let mut out = String::new();
        for (at, c) in open.char_indices() {
            if is_special(at, c) {
                out.push('\\');
            }
            out.push(c);
        }
        out
    };
    let first = line.len() - line.trim_start().len();
    let candidates = [
        open.clone(),
        escaped(&|at, _| at == first),
        escaped(&|_, c| "\\`*_[]".contains(c)),
        escaped(&|_, c| "\\`*_{}[]()#+-.!|".contains(c)),
    ];
    let found = candidates.iter().find(|written| reads_well(written));
    found.unwrap_or(&open).clone()
}

fn reads_as(read: &Extract, line: &str, is_heading: bool) -> bool {
    let is_marked = |role: &Role| matches!(role, Role::Heading(_));
    read.text == line.trim() && read.blocks.iter().all(|b| is_marked(&b.role) == is_heading)
}

/// The text in a fence, where nothing in it counts; `None` if it holds such fences itself.
fn verbatim(text: &str) -> Option<String> {
    let is_free = |fence: &&str| {
        let mut lines = text.lines();
        lines.all(|line| !line.trim_start().starts_with(*fence))
    };
    let fence = ["```", "~~~"].iter().find(|fence| is_free(fence))?;
    Some(format!("{fence}\n{}\n{fence}", text.trim_matches('\n')))
}

#[cfg(test)]
mod tests;
