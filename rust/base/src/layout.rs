//! Shape, strides and offset: how a tensor's elements lie in its storage. Sizes and strides count elements, and are
//! `i64` as in PyTorch.
use crate::{Result, bail, ensure};
use smallvec::{SmallVec, smallvec};

/// Sizes, strides, dimension lists. Up to five live without an allocation.
pub type Dims = SmallVec<[i64; 5]>;

/// Where the elements of a tensor are, relative to its storage. Invariants: `shape` and `strides` have one length;
/// sizes are >= 0; strides are >= 0 (PyTorch refuses negative ones); a stride may be 0 (an expanded dimension).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    pub shape: Dims,
    pub strides: Dims,
    pub offset: i64,
}

/// The memory formats of PyTorch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryFormat {
    Contiguous,
    Preserve,
    ChannelsLast,
    ChannelsLast3d,
}

impl Layout {
    /// Row-major and dense.
    #[inline]
    pub fn contiguous(shape: &[i64]) -> Layout {
        Layout { shape: shape.into(), strides: contiguous_strides(shape), offset: 0 }
    }
    #[inline]
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }
    #[inline]
    pub fn numel(&self) -> i64 {
        self.shape.iter().product()
    }
    /// Row-major without gaps; sizes of one may have any stride, and an empty layout is contiguous.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size != 1 {
                if stride != expected {
                    return size == 0 || self.numel() == 0;
                }
                expected *= size;
            }
        }
        true
    }
    /// Channels innermost (N H W C in memory) for a 4-d (or, with `ChannelsLast3d`, 5-d) shape.
    pub fn is_channels_last(&self, format: MemoryFormat) -> bool {
        let order: &[usize] = match (format, self.ndim()) {
            (MemoryFormat::ChannelsLast, 4) => &[1, 3, 2, 0],
            (MemoryFormat::ChannelsLast3d, 5) => &[1, 4, 3, 2, 0],
            _ => return false,
        };
        let mut expected = 1;
        for &d in order {
            if self.shape[d] != 1 {
                if self.strides[d] != expected {
                    return false;
                }
                expected *= self.shape[d];
            }
        }
        true
    }
    /// Every element has its own place and there are no gaps: some permutation is contiguous.
    #[inline]
    pub fn is_dense(&self) -> bool {
        if self.numel() <= 1 {
            return true;
        }
        let mut order: SmallVec<[usize; 5]> = (0..self.ndim()).filter(|&d| self.shape[d] != 1).collect();
        order.sort_by_key(|&d| self.strides[d]);
        let mut expected = 1;
        for d in order {
            if self.strides[d] != expected {
                return false;
            }
            expected *= self.shape[d];
        }
        true
    }
    /// The elements of storage this layout reaches: the largest index plus one (offset included), 0 when empty.
    #[inline]
    pub fn extent(&self) -> i64 {
        if self.numel() == 0 {
            return 0;
        }
        self.offset + 1 + self.shape.iter().zip(&self.strides).map(|(&n, &s)| (n - 1) * s).sum::<i64>()
    }
    /// Two indices may lead to the same element. PyTorch's rule: some size > 1 has stride 0, or sorted strides do not
    /// step over each other; `None` when only a search could tell.
    pub fn overlaps_itself(&self) -> Option<bool> {
        if self.numel() <= 1 || self.is_contiguous() || self.is_dense() {
            return Some(false);
        }
        if self.shape.iter().zip(&self.strides).any(|(&n, &s)| n > 1 && s == 0) {
            return Some(true);
        }
        let mut dims: SmallVec<[(i64, i64); 5]> =
            self.strides.iter().copied().zip(self.shape.iter().copied()).filter(|d| d.1 > 1).collect();
        dims.sort_unstable();
        let mut reach = 0;
        for (stride, size) in dims {
            if stride <= reach {
                return None;
            }
            reach += (size - 1) * stride;
        }
        Some(false)
    }
}

/// Row-major strides of a shape. PyTorch's convention: a size of 0 counts as 1.
#[inline]
pub fn contiguous_strides(shape: &[i64]) -> Dims {
    let mut strides: Dims = smallvec![1; shape.len()];
    let mut step = 1i64;
    for d in (0..shape.len()).rev() {
        strides[d] = step;
        step = step.saturating_mul(shape[d].max(1));
    }
    strides
}

/// Strides with channels innermost; the shape must have 4 or 5 dimensions.
pub fn channels_last_strides(shape: &[i64]) -> Dims {
    let mut strides: Dims = smallvec![1; shape.len()];
    let mut step = 1;
    for d in std::iter::once(1).chain((2..shape.len()).rev()).chain(std::iter::once(0)) {
        strides[d] = step;
        step *= shape[d].max(1);
    }
    strides
}

/// Resolves a possibly negative dimension; a 0-d tensor accepts 0 and -1.
#[inline]
pub fn wrap_dim(dim: i64, ndim: usize) -> Result<usize> {
    let n = (ndim as i64).max(1);
    if (-n..n).contains(&dim) {
        return Ok(if dim < 0 { dim + n } else { dim } as usize);
    }
    bail!(index, "Dimension out of range (expected to be in range of [{}, {}], but got {dim})", -n, n - 1)
}

/// [`wrap_dim`] of each, refusing repeats. An empty list means all dimensions only where an op says so.
pub fn wrap_dims(dims: &[i64], ndim: usize) -> Result<SmallVec<[usize; 5]>> {
    let mut seen = 0u64;
    let mut wrapped = SmallVec::new();
    for &dim in dims {
        let d = wrap_dim(dim, ndim)?;
        ensure!(d < 64, runtime, "only tensors with up to 64 dims are supported");
        ensure!(seen & (1 << d) == 0, runtime, "dim {d} appears multiple times in the list of dims");
        seen |= 1 << d;
        wrapped.push(d);
    }
    Ok(wrapped)
}

/// The shape two shapes broadcast to.
pub fn broadcast_shapes(a: &[i64], b: &[i64]) -> Result<Dims> {
    let ndim = a.len().max(b.len());
    let mut shape: Dims = smallvec![1; ndim];
    for i in 0..ndim {
        let x = if i < a.len() { a[a.len() - 1 - i] } else { 1 };
        let y = if i < b.len() { b[b.len() - 1 - i] } else { 1 };
        let d = ndim - 1 - i;
        shape[d] = match (x, y) {
            _ if x == y => x,
            (1, _) => y,
            (_, 1) => x,
            _ => bail!(runtime, "The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {d}"),
        };
    }
    Ok(shape)
}

/// Strides by which a layout walks a broadcast shape: 0 where it repeats. The shapes must be compatible.
#[inline]
pub fn broadcast_strides(layout: &Layout, shape: &[i64]) -> Dims {
    let missing = shape.len() - layout.ndim();
    let mut strides: Dims = smallvec![0; shape.len()];
    for d in 0..layout.ndim() {
        strides[missing + d] = if layout.shape[d] == 1 && shape[missing + d] != 1 { 0 } else { layout.strides[d] };
    }
    strides
}

/// The number of elements of a shape that a user gave: sizes checked, overflow refused before anything is allocated.
#[inline]
pub fn checked_numel(shape: &[i64]) -> Result<i64> {
    let mut numel = 1i64;
    for &size in shape {
        ensure!(size >= 0, runtime, "Trying to create tensor with negative dimension {size}: {}", show(shape));
        if size == 0 {
            return Ok(0);
        }
        numel = match numel.checked_mul(size) {
            Some(n) => n,
            None => bail!(runtime, "numel: integer multiplication overflow"),
        };
    }
    Ok(numel)
}

/// Strides that view `layout` as `shape` without moving an element, if there are any.
pub fn view_strides(layout: &Layout, shape: &[i64]) -> Option<Dims> {
    if layout.numel() == 0 {
        return Some(if layout.shape[..] == *shape { layout.strides.clone() } else { contiguous_strides(shape) });
    }
    let mut strides: Dims = smallvec![1; shape.len()];
    let mut view_d = shape.len() as i64 - 1;
    let Some(&last) = layout.strides.last() else {
        return Some(contiguous_strides(shape)); // 0-d: one element
    };
    // Walk chunks of old dimensions that step as one run, and cut each into new dimensions.
    let (mut run_stride, mut old_numel, mut new_numel) = (last, 1, 1);
    for d in (0..layout.ndim()).rev() {
        old_numel *= layout.shape[d];
        let run_ends = d == 0 || (layout.shape[d - 1] != 1 && layout.strides[d - 1] != old_numel * run_stride);
        if run_ends {
            while view_d >= 0 && (new_numel < old_numel || shape[view_d as usize] == 1) {
                strides[view_d as usize] = new_numel * run_stride;
                new_numel *= shape[view_d as usize];
                view_d -= 1;
            }
            if new_numel != old_numel {
                return None;
            }
            if d > 0 {
                run_stride = layout.strides[d - 1];
                (old_numel, new_numel) = (1, 1);
            }
        }
    }
    (view_d == -1).then_some(strides)
}

/// Resolves one `-1` in a requested shape.
pub fn infer_shape(shape: &[i64], numel: i64) -> Result<Dims> {
    let mut known = 1i64;
    let mut unknown = None;
    for (d, &size) in shape.iter().enumerate() {
        if size == -1 {
            ensure!(unknown.is_none(), runtime, "only one dimension can be inferred");
            unknown = Some(d);
        } else {
            ensure!(size >= 0, runtime, "invalid shape dimension {size} at index {d} of shape {}", show(shape));
            known = known.saturating_mul(size);
        }
    }
    let mut full: Dims = shape.into();
    match unknown {
        None if known == numel => Ok(full),
        Some(d) if known > 0 && numel % known == 0 => {
            full[d] = numel / known;
            Ok(full)
        }
        Some(_) if known == 0 && numel == 0 => bail!(
            runtime,
            "cannot reshape tensor of 0 elements into shape {} because the unspecified dimension size -1 can be any value and is ambiguous",
            show(shape)
        ),
        _ => bail!(runtime, "shape '{}' is invalid for input of size {numel}", show(shape)),
    }
}

/// A list of sizes as PyTorch's messages print it: `[2, 3]`.
pub fn show(sizes: &[i64]) -> String {
    format!("{sizes:?}")
}

/// Strides of a fresh dense tensor that lies in the order of `source`: its own strides when it is dense, otherwise its
/// dimensions sorted by stride (outermost first) and packed. This is how results of pointwise ops and
/// `torch.preserve_format` keep a permuted layout.
pub fn dense_strides_like(source: &Layout) -> Dims {
    if source.is_dense() {
        return source.strides.clone();
    }
    let ndim = source.ndim();
    let mut order: SmallVec<[usize; 5]> = (0..ndim).rev().collect(); // innermost first
    // PyTorch's insertion sort: ambiguous pairs (a stride of 0) keep their order.
    let comes_before = |a: usize, b: usize| {
        let (x, y) = (source.strides[a], source.strides[b]);
        if x == 0 || y == 0 {
            0
        } else if x != y {
            if x < y { -1 } else { 1 }
        } else {
            i32::from(source.shape[a] > source.shape[b])
        }
    };
    for i in 1..ndim {
        let mut high = i;
        for low in (0..i).rev() {
            match comes_before(order[low], order[high]) {
                1 => {
                    order.swap(low, high);
                    high = low;
                }
                -1 => break,
                _ => {}
            }
        }
    }
    let mut strides: Dims = smallvec![1; ndim];
    let mut step = 1;
    for d in order {
        strides[d] = step;
        step *= source.shape[d].max(1);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;
    fn layout(shape: &[i64], strides: &[i64]) -> Layout {
        Layout { shape: shape.into(), strides: strides.into(), offset: 0 }
    }

    #[test]
    fn view_strides_splits_and_joins_runs() {
        assert_eq!(view_strides(&layout(&[4, 6], &[6, 1]), &[24]).as_deref(), Some(&[1][..]));
        assert_eq!(view_strides(&layout(&[6, 4], &[1, 6]), &[24]), None);
        assert_eq!(view_strides(&layout(&[6, 4], &[1, 6]), &[2, 3, 4]).as_deref(), Some(&[3, 1, 6][..]));
        assert_eq!(view_strides(&layout(&[], &[]), &[1, 1]).as_deref(), Some(&[1, 1][..]));
    }
    #[test]
    fn an_expanded_layout_overlaps_and_a_permuted_one_does_not() {
        assert_eq!(layout(&[3, 2], &[0, 1]).overlaps_itself(), Some(true));
        assert_eq!(layout(&[3, 2], &[1, 3]).overlaps_itself(), Some(false));
        assert_eq!(layout(&[3, 2], &[1, 1]).overlaps_itself(), None);
    }
    #[test]
    fn broadcasting_refuses_in_pytorchs_words() {
        let e = broadcast_shapes(&[2, 3], &[2, 4]).map_err(|e| e.message);
        assert_eq!(e, Err("The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1".into()));
        assert_eq!(broadcast_shapes(&[2, 1, 3], &[4, 1]).ok().as_deref(), Some(&[2, 4, 3][..]));
    }
    #[test]
    fn one_size_is_inferred() {
        assert_eq!(infer_shape(&[-1, 3], 12).ok().as_deref(), Some(&[4, 3][..]));
        assert!(infer_shape(&[-1, 5], 12).is_err());
    }
}
