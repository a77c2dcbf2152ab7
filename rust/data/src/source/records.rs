//! Encoded records of any length (images in a folder or a shard), before they are decoded.
use rustorch_base::{Error, Result};

/// Random access to records. Many threads read at once.
pub trait Records: Send + Sync {
    fn len(&self) -> u64;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Replaces what `into` holds by record `index`, which is below `len`. The record's stored length bounds what is read.
    fn read(&self, index: u64, into: &mut Vec<u8>) -> Result<()>;
    /// The class of record `index`; `None` where the records have none.
    fn label(&self, index: u64) -> Option<i64>;
    /// Names of the classes, where labels number them.
    fn classes(&self) -> &[String];
    fn fingerprint(&self) -> u64;
    /// What is wrong with the contents of record `index`, with its file and where in it the record begins.
    fn damaged(&self, index: u64, reason: &str) -> Error;
}

/// Makes room for `bytes` bytes and gives them, holding anything.
pub fn room(buffer: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    buffer.resize(bytes, 0);
    buffer
}
