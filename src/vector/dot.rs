//! Integer dot products, with AVX2 where the processor has it.
//!
//! Both ways add the same integers, so their results are equal to the last bit. Sums must fit in 32
//! bits; [`super::quantised`] sees to that.

/// Σ a·b of two rows, over the shorter one's length.
pub(super) fn i8_i8(a: &[i8], b: &[i8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::i8_i8(a, b) };
    }
    portable_i8_i8(a, b)
}

/// Σ a·b of a query and a row, over the shorter one's length.
pub(super) fn i16_i8(a: &[i16], b: &[i8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::i16_i8(a, b) };
    }
    portable_i16_i8(a, b)
}

/// Asks the processor to have a row at hand soon. Changes nothing but speed.
pub(super) fn prefetch(row: &[i8]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, and the address is inside a slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

fn portable_i8_i8(a: &[i8], b: &[i8]) -> i32 {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

fn portable_i16_i8(a: &[i16], b: &[i8]) -> i32 {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    /// How many products one step adds.
    const STEP: usize = 16;

    #[target_feature(enable = "avx2")]
    pub(super) fn i8_i8(a: &[i8], b: &[i8]) -> i32 {
        let n = a.len().min(b.len());
        let mut sum = _mm256_setzero_si256();
        for at in (0..n - n % STEP).step_by(STEP) {
            // SAFETY: at + 16 ≤ n, and both slices hold n bytes.
            let (a, b) = unsafe { (widened(a.as_ptr().add(at)), widened(b.as_ptr().add(at))) };
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
        }
        let rest = n - n % STEP;
        total(sum) + super::portable_i8_i8(&a[rest..n], &b[rest..n])
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn i16_i8(a: &[i16], b: &[i8]) -> i32 {
        let n = a.len().min(b.len());
        let mut sum = _mm256_setzero_si256();
        for at in (0..n - n % STEP).step_by(STEP) {
            // SAFETY: at + 16 ≤ n, and both slices hold n values; the load need not be aligned.
            let (a, b) = unsafe {
                let a = _mm256_loadu_si256(a.as_ptr().add(at).cast());
                (a, widened(b.as_ptr().add(at)))
            };
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
        }
        let rest = n - n % STEP;
        total(sum) + super::portable_i16_i8(&a[rest..n], &b[rest..n])
    }

    /// Sixteen bytes as 16-bit values.
    ///
    /// # Safety
    /// `codes` must point to 16 readable bytes.
    #[target_feature(enable = "avx2")]
    unsafe fn widened(codes: *const i8) -> __m256i {
        // SAFETY: the caller vouches for 16 bytes; the load need not be aligned.
        _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(codes.cast()) })
    }

    /// The sum of eight 32-bit lanes.
    #[target_feature(enable = "avx2")]
    fn total(lanes: __m256i) -> i32 {
        let four = _mm_add_epi32(
            _mm256_castsi256_si128(lanes),
            _mm256_extracti128_si256::<1>(lanes),
        );
        let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
        let one = _mm_add_epi32(two, _mm_shuffle_epi32::<1>(two));
        _mm_cvtsi128_si32(one)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn adds_products() {
        assert_eq!(i8_i8(&[1, -2, 3], &[4, 5, -6]), 4 - 10 - 18);
        assert_eq!(i16_i8(&[1000, -2], &[127, 5]), 127_000 - 10);
        assert_eq!(i8_i8(&[], &[]), 0);
    }

    proptest! {
        #[test]
        fn every_way_of_adding_gives_the_same_sum(
            values in prop::collection::vec((-127i8..=127, -127i8..=127, any::<i16>()), 0..300),
        ) {
            let a: Vec<i8> = values.iter().map(|value| value.0).collect();
            let b: Vec<i8> = values.iter().map(|value| value.1).collect();
            let wide: Vec<i16> = values.iter().map(|value| value.2).collect();
            prop_assert_eq!(i8_i8(&a, &b), portable_i8_i8(&a, &b));
            prop_assert_eq!(i16_i8(&wide, &b), portable_i16_i8(&wide, &b));
        }
    }
}
