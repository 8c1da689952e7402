//! The moment → answers that could be put in front of the agent.

use std::collections::BTreeMap;
use std::time::Instant;

use super::call::Settings;
use super::moment::Moment;
use crate::retrieval::{Degraded, Hit, SearchError, SearchRequest, SearchResponse};

/// Hits that each reading of the moment contributes.
const HITS_PER_READING: usize = 6;

/// Agreement of both lists that a first answer needs. Chosen on four transcripts, where it kept a
/// complaint about waiting and two asides from raising an answer.
const ENOUGH_AGREEMENT: f32 = 0.6;

/// Whatever answers a query.
pub type Search<'s> = &'s dyn Fn(&SearchRequest) -> Result<SearchResponse, SearchError>;

/// An answer that could be recommended.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The answer, with its source.
    pub hit: Hit,
    /// The probability that it is right; 0 where nothing was calibrated.
    pub confidence: f32,
    /// Whether words and meaning agree on it. People who talk use words by chance that some passage
    /// holds as well.
    pub is_agreed: bool,
    /// Whether it answers what was said now together with what led to it, not by itself.
    pub needs_context: bool,
}

/// What could be recommended at a moment, likeliest first, one of each document.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// The generation that answered.
    pub generation: u64,
    /// Likeliest first; ties by document id.
    pub offers: Vec<Offer>,
    /// Why they are worse than they could be.
    pub degraded: Vec<Degraded>,
}

/// Asks both readings of the moment; of a document that answers both, the likelier hit counts.
///
/// What was said now comes first where it is enough by itself, so a new matter does not drown in
/// the old one; a reply that says little by itself is carried by what it replies to.
///
/// # Errors
/// [`SearchError`] when the index cannot be read.
pub fn offers(
    search: Search<'_>,
    moment: &Moment,
    settings: &Settings,
) -> Result<Offers, SearchError> {
    let mut found = Offers::default();
    let mut by_document: BTreeMap<String, Offer> = BTreeMap::new();
    let readings = [
        (false, Some(&moment.current)),
        (true, moment.with_context.as_ref()),
    ];
    for (needs_context, reading) in readings {
        let Some(query) = reading else {
            continue;
        };
        let response = search(&SearchRequest {
            deadline: settings.patience.map(|patience| Instant::now() + patience),
            as_of: settings.as_of,
            ..SearchRequest::new(query.clone(), HITS_PER_READING, settings.audience)
        })?;
        found.generation = found.generation.max(response.generation);
        let is_whole = response.degraded.is_empty();
        found.degraded.extend(response.degraded);
        for hit in response.hits {
            let agreement = hit.signals.map_or(1.0, |signals| signals.agreement());
            let is_named = hit.contributions.reference > 0.0;
            let offer = Offer {
                is_agreed: !is_whole || is_named || agreement >= ENOUGH_AGREEMENT,
                confidence: hit.confidence.unwrap_or(0.0),
                hit,
                needs_context,
            };
            match by_document.get_mut(&offer.hit.document_id) {
                Some(known) if known.confidence >= offer.confidence => {}
                Some(known) => *known = offer,
                None => {
                    by_document.insert(offer.hit.document_id.clone(), offer);
                }
            }
        }
    }
    found.degraded.sort_unstable();
    found.degraded.dedup();
    found.offers = by_document.into_values().collect();
    // Stable: ties stay in the order of their ids.
    found
        .offers
        .sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    Ok(found)
}
