//! What an index costs to build and a query to answer, on a made-up corpus.
//!
//! Corpus: 5,000 one-passage documents of about 200 characters, drawn from a fixed list of phrases
//! with seed 7, so that terms are as unevenly spread as in real text. Query: 25 characters.
//! Measured: `build` 500 documents into an empty index, commit included; the two searches and the
//! fusion for 200 candidates each; `query` as `POST /v1/search` runs it, 10 hits with highlights.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::civil::date;
use zhiku::document::{Audience, ByteSpan, Document, Metadata, Passage};
use zhiku::embedding::{Embedder, StaticEmbedder};
use zhiku::engine::{Ingredients, PassageIndex};
use zhiku::lexical::Amount;
use zhiku::lexical::LexicalQuery;
use zhiku::retrieval::fusion::FusionMethod;
use zhiku::retrieval::{
    Admission, Filters, Group, Mode, RetrievalSettings, Retriever, SearchRequest,
};
use zhiku::text::Analyser;

const QUERY: &str = "外地户口的老人在云溪怎么办理养老金领取资格认证";
const PHRASES: &[&str] = &[
    "参保人应当在规定期限内",
    "提交身份证明和户口簿",
    "到望江区政务服务中心",
    "办理养老金领取手续",
    "符合条件的申请人",
    "可以通过云溪办事网上",
    "申请住房公积金贷款",
    "领取失业保险金",
    "的办理时限为十个工作日",
    "不收取任何费用",
    "由所在街道负责初审",
    "补贴标准为每人每月三百元",
    "外地户籍的子女入学",
    "需要连续缴纳社会保险满一年",
    "老年人每年进行一次资格认证",
    "逾期未办理的",
    "主管部门应当书面说明理由",
    "本办法自公布之日起施行",
    "轮渡票价按区间计算",
    "养犬登记应当每年年审",
    "对处理决定不服的",
    "可以依法申请行政复议",
    "医疗费用按比例报销",
];

/// A linear congruential generator (Knuth's constants): the same corpus on every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % n
    }
}

fn documents(n_documents: usize) -> Vec<Document> {
    let mut draw = Draw(7);
    (0..n_documents)
        .map(|n| {
            let mut text = String::new();
            for _ in 0..18 {
                // The square favours the phrases in front, as language favours its common words.
                let at = draw.below(PHRASES.len()) * draw.below(PHRASES.len()) / PHRASES.len();
                text.push_str(PHRASES[at]);
                text.push_str(["，", "；", "。"][draw.below(3)]);
            }
            text.push_str(&format!("第{n}号。"));
            let passage = Passage {
                span: ByteSpan::new(0, text.len()),
                ..Passage::default()
            };
            Document {
                id: format!("{n:05}"),
                path: "generated.jsonl".to_owned(),
                title: format!("第{n}号办事说明"),
                metadata: Metadata::default(),
                text,
                content_hash: String::new(),
                passages: vec![passage],
            }
        })
        .collect()
}

fn ingredients() -> Ingredients {
    let embedder = StaticEmbedder::built_in().expect("the model is part of the program");
    Ingredients {
        analyser: Analyser::built_in(),
        embedder: Some(Arc::new(embedder)),
    }
}

fn build(documents: &[Document]) -> (tempfile::TempDir, PassageIndex) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let index = PassageIndex::open(folder.path(), ingredients()).expect("an empty index");
    let mut build = index.begin(true, Amount::Much, 1).expect("a build");
    build.put(documents).expect("documents");
    build.commit().expect("a commit");
    (folder, index)
}

fn request() -> SearchRequest {
    SearchRequest {
        query: QUERY.to_owned(),
        limit: 10,
        mode: Mode::Hybrid,
        filters: Filters::default(),
        as_of: Some(date(2026, 11, 20)),
        admission: Admission::InForce,
        sight: Audience::Public.into(),
        group: Group::Document,
        explain: false,
        with_facets: true,
        with_asked: false,
        deadline: None,
    }
}

fn retrieval(criterion: &mut Criterion) {
    let few = documents(500);
    let mut group = criterion.benchmark_group("retrieval");
    group.sample_size(20);
    group.bench_function("build/500", |bencher| {
        bencher.iter_batched(|| (), |()| build(&few), BatchSize::PerIteration);
    });

    let (_folder, index) = build(&documents(5_000));
    let snapshot = index.snapshot();
    let embedder = StaticEmbedder::built_in().expect("the model is part of the program");
    let lexical_query = LexicalQuery::new(&snapshot.analyser, QUERY);
    let vector = embedder.embed_query(QUERY).expect("a vector");
    let vectors = snapshot.vectors.as_ref().expect("vectors");
    group.bench_function("lexical", |bencher| {
        bencher.iter(|| snapshot.words.search(black_box(&lexical_query), 200, None));
    });
    group.bench_function("embed query", |bencher| {
        bencher.iter(|| embedder.embed_query(black_box(QUERY)));
    });
    group.bench_function("vector", |bencher| {
        bencher.iter(|| vectors.search(black_box(&vector), 200, None));
    });

    let lexical = snapshot
        .words
        .search(&lexical_query, 200, None)
        .expect("hits");
    let nearest = vectors.search(&vector, 200, None).expect("hits").hits;
    let fusion = FusionMethod::Weighted {
        lexical_weight: 0.6,
    };
    group.bench_function("fusion", |bencher| {
        bencher.iter(|| fusion.fuse(black_box(&lexical), black_box(&nearest), 400));
    });

    let settings = RetrievalSettings {
        fusion,
        n_candidates: 200,
        by_sound: true,
        time_zone: jiff::tz::TimeZone::UTC,
    };
    let retriever = Retriever::new(Arc::new(index), settings).expect("a retriever");
    group.bench_function("query", |bencher| {
        bencher.iter(|| retriever.search(black_box(&request())));
    });
    group.finish();
}

criterion_group!(benches, retrieval);
criterion_main!(benches);
