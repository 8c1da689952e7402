//! Searching: one immutable state of a store.
//!
//! The graph answers for the rows it covers, and the rows behind it are compared one by one. When a
//! filter or many removals leave few candidates, the graph would wander past rows that do not count,
//! and comparing every candidate is faster and exact: the plan weighs both.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, OnceLock};

use super::quantised::Query;
use super::{Graph, PassageSet, Rows, VectorError};
use crate::document::PassageNo;

/// Nodes that a walk keeps, besides the limit. Lay questions lie far from every article of law:
/// over 20,000 of them, recall@10 is .934 with 64 nodes kept, .991 with 256.
const MIN_EF: usize = 256;

/// Time that one kept node of a walk costs, in rows scanned: about ten comparisons all over memory,
/// and their queues (1.1 µs against 20 ns over 20,000 rows).
const SCANNED_ROWS_PER_EF: f64 = 55.0;

/// Time that passing over an excluded row costs in a scan, in rows scanned.
const SKIPPED_ROW: f64 = 0.1;

/// How to search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// Whatever is faster.
    #[default]
    Auto,
    /// Compare every candidate: exact.
    Scan,
    /// Walk the graph, if there is one, keeping this many nodes.
    Graph {
        /// At least the limit; more finds more and takes longer.
        ef: usize,
    },
}

/// How a search went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Nothing to look for: no candidate, no limit, or a query without a direction.
    Nothing,
    /// Every candidate was compared.
    Scan,
    /// A walk through the graph, and a scan of the rows behind it.
    Graph,
    /// The walk did not find enough, so every candidate was compared after all.
    ScanAfterGraph,
}

/// What a search did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchStats {
    /// How it went.
    pub path: Path,
    /// Vectors compared with the query.
    pub n_compared: usize,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Passages with their score, the dot product of query and row; best first, ties by ascending
    /// number.
    pub hits: Vec<(PassageNo, f32)>,
    /// How they were found.
    pub stats: SearchStats,
}

/// One immutable state of a store: rows, the graph over the first of them, and what is alive.
///
/// A clone is one more pointer to the same state.
#[derive(Clone, Debug)]
pub struct VectorSnapshot {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    rows: Rows,
    graph: Option<Arc<Graph>>,
    alive: PassageSet,
    n_alive: usize,
    /// Row of each passage, by its number; made when it is first asked for.
    row_of: OnceLock<Vec<u32>>,
}

/// Stands for a passage without a row.
const NO_ROW: u32 = u32::MAX;

impl VectorSnapshot {
    pub(super) fn new(rows: Rows, graph: Option<Arc<Graph>>, alive: PassageSet) -> Self {
        let graph = graph.filter(|graph| graph.n_rows() <= rows.len());
        let n_alive = alive.len();
        Self {
            state: Arc::new(State {
                rows,
                graph,
                alive,
                n_alive,
                row_of: OnceLock::new(),
            }),
        }
    }

    /// Values in a vector.
    pub fn dimension(&self) -> usize {
        self.state.rows.dimension()
    }

    /// Rows stored, those no longer alive included.
    pub fn n_rows(&self) -> usize {
        self.state.rows.len()
    }

    /// Rows that the graph covers; the rest is compared one by one.
    pub fn n_graph_rows(&self) -> usize {
        self.state.graph.as_ref().map_or(0, |graph| graph.n_rows())
    }

    /// The `limit` passages nearest to the query, among those alive and, if given, in `filter`.
    ///
    /// The query is a unit vector; scores are then cosines. A query of zeros finds nothing, and
    /// passages whose vector is zero are never found.
    ///
    /// # Errors
    /// [`VectorError`] if the query has the wrong length or is not finite.
    pub fn search(
        &self,
        query: &[f32],
        limit: usize,
        filter: Option<&PassageSet>,
    ) -> Result<Found, VectorError> {
        self.search_by(Plan::Auto, query, limit, filter)
    }

    /// The score of each of `passages`, in their order, as [`VectorSnapshot::search`] gives it; 0
    /// for a passage without a row.
    ///
    /// # Errors
    /// As [`VectorSnapshot::search`].
    pub fn scores(&self, query: &[f32], passages: &[PassageNo]) -> Result<Vec<f32>, VectorError> {
        let (expected, given) = (self.dimension(), query.len());
        if given != expected {
            return Err(VectorError::Dimension { expected, given });
        }
        let query = Query::new(query)?;
        let row_of = self.state.row_of();
        let score = |passage: &PassageNo| match row_of.get(*passage as usize) {
            None | Some(&NO_ROW) => 0.0,
            Some(&at) => {
                let row = self.state.rows.row(at as usize);
                query.score(row.codes, row.scale)
            }
        };
        Ok(passages.iter().map(score).collect())
    }

    /// [`VectorSnapshot::search`], by a plan of the caller's.
    ///
    /// # Errors
    /// The same.
    pub fn search_by(
        &self,
        plan: Plan,
        query: &[f32],
        limit: usize,
        filter: Option<&PassageSet>,
    ) -> Result<Found, VectorError> {
        let (expected, given) = (self.dimension(), query.len());
        if given != expected {
            return Err(VectorError::Dimension { expected, given });
        }
        let query = Query::new(query)?;
        let state = &*self.state;
        let n_candidates = match filter {
            Some(filter) => state.alive.intersection_len(filter).min(state.rows.len()),
            None => state.n_alive.min(state.rows.len()),
        };
        if query.is_zero() || limit == 0 || n_candidates == 0 {
            let stats = SearchStats {
                path: Path::Nothing,
                n_compared: 0,
            };
            return Ok(Found {
                hits: Vec::new(),
                stats,
            });
        }
        let mut search = Search {
            state,
            query: &query,
            filter,
            best: Best::new(limit),
            n_compared: 0,
        };
        let path = match (plan, &state.graph) {
            (Plan::Graph { ef }, Some(graph)) => search.walk(graph, ef.max(limit), n_candidates),
            (Plan::Auto, Some(graph)) => match state.ef_if_faster(graph, limit, n_candidates) {
                Some(ef) => search.walk(graph, ef, n_candidates),
                None => search.scan(0),
            },
            _ => search.scan(0),
        };
        let stats = SearchStats {
            path,
            n_compared: search.n_compared,
        };
        Ok(Found {
            hits: search.best.into_hits(),
            stats,
        })
    }
}

impl State {
    fn row_of(&self) -> &[u32] {
        self.row_of.get_or_init(|| {
            let mut row_of = Vec::new();
            for (at, row) in (0..).zip(self.rows.iter_from(0).map(|(_, row)| row)) {
                let passage = row.passage as usize;
                if passage >= row_of.len() {
                    row_of.resize(passage + 1, NO_ROW);
                }
                row_of[passage] = at;
            }
            row_of
        })
    }

    /// How many nodes a walk has to keep, if it beats the scan.
    fn ef_if_faster(&self, graph: &Graph, limit: usize, n_candidates: usize) -> Option<usize> {
        let ef = MIN_EF + limit;
        let n_rows = self.rows.len() as f64;
        let share = n_candidates as f64 / n_rows;
        let n_tail = n_rows - graph.n_rows() as f64;
        let walk = ef as f64 * SCANNED_ROWS_PER_EF / share + n_tail;
        let scan = n_candidates as f64 + (n_rows - n_candidates as f64) * SKIPPED_ROW;
        (walk < scan).then_some(ef)
    }
}

/// One query under way.
struct Search<'s> {
    state: &'s State,
    query: &'s Query,
    filter: Option<&'s PassageSet>,
    best: Best,
    n_compared: usize,
}

impl Search<'_> {
    fn is_candidate(&self, passage: PassageNo) -> bool {
        self.state.alive.contains(passage)
            && self.filter.is_none_or(|filter| filter.contains(passage))
    }

    /// Compares every candidate from row `start` on.
    fn scan(&mut self, start: usize) -> Path {
        for (_, row) in self.state.rows.iter_from(start) {
            if row.scale != 0.0 && self.is_candidate(row.passage) {
                self.n_compared += 1;
                self.best
                    .offer(row.passage, self.query.score(row.codes, row.scale));
            }
        }
        Path::Scan
    }

    /// Walks the graph and scans what lies behind it; everything if that found too little.
    fn walk(&mut self, graph: &Graph, ef: usize, n_candidates: usize) -> Path {
        let rows = &self.state.rows;
        let is_candidate = |row: usize| self.is_candidate(rows.row(row).passage);
        let (near, n_compared) = graph.near(rows, self.query, ef, is_candidate);
        self.n_compared += n_compared;
        for row in near {
            let row = rows.row(row);
            self.best
                .offer(row.passage, self.query.score(row.codes, row.scale));
        }
        self.scan(graph.n_rows());
        if self.best.len() >= n_candidates.min(self.best.limit) {
            return Path::Graph;
        }
        self.best = Best::new(self.best.limit);
        self.scan(0);
        Path::ScanAfterGraph
    }
}

/// The best passages so far, at most `limit`.
struct Best {
    limit: usize,
    heap: BinaryHeap<Reverse<Hit>>,
}

/// Ordered by score, then the smaller number first.
#[derive(Clone, Copy, PartialEq)]
struct Hit {
    score: f32,
    passage: PassageNo,
}

impl Eq for Hit {}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then_with(|| other.passage.cmp(&self.passage))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Best {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::new(),
        }
    }

    fn len(&self) -> usize {
        self.heap.len()
    }

    fn offer(&mut self, passage: PassageNo, score: f32) {
        let hit = Hit { score, passage };
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(hit));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit > worst.0
        {
            *worst = Reverse(hit);
        }
    }

    fn into_hits(self) -> Vec<(PassageNo, f32)> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        sorted
            .map(|Reverse(hit)| (hit.passage, hit.score))
            .collect()
    }
}
