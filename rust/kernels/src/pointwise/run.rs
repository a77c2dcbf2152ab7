//! The executor: any program over any layout and dtypes, tile by tile.
use super::compile::{Compiled, Line, PLACES, TILE, tile_bytes};
use super::kernel::{Compute, Kernel};
use super::plan::{Plan, Walk, is_dense};
use crate::cpu::cast::{Convert, cast, convert};
use crate::cpu::copy::run_of_size;
use crate::cpu::threads::parallel_for;
use crate::expr::Program;
use crate::lanes::integer::take_divided_by_zero;
use crate::operand::{Number, Operand};
use rustorch_base::{DType, Result, bail, ensure};
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

/// One input of a program.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    Array(Operand<'a>),
    /// Exact: an integer of any size reaches an integer program whole.
    Number(Number),
}

/// Runs a program over a shape: `outputs[k][i] = f_k(inputs[..][i])`. `compute` is the dtype in which PyTorch works it;
/// operands of other dtypes are cast as they are read and written. An output may be an input, element for element.
///
/// Errors: the program has no meaning for the dtype (NotImplementedError), or an integer division met a zero divisor
/// (RuntimeError "ZeroDivisionError"; the outputs are then partly written).
pub fn run(program: &Program, compute: DType, shape: &[i64], outputs: &[Operand], inputs: &[Input]) -> Result<()> {
    let numel = shape.iter().product::<i64>() as usize;
    if numel == 0 {
        return Ok(());
    }
    let compiled = program.compiled(Compute::of(compute))?;
    ensure!(
        outputs.len() == compiled.outputs && inputs.len() == compiled.inputs,
        runtime,
        "a program of {} inputs and {} outputs was given {} and {}",
        compiled.inputs,
        compiled.outputs,
        inputs.len(),
        outputs.len()
    );
    let divided_by_zero = match whole(compiled, compute, shape, outputs, inputs) {
        Some(whole) => in_parts(compiled, numel, |start, end| whole.execute(start, end)),
        None if small(compiled, compute, shape, numel, outputs, inputs) => compiled.divides && take_divided_by_zero(),
        None => {
            let execution = Execution::new(compiled, compute, shape, numel, outputs, inputs);
            in_parts(compiled, numel, |start, end| execution.execute(start, end))
        }
    };
    if divided_by_zero {
        bail!(runtime, "ZeroDivisionError");
    }
    Ok(())
}

/// Elements for which another thread is woken; a multiple of every tile and block, so that no result depends on it.
const GRAIN: usize = 1 << 14;

/// Calls `part(start, end)` for parts of `0..numel`, on several threads if there is enough to do. Whether an integer
/// division met a zero.
#[inline]
fn in_parts(compiled: &Compiled, numel: usize, part: impl Fn(usize, usize) + Sync) -> bool {
    if numel < 2 * GRAIN {
        part(0, numel);
        return compiled.divides && take_divided_by_zero();
    }
    let divided_by_zero = AtomicBool::new(false);
    parallel_for(numel, GRAIN, |range| {
        part(range.start, range.end);
        if compiled.divides && take_divided_by_zero() {
            divided_by_zero.store(true, Ordering::Relaxed);
        }
    });
    divided_by_zero.into_inner()
}

/// The commonest case, one kernel call: a single step over dense arrays of the number type itself.
struct Whole {
    kernel: Kernel,
    output: *mut u8,
    inputs: [*const u8; 3],
    size: usize,
}
// SAFETY: the operands' promise holds on every thread; parts of an execution touch different elements.
unsafe impl Sync for Whole {}
impl Whole {
    #[inline]
    fn execute(&self, start: usize, end: usize) {
        let [a, b, c] = self.inputs.map(|input| input.wrapping_add(start * self.size));
        // SAFETY: the operands' promise; all of them are dense and of the kernel's type.
        unsafe { (self.kernel)(self.output.wrapping_add(start * self.size), a, b, c, end - start) };
    }
}
#[inline]
fn whole(compiled: &Compiled, compute: DType, shape: &[i64], outputs: &[Operand], inputs: &[Input]) -> Option<Whole> {
    let kernel = compiled.single?;
    let native = |operand: &Operand| operand.dtype == compute && is_dense(shape, operand);
    if compute != compiled.compute.dtype() || !native(&outputs[0]) {
        return None;
    }
    let mut pointers = [std::ptr::null(); 3];
    for (k, input) in inputs.iter().enumerate() {
        match input {
            Input::Array(operand) if k < 3 && native(operand) => pointers[k] = operand.data.cast_const(),
            _ if compiled.reads & (1 << k) == 0 => {}
            _ => return None,
        }
    }
    Some(Whole { kernel, output: outputs[0].data, inputs: pointers, size: compute.size() })
}

/// A tile or less of dense arrays of the number type, numbers and still arrays: no plan, no allocation. Says whether it
/// was that.
fn small(compiled: &Compiled, compute: DType, shape: &[i64], numel: usize, outputs: &[Operand], inputs: &[Input]) -> bool {
    let element_size = compiled.compute.size();
    let native = |operand: &Operand| operand.dtype == compute && is_dense(shape, operand);
    let tiles = compiled.slots + inputs.len();
    if numel > TILE || compute != compiled.compute.dtype() || tiles * tile_bytes(element_size) > STACK || outputs.len() != 1 {
        return false;
    }
    let mut stack = MaybeUninit::<[Line; STACK / 64]>::uninit();
    let scratch = stack.as_mut_ptr().cast::<u8>();
    let mut places = Places::new(compiled, scratch);
    for (k, input) in inputs.iter().enumerate() {
        let value = match input {
            _ if compiled.reads & (1 << k) == 0 => continue,
            Input::Array(operand) if native(operand) => {
                places.set(k, operand.data);
                continue;
            }
            Input::Array(operand) if operand.strides.iter().all(|&s| s == 0) => still(operand, compute, compiled.compute),
            Input::Array(_) => return false,
            Input::Number(number) => element(*number, compute),
        };
        let tile = scratch.wrapping_add((compiled.slots + k) * tile_bytes(element_size));
        // SAFETY: a scratch tile has room for this many elements.
        unsafe { fill(tile, value, element_size, numel) };
        places.set(k, tile);
    }
    if !native(&outputs[0]) {
        return false;
    }
    places.set(inputs.len(), outputs[0].data);
    // SAFETY: the operands' promise for the arrays; the tiles hold `numel` elements.
    unsafe { places.steps(compiled, numel) };
    true
}

/// The addresses of a program's numbered places: inputs, outputs, slots, constants.
struct Places([MaybeUninit<*mut u8>; PLACES]);
impl Places {
    /// Slots lie at the start of the scratch memory, a tile each.
    #[inline]
    fn new(compiled: &Compiled, scratch: *mut u8) -> Places {
        let mut places = Places([const { MaybeUninit::uninit() }; PLACES]);
        let moving = compiled.inputs + compiled.outputs;
        let step = tile_bytes(compiled.compute.size());
        for slot in 0..compiled.slots {
            places.set(moving + slot, scratch.wrapping_add(slot * step));
        }
        for constant in 0..compiled.constants {
            let tiles = compiled.tiles.as_ptr().cast::<u8>().cast_mut();
            places.set(moving + compiled.slots + constant, tiles.wrapping_add(constant * step));
        }
        places
    }
    #[inline]
    fn set(&mut self, place: usize, address: *mut u8) {
        self.0[place].write(address);
    }
    /// Runs the steps over `count` elements, a tile at most.
    ///
    /// # Safety
    /// Every place that a step names was set, and holds `count` elements; slots have room for a whole tile and more.
    #[inline]
    unsafe fn steps(&self, compiled: &Compiled, count: usize) {
        for step in &compiled.steps {
            // SAFETY: the caller's promise.
            unsafe {
                let place = |i: u8| self.0[i as usize & (PLACES - 1)].assume_init();
                let [a, b, c] = step.arguments.map(place);
                (step.kernel)(place(step.to), a, b, c, count | step.room);
            }
        }
    }
}

/// One operand as it is walked.
struct Stream {
    data: *mut u8,
    /// Bytes of an element in memory.
    size: usize,
    walk: Walk,
    /// Casts between memory and the number type.
    convert: Option<Convert>,
    /// Its number in the plan.
    operand: usize,
    /// The scratch tile in which it meets the program, and behind it a raw one if it is both strided and cast.
    scratch: Option<usize>,
}

/// A program with its operands.
struct Execution<'a> {
    compiled: &'a Compiled,
    /// None where all streams are dense or still.
    plan: Option<Plan>,
    inputs: SmallVec<[Stream; 6]>,
    outputs: SmallVec<[Stream; 4]>,
    /// Elements of the number type of numbers and still arrays, by input.
    values: SmallVec<[[u8; 8]; 6]>,
    scratch_bytes: usize,
}

// SAFETY: the operands' promise holds on every thread; parts of an execution touch different elements.
unsafe impl Sync for Execution<'_> {}

/// A raw tile holds the widest elements.
const RAW_TILE: usize = TILE * 16;
/// Scratch that lives on the stack; more is allocated.
const STACK: usize = 24 << 10;

impl<'a> Execution<'a> {
    fn new(compiled: &'a Compiled, compute: DType, shape: &[i64], numel: usize, outputs: &[Operand], inputs: &[Input]) -> Execution<'a> {
        let arrays = || outputs.iter().chain(inputs.iter().filter_map(|input| if let Input::Array(a) = input { Some(a) } else { None }));
        let dense = arrays().all(|a| is_dense(shape, a) || (a.strides.iter().all(|&s| s == 0) && !shape.is_empty()));
        let strides: SmallVec<[&[i64]; 12]> = arrays().map(|a| a.strides).collect();
        let plan = (!dense).then(|| Plan::new(shape, &strides));
        // With several outputs an early one must not overwrite an input that a later step reads.
        let guarded = outputs.len() > 1 && outputs.iter().any(|o| inputs.iter().any(|i| matches!(i, Input::Array(a) if a.data == o.data)));

        let mut execution =
            Execution { compiled, plan, inputs: SmallVec::new(), outputs: SmallVec::new(), values: SmallVec::new(), scratch_bytes: 0 };
        execution.scratch_bytes = compiled.slots * tile_bytes(compiled.compute.size());
        let native = compiled.compute.dtype();
        let mut operand = 0;
        for output in outputs {
            let walk = execution.walk(output, operand, numel);
            let convert = (output.dtype != native || guarded).then(|| convert(output.dtype, native));
            let scratch = execution.scratch(walk != Walk::Dense, convert.is_some());
            execution.outputs.push(Stream { data: output.data, size: output.dtype.size(), walk, convert, operand, scratch });
            operand += 1;
        }
        for (k, input) in inputs.iter().enumerate() {
            let unread = compiled.reads & (1 << k) == 0;
            let stream = match input {
                Input::Number(number) => {
                    execution.values.push(element(*number, compute));
                    let scratch = if unread { None } else { execution.scratch(true, false) };
                    Stream { data: std::ptr::null_mut(), size: 0, walk: Walk::Still, convert: None, operand: 0, scratch }
                }
                Input::Array(array) => {
                    operand += 1;
                    let mut walk = execution.walk(array, operand - 1, numel);
                    if array.dtype != compute && numel == 1 {
                        walk = Walk::Still;
                    }
                    let value = if walk == Walk::Still && !unread { still(array, compute, compiled.compute) } else { [0; 8] };
                    execution.values.push(value);
                    let convert = (array.dtype != native && walk != Walk::Still).then(|| convert(native, array.dtype));
                    let scratch = if unread { None } else { execution.scratch(walk != Walk::Dense, convert.is_some()) };
                    Stream { data: array.data, size: array.dtype.size(), walk, convert, operand: operand - 1, scratch }
                }
            };
            execution.inputs.push(stream);
        }
        execution
    }

    fn walk(&self, array: &Operand, operand: usize, numel: usize) -> Walk {
        match &self.plan {
            Some(plan) => plan.walk(operand),
            None if numel > 1 && array.strides.iter().all(|&s| s == 0) => Walk::Still,
            None => Walk::Dense,
        }
    }
    fn scratch(&mut self, tile: bool, cast: bool) -> Option<usize> {
        let at = self.scratch_bytes;
        if tile || cast {
            self.scratch_bytes += tile_bytes(self.compiled.compute.size());
        }
        if tile && cast {
            self.scratch_bytes += RAW_TILE;
        }
        (tile || cast).then_some(at)
    }

    /// Elements `start..end` of the plan's order.
    fn execute(&self, start: usize, end: usize) {
        if self.scratch_bytes <= STACK {
            let mut stack = MaybeUninit::<[Line; STACK / 64]>::uninit();
            self.tiles(stack.as_mut_ptr().cast(), start, end);
        } else {
            let mut heap: Vec<Line> = Vec::with_capacity(self.scratch_bytes.div_ceil(64));
            self.tiles(heap.as_mut_ptr().cast(), start, end);
        }
    }

    /// `scratch`: `scratch_bytes` of writable memory on a cache line.
    fn tiles(&self, scratch: *mut u8, start: usize, end: usize) {
        let mut places = Places::new(self.compiled, scratch);
        for (k, stream) in self.inputs.iter().enumerate() {
            if let (Walk::Still, Some(at)) = (stream.walk, stream.scratch) {
                let tile = scratch.wrapping_add(at);
                places.set(k, tile);
                // SAFETY: a scratch tile has room for this many elements.
                unsafe { fill(tile, self.values[k], self.compiled.compute.size(), (end - start).min(TILE)) };
            }
        }
        let mut position = start;
        while position < end {
            let count = self.tile(position, end);
            for (k, stream) in self.inputs.iter().enumerate() {
                if stream.walk != Walk::Still {
                    places.set(k, self.bring(stream, scratch, position, count));
                }
            }
            for (k, stream) in self.outputs.iter().enumerate() {
                let memory = || stream.data.wrapping_add(position * stream.size);
                places.set(self.inputs.len() + k, stream.scratch.map_or_else(memory, |at| scratch.wrapping_add(at)));
            }
            // SAFETY: every place holds `count` elements; slots hold a whole tile and room behind it.
            unsafe { places.steps(self.compiled, count) };
            for stream in &self.outputs {
                if let Some(at) = stream.scratch {
                    self.put(stream, scratch.wrapping_add(at), position, count);
                }
            }
            position += count;
        }
    }

    /// The elements from a position that are worked at once: within one row of the plan where rows are long.
    fn tile(&self, position: usize, end: usize) -> usize {
        let count = (end - position).min(TILE);
        match &self.plan {
            Some(plan) => {
                let row = plan.shape.last().copied().unwrap_or(1) as usize;
                if row >= TILE / 4 { count.min(row - position % row) } else { count }
            }
            None => count,
        }
    }

    /// Where the program finds `count` elements of an input.
    fn bring(&self, stream: &Stream, scratch: *mut u8, position: usize, count: usize) -> *mut u8 {
        let Some(at) = stream.scratch else { return stream.data.wrapping_add(position * stream.size) };
        let tile = scratch.wrapping_add(at);
        let raw = match (stream.walk, &self.plan) {
            (Walk::Strided, Some(plan)) => {
                let to = if stream.convert.is_some() { tile.wrapping_add(tile_bytes(self.compiled.compute.size())) } else { tile };
                let mut to_here = to;
                runs(plan, stream, position, count, |offset, stride, run| {
                    let from = stream.data.wrapping_offset(offset);
                    // SAFETY: the operand's promise for the source; a raw tile has room for `count` elements.
                    unsafe { run_of_size(stream.size, to_here, stream.size as i64, from, stride, run) };
                    to_here = to_here.wrapping_add(run * stream.size);
                });
                to
            }
            _ => stream.data.wrapping_add(position * stream.size),
        };
        if let Some(convert) = stream.convert {
            // SAFETY: `raw` holds `count` elements of the stream's dtype, `tile` has room for them.
            unsafe { convert(tile, raw, count) };
        }
        tile
    }

    /// Puts `count` results from their tile to memory.
    fn put(&self, stream: &Stream, tile: *mut u8, position: usize, count: usize) {
        let strided = stream.walk == Walk::Strided;
        let mut raw = tile;
        if let Some(convert) = stream.convert {
            raw = if strided {
                tile.wrapping_add(tile_bytes(self.compiled.compute.size()))
            } else {
                stream.data.wrapping_add(position * stream.size)
            };
            // SAFETY: `raw` is a raw tile, or the output's own memory.
            unsafe { convert(raw, tile, count) };
        }
        if let (true, Some(plan)) = (strided, &self.plan) {
            runs(plan, stream, position, count, |offset, stride, run| {
                let to = stream.data.wrapping_offset(offset);
                // SAFETY: the operand's promise for the target; `raw` holds the results.
                unsafe { run_of_size(stream.size, to, stride, raw, stream.size as i64, run) };
                raw = raw.wrapping_add(run * stream.size);
            });
        }
    }
}

/// Calls `f(offset, stride, count)` for each run of an operand along the innermost dimension; offset and stride in bytes.
fn runs(plan: &Plan, stream: &Stream, position: usize, count: usize, mut f: impl FnMut(isize, i64, usize)) {
    let (operand, size) = (stream.operand, stream.size as i64);
    let mut index = plan.index(position as i64);
    let last = plan.shape.len() - 1;
    let mut offset: i64 = index.iter().enumerate().map(|(d, i)| i * plan.stride(d, operand)).sum();
    let mut left = count as i64;
    loop {
        let run = left.min(plan.shape[last] - index[last]);
        f((offset * size) as isize, plan.stride(last, operand) * size, run as usize);
        left -= run;
        if left == 0 {
            return;
        }
        // To the start of the next row.
        offset -= index[last] * plan.stride(last, operand);
        index[last] = 0;
        for d in (0..last).rev() {
            index[d] += 1;
            offset += plan.stride(d, operand);
            if index[d] < plan.shape[d] {
                break;
            }
            offset -= index[d] * plan.stride(d, operand);
            index[d] = 0;
        }
    }
}

/// Repeats an element of the number type.
/// # Safety
/// `to` has room for `count` elements of `size` bytes.
unsafe fn fill(to: *mut u8, element: [u8; 8], size: usize, count: usize) {
    // SAFETY: the caller's promise; scratch tiles are aligned.
    unsafe {
        if size == 4 {
            let [a, b, c, d, ..] = element;
            std::slice::from_raw_parts_mut(to.cast::<u32>(), count).fill(u32::from_ne_bytes([a, b, c, d]));
        } else {
            std::slice::from_raw_parts_mut(to.cast::<u64>(), count).fill(u64::from_ne_bytes(element));
        }
    }
}

/// A number as an element of the number type of a dtype, cut to that dtype as PyTorch casts it.
fn element(number: Number, compute: DType) -> [u8; 8] {
    let real = match number {
        Number::Bool(b) => f64::from(u8::from(b)),
        Number::Int(i) => i as f64,
        Number::Float(f) | Number::Complex(f, _) => f,
    };
    match Compute::of(compute) {
        Compute::F32 => padded((real as f32).to_ne_bytes()),
        Compute::F64 => real.to_ne_bytes(),
        _ => {
            let whole = match number {
                Number::Int(i) => i,
                _ if compute == DType::UInt64 => cast::<u64, f64>(real) as i64,
                _ if compute == DType::Bool => i64::from(real != 0.0),
                _ => cast::<i64, f64>(real),
            };
            wrapped(whole, compute)
        }
    }
}
/// An integer cut to a dtype, as an element of its number type.
fn wrapped(whole: i64, compute: DType) -> [u8; 8] {
    let whole = match compute {
        DType::Bool => i64::from(whole != 0),
        DType::UInt8 => i64::from(whole as u8),
        DType::Int8 => i64::from(whole as i8),
        DType::UInt16 => i64::from(whole as u16),
        DType::Int16 => i64::from(whole as i16),
        DType::UInt32 => i64::from(whole as u32),
        _ => whole,
    };
    if Compute::of(compute).size() == 4 { padded((whole as i32).to_ne_bytes()) } else { whole.to_ne_bytes() }
}
fn padded(bytes: [u8; 4]) -> [u8; 8] {
    let [a, b, c, d] = bytes;
    [a, b, c, d, 0, 0, 0, 0]
}
/// The one element of an array that repeats it. An integer of a wider dtype is cut to the compute dtype.
fn still(array: &Operand, compute: DType, number_type: Compute) -> [u8; 8] {
    let mut element = [0u64; 2];
    let to = element.as_mut_ptr().cast::<u8>();
    let narrow = compute.size() < array.dtype.size() && compute.is_integral();
    let way = if narrow { DType::Int64 } else { number_type.dtype() };
    // SAFETY: the operand's promise: it reaches one element at least.
    unsafe { convert(way, array.dtype)(to, array.data, 1) };
    if narrow { wrapped(element[0] as i64, compute) } else { element[0].to_ne_bytes() }
}
