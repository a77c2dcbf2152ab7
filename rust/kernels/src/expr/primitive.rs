//! The primitives: all that a program is made of, and all that a lane type, a shader and a gradient rule must know.
/// Hands the list of primitives to a macro: `class Name(arguments) = meaning`. The class is the trait of
/// [`super::scalar`] that has it. A mask is a number here, 1 or 0.
macro_rules! with_primitives {
    ($callback:ident $($extra:tt)*) => { $callback! { $($extra)*
        ring Copy(a) = a;
        ring Neg(a) = -a;
        ring Add(a, b) = a + b;
        ring Sub(a, b) = a - b;
        ring Mul(a, b) = a * b;
        ordered Abs(a) = a.abs();
        ordered Floor(a) = a.floor();
        ordered Trunc(a) = a.trunc();
        ordered Round(a) = a.round();
        ordered Min(a, b) = a.min(b);
        ordered Max(a, b) = a.max(b);
        ordered Less(a, b) = S::number(a.lt(b));
        ordered LessEqual(a, b) = S::number(a.le(b));
        ordered Equal(a, b) = S::number(a.eq(b));
        ordered Finite(a) = S::number(a.is_finite());
        ordered SignBit(a) = S::number(a.sign_bit());
        ordered And(a, b) = a * b;
        ordered Or(a, b) = S::select(a.eq(S::zero()), b, a);
        ordered Not(a) = S::one() - a;
        ordered Number(a) = a;
        ordered Select(mask, a, b) = S::select(mask.eq(S::zero()), b, a);
        ordered DivTrunc(a, b) = a.div_trunc(b);
        ordered DivFloor(a, b) = a.div_floor(b);
        ordered Remainder(a, b) = a.remainder(b);
        ordered Fmod(a, b) = a.fmod(b);
        ordered Pow(a, b) = a.pow(b);
        field Div(a, b) = a / b;
        field Sqrt(a) = a.sqrt();
        field Exp(a) = a.exp();
        field Log(a) = a.log();
        field Sin(a) = a.sin();
        field Cos(a) = a.cos();
        field Tanh(a) = a.tanh();
        float Exp2(a) = a.exp2();
        float Expm1(a) = a.expm1();
        float Log2(a) = a.log2();
        float Log10(a) = a.log10();
        float Log1p(a) = a.log1p();
        float Tan(a) = a.tan();
        float Asin(a) = a.asin();
        float Acos(a) = a.acos();
        float Atan(a) = a.atan();
        float Sinh(a) = a.sinh();
        float Cosh(a) = a.cosh();
        float Asinh(a) = a.asinh();
        float Acosh(a) = a.acosh();
        float Atanh(a) = a.atanh();
        float Erf(a) = a.erf();
        float Erfc(a) = a.erfc();
        float Atan2(a, b) = a.atan2(b);
        float Hypot(a, b) = a.hypot(b);
        float Copysign(a, b) = a.copysign(b);
        bits BitAnd(a, b) = a.bit_and(b);
        bits BitOr(a, b) = a.bit_or(b);
        bits BitXor(a, b) = a.bit_xor(b);
        bits BitNot(a) = a.bit_not();
        bits ShiftLeft(a, b) = a.shift_left(b);
        bits ShiftRight(a, b) = a.shift_right(b);
        // Never recorded: the tile compiler joins two steps into one of these. The roundings stay two.
        ring MulAdd(a, b, c) = a * b + c;
        ring MulSub(a, b, c) = a * b - c;
        ring SubMul(a, b, c) = c - a * b;
        ring MulMul(a, b, c) = a * b * c;
    } };
}
pub(crate) use with_primitives;

/// The trait behind the class word of a primitive or row.
#[allow(non_camel_case_types)]
pub mod class {
    pub use super::super::scalar::{Bits as bits, Field as field, Float as float, Ordered as ordered, Ring as ring};
}

/// A primitive's meaning for one number type. (Rust has no generic closures: a type stands for the function.)
pub trait Apply<S, const N: usize> {
    fn apply(arguments: [S; N]) -> S;
}

macro_rules! define {
    ($($class:ident $name:ident($($a:ident),+) = $meaning:expr;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Primitive { $($name),* }
        impl Primitive {
            pub const ALL: &'static [Primitive] = &[$(Primitive::$name),*];
            pub const fn arity(self) -> usize { match self { $(Primitive::$name => [$(stringify!($a)),+].len()),* } }
            /// The value for f64 numbers: constants fold with it, tests take it as the reference. None for bits.
            pub fn constant(self, x: [f64; 3]) -> Option<f64> { match self { $(Primitive::$name => constant!($class $name x [$($a),+])),* } }
        }
        /// A type for each primitive.
        pub mod meaning {
            use super::*;
            $(pub struct $name;
            impl<S: class::$class> Apply<S, { [$(stringify!($a)),+].len() }> for $name {
                #[inline(always)]
                fn apply([$($a),+]: [S; [$(stringify!($a)),+].len()]) -> S { $meaning }
            })*
        }
    };
}
macro_rules! constant {
    (bits $name:ident $x:ident $arguments:tt) => {
        None
    };
    ($class:ident $name:ident $x:ident [$a:ident]) => {
        Some(meaning::$name::apply([$x[0]]))
    };
    ($class:ident $name:ident $x:ident [$a:ident, $b:ident]) => {
        Some(meaning::$name::apply([$x[0], $x[1]]))
    };
    ($class:ident $name:ident $x:ident [$a:ident, $b:ident, $c:ident]) => {
        Some(meaning::$name::apply($x))
    };
}
with_primitives! { define }

impl Primitive {
    /// Its value is 0 or 1: a bool in a shader.
    pub const fn is_mask(self) -> bool {
        use Primitive::*;
        matches!(self, Less | LessEqual | Equal | Finite | SignBit | And | Or | Not)
    }
    pub(super) const fn commutes(self) -> bool {
        use Primitive::*;
        matches!(self, Add | Mul | Equal | And | Or | BitAnd | BitOr | BitXor)
    }
    /// Integers refuse a zero divisor here.
    pub const fn divides(self) -> bool {
        use Primitive::*;
        matches!(self, DivTrunc | DivFloor | Remainder | Fmod)
    }
}
