//! The inner loops of training: matrix products, weighted sums of rows, exponentials.
//!
//! Every output element is summed in one fixed order with fused multiply-add, whatever the
//! instruction set, the blocking or the number of threads: the same input gives the same bytes.

use rayon::prelude::*;

/// Compiles a loop for the vector instructions at hand and picks the best at run time.
macro_rules! vectorised {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        pub fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx2,fma")]
                fn with_avx512($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has just said that it knows these instructions.
                    return unsafe { with_avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { with_avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

const TILE_ROWS: usize = 8;
const TILE_COLUMNS: usize = 32;

vectorised! {
    /// `out[i][j] = Σ_k a[i][k] · panel[k][j]` for up to [`TILE_ROWS`] rows of `a` and one panel
    /// of [`TILE_COLUMNS`] columns; `out` has `stride` elements a row and may end inside the panel.
    pub fn multiply_tile(a: &[f32], depth: usize, panel: &[f32], out: &mut [f32], stride: usize, column: usize) {
        let n_rows = a.len() / depth;
        let n_columns = TILE_COLUMNS.min(stride - column);
        let mut sums = [[0f32; TILE_COLUMNS]; TILE_ROWS];
        if n_rows == TILE_ROWS {
            let rows: [&[f32]; TILE_ROWS] = std::array::from_fn(|i| &a[i * depth..(i + 1) * depth]);
            for (k, b) in panel.chunks_exact(TILE_COLUMNS).take(depth).enumerate() {
                for (row, sum) in rows.iter().zip(&mut sums) {
                    let factor = row[k];
                    for j in 0..TILE_COLUMNS {
                        sum[j] = factor.mul_add(b[j], sum[j]);
                    }
                }
            }
        } else {
            for (row, sum) in a.chunks_exact(depth).zip(&mut sums) {
                for (factor, b) in row.iter().zip(panel.chunks_exact(TILE_COLUMNS)) {
                    for j in 0..TILE_COLUMNS {
                        sum[j] = factor.mul_add(b[j], sum[j]);
                    }
                }
            }
        }
        for (i, sum) in sums.iter().take(n_rows).enumerate() {
            out[i * stride + column..][..n_columns].copy_from_slice(&sum[..n_columns]);
        }
    }
}

/// The product of `a` (`m × depth`) and `b` (`depth × n`), row by row.
///
/// # Panics
/// If the lengths do not fit the shape.
pub fn multiply(a: &[f32], b: &[f32], depth: usize, n: usize) -> Vec<f32> {
    let m = a.len() / depth;
    assert_eq!(
        (a.len(), b.len()),
        (m * depth, depth * n),
        "shapes of a product"
    );
    let panels: Vec<Vec<f32>> = (0..n.div_ceil(TILE_COLUMNS))
        .into_par_iter()
        .map(|panel| pack_panel(b, n, panel * TILE_COLUMNS))
        .collect();
    let mut out = vec![0f32; m * n];
    out.par_chunks_mut(TILE_ROWS * n)
        .zip(a.par_chunks(TILE_ROWS * depth))
        .for_each(|(out, a)| {
            for (i, panel) in panels.iter().enumerate() {
                multiply_tile(a, depth, panel, out, n, i * TILE_COLUMNS);
            }
        });
    out
}

/// Columns `column..column + TILE_COLUMNS` of `b`, contiguous, short ones filled up with zeros.
fn pack_panel(b: &[f32], n: usize, column: usize) -> Vec<f32> {
    let n_columns = TILE_COLUMNS.min(n - column);
    let mut panel = vec![0f32; b.len() / n * TILE_COLUMNS];
    for (packed, row) in panel.chunks_exact_mut(TILE_COLUMNS).zip(b.chunks_exact(n)) {
        packed[..n_columns].copy_from_slice(&row[column..column + n_columns]);
    }
    panel
}

/// `matrix` with rows of `n_columns` elements, turned over its diagonal.
pub fn transpose(matrix: &[f32], n_columns: usize) -> Vec<f32> {
    const BLOCK: usize = 32;
    let n_rows = matrix.len() / n_columns;
    let mut out = vec![0f32; matrix.len()];
    out.par_chunks_mut(BLOCK * n_rows)
        .enumerate()
        .for_each(|(block, out)| {
            let first = block * BLOCK;
            for start in (0..n_rows).step_by(BLOCK) {
                for (j, out) in out.chunks_exact_mut(n_rows).enumerate() {
                    for i in start..(start + BLOCK).min(n_rows) {
                        out[i] = matrix[i * n_columns + first + j];
                    }
                }
            }
        });
    out
}

vectorised! {
    /// `sum += Σ weight · rows[index]`, in the order given; rows have the length of `sum`.
    pub fn add_rows(sum: &mut [f32], rows: &[f32], terms: &[(u32, f32)]) {
        let dimension = sum.len();
        for &(index, weight) in terms {
            let row = &rows[index as usize * dimension..][..dimension];
            for (s, r) in sum.iter_mut().zip(row) {
                *s = weight.mul_add(*r, *s);
            }
        }
    }
}

vectorised! {
    /// The inner product, summed in 16 lanes that are added up at the end.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0f32; 16];
        let (a_blocks, b_blocks) = (a.chunks_exact(16), b.chunks_exact(16));
        let rest: f32 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
        for (x, y) in a_blocks.zip(b_blocks) {
            for i in 0..16 {
                lanes[i] = x[i].mul_add(y[i], lanes[i]);
            }
        }
        lanes.iter().sum::<f32>() + rest
    }
}

vectorised! {
    /// Replaces every `x` by `exp(x − shift)`. Within 2e-7 (relative) for results down to 1e-37;
    /// below that the result is about 1e-38 instead.
    pub fn exponentials(values: &mut [f32], shift: f32) {
        for value in values {
            let x = (*value - shift).clamp(-87.0, 87.0);
            let n = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0; // rounds to a whole number
            let r = n.mul_add(-0.693_145_75, x);
            let r = n.mul_add(-1.428_606_8e-6, r);
            let mut p = 1.0f32 / 720.0;
            for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
                p = p.mul_add(r, coefficient);
            }
            *value = p * f32::from_bits(((n as i32 + 127) as u32) << 23);
        }
    }
}

vectorised! {
    /// One Adagrad step: `weights -= rate · gradient / √(Σ gradient²)`, element by element.
    pub fn adagrad(weights: &mut [f32], squares: &mut [f32], gradient: &[f32], rate: f32) {
        for ((w, s), g) in weights.iter_mut().zip(squares).zip(gradient) {
            *s = g.mul_add(*g, *s);
            *w -= rate * *g / (s.sqrt() + 1e-10);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    fn matrix(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..n).map(|_| random.centred()).collect()
    }

    #[test]
    fn a_small_product_by_hand() {
        let product = multiply(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 2, 2);
        assert_eq!(product, [19.0, 22.0, 43.0, 50.0]);
    }

    #[test]
    fn products_of_odd_shapes_equal_the_plain_sum() {
        for (m, depth, n) in [(1, 3, 1), (9, 17, 33), (16, 40, 64), (13, 1, 70)] {
            let (a, b) = (matrix(m * depth, 1), matrix(depth * n, 2));
            let product = multiply(&a, &b, depth, n);
            for i in 0..m {
                for j in 0..n {
                    let plain =
                        (0..depth).fold(0f32, |sum, k| a[i * depth + k].mul_add(b[k * n + j], sum));
                    assert_eq!(product[i * n + j], plain, "{m}x{depth}x{n} at {i},{j}");
                }
            }
        }
    }

    #[test]
    fn transposing_twice_gives_the_matrix_back() {
        let a = matrix(7 * 45, 5);
        let turned = transpose(&a, 45);
        assert_eq!(turned[3 * 7 + 2], a[2 * 45 + 3]);
        assert_eq!(transpose(&turned, 7), a);
    }

    #[test]
    fn exponentials_are_close_to_the_library() {
        let mut values: Vec<f32> = (0..4000).map(|i| -(i as f32) / 100.0).collect();
        let expected: Vec<f64> = values.iter().map(|&x| f64::from(x).exp()).collect();
        exponentials(&mut values, 0.0);
        for (value, expected) in values.iter().zip(expected) {
            assert!(
                (f64::from(*value) / expected - 1.0).abs() < 4e-7,
                "{value} for {expected}"
            );
        }
    }

    #[test]
    fn adagrad_moves_first_by_the_rate() {
        let (mut weights, mut squares) = ([1.0f32], [0.0f32]);
        adagrad(&mut weights, &mut squares, &[4.0], 0.1);
        assert!((weights[0] - 0.9).abs() < 1e-6);
        adagrad(&mut weights, &mut squares, &[3.0], 0.1);
        assert!((weights[0] - (0.9 - 0.1 * 3.0 / 5.0)).abs() < 1e-6);
    }
}
