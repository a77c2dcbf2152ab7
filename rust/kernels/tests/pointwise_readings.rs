//! All ways to run a row give the same bits: dense, strided, one element at a time, on several threads; and the values
//! are those of the program's meaning.
use half::{bf16, f16};
use rustorch_base::{DType, dtype::Category};
use rustorch_kernels::cpu::cast::convert;
use rustorch_kernels::pointwise::{Input, Row, rows, run};
use rustorch_kernels::{Number, Operand};

fn operand<'a, T>(data: &'a [T], dtype: DType, strides: &'a [i64]) -> Operand<'a> {
    Operand { data: data.as_ptr().cast::<u8>().cast_mut(), dtype, strides }
}
fn output<'a, T>(data: &'a mut [T], dtype: DType, strides: &'a [i64]) -> Operand<'a> {
    Operand { data: data.as_mut_ptr().cast(), dtype, strides }
}
fn out_dtype(row: &Row, compute: DType) -> DType {
    if row.result == rustorch_kernels::pointwise::ResultRule::Bool { DType::Bool } else { compute }
}
/// Bytes of the result of a row over inputs of one dtype, which lie `stride` elements apart.
fn apply(row: &'static Row, dtype: DType, inputs: &[Vec<u8>], n: usize, stride: i64) -> Vec<u8> {
    let result = out_dtype(row, dtype);
    let strides = [stride];
    let mut y = vec![0u8; n * stride as usize * result.size()];
    let arrays: Vec<Input> = inputs.iter().map(|x| Input::Array(operand(x, dtype, &strides))).collect();
    let out = Operand { data: y.as_mut_ptr(), dtype: result, strides: &strides };
    run(row.program(dtype, 0).expect(row.name), dtype, &[n as i64], &[out], &arrays).expect(row.name);
    y
}
fn as_bytes<T: Copy>(x: &[T]) -> Vec<u8> {
    // SAFETY: any number may be read as bytes.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), size_of_val(x)) }.to_vec()
}
/// Every element followed by a zero one.
fn spread(x: &[u8], size: usize) -> Vec<u8> {
    x.chunks(size).flat_map(|e| e.iter().copied().chain(vec![0; size])).collect()
}
fn inputs(row: &Row, n: usize) -> Vec<Vec<f32>> {
    (0..row.arity).map(|k| (0..n).map(|i| ((i * 37 + k * 11) % 101) as f32 * 0.13 - 6.0 + k as f32 * 0.01).collect()).collect()
}

#[test]
fn every_layout_gives_the_same_bits_and_the_right_values() {
    for row in rows().filter(|row| row.accept(DType::Float32).is_ok()) {
        let n = 1100;
        let x = inputs(row, n);
        let bytes: Vec<Vec<u8>> = x.iter().map(|x| as_bytes(x)).collect();
        let dense = apply(row, DType::Float32, &bytes, n, 1);
        let size = dense.len() / n;
        let spaced: Vec<Vec<u8>> = bytes.iter().map(|x| spread(x, 4)).collect();
        let strided = apply(row, DType::Float32, &spaced, n, 2);
        let program = row.program(DType::Float32, 0).expect(row.name);
        for i in 0..n {
            let got = &dense[i * size..(i + 1) * size];
            assert_eq!(got, &strided[2 * i * size..(2 * i + 1) * size], "{} strided at {i}", row.name);
            if i < 40 {
                let one: Vec<Vec<u8>> = bytes.iter().map(|x| x[i * 4..i * 4 + 4].to_vec()).collect();
                assert_eq!(got, apply(row, DType::Float32, &one, 1, 1), "{} alone at {i}", row.name);
            }
            let exact: Vec<f64> = x.iter().map(|x| f64::from(x[i])).collect();
            let want = program.evaluate(&exact).expect("floats")[0];
            let value = if size == 1 { f64::from(got[0]) } else { f64::from(f32::from_le_bytes([got[0], got[1], got[2], got[3]])) };
            let overflown = want.abs() > f64::from(f32::MAX);
            let close = value.is_nan() && want.is_nan() || value == want || overflown || (value - want).abs() <= 4e-5 * want.abs().max(1.0);
            assert!(close, "{} of {exact:?} is {value}, not {want}", row.name);
        }
    }
}

#[test]
fn threads_change_nothing() {
    for row in rows().filter(|row| row.accept(DType::Float32).is_ok()) {
        let n = 40_000;
        let bytes: Vec<Vec<u8>> = inputs(row, n).iter().map(|x| as_bytes(x)).collect();
        let all = apply(row, DType::Float32, &bytes, n, 1);
        let size = all.len() / n;
        for part in 0..4 {
            let (start, end) = (part * 10_000, (part + 1) * 10_000);
            let piece: Vec<Vec<u8>> = bytes.iter().map(|x| x[start * 4..end * 4].to_vec()).collect();
            assert_eq!(all[start * size..end * size], apply(row, DType::Float32, &piece, 10_000, 1), "{}", row.name);
        }
    }
}

#[test]
fn integers_and_doubles_take_their_own_values() {
    let values: Vec<i64> = (0..600).map(|i| i * 7 % 23 + 1).collect();
    for row in rows() {
        for dtype in [DType::UInt8, DType::Int8, DType::Int16, DType::Int32, DType::Int64, DType::Float64] {
            let Ok(program) = row.program(dtype, 0) else { continue };
            let cast = |x: &[i64]| {
                let mut y = vec![0u8; x.len() * dtype.size()];
                // SAFETY: both sides hold that many elements.
                unsafe { convert(dtype, DType::Int64)(y.as_mut_ptr(), x.as_ptr().cast(), x.len()) };
                y
            };
            let shifted: Vec<Vec<i64>> = (0..row.arity).map(|k| values.iter().map(|v| (v * (k as i64 + 1)) % 19 + 1).collect()).collect();
            let bytes: Vec<Vec<u8>> = shifted.iter().map(|x| cast(x)).collect();
            let y = apply(row, dtype, &bytes, 600, 1);
            let mut wide = vec![0f64; 600];
            // SAFETY: both sides hold 600 elements.
            unsafe { convert(DType::Float64, out_dtype(row, dtype))(wide.as_mut_ptr().cast(), y.as_ptr(), 600) };
            for i in 0..600 {
                let exact: Vec<f64> = shifted.iter().map(|x| x[i] as f64).collect();
                let Some(want) = program.evaluate(&exact).map(|y| y[0]) else { continue };
                // Integers wrap; powers and products that do not fit are left to other tests.
                if dtype != DType::Float64 && (want.abs() > 100.0 || (want < 0.0 && !dtype.is_signed())) {
                    continue;
                }
                let close = wide[i] == want || (wide[i] - want).abs() <= 1e-9 * want.abs() || (wide[i].is_nan() && want.is_nan());
                assert!(close, "{} of {exact:?} as {dtype:?} is {}, not {want}", row.name, wide[i]);
            }
        }
    }
}

#[test]
fn halves_are_worked_in_f32_and_rounded_once() {
    let x: Vec<f32> = (0..1000).map(|i| i as f32 * 0.037 - 11.0).collect();
    let (half, brain): (Vec<f16>, Vec<bf16>) = x.iter().map(|&x| (f16::from_f32(x), bf16::from_f32(x))).unzip();
    for name in ["exp", "tanh", "gelu", "square", "sigmoid"] {
        let row = rustorch_kernels::pointwise::row(name).expect(name);
        let single = |x: Vec<f32>| -> Vec<f32> {
            apply(row, DType::Float32, &[as_bytes(&x)], x.len(), 1)
                .chunks(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect()
        };
        let want = single(half.iter().map(|h| h.to_f32()).collect());
        let got = apply(row, DType::Float16, &[as_bytes(&half)], 1000, 1);
        let expected = as_bytes(&want.iter().map(|&w| f16::from_f32(w)).collect::<Vec<_>>());
        assert_eq!(got, expected, "{name}");
        let want = single(brain.iter().map(|h| h.to_f32()).collect());
        let got = apply(row, DType::BFloat16, &[as_bytes(&brain)], 1000, 1);
        let expected = as_bytes(&want.iter().map(|&w| bf16::from_f32(w)).collect::<Vec<_>>());
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn integer_division_by_zero_is_refused() {
    for name in ["div_floor", "div_trunc", "floor_divide", "remainder", "fmod"] {
        let row = rustorch_kernels::pointwise::row(name).expect(name);
        for (dtype, n) in [(DType::Int64, 3usize), (DType::UInt8, 5), (DType::Int32, 100_000)] {
            let bytes = vec![1u8; n * dtype.size()];
            let mut y = vec![0u8; n * dtype.size()];
            let mut run_with = |divisor: i64| {
                let inputs = [Input::Array(operand(&bytes, dtype, &[1])), Input::Number(Number::Int(divisor))];
                run(row.program(dtype, 0).expect(name), dtype, &[n as i64], &[output(&mut y, dtype, &[1])], &inputs)
            };
            assert_eq!(run_with(0).map_err(|e| e.message), Err("ZeroDivisionError".to_string()), "{name}");
            assert!(run_with(3).is_ok(), "{name}: the refusal is forgotten");
        }
    }
    // -7 by 2 and by -2, each way.
    for (name, by_two, by_minus_two) in [("div_floor", -4, 3), ("div_trunc", -3, 3), ("remainder", 1, -1), ("fmod", -1, -1)] {
        let row = rustorch_kernels::pointwise::row(name).expect(name);
        let (x, d, mut y) = ([-7i64, -7], [2i64, -2], [0i64; 2]);
        let inputs = [Input::Array(operand(&x, DType::Int64, &[1])), Input::Array(operand(&d, DType::Int64, &[1]))];
        run(row.program(DType::Int64, 0).expect(name), DType::Int64, &[2], &[output(&mut y, DType::Int64, &[1])], &inputs).expect(name);
        assert_eq!(y, [by_two, by_minus_two], "{name}");
        let (x, d, mut y) = ([-7f32, -7.0], [2f32, -2.0], [0f32; 2]);
        let inputs = [Input::Array(operand(&x, DType::Float32, &[1])), Input::Array(operand(&d, DType::Float32, &[1]))];
        run(row.program(DType::Float32, 0).expect(name), DType::Float32, &[2], &[output(&mut y, DType::Float32, &[1])], &inputs)
            .expect(name);
        assert_eq!(y, [by_two as f32, by_minus_two as f32], "{name}");
    }
}

#[test]
fn refusals_are_pytorchs() {
    let message = |name: &str, dtype| rustorch_kernels::pointwise::row(name).expect(name).accept(dtype).map_err(|e| e.message);
    assert_eq!(message("bitwise_and", DType::Float32), Err("\"bitwise_and_cpu\" not implemented for 'Float'".into()));
    assert_eq!(message("floor", DType::Bool), Err("\"floor_vml_cpu\" not implemented for 'Bool'".into()));
    assert_eq!(message("relu", DType::Bool), Err("Boolean inputs not supported for relu".into()));
    assert_eq!(message("silu", DType::Int64), Err("\"silu_cpu\" not implemented for 'Long'".into()));
    assert_eq!(DType::Bool.category(), Category::Bool);
}

#[test]
fn numbers_are_cut_to_the_dtype() {
    // PyTorch: torch.tensor([3], dtype=torch.uint8) < -1 is True, == 259 is True too, + 300 is 47.
    let x = [3u8];
    let strides = [1];
    for (name, number, want) in [("lt", -1, 1u8), ("eq", 259, 1), ("eq", 300, 0), ("mul", 100, 44)] {
        let row = rustorch_kernels::pointwise::row(name).expect(name);
        let mut y = [0u8];
        let out = output(&mut y, out_dtype(row, DType::UInt8), &strides);
        let inputs = [Input::Array(operand(&x, DType::UInt8, &strides)), Input::Number(Number::Int(number))];
        run(row.program(DType::UInt8, 0).expect(name), DType::UInt8, &[1], &[out], &inputs).expect(name);
        assert_eq!(y[0], want, "{name} {number}");
    }
}
