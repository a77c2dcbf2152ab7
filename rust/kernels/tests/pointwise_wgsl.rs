//! Every row, its gradient and the gradient of that, printed as WGSL, pass naga's parser and validator.
#![allow(clippy::panic)] // a failed validation is a failed test, also in a function that tests call
use naga::valid::{Capabilities, ValidationFlags, Validator};
use rustorch_base::DType;
use rustorch_kernels::expr::{Program, wgsl::LIBRARY};
use rustorch_kernels::pointwise::rows;

fn validate(name: &str, program: &Program, text: &str) {
    let arguments: Vec<String> = (0..program.inputs).map(|i| format!("a[i + {i}u]")).collect();
    let out = if program.outputs.len() > 1 { ".y0" } else { "" };
    let source = format!(
        "{LIBRARY}{text}@group(0) @binding(0) var<storage, read> a: array<f32>;\n@group(0) @binding(1) var<storage, read_write> o: array<f32>;\n\
         @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{ let i = id.x; o[i] = {name}({}){out}; }}\n",
        arguments.join(", ")
    );
    let module = naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{name}: {}\n{text}", e.emit_to_string(&source)));
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {}\n{text}", e.emit_to_string(&source)));
}

#[test]
fn every_row_is_valid_wgsl() {
    let mut count = 0;
    for row in rows() {
        for defaults in [0, 0b1111_1110] {
            let Ok(program) = row.program(DType::Float32, defaults) else { continue };
            let name = format!("op_{}", row.name);
            validate(&name, program, &program.wgsl(&name).expect("floats have text"));
            count += 1;
            if row.node.is_empty() {
                continue;
            }
            let all = (1 << row.arity) - 1;
            let first = row.gradient(all, defaults);
            let second = first.program.gradient((1 << first.program.inputs) - 1);
            for (order, gradient) in [("grad", first), ("grad2", second)] {
                let name = format!("op_{}_{order}", row.name);
                validate(&name, &gradient.program, &gradient.program.wgsl(&name).expect("floats have text"));
                count += 1;
            }
        }
    }
    assert!(count > 400, "{count} functions");
}
