//! Matrix products.
use crate::array::Array;
use crate::autograd::{Context, Grads, Saved, record, tracks};
use crate::interrupt;
use crate::op::{Number, TensorOrNumber};
use crate::ops::{copy, pointwise, reduce, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::broadcast_shapes;
use rustorch_base::{Dims, Result, ensure};
use rustorch_kernels::Operand;
use rustorch_kernels::cpu::matmul::{MatmulShape, Scaling, matmul as multiply};
use smallvec::smallvec;

const ONE: Number = Number::Int(1);
const ZERO: Number = Number::Int(0);

/// One operand of a product: an array read as matrices by these strides (batch dimensions, rows, columns).
struct Factor<'a> {
    array: &'a Array,
    strides: Dims,
}
impl<'a> Factor<'a> {
    fn plain(array: &'a Array) -> Factor<'a> {
        Factor { array, strides: array.layout.strides.clone() }
    }
    fn transposed(array: &'a Array) -> Factor<'a> {
        let mut factor = Factor::plain(array);
        let n = factor.strides.len();
        factor.strides.swap(n - 2, n - 1);
        factor
    }
    fn operand(&self) -> Operand<'_> {
        self.array.operand_with(&self.strides)
    }
    /// The factor from one of its rows on.
    fn operand_from(&self, row: usize) -> Operand<'_> {
        let operand = self.operand();
        let bytes = row as i64 * self.strides[self.strides.len() - 2] * self.array.dtype.size() as i64;
        Operand { data: operand.data.wrapping_offset(bytes as isize), ..operand }
    }
}

/// Multiplications between two looks whether the user wants to stop: some 50 ms of work.
const STEP: usize = 1 << 31;
/// Fewer rows at a time would cost speed.
const FEWEST_ROWS: usize = 128;

/// `c = alpha a b + beta c + bias`; all of one dtype, shapes already checked.
fn into(caller: &str, c: &Factor<'_>, a: &Factor<'_>, b: &Factor<'_>, sizes: &MatmulShape<'_>, scaling: &Scaling<'_>) -> Result<()> {
    if c.array.device().is_meta() {
        return Ok(());
    }
    let products = sizes.batch.iter().product::<i64>() as usize;
    let rows = (STEP / (products * sizes.n * sizes.k).max(1)).max(FEWEST_ROWS);
    let mut first = 0;
    loop {
        let part = MatmulShape { batch: sizes.batch, m: rows.min(sizes.m - first), n: sizes.n, k: sizes.k };
        // SAFETY: the factors reach live elements of their arrays, and C is fresh or checked not to overlap.
        unsafe { multiply(caller, &part, &a.operand_from(first), &b.operand(), &c.operand_from(first), scaling) }?;
        first += part.m;
        if first >= sizes.m {
            return Ok(());
        }
        interrupt::check()?;
    }
}

/// A fresh product of two matrices.
fn product(caller: &str, a: &Factor<'_>, b: &Factor<'_>, m: i64, n: i64, k: i64, scaling: &Scaling<'_>) -> Result<Array> {
    let out = Array::empty(&[m, n], a.array.dtype, a.array.device())?;
    let sizes = MatmulShape { batch: &[], m: m as usize, n: n as usize, k: k as usize };
    into(caller, &Factor::plain(&out), a, b, &sizes, scaling)?;
    Ok(out)
}

fn check_matrices(a: &Tensor, b: &Tensor) -> Result<()> {
    ensure!(
        a.shape()[1] == b.shape()[0],
        runtime,
        "mat1 and mat2 shapes cannot be multiplied ({}x{} and {}x{})",
        a.shape()[0],
        a.shape()[1],
        b.shape()[0],
        b.shape()[1]
    );
    Ok(())
}

/// The matrix product of two matrices.
pub fn mm_tensors(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    ensure!(a.ndim() == 2, runtime, "self must be a matrix");
    ensure!(b.ndim() == 2, runtime, "mat2 must be a matrix");
    check_matrices(a, b)?;
    ensure!(
        a.dtype() == b.dtype(),
        runtime,
        "expected m1 and m2 to have the same dtype, but got: {} != {}",
        a.dtype().c_name(),
        b.dtype().c_name()
    );
    let (m, k, n) = (a.shape()[0], a.shape()[1], b.shape()[1]);
    let out = Tensor::new(product("addmm_impl_cpu_", &Factor::plain(a.array()), &Factor::plain(b.array()), m, n, k, &Scaling::default())?);
    if tracks(&[a, b]) {
        record("MmBackward0", &[a, b], &[&out], [Saved::input(a), Saved::input(b)], product_gradients)?;
    }
    Ok(out)
}

/// Gradients of a product whose factors are saved values 0 and 1, broadcast over batches.
fn product_gradients(context: &Context, g: &[Option<Tensor>]) -> Result<Grads> {
    let Some(g) = &g[0] else { return Ok(smallvec![None, None]) };
    let mut gradients: Grads = smallvec![None, None];
    if context.needs(0) {
        gradients[0] = Some(left_gradient(g, &context.saved(1)?)?);
    }
    if context.needs(1) {
        gradients[1] = Some(right_gradient(g, &context.saved(0)?)?);
    }
    Ok(gradients)
}
/// `g b^H`.
fn left_gradient(g: &Tensor, b: &Tensor) -> Result<Tensor> {
    batched(g, &shape::matrix_transpose(&conjugate(b)?)?)
}
/// `a^H g`.
fn right_gradient(g: &Tensor, a: &Tensor) -> Result<Tensor> {
    batched(&shape::matrix_transpose(&conjugate(a)?)?, g)
}
/// The conjugate of complex tensors; real ones as they are.
fn conjugate(tensor: &Tensor) -> Result<Tensor> {
    if tensor.dtype().is_complex() { pointwise::unary("conj_physical", tensor) } else { Ok(tensor.clone()) }
}

/// Products of matrices in the last two dimensions, batches broadcast. At least two dimensions each.
fn batched(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.ndim() == 2 && b.ndim() == 2 {
        return mm_tensors(a, b);
    }
    let (x, y) = (a.shape(), b.shape());
    let (batch_a, batch_b) = (&x[..x.len() - 2], &y[..y.len() - 2]);
    let batch = broadcast_shapes(batch_a, batch_b)?;
    let (m, k, n) = (x[x.len() - 2], x[x.len() - 1], y[y.len() - 1]);
    ensure!(
        k == y[y.len() - 2],
        runtime,
        "Expected size for first two dimensions of batch2 tensor to be: [{}, {k}] but got: [{}, {}].",
        batch.iter().product::<i64>(),
        batch.iter().product::<i64>(),
        y[y.len() - 2]
    );
    same_dtype(a, b)?;
    let mut sizes = batch.clone();
    sizes.extend([m, n]);
    let array = Array::empty(&sizes, a.dtype(), a.device())?;
    let spread = |t: &Tensor| {
        let mut full = batch.clone();
        full.extend_from_slice(&t.shape()[t.ndim() - 2..]);
        rustorch_base::layout::broadcast_strides(t.layout(), &full)
    };
    let (fa, fb) = (Factor { array: a.array(), strides: spread(a) }, Factor { array: b.array(), strides: spread(b) });
    let shape = MatmulShape { batch: &batch, m: m as usize, n: n as usize, k: k as usize };
    into("bmm", &Factor::plain(&array), &fa, &fb, &shape, &Scaling::default())?;
    let out = Tensor::new(array);
    if tracks(&[a, b]) {
        let (shape_a, shape_b): (Dims, Dims) = (x.into(), y.into());
        let name = if a.ndim() == 3 && b.ndim() == 3 { "BmmBackward0" } else { "UnsafeViewBackward0" };
        record(name, &[a, b], &[&out], [Saved::input(a), Saved::input(b)], move |context, g| {
            let mut gradients = product_gradients(context, g)?;
            for (gradient, shape) in gradients.iter_mut().zip([&shape_a, &shape_b]) {
                if let Some(full) = gradient.take() {
                    *gradient = Some(reduce::sum_to(&full, shape)?);
                }
            }
            Ok(gradients)
        })?;
    }
    Ok(out)
}

fn same_dtype(a: &Tensor, b: &Tensor) -> Result<()> {
    ensure!(a.dtype() == b.dtype(), runtime, "expected scalar type {} but found {}", a.dtype().scalar_name(), b.dtype().scalar_name());
    Ok(())
}

/// `torch.matmul`: vectors, matrices and batches of matrices.
pub fn matmul_tensors(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    ensure!(
        a.ndim() > 0 && b.ndim() > 0,
        runtime,
        "both arguments to matmul need to be at least 1D, but they are {}D and {}D",
        a.ndim(),
        b.ndim()
    );
    match (a.ndim(), b.ndim()) {
        (1, 1) => dot(a, b),
        (2, 1) => mv(a, b),
        (1, 2) => shape::squeeze_dim(&mm_tensors(&shape::unsqueeze_at(a, 0)?, b)?, 0),
        (2, 2) => mm_tensors(a, b),
        (1, _) => shape::squeeze_dim(&batched(&shape::unsqueeze_at(a, 0)?, b)?, -2),
        (_, 1) => shape::squeeze_dim(&batched(a, &shape::unsqueeze_at(b, 1)?)?, -1),
        // Rows of all batches at once.
        (_, 2) if !a.shape().contains(&0) => {
            let folded = shape::reshape_to(a, &[a.numel() / a.shape()[a.ndim() - 1], a.shape()[a.ndim() - 1]])?;
            let flat = mm_tensors(&folded, b)?;
            let mut sizes: Dims = a.shape()[..a.ndim() - 1].into();
            sizes.push(b.shape()[1]);
            shape::reshape_to(&flat, &sizes)
        }
        _ => batched(a, b),
    }
}

/// `beta input + alpha product`, where `input` is broadcast. Integers keep integer factors.
fn add_scaled(input: &Tensor, product: &Tensor, beta: Number, alpha: Number) -> Result<Tensor> {
    let scaled = if alpha == ONE { product.clone() } else { times(product, alpha)? };
    if beta == ZERO {
        return Ok(scaled);
    }
    let base = if beta == ONE { input.clone() } else { times(input, beta)? };
    pointwise::add(&scaled, &base)
}
fn times(tensor: &Tensor, factor: Number) -> Result<Tensor> {
    pointwise::call("mul", &[TensorOrNumber::Tensor(tensor), TensorOrNumber::Number(factor)])
}

/// `x weight^T + bias` in one product: rows of all leading dimensions at once.
pub fn linear_forward(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    ensure!(weight.ndim() <= 2, runtime, "linear: weight must be at most 2-D, got {}-D", weight.ndim());
    if weight.ndim() < 2 || input.ndim() == 0 {
        let product = matmul_tensors(input, &shape::t(weight)?)?;
        return bias.map_or(Ok(product.clone()), |bias| pointwise::add(&product, bias));
    }
    let (out_features, in_features) = (weight.shape()[0], weight.shape()[1]);
    let features = input.shape()[input.ndim() - 1];
    let rows = if features == 0 { input.shape()[..input.ndim() - 1].iter().product() } else { input.numel() / features };
    ensure!(
        features == in_features,
        runtime,
        "mat1 and mat2 shapes cannot be multiplied ({rows}x{features} and {in_features}x{out_features})"
    );
    ensure!(
        input.dtype() == weight.dtype(),
        runtime,
        "mat1 and mat2 must have the same dtype, but got {} and {}",
        input.dtype().scalar_name(),
        weight.dtype().scalar_name()
    );
    let fits = bias.is_none_or(|bias| bias.ndim() == 1 && bias.shape()[0] == out_features && bias.dtype() == input.dtype());
    if !fits {
        let product = linear_forward(input, weight, None)?;
        return bias.map_or(Ok(product.clone()), |bias| pointwise::add(&product, bias));
    }
    let packed = if input.ndim() == 2 { input.clone() } else { shape::reshape_to(input, &[rows, features])? };
    let scaling = Scaling { bias: bias.map(Tensor::operand), ..Scaling::default() };
    let flat = product(
        "addmm_impl_cpu_",
        &Factor::plain(packed.array()),
        &Factor::transposed(weight.array()),
        rows,
        out_features,
        features,
        &scaling,
    )?;
    let mut sizes: Dims = input.shape().into();
    if let Some(last) = sizes.last_mut() {
        *last = out_features;
    }
    let out = Tensor::new(flat.relaid(rustorch_base::Layout::contiguous(&sizes)));
    let name = match (input.ndim(), bias) {
        (2, Some(_)) => "AddmmBackward0",
        (2, None) => "MmBackward0",
        (_, Some(_)) => "ViewBackward0",
        (_, None) => "UnsafeViewBackward0",
    };
    match bias {
        Some(bias) if tracks(&[bias, input, weight]) => {
            let saved = [Saved::input(input), Saved::input(weight)];
            record(name, &[bias, input, weight], &[&out], saved, |context, g| linear_gradients(context, g, 1))?;
        }
        None if tracks(&[input, weight]) => {
            let saved = [Saved::input(input), Saved::input(weight)];
            record(name, &[input, weight], &[&out], saved, |context, g| linear_gradients(context, g, 0))?;
        }
        _ => {}
    }
    Ok(out)
}

/// Gradients of [`linear_forward`]: (bias,) input, weight, the first two of which come after `skip` slots.
fn linear_gradients(context: &Context, g: &[Option<Tensor>], skip: usize) -> Result<Grads> {
    let mut gradients: Grads = smallvec![None; skip + 2];
    let Some(g) = &g[0] else { return Ok(gradients) };
    let columns = g.shape()[g.ndim() - 1];
    let rows = g.shape()[..g.ndim() - 1].iter().product::<i64>();
    let flat = if g.ndim() == 2 { g.clone() } else { shape::reshape_to(g, &[rows, columns])? };
    if context.needs(skip) {
        let (input, weight) = (context.saved(0)?, context.saved(1)?);
        let flat_gradient = mm_tensors(&flat, &conjugate(&weight)?)?;
        gradients[skip] = Some(if g.ndim() == 2 { flat_gradient } else { shape::reshape_to(&flat_gradient, input.shape())? });
    }
    if context.needs(skip + 1) {
        let input = conjugate(&context.saved(0)?)?;
        let features = input.shape()[input.ndim() - 1];
        let packed = if input.ndim() == 2 { input } else { shape::reshape_to(&input, &[rows, features])? };
        gradients[skip + 1] = Some(mm_tensors(&shape::matrix_transpose(&flat)?, &packed)?);
    }
    if skip == 1 && context.needs(0) {
        let summed = reduce::sum_to(&flat, &[1, columns])?;
        gradients[0] = Some(shape::reshape_to(&summed, &[columns])?);
    }
    Ok(gradients)
}

crate::ops! {
    /// The product of two matrices.
    "mm(Tensor input, Tensor mat2)" [FUNCTION | METHOD]
    fn mm(input: &Tensor, mat2: &Tensor) -> Result<Tensor> { mm_tensors(input, mat2) }
    /// Products of two batches of matrices.
    "bmm(Tensor input, Tensor mat2)" [FUNCTION | METHOD]
    fn bmm(input: &Tensor, mat2: &Tensor) -> Result<Tensor> {
        ensure!(input.ndim() == 3, runtime, "batch1 must be a 3D tensor");
        ensure!(mat2.ndim() == 3, runtime, "batch2 must be a 3D tensor");
        let (b, k) = (input.shape()[0], input.shape()[2]);
        ensure!(mat2.shape()[0] == b && mat2.shape()[1] == k, runtime,
            "Expected size for first two dimensions of batch2 tensor to be: [{b}, {k}] but got: [{}, {}].", mat2.shape()[0], mat2.shape()[1]);
        batched(input, mat2)
    }
    /// The product of a matrix and a vector.
    "mv(Tensor input, Tensor vec)" [FUNCTION | METHOD]
    fn mv(input: &Tensor, vec: &Tensor) -> Result<Tensor> {
        ensure!(input.ndim() == 2 && vec.ndim() == 1, runtime, "vector + matrix @ vector expected, got 1, {}, {}", input.ndim(), vec.ndim());
        ensure!(input.shape()[1] == vec.shape()[0], runtime, "size mismatch, got input ({}), mat ({}x{}), vec ({})", input.shape()[0], input.shape()[0], input.shape()[1], vec.shape()[0]);
        same_dtype(input, vec)?;
        let (m, k) = (input.shape()[0], input.shape()[1]);
        let column = Factor { array: vec.array(), strides: smallvec![vec.strides()[0], 1] };
        let flat = product("addmv_impl_cpu", &Factor::plain(input.array()), &column, m, 1, k, &Scaling::default())?;
        let out = Tensor::new(flat.relaid(rustorch_base::Layout::contiguous(&[m])));
        if tracks(&[input, vec]) {
            record("MvBackward0", &[input, vec], &[&out], [Saved::input(input), Saved::input(vec)], |context, g| {
                let Some(g) = &g[0] else { return Ok(smallvec![None, None]) };
                let mut gradients: Grads = smallvec![None, None];
                if context.needs(0) { gradients[0] = Some(outer(g, &conjugate(&context.saved(1)?)?)?) }
                if context.needs(1) { gradients[1] = Some(mv(&shape::matrix_transpose(&conjugate(&context.saved(0)?)?)?, g)?) }
                Ok(gradients)
            })?;
        }
        Ok(out)
    }
    /// The inner product of two vectors.
    "dot(Tensor input, Tensor tensor)" [FUNCTION | METHOD]
    fn dot(input: &Tensor, tensor: &Tensor) -> Result<Tensor> {
        ensure!(input.ndim() == 1 && tensor.ndim() == 1, runtime, "1D tensors expected, but got {}D and {}D tensors", input.ndim(), tensor.ndim());
        ensure!(input.dtype() == tensor.dtype(), runtime, "dot : expected both vectors to have same dtype, but found {} and {}", input.dtype().scalar_name(), tensor.dtype().scalar_name());
        ensure!(input.numel() == tensor.numel(), runtime,
            "inconsistent tensor size, expected tensor [{}] and src [{}] to have the same number of elements, but got {} and {} elements respectively",
            input.numel(), tensor.numel(), input.numel(), tensor.numel());
        let row = Factor { array: input.array(), strides: smallvec![1, input.strides()[0]] };
        let column = Factor { array: tensor.array(), strides: smallvec![tensor.strides()[0], 1] };
        let flat = product("dot", &row, &column, 1, 1, input.numel(), &Scaling::default())?;
        let out = Tensor::new(flat.relaid(rustorch_base::Layout::contiguous(&[])));
        if tracks(&[input, tensor]) {
            record("DotBackward0", &[input, tensor], &[&out], [Saved::input(input), Saved::input(tensor)], |context, g| {
                let Some(g) = &g[0] else { return Ok(smallvec![None, None]) };
                let mut gradients: Grads = smallvec![None, None];
                if context.needs(0) { gradients[0] = Some(pointwise::mul(&conjugate(&context.saved(1)?)?, g)?) }
                if context.needs(1) { gradients[1] = Some(pointwise::mul(&conjugate(&context.saved(0)?)?, g)?) }
                Ok(gradients)
            })?;
        }
        Ok(out)
    }
    /// `dot` for real vectors: the second is not conjugated.
    "inner(Tensor input, Tensor other)" [FUNCTION | METHOD]
    fn inner(input: &Tensor, other: &Tensor) -> Result<Tensor> {
        if input.ndim() == 0 || other.ndim() == 0 { return pointwise::mul(input, other) }
        let (a, b) = (input.shape()[input.ndim() - 1], other.shape()[other.ndim() - 1]);
        ensure!(a == b, runtime, "inner() the last dimension must match on both input tensors but got shapes {:?} and {:?}", input.shape(), other.shape());
        let mut sizes: Dims = input.shape()[..input.ndim() - 1].into();
        sizes.extend_from_slice(&other.shape()[..other.ndim() - 1]);
        let rows = |t: &Tensor| shape::reshape_to(t, &[t.shape()[..t.ndim() - 1].iter().product(), t.shape()[t.ndim() - 1]]);
        shape::reshape_to(&mm_tensors(&rows(input)?, &shape::matrix_transpose(&rows(other)?)?)?, &sizes)
    }
    /// All products of an element of `input` and one of `vec2`, as a matrix.
    "outer(Tensor input, Tensor vec2)" [FUNCTION | METHOD]
    fn outer(input: &Tensor, vec2: &Tensor) -> Result<Tensor> {
        ensure!(input.ndim() == 1, runtime, "outer: Expected 1-D argument self, but got {}-D", input.ndim());
        ensure!(vec2.ndim() == 1, runtime, "outer: Expected 1-D argument vec2, but got {}-D", vec2.ndim());
        pointwise::mul(&shape::unsqueeze_at(input, 1)?, vec2)
    }
    /// `outer` under its old name.
    "ger(Tensor input, Tensor vec2)" [FUNCTION | METHOD]
    fn ger(input: &Tensor, vec2: &Tensor) -> Result<Tensor> { outer(input, vec2) }
    /// The matrix product of tensors: of vectors, matrices, or batches of matrices, which broadcast.
    "matmul(Tensor input, Tensor other)" [FUNCTION | METHOD]
    fn matmul(input: &Tensor, other: &Tensor) -> Result<Tensor> { matmul_tensors(input, other) }
    /// `beta * input + alpha * (mat1 @ mat2)`.
    "addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1)" [FUNCTION | METHOD | INPLACE]
    fn addmm(input: &Tensor, mat1: &Tensor, mat2: &Tensor, beta: Number, alpha: Number) -> Result<Tensor> {
        ensure!(mat1.ndim() == 2 && mat2.ndim() == 2, runtime, "mat1 must be a matrix, got {}-D tensor", if mat1.ndim() == 2 { mat2.ndim() } else { mat1.ndim() });
        check_matrices(mat1, mat2)?;
        ensure!(mat1.dtype() == mat2.dtype(), runtime, "mat1 and mat2 must have the same dtype, but got {} and {}", mat1.dtype().scalar_name(), mat2.dtype().scalar_name());
        ensure!(input.dtype() == mat1.dtype(), runtime, "self and mat2 must have the same dtype, but got {} and {}", input.dtype().scalar_name(), mat2.dtype().scalar_name());
        let sizes = [mat1.shape()[0], mat2.shape()[1]];
        let base = shape::expand_to(input, &sizes)?;
        let out = {
            let _off = crate::mode::Guard::no_grad();
            // C starts as the input and the product is added to it.
            let c = if beta == ZERO { Array::empty(&sizes, mat1.dtype(), mat1.device())? } else {
                let c = Array::empty(&sizes, mat1.dtype(), mat1.device())?;
                copy::copy_elements(&c, base.array())?;
                c
            };
            let shape = MatmulShape { batch: &[], m: sizes[0] as usize, n: sizes[1] as usize, k: mat1.shape()[1] as usize };
            into("addmm_impl_cpu_", &Factor::plain(&c), &Factor::plain(mat1.array()), &Factor::plain(mat2.array()), &shape, &Scaling { alpha, beta, bias: None })?;
            Tensor::new(c)
        };
        if tracks(&[input, mat1, mat2]) {
            let former: Dims = input.shape().into();
            record("AddmmBackward0", &[input, mat1, mat2], &[&out], [Saved::input(mat1), Saved::input(mat2)], move |context, g| {
                let mut gradients: Grads = smallvec![None, None, None];
                let Some(g) = &g[0] else { return Ok(gradients) };
                if context.needs(0) { gradients[0] = Some(reduce::sum_to(&scaled(g, beta)?, &former)?) }
                if context.needs(1) { gradients[1] = Some(scaled(&left_gradient(g, &context.saved(1)?)?, alpha)?) }
                if context.needs(2) { gradients[2] = Some(scaled(&right_gradient(g, &context.saved(0)?)?, alpha)?) }
                Ok(gradients)
            })?;
        }
        Ok(out)
    }
    /// `beta * input + alpha * (batch1 @ batch2)`, batch by batch.
    "baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)" [FUNCTION | METHOD | INPLACE]
    fn baddbmm(input: &Tensor, batch1: &Tensor, batch2: &Tensor, beta: Number, alpha: Number) -> Result<Tensor> {
        add_scaled(input, &bmm(batch1, batch2)?, beta, alpha)
    }
    /// `beta * input + alpha * sum of the batch's products`.
    "addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)" [FUNCTION | METHOD | INPLACE]
    fn addbmm(input: &Tensor, batch1: &Tensor, batch2: &Tensor, beta: Number, alpha: Number) -> Result<Tensor> {
        let product = bmm(batch1, batch2)?;
        let sizes: Dims = product.shape()[1..].into();
        let summed = reduce::sum_to(&product, &[1, sizes[0], sizes[1]])?;
        add_scaled(input, &shape::reshape_to(&summed, &sizes)?, beta, alpha)
    }
    /// `beta * input + alpha * (mat @ vec)`.
    "addmv(Tensor input, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1)" [FUNCTION | METHOD | INPLACE]
    fn addmv(input: &Tensor, mat: &Tensor, vec: &Tensor, beta: Number, alpha: Number) -> Result<Tensor> {
        add_scaled(input, &mv(mat, vec)?, beta, alpha)
    }
    /// `beta * input + alpha * outer(vec1, vec2)`.
    "addr(Tensor input, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1)" [FUNCTION | METHOD | INPLACE]
    fn addr(input: &Tensor, vec1: &Tensor, vec2: &Tensor, beta: Number, alpha: Number) -> Result<Tensor> {
        add_scaled(input, &outer(vec1, vec2)?, beta, alpha)
    }
    /// `input @ weight^T + bias`; `weight` is (out_features, in_features), `input` (*, in_features).
    "linear(Tensor input, Tensor weight, Tensor? bias=None)" [NN]
    fn linear(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> { linear_forward(input, weight, bias) }
}

fn scaled(tensor: &Tensor, factor: Number) -> Result<Tensor> {
    if factor == ONE { Ok(tensor.clone()) } else { times(tensor, factor) }
}
