//! An element of a page → blocks: headings, paragraphs, list items, table rows.
//!
//! White space is collapsed as a browser does it; a source line break between two Chinese
//! characters is no space.

use std::sync::LazyLock;

use regex::Regex;
use scraper::{ElementRef, Node};

use super::html_body::Page;
use super::{ExtractBuilder, Limits, LoadError, Role, Table, html_table};

/// Elements that begin and end a block.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "section",
    "article",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "center",
    "figure",
    "figcaption",
    "form",
    "fieldset",
    "address",
    "main",
    "details",
    "summary",
    "hr",
    "header",
    "footer",
    "aside",
    "nav",
    "pre",
    "body",
    "html",
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "ucapcontent",
];

/// Blocks that belong to the site, not to the text.
static SITE_LINE: LazyLock<Regex> = LazyLock::new(|| {
    // A literal pattern which the tests run through.
    Regex::new(concat!(
        r"^([【\[]?\s*(分享到?|分享至|打印(本页)?|关闭(窗口|本页)?|收藏|返回(顶部|列表)?|字体|字号|扫一扫|TOP|top|-)\s*[】\]]?[\s|丨]*)+",
        r"\s*([:：].{0,20}|[大中小\s]{1,8}|在手机打开当前页|.{0,12}二维码.{0,10})?$",
        r"|^(浏览(次数|量)|点击(次数|数)|阅读(次数|量)|责任编辑|责编)\s*[:：].{0,20}$",
        r"|^相关(附件|链接|文档)\s*[:：]?$",
        r"|^(上|下)一(篇|条)\s*[:：].{0,60}$",
    ))
    .expect("literal pattern")
});

/// Adds the blocks of `main` to `builder`.
///
/// # Errors
/// [`LoadError::Unreadable`] if a table is beyond the limits.
pub fn push_blocks(
    main: ElementRef<'_>,
    page: &Page<'_>,
    limits: &Limits,
    builder: &mut ExtractBuilder,
) -> Result<(), LoadError> {
    let mut writer = Writer {
        page,
        limits,
        builder,
        line: Inline::default(),
        role: Role::Paragraph,
    };
    writer.walk(main)?;
    writer.flush();
    Ok(())
}

struct Writer<'p, 'h> {
    page: &'p Page<'h>,
    limits: &'p Limits,
    builder: &'p mut ExtractBuilder,
    line: Inline,
    role: Role,
}

impl Writer<'_, '_> {
    fn walk(&mut self, element: ElementRef<'_>) -> Result<(), LoadError> {
        for child in element.children() {
            if let Node::Text(text) = child.value() {
                self.line.push(text);
            } else if let Some(child) =
                ElementRef::wrap(child).filter(|child| self.page.is_read(*child))
            {
                self.element(child)?;
            }
        }
        Ok(())
    }

    fn element(&mut self, element: ElementRef<'_>) -> Result<(), LoadError> {
        let name = element.value().name();
        match name {
            "br" => self.flush(),
            "table" => self.table(element)?,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.block(element, Role::Heading(name.as_bytes()[1] - b'0'))?
            }
            "li" => self.block(element, Role::ListItem)?,
            _ if BLOCKS.contains(&name) => self.block(element, self.role.clone())?,
            _ => self.walk(element)?,
        }
        Ok(())
    }

    fn block(&mut self, element: ElementRef<'_>, role: Role) -> Result<(), LoadError> {
        self.flush();
        let outer = std::mem::replace(&mut self.role, role);
        self.walk(element)?;
        self.flush();
        self.role = outer;
        Ok(())
    }

    fn flush(&mut self) {
        let text = self.line.take();
        if !SITE_LINE.is_match(text.trim()) {
            self.builder.push(self.role.clone(), None, &text);
        }
    }

    /// A table of data becomes rows, a table that only arranges text is walked like any block.
    fn table(&mut self, element: ElementRef<'_>) -> Result<(), LoadError> {
        self.flush();
        let rows = html_table::raw_rows(element, self.page);
        if html_table::is_layout(element, &rows) {
            return self.block(element, self.role.clone());
        }
        if let Some(caption) = html_table::caption(element, self.page) {
            self.builder.push(Role::Paragraph, None, &caption);
        }
        Table::from_rows("", &rows, self.limits)?.push_to(self.builder, None);
        Ok(())
    }
}

/// The text of an element with a line break between blocks, as a table cell shows it.
pub fn text_with_breaks(element: ElementRef<'_>, page: &Page<'_>) -> String {
    let mut text = String::new();
    let mut line = Inline::default();
    gather(element, page, &mut line, &mut text);
    push_line(&mut line, &mut text);
    text
}

fn gather(element: ElementRef<'_>, page: &Page<'_>, line: &mut Inline, text: &mut String) {
    for child in element.children() {
        if let Node::Text(part) = child.value() {
            line.push(part);
        } else if let Some(child) = ElementRef::wrap(child).filter(|child| page.is_read(*child)) {
            let name = child.value().name();
            let breaks = name == "br" || BLOCKS.contains(&name);
            if breaks {
                push_line(line, text);
            }
            gather(child, page, line, text);
            if breaks {
                push_line(line, text);
            }
        }
    }
}

fn push_line(line: &mut Inline, text: &mut String) {
    let line = line.take();
    if !line.trim().is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line.trim());
    }
}

/// A line being put together, white space collapsed.
#[derive(Debug, Default)]
struct Inline {
    text: String,
    /// White space since the last character; `true` if a line break was part of it.
    space: Option<bool>,
}

impl Inline {
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}') {
                self.space = Some(self.space.unwrap_or(false) || c == '\n');
                continue;
            }
            if let Some(broken) = self.space.take()
                && let Some(last) = self.text.chars().next_back()
                && !(broken && is_chinese(last) && is_chinese(c))
            {
                self.text.push(' ');
            }
            self.text.push(c);
        }
    }

    fn take(&mut self) -> String {
        self.space = None;
        std::mem::take(&mut self.text)
    }
}

/// Characters that are set without spaces between them.
fn is_chinese(c: char) -> bool {
    c >= '\u{2e80}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_collapses_as_in_a_browser() {
        let mut line = Inline::default();
        line.push("  云溪\n  市 民政局 ");
        line.push("\n tel  123");
        assert_eq!(line.take(), "云溪市 民政局 tel 123");
    }

    #[test]
    fn lines_of_the_site_are_known() {
        for line in [
            "分享到：",
            "【打印】",
            "【关闭窗口】",
            "打印关闭",
            "【打印】 【关闭】 | 分享到：微信",
            "字体：大 中 小",
            "上一篇：通知",
            "浏览次数：12",
            "-",
        ] {
            assert!(SITE_LINE.is_match(line), "{line}");
        }
        for line in [
            "打印材料一式两份",
            "分享经济发展办法",
            "关闭煤矿的补偿",
            "来源：云溪市",
        ] {
            assert!(!SITE_LINE.is_match(line), "{line}");
        }
    }
}
