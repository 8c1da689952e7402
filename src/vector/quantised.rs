//! Vectors in one byte per dimension.
//!
//! A stored row is `scale · codes` with codes in −127..=127; a query keeps 16 bits, because it costs
//! nothing and makes the rounding of the row the only one. All products are summed as integers, so
//! a score is the same on every machine, whichever instructions it has.

use super::{VectorError, dot};

pub use crate::embedding::quantised::Quantised;
/// Rounds a vector to one byte per dimension: scale = max|v|/127, code = round(v/scale).
///
/// # Errors
/// [`VectorError::NotFinite`] if a value is NaN or infinite.
pub fn quantise(vector: &[f32]) -> Result<Quantised, VectorError> {
    let scale = largest_magnitude(vector)? / 127.0;
    let codes = if scale.is_normal() {
        vector
            .iter()
            .map(|value| (value / scale).round() as i8)
            .collect()
    } else {
        vec![0; vector.len()].into_boxed_slice()
    };
    let scale = if scale.is_normal() { scale } else { 0.0 };
    Ok(Quantised { codes, scale })
}

/// A query, ready to be compared with rows.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    codes: Box<[i16]>,
    scale: f32,
}

impl Query {
    /// Rounds a query to 16 bits per dimension, or fewer where a sum could leave 32 bits.
    pub(crate) fn new(vector: &[f32]) -> Result<Self, VectorError> {
        let most = (i32::MAX as usize / (127 * vector.len().max(1))).min(i16::MAX as usize);
        let scale = largest_magnitude(vector)? / most as f32;
        if !scale.is_normal() {
            let codes = vec![0; vector.len()].into_boxed_slice();
            return Ok(Self { codes, scale: 0.0 });
        }
        let most = most as f32;
        let round = |value: &f32| (value / scale).round().clamp(-most, most) as i16;
        let codes = vector.iter().map(round).collect();
        Ok(Self { codes, scale })
    }

    /// Whether the query says nothing: no row is nearer to it than another.
    pub(crate) fn is_zero(&self) -> bool {
        self.scale == 0.0
    }

    /// Dot product with a row.
    pub(crate) fn score(&self, row_codes: &[i8], row_scale: f32) -> f32 {
        dot::i16_i8(&self.codes, row_codes) as f32 * row_scale * self.scale
    }
}

/// The largest absolute value, 0 for an empty vector.
fn largest_magnitude(vector: &[f32]) -> Result<f32, VectorError> {
    match vector.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(VectorError::NotFinite { position }),
        None => Ok(vector.iter().fold(0.0, |most, value| value.abs().max(most))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_value_takes_the_largest_code() {
        let quantised = quantise(&[0.5, -1.0, 0.0, 0.004]).unwrap();
        assert_eq!(&*quantised.codes, &[64, -127, 0, 1]);
        assert_eq!(quantised.scale, 1.0 / 127.0);
    }

    #[test]
    fn nothing_becomes_the_zero_vector() {
        for vector in [&[0.0, -0.0][..], &[1e-44, 0.0], &[]] {
            let quantised = quantise(vector).unwrap();
            assert_eq!(quantised.scale, 0.0);
            assert!(quantised.codes.iter().all(|&code| code == 0));
            assert!(Query::new(vector).unwrap().is_zero());
        }
    }

    #[test]
    fn values_that_are_no_numbers_are_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let expected = VectorError::NotFinite { position: 1 };
            assert_eq!(quantise(&[0.0, bad]).unwrap_err(), expected);
            assert_eq!(Query::new(&[0.0, bad]).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_longest_sums_stay_inside_32_bits() {
        for dimension in [1, 256, 517, 1024, 8192] {
            let vector = vec![1.0; dimension];
            let row = quantise(&vector).unwrap();
            let score = Query::new(&vector).unwrap().score(&row.codes, row.scale);
            let expected = dimension as f32;
            assert!(
                (score - expected).abs() < expected * 1e-3,
                "{dimension}: {score}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_score_is_the_dot_product_with_the_rounded_row(
            values in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 1..300),
        ) {
            let (query, row): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            let row = quantise(&row).unwrap();
            let rounded = row.codes.iter().map(|&code| f32::from(code) * row.scale);
            let expected: f32 = rounded.zip(&query).map(|(r, q)| r * q).sum();
            let score = Query::new(&query).unwrap().score(&row.codes, row.scale);
            prop_assert!((score - expected).abs() < 1e-4 * query.len() as f32);
        }
    }
}
