//! How the arguments and results of ops travel between callers and kernels.
use crate::device::Device;
use crate::random::Generator;
use crate::schema::Kind;
use crate::tensor::Tensor;
use rustorch_base::layout::MemoryFormat;
use rustorch_base::{DType, Result, bail};
pub use rustorch_kernels::Number;
use std::fmt;

/// How elements are stored; only the dense form is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TensorLayout {
    Strided,
}

/// One argument. `Copy` and 24 bytes: a call's arguments are an array on the caller's stack.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    None,
    Tensor(&'a Tensor),
    Bool(bool),
    Int(i64),
    Float(f64),
    Complex(f64, f64),
    Str(&'a str),
    Ints(&'a [i64]),
    Floats(&'a [f64]),
    Numbers(&'a [Number]),
    Tensors(&'a [&'a Tensor]),
    OptionalTensors(&'a [Option<&'a Tensor>]),
    DType(DType),
    Device(Device),
    MemoryFormat(MemoryFormat),
    Layout(TensorLayout),
    Generator(&'a Generator),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::None => f.write_str("None"),
            Value::Tensor(t) => write!(f, "Tensor{:?}", t.shape()),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(x) => write!(f, "{x}"),
            Value::Complex(re, im) => write!(f, "({re}+{im}j)"),
            Value::Str(s) => write!(f, "{s:?}"),
            Value::Ints(v) => write!(f, "{v:?}"),
            Value::Floats(v) => write!(f, "{v:?}"),
            Value::Numbers(v) => write!(f, "{v:?}"),
            Value::Tensors(v) => write!(f, "{} tensors", v.len()),
            Value::OptionalTensors(v) => write!(f, "{} optional tensors", v.len()),
            Value::DType(d) => write!(f, "{d:?}"),
            Value::Device(d) => write!(f, "{d}"),
            Value::MemoryFormat(m) => write!(f, "{m:?}"),
            Value::Layout(l) => write!(f, "{l:?}"),
            Value::Generator(_) => f.write_str("Generator"),
        }
    }
}

impl<'a> From<Number> for Value<'a> {
    fn from(number: Number) -> Value<'a> {
        match number {
            Number::Bool(b) => Value::Bool(b),
            Number::Int(i) => Value::Int(i),
            Number::Float(x) => Value::Float(x),
            Number::Complex(re, im) => Value::Complex(re, im),
        }
    }
}

impl Value<'_> {
    /// The number this is, if it is one.
    #[inline(always)]
    pub fn number(self) -> Option<Number> {
        Some(match self {
            Value::Bool(b) => Number::Bool(b),
            Value::Int(i) => Number::Int(i),
            Value::Float(x) => Number::Float(x),
            Value::Complex(re, im) => Number::Complex(re, im),
            _ => return None,
        })
    }
    /// OR of the key bits of the tensors in it.
    pub fn keys(self) -> u32 {
        match self {
            Value::Tensor(t) => t.keys(),
            Value::Tensors(list) => list.iter().fold(0, |keys, t| keys | t.keys()),
            Value::OptionalTensors(list) => list.iter().flatten().fold(0, |keys, t| keys | t.keys()),
            _ => 0,
        }
    }
}

/// A Rust type that an op may name in its signature.
///
/// `accepts` is checked against the schema for the whole table once, by a test, so that `from_value` cannot meet a
/// value of another kind.
pub trait FromValue<'a>: Sized {
    fn accepts(kind: Kind, nullable: bool) -> bool;
    fn from_value(value: Value<'a>) -> Self;
    fn into_value(self) -> Value<'a>;
}

/// A tensor, or a Python number that stayed a number: it takes no part in type promotion as a tensor would.
#[derive(Clone, Copy)]
pub enum TensorOrNumber<'a> {
    Tensor(&'a Tensor),
    Number(Number),
}

#[cold]
#[inline(never)]
#[expect(clippy::panic, reason = "an op whose Rust types contradict its schema is a fault of the table, found by its test")]
fn wrong<T>(value: Value<'_>) -> T {
    panic!("an op's Rust signature disagrees with its schema: {value:?}")
}

/// `type: Kinds => pattern => value, back;` for each Rust type, and for `Option` of it.
macro_rules! from_value {
    ($($type:ty: $kind:pat => $pattern:pat => $value:expr, $back:expr;)*) => { $(
        impl<'a> FromValue<'a> for $type {
            fn accepts(kind: Kind, nullable: bool) -> bool { matches!(kind, $kind) && !nullable }
            #[inline(always)]
            fn from_value(value: Value<'a>) -> Self { match value { $pattern => $value, other => wrong(other) } }
            #[inline(always)]
            fn into_value(self) -> Value<'a> { $back(self) }
        }
        impl<'a> FromValue<'a> for Option<$type> {
            fn accepts(kind: Kind, _: bool) -> bool { matches!(kind, $kind) }
            #[inline(always)]
            fn from_value(value: Value<'a>) -> Self {
                match value { Value::None => None, some => Some(<$type>::from_value(some)) }
            }
            #[inline(always)]
            fn into_value(self) -> Value<'a> { self.map_or(Value::None, <$type>::into_value) }
        }
    )* };
}
from_value! {
    &'a Tensor: Kind::Tensor => Value::Tensor(t) => t, Value::Tensor;
    i64: Kind::Int => Value::Int(i) => i, Value::Int;
    f64: Kind::Float => Value::Float(x) => x, Value::Float;
    bool: Kind::Bool => Value::Bool(b) => b, Value::Bool;
    &'a str: Kind::Str => Value::Str(s) => s, Value::Str;
    &'a [i64]: Kind::Ints => Value::Ints(list) => list, Value::Ints;
    &'a [f64]: Kind::Floats => Value::Floats(list) => list, Value::Floats;
    &'a [Number]: Kind::Numbers => Value::Numbers(list) => list, Value::Numbers;
    &'a [&'a Tensor]: Kind::Tensors => Value::Tensors(list) => list, Value::Tensors;
    &'a [Option<&'a Tensor>]: Kind::OptionalTensors => Value::OptionalTensors(list) => list, Value::OptionalTensors;
    DType: Kind::DType => Value::DType(dtype) => dtype, Value::DType;
    Device: Kind::Device => Value::Device(device) => device, Value::Device;
    MemoryFormat: Kind::MemoryFormat => Value::MemoryFormat(format) => format, Value::MemoryFormat;
    TensorLayout: Kind::Layout => Value::Layout(layout) => layout, Value::Layout;
    &'a Generator: Kind::Generator => Value::Generator(generator) => generator, Value::Generator;
    Number: Kind::Number => value @ (Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Complex(..)) =>
        match value.number() { Some(number) => number, None => wrong(value) }, Value::from;
    TensorOrNumber<'a>: Kind::TensorOrNumber => value @ (Value::Tensor(_) | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Complex(..)) =>
        match (value, value.number()) {
            (Value::Tensor(t), _) => TensorOrNumber::Tensor(t),
            (_, Some(number)) => TensorOrNumber::Number(number),
            _ => wrong(value),
        },
        |operand| match operand { TensorOrNumber::Tensor(t) => Value::Tensor(t), TensorOrNumber::Number(n) => n.into() };
}

/// Hands the values to an op's function one after the other, each as the type its parameter asks for.
pub struct Feed<'a>(std::slice::Iter<'a, Value<'a>>);
impl<'a> Feed<'a> {
    #[inline(always)]
    pub fn new(values: &'a [Value<'a>]) -> Feed<'a> {
        Feed(values.iter())
    }
    /// The next argument. A missing one counts as `None`; the parser fills every parameter.
    #[inline(always)]
    #[expect(clippy::should_implement_trait, reason = "each call asks for another type")]
    pub fn next<T: FromValue<'a>>(&mut self) -> T {
        T::from_value(self.0.next().copied().unwrap_or(Value::None))
    }
}

/// What a call returns. The common case allocates nothing but the tensor.
pub enum Ret {
    Tensor(Tensor),
    Two(Tensor, Tensor),
    Three(Tensor, Tensor, Tensor),
    Many(Vec<Tensor>),
    Optional(Vec<Option<Tensor>>),
    Bool(bool),
    Int(i64),
    Float(f64),
    Number(Number),
    Ints(Vec<i64>),
    DType(DType),
    Str(String),
    None,
}

/// The Rust type of an op's result: into a [`Ret`] in the table's entry, and back for Rust callers.
pub trait Returned: Sized {
    fn into_ret(self) -> Ret;
    fn from_ret(ret: Ret) -> Result<Self>;
}
macro_rules! returned {
    ($($type:ty: $pattern:pat => $value:expr, $back:expr;)*) => { $(
        impl Returned for $type {
            #[inline(always)]
            fn into_ret(self) -> Ret { $back(self) }
            #[inline(always)]
            fn from_ret(ret: Ret) -> Result<Self> {
                match ret { $pattern => Ok($value), _ => bail!(runtime, "an op returned another kind of result than it declares") }
            }
        }
    )* };
}
returned! {
    Tensor: Ret::Tensor(t) => t, Ret::Tensor;
    (Tensor, Tensor): Ret::Two(a, b) => (a, b), |(a, b)| Ret::Two(a, b);
    (Tensor, Tensor, Tensor): Ret::Three(a, b, c) => (a, b, c), |(a, b, c)| Ret::Three(a, b, c);
    Vec<Tensor>: Ret::Many(list) => list, Ret::Many;
    Vec<Option<Tensor>>: Ret::Optional(list) => list, Ret::Optional;
    bool: Ret::Bool(b) => b, Ret::Bool;
    i64: Ret::Int(i) => i, Ret::Int;
    f64: Ret::Float(x) => x, Ret::Float;
    Number: Ret::Number(n) => n, Ret::Number;
    Vec<i64>: Ret::Ints(list) => list, Ret::Ints;
    DType: Ret::DType(d) => d, Ret::DType;
    String: Ret::Str(s) => s, Ret::Str;
    (): Ret::None => (), |()| Ret::None;
}

impl Returned for Ret {
    #[inline(always)]
    fn into_ret(self) -> Ret {
        self
    }
    #[inline(always)]
    fn from_ret(ret: Ret) -> Result<Ret> {
        Ok(ret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_value_is_three_words() {
        assert!(size_of::<Value<'_>>() <= 32, "{}", size_of::<Value<'_>>());
    }
    #[test]
    fn numbers_travel_both_ways() {
        for n in [Number::Bool(true), Number::Int(-3), Number::Float(0.5), Number::Complex(1.0, -2.0)] {
            assert_eq!(Number::from_value(n.into_value()), n);
        }
        assert_eq!(Option::<Number>::from_value(Value::None), None);
    }
}
