//! The graph, without Python: recording, walking back, writing in place.
#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, reason = "tests")]
use rustorch_core::autograd::engine::{self, Options};
use rustorch_core::ops::{copy, create, pointwise, shape};
use rustorch_core::{DType, Number, Tensor};

fn leaf(values: &[f64]) -> Tensor {
    let tensor = Tensor::empty(&[values.len() as i64], DType::Float64).unwrap();
    for (i, value) in values.iter().enumerate() {
        unsafe { *tensor.array().data().cast::<f64>().add(i) = *value };
    }
    tensor.set_requires_grad(true).unwrap();
    tensor
}
fn values(tensor: &Tensor) -> Vec<f64> {
    let packed = copy::contiguous(&tensor.detached()).unwrap();
    (0..packed.numel() as usize).map(|i| unsafe { *packed.array().data().cast::<f64>().add(i) }).collect()
}
fn backward(tensor: &Tensor, options: Options) -> rustorch_core::Result<()> {
    let ones = create::ones_like(tensor).unwrap();
    engine::backward(std::slice::from_ref(tensor), &[Some(ones)], options, None)
}

#[test]
fn gradients_of_a_product_and_their_accumulation() {
    let (x, y) = (leaf(&[1., 2., 3.]), leaf(&[4., 5., 6.]));
    let z = pointwise::mul(&x, &pointwise::add(&x, &y).unwrap()).unwrap();
    assert_eq!(z.grad_fn().unwrap().unwrap().name(), "MulBackward0");
    backward(&z, Options { keep_graph: true, ..Options::default() }).unwrap();
    assert_eq!(values(&x.grad().unwrap()), [6., 9., 12.]);
    assert_eq!(values(&y.grad().unwrap()), [1., 2., 3.]);
    let held = x.grad().unwrap();
    backward(&z, Options::default()).unwrap();
    assert!(held.is_same(&x.grad().unwrap()));
    assert_eq!(values(&held), [12., 18., 24.]);
    let again = backward(&z, Options::default()).unwrap_err();
    assert!(again.message.starts_with("Trying to backward through the graph a second time"), "{again}");
}

#[test]
fn second_derivatives() {
    let x = leaf(&[2., -3.]);
    let cube = pointwise::mul(&x, &pointwise::mul(&x, &x).unwrap()).unwrap();
    let options = Options { keep_graph: true, create_graph: true };
    let ones = create::ones_like(&cube).unwrap();
    let first = engine::grad(&[cube], std::slice::from_ref(&x), &[Some(ones.clone())], options, false).unwrap();
    let first = first[0].clone().unwrap();
    assert_eq!(values(&first), [12., 27.]);
    let second = engine::grad(&[first], &[x], &[Some(ones)], Options::default(), false).unwrap();
    assert_eq!(values(second[0].as_ref().unwrap()), [12., -18.]);
}

#[test]
fn writing_a_view_rebases_its_base() {
    let w = leaf(&[10.]);
    let x = create::zeros(&[3], DType::Float64).unwrap();
    let part = shape::slice_range(&x, 0, 1, 1, 1).unwrap();
    copy::copy_in_place(&part, &w).unwrap();
    assert_eq!(x.grad_fn().unwrap().unwrap().name(), "CopySlices");
    assert_eq!(part.grad_fn().unwrap().unwrap().name(), "AsStridedBackward0");
    backward(&pointwise::scale(&x, 3.0).unwrap(), Options::default()).unwrap();
    assert_eq!(values(&w.grad().unwrap()), [3.]);
    assert_eq!(values(&x), [0., 10., 0.]);
}

#[test]
fn a_changed_saved_tensor_is_refused_with_its_versions() {
    let x = leaf(&[1., 2.]);
    let y = pointwise::scale(&x, 2.0).unwrap();
    let z = pointwise::mul(&y, &y).unwrap();
    create::fill_in_place(&y, Number::Float(0.0)).unwrap();
    let refusal = backward(&z, Options::default()).unwrap_err().message;
    assert!(
        refusal.contains(
            "modified by an inplace operation: [torch.DoubleTensor [2]], which is output 0 of Fill, is at version 1; expected version 0"
        ),
        "{refusal}"
    );
}

#[test]
fn a_leaf_may_not_be_written() {
    let x = leaf(&[1.]);
    let refusal = create::zero_in_place(&x).unwrap_err().message;
    assert_eq!(refusal, "a leaf Variable that requires grad is being used in an in-place operation.");
}

#[test]
fn broadcast_gradients_are_summed_back() {
    let (x, y) = (leaf(&[1., 2., 3.]), leaf(&[5.]));
    let z = pointwise::mul(&x, &y).unwrap();
    backward(&z, Options::default()).unwrap();
    assert_eq!(values(&y.grad().unwrap()), [6.]);
    assert_eq!(values(&x.grad().unwrap()), [5., 5., 5.]);
}

#[test]
fn a_graph_a_million_nodes_deep_runs_backward_and_is_dropped() {
    let x = leaf(&[1.]);
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = pointwise::scale(&y, 1.0).unwrap();
    }
    backward(&y, Options::default()).unwrap();
    drop(y);
    assert_eq!(values(&x.grad().unwrap()), [1.]);
}
