//! The Python extension module `rustorch._C`: tables, argument parsing and the Tensor type; nothing else.
