//! A pointwise function as a list of primitives.
use super::gradient::Gradient;
use super::primitive::Primitive;
use super::record::{Expr, MarkedGradient, Recorder};
use crate::pointwise::compile::Compilations;
use std::sync::{Arc, RwLock};

/// One value of a program. Arguments are indices of earlier nodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    Input(u32),
    /// The bits of an f64: a literal of the formula. (Numbers that a user gives are inputs, and stay exact.)
    Constant(u64),
    Apply(Primitive, [u32; 3]),
    /// The value of another node, known by a gradient of its own. A node apart, so that an equal value which somebody
    /// computes plainly keeps the mechanical rule.
    Marked {
        value: u32,
        mark: u32,
    },
}

/// A gradient given by hand, tied to a node: so it holds wherever the function is used, not only at the top.
#[derive(Clone, Debug)]
pub struct Mark {
    pub arguments: Vec<u32>,
    pub gradient: MarkedGradient,
}
impl PartialEq for Mark {
    // Functions whose addresses are equal because the compiler merged them do the same.
    fn eq(&self, other: &Mark) -> bool {
        self.arguments == other.arguments && std::ptr::fn_addr_eq(self.gradient, other.gradient)
    }
}

/// Nodes in order of evaluation; all of them reach an output. Compiled forms and gradients are made when first asked
/// for and kept.
#[derive(Default)]
pub struct Program {
    pub inputs: usize,
    pub nodes: Vec<Node>,
    pub outputs: Vec<u32>,
    pub marks: Vec<Mark>,
    /// Inputs and outputs are pairs of parts (re, im) of complex numbers.
    pub complex: bool,
    pub(crate) compilations: Compilations,
    gradients: RwLock<Vec<(u32, Arc<Gradient>)>>,
}

impl Program {
    /// Runs `f` on placeholders. What does not reach an output is dropped.
    pub fn record(inputs: usize, f: impl FnOnce(&[Expr]) -> Vec<Expr>) -> Program {
        let (recorder, outputs) = Recorder::listen(|| {
            let x: Vec<Expr> = (0..inputs).map(Expr::input).collect();
            f(&x)
        });
        let program = Program { inputs, nodes: recorder.nodes, outputs, marks: recorder.marks, ..Program::default() };
        program.without_dead_nodes()
    }
    /// [`Program::record`] for a function of N values with one result.
    pub fn of<const N: usize>(f: impl FnOnce([Expr; N]) -> Expr) -> Program {
        Program::record(N, |x| vec![f(std::array::from_fn(|i| x[i]))])
    }

    /// The values of all nodes, recorded again into the program being made.
    pub(super) fn replay(&self, x: &[Expr]) -> Vec<Expr> {
        let mut values: Vec<Expr> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            values.push(match *node {
                Node::Input(i) => x[i as usize],
                Node::Constant(bits) => Expr::constant(f64::from_bits(bits)),
                Node::Apply(p, a) => Expr::apply(p, a.map(|i| values.get(i as usize).copied().unwrap_or(x[0]))),
                Node::Marked { value, mark } => {
                    let mark = &self.marks[mark as usize];
                    let arguments: Vec<Expr> = mark.arguments.iter().map(|&a| values[a as usize]).collect();
                    Expr::mark(values[value as usize], &arguments, mark.gradient)
                }
            });
        }
        values
    }

    /// The nodes a node's value or gradient is worked out from.
    fn arguments(&self, node: Node) -> Vec<u32> {
        match node {
            Node::Apply(p, a) => a[..p.arity()].to_vec(),
            Node::Marked { value, mark } => self.marks[mark as usize].arguments.iter().copied().chain([value]).collect(),
            Node::Input(_) | Node::Constant(_) => vec![],
        }
    }

    fn without_dead_nodes(mut self) -> Program {
        let mut live = vec![false; self.nodes.len()];
        for &output in &self.outputs {
            live[output as usize] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if live[i] {
                for a in self.arguments(self.nodes[i]) {
                    live[a as usize] = true;
                }
            }
        }
        let mut moved = vec![0u32; live.len()];
        let mut nodes = Vec::new();
        let mut marks = Vec::new();
        for (i, &node) in self.nodes.iter().enumerate().filter(|(i, _)| live[*i]) {
            moved[i] = nodes.len() as u32;
            nodes.push(match node {
                Node::Apply(p, a) => Node::Apply(p, std::array::from_fn(|k| if k < p.arity() { moved[a[k] as usize] } else { 0 })),
                Node::Marked { value, mark } => {
                    let old = &self.marks[mark as usize];
                    marks.push(Mark { arguments: old.arguments.iter().map(|&a| moved[a as usize]).collect(), gradient: old.gradient });
                    Node::Marked { value: moved[value as usize], mark: marks.len() as u32 - 1 }
                }
                other => other,
            });
        }
        self.outputs.iter_mut().for_each(|o| *o = moved[*o as usize]);
        (self.nodes, self.marks) = (nodes, marks);
        self
    }

    /// The node that holds a node's value: marks are seen through.
    pub(crate) fn source(&self, node: u32) -> usize {
        match self.nodes[node as usize] {
            Node::Marked { value, .. } => self.source(value),
            _ => node as usize,
        }
    }

    /// How many primitives run for an element.
    pub fn cost(&self) -> usize {
        self.nodes.iter().filter(|n| matches!(n, Node::Apply(..))).count()
    }
    /// The value depends on this input.
    pub fn reads(&self, input: usize) -> bool {
        self.nodes.contains(&Node::Input(input as u32))
    }
    /// One element in f64: the meaning of a program, and the reference of the tests. None where it works on bits.
    pub fn evaluate(&self, x: &[f64]) -> Option<Vec<f64>> {
        let mut values: Vec<f64> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let value = match *node {
                Node::Input(i) => x[i as usize],
                Node::Constant(bits) => f64::from_bits(bits),
                Node::Apply(p, a) => p.constant(a.map(|i| values.get(i as usize).copied().unwrap_or(0.0)))?,
                Node::Marked { value, .. } => values[value as usize],
            };
            values.push(value);
        }
        Some(self.outputs.iter().map(|&o| values[o as usize]).collect())
    }

    /// Differentiates: the gradient for the wanted inputs (a bit mask). Its inputs are this program's inputs, its
    /// results, and a cotangent for each result; its outputs one for each wanted input, in order. Made once, kept.
    pub fn gradient(&self, wanted: u32) -> Arc<Gradient> {
        let known = |list: &Vec<(u32, Arc<Gradient>)>| list.iter().find(|g| g.0 == wanted).map(|g| g.1.clone());
        if let Some(gradient) = self.gradients.read().ok().and_then(|list| known(&list)) {
            return gradient;
        }
        let gradient = Arc::new(Gradient::of(self, wanted));
        if let Ok(mut list) = self.gradients.write() {
            if let Some(first) = known(&list) {
                return first;
            }
            list.push((wanted, gradient.clone()));
        }
        gradient
    }
}
