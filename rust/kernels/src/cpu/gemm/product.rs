//! The driver: blocks of depth and columns, packing where it pays, and the walk over tiles.
use super::cut::Cut;
use super::kernels::{GemmElement, Kernels};
use super::tile::{Store, Tile};
use crate::cpu::pack::{ScratchSlot, Source, Strided, with_scratch};
use crate::cpu::threads::{num_threads, parallel_for};
use std::ops::Range;

/// Bytes of depth per block: a strip of B (two vectors wide) then fills half of a 32 KB L1.
const DEPTH_BYTES: usize = 1024;
/// Bytes of a row of a packed block of B; with the depth above, a block is a quarter of a megabyte: half of an L2.
const COLUMN_BYTES: usize = 1024;
/// Rows of A packed at a time: two megabytes with the depth above, which stream through from the L3.
const ROW_BLOCK: usize = 2048;
/// An A with its depth adjacent is read where it lies up to this size; one with its rows adjacent up to a smaller one: it takes a
/// new line a step of depth, and lines a power of two apart push each other out of the L1.
const IN_PLACE_A_BYTES: usize = 1 << 20;
const IN_PLACE_ROWS_BYTES: usize = 1 << 15;
/// The same for B's columns, where half an L1 is the limit.
const IN_PLACE_B_BYTES: usize = 1 << 14;
/// Products of fewer panels of rows read B too seldom to repay packing it.
const FEW_PANELS: usize = 5;
/// Multiply-adds worth a task of their own: about 20 microseconds.
const TASK_WORK: usize = 1 << 20;

/// A pointer that tasks share. Each task writes its own part of what it points to.
pub struct Shared<T>(pub *mut T);
impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Shared<T> {}
// SAFETY: tasks write disjoint parts; see the users.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}
impl<T> Shared<T> {
    /// A method, so that closures capture the whole and not the bare pointer.
    #[inline(always)]
    pub fn get(self) -> *mut T {
        self.0
    }
}

/// C (m x n, its columns adjacent, rows `c_row` apart) = alpha A B + beta C + bias. A's lanes are C's rows, B's lanes
/// C's columns. An element's multiply-adds run in order of depth, in blocks that depend on k alone: the result is the same whatever
/// is packed or split.
#[derive(Clone, Copy)]
pub struct Product<'a, T: 'static> {
    pub kernels: &'static Kernels<T>,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: &'a dyn Source<T>,
    pub b: &'a dyn Source<T>,
    pub c: Shared<T>,
    pub c_row: isize,
    pub store: Store<T>,
}

/// How a product will run.
struct Plan<T> {
    /// Where A and B are read in place.
    a: Option<Strided<T>>,
    b: Option<Strided<T>>,
    rows: Cut,
}

/// One block: what of C is computed from what of the depth.
#[derive(Clone)]
struct Block<T> {
    panels: Range<usize>,
    columns: Range<usize>,
    depth: Range<usize>,
    /// Panels of A for this depth, from the one at `packed_from`.
    packed_a: Shared<T>,
    packed_from: usize,
    store: Store<T>,
}

impl<T: GemmElement + bytemuck::Pod> Product<'_, T> {
    /// # Safety
    /// The sources have the lanes and depth the product names, and C the elements; C overlaps neither operand.
    pub unsafe fn run(&self) {
        if self.m == 0 || self.n == 0 {
            return;
        }
        let plan = self.plan();
        let whole = Block {
            panels: 0..plan.rows.count,
            columns: 0..self.n,
            depth: 0..self.k,
            packed_a: Shared(std::ptr::null_mut()),
            packed_from: 0,
            store: self.store,
        };
        let depths = Cut::by_length(self.k, DEPTH_BYTES / size_of::<T>());
        if plan.a.is_some() && plan.b.is_some() && depths.count == 1 && self.m * self.n * self.k <= TASK_WORK {
            // SAFETY: the caller vouches for the operands.
            return unsafe { self.run_block(&plan, &whole) };
        }
        let row_blocks =
            if plan.a.is_some() { Cut::into(plan.rows.count, 1) } else { Cut::by_length(plan.rows.count, ROW_BLOCK / self.kernels.rows) };
        let packed_rows = if plan.a.is_some() { 0 } else { row_blocks.longest() * plan.rows.longest() };
        with_scratch(ScratchSlot::PackedA, |scratch| {
            let packed_a = Shared(scratch.get::<T>(packed_rows * depths.longest()));
            for block in 0..row_blocks.count {
                let panels = row_blocks.start(block)..row_blocks.start(block + 1);
                for d in 0..depths.count {
                    let depth = depths.start(d)..depths.start(d + 1);
                    if plan.a.is_none() {
                        // SAFETY: scratch has room for these panels at this depth.
                        unsafe { self.pack_a(&plan, panels.clone(), depth.clone(), packed_a) };
                    }
                    let store = if d == 0 { self.store } else { self.store.continued() };
                    let part = Block { panels: panels.clone(), depth, packed_a, packed_from: panels.start, store, ..whole.clone() };
                    // SAFETY: as above.
                    unsafe { self.run_tasks(&plan, &part) };
                }
            }
        });
    }

    /// Packing is for operands that do not fit a cache, or lie badly for it; below that it only costs. Rows of A a multiple of 4 KB
    /// apart share one set of the L1, so those are packed when they are long.
    fn plan(&self) -> Plan<T> {
        let size = size_of::<T>();
        let (a_bytes, b_bytes) = (self.m * self.k * size, self.k * self.n * size);
        let few_columns = self.n <= 8 * self.kernels.lanes;
        let a_fits = |v: &Strided<T>| match (v.lane, v.depth) {
            (1, _) => few_columns || a_bytes <= IN_PLACE_ROWS_BYTES,
            (lane, 1) => (few_columns || a_bytes <= IN_PLACE_A_BYTES) && (self.k <= 64 || !(lane as usize * size).is_multiple_of(4096)),
            _ => a_bytes <= IN_PLACE_B_BYTES,
        };
        let b_fits = |v: &Strided<T>| v.lane == 1 && (b_bytes <= IN_PLACE_B_BYTES || self.m <= FEW_PANELS * self.kernels.rows);
        Plan { a: self.a.in_place().filter(a_fits), b: self.b.in_place().filter(b_fits), rows: Cut::by_length(self.m, self.kernels.rows) }
    }

    /// # Safety
    /// The buffer holds the panels' rows x depth elements.
    unsafe fn pack_a(&self, plan: &Plan<T>, panels: Range<usize>, depth: Range<usize>, packed: Shared<T>) {
        let first = plan.rows.start(panels.start);
        let grain = (32768 / (plan.rows.longest() * depth.len().max(1))).max(1);
        parallel_for(panels.len(), grain, |some| {
            for panel in panels.start + some.start..panels.start + some.end {
                let (row, rows) = (plan.rows.start(panel), plan.rows.length(panel));
                // SAFETY: panels are disjoint parts of the buffer.
                unsafe { self.a.fill(packed.get().add((row - first) * depth.len()), rows, row, rows, depth.start, depth.len()) };
            }
        });
    }

    /// Splits a block into tasks. Columns first: a block of columns packs its part of B once; tall products over rows.
    unsafe fn run_tasks(&self, plan: &Plan<T>, block: &Block<T>) {
        let strip = 2 * self.kernels.lanes;
        let strips = self.n.div_ceil(strip);
        let widest = if plan.b.is_some() { strips } else { (COLUMN_BYTES / size_of::<T>() / strip).max(1) };
        let work = self.m * self.n * block.depth.len();
        let wanted = match num_threads() {
            1 => 1,
            threads => (4 * threads).min(work.div_ceil(TASK_WORK)),
        };
        let tall = self.m >= 4 * self.n && strips <= 16;
        let column_blocks = strips.div_ceil(widest).max(if tall { 1 } else { wanted.min(strips / 2) });
        let columns = Cut::into(strips, column_blocks);
        let groups = Cut::into(block.panels.len(), wanted.div_ceil(columns.count).min(block.panels.len().div_ceil(4)));
        parallel_for(columns.count * groups.count, 1, |tasks| {
            for task in tasks {
                let (group, column) = (task % groups.count, task / groups.count);
                let part = Block {
                    panels: block.panels.start + groups.start(group)..block.panels.start + groups.start(group + 1),
                    columns: columns.start(column) * strip..(columns.start(column + 1) * strip).min(self.n),
                    ..block.clone()
                };
                // SAFETY: tasks write disjoint parts of C.
                unsafe { self.run_packing_b(plan, &part) };
            }
        });
    }

    unsafe fn run_packing_b(&self, plan: &Plan<T>, block: &Block<T>) {
        if plan.b.is_some() {
            // SAFETY: the caller vouches for the block.
            return unsafe { self.run_block(plan, block) };
        }
        let (lanes, depth) = (self.kernels.lanes, block.depth.clone());
        with_scratch(ScratchSlot::PackedB, |scratch| {
            let width = block.columns.len().next_multiple_of(lanes);
            let packed = scratch.get::<T>(width * depth.len());
            for start in (0..block.columns.len()).step_by(2 * lanes) {
                let here = (block.columns.len() - start).min(2 * lanes);
                // SAFETY: strips are disjoint parts of the buffer.
                unsafe {
                    let strip = packed.add(start * depth.len());
                    self.b.fill(strip, here.next_multiple_of(lanes), block.columns.start + start, here, depth.start, depth.len());
                }
            }
            // The panel of A stays in the L1 while the block of B passes from the L2.
            for panel in block.panels.clone() {
                for start in (0..block.columns.len()).step_by(2 * lanes) {
                    let width = (block.columns.len() - start).min(2 * lanes).next_multiple_of(lanes);
                    // SAFETY: the strip packed above.
                    unsafe {
                        let strip = packed.add(start * depth.len());
                        self.run_tile(plan, block, panel, block.columns.start + start, strip, width as isize, 0);
                    }
                }
            }
        });
    }

    /// B read where it lies: a strip of it stays in the L1 while A passes.
    unsafe fn run_block(&self, plan: &Plan<T>, block: &Block<T>) {
        let Some(b) = plan.b else { return };
        let lanes = self.kernels.lanes;
        for column in block.columns.clone().step_by(2 * lanes) {
            let width = (block.columns.end - column).min(2 * lanes).next_multiple_of(lanes);
            // Whole vectors may be read while they end before B's last element does.
            let past = (column + width).saturating_sub(self.n);
            let unsafe_rows = match (past, b.depth) {
                (0, _) => 0,
                (_, ..=0) => self.k,
                (past, step) => past.div_ceil(step as usize),
            };
            let guarded = (block.depth.end + unsafe_rows).saturating_sub(self.k).min(block.depth.len());
            for panel in block.panels.clone() {
                // SAFETY: the block lies inside the operands, and the guard keeps reads inside B.
                unsafe { self.run_tile(plan, block, panel, column, b.at(column, block.depth.start), b.depth, guarded) };
            }
        }
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn run_tile(&self, plan: &Plan<T>, block: &Block<T>, panel: usize, column: usize, b: *const T, b_depth: isize, guarded: usize) {
        let lanes = self.kernels.lanes;
        let (row, rows) = (plan.rows.start(panel), plan.rows.length(panel));
        let width = (block.columns.end - column).min(2 * lanes);
        let vectors = width.div_ceil(lanes);
        let depth = block.depth.len();
        let (table, a, a_row, a_depth) = match plan.a {
            Some(a) if a.lane == 1 => (self.kernels.adjacent, a.at(row, block.depth.start), 1, a.depth),
            Some(a) => (self.kernels.apart, a.at(row, block.depth.start), a.lane, a.depth),
            None => {
                let first = plan.rows.start(block.packed_from);
                (self.kernels.adjacent, block.packed_a.get().wrapping_add((row - first) * depth).cast_const(), 1, rows as isize)
            }
        };
        let c = self.c.get().wrapping_offset(row as isize * self.c_row).wrapping_add(column);
        let tile = Tile {
            depth,
            a,
            a_row,
            a_depth,
            b,
            b_depth,
            guarded,
            c,
            c_row: self.c_row,
            last: width - (vectors - 1) * lanes,
            store: block.store.at(row, column),
        };
        // SAFETY: rows <= kernels.rows and vectors <= 2; the tile lies inside the operands.
        unsafe { table[rows - 1][vectors - 1](&tile) }
    }
}
