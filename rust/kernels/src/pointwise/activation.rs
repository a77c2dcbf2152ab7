//! Activation functions. An exponential of x is held where the other branch is taken: its gradient would be 0 * inf.
use super::exponential::function::sigmoid;
use super::table::rows;
use std::f64::consts::FRAC_1_SQRT_2;

rows! {
    /// max(x, 0); the gradient at 0 is 0.
    ordered relu(input) = S::zero().max(input), grad(y, g) = [S::select(y.le(S::zero()), S::zero(), g)],
        refuses(Bool) = Runtime "Boolean inputs not supported for relu"
        => "relu(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Relu";
    /// min(max(x, 0), 6); the gradient at the bounds is 0.
    ordered relu6(input) = hardtanh(input, S::zero(), S::literal(6.0)), refuses(Bool) = Runtime "Bool inputs not supported for hardtanh"
        => "relu6(Tensor input)" [FUNCTION NN] Promote "Hardtanh";
    /// x where positive, else `negative_slope` * x.
    float leaky_relu(input, negative_slope) = S::select(S::zero().lt(input), input, input * negative_slope)
        => "leaky_relu(Tensor input, Number negative_slope=0.01)" [FUNCTION INPLACE NN] Promote "LeakyRelu";
    /// x where positive, else `alpha` (e^x - 1); scaled.
    float elu(input, alpha, scale, input_scale) = {
            let negative = input.le(S::zero());
            let held = S::select(negative, input * input_scale, S::zero());
            S::select(negative, held.expm1() * alpha, input) * scale
        }
        => "elu(Tensor input, Number alpha=1, Number scale=1, Number input_scale=1)" [FUNCTION INPLACE NN] Promote "Elu";
    /// x where positive, else `alpha` (e^(x / alpha) - 1).
    float celu(input, alpha) = {
            let negative = input.le(S::zero());
            let held = S::select(negative, input / alpha, S::zero());
            S::select(negative, held.expm1() * alpha, input)
        }, called "elu_cpu"
        => "celu(Tensor input, Number alpha=1)" [FUNCTION INPLACE] Promote "Celu";
    /// `elu` with the scales that keep activations normal.
    float selu(input) = elu(input, S::literal(1.6732632423543772), S::literal(1.0507009873554805), S::one()), called "elu_cpu"
        => "selu(Tensor input)" [FUNCTION INPLACE] Promote "Elu";
    /// x Phi(x), Phi the normal distribution.
    float gelu(input) = input * 0.5 * ((input * FRAC_1_SQRT_2).erf() + 1.0), called "GeluKernelImpl" => "" [] Promote "Gelu";
    /// x Phi(x), Phi by a tanh.
    float gelu_tanh(input) = {
            let inner = (input + input * input * input * 0.044715) * 0.7978845608028654;
            input * 0.5 * (inner.tanh() + 1.0)
        }, called "GeluKernelImpl"
        => "" [] Promote "Gelu";
    /// x sigmoid(x).
    float silu(input) = input / ((-input).exp() + 1.0),
        grad(y, g) = { let s = sigmoid(input); [g * (s * (input * (-s + 1.0) + 1.0))] }
        => "silu(Tensor input)" [FUNCTION INPLACE NN] Promote "Silu";
    /// log(1 + e^(beta x)) / beta, and x itself where beta x is above the threshold.
    float softplus(input, beta, threshold) = {
            let scaled = input * beta;
            S::select(threshold.lt(scaled), input, scaled.exp().log1p() / beta)
        },
        grad(y, g) = {
            let scaled = input * beta;
            [S::select(threshold.lt(scaled), g, g * sigmoid(scaled)), S::zero(), S::zero()]
        }
        => "softplus(Tensor input, Number beta=1, Number threshold=20)" [FUNCTION NN] Promote "Softplus";
    /// x tanh(softplus(x)).
    float mish(input) = input * softplus(input, S::one(), S::literal(20.0)).tanh() => "mish(Tensor input)" [FUNCTION INPLACE NN] Promote "Mish";
    /// log(sigmoid(x)), without cancellation.
    float log_sigmoid(input) = S::zero().min(input) - (-input.abs()).exp().log1p(), grad(y, g) = [g * sigmoid(-input)]
        => "log_sigmoid(Tensor input)" [FUNCTION NN] Promote "LogSigmoid";
    /// x held in [`min_val`, `max_val`]; the gradient at the bounds is 0.
    ordered hardtanh(input, min_val, max_val) = max_val.min(min_val.max(input)),
        grad(y, g) = [S::select(S::or(input.le(min_val), max_val.le(input)), S::zero(), g), S::zero(), S::zero()],
        refuses(Bool) = Runtime "Bool inputs not supported for hardtanh"
        => "hardtanh(Tensor input, Number min_val=-1, Number max_val=1)" [FUNCTION INPLACE NN] Promote "Hardtanh";
    /// (x + 3) / 6 held in [0, 1].
    float hardsigmoid(input) = S::literal(6.0).min(S::zero().max(input + 3.0)) / 6.0,
        grad(y, g) = {
            let inside = S::and(S::literal(-3.0).lt(input), input.lt(S::literal(3.0)));
            [S::select(inside, g / 6.0, S::zero())]
        }
        => "hardsigmoid(Tensor input)" [FUNCTION INPLACE NN] Promote "Hardsigmoid";
    /// x hardsigmoid(x).
    float hardswish(input) = input * S::literal(6.0).min(S::zero().max(input + 3.0)) / 6.0,
        grad(y, g) = {
            let middle = S::select(input.lt(S::literal(3.0)), g * (input / 3.0 + 0.5), g);
            [S::select(input.le(S::literal(-3.0)), S::zero(), middle)]
        }
        => "hardswish(Tensor input)" [FUNCTION INPLACE NN] Promote "Hardswish";
    /// x, but 0 within [-lambd, lambd].
    float hardshrink(input, lambd) = S::select(S::and((-lambd).le(input), input.le(lambd)), S::zero(), input)
        => "hardshrink(Tensor input, Number lambd=0.5)" [FUNCTION METHOD] Promote "Hardshrink";
    /// x moved towards 0 by lambd.
    float softshrink(input, lambd) = S::select(input.abs().le(lambd), S::zero(), input - input.sign() * lambd)
        => "softshrink(Tensor input, Number lambd=0.5)" [FUNCTION NN] Promote "Softshrink";
}
