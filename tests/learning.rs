//! What agents adopt makes the next search better.
//!
//! 1. After answers were adopted under wordings that did not find them, these wordings and close
//!    paraphrases find them in the first three; unrelated questions are answered as before, to the
//!    last digit.
//! 2. A named rule stays first, an answer that is likelier by itself stays before the learned one,
//!    filters and the audience hold.
//! 3. A lesson is dropped when its answer says something else, and moves with the answer when only
//!    its place changes.

mod site;

use std::fs;
use std::path::Path;

use site::{Site, retriever};
use zhiku::document::{Audience, Kind, passage_id};
use zhiku::retrieval::{Filters, Hit, LearnedWording, Retriever, SearchRequest};

/// Wordings of callers that no document uses, a paraphrase of each, and the file that answers.
const TAUGHT: &[(&str, &str, &str)] = &[
    (
        "家里泰迪能抱上那个船过去玩吗",
        "家里的泰迪能不能抱上船过去玩",
        "湖心岛景区游览指南.html",
    ),
    (
        "摆渡过去水中间那个公园带娃要多少钱",
        "摆渡去水中间的公园带娃多少钱",
        "湖心岛景区游览指南.html",
    ),
    (
        "手机来条信息说看病的账户要停叫我点蓝字",
        "手机收到信息说看病账户要停让我点蓝字",
        "冒充医保退费诈骗案例.txt",
    ),
    (
        "有人叫我填卡号讲能退看病的钱",
        "有人让我填卡号说可以退看病的钱",
        "冒充医保退费诈骗案例.txt",
    ),
    (
        "厂子倒了人都撵回家了那个救济上哪弄",
        "厂子倒了人都给撵回家了救济去哪弄",
        "失业保险金申领指南.md",
    ),
    (
        "老板把我开了公家给发点生活费不",
        "老板把我开了公家发不发点生活费",
        "失业保险金申领指南.md",
    ),
    (
        "人走了炉子烧一回公家出不出",
        "人走了炉子烧一回是不是公家出",
        "惠民殡葬和生态葬补贴.md",
    ),
    (
        "老人没了撒到海里头有没有钱给",
        "老人没了撒海里头给不给钱",
        "惠民殡葬和生态葬补贴.md",
    ),
    (
        "送气的师傅上门该给我看个啥",
        "送气师傅上门要给我看啥",
        "瓶装液化气配送安全须知.md",
    ),
    (
        "开蓝牌拉建材还要再考个啥本本",
        "开蓝牌拉建材要不要再考个本本",
        "道路运输从业资格证办理指南.md",
    ),
];

fn request(query: &str) -> SearchRequest {
    SearchRequest {
        as_of: Some(jiff::civil::date(2026, 11, 20)),
        ..SearchRequest::new(query.to_owned(), 10, Audience::Agent)
    }
}

fn hits(retriever: &Retriever, query: &str) -> Vec<Hit> {
    retriever.search(&request(query)).unwrap().hits
}

fn rank(hits: &[Hit], file: &str) -> Option<usize> {
    hits.iter()
        .position(|hit| hit.citation.path.ends_with(file))
}

/// A lesson about one passage of the document in `file`, as it says now.
fn lesson(retriever: &Retriever, wording: &str, file: &str) -> LearnedWording {
    let snapshot = retriever.index().snapshot();
    let mut ids = snapshot.words.document_ids().unwrap();
    let id = ids.find(|id| id.ends_with(file)).expect(file);
    let document = snapshot.words.document(id).unwrap().unwrap().document;
    let passage = document.passages.last().unwrap();
    LearnedWording {
        wording: wording.to_owned(),
        document_id: document.id.clone(),
        passage_id: passage_id(&document.id, passage.ordinal),
        said: document.passage_text(passage).chars().take(1_000).collect(),
        audience: Audience::Agent,
        n_adopted: 2,
        n_rejected: 0,
    }
}

#[test]
fn what_was_adopted_is_found_and_nothing_else_moves() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = site::open(folder.path(), Path::new("corpus"));
    open.update();
    let retriever = retriever(&open.index);
    let questions: Vec<String> = fs::read_to_string("tests/data/questions.jsonl")
        .unwrap()
        .lines()
        .map(|line| {
            let question: serde_json::Value = serde_json::from_str(line).unwrap();
            question["query"].as_str().unwrap().to_owned()
        })
        .collect();
    let all = || -> Vec<Vec<Hit>> { questions.iter().map(|q| hits(&retriever, q)).collect() };
    let before = all();
    for (wording, _, file) in TAUGHT {
        let place = rank(&hits(&retriever, wording), file);
        assert!(
            place.is_none_or(|place| place > 2),
            "{wording} is no lesson: {place:?}"
        );
    }
    let lessons = TAUGHT
        .iter()
        .map(|(wording, _, file)| lesson(&retriever, wording, file));
    retriever.learn(lessons.collect()).unwrap();
    for (wording, paraphrase, file) in TAUGHT {
        for query in [wording, paraphrase] {
            let hits = hits(&retriever, query);
            let place = rank(&hits, file);
            assert!(place.is_some_and(|place| place < 3), "{query}: {place:?}");
            assert!(hits.iter().any(|hit| hit.is_learned), "{query}");
            assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{query}");
            let mut documents: Vec<_> = hits.iter().map(|hit| &hit.document_id).collect();
            documents.sort();
            documents.dedup();
            assert_eq!(documents.len(), hits.len(), "{query}: a document twice");
        }
    }
    let brief = |hits: &[Hit]| -> Vec<(String, f32, Option<f32>)> {
        hits.iter()
            .map(|hit| (hit.passage_id.clone(), hit.score, hit.confidence))
            .collect()
    };
    for ((question, before), after) in questions.iter().zip(&before).zip(&all()) {
        assert_eq!(brief(before), brief(after), "{question}");
    }
    // Another audience has learned nothing, and what is unlearned is forgotten.
    let (wording, _, file) = TAUGHT[0];
    let public = SearchRequest {
        sight: Audience::Public.into(),
        ..request(wording)
    };
    let public = retriever.search(&public).unwrap().hits;
    assert!(public.iter().all(|hit| !hit.is_learned));
    retriever.learn(Vec::new()).unwrap();
    assert_eq!(rank(&hits(&retriever, wording), file), None);
}

/// A rule, two guides and the wording that leads to the second.
fn site() -> Site {
    Site::new(&[
        (
            "市民政局/a.md",
            "---\ntitle: 高龄津贴申领指南\nkind: guide\n---\n年满八十周岁的老年人可以申领高龄津贴，到社区登记。\n",
        ),
        (
            "市民政局/b.md",
            "---\ntitle: 殡葬惠民政策\nkind: guide\n---\n基本殡葬服务费用由财政承担，凭火化证明免缴。\n",
        ),
        (
            "市民政局/c.md",
            "---\ntitle: 云溪市殡葬管理办法\ndoc_no: 云民规〔2025〕7号\nkind: policy\n---\n第一条 为规范殡葬管理，制定本办法。\n第二条 本办法适用于本市。\n",
        ),
    ])
}

const WORDING: &str = "人走了炉子烧一回公家出不出";

#[test]
fn what_is_surer_stays_first_and_conditions_hold() {
    let site = site();
    let mut open = site.open();
    open.update();
    let retriever = retriever(&open.index);
    let lesson = lesson(&retriever, WORDING, "b.md");
    retriever.learn(vec![lesson.clone()]).unwrap();
    let found = hits(&retriever, WORDING);
    assert_eq!(rank(&found, "b.md"), Some(0));
    assert!(found[0].is_learned && found[0].contributions.learned >= 0.0);
    // Adopted by two, doubted by one: 2/3 for the wording itself.
    assert!(
        (found[0].confidence.unwrap() - 2.0 / 3.0).abs() < 1e-3,
        "{:?}",
        found[0].confidence
    );

    let named = hits(&retriever, "云民规〔2025〕7号 人走了炉子烧一回公家出不出");
    assert_eq!(rank(&named, "c.md"), Some(0), "what is named stays first");

    for filters in [
        Filters {
            kind: vec![Kind::Policy],
            ..Filters::default()
        },
        Filters {
            department: vec!["市人社局".to_owned()],
            ..Filters::default()
        },
    ] {
        let request = SearchRequest {
            filters,
            ..request(WORDING)
        };
        let found = retriever.search(&request).unwrap().hits;
        assert_eq!(rank(&found, "b.md"), None, "conditions hold");
    }
    let explained = SearchRequest {
        explain: true,
        ..request(WORDING)
    };
    let explained = retriever.search(&explained).unwrap().hits;
    let explanation = explained[0].explanation.as_deref().unwrap();
    assert!(explanation.contains(WORDING), "{explanation}");

    // As many rejected as adopted it: little is left of it.
    let doubted = LearnedWording {
        n_rejected: 20,
        ..lesson
    };
    retriever.learn(vec![doubted]).unwrap();
    let found = hits(&retriever, WORDING);
    assert!(rank(&found, "b.md").is_none_or(|at| found[at].confidence.unwrap_or(0.0) < 0.2));
}

#[test]
fn a_lesson_goes_with_its_answer() {
    let site = site();
    let mut open = site.open();
    open.update();
    let retriever = retriever(&open.index);
    retriever
        .learn(vec![lesson(&retriever, WORDING, "b.md")])
        .unwrap();
    let text = "基本殡葬服务费用由财政承担，凭火化证明免缴。";
    let other = "云溪市推行绿色殡葬，鼓励网上祭扫。祭扫高峰期请错峰出行，注意防火。";
    // The answer is another passage now.
    site.write(
        "市民政局/b.md",
        &format!(
            "---\ntitle: 殡葬惠民政策\nkind: guide\n---\n# 一、祭扫\n{other}\n# 二、费用\n{text}\n"
        ),
    );
    open.update();
    let found = hits(&retriever, WORDING);
    let at = rank(&found, "b.md").expect("it is found in its new place");
    assert!(found[at].text.contains(text), "{}", found[at].text);
    // It says something else.
    site.write(
        "市民政局/b.md",
        &format!("---\ntitle: 殡葬惠民政策\nkind: guide\n---\n{other}\n"),
    );
    open.update();
    let found = hits(&retriever, WORDING);
    assert!(found.iter().all(|hit| !hit.is_learned));
    fs::remove_file(site.corpus().join("市民政局/b.md")).unwrap();
    open.update();
    assert!(hits(&retriever, WORDING).iter().all(|hit| !hit.is_learned));
}
