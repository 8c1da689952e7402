//! A table as a file shows it: column names, then rows with their row numbers.
//!
//! Loaders hand over raw rows with their merged cells ([`RawRow`]); here the grid is laid out,
//! title rows and the header are told from the data, and merged cells are filled. Knows nothing
//! of what the columns mean.

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

/// One row as a loader finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRow {
    /// Number in the original, from 1.
    pub number: u32,
    /// Without the places that merged cells of this or earlier rows cover.
    pub cells: Vec<RawCell>,
}

/// One cell as a loader finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawCell {
    /// What it says.
    pub text: String,
    /// Columns that it covers, at least 1.
    pub col_span: usize,
    /// Rows that it covers, at least 1.
    pub row_span: usize,
    /// Whether the format marks it as a column name.
    pub header: bool,
}

impl RawCell {
    /// A cell of its own, not marked as a column name.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            col_span: 1,
            row_span: 1,
            header: false,
        }
    }
}

/// A text longer than this is not repeated in every row that a merged cell covers.
const LONGEST_FILL_CHARS: usize = 100;
/// A column name longer than this is a sentence.
const LONGEST_NAME_CHARS: usize = 40;
/// How many rows from the top a header is looked for.
const HEADER_WITHIN_ROWS: usize = 12;

/// A place in the grid: which cell shows there, and whether the cell begins there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Empty,
    /// Row and cell index of the cell that begins here.
    Origin(usize, usize),
    /// The same for a cell that began in this row, further left.
    Right(usize, usize),
    /// The same for a cell that began in an earlier row.
    Below(usize, usize),
}

impl Place {
    fn cell(self) -> Option<(usize, usize)> {
        match self {
            Place::Empty => None,
            Place::Origin(row, cell) | Place::Right(row, cell) | Place::Below(row, cell) => {
                Some((row, cell))
            }
        }
    }
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

/// `text` on one line: line breaks become a space.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A column name on one line; a line break between Chinese characters is no space.
fn name(text: &str) -> String {
    let mut name = String::new();
    for part in text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        if name.ends_with(|c: char| c.is_ascii()) && part.starts_with(|c: char| c.is_ascii()) {
            name.push(' ');
        }
        name.push_str(part);
    }
    name
}

/// Raw rows laid out in columns.
struct Grid<'r> {
    raw: &'r [RawRow],
    places: Vec<Vec<Place>>,
    n_columns: usize,
}

impl<'r> Grid<'r> {
    fn lay_out(raw: &'r [RawRow], max_cells: usize) -> Result<Self, LoadError> {
        let mut places: Vec<Vec<Place>> = vec![Vec::new(); raw.len()];
        let mut n_cells = 0;
        for (r, row) in raw.iter().enumerate() {
            let mut column = 0;
            for (c, cell) in row.cells.iter().enumerate() {
                while places[r]
                    .get(column)
                    .is_some_and(|&place| place != Place::Empty)
                {
                    column += 1;
                }
                let n_rows = cell.row_span.clamp(1, raw.len() - r);
                let n_columns = cell.col_span.max(1);
                n_cells += n_rows.saturating_mul(n_columns);
                if n_cells > max_cells || column + n_columns > max_cells {
                    return Err(LoadError::Unreadable(format!(
                        "表格过大（超过 {max_cells} 个单元格），请拆分"
                    )));
                }
                for (down, line) in places[r..r + n_rows].iter_mut().enumerate() {
                    if line.len() < column + n_columns {
                        line.resize(column + n_columns, Place::Empty);
                    }
                    for (right, place) in line[column..column + n_columns].iter_mut().enumerate() {
                        *place = match (down, right) {
                            (0, 0) => Place::Origin(r, c),
                            (0, _) => Place::Right(r, c),
                            _ => Place::Below(r, c),
                        };
                    }
                }
                column += n_columns;
            }
        }
        let mut grid = Grid {
            raw,
            places,
            n_columns: 0,
        };
        grid.n_columns = (0..grid.places.len())
            .filter_map(|row| grid.last_column(row))
            .max()
            .map_or(0, |last| last + 1);
        Ok(grid)
    }

    fn text(&self, place: Place) -> &'r str {
        place
            .cell()
            .map_or("", |(row, cell)| self.raw[row].cells[cell].text.trim())
    }

    fn last_column(&self, row: usize) -> Option<usize> {
        self.places[row]
            .iter()
            .rposition(|&place| !self.text(place).is_empty())
    }

    fn is_blank(&self, row: usize) -> bool {
        self.places[row]
            .iter()
            .all(|&place| matches!(place, Place::Below(..)) || self.text(place).is_empty())
    }

    /// The cells with text that show in a row, in order, each once.
    fn distinct(&self, row: usize) -> Vec<(usize, usize)> {
        let mut cells: Vec<(usize, usize)> = Vec::new();
        for place in self.places[row]
            .iter()
            .filter(|&&place| !self.text(place).is_empty())
        {
            if let Some(cell) = place.cell().filter(|cell| !cells.contains(cell)) {
                cells.push(cell);
            }
        }
        cells
    }

    /// The text of a row that says one thing.
    fn only_text(&self, row: usize) -> String {
        let cells = self.distinct(row);
        one_line(
            cells
                .first()
                .map_or("", |&(r, c)| self.raw[r].cells[c].text.trim()),
        )
    }

    /// How many of the first of `rows` hold column names: 0 where the data begin at once.
    fn n_header_rows(&self, rows: &[usize]) -> usize {
        let n_marked = rows.iter().take_while(|&&row| self.is_marked(row)).count();
        let Some(&first) = rows.first() else { return 0 };
        if (1..rows.len()).contains(&n_marked) && n_marked <= HEADER_WITHIN_ROWS {
            return n_marked.max(self.depth_of_header(first, rows));
        }
        let cells = self.distinct(first);
        let names_fit = cells
            .iter()
            .all(|&(r, c)| looks_like_name(&self.raw[r].cells[c].text));
        let n_named = self.places[first]
            .iter()
            .filter(|&&place| !self.text(place).is_empty())
            .count();
        if rows.len() < 2 || cells.len() < 2 || !names_fit || n_named * 2 < self.n_columns {
            return 0;
        }
        self.depth_of_header(first, rows)
    }

    /// A header cell that covers several columns has names of its own below it.
    fn depth_of_header(&self, first: usize, rows: &[usize]) -> usize {
        let cells = &self.raw[first].cells;
        let deepest = cells.iter().map(|cell| cell.row_span).max().unwrap_or(1);
        if deepest < 2 || cells.iter().all(|cell| cell.col_span < 2) {
            return 1;
        }
        rows.iter()
            .take_while(|&&row| row < first + deepest)
            .count()
            .clamp(1, rows.len() - 1)
    }

    /// Whether the format marks every cell with text in the row as a column name.
    fn is_marked(&self, row: usize) -> bool {
        let cells = self.distinct(row);
        !cells.is_empty() && cells.iter().all(|&(r, c)| self.raw[r].cells[c].header)
    }

    /// The name of each column: what the header rows say above it, outermost first.
    fn column_names(&self, header: &[usize]) -> Vec<String> {
        if header.is_empty() {
            return Vec::new();
        }
        (0..self.n_columns)
            .map(|column| {
                let mut cells: Vec<(usize, usize)> = Vec::new();
                let mut parts: Vec<String> = Vec::new();
                for &row in header {
                    let place = self.places[row].get(column).copied().unwrap_or_default();
                    if let Some(cell) = place.cell().filter(|cell| !cells.contains(cell)) {
                        cells.push(cell);
                        parts.push(name(self.text(place)));
                    }
                }
                parts.retain(|part| !part.is_empty());
                parts.join("／")
            })
            .collect()
    }

    /// What a data row says in each column.
    fn values(&self, row: usize) -> Vec<String> {
        let places = &self.places[row];
        if self.n_columns > 1
            && places.len() >= self.n_columns
            && let Place::Origin(r, c) = places[0]
            && places[..self.n_columns]
                .iter()
                .all(|place| place.cell() == Some((r, c)))
        {
            return vec![self.text(places[0]).to_owned()];
        }
        let mut values: Vec<String> = self.places[row]
            .iter()
            .take(self.n_columns)
            .enumerate()
            .map(|(column, &place)| match place {
                Place::Origin(..) => self.text(place).to_owned(),
                Place::Below(r, c) if self.begins_at(r, c, column) && self.is_short(place) => {
                    self.text(place).to_owned()
                }
                _ => String::new(),
            })
            .collect();
        values.resize(self.n_columns, String::new());
        values
    }

    fn begins_at(&self, row: usize, cell: usize, column: usize) -> bool {
        self.places[row].get(column) == Some(&Place::Origin(row, cell))
    }

    fn is_short(&self, place: Place) -> bool {
        self.text(place).chars().count() <= LONGEST_FILL_CHARS
    }
}

/// Whether a cell of the first row can be a column name: short, no sentence, not a number.
fn looks_like_name(text: &str) -> bool {
    let text = text.trim();
    let n_digits = text.chars().filter(|c| c.is_ascii_digit()).count();
    let n_chars = text.chars().count();
    n_chars <= LONGEST_NAME_CHARS && n_digits * 2 <= n_chars && !text.ends_with(['。', '；', ';'])
}

#[cfg(test)]
mod tests {
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
