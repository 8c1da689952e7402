//! Word and PowerPoint files: headings, paragraphs, lists, tables.
//!
//! undoc parses; this checks the container before and gives the result our form after. Page
//! headers and footers are left out: they repeat on every page and answer nothing.

use std::io::Cursor;

use undoc::model::{
    Block, Document, ListType, Paragraph, RevisionType, Section, Table as OfficeTable,
};

use super::limits::shown_size;
use super::table::{RawCell, RawRow};
use super::{Extract, ExtractBuilder, Limits, LoadError, Role, Table};

/// Reads a Word or PowerPoint file.
///
/// # Errors
/// [`LoadError::NoText`] if it holds pictures only; [`LoadError::Unreadable`] if it is damaged,
/// encrypted or beyond the limits.
pub fn load(bytes: &[u8], limits: &Limits) -> Result<Extract, LoadError> {
    let document = parse(bytes, limits)?;
    let mut builder = ExtractBuilder::new();
    for section in &document.sections {
        push_section(section, &document, limits, &mut builder)?;
    }
    for (key, value) in properties(&document) {
        builder.property(key, value);
    }
    let extract = builder.finish();
    if extract.text.is_empty() {
        let reason = match document.resources.is_empty() {
            true => "文件里没有文字",
            false => "文件里只有图片，没有文字；请提供文字版",
        };
        return Err(LoadError::NoText(reason.to_owned()));
    }
    Ok(extract)
}

/// Parses any office file after checking what it would unpack to.
///
/// # Errors
/// [`LoadError::Unreadable`] if it is damaged, encrypted or beyond the limits.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, LoadError> {
    if bytes.starts_with(b"PK") {
        check_zip(bytes, limits)?;
    }
    undoc::parse_bytes(bytes).map_err(|error| match error {
        undoc::Error::Encrypted => {
            LoadError::Unreadable("文件有密码保护，请去掉密码后重新保存".to_owned())
        }
        error => LoadError::Unreadable(format!(
            "文件损坏，无法解析（{error}）；请用原软件打开后另存一份"
        )),
    })
}

/// Refuses a zip container that would unpack to more than the limits allow.
///
/// The sizes are those that the container states; whoever unpacks an entry must not read past
/// them.
pub fn check_zip(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    let damaged =
        |_| LoadError::Unreadable("文件不完整或已损坏（压缩容器打不开），请重新上传".to_owned());
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > limits.zip_entries {
        return Err(LoadError::Unreadable(format!(
            "压缩容器里有 {} 个条目，不像正常文档",
            archive.len()
        )));
    }
    let (mut n_bytes, mut n_xml_bytes) = (0u64, 0u64);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        n_bytes = n_bytes.saturating_add(entry.size());
        let name = String::from_utf8_lossy(entry.name_raw()).to_lowercase();
        if name.ends_with(".xml") || name.ends_with(".rels") {
            n_xml_bytes = n_xml_bytes.saturating_add(entry.size());
        }
    }
    for (n_bytes, limit) in [
        (n_bytes, limits.zip_bytes),
        (n_xml_bytes, limits.zip_xml_bytes),
    ] {
        if n_bytes > limit {
            return Err(LoadError::Unreadable(format!(
                "解压后有 {}（上限 {}），疑似压缩炸弹，已拒绝",
                shown_size(n_bytes),
                shown_size(limit)
            )));
        }
    }
    Ok(())
}

fn push_section(
    section: &Section,
    document: &Document,
    limits: &Limits,
    builder: &mut ExtractBuilder,
) -> Result<(), LoadError> {
    let is_slide = matches!(
        document.format,
        undoc::FormatType::Pptx | undoc::FormatType::Ppt
    );
    let page = is_slide.then(|| section.index as u32 + 1);
    for block in &section.content {
        match block {
            Block::Paragraph(paragraph) => push_paragraph(paragraph, page, builder),
            Block::Table(table) => push_table(table, page, limits, builder)?,
            Block::Note { label, content } => {
                let text: Vec<String> = content.iter().map(paragraph_text).collect();
                builder.push(
                    Role::Paragraph,
                    page,
                    &format!("[{label}] {}", text.join("\n")),
                );
            }
            Block::PageBreak | Block::SectionBreak | Block::Image { .. } => {}
        }
    }
    for paragraph in section.notes.iter().flatten() {
        push_paragraph(paragraph, page, builder);
    }
    Ok(())
}

fn push_paragraph(paragraph: &Paragraph, page: Option<u32>, builder: &mut ExtractBuilder) {
    let text = paragraph_text(paragraph);
    let role = match (paragraph.heading.level(), &paragraph.list_info) {
        (level @ 1..=9, None) if paragraph.is_heading() => Role::Heading(level),
        (_, Some(_)) => Role::ListItem,
        _ => Role::Paragraph,
    };
    if matches!(role, Role::Heading(1)) {
        builder.title(&text);
    }
    if role == Role::Paragraph {
        // Writers break lines by hand where they mean a new paragraph.
        for line in text.split('\n') {
            builder.push(Role::Paragraph, page, line);
        }
    } else {
        builder.push(role, page, &text);
    }
}

/// The words of a paragraph, with the number of a numbered item, without deleted revisions.
pub fn paragraph_text(paragraph: &Paragraph) -> String {
    let mut text = String::new();
    if let Some(list) = &paragraph.list_info
        && list.list_type == ListType::Numbered
        && let Some(number) = list.number
    {
        text.push_str(&format!("{number}. "));
    }
    for run in paragraph
        .runs
        .iter()
        .filter(|run| run.revision != RevisionType::Deleted)
    {
        text.push_str(&run.text);
        if run.line_break || run.page_break {
            text.push('\n');
        }
    }
    text
}

/// A table with one column is a frame around text; others are read row by row.
fn push_table(
    table: &OfficeTable,
    page: Option<u32>,
    limits: &Limits,
    builder: &mut ExtractBuilder,
) -> Result<(), LoadError> {
    if table.column_count() < 2 {
        for cell in table.rows.iter().flat_map(|row| &row.cells) {
            for paragraph in &cell.content {
                push_paragraph(paragraph, page, builder);
            }
            for nested in &cell.nested_tables {
                push_table(nested, page, limits, builder)?;
            }
        }
        return Ok(());
    }
    if let Some(caption) = &table.caption {
        builder.push(Role::Paragraph, page, caption);
    }
    Table::from_rows("", &raw_rows(table), limits)?.push_to(builder, page);
    for nested in table
        .rows
        .iter()
        .flat_map(|row| &row.cells)
        .flat_map(|cell| &cell.nested_tables)
    {
        push_table(nested, page, limits, builder)?;
    }
    Ok(())
}

/// The rows of an office table, merged cells told.
pub fn raw_rows(table: &OfficeTable) -> Vec<RawRow> {
    let rows = table.rows.iter().map(|row| {
        row.cells
            .iter()
            .map(|cell| RawCell {
                text: cell
                    .content
                    .iter()
                    .map(paragraph_text)
                    .collect::<Vec<_>>()
                    .join("\n"),
                col_span: cell.col_span.max(1) as usize,
                row_span: cell.row_span.max(1) as usize,
                header: cell.is_header,
            })
            .collect()
    });
    (1u32..)
        .zip(rows)
        .map(|(number, cells)| RawRow { number, cells })
        .collect()
}

fn properties(document: &Document) -> Vec<(&'static str, &str)> {
    let metadata = &document.metadata;
    let mut found = Vec::new();
    for (key, value) in [
        ("title", &metadata.title),
        ("author", &metadata.author),
        ("subject", &metadata.subject),
        ("description", &metadata.description),
        ("created", &metadata.created),
        ("modified", &metadata.modified),
    ] {
        if let Some(value) = value {
            found.push((key, value.as_str()));
        }
    }
    found.extend(
        metadata
            .keywords
            .iter()
            .map(|keyword| ("keywords", keyword.as_str())),
    );
    found
}
