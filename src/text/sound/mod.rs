//! What sounds alike: readings of characters, which of them follow each other, and what was
//! probably said where a speech recogniser wrote something else.
//!
//! Works on text in normal form (simplified script). Knows nothing of documents; an index lends its
//! pairs as [`PairTable`]s.

mod hearing;
mod lattice;
mod pair_table;
mod readings;
mod usual;

pub use hearing::{Heard, Misheard, hear};
pub use pair_table::{PairCounts, PairTable};
pub use readings::{SyllableNo, same_sounding, similar_sounding, usual_reading};
pub use usual::{common_characters, commonness, load};
