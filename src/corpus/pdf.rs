//! PDF: paragraphs, headings and tables with their page.
//!
//! unpdf parses. Pages without text are told: a scan has to be listed, not indexed as empty.
//! No character recognition.

use unpdf::model::{Block, Page, Paragraph, Table as PdfTable};
use unpdf::{ErrorKind, ParseOptions};

use super::table::{RawCell, RawRow};
use super::{Extract, ExtractBuilder, Finding, Limits, LoadError, Role, Table};

/// A page with fewer characters than this, page numbers and stamps apart, shows a picture.
const FEWEST_CHARS_OF_A_PAGE: usize = 10;

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
    let mut builder = ExtractBuilder::new();
    let mut empty_pages = Vec::new();
    for page in &document.pages {
        let n_bytes_before = builder.n_bytes();
        push_page(page, limits, &mut builder)?;
        if builder.n_bytes() - n_bytes_before < FEWEST_CHARS_OF_A_PAGE * '页'.len_utf8()
            && shows_picture(page)
        {
            empty_pages.push(page.number);
        }
    }
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

fn push_page(page: &Page, limits: &Limits, builder: &mut ExtractBuilder) -> Result<(), LoadError> {
    let number = Some(page.number);
    for block in &page.elements {
        match block {
            Block::Paragraph(paragraph) => {
                builder.push(role(paragraph), number, &paragraph.plain_text());
            }
            Block::Table(table) => {
                Table::from_rows("", &raw_rows(table), limits)?.push_to(builder, number);
            }
            Block::Code { content } | Block::Raw { content } => {
                builder.push(Role::Paragraph, number, content)
            }
            Block::Image { .. }
            | Block::HorizontalRule
            | Block::PageBreak
            | Block::SectionBreak => {}
        }
    }
    Ok(())
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
