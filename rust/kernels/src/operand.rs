//! How kernels are told where their elements are.
use rustorch_base::DType;

/// One array taking part in a kernel: the address of its first element and, for each dimension of the kernel's shape,
/// the step to the next element. Strides count elements, not bytes; 0 repeats an element (broadcasting).
///
/// A kernel trusts its caller: every element the shape and strides reach lies in live memory of this dtype, aligned to
/// its element size; outputs do not overlap themselves; an output may coincide with an input element for element (in
/// place) but not overlap it otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    pub data: *mut u8,
    pub dtype: DType,
    pub strides: &'a [i64],
}

// SAFETY: an operand only holds an address. Kernels that write through it from several threads divide the elements between them.
unsafe impl Send for Operand<'_> {}
// SAFETY: as above.
unsafe impl Sync for Operand<'_> {}

impl Operand<'_> {
    /// The address so many elements after the first. (A method, so that closures capture the operand and not its pointer.)
    #[inline(always)]
    pub fn at<T>(&self, elements: i64) -> *mut T {
        self.data.cast::<T>().wrapping_offset(elements as isize)
    }
}

/// A Python number in a kernel's argument list.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    Bool(bool),
    Int(i64),
    Float(f64),
    Complex(f64, f64),
}
