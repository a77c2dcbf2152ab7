//! What a reduction is, as it is written and as the driver calls it.
use rustorch_base::DType;
use rustorch_base::dtype::Element;
use std::marker::PhantomData;

/// What a reduction does with elements that the driver has brought together.
pub trait Reduction: Sync {
    /// What the input's elements are converted to on the way in.
    type Item: Element + Default;
    /// The result of some of the elements; at most [`PARTIAL_BYTES`] large.
    type Partial: Copy + Send + Sync;
    /// What the outputs' elements are converted from. Reductions with one output leave the second at its default.
    type First: Element + Default;
    type Second: Element + Default;
    /// Elements must be met in row-major order of the reduced dimensions.
    const ORDERED: bool = false;

    /// The result of no elements.
    fn empty(&self) -> Self::Partial;
    /// The result of a few packed elements, the first of which is number `first` of those reduced into one output.
    fn run(&self, items: &[Self::Item], first: i64) -> Self::Partial;
    /// The result of each column of a panel, whose first row holds the elements of number `first`.
    fn columns(&self, panel: Panel<Self::Item>, first: i64, out: &mut [Self::Partial]);
    /// The result of both parts; `a` came first.
    fn merge(&self, a: Self::Partial, b: Self::Partial) -> Self::Partial;
    /// The outputs' elements, from the result of all `count` elements.
    fn finish(&self, whole: Self::Partial, count: i64) -> (Self::First, Self::Second);
}

/// A few rows of packed elements.
#[derive(Clone, Copy)]
pub struct Panel<'a, T> {
    data: *const T,
    /// Bytes from a row to the next.
    step: isize,
    pub rows: usize,
    pub width: usize,
    life: PhantomData<&'a T>,
}

impl<'a, T> Panel<'a, T> {
    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [T] {
        debug_assert!(row < self.rows);
        // SAFETY: whoever made the panel vouches for its rows.
        unsafe { std::slice::from_raw_parts(self.data.byte_offset(row as isize * self.step), self.width) }
    }
}

/// Room for one partial result of any reduction.
pub type Room = [u64; 3];
pub const PARTIAL_BYTES: usize = size_of::<Room>();

/// The sizes and dtypes of a reduction's types.
#[derive(Clone, Copy)]
pub struct Types {
    pub item: DType,
    pub partial: usize,
    pub outputs: [DType; 2],
    pub ordered: bool,
}

/// A panel of elements whose type only the reduction knows.
#[derive(Clone, Copy)]
pub struct RawPanel {
    pub data: *const u8,
    pub step: isize,
    pub rows: usize,
    pub width: usize,
}

/// A [`Reduction`] behind addresses, so that the driver is compiled once and not for each of them.
///
/// # Safety
/// All addresses are aligned to 8 bytes or the type's own alignment, and hold as many elements of the reduction's types as
/// the numbers beside them say.
pub unsafe trait Erased: Sync {
    fn types(&self) -> Types;
    unsafe fn empty(&self, out: *mut u8, n: usize);
    unsafe fn run(&self, items: *const u8, n: usize, first: i64, out: *mut u8);
    /// The result of each row of a panel that holds all elements.
    unsafe fn rows(&self, panel: RawPanel, out: *mut u8);
    unsafe fn columns(&self, panel: RawPanel, first: i64, out: *mut u8);
    /// `a[i] = merge(a[i], b[i])`
    unsafe fn merge(&self, a: *mut u8, b: *const u8, n: usize);
    unsafe fn finish(&self, wholes: *const u8, n: usize, count: i64, outputs: [*mut u8; 2]);
}

// SAFETY: every method visits what its numbers say, in the types that `types` names.
unsafe impl<R: Reduction> Erased for R {
    fn types(&self) -> Types {
        const { assert!(size_of::<R::Partial>() <= PARTIAL_BYTES && align_of::<R::Partial>() <= 8) };
        let outputs = [R::First::DTYPE, R::Second::DTYPE];
        Types { item: R::Item::DTYPE, partial: size_of::<R::Partial>(), outputs, ordered: R::ORDERED }
    }
    unsafe fn empty(&self, out: *mut u8, n: usize) {
        // SAFETY: `n` partials.
        unsafe { std::slice::from_raw_parts_mut(out.cast(), n) }.fill(Reduction::empty(self));
    }
    unsafe fn run(&self, items: *const u8, n: usize, first: i64, out: *mut u8) {
        // SAFETY: `n` items and one partial.
        unsafe { *out.cast() = Reduction::run(self, std::slice::from_raw_parts(items.cast(), n), first) }
    }
    unsafe fn rows(&self, panel: RawPanel, out: *mut u8) {
        for row in 0..panel.rows {
            // SAFETY: a partial a row.
            unsafe {
                let items = panel.data.offset(row as isize * panel.step).cast();
                *out.cast::<R::Partial>().add(row) = Reduction::run(self, std::slice::from_raw_parts(items, panel.width), 0);
            }
        }
    }
    unsafe fn columns(&self, panel: RawPanel, first: i64, out: *mut u8) {
        let RawPanel { data, step, rows, width } = panel;
        let panel = Panel { data: data.cast(), step, rows, width, life: PhantomData };
        // SAFETY: a partial a column.
        Reduction::columns(self, panel, first, unsafe { std::slice::from_raw_parts_mut(out.cast(), width) });
    }
    unsafe fn merge(&self, a: *mut u8, b: *const u8, n: usize) {
        // SAFETY: `n` partials each; the driver keeps them apart.
        let (a, b) = unsafe { (std::slice::from_raw_parts_mut(a.cast(), n), std::slice::from_raw_parts(b.cast(), n)) };
        a.iter_mut().zip(b).for_each(|(a, &b)| *a = Reduction::merge(self, *a, b));
    }
    unsafe fn finish(&self, wholes: *const u8, n: usize, count: i64, [first, second]: [*mut u8; 2]) {
        for i in 0..n {
            // SAFETY: `n` partials, and room for `n` elements of each output.
            unsafe {
                let (a, b) = Reduction::finish(self, *wholes.cast::<R::Partial>().add(i), count);
                *first.cast::<R::First>().add(i) = a;
                *second.cast::<R::Second>().add(i) = b;
            }
        }
    }
}
