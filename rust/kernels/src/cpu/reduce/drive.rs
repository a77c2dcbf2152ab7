//! The one loop over arrays that every reduction runs in.
//!
//! Elements are combined in blocks of a fixed size, block results in a binary tree, so that a sum loses a few bits only,
//! and the result depends neither on the number of threads nor on which of them did what.
use super::reduction::{Erased, RawPanel, Room, Types};
use crate::Operand;
use crate::cpu::copy::{Caster, run_of_size};
use crate::cpu::nest::Nest;
use crate::cpu::threads::parallel_for;
use rustorch_base::{DType, Dims};
use std::mem::MaybeUninit;

/// Elements combined by one call of `run`: they fit the first-level cache.
const BLOCK: usize = 2048;
/// Elements of one output that make a piece of work for one thread.
const SEGMENT: usize = 32 * BLOCK;
/// Packed elements worth a call of `run` of their own.
const LONG_RUN: usize = 128;
/// Rows combined by one call of `columns`.
const PANEL_ROWS: usize = 16;
/// Bytes of a panel's row.
const PANEL_BYTES: usize = 2048;
/// Rows that make a piece of work for one thread.
const SEGMENT_ROWS: usize = 64 * PANEL_ROWS;
/// Elements worth waking a thread for.
const GRAIN: usize = 32 * 1024;
/// Outputs that are stored together.
const STORED: usize = 64;

/// Reduces the dimensions `dims` of `input`. The outputs' strides along them are ignored.
pub fn drive(op: &dyn Erased, shape: &[i64], dims: &[usize], outputs: [Option<Operand>; 2], input: Operand) {
    let types = op.types();
    let nowhere: Dims = smallvec::smallvec![0; shape.len()];
    let nowhere = Operand { data: std::ptr::null_mut(), dtype: DType::UInt8, strides: &nowhere };
    let [first, second] = outputs.map(|output| output.unwrap_or(nowhere));
    let kept = (0..shape.len()).filter(|d| !dims.contains(d));
    let kept = Nest::over(shape, kept, [&input, &first, &second]).sorted().merged();
    let reduced = Nest::over(shape, (0..shape.len()).filter(|d| dims.contains(d)), [&input]);
    let reduced = if types.ordered { reduced.merged() } else { reduced.sorted().merged() };
    if kept.numel() == 0 {
        return;
    }
    let load = (input.dtype != types.item).then(|| Caster::new(types.item, input.dtype));
    let store = std::array::from_fn(|k| outputs[k].map(|output| Caster::new(output.dtype, types.outputs[k])));
    let (count, item) = (reduced.numel(), types.item.size());
    let job = Job { op, types, item, count, size: input.dtype.size(), kept, reduced, load, store };
    let (width, [across, ..]) = job.kept.innermost();
    let (_, [along]) = job.reduced.innermost();
    if count == 0 {
        job.all_empty();
    } else if width >= 8 && (across < along || count <= PANEL_ROWS) {
        job.by_columns();
    } else {
        job.by_rows();
    }
}

struct Job<'a> {
    op: &'a dyn Erased,
    types: Types,
    /// Bytes of an item and of an input element.
    item: usize,
    size: usize,
    /// Elements reduced into each output.
    count: usize,
    /// The loops over outputs: steps of the input and of both outputs.
    kept: Nest<3>,
    reduced: Nest<1>,
    /// How input elements become items, if they are not items already.
    load: Option<Caster>,
    store: [Option<Caster>; 2],
}

/// A thread's place for packed elements: 8-byte words, so that every item is aligned.
type Tile = Vec<u64>;

impl Job<'_> {
    /// Writes the outputs of `n` partial results, which lie `steps` bytes apart from `at` on.
    ///
    /// # Safety
    /// The partials and the outputs must be there.
    unsafe fn put(&self, wholes: *const u8, n: usize, at: [*mut u8; 2], steps: [i64; 2]) {
        let mut room = MaybeUninit::<[[[u64; 2]; STORED]; 2]>::uninit();
        let first = room.as_mut_ptr().cast::<u8>();
        let room = [first, first.wrapping_add(STORED * 16)];
        for start in (0..n).step_by(STORED) {
            let len = STORED.min(n - start);
            // SAFETY: the piece is part of the partials; the room holds as many elements of any dtype.
            unsafe { self.op.finish(wholes.add(start * self.types.partial), len, self.count as i64, room) };
            for k in 0..2 {
                if let Some(caster) = &self.store[k] {
                    let at = at[k].wrapping_offset(start as isize * steps[k] as isize);
                    // SAFETY: the outputs reach these elements; the room holds as many.
                    unsafe { caster.run(at, steps[k], room[k], self.types.outputs[k].size() as i64, len) }
                }
            }
        }
    }

    fn all_empty(&self) {
        let mut wholes = [Room::default(); STORED];
        let wholes = wholes.as_mut_ptr().cast::<u8>();
        self.kept.each(0..self.kept.numel(), |[_, outputs @ ..]| {
            // SAFETY: room for one partial, and one element of each output.
            unsafe {
                self.op.empty(wholes, 1);
                self.put(wholes, 1, outputs, [0; 2]);
            }
        });
    }

    /// One output after the other, each from runs of its own elements.
    fn by_rows(&self) {
        if self.count <= SEGMENT {
            return self.by_whole_rows();
        }
        let (segments, partial) = (self.count.div_ceil(SEGMENT), self.types.partial);
        let units = self.kept.numel() * segments;
        let mut partials = vec![0u64; (units * partial).div_ceil(8)];
        let results = Results(partials.as_mut_ptr().cast());
        parallel_for(units, 1, |range| {
            let mut tile = Tile::new();
            for unit in range {
                let [input, ..] = self.kept.locate(unit / segments);
                // SAFETY: each unit is visited once and has its own partial.
                unsafe { self.segment(input, unit % segments, results.at(unit * partial), &mut tile) }
            }
        });
        for output in 0..units / segments {
            let [_, outputs @ ..] = self.kept.locate(output);
            let first = results.at(output * segments * partial);
            // SAFETY: the partials of this output, and its elements.
            unsafe {
                self.tree_of_rows(first, segments, 1);
                self.put(first, 1, outputs, [0, 0]);
            }
        }
    }

    fn by_whole_rows(&self) {
        let (_, [across, steps @ ..]) = self.kept.innermost();
        let direct = self.count <= BLOCK && self.in_one_run(0, self.count);
        parallel_for(self.kept.numel(), (GRAIN / self.count).max(1), |range| {
            let mut tile = Tile::new();
            let mut wholes = MaybeUninit::<[Room; STORED]>::uninit();
            let wholes = wholes.as_mut_ptr().cast::<u8>();
            self.kept.each_run(range, |[input, outputs @ ..], n| {
                for start in (0..n).step_by(STORED) {
                    let len = STORED.min(n - start);
                    let moved = |k: usize| outputs[k].wrapping_offset(start as isize * steps[k] as isize);
                    // SAFETY: the operands reach these outputs' elements; `wholes` holds STORED partials.
                    unsafe {
                        let input = |i: usize| input.wrapping_offset((start + i) as isize * across as isize);
                        if direct {
                            let panel = RawPanel { data: input(0), step: across as isize, rows: len, width: self.count };
                            self.op.rows(panel, wholes);
                        } else {
                            for i in 0..len {
                                self.segment(input(i), 0, wholes.add(i * self.types.partial), &mut tile);
                            }
                        }
                        self.put(wholes, len, [moved(0), moved(1)], steps);
                    }
                }
            });
        });
    }

    /// The result of one segment of the elements that belong to the output at `input`.
    ///
    /// # Safety
    /// `out` has room for a partial.
    unsafe fn segment(&self, input: *mut u8, segment: usize, out: *mut u8, tile: &mut Tile) {
        let start = segment * SEGMENT;
        let end = (start + SEGMENT).min(self.count);
        // SAFETY: handed on.
        unsafe { self.blocks(input, start, end, out, tile) }
    }

    /// Combines the blocks of `start..end` pairwise.
    unsafe fn blocks(&self, input: *mut u8, start: usize, end: usize, out: *mut u8, tile: &mut Tile) {
        // SAFETY: the caller has room for one partial at `out`, and so has `right`.
        unsafe {
            if end - start <= BLOCK {
                return self.block(input, start, end, out, tile);
            }
            let middle = start + halve((end - start).div_ceil(BLOCK)) * BLOCK;
            self.blocks(input, start, middle, out, tile);
            let mut right = Room::default();
            let right = right.as_mut_ptr().cast::<u8>();
            self.blocks(input, middle, end, right, tile);
            self.op.merge(out, right, 1);
        }
    }

    unsafe fn block(&self, input: *mut u8, start: usize, end: usize, out: *mut u8, tile: &mut Tile) {
        let offset = input as isize - self.reduced.data[0] as isize;
        let (run, [along]) = self.reduced.innermost();
        let n = end - start;
        if self.in_one_run(start, n) {
            let [at] = self.reduced.locate(start);
            // SAFETY: the operand reaches these elements, which lie packed in one run.
            return unsafe { self.op.run(at.wrapping_offset(offset), n, start as i64, out) };
        }
        if run >= LONG_RUN && self.packed() {
            let mut first = start;
            self.reduced.each_run(start..end, |[at], n| {
                let mut part = Room::default();
                let part = part.as_mut_ptr().cast::<u8>();
                let at = at.wrapping_offset(offset);
                // SAFETY: the operand reaches these elements; each result has room for a partial.
                unsafe {
                    if first == start {
                        self.op.run(at, n, first as i64, out);
                    } else {
                        self.op.run(at, n, first as i64, part);
                        self.op.merge(out, part, 1);
                    }
                }
                first += n;
            });
            return;
        }
        tile.resize(BLOCK * self.item / 8, 0);
        let packed = tile.as_mut_ptr().cast::<u8>();
        let mut filled = 0;
        self.reduced.each_run(start..end, |[at], n| {
            // SAFETY: the operand reaches these elements, and the tile has room for a block.
            unsafe { self.bring(packed.add(filled * self.item), at.wrapping_offset(offset), along, n) }
            filled += n;
        });
        // SAFETY: `n` items were packed.
        unsafe { self.op.run(packed, n, start as i64, out) }
    }

    /// Input elements are items, and lie packed in the innermost reduced loop.
    fn packed(&self) -> bool {
        self.load.is_none() && self.reduced.innermost().1 == [self.size as i64]
    }
    fn in_one_run(&self, start: usize, n: usize) -> bool {
        let (run, _) = self.reduced.innermost();
        self.packed() && start % run + n <= run
    }

    /// Packs `n` input elements `step` bytes apart.
    ///
    /// # Safety
    /// Both sides must hold them.
    unsafe fn bring(&self, to: *mut u8, from: *const u8, step: i64, n: usize) {
        // SAFETY: handed on.
        unsafe {
            match &self.load {
                Some(caster) => caster.run(to, self.item as i64, from, step, n),
                None => run_of_size(self.item, to, self.item as i64, from, step, n),
            }
        }
    }

    /// Outputs side by side, a panel of elements at a time.
    fn by_columns(&self) {
        let (outer, width, [across, steps @ ..]) = self.kept.clone().split_innermost();
        let lanes = PANEL_BYTES / self.item;
        let (tiles, segments) = (width.div_ceil(lanes), self.count.div_ceil(SEGMENT_ROWS));
        let work = lanes.min(width) * SEGMENT_ROWS.min(self.count);
        let columns = |unit: usize, segment: usize| {
            let ([input, outputs @ ..], left) = (outer.locate(unit / tiles), unit % tiles * lanes);
            let moved = |at: *mut u8, step: i64| at.wrapping_offset(left as isize * step as isize);
            let end = ((segment + 1) * SEGMENT_ROWS).min(self.count);
            let n = lanes.min(width - left);
            let columns = Columns { input: moved(input, across), across, start: segment * SEGMENT_ROWS, end, n };
            (columns, [moved(outputs[0], steps[0]), moved(outputs[1], steps[1])])
        };
        let units = outer.numel() * tiles;
        let row = lanes * self.types.partial;
        if segments == 1 {
            return parallel_for(units, (GRAIN / work).max(1), |range| {
                let (mut partials, mut tile) = (vec![0u64; self.depth() * row / 8], Tile::new());
                let partials = partials.as_mut_ptr().cast::<u8>();
                for unit in range {
                    let (columns, outputs) = columns(unit, 0);
                    // SAFETY: `partials` has a row for each level of the tree; the operands reach these outputs.
                    unsafe {
                        self.column_tree(&columns, 0, partials, &mut tile);
                        self.put(partials, columns.n, outputs, steps);
                    }
                }
            });
        }
        let mut whole = vec![0u64; units * segments * row / 8];
        let results = Results(whole.as_mut_ptr().cast());
        parallel_for(units * segments, (GRAIN / work).max(1), |range| {
            let (mut partials, mut tile) = (vec![0u64; self.depth() * row / 8], Tile::new());
            let partials = partials.as_mut_ptr().cast::<u8>();
            for piece in range {
                let (columns, _) = columns(piece / segments, piece % segments);
                // SAFETY: as above; each piece is visited once and has its own row of results.
                unsafe {
                    self.column_tree(&columns, columns.start, partials, &mut tile);
                    std::ptr::copy_nonoverlapping(partials, results.at(piece * row), columns.n * self.types.partial);
                }
            }
        });
        for unit in 0..units {
            let (columns, outputs) = columns(unit, 0);
            let first = results.at(unit * segments * row);
            // SAFETY: a row of partials a segment, and these outputs' elements.
            unsafe {
                self.tree_of_rows(first, segments, lanes);
                self.put(first, columns.n, outputs, steps);
            }
        }
    }

    /// Levels of the tree over one segment's panels.
    fn depth(&self) -> usize {
        1 + SEGMENT_ROWS.min(self.count).div_ceil(PANEL_ROWS).next_power_of_two().ilog2() as usize
    }

    /// Combines the panels from `start` to the columns' end pairwise, into the first row of `partials`.
    ///
    /// # Safety
    /// `partials` has a row of a panel's width for each level of the tree.
    unsafe fn column_tree(&self, columns: &Columns, start: usize, partials: *mut u8, tile: &mut Tile) {
        let panels = (columns.end - start).div_ceil(PANEL_ROWS);
        // SAFETY: handed on; a smaller range has fewer levels.
        unsafe {
            if panels == 1 {
                return self.panel(columns, start, partials, tile);
            }
            let middle = start + halve(panels) * PANEL_ROWS;
            self.column_tree(&Columns { end: middle, ..*columns }, start, partials, tile);
            let right = partials.add(PANEL_BYTES / self.item * self.types.partial);
            self.column_tree(columns, middle, right, tile);
            self.op.merge(partials, right, columns.n);
        }
    }

    unsafe fn panel(&self, columns: &Columns, first: usize, out: *mut u8, tile: &mut Tile) {
        let rows = columns.end - first;
        let offset = columns.input as isize - self.reduced.data[0] as isize;
        let (run, [along]) = self.reduced.innermost();
        let width = columns.n;
        let panel = if self.load.is_none() && columns.across == self.size as i64 && first % run + rows <= run {
            let [at] = self.reduced.locate(first);
            RawPanel { data: at.wrapping_offset(offset), step: along as isize, rows, width }
        } else {
            tile.resize(PANEL_ROWS * PANEL_BYTES / 8, 0);
            let packed = tile.as_mut_ptr().cast::<u8>();
            let step = width * self.item;
            let mut filled = 0;
            self.reduced.each(first..columns.end, |[at]| {
                // SAFETY: the operand reaches these elements; the tile has room for PANEL_ROWS rows.
                unsafe { self.bring(packed.add(filled), at.wrapping_offset(offset), columns.across, width) }
                filled += step;
            });
            RawPanel { data: packed, step: step as isize, rows, width }
        };
        // SAFETY: the panel is there, and `out` has a partial for each column.
        unsafe { self.op.columns(panel, first as i64, out) }
    }

    /// Combines `n` rows of `width` partials pairwise, into the first of them.
    unsafe fn tree_of_rows(&self, rows: *mut u8, n: usize, width: usize) {
        if n > 1 {
            let middle = halve(n);
            // SAFETY: both halves lie within the rows.
            unsafe {
                let right = rows.add(middle * width * self.types.partial);
                self.tree_of_rows(rows, middle, width);
                self.tree_of_rows(right, n - middle, width);
                self.op.merge(rows, right, width);
            }
        }
    }
}

/// Which elements one piece of work by columns takes.
#[derive(Clone, Copy)]
struct Columns {
    /// The first column's first element.
    input: *mut u8,
    /// Bytes from a column to the next.
    across: i64,
    /// The rows.
    start: usize,
    end: usize,
    /// The columns.
    n: usize,
}

/// Where threads leave their results.
struct Results(*mut u8);
// SAFETY: every byte is written by one thread, and read when all of them have left.
unsafe impl Sync for Results {}
impl Results {
    fn at(&self, offset: usize) -> *mut u8 {
        self.0.wrapping_add(offset)
    }
}

/// Where a tree over `n` leaves is cut: its left side is full.
fn halve(n: usize) -> usize {
    n.next_power_of_two() / 2
}
