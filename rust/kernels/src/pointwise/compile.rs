//! A program made ready for one number type: a list of slice kernels with numbered places for what they read and write.
use super::kernel::{self, Compute, Kernel, ROOM};
use crate::expr::{Node, Primitive, Program};
use crate::lanes::Isa;
use rustorch_base::{Result, bail};
use std::sync::OnceLock;

/// Elements of a tile: a few KiB for each temporary, so that all of them stay in the L1 cache.
pub const TILE: usize = 512;
/// Places a program may use at once.
pub const PLACES: usize = 128;

/// One kernel call. Places are numbered: inputs, outputs, slots, constants.
pub struct Step {
    pub kernel: Kernel,
    /// [`ROOM`] for a result that goes to a slot: there the last vector is stored whole.
    pub room: usize,
    pub to: u8,
    pub arguments: [u8; 3],
}

/// A compiled program.
pub struct Compiled {
    pub steps: Vec<Step>,
    pub inputs: usize,
    pub outputs: usize,
    /// Temporaries; they share slots as they end.
    pub slots: usize,
    pub constants: usize,
    /// Literals, each written out to a whole tile.
    pub tiles: Vec<Line>,
    pub compute: Compute,
    /// Inputs that the program reads (bit i).
    pub reads: u64,
    /// The program is this one kernel of its inputs, in order.
    pub single: Option<Kernel>,
    /// An integer division is among the steps.
    pub divides: bool,
}

/// A cache line: tiles are laid out in these so that a vector load never crosses one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Line(pub [u8; 64]);

/// Bytes from one tile to the next: a tile and some lines, or all slots would meet in the same sets of the L1 cache and
/// a load would seem to hit an unfinished store 4 KiB away. The lines are also the room behind a tile.
pub const fn tile_bytes(element: usize) -> usize {
    TILE * element + 192
}

/// The compiled forms of a program, made when first asked for.
#[derive(Default)]
pub struct Compilations([OnceLock<Option<Compiled>>; Compute::ALL.len()]);

impl Program {
    /// Compiled for the best instruction set of this machine.
    #[inline]
    pub fn compiled(&self, compute: Compute) -> Result<&Compiled> {
        match self.compilations.0[compute as usize].get_or_init(|| Compiled::new(self, compute, Isa::best())) {
            Some(compiled) => Ok(compiled),
            None => bail!(not_implemented, "a pointwise program of {} steps for {}", self.cost(), compute.dtype().name()),
        }
    }
}

/// A step before places are known: (primitive, its node, argument nodes).
type Line3 = (Primitive, usize, [usize; 3]);

/// The steps of a program. A product that is used once, by a sum or a product, joins it in one step.
fn lines(program: &Program) -> Vec<Line3> {
    use Primitive::{Add, Mul, MulAdd, MulMul, MulSub, Sub, SubMul};
    let source = |i: u32| program.source(i);
    let mut uses = vec![0; program.nodes.len()];
    for &o in &program.outputs {
        uses[source(o)] += 2;
    }
    for (i, node) in program.nodes.iter().enumerate().rev() {
        if let (Node::Apply(p, a), true) = (node, uses[i] > 0) {
            a[..p.arity()].iter().for_each(|&j| uses[source(j)] += 1);
        }
    }
    let mut code: Vec<Line3> = vec![];
    for (i, node) in program.nodes.iter().enumerate() {
        let Node::Apply(p, a) = *node else { continue };
        if uses[i] == 0 {
            continue; // only a gradient rule reads it
        }
        let a = a.map(source);
        let product = |j: usize| if uses[j] == 1 { code.iter().position(|line| line.1 == j && line.0 == Mul) } else { None };
        let joined = match p {
            Add => product(a[0]).map(|at| (MulAdd, at, a[1])).or(product(a[1]).map(|at| (MulAdd, at, a[0]))),
            Mul => product(a[0]).map(|at| (MulMul, at, a[1])).or(product(a[1]).map(|at| (MulMul, at, a[0]))),
            Sub => product(a[0]).map(|at| (MulSub, at, a[1])).or(product(a[1]).map(|at| (SubMul, at, a[0]))),
            _ => None,
        };
        let line = match joined {
            Some((q, at, c)) => {
                let (_, _, [x, y, _]) = code.remove(at);
                (q, i, [x, y, c])
            }
            None => (p, i, std::array::from_fn(|k| a[if k < p.arity() { k } else { 0 }])),
        };
        code.push(line);
    }
    code
}

/// Where a value lives. Slots and constants are numbered apart and joined at the end.
#[derive(Clone, Copy)]
enum Place {
    Nowhere,
    Fixed(usize),
    Slot(usize),
    Constant(usize),
}

impl Compiled {
    /// None where a primitive does not exist for the number type, or the program needs too many places.
    pub fn new(program: &Program, compute: Compute, isa: Isa) -> Option<Compiled> {
        let (inputs, outputs) = (program.inputs, program.outputs.len());
        let code = lines(program);
        let mut last_use = vec![0; program.nodes.len()];
        for (t, (p, _, arguments)) in code.iter().enumerate() {
            arguments[..p.arity()].iter().for_each(|&j| last_use[j] = t);
        }
        let result_of: Vec<usize> = program.outputs.iter().map(|&o| program.source(o)).collect();
        for &o in &result_of {
            last_use[o] = usize::MAX;
        }

        let (mut free, mut slots, mut literals) = (vec![], 0, vec![]);
        let mut places: Vec<Place> = vec![Place::Nowhere; program.nodes.len()];
        let mut reads = 0u64;
        for (i, node) in program.nodes.iter().enumerate() {
            match *node {
                Node::Input(k) => {
                    places[i] = Place::Fixed(k as usize);
                    reads |= 1 << k;
                }
                Node::Constant(bits) => {
                    places[i] = Place::Constant(literals.len());
                    literals.push(f64::from_bits(bits));
                }
                _ => {}
            }
        }
        for (t, &(p, i, arguments)) in code.iter().enumerate() {
            // A slot whose value ends here may take the result: lanes are independent, and blocks are read before written.
            for (k, &j) in arguments[..p.arity()].iter().enumerate() {
                if let (Place::Slot(slot), true) = (places[j], last_use[j] == t && !arguments[..k].contains(&j)) {
                    free.push(slot);
                }
            }
            places[i] = match result_of.iter().position(|&o| o == i) {
                Some(k) => Place::Fixed(inputs + k),
                None => Place::Slot(free.pop().unwrap_or_else(|| {
                    slots += 1;
                    slots - 1
                })),
            };
        }
        if inputs + outputs + slots + literals.len() > PLACES {
            return None;
        }
        let number = |place: Place| match place {
            Place::Fixed(i) => i,
            Place::Slot(s) => inputs + outputs + s,
            Place::Constant(c) => inputs + outputs + slots + c,
            Place::Nowhere => usize::MAX,
        };
        let mut steps = Vec::with_capacity(code.len());
        for &(p, i, arguments) in &code {
            steps.push(Step {
                kernel: kernel::primitive(p, compute, isa)?,
                room: if matches!(places[i], Place::Slot(_)) { ROOM } else { 0 },
                to: u8::try_from(number(places[i])).ok()?,
                arguments: arguments.map(|j| number(places[j]) as u8),
            });
        }
        for (k, &o) in result_of.iter().enumerate() {
            let (from, to) = (number(places[o]), inputs + k);
            if from != to {
                let kernel = kernel::primitive(Primitive::Copy, compute, isa)?;
                steps.push(Step { kernel, room: 0, to: u8::try_from(to).ok()?, arguments: [u8::try_from(from).ok()?; 3] });
            }
        }
        let single = match (&steps[..], &code[..]) {
            ([step], [line]) if (0..line.0.arity()).all(|k| step.arguments[k] as usize == k) && outputs == 1 => Some(step.kernel),
            _ => None,
        };
        let divides = code.iter().any(|line| line.0.divides()) && !matches!(compute, Compute::F32 | Compute::F64);
        let constants = literals.len();
        Some(Compiled { steps, inputs, outputs, slots, constants, tiles: tiles_of(&literals, compute), compute, reads, single, divides })
    }
}

/// Each literal written out to a tile.
fn tiles_of(literals: &[f64], compute: Compute) -> Vec<Line> {
    let stride = tile_bytes(compute.size());
    let mut bytes = vec![Line([0; 64]); literals.len() * stride / 64];
    for (k, &literal) in literals.iter().enumerate() {
        let element: [u8; 8] = match compute {
            Compute::F32 => u64::from((literal as f32).to_bits()).to_le_bytes(),
            Compute::F64 => literal.to_le_bytes(),
            Compute::I32 => i64::from(literal as i32).to_le_bytes(),
            Compute::I64 => (literal as i64).to_le_bytes(),
            Compute::U64 => (literal as u64).to_le_bytes(),
        };
        for i in 0..TILE * compute.size() {
            let at = k * stride + i;
            bytes[at / 64].0[at % 64] = element[i % compute.size()];
        }
    }
    bytes
}
