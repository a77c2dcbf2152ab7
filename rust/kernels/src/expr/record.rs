//! The recorder: a pointwise function run on [`Expr`] leaves its primitives behind. Equal nodes are shared as they are
//! pushed; what can be simplified is ([`super::fold`]).
use super::fold;
use super::primitive::Primitive;
use super::program::{Mark, Node};
use super::scalar::{Bits, Field, Float, Ordered, Ring};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A gradient by hand: arguments, result, cotangent of the result -> a cotangent for each argument.
pub type MarkedGradient = fn(&[Expr], Expr, Expr) -> Vec<Expr>;

#[derive(Default)]
pub(super) struct Recorder {
    pub nodes: Vec<Node>,
    pub marks: Vec<Mark>,
    known: HashMap<Node, u32>,
}
thread_local! { static RECORDER: RefCell<Recorder> = RefCell::default(); }

impl Recorder {
    /// What `f` records, and the nodes of its results.
    pub fn listen(f: impl FnOnce() -> Vec<Expr>) -> (Recorder, Vec<u32>) {
        let outer = RECORDER.take();
        let outputs = f().into_iter().map(|e| e.0).collect();
        (RECORDER.replace(outer), outputs)
    }
    fn push(&mut self, node: Node) -> Expr {
        let next = self.nodes.len() as u32;
        let index = *self.known.entry(node).or_insert(next);
        if index == next {
            self.nodes.push(node);
        }
        Expr(index)
    }
}

/// A value of the program being recorded.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Expr(pub(super) u32);
/// A mask in it: a type of its own, so that Rust's types keep masks and numbers apart as a shader does.
#[derive(Clone, Copy, Debug)]
pub struct ExprMask(pub(super) Expr);

impl Expr {
    pub(super) fn input(index: usize) -> Expr {
        Expr::push(Node::Input(index as u32))
    }
    pub fn constant(value: f64) -> Expr {
        Expr::push(Node::Constant(value.to_bits()))
    }
    pub(super) fn push(node: Node) -> Expr {
        RECORDER.with_borrow_mut(|r| r.push(node))
    }
    pub(super) fn node(self) -> Node {
        RECORDER.with_borrow(|r| r.nodes[self.0 as usize])
    }
    /// Its value, if it is a literal.
    pub(super) fn known(self) -> Option<f64> {
        if let Node::Constant(bits) = self.node() { Some(f64::from_bits(bits)) } else { None }
    }
    /// A primitive of some values; those beyond its arity are ignored.
    pub(super) fn apply(primitive: Primitive, arguments: [Expr; 3]) -> Expr {
        fold::simplified(primitive, arguments).unwrap_or_else(|| {
            let mut arguments = arguments;
            if primitive.commutes() && arguments[0].0 > arguments[1].0 {
                arguments.swap(0, 1);
            }
            Expr::push(Node::Apply(primitive, std::array::from_fn(|i| if i < primitive.arity() { arguments[i].0 } else { 0 })))
        })
    }
    pub(super) fn mark(value: Expr, arguments: &[Expr], gradient: MarkedGradient) -> Expr {
        if !matches!(value.node(), Node::Apply(..)) {
            return value; // folded away: an input or a literal needs no rule
        }
        RECORDER.with_borrow_mut(|r| {
            let new = Mark { arguments: arguments.iter().map(|a| a.0).collect(), gradient };
            let mark = r.marks.iter().position(|m| *m == new).unwrap_or(r.marks.len());
            if mark == r.marks.len() {
                r.marks.push(new);
            }
            r.push(Node::Marked { value: value.0, mark: mark as u32 })
        })
    }
}

macro_rules! operators { ($($trait:ident $method:ident)*) => { $(
    impl $trait for Expr { type Output = Expr; fn $method(self, other: Expr) -> Expr { Expr::apply(Primitive::$trait, [self, other, other]) } }
    impl $trait<f64> for Expr { type Output = Expr; fn $method(self, other: f64) -> Expr { self.$method(Expr::constant(other)) } }
)* } }
operators! { Add add Sub sub Mul mul Div div }
impl Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        Expr::apply(Primitive::Neg, [self; 3])
    }
}

macro_rules! methods {
    ($($method:ident($($other:ident)?) $primitive:ident)*) => { $(
        fn $method(self $(, $other: Expr)?) -> Expr { Expr::apply(Primitive::$primitive, [self, methods!(@second self $($other)?), self]) }
    )* };
    (@second $self:ident) => { $self };
    (@second $self:ident $other:ident) => { $other };
}
impl Ring for Expr {
    fn literal(value: f64) -> Expr {
        Expr::constant(value)
    }
    fn marked(value: Expr, arguments: &[Expr], gradient: MarkedGradient) -> Expr {
        Expr::mark(value, arguments, gradient)
    }
}
impl Ordered for Expr {
    type Mask = ExprMask;
    fn lt(self, other: Expr) -> ExprMask {
        ExprMask(Expr::apply(Primitive::Less, [self, other, other]))
    }
    fn le(self, other: Expr) -> ExprMask {
        ExprMask(Expr::apply(Primitive::LessEqual, [self, other, other]))
    }
    fn eq(self, other: Expr) -> ExprMask {
        ExprMask(Expr::apply(Primitive::Equal, [self, other, other]))
    }
    fn is_finite(self) -> ExprMask {
        ExprMask(Expr::apply(Primitive::Finite, [self; 3]))
    }
    fn sign_bit(self) -> ExprMask {
        ExprMask(Expr::apply(Primitive::SignBit, [self; 3]))
    }
    fn and(a: ExprMask, b: ExprMask) -> ExprMask {
        ExprMask(Expr::apply(Primitive::And, [a.0, b.0, b.0]))
    }
    fn or(a: ExprMask, b: ExprMask) -> ExprMask {
        ExprMask(Expr::apply(Primitive::Or, [a.0, b.0, b.0]))
    }
    fn not(a: ExprMask) -> ExprMask {
        ExprMask(Expr::apply(Primitive::Not, [a.0; 3]))
    }
    fn select(mask: ExprMask, yes: Expr, no: Expr) -> Expr {
        Expr::apply(Primitive::Select, [mask.0, yes, no])
    }
    fn number(mask: ExprMask) -> Expr {
        Expr::apply(Primitive::Number, [mask.0; 3])
    }
    methods! {
        abs() Abs min(other) Min max(other) Max floor() Floor trunc() Trunc round() Round
        div_trunc(other) DivTrunc div_floor(other) DivFloor remainder(other) Remainder fmod(other) Fmod pow(other) Pow
    }
}
impl Field for Expr {
    methods! { sqrt() Sqrt exp() Exp log() Log sin() Sin cos() Cos tanh() Tanh }
}
impl Float for Expr {
    methods! {
        exp2() Exp2 expm1() Expm1 log2() Log2 log10() Log10 log1p() Log1p tan() Tan asin() Asin acos() Acos atan() Atan
        sinh() Sinh cosh() Cosh asinh() Asinh acosh() Acosh atanh() Atanh erf() Erf erfc() Erfc
        atan2(other) Atan2 hypot(other) Hypot copysign(other) Copysign
    }
}
impl Bits for Expr {
    methods! {
        bit_and(other) BitAnd bit_or(other) BitOr bit_xor(other) BitXor bit_not() BitNot
        shift_left(other) ShiftLeft shift_right(other) ShiftRight
    }
}
