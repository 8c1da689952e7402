//! A call: utterances in, recommendations out.
//!
//! [`Transcript`] keeps what was said, [`Moment`] tells which part of it is the question now,
//! [`offers`] looks for answers, and [`Call`] decides whether they are worth the agent's glance.
//! Searches by whatever it is given; knows nothing of HTTP, files or how hits are found.

mod call;
mod desk;
mod journal;
mod moment;
mod offers;
mod say;
mod speech;
mod transcript;

pub use call::{
    Asked, Attributes, BestAnswer, Call, Heard, Keyword, Noted, Recommendation, Recommendations,
    Settings,
};
pub use desk::{CallView, Desk, DeskError, OpenCall};
pub use journal::{CallRef, Entry, Journal, NoJournal};
pub use moment::{Moment, Reading};
pub use offers::{Because, Circumstances, Offer, Offers, Search, offers};
pub use say::{MAX_SAY_CHARS, say};
pub use speech::{asks, content};
pub use transcript::{MAX_UTTERANCE_CHARS, Speaker, Taken, Transcript, Utterance};
