//! The one derivative of all pointwise ops: the gradient of the program that ran, which is a program again.
use super::{execute, result_strides};
use crate::array::Array;
use crate::autograd::node::{Context, Edges, Grads, NodeOf, Rule, SavedList};
use crate::autograd::record::attach;
use crate::autograd::{Saved, tracks};
use crate::op::TensorOrNumber;
use crate::ops::{copy, reduce};
use crate::tensor::Tensor;
use rustorch_base::{DType, Dims, Layout, Result};
use rustorch_kernels::Number;
use rustorch_kernels::expr::{Gradient, Program};
use smallvec::{SmallVec, smallvec};
use std::any::Any;
use std::sync::Arc;

/// What an input of a recorded program is.
enum Argument {
    Number(Number),
    /// The shape is kept only where it differs from the one that was computed over.
    Tensor {
        shape: Option<Box<Dims>>,
        dtype: DType,
    },
}
/// What each input of a program is to autograd.
type Arguments = SmallVec<[Argument; 4]>;

/// The one derivative of all pointwise ops: the gradient of the program that ran.
struct ProgramRule {
    name: &'static str,
    gradient: Arc<Gradient>,
    /// Bit i: the gradient program has an output for input i.
    wanted: u32,
    compute: DType,
    arguments: Arguments,
    /// The shape that was computed over.
    shape: Dims,
    outputs: usize,
}

/// A program that ran, to be entered into the graph.
pub(super) struct Record<'a> {
    pub name: &'static str,
    pub program: &'a Arc<Program>,
    pub compute: DType,
    /// What was computed over, if not the shape of the first output.
    pub shape: Option<&'a Dims>,
    /// The output is memory that inputs may share: such inputs are saved as of before this write.
    pub over_inputs: bool,
}

impl Record<'_> {
    /// Hangs a node on the outputs.
    pub(super) fn hang(&self, operands: &[TensorOrNumber<'_>], outputs: &[&Tensor]) -> Result<()> {
        let over: &[i64] = match self.shape {
            Some(shape) => shape,
            None => outputs.first().map_or(&[][..], |out| out.shape()),
        };
        let mut edges = Edges::new();
        let mut wanted = 0u32;
        let mut arguments = Arguments::new();
        for (i, operand) in operands.iter().enumerate() {
            match operand {
                TensorOrNumber::Number(number) => arguments.push(Argument::Number(*number)),
                TensorOrNumber::Tensor(tensor) => {
                    let edge = if tensor.dtype().is_differentiable() { tensor.grad_edge()? } else { None };
                    wanted |= u32::from(edge.is_some()) << i;
                    edges.push(edge);
                    let shape = (tensor.shape() != over).then(|| Box::new(tensor.shape().into()));
                    arguments.push(Argument::Tensor { shape, dtype: tensor.dtype() });
                }
            }
        }
        let gradient = self.program.gradient(wanted);
        let saved = self.saved(&gradient, operands, outputs)?;
        let shape = over.into();
        let rule = ProgramRule { name: self.name, gradient, wanted, compute: self.compute, arguments, shape, outputs: outputs.len() };
        attach(&NodeOf::new(rule, edges, saved), outputs);
        Ok(())
    }
    /// What the gradient reads: inputs, then results.
    fn saved(&self, gradient: &Gradient, operands: &[TensorOrNumber<'_>], outputs: &[&Tensor]) -> Result<SavedList> {
        let mut saved = SavedList::new();
        for (i, operand) in operands.iter().enumerate() {
            if let TensorOrNumber::Tensor(tensor) = operand {
                let read = gradient.reads_input & 1 << i != 0;
                let shared = self.over_inputs && outputs.iter().any(|out| out.array().storage.same(&tensor.array().storage));
                saved.push(match read {
                    false => Saved::Nothing,
                    true if shared => Saved::before_write(tensor),
                    true => Saved::input(tensor),
                });
            }
        }
        for (slot, output) in outputs.iter().enumerate() {
            saved.push(if gradient.reads_result { Saved::output(output, slot as u32) } else { Saved::Nothing });
        }
        for value in &saved {
            value.check()?;
        }
        Ok(saved)
    }
}

impl Rule for ProgramRule {
    fn name(&self) -> &str {
        self.name
    }
    fn backward(&self, context: &Context, cotangents: &[Option<Tensor>]) -> Result<Grads> {
        let tensors = self.arguments.iter().filter(|a| matches!(a, Argument::Tensor { .. })).count();
        // Saved values in the order of the program's inputs: the tensors, then the results.
        let mut held: SmallVec<[Option<Tensor>; 6]> = SmallVec::new();
        for index in 0..tensors + self.outputs {
            held.push(context.saved_optional(index)?);
        }
        let nothing = TensorOrNumber::Number(Number::Int(0));
        let mut operands: SmallVec<[TensorOrNumber<'_>; 8]> = SmallVec::new();
        let mut next = 0;
        for argument in &self.arguments {
            operands.push(match argument {
                Argument::Number(number) => TensorOrNumber::Number(*number),
                Argument::Tensor { .. } => {
                    next += 1;
                    held[next - 1].as_ref().map_or(nothing, TensorOrNumber::Tensor)
                }
            });
        }
        for result in &held[tensors..] {
            operands.push(result.as_ref().map_or(nothing, TensorOrNumber::Tensor));
        }
        for slot in 0..self.outputs {
            operands.push(cotangents.get(slot).and_then(Option::as_ref).map_or(nothing, TensorOrNumber::Tensor));
        }
        self.gradients(context, &operands)
    }
    /// The tensors come first, then the results.
    fn saved_index(&self, name: &str) -> Option<usize> {
        let tensors = self.arguments.iter().filter(|a| matches!(a, Argument::Tensor { .. })).count();
        match name {
            "self" => Some(0),
            "other" | "exponent" if tensors == 2 => Some(1),
            "result" if self.outputs > 0 => Some(tensors),
            _ => None,
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ProgramRule {
    /// Runs the gradient program; what was broadcast is summed back.
    fn gradients(&self, context: &Context, operands: &[TensorOrNumber<'_>]) -> Result<Grads> {
        let own = |shape: &'_ Option<Box<Dims>>| -> Dims { shape.as_ref().map_or_else(|| self.shape.clone(), |shape| (**shape).clone()) };
        let wanted: SmallVec<[(usize, usize, Dims, DType); 3]> = self
            .arguments
            .iter()
            .enumerate()
            .filter_map(|(i, a)| if let Argument::Tensor { shape, dtype } = a { Some((i, own(shape), *dtype)) } else { None })
            .enumerate()
            .map(|(edge, (i, shape, dtype))| (edge, i, shape, dtype))
            .collect();
        let mut outputs: SmallVec<[Tensor; 3]> = SmallVec::new();
        let strides = result_strides(operands, &self.shape);
        for (_, i, shape, dtype) in &wanted {
            let (i, dtype) = (*i, *dtype);
            if self.wanted & 1 << i != 0 {
                // Cast on the way out where nothing has to be summed.
                let dtype = if shape[..] == self.shape[..] { dtype } else { self.compute };
                let layout = Layout { shape: self.shape.clone(), strides: strides.clone(), offset: 0 };
                outputs.push(Tensor::new(Array::with_layout(layout, dtype, crate::Device::CPU)?));
            }
        }
        let program = &self.gradient.program;
        execute(program, self.compute, &self.shape, &outputs.iter().map(Tensor::array).collect::<SmallVec<[&Array; 3]>>(), operands)?;
        let tensors: SmallVec<[&Tensor; 6]> =
            operands.iter().filter_map(|o| if let TensorOrNumber::Tensor(t) = o { Some(*t) } else { None }).collect();
        if tracks(&tensors) {
            let node = Record { name: self.name, program, compute: self.compute, shape: Some(&self.shape), over_inputs: false };
            node.hang(operands, &outputs.iter().collect::<SmallVec<[&Tensor; 3]>>())?;
        }
        let mut gradients: Grads = smallvec![None; wanted.len()];
        let mut computed = outputs.into_iter();
        for (edge, i, shape, dtype) in wanted {
            if self.wanted & 1 << i == 0 {
                continue;
            }
            if let Some(full) = computed.next()
                && context.needs(edge)
            {
                let summed = if full.shape() == &shape[..] { full } else { reduce::sum_to(&full, &shape)? };
                gradients[edge] = Some(copy::cast(&summed, dtype)?);
            }
        }
        Ok(gradients)
    }
}
