//! Tensor's operators. They skip the parser, not the door: operands are a tensor and a tensor or number, the rest of the
//! op's parameters keep their defaults.
use super::object::{is_exact, is_tensor, tensor_of, wrap};
use crate::call::convert::subclass_key;
use crate::call::entry::table;
use crate::call::overrides;
use crate::call::results::give;
use crate::call::scalar::{self, Unread};
use crate::error::{no_panic, raise};
use crate::interrupt;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustorch_base::{DType, Error, Result, bail};
use rustorch_core::op::{self, Args, Def, Number, Ret, Target, Value};
use rustorch_core::ops;
use rustorch_core::schema::{Kind, compile};
use rustorch_core::tensor::{Tensor, key};
use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// An operator: the op it calls and the method that stands for it.
#[derive(Clone, Copy)]
pub struct Operator {
    pub op: &'static str,
    /// What `__torch_function__` is told was called.
    pub method: &'static CStr,
    pub in_place: &'static CStr,
}
macro_rules! operators {
    ($($place:ident $op:literal $method:literal $in_place:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "counts the constants below")]
        enum Place { $($place),* }
        $(pub const $place: usize = Place::$place as usize;)*
        pub const OPERATORS: &[Operator] = &[$(Operator { op: $op, method: $method, in_place: $in_place }),*];
    };
}
operators! {
    ADD "add" c"__add__" c"__iadd__";
    SUB "sub" c"__sub__" c"__isub__";
    MUL "mul" c"__mul__" c"__imul__";
    DIV "div" c"__truediv__" c"__itruediv__";
    FLOOR_DIVIDE "floor_divide" c"__floordiv__" c"__ifloordiv__";
    REMAINDER "remainder" c"__mod__" c"__imod__";
    POW "pow" c"__pow__" c"__ipow__";
    MATMUL "matmul" c"__matmul__" c"__imatmul__";
    AND "bitwise_and" c"__and__" c"__iand__";
    OR "bitwise_or" c"__or__" c"__ior__";
    XOR "bitwise_xor" c"__xor__" c"__ixor__";
    LEFT_SHIFT "bitwise_left_shift" c"__lshift__" c"__ilshift__";
    RIGHT_SHIFT "bitwise_right_shift" c"__rshift__" c"__irshift__";
    EQ "eq" c"__eq__" c"";
    NE "ne" c"__ne__" c"";
    LT "lt" c"__lt__" c"";
    LE "le" c"__le__" c"";
    GT "gt" c"__gt__" c"";
    GE "ge" c"__ge__" c"";
    NEG "neg" c"__neg__" c"";
    POSITIVE "positive" c"__pos__" c"";
    ABS "abs" c"__abs__" c"";
    INVERT "bitwise_not" c"__invert__" c"";
    RSUB "rsub" c"__rsub__" c"";
    RECIPROCAL "reciprocal" c"__rtruediv__" c"";
}

/// No operator's op has more parameters.
const MAX_VALUES: usize = 6;

/// A row that an operator may call, with the defaults of the parameters behind its operands.
struct Row {
    def: &'static Def,
    takes: SmallKinds,
    defaults: Vec<Value<'static>>,
}
type SmallKinds = [Option<Kind>; 2];

/// The rows of each operator, by place.
fn rows(place: usize) -> &'static [Row] {
    static ROWS: OnceLock<Vec<Vec<Row>>> = OnceLock::new();
    let all = ROWS.get_or_init(|| OPERATORS.iter().map(rows_of).collect());
    &all[place]
}
#[cold]
fn rows_of(operator: &Operator) -> Vec<Row> {
    let Some(op) = table().iter().find(|op| op.name == operator.op) else { return Vec::new() };
    let row = |&def: &&'static Def| {
        let schema = compile(def.schema).ok()?;
        let params = &schema.params[..schema.params.len() - schema.has_out as usize];
        let operands = params.iter().take_while(|param| !param.optional && !param.keyword_only).count();
        if schema.hidden || operands > 2 || params.len() > MAX_VALUES {
            return None;
        }
        let kind = |i: usize| params.get(i).filter(|_| i < operands).map(|param| param.kind);
        Some(Row { def, takes: [kind(0), kind(1)], defaults: params[operands..].iter().map(|param| param.default).collect() })
    };
    op.defs.iter().filter_map(row).collect()
}
fn fits(kind: Option<Kind>, value: Option<Value<'_>>) -> bool {
    match (kind, value) {
        (None, None) => true,
        (Some(Kind::Tensor | Kind::TensorOrNumber), Some(Value::Tensor(_))) => true,
        (Some(Kind::Number | Kind::TensorOrNumber), Some(value)) => value.number().is_some(),
        _ => false,
    }
}

/// Calls the operator's op. A number that no row takes where it stands becomes a tensor that promotes as a number.
#[inline(always)]
pub fn call(place: usize, first: Value<'_>, second: Option<Value<'_>>, keys: u32, target: Target) -> Result<Ret> {
    for row in rows(place) {
        if fits(row.takes[0], Some(first)) && fits(row.takes[1], second) {
            return call_row(row, first, second, keys, target);
        }
    }
    call_wrapped(place, first, second, keys, target)
}
#[inline(always)]
fn call_row(row: &Row, first: Value<'_>, second: Option<Value<'_>>, keys: u32, target: Target) -> Result<Ret> {
    let mut values = [Value::None; MAX_VALUES];
    values[0] = first;
    let mut count = 1;
    if let Some(second) = second {
        values[1] = second;
        count = 2;
    }
    for default in &row.defaults {
        values[count] = *default;
        count += 1;
    }
    let single: &Tensor;
    let out: &[&Tensor] = match (target, first) {
        (Target::Inplace, Value::Tensor(tensor)) => {
            single = tensor;
            std::slice::from_ref(&single)
        }
        _ => &[],
    };
    let args = Args { values: &values[..count], keys, out, target };
    if interrupt::is_long(args.values) { interrupt::call_detached(row.def, &args) } else { op::call(row.def, &args) }
}
#[cold]
fn call_wrapped(place: usize, first: Value<'_>, second: Option<Value<'_>>, keys: u32, target: Target) -> Result<Ret> {
    let (a, b) = (wrapped(first)?, second.map(wrapped).transpose()?);
    for row in rows(place) {
        if fits(row.takes[0], Some(Value::Tensor(&a))) && fits(row.takes[1], b.as_ref().map(Value::Tensor)) {
            return call_row(row, Value::Tensor(&a), b.as_ref().map(Value::Tensor), keys, target);
        }
    }
    bail!(not_implemented, "{} is not implemented", OPERATORS[place].op)
}
fn wrapped(value: Value<'_>) -> Result<Tensor> {
    if let Value::Tensor(tensor) = value {
        return Ok(tensor.clone());
    }
    let Some(number) = value.number() else { bail!(type_, "an operand must be a Tensor or a number") };
    let dtype = match number {
        Number::Bool(_) => DType::Bool,
        Number::Int(_) => DType::Int64,
        Number::Float(_) => ops::default::dtype(),
        Number::Complex(..) => ops::default::dtype().to_complex(),
    };
    let tensor = ops::create::scalar(number, dtype)?;
    tensor.set_key(key::WRAPPED_NUMBER, true);
    Ok(tensor)
}

/// An operand: a tensor or a number.
///
/// # Safety
/// The lock is held; `object` outlives `'a`.
#[inline(always)]
unsafe fn operand<'a>(object: *mut PyObject, keys: &mut u32) -> Result<Value<'a>, Unread> {
    // SAFETY: handed on.
    unsafe {
        if is_exact(object) {
            let tensor = tensor_of(object);
            *keys |= tensor.keys();
            return Ok(Value::Tensor(tensor));
        }
        if !scalar::is_type(object, &raw mut PyFloat_Type) && !scalar::is_type(object, &raw mut PyLong_Type) && is_tensor(object) {
            let tensor = tensor_of(object);
            *keys |= tensor.keys() | subclass_key(object);
            return Ok(Value::Tensor(tensor));
        }
        Ok(scalar::number(object)?.into())
    }
}

pub fn not_implemented() -> *mut PyObject {
    // SAFETY: an immortal object, of which a new reference is made.
    unsafe {
        let answer = Py_NotImplemented();
        Py_INCREF(answer);
        answer
    }
}
#[inline(always)]
fn finish(result: Result<Ret>) -> *mut PyObject {
    match result {
        // SAFETY: slots run with the lock held.
        Ok(Ret::Tensor(tensor)) => unsafe { wrap(tensor) },
        Ok(_) => raise(Error::runtime("an operator returned no tensor")),
        Err(refusal) => raise(refusal),
    }
}

/// Hands an operator on a subclass to its `__torch_function__`.
#[cold]
fn overridden(method: &CStr, operands: &[*mut PyObject]) -> *mut PyObject {
    Python::attach(|py| {
        let answer = || {
            let function = super::class_object(py).getattr(method.to_str()?)?;
            // SAFETY: operands of the running slot.
            let args = operands.iter().map(|&operand| unsafe { Bound::from_borrowed_ptr(py, operand) });
            overrides::dispatch_call(py, &function, PyTuple::new(py, args.collect::<Vec<_>>())?, None)
        };
        give(py, answer())
    })
}

/// `a op b`, one of them a Tensor.
///
/// # Safety
/// A slot's.
#[inline(always)]
pub unsafe fn binary(place: usize, a: *mut PyObject, b: *mut PyObject) -> *mut PyObject {
    // SAFETY: handed on.
    no_panic(null_mut(), || unsafe {
        let mut keys = 0;
        let (x, y) = match (operand(a, &mut keys), operand(b, &mut keys)) {
            (Ok(x), Ok(y)) => (x, y),
            (Err(Unread::Raised), _) | (_, Err(Unread::Raised)) => return null_mut(),
            _ => return not_implemented(),
        };
        if keys & key::OVERRIDE != 0 {
            return overridden_binary(place, a, b);
        }
        if place == MATMUL && (x.number().is_some() || y.number().is_some()) {
            return not_implemented();
        }
        if let Value::Tensor(_) = x { finish(call(place, x, Some(y), keys, Target::Fresh)) } else { finish(reflected(place, x, y, keys)) }
    })
}
#[cold]
fn overridden_binary(place: usize, a: *mut PyObject, b: *mut PyObject) -> *mut PyObject {
    if is_tensor(a) {
        return overridden(OPERATORS[place].method, &[a, b]);
    }
    // `2 - t`: the method of the right operand, `__rsub__`.
    let name = OPERATORS[place].method.to_string_lossy().replacen("__", "__r", 1);
    match std::ffi::CString::new(name) {
        Ok(name) => overridden(&name, &[b, a]),
        Err(_) => not_implemented(),
    }
}

/// `number op tensor`.
#[inline(never)]
fn reflected(place: usize, number: Value<'_>, tensor: Value<'_>, keys: u32) -> Result<Ret> {
    match place {
        ADD | MUL | AND | OR | XOR => call(place, tensor, Some(number), keys, Target::Fresh),
        SUB if !rows(RSUB).is_empty() => call(RSUB, tensor, Some(number), keys, Target::Fresh),
        // PyTorch multiplies by the reciprocal, and rounds as that does.
        DIV if !rows(RECIPROCAL).is_empty() => match call(RECIPROCAL, tensor, None, keys, Target::Fresh)? {
            Ret::Tensor(inverse) => call(MUL, Value::Tensor(&inverse), Some(number), inverse.keys(), Target::Fresh),
            other => Ok(other),
        },
        _ => call(place, number, Some(tensor), keys, Target::Fresh),
    }
}

/// `a op= b`.
///
/// # Safety
/// A slot's: `a` is a Tensor.
#[inline(always)]
unsafe fn in_place(place: usize, a: *mut PyObject, b: *mut PyObject) -> *mut PyObject {
    // SAFETY: handed on.
    no_panic(null_mut(), || unsafe {
        let mut keys = 0;
        let (x, y) = match (operand(a, &mut keys), operand(b, &mut keys)) {
            (Ok(x), Ok(y)) => (x, y),
            (Err(Unread::Raised), _) | (_, Err(Unread::Raised)) => return null_mut(),
            _ => return not_implemented(),
        };
        if keys & key::OVERRIDE != 0 {
            return overridden(OPERATORS[place].in_place, &[a, b]);
        }
        match call(place, x, Some(y), keys, Target::Inplace) {
            Ok(_) => {
                Py_INCREF(a);
                a
            }
            Err(refusal) => raise(refusal),
        }
    })
}

unsafe extern "C" fn binary_slot<const PLACE: usize>(a: *mut PyObject, b: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    unsafe { binary(PLACE, a, b) }
}
unsafe extern "C" fn in_place_slot<const PLACE: usize>(a: *mut PyObject, b: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    unsafe { in_place(PLACE, a, b) }
}
unsafe extern "C" fn unary_slot<const PLACE: usize>(a: *mut PyObject) -> *mut PyObject {
    no_panic(null_mut(), || {
        let mut keys = 0;
        // SAFETY: the interpreter's call.
        let Ok(x) = (unsafe { operand(a, &mut keys) }) else { return not_implemented() };
        if keys & key::OVERRIDE != 0 {
            return overridden(OPERATORS[PLACE].method, &[a]);
        }
        if PLACE == INVERT
            && let Value::Tensor(tensor) = x
            && tensor.dtype().is_differentiable()
        {
            return raise(Error::type_("~ (operator.invert) is only implemented on integer and Boolean-type tensors"));
        }
        finish(call(PLACE, x, None, keys, Target::Fresh))
    })
}
/// `pow(a, b, modulus)`: the third argument is refused by leaving it to Python.
unsafe extern "C" fn power(a: *mut PyObject, b: *mut PyObject, modulus: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    unsafe { if modulus == Py_None() { binary(POW, a, b) } else { not_implemented() } }
}
unsafe extern "C" fn power_in_place(a: *mut PyObject, b: *mut PyObject, _modulus: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    unsafe { in_place(POW, a, b) }
}

/// The slots of the number protocol.
pub fn slots() -> Vec<PyType_Slot> {
    let slot = |slot, pfunc| PyType_Slot { slot, pfunc };
    vec![
        slot(Py_nb_add, binary_slot::<ADD> as *mut _),
        slot(Py_nb_subtract, binary_slot::<SUB> as *mut _),
        slot(Py_nb_multiply, binary_slot::<MUL> as *mut _),
        slot(Py_nb_true_divide, binary_slot::<DIV> as *mut _),
        slot(Py_nb_floor_divide, binary_slot::<FLOOR_DIVIDE> as *mut _),
        slot(Py_nb_remainder, binary_slot::<REMAINDER> as *mut _),
        slot(Py_nb_power, power as *mut _),
        slot(Py_nb_matrix_multiply, binary_slot::<MATMUL> as *mut _),
        slot(Py_nb_and, binary_slot::<AND> as *mut _),
        slot(Py_nb_or, binary_slot::<OR> as *mut _),
        slot(Py_nb_xor, binary_slot::<XOR> as *mut _),
        slot(Py_nb_lshift, binary_slot::<LEFT_SHIFT> as *mut _),
        slot(Py_nb_rshift, binary_slot::<RIGHT_SHIFT> as *mut _),
        slot(Py_nb_inplace_add, in_place_slot::<ADD> as *mut _),
        slot(Py_nb_inplace_subtract, in_place_slot::<SUB> as *mut _),
        slot(Py_nb_inplace_multiply, in_place_slot::<MUL> as *mut _),
        slot(Py_nb_inplace_true_divide, in_place_slot::<DIV> as *mut _),
        slot(Py_nb_inplace_floor_divide, in_place_slot::<FLOOR_DIVIDE> as *mut _),
        slot(Py_nb_inplace_remainder, in_place_slot::<REMAINDER> as *mut _),
        slot(Py_nb_inplace_power, power_in_place as *mut _),
        slot(Py_nb_inplace_and, in_place_slot::<AND> as *mut _),
        slot(Py_nb_inplace_or, in_place_slot::<OR> as *mut _),
        slot(Py_nb_inplace_xor, in_place_slot::<XOR> as *mut _),
        slot(Py_nb_inplace_lshift, in_place_slot::<LEFT_SHIFT> as *mut _),
        slot(Py_nb_inplace_rshift, in_place_slot::<RIGHT_SHIFT> as *mut _),
        slot(Py_nb_negative, unary_slot::<NEG> as *mut _),
        slot(Py_nb_positive, unary_slot::<POSITIVE> as *mut _),
        slot(Py_nb_absolute, unary_slot::<ABS> as *mut _),
        slot(Py_nb_invert, unary_slot::<INVERT> as *mut _),
    ]
}
