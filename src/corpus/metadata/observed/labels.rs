//! Labelled values at the head of a page: 文号：云府规〔2024〕3号, 发布日期：2024-01-05 …

use std::sync::LazyLock;

use jiff::civil::Date;
use regex::Regex;

use crate::corpus::metadata::dates::parse_date;
use crate::corpus::passages::lines::Line;

/// What a label announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    DocNo,
    Issuer,
    /// 成文日期
    Signed,
    /// 发布日期
    Published,
    From,
    To,
    Status,
    Keywords,
    /// Labels that only end the value before them.
    Other,
}

const NAMES: &[(Label, &[&str])] = &[
    (
        Label::DocNo,
        &["发文字号", "文件编号", "文号", "发文号", "文件号"],
    ),
    (
        Label::Issuer,
        &[
            "发布机关",
            "发文机关",
            "发布机构",
            "发文单位",
            "制定机关",
            "发布单位",
            "制发机关",
        ],
    ),
    (
        Label::Signed,
        &["成文日期", "发文日期", "印发日期", "签发日期", "生成日期"],
    ),
    (
        Label::Published,
        &["发布日期", "发布时间", "发表时间", "公布日期", "公开日期"],
    ),
    (
        Label::From,
        &[
            "实施日期",
            "施行日期",
            "生效日期",
            "实施时间",
            "施行时间",
            "生效时间",
        ],
    ),
    (
        Label::To,
        &["失效日期", "有效期至", "失效时间", "废止日期", "有效期截止"],
    ),
    (
        Label::Status,
        &[
            "时效性",
            "有效性",
            "文件状态",
            "时效状态",
            "效力状态",
            "状态",
        ],
    ),
    (Label::Keywords, &["主题词", "关键词", "关键字"]),
    (
        Label::Other,
        &[
            "索引号",
            "统一编号",
            "名称",
            "标题",
            "分类",
            "主题分类",
            "体裁分类",
            "来源",
            "信息来源",
            "文章来源",
            "浏览次数",
            "访问量",
            "作者",
            "责任编辑",
            "签发人",
            "打印",
            "字体",
        ],
    ),
];

/// `<meta>` names and office properties that carry what a label would.
const PROPERTIES: &[(&str, Label)] = &[
    ("pubdate", Label::Published),
    ("publishdate", Label::Published),
    ("article:published_time", Label::Published),
    ("publish_time", Label::Published),
    ("docno", Label::DocNo),
];

static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    let mut names: Vec<&str> = NAMES
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let spaced: Vec<String> = names
        .iter()
        .map(|name| {
            name.chars()
                .map(String::from)
                .collect::<Vec<_>>()
                .join(r"\s*")
        })
        .collect();
    let pattern = format!(r"(?:^|[\s；;|｜【\[（(])({})\s*[：:]", spaced.join("|"));
    Regex::new(&pattern).expect("made of literal names")
});

/// The labelled values of a document, in order of trust: the text before what the format carries.
pub(super) struct Labels(Vec<(Label, String)>);

impl Labels {
    pub(super) fn read(head: &[Line<'_>], properties: &[(String, String)]) -> Labels {
        let mut values = Vec::new();
        for (at, line) in head.iter().enumerate() {
            if line.text.len() <= 2000 {
                read_line(
                    line.text,
                    head.get(at + 1).map(|next| next.text),
                    &mut values,
                );
            }
        }
        for (key, value) in properties {
            let key = key.to_lowercase();
            let known = PROPERTIES
                .iter()
                .find(|(name, _)| *name == key)
                .map(|&(_, label)| label);
            let label = known.or_else(|| label_named(&key));
            values.extend(label.map(|label| (label, value.trim().to_owned())));
        }
        values.retain(|(label, value)| *label != Label::Other && !value.is_empty());
        Labels(values)
    }

    /// The first value under `label`.
    pub(super) fn get(&self, label: Label) -> Option<&str> {
        self.0
            .iter()
            .find(|(l, _)| *l == label)
            .map(|(_, value)| value.as_str())
    }

    /// The first value under `label` that is a date.
    pub(super) fn date(&self, label: Label) -> Option<Date> {
        self.0
            .iter()
            .filter(|(l, _)| *l == label)
            .find_map(|(_, value)| parse_date(value))
    }

    /// 主题词 that the text lists.
    pub(super) fn keywords(&self) -> Vec<String> {
        let listed = self.get(Label::Keywords).unwrap_or("");
        let words = listed
            .split(['；', ';', '、', ',', '，', '|', ' ', '\u{3000}'])
            .map(str::trim);
        words
            .filter(|word| (2..=20).contains(&word.chars().count()))
            .map(str::to_owned)
            .take(20)
            .collect()
    }
}

fn read_line(line: &str, next: Option<&str>, values: &mut Vec<(Label, String)>) {
    let found: Vec<_> = PATTERN
        .captures_iter(line)
        .filter_map(|c| Some((c.get(0)?, c.get(1)?)))
        .collect();
    for (at, (whole, name)) in found.iter().enumerate() {
        let end = found
            .get(at + 1)
            .map_or(line.len(), |(next, _)| next.start());
        let mut value = first_part(&line[whole.end()..end]);
        let is_last = at + 1 == found.len();
        if value.is_empty() && is_last {
            value = next
                .filter(|next| !PATTERN.is_match(next))
                .map_or("", first_part);
        }
        if let Some(label) = label_named(name.as_str()) {
            values.push((label, value.to_owned()));
        }
    }
}

fn label_named(name: &str) -> Option<Label> {
    let solid: String = name.chars().filter(|c| !c.is_whitespace()).collect();
    NAMES
        .iter()
        .find(|(_, names)| names.contains(&solid.as_str()))
        .map(|&(label, _)| label)
}

/// A value ends at a semicolon or at wide blanks.
fn first_part(text: &str) -> &str {
    let text = text.trim();
    let end = text.find(['；', ';', '|', '｜']).unwrap_or(text.len());
    let wide = ["  ", "\u{3000}\u{3000}", "\u{a0}\u{a0}", "\t"]
        .iter()
        .filter_map(|w| text.find(w))
        .min()
        .unwrap_or(end);
    text[..end.min(wide)].trim()
}
