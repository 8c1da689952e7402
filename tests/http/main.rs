//! Zhiku over HTTP: a real server on a free port of this machine, over a backend of made-up answers.
//!
//! Each file opens with the properties that it checks.

mod answer;
mod call_records;
mod call_socket;
mod calls;
mod changes;
mod dify;
mod dify_conditions;
mod documents;
mod interface;
mod limits;
mod mcp;
mod reports;
mod sample;
mod search;
mod server;
mod vector_stores;
mod versions;
