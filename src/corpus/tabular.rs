//! CSV files and Excel workbooks → tables.
//!
//! What the columns mean, and whether a table holds questions and answers, is decided elsewhere.

use undoc::model::{Block, Document};

use super::office;
use super::table::{RawCell, RawRow};
use super::{Limits, LoadError, Table, plain};

/// Reads decoded CSV text; the delimiter is told from the first lines.
///
/// # Errors
/// [`LoadError::Unreadable`] for a line or file beyond the limits, [`LoadError::NoText`] if all
/// cells are empty.
pub fn load_csv(text: &str, limits: &Limits) -> Result<Vec<Table>, LoadError> {
    plain::check_text(text, limits)?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for (number, record) in (1u32..).zip(reader.records()) {
        let record = record.map_err(|error| {
            LoadError::Unreadable(format!("CSV 第 {number} 行无法读取：{error}"))
        })?;
        rows.push(RawRow {
            number,
            cells: record.iter().map(RawCell::plain).collect(),
        });
    }
    with_text(vec![Table::from_rows("", &rows, limits)?])
}

/// The separator that splits the first lines into equally many cells, the most if several do.
fn delimiter(text: &str) -> u8 {
    let n_fields = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let counts: Vec<usize> = reader
            .records()
            .take(20)
            .map_while(Result::ok)
            .map(|record| record.len())
            .collect();
        let first = counts.first().copied().unwrap_or(1);
        let n_alike = counts.iter().filter(|&&count| count == first).count();
        (first > 1, n_alike * 1000 / counts.len().max(1), first)
    };
    // The first wins among equals, so the usual comma stands first.
    let candidates = [b',', b'\t', b';', b'|'];
    candidates
        .into_iter()
        .rev()
        .max_by_key(|&candidate| n_fields(candidate))
        .unwrap_or(b',')
}

/// Reads an Excel workbook (xlsx, xls): one table per sheet with text.
///
/// # Errors
/// [`LoadError::Unreadable`] for a damaged or oversized workbook, [`LoadError::NoText`] if all
/// cells are empty.
pub fn load_workbook(bytes: &[u8], limits: &Limits) -> Result<Vec<Table>, LoadError> {
    let document = office::parse(bytes, limits)?;
    let mut tables = Vec::new();
    for (name, rows) in sheets(&document) {
        tables.push(Table::from_rows(&name, &rows, limits)?);
    }
    with_text(tables)
}

/// Every sheet's name and rows; text beside the cells (notes, text boxes) as rows of one cell.
fn sheets(document: &Document) -> Vec<(String, Vec<RawRow>)> {
    let mut sheets = Vec::new();
    for section in &document.sections {
        let name = section.name.clone().unwrap_or_default();
        let mut loose = Vec::new();
        for block in &section.content {
            match block {
                Block::Table(table) => {
                    // A sheet's first row is only assumed to be a header.
                    let rows = office::raw_rows(table).into_iter().map(unmarked).collect();
                    sheets.push((name.clone(), rows));
                }
                Block::Paragraph(paragraph) => loose.push(office::paragraph_text(paragraph)),
                _ => {}
            }
        }
        loose.retain(|text| !text.trim().is_empty());
        if !loose.is_empty() {
            let rows = (1u32..).zip(loose).map(|(number, text)| RawRow {
                number,
                cells: vec![RawCell::plain(text)],
            });
            sheets.push((name, rows.collect()));
        }
    }
    sheets
}

fn unmarked(mut row: RawRow) -> RawRow {
    for cell in &mut row.cells {
        cell.header = false;
    }
    row
}

fn with_text(mut tables: Vec<Table>) -> Result<Vec<Table>, LoadError> {
    tables.retain(|table| {
        !table.rows.is_empty()
            || !table.preamble.is_empty()
            || table.header.iter().any(|name| !name.is_empty())
    });
    if tables.is_empty() {
        return Err(LoadError::NoText("表格里没有内容".to_owned()));
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_told_apart() {
        assert_eq!(delimiter("问题,答案\n怎么办,\"带上身份证;户口本\"\n"), b',');
        assert_eq!(delimiter("问题\t答案\n甲,乙,丙\t丁\n"), b'\t');
        assert_eq!(delimiter("问题;答案\n甲;乙\n"), b';');
        assert_eq!(delimiter("一行\n"), b',');
    }

    #[test]
    fn quoted_line_breaks_stay_in_their_cell() {
        let tables = load_csv(
            "问题,答案\n怎么办？,\"一、带证件\n二、到窗口\"\n",
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(tables[0].header, ["问题", "答案"]);
        assert_eq!(
            tables[0].rows,
            [(
                2,
                vec!["怎么办？".to_owned(), "一、带证件\n二、到窗口".to_owned()]
            )]
        );
    }
}
