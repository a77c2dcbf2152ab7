//! `add(Tensor input, Number|Tensor other, *, Number alpha=1, Tensor out=None)` -> [`Schema`].
//!
//! The text is PyTorch's: the form of its Python parsers or that of its native functions (`Scalar`, `ScalarType`, an
//! arrow with results). A schema is compiled at an op's first call (4-5 us), so speed does not matter here.
use crate::value::{TensorLayout, Value};
use rustorch_base::layout::MemoryFormat;

/// What a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Tensor,
    TensorOrNumber,
    Number,
    Int,
    Float,
    Bool,
    Str,
    Ints,
    Floats,
    Numbers,
    Tensors,
    OptionalTensors,
    DType,
    Device,
    MemoryFormat,
    Layout,
    Generator,
}

#[derive(Debug)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    pub keyword_only: bool,
    pub optional: bool,
    /// `T?`, or a default of None: the caller may pass None.
    pub allow_none: bool,
    /// `int[2]`: a lone int stands for two; `int[]` takes a lone int as a list of one. 0: neither.
    pub repeat: usize,
    pub default: Value<'static>,
    pub default_text: &'static str,
}

#[derive(Debug)]
pub struct Schema {
    pub name: &'static str,
    pub params: Vec<Param>,
    pub max_positional: usize,
    pub min_args: usize,
    /// `out=` is kept last in `params`, wherever the text has it, so that the values before it are the op's.
    pub has_out: bool,
    out_position: usize,
    /// `...|deprecated`: accepted, but no message and no document speaks of it.
    pub hidden: bool,
    /// The names of the results in `-> (Tensor values, Tensor indices)`; empty when the results have none.
    pub results: Vec<&'static str>,
    /// The type of one result, or `Tensor` when the text names none.
    pub result_type: &'static str,
}

/// Names NumPy users write; PyTorch takes them for the same parameter.
pub fn aliases(name: &str) -> &'static [&'static str] {
    match name {
        "dim" => &["axis"],
        "keepdim" => &["keepdims"],
        "input" => &["x", "a", "x1"],
        "other" => &["x2"],
        _ => &[],
    }
}

impl Kind {
    /// The word PyTorch's messages use.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Tensor | Kind::TensorOrNumber => "Tensor",
            Kind::Number => "Number",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Bool => "bool",
            Kind::Str => "str",
            Kind::Ints => "tuple of ints",
            Kind::Floats => "tuple of floats",
            Kind::Numbers => "tuple of Scalars",
            Kind::Tensors | Kind::OptionalTensors => "tuple of Tensors",
            Kind::DType => "torch.dtype",
            Kind::Device => "torch.device",
            Kind::MemoryFormat => "torch.memory_format",
            Kind::Layout => "torch.layout",
            Kind::Generator => "torch.Generator",
        }
    }
    /// The type a stub file shows.
    pub fn stub(self) -> &'static str {
        match self {
            Kind::Tensor => "Tensor",
            Kind::TensorOrNumber => "Tensor | Number",
            Kind::Number => "Number",
            Kind::Int => "_int",
            Kind::Float => "_float",
            Kind::Bool => "_bool",
            Kind::Str => "str",
            Kind::Ints => "_size",
            Kind::Floats => "Sequence[_float]",
            Kind::Numbers => "Sequence[Number]",
            Kind::Tensors => "Sequence[Tensor]",
            Kind::OptionalTensors => "Sequence[Tensor | None]",
            Kind::DType => "_dtype",
            Kind::Device => "DeviceLike",
            Kind::MemoryFormat => "_memory_format",
            Kind::Layout => "_layout",
            Kind::Generator => "Generator",
        }
    }
    fn of(word: &str, list: bool) -> Option<Kind> {
        Some(match (word, list) {
            ("Tensor", false) => Kind::Tensor,
            ("Tensor", true) => Kind::Tensors,
            ("Tensor?", true) => Kind::OptionalTensors,
            ("Number|Tensor" | "Tensor|Number" | "TensorOrNumber", false) => Kind::TensorOrNumber,
            ("Number" | "Scalar", false) => Kind::Number,
            ("Number" | "Scalar", true) => Kind::Numbers,
            ("int" | "SymInt", false) => Kind::Int,
            ("int" | "SymInt", true) => Kind::Ints,
            ("float", false) => Kind::Float,
            ("float", true) => Kind::Floats,
            ("bool", false) => Kind::Bool,
            ("str", false) => Kind::Str,
            ("dtype" | "ScalarType", false) => Kind::DType,
            ("Device", false) => Kind::Device,
            ("MemoryFormat", false) => Kind::MemoryFormat,
            ("Layout", false) => Kind::Layout,
            ("Generator", false) => Kind::Generator,
            _ => return None,
        })
    }
}

/// The name at the head of a schema's text.
pub fn name_of(text: &str) -> &str {
    text.split('(').next().unwrap_or(text)
}

/// The schema of a function, which takes `out=` as one tensor, or as several where it returns several, even if the text
/// does not say so.
pub fn with_out(text: &'static str) -> &'static str {
    let Ok(schema) = compile(text) else { return text };
    let several = schema.results.len() > 1;
    if schema.has_out || !(several || schema.result_type == "Tensor") {
        return text;
    }
    let out = if several { "Tensor[] out=None" } else { "Tensor out=None" };
    let star = if schema.params.iter().any(|param| param.keyword_only) { "" } else { "*, " };
    let comma = if schema.params.is_empty() { "" } else { ", " };
    let Some(close) = text.find('(').and_then(|open| closing(text, open)) else { return text };
    String::leak(format!("{}{comma}{star}{out}{}", &text[..close], &text[close..]))
}

/// Reads a schema. A text that is not one is a fault of the table, and named.
pub fn compile(text: &'static str) -> Result<Schema, String> {
    let (signature, hidden) = text.strip_suffix("|deprecated").map_or((text, false), |signature| (signature, true));
    let open = signature.find('(').ok_or_else(|| format!("no `(` in schema `{text}`"))?;
    let close = closing(signature, open).ok_or_else(|| format!("no `)` in schema `{text}`"))?;
    let mut params = Vec::new();
    let mut keyword_only = false;
    for piece in split(&signature[open + 1..close]) {
        match piece {
            "*" => keyword_only = true,
            piece => params.push(param(piece, keyword_only).map_err(|why| format!("{why} in schema `{text}`"))?),
        }
    }
    let max_positional = params.iter().filter(|p| !p.keyword_only).count();
    let min_args = params.iter().filter(|p| !p.optional).count();
    let out_position = params.iter().position(|p| p.name == "out");
    if let Some(i) = out_position {
        let out = params.remove(i);
        params.push(out);
    }
    let (results, result_type) = results(signature[close + 1..].trim());
    Ok(Schema {
        name: &signature[..open],
        params,
        max_positional,
        min_args,
        has_out: out_position.is_some(),
        out_position: out_position.unwrap_or(0),
        hidden,
        results,
        result_type,
    })
}

/// `SymInt[2] stride=1`, `Tensor? weight=None`.
fn param(piece: &'static str, keyword_only: bool) -> Result<Param, String> {
    let (left, default) = match piece.split_once('=') {
        Some((left, default)) => (left.trim(), Some(default.trim())),
        None => (piece, None),
    };
    let (full_type, name) = left.rsplit_once(' ').ok_or_else(|| format!("no name in `{piece}`"))?;
    // `Tensor(a!)` says what is aliased; the name alone matters here.
    let full_type = full_type.trim();
    let nullable = full_type.ends_with('?');
    let bare = full_type.trim_end_matches('?');
    let (word, length) = match bare.split_once('[') {
        Some((word, length)) => (word, Some(length.trim_end_matches(']'))),
        None => (bare, None),
    };
    let word = word.split_once("(a").map_or(word, |(word, _)| word);
    let kind = Kind::of(word, length.is_some()).ok_or_else(|| format!("unknown type `{full_type}`"))?;
    let repeat = match length {
        None | Some("!") => 0,
        Some("") => 1,
        Some(digits) => digits.parse().map_err(|_| format!("list length `{digits}`"))?,
    };
    Ok(Param {
        name,
        kind,
        keyword_only,
        optional: default.is_some(),
        allow_none: nullable || default == Some("None"),
        repeat,
        default: default.map_or(Ok(Value::None), |text| default_value(kind, text, repeat))?,
        default_text: default.unwrap_or(""),
    })
}

fn default_value(kind: Kind, text: &'static str, repeat: usize) -> Result<Value<'static>, String> {
    let bad = |_| format!("default `{text}`");
    Ok(match (kind, text) {
        (_, "None") => Value::None,
        (_, "True") => Value::Bool(true),
        (_, "False") => Value::Bool(false),
        (Kind::Ints, list) if list.starts_with(['(', '[']) => {
            let items = list[1..list.len() - 1].split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Ints(Vec::leak(items.map(str::parse).collect::<Result<_, _>>().map_err(|_| format!("default `{text}`"))?))
        }
        (Kind::Ints, int) => Value::Ints(Vec::leak(vec![int.parse().map_err(|_| format!("default `{text}`"))?; repeat.max(1)])),
        (Kind::Str, quoted) => Value::Str(quoted.trim_matches(['"', '\''])),
        (Kind::Float, "inf") => Value::Float(f64::INFINITY),
        (Kind::Float, float) => Value::Float(float.parse().map_err(bad)?),
        (Kind::Layout, "torch.strided") => Value::Layout(TensorLayout::Strided),
        (Kind::MemoryFormat, "torch.contiguous_format" | "contiguous_format") => Value::MemoryFormat(MemoryFormat::Contiguous),
        (Kind::MemoryFormat, "torch.preserve_format" | "preserve_format") => Value::MemoryFormat(MemoryFormat::Preserve),
        (_, number) => match number.parse() {
            Ok(int) => Value::Int(int),
            Err(_) => Value::Float(number.parse().map_err(bad)?),
        },
    })
}

/// `-> (Tensor values, Tensor indices)`, `-> Tensor[]`, or nothing.
fn results(tail: &'static str) -> (Vec<&'static str>, &'static str) {
    let Some(text) = tail.strip_prefix("->").map(str::trim) else { return (Vec::new(), "Tensor") };
    match text.strip_prefix('(').and_then(|list| list.strip_suffix(')')) {
        Some(list) => {
            let names: Option<Vec<_>> = split(list).into_iter().map(|piece| Some(piece.rsplit_once(' ')?.1)).collect();
            (names.unwrap_or_default(), text)
        }
        None => (Vec::new(), text),
    }
}

/// Where the bracket opened at `open` closes.
fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text.char_indices().skip(open) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(i);
        }
    }
    None
}

/// Splits at the commas outside of brackets.
fn split(text: &'static str) -> Vec<&'static str> {
    let (mut depth, mut from, mut pieces) = (0, 0, vec![]);
    for (i, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                pieces.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[from..]);
    pieces.into_iter().map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

/// How a list of parameters is written down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `(Tensor input, Tensor other, *, Number alpha = 1)`: PyTorch's messages.
    Message,
    /// `(input, other, *, alpha=1)`: `__text_signature__`.
    Text,
    /// `(input: Tensor, other: Tensor | Number, *, alpha: Number = 1)`: a stub file.
    Stub,
    /// `(*size: _int, out: Tensor | None = None)`: a stub file's form of a variadic call.
    VariadicStub,
}

impl Schema {
    /// The parameters in the text's order, without the first `skip` and, if so wished, without `out`.
    pub fn shown(&self, skip: usize, with_out: bool) -> Vec<&Param> {
        let mut shown: Vec<&Param> = self.params.iter().filter(|p| !self.has_out || p.name != "out").collect();
        if self.has_out
            && with_out
            && let Some(out) = self.params.last()
        {
            shown.insert(self.out_position, out);
        }
        shown.drain(..skip);
        shown
    }
    /// The parameter that all positional arguments may make up together: `view(2, 3)` means `view((2, 3))`.
    pub fn variadic(&self) -> Option<usize> {
        let last = match self.max_positional {
            1 => 0,
            2 if self.params[0].name == "input" => 1,
            _ => return None,
        };
        self.params.get(last).filter(|param| param.kind == Kind::Ints && param.repeat > 0).map(|_| last)
    }
    /// The signature of the function (`skip` 0) or of the method (`skip` 1: the first parameter is `self`).
    pub fn write(&self, style: Style, skip: usize, with_out: bool) -> String {
        let mut pieces: Vec<String> = match style {
            Style::Text if skip == 1 => vec!["$self".into()],
            Style::Stub | Style::VariadicStub if skip == 1 => vec!["self".into()],
            _ => vec![],
        };
        let mut starred = false;
        let spread = self.variadic().filter(|_| style == Style::VariadicStub).map(|last| self.params[last].name);
        for p in self.shown(skip, with_out) {
            if spread == Some(p.name) {
                pieces.push(format!("*{}: {}", p.name, Kind::Int.stub()));
                starred = true;
                continue;
            }
            if p.keyword_only && !starred {
                pieces.push("*".into());
                starred = true;
            }
            pieces.push(p.write(style));
        }
        format!("({})", pieces.join(", "))
    }
}

impl Param {
    fn write(&self, style: Style) -> String {
        // PyTorch's `from` is no name in Python's grammar.
        let name = if style != Style::Message && self.name == "from" { "from_" } else { self.name };
        let (head, equals) = match style {
            Style::Message => (format!("{} {name}", self.kind.word()), " = "),
            Style::Text => (name.to_string(), "="),
            Style::Stub | Style::VariadicStub => {
                let lone = if self.kind == Kind::Ints && self.repeat > 0 { " | _int" } else { "" };
                let none = if self.allow_none { " | None" } else { "" };
                (format!("{name}: {}{lone}{none}", self.kind.stub()), " = ")
            }
        };
        if !self.optional {
            return head;
        }
        // `torch.strided` is no value that a signature can hold.
        let default = if style == Style::Message || !self.default_text.starts_with("torch.") { self.default_text } else { "..." };
        format!("{head}{equals}{default}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn schema(text: &'static str) -> Schema {
        compile(text).expect("a schema")
    }
    #[test]
    fn a_schema_is_read_and_written() {
        let add = schema("add(Tensor input, Number|Tensor other, *, Number alpha=1, Tensor out=None)");
        assert_eq!((add.name, add.max_positional, add.min_args, add.has_out), ("add", 2, 2, true));
        assert_eq!(add.write(Style::Message, 0, true), "(Tensor input, Tensor other, *, Number alpha = 1, Tensor out = None)");
        assert_eq!(add.write(Style::Text, 1, false), "($self, other, *, alpha=1)");
        assert_eq!(add.write(Style::Stub, 1, false), "(self, other: Tensor | Number, *, alpha: Number = 1)");
    }
    #[test]
    fn out_keeps_its_place_in_messages() {
        let zeros = schema("zeros(SymInt[] size, *, Tensor out=None, dtype dtype=None, Layout layout=torch.strided)");
        assert_eq!(zeros.params.last().map(|p| p.name), Some("out"));
        assert!(zeros.write(Style::Message, 0, true).starts_with("(tuple of ints size, *, Tensor out = None, torch.dtype dtype = None"));
    }
    #[test]
    fn functions_take_out() {
        assert_eq!(with_out("relu(Tensor input)"), "relu(Tensor input, *, Tensor out=None)");
        assert_eq!(with_out("f(Tensor x, *, int n=1) -> Tensor"), "f(Tensor x, *, int n=1, Tensor out=None) -> Tensor");
        assert_eq!(with_out("equal(Tensor x) -> bool"), "equal(Tensor x) -> bool");
    }
    #[test]
    fn lists_defaults_and_results() {
        let pool = schema("max(Tensor input, int[2] stride=1, Tensor?[] indices=None) -> (Tensor values, Tensor indices)");
        assert_eq!((pool.params[1].repeat, pool.params[2].kind), (2, Kind::OptionalTensors));
        assert!(matches!(pool.params[1].default, Value::Ints([1, 1])));
        assert_eq!(pool.results, ["values", "indices"]);
        assert!(compile("f(Quux x)").is_err());
    }
}
