//! A program as a WGSL function. What WGSL lacks, or has too loosely, is in `shaders/lib/math.wgsl`.
use super::primitive::Primitive;
use super::program::{Node, Program};
use std::fmt::Write;

/// The functions that the text of programs calls: a shader starts with them.
pub const LIBRARY: &str = include_str!("../../../../shaders/lib/math.wgsl");

impl Program {
    /// `fn name(x0: f32, x1: f32, ...) -> f32 { ... }`; several results come as a struct `name_out` of `y0`, `y1` ...
    /// None for a program on bits, which f32 has not.
    pub fn wgsl(&self, name: &str) -> Option<String> {
        let many = self.outputs.len() > 1;
        let mut text = String::new();
        if many {
            let fields: Vec<String> = (0..self.outputs.len()).map(|k| format!("y{k}: f32")).collect();
            let _ = writeln!(text, "struct {name}_out {{ {} }}", fields.join(", "));
        }
        let parameters: Vec<String> = (0..self.inputs).map(|i| format!("x{i}: f32")).collect();
        let result = if many { format!("{name}_out") } else { "f32".into() };
        let _ = writeln!(text, "fn {name}({}) -> {result} {{", parameters.join(", "));
        for (i, node) in self.nodes.iter().enumerate() {
            if let Node::Apply(p, a) = *node {
                let kind = if p.is_mask() { ": bool" } else { "" };
                let _ = writeln!(text, "    let v{i}{kind} = {};", self.expression(p, a)?);
            }
        }
        let results: Vec<String> = self.outputs.iter().map(|&o| self.number(o)).collect();
        let result = if many { format!("{name}_out({})", results.join(", ")) } else { results.join("") };
        let _ = writeln!(text, "    return {result};\n}}");
        Some(text)
    }

    fn is_mask(&self, node: u32) -> bool {
        matches!(self.nodes[self.source(node)], Node::Apply(p, _) if p.is_mask())
    }
    /// How a node is written, mask or number.
    fn written(&self, node: u32) -> String {
        match self.nodes[node as usize] {
            Node::Input(k) => format!("x{k}"),
            Node::Constant(bits) => literal(f64::from_bits(bits)),
            _ => format!("v{}", self.source(node)),
        }
    }
    fn number(&self, node: u32) -> String {
        if self.is_mask(node) { format!("select(0.0, 1.0, {})", self.written(node)) } else { self.written(node) }
    }
    fn mask(&self, node: u32) -> String {
        if self.is_mask(node) { self.written(node) } else { format!("({} != 0.0)", self.written(node)) }
    }

    fn expression(&self, p: Primitive, a: [u32; 3]) -> Option<String> {
        use Primitive::*;
        let x = |k: usize| self.number(a[k]);
        let call = |function: &str| {
            let arguments: Vec<String> = (0..p.arity()).map(x).collect();
            format!("{function}({})", arguments.join(", "))
        };
        let own = || call(&format!("rt_{}", format!("{p:?}").to_lowercase()));
        Some(match p {
            Copy | Number => x(0),
            Neg => format!("-({})", x(0)),
            Add => format!("{} + {}", x(0), x(1)),
            Sub => format!("{} - {}", x(0), x(1)),
            Mul => format!("{} * {}", x(0), x(1)),
            Div => format!("{} / {}", x(0), x(1)),
            MulAdd => format!("{} * {} + {}", x(0), x(1), x(2)),
            MulSub => format!("{} * {} - {}", x(0), x(1), x(2)),
            SubMul => format!("{2} - {0} * {1}", x(0), x(1), x(2)),
            MulMul => format!("{} * {} * {}", x(0), x(1), x(2)),
            Less => format!("{} < {}", x(0), x(1)),
            LessEqual => format!("{} <= {}", x(0), x(1)),
            // By bits: a compiler may take x == x for true.
            Equal if a[0] == a[1] => format!("!rt_is_nan({})", x(0)),
            Equal => format!("{} == {}", x(0), x(1)),
            And => format!("{} && {}", self.mask(a[0]), self.mask(a[1])),
            Or => format!("{} || {}", self.mask(a[0]), self.mask(a[1])),
            Not => format!("!{}", self.mask(a[0])),
            Select => format!("select({}, {}, {})", x(2), x(1), self.mask(a[0])),
            DivTrunc => format!("trunc({} / {})", x(0), x(1)),
            Abs | Floor | Trunc | Round | Sqrt => call(&format!("{p:?}").to_lowercase()),
            Finite => call("rt_is_finite"),
            SignBit => call("rt_sign_bit"),
            DivFloor => call("rt_div_floor"),
            Min | Max | Remainder | Fmod | Pow | Exp | Exp2 | Expm1 | Log | Log2 | Log10 | Log1p | Sin | Cos | Tan | Asin | Acos | Atan
            | Sinh | Cosh | Tanh | Asinh | Acosh | Atanh | Erf | Erfc | Atan2 | Hypot | Copysign => own(),
            BitAnd | BitOr | BitXor | BitNot | ShiftLeft | ShiftRight => return None,
        })
    }
}

fn literal(value: f64) -> String {
    let value = value as f32;
    // WGSL refuses a constant expression that is infinite or NaN: these come from functions it cannot fold.
    match value {
        _ if value.is_nan() => "rt_nan()".into(),
        f32::INFINITY => "rt_inf()".into(),
        f32::NEG_INFINITY => "(-rt_inf())".into(),
        _ if value.is_sign_negative() => format!("({value:?}f)"),
        _ => format!("{value:?}f"),
    }
}
