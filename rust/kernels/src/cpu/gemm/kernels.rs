//! The table of micro-kernels of each instruction set, and the choice among them at run time.
use super::dots::{self, Dots};
use super::row_sums::{self, RowSums, RowSumsKernel};
use super::tile::{ADJACENT, APART, Kernel, Tile, multiply_tile};
use super::transpose::{Transpose, transpose_by_element};
use super::vector::{PortableF32, PortableF64, Vector};
use crate::cpu::conv::offset_tile::{self, OffsetKernel, OffsetTile};
use crate::cpu::conv::row_dots::{self, RowDots, RowDotsKernel};
use rustorch_base::dtype::Element;
use std::sync::OnceLock;

/// What one instruction set offers for one element type. Another set is one more of these and a line in the choice.
pub struct Kernels<T: 'static> {
    pub name: &'static str,
    /// Elements of a vector.
    pub lanes: usize,
    /// Rows of the tallest tile; tiles are one or two vectors wide.
    pub rows: usize,
    /// `[rows - 1][vectors - 1]`, for A with its rows adjacent.
    pub adjacent: &'static [[Kernel<T>; 2]],
    /// The same for A with its rows apart.
    pub apart: &'static [[Kernel<T>; 2]],
    /// The transposing half of packing.
    pub transpose: Transpose<T>,
    /// Rows of A times rows of B, both along depth; for products of few rows.
    pub dots: Dots<T>,
    /// One row of A times rows of B.
    pub row_sums: RowSumsKernel<T>,
    /// `[rows - 1]`, for convolutions with few output channels.
    pub offsets: &'static [OffsetKernel<T>; offset_tile::ROWS],
    /// `[channels - 1][taps - 1]`, for weight gradients of convolutions.
    pub row_dots: &'static [[RowDotsKernel<T>; row_dots::TAPS]; row_dots::CHANNELS],
}

/// An element type with micro-kernels.
pub trait GemmElement: Element + Default + PartialEq + From<i8> + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self> {
    /// The fastest table this processor can run.
    fn kernels() -> &'static Kernels<Self>;
    /// Every table this processor can run, for tests.
    fn all_kernels() -> Vec<&'static Kernels<Self>>;
}

macro_rules! kernel_table {
    ($name:literal, $element:ty, $vector:ty, $transpose:path, [$($rows:literal)*] $(, $features:literal)?) => {{
        $(#[target_feature(enable = $features)])?
        unsafe fn tile<const ROWS: usize, const VECTORS: usize, const A: bool>(t: &Tile<$element>) {
            // SAFETY: the caller vouches for the tile, and the table is chosen only where its instructions exist.
            unsafe { multiply_tile::<$vector, ROWS, VECTORS, A>(t) }
        }
        $(#[target_feature(enable = $features)])?
        unsafe fn dots(d: &dots::Operands<$element>) {
            // SAFETY: as above.
            unsafe { dots::multiply_rows::<$vector>(d) }
        }
        $(#[target_feature(enable = $features)])?
        unsafe fn row_sums(r: &RowSums<$element>) {
            // SAFETY: as above.
            unsafe { row_sums::add_rows::<$vector>(r) }
        }
        $(#[target_feature(enable = $features)])?
        unsafe fn offsets<const ROWS: usize, const VECTORS: usize>(t: &OffsetTile<$element>) {
            // SAFETY: as above.
            unsafe { offset_tile::multiply_offsets::<$vector, ROWS, VECTORS>(t) }
        }
        $(#[target_feature(enable = $features)])?
        unsafe fn pixels<const CHANNELS: usize, const TAPS: usize>(d: &RowDots<$element>) {
            // SAFETY: as above.
            unsafe { row_dots::add_row_dots::<$vector, CHANNELS, TAPS>(d) }
        }
        Kernels {
            name: $name,
            lanes: <$vector as Vector>::LANES,
            rows: [$($rows),*].len(),
            adjacent: &[$([tile::<$rows, 1, ADJACENT>, tile::<$rows, 2, ADJACENT>]),*],
            apart: &[$([tile::<$rows, 1, APART>, tile::<$rows, 2, APART>]),*],
            transpose: $transpose,
            dots,
            row_sums,
            offsets: &[offsets::<1, 4>, offsets::<2, 4>, offsets::<3, 4>, offsets::<4, 2>, offsets::<5, 2>, offsets::<6, 2>],
            row_dots: &[
                [pixels::<1, 1>, pixels::<1, 2>, pixels::<1, 3>, pixels::<1, 4>],
                [pixels::<2, 1>, pixels::<2, 2>, pixels::<2, 3>, pixels::<2, 4>],
                [pixels::<3, 1>, pixels::<3, 2>, pixels::<3, 3>, pixels::<3, 4>],
            ],
        }
    }};
}

macro_rules! element_kernels {
    ($element:ty, portable $portable:ty, avx2 $avx2:ident $transpose:ident) => {
        impl GemmElement for $element {
            fn kernels() -> &'static Kernels<$element> {
                static CHOSEN: OnceLock<&'static Kernels<$element>> = OnceLock::new();
                CHOSEN.get_or_init(|| Self::all_kernels()[0])
            }
            fn all_kernels() -> Vec<&'static Kernels<$element>> {
                static PORTABLE: Kernels<$element> = kernel_table!("portable", $element, $portable, transpose_by_element, [1 2 3 4]);
                let mut tables = vec![&PORTABLE];
                #[cfg(target_arch = "x86_64")]
                {
                    use super::{transpose::$transpose, vector::$avx2};
                    static AVX2: Kernels<$element> = kernel_table!("avx2", $element, $avx2, $transpose, [1 2 3 4 5 6], "avx2,fma");
                    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                        tables.insert(0, &AVX2);
                    }
                }
                tables
            }
        }
    };
}
element_kernels! { f32, portable PortableF32, avx2 Avx2F32 transpose_f32_avx2 }
element_kernels! { f64, portable PortableF64, avx2 Avx2F64 transpose_f64_avx2 }
