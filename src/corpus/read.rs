//! Opens a file of the corpus and reads it with the loader of its format.
//!
//! The result is text, tables or a stream of lines; what the document is called and where it is
//! cut is decided later. Never panics and never ends the walk: every failure is an [`Outcome`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::format::{self, Detected, Format};
use super::guard::guarded;
use super::limits::shown_size;
use super::{
    CorpusFile, Extract, Finding, Limits, LoadError, Outcome, Table, decode, html, jsonl, markdown,
    ofd, office, pdf, plain, tabular,
};

/// What a file holds.
pub enum Content {
    /// A document.
    Text(Extract),
    /// Sheets of a workbook, or a csv file, each with text.
    Tables(Vec<Table>),
    /// One document per line.
    Lines(jsonl::Lines<Box<dyn BufRead + Send>>),
}

/// A file that could be read.
pub struct FileContent {
    /// What it holds.
    pub content: Content,
    /// blake3 of its bytes, lower-case hex.
    pub content_hash: String,
    /// What was stumbled over, apart from the findings inside an extract.
    pub findings: Vec<Finding>,
}

/// Bytes of a JSONL file that are looked at for its encoding.
const SNIFFED_BYTES: u64 = 64 * 1024;

/// Reads `file` within `limits`.
///
/// # Errors
/// The outcome to list when there is nothing to index: skipped, without text, or failed.
pub fn read(file: &CorpusFile, limits: &Limits) -> Result<FileContent, Outcome> {
    if format::is_jsonl(&file.path) {
        return read_lines(file, limits);
    }
    let bytes = read_bytes(file, limits.file_bytes)?;
    let content_hash = blake3::hash(&bytes).to_hex().to_string();
    let format = match format::detect(&file.path, &bytes).map_err(outcome)? {
        Detected::Format(format) => format,
        Detected::Skipped(reason) => return Err(Outcome::Skipped(reason)),
    };
    let own_limits = limits.clone();
    let (content, findings) = guarded(limits.loader_time, move || {
        load(format, &bytes, &own_limits)
    })
    .map_err(outcome)?;
    if let Content::Text(extract) = &content {
        if extract.text.is_empty() {
            return Err(Outcome::NoText("文件里没有正文".to_owned()));
        }
        if extract.text.len() > limits.text_bytes {
            return Err(too_big(extract.text.len() as u64, limits.text_bytes as u64));
        }
    }
    Ok(FileContent {
        content,
        content_hash,
        findings,
    })
}

/// Runs the loader of `format`.
fn load(
    format: Format,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(Content, Vec<Finding>), LoadError> {
    let decoded = match format {
        Format::Markdown | Format::Plain | Format::Csv => decode::decode(bytes, None)?,
        _ => decode::Decoded::default(),
    };
    let text = decoded.text.as_str();
    let content = match format {
        Format::Markdown => Content::Text(markdown::load(text, limits)?),
        Format::Plain => Content::Text(plain::load(text, limits)?),
        Format::Csv => Content::Tables(tabular::load_csv(text, limits)?),
        Format::Html => Content::Text(html::load(bytes, limits)?),
        Format::Pdf => Content::Text(pdf::load(bytes, limits)?),
        Format::Ofd => Content::Text(ofd::load(bytes, limits)?),
        Format::Office => Content::Text(office::load(bytes, limits)?),
        Format::Workbook => Content::Tables(tabular::load_workbook(bytes, limits)?),
    };
    Ok((content, decoded.finding().into_iter().collect()))
}

/// Opens a JSONL file as a stream; only one in another encoding than UTF-8 is read whole.
fn read_lines(file: &CorpusFile, limits: &Limits) -> Result<FileContent, Outcome> {
    if file.n_bytes > limits.jsonl_bytes {
        return Err(too_big(file.n_bytes, limits.jsonl_bytes));
    }
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(open(file)?)
        .map_err(|error| unopened(&error))?;
    let mut head = Vec::new();
    open(file)?
        .take(SNIFFED_BYTES)
        .read_to_end(&mut head)
        .map_err(|error| unopened(&error))?;
    let mut findings = Vec::new();
    let reader: Box<dyn BufRead + Send> = if is_utf8_start(&head) {
        Box::new(BufReader::with_capacity(
            SNIFFED_BYTES as usize,
            open(file)?,
        ))
    } else {
        let decoded =
            decode::decode(&read_bytes(file, limits.file_bytes)?, None).map_err(outcome)?;
        findings.extend(decoded.finding());
        Box::new(Cursor::new(decoded.text))
    };
    Ok(FileContent {
        content: Content::Lines(jsonl::Lines::new(reader, limits)),
        content_hash: hasher.finalize().to_hex().to_string(),
        findings,
    })
}

/// Whether the bytes are UTF-8 text as far as they go; a character cut off at the end is none the
/// worse, and damage in single lines is told per line.
fn is_utf8_start(head: &[u8]) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => !decode::looks_binary(head),
        Err(error) => error.error_len().is_none() && !decode::looks_binary(head),
    }
}

fn read_bytes(file: &CorpusFile, max_bytes: u64) -> Result<Vec<u8>, Outcome> {
    if file.n_bytes > max_bytes {
        return Err(too_big(file.n_bytes, max_bytes));
    }
    let mut bytes = Vec::new();
    // The file may have grown since it was listed.
    open(file)?
        .take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unopened(&error))?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_big(bytes.len() as u64, max_bytes));
    }
    Ok(bytes)
}

fn open(file: &CorpusFile) -> Result<File, Outcome> {
    File::open(&file.full_path).map_err(|error| unopened(&error))
}

fn unopened(error: &io::Error) -> Outcome {
    Outcome::Failed(match error.kind() {
        io::ErrorKind::NotFound => "读取时文件已不存在".to_owned(),
        io::ErrorKind::PermissionDenied => "没有读取权限".to_owned(),
        _ => format!("读取出错：{error}"),
    })
}

fn too_big(n_bytes: u64, max_bytes: u64) -> Outcome {
    Outcome::Failed(format!(
        "文件过大（{}，上限 {}），请拆分",
        shown_size(n_bytes),
        shown_size(max_bytes)
    ))
}

fn outcome(error: LoadError) -> Outcome {
    match error {
        LoadError::NoText(reason) => Outcome::NoText(reason),
        LoadError::Unreadable(reason) => Outcome::Failed(reason),
    }
}
