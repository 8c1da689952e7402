//! Whether markup has a shape that a parser can cope with.
//!
//! Looks at tags only; what they mean is not its matter.

use super::{Limits, LoadError};

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

/// Checks the markup by a scan that allocates nothing.
///
/// The parser takes time that grows with the depth at every tag and with the square of a tag's
/// attributes, so this comes before it.
///
/// # Errors
/// [`LoadError::Unreadable`] if more elements are open at once, or one element has more
/// attributes, than the limits allow.
pub fn check(html: &str, limits: &Limits) -> Result<(), LoadError> {
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
        if name_len == 0 {
            continue;
        }
        let name = &html[name_start..name_start + name_len];
        let (end, n_attributes) = attributes(bytes, name_start + name_len);
        if n_attributes > limits.html_attributes {
            return Err(LoadError::Unreadable(format!(
                "HTML 中一个标签有超过 {} 个属性，不像正常网页，已拒绝",
                limits.html_attributes
            )));
        }
        at = end;
        let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if is(VOID) || is(CLOSED_BY_SIBLING) {
            continue;
        }
        if closes {
            depth = depth.saturating_sub(1);
        } else if is(RAW) {
            at = end_of_raw(bytes, at, name);
        } else {
            depth += 1;
        }
        if depth > limits.html_depth {
            return Err(LoadError::Unreadable(format!(
                "HTML 标签嵌套超过 {} 层，不像正常网页，已拒绝",
                limits.html_depth
            )));
        }
    }
    Ok(())
}

/// Where the tag that goes on at `at` ends, and how many attributes it has.
fn attributes(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut n_attributes, mut in_word, mut value_follows) = (0, false, false);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'>' => break,
            b'"' | b'\'' if value_follows => {
                // A quoted value runs to its quote, or to the end of the page.
                at = memchr::memchr(byte, &bytes[at..]).map_or(bytes.len(), |end| at + end + 1);
                (in_word, value_follows) = (false, false);
            }
            b'=' => value_follows = true,
            byte if byte.is_ascii_whitespace() || byte == b'/' => in_word = false,
            _ => {
                n_attributes += usize::from(!in_word && !value_follows);
                (in_word, value_follows) = (true, false);
            }
        }
    }
    (at, n_attributes)
}

/// Where the content of a raw element ends: at its end tag.
fn end_of_raw(bytes: &[u8], mut at: usize, name: &str) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_deeper_than(html: &str, html_depth: usize) -> bool {
        check(
            html,
            &Limits {
                html_depth,
                ..Limits::default()
            },
        )
        .is_err()
    }

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
    fn attributes_are_counted_as_a_parser_does() {
        assert_eq!(attributes(b" a=1 b='x y > z' c \"d\" e = 5>rest", 0).1, 5);
        assert_eq!(attributes(b">", 0), (1, 0));
        assert_eq!(attributes(b" a='never closed", 0), (16, 1));
    }
}
