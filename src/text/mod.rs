//! Chinese text → terms.
//!
//! One normal form serves index and query; every span in it maps back to the original. Terms are
//! cut from the normal form. Knows nothing of documents, files (but the lexicon's) or indexes.

mod normalise;

mod lexicon;
mod personal;
mod places;
mod references;
mod segment;
pub mod sound;
mod stop_words;

pub use lexicon::{Lexicon, LexiconProblem};
pub use normalise::{Normalised, is_han, normalise};
pub use personal::{mask, without_placeholders};
pub use places::{is_place_name, place_names};
pub use references::{Reference, canonical_doc_no, canonical_law_name, endings, references};
pub use segment::{Analyser, Term, general_rarity};
pub use stop_words::is_stop_word;
