use super::*;
use crate::document::{Audience, Kind, Metadata, Topics, Validity};

fn loaded(path: &str, markdown: &str) -> Document {
    let place = Place {
        path,
        defaults: &Layer::default(),
        states_id: false,
    };
    read(markdown, place).unwrap()
}

fn rendered(document: &Document) -> Rendition {
    let place = Place {
        path: &document.path,
        defaults: &Layer::default(),
        states_id: false,
    };
    render(document, place).unwrap()
}

/// Everything but the hash, which is that of other bytes.
fn assert_same(wanted: &Document, found: &Document) {
    let found = Document {
        content_hash: wanted.content_hash.clone(),
        ..found.clone()
    };
    assert_eq!(*wanted, found);
}

fn all_metadata() -> Metadata {
    let list = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>();
    Metadata {
        kind: Some(Kind::Regulation),
        doc_no: Some("云民发〔2025〕7号".into()),
        issuer: Some("云溪市民政局".into()),
        department: Some("市民政局".into()),
        region: Some("云溪市".into()),
        level: Some("市".into()),
        audience: Audience::Internal,
        topics: Topics {
            question: list(&["咨询；投诉"]),
            business: list(&["低保", "救助"]),
            object: list(&["个人"]),
        },
        effective_from: Some(jiff::civil::date(2025, 1, 1)),
        effective_to: Some(jiff::civil::date(2027, 12, 31)),
        status: Some(Validity::Repealed),
        replaces: list(&["《旧办法、细则》", "云民〔2019〕1号"]),
        published_at: Some(jiff::civil::date(2024, 12, 20)),
        keywords: list(&["no", "12: 3", "# 号"]),
        similar_questions: list(&["没钱，怎么办；找谁", "- 低保"]),
        phones: list(&["12345", "0592-1234567"]),
        source_url: Some("https://example.invalid/?a=1#b".into()),
    }
}

#[test]
fn front_matter_comes_back() {
    let mut document = loaded("民政局/a.md", "# 临时救助\n\n可以申请。\n");
    document.metadata = all_metadata();
    document.title = "标题: “一” '二' \"三\"".into();
    let rendition = rendered(&document);
    let read = loaded("民政局/a.md", &rendition.markdown);
    assert_eq!(
        (&read.title, &read.metadata),
        (&document.title, &document.metadata)
    );
    assert!(rendition.added_keys.is_empty());
    assert!(
        !rendition.markdown.contains("id:"),
        "{}",
        rendition.markdown
    );
}

#[test]
fn a_stated_id_is_stated_again() {
    let document = loaded("a.md", "---\nid: mz-0012\n---\n可以申请。\n");
    let place = Place {
        path: "别处/b.md",
        defaults: &Layer::default(),
        states_id: true,
    };
    let rendition = render(&document, place).unwrap();
    assert_eq!(loaded("别处/b.md", &rendition.markdown).id, "mz-0012");
    assert_eq!(rendition.added_keys, ["department"]);
}

#[test]
fn structure_comes_back() {
    let articles: String = (1..=9)
        .map(|n| format!("第{n}条 申请人应当在{n}日内提出申请，并且提交身份证、户口簿和收入证明，逾期不予受理。\n\n"))
        .collect();
    let sections: String = ["办理条件", "所需材料", "办理流程"]
        .iter()
        .map(|name| {
            format!(
                "## {name}\n\n{}\n\n### 说明\n\n{}\n\n",
                "到街道办理。".repeat(60),
                "带身份证。".repeat(60)
            )
        })
        .collect();
    let questions: String = (1..=4)
        .map(|n| {
            format!(
                "问：第{n}件事怎么办？\n答：{}\n\n",
                "到窗口办理即可。".repeat(30)
            )
        })
        .collect();
    for text in [
        format!(
            "# 云溪市救助条例\n\n## 第一章 总则\n\n{articles}## 第二章 附则\n\n第十条 本条例自2025年1月1日起施行。\n"
        ),
        format!("# 养老金申领\n\n{sections}"),
        format!("# 常见问题\n\n{questions}"),
        format!(
            "# 标准\n\n## 表一\n\n| 档次 | 金额 | 备注 |\n|---|---|---|\n{}\n到街道办理。\n",
            (1..=40)
                .map(|n| format!("| {n}档 | {n}00元\\|月 | 逐年{n} |\n"))
                .collect::<String>()
        ),
        "# 材料\n\n- 身份证\n- 户口簿\n\n1. 填表\n2. 交表\n".to_owned(),
    ] {
        let document = loaded("民政局/a.md", &text);
        let rendition = rendered(&document);
        assert_same(&document, &loaded("民政局/a.md", &rendition.markdown));
        assert!(rendition.same_passages);
    }
}

#[test]
fn what_looks_like_markup_comes_back_as_text() {
    for line in [
        "# 号不是标题",
        "- 不是列表",
        "* 星号 *",
        "1.  两个空格",
        "---",
        "===",
        "| 甲 | 乙 |\n|---|---|\n| 一 | 二 |",
        "**粗** _斜_ `码` [链](a) ![图](b) \\# <br> <https://a.b/c>",
        "> 引用",
        "<!-- 注释 -->",
        "<!-- 注释\n结束 -->",
        "```\n围栏",
        "a\n---",
        "甲\n\n\n    乙",
        "　　首行缩进\n　　又一行",
        "---\ntitle: 假的\n---",
    ] {
        let mut document = loaded("民政局/a.md", "x");
        document.text = format!("办理说明\n{line}\n到窗口办理。");
        document.passages[0].span.end = document.text.len();
        let rendition = rendered(&document);
        let read = loaded("民政局/a.md", &rendition.markdown);
        assert_eq!(read.text, document.text, "{}", rendition.markdown);
    }
}

#[test]
fn what_the_place_states_is_told() {
    let document = loaded("a.md", "可以申请。\n");
    let defaults = Layer::from_yaml(
        "region: 云溪市\naudience: internal",
        "_defaults.yaml",
        &mut Vec::new(),
    );
    let place = Place {
        path: "b.md",
        defaults: &defaults,
        states_id: false,
    };
    let rendition = render(&document, place).unwrap();
    assert_eq!(rendition.added_keys, ["region"], "the audience is stated");
}
