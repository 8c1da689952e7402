//! Raw rows with merged cells → a grid, with its title rows and header told from the data.

use super::LoadError;

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

/// Raw rows laid out in columns.
pub(super) struct Grid<'r> {
    raw: &'r [RawRow],
    places: Vec<Vec<Place>>,
    pub(super) n_columns: usize,
}

impl<'r> Grid<'r> {
    pub(super) fn lay_out(raw: &'r [RawRow], max_cells: usize) -> Result<Self, LoadError> {
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

    pub(super) fn is_blank(&self, row: usize) -> bool {
        self.places[row]
            .iter()
            .all(|&place| matches!(place, Place::Below(..)) || self.text(place).is_empty())
    }

    /// The cells with text that show in a row, in order, each once.
    pub(super) fn distinct(&self, row: usize) -> Vec<(usize, usize)> {
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
    pub(super) fn only_text(&self, row: usize) -> String {
        let cells = self.distinct(row);
        one_line(
            cells
                .first()
                .map_or("", |&(r, c)| self.raw[r].cells[c].text.trim()),
        )
    }

    /// How many of the first of `rows` hold column names: 0 where the data begin at once.
    pub(super) fn n_header_rows(&self, rows: &[usize]) -> usize {
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
    pub(super) fn column_names(&self, header: &[usize]) -> Vec<String> {
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
    pub(super) fn values(&self, row: usize) -> Vec<String> {
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
pub(super) fn looks_like_name(text: &str) -> bool {
    let text = text.trim();
    let n_digits = text.chars().filter(|c| c.is_ascii_digit()).count();
    let n_chars = text.chars().count();
    n_chars <= LONGEST_NAME_CHARS && n_digits * 2 <= n_chars && !text.ends_with(['。', '；', ';'])
}

/// `text` on one line: line breaks become a space.
pub(super) fn one_line(text: &str) -> String {
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
