//! Chinese text → terms.
//!
//! One normal form serves index and query; every span in it maps back to the original. Terms are
//! cut from the normal form. Knows nothing of documents, files (but the lexicon's) or indexes.

mod normalise;

mod lexicon;
mod personal;
mod references;
mod segment;
mod stop_words;

pub use lexicon::{Lexicon, LexiconProblem};
pub use normalise::{Normalised, is_han, normalise};
pub use personal::{mask, without_placeholders};
pub use references::{Reference, canonical_doc_no, canonical_law_name, endings, references};
pub use segment::{Analyser, Term};
pub use stop_words::is_stop_word;
