//! The vector index, from outside.
//!
//! 1. The graph finds ≥ 99% of the true ten nearest, on clustered vectors.
//! 2. Every plan returns the same scores in the same order, ties by ascending number.
//! 3. A filter, wide or narrow, lets only its members through and loses none of the nearest.
//! 4. What is not alive is never found, by any plan.
//! 5. A row is found as soon as it is appended, with or without a graph.
//! 6. A snapshot keeps its state while the store goes on.
//! 7. Saved and loaded again, store and graph give the same answers.
//! 8. What was not committed is cut off; less than was committed is an error.
//! 9. A damaged byte anywhere in a file is an error, and never a panic.
//! 10. Vectors that are no vectors are refused; zero vectors are stored and never found.
//! 11. Rows with the same codes are all found.
//! 12. A build can be cancelled, and one thread builds the same graph twice.
//! 13. A compacted store holds the living rows only, and the old one is untouched.
//! 14. A graph over no, one, two or three rows works like any other.

use std::fs;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;
use zhiku::vector::{
    BuildOptions, Found, Graph, GraphError, PassageSet, Path, Plan, Quantised, StoreError,
    VectorError, VectorSnapshot, VectorStore, quantise,
};

const DIMENSION: usize = 32;
const MODEL: &str = "test-model";
const WALK: Plan = Plan::Graph { ef: 96 };

/// Unit vectors around a few hundred centres, as embedded passages lie.
struct Cloud {
    random: Random,
    centres: Vec<Vec<f32>>,
}

/// Seeded numbers (SplitMix64), so that every run sees the same vectors.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn index(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Roughly normal: the sum of six uniform numbers around 0.
    fn number(&mut self) -> f32 {
        (0..6)
            .map(|_| (self.bits() >> 40) as f32 / (1 << 24) as f32 - 0.5)
            .sum()
    }
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.into_iter().map(|value| value / length).collect()
}

impl Cloud {
    fn new(n_centres: usize) -> Self {
        let mut random = Random(12345);
        let mut centre = || (0..DIMENSION).map(|_| random.number()).collect();
        let centres = (0..n_centres).map(|_| unit(centre())).collect();
        Self { random, centres }
    }

    fn vector(&mut self) -> Vec<f32> {
        let centre = self.random.index(self.centres.len());
        let spread = 0.15;
        let values = self.centres[centre].iter();
        let random = &mut self.random;
        unit(
            values
                .map(|value| value + spread * random.number())
                .collect(),
        )
    }

    fn rows(&mut self, numbers: std::ops::Range<u32>) -> Vec<(u32, Quantised)> {
        numbers
            .map(|number| (number, quantise(&self.vector()).unwrap()))
            .collect()
    }
}

fn store(folder: &TempDir) -> VectorStore {
    VectorStore::create(folder.path(), DIMENSION, MODEL).unwrap()
}

fn graph(store: &VectorStore) -> Graph {
    let options = BuildOptions {
        candidates: 64,
        ..BuildOptions::default()
    };
    Graph::build(store.rows(), options, &|_, _| (), &AtomicBool::new(false)).unwrap()
}

/// A store of 3,000 rows with a graph over them.
fn indexed(cloud: &mut Cloud) -> (TempDir, VectorStore) {
    let folder = TempDir::new().unwrap();
    let mut store = store(&folder);
    store.append(&cloud.rows(0..3000)).unwrap();
    let graph = graph(&store);
    store.set_graph(Some(Arc::new(graph)));
    (folder, store)
}

fn numbers(found: &Found) -> Vec<u32> {
    found.hits.iter().map(|hit| hit.0).collect()
}

/// The share of the exact hits that a walk finds too.
fn recall(
    snapshot: &VectorSnapshot,
    queries: &[Vec<f32>],
    plan: Plan,
    filter: Option<&PassageSet>,
) -> f64 {
    let (mut n_found, mut n_exact) = (0, 0);
    for query in queries {
        let exact = numbers(&snapshot.search_by(Plan::Scan, query, 10, filter).unwrap());
        let found = numbers(&snapshot.search_by(plan, query, 10, filter).unwrap());
        n_exact += exact.len();
        n_found += exact.iter().filter(|number| found.contains(number)).count();
    }
    n_found as f64 / n_exact as f64
}

#[test]
fn the_graph_finds_nearly_all_of_the_nearest() {
    let mut cloud = Cloud::new(200);
    let (_folder, store) = indexed(&mut cloud);
    let snapshot = store.snapshot((0..3000).collect());
    let queries: Vec<_> = (0..100).map(|_| cloud.vector()).collect();

    let found = snapshot.search_by(WALK, &queries[0], 10, None).unwrap();
    assert_eq!(found.stats.path, Path::Graph);
    assert!(
        found.stats.n_compared < 3000,
        "a walk that compares everything is a scan"
    );
    let recall = recall(&snapshot, &queries, WALK, None);
    assert!(recall >= 0.99, "recall@10 is {recall}");
}

#[test]
fn plans_agree_on_scores_and_order() {
    let mut cloud = Cloud::new(3);
    let folder = TempDir::new().unwrap();
    let mut store = store(&folder);
    let twin = quantise(&cloud.vector()).unwrap();
    let rows: Vec<_> = (0..40).rev().map(|number| (number, twin.clone())).collect();
    store.append(&rows).unwrap();
    store.append(&cloud.rows(40..60)).unwrap();
    store.set_graph(Some(Arc::new(graph(&store))));
    let snapshot = store.snapshot((0..60).collect());

    let query = cloud.vector();
    let scanned = snapshot.search_by(Plan::Scan, &query, 60, None).unwrap();
    assert_eq!(scanned.hits.len(), 60);
    for pair in scanned.hits.windows(2) {
        let ((first, best), (second, next)) = (pair[0], pair[1]);
        assert!(best > next || (best == next && first < second), "{pair:?}");
    }
    assert_eq!(
        snapshot.search_by(WALK, &query, 60, None).unwrap().hits,
        scanned.hits
    );
    assert_eq!(
        snapshot.search(&query, 60, None).unwrap().hits,
        scanned.hits
    );
    let few = snapshot.search_by(WALK, &query, 7, None).unwrap();
    assert_eq!(few.hits, scanned.hits[..7]);
}

#[test]
fn filters_let_only_their_members_through() {
    let mut cloud = Cloud::new(200);
    let (_folder, store) = indexed(&mut cloud);
    let snapshot = store.snapshot((0..3000).collect());
    let queries: Vec<_> = (0..20).map(|_| cloud.vector()).collect();
    for every in [2, 10, 300] {
        let filter: PassageSet = (0..3000).filter(|number| number % every == 1).collect();
        for plan in [Plan::Auto, Plan::Scan, WALK] {
            for query in &queries {
                let found = snapshot.search_by(plan, query, 10, Some(&filter)).unwrap();
                assert_eq!(
                    found.hits.len(),
                    10.min(filter.len()),
                    "1 in {every}, {plan:?}"
                );
                assert!(
                    numbers(&found)
                        .iter()
                        .all(|&number| filter.contains(number))
                );
            }
            let recall = recall(&snapshot, &queries, plan, Some(&filter));
            assert!(
                recall >= 0.99,
                "1 in {every}, {plan:?}: recall@10 is {recall}"
            );
        }
    }
    let nobody = snapshot
        .search(&queries[0], 10, Some(&PassageSet::new()))
        .unwrap();
    assert_eq!((nobody.hits.len(), nobody.stats.path), (0, Path::Nothing));
}

#[test]
fn the_dead_are_never_found() {
    let mut cloud = Cloud::new(200);
    let (_folder, store) = indexed(&mut cloud);
    let alive: PassageSet = (0..3000).filter(|number| number % 3 != 0).collect();
    let snapshot = store.snapshot(alive.clone());
    let everyone: PassageSet = (0..3000).collect();
    for plan in [Plan::Auto, Plan::Scan, WALK] {
        for filter in [None, Some(&everyone)] {
            let found = snapshot
                .search_by(plan, &cloud.vector(), 1000, filter)
                .unwrap();
            assert_eq!(found.hits.len(), 1000, "{plan:?}");
            assert!(
                numbers(&found).iter().all(|&number| alive.contains(number)),
                "{plan:?}"
            );
        }
    }
    let nobody = store
        .snapshot(PassageSet::new())
        .search(&cloud.vector(), 10, None)
        .unwrap();
    assert!(nobody.hits.is_empty());
}

#[test]
fn a_new_row_is_found_at_once() {
    let mut cloud = Cloud::new(200);
    let (_folder, mut store) = indexed(&mut cloud);
    let vector = cloud.vector();
    store.append(&[(9000, quantise(&vector).unwrap())]).unwrap();
    let snapshot = store.snapshot((0..=9000).collect());
    for plan in [Plan::Auto, Plan::Scan, WALK] {
        let found = snapshot.search_by(plan, &vector, 1, None).unwrap();
        assert_eq!(numbers(&found), [9000], "{plan:?}");
    }
    store.set_graph(None);
    let found = store
        .snapshot((0..=9000).collect())
        .search(&vector, 1, None)
        .unwrap();
    assert_eq!(
        (numbers(&found), found.stats.path),
        (vec![9000], Path::Scan)
    );
}

#[test]
fn a_snapshot_keeps_its_state() {
    let mut cloud = Cloud::new(5);
    let folder = TempDir::new().unwrap();
    let mut store = store(&folder);
    store.append(&cloud.rows(0..10)).unwrap();
    let before = store.snapshot((0..20).collect());
    assert_eq!(store.append(&cloud.rows(10..20)).unwrap(), 20);
    let query = cloud.vector();
    assert_eq!(before.search(&query, 100, None).unwrap().hits.len(), 10);
    let after = store.snapshot((0..20).collect());
    assert_eq!(after.search(&query, 100, None).unwrap().hits.len(), 20);
}

#[test]
fn a_restart_gives_the_same_answers() {
    let mut cloud = Cloud::new(200);
    let (folder, store) = indexed(&mut cloud);
    let path = folder.path().join("graph.bin");
    store.graph().unwrap().save(&path).unwrap();

    let mut again = VectorStore::open(folder.path(), DIMENSION, MODEL, 3000).unwrap();
    let loaded = Graph::load(&path, again.rows()).unwrap();
    assert!(loaded == **store.graph().unwrap());
    again.set_graph(Some(Arc::new(loaded)));
    let (before, after) = (
        store.snapshot((0..3000).collect()),
        again.snapshot((0..3000).collect()),
    );
    for _ in 0..20 {
        let query = cloud.vector();
        let expected = before.search_by(WALK, &query, 10, None).unwrap();
        assert_eq!(after.search_by(WALK, &query, 10, None).unwrap(), expected);
    }

    again.append(&cloud.rows(3000..3001)).unwrap();
    assert_eq!(Graph::load(&path, again.rows()).unwrap().n_rows(), 3000);
    let fewer = VectorStore::open(folder.path(), DIMENSION, MODEL, 2999).unwrap();
    let refused = Graph::load(&path, fewer.rows());
    assert!(
        matches!(refused, Err(GraphError::OtherRows { .. })),
        "{refused:?}"
    );
}

#[test]
fn only_committed_rows_count() {
    let mut cloud = Cloud::new(5);
    let folder = TempDir::new().unwrap();
    let rows = cloud.rows(0..10);
    store(&folder).append(&rows).unwrap();
    let file = folder.path().join("rows.bin");
    let mut torn = fs::read(&file).unwrap();
    torn.truncate(torn.len() - 3);
    fs::write(&file, &torn).unwrap();

    let mut kept = VectorStore::open(folder.path(), DIMENSION, MODEL, 7).unwrap();
    assert_eq!(kept.n_rows(), 7);
    assert_eq!(kept.append(&rows[7..]).unwrap(), 10);
    let again = VectorStore::open(folder.path(), DIMENSION, MODEL, 10).unwrap();
    assert_eq!(again.rows().row(9).codes, &*rows[9].1.codes);

    let short = VectorStore::open(folder.path(), DIMENSION, MODEL, 11).unwrap_err();
    assert!(
        matches!(
            short,
            StoreError::Short {
                found: 10,
                committed: 11,
                ..
            }
        ),
        "{short}"
    );
    let other = VectorStore::open(folder.path(), DIMENSION, "another", 10).unwrap_err();
    assert!(matches!(other, StoreError::OtherModel { .. }), "{other}");
    let longer = VectorStore::open(folder.path(), DIMENSION + 1, MODEL, 10).unwrap_err();
    assert!(matches!(longer, StoreError::OtherModel { .. }), "{longer}");
    let missing = VectorStore::open(&folder.path().join("none"), DIMENSION, MODEL, 1).unwrap_err();
    assert!(matches!(missing, StoreError::Io { .. }), "{missing}");
    assert_eq!(
        VectorStore::open(folder.path(), DIMENSION, MODEL, 0)
            .unwrap()
            .n_rows(),
        0
    );
}

/// Runs `check` on the file with each of many bytes flipped, and on its beginnings.
fn damage(file: &FilePath, mut check: impl FnMut(String)) {
    let whole = fs::read(file).unwrap();
    for at in (0..whole.len()).step_by(1 + whole.len() / 400) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        fs::write(file, &bytes).unwrap();
        check(format!("byte {at} flipped"));
        fs::write(file, &whole[..at]).unwrap();
        check(format!("cut at byte {at}"));
    }
}

#[test]
fn damage_is_an_error() {
    let mut cloud = Cloud::new(5);
    let folder = TempDir::new().unwrap();
    let mut store = store(&folder);
    store.append(&cloud.rows(0..50)).unwrap();
    let path = folder.path().join("graph.bin");
    graph(&store).save(&path).unwrap();
    damage(&path, |how| {
        assert!(Graph::load(&path, store.rows()).is_err(), "{how}");
    });
    damage(&folder.path().join("rows.bin"), |how| {
        assert!(
            VectorStore::open(folder.path(), DIMENSION, MODEL, 50).is_err(),
            "{how}"
        );
    });
}

#[test]
fn vectors_that_are_no_vectors_are_refused() {
    let mut cloud = Cloud::new(5);
    let folder = TempDir::new().unwrap();
    let mut store = store(&folder);
    store.append(&cloud.rows(0..5)).unwrap();

    let short = store.append(&[(5, quantise(&[1.0]).unwrap())]).unwrap_err();
    let expected = VectorError::Dimension {
        expected: DIMENSION,
        given: 1,
    };
    assert!(matches!(short, StoreError::Vector { passage: 5, source } if source == expected));
    let mut endless = cloud.rows(5..6);
    endless[0].1.scale = f32::INFINITY;
    assert!(matches!(
        store.append(&endless),
        Err(StoreError::Vector { passage: 5, .. })
    ));
    let twice = store.append(&cloud.rows(4..6)).unwrap_err();
    assert!(matches!(twice, StoreError::Duplicate { passage: 4 }));
    let within = [cloud.rows(6..7), cloud.rows(6..7)].concat();
    assert!(matches!(
        store.append(&within),
        Err(StoreError::Duplicate { passage: 6 })
    ));
    assert_eq!(store.n_rows(), 5, "a refused batch adds nothing");

    store
        .append(&[(5, quantise(&[0.0; DIMENSION]).unwrap())])
        .unwrap();
    store.set_graph(Some(Arc::new(graph(&store))));
    let snapshot = store.snapshot((0..6).collect());
    let mut query = cloud.vector();
    for plan in [Plan::Auto, Plan::Scan, WALK] {
        let found = snapshot.search_by(plan, &query, 10, None).unwrap();
        assert_eq!(found.hits.len(), 5);
        assert!(
            !numbers(&found).contains(&5),
            "{plan:?} found a zero vector"
        );
    }
    assert!(
        snapshot
            .search(&[0.0; DIMENSION], 10, None)
            .unwrap()
            .hits
            .is_empty()
    );
    assert!(snapshot.search(&query, 0, None).unwrap().hits.is_empty());
    assert!(matches!(
        snapshot.search(&[], 10, None),
        Err(VectorError::Dimension { .. })
    ));
    query[3] = f32::NAN;
    let refused = snapshot.search(&query, 10, None).unwrap_err();
    assert_eq!(refused, VectorError::NotFinite { position: 3 });
}

#[test]
fn a_graph_of_hardly_anything_works() {
    let mut cloud = Cloud::new(5);
    for n_rows in [0, 1, 2, 3] {
        let folder = TempDir::new().unwrap();
        let mut store = store(&folder);
        store.append(&cloud.rows(0..n_rows)).unwrap();
        let path = folder.path().join("graph.bin");
        graph(&store).save(&path).unwrap();
        store.set_graph(Some(Arc::new(Graph::load(&path, store.rows()).unwrap())));
        let snapshot = store.snapshot((0..n_rows).collect());
        let found = snapshot.search_by(WALK, &cloud.vector(), 10, None).unwrap();
        assert_eq!(found.hits.len(), n_rows as usize);
    }
}

#[test]
fn all_rows_with_the_same_codes_are_found() {
    let mut cloud = Cloud::new(50);
    let folder = TempDir::new().unwrap();
    let mut store = store(&folder);
    store.append(&cloud.rows(0..400)).unwrap();
    let boilerplate = cloud.vector();
    let twin = quantise(&boilerplate).unwrap();
    let rows: Vec<_> = (400..700).map(|number| (number, twin.clone())).collect();
    store.append(&rows).unwrap();
    store.append(&cloud.rows(700..1000)).unwrap();
    store.set_graph(Some(Arc::new(graph(&store))));

    let snapshot = store.snapshot((0..1000).collect());
    let found = snapshot.search_by(WALK, &boilerplate, 300, None).unwrap();
    assert_eq!(numbers(&found), (400..700).collect::<Vec<_>>());
    let last: PassageSet = [699].into_iter().collect();
    let found = snapshot
        .search_by(WALK, &boilerplate, 5, Some(&last))
        .unwrap();
    assert_eq!(numbers(&found), [699]);
    let nearby = recall(&snapshot, &[cloud.vector(), cloud.vector()], WALK, None);
    assert_eq!(nearby, 1.0);
}

#[test]
fn a_build_is_repeatable_and_can_be_cancelled() {
    let mut cloud = Cloud::new(50);
    let folder = TempDir::new().unwrap();
    let mut store = store(&folder);
    store.append(&cloud.rows(0..300)).unwrap();
    assert!(graph(&store) == graph(&store));

    let cancel = AtomicBool::new(true);
    let stopped = Graph::build(store.rows(), BuildOptions::default(), &|_, _| (), &cancel);
    assert!(matches!(stopped, Err(GraphError::Cancelled)));

    let steps = std::cell::RefCell::new(Vec::new());
    let progress = |done, all| steps.borrow_mut().push((done, all));
    let go = AtomicBool::new(false);
    Graph::build(store.rows(), BuildOptions::default(), &progress, &go).unwrap();
    assert_eq!(steps.into_inner(), [(0, 300), (300, 300)]);
}

#[test]
fn compaction_leaves_the_living() {
    let mut cloud = Cloud::new(5);
    let (old, new) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut store = store(&old);
    store.append(&cloud.rows(0..30)).unwrap();
    let alive: PassageSet = (0..30).filter(|number| number % 2 == 0).collect();
    let query = cloud.vector();
    let expected = store
        .snapshot(alive.clone())
        .search(&query, 30, None)
        .unwrap()
        .hits;

    let folder = new.path().join("next");
    assert_eq!(
        store
            .freeze()
            .compact_into(&folder, &alive)
            .unwrap()
            .n_rows(),
        15
    );
    let compacted = VectorStore::open(&folder, DIMENSION, MODEL, 15).unwrap();
    assert_eq!(compacted.passages(), &alive);
    let found = compacted
        .snapshot((0..30).collect())
        .search(&query, 30, None)
        .unwrap();
    assert_eq!(found.hits, expected);
    assert_eq!(
        VectorStore::open(old.path(), DIMENSION, MODEL, 30)
            .unwrap()
            .n_rows(),
        30
    );
}
