//! Loops over the planes of a batch: all elements of one channel of one sample.
use super::Real;
use crate::Operand;
use crate::cpu::copy::Caster;
use crate::cpu::nest::Nest;
use crate::cpu::reduce::sum;
use crate::cpu::threads::parallel_for;
use crate::cpu::vectorized::vectorized;
use std::sync::Mutex;

/// Elements worth waking a thread for.
const GRAIN: usize = 16 * 1024;
/// Elements worked on at once.
const PIECE: usize = 512;

/// What a plane's elements are made of: `g * gradient + (x - center) * input + constant`.
#[derive(Clone, Copy)]
pub struct Factors {
    pub gradient: f64,
    pub center: f64,
    pub input: f64,
    pub constant: f64,
}

/// The planes of `N` operands of one shape: dimensions 0 and 1 number them, the others lie in them.
struct Planes<const N: usize> {
    inner: Nest<N>,
    steps: [[isize; 2]; N],
    channels: usize,
    count: usize,
    grain: usize,
}

impl<const N: usize> Planes<N> {
    fn new(shape: &[i64], operands: &[Operand; N]) -> Planes<N> {
        let inner: Nest<N> = Nest::over(shape, 2..shape.len(), std::array::from_fn(|k| &operands[k])).sorted().merged();
        let steps = std::array::from_fn(|k| [0, 1].map(|d| (operands[k].strides[d] * operands[k].dtype.size() as i64) as isize));
        let grain = (GRAIN / inner.numel().max(1)).max(1);
        Planes { inner, steps, channels: shape[1] as usize, count: (shape[0] * shape[1]) as usize, grain }
    }

    /// Visits pieces of the runs of one plane: their addresses and length.
    fn each_piece(&self, plane: usize, mut visit: impl FnMut([*mut u8; N], usize)) {
        let (sample, channel) = (plane / self.channels, plane % self.channels);
        let (_, steps) = self.inner.innermost();
        self.inner.each_run(0..self.inner.numel(), |at, n| {
            for start in (0..n).step_by(PIECE) {
                let moved = |k: usize| {
                    let plane = sample as isize * self.steps[k][0] + channel as isize * self.steps[k][1];
                    at[k].wrapping_offset(plane + start as isize * steps[k] as isize)
                };
                visit(std::array::from_fn(moved), PIECE.min(n - start));
            }
        });
    }
}

/// Brings pieces of an operand in as packed `T`, and takes them back.
struct Port {
    load: Caster,
    store: Caster,
    step: i64,
    packed: bool,
}

impl Port {
    fn new<T: Real>(operand: &Operand, step: i64) -> Port {
        let load = Caster::new(T::DTYPE, operand.dtype);
        let packed = operand.dtype == T::DTYPE && step == size_of::<T>() as i64;
        Port { load, store: Caster::new(operand.dtype, T::DTYPE), step, packed }
    }
    /// # Safety
    /// `n` elements are there, and stay as they are while the result lives.
    unsafe fn take<'a, T: Real>(&self, at: *mut u8, n: usize, room: &'a mut [T; PIECE]) -> &'a [T] {
        // SAFETY: handed on; a piece fits the room.
        unsafe {
            if self.packed {
                return std::slice::from_raw_parts(at.cast::<T>(), n);
            }
            self.load.run(room.as_mut_ptr().cast(), size_of::<T>() as i64, at, self.step, n);
        }
        &room[..n]
    }
}

/// Writes every element of the first operand from those of the others: `x`, and `g` if there are three.
pub fn apply<T: Real, const N: usize>(shape: &[i64], operands: [Operand; N], factors: impl Fn(usize, usize) -> Factors + Sync) {
    let planes = Planes::new(shape, &operands);
    let (_, steps) = planes.inner.innermost();
    let ports: [Port; N] = std::array::from_fn(|k| Port::new::<T>(&operands[k], steps[k]));
    parallel_for(planes.count, planes.grain, |range| {
        let mut rooms = [[T::default(); PIECE]; 3];
        for plane in range {
            let f = factors(plane / planes.channels, plane % planes.channels);
            let [of_gradient, center, of_input, constant] = [f.gradient, f.center, f.input, f.constant].map(T::from_double);
            planes.each_piece(plane, |at, n| {
                let [room, room_x, room_g] = &mut rooms;
                // SAFETY: the operands reach this piece; the output overlaps no input.
                unsafe {
                    let x = ports[1].take(at[1], n, room_x);
                    let g = if N == 3 { ports[2].take(at[2], n, room_g) } else { x };
                    let direct = ports[0].packed;
                    let to = if direct { std::slice::from_raw_parts_mut(at[0].cast::<T>(), n) } else { &mut room[..n] };
                    vectorized(
                        #[inline(always)]
                        move || {
                            for ((to, &x), &g) in to.iter_mut().zip(x).zip(g) {
                                let own = (x - center) * of_input + constant;
                                *to = if N == 3 { g * of_gradient + own } else { own };
                            }
                        },
                    );
                    if !direct {
                        ports[0].store.run(at[0], ports[0].step, room.as_ptr().cast(), size_of::<T>() as i64, n);
                    }
                }
            });
        }
    });
}

/// For each plane the sums of `g` and of `g * (x - mean)`.
pub fn sums<T: Real>(shape: &[i64], gradient: Operand, input: Operand, mean: impl Fn(usize, usize) -> f64 + Sync) -> Vec<(f64, f64)> {
    let planes = Planes::new(shape, &[gradient, input]);
    let (_, steps) = planes.inner.innermost();
    let ports = [Port::new::<T>(&gradient, steps[0]), Port::new::<T>(&input, steps[1])];
    let results = Mutex::new(vec![(0.0, 0.0); planes.count]);
    parallel_for(planes.count, planes.grain, |range| {
        let mut rooms = [[T::default(); PIECE]; 3];
        let start = range.start;
        let mut own = vec![(0.0, 0.0); range.len()];
        for plane in range {
            let center = T::from_double(mean(plane / planes.channels, plane % planes.channels));
            let total: &mut (f64, f64) = &mut own[plane - start];
            planes.each_piece(plane, |at, n| {
                let [room, room_g, room_x] = &mut rooms;
                // SAFETY: the operands reach this piece.
                let (g, x) = unsafe { (ports[0].take(at[0], n, room_g), ports[1].take(at[1], n, room_x)) };
                let (a, b) = vectorized(
                    #[inline(always)]
                    move || {
                        for ((to, &x), &g) in room.iter_mut().zip(x).zip(g) {
                            *to = g * (x - center);
                        }
                        (sum(g), sum(&room[..n]))
                    },
                );
                total.0 += crate::cpu::cast::cast::<f64, T>(a);
                total.1 += crate::cpu::cast::cast::<f64, T>(b);
            });
        }
        if let Ok(mut results) = results.lock() {
            results[start..start + own.len()].copy_from_slice(&own);
        }
    });
    results.into_inner().unwrap_or_default()
}
