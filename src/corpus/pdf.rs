//! PDF: paragraphs, headings and tables with their page.
//!
//! unpdf parses. Pages without text are told: a scan has to be listed, not indexed as empty.
//! No character recognition.

use unpdf::model::{Block, Page, Paragraph, Table as PdfTable};
use unpdf::{ErrorKind, ParseOptions};

use super::table::{RawCell, RawRow};
use super::{Extract, ExtractBuilder, Finding, Limits, LoadError, Role, Table, lines};

/// A page with fewer characters than this, page numbers and stamps apart, shows a picture.
const FEWEST_CHARS_OF_A_PAGE: usize = 10;

/// A shorter paragraph is a heading or a signature: nothing runs on from it.
const FEWEST_CHARS_OF_A_LINE: usize = 25;

/// Reads a PDF file.
///
/// # Errors
/// [`LoadError::NoText`] for a scan; [`LoadError::Unreadable`] if it is damaged or encrypted.
pub fn load(bytes: &[u8], limits: &Limits) -> Result<Extract, LoadError> {
    // One thread: the caller's time limit must not leave shared worker threads busy.
    let options = ParseOptions::new()
        .lenient()
        .sequential()
        .with_resources(false);
    let document =
        unpdf::parse_bytes_with_options(bytes, options).map_err(|error| match error.kind() {
            ErrorKind::Encrypted | ErrorKind::InvalidPassword => {
                LoadError::Unreadable("PDF 有密码保护，请去掉密码后重新保存".to_owned())
            }
            _ => LoadError::Unreadable(format!("PDF 损坏，无法解析（{error}）；请重新导出")),
        })?;
    let mut pages = Pages {
        limits,
        builder: ExtractBuilder::new(),
        open: None,
    };
    let mut empty_pages = Vec::new();
    for page in &document.pages {
        pages.push_page(page)?;
        if page
            .plain_text()
            .chars()
            .filter(|c| !c.is_whitespace())
            .count()
            < FEWEST_CHARS_OF_A_PAGE
            && shows_picture(page)
        {
            empty_pages.push(page.number);
        }
    }
    pages.close();
    let mut builder = pages.builder;
    let n_pages = document.pages.len();
    if builder.n_bytes() == 0 || (!empty_pages.is_empty() && empty_pages.len() == n_pages) {
        return Err(LoadError::NoText(format!(
            "PDF 共 {n_pages} 页，没有可提取的文字（扫描件或图片），请提供文字版"
        )));
    }
    if !empty_pages.is_empty() {
        builder.finding(scanned_pages(&empty_pages));
    }
    let metadata = &document.metadata;
    for (key, value) in [
        ("title", &metadata.title),
        ("author", &metadata.author),
        ("subject", &metadata.subject),
        ("keywords", &metadata.keywords),
    ] {
        builder.property(key, value.as_deref().unwrap_or_default());
    }
    Ok(builder.finish())
}

fn shows_picture(page: &Page) -> bool {
    page.image_op_count > 0
        || page.form_op_count > 0
        || !page.images.is_empty()
        || page.image_coverage > 0.0
}

fn scanned_pages(pages: &[u32]) -> Finding {
    let shown: Vec<String> = pages.iter().take(10).map(u32::to_string).collect();
    let more = if pages.len() > shown.len() {
        " 等"
    } else {
        ""
    };
    Finding {
        error: false,
        code: "scanned_pages",
        message: format!(
            "第 {}{more} 页（共 {} 页）是图片，没有可提取的文字",
            shown.join("、"),
            pages.len()
        ),
    }
}

/// Blocks of a document in order, paragraphs put together and taken apart.
///
/// The parser breaks a paragraph at the end of a page and where a line is short, and runs
/// numbered paragraphs together where a page has one margin.
struct Pages<'p> {
    limits: &'p Limits,
    builder: ExtractBuilder,
    /// A paragraph that may run on, with its page.
    open: Option<(Role, u32, String)>,
}

impl Pages<'_> {
    fn push_page(&mut self, page: &Page) -> Result<(), LoadError> {
        let last = page.elements.len().saturating_sub(1);
        for (at, block) in page.elements.iter().enumerate() {
            match block {
                Block::Paragraph(paragraph) => {
                    let text = paragraph.plain_text();
                    let at_edge = at == 0 || at == last;
                    if !(at_edge && is_page_number(&text)) {
                        self.text(role(paragraph), page.number, text.trim());
                    }
                }
                Block::Table(table) => {
                    self.close();
                    Table::from_rows("", &raw_rows(table), self.limits)?
                        .push_to(&mut self.builder, Some(page.number));
                }
                Block::Code { content } | Block::Raw { content } => {
                    self.text(Role::Paragraph, page.number, content.trim())
                }
                Block::Image { .. }
                | Block::HorizontalRule
                | Block::PageBreak
                | Block::SectionBreak => {}
            }
        }
        Ok(())
    }

    fn text(&mut self, role: Role, page: u32, text: &str) {
        if let Some((_, _, open)) = &mut self.open
            && role == Role::Paragraph
            && runs_on(open, text)
        {
            append(open, text);
            return;
        }
        self.close();
        self.open = Some((role, page, text.to_owned()));
    }

    fn close(&mut self) {
        let Some((role, page, text)) = self.open.take() else {
            return;
        };
        let mut role = role;
        for part in numbered_parts(&text) {
            self.builder.push(role, Some(page), part);
            role = Role::Paragraph;
        }
    }
}

/// Whether `next` continues the sentence that `open` breaks off in.
fn runs_on(open: &str, next: &str) -> bool {
    open.chars().count() >= FEWEST_CHARS_OF_A_LINE
        && !open.ends_with([
            '。', '！', '？', '；', '：', '…', '!', '?', ';', ':', '”', '》', '」',
        ])
        && !open.contains("....")
        && !next.contains("....")
        && !lines::opens_paragraph(next)
}

/// Chinese needs nothing between two lines, Latin words a space.
fn append(open: &mut String, next: &str) {
    if open.ends_with(|c: char| c.is_ascii_alphanumeric())
        && next.starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        open.push(' ');
    }
    open.push_str(next);
}

/// The text cut before each numbered paragraph (一、 （一） 第一条) that follows a sentence end.
fn numbered_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, end) in text.match_indices(['。', '；', '：']) {
        let next = at + end.len();
        let rest = text[next..].trim_start();
        let is_numbered = rest.starts_with(|c: char| "一二三四五六七八九十（(第".contains(c))
            && lines::opens_numbered(rest);
        if is_numbered {
            parts.push(&text[start..next]);
            start = next;
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `13`, `- 13 -`, `第 13 页`.
fn is_page_number(text: &str) -> bool {
    let digits = text.trim().trim_matches(|c: char| {
        c.is_whitespace() || matches!(c, '-' | '—' | '–' | '第' | '页' | '·')
    });
    !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn role(paragraph: &Paragraph) -> Role {
    match paragraph.heading_level() {
        Some(level) => Role::Heading(level),
        None if paragraph.is_list_item() => Role::ListItem,
        None => Role::Paragraph,
    }
}

fn raw_rows(table: &PdfTable) -> Vec<RawRow> {
    let rows = table.rows.iter().map(|row| {
        row.cells
            .iter()
            .map(|cell| RawCell {
                text: cell.plain_text(),
                col_span: cell.colspan.max(1) as usize,
                row_span: cell.rowspan.max(1) as usize,
                header: row.is_header,
            })
            .collect()
    });
    (1u32..)
        .zip(rows)
        .map(|(number, cells)| RawRow { number, cells })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_paragraphs_are_taken_apart() {
        let text = "为做好救助工作制定本方案。一、救助对象（一）低保家庭。 （二）特困人员。第三条起施行。第一时间办理。";
        assert_eq!(
            numbered_parts(text),
            [
                "为做好救助工作制定本方案。",
                "一、救助对象（一）低保家庭。",
                " （二）特困人员。",
                "第三条起施行。第一时间办理。"
            ]
        );
    }

    #[test]
    fn page_numbers_are_known() {
        for text in ["13", "- 2 -", "— 107 —", "第 3 页"] {
            assert!(is_page_number(text), "{text}");
        }
        for text in ["", "2024年", "第三条", "12345"] {
            assert!(!is_page_number(text), "{text}");
        }
    }

    #[test]
    fn a_broken_sentence_runs_on() {
        let open = "申请临时救助的家庭应当向户籍所在地的街道办事处提出书面申请并";
        assert!(runs_on(open, "提交下列材料："));
        assert!(!runs_on(open, "（一）身份证"));
        assert!(!runs_on("云溪市民政局", "二〇二四年"));
    }
}
