//! Who may do what: roles, API keys, limits, and the book of what was done and refused.
//!
//! Keys stand in `index/access.sqlite`, a file of its own: it cannot be rebuilt, and `zhiku keys`
//! changes it while a server runs. Of a key only a hash of its secret is kept. Knows no HTTP.

mod audit;
mod gate;
mod keys;
mod limits;
mod role;
mod schema;
mod token;

pub use audit::{Audit, AuditEntry, AuditRecord, Outcome};
pub use gate::{Access, KnownKey, Refusal, Settings};
pub use keys::{Key, KeyState, KeyStore, NewKey};
pub use role::Role;
pub use token::Token;

use std::path::PathBuf;

/// Why keys could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file cannot be opened or is not a database.
    #[error(
        "{path} cannot be used: {source}. It holds the API keys and is never overwritten: restore it from a backup, or move it aside and create new keys"
    )]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file was written by another version.
    #[error(
        "{path} has layout {found}, this version reads {expected}: use a matching version of zhiku"
    )]
    Version {
        /// The database file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The layout of this version.
        expected: i64,
    },
    /// A key cannot be understood.
    #[error(
        "access.sqlite: the key {id} is damaged ({reason}); revoke it with `zhiku keys revoke {id}`"
    )]
    Damaged {
        /// The key.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// A key cannot be made as asked.
    #[error("{0}")]
    Request(String),
    /// No random numbers, or no hash.
    #[error("no key can be made: {0}")]
    Crypto(String),
    /// A statement failed.
    #[error("access.sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file or its folder cannot be made.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
