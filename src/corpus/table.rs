//! A table as a file shows it: column names, then rows with their row numbers.
//!
//! What the loaders of csv, xlsx and xls hand over. Knows nothing of what the columns mean.

/// One sheet of a workbook, or a whole csv file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Name of the sheet; empty for a file that holds one table without a name.
    pub name: String,
    /// Column names, trimmed, in file order; empty where a column has none.
    pub header: Vec<String>,
    /// Row number in the original (from 1, header included) and its cells, in file order.
    ///
    /// A row may be shorter or longer than the header.
    pub rows: Vec<(u32, Vec<String>)>,
}
