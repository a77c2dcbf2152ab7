// The functions of pointwise programs that WGSL lacks or has too loosely: the same formulas and coefficients as the CPU's
// f32 lanes. Names start with rt_, so that none hides a built-in.

fn rt_bits(bits: u32) -> f32 { var b = bits; return bitcast<f32>(b); }
fn rt_inf() -> f32 { return rt_bits(0x7f800000u); }
fn rt_nan() -> f32 { return rt_bits(0x7fc00000u); }
// By bits: a compiler may take x != x for false, and x - x for 0.
fn rt_is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn rt_is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }
fn rt_sign_bit(x: f32) -> bool { return (bitcast<u32>(x) >> 31u) == 1u; }
fn rt_copysign(x: f32, sign: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(sign) & 0x80000000u));
}

// A NaN on either side is handed on.
fn rt_max(a: f32, b: f32) -> f32 { return select(select(max(a, b), b, rt_is_nan(b)), a, rt_is_nan(a)); }
fn rt_min(a: f32, b: f32) -> f32 { return select(select(min(a, b), b, rt_is_nan(b)), a, rt_is_nan(a)); }

// 2^n for whole n in -126..127, by bits.
fn rt_power_of_two(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }
// e^r - 1 for |r| <= ln 2 / 2.
fn rt_exp_tail(r: f32) -> f32 {
    var p = 1.990890596061945e-4f;
    p = fma(p, r, 1.3949782587587833e-3f);
    p = fma(p, r, 8.33328440785408e-3f);
    p = fma(p, r, 4.166622459888458e-2f);
    p = fma(p, r, 0.1666666716337204f);
    p = fma(p, r, 0.5f);
    return fma(p, r * r, r);
}
fn rt_exp(x: f32) -> f32 {
    let held = clamp(x, -104.0, 89.0);
    let n = round(held * 1.4426950408889634f);
    let r = fma(n, 2.1219444005469058e-4f, fma(n, -0.693359375f, held));
    let whole = i32(n);
    let half = whole >> 1u;
    let y = (rt_exp_tail(r) + 1.0) * rt_power_of_two(half) * rt_power_of_two(whole - half);
    return select(y, x, rt_is_nan(x));
}
fn rt_expm1(x: f32) -> f32 {
    let held = clamp(x, -30.0, 89.0);
    let n = round(held * 1.4426950408889634f);
    let r = fma(n, 2.1219444005469058e-4f, fma(n, -0.693359375f, held));
    let scale = rt_power_of_two(i32(n) - 1);
    let y = 2.0 * fma(scale, rt_exp_tail(r), scale - 0.5);
    return select(y, x, rt_is_nan(x) || abs(x) < 1e-8);
}
fn rt_exp2(x: f32) -> f32 {
    let held = clamp(x, -150.0, 129.0);
    let n = round(held);
    let whole = i32(n);
    let half = whole >> 1u;
    let y = (rt_exp_tail((held - n) * 0.6931471805599453f) + 1.0) * rt_power_of_two(half) * rt_power_of_two(whole - half);
    return select(y, x, rt_is_nan(x));
}

// What a logarithm gives at 0, below, at infinity and for a NaN.
fn rt_log_edges(x: f32, y: f32) -> f32 {
    var z = select(y, rt_inf(), x == rt_inf());
    z = select(z, -rt_inf(), x == 0.0);
    return select(z, rt_nan(), x < 0.0 || rt_is_nan(x));
}
fn rt_log(x: f32) -> f32 {
    let small = x < 1.17549435e-38f;
    let bits = bitcast<i32>(select(x, x * 8388608.0, small));
    let whole = (bits - 0x3f3504f3) >> 23u;
    let f = bitcast<f32>(bits - (whole << 23u)) - 1.0;
    let n = f32(whole) - select(0.0, 23.0, small);
    let z = f * f;
    var p = 6.746640056371689e-2f;
    p = fma(p, f, -0.11675650626420975f);
    p = fma(p, f, 0.11888161301612854f);
    p = fma(p, f, -0.1240558922290802f);
    p = fma(p, f, 0.14219552278518677f);
    p = fma(p, f, -0.1666799634695053f);
    p = fma(p, f, 0.2000211924314499f);
    p = fma(p, f, -0.25000008940696716f);
    p = fma(p, f, 0.3333331346511841f);
    let tail = fma(z, -0.5, fma(n, -2.1219444005469058e-4f, p * f * z));
    return rt_log_edges(x, fma(n, 0.693359375f, f + tail));
}
fn rt_log2(x: f32) -> f32 { return rt_log(x) * 1.4426950408889634f; }
fn rt_log10(x: f32) -> f32 { return rt_log(x) * 0.4342944819032518f; }
fn rt_log1p(x: f32) -> f32 {
    let u = x + 1.0;
    let y = rt_log(u) + (x - (u - 1.0)) / u;
    return select(select(y, rt_log(u), u > 1e30f || u <= 0.0), x, abs(x) < 1e-7);
}

fn rt_tanh(x: f32) -> f32 {
    let a = abs(x);
    let z = x * x;
    var p = 2.1303086541593075e-3f;
    p = fma(p, z, -8.168870583176613e-3f);
    p = fma(p, z, 2.1700244396924973e-2f);
    p = fma(p, z, -5.3947459906339645e-2f);
    p = fma(p, z, 0.13333220779895782f);
    p = fma(p, z, -0.3333333134651184f);
    let near = fma(p * z, a, a);
    let far = 1.0 - 2.0 / (rt_exp(a + a) + 1.0);
    return rt_copysign(select(far, near, a < 0.625), x);
}
fn rt_sinh(x: f32) -> f32 {
    let a = abs(x);
    let z = a * a;
    let near = fma(a * z, fma(z, fma(z, 1.984126984e-4f, 8.333333333e-3f), 0.16666666666f), a);
    let half = rt_exp(0.5 * a);
    let far = 0.5 * half * half - 0.5 * rt_exp(-a);
    return rt_copysign(select(far, near, a < 0.7), x);
}
fn rt_cosh(x: f32) -> f32 {
    let half = rt_exp(0.5 * abs(x));
    return 0.5 * half * half + 0.5 * rt_exp(-abs(x));
}
fn rt_asinh(x: f32) -> f32 {
    let a = abs(x);
    let y = rt_log1p(a + a * (a / (sqrt(fma(a, a, 1.0)) + 1.0)));
    return rt_copysign(select(y, rt_log(a) + 0.6931471805599453f, a > 1e9f), x);
}
fn rt_acosh(x: f32) -> f32 {
    let t = x - 1.0;
    let y = rt_log1p(t + sqrt(t * (t + 2.0)));
    return select(select(y, rt_log(x) + 0.6931471805599453f, x > 1e9f), rt_nan(), x < 1.0);
}
fn rt_atanh(x: f32) -> f32 {
    let a = abs(x);
    return rt_copysign(0.5 * rt_log1p((a + a) / (1.0 - a)), x);
}

fn rt_erf(x: f32) -> f32 {
    let z = x * x;
    var p = 8.2674618170131e-5f;
    p = fma(p, z, -8.118075202219188e-4f);
    p = fma(p, z, 5.198829807341099e-3f);
    p = fma(p, z, -2.685849741101265e-2f);
    p = fma(p, z, 0.1128367930650711f);
    p = fma(p, z, -0.37612631916999817f);
    p = fma(p, z, 0.12837916612625122f);
    let near = fma(p, x, x);
    let t = min(abs(x), 4.05);
    var q = 4.957238388669793e-7f;
    q = fma(q, t, -2.5053373974515125e-5f);
    q = fma(q, t, 4.331978561822325e-4f);
    q = fma(q, t, -4.056704230606556e-3f);
    q = fma(q, t, 2.4603215977549553e-2f);
    q = fma(q, t, -0.10718647390604019f);
    q = fma(q, t, -0.6345914602279663f);
    q = fma(q, t, -0.12878268957138062f);
    let far = rt_copysign(1.0 - rt_exp(fma(q, t, -t)), x);
    return select(select(far, near, abs(x) < 0.9375), x, rt_is_nan(x));
}
// e^(-x²) times a polynomial in (a - 2) / (a + 2); x² is taken in two parts, since e^ magnifies its rounding.
fn rt_erfc(x: f32) -> f32 {
    let a = min(abs(x), 10.6);
    let s = (a - 2.0) / (a + 2.0);
    var p = -2.1607263857795699e-7f;
    p = fma(p, s, -8.80908173359412e-6f);
    p = fma(p, s, -2.3347052169117003e-5f);
    p = fma(p, s, 2.445448877897581e-5f);
    p = fma(p, s, 1.7124833991285802e-4f);
    p = fma(p, s, 4.454583045899383e-5f);
    p = fma(p, s, -9.809146124121519e-4f);
    p = fma(p, s, -8.473342062051994e-4f);
    p = fma(p, s, 6.997286402130442e-3f);
    p = fma(p, s, 3.732914031656921e-3f);
    p = fma(p, s, -7.897856876386128e-2f);
    p = fma(p, s, 0.24165819314561868f);
    p = fma(p, s, -0.42718584764876233f);
    p = fma(p, s, 0.2553956763203376f);
    let short = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
    let y = rt_exp(-short * short) * rt_exp((short - a) * (short + a)) * p;
    return select(select(y, 2.0 - y, x < 0.0), x, rt_is_nan(x));
}

// The sine, some quarter turns on. pi / 2 is taken off in four parts; beyond some 1e5 the built-in must do.
fn rt_sin_from(x: f32, quarters: i32) -> f32 {
    let n = round(x * 0.6366197723675814f);
    var r = fma(n, -1.5703125f, x);
    r = fma(n, -4.837512969970703e-4f, r);
    r = fma(n, -7.549785415e-8f, r);
    r = fma(n, -5.126688e-12f, r);
    let turns = i32(n) + quarters;
    let z = r * r;
    var s = 2.7097712518298067e-6f;
    s = fma(s, z, -1.9838387379422784e-4f);
    s = fma(s, z, 8.333326317369938e-3f);
    s = fma(s, z, -0.1666666716337204f);
    let sine = select(fma(s * z, r, r), x, x == 0.0);
    var c = -2.7173885541742493e-7f;
    c = fma(c, z, 2.4799181119306013e-5f);
    c = fma(c, z, -1.3888883404433727e-3f);
    c = fma(c, z, 4.16666679084301e-2f);
    let cosine = fma(c * z, z, fma(z, -0.5, 1.0));
    let y = select(sine, cosine, (turns & 1) == 1);
    return select(y, -y, (turns & 2) == 2);
}
fn rt_sin(x: f32) -> f32 { return select(select(rt_sin_from(x, 0), sin(x), abs(x) > 1e5f), rt_nan(), !rt_is_finite(x)); }
fn rt_cos(x: f32) -> f32 { return select(select(rt_sin_from(x, 1), cos(x), abs(x) > 1e5f), rt_nan(), !rt_is_finite(x)); }
fn rt_tan(x: f32) -> f32 { return rt_sin(x) / rt_cos(x); }

fn rt_atan(x: f32) -> f32 {
    let a = abs(x);
    let far = a > 2.414213562373095f;
    let middle = a > 0.41421356237309503f;
    let t = select(select(a, (a - 1.0) / (a + 1.0), middle), -1.0 / a, far);
    let start = select(select(0.0, 0.7853981633974483f, middle), 1.5707963267948966f, far);
    let z = t * t;
    var p = -3.7681492464059343e-2f;
    p = fma(p, z, 6.981532047927322e-2f);
    p = fma(p, z, -8.995894114391027e-2f);
    p = fma(p, z, 0.11104075305230768f);
    p = fma(p, z, -0.14285440521304552f);
    p = fma(p, z, 0.19999995204740856f);
    p = fma(p, z, -0.3333333330849196f);
    return rt_copysign(start + fma(p * z, t, t), x);
}
fn rt_atan2(y: f32, x: f32) -> f32 {
    var ratio = abs(y) / abs(x);
    ratio = select(ratio, 0.0, y == 0.0);
    ratio = select(ratio, 1.0, abs(x) == rt_inf() && abs(y) == rt_inf());
    let angle = rt_atan(ratio);
    let turned = rt_copysign(select(angle, 3.141592653589793f - angle, rt_sign_bit(x)), y);
    return select(turned, rt_nan(), rt_is_nan(x) || rt_is_nan(y));
}
fn rt_asin(x: f32) -> f32 { return select(rt_atan2(x, sqrt((1.0 - x) * (1.0 + x))), rt_nan(), abs(x) > 1.0 || rt_is_nan(x)); }
fn rt_acos(x: f32) -> f32 { return select(rt_atan2(sqrt((1.0 - x) * (1.0 + x)), x), rt_nan(), abs(x) > 1.0 || rt_is_nan(x)); }
fn rt_hypot(a: f32, b: f32) -> f32 {
    let high = max(abs(a), abs(b));
    let low = min(abs(a), abs(b));
    let ratio = low / high;
    let y = select(high * sqrt(fma(ratio, ratio, 1.0)), high, high == 0.0);
    let finite = select(y, rt_nan(), rt_is_nan(a) || rt_is_nan(b));
    return select(finite, rt_inf(), abs(a) == rt_inf() || abs(b) == rt_inf());
}
fn rt_pow(a: f32, b: f32) -> f32 {
    let r = pow(abs(a), b);
    let whole = floor(b) == b;
    let odd = whole && floor(b * 0.5) != b * 0.5;
    let signed = select(r, -r, odd && rt_sign_bit(a));
    let y = select(signed, rt_nan(), (a < 0.0 && !whole) || rt_is_nan(a) || rt_is_nan(b));
    return select(y, 1.0, b == 0.0 || a == 1.0);
}

// The rest of a division, with the dividend's sign. The quotient is cut to whole numbers in steps of its own size.
fn rt_fmod(a: f32, b: f32) -> f32 {
    let y = a % b;
    let divisor_is_infinite = abs(b) == rt_inf() && rt_is_finite(a);
    return select(select(rt_copysign(y, a), a, divisor_is_infinite), rt_nan(), b == 0.0 || !rt_is_finite(a) || rt_is_nan(b));
}
fn rt_remainder(a: f32, b: f32) -> f32 {
    let rest = rt_fmod(a, b);
    return select(rest, rest + b, rest != 0.0 && (rest < 0.0) != (b < 0.0));
}
fn rt_div_floor(a: f32, b: f32) -> f32 {
    let rest = rt_fmod(a, b);
    var quotient = (a - rest) / b;
    quotient = select(quotient, quotient - 1.0, rest != 0.0 && (rest < 0.0) != (b < 0.0));
    let whole = floor(quotient);
    let nearest = select(whole, whole + 1.0, quotient - whole > 0.5);
    let signed = select(nearest, rt_copysign(0.0, a / b), quotient == 0.0);
    return select(signed, a / b, b == 0.0);
}
