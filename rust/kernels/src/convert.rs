//! Slices from one dtype to another, as PyTorch casts: floats to integers cut towards zero, and what does not fit gives
//! what x86 gives (the smallest integer, cut to the width); integers wrap; anything not 0 is true; halves round to even.
use crate::lanes::Isa;
use crate::pointwise::kernel::{Compute, Kernel, ROOM};
use half::{bf16, f16};
use num_complex::{Complex32, Complex64};
use rustorch_base::dtype::Truth;
use rustorch_base::{DType, with_dtype};

/// One element as another type.
pub trait Cast<T>: Copy {
    fn cast(self) -> T;
}

macro_rules! as_casts { ($($from:ident => $($to:ident)*;)*) => { $($(
    impl Cast<$to> for $from { #[inline(always)] fn cast(self) -> $to { self as $to } }
)*)* } }
as_casts! {
    u8 => u8 i8 i16 i32 i64 u16 u32 u64 f32 f64;
    i8 => u8 i8 i16 i32 i64 u16 u32 u64 f32 f64;
    i16 => u8 i8 i16 i32 i64 u16 u32 u64 f32 f64;
    i32 => u8 i8 i16 i32 i64 u16 u32 u64 f32 f64;
    i64 => u8 i8 i16 i32 i64 u16 u32 u64 f32 f64;
    u16 => u8 i8 i16 i32 i64 u16 u32 u64 f32 f64;
    u32 => u8 i8 i16 i32 i64 u16 u32 u64 f32 f64;
    u64 => u8 i8 i16 i32 i64 u16 u32 u64 f32 f64;
    f32 => f32 f64;
    f64 => f32 f64;
}
/// Floats to integers by way of the signed integer that the machine converts to.
macro_rules! float_to_integer { ($($from:ident: $($to:ident by $way:ident)*;)*) => { $($(
    impl Cast<$to> for $from {
        #[inline(always)]
        fn cast(self) -> $to {
            const END: $from = -($way::MIN as $from);
            // SAFETY: the value lies in the range of the integer.
            let whole = if self >= -END && self < END { unsafe { self.to_int_unchecked::<$way>() } } else { $way::MIN };
            whole as $to
        }
    }
)*)* } }
float_to_integer! {
    f32: u8 by i32 i8 by i32 i16 by i32 u16 by i32 i32 by i32 u32 by i64 i64 by i64;
    f64: u8 by i32 i8 by i32 i16 by i32 u16 by i32 i32 by i32 u32 by i64 i64 by i64;
}
macro_rules! float_to_u64 { ($($from:ident)*) => { $(
    impl Cast<u64> for $from {
        #[inline(always)]
        fn cast(self) -> u64 { if self >= 9223372036854775808.0 { self as u64 } else { Cast::<i64>::cast(self) as u64 } }
    }
)* } }
float_to_u64! { f32 f64 }
macro_rules! truths { ($($t:ident)*) => { $(
    impl Cast<Truth> for $t { #[inline(always)] fn cast(self) -> Truth { Truth::new(self != (0 as $t)) } }
    impl Cast<$t> for Truth { #[inline(always)] fn cast(self) -> $t { self.get() as u8 as $t } }
)* } }
truths! { u8 i8 i16 i32 i64 u16 u32 u64 f32 f64 }
impl Cast<Truth> for Truth {
    #[inline(always)]
    fn cast(self) -> Truth {
        Truth::new(self.get())
    }
}
/// Halves go through f32.
macro_rules! halves { ($($half:ident: $($t:ident)*;)*) => { $($(
    impl Cast<$t> for $half { #[inline(always)] fn cast(self) -> $t { Widened::widened(self).cast() } }
    impl Cast<$half> for $t { #[inline(always)] fn cast(self) -> $half { Widened::narrowed(Cast::<f32>::cast(self)) } }
)*)* } }
halves! { f16: u8 i8 i16 i32 i64 u16 u32 u64 f32 f64 Truth; bf16: u8 i8 i16 i32 i64 u16 u32 u64 f32 f64 Truth; }
/// A half as f32 and back.
trait Widened {
    fn widened(self) -> f32;
    fn narrowed(value: f32) -> Self;
}
impl Widened for bf16 {
    #[inline(always)]
    fn widened(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    #[inline(always)]
    fn narrowed(value: f32) -> bf16 {
        let bits = value.to_bits();
        let nearest = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        bf16::from_bits(if value.is_nan() { 0x7fc0 } else { nearest as u16 })
    }
}
impl Widened for f16 {
    #[inline(always)]
    fn widened(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    fn narrowed(value: f32) -> f16 {
        f16::from_f32(value)
    }
}
/// A complex number loses its imaginary part, and a real one gains a zero.
macro_rules! complexes { ($($complex:ident $part:ident: $($t:ident)*;)*) => { $($(
    impl Cast<$t> for $complex { #[inline(always)] fn cast(self) -> $t { self.re.cast() } }
    impl Cast<$complex> for $t { #[inline(always)] fn cast(self) -> $complex { $complex::new(Cast::<$part>::cast(self), 0.0) } }
)*)* } }
complexes! {
    Complex32 f32: u8 i8 i16 i32 i64 u16 u32 u64 f32 f64 f16 bf16;
    Complex64 f64: u8 i8 i16 i32 i64 u16 u32 u64 f32 f64 f16 bf16;
}
macro_rules! complex_truths { ($($complex:ident)*) => { $(
    impl Cast<Truth> for $complex { #[inline(always)] fn cast(self) -> Truth { Truth::new(self.re != 0.0 || self.im != 0.0) } }
    impl Cast<$complex> for Truth { #[inline(always)] fn cast(self) -> $complex { $complex::new(Cast::cast(self), 0.0) } }
)* } }
complex_truths! { Complex32 Complex64 }
impl Cast<Complex32> for Complex64 {
    #[inline(always)]
    fn cast(self) -> Complex32 {
        Complex32::new(self.re as f32, self.im as f32)
    }
}
impl Cast<Complex64> for Complex32 {
    #[inline(always)]
    fn cast(self) -> Complex64 {
        Complex64::new(self.re as f64, self.im as f64)
    }
}

/// A plain loop, in blocks that are read before they are written: the compiler is good at these.
#[inline(always)]
unsafe fn convert<S: Cast<D>, D: Copy>(to: *mut D, from: *const S, count: usize) {
    const BLOCK: usize = 16;
    let mut i = 0;
    // SAFETY: a kernel's caller gives `count` aligned elements behind both pointers.
    unsafe {
        while i + BLOCK <= count {
            let x: [S; BLOCK] = from.add(i).cast::<[S; BLOCK]>().read();
            to.add(i).cast::<[D; BLOCK]>().write(x.map(S::cast));
            i += BLOCK;
        }
        while i < count {
            *to.add(i) = (*from.add(i)).cast();
            i += 1;
        }
    }
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn convert_avx2<S: Cast<D>, D: Copy>(to: *mut u8, from: *const u8, _: *const u8, _: *const u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { convert::<S, D>(to.cast(), from.cast(), count & !ROOM) }
}
unsafe fn convert_portable<S: Cast<D>, D: Copy>(to: *mut u8, from: *const u8, _: *const u8, _: *const u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { convert::<S, D>(to.cast(), from.cast(), count & !ROOM) }
}
fn pick<S: Cast<D>, D: Copy>(isa: Isa) -> Kernel {
    match isa {
        Isa::Portable => convert_portable::<S, D>,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => convert_avx2::<S, D>,
    }
}

/// Runs the body with `$W` bound to the Rust type of a number type.
macro_rules! with_compute {
    ($compute:expr, $W:ident => $body:expr) => {
        match $compute {
            Compute::F32 => with_compute!(@ f32 $W $body),
            Compute::F64 => with_compute!(@ f64 $W $body),
            Compute::I32 => with_compute!(@ i32 $W $body),
            Compute::I64 => with_compute!(@ i64 $W $body),
            Compute::U64 => with_compute!(@ u64 $W $body),
        }
    };
    (@ $t:ident $W:ident $body:expr) => {{
        type $W = $t;
        $body
    }};
}

/// The kernel that brings elements of a dtype into a number type: `kernel(to, from, _, _, count)`. The real part of
/// complex numbers.
pub fn load(from: DType, to: Compute, isa: Isa) -> Kernel {
    with_compute!(to, W => with_dtype!(from, S => pick::<S, W>(isa)))
}
/// The kernel that puts results back as elements of a dtype.
pub fn store(from: Compute, to: DType, isa: Isa) -> Kernel {
    with_compute!(from, W => with_dtype!(to, D => pick::<W, D>(isa)))
}
