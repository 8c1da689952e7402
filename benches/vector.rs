//! Vector search per query: graph and scan, without and with a filter; building a small graph.
//!
//! Made-up vectors: 50,000 unit vectors of 256 dimensions around 2,000 centres, seed 7, stored as
//! bytes. Trust the ratios between ways, not the times: real passages lie closer together.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tempfile::TempDir;
use zhiku::vector::{BuildOptions, Graph, PassageSet, Plan, VectorStore, quantise};

const DIMENSION: usize = 256;
const N_ROWS: u32 = 50_000;
const N_CENTRES: usize = 2_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn number(&mut self) -> f32 {
        let uniform = |bits: u64| (bits >> 40) as f32 / (1 << 24) as f32 - 0.5;
        (0..4).map(|_| uniform(self.bits())).sum()
    }
}

fn near(centre: &[f32], random: &mut Random) -> Vec<f32> {
    let values: Vec<f32> = centre
        .iter()
        .map(|value| value + 0.6 * random.number())
        .collect();
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.into_iter().map(|value| value / length).collect()
}

fn vectors(n: u32, random: &mut Random) -> Vec<Vec<f32>> {
    let centres: Vec<Vec<f32>> = (0..N_CENTRES)
        .map(|_| (0..DIMENSION).map(|_| random.number()).collect())
        .collect();
    (0..n)
        .map(|_| near(&centres[random.bits() as usize % N_CENTRES], random))
        .collect()
}

fn store(folder: &TempDir, vectors: &[Vec<f32>]) -> VectorStore {
    let mut store = VectorStore::create(folder.path(), DIMENSION, "bench").unwrap();
    let rows: Vec<_> = (0..)
        .zip(vectors)
        .map(|(at, v)| (at, quantise(v).unwrap()))
        .collect();
    store.append(&rows).unwrap();
    store
}

fn graph(store: &VectorStore) -> Graph {
    let go_on = AtomicBool::new(false);
    Graph::build(store.rows(), BuildOptions::default(), &|_, _| (), &go_on).unwrap()
}

fn search(criterion: &mut Criterion) {
    let mut vectors = vectors(N_ROWS + 100, &mut Random(7));
    let queries = vectors.split_off(N_ROWS as usize);
    let folder = TempDir::new().unwrap();
    let mut store = store(&folder, &vectors);
    store.set_graph(Some(Arc::new(graph(&store))));
    let snapshot = store.snapshot((0..N_ROWS).collect());

    let mut group = criterion.benchmark_group("vector_search");
    let mut queries = queries.iter().cycle();
    for (name, plan) in [("graph", Plan::Graph { ef: 64 }), ("scan", Plan::Scan)] {
        for every in [1, 2, 10] {
            let filter: PassageSet = (0..N_ROWS).filter(|number| number % every == 0).collect();
            let filter = (every > 1).then_some(&filter);
            group.bench_function(BenchmarkId::new(name, format!("1_in_{every}")), |bencher| {
                bencher.iter(|| {
                    let query = queries.next().map_or(&[][..], Vec::as_slice);
                    black_box(snapshot.search_by(plan, query, 10, filter))
                });
            });
        }
    }
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, &vectors(2_000, &mut Random(7)));
    let mut group = criterion.benchmark_group("vector_graph");
    group.sample_size(10);
    group.bench_function("build_2000", |bencher| bencher.iter(|| graph(&store)));
    group.finish();
}

criterion_group!(benches, search, build);
criterion_main!(benches);
