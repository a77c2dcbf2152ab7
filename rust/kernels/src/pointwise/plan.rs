//! How an operation walks its operands: dimensions ordered by the way memory lies, joined where they step as one.
use crate::operand::Operand;
use smallvec::SmallVec;

/// A shape reduced to as few dimensions as its operands allow, outermost first, and each operand's strides in it.
pub struct Plan {
    pub shape: SmallVec<[i64; 6]>,
    /// Strides of all operands, dimension by dimension.
    strides: SmallVec<[i64; 24]>,
    operands: usize,
}

/// How one operand is walked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walk {
    /// One element after the other.
    Dense,
    /// The same element all the time.
    Still,
    Strided,
}

impl Plan {
    /// `operands`: outputs first, since their order in memory decides.
    pub fn new(shape: &[i64], operands: &[&[i64]]) -> Plan {
        let mut order: SmallVec<[usize; 6]> = (0..shape.len()).filter(|&d| shape[d] != 1).collect();
        // By insertion: an inner dimension moves out when the first operand that can tell steps further with it.
        for i in 1..order.len() {
            let mut at = i;
            while at > 0 && outer(order[at], order[at - 1], shape, operands) {
                order.swap(at, at - 1);
                at -= 1;
            }
        }
        let mut plan = Plan { shape: SmallVec::new(), strides: SmallVec::new(), operands: operands.len() };
        for &d in &order {
            let joins = plan.shape.last().is_some()
                && operands.iter().enumerate().all(|(k, strides)| plan.stride(plan.shape.len() - 1, k) == strides[d] * shape[d]);
            if joins {
                let last = plan.shape.len() - 1;
                plan.shape[last] *= shape[d];
                for (k, strides) in operands.iter().enumerate() {
                    plan.strides[last * plan.operands + k] = strides[d];
                }
            } else {
                plan.shape.push(shape[d]);
                plan.strides.extend(operands.iter().map(|strides| strides[d]));
            }
        }
        if plan.shape.is_empty() {
            plan.shape.push(1);
            plan.strides.extend(operands.iter().map(|_| 1));
        }
        plan
    }
    #[inline]
    pub fn stride(&self, dimension: usize, operand: usize) -> i64 {
        self.strides[dimension * self.operands + operand]
    }
    pub fn walk(&self, operand: usize) -> Walk {
        let still = (0..self.shape.len()).all(|d| self.stride(d, operand) == 0);
        let mut expected = 1;
        let dense = (0..self.shape.len()).rev().all(|d| {
            let steps = self.stride(d, operand) == expected;
            expected *= self.shape[d];
            steps
        });
        match (still, dense) {
            (true, _) => Walk::Still,
            (_, true) => Walk::Dense,
            _ => Walk::Strided,
        }
    }
    /// The index of the element at a linear position, for each dimension.
    pub fn index(&self, mut position: i64) -> SmallVec<[i64; 6]> {
        let mut index: SmallVec<[i64; 6]> = SmallVec::from_elem(0, self.shape.len());
        for d in (0..self.shape.len()).rev() {
            index[d] = position % self.shape[d];
            position /= self.shape[d];
        }
        index
    }
}

/// Dimension `inner` should lie outside of `outer`.
fn outer(inner: usize, outer: usize, shape: &[i64], operands: &[&[i64]]) -> bool {
    for strides in operands {
        let (a, b) = (strides[inner], strides[outer]);
        if a == 0 || b == 0 {
            continue; // a repeated dimension decides nothing
        }
        if a != b {
            return a > b;
        }
        if shape[inner] != shape[outer] {
            return shape[inner] > shape[outer];
        }
    }
    false
}

/// Whether strides are those of a dense row-major shape.
#[inline]
pub fn is_dense(shape: &[i64], operand: &Operand) -> bool {
    let mut expected = 1;
    for (&size, &stride) in shape.iter().zip(operand.strides).rev() {
        if size != 1 {
            if stride != expected {
                return false;
            }
            expected *= size;
        }
    }
    true
}
