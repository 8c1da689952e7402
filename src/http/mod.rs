//! Zhiku over HTTP: JSON under `/v1`, problem documents for errors, one page for trying it out.
//!
//! [`router`] shows every route. This layer owns all wire structs and turns byte spans into the
//! character offsets that JSON shows. It knows no index: what it serves comes from a [`Backend`].
//! Who asks is a [`caller::Caller`], which every handler takes.

mod address;
mod answer;
mod app;
mod ask;
mod backend;
mod caller;
mod calls;
mod changes;
mod contracts;
mod documents;
mod extract;
mod guard;
mod hits;
mod learned;
mod observe;
mod offsets;
mod operations;
mod original;
mod page;
mod permissions;
mod problem;
mod reports;
mod router;
mod search;
mod security;
mod server;
mod versions;

pub use app::App;
pub use backend::{
    Backend, BackendError, DocumentPage, DocumentQuery, DocumentRef, DocumentSubject,
    DocumentSummary, DocumentView, Original, Status,
};
pub use changes::receipt_json;
pub use hits::search_reply_json;
pub use permissions::{Need, PERMISSIONS, Permission};
pub use router::{openapi, router};
pub use server::serve;
pub use versions::versions_json;
