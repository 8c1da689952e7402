//! Rows on disk: one append-only file, `rows.bin`.
//!
//! ```text
//! header (64 bytes)  magic 8 · version u32 · dimension u32 · blake3(model id) 32 · checksum 16
//! record             passage u32 · scale f32 · codes i8 × dimension · checksum u32
//! ```
//! Little-endian throughout; a checksum is the start of the blake3 hash of what stands before it in
//! its header or record. An append is on disk when [`VectorStore::append`] returns, but it counts only
//! once the caller has recorded the new number of rows: whatever stands beyond the committed number
//! is the trace of an interrupted run, and opening cuts it off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Graph, PassageSet, Quantised, Rows, VectorError, VectorSnapshot};
use crate::document::PassageNo;

const FILE_NAME: &str = "rows.bin";
const MAGIC: &[u8; 8] = b"ZHIKUVEC";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const CHECKSUM_BYTES: usize = 4;

/// Why a store cannot be opened or written. All but `Io` and `Vector` mean: rebuild it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Not a store, a damaged header, or a format of another version.
    #[error("{}: {what}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Written with another model or dimension.
    #[error("{}: holds vectors of another embedding model", path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
    },
    /// Fewer rows than were committed.
    #[error("{}: holds {found} of {committed} committed rows", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// Whole rows in the file.
        found: u64,
        /// Rows that the caller had recorded.
        committed: u64,
    },
    /// A committed row is not what was written.
    #[error("{}: row {row} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which row, from 0.
        row: u64,
    },
    /// A passage number that the store holds already.
    #[error("passage {passage} has a vector already")]
    Duplicate {
        /// The number.
        passage: PassageNo,
    },
    /// A vector that does not fit.
    #[error("passage {passage}: {source}")]
    Vector {
        /// Whose vector it is.
        passage: PassageNo,
        /// What is wrong with it.
        source: VectorError,
    },
}

/// The rows of one index folder, on disk and in memory, with the graph over them.
///
/// One writer; readers take a [`VectorSnapshot`].
#[derive(Debug)]
pub struct VectorStore {
    path: PathBuf,
    file: File,
    model: [u8; 32],
    rows: Rows,
    stored: PassageSet,
    graph: Option<Arc<Graph>>,
}

impl VectorStore {
    /// Opens the store in `folder`, or starts one there if nothing was ever committed.
    ///
    /// Exactly `committed_rows` rows are read and checked; anything behind them is cut off.
    ///
    /// # Errors
    /// [`StoreError::Io`]; every other error says that the folder does not hold the committed rows
    /// of this model, and [`VectorStore::create`] starts afresh.
    pub fn open(
        folder: &Path,
        dimension: usize,
        model_id: &str,
        committed_rows: u64,
    ) -> Result<Self, StoreError> {
        if committed_rows == 0 {
            return Self::create(folder, dimension, model_id);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let store = Self::open_with(&options, folder, dimension, model_id, committed_rows)?;
        let n_bytes = store.file.metadata().map_err(io_error(&store.path))?.len();
        let end = HEADER_BYTES as u64 + committed_rows * record_bytes(dimension) as u64;
        if n_bytes > end {
            store.file.set_len(end).map_err(io_error(&store.path))?;
        }
        Ok(store)
    }

    /// Opens the store in `folder` for snapshots alone, beside a process that may be appending to
    /// it. Changes nothing on disk; an append to it fails.
    ///
    /// # Errors
    /// As [`VectorStore::open`].
    pub fn open_read_only(
        folder: &Path,
        dimension: usize,
        model_id: &str,
        committed_rows: u64,
    ) -> Result<Self, StoreError> {
        let options = OpenOptions::new().read(true).to_owned();
        Self::open_with(&options, folder, dimension, model_id, committed_rows)
    }

    fn open_with(
        options: &OpenOptions,
        folder: &Path,
        dimension: usize,
        model_id: &str,
        committed_rows: u64,
    ) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        let file = options.open(&path).map_err(io_error(&path))?;
        let model = model_hash(model_id);
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        read_header(&path, &mut reader, dimension, &model)?;

        let n_bytes = file.metadata().map_err(io_error(&path))?.len();
        let found = n_bytes.saturating_sub(HEADER_BYTES as u64) / record_bytes(dimension) as u64;
        if found < committed_rows {
            return Err(StoreError::Short {
                path,
                found,
                committed: committed_rows,
            });
        }
        let (rows, stored) = read_rows(&path, &mut reader, dimension, committed_rows)?;
        Ok(Self {
            path,
            file,
            model,
            rows,
            stored,
            graph: None,
        })
    }

    /// Starts an empty store in `folder`, which is made if it is missing; an old store is emptied.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn create(folder: &Path, dimension: usize, model_id: &str) -> Result<Self, StoreError> {
        Self::create_for(folder, dimension, model_hash(model_id))
    }

    fn create_for(folder: &Path, dimension: usize, model: [u8; 32]) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(io_error(folder))?;
        let path = folder.join(FILE_NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open(&path).map_err(io_error(&path))?;
        file.write_all(&header(dimension, &model))
            .map_err(io_error(&path))?;
        file.sync_all().map_err(io_error(&path))?;
        sync_folder(folder).map_err(io_error(folder))?;
        Ok(Self {
            path,
            file,
            model,
            rows: Rows::new(dimension),
            stored: PassageSet::new(),
            graph: None,
        })
    }

    /// Adds rows and returns how many there are now; on disk when it returns.
    ///
    /// Every vector is checked before the first is written. A failed write leaves the store as it
    /// was: the next append overwrites what it left behind.
    ///
    /// # Errors
    /// [`StoreError::Vector`], [`StoreError::Duplicate`] and [`StoreError::Io`].
    pub fn append(&mut self, added: &[(PassageNo, Quantised)]) -> Result<u64, StoreError> {
        let mut new = PassageSet::new();
        for (passage, vector) in added {
            self.check(*passage, vector)?;
            if self.stored.contains(*passage) || !new.insert(*passage) {
                return Err(StoreError::Duplicate { passage: *passage });
            }
        }
        if added.is_empty() {
            return Ok(self.n_rows());
        }
        let record_bytes = record_bytes(self.rows.dimension());
        let mut bytes = Vec::with_capacity(added.len() * record_bytes);
        for (passage, vector) in added {
            write_record(&mut bytes, *passage, vector);
        }
        let end = HEADER_BYTES as u64 + self.n_rows() * record_bytes as u64;
        self.write_at(end, &bytes).map_err(io_error(&self.path))?;

        for (passage, vector) in added {
            self.rows.push(*passage, vector);
        }
        self.stored.union_with(&new);
        Ok(self.n_rows())
    }

    fn check(&self, passage: PassageNo, vector: &Quantised) -> Result<(), StoreError> {
        let (expected, given) = (self.rows.dimension(), vector.codes.len());
        let problem = if given != expected {
            Some(VectorError::Dimension { expected, given })
        } else if !vector.scale.is_finite() || vector.scale < 0.0 {
            Some(VectorError::Scale)
        } else {
            None
        };
        match problem {
            Some(source) => Err(StoreError::Vector { passage, source }),
            None => Ok(()),
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }

    /// How many rows there are, those of passages no longer alive included.
    pub fn n_rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The rows, as they are now.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The passages that have a row.
    pub fn passages(&self) -> &PassageSet {
        &self.stored
    }

    /// The graph that new snapshots use.
    pub fn graph(&self) -> Option<&Arc<Graph>> {
        self.graph.as_ref()
    }

    /// Gives new snapshots a graph over the first rows of this store, or none.
    pub fn set_graph(&mut self, graph: Option<Arc<Graph>>) {
        self.graph = graph;
    }

    /// The store as it is now, with the passages in `alive` as candidates.
    pub fn snapshot(&self, alive: PassageSet) -> VectorSnapshot {
        VectorSnapshot::new(self.rows.clone(), self.graph.clone(), alive)
    }

    /// The rows as they are now, to be copied while this store goes on.
    pub fn freeze(&self) -> Frozen {
        Frozen {
            rows: self.rows.clone(),
            model: self.model,
        }
    }
}

/// The rows of a store at one moment.
#[derive(Clone, Debug)]
pub struct Frozen {
    rows: Rows,
    model: [u8; 32],
}

impl Frozen {
    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// Writes the rows of the passages in `alive`, in the same order, as a new store in `folder`.
    ///
    /// The old one stays as it is until the caller has recorded that the new one counts.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn compact_into(
        &self,
        folder: &Path,
        alive: &PassageSet,
    ) -> Result<VectorStore, StoreError> {
        let mut compacted = VectorStore::create_for(folder, self.rows.dimension(), self.model)?;
        let mut batch = Vec::new();
        for (_, row) in self.rows.iter_from(0) {
            if alive.contains(row.passage) {
                let vector = Quantised {
                    codes: row.codes.into(),
                    scale: row.scale,
                };
                batch.push((row.passage, vector));
            }
            if batch.len() == COMPACTION_BATCH {
                compacted.append(&batch)?;
                batch.clear();
            }
        }
        compacted.append(&batch)?;
        Ok(compacted)
    }
}

/// Rows that a compaction writes at a time.
const COMPACTION_BATCH: usize = 10_000;

fn record_bytes(dimension: usize) -> usize {
    4 + 4 + dimension + CHECKSUM_BYTES
}

fn model_hash(model_id: &str) -> [u8; 32] {
    *blake3::hash(model_id.as_bytes()).as_bytes()
}

fn header(dimension: usize, model: &[u8; 32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(dimension as u32).to_le_bytes());
    bytes.extend_from_slice(model);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(&checksum.as_bytes()[..HEADER_BYTES - bytes.len()]);
    bytes
}

fn read_header(
    path: &Path,
    reader: &mut impl Read,
    dimension: usize,
    model: &[u8; 32],
) -> Result<(), StoreError> {
    let wrong = |what| StoreError::Header {
        path: path.to_owned(),
        what,
    };
    let mut bytes = [0; HEADER_BYTES];
    match reader.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(wrong("too short for a header"));
        }
        other => other.map_err(io_error(path))?,
    }
    let (stated, checksum) = bytes.split_at(48);
    if &stated[..8] != MAGIC {
        return Err(wrong("not a file of vectors"));
    }
    if stated[8..12] != VERSION.to_le_bytes() {
        return Err(wrong("written by another version"));
    }
    if &blake3::hash(stated).as_bytes()[..checksum.len()] != checksum {
        return Err(wrong("the header is damaged"));
    }
    if bytes[..] != header(dimension, model)[..] {
        return Err(StoreError::OtherModel {
            path: path.to_owned(),
        });
    }
    Ok(())
}

fn write_record(bytes: &mut Vec<u8>, passage: PassageNo, vector: &Quantised) {
    let start = bytes.len();
    bytes.extend_from_slice(&passage.to_le_bytes());
    bytes.extend_from_slice(&vector.scale.to_le_bytes());
    bytes.extend(vector.codes.iter().map(|&code| code as u8));
    let checksum = blake3::hash(&bytes[start..]);
    bytes.extend_from_slice(&checksum.as_bytes()[..CHECKSUM_BYTES]);
}

fn read_rows(
    path: &Path,
    reader: &mut impl Read,
    dimension: usize,
    n_rows: u64,
) -> Result<(Rows, PassageSet), StoreError> {
    let mut rows = Rows::new(dimension);
    let mut stored = PassageSet::new();
    let mut record = vec![0; record_bytes(dimension)];
    let mut vector = Quantised {
        codes: vec![0; dimension].into(),
        scale: 0.0,
    };
    for row in 0..n_rows {
        reader.read_exact(&mut record).map_err(io_error(path))?;
        let (stated, checksum) = record.split_at(record.len() - CHECKSUM_BYTES);
        if &blake3::hash(stated).as_bytes()[..CHECKSUM_BYTES] != checksum {
            return Err(StoreError::Damaged {
                path: path.to_owned(),
                row,
            });
        }
        let passage = u32::from_le_bytes([stated[0], stated[1], stated[2], stated[3]]);
        vector.scale = f32::from_le_bytes([stated[4], stated[5], stated[6], stated[7]]);
        for (code, &byte) in vector.codes.iter_mut().zip(&stated[8..]) {
            *code = byte as i8;
        }
        rows.push(passage, &vector);
        stored.insert(passage);
    }
    Ok((rows, stored))
}

/// Makes a file's creation or renaming in `folder` last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::Io {
        path: path.to_owned(),
        source,
    }
}
