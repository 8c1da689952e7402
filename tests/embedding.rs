//! The static model: training, files, and the built-in one.
//!
//! 1. The same inputs, options and seed give the same bytes, on any number of threads; another
//!    seed gives others.
//! 2. Training brings questions nearer to passages that answer them, unseen ones too.
//! 3. A model trained further starts from the rows that it was given.
//! 4. The built-in model finds related sentences nearer than unrelated ones, whatever the script
//!    or width of their characters.
//! 5. A damaged or missing model file is an error that names it.
//! 6. Training inputs: repeated texts and questions kept for evaluation are left out; a bad line
//!    is named.

use std::collections::HashSet;
use std::fs;
use std::io::Write;

use zhiku::embedding::training::input::{Reader, questions};
use zhiku::embedding::training::material::Material;
use zhiku::embedding::training::{Options, train};
use zhiku::embedding::{Embedder, EmbeddingSettings, StaticEmbedder, open};

/// Topics: words of questions, words of passages. No word of one stands in the other.
const TOPICS: [(&[&str], &[&str]); 4] = [
    (
        &["退休", "养老金", "领取"],
        &["社会保险", "待遇", "核定", "缴费年限"],
    ),
    (&["路灯", "不亮", "报修"], &["照明", "设施", "维护", "抢修"]),
    (
        &["孩子", "上学", "报名"],
        &["义务教育", "入学", "学区", "招生"],
    ),
    (
        &["漏水", "楼上", "邻居"],
        &["物业", "维修资金", "渗漏", "防水"],
    ),
];

/// Pairs that mix two words of each side of a topic, `n` for each.
fn material(n: usize) -> Material {
    let mut lines = String::new();
    for i in 0..n {
        for (asked, told) in TOPICS {
            let pick = |words: &[&str], by: usize| words[(i * 7 + by) % words.len()].to_owned();
            let q = format!("{}，{}，第{i}次", pick(asked, 0), pick(asked, i / 5 + 1));
            let p = format!(
                "{}；{}；编号{i}。{}",
                pick(told, 0),
                pick(told, i / 3 + 1),
                pick(told, 2)
            );
            lines += &format!("{{\"kind\":\"faq\",\"q\":\"{q}\",\"p\":\"{p}\"}}\n");
            lines +=
                &format!("{{\"title\":\"{q}\",\"text\":\"{p}，{q}，请到云溪市窗口办理。\"}}\n");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.jsonl");
    fs::write(&path, lines).unwrap();
    let mut reader = Reader::new(HashSet::new());
    reader.read(&path).unwrap();
    reader.finish().0
}

fn options() -> Options {
    Options {
        dimension: 32,
        n_rows: 300,
        epochs: 3,
        batch: 64,
        ..Options::default()
    }
}

fn cosine(model: &StaticEmbedder, a: &str, b: &str) -> f32 {
    let [a, b] = [a, b].map(|text| model.embed_query(text).unwrap());
    a.iter().zip(&b).map(|(x, y)| x * y).sum()
}

fn opened(bytes: &[u8]) -> StaticEmbedder {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.zkm");
    fs::write(&path, bytes).unwrap();
    StaticEmbedder::open(&path).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let material = material(60);
    let on = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .unwrap();
        pool.install(|| train(&material, &options(), None, &mut |_| {}))
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
    let other = train(
        &material,
        &Options {
            seed: 2,
            ..options()
        },
        None,
        &mut |_| {},
    );
    assert_ne!(one, other);
}

#[test]
fn training_brings_questions_to_their_passages() {
    let mut losses = Vec::new();
    let material = material(100);
    let bytes = train(&material, &options(), None, &mut |progress| {
        if progress.done == progress.total {
            losses.push(progress.loss);
        }
    });
    assert!(losses[2] < losses[0], "{losses:?}");
    let model = opened(&bytes);
    for (i, (asked, _)) in TOPICS.iter().enumerate() {
        for (j, (_, told)) in TOPICS.iter().enumerate() {
            let (own, other) = (TOPICS[i].1.concat(), told.concat());
            let question = asked.concat();
            assert!(
                i == j || cosine(&model, &question, &own) > cosine(&model, &question, &other),
                "{question}: {own} is not nearer than {other}"
            );
        }
    }
}

#[test]
fn further_training_starts_where_the_model_was() {
    let material = material(20);
    let first = opened(&train(&material, &options(), None, &mut |_| {}));
    let still = Options {
        epochs: 0,
        n_rows: 5,
        ..options()
    };
    let again = opened(&train(&material, &still, Some(first.model()), &mut |_| {}));
    let text = "退休，养老金";
    assert!(first.embed_query(text).unwrap().iter().any(|&v| v != 0.0));
    for (a, b) in first
        .embed_query(text)
        .unwrap()
        .iter()
        .zip(again.embed_query(text).unwrap())
    {
        assert!((a - b).abs() < 0.02, "{a} {b}");
    }
}

#[test]
fn the_built_in_model_knows_what_belongs_together() {
    let model = StaticEmbedder::built_in().unwrap();
    let sentences = [
        (
            "退休金怎么领",
            "参保人达到法定退休年龄，可以申请领取基本养老金。",
        ),
        (
            "楼上装修太吵了影响休息",
            "在居民住宅区内进行室内装修，应当限制作业时间，减轻噪声污染。",
        ),
        (
            "老板拖欠工资不给",
            "用人单位未按时足额支付劳动报酬的，由劳动行政部门责令限期支付。",
        ),
        (
            "小孩上小学要什么条件",
            "适龄儿童的父母应当依法保证其按时入学接受义务教育。",
        ),
        (
            "路边乱停车堵住消防通道",
            "任何单位、个人不得占用、堵塞消防车通道，妨碍机动车通行。",
        ),
    ];
    for (i, (question, _)) in sentences.iter().enumerate() {
        let cosines: Vec<f32> = sentences
            .iter()
            .map(|(_, passage)| cosine(&model, question, passage))
            .collect();
        let best = (0..cosines.len()).max_by(|&a, &b| cosines[a].total_cmp(&cosines[b]));
        assert_eq!(best, Some(i), "{question}: {cosines:?}");
    }
    assert_eq!(
        model.embed_query("養老保險ＡＢＣ").unwrap(),
        model.embed_query("养老保险abc").unwrap()
    );
}

#[test]
fn vectors_have_length_one_or_are_zeros() {
    let model = open(&EmbeddingSettings::default()).unwrap();
    let long = "关于云溪市老旧小区加装电梯的建议。".repeat(3000);
    let texts = ["", "。。。", "\u{10ffff}\0", "社保", long.as_str()];
    let vectors = model.embed_passages(&texts).unwrap();
    let lengths: Vec<f32> = vectors
        .iter()
        .map(|v| v.iter().map(|x| x * x).sum::<f32>().sqrt())
        .collect();
    for (text, length) in texts.iter().zip(&lengths) {
        assert!(
            *length == 0.0 || (length - 1.0).abs() < 1e-4,
            "{length} for {text:.20}"
        );
    }
    assert_eq!(lengths[..2], [0.0, 0.0]);
    assert!(lengths[3] > 0.9 && lengths[4] > 0.9);
    assert_eq!(
        vectors[3],
        model.embed_query("社保").unwrap(),
        "alone or among others, the same vector"
    );
}

#[test]
fn a_damaged_or_missing_model_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.zkm");
    let settings = EmbeddingSettings {
        model: path.display().to_string(),
        ..EmbeddingSettings::default()
    };
    assert!(
        open(&settings)
            .err()
            .unwrap()
            .to_string()
            .contains("ours.zkm")
    );
    let mut bytes = train(&material(20), &options(), None, &mut |_| {});
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&settings).unwrap().dimension(), 32);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let message = open(&settings).err().unwrap().to_string();
    assert!(
        message.contains("ours.zkm") && message.contains("checksum"),
        "{message}"
    );
}

#[test]
fn inputs_leave_out_repetitions_and_evaluation_questions() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("queries.jsonl");
    fs::write(&kept, "{\"_id\":\"1\",\"text\":\"路灯坏了找谁？\"}\n").unwrap();
    let path = folder.path().join("letters.jsonl.gz");
    let mut file = flate2::write::GzEncoder::new(
        fs::File::create(&path).unwrap(),
        flate2::Compression::fast(),
    );
    writeln!(
        file,
        r#"{{"title":"路灯坏了找谁？","body":"东街的路灯不亮","reply":"已派人维修"}}"#
    )
    .unwrap();
    writeln!(
        file,
        r#"{{"title":"公交线路","body":"建议延长线路，增加班次","reply":"将研究您的建议"}}"#
    )
    .unwrap();
    writeln!(file).unwrap();
    writeln!(
        file,
        r#"{{"title":"又是公交","body":"建议延长线路，增加班次"}}"#
    )
    .unwrap();
    writeln!(file, r#"{{"q":" 路灯坏了找谁？","p":"市政部门"}}"#).unwrap();
    file.finish().unwrap();
    let mut reader = Reader::new(questions(&kept).unwrap().into_iter().collect());
    reader.read(&path).unwrap();
    let (material, n_left_out) = reader.finish();
    assert_eq!(n_left_out, 3);
    let sizes: Vec<_> = material
        .collections
        .iter()
        .map(|c| (c.name.as_str(), c.pairs.len(), c.texts.len()))
        .collect();
    assert_eq!(sizes, [("letters reply", 1, 0), ("letters", 0, 1)]);
}

#[test]
fn a_bad_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    for bad in ["{\"q\":\"只有问题\"}", "{", "[1]"] {
        fs::write(&path, format!("{{\"q\":\"甲\",\"p\":\"乙\"}}\n\n{bad}\n")).unwrap();
        let message = Reader::new(HashSet::new())
            .read(&path)
            .unwrap_err()
            .to_string();
        assert!(message.contains("pairs.jsonl, line 3"), "{message}");
    }
}
