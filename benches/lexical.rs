//! The word index alone: building it, searching it, filtering.
//!
//! Measured on a made-up corpus of 20,000 passages of about 120 characters, drawn from a fixed seed
//! with a skewed choice of words, so that a few terms stand in most passages as they do in laws.
//! Real figures for 148,166 articles of law come from `zhiku eval`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::Date;
use zhiku::document::{Audience, ByteSpan, Document, Metadata, Passage};
use zhiku::lexical::{Admission, Filters, LexicalIndex, LexicalQuery, LexicalSnapshot};
use zhiku::text::Analyser;

const N_PASSAGES: u32 = 20_000;

/// Words of government texts, the most frequent first.
const WORDS: &[&str] = &[
    "应当",
    "规定",
    "办理",
    "申请",
    "材料",
    "单位",
    "个人",
    "部门",
    "登记",
    "管理",
    "社会保险",
    "养老",
    "医疗",
    "住房",
    "公积金",
    "提取",
    "户口",
    "迁移",
    "居住证",
    "车辆",
    "停车",
    "收费",
    "标准",
    "罚款",
    "合同",
    "劳动",
    "工资",
    "仲裁",
    "学校",
    "入学",
    "残疾人",
    "补贴",
    "低保",
    "生育",
    "津贴",
    "垃圾",
    "分类",
    "噪声",
    "投诉",
    "物业",
    "电梯",
    "维修",
    "消防",
    "许可证",
    "税务",
    "发票",
    "企业",
    "注册",
    "注销",
    "食品",
];

/// A small generator with a fixed seed (xorshift), so that every run measures the same corpus.
struct Draw(u64);

impl Draw {
    /// Skewed towards 0, below `n`.
    fn skewed(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let unit = (self.0 >> 11) as f64 / (1u64 << 53) as f64;
        (unit * unit * n as f64) as usize
    }

    fn text(&mut self, n_words: usize) -> String {
        (0..n_words)
            .map(|_| WORDS[self.skewed(WORDS.len())])
            .collect()
    }
}

fn documents() -> Vec<Document> {
    let mut draw = Draw(20_261_120);
    let document = |no: u32| {
        let text = draw.text(50);
        let span = ByteSpan::new(0, text.len());
        Document {
            id: format!("d{no:05}"),
            path: "corpus.jsonl".into(),
            title: draw.text(3),
            metadata: Metadata {
                department: Some(format!("部门{}", no % 10)),
                ..Metadata::default()
            },
            text,
            content_hash: String::new(),
            passages: vec![Passage {
                span,
                ..Passage::default()
            }],
        }
    };
    (0..N_PASSAGES).map(document).collect()
}

fn build(documents: &[Document]) -> (tempfile::TempDir, LexicalSnapshot) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut index = LexicalIndex::open_or_create(folder.path(), &Analyser::built_in())
        .expect("a new index opens");
    for (no, document) in (0..).zip(documents) {
        index.add(document, no).expect("documents can be added");
    }
    let snapshot = index.commit("").expect("the index can be committed");
    (folder, snapshot)
}

fn lexical(c: &mut Criterion) {
    let documents = documents();
    let mut building = c.benchmark_group("lexical build");
    building.sample_size(10);
    building.bench_function("1,000 passages", |b| b.iter(|| build(&documents[..1_000])));
    building.finish();

    let (_folder, snapshot) = build(&documents);
    let analyser = Analyser::built_in();
    let question = "公积金提取需要哪些材料，个人怎么申请办理";
    let letter = Draw(7).text(900);
    c.bench_function("lexical read a question", |b| {
        b.iter(|| LexicalQuery::new(&analyser, black_box(question)))
    });
    c.bench_function("lexical read a letter of 2,000 characters", |b| {
        b.iter(|| LexicalQuery::new(&analyser, black_box(&letter)));
    });

    let day = Date::constant(2026, 11, 20);
    let one_department = Filters {
        department: vec!["部门3".into()],
        ..Filters::default()
    };
    let allowed = snapshot
        .filter(
            &one_department,
            day,
            &Audience::Public.into(),
            Admission::InForce,
        )
        .expect("the index can be read")
        .expect("one department in ten is not everything");
    for (name, text) in [("question", question), ("letter", letter.as_str())] {
        let query = LexicalQuery::new(&analyser, text);
        c.bench_function(&format!("lexical search, {name}, top 100"), |b| {
            b.iter(|| snapshot.search(&query, 100, None));
        });
        c.bench_function(
            &format!("lexical search, {name}, top 100 of a tenth"),
            |b| {
                b.iter(|| snapshot.search(&query, 100, Some(&allowed)));
            },
        );
    }
    c.bench_function("lexical fetch 10 passages", |b| {
        b.iter(|| {
            (0..10)
                .map(|no| snapshot.passage(no * 1_999))
                .collect::<Vec<_>>()
        });
    });
}

criterion_group!(benches, lexical);
criterion_main!(benches);
