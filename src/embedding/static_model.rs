//! The file of a static model: one vector of i8 codes per row, a row per word, character or pair
//! of characters.
//!
//! Reads and writes bytes and looks rows up. Knows neither how text becomes words (see
//! [`super::built_in`]) nor how rows are trained.
//!
//! Layout, little-endian: magic `zkmodel1`; blake3 checksum of all that follows (32 bytes); `u32`
//! dimension, rows, longest part, bytes of vocabulary; `f32` repetition; `f32` scale per row;
//! `u32` end of each row's token in the vocabulary; the vocabulary, UTF-8, tokens in ascending
//! order of bytes; `i8` codes, row by row.

use std::borrow::Cow;

use super::EmbeddingError;
use super::quantised::quantise;

const MAGIC: &[u8; 8] = b"zkmodel1";
const CHECKSUM_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + CHECKSUM_BYTES + 5 * 4;

/// How a text's rows are chosen and weighed; part of the model file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooling {
    /// Longest part of a longer word that has a row of its own, in characters: 1 or 2.
    pub longest_part: usize,
    /// A row that stands in the text `n` times weighs `n` to the power of this.
    pub repetition: f32,
}

/// A model in memory; the codes stay in the bytes that were given.
pub struct StaticModel {
    bytes: Cow<'static, [u8]>,
    id: String,
    dimension: usize,
    pooling: Pooling,
    scales: Vec<f32>,
    token_ends: Vec<u32>,
    vocabulary_start: usize,
    codes_start: usize,
    slots: Vec<u32>,
}

impl StaticModel {
    /// Reads a model file. Bytes that live for the whole program are not copied.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the bytes are no whole, undamaged model file.
    pub fn read(bytes: Cow<'static, [u8]>) -> Result<Self, EmbeddingError> {
        let header = Header::read(&bytes)?;
        let scales = words(&bytes[HEADER_BYTES..][..header.n_rows * 4])
            .map(f32::from_bits)
            .collect();
        let token_ends: Vec<u32> =
            words(&bytes[HEADER_BYTES + header.n_rows * 4..][..header.n_rows * 4]).collect();
        let vocabulary_start = HEADER_BYTES + header.n_rows * 8;
        let codes_start = vocabulary_start + header.n_vocabulary_bytes;
        check_tokens(&bytes[vocabulary_start..codes_start], &token_ends)?;
        let checksum = &bytes[MAGIC.len()..][..CHECKSUM_BYTES];
        let id = format!(
            "static-{}",
            checksum[..8]
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect::<String>()
        );
        let mut model = Self {
            id,
            dimension: header.dimension,
            pooling: header.pooling,
            scales,
            token_ends,
            vocabulary_start,
            codes_start,
            slots: Vec::new(),
            bytes,
        };
        model.fill_slots();
        Ok(model)
    }

    /// The bytes of a model file. `rows` come in ascending order of their tokens.
    pub fn write(dimension: usize, pooling: Pooling, tokens: &[&str], rows: &[f32]) -> Vec<u8> {
        debug_assert!(tokens.is_sorted() && rows.len() == tokens.len() * dimension);
        let mut body = Vec::new();
        let n_vocabulary_bytes: usize = tokens.iter().map(|token| token.len()).sum();
        for number in [
            dimension,
            tokens.len(),
            pooling.longest_part,
            n_vocabulary_bytes,
        ] {
            body.extend((number as u32).to_le_bytes());
        }
        body.extend(pooling.repetition.to_le_bytes());
        let rows: Vec<_> = rows.chunks_exact(dimension).map(quantise).collect();
        for row in &rows {
            body.extend(row.scale.to_le_bytes());
        }
        let mut end = 0u32;
        for token in tokens {
            end += token.len() as u32;
            body.extend(end.to_le_bytes());
        }
        for token in tokens {
            body.extend(token.as_bytes());
        }
        for row in &rows {
            body.extend(row.codes.iter().map(|&code| code as u8));
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(blake3::hash(&body).as_bytes());
        bytes.extend(body);
        bytes
    }

    /// Names the weights: `static-` and the first 16 hexadecimal digits of the checksum.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Length of every row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.scales.len()
    }

    /// How a text's rows are chosen and weighed.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// The token of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn token(&self, row: u32) -> &str {
        let row = row as usize;
        let start = if row == 0 {
            0
        } else {
            self.token_ends[row - 1]
        } as usize;
        let vocabulary = &self.bytes[self.vocabulary_start..self.codes_start];
        // `check_tokens` has seen that every token is UTF-8.
        std::str::from_utf8(&vocabulary[start..self.token_ends[row] as usize]).unwrap_or_default()
    }

    /// The row of a token.
    pub fn row(&self, token: &str) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(token) & mask;
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                row if self.token(row) == token => return Some(row),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// `sum += weight · row`.
    ///
    /// # Panics
    /// If there is no such row or `sum` is shorter than the dimension.
    pub fn add_row(&self, row: u32, weight: f32, sum: &mut [f32]) {
        let weight = weight * self.scales[row as usize];
        let codes =
            &self.bytes[self.codes_start + row as usize * self.dimension..][..self.dimension];
        for (sum, &code) in sum[..self.dimension].iter_mut().zip(codes) {
            *sum += weight * f32::from(code as i8);
        }
    }

    /// Fills the open-addressing table that [`Self::row`] looks into; at most half of it is used.
    fn fill_slots(&mut self) {
        let mask = (self.n_rows() * 2 + 1).next_power_of_two() - 1;
        let mut slots = vec![EMPTY; mask + 1];
        for row in 0..self.n_rows() as u32 {
            let mut slot = hash(self.token(row)) & mask;
            while slots[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            slots[slot] = row;
        }
        self.slots = slots;
    }
}

const EMPTY: u32 = u32::MAX;

/// FNV-1a, folded: tokens are a few bytes long.
fn hash(token: &str) -> usize {
    let hash = token.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 29)) as usize
}

struct Header {
    dimension: usize,
    n_rows: usize,
    n_vocabulary_bytes: usize,
    pooling: Pooling,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, EmbeddingError> {
        if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
            return Err(damaged("it does not begin like one (zkmodel1)"));
        }
        let body = &bytes[MAGIC.len() + CHECKSUM_BYTES..];
        if blake3::hash(body).as_bytes()[..] != bytes[MAGIC.len()..][..CHECKSUM_BYTES] {
            return Err(damaged(
                "its checksum does not match; it was cut off or changed",
            ));
        }
        let mut numbers = words(body);
        let mut next = || numbers.next().unwrap_or(0);
        let [dimension, n_rows, longest_part, n_vocabulary_bytes] =
            std::array::from_fn(|_| next() as usize);
        let repetition = f32::from_bits(next());
        let expected = n_rows
            .checked_mul(dimension + 8)
            .and_then(|n| n.checked_add(n_vocabulary_bytes + HEADER_BYTES));
        if dimension == 0 || expected != Some(bytes.len()) {
            return Err(damaged("its length does not fit its header"));
        }
        if !(1..=2).contains(&longest_part) || !(0.0..=1.0).contains(&repetition) {
            return Err(damaged(
                "its header asks for a way of pooling that this version does not know",
            ));
        }
        Ok(Self {
            dimension,
            n_rows,
            n_vocabulary_bytes,
            pooling: Pooling {
                longest_part,
                repetition,
            },
        })
    }
}

/// The little-endian numbers that the bytes begin with.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&word| u32::from_le_bytes(word))
}

fn check_tokens(vocabulary: &[u8], ends: &[u32]) -> Result<(), EmbeddingError> {
    let text =
        std::str::from_utf8(vocabulary).map_err(|_| damaged("its vocabulary is not UTF-8"))?;
    let whole = ends.last().map_or(0, |&end| end as usize) == vocabulary.len();
    if !whole || !ends.is_sorted() || !ends.iter().all(|&end| text.is_char_boundary(end as usize)) {
        return Err(damaged("its vocabulary does not fit its rows"));
    }
    Ok(())
}

fn damaged(why: &str) -> EmbeddingError {
    EmbeddingError::Model(format!("this is no usable model file: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOLING: Pooling = Pooling {
        longest_part: 2,
        repetition: 0.5,
    };

    fn sample() -> Vec<u8> {
        StaticModel::write(
            2,
            POOLING,
            &["a", "社", "社保"],
            &[1.27, 0.0, -1.27, 0.635, 0.0, 0.0],
        )
    }

    #[test]
    fn what_was_written_is_read() {
        let model = StaticModel::read(sample().into()).unwrap();
        assert_eq!(
            (model.dimension(), model.n_rows(), model.pooling()),
            (2, 3, POOLING)
        );
        assert_eq!(
            (model.row("社"), model.row("保"), model.token(2)),
            (Some(1), None, "社保")
        );
        let mut sum = [1.0, 0.0];
        model.add_row(1, 2.0, &mut sum);
        assert!(
            (sum[0] + 1.54).abs() < 1e-5 && (sum[1] - 1.28).abs() < 1e-5,
            "{sum:?}"
        );
    }

    #[test]
    fn every_damaged_byte_and_every_cut_is_noticed() {
        let bytes = sample();
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            assert!(
                StaticModel::read(damaged.into()).is_err(),
                "byte {i} changed unnoticed"
            );
            assert!(
                StaticModel::read(bytes[..i].to_vec().into()).is_err(),
                "cut at {i} unnoticed"
            );
        }
    }

    #[test]
    fn a_wrong_header_under_a_right_checksum_is_refused() {
        for (at, number) in [
            (0, 0u32),
            (4, u32::MAX),
            (8, 3),
            (12, 1),
            (16, f32::NAN.to_bits()),
        ] {
            let mut body = sample()[MAGIC.len() + CHECKSUM_BYTES..].to_vec();
            body[at..at + 4].copy_from_slice(&number.to_le_bytes());
            let bytes = [&MAGIC[..], blake3::hash(&body).as_bytes(), &body].concat();
            assert!(StaticModel::read(bytes.into()).is_err(), "{number} at {at}");
        }
    }

    #[test]
    fn an_empty_model_knows_no_token() {
        let model = StaticModel::read(StaticModel::write(4, POOLING, &[], &[]).into()).unwrap();
        assert_eq!((model.n_rows(), model.row("社")), (0, None));
    }
}
