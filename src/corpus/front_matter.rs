//! YAML between `---` lines at the head of a Markdown or text file.

use crate::document::ByteSpan;

/// Most bytes after the opening line in which the closing one is looked for.
const MAX_FRONT_MATTER_BYTES: usize = 256 * 1024;

/// Finds front matter: where its YAML stands in `text`, and the byte where the body begins.
///
/// The file must open with a line `---` (a byte order mark aside), and a line `---` or `...` must
/// close it within 256 KiB, with at least one `key:` between them; anything else is body.
pub fn split(text: &str) -> Option<(ByteSpan, usize)> {
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let open = line_at(text, mark)?;
    if open.of(text).trim_end() != "---" {
        return None;
    }
    let yaml_start = next_line(text, open.end)?;
    let mut at = yaml_start;
    while at < text.len() && at - yaml_start <= MAX_FRONT_MATTER_BYTES {
        let line = line_at(text, at)?;
        if matches!(line.of(text).trim_end(), "---" | "...") {
            let yaml = ByteSpan::new(yaml_start, at);
            let body = next_line(text, line.end).unwrap_or(text.len());
            let states_something = yaml.of(text).lines().any(|l| l.contains(':') || l.contains('：'));
            return states_something.then_some((yaml, body));
        }
        at = next_line(text, line.end)?;
    }
    None
}

/// The line that begins at `start`, without its end.
fn line_at(text: &str, start: usize) -> Option<ByteSpan> {
    let rest = text.get(start..)?;
    let n_bytes = rest.find('\n').unwrap_or(rest.len());
    Some(ByteSpan::new(start, start + n_bytes))
}

/// Where the line after the one that ends at `end` begins.
fn next_line(text: &str, end: usize) -> Option<usize> {
    (end < text.len()).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_and_body_are_told_apart() {
        let text = "---\r\ntitle: 甲\r\n---\r\n正文";
        let (yaml, body) = split(text).unwrap();
        assert_eq!(yaml.of(text), "title: 甲\r\n");
        assert_eq!(&text[body..], "正文");
        let text = "\u{feff}---\nid: 1\n...";
        assert_eq!(split(text).map(|(_, body)| body), Some(text.len()));
    }

    #[test]
    fn a_rule_across_the_page_is_no_front_matter() {
        for text in ["", "---", "---\n正文\n---\n更多", "正文\n---\na: b\n---\n", "---\ntitle: 甲\n没有结束", "----\na: b\n---\n"] {
            assert_eq!(split(text), None, "{text:?}");
        }
    }
}
