//! The folds: sums, products, extremes, truth values, norms. One `fold!` each.
use super::fold::Fold;
use num_complex::{Complex, Complex32, Complex64};
use rustorch_base::dtype::{Element, Truth};
use std::marker::PhantomData;

/// Types that sums and products are taken in. Integers wrap around.
pub trait Summand: Element + Default + PartialEq {
    const ONE: Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, count: i64) -> Self;
    fn is_nan(self) -> bool;
}
macro_rules! summands {
    ($($t:ty: $one:expr, $plus:expr, $times:expr, over $part:ty, $nan:expr;)*) => { $(impl Summand for $t {
        const ONE: $t = $one;
        #[inline(always)]
        fn plus(self, other: $t) -> $t { $plus(self, other) }
        #[inline(always)]
        fn times(self, other: $t) -> $t { $times(self, other) }
        #[inline(always)]
        fn over(self, count: i64) -> $t { self / count as $part }
        #[inline(always)]
        fn is_nan(self) -> bool { $nan(self) }
    })* };
}
summands! {
    f32: 1.0, |a, b| a + b, |a, b| a * b, over f32, f32::is_nan;
    f64: 1.0, |a, b| a + b, |a, b| a * b, over f64, f64::is_nan;
    i64: 1, i64::wrapping_add, i64::wrapping_mul, over i64, |_| false;
    Complex32: Complex::new(1.0, 0.0), |a, b| a + b, |a, b| a * b, over f32, |x: Complex32| x.re.is_nan() || x.im.is_nan();
    Complex64: Complex::new(1.0, 0.0), |a, b| a + b, |a, b| a * b, over f64, |x: Complex64| x.re.is_nan() || x.im.is_nan();
}

/// Types with an order. NaN is beyond both ends: it wins every comparison, as in PyTorch.
pub trait Ordered: Element + Default + PartialOrd {
    const LEAST: Self;
    const GREATEST: Self;
    fn is_nan(self) -> bool;
    /// `self` displaces `other` as the maximum (`GREATER`) or minimum.
    #[inline(always)]
    fn beats<const GREATER: bool>(self, other: Self) -> bool {
        (if GREATER { self > other } else { self < other }) | (self.is_nan() & !other.is_nan())
    }
}
macro_rules! ordered {
    ($($t:ty: $least:expr, $greatest:expr, $nan:expr;)*) => { $(impl Ordered for $t {
        const LEAST: $t = $least;
        const GREATEST: $t = $greatest;
        #[inline(always)]
        fn is_nan(self) -> bool { $nan(self) }
    })* };
}
ordered! {
    f32: f32::NEG_INFINITY, f32::INFINITY, f32::is_nan;
    f64: f64::NEG_INFINITY, f64::INFINITY, f64::is_nan;
    i64: i64::MIN, i64::MAX, |_| false;
    u64: u64::MIN, u64::MAX, |_| false;
}

/// Types that norms are taken of: their absolute values are floats.
pub trait Measured: Element + Default {
    type Size: Summand + Ordered;
    fn size(self) -> Self::Size;
    fn square(self) -> Self::Size;
    fn power(size: Self::Size, p: f64) -> Self::Size;
    fn root(size: Self::Size) -> Self::Size;
}
macro_rules! measured {
    ($($t:ty as $size:ty: $abs:expr, $square:expr;)*) => { $(impl Measured for $t {
        type Size = $size;
        #[inline(always)]
        fn size(self) -> $size { $abs(self) }
        #[inline(always)]
        fn square(self) -> $size { $square(self) }
        #[inline(always)]
        fn power(size: $size, p: f64) -> $size { size.powf(p as $size) }
        #[inline(always)]
        fn root(size: $size) -> $size { size.sqrt() }
    })* };
}
measured! {
    f32 as f32: f32::abs, |x| x * x;
    f64 as f64: f64::abs, |x| x * x;
    Complex32 as f32: |x: Complex32| x.re.hypot(x.im), |x: Complex32| x.norm_sqr();
    Complex64 as f64: |x: Complex64| x.re.hypot(x.im), |x: Complex64| x.norm_sqr();
}

/// Declares a fold over a generic element type: `Item => Sum => Out`, and the four functions of [`Fold`].
macro_rules! fold {
    ($(#[$doc:meta])* $name:ident<$T:ident: $bound:ident>: $item:ty => $sum:ty => $out:ty,
     start $start:expr, step |$s:ident, $x:ident| $step:expr, merge |$a:ident, $b:ident| $merge:expr,
     finish |$whole:ident, $count:ident| $finish:expr) => {
        $(#[$doc])*
        pub struct $name<$T>(pub PhantomData<fn() -> $T>);
        impl<$T: $bound> Fold for $name<$T> {
            type Item = $item;
            type Sum = $sum;
            type Out = $out;
            #[inline(always)]
            fn start(&self) -> $sum { $start }
            #[inline(always)]
            fn step(&self, $s: $sum, $x: $item) -> $sum { $step }
            #[inline(always)]
            fn merge(&self, $a: $sum, $b: $sum) -> $sum { $merge }
            #[inline(always)]
            #[allow(unused_variables)]
            fn finish(&self, $whole: $sum, $count: i64) -> $out { $finish }
        }
    };
}

/// The greater or the smaller of two, or a NaN.
#[inline(always)]
pub fn better<const GREATER: bool, T: Ordered>(a: T, b: T) -> T {
    let ahead = if GREATER { b > a } else { b < a };
    if ahead | b.is_nan() { b } else { a } // a NaN already here stays: nothing is ahead of it
}

fold! { Sum<T: Summand>: T => T => T,
start T::default(), step |s, x| s.plus(x), merge |a, b| a.plus(b), finish |s, count| s }
fold! { Mean<T: Summand>: T => T => T,
start T::default(), step |s, x| s.plus(x), merge |a, b| a.plus(b), finish |s, count| s.over(count) }
fold! { NanSum<T: Summand>: T => T => T,
start T::default(), step |s, x| if x.is_nan() { s } else { s.plus(x) }, merge |a, b| a.plus(b), finish |s, count| s }
fold! { Product<T: Summand>: T => T => T,
start T::ONE, step |s, x| s.times(x), merge |a, b| a.times(b), finish |s, count| s }
fold! { Maximum<T: Ordered>: T => T => T,
start T::LEAST, step |s, x| better::<true, T>(s, x), merge |a, b| better::<true, T>(a, b), finish |s, count| s }
fold! { Minimum<T: Ordered>: T => T => T,
start T::GREATEST, step |s, x| better::<false, T>(s, x), merge |a, b| better::<false, T>(a, b), finish |s, count| s }
fold! { /// Over elements converted to bool.
Any<T: Element>: Truth => u8 => Truth,
start 0, step |s, x| s | x.0, merge |a, b| a | b, finish |s, count| Truth::new(s != 0) }
fold! { /// Over elements converted to bool.
All<T: Element>: Truth => u8 => Truth,
start 1, step |s, x| s & x.get() as u8, merge |a, b| a & b, finish |s, count| Truth::new(s != 0) }
fold! { /// Over elements converted to bool.
CountNonzero<T: Element>: Truth => i64 => i64,
start 0, step |s, x| s + x.get() as i64, merge |a, b| a + b, finish |s, count| s }

fold! { /// The number of elements that are not zero, as a float.
NormZero<T: Measured>: T => T::Size => T::Size,
start T::Size::default(), step |s, x| if x.size() == T::Size::default() { s } else { s.plus(T::Size::ONE) },
merge |a, b| a.plus(b), finish |s, count| s }
fold! { NormOne<T: Measured>: T => T::Size => T::Size,
start T::Size::default(), step |s, x| s.plus(x.size()), merge |a, b| a.plus(b), finish |s, count| s }
fold! { NormTwo<T: Measured>: T => T::Size => T::Size,
start T::Size::default(), step |s, x| s.plus(x.square()), merge |a, b| a.plus(b), finish |s, count| T::root(s) }
fold! { NormMax<T: Measured>: T => T::Size => T::Size,
start T::Size::default(), step |s, x| better::<true, T::Size>(s, x.size()),
merge |a, b| better::<true, T::Size>(a, b), finish |s, count| s }
fold! { NormMin<T: Measured>: T => T::Size => T::Size,
start T::Size::GREATEST, step |s, x| better::<false, T::Size>(s, x.size()),
merge |a, b| better::<false, T::Size>(a, b), finish |s, count| s }

/// The `p`-th root of the sum of `p`-th powers.
pub struct NormPower<T> {
    pub p: f64,
    pub of: PhantomData<fn() -> T>,
}
impl<T: Measured> Fold for NormPower<T> {
    type Item = T;
    type Sum = T::Size;
    type Out = T::Size;
    #[inline(always)]
    fn start(&self) -> T::Size {
        T::Size::default()
    }
    #[inline(always)]
    fn step(&self, sum: T::Size, x: T) -> T::Size {
        sum.plus(T::power(x.size(), self.p))
    }
    #[inline(always)]
    fn merge(&self, a: T::Size, b: T::Size) -> T::Size {
        a.plus(b)
    }
    #[inline(always)]
    fn finish(&self, sum: T::Size, _: i64) -> T::Size {
        T::power(sum, 1.0 / self.p)
    }
}
