//! The one error type. Its kind says which Python exception it becomes; the binding owns that table.
use std::any::Any;
use std::fmt;

/// Which exception class a refusal becomes in Python.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    Runtime,
    Value,
    Type,
    Index,
    NotImplemented,
    OutOfMemory,
    Os,
    Key,
    /// `torch.linalg.LinAlgError`.
    LinAlg,
    /// Ctrl-C during native work.
    Interrupt,
    /// An exception of the host language on its way through: its object is in [`Error::foreign`].
    Foreign,
}

/// A refusal in PyTorch's words.
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    /// A host exception passing through, kept whole (type, value, traceback). Opaque here.
    pub foreign: Option<Box<dyn Any + Send>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), foreign: None }
    }
    #[cold]
    pub fn foreign(exception: Box<dyn Any + Send>) -> Error {
        Error { kind: ErrorKind::Foreign, message: String::new(), foreign: Some(exception) }
    }
}

macro_rules! constructors {
    ($($name:ident $kind:ident),* $(,)?) => { impl Error { $(
        #[cold]
        pub fn $name(message: impl Into<String>) -> Error { Error::new(ErrorKind::$kind, message) }
    )* } };
}
constructors! { runtime Runtime, value Value, type_ Type, index Index, not_implemented NotImplemented, out_of_memory OutOfMemory, os Os, key Key, linalg LinAlg }

/// `return Err(...)` with a formatted message: `bail!(index, "Dimension out of range ({d})")`.
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($text:tt)*) => { return Err($crate::Error::$kind(format!($($text)*))) };
}
/// [`bail!`] unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $kind:ident, $($text:tt)*) => { if !$condition { $crate::bail!($kind, $($text)*) } };
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}
impl std::error::Error for Error {}
