//! The rows of a store in memory: passage number, scale and codes.
//!
//! Rows are only ever added. They lie in chunks that snapshots share, so a clone costs one pointer
//! per chunk, and adding a row under a living snapshot copies at most one chunk.

use std::sync::Arc;

use super::Quantised;
use crate::document::PassageNo;

/// Rows in a chunk: 256 KB of codes at 256 dimensions, which is what an append may have to copy.
const CHUNK_ROWS: usize = 1024;

/// An append-only list of rows of one dimension; a clone is a snapshot.
#[derive(Clone, Debug)]
pub struct Rows {
    dimension: usize,
    n_rows: usize,
    chunks: Vec<Arc<Chunk>>,
}

#[derive(Debug)]
struct Chunk {
    dimension: usize,
    passages: Vec<PassageNo>,
    scales: Vec<f32>,
    codes: Vec<i8>,
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'r> {
    /// Whose vector it is.
    pub passage: PassageNo,
    /// What one step of a code is worth; 0 for the zero vector.
    pub scale: f32,
    /// One code per dimension.
    pub codes: &'r [i8],
}

impl Rows {
    /// No rows yet, of `dimension` values each.
    pub fn new(dimension: usize) -> Self {
        Self {
            dimension,
            n_rows: 0,
            chunks: Vec::new(),
        }
    }

    /// Values in a row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.n_rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n_rows == 0
    }

    /// Adds a row whose length the store has checked.
    pub(super) fn push(&mut self, passage: PassageNo, vector: &Quantised) {
        debug_assert_eq!(vector.codes.len(), self.dimension);
        if self.n_rows.is_multiple_of(CHUNK_ROWS) {
            self.chunks.push(Arc::new(Chunk::new(self.dimension)));
        }
        if let Some(last) = self.chunks.last_mut() {
            let chunk = Arc::make_mut(last);
            chunk.passages.push(passage);
            chunk.scales.push(vector.scale);
            chunk.codes.extend_from_slice(&vector.codes);
            self.n_rows += 1;
        }
    }

    /// The row at `at`, counted from 0 in order of arrival.
    ///
    /// # Panics
    /// If `at` is not below [`Rows::len`].
    pub fn row(&self, at: usize) -> Row<'_> {
        let chunk = &self.chunks[at / CHUNK_ROWS];
        let at = at % CHUNK_ROWS;
        Row {
            passage: chunk.passages[at],
            scale: chunk.scales[at],
            codes: &chunk.codes[at * self.dimension..(at + 1) * self.dimension],
        }
    }

    /// The rows from `start` on, with their places.
    pub fn iter_from(&self, start: usize) -> impl Iterator<Item = (usize, Row<'_>)> {
        (start..self.n_rows).map(|at| (at, self.row(at)))
    }

    /// What the first `n_rows` rows hold, in 32 bytes: tells whether a saved graph fits them.
    ///
    /// # Panics
    /// If there are fewer rows.
    pub fn fingerprint(&self, n_rows: usize) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.dimension as u64).to_le_bytes());
        let mut bytes = Vec::with_capacity(CHUNK_ROWS * (self.dimension + 8));
        for at in 0..n_rows {
            let row = self.row(at);
            bytes.extend_from_slice(&row.passage.to_le_bytes());
            bytes.extend_from_slice(&row.scale.to_le_bytes());
            bytes.extend(row.codes.iter().map(|&code| code as u8));
            if (at + 1) % CHUNK_ROWS == 0 {
                hasher.update(&bytes);
                bytes.clear();
            }
        }
        hasher.update(&bytes);
        *hasher.finalize().as_bytes()
    }
}

/// A copy has room for a whole chunk again.
impl Clone for Chunk {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.dimension);
        copy.passages.extend_from_slice(&self.passages);
        copy.scales.extend_from_slice(&self.scales);
        copy.codes.extend_from_slice(&self.codes);
        copy
    }
}

impl Chunk {
    fn new(dimension: usize) -> Self {
        Self {
            dimension,
            passages: Vec::with_capacity(CHUNK_ROWS),
            scales: Vec::with_capacity(CHUNK_ROWS),
            codes: Vec::with_capacity(CHUNK_ROWS * dimension),
        }
    }
}
