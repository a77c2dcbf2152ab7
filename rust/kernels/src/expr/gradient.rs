//! The gradient of a program is a program: one rule a primitive, cotangents summed backwards.
use super::primitive::Primitive;
use super::program::{Node, Program};
use super::record::{Expr, ExprMask};
use super::scalar::{Field, Float, Ordered, Ring};
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};
use std::sync::Arc;

/// The gradient of a function x -> y.
pub struct Gradient {
    /// Inputs: x..., y..., a cotangent for each y. Outputs: one for each wanted x, in order.
    pub program: Arc<Program>,
    /// Which x it reads (bit i), so that autograd saves only those.
    pub reads_input: u32,
    /// It reads the results y.
    pub reads_result: bool,
}

impl Gradient {
    /// Reads a saved result only where that spares the x, or primitives.
    pub(super) fn of(program: &Program, wanted: u32) -> Gradient {
        let (with, without) = (differentiate(program, wanted, true), differentiate(program, wanted, false));
        let n = program.inputs;
        let spares = (0..n).all(|i| !with.reads(i)) && program.outputs.len() == 1;
        let chosen = if spares || with.cost() + 3 < without.cost() { with } else { without };
        let reads_input = (0..n).filter(|&i| chosen.reads(i)).fold(0, |bits, i| bits | 1 << i);
        let reads_result = (n..n + program.outputs.len()).any(|i| chosen.reads(i));
        Gradient { program: Arc::new(chosen), reads_input, reads_result }
    }
}

/// Cotangents of the arguments of `y = primitive(a, b, c)` from `g`; None where nothing flows.
type Flow = [Option<Expr>; 3];

fn rule(primitive: Primitive, [a, b, c]: [Expr; 3], y: Expr, g: Expr) -> Flow {
    use Primitive::*;
    match primitive {
        Copy => one(g),
        Neg => one(-g),
        Add => two(g, g),
        Sub => two(g, -g),
        Mul if a == b => one(g * a * 2.0),
        Mul => two(g * b, g * a),
        Div => two(g / b, -(g / b * y)),
        Sqrt => one(g * 0.5 / y),
        Exp => one(g * y),
        Exp2 => one(g * y * LN_2),
        Expm1 => one(g * (y + 1.0)),
        Log => one(g / a),
        Log2 => one(g / (a * LN_2)),
        Log10 => one(g / (a * LN_10)),
        Log1p => one(g / (a + 1.0)),
        Sin => one(g * a.cos()),
        Cos => one(-(g * a.sin())),
        Tan => one(g * (y * y + 1.0)),
        Asin => one(g / (-(a * a) + 1.0).sqrt()),
        Acos => one(-(g / (-(a * a) + 1.0).sqrt())),
        Atan => one(g / (a * a + 1.0)),
        Sinh => one(g * a.cosh()),
        Cosh => one(g * a.sinh()),
        Tanh => one(g * (-(y * y) + 1.0)),
        Asinh => one(g / (a * a + 1.0).sqrt()),
        Acosh => one(g / (a * a - 1.0).sqrt()),
        Atanh => one(g / (-(a * a) + 1.0)),
        Erf => one(g * ((-(a * a)).exp() * FRAC_2_SQRT_PI)),
        Erfc => one(-(g * ((-(a * a)).exp() * FRAC_2_SQRT_PI))),
        Atan2 => {
            let scale = g / (a * a + b * b);
            two(scale * b, -(scale * a))
        }
        Hypot => two(g * (a / y), g * (b / y)),
        Pow => power(a, b, y, g),
        Abs => one(g * a.sign()),
        // The sign is a's own where y and a agree, else turned; 0 at 0.
        Copysign => [Some(Expr::select(a.eq(Expr::zero()), Expr::zero(), g * (y / a))), None, None],
        Min => extremum(a.lt(b), b.lt(a), a.eq(b), g),
        Max => extremum(b.lt(a), a.lt(b), a.eq(b), g),
        Select => [None, Some(Expr::select(ExprMask(a), g, Expr::zero())), Some(Expr::select(ExprMask(a), Expr::zero(), g))],
        Remainder => two(g, -(g * a.div_floor(b))),
        Fmod => two(g, -(g * a.div_trunc(b))),
        MulAdd => [Some(g * b), Some(g * a), Some(g)],
        MulSub => [Some(g * b), Some(g * a), Some(-g)],
        SubMul => [Some(-(g * b)), Some(-(g * a)), Some(g)],
        MulMul => [Some(g * (b * c)), Some(g * (a * c)), Some(g * (a * b))],
        // Steps and masks are flat.
        Floor | Trunc | Round | DivTrunc | DivFloor | Number | Less | LessEqual | Equal | Finite | SignBit | And | Or | Not => [None; 3],
        BitAnd | BitOr | BitXor | BitNot | ShiftLeft | ShiftRight => [None; 3],
    }
}
fn one(d: Expr) -> Flow {
    [Some(d), None, None]
}
fn two(d: Expr, e: Expr) -> Flow {
    [Some(d), Some(e), None]
}
/// PyTorch's conventions: no slope in a where the exponent is 0; none in b where the base is 0 and b >= 0.
fn power(a: Expr, b: Expr, y: Expr, g: Expr) -> Flow {
    let zero = Expr::zero();
    two(Expr::select(b.eq(zero), zero, g * (b * a.pow(b - 1.0))), Expr::select(Expr::and(a.eq(zero), zero.le(b)), zero, g * (y * a.log())))
}
/// A tie halves the cotangent; where both are unordered (a NaN) each takes it whole.
fn extremum(a_wins: ExprMask, b_wins: ExprMask, tie: ExprMask, g: Expr) -> Flow {
    let shared = Expr::select(tie, g * 0.5, g);
    two(Expr::select(b_wins, Expr::zero(), shared), Expr::select(a_wins, Expr::zero(), shared))
}

/// `save`: a node that equals a result is read from the saved y instead of being worked out again, so that a gradient
/// like tanh' = 1 - y y needs no x at all.
fn differentiate(program: &Program, wanted: u32, save: bool) -> Program {
    let (n, m) = (program.inputs, program.outputs.len());
    let needed = reaches(program, wanted);
    let mut gradient = Program::record(n + 2 * m, |x| {
        let values = program.replay(&x[..n]);
        let value = |i: usize| match program.outputs.iter().position(|&o| o as usize == i) {
            Some(k) if save => x[n + k],
            _ => values[i],
        };
        let mut cotangents: Vec<Option<Expr>> = vec![None; program.nodes.len()];
        let mut of_inputs: Vec<Option<Expr>> = vec![None; n];
        let put = |slot: &mut Option<Expr>, d: Expr| *slot = Some(slot.map_or(d, |sum| sum + d));
        for (k, &output) in program.outputs.iter().enumerate() {
            put(&mut cotangents[output as usize], x[n + m + k]);
        }
        for i in (0..program.nodes.len()).rev().filter(|&i| needed[i]) {
            let Some(g) = cotangents[i] else { continue };
            match program.nodes[i] {
                Node::Constant(_) => {}
                Node::Input(j) => put(&mut of_inputs[j as usize], g),
                Node::Marked { mark, .. } => {
                    let mark = &program.marks[mark as usize];
                    let arguments: Vec<Expr> = mark.arguments.iter().map(|&a| value(a as usize)).collect();
                    for (&a, d) in mark.arguments.iter().zip((mark.gradient)(&arguments, value(i), g)) {
                        put(&mut cotangents[a as usize], d);
                    }
                }
                Node::Apply(p, a) => {
                    let arguments = std::array::from_fn(|k| if k < p.arity() { value(a[k] as usize) } else { g });
                    for (k, d) in rule(p, arguments, value(i), g).into_iter().enumerate().take(p.arity()) {
                        if let (Some(d), true) = (d, needed[a[k] as usize]) {
                            put(&mut cotangents[a[k] as usize], d);
                        }
                    }
                }
            }
        }
        (0..n).filter(|i| wanted & (1 << i) != 0).map(|i| of_inputs[i].unwrap_or(Expr::zero())).collect()
    });
    gradient.complex = program.complex;
    gradient
}

/// Which nodes depend on a wanted input: towards the others nothing need flow.
fn reaches(program: &Program, wanted: u32) -> Vec<bool> {
    let mut needed = vec![false; program.nodes.len()];
    for (i, node) in program.nodes.iter().enumerate() {
        needed[i] = match *node {
            Node::Input(j) => wanted & (1 << j) != 0,
            Node::Constant(_) => false,
            Node::Apply(p, a) => a[..p.arity()].iter().any(|&k| needed[k as usize]),
            Node::Marked { mark, .. } => program.marks[mark as usize].arguments.iter().any(|&k| needed[k as usize]),
        };
    }
    needed
}
