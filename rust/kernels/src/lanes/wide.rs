//! Functions whose f32 results are worked in f64 lanes, where plain formulas are accurate enough.
use super::Lanes;
use super::double::{self, Double, LARGE_ANGLE, polynomial};

/// Lanes of f32 that can be widened.
pub trait Single: Lanes<Element = f32> {
    type Wide: Double;
    /// A function of f64 lanes, rounded to f32.
    fn widely(self, f: impl Fn(Self::Wide) -> Self::Wide) -> Self;
    fn widely_with(self, other: Self, f: impl Fn(Self::Wide, Self::Wide) -> Self::Wide) -> Self;
}

#[inline(always)]
pub fn exp2<W: Double>(x: W) -> W {
    double::exp(x * std::f64::consts::LN_2)
}
#[inline(always)]
pub fn log2<W: Double>(x: W) -> W {
    double::log(x) * std::f64::consts::LOG2_E
}
#[inline(always)]
pub fn log10<W: Double>(x: W) -> W {
    double::log(x) * std::f64::consts::LOG10_E
}
#[inline(always)]
pub fn log1p<W: Double>(x: W) -> W {
    let u = x + 1.0;
    // What the rounding of 1 + x lost is put back. At infinity nothing was.
    let lost = x - (u - 1.0);
    let y = double::log(u);
    W::select(u.abs().lt(W::splat(f64::INFINITY)), y + lost / u, y)
}
#[inline(always)]
pub fn tan<W: Double>(x: W) -> W {
    let y = double::sin_from(x, 0) / double::sin_from(x, 1);
    let large = W::splat(LARGE_ANGLE).lt(x.abs());
    if W::any(large) { W::select(large, x.each(f64::tan), y) } else { y }
}
/// The arctangent to 1e-12.
#[inline(always)]
pub fn atan<W: Double>(x: W) -> W {
    const SERIES: [f64; 7] = [
        -0.037681492464059343,
        0.06981532047927322,
        -0.08995894114391027,
        0.11104075305230768,
        -0.14285440521304552,
        0.19999995204740856,
        -0.3333333330849196,
    ];
    let a = x.abs();
    let one = W::splat(1.0);
    // Above tan(pi / 8) the angle is counted from pi / 4, above its inverse from pi / 2.
    let (middle, far) = (W::splat(std::f64::consts::SQRT_2 - 1.0).lt(a), W::splat(std::f64::consts::SQRT_2 + 1.0).lt(a));
    let t = W::select(far, -(one / a), W::select(middle, (a - 1.0) / (a + 1.0), a));
    let from =
        W::select(far, W::splat(std::f64::consts::FRAC_PI_2), W::select(middle, W::splat(std::f64::consts::FRAC_PI_4), W::splat(0.0)));
    let z = t * t;
    (from + (polynomial(z, &SERIES) * z).fma(t, t)).copysign(x)
}
#[inline(always)]
pub fn atan2<W: Double>(y: W, x: W) -> W {
    let zero = W::splat(0.0);
    let ratio = y.abs() / x.abs();
    // Two zeros or two infinities have no ratio; the angle is 0 or pi / 4.
    let ratio = W::select(y.eq(zero), zero, ratio);
    let both = W::mask_and(y.abs().eq(x.abs()), y.abs().eq(W::splat(f64::INFINITY)));
    let ratio = W::select(both, W::splat(1.0), ratio);
    let angle = atan(ratio);
    let angle = W::select(x.sign_bit(), W::splat(std::f64::consts::PI) - angle, angle).copysign(y);
    // A NaN in x may have been hidden by y = 0.
    W::select(x.eq(x), angle, x)
}
#[inline(always)]
pub fn asin<W: Double>(x: W) -> W {
    let rest = ((W::splat(1.0) - x) * (x + 1.0)).sqrt();
    W::select(rest.eq(rest), atan2(x, rest), rest)
}
#[inline(always)]
pub fn acos<W: Double>(x: W) -> W {
    let rest = ((W::splat(1.0) - x) * (x + 1.0)).sqrt();
    W::select(rest.eq(rest), atan2(rest, x), rest)
}
#[inline(always)]
pub fn sinh<W: Double>(x: W) -> W {
    let a = x.abs();
    let e = double::exp(a);
    let far = (e - W::splat(1.0) / e) * 0.5;
    let near = (a * a * (1.0 / 6.0)).fma(a, a);
    W::select(a.lt(W::splat(1e-3)), near, far).copysign(x)
}
#[inline(always)]
pub fn cosh<W: Double>(x: W) -> W {
    let e = double::exp(x.abs());
    (e + W::splat(1.0) / e) * 0.5
}
#[inline(always)]
pub fn asinh<W: Double>(x: W) -> W {
    let a = x.abs();
    // log(a + sqrt(a² + 1)), the 1 taken out.
    let root = a.fma(a, W::splat(1.0)).sqrt();
    W::select(a.lt(W::splat(f64::INFINITY)), log1p(a + a * a / (root + 1.0)), a).copysign(x)
}
#[inline(always)]
pub fn acosh<W: Double>(x: W) -> W {
    let t = x - 1.0;
    W::select(t.lt(W::splat(0.0)), W::splat(f64::NAN), log1p(t + (t * (t + 2.0)).sqrt()))
}
#[inline(always)]
pub fn atanh<W: Double>(x: W) -> W {
    let a = x.abs();
    (log1p((a + a) / (W::splat(1.0) - a)) * 0.5).copysign(x)
}
/// 1 - erf(x): e^(-x²) times a polynomial in (a - 2) / (a + 2), to 1e-10; 2 less that for negative x.
#[inline(always)]
pub fn erfc<W: Double>(x: W) -> W {
    const SERIES: [f64; 14] = [
        -2.1607263857795699e-07,
        -8.80908173359412e-06,
        -2.3347052169117003e-05,
        2.445448877897581e-05,
        0.00017124833991285802,
        4.454583045899383e-05,
        -0.0009809146124121519,
        -0.0008473342062051994,
        0.006997286402130442,
        0.003732914031656921,
        -0.07897856876386128,
        0.24165819314561868,
        -0.42718584764876233,
        0.2553956763203376,
    ];
    // Beyond 10.6 an f32 is 0.
    let a = double::held(x.abs(), 0.0, 10.6);
    let y = double::exp(-(a * a)) * polynomial((a - 2.0) / (a + 2.0), &SERIES);
    W::select(x.lt(W::splat(0.0)), W::splat(2.0) - y, y)
}
#[inline(always)]
pub fn hypot<W: Double>(x: W, y: W) -> W {
    let infinity = W::splat(f64::INFINITY);
    let infinite = W::mask_or(x.abs().eq(infinity), y.abs().eq(infinity));
    W::select(infinite, infinity, x.fma(x, y * y).sqrt())
}
/// x^y for any x, by e^(y ln |x|).
#[inline(always)]
pub fn pow<W: Double>(x: W, y: W) -> W {
    let (zero, one, infinity) = (W::splat(0.0), W::splat(1.0), W::splat(f64::INFINITY));
    let a = x.abs();
    // ln 0 and ln inf times a nonzero y have the right limits; 0 * inf is mended below.
    let power = double::exp(y * double::log(a));
    let whole = y.floor().eq(y);
    let half = y * 0.5;
    let odd = W::mask_and(whole, W::mask_not(half.floor().eq(half)));
    let signed = W::select(odd, power.copysign(x), power);
    // A negative base has a power only for whole exponents; infinite ones, counted as even, are whole.
    let undefined = W::mask_and(W::mask_and(x.lt(zero), W::mask_not(whole)), a.lt(infinity));
    let y_is_infinite = y.abs().eq(infinity);
    let signed = W::select(undefined, W::splat(f64::NAN), signed);
    let one_to_infinity = W::mask_and(y_is_infinite, a.eq(one));
    let is_one = W::mask_or(W::mask_or(y.eq(zero), x.eq(one)), one_to_infinity);
    W::select(is_one, one, signed)
}
