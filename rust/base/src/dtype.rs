//! Element types, their names, and PyTorch's promotion table.
use half::{bf16, f16};

macro_rules! dtypes {
    ($($variant:ident $rust:ty, $name:literal, $scalar_name:literal, $c_name:literal;)*) => {
        /// The type of a tensor's elements. The order is PyTorch's, by which `torch.dtype`s are numbered.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum DType { $($variant),* }

        impl DType {
            pub const ALL: &[DType] = &[$(DType::$variant),*];
            /// Bytes of one element.
            #[inline]
            pub const fn size(self) -> usize { match self { $(DType::$variant => size_of::<$rust>()),* } }
            /// As Python names it: `float32`.
            pub const fn name(self) -> &'static str { match self { $(DType::$variant => $name),* } }
            /// As PyTorch's messages name it most often: `Float`.
            pub const fn scalar_name(self) -> &'static str { match self { $(DType::$variant => $scalar_name),* } }
            /// As PyTorch's messages name the C++ type: `float`.
            pub const fn c_name(self) -> &'static str { match self { $(DType::$variant => $c_name),* } }
        }
        $(impl Element for $rust { const DTYPE: DType = DType::$variant; })*

        /// Runs the body once with `$T` bound to the Rust type of a dtype: `with_dtype!(dtype, T => sum::<T>(x))`.
        #[macro_export]
        macro_rules! with_dtype {
            ($dtype:expr, $T:ident => $body:expr) => { match $dtype {
                $($crate::DType::$variant => { type $T = $crate::dtype::rust::$variant; $body })*
            } };
        }
        /// The Rust type of each dtype, under the dtype's name.
        pub mod rust {
            $(pub type $variant = $rust;)*
            use super::*;
        }
    };
}

dtypes! {
    UInt8 u8, "uint8", "Byte", "unsigned char";
    Int8 i8, "int8", "Char", "signed char";
    Int16 i16, "int16", "Short", "short int";
    Int32 i32, "int32", "Int", "int";
    Int64 i64, "int64", "Long", "long int";
    Float16 f16, "float16", "Half", "c10::Half";
    Float32 f32, "float32", "Float", "float";
    Float64 f64, "float64", "Double", "double";
    Complex64 num_complex::Complex32, "complex64", "ComplexFloat", "c10::complex<float>";
    Complex128 num_complex::Complex64, "complex128", "ComplexDouble", "c10::complex<double>";
    Bool Truth, "bool", "Bool", "bool";
    BFloat16 bf16, "bfloat16", "BFloat16", "c10::BFloat16";
    UInt16 u16, "uint16", "UInt16", "short unsigned int";
    UInt32 u32, "uint32", "UInt32", "unsigned int";
    UInt64 u64, "uint64", "UInt64", "long unsigned int";
}

/// A bool element as it lies in memory: one byte, 0 or 1. A byte of another value (from foreign memory) counts as true;
/// Rust's own `bool` would make that undefined behaviour.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct Truth(pub u8);
impl Truth {
    #[inline(always)]
    pub const fn new(value: bool) -> Truth {
        Truth(value as u8)
    }
    #[inline(always)]
    pub const fn get(self) -> bool {
        self.0 != 0
    }
}
impl PartialEq for Truth {
    #[inline(always)]
    fn eq(&self, other: &Truth) -> bool {
        self.get() == other.get()
    }
}

/// A Rust type that is the element of some dtype. All bit patterns are valid values.
pub trait Element: Copy + Send + Sync + 'static {
    const DTYPE: DType;
}

/// The kinds between which promotion climbs: a bool gives way to an integer, that to a float, that to a complex number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Category {
    Bool,
    Integral,
    Floating,
    Complex,
}

impl DType {
    #[inline]
    pub const fn is_floating_point(self) -> bool {
        matches!(self, DType::Float16 | DType::BFloat16 | DType::Float32 | DType::Float64)
    }
    #[inline]
    pub const fn is_complex(self) -> bool {
        matches!(self, DType::Complex64 | DType::Complex128)
    }
    /// Integers of any width, bool left out.
    #[inline]
    pub const fn is_integral(self) -> bool {
        !self.is_floating_point() && !self.is_complex() && !matches!(self, DType::Bool)
    }
    #[inline]
    pub const fn is_signed(self) -> bool {
        !matches!(self, DType::Bool | DType::UInt8 | DType::UInt16 | DType::UInt32 | DType::UInt64)
    }
    /// Only these can require gradients.
    #[inline]
    pub const fn is_differentiable(self) -> bool {
        self.is_floating_point() || self.is_complex()
    }
    #[inline]
    pub const fn category(self) -> Category {
        if self.is_complex() {
            Category::Complex
        } else if self.is_floating_point() {
            Category::Floating
        } else if matches!(self, DType::Bool) {
            Category::Bool
        } else {
            Category::Integral
        }
    }
    /// The real dtype of a complex one's parts; others are themselves.
    pub const fn to_real(self) -> DType {
        match self {
            DType::Complex64 => DType::Float32,
            DType::Complex128 => DType::Float64,
            other => other,
        }
    }
    /// The complex dtype whose parts hold this float.
    pub const fn to_complex(self) -> DType {
        match self {
            DType::Float64 | DType::Complex128 => DType::Complex128,
            _ => DType::Complex64,
        }
    }
    /// The dtype in which sums of this one are held: integers widen to int64.
    #[inline]
    pub const fn sum_dtype(self) -> DType {
        if self.is_integral() || matches!(self, DType::Bool) { DType::Int64 } else { self }
    }
    /// `result_type` may be stored in `to`: PyTorch's `can_cast`.
    #[inline]
    pub const fn can_cast_to(self, to: DType) -> bool {
        if self.is_complex() && !to.is_complex() {
            return false;
        }
        if self.is_floating_point() && !to.is_floating_point() && !to.is_complex() {
            return false;
        }
        !matches!(to, DType::Bool) || matches!(self, DType::Bool)
    }

    /// The dtype two tensors of positive dimension meet in (PyTorch's table). `None` where PyTorch refuses: a wide
    /// unsigned integer with a signed one or with a wider unsigned partner of another width is undefined there.
    #[inline]
    pub fn promote(self, other: DType) -> Option<DType> {
        use DType::*;
        if self == other {
            return Some(self);
        }
        let (low, high) = if self.category() <= other.category() { (self, other) } else { (other, self) };
        if low.category() != high.category() {
            // A higher category wins, except that float64 widens complex64.
            return Some(match (low, high) {
                (Float64, Complex64) => Complex128,
                _ => high,
            });
        }
        match low.category() {
            Category::Bool => Some(Bool),
            Category::Complex => Some(Complex128),
            Category::Floating => Some(match (low, high) {
                (Float64, _) | (_, Float64) => Float64,
                _ => Float32, // float32 with any half, or float16 with bfloat16
            }),
            Category::Integral => {
                let wide_unsigned = |d| matches!(d, UInt16 | UInt32 | UInt64);
                if wide_unsigned(low) || wide_unsigned(high) {
                    return None;
                }
                if low == UInt8 || high == UInt8 {
                    let signed = if low == UInt8 { high } else { low };
                    return Some(if signed == Int8 { Int16 } else { signed });
                }
                Some(if low.size() > high.size() { low } else { high })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn promotion_is_symmetric_and_climbs_categories() {
        for &a in DType::ALL {
            for &b in DType::ALL {
                assert_eq!(a.promote(b), b.promote(a), "{a:?} {b:?}");
            }
        }
        assert_eq!(DType::UInt8.promote(DType::Int8), Some(DType::Int16));
        assert_eq!(DType::Float16.promote(DType::BFloat16), Some(DType::Float32));
        assert_eq!(DType::Int64.promote(DType::Float16), Some(DType::Float16));
        assert_eq!(DType::Float64.promote(DType::Complex64), Some(DType::Complex128));
        assert_eq!(DType::UInt16.promote(DType::Int32), None);
    }
    #[test]
    fn each_dtype_names_its_own_rust_type() {
        for &dtype in DType::ALL {
            assert_eq!(with_dtype!(dtype, T => (T::DTYPE, size_of::<T>())), (dtype, dtype.size()));
        }
    }
}
