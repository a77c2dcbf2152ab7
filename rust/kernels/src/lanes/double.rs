//! exp, log, sin, cos, tanh in f64 to about an ulp, without branches, for any group of f64 lanes. The polynomials are
//! minimax fits of our own; the degree is the least whose error vanishes below the rounding.
use super::Lanes;

/// Lanes of f64.
pub trait Double: Lanes<Element = f64> {}
impl<W: Lanes<Element = f64>> Double for W {}

/// The polynomial with these coefficients, the highest power first.
#[inline(always)]
pub fn polynomial<L: Lanes>(x: L, coefficients: &[f64]) -> L {
    let mut y = L::splat(coefficients[0]);
    let mut i = 1;
    while i < coefficients.len() {
        y = y.fma(x, L::splat(coefficients[i]));
        i += 1;
    }
    y
}
/// x held in a range, a NaN kept: the machine's extrema give their second operand for a NaN.
#[inline(always)]
pub fn held<L: Lanes>(x: L, low: f64, high: f64) -> L {
    L::splat(high).machine_min(L::splat(low).machine_max(x))
}

/// 1.5 * 2^52: adding it leaves the integer nearest to x in the low bits.
const MAGIC: f64 = 6755399441055744.0;
/// ln 2 in two parts, the first short enough for exact products with exponents.
const LN2: [f64; 2] = [0.6931471804855391, 7.440617110012397e-11];
/// pi / 2 in three parts of 33 bits.
pub const HALF_PI: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];
/// Up to here the three parts reduce an angle exactly.
pub const LARGE_ANGLE: f64 = 1048576.0;

/// 2^n for n in -1022..=1023.
#[inline(always)]
fn power_of_two<W: Double>(n: W::Integer) -> W {
    W::from_bits(W::shift_left::<52>(W::integer_add(n, W::integer(1023))))
}

/// (n, e^r - 1) with x = n ln 2 + r.
#[inline(always)]
fn exp_parts<W: Double>(x: W) -> (W::Integer, W) {
    let shifted = x.fma(W::splat(std::f64::consts::LOG2_E), W::splat(MAGIC));
    let n = shifted - MAGIC;
    let r = n.fma(W::splat(-LN2[1]), n.fma(W::splat(-LN2[0]), x));
    const TAIL: [f64; 10] = [
        2.5110154340462048e-08,
        2.763279158266045e-07,
        2.7557242059340425e-06,
        2.4801486965350895e-05,
        0.00019841269886836392,
        0.0013888888948140007,
        0.008333333333322127,
        0.04166666666652095,
        0.16666666666666674,
        0.500000000000001,
    ];
    let tail = polynomial(r, &TAIL).fma(r * r, r);
    (W::integer_sub(shifted.to_bits(), W::splat(MAGIC).to_bits()), tail)
}
#[inline(always)]
pub fn exp<W: Double>(x: W) -> W {
    let (n, tail) = exp_parts(held(x, -746.0, 710.0));
    // 2^n in two factors: denormal results, and 2^1024, come out right. The shift is logical, so n is kept positive.
    let half = W::integer_sub(W::shift_right::<1>(W::integer_add(n, W::integer(2048))), W::integer(1024));
    (tail + 1.0) * power_of_two::<W>(half) * power_of_two::<W>(W::integer_sub(n, half))
}
#[inline(always)]
pub fn expm1<W: Double>(x: W) -> W {
    let (n, tail) = exp_parts(held(x, -50.0, 710.0));
    // Half the power, so that 2^1024 exists.
    let scale = power_of_two::<W>(W::integer_sub(n, W::integer(1)));
    let y = scale.fma(tail, scale - 0.5);
    W::select(x.abs().lt(W::splat(1e-17)), x, y + y) // also keeps -0 and denormals
}

#[inline(always)]
pub fn log<W: Double>(x: W) -> W {
    const SQRT_HALF: i64 = 0x3fe6_a09e_667f_3bcd;
    const TWO_52: f64 = 4503599627370496.0;
    let small = x.lt(W::splat(f64::MIN_POSITIVE));
    let bits = W::select(small, x * 18014398509481984.0, x).to_bits();
    // The exponent counted from sqrt(1/2), 1024 added: the mantissa lies in [sqrt(1/2), sqrt(2)).
    let biased = W::shift_right::<52>(W::integer_add(W::integer_sub(bits, W::integer(SQRT_HALF)), W::integer(1024 << 52)));
    let mantissa = W::from_bits(W::integer_sub(bits, W::shift_left::<52>(W::integer_sub(biased, W::integer(1024)))));
    let exponent = W::from_bits(W::integer_add(W::splat(TWO_52).to_bits(), biased)) - (TWO_52 + 1024.0);
    let exponent = W::select(small, exponent - 54.0, exponent);
    // log(1 + f) = f - f²/2 + s (f²/2 + r), s = f / (2 + f), r from the series of atanh.
    let f = mantissa - 1.0;
    let s = f / (f + 2.0);
    let z = s * s;
    const SERIES: [f64; 7] = [
        0.07398753739676937,
        0.0765695163226738,
        0.09091784869677197,
        0.11111099237994371,
        0.1428571437163137,
        0.19999999999705545,
        0.33333333333333676,
    ];
    let r = polynomial(z, &SERIES) * z * 2.0;
    let half_square = f * f * 0.5;
    let low = exponent.fma(W::splat(LN2[1]), s * (half_square + r));
    let y = exponent.fma(W::splat(LN2[0]), f - (half_square - low));
    log_edges(x, y)
}
/// What a logarithm gives at 0, below, at infinity and for a NaN.
#[inline(always)]
pub fn log_edges<L: Lanes>(x: L, y: L) -> L {
    let y = L::select(x.lt(L::splat(f64::INFINITY)), y, x);
    let y = L::select(x.eq(L::splat(0.0)), L::splat(f64::NEG_INFINITY), y);
    L::select(x.lt(L::splat(0.0)), L::splat(f64::NAN), y)
}

#[inline(always)]
pub fn tanh<W: Double>(x: W) -> W {
    const SERIES: [f64; 8] = [
        0.0005018542520164842,
        -0.001441526658455692,
        0.003590869641655655,
        -0.008863171703607467,
        0.021869486680693297,
        -0.05396825393935377,
        0.1333333333331289,
        -0.3333333333333329,
    ];
    let a = x.abs();
    let z = x * x;
    let near = (polynomial(z, &SERIES) * z).fma(a, a);
    let t = expm1(held(a, 0.0, 30.0) * 2.0);
    W::select(a.lt(W::splat(0.3)), near, t / (t + 2.0)).copysign(x)
}

/// The angle less its multiple of pi / 2, and that multiple's low bits.
#[inline(always)]
fn reduced<W: Double>(x: W) -> (W, W::Integer) {
    let shifted = x.fma(W::splat(std::f64::consts::FRAC_2_PI), W::splat(MAGIC));
    let n = shifted - MAGIC;
    let r = n.fma(W::splat(-HALF_PI[1]), n.fma(W::splat(-HALF_PI[0]), x));
    (n.fma(W::splat(-HALF_PI[2]), r), shifted.to_bits())
}
/// The sine `quarters` quarter turns on: 0 is sin, 1 is cos. For angles below `LARGE_ANGLE`.
#[inline(always)]
pub fn sin_from<W: Double>(x: W, quarters: i64) -> W {
    let (r, turns) = reduced(x);
    let turns = W::integer_add(turns, W::integer(quarters));
    let z = r * r;
    const SINE: [f64; 7] = [
        -7.577954489352225e-13,
        1.6058356367689797e-10,
        -2.505210488127758e-08,
        2.7557319214338776e-06,
        -0.0001984126984125607,
        0.008333333333333325,
        -0.16666666666666666,
    ];
    const COSINE: [f64; 6] = [
        -1.1367797641000327e-11,
        2.0875894650411438e-09,
        -2.7557315719792157e-07,
        2.480158729457783e-05,
        -0.0013888888888882785,
        0.04166666666666665,
    ];
    let sine = (polynomial(z, &SINE) * z).fma(r, r);
    let sine = W::select(r.eq(W::splat(0.0)), r, sine); // -0 stays
    let cosine = (polynomial(z, &COSINE) * z).fma(z, z.fma(W::splat(-0.5), W::splat(1.0)));
    // The lowest bit of the turns chooses, the next one turns the sign.
    let odd = W::from_bits(W::shift_left::<63>(turns)).sign_bit();
    let sign = W::shift_left::<62>(W::integer_and(turns, W::integer(2)));
    W::from_bits(W::integer_xor(W::select(odd, cosine, sine).to_bits(), sign))
}
#[inline(always)]
pub fn sin<W: Double>(x: W) -> W {
    let y = sin_from(x, 0);
    let large = W::splat(LARGE_ANGLE).lt(x.abs());
    if W::any(large) { W::select(large, x.each(f64::sin), y) } else { y }
}
#[inline(always)]
pub fn cos<W: Double>(x: W) -> W {
    let y = sin_from(x, 1);
    let large = W::splat(LARGE_ANGLE).lt(x.abs());
    if W::any(large) { W::select(large, x.each(f64::cos), y) } else { y }
}
