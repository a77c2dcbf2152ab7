//! Tensors, views, autograd and operators. No Python.
