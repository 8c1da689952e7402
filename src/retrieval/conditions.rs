//! Filters and counts, between the caller's words and the word index's.

use std::collections::BTreeMap;

use super::{Facets, Filters};
use crate::document::Topics;
use crate::lexical;

/// The word index's form of the caller's conditions.
pub fn conditions(filters: &Filters) -> lexical::Filters {
    lexical::Filters {
        department: filters.department.clone(),
        kind: filters.kind.clone(),
        region: filters.region.clone(),
        topics: Topics {
            question: filters.topic_question.clone(),
            business: filters.topic_business.clone(),
            object: filters.topic_object.clone(),
        },
        document: filters.document_id.clone(),
        metadata: filters.metadata.clone(),
    }
}

/// Counts as the caller sees them: most first, ties by value.
pub fn facets(counted: lexical::Facets) -> Facets {
    let sorted = |counts: BTreeMap<String, usize>| {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts
    };
    Facets {
        department: sorted(counted.department),
        kind: sorted(counted.kind),
        region: sorted(counted.region),
        topic_question: sorted(counted.topics[0].clone()),
        topic_business: sorted(counted.topics[1].clone()),
        topic_object: sorted(counted.topics[2].clone()),
    }
}
