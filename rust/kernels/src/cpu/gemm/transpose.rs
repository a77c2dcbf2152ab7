//! Packing an operand whose depth is contiguous: lanes and depth change places.

/// `panel[p * width + i] = source[i * row + p]` for i < lanes, p < depth; lanes up to `width` may be written with anything.
pub type Transpose<T> = unsafe fn(source: *const T, row: isize, lanes: usize, depth: usize, panel: *mut T, width: usize);

/// # Safety
/// The source has lanes x depth elements, the panel width x depth, and lanes <= width.
pub unsafe fn transpose_by_element<T: Copy>(source: *const T, row: isize, lanes: usize, depth: usize, panel: *mut T, width: usize) {
    for i in 0..lanes {
        for p in 0..depth {
            // SAFETY: i < lanes <= width, p < depth.
            unsafe { *panel.add(p * width + i) = *source.offset(i as isize * row).add(p) }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use avx2::{transpose_f32_avx2, transpose_f64_avx2};

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::transpose_by_element;
    use std::arch::x86_64::*;

    /// [`transpose_by_element`] in blocks of 8 x 8 where the panel is wide enough for them.
    ///
    /// # Safety
    /// As there, and the processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn transpose_f32_avx2(source: *const f32, row: isize, lanes: usize, depth: usize, panel: *mut f32, width: usize) {
        if (4..8).contains(&width) && depth >= 16 {
            // Whole vectors run over into the next rows of a narrow panel, which are written after them; the last rows are not.
            // SAFETY: the last eight rows are more than a vector long.
            return unsafe {
                let whole = (depth - 8) / 8 * 8;
                transpose_blocks(source, row, lanes, whole, panel, width);
                transpose_by_element(source.add(whole), row, lanes, depth - whole, panel.add(whole * width), width);
            };
        }
        let whole = depth / 8 * 8;
        let mut i = 0;
        while i + 8 <= width && i < lanes {
            let (from, here) = (source.wrapping_offset(i as isize * row), (lanes - i).min(8));
            // SAFETY: i + 8 <= width; then the rest of depth of these lanes.
            unsafe {
                transpose_blocks(from, row, here, whole, panel.add(i), width);
                transpose_by_element(from.add(whole), row, here, depth - whole, panel.add(whole * width + i), width);
            }
            i += 8;
        }
        if i < lanes {
            // SAFETY: the lanes left.
            unsafe { transpose_by_element(source.offset(i as isize * row), row, lanes - i, depth, panel.add(i), width) };
        }
    }

    /// Up to eight lanes, by eights of depth; writes eight lanes of each row whatever the width.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn transpose_blocks(source: *const f32, row: isize, lanes: usize, depth: usize, panel: *mut f32, width: usize) {
        // Lanes past the last repeat it: there are no others to read, and nobody looks at them.
        let rows: [*const f32; 8] = std::array::from_fn(|r| source.wrapping_offset(r.min(lanes - 1) as isize * row));
        for p in (0..depth).step_by(8) {
            // SAFETY: eight elements from p of existing rows; the caller vouches for the panel.
            unsafe {
                let columns = transpose_block(rows.map(|r| _mm256_loadu_ps(r.add(p))));
                for (q, column) in columns.into_iter().enumerate() {
                    _mm256_storeu_ps(panel.add((p + q) * width), column);
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose_block(r: [__m256; 8]) -> [__m256; 8] {
        let pairs = |a, b| (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let ((a0, a1), (a2, a3)) = (pairs(r[0], r[1]), pairs(r[2], r[3]));
        let ((a4, a5), (a6, a7)) = (pairs(r[4], r[5]), pairs(r[6], r[7]));
        let fours = |a, b| (_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b));
        let ((b0, b1), (b2, b3)) = (fours(a0, a2), fours(a1, a3));
        let ((b4, b5), (b6, b7)) = (fours(a4, a6), fours(a5, a7));
        let low = |a, b| _mm256_permute2f128_ps::<0x20>(a, b);
        let high = |a, b| _mm256_permute2f128_ps::<0x31>(a, b);
        [low(b0, b4), low(b1, b5), low(b2, b6), low(b3, b7), high(b0, b4), high(b1, b5), high(b2, b6), high(b3, b7)]
    }

    /// The same for f64, in blocks of 4 x 4.
    ///
    /// # Safety
    /// As there, and the processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn transpose_f64_avx2(source: *const f64, row: isize, lanes: usize, depth: usize, panel: *mut f64, width: usize) {
        let whole = depth / 4 * 4;
        let mut i = 0;
        while i + 4 <= width && i < lanes {
            let rows: [*const f64; 4] = std::array::from_fn(|r| source.wrapping_offset((i + r).min(lanes - 1) as isize * row));
            for p in (0..whole).step_by(4) {
                // SAFETY: four elements from p of existing rows; i + 4 <= width.
                unsafe {
                    let [a, b, c, d] = rows.map(|r| _mm256_loadu_pd(r.add(p)));
                    let (ab_low, ab_high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
                    let (cd_low, cd_high) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
                    let to = |q: usize| panel.add((p + q) * width + i);
                    _mm256_storeu_pd(to(0), _mm256_permute2f128_pd::<0x20>(ab_low, cd_low));
                    _mm256_storeu_pd(to(1), _mm256_permute2f128_pd::<0x20>(ab_high, cd_high));
                    _mm256_storeu_pd(to(2), _mm256_permute2f128_pd::<0x31>(ab_low, cd_low));
                    _mm256_storeu_pd(to(3), _mm256_permute2f128_pd::<0x31>(ab_high, cd_high));
                }
            }
            let here = (lanes - i).min(4);
            // SAFETY: the rest of depth of these lanes.
            unsafe { transpose_by_element(rows[0].add(whole), row, here, depth - whole, panel.add(whole * width + i), width) };
            i += 4;
        }
        if i < lanes {
            // SAFETY: the lanes left.
            unsafe { transpose_by_element(source.offset(i as isize * row), row, lanes - i, depth, panel.add(i), width) };
        }
    }
}
