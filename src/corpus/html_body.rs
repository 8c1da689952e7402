//! Finds the main text of a page.
//!
//! Sites of authorities put it into a container with one of a few names; where none of them
//! fits, the element that holds nearly all the text that is not links is taken. Menus, footers
//! and hidden copies (many sites keep the whole body a second time for sharing or print) do not
//! count. Nothing is guessed from wording.

use scraper::{ElementRef, Html, Node};

/// Ids, classes and elements in which sites keep the main text, lower case.
const BODY_NAMES: &[&str] = &[
    "zoomcon",
    "zoom",
    "ucap-content",
    "ucapcontent",
    "trs_editor",
    "trs_ueditor",
    "info_cont",
    "article",
    "article-content",
    "article_content",
    "articlecontent",
    "content_article",
    "pages_content",
    "news_content",
    "newscontent",
    "newsmain",
    "article-con",
    "xl_content",
    "detail-content",
    "detail_content",
    "text-content",
    "entry-content",
    "post-content",
    "con_text",
    "wzcon",
    "gsj_content",
    "view",
    "main-text",
    "mce-content-body",
];

/// Words in ids and classes of what surrounds the main text.
const FRAME_WORDS: &[&str] = &[
    "nav",
    "navbar",
    "mainnav",
    "menu",
    "sidemenu",
    "sidebar",
    "footer",
    "foot",
    "footbox",
    "header",
    "headers",
    "head",
    "copyright",
    "breadcrumb",
    "breadcrumbs",
    "crumb",
    "crumbs",
    "curb",
    "share",
    "sharebox",
    "qrcode",
    "pagination",
    "pager",
    "toolbar",
    "setfont",
    "print",
    "topbar",
    "search",
    "searchbox",
    "banner",
    "newfooter",
    "footer2022",
    "fx",
    "recommend",
    "related",
    "comment",
    "comments",
];

/// Elements without text for readers.
const SILENT: &[&str] = &[
    "script", "style", "noscript", "template", "iframe", "svg", "canvas", "object", "embed",
    "audio", "video", "select", "button", "textarea", "input", "head", "title", "link", "meta",
    "map",
];

/// A named container must hold this share of what the text itself points to.
const NAMED_SHARE: f64 = 0.5;
/// An element that holds this share of its parent's text is what the parent is about.
const DESCENT_SHARE: f64 = 0.9;
/// A frame never holds this share of a page's text, whatever it is called.
const FRAME_SHARE: f64 = 0.4;
/// Fewer characters than this are no main text.
const FEWEST_CHARS: usize = 40;

/// A headline is no longer than this.
const LONGEST_HEADLINE_CHARS: usize = 200;
/// A headline that stands in so many characters of the main text is not repeated.
const OPENING_CHARS: usize = 1500;

/// A page with its main text found.
#[derive(Debug)]
pub struct Page<'h> {
    html: &'h Html,
    /// The element with the main text.
    pub main: Option<ElementRef<'h>>,
    view: View,
}

/// What counts as text of the page.
#[derive(Clone, Copy, Debug)]
struct View {
    /// Words of links count: the page is a list of links.
    links: bool,
    /// Hidden elements count: a script was to show them.
    hidden: bool,
    /// Characters of a frame at most.
    frame_chars: usize,
}

impl<'h> Page<'h> {
    /// Finds the main text: visible prose, else visible links, else what is hidden.
    pub fn find(html: &'h Html) -> Self {
        let body = html.root_element();
        for (links, hidden) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut view = View {
                links,
                hidden,
                frame_chars: usize::MAX,
            };
            view.frame_chars = (view.weight(body) as f64 * FRAME_SHARE) as usize;
            let main = view.main(html, body);
            let weight = view.weight(main);
            if weight >= FEWEST_CHARS || (hidden && links && weight > 0) {
                return Self {
                    html,
                    main: Some(main),
                    view,
                };
            }
        }
        let view = View {
            links: true,
            hidden: false,
            frame_chars: usize::MAX,
        };
        let main = (view.weight(body) > 0).then_some(body);
        Self { html, main, view }
    }

    /// Whether an element inside the main text is shown to readers as part of it.
    pub fn is_read(&self, element: ElementRef<'_>) -> bool {
        self.view.is_read(element)
    }

    /// All elements outside the main text, in order.
    pub fn outside(&self) -> impl Iterator<Item = ElementRef<'h>> {
        let main = self.main.map(|main| main.id());
        self.html
            .root_element()
            .descendants()
            .filter_map(ElementRef::wrap)
            .filter(move |element| {
                !element.ancestors().any(|above| Some(above.id()) == main)
                    && Some(element.id()) != main
            })
    }

    /// The headline that the page shows above its main text, if the text does not open with it.
    ///
    /// It is what an element outside says whole and what one of `stated` says, white space aside;
    /// otherwise the only `h1` outside.
    pub fn headline(&self, stated: &[&str]) -> Option<String> {
        // The first of them is the most specific: all elements are asked for it before the next.
        let shown = stated.iter().find_map(|title| {
            let solid_title = solid(title);
            let n_chars = solid_title.chars().count();
            let says = |element: &ElementRef<'_>| {
                short_text(*element, n_chars).is_some_and(|text| solid(&text) == solid_title)
            };
            let is_shown = n_chars > 0
                && self
                    .outside()
                    .any(|element| says(&element) && self.is_shown(element));
            is_shown.then(|| title.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        let headline = shown.or_else(|| {
            let mut h1s = self
                .outside()
                .filter(|element| element.value().name() == "h1" && self.is_shown(*element));
            let only = h1s.next().filter(|_| h1s.next().is_none());
            only.and_then(|h1| short_text(h1, LONGEST_HEADLINE_CHARS))
        })?;
        let opening: String = self
            .main?
            .text()
            .flat_map(str::chars)
            .filter(|c| !c.is_whitespace())
            .take(OPENING_CHARS)
            .collect();
        (!headline.is_empty() && !opening.contains(&solid(&headline))).then_some(headline)
    }

    /// Whether neither the element nor one around it is hidden or part of the frame.
    fn is_shown(&self, element: ElementRef<'_>) -> bool {
        self.view.is_read(element)
            && element
                .ancestors()
                .filter_map(ElementRef::wrap)
                .all(|above| self.view.is_read(above))
    }
}

/// The text without white space.
fn solid(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

impl View {
    /// The named container with the most text, or where the text leads.
    fn main<'h>(&self, html: &'h Html, body: ElementRef<'h>) -> ElementRef<'h> {
        let led_to = self.descend(body);
        let enough = (self.weight(led_to) as f64 * NAMED_SHARE) as usize;
        let named = html
            .root_element()
            .descendants()
            .filter_map(ElementRef::wrap)
            .filter(|element| has_body_name(*element))
            .filter(|element| {
                !element
                    .ancestors()
                    .filter_map(ElementRef::wrap)
                    .any(|above| !self.is_read(above))
            })
            .map(|element| (self.weight(element), element))
            .filter(|(weight, _)| *weight >= enough.max(FEWEST_CHARS));
        // The innermost of those with the same text comes last and is the cleanest.
        named
            .max_by_key(|(weight, _)| *weight)
            .map_or(led_to, |(_, element)| element)
    }

    fn descend<'h>(&self, mut element: ElementRef<'h>) -> ElementRef<'h> {
        let mut weight = self.weight(element);
        loop {
            let heaviest = element
                .children()
                .filter_map(ElementRef::wrap)
                .map(|child| (self.weight(child), child))
                .max_by_key(|(weight, _)| *weight);
            match heaviest {
                Some((child_weight, child))
                    if child_weight > 0 && child_weight as f64 >= weight as f64 * DESCENT_SHARE =>
                {
                    if matches!(
                        child.value().name(),
                        "p" | "table" | "tr" | "tbody" | "ul" | "ol" | "span"
                    ) {
                        return element;
                    }
                    (element, weight) = (child, child_weight);
                }
                _ => return element,
            }
        }
    }

    /// Characters of the element's text, white space and what is not read left out.
    fn weight(&self, element: ElementRef<'_>) -> usize {
        if !self.is_read(element) || (!self.links && element.value().name() == "a") {
            return 0;
        }
        self.weight_within(element)
    }

    fn weight_within(&self, element: ElementRef<'_>) -> usize {
        element
            .children()
            .map(|child| match child.value() {
                Node::Text(text) => text.chars().filter(|c| !c.is_whitespace()).count(),
                _ => ElementRef::wrap(child).map_or(0, |child| self.weight(child)),
            })
            .sum()
    }

    fn is_read(&self, element: ElementRef<'_>) -> bool {
        let name = element.value().name();
        !SILENT.contains(&name) && (self.hidden || !is_hidden(element)) && !self.is_frame(element)
    }

    fn is_frame(&self, element: ElementRef<'_>) -> bool {
        let name = element.value().name();
        let called_frame = matches!(name, "nav" | "footer" | "aside" | "header")
            || names(element).any(|name| has_frame_word(&name));
        // Wrappers of whole pages are called anything.
        called_frame
            && !matches!(name, "html" | "body")
            && n_chars_up_to(element, self.frame_chars) < self.frame_chars
    }
}

/// Whether the element itself says that it is not shown.
fn is_hidden(element: ElementRef<'_>) -> bool {
    let value = element.value();
    if value.attr("hidden").is_some() {
        return true;
    }
    let Some(style) = value.attr("style") else {
        return false;
    };
    let style: String = style
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_ascii_lowercase())
        .collect();
    style.contains("display:none")
}

/// Ids and classes, lower case.
fn names<'e>(element: ElementRef<'e>) -> impl Iterator<Item = String> + use<'e> {
    let value = element.value();
    value
        .id()
        .into_iter()
        .chain(value.classes())
        .map(str::to_lowercase)
}

fn has_body_name(element: ElementRef<'_>) -> bool {
    BODY_NAMES.contains(&element.value().name())
        || names(element).any(|name| BODY_NAMES.contains(&name.as_str()))
}

fn has_frame_word(name: &str) -> bool {
    name.split(['-', '_'])
        .any(|word| FRAME_WORDS.contains(&word))
}

/// Characters in the element, counted no further than `limit`.
fn n_chars_up_to(element: ElementRef<'_>, limit: usize) -> usize {
    let mut n_chars = 0;
    for child in element.children() {
        n_chars += match child.value() {
            Node::Text(text) => text.chars().filter(|c| !c.is_whitespace()).count(),
            _ => ElementRef::wrap(child)
                .filter(|child| !SILENT.contains(&child.value().name()) && !is_hidden(*child))
                .map_or(0, |child| {
                    n_chars_up_to(child, limit.saturating_sub(n_chars))
                }),
        };
        if n_chars >= limit {
            break;
        }
    }
    n_chars
}

/// The element's text on one line, if it has at most `limit` characters besides white space;
/// scripts left out.
pub fn short_text(element: ElementRef<'_>, limit: usize) -> Option<String> {
    let mut text = String::new();
    let mut left = limit;
    for node in element.descendants() {
        let Node::Text(part) = node.value() else {
            continue;
        };
        let silent = node
            .ancestors()
            .take_while(|above| above.id() != element.id())
            .filter_map(ElementRef::wrap)
            .any(|above| SILENT.contains(&above.value().name()));
        if !silent {
            left = left.checked_sub(solid(part).chars().count())?;
            text.push_str(part);
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    Some(words.join(" "))
}
