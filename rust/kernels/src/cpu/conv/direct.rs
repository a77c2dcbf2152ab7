//! Correlations that do not repay packing their patches: few rows, and rows of pixels that fill vectors well.
use super::correlation::Correlation;
use super::offset_tile::{OffsetTile, ROWS, vectors};
use super::plane::Plane;
use super::volume;
use crate::cpu::gemm::{Cut, GemmElement};

/// Packing a vector of patches costs as much as multiplying it by this many rows.
const PACKING_ROWS: usize = 5;
/// Planes are read again for every panel of rows: beyond half an L2 packing wins.
const PLANE_BYTES: usize = 256 << 10;

impl Correlation {
    /// Lanes left empty at the ends of rows cost less than packing would.
    pub fn is_direct<T: GemmElement>(&self, plane: &Plane, rows: usize) -> bool {
        let width = self.grid[2];
        let empty = width.next_multiple_of(T::kernels().lanes) - width;
        empty * rows <= PACKING_ROWS * width && plane.length(self.channels) * size_of::<T>() <= PLANE_BYTES
    }

    /// One image's rows of pixels, read in place.
    ///
    /// # Safety
    /// The plane's data, the weight (rows x depth), the bias (rows, or null) and the output (rows x grid) are as long as that.
    pub unsafe fn multiply_direct<T: GemmElement>(
        &self,
        plane: &Plane,
        rows: usize,
        data: *const T,
        weight: *const T,
        bias: *const T,
        output: *mut T,
    ) {
        let kernels = T::kernels();
        let ([depth, height, width], pixels) = (self.grid, volume(self.grid));
        let panels = Cut::by_length(rows, ROWS);
        for panel in 0..panels.count {
            let (first, count) = (panels.start(panel), panels.length(panel));
            let mut tile = OffsetTile {
                depth: self.depth(),
                a: weight.wrapping_add(first * self.depth()),
                a_row: self.depth(),
                offsets: plane.offsets.as_ptr(),
                c_row: pixels,
                bias: if bias.is_null() { bias } else { bias.wrapping_add(first) },
                ..OffsetTile::unused(data)
            };
            let mut filled = 0;
            for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))) {
                let row = data.wrapping_add(z * plane.steps[0] + y * plane.steps[1]);
                let to = output.wrapping_add(first * pixels + (z * height + y) * width);
                for x in (0..width).step_by(kernels.lanes) {
                    tile.b[filled] = row.wrapping_add(x);
                    tile.c[filled] = to.wrapping_add(x);
                    tile.lanes[filled] = (width - x).min(kernels.lanes);
                    filled += 1;
                    if filled == vectors(count) {
                        // SAFETY: planes have slack for whole vectors; the rest as the caller vouches.
                        unsafe { (kernels.offsets[count - 1])(&tile) };
                        filled = 0;
                    }
                }
            }
            if filled > 0 {
                tile.lanes[filled..].fill(0);
                // SAFETY: as above; vectors without lanes read what earlier tiles read.
                unsafe { (kernels.offsets[count - 1])(&tile) };
            }
        }
    }
}
