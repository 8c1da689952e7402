//! Text files: paragraphs, nothing else.

use super::limits::shown_size;
use super::{Extract, ExtractBuilder, Limits, LoadError, lines};

/// Reads decoded text. Line breaks inside paragraphs stay as they are.
///
/// # Errors
/// [`LoadError::Unreadable`] if a line or the whole text is too long.
pub fn load(text: &str, limits: &Limits) -> Result<Extract, LoadError> {
    check_text(text, limits)?;
    Ok(extract(text))
}

/// The paragraphs of `text`, without any limit.
pub fn extract(text: &str) -> Extract {
    let mut builder = ExtractBuilder::new();
    for paragraph in lines::paragraphs(text) {
        builder.paragraph(paragraph.of(text));
    }
    builder.finish()
}

/// Refuses text that no person wrote: too much of it, or a line without end.
pub fn check_text(text: &str, limits: &Limits) -> Result<(), LoadError> {
    if text.len() > limits.text_bytes {
        return Err(LoadError::Unreadable(format!(
            "文字过多（{}，上限 {}），请拆分成多个文件",
            shown_size(text.len() as u64),
            shown_size(limits.text_bytes as u64)
        )));
    }
    let mut line_start = 0;
    for line_end in memchr::memchr2_iter(b'\n', b'\r', text.as_bytes()).chain([text.len()]) {
        if line_end - line_start > limits.line_bytes {
            return Err(LoadError::Unreadable(format!(
                "有一行长达 {}（上限 {}），不像正常文档；请按段落换行后重新保存",
                shown_size((line_end - line_start) as u64),
                shown_size(limits.line_bytes as u64)
            )));
        }
        line_start = line_end + 1;
    }
    Ok(())
}
