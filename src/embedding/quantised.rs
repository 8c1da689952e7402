//! Vectors as one byte an element: what the cache, the index and the built-in model store.

/// A vector as codes and one scale: element `i` is `codes[i] · scale`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantised {
    /// `round(v / scale)`, between −127 and 127.
    pub codes: Box<[i8]>,
    /// `max |v| / 127`; 0 for a vector of zeros.
    pub scale: f32,
}

/// The nearest codes to `vector`; each element is off by at most half the scale.
///
/// An element that is not a number becomes 0, an infinite one makes the whole vector 0: neither
/// can be compared with anything.
pub fn quantise(vector: &[f32]) -> Quantised {
    let largest = vector.iter().fold(0f32, |largest, v| largest.max(v.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return Quantised {
            codes: vec![0; vector.len()].into(),
            scale: 0.0,
        };
    }
    // Dividing tiny numbers could give a scale of 0; such a vector counts as zeros too.
    let scale = largest / 127.0;
    if scale == 0.0 {
        return Quantised {
            codes: vec![0; vector.len()].into(),
            scale,
        };
    }
    let codes = vector
        .iter()
        .map(|v| (v / scale).round().clamp(-127.0, 127.0) as i8)
        .collect();
    Quantised { codes, scale }
}

impl Quantised {
    /// The vector that the codes stand for.
    pub fn to_vector(&self) -> Vec<f32> {
        self.codes
            .iter()
            .map(|&code| f32::from(code) * self.scale)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_by_hand() {
        let quantised = quantise(&[1.27, -0.635, 0.004, 0.0]);
        assert_eq!(&quantised.codes[..], [127, -64, 0, 0]);
        assert!((quantised.scale - 0.01).abs() < 1e-7);
    }

    #[test]
    fn zeros_and_unusable_numbers_give_zeros() {
        for vector in [
            vec![0.0, 0.0],
            vec![f32::INFINITY, 1.0],
            vec![f32::NAN, f32::NAN],
            vec![1e-45, 0.0],
        ] {
            assert!(
                quantise(&vector).to_vector().iter().all(|&v| v == 0.0),
                "{vector:?}"
            );
        }
        assert_eq!(&quantise(&[f32::NAN, 1.0]).codes[..], [0, 127]);
        assert!(quantise(&[]).codes.is_empty());
    }

    proptest! {
        #[test]
        fn every_element_comes_back_within_half_a_scale(vector in prop::collection::vec(-1e3f32..1e3, 0..300)) {
            let quantised = quantise(&vector);
            for (v, back) in vector.iter().zip(quantised.to_vector()) {
                prop_assert!((v - back).abs() <= quantised.scale * 0.5001, "{v} {back}");
            }
        }
    }
}
