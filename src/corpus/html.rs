//! HTML pages: the main text once, without the site around it.
//!
//! Here a page is decoded, checked and parsed, and its title and properties are taken; which
//! part is the main text is [`super::html_body`]'s matter, how it becomes blocks is
//! [`super::html_text`]'s.

use std::sync::LazyLock;

use regex::Regex;
use scraper::{ElementRef, Html, Selector};

use super::html_body::{self, Page};
use super::html_text;
use super::{Extract, ExtractBuilder, Limits, LoadError, Role, decode};

/// A literal pattern of this file.
fn pattern(pattern: &str) -> Regex {
    // The patterns are literals which the tests run through.
    Regex::new(pattern).expect("literal pattern")
}

/// A literal selector of this file.
fn selector(selector: &str) -> Selector {
    // The selectors are literals which the tests run through.
    Selector::parse(selector).expect("literal selector")
}

/// Bytes within which a page declares its encoding.
const CHARSET_WITHIN: usize = 4096;
/// Longest value of a labelled line outside the main text that is taken as a property.
const LONGEST_PROPERTY_CHARS: usize = 80;

static CHARSET: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)charset\s*=\s*["']?\s*([\w-]+)"#));
static META: LazyLock<Selector> = LazyLock::new(|| selector("meta[content]"));
static TITLE: LazyLock<Selector> = LazyLock::new(|| selector("head title"));
static LABELLED: LazyLock<Selector> =
    LazyLock::new(|| selector("li, td, th, p, span, div, b, em, dt, dd"));
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^[【\[]?\s*(索\s*引\s*号|文\s*号|发文字号|文件编号|发布机构|发文机关|发文单位|制发机关|成文日期|发文日期|发布日期|发布时间|发表时间",
        r"|实施日期|施行日期|生效日期|失效日期|废止日期|有效期|有\s*效\s*性|效力状态|文件状态|信息来源|来源|主题分类|主题词|关键词|公开方式|公开范围)\s*[】\]]?\s*[：:]\s*(.*)$",
    ))
});

/// Reads an HTML page.
///
/// # Errors
/// [`LoadError::NoText`] if nothing is left beside the site's frame; [`LoadError::Unreadable`]
/// if it is no text or beyond the limits.
pub fn load(bytes: &[u8], limits: &Limits) -> Result<Extract, LoadError> {
    let decoded = decode::decode(bytes, declared_charset(bytes).as_deref())?;
    if is_deeper_than(&decoded.text, limits.html_depth) {
        return Err(LoadError::Unreadable(format!(
            "HTML 标签嵌套超过 {} 层，不像正常网页，已拒绝",
            limits.html_depth
        )));
    }
    let html = Html::parse_document(&decoded.text);
    let mut builder = ExtractBuilder::new();
    if let Some(finding) = decoded.finding() {
        builder.finding(finding);
    }
    let page = Page::find(&html);
    let metas = metas(&html);
    let titles = stated_titles(&html, &metas);
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    if let Some(headline) = page.headline(&titles) {
        builder.push(Role::Heading(1), None, &headline);
    }
    let n_bytes_above = builder.n_bytes();
    if let Some(main) = &page.main {
        html_text::push_blocks(*main, &page, limits, &mut builder)?;
    }
    if builder.n_bytes() == n_bytes_above {
        return Err(LoadError::NoText("网页里没有正文".to_owned()));
    }
    for (key, value) in metas.iter().filter(|(key, _)| !is_technical(key)) {
        builder.property(key, value);
    }
    for (label, value) in page.outside().flat_map(labelled) {
        builder.property(&label, &value);
    }
    for title in titles {
        builder.title(title);
    }
    Ok(builder.finish())
}

/// Name (or property) and content of every `<meta>` that has both.
fn metas(html: &Html) -> Vec<(&str, &str)> {
    html.select(&META)
        .filter_map(|meta| {
            let meta = meta.value();
            let name = meta.attr("name").or(meta.attr("property"))?;
            Some((name, meta.attr("content")?))
        })
        .collect()
}

/// What the page says that its title is, the most specific first, without the site's name.
fn stated_titles(html: &Html, metas: &[(&str, &str)]) -> Vec<String> {
    let named = ["ArticleTitle", "og:title"].into_iter().filter_map(|name| {
        metas
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| (*value).to_owned())
    });
    let page_title = html
        .select(&TITLE)
        .next()
        .map(|title| title.text().collect::<String>());
    named
        .chain(page_title.map(|title| without_site_name(&title).to_owned()))
        .collect()
}

/// The encoding label in the page's head, if it has one.
fn declared_charset(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(CHARSET_WITHIN)]);
    CHARSET.captures(&head).map(|found| found[1].to_owned())
}

/// Keys that say something about the page as a program, not about the document.
fn is_technical(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "viewport",
        "renderer",
        "generator",
        "robots",
        "format-detection",
        "referrer",
        "theme-color",
        "csrf",
    ]
    .iter()
    .any(|technical| key.starts_with(technical))
        || key.contains("verification")
        || key.contains("apple-mobile")
}

/// A page title without the site's name, which stands last.
fn without_site_name(title: &str) -> &str {
    let mut title = title.trim();
    while let Some((at, separator)) = title
        .char_indices()
        .rev()
        .find(|(_, c)| matches!(c, '_' | '-' | '|' | '–' | '—'))
    {
        let last = title[at + separator.len_utf8()..].trim();
        let is_site = separator == '_'
            || ["网", "网站", "门户", "政府", "局", "委", "委员会", "平台"]
                .iter()
                .any(|end| last.ends_with(end));
        if !(is_site || last.is_empty()) || title[..at].trim().is_empty() {
            break;
        }
        title = title[..at].trim();
    }
    title
}

/// `文号：云府〔2024〕1号` and the like, directly in one element.
fn labelled(element: ElementRef<'_>) -> Option<(String, String)> {
    if !LABELLED.matches(&element) {
        return None;
    }
    let text = html_body::short_text(element, LONGEST_PROPERTY_CHARS * 2)?;
    let found = LABEL.captures(text.trim())?;
    let label: String = found[1].chars().filter(|c| !c.is_whitespace()).collect();
    let value = match found[2].trim() {
        // The label has an element of its own; the value is its neighbour.
        "" => html_body::short_text(element.next_sibling_element()?, LONGEST_PROPERTY_CHARS)?,
        value => value.to_owned(),
    };
    (value.chars().count() <= LONGEST_PROPERTY_CHARS && !LABEL.is_match(value.trim()))
        .then_some((label, value))
}

/// Elements that never stay open.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr", "frame",
];
/// Elements whose next sibling closes them.
const CLOSED_BY_SIBLING: &[&str] = &[
    "p", "li", "td", "th", "tr", "tbody", "thead", "tfoot", "option", "optgroup", "dt", "dd",
    "colgroup", "html", "head", "body",
];
/// Elements whose content is no markup.
const RAW: &[&str] = &["script", "style", "textarea", "title", "xmp", "noscript"];

/// Whether more elements than `limit` are open at once, by a scan that allocates nothing.
///
/// The parser takes time that grows with the depth at every tag, so this comes before it.
fn is_deeper_than(html: &str, limit: usize) -> bool {
    let bytes = html.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(found) = memchr::memchr(b'<', &bytes[at..]) {
        at += found + 1;
        if bytes[at..].starts_with(b"!--") {
            at = memchr::memmem::find(&bytes[at..], b"-->").map_or(bytes.len(), |end| at + end);
            continue;
        }
        let closes = bytes.get(at) == Some(&b'/');
        let name_start = at + usize::from(closes);
        let name_len = bytes[name_start..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let name = &html[name_start..name_start + name_len];
        let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if name.is_empty() || is(VOID) || is(CLOSED_BY_SIBLING) {
            continue;
        }
        if closes {
            depth = depth.saturating_sub(1);
        } else if is(RAW) {
            at = end_of_raw(html, name_start + name_len, name);
        } else {
            depth += 1;
            if depth > limit {
                return true;
            }
        }
    }
    false
}

/// Where the content of a raw element ends: at its end tag.
fn end_of_raw(html: &str, mut at: usize, name: &str) -> usize {
    let bytes = html.as_bytes();
    while let Some(found) = memchr::memmem::find(&bytes[at..], b"</") {
        at += found + 2;
        if bytes[at..].len() >= name.len()
            && bytes[at..at + name.len()].eq_ignore_ascii_case(name.as_bytes())
        {
            return at;
        }
    }
    bytes.len()
}

/// The element after this one among its siblings.
trait NextElement<'a> {
    fn next_sibling_element(&self) -> Option<ElementRef<'a>>;
}

impl<'a> NextElement<'a> for ElementRef<'a> {
    fn next_sibling_element(&self) -> Option<ElementRef<'a>> {
        self.next_siblings().find_map(ElementRef::wrap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_what_stays_open() {
        assert!(is_deeper_than(&"<div>".repeat(11), 10));
        assert!(!is_deeper_than(&"<div></div>".repeat(100), 10));
        assert!(!is_deeper_than(&"<p><br><li>".repeat(100), 10));
        assert!(!is_deeper_than(
            &format!("<script>{}</script>", "<b>".repeat(100)),
            10
        ));
        assert!(!is_deeper_than(
            &format!("<!--{}-->", "<b>".repeat(100)),
            10
        ));
    }

    #[test]
    fn titles_lose_the_site() {
        assert_eq!(
            without_site_name("临时救助办法_云溪市民政局"),
            "临时救助办法"
        );
        assert_eq!(
            without_site_name("临时救助办法 - 云溪市人民政府"),
            "临时救助办法"
        );
        assert_eq!(without_site_name("2025-2026学年招生"), "2025-2026学年招生");
    }
}
