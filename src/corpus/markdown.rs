//! Markdown: headings, lists, pipe tables and paragraphs, with YAML front matter split off.
//!
//! A reader of lines, not a full CommonMark parser: editors write simple files, and everything
//! that is not recognised stays as text. Inline marks are taken out, their words kept.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::table::{RawCell, RawRow};
use super::{Extract, ExtractBuilder, Limits, LoadError, Role, Table, plain};

/// Compiles a pattern that is written in this file.
fn pattern(pattern: &str) -> Regex {
    // The patterns are literals which the tests run through.
    Regex::new(pattern).expect("literal pattern")
}

static HEADING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$"));
static ITEM: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:[-*+]|(\d{1,9}[.)]))\s+(.*)$"));
static RULE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$"));
static TABLE_RULE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$"));
static COMMENT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)<!--.*?-->"));
static INLINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"!\[(?<alt>[^\]\n]*)\]\([^)\n]*\)",
        r"|\[(?<link>[^\]\n]+)\]\([^)\n]*\)",
        r"|\*\*(?<bold>[^*\n]+)\*\*",
        r"|__(?<under>[^_\n]+)__",
        r"|`(?<code>[^`\n]+)`",
        r"|<(?<url>https?://[^>\s]+)>",
        r"|\\(?<escaped>[\\`*_{}\[\]()#+\-.!|])",
        r"|<br\s*/?>",
    ))
});

/// Reads decoded Markdown.
///
/// # Errors
/// [`LoadError::Unreadable`] if a line, a table or the whole text is too long.
pub fn load(text: &str, limits: &Limits) -> Result<Extract, LoadError> {
    plain::check_text(text, limits)?;
    let (front_matter, body) = split_front_matter(text);
    let mut builder = ExtractBuilder::new();
    if let Some(yaml) = front_matter {
        builder.front_matter(yaml);
    }
    let body = COMMENT.replace_all(body, "");
    let mut reader = Reader {
        builder,
        limits,
        paragraph: String::new(),
        role: Role::Paragraph,
    };
    let lines: Vec<&str> = body.lines().collect();
    let mut next = 0;
    while next < lines.len() {
        next = reader.read(&lines, next)?;
    }
    reader.flush();
    Ok(reader.builder.finish())
}

/// The YAML between opening `---` lines, and the text after them.
///
/// Without a closing line nothing is front matter.
pub fn split_front_matter(text: &str) -> (Option<&str>, &str) {
    let Some(first_end) = text
        .find('\n')
        .filter(|&end| text[..end].trim_end() == "---")
    else {
        return (None, text);
    };
    let yaml = &text[first_end + 1..];
    let mut start = 0;
    for line in yaml.split_inclusive('\n') {
        if matches!(line.trim_end(), "---" | "...") {
            return (Some(&yaml[..start]), &yaml[start + line.len()..]);
        }
        start += line.len();
    }
    (None, text)
}

struct Reader<'l> {
    builder: ExtractBuilder,
    limits: &'l Limits,
    /// Lines of the block being read, joined by line breaks.
    paragraph: String,
    role: Role,
}

impl Reader<'_> {
    /// Reads the block or line at `at` and returns where the next one begins.
    fn read(&mut self, lines: &[&str], at: usize) -> Result<usize, LoadError> {
        let line = lines[at].trim_start_matches(['>', ' ']).trim_end();
        let line = if lines[at].trim_start().starts_with('>') {
            line
        } else {
            lines[at].trim_end()
        };
        if line.trim().is_empty() {
            self.flush();
        } else if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            return Ok(self.code(lines, at));
        } else if let Some(found) = HEADING.captures(line) {
            self.heading(found[1].len() as u8, &found[2]);
        } else if let Some(level) = self.underlined(line) {
            let heading = std::mem::take(&mut self.paragraph);
            self.heading(level, &heading);
        } else if RULE.is_match(line) {
            self.flush();
        } else if let Some(found) = ITEM.captures(line) {
            self.flush();
            self.role = Role::ListItem;
            // A bullet says nothing; a number is what people cite.
            self.paragraph = match found.get(1) {
                Some(number) => format!("{} {}", number.as_str(), &found[2]),
                None => found[2].to_owned(),
            };
        } else if line.contains('|')
            && lines
                .get(at + 1)
                .is_some_and(|next| next.contains('-') && TABLE_RULE.is_match(next))
        {
            return self.table(lines, at);
        } else {
            if !self.paragraph.is_empty() {
                self.paragraph.push('\n');
            }
            self.paragraph.push_str(line.trim());
        }
        Ok(at + 1)
    }

    fn flush(&mut self) {
        let role = std::mem::replace(&mut self.role, Role::Paragraph);
        let text = std::mem::take(&mut self.paragraph);
        self.builder.push(role, None, &without_marks(&text));
    }

    fn heading(&mut self, level: u8, text: &str) {
        self.flush();
        let text = without_marks(text);
        if level == 1 {
            self.builder.title(&text);
        }
        self.builder.push(Role::Heading(level), None, &text);
    }

    /// The level of the heading that `line` underlines, if the paragraph so far is one line.
    fn underlined(&self, line: &str) -> Option<u8> {
        let line = line.trim();
        if self.paragraph.is_empty()
            || self.paragraph.contains('\n')
            || self.role != Role::Paragraph
            || line.len() < 2
        {
            return None;
        }
        match () {
            () if line.bytes().all(|byte| byte == b'=') => Some(1),
            () if line.bytes().all(|byte| byte == b'-') => Some(2),
            () => None,
        }
    }

    /// A fenced block is kept as it is.
    fn code(&mut self, lines: &[&str], at: usize) -> usize {
        self.flush();
        let fence: String = lines[at].trim_start().chars().take(3).collect();
        let end = (at + 1..lines.len())
            .find(|&line| lines[line].trim_start().starts_with(&fence))
            .unwrap_or(lines.len());
        self.builder.paragraph(&lines[at + 1..end].join("\n"));
        end + 1
    }

    /// A pipe table: its header, the rule, then rows as long as they have a pipe.
    fn table(&mut self, lines: &[&str], at: usize) -> Result<usize, LoadError> {
        self.flush();
        let n_rows = lines[at + 2..]
            .iter()
            .take_while(|line| line.contains('|'))
            .count();
        let mut rows = vec![raw_row(1, lines[at], true)];
        rows.extend(
            (2u32..)
                .zip(&lines[at + 2..at + 2 + n_rows])
                .map(|(number, line)| raw_row(number, line, false)),
        );
        Table::from_rows("", &rows, self.limits)?.push_to(&mut self.builder, None);
        Ok(at + 2 + n_rows)
    }
}

fn raw_row(number: u32, line: &str, header: bool) -> RawRow {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line
        .strip_suffix('|')
        .unwrap_or(line)
        .replace("\\|", "\u{0}");
    let cells = line
        .split('|')
        .map(|cell| RawCell {
            header,
            ..RawCell::plain(without_marks(cell.replace('\u{0}', "|").trim()))
        })
        .collect();
    RawRow { number, cells }
}

/// `text` without the marks of emphasis, links, images and code; their words stay.
fn without_marks(text: &str) -> String {
    INLINE
        .replace_all(text, |found: &Captures<'_>| {
            let words = ["alt", "link", "bold", "under", "code", "url", "escaped"]
                .iter()
                .find_map(|name| found.name(name));
            words.map_or_else(|| " ".to_owned(), |words| words.as_str().to_owned())
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Vec<(Role, String)> {
        let extract = load(text, &Limits::default()).unwrap();
        extract
            .blocks
            .iter()
            .map(|block| (block.role.clone(), block.span.of(&extract.text).to_owned()))
            .collect()
    }

    #[test]
    fn structure_is_read_and_marks_are_not() {
        let text = "# 养老金申领 #\n\n办理**条件**见[指南](a.html)。\n第二行\n\n- 身份证\n2. 户口本\n\n材料\n----\n";
        let paragraph = |text: &str| (Role::Paragraph, text.to_owned());
        assert_eq!(
            blocks(text),
            [
                (Role::Heading(1), "养老金申领".to_owned()),
                paragraph("办理条件见指南。\n第二行"),
                (Role::ListItem, "身份证".to_owned()),
                (Role::ListItem, "2. 户口本".to_owned()),
                (Role::Heading(2), "材料".to_owned()),
            ]
        );
    }

    #[test]
    fn a_pipe_table_has_named_cells() {
        let text = "| 档次 | 金额 |\n|---|:--:|\n| 一档 | 300元 |\n| 二档 | `500元` |";
        let row = |row, text: &str| (Role::TableRow { table: 0, row }, text.to_owned());
        assert_eq!(
            blocks(text),
            [
                row(2, "档次：一档；金额：300元"),
                row(3, "档次：二档；金额：500元")
            ]
        );
    }

    #[test]
    fn front_matter_is_handed_over_raw() {
        let extract = load("---\ntitle: 通知\n---\n正文", &Limits::default()).unwrap();
        assert_eq!(
            (extract.front_matter.as_deref(), extract.text.as_str()),
            (Some("title: 通知\n"), "正文")
        );
        assert_eq!(split_front_matter("---\n没有结束").0, None);
    }
}
