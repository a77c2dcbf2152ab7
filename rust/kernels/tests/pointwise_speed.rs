//! A guard against the silent loss of vectorisation: one helper that is not inlined costs a kernel 10 to 75 times its
//! speed. Each primitive is timed beside a copy of the same elements, so that a slow or busy machine changes nothing.
use rustorch_kernels::expr::Primitive;
use rustorch_kernels::lanes::Isa;
use rustorch_kernels::pointwise::kernel::{Compute, Kernel, primitive};
use std::time::Instant;

const COUNT: usize = 4096;

/// The best of several timings, in nanoseconds an element.
fn time(kernel: Kernel, data: &mut [Vec<u64>; 4]) -> f64 {
    let [y, a, b, c] = data;
    let mut best = f64::INFINITY;
    for _ in 0..40 {
        let start = Instant::now();
        for _ in 0..4 {
            // SAFETY: each side holds COUNT elements of up to eight bytes.
            unsafe { kernel(y.as_mut_ptr().cast(), a.as_ptr().cast(), b.as_ptr().cast(), c.as_ptr().cast(), COUNT) };
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (4 * COUNT) as f64);
    }
    best
}
/// Numbers from 1/2 to 2, or from 1 to 5, as elements of the number type.
fn numbers(compute: Compute, seed: usize) -> Vec<u64> {
    let mut bytes = vec![0u64; COUNT];
    for i in 0..COUNT {
        let k = (i * 37 + seed * 11) % 101;
        let (float, whole) = (0.5 + k as f64 * 0.015, k as u64 % 5 + 1);
        let to = bytes.as_mut_ptr();
        // SAFETY: the buffer holds COUNT elements of eight bytes.
        unsafe {
            match compute {
                Compute::F32 => to.cast::<f32>().add(i).write(float as f32),
                Compute::F64 => to.cast::<f64>().add(i).write(float),
                Compute::I32 => to.cast::<u32>().add(i).write(whole as u32),
                Compute::I64 | Compute::U64 => to.add(i).write(whole),
            }
        }
    }
    bytes
}
/// How many copies a primitive may cost: some four times what it does. None where it works one lane at a time.
fn allowance(p: Primitive, compute: Compute) -> Option<f64> {
    use Primitive::*;
    let float = matches!(compute, Compute::F32 | Compute::F64);
    Some(match p {
        Exp | Log | Tanh | Erf | Expm1 | Log1p if compute == Compute::F32 => 60.0,
        Sin | Cos if compute == Compute::F32 => 40.0,
        Exp | Log | Sin | Cos | Tanh | Expm1 if compute == Compute::F64 => 70.0,
        Exp2 | Log2 | Log10 | Tan | Asin | Acos | Atan | Sinh | Cosh | Asinh | Acosh | Atanh | Erfc | Hypot | Atan2 | Pow
            if compute == Compute::F32 =>
        {
            120.0
        }
        DivFloor | Remainder | Fmod if compute == Compute::F32 => 40.0,
        DivTrunc | Div | Sqrt if float => 20.0,
        Exp2 | Log2 | Log10 | Log1p | Tan | Asin | Acos | Atan | Sinh | Cosh | Asinh | Acosh | Atanh | Erf | Erfc | Hypot | Atan2 | Pow => {
            return None;
        }
        DivFloor | Remainder | Fmod | DivTrunc => return None,
        // Without a 64-bit multiplication or comparison of its own, a vector needs several instructions.
        _ if compute == Compute::I64 => 20.0,
        _ => 12.0,
    })
}

#[test]
fn every_primitive_is_vectorised() {
    if Isa::best() == Isa::Portable {
        return;
    }
    for compute in [Compute::F32, Compute::F64, Compute::I32, Compute::I64] {
        let mut data = [numbers(compute, 0), numbers(compute, 1), numbers(compute, 2), numbers(compute, 3)];
        let copy = time(primitive(Primitive::Copy, compute, Isa::best()).expect("a copy"), &mut data);
        for &p in Primitive::ALL {
            let Some(kernel) = primitive(p, compute, Isa::best()) else { continue };
            let nanoseconds = time(kernel, &mut data);
            println!("{compute:?} {p:?}: {nanoseconds:.3} ns, {:.1} copies", nanoseconds / copy);
            let Some(allowed) = allowance(p, compute) else { continue };
            assert!(nanoseconds <= allowed * copy, "{p:?} in {compute:?} costs {:.0} copies", nanoseconds / copy);
        }
    }
}
