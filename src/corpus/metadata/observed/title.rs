//! The title: what the format carries if the text confirms it, a heading, or the first lines.

use crate::corpus::Extract;
use crate::corpus::metadata::dates::parse_date;
use crate::corpus::passages::lines::{Form, Line, is_blank};
use crate::corpus::passages::markers::{Marker, ends_clause, marker};

use super::doc_no::doc_no_in;

/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 120;
/// Chinese characters that make a carried title believable though the text does not repeat it.
const MIN_WRITTEN_HAN: usize = 6;
/// Chinese characters at the head that make a text Chinese: its title is, too.
const MIN_CHINESE_HAN: usize = 100;
/// How far into the text a title may stand, in characters.
const N_HEAD_CHARS: usize = 4000;

/// The document's title, without the name of the site and blanks at the ends.
///
/// What the format carries wins if it stands in the text or is clearly written by an editor;
/// office programs leave titles of templates behind.
pub(super) fn title(extract: &Extract, lines: &[Line<'_>]) -> Option<String> {
    let property = extract
        .properties
        .iter()
        .find(|(key, _)| matches!(key.to_lowercase().as_str(), "articletitle" | "og:title"));
    let carried = property
        .map(|(_, value)| value.as_str())
        .into_iter()
        .chain(extract.title.as_deref());
    let carried: Vec<String> = carried
        .map(without_site)
        .filter(|title| is_title(title))
        .collect();
    let head: String = extract
        .text
        .chars()
        .filter(|&c| !is_blank(c))
        .take(N_HEAD_CHARS)
        .collect();
    let n_han = |text: &str| text.chars().filter(|&c| is_han(c)).count();
    let believable = |title: &&String| n_han(title) > 0 || n_han(&head) < MIN_CHINESE_HAN;
    let confirmed = carried
        .iter()
        .filter(believable)
        .find(|title| head.contains(&solid(title)));
    let written = || carried.iter().find(|title| n_han(title) >= MIN_WRITTEN_HAN);
    let heading = || {
        let marked = |line: &&Line<'_>| matches!(line.form, Form::Heading(1 | 2));
        let first_line = |line: &Line<'_>| line.text.lines().next().map(one_line);
        lines
            .iter()
            .filter(marked)
            .filter_map(first_line)
            .find(|title| is_title(title) && believable(&title))
    };
    let chosen = confirmed.or_else(written).cloned().or_else(heading);
    chosen
        .map(|title| completed(title, lines))
        .or_else(|| first_lines(lines))
        .or_else(|| carried.first().cloned())
}

/// A title that the text breaks over lines, put together.
fn completed(title: String, lines: &[Line<'_>]) -> String {
    let at = lines
        .iter()
        .take(40)
        .position(|line| solid(line.text) == solid(&title));
    match at {
        Some(at) => joined(title, &lines[at + 1..]),
        None => title,
    }
}

fn is_han(c: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&c)
}

/// A title may name its site behind a dash or a bar: 关于…的通知-云溪市人民政府网站.
fn without_site(title: &str) -> String {
    let bare = ["（转载）", "(转载)", "【转载】"]
        .iter()
        .find_map(|mark| title.trim_start().strip_prefix(mark));
    let mut title = one_line(bare.unwrap_or(title));
    while let Some((at, mark)) = title
        .rmatch_indices(['-', '_', '|', '—', '–', '－', '｜'])
        .next()
    {
        let site = title[at + mark.len()..].trim();
        let names_site = [
            "网",
            "政府",
            "平台",
            "网站",
            "门户",
            "局",
            "委",
            "委员会",
            "中心",
            "厅",
            "频道",
        ]
        .iter()
        .any(|w| site.ends_with(w));
        let before = title[..at].trim_end_matches(['-', '_', '|', '—', '–', ' ']);
        if !names_site || before.is_empty() {
            break;
        }
        title = before.to_owned();
    }
    title
}

fn is_title(title: &str) -> bool {
    let n_chars = title.chars().filter(|&c| !is_blank(c)).count();
    let n_letters = title.chars().filter(|c| c.is_alphabetic()).count();
    let machine_made = [
        "Microsoft ",
        "PowerPoint",
        "untitled",
        "Untitled",
        "文档1",
        "幻灯片",
        "新建 ",
    ]
    .iter()
    .any(|w| title.starts_with(w));
    (2..=MAX_TITLE_CHARS).contains(&n_chars)
        && n_letters >= 2
        && !machine_made
        && !title.contains("**")
        && !title.ends_with("网站")
}

/// The first lines that read as a title; one that is broken over lines is put together.
fn first_lines(lines: &[Line<'_>]) -> Option<String> {
    let start = lines
        .iter()
        .take(30)
        .position(|line| opens_title(line.text))?;
    Some(joined(one_line(lines[start].text), &lines[start + 1..]))
}

/// `title` with the lines after it that finish it: a title 关于… ends with what sort of document it is.
fn joined(mut title: String, rest: &[Line<'_>]) -> String {
    for line in rest.iter().take(3) {
        let begun = title.contains("关于") || line.text.starts_with("关于");
        let goes_on = is_title(line.text)
            && !ends_clause(line.text)
            && marker(line.text).is_none()
            && parse_date(line.text).is_none();
        if !begun || is_finished(&title) || !goes_on {
            break;
        }
        // 的 通 知 is spaced out for looks.
        let spaced = line.text.chars().filter(|&c| !is_blank(c)).nth(6).is_none();
        title.push_str(&if spaced {
            solid(line.text)
        } else {
            one_line(line.text)
        });
    }
    title
}

fn opens_title(line: &str) -> bool {
    let is_red_head =
        line.ends_with("文件") && line.chars().nth(30).is_none() || line.ends_with('令');
    let is_mark = matches!(
        marker(line),
        Some(
            Marker::Article { .. }
                | Marker::Division { .. }
                | Marker::Annex
                | Marker::Reply { .. }
                | Marker::Ask { .. }
        )
    );
    let is_label = line.contains(['：', ':']) || line.starts_with(['（', '(', '【', '[']);
    let is_number =
        line.chars().nth(40).is_none() && doc_no_in(line).is_some() && !line.contains("关于");
    line.chars().nth(60).is_none()
        && is_title(line)
        && !is_red_head
        && !is_mark
        && !is_label
        && !is_number
        && !line.ends_with(['。', '；', '，'])
        && parse_date(line).is_none()
}

fn is_finished(title: &str) -> bool {
    [
        "通知", "意见", "决定", "公告", "通告", "批复", "函", "办法", "规定", "细则", "条例",
        "方案", "指南", "报告",
    ]
    .iter()
    .any(|w| title.ends_with(w))
}

/// Line breaks and runs of blanks become one space, or nothing between Chinese characters.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(is_blank).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

fn solid(text: &str) -> String {
    text.chars().filter(|&c| !is_blank(c)).collect()
}
