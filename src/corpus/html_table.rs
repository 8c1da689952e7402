//! HTML tables → raw rows, and which tables only arrange a page.

use scraper::{ElementRef, Selector};

use super::html_body::Page;
use super::html_text::text_with_breaks;
use super::table::{RawCell, RawRow};

/// Spans beyond this are damage.
const LARGEST_SPAN: usize = 1000;
/// In a table of so few rows, a longer cell means that the table arranges text.
const LAYOUT_ROWS: usize = 2;
/// See [`LAYOUT_ROWS`].
const LAYOUT_CHARS: usize = 500;

/// The rows of a table, those of nested tables left out.
pub fn raw_rows(table: ElementRef<'_>, page: &Page<'_>) -> Vec<RawRow> {
    let mut rows = Vec::new();
    collect_rows(table, page, false, &mut rows);
    (1u32..)
        .zip(rows)
        .map(|(number, cells)| RawRow { number, cells })
        .collect()
}

fn collect_rows(
    element: ElementRef<'_>,
    page: &Page<'_>,
    in_head: bool,
    rows: &mut Vec<Vec<RawCell>>,
) {
    for child in element
        .children()
        .filter_map(ElementRef::wrap)
        .filter(|child| page.is_read(*child))
    {
        match child.value().name() {
            "thead" => collect_rows(child, page, true, rows),
            "tbody" | "tfoot" | "form" => collect_rows(child, page, in_head, rows),
            "tr" => {
                let cells = child
                    .children()
                    .filter_map(ElementRef::wrap)
                    .filter(|cell| page.is_read(*cell));
                rows.push(
                    cells
                        .filter(|cell| matches!(cell.value().name(), "td" | "th"))
                        .map(|cell| raw_cell(cell, page, in_head))
                        .collect(),
                );
            }
            _ => {}
        }
    }
}

fn raw_cell(cell: ElementRef<'_>, page: &Page<'_>, in_head: bool) -> RawCell {
    let span = |name: &str| {
        cell.value()
            .attr(name)
            .and_then(|span| span.trim().parse().ok())
            .unwrap_or(1usize)
            .clamp(1, LARGEST_SPAN)
    };
    RawCell {
        text: text_with_breaks(cell, page),
        col_span: span("colspan"),
        row_span: span("rowspan"),
        header: in_head || cell.value().name() == "th",
    }
}

/// The table's caption, if it has one with text.
pub fn caption(table: ElementRef<'_>, page: &Page<'_>) -> Option<String> {
    let caption = table
        .children()
        .filter_map(ElementRef::wrap)
        .find(|child| child.value().name() == "caption")?;
    Some(text_with_breaks(caption, page)).filter(|text| !text.is_empty())
}

/// Whether a table arranges text instead of holding data: tables inside it, one column only, or
/// next to no rows around long text.
pub fn is_layout(table: ElementRef<'_>, rows: &[RawRow]) -> bool {
    // A literal selector which the tests run through.
    let nested = Selector::parse("table").expect("literal selector");
    let n_columns = rows
        .iter()
        .map(|row| row.cells.iter().map(|cell| cell.col_span).sum::<usize>())
        .max()
        .unwrap_or(0);
    let most_cells = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let longest = rows
        .iter()
        .flat_map(|row| &row.cells)
        .map(|cell| cell.text.chars().count())
        .max()
        .unwrap_or(0);
    table.select(&nested).next().is_some()
        || n_columns < 2
        || most_cells < 2
        || (rows.len() <= LAYOUT_ROWS && longest > LAYOUT_CHARS)
}
