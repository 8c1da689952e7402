//! The graph on disk: its arrays, one after another.
//!
//! ```text
//! magic 8 · version u32 · fingerprint 32 · n_rows u32 · entry u32 · n_layers u32
//! then per list: length u32 · numbers u32 …  (node_rows, base, and nodes + neighbours per layer)
//! then blake3 of all that, 32
//! ```
//! Little-endian. A file is written beside its place and renamed into it, so a reader finds the old
//! graph or the new one. Nothing in a file is believed before its hash and its ranges are checked.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::graph::{Graph, GraphError, Layer, Lists};
use super::rows::Rows;
use super::store::sync_folder;

const MAGIC: &[u8; 8] = b"ZHIKUHNS";
const VERSION: u32 = 1;
const HASH_BYTES: usize = 32;

impl Graph {
    /// Writes the graph to `path`; on disk when it returns, and never half there.
    ///
    /// # Errors
    /// [`GraphError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), GraphError> {
        let bytes = self.to_bytes();
        let temporary = path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            path.parent().map_or(Ok(()), sync_folder)
        };
        write().map_err(|source| GraphError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Reads a graph that was saved for the first of these rows; there may be more by now.
    ///
    /// # Errors
    /// [`GraphError::Io`], [`GraphError::Damaged`], and [`GraphError::OtherRows`] if the rows are
    /// not those that the graph was built over.
    pub fn load(path: &Path, rows: &Rows) -> Result<Graph, GraphError> {
        let bytes = fs::read(path);
        let bytes = bytes.map_err(|source| GraphError::Io {
            path: path.to_owned(),
            source,
        })?;
        let damaged = |what| GraphError::Damaged {
            path: path.to_owned(),
            what,
        };
        let graph = Graph::from_bytes(&bytes).map_err(damaged)?;
        if graph.n_rows > rows.len() || graph.fingerprint != rows.fingerprint(graph.n_rows) {
            return Err(GraphError::OtherRows {
                path: path.to_owned(),
            });
        }
        Ok(graph)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.n_bytes() + 1024);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        for number in [self.n_rows as u32, self.entry, self.upper.len() as u32] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let mut write = |numbers: &[u32]| {
            bytes.extend_from_slice(&(numbers.len() as u32).to_le_bytes());
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        };
        for lists in [&self.node_rows, &self.base] {
            write(&lists.starts);
            write(&lists.items);
        }
        for layer in &self.upper {
            write(&layer.nodes);
            write(&layer.neighbours.starts);
            write(&layer.neighbours.items);
        }
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Graph, &'static str> {
        let n_stated = bytes.len().checked_sub(HASH_BYTES).ok_or("too short")?;
        let (stated, hash) = bytes.split_at(n_stated);
        let mut reader = Reader(stated);
        if reader.bytes(8)? != MAGIC {
            return Err("not a vector graph");
        }
        if reader.number()? != VERSION {
            return Err("written by another version");
        }
        if blake3::hash(stated).as_bytes() != hash {
            return Err("damaged");
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(reader.bytes(32)?);
        let (n_rows, entry, n_layers) = (reader.number()?, reader.number()?, reader.number()?);
        let node_rows = reader.lists()?;
        let base = reader.lists()?;
        let upper = (0..n_layers)
            .map(|_| reader.layer())
            .collect::<Result<_, _>>()?;
        let n_rows = n_rows as usize;
        let graph = Graph {
            n_rows,
            fingerprint,
            node_rows,
            base,
            upper,
            entry,
        };
        match graph.is_sound() && reader.0.is_empty() {
            true => Ok(graph),
            false => Err("its numbers contradict each other"),
        }
    }

    /// Whether every number stays inside what it points into.
    fn is_sound(&self) -> bool {
        let n_nodes = self.base.len();
        let are_nodes = |nodes: &[u32]| nodes.iter().all(|&node| (node as usize) < n_nodes);
        let is_layer = |layer: &Layer| {
            layer.nodes.len() == layer.neighbours.len()
                && layer.nodes.is_sorted()
                && are_nodes(&layer.nodes)
                && are_nodes(&layer.neighbours.items)
        };
        self.node_rows.len() == n_nodes
            && (0..n_nodes).all(|node| !self.node_rows.get(node).is_empty())
            && self
                .node_rows
                .items
                .iter()
                .all(|&row| (row as usize) < self.n_rows)
            && are_nodes(&self.base.items)
            && (n_nodes == 0 || are_nodes(&[self.entry]))
            && self.upper.iter().all(is_layer)
    }
}

/// What is left to read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, n_bytes: usize) -> Result<&'b [u8], &'static str> {
        let (taken, left) = self.0.split_at_checked(n_bytes).ok_or("ends too early")?;
        self.0 = left;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, &'static str> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn numbers(&mut self) -> Result<Vec<u32>, &'static str> {
        let n_numbers = self.number()? as usize;
        let bytes = self.bytes(n_numbers * 4)?.chunks_exact(4);
        Ok(bytes
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect())
    }

    fn lists(&mut self) -> Result<Lists, &'static str> {
        let lists = Lists {
            starts: self.numbers()?,
            items: self.numbers()?,
        };
        let is_whole = lists.starts.first() == Some(&0)
            && lists.starts.is_sorted()
            && lists.starts.last() == Some(&(lists.items.len() as u32));
        is_whole
            .then_some(lists)
            .ok_or("its lists do not fit together")
    }

    fn layer(&mut self) -> Result<Layer, &'static str> {
        Ok(Layer {
            nodes: self.numbers()?,
            neighbours: self.lists()?,
        })
    }
}
