//! Putting a pack's queries to a search and keeping what came back.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::measures::Measures;
use super::pack::Pack;

/// What one query got.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedQuery {
    /// The query's id in the pack.
    pub query_id: String,
    /// Document ids with scores, best first.
    pub ranking: Vec<(String, f32)>,
    /// How good the ranking is.
    pub measures: Measures,
}

/// What a pack's judged queries got.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// In the pack's order.
    pub queries: Vec<RankedQuery>,
    /// Mean over the queries.
    pub mean: Measures,
    /// Time of one query, median, in milliseconds.
    pub query_ms_p50: f64,
    /// Time of one query, 99th percentile, in milliseconds.
    pub query_ms_p99: f64,
}

/// Puts every judged query to `search`, one after the other, and measures rankings and times.
///
/// `search` gives document ids with scores, best first, ideally 100 of them; an id that comes
/// again is dropped, so that passages may stand for their documents.
///
/// # Errors
/// The first error of `search`.
pub fn evaluate<E>(
    pack: &Pack,
    mut search: impl FnMut(&str) -> Result<Vec<(String, f32)>, E>,
) -> Result<Evaluation, E> {
    let mut queries = Vec::new();
    let mut times = Vec::new();
    for (query, judged) in pack.judged_queries() {
        let start = Instant::now();
        let mut ranking = search(&query.text)?;
        times.push(start.elapsed());
        let mut seen = std::collections::BTreeSet::new();
        ranking.retain(|(id, _)| seen.insert(id.clone()));
        let ids: Vec<&str> = ranking.iter().map(|(id, _)| id.as_str()).collect();
        let measures = Measures::of(&ids, judged);
        queries.push(RankedQuery {
            query_id: query.id.clone(),
            ranking,
            measures,
        });
    }
    times.sort_unstable();
    let all: Vec<Measures> = queries.iter().map(|query| query.measures).collect();
    Ok(Evaluation {
        mean: Measures::mean(&all),
        query_ms_p50: percentile_ms(&times, 0.50),
        query_ms_p99: percentile_ms(&times, 0.99),
        queries,
    })
}

impl Evaluation {
    /// Writes the rankings as a TREC run: `query Q0 document rank score tag`, ranks from 1.
    ///
    /// # Errors
    /// Whatever `out` reports.
    pub fn write_run(&self, tag: &str, mut out: impl Write) -> io::Result<()> {
        for query in &self.queries {
            for (position, (id, score)) in query.ranking.iter().enumerate() {
                writeln!(
                    out,
                    "{} Q0 {id} {} {score} {tag}",
                    query.query_id,
                    position + 1
                )?;
            }
        }
        out.flush()
    }
}

/// The smallest of the ascending `times` that at least `share` of them do not exceed, in
/// milliseconds (nearest-rank percentile); 0 for none.
pub fn percentile_ms(times: &[Duration], share: f64) -> f64 {
    let rank = (share * times.len() as f64).ceil() as usize;
    times
        .get(rank.saturating_sub(1))
        .map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::path::PathBuf;

    use super::super::pack::PackQuery;
    use super::*;

    fn pack() -> Pack {
        let query = |id: &str| PackQuery {
            id: id.into(),
            text: format!("text of {id}"),
        };
        let judged = |id: &str| BTreeMap::from([(id.to_owned(), 1)]);
        Pack {
            name: "test".into(),
            corpus_path: PathBuf::new(),
            queries: vec![query("q1"), query("q2"), query("unjudged")],
            judgements: BTreeMap::from([("q1".into(), judged("a")), ("q2".into(), judged("b"))]),
        }
    }

    #[test]
    fn means_are_over_judged_queries_and_repeats_are_dropped() {
        let ranking = || {
            Ok::<_, Infallible>(vec![
                ("a".into(), 2.0),
                ("a".into(), 1.5),
                ("b".into(), 1.0),
            ])
        };
        let result = evaluate(&pack(), |_| ranking()).unwrap();
        assert_eq!(result.queries.len(), 2);
        // q1 finds its document first, q2 second.
        assert_eq!(result.mean.hit_at_1, 0.5);
        assert_eq!(result.mean.mrr_at_10, 0.75);

        let mut run = Vec::new();
        result.write_run("zhiku", &mut run).unwrap();
        assert_eq!(
            String::from_utf8(run).unwrap(),
            "q1 Q0 a 1 2 zhiku\nq1 Q0 b 2 1 zhiku\nq2 Q0 a 1 2 zhiku\nq2 Q0 b 2 1 zhiku\n"
        );
    }

    #[test]
    fn the_first_error_ends_the_evaluation() {
        assert_eq!(
            evaluate(&pack(), |text| Err(text.to_owned())),
            Err("text of q1".to_owned())
        );
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let times: Vec<Duration> = (1..=4).map(Duration::from_millis).collect();
        assert_eq!(percentile_ms(&times, 0.50), 2.0);
        assert_eq!(percentile_ms(&times, 0.99), 4.0);
        assert_eq!(percentile_ms(&[], 0.50), 0.0);
    }
}
