//! 发文字号: 云府规〔2024〕3号, 云溪市人民政府令第12号.

use std::sync::LazyLock;

use regex::Regex;

use crate::corpus::passages::lines::Line;

const NUMBERED: &str =
    r"\p{Han}{1,16}\s*[〔\[（(【﹝［〈]\s*(?:19|20)\d{2}\s*[〕\]）)】﹞］〉]\s*第?\s*\d{1,5}\s*号";

static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(NUMBERED).expect("a literal pattern"));
/// A line that holds the number and at most 签发人 besides.
static NUMBER_LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"^[（(]?({NUMBERED})[）)]?\s*(?:签发人.*)?$")).expect("a literal pattern")
});
/// An order on one line: 云溪市人民政府令第12号.
static ORDER_LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(\p{Han}{2,24}令)\s*[（(]?\s*第?\s*([0-9〇零一二三四五六七八九十百]{1,6})\s*号\s*[）)]?$").expect("a literal pattern")
});
/// The order that enacted a rule, in the bracket under its title.
static ENACTED_BY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"日?(\p{Han}{2,24}令)第?\s*(\d{1,5})\s*号(?:公布|发布)").expect("a literal pattern")
});

/// The document number in a labelled value or a bracket, without blanks.
pub(crate) fn doc_no_in(text: &str) -> Option<String> {
    NUMBER
        .find(text)
        .map(|found| solid(found.as_str()))
        .or_else(|| {
            let order = ORDER_LINE.captures(text.trim())?;
            Some(solid(&format!("{}第{}号", &order[1], &order[2])))
        })
}

/// The number that the document bears itself: alone on a line of the head, closing its title, or
/// the order under its title. Numbers inside sentences are citations.
pub(super) fn own(head: &[Line<'_>], title: &str) -> Option<String> {
    let alone = head
        .iter()
        .find_map(|line| Some(solid(&NUMBER_LINE.captures(line.text)?[1])));
    alone
        .or_else(|| order(head))
        .or_else(|| closing(title))
        .or_else(|| enacted_by(head))
}

fn order(head: &[Line<'_>]) -> Option<String> {
    head.iter().enumerate().find_map(|(at, line)| {
        let next = head.get(at + 1).map_or("", |next| next.text);
        let joined = if line.text.ends_with('令') && line.text.chars().nth(24).is_none() {
            format!("{}{next}", line.text)
        } else {
            line.text.to_owned()
        };
        let order = ORDER_LINE.captures(&joined)?;
        Some(solid(&format!("{}第{}号", &order[1], &order[2])))
    })
}

/// The number in brackets at the very end of a title.
fn closing(title: &str) -> Option<String> {
    let inner = title.trim_end().strip_suffix(['）', ')'])?;
    let found = NUMBER
        .find_iter(inner)
        .last()
        .filter(|found| found.end() == inner.len())?;
    let before = &inner[..found.start()];
    before.ends_with(['（', '(']).then(|| solid(found.as_str()))
}

fn enacted_by(head: &[Line<'_>]) -> Option<String> {
    let line = head
        .iter()
        .take(20)
        .find(|line| line.text.starts_with(['（', '(']))?;
    let found = ENACTED_BY.captures_iter(line.text).last()?;
    Some(format!(
        "{}第{}号",
        found[1].trim_start_matches('日'),
        &found[2]
    ))
}

fn solid(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
