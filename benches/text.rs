//! Text analysis, in bytes of original text per second, on one thread.
//!
//! - `normalise/simplified`: 1,000 passages of generated simplified text with full-width
//!   punctuation, nothing else to repair;
//! - `normalise/damaged`: the same in traditional script with broken lines and pinyin inserts;
//! - `words`, `plain_words`, `bigrams`: the normal forms of the first set, by visitor;
//! - `references`: the same, all kinds of references looked for.
//!
//! The text is made of everyday administrative words in an order drawn with a fixed seed.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zhiku::text::{Analyser, normalise, references};

const N_PASSAGES: usize = 1_000;
const N_WORDS_PER_PASSAGE: usize = 150;

const WORDS: &[&str] = &[
    "居住证",
    "申请人",
    "应当",
    "向",
    "街道",
    "办事处",
    "提交",
    "材料",
    "的",
    "养老保险",
    "缴费",
    "单位",
    "在",
    "二十个",
    "工作日",
    "内",
    "办理",
    "第三十九条",
    "规定",
    "住房公积金",
    "提取",
    "身份证",
    "原件",
    "和",
    "复印件",
    "不动产",
    "登记",
    "2024年",
    "市民",
    "热线",
    "12345",
    "咨询",
    "，",
    "，",
    "。",
    "；",
    "（一）",
];

const DAMAGED_WORDS: &[&str] = &[
    "居住證(zhèng)",
    "申請人",
    "應當",
    "向",
    "街道",
    "辦事處",
    "提交",
    "材料",
    "的",
    "養老保險",
    "繳費",
    "單(dān)位",
    "在",
    "二十個",
    "工作日",
    "內",
    "辦理",
    "第三十九條",
    "規定",
    "住房公積金",
    "提取",
    "身份證",
    "原件",
    "和",
    "復印件",
    "不動產",
    "登記",
    "２０２４年",
    "市 民",
    "熱線",
    "１２３４５",
    "諮詢",
    "，",
    "，\n",
    "。",
    "；\n\n",
    "（一）",
];

/// Passages of words drawn by a linear congruential generator (Knuth's MMIX constants).
fn passages(words: &[&str]) -> Vec<String> {
    let mut state = 20_241_120_u64;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        words[(state >> 33) as usize % words.len()]
    };
    (0..N_PASSAGES)
        .map(|_| (0..N_WORDS_PER_PASSAGE).map(|_| draw()).collect())
        .collect()
}

fn n_bytes(texts: &[String]) -> Throughput {
    Throughput::Bytes(texts.iter().map(|text| text.len() as u64).sum())
}

fn bench_normalise(c: &mut Criterion) {
    let mut group = c.benchmark_group("normalise");
    for (name, words) in [("simplified", WORDS), ("damaged", DAMAGED_WORDS)] {
        let originals = passages(words);
        group.throughput(n_bytes(&originals));
        group.bench_function(name, |b| {
            b.iter(|| {
                for original in &originals {
                    black_box(normalise(original));
                }
            });
        });
    }
}

fn bench_terms(c: &mut Criterion) {
    let originals = passages(WORDS);
    let normal_forms: Vec<String> = originals
        .iter()
        .map(|original| normalise(original).as_str().to_owned())
        .collect();
    let analyser = Analyser::built_in();
    let mut group = c.benchmark_group("terms");
    group.throughput(n_bytes(&originals));
    group.bench_function("words", |b| {
        b.iter(|| {
            for text in &normal_forms {
                analyser.for_each_word(text, |word, span, _| {
                    black_box((word, span));
                });
            }
        });
    });
    group.bench_function("plain_words", |b| {
        b.iter(|| {
            for text in &normal_forms {
                analyser.for_each_plain_word(text, |word, span| {
                    black_box((word, span));
                });
            }
        });
    });
    group.bench_function("bigrams", |b| {
        b.iter(|| {
            for text in &normal_forms {
                analyser.for_each_bigram(text, |bigram, span, _| {
                    black_box((bigram, span));
                });
            }
        });
    });
    group.bench_function("references", |b| {
        b.iter(|| {
            for text in &normal_forms {
                black_box(references(text));
            }
        });
    });
}

criterion_group!(benches, bench_normalise, bench_terms);
criterion_main!(benches);
