//! The macro that reads the table of ops, and what a row gives to the rest.
use super::kernel::{Compute, Kernel};
use crate::Number;
use crate::expr::{Expr, Gradient, Program};
use rustorch_base::dtype::Category;
use rustorch_base::{DType, Error, ErrorKind, Result};
use std::sync::{Arc, OnceLock};

/// The trait a row's function is bound by; also which dtypes it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Ring,
    Ordered,
    Field,
    Float,
    Bits,
}
impl Class {
    /// The function is defined on this dtype. Integers are promoted before they meet a `Field` or `Float` row.
    pub const fn supports(self, dtype: DType) -> bool {
        match self {
            Class::Ring => !dtype.is_complex(),
            Class::Ordered => !dtype.is_complex(),
            Class::Field => dtype.is_floating_point(),
            Class::Float => dtype.is_floating_point(),
            Class::Bits => dtype.is_integral() || matches!(dtype, DType::Bool),
        }
    }
}

/// The dtype of the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultRule {
    /// The promoted dtype of the inputs.
    Promote,
    /// The same, integers and bool giving the default float.
    Float,
    /// bool; the inputs are promoted among themselves.
    Bool,
}

/// Where a row appears in Python.
pub const FUNCTION: u8 = 1;
pub const METHOD: u8 = 2;
pub const INPLACE: u8 = 4;
/// The function lives in the namespace of `nn`.
pub const NN: u8 = 8;

/// One op as the rest sees it. Programs are made at first use and kept.
pub struct Row {
    pub name: &'static str,
    /// PyTorch's schema without `out`; empty for rows that core picks by name.
    pub schema: &'static str,
    pub doc: &'static str,
    pub forms: u8,
    pub result: ResultRule,
    pub class: Class,
    /// Inputs of the program: tensors and numbers, in the schema's order.
    pub arity: usize,
    /// `grad_fn` is `<node>Backward0`; empty where not differentiable.
    pub node: &'static str,
    /// The name of `grad_fn`.
    pub backward: &'static str,
    pub(crate) record: fn(&[Expr]) -> Expr,
    /// The formula for bool, where it is not the integers'.
    pub(crate) logical: Option<fn(&[Expr]) -> Expr>,
    /// Its inputs' names, as the schema has them.
    pub inputs: &'static [&'static str],
    /// What PyTorch's messages call its kernel.
    pub(crate) kernel_name: &'static str,
    /// Kinds of dtypes it refuses in words of its own; with an empty message, in the usual ones.
    pub(crate) refusals: &'static [(Category, ErrorKind, &'static str)],
    pub(crate) programs: Programs,
}

/// Programs by (bool or not, numbers folded): at most three numbers have a default in any schema.
pub(crate) struct Programs {
    made: [OnceLock<Arc<Program>>; 2 * FOLDS],
    defaults: OnceLock<Vec<Option<f64>>>,
}
const FOLDS: usize = 8;
impl Programs {
    pub(crate) const fn new() -> Programs {
        Programs { made: [const { OnceLock::new() }; 2 * FOLDS], defaults: OnceLock::new() }
    }
}

impl Row {
    /// The default of each input in the schema, where it is a number.
    fn defaults(&self) -> &[Option<f64>] {
        self.programs.defaults.get_or_init(|| {
            let inside = self.schema.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
            let default = |name: &str| {
                inside.split(',').find_map(|argument| {
                    let (declared, value) = argument.split_once('=')?;
                    (declared.trim().rsplit(' ').next() == Some(name)).then(|| value.trim().parse().ok())?
                })
            };
            self.inputs.iter().map(|name| default(name)).collect()
        })
    }

    /// Input `i`, a number, has the value that the schema gives where the user gives none: it may be folded.
    #[inline]
    pub fn is_default(&self, i: usize, number: Number) -> bool {
        i > 0
            && match (self.defaults().get(i).copied().flatten(), number) {
                (Some(default), Number::Int(given)) => default == given as f64,
                (Some(default), Number::Float(given)) => default == given,
                _ => false,
            }
    }

    /// The program for a compute dtype. Bit i of `defaults`: number input i equals its default in the schema, so it is
    /// folded away (`x * 1`). The program keeps the row's inputs in number and order; folded ones are not read.
    pub fn program(&'static self, compute: DType, defaults: u32) -> Result<&'static Arc<Program>> {
        self.accept(compute)?;
        Ok(self.folded(compute == DType::Bool && self.logical.is_some(), defaults))
    }

    /// Refuses the compute dtypes that PyTorch refuses, in its words.
    pub fn accept(&self, compute: DType) -> Result<()> {
        let refusal = self.refusals.iter().find(|refusal| refusal.0 == compute.category());
        match refusal {
            Some(&(_, kind, message)) if !message.is_empty() => Err(Error::new(kind, message)),
            None if self.class.supports(compute) => Ok(()),
            _ => Err(Error::not_implemented(format!("\"{}\" not implemented for '{}'", self.kernel_name, compute.scalar_name()))),
        }
    }

    fn folded(&'static self, logical: bool, defaults: u32) -> &'static Arc<Program> {
        // The numbers follow a tensor, so bit 0 is free.
        let slot = (defaults as usize >> 1) & (FOLDS - 1);
        self.programs.made[slot + if logical { FOLDS } else { 0 }].get_or_init(|| {
            let known = self.defaults();
            let function = self.logical.filter(|_| logical).unwrap_or(self.record);
            Arc::new(Program::record(self.arity, |x| {
                let fold = |i: usize| known[i].filter(|_| i > 0 && slot & (1 << (i - 1)) != 0);
                let x: Vec<Expr> = (0..self.arity).map(|i| fold(i).map_or(x[i], Expr::constant)).collect();
                vec![function(&x)]
            }))
        })
    }

    /// The gradient for the wanted inputs (a bit mask over the row's inputs), for real dtypes.
    pub fn gradient(&'static self, wanted: u32, defaults: u32) -> Arc<Gradient> {
        self.folded(false, defaults).gradient(wanted)
    }

    /// The row as one contiguous kernel for elements of exactly this dtype, `y[i] = f(a[i], b[i], c[i])`, with the folded
    /// inputs left out; None where it takes more than one step, or other elements.
    pub fn kernel(&'static self, compute: DType, defaults: u32) -> Option<Kernel> {
        let native = Compute::of(compute).dtype() == compute && self.result != ResultRule::Bool;
        let program = native.then(|| self.program(compute, defaults).ok()).flatten()?;
        program.compiled(Compute::of(compute)).ok()?.single
    }
}

/// ```text
/// /// Doc.
/// class name(inputs) = value
///     [, bool = value] [, grad(result, cotangent) = [one for each input]]
///     [, called "kernel name"] [, refuses(Category) = Kind "message"]...
///     => "schema" [FORMS] Result "Node";
/// ```
macro_rules! rows {
    ($($(#[doc = $doc:literal])* $class:ident $name:ident($($a:ident),+) = $value:expr
        $(, bool = $logical:expr)? $(, grad($y:ident, $g:ident) = $gradient:expr)?
        $(, called $called:literal)? $(, refuses($category:ident) = $kind:ident $message:literal)* => $schema:literal [$($form:ident)*] $result:ident $node:literal;)*) => {
        /// The functions themselves, for any number type of their class.
        pub mod function {
            #[allow(unused_imports)]
            use {super::*, $crate::expr::scalar::*};
            $($(#[doc = $doc])*
            #[inline(always)]
            pub fn $name<S: $crate::expr::primitive::class::$class>($($a: S),+) -> S {
                $crate::pointwise::table::rows!(@value [$($a)+] ($value) $($y $g $gradient)?)
            })*
        }
        pub static ROWS: &[$crate::pointwise::Row] = {
            static TABLE: [$crate::pointwise::Row; [$(stringify!($name)),*].len()] = [$($crate::pointwise::Row {
            name: stringify!($name),
            schema: $schema,
            doc: concat!($($doc, "\n"),*),
            forms: 0 $(| $crate::pointwise::table::$form)*,
            result: $crate::pointwise::ResultRule::$result,
            class: $crate::pointwise::table::rows!(@class $class),
            arity: [$(stringify!($a)),+].len(),
            node: $node,
            backward: concat!($node, "Backward0"),
            record: |x| { let &[$($a),+] = x else { return x[0] }; function::$name($($a),+) },
            logical: $crate::pointwise::table::rows!(@logical [$($a)+] $($logical)?),
            inputs: &[$(stringify!($a)),+],
            kernel_name: $crate::pointwise::table::rows!(@called $name $($called)?),
            refusals: &[$((rustorch_base::dtype::Category::$category, rustorch_base::ErrorKind::$kind, $message)),*],
            programs: $crate::pointwise::table::Programs::new(),
        }),*];
            &TABLE
        };
    };
    (@class ring) => { $crate::pointwise::Class::Ring };
    (@class ordered) => { $crate::pointwise::Class::Ordered };
    (@class field) => { $crate::pointwise::Class::Field };
    (@class float) => { $crate::pointwise::Class::Float };
    (@class bits) => { $crate::pointwise::Class::Bits };
    (@value [$($a:ident)+] ($value:expr)) => { $value };
    (@value [$($a:ident)+] ($value:expr) $y:ident $g:ident $gradient:expr) => {
        S::marked($value, &[$($a),+], |x, $y, $g| {
            #[allow(dead_code)]
            type S = $crate::expr::Expr;
            #[allow(unused_variables)] // a formula need not use every input
            let (&[$($a),+], _) = (x, $y) else { return vec![$g; x.len()] };
            Vec::from($gradient)
        })
    };
    (@called $name:ident) => { concat!(stringify!($name), "_cpu") };
    (@called $name:ident $called:literal) => { $called };
    (@logical [$($a:ident)+]) => { None };
    (@logical [$($a:ident)+] $logical:expr) => { Some(|x| {
        #[allow(unused_imports)]
        use $crate::expr::scalar::*;
        type S = $crate::expr::Expr;
        let &[$($a),+] = x else { return x[0] };
        $logical
    }) };
}
pub(crate) use rows;
