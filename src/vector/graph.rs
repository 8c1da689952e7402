//! The HNSW graph: which rows are near which, and the walk towards a query.
//!
//! hnsw_rs builds the graph ([`super::graph_build`]), but does not keep it. Its own structure takes
//! a reference-counted allocation per edge, borrows its loader, prints, panics on odd floats and
//! filters by giving up candidates. So the neighbour lists are copied into flat arrays: a tenth of the
//! memory, saved and loaded as they are, searched without a lock, and a walk passes through rows
//! that a filter excludes without counting them.
//!
//! A node stands for all rows with the same codes (boilerplate repeats word for word): hundreds of
//! points at distance 0 would otherwise be each other's only neighbours. Zero vectors have no node.
//!
//! Source: Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs", 2018, algorithms 2 and 5.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::path::PathBuf;

use super::dot;
use super::quantised::Query;
use super::rows::Rows;

/// One node of so many is compared before a walk, and the best of those are starting points besides
/// the graph's own: a walk from one point stays in the crowd that it comes to first. Of 2,000 short
/// questions unlike any of 148,451 passages, 16 found none of their ten nearest without this (ef 276;
/// recall@10 .966, .43 ms), and one with it (.986, .53 ms).
const SURVEYED_OF: usize = 64;

/// Starting points besides the graph's own.
const MAX_ENTRIES: usize = 8;

/// Vectors that a survey asks the memory for ahead of comparing them.
const PREFETCHED: usize = 8;

/// Why there is no graph. Searching goes on without one, more slowly.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The caller asked the build to stop.
    #[error("building the vector graph was cancelled")]
    Cancelled,
    /// The library gave up; a bug worth reporting.
    #[error("building the vector graph failed: {0}")]
    Build(String),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Not a graph, damaged, or of another version.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A graph over other rows.
    #[error("{}: belongs to other vectors", path.display())]
    OtherRows {
        /// The file.
        path: PathBuf,
    },
}

/// A graph over the first [`Graph::n_rows`] rows of a store.
#[derive(Debug, PartialEq, Eq)]
pub struct Graph {
    /// Rows covered.
    pub(super) n_rows: usize,
    /// [`Rows::fingerprint`] of those.
    pub(super) fingerprint: [u8; 32],
    /// Node → the rows it stands for, ascending; never empty.
    pub(super) node_rows: Lists,
    /// Node → its neighbours in layer 0.
    pub(super) base: Lists,
    /// The sparser layers, lowest first.
    pub(super) upper: Vec<Layer>,
    /// Where every walk starts: a node of the top layer. Means nothing without nodes.
    pub(super) entry: u32,
}

/// A sparse layer: some nodes and their neighbours there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layer {
    /// Ascending.
    pub(super) nodes: Vec<u32>,
    /// By position in `nodes`.
    pub(super) neighbours: Lists,
}

/// Lists of numbers, one after another in one array.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lists {
    /// Where each list starts, and the end of the last.
    pub(super) starts: Vec<u32>,
    pub(super) items: Vec<u32>,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            starts: vec![0],
            items: Vec::new(),
        }
    }
}

impl Lists {
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn push(&mut self, items: impl IntoIterator<Item = u32>) {
        self.items.extend(items);
        self.starts.push(self.items.len() as u32);
    }

    pub(super) fn get(&self, at: usize) -> &[u32] {
        &self.items[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

impl Layer {
    fn neighbours_of(&self, node: u32) -> &[u32] {
        match self.nodes.binary_search(&node) {
            Ok(at) => self.neighbours.get(at),
            Err(_) => &[],
        }
    }
}

/// A node with its score: ordered by score, then the smaller node first.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reached {
    score: f32,
    node: u32,
}

impl Eq for Reached {}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then_with(|| other.node.cmp(&self.node))
    }
}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Graph {
    /// Rows covered: rows `0..n_rows` of the store it was built from.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Distinct vectors among those rows.
    pub fn n_nodes(&self) -> usize {
        self.base.len()
    }

    /// Memory of the arrays, in bytes.
    pub fn n_bytes(&self) -> usize {
        let lists = |lists: &Lists| 4 * (lists.starts.len() + lists.items.len());
        let layer = |layer: &Layer| 4 * layer.nodes.len() + lists(&layer.neighbours);
        lists(&self.node_rows) + lists(&self.base) + self.upper.iter().map(layer).sum::<usize>()
    }

    /// Rows near the query that `is_candidate` accepts, of the `ef` best nodes that have such rows.
    ///
    /// In no particular order. More `ef` finds more of the true neighbours and takes longer. Returns
    /// the rows and the number of vectors compared.
    pub(super) fn near(
        &self,
        rows: &Rows,
        query: &Query,
        ef: usize,
        is_candidate: impl Fn(usize) -> bool,
    ) -> (Vec<usize>, usize) {
        if self.n_nodes() == 0 || ef == 0 {
            return (Vec::new(), 0);
        }
        let mut walk = Walk {
            graph: self,
            rows,
            query,
            n_compared: 0,
        };
        let mut entries = walk.survey();
        entries.push(walk.descend());
        let has_candidate = |node: u32| {
            let mut rows = self.node_rows.get(node as usize).iter();
            rows.any(|&row| is_candidate(row as usize))
        };
        let nodes = walk.spread(&entries, ef, has_candidate);
        let rows = nodes
            .iter()
            .flat_map(|&node| self.node_rows.get(node as usize));
        let found = rows
            .map(|&row| row as usize)
            .filter(|&row| is_candidate(row))
            .collect();
        (found, walk.n_compared)
    }
}

/// One query on its way through the graph.
struct Walk<'g> {
    graph: &'g Graph,
    rows: &'g Rows,
    query: &'g Query,
    n_compared: usize,
}

impl Walk<'_> {
    fn reach(&mut self, node: u32) -> Reached {
        self.n_compared += 1;
        let row = self.rows.row(self.first_row(node));
        Reached {
            score: self.query.score(row.codes, row.scale),
            node,
        }
    }

    fn first_row(&self, node: u32) -> usize {
        self.graph.node_rows.get(node as usize)[0] as usize
    }

    /// The best few of a sample of all nodes. Rows of one document follow each other, so that every
    /// larger crowd has a node in it.
    fn survey(&mut self) -> Vec<Reached> {
        let graph = self.graph;
        let sample = || (0..graph.n_nodes() as u32).step_by(SURVEYED_OF);
        for node in sample().take(PREFETCHED) {
            self.prefetch(node);
        }
        let mut sampled = Vec::with_capacity(graph.n_nodes().div_ceil(SURVEYED_OF));
        let mut ahead = sample().skip(PREFETCHED);
        for node in sample() {
            if let Some(node) = ahead.next() {
                self.prefetch(node);
            }
            sampled.push(self.reach(node));
        }
        if sampled.len() > MAX_ENTRIES {
            sampled.select_nth_unstable_by(MAX_ENTRIES, |a, b| b.cmp(a));
            sampled.truncate(MAX_ENTRIES);
        }
        sampled
    }

    fn prefetch(&self, node: u32) {
        dot::prefetch(self.rows.row(self.first_row(node)).codes);
    }

    /// Goes to the best neighbour until none is better, layer by layer, down to layer 1.
    fn descend(&mut self) -> Reached {
        let mut best = self.reach(self.graph.entry);
        for layer in self.graph.upper.iter().rev() {
            loop {
                let here = best;
                for &neighbour in layer.neighbours_of(here.node) {
                    best = best.max(self.reach(neighbour));
                }
                if best == here {
                    break;
                }
            }
        }
        best
    }

    /// Spreads over layer 0, best first, until `ef` wanted nodes are better than all that is left.
    fn spread(&mut self, entries: &[Reached], ef: usize, wanted: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut seen = vec![0u64; self.graph.n_nodes().div_ceil(64)];
        let mut is_new = |node: u32| {
            let (word, bit) = (node as usize / 64, 1 << (node % 64));
            let is_new = seen[word] & bit == 0;
            seen[word] |= bit;
            is_new
        };
        let mut open = BinaryHeap::new();
        let mut kept = BinaryHeap::with_capacity(ef + 1);
        for &entry in entries.iter().filter(|entry| is_new(entry.node)) {
            open.push(entry);
            if wanted(entry.node) {
                kept.push(Reverse(entry));
            }
        }
        while kept.len() > ef {
            kept.pop();
        }
        let mut fresh = Vec::new();
        while let Some(here) = open.pop() {
            let is_full = kept.len() >= ef;
            if is_full && kept.peek().is_some_and(|Reverse(worst)| here < *worst) {
                break;
            }
            let neighbours = self.graph.base.get(here.node as usize);
            fresh.clear();
            fresh.extend(neighbours.iter().copied().filter(|&node| is_new(node)));
            for &node in &fresh {
                self.prefetch(node);
            }
            for &node in &fresh {
                let reached = self.reach(node);
                let is_full = kept.len() >= ef;
                if is_full && kept.peek().is_some_and(|Reverse(worst)| reached < *worst) {
                    continue;
                }
                open.push(reached);
                if wanted(node) {
                    kept.push(Reverse(reached));
                    if kept.len() > ef {
                        kept.pop();
                    }
                }
            }
        }
        kept.into_iter()
            .map(|Reverse(reached)| reached.node)
            .collect()
    }
}
