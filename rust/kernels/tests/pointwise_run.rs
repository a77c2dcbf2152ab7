//! The executor against plain loops: layouts, dtypes, numbers, in place.
use rustorch_base::DType;
use rustorch_kernels::pointwise::{Input, row, run};
use rustorch_kernels::{Number, Operand};

fn array<'a, T>(data: &'a [T], dtype: DType, strides: &'a [i64]) -> Operand<'a> {
    Operand { data: data.as_ptr().cast::<u8>().cast_mut(), dtype, strides }
}
fn output<'a, T>(data: &'a mut [T], dtype: DType, strides: &'a [i64]) -> Operand<'a> {
    Operand { data: data.as_mut_ptr().cast(), dtype, strides }
}
fn program(name: &str, compute: DType, defaults: u32) -> &'static rustorch_kernels::expr::Program {
    row(name).expect(name).program(compute, defaults).expect(name)
}

#[test]
fn dense_arrays_and_numbers() {
    let (a, b) = ([1f32, 2.0, 3.0, 4.0], [10f32, 20.0, 30.0, 40.0]);
    let mut y = [0f32; 4];
    let inputs =
        [Input::Array(array(&a, DType::Float32, &[1])), Input::Array(array(&b, DType::Float32, &[1])), Input::Number(Number::Int(1))];
    run(program("add", DType::Float32, 0b100), DType::Float32, &[4], &[output(&mut y, DType::Float32, &[1])], &inputs).expect("add");
    assert_eq!(y, [11.0, 22.0, 33.0, 44.0]);
    let inputs = [inputs[0], inputs[1], Input::Number(Number::Float(0.5))];
    run(program("add", DType::Float32, 0), DType::Float32, &[4], &[output(&mut y, DType::Float32, &[1])], &inputs).expect("add");
    assert_eq!(y, [6.0, 12.0, 18.0, 24.0]);
}

#[test]
fn broadcasting_permuted_and_cast() {
    // float32[3, 700] (transposed in memory) + int64[700], into float64.
    let a: Vec<f32> = (0..2100).map(|i| i as f32).collect();
    let b: Vec<i64> = (0..700).map(|i| i * i).collect();
    let mut y = vec![0f64; 2100];
    let inputs =
        [Input::Array(array(&a, DType::Float32, &[1, 3])), Input::Array(array(&b, DType::Int64, &[0, 1])), Input::Number(Number::Int(2))];
    for strides in [[700, 1], [1, 3]] {
        run(program("add", DType::Float64, 0), DType::Float64, &[3, 700], &[output(&mut y, DType::Float64, &strides)], &inputs)
            .expect("add");
        for i in 0..3usize {
            for j in 0..700usize {
                let at = i * strides[0] as usize + j * strides[1] as usize;
                assert_eq!(y[at], a[i + 3 * j] as f64 + 2.0 * b[j] as f64, "{i} {j}");
            }
        }
    }
}

#[test]
fn short_rows_cross_tiles() {
    let a: Vec<f32> = (0..3000).map(|i| i as f32).collect();
    let column: Vec<f32> = (0..1000).map(|i| (i * 7) as f32).collect();
    let mut y = vec![0u8; 3000];
    let inputs = [Input::Array(array(&a, DType::Float32, &[3, 1])), Input::Array(array(&column, DType::Float32, &[1, 0]))];
    run(program("lt", DType::Float32, 0), DType::Float32, &[1000, 3], &[output(&mut y, DType::Bool, &[3, 1])], &inputs).expect("lt");
    for i in 0..3000 {
        assert_eq!(y[i], u8::from(a[i] < column[i / 3]));
    }
}

#[test]
fn in_place_and_exact_integers() {
    let mut a: Vec<i64> = (0..1000).map(|i| (1 << 53) + i).collect();
    let y = Operand { data: a.as_mut_ptr().cast(), dtype: DType::Int64, strides: &[1] };
    let inputs = [Input::Array(y), Input::Number(Number::Int((1 << 60) + 1)), Input::Number(Number::Int(1))];
    run(program("add", DType::Int64, 0b100), DType::Int64, &[1000], &[y], &inputs).expect("add");
    assert!(a.iter().enumerate().all(|(i, &v)| v == (1 << 53) + i as i64 + (1 << 60) + 1));
}
