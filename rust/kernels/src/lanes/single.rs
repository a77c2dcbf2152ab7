//! exp, log, sin, cos, tanh, erf ... in f32 to 2 ulp, without branches, for any group of f32 lanes. The polynomials are
//! minimax fits of our own.
use super::double::{HALF_PI, LARGE_ANGLE, held, log_edges, polynomial};
use super::wide::{self, Single};

/// 1.5 * 2^23: adding it leaves the integer nearest to x in the low bits.
const MAGIC: f32 = 12582912.0;
/// ln 2 in two parts, the first short enough for exact products with exponents.
const LN2: [f64; 2] = [0.693359375, -2.1219444005469058e-4];

/// 2^n for n in -126..=127.
#[inline(always)]
fn power_of_two<L: Single>(n: L::Integer) -> L {
    L::from_bits(L::shift_left::<23>(L::integer_add(n, L::integer(127))))
}
/// (n, e^r - 1) with x = n ln 2 + r.
#[inline(always)]
fn exp_parts<L: Single>(x: L) -> (L::Integer, L) {
    let shifted = x.fma(L::splat(std::f64::consts::LOG2_E), L::splat(MAGIC as f64));
    let n = shifted - MAGIC as f64;
    let r = n.fma(L::splat(-LN2[1]), n.fma(L::splat(-LN2[0]), x));
    const TAIL: [f64; 6] =
        [0.0001990890596061945, 0.0013949782587587833, 0.00833328440785408, 0.04166622459888458, 0.1666666716337204, 0.5];
    let tail = polynomial(r, &TAIL).fma(r * r, r);
    (L::integer_sub(shifted.to_bits(), L::integer(MAGIC.to_bits() as i64)), tail)
}
#[inline(always)]
pub fn exp<L: Single>(x: L) -> L {
    let (n, tail) = exp_parts(held(x, -104.0, 89.0));
    // 2^n in two factors: denormal results, and 2^128, come out right. The shift is logical, so n is kept positive.
    let half = L::integer_sub(L::shift_right::<1>(L::integer_add(n, L::integer(256))), L::integer(128));
    (tail + 1.0) * power_of_two::<L>(half) * power_of_two::<L>(L::integer_sub(n, half))
}
#[inline(always)]
pub fn expm1<L: Single>(x: L) -> L {
    let (n, tail) = exp_parts(held(x, -30.0, 89.0));
    // Half the power, so that 2^128 exists.
    let scale = power_of_two::<L>(L::integer_sub(n, L::integer(1)));
    let y = scale.fma(tail, scale - 0.5);
    L::select(x.abs().lt(L::splat(1e-8)), x, y + y) // also keeps -0 and denormals
}

#[inline(always)]
pub fn log<L: Single>(x: L) -> L {
    const SQRT_HALF: i64 = 0x3f35_04f3;
    let small = x.lt(L::splat(f32::MIN_POSITIVE as f64));
    let bits = L::select(small, x * 8388608.0, x).to_bits();
    // The exponent counted from sqrt(1/2), 128 added: the mantissa lies in [sqrt(1/2), sqrt(2)).
    let biased = L::shift_right::<23>(L::integer_add(L::integer_sub(bits, L::integer(SQRT_HALF)), L::integer(128 << 23)));
    let mantissa = L::from_bits(L::integer_sub(bits, L::shift_left::<23>(L::integer_sub(biased, L::integer(128)))));
    let exponent = L::from_bits(L::integer_add(L::splat(MAGIC as f64).to_bits(), biased)) - (MAGIC as f64 + 128.0);
    let exponent = L::select(small, exponent - 23.0, exponent);
    let f = mantissa - 1.0;
    let z = f * f;
    const SERIES: [f64; 9] = [
        0.06746640056371689,
        -0.11675650626420975,
        0.11888161301612854,
        -0.1240558922290802,
        0.14219552278518677,
        -0.1666799634695053,
        0.2000211924314499,
        -0.25000008940696716,
        0.3333331346511841,
    ];
    let tail = polynomial(f, &SERIES) * f * z;
    let tail = exponent.fma(L::splat(LN2[1]), tail);
    let tail = z.fma(L::splat(-0.5), tail);
    log_edges(x, exponent.fma(L::splat(LN2[0]), f + tail))
}
/// log(u) for u = 1 + x rounded, and the rounding put back.
#[inline(always)]
pub fn log1p<L: Single>(x: L) -> L {
    let u = x + 1.0;
    let lost = x - (u - 1.0);
    let y = log(u) + lost / u;
    let y = L::select(u.lt(L::splat(f64::INFINITY)), y, x);
    let y = L::select(x.eq(L::splat(-1.0)), L::splat(f64::NEG_INFINITY), y);
    L::select(x.abs().lt(L::splat(1e-7)), x, y) // also keeps -0
}

#[inline(always)]
pub fn tanh<L: Single>(x: L) -> L {
    let a = x.abs();
    let z = x * x;
    const SERIES: [f64; 6] = [
        0.0021303086541593075,
        -0.008168870583176613,
        0.021700244396924973,
        -0.053947459906339645,
        0.13333220779895782,
        -0.3333333134651184,
    ];
    let near = (polynomial(z, &SERIES) * z).fma(a, a);
    let far = L::splat(1.0) - L::splat(2.0) / (exp(a + a) + 1.0);
    L::select(a.lt(L::splat(0.625)), near, far).copysign(x) // on |x|, so that -0 stays
}
#[inline(always)]
pub fn erf<L: Single>(x: L) -> L {
    const NEAR: [f64; 7] = [
        8.2674618170131e-05,
        -0.0008118075202219188,
        0.005198829807341099,
        -0.02685849741101265,
        0.1128367930650711,
        -0.37612631916999817,
        0.12837916612625122,
    ];
    const FAR: [f64; 8] = [
        4.957238388669793e-07,
        -2.5053373974515125e-05,
        0.0004331978561822325,
        -0.004056704230606556,
        0.024603215977549553,
        -0.10718647390604019,
        -0.6345914602279663,
        -0.12878268957138062,
    ];
    let near = polynomial(x * x, &NEAR).fma(x, x);
    // 1 - e^(t p(t) - t); from 4 on that is 1.
    let t = held(x.abs(), 0.0, 4.05);
    let far = (L::splat(1.0) - exp(polynomial(t, &FAR).fma(t, -t))).copysign(x);
    L::select(x.abs().lt(L::splat(0.9375)), near, far)
}

/// The sine `quarters` quarter turns on: 0 is sin, 1 is cos. The angle is reduced in f64.
#[inline(always)]
fn sin_from<L: Single>(x: L, quarters: i64) -> L {
    let shifted = x.fma(L::splat(std::f64::consts::FRAC_2_PI), L::splat(MAGIC as f64));
    let n = shifted - MAGIC as f64;
    let turns = L::integer_add(shifted.to_bits(), L::integer(quarters));
    let r = x.widely_with(
        n,
        #[inline(always)]
        |x, n| x - n * HALF_PI[0] - n * HALF_PI[1],
    );
    let z = r * r;
    const SINE: [f64; 4] = [2.7097712518298067e-06, -0.00019838387379422784, 0.008333326317369938, -0.1666666716337204];
    const COSINE: [f64; 4] = [-2.7173885541742493e-07, 2.4799181119306013e-05, -0.0013888883404433727, 0.0416666679084301];
    let sine = (polynomial(z, &SINE) * z).fma(r, r);
    let sine = L::select(x.eq(L::splat(0.0)), x, sine); // -0 stays
    let cosine = (polynomial(z, &COSINE) * z).fma(z, z.fma(L::splat(-0.5), L::splat(1.0)));
    // The lowest bit of the turns chooses, the next one turns the sign.
    let odd = L::from_bits(L::shift_left::<31>(turns)).sign_bit();
    let sign = L::shift_left::<30>(L::integer_and(turns, L::integer(2)));
    L::from_bits(L::integer_xor(L::select(odd, cosine, sine).to_bits(), sign))
}
#[inline(always)]
pub fn sin<L: Single>(x: L) -> L {
    let y = sin_from(x, 0);
    let large = L::splat(LARGE_ANGLE).lt(x.abs());
    if L::any(large) { L::select(large, x.each(|x| f64::sin(x as f64) as f32), y) } else { y }
}
#[inline(always)]
pub fn cos<L: Single>(x: L) -> L {
    let y = sin_from(x, 1);
    let large = L::splat(LARGE_ANGLE).lt(x.abs());
    if L::any(large) { L::select(large, x.each(|x| f64::cos(x as f64) as f32), y) } else { y }
}

/// The exact rest: in f64 the quotient is right and its product exact as long as it has less than 28 bits.
#[inline(always)]
pub fn fmod<L: Single>(x: L, y: L) -> L {
    let quotient = (x / y).abs();
    let rest = x.widely_with(
        y,
        #[inline(always)]
        |x, y| {
            use super::Lanes;
            x - (x / y).trunc() * y
        },
    );
    let infinity = L::splat(f64::INFINITY);
    let rest = L::select(L::mask_and(y.abs().eq(infinity), x.abs().lt(infinity)), x, rest);
    let rest = rest.copysign(x);
    let large = L::splat(134217728.0).le(quotient);
    if L::any(large) { L::select(large, x.each_with(y, |x, y| x % y), rest) } else { rest }
}

macro_rules! widely { ($($name:ident)*) => { $(
    #[inline(always)]
    pub fn $name<L: Single>(x: L) -> L {
        x.widely(#[inline(always)] |x| wide::$name(x))
    }
)* } }
widely! { exp2 log2 log10 tan asin acos atan sinh cosh asinh acosh atanh erfc }
macro_rules! widely_with { ($($name:ident)*) => { $(
    #[inline(always)]
    pub fn $name<L: Single>(x: L, y: L) -> L {
        x.widely_with(y, #[inline(always)] |x, y| wide::$name(x, y))
    }
)* } }
widely_with! { atan2 hypot pow }
