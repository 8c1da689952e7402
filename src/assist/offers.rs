//! The moment → answers that could be put in front of the agent.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Instant;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::call::Settings;
use super::moment::Moment;
use crate::document::Kind;
use crate::retrieval::{Degraded, Filters, Hit, SearchError, SearchRequest, SearchResponse};
use crate::text::is_han;

/// Hits that each reading of the moment contributes.
const HITS_PER_READING: usize = 6;

/// Agreement of both lists that a first answer needs. Chosen on four transcripts, where it kept a
/// complaint about waiting and two asides from raising an answer.
const ENOUGH_AGREEMENT: f32 = 0.6;

/// A script for what an utterance is labelled with must be so likely: among scripts alone, the best
/// one stands out easily.
const LIKELY_FOR_LABEL: f32 = 0.5;

/// Share of its probability that an answer for another region keeps.
const OTHER_REGION: f32 = 0.5;

/// Labels that narrow the search: 归口部门 and 业务分类, such as what the caller chose by key.
const DEPARTMENT_LABEL: &str = "department";
const BUSINESS_LABEL: &str = "business";

/// Whatever answers a query.
pub type Search<'s> = &'s (dyn Fn(&SearchRequest) -> Result<SearchResponse, SearchError> + Sync);

/// Threads that look for the readings of a moment side by side: one call waits for the slowest of
/// them, not for their sum.
static SIDE_BY_SIDE: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let n_threads = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    let pool = ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .thread_name(|n| format!("readings-{n}"))
        .build();
    // Without threads, one after the other.
    pool.inspect_err(|error| tracing::error!(%error, "no threads for the readings of calls"))
        .ok()
});

/// What is known of a moment besides what is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'c> {
    /// Where the caller is.
    pub region: Option<&'c str>,
    /// Labels of the utterance. `department` and `business` narrow the search; what others say, such
    /// as the emotion, raises the scripts for it.
    pub labels: Option<&'c BTreeMap<String, String>>,
}

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
    /// Why it is offered.
    pub because: Because,
}

/// What an offer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// What was said now, by itself.
    Said,
    /// What was said now, with what led to it.
    SaidBefore,
    /// How it was said: a label of the utterance.
    Labelled,
}

/// What could be recommended at a moment.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// The generation that answered.
    pub generation: u64,
    /// Likeliest first, one of each document; ties by document id.
    pub offers: Vec<Offer>,
    /// 话术 that fit, likeliest first.
    pub scripts: Vec<Offer>,
    /// Why they are worse than they could be.
    pub degraded: Vec<Degraded>,
}

/// Asks the readings of the moment; of a document that answers several, the likeliest hit counts.
///
/// What was said now comes first where it is enough by itself, so a new matter does not drown in
/// the old one; a reply that says little by itself is carried by what it replies to.
///
/// # Errors
/// [`SearchError`] when the index cannot be read.
pub fn offers(
    search: Search<'_>,
    moment: &Moment,
    circumstances: Circumstances<'_>,
    settings: &Settings,
) -> Result<Offers, SearchError> {
    let mut found = Found::default();
    let mut asked: Vec<(Because, SearchRequest)> = moment
        .readings
        .iter()
        .map(|reading| {
            let because = match reading.has_context {
                true => Because::SaidBefore,
                false => Because::Said,
            };
            let request = settings.request(&reading.query, circumstances.filters());
            (because, request)
        })
        .collect();
    if let Some(query) = circumstances.manner() {
        let scripts = Filters {
            kind: vec![Kind::Script],
            ..Filters::default()
        };
        asked.push((Because::Labelled, settings.request(&query, scripts)));
    }
    let ask = |(because, request): &(Because, SearchRequest)| Ok((*because, search(request)?));
    let answered: Result<Vec<_>, SearchError> = match &*SIDE_BY_SIDE {
        Some(pool) if asked.len() > 1 => pool.install(|| asked.par_iter().map(ask).collect()),
        _ => asked.iter().map(ask).collect(),
    };
    for (because, response) in answered? {
        found.add(because, response);
    }
    Ok(found.sorted(circumstances.region))
}

impl Settings {
    fn request(&self, query: &str, filters: Filters) -> SearchRequest {
        SearchRequest {
            filters,
            deadline: self.patience.map(|patience| Instant::now() + patience),
            with_facets: false,
            as_of: self.as_of,
            ..SearchRequest::new(query.to_owned(), HITS_PER_READING, self.sight.clone())
        }
    }
}

impl Circumstances<'_> {
    /// What the labels narrow the search to.
    fn filters(&self) -> Filters {
        let value = |name: &str| self.labels.and_then(|labels| labels.get(name)).cloned();
        Filters {
            department: value(DEPARTMENT_LABEL).into_iter().collect(),
            topic_business: value(BUSINESS_LABEL).into_iter().collect(),
            ..Filters::default()
        }
    }

    /// What the other labels say, as a query.
    fn manner(&self) -> Option<String> {
        let labels = self.labels?.iter();
        let values: Vec<&str> = labels
            .filter(|(name, value)| {
                // Numbers, such as how sure the recogniser is, are no manner.
                ![DEPARTMENT_LABEL, BUSINESS_LABEL].contains(&name.as_str())
                    && value.chars().any(is_han)
            })
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(" "))
    }
}

/// Offers as they come in.
#[derive(Default)]
struct Found {
    found: Offers,
    /// The likeliest offer of each document, by its id.
    answers: BTreeMap<String, Offer>,
    scripts: BTreeMap<String, Offer>,
}

impl Found {
    fn add(&mut self, because: Because, response: SearchResponse) {
        self.found.generation = self.found.generation.max(response.generation);
        let is_whole = response.degraded.is_empty();
        self.found.degraded.extend(response.degraded);
        // What stands before another hit of the same answer is at least as likely: scores see what
        // the probability does not, such as whose question is asked.
        let mut at_least = 0.0_f32;
        let mut likely: Vec<f32> = Vec::with_capacity(response.hits.len());
        for hit in response.hits.iter().rev() {
            at_least = at_least.next_up().max(hit.confidence.unwrap_or(0.0));
            likely.push(at_least);
        }
        for (hit, confidence) in response.hits.into_iter().zip(likely.into_iter().rev()) {
            if because == Because::Labelled && confidence < LIKELY_FOR_LABEL {
                continue;
            }
            let agreement = hit.signals.map_or(1.0, |signals| signals.agreement());
            let is_vouched_for = hit.contributions.reference > 0.0 || hit.is_learned;
            let offer = Offer {
                is_agreed: !is_whole || is_vouched_for || agreement >= ENOUGH_AGREEMENT,
                confidence,
                hit,
                because,
            };
            let place = match offer.hit.kind {
                Some(Kind::Script) => &mut self.scripts,
                _ => &mut self.answers,
            };
            match place.get_mut(&offer.hit.document_id) {
                Some(known) if known.confidence >= offer.confidence => {}
                Some(known) => *known = offer,
                None => {
                    place.insert(offer.hit.document_id.clone(), offer);
                }
            }
        }
    }

    fn sorted(mut self, region: Option<&str>) -> Offers {
        let mut answers: Vec<Offer> = self.answers.into_values().collect();
        for offer in &mut answers {
            if is_for_another(offer.hit.region.as_deref(), region) {
                offer.confidence *= OTHER_REGION;
            }
        }
        let sorted = |mut offers: Vec<Offer>| {
            // Stable: ties stay in the order of their ids.
            offers.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
            offers
        };
        self.found.offers = sorted(answers);
        self.found.scripts = sorted(self.scripts.into_values().collect());
        self.found.degraded.sort_unstable();
        self.found.degraded.dedup();
        self.found
    }
}

/// Whether a document is for regions of the caller's tier (区, 市, …), none of them the caller's. A rule of
/// the city is for its districts too.
fn is_for_another(document: Option<&str>, caller: Option<&str>) -> bool {
    let (Some(document), Some(caller)) = (document, caller.map(str::trim)) else {
        return false;
    };
    let Some(tier) = caller.chars().next_back() else {
        return false;
    };
    let mut regions = document
        .split(|c: char| c.is_whitespace() || "、，,；;".contains(c))
        .filter(|region| !region.is_empty())
        .peekable();
    regions.peek().is_some()
        && regions.all(|region| {
            region.ends_with(tier) && !caller.ends_with(region) && !region.ends_with(caller)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_region_is_one_of_the_same_tier() {
        for (document, caller, expected) in [
            (Some("望江区"), Some("青石区"), true),
            (Some("望江区"), Some("望江区"), false),
            (Some("望江区"), Some("云溪市望江区"), false),
            (Some("云溪市望江区"), Some("望江区"), false),
            (Some("云溪市"), Some("望江区"), false),
            (Some("望江区、青石区"), Some("青石区"), false),
            (Some("青石市"), Some("云溪市"), true),
            (None, Some("青石区"), false),
            (Some("望江区"), None, false),
            (Some("望江区"), Some(" "), false),
        ] {
            assert_eq!(
                is_for_another(document, caller),
                expected,
                "{document:?} {caller:?}"
            );
        }
    }

    #[test]
    fn labels_narrow_or_raise() {
        let labels: BTreeMap<String, String> = [
            ("department", "市人社局"),
            ("emotion", "情绪激动"),
            ("recogniser", "0.93"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let circumstances = Circumstances {
            labels: Some(&labels),
            ..Circumstances::default()
        };
        assert_eq!(circumstances.filters().department, ["市人社局"]);
        assert_eq!(circumstances.manner().as_deref(), Some("情绪激动"));
        assert_eq!(Circumstances::default().manner(), None);
    }
}
