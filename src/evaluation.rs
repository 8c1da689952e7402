//! Measures retrieval on packs in the BEIR layout.
//!
//! A pack is a folder of documents, queries and judgements ([`Pack`]). [`evaluate`] puts every
//! judged query to whatever searches, scores the ranking ([`Measures`]) and times it; the result
//! can be written as a TREC run. Knows nothing of how the searching is done.

pub mod measures;
pub mod pack;
pub mod run;

pub use measures::Measures;
pub use pack::{Pack, PackDocument, PackError, PackQuery};
pub use run::{Evaluation, RankedQuery, evaluate};
