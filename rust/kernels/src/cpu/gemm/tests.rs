use super::*;
use crate::cpu::threads::tests::with_threads;

/// A small deterministic generator, so that a failing case can be repeated.
pub struct Random(u64);
impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
    pub fn value(&mut self) -> f64 {
        self.bits() as f64 / (1u64 << 52) as f64 - 1.0
    }
}

trait FromF64: GemmElement + bytemuck::Pod {
    const TOLERANCE: f64;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
}
impl FromF64 for f32 {
    const TOLERANCE: f64 = 2e-6;
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    fn to_f64(self) -> f64 {
        self as f64
    }
}
impl FromF64 for f64 {
    const TOLERANCE: f64 = 1e-14;
    fn from_f64(x: f64) -> f64 {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
}

/// A matrix at the very end of its memory (a read past it is then found by the allocator's checks), with some layout.
struct Stored<T> {
    memory: Vec<T>,
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}
impl<T: FromF64> Stored<T> {
    fn new(rows: usize, columns: usize, layout: usize, random: &mut Random) -> Stored<T> {
        let (row_stride, column_stride) = match layout {
            0 => (columns, 1),
            1 => (1, rows),
            2 => (columns + random.below(9), 1),
            3 => (1, rows + random.below(9)),
            4 => (3 * columns + 1, 3),
            5 => (0, 1),
            _ => (1, 0),
        };
        let extent = if rows * columns == 0 { 0 } else { (rows - 1) * row_stride + (columns - 1) * column_stride + 1 };
        let memory = (0..extent).map(|_| T::from_f64(random.value())).collect();
        Stored { memory, rows, columns, row_stride, column_stride }
    }
    fn at(&self, i: usize, j: usize) -> f64 {
        self.memory[i * self.row_stride + j * self.column_stride].to_f64()
    }
    fn view(&self) -> Matrix<T> {
        let Stored { rows, columns, row_stride, column_stride, .. } = *self;
        Matrix { data: self.memory.as_ptr(), rows, columns, row_stride: row_stride as isize, column_stride: column_stride as isize }
    }
    fn view_mut(&mut self) -> MatrixMut<T> {
        let Matrix { rows, columns, row_stride, column_stride, .. } = self.view();
        MatrixMut { data: self.memory.as_mut_ptr(), rows, columns, row_stride, column_stride }
    }
}

fn check<T: FromF64>(kernels: &'static Kernels<T>, m: usize, n: usize, k: usize, layouts: [usize; 3], random: &mut Random) {
    let a = Stored::<T>::new(m, k, layouts[0], random);
    let b = Stored::<T>::new(k, n, layouts[1], random);
    let mut c = Stored::<T>::new(m, n, layouts[2], random);
    let before = Stored { memory: c.memory.clone(), ..c };
    let bias: Vec<T> = (0..m.max(n)).map(|_| T::from_f64(random.value())).collect();
    let alpha = random.pick(&[1.0, 1.0, 0.0, -2.5]);
    let beta = random.pick(&[0.0, 0.0, 1.0, 0.5]);
    let side = random.below(3);
    let epilogue = Epilogue {
        alpha: T::from_f64(alpha),
        beta: T::from_f64(beta),
        bias: [Bias::None, Bias::PerRow(bias.as_ptr()), Bias::PerColumn(bias.as_ptr())][side],
    };
    if beta == 0.0 {
        c.memory.fill(T::from_f64(f64::NAN));
    }
    // SAFETY: the views are of live vectors of these sizes.
    unsafe { gemm_with(kernels, a.view(), b.view(), c.view_mut(), epilogue) };
    for i in 0..m {
        for j in 0..n {
            let (mut sum, mut size) = (0.0, 1.0);
            for p in 0..k {
                sum += a.at(i, p) * b.at(p, j);
                size += (a.at(i, p) * b.at(p, j)).abs();
            }
            let mut expected = alpha * sum + [0.0, bias[i].to_f64(), bias[j].to_f64()][side];
            if beta != 0.0 {
                expected += beta * before.at(i, j);
            }
            let error = (c.at(i, j) - expected).abs();
            assert!(
                error <= T::TOLERANCE * size * 3.0,
                "{} {m}x{n}x{k} layouts {layouts:?} alpha {alpha} beta {beta} bias {side}: ({i}, {j}) is {} and not {expected}",
                kernels.name,
                c.at(i, j)
            );
        }
    }
}

fn random_shapes<T: FromF64>() {
    let mut random = Random::new(size_of::<T>() as u64);
    for kernels in T::all_kernels() {
        for case in 0..300 {
            let mut side = |small: usize| if random.below(8) == 0 { random.below(90) + 1 } else { random.below(small) };
            let (m, n, k) = (side(20), side(40), side(40));
            let layouts = [random.below(7), random.below(7), random.below(5)];
            check(kernels, m, n, k, layouts, &mut random);
            if case % 30 == 0 {
                check(kernels, random.below(6), 1 + random.below(300), 1 + random.below(900), layouts, &mut random);
                check(kernels, 1 + random.below(300), random.below(6), 1 + random.below(900), layouts, &mut random);
            }
        }
        // Beyond the sizes read in place, and more than one block of depth, columns and tasks.
        for layouts in [[0, 0, 0], [0, 1, 0], [1, 0, 2], [3, 4, 1], [4, 3, 4]] {
            check(kernels, 37, 530, 601, layouts, &mut random);
            check(kernels, 530, 67, 301, layouts, &mut random);
        }
    }
}
#[test]
fn float32_products_of_random_shapes() {
    random_shapes::<f32>();
}
#[test]
fn float64_products_of_random_shapes() {
    random_shapes::<f64>();
}

#[test]
fn the_number_of_threads_does_not_show() {
    let mut random = Random::new(7);
    for (m, n, k) in [(300, 300, 300), (700, 40, 300), (33, 900, 260), (1, 3000, 700), (3, 2000, 512), (520, 520, 600)] {
        for layouts in [[0, 0], [0, 1], [1, 0], [4, 4]] {
            let a = Stored::<f32>::new(m, k, layouts[0], &mut random);
            let b = Stored::<f32>::new(k, n, layouts[1], &mut random);
            let results = [1, 2, 3].map(|threads| {
                let mut c = Stored::<f32>::new(m, n, 0, &mut random);
                // SAFETY: the views are of live vectors of these sizes.
                with_threads(threads, || unsafe { gemm(a.view(), b.view(), c.view_mut(), Epilogue::default()) });
                c.memory
            });
            assert!(results[0] == results[1] && results[0] == results[2], "{m}x{n}x{k} {layouts:?}");
        }
    }
}
