//! The graph over vectors of the built-in model, walked as a query walks it.
//!
//! Government text comes in crowds: one sentence pattern over dozens of matters and districts gives
//! hundreds of vectors that nearly touch, and a citizen's question lies far from all of them. Made-up
//! clusters (`vector_index.rs`) have neither.
//!
//! 1. recall@10 against the exact scan is ≥ .99 over the questions, and no question loses half.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;
use zhiku::embedding::{self, EmbeddingSettings};
use zhiku::vector::{BuildOptions, Graph, Path, Plan, VectorStore, quantise};

/// What a search for ten hits keeps: `snapshot::MIN_EF` and twice the limit.
const WALK: Plan = Plan::Graph { ef: 276 };

const MATTERS: [&str; 36] = [
    "高龄津贴",
    "失业保险金",
    "生育津贴",
    "住房公积金贷款",
    "居住证",
    "不动产登记",
    "户口迁移",
    "灵活就业参保",
    "医疗保险异地就医",
    "工伤认定",
    "残疾人两项补贴",
    "最低生活保障",
    "临时救助",
    "公租房",
    "小学入学",
    "随迁子女就读",
    "教师资格认定",
    "个体工商户登记",
    "食品经营许可",
    "餐饮油烟投诉",
    "建筑垃圾清运",
    "占道停车",
    "电动自行车上牌",
    "驾驶证换证",
    "出租汽车经营",
    "公交线路调整",
    "供水报装",
    "燃气安检",
    "供暖温度不达标",
    "物业收费",
    "电梯加装",
    "业主大会",
    "老旧小区改造",
    "噪声扰民",
    "河道排污",
    "农村宅基地审批",
];

const PLACES: [&str; 8] = [
    "全市",
    "东湖区",
    "西岭区",
    "临江县",
    "高新区",
    "开发区",
    "城关街道",
    "北山镇",
];

const SENTENCES: [&str; 14] = [
    "{place}办理{matter}，申请人应当提交身份证件和申请表。",
    "{matter}由{place}主管部门受理，自受理之日起二十个工作日内办结。",
    "{place}{matter}的申请条件：具有本地户籍或者连续居住满一年。",
    "申请{matter}的，{place}受理窗口应当一次性告知需要补正的材料。",
    "{place}{matter}标准每年调整一次，由财政部门会同主管部门公布。",
    "隐瞒情况骗取{matter}的，由{place}主管部门责令退回，并依法处理。",
    "对{place}{matter}决定不服的，可以依法申请行政复议或者提起行政诉讼。",
    "{place}{matter}所需资金列入本级预算，专款专用。",
    "第八条　{place}有关单位应当为{matter}提供便利，不得收取费用。",
    "问：{place}怎么办{matter}？答：可以到服务大厅或者在网上提出申请。",
    "{matter}业务咨询电话在{place}政务服务大厅公布，工作日受理。",
    "{place}{matter}可以由亲属代为办理，代办人应当出示委托书。",
    "本办法所称{matter}，是指{place}依照规定实施的服务事项。",
    "{place}开展{matter}专项检查，发现问题的限期整改。",
];

const QUESTIONS: [&str; 5] = [
    "我想问一下{matter}要带什么东西去办",
    "{matter}多久能下来，都等了一个月了",
    "没有本地户口能不能办{matter}",
    "别人冒领{matter}怎么举报",
    "家里老人走不动，{matter}可以让孩子去办吗",
];

#[test]
fn walks_find_nearly_all_of_the_nearest_among_crowds_of_real_passages() {
    let model = embedding::open(&EmbeddingSettings::default()).unwrap();
    let fill = |pattern: &str, matter: &str, place: &str| {
        let text = pattern.replace("{matter}", matter);
        text.replace("{place}", place)
    };
    let mut texts = Vec::new();
    for sentence in SENTENCES {
        for matter in MATTERS {
            texts.extend(PLACES.map(|place| fill(sentence, matter, place)));
        }
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = model.embed_passages(&texts).unwrap();
    let rows: Vec<_> = (0..)
        .zip(&vectors)
        .map(|(number, vector)| (number, quantise(vector).unwrap()))
        .collect();

    let folder = TempDir::new().unwrap();
    let mut store = VectorStore::create(folder.path(), model.dimension(), model.id()).unwrap();
    store.append(&rows).unwrap();
    let go_on = AtomicBool::new(false);
    let graph = Graph::build(store.rows(), BuildOptions::default(), &|_, _| (), &go_on).unwrap();
    assert!(graph.n_nodes() > 3000, "{} distinct", graph.n_nodes());
    store.set_graph(Some(Arc::new(graph)));
    let snapshot = store.snapshot((0..rows.len() as u32).collect());

    let (mut n_exact, mut n_found) = (0, 0);
    for question in QUESTIONS {
        for matter in MATTERS {
            let question = fill(question, matter, "");
            let query = model.embed_query(&question).unwrap();
            let exact = snapshot.search_by(Plan::Scan, &query, 10, None).unwrap();
            let walked = snapshot.search_by(WALK, &query, 10, None).unwrap();
            assert_eq!(walked.stats.path, Path::Graph);
            assert!(walked.stats.n_compared < rows.len(), "a walk, no scan");
            // Of passages with equal vectors, any will do.
            let tenth = exact.hits.last().unwrap().1;
            let n_near = walked.hits.iter().filter(|hit| hit.1 >= tenth).count();
            assert!(n_near > 5, "{question}: {n_near} of 10");
            n_exact += exact.hits.len();
            n_found += n_near;
        }
    }
    let recall = n_found as f64 / n_exact as f64;
    assert!(recall >= 0.99, "recall@10 is {recall}");
}
