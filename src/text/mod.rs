//! Chinese text → terms.
//!
//! One normal form serves index and query; every span in it maps back to the original. Knows
//! nothing of documents, files or indexes.
//!
//! Contract (being built):
//! ```text
//! pub fn normalise(original: &str) -> Normalised;           // text/normalise.rs
//! impl Normalised {
//!     pub fn as_str(&self) -> &str;
//!     pub fn to_original(&self, span: ByteSpan) -> ByteSpan; // bytes of normal form → bytes of original
//! }
//! pub struct Term { pub text: String, pub span: ByteSpan /* in the normal form */, pub position: u32 }
//! impl Analyser {                                            // text/segment.rs
//!     pub fn built_in() -> Analyser;                         // cheap to clone, shares one dictionary
//!     pub fn with_lexicon(lexicon: &Lexicon) -> Analyser;
//!     pub fn words(&self, normalised: &str) -> Vec<Term>;    // for the index: search cut, no punctuation, no stop words
//!     pub fn plain_words(&self, normalised: &str) -> Vec<Term>; // non-overlapping cut, for embedding
//!     pub fn bigrams(&self, normalised: &str) -> Vec<Term>;  // character bigrams; Latin/digit runs whole
//!     pub fn synonyms(&self, word: &str) -> &[String];
//! }
//! impl Lexicon { pub fn load(folder: &Path) -> Result<Lexicon, LexiconError>; }  // text/lexicon.rs
//! pub enum Reference { DocNo(String), Article { law: Option<String>, article: u32, sub: Option<u32> }, Title(String) }
//! pub fn references(normalised: &str) -> Vec<(ByteSpan, Reference)>;             // text/references.rs
//! ```

pub mod normalise;

pub use normalise::{Normalised, is_han, normalise};
