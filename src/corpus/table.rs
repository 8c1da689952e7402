//! A table as a file shows it: column names, then rows with their row numbers.
//!
//! Loaders hand over raw rows with their merged cells; [`super::grid`] tells title rows and the
//! header from the data. Here a table becomes text. Knows nothing of what the columns mean.

use super::grid::{Grid, RawRow, looks_like_name, one_line};
use super::{Extract, ExtractBuilder, Limits, LoadError, Role};

/// One sheet of a workbook, or a whole csv file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Name of the sheet; empty for a file that holds one table without a name.
    pub name: String,
    /// Lines above the header: the table's title, units, remarks.
    pub preamble: Vec<String>,
    /// Column names, trimmed, in file order; empty where a column has none.
    pub header: Vec<String>,
    /// Row number in the original (from 1, header included) and its cells, in file order.
    ///
    /// A row may be shorter or longer than the header; a cell that covers a whole row of several
    /// columns is a row of one.
    pub rows: Vec<(u32, Vec<String>)>,
}

impl Table {
    /// Lays out raw rows, finds the header and fills merged cells.
    ///
    /// A vertically merged cell is repeated in the rows that it covers, if short; a horizontally
    /// merged one stands in its first column only. Rows without text are left out.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`] if the table has more cells than the limit.
    pub fn from_rows(name: &str, raw: &[RawRow], limits: &Limits) -> Result<Table, LoadError> {
        let grid = Grid::lay_out(raw, limits.table_cells)?;
        let filled: Vec<usize> = (0..raw.len()).filter(|&row| !grid.is_blank(row)).collect();
        let n_titles = if grid.n_columns < 2 {
            0
        } else {
            filled
                .iter()
                .take_while(|&&row| grid.distinct(row).len() == 1)
                .count()
        };
        let n_titles = if n_titles == filled.len() {
            0
        } else {
            n_titles
        };
        let (titles, body) = filled.split_at(n_titles);
        let n_header = grid.n_header_rows(body);
        let (header, data) = body.split_at(n_header);
        Ok(Table {
            name: name.to_owned(),
            preamble: titles.iter().map(|&row| grid.only_text(row)).collect(),
            header: grid.column_names(header),
            rows: data
                .iter()
                .map(|&row| (raw[row].number, grid.values(row)))
                .collect(),
        })
    }

    /// Adds the table to `builder`: its preamble as paragraphs, then one block per row.
    pub fn push_to(&self, builder: &mut ExtractBuilder, page: Option<u32>) {
        for line in &self.preamble {
            builder.push(Role::Paragraph, page, line);
        }
        let table = builder.next_table();
        if !self.header_shows_in_rows() {
            let names: Vec<&str> = self
                .header
                .iter()
                .map(String::as_str)
                .filter(|name| !name.is_empty())
                .collect();
            let row = self
                .rows
                .first()
                .map_or(1, |(row, _)| row.saturating_sub(1).max(1));
            builder.push(
                Role::TableRow { table, row },
                page,
                &one_line(&names.join("；")),
            );
        }
        for (row, values) in &self.rows {
            builder.push(
                Role::TableRow { table, row: *row },
                page,
                &self.row_text(values),
            );
        }
    }

    /// Whether every column name is said by some row, so that none is lost.
    fn header_shows_in_rows(&self) -> bool {
        self.header.iter().enumerate().all(|(column, name)| {
            name.is_empty()
                || self.rows.iter().any(|(_, values)| {
                    values.get(column).is_some_and(|value| !value.is_empty())
                        && !self.spans_whole_row(values)
                })
        })
    }

    /// Whether one cell covers the whole row: a heading or a remark inside the table.
    fn spans_whole_row(&self, values: &[String]) -> bool {
        values.len() == 1 && self.header.len() > 1
    }

    /// One row as `column：value；column：value`; a value alone in its row without a column name.
    fn row_text(&self, values: &[String]) -> String {
        let alone = self.spans_whole_row(values);
        let labelled =
            self.header.is_empty() && values.first().is_some_and(|first| looks_like_name(first));
        let mut text = String::new();
        for (column, value) in values
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_empty())
        {
            if !text.is_empty() {
                // Without column names, a short first cell is what the row is about.
                text.push(if labelled && !text.contains(['：', '；']) {
                    '：'
                } else {
                    '；'
                });
            }
            match self.header.get(column) {
                Some(name) if !name.is_empty() && !alone => {
                    text.push_str(name);
                    text.push('：');
                }
                _ => {}
            }
            text.push_str(value);
        }
        one_line(&text)
    }
}

/// The tables of a file as one extract; a sheet's name is a heading if there are several sheets.
pub fn extract(tables: &[Table]) -> Extract {
    let mut builder = ExtractBuilder::new();
    for table in tables {
        if tables.len() > 1 {
            builder.push(Role::Heading(1), None, &table.name);
        }
        table.push_to(&mut builder, None);
    }
    if let Some(first) = tables.iter().find_map(|table| table.preamble.first()) {
        builder.title(first);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::super::grid::RawCell;
    use super::*;

    fn row(number: u32, texts: &[&str]) -> RawRow {
        RawRow {
            number,
            cells: texts.iter().map(|&text| RawCell::plain(text)).collect(),
        }
    }

    fn span(text: &str, col_span: usize, row_span: usize) -> RawCell {
        RawCell {
            col_span,
            row_span,
            ..RawCell::plain(text)
        }
    }

    fn lines(rows: &[RawRow]) -> Vec<String> {
        let table = Table::from_rows("", rows, &Limits::default()).unwrap();
        let extract = extract(&[table]);
        extract
            .blocks
            .iter()
            .map(|block| block.span.of(&extract.text).to_owned())
            .collect()
    }

    #[test]
    fn title_rows_stand_before_the_header() {
        let rows = [
            RawRow {
                number: 1,
                cells: vec![span("云溪市低保标准", 3, 1)],
            },
            row(2, &["地区", "城镇", "农村"]),
            row(3, &["东溪区", "1200元", "1000元"]),
        ];
        assert_eq!(
            lines(&rows),
            ["云溪市低保标准", "地区：东溪区；城镇：1200元；农村：1000元"]
        );
    }

    #[test]
    fn merged_cells_are_filled_downwards_and_named_through_two_header_rows() {
        let rows = [
            RawRow {
                number: 1,
                cells: vec![span("险种", 1, 2), span("费率", 2, 1)],
            },
            row(2, &["单位", "个人"]),
            RawRow {
                number: 3,
                cells: vec![
                    span("养老", 1, 2),
                    RawCell::plain("16%"),
                    RawCell::plain("8%"),
                ],
            },
            row(4, &["12%", "0"]),
        ];
        assert_eq!(
            lines(&rows),
            [
                "险种：养老；费率／单位：16%；费率／个人：8%",
                "险种：养老；费率／单位：12%；费率／个人：0"
            ]
        );
    }

    #[test]
    fn a_remark_across_the_table_stands_alone() {
        let remark = RawRow {
            number: 3,
            cells: vec![span("以上为2025年标准", 2, 1)],
        };
        let rows = [
            row(1, &["地区", "标准"]),
            row(2, &["东溪区", "900元"]),
            remark,
        ];
        assert_eq!(
            lines(&rows),
            ["地区：东溪区；标准：900元", "以上为2025年标准"]
        );
    }

    #[test]
    fn names_of_empty_columns_are_kept() {
        let rows = [row(1, &["姓名", "签字"]), row(2, &["张三", ""])];
        assert_eq!(lines(&rows), ["姓名；签字", "姓名：张三"]);
    }

    #[test]
    fn a_table_without_names_keeps_its_values() {
        let rows = [row(1, &["1", "2000元。"]), row(2, &["2", "3000元。"])];
        assert_eq!(lines(&rows), ["1；2000元。", "2；3000元。"]);
    }

    #[test]
    fn a_huge_span_is_refused() {
        let rows = [RawRow {
            number: 1,
            cells: vec![span("a", usize::MAX, 1)],
        }];
        assert!(Table::from_rows("", &rows, &Limits::default()).is_err());
    }
}
