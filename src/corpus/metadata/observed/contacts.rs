//! Telephone numbers and the address of the source.

use std::sync::LazyLock;

use regex::Regex;

static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:[（(]0\d{2,3}[）)]|0\d{2,3}[-－—–]{1,2}|0\d{2,3} )?\d{7,8}(?:[-转]\d{1,5})?|400[-－]?\d{3,4}[-－]?\d{3,4}|1[0-9]\d{3}|9\d{4}|1[3-9]\d{9}")
        .expect("a literal pattern")
});
const WORDS: [&str; 6] = ["电话", "热线", "拨打", "致电", "联系方式", "话："];
/// Most numbers that are kept.
const MAX_PHONES: usize = 20;

/// Numbers that stand behind 电话, 热线 or 拨打 on the same line, in order, without repetition.
pub(super) fn phones(text: &str) -> Vec<String> {
    let mut phones: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some(at) = WORDS.iter().filter_map(|word| line.find(word)).min() else {
            continue;
        };
        for found in PHONE.find_iter(&line[at..]) {
            let (start, end) = (at + found.start(), at + found.end());
            let inside = line[..start]
                .ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/'))
                || line[end..].starts_with(|c: char| {
                    c.is_ascii_alphanumeric() || matches!(c, '元' | '年' | '.' | '号' | '人' | '日')
                });
            let phone = found.as_str().trim().to_owned();
            if !inside && !phones.contains(&phone) {
                phones.push(phone);
            }
            if phones.len() == MAX_PHONES {
                return phones;
            }
        }
    }
    phones
}

/// The page's own address, if the format carries one.
pub(super) fn source_url(properties: &[(String, String)]) -> Option<String> {
    const KEYS: [&str; 5] = ["canonical", "og:url", "url", "source_url", "twitter:url"];
    KEYS.iter().find_map(|key| {
        let stated = properties
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        let url = stated.1.trim();
        (url.starts_with("http://") || url.starts_with("https://")).then(|| url.to_owned())
    })
}
