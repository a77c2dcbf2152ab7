//! Values and gradients of scans, sorts and normalisations.
#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, reason = "tests")]
use rustorch_core::autograd::engine::{self, Options};
use rustorch_core::ops::{copy, norm, pointwise, scan, sort};
use rustorch_core::{DType, Tensor};

fn tensor(values: &[f64]) -> Tensor {
    let tensor = Tensor::empty(&[values.len() as i64], DType::Float64).unwrap();
    for (i, value) in values.iter().enumerate() {
        unsafe { *tensor.array().data().cast::<f64>().add(i) = *value };
    }
    tensor
}
fn leaf(values: &[f64]) -> Tensor {
    let leaf = tensor(values);
    leaf.set_requires_grad(true).unwrap();
    leaf
}
fn values(tensor: &Tensor) -> Vec<f64> {
    let packed = copy::contiguous(&copy::cast(&tensor.detached(), DType::Float64).unwrap()).unwrap();
    (0..packed.numel() as usize).map(|i| unsafe { *packed.array().data().cast::<f64>().add(i) }).collect()
}
/// The gradient of `sum(out * weights)`.
fn gradient(out: &Tensor, input: &Tensor, weights: &[f64], options: Options) -> Tensor {
    let found = engine::grad(std::slice::from_ref(out), std::slice::from_ref(input), &[Some(tensor(weights))], options, false).unwrap();
    found[0].clone().unwrap()
}
fn close(a: &Tensor, b: &[f64]) {
    let a = values(a);
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} is not {b:?}");
}

#[test]
fn running_sums_and_products() {
    let x = leaf(&[1., 2., 3.]);
    let sums = scan::cumsum(&x, 0, None).unwrap();
    assert_eq!(sums.grad_fn().unwrap().unwrap().name(), "CumsumBackward0");
    close(&sums, &[1., 3., 6.]);
    close(&gradient(&sums, &x, &[1., 10., 100.], Options::default()), &[111., 110., 100.]);
    let x = leaf(&[2., 0., 3., 0., 5.]);
    let products = scan::cumprod(&x, 0, None).unwrap();
    close(&products, &[2., 0., 0., 0., 0.]);
    close(&gradient(&products, &x, &[1., 1., 1., 1., 1.], Options::default()), &[1., 8., 0., 0., 0.]);
    let x = leaf(&[0., 0.]);
    let logs = scan::logcumsumexp(&x, 0).unwrap();
    close(&logs, &[0., 2f64.ln()]);
    close(&gradient(&logs, &x, &[1., -4.], Options::default()), &[-1., -2.]);
}

#[test]
fn order_and_its_gradient() {
    let x = leaf(&[3., 1., 2.]);
    let (ordered, indices) = sort::sort(&x, -1, false).unwrap();
    assert_eq!(ordered.grad_fn().unwrap().unwrap().name(), "SortBackward0");
    close(&ordered, &[1., 2., 3.]);
    close(&indices, &[1., 2., 0.]);
    close(&gradient(&ordered, &x, &[1., 10., 100.], Options::default()), &[100., 1., 10.]);
    let (middle, at) = sort::median_dim(&x, 0, false).unwrap();
    assert_eq!((middle.ndim(), values(&at)), (0, vec![2.]));
    assert_eq!(values(&sort::topk(&x, 2, 0, true, true).unwrap().0), [3., 2.]);
    assert!(sort::topk(&x, 4, 0, true, true).unwrap_err().message.contains("selected index k out of range"));
}

#[test]
fn layer_norm_and_its_gradient_by_kernels_and_by_steps() {
    let (x, weight, bias) = (leaf(&[1., 2., 4.]), leaf(&[1., 2., 3.]), leaf(&[0., 1., 0.]));
    let out = norm::layer_norm(&x, &[3], Some(&weight), Some(&bias), 0., true).unwrap();
    assert_eq!(out.grad_fn().unwrap().unwrap().name(), "NativeLayerNormBackward0");
    let deviation = (14f64 / 9.).sqrt();
    let standard = [-4. / 3. / deviation, -1. / 3. / deviation, 5. / 3. / deviation];
    close(&out, &[standard[0], 2. * standard[1] + 1., 3. * standard[2]]);
    for input in [&x, &weight, &bias] {
        let kept = Options { keep_graph: true, create_graph: false };
        let by_kernel = gradient(&out, input, &[1., -2., 5.], kept);
        let by_steps = gradient(&out, input, &[1., -2., 5.], Options { keep_graph: true, create_graph: true });
        close(&by_steps, &values(&by_kernel));
        if input.is_same(&weight) {
            close(&by_kernel, &[standard[0], -2. * standard[1], 5. * standard[2]]);
        }
    }
    let first = gradient(&out, &x, &[1., -2., 5.], Options { keep_graph: true, create_graph: true });
    let squared = pointwise::mul(&first, &first).unwrap();
    // The gradient is homogeneous of degree -1 in x, its square of degree -2 (Euler).
    let second = values(&gradient(&squared, &x, &[1., 1., 1.], Options::default()));
    let along: f64 = second.iter().zip([1., 2., 4.]).map(|(s, x)| s * x).sum();
    let total: f64 = values(&squared).iter().sum();
    assert!((along + 2. * total).abs() < 1e-8, "{along} is not -2 * {total}");
}
