//! Random ops: PyTorch's numbers for PyTorch's seeds, wherever they are drawn to.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use rustorch_core::autograd::engine::{self, Options};
use rustorch_core::op::{self, Args, Ret, Target, TensorLayout, Value};
use rustorch_core::ops::{copy, random, shape};
use rustorch_core::random::{Algorithm, Generator};
use rustorch_core::{DType, Result, Tensor};

const STRIDED: TensorLayout = TensorLayout::Strided;
/// `alpha_dropout(torch.ones(6), 0.5, True)` with seed 0.
const ALPHA_DROPPED: [f64; 6] = [-0.779194, -0.779194, 1.665599, -0.779194, -0.779194, -0.779194];

fn seeded(seed: u64) -> Generator {
    let generator = Generator::new(Algorithm::Mt19937);
    generator.manual_seed(seed);
    generator
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let plain = copy::contiguous(&copy::cast(tensor, DType::Float64).unwrap()).unwrap();
    // SAFETY: a contiguous float64 tensor that lives here.
    unsafe { std::slice::from_raw_parts(plain.array().data().cast::<f64>(), plain.numel() as usize).to_vec() }
}

fn close(tensor: &Tensor, expected: &[f64]) {
    let got = values(tensor);
    assert_eq!(got.len(), expected.len());
    assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 5e-5), "{got:?} instead of {expected:?}");
}

fn message(result: Result<Tensor>) -> String {
    result.unwrap_err().message
}

/// Calls a row of the table by its position among those of its name.
fn call(name: &str, overload: usize, arguments: &[Value<'_>]) -> Result<Ret> {
    let table = rustorch_core::ops::table();
    let def = table.iter().filter(|def| def.name() == name).nth(overload).expect("an op of this name");
    op::call(def, &Args { values: arguments, keys: op::keys_of(arguments), out: &[], target: Target::Fresh })
}

#[test]
fn factories_give_pytorch_s_numbers() {
    let g = seeded(0);
    let rand = |size: &[i64], dtype| random::rand(None, size, Some(&g), dtype, STRIDED, None, false, false).unwrap();
    close(&rand(&[5], None), &[0.49625659, 0.76822180, 0.08847743, 0.13203049, 0.30742282]);
    g.manual_seed(0);
    close(&rand(&[2], Some(DType::Float64)), &[0.97005300, 0.70781986]);
    g.manual_seed(0);
    let normal = random::randn(None, &[3], Some(&g), None, STRIDED, None, false, false).unwrap();
    close(&normal, &[1.54099607, -0.29342890, -2.17878938]);
    g.manual_seed(0);
    let integers = random::randint(None, 10, &[15], Some(&g), None, STRIDED, None, false, false).unwrap();
    assert_eq!(integers.dtype(), DType::Int64);
    close(&integers, &[4., 9., 3., 0., 3., 9., 7., 3., 7., 3., 1., 6., 6., 9., 8.]);
    g.manual_seed(0);
    let order = random::randperm(None, 10, Some(&g), None, STRIDED, None, false, false).unwrap();
    close(&order, &[4., 1., 7., 5., 3., 9., 0., 8., 6., 2.]);
}

#[test]
fn the_dtype_of_out_decides_what_is_drawn() {
    let g = seeded(0);
    let out = Tensor::empty(&[0], DType::Float64).unwrap();
    let drawn = random::rand(Some(&out), &[2], Some(&g), None, STRIDED, None, false, false).unwrap();
    assert!(drawn.is_same(&out));
    close(&out, &[0.97005300, 0.70781986]);
    let refused = random::rand(Some(&out), &[2], Some(&g), Some(DType::Float32), STRIDED, None, false, false);
    assert_eq!(message(refused), "dtype Float does not match dtype of out parameter (Double)");
}

#[test]
fn draws_follow_the_memory_and_not_the_dimensions() {
    let fill = |tensor: &Tensor, g: &Generator| random::in_place::uniform_(tensor, 0.0, 1.0, Some(g)).unwrap();
    let flat = Tensor::empty(&[6], DType::Float32).unwrap();
    fill(&flat, &seeded(1));
    let matrix = Tensor::empty(&[2, 3], DType::Float32).unwrap();
    let transposed = shape::transpose_dims(&matrix, 0, 1, "TransposeBackward0").unwrap();
    fill(&transposed, &seeded(1));
    assert_eq!(values(&matrix), values(&flat));
    // Every second column of a wider matrix, transposed: gaps, but the same order.
    let wide = Tensor::empty(&[2, 6], DType::Float32).unwrap();
    let columns = shape::slice_range(&wide, 1, 0, 3, 2).unwrap();
    fill(&shape::transpose_dims(&columns, 0, 1, "TransposeBackward0").unwrap(), &seeded(1));
    assert_eq!(values(&columns), values(&flat));
}

#[test]
fn filling_ends_a_history_with_zero_gradients() {
    let leaf = random::rand(None, &[3], Some(&seeded(0)), None, STRIDED, None, false, true).unwrap();
    assert_eq!(
        message(random::in_place::uniform_(&leaf, 0.0, 1.0, None)),
        "a leaf Variable that requires grad is being used in an in-place operation."
    );
    let copied = copy::clone(&leaf).unwrap();
    random::in_place::normal_(&copied, 0.0, 1.0, Some(&seeded(0))).unwrap();
    close(&copied, &[1.54099607, -0.29342890, -2.17878938]);
    let ones = rustorch_core::ops::create::ones_like(&copied.detached()).unwrap();
    engine::backward(&[copied], &[Some(ones)], Options::default(), None).unwrap();
    assert_eq!(values(&leaf.grad().unwrap()), [0.0; 3]);
}

#[test]
fn dropout_scales_what_it_keeps_and_its_gradient() {
    Generator::global().manual_seed(0);
    let ones = random::rand(None, &[40], None, None, STRIDED, None, false, false).unwrap();
    rustorch_core::ops::create::fill_in_place(&ones, op::Number::Int(1)).unwrap();
    ones.set_requires_grad(true).unwrap();
    Generator::global().manual_seed(0);
    let dropped = random::dropout::dropout(&ones, 0.5, true).unwrap();
    let expected = [0., 0., 2., 0., 0., 0., 2., 2., 0., 2., 2., 2., 2., 0., 2., 2., 2., 2., 0., 0., 2., 0., 2., 0., 2.];
    assert_eq!(values(&dropped)[..25], expected);
    let cotangent = rustorch_core::ops::create::ones_like(&dropped.detached()).unwrap();
    engine::backward(&[dropped], &[Some(cotangent)], Options::default(), None).unwrap();
    assert_eq!(values(&ones.grad().unwrap())[..25], expected);
    assert!(random::dropout::dropout(&ones, 0.5, false).unwrap().is_same(&ones));
    assert_eq!(message(random::dropout::dropout(&ones, 1.5, true)), "dropout probability has to be between 0 and 1, but got 1.5");
}

#[test]
fn alpha_dropout_puts_selu_s_limit_where_it_drops() {
    Generator::global().manual_seed(0);
    let ones = rustorch_core::ops::create::ones_like(&Tensor::empty(&[6], DType::Float32).unwrap()).unwrap();
    let dropped = random::dropout::alpha_dropout(&ones, 0.5, true).unwrap();
    close(&dropped, &ALPHA_DROPPED);
    random::dropout::alpha_dropout_(&ones, 0.5, true).unwrap();
    assert!(values(&ones).iter().all(|value| ALPHA_DROPPED.iter().any(|known| (known - value).abs() < 5e-5)));
}

#[test]
fn categories_are_drawn_by_weight() {
    let weights = random::rand(None, &[4], Some(&seeded(0)), None, STRIDED, None, false, false).unwrap();
    for (i, weight) in [0.1, 0.2, 0.3, 0.4].into_iter().enumerate() {
        let place = shape::select_index(&weights, 0, i as i64).unwrap();
        rustorch_core::ops::create::fill_in_place(&place, op::Number::Float(weight)).unwrap();
    }
    let drawn = random::choice::multinomial(None, &weights, 6, true, Some(&seeded(0))).unwrap();
    assert_eq!(values(&drawn), [3., 3., 2., 3., 3., 3.]);
    let different = random::choice::multinomial(None, &weights, 4, false, Some(&seeded(0))).unwrap();
    let mut sorted = values(&different);
    sorted.sort_by(f64::total_cmp);
    assert_eq!(sorted, [0., 1., 2., 3.]);
    assert_eq!(
        message(random::choice::multinomial(None, &weights, 5, false, None)),
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
    );
}

#[test]
fn overloads_are_found_in_pytorch_s_order() {
    let g = seeded(7);
    let tensor = Tensor::empty(&[3], DType::Float32).unwrap();
    let drawn = call("random_", 1, &[Value::Tensor(&tensor), Value::Int(3), Value::Int(9), Value::Generator(&g)]);
    assert!(matches!(drawn, Ok(Ret::Tensor(_))));
    assert!(values(&tensor).iter().all(|value| (3.0..9.0).contains(value)));
    g.manual_seed(0);
    let options = [Value::Generator(&g), Value::None, Value::Layout(STRIDED), Value::None, Value::Bool(false), Value::Bool(false)];
    let arguments = [[Value::Float(0.0), Value::Float(1.0), Value::Ints(&[2])].as_slice(), &options].concat();
    let drawn = copy::single(call("normal", 3, &arguments).unwrap()).unwrap();
    close(&drawn, &[1.54099607, -0.29342890]);
}

#[test]
fn bounds_are_refused_in_pytorch_s_words() {
    let of = |dtype| Tensor::empty(&[3], dtype).unwrap();
    let between = |dtype, from, to| message(random::in_place::random_from(&of(dtype), from, to, None));
    assert_eq!(between(DType::UInt8, 0, Some(300)), "to - 1 is out of bounds for unsigned char");
    assert_eq!(between(DType::UInt8, -1, Some(5)), "from is out of bounds for unsigned char");
    assert_eq!(between(DType::Bool, 0, Some(3)), "to - 1 is out of bounds for bool");
    assert_eq!(between(DType::Float16, 0, Some(70_000)), "to - 1 is out of bounds for c10::Half");
    assert_eq!(between(DType::Int64, 5, Some(2)), "random_ expects 'from' to be less than 'to', but got from=5 >= to=2");
    assert_eq!(between(DType::UInt64, 3, None), "to - 1 is out of bounds for long unsigned int");
    assert_eq!(
        message(random::in_place::uniform_(&of(DType::Float32), 2.0, 1.0, None)),
        "uniform_ expects to return a [from, to) range, but found from=2 > to=1"
    );
    assert_eq!(
        message(random::in_place::uniform_(&of(DType::Int64), 0.0, 1.0, None)),
        "\"check_uniform_bounds\" not implemented for 'Long'"
    );
    assert_eq!(
        message(random::randperm(None, 257, None, Some(DType::UInt8), STRIDED, None, false, false)),
        "value cannot be converted to type uint8_t without overflow"
    );
}
