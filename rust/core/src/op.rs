//! What an op is, and the one door every call goes through.
use crate::autograd::inplace;
use crate::mode;
use crate::schema::Kind;
use crate::tensor::{Tensor, key};
pub use crate::value::{Feed, FromValue, Number, Ret, Returned, TensorLayout, TensorOrNumber, Value};
pub use rustorch_base::Result;

/// The row of the pointwise table that an op was made from.
pub use rustorch_kernels::pointwise::Row;

/// One row of the table of ops: one schema, one function. Rows of one name are overloads, tried in order.
pub struct Def {
    pub schema: &'static str,
    pub doc: &'static str,
    /// Flags: the forms this row is bound in, and how it treats `out=`.
    pub forms: u16,
    pub run: for<'a> fn(&'static Def, &Args<'a>) -> Result<Ret>,
    /// Parameter names and the kinds their Rust types take, for the test of the table.
    pub typed: &'static [Typed],
    pub row: Option<&'static Row>,
}

/// A parameter of an op's Rust function: its name, and whether its type takes a kind (and None).
pub type Typed = (&'static str, fn(Kind, bool) -> bool);

/// A function of the module.
pub const FUNCTION: u16 = 1;
pub const METHOD: u16 = 1 << 1;
/// A method `name_` that writes the result into `self`.
pub const INPLACE: u16 = 1 << 2;
/// A function of the submodule `_nn`, which `nn.functional` imports.
pub const NN: u16 = 1 << 3;
/// The function takes no `out=`, though its schema does not say so.
pub const NO_OUT: u16 = 1 << 4;
/// The function writes into `Args::out` itself; the door stores nothing.
pub const WRITES_OUT: u16 = 1 << 5;

impl Def {
    pub fn name(&self) -> &'static str {
        crate::schema::name_of(self.schema)
    }
    /// The same op under another name, for the process's life.
    pub fn renamed(&self, name: &str) -> &'static Def {
        let schema: &'static str = Box::leak(format!("{name}{}", &self.schema[self.name().len()..]).into_boxed_str());
        Box::leak(Box::new(Def { schema, ..*self }))
    }
}

/// Why a call has an `out`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The results are new tensors.
    Fresh,
    /// `out=` was given.
    Out,
    /// `name_`: the result goes into the first argument.
    Inplace,
}

/// The arguments of one call.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    pub values: &'a [Value<'a>],
    /// OR of the tensors' key bits.
    pub keys: u32,
    /// `out=` (one tensor, or one for each result), or `self` of an in-place call; empty for [`Target::Fresh`].
    pub out: &'a [&'a Tensor],
    pub target: Target,
}

impl<'a> Args<'a> {
    pub fn fresh(values: &'a [Value<'a>]) -> Args<'a> {
        Args { values, keys: keys_of(values), out: &[], target: Target::Fresh }
    }
}

pub fn keys_of(values: &[Value<'_>]) -> u32 {
    values.iter().fold(0, |keys, value| keys | value.keys())
}

/// Declares ops: doc, schema, forms, and an ordinary function with ordinary types. The function may be called as it is;
/// `name::call(..)` is the call as a user makes it, through the door.
#[macro_export]
macro_rules! ops {
    ($( $(#[doc = $doc:literal])* $schema:literal [$($flag:ident)|+] fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $ret:ty $body:block )*) => {
        $(
            $(#[doc = $doc])*
            #[allow(clippy::too_many_arguments, reason = "PyTorch's signature")]
            pub fn $name($($arg: $type),*) -> $ret $body
            // A module may bear the function's name: they live in different name spaces.
            #[allow(unused, reason = "each op uses a part")]
            pub mod $name {
                use super::*;
                pub static DEF: $crate::op::Def = $crate::op::Def {
                    schema: $schema,
                    doc: concat!($($doc, "\n"),*),
                    forms: $($crate::op::$flag)|+,
                    run: |_, args| {
                        let mut feed = $crate::op::Feed::new(args.values);
                        Ok($crate::op::Returned::into_ret(super::$name($({ let $arg = feed.next(); $arg }),*)?))
                    },
                    typed: &[$((stringify!($arg), <$type as $crate::op::FromValue>::accepts)),*],
                    row: None,
                };
                /// The call as a user makes it, through the door.
                #[allow(clippy::too_many_arguments, reason = "PyTorch's signature")]
                pub fn call($($arg: $type),*) -> $ret {
                    let values = [$($crate::op::FromValue::into_value($arg)),*];
                    $crate::op::Returned::from_ret($crate::op::call(&DEF, &$crate::op::Args::fresh(&values))?)
                }
            }
        )*
        /// The rows of this family.
        pub static OPS: &[&$crate::op::Def] = &[$(&$name::DEF),*];
    };
}

/// The modes that change what a call does, and so need [`slow`].
const SPECIAL: u32 = mode::AUTOCAST | mode::TRACE | mode::PROFILE | mode::TRANSFORM;

/// The one door. Python's calls and Rust's own pass here; the common call pays one test.
#[inline(always)]
pub fn call(def: &'static Def, args: &Args<'_>) -> Result<Ret> {
    if (args.keys & key::OVERRIDE) | (mode::modes() & SPECIAL) != 0 {
        return slow(def, args);
    }
    run(def, args)
}

#[inline(always)]
fn run(def: &'static Def, args: &Args<'_>) -> Result<Ret> {
    if args.target == Target::Fresh || def.forms & WRITES_OUT != 0 {
        return (def.run)(def, args);
    }
    inplace::run_into(def, args)
}

/// A call in a mode. The order is that of PyTorch's keys: autocast, transforms, tracer, profiler, then the op.
#[cold]
#[inline(never)]
fn slow(def: &'static Def, args: &Args<'_>) -> Result<Ret> {
    run(def, args)
}

#[cfg(test)]
mod tests {
    use super::*;
    crate::ops! {
        /// Twice the number.
        "twice(int number, *, float? factor=None) -> int" [FUNCTION | NO_OUT]
        fn twice(number: i64, factor: Option<f64>) -> Result<i64> { Ok((number as f64 * factor.unwrap_or(2.0)) as i64) }
    }
    #[test]
    fn a_declared_op_is_called_through_the_door() {
        assert_eq!(twice::call(4, None).ok(), Some(8));
        assert_eq!(twice::call(4, Some(0.5)).ok(), Some(2));
        assert_eq!((OPS[0].name(), OPS[0].doc.trim()), ("twice", "Twice the number."));
        let schema = crate::schema::compile(OPS[0].schema).expect("a schema");
        for (param, (name, accepts)) in schema.params.iter().zip(OPS[0].typed) {
            assert_eq!(param.name, *name);
            assert!(accepts(param.kind, param.allow_none));
        }
    }
}
