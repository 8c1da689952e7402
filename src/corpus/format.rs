//! Which loader reads a file: by its content first, by its extension where content does not tell.
//!
//! Departments rename files, and old systems export web pages as `.xls` and `.doc`. Looks at
//! magic bytes and container listings only; whether the content is sound is the loader's matter.

use std::io::Cursor;

use super::{LoadError, decode};

/// A format that Zhiku reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Markdown
    Markdown,
    /// Text without markup
    Plain,
    /// HTML
    Html,
    /// Values separated by commas or tabs
    Csv,
    /// PDF
    Pdf,
    /// OFD, the Chinese national layout format
    Ofd,
    /// Word, PowerPoint: running text
    Office,
    /// Excel: tables
    Workbook,
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// To be read as this.
    Format(Format),
    /// Not something that Zhiku reads; the reason is Chinese.
    Skipped(String),
}

/// Kinds of files that are recognised only to be skipped: leading bytes, Chinese name.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n", "图片"),
    (b"\xff\xd8\xff", "图片"),
    (b"GIF8", "图片"),
    (b"BM", "图片"),
    (b"II*\0", "图片"),
    (b"MM\0*", "图片"),
    (b"Rar!\x1a\x07", "压缩包"),
    (b"7z\xbc\xaf\x27\x1c", "压缩包"),
    (b"\x1f\x8b", "压缩包"),
    (b"BZh", "压缩包"),
    (b"\xfd7zXZ\0", "压缩包"),
    (b"MZ", "程序"),
    (b"\x7fELF", "程序"),
    (b"ID3", "音频"),
    (b"OggS", "音频"),
    (b"RIFF", "音视频或图片"),
    (b"\x1a\x45\xdf\xa3", "视频"),
    (b"SQLite format 3\0", "数据库"),
];

/// Bytes within which `%PDF` must begin, as readers of PDF allow.
const PDF_HEADER_WITHIN: usize = 1024;

/// Tells the format of the file at `path` (for its extension) with this content.
///
/// # Errors
/// [`LoadError::Unreadable`] for a container that is damaged or encrypted, or a file of a known
/// extension whose content is something else that cannot be read; [`LoadError::NoText`] for an
/// empty file.
pub fn detect(path: &str, bytes: &[u8]) -> Result<Detected, LoadError> {
    let extension = extension(path);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(LoadError::NoText("文件是空的".to_owned()));
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return zip_content(&extension, bytes);
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return ole_content(bytes);
    }
    let head = &bytes[..bytes.len().min(PDF_HEADER_WITHIN)];
    if memchr::memmem::find(head, b"%PDF-").is_some() {
        return Ok(Detected::Format(Format::Pdf));
    }
    if bytes.starts_with(b"{\\rtf") {
        return Ok(Detected::Skipped(
            "RTF 格式暂不支持，请另存为 docx".to_owned(),
        ));
    }
    if let Some((_, kind)) = FOREIGN.iter().find(|(magic, _)| bytes.starts_with(magic))
        && decode::looks_binary(bytes)
    {
        return Ok(Detected::Skipped(format!("{kind}不含可检索的文字，已跳过")));
    }
    text_content(&extension, bytes)
}

/// Whether a file is read line by line; only its extension tells, since it may be too big to look at.
pub fn is_jsonl(path: &str) -> bool {
    matches!(extension(path).as_str(), "jsonl" | "ndjson")
}

/// The extension in lower case; empty if there is none.
fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.')
        .map_or(String::new(), |(_, extension)| extension.to_lowercase())
}

fn zip_content(extension: &str, bytes: &[u8]) -> Result<Detected, LoadError> {
    let archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_| {
        LoadError::Unreadable("文件不完整或已损坏（压缩容器打不开），请重新上传".to_owned())
    })?;
    let has = |wanted: &str| {
        archive.file_names_raw().any(|name| {
            let name = String::from_utf8_lossy(name)
                .replace('\\', "/")
                .to_lowercase();
            name.trim_start_matches('/').starts_with(wanted)
        })
    };
    let format = if has("ofd.xml") {
        Format::Ofd
    } else if has("word/") || has("ppt/") {
        Format::Office
    } else if has("xl/") {
        Format::Workbook
    } else if matches!(extension, "docx" | "xlsx" | "pptx" | "ofd") {
        return Err(LoadError::Unreadable(format!(
            "扩展名是 .{extension}，但内容不是这种文档，请重新导出"
        )));
    } else {
        return Ok(Detected::Skipped(
            "压缩包不直接检索，请解压后放入".to_owned(),
        ));
    };
    Ok(Detected::Format(format))
}

fn ole_content(bytes: &[u8]) -> Result<Detected, LoadError> {
    match undoc::detect_format_from_bytes(bytes) {
        Ok(undoc::FormatType::Xls) => Ok(Detected::Format(Format::Workbook)),
        Ok(_) => Ok(Detected::Format(Format::Office)),
        Err(undoc::Error::Encrypted) => Err(LoadError::Unreadable(
            "文件有密码保护，请去掉密码后重新保存".to_owned(),
        )),
        Err(_) => Ok(Detected::Skipped(
            "不是 Word、Excel 或 PowerPoint 文档，已跳过".to_owned(),
        )),
    }
}

/// Content without magic bytes: some sort of text, or nothing known.
fn text_content(extension: &str, bytes: &[u8]) -> Result<Detected, LoadError> {
    let html = looks_like_html(bytes);
    let format = match extension {
        "md" | "markdown" if !html => Format::Markdown,
        "txt" | "text" | "" if !html && !(extension.is_empty() && is_binary(bytes)) => {
            Format::Plain
        }
        "csv" | "tsv" if !html => Format::Csv,
        "html" | "htm" | "shtml" | "xhtml" => Format::Html,
        "md" | "markdown" | "txt" | "text" | "csv" | "tsv" => Format::Html,
        "doc" | "docx" | "xls" | "xlsx" | "ppt" | "pptx" | "pdf" | "ofd" | "wps" | "et" | "dps" => {
            return mislabelled(extension, bytes, html);
        }
        "" if html => Format::Html,
        "" => {
            return Ok(Detected::Skipped(
                "没有扩展名，也不是已知的文档格式".to_owned(),
            ));
        }
        _ => return Ok(Detected::Skipped(format!("不支持的格式 .{extension}"))),
    };
    Ok(Detected::Format(format))
}

/// A file whose extension promises a binary format that its content is not.
fn mislabelled(extension: &str, bytes: &[u8], html: bool) -> Result<Detected, LoadError> {
    if html {
        Ok(Detected::Format(Format::Html))
    } else if is_binary(bytes) || matches!(extension, "pdf" | "ofd") {
        Err(LoadError::Unreadable(format!(
            "扩展名是 .{extension}，但内容不是这种文档（可能已损坏），请重新导出"
        )))
    } else if matches!(extension, "xls" | "xlsx" | "et") {
        Ok(Detected::Format(Format::Csv))
    } else {
        Ok(Detected::Format(Format::Plain))
    }
}

fn is_binary(bytes: &[u8]) -> bool {
    decode::decode(bytes, None).is_err()
}

/// Whether the content opens as a web page does, in whatever encoding keeps ASCII.
fn looks_like_html(bytes: &[u8]) -> bool {
    let head: String = bytes
        .iter()
        .filter(|&&byte| byte != 0)
        .take(1024)
        .map(|&byte| byte.to_ascii_lowercase() as char)
        .collect();
    let head = head.trim_start_matches("ï»¿").trim_start();
    head.starts_with("<!doctype html")
        || head.starts_with("<html")
        || (head.starts_with("<?xml") || head.starts_with("<!--")) && head.contains("<html")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, bytes: &[u8], expected: Format) {
        assert_eq!(
            detect(path, bytes),
            Ok(Detected::Format(expected)),
            "{path}"
        );
    }

    #[test]
    fn content_outweighs_the_extension() {
        check("a.txt", b"%PDF-1.7\n", Format::Pdf);
        check("a.xls", b"<html><body><table>", Format::Html);
        check("a.doc", "云溪市通知".as_bytes(), Format::Plain);
        check("a.xls", b"a\tb\n1\t2", Format::Csv);
        check("a.MD", "# 标题".as_bytes(), Format::Markdown);
        check("目录.d/readme", "文字".as_bytes(), Format::Plain);
    }

    #[test]
    fn what_is_not_read_says_why() {
        for (path, bytes) in [
            ("a.png", &b"\x89PNG\r\n\x1a\n\0"[..]),
            ("a.json", b"{}"),
            ("a.rtf", b"{\\rtf1"),
        ] {
            assert!(
                matches!(detect(path, bytes), Ok(Detected::Skipped(_))),
                "{path}"
            );
        }
        assert!(matches!(detect("a.txt", b" \n"), Err(LoadError::NoText(_))));
        assert!(matches!(
            detect("a.pdf", b"garbage"),
            Err(LoadError::Unreadable(_))
        ));
        assert!(matches!(
            detect("a.docx", b"PK\x03\x04 cut off"),
            Err(LoadError::Unreadable(_))
        ));
    }
}
