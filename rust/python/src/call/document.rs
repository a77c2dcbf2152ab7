//! Doc strings and the stub file, from the rows of the table.
use super::entry::{Entry, Form, Op, table};
use crate::tensor::spec;
use pyo3::prelude::*;
use rustorch_core::op::Def;
use rustorch_core::schema::{Schema, Style, compile};

/// `name(sig)\n--\n\n` at the head of a doc string is what `inspect.signature` reads; it knows one signature for a
/// callable, so an overloaded op lists its forms in the text instead.
pub fn doc(entry: &Entry) -> String {
    let signature = |def: &'static Def| match compile(entry.text(def)) {
        Ok(schema) => schema.write(Style::Text, entry.bound(), entry.form == Form::Function),
        Err(fault) => format!("({fault})"),
    };
    let text: String = entry.rows.iter().map(|def| def.doc).collect();
    let shown: Vec<&&Def> = entry.rows.iter().filter(|def| !def.schema.ends_with("|deprecated")).collect();
    match &shown[..] {
        [def] => format!("{}{}\n--\n\n{text}", entry.name(), signature(def)),
        many => {
            let forms =
                many.iter().map(|def| format!("{}{}\n", entry.name(), signature(def).replace("($self, ", "(").replace("$self", "")));
            forms.collect::<String>() + "\n" + &text
        }
    }
}

/// The Python type of what a row returns.
fn result_type(schema: &Schema) -> String {
    if !schema.results.is_empty() {
        return format!("return_types.{}", return_type(schema));
    }
    match schema.result_type {
        "Tensor" => "Tensor".into(),
        "Tensor[]" => "tuple[Tensor, ...]".into(),
        "bool" => "_bool".into(),
        "int" | "SymInt" => "_int".into(),
        "float" => "_float".into(),
        "Scalar" | "Number" => "Number".into(),
        "int[]" | "SymInt[]" => "tuple[_int, ...]".into(),
        "ScalarType" | "dtype" => "_dtype".into(),
        "str" => "str".into(),
        "()" => "None".into(),
        tuple if tuple.starts_with('(') => format!("tuple[{}]", vec!["Tensor"; tuple.split(',').count()].join(", ")),
        _ => "Any".into(),
    }
}

/// The name of the class of a row's results; overloads may name theirs differently.
fn return_type(schema: &Schema) -> String {
    format!("{}_{}", schema.name, schema.results.join("_"))
}
fn write_return_types(text: &mut String) {
    let mut seen = Vec::new();
    text.push_str("\nclass return_types:\n");
    for schema in table().iter().flat_map(|op| &op.defs).filter_map(|def| compile(def.schema).ok()) {
        let name = return_type(&schema);
        if schema.results.is_empty() || seen.contains(&name) {
            continue;
        }
        text.push_str(&format!("    class {name}(NamedTuple):\n"));
        for result in &schema.results {
            text.push_str(&format!("        {result}: Tensor\n"));
        }
        seen.push(name);
    }
    if seen.is_empty() {
        text.push_str("    pass\n");
    }
}

/// The lines of one callable: one `def` for each way to call it.
fn write_callable(op: &'static Op, form: Form, indent: &str, text: &mut String) {
    let Some(entry) = Entry::new(op, form) else { return };
    let (bound, with_out) = (entry.bound(), form == Form::Function);
    let mut lines: Vec<String> = Vec::new();
    for schema in entry.rows.iter().filter_map(|def| compile(entry.text(def)).ok()).filter(|schema| !schema.hidden) {
        let result = if form == Form::Inplace { "Self".into() } else { result_type(&schema) };
        let spread = schema.variadic().filter(|&last| last >= bound && schema.max_positional - bound == 1);
        for style in [Some(Style::Stub), spread.map(|_| Style::VariadicStub)].into_iter().flatten() {
            let line = format!("def {}{} -> {result}: ...", entry.name(), schema.write(style, bound, with_out));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    let marks = match (form, lines.len()) {
        (Form::Nn, 2..) => format!("{indent}@staticmethod\n{indent}@overload\n"),
        (Form::Nn, _) => format!("{indent}@staticmethod\n"),
        (_, 2..) => format!("{indent}@overload\n"),
        _ => String::new(),
    };
    for line in lines {
        text.push_str(&format!("{marks}{indent}{line}\n"));
    }
}

/// The part of the stub file that the table gives: module functions, `_nn`'s, methods.
#[pyfunction]
#[pyo3(name = "_stub")]
pub fn stub() -> String {
    let mut text = String::from(include_str!("stub_head.pyi"));
    write_return_types(&mut text);
    text.push_str("\nclass Tensor:\n");
    text.push_str(&spec::stub("    "));
    for op in table() {
        write_callable(op, Form::Method, "    ", &mut text);
        write_callable(op, Form::Inplace, "    ", &mut text);
    }
    text.push('\n');
    for op in table() {
        write_callable(op, Form::Function, "", &mut text);
    }
    text.push_str("\nclass _nn:\n");
    for op in table() {
        write_callable(op, Form::Nn, "    ", &mut text);
    }
    text
}
