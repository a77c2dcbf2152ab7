//! Keys: unsigned integers in the order of the elements, NaN above all numbers.
use half::{bf16, f16};
use rustorch_base::dtype::{Element, Truth};
use rustorch_base::{DType, Result, bail};

/// Element types with a key. Types of up to 32 bits have keys of 32 bits.
trait Keyed: Element {
    /// Ordered as the elements are. Zeros of both signs are equal, and so are all NaNs.
    fn key(self) -> u64;
}
macro_rules! integers {
    ($($t:ty as $signed:ty as $unsigned:ty;)*) => { $(impl Keyed for $t {
        #[inline(always)]
        fn key(self) -> u64 { (self as $signed as $unsigned ^ (<$signed>::MIN as $unsigned)) as u64 }
    })* };
}
integers! { u8 as i32 as u32; i8 as i32 as u32; i16 as i32 as u32; i32 as i32 as u32; u16 as i32 as u32; i64 as i64 as u64; }
impl Keyed for u32 {
    #[inline(always)]
    fn key(self) -> u64 {
        self as u64
    }
}
impl Keyed for u64 {
    #[inline(always)]
    fn key(self) -> u64 {
        self
    }
}
impl Keyed for Truth {
    #[inline(always)]
    fn key(self) -> u64 {
        self.get() as u64
    }
}
macro_rules! floats {
    ($($t:ty: $bits:ty, $sign:literal;)*) => { $(impl Keyed for $t {
        #[inline(always)]
        fn key(self) -> u64 {
            let bits = (self + 0.0).to_bits(); // -0.0 becomes 0.0
            let key = if self.is_nan() {
                <$bits>::MAX
            } else if bits >> $sign == 1 {
                !bits
            } else {
                bits | 1 << $sign
            };
            key as u64
        }
    })* };
}
floats! { f32: u32, 31; f64: u64, 63; }
impl Keyed for f16 {
    #[inline(always)]
    fn key(self) -> u64 {
        self.to_f32().key()
    }
}
impl Keyed for bf16 {
    #[inline(always)]
    fn key(self) -> u64 {
        self.to_f32().key()
    }
}

/// Appends the keys of `n` elements `step` bytes apart.
pub type Keys = unsafe fn(from: *const u8, step: i64, n: usize, keys: &mut Vec<u64>);

unsafe fn keys_of<T: Keyed>(from: *const u8, step: i64, n: usize, keys: &mut Vec<u64>) {
    // SAFETY: the caller vouches for the elements.
    keys.extend((0..n as i64).map(|i| unsafe { *from.offset((i * step) as isize).cast::<T>() }.key()));
}

/// How elements of this dtype become keys. `op` names the refused operation.
pub fn keys(op: &str, dtype: DType) -> Result<Keys> {
    Ok(match dtype {
        DType::UInt8 => keys_of::<u8>,
        DType::Int8 => keys_of::<i8>,
        DType::Int16 => keys_of::<i16>,
        DType::Int32 => keys_of::<i32>,
        DType::Int64 => keys_of::<i64>,
        DType::UInt16 => keys_of::<u16>,
        DType::UInt32 => keys_of::<u32>,
        DType::UInt64 => keys_of::<u64>,
        DType::Bool => keys_of::<Truth>,
        DType::Float16 => keys_of::<f16>,
        DType::BFloat16 => keys_of::<bf16>,
        DType::Float32 => keys_of::<f32>,
        DType::Float64 => keys_of::<f64>,
        DType::Complex64 | DType::Complex128 => bail!(not_implemented, "\"{op}\" not implemented for '{}'", dtype.scalar_name()),
    })
}

/// Keys of this dtype need 64 bits.
pub fn is_wide(dtype: DType) -> bool {
    dtype.size() == 8
}

/// The key of NaN.
pub fn nan(dtype: DType) -> Option<u64> {
    match dtype {
        DType::Float64 => Some(u64::MAX),
        dtype if dtype.is_floating_point() => Some(u32::MAX as u64),
        _ => None,
    }
}

/// A key and the place it came from, in one integer: ordered by key, then by place.
pub trait Entry: Copy + Ord + Send + Default {
    const KEY_BITS: u32;
    fn new(key: u64, index: usize) -> Self;
    fn key(self) -> u64;
    fn index(self) -> usize;
}
impl Entry for u64 {
    const KEY_BITS: u32 = 32;
    #[inline(always)]
    fn new(key: u64, index: usize) -> u64 {
        key << 32 | index as u64
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self >> 32
    }
    #[inline(always)]
    fn index(self) -> usize {
        self as u32 as usize
    }
}
impl Entry for u128 {
    const KEY_BITS: u32 = 64;
    #[inline(always)]
    fn new(key: u64, index: usize) -> u128 {
        (key as u128) << 64 | index as u128
    }
    #[inline(always)]
    fn key(self) -> u64 {
        (self >> 64) as u64
    }
    #[inline(always)]
    fn index(self) -> usize {
        self as u64 as usize
    }
}

/// Sorts entries by key; entries of equal keys keep their order, which is that of their places.
pub fn sort_entries<E: Entry>(entries: &mut Vec<E>) {
    const DIGIT: u32 = 11;
    const RADIX: usize = 1 << DIGIT;
    if entries.len() < RADIX {
        return entries.sort_unstable();
    }
    // Least significant digit first; a digit that is the same everywhere costs only its count.
    let mut other = vec![E::default(); entries.len()];
    for shift in (0..E::KEY_BITS).step_by(DIGIT as usize) {
        let digit = |entry: E| (entry.key() >> shift) as usize & (RADIX - 1);
        let mut starts = [0usize; RADIX];
        for &entry in entries.iter() {
            starts[digit(entry)] += 1;
        }
        if starts.contains(&entries.len()) {
            continue;
        }
        let mut start = 0;
        for count in &mut starts {
            start += std::mem::replace(count, start);
        }
        for &entry in entries.iter() {
            let place = &mut starts[digit(entry)];
            other[*place] = entry;
            *place += 1;
        }
        std::mem::swap(entries, &mut other);
    }
}
