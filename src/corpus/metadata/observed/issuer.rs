//! 发文机关: from the title, the signature, an order's number, or a label.

use jiff::civil::Date;

use crate::corpus::metadata::dates::parse_date;
use crate::corpus::passages::lines::Line;

use super::labels::{Label, Labels};

/// Endings of the names of organs.
const ORGANS: [&str; 22] = [
    "人民政府",
    "政府",
    "办公厅",
    "办公室",
    "委员会",
    "管委会",
    "厅",
    "局",
    "署",
    "部",
    "院",
    "联合会",
    "协会",
    "中心",
    "总队",
    "支队",
    "管理处",
    "监管组",
    "党委",
    "省委",
    "市委",
    "区委",
];

/// Who signed, and when.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Signature {
    pub organs: Vec<String>,
    pub date: Date,
}

/// The first signature: up to four lines of organs, then a line that is a date.
pub(super) fn signature(lines: &[Line<'_>]) -> Option<Signature> {
    lines.iter().enumerate().skip(1).find_map(|(at, line)| {
        if line.text.chars().nth(24).is_some() {
            return None;
        }
        let date = parse_date(line.text)?;
        let mut organs: Vec<String> = Vec::new();
        for line in lines[at.saturating_sub(4)..at].iter().rev() {
            let Some(named) = organs_on(line.text) else {
                break;
            };
            organs.splice(0..0, named);
        }
        (!organs.is_empty()).then_some(Signature { organs, date })
    })
}

/// The organs on a line that names nothing else, separated by blanks.
fn organs_on(line: &str) -> Option<Vec<String>> {
    if line.chars().nth(60).is_some() {
        return None;
    }
    let names: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let named = names.iter().all(|name| is_organ(name));
    if named && !names.is_empty() {
        return Some(names);
    }
    let joined: String = names.concat();
    is_organ(&joined).then(|| vec![joined])
}

fn is_organ(name: &str) -> bool {
    let n_chars = name.chars().count();
    let plain = name
        .chars()
        .all(|c| ('\u{3400}'..='\u{9fff}').contains(&c) || matches!(c, '（' | '）' | '·'));
    (4..=40).contains(&n_chars)
        && plain
        && !name.starts_with("关于")
        && ORGANS.iter().any(|ending| name.ends_with(ending))
}

/// The issuer: whom the title names before 关于, who signed, who gave the order, or the label.
pub(super) fn issuer(
    title: &str,
    signature: Option<&Signature>,
    doc_no: Option<&str>,
    labels: &Labels,
) -> Option<String> {
    let by_title = title
        .split_once("关于")
        .and_then(|(before, _)| organs_on(before.trim()));
    let by_order = || {
        doc_no
            .and_then(|no| no.split_once("令第"))
            .map(|(organ, _)| vec![organ.to_owned()])
    };
    let labelled = || {
        let value = labels.get(Label::Issuer)?;
        let names: Vec<String> = value
            .split([',', '，', '、', ' ', '\u{3000}'])
            .filter(|n| !n.is_empty())
            .map(str::to_owned)
            .collect();
        names
            .iter()
            .all(|name| name.chars().count() <= 60)
            .then_some(names)
    };
    // A title may run the names together that the signature keeps apart.
    let by_title = match (by_title, signature) {
        (Some(title), Some(signed)) if title.concat() == signed.organs.concat() => {
            Some(signed.organs.clone())
        }
        (by_title, _) => by_title,
    };
    let organs = by_title
        .or_else(|| signature.map(|s| s.organs.clone()))
        .or_else(by_order)
        .or_else(labelled)?;
    (!organs.is_empty()).then(|| organs.join("、"))
}
