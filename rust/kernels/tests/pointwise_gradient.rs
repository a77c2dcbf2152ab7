//! Every row's gradient, and the gradient of the gradient, against differences in f64; and PyTorch's conventions.
use rustorch_base::DType;
use rustorch_kernels::expr::Program;
use rustorch_kernels::pointwise::{Row, row, rows};

/// Where a row is smooth: away from kinks, inside its domain.
fn points(row: &Row) -> Vec<Vec<f64>> {
    let mut seed = 7u64;
    let mut unit = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut one = |i: usize| {
        let u = unit();
        match (row.name, i) {
            ("log" | "log2" | "log10" | "sqrt" | "rsqrt" | "pow" | "xlogy", _) => 0.2 + 2.0 * u,
            ("acosh", _) => 1.1 + u,
            ("tan", _) => 2.0 * u - 1.0,
            ("asin" | "acos" | "atanh" | "erfinv", _) => 1.8 * u - 0.9,
            ("logit", _) => 0.1 + 0.8 * u,
            ("log1p", _) => 3.0 * u - 0.9,
            ("clamp" | "hardtanh" | "clamp_min", 1) => -1.0 - 0.1 * u,
            ("clamp" | "hardtanh", 2) | ("clamp_max", 1) => 1.0 + 0.1 * u,
            ("where_", 0) => f64::from(u8::from(u > 0.5)),
            ("remainder" | "fmod" | "div_floor" | "div_trunc" | "round_decimals", 1) => 10.0 + u,
            ("softplus", 2) => 20.0,
            ("nan_to_num", 1..) | ("heaviside", 1) => u,
            ("hardshrink" | "softshrink", 1) => 0.5,
            _ if i > 0 && matches!(row.inputs[i], "alpha" | "scale" | "beta" | "input_scale" | "value") => 0.5 + u,
            _ => 4.0 * u - 2.0 + 1e-3,
        }
    };
    (0..30).map(|_| (0..row.arity).map(&mut one).collect()).collect()
}

fn difference(p: &Program, out: usize, x: &[f64], i: usize) -> f64 {
    let h = 1e-5;
    let at = |d: f64| {
        let mut z = x.to_vec();
        z[i] += d;
        p.evaluate(&z).expect("a real program")[out]
    };
    (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)
}

/// The gradient of `p` for all inputs in `wanted`, one output at a time, against differences.
fn check(name: &str, p: &Program, x: &[f64], wanted: u32) {
    let gradient = p.gradient(wanted);
    let y = p.evaluate(x).expect("a real program");
    for out in 0..y.len() {
        let cotangents = (0..y.len()).map(|k| if k == out { 1.7 } else { 0.0 });
        let all: Vec<f64> = x.iter().copied().chain(y.iter().copied()).chain(cotangents).collect();
        let got = gradient.program.evaluate(&all).expect("a real program");
        for (k, i) in (0..x.len()).filter(|i| wanted & (1 << i) != 0).enumerate() {
            let want = 1.7 * difference(p, out, x, i);
            let close = (got[k] - want).abs() <= 3e-6 * (1.0 + want.abs());
            assert!(close, "{name}: d y{out} / d x{i} at {x:?} is {}, by differences {want}", got[k]);
        }
    }
}

/// The row's tensor inputs, for which autograd may ask.
fn tensors(row: &Row) -> u32 {
    let number = |name: &&str| {
        matches!(*name, "alpha" | "beta" | "scale" | "input_scale" | "value" | "threshold" | "negative_slope" | "lambd" | "condition")
    };
    let fixed = |i: usize| i > 0 && matches!(row.name, "nan_to_num" | "hardtanh");
    (0..row.arity).filter(|&i| !number(&row.inputs[i]) && !fixed(i)).fold(0, |bits, i| bits | 1 << i)
}

#[test]
fn first_and_second_gradients() {
    let mut count = 0;
    for row in rows().filter(|row| !row.node.is_empty()) {
        let program = row.program(DType::Float64, 0).expect("floats");
        let wanted = tensors(row);
        assert!(wanted != 0, "{}", row.name);
        let gradient = row.gradient(wanted, 0);
        for x in points(row) {
            check(row.name, program, &x, wanted);
            // The gradient is an op of x, y and the cotangent: y enters as a variable of its own.
            let y = program.evaluate(&x).expect("a real program");
            let second: Vec<f64> = x.iter().copied().chain(y).chain([0.7]).collect();
            // A step in y (relu's test of the result) has no slope there.
            let through = wanted | (u32::from(gradient.reads_result && row.name != "relu") << row.arity) | 1 << (row.arity + 1);
            check(&format!("{}, second order", row.name), &gradient.program, &second, through);
        }
        count += 1;
    }
    assert!(count >= 60, "{count} differentiable rows");
}

/// One-output gradients of f64 inputs: (inputs, expected for each wanted input), cotangent 1.
fn gradients(name: &str, x: &[f64]) -> Vec<f64> {
    let row = row(name).expect(name);
    let y = row.program(DType::Float64, 0).expect(name).evaluate(x).expect(name);
    let all: Vec<f64> = x.iter().copied().chain(y).chain([1.0]).collect();
    row.gradient(tensors(row), 0).program.evaluate(&all).expect(name)
}

#[test]
fn conventions_are_pytorchs() {
    let inf = f64::INFINITY;
    assert_eq!(gradients("relu", &[0.0]), [0.0]);
    assert_eq!(gradients("abs", &[0.0]), [0.0]);
    assert_eq!(gradients("maximum", &[2.0, 2.0]), [0.5, 0.5]);
    assert_eq!(gradients("fmax", &[2.0, 2.0]), [1.0, 0.0]);
    assert_eq!(gradients("clamp", &[1.0, -1.0, 1.0])[0], 1.0);
    assert_eq!(gradients("clamp_min", &[1.0, 1.0]), [1.0, 0.0]);
    assert_eq!(gradients("hardtanh", &[1.0, -1.0, 1.0]), [0.0]);
    assert_eq!(gradients("elu", &[0.0, 2.0, 1.0, 1.0]), [2.0]);
    assert_eq!(gradients("leaky_relu", &[0.0, 0.1]), [0.1]);
    assert_eq!(gradients("pow", &[0.0, 0.0])[0], 0.0);
    assert_eq!(gradients("pow", &[0.0, 2.0]), [0.0, 0.0]);
    assert_eq!(gradients("pow", &[0.0, 1.0])[0], 1.0);
    assert_eq!(gradients("sqrt", &[0.0]), [inf]);
    assert_eq!(gradients("xlogy", &[0.0, 0.0])[0], 0.0);
    assert_eq!(gradients("copysign", &[0.0, -1.0]), [0.0, 0.0]);
    assert_eq!(gradients("floor", &[1.5]), [0.0]);
    // Far out nothing turns into 0 * inf, also where a function is used in another.
    for (name, at, want) in [
        ("softplus", vec![-800.0, 1.0, 20.0], 0.0),
        ("softplus", vec![800.0, 1.0, 20.0], 1.0),
        ("log_sigmoid", vec![-800.0], 1.0),
        ("sigmoid", vec![800.0], 0.0),
        ("silu", vec![-800.0], 0.0),
        ("silu", vec![800.0], 1.0),
        ("mish", vec![800.0], 1.0),
        ("mish", vec![-800.0], 0.0),
        ("elu", vec![800.0, 1.0, 1.0, 1.0], 1.0),
        ("selu", vec![800.0], 1.0507009873554805),
        ("gelu", vec![-800.0], 0.0),
        ("tanh", vec![800.0], 0.0),
        ("logaddexp", vec![800.0, -800.0], 1.0),
    ] {
        let got = gradients(name, &at)[0];
        assert!((got - want).abs() < 1e-300, "{name} at {at:?}: {got}");
    }
}

#[test]
fn saves_no_more_than_it_needs() {
    let saved = |name: &str, wanted: u32| {
        let gradient = row(name).expect(name).gradient(wanted, 0b1111_1110);
        (gradient.reads_input, gradient.reads_result)
    };
    for name in ["tanh", "sigmoid", "exp", "sqrt", "relu", "reciprocal", "rsqrt"] {
        assert_eq!(saved(name, 1), (0, true), "{name}");
    }
    assert_eq!(saved("add", 0b11), (0, false));
    assert_eq!(saved("mul", 0b01), (0b10, false));
    assert_eq!(saved("mul", 0b11), (0b11, false));
    assert_eq!(saved("silu", 1), (1, false));
}
