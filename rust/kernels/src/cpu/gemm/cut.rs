//! Cutting a length into nearly equal pieces: 64 rows are eleven panels of 6 and 5, not ten of 6 and one of 4.

#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub count: usize,
    low: usize,
    extra: usize,
}
impl Cut {
    /// The fewest pieces of at most `longest`; one piece at least.
    #[inline]
    pub fn by_length(n: usize, longest: usize) -> Cut {
        Cut::into(n, n.div_ceil(longest))
    }
    /// `pieces` of them, fewer where there is less to cut.
    #[inline]
    pub fn into(n: usize, pieces: usize) -> Cut {
        let count = pieces.clamp(1, n.max(1));
        Cut { count, low: n / count, extra: n % count }
    }
    /// Where piece `i` starts; for `i == count`, where the last ends.
    #[inline]
    pub fn start(&self, i: usize) -> usize {
        i * self.low + i.min(self.extra)
    }
    #[inline]
    pub fn length(&self, i: usize) -> usize {
        self.low + usize::from(i < self.extra)
    }
    #[inline]
    pub fn longest(&self) -> usize {
        self.length(0)
    }
}
