//! Puts an [`Extract`] together block by block, so that no loader computes spans by hand.

use super::{Block, Extract, Finding, Role};
use crate::document::ByteSpan;

/// Collects blocks in reading order.
#[derive(Debug, Default)]
pub struct ExtractBuilder {
    extract: Extract,
    n_tables: u32,
}

impl ExtractBuilder {
    /// Nothing collected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a block. White space at both ends of `text` is left out, an empty block altogether.
    pub fn push(&mut self, role: Role, page: Option<u32>, text: &str) {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
        if text.is_empty() {
            return;
        }
        let whole = &mut self.extract.text;
        if !whole.is_empty() {
            whole.push('\n');
        }
        let start = whole.len();
        whole.push_str(text);
        let span = ByteSpan::new(start, whole.len());
        self.extract.blocks.push(Block { span, role, page });
    }

    /// Adds a paragraph without a page.
    pub fn paragraph(&mut self, text: &str) {
        self.push(Role::Paragraph, None, text);
    }

    /// The number of the next table of this file, from 0.
    pub fn next_table(&mut self) -> u32 {
        let table = self.n_tables;
        self.n_tables += 1;
        table
    }

    /// Sets the title that the format carries, unless it is blank or one is there already.
    pub fn title(&mut self, title: &str) {
        let title = title.trim();
        if self.extract.title.is_none() && !title.is_empty() {
            self.extract.title = Some(title.to_owned());
        }
    }

    /// Adds a property, unless its value is blank or the same is there already.
    pub fn property(&mut self, key: &str, value: &str) {
        let (key, value) = (key.trim(), value.trim());
        let properties = &mut self.extract.properties;
        let is_known = properties.iter().any(|(k, v)| k == key && v == value);
        if !key.is_empty() && !value.is_empty() && !is_known {
            properties.push((key.to_owned(), value.to_owned()));
        }
    }

    /// Keeps the raw YAML that opens the file.
    pub fn front_matter(&mut self, yaml: &str) {
        self.extract.front_matter = Some(yaml.to_owned());
    }

    /// Notes something that an editor should look at.
    pub fn finding(&mut self, finding: Finding) {
        self.extract.findings.push(finding);
    }

    /// Bytes of text collected.
    pub fn n_bytes(&self) -> usize {
        self.extract.text.len()
    }

    /// The blocks collected, as an extract.
    pub fn finish(self) -> Extract {
        self.extract
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_the_text_but_the_separators() {
        let mut builder = ExtractBuilder::new();
        builder.push(Role::Heading(1), Some(1), " 云溪市　");
        builder.paragraph("  \u{3000}");
        builder.paragraph("办理条件");
        let extract = builder.finish();
        assert_eq!(extract.text, "云溪市\n办理条件");
        let spans: Vec<_> = extract
            .blocks
            .iter()
            .map(|b| (b.span.start, b.span.end))
            .collect();
        assert_eq!(spans, [(0, 9), (10, 22)]);
    }
}
