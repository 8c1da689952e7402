//! What a file may cost.
//!
//! A corpus is fed by many hands; one file must not take the memory or the time of all the
//! others. Every loader gets these bounds and fails the file that crosses one. Nothing here
//! judges content.

use std::time::Duration;

/// Bounds on one file. The defaults are far above any document that people wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of a file in bytes, JSONL apart. Default 64 MiB.
    pub file_bytes: u64,
    /// Size of a JSONL file in bytes: it is read line by line. Default 2 GiB.
    pub jsonl_bytes: u64,
    /// Bytes of text that a file may yield. Default 24 MiB, about 8 million Chinese characters.
    pub text_bytes: usize,
    /// Bytes in one line of a text, Markdown or CSV file. Default 1 MiB.
    pub line_bytes: usize,
    /// Bytes in one line of a JSONL file. Default 16 MiB.
    pub jsonl_line_bytes: usize,
    /// Entries in a zip container (docx, xlsx, pptx, OFD). Default 10,000.
    pub zip_entries: usize,
    /// Bytes of all entries of a zip container together, unpacked. Default 512 MiB.
    pub zip_bytes: u64,
    /// Bytes of all XML entries of a zip container together, unpacked: these are parsed into
    /// trees many times their size. Default 96 MiB.
    pub zip_xml_bytes: u64,
    /// Elements open at once in an HTML page. Default 1,000.
    pub html_depth: usize,
    /// Cells of one table, merged cells counted where they show. Default 2 million.
    pub table_cells: usize,
    /// How long one loader may run. Default 60 s.
    pub loader_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            file_bytes: 64 * MIB,
            jsonl_bytes: 2048 * MIB,
            text_bytes: 24 * MIB as usize,
            line_bytes: MIB as usize,
            jsonl_line_bytes: 16 * MIB as usize,
            zip_entries: 10_000,
            zip_bytes: 512 * MIB,
            zip_xml_bytes: 96 * MIB,
            html_depth: 1_000,
            table_cells: 2_000_000,
            loader_time: Duration::from_secs(60),
        }
    }
}

/// A size as editors read it, e.g. `64 MB`.
pub fn shown_size(n_bytes: u64) -> String {
    match n_bytes {
        0..1024 => format!("{n_bytes} 字节"),
        1024..1_048_576 => format!("{} KB", n_bytes / 1024),
        _ => format!("{} MB", n_bytes / 1_048_576),
    }
}
