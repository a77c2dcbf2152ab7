//! Slice kernels: one primitive read with a lane type, compiled for one instruction set, picked at run time.
use crate::expr::primitive::{Apply, Primitive, meaning, with_primitives};
#[cfg(target_arch = "x86_64")]
use crate::lanes::avx2::{F32x8, F64x4};
use crate::lanes::portable::One;
use crate::lanes::{Int, Isa, Lanes};
use rustorch_base::DType;

/// `(out, a, b, c, count)`: out[i] = f(a[i], b[i], c[i]). Arguments beyond the function's arity are not read; out may be
/// one of them, element for element. The count may carry [`ROOM`].
pub type Kernel = unsafe fn(*mut u8, *const u8, *const u8, *const u8, usize);

/// Set in the count: behind the output there is room for a whole vector. (A masked store is not forwarded to the next
/// primitive's load, which would cost some 15 cycles a step on short inputs.)
pub const ROOM: usize = 1 << (usize::BITS - 1);

/// The number type in which a dtype is worked. Narrow integers and bool run as i32 and are cut when stored, which is
/// exact for every wrapping operation; halves run as f32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compute {
    F32,
    F64,
    I32,
    I64,
    U64,
}
impl Compute {
    pub const ALL: [Compute; 5] = [Compute::F32, Compute::F64, Compute::I32, Compute::I64, Compute::U64];
    /// A complex dtype gives the type of its parts.
    pub const fn of(dtype: DType) -> Compute {
        match dtype {
            DType::Float32 | DType::Float16 | DType::BFloat16 | DType::Complex64 => Compute::F32,
            DType::Float64 | DType::Complex128 => Compute::F64,
            DType::Int64 | DType::UInt32 => Compute::I64,
            DType::UInt64 => Compute::U64,
            DType::Bool | DType::UInt8 | DType::Int8 | DType::Int16 | DType::Int32 | DType::UInt16 => Compute::I32,
        }
    }
    /// The dtype that is stored as it is worked.
    pub const fn dtype(self) -> DType {
        match self {
            Compute::F32 => DType::Float32,
            Compute::F64 => DType::Float64,
            Compute::I32 => DType::Int32,
            Compute::I64 => DType::Int64,
            Compute::U64 => DType::UInt64,
        }
    }
    pub const fn size(self) -> usize {
        self.dtype().size()
    }
}

/// The kernel of a primitive; None where the number type lacks it.
pub fn primitive(p: Primitive, compute: Compute, isa: Isa) -> Option<Kernel> {
    match compute {
        Compute::F32 => f32_kernel(p, isa),
        Compute::F64 => f64_kernel(p, isa),
        Compute::I32 => i32_kernel(p, isa),
        Compute::I64 => i64_kernel(p, isa),
        Compute::U64 => u64_kernel(p, isa),
    }
}

#[inline(always)]
unsafe fn lanes<F: Apply<L, N>, L: Lanes, const N: usize>(out: *mut L::Element, x: [*const L::Element; 3], count: usize) {
    let (room, count) = (count & ROOM != 0, count & !ROOM);
    let mut i = 0;
    // SAFETY: a kernel's caller gives `count` elements behind each pointer, and room for a whole vector if it says so.
    unsafe {
        while i + L::LANES <= count {
            let mut v = [L::splat(0.0); N];
            let mut k = 0;
            while k < N {
                v[k] = L::load(x[k].add(i));
                k += 1;
            }
            F::apply(v).store(out.add(i));
            i += L::LANES;
        }
        if L::LANES > 1 && i < count {
            let mut v = [L::splat(0.0); N];
            let mut k = 0;
            while k < N {
                v[k] = L::load_part(x[k].add(i), count - i);
                k += 1;
            }
            let y = F::apply(v);
            if room { y.store(out.add(i)) } else { y.store_part(out.add(i), count - i) }
        }
    }
}

/// The same for one number at a time, in blocks that are read before they are written: the compiler vectorises them
/// without having to prove that the ranges are disjoint (in place it would otherwise fall back to single elements).
#[inline(always)]
unsafe fn blocks<F: Apply<S, N>, S: Copy, const N: usize>(out: *mut S, x: [*const S; 3], count: usize) {
    const BLOCK: usize = 16;
    let count = count & !ROOM;
    let mut i = 0;
    // SAFETY: a kernel's caller gives `count` elements behind each pointer, aligned.
    unsafe {
        while i + BLOCK <= count {
            let x: [[S; BLOCK]; N] = std::array::from_fn(|k| x[k].add(i).cast::<[S; BLOCK]>().read());
            let y: [S; BLOCK] = std::array::from_fn(|j| F::apply(std::array::from_fn(|k| x[k][j])));
            out.add(i).cast::<[S; BLOCK]>().write(y);
            i += BLOCK;
        }
        while i < count {
            let y = F::apply(std::array::from_fn(|k| *x[k].add(i)));
            *out.add(i) = y;
            i += 1;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn lanes_avx2<F: Apply<L, N>, L: Lanes, const N: usize>(out: *mut u8, a: *const u8, b: *const u8, c: *const u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { lanes::<F, L, N>(out.cast(), [a.cast(), b.cast(), c.cast()], count) }
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn blocks_avx2<F: Apply<S, N>, S: Copy, const N: usize>(out: *mut u8, a: *const u8, b: *const u8, c: *const u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { blocks::<F, S, N>(out.cast(), [a.cast(), b.cast(), c.cast()], count) }
}
unsafe fn blocks_portable<F: Apply<S, N>, S: Copy, const N: usize>(out: *mut u8, a: *const u8, b: *const u8, c: *const u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { blocks::<F, S, N>(out.cast(), [a.cast(), b.cast(), c.cast()], count) }
}

/// Whether a number type has the primitives of a class, as a macro.
macro_rules! if_has {
    (float bits $kernel:expr) => {
        None
    };
    (integer field $kernel:expr) => {
        None
    };
    (integer float $kernel:expr) => {
        None
    };
    ($kind:ident $class:ident $kernel:expr) => {
        Some($kernel)
    };
}
macro_rules! kernels {
    ($function:ident $kind:ident $portable:ty, $loop:ident $vector:ty; $($class:ident $name:ident($($a:ident),+) = $meaning:expr;)*) => {
        fn $function(p: Primitive, isa: Isa) -> Option<Kernel> {
            match (p, isa) {
                $((Primitive::$name, Isa::Portable) => if_has!($kind $class blocks_portable::<meaning::$name, $portable, { [$(stringify!($a)),+].len() }> as Kernel),
                #[cfg(target_arch = "x86_64")]
                (Primitive::$name, Isa::Avx2) => if_has!($kind $class $loop::<meaning::$name, $vector, { [$(stringify!($a)),+].len() }> as Kernel),)*
            }
        }
    };
}
with_primitives! { kernels f32_kernel float One<f32>, lanes_avx2 F32x8; }
with_primitives! { kernels f64_kernel float One<f64>, lanes_avx2 F64x4; }
with_primitives! { kernels i32_kernel integer Int<i32>, blocks_avx2 Int<i32>; }
with_primitives! { kernels i64_kernel integer Int<i64>, blocks_avx2 Int<i64>; }
with_primitives! { kernels u64_kernel integer Int<u64>, blocks_avx2 Int<u64>; }
