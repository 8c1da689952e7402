//! Interfaces that others defined: what chatbot platforms, libraries and agents already speak.
//!
//! Each stands in a file of its own and turns its requests into searches of ours. Who asks, what may
//! be seen and how much is read is decided as for our own routes; [`dialect`] puts refusals in the
//! form that each contract documents.

mod conditions;
mod dialect;
pub(super) mod dify;
mod knowledge;
pub(super) mod mcp;
mod records;
pub(super) mod vector_stores;

pub(super) use dialect::speak;
