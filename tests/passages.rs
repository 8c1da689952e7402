//! Cutting texts into passages.
//!
//! 1. Spans stand in order on character boundaries inside the text, without blanks at their ends.
//! 2. Every visible character lies in some passage; none is longer than the maximum.
//! 3. An article is one passage; a long one is divided where its 款 and 项 begin and keeps its number.
//! 4. A contents page does not become headings.
//! 5. A question and its answer are one passage that knows both.
//! 6. Numbered headings give a path; plain lists do not.
//! 7. Rows of a table are packed, with the number of the first.
//! 8. A line break inside a sentence ends neither the sentence nor the passage.
//! 9. A long text takes no more than linear work.

use proptest::prelude::*;

use zhiku::corpus::passages::{CutOptions, cut};
use zhiku::corpus::{Block, Extract, Role};
use zhiku::document::{ByteSpan, Passage};

fn plain(text: &str) -> Extract {
    Extract {
        text: text.to_owned(),
        ..Extract::default()
    }
}

fn cut_plain(text: &str) -> Vec<Passage> {
    cut(&plain(text), "", &CutOptions::default())
}

fn small() -> CutOptions {
    CutOptions {
        target_chars: 30,
        max_chars: 50,
        min_chars: 5,
        overlap_sentence: false,
    }
}

/// Every block on a line of its own.
fn of_blocks(blocks: &[(Role, &str)]) -> Extract {
    let mut extract = Extract::default();
    for (role, text) in blocks {
        if !extract.text.is_empty() {
            extract.text.push('\n');
        }
        let start = extract.text.len();
        extract.text.push_str(text);
        let span = ByteSpan::new(start, extract.text.len());
        extract.blocks.push(Block {
            span,
            role: role.clone(),
            page: None,
        });
    }
    extract
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{0}')
}

/// Properties 1 and 2.
fn assert_sound(extract: &Extract, passages: &[Passage], options: &CutOptions) {
    let text = &extract.text;
    let mut done = 0;
    for (n, passage) in passages.iter().enumerate() {
        let ByteSpan { start, end } = passage.span;
        assert_eq!(passage.ordinal as usize, n);
        assert!(start < end && end <= text.len(), "{passage:?}");
        assert!(
            text.is_char_boundary(start) && text.is_char_boundary(end),
            "{passage:?}"
        );
        let inside = &text[start..end];
        assert!(
            !inside.starts_with(is_blank) && !inside.ends_with(is_blank),
            "{inside:?}"
        );
        assert!(
            inside.chars().count() <= options.max_chars,
            "{} characters",
            inside.chars().count()
        );
        assert!(
            n == 0 || start >= passages[n - 1].span.end,
            "{passage:?} runs into the one before"
        );
        assert!(
            text[done..start].chars().all(is_blank),
            "lost {:?}",
            &text[done..start]
        );
        if let Some(answer) = passage.answer {
            assert!(start <= answer.start && answer.end <= end, "{passage:?}");
        }
        done = end;
    }
    assert!(
        text[done..].chars().all(is_blank),
        "lost {:?}",
        &text[done..]
    );
}

/// Pieces that official texts are made of, and noise.
fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        "第一条 为了规范管理，制定本办法。",
        "第二条　本办法适用于全市。",
        "第三条之一 甲。",
        "第一章 总则",
        "第二章　附则",
        "目录",
        "一、办理条件",
        "二、办理材料",
        "（一）基本标准。低保标准为每月一千元。",
        "（二）其他",
        "1.身份证",
        "2.户口簿",
        "(3)照片；",
        "问：怎么办？",
        "答：去窗口。",
        "1.多久办结？",
        "五个工作日。",
        "附件1",
        "附件：申请表",
        "怎么收费？",
        "\n",
        "\n\n",
        "　　",
        " ",
        "\r\n",
        "\u{feff}",
        "。",
        "？",
        "：",
        "”",
        "云溪市民政局",
        "2024年1月5日",
        "依照第三条的规定",
        "\u{c}",
        "😀",
        "abc. def",
    ];
    prop_oneof![
        6 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        2 => "[一-龥，、。；]{1,60}",
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn spans_are_sound_in_any_text(pieces in prop::collection::vec(piece(), 0..60)) {
        let extract = plain(&pieces.concat());
        for options in [CutOptions::default(), small()] {
            let passages = cut(&extract, "云溪市民政局", &options);
            assert_sound(&extract, &passages, &options);
        }
    }

    #[test]
    fn spans_are_sound_with_marked_blocks(
        blocks in prop::collection::vec((0u8..5, piece()), 0..40)
    ) {
        let roles = |n: u8, at: u32| match n {
            0 => Role::Heading(1 + (at % 3) as u8),
            1 => Role::TableRow { table: at / 5, row: at + 1 },
            2 => Role::ListItem,
            _ => Role::Paragraph,
        };
        let blocks: Vec<(Role, &str)> =
            blocks.iter().enumerate().map(|(at, (n, text))| (roles(*n, at as u32), text.as_str())).collect();
        let extract = of_blocks(&blocks);
        for options in [CutOptions::default(), small()] {
            let passages = cut(&extract, "", &options);
            assert_sound(&extract, &passages, &options);
        }
    }

    #[test]
    fn overlap_repeats_but_loses_nothing(text in "[一-龥，。；\n]{0,800}") {
        let options = CutOptions { overlap_sentence: true, ..small() };
        let passages = cut(&plain(&text), "", &options);
        let mut done = 0;
        for passage in &passages {
            prop_assert!(text[done.min(passage.span.start)..passage.span.start].chars().all(is_blank));
            prop_assert!(passage.span.end > done);
            done = passage.span.end;
        }
        prop_assert!(text[done..].chars().all(is_blank));
    }
}

#[test]
fn articles_are_passages_under_their_chapter() {
    let text = "云溪市停车办法\n第一章 总则\n第一条 为了规范停车，制定本办法。\n第二条 本办法适用于全市。\n依照第九条的规定另行处理。\n\
                第二章 管理\n第一节 收费\n第三条 收费标准由市发改委制定。\n第三条之一 夜间减半。";
    let passages = cut_plain(text);
    let shown: Vec<_> = passages
        .iter()
        .map(|p| (p.article, p.heading.join("/")))
        .collect();
    assert_eq!(
        shown,
        [
            (Some(1), "云溪市停车办法/第一章 总则".to_owned()),
            (Some(2), "云溪市停车办法/第一章 总则".to_owned()),
            (Some(3), "云溪市停车办法/第二章 管理/第一节 收费".to_owned()),
            (Some(3), "云溪市停车办法/第二章 管理/第一节 收费".to_owned()),
        ]
    );
    assert!(passages[1].span.of(text).ends_with("另行处理。"));
    assert!(passages[3].span.of(text).starts_with("第三条之一"));
    let titled = cut(&plain(text), "云溪市停车办法", &CutOptions::default());
    assert_eq!(titled[0].heading, ["第一章 总则"]);
}

#[test]
fn a_long_article_is_divided_where_its_parts_begin() {
    let item = "申请人应当如实提供材料并对材料的真实性负责";
    let text = format!(
        "第十二条 申请应当符合下列条件：\n（一）{item}；\n（二）{item}；\n（三）{item}。\n第十三条 其他。"
    );
    let passages = cut(&plain(&text), "", &small());
    assert!(passages.len() > 2);
    let (last, parts) = passages.split_last().unwrap();
    assert_eq!(last.article, Some(13));
    assert!(parts.iter().all(|p| p.article == Some(12)));
    assert!(
        parts[1..]
            .iter()
            .all(|p| p.span.of(&text).starts_with('（')),
        "{parts:?}"
    );
    assert_eq!(parts[1].heading, ["第十二条 申请应当符合下列条件："]);
}

#[test]
fn contents_pages_are_no_headings() {
    let text = "云溪市绿化条例\n目　录\n第一章 总则……1\n第二章 规划……3\n第三章 附则……9\n第一章 总则\n第一条 甲。\n第二章 规划\n第二条 乙。\n第三章 附则\n第三条 丙。";
    let passages = cut(&plain(text), "云溪市绿化条例", &CutOptions::default());
    let of_articles: Vec<_> = passages
        .iter()
        .filter(|p| p.article.is_some())
        .map(|p| p.heading.join("/"))
        .collect();
    assert_eq!(of_articles, ["第一章 总则", "第二章 规划", "第三章 附则"]);
    assert!(
        passages
            .iter()
            .filter(|p| p.article.is_none())
            .all(|p| p.heading.is_empty()),
        "{passages:?}"
    );
}

#[test]
fn headings_of_several_ranks_on_one_line_are_told_apart() {
    let extract = of_blocks(&[
        (Role::Paragraph, "目录"),
        (
            Role::Paragraph,
            "第一编　总则............................................................1",
        ),
        (Role::Paragraph, "第一章　任务......1"),
        (Role::Paragraph, "第二章　原则......2"),
        (Role::Heading(1), "第一编　总则第一章　任务"),
        (Role::Paragraph, "第一条　甲。"),
        (Role::Heading(1), "第二章　原则"),
        (Role::Paragraph, "第二条　乙。"),
    ]);
    let passages = cut(&extract, "", &CutOptions::default());
    let paths: Vec<_> = passages.iter().map(|p| p.heading.join("/")).collect();
    assert_eq!(
        paths,
        ["", "第一编 总则/第一章 任务", "第一编 总则/第二章 原则"]
    );
}

#[test]
fn questions_know_their_answers() {
    let text = "一、多久能办结？\n五个工作日内办结。\n1.急件当天办结；\n2.其他五天。\n二、在哪里办？\n答：在云溪市政务中心办理。\n三、可以代办吗？\n可以。";
    let passages = cut_plain(text);
    let shown: Vec<_> = passages
        .iter()
        .map(|p| (p.questions.join("|"), p.answer.unwrap().of(text)))
        .collect();
    assert_eq!(
        shown,
        [
            (
                "多久能办结？".to_owned(),
                "五个工作日内办结。\n1.急件当天办结；\n2.其他五天。"
            ),
            ("在哪里办？".to_owned(), "在云溪市政务中心办理。"),
            ("可以代办吗？".to_owned(), "可以。"),
        ]
    );
}

#[test]
fn questions_on_one_line_and_under_categories() {
    let text = "一、社保类\n问：怎么查社保？答：登录云溪通查询。\n问：怎么补缴？\n问：断缴了怎么办？\n答：去窗口。\n二、医保类\n问：怎么报销？\n答：直接结算。";
    let passages = cut_plain(text);
    let shown: Vec<_> = passages
        .iter()
        .map(|p| {
            (
                p.heading.join("/"),
                p.questions.join("|"),
                p.answer.unwrap().of(text),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                "一、社保类".to_owned(),
                "怎么查社保？".to_owned(),
                "登录云溪通查询。"
            ),
            (
                "一、社保类".to_owned(),
                "怎么补缴？|断缴了怎么办？".to_owned(),
                "去窗口。"
            ),
            (
                "二、医保类".to_owned(),
                "怎么报销？".to_owned(),
                "直接结算。"
            ),
        ]
    );
}

#[test]
fn numbered_headings_give_a_path_and_lists_do_not() {
    let body =
        "符合条件的居民可以向户籍所在地的街道办事处提出申请，由街道办事处初审后报区民政局审批。"
            .repeat(3);
    let text = format!(
        "一、申请条件\n（一）户籍\n{body}\n（二）收入\n{body}\n二、申请材料\n1.身份证\n2.户口簿\n3.收入证明\n{body}\n{body}"
    );
    let passages = cut_plain(&text);
    let headings: Vec<_> = passages.iter().map(|p| p.heading.join("/")).collect();
    assert_eq!(
        headings[..2],
        ["一、申请条件/（一）户籍", "一、申请条件/（二）收入"]
    );
    assert!(
        headings[2..].iter().all(|h| h == "二、申请材料"),
        "{headings:?}"
    );
}

#[test]
fn marked_headings_give_a_path_without_the_title() {
    let extract = of_blocks(&[
        (Role::Heading(1), "残疾人补贴指南"),
        (
            Role::Paragraph,
            &"云溪市户籍的残疾人可以申请两项补贴。".repeat(12),
        ),
        (Role::Heading(2), "标准"),
        (
            Role::Paragraph,
            &"一级每月三百元，二级每月二百元，按月发放到社会保障卡。".repeat(8),
        ),
        (Role::Heading(2), "怎么申请？"),
        (Role::Paragraph, "向街道办事处申请。"),
    ]);
    let passages = cut(&extract, "残疾人补贴指南", &CutOptions::default());
    let shown: Vec<_> = passages
        .iter()
        .map(|p| (p.heading.join("/"), p.questions.len()))
        .collect();
    assert_eq!(
        shown,
        [
            (String::new(), 0),
            ("标准".to_owned(), 0),
            (String::new(), 1)
        ]
    );
}

#[test]
fn rows_are_packed_with_the_number_of_the_first() {
    let rows: Vec<String> = (2..12)
        .map(|n| format!("地区：东溪{n}区；标准：{n}00元"))
        .collect();
    let mut blocks: Vec<(Role, &str)> = vec![(Role::Paragraph, "补贴标准如下：")];
    blocks.extend(
        rows.iter()
            .zip(2..)
            .map(|(text, row)| (Role::TableRow { table: 0, row }, text.as_str())),
    );
    blocks.push((
        Role::TableRow { table: 1, row: 2 },
        "项目：甲；金额：一百元",
    ));
    let extract = of_blocks(&blocks);
    let options = CutOptions {
        target_chars: 60,
        max_chars: 90,
        min_chars: 20,
        overlap_sentence: false,
    };
    let passages = cut(&extract, "", &options);
    assert_sound(&extract, &passages, &options);
    assert!(
        passages[0]
            .span
            .of(&extract.text)
            .starts_with("补贴标准如下")
    );
    assert_eq!(passages[0].row, Some(2));
    for passage in &passages[1..] {
        let text = passage.span.of(&extract.text);
        let row = passage.row.unwrap();
        assert!(
            text.starts_with(&format!("地区：东溪{row}区")) || text.starts_with("项目：甲"),
            "{row} {text}"
        );
    }
    assert_eq!(passages.last().unwrap().row, Some(2), "another table");
}

#[test]
fn broken_lines_do_not_break_sentences() {
    let sentence = "申请人应当向户籍所在地的街道办事处提出申请并提交有效身份\n证件的原件和复印件以及其他相关的证明材料。";
    let text = sentence.repeat(20);
    let passages = cut_plain(&text);
    assert!(passages.len() > 1);
    assert!(
        passages.iter().all(|p| p.span.of(&text).ends_with('。')),
        "{passages:?}"
    );
}

#[test]
fn pages_of_the_original_are_kept() {
    let mut extract = of_blocks(&[
        (Role::Paragraph, "第一条 甲。"),
        (Role::Paragraph, "第二条 乙。"),
    ]);
    extract.blocks[0].page = Some(1);
    extract.blocks[1].page = Some(2);
    let pages: Vec<_> = cut(&extract, "", &CutOptions::default())
        .iter()
        .map(|p| p.page)
        .collect();
    assert_eq!(pages, [Some(1), Some(2)]);
}

#[test]
fn a_text_without_a_visible_character_gives_nothing() {
    assert_eq!(cut_plain(""), []);
    assert_eq!(cut_plain(" \n　\u{feff}\r\n"), []);
}

#[test]
fn hostile_texts_are_cut_in_bounded_work() {
    let n = 200_000;
    for unit in [
        "字",
        "）",
        "第一条",
        "第一章　　",
        "　　附件",
        "问：",
        "问：甲\n",
        "1.",
        "（",
        "答：？",
        "。 ",
        "一、甲\n",
        "《",
        "目录\n",
        "？\n",
        "第",
        "12",
    ] {
        let text = unit.repeat(n / unit.chars().count());
        let extract = plain(&text);
        let passages = cut(&extract, "", &CutOptions::default());
        assert_sound(&extract, &passages, &CutOptions::default());
    }
}
