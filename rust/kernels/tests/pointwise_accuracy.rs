//! f32 and f64 functions against wider arithmetic, on every instruction set of this machine.
use rustorch_kernels::expr::Primitive;
use rustorch_kernels::lanes::Isa;
use rustorch_kernels::pointwise::kernel::{Compute, primitive};

fn apply<T: Copy + Default>(p: Primitive, compute: Compute, isa: Isa, x: &[T], y: &[T]) -> Vec<T> {
    let mut out = vec![T::default(); x.len()];
    let kernel = primitive(p, compute, isa).expect("a kernel");
    // SAFETY: all sides are slices of one length.
    unsafe { kernel(out.as_mut_ptr().cast(), x.as_ptr().cast(), y.as_ptr().cast(), x.as_ptr().cast(), x.len()) };
    out
}
/// The distance in units of the last place of the true value.
fn ulp32(got: f32, want: f64) -> f64 {
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() && want.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let near = want as f32;
    if got == near {
        return 0.0f64.max(((got as f64 - want) / spacing(near)).abs().min(0.5));
    }
    if near.is_infinite() || got.is_infinite() {
        // Half a step beyond the largest float.
        let edge = 3.402823466e38 * if want > 0.0 { 1.0 } else { -1.0 };
        return ((want - edge) / 2f64.powi(104)).abs().min(1e9);
    }
    ((got as f64 - want) / spacing(near)).abs()
}
fn spacing(x: f32) -> f64 {
    let exponent = ((x.to_bits() >> 23) & 255).max(1) as i32;
    2f64.powi(exponent - 127 - 23)
}

/// Finite f32 by steps over all of them, within a magnitude.
fn floats(step: usize, limit: f32) -> Vec<f32> {
    let all = (0..=u32::MAX).step_by(step).map(f32::from_bits);
    all.filter(|x| x.is_finite() && x.abs() <= limit).chain([0.0, -0.0, 1.0, -1.0, 0.5, f32::MIN_POSITIVE]).collect()
}

fn worst32(p: Primitive, f: fn(f64) -> f64, limit: f32, allowed: f64) {
    let x = floats(19_997, limit);
    for isa in Isa::available() {
        let got = apply(p, Compute::F32, isa, &x, &x);
        let (error, at) =
            x.iter().zip(&got).map(|(&x, &y)| (ulp32(y, f(x as f64)), x)).fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        println!("{p:?} {isa:?}: {error:.3} ulp at {at:e}");
        assert!(error <= allowed, "{p:?} {isa:?}: {error} ulp at {at:e}");
    }
}

#[test]
fn single_functions_are_within_two_ulp() {
    use Primitive::*;
    let inf = f32::MAX;
    worst32(Exp, f64::exp, inf, 1.5);
    worst32(Log, f64::ln, inf, 1.5);
    worst32(Tanh, f64::tanh, inf, 2.0);
    worst32(Erf, libm::erf, inf, 2.0);
    worst32(Expm1, f64::exp_m1, inf, 2.0);
    worst32(Log1p, f64::ln_1p, inf, 2.0);
    worst32(Sin, f64::sin, 1048576.0, 2.0);
    worst32(Cos, f64::cos, 1048576.0, 2.0);
    worst32(Sin, f64::sin, inf, 2.0);
    worst32(Cos, f64::cos, inf, 2.0);
    for (p, f) in [
        (Exp2, f64::exp2 as fn(f64) -> f64),
        (Log2, f64::log2),
        (Log10, f64::log10),
        (Tan, f64::tan),
        (Asin, f64::asin),
        (Acos, f64::acos),
        (Atan, f64::atan),
        (Sinh, f64::sinh),
        (Cosh, f64::cosh),
        (Asinh, libm::asinh),
        (Acosh, f64::acosh),
        (Atanh, libm::atanh),
        (Erfc, libm::erfc),
        (Sqrt, f64::sqrt),
    ] {
        worst32(p, f, inf, 0.51);
    }
}

#[test]
fn angles_near_multiples_of_a_quarter_turn() {
    let x: Vec<f32> = (1..600_000).step_by(7).map(|k| (k as f64 * std::f64::consts::FRAC_PI_2) as f32).collect();
    for isa in Isa::available() {
        for (p, f) in [(Primitive::Sin, f64::sin as fn(f64) -> f64), (Primitive::Cos, f64::cos)] {
            let got = apply(p, Compute::F32, isa, &x, &x);
            let error = x.iter().zip(&got).map(|(&x, &y)| ulp32(y, f(x as f64))).fold(0.0, f64::max);
            assert!(error <= 2.0, "{p:?} {isa:?}: {error}");
        }
    }
}

#[test]
fn two_argument_functions() {
    use Primitive::*;
    let base = floats(2_400_009, f32::MAX);
    let (mut x, mut y) = (vec![], vec![]);
    for &a in &base {
        for &b in base.iter().step_by(7).chain(&[0.5, 2.0, 3.0, -1.5, 0.0, -0.0, 1.0, 7.25]) {
            x.push(a);
            y.push(b);
            x.push(b);
            y.push(a);
        }
    }
    for isa in Isa::available() {
        for (p, f, allowed) in [
            (Pow, f64::powf as fn(f64, f64) -> f64, 0.51),
            (Atan2, f64::atan2, 0.51),
            (Hypot, f64::hypot, 0.51),
            (Fmod, |a, b| a % b, 0.0),
            (Div, |a, b| a / b, 0.51),
        ] {
            let got = apply(p, Compute::F32, isa, &x, &y);
            for i in 0..x.len() {
                let want = f(x[i] as f64, y[i] as f64);
                let error = ulp32(got[i], want);
                assert!(error <= allowed, "{p:?} {isa:?}({:e}, {:e}) = {:e}, {want:e}: {error} ulp", x[i], y[i], got[i]);
            }
        }
    }
}

#[test]
fn doubles_agree_with_the_scalar_library() {
    use Primitive::*;
    let all: Vec<f64> = (0..50_000u64).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).filter(|x| x.is_finite()).collect();
    let small: Vec<f64> = (0..50_000).map(|i| (f64::from(i) - 25_000.0) * 0.002_931).chain([0.0, -0.0, 1.0, -1.0]).collect();
    for isa in Isa::available() {
        for (p, f, allowed) in [
            (Exp, f64::exp as fn(f64) -> f64, 1.5),
            (Log, f64::ln, 1.5),
            (Expm1, f64::exp_m1, 2.0),
            (Tanh, f64::tanh, 3.0),
            (Sin, f64::sin, 2.0),
            (Cos, f64::cos, 2.0),
        ] {
            for x in [&all, &small] {
                let got = apply(p, Compute::F64, isa, x, x);
                let mut worst = (0.0, 0.0);
                for (&x, &y) in x.iter().zip(&got) {
                    let want = f(x);
                    let unit = f64::from_bits((want.abs().to_bits() & !((1 << 52) - 1)).max(1)) * f64::EPSILON;
                    let error = if y == want || (y.is_nan() && want.is_nan()) { 0.0 } else { ((y - want) / unit.max(5e-324)).abs() };
                    if error.is_nan() || error > worst.0 {
                        worst = (error, x);
                    }
                }
                println!("{p:?} {isa:?} f64: {} at {:e}", worst.0, worst.1);
                assert!(worst.0 <= allowed, "{p:?} {isa:?} f64: {} ulp at {:e}", worst.0, worst.1);
            }
        }
    }
}

#[test]
fn edges_are_those_of_the_scalar_library() {
    use Primitive::*;
    let edges = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        3.0,
        -3.0,
        0.5,
        -0.5,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN,
        1e-45,
        -1e-45,
    ];
    for isa in Isa::available() {
        for (p, f) in [
            (Exp, f32::exp as fn(f32) -> f32),
            (Log, f32::ln),
            (Sin, f32::sin),
            (Cos, f32::cos),
            (Tanh, f32::tanh),
            (Exp2, f32::exp2),
            (Expm1, f32::exp_m1),
            (Log2, f32::log2),
            (Log10, f32::log10),
            (Log1p, f32::ln_1p),
            (Tan, f32::tan),
            (Asin, f32::asin),
            (Acos, f32::acos),
            (Atan, f32::atan),
            (Sinh, f32::sinh),
            (Cosh, f32::cosh),
            (Asinh, libm::asinhf),
            (Acosh, f32::acosh),
            (Atanh, libm::atanhf),
            (Erf, libm::erff),
            (Erfc, libm::erfcf),
            (Sqrt, f32::sqrt),
            (Floor, f32::floor),
            (Trunc, f32::trunc),
            (Round, f32::round_ties_even),
            (Abs, f32::abs),
        ] {
            let got = apply(p, Compute::F32, isa, &edges, &edges);
            for (&x, &y) in edges.iter().zip(&got) {
                let want = f(x);
                let same = y.to_bits() == want.to_bits()
                    || (y.is_nan() && want.is_nan())
                    || (want != 0.0 && (y - want).abs() <= want.abs() * 3e-7);
                assert!(same, "{p:?} {isa:?} of {x:e} is {y:e}, not {want:e}");
            }
        }
        for (p, f) in [
            (Pow, f32::powf as fn(f32, f32) -> f32),
            (Atan2, f32::atan2),
            (Hypot, f32::hypot),
            (Fmod, |a, b| a % b),
            (Copysign, f32::copysign),
        ] {
            for &b in &edges {
                let got = apply(p, Compute::F32, isa, &edges, &[b; 17]);
                for (&x, &y) in edges.iter().zip(&got) {
                    let want = f(x, b);
                    let same = y.to_bits() == want.to_bits()
                        || (y.is_nan() && want.is_nan())
                        || (want != 0.0 && (y - want).abs() <= want.abs() * 3e-7);
                    assert!(same, "{p:?} {isa:?} of {x:e}, {b:e} is {y:e}, not {want:e}");
                }
            }
        }
    }
}
