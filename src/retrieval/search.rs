//! The path of one query.

use super::{SearchError, SearchRequest, SearchResponse};

/// Answers queries from the newest generation.
pub struct Retriever {}

impl Retriever {
    /// Answers one request from one snapshot.
    ///
    /// # Errors
    /// [`SearchError::Request`] when a field is out of its limits, [`SearchError::Index`] when the
    /// index cannot be read.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResponse, SearchError> {
        Err(SearchError::Request {
            field: "query",
            reason: format!("{:?} cannot be answered yet", request.query),
        })
    }
}
