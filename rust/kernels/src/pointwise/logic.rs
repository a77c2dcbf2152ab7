//! Logic on truth values, and on the bits of integers.
use super::table::rows;

rows! {
    /// Whether both are nonzero.
    ordered logical_and(input, other) = S::number(S::and(input.truth(), other.truth()))
        => "logical_and(Tensor input, Tensor other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether either is nonzero.
    ordered logical_or(input, other) = S::number(S::or(input.truth(), other.truth()))
        => "logical_or(Tensor input, Tensor other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether exactly one is nonzero.
    ordered logical_xor(input, other) = S::number(S::number(input.truth()).ne(S::number(other.truth())))
        => "logical_xor(Tensor input, Tensor other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether `input` is zero.
    ordered logical_not(input) = S::number(input.eq(S::zero())) => "logical_not(Tensor input)" [FUNCTION METHOD INPLACE] Bool "";
    /// The bits set in both.
    bits bitwise_and(input, other) = input.bit_and(other)
        => "bitwise_and(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "";
    /// The bits set in either.
    bits bitwise_or(input, other) = input.bit_or(other)
        => "bitwise_or(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "";
    /// The bits set in exactly one.
    bits bitwise_xor(input, other) = input.bit_xor(other)
        => "bitwise_xor(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "";
    /// All bits turned; for bool, the logical opposite.
    bits bitwise_not(input) = input.bit_not(), bool = S::number(input.eq(S::zero()))
        => "bitwise_not(Tensor input)" [FUNCTION METHOD INPLACE] Promote "";
    /// `input` times 2 to the power `other`; 0 for a shift outside of the width.
    bits bitwise_left_shift(input, other) = input.shift_left(other), called "lshift_cpu", refuses(Bool) = NotImplemented ""
        => "bitwise_left_shift(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "";
    /// `input` shifted right, the sign kept.
    bits bitwise_right_shift(input, other) = input.shift_right(other), called "rshift_cpu", refuses(Bool) = NotImplemented ""
        => "bitwise_right_shift(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "";
}
