//! To whole numbers.
use super::table::rows;

rows! {
    /// The largest integer not above `input`.
    ordered floor(input) = input.floor(), called "floor_vml_cpu", refuses(Bool) = NotImplemented ""
        => "floor(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Floor";
    /// The smallest integer not below `input`.
    ordered ceil(input) = input.ceil(), called "ceil_vml_cpu", refuses(Bool) = NotImplemented ""
        => "ceil(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Ceil";
    /// The nearest integer, halves to the even one.
    ordered round(input) = input.round(), called "round_vml_cpu", refuses(Bool) = NotImplemented ""
        => "round(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Round";
    /// `round` to `decimals` places: `scale` is 10 to that power.
    float round_decimals(input, scale) = (input * scale).round() / scale => "" [] Promote "Round";
    /// The integer part of `input`.
    ordered trunc(input) = input.trunc(), called "trunc_vml_cpu", refuses(Bool) = NotImplemented ""
        => "trunc(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Trunc";
    /// The fractional part of `input`, with its sign.
    float frac(input) = input - input.trunc() => "frac(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Frac";
}
