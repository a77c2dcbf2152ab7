//! PyTorch's words for arguments that do not fit. Cold: this runs only when a call fails.
use super::arena::Arena;
use super::entry::{Entry, Form};
use super::given::{Given, MAX_ARGS};
use super::parser::{Mismatch, Parser};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::PyType;
use rustorch_core::schema::{Kind, Param, Style};
use std::mem::MaybeUninit;

/// The name of an object's type as PyTorch prints it: that of a static type with its module.
pub fn type_word(py: Python<'_>, object: *mut PyObject) -> String {
    // SAFETY: an argument of the running call.
    type_name(&unsafe { Bound::from_borrowed_ptr(py, object) }.get_type())
}
pub fn type_name(class: &Bound<'_, PyType>) -> String {
    let name = class.name().map(|name| name.to_string()).unwrap_or_default();
    if matches!(name.as_str(), "dtype" | "device" | "layout" | "memory_format" | "Size" | "Generator") {
        return format!("torch.{name}");
    }
    // SAFETY: a live type.
    let on_heap = unsafe { PyType_GetFlags(class.as_type_ptr()) } & Py_TPFLAGS_HEAPTYPE != 0;
    let module = class.module().map(|module| module.to_string()).unwrap_or_default();
    if on_heap || module == "builtins" { name } else { format!("{module}.{name}") }
}
fn text(py: Python<'_>, name: *mut PyObject) -> String {
    // SAFETY: the name of a keyword of the running call.
    unsafe { Bound::from_borrowed_ptr(py, name) }.to_string()
}
fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

/// The exception of a call that no row took.
pub fn explain(py: Python<'_>, entry: &Entry, parsers: &[Parser], given: &Given, first: Option<Mismatch>) -> PyErr {
    let name = entry.name();
    if let ([only], Some(mismatch)) = (parsers, first) {
        return single(py, &name, only, given, mismatch);
    }
    // If just one overload has room for that many arguments, PyTorch speaks of that one alone.
    let count = given.positional_count() + given.keyword_count() + given.bound();
    let fits = |parser: &&Parser| !parser.schema.hidden && count >= parser.schema.min_args && count <= parser.fillable(given.bound());
    if let [only] = parsers.iter().filter(fits).collect::<Vec<_>>()[..] {
        let arena = Arena::new();
        let mut room = [const { MaybeUninit::uninit() }; MAX_ARGS];
        // SAFETY: the call is still running.
        if let Err(mismatch) = unsafe { only.parse(given, &arena, &mut room) } {
            return single(py, &name, only, given, mismatch);
        }
    }
    invalid_combination(py, entry, parsers, given)
}

/// The exception of one row that did not take the arguments.
pub fn single(py: Python<'_>, name: &str, parser: &Parser, given: &Given, mismatch: Mismatch) -> PyErr {
    let schema = &parser.schema;
    let bound = given.bound();
    PyTypeError::new_err(match mismatch {
        Mismatch::Raised => return PyErr::fetch(py),
        Mismatch::TooMany => too_many(name, parser, given),
        Mismatch::Missing(from) => {
            let missing: Vec<String> =
                schema.params[from..].iter().filter(|p| !p.optional && !p.keyword_only).map(|p| format!("\"{}\"", p.name)).collect();
            let ending = plural(missing.len(), "s", ""); // PyTorch has it the other way round
            format!("{name}() missing {} required positional argument{ending}: {}", missing.len(), missing.join(", "))
        }
        Mismatch::Type { param, keyword, object } => {
            let place = if keyword { String::new() } else { format!(" (position {})", param + 1 - bound) };
            let param = &schema.params[param];
            match first_element(py, param, object) {
                Some(element) if param.kind == Kind::Ints => format!(
                    "{name}(): argument '{}'{place} must be {}, but found element of type {element} at pos 0",
                    param.name,
                    param.kind.word()
                ),
                _ => format!("{name}(): argument '{}'{place} must be {}, not {}", param.name, param.kind.word(), type_word(py, object)),
            }
        }
        Mismatch::Element { param, position, object } => {
            let found = type_word(py, object);
            let kind = schema.params[param].kind;
            let word = kind.word();
            if matches!(kind, Kind::Tensors | Kind::OptionalTensors) {
                format!("expected Tensor as element {position} in argument {}, but got {found}", param - bound)
            } else {
                let place = position + 1;
                let argument = schema.params[param].name;
                format!(
                    "{name}(): argument '{argument}' failed to unpack the object at pos {place} with error \"type must be {word},but got {found}\""
                )
            }
        }
        Mismatch::Keyword => wrong_keyword(py, name, parser, given),
    })
}

fn too_many(name: &str, parser: &Parser, given: &Given) -> String {
    let bound = given.bound();
    let max = parser.schema.max_positional - bound;
    let min = parser.schema.params.iter().skip(bound).filter(|p| !p.keyword_only && !p.optional).count();
    let count = given.positional_count();
    let verb = plural(count, "was", "were");
    if max == min {
        format!("{name}() takes {max} positional argument{} but {count} {verb} given", plural(max, "", "s"))
    } else {
        format!("{name}() takes from {min} to {max} positional arguments but {count} {verb} given")
    }
}

/// The type of the first element of a sequence that was no list of ints.
fn first_element(py: Python<'_>, param: &Param, object: *mut PyObject) -> Option<String> {
    if param.kind != Kind::Ints {
        return None;
    }
    // SAFETY: an argument of the running call.
    let object = unsafe { Bound::from_borrowed_ptr(py, object) };
    if !object.is_instance_of::<pyo3::types::PyTuple>() && !object.is_instance_of::<pyo3::types::PyList>() {
        return None;
    }
    object.get_item(0).ok().map(|element| type_name(&element.get_type()))
}

fn wrong_keyword(py: Python<'_>, name: &str, parser: &Parser, given: &Given) -> String {
    let bound = given.bound();
    for i in 0..given.keyword_count() {
        let (keyword, _) = given.keyword(i);
        let word = text(py, keyword);
        match parser.find(keyword).filter(|&param| bound == 0 || parser.schema.params[param].name != "out") {
            None => return format!("{name}() got an unexpected keyword argument '{word}'"),
            Some(param) if param < given.positional_count() + bound => {
                return format!("{name}() got multiple values for argument '{word}'");
            }
            // Both a name and its alias were given; PyTorch blames the alias.
            Some(param) if parser.schema.params[param].name != word => {
                return format!("{name}() got an unexpected keyword argument '{word}'");
            }
            Some(_) => {}
        }
    }
    format!("{name}() invalid keyword arguments")
}

/// What the caller gave: the types of positional arguments, and the keywords with theirs.
struct Described {
    positional: Vec<String>,
    keywords: Vec<(String, String)>,
}
impl Described {
    fn new(py: Python<'_>, given: &Given) -> Described {
        Described {
            positional: (0..given.positional_count()).map(|i| type_word(py, given.positional(i))).collect(),
            keywords: (0..given.keyword_count())
                .map(|i| {
                    let (keyword, value) = given.keyword(i);
                    (text(py, keyword), type_word(py, value))
                })
                .collect(),
        }
    }
    fn count(&self) -> usize {
        self.positional.len() + self.keywords.len()
    }
    fn list(&self) -> String {
        let keywords: Vec<String> = self.keywords.iter().map(|(keyword, found)| format!("{keyword}={found}")).collect();
        // PyTorch leaves a comma behind when only keywords were given.
        if self.positional.is_empty() && !keywords.is_empty() {
            return format!("{}, ", keywords.join(", "));
        }
        self.positional.iter().cloned().chain(keywords).collect::<Vec<_>>().join(", ")
    }
}

fn invalid_combination(py: Python<'_>, entry: &Entry, parsers: &[Parser], given: &Given) -> PyErr {
    let got = Described::new(py, given);
    let bound = given.bound();
    let with_out = entry.form == Form::Function;
    let mut message = format!("{}() received an invalid combination of arguments - got ({}), but expected ", entry.name(), got.list());
    let seen: Vec<_> = parsers.iter().filter(|parser| !parser.schema.hidden).collect();
    if let [only] = seen[..] {
        message += &only.schema.write(Style::Message, bound, with_out);
        return PyTypeError::new_err(message);
    }
    message += "one of:\n";
    for parser in seen {
        message += &format!(" * {}\n", parser.schema.write(Style::Message, bound, with_out));
        if let Some(reason) = why_not(&parser.schema.shown(bound, with_out), &got) {
            message += &format!("      didn't match because some of the {reason}\n");
        }
    }
    PyTypeError::new_err(message)
}

/// PyTorch explains a form that has as many parameters as arguments were given. It counts the `*` as a parameter, and an
/// empty list as one; its messages depend on it.
fn why_not(shown: &[&Param], got: &Described) -> Option<String> {
    let mut pieces: Vec<Option<&Param>> = shown.iter().map(|param| Some(*param)).collect();
    if let Some(star) = shown.iter().position(|param| param.keyword_only) {
        pieces.insert(star, None);
    }
    if pieces.len().max(1) != got.count() {
        return None;
    }
    let unknown = |keyword: &&str| !shown.iter().any(|param| param.name == *keyword);
    let wrong: Vec<&str> = got.keywords.iter().map(|(keyword, _)| keyword.as_str()).filter(unknown).collect();
    if !wrong.is_empty() {
        return Some(format!("keywords were incorrect: {}", wrong.join(", ")));
    }
    let mark = |found: &String, param: Option<&Param>| {
        if param.is_some_and(|param| param.kind.word() == found) { found.clone() } else { format!("!{found}!") }
    };
    let positional = got.positional.iter().enumerate().map(|(i, found)| mark(found, pieces.get(i).copied().flatten()));
    let keywords = got
        .keywords
        .iter()
        .map(|(keyword, found)| format!("{keyword}={}", mark(found, shown.iter().find(|param| param.name == keyword).copied())));
    Some(format!("arguments have invalid types: ({})", positional.chain(keywords).collect::<Vec<_>>().join(", ")))
}
