//! Circular and hyperbolic functions.
use super::table::rows;
use std::f64::consts::PI;

rows! {
    /// The sine of `input`.
    field sin(input) = input.sin() => "sin(Tensor input)" [FUNCTION METHOD INPLACE] Float "Sin";
    /// The cosine of `input`.
    field cos(input) = input.cos() => "cos(Tensor input)" [FUNCTION METHOD INPLACE] Float "Cos";
    /// The tangent of `input`.
    float tan(input) = input.tan() => "tan(Tensor input)" [FUNCTION METHOD INPLACE] Float "Tan";
    /// The arcsine of `input`.
    float asin(input) = input.asin() => "asin(Tensor input)" [FUNCTION METHOD INPLACE] Float "Asin";
    /// The arccosine of `input`.
    float acos(input) = input.acos() => "acos(Tensor input)" [FUNCTION METHOD INPLACE] Float "Acos";
    /// The arctangent of `input`.
    float atan(input) = input.atan() => "atan(Tensor input)" [FUNCTION METHOD INPLACE] Float "Atan";
    /// The hyperbolic sine of `input`.
    float sinh(input) = input.sinh() => "sinh(Tensor input)" [FUNCTION METHOD INPLACE] Float "Sinh";
    /// The hyperbolic cosine of `input`.
    float cosh(input) = input.cosh() => "cosh(Tensor input)" [FUNCTION METHOD INPLACE] Float "Cosh";
    /// The hyperbolic tangent of `input`.
    field tanh(input) = input.tanh() => "tanh(Tensor input)" [FUNCTION METHOD INPLACE] Float "Tanh";
    /// The inverse hyperbolic sine of `input`.
    float asinh(input) = input.asinh() => "asinh(Tensor input)" [FUNCTION METHOD INPLACE] Float "Asinh";
    /// The inverse hyperbolic cosine of `input`.
    float acosh(input) = input.acosh() => "acosh(Tensor input)" [FUNCTION METHOD INPLACE] Float "Acosh";
    /// The inverse hyperbolic tangent of `input`.
    float atanh(input) = input.atanh() => "atanh(Tensor input)" [FUNCTION METHOD INPLACE] Float "Atanh";
    /// The angle of the point (`other`, `input`).
    float atan2(input, other) = input.atan2(other) => "atan2(Tensor input, Tensor other)" [FUNCTION METHOD INPLACE] Float "Atan2";
    /// sqrt(a² + b²), without overflow.
    float hypot(input, other) = input.hypot(other) => "hypot(Tensor input, Tensor other)" [FUNCTION METHOD INPLACE] Promote "Hypot";
    /// Degrees as radians.
    float deg2rad(input) = input * (PI / 180.0) => "deg2rad(Tensor input)" [FUNCTION METHOD INPLACE] Float "Deg2Rad";
    /// Radians as degrees.
    float rad2deg(input) = input * (180.0 / PI) => "rad2deg(Tensor input)" [FUNCTION METHOD INPLACE] Float "Rad2Deg";
}
