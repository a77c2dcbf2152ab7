//! The second operand of a convolution's products, packed straight from a plane.
use crate::cpu::pack::Source;

/// Element (lane, depth) is at `data + lanes[lane] + depths[depth]`. Forward, lanes are output pixels and depth is (channel, tap); for the
/// weight gradient it is the other way round.
pub struct Patches<'a, T> {
    pub data: *const T,
    pub lanes: &'a [isize],
    pub depths: &'a [isize],
}
// SAFETY: only read through.
unsafe impl<T: Sync> Sync for Patches<'_, T> {}

/// Lanes that are neighbours in memory are copied at once, up to this many.
const PIECE: usize = 8;

/// Where the lanes of a panel come from.
struct Pieces<T> {
    count: usize,
    from: [*const T; 32],
    lane: [usize; 32],
    length: [usize; 32],
}

impl<T: Copy> Patches<'_, T> {
    fn pieces(&self, lanes: &[isize]) -> Pieces<T> {
        let mut pieces = Pieces { count: 0, from: [self.data; 32], lane: [0; 32], length: [0; 32] };
        let mut at = 0;
        while at < lanes.len() {
            let most = (lanes.len() - at).min(PIECE);
            let length = (1..most).find(|&i| lanes[at + i] != lanes[at] + i as isize).unwrap_or(most);
            pieces.from[pieces.count] = self.data.wrapping_offset(lanes[at]);
            pieces.lane[pieces.count] = at;
            pieces.length[pieces.count] = length;
            pieces.count += 1;
            at += length;
        }
        pieces
    }

    /// Copies whole pieces for every depth. A piece shorter than that is overrun by the next piece or the next depth, which come
    /// later; the caller sees to it that something does.
    #[inline(always)]
    unsafe fn copy_pieces(pieces: &Pieces<T>, count: usize, depths: &[isize], panel: *mut T, width: usize) {
        for (p, &offset) in depths.iter().enumerate() {
            for i in 0..count {
                // SAFETY: planes have slack for reading a whole piece; writing one is inside the panel.
                unsafe {
                    let piece = pieces.from[i].wrapping_offset(offset).cast::<[T; PIECE]>().read_unaligned();
                    panel.add(p * width + pieces.lane[i]).cast::<[T; PIECE]>().write_unaligned(piece);
                }
            }
        }
    }
}

// SAFETY: the last depths, where a whole piece could end past the panel, are copied by length.
unsafe impl<T: Copy + Sync> Source<T> for Patches<'_, T> {
    unsafe fn fill(&self, panel: *mut T, width: usize, lane: usize, lanes: usize, depth: usize, depths: usize) {
        let pieces = self.pieces(&self.lanes[lane..lane + lanes]);
        let offsets = &self.depths[depth..depth + depths];
        let last_end = pieces.lane[pieces.count - 1] + PIECE;
        let careful = if last_end <= width { 0 } else { (last_end - width).div_ceil(width).min(depths) };
        let (whole, rest) = offsets.split_at(depths - careful);
        // SAFETY: the caller vouches for the panel; `careful` depths follow the whole ones.
        unsafe {
            match pieces.count {
                1 => Self::copy_pieces(&pieces, 1, whole, panel, width),
                2 => Self::copy_pieces(&pieces, 2, whole, panel, width),
                3 => Self::copy_pieces(&pieces, 3, whole, panel, width),
                4 => Self::copy_pieces(&pieces, 4, whole, panel, width),
                count => Self::copy_pieces(&pieces, count, whole, panel, width),
            }
            for (p, &offset) in rest.iter().enumerate() {
                for i in 0..pieces.count {
                    let to = panel.add((whole.len() + p) * width + pieces.lane[i]);
                    std::ptr::copy_nonoverlapping(pieces.from[i].wrapping_offset(offset), to, pieces.length[i]);
                }
            }
        }
    }
}
