//! The Python extension module `rustorch._C`: the table of ops as Python functions and methods, the parsing of their
//! arguments, the type `Tensor`, and nothing else.
#![allow(non_snake_case, reason = "the crate's name is the module's")]
mod autograd;
mod call;
mod data;
mod error;
mod interrupt;
mod objects;
mod optim;
mod service;
mod settings;
mod tensor;

use call::entry::Form;
use pyo3::prelude::*;

/// Functions of `torch.nn.functional` that are ops.
fn nn_module(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "rustorch._C._nn")?;
    call::entry::add_functions(&module, Form::Nn)?;
    parent.add("_nn", &module)?;
    // So that the functions pickle by name.
    parent.py().import("sys")?.getattr("modules")?.set_item("rustorch._C._nn", module)
}

#[pymodule]
#[pyo3(name = "_C")]
fn extension(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interrupt::install();
    rustorch_core::ops::warning::install(|message| Python::attach(|py| error::user_warning(py, message)).map_err(error::to_core));
    objects::dtype::register(module)?;
    objects::device::register(module)?;
    objects::layout::register(module)?;
    objects::limits::register(module)?;
    objects::size::register(module)?;
    objects::generator::register(module)?;
    call::overrides::register(module)?;
    tensor::spec::create(module)?;
    tensor::spec::add_override(module)?;
    tensor::collect::register(module)?;
    call::entry::add_functions(module, Form::Function)?;
    nn_module(module)?;
    data::register(module)?;
    autograd::register(module)?;
    optim::register(module)?;
    service::register(module)?;
    settings::register(module)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("OutOfMemoryError", module.py().get_type::<error::OutOfMemoryError>())?;
    module.add("_LinAlgError", module.py().get_type::<error::LinAlgError>())?;
    module.add_function(wrap_pyfunction!(tensor::pickle::rebuild, module)?)?;
    module.add_function(wrap_pyfunction!(call::document::stub, module)?)?;
    module.add_function(wrap_pyfunction!(call::check::check_table, module)?)
}
