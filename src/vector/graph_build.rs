//! Building the graph with hnsw_rs, and leaving the library again.
//!
//! The library is given row numbers instead of vectors, with a distance of ours that looks the codes
//! up: nothing is copied, and no rounding makes a distance negative, which it answers with a
//! panic. One thread inserts in a fixed order, so the same rows give the same graph; with more
//! threads they race, and graphs differ from run to run in which rare neighbour they miss.
//!
//! That order is a shuffled one ([`shuffled`]).

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use hnsw_rs::anndists::dist::distances::Distance;
use hnsw_rs::hnsw::{Hnsw, Point};
use rayon::prelude::*;

use super::dot;
use super::graph::{Graph, GraphError, Layer, Lists};
use super::rows::Rows;

/// Layers that the library allows at most.
const MAX_LAYERS: usize = 16;

/// What is added to the niceness of threads that build: about a tenth of the processor's time where
/// others want all of it.
const GIVEN_WAY: i32 = 10;

/// Nodes inserted between two looks at progress and cancellation.
const BATCH: usize = 1024;

/// How a graph is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildOptions {
    /// M: neighbours per node in the upper layers, twice as many in layer 0. From 2 to 128.
    pub neighbours: usize,
    /// efConstruction: candidates among which a node's neighbours are chosen.
    pub candidates: usize,
    /// Threads that insert. With 1 the graph is a function of the rows.
    pub threads: usize,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            neighbours: 16,
            candidates: 128,
            threads: 1,
        }
    }
}

/// Distance of two rows given by number: 1 − dot, kept inside 0..=2.
struct RowDistance<'r>(&'r Rows);

impl Distance<u32> for RowDistance<'_> {
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        let (a, b) = (self.0.row(a[0] as usize), self.0.row(b[0] as usize));
        let dot = dot::i8_i8(a.codes, b.codes) as f32 * a.scale * b.scale;
        // Not `clamp`: a NaN, from scales that overflow, must become a number too.
        #[allow(clippy::manual_clamp)]
        (1.0 - dot).max(0.0).min(2.0)
    }
}

impl Graph {
    /// Builds a graph over all of `rows`.
    ///
    /// `progress` is told how many of how many nodes are in, from the thread that calls this; when
    /// `cancel` becomes true, the build ends within a batch.
    ///
    /// # Errors
    /// [`GraphError::Cancelled`]; [`GraphError::Build`] if the library panicked.
    pub fn build(
        rows: &Rows,
        options: BuildOptions,
        progress: &dyn Fn(usize, usize),
        cancel: &AtomicBool,
    ) -> Result<Graph, GraphError> {
        let node_rows = distinct_rows(rows);
        let attempt = || connect(rows, &node_rows, options, progress, cancel);
        let connected = catch_unwind(AssertUnwindSafe(attempt));
        let (base, upper, entry) =
            connected.map_err(|panic| GraphError::Build(said(&*panic)))??;
        Ok(Graph {
            n_rows: rows.len(),
            fingerprint: rows.fingerprint(rows.len()),
            node_rows,
            base,
            upper,
            entry,
        })
    }
}

/// The rows of each distinct vector but zero, in order of first appearance.
fn distinct_rows(rows: &Rows) -> Lists {
    let mut node_of: HashMap<&[i8], usize> = HashMap::with_capacity(rows.len());
    let mut rows_of: Vec<Vec<u32>> = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter_from(0) {
        if row.scale == 0.0 {
            continue;
        }
        let node = *node_of.entry(row.codes).or_insert(rows_of.len());
        if node == rows_of.len() {
            rows_of.push(Vec::new());
        }
        rows_of[node].push(at as u32);
    }
    let mut lists = Lists::default();
    for rows in rows_of {
        lists.push(rows);
    }
    lists
}

type Connected = (Lists, Vec<Layer>, u32);

/// Inserts the first row of every node and takes the neighbour lists out.
fn connect(
    rows: &Rows,
    node_rows: &Lists,
    options: BuildOptions,
    progress: &dyn Fn(usize, usize),
    cancel: &AtomicBool,
) -> Result<Connected, GraphError> {
    let n_nodes = node_rows.len();
    if n_nodes == 0 {
        return Ok((Lists::default(), Vec::new(), 0));
    }
    let hnsw = Hnsw::new(
        options.neighbours.clamp(2, 128),
        n_nodes,
        MAX_LAYERS,
        options.candidates.max(options.neighbours),
        RowDistance(rows),
    );
    let order = shuffled(n_nodes);
    let insert = |at: usize| {
        let node = order[at] as usize;
        hnsw.insert((&[node_rows.get(node)[0]], node));
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.max(1))
        .start_handler(|_| give_way())
        .build();
    let pool = pool.map_err(|error| GraphError::Build(error.to_string()))?;
    for start in (0..n_nodes).step_by(BATCH) {
        if cancel.load(Ordering::Relaxed) {
            return Err(GraphError::Cancelled);
        }
        progress(start, n_nodes);
        let batch = start..(start + BATCH).min(n_nodes);
        // The first batch always goes in alone: racing threads would each start a graph of their own.
        pool.install(|| match options.threads <= 1 || start == 0 {
            true => batch.for_each(insert),
            false => batch.into_par_iter().for_each(insert),
        });
    }
    progress(n_nodes, n_nodes);
    Ok(extract(&hnsw, n_nodes))
}

/// Lets every other thread go first: a build takes minutes, and queries wait for nothing.
///
/// On Linux the priority is that of the calling thread alone.
fn give_way() {
    if cfg!(target_os = "linux") {
        // Where this is not allowed, the build competes with the queries.
        let _ = rustix::process::nice(GIVEN_WAY);
    }
}

/// All nodes, in an order that looks random and is always the same.
///
/// Rows come crowd by crowd: one sentence pattern over every matter and district, hundreds of vectors
/// that nearly touch. Inserted in that order, a node of a crowd larger than efConstruction sees
/// nothing but its crowd, and walks find no way in (recall@10 of .963 in `tests/vector_recall.rs`,
/// against .99 and more). Shuffled, every crowd has members that were linked while it was still small.
fn shuffled(n_nodes: usize) -> Vec<u32> {
    // The finaliser of SplitMix64: a bijection, so no two nodes share a key.
    let key = |&node: &u32| {
        let bits = (u64::from(node) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    let mut order: Vec<u32> = (0..n_nodes as u32).collect();
    order.sort_unstable_by_key(key);
    order
}

/// Copies the neighbour lists into arrays, nodes in row order.
fn extract(hnsw: &Hnsw<'_, u32, RowDistance<'_>>, n_nodes: usize) -> Connected {
    let mut levels = vec![0u8; n_nodes];
    let mut neighbours: Vec<Vec<Vec<u32>>> = vec![Vec::new(); n_nodes];
    for point in hnsw.get_point_indexation() {
        let node = point.get_origin_id();
        levels[node] = point.get_point_id().0;
        neighbours[node] = lists_of(&point, levels[node]);
    }
    let top = levels.iter().copied().max().unwrap_or(0);
    let entry = levels.iter().position(|&level| level == top).unwrap_or(0) as u32;

    let mut base = Lists::default();
    for lists in &mut neighbours {
        base.push(std::mem::take(&mut lists[0]));
    }
    let mut upper = Vec::new();
    for level in 1..=top {
        let mut layer = Layer::default();
        for node in (0..n_nodes).filter(|&node| levels[node] >= level) {
            layer.nodes.push(node as u32);
            // The library now and then links to its entry point in a layer above that point's own.
            let in_layer = |&&other: &&u32| levels[other as usize] >= level;
            let list = neighbours[node][usize::from(level)].iter();
            layer.neighbours.push(list.filter(in_layer).copied());
        }
        upper.push(layer);
    }
    (base, upper, entry)
}

/// A point's neighbours in layers 0 to `level`, nearest first.
fn lists_of(point: &Point<'_, u32>, level: u8) -> Vec<Vec<u32>> {
    let layers = point
        .get_neighborhood_id()
        .into_iter()
        .take(usize::from(level) + 1);
    let nodes = |layer: Vec<hnsw_rs::hnsw::Neighbour>| {
        layer
            .into_iter()
            .map(|neighbour| neighbour.d_id as u32)
            .collect()
    };
    layers.map(nodes).collect()
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned())
}
