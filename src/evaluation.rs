//! Measures retrieval on packs in the BEIR layout.
//!
//! A pack is a folder of documents, queries and judgements ([`Pack`]). [`evaluate`] puts every
//! judged query to whatever searches, scores the ranking ([`Measures`]) and times it; the result
//! can be written as a TREC run. [`CallMeasures`] compare what an agent saw during a call with what should
//! have been seen, [`AnswerMeasures`] what the public was told with the evidence, and [`Reliability`]
//! tells whether probabilities hold what they say. Knows nothing of how the searching is done.

pub mod answers;
pub mod calls;
pub mod measures;
pub mod noise;
pub mod pack;
pub mod reliability;
pub mod run;

pub use answers::{AnswerMeasures, JudgedQuestions, outcome};
pub use calls::{CallMeasures, JudgedCall, Screen, read_calls};
pub use measures::Measures;
pub use noise::{Noise, Noisy};
pub use pack::{Pack, PackDocument, PackError, PackQuery};
pub use reliability::{Outcome, Reliability};
pub use run::{Evaluation, RankedQuery, evaluate};
