//! Copies between any two layouts and dtypes.
use super::cast::{Convert, convert};
use super::nest::Nest;
use super::threads::parallel_for;
use crate::Operand;
use rustorch_base::DType;
use rustorch_base::layout::contiguous_strides;

mod transpose;

/// Bytes a thread copies before another is worth waking.
const GRAIN_BYTES: usize = 256 * 1024;

/// `dst[i] = src[i]` for every index of `shape`, converted to `dst`'s dtype (`cast` says how). `src` may repeat elements
/// (stride 0); the two may be the same array, otherwise they must not overlap.
pub fn copy(shape: &[i64], dst: Operand, src: Operand) {
    let nest = Nest::new(shape, [&dst, &src]).sorted().merged();
    if nest.numel() == 0 {
        return;
    }
    if dst.dtype != src.dtype {
        return converting(&nest, dst, src);
    }
    match dst.dtype.size() {
        1 => same::<u8>(nest),
        2 => same::<u16>(nest),
        4 => same::<u32>(nest),
        8 => same::<u64>(nest),
        _ => same::<[u64; 2]>(nest),
    }
}

/// An element as a copy sees it: so many bytes.
pub trait Bits: Copy + Send + Sync + 'static {}
impl<T: Copy + Send + Sync + 'static> Bits for T {}

fn same<T: Bits>(nest: Nest<2>) {
    let size = size_of::<T>();
    let grain = GRAIN_BYTES / size;
    if let Some(row) = transpose::row_loop(&nest, size) {
        return transpose::copy::<T>(nest, row);
    }
    let (_, [to, from]) = nest.innermost();
    parallel_for(nest.numel(), grain, |range| {
        nest.each_run(range, |[dst, src], n| {
            // SAFETY: the operands reach these elements.
            unsafe { run::<T>(dst, to, src, from, n) }
        });
    });
}

/// Copies `n` elements that lie `to` and `from` bytes apart.
///
/// # Safety
/// All of them must be live and aligned; the two sides are one, or do not overlap.
#[inline(always)]
pub unsafe fn run<T: Bits>(dst: *mut u8, to: i64, src: *const u8, from: i64, n: usize) {
    let size = size_of::<T>() as i64;
    // SAFETY: the caller vouches for every element visited.
    unsafe {
        if to == size && from == size {
            std::ptr::copy(src, dst, n * size_of::<T>());
        } else if to == size && from == 0 {
            std::slice::from_raw_parts_mut(dst.cast::<T>(), n).fill(src.cast::<T>().read());
        } else {
            for i in 0..n as i64 {
                *dst.offset((i * to) as isize).cast::<T>() = *src.offset((i * from) as isize).cast::<T>();
            }
        }
    }
}

/// [`run`] for an element size known only now.
///
/// # Safety
/// As [`run`].
pub unsafe fn run_of_size(size: usize, dst: *mut u8, to: i64, src: *const u8, from: i64, n: usize) {
    // SAFETY: handed on.
    unsafe {
        match size {
            1 => run::<u8>(dst, to, src, from, n),
            2 => run::<u16>(dst, to, src, from, n),
            4 => run::<u32>(dst, to, src, from, n),
            8 => run::<u64>(dst, to, src, from, n),
            _ => run::<[u64; 2]>(dst, to, src, from, n),
        }
    }
}

/// Elements of a converting copy that pass through packed pieces at a time.
const PIECE: usize = 512;

/// Room for a piece of packed elements of any dtype.
type Piece = [[u64; 2]; PIECE];

/// Loads and stores runs of one dtype as packed runs of another.
#[derive(Clone, Copy)]
pub struct Caster {
    convert: Convert,
    src: usize,
    dst: usize,
}

impl Caster {
    pub fn new(dst: DType, src: DType) -> Caster {
        Caster { convert: convert(dst, src), src: src.size(), dst: dst.size() }
    }

    /// Converts `n` elements that lie `to` and `from` bytes apart.
    ///
    /// # Safety
    /// All of them must be live and aligned to their sizes, and the sides must not overlap.
    pub unsafe fn run(&self, dst: *mut u8, to: i64, src: *const u8, from: i64, n: usize) {
        let (packs, unpacks) = (from != self.src as i64, to != self.dst as i64);
        let mut taken = std::mem::MaybeUninit::<Piece>::uninit();
        let mut given = std::mem::MaybeUninit::<Piece>::uninit();
        let (taken, given) = (taken.as_mut_ptr().cast::<u8>(), given.as_mut_ptr().cast::<u8>());
        let piece = if packs || unpacks { PIECE } else { n.max(1) };
        for start in (0..n).step_by(piece) {
            let len = piece.min(n - start);
            // SAFETY: the piece lies within what the caller vouches for; the buffers hold PIECE elements of any size.
            unsafe {
                let (src, dst) = (src.offset(start as isize * from as isize), dst.offset(start as isize * to as isize));
                let packed = if packs {
                    run_of_size(self.src, taken, self.src as i64, src, from, len);
                    taken.cast_const()
                } else {
                    src
                };
                if unpacks {
                    (self.convert)(given, packed, len);
                    run_of_size(self.dst, dst, to, given, self.dst as i64, len);
                } else {
                    (self.convert)(dst, packed, len);
                }
            }
        }
    }
}

fn converting(nest: &Nest<2>, dst: Operand, src: Operand) {
    let caster = Caster::new(dst.dtype, src.dtype);
    let (_, [to, from]) = nest.innermost();
    let grain = GRAIN_BYTES / dst.dtype.size().max(src.dtype.size());
    parallel_for(nest.numel(), grain, |range| {
        nest.each_run(range, |[dst, src], n| {
            // SAFETY: the operands reach these elements.
            unsafe { caster.run(dst, to, src, from, n) }
        });
    });
}

/// Copies the part of each matrix (the last two dimensions of `shape`) on and below (`upper` false: `tril`) or on and
/// above (`upper` true: `triu`) the `diagonal`-th diagonal, and writes zeros elsewhere. Both operands are of one dtype.
pub fn triangle(shape: &[i64], dst: Operand, src: Operand, diagonal: i64, upper: bool) {
    let ndim = shape.len();
    let (rows, cols) = (shape[ndim - 2], shape[ndim - 1]);
    let size = dst.dtype.size();
    let rows_nest = Nest::over(shape, 0..ndim - 2, [&dst, &src]);
    let (to, from) = (dst.strides[ndim - 1] * size as i64, src.strides[ndim - 1] * size as i64);
    if cols == 0 || rows == 0 {
        return;
    }
    parallel_for(rows_nest.numel() * rows as usize, (GRAIN_BYTES / size / cols as usize).max(1), |range| {
        for number in range {
            let row = number as i64 % rows;
            let [dst_matrix, src_matrix] = rows_nest.locate(number / rows as usize);
            let dst_row = dst_matrix.wrapping_offset((row * dst.strides[ndim - 2] * size as i64) as isize);
            let src_row = src_matrix.wrapping_offset((row * src.strides[ndim - 2] * size as i64) as isize);
            // The columns before `cut` belong to the lower triangle, without the diagonal itself for `triu`.
            let cut = row.saturating_add(diagonal).saturating_add(!upper as i64).clamp(0, cols);
            let (kept, zeroed) = if upper { (cut..cols, 0..cut) } else { (0..cut, cut..cols) };
            let zero = [0u64; 2];
            // SAFETY: all columns of this row are reached by the operands; both parts lie within them.
            unsafe {
                let (dst_kept, src_kept) = (dst_row.offset((kept.start * to) as isize), src_row.offset((kept.start * from) as isize));
                run_of_size(size, dst_kept, to, src_kept, from, (kept.end - kept.start) as usize);
                let dst_zeroed = dst_row.offset((zeroed.start * to) as isize);
                run_of_size(size, dst_zeroed, to, zero.as_ptr().cast(), 0, (zeroed.end - zeroed.start) as usize);
            }
        }
    });
}

/// Joins arrays along `dim`: `parts` are the sizes along it and the operands, in order; `shape` is the result's. Parts of
/// other dtypes are converted. The caller has checked that the sizes add up.
pub fn concatenate(shape: &[i64], dim: usize, dst: Operand, parts: &[(i64, Operand)]) {
    let mut part_shape: rustorch_base::Dims = shape.into();
    let mut start = 0;
    for (size, part) in parts {
        part_shape[dim] = *size;
        let at = dst.data.wrapping_offset((start * dst.strides[dim]) as isize * dst.dtype.size() as isize);
        copy(&part_shape, Operand { data: at, ..dst }, *part);
        start += size;
    }
}

/// All elements as float64, row-major.
pub fn read(shape: &[i64], operand: Operand) -> Vec<f64> {
    let mut values = vec![0.0; shape.iter().product::<i64>() as usize];
    let strides = contiguous_strides(shape);
    copy(shape, Operand { data: values.as_mut_ptr().cast(), dtype: DType::Float64, strides: &strides }, operand);
    values
}

/// Stores row-major float64 values.
pub fn write(shape: &[i64], operand: Operand, values: &[f64]) {
    let strides = contiguous_strides(shape);
    copy(shape, operand, Operand { data: values.as_ptr().cast_mut().cast(), dtype: DType::Float64, strides: &strides });
}

#[cfg(test)]
mod tests;
