//! What a primitive simplifies to as it is recorded: literals, units, signs. Only rewrites that keep every bit of the
//! result for finite values (a sum with a literal 0 may lose the sign of a zero).
use super::primitive::Primitive::{self, *};
use super::program::Node;
use super::record::Expr;

/// The simpler value, if there is one.
pub(super) fn simplified(primitive: Primitive, x: [Expr; 3]) -> Option<Expr> {
    let n = primitive.arity();
    let known: [Option<f64>; 3] = std::array::from_fn(|i| if i < n { x[i].known() } else { None });
    if known[..n].iter().all(Option::is_some)
        && let Some(value) = primitive.constant(known.map(|k| k.unwrap_or(0.0)))
    {
        return Some(Expr::constant(value));
    }
    unit(primitive, x, known).or_else(|| sign(primitive, x, known))
}

fn unit(primitive: Primitive, x: [Expr; 3], known: [Option<f64>; 3]) -> Option<Expr> {
    Some(match (primitive, known[0], known[1]) {
        (Copy, ..) => x[0],
        (Add, Some(0.0), _) | (Mul, Some(1.0), _) => x[1],
        (Add | Sub, _, Some(0.0)) | (Mul | Div, _, Some(1.0)) => x[0],
        (Mul, _, Some(-1.0)) => -x[0],
        (Mul, Some(-1.0), _) => -x[1],
        // A division by a power of two is exact as a product.
        (Div, _, Some(k)) if k.to_bits() << 12 == 0 && k != 0.0 && (1.0 / k).is_normal() => x[0] * Expr::constant(1.0 / k),
        (Select, Some(mask), _) => x[if mask == 0.0 { 2 } else { 1 }],
        (Select, ..) if x[1] == x[2] => x[1],
        (And, Some(0.0), _) | (And, _, Some(1.0)) | (Or, Some(1.0), _) | (Or, _, Some(0.0)) => x[0],
        (And, _, Some(0.0)) | (And, Some(1.0), _) | (Or, _, Some(1.0)) | (Or, Some(0.0), _) => x[1],
        _ => return None,
    })
}

/// Moves minus signs outwards, where they meet a sum and vanish. `(x a) b = x (a b)` is left alone: it would change
/// the rounding of the author's formula.
fn sign(primitive: Primitive, x: [Expr; 3], known: [Option<f64>; 3]) -> Option<Expr> {
    let argument = |i: usize| if i < primitive.arity() { x[i].node() } else { Node::Constant(0) };
    let inner = |a: [u32; 3]| Expr(a[0]);
    Some(match (primitive, argument(0), argument(1)) {
        (Not, Node::Apply(Not, a), _) | (Neg, Node::Apply(Neg, a), _) => inner(a),
        (Neg, Node::Apply(Sub, a), _) => Expr(a[1]) - inner(a),
        (Add, _, Node::Apply(Neg, b)) => x[0] - inner(b),
        (Add, Node::Apply(Neg, a), _) => x[1] - inner(a),
        (Sub, _, Node::Apply(Neg, b)) => x[0] + inner(b),
        (Mul | Div, Node::Apply(Neg, a), Node::Apply(Neg, b)) => Expr::apply(primitive, [inner(a), inner(b), x[2]]),
        (Mul, Node::Apply(Neg, a), _) if let Some(k) = known[1] => inner(a) * Expr::constant(-k),
        (Mul | Div, Node::Apply(Neg, a), _) => -Expr::apply(primitive, [inner(a), x[1], x[2]]),
        (Mul | Div, _, Node::Apply(Neg, b)) => -Expr::apply(primitive, [x[0], inner(b), x[2]]),
        _ => return None,
    })
}
