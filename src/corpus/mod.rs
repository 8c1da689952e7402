//! Files → documents and passages.
//!
//! A file is walked to ([`walk`]), read into an [`Extract`] by the loader of its format, given
//! metadata, and cut into passages. Bad files end as a listed [`Outcome`], never as an error that
//! stops the rest. Knows nothing of indexes.
//!
//! Every loader turns bytes into an [`Extract`] or into [`table::Table`]s, within [`Limits`]:
//! files come from many hands, and some of them are broken or hostile.

pub mod decode;
pub mod format;
pub mod guard;
pub mod limits;
pub mod walk;

pub mod extract;
pub mod grid;
pub mod lines;
pub mod table;

pub mod html;
pub mod html_body;
pub mod html_shape;
pub mod html_table;
pub mod html_text;
pub mod jsonl;
pub mod markdown;
pub mod ofd;
pub mod ofd_lines;
pub mod office;
pub mod pdf;
pub mod pdf_streams;
pub mod plain;
pub mod tabular;

pub mod load;
pub mod read;

pub mod folder_defaults;
pub mod metadata;
pub mod passages;

pub mod assemble;
pub mod check;
pub mod faq;
pub mod rendition;

use std::path::PathBuf;

pub use extract::ExtractBuilder;
pub use limits::Limits;
pub use table::Table;

use crate::document::{ByteSpan, Document};

/// A file's text as its loader found it, with the structure that the format shows.
///
/// `text` holds every block's text, blocks separated by `\n`; nothing is repaired or normalised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extract {
    /// The extracted original text.
    pub text: String,
    /// In reading order, disjoint, covering all of `text` but the separators.
    pub blocks: Vec<Block>,
    /// The title that the format itself carries (HTML title, office property, first heading).
    pub title: Option<String>,
    /// Key → value pairs that the format carries: HTML `<meta>`, office properties.
    pub properties: Vec<(String, String)>,
    /// The YAML between the `---` lines that open a Markdown file, without these lines.
    pub front_matter: Option<String>,
    /// What the loader stumbled over and read past.
    pub findings: Vec<Finding>,
}

/// A stretch of text with one role.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Where it stands in [`Extract::text`].
    pub span: ByteSpan,
    /// What it is.
    pub role: Role,
    /// Page of the original, from 1.
    pub page: Option<u32>,
}

/// What a block is in its document.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// A heading that the format marks as one; 1 is the outermost.
    Heading(u8),
    /// Running text.
    Paragraph,
    /// One item of a list.
    ListItem,
    /// One row of a table, written `column：value；column：value`.
    TableRow {
        /// Which table of the file, from 0.
        table: u32,
        /// Row in the original table, from 1, header included.
        row: u32,
    },
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// One document, or one per row or line.
    Loaded {
        /// In file order.
        documents: Vec<Document>,
        /// What an editor should look at.
        findings: Vec<Finding>,
    },
    /// Not something Zhiku reads; the reason is shown to the editor.
    Skipped(String),
    /// Readable, but it holds no text (a scan, a picture).
    NoText(String),
    /// Could not be read; the reason is shown to the editor.
    Failed(String),
}

/// Why a loader gave up on a file. The message is Chinese: editors read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Readable, but it holds no text.
    #[error("{0}")]
    NoText(String),
    /// Damaged, encrypted, hostile or beyond a limit.
    #[error("{0}")]
    Unreadable(String),
}

/// Something that an editor should look at. Messages are Chinese: editors read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `true`: must be mended; `false`: worth a look.
    pub error: bool,
    /// Stable name, e.g. `missing_title`, `expired`, `contradictory_dates`.
    pub code: &'static str,
    /// What is wrong and what to do, in Chinese.
    pub message: String,
}

/// A file found by walking the corpus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CorpusFile {
    /// Relative to the corpus, `/`-separated.
    pub path: String,
    /// Where to open it.
    pub full_path: PathBuf,
    /// Size in bytes.
    pub n_bytes: u64,
}
