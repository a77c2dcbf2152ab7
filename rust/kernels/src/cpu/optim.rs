//! Optimizer steps: a parameter and its state changed in one pass over their elements.
use super::threads::parallel_for;
use super::vectorized::vectorized;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Elements a thread takes at a time: about 20 microseconds of memory traffic.
const GRAIN: usize = 1 << 15;

/// A real element type of parameters.
pub trait Real:
    Copy + Send + Sync + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    fn from_f64(value: f64) -> Self;
    fn root(self) -> Self;
    fn is_nan(self) -> bool;
}
macro_rules! real {
    ($($t:ty)*) => { $(
        impl Real for $t {
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$t>::is_nan(self)
            }
        }
    )* };
}
real!(f32 f64);

/// The settings of a gradient descent step, as PyTorch names them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sgd {
    pub lr: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub maximize: bool,
}

/// The settings of an Adam step; the two corrections are `1 - beta^step`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adam {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub maximize: bool,
    /// Weight decay shrinks the parameter instead of joining the gradient.
    pub decoupled: bool,
    pub correction1: f64,
    pub correction2: f64,
}

/// `n` elements at an address that no other part of the step reaches.
struct Part<T>(*mut T);
// SAFETY: threads take disjoint ranges of it.
unsafe impl<T> Sync for Part<T> {}
impl<T> Part<T> {
    /// # Safety
    /// The range lies inside the part, and no other slice of it is alive.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "ranges are disjoint, see the type")]
    unsafe fn slice(&self, range: &std::ops::Range<usize>) -> &mut [T] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

/// One SGD step of `n` elements; `buffer` is the momentum's, absent without momentum.
///
/// # Safety
/// All pointers reach `n` elements of `T`, aligned; those of `parameter` and `buffer` are reached by no other pointer here.
pub unsafe fn sgd<T: Real>(settings: &Sgd, n: usize, parameter: *mut T, gradient: *const T, buffer: Option<*mut T>) {
    let (parameter, gradient, buffer) = (Part(parameter), Part(gradient.cast_mut()), buffer.map(Part));
    parallel_for(n, GRAIN, |range| {
        // SAFETY: the caller's promise; ranges are disjoint. The gradient is only read.
        let (p, g, b) = unsafe { (parameter.slice(&range), &*gradient.slice(&range), buffer.as_ref().map(|b| b.slice(&range))) };
        let (sign, decay) = (T::from_f64(if settings.maximize { -1.0 } else { 1.0 }), T::from_f64(settings.weight_decay));
        match (b, settings.weight_decay != 0.0) {
            (None, false) => plain(
                p,
                g,
                settings.lr,
                #[inline(always)]
                move |_, g| sign * g,
            ),
            (None, true) => plain(
                p,
                g,
                settings.lr,
                #[inline(always)]
                move |p, g| sign * g + decay * p,
            ),
            (Some(b), false) => with_momentum(
                settings,
                p,
                g,
                b,
                #[inline(always)]
                move |_, g| sign * g,
            ),
            (Some(b), true) => with_momentum(
                settings,
                p,
                g,
                b,
                #[inline(always)]
                move |p, g| sign * g + decay * p,
            ),
        }
    });
}

#[inline(always)]
fn plain<T: Real>(p: &mut [T], g: &[T], lr: f64, direction: impl Fn(T, T) -> T) {
    let rate = T::from_f64(-lr);
    vectorized(
        #[inline(always)]
        move || {
            for (p, &g) in p.iter_mut().zip(g) {
                *p = *p + rate * direction(*p, g);
            }
        },
    );
}

#[inline(always)]
fn with_momentum<T: Real>(settings: &Sgd, p: &mut [T], g: &[T], b: &mut [T], direction: impl Fn(T, T) -> T) {
    let (rate, momentum, fresh) = (T::from_f64(-settings.lr), T::from_f64(settings.momentum), T::from_f64(1.0 - settings.dampening));
    let nesterov = settings.nesterov;
    vectorized(
        #[inline(always)]
        move || {
            for ((p, &g), b) in p.iter_mut().zip(g).zip(b) {
                let d = direction(*p, g);
                *b = *b * momentum + fresh * d;
                *p = *p + rate * if nesterov { d + momentum * *b } else { *b };
            }
        },
    );
}

/// One Adam step of `n` elements: `mean` and `square` are the decaying means of the gradient and of its square, `largest` (with
/// amsgrad) the largest `square` so far.
///
/// # Safety
/// All pointers reach `n` elements of `T`, aligned; all but `gradient` are reached by no other pointer here.
pub unsafe fn adam<T: Real>(
    settings: &Adam,
    n: usize,
    parameter: *mut T,
    gradient: *const T,
    mean: *mut T,
    square: *mut T,
    largest: Option<*mut T>,
) {
    let (parameter, gradient, mean, square) = (Part(parameter), Part(gradient.cast_mut()), Part(mean), Part(square));
    let largest = largest.map(Part);
    parallel_for(n, GRAIN, |range| {
        // SAFETY: the caller's promise; ranges are disjoint. The gradient is only read.
        let (p, g, m, s, l) = unsafe {
            let l = largest.as_ref().map(|l| l.slice(&range));
            (parameter.slice(&range), &*gradient.slice(&range), mean.slice(&range), square.slice(&range), l)
        };
        let (sign, decay) = (T::from_f64(if settings.maximize { -1.0 } else { 1.0 }), T::from_f64(settings.weight_decay));
        let shrink = T::from_f64(1.0 - settings.lr * settings.weight_decay);
        match (settings.weight_decay != 0.0, settings.decoupled) {
            (false, _) => moments(
                settings,
                p,
                g,
                m,
                s,
                l,
                #[inline(always)]
                move |p, g| (p, sign * g),
            ),
            (true, true) => moments(
                settings,
                p,
                g,
                m,
                s,
                l,
                #[inline(always)]
                move |p, g| (p * shrink, sign * g),
            ),
            (true, false) => moments(
                settings,
                p,
                g,
                m,
                s,
                l,
                #[inline(always)]
                move |p, g| (p, sign * g + decay * p),
            ),
        }
    });
}

/// The way from `from` to `to`, by `part`. Which end it starts from decides its rounding; PyTorch starts from the nearer.
#[inline(always)]
fn blend<T: Real>(from: T, to: T, part: T) -> T {
    let one = T::from_f64(1.0);
    if part < T::from_f64(0.5) { from + part * (to - from) } else { to - (to - from) * (one - part) }
}

/// `decayed` gives the parameter and the gradient after weight decay.
#[inline(always)]
fn moments<T: Real>(
    settings: &Adam,
    p: &mut [T],
    g: &[T],
    m: &mut [T],
    s: &mut [T],
    l: Option<&mut [T]>,
    decayed: impl Fn(T, T) -> (T, T),
) {
    let (fresh1, beta2, fresh2) = (T::from_f64(1.0 - settings.beta1), T::from_f64(settings.beta2), T::from_f64(1.0 - settings.beta2));
    let (root, eps) = (T::from_f64(settings.correction2.sqrt()), T::from_f64(settings.eps));
    let rate = T::from_f64(-settings.lr / settings.correction1);
    match l {
        None => vectorized(
            #[inline(always)]
            move || {
                for (((p, &g), m), s) in p.iter_mut().zip(g).zip(m).zip(s) {
                    let (base, g) = decayed(*p, g);
                    *m = blend(*m, g, fresh1);
                    *s = *s * beta2 + fresh2 * g * g;
                    *p = base + rate * *m / (s.root() / root + eps);
                }
            },
        ),
        Some(l) => vectorized(
            #[inline(always)]
            move || {
                for ((((p, &g), m), s), l) in p.iter_mut().zip(g).zip(m).zip(s).zip(l) {
                    let (base, g) = decayed(*p, g);
                    *m = blend(*m, g, fresh1);
                    *s = *s * beta2 + fresh2 * g * g;
                    // NaN wins, as in `maximum`.
                    *l = if *s > *l || s.is_nan() { *s } else { *l };
                    *p = base + rate * *m / (l.root() / root + eps);
                }
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adam by the book, in f64.
    #[test]
    fn adam_is_the_formula() {
        let settings = Adam {
            lr: 0.1,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.01,
            correction1: 0.1,
            correction2: 0.01,
            ..Adam::default()
        };
        for n in [1, 7, 8, 64, 100_003] {
            let start: Vec<f64> = (0..n).map(|i| (i % 13) as f64 / 7.0 - 0.5).collect();
            let gradient: Vec<f64> = (0..n).map(|i| (i % 17) as f64 / 5.0 - 1.0).collect();
            let (mut p, mut m, mut s) = (start.clone(), vec![0.0; n], vec![0.0; n]);
            // SAFETY: four vectors of `n` elements.
            unsafe { adam(&settings, n, p.as_mut_ptr(), gradient.as_ptr(), m.as_mut_ptr(), s.as_mut_ptr(), None) };
            for i in 0..n {
                let g = gradient[i] + 0.01 * start[i];
                let (mean, square) = (0.1 * g, 0.01 * g * g);
                let expected = start[i] - 0.1 * (mean / 0.1) / ((square / 0.01).sqrt() + 1e-8);
                assert!((p[i] - expected).abs() < 1e-12, "{i}: {} against {expected}", p[i]);
                assert!((m[i] - mean).abs() < 1e-12 && (s[i] - square).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn amsgrad_keeps_the_largest_square() {
        let settings = Adam { lr: 0.1, beta1: 0.5, beta2: 0.5, eps: 0.0, correction1: 1.0, correction2: 1.0, ..Adam::default() };
        let (mut p, mut m, mut s, mut l) = ([0f32; 3], [0f32; 3], [8f32; 3], [100f32, 0.0, f32::NAN]);
        // SAFETY: arrays of three elements.
        unsafe { adam(&settings, 3, p.as_mut_ptr(), [0f32; 3].as_ptr(), m.as_mut_ptr(), s.as_mut_ptr(), Some(l.as_mut_ptr())) };
        assert_eq!((l[0], l[1]), (100.0, 4.0));
        assert!(l[2].is_nan());
    }

    #[test]
    fn momentum_and_nesterov() {
        for nesterov in [false, true] {
            let settings = Sgd { lr: 0.5, momentum: 0.5, dampening: 0.25, weight_decay: 0.5, nesterov, maximize: true };
            let (mut p, mut b) = ([2f32; 9], [4f32; 9]);
            // SAFETY: arrays of nine elements.
            unsafe { sgd(&settings, 9, p.as_mut_ptr(), [3f32; 9].as_ptr(), Some(b.as_mut_ptr())) };
            // direction -3 + 0.5 * 2 = -2; buffer 4 * 0.5 - 2 * 0.75 = 0.5
            assert_eq!(b, [0.5; 9]);
            assert_eq!(p, [if nesterov { 2.0 - 0.5 * (-2.0 + 0.25) } else { 2.0 - 0.25 }; 9]);
        }
    }
}
