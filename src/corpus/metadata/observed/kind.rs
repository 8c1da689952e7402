//! The kind of a document, where its shape leaves no doubt.

use crate::corpus::passages::lines::Line;
use crate::corpus::passages::markers::{Marker, marker};
use crate::document::Kind;

const RULE_ENDINGS: [&str; 8] = ["条例", "法", "规定", "办法", "细则", "规则", "章程", "规程"];
const GUIDE_ENDINGS: [&str; 5] = ["指南", "指引", "攻略", "须知", "办事流程"];
const NOTICE_ENDINGS: [&str; 10] = [
    "通知", "意见", "决定", "公告", "通告", "批复", "函", "方案", "措施", "标准",
];
const GUIDE_WORDS: [&str; 12] = [
    "办理条件",
    "申请条件",
    "办理材料",
    "申请材料",
    "所需材料",
    "提交材料",
    "办理流程",
    "办理程序",
    "办理时限",
    "办理地点",
    "受理条件",
    "办理渠道",
];

/// Articles make a regulation (by order or as a law) or a policy (with a document number),
/// questions with answers an FAQ, 办理条件/材料/流程 a guide. Anything less clear is `None`.
pub(super) fn kind(title: &str, doc_no: Option<&str>, lines: &[Line<'_>]) -> Option<Kind> {
    let title = title.trim_end_matches(['）', ')', '》']);
    let ends = |endings: &[&str]| endings.iter().any(|ending| title.ends_with(ending));
    let count = |test: fn(&Marker) -> bool| {
        lines
            .iter()
            .filter(|l| marker(l.text).is_some_and(|m| test(&m)))
            .count()
    };
    let n_articles = count(|m| {
        matches!(
            m,
            Marker::Article {
                separated: true,
                ..
            }
        )
    });
    let n_replies = count(|m| matches!(m, Marker::Reply { .. }));
    let by_order = doc_no.is_some_and(|no| no.contains("令第"));
    let is_law = title.ends_with("条例") || title.ends_with('法') && !title.ends_with("办法");
    if n_articles >= 3 && (by_order || is_law) {
        return Some(Kind::Regulation);
    }
    if doc_no.is_some() && (n_articles >= 3 || ends(&NOTICE_ENDINGS) || ends(&RULE_ENDINGS)) {
        return Some(Kind::Policy);
    }
    if n_articles >= 5 && ends(&RULE_ENDINGS) {
        return Some(Kind::Regulation);
    }
    let n_asked = lines
        .iter()
        .filter(|line| is_numbered_question(line.text))
        .count();
    if n_replies >= 3
        || n_asked >= 4
        || ((n_replies >= 1 || n_asked >= 2)
            && (title.contains("问答") || title.contains("常见问题")))
    {
        return Some(Kind::Faq);
    }
    let n_guide_words = GUIDE_WORDS
        .iter()
        .filter(|word| lines.iter().any(|line| heads(line.text, word)))
        .count();
    (ends(&GUIDE_ENDINGS) || n_guide_words >= 2).then_some(Kind::Guide)
}

fn is_numbered_question(line: &str) -> bool {
    line.ends_with(['？', '?'])
        && matches!(marker(line), Some(Marker::Item { .. } | Marker::Ask { .. }))
}

/// Whether a short line is a heading with `word`.
fn heads(line: &str, word: &str) -> bool {
    line.chars().nth(20).is_none() && line.contains(word)
}
