//! Zhiku (知库): the knowledge base search engine of a 12345 government hotline.
//!
//! Departments keep documents in a watched folder, the *corpus*. Zhiku cuts every document into
//! passages, indexes each passage by words ([`lexical`]) and by meaning ([`vector`]), and answers
//! a query from one consistent snapshot of both ([`retrieval`]). During a call, what is said is the
//! query, and answers come unasked ([`assist`]). The public gets an answer in the documents' own
//! words, or none ([`answer`]).
//!
//! Modules stand in reading order: a type is used only by modules below the one that defines it.

pub mod document;
pub mod sight;
pub mod text;

pub mod corpus;

pub mod embedding;
pub mod lexical;
pub mod vector;

pub mod engine;
pub mod records;

pub mod retrieval;
pub mod sync;

pub mod assist;
pub mod call_records;

pub mod access;

pub mod answer;

pub mod config;
pub mod evaluation;
pub mod http;
pub mod telemetry;

pub mod commands;
