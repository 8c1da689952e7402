//! What a search reads of every passage of a segment, unpacked once per segment.
//!
//! Segments never change but in what is deleted, so unpacked columns are shared by all snapshots
//! that hold the segment.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::index::SegmentId;
use tantivy::{DocId, SegmentReader};

use crate::document::PassageNo;

use super::LexicalError;
use super::schema::{Fields, column};
use super::sounds::read_pairs;
use crate::text::sound::PairTable;

/// Stands where a tantivy document is no passage but a document's record.
pub const NO_PASSAGE: PassageNo = PassageNo::MAX;

/// Columns of one segment, by tantivy document.
#[derive(Debug)]
pub struct SegmentColumns {
    /// The passage's number, or [`NO_PASSAGE`].
    pub passage_no: Vec<PassageNo>,
    /// The number of the document's first passage.
    pub first_passage_no: Vec<PassageNo>,
    /// How many terms the passage has, as tantivy's one-byte approximation.
    pub length_id: Vec<u8>,
    /// Pairs of neighbouring characters, by how they sound.
    pub pairs: Arc<PairTable>,
}

impl SegmentColumns {
    fn read(segment: &SegmentReader, fields: &Fields) -> Result<Self, LexicalError> {
        let numbers = |name: &str| -> Result<Vec<PassageNo>, LexicalError> {
            let column = segment.fast_fields().u64(name)?;
            let number = |doc: DocId| {
                column
                    .first(doc)
                    .and_then(|no| PassageNo::try_from(no).ok())
            };
            Ok((0..segment.max_doc())
                .map(|doc| number(doc).unwrap_or(NO_PASSAGE))
                .collect())
        };
        let lengths = segment.get_fieldnorms_reader(fields.terms)?;
        Ok(Self {
            passage_no: numbers(column::PASSAGE_NO)?,
            first_passage_no: numbers(column::FIRST_PASSAGE_NO)?,
            length_id: (0..segment.max_doc())
                .map(|doc| lengths.fieldnorm_id(doc))
                .collect(),
            pairs: Arc::new(read_pairs(segment, fields)?),
        })
    }
}

/// Columns of the segments that some snapshot holds.
#[derive(Debug, Default)]
pub struct ColumnCache {
    by_segment: HashMap<SegmentId, Arc<SegmentColumns>>,
}

impl ColumnCache {
    /// The columns of `segments`, in order; forgets those of all others.
    pub fn of(
        &mut self,
        segments: &[SegmentReader],
        fields: &Fields,
    ) -> Result<Vec<Arc<SegmentColumns>>, LexicalError> {
        let mut kept = HashMap::new();
        let mut columns = Vec::with_capacity(segments.len());
        for segment in segments {
            let id = segment.segment_id();
            let known = self.by_segment.get(&id).map(Arc::clone);
            let read = match known {
                Some(known) => known,
                None => Arc::new(SegmentColumns::read(segment, fields)?),
            };
            kept.insert(id, Arc::clone(&read));
            columns.push(read);
        }
        self.by_segment = kept;
        Ok(columns)
    }
}
