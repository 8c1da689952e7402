//! JSONL for bulk import: one document per line, read as a stream.
//!
//! A line that cannot be read becomes a finding with its number; the others load. What the keys
//! besides `_id`, `title` and `text` mean is not known here.

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use super::{Finding, Limits};

/// One line of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Line number, from 1.
    pub line: u32,
    /// `_id` (or `id`).
    pub id: Option<String>,
    /// `title`; empty if there is none.
    pub title: String,
    /// `text`, as it is.
    pub text: String,
    /// All other keys.
    pub keys: Map<String, Value>,
}

/// What reading a line gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A document.
    Entry(Entry),
    /// Something that is no document.
    Bad(Finding),
}

/// Reads a JSONL file line by line. Blank lines are passed over.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    number: u32,
    max_bytes: usize,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Reads from `reader`, which yields UTF-8.
    pub fn new(reader: R, limits: &Limits) -> Self {
        Self {
            reader,
            number: 0,
            max_bytes: limits.jsonl_line_bytes,
            buffer: Vec::new(),
        }
    }

    /// Fills the buffer with the next line, up to the limit; `None` at the end of the file.
    ///
    /// What a line holds beyond the limit is read past without being kept.
    fn next_line(&mut self) -> io::Result<Option<bool>> {
        self.buffer.clear();
        let mut too_long = false;
        let mut n_read = 0;
        loop {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                return Ok((n_read > 0).then_some(too_long));
            }
            let end = memchr::memchr(b'\n', chunk);
            let n_bytes = end.map_or(chunk.len(), |end| end + 1);
            if self.buffer.len() + n_bytes <= self.max_bytes {
                self.buffer.extend_from_slice(&chunk[..n_bytes]);
            } else {
                too_long = true;
            }
            self.reader.consume(n_bytes);
            n_read += n_bytes;
            if end.is_some() {
                return Ok(Some(too_long));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let too_long = match self.next_line() {
                Ok(Some(too_long)) => too_long,
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            };
            self.number += 1;
            if too_long {
                return Some(Ok(bad(self.number, "过长")));
            }
            let mut line = self.buffer.as_slice();
            if self.number == 1 {
                line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(Ok(parse(self.number, line)));
            }
        }
    }
}

fn parse(number: u32, line: &[u8]) -> Line {
    let mut keys: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(Value::Object(keys)) => keys,
        Ok(_) => return bad(number, "不是 JSON 对象"),
        Err(error) => {
            return bad(
                number,
                &format!("不是有效的 JSON（第 {} 个字节处）", error.column()),
            );
        }
    };
    let id = keys
        .remove("_id")
        .or_else(|| keys.remove("id"))
        .and_then(|id| scalar(&id));
    let title = keys
        .remove("title")
        .and_then(|title| scalar(&title))
        .unwrap_or_default();
    let text = keys
        .remove("text")
        .and_then(|text| scalar(&text))
        .unwrap_or_default();
    if text.trim().is_empty() && title.trim().is_empty() {
        return bad(number, "没有 text 也没有 title");
    }
    Line::Entry(Entry {
        line: number,
        id: id.filter(|id| !id.is_empty()),
        title,
        text,
        keys,
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn bad(number: u32, what: &str) -> Line {
    Line::Bad(Finding {
        error: true,
        code: "bad_line",
        message: format!("第 {number} 行{what}，未收录；请修正该行"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, limits: &Limits) -> Vec<Line> {
        // A small buffer makes lines span several chunks.
        Lines::new(io::BufReader::with_capacity(7, text.as_bytes()), limits)
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn bad_lines_do_not_take_the_others_down() {
        let text = "\u{feff}{\"_id\":\"a\",\"title\":\"甲\",\"text\":\"乙\",\"kind\":\"faq\"}\n\n{oops\n[1]\n{\"_id\":7,\"text\":\"丙\"}";
        let found = lines(text, &Limits::default());
        let Line::Entry(first) = &found[0] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (
                first.id.as_deref(),
                first.title.as_str(),
                first.text.as_str()
            ),
            (Some("a"), "甲", "乙")
        );
        assert_eq!(first.keys["kind"], "faq");
        let (Line::Bad(oops), Line::Bad(array)) = (&found[1], &found[2]) else {
            panic!("{found:?}")
        };
        assert!(oops.message.starts_with("第 3 行") && array.message.starts_with("第 4 行"));
        let Line::Entry(last) = &found[3] else {
            panic!("{found:?}")
        };
        assert_eq!((last.line, last.id.as_deref()), (5, Some("7")));
    }

    #[test]
    fn an_endless_line_is_read_past() {
        let limits = Limits {
            jsonl_line_bytes: 64,
            ..Limits::default()
        };
        let text = format!(
            "{{\"text\":\"{}\"}}\n{{\"text\":\"短\"}}\n",
            "长".repeat(1000)
        );
        let found = lines(&text, &limits);
        assert!(matches!(&found[0], Line::Bad(_)));
        assert!(matches!(&found[1], Line::Entry(entry) if entry.text == "短"));
    }
}
